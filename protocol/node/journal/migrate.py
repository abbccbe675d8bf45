"""Bringing a journal's tables to this program's version, in one transaction: killed half way it is the old one still.

`kept` tables change by Alembic's migrations; the views are dropped and made anew whenever their shape differs. Alembic is
loaded only when there is something to do, since a start must be quick.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protocol.node import killpoints
from protocol.node.journal import schema
from protocol.node.journal.projection import Views
from protocol.problem import Refused

VERSION = "0005"  # the newest of migrations/versions; a test holds it so
FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x79696470  # advisory lock of PostgreSQL: several programs may start at once
# rows of `local` on PostgreSQL
OPENED = "opened"  # another one after each opening: who reads the same one twice knows that no program came meanwhile
HEALED = "healed"  # the mark of the last heal
_MADE = "made_"
_OPEN = text(
    "insert into local (name, value) values (:name, convert_to(txid_current()::text, 'UTF8'))"
    " on conflict (name) do update set value = excluded.value"
)


class JournalTooNew(RuntimeError):
    """台账是较新版本的程序写的，这个程序打不开。"""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"台账是较新版本的程序写的（{found}，这个程序认得到 {VERSION}），打不开，没有改动。请换回较新的程序。\n"
            f"The journal is of version {found}, this program knows up to {VERSION}: nothing was changed, take the newer program again."
        )


async def bring_up(writer: AsyncEngine, views: Views) -> None:
    """Tables of this version, and views of this shape: `unfilled` says whether they are filled."""
    async with writer.begin() as c:
        await alone(c)
        await make(c, views)
        if c.dialect.name == "postgresql":
            await c.execute(_OPEN, {"name": OPENED})
        killpoints.reach("journal.migrate")


async def alone(c: AsyncConnection) -> None:
    """No other program makes tables until this transaction ends."""
    if c.dialect.name == "postgresql":
        await c.execute(text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})


async def make(c: AsyncConnection, views: Views) -> None:
    await c.run_sync(_migrate)
    await c.run_sync(_make_views, views)


def knows(found: str) -> bool:
    """Claims that this program opens a journal of that version."""
    if found == VERSION:
        return True
    from alembic.script import ScriptDirectory

    return found in {script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions()}


def _migrate(connection: Connection) -> None:
    if not inspect(connection).has_table("alembic_version"):
        found = None
    else:
        found = connection.execute(text("select version_num from alembic_version")).scalar()
    if found == VERSION:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    if found is not None and not knows(found):
        raise JournalTooNew(found)
    command.upgrade(config, "head")


def shape_of(views: Views) -> bytes:
    return schema.shape(views.TABLES, getattr(views, "VERSION", 0))


async def unfilled(c: AsyncConnection, views: Views) -> bytes | None:
    """Which tables of views wait to be filled, as the row 'view names' says; None: they are filled.
    Raises Refused store_busy: a program of another version made others meanwhile."""
    rows = await c.execute(text("select name, value from local where name in ('views', 'view names')"))
    said = {name: bytes(value) for name, value in rows}
    if said.get("views") == shape_of(views):
        return None
    if "views" in said or not _are_of(said.get("view names"), views):
        raise Refused("store_busy")
    return said["view names"]


def _are_of(names: bytes | None, views: Views) -> bool:
    return names is not None and names.decode().rpartition("_")[2] == shape_of(views).hex()


def _make_views(connection: Connection, views: Views) -> None:
    """`local` remembers the shape once the views are filled, and under 'view names' what to drop; its last word is the name of no table
    (whoever drops it drops nothing) and says which making it was, and of which shape. Tables of this shape stay: another program fills
    them at this moment, or broke off."""
    now = connection.execute(text("select value from local where name = 'views'")).scalar()
    old = connection.execute(text("select value from local where name = 'view names'")).scalar()
    if now == shape_of(views) or (now is None and _are_of(old, views)):
        return
    names = bytes(old).decode().split() if old else []
    number = int(names[-1].split("_")[1]) + 1 if names and names[-1].startswith(_MADE) else 1
    made = schema.view_tables(views.TABLES)
    for statement in schema.DROP_GRAMS[connection.dialect.name]:
        connection.execute(text(statement))
    for name in {*made.tables, *names}:
        connection.execute(text(f"drop table if exists {name}"))
    made.create_all(connection, checkfirst=False)
    for statement in schema.GRAMS[connection.dialect.name]:
        connection.exec_driver_sql(statement)
    connection.execute(text("delete from local where name in ('views', 'view names')"))
    said: dict[str, Any] = {"value": " ".join([*made.tables, f"{_MADE}{number}_{shape_of(views).hex()}"]).encode()}
    connection.execute(text("insert into local (name, value) values ('view names', :value)"), said)
