"""The page as a browser gets it: its addresses, headers and files, and what the API answers to it."""

import base64
import gzip
import json
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import aiohttp
import gssapi
import pytest
from multidict import CIMultiDictProxy
from yarl import URL

from server.auth import tokens
from server.auth.sessions import COOKIE
from server.page.files import FOLDER, TYPES
from server.serving.standalone import read_config
from tests.integration.passwords import add_user, basic, execute
from tests.kerberos import Realm

Serve = Callable[..., Awaitable[str]]
API = "/api/experimental"
RUN_URL = "/admin/airflow/graph?dag_id=d&execution_date=2020-01-01T00%3A00%3A00%2B00%3A00"
SHELLS = (
    "/", "/dags/a%2Fb", "/dags/d/runs/manual__2020-01-01T00%3A00%3A00%2B00%3A00", "/dags/d/runs/r/tasks/t", "/pools",
    "/runs", "/status", "/sign-in", "/sign-in?next=%2Fpools", RUN_URL,
)  # fmt: skip
ADDRESSES = (*SHELLS, f"{API}/docs")
PAGE = {"X-Windsock-Page": "1"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Server": "windsock",
}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class Reply(NamedTuple):
    """What the server answered, as it was sent."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


async def ask(url: str, headers: dict[str, str] | None = None, method: str = "GET") -> Reply:
    """Send exactly this path and these headers."""
    skipped = ("User-Agent", "Accept", "Accept-Encoding")
    async with (
        aiohttp.ClientSession(
            auto_decompress=False, skip_auto_headers=skipped, cookie_jar=aiohttp.DummyCookieJar()
        ) as session,
        session.request(method, URL(url, encoded=True), headers=headers) as response,
    ):
        return Reply(response.status, response.headers, await response.read())


async def assets(url: str) -> str:
    """Return the address of the folder of files."""
    found = re.search(rb'href="([^"]*/static/[0-9a-f]{16})/', (await ask(f"{url}/")).body)
    assert found is not None
    return str(URL(url).origin()) + found[1].decode()


@pytest.mark.parametrize("fast_path", ["True", "False"])
async def test_every_address_of_the_page(serve: Serve) -> None:
    """At the root and below the base path the same, which it names; HEAD has all but the body."""
    url = await serve(page="True", base_path="/w")
    root = url.removesuffix("/w")
    front, shell = (await ask(f"{url}/")).body, (await ask(f"{url}/pools")).body
    # The list of DAGs alone names the modules that it needs besides.
    assert set(shell.splitlines()) < set(front.splitlines())
    assert b"/js/views/dags.js" in front
    assert b'<html lang="en" data-base="/w" data-version="' in shell
    assert b' data-sign-in="none"' in shell
    for begin in (root, url, f"{root}//w/"):
        for address in ADDRESSES:
            reply, head = await ask(begin + address), await ask(begin + address, method="HEAD")
            assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8"), address
            assert (reply.body == shell) == (address in SHELLS[1:])
            assert (reply.body == front) == (address == "/")
            assert (head.status, head.body, head.headers["ETag"]) == (200, b"", reply.headers["ETag"])
            assert head.headers["Content-Length"] == str(len(reply.body))
            assert (await ask(begin + address, method="POST")).status == 405
    assert (await ask(url)).body == front


async def test_the_url_of_a_run_leads_to_the_page(serve: Serve, database: str) -> None:
    """The one in the answers of a standalone server, which Airflow's clients show to people."""
    await execute(
        database, "INSERT INTO dag (dag_id, is_active, is_paused, is_subdag) VALUES ('d', true, false, false)"
    )
    url = await serve(page="True")
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}{API}/dags/d/dag_runs", json={}) as made:
            assert made.status == 200
        async with session.get(f"{url}{API}/latest_runs") as answer:
            address = (await answer.json())["items"][0]["dag_run_url"]
    assert address.startswith("/admin/airflow/graph?")
    reply = await ask(url + address)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("fast_path", ["True", "False"])
