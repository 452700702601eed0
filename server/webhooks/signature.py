"""Signs requests as Standard Webhooks 1.0 says (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
from collections.abc import Iterable


def headers(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that say what a request is and who sent it; `timestamp` is in seconds since 1970.

    Each key signs. So a receiver that knows one of them can verify the request while another key replaces it.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = [hmac.digest(key, signed, hashlib.sha256) for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
