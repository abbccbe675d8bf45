"""What every application has in common is made once in a test process, not once for each of its thousand: its templates and its routes, half of a
page test, and what was worked out of a password, a third of the rest. Each application has a state, and a node, of its own.

The tables of a new journal likewise: Alembic and SQLAlchemy find the words for the first of a process, which take a tenth of a second."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Literal

from argon2 import PasswordHasher
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from litestar import Litestar
from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_connection

from protocol.node import people
from protocol.node.journal import migrate
from protocol.node.web import app


class _Compiled(BytecodeCache):
    """Jinja checks the template's text against what was compiled."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if raw := self._kept.get(bucket.key):
            bucket.bytecode_from_string(raw)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


class _Shared(Litestar):
    __slots__ = ()

    def register(self, value: Any) -> None:
        raise AssertionError(f"{value} would be everybody's: let this test have the fixture own_routes")


class _Routed:
    """real: for whoever registers a route more at an application, which would be everybody's."""

    def __init__(self) -> None:
        self.real, self._kept = app.routed, dict[tuple, Litestar]()

    def __call__(self, routes: list[Any], dist: Path, home: str, homes: Mapping[str, str]) -> Litestar:
        key = (*(getattr(route, "handler_name", type(route).__name__) for route in routes), dist, home, *homes.items())
        if key not in self._kept:
            self._kept[key] = self.real(routes, dist, home, homes)
        made: Any = copy.copy(self._kept[key])
        made.__class__ = _Shared
        return made


@contextmanager
def own_routes() -> Iterator[None]:
    """For whoever registers a route more: the applications made meanwhile are nobody else's. Outside a test process (`./run faults`) all are so."""
    made: Any = app
    shared = made.routed
    made.routed = getattr(shared, "real", shared)
    try:
        yield
    finally:
        made.routed = shared


class _Hasher(PasswordHasher):
    """With the parameters of production. The people of tests have few passwords: each is hashed once, and found right once for each hash. What was
    wrong is tried again."""

    _hashed: ClassVar[dict[str, str]] = {}
    _right: ClassVar[set[tuple[str | bytes, str | bytes]]] = set()

    def hash(self, password: str | bytes, **more: Any) -> str:
        key = f"{password!r} {more} {self.time_cost} {self.memory_cost} {self.parallelism}"
        if key not in self._hashed:
            self._hashed[key] = super().hash(password, **more)
        return self._hashed[key]

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        if (hash, password) not in self._right:
            super().verify(hash, password)
            self._right.add((hash, password))
        return True


async def _say_to_sqlite(said: list[tuple[str, Any]], driver: Any) -> None:
    """In one hop to its thread."""
    await driver._execute(lambda: [driver.plain.execute(*one).close() for one in said])


async def _say_to_postgres(said: list[tuple[str, Any]], driver: Any) -> None:
    """What has no values goes as one text."""
    for has_values, some in groupby(said, lambda one: bool(one[1])):
        if has_values:
            for statement, values in some:
                await driver.execute(statement, *values)
        else:
            await driver.execute(";\n".join(statement for statement, _ in some))


class _Said:
    """What was said to the database when tables were made in an empty one is said again to the next; with any other the real thing is done."""

    def __init__(self, real: Callable[..., None], empty: str, key: Callable[..., Any]) -> None:
        """empty: a question that finds nothing in a database without these tables, or can't be asked."""
        self._real, self._empty, self._key, self._kept = real, empty, key, dict[Any, list[tuple[str, Any]]]()

    def __call__(self, connection: Connection, *more: Any) -> None:
        if not isinstance(connection, Connection) or self._is_there(connection):
            self._real(connection, *more)
            return
        key = (connection.dialect.name, self._key(*more))
        if key not in self._kept:
            self._kept[key] = self._heard(connection, *more)
            return
        said, driver = self._kept[key], connection.connection.dbapi_connection
        if isinstance(driver, AsyncAdapt_dbapi_connection):
            say = _say_to_sqlite if connection.dialect.name == "sqlite" else _say_to_postgres
            driver.run_async(partial(say, said))
            return
        for statement, values in said:  # of the simulation's disks
            connection.exec_driver_sql(statement, values or None)

    def _is_there(self, connection: Connection) -> bool:
        table = self._empty.split()[3]
        return inspect(connection).has_table(table) and connection.execute(text(self._empty)).first() is not None

    def _heard(self, connection: Connection, *more: Any) -> list[tuple[str, Any]]:
        said: list[tuple[str, Any]] = []

        def hear(_connection: Connection, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
            if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
                said.append((statement, values))

        event.listen(connection, "before_cursor_execute", hear)
        try:
            self._real(connection, *more)
        finally:
            event.remove(connection, "before_cursor_execute", hear)
        return said


def make_once() -> None:
    """For every application and every journal that this process makes from now on."""
    made: Any = app
    hashes: Any = people
    tables: Any = migrate
    tables._migrate = _Said(tables._migrate, "select 1 from alembic_version", lambda: (migrate.VERSION, migrate.FOLDER))
    tables._make_views = _Said(tables._make_views, "select 1 from local where name in ('views', 'view names')", migrate.shape_of)
    hashes.PasswordHasher = _Hasher
    kept = _Compiled()
    made.compiled = lambda _folder: kept
    made.routed = _Routed()
