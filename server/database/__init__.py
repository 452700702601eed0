"""Everything that touches Postgres."""
