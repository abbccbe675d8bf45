"""The one door for entries of other nodes: `new = await admission.admit(batch, from_node)`.

A batch is admitted whole or refused whole. Refused are: a ledger that we do not hear (lane_foreign), a gap, broken chain, body,
signature or certificate, a lane that its author may not write, and other bytes where we already have an entry (lane_fork:
ours stays the lane, theirs is kept beside it, see forks.py). What we already have is cut away first, so a batch may come
as often as it likes. Unknown events are kept and passed on. Erasures are applied, files that evidence names are expected, views
follow, all in one transaction; then whoever waits is woken, and offers to offices served here are answered with their arrival.

**Gathering.** A batch is proven at once, against how far its lane is proven so far, and goes into the next transaction: alone when
nothing else waits, with everything that has gathered when something does. So a lone entry waits for nobody, and in a storm
a transaction takes thousands of entries of hundreds of lanes. Live and backlog gather apart: what is live never waits behind a
backlog. The lane's head in the transaction has the last word: another program on the same database may have been faster. Whoever
is refused is refused alone; when the transaction itself fails, each of it is tried by itself. Nobody is answered before the disk has it.

**Folding ahead.** A transaction's rows are written while its subjects are folded. When all are folded, what waits for the next one is
folded already, as far as it can be foreseen (journal/ahead.py): so neither the store nor this program waits for the other for long. Only
where several write at once; with one writer this program would be busy just when a save wants it.

**Giving way.** SQLite has one writer: a save would wait for a whole transaction of others' entries. So a large one in whose time somebody
saves is undone, comes again after the save, and takes half as much then; a few times in a row at most, so that it gets on too.

A revoked node is not listened to (origin_revoked). What it wrote after its last good entry is taken when another node brings
it, since that one may have had it before the revocation came, or when a person brings it in on a stick: so every node ends with the
same entries, and every fold sets them aside until the holder has reviewed them. An erasure among them takes nothing away.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from protocol import certificate as certificates
from protocol import entry, lane
from protocol.batch import Batch
from protocol.certificate import Certificate
from protocol.events import LaneOpened, facts_of
from protocol.lane import EMPTY, LaneHead
from protocol.node import log, observe
from protocol.node.bodies import erase_bodies, expect_files
from protocol.node.desk import row_of
from protocol.node.folding import follow, follow_common, follow_ends
from protocol.node.forks import Forks
from protocol.node.journal import Journal, Stored, Writing
from protocol.node.journal.ahead import Ahead
from protocol.node.journal.projection import GaveWay
from protocol.node.shelf import Shelf
from protocol.node.wake import Wake
from protocol.place import COMMON
from protocol.problem import OWN_STORE, Refused

ERRANDS = ("dispute", "task", "person")  # sorts of entries that may give this node something to write by itself
BRIEF_ENTRIES_MAX = 8  # what somebody just did; a longer batch is catch-up, whose statements must not hold up the pages
GATHERED_MAX, GATHERED_MIN = 4_000, 50  # entries of one transaction; more cost less each, and a save beside it waits longer
ALONE_S_MAX = 0.1  # how long one may take on SQLite: whatever is no save waits for it, and half of it is done in vain when a save comes
GAVE_WAY_MAX = 3  # times in a row
_MAY_END = ("person", "common")  # sorts of entries that may end a post

Lane = tuple[str, str]


class _Asked:
    """A batch that was proven and waits for its transaction. rows: what was new when it was proven, from `base` on."""

    def __init__(self, batch: Batch, from_node: str, certificate: Certificate, base: LaneHead, rows: list[Stored]) -> None:
        self.lane, self.from_node, self.certificate, self.base, self.rows = (batch.ledger, batch.origin), from_node, certificate, base, rows
        self.fresh: list[Stored] = []
        self.error: Exception | None = None
        self.done = asyncio.get_running_loop().create_future()

    def answer(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Admission:
    def __init__(
        self,
        journal: Journal,
        root_public: bytes,
        certificate: Certificate,
        shelf: Shelf,
        clock: Callable[[], int],
        wake: Wake,
        arrivals: Callable[[], Awaitable[Any]] | None = None,
        forks: Forks | None = None,
    ) -> None:
        """root_public: the pinned Ed25519 key · certificate: our own, says what we hear · arrivals: `desk.arrivals` ·
        forks: keeps what a lane has no place for.
        """
        self._journal, self._public, self._own, self._shelf = journal, root_public, certificate, shelf
        self._clock, self._wake, self._arrivals, self._forks = clock, wake, arrivals, forks
        self._folding: set[asyncio.Task[None]] = set()
        self._arriving: asyncio.Task[None] | None = None
        self._is_due = False  # something came since the last look for what is to be written by itself
        self._reach: dict[Lane, LaneHead] = {}  # how far each lane is proven: on the disk, or on its way there
        self._reading, self._is_read = asyncio.Lock(), False
        self._under_way: dict[Lane, _Asked] = {}  # the last one of each lane that is not on the disk yet
        self._openings: dict[Lane, Certificate | None] = {}
        self._gathering = {"live": _Gathering(self), "backlog": _Gathering(self)}

    @observe.each("admit", lambda _, batch, node, **_more: {"ledger": batch.ledger, "entries": len(batch.heads), "node": node})
    async def admit(self, batch: Batch, from_node: str, by_hand: bool = False, *, backlog: bool = False) -> int:
        """How many entries were new. Raises Refused; then nothing was written.

        by_hand: somebody here brought it in, on a stick. Then a revoked node's unsent work is taken, and waits for its review like what
        another node brings of it. backlog: it was asked for, and may wait for what is live.
        """
        if not certificates.hears(self._own, batch.ledger):
            raise Refused("lane_foreign", ledger=batch.ledger)
        if from_node in self._shelf.revoked and not by_hand:
            raise Refused("origin_revoked")
        try:
            asked = await self._proven(batch, from_node)
            if asked is None:
                return 0
            await self._gathering["backlog" if backlog else "live"].take(asked)
            if asked.error is not None:
                raise asked.error
        except Refused as refused:
            if refused.code == "lane_fork" and self._forks:
                await self._forks.note(batch, from_node)
            raise
        return len(asked.fresh)

    @property
    def is_shared(self) -> bool:
        """Claims that other transactions go on beside ours."""
        return self._journal.writers_max > 1

    @property
    def root_public(self) -> bytes:
        """The pinned key that all certificates stand on."""
        return self._public

    async def settled(self) -> None:
        """Returns when nothing is under way any more and views that a change of tables made old are folded again."""
        for gathering in self._gathering.values():
            await gathering.settled()
        while self._arriving is not None and not self._arriving.done():
            await self._arrived()
        await asyncio.gather(*self._folding)

    # ── proving, outside of any transaction ──

    async def _proven(self, batch: Batch, from_node: str) -> _Asked | None:
        """None: all of it is here already. Raises Refused."""
        key = (batch.ledger, batch.origin)
        head = await self._reached(key, batch.after)
        try:
            return await self._proven_after(head, batch, from_node)
        except Refused as refused:
            if refused.code != "lane_fork" or key in self._under_way or await self._look(key) == head:
                raise
        return await self._proven_after(await self._reached(key, batch.after), batch, from_node)  # a lane may have been set right meanwhile

    async def _proven_after(self, head: LaneHead, batch: Batch, from_node: str) -> _Asked | None:
        key = (batch.ledger, batch.origin)
        while batch.last <= head.seq:
            if key not in self._under_way:
                await self._compare(batch, head)
                return None
            await asyncio.wait({self._under_way[key].done})
            head = await self._reached(key, batch.after)
        known = await self._certificate(key, head)
        if self._at(key) != head:  # it went on while we read
            return await self._proven_after(self._at(key), batch, from_node)
        checked = lane.check(batch, head, known, self._public)
        now_ms = self._clock()
        asked = _Asked(batch, from_node, checked.certificate, head, [row_of(one, now_ms) for one in checked.entries])
        last = asked.rows[-1]
        self._openings[key] = checked.certificate
        self._reach[key] = LaneHead(last.seq, last.hash)
        self._under_way[key] = asked
        return asked

    def _at(self, key: Lane) -> LaneHead:
        return self._reach.get(key, EMPTY)

    async def _reached(self, key: Lane, after: int) -> LaneHead:
        """Another program may have written what we never saw: a gap is believed only after a look into the journal."""
        async with self._reading:  # the first of hundreds reads all of them
            if not self._is_read:
                self._reach = dict(await self._journal.heads())
                self._is_read = True
        if after > self._at(key).seq and key not in self._under_way:
            await self._look(key)
        return self._at(key)

    async def _look(self, key: Lane) -> LaneHead:
        found = (await self._journal.heads(key[0])).get(key, EMPTY)
        if key not in self._under_way:
            self._reach[key] = found
        return self._at(key)

    async def _compare(self, batch: Batch, head: LaneHead) -> None:
        """The last entry of a batch that is all here must be the same one. Raises Refused lane_fork."""
        *_, theirs = lane.hashes(batch)
        ours = head.hash
        if batch.last < head.seq:
            key = (batch.ledger, batch.origin)
            found = await self._journal.entry(*key, batch.last)
            if found is None and await self._look(key) != head:
                raise _fork(key, batch.last)  # a shorter history took the lane's place: whoever called looks at it anew
            ours = found.hash if found else theirs
        if ours != theirs:
            raise _fork((batch.ledger, batch.origin), batch.last)

    async def _certificate(self, key: Lane, head: LaneHead) -> Certificate | None:
        """The newest of *common*, else the one the lane began with; None for a lane that begins here."""
        newest = self._shelf.certificates.get(entry.node_of(key[1]))
        if newest is not None and certificates.is_valid(newest, self._public):
            return newest
        if not head.seq:
            return None
        if key not in self._openings:
            opening = await self._journal.entry(*key, 1)
            facts = facts_of(opening.head) if opening else None
            self._openings[key] = certificates.decode(facts.certificate) if isinstance(facts, LaneOpened) else None
        return self._openings[key]

    # ── one transaction ──

    def ahead(self, upcoming: Callable[[], Iterable[Stored]]) -> Ahead | None:
        """None where there is one writer: a save goes before all that waits, and has this program to itself."""
        return Ahead(self._journal.views, self._journal.tables, upcoming) if self.is_shared else None

    async def commit(self, group: Sequence[_Asked], insists: bool, ahead: Ahead | None = None) -> list[Stored]:
        """All that can go in goes in together, and each knows what became of it. insists: also while a save waits. Raises when nothing was written."""
        count = _count(group)
        gives_way = None if insists or self.is_shared or count <= GATHERED_MIN else self._journal.is_awaited
        async with self._journal.writing(brief=count <= BRIEF_ENTRIES_MAX) as w:
            fresh = await self._write(w, group, gives_way, ahead)
        for asked in group:
            self._is_over(asked)
        return fresh

    async def tell(self, fresh: Sequence[Stored], is_last: bool) -> None:
        """After the commit: what follows from it here, and whoever waits. is_last: nothing else waits to be admitted."""
        if not fresh:
            return
        lanes = {(e.ledger, e.origin) for e in fresh}
        sorts = {e.sort for e in fresh}
        if any(ledger == COMMON for ledger, _ in lanes):
            await self.common_changed()
        if self._forks and any(entry.node_of(origin) in self._shelf.revoked for _, origin in lanes):
            self._forks.changed.set()
        if not sorts.isdisjoint(_MAY_END) and any(e.sort in _MAY_END and e.head.kind == "PostEnded" for e in fresh):
            await follow_ends(self._journal, self._shelf)
        self._wake.commit(lanes, {e.subject for e in fresh})
        if self._arrivals and not sorts.isdisjoint(ERRANDS):
            self._is_due = True
            self._look_for_arrivals()
            if is_last:
                await self._arrived()

    async def common_changed(self) -> None:
        """Tables, certificates, revocations: what was folded by the ones before is folded again."""
        if await follow_common(self._journal, self._shelf):
            self._fold_again()
        if self._forks:
            self._forks.changed.set()  # a revocation may have named the history that counts

    def _look_for_arrivals(self) -> None:
        """Beside what comes in, so that a storm is not held up by it: once for all that came meanwhile."""
        if self._arrivals and self._is_due and (self._arriving is None or self._arriving.done()):
            self._is_due = False
            self._arriving = asyncio.create_task(_said_if_it_fails(self._arrivals), name="arrivals")
            self._arriving.add_done_callback(lambda _: self._look_for_arrivals())

    async def _arrived(self) -> None:
        """What was due when it was asked is written: the look that goes on may have begun too early."""
        began_late = not self._is_due
        for _ in range(1 if began_late else 2):
            if self._arriving is not None:
                await asyncio.wait({self._arriving})

    def failed(self, asked: _Asked, error: Exception) -> None:
        asked.error, asked.fresh = error, []
        self._is_over(asked)

    def _is_over(self, asked: _Asked) -> None:
        if asked.error is not None:
            self._reach.pop(asked.lane, None)  # what is on the disk is asked again
        if self._under_way.get(asked.lane) is asked:
            del self._under_way[asked.lane]

    async def _write(self, w: Writing, group: Sequence[_Asked], gives_way: Callable[[], bool] | None, ahead: Ahead | None) -> list[Stored]:
        heads = await w.lane_heads({asked.lane for asked in group})
        for asked in group:
            asked.error = await _cut(w, asked, heads)
        fresh = await w.take([asked.fresh for asked in group if asked.fresh], gives_way, ahead)
        written = iter(fresh)  # of some the body was erased before they came: its files are expected no more
        for asked in group:
            asked.fresh = list(islice(written, len(asked.fresh)))
            below = not certificates.is_above(asked.certificate, self._own)
            await expect_files(w, asked.fresh, asked.from_node, self._clock(), lambda _, below=below: below)
        counting = [e for e in fresh if self._shelf.counts(*e.key)] if self._shelf.revoked else fresh
        if erased := await erase_bodies(w, counting):
            await w.project(erased)
        return fresh

    def _fold_again(self) -> None:
        """Beside everything else: it may take minutes where there are many cases."""
        task = asyncio.create_task(follow(self._journal, self._shelf))
        self._folding.add(task)
        task.add_done_callback(self._folding.discard)
        task.add_done_callback(lambda _: self._is_folded())

    def _is_folded(self) -> None:
        """Other entries count than before: an offer may stand now that did not."""
        self._wake.heard()
        self._is_due = True
        self._look_for_arrivals()


async def _said_if_it_fails(arrivals: Callable[[], Awaitable[Any]]) -> None:
    try:
        await arrivals()
    except Exception as error:  # noqa: BLE001, what was admitted stands, and the node looks again by itself
        log.event("arrivals failed", level=logging.ERROR, exception=error)


class _Gathering:
    """What waits for the next transaction of its kind, and the one task that makes them, as long as there is something."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._waiting: dict[str, deque[_Asked]] = {}  # by ledger, the one that waits longest in front
        self._task: asyncio.Task[None] | None = None
        self._most = GATHERED_MAX  # entries of the next transaction
        self._gave_way = 0  # times in a row
        self._ahead = admission.ahead(self._upcoming)

    async def take(self, asked: _Asked) -> None:
        """Returns when it is on the disk or refused."""
        self._waiting.setdefault(asked.lane[0], deque()).append(asked)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="admission")
        await asyncio.shield(asked.done)

    async def settled(self) -> None:
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})
        if self._ahead:
            await self._ahead.settled()

    async def _work(self) -> None:
        while self._waiting:
            group = self._next()
            try:
                await self._together(group)
            finally:
                again = {asked for asks in self._waiting.values() for asked in asks}
                for asked in group:
                    if asked not in again:
                        asked.answer()

    def _next(self) -> list[_Asked]:
        """Ledger by ledger: what several nodes wrote about one case is folded once and not for each of them."""
        group, count = list[_Asked](), 0
        while self._waiting and count < self._most:
            ledger = next(iter(self._waiting))
            asks = self._waiting.pop(ledger)
            while asks and count < self._most:
                group.append(asks.popleft())
                count += len(group[-1].rows)
            if asks:
                self._waiting[ledger] = asks  # behind the others: one place that writes much must not hold them up
        return group

    def _upcoming(self) -> Iterator[Stored]:
        """What `_next` would give now."""
        count = 0
        for asked in chain.from_iterable(self._waiting.values()):
            if count >= self._most:
                return
            count += len(asked.rows)
            yield from asked.rows

    def _put_back(self, group: list[_Asked]) -> None:
        """In front of what waits, as it was."""
        waiting = self._waiting
        self._waiting = {}
        for asked in group:
            self._waiting.setdefault(asked.lane[0], deque()).append(asked)
        for ledger, asks in waiting.items():
            self._waiting.setdefault(ledger, deque()).extend(asks)

    async def _together(self, group: list[_Asked], insists: bool = False) -> None:
        began = asyncio.get_running_loop().time()
        try:
            fresh = await self._admission.commit(group, insists or self._gave_way == GAVE_WAY_MAX, self._ahead)
        except GaveWay:
            self._gave_way += 1
            self._most = max(GATHERED_MIN, _count(group) // 2)
            self._put_back(group)
            return
        except Exception as error:  # noqa: BLE001, each caller gets it, or its own
            if len(group) == 1 or (isinstance(error, Refused) and error.code in OWN_STORE):
                for asked in group:
                    self._admission.failed(asked, error)
                return
            for asked in group:  # one of them is beyond what could be foreseen: the others must not suffer; one may follow another
                await self._together([asked], insists=True)
            return
        self._gave_way = 0
        try:
            await self._admission.tell(fresh, not self._waiting)
        except Exception as error:  # noqa: BLE001, it is written, and whoever asked hears what went wrong after
            for asked in group:
                asked.error = asked.error or error
        self._pace(_count(group), asyncio.get_running_loop().time() - began)

    def _pace(self, count: int, took_s: float) -> None:
        """Where a save waits for the transaction, it must not wait long, however slow the machine is."""
        if self._admission.is_shared:
            return
        if took_s > ALONE_S_MAX and count > GATHERED_MIN:
            self._most = max(GATHERED_MIN, min(self._most, count) * 2 // 3)
        elif took_s < ALONE_S_MAX / 2:
            self._most = min(GATHERED_MAX, self._most * 3 // 2)


def _count(group: Sequence[_Asked]) -> int:
    return sum(len(asked.rows) for asked in group)


async def _cut(w: Writing, asked: _Asked, heads: dict[Lane, LaneHead]) -> Refused | None:
    """Leaves in `asked.fresh` what follows the lane's head in this transaction; moves that head on. Else why it cannot."""
    head, rows = heads[asked.lane], asked.rows
    known = max(0, min(head.seq - asked.base.seq, len(rows)))
    asked.fresh = rows[known:]
    before = rows[known - 1].hash if known else asked.base.hash
    if head.seq < asked.base.seq:
        asked.fresh = []
        return Refused("lane_gap", have=head.seq, got=rows[0].seq)
    if head.seq > rows[-1].seq:
        found = await w.entry(*asked.lane, rows[-1].seq)
        here = found.hash if found else before
    else:
        here = head.hash
    if here != before:
        asked.fresh = []
        return _fork(asked.lane, head.seq)
    if asked.fresh:
        heads[asked.lane] = LaneHead(rows[-1].seq, rows[-1].hash)
    return None


def _fork(key: Lane, seq: int) -> Refused:
    return Refused("lane_fork", lane=f"{key[0]} {key[1]}", seq=seq)
