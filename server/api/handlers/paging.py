"""The headers of a list that is answered in pages."""

from aiohttp import web

from server import wire


def page_headers(request: web.Request, page: wire.Page, total: int | None) -> dict[str, str]:
    """Return `Link` (RFC 8288) and `X-Total-Count` for a page; nothing for a whole list, whose `total` is None."""
    if total is None:
        return {}
    links = wire.page_links(request.rel_url.raw_path, list(request.query.items()), page, total)
    return {"Link": links, "X-Total-Count": str(total)}
