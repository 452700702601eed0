"""The page's URLs. All answers are made once at the start; none of them depends on who asks.

Anybody may read them, as they contain nothing but what everybody can download with Windsock. All data come from the
API, which asks the reader for credentials.
"""

from collections.abc import Collection, Iterable

import jinja2
from aiohttp import hdrs, web

from server.http.answers import error_answer
from server.http.router import Paths, spellings
from server.page.answers import HEADERS, KEPT_FOREVER, NEVER_KEPT, content_answer
from server.page.files import FOLDER, SHEET, Content, read_files
from server.page.modules import needed
from windsock.config import Config
from windsock.protocol import PREFIX, Code

_HTML = "text/html; charset=utf-8"
_DAG = "/dags/{dag_id}"
_RUN = f"{_DAG}/runs/{{run_id}}"
# Each of these has the same answer, the shell, whose script looks at the address.
_VIEWS = (_DAG, _RUN, f"{_RUN}/tasks/{{task_id}}", "/pools", "/runs", "/status", "/sign-in")
_MAIN, _FRONT_VIEW = "js/main.js", "js/views/dags.js"
# Where `dag_run_url` of a standalone database leads.
_RUN_URL = "/admin/airflow/graph"


class Page:
    """The page of a server, ready to be sent."""

    def __init__(self, config: Config, sign_in: Iterable[str]) -> None:
        """Read the files and fill the templates; `sign_in` says how one signs in (`server.page.sign_in`)."""
        self._base_path = config.base_path
        self._files = read_files()
        self._shell = self._filled("index.html", sign_in, _MAIN)
        self._front = self._filled("index.html", sign_in, _MAIN, _FRONT_VIEW)
        self._docs = self._filled("docs.html", sign_in)
        self.handlers = frozenset({self.front, self.shell, self.docs, self.static, self.missing})

    @property
    def resources(self) -> list[web.AbstractResource]:
        """What finds these URLs, to be asked after the API, whose paths are its own."""
        roots = {"/", self._base_path or "/"}
        table = [web.get(path, self.shell) for path in _VIEWS]
        others = [
            *(web.get(path, self.front) for path in sorted(roots)),
            web.get(_RUN_URL, self.shell),
            web.get(f"{PREFIX}/docs", self.docs),
        ]
        folders = [web.get("/static/{path}", self.static)]
        # Below a base path such as `/static` everything would be at the root a file.
        paths = Paths("", table, others, self._base_path, folders, root_first=False)
        return [paths, _Elsewhere(self._base_path, self.missing)]

    async def shell(self, request: web.Request) -> web.Response:
        """Answer with the page; its script shows what the address says."""
        return content_answer(request, self._shell, NEVER_KEPT)

    async def front(self, request: web.Request) -> web.Response:
        """Answer with the page for the list of DAGs, whose modules the browser asks for at once."""
        return content_answer(request, self._front, NEVER_KEPT)

    async def docs(self, request: web.Request) -> web.Response:
        """`GET /api/experimental/docs`: the description of the API, for people."""
        return content_answer(request, self._docs, NEVER_KEPT)

    async def missing(self, request: web.Request) -> web.Response:
        """Answer somebody who went to an address that does not exist: the page, which says so, with 404."""
        return content_answer(request, self._shell, NEVER_KEPT, web.HTTPNotFound.status_code)

    async def static(self, request: web.Request) -> web.Response:
        """`GET /static/<digest>/<path>`: a file of this very version."""
        digest, _, path = request.match_info["path"].partition("/")
        content = self._files.by_path.get(path) if digest == self._files.digest else None
        if content is None:
            message = "Not found: this version of the page has no such file; reload the page"
            return error_answer(Code.ENDPOINT_NOT_FOUND, message, 404, {**HEADERS, "Cache-Control": NEVER_KEPT})
        return content_answer(request, content, KEPT_FOREVER)

    def _filled(self, name: str, sign_in: Iterable[str], *modules: str) -> Content:
        """Fill a template. What a value contains is escaped, and a name that nobody has set is an error."""
        loader = jinja2.FileSystemLoader(FOLDER)
        templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        text = templates.get_template(name).render(
            base_path=self._base_path,
            assets=f"{self._base_path}/static/{self._files.digest}",
            sheet=SHEET,
            modules=needed(self._files.by_path, *modules),
            version=self._files.digest,
            sign_in=" ".join(sign_in),
        )
        return Content.of(text.encode(), _HTML)


class _Elsewhere(web.PlainResource):
    """All other addresses to which a person goes with a browser; programs, and the API's own paths, get JSON."""

    def __init__(self, base_path: str, handler: object) -> None:
        super().__init__("/")
        self._base_path = base_path
        [self._route] = web.UrlDispatcher().add_routes([web.get("/{path}", handler, allow_head=False)])  # type: ignore[arg-type]

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return the route of a navigation."""
        at_root: Collection[str] = spellings(request.rel_url.path_safe, self._base_path)
        for_people = request.method in {"GET", "HEAD"} and "text/html" in request.headers.get(hdrs.ACCEPT, "")
        if not for_people or any(path.startswith(("/api/", "/static/")) for path in at_root):
            return None, set()
        return web.UrlMappingMatchInfo({}, self._route), set()
