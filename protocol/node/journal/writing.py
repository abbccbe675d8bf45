"""One transaction of the journal: everything in it is on the disk together, or nothing is.

Lanes are gapless: an entry goes in only as the next of its lane, chained to the one before. The same bytes again are
dropped; other bytes under the same number are a fork and refused. On PostgreSQL several programs write at once: a lane's head
is locked by row when it is read here, and a subject by name before its entries are read, so that each folds what the other
committed. Lanes are locked before subjects, each kind in one order; whoever meets the other way round is refused store_busy.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.entry import START, chain
from protocol.lane import SORT
from protocol.node import killpoints
from protocol.node.journal import projection, statements
from protocol.node.journal.ahead import Ahead
from protocol.node.journal.loose import LOOSE, without_body
from protocol.node.journal.projection import Views
from protocol.node.journal.rows import driver_of, fetch, insert, is_postgres, one_of, run
from protocol.node.journal.stored import COLUMNS, SELECT, LaneHead, Stored, stored
from protocol.problem import Refused

ERASED_BEFORE = ""  # the subject of an erasure that waits since before subjects were noted with it: it is for whatever has the number
ERASURES = "erasures"  # a counter: how many erasures this journal has seen
REFOLDS = "refolds"  # a counter: how often rows of views changed otherwise than by entries appended with them
_APPENDED = COLUMNS[1:]  # the position is the store's
NAME_CHARS_MAX = 200  # ids, paths and sorts; an index row of PostgreSQL holds 2,704 bytes
SEQ_MAX = 2**53  # whole numbers that every reader of JSON holds too
SUBJECT_LOCKS = 4_096  # names that subjects share: PostgreSQL has room for some 6,400 locks; two cases of one name only wait for each other
SUBJECT_LOCK = 0x79647375  # the class of those names
ADDED_MAX = 100  # entries that a transaction keeps for whoever sends them on
SAMPLES_MAX = 256  # rows of the quarantine that keep what was refused, the newest
_Pieces = asyncio.Queue[projection.Piece | None]
Runs = Sequence[Sequence[Stored]]  # each of one lane, as they follow one another there
OWN_KEPT_MAX = 64  # lanes of its own that a node once named, of one ledger; of an honest one as many as it has epochs


class Added(NamedTuple):
    """before: the lane's head before the first of the rows, which follow one another."""

    before: LaneHead
    rows: list[Stored]


