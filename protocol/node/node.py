"""One node, wired: journal, desk, link and pump of one folder. Time enters the program here, all else by its Machine.

    node = await Node.open(folder, config)       identity must exist (enrolment made it)
    await node.start()                           link and pump in the background; pages work with or without them
    await node.close()

Opening holds the mark (folder/mark, outside the database) against our own lanes: a mark that is ahead means that the
database is older than what we once signed, a restored backup for example. Then a new epoch is opened at once, offline too:
the old lane is closed and comes back from peers, and no number is ever given twice.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from protocol import certificate as certificates
from protocol import entry
from protocol.certificate import Certificate
from protocol.events import Actor
from protocol.lane import LaneHead
from protocol.node import asides, days, healing, indexing, killpoints, locks, log, restored, scrubbing, sticks, sweeping
from protocol.node.admission import Admission
from protocol.node.config import Config
from protocol.node.desk import Desk
from protocol.node.disk import takes_nothing
from protocol.node.fellows import Fellows
from protocol.node.folding import follow, follow_common, follow_ends, pay
from protocol.node.forks import Forks, Moved
from protocol.node.gate import Gate, note_restored
from protocol.node.identity import Identity
from protocol.node.journal import Journal, Witness
from protocol.node.journal.branches import Branched
from protocol.node.link.client import end
from protocol.node.link.pump import Pump
from protocol.node.machine import MARK, Machine, store_key, store_url
from protocol.node.mending import Mending
from protocol.node.people import People
from protocol.node.push import Push
from protocol.node.reads import Reads
from protocol.node.recovering import Recovering
from protocol.node.shelf import Shelf
from protocol.node.signer import Signer
from protocol.node.unsaved import KEPT_DAYS, Unsaved
from protocol.node.version import VERSION
from protocol.node.wake import Wake
from protocol.node.widening import taken
from protocol.place import COMMON
from protocol.problem import OWN_STORE, Refused
from protocol.tables import Tables

MARK_S = 0.5  # the mark follows a commit within this time; a mark that lags is harmless
ERRANDS_S = 60.0  # how often we look whether a lower node has left something to us
MERGES_S = 60.0  # how often at most we look for merged cases that nobody works on
CODES_S = 30.0  # how often at most we look for numbers that were given twice
OWED_S = 5.0
READONLY_S = 2.0  # how often we look whether a store that could only be read takes something again
ELSEWHERE_S = 1.0  # how often we look whether another program (the command line) wrote to our journal

__all__ = ["MARK", "VERSION", "Node", "now_ms", "store_key", "store_url"]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Node:
    """journal, shelf, wake, desk, admission, people, blobs, reads, link, pump · name: of its office, for the bar of each page."""

    def __init__(self, machine: Machine, journal: Journal, shelf: Shelf, witness: Witness) -> None:
        clock, identity = machine.clock, machine.identity
        self.folder, self.config, self.identity = machine.folder, machine.config, identity
        self.journal, self.shelf, self.clock = journal, shelf, clock
        self.about = identity.about()
        self.signer: Signer = identity.signer()
        self.wake = Wake()
        self.desk = Desk(journal, self.signer, shelf, clock, self.wake, self.about.sealing_public or None, machine.chance)
        self.forks = Forks(journal, self.about.root_public, shelf, self.signer, clock)
        self.admission = Admission(
            journal, self.about.root_public, self.certificate, shelf, clock, self.wake, arrivals=self.desk.arrivals, forks=self.forks
        )
        self.people = People(journal, shelf, machine.chance, self.config.session.idle_minutes * 60_000)
        self.unsaved = Unsaved(journal, clock)
        self.push = Push(journal, lambda: identity.derived("push"), self.config.push, clock)
        self.recovering = Recovering(journal, shelf, self.signer, self.people, machine.chance)
        self.blobs = machine.blobs()
        self.uploads = machine.uploads(self.blobs)
        self.reads = Reads(journal, shelf, self.signer, clock, identity.sealing_secret())
        self.link = machine.link()
        self.pump = Pump(
            journal, self.admission, self.link, self.signer, self.certificate, self.wake, clock,
            blobs=self.blobs, version=VERSION, speaks=machine.speaks, forks=self.forks, leads=lambda: self.fellows.leads,
            room=lambda: machine.room(journal.damaged), counts=self.shelf.counts, former=self.about.former,
        )  # fmt: skip
        self.fellows = Fellows(journal, self.wake, machine.name)
        self.fellows.took_over = self.pump.lead
        self.desk.offset, self.desk.stopped = self.pump.offset_ms, self.stopped
        self.forks.regained = self._regained
        root = self.about.root_node
        self.gate = Gate(machine.notes(), self.pump, clock, self.wake, (root, self.office) if root not in ("", self.about.node) else None)
        self.desk.ready, self.desk.is_asked = self.gate.asked, self.gate.is_asked
        self.mending = Mending(self, machine.folder, clock)
        self.outdated = asyncio.Event()  # a new epoch was opened while running: whoever runs this node closes it and opens it again
        self.servers: list[Callable[[], object]] = []  # states of nats-servers that this program runs, for the page
        self._tasks: list[asyncio.Task[None]] = []
        self._heads: dict[tuple[str, str], LaneHead] = {}  # of all lanes, as `_elsewhere` found them last
        self._own: dict[tuple[str, str], LaneHead] = {}  # where this program alone has brought them since, and told so
        self._marked, self._wrote = asyncio.Event(), asyncio.Event()
        self._is_left_aside = True  # something of ours may stand beside a lane and is not written anew yet
        self._witness, self._advanced = witness, set[str]()
        self.wake.listen(self._note)

    @classmethod
    async def open(cls, folder: Path, config: Config, clock: Callable[[], int] = now_ms) -> "Node":
        """Raises Refused store_damaged, store_busy, store_readonly, disk_full; RuntimeError: a key is not here, or another one."""
        await restored.finish(folder)
        await healing.finish(folder, config)
        return await cls.on(Machine(folder, config, clock))

    @classmethod
    async def on(cls, machine: Machine) -> "Node":
        """Raises what `open` raises."""
        machine.identity.signing_key()  # before anything is opened, or moved on to another epoch
        shelf = Shelf(machine.clock)
        journal = await machine.journal(shelf)
        try:
            await _hold_against_heal(machine.identity, journal)
            witness = machine.witness()
            await _hold_against_mark(witness, machine, journal)
            return cls(machine, journal, shelf, witness)
        except BaseException:
            await journal.close()
            raise

    @property
    def certificate(self) -> Certificate:
        return self.signer.certificate

    @property
    def name(self) -> str:
        return self.tables().office_name(self.office)

    @property
    def office(self) -> str:
        """The office that it serves first."""
        return certificates.seat(self.certificate)

    @property
    def made_up(self) -> bool:
        """Claims that people and matters here are invented: by its own switch, or since it was founded or joined as a demo."""
        return self.config.demo.made_up or self.about.made_up

    def tables(self) -> Tables:
        return self.shelf()

    def stopped(self) -> str:
        """Why this node writes no more, a code of problem.SENTENCES; "" when it does."""
        if self.journal.damaged:
            return "store_damaged"
        if self.outdated.is_set() or self._moves_on or (self.pump.is_overtaken and not self.forks.is_forked):
            return "store_busy"  # it opens again in a moment, under another origin
        if self.signer.node in self.shelf.revoked:
            return "node_revoked"
        if self.forks.is_forked:
            return "node_forked"
        return "store_readonly" if self.journal.writable.is_readonly else ""

    @property
    def _moves_on(self) -> bool:
        """Claims that others hold another history of our lane, and that nobody above could decide about it: the county goes on under a new
        epoch, the lane becomes what the others hold, and what it alone had is written anew."""
        return self.forks.is_forked and not self.forks.has_twin and certificates.writes(self.certificate, COMMON)

    async def start(self) -> None:
        self._heads = await self.journal.heads()
        await self.forks.load()
        self.forks.changed.set()
        await self.fellows.begin()
        self.pump.group = self.fellows.group
        if self.fellows.leads and (
            self.about.epoch > 1 or any(entry.node_of(origin) == self.about.node for _, origin in await self.journal.heads())
        ):
            # Under a new epoch too, also where nothing of ours is here (a folder put back to before its first entry): what the closed lane
            # did comes first. Where another program of this node runs, it was asked already.
            self.gate.ask()
        self._wrote.set()  # what offers wait for an arrival is looked at as soon as the others were asked
        loops = {
            "pump": self.pump.run,
            "mark": self._mark,
            "elsewhere": self._elsewhere,
            "owed": self._owed,
            "overtaken": self._overtaken,
            "gate": self.gate.run,
            "scrub": self._scrub,
            "errands": self._errands,
            "widened": self._widened,
            "sweep": self._sweep,
            "mending": self.mending.run,
            "damage": self._damage,
            "readonly": self._readonly,
        }
        if self.journal.indexes_later:
            loops["index"] = partial(indexing.follow, self.journal, self.wake)
        if self.fellows.has_any:
            loops["fellows"] = self.fellows.run
        if self.push.key:
            loops["push"] = partial(self.push.run, self.wake, lambda: self.fellows.leads)
        for name, loop in loops.items():
            self._tasks.append(asyncio.create_task(_for_ever(name, loop), name=name))

    async def close(self) -> None:
        await end(self._tasks)
        await self.admission.settled()
        await self.fellows.leave()
        try:
            await self.save_mark()
        except OSError as error:
            log.event("mark not saved", exception=error)
        finally:
            await self.journal.close()

    def wire_turned(self, carries: bool, again: bool = False) -> None:
        """The wire from the server that this program runs to the one above broke, or carries again. again: as it did a moment ago."""
        if carries:
            self.pump.rejoined(again)
        if not again:
            self.wake.heard()

    async def save_mark(self) -> None:
        """Notes how far our own lanes have got. Raises OSError."""
        for ledger in sorted(self._advanced):
            self._advanced.discard(ledger)  # first: what is written meanwhile is noted the next time
            try:
                head = (await self.journal.heads(ledger)).get((ledger, self.signer.origin))
                if head:
                    killpoints.reach("node.mark")
                    self._witness.note(ledger, self.signer.origin, head)
            except BaseException:
                self._advanced.add(ledger)
                raise

    # ── background ──

    def _note(self, lanes: Iterable[tuple[str, str]]) -> None:
        for lane in lanes:
            before, after = self.journal.wrote.pop(lane, (None, LaneHead()))
            if before is not None and before == self._own.get(lane, self._heads.get(lane, LaneHead())):
                self._own[lane] = after
        if own := {ledger for ledger, origin in lanes if origin == self.signer.origin}:
            self._advanced |= own
            self._marked.set()
            self._wrote.set()

    async def _mark(self) -> None:
        while True:
            await self._marked.wait()
            await asyncio.sleep(MARK_S)
            self._marked.clear()
            try:
                await self.save_mark()
            except OSError as error:
                log.event("mark not saved", exception=error)  # a full disk: the save itself has been refused or not, and was told

    async def _errands(self) -> None:
        """What follows from what was written here; and now and then, for what a lower node did not do in time."""
        looked_s, merges_s = -CODES_S, -MERGES_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ERRANDS_S):
                    await self._wrote.wait()
            self._wrote.clear()
            if (
                self._is_left_aside and self.fellows.leads and not self.outdated.is_set()
            ):  # a round broke off, or the program was stopped in it
                self._is_left_aside = False
                await self._write_anew(await self.forks.put_aside())
            await self.desk.ready()
            await self.desk.arrivals()
            if asyncio.get_running_loop().time() - merges_s >= MERGES_S:
                merges_s = asyncio.get_running_loop().time()
                await self.desk.merges()
            if asyncio.get_running_loop().time() - looked_s >= CODES_S and await self._may_count_twice():
                looked_s = asyncio.get_running_loop().time()
                await self.desk.codes()

    async def _may_count_twice(self) -> bool:
        """Claims that some disk was put back once, or copied, or may have been: only then is a number ever given twice."""
        if self.about.epoch > 1 or self.shelf.revoked or self.forks.lanes:
            return True
        return bool(await self.journal.select("select 1 from lane where seq > 0 and origin not like :first limit 1", {"first": "%:1"}))

    async def _widened(self) -> None:
        """The county gave us a wider certificate: it is taken, and whoever runs this node opens it again."""
        while True:
            if not self.outdated.is_set() and await taken(self.identity, self.shelf, self.journal):
                log.event("wider certificate", node=self.about.node)
                self.outdated.set()
            await asyncio.sleep(ELSEWHERE_S)

    async def _overtaken(self) -> None:
        """Others hold more of our own lane than we do, though no mark said so: the whole folder is an old one. Nothing more is written
        under this origin; what was lost comes back from them."""
        while True:
            await asyncio.sleep(ELSEWHERE_S)
            state = self.pump.state()
            if not (state.overtaken or self._moves_on) or self.outdated.is_set() or self.forks.has_twin:
                continue
            origins = {origin for _, origin in await self.journal.heads()}
            if self.signer.origin in origins and self.about.moved == self.about.epoch and not certificates.writes(self.certificate, COMMON):
                # we had moved away from it once, and it came after us: it lives. The county has nobody above who could decide: it was put back again
                self.forks.found_twin()
                self.wake.heard()
                continue
            known = [entry.epoch_of(origin) for origin in origins if entry.node_of(origin) == self.about.node]
            epoch = self.identity.new_epoch(max(state.highest_epoch, *known, 0), moved=True)
            log.event("new epoch", origin=f"{self.about.node}:{epoch}", lanes=len(state.overtaken))
            self.outdated.set()
            self.gate.give_up()

    async def _regained(self, moved: Moved) -> None:
        """A closed lane of ours is again what others hold. What we alone had in it, written before we were told, is written anew."""
        self._wrote.set()  # an offer may stand now that did not
        if moved.ledger == COMMON:
            await self.admission.common_changed()
        if entry.node_of(moved.origin) == self.about.node:
            await self._write_anew(moved.aside)

    async def _write_anew(self, rows: Iterable[Branched]) -> None:
        """Once each, however often it is asked for. What the store has no room for just now is looked for again."""
        for row in rows:
            try:
                await self.desk.adopt(row, Actor("", "node", self.office, frozenset()))
            except Refused as refused:  # it stays beside the lane, and pages show it
                self._is_left_aside = self._is_left_aside or refused.code in OWN_STORE
                log.event("not written anew", ledger=row.ledger, origin=row.origin, seq=row.seq, reason_code=refused.code)

    async def _scrub(self) -> None:
        """Damage in what nobody reads is found while others still hold what was lost."""
        await asyncio.sleep(scrubbing.FIRST_S)
        while True:
            found = await scrubbing.look(self.journal, self.blobs, scrubbing.PAUSE_S)
            self.wake.commit([], [])  # pages say what was found, files that are wanted again are fetched
            log.event("scrubbed", entries=len(found.entries), count=len(found.files))
            await asyncio.sleep(scrubbing.EACH_S)

    async def _damage(self) -> None:
        """A journal that was found damaged is healed by whoever runs this node, unless its disk seems to die: then a person decides. While a
        command is at work on it the pages stay open."""
        asked = self.folder / healing.ASKED
        while not self.outdated.is_set():
            await asyncio.sleep(ELSEWHERE_S)
            if not self.journal.damaged or not self.may_heal:
                continue
            if not asked.exists() and healing.may_by_itself(self.folder, self.clock()):
                self.heal_asked()
            if asked.exists() and locks.is_free(self.folder):
                self.outdated.set()
        await asyncio.Event().wait()

    async def _readonly(self) -> None:
        """A store that could only be read is tried until it takes something again; pages are told of either."""
        was = False
        while True:
            await asyncio.sleep(READONLY_S)
            if self.journal.writable.is_readonly:
                await self.journal.try_again()
            if self.blobs.is_readonly:
                self.blobs.is_readonly = await asyncio.to_thread(takes_nothing, self.blobs.folder)
            if was != (was := self.journal.writable.is_readonly or self.blobs.is_readonly):
                log.event("store read-only" if was else "store writable again", level=logging.ERROR if was else logging.INFO)
                self.wake.commit([], [])

    @property
    def may_heal(self) -> bool:
        """Claims that a heal is possible here: the folder is this program's, where another one's is not the first (`[root] beside`)."""
        return self.folder.is_dir() and not self.config.root.beside

    def heal_asked(self) -> None:
        """As soon as nobody is at work on the journal, whoever runs this node closes it, heals and opens it again. Raises OSError."""
        (self.folder / healing.ASKED).touch()
        log.event("heal asked", node=self.about.node)

    async def _sweep(self) -> None:
        """Files of erased bodies go; once an hour also what broke off and was left lying."""
        tidied = 0.0
        await self.blobs.count()
        while True:
            await asyncio.sleep(sweeping.EACH_S)
            now_s = self.clock() / 1000
            await asides.reach(self.folder, self.journal, self.identity.key("store"))
            if swept := await sweeping.sweep(self.journal, self.blobs, now_s, self.uploads):
                log.event("files of erased bodies removed", count=len(swept))
            if abs(now_s - tidied) >= sweeping.TIDY_EACH_S:
                tidied = now_s
                await self._tidied(self.clock())

    async def _tidied(self, now_ms: int) -> None:
        """What was left lying for so many days on which this node ran."""
        ran = await days.ran(self.journal, now_ms)
        sticks.tidy(self.folder, now_ms / 1000)
        await self.unsaved.tidy(days.old(ran, KEPT_DAYS, now_ms))
        before_s, unnamed_s = (days.old(ran, n, now_ms) / 1000 for n in (self.config.files.half_days_max, sweeping.UNNAMED_DAYS))
        gone = await sweeping.tidy(self.journal, self.blobs, self.uploads, before_s)
        if self._has_all:
            gone += await sweeping.tidy_whole(self.journal, self.blobs, before_s, now_ms / 1000, unnamed_s)
        if gone:
            log.event("leftover files removed", count=gone)

    @property
    def _has_all(self) -> bool:
        """Claims that no entry is known to be missing here, after a restore, a heal, or else: what none names may be named by none at all."""
        is_whole = self.gate.restored is None and self.mending.state is None and not self.journal.damaged
        return is_whole and not self.pump.missing()

    async def _elsewhere(self) -> None:
        """The command line works on the same journal: what it wrote goes out and is shown like anything else.

        What this program wrote itself was told when it was written. It is told apart by the heads before and after each of its commits: of a
        lane that both advanced all is said. So is a day on which a table begins that the county set before.
        """
        while True:
            told = await self._told_of_another()
            if self.journal.replaced:
                self.outdated.set()
            own, self._own = self._own, {}
            heads = await self.journal.heads()
            changed = [lane for lane, head in heads.items() if self._heads.get(lane) != head]
            theirs = [lane for lane in changed if own.get(lane) != heads[lane]]
            begun, common = self.shelf.has_next_begun, any(ledger == COMMON for ledger, _ in changed)
            if (begun or common) and await follow_common(self.journal, self.shelf):
                await follow(self.journal, self.shelf)
            if theirs or common:
                await follow_ends(self.journal, self.shelf)
                await self.forks.load()
            if changed:
                self.forks.changed.set()
            self._heads = heads  # not before: of a round that failed the next one still tells
            if theirs or told or begun:
                with self.fellows.passing_on():
                    self.wake.commit(theirs, ())
                    self.wake.heard()

    async def _owed(self) -> None:
        """What a commit asked of the views and the store could not take then, again and again until it does."""
        while True:
            await self.shelf.owed.is_due.wait()
            await asyncio.sleep(OWED_S)
            await pay(self.journal, self.shelf)
            self.wake.heard()

    async def _told_of_another(self) -> bool:
        """Waits ELSEWHERE_S at most; True: another program of this node said that it committed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ELSEWHERE_S):
                await self.fellows.changed.wait()
        told = self.fellows.changed.is_set()
        self.fellows.changed.clear()
        return told


