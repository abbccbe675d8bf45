"""Words that are missing here though nobody erased them, asked for of whoever holds the entry too.

A holder may have given an entry without its words: it had them not, or a node that was put out had erased them there and not here.
The chain says nothing about it, so digests are equal and no gap shows. What comes is proven by the hash in the head.
"""

import asyncio

import msgspec

from protocol import batch as batches
from protocol.node.bodies import Counts, Lost, give_back, lacking
from protocol.node.link import subjects
from protocol.node.link.answers import LaneAsk
from protocol.node.link.catchup import CatchUp
from protocol.node.link.ground import Ground
from protocol.node.link.rests import Rests
from protocol.place import COMMON
from protocol.problem import OWN_STORE, Refused

ANSWER_S_MAX = 3.0
LOOK_S = 60.0  # what committed since the last look is looked through so seldom: words are hardly ever missing
AT_ONCE = 50
REST_S_MIN, REST_S_MAX, RESTS_MAX = 5.0, 600.0, 5_000


class Words:
    def __init__(self, ground: Ground, catchup: CatchUp, counts: Counts) -> None:
        self._ground, self._catchup, self._counts = ground, catchup, counts
        self._rests: Rests[Lost] = Rests(REST_S_MIN, REST_S_MAX, RESTS_MAX)
        self._last: Lost | None = None  # that was asked for: those after it come next, round and round
        self._poke = asyncio.Event()
        self._since = True  # something was committed since the last look

    def committed(self, ledger: str) -> None:
        """In *common* somebody may have been put out: that is looked at now."""
        self._since = True
        if ledger == COMMON:
            self._poke.set()

    def again(self) -> None:
        """Somebody is back: what rested is asked for once more."""
        self._rests.clear()
        self._since = True
        self._poke.set()

    async def work(self) -> None:
        """For ever."""
        while True:
            self._poke.clear()  # before: what commits meanwhile is looked through after it
            lost = await self._look() if self._ground.leads() and self._ground.link.is_connected else []
            for one in lost:
                await self._fetch(one)
            was_early = self._since and not self._catchup.is_done
            try:
                async with asyncio.timeout(REST_S_MIN if lost or was_early else LOOK_S):
                    await self._poke.wait()
            except TimeoutError:
                pass

    async def _look(self) -> list[Lost]:
        """What is due now, after all that the ledgers lack: an erasure may be among it."""
        if not self._catchup.is_done or not (self._since or self._rests):
            return []
        self._since = False
        lost = await lacking(self._ground.journal, self._counts)
        self._rests.keep(lost)
        due, last = sorted(one for one in lost if not self._rests.holds(one)), self._last
        self._since = self._since or len(due) > AT_ONCE  # those that have no turn now have it though all the others come
        later = [one for one in due if last is not None and one > last]
        some = [*later, *due[: len(due) - len(later)]][:AT_ONCE]
        self._last = some[-1] if some else last
        return some

    async def _fetch(self, lost: Lost) -> None:
        for holder in self._holders(lost[0]):
            try:
                if await self._taken(holder, lost):
                    self._rests.drop(lost)
                    return
            except TimeoutError:
                continue
            except Refused as refused:
                if refused.code in OWN_STORE:
                    break
                self._ground.quarantine(holder, lost[0], lost[1], refused)
        self._rests.put(lost)

    async def _taken(self, holder: str, lost: Lost) -> bool:
        """Raises TimeoutError, Refused."""
        ground, (ledger, origin, seq, subject) = self._ground, lost
        asked = msgspec.msgpack.encode(LaneAsk(ledger, origin, seq - 1, 1, ground.speaks))
        answer = await ground.ask(holder, subjects.pull(ground.peers.branch(holder, ledger), holder), asked, ANSWER_S_MAX)
        if answer is None or not answer.data:
            return False
        got = batches.unpack(answer.data, ground.speaks)
        if (got.ledger, got.origin, got.after) != (ledger, origin, seq - 1):
            raise Refused("lane_foreign", ledger=got.ledger)
        words = got.entries[0]
        async with ground.journal.writing() as w:
            is_back = await give_back(w, lost, words, holder, ground.clock(), self._counts)
        if is_back:
            ground.wake.commit([], [subject])
        return is_back

    def _holders(self, ledger: str) -> list[str]:
        peers = self._ground.peers
        return [k.certificate.node for k in peers.worth_asking(peers.hearers(ledger))]
