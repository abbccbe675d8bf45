"""Two histories of one lane: both are kept, one stays the lane, somebody decides about the other.

    forks = Forks(journal, root_public, shelf, signer, clock)
    await forks.note(batch, from_node)        a batch that the lane refused: proven, kept beside the lane, whole
    await forks.settle()                      lanes whose true history is known by now are set right; gives what moved

It comes about when a computer is copied and both copies go on, or when a disk is put back and something is written before
others are asked. The same key signs two entries of one number. Which came first differs from node to node, so:

- every node keeps what came first as the lane and the rest beside it (journal/branches.py), and tells others of it (Have);
- the writer itself stops as soon as it sees proof: its own signature under an entry that it never wrote (`is_forked`);
- an operator revokes the origin. The revocation names the last entry that counts and its hash, so the same history becomes the lane
  at every node; the others stay beside it and are offered for adoption, entry by entry, to whoever serves the office;
- a lane of our own that was closed already (a restore) takes the history that others hold, and what we alone had goes aside;
- of a closed lane of the county's, whose word nobody is above, the others hold what the county holds (`follow`).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from protocol import certificate as certificates
from protocol import entry, lane
from protocol.batch import BATCH_BYTES_MAX, Batch
from protocol.certificate import Certificate
from protocol.events import LaneOpened, facts_of
from protocol.node import log
from protocol.node.bodies import erase_bodies, expect_files
from protocol.node.journal import Journal, Writing, branches
from protocol.node.journal.branches import Branched, Step
from protocol.node.shelf import Shelf
from protocol.node.signer import Signer
from protocol.problem import Refused

Lane = tuple[str, str]
WANTED_MAX = 1_000  # pieces of other histories to be asked for; what is beyond comes with a later Have
WANTED_EACH_MAX = 64  # of those, by the word of one node alone
KEPT_S = 10.0  # how long what was read of all histories of a ledger is told again: whoever writes one may sign thousands


class Wanted(msgspec.Struct, frozen=True):
    """A piece of another history that ends at (seq, hash), seen at `node`. vouched: a proven entry names this hash."""

    ledger: str
    origin: str
    seq: int
    hash: bytes
    node: str
    vouched: bool = False

    @property
    def key(self) -> tuple[str, str, bytes]:
        return self.ledger, self.origin, self.hash


class Moved(msgspec.Struct, frozen=True):
    """A lane that was set right. aside: what stood in it and stands beside it now, in order, of another node's without its words ·
    subjects: folded anew."""

    ledger: str
    origin: str
    aside: tuple[Branched, ...]
    subjects: frozenset[str]


class Forks:
    def __init__(self, journal: Journal, root_public: bytes, shelf: Shelf, signer: Signer, clock: Callable[[], int]) -> None:
        self.journal, self._public, self._shelf, self._signer, self._clock = journal, root_public, shelf, signer, clock
        self.is_forked = False  # our own origin: others hold entries of it that this program never wrote
        self.has_twin = False  # somebody goes on under our identity, and it is not this program
        self.regained: Callable[[Moved], Awaitable[None]] | None = None  # told of each lane that was set right
        self.lanes: set[Lane] = set()
        self.changed = asyncio.Event()  # something is wanted or was noted: the pump looks
        self.lacked: set[tuple[str, str, bytes]] = set()  # (ledger, origin, hash) of what `settle` lacked last
        self._wanted: dict[tuple[str, str, bytes], Wanted] = {}
        self._by_word: Counter[str] = Counter()  # node → how many of those
        self._read: dict[str | Lane, tuple[float, Any]] = {}  # ledger → tips of its lanes, lane → its loose ends; until when that is told
        self._looked: dict[
            Lane, tuple[int, bytes, int]
        ] = {}  # lane of somebody who was put out → its head and the last good seq, when nothing was longer
        self._words: dict[Lane, tuple[int, bytes]] = {}  # see `follow`

    async def load(self) -> None:
        """At start, and after another program worked on the journal."""
        async with self.journal.read() as c:
            self.lanes = await branches.forked(c)
        self._read.clear()
        self._looked.clear()
        self._judge()

    # ── taking in ──

    async def note(self, batch: Batch, from_node: str, vouched: bytes = b"") -> int:
        """Keeps what the lane does not hold; how many entries were new. What is missing below them becomes wanted. Raises Refused."""
        now_ms, key = self._clock(), (batch.ledger, batch.origin)
        async with self.journal.writing() as w:
            known = await certificate_of(w, self._shelf, self._public, batch)
            proven = lane.check_branch(batch, known, self._public, vouched)
            chained = [(batch.origin, one.head.seq, one.hash) for one in proven]
            before = await branches.beside(w, batch.ledger, chained)
            kept = await branches.keep(w, proven, batch.prev, from_node, now_ms)
            await expect_files(w, [row.stored for row in kept], from_node, now_ms)
            below = [(batch.origin, kept[0].seq - 1, kept[0].prev)] if kept and kept[0].seq > 1 else []
            missing = await branches.unknown(w, batch.ledger, below)  # what lies deeper was missing before: `heard` asks for it
        for row in kept:
            self._forget((*key, row.hash))
        if kept:
            self.lanes.add(key)
            self._judge()
        for known_of in (self._read, self._looked):
            known_of.pop(key, None)
        self._read.pop(batch.ledger, None)
        for _, seq, hash_ in missing:
            self.want(Wanted(*key, seq, hash_, from_node, vouched=True))
        self.changed.set()
        return len({row.hash for row in kept} - before)

    def want(self, wanted: Wanted) -> None:
        """What a proven entry names, and what we miss ourselves, always; by the word of a node alone up to a bound."""
        key, is_word = wanted.key, bool(wanted.node) and not wanted.vouched
        if is_word and key not in self._wanted and (len(self._wanted) >= WANTED_MAX or self._by_word[wanted.node] >= WANTED_EACH_MAX):
            return
        self._forget(key)
        self._wanted[key] = wanted
        self._by_word[wanted.node] += is_word
        self.changed.set()

    def _lack(self, wanted: Wanted) -> None:
        """`settle` lacks it, each time until it is here: nobody is woken for it, and who spoke of it is asked first."""
        key = wanted.key
        self.lacked.add(key)
        was = self._wanted.get(key)
        if was is None or (wanted.vouched and not was.vouched):
            self._forget(key)
            self._wanted[key] = wanted if was is None else msgspec.structs.replace(was, vouched=True)

    def _forget(self, key: tuple[str, str, bytes]) -> None:
        was = self._wanted.pop(key, None)
        if was is not None and was.node and not was.vouched:
            self._by_word[was.node] -= 1

    async def heard(self, ledger: str, ends: Mapping[str, Iterable[tuple[int, bytes]]], node: str) -> None:
        """Another node speaks of these ends of histories, by the origin of the lane. What is not here is wanted, also below ends that are here:
        who was asked for it once may not have answered."""
        named = [(origin, *tip) for origin, tips in ends.items() for tip in tips]
        loose = dict[str, list[tuple[int, bytes]]]()
        async with self.journal.read() as c:
            unknown = await branches.unknown(c, ledger, named)
            for origin in [origin for origin in ends if (ledger, origin) in self.lanes]:
                loose[origin] = await self._once((ledger, origin), partial(branches.loose, c, ledger, origin))
        for origin, seq, hash_ in unknown:
            self.want(Wanted(ledger, origin, seq, hash_, node))
        for origin, some in loose.items():
            for seq, hash_ in some:
                self.want(Wanted(ledger, origin, seq, hash_, node, vouched=True))

    async def _once(self, key: str | Lane, read: Callable[[], Awaitable[Any]]) -> Any:
        """What was read within KEPT_S and not changed since by this program."""
        now, (until, found) = asyncio.get_running_loop().time(), self._read.get(key, (0.0, None))
        if until <= now:
            found = await read()
            self._read[key] = (now + KEPT_S, found)
        return found

    def follow(self, ledger: str, origin: str, tip: tuple[int, bytes]) -> None:
        """The county says which history of a closed lane of its own is the lane: nobody else could decide about it."""
        if (ledger, origin) in self.lanes and self._words.get((ledger, origin)) != tip:
            self._words[ledger, origin] = tip
            self.changed.set()

    def take(self) -> list[Wanted]:
        """What is to be asked for now. What got no answer is wanted again by the next Have that shows it, or by `settle`."""
        taken, self._wanted = list(self._wanted.values()), {}
        self._by_word.clear()
        return taken

    # ── giving ──

    async def tips(self, ledger: str) -> dict[str, tuple[tuple[int, bytes], ...]]:
        """What a Have tells of the ledger."""
        if not any(one == ledger for one, _ in self.lanes):
            return {}
        async with self.journal.read() as c:
            found = await self._once(ledger, partial(branches.tips, c, ledger))
        return {origin: tuple(some) for origin, some in branches.few(found).items()}

    async def piece(self, ledger: str, origin: str, seq: int, hash_: bytes, limit: int) -> Batch | None:
        """Up to `limit` entries of the history that ends at (seq, hash), wherever it stands here; None: it is not here."""
        rows, size = list[Branched](), 0
        async with self.journal.read() as c:
            while len(rows) < limit and seq > 0 and size < BATCH_BYTES_MAX:
                found = await branches.branched(c, _AT, {"ledger": ledger, "origin": origin, "hash": hash_})
                if not found:
                    break
                rows.append(found[0])
                size += len(found[0].head_bytes) + len(found[0].body or b"")
                seq, hash_ = found[0].seq - 1, bytes(found[0].prev)
        if rows:
            return _batch(ledger, origin, rows[::-1])
        return await self._piece_of_lane(ledger, origin, seq, hash_, limit)

    async def _piece_of_lane(self, ledger: str, origin: str, seq: int, hash_: bytes, limit: int) -> Batch | None:
        """From its end back, a few at once: they may be large."""
        made, size, last = list[Branched](), 0, seq
        while len(made) < limit and last > 0 and size < BATCH_BYTES_MAX:
            first = max(0, last - min(limit - len(made), branches.WHOLE_AT_ONCE))
            stored = await self.journal.lane(ledger, origin, first, last - first)
            if not stored or stored[-1].seq != last or (not made and stored[-1].hash != hash_):
                return None
            before = await self.journal.entry(ledger, origin, first) if first else None
            prev, some = before.hash if before else entry.START, list[Branched]()
            for e in stored:
                ids = (e.ledger, e.origin, e.hash, e.seq, prev, e.subject, e.sort, e.command)
                some.append(Branched(*ids, e.head_bytes, e.salt, e.body, e.signature, "", e.received_ms))
                prev = e.hash
            made, last = some + made, first
            size += sum(len(row.head_bytes) + len(row.body or b"") for row in some)
        return _batch(ledger, origin, made) if made else None

    # ── setting right ──

    async def settle(self) -> list[Moved]:
        """Lanes of revoked origins follow the revocation, closed ones of the county its word, our own what others hold. What it lacks
        is to be taken (`take`, `lacked`); whoever asks for it does so again later, as often as it is in vain."""
        moved: list[Moved] = []
        try:
            await self._set_right(moved)
        except Refused as refused:  # the store is full, or busy: what was set right is told all the same, the rest is looked at again
            if not moved:
                raise
            log.event("not all set right", reason_code=refused.code)
            self.changed.set()
        if moved:
            await self.load()
        for one in moved:
            if self.regained:
                await self.regained(one)
        return moved

    async def _set_right(self, moved: list[Moved]) -> None:
        self.lacked.clear()
        said = {lane: tip for lane, tip in self._words.items() if lane in self.lanes and not self._is_closed(lane[1])}
        for (ledger, origin), tip in [*(said | dict(self._shelf.tips)).items()]:
            if one := await self._as_revoked(ledger, origin, *tip):
                moved.append(one)
        for ledger, origin in sorted(self.lanes):
            if self._is_closed(origin) and (ledger, origin) not in self._shelf.tips and (one := await self._given_back(ledger, origin)):
                moved.append(one)
            good = self._shelf.last_good(ledger, origin)
            if good is not None and (one := await self._beyond(ledger, origin, good)):
                moved.append(one)

    async def put_aside(self) -> list[Branched]:
        """What this node wrote and stands beside its lanes: another history took its place."""
        async with self.journal.read() as c:
            rows = await branches.branched(c, "where source = :me order by ledger, origin, seq", {"me": self._signer.node})
        return [row for row in rows if entry.node_of(row.origin) == self._signer.node]

    async def _as_revoked(self, ledger: str, origin: str, seq: int, hash_: bytes) -> Moved | None:
        async with self.journal.read() as c:
            here = await branches.lane_hash(c, ledger, origin, seq)
            if here == hash_ or (here is None and (ledger, origin) not in self.lanes):
                return None  # as it should be, or not here yet
            new, missing = await branches.path(c, ledger, origin, seq, hash_)
        if missing:
            self._lack(Wanted(ledger, origin, *missing, "", vouched=bool(new)))
            return None
        async with self.journal.writing() as w:
            return (await self._follow(w, ledger, origin, seq, hash_))[0]

    async def _beyond(self, ledger: str, origin: str, good: int) -> Moved | None:
        """Behind the last good entry of a revoked origin stands what two machines may have written that were out: the revocation decides
        nothing about it, so every node takes the longest history, of two as long the one with the higher hash."""
        key = (ledger, origin)
        async with self.journal.read() as c:
            head = await branches.end(c, ledger, origin)
            if self._looked.get(key) == (*head, good):
                return None
            best = longest(await branches.steps(c, ledger, origin, good), dict(await branches.hashes(c, ledger, origin, good)))
        if best is not None and best > head:
            async with self.journal.writing() as w:
                here = await w.lane_head(ledger, origin)
                if best > (here.seq, here.hash) and (moved := (await self._follow(w, ledger, origin, *best))[0]):
                    return moved
        self._looked[key] = (*head, good)
        return None

    async def _given_back(self, ledger: str, origin: str) -> Moved | None:
        """A closed lane of ours that others know otherwise: theirs is the lane. Once: of two such histories the first stays."""
        async with self.journal.writing() as w:
            sources = await branches.sources(w, ledger, origin)
            if not sources or self._signer.node in sources:
                return None
            rows = await branches.steps(w, ledger, origin)
            gone_on = {row.prev for row in rows}
            last = max((row for row in rows if row.hash not in gone_on), key=lambda row: (row.seq, row.hash))
            return (await self._follow(w, ledger, origin, last.seq, last.hash))[0]

    async def _follow(self, w: Writing, ledger: str, origin: str, seq: int, hash_: bytes) -> tuple[Moved | None, tuple[int, bytes] | None]:
        new, missing = await branches.path(w, ledger, origin, seq, hash_)
        if missing or not new:
            return None, missing
        swapped = await branches.swap(w, ledger, origin, new, self._signer.node, self._clock())
        counting = [
            row for row in swapped.erasures if self._shelf.counts(ledger, origin, row.seq)
        ]  # of the rest an erasure takes nothing away
        await w.project(swapped.subjects | await erase_bodies(w, counting))
        return Moved(ledger, origin, tuple(swapped.aside), frozenset(swapped.subjects)), None

    def _is_closed(self, origin: str) -> bool:
        return entry.node_of(origin) == self._signer.node and origin != self._signer.origin

    def found_twin(self) -> None:
        """Somebody goes on under our identity: this program writes nothing more."""
        log.event("twin", level=logging.WARNING, origin=self._signer.origin)
        self.has_twin = True
        self._judge()
        self.changed.set()

    def _judge(self) -> None:
        self.is_forked = self.has_twin or any(origin == self._signer.origin for _, origin in self.lanes)


def longest(rows: Iterable[Step], lane_hashes: Mapping[int, bytes]) -> tuple[int, bytes] | None:
    """(seq, hash) of the end of the longest history, of two as long the one with the higher hash, that hangs on this part of the lane without a
    gap. rows: in order of their numbers · lane_hashes: seq → chain hash."""
    whole: set[tuple[int, bytes]] = set()
    for row in rows:
        if lane_hashes.get(row.seq - 1) == row.prev or (row.seq - 1, row.prev) in whole:
            whole.add((row.seq, row.hash))
    return max(whole, default=None)


async def certificate_of(w: Writing, shelf: Shelf, public: bytes, batch: Batch) -> Certificate | None:
    """The newest of *common*, else the one the lane began with; None for a lane that begins in the batch."""
    newest = shelf.certificates.get(entry.node_of(batch.origin))
    if newest is not None and certificates.is_valid(newest, public):
        return newest
    opening = await w.entry(batch.ledger, batch.origin, 1)
    facts = facts_of(opening.head) if opening else None
    return certificates.decode(facts.certificate) if isinstance(facts, LaneOpened) else None


def _batch(ledger: str, origin: str, rows: list[Branched]) -> Batch | None:
    """Cut at its beginning when it is too large: whoever gets it asks for what is before."""
    size, first = 0, len(rows)
    for n in range(len(rows) - 1, -1, -1):
        size += len(rows[n].head_bytes) + len(rows[n].salt or b"") + len(rows[n].body or b"") + 24
        if size > BATCH_BYTES_MAX - 512:
            break
        first = n
    taken = rows[first:]
    if not taken:
        raise Refused("frame_too_large")
    bodies = tuple(None if row.salt is None or row.body is None else (row.salt, row.body) for row in taken)
    heads = tuple(row.head_bytes for row in taken)
    return Batch(ledger, origin, taken[0].seq - 1, taken[0].prev, heads, bodies, taken[-1].signature or b"")


_LANE = "where ledger = :ledger and origin = :origin"
_AT = f"{_LANE} and hash = :hash"
