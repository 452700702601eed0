"""DAG files that could not be loaded."""

from aiohttp import web

from server import wire
from server.api.handlers.paging import page_headers
from server.api.resources import METADATA
from server.http.answers import json_list


async def list_import_errors(request: web.Request) -> web.StreamResponse:
    """`GET /import_errors`."""
    page = wire.parse_import_errors_query(request.query.items())
    import_errors = request.app[METADATA].import_errors
    total = await import_errors.count() if page.partial else None
    pages = import_errors.pages(page.limit, page.offset, descending=page.descending)
    return await json_list(request, pages, page_headers(request, page, total))
