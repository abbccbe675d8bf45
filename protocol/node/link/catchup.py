"""Catching up: whatever is missing is pulled, a bounded piece at a time, from any node that has the lane, at our own pace.

A piece that is refused is asked for again at half its size, down to one commit; then the next holder is asked, and when all have
failed the lane rests for `REST_S` while the others go on. One that did not come in time is asked for at a quarter of its size, at last
one commit, and that is waited for longer: a thin line carries small ones. What nobody gives is asked for no more until somebody shows
it again, but counted as missing as long as a proven Have says that it exists. Resumable by nature: the next pull begins at the lane's
head. Whose word about a lane is worth what stands in needs.py, whose turn it is in turns.py.
"""

import asyncio
import math
from collections.abc import Iterable

import msgspec
from nats.aio.msg import Msg

from protocol import batch as batches
from protocol.batch import BATCH_ENTRIES_MAX, Batch
from protocol.node import log, observe
from protocol.node.link import subjects
from protocol.node.link.answers import LaneAsk, refused_as
from protocol.node.link.claims import is_later_self
from protocol.node.link.ground import Ground
from protocol.node.link.needs import PATIENCE_S_MAX, Lane, Need, Needs
from protocol.node.link.turns import SHARE, Turns
from protocol.problem import OWN_STORE, Refused

WORKERS = 4  # lanes pulled at once: the store admits one at a time anyway, the others hide the wire's delay
WORKERS_SHARED = 16  # where others write at the same time, one transaction takes what so many bring
ANSWER_S_MAX = 3.0  # at first
PIECE_S = 1.0  # what came sooner may be larger the next time; what is live does not wait long behind it
RETRY_S_MAX, REST_S = 5.0, 30.0
FOLLOWS_S = 0.5  # how soon a program that has come to lead begins to pull
CHEAP_S = 0.001  # what costs no more is looked up each time
CALM_S_MAX = 0.5  # live goes first, but never starves what is behind


