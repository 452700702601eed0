"""HTTP below the handlers: what reads requests and makes answers. It knows no database and no user."""
