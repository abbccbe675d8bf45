"""The engines of a journal: one writer, a few readers that cannot write. SQLCipher by file, PostgreSQL by URL.

SQLite: WAL, synchronous=FULL, a raw key (a passphrase costs 0.1 s at each open), no checkpoint of its own since that one
hides I/O errors. PostgreSQL: synchronous_commit on, readers in a read-only snapshot. Neither opens a transaction before
the first statement, and SQLite's writer takes its lock at once (BEGIN IMMEDIATE).
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL
from sqlalchemy import event
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_dbapi
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlcipher3 import dbapi2 as sqlcipher

from protocol.node.journal.faults import is_fatal

READERS_MAX = 4  # pages are short; more would only hold snapshots that keep the WAL from being reset
READER_CACHE_KB = 2_900
CACHE_KB = 6_000  # decrypted pages of the writer; with those of five readers they must fit into an edge's 120 MB
WRITERS_MAX = 4  # of PostgreSQL, at once: a save at a desk does not wait for what others bring in; rows and subjects are locked
BUSY_WAIT_MS = 5000  # another program on the same file (`rebuild`, `backup`) may hold the lock for a moment
BREAK_OFF_S = 0.05
KEY_BYTES = 32
LOCK_WAIT = "30s"  # of PostgreSQL: another program that holds a lane for longer is stuck
WAIT_S = 30.0  # for a connection of the pool
DEAD_S = 20  # a PostgreSQL that its machine does not answer for
_ERRORS = (
    "Error",
    "DatabaseError",
    "IntegrityError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "DataError",
    "InterfaceError",
)


def sqlite_path(url: str) -> Path:
    path = Path(make_url(url).database or "")
    if not path.is_absolute():
        raise ValueError(f"an absolute path is needed: sqlite:///{path}")
    return path


def connect_sqlite(path: Path, key: bytes, writes: bool, cache_kb: int = CACHE_KB, tolerant: bool = False, untouched: bool = False) -> Any:
    """A plain connection; BEGIN is the caller's. tolerant: of a list of tables that is damaged in part · untouched: nobody else has it open, and
    not even its log is worked into it when this one closes. Raises sqlcipher3's DatabaseError at the first read when the key is wrong."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key has {len(key)} bytes, not {KEY_BYTES}")
    name = f"{path.resolve().as_uri()}?mode=ro" if untouched else path
    wait_s = BUSY_WAIT_MS / 1000
    c = sqlcipher.connect(name, uri=untouched, check_same_thread=False, isolation_level=None, timeout=wait_s, cached_statements=256)
    pragmas = [
        "cipher_log_level = none",  # a wrong key is our error to word, not lines on stderr
        f"key = \"x'{key.hex()}'\"",
        *(["writable_schema = ON"] if tolerant else []),
        *(["journal_mode = WAL"] if writes else []),  # it stays in the file; a backup that is read must not change
        "synchronous = FULL",
        "wal_autocheckpoint = 0",
        "journal_size_limit = 4194304",  # once emptied the log gives its space back
        "temp_store = memory",  # a temporary file would be plain text
        "secure_delete = ON",  # what was erased leaves no page behind
        f"cache_size = -{cache_kb}",
        f"query_only = {int(not writes)}",
    ]
    try:
        for pragma in pragmas:
            c.execute("PRAGMA " + pragma)
    except BaseException:
        c.close()
        raise
    return c


