"""A county's nodes as light as they can be, and the wire between them and one real program. All on one loop (hurried.py).

    wire = Wire(loop, certificate of the county, clock); node = Light(wire, certificate, key, …)
    link = wire.link()                     what stands in for the Link of the real program
    node.connect() · node.save(drafts)     as a program's start, and as a commit at its desk

A light node has no store, no pages and no proofs, but all that the county hears of it is real: its own lanes, chained and signed; a
signed Have of each of its ledgers as `protocol.node.link.pump` says them (30 s after the last, of *common* 120 s; 1 s, then up to 5 s, while somebody lacks
something; soon after each commit); its saves as live batches; what is pulled of it. A township's has its villages' ledgers too and
answers for them. It believes what it hears, and pulls from whoever shows more. What the wire would bring it that changes
nothing (the Haves of *common* of all others) is counted, not heard.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from nacl.signing import SigningKey

from deploy.nats.permissions import allows
from protocol import batch as batches
from protocol import certificate as certificates
from protocol import entry, have, lane
from protocol.batch import SPEAKS, Batch
from protocol.certificate import Certificate
from protocol.events import Draft
from protocol.have import Have, Lanes, Room
from protocol.lane import LaneHead
from protocol.node.link import subjects
from protocol.node.link.answers import LaneAsk
from protocol.node.link.client import LinkState
from protocol.node.link.hearing import is_for_all
from protocol.node.link.pump import GATHER_S, QUIET_S, REPEAT_GROWTH, REPEAT_S_MAX, REPEAT_S_MIN, TOLD_S_MIN, quiet_s
from protocol.node.version import VERSION
from protocol.place import COMMON
from tests.bench.kit.hurried import HurriedLoop

DELAY_S: Final = 0.002  # of one message, and of a light node's commit
ROOM: Final = Room(200_000, 400_000)
AUTHOR: Final = ("a" * 32, "clerk.00000001")
_asks = msgspec.msgpack.Decoder(LaneAsk)


class Msg(NamedTuple):
    """What hearing and answers read of nats-py's."""

    subject: str
    reply: str
    data: bytes
    headers: dict[str, str] | None = None


class Row(NamedTuple):
    """Of a lane, as `batches.cut` takes it."""

    head_bytes: bytes
    salt: bytes | None
    body: bytes | None
    hash: bytes
    signature: bytes | None


class Wire:
    """said, heard: how many messages the county said and heard, by kind · said_bytes: of them · common_bytes: of *common*, whoever said it."""

    def __init__(self, loop: HurriedLoop, crown: Certificate, clock: Callable[[], int]) -> None:
        self.loop, self.crown, self.county, self.clock = loop, crown, crown.node, clock
        self.nodes: dict[str, Light] = {}
        self.hearers: defaultdict[str, list[Light]] = defaultdict(list)
        self.at: CountyLink | None = None
        self.said, self.heard = Counter[str](), Counter[str]()
        self.said_bytes = self.common_bytes = 0

    def join(self, node: "Light") -> None:
        self.nodes[node.id] = node
        for ledger in node.ledgers:
            self.hearers[ledger].append(node)

    def link(self) -> "CountyLink":
        self.at = CountyLink(self)
        return self.at

    def later(self, seconds: float, what: Callable[..., None], *words: Any) -> asyncio.TimerHandle:
        """What a light node does: apart."""
        return self.loop.call_later(seconds, self._apart, what, words)

    def _apart(self, what: Callable[..., None], words: tuple[Any, ...]) -> None:
        with self.loop.apart():
            what(*words)

    # ── from a light node ──

    def publish(self, node: "Light", subject: str, body: bytes) -> None:
        ledger, _ = subjects.read(subject)
        if ledger == COMMON:
            self.common_bytes += len(subject) + len(body)
        self._to_county(Msg(subject, "", body))
        self._to_light(ledger, node.id, subject, body)

    def pull(self, node: "Light", holder: str, ask: LaneAsk) -> None:
        subject, body = subjects.pull(self.branch(holder), holder), msgspec.msgpack.encode(ask)
        if holder == self.county:
            self._to_county(Msg(subject, f"{subjects.inbox(node.certificate.branch, node.id)}.{ask.ledger}", body))
        else:
            self.later(DELAY_S, node.answered, self.nodes[holder].answer(body))

    def branch(self, holder: str) -> str:
        return "_" if holder == self.county else self.nodes[holder].certificate.branch

    def _to_county(self, msg: Msg) -> None:
        if self.at is not None:
            self.heard[_kind(msg.subject)] += 1
            self.loop.call_later(DELAY_S, self.at.deliver, msg)

    # ── from the county ──

    def publish_from_county(self, subject: str, body: bytes) -> None:
        kind = _kind(subject)
        self.said[kind] += 1
        self.said_bytes += len(subject) + len(body)
        if subject.startswith("_INBOX."):
            self.later(DELAY_S, self.nodes[subject.split(".")[2]].answered, body)
            return
        ledger, speaker = subjects.read(subject)
        if ledger == COMMON:
            self.common_bytes += len(subject) + len(body)
        self._to_light(ledger, speaker, subject, body)

    def _to_light(self, ledger: str, speaker: str, subject: str, body: bytes) -> None:
        hearers = self.hearers.get(ledger, ())
        if ledger == COMMON:
            hearers = self.nodes.values() if speaker == self.county else ()
        for other in hearers:
            if other.id != speaker and other.is_connected:
                self.later(DELAY_S, other.hear, subject, body)


