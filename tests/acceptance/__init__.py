"""What a user types, run as a user runs it."""
