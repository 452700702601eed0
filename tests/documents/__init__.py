"""What README.md and docs/ tell a reader to type is typed."""
