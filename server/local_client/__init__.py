"""The client that works straight on the database: it calls the operations that the server's handlers call.

It needs `[core] sql_alchemy_conn` and the rights that the server has, and no other credentials.
"""

from server.local_client.client import LocalClient

__all__ = ["LocalClient"]
