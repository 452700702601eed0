"""Remembering and sharing, for every part of the service that does either.

- `bounded`: the one bounded map
- `single_flight`: callers that want the same thing at the same time share one call
- `recent`: both together: what was read a moment ago is not read again
"""
