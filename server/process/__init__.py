"""Processes: their event loop, their children, their privileges, and work that can be killed."""
