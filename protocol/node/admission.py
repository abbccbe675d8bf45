"""The one door for entries of other nodes: `new = await admission.admit(batch, from_node)`.

A batch is admitted whole or refused whole. Refused are: a ledger that we do not hear (lane_foreign), a gap, broken chain, body,
signature or certificate, a lane that its author may not write, and other bytes where we already have an entry (lane_fork:
ours stays the lane, theirs is kept beside it, see forks.py). What we already have is cut away first, so a batch may come
as often as it likes. Unknown events are kept and passed on. Erasures are applied, files that evidence names are expected, views
follow, all in one transaction; then whoever waits is woken, and offers to offices served here are answered with their arrival.

A revoked node is not listened to (origin_revoked). What it wrote after its last good entry is taken when another node brings
it, since that one may have had it before the revocation came, or when a person brings it in on a stick: so every node ends with the
same entries, and every fold sets them aside until the holder has reviewed them. An erasure among them takes nothing away.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from protocol import certificate as certificates
from protocol import entry, lane
from protocol.batch import Batch
from protocol.certificate import Certificate
from protocol.node import observe
from protocol.node.bodies import erase_bodies, expect_files
from protocol.node.desk import row_of
from protocol.node.folding import fold_again, fold_ended
from protocol.node.forks import Forks, certificate_of
from protocol.node.journal import Journal, Stored, Writing
from protocol.node.shelf import Shelf, Stale
from protocol.node.wake import Wake
from protocol.place import COMMON
from protocol.problem import Refused

ERRANDS = ("dispute", "task", "person")  # sorts of entries that may give this node something to write by itself
BRIEF_ENTRIES_MAX = 8  # what somebody just did; a longer batch is catch-up, whose statements must not hold up the pages


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

    @observe.each("admit", lambda _, batch, node, **_more: {"ledger": batch.ledger, "entries": len(batch.heads), "node": node})
    async def admit(self, batch: Batch, from_node: str, by_hand: bool = False) -> int:
        """How many entries were new. Raises Refused; then nothing was written.

        by_hand: somebody here brought it in, on a stick. Then a revoked node's unsent work is taken, and waits for its review like what
        another node brings of it.
        """
        if not certificates.hears(self._own, batch.ledger):
            raise Refused("lane_foreign", ledger=batch.ledger)
        if from_node in self._shelf.revoked and not by_hand:
            raise Refused("origin_revoked")
        try:
            async with self._journal.writing(brief=len(batch.heads) <= BRIEF_ENTRIES_MAX) as w:
                fresh = await self._write(w, batch, from_node)
        except Refused as refused:
            if refused.code == "lane_fork" and self._forks:
                await self._forks.note(batch, from_node)
            raise
        if not fresh:
            return 0
        if batch.ledger == COMMON:
            self._fold_again(await self._shelf.load(self._journal))
            if self._forks:
                self._forks.changed.set()  # a revocation may have named the history that counts
        if self._forks and entry.node_of(batch.origin) in self._shelf.revoked:
            self._forks.changed.set()
        if any(e.sort in ("person", "common") and e.head.kind == "PostEnded" for e in fresh):
            await fold_ended(self._journal, self._shelf)
        self._wake.commit([(batch.ledger, batch.origin)], {e.subject for e in fresh})
        if self._arrivals and any(e.sort in ERRANDS for e in fresh):
            await self._arrivals()
        return len(fresh)

    async def settled(self) -> None:
        """Returns when views that a change of tables made old are folded again."""
        await asyncio.gather(*self._folding)

    # ── the rest is private ──

    async def _write(self, w: Writing, batch: Batch, from_node: str) -> list[Stored]:
        head = await w.lane_head(batch.ledger, batch.origin)
        checked = lane.check(batch, head, await certificate_of(w, self._shelf, self._public, batch), self._public)
        await _compare(w, batch, head.seq)
        last_good = self._shelf.last_good(batch.ledger, batch.origin)
        now_ms = self._clock()
        fresh = await w.append([row_of(one, now_ms) for one in checked.entries])
        await expect_files(w, fresh, from_node, now_ms, lambda _: not certificates.is_above(checked.certificate, self._own))
        subjects = {e.subject for e in fresh if e.sort != lane.SORT} | await erase_bodies(
            w, [e for e in fresh if last_good is None or e.seq <= last_good]
        )
        await w.project(subjects)
        return fresh

    def _fold_again(self, stale: Stale) -> None:
        """Beside everything else: it may take minutes where there are many cases."""
        if not stale.tables and not stale.nodes:
            return
        task = asyncio.create_task(fold_again(self._journal, self._shelf, stale))
        self._folding.add(task)
        task.add_done_callback(self._folding.discard)
        task.add_done_callback(lambda _: self._wake.heard())


async def _compare(w: Writing, batch: Batch, seq: int) -> None:
    """Where a batch overlaps with what is here its last common entry must be the same one. Raises Refused lane_fork."""
    shared = min(batch.last, seq)
    if shared <= batch.after:
        return
    ours: Sequence[bytes] = [e.hash for e in [await w.entry(batch.ledger, batch.origin, shared)] if e]
    theirs = list(lane.hashes(batch))[shared - batch.after - 1]
    if ours and ours[0] != theirs:
        raise Refused("lane_fork", lane=f"{batch.ledger} {batch.origin}", seq=shared)
