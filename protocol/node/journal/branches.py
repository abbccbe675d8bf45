"""Other histories of a lane: entries that were proven to be its writer's, and whose numbers other entries have in the lane here.

A computer that was copied, or a disk that was put back, writes under numbers that were used already. The lane keeps what came
first; what came second stands here, whole, linked by `prev`, until somebody has decided about each entry. `swap` makes one of
these histories the lane and puts what stood there aside, in one transaction: nothing is lost by either.

Whoever writes a lane may sign any number of other histories of it, each as large as a message. So whole rows are read only where they are
put down or shown, SPAN at once; what hangs together is found by hashes alone.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import entry
from protocol.entry import START, Admitted, Head, decode_head, derive
from protocol.events import BodyErased, facts_of
from protocol.lane import SORT, LaneHead, Proven
from protocol.node.journal.rows import among, bound, chunks, fetch, is_postgres, run
from protocol.node.journal.stored import SELECT, Stored, stored
from protocol.node.journal.writing import Writing

TIPS_MAX = 16  # of one lane: what a Have tells; more twins of one computer than this are told in turn
LANES_MAX = 64  # with other histories, of one ledger: likewise
DEEP_MAX = 100_000  # entries that are followed back to where a history left the lane
SPAN = 500  # steps that `path` takes at once, and rows that are read at once
WHOLE_AT_ONCE = 50  # with their words: some megabytes at most


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
_LOOSE = (
    "select distinct b.seq - 1, b.prev from branch b where b.ledger = :ledger and b.origin = :origin and b.seq > 1 and not exists"
    " (select 1 from branch c where c.ledger = b.ledger and c.origin = b.origin and c.hash = b.prev) and not exists"
    " (select 1 from entry e where e.ledger = b.ledger and e.origin = b.origin and e.seq = b.seq - 1 and e.hash = b.prev)"
    " order by 1, 2 limit :most"
)
_TIPS = (
    "select b.origin, b.seq, b.hash from branch b where b.ledger = :ledger"
    " and b.hash not in (select c.prev from branch c where c.ledger = :ledger) order by b.origin, b.seq desc, b.hash"
)
_WALK = (
    "with recursive walk(seq, hash, prev, steps) as (select b.seq, b.hash, b.prev, 1 from branch b"
    " where b.ledger = :ledger and b.origin = :origin and b.hash = :hash and b.seq = :seq union all"
    " select b.seq, b.hash, b.prev, w.steps + 1 from walk w join branch b on b.ledger = :ledger and b.origin = :origin and b.hash = w.prev"
    " and b.seq = w.seq - 1 where w.steps < :most and not exists (select 1 from entry e where e.ledger = :ledger and e.origin = :origin"
    " and e.seq = w.seq - 1 and e.hash = w.prev)) select seq, hash, prev from walk order by steps"
)
_IN_LANE = "select 1 from entry e where e.ledger = :ledger and e.origin = n.origin and e.seq = n.seq and e.hash = n.hash"
_BESIDE = "select 1 from branch b where b.ledger = :ledger and b.origin = n.origin and b.hash = n.hash"
Tip = tuple[int, bytes]  # (seq, hash)


class Step(NamedTuple):
    """An entry of another history, by what links it to the one before."""

    seq: int
    hash: bytes
    prev: bytes


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


async def tips(store: Any, ledger: str) -> dict[str, list[Tip]]:
    """Origin → (seq, hash) of the last entry of each other history of its lane."""
    found: dict[str, list[Tip]] = {}
    for origin, seq, hash_ in await fetch(_on(store), _TIPS, {"ledger": ledger}):
        some = found.setdefault(origin, [])
        if len(some) < TIPS_MAX:
            some.append((seq, bytes(hash_)))
    return found


def few(lanes: Mapping[str, Sequence[Tip]]) -> dict[str, Sequence[Tip]]:
    """As many as a Have may tell: TIPS_MAX of a lane, LANES_MAX lanes, the earliest of each node before the next of any: one that has all its epochs forked
    leaves room for the others."""
    nodes: dict[str, list[str]] = {}
    for origin in sorted(lanes, key=lambda origin: (entry.epoch_of(origin), origin)):
        nodes.setdefault(entry.node_of(origin), []).append(origin)
    ranked = sorted((n, origin) for origins in nodes.values() for n, origin in enumerate(origins))
    return {origin: lanes[origin][:TIPS_MAX] for _, origin in ranked[:LANES_MAX]}


async def loose(store: Any, ledger: str, origin: str) -> list[Tip]:
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


def _ends(c: AsyncConnection, ends: Sequence[tuple[str, int, bytes]]) -> tuple[str, dict[str, object]]:
    """(a table `n` of these, its values)."""
    origins, seqs, hashes = ([one[n] for one in ends] for n in range(3))
    if is_postgres(c):
        source = "unnest(cast(:origins as text[]), cast(:seqs as bigint[]), cast(:hashes as bytea[])) as n(origin, seq, hash)"
        return source, {"origins": origins, "seqs": seqs, "hashes": hashes}
    rows = ", ".join(f"(:o{n}, :s{n}, :h{n})" for n in range(len(ends)))
    named = [(f"{name}{n}", value) for name, values in (("o", origins), ("s", seqs), ("h", hashes)) for n, value in enumerate(values)]
    columns = "column1 as origin, column2 as seq, column3 as hash"
    return f"(select {columns} from (values {rows})) as n", dict(named)


async def unknown(store: Any, ledger: str, ends: Sequence[tuple[str, int, bytes]]) -> list[tuple[str, int, bytes]]:
    """Of (origin, seq, hash) those that are not here, neither in the lane nor beside it."""
    found: list[tuple[str, int, bytes]] = []
    for some in chunks(ends, SPAN):
        source, values = _ends(_on(store), some)
        sql = f"select n.origin, n.seq, n.hash from {source} where not exists ({_IN_LANE}) and not exists ({_BESIDE})"
        found += [(row[0], row[1], bytes(row[2])) for row in await fetch(_on(store), sql, {"ledger": ledger, **values})]
    return found


async def beside(store: Any, ledger: str, ends: Sequence[tuple[str, int, bytes]]) -> set[bytes]:
    """The hashes of those that stand beside the lane."""
    found: set[bytes] = set()
    for some in chunks(ends, SPAN):
        source, values = _ends(_on(store), some)
        rows = await fetch(_on(store), f"select n.hash from {source} where exists ({_BESIDE})", {"ledger": ledger, **values})
        found |= {bytes(row[0]) for row in rows}
    return found


async def steps(store: Any, ledger: str, origin: str, after: int = 0) -> list[Step]:
    """All of a lane's other histories behind `after`, without their words, in order of their numbers."""
    sql = f"select seq, hash, prev from branch {_LANE} and seq > :after order by seq, hash"
    rows = await fetch(_on(store), sql, {"ledger": ledger, "origin": origin, "after": after})
    return [Step(row[0], bytes(row[1]), bytes(row[2])) for row in rows]


