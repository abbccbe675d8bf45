"""Other histories of a lane, over the wire: what shows in a Have or in a refused batch is asked for, piece by piece, from its end back.

A pull names the lane and where to go on; that cannot tell two histories apart, and two copies of one computer listen on one
subject. So a piece is asked for by the hash it ends at, and only who holds that very entry answers. Each piece is proven by the
signature at its end, or by the entry after it that names its hash; it is bounded like a batch, and what lies before it is wanted next.
Where a lane has two histories, also what goes on from ours is asked for so: the copy that answers a pull may be the other one, each time.
What a lane lacks to be set right is wanted for as long as it is missing, which may be weeks: where nobody gives it, it rests, longer each
time, until our own line is another one; a Have that shows it is asked about at once.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import msgspec

from protocol import batch as batches
from protocol import entry
from protocol import lane as lanes
from protocol.node.forks import Forks, Moved, Wanted
from protocol.node.link import subjects
from protocol.node.link.ground import Ground
from protocol.node.link.rests import Rests
from protocol.problem import OWN_STORE, Refused

ANSWER_S_MAX = 3.0
ROUND_S = 0.2  # what is wanted meanwhile goes together
HOLDERS_MAX = 4
AT_ONCE, ROUND_MAX = 8, 64  # asked for at once, and before what was wanted meanwhile has its turn
REST_S_MIN, REST_S_MAX, RESTS_MAX = 1.0, 30.0, 5_000  # of an end that somebody spoke of, or that a lane lacks, and nobody gave
Key = tuple[str, str, bytes]  # (ledger, origin, hash)
Name = Annotated[str, msgspec.Meta(max_length=80)]


class EndAsk(msgspec.Struct, array_like=True, frozen=True):
    """The piece of a lane's history that ends at (seq, hash); whoever does not hold that entry says nothing."""

    ledger: Name
    origin: Name
    seq: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    hash: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


end_asks = msgspec.msgpack.Decoder(EndAsk)


