"""What is heard without having been asked for: live batches and Haves.

A live batch that follows what is here is admitted at once and answered by a Have; one that does not follow shows a gap, and the gap
is pulled. A batch that is malformed, foreign or wrongly signed is refused whole, counted, and nothing else happens; where a part of
it may be good, smaller pulls fetch that part. A Have is believed as a receipt only with its speaker's signature, and of a ledger that
its speaker hears; who has just been given a further one (a merged place) may speak of it before *common* tells us so.

**How many lanes.** A Have may name any number of them, up to what fits into 256 KiB (some 5,000), and each costs memory, rows and questions.
A ledger is written by the nodes that hear it, each under a few epochs: so of a signed Have as many lanes are heard as LANES_EACH for each that
is here and each node that may write it, and LANES_MIN in any case. 1,600 nodes of some epochs fit. Who names more is shown among the
refused; what is here and what is likely is kept before the rest. Nor is anybody heard of more than LEDGERS_MIN ledgers, or twice those that
are here. As long as *common* is known to be old here the count is no reproach: whoever was cut is asked again when more nodes are known.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
from nats.aio.msg import Msg

from protocol import batch as batches
from protocol import certificate as certificates
from protocol import entry, have, place
from protocol.batch import Batch
from protocol.certificate import Certificate
from protocol.generations import generation_of
from protocol.have import Have, Lanes
from protocol.node.forks import Forks, Wanted
from protocol.node.journal.branches import few
from protocol.node.link import subjects
from protocol.node.link.catchup import CatchUp
from protocol.node.link.claims import Claims, is_later_self
from protocol.node.link.ground import Ground
from protocol.node.link.needs import HINTS_EACH_MAX
from protocol.problem import OWN_STORE, Refused

WHOLE = frozenset({"lane_foreign", "certificate_wrong", "lane_fork", "origin_revoked", "version_unknown"})  # no part of it can be good
ANEW_SINCE = 3  # generation
WIDER_S = 60.0  # how long a wider certificate may be on its way to us while its node speaks already
WIDER_MAX, SPOKE_MAX = 1_000, 20_000
OWN_WORDS_MAX = 500
LANES_MIN, LANES_EACH = 64, 4  # of a ledger, of one speaker; for each lane here and each node that writes it
LEDGERS_MIN, LEDGERS_EACH = 2_000, 2  # of one speaker, for each that is here: paths can be invented too
STALE_S = 10.0  # how long what was said before this program began may still be on its way
PROVEN_S = 10.0  # how long the same words of a node need no new proof; calm nodes speak each 30 s


def is_for_all(got: Have, speaker: Certificate) -> bool:
    """Claims that a question about *common* is one that everybody answers: its writer's first after it connected, or found somebody who did
    not hear that one.

    While any computer of the county is off that lacks something of it, the writer asks again and again; whoever has it all said so when it
    came, and says so again by itself (pump.quiet_s).
    """
    return is_first(got) and certificates.writes(speaker, got.ledger)


def is_first(got: Have) -> bool:
    """Claims that the speaker was not heard for a while, and knows it. Programs before the third generation don't tell: there each question
    may be one."""
    return have.ANEW in got.speaks or generation_of(got.speaks) < ANEW_SINCE


class Hearing:
    def __init__(
        self,
        ground: Ground,
        catchup: CatchUp,
        claims: Claims,
        say: Callable[..., None],
        came: Callable[[str, str], None],
        forks: Forks | None = None,
    ) -> None:
        """say: puts a Have of this ledger on the way, with the question where that is True · came: a peer was heard of, tell it what it lacks."""
        self._ground, self._catchup, self._claims, self._say, self._came, self._forks = ground, catchup, claims, say, came, forks
        self.own_words: deque[bytes] = deque(maxlen=OWN_WORDS_MAX)  # they come back to us where we connected anew meanwhile
        self._began = asyncio.get_running_loop().time()
        self._spoke: set[tuple[str, str]] = set()  # (node, ledger) of which a Have was compared since the start
        self._signed: set[tuple[str, str]] = set()  # those of which it was proven
        self._doubtful: set[tuple[str, str]] = (
            set()
        )  # (ledger, node) that spoke of it and was not known, or of more lanes than we could judge
        self._proven: dict[tuple[str, str], float] = {}  # (node, ledger) → when its Have was last proven
        self._coming: dict[tuple[str, str], int] = {}  # lane → up to where what is live of it is being admitted
        self._wider: dict[tuple[str, str], float] = {}  # (node, ledger) that it does not hear as far as we know → since when
        ground.on_joined = self._joined

    @property
    def heard(self) -> int:
        """How many others said what they hold, of how many ledgers: it stands still when all who are there have spoken."""
        return len(self._spoke)

    @property
    def proven(self) -> int:
        """The same of those whose word is proven."""
        return len(self._signed)

    def has_said(self, node: str, ledger: str) -> bool:
        """Claims that it proved since the start what it holds of the ledger."""
        return (node, ledger) in self._signed

    def _joined(self) -> None:
        """Who was a stranger may be known now; of who still is one nothing is asked. Of *common* that would have everybody answer everybody."""
        doubtful, self._doubtful = self._doubtful, set()
        for ledger in sorted({ledger for ledger, node in doubtful if self._ground.peers.get(node)} - {place.COMMON}):
            self._say(ledger, True)

    async def live(self, msg: Msg) -> None:
        ground = self._ground
        try:
            ledger, speaker = subjects.read(msg.subject)
        except ValueError:
            return
        if speaker == ground.certificate.node or not ground.hears(ledger) or not ground.leads():
            return
        with ground.hearing_live():
            try:
                got = batches.unpack(msg.data, ground.speaks)
                if got.ledger != ledger or entry.node_of(got.origin) != speaker:
                    raise Refused("lane_foreign", ledger=got.ledger)
                await self._admit(got, speaker, msg.data)
            except Refused as refused:
                ground.quarantine(speaker, ledger, "", refused, msg.data)
            except Exception as error:
                ground.quarantine(speaker, ledger, "", Refused("batch_malformed", why=type(error).__name__), msg.data)
                raise

    async def _admit(self, got: Batch, speaker: str, wire: bytes) -> None:
        ground, lane = self._ground, (got.ledger, got.origin)
        if got.after > ground.head(*lane).seq:
            await ground.refresh([got.ledger])  # the journal may be ahead of what we remember
        if got.after > ground.head(*lane).seq:
            self._catchup.need(*lane, got.last, speaker)
            return
        self._coming[lane] = got.last
        try:
            await ground.admission.admit(got, speaker)
        except Refused as refused:
            if refused.code in OWN_STORE or refused.code == "lane_gap":
                self._catchup.need(*lane, got.last, speaker)
                return
            ground.quarantine(speaker, *lane, refused, wire)
            if refused.code not in WHOLE and len(got.heads) > 1:
                self._catchup.need(*lane, got.last, speaker, limit=len(got.heads) // 2)
        finally:
            self._coming.pop(lane, None)

    async def have(self, msg: Msg) -> None:
        ground = self._ground
        try:
            ledger, speaker = subjects.read(msg.subject)
        except ValueError:
            return
        if not ground.hears(ledger):
            return
        try:
            got = have.read(msg.data)
            if (got.ledger, got.node) != (ledger, speaker):
                raise Refused("lane_foreign", ledger=got.ledger)
            if speaker == ground.certificate.node:
                self._own_voice(got, msg.data)
                return
            await self._weigh(got, msg.data)
        except Refused as refused:
            ground.quarantine(speaker, ledger, "", refused, msg.data)

    def _own_voice(self, got: Have, wire: bytes) -> None:
        """Somebody speaks with our key, and it is not this program: a copy that lives. What an earlier life of ours said came long ago."""
        ground, forks = self._ground, self._forks
        if forks is None or forks.has_twin or ground.admission.is_shared or wire in self.own_words:
            return
        if asyncio.get_running_loop().time() - self._began < STALE_S:
            return
        if not have.is_signed(wire, bytes(ground.signer.key.verify_key)):
            raise Refused("signature_wrong")
        forks.found_twin()
        self._say(got.ledger)  # it shall hear of us, too

    async def _weigh(self, got: Have, wire: bytes) -> None:
        """Receipt first, then what it shows us to lack, then what it lacks itself."""
        ground = self._ground
        known = ground.peers.get(got.node) or (await ground.vouch(got.node, got.ledger) and ground.peers.get(got.node)) or None
        if known is not None and known.revoked:
            return
        if known is None:
            ground.peers.met(got.node, got.ledger)
            if len(self._doubtful) < LEDGERS_MIN:
                self._doubtful.add((got.ledger, got.node))
            got = self._bounded(got, HINTS_EACH_MAX)
        elif not self._was_said(got, known.lanes.get(got.ledger)):
            if not have.is_signed(wire, known.certificate.key):
                raise Refused("signature_wrong")
            if not certificates.hears(known.certificate, got.ledger):
                self._not_heard_by(got)
                return
            if got.ledger not in known.lanes and len(known.lanes) >= max(LEDGERS_MIN, LEDGERS_EACH * len(ground.heads)):
                ground.quarantine(got.node, "", "", Refused("lanes_too_many", count=len(known.lanes) + 1, most=len(known.lanes)))
                return
            said, got = len(got.lanes), self._counted(got, wire)
            changed = ground.peers.note(got, ground.clock())
            self._catchup.retold(got.node, got.ledger, got.lanes)
            self._proven[got.node, got.ledger] = asyncio.get_running_loop().time()
            if ground.peers.counts(got.ledger) and len(got.lanes) == said:  # what had to be cut is no witness
                ground.keep_have(got.node, got.ledger, got.lanes, wire, changed)
        if have.ANEW in got.speaks and got.ledger == place.COMMON and known is not None:
            ground.back(got.node)
        await self._compare(got, wire, known is not None)
        if len(self._spoke) < SPOKE_MAX:
            self._spoke.add((got.node, got.ledger))
        if known is not None and len(self._signed) < SPOKE_MAX:  # of a ledger of which nothing is here it may invent one after the other
            self._signed.add((got.node, got.ledger if got.ledger in ground.heads else ""))
        await self._other_histories(got)
        ours = ground.heads.get(got.ledger, {})
        ahead = any(got.lanes.get(origin, (0, b""))[0] < head.seq for origin, head in ours.items())
        counted = ground.peers.counts(got.ledger) or (known is not None and is_for_all(got, known.certificate))
        counted = counted and (known is not None or got.ledger in ground.heads)  # else there is no end of what a stranger may ask about
        if got.want and (ahead or counted):  # of *common* all hear all: only its writer, and who is behind, get an answer
            self._say(got.ledger)
        if got.want and got.ledger == place.COMMON and is_first(got):
            self._remind(got.node)
        self._came(got.node, got.ledger)

    def _remind(self, node: str) -> None:
        """It has connected anew. If its folder was put back it may not know in which ledgers it wrote, so it can't ask about them."""
        for ledger in self._ground.written_by(node):
            self._say(ledger)

    def _counted(self, got: Have, wire: bytes) -> Have:
        """With as many lanes as the ledger can have, as far as we know."""
        ground, ledger = self._ground, got.ledger
        if len(got.lanes) <= LANES_MIN:
            return got
        writers = sum(certificates.writes(known.certificate, ledger) for known in ground.peers)
        most = max(LANES_MIN, LANES_EACH * (len(ground.heads.get(ledger, ())) + writers))
        if len(got.lanes) > most:
            if self._catchup.lacks_common():
                self._doubtful.add((ledger, got.node))
            else:
                ground.quarantine(got.node, ledger, "", Refused("lanes_too_many", count=len(got.lanes), most=most), wire)
        return self._bounded(got, most)

    def _bounded(self, got: Have, most: int) -> Have:
        """What is here and what is likely before the rest, of equal ones the earliest epochs."""
        if len(got.lanes) <= most:
            return got
        ground, ledger = self._ground, got.ledger

        def rank(origin: str) -> tuple[bool, bool, int, str]:
            node = entry.node_of(origin)
            known = ground.peers.get(node)
            likely = node in (got.node, ground.certificate.node) or (known is not None and certificates.writes(known.certificate, ledger))
            return not ground.head(ledger, origin).seq, not likely, entry.epoch_of(origin), origin

        return msgspec.structs.replace(got, lanes={origin: got.lanes[origin] for origin in sorted(got.lanes, key=rank)[:most]})

    def _was_said(self, got: Have, before: Lanes | None) -> bool:
        """Claims that it says no more than what was signed a moment ago: in a storm most of them do, and a proof costs more than all else."""
        last = self._proven.get((got.node, got.ledger))
        return last is not None and not got.forks and got.lanes == before and asyncio.get_running_loop().time() - last < PROVEN_S

    def _not_heard_by(self, got: Have) -> None:
        """It is not believed. Raises Refused lane_foreign when it has gone on for too long to be a certificate that is still on its way."""
        now = asyncio.get_running_loop().time()
        if len(self._wider) >= WIDER_MAX:
            self._wider.clear()
        if now - self._wider.setdefault((got.node, got.ledger), now) >= WIDER_S:
            raise Refused("lane_foreign", ledger=got.ledger)

    async def _compare(self, got: Have, wire: bytes, is_signed: bool) -> None:
        ground, is_fresh = self._ground, False
        for origin, (seq, hash_) in got.lanes.items():
            here = ground.head(got.ledger, origin)
            if seq > here.seq and not is_fresh and self._is_later_self(origin):
                await ground.refresh([got.ledger])  # it may have pulled what the journal has and we have not looked at yet
                here, is_fresh = ground.head(got.ledger, origin), True
            if seq > here.seq:
                if self._is_later_self(origin):
                    # it comes back when it is a closed lane: killed in between, we must notice again and not count on from an old number
                    self._claims.note(got.node, got.ledger, origin, seq)
                    continue
                if seq <= self._coming.get((got.ledger, origin), 0):
                    continue  # its Have overtook the disk: whoever saves says both, and all of it would be pulled once more
                self._catchup.need(got.ledger, origin, seq, got.node, signed=is_signed)
                if self._forks and (got.ledger, origin) in self._forks.lanes:  # of two copies the other one may answer that, each time
                    self._forks.want(Wanted(got.ledger, origin, seq, hash_, got.node))
            elif seq == here.seq and hash_ != here.hash:
                ground.quarantine(got.node, got.ledger, origin, Refused("lane_fork", lane=f"{got.ledger} {origin}", seq=seq), wire)
                if self._forks:
                    self._forks.want(Wanted(got.ledger, origin, seq, hash_, got.node))

    def _is_later_self(self, origin: str) -> bool:
        return is_later_self(self._ground.signer, origin)

    async def _other_histories(self, got: Have) -> None:
        """What it keeps beside its lanes; and where it speaks of forks, whether its lanes are ours."""
        if self._forks is None:
            return
        own = [o for o in got.lanes if entry.node_of(o) == got.node]
        known = self._ground.peers.get(got.node)
        if len(own) > 1 and known is not None and certificates.writes(known.certificate, place.COMMON):
            for origin in own:
                if entry.epoch_of(origin) < max(map(entry.epoch_of, own)):
                    self._forks.follow(got.ledger, origin, got.lanes[origin])
        told = few(got.forks) if known is not None else {}  # of a stranger's none is proven: it is asked again once it is known
        ends = {origin: [*told.get(origin, ())] for origin in sorted({*told, *own})}
        for origin, some in ends.items():
            if origin in got.lanes and got.lanes[origin][0] < self._ground.head(got.ledger, origin).seq:
                some.append(got.lanes[origin])
        if any(ends.values()):
            await self._forks.heard(got.ledger, ends, got.node)
