"""The pump: sends what commits here, fetches what is missing here, and says what is on this disk. It never stops.

    pump = Pump(journal, admission, link, signer, certificate, wake, clock, blobs=blobs, version="0.1.0")
    await pump.run()      for ever, until cancelled; runs the link too

- **Live.** After a commit its entries go out at once, once; what commits meanwhile goes together. Never inside a transaction. What a
  person saved is handed over by whoever wrote it; else it is read from the journal.
- **Have.** A receiver commits, then says Have of the ledger (at most each 50 ms): that is the receipt. At each connection
  Have of every ledger is said, with the question for the others'. While a node that should have a ledger lacks entries of it, its
  Have is repeated after 1 s, then more seldom, at most each 5 s, and each 30 s when all who lack something were silent for a minute: at
  night a county's computers are off. Else each 30 s (of *common*, which all hear of all, only its writer: others each 120 s). A peer
  that is heard of again is told at once.
- **Catch-up.** A gap, or a Have that shows more, is pulled (catchup.py); live goes first, files last (fetching.py).
- Clients never notice that the link between two servers broke or healed: whoever runs the lower one tells (`rejoined`), else only the
  repeated Have does.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from protocol import batch as batches
from protocol import certificate as certificates
from protocol import entry, have, place
from protocol.batch import BATCH_ENTRIES_MAX, SPEAKS, Batch
from protocol.certificate import Certificate
from protocol.have import Have, Lanes, Room
from protocol.node import killpoints, observe
from protocol.node.bodies import Counts
from protocol.node.forks import Forks
from protocol.node.link import parts, subjects
from protocol.node.link.answers import Answers, piece_or_rest
from protocol.node.link.branches import Branches
from protocol.node.link.catchup import WORKERS, WORKERS_SHARED, CatchUp
from protocol.node.link.claims import Claims
from protocol.node.link.client import Link, LinkState, end
from protocol.node.link.fetching import Fetching, Wait
from protocol.node.link.ground import Ground
from protocol.node.link.hearing import Hearing
from protocol.node.link.parts import Head
from protocol.node.link.peers import Debt, Lane, Peer
from protocol.node.link.words import Words

GATHER_S = 0.05  # a ledger's Have is said at once, but not again within this time: what commits meanwhile is in the next one
TICK_S = 0.2
REPEAT_S_MIN, REPEAT_S_MAX, REPEAT_GROWTH = 1.0, 5.0, 1.5
QUIET_S, QUIET_COMMON_S = 30.0, 120.0  # of *common* each one's Have goes to all: of 1,600 nodes 53 a second, at every one of them
TOLD_S_MIN = 1.0  # a peer that lacks something is told so at most this often
AWAY_S = 60.0  # a peer that was silent for so long comes back
HANDED_MAX = 100  # entries of a lane that wait in memory for their turn; more are read from the journal
BACKLOG_MAX = 5_000  # own entries beyond this are not published one by one: they are pulled


class PumpState(msgspec.Struct, frozen=True):
    """highest_epoch: of our own node, as others know it (0: they know none that we don't). behind: ledger → entries known to be missing here · behind_since: ledger → since when, ms · overtaken: ledgers of which others hold more of OUR lane than we do
    · regaining: entries of our own closed lanes that are known to be missing here."""

    link: LinkState
    behind: dict[str, int]
    overtaken: tuple[str, ...]
    refused: int
    faults: dict[str, int]
    highest_epoch: int = 0
    regaining: int = 0
    behind_since: dict[str, int] = {}


def _whole(ledger: str, origin: str, after: int, handed: tuple[Head, list[Any]] | None) -> Batch | None:
    """One batch of all that was handed over; None when it does not go on from `after`, or is too much for one."""
    if handed is None or handed[0].seq != after:
        return None
    head, rows = handed
    made = batches.cut(rows, ledger, origin, after, head.hash)
    return made if made is not None and made.last == rows[-1].seq else None


def quiet_s(speaker: Certificate, ledger: str) -> float:
    """After how long a Have is said again though nobody is known to lack anything."""
    return QUIET_COMMON_S if ledger == place.COMMON and not certificates.writes(speaker, place.COMMON) else QUIET_S


class _Repeat:
    """When the Have of one ledger is said again."""

    def __init__(self, now: float) -> None:
        self.last, self.pause = now, REPEAT_S_MIN


class Pump:
    def __init__(
        self,
        journal: parts.Journal,
        admission: parts.Admission,
        link: Link,
        signer: parts.Signs,
        certificate: Certificate,
        wake: parts.Wake,
        clock: Callable[[], int],
        *,
        blobs: parts.Blobs | None = None,
        version: str = "",
        speaks: tuple[str, ...] = SPEAKS,
        forks: Forks | None = None,
        leads: Callable[[], bool] = lambda: True,
        room: Callable[[], Room | None] = lambda: None,
        counts: Counts | None = None,
        former: Collection[str] = (),
    ) -> None:
        """clock: Unix milliseconds · speaks: what we understand on the wire · leads: see Ground · room: of the disk · counts: of an entry, that
        its writer was not put out before it; without it no missing words are asked for · former: ids that this node had before it was enrolled
        again. Listens to `wake` by itself."""
        self.group = ""  # of the programs that answer pulls for this node, where there are several
        self._ground = Ground(journal, admission, link, signer, certificate, wake, clock, blobs, version, speaks, leads)
        self._catchup = CatchUp(self._ground)
        self._fetching = Fetching(self._ground, self._catchup, former)
        self._claims = Claims(self._ground)
        self._hearing = Hearing(self._ground, self._catchup, self._claims, self.say, self._came, forks)
        self._answers = Answers(self._ground, forks)
        self._forks, self._room = forks, room
        self._words = Words(self._ground, self._catchup, counts) if counts else None
        self._branches = Branches(self._ground, forks, self._moved, self._fetching.poke) if forks else None
        self._advanced, self._wrote = set[str](), set[str]()
        self._poke, self._due = asyncio.Event(), asyncio.Event()
        self._anew = False  # nobody was told yet that we connected anew
        self._asked_all = self._rejoined = self._heard_beyond = -math.inf
        self._says: dict[str, bool] = {}  # ledger → with the question
        self._said: dict[str, float] = {}
        self._repeats: dict[str, _Repeat] = {}
        self._told: dict[str, float] = {}
        self._alive: dict[str, float] = {}
        self._published: dict[str, int] = {}  # ledger → seq of our own lane that went out
        self._handed: dict[str, tuple[Head, list[Any]]] = {}  # ledger → what was written behind that head of our own lane just now
        wake.on_added(self.added)
        wake.listen(self.committed)
        link.on_connect(self._connected)

    # ── what others call ──

    def committed(self, lanes: Iterable[tuple[str, str]]) -> None:
        """These lanes have advanced, on the disk. Does not block."""
        for ledger, origin in lanes:
            self._advanced.add(ledger)
            if origin == self._ground.signer.origin:
                self._wrote.add(ledger)
            if self._words:
                self._words.committed(ledger)
        self._poke.set()
        self._fetching.poke()

    def added(self, lanes: Iterable[tuple[str, str]], rows: Mapping[tuple[str, str], tuple[Head, Sequence[Any]]]) -> None:
        """These lanes have advanced; of some it is told by what: (the head before, the rows). Does not block; `committed` comes after it.

        Where anything else happened in the ledger since, what was handed over is dropped and the journal read: it may have been erased.
        """
        own = {ledger: rows[ledger, origin] for ledger, origin in rows if origin == self._ground.signer.origin}
        for ledger in {ledger for ledger, _ in lanes}:
            earlier = self._handed.pop(ledger, None)
            if ledger not in own:
                continue
            before, some = own[ledger]
            if earlier is None:
                self._handed[ledger] = (before, list(some))
            elif earlier[1][-1].seq == before.seq and len(earlier[1]) + len(some) <= HANDED_MAX:
                self._handed[ledger] = (earlier[0], [*earlier[1], *some])

    def say(self, ledger: str, want: bool = False) -> None:
        """A Have of this ledger goes out, at the latest after GATHER_S; of a program that does not lead, none."""
        if not self._ground.leads():
            return
        self._says[ledger] = self._says.get(ledger, False) or want
        self._due.set()

    def want_blob(self, address: str) -> None:
        """Somebody looks at a page that shows it: it is fetched before others."""
        self._fetching.want(address)

    def still_wants_blob(self, address: str) -> None:
        """The page of whoever waits for it asks again by itself."""
        self._fetching.still(address)

    async def give_up_blob(self, address: str) -> None:
        """Whoever waited for it does so no more."""
        await self._fetching.give_up(address)

    def wait_for(self, address: str, total: int) -> Wait:
        """How far a file that somebody opened has come, and what holds it up."""
        return self._fetching.wait(address, total)

    @property
    def heard(self) -> int:
        """How many others said what they hold, of how many ledgers, since the start (hearing)."""
        return self._hearing.heard

    @property
    def proven(self) -> int:
        """Another number whenever somebody enrolled said for the first time what it holds of a ledger, or somebody more is known to be enrolled;
        0 until the first of them spoke."""
        return self._hearing.proven and self._hearing.proven + len(self._ground.peers)

    def has_said(self, node: str, ledger: str) -> bool:
        """Claims that this node proved since the start what it holds of the ledger."""
        return self._hearing.has_said(node, ledger)

    @property
    def is_shut_out(self) -> bool:
        """Claims that no server takes this node any more: the county put it out, most often, and it may not have heard of it."""
        return self._ground.link.is_shut_out

    @property
    def is_overtaken(self) -> bool:
        """Claims that others hold more of our own lane than this disk, or say so and were not heard out yet."""
        return bool(self._claims.overtaken) or self._claims.is_open

    def peers(self) -> list[Peer]:
        return self._ground.peers.shown(self._ground.heads)

    def debts(self, node: str) -> list[Debt]:
        """What is open between this node and another, ledger by ledger."""
        return self._ground.peers.debts(node, self._ground.heads)

    def owed(self, ledger: str) -> dict[str, list[tuple[Lane, int]]] | None:
        """Node that should have this ledger → what it has not said it holds; None where another node keeps count of it."""
        peers = self._ground.peers
        return peers.owed(ledger, self._ground.heads.get(ledger, {})) if peers.counts(ledger) else None

    def said(self, node: str, ledger: str) -> Lanes | None:
        """What another node last said it has of a ledger; None: nothing since the start."""
        known = self._ground.peers.get(node)
        return known.lanes.get(ledger) if known else None

    def offset_ms(self) -> int | None:
        """How far our clock is ahead of the node above (None: not known)."""
        return self._ground.peers.offset_ms()

    def state(self) -> PumpState:
        behind, since = dict[str, int](), dict[str, int]()
        ground, regaining = self._ground, 0
        for (ledger, origin), count in self._catchup.behind.items():
            behind[ledger] = behind.get(ledger, 0) + max(count, 0)
            if count > 0:
                since[ledger] = min(since.get(ledger, 2**63), self._catchup.since_ms((ledger, origin)))
            regaining += max(count, 0) if entry.node_of(origin) == ground.certificate.node else 0
        overtaken, faults = tuple(sorted(self._claims.overtaken)), dict(ground.faults)
        return PumpState(ground.link.state(), behind, overtaken, ground.refused, faults, self._claims.highest, regaining, since)

    def missing(self) -> dict[tuple[str, str], int]:
        """Lane → the seq up to which entries are known to be missing here."""
        return self._catchup.missing

    def awaited_of(self) -> list[str]:
        """Nodes that say they hold what is missing here."""
        return self._catchup.awaited_of()

    def lacks(self, lane: tuple[str, str], until: int) -> bool:
        """Claims that an entry up to there is known to be missing here."""
        return self._catchup.lacks(lane, until)

    async def run(self) -> None:
        """Raises only what the journal cannot survive."""
        ground = self._ground
        await ground.load()
        self._published = {
            ledger: lanes[ground.signer.origin].seq for ledger, lanes in ground.heads.items() if ground.signer.origin in lanes
        }
        me = ground.certificate
        for subject in subjects.heard_subjects(me):
            name, heard = ("live", self._hearing.live) if subject.startswith("y1.live.") else ("have", self._hearing.have)
            await ground.link.subscribe(subject, ground.guarded(name, heard))
        await ground.link.subscribe(subjects.pull(me.branch, me.node), ground.guarded("answer", self._answers.pull), self.group)
        await ground.link.subscribe(subjects.blob(me.branch, me.node), ground.guarded("answer", self._answers.blob), self.group)
        workers = WORKERS_SHARED if ground.admission.is_shared else WORKERS
        loops = {
            "link": ground.link.run, "live": self._speak, "have": self._say_haves, "repeat": self._repeat, "keep": ground.keep,
            "files": self._fetching.work, "claims": self._claims.work, **({"branches": self._branches.work} if self._branches else {}), **({"words": self._words.work} if self._words else {}),
            **{f"pull {n}": self._catchup.work for n in range(workers)},
        }  # fmt: skip
        tasks = [asyncio.create_task(ground.for_ever(name, loop), name=f"pump {name}") for name, loop in loops.items()]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            await end(tasks)

    # ── speaking ──

    def lead(self) -> None:
        """From now on this program speaks for the node: what the one before it left unsaid is said, and pulled by whoever lacks it."""
        self._poke.set()
        self._ground.lead()
        self._connected()

    def _connected(self) -> None:
        """What was published into the dying connection is lost: say what is here and ask what is there.

        Of *common* first, with the word ANEW: whoever hears that asks again for what we were to answer over the old connection. Of our
        sealed ledger too, used or not: a restored disk may not know that it was. Of others that it forgot it is reminded (hearing).
        """
        self._fetching.again()
        self._catchup.connected()
        if self._words:
            self._words.again()
        if self._branches:
            self._branches.again()
        self._anew = True
        for ledger in dict.fromkeys([place.COMMON, *self._ground.ledgers(), certificates.sealed_ledger(self._ground.certificate)]):
            self.say(ledger, want=True)

    def rejoined(self, again: bool = False) -> None:
        """The link between our server and the one above carries again: as after a connection of our own. again: said a moment ago; of use
        where nobody of another branch was heard since."""
        now = asyncio.get_running_loop().time()
        if again and self._heard_beyond > self._rejoined:
            return
        self._rejoined = now
        self._ground.back_all()
        for repeat in self._repeats.values():
            repeat.pause = REPEAT_S_MIN
        self._connected()

    async def _speak(self) -> None:
        while True:
            await self._poke.wait()
            self._poke.clear()
            advanced, wrote, self._advanced, self._wrote = self._advanced, self._wrote, set(), set()
            try:
                await self._speak_of(sorted(advanced), sorted(wrote))
            except Exception:  # the journal could not be read: nobody has heard of it, and the next round says it
                self._advanced, self._wrote = advanced | self._advanced, wrote | self._wrote
                self._poke.set()
                raise

    async def _speak_of(self, advanced: list[str], wrote: list[str]) -> None:
        unsaid = [ledger for ledger in wrote if not await self._publish(ledger)]  # somebody waits for it: first of all
        await self._ground.refresh(advanced)
        if place.COMMON in advanced:
            await self._ground.load_nodes()
            self._catchup.forget_gone()
        self._catchup.forget_met()
        for ledger in unsaid:
            self._published[ledger] = self._ground.head(ledger, self._ground.signer.origin).seq
        for ledger in advanced:
            repeat = self._repeats.setdefault(ledger, _Repeat(0.0))
            repeat.pause = REPEAT_S_MIN
            self.say(ledger)

    @observe.each("publish", lambda _, ledger: {"ledger": ledger})
    async def _publish(self, ledger: str) -> bool:
        """Our own lane from where it last went out. False: it did not, and is left to the pulls of the others; so is a long backlog."""
        ground, origin = self._ground, self._ground.signer.origin
        began = after = self._published.get(ledger, 0)
        handed = self._handed.pop(ledger, None)  # just now, not with those before it: meanwhile something may have been erased
        if not ground.link.is_connected or not ground.leads():
            return False
        speaks = ground.peers.speaks(ledger, ground.speaks)
        is_all = False
        while not is_all:
            got, is_all = _whole(ledger, origin, after, handed), True
            if got is None:
                got, is_all = await piece_or_rest(ground.journal, ledger, origin, after, BATCH_ENTRIES_MAX)
            handed = None
            if got is None:
                break
            killpoints.reach("link.publish")
            if got.last - began > BACKLOG_MAX or not await ground.link.publish(
                subjects.live(ledger, ground.certificate.node), batches.pack(got, speaks)
            ):
                return False
            self._published[ledger] = after = got.last
        return True

    async def _say_haves(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            if not self._ground.link.is_connected:
                self._says.clear()  # at the next connection every ledger is said
                continue
            now = asyncio.get_running_loop().time()
            ripe = [ledger for ledger in self._says if now - self._said.get(ledger, 0.0) >= GATHER_S]
            for ledger in ripe:
                self._said[ledger] = now
                await self._say(ledger, self._says.pop(ledger))
            if self._says:
                self._due.set()
                await asyncio.sleep(max(min(self._said.get(ledger, 0.0) for ledger in self._says) + GATHER_S - now, GATHER_S / 50))

    @observe.each("have", lambda _, ledger, __: {"ledger": ledger})
    async def _say(self, ledger: str, want: bool) -> None:
        ground = self._ground
        others = await self._forks.tips(ledger) if self._forks else {}
        if others:
            await ground.refresh([ledger])  # a lane of two histories may have got the other one since
        lanes = have.lanes_of(ground.heads.get(ledger, {}))
        room = self._room() if ledger == certificates.seat(ground.certificate) else None
        speaks = (*ground.speaks, have.ANEW) if self._anew and ledger == place.COMMON else ground.speaks
        said = Have(ground.certificate.node, ledger, lanes, ground.clock(), ground.version, want, speaks, others, room)
        wire = have.sign(said, ground.signer.key)
        self._hearing.own_words.append(wire)
        killpoints.reach("link.have")
        if await ground.link.publish(subjects.have(ledger, ground.certificate.node), wire) and have.ANEW in speaks:
            self._anew = False
        if lanes:
            ground.keep_own(ledger, wire)
        repeat = self._repeats.setdefault(ledger, _Repeat(0.0))
        repeat.last = asyncio.get_running_loop().time()

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if not self._ground.link.is_connected or not self._ground.leads():
                continue
            now = asyncio.get_running_loop().time()
            for ledger in self._ground.ledgers():
                repeat = self._repeats.get(ledger)
                if repeat is None:
                    repeat = self._repeats[ledger] = _Repeat(now)
                if now - repeat.last < repeat.pause:
                    continue
                unreceived = self._ground.peers.is_unreceived(ledger, self._ground.heads.get(ledger, {}))
                if unreceived:
                    repeat.pause = min(repeat.pause * REPEAT_GROWTH, REPEAT_S_MAX if self._is_awaited(ledger) else QUIET_S)
                elif now - repeat.last < quiet_s(self._ground.certificate, ledger):
                    continue
                repeat.last = now
                self.say(ledger, want=unreceived)

    def _is_awaited(self, ledger: str) -> bool:
        """Claims that somebody who lacks something of it was heard of within AWAY_S."""
        lacking = self._ground.peers.lackers(ledger, self._ground.heads.get(ledger, {}))
        since = asyncio.get_running_loop().time() - AWAY_S
        return any(self._alive.get(node, since) > since for node in lacking)

    def _moved(self, ledger: str, origin: str) -> None:
        self._catchup.again(ledger, origin)
        self.say(ledger, want=True)

    def _came(self, node: str, ledger: str) -> None:
        """A peer was heard of: what it lacks is said at once, for it may have been away."""
        known, now = self._ground.peers.get(node), asyncio.get_running_loop().time()
        if known is None:  # nothing is kept of names that nobody vouches for: there is no end of them
            return
        was_away = now - self._alive.get(node, 0.0) > AWAY_S
        if known.certificate.branch != self._ground.certificate.branch:
            self._heard_beyond = now
        if ledger != place.COMMON:  # who shares no other ledger with us has no file for us
            if was_away:
                self._fetching.again()  # it may have the files that nobody gave
            self._alive[node] = now
        if now - self._told.get(node, 0.0) < TOLD_S_MIN:
            return
        self._told[node] = now
        for ledger in self._ground.peers.lacking(known, self._ground.heads):
            if was_away and ledger in self._repeats:
                self._repeats[ledger].pause = REPEAT_S_MIN
            if ledger == place.COMMON and ledger not in known.lanes:
                self._ask_all(now)
            else:
                self.say(ledger, want=True)

    def _ask_all(self, now: float) -> None:
        """Somebody has not said what it has of *common* since we started: behind a leaf our first question was not heard."""
        if now - self._asked_all >= QUIET_S:
            self._asked_all, self._anew = now, True
            self.say(place.COMMON, want=True)
