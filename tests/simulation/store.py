"""A store in memory with fault points, for the same Journal that runs on SQLCipher and PostgreSQL: its SQL, its views, its search.

    disk = Disk(chance, image)                     what a node's folder holds; outlives the node
    journal = await open_journal(disk, tables, views)

`Engine` and `Connection` offer what our code uses of SQLAlchemy's AsyncEngine and AsyncConnection over one plain `sqlite3`
database in memory. Every statement waits, so a node can be killed between any two. A reader sees one moment and cannot write.

A commit writes its tail, waits, is durable, waits, returns. Killed while the tail is written it is kept, torn or lost, as drawn; killed
after, it is kept though nobody was told. Of a torn tail the next opening of a SQLite drops what is there, so here it is counted and is
gone like a lost one: real files are torn, at any byte, by rows 6 and 7 of `./run faults`. `lies`: syncs do nothing, so a power cut
takes the last commits, acknowledged or not (mutation M2). `is_full`: whatever would write is refused.
"""

import asyncio
import sqlite3
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from protocol import views as folding
from protocol.node.journal import Journal, migrate
from tests.simulation.result import Result

PAGE_BYTES = 1024  # a whole image is 110 kB then, and copying it takes 20 µs
STATEMENT_S_MAX, SYNC_S_MAX = 0.004, 0.02
SLOW = 0.1  # share of statements that really take time; the others only let everybody else go first
UNSYNCED_MAX = 6  # commits that a disk that lies may forget
_DIALECT = SimpleNamespace(name="sqlite")
_READS = ("select", "with", "pragma", "explain")


class _Done(msgspec.Struct):
    """A statement of an open transaction. rows: how many it changed; None: it failed."""

    sql: str
    values: Any
    is_many: bool
    rows: int | None = None