async def _for_ever(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """A loop that fails is said in the log and begins again; the others never notice. One that ends does not begin again at once:
    it might never wait for anything, and then nothing else would run any more."""
    while True:
        try:
            await loop()
        except Exception as error:  # noqa: BLE001, said aloud, and the node goes on
            log.event("loop failed", level=logging.ERROR, name_of=name, exception=error)
        await asyncio.sleep(ELSEWHERE_S)


async def _hold_against_heal(identity: Identity, journal: Journal) -> None:
    """A database that was healed is written under a new epoch, also by a program that did not heal it."""
    noted = await journal.local(healing.EPOCH) or b""
    said = int(noted) if noted.isdigit() else 0
    if identity.about().epoch < said:
        identity.new_epoch(said - 1)
        log.event("new epoch", origin=f"{identity.about().node}:{said}", lanes=0)


async def _hold_against_mark(witness: Witness, machine: Machine, journal: Journal) -> None:
    """Where entries are missing that this node once signed it goes on under a new epoch, and its pages wait: that is noted first, for
    after the epoch nothing is missing any more."""
    identity, heads = machine.identity, await journal.heads()
    about = identity.about()
    own = f"{about.node}:{about.epoch}"
    lost = [lane for lane in witness.ahead(heads) if lane[1] == own]
    if lost:
        note_restored(machine.notes(), machine.clock(), "lost")
        identity.new_epoch(max(entry.epoch_of(origin) for origin in [own, *(o for _, o in heads)] if entry.node_of(origin) == about.node))
        log.event("new epoch", origin=own, lanes=len(lost))
