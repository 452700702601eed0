"""What authentication costs, and what it gives away. `python -m bench.authentication`, `make bench-auth`."""

import asyncio
import http.client
import secrets
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import aiohttp
import asyncpg
import click

from bench import cache, permissions
from bench.asking import CONNECTIONS, PASSWORD, POOL, USER, Headers, basic, load, served, tell
from bench.works import API
from server.auth import hashes
from server.database.schema import initdb
from server.standalone.postgres import EmbeddedPostgres
from windsock.config import Dsn

_GUESSERS, _GUESSES = 50, 20_000
_OK, _FORBIDDEN = 200, 403
_FLOOD, _PATIENCE = 48, 2
_USERS = [f"carol{number}" for number in range(1, 7)]
_TITLES = {
    "default": "default: no authentication",
    "basic": "Basic on every request",
    "session": "a session cookie",
    "guessed": f"Basic, beside {_GUESSERS} guessing clients",
}
# What is divided by what, and what is to be reached.
_BARS = (("basic", "default", 0.75), ("session", "default", 0.7), ("guessed", "basic", 0.5))
_TIMING = 0.05


def _session(url: str, good: Headers) -> Headers:
    with urlopen(Request(f"{url}{API}/session", headers=dict(good), method="POST")) as answer:
        return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


