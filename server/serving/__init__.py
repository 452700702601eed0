"""The service as processes: how it is started, and its supervisor and workers.

- `webserver`, `standalone`: what the commands of these names run
- `listener`: the socket of the API, and serving on it until the process stops
- `supervisor`: the parent: starts workers, replaces those that die or hang, reloads, stops
- `worker`: a process that serves the API on the shared socket
- `child`: one worker as its parent sees it
- `outcome`: how a reload ended, for `windsock reload`
- `channel`: questions and answers between the two, as lines of JSON
- `admin`, `measuring`: the admin listener, and the figures of a process that it reports
- `systemd`: takes the socket that systemd passes on, and sends notifications to systemd
"""
