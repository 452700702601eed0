"""The permissions file: what is wrong in it, and that nobody has more than it says."""

import os
import random
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from server.auth.contract import Identity
from server.auth.file_source import FileSource, load_permissions, read_permissions_file, with_permissions
from server.auth.permissions import ACTIONS, OF_DAGS, RESOURCES, ROLES, Permission, Permissions
from server.auth.permissions_file import MAX_PROBLEMS, parse_permissions
from server.errors import StartupError
from server.wire.document import DocumentError
from tests.live import config_for

GOOD = b"""
roles:
  deployer:
    - can_read on DAGs
    - can_edit on DAG:etl_*
    - can_create on DAG Runs
    - can_read on DAG Run:etl_*
  nobody: []
users:
  alice: Admin
  bob: [Viewer, deployer]
  ci: {role: User, dags: ['etl_*']}
  both: [Public, {role: deployer, dags: etl_a*}]
principals:
  host/ci.example.com@EXAMPLE.COM: User
realms:
  EXAMPLE.COM: Viewer
tokens:
  nightly: {role: User, dags: ['etl_*', nightly]}
"""
_TEXTS = "on, off, yes, no, dates and numbers are texts only in quotes"
DSN = "postgresql://nobody@127.0.0.1:1/none"


def faults(raw: bytes) -> list[tuple[int | None, str]]:
    """Return line and text of each problem of a file."""
    with pytest.raises(DocumentError) as caught:
        parse_permissions(raw)
    return [(line, text) for line, text in caught.value.problems]


async def of(raw: bytes, identity: Identity, kind: str = "users", stored: Sequence[str] = ()) -> Permissions:
    """Return what a file says of somebody."""

    async def roles(_user: str) -> Sequence[str]:
        return stored

    return await FileSource(parse_permissions(raw), roles, 10).permissions(identity, kind)


async def test_who_has_what() -> None:
    """Roles of the file and built-in ones, one or several, for all DAGs or some."""
    alice, bob = await of(GOOD, Identity("alice")), await of(GOOD, Identity("bob"))
    ci, nobody = await of(GOOD, Identity("ci")), await of(GOOD, Identity("eve"))
    edit, trigger = Permission("can_edit", "DAGs"), Permission("can_create", "DAG Runs")
    assert alice.roles == ("Admin",)
    assert all(alice.allows(Permission(action, resource)) for action in ACTIONS for resource in RESOURCES)
    assert bob.roles == ("Viewer", "deployer")
    assert [bob.allows(edit, dag_id) for dag_id in ("etl_1", "other")] == [True, False]
    assert bob.allows(trigger, "other")
    assert not bob.allows(Permission("can_create", "Pools"))
    assert ci.roles == ("User (etl_*)",)
    assert [ci.allows(trigger, dag_id) for dag_id in ("etl_1", "other")] == [True, False]
    assert not ci.allows(Permission("can_read", "Pools"))
    assert nobody.grants == ()


async def test_a_role_for_some_dags_that_names_dags_itself() -> None:
    """Both count: only DAGs that match both."""
    both = await of(GOOD, Identity("both"))
    edit = Permission("can_edit", "DAGs")
    assert [both.allows(edit, dag_id) for dag_id in ("etl_a1", "etl_b1", "a")] == [True, False, False]


async def test_sections_do_not_mix() -> None:
    """A name counts in the section of its backend only."""
    assert (await of(GOOD, Identity("alice"), "tokens")).grants == ()
    assert (await of(GOOD, Identity("alice"), "principals", ["Admin"])).grants == ()
    assert (await of(GOOD, Identity("nightly"))).grants == ()
    for user in ("nightly", "token:nightly"):
        assert (await of(GOOD, Identity(user), "tokens")).roles == ("User (etl_*, nightly)",)
    assert (await of(GOOD, Identity("token:alice"))).grants == ()
    assert (await of(GOOD, Identity("EXAMPLE.COM"), "users")).grants == ()
    assert (await of(GOOD, Identity(None))).grants == ()


@pytest.mark.parametrize("user", ["host/ci.example.com", "host/ci.example.com@EXAMPLE.COM"])
async def test_principals_have_their_own_roles_and_those_of_their_realm(user: str) -> None:
    """Whether or not the backend strips the realm."""
    found = await of(GOOD, Identity(user, realm="EXAMPLE.COM"), "principals")
    assert found.roles == ("User", "Viewer")


