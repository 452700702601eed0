"""The API: its endpoints, their handlers, and the middlewares that every request passes."""