class Writing:
    """Handed out by `Journal.writing`; of no use after it. `connection` is for tables of `schema.kept` that have no verb here."""

    def __init__(self, connection: AsyncConnection, views: Views, tables: Callable[[], Any], index_later: bool) -> None:
        self.connection, self._views, self._tables, self._later = connection, views, tables, index_later
        self._heads: dict[tuple[str, str], LaneHead] = {}
        self._known: dict[str, list[Stored]] = {}  # subject → all its entries as of now; nobody else can change them before we end
        self._begun: set[str] = set()  # subjects of which nothing was here before this transaction
        self._appended: set[str] = set()  # subjects of what `append` wrote
        self._locked: set[int] = set()
        self._was_cut = False
        self.began: dict[tuple[str, str], LaneHead | None] = {}  # lane that has advanced → its head before; None: it was cut
        self.touched: set[str] = set()  # subjects that were projected
        self._bared: dict[tuple[str, str, int], str] = {}  # key → subject of what had lost its words before it came
        self._moved: list[tuple[str, str]] = []  # lanes of what was appended last
        self._fresh: list[Stored] | None = []  # what was appended; None: something was taken away as well

    # ── lanes ──
    async def lane_head(self, ledger: str, origin: str) -> LaneHead:
        """The last entry of a lane as of this transaction; seq 0 when it is empty. Held until the transaction ends."""
        return (await self.lane_heads([(ledger, origin)]))[ledger, origin]

    def moved(self) -> dict[tuple[str, str], tuple[LaneHead | None, LaneHead]]:
        """Lane → its head before this transaction and its head now, of those that have advanced."""
        return {lane: (before, self._heads[lane]) for lane, before in self.began.items()}

    def added(self) -> dict[tuple[str, str], Added]:
        """Lane → what this transaction appended to it; nothing where it erased or cut as well, and where there was more than ADDED_MAX.

        For whoever sends it on at once: after the commit it stands in the store just so.
        """
        found: dict[tuple[str, str], Added] = {}
        for e in self._fresh or () if len(self._fresh or ()) <= ADDED_MAX else ():
            before = self.began[e.ledger, e.origin]
            if before is not None:
                found.setdefault((e.ledger, e.origin), Added(before, [])).rows.append(e)
        return found

    async def lane_heads(self, lanes: Iterable[tuple[str, str]]) -> dict[tuple[str, str], LaneHead]:
        """The same of many lanes, in one or two statements."""
        wanted = list(lanes)
        await self._lock(wanted)
        return {key: self._heads[key] for key in wanted}

    async def append(self, entries: Sequence[Stored]) -> list[Stored]:
        """Each lane's entries in order; lanes may be mixed. Returns what was new: the same bytes again are dropped.

        Signatures are taken as they are: whoever appends has verified them. Raises Refused lane_gap (not the next of its
        lane), lane_fork (other bytes here, or another history before it), batch_malformed (a name no store can index).
        """
        fresh, heads = await self._new(entries)
        if fresh:
            fresh = await self._without_erased(fresh)
            self._note(fresh, heads)
            await self._insert(fresh)
            self._appended |= {e.subject for e in fresh}
        return fresh

    async def take(self, runs: Runs, gives_way: Callable[[], bool] | None = None, ahead: Ahead | None = None) -> list[Stored]:
        """`append` of what was proven (lane.check), and `project` of all that it touches: the store writes the entries while their subjects
        are folded here. runs: each goes on from its lane's head, or from a run before it. gives_way: asked before each piece of rows · ahead: what
        was folded before, and is folded for the next as soon as all is folded here. Raises projection.GaveWay when gives_way says so;
        Refused lane_gap, lane_fork."""
        await self._lock({(some[0].ledger, some[0].origin) for some in runs})
        heads, fresh = self._after(runs), [e for some in runs for e in some]
        if not fresh:
            return []
        wanted = {e.subject for e in fresh if e.sort != SORT}
        await self.subjects(wanted)  # before they are appended: nothing is read twice
        fresh = await self._without_erased(fresh)  # after it: whoever erases in one of them has committed, or will find what we write
        self._note(fresh, heads)
        if ahead:
            ahead.halt()
        at_once = projection.SUBJECTS_GIVING_WAY_MAX if gives_way else projection.SUBJECTS_AT_ONCE_MAX
        pieces = _Pieces()
        writing = asyncio.create_task(self._write(fresh, pieces, self._begun & wanted - self.touched, gives_way))
        try:
            async for piece in projection.fold(self._views, self._tables(), wanted, self._known, at_once, ahead.take if ahead else None):
                if writing.done():
                    break
                pieces.put_nowait(piece)
        finally:
            pieces.put_nowait(None)
            if ahead:
                ahead.begin()
            await asyncio.wait({writing})  # the connection must be idle, whatever comes
        writing.result()
        self._is_put(wanted)
        return fresh

    async def _write(self, fresh: Sequence[Stored], pieces: _Pieces, begun: set[str], gives_way: Callable[[], bool] | None) -> None:
        """The entries, then each piece of rows as soon as it is folded."""
        await self._insert(fresh)
        while (piece := await pieces.get()) is not None:
            if gives_way and gives_way():
                raise projection.GaveWay
            await projection.project(self.connection, piece, begun, self._later)

    async def _new(self, entries: Sequence[Stored]) -> tuple[list[Stored], dict[tuple[str, str], LaneHead]]:
        """(what goes on from the lanes' heads, with bodies that may be erased already, the heads after)."""
        for e in entries:
            _check_names(e)
        await self._lock({(e.ledger, e.origin) for e in entries})
        fresh, again, heads, fork = self._next(entries)
        await self._compare(again, fresh)
        if fork:
            raise _fork(fork)
        return fresh, heads

    def _note(self, fresh: Sequence[Stored], heads: dict[tuple[str, str], LaneHead]) -> None:
        self._moved = sorted(lane for lane, head in heads.items() if head is not self._heads[lane])
        for lane in self._moved:
            self.began.setdefault(lane, self._heads[lane])
        self._heads = heads
        if self._fresh is not None:
            self._fresh += fresh
        known = self._known
        for e in fresh:
            if (there := known.get(e.subject)) is not None:
                there.append(e)

    async def _insert(self, fresh: Sequence[Stored]) -> None:
        moved = [(*lane, self._heads[lane]) for lane in self._moved]
        await insert(self.connection, "entry", _APPENDED, [_row(e) for e in fresh])
        await self._advance(moved)
        killpoints.reach("journal.append")

    async def cut(self, ledger: str, origin: str, head: LaneHead) -> None:
        """The lane ends at `head` now: what stood after it was put aside (see branches.swap), and is deleted by whoever calls this."""
        await self.counter(REFOLDS)
        self._fresh = None
        self._heads[ledger, origin] = head
        row = {"ledger": ledger, "origin": origin, "seq": head.seq, "hash": head.hash, "signed_seq": head.signed_seq}
        await run(self.connection, _UPSERT_LANE, [row])
        self.began[ledger, origin] = None
        self._known.clear()
        self._begun.clear()
        self._was_cut = True

    async def _advance(self, lanes: Sequence[tuple[str, str, LaneHead]]) -> None:
        c = self.connection
        if not is_postgres(c):
            rows = [{"ledger": k, "origin": o, "seq": h.seq, "hash": h.hash, "signed_seq": h.signed_seq} for k, o, h in lanes]
            await run(c, _UPSERT_LANE, rows)
            return
        columns = [
            [k for k, _, _ in lanes],
            [o for _, o, _ in lanes],
            *[[getattr(h, n) for _, _, h in lanes] for n in ("seq", "hash", "signed_seq")],
        ]
        await (await driver_of(c)).execute(_ADVANCE, *columns)

    def _next(self, entries: Sequence[Stored]) -> tuple[list[Stored], list[Stored], dict[tuple[str, str], LaneHead], Stored | None]:
        """(what goes on from the heads, what lies behind them, the heads after, the first that follows another history)."""
        fresh, again, heads = [], [], dict(self._heads)
        for e in entries:
            head = heads[e.ledger, e.origin]
            if e.seq <= head.seq:
                again.append(e)
                continue
            if e.seq > head.seq + 1:
                raise Refused("lane_gap", have=head.seq, got=e.seq)
            if chain(head.hash, e.head_bytes) != e.hash:
                return fresh, again, heads, e  # `again` may name an earlier one
            heads[e.ledger, e.origin] = LaneHead(e.seq, e.hash, e.seq if e.signature else head.signed_seq)
            fresh.append(e)
        return fresh, again, heads, None

    def _after(self, runs: Runs) -> dict[tuple[str, str], LaneHead]:
        """The heads after. Within a run whoever proved it has held each entry against the one before."""
        heads = dict(self._heads)
        for some in runs:
            first, last = some[0], some[-1]
            lane = (first.ledger, first.origin)
            head = heads[lane]
            if first.seq != head.seq + 1:
                raise Refused("lane_gap", have=head.seq, got=first.seq)
            if chain(head.hash, first.head_bytes) != first.hash:
                raise _fork(first)
            heads[lane] = LaneHead(last.seq, last.hash, next((e.seq for e in reversed(some) if e.signature), head.signed_seq))
        return heads

    async def _compare(self, again: Sequence[Stored], fresh: Sequence[Stored]) -> None:
        """What is here already must be the same bytes: the chain hash vouches for the head and for all before it."""
        if not again:
            return
        here = {e.key: e.hash for e in fresh}
        by_lane: dict[tuple[str, str], list[Stored]] = {}
        for e in again:
            by_lane.setdefault((e.ledger, e.origin), []).append(e)
        for (ledger, origin), some in by_lane.items():
            sql = "select seq, hash from entry where ledger = :ledger and origin = :origin and seq between :first and :last"
            span = {"first": min(e.seq for e in some), "last": max(e.seq for e in some)}
            for seq, hash_ in await fetch(self.connection, sql, {"ledger": ledger, "origin": origin, **span}):
                here[ledger, origin, seq] = bytes(hash_)
        for e in sorted(again, key=lambda e: e.seq):
            if e.key not in here:
                raise Refused("store_damaged")  # below its lane's head, and not here
            if here[e.key] != e.hash:
                raise _fork(e)

    async def _lock(self, keys: Iterable[tuple[str, str]]) -> None:
        wanted = sorted(set(keys) - self._heads.keys())
        if not wanted:
            return
        await self._read_heads(wanted)
        missing = [key for key in wanted if key not in self._heads]
        if missing and is_postgres(self.connection):  # a row to hold on to: two programs may open one lane at once
            values = {**self._names(missing), "start": START}
            await fetch(
                self.connection,
                f"insert into lane (ledger, origin, seq, hash) select ledger, origin, 0, :start from {_LANES} on conflict do nothing",
                values,
            )
            await self._read_heads(missing)
        for key in missing:
            self._heads.setdefault(key, LaneHead())

    async def _read_heads(self, lanes: Sequence[tuple[str, str]]) -> None:
        c = self.connection
        if is_postgres(c):
            where, values = f"join {_LANES} using (ledger, origin) order by ledger, origin for update of lane", self._names(lanes)
        else:
            ledgers, named = one_of(c, "ledger", "ledgers", {k[0] for k in lanes})
            origins, more = one_of(c, "origin", "origins", {k[1] for k in lanes})
            where, values = f"where {ledgers} and {origins}", named | more
        wanted = set(lanes)
        for r in await fetch(c, f"select ledger, origin, seq, hash, signed_seq from lane {where}", values):
            if (r[0], r[1]) in wanted:
                self._heads[r[0], r[1]] = LaneHead(r[2], bytes(r[3]), r[4])

    def _names(self, lanes: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """What `_LANES` takes."""
        return {"ledgers": [k[0] for k in lanes], "origins": [k[1] for k in lanes]}

    async def _without_erased(self, fresh: list[Stored]) -> list[Stored]:
        """Bodies whose erasure came before them (a stick, an old peer) never reach the disk. Another entry may have the number (a fork)."""
        c = self.connection
        where, values = one_of(c, "ledger", "ledgers", {e.ledger for e in fresh})
        found = await fetch(c, f"select ledger, origin, seq, subject from erasure where {where}", values)
        if not found:
            return fresh
        due = {((row[0], row[1], row[2]), row[3]) for row in found}
        met = {e.key: subject for e in fresh for subject in (e.subject, ERASED_BEFORE) if (e.key, subject) in due}
        gone = [dict(zip(("ledger", "origin", "seq", "subject"), (*key, subject), strict=True)) for key, subject in met.items()]
        await run(c, f"delete from erasure {_ONE} and subject = :subject", gone)
        self._bared |= {e.key: e.subject for e in fresh if e.key in met}
        return [_bare(e) if e.key in met else e for e in fresh] if met else fresh

    def bared(self) -> dict[tuple[str, str, int], str]:
        """Key → subject of what was appended since the last call and had lost its words before it came."""
        found, self._bared = self._bared, {}
        return found

    # ── reading what this transaction sees ──
    async def subject(self, id_: str) -> list[Stored]:
        return (await self.subjects([id_])).get(id_, [])

    async def subjects(self, ids: Iterable[str]) -> dict[str, list[Stored]]:
        """Subject → its entries, in the order of their positions; unknown ones are left out. Nobody else changes them until we end.

        Read once a transaction: what is appended after is added. So ask before appending what will be projected.
        """
        wanted = set(ids)
        unread = sorted(wanted - self._known.keys())
        if unread:
            await self._lock_subjects(unread)
            found = await projection.entries_of(self.connection, unread)
            self._known |= {id_: found.get(id_, []) for id_ in unread}
            if not self._was_cut:  # what a cut took away may still stand in the views
                self._begun |= {id_ for id_ in unread if id_ not in found}
        return {id_: list(self._known[id_]) for id_ in sorted(wanted) if self._known[id_]}

    async def hold(self, ids: Iterable[str]) -> None:
        """Nobody else changes these subjects, or takes words of theirs, until we end."""
        await self._lock_subjects(sorted(set(ids)))

    async def _lock_subjects(self, ids: Sequence[str]) -> None:
        if not is_postgres(self.connection):
            return  # one writer at a time
        names = sorted({crc32(id_.encode()) % SUBJECT_LOCKS for id_ in ids} - self._locked)
        if names:
            sql = f"select count(pg_advisory_xact_lock({SUBJECT_LOCK}, n)::text) from unnest(cast(:names as int[])) as n"
            await fetch(self.connection, sql, {"names": names})
            self._locked |= set(names)

    async def entry(self, ledger: str, origin: str, seq: int) -> Stored | None:
        rows = await fetch(self.connection, SELECT + _ONE, {"ledger": ledger, "origin": origin, "seq": seq})
        return stored(rows[0]) if rows else None

    # ── views ──
    async def project(self, subjects: Iterable[str]) -> None:
        """Folds each subject anew and replaces its rows in every view and in search."""
        wanted = set(subjects)
        if not wanted <= self._appended:
            await self.counter(REFOLDS)
        begun = self._begun & wanted - self.touched
        async for piece in projection.fold(self._views, self._tables(), wanted, await self.subjects(wanted)):
            await projection.project(self.connection, piece, begun, self._later)
        self._is_put(wanted)

    def _is_put(self, wanted: set[str]) -> None:
        self.touched |= wanted
        killpoints.reach("journal.project")

    async def erase(self, ledger: str, origin: str, seq: int, subject: str) -> bool:
        """Body, salt, search text and drafts go, now or, when the entry is not here yet, before it is written.

        True: it was here, project its subject in this transaction. The chain still verifies. Where another subject's entry has the number
        (a computer that was put back gave it twice) that one keeps its words.
        """
        c, key = self.connection, {"ledger": ledger, "origin": origin, "seq": seq}
        e = await self.entry(ledger, origin, seq)
        self._fresh = None
        await self.counter(ERASURES)
        await run(
            c, "update quarantine set sample = null where ledger in (:ledger, '')", [{"ledger": ledger}]
        )  # it may hold the same words
        if e is None or e.subject != subject:
            await self._bare_loose(ledger, origin, seq, subject)
            await run(c, _ERASE_LATER, [{**key, "subject": subject}])
            return False
        await run(c, f"update entry set body = null, salt = null, erased = 1 {_ONE}", [key])
        if subject in self._known:
            self._known[subject] = [_bare(one) if one.key == e.key else one for one in self._known[subject]]
        of = {"subject": subject}
        await projection.forget(c, await fetch(c, "select id, text, pending from search where subject = :subject", of))
        await run(c, "delete from draft where subject = :subject", [of])
        return True

    async def give_back(self, e: Stored, salt: bytes, body: bytes) -> Stored:
        """The words of an entry that stands here without: whoever calls has proven them by its hash, and projects its subject."""
        ids = (e.ledger, e.origin, e.seq, e.subject, e.sort, e.command)
        back = Stored(0, *ids, e.head_bytes, salt, body, e.hash, e.signature, e.received_ms, False)
        row = {"ledger": e.ledger, "origin": e.origin, "seq": e.seq, "body": body, "salt": salt}
        await run(self.connection, f"update entry set body = :body, salt = :salt, erased = 0 {_ONE}", [row])
        await self.counter(REFOLDS)
        if e.subject in self._known:
            self._known[e.subject] = [back if one.key == e.key else one for one in self._known[e.subject]]
        return back

    async def _bare_loose(self, ledger: str, origin: str, seq: int, subject: str) -> None:
        """What a heal keeps apart until the gap before it is filled loses the body as well."""
        sql, values = "select name, value from local where name like :like", {"like": f"{LOOSE}{ledger} {origin} %"}
        for name, value in await fetch(self.connection, sql, values):
            bare = without_body(bytes(value), seq, subject)
            if bare is not None:
                await self.set_local(name, bare)

    # ── commands, counters, names ──
    async def outcome(self, command: str) -> bytes | None:
        """What `remember` was given for an accepted command."""
        rows = await fetch(self.connection, "select outcome from command where id = :id", {"id": command})
        return bytes(rows[0][0]) if rows else None

    async def remember(self, outcomes: Mapping[str, bytes]) -> None:
        """Command → its outcome, for ever. Raises Refused store_busy when another program accepted one meanwhile: tried again, it answers the same."""
        for id_, outcome in sorted(outcomes.items()) if not is_postgres(self.connection) else ():
            if not await fetch(self.connection, _REMEMBER, {"id": id_, "outcome": outcome}):
                raise Refused("store_busy")
        if is_postgres(self.connection):
            ids = sorted(outcomes)
            new = await (await driver_of(self.connection)).fetch(_REMEMBER_ALL, ids, [outcomes[id_] for id_ in ids])
            if len(new) < len(ids):
                raise Refused("store_busy")

    async def counter(self, name: str) -> int:
        """1, 2, 3 … A transaction that is rolled back gives its number back."""
        (row,) = await fetch(self.connection, _COUNT, {"name": name})
        return row[0]

    async def local(self, name: str) -> bytes:
        """As of this transaction; b"" where nothing was noted. Nobody else changes it until we end."""
        (row,) = await fetch(self.connection, _HOLD_LOCAL, {"name": name, "none": b""})
        return bytes(row[0])

    async def set_local(self, name: str, value: bytes) -> None:
        sql = "insert into local (name, value) values (:name, :value) on conflict (name) do update set value = excluded.value"
        await run(self.connection, sql, [{"name": name, "value": value}])

    # ── other nodes ──
    async def set_haves(self, haves: Mapping[tuple[str, str], tuple[Mapping[str, tuple[int, bytes]], int, bytes]]) -> None:
        """(node, ledger) → (lanes, at_ms, signed): all that node has of it now. Lanes it no longer names fall to 0, `highest` stays: of those that
        are here, since their receipt is due again, and of its own, as a witness of what is lost (of OWN_KEPT_MAX, the earliest). Others go: nothing
        was ever here of them, and a node may name new ones for ever."""
        c = self.connection
        said = [({"node": node, "ledger": ledger, "at": at_ms}, lanes, signed) for (node, ledger), (lanes, at_ms, signed) in haves.items()]
        await run(c, "update peer_have set seq = 0, at_ms = :at where node = :node and ledger = :ledger", [one for one, _, _ in said])
        every = [{**one, "origin": o, "seq": seq, "hash": hash_} for one, lanes, _ in said for o, (seq, hash_) in sorted(lanes.items())]
        await run(c, statements.HAVE, every)
        gone = [{"node": one["node"], "ledger": one["ledger"], "own": f"{one['node']}:", "most": OWN_KEPT_MAX} for one, _, _ in said]
        await run(c, statements.UNNAMED, gone)
        await run(c, statements.PEER, [{**one, "signed": signed} for one, _, signed in said])

    async def set_own_haves(self, said: Mapping[str, tuple[int, bytes]]) -> None:
        """ledger → (at_ms, signed), the last Have this node said of it: a start that finds less than it here has lost something."""
        await run(
            self.connection,
            statements.OWN_HAVE,
            [{"ledger": ledger, "at": at_ms, "signed": signed} for ledger, (at_ms, signed) in said.items()],
        )

    async def quarantine(
        self, node: str, ledger: str, origin: str, refused: Refused, at_ms: int, sample: bytes | None = None, count: int = 1
    ) -> None:
        """Counts what was refused, one row for each (node, ledger, origin, code). sample: the bytes, if they are to be kept, of SAMPLES_MAX rows."""
        said = {"node": node, "ledger": ledger, "origin": origin, "at": at_ms, "sample": sample, "count": count}
        await run(self.connection, statements.QUARANTINE, [{**said, "code": refused.code, "sentence": refused.sentence}])
        if sample is not None:
            await run(self.connection, statements.OLD_SAMPLES, [{"most": SAMPLES_MAX}])


_LANES = "unnest(cast(:ledgers as text[]), cast(:origins as text[])) as n(ledger, origin)"
_ADVANCE = (
    "update lane l set seq = n.seq, hash = n.hash, signed_seq = n.signed_seq"
    " from unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[]) as n(ledger, origin, seq, hash, signed_seq)"
    " where l.ledger = n.ledger and l.origin = n.origin"
)
_REMEMBER = "insert into command (id, outcome) values (:id, :outcome) on conflict do nothing returning id"
_REMEMBER_ALL = "insert into command (id, outcome) select * from unnest($1::text[], $2::bytea[]) on conflict do nothing returning id"
_ERASE_LATER = "insert into erasure (ledger, origin, seq, subject) values (:ledger, :origin, :seq, :subject) on conflict do nothing"
_ONE = " where ledger = :ledger and origin = :origin and seq = :seq"
_UPSERT_LANE = (
    "insert into lane (ledger, origin, seq, hash, signed_seq) values (:ledger, :origin, :seq, :hash, :signed_seq)"
    " on conflict (ledger, origin) do update set seq = excluded.seq, hash = excluded.hash, signed_seq = excluded.signed_seq"
)
_COUNT = "insert into counter (name, value) values (:name, 1) on conflict (name) do update set value = counter.value + 1 returning value"
_HOLD_LOCAL = "insert into local (name, value) values (:name, :none) on conflict (name) do update set value = local.value returning value"


def _fork(e: Stored) -> Refused:
    return Refused("lane_fork", lane=f"{e.ledger} {e.origin}", seq=e.seq)


def _check_names(e: Stored) -> None:
    for name, value in (("ledger", e.ledger), ("origin", e.origin), ("subject", e.subject), ("sort", e.sort), ("command", e.command)):
        if len(value) > NAME_CHARS_MAX or "\0" in value:
            raise Refused("batch_malformed", why=f"{name} of entry {e.seq}")
    if not 0 < e.seq <= SEQ_MAX:
        raise Refused("batch_malformed", why=f"seq {e.seq}")


def _row(e: Stored) -> tuple[Any, ...]:
    return (
        e.ledger, e.origin, e.seq, e.subject, e.sort, e.command, e.head_bytes, e.salt, e.body, e.hash, e.signature, e.received_ms, int(e.erased),
    )  # fmt: skip


def _bare(e: Stored) -> Stored:
    return Stored(
        0, e.ledger, e.origin, e.seq, e.subject, e.sort, e.command, e.head_bytes, None, None, e.hash, e.signature, e.received_ms, True
    )
