"""One module for each resource: each handler parses, calls one metadata method, and answers."""
