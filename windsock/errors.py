"""What client, command line and service raise for a configuration that they cannot use."""


class ConfigError(Exception):
    """The configuration cannot be used; the message is one line that names the place, and says what would be right."""