class Light:
    """ledgers: whose entries it has · lanes: of each, what it holds · receipts: (speaker, ledger) → what that one said last."""

    def __init__(self, wire: Wire, certificate: Certificate, key: SigningKey, ledgers: Sequence[str], common: Lanes) -> None:
        self.wire, self.certificate, self.key, self.ledgers = wire, certificate, key, (COMMON, *ledgers)
        self.id, self.origin, self.seat = certificate.node, entry.origin_of(certificate.node, 1), ledgers[0]
        self.lanes: dict[str, Lanes] = {ledger: {} for ledger in self.ledgers} | {COMMON: dict(common)}
        self.rows: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        self.receipts: dict[tuple[str, str], Lanes] = {}
        self.is_connected, self.heard_bytes, self.saves = False, 0, 0
        self._anew = False
        self._said: dict[str, float] = {}
        self._due: dict[str, bool] = {}  # ledger → with the question; its Have is on its way
        self._pause: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._told: dict[str, float] = {}
        wire.join(self)

    def connect(self) -> None:
        self.is_connected = self._anew = True
        for ledger in self.ledgers:
            self.say(ledger, want=True)

    def leave(self) -> None:
        self.is_connected = False
        for timer in self._timers.values():
            timer.cancel()
        for one in (self._said, self._due, self._timers, self._told, self.receipts):
            one.clear()

    # ── writing ──

    def save(self, drafts: Sequence[Draft], command: str, salt: Callable[[], bytes]) -> Batch:
        """One commit to its own lane of its seat; goes out at once where it is connected."""
        lanes, opening = self.lanes[self.seat], list[Draft]()
        seq, hash_ = lanes.get(self.origin, (0, entry.START))
        if not seq:
            opening = [lane.open_lane(self.seat, self.origin, self.certificate)]
        made = lane.next_entries(
            LaneHead(seq, hash_, seq), [*opening, *drafts], origin=self.origin, key=self.key, author=AUTHOR, command=command,
            occurred_ms=self.wire.clock(), offset_ms=0, turns={}, salt=salt,
        ).batch  # fmt: skip
        self._take(made)
        self.saves += 1
        if self.is_connected:
            self.wire.publish(self, subjects.live(self.seat, self.id), batches.pack(made, SPEAKS))
        return made

    def _take(self, got: Batch) -> None:
        """Raises AssertionError: it does not follow what is here."""
        lanes, hashes = self.lanes[got.ledger], list(lane.hashes(got))
        assert (got.after, got.prev) == lanes.get(got.origin, (0, entry.START)), f"{got.ledger} {got.origin} after {got.after}"
        lanes[got.origin] = (got.last, hashes[-1])
        last = len(hashes) - 1
        for n, (head, body, hash_) in enumerate(zip(got.heads, got.bodies, hashes, strict=True)):
            self.rows[got.ledger, got.origin].append(Row(head, *(body or (None, None)), hash_, got.signature if n == last else None))
        self._pause[got.ledger] = REPEAT_S_MIN
        if self.is_connected:
            self.say(got.ledger)

    # ── speaking ──

    def say(self, ledger: str, want: bool = False) -> None:
        """A moment later, and not again within GATHER_S."""
        if ledger not in self._due:
            soon_s = max(DELAY_S, self._said.get(ledger, -QUIET_S) + GATHER_S - self.wire.loop.time())
            self.wire.later(soon_s, self._say, ledger)
        self._due[ledger] = self._due.get(ledger, False) or want

    def _say(self, ledger: str) -> None:
        want = self._due.pop(ledger, None)
        if want is None or not self.is_connected:
            return
        self._said[ledger] = self.wire.loop.time()
        speaks = (*SPEAKS, have.ANEW) if self._anew and ledger == COMMON else SPEAKS
        self._anew = self._anew and ledger != COMMON
        room = ROOM if ledger == self.seat else None
        said = Have(self.id, ledger, self.lanes[ledger], self.wire.clock(), VERSION, want, speaks, {}, room)
        self.wire.publish(self, subjects.have(ledger, self.id), have.sign(said, self.key))
        self._again(ledger)

    def _again(self, ledger: str) -> None:
        """When its Have is to be repeated, if nothing is said before."""
        if (before := self._timers.pop(ledger, None)) is not None:
            before.cancel()
        pause_s = self._pause.get(ledger, REPEAT_S_MIN) if self.is_unreceived(ledger) else quiet_s(self.certificate, ledger)
        self._timers[ledger] = self.wire.later(pause_s, self._repeat, ledger)

    def _repeat(self, ledger: str) -> None:
        if is_unreceived := self.is_unreceived(ledger):
            self._pause[ledger] = min(self._pause.get(ledger, REPEAT_S_MIN) * REPEAT_GROWTH, REPEAT_S_MAX)
        elif (early_s := quiet_s(self.certificate, ledger) - (self.wire.loop.time() - self._said[ledger])) > 0:  # received meanwhile
            self._timers[ledger] = self.wire.later(early_s, self._repeat, ledger)
            return
        self.say(ledger, want=is_unreceived)

    def is_unreceived(self, ledger: str) -> bool:
        """Claims that somebody who hears it lacks something. Of *common* only its writer keeps count."""
        if ledger == COMMON:
            return False
        hearers = [self.wire.county, *(other.id for other in self.wire.hearers[ledger] if other is not self)]
        return any(_lacks(self.receipts.get((other, ledger), {}), self.lanes[ledger]) for other in hearers)

    # ── hearing ──

    def hear(self, subject: str, body: bytes) -> None:
        self.heard_bytes += len(subject) + len(body)
        ledger, speaker = subjects.read(subject)
        if _kind(subject) == "have":
            self._have(have.read(body), ledger, speaker)
        else:
            self._live(batches.unpack(body), speaker)

    def _live(self, got: Batch, speaker: str) -> None:
        seq, _ = self.lanes[got.ledger].get(got.origin, (0, b""))
        if got.after == seq:
            self._take(got)
        elif got.after > seq:
            self.wire.pull(self, speaker, LaneAsk(got.ledger, got.origin, seq, batches.BATCH_ENTRIES_MAX, SPEAKS))

    def _have(self, got: Have, ledger: str, speaker: str) -> None:
        ours, now = self.lanes[ledger], self.wire.loop.time()
        self.receipts[speaker, ledger] = got.lanes
        for origin, (seq, _) in got.lanes.items():
            here, _ = ours.get(origin, (0, b""))
            if seq > here:
                self.wire.pull(self, speaker, LaneAsk(ledger, origin, here, batches.BATCH_ENTRIES_MAX, SPEAKS))
        lacks = _lacks(got.lanes, ours)
        if got.want and (lacks or ledger != COMMON or (speaker == self.wire.county and is_for_all(got, self.wire.crown))):
            self.say(ledger)
        if lacks and now - self._told.get(speaker, -TOLD_S_MIN) >= TOLD_S_MIN:
            self._told[speaker] = now
            self.say(ledger, want=True)

    # ── pulls ──

    def answer(self, body: bytes) -> bytes:
        """b"": there is nothing to give."""
        ask = _asks.decode(body)
        rows = self.rows[ask.ledger, ask.origin]
        if ask.after >= len(rows):
            return b""
        got = batches.cut(
            rows[ask.after :], ask.ledger, ask.origin, ask.after, rows[ask.after - 1].hash if ask.after else entry.START, ask.limit
        )
        return b"" if got is None else batches.pack(got, ask.speaks)

    def answered(self, body: bytes) -> None:
        got = batches.unpack(body) if body else None
        if got is not None and got.after == self.lanes[got.ledger].get(got.origin, (0, b""))[0]:
            self._take(got)


