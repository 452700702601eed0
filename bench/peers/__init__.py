"""The other sides: each the way that its own documentation shows."""
