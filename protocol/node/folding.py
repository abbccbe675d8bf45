"""Opening the journal so that its views know who was revoked, and folding again what a change of *common* made old.

    shelf = Shelf(clock); journal = await open_journal(url, key, shelf)

What a revoked node wrote after its last good entry is kept and passed on, but set aside in every fold: of a case it waits for
the holder's review, of a person it does not count at all; likewise what was written for a post that had ended. It may have arrived before the revocation did; that changes
nothing, since the subjects concerned are folded again.
"""

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text

from protocol import views
from protocol.certificate import serves
from protocol.entry import Admitted, decode_head, node_of
from protocol.node import log
from protocol.node.bodies import erase_bodies
from protocol.node.journal import Journal, migrate
from protocol.node.journal.rebuild import fill, rebuild
from protocol.node.journal.rows import index_names, is_postgres
from protocol.node.listing import GONE, INDICES, SEARCH, STATISTICS
from protocol.node.shelf import Owed, Shelf, Stale, ended_of, ends_noted, note_ends
from protocol.place import covers
from protocol.tables import Tables

FOLDED_WITH = "tables"  # row of `local`: the mark of the tables that all views were folded with
SUBJECTS_MAX = 200  # of one transaction: about 0.1 s


class Folding:
    """protocol.views with what the shelf knows about lanes."""

    TABLES = views.TABLES
    VERSION = views.VERSION

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    @property
    def by(self) -> tuple[object, ...]:
        """What a fold rests on besides entries and tables: others as soon as it may say otherwise."""
        return self._shelf.revoked, self._shelf.ended

    def rows(self, sort: str, admitted: list[Admitted], tables: Tables) -> dict[str, list[dict[str, Any]]]:
        if not self._shelf.revoked and not self._shelf.ended:
            return views.rows(sort, admitted, tables)
        good = self._shelf.good_until(admitted)
        if sort == "person":
            admitted = [a for a in admitted if a.head.seq <= good.get((a.head.ledger, a.head.origin), a.head.seq)]
        return views.rows(sort, admitted, tables, good) if admitted else {}

    def search_text(self, sort: str, admitted: list[Admitted]) -> str:
        return views.search_text(sort, admitted)


async def open_journal(url: str, key: bytes | None, shelf: Shelf, **options: Any) -> Journal:
    """`Journal.open` with these views, the indices of the lists, and the shelf loaded from it. Raises what `Journal.open` raises."""
    journal = await Journal.open(url, key, shelf, views=Folding(shelf), **options)
    try:
        return await furnish(journal, shelf)
    except BaseException:
        await journal.close()
        raise


async def furnish(journal: Journal, shelf: Shelf) -> Journal:
    """Indices of the lists, and the shelf as *common* says. For a journal with `Folding(shelf)` as its views."""
    async with journal.writing() as w:
        await migrate.alone(w.connection)  # of programs that start together one makes and drops them, the others find it done
        there = await index_names(w.connection)
        own = () if is_postgres(w.connection) else (SEARCH,)
        wanted = [statement for statement in (*INDICES, *own) if statement.split()[5] not in there]  # create index if not exists NAME
        gone = [f"drop index {name}" for name in GONE if name in there]
        for statement in (*gone, *wanted, *(STATISTICS if is_postgres(w.connection) else ())):
            await w.connection.execute(text(statement))
    stale, folded_with = await shelf.load(journal), await journal.local(FOLDED_WITH)
    await fold_ended(journal, shelf)  # before anything is folded by the rest
    # without the mark (a new store, views just made anew) the views were folded with what the package brings
    is_old = stale.tables if folded_with is None else folded_with != shelf.mark
    await fold_again(journal, shelf, Stale(is_old, stale.nodes, stale.before))
    if folded_with is None and not is_old:
        await _note(journal, shelf.mark)
    return journal


# After a commit: none of these three raises for the store's sake, full or away, since what was committed stands and is told. What could not be
# done is owed: `shelf.owed.is_due` is set, and whoever runs the node calls `pay`.


async def follow_common(journal: Journal, shelf: Shelf) -> bool:
    """What *common* says now is in force. True: that makes views old, see `follow`."""
    owed = shelf.owed
    owed.common = True
    with _owing(owed):
        owed.stale, owed.common = owed.stale.then(await shelf.load(journal)), False
    return bool(owed.stale.tables or owed.stale.nodes)


async def follow(journal: Journal, shelf: Shelf) -> None:
    """Folds again what was found old. It may take minutes where there are many cases."""
    owed = shelf.owed
    stale, owed.stale = owed.stale, Stale()
    with _owing(owed):
        try:
            await fold_again(journal, shelf, stale)
        except Exception:
            owed.stale = stale.then(owed.stale)
            raise


async def follow_ends(journal: Journal, shelf: Shelf) -> None:
    """After one that ends a post."""
    with _owing(shelf.owed):
        await fold_ended(journal, shelf)


async def pay(journal: Journal, shelf: Shelf) -> None:
    """All that is owed."""
    shelf.owed.is_due.clear()
    if shelf.owed.common:
        await follow_common(journal, shelf)
    await follow(journal, shelf)
    await follow_ends(journal, shelf)