async def hashes(store: Any, ledger: str, origin: str, first: int) -> list[Tip]:
    """(seq, chain hash) of the lane from `first` on, START for 0."""
    sql = f"select seq, hash from entry {_LANE} and seq >= :first order by seq"
    rows = await fetch(_on(store), sql, {"ledger": ledger, "origin": origin, "first": first})
    return [*([(0, START)] if first == 0 else []), *((row[0], bytes(row[1])) for row in rows)]


async def end(store: Any, ledger: str, origin: str) -> Tip:
    """Where the lane stands."""
    rows = await fetch(_on(store), f"select seq, hash from lane {_LANE}", {"ledger": ledger, "origin": origin})
    return (rows[0][0], bytes(rows[0][1])) if rows else (0, START)


async def sources(store: Any, ledger: str, origin: str) -> set[str]:
    """Who brought the other histories of a lane."""
    rows = await fetch(_on(store), f"select distinct source from branch {_LANE}", {"ledger": ledger, "origin": origin})
    return {row[0] for row in rows}


async def whole(store: Any, ledger: str, origin: str, some: Sequence[Step]) -> list[Branched]:
    """The rows of at most WHOLE_AT_ONCE of them, in this order."""
    names = {f"h{n}": one.hash for n, one in enumerate(some)}
    where = f"{_LANE} and hash in ({', '.join(f':{name}' for name in names)})"
    rows = {row.hash: row for row in await branched(store, where, {"ledger": ledger, "origin": origin, **names})}
    return [rows[one.hash] for one in some]


