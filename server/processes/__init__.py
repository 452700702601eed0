"""One supervisor and its workers.

- `supervisor`: the parent; starts workers, restarts those that die or hang, reloads, stops
- `worker`: a process that serves the API on the socket that all share
- `child`: the parent's view of one worker
- `channel`: questions and answers between the two, as lines of JSON
- `systemd`: the socket that systemd passes on, and telling it how things are
"""
