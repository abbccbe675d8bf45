"""What a damaged journal still holds, proven, in a new one: `saved = salvage(damaged, key, target, work, public)`.

Each table is read past what cannot be read. Of a lane the new journal gets the longest beginning whose chain, bodies and last
signature are true; nothing else counts as an entry. What is true in itself and stands behind a gap is kept apart (`Loose`): it
follows when others have given what lies between. Of the other tables come the rows that can be what was written; witnesses
come by their signature. Sessions do not: people sign in once more.

Synchronous, on files that nobody else has open; `target` was made by Journal.open and closed. Raises sqlcipher's Error when `damaged` cannot
even be opened (its list of tables is gone), OSError.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Double, LargeBinary, Table
from sqlcipher3 import dbapi2 as sqlcipher

from protocol import certificate as certificates
from protocol import entry, have
from protocol.batch import BATCH_ENTRIES_MAX
from protocol.entry import START, UNREADABLE, Head
from protocol.events import LaneOpened, facts_of
from protocol.node.journal import schema
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.loose import LOOSE, Loose, LooseRow
from protocol.node.journal.reseal import reseal
from protocol.node.journal.transplant import transplant
from protocol.node.journal.writing import ERASED_BEFORE
from protocol.problem import Refused

UNREADABLE_STORE: Final = (sqlcipher.Error, UnicodeDecodeError)  # its message may quote bytes that are no text
_DISK: Final = frozenset({sqlcipher.SQLITE_FULL, sqlcipher.SQLITE_IOERR, sqlcipher.SQLITE_CANTOPEN})  # primary codes
ROWID_MAX: Final = 2**53
LOOSE_ROWS_MAX: Final = 200  # of one row of `local`
STRANGE: Final = "\ufffd"  # stands for bytes that are no text
DERIVED: Final = frozenset({"views", "view names", "tables", "ends of posts folded"})  # rows of `local` that a start makes again
NEEDED: Final = frozenset({"entry", "account", "counter", "local"})
BEFORE: Final[dict[tuple[str, str], str]] = {
    ("erasure", "subject"): ERASED_BEFORE
}  # what migrations give to a column that was not there yet
APART: Final = frozenset({"entry", "lane", "session", "throttle", "peer", "peer_have", "own_have", "branch", "local"})

_SCRATCH: Final = (
    "create table raw (rowid_ integer primary key, ledger text, origin text, seq int, head blob, salt blob, body blob, hash blob,"
    " signature blob, received_ms int, erased int, place int default 0)"
)
_ENTRY: Final = "ledger, origin, seq, head_bytes, salt, body, hash, signature, received_ms, erased"
_COPY: Final = (
    "insert into entry (position, ledger, origin, seq, subject, sort, command, head_bytes, salt, body, hash, signature, received_ms, erased)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Saved(msgspec.Struct, frozen=True):
    """entries: that went over · here: lane → seq · known: lane → the highest seq that anything here or on a witness spoke of · loose: kept apart."""

    entries: int
    here: dict[tuple[str, str], int]
    known: dict[tuple[str, str], int]
    loose: int


def salvage(damaged: Path, key: bytes, target: Path, work: Path, public: bytes) -> Saved:
    """public: the pinned root key, by which a lane's certificate is judged · work: a folder for what is only needed meanwhile."""
    scratch = work / "scratch.db"
    with closing(connect_sqlite(scratch, key, True)) as s, closing(connect_sqlite(target, key, True)) as t:
        s.execute("pragma synchronous = OFF")

        def opened() -> Any:
            return connect_sqlite(damaged, key, False, tolerant=True)

        if not _has_list(opened, damaged, key, t):
            transplant(damaged, target, key)
            reseal(damaged, key)
            if not _has_list(opened, damaged, key, t):
                raise sqlcipher.DatabaseError("the list of tables is damaged")
        t.execute("begin")
        known = _witnesses(opened, t)
        _ends(opened, known)
        _gather(opened, s)
        saved = _lanes(s, t, public, known)
        for table in schema.kept.sorted_tables:
            if table.name not in APART:
                _copy(opened, t, table)
        _branches(opened, t)
        _local(opened, t)
        t.execute("commit")
        t.execute("pragma wal_checkpoint(truncate)")
    return saved


