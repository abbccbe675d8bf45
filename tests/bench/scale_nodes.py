"""scale, by nodes: one county's own program, and all the nodes of its county, in one process (a part of scale.py).

What runs at the county is the product, unchanged: Node with its journal (SQLCipher, a real file), its door, its fold, its pump with all its
loops. Replaced are the wire (no nats-server, no nats-py), the clock, which leaves out waiting (hurried.py), and the nodes: light
ones (light.py), one of 41 a township that covers the other 40. *Common* holds the certificate of each and a table of places with them
all. It is not the simulation's loop and store: there work takes no time, a commit no disk and no cipher, and what is measured here is
work. So the county's CPU is that of the whole process, store's threads included, without what the light nodes took; nats-py's is missing,
and the light nodes' timers in the loop (a tenth of a quiet minute) are counted with it.

    start             until it has said its Have of each ledger, from the opening of its store
    coming back       all nodes connect within 30 s, each asks (`want`) what the others have
    quiet minute      nothing is new: all repeat their Haves, and so does the county; of two minutes, since *common* is said each second one
    one away          the same, while one computer is off that lacks what the county wrote into *common* since
    save arriving     a further minute in which each node registers a dispute: what it takes beyond a quiet one, by entry
    sent, heard       bytes of that quiet minute: what the county says; what the wire brings a village (the Haves of *common* of all)
    memory per node   of what the open node holds in Python; SQLite's caches are bounded

Raises AssertionError where the county did not do its work: each save once in its journal and its lists, every ledger the same at all who
have it, every node heard in the quiet time, nothing refused, no part of the pump failed.
"""

import asyncio
import gc
import logging
import math
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

import msgspec
from nacl.signing import SigningKey

from deploy import memory
from protocol import certificate as certificates
from protocol import codes, dispute, entry, have, lane
from protocol.commands import LogDispute, Party
from protocol.context import Context
from protocol.data import PACKAGED
from protocol.events import Actor, Draft, NodeEnrolled, TableSet
from protocol.have import Lanes
from protocol.lane import EMPTY
from protocol.node import marks
from protocol.node.config import Config
from protocol.node.desk import row_of
from protocol.node.folding import open_journal
from protocol.node.identity import About, write_whole
from protocol.node.link.pump import QUIET_COMMON_S, QUIET_S, REPEAT_S_MAX
from protocol.node.machine import Machine, store_key, store_url
from protocol.node.node import Node
from protocol.node.shelf import Shelf
from protocol.place import COMMON, SEALED, segments
from protocol.tables import Tables
from tests.bench.kit.hurried import HurriedLoop, play
from tests.bench.kit.light import AUTHOR, Light, Wire, issued

ROOT: Final = "330523"
BRANCH_NODES: Final = 41  # a township and its villages
NOW_MS: Final = 1_795_000_000_000  # 2026-11-18
MINUTE_S: Final = 60.0
SETTLES_S: Final = 3 * QUIET_S
EACH_COMMIT: Final = 400  # entries of *common*
PAGE_LEDGERS: Final = 50
MINUTES: Final = ("quiet minute", "minute with one away")
UNITS: Final = {f"{name} {what}": "kB" for name in MINUTES for what in ("sent", "heard by a village")} | {
    "memory per node": "kB"
}  # else ms
Costs = dict[str, list[float]]  # name → one of each run, in its unit


def measure(folder: Path, count: int, runs: int, times: int) -> Costs:
    """Call it in a thread: it runs a loop of its own."""
    return play(_measured(folder, count, runs, times))


async def _measured(folder: Path, count: int, runs: int, times: int) -> Costs:
    memory.collect_rarely()  # as the hub's own program does
    county = await _County.found(folder, count)
    costs: Costs = {}
    for _ in range(runs):
        for name, value in (await county.run(times)).items():
            costs.setdefault(name, []).append(value)
    return costs


# ── who is there ──


