"""The authentication backends that ship with Windsock: one small module each, one contract (`server.auth`)."""
