"""What is known to be missing, and what each word about it is worth: a Have costs its speaker nothing, a pull costs us seconds.

A lane comes to be missing by a word: a signed Have of an enrolled node that hears the ledger, or a hint (a Have of somebody whom nobody
vouched for yet, a live batch with a gap before it). An honest holder gives what it said. Whoever invents lanes gives nothing, so what
tells them apart is what came of asking. The rules:

- **A lane is likely** when something of it is here, when it is ours, or when its node has a certificate with which it may write the
  ledger. Of any other we can't tell: *common* may be old here (a folder put back, a new node), and then the honest lanes of all who were
  enrolled since look like invented ones. So they are asked for too, but by the workers that doubtful words are given (turns.py), and
  less and less often when nobody gives them. *Common* comes before all else, and turns what is honest into likely lanes.
- **A word is doubted** when its speaker gave nothing the last times that it was asked (DOUBTED), and **idle** after some more (IDLE). Each
  piece that it gives halves the count, so a line that was cut is forgiven within a moment, and to invent on costs a true piece each time.
- **Files and missing words** wait (`counts`) only for a likely lane that somebody signed to have who is not idle, and only until all who
  say so were asked through once in vain.
- **A restored node's pages** wait (`awaited`) for every lane, likely or not, that somebody enrolled signed to have: it may hold an
  erasure. That ends when it is here, when its speaker takes it back or is put out, or when all who say so were asked in vain and each of them
  still spoke UNSHOWN_S after it: an honest holder that is heard for so long also answers. Of one that is heard no more nothing is known: the line
  between may be cut, and no server says so. Nor does it end so for what a node says of its own lane: nobody else may have it. There the county
  puts the node out, or a person opens the pages and answers for it (gate.py). What was not given before a connection of our own counts for
  nothing. For strangers' own lanes pages wait UNKNOWN_S after the first of them spoke, in which *common* comes and says who they are; for
  what strangers say of others' lanes, not at all.
- **Bounds.** Needs that stand on hints alone: HINTS_EACH_MAX of one speaker, HINTS_MAX in all; of a branch that fills them the newest
  give way. Signed ones: as many as its last Have names, which is cut to what a ledger can have (hearing), and of one speaker, over all ledgers
  but *common*, NEW_EACH_MAX of which nothing is here, UNLIKELY_EACH_MAX of them unlikely: paths and epochs can be invented too. Of what was
  cut the ledger is noted, and it is shown again by itself as soon as half of its speaker's are there, or likely. What a newer Have names
  no more is forgotten.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from protocol import certificate as certificates
from protocol import entry
from protocol.batch import BATCH_ENTRIES_MAX
from protocol.node.link.ground import Ground
from protocol.node.link.rests import Rests
from protocol.place import COMMON

PATIENCE_S_MAX = 24.0  # on a line that turned out to be thin
RETRY_S_MIN = 0.2
HINTS_EACH_MAX, HINTS_MAX, HINTERS_MAX = 64, 1_000, 64  # of one speaker, in all; speakers of one lane
NEW_EACH_MAX = 5_000  # lanes of which nothing is here that one speaker signed to have, kept at once
UNLIKELY_EACH_MAX = 1_000  # of those
DOUBTED, IDLE, SCORE_MAX = 2, 8, 16  # times that it gave nothing
LIKELY_S_MIN, LIKELY_S_MAX = 1.0, 15.0  # between two times that a lane nobody gave is asked for, as long as it is shown
UNLIKELY_S_MAX = 600.0
UNSHOWN_S, UNKNOWN_S = 600.0, 60.0
RESTS_MAX = 5_000

Lane = tuple[str, str]


@dataclass
class Need:
    """until: the seq said to exist · since_ms: when that was shown first · limit: entries asked for at once · patience_s: how long an answer is
    waited for · is_quick: the last one came within PIECE_S · tried: nodes that failed since the last success or pause · due: inf = not before
    somebody shows it again · again_s, again: how long it rests once nobody gave it, until when · signed, hinted: who says so · vain: who gave
    nothing since the last success, unless it connected anew · vain_since: of those who signed to have it, when each first did so · is_given_up:
    all who say so were asked through."""

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
    again_s: float = LIKELY_S_MIN
    again: float = 0.0
    signed: dict[str, None] = field(default_factory=dict)
    hinted: dict[str, int] = field(default_factory=dict)
    vain: set[str] = field(default_factory=set)
    vain_since: dict[str, float] = field(default_factory=dict)
    is_given_up: bool = False

    def was_late(self, answer_s: float) -> None:
        """The line may be thin: less at once, and of one commit longer. answer_s: how long an answer is waited for at first."""
        if self.limit > 1:
            self.limit = max(self.limit // 4, 1)
        else:
            self.patience_s = min(max(self.patience_s, answer_s) * 2, PATIENCE_S_MAX)

    def came(self) -> None:
        """Something of it was given."""
        self.tried.clear()
        self.anew()

    def anew(self) -> None:
        """What was not given before says nothing any more."""
        self.pause_s, self.again_s, self.again = RETRY_S_MIN, LIKELY_S_MIN, 0.0
        self.vain.clear()
        self.vain_since.clear()
        self.is_given_up = False


class Needs:
    """kept: lane → need."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.kept: dict[Lane, Need] = {}
        self._signed: dict[tuple[str, str], set[str]] = {}  # (node, ledger) → origins that it signed to have, of those kept
        self._new: defaultdict[str, set[Lane]] = defaultdict(set)  # node → lanes that it signed to have, and of which nothing was here then
        self._unlikely: defaultdict[str, set[Lane]] = defaultdict(set)  # of those
        self.cut: dict[str, dict[str, None]] = {}  # node → ledgers of which it signed to have more than is kept
        self._bare: dict[Lane, set[str]] = {}  # that stand on hints alone → whose the last was: the node, and who has its turn
        self._by_hint: Counter[str] = Counter()  # of either, how many of those
        self._rests: Rests[tuple[str, str, str]] = Rests(LIKELY_S_MIN, UNLIKELY_S_MAX, RESTS_MAX)  # (ledger, origin, node) of hints
        self._scores: Counter[str] = Counter()  # node → how often it gave nothing
        self._silent_since: dict[str, float] = {}  # node → since when it gives nothing, or too little of what it said
        self._spoke: dict[str, float] = {}  # enrolled node → when a Have of its was last proven
        self._strange_since: float | None = None  # when the first stranger spoke of its own

    # ── words ──

    def show(self, lane: Lane, until: int, node: str, is_signed: bool) -> Need | None:
        """Somebody says that the lane goes on to `until`. None: a hint that is not worth keeping, or one lane too many."""
        if not (self._has_room(lane, node) if is_signed else self._is_worth(lane, node)):
            return None
        found = self.kept.get(lane)
        if found is None:
            found = self.kept[lane] = Need(until, self._ground.clock())
        found.until = max(found.until, until)
        if found.again_s > LIKELY_S_MAX and self.is_likely(lane):  # it was not when it was put to rest
            found.again, found.again_s = 0.0, LIKELY_S_MIN
        if is_signed:
            found.signed[node] = None
            self._signed.setdefault((node, lane[0]), set()).add(lane[1])
            self._unbare(lane)
        else:
            self._hint(lane, found, node, until)
        return found

    def _has_room(self, lane: Lane, node: str) -> bool:
        """Takes a place of those that this speaker has."""
        need = self.kept.get(lane)
        if lane[0] == COMMON or self._ground.head(*lane).seq or (need is not None and node in need.signed):
            return True
        is_likely = self.is_likely(lane)
        if len(self._new[node]) >= NEW_EACH_MAX or (not is_likely and len(self._unlikely[node]) >= UNLIKELY_EACH_MAX):
            self.cut.setdefault(node, {})[lane[0]] = None
            return False
        self._new[node].add(lane)
        if not is_likely:
            self._unlikely[node].add(lane)
        return True

    def with_room(self) -> Iterator[tuple[str, str]]:
        """(node, ledger) of what was cut, to be shown again now, one after the other as long as there is room."""
        for node in list(self.cut):
            known = self._ground.peers.get(node)
            while (
                known is not None and not known.revoked and self.cut.get(node)
                and len(self._new[node]) <= NEW_EACH_MAX // 2 and len(self._unlikely[node]) <= UNLIKELY_EACH_MAX // 2
            ):  # fmt: skip
                ledger = next(iter(self.cut[node]))
                del self.cut[node][ledger]
                yield node, ledger
            if known is None or known.revoked or not self.cut.get(node):
                self.cut.pop(node, None)

    def recount(self) -> None:
        """More nodes are known: what was unlikely may be likely."""
        for node in self.cut:
            self._unlikely[node] = {lane for lane in self._unlikely[node] if not self.is_likely(lane)}

    def _free(self, lane: Lane, node: str) -> None:
        self._new[node].discard(lane)
        self._unlikely[node].discard(lane)

    def _is_worth(self, lane: Lane, node: str) -> bool:
        if self._rests.holds((*lane, node)):
            return False
        return lane in self.kept or self._has_room_bare(lane, node)

    def _has_room_bare(self, lane: Lane, node: str) -> bool:
        if self._by_hint[node] >= HINTS_EACH_MAX:
            return False
        return len(self._bare) < HINTS_MAX or self._has_made_room(self.whose(lane, node))

    def _has_made_room(self, whose: str) -> bool:
        """One of those who fill it gives way; none for one of themselves."""
        fullest = max(self._by_hint, key=self._by_hint.__getitem__)
        if self._by_hint[whose] >= self._by_hint[fullest]:
            return False
        for lane in reversed(self._bare):
            if fullest in self._bare[lane] and not self.kept[lane].busy:
                self.drop(lane)
                return True
        return False

    def _hint(self, lane: Lane, need: Need, node: str, until: int) -> None:
        need.hinted.pop(node, None)
        if len(need.hinted) >= HINTERS_MAX:
            del need.hinted[next(iter(need.hinted))]
        need.hinted[node] = until
        if not need.signed:
            self._bare_by(lane, node)
        if node == entry.node_of(lane[1]) and self._ground.peers.get(node) is None and self._strange_since is None:
            self._strange_since = asyncio.get_running_loop().time()

    def _bare_by(self, lane: Lane, node: str) -> None:
        self._unbare(lane)
        self._bare[lane] = {node, self.whose(lane, node)}
        self._by_hint.update(self._bare[lane])

    def _unbare(self, lane: Lane) -> None:
        for name in self._bare.pop(lane, ()):
            self._by_hint[name] -= 1
            if not self._by_hint[name]:
                del self._by_hint[name]

    def retold(self, node: str, ledger: str, origins: Iterable[str]) -> None:
        """Its newest signed Have names these; what it named before and nobody else does is not missing any more."""
        self._spoke[node] = asyncio.get_running_loop().time()
        if node in self.cut:
            self.cut[node].pop(ledger, None)
            if not self.cut[node]:
                del self.cut[node]
        for origin in self._signed.pop((node, ledger), set()).difference(origins):
            need = self.kept.get((ledger, origin))
            if need is None:
                continue
            need.signed.pop(node, None)
            self._free((ledger, origin), node)
            if not need.signed:
                self._unsigned((ledger, origin), need)

    def _unsigned(self, lane: Lane, need: Need) -> None:
        """It stands on hints alone by now, and has a place among those or none: else any number of lanes could be signed, hinted and taken back."""
        last = next(reversed(need.hinted), "")
        if last and self._has_room_bare(lane, last):
            need.until = max(need.hinted.values())
            self._bare_by(lane, last)
        else:
            self.drop(lane)

    def drop(self, lane: Lane) -> None:
        """While a worker is at it, it is dropped when that comes back."""
        need = self.kept[lane]
        if need.busy:
            need.until = 0
            return
        del self.kept[lane]
        self._unbare(lane)
        for node in need.signed:
            self._free(lane, node)
            origins = self._signed.get((node, lane[0]), set())
            origins.discard(lane[1])
            if not origins:
                self._signed.pop((node, lane[0]), None)

    # ── what came of asking ──

    def gave(self, node: str) -> None:
        if self._scores[node] > 1:
            self._scores[node] //= 2
        else:  # one true piece now and then is no sign that it has the others
            del self._scores[node]
            self._silent_since.pop(node, None)

    def gave_nothing(self, lane: Lane, need: Need, node: str) -> None:
        """It counts against whoever signed to have it: a hint may have been put into its mouth."""
        now = asyncio.get_running_loop().time()
        need.vain.add(node)
        if node in need.signed and node in self.speakers(lane, need):
            need.vain_since.setdefault(node, now)
            self._scores[node] = min(self._scores[node] + 1, SCORE_MAX)
            self._silent_since.setdefault(node, now)

    def give_up(self, lane: Lane, need: Need) -> None:
        """All who say so were asked, again and again. What is shown again is asked for again, a while later each time; what only hints
        speak of is forgotten, and their speakers are not listened to about it for as long."""
        need.is_given_up = True
        most = LIKELY_S_MAX if self.is_likely(lane) else UNLIKELY_S_MAX
        need.again = asyncio.get_running_loop().time() + need.again_s
        need.again_s = min(need.again_s * 2, most)
        need.until = min(need.until, self.said(lane, need))
        if not need.until:
            for node in need.hinted:
                self._rests.put((*lane, node))

    def back(self, node: str = "") -> None:
        """It connected anew, or ("") we did: what it did not give before says nothing any more. What it may have invented rests on."""
        if not node:
            self._scores.clear()
            self._silent_since.clear()
            self._rests.clear()
            self._strange_since = None
        for lane, need in self.kept.items():
            if not node:
                need.anew()
            elif node in need.vain and self.is_likely(lane):
                need.again, need.again_s = 0.0, LIKELY_S_MIN
                need.vain.discard(node)

    # ── what they are worth ──

    def is_likely(self, lane: Lane) -> bool:
        ground, node = self._ground, entry.node_of(lane[1])
        if ground.head(*lane).seq or node == ground.certificate.node:
            return True
        known = ground.peers.get(node)
        return known is not None and certificates.writes(known.certificate, lane[0])

    def speakers(self, lane: Lane, need: Need) -> list[str]:
        """Enrolled nodes whose last signed Have says more than is here."""
        ledger, origin = lane
        here, get = self._ground.head(ledger, origin).seq, self._ground.peers.get
        return [
            node
            for node in need.signed
            if (k := get(node)) is not None and not k.revoked and k.lanes.get(ledger, {}).get(origin, (0, b""))[0] > here
        ]

    def said(self, lane: Lane, need: Need) -> int:
        """The last seq that somebody who counts signed to have; 0: nobody says more than is here."""
        ledger, origin = lane
        best = here = self._ground.head(ledger, origin).seq
        get = self._ground.peers.get
        for node in need.signed:
            if (k := get(node)) is not None and not k.revoked and (named := k.lanes.get(ledger)) is not None and origin in named:
                best = max(best, named[origin][0])
        return best if best > here else 0

    def is_doubted(self, node: str) -> bool:
        return self._scores[node] >= DOUBTED

    def whose(self, lane: Lane, node: str) -> str:
        """Who has a turn."""
        return self._ground.peers.whose(node, lane[0])

    def counts(self, lane: Lane, need: Need) -> bool:
        """Claims that files and words wait for it."""
        if need.is_given_up or not self.is_likely(lane):
            return False
        return any(self._scores[node] < IDLE for node in self.speakers(lane, need))

    def shown(self, lane: Lane, need: Need) -> int:
        """The seq up to which it is shown as missing: somebody signed to have it, or a stranger speaks of its own; 0: it is not."""
        return self.said(lane, need) or (need.until if need.hinted and self._is_strange(lane, need) else 0)

    def awaited(self, lane: Lane, need: Need) -> int:
        """The seq up to which pages of a restored node wait for it; 0: not at all."""
        said = self.said(lane, need)
        if not said:
            return self.shown(lane, need)
        if not need.vain_since and not self._silent_since:
            return said  # as of nearly all: a county has thousands of them, and it is asked again and again
        speakers, silent = self.speakers(lane, need), self._silent_since
        if entry.node_of(lane[1]) in speakers:
            return said
        if need.vain.issuperset(speakers) and all(self._spoke_on(node, need.vain_since) for node in speakers):
            return 0
        return 0 if all(self._scores[node] >= IDLE and self._spoke_on(node, silent) for node in speakers) else said

    def _spoke_on(self, node: str, since: dict[str, float]) -> bool:
        """Claims that it was still heard UNSHOWN_S after it gave nothing."""
        return node in since and self._spoke.get(node, 0.0) - since[node] >= UNSHOWN_S

    def _is_strange(self, lane: Lane, need: Need) -> bool:
        node, since = entry.node_of(lane[1]), self._strange_since
        is_own = node in need.hinted or (node == self._ground.certificate.node and bool(need.hinted))
        if not is_own or need.until <= self._ground.head(*lane).seq:
            return False
        return since is None or asyncio.get_running_loop().time() - since < UNKNOWN_S

    def lacks_common(self) -> bool:
        """Claims that somebody enrolled signed to have more of *common*: who is enrolled is not known to the last."""
        return any(lane[0] == COMMON and self.speakers(lane, need) for lane, need in self.kept.items())