def _paths(count: int) -> list[tuple[str, tuple[str, ...]]]:
    """(path, its villages) of each node; a village has none."""
    found = list[tuple[str, tuple[str, ...]]]()
    for town in range(math.ceil(count / BRANCH_NODES)):
        path, some = f"{ROOT}/{ROOT}{town:03d}", min(BRANCH_NODES, count - town * BRANCH_NODES) - 1
        villages = tuple(f"{path}/{ROOT}{town:03d}{n:03d}" for n in range(201, 201 + some))
        found += [(path, villages), *((one, ()) for one in villages)]
    return found


def _places(count: int) -> bytes:
    """A table with all of them, as the county would set it."""
    table = msgspec.json.decode(PACKAGED["places"][2])
    levels = ("county", "township", "village")
    rows = [[ROOT, "安吉县", "county", ""]]
    for path, _ in _paths(count):
        *_, above, code = segments(path)
        rows.append([code, f"{int(code[6:])}号", levels[len(segments(path)) - 1], above])
    return msgspec.json.encode(table | {"version": "2026.9", "valid_from": "2026-01-01", "rows": rows})


def _key(n: int) -> SigningKey:
    return SigningKey(sha256(f"node {n}".encode()).digest())


class _Machine(Machine):
    def __init__(self, folder: Path, clock: Callable[[], int], wire: Wire) -> None:
        super().__init__(folder, Config(), clock)
        self.wire = wire

    def link(self) -> Any:
        return self.wire.link()


