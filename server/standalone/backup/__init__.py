"""`windsock db backup` and `windsock db restore`: a standalone database in one file, made by Postgres' own programs."""
