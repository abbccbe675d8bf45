"""Entries → rows of the views and of search, all rows of a subject together, in the transaction of the caller."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Set
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entry import Admitted
from protocol.node.journal.rows import chunks, driver_of, fetch, insert, is_postgres, one_of, run
from protocol.node.journal.search import grams, normal
from protocol.node.journal.stored import SELECT, Stored, stored

SUBJECTS_AT_ONCE_MAX = 200  # of one piece: the store writes one while the next is folded
SUBJECTS_GIVING_WAY_MAX = 100  # the same where somebody may be let in between two pieces
FOLDS_AT_ONCE = 2  # between two looks at what else waits: about 0.5 ms; the store must not wait for its next rows
INDEXED_CHARS_MAX = 200  # an index row of PostgreSQL holds 2,704 bytes; no honest code, path or id is longer
_INT_MAX = 2**63 - 1  # facts of a hostile node may hold more than a column takes


class GaveWay(Exception):
    """Somebody waits to write: what the transaction had is undone, and whoever has it comes again."""


class Views(Protocol):
    """What this folder needs of protocol.views."""

    TABLES: Any

    def rows(self, sort: str, admitted: list[Admitted], tables: Any) -> dict[str, list[dict[str, Any]]]: ...

    def search_text(self, sort: str, admitted: list[Admitted]) -> str: ...


class Projected:
    """What the entries of some subjects come to: rows by table, each a tuple in the order of `columns`, and search texts."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in views.TABLES}
        self.texts: dict[str, str] = {}

    def add(self, entries: Sequence[Stored], tables: Any) -> None:
        """All entries of one subject, in the order of their positions."""
        self.put(entries[0].subject, folded(self._views, entries, tables))

    def put(self, subject: str, one: "Folded") -> None:
        for table, rows in one.rows.items():
            self.rows[table].extend(rows.values())
        if one.text:
            self.texts[subject] = one.text

    def columns(self, table: str) -> list[str]:
        return _shape(self._views, table).names

    def keys(self, table: str) -> list[int]:
        """Where the columns of the key stand."""
        return _shape(self._views, table).keys


class Folded(NamedTuple):
    """What the entries of one subject come to. rows: by table and key; of two of one key the later one stands."""

    rows: dict[str, dict[Any, tuple[Any, ...]]]
    text: str


def folded(views: Views, entries: Sequence[Stored], tables: Any) -> Folded:
    """All entries of one subject, in the order of their positions."""
    sorts: dict[str, list[Admitted]] = {}
    for e in entries:
        sorts.setdefault(e.sort, []).append(e.admitted)
    words, found = [], dict[str, dict[Any, tuple[Any, ...]]]()
    for sort, admitted in sorts.items():
        for table, rows in views.rows(sort, admitted, tables).items():
            shape, there = _shape(views, table), found.setdefault(table, {})
            for row in rows:
                cells = shape.cells(row)
                there[shape.key(cells)] = cells
        words.append(views.search_text(sort, admitted))
    return Folded(found, normal(" ".join(w for w in words if w)))


def _shape(views: Views, table: str) -> "_Shape":
    columns, made = views.TABLES[table], _shapes.get(table)
    if made is None or made.columns is not columns:
        made = _shapes[table] = _Shape(columns)
    return made