# ── reading past what cannot be read ──


def _has_list(opened: Callable[[], Any], damaged: Path, key: bytes, t: Any) -> bool:
    """A table whose line in the list of tables is damaged gets it back, where it is clear which one that is. False when one that a heal
    can't do without is not in the list any more. Views and what an older program made are no damage."""
    wanted = {
        (name, sql) for (name, sql) in t.execute("select name, sql from sqlite_master where type = 'table'") if name in schema.kept.tables
    }
    try:
        found = [row for row in readable(opened, "sqlite_master", "type, name, sql") if row[1] not in ("index", "trigger", "view")]
        with closing(_lenient(opened)) as c:
            # a virtual table is the search's, made anew by whoever heals; to name its columns it reads pages of its own, which may be gone
            others = {name for _, kind, name, sql in found if kind == "table" and (_is_virtual(sql) or _is_sound(c, t, name))}
        strange = [row[0] for row in found if (row[2], row[3]) not in wanted and row[2] not in others]
        missing = sorted(line for line in wanted - {(row[2], row[3]) for row in found} if line[0] not in others)
        if len(strange) == len(missing) == 1:
            name, sql = missing.pop()
            with closing(connect_sqlite(damaged, key, True, tolerant=True)) as c:
                c.execute(
                    "update sqlite_master set type = 'table', name = ?, tbl_name = ?, sql = ? where rowid = ?",
                    (name, name, sql, strange[0]),
                )
    except UNREADABLE_STORE as error:
        _not_the_disk(error)
        return False
    return not NEEDED & {name for name, _ in missing}


def _is_virtual(sql: Any) -> bool:
    return isinstance(sql, str) and sql.upper().startswith("CREATE VIRTUAL TABLE")


def _is_sound(c: Any, t: Any, name: str) -> bool:
    """Claims that the list of tables has it under this name, and if it is one of ours with no other columns than ours."""
    here, ours = _columns(c, name), _columns(t, name) if name in schema.kept.tables else None
    return bool(here) and (ours is None or here.items() <= ours.items())


