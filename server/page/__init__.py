"""The page for people: it serves the files in `static/`, which talk to the API as any client does."""
