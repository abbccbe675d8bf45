"""Every view and the search index, made again from the entries and held against what is there.

Subject by subject in short transactions, so that the desk can be used meanwhile and a kill leaves nothing half done. What
differs is replaced.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from protocol.node import killpoints
from protocol.node.journal.journal import Journal
from protocol.node.journal.migrate import unfilled
from protocol.node.journal.projection import Projected
from protocol.node.journal.rows import among, bound, fetch
from protocol.node.journal.writing import REFOLDS, Writing

ENDS_FOLDED = "ends of posts folded"  # `local` keeps by which ends of posts everything here was folded already
SUBJECTS_MAX = 200  # of one transaction: about 0.1 s


async def rebuild(journal: Journal) -> bool:
    """True when every row was what the entries say. Otherwise it is now, and False tells that something had gone wrong."""
    same = True
    async for subjects in _subjects(journal):
        async with journal.writing() as w:
            same = await _mend(journal, w, subjects) and same
        killpoints.reach("journal.rebuild")
    async with journal.writing() as w:
        await w.counter(REFOLDS)
        for table in [*journal.views.TABLES, "search"]:
            sql = f"delete from {table} where not exists (select 1 from entry e where e.subject = {table}.subject)"
            same = not await fetch(w.connection, sql + " returning subject") and same
    return same


async def fill(journal: Journal, made: bytes | None = None) -> None:
    """All views, once; by whatever is known while it runs, so what comes to be known later is folded again.

    made: the tables, as `migrate.unfilled` named them; it ends early when others stand in their place, or another program has filled them:
    that one may know more by now. None: tables that were filled before.
    """
    async with journal.writing() as w:
        await fetch(w.connection, "delete from local where name = :name returning name", {"name": ENDS_FOLDED})
    async for subjects in _subjects(journal):
        async with journal.writing() as w:
            if made is not None and await unfilled(w.connection, journal.views) != made:
                return
            await w.project(subjects)
        killpoints.reach("journal.rebuild")


async def _subjects(journal: Journal) -> AsyncIterator[list[str]]:
    after = ""
    while True:
        sql = "select distinct subject from entry where subject > :after order by subject limit :limit"
        async with journal.read() as c:
            found = [r[0] for r in await fetch(c, sql, {"after": after, "limit": SUBJECTS_MAX})]
        if not found:
            return
        yield found
        after = found[-1]


async def _mend(journal: Journal, w: Writing, subjects: Sequence[str]) -> bool:
    c = w.connection
    made = Projected(journal.views)
    for entries in (await w.subjects(subjects)).values():  # held: what somebody else admits meanwhile is no difference
        made.add(entries, journal.tables())
    where, values = among(c, "subject", "subjects"), {"subjects": bound(c, subjects)}
    wrong = set()
    for table in made.rows:
        rows = await fetch(c, f"select {', '.join(made.columns(table))} from {table} where {where}", values)
        here, fresh = _by_subject([tuple(r) for r in rows]), _by_subject(made.rows[table])
        wrong |= {s for s in here.keys() | fresh.keys() if here.get(s) != fresh.get(s)}
    texts = {r[0]: r[1] for r in await fetch(c, f"select subject, text from search where {where}", values)}
    wrong |= {s for s in subjects if texts.get(s) != made.texts.get(s)}
    if wrong:
        await w.project(wrong)
    return not wrong


def _by_subject(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return {subject: sorted(some, key=repr) for subject, some in found.items()}