def _columns(c: Any, table: str) -> dict[str, tuple[str, int]]:
    """Name → type, whether it may not be empty; none: there is no such table."""
    return {name: (kind, notnull) for name, kind, notnull in c.execute('select name, type, "notnull" from pragma_table_info(?)', (table,))}


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def readable(opened: Callable[[], Any], table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """(rowid, columns …) of all rows that can be read, in the order of their row ids; none of a table that is not there. Raises sqlcipher's
    Error where it has no such columns: that is no damaged page, to be read past."""
    c, last = _lenient(opened), -ROWID_MAX
    sql = f"select rowid, {columns} from {table} not indexed where rowid > ? order by rowid"
    try:
        if not _columns(c, table):
            return
        c.execute(f"{sql} limit 0", (last,))
        while True:
            try:
                for row in c.execute(sql, (last,)):
                    if row[0] <= last:
                        raise sqlcipher.DatabaseError("row ids that do not rise")
                    last = row[0]
                    yield row
                return
            except UNREADABLE_STORE as error:
                _not_the_disk(error)
                c.close()
                c = _lenient(opened)  # after a page that it gave away SQLCipher answers nothing more
                beyond = _beyond(opened, table, last)
                if beyond is None:
                    return
                last = beyond
    finally:
        c.close()


def _not_the_disk(error: Exception) -> None:
    """Raises it where the disk under the copy has no room or fails: that is no damage, to be read past."""
    if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _DISK:
        raise error


def _lenient(opened: Callable[[], Any]) -> Any:
    c = opened()
    c.text_factory = _text
    return c


def _beyond(opened: Callable[[], Any], table: str, last: int) -> int | None:
    """The smallest row id above which reading goes on after what follows `last`; None: there is nothing readable behind it."""
    step = 1
    while not _reads(opened, table, last + step):
        step *= 2
        if last + step > ROWID_MAX:
            return None
    low, high = last + step // 2, last + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _reads(opened, table, middle) else (middle, high)
    return high


def _reads(opened: Callable[[], Any], table: str, after: int) -> bool:
    try:
        with closing(_lenient(opened)) as c:
            row = c.execute(f"select rowid, * from {table} not indexed where rowid > ? order by rowid limit 1", (after,)).fetchone()
    except UNREADABLE_STORE as error:
        _not_the_disk(error)
        return False
    return row is None or row[0] > after


# ── entries ──


def _gather(opened: Callable[[], Any], s: Any) -> None:
    """All rows that can be what was written, with an index that is whole."""
    s.execute("begin")
    s.execute(_SCRATCH)
    insert = "insert or ignore into raw values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
    for row in readable(opened, "entry", _ENTRY):
        _, ledger, origin, seq, head, salt, body, hash_, signature, received_ms, erased = row
        texts = isinstance(ledger, str) and isinstance(origin, str) and STRANGE not in ledger + origin
        blobs = all(isinstance(one, bytes) for one in (head, hash_)) and all(
            one is None or isinstance(one, bytes) for one in (salt, body, signature)
        )
        if texts and blobs and isinstance(seq, int) and isinstance(received_ms, int) and erased in (0, 1):
            s.execute(insert, row)
    s.execute("create index lane on raw (ledger, origin, seq)")
    s.execute("commit")


def _lanes(s: Any, t: Any, public: bytes, known: dict[tuple[str, str], int]) -> Saved:
    lanes = s.execute("select distinct ledger, origin from raw order by ledger, origin").fetchall()
    here, loose = {}, 0
    s.execute("begin")
    for ledger, origin in lanes:
        head = _beginning(s, ledger, origin, public)
        if head is not None:
            here[ledger, origin] = head[0]
            t.execute("insert into lane (ledger, origin, seq, hash, signed_seq) values (?, ?, ?, ?, ?)", (ledger, origin, *head, head[0]))
        rows = list(_behind(s, ledger, origin, head[0] if head else 0))
        _put_loose(t, ledger, origin, rows)
        loose += len(rows)
        for seq in [row.seq for row in rows]:
            known[ledger, origin] = max(known.get((ledger, origin), 0), seq)
    s.execute("commit")
    s.execute("create index at on raw (place, seq)")
    order = "select * from raw where place > 0 order by place, seq"
    for position, row in enumerate(s.execute(order), 1):
        _, ledger, origin, seq, raw, salt, body, hash_, signature, received_ms, erased, _ = row
        h = entry.decode_head(raw)
        t.execute(
            _COPY, (position, ledger, origin, seq, h.subject, h.sort, h.command, raw, salt, body, hash_, signature, received_ms, erased)
        )
    return Saved(sum(here.values()), here, known, loose)


def _beginning(s: Any, ledger: str, origin: str, public: bytes) -> tuple[int, bytes] | None:
    """(seq, hash) of the last entry of the longest true beginning that ends at a signature; marks its rows with their place."""
    at, seq, key, signed = START, 0, b"", None
    place, pending, good, false = 0, [], [], []
    rows = s.execute(
        "select rowid_, seq, head, salt, body, hash, signature, erased from raw where ledger = ? and origin = ? order by seq, rowid_",
        (ledger, origin),
    )
    for rowid, number, raw, salt, body, hash_, signature, erased in rows:
        if number <= seq:
            continue
        made = entry.chain(at, raw)
        head = _head_of(raw, ledger, origin, number)
        if number != seq + 1 or made != hash_ or head is None or not _is_whole(head, salt, body, erased):
            if number == seq + 1:
                continue  # another row may hold this number as it was written
            break
        key = key if seq else _key_of(head, origin, public)
        at, seq, place = hash_, number, max(place, rowid)
        pending.append((place, rowid))
        if signature is not None and key and entry.is_signed(key, hash_, signature):
            good += pending
            pending, signed = [], (seq, hash_)
        elif signature is not None:
            false.append((rowid,))
    s.executemany("update raw set signature = null where rowid_ = ?", false)
    s.executemany("update raw set place = ? where rowid_ = ?", good)
    return signed


def _behind(s: Any, ledger: str, origin: str, after: int) -> Iterator[LooseRow]:
    """What is true in itself behind the beginning: its head is this lane's, and the body fits or is left out."""
    sql = "select seq, head, salt, body, hash, signature, received_ms, erased from raw where ledger = ? and origin = ? and seq > ? order by seq, rowid_"
    last = after
    for seq, raw, salt, body, hash_, signature, received_ms, erased in s.execute(sql, (ledger, origin, after)):
        head = _head_of(raw, ledger, origin, seq)
        if head is None or seq <= last or len(hash_) != len(START):
            continue
        last = seq
        whole = _is_whole(head, salt, body, erased)
        yield LooseRow(seq, raw, salt if whole else None, body if whole else None, hash_, signature, received_ms, not whole)


def _head_of(raw: bytes, ledger: str, origin: str, seq: int) -> Head | None:
    try:
        head = entry.decode_head(raw)
    except UNREADABLE:
        return None
    return head if (head.ledger, head.origin, head.seq) == (ledger, origin, seq) else None


def _is_whole(head: Head, salt: bytes | None, body: bytes | None, erased: int) -> bool:
    if body is None or salt is None:
        return body is None and salt is None and (bool(erased) or not head.body_hash)
    return entry.body_hash(salt, body) == head.body_hash


def _key_of(first: Head, origin: str, public: bytes) -> bytes:
    """The public key that a lane begins with, by a certificate that the root signed; b"": none."""
    try:
        facts = facts_of(first)
        certificate = certificates.decode(facts.certificate) if isinstance(facts, LaneOpened) else None
    except (Refused, *UNREADABLE):
        return b""
    good = certificate is not None and certificate.node == entry.node_of(origin) and certificates.is_valid(certificate, public)
    return certificate.key if good and certificate else b""


def _put_loose(t: Any, ledger: str, origin: str, rows: Sequence[LooseRow]) -> None:
    for at in range(0, len(rows), LOOSE_ROWS_MAX):
        some = tuple(rows[at : at + LOOSE_ROWS_MAX])
        name = f"{LOOSE}{ledger} {origin} {some[0].seq:016d}"
        t.execute("insert or replace into local (name, value) values (?, ?)", (name, msgspec.msgpack.encode(Loose(ledger, origin, some))))


# ── the other tables ──


def _witnesses(opened: Callable[[], Any], t: Any) -> dict[tuple[str, str], int]:
    """Haves that can be read, as they were signed. Gives what this node's own ones claimed to be here."""
    known: dict[tuple[str, str], int] = {}
    for _, node, ledger, at_ms, signed in readable(opened, "peer", "node, ledger, at_ms, signed"):
        said = _said(signed, node, ledger)
        if said is None or not isinstance(at_ms, int):
            continue
        t.execute("insert or ignore into peer (node, ledger, at_ms, signed) values (?, ?, ?, ?)", (node, ledger, at_ms, signed))
        rows = [(node, ledger, origin, seq, hash_, seq, at_ms) for origin, (seq, hash_) in said.lanes.items()]
        t.executemany(
            "insert or ignore into peer_have (node, ledger, origin, seq, hash, highest, at_ms) values (?, ?, ?, ?, ?, ?, ?)", rows
        )
    for _, ledger, signed in readable(opened, "own_have", "ledger, signed"):
        said = _said(signed, None, ledger)
        for origin, (seq, _hash) in said.lanes.items() if said else ():
            known[ledger, origin] = max(known.get((ledger, origin), 0), seq)
    return known


def _ends(opened: Callable[[], Any], known: dict[tuple[str, str], int]) -> None:
    """How far the lanes themselves said to be. A batch ends at a signature, so a number far from the last signed one is damage."""
    for _, ledger, origin, seq, hash_, signed_seq in readable(opened, "lane", "ledger, origin, seq, hash, signed_seq"):
        texts = isinstance(ledger, str) and isinstance(origin, str) and STRANGE not in ledger + origin
        numbers = isinstance(seq, int) and isinstance(signed_seq, int) and 0 <= seq - signed_seq <= BATCH_ENTRIES_MAX
        if texts and numbers and isinstance(hash_, bytes) and len(hash_) == len(START):
            known[ledger, origin] = max(known.get((ledger, origin), 0), seq)


def _said(signed: Any, node: Any, ledger: Any) -> have.Have | None:
    try:
        said = have.read(signed)
    except (Refused, TypeError):
        return None
    return said if said.ledger == ledger and (node is None or said.node == node) else None


def _copy(opened: Callable[[], Any], t: Any, table: Table) -> None:
    """An older program made fewer columns."""
    with closing(_lenient(opened)) as c:
        there = _columns(c, table.name)
    columns = [column for column in table.columns if column.name in there or (table.name, column.name) in BEFORE]
    sql = f"insert or ignore into {table.name} ({', '.join(c.name for c in columns)}) values ({', '.join('?' * len(columns))})"
    for _, *found in readable(opened, table.name, ", ".join(c.name if c.name in there else "null" for c in columns)):
        row = [BEFORE.get((table.name, c.name)) if value is None else value for c, value in zip(columns, found, strict=True)]
        if all(_fits(column, value) for column, value in zip(columns, row, strict=True)):
            with suppress(sqlcipher.IntegrityError):
                t.execute(sql, row)


def _fits(column: Any, value: Any) -> bool:
    """Claims that a column can hold it as it was written: garbage is hardly ever text."""
    if value is None:
        return column.nullable
    kind = column.type
    if isinstance(kind, LargeBinary):
        return isinstance(value, bytes)
    if isinstance(kind, Double):
        return isinstance(value, (int, float))
    if isinstance(kind, BigInteger) or kind.python_type is int:
        return isinstance(value, int) and abs(value) < ROWID_MAX
    return isinstance(value, str) and STRANGE not in value and not any(ord(c) < 32 and c not in "\n\r\t" for c in value)


def _branches(opened: Callable[[], Any], t: Any) -> None:
    """Other histories, row by row as their hash says."""
    table = schema.kept.tables["branch"]
    names = [column.name for column in table.columns]
    sql = f"insert or ignore into branch ({', '.join(names)}) values ({', '.join('?' * len(names))})"
    for _, *row in readable(opened, "branch", ", ".join(names)):
        if not all(_fits(column, value) for column, value in zip(table.columns, row, strict=True)):
            continue
        one = dict(zip(names, row, strict=True))
        head = _head_of(one["head_bytes"], one["ledger"], one["origin"], one["seq"])
        if head is None or entry.chain(one["prev"], one["head_bytes"]) != one["hash"]:
            continue
        gone = one["body"] is None
        if gone or entry.body_hash(one["salt"], one["body"]) == head.body_hash:
            t.execute(sql, row)


def _local(opened: Callable[[], Any], t: Any) -> None:
    rows: Iterable[tuple[Any, ...]] = readable(opened, "local", "name, value")
    good = [(name, value) for _, name, value in rows if isinstance(name, str) and STRANGE not in name and isinstance(value, bytes)]
    t.executemany("insert or ignore into local (name, value) values (?, ?)", [one for one in good if one[0] not in DERIVED])
    t.executemany("delete from local where name = ?", [(name,) for name in sorted(DERIVED)])