class _County:
    """nodes: the light ones, townships among them · node: the real one, while it is open."""

    node: Node

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.loop, self.chance = folder, _loop(), random.Random(count)
        self.began, self.root, self.key = self.loop.time(), SigningKey(bytes(32)), _key(0)
        covers = (f"{ROOT}/*", f"{ROOT}/{SEALED}/*", COMMON)
        self.certificate = issued(self.root, self.key, ROOT, covers, 1, "_")
        self.wire = Wire(self.loop, self.certificate, self.clock)
        self.places = _places(count)
        self.tables = Tables.of({name: content for name, (_, _, content) in PACKAGED.items()} | {"places": self.places})
        self.known = [self._issued(n, path) for n, (path, _) in enumerate(_paths(count), 2)]
        self.nodes: list[Light] = []
        self.entries = 0  # of disputes, that the nodes wrote

    @classmethod
    async def found(cls, folder: Path, count: int) -> "_County":
        """Enrolled, with one dispute of each node in the county's store."""
        county = cls(folder, count)
        county._crown()
        common = await county._enrol()
        county.nodes = [
            Light(county.wire, known, _key(n), (path, *villages), common)
            for n, (known, (path, villages)) in enumerate(zip(county.known, _paths(count), strict=True), 2)
        ]
        node = await Node.on(county._machine())
        try:
            first = [county._save(one) for one in county.nodes]
            await asyncio.gather(*(node.admission.admit(got, entry.node_of(got.origin), backlog=True) for got in first))
            await node.admission.settled()
        finally:
            await node.close()
        for light in county.nodes:
            for below in light.ledgers[2:]:
                light._take(first[[one.ledger for one in first].index(below)])
        return county

    def clock(self) -> int:
        return NOW_MS + int((self.loop.time() - self.began) * 1000)

    def _machine(self) -> _Machine:
        return _Machine(self.folder, self.clock, self.wire)

    def _issued(self, n: int, path: str) -> Any:
        parts = segments(path)
        covers = (path, f"{path}/*") if len(parts) == 2 else (path,)
        return issued(self.root, _key(n), path, covers, n, parts[1])

    def _crown(self) -> None:
        """What `deploy.county` makes in an empty folder, without what only a wire needs."""
        identity, node = self._machine().identity, self.certificate.node
        write_whole(identity.folder / "sign.key", bytes(self.key))
        encoded = certificates.encode(self.certificate)
        identity.save(
            About(
                node=node, name="县", root_node=node, root_public=bytes(self.root.verify_key), sealing_public=bytes(32), certificate=encoded
            )
        )

    async def _enrol(self) -> Lanes:
        """*Common*: the table of places, then a certificate after the other."""
        origin, machine = entry.origin_of(self.certificate.node, 1), self._machine()
        facts = TableSet("", 0, (), "places", "2026.9", "2026-01-01", self.places)
        drafts = [Draft(COMMON, entry.derive("table", "places"), "common", facts)]
        drafts += [
            Draft(COMMON, c.node, "common", NodeEnrolled("", 0, (), certificates.encode(c))) for c in (self.certificate, *self.known)
        ]
        journal = await open_journal(store_url(self.folder, Config()), store_key(machine.identity, Config()), Shelf(self.clock))
        try:
            head = EMPTY
            for at in range(0, len(drafts), EACH_COMMIT):
                some = drafts[at : at + EACH_COMMIT]
                commit = lane.next_entries(
                    head, [*([] if head.seq else [lane.open_lane(COMMON, origin, self.certificate)]), *some], origin=origin, key=self.key,
                    author=("", "node"), command=f"enrol{at}", occurred_ms=self.clock(), offset_ms=None, turns={},
                    salt=lambda: self.chance.randbytes(entry.SALT_BYTES),
                )  # fmt: skip
                head = commit.head
                async with journal.writing() as w:
                    await w.append([row_of(one, self.clock()) for one in commit.entries])
                    await w.project({draft.subject for draft in some})
            return await journal.lanes(COMMON)
        finally:
            await journal.close()

    # ── one run ──

    async def run(self, times: int) -> dict[str, float]:
        found, spent = dict[str, float](), self.loop.spent_s()
        await self._start()
        try:
            found["start"] = self._ms_since(spent)
            spent = self.loop.spent_s()
            await self._all_back()
            found["all coming back"] = self._ms_since(spent)
            await self._settled()
            with self.loop.apart():
                memory.settle()
            found |= await self._quiet("quiet minute")
            found |= await self._one_away()
            found["save arriving by entry"] = await self._saves(found["quiet minute"])
            found |= await _asked(self.node, times)
            found["memory per node"] = held_bytes(self.node, self.loop, self.wire) / 1000 / len(self.nodes)
            await self._judge()
        finally:
            await self._stop()
            gc.unfreeze()
        return found

    def _ms_since(self, before_s: float) -> float:
        return (self.loop.spent_s() - before_s) * 1000

    async def _start(self) -> None:
        self.wire.said.clear()
        self.node = await Node.on(self._machine())
        await self.node.start()
        ledgers = len(self.nodes) + 3  # its own place, *common* and its sealed one
        await self._until(lambda: self.wire.said["have"] >= ledgers, f"a Have of each of {ledgers} ledgers")

    async def _stop(self) -> None:
        for light in self.nodes:
            light.leave()
        await self.node.close()
        self.wire.at = None

    async def _all_back(self) -> None:
        for n, light in enumerate(self.nodes):
            self.wire.later(QUIET_S * n / len(self.nodes), light.connect)
        await asyncio.sleep(QUIET_S)

    async def _settled(self) -> None:
        """Whoever lacked something has it, and all know."""
        await self._until(lambda: not any(light.is_unreceived(ledger) for light, ledger in self._held()), "all received")
        await self._until(lambda: not any(self.node.pump.said(light.id, COMMON) is None for light in self.nodes), "all heard")

    def _held(self) -> Iterator[tuple[Light, str]]:
        return ((light, ledger) for light in self.nodes for ledger in light.ledgers)

    async def _until(self, true: Callable[[], bool], what: str) -> None:
        until = self.loop.time() + SETTLES_S
        while True:
            with self.loop.apart():
                if true():
                    return
            assert self.loop.time() < until, f"not in time: {what} ({dict(self.wire.said)})"
            await asyncio.sleep(0.05)

    async def _one_away(self) -> dict[str, float]:
        """A computer is off, and the county wrote something into *common* since."""
        *others, away = self.nodes  # two at least
        away.leave()
        (node, name, key), reach = (self.certificate.node, self.certificate.name, self.certificate.key), self.certificate
        renewed = certificates.issue(
            self.root, node=node, name=name, key=key, serves=reach.serves, covers=reach.covers, short=reach.short, valid_from_ms=self.clock(),
            branch=reach.branch,
        )  # fmt: skip
        await self.node.desk.enrol_node(renewed)
        origin, had = self.node.signer.origin, away.lanes[COMMON]
        await self._until(lambda: all(light.lanes[COMMON][origin] > had[origin] for light in others), "heard of by all others")
        await asyncio.sleep(REPEAT_S_MAX)  # whoever heard the Have before the entry itself pulls it once more
        found = await self._quiet("minute with one away")
        away.connect()
        await self._until(lambda: away.lanes[COMMON] == others[0].lanes[COMMON], "heard of by the one that was away")
        await self._settled()
        return found

    async def _quiet(self, name: str) -> dict[str, float]:
        wire, village = self.wire, self.nodes[min(1, len(self.nodes) - 1)]
        wire.said.clear()
        wire.heard.clear()
        wire.said_bytes = wire.common_bytes = village.heard_bytes = 0
        began_ms, spent = self.clock(), self.loop.spent_s()
        await asyncio.sleep(QUIET_COMMON_S)
        took = self._ms_since(spent)
        with self.loop.apart():
            self._judge_quiet(began_ms)
        heard, minutes = village.heard_bytes + wire.common_bytes, QUIET_COMMON_S / MINUTE_S
        found = {name: took, f"{name} sent": wire.said_bytes / 1000, f"{name} heard by a village": heard / 1000}
        return {what: value / minutes for what, value in found.items()}

    def _judge_quiet(self, began_ms: int) -> None:
        """Raises AssertionError: something else was said than Haves, or somebody was not heard."""
        said, heard, ledgers = Counter(self.wire.said), Counter(self.wire.heard), sum(len(light.ledgers) for light in self.nodes)
        assert said.keys() <= {"have"} and heard.keys() <= {"have"}, f"nothing was new, yet this was said: {said}, {heard}"
        own = ledgers - len(self.nodes)  # without *common*
        rounds = QUIET_COMMON_S / QUIET_S
        assert (rounds - 1) * own <= heard["have"] <= rounds * own + 2 * len(self.nodes) + 1, (
            f"{heard['have']} Haves of {own} said each {QUIET_S} s, *common* seldom"
        )
        away = {light.id for light in self.nodes if not light.is_connected}
        most = rounds * (len(self.nodes) + 3) + (QUIET_COMMON_S / REPEAT_S_MAX + 1 if away else 0)
        assert (rounds - 1) * len(self.nodes) <= said["have"] <= most, f"the county said {said['have']}"
        silent = [peer.node for peer in self.node.pump.peers() if (peer.last_seen_ms or 0) < began_ms and peer.node not in away]
        assert not silent, f"not heard in this time: {silent[:3]}"

    async def _saves(self, quiet_ms: float) -> float:
        """ms an entry, beyond what the same time takes when nothing is new."""
        order, before, began, spent = list(self.nodes), self.entries, self.loop.time(), self.loop.spent_s()
        self.chance.shuffle(order)
        for n, light in enumerate(order):
            self.wire.later(MINUTE_S * n / len(order), self._save, light)
        await asyncio.sleep(MINUTE_S)
        await self._settled()
        quiet = quiet_ms * (self.loop.time() - began) / MINUTE_S
        return max(self._ms_since(spent) - quiet, 0.0) / (self.entries - before)

    def _save(self, light: Light) -> Any:
        """A dispute is registered, by the rules and at its own desk."""
        n, path, tables = light.saves + 1, light.seat, self.tables
        parties = [Party("张福根", "13800000011"), Party("李水木", side="respondent")]
        account = f"两家为围墙滴水争执，{self.chance.randrange(10**9)}号地，说了三次没有说拢。"
        command = LogDispute(id=self.chance.randbytes(16).hex(), ledger=path, type="0204", account=account, parties=parties, title="滴水巷")
        code = codes.case_code(2026, light.certificate.short, 1, n)
        reach = light.certificate
        context = Context(now_ms=self.clock(), serves=reach.serves, covers=reach.covers, tables=tables, code=code)
        drafts = dispute.decide(None, command, Actor(*AUTHOR, path, tables.post_powers("clerk"), "张三"), context)
        self.entries += len(drafts)
        return light.save(drafts, command.id, lambda: self.chance.randbytes(entry.SALT_BYTES))

    async def _judge(self) -> None:
        """Raises AssertionError where the county's store is not what its nodes wrote."""
        journal, saves = self.node.journal, sum(light.saves for light in self.nodes)
        ((entries,),) = await journal.select("select count(*) from entry where sort <> 'lane' and sort <> 'common'", {})
        ((cases,),) = await journal.select("select count(*) from case_row", {})
        assert (entries, cases) == (self.entries, saves), f"{entries} entries and {cases} cases of {self.entries} and {saves}"
        own: dict[str, Lanes] = {}
        for (ledger, origin), head in (await journal.heads()).items():
            own.setdefault(ledger, {})[origin] = (head.seq, head.hash)
        digests = {ledger: have.digest(lanes) for ledger, lanes in own.items()}
        other = [(light.id, ledger) for light, ledger in self._held() if have.digest(light.lanes[ledger]) != digests.get(ledger)]
        assert not other, f"not the same as the county's: {other[:3]} and {len(other)} in all"
        state = self.node.pump.state()
        assert not (state.faults or state.refused or state.overtaken or state.behind), f"{state}"