@pytest.mark.parametrize(
    ("user", "realm", "roles"),
    [
        ("alice", "EXAMPLE.COM", ("Viewer",)),
        ("host/ci.example.com@EXAMPLE.COM", "OTHER.COM", ()),
        ("host/ci.example.com", "OTHER.COM", ()),
        (r"host/ci.example.com\@EXAMPLE.COM", "EXAMPLE.COM", ("Viewer",)),
        (r"host/ci.example.com\@EXAMPLE.COM", "OTHER.COM", ()),
        ("host/ci.example.com@EXAMPLE.COM", None, ("User",)),
    ],
)
async def test_nobody_passes_for_another_principal(user: str, realm: str | None, roles: tuple[str, ...]) -> None:
    """A realm in a name is no realm."""
    assert (await of(GOOD, Identity(user, realm=realm), "principals")).roles == roles


async def test_stored_roles_count_too(caplog: pytest.LogCaptureFixture) -> None:
    """Roles in the database are added to those of the file; one that does not exist gives nothing, and is logged."""
    both = await of(GOOD, Identity("ci"), stored=["Viewer", "gone"])
    assert both.roles == ("User (etl_*)", "Viewer", "gone")
    assert both.allows(Permission("can_read", "Pools"))
    assert not both.allows(Permission("can_create", "Pools"))
    assert [record.__dict__["role"] for record in caplog.records] == ["gone"]