class Connection(aiosqlite.Connection):
    """brief: see rows.be_brief. The thread of aiosqlite is idle whenever its caller runs, so the plain connection is not shared."""

    brief = False
    _is_left = False  # somebody stopped waiting for what the thread still does

    def stop(self) -> None:
        """Nobody waits for the thread's end: whoever closes waited for the file to be closed, and a future of a loop that has ended kills the thread."""
        self._running = False
        self._tx.put_nowait((None, self._close_and_stop))

    def _close_and_stop(self) -> Any:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        return _STOP_RUNNING_SENTINEL

    @property
    def plain(self) -> Any:
        return self._conn

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._execute(fn, *args, **kwargs)
        except asyncio.CancelledError:
            self._is_left = True
            raise

    async def begin(self) -> None:
        """Takes the lock at once. Whoever is cancelled meanwhile leaves no transaction: the thread ends it before anything else is asked of it."""
        try:
            await self.execute_fetchall("BEGIN IMMEDIATE")
        except asyncio.CancelledError:
            self._tx.put_nowait((None, self._roll_back))
            raise

    def end_reading(self) -> asyncio.Future[None] | None:
        """Rolls back what only read: at once (None), or, where the thread still does what nobody waits for, when it has broken that off."""
        if not self._is_left:
            self._roll_back()
            return None
        self._is_left = False
        ended = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((ended, self._roll_back))
        self._break_off(ended)
        return ended

    def _break_off(self, ended: asyncio.Future[None]) -> None:
        """Again until it has ended: what the thread has not begun yet can't be interrupted."""
        if not ended.done() and self._connection is not None:
            self.plain.interrupt()
            ended.get_loop().call_later(BREAK_OFF_S, self._break_off, ended)

    def _roll_back(self) -> None:
        if self.plain.in_transaction:
            self.plain.execute("ROLLBACK")

    async def ask(self, sql: str, values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
        """(names of the columns, rows) of one question, in one hop; outside of a transaction it is a snapshot by itself."""
        return await self._execute(self._ask, sql, values)

    def _ask(self, sql: str, values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
        cursor = self._conn.execute(sql, values)
        return [column[0] for column in cursor.description or ()], cursor.fetchall()


def sqlite_connection(path: Path, key: bytes, writes: bool, cache_kb: int = CACHE_KB) -> Connection:
    """Await it to open it."""
    made = Connection(lambda: connect_sqlite(path, key, writes, cache_kb), iter_chunk_size=256)
    made._thread.daemon = True  # SQLAlchemy does this only for connections it makes itself: a forgotten one hangs the exit
    return made


async def sqlite_reader(path: Path, key: bytes) -> Connection:
    """Open; it cannot write."""
    made = sqlite_connection(path, key, False, READER_CACHE_KB)
    await made
    return made


def sqlite_engine(path: Path, key: bytes, failed: Callable[[BaseException], Any]) -> AsyncEngine:
    """The writer's: its pool holds one connection, callers queue for it. For the readers see `readers`."""

    dbapi = AsyncAdapt_aiosqlite_dbapi(aiosqlite, sqlcipher)
    for name in _ERRORS:  # sqlcipher3's errors are not sqlite3's: without this they pass SQLAlchemy unwrapped
        setattr(dbapi, name, getattr(sqlcipher, name))
    # the path in the URL only chooses the queue pool: without it SQLAlchemy takes StaticPool, one connection for everybody
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        module=dbapi,
        async_creator=lambda: sqlite_connection(path, key, True, CACHE_KB),
        pool_size=1,
        pool_reset_on_return=None,  # a transaction that is left open is rolled back as it closes; after a commit that is a hop for nothing
        max_overflow=0,
        pool_timeout=WAIT_S,
    )
    event.listen(engine.sync_engine, "begin", lambda c: c.connection.run_async(lambda driver: driver.begin()))
    event.listen(engine.sync_engine, "handle_error", lambda context: stop_if_fatal(context.original_exception, failed))
    return engine


def driver_url(url: str) -> str:
    """Of a PostgreSQL, for its driver without SQLAlchemy."""
    return url.replace("+asyncpg", "", 1)


def postgres_engine(url: str, writes: bool) -> AsyncEngine:
    options: dict[str, Any] = {} if writes else {"isolation_level": "REPEATABLE READ"}
    engine = create_async_engine(
        url,
        pool_size=WRITERS_MAX + 1 if writes else READERS_MAX,
        max_overflow=0,
        pool_timeout=WAIT_S,
        pool_pre_ping=True,
        connect_args={"server_settings": {"synchronous_commit": "on", "lock_timeout": LOCK_WAIT, "timezone": "UTC", "jit": "off"}},
        **options,
    )
    event.listen(engine.sync_engine, "connect", lambda c, _: outlive_no_database(c.driver_connection))
    return engine if writes else engine.execution_options(postgresql_readonly=True)


def outlive_no_database(connection: Any) -> None:
    """A database on another machine that loses its power in the middle of an answer says nothing any more: the system finds out, within
    DEAD_S or so, and whoever waits is told. connection: asyncpg's."""
    line = connection._transport.get_extra_info("socket")
    if line is None or line.family not in (socket.AF_INET, socket.AF_INET6):
        return
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", DEAD_S // 4),
        ("TCP_KEEPINTVL", DEAD_S // 4),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", DEAD_S * 1000),
    ):
        if option := getattr(socket, name, None):  # by the system
            line.setsockopt(socket.IPPROTO_TCP, option, value)


def stop_if_fatal(error: BaseException | None, failed: Callable[[BaseException], Any]) -> None:
    if error is not None and is_fatal(error):
        failed(error)


@contextmanager
def free_again(names: list[Path]) -> Iterator[None]:
    """Where the disk refuses the end of it, none of these files stays: it was not said to be done, and the names are free for the next attempt."""
    try:
        yield
    except OSError:
        for name in names:
            name.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """SQLite does it too but ignores its failure, and then a power cut may take the file's very name. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
