"""Old journals beside this one (`before-restore-…`, `damaged-…`): what the law took since is taken there too.

    await reach(folder, journal, key)      when something was erased since the last time; the entries stay, their words go

They are kept because they may hold entries that nobody else has. A damaged one that can't be changed goes as a whole: all that was proven in
it stands in the journal already.
"""

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from protocol.node import log
from protocol.node.journal import Journal, schema
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.loose import LOOSE
from protocol.node.journal.salvage import UNREADABLE_STORE
from protocol.node.journal.writing import ERASURES

PATTERNS: Final = ("before-restore-*", "damaged-*")
MARK: Final = "erased"  # in such a folder: how many erasures have been applied to it
_ONE: Final = "where ledger = ? and origin = ? and seq = ? and ? in (subject, '')"
Key = tuple[str, str, int, str]  # ledger, origin, seq, subject


async def reach(folder: Path, journal: Journal, key: bytes) -> int:
    """key: of the old journals. How many old journals were changed. Raises Refused as reads do."""
    asides = [path for pattern in PATTERNS for path in folder.glob(pattern) if (path / "journal.db").exists()]
    if not asides:
        return 0
    rows = await journal.rows("counter", "name = :name", {"name": ERASURES})
    count = str(rows[0]["value"] if rows else 0)
    due = [path for path in asides if not (path / MARK).exists() or (path / MARK).read_text() != count]
    if not due:
        return 0
    erased = await journal.rows("entry", "erased = 1", {})
    waiting = await journal.rows("erasure")
    keys = [(row["ledger"], row["origin"], row["seq"], row["subject"]) for row in (*erased, *waiting)]
    return sum([await asyncio.to_thread(_one, path, key, keys, count) for path in due])


def _one(aside: Path, key: bytes, keys: Sequence[Key], count: str) -> int:
    try:
        with closing(connect_sqlite(aside / "journal.db", key, True, tolerant=True)) as c:
            c.execute("begin")
            for table in ("entry", "branch"):
                c.executemany(f"update {table} set body = null, salt = null {_ONE}", keys)
            c.executemany(f"update entry set erased = 1 {_ONE}", keys)
            c.execute("delete from draft where subject in (select subject from entry where erased = 1)")
            c.execute("update quarantine set sample = null")
            c.execute("delete from local where name like ?", (f"{LOOSE}%",))
            _without_views(c)
            c.execute("commit")
            c.execute("pragma wal_checkpoint(truncate)")
    except UNREADABLE_STORE as error:
        log.event("erasure could not be applied to an old journal", name_of=aside.name, exception=error)
        if aside.name.startswith("damaged-"):
            shutil.rmtree(aside, ignore_errors=True)
            return 1
    (aside / MARK).write_text(count)
    return 1


def _without_views(c: object) -> None:
    """Whatever can be made again from the entries, search included."""
    kept = {*schema.kept.tables, "alembic_version"}
    run = c.execute  # type: ignore[attr-defined]
    names = [name for (name,) in run("select name from sqlite_master where type = 'table' and name not like 'sqlite%'")]
    if "search_gram" in names:
        run("insert into search_gram(search_gram) values ('delete-all')")
    for name in names:
        if name not in kept and not name.startswith("search_gram"):
            run(f"delete from {name}")
    run("delete from local where name in ('views', 'tables')")