class CatchUp:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._said = Needs(ground)
        self._needs = self._said.kept
        self._turns = Turns(self._said, WORKERS_SHARED if ground.admission.is_shared else WORKERS)
        self._poke = asyncio.Event()
        self._is_done, self._done_at, self._done_cost_s = True, 0.0, 0.0
        ground.on_back = self._back

    def need(self, ledger: str, origin: str, until: int, holder: str, limit: int = BATCH_ENTRIES_MAX, *, signed: bool = False) -> None:
        """Somebody showed that the lane goes on to `until`. signed: in a Have that was proven. Does not block."""
        found = self._said.show((ledger, origin), until, holder, signed)
        if found is None:
            return
        found.limit = min(found.limit, limit)
        if holder not in found.tried and not found.resting:
            now = asyncio.get_running_loop().time()
            found.due = min(found.due, now if holder not in found.vain else max(now, found.again))
        self._fresh()

    def retold(self, node: str, ledger: str, origins: Iterable[str]) -> None:
        """A Have of this node was proven: of the ledger it holds these lanes, and no others."""
        self._said.retold(node, ledger, origins)

    def again(self, ledger: str, origin: str) -> None:
        """What the lane ended with here has changed: whoever was refused before may be right now."""
        lane, here = (ledger, origin), self._ground.head(ledger, origin).seq
        for known in self._ground.peers:
            if not known.revoked and (seq := known.lanes.get(ledger, {}).get(origin, (0, b""))[0]) > here:
                found = self._said.show(lane, seq, known.certificate.node, True)
                if found is not None:
                    found.due, found.resting = asyncio.get_running_loop().time(), False
                    found.tried.clear()
        self._fresh()

    def connected(self) -> None:
        """Our own line is another one: who gave nothing over the one before may give now."""
        self._back("")

    def _back(self, node: str) -> None:
        self._said.back(node)
        self._fresh()

    def _fresh(self) -> None:
        self._turns.fresh()
        self._poke.set()

    @property
    def is_done(self) -> bool:
        """Claims that nothing is known to be missing, or at least that nobody who answers has it. Of very many it is what was so a moment ago:
        files ask it each 20 ms."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._done_cost_s <= CHEAP_S or now - self._done_at >= SHARE * self._done_cost_s:
            some = ((lane, need) for lane, need in self._needs.items() if need.busy or need.due <= now)
            self._is_done = not any(self._said.counts(lane, need) for lane, need in some)
            self._done_at, self._done_cost_s = now, loop.time() - now
        return self._is_done

    @property
    def behind(self) -> dict[Lane, int]:
        """Lane → how many entries are known to be missing."""
        shown = ((lane, self._said.shown(lane, need)) for lane, need in self._needs.items())
        return {lane: until - self._ground.head(*lane).seq for lane, until in shown if until}

    @property
    def missing(self) -> dict[Lane, int]:
        """Lane → the seq up to which entries are known to be missing; of what is worth waiting for (needs.awaited)."""
        return {lane: until for lane, need in self._needs.items() if (until := self._said.awaited(lane, need))}

    def lacks(self, lane: Lane, until: int) -> bool:
        """Claims that an entry up to there is known to be missing, and worth waiting for."""
        need = self._needs.get(lane)
        if need is None or self._ground.head(*lane).seq >= min(until, need.until):
            return False
        return self._said.awaited(lane, need) > 0

    def awaited_of(self) -> list[str]:
        """Nodes that say they have what `missing` names, in order."""
        return sorted({node for lane in self.missing for node in self._said.speakers(lane, self._needs[lane])})

    def lacks_common(self) -> bool:
        """Claims that more of *common* is known to exist: who is enrolled is not known to the last."""
        return self._said.lacks_common()

    def since_ms(self, lane: Lane) -> int:
        """Since when something of a lane of `behind` is known to be missing."""
        return self._needs[lane].since_ms

    def forget_gone(self) -> None:
        """What was shown by somebody who counts no more. Nodes may be known that were not."""
        for lane, need in self._needs.items():
            if need.due == math.inf:
                need.until = min(need.until, self._said.said(lane, need))
        self._said.recount()
        self._show_cut()

    def forget_met(self) -> None:
        """What a program that leads has pulled meanwhile."""
        for lane in [lane for lane, need in self._needs.items() if not need.busy and self._ground.head(*lane).seq >= need.until]:
            self._said.drop(lane)
        self._show_cut()

    def _show_cut(self) -> None:
        """What was more than one speaker may have waiting, as far as there is room now."""
        for node, ledger in self._said.with_room():
            known = self._ground.peers.get(node)
            for origin, (seq, _) in known.lanes.get(ledger, {}).items() if known else ():
                if seq > self._ground.head(ledger, origin).seq and not is_later_self(self._ground.signer, origin):
                    self.need(ledger, origin, seq, node, signed=True)

    async def work(self) -> None:
        """One worker; run WORKERS of them for ever."""
        while True:
            if not self._ground.leads():
                await asyncio.sleep(FOLLOWS_S)
                continue
            lane = self._turns.next()
            if lane is None:
                self._poke.clear()
                try:
                    async with asyncio.timeout(self._wait_s()):
                        await self._poke.wait()
                except TimeoutError:
                    pass
                continue
            need = self._needs[lane]
            need.busy = True
            try:
                await self._pull(lane, need)
            finally:
                need.busy = False
                if self._turns.done(lane):
                    self._fresh()
            if self._ground.head(*lane).seq >= need.until:
                self._said.drop(lane)
                self._show_cut()

    def _wait_s(self) -> float:
        """How long until a lane is due, or may be looked for."""
        if self._turns.owes_s:
            return self._turns.owes_s
        now = asyncio.get_running_loop().time()
        return min((need.due - now for need in self._needs.values() if not need.busy and need.due > now), default=60.0)

    async def _pull(self, lane: Lane, need: Need) -> None:
        """One request and its admission; sets when to go on."""
        ground, loop = self._ground, asyncio.get_running_loop()
        after = ground.head(*lane).seq
        if after >= need.until:
            return
        holder = next(iter(ground.peers.holders(*lane, after, need.tried, need.hinted)), None)
        if holder is None or not ground.link.is_connected:
            need.tried.clear()
            need.due, need.pause_s = loop.time() + need.pause_s, min(need.pause_s * 2, RETRY_S_MAX)
            if need.pause_s == RETRY_S_MAX:  # a false word must not be chased for ever, a proven one is not forgotten
                if ground.link.is_connected or not need.signed:  # else nobody was asked; who only hinted at it says so again
                    self._said.give_up(lane, need)
                need.due, need.resting = math.inf, False
            return
        need.resting = False
        got = await self._ask(holder, lane, after, need)
        if got is None:
            self._gave_nothing(lane, need, holder)
            return
        try:
            async with asyncio.timeout(CALM_S_MAX):
                await ground.calm.wait()
        except TimeoutError:
            pass
        try:
            await ground.admission.admit(got, holder, backlog=True)
        except Refused as refused:
            self._judge(lane, need, holder, got, refused)
            return
        except Exception as error:  # noqa: BLE001, said aloud: a lane that can't be taken in costs the others no worker
            ground.faults["pull"] += 1
            log.event("pump part failed", kind="pull", exception=error)
            self._judge(lane, need, holder, got, Refused("batch_malformed", why=type(error).__name__))
            return
        await ground.refresh([lane[0]])
        if need.is_quick:
            need.limit = min(need.limit * 2, BATCH_ENTRIES_MAX)
        need.came()
        self._said.gave(holder)

    def _gave_nothing(self, lane: Lane, need: Need, holder: str) -> None:
        """Unless nothing could get there and back."""
        need.tried.add(holder)
        known = self._ground.peers.get(holder)
        if self._ground.link.is_connected and (known is None or self._ground.peers.is_in_reach(known)):
            self._said.gave_nothing(lane, need, holder)

    def _judge(self, lane: Lane, need: Need, holder: str, got: Batch, refused: Refused) -> None:
        """Our own store's trouble waits; a gap is looked at again; a broken batch is halved, at last its holder is left."""
        loop = asyncio.get_running_loop()
        if refused.code in OWN_STORE or refused.code == "lane_gap":
            need.due, need.pause_s = loop.time() + need.pause_s, min(need.pause_s * 2, RETRY_S_MAX)
            return
        self._ground.quarantine(holder, *lane, refused, batches.encode(got))
        if need.limit > 1 and len(got.heads) > 1 and refused.code not in ("lane_fork", "certificate_wrong", "lane_foreign"):
            need.limit = max(1, min(need.limit, len(got.heads)) // 2)
            return
        self._gave_nothing(lane, need, holder)
        need.limit = BATCH_ENTRIES_MAX
        if not self._ground.peers.holders(*lane, self._ground.head(*lane).seq, need.tried, need.hinted):
            need.tried.clear()
            need.due, need.resting = loop.time() + REST_S, True

    @observe.each("pull", lambda _, holder, lane, *__: {"node": holder, "ledger": lane[0], "origin": lane[1]})
    async def _ask(self, holder: str, lane: Lane, after: int, need: Need) -> Batch | None:
        """None: no answer, nothing to give, or not for us. A broken answer is counted."""
        ground, loop = self._ground, asyncio.get_running_loop()
        known, began, subject = ground.peers.get(holder), loop.time(), subjects.pull(ground.peers.branch(holder, lane[0]), holder)
        ask = msgspec.msgpack.encode(LaneAsk(*lane, after, need.limit, ground.speaks))
        try:
            answer = await ground.ask(holder, subject, ask, max(need.patience_s, ANSWER_S_MAX))
        except TimeoutError:
            answer = None
            if known is None or ground.peers.is_in_reach(known):  # else it says nothing about the line
                need.was_late(ANSWER_S_MAX)
        if known is not None:
            known.answered(answer is not None)
        if answer is None or not answer.data or refused_as(answer):
            return None
        took_s = loop.time() - began
        need.patience_s, need.is_quick = min(took_s * 4, PATIENCE_S_MAX), took_s < PIECE_S
        return self._read(holder, lane, after, answer)

    def _read(self, holder: str, lane: Lane, after: int, answer: Msg) -> Batch | None:
        try:
            got = batches.unpack(answer.data, self._ground.speaks)
            if (got.ledger, got.origin) != lane or got.after != after:
                raise Refused("lane_foreign", ledger=got.ledger)
        except Refused as refused:
            self._ground.quarantine(holder, *lane, refused, answer.data)
            return None
        return got
