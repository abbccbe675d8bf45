"""Catching up: whatever is missing is pulled, a bounded piece at a time, from any node that has the lane, at our own pace.

A piece that is refused is asked for again at half its size, down to one commit; then the next holder is asked, and when all have
failed the lane rests for `REST_S` while the others go on. One that did not come in time is asked for at a quarter of its size, at last
one commit, and that is waited for longer: a thin line carries small ones. What nobody gives is asked for no more until somebody shows
it again, but counted as missing as long as a proven Have says that it exists. Resumable by nature: the next pull begins at the lane's
head.
"""

import asyncio
import math
from dataclasses import dataclass, field

import msgspec
from nats.aio.msg import Msg

from protocol import batch as batches
from protocol.batch import BATCH_ENTRIES_MAX, Batch
from protocol.node import observe
from protocol.node.link import subjects
from protocol.node.link.answers import REFUSED_HEADER, LaneAsk
from protocol.node.link.ground import Ground
from protocol.problem import OWN_STORE, Refused

WORKERS = 4  # lanes pulled at once: the store admits one at a time anyway, the others hide the wire's delay
WORKERS_SHARED = 16  # where others write at the same time, one transaction takes what so many bring
ANSWER_S_MAX, PATIENCE_S_MAX = 3.0, 24.0  # at first; on a line that turned out to be thin
PIECE_S = 1.0  # what came sooner may be larger the next time; what is live does not wait long behind it
RETRY_S_MIN, RETRY_S_MAX, REST_S = 0.2, 5.0, 30.0
FOLLOWS_S = 0.5  # how soon a program that has come to lead begins to pull
CALM_S_MAX = 0.5  # live goes first, but never starves what is behind