@contextmanager
def _guessing(url: str) -> Iterator[None]:
    """Have clients guess while the block runs, half of them a user who exists; wait until all guesses are answered."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as guesses:
        users = ((USER if n % 2 else f"user{n}", f"guess {n}") for n in range(_GUESSES))
        guesses.write("\n".join(basic(user, password) for user, password in users))
        guesses.flush()
        command = [cache.require_wrk(), f"-c{_GUESSERS}", "-t1", "-d600s", "--timeout", "60s"]
        command += ["-s", str(cache.HERE / "guess.lua"), url + POOL, "--", guesses.name]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)
            yield
        finally:
            process.terminate()
            process.wait()
    # Those that wait to be hashed would slow what is measured next; they are hashed in their order.
    with _client(url) as status:
        while status(basic("last", "guess")) != _FORBIDDEN:
            time.sleep(0.2)


@contextmanager
def _client(url: str) -> Iterator[Callable[[str], int]]:
    """Open a connection; yields a function that sends credentials and returns how they are answered."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def status(credentials: str) -> int:
        connection.request("GET", POOL, headers={"Authorization": f"Basic {credentials}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    with closing(connection):
        yield status


def throughput(default: str, password: str, rounds: int, seconds: int) -> None:
    """Measure every way in turn, in each round; print medians, and ratios as medians of the rounds' ratios."""
    good = {"Authorization": f"Basic {basic(USER, PASSWORD)}"}
    ways = {"default": (default, {}), "basic": (password, good), "session": (password, _session(password, good))}
    for url, headers in ways.values():
        load(url, headers, 1)
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        click.echo(f"\rround {number + 1}/{rounds}", nl=False, err=True)
        for name, (url, headers) in ways.items():
            found[name].append(load(url, headers, seconds))
        with _guessing(password):
            found["guessed"].append(load(*ways["basic"], seconds))
    click.echo(err=True)
    click.echo(f"GET {POOL}, {CONNECTIONS} connections, medians of {rounds} rounds of {seconds} s\n")
    for name, title in _TITLES.items():
        click.echo(f"{title:<38} {median(found[name]):>8,.0f} requests/s")
    click.echo()
    for ours, other, limit in _BARS:
        ratio = median(mine / theirs for mine, theirs in zip(found[ours], found[other], strict=True))
        tell(f"{_TITLES[ours]} / {other}", f"{ratio:.2f}", f"at least {limit:g}", met=ratio >= limit)


def timing(url: str, tries: int) -> None:
    """Ask for users who do not exist and with wrong passwords of one who does, in turn; print medians."""
    seconds: dict[str, list[float]] = defaultdict(list)
    with _client(url) as status:
        # The first one opens the connection.
        status("")
        for number in range(tries):
            for kind, user in (("unknown", f"nobody{number}"), ("wrong", USER)):
                start = time.perf_counter()
                if status(basic(user, f"wrong {number}")) != _FORBIDDEN:
                    raise click.ClickException("a wrong password was not answered with 403")
                seconds[kind].append(time.perf_counter() - start)
    unknown, wrong = (median(seconds[kind]) for kind in ("unknown", "wrong"))
    shown = f"{unknown * 1000:.1f} ms / {wrong * 1000:.1f} ms = {unknown / wrong:.3f}"
    tell(f"unknown user / wrong password, {tries} tries", shown, f"within {_TIMING:.0%}",
          met=abs(unknown / wrong - 1) <= _TIMING)  # fmt: skip


async def lockout(url: str) -> None:
    """Guess made-up names from one address, and come in from another as users whose password is not remembered."""
    guessing = True
    async with _from("127.0.0.2") as guesser, _from("127.0.0.3") as user:

        async def guess() -> None:
            while guessing:
                await _answer(guesser, url, secrets.token_hex(8), "guess")

        async def come_in(name: str) -> float:
            start = time.perf_counter()
            # Those who find no room are answered after a moment.
            while await _answer(user, url, name, PASSWORD) != _OK:
                pass
            return time.perf_counter() - start

        guessers = [asyncio.create_task(guess()) for _ in range(_FLOOD)]
        await asyncio.sleep(2)
        waited = await asyncio.gather(*(come_in(name) for name in _USERS))
        guessing = False
        await asyncio.gather(*guessers)
    shown = f"{min(waited):.2f} to {max(waited):.2f} s"
    tell(f"{len(_USERS)} users, beside {_FLOOD} guessers elsewhere", shown, f"each in {_PATIENCE} s",
          met=max(waited) <= _PATIENCE)  # fmt: skip


def _from(address: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, local_addr=(address, 0)))


async def _answer(client: aiohttp.ClientSession, url: str, user: str, password: str) -> int:
    headers = {"Authorization": f"Basic {basic(user, password)}"}
    async with client.get(url + POOL, headers=headers) as answer:
        return answer.status


async def _fill(postgres: EmbeddedPostgres) -> None:
    await initdb(Dsn.parse(postgres.dsn))
    connection = await asyncpg.connect(postgres.dsn)
    add = "INSERT INTO users (username, password) SELECT name, $2 FROM unnest($1::text[]) AS name"
    await connection.execute(add, [USER, *_USERS], hashes.make(PASSWORD))
    await connection.close()


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often everything is measured.")
@click.option("--seconds", default=5, show_default=True, help="How long each measurement takes.")
@click.option("--tries", default=200, show_default=True, help="How often each kind of wrong credentials is timed.")
def main(rounds: int, seconds: int, tries: int) -> None:
    """Measure what authentication and permissions cost, and whether unknown users can be told from wrong passwords."""
    cache.require_wrk()
    cache.CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="windsock-bench-") as folder, asyncio.Runner() as runner:
        postgres = EmbeddedPostgres(Path(folder))
        runner.run(postgres.start())
        try:
            runner.run(_fill(postgres))
            with served(postgres.dsn, "default", auth_backend="default") as default, \
                 served(postgres.dsn, "password", auth_backend="password_auth") as password:  # fmt: skip
                throughput(default, password, rounds, seconds)
            with served(postgres.dsn, "timing", auth_backend="password_auth", throttle_failures="0") as url:
                timing(url, tries)
            with served(postgres.dsn, "lockout", auth_backend="password_auth") as url:
                runner.run(lockout(url))
            permissions.measure(postgres, runner, rounds * seconds)
        finally:
            runner.run(postgres.stop())


if __name__ == "__main__":
    main()
