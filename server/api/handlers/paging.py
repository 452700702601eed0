"""What the handlers of several lists share: whether details are wanted, and the headers of a page."""

from aiohttp import web

from server import wire


def page_headers(request: web.Request, page: wire.Page, total: int | None) -> dict[str, str]:
    """Return `Link` (RFC 8288) and `X-Total-Count` for a page; nothing for a whole list, whose `total` is None."""
    if total is None:
        return {}
    links = wire.page_links(request.rel_url.raw_path, list(request.query.items()), page, total)
    return {"Link": links, "X-Total-Count": str(total)}


def wants_details(request: web.Request) -> bool:
    """Whether the query has `details=true`; raises BadRequest."""
    return wire.parse_details(request.query.items()) if request.query_string else False