@dataclass
class Need:
    """until: the seq known to exist · since_ms: when that was shown first · limit: entries asked for at once · patience_s: how long an answer is
    waited for · is_quick: the last one came within PIECE_S · tried: nodes that failed since the last success · due: inf = not before somebody
    shows it again."""

    until: int
    since_ms: int = 0
    limit: int = BATCH_ENTRIES_MAX
    patience_s: float = 0.0
    is_quick: bool = True
    tried: set[str] = field(default_factory=set)
    pause_s: float = RETRY_S_MIN
    due: float = 0.0
    busy: bool = False
    resting: bool = False

    def was_late(self) -> None:
        """The line may be thin: less at once, and of one commit longer."""
        if self.limit > 1:
            self.limit = max(self.limit // 4, 1)
        else:
            self.patience_s = min(max(self.patience_s, ANSWER_S_MAX) * 2, PATIENCE_S_MAX)


class CatchUp:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._needs: dict[tuple[str, str], Need] = {}
        self._poke = asyncio.Event()

    def need(self, ledger: str, origin: str, until: int, holder: str, limit: int = BATCH_ENTRIES_MAX) -> None:
        """Somebody showed that the lane goes on to `until`. Does not block."""
        self._ground.peers.hint(holder, (ledger, origin), until)
        found = self._needs.setdefault((ledger, origin), Need(until, self._ground.clock()))
        found.until, found.limit = max(found.until, until), min(found.limit, limit)
        if holder not in found.tried and not found.resting:
            found.due = min(found.due, asyncio.get_running_loop().time())
        self._poke.set()

    def again(self, ledger: str, origin: str) -> None:
        """What the lane ended with here has changed: whoever was refused before may be right now."""
        best = self._proven((ledger, origin))
        if best > self._ground.head(ledger, origin).seq:
            found = self._needs.setdefault((ledger, origin), Need(best, self._ground.clock()))
            found.until, found.due, found.resting = max(best, found.until), asyncio.get_running_loop().time(), False
            found.tried.clear()
            self._poke.set()

    def _proven(self, lane: tuple[str, str]) -> int:
        """The last seq that somebody who counts signed to have."""
        ledger, origin = lane
        return max((k.lanes.get(ledger, {}).get(origin, (0, b""))[0] for k in self._ground.peers if not k.revoked), default=0)

    @property
    def is_done(self) -> bool:
        """Claims that nothing is known to be missing, or at least that nobody who answers has it."""
        now = asyncio.get_running_loop().time()
        return not any(need.busy or need.due <= now for need in self._needs.values())

    @property
    def behind(self) -> dict[tuple[str, str], int]:
        """Lane → how many entries are known to be missing."""
        return {lane: need.until - self._ground.head(*lane).seq for lane, need in self._needs.items()}

    @property
    def missing(self) -> dict[tuple[str, str], int]:
        """Lane → the seq up to which entries are known to be missing."""
        return {lane: need.until for lane, need in self._needs.items() if need.until > self._ground.head(*lane).seq}

    def lacks(self, lane: tuple[str, str], until: int) -> bool:
        """Claims that an entry up to there is known to be missing."""
        need = self._needs.get(lane)
        return need is not None and self._ground.head(*lane).seq < min(until, need.until)

    def since_ms(self, lane: tuple[str, str]) -> int:
        """Since when something of a lane of `behind` is known to be missing."""
        return self._needs[lane].since_ms

    def forget_gone(self) -> None:
        """What was shown by somebody who counts no more."""
        for lane, need in self._needs.items():
            if need.due == math.inf:
                need.until = min(need.until, self._proven(lane))

    def forget_met(self) -> None:
        """What a program that leads has pulled meanwhile."""
        for lane in [lane for lane, need in self._needs.items() if not need.busy and self._ground.head(*lane).seq >= need.until]:
            del self._needs[lane]

    async def work(self) -> None:
        """One worker; run WORKERS of them for ever."""
        while True:
            if not self._ground.leads():
                await asyncio.sleep(FOLLOWS_S)
                continue
            lane, wait_s = self._next()
            if lane is None:
                self._poke.clear()
                try:
                    async with asyncio.timeout(wait_s):
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
            if self._ground.head(*lane).seq >= need.until:
                self._needs.pop(lane, None)

    def _next(self) -> tuple[tuple[str, str] | None, float]:
        """A lane that is due, or how long until one is."""
        now = asyncio.get_running_loop().time()
        idle = [(need.due, lane) for lane, need in self._needs.items() if not need.busy]
        if not idle:
            return None, 60.0
        due, lane = min(idle)
        return (lane, 0.0) if due <= now else (None, min(due - now, 60.0))

    async def _pull(self, lane: tuple[str, str], need: Need) -> None:
        """One request and its admission; sets when to go on."""
        ground, loop = self._ground, asyncio.get_running_loop()
        after = ground.head(*lane).seq
        if after >= need.until:
            return
        holder = next(iter(ground.peers.holders(*lane, after, need.tried)), None)
        if holder is None or not ground.link.is_connected:
            need.tried.clear()
            need.due, need.pause_s = loop.time() + need.pause_s, min(need.pause_s * 2, RETRY_S_MAX)
            if need.pause_s == RETRY_S_MAX:  # a false word must not be chased for ever, a proven one is not forgotten
                need.due, need.until, need.resting = math.inf, min(need.until, self._proven(lane)), False
            return
        need.resting = False
        got = await self._ask(holder, lane, after, need)
        if got is None:
            need.tried.add(holder)
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
        await ground.refresh([lane[0]])
        need.pause_s = RETRY_S_MIN
        if need.is_quick:
            need.limit = min(need.limit * 2, BATCH_ENTRIES_MAX)
        need.tried.clear()

    def _judge(self, lane: tuple[str, str], need: Need, holder: str, got: Batch, refused: Refused) -> None:
        """Our own store's trouble waits; a gap is looked at again; a broken batch is halved, at last its holder is left."""
        loop = asyncio.get_running_loop()
        if refused.code in OWN_STORE or refused.code == "lane_gap":
            need.due, need.pause_s = loop.time() + need.pause_s, min(need.pause_s * 2, RETRY_S_MAX)
            return
        self._ground.quarantine(holder, *lane, refused, batches.encode(got))
        if need.limit > 1 and len(got.heads) > 1 and refused.code not in ("lane_fork", "certificate_wrong", "lane_foreign"):
            need.limit = max(1, min(need.limit, len(got.heads)) // 2)
            return
        need.tried.add(holder)
        need.limit = BATCH_ENTRIES_MAX
        if not self._ground.peers.holders(*lane, self._ground.head(*lane).seq, need.tried):
            need.tried.clear()
            need.due, need.resting = loop.time() + REST_S, True

    @observe.each("pull", lambda _, holder, lane, *__: {"node": holder, "ledger": lane[0], "origin": lane[1]})
    async def _ask(self, holder: str, lane: tuple[str, str], after: int, need: Need) -> Batch | None:
        """None: no answer, nothing to give, or not for us. A broken answer is counted."""
        ground, loop = self._ground, asyncio.get_running_loop()
        known, began, subject = ground.peers.get(holder), loop.time(), subjects.pull(ground.peers.branch(holder, lane[0]), holder)
        ask = msgspec.msgpack.encode(LaneAsk(*lane, after, need.limit, ground.speaks))
        try:
            answer = await ground.ask(holder, subject, ask, max(need.patience_s, ANSWER_S_MAX))
        except TimeoutError:
            answer = None
            if known is None or ground.peers.is_in_reach(known):  # else it says nothing about the line
                need.was_late()
        if known is not None:
            known.answered(answer is not None)
        if answer is None or not answer.data or (answer.headers or {}).get(REFUSED_HEADER):
            return None
        took_s = loop.time() - began
        need.patience_s, need.is_quick = min(took_s * 4, PATIENCE_S_MAX), took_s < PIECE_S
        return self._read(holder, lane, after, answer)

    def _read(self, holder: str, lane: tuple[str, str], after: int, answer: Msg) -> Batch | None:
        try:
            got = batches.unpack(answer.data, self._ground.speaks)
            if (got.ledger, got.origin) != lane or got.after != after:
                raise Refused("lane_foreign", ledger=got.ledger)
        except Refused as refused:
            self._ground.quarantine(holder, *lane, refused, answer.data)
            return None
        return got
