"""What all parts of the pump stand on: the neighbours, the lane heads as committed, the peers, and what is to be kept of them.

Heads are read from the journal after each commit, never taken from what was sent or received: a Have speaks of the disk.
Receipts and refusals are written together: the first at once, what comes in the moment after it in one transaction, and a Have that says
nothing new along with them or a little later. A fault of a
loop is logged, counted, shown on the page, and the loop begins again: the pump never stops.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from nats.aio.msg import Msg

from protocol import certificate as certificates
from protocol import entry, events, place
from protocol.batch import SPEAKS
from protocol.certificate import Certificate
from protocol.lane import EMPTY
from protocol.node import log
from protocol.node.link.client import Heard, Link
from protocol.node.link.parts import Admission, Blobs, Head, Journal, Signs, Wake
from protocol.node.link.peers import Peers
from protocol.problem import OWN_STORE, Refused

AGAIN_S = 1.0
KEEPS_S = 0.05  # between two writes of receipts: each waits for the disk, and saves wait for their turn behind it
FOLLOWS_S = 0.2  # so often at most a program that does not lead tells its pages what was heard
WITNESS_MS = 60_000  # an unchanged Have is written again so seldom
WITNESSES_S = 2.0  # and waits so long for others: of 400 nodes at rest one comes each 50 ms, and each write would be a sync of the disk
SAMPLE_BYTES_MAX = 65_536
ONE_BY_ONE_MAX = 3  # ledgers; for more one question after all of them costs less
KEEP_MAX = 10_000  # refusals and receipts waiting for a disk that is full
SAMPLES_MAX = 64  # of those, how many with the bytes that were refused
KINDS_EACH_MAX = 1_000  # of what is refused of one speaker since the start; beyond it all of one reason is one kind
_SAID_BEFORE = "select node, ledger, origin, seq, at_ms from peer_have"
STRANGER = "?"  # whoever was refused and is enrolled nowhere that is known here

Part = tuple[dict, dict, dict]  # Haves, own Haves, refusals: see `_write`


class Ground:
    def __init__(
        self,
        journal: Journal,
        admission: Admission,
        link: Link,
        signer: Signs,
        certificate: Certificate,
        wake: Wake,
        clock: Callable[[], int],
        blobs: Blobs | None,
        version: str,
        speaks: tuple[str, ...] = SPEAKS,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        """leads: whether this program speaks, pulls and keeps for the node; others of the same node only listen and answer."""
        self.journal, self.admission, self.link, self.signer, self.certificate = journal, admission, link, signer, certificate
        self.wake, self.clock, self.blobs, self.version, self.speaks, self.leads = wake, clock, blobs, version, speaks, leads
        self.peers = Peers(certificate)
        self.heads: dict[str, dict[str, Head]] = {}  # ledger → its heads: one that is read again is another map
        self._wrote: dict[str, set[str]] = {}  # node → ledgers in which it has a lane
        self.faults: Counter[str] = Counter()
        self.refused = 0
        self.calm = asyncio.Event()  # cleared while something live is being admitted: catch-up waits for it
        self.calm.set()
        self._live = 0
        self._haves: dict[tuple[str, str], tuple[dict[str, tuple[int, bytes]], int, bytes]] = {}
        self._own: dict[str, tuple[int, bytes]] = {}
        self._refusals: dict[tuple[str, str, str, str], tuple[Refused, int, bytes | None, int]] = {}
        self._sampled: set[tuple[str, str, str, str]] = set()  # those of `_refusals` with their bytes
        self._kinds: dict[str, set[tuple[str, str, str, str]]] = {}  # speaker → kinds of what was refused of it
        self._written_ms: dict[tuple[str, str], int] = {}
        self._keep, self._fresh = asyncio.Event(), asyncio.Event()  # something is to be written; somebody waits for it
        self.on_back: Callable[[str], None] = lambda _: None  # a node connected anew
        self.on_joined: Callable[[], None] = lambda: None  # a node is known that was not
        self._asking: dict[str, dict[asyncio.Task[Msg | None], None]] = {}  # node → what it was asked over its present connection, in turn

    # ── asking ──

    async def ask(
        self, node: str, subject: str, body: bytes, most_s: float, before: Callable[[], Awaitable[None]] | None = None
    ) -> Msg | None:
        """As Link.request, sent in the very turn in which `before` is through; asked anew each time `back` tells that the node connected
        anew, for twice as long at most (without what `before` takes)."""
        loop = asyncio.get_running_loop()
        until = loop.time() + 2 * most_s

        async def sent() -> Msg | None:
            nonlocal until
            began = loop.time()
            if before is not None:
                await before()
            until += loop.time() - began
            return await self.link.request(subject, body, min(most_s, until - loop.time()))

        while loop.time() < until:
            asked = asyncio.create_task(sent())
            self._asking.setdefault(node, {})[asked] = None
            try:
                await asyncio.wait({asked})
            finally:
                asked.cancel()
                self._asking.get(node, {}).pop(asked, None)
                if not self._asking.get(node, True):
                    del self._asking[node]
            if not asked.cancelled():
                return asked.result()
        raise TimeoutError

    def back(self, node: str) -> None:
        """What it was to answer over the connection before may be lost, and is not waited for; nor what those were to whose answers come
        through its server: that one may have been cut off as well, and they never notice."""
        self.on_back(node)
        for other in [node, *self.peers.through(node, self._asking)]:
            for asked in self._asking.pop(other, ()):
                asked.cancel()

    def back_all(self) -> None:
        """The same of every node: what lies between us and some of them was broken."""
        for node in list(self._asking):
            self.back(node)

    # ── what we have ──

    async def load(self) -> None:
        self.heads = {}
        for (ledger, origin), head in (await self.journal.heads()).items():
            self.heads.setdefault(ledger, {})[origin] = head
        self._note_writers(self.heads)
        self.peers.remember(await self.journal.select(_SAID_BEFORE, {}))
        await self.load_nodes()

    async def refresh(self, ledgers: Iterable[str]) -> None:
        wanted = set(ledgers)
        if len(wanted) <= ONE_BY_ONE_MAX:
            for ledger in wanted:
                self.heads[ledger] = {origin: head for (_, origin), head in (await self.journal.heads(ledger)).items()}
            self._note_writers(wanted)
            return
        found: dict[str, dict[str, Head]] = {ledger: {} for ledger in wanted}
        for (ledger, origin), head in (await self.journal.heads()).items():
            if ledger in wanted:
                found[ledger][origin] = head
        self.heads |= found
        self._note_writers(found)

    def _note_writers(self, ledgers: Iterable[str]) -> None:
        for ledger in ledgers:
            for origin in self.heads[ledger]:
                self._wrote.setdefault(entry.node_of(origin), set()).add(ledger)

    def written_by(self, node: str) -> list[str]:
        """The ledgers here in which it has a lane, under whichever epoch."""
        return sorted(self._wrote.get(node, ()))

    async def load_nodes(self) -> None:
        """Who is enrolled and who is revoked, as *common* says."""
        before = len(self.peers)
        for row in await self.journal.rows("node_row"):
            try:
                self.peers.learn(certificates.decode(bytes(row["certificate"])), bool(row["revoked"]))
            except Refused:
                continue  # revoked before its certificate arrived: nothing is known that could be used
        if len(self.peers) > before:
            self.on_joined()

    async def vouch(self, node: str, ledger: str) -> bool:
        """Looks for the node's certificate in a lane of its that was admitted; True when the node is known now."""
        if self.peers.get(node):
            return True
        for origin in self.heads.get(ledger, {}):
            if entry.node_of(origin) == node and (rows := await self.journal.lane(ledger, origin, 0, 1)):
                facts = events.facts_of(entry.decode_head(rows[0].head_bytes))
                if isinstance(facts, events.LaneOpened):
                    self.peers.learn(certificates.decode(facts.certificate))
                    self.on_joined()
        return self.peers.get(node) is not None

    def head(self, ledger: str, origin: str) -> Head:
        return self.heads.get(ledger, {}).get(origin, EMPTY)

    def hears(self, ledger: str) -> bool:
        return certificates.hears(self.certificate, ledger)

    def ledgers(self) -> list[str]:
        """All whose Have we say, in order: those with entries, those we cover by name, *common*, our own sealed one if it was ever used."""
        named = {path.removesuffix("/*") for path in self.certificate.covers if place.SEALED not in place.segments(path)}
        return sorted({place.COMMON} | named | {ledger for ledger in self.heads if self.hears(ledger)})

    # ── what is kept of others ──

    def keep_have(self, node: str, ledger: str, lanes: dict[str, tuple[int, bytes]], wire: bytes, changed: bool) -> None:
        """The last signed Have of each node is a witness. An unchanged one is not worth a write each time."""
        now_ms = self.clock()
        if changed or now_ms - self._written_ms.get((node, ledger), 0) > WITNESS_MS:
            self._written_ms[node, ledger] = now_ms
            self._haves[node, ledger] = (lanes, now_ms, wire)
            self._keep.set()
            if changed:
                self._fresh.set()

    def keep_own(self, ledger: str, wire: bytes) -> None:
        """Written along with the next receipt, never for itself: it is a witness, not a promise."""
        self._own[ledger] = (self.clock(), wire)

    def quarantine(self, node: str, ledger: str, origin: str, refused: Refused, sample: bytes | None = None) -> None:
        """Counts a refused batch or Have, one row a kind. Trouble of our own store is nobody else's fault: the next Have shows what we lack."""
        if refused.code in OWN_STORE:
            return
        refused.sentence = _printable(refused.sentence, 300)  # it may quote what a stranger sent
        said = _printable(node, 80), _printable(ledger, 80), _printable(origin, 80)
        key = self._kind(*said, refused.code)
        if key not in self._refusals and len(self._refusals) >= KEEP_MAX:
            return
        count = self._refusals[key][3] if key in self._refusals else 0
        if not count:
            log.event("refused", node=said[0], ledger=said[1], origin=said[2], reason_code=refused.code)
        if not sample or place.is_sealed(key[1]) or (key not in self._sampled and len(self._sampled) >= SAMPLES_MAX):
            sample = self._refusals[key][2] if count else None
        else:
            self._sampled.add(key)
        self.refused += 1
        self._refusals[key] = (refused, self.clock(), sample[:SAMPLE_BYTES_MAX] if sample else None, count + 1)
        self._keep.set()
        self._fresh.set()

    def _kind(self, node: str, ledger: str, origin: str, code: str) -> tuple[str, str, str, str]:
        """By names that are known here alone: whoever speaks can invent others for ever, and each would be a row that nobody deletes. What came
        of a sealed ledger stays told from the rest, whatever its name."""
        if self.peers.get(node) is None and node != self.certificate.node:
            node = STRANGER
        is_sealed, sealed = place.is_sealed(ledger), f"{certificates.sealed_ledger(self.certificate).rpartition('/')[0]}/-"
        if ledger not in self.heads and (is_sealed or (ledger != place.COMMON and ledger not in self.peers.places)):
            ledger = sealed if is_sealed else ""
        key, kinds = (node, ledger, origin if self.head(ledger, origin).seq else "", code), self._kinds.setdefault(node, set())
        if key not in kinds and len(kinds) >= KINDS_EACH_MAX:
            return node, sealed if is_sealed else "", "", code
        kinds.add(key)
        return key

    async def keep(self) -> None:
        """Runs for ever: whatever has gathered goes into one transaction; then pages are told. What a program heard that does not lead it writes
        when it comes to lead: whoever led before may have been killed without."""
        while True:
            await self._keep.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(WITNESSES_S):
                    await self._fresh.wait()
            self._keep.clear()
            self._fresh.clear()
            if not self.leads():
                self._own, self._refusals, self._sampled = {}, {}, set()
                self.wake.heard()
                await asyncio.sleep(FOLLOWS_S)
                continue
            haves, own, refusals = self._haves, self._own, self._refusals
            self._haves, self._own, self._refusals, self._sampled = {}, {}, {}, set()
            try:
                await self._write(haves, own, refusals)
            except Refused:  # disk full, busy, read-only: nothing was written, nothing is forgotten
                self._put_back(haves, own, refusals)
                await asyncio.sleep(AGAIN_S)
                continue
            except Exception:  # noqa: BLE001, a fault of ours, or of one of them
                await self._write_apart(haves, own, refusals)
            self.wake.heard()
            await asyncio.sleep(KEEPS_S if haves else AGAIN_S)  # a flood of refused messages costs one write a second

    def _put_back(self, haves: dict, own: dict, refusals: dict) -> None:
        """What came meanwhile is newer; what was refused is counted with it."""
        self._haves, self._own = haves | self._haves, own | self._own
        for key, (_, _, _, count) in refusals.items():
            if key in self._refusals:
                refused, at_ms, sample, more = self._refusals[key]
                self._refusals[key] = (refused, at_ms, sample, count + more)
        self._refusals = refusals | self._refusals
        self._sampled = {key for key, (_, _, sample, _) in self._refusals.items() if sample}
        self._keep.set()
        self._fresh.set()

    def lead(self) -> None:
        self._keep.set()
        self._fresh.set()

    async def _write_apart(self, haves: dict, own: dict, refusals: dict) -> None:
        """One of them is beyond what could be foreseen, and the others shall not wait for it: what fails alone, twice, while others go in is
        given up. Raises what none of them gets past; then nothing is forgotten."""
        parts = [({key: one}, {}, {}) for key, one in haves.items()] + [({}, {key: one}, {}) for key, one in own.items()]
        parts += [({}, {}, {key: one}) for key, one in refusals.items()]
        failed = await self._failing(parts)
        none_went = len(failed) == len(parts)
        if not none_went:
            failed = await self._failing([part for part, _ in failed])
        for part, error in failed:
            if none_went or isinstance(error, Refused):
                self._put_back(*part)
            else:
                self.faults["keep"] += 1
                log.event("pump part failed", kind="keep", exception=error)
        if none_went and failed:
            raise failed[0][1]

    async def _failing(self, parts: Iterable[Part]) -> list[tuple[Part, Exception]]:
        """Writes each for itself; what did not go in, and why."""
        failed = list[tuple[Part, Exception]]()
        for part in parts:
            try:
                await self._write(*part)
            except Exception as error:  # noqa: BLE001, whoever asked says it
                failed.append((part, error))
        return failed

    async def _write(self, haves: dict, own: dict, refusals: dict) -> None:
        async with self.journal.writing() as w:
            await w.set_haves(haves)
            await w.set_own_haves(own)
            for (node, ledger, origin, _), (refused, at_ms, sample, count) in refusals.items():
                await w.quarantine(node, ledger, origin, refused, at_ms, sample, count)

    @contextmanager
    def hearing_live(self) -> Iterator[None]:
        self._live += 1
        self.calm.clear()
        try:
            yield
        finally:
            self._live -= 1
            if not self._live:
                self.calm.set()

    def guarded(self, name: str, heard: Heard) -> Heard:
        """One message must not stop the others: its fault is logged and counted."""

        async def one(msg: Msg) -> None:
            try:
                await heard(msg)
            except Exception as error:  # noqa: BLE001, said aloud and counted
                self.faults[name] += 1
                log.event("message failed", kind=name, exception=error)

        return one

    async def for_ever(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await loop()
            except Exception as error:  # noqa: BLE001, said aloud and counted: a part of the pump begins again, the others never noticed
                self.faults[name] += 1
                log.event("pump part failed", kind=name, exception=error)
                self.wake.heard()
            await asyncio.sleep(AGAIN_S)  # also after one that ended: it might never wait for anything


def _printable(text: str, most: int) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:most])
