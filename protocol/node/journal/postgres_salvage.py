"""A damaged PostgreSQL: what it still gives goes into a file that `salvage` can judge; what was proven is put in its place.

    seen = await traces(url)                  before anything is read: of the programs that were here
    damaged = await read_out(url, file, key)  file: made by Journal.open and closed; how many blocks and rows it did not give
    await put_back(url, made, key, views, …)  all or nothing; again with the same mark: nothing is done

Rows are read where they lie (`ctid`), without an index, a run of blocks at a time; a run that can't be read is halved, down to the row.
Nothing of the database is changed before `put_back`, which drops its tables and makes them anew in one transaction: a kill leaves
the damaged ones or the good ones, and whoever waits for a lock sees the one or the other. It takes place only where no other program is
connected and none was since `traces`: what one wrote meanwhile would be lost, and it would go on from what it remembers.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import asyncpg
from sqlalchemy import Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.node.journal import migrate, schema
from protocol.node.journal.engine import LOCK_WAIT, connect_sqlite, driver_url, postgres_engine
from protocol.node.journal.journal import SINCE_BARRIER
from protocol.node.journal.migrate import HEALED, OPENED
from protocol.node.journal.projection import Views
from protocol.node.journal.rows import driver_of, fetch, insert, number_on
from protocol.node.journal.salvage import BEFORE, NEEDED

BLOCKS_AT_ONCE: Final = 256
ROWS_AT_ONCE: Final = 5_000
PAUSE_S, TRIES_MAX, LEAVES_MAX = 1.0, 60, 5  # a server that a damaged row brings down is back after its recovery
NOT_COPIED: Final = ("views", "view names", HEALED, OPENED)
TRACES: Final = (OPENED, "lead")  # rows of `local`; the second one is renewed each second as long as any program runs (fellows.py)
SERVER: Final = ("08", "53", "55", "57")  # it is not the rows: connection, resources, locks, somebody stops the server
AWAY: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    DBAPIError,
)  # what the callers may meet when the server can't be reached, or takes nothing
BROKEN: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)  # no answer, not even an error
_OTHERS: Final = (
    "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
    # who waits for its turn to open the database knows nothing of it yet
    " and pid not in (select pid from pg_locks where locktype = 'advisory' and not granted and (classid, objid, objsubid) = (0, $1::oid, 1))"
)
_COLUMNS: Final = "select attname from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped"
_NOTE: Final = "insert into local (name, value) values (:name, :value) on conflict (name) do update set value = excluded.value"
_SIZE: Final = "select pg_relation_size($1::regclass) / current_setting('block_size')::int"


class UnreadableStore(Exception):
    """The database does not know its own tables any more."""


class InUse(Exception):
    """Other programs are connected to the database."""


class Written(Exception):
    """Another program was here since the database was read."""


async def in_use(url: str) -> bool:
    """Whether other programs stay connected to this database. Raises OSError, asyncpg.PostgresError."""
    c = await asyncpg.connect(driver_url(url))
    try:
        return await _is_used(c)
    finally:
        await c.close()


async def traces(url: str) -> bytes:
    """Of the programs that opened this database or lead on it: other bytes when one came since. Raises OSError, asyncpg.PostgresError."""
    c = await asyncpg.connect(driver_url(url))
    try:
        return await _traces(c)
    finally:
        await c.close()


async def read_out(url: str, file: Path, key: bytes) -> int:
    """Fills the kept tables of `file` with all rows that can be read. Gives how many blocks and rows could not.

    Raises UnreadableStore; OSError, asyncpg.PostgresError when the server can't be reached.
    """
    reader = _Reader(driver_url(url))
    try:
        with closing(connect_sqlite(file, key, True)) as out:
            out.execute("pragma synchronous = OFF")
            for table in schema.kept.sorted_tables:
                out.execute("begin")
                out.execute(f"delete from {table.name}")
                await _table(reader, table, out)
                out.execute("commit")
            out.execute("pragma wal_checkpoint(truncate)")
    except _Unreadable as error:
        raise UnreadableStore(str(error.__cause__)) from error
    finally:
        await reader.close()
    return reader.damaged


async def put_back(url: str, source: Path, key: bytes, views: Views, mark: bytes, seen: bytes, notes: Mapping[str, bytes]) -> None:
    """source: a journal of this program's version, made of what was read after `seen` · notes: rows of `local` to be with it.

    Raises InUse, Written: nothing was changed; AWAY: `is_back` says what became of it.
    """
    engine = postgres_engine(url, True)
    try:
        async with engine.begin() as c:
            await migrate.alone(c)
            driver = await driver_of(c)
            if await _local(driver, (HEALED,)) == [(HEALED, mark)]:
                return
            if await _is_used(driver):
                raise InUse
            await driver.execute(
                "select pg_advisory_xact_lock($1)", SINCE_BARRIER
            )  # one that comes back now writes after us, and is refused
            if await _others(driver):
                raise InUse
            if await _traces(driver) != seen:
                raise Written
            for name in sorted({*schema.kept.tables, *schema.view_tables(views.TABLES).tables, "alembic_version"}):
                await c.execute(text(f"drop table if exists {name} cascade"))  # ours alone: who else keeps tables here keeps them
            await migrate.make(c, views)
            with closing(connect_sqlite(source, key, False)) as from_:
                for table in schema.kept.sorted_tables:
                    await _filled(c, table, from_)
            for name, value in {HEALED: mark, **notes}.items():
                await fetch(c, _NOTE, {"name": name, "value": value})
            await number_on(c)
    finally:
        await engine.dispose()


async def is_back(url: str, mark: bytes) -> bool:
    """Whether the `put_back` with this mark was done; one that is still on its way is waited for. Raises AWAY: nobody knows."""
    c = await asyncpg.connect(driver_url(url), server_settings={"lock_timeout": LOCK_WAIT})
    try:
        async with c.transaction():
            await c.execute("select pg_advisory_xact_lock($1)", migrate.LOCK)
            return await _local(c, (HEALED,)) == [(HEALED, mark)]
    finally:
        await c.close()


# ── the rest is private ──


class _Unreadable(Exception):
    """These rows are damaged: what was asked can't be had, and the server is there."""


