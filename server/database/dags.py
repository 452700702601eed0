"""DAGs: what the database knows about them, and their serialized form, parsed only once."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from server.caching.bounded import BoundedMap
from server.caching.single_flight import SingleFlight
from server.database.batch import Batcher
from server.database.dag import Dag, memory_of
from server.database.database import DagIds, Database, of_readable, ordered
from server.database.decoder import Decoder
from server.database.decoding import MAX_DOCUMENT
from server.database.import_errors import ImportErrors
from server.database.readable import ReadableDags
from server.database.settings import Settings
from server.database.timetables import Interval
from server.errors import BadRequest, Conflict, NotFound, Restricted, Unavailable, WindsockError
from windsock.protocol import Code

_STREAM_PAGE = 2000
_MAX_SOURCE = 2**22
# The DAGs that were read last are kept in this much memory, in bytes.
_CACHE = 2**28


class Judgement(NamedTuple):
    """What a DAG says about a date and a conf: each is right, or is the error that says why not."""

    interval: Interval | WindsockError | None = None
    refusal: WindsockError | None = None


class Dags:
    """The `dag`, `serialized_dag` and `dag_code` tables."""

    def __init__(self, database: Database, settings: Settings, decoder: Decoder, import_errors: ImportErrors) -> None:
        """Read the DAGs of `database`; `decoder` reads their serialized rows."""
        self._import_errors = import_errors
        self.readable = ReadableDags(database, settings)
        self._database = database
        self._decoder = decoder
        self._cache: BoundedMap[str, Dag] = BoundedMap(_CACHE, size=memory_of)
        self._find: Batcher[str, asyncpg.Record] = settings.batcher("find_dags", self._find_many)
        # A large row is fetched and read only once for all who want it.
        self._load: SingleFlight[str, Mapping[str, Dag]] = SingleFlight(self._read_serialized, fresh=True)
        self._delete_statements = [
            name
            for name in database.statements
            if name.startswith("delete_dag.") and name.removeprefix("delete_dag.") in settings.tables
        ]

    async def get(self, dag_id: str) -> Dag:
        """Read the DAG as it is now; raises NotFound."""
        row = await self._find(dag_id)
        if not row["known"]:
            raise await self.unknown(dag_id)
        return await self.at(dag_id, row["root_dag_id"], row["version"], any_serialized=row["any_serialized"])

    async def unknown(self, dag_id: str, where: str = " in DagModel") -> NotFound:
        """Build the error for a DAG without a row in `dag`; it says what is wrong with its file, if that is known."""
        try:
            reason = await self._import_errors.of_dag(dag_id)
        except (asyncpg.PostgresError, Unavailable) as error:
            # The operator has granted less than deploy/grants.sql. A lost database, or one being migrated, stays a 503.
            if isinstance(error, Unavailable) and not isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
                raise
            reason = None
        unknown = NotFound(f"Dag id {dag_id} not found{where}", Code.DAG_NOT_FOUND)
        if reason is None:
            return unknown
        # Nobody knows whose file it is.
        why = f": its file cannot be loaded: {reason}"
        return unknown.adding(Restricted(why, ("DAGs", "ImportError"), of_the_dag=False))

    async def require(self, dag_id: str) -> None:
        """Raise NotFound unless the DAG is known and, if this database has serialized DAGs, serialized."""
        row = await self._find(dag_id)
        if not row["known"]:
            raise await self.unknown(dag_id)
        if row["version"] is None and row["any_serialized"]:
            raise NotFound(f"Dag id {dag_id} not found", Code.DAG_NOT_FOUND)

    def recent(self, dag_id: str) -> Dag | None:
        """Return the DAG as it was read last; a statement that relies on it must check its version."""
        return self._cache.get(dag_id)

    async def at(self, dag_id: str, root_dag_id: str, version: str | None, *, any_serialized: bool) -> Dag:
        """Return the DAG at `version`, which a statement has just read; raises NotFound if it is not serialized."""
        cached = self._cache.get(dag_id)
        if cached is not None and cached.version == version and (version is not None or not any_serialized):
            return cached
        if version is None:
            if any_serialized:
                raise NotFound(f"Dag id {dag_id} not found", Code.DAG_NOT_FOUND)
            known = Dag(dag_id, root_dag_id, None, None)
            self._cache.put(known.dag_id, known)
            return known
        members = await self._load(root_dag_id)
        for member in members.values():
            self._cache.put(member.dag_id, member)
        if dag_id not in members:
            raise NotFound(f"Dag id {dag_id} not found", Code.DAG_NOT_FOUND)
        return members[dag_id]

    async def judge(self, dag: Dag, date: datetime, conf: Mapping[str, object] | None) -> Judgement:
        """Find out what only Airflow 2 and 3 demand of a run; a decoder process may have to do this."""
        if dag.serialized is None:
            return Judgement((date, date))
        version = dag.version or ""
        interval = await self._decoder.interval(dag.serialized, version, date)
        return Judgement(interval, await self._decoder.refusal(dag.serialized, version, conf))

    def forget(self, dag_id: str) -> None:
        """Drop the cached form of a DAG that a statement found changed."""
        self._cache.drop(dag_id)

    async def code(self, dag_id: str) -> str:
        """Return the source of the DAG's file; raises NotFound, or Conflict for more than 4,194,304 characters."""
        await self.get(dag_id)
        source: str | None = await self._database.fetchval("dag_code", dag_id, _MAX_SOURCE + 1)
        if source is None:
            missing = f"The source code of dag {dag_id} is not stored in this database"
            raise NotFound(missing, Code.SOURCE_NOT_FOUND)
        if len(source) > _MAX_SOURCE:
            large = f"The source code of dag {dag_id} has more than {_MAX_SOURCE} characters"
            raise Conflict(large, Code.SOURCE_TOO_LARGE)
        return _undo_hex(source)

    async def is_paused(self, dag_id: str) -> bool | None:
        """Whether the DAG is paused, None if its row does not say; raises NotFound."""
        row = await self._find(dag_id)
        if not row["known"]:
            raise await self.unknown(dag_id)
        paused: bool | None = row["is_paused"]
        return paused

    async def pause(self, dag_id: str, *, is_paused: bool) -> None:
        """Pause or unpause the DAG and its sub-DAGs; raises NotFound."""
        async with self._database.transaction() as connection:
            statements = self._database.statements
            await connection.execute(statements["wait_for_locks"])
            rows = await connection.fetch(statements["pause_dag"], dag_id, is_paused)
        if dag_id not in {row["dag_id"] for row in rows}:
            raise await self.unknown(dag_id)

    async def delete(self, dag_id: str) -> int:
        """Delete every row of the DAG and its sub-DAGs, and return their number.

        Raises NotFound, BadRequest for a sub-DAG, and Conflict if Airflow 2 or 3 is running a task of the DAG.
        """
        deleted = await self._delete(dag_id)
        if deleted is None:
            raise await self.unknown(dag_id, "")
        dag_ids, count = deleted
        for member in dag_ids:
            self.forget(member)
        return count

    async def count(self, readable: DagIds | None = None) -> int:
        """Return how many DAGs there are, without sub-DAGs."""
        total: int = await self._database.fetchval(*of_readable("count_dags", readable))
        return total

    def pages(
        self, limit: int | None, offset: int, *, descending: bool, readable: DagIds | None = None
    ) -> AsyncGenerator[list[str], None]:
        """Yield pages of JSON objects, one for each DAG, ordered by dag_id."""
        name, *arguments = of_readable("dags", readable)
        return self._database.stream(ordered(name, descending=descending), (limit, offset, *arguments), _STREAM_PAGE)

    async def _delete(self, dag_id: str) -> tuple[list[str], int] | None:
        """Delete the DAG; return its id, those of its sub-DAGs and the number of rows; None if there is no such DAG."""
        async with self._database.transaction() as connection:
            statements = self._database.statements
            await connection.execute(statements["wait_for_locks"])
            dag = await connection.fetchrow(statements["lock_dag"], dag_id)
            if dag is None:
                return None
            # Another release has other tables, whose rows would be left.
            await self._database.require_schema(connection)
            if dag["is_subdag"]:
                subdag = f"Dag id {dag_id} is a sub-DAG; delete the DAG that it belongs to"
                raise BadRequest(subdag, code=Code.SUBDAG_NOT_DELETABLE)
            dag_ids = [dag_id, *dag["subdag_ids"]]
            if (query := statements.get("running_instance")) and (task_id := await connection.fetchval(query, dag_ids)):
                running = Conflict(
                    f"Dag id {dag_id} cannot be deleted while a task of it is running", Code.DAG_IS_RUNNING
                )
                raise running.adding(Restricted(f": {task_id}", ("DAGs", "Task Instances"), of_the_dag=True))
            counts = [
                int((await connection.execute(statements[name], dag_ids)).split()[-1])
                for name in self._delete_statements
            ]
            await connection.execute(statements["delete_import_error"], dag["filenames"], dag["bundle_name"])
        return dag_ids, sum(counts)

    async def _read_serialized(self, root_dag_id: str) -> Mapping[str, Dag]:
        """Read a DAG and its sub-DAGs as they are now; none if the row is gone. Raises what `Decoder.dag` raises."""
        row = await self._database.fetchrow("serialized_dag", root_dag_id, MAX_DOCUMENT)
        if row is None:
            return {}
        members = await self._decoder.dag(root_dag_id, row["version"], row["data"], row["data_compressed"])
        has_bundle_version = row["has_bundle_version"]
        return {
            member.dag_id: Dag(member.dag_id, root_dag_id, row["version"], member, has_bundle_version)
            for member in members
        }

    async def _find_many(self, dag_ids: Sequence[str]) -> Sequence[asyncpg.Record]:
        return await self._database.fetch_each("find_dags", [(dag_id,) for dag_id in dag_ids])


def _undo_hex(source: str) -> str:
    r"""Decode what Airflow 1.10 stores for a file in a zip: the bytes as `\x...`."""
    if not source.startswith("\\x"):
        return source
    try:
        return bytes.fromhex(source[2:]).decode(errors="replace")
    except ValueError:
        return source
