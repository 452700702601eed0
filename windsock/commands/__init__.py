"""The commands of callers, one module for each subject; the service's own are in `server.commands`."""
