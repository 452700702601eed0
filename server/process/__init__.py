"""Processes: their event loop, their children, their privileges, and work that can be killed.

- `loop`: runs a coroutine, until it ends or a signal stops it
- `spawn`: starts a program, and waits for its end
- `python_child`: starts a module of our own in a process of its own, and hands it what it needs
- `parent_death`: a process ends when its parent does
- `privileges`: hides our own processes from tasks, and lets Postgres run as another user
- `offload`: work on untrusted data, in processes that can be killed
"""