async def test_headers_of_every_answer(serve: Serve) -> None:
    """Those that keep foreign scripts and frames out are on all of them, errors too; only files are kept."""
    url = await serve(page="True")
    folder = await assets(url)
    kept = "public, max-age=31536000, immutable"
    for address, headers, status, cache in (
        *((url + address, {}, 200, "no-store") for address in ADDRESSES),
        (f"{url}/nowhere", BROWSER, 404, "no-store"),
        (f"{folder}/icon.svg", {}, 200, kept),
        (f"{folder}/icon.svg", {"If-None-Match": "*"}, 304, kept),
        (f"{folder}/nothing.js", {}, 404, "no-store"),
    ):
        reply = await ask(address, headers)
        assert (reply.status, reply.headers["Cache-Control"]) == (status, cache), address
        assert {name: reply.headers.get(name) for name in HEADERS} == HEADERS
        assert "Set-Cookie" not in reply.headers
        assert "X-Request-ID" in reply.headers


async def test_nothing_in_the_page_is_inline(serve: Serve) -> None:
    """No script, style or handler stands in it, so the policy forbids nothing of its own; all files are there."""
    url = await serve(page="True", base_path="/w")
    for address in ("/", f"{API}/docs"):
        text = (await ask(url + address)).body.decode()
        assert not re.search(r"<style|<script(?![^>]* src=)|\son\w+=|\sstyle=|javascript:|data:|https?://", text)
        files = re.findall(r'(?:src|href)="(/w/static/[^"]*)"', text)
        assert files
        for file in files:
            assert (await ask(url.removesuffix("/w") + file)).status == 200, file


async def test_files(serve: Serve) -> None:
    """Each is served as it is, with its type, and compressed to those who read that."""
    url = await serve(page="True")
    folder = await assets(url)
    paths = [path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".html"]
    assert {path.suffix for path in paths} <= set(TYPES)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        for path in paths:
            address, body = f"{folder}/{path.relative_to(FOLDER).as_posix()}", path.read_bytes()
            async with session.get(address, headers={"Accept-Encoding": "identity"}) as plain:
                assert (plain.status, plain.headers["Content-Type"]) == (200, TYPES[path.suffix])
                assert await plain.read() == body
            async with session.get(address, headers={"Accept-Encoding": "gzip, deflate, br"}) as packed:
                sent = await packed.read()
                assert len(sent) <= len(body)
                assert (gzip.decompress(sent) if "Content-Encoding" in packed.headers else sent) == body


async def test_a_file_is_not_sent_again(serve: Serve) -> None:
    """To those who have it, which the tag says; compressed and plain it has different ones."""
    url = await serve(page="True")
    address = f"{await assets(url)}/js/main.js"
    tags = []
    for accepted in ({}, {"Accept-Encoding": "gzip"}):
        first = await ask(address, accepted)
        tags.append(tag := first.headers["ETag"])
        assert ("Content-Encoding" in first.headers, first.headers["Vary"]) == (bool(accepted), "Accept-Encoding")
        for said, status in ((tag, 304), (f'"x", W/{tag}', 304), (tag[:-2] + '"', 200), ("x", 200)):
            again = await ask(address, {**accepted, "If-None-Match": said})
            assert (again.status, again.headers["ETag"], again.headers["Vary"]) == (status, tag, "Accept-Encoding")
            assert again.body == (b"" if status == 304 else first.body)
    assert tags[0] != tags[1]


async def test_encodings_that_are_accepted(serve: Serve) -> None:
    """What the header says counts, also that it does not want gzip; nothing in it is an error."""
    url = await serve(page="True")
    address = f"{await assets(url)}/icon.svg"
    for said, packed in (
        ("gzip", True), ("GZIP;q=0.5", True), ("*", True), ("br, gzip ; q=1.000", True), ("identity, *;q=0.1", True),
        ("", False), ("br", False), ("gzip;q=0", False), ("gzip; q=0.000, *", False), ("*;q=0", False),
        ("x" * 300 + ",gzip", False), ("gzip;q=x", False), (",;=," * 5000, False),
    ):  # fmt: skip
        assert ("Content-Encoding" in (await ask(address, {"Accept-Encoding": said})).headers) == packed, said[:20]


