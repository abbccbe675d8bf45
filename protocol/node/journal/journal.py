"""The journal as a whole: opening, reading, the one writer, our own checkpoint, closing.

Opening brings the tables to this program's version (migrations), makes the views again when their shape has changed, and
refuses a journal of a later program. Reads are snapshots and never wait for the writer. Writers queue; the disk is synced
before `writing` returns, so whatever is said after it is true after a power cut.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protocol import views as folding
from protocol.node import killpoints
from protocol.node.journal import durable, faults, migrate, projection
from protocol.node.journal import engine as engines
from protocol.node.journal.checkpoint import Checkpoint
from protocol.node.journal.projection import Views
from protocol.node.journal.readers import Readers
from protocol.node.journal.rows import be_brief, clause, fetch, is_postgres
from protocol.node.journal.search import subjects
from protocol.node.journal.stored import SELECT, LaneHead, Stored, stored
from protocol.node.journal.writable import Writable
from protocol.node.journal.writing import Writing
from protocol.problem import Refused

WRITE_WAIT_S_MAX = 30.0  # a save that waited longer is told so; the form keeps what was typed
LANE_LIMIT_MAX = 5000
TRIED = "tried"  # a row of `local`: written to see whether anything can be
_HEALED = "select value from local where name = :name"
SINCE_BARRIER = 0x79696469  # advisory lock of PostgreSQL: shared by writers, taken alone for a moment by `since`


class Journal:
    """Made by `Journal.open`. damaged: pages were found that are not what was written; writing is refused from then on.
    replaced: a heal put other tables in the place of those that were opened; likewise."""

    def __init__(
        self, writer: AsyncEngine, reader: AsyncEngine | Readers, tables: Callable[[], Any], views: Views, index_later: bool
    ) -> None:
        self._writer, self._reader, self.tables, self.views, self._later = writer, reader, tables, views, index_later
        # one statement is a snapshot by itself: without BEGIN and ROLLBACK a question is half as far away
        self._one = reader.execution_options(isolation_level="AUTOCOMMIT") if isinstance(reader, AsyncEngine) else reader
        self.writers_max = 1 if writer.dialect.name == "sqlite" else engines.WRITERS_MAX
        self._turn = asyncio.Semaphore(self.writers_max)
        self.writable = Writable(None, faults.end_program)
        self._checkpoint: Checkpoint | None = None
        self._is_closed = False
        self._guarded, self._urgent_waiting = _Guarded(self), 0
        self._asked: engines.Connection | None = None  # one question at a time, without the four hops of a transaction
        self.damaged = self.replaced = False
        self._healed: Sequence[Any] = ()
        self.url, self.key = "", b""
        self.wrote: dict[tuple[str, str], tuple[LaneHead | None, LaneHead]] = {}  # lane → from where to where this program has brought it

    @classmethod
    async def open(
        cls,
        url: str,
        key: bytes | None,
        tables: Callable[[], Any],
        *,
        views: Views = folding,
        index_later: bool = False,
        fatal: Callable[[str], NoReturn] = faults.end_program,
    ) -> "Journal":
        """url: `sqlite:///abs/path.db` (key: 32 bytes) or `postgresql+asyncpg://…` (key None).

        index_later: search rows are found by scanning until `index` is called; for the node that takes in whole counties.
        Raises Refused store_damaged (wrong key, or no journal), store_busy, store_readonly, disk_full; migrate.JournalTooNew; durable.StoreForgets.
        """
        path = engines.sqlite_path(url) if url.startswith("sqlite") else None
        writable = Writable(path, fatal)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = engines.sqlite_engine(path, key or b"", writable.failed)
            reader: AsyncEngine | Readers = Readers(lambda: engines.sqlite_reader(path, key or b""))
        else:
            writer, reader = engines.postgres_engine(url, True), engines.postgres_engine(url, False)
        journal = cls(writer, reader, tables, views, index_later)
        journal.url, journal.key, journal.writable = url, key or b"", writable
        try:
            with journal._guarded:
                if not path:
                    async with writer.connect() as c:
                        await durable.ensure(c)
                await migrate.bring_up(writer, views)
            if path:
                engines.sync_folder(path.parent)
                journal._checkpoint = Checkpoint(path, key or b"", writable.failed, journal._turn)
                journal._asked = await engines.sqlite_reader(path, key or b"")
            await journal._freshen()
        except BaseException:
            await journal._dispose()
            raise
        return journal

    @classmethod
    async def over(
        cls,
        writer: AsyncEngine,
        reader: AsyncEngine | Readers,
        tables: Callable[[], Any],
        views: Views = folding,
        index_later: bool = False,
        asked: engines.Connection | None = None,
    ) -> "Journal":
        """On engines that somebody else made, of either dialect, brought up already (`migrate.bring_up`). Raises Refused."""
        journal = cls(writer, reader, tables, views, index_later)
        journal._asked = asked
        await journal._freshen()
        return journal

    async def _freshen(self) -> None:
        """Views whose shape was not this program's are empty now (`bring_up`), or half full: fold everything once more. Of programs that
        start together each folds, and they end with the first that is done. Raises Refused store_busy, see `migrate.unfilled`."""
        from protocol.node.journal.rebuild import fill

        with self._guarded:
            async with self._writer.connect() as c:
                made = await migrate.unfilled(c, self.views)
                self._healed = await fetch(c, _HEALED, {"name": migrate.HEALED})
                await c.rollback()
        while made is not None:
            await fill(self, made)
            async with self.writing() as w:
                await migrate.alone(w.connection)
                now = await migrate.unfilled(w.connection, self.views)
                if now == made:  # nobody made them anew meanwhile, or filled them
                    await w.set_local("views", migrate.shape_of(self.views))
                    await fetch(w.connection, "delete from local where name = 'tables'")  # with which they were folded: not known here
                    return
            made = now

    async def close(self) -> None:
        """Whoever writes ends; whoever comes later (a message that was being heard) is refused store_busy: somebody else opens it now."""
        self._is_closed = True
        async with self._turn:
            with self._guarded:
                if self._checkpoint:
                    await self._checkpoint.close()
        await self._dispose()

    async def _dispose(self) -> None:
        if self._asked:
            await self._asked.close()
        await self._reader.dispose()
        await self._writer.dispose()

    # ── transactions ──
    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A snapshot that cannot write. Keep it short: SQLite's log grows while it is held."""
        with self._guarded:
            async with self._reader.connect() as c:
                yield cast("AsyncConnection", c)  # a Snapshot of SQLite is asked through `rows` alone; giving either back rolls it back

    @asynccontextmanager
    async def _question(self) -> AsyncIterator[AsyncConnection]:
        """For one statement."""
        with self._guarded:
            async with self._one.connect() as c:
                yield cast("AsyncConnection", c)

    @asynccontextmanager
    async def writing(self, brief: bool = False, urgent: bool = False) -> AsyncIterator[Writing]:
        """One transaction, whole or not at all; on the disk when this returns. `writers_max` at once, in the order of their coming.

        brief: what one person does at once, a few rows by their keys (rows.be_brief) · urgent: somebody sits before it, so a backlog
        that is being written gives way (`is_awaited`).
        Raises Refused disk_full, store_busy, store_readonly, store_damaged; whatever the body raises rolls back and rises.
        """
        if self.damaged:
            raise Refused("store_damaged")
        if self.writable.needs_start:
            raise Refused("store_readonly")
        async with self._noting_readonly(), self._own_transaction(brief, urgent) as w:
            yield w
        if self._checkpoint:
            self._checkpoint.committed()

    def is_awaited(self) -> bool:
        """Claims that something urgent waits for the transactions that go on."""
        return self._urgent_waiting > 0

    @asynccontextmanager
    async def _own_transaction(self, brief: bool, urgent: bool = False) -> AsyncIterator[Writing]:
        with self._guarded:
            async with _OwnTurn(self, urgent), self._writer.connect() as c:
                await c.begin()
                await be_brief(c, brief)
                if is_postgres(c):
                    await fetch(c, "select pg_advisory_xact_lock_shared(:key)", {"key": SINCE_BARRIER})
                    await self._hold_against_heal(c)
                yield (w := Writing(c, self.views, self.tables, self._later))
                killpoints.reach("journal.commit")
                await _to_the_end(c.commit())
                killpoints.reach("journal.committed")
                self._note(w)

    @asynccontextmanager
    async def _noting_readonly(self) -> AsyncIterator[None]:
        """A PostgreSQL that fell back to the second rank keeps its connections: new ones are made, which find whoever is the first now."""
        try:
            yield
        except Refused as refused:
            if refused.code == "store_readonly" and not isinstance(refused.__cause__, OSError):  # that one is of files beside it
                self.writable.refused()
                if self._writer.dialect.name == "postgresql":
                    await self._writer.dispose()
                    await self._reader.dispose()
            raise

    async def try_again(self) -> None:
        """Of a store that could only be read: whether it takes something now."""
        if await asyncio.to_thread(self.writable.is_worth_a_try):
            with suppress(Refused):
                async with self.writing() as w:
                    await w.set_local(TRIED, b"")
                self.writable.is_readonly = False

    def _note(self, w: Writing) -> None:
        """Of commits between which nobody else wrote into a lane: from the first to the last of them. Whoever takes note deletes it."""
        moved = w.moved()
        if moved:
            self.writable.is_readonly = False
        for lane, (before, after) in moved.items():
            earlier = self.wrote.get(lane)
            self.wrote[lane] = (earlier[0] if earlier and earlier[1] == before else before, after)

    async def _hold_against_heal(self, c: AsyncConnection) -> None:
        """A connection that was made anew may lead to tables that a heal made meanwhile: nobody goes on from what he remembers of the others."""
        known = c.sync_connection.info if c.sync_connection else {}
        if self.replaced or (migrate.HEALED not in known and list(await fetch(c, _HEALED, {"name": migrate.HEALED})) != list(self._healed)):
            self.replaced = True
            raise Refused("store_busy")
        known[migrate.HEALED] = True

    async def barrier(self) -> int | None:
        """Returns once every transaction that had begun before has ended, of other programs too. PostgreSQL: the highest position there."""
        if self._writer.dialect.name != "postgresql":
            async with self.writing():
                return None
        with self._guarded:
            async with self._writer.connect() as c:
                await c.execute(text("select pg_advisory_xact_lock(:key)"), {"key": SINCE_BARRIER})
                upto: int = (await c.execute(text("select coalesce(max(position), 0) from entry"))).scalar_one()
                await c.rollback()
                return upto

    async def damaged_pages(self) -> list[str]:
        """What SQLCipher's checksums say of each page of the file; PostgreSQL has `data_checksums` for it. It reads the whole file."""
        with self._guarded:
            return await self._checkpoint.damaged_pages() if self._checkpoint else []

    # ── reading ──
    async def heads(self, ledger: str | None = None) -> dict[tuple[str, str], LaneHead]:
        """(ledger, origin) → head, of one ledger or of all. What a digest is made of."""
        where = "where seq > 0" + (" and ledger = :ledger" if ledger is not None else "")
        rows = await self.select(
            f"select ledger, origin, seq, hash, signed_seq from lane {where} order by ledger, origin", {"ledger": ledger}
        )
        return {(r[0], r[1]): LaneHead(r[2], bytes(r[3]), r[4]) for r in rows}

    async def lanes(self, ledger: str) -> dict[str, tuple[int, bytes]]:
        """origin → (seq, hash) of one ledger: what a Have says and a digest hashes."""
        return {origin: (head.seq, head.hash) for (_, origin), head in (await self.heads(ledger)).items()}

    async def ledgers(self) -> list[str]:
        return [r[0] for r in await self.select("select distinct ledger from lane where seq > 0 order by ledger", {})]

    async def subject(self, id_: str) -> list[Stored]:
        """All entries of a case, task, person …, in the order of their positions."""
        return await self._entries("where subject = :subject order by position", {"subject": id_})

    async def lane(self, ledger: str, origin: str, after: int, limit: int) -> list[Stored]:
        """Up to `limit` entries of a lane from seq `after` + 1 on, in order. Cut at the last one whose `signature` is here."""
        where = "where ledger = :ledger and origin = :origin and seq > :after and seq <= :upto order by seq"
        upto = after + min(limit, LANE_LIMIT_MAX)
        return await self._entries(where, {"ledger": ledger, "origin": origin, "after": after, "upto": upto})

    async def entry(self, ledger: str, origin: str, seq: int) -> Stored | None:
        found = await self.lane(ledger, origin, seq - 1, 1)
        return found[0] if found else None

    async def command(self, id_: str) -> list[Stored]:
        """The entries that a command led to, here or elsewhere; empty when none has arrived."""
        return await self._entries("where command = :command order by position", {"command": id_}) if id_ else []

    async def outcome(self, command: str) -> bytes | None:
        rows = await self.select("select outcome from command where id = :id", {"id": command})
        return bytes(rows[0][0]) if rows else None

    async def since(self, position: int, limit: int) -> list[Stored]:
        """Up to `limit` entries after a position, in order; none will ever appear below the last one returned."""
        upto = await self.barrier() if self._writer.dialect.name == "postgresql" else None
        until = "" if upto is None else " and position <= :upto"
        return await self._entries(
            f"where position > :after{until} order by position limit :limit", {"after": position, "upto": upto, "limit": limit}
        )

    async def local(self, name: str) -> bytes | None:
        rows = await self.select("select value from local where name = :name", {"name": name})
        return bytes(rows[0][0]) if rows else None

    async def rows(
        self, table: str, where: str = "1 = 1", values: Mapping[str, Any] | None = None, order: str = "", limit: int = -1, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Rows of a view or a kept table. table, where and order are the program's own SQL, never a person's words: those are `values`."""
        sql = f"select * from {table} where {where}" + (f" order by {order}" if order else "")
        if limit >= 0:
            sql += " limit :row_limit offset :row_offset"
            values = {**(values or {}), "row_limit": limit, "row_offset": offset}
        if self._asked:
            with self._guarded:
                names, found = await self._asked.ask(sql, values or {})
            return [dict(zip(names, row, strict=True)) for row in found]
        async with self._question() as c:
            return [dict(row) for row in (await c.execute(clause(sql), dict(values or {}))).mappings()]

    async def search(self, question: str, limit: int = 50) -> list[str]:
        """Subjects in whose text every word of the question occurs, those that came last in front."""
        async with self.read() as c:  # may take long: not where short questions queue
            return await subjects(c, question, limit)

    @property
    def indexes_later(self) -> bool:
        """Claims that search rows stay pending until `index` is called."""
        return self._later

    async def index(self, limit: int = 1000) -> int:
        """Indexes up to `limit` search rows that are still pending; returns how many. Of use with index_later alone."""
        async with self.writing() as w:
            # whoever else indexes or changes one of them now is not waited for
            alone = " for update skip locked" if is_postgres(w.connection) else ""
            sql = f"select id, text from search where pending = 1 order by id limit :most{alone}"
            rows = await fetch(w.connection, sql, {"most": limit})
            await projection.index(w.connection, rows)
            return len(rows)

    async def pending_since_ms(self) -> int | None:
        """When the first search row that is still pending came, by this node's clock; None: all is indexed."""
        first = "select subject from search where pending = 1 order by id limit 1"
        rows = await self.select(f"select max(received_ms) from entry where subject = ({first})", {})
        return rows[0][0]

    async def select(self, sql: str, values: Mapping[str, Any]) -> list[Any]:
        """Rows of one statement, the program's own SQL; of `values` only what it names is bound."""
        used = {name: value for name, value in values.items() if f":{name}" in sql}
        if self._asked:
            with self._guarded:
                return (await self._asked.ask(sql, used))[1]
        async with self._question() as c:
            return await fetch(c, sql, used)

    async def _entries(self, where: str, values: Mapping[str, Any]) -> list[Stored]:
        return [stored(row) for row in await self.select(SELECT + where, values)]


async def _to_the_end(commit: Any) -> None:
    """A page that is closed meanwhile, however often it says so, must not leave a connection half way through a commit."""
    task, left = asyncio.create_task(commit), None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            left = error
    if left:
        raise left
    task.result()


class _Guarded:
    """What a store's fault means, said as a refusal. No generator: each single question passes here."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, Exception):
            return
        writable, cause = self._journal.writable, getattr(error, "orig", error)
        engines.stop_if_fatal(cause, writable.failed)
        shut = Refused("store_readonly") if faults.is_fatal(cause) and writable.is_readonly else None
        refused = shut or faults.refusal(error)
        if refused is not None:
            self._journal.damaged = self._journal.damaged or refused.code == "store_damaged"
            raise refused from error


class _OwnTurn:
    """One of the turns of this program's writers. Raises Refused store_busy."""

    def __init__(self, journal: Journal, urgent: bool) -> None:
        self._journal, self._urgent = journal, urgent

    async def __aenter__(self) -> None:
        turn = self._journal._turn
        if turn.locked():
            self._journal._urgent_waiting += self._urgent
            try:
                async with asyncio.timeout(WRITE_WAIT_S_MAX):
                    await turn.acquire()
            except TimeoutError:
                raise Refused("store_busy") from None
            finally:
                self._journal._urgent_waiting -= self._urgent
        else:
            await turn.acquire()  # at once, without a timer
        if self._journal._is_closed:
            turn.release()
            raise Refused("store_busy")

    async def __aexit__(self, *_: object) -> None:
        self._journal._turn.release()
