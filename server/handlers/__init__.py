"""One module a resource: each handler parses, calls one metadata method, and answers."""
