"""An upgrade that is killed: before any of its statements, at its named points, or at any moment. The journal is the old one or the new one.

For each migration, and for a journal that is only being made: a journal of the version before it, with the entries of a small county and
views of another shape, is opened by a program that gets SIGKILL; half of them by another one that gets it too. Then this program
opens it: every entry is there, views are whole. It is a village's on SQLCipher, or the hub's on PostgreSQL where there
is one.
"""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random
from shutil import copyfile

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlcipher3 import dbapi2 as sqlcipher

from protocol.commands import AddEvidence
from protocol.node.folding import open_journal
from protocol.node.journal import Journal, LaneHead, migrate, rebuild, schema
from protocol.node.journal.engine import connect_sqlite, driver_url, postgres_engine, sqlite_engine, sqlite_path
from protocol.node.journal.rows import number_on
from protocol.node.shelf import Shelf
from tests.faults.kit.database import Database
from tests.faults.needs import missing
from tests.faults.row import Outcome, Row
from tests.faults.rows.row_10 import Rows, dump
from tests.kit.county import until
from tests.node.desk_kit import VILLAGE, Clock, County, dispute, exchange, new_id

HERE = Path(__file__).parents[3]
KILLS, KILLS_SMALL, STATEMENTS, MOST_MS = (5, 2), (3, 1), 130, 500  # kills at statements, at times; the last of each
POINTS = ("journal.migrate", "journal.rebuild")
WAITS = {"ledger": VILLAGE, "origin": "nvill2222:1", "seq": 999}  # a body to be erased whose entry is not there yet
_OTHERS = "select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


class Files:
    """Journals of a village, each a file in one folder."""

    node, store, key = "village", "SQLCipher", sha256(b"village").digest()

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, 0

    async def new(self, like: str = "") -> str:
        """The URL of another one, with nothing in it, or with what that one holds."""
        path, self._made = self._folder / f"journal.{self._made}.db", self._made + 1
        if like and sqlite_path(like).exists():
            copyfile(sqlite_path(like), path)
        return f"sqlite:///{path}"

    async def found(self, url: str) -> Rows:
        """What lies there, before any program looks after it."""
        path = sqlite_path(url)
        try:
            return dump(path, self.key) if path.exists() and path.stat().st_size else {}
        except sqlcipher.DatabaseError as error:
            raise AssertionError(f"{url}: unreadable after the kill: {error}") from error

    async def older(self, url: str, revision: str, rows: Rows) -> None:
        engine = sqlite_engine(sqlite_path(url), self.key, lambda _: None)
        async with engine.begin() as c:
            await c.run_sync(_older, revision, rows)
        await engine.dispose()
        with closing(connect_sqlite(sqlite_path(url), self.key, True)) as c:
            c.execute("pragma wal_checkpoint(truncate)")

    async def end(self) -> None:
        """They go with the folder."""


class Databases:
    """Journals of the hub, each a database of its own."""

    node, store, key = "root", "PostgreSQL", None

    def __init__(self, server: Database) -> None:
        self._server = server

    async def new(self, like: str = "") -> str:
        return await self._server.empty(like)

    async def found(self, url: str) -> Rows:
        c = await asyncpg.connect(driver_url(url))
        try:

            async def alone() -> bool:
                return not await c.fetch(_OTHERS)

            await until(alone, "the server notices that the killed program is gone")
            names = [row[0] for row in await c.fetch("select tablename from pg_tables where schemaname = 'public'")]
            return {name: sorted(map(tuple, await c.fetch(f'select * from "{name}"')), key=repr) for name in names}
        finally:
            await c.close()

    async def older(self, url: str, revision: str, rows: Rows) -> None:
        engine = postgres_engine(url, True)
        async with engine.begin() as c:
            await c.run_sync(_older, revision, rows)
            await number_on(c)
        await engine.dispose()

    async def end(self) -> None:
        await asyncio.to_thread(self._server.end)


def revisions() -> list[str]:
    """Oldest first."""
    return [script.revision for script in reversed(list(ScriptDirectory(str(migrate.FOLDER)).walk_revisions()))]


async def _written(folder: Path, kind: str) -> Rows:
    """Every kept row of this node in a small county."""
    county = County(folder)
    try:
        village, other = await county.node("village"), await county.node("town" if kind == "village" else kind)
        for n in range(3):
            case = (await village.say(dispute())).subject
            blob = await village.blobs.put(b"\xff\xd8\xff%d" % n, "田埂.jpg", "image/jpeg")
            await village.say(AddEvidence(id=new_id(), case=case, blob=blob))
        await exchange(village, other)
    finally:
        await county.close()
    return dump(folder / kind / "journal.db", sha256(kind.encode()).digest())


def _older(connection: Connection, revision: str, rows: Rows) -> None:
    """A journal as the program of that revision left it, its views of a shape that is not ours."""
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    there = inspect(connection)
    for name, table in schema.kept.tables.items():
        shape = {column["name"] for column in there.get_columns(name)} if there.has_table(name) and name != "local" else set()
        for row in rows.get(name, []) if shape else []:
            known = {column.name: value for column, value in zip(table.columns, row, strict=True) if column.name in shape}
            connection.execute(text(f"insert into {name} ({', '.join(known)}) values ({', '.join(f':{key}' for key in known)})"), known)
    columns = {column["name"]: "" for column in there.get_columns("erasure")} | WAITS
    connection.execute(text(f"insert into erasure ({', '.join(columns)}) values ({', '.join(f':{key}' for key in columns)})"), columns)
    connection.execute(text("create table case_row (subject text primary key, gone text)"))
    connection.execute(text("insert into case_row values ('x', 'a column of another version')"))
    for key, value in (("views", b"\0"), ("view names", b"case_row")):
        connection.execute(text("insert into local (name, value) values (:key, :value)"), {"key": key, "value": value})


