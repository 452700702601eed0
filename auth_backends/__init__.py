"""The authentication backends of Windsock: a small module for each, with one contract (`server.auth`)."""
