"""What this node knows of the others: their certificates, what they last said they have, how far our clocks are apart.

Only a signed Have of an enrolled node counts as a receipt. Who is expected to receive a ledger follows from the certificates:
every node that hears it; of *common* only its writer keeps count, else each node would count all others.

What a node said before this program started (`remember`) counts in the figures that people are shown, until it speaks of that ledger again: a receipt
does not end with a program. What is asked and sent follows what was heard since the start alone.

Clock offset: what a Have says of its speaker's clock is at least the wire's delay old when it is heard. The smallest difference of
the last few is therefore the best, and at most that delay too high; a message that was held up does not spoil it.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from types import MappingProxyType

import msgspec

from protocol import certificate as certificates
from protocol import generations, place
from protocol.certificate import Certificate
from protocol.have import Have, Lanes, Room
from protocol.node.link.parts import Head

SAMPLES_MAX = 16
STRANGERS_MAX = 1_000  # nodes heard of that nobody vouched for yet

Heads = Mapping[str, Mapping[str, Head]]  # ledger → origin → head
Lane = tuple[str, str, int]  # ledger, origin, seq


class Peer(msgspec.Struct, frozen=True):
    """For the page 连接与台账. lacks: ledgers of which it has not all we have · leads: ledgers of which it has more than we do.

    offset_ms: how far OUR clock is ahead of its (None: not heard since the start) · last_seen_ms: our clock, None: never heard · owed: entries it lacks, owed_from: the
    first of them in each lane · due: entries of its that we lack · room: of its disk, None: it never said · reads: the generation of its events.
    """

    node: str
    name: str
    lacks: tuple[str, ...]
    leads: tuple[str, ...]
    last_seen_ms: int | None
    offset_ms: int | None
    version: str
    revoked: bool
    owed: int = 0
    owed_from: tuple[Lane, ...] = ()
    due: int = 0
    room: Room | None = None
    reads: int = generations.GENERATION


class Debt(msgspec.Struct, frozen=True):
    """Between this node and another, of one ledger. owed: entries it has not said it holds, owed_from: the first of them in each lane ·
    due: entries it has and we lack."""

    ledger: str
    owed: int
    owed_from: tuple[Lane, ...]
    due: int


class Known:
    """Another node, as this one knows it."""

    def __init__(self, certificate: Certificate) -> None:
        self.certificate = certificate
        self.revoked = False
        self.lanes: dict[str, Lanes] = {}
        self.before: Mapping[str, Lanes] = MappingProxyType({})  # the same of what it said before the start
        self.before_ms: int | None = None
        self.seen_ms: int | None = None
        self.version = ""
        self.room: Room | None = None
        self.speaks: frozenset[str] = frozenset()
        self.samples: deque[int] = deque(maxlen=SAMPLES_MAX)
        self.failures, self.has_answered = 0, False

    def answered(self, is_so: bool) -> None:
        """What came of a question to it."""
        self.failures = 0 if is_so else min(self.failures + 1, 100)
        self.has_answered |= is_so

    @property
    def offset_ms(self) -> int | None:
        return min(self.samples, default=None)

    @property
    def reads(self) -> int:
        """The generation of events that its program reads, by its last Have; ours as long as it said none."""
        return generations.generation_of(self.speaks) if self.seen_ms is not None else generations.GENERATION

    def lacks(self, ledger: str, ours: Mapping[str, Head]) -> bool:
        said = self.lanes.get(ledger, {})
        return any(said.get(origin, (0, b""))[0] < head.seq for origin, head in ours.items())

    def leads(self, ledger: str, ours: Mapping[str, Head]) -> bool:
        return any(origin not in ours or ours[origin].seq < seq for origin, (seq, _) in self.lanes.get(ledger, {}).items())

    def owed(self, ledger: str, ours: Mapping[str, Head]) -> Iterator[tuple[Lane, int]]:
        """Each lane of ours of which it never said that it has the end: (its first missing entry, how many)."""
        said = self.lanes.get(ledger, self.before.get(ledger, {}))
        for origin, head in ours.items():
            if (had := said.get(origin, (0, b""))[0]) < head.seq:
                yield (ledger, origin, had + 1), head.seq - had

    def due(self, ledger: str, ours: Mapping[str, Head]) -> int:
        lanes = self.lanes.get(ledger, {})
        return sum(max(0, seq - (ours[origin].seq if origin in ours else 0)) for origin, (seq, _) in lanes.items())


def branch_of(ledger: str) -> str:
    """The token of the pull subjects of those who serve this place."""
    parts = place.segments(ledger)
    return place.FILL if len(parts) < 2 or place.is_unit(ledger) or place.is_sealed(ledger) else parts[1]


def _paths(certificate: Certificate) -> Iterator[str]:
    return (path.removesuffix("/*") for path in (*certificate.covers, *certificate.serves))


class Peers:
    def __init__(self, mine: Certificate) -> None:
        self.mine = mine
        self._known: dict[str, Known] = {}
        self._ranks: dict[str, int] = {}  # node → the how manieth it was to come
        self._expected: dict[str, list[Known]] = {}  # asked for each ledger several times a second; made anew when somebody joins or goes
        self._by_path: dict[str, list[Certificate]] = {}  # path of a certificate → who covers it, or what lies below; likewise
        self._due_to: dict[str, list[str]] = {}  # node → ledgers of `_expected` that it should have; likewise
        self._placed = 0  # of how many of our ledgers that is known
        self._received: dict[str, Mapping[str, Head]] = {}  # ledger → our heads, which all said they have; until one says otherwise
        self._asked: dict[str, int] = {}  # stranger → how often it was asked for *common*
        self.places = set(_paths(mine))  # that our certificate and those of all known name
        self._before: dict[str, tuple[dict[str, Lanes], int]] = {}  # node → what it said before the start, and when last
        self._heard_in: dict[str, set[str]] = {}  # stranger → branches of the ledgers it spoke of

    def __iter__(self) -> Iterator[Known]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def get(self, node: str) -> Known | None:
        return self._known.get(node)

    def learn(self, certificate: Certificate, revoked: bool = False) -> None:
        """From *common*, or from a lane that was admitted. A newer certificate takes the older one's place."""
        if certificate.node == self.mine.node:
            return
        known = self._known.setdefault(certificate.node, Known(certificate))
        if certificate.node in self._before:
            known.before, known.before_ms = self._before[certificate.node]
        self._ranks.setdefault(certificate.node, len(self._ranks))
        known.revoked = known.revoked or revoked
        if certificate.valid_from_ms >= known.certificate.valid_from_ms:
            known.certificate = certificate
        self.places.update(_paths(certificate))
        for known_of in (self._expected, self._by_path, self._due_to, self._received):
            known_of.clear()
        self._placed = 0

    def remember(self, said: Iterable[tuple[str, str, str, int, int]]) -> None:
        """(node, ledger, origin, seq, when) of the last Haves that are kept; before anybody is learnt."""
        for node, ledger, origin, seq, at_ms in said:
            lanes, last_ms = self._before.get(node, ({}, at_ms))
            lanes.setdefault(ledger, {})[origin] = (seq, b"")
            self._before[node] = (lanes, max(last_ms, at_ms))

    def note(self, have: Have, now_ms: int) -> bool:
        """Takes over a Have whose signature was verified. True when it says something else than the last one."""
        known = self._known[have.node]
        known.seen_ms, known.version, known.speaks = now_ms, have.version, frozenset(have.speaks)
        known.samples.append(now_ms - have.clock_ms)
        if have.ledger == certificates.seat(known.certificate):
            known.room = have.room
        changed = known.lanes.get(have.ledger) != have.lanes
        known.lanes[have.ledger] = have.lanes
        if changed:
            self._received.pop(have.ledger, None)
        return changed

    def holders(
        self, ledger: str, origin: str, after: int, tried: Collection[str] = (), hinted: Mapping[str, int] = MappingProxyType({})
    ) -> list[str]:
        """Nodes worth asking for what follows `after`, best first: those that answer, then the origin itself. tried: asked in vain in this round ·
        hinted: node → seq, of words that are not proven: good enough to ask, since what comes is proven by itself."""
        found = {n: k for n, k in self._known.items() if k.lanes.get(ledger, {}).get(origin, (0, b""))[0] > after and not k.revoked}
        others = [n for n, seq in hinted.items() if seq > after and n not in found]
        best = [k.certificate.node for k in self.worth_asking(found.values(), origin.partition(":")[0], tried)]
        return best + sorted(n for n in others if n not in tried)

    def hearers(self, ledger: str) -> list[Known]:
        """Who may hold this ledger and was heard of."""
        return [k for k in self if not k.revoked and k.seen_ms and certificates.hears(k.certificate, ledger)]

    def worth_asking(self, some: Iterable[Known], own: str = "", tried: Collection[str] = ()) -> list[Known]:
        """Best first: who is in reach, and at last one of all others, another one each time. own: goes before its like.

        A leaf lets no question through to another branch, and nothing says so: after one answer of the county that was lost, a village asked
        everybody else in the county for *common*, each for seconds, before the county had its turn again.
        """
        ranked = sorted(some, key=lambda k: (k.failures, k.certificate.node != own, k.certificate.node))
        near = [k for k in ranked if self.is_in_reach(k)]
        far = [k for k in ranked if not self.is_in_reach(k)]
        has_tried_far = any(k.certificate.node in tried for k in far)
        return [k for k in near if k.certificate.node not in tried] + ([] if has_tried_far else far[:1])

    def is_in_reach(self, known: Known) -> bool:
        """Claims that a question gets there: it did before, or nobody's leaf lies between."""
        own = self.mine.branch
        return known.has_answered or own == place.FILL or known.certificate.branch in (place.FILL, own)

    def through(self, speaker: str, nodes: Iterable[str]) -> list[str]:
        """Those of them between whom and us the speaker's server may lie. The node at the seat of a branch runs one."""
        known, own = self._known.get(speaker), self.mine.branch
        if known is None or known.certificate.branch != place.code_of(certificates.seat(known.certificate)):
            return []
        behind = known.certificate.branch
        return [node for node in nodes if node in self._known and (self._known[node].certificate.branch == behind) != (own == behind)]

    def branch(self, node: str, ledger: str) -> str:
        """The token of its pull subject; for a node nobody vouched for yet, that of the ledger's place. All hear *common*: where a
        stranger of it is nothing tells, so each branch has its turn. (A county that was put back does not know who joined since.)
        """
        if known := self._known.get(node):
            return known.certificate.branch
        if ledger == place.COMMON:
            own, others = self._heard_in.get(node, set()), {k.certificate.branch for k in self._known.values()}
            tokens = [place.FILL, *sorted(own - {place.FILL}), *sorted(others - own - {place.FILL})]
            if len(self._asked) > STRANGERS_MAX:
                self._asked.clear()
            self._asked[node] = asked = self._asked.get(node, -1) + 1
            return tokens[asked % len(tokens)]
        return branch_of(ledger)

    def whose(self, node: str, ledger: str) -> str:
        """Whose word it is: an enrolled node's, or that of all strangers of a branch together, since who runs its server can invent them."""
        return node if node in self._known else f"? {branch_of(ledger)}"

    def met(self, node: str, ledger: str) -> None:
        """Somebody whom nobody vouched for speaks of this ledger: one that lost *common* knows nobody, and finds those who hold it by that."""
        if ledger != place.COMMON and (node in self._heard_in or len(self._heard_in) < STRANGERS_MAX):
            self._heard_in.setdefault(node, set()).add(branch_of(ledger))

    def counts(self, ledger: str) -> bool:
        """Claims that this node keeps count of who has the ledger: of *common* only its writer."""
        return ledger != place.COMMON or certificates.writes(self.mine, place.COMMON)

    def expected(self, ledger: str) -> list[Known]:
        """Who should have all of this ledger."""
        if ledger not in self._expected:
            told = self._near(ledger) if self.counts(ledger) else ()
            self._expected[ledger] = [k for k in told if not k.revoked and certificates.hears(k.certificate, ledger)]
            for known in self._expected[ledger]:
                self._due_to.setdefault(known.certificate.node, []).append(ledger)
        return self._expected[ledger]

    def _near(self, ledger: str) -> Iterable[Known]:
        """Whoever may hear it, in the order of their coming: not all of 1,600 are weighed for each of 1,600 ledgers."""
        if ledger == place.COMMON or place.is_sealed(ledger):
            return self._known.values()
        if not self._by_path:
            self._by_path = certificates.by_path(known.certificate for known in self._known.values())
        found = [one.node for one in certificates.hearers(self._by_path, ledger)]
        return [self._known[node] for node in sorted(found, key=self._ranks.__getitem__)]

    def speaks(self, ledger: str, ours: tuple[str, ...]) -> tuple[str, ...]:
        """Of our words those that every node which hears the ledger has said: what goes to all must be read by all.

        A node never heard of yet counts as one that knows none; so does everybody while nobody is known to hear it.
        """
        hearers = self.expected(ledger)
        return tuple(word for word in ours if hearers and all(word in known.speaks for known in hearers))

    def lacking(self, known: Known, heads: Heads) -> list[str]:
        """Of our ledgers those that it should have and does not have all of. heads: all we have, always the same map, out of which nothing goes;
        asked at each Have of 1,600 nodes, so not all of 1,600 ledgers are looked at."""
        if self._placed != len(heads):
            for ledger in heads:
                self.expected(ledger)
            self._placed = len(heads)
        due = self._due_to.get(known.certificate.node, ())
        return [ledger for ledger in due if ledger in heads and known.lacks(ledger, heads[ledger])]

    def is_unreceived(self, ledger: str, ours: Mapping[str, Head]) -> bool:
        """ours: another map whenever something of it is another. Of one that was received nothing is compared until somebody says other words."""
        if self._received.get(ledger) is ours:
            return False
        lacks = any(self.lackers(ledger, ours))
        if not lacks:
            self._received[ledger] = ours
        return lacks

    def lackers(self, ledger: str, ours: Mapping[str, Head]) -> Iterator[str]:
        """Who should have all of it and does not."""
        return (known.certificate.node for known in self.expected(ledger) if known.lacks(ledger, ours))

    def owed(self, ledger: str, ours: Mapping[str, Head]) -> dict[str, list[tuple[Lane, int]]]:
        """Node → each lane of which it has not said that it holds the end: its first missing entry, and how many. Who has all is in it, with none."""
        return {known.certificate.node: list(known.owed(ledger, ours)) for known in self.expected(ledger)}

    def debts(self, node: str, heads: Heads) -> list[Debt]:
        """Ledger by ledger, where anything is open. Sealed ones are in none."""
        known, made = self._known.get(node), []
        if known is None:
            return []
        lacks = set(self.lacking(known, heads))
        leads = {ledger for ledger in known.lanes if known.leads(ledger, heads.get(ledger, {}))}
        for ledger in sorted(lacks | leads):
            if not place.is_sealed(ledger):
                some = list(known.owed(ledger, heads[ledger])) if ledger in lacks else []
                if not some and ledger not in leads:
                    continue
                due = known.due(ledger, heads.get(ledger, {})) if ledger in leads else 0
                made.append(Debt(ledger, sum(count for _, count in some), tuple(lane for lane, _ in some), due))
        return made

    def offset_ms(self) -> int | None:
        """How far our clock is ahead of the node above: of those that cover all we cover, the one heard last."""
        reach = [p.removesuffix("/*") for p in self.mine.covers if p != place.COMMON]
        above = [
            k for k in self._known.values()
            if k.seen_ms is not None and not k.revoked and all(place.covers(k.certificate.covers, p) for p in reach)
        ]  # fmt: skip
        wider = [k for k in above if set(k.certificate.covers) != set(self.mine.covers)]
        return max(wider, key=lambda k: k.seen_ms or 0).offset_ms if wider else None

    def shown(self, heads: Heads) -> list[Peer]:
        """Sealed ledgers are in no figure: even that there is one would tell."""
        made, lacking = [], dict[str, list[str]]()

        def _owed(k: Known, ledger: str) -> tuple[list[Lane], int]:
            some = list(k.owed(ledger, heads[ledger]))
            return [lane for lane, _ in some], sum(count for _, count in some)

        @cache
        def _whole(ledger: str) -> tuple[list[Lane], int]:  # the same for each of those who never said anything of it
            return _owed(Known(self.mine), ledger)

        for ledger in sorted(heads):
            if not place.is_sealed(ledger):
                for k in self.expected(ledger):  # few of a county's nodes hear a village's ledger
                    if any(k.owed(ledger, heads[ledger])):
                        lacking.setdefault(k.certificate.node, []).append(ledger)
        for node, k in sorted(self._known.items()):
            lacks = tuple(lacking.get(node, ()))
            leads = tuple(ledger for ledger in sorted(k.lanes) if not place.is_sealed(ledger) and k.leads(ledger, heads.get(ledger, {})))
            owed = [_owed(k, ledger) if ledger in k.lanes or ledger in k.before else _whole(ledger) for ledger in lacks]
            due = sum(k.due(ledger, heads.get(ledger, {})) for ledger in leads)
            seen = (k.before_ms if k.seen_ms is None else k.seen_ms, k.offset_ms, k.version, k.revoked)
            lanes = tuple(chain.from_iterable(some for some, _ in owed))
            made.append(Peer(node, k.certificate.name, lacks, leads, *seen, sum(count for _, count in owed), lanes, due, k.room, k.reads))
        return made