def _version(rows: Rows) -> str:
    return rows["alembic_version"][0][0] if rows.get("alembic_version") else ""


def drawn(draw: Random, kills: tuple[int, int]) -> list[str]:
    """As rows/upgrading.py takes them."""
    at, after = (sorted(draw.sample(range(1, most), count)) for most, count in zip((STATEMENTS, MOST_MS), kills, strict=True))
    return [*(f"s{n}" for n in at), *(f"t{ms}" for ms in after), *(f"p{point}" for point in POINTS)]


async def _killed(key: bytes | None, given: Mapping[str, str]) -> list[int]:
    words = [word for pair in given.items() for word in pair]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.rows.upgrading", (key or b"").hex(), *words,
        cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode(errors="replace")[-1500:]
    return [int(word) for word in out.split()]


async def _old_or_new(journals: Files | Databases, kill: str, url: str, old: Rows) -> str:
    """Never between."""
    rows = await journals.found(url)
    version = _version(rows)
    assert version in (_version(old), migrate.VERSION), f"{kill}: version {version!r}"
    if version != migrate.VERSION:
        assert rows == old, f"{kill}: old version, other rows in {[name for name in rows | old if rows.get(name) != old.get(name)]}"
    return "new" if version == migrate.VERSION else "old"


async def _made_whole(journals: Files | Databases, kill: str, url: str, wrote: Rows) -> None:
    """By this program, whatever it was."""
    journal = await open_journal(url, journals.key, Shelf(Clock()))
    try:
        assert [(e.key, e.head_bytes, e.body, e.hash) for e in await journal.since(0, 5000)] == _entries(wrote), f"{kill}: other entries"
        uses = await journal.select("select ledger, origin, seq, address from blob_use", {})
        assert sorted(map(tuple, uses)) == wrote.get("blob_use", []), f"{kill}: files are of other entries"
        waiting = await journal.select("select ledger, origin, seq, subject from erasure", {})
        assert [*map(tuple, waiting)] == ([(*WAITS.values(), "")] if wrote else []), f"{kill}: {waiting} wait to be erased"
        assert await rebuild(journal), f"{kill}: views were not whole"
        await _takes_more(journal)
    finally:
        await journal.close()


def _entries(rows: Rows) -> list[tuple]:
    return [((r[1], r[2], r[3]), r[7], r[9], r[10]) for r in sorted(rows.get("entry", []))]


async def _takes_more(journal: Journal) -> None:
    async with journal.writing() as w:
        assert isinstance(await w.lane_head(VILLAGE, "nvill2222:1"), LaneHead)
        await w.set_local("after the upgrade", b"1")


async def play(draw: Random, folder: Path) -> Outcome:
    on_postgres = draw.random() < 0.5 and not missing(("postgres",))
    journals = Databases(await Database.quick()) if on_postgres else Files(folder)
    return await upgraded(draw, folder, journals, draw.choice(["", *revisions(), *revisions()]), KILLS)


async def small(draw: Random, folder: Path) -> Outcome:
    """One of an older program on each store there is here, with fewer kills."""
    done = [await upgraded(draw, folder, Files(folder), draw.choice(revisions()[:-1]), KILLS_SMALL)]
    if not missing(("postgres",)):
        done.append(await upgraded(draw, folder, Databases(await Database.quick()), draw.choice(revisions()[:-1]), KILLS_SMALL))
    said = [line for one in done for line in one.said]
    return Outcome(sum(one.acknowledged for one in done), images=sum(one.images for one in done), said=tuple(said))


async def upgraded(draw: Random, folder: Path, journals: Files | Databases, before: str, kills: tuple[int, int]) -> Outcome:
    """before: the revision that they are of; "": there is nothing yet."""
    try:
        rows = await _written(folder / f"county of the {journals.node}", journals.node) if before else {}
        source = await journals.new()
        if before:
            await journals.older(source, before, rows)
        old = await journals.found(source)
        given = {kill: await journals.new(source) for kill in drawn(draw, kills)}
        ends = await _killed(journals.key, given)
        assert -9 in ends, "nobody was killed"
        found = [await _old_or_new(journals, kill, url, old) for kill, url in given.items()]
        again = {f"s{draw.randrange(1, STATEMENTS)}": url for url in draw.sample(list(given.values()), len(given) // 2)}
        ends += await _killed(journals.key, again)
        found += [await _old_or_new(journals, kill, url, old) for kill, url in again.items()]
        for kill, url in given.items():
            await _made_whole(journals, kill, url, rows)
    finally:
        await journals.end()
    said = (
        f"{journals.store} from {before or 'nothing'} to {migrate.VERSION}: {ends.count(-9)} of {len(ends)} starts killed, "
        f"{found.count('old')} old, {found.count('new')} new"
    )
    return Outcome(len(_entries(rows)) * len(given), images=len(found), said=(said,))


ROW = Row(19, "upgrade killed half way", "old or new, never between; every entry there, views whole", (), play, small)