async def test_no_path_leads_out_of_the_folder(serve: Serve) -> None:
    """Nor to its templates, to a folder, to another version, or to a part of a file; and only GET reads."""
    url = await serve(page="True")
    folder = await assets(url)
    digest = folder.rpartition("/")[2]
    for path in (
        f"{digest}/../serving.py", f"{digest}/%2e%2e/serving.py", f"{digest}/..%2fserving.py",
        f"{digest}/%2Fetc/passwd",
        f"{digest}//etc/passwd", f"{digest}/js/../icon.svg%00", f"{digest}/js", f"{digest}/js/", f"{digest}/", digest,
        "", "/", f"{digest}/index.html", f"{digest}/docs.html", f"{digest}/icon.svg/", f"{digest}/js%2Fmain.js",
        f"{'0' * 16}/icon.svg", f"{digest.upper()}/ICON.svg", f"{digest}/{'a/' * 2000}",
    ):  # fmt: skip
        reply = await ask(f"{url}/static/{path}", BROWSER)
        assert (reply.status, reply.headers["Content-Type"]) == (404, "application/json"), path
        assert json.loads(reply.body)["code"] == "endpoint_not_found"
    part = await ask(f"{folder}/icon.svg", {"Range": "bytes=0-3"})
    assert (part.status, part.body) == (200, (FOLDER / "icon.svg").read_bytes())
    assert (await ask(f"{folder}/icon.svg", method="DELETE")).status == 405


async def test_addresses_that_do_not_exist(serve: Serve) -> None:
    """A person gets the page, which says so; programs, and everything below the API, get JSON as ever."""
    url = await serve(page="True", base_path="/w", auth_backend="password_auth")
    for path in (
        "/nowhere",
        "/dags",
        "/dags/d/",
        "/dags//runs/r",
        "/favicon.ico",
        "/dags/d/runs/r/tasks",
        "/index.html",
    ):
        reply = await ask(url + path, BROWSER)
        assert (reply.status, reply.headers["Content-Type"]) == (404, "text/html; charset=utf-8"), path
        assert (await ask(url + path)).status == 401
        assert (await ask(url + path, BROWSER, "POST")).status in {401, 403}
    for path in (f"{API}/nowhere", f"{API}/", "/api/v1/dags", f"{API}/docs/"):
        reply = await ask(url + path, BROWSER)
        assert (reply.status, reply.headers["Content-Type"]) == (401, "application/json"), path


async def test_without_the_option_there_is_no_page(serve: Serve) -> None:
    """As it is beside an Airflow: nothing of it answers, and the page's header changes nothing."""
    url = await serve(auth_backend="password_auth token_auth")
    plain, asked = await ask(f"{url}{API}/test"), await ask(f"{url}{API}/test", PAGE)
    assert plain.headers.getall("WWW-Authenticate") == asked.headers.getall("WWW-Authenticate")
    url = await serve()
    for address in (*ADDRESSES, "/static/0/x.js"):
        reply = await ask(url + address, BROWSER)
        assert (reply.status, reply.headers["Content-Type"]) == (404, "application/json"), address


def test_standalone_has_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody switches it off."""
    assert read_config(host=None, port=None, data_dir=tmp_path, dags_folder=tmp_path).page
    monkeypatch.setenv("AIRFLOW__WINDSOCK__PAGE", "False")
    assert not read_config(host=None, port=None, data_dir=tmp_path, dags_folder=tmp_path).page


@pytest.mark.parametrize(
    ("base_path", "fast_path"),
    [(f"{API}/pools", "True"), (f"{API}/pools", "False"), ("/static/w", "True"), ("/api", "True")],
)
async def test_the_api_keeps_its_addresses(serve: Serve, base_path: str) -> None:
    """Whatever the base path is: what is the API's stays closed, and is not taken for an address of the page."""
    url = await serve(page="True", base_path=base_path, auth_backend="deny_all")
    root = url.removesuffix(base_path)
    for path in (f"{API}/pools/status", f"{API}/pools/sign-in", f"{API}/dags/d", f"{API}/test", f"{API}/pools"):
        for begin in (root, url):
            reply = await ask(begin + path, BROWSER)
            assert (reply.status, reply.headers["Content-Type"]) == (403, "application/json"), begin + path
    assert (await ask(f"{root}/")).status == (await ask(f"{url}/")).status == 200
    folder = await assets(url)
    for begin in (folder, folder.replace(url, root)):
        assert (await ask(f"{begin}/icon.svg")).status == 200