class Disk:
    """overlap: how often a reader meets the moment before a transaction that is still open, instead of waiting for its end · slow, yields:
    share of statements that take time, and of those that at least let others go first.
    """

    def __init__(
        self, chance: Random, image: bytes | None = None, *, overlap: float = 1.0, slow: float = SLOW, yields: float = 1.0
    ) -> None:
        self.chance, self.overlap, self.slow, self.yields = chance, overlap, slow, yields
        self.is_full = self.lies = False
        self.counts: Counter[str] = Counter()
        self._lent = image if image in _LENT else None
        self.connection = _lend(image) if self._lent else _connect(image)
        self._own = self.connection
        self.writer: Connection | None = None
        self._keeps_before = False  # whether readers of the open transaction may see the moment before it
        self._before: bytes | None = None  # the image of that moment, once somebody needed it
        self._done: list[_Done] | None = None  # what was done since then
        self._past: tuple[bytes, sqlite3.Connection] | None = None  # an image, opened: most of what one costs is its schema
        self._readers: list[Connection] = []
        self._unsynced: deque[bytes] = deque(maxlen=UNSYNCED_MAX)
        self._writing = asyncio.Event()
        self._free: asyncio.Event | None = None

    def image(self) -> bytes:
        """As committed."""
        if not self.is_changing:
            return self.written()
        before = self.before
        if before is None:
            raise RuntimeError("an image in the middle of a transaction")
        return before

    @property
    def before(self) -> bytes | None:
        """The image as it was before the open transaction, when readers may need it; made when it is asked for."""
        if self._before is None and self._done is not None:
            self._before = self._as_before(self.written)
        return self._before

    @property
    def has_before(self) -> bool:
        return self._before is not None or self._done is not None

    def _as_before(self, look: Callable[[], Any]) -> Any:
        """What `look` finds when the open transaction is undone; then its statements are done again, as they were."""
        self.connection.execute("rollback to writing")
        found, done = look(), self._done or []
        self._done = []
        for one in done:
            with suppress(sqlite3.IntegrityError):  # the first time, too
                self.run(one.sql, one.values, one.is_many)
            if self._done[-1].rows != one.rows:
                raise RuntimeError(f"done again it is not the same: {one.sql}")
        return found

    def written(self) -> bytes:
        """What is just being written, too. The search index keeps what it was told last to itself until a savepoint or a commit."""
        self.connection.execute("savepoint looked")
        self.connection.execute("release looked")
        return self.connection.serialize()

    @property
    def is_changing(self) -> bool:
        """Claims that a transaction is open that has changed something: `rows` shows what is not committed yet."""
        return self.writer is not None and self.writer.has_changed

    def crash(self, power: bool = False) -> None:
        """The node is gone; what is here now is what the next one finds. power: the machine went too, so what was not synced is lost."""
        writer, self.writer = self.writer, None
        if writer is not None and writer.in_transaction():
            kept = writer.is_writing_tail and self.chance.random() < 0.5
            torn = writer.is_writing_tail and not kept and self.chance.random() < 0.5
            self.counts["tail kept" if kept else "tail torn" if torn else "transaction lost"] += 1
            _end(self.connection, kept)
        if power and self.lies and self._unsynced:
            back = list(self._unsynced)[self.chance.randrange(len(self._unsynced))]
            self.connection = _connect(back)
            self.counts["unsynced lost"] += 1
        self._readers.clear()
        self._unsynced.clear()
        self._before = self._done = self._free = None

    def put_back(self, image: bytes) -> None:
        """Another image: an old backup, a copy of another disk, an empty store."""
        self.connection = _connect(image)

    def give_back(self) -> None:
        """Nobody will use it any more."""
        if self._lent is not None:
            self._own.execute("rollback")
            _LENT[self._lent].append(self._own)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """For whoever judges, not for the node: what is committed, or, inside a transaction, what is about to be."""
        return self.connection.execute(sql, values).fetchall()

    def look(self, sql: str, values: Any) -> tuple[list[str], list[Any]]:
        """Columns and rows, as committed."""
        if not self.is_changing:
            return _asked(self.connection, sql, values)
        if self._done is not None:
            return self._as_before(lambda: _asked(self.connection, sql, values))
        return _asked(self.opened(self._before or b""), sql, values)

    def opened(self, image: bytes) -> sqlite3.Connection:
        """For reading only: all who look at one moment share it."""
        if self._past is None or self._past[0] is not image:
            self._past = (image, _connect(image))
        return self._past[1]

    # ── what connections need ──

    def draws_wait(self) -> float | None:
        """How long the next statement takes; None: nobody else comes in between."""
        lot = self.chance.random()
        if lot < self.slow:
            return self.chance.random() * STATEMENT_S_MAX
        return 0 if lot < self.yields else None

    def begin(self, writer: "Connection") -> None:
        if self.writer is not None:
            raise RuntimeError("two writers at once")
        self.writer, self._before, self._done, self._free = writer, None, None, None
        self._keeps_before = self.chance.random() < self.overlap or self.lies
        self.connection.execute("savepoint writing")

    def modifies(self) -> None:
        """Before the first change: readers that already look at the database go on seeing it as it is now."""
        if self.lies:
            self._before = self.written()
        elif self._keeps_before:
            self._done = []
        if self._readers:
            self._before = self._before or self.connection.serialize()
            for reader in self._readers:
                reader.old = self._before
            self._readers.clear()

    def run(self, sql: str, values: Any, many: bool) -> sqlite3.Cursor:
        """A statement of the open transaction that may change something."""
        run = self.connection.executemany if many else self.connection.execute
        if self._done is None:
            return run(sql, values)
        done = _Done(sql, values, many)
        self._done.append(done)
        cursor = run(sql, values)
        done.rows = cursor.rowcount
        return cursor

    def commit(self) -> None:
        if self.lies and self._before:  # before the tables were made no node was there
            self._unsynced.append(self._before)
        _end(self.connection, True)

    def end(self) -> None:
        self.writer = self._before = self._done = None
        if self._free is not None:
            self._free.set()

    async def reads(self, reader: "Connection") -> None:
        """Decides which moment the reader sees."""
        while self.is_changing:
            if self.has_before:
                reader.old = self.before
                return
            self._free = self._free or asyncio.Event()
            await self._free.wait()
        self._readers.append(reader)

    async def committed(self, sql: str, values: Any) -> tuple[list[str], list[Any]]:
        """For one question: what is committed now, or once the open transaction has ended."""
        while self.is_changing and not self.has_before:
            self._free = self._free or asyncio.Event()
            await self._free.wait()
        return self.look(sql, values)

    def leave(self, reader: "Connection") -> None:
        if reader in self._readers:
            self._readers.remove(reader)


