"""Entries → rows of the views and of search, all rows of a subject together, in the transaction of the caller."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entry import Admitted
from protocol.node.journal.rows import among, bound, chunks, driver_of, insert, is_postgres
from protocol.node.journal.search import grams, normal
from protocol.node.journal.stored import SELECT, Stored, stored

SUBJECTS_AT_ONCE_MAX = 500
_INT_MAX = 2**63 - 1  # facts of a hostile node may hold more than a column takes


class Views(Protocol):
    """What this folder needs of protocol.views."""

    TABLES: dict[str, Any]

    def rows(self, sort: str, admitted: list[Admitted], tables: Any) -> dict[str, list[dict[str, Any]]]: ...

    def search_text(self, sort: str, admitted: list[Admitted]) -> str: ...


class Projected:
    """Rows of some subjects as the journal makes them: table → rows as tuples, and subject → search text."""

    def __init__(self, views: Views) -> None:
        self.columns = {name: [c.name for c in columns] for name, columns in views.TABLES.items()}
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.columns}
        self.texts: dict[str, str] = {}

    def add(self, views: Views, entries: Sequence[Stored], tables: Any) -> None:
        """All entries of one subject, in the order of their positions."""
        sorts: dict[str, list[Admitted]] = defaultdict(list)
        for e in entries:
            sorts[e.sort].append(e.admitted)
        words = []
        for sort, admitted in sorts.items():
            for table, rows in views.rows(sort, admitted, tables).items():
                columns = self.columns[table]
                self.rows[table].extend(tuple([cell(row.get(c)) for c in columns]) for row in rows)
            words.append(views.search_text(sort, admitted))
        found = normal(" ".join(w for w in words if w))
        if found:
            self.texts[entries[0].subject] = found


def cell(value: Any) -> Any:
    """What every backend takes and gives back alike: no NUL in texts, whole numbers of 64 bits, no truth values."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    if isinstance(value, int):
        return max(-_INT_MAX, min(_INT_MAX, int(value)))
    return value


async def entries_of(connection: AsyncConnection, subjects: Sequence[str]) -> dict[str, list[Stored]]:
    """Subject → its entries here, in the order of their positions."""
    found: dict[str, list[Stored]] = defaultdict(list)
    where = among(connection, "subject", "subjects")
    result = await connection.execute(text(f"{SELECT} where {where} order by position"), {"subjects": bound(connection, subjects)})
    for row in result:
        e = stored(row)
        found[e.subject].append(e)
    return found


async def project(connection: AsyncConnection, views: Views, tables: Any, subjects: Iterable[str], later: bool) -> None:
    """Folds each subject anew and replaces its rows. later: leave search `pending`, `index` follows."""
    for some in chunks(sorted(set(subjects)), SUBJECTS_AT_ONCE_MAX):
        made = Projected(views)
        for entries in (await entries_of(connection, some)).values():
            made.add(views, entries, tables)
        await replace(connection, made, some)
        await replace_texts(connection, made.texts, some, later)


async def replace(connection: AsyncConnection, made: Projected, subjects: Sequence[str]) -> None:
    where, values = among(connection, "subject", "subjects"), {"subjects": bound(connection, subjects)}
    for table, rows in made.rows.items():
        await connection.execute(text(f"delete from {table} where {where}"), values)
        await insert(connection, table, made.columns[table], rows)


async def replace_texts(connection: AsyncConnection, texts: dict[str, str], subjects: Sequence[str], later: bool) -> None:
    """Touches only what changed: most entries change no name, title or account, and taking grams out costs 10 µs each."""
    where, values = among(connection, "subject", "subjects"), {"subjects": bound(connection, subjects)}
    result = await connection.execute(text(f"select id, subject, text, pending from search where {where}"), values)
    old = {row.subject: row for row in result}
    changed = [s for s in subjects if texts.get(s, "") != (old[s].text if s in old else "")]
    if not changed:
        return
    await forget(connection, [old[s] for s in changed if s in old])
    fresh = [(s, texts[s]) for s in changed if s in texts]
    await insert(connection, "search", ("subject", "text", "pending"), [(s, t, 1) for s, t in fresh])
    if not later:
        await _index(connection, [s for s, _ in fresh])


async def forget(connection: AsyncConnection, rows: Sequence[Any]) -> None:
    """Takes rows (id, text, pending) out of search. SQLite's index keeps no text, so it must be told what stood there."""
    if not rows:
        return
    if not is_postgres(connection):
        gone = [(row.id, grams(row.text)) for row in rows if not row.pending]
        if gone:
            await connection.exec_driver_sql("insert into search_gram(search_gram, rowid, grams) values ('delete', ?, ?)", gone)
    await connection.execute(text("delete from search where id = :id"), [{"id": row.id} for row in rows])


async def _index(connection: AsyncConnection, subjects: Sequence[str]) -> None:
    where = among(connection, "subject", "subjects")
    result = await connection.execute(
        text(f"select id, text from search where pending = 1 and {where}"), {"subjects": bound(connection, subjects)}
    )
    await index_rows(connection, result.all())


async def index_rows(connection: AsyncConnection, rows: Sequence[Any]) -> None:
    """Puts pending rows (id, text) into the index."""
    if not rows:
        return
    made = [(row.id, grams(row.text)) for row in rows]
    if is_postgres(connection):
        driver = await driver_of(connection)
        await driver.execute(
            "update search s set pending = 0, grams = array_to_tsvector(string_to_array(n.grams, ' '))"
            " from unnest($1::bigint[], $2::text[]) as n(id, grams) where s.id = n.id",
            [id_ for id_, _ in made],
            [g for _, g in made],
        )
        return
    await connection.exec_driver_sql("insert into search_gram(rowid, grams) values (?, ?)", made)
    await connection.exec_driver_sql("update search set pending = 0 where id = ?", [(id_,) for id_, _ in made])