class CountyLink:
    """Stands in for `protocol.node.link.client.Link`: one queue and one task a subscription, as nats-py has them."""

    is_shut_out = False

    def __init__(self, wire: Wire) -> None:
        self._wire, self.is_connected = wire, False
        self._heard: list[tuple[str, asyncio.Queue[Msg]]] = []
        self._by_kind: dict[str, asyncio.Queue[Msg]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._greeted: list[Callable[[], None]] = []

    def state(self) -> LinkState:
        return LinkState(self.is_connected, "wire", False, 0, (), "")

    def on_connect(self, greeted: Callable[[], None]) -> None:
        self._greeted.append(greeted)

    async def subscribe(self, subject: str, cb: Callable[[Any], Any], _group: str = "") -> None:
        queue: asyncio.Queue[Msg] = asyncio.Queue()
        self._heard.append((subject, queue))
        self._tasks.append(asyncio.create_task(_drain(queue, cb)))

    async def publish(self, subject: str, body: bytes, _headers: dict[str, str] | None = None) -> bool:
        if self.is_connected:
            with self._wire.loop.apart():
                self._wire.publish_from_county(subject, body)
        return self.is_connected

    async def request(self, subject: str, body: bytes, _timeout_s: float) -> Msg | None:
        """Only pulls are answered here."""
        with self._wire.loop.apart():
            self._wire.said[_kind(subject)] += 1
            self._wire.said_bytes += len(subject) + len(body)
            other = self._wire.nodes.get(subject.rpartition(".")[2])
            answer = other.answer(body) if other is not None and other.is_connected else None
        await asyncio.sleep(2 * DELAY_S)
        return None if answer is None else Msg("", "", answer)

    async def confirm(self) -> None:
        pass

    def refused(self, _subject: str) -> bool:
        return False

    async def run(self) -> None:
        self.is_connected = True
        for greeted in self._greeted:
            greeted()
        try:
            await asyncio.Event().wait()
        finally:
            self.is_connected = False
            for task in self._tasks:
                task.cancel()

    def deliver(self, msg: Msg) -> None:
        where = msg.subject.rpartition(".")[0]
        if (queue := self._by_kind.get(where)) is None:
            queue = self._by_kind[where] = next(queue for pattern, queue in self._heard if allows((pattern,), msg.subject))
        queue.put_nowait(msg)


async def _drain(queue: "asyncio.Queue[Msg]", cb: Callable[[Any], Any]) -> None:
    while True:
        await cb(await queue.get())


def _kind(subject: str) -> str:
    """live, have, pull, blob, answer."""
    return "answer" if subject.startswith("_INBOX.") else subject.split(".", 2)[1]


def _lacks(said: Lanes, ours: Lanes) -> bool:
    return any(said.get(origin, (0, b""))[0] < seq for origin, (seq, _) in ours.items())


def issued(county_key: SigningKey, key: SigningKey, path: str, covers: Sequence[str], short: int, branch: str) -> Certificate:
    """A certificate of the light node at this place."""
    letters = "".join("abcdefghijklmnopqrstuvwxyz234567"[short >> shift & 31] for shift in (15, 10, 5, 0))
    return certificates.issue(
        county_key, node=f"nscal{letters}", name=path, key=bytes(key.verify_key), serves=(path,), covers=covers, short=short,
        valid_from_ms=1, branch=branch,
    )  # fmt: skip