_LENT: dict[bytes, list[sqlite3.Connection]] = {}


def lend(image: bytes) -> None:
    """Disks that begin with this image share connections, one after the other: two thirds of a statement's cost is to prepare it."""
    _LENT.setdefault(image, [])


def _lend(image: bytes) -> sqlite3.Connection:
    """In a transaction that is never committed: `give_back` undoes a whole life, and every statement stays prepared."""
    free = _LENT[image]
    if free:
        made = free.pop()
    else:
        made = _connect(None)
        _connect(image).backup(made)
    made.execute("begin")
    return made


def _asked(connection: sqlite3.Connection, sql: str, values: Any) -> tuple[list[str], list[Any]]:
    cursor = connection.execute(sql, values)
    return [d[0] for d in cursor.description or ()], cursor.fetchall()


def _end(connection: sqlite3.Connection, keeps: bool) -> None:
    if not keeps:
        connection.execute("rollback to writing")
    connection.execute("release writing")


def _connect(image: bytes | None) -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", isolation_level=None, cached_statements=512)
    if image is None:
        made.execute(f"pragma page_size = {PAGE_BYTES}")
    else:
        made.deserialize(image)
    return made


class Engine:
    """Stands in for AsyncEngine: one of a journal's two."""

    dialect = _DIALECT

    def __init__(self, disk: Disk, writes: bool) -> None:
        self.disk, self._writes = disk, writes

    def connect(self) -> "Connection":
        return Connection(self.disk, self._writes)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["Connection"]:
        async with self.connect() as c:
            await c.begin()
            yield c
            await c.commit()

    async def dispose(self) -> None:
        pass