def test_all_faults_of_a_file_at_once() -> None:
    """Each has its line, and says what would be right."""
    raw = b"""\
roles:
  viewer: can_read on DAGs
  deployer:
    - can_raed on DAGs
    - can_read on DAG
    - can_read DAGs
    - yes
    - can_edit on DAG:etl_[ab]
  deployer: can_read on Pools
  x: {}
users:
  on: Admin
  123: Admin
  alice: Viwer
  bob: [Viewer, deploier, 7]
  carl:
  dora: {role: User, dag: x}
  emil: {dags: [a]}
  fred: {role: User, dags: []}
  gerd: {role: User, dags: }
  hans: {role: User, dags: [a b, '']}
  ' ida': Admin
principals:
  alice: Admin
realms:
  a@B: Viewer
token:
  x: Admin
"""
    assert faults(raw) == [
        (2, "the role `viewer` is built in, and cannot be changed: choose another name"),
        (4, "unknown action `can_raed`, did you mean `can_read`?"),
        (5, "unknown resource `DAG`, did you mean `DAGs`?"),
        (6, "`can_read DAGs`: expected ACTION on RESOURCE, such as `can_read on DAGs`"),
        (7, f"expected a permission such as `can_read on DAGs`, not `True`: {_TEXTS}"),
        (8, "`etl_[ab]`: expected a dag_id of at most 250 letters, digits, `_`, `-` and `.`; `*` stands for any text"),
        (9, "the key 'deployer' appears twice"),
        (10, "expected a permission such as `can_read on DAGs`, not a mapping"),
        (12, "keys must be text: put on in quotes"),
        (13, "keys must be text: put 123 in quotes"),
        (14, "unknown role `Viwer`, did you mean `Viewer`?"),
        (15, "unknown role `deploier`, did you mean `deployer`?"),
        (15, f"expected a role (Public, Viewer, User, Op, Admin, viewer, deployer, x), not `7`: {_TEXTS}"),
        (16, "expected a role (Public, Viewer, User, Op, Admin, viewer, deployer, x), not nothing"),
        (17, "unknown key `dag`, did you mean `dags`?"),
        (18, "`role` is missing: expected {role: NAME, dags: [DAG_ID, ...]}"),
        (19, "`dags`: expected 1 to 1000 dag_ids and patterns"),
        (20, "expected a dag_id, or a pattern such as `etl_*`, not nothing"),
        (21, "`a b`: expected a dag_id of at most 250 letters, digits, `_`, `-` and `.`; `*` stands for any text"),
        (21, "``: expected a dag_id of at most 250 letters, digits, `_`, `-` and `.`; `*` stands for any text"),
        (22, "a name in `users` has 1 to 512 printable characters, without blanks around them"),
        (24, "`alice` is no Kerberos principal: expected NAME@REALM"),
        (26, "`a@B` is no Kerberos realm: expected a name such as EXAMPLE.COM"),
        (27, "unknown key `token`, did you mean `tokens`?"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [
        b"- roles",
        b"Admin",
        b"roles: [a]",
        b"users: Admin",
        b"users: {a: !!python/object/apply:os.system ['x']}",
        b"users: {a: &a [*a]}",
        b"users: &a\n  <<: *a",
        b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [%b]\n" % (n + 1, n + 1, b"*a%d," % n * 8) for n in range(9)),
        b"users: {a: " + b"[" * 100 + b"]" * 100 + b"}",
        b"users:\n" + b"".join(b"  u%d: Viewer\n" % number for number in range(60_000)),
        b"roles:\n" + b"".join(b"  role%d: []\n" % n for n in range(20_000)) + b"users: [a]",
        b"".join(
            [
                b"roles:\n",
                *(b"  role%d: []\n" % n for n in range(12_000)),
                b"users:\n",
                *(b"  user%d: rule%d\n" % (n, n) for n in range(12_000)),
            ]
        ),
        b"#" * (1024 * 1024 + 1),
        b"users: {a: Admin}\n---\nusers: {b: Admin}",
        b"\xff",
        b"users: {\0: Admin}",
        b"users: {a: {role: User, dags: [" + b"x, " * 1001 + b"]}}",
        b"users: {? [a] : Admin}",
        b'roles: {a b\tc: []}\nusers: {"a\\nb": Admin}',
    ],
)
def test_hostile_files(raw: bytes) -> None:
    """They are refused in a bounded time, with a bounded report."""
    assert 0 < len(faults(raw)) <= MAX_PROBLEMS + 1


@pytest.mark.parametrize("raw", [b"", b"# nothing", b"users:", b"roles: {}\nusers: {}\n", b"users: {a: []}"])
async def test_files_that_say_little(raw: bytes) -> None:
    """An empty section is one; nobody has anything."""
    assert (await of(raw, Identity("a"))).grants == ()


def test_a_merge_key_adds_nothing_of_its_own() -> None:
    """What is merged counts as if it stood there, and a name's own roles replace what was merged for it."""
    raw = b"x: &x {a: Admin, b: Viewer}\n"
    assert [line for line, _ in faults(raw)] == [1]
    raw = b"users: &u {a: Admin, b: Viewer}\ntokens: {<<: *u, a: Public}\n"
    found = parse_permissions(raw)
    assert [grant.role for name in "ab" for grant in found.given("tokens", name)] == ["Public", "Viewer"]


_NAMES = st.text("ab_", min_size=1, max_size=3)
_DAGS = st.lists(st.text("ab_*", min_size=1, max_size=5), min_size=1, max_size=3)
_GIVEN = st.tuples(st.sampled_from(ACTIONS), st.sampled_from([*sorted(RESOURCES), "DAG:", "DAG Run:"]), _NAMES)
_ROLES = st.dictionaries(_NAMES, st.lists(_GIVEN, max_size=4), max_size=3)


def _naive(pattern: str, dag_id: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), dag_id) is not None


@given(_ROLES, st.data())
async def test_nobody_has_more_or_less_than_the_file_says(
    roles: dict[str, list[tuple[str, str, str]]], data: st.DataObject
) -> None:
    """Compared with a model that looks at the texts alone, for every permission and DAG."""
    names = [*roles, *ROLES]
    held = data.draw(st.lists(st.tuples(st.sampled_from(names), st.none() | _DAGS), max_size=3))
    raw = yaml.safe_dump(
        {
            "roles": {
                name: [f"{action} on {res}{dag if res[-1] == ':' else ''}" for action, res, dag in given]
                for name, given in roles.items()
            },
            "users": {"u": [role if dags is None else {"role": role, "dags": dags} for role, dags in held]},
        }
    ).encode()
    found = await of(raw, Identity("u"))

    def said(permission: Permission, dag_id: str) -> bool:
        for role, dags in held:
            if dags is not None and (
                permission.resource not in OF_DAGS or not any(_naive(pattern, dag_id) for pattern in dags)
            ):
                continue
            if role in ROLES and permission in ROLES[role]:
                return True
            for action, resource, dag in roles.get(role, ()):
                whole = {"DAG:": "DAGs", "DAG Run:": "DAG Runs"}.get(resource, resource)
                if (action, whole) == permission and (resource[-1] != ":" or _naive(dag, dag_id)):
                    return True
        return False

    for dag_id in ("a", "ab", "b_a", "other"):
        for action in ACTIONS:
            for resource in RESOURCES:
                permission = Permission(action, resource)
                assert found.allows(permission, dag_id) == said(permission, dag_id), (permission, dag_id, raw)


