"""DAG files that could not be loaded."""

from aiohttp import web

from server import wire
from server.api.handlers.paging import page_headers
from server.api.needs import IMPORT_ERROR_READ, readable
from server.api.resources import OPERATIONS
from server.http.answers import json_list


async def list_import_errors(request: web.Request) -> web.StreamResponse:
    """`GET /import_errors`."""
    page = wire.parse_import_errors_query(request.query.items())
    may_read = readable(request, IMPORT_ERROR_READ)
    pages, total = await request.app[OPERATIONS].list_import_errors(page, may_read)
    return await json_list(request, pages, page_headers(request, page, total))
