"""What a heal left open, settled while the node runs: `mending = Mending(node…); await mending.run()`, for ever.

Others give what they hold by themselves (catch-up). Here what lay loose behind a gap is put back as soon as the gap is filled, under the
numbers and signatures it had. When everybody who should hold a ledger was heard and nobody has the rest, or when somebody says not to
wait, the rest of it is decided: own entries behind a gap are written anew under the new epoch, once; those of others stand beside their
lane for review; each number that is gone is listed. Nothing is dropped without being named.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from protocol import batch as batches
from protocol import certificate as certificates
from protocol import entry
from protocol.entry import START, UNREADABLE
from protocol.events import Actor
from protocol.lane import EMPTY
from protocol.node import healing, log
from protocol.node.adopting import OWN_WORK
from protocol.node.healing import Gap, Healing
from protocol.node.journal import Journal
from protocol.node.journal.branches import KEEP, Branched
from protocol.node.journal.loose import LOOSE, Loose, LooseRow
from protocol.node.journal.rows import fetch, run
from protocol.place import COMMON
from protocol.problem import OWN_STORE, Refused

TICK_S = 1.0
Lane = tuple[str, str]


class Mending:
    def __init__(self, node: Any, folder: Path, clock: Callable[[], int]) -> None:
        """node: its journal, admission, desk, forks, pump, shelf, signer, wake and may_heal are used."""
        self._node, self._folder, self._clock = node, folder, clock
        self.state: Healing | None = healing.state_of(folder)

    async def run(self) -> None:
        if self.state is None and self._node.may_heal:  # else the state is in another program's folder
            await self._forget()  # the program may have ended between the last two steps
        while self.state is not None:
            if not self._node.stopped():
                await self.step()
            await asyncio.sleep(TICK_S)
        await asyncio.Event().wait()

    async def step(self) -> None:
        """One look at what is open. Raises Refused as the store does."""
        state = self.state
        if state is None:
            return
        loose = await self._loose()
        for lane, rows in loose.items():
            if attached := await self._attach(lane, rows):
                state.attached += attached
                healing.keep_state(self._folder, state)
        if state.settled_by or not await self.unheard():
            await self._decide(state)

    async def unheard(self) -> list[str]:
        """Names of the nodes that may still give what is missing: not heard since the start, or not pulled from yet.

        "": nodes that are not known yet. Who writes *common* and lacks some of it does not know everybody who may have the rest.
        """
        missing, open_ = set[str](), await self._open()
        if self._node.about.root_node in ("", self._node.about.node) and any(ledger == COMMON for ledger, _, _ in open_):
            missing.add("")
        for ledger, origin, head in open_:
            for node, name in self._others(ledger):
                said = self._node.pump.said(node, ledger)
                if said is None or said.get(origin, (0, b""))[0] > head:
                    missing.add(name)
        return sorted(missing)

    def _others(self, ledger: str) -> list[tuple[str, str]]:
        """(node, name) of all that should hold the ledger; the root's whoever is known, for certificates may be among what is missing."""
        node = self._node
        known = {one: c for one, c in node.shelf.certificates.items() if one not in node.shelf.revoked and certificates.hears(c, ledger)}
        names = {one: c.name for one, c in known.items()}
        return [one for one in {node.about.root_node: node.about.root_node, **names}.items() if one[0] not in ("", node.signer.node)]

    def settle(self, who: str) -> None:
        """Somebody answers for it: nobody else is waited for. Raises OSError."""
        if self.state is not None:
            self.state.settled_by = who
            healing.keep_state(self._folder, self.state)

    # ── the rest is private ──

    @property
    def _journal(self) -> Journal:
        return self._node.journal

    async def _open(self) -> list[tuple[str, str, int]]:
        """(ledger, origin, seq here) of each lane that does not reach as far as it once did."""
        heads = await self._journal.heads()
        short = self.state.short if self.state else []
        return [(g.ledger, g.origin, here) for g in short if (here := heads.get((g.ledger, g.origin), EMPTY).seq) < g.last]

    async def _loose(self) -> dict[Lane, list[LooseRow]]:
        found: dict[Lane, list[LooseRow]] = {}
        for row in await self._journal.rows("local", "name like :like", {"like": f"{LOOSE}%"}, order="name"):
            try:
                one = msgspec.msgpack.decode(bytes(row["value"]), type=Loose)
            except UNREADABLE:
                continue
            found.setdefault((one.ledger, one.origin), []).extend(one.rows)
        return found

    async def _attach(self, lane: Lane, rows: list[LooseRow]) -> int:
        """Puts in what follows the lane's end now, a commit at a time; how many entries."""
        node, new = self._node, 0
        by_seq = {row.seq: row for row in rows if not row.is_bare}
        while True:
            head = (await self._journal.heads(lane[0])).get(lane, EMPTY)
            run_: list[LooseRow] = []
            while (row := by_seq.get(head.seq + len(run_) + 1)) is not None and len(run_) < batches.BATCH_ENTRIES_MAX:
                run_.append(row)
            got = batches.cut(run_, *lane, head.seq, head.hash, 1) if run_ else None
            if got is None:
                return new
            try:
                added = await node.admission.admit(got, node.signer.node, by_hand=True)
            except Refused as refused:
                if refused.code in OWN_STORE:
                    raise
                log.event("loose entries refused", ledger=lane[0], origin=lane[1], seq=head.seq + 1, reason_code=refused.code)
                return new
            if not added:
                return new
            new += added

    async def _decide(self, state: Healing) -> None:
        """Nobody has the rest: written anew, put beside, or named as gone."""
        heads, loose = await self._journal.heads(), await self._loose()
        left = {lane: _proven(rows, heads.get(lane, EMPTY).seq) for lane, rows in loose.items()}
        beside = [row for lane, rows in left.items() for row in self._beside(lane, rows, state.since_ms)]
        async with self._journal.writing() as w:
            await run(w.connection, KEEP, [msgspec.structs.asdict(row) for row in beside])
        await self._node.forks.load()
        mine = [row for row in beside if self._is_own(row.origin) and row.head.kind not in OWN_WORK]
        own = sorted(mine, key=lambda row: (row.received_ms, row.ledger, row.seq))
        failed = [row for row in own if not await self._anew(row)]
        gone, bodiless = [], []
        for gap in state.short:
            here = heads.get((gap.ledger, gap.origin), EMPTY).seq
            rows = left.get((gap.ledger, gap.origin), [])
            kept = {row.seq for row in rows} - {row.seq for row in failed if (row.ledger, row.origin) == (gap.ledger, gap.origin)}
            gone += _gaps(gap.ledger, gap.origin, (n for n in range(here + 1, gap.last + 1) if n not in kept))
            bodiless += _gaps(gap.ledger, gap.origin, (row.seq for row in rows if row.is_bare and row.seq in kept))
        state.gone, state.bodiless, state.rewritten, state.done_ms = gone, bodiless, len(own) - len(failed), self._clock()
        healing.end_state(self._folder, state)
        await self._forget()
        self.state = None
        log.event("mended", count=len(gone), entries=state.rewritten)
        self._node.wake.heard()

    async def _forget(self) -> None:
        if await self._journal.rows("local", "name like :like", {"like": f"{LOOSE}%"}, limit=1):
            async with self._journal.writing() as w:
                await fetch(w.connection, "delete from local where name like :like", {"like": f"{LOOSE}%"})

    def _is_own(self, origin: str) -> bool:
        return entry.node_of(origin) == self._node.signer.node and origin != self._node.signer.origin

    def _beside(self, lane: Lane, rows: list[LooseRow], now_ms: int) -> Iterable[Branched]:
        at = START
        for row in rows:
            head = entry.decode_head(row.head_bytes)
            yield Branched(
                *lane, row.hash, row.seq, at, head.subject, head.sort, head.command, row.head_bytes, row.salt, row.body, row.signature,
                self._node.signer.node, row.received_ms or now_ms,
            )  # fmt: skip
            at = row.hash

    async def _anew(self, row: Branched) -> bool:
        node = self._node
        try:
            await node.desk.adopt(row, Actor("", "node", node.certificate.serves[0].removesuffix("/*"), frozenset()))
        except Refused as refused:
            if refused.code in OWN_STORE:
                raise
            log.event("not written anew", ledger=row.ledger, origin=row.origin, seq=row.seq, reason_code=refused.code)
            return False
        return True


def _proven(rows: list[LooseRow], after: int) -> list[LooseRow]:
    """Those that are chained to the row before where that one is here; a row behind a gap stands by its body's hash alone."""
    found: list[LooseRow] = []
    for row in sorted(rows, key=lambda row: row.seq):
        before = found[-1] if found and found[-1].seq == row.seq - 1 else None
        if row.seq > after and (before is None or entry.chain(before.hash, row.head_bytes) == row.hash):
            found.append(row)
    return found


def _gaps(ledger: str, origin: str, seqs: Iterable[int]) -> list[Gap]:
    found: list[Gap] = []
    for seq in sorted(seqs):
        if found and found[-1].last == seq - 1:
            found[-1] = Gap(ledger, origin, found[-1].first, seq)
        else:
            found.append(Gap(ledger, origin, seq, seq))
    return found