class Connection:
    """Stands in for AsyncConnection, and for the driver's own connection under it."""

    dialect = _DIALECT

    def __init__(self, disk: Disk, writes: bool) -> None:
        self.disk, self._writes = disk, writes
        self.old: bytes | None = None  # a reader's moment, once the database has gone on
        self._old: sqlite3.Connection | None = None
        self._open = self.has_changed = self.is_writing_tail = False

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._open:
            await self.rollback()

    @property
    def driver_connection(self) -> "Connection":
        return self

    @property
    def sync_connection(self) -> "Connection":
        return self

    @property
    def connection(self) -> "Connection":
        return self

    @property
    def driver(self) -> "Connection | None":
        """What a Snapshot lends; here, when the transaction has begun."""
        return self if self._open else None

    async def get_raw_connection(self) -> "Connection":
        return self

    def in_transaction(self) -> bool:
        return self._open

    async def begin(self) -> None:
        if (wait_s := self.disk.draws_wait()) is not None:
            await asyncio.sleep(wait_s)
        if self._writes:
            self.disk.begin(self)
        self._open = True

    async def commit(self) -> None:
        if self._writes:
            disk = self.disk
            if disk.is_full and self.has_changed:
                raise _full()
            self.is_writing_tail = True
            await asyncio.sleep(disk.chance.random() * SYNC_S_MAX if disk.chance.random() < 0.5 else 0)
            disk.commit()
            self.is_writing_tail = False
            self._end()
            await asyncio.sleep(0)
        else:
            self._end()

    async def rollback(self) -> None:
        if self._writes and self._open and self.disk.writer is self:
            _end(self.disk.connection, False)
        self._end()

    def _end(self) -> None:
        if not self._open:
            return
        self._open = self.has_changed = self.is_writing_tail = False
        if self._writes:
            self.disk.end()
        else:
            self.disk.leave(self)
            self.old, self._old = None, None

    async def execute(self, statement: Any, values: Any = None) -> "Result":
        """A TextClause or a text, with a dict of values, or a list of them for many. Raises DBAPIError."""
        sql = getattr(statement, "text", statement)
        try:
            if isinstance(values, list):
                await self.executemany(sql, values)
                return Result([], ())
            cursor = await self._run(sql, values or {})
        except sqlite3.Error as error:
            raise DBAPIError(sql, values, error) from error
        names = tuple(d[0] for d in cursor.description or ())
        return Result(cursor.fetchall() if names else [], names)

    async def ask(self, sql: str, values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
        cursor = await self._run(sql, values)
        return [d[0] for d in cursor.description or ()], cursor.fetchall()

    async def execute_fetchall(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        return (await self._run(sql, values)).fetchall()

    async def executemany(self, sql: str, many: Any) -> None:
        await self._run(sql, list(many), True)

    async def _run(self, sql: str, values: Any, many: bool = False) -> sqlite3.Cursor:
        if not self._open:
            await self.begin()
        if (wait_s := self.disk.draws_wait()) is not None:
            await asyncio.sleep(wait_s)
        if not self._writes:
            return (await self._view(sql)).execute(sql, values)
        if _reads_only(sql):
            return self.disk.connection.execute(sql, values)
        if self.disk.is_full:
            raise _full()
        if not self.has_changed:
            self.disk.modifies()
            self.has_changed = True
        return self.disk.run(sql, values, many)

    async def _view(self, sql: str) -> sqlite3.Connection:
        if not _reads_only(sql):
            raise _readonly()
        if self.old is None and self not in self.disk._readers:
            await self.disk.reads(self)
        if self.old is None:
            return self.disk.connection
        if self._old is None:
            self._old = self.disk.opened(self.old)
        return self._old

    async def run_sync(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Migrations speak with SQLAlchemy's own connection."""
        engine = create_engine("sqlite://", creator=lambda: _Borrowed(self.disk.connection), poolclass=StaticPool)
        self.has_changed = True
        with engine.connect() as c, c.begin():
            return work(c, *arguments)


class Asked:
    """Stands in for the connection that single questions go through: each sees one moment."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    async def ask(self, sql: str, values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
        if not _reads_only(sql):
            raise _readonly()
        if (wait_s := self.disk.draws_wait()) is not None:
            await asyncio.sleep(wait_s)
        return await self.disk.committed(sql, values)

    async def close(self) -> None:
        pass


class _Borrowed:
    """The driver's connection in SQLAlchemy's hands: the transaction stays ours to end."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def commit(self) -> None:
        pass

    rollback = close = commit


@lru_cache(maxsize=2048)
def _reads_only(sql: str) -> bool:
    return sql.lstrip().split(None, 1)[0].lower() in _READS


def _error(what: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(what)
    error.sqlite_errorcode = code
    return error


def _readonly() -> sqlite3.OperationalError:
    return _error("attempt to write a readonly database", sqlite3.SQLITE_READONLY)


def _full() -> sqlite3.OperationalError:
    return _error("database or disk is full", sqlite3.SQLITE_FULL)


async def open_journal(disk: Disk, tables: Callable[[], Any], views: Any = folding, index_later: bool = False) -> Journal:
    """What `Journal.open` does for a file or a URL."""
    writer, reader = Engine(disk, True), Engine(disk, False)
    if not _is_up(disk, views):
        await migrate.bring_up(writer, views)  # type: ignore[arg-type]
    return await Journal.over(writer, reader, tables, views, index_later, Asked(disk))  # type: ignore[arg-type]


def _is_up(disk: Disk, views: Any) -> bool:
    """Asked without SQLAlchemy, whose inspection takes longer than everything else of an opening."""
    try:
        found = disk.rows("select value from local where name = 'views'")
    except sqlite3.OperationalError:  # no such table
        return False
    return (
        bool(found)
        and found[0][0] == migrate.shape_of(views)
        and disk.rows("select version_num from alembic_version") == [(migrate.VERSION,)]
    )
