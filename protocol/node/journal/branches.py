"""Other histories of a lane: entries that were proven to be its writer's, and whose numbers other entries have in the lane here.

A computer that was copied, or a disk that was put back, writes under numbers that were used already. The lane keeps what came
first; what came second stands here, whole, linked by `prev`, until somebody has decided about each entry. `swap` makes one of
these histories the lane and puts what stood there aside, in one transaction: nothing is lost by either.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entry import START, Admitted, Head, decode_head, derive
from protocol.events import BodyErased, facts_of
from protocol.lane import LaneHead, Proven
from protocol.node.journal.rows import among, bound, fetch, is_postgres, run
from protocol.node.journal.stored import SELECT, Stored, stored
from protocol.node.journal.writing import Writing

TIPS_MAX = 16  # of one lane: what a Have tells; more twins of one computer than this are told in turn
DEEP_MAX = 100_000  # entries that are followed back to where a history left the lane
SPAN = 500  # entries that `path` reads at once


class Branched(msgspec.Struct, frozen=True):
    """An entry of another history. prev: the chain hash before it · source: the node that brought it ("" never) · the rest as in Stored."""

    ledger: str
    origin: str
    hash: bytes
    seq: int
    prev: bytes
    subject: str
    sort: str
    command: str
    head_bytes: bytes
    salt: bytes | None
    body: bytes | None
    signature: bytes | None
    source: str
    received_ms: int

    @property
    def head(self) -> Head:
        return decode_head(self.head_bytes)

    @property
    def admitted(self) -> Admitted:
        head = self.head
        return Admitted(head, self.body, self.received_ms, self.body is None and head.body_hash != b"")

    @property
    def stored(self) -> Stored:
        ids = (self.ledger, self.origin, self.seq, self.subject, self.sort, self.command)
        gone = self.admitted.erased
        return Stored(0, *ids, self.head_bytes, self.salt, self.body, self.hash, self.signature, self.received_ms, gone)


COLUMNS = Branched.__struct_fields__
_SELECT = "select " + ", ".join(COLUMNS) + " from branch "
KEEP = (
    f"insert into branch ({', '.join(COLUMNS)}) values ({', '.join(':' + name for name in COLUMNS)})"
    " on conflict (ledger, origin, hash) do update set"
    " signature = coalesce(branch.signature, excluded.signature)"
)
_LANE = "where ledger = :ledger and origin = :origin "
_SPAN = "and seq > :low and seq <= :seq"
_LOOSE = (
    "select distinct b.seq - 1, b.prev from branch b where b.ledger = :ledger and b.origin = :origin and b.seq > 1 and not exists"
    " (select 1 from branch c where c.ledger = b.ledger and c.origin = b.origin and c.hash = b.prev) and not exists"
    " (select 1 from entry e where e.ledger = b.ledger and e.origin = b.origin and e.seq = b.seq - 1 and e.hash = b.prev)"
    " order by 1, 2 limit :most"
)
_TIPS = (
    "select b.origin, b.seq, b.hash from branch b where b.ledger = :ledger and not exists"
    " (select 1 from branch c where c.ledger = b.ledger and c.origin = b.origin and c.seq = b.seq + 1 and c.prev = b.hash)"
    " order by b.origin, b.seq desc, b.hash"
)


def adopted_id(command: str) -> str:
    """The command id under which an entry of another history is written anew: once, however often it is adopted."""
    return derive(command, "adopt")


def _on(store: Any) -> AsyncConnection:
    """Of a Writing, or a connection itself."""
    return store.connection if isinstance(store, Writing) else store


def _row(values: Sequence[object]) -> Branched:
    return Branched(*values)  # type: ignore[arg-type]


async def branched(store: Any, where: str, values: dict[str, object]) -> list[Branched]:
    """Rows of the table, as `where` (the program's own SQL) chooses. store: a Writing or a connection, here and below."""
    return [_row(row) for row in await fetch(_on(store), _SELECT + where, values)]


async def tips(store: Any, ledger: str) -> dict[str, list[tuple[int, bytes]]]:
    """Origin → (seq, hash) of the last entry of each other history of its lane."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    for origin, seq, hash_ in await fetch(_on(store), _TIPS, {"ledger": ledger}):
        some = found.setdefault(origin, [])
        if len(some) < TIPS_MAX:
            some.append((seq, bytes(hash_)))
    return found


async def loose(store: Any, ledger: str, origin: str) -> list[tuple[int, bytes]]:
    """(seq, hash) of entries that other histories of this lane name as the one before, and that are not here."""
    rows = await fetch(_on(store), _LOOSE, {"ledger": ledger, "origin": origin, "most": TIPS_MAX})
    return [(row[0], bytes(row[1])) for row in rows]


async def forked(store: Any) -> set[tuple[str, str]]:
    """(ledger, origin) of every lane with another history."""
    rows = await fetch(_on(store), "select distinct ledger, origin from branch", {})
    return {(row[0], row[1]) for row in rows}


async def lane_hash(store: Any, ledger: str, origin: str, seq: int) -> bytes | None:
    """The chain hash of the lane at `seq`; None where it does not reach so far."""
    if seq == 0:
        return START
    rows = await fetch(_on(store), f"select hash from entry {_LANE} and seq = :seq", {"ledger": ledger, "origin": origin, "seq": seq})
    return bytes(rows[0][0]) if rows else None


async def knows(store: Any, ledger: str, origin: str, seq: int, hash_: bytes) -> bool:
    """Claims that this very entry is here, in the lane or beside it."""
    if await lane_hash(store, ledger, origin, seq) == hash_:
        return True
    return bool(await branched(store, _LANE + "and hash = :hash", {"ledger": ledger, "origin": origin, "hash": hash_}))


async def keep(w: Writing, proven: Iterable[Proven], prev: bytes, source: str, now_ms: int) -> list[Branched]:
    """Puts entries beside the lane, those that it does not hold itself; returns them. Bodies that the law took stay away."""
    rows: list[Branched] = []
    at = prev
    for one in proven:
        head = one.head
        if await lane_hash(w, head.ledger, head.origin, head.seq) != one.hash:
            row = Branched(
                head.ledger, head.origin, one.hash, head.seq, at, head.subject, head.sort, head.command, one.entry.head_bytes,
                one.entry.salt, one.entry.body, one.signature, source, now_ms,
            )  # fmt: skip
            rows.append(row)
        at = one.hash
    await w.hold(row.subject for row in rows)  # an erasure that is under way is seen, or sees these rows
    rows = await _without_erased(w, rows)
    await run(w.connection, KEEP, [msgspec.structs.asdict(row) for row in rows])
    return rows


async def path(store: Any, ledger: str, origin: str, seq: int, hash_: bytes) -> tuple[list[Branched], tuple[int, bytes] | None]:
    """(entries from where the history left the lane up to (seq, hash), in order; what is missing below them: (seq, hash), None: nothing)."""
    found: list[Branched] = []
    while len(found) < DEEP_MAX:
        low = seq - SPAN
        span: dict[str, object] = {"ledger": ledger, "origin": origin, "low": low, "seq": seq}
        rows = await branched(store, _LANE + _SPAN, span)
        lane = await fetch(_on(store), f"select seq, hash from entry {_LANE}{_SPAN}", span)
        beside, here = {row.hash: row for row in rows}, {0: START, **{row[0]: bytes(row[1]) for row in lane}}
        while seq > low and len(found) < DEEP_MAX:
            if here.get(seq) == hash_:
                return found[::-1], None
            if hash_ not in beside:
                return found[::-1], (seq, hash_)
            found.append(beside[hash_])
            seq, hash_ = found[-1].seq - 1, bytes(found[-1].prev)
    return found[::-1], (seq, hash_)


async def swap(w: Writing, new: Sequence[Branched], own: str, now_ms: int) -> list[Branched]:
    """`new`, a whole path, becomes the lane; what stood in its place goes aside and is returned. Project the subjects of both after it.

    own: this node, as the source of what is put aside.
    """
    first = new[0]
    lane = {"ledger": first.ledger, "origin": first.origin}
    await w.lane_head(first.ledger, first.origin)
    if is_postgres(w.connection):  # an erasure that is under way is seen, or sees what stands there after
        there = await fetch(w.connection, f"select distinct subject from entry {_LANE} and seq >= :seq", {**lane, "seq": first.seq})
        await w.hold([*(row[0] for row in there), *(row.subject for row in new)])
        beside = {row.hash: row for row in await branched(w, _LANE + "and seq >= :seq", {**lane, "seq": first.seq})}
        new = [beside[row.hash] for row in new]
    rows = await fetch(w.connection, f"{SELECT}{_LANE} and seq >= :seq order by seq", {**lane, "seq": first.seq})
    aside, at = [], first.prev
    for e in map(stored, rows):
        made = Branched(
            e.ledger, e.origin, e.hash, e.seq, at, e.subject, e.sort, e.command, e.head_bytes, e.salt, e.body, e.signature, own, now_ms
        )
        aside.append(made)
        at = e.hash
    await run(w.connection, KEEP, [msgspec.structs.asdict(row) for row in aside])
    await fetch(w.connection, f"delete from entry {_LANE} and seq >= :seq", {**lane, "seq": first.seq})
    signed = await fetch(w.connection, f"select max(seq) from entry {_LANE} and signature is not null", lane)
    await w.cut(first.ledger, first.origin, LaneHead(first.seq - 1, first.prev, signed[0][0] or 0))
    await w.append([row.stored for row in new])
    await run(w.connection, f"delete from branch {_LANE} and hash = :hash", [{**lane, "hash": row.hash} for row in new])
    await fetch(w.connection, "delete from own_have where ledger = :ledger", {"ledger": first.ledger})  # it spoke of the other history
    return aside


async def erase(w: Writing, ledger: str, origin: str, seq: int, subject: str) -> None:
    """The body of an entry that stands beside the lane goes as well: the same number of the same case, or written anew as that one."""
    key: dict[str, object] = {"ledger": ledger, "origin": origin, "seq": seq, "subject": subject}
    gone = [row.hash for row in await branched(w, f"{_LANE} and seq = :seq and subject = :subject", key)]
    if e := await w.entry(ledger, origin, seq):
        beside = await branched(w, "where subject = :subject", {"subject": e.subject})
        gone += [row.hash for row in beside if adopted_id(row.command) == e.command]
    await run(w.connection, "update branch set body = null, salt = null where hash = :hash", [{"hash": hash_} for hash_ in gone])


async def _without_erased(w: Writing, rows: list[Branched]) -> list[Branched]:
    """An erasure may have come before them."""
    subjects = {row.subject for row in rows}
    if not subjects:
        return rows
    c = w.connection
    sql = f"select head_bytes from entry where sort = 'erasure' and {among(c, 'subject', 'subjects')}"
    said = [facts_of(decode_head(bytes(r[0]))) for r in await fetch(c, sql, {"subjects": bound(c, sorted(subjects))})]
    gone = {(f.ledger, f.origin, f.seq) for f in said if isinstance(f, BodyErased)}
    sql = f"select command from entry where erased = 1 and {among(c, 'subject', 'subjects')}"
    anew = {r[0] for r in await fetch(c, sql, {"subjects": bound(c, sorted(subjects))})} if gone else set()
    return [_bare(row) if (row.ledger, row.origin, row.seq) in gone or adopted_id(row.command) in anew else row for row in rows]


def _bare(row: Branched) -> Branched:
    return msgspec.structs.replace(row, salt=None, body=None)
