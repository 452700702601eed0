"""The answers of the page, with the headers that keep other sites and foreign scripts out."""

import re

from aiohttp import hdrs, web

from server.http.answers import SERVER
from server.page.files import Content

HEADERS = {
    "Server": SERVER,
    # Only files of this server count: no script or style within a page, so no text from the database becomes one.
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
NEVER_KEPT = "no-store"
# The address has a digest of the content, so what is kept never is out of date.
KEPT_FOREVER = "public, max-age=31536000, immutable"

# No more of a header is looked at: what browsers send is shorter.
_LONGEST_LIST = 256
_CODING = re.compile(r"\s*(gzip|\*)\s*(?:;\s*q=([0-9.]+)\s*)?", re.IGNORECASE)


def content_answer(request: web.Request, content: Content, kept: str, status: int = 200) -> web.Response:
    """Answer a content whole, compressed if the client reads that; 304 without it if the client has it already."""
    compressed = content.compressed if reads_gzip(request) else None
    # What is sent differs, so the tags differ too (RFC 9110, 8.8.3.3).
    tag = content.tag if compressed is None else f"{content.tag}-gzip"
    headers = {**HEADERS, "Cache-Control": kept, "ETag": f'"{tag}"', "Vary": "Accept-Encoding"}
    if status == web.HTTPOk.status_code and _has(request, tag):
        return web.Response(status=web.HTTPNotModified.status_code, headers=headers)
    headers["Content-Type"] = content.content_type
    if compressed is not None:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=content.body if compressed is None else compressed, status=status, headers=headers)


def _has(request: web.Request, tag: str) -> bool:
    """Whether the client names the tag, which contains nothing that could be a part of another one."""
    said = request.headers.get(hdrs.IF_NONE_MATCH, "")
    return f'"{tag}"' in said or said.strip() == "*"


def reads_gzip(request: web.Request) -> bool:
    """Whether `Accept-Encoding` admits gzip; what is said of gzip itself counts more than what is said of all (`*`)."""
    weights = {}
    for each in ",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))[:_LONGEST_LIST].split(","):
        if said := _CODING.fullmatch(each):
            weights[said[1].lower()] = bool((said[2] or "1").strip("0."))
    return weights.get("gzip", weights.get("*", False))
