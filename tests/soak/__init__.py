"""An hour of mixed load with a fault a minute: no leak, no stuck request, no lost trigger.

`make soak ARGS='--minutes 60'`; docs/operations.md says what it does and how to read what it prints.

- `ground`: Postgres, a network to it and the service, all of which may be broken
- `ledger`: what was sent, what was answered, and what should not have been
- `load`: the callers
- `faults`: what is broken, and what callers may see of it
- `figures`: what the processes hold, and whether it grows
- `run`: one thing after the other; `report`: what came of it
"""