async def test_what_the_page_knows_of_signing_in(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which ways there are, a backend of somebody's own too; where nobody may call the API, only the page is open."""
    (tmp_path / "page_test_backend.py").write_text("async def authenticate(request):\n    ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    for backend, said in (
        ("default", "none"), ("deny_all", "closed"), ("password_auth", "password"), ("token_auth", "token"),
        ("token_auth password_auth", "password token"), ("page_test_backend", "other"),
    ):  # fmt: skip
        url = await serve(page="True", auth_backend=backend)
        assert f' data-sign-in="{said}"'.encode() in (await ask(f"{url}/")).body
        if backend == "deny_all":
            for path in ("/whoami", "/openapi.json", "/nowhere"):
                assert (await ask(url + API + path, PAGE)).status == 403


async def sign_in(url: str, credentials: dict[str, str]) -> str:
    """Do what the form does; return the header of the cookie."""
    own = {"Origin": url, "Sec-Fetch-Site": "same-origin", "User-Agent": "Mozilla/5.0 (X11)", "Accept-Language": "en"}
    reply = await ask(f"{url}{API}/session", {**PAGE, **own, **credentials}, "POST")
    assert reply.status == 200
    cookie = reply.headers["Set-Cookie"]
    assert re.search("; HttpOnly; .*Path=/; SameSite=Strict", cookie)
    return cookie.partition(";")[0]


async def test_signing_in_and_out(serve: Serve, database: str) -> None:
    """With a password or a token; then the cookie counts, for the stream of events too, until the session ends."""
    text = tokens.make()
    await add_user(database, "alice")
    insert = "INSERT INTO windsock_token (name, digest, role) VALUES ('ci', $1, 'User')"
    await execute(database, insert, tokens.digest(text))
    url = await serve(page="True", auth_backend="password_auth token_auth", throttle_failures="0")
    for credentials, user in ((dict(basic("alice")), "alice"), ({"Authorization": f"Bearer {text}"}, "token:ci")):
        wrong = {**PAGE, "Authorization": credentials["Authorization"][:-6] + "AAAAAA"}
        assert (await ask(f"{url}{API}/session", wrong, "POST")).status == 403
        cookie = {**PAGE, "Cookie": await sign_in(url, credentials)}
        assert json.loads((await ask(f"{url}{API}/whoami", cookie)).body)["user"] == user
        async with aiohttp.ClientSession() as session, session.get(f"{url}{API}/events", headers=cookie) as events:
            assert (events.status, events.content_type) == (200, "text/event-stream")
        foreign = {**cookie, "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert (await ask(f"{url}{API}/session", foreign, "DELETE")).status == 403
        ended = await ask(f"{url}{API}/session", {**cookie, "Origin": url}, "DELETE")
        assert ended.headers["Set-Cookie"].startswith(f'{COOKIE}="";')
        assert ended.headers["Clear-Site-Data"] == '"cache"'


async def test_challenges(serve: Serve) -> None:
    """To the page none for which a browser opens a dialog; without its header the answer is the same byte for byte."""
    with_page = await serve(page="True", auth_backend="password_auth token_auth")
    without = await serve(page="False", auth_backend="password_auth token_auth")
    shown = (f"{API}/whoami", f"{API}/dags", "/nowhere", f"{API}/session")
    for path in shown:
        for headers in ({}, {"Authorization": "Digest x"}, {"Referer": "http://evil.example/"}, {"Referer": ":::"}):
            plain, usual = await ask(with_page + path, headers), await ask(without + path, headers)
            assert (plain.status, plain.body) == (usual.status, usual.body) == (401, plain.body)
            assert plain.headers.getall("WWW-Authenticate") == usual.headers.getall("WWW-Authenticate")
            assert len(plain.headers.getall("WWW-Authenticate")) == 2
            for own in (PAGE, {"Referer": f"{with_page}/dags/d"}, {"Sec-Fetch-Site": "same-origin"}):
                reply = await ask(with_page + path, {**headers, **own})
                assert (reply.status, reply.body) == (401, plain.body)
                assert reply.headers.getall("WWW-Authenticate") == ['Windsock-Session realm="Windsock"']


def ticket(service: str) -> dict[str, str]:
    """Return the header that a browser sends after the challenge."""
    name = gssapi.Name(f"{service}@localhost", gssapi.NameType.hostbased_service)
    sent = gssapi.SecurityContext(name=name, usage="initiate").step() or b""
    return {"Authorization": f"Negotiate {base64.b64encode(sent).decode()}"}


async def test_kerberos(serve: Serve, realm: Realm, caplog: pytest.LogCaptureFixture) -> None:
    """Browsers ask for HTTP/HOST: with the page it counts beside airflow/HOST, and begins a session."""
    usual = {"auth_backend": "kerberos_auth, password_auth", "kerberos_hostname": "localhost"}
    url = await serve(page="True", kerberos_keytab=str(realm.keytab), **usual)
    url = url.replace("127.0.0.1", "localhost")
    assert b' data-sign-in="kerberos password"' in (await ask(f"{url}/")).body
    challenged = await ask(f"{url}{API}/whoami", PAGE)
    assert (challenged.status, challenged.headers.getall("WWW-Authenticate")) == (401, ["Negotiate"])
    for service in ("HTTP", "airflow"):
        sent = ticket(service)
        reply = await ask(f"{url}{API}/whoami", {**PAGE, **sent})
        assert (reply.status, reply.headers["WWW-Authenticate"][:10]) == (200, "negotiate ")
        with caplog.at_level(logging.INFO):
            assert (await ask(f"{url}{API}/whoami", {**PAGE, **sent})).status == 403
        assert "Request is a replay" in str([vars(record) for record in caplog.records])
        caplog.clear()
    cookie = await sign_in(url, ticket("HTTP"))
    assert (await ask(f"{url}{API}/whoami", {**PAGE, "Cookie": cookie})).status == 200
    url = await serve(page="False", kerberos_keytab=str(realm.keytab), **usual)
    assert (await ask(f"{url}{API}/whoami", {**PAGE, **ticket("HTTP")})).status == 403


async def test_a_keytab_without_the_key_of_browsers(
    serve: Serve, realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said in the log at the start; programs authenticate, and browsers do as soon as the key is there."""
    keytab = tmp_path / "airflow.keytab"
    realm.add_key(keytab, "airflow")
    usual = {"auth_backend": "kerberos_auth", "kerberos_hostname": "localhost", "kerberos_keytab": str(keytab)}
    url = await serve(page="True", **usual)
    assert "browsers cannot sign in with Kerberos" in caplog.text
    for service, status in (("airflow", 200), ("HTTP", 403)):
        assert (await ask(f"{url}{API}/whoami", ticket(service))).status == status
    realm.add_key(keytab, "HTTP")
    assert (await ask(f"{url}{API}/whoami", ticket("HTTP"))).status == 200


@pytest.mark.parametrize("fast_path", ["True", "False"])
async def test_answers_of_the_api_are_compressed_for_the_page_alone(serve: Serve) -> None:
    """Whoever else asks, also with `Accept-Encoding`, has the plain text."""
    url = await serve(page="True", cors_origins="http://elsewhere.example")
    compressed = {"Accept-Encoding": "gzip"}
    plain = await ask(f"{url}{API}/openapi.json", compressed)
    assert "Content-Encoding" not in plain.headers
    same = await ask(f"{url}{API}/openapi.json", PAGE)
    assert same.body == plain.body
    short = await ask(f"{url}{API}/openapi.json", {**PAGE, **compressed})
    assert short.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in short.headers["Vary"]
    assert int(short.headers["Content-Length"]) == len(short.body) < len(plain.body) / 4
    assert gzip.decompress(short.body) == plain.body
    head = await ask(f"{url}{API}/openapi.json", {**PAGE, **compressed}, "HEAD")
    assert (head.body, head.headers["Content-Length"]) == (b"", short.headers["Content-Length"])
    small = await ask(f"{url}{API}/test", {**PAGE, **compressed})
    assert "Content-Encoding" not in small.headers