_PASSED = (type, ModuleType, FunctionType, BuiltinFunctionType, property, asyncio.Task, logging.Logger)


def held_bytes(start: object, *beyond: object) -> int:
    """Of all objects that can be reached from it, without what `beyond` holds, and the program itself."""
    seen, waiting, found = {id(one) for one in beyond}, [start], 0
    while waiting:
        some = [one for one in waiting if id(one) not in seen and not isinstance(one, _PASSED)]
        unique = {id(one): one for one in some}
        seen |= unique.keys()
        found += sum(map(sys.getsizeof, unique.values()))
        waiting = gc.get_referents(*unique.values())
    return found


async def _asked(node: Node, times: int) -> dict[str, float]:
    """CPU of what pages and the pump ask again and again, each by itself."""
    ground = node.pump._ground
    ledgers = [ledger for ledger in ground.heads if ledger != COMMON]

    async def look() -> None:
        assert not any(ground.peers.is_unreceived(ledger, ground.heads[ledger]) for ledger in ledgers)

    async def shown() -> None:
        assert not any(peer.lacks or peer.leads for peer in node.pump.peers())

    async def levels() -> None:
        assert all(marks._levels(ledger, node.shelf, node.certificate) for ledger in ledgers[-PAGE_LEDGERS:])

    asks: Sequence[tuple[str, Callable[[], Awaitable[Any]]]] = (
        ("heads", node.journal.heads), ("who hears the 50 ledgers of a page", levels), ("looking through all ledgers", look),
        ("list of peers", shown),
    )  # fmt: skip
    return {name: await _median_ms(ask, times) for name, ask in asks}


async def _median_ms(ask: Callable[[], Awaitable[Any]], times: int) -> float:
    loop, took = _loop(), []
    for _ in range(times):
        before = loop.spent_s()
        await ask()
        took.append((loop.spent_s() - before) * 1000)
    return sorted(took)[len(took) // 2]


def _loop() -> HurriedLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, HurriedLoop)
    return loop