async def keep(w: Writing, proven: Sequence[Proven], prev: bytes, source: str, now_ms: int) -> list[Branched]:
    """Puts entries beside the lane, those that it does not hold itself; returns them. Bodies that the law took stay away."""
    rows: list[Branched] = []
    heads = [one.head for one in proven]
    span = {"ledger": heads[0].ledger, "origin": heads[0].origin, "first": heads[0].seq, "last": heads[-1].seq} if heads else {}
    sql = f"select seq, hash from entry {_LANE} and seq >= :first and seq <= :last"
    here = {row[0]: bytes(row[1]) for row in await fetch(w.connection, sql, span)} if heads else {}
    at = prev
    for one in proven:
        head = one.head
        if here.get(head.seq) != one.hash:
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


async def read(store: Any, ledger: str, origin: str, some: Sequence[Step], bytes_max: int) -> dict[bytes, Branched]:
    """Hash → row, of as many of them as come to so many bytes."""
    found: dict[bytes, Branched] = {}
    for part in chunks(some, WHOLE_AT_ONCE):
        for row in await whole(store, ledger, origin, part):
            bytes_max -= len(row.head_bytes) + len(row.body or b"")
            if bytes_max < 0:
                return found
            found[row.hash] = row
    return found


async def heads(store: Any, ledger: str, origin: str, some: Sequence[Step], bytes_max: int) -> dict[bytes, Head]:
    """The same of their heads alone."""
    found: dict[bytes, Head] = {}
    for part in chunks(some, WHOLE_AT_ONCE):
        names = {f"h{n}": one.hash for n, one in enumerate(part)}
        sql = f"select hash, head_bytes from branch {_LANE} and hash in ({', '.join(f':{name}' for name in names)})"
        for hash_, raw in await fetch(_on(store), sql, {"ledger": ledger, "origin": origin, **names}):
            bytes_max -= len(raw)
            if bytes_max < 0:
                return found
            found[bytes(hash_)] = decode_head(bytes(raw))
    return found


async def path(store: Any, ledger: str, origin: str, seq: int, hash_: bytes) -> tuple[list[Step], Tip | None]:
    """(entries from where the history left the lane up to (seq, hash), in order; what is missing below them: (seq, hash), None: nothing)."""
    found: list[Step] = []
    while len(found) < DEEP_MAX and await lane_hash(store, ledger, origin, seq) != hash_:
        values: dict[str, object] = {"ledger": ledger, "origin": origin, "seq": seq, "hash": hash_, "most": SPAN}
        some = [Step(row[0], bytes(row[1]), bytes(row[2])) for row in await fetch(_on(store), _WALK, values)]
        if not some:
            return found[::-1], (seq, hash_)
        found += some
        seq, hash_ = found[-1].seq - 1, found[-1].prev
    return found[::-1], None if len(found) < DEEP_MAX else (seq, hash_)


class Swapped(NamedTuple):
    """aside: what stood in the lane, in order; of another node's without its words · new: erasures among what stands there now · subjects: of both."""

    aside: list[Branched]
    erasures: list[Stored]
    subjects: set[str]


async def swap(w: Writing, ledger: str, origin: str, new: Sequence[Step], own: str, now_ms: int) -> Swapped:
    """`new`, a whole path, becomes the lane; what stood in its place goes aside. Project the subjects of both after it.

    own: this node, as the source of what is put aside.
    """
    first, lane = new[0], {"ledger": ledger, "origin": origin}
    await w.lane_head(ledger, origin)
    if is_postgres(w.connection):  # an erasure that is under way is seen, or sees what stands there after
        there = await fetch(w.connection, f"select distinct subject from entry {_LANE} and seq >= :seq", {**lane, "seq": first.seq})
        await w.hold([*(row[0] for row in there), *await _subjects(w, ledger, origin, new)])
    swapped = Swapped(await _put_aside(w, ledger, origin, first, own, now_ms), [], set())
    await fetch(w.connection, f"delete from entry {_LANE} and seq >= :seq", {**lane, "seq": first.seq})
    signed = await fetch(w.connection, f"select max(seq) from entry {_LANE} and signature is not null", lane)
    await w.cut(ledger, origin, LaneHead(first.seq - 1, first.prev, signed[0][0] or 0))
    swapped.subjects.update(row.subject for row in swapped.aside if row.sort != SORT)
    for some in chunks(new, WHOLE_AT_ONCE):
        rows = [row.stored for row in await whole(w, ledger, origin, some)]
        await w.append(rows)
        await run(w.connection, f"delete from branch {_LANE} and hash = :hash", [{**lane, "hash": one.hash} for one in some])
        swapped.subjects.update(row.subject for row in rows if row.sort != SORT)
        swapped.erasures.extend(row for row in rows if row.head.kind == "BodyErased")
    await fetch(w.connection, "delete from own_have where ledger = :ledger", {"ledger": ledger})  # it spoke of the other history
    return swapped