class _Shape:
    """Of a table: the names of its columns, where those of the key stand, and how a row of a view becomes one of the store."""

    def __init__(self, columns: Any) -> None:
        self.columns = columns
        self.names = [c.name for c in columns]
        self.keys = [n for n, c in enumerate(columns) if c.key]
        self.key = itemgetter(*self.keys)
        self._limits = [c.key or c.index for c in columns]
        self._texts, self._ints = (_getter([n for n, c in enumerate(columns) if c.type == kind]) for kind in ("text", "int"))

    def cells(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        made = tuple(map(row.get, self.names))
        return made if self._are_plain(made) else tuple(map(cell, made, self._limits))

    def _are_plain(self, cells: tuple[Any, ...]) -> bool:
        """Claims, quickly and of nearly every row, that `cell` would change none of them."""
        texts, numbers = list(filter(None, self._texts(cells))), self._ints(cells)
        try:
            joined = "".join(texts)
        except TypeError:
            return False
        if "\0" in joined or (len(joined) > INDEXED_CHARS_MAX and max(map(len, texts)) > INDEXED_CHARS_MAX):
            return False
        whole = [value for value in numbers if value.__class__ is int]
        if len(whole) + numbers.count(None) < len(numbers):
            return False
        return not whole or (max(whole) <= _INT_MAX and min(whole) >= -_INT_MAX)


def _getter(at: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """The cells that stand there, always as a tuple."""
    return itemgetter(*at) if len(at) > 1 else lambda cells: tuple([cells[n] for n in at])


_shapes: dict[str, _Shape] = {}  # by table; there is one set of views in a program
Piece = tuple[Sequence[str], Projected]  # subjects, and what their entries come to


def cell(value: Any, indexed: bool) -> Any:
    """What every backend takes and gives back alike: no NUL in texts, whole numbers of 64 bits, no truth values."""
    if isinstance(value, str):
        value = value.replace("\0", "") if "\0" in value else value
        return value[:INDEXED_CHARS_MAX] if indexed and len(value) > INDEXED_CHARS_MAX else value
    if isinstance(value, int):
        return max(-_INT_MAX, min(_INT_MAX, int(value)))
    return value


async def entries_of(connection: AsyncConnection, subjects: Sequence[str]) -> dict[str, list[Stored]]:
    """Subject → its entries here, in the order of their positions."""
    found: dict[str, list[Stored]] = defaultdict(list)
    where, values = one_of(connection, "subject", "subjects", subjects)
    for row in await fetch(connection, f"{SELECT} where {where} order by position", values):
        e = stored(row)
        found[e.subject].append(e)
    return found


async def fold(
    views: Views,
    tables: Any,
    subjects: Iterable[str],
    entries: Mapping[str, Sequence[Stored]],
    at_once: int = SUBJECTS_AT_ONCE_MAX,
    known: Callable[[Sequence[Stored], Any], Folded | None] | None = None,
) -> AsyncIterator[Piece]:
    """Each subject anew, `at_once` in a piece; no statement yet. entries: all of each subject · known: what they come to, if that was asked before."""
    for some in chunks(sorted(subjects), at_once):
        made, count = Projected(views), 0
        for subject in some:
            if subject not in entries:
                continue
            one = known(entries[subject], tables) if known else None
            if one is None:
                one, count = folded(views, entries[subject], tables), count + 1
                if count % FOLDS_AT_ONCE == 0:
                    await asyncio.sleep(0)  # pages are drawn by the same loop
            made.put(subject, one)
        yield some, made


async def project(connection: AsyncConnection, piece: Piece, begun: Set[str], later: bool) -> None:
    """Puts what was folded in the place of what stands. begun: subjects of which nothing can stand yet · later: leave search
    `pending`, `index` follows.
    """
    some, made = piece
    old = [subject for subject in some if subject not in begun]
    await replace(connection, made, old)
    await _replace_texts(connection, made.texts, some, old, later)


async def replace(connection: AsyncConnection, made: Projected, old: Sequence[str]) -> None:
    """old: subjects that may have rows. Asks first where anything stands: a subject has rows in two or three tables of eight.

    In SQLite what stands is read and only what differs is written: a note changes four columns of a case, so seven of its thirty indices,
    and writes half of the pages. PostgreSQL takes what comes in hundreds by COPY.
    """
    (where, values), stands = one_of(connection, "subject", "subjects", old), [False] * len(made.rows)
    if old:
        (stands,) = await fetch(connection, _stands(tuple(made.rows), where), values)
    for (table, rows), there in zip(made.rows.items(), stands, strict=True):
        if there and not is_postgres(connection):
            standing = await fetch(connection, f"select {', '.join(made.columns(table))} from {table} where {where}", values)
            await _amend(connection, table, made, standing)
            continue
        if there:
            await fetch(connection, f"delete from {table} where {where}", values)
        if rows:
            await insert(connection, table, made.columns(table), rows)


async def _amend(connection: AsyncConnection, table: str, made: Projected, standing: Sequence[Sequence[Any]]) -> None:
    """standing: the rows there, in the order of the columns. Of the rows of one key, the values that differ are set."""
    names, keys = made.columns(table), made.keys(table)
    is_key = " and ".join(f"{names[n]} = :{names[n]}" for n in keys)
    before = {tuple([row[n] for n in keys]): row for row in standing}
    fresh, changed = [], defaultdict(list)
    for row in made.rows[table]:
        key = tuple([row[n] for n in keys])
        if (was := before.pop(key, None)) is None:
            fresh.append(row)
        elif differing := tuple([n for n, (one, other) in enumerate(zip(was, row, strict=True)) if one != other]):
            changed[differing].append({names[n]: row[n] for n in (*differing, *keys)})
    await run(connection, f"delete from {table} where {is_key}", [{names[n]: row[n] for n in keys} for row in before.values()])
    for differing, rows in changed.items():
        await run(connection, f"update {table} set {', '.join(f'{names[n]} = :{names[n]}' for n in differing)} where {is_key}", rows)
    await insert(connection, table, names, fresh)


@cache
def _stands(tables: tuple[str, ...], where: str) -> str:
    return "select " + ", ".join(f"exists (select 1 from {table} where {where})" for table in tables)


async def _replace_texts(
    connection: AsyncConnection, texts: dict[str, str], subjects: Sequence[str], maybe: Sequence[str], later: bool
) -> None:
    """Touches only what changed: most entries change no name, title or account, and taking grams out costs 10 µs each."""
    old: dict[str, Sequence[Any]] = {}
    if maybe:
        where, values = one_of(connection, "subject", "subjects", maybe)
        old = {row[3]: row for row in await fetch(connection, f"select id, text, pending, subject from search where {where}", values)}
    changed = [s for s in subjects if texts.get(s, "") != (old[s][1] if s in old else "")]
    await forget(connection, [old[s][:3] for s in changed if s in old])
    fresh = [s for s in changed if s in texts]
    await insert(connection, "search", ("subject", "text", "pending"), [(s, texts[s], 1) for s in fresh])
    if fresh and not later:
        where, values = one_of(connection, "subject", "subjects", fresh)
        await index(connection, await fetch(connection, f"select id, text from search where pending = 1 and {where}", values))


async def forget(connection: AsyncConnection, rows: Sequence[Sequence[Any]]) -> None:
    """Takes rows (id, text, pending) out of search. SQLite's index keeps no text, so it must be told what stood there."""
    if not is_postgres(connection):
        gone = [{"id": id_, "grams": grams(text)} for id_, text, pending in rows if not pending]
        await run(connection, "insert into search_gram(search_gram, rowid, grams) values ('delete', :id, :grams)", gone)
    await run(connection, "delete from search where id = :id", [{"id": row[0]} for row in rows])


async def index(connection: AsyncConnection, rows: Sequence[Sequence[Any]]) -> None:
    """Puts pending rows (id, text) into the index."""
    if not rows:
        return
    made = [{"id": id_, "grams": grams(text)} for id_, text in rows]
    if not is_postgres(connection):
        await run(connection, "insert into search_gram(rowid, grams) values (:id, :grams)", made)
        await run(connection, "update search set pending = 0 where id = :id", made)
        return
    driver = await driver_of(connection)
    await driver.execute(
        "update search s set pending = 0, grams = array_to_tsvector(string_to_array(n.grams, ' '))"
        " from unnest($1::bigint[], $2::text[]) as n(id, grams) where s.id = n.id",
        [row["id"] for row in made],
        [row["grams"] for row in made],
    )
