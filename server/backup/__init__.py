"""`windsock db backup` and `windsock db restore`: a standalone database in one file, by Postgres' own programs."""