async def _subjects(w: Writing, ledger: str, origin: str, some: Sequence[Step]) -> set[str]:
    found: set[str] = set()
    for part in chunks([(origin, one.seq, one.hash) for one in some], SPAN):
        source, values = _ends(w.connection, part)
        sql = f"select distinct b.subject from {source} join branch b on b.ledger = :ledger and b.origin = n.origin and b.hash = n.hash"
        found |= {row[0] for row in await fetch(w.connection, sql, {"ledger": ledger, **values})}
    return found


async def _put_aside(w: Writing, ledger: str, origin: str, first: Step, own: str, now_ms: int) -> list[Branched]:
    aside: list[Branched] = []
    sql, at = f"{SELECT}{_LANE} and seq >= :seq order by seq limit {WHOLE_AT_ONCE}", first.prev
    while rows := await fetch(w.connection, sql, {"ledger": ledger, "origin": origin, "seq": first.seq + len(aside)}):
        some = []
        for e in map(stored, rows):
            made = (
                e.ledger,
                e.origin,
                e.hash,
                e.seq,
                at,
                e.subject,
                e.sort,
                e.command,
                e.head_bytes,
                e.salt,
                e.body,
                e.signature,
                own,
                now_ms,
            )
            some.append(Branched(*made))
            at = e.hash
        await run(w.connection, KEEP, [msgspec.structs.asdict(row) for row in some])
        aside += some if entry.node_of(origin) == own else map(_bare, some)
    return aside


async def with_words(store: Any, ledger: str, origin: str, seq: int) -> AsyncIterator[Branched]:
    """What stands beside the lane at this number and has its words, some at once."""
    values: dict[str, object] = {"ledger": ledger, "origin": origin, "seq": seq, "after": b""}
    where = f"{_LANE} and seq = :seq and body is not null and hash > :after order by hash limit {WHOLE_AT_ONCE}"
    while rows := await branched(store, where, values):
        for row in rows:
            yield row
        values["after"] = rows[-1].hash


async def erase(w: Writing, ledger: str, origin: str, seq: int, subject: str) -> set[tuple[str, str, int]]:
    """The body of an entry that stands beside the lane goes as well: the same number of the same case, or written anew as that one; returns
    the numbers of the latter."""
    key: dict[str, object] = {"ledger": ledger, "origin": origin, "seq": seq, "subject": subject}
    c, bare = w.connection, "update branch set body = null, salt = null"
    await run(c, f"{bare} {_LANE} and seq = :seq and subject = :subject", [key])
    e = await w.entry(ledger, origin, seq)
    if e is None or e.subject != subject:  # the number is another case's
        return set()
    rows = await fetch(c, "select ledger, origin, hash, command, seq from branch where subject = :subject", {"subject": subject})
    gone = [row for row in rows if adopted_id(row[3]) == e.command]
    await run(c, f"{bare} {_LANE} and hash = :hash", [{"ledger": row[0], "origin": row[1], "hash": row[2]} for row in gone])
    return {(row[0], row[1], row[4]) for row in gone}


async def _without_erased(w: Writing, rows: list[Branched]) -> list[Branched]:
    """An erasure may have come before them."""
    subjects = {row.subject for row in rows}
    if not subjects:
        return rows
    c = w.connection
    sql = f"select head_bytes, subject from entry where sort = 'erasure' and {among(c, 'subject', 'subjects')}"
    said = [(facts_of(decode_head(bytes(r[0]))), r[1]) for r in await fetch(c, sql, {"subjects": bound(c, sorted(subjects))})]
    gone = {(f.ledger, f.origin, f.seq, subject) for f, subject in said if isinstance(f, BodyErased)}
    sql = f"select command from entry where erased = 1 and {among(c, 'subject', 'subjects')}"
    anew = {r[0] for r in await fetch(c, sql, {"subjects": bound(c, sorted(subjects))})} if gone else set()
    is_gone = [(row.ledger, row.origin, row.seq, row.subject) in gone or adopted_id(row.command) in anew for row in rows]
    return [_bare(row) if is_one else row for row, is_one in zip(rows, is_gone, strict=True)]


def _bare(row: Branched) -> Branched:
    return msgspec.structs.replace(row, salt=None, body=None)