@given(
    st.binary(max_size=200) | st.text("[]{}:,-&*!<|>'\"#%@ \nroleusrtkn01AdminVwcx=?~.", max_size=120).map(str.encode)
)
def test_any_bytes_are_a_file_or_a_problem(raw: bytes) -> None:
    """Nothing but a DocumentError."""
    with suppress(DocumentError):
        parse_permissions(raw)


def test_mutated_files_are_files_or_problems() -> None:
    """Every role that somebody has after it exists, and no pattern is empty."""
    rng = random.Random(7)  # noqa: S311 - it makes mistakes
    parsed = 0
    for _ in range(2_000):
        raw = bytearray(GOOD)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(raw))
            match rng.randrange(3):
                case 0:
                    raw[at] = rng.choice(b" \n:-[]{}*&'\"aA,!")
                case 1:
                    del raw[at : at + rng.randint(1, 12)]
                case 2:
                    raw[at:at] = raw[rng.randrange(len(raw)) :][: rng.randint(1, 12)]
        try:
            found = parse_permissions(bytes(raw))
        except DocumentError:
            continue
        parsed += 1
        for holders in found.holders.values():
            for grants in holders.values():
                assert all(found.role(grant.role) is not None for grant in grants)
                assert all(grant.dags is None or any(grant.dags) for grant in grants)
    assert parsed > 50


def _file(tmp_path: Path, content: bytes, mode: int = 0o640) -> Path:
    path = tmp_path / "permissions.yaml"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_file_that_all_may_write_is_refused(tmp_path: Path) -> None:
    """Whoever can write it decides who may do what."""
    path = _file(tmp_path, GOOD, 0o666)
    with pytest.raises(StartupError, match="every user of the machine can write it"):
        read_permissions_file(path)


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    """A missing file, a folder, a FIFO that nobody writes: no traceback, and nobody waits."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "missing", tmp_path, tmp_path / "fifo"):
        with pytest.raises(StartupError, match=r"cannot be read: (No such file|Is a dir)|this is not a regular file"):
            read_permissions_file(path)


def test_the_service_reads_the_file_once(tmp_path: Path) -> None:
    """Processes that start later have the same permissions, whatever becomes of the file."""
    path = _file(tmp_path, b"users: {a: Admin}")
    config = with_permissions(config_for(DSN, authorization="file", permissions_file=str(path)))
    path.write_bytes(b"users: {a: nonsense}")
    assert load_permissions(config).given("users", "a")
    with pytest.raises(StartupError, match=r"permissions\.yaml:1: unknown role `nonsense`"):
        with_permissions(config_for(DSN, authorization="file", permissions_file=str(path)))


def test_a_long_report_is_cut_at_the_start(tmp_path: Path) -> None:
    """The message of the start is one line; `windsock config check` shows all of it."""
    path = _file(tmp_path, b"users:\n" + b"".join(b"  u%d: x\n" % number for number in range(12)))
    with pytest.raises(StartupError) as caught:
        with_permissions(config_for(DSN, authorization="file", permissions_file=str(path)))
    assert str(caught.value).count("unknown role") == 10
    assert str(caught.value).endswith("; and 2 more: see `windsock config check`")


def test_a_file_without_effect(tmp_path: Path) -> None:
    """By mistake it stops the start; if another source was chosen, a warning says so."""
    path = str(_file(tmp_path, GOOD))
    with pytest.raises(StartupError, match=r"no effect without \[windsock\] authorization = file"):
        with_permissions(config_for(DSN, permissions_file=path))
    config = with_permissions(config_for(DSN, permissions_file=path, authorization="none"))
    assert config.warnings == ("--permissions-file has no effect: [windsock] authorization = none",)