@contextmanager
def _owing(owed: Owed) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001, said aloud, and done when the store takes it
        log.event("not folded again yet", level=logging.WARNING, exception=error)
        owed.is_due.set()


async def fold_ended(journal: Journal, shelf: Shelf) -> None:
    """Looks which ends of posts count, and folds once more what was written beyond those that came or went. Again is cheap."""
    async with shelf.ending:
        stale = await shelf.load_ended(journal)
        if not stale:
            return
        await journal.barrier()  # what is being written was folded by what was known before
        after: dict[tuple[str, str], int] = {}  # lane → the lowest seq beyond which one of these posts does or did not count
        heads = await journal.heads()
        for end in map(ended_of, stale.values()):
            for ledger, origin in heads:
                known = shelf.certificates.get(node_of(origin))
                if covers(end.reach, ledger) and (known is None or serves(known, end.of)):
                    last = end.last.get((ledger, origin), 0)
                    after[ledger, origin] = min(last, after.get((ledger, origin), last))
        posts = {post for post, _ in stale}
        for (ledger, origin), seq in after.items():
            await _project(journal, await _written_after(journal, ledger, origin, seq, posts))
        async with journal.writing() as w:
            known, folded = await ends_noted(journal)
            gone = stale.keys() - (shelf.ends or {}).keys()
            await note_ends(w, {key: raw for key, raw in known.items() if key not in gone}, (folded | stale.keys()) - gone)


async def fold_again(journal: Journal, shelf: Shelf, stale: Stale) -> None:
    """In short transactions, so that the desk can be used meanwhile: a change of the calendar touches every case there is.

    What the views were folded with is noted when all are: broken off, it is done again at the next start, and only then.
    """
    if not stale.tables and not stale.nodes:
        return
    await journal.barrier()  # what is being written was folded by what was known before
    if stale.nodes:
        await _take_words(journal, shelf, stale)
    if stale.tables:
        mark = shelf.mark
        await fill(journal)
        await _note(journal, mark)
    else:
        await _fold_revoked(journal, shelf, stale)
    await fold_ended(journal, shelf)  # what an end of a post rests on may count no more


async def made_anew(journal: Journal, shelf: Shelf) -> bool:
    """`journal.rebuild`, of a program that may stand beside one that serves: what *common* came to say meanwhile is folded in afterwards, until
    nothing more came, for the other one has folded it in already. False also where that alone was the difference."""
    same = await rebuild(journal)
    while True:
        stale = await shelf.load(journal)
        await fold_again(journal, shelf, stale)
        await fold_ended(journal, shelf)
        if not stale.tables and not stale.nodes:
            return same


async def _fold_revoked(journal: Journal, shelf: Shelf, stale: Stale) -> None:
    for ledger, origin, last in await _turned(journal, shelf, stale):
        await _project(journal, await _written_after(journal, ledger, origin, last))


async def _turned(journal: Journal, shelf: Shelf, stale: Stale) -> list[tuple[str, str, int]]:
    """(ledger, origin, seq): lanes of which what stands after that number counted before and may not now, or the other way."""
    turned = []
    for (ledger, origin), head in (await journal.heads()).items():
        if node_of(origin) in stale.nodes:
            said = [good.get(node_of(origin)) for good in (stale.before, shelf.revoked)]
            last = min(known.get((ledger, origin), 0) for known in said if known is not None)
            turned += [(ledger, origin, last)] if head.seq > last else []
    return turned


async def _take_words(journal: Journal, shelf: Shelf, stale: Stale) -> None:
    """Erasures that count only by now: of two revocations of one node the earlier came later."""
    for ledger, origin, last in await _turned(journal, shelf, stale):
        sql = "select seq from entry where ledger = :ledger and origin = :origin and seq > :last and sort = 'erasure' order by seq"
        for (seq,) in await journal.select(sql, {"ledger": ledger, "origin": origin, "last": last}):
            if shelf.counts(ledger, origin, seq) and (said := await journal.entry(ledger, origin, seq)):
                async with journal.writing() as w:
                    await w.project(await erase_bodies(w, [said]))


async def _note(journal: Journal, mark: bytes) -> None:
    async with journal.writing() as w:
        await w.set_local(FOLDED_WITH, mark)


async def _written_after(journal: Journal, ledger: str, origin: str, seq: int, posts: Collection[str] = ()) -> list[str]:
    """Subjects of what stands in the lane after seq; posts: only of what their people wrote."""
    sql = "select subject, head_bytes from entry where ledger = :ledger and origin = :origin and seq > :seq and sort <> 'lane'"
    rows = await journal.select(sql, {"ledger": ledger, "origin": origin, "seq": seq})
    return sorted({row[0] for row in rows if not posts or decode_head(bytes(row[1])).author[1] in posts})


async def _project(journal: Journal, subjects: Iterable[str]) -> None:
    some = list(subjects)
    for at in range(0, len(some), SUBJECTS_MAX):
        async with journal.writing() as w:
            await w.project(some[at : at + SUBJECTS_MAX])