class Branches:
    def __init__(self, ground: Ground, forks: Forks, moved: Callable[[str, str], None], noted: Callable[[], None]) -> None:
        """moved: this lane's history is another one now; what it lacks is asked for again · noted: what was kept beside a lane may name files."""
        self._ground, self._forks, self._moved, self._noted = ground, forks, moved, noted
        self._rests: Rests[Key] = Rests(REST_S_MIN, REST_S_MAX, RESTS_MAX)  # by the word of somebody
        self._lacks: Rests[Key] = Rests(REST_S_MIN, REST_S_MAX, RESTS_MAX)  # of what is lacked (`Forks.lacked`)

    def again(self) -> None:
        """Our own line is another one: what nobody gave over the one before may be given now."""
        self._lacks.clear()
        self._forks.changed.set()

    async def work(self) -> None:
        """For ever: asks for what is wanted, sets right what can be."""
        forks = self._forks
        while True:
            await self._due()
            await asyncio.sleep(ROUND_S)
            if not self._ground.leads():
                continue
            if forks.changed.is_set():
                forks.changed.clear()
                self._noted()
            await self.settle()  # what is here already never waits for what may not exist
            wanted = self._in_turn(forks.take()) if self._ground.link.is_connected else []
            for later in wanted[ROUND_MAX:]:
                forks.want(later)
            del wanted[ROUND_MAX:]
            for first in range(0, len(wanted), AT_ONCE):
                await asyncio.gather(*(self._fetch(one) for one in wanted[first : first + AT_ONCE]))
                await self.settle()

    async def _due(self) -> None:
        """Returns when something changed, or what is lacked has rested and somebody could be asked."""
        lacked = self._forks.lacked
        self._lacks.keep(lacked)
        can_ask = self._ground.leads() and self._ground.link.is_connected
        with suppress(TimeoutError):
            async with asyncio.timeout(min(map(self._lacks.left_s, lacked), default=None) if can_ask else None):
                await self._forks.changed.wait()

    def _in_turn(self, wanted: list[Wanted]) -> list[Wanted]:
        """One end of each speaker after the other; of what a proven entry names, one of each writer, before them: whoever writes a lane may sign
        entries before which nothing is. What nobody gave a moment ago is left to a later Have, what is lacked to a later round."""
        turns: Counter[str] = Counter()
        ranked: list[tuple[int, bool, int, Wanted]] = []
        for n, one in enumerate(wanted):
            if not self._is_resting(one):
                whose = f"{entry.node_of(one.origin)} wrote" if one.vouched else one.node
                turns[whose] += 1
                ranked.append((turns[whose], not one.vouched, n, one))
        return [one for *_, one in sorted(ranked, key=lambda r: r[:3])]

    def _is_resting(self, one: Wanted) -> bool:
        key = one.key
        is_lacked = key in self._forks.lacked
        if is_lacked and not self._lacks.holds(key):
            return False
        return self._rests.holds(key) if one.node else is_lacked

    async def settle(self) -> None:
        ground = self._ground
        for one in await self._settled():
            await ground.refresh([one.ledger])
            ground.wake.commit([(one.ledger, one.origin)], one.subjects)
            self._moved(one.ledger, one.origin)

    async def _settled(self) -> list[Moved]:
        try:
            return await self._forks.settle()
        except Refused:  # of our own store: what is lacked is not looked for again each moment
            for key in self._forks.lacked:
                self._lacks.put(key)
            raise

    async def _fetch(self, wanted: Wanted) -> None:
        key, is_given = wanted.key, await self._is_given(wanted)
        if key in self._forks.lacked:  # if it came, it is not any more as soon as that was looked at
            self._lacks.put(key)
        if is_given:
            self._rests.drop(key)
        elif wanted.node and not wanted.vouched:  # a word alone: nobody needs to hold it
            self._rests.put(key)

    async def _is_given(self, wanted: Wanted) -> bool:
        for holder in self._holders(wanted):
            subject = subjects.pull(self._ground.peers.branch(holder, wanted.ledger), holder)
            ask = EndAsk(wanted.ledger, wanted.origin, wanted.seq, wanted.hash)
            try:
                answer = await self._ground.ask(holder, subject, msgspec.msgpack.encode(ask), ANSWER_S_MAX)
            except TimeoutError:
                continue
            if answer is not None and answer.data and await self._taken(holder, wanted, answer.data):
                return True
        return False

    async def _taken(self, holder: str, wanted: Wanted, wire: bytes) -> bool:
        try:
            got = batches.unpack(wire)
            if (got.ledger, got.origin, got.last) != (wanted.ledger, wanted.origin, wanted.seq) or list(lanes.hashes(got))[
                -1
            ] != wanted.hash:
                return False
            if wanted.vouched or not await self._goes_on(holder, got):
                await self._forks.note(got, holder, wanted.hash if wanted.vouched else b"")
        except Refused as refused:
            if refused.code in OWN_STORE:
                if wanted.key not in self._forks.lacked:
                    self._forks.want(wanted)
            else:
                self._ground.quarantine(holder, wanted.ledger, wanted.origin, refused, wire)
            return refused.code in OWN_STORE
        return True

    async def _goes_on(self, holder: str, got: batches.Batch) -> bool:
        """Claims that it is the lane itself that goes on there, or was kept beside it, and all of it is taken in."""
        if not got.after <= self._ground.head(got.ledger, got.origin).seq < got.last:
            return False
        try:
            await self._ground.admission.admit(got, holder, backlog=True)
        except Refused as refused:
            if refused.code in OWN_STORE:
                raise
            return refused.code == "lane_fork"  # whoever refused it kept it
        await self._ground.refresh([got.ledger])
        return True

    def _holders(self, wanted: Wanted) -> list[str]:
        """Where it was seen, then whoever keeps the ledger and answers; the writer itself may have a twin, and that one may hold it."""
        ground = self._ground
        expected = ground.peers.worth_asking(k for k in ground.peers if not k.revoked and wanted.ledger in k.lanes)
        nodes = [wanted.node, *(k.certificate.node for k in expected)]
        return list(dict.fromkeys(n for n in nodes if n))[:HOLDERS_MAX]
