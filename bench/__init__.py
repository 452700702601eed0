"""`make bench`: Windsock beside its peers, on one Postgres, in one run."""
