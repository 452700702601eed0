"""The supervisor and its workers.

- `supervisor`: the parent: starts workers, replaces those that die or hang, reloads, stops
- `worker`: a process that serves the API on the shared socket
- `child`: one worker as its parent sees it
- `channel`: questions and answers between the two, as lines of JSON
- `systemd`: takes the socket that systemd passes on, and sends notifications to systemd
"""
