"""That others hold more of our own lanes than this disk: then it is an old one, and nothing more is written under this origin.

A Have is a word, and any node may say it. So the entry itself is asked for, and what counts is our own signature under it; until the
answer nothing is written. Whoever shows none, or another's, or lets us ask nothing (we may be put out and not know it), is not listened to
about it for a while, then longer, and stands among the refused.
All strangers of a branch are one: who runs its server can say so under any name of it. What was said and not yet asked is bounded, and of
those who fill it one gives way to somebody else.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable

import msgspec

from protocol import batch as batches
from protocol import entry
from protocol import lane as lanes
from protocol.batch import Batch
from protocol.node.link import subjects
from protocol.node.link.answers import LaneAsk, refused_as
from protocol.node.link.ground import Ground
from protocol.node.link.parts import Signs
from protocol.node.link.rests import Rests
from protocol.problem import Refused

ANSWER_S_MAX = 3.0
ORIGINS_MAX = 8  # of ours, asked about in one round: the present one, else the latest
SPEAKERS_MAX = 8  # asked about one origin in one round
SILENT_MAX = 2  # in a row
NEAR_EPOCHS = 8  # so many later ones than ours an old folder may have forgotten
DOUBTED_S_MIN, DOUBTED_S_MAX, DOUBTED_MAX = 60.0, 3_600.0, 1_000


def is_later_self(signer: Signs, origin: str) -> bool:
    """Claims that it is the origin under which this node writes, or one that it opened after it: then its whole folder is an old one."""
    return entry.node_of(origin) == signer.node and entry.epoch_of(origin) >= entry.epoch_of(signer.origin)


class Claims:
    """overtaken: ledgers of which others are proven to hold more of our lane · highest: known epoch of this node (0: none)."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.overtaken: set[str] = set()
        self.highest = 0
        self._heard: dict[str, dict[tuple[str, str], int]] = {}  # our origin → (speaker, ledger) → seq
        self._asking = False
        self._silent: Counter[str] = Counter()  # whose word → how often in a row it was not answered for
        self._doubted: Rests[str] = Rests(DOUBTED_S_MIN, DOUBTED_S_MAX, DOUBTED_MAX)  # those who showed nothing
        self._poke = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Somebody says so, and has not shown it yet."""
        return self._asking or bool(self._heard)

    def note(self, speaker: str, ledger: str, origin: str, seq: int) -> None:
        whose = self._ground.peers.whose(speaker, ledger)
        if self._doubted.holds(whose) or not self._has_room(origin):
            return
        said = self._heard.setdefault(origin, {})
        if (speaker, ledger) in said or len(said) < SPEAKERS_MAX or self._has_made_room(said, whose):
            said[speaker, ledger] = seq
            self._poke.set()

    def _has_room(self, origin: str) -> bool:
        """The earliest of ours gives way to a later one, but not the one that is written now: that could be forked."""
        if origin in self._heard or len(self._heard) < ORIGINS_MAX:
            return True
        now = self._ground.signer.origin
        earliest = min((one for one in self._heard if one != now), key=entry.epoch_of)
        if origin != now and entry.epoch_of(origin) <= entry.epoch_of(earliest):
            return False
        del self._heard[earliest]
        return True

    def _has_made_room(self, said: dict[tuple[str, str], int], whose: str) -> bool:
        """One of those who fill it gives way; none for one of themselves."""
        of = {key: self._ground.peers.whose(*key) for key in said}
        counts = Counter(of.values())
        fullest = max(counts, key=counts.__getitem__)
        if counts[whose] >= counts[fullest]:
            return False
        del said[next(key for key in reversed(said) if of[key] == fullest)]
        return True

    async def work(self) -> None:
        """For ever."""
        while True:
            await self._poke.wait()
            self._poke.clear()
            heard, self._heard, self._asking = self._heard, {}, True
            try:
                shown = await asyncio.gather(*(self._is_shown(origin, said) for origin, said in heard.items()))
            finally:
                self._asking = False
            for origin, is_ours in zip(heard, shown, strict=True):
                if is_ours:
                    self._believe(origin, heard[origin])

    def _believe(self, origin: str, said: Iterable[tuple[str, str]]) -> None:
        self.highest = max(self.highest, entry.epoch_of(origin))
        self.overtaken |= {ledger for _, ledger in said}

    async def _is_shown(self, origin: str, said: dict[tuple[str, str], int]) -> bool:
        """Also where the line went before the answer: a new epoch costs nothing, and what is written until it is back could be a fork."""
        for (speaker, ledger), seq in said.items():
            whose = self._ground.peers.whose(speaker, ledger)
            if self._doubted.holds(whose):
                continue
            try:
                got = await self._asked(speaker, ledger, origin, seq)
            except Refused as refused:
                self._doubt(speaker, ledger, origin, refused)
                continue
            if got is None and not self._ground.link.is_connected:
                return entry.epoch_of(origin) <= entry.epoch_of(self._ground.signer.origin) + NEAR_EPOCHS
            if got is None:
                self._heard_nothing(speaker, ledger, origin, seq)
                continue
            del self._silent[whose]
            if self._is_ours(got, ledger, origin, seq):
                return True
            self._doubt(speaker, ledger, origin, Refused("signature_wrong"))
        return False

    def _heard_nothing(self, speaker: str, ledger: str, origin: str, seq: int) -> None:
        """It is asked once more; then it is one who says so and does not show it."""
        whose = self._ground.peers.whose(speaker, ledger)
        self._silent[whose] += 1
        if self._silent[whose] < SILENT_MAX:
            self.note(speaker, ledger, origin, seq)
            return
        del self._silent[whose]
        self._doubt(speaker, ledger, origin, Refused("claim_unshown"))

    async def _asked(self, speaker: str, ledger: str, origin: str, seq: int) -> Batch | None:
        """None: no answer. Raises Refused: it does not have what it spoke of, or does not give it to us."""
        ground = self._ground
        subject = subjects.pull(ground.peers.branch(speaker, ledger), speaker)
        ask = msgspec.msgpack.encode(LaneAsk(ledger, origin, seq - 1, 1, ground.speaks))
        try:
            answer = await ground.ask(speaker, subject, ask, ANSWER_S_MAX)
        except TimeoutError:
            return None
        if answer is None:
            return None
        if refused_as(answer):
            raise Refused("claim_refused")
        if not answer.data:
            raise Refused("claim_unshown")
        return batches.unpack(answer.data, ground.speaks)

    def _is_ours(self, got: Batch, ledger: str, origin: str, seq: int) -> bool:
        """The last head is the one that was signed, and it names its lane and all before it."""
        try:
            head = entry.decode_head(got.heads[-1])
        except entry.UNREADABLE:
            return False
        is_named = (head.ledger, head.origin, head.seq) == (ledger, origin, got.last) and got.last >= seq
        key = bytes(self._ground.signer.key.verify_key)
        return is_named and entry.is_signed(key, list(lanes.hashes(got))[-1], got.signature)

    def _doubt(self, speaker: str, ledger: str, origin: str, refused: Refused) -> None:
        self._doubted.put(self._ground.peers.whose(speaker, ledger))
        self._ground.quarantine(speaker, ledger, origin, refused)