class _Reader:
    """One connection that is made anew when a damaged row broke it. damaged: blocks and rows that were not given."""

    def __init__(self, url: str) -> None:
        self._url, self._connection = url, None
        self.damaged = 0

    async def fetch(self, sql: str, *values: Any) -> Sequence[Any]:
        """Raises _Unreadable; OSError, asyncpg.PostgresError when the server itself can't answer."""
        broke = refused = 0
        while True:
            connection = await self._connected()
            try:
                return await connection.fetch(sql, *values)
            except UnicodeDecodeError as error:
                raise _Unreadable from error
            except BROKEN as error:  # twice by the same rows, while the server takes connections: they bring it down
                broke += 1
                if broke > 1:
                    await self._connected()
                    raise _Unreadable from error
            except asyncpg.PostgresError as error:
                if not (getattr(error, "sqlstate", None) or "").startswith(SERVER):
                    raise _Unreadable from error
                refused += 1
                if refused > (TRIES_MAX if isinstance(error, asyncpg.CrashShutdownError) else 1):
                    raise
                await asyncio.sleep(PAUSE_S)  # 57P02: it still falls by what was asked before, or by what another database asked

    async def _connected(self) -> asyncpg.Connection:
        for left in range(TRIES_MAX, -1, -1):
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(self._url)
                return self._connection
            except (OSError, asyncpg.PostgresError):
                if not left:
                    raise
                await asyncio.sleep(PAUSE_S)
        raise AssertionError("the last attempt connects or raises")

    async def close(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            with suppress(asyncpg.PostgresError, *BROKEN):
                await self._connection.close()


async def _table(reader: _Reader, table: Table, out: Any) -> None:
    there = {row[0] for row in await reader.fetch(_COLUMNS, table.name)}  # fewer than ours where an older program made it
    names = [column.name for column in table.columns if column.name in there]
    if not names:
        if table.name in NEEDED:
            raise UnreadableStore(table.name)
        return
    added = {name: value for (of, name), value in BEFORE.items() if of == table.name and name not in there}
    filled = [*names, *added]
    sql = f"insert or ignore into {table.name} ({', '.join(filled)}) values ({', '.join('?' * len(filled))})"
    blocks = (await reader.fetch(_SIZE, table.name))[0][0]
    for at in range(0, blocks, BLOCKS_AT_ONCE):
        async for rows in _run(reader, table.name, names, at, min(blocks, at + BLOCKS_AT_ONCE)):
            out.executemany(sql, [(*row, *added.values()) for row in rows])


async def _run(reader: _Reader, table: str, names: Sequence[str], first: int, end: int) -> AsyncIterator[Sequence[Any]]:
    """The rows of blocks first … end - 1."""
    try:
        yield await reader.fetch(f"select {', '.join(names)} from {table} where ctid >= '({first},0)' and ctid < '({end},0)'")
        return
    except _Unreadable:
        pass
    if end - first > 1:
        middle = (first + end) // 2
        for part in ((first, middle), (middle, end)):
            async for rows in _run(reader, table, names, *part):
                yield rows
        return
    async for rows in _block(reader, table, names, first):
        yield rows


async def _block(reader: _Reader, table: str, names: Sequence[str], block: int) -> AsyncIterator[Sequence[Any]]:
    """Of a block that does not come as a whole: row by row, when the block itself can be read."""
    try:
        there = await reader.fetch(f"select ctid::text from {table} where ctid >= '({block},0)' and ctid < '({block + 1},0)'")
    except _Unreadable:
        reader.damaged += 1
        return
    for (ctid,) in there:
        try:
            yield await reader.fetch(f"select {', '.join(names)} from {table} where ctid = '{ctid}'")
        except _Unreadable:
            reader.damaged += 1


async def _is_used(c: asyncpg.Connection) -> bool:
    for _ in range(LEAVES_MAX):  # the server ends the connections of a program that has just gone a moment later
        if not await _others(c):
            return False
        await asyncio.sleep(PAUSE_S)
    return True


async def _others(c: asyncpg.Connection) -> bool:
    await c.execute("select pg_stat_clear_snapshot()")
    return bool(await c.fetchval(_OTHERS, migrate.LOCK))


async def _traces(c: asyncpg.Connection) -> bytes:
    return sha256(repr(await _local(c, TRACES)).encode()).digest()


async def _local(c: asyncpg.Connection, names: Sequence[str]) -> list[tuple[str, bytes]] | None:
    """Rows of `local`, in the caller's transaction, which goes on; by the index, as they are written: where they can't be read (None) nobody
    could write them either."""
    try:
        async with c.transaction():
            await c.execute("set local enable_seqscan = off")
            return [tuple(row) for row in await c.fetch("select name, value from local where name = any($1) order by name", names)]
    except UnicodeDecodeError:
        return None
    except asyncpg.PostgresError as error:
        if (getattr(error, "sqlstate", None) or "").startswith(SERVER):
            raise
        return None


async def _filled(c: AsyncConnection, table: Table, from_: Any) -> None:
    names = [column.name for column in table.columns]
    where = f" where name not in ({', '.join(map(repr, NOT_COPIED))})" if table.name == "local" else ""
    rows = from_.execute(f"select {', '.join(names)} from {table.name}{where}")
    while some := rows.fetchmany(ROWS_AT_ONCE):
        await insert(c, table.name, names, some)
