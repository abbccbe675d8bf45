"""Statements and many rows at once, the fast way of each store.

SQLite runs in a thread, and each hop to it costs more than a small statement: a statement is one hop here, four through
SQLAlchemy's cursor, and none in a `brief` transaction, whose few rows take microseconds. PostgreSQL takes many rows by COPY: 290,000 rows/s with heads of 200 bytes, executemany 158,000, row by
row a twelfth of it. Values are named (`:name`) on both.
"""

import json
from collections import namedtuple
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

clause = lru_cache(maxsize=512)(text)  # making one costs as much as a small statement
Values = Mapping[str, Any]


def is_postgres(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "postgresql"


async def driver_of(connection: AsyncConnection) -> Any:
    """The driver's own connection, inside the transaction: SQLAlchemy sends BEGIN with its first statement, not before."""
    if (lent := getattr(connection, "driver", None)) is not None:  # of a Snapshot
        return lent
    if not connection.in_transaction():
        await connection.begin()
        if is_postgres(connection):
            await connection.execute(clause("select 1"))
    inner = getattr(connection, "sync_connection", None)  # its own way to the driver takes a greenlet each time
    return inner.connection.driver_connection if inner else (await connection.get_raw_connection()).driver_connection


async def be_brief(connection: AsyncConnection, brief: bool) -> None:
    """brief: this transaction touches a few rows by their keys, so its statements are done at once, where they are asked for.

    Only BEGIN, which may wait for another program, and COMMIT, which waits for the disk, still go to the thread.
    """
    driver = await driver_of(connection)
    if hasattr(driver, "brief"):
        driver.brief = brief


def _at_once(driver: Any) -> Any:
    """The plain connection in a brief transaction, else None."""
    return driver.plain if getattr(driver, "brief", False) else None


async def fetch(connection: AsyncConnection, sql: str, values: Values | None = None) -> list[Sequence[Any]]:
    """All rows, as sequences; [] for a statement that gives none."""
    if is_postgres(connection):
        result = await connection.execute(clause(sql), dict(values or {}))
        return list(result.all()) if result.returns_rows else []
    driver = await driver_of(connection)
    if plain := _at_once(driver):
        return plain.execute(sql, dict(values or {})).fetchall()
    return list(await driver.execute_fetchall(sql, dict(values or {})))


async def named(connection: AsyncConnection, sql: str, values: Values) -> list[Any]:
    """All rows, by the names of their columns; `_asdict()` of one is a dict. Of `values` only what the statement names is bound."""
    used = {name: value for name, value in values.items() if f":{name}" in sql}
    if is_postgres(connection):
        return list((await connection.execute(clause(sql), used)).all())
    names, rows = await (await driver_of(connection)).ask(sql, used)
    return list(map(row_type(tuple(names))._make, rows))


async def pieces(connection: AsyncConnection, sql: str, most: int) -> AsyncIterator[Sequence[Sequence[Any]]]:
    """The rows, up to `most` at once: of a whole table, which need not fit into memory."""
    if is_postgres(connection):
        async for some in (await connection.stream(clause(sql))).partitions(most):
            yield some
        return
    async with (await driver_of(connection)).execute(sql) as cursor:
        while some := await cursor.fetchmany(most):
            yield some


@lru_cache(maxsize=512)
def row_type(names: tuple[str, ...]) -> Any:
    """Columns that have no name are to be taken by their place."""
    return namedtuple("Row", names, rename=True)  # type: ignore[misc]


async def index_names(connection: AsyncConnection) -> set[str]:
    """Of the indices that are there."""
    sql = "select indexname from pg_indexes where schemaname = current_schema()"
    return {
        row[0] for row in await fetch(connection, sql if is_postgres(connection) else "select name from sqlite_master where type = 'index'")
    }


async def run(connection: AsyncConnection, sql: str, many: Sequence[Values]) -> None:
    """A statement without an answer, once for each of `many`."""
    if not many:
        return
    if is_postgres(connection):
        await connection.execute(clause(sql), list(many) if len(many) > 1 else many[0])
        return
    await _many(await driver_of(connection), sql, many)


async def insert(connection: AsyncConnection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """In the caller's transaction. A row that breaks a key raises the driver's IntegrityError."""
    if not rows:
        return
    driver = await driver_of(connection)
    if is_postgres(connection):
        await driver.copy_records_to_table(table, records=rows, columns=list(columns))
        return
    marks = ", ".join("?" * len(columns))
    await _many(driver, f"insert into {table} ({', '.join(columns)}) values ({marks})", rows)


async def number_on(connection: AsyncConnection) -> None:
    """After entries were put in with the positions that they had: the next one is numbered behind them. SQLite does so by itself."""
    if is_postgres(connection):
        highest = "coalesce((select max(position) from entry), 0) + 1"
        await fetch(connection, f"select setval(pg_get_serial_sequence('entry', 'position'), {highest}, false)")


async def _many(driver: Any, sql: str, many: Sequence[Any]) -> None:
    if plain := _at_once(driver):
        plain.executemany(sql, many)
    else:
        await driver.executemany(sql, many)


def among(connection: AsyncConnection, column: str, name: str) -> str:
    """SQL that claims `column` is one of the texts bound as `name` by `bound`: one statement however many there are."""
    if is_postgres(connection):
        return f"{column} = any(cast(:{name} as text[]))"
    return f"{column} in (select value from json_each(:{name}))"


def bound(connection: AsyncConnection, values: Iterable[str]) -> Any:
    return list(values) if is_postgres(connection) else json.dumps(list(values))


def one_of(connection: AsyncConnection, column: str, name: str, values: Collection[str]) -> tuple[str, dict[str, Any]]:
    """(what `among` claims, what it binds) of these values. Of one, as most saves ask, a plain comparison: a third of the time in SQLite."""
    if len(values) == 1:
        return f"{column} = :{name}", {name: next(iter(values))}
    return among(connection, column, name), {name: bound(connection, values)}


def chunks(values: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    return (values[at : at + most] for at in range(0, len(values), most))
