"""The version: setup and documentation read it here."""

__version__ = "0.2.0"
