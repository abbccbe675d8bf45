"""An upgrade that is killed: before any of its statements, or at any moment. The journal is the old one or the new one.

For each migration, and for a journal that is only being made: a journal of the version before it, with the entries of a small county and
views of another shape, is opened by a program that gets SIGKILL. Then this program opens it: every entry is there, views are whole.
"""

import asyncio
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlcipher3 import dbapi2 as sqlcipher

from protocol.node.folding import open_journal
from protocol.node.journal import Journal, LaneHead, migrate, rebuild, schema
from protocol.node.journal.engine import connect_sqlite, sqlite_engine
from protocol.node.shelf import Shelf
from tests.faults.row import Outcome, Row
from tests.faults.rows.row_10 import Rows, dump
from tests.node.desk_kit import VILLAGE, Clock, County, dispute, exchange

KEY, HERE = sha256(b"village").digest(), Path(__file__).parents[3]
AT_STATEMENTS, AT_TIMES, STATEMENTS, MOST_MS = 5, 2, 130, 500


def revisions() -> list[str]:
    """Oldest first."""
    return [script.revision for script in reversed(list(ScriptDirectory(str(migrate.FOLDER)).walk_revisions()))]


async def _written(folder: Path) -> Rows:
    """Every kept row of a small county's village."""
    county = County(folder)
    try:
        village, town = await county.node("village"), await county.node("town")
        for _ in range(3):
            await village.say(dispute())
        await exchange(village, town)
    finally:
        await county.close()
    return dump(folder / "village" / "journal.db", KEY)


async def older(path: Path, revision: str, rows: Rows) -> None:
    """A journal as the program of that revision left it, its views of a shape that is not ours."""
    engine = sqlite_engine(path, KEY, lambda _: None)

    def up(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(migrate.FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with engine.begin() as c:
        await c.run_sync(up)
    await engine.dispose()
    with closing(connect_sqlite(path, KEY, True)) as c:
        c.execute("begin")
        for name in schema.kept.tables:
            shape = [r[1] for r in c.execute(f"pragma table_info({name})")]
            now = [column.name for column in schema.kept.tables[name].columns]
            for row in rows.get(name, []) if shape and name != "local" else []:
                known = {key: value for key, value in zip(now, row, strict=False) if key in shape}
                c.execute(f"insert into {name} ({', '.join(known)}) values ({', '.join('?' * len(known))})", tuple(known.values()))
        c.execute("create table case_row (subject text primary key, gone text)")
        c.execute("insert into case_row values ('x', 'a column of another version')")
        c.execute("insert into local (name, value) values ('views', x'00'), ('view names', cast('case_row' as blob))")
        c.execute("commit")
        c.execute("pragma wal_checkpoint(truncate)")


def _state(path: Path) -> tuple[str, Rows]:
    """(version, rows) as they lie there, before any program looks after it."""
    found = dump(path, KEY) if path.exists() and path.stat().st_size else {}
    return (found["alembic_version"][0][0] if found.get("alembic_version") else ""), found


async def _killed(file: Path, kills: list[str]) -> list[int]:
    words = (sys.executable, "-m", "tests.faults.rows.upgrading", str(file), KEY.hex(), *kills)
    process = await asyncio.create_subprocess_exec(*words, cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode(errors="replace")[-1500:]
    return [int(word) for word in out.split()]


async def _looked_at(path: Path, old: tuple[str, Rows], entries: list[tuple]) -> str:
    """Old or new, never between; and this program makes it new, whole."""
    try:
        version, rows = _state(path)
    except sqlcipher.DatabaseError as error:
        raise AssertionError(f"{path.name}: unreadable after the kill: {error}") from error
    assert version in (old[0], migrate.VERSION), f"{path.name}: version {version!r}"
    if version != migrate.VERSION:
        assert rows.keys() == old[1].keys(), f"{path.name}: old version, other tables: {rows.keys() ^ old[1].keys()}"
    journal = await open_journal(f"sqlite:///{path}", KEY, Shelf(Clock()))
    try:
        assert [(e.key, e.head_bytes, e.body, e.hash) for e in await journal.since(0, 5000)] == entries
        assert await rebuild(journal), f"{path.name}: views were not whole"
        await _takes_more(journal)
    finally:
        await journal.close()
    return "new" if version == migrate.VERSION else "old"


async def _takes_more(journal: Journal) -> None:
    async with journal.writing() as w:
        assert isinstance(await w.lane_head(VILLAGE, "nvill2222:1"), LaneHead)
        await w.set_local("after the upgrade", b"1")


async def play(draw: Random, folder: Path) -> Outcome:
    rows = await _written(folder / "county")
    truth = [((r[1], r[2], r[3]), r[7], r[9], r[10]) for r in sorted(rows["entry"])]
    before = draw.choice(["", *revisions(), *revisions()])
    file = folder / "journal.db"
    if before:
        await older(file, before, rows)
    old = _state(file)
    kills = [f"s{n}" for n in sorted(draw.sample(range(1, STATEMENTS), AT_STATEMENTS))]
    kills += [f"t{n}" for n in sorted(draw.sample(range(1, MOST_MS), AT_TIMES))]
    ends = await _killed(file, kills)
    assert -9 in ends, "nobody was killed"
    found = [await _looked_at(file.with_name(f"{file.name}.{kill}"), old, truth if before else []) for kill in kills]
    said = f"from {before or 'nothing'} to {migrate.VERSION}: {ends.count(-9)} killed, {found.count('old')} old, {found.count('new')} new"
    return Outcome(len(truth) * len(kills), images=len(kills), said=(said,))


ROW = Row(19, "upgrade killed half way", "old or new, never between; every entry there, views whole", (), play)
