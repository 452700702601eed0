"""The commands of operators: the service itself, its database, its configuration, its users."""
