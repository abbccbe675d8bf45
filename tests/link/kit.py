"""A county of loopback: its authority, its nats-server, a township's leaf, and small nodes with a journal in memory.

The nats-servers, the client and the pump are the real ones; journal, admission and desk are the smallest thing that keeps their
promises (tests of the real ones over the wire: test_whole_nodes.py). Time is a clock that tests may turn.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

from nacl.signing import SigningKey

from deploy.nats.certificates import CertificateAuthority
from deploy.nats.identity import Authority
from deploy.nats.servers import Listen, Server, free_ports
from protocol import certificate as certificates
from protocol import entry, events, lane
from protocol.batch import SPEAKS, Batch
from protocol.certificate import Certificate
from protocol.events import Draft, NodeEnrolled, NodeRevoked, NoteAdded, TextBody
from protocol.generations import WORD
from protocol.lane import EMPTY, LaneHead, Proven
from protocol.node.link import creds
from protocol.node.link.client import Link, end
from protocol.node.link.pump import Pump
from protocol.node.signer import Signer
from protocol.node.wake import Wake
from protocol.place import COMMON
from protocol.problem import Refused

COUNTY, TOWN, OTHER = "330523", "330523/330523111", "330523/330523002"
V1, V2, V9 = f"{TOWN}/330523111217", f"{TOWN}/330523111218", f"{OTHER}/330523002001"
V3 = f"{TOWN}/330523111219"  # has no computer
NODES = {  # id: serves, covers, branch
    "nhub22222": ((f"{COUNTY}/*",), (f"{COUNTY}/*", "_", f"{COUNTY}/sealed/*"), "_"),
    "ntown2222": ((TOWN,), (f"{TOWN}/*",), "330523111"),
    "nvila2222": ((V1,), (V1,), "330523111"),
    "nvilb2222": ((V2,), (V2,), "330523111"),
    "nfarr2222": ((V9,), (V9,), "330523002"),
    "nhall2222": ((f"{COUNTY}/u07",), (f"{COUNTY}/*",), "_"),  # an edge in the county's hall: all of the county, but nothing sealed
}
HUB, T1, N1, N2, N9, HALL = ALL = tuple(NODES)


def signing_key(node: str) -> SigningKey:
    return SigningKey(sha256(node.encode()).digest())


def now_s() -> int:
    return int(time.time())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def soon(true: Callable[[], object], most_s: float = 40.0) -> float:
    """How long it took until the claim held. most_s: for a machine that stands still now and then; how quick it is to be is said by who asks."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < most_s, "not in time"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


class Row(SimpleNamespace):
    """An entry as the journal hands it out."""


class Memory:
    """A journal in memory: heads, lanes, receipts, quarantine; `commits` counts transactions."""

    def __init__(self) -> None:
        self.lanes: dict[tuple[str, str], list[Row]] = {}
        self.haves: dict[tuple[str, str], tuple[dict, int, bytes]] = {}
        self.own: dict[str, bytes] = {}
        self.quarantined: dict[tuple[str, str, str, str], int] = {}
        self.nodes: dict[str, dict] = {}
        self.files: dict[str, dict] = {}
        self.full = False
        self.commits = 0

    def head(self, ledger: str, origin: str) -> LaneHead:
        rows = self.lanes.get((ledger, origin), [])
        return LaneHead(len(rows), rows[-1].hash, max((r.seq for r in rows if r.signature), default=0)) if rows else EMPTY

    async def heads(self, ledger: str | None = None) -> dict[tuple[str, str], LaneHead]:
        return {key: self.head(*key) for key in self.lanes if ledger in (None, key[0])}

    async def lane(self, ledger: str, origin: str, after: int, limit: int) -> Sequence[Row]:
        return self.lanes.get((ledger, origin), [])[after : after + limit]

    async def rows(self, table: str, where: str = "", values: dict | None = None, order: str = "", limit: int = -1) -> list[dict]:
        if table == "node_row":
            return list(self.nodes.values())
        if table == "blob_use":
            return []
        if "stage in (1, 2)" in where:
            return [row for row in self.files.values() if row["stage"] in (1, 2)]
        return [row for row in self.files.values() if row["address"] == (values or {})["address"]]

    async def select(self, sql: str, values: dict) -> list:
        """No entry here names a file: its row says all of it."""
        return []

    async def local(self, name: str) -> bytes | None:
        return None

    @asynccontextmanager
    async def writing(self):
        if self.full:
            raise Refused("disk_full")
        yield Writing(self)
        self.commits += 1

    def append(self, proven: Sequence[Proven]) -> None:
        for one in proven:
            e = one.entry
            row = Row(
                seq=one.head.seq, head=one.head, head_bytes=e.head_bytes, salt=e.salt, body=e.body, hash=one.hash, signature=one.signature
            )
            self.lanes.setdefault((one.head.ledger, one.head.origin), []).append(row)
            facts = events.facts_of(one.head)
            if isinstance(facts, NodeEnrolled):
                node = certificates.decode(facts.certificate).node
                self.nodes[node] = {"subject": node, "certificate": facts.certificate, "revoked": 0}
            if isinstance(facts, NodeRevoked):
                self.nodes[facts.node]["revoked"] = 1


class Writing:
    def __init__(self, memory: Memory) -> None:
        self.memory, self.connection = memory, self

    async def set_haves(self, haves) -> None:
        self.memory.haves |= haves

    async def set_own_haves(self, said) -> None:
        self.memory.own |= {ledger: signed for ledger, (_, signed) in said.items()}

    async def quarantine(self, node, ledger, origin, refused, at_ms, sample=None, count=1) -> None:
        key = (node, ledger, origin, refused.code)
        self.memory.quarantined[key] = self.memory.quarantined.get(key, 0) + count

    async def execute(self, statement, values) -> None:
        """What fetching and answers say of a file."""
        row = self.memory.files[values["address"]]
        if "elsewhere" in str(statement):
            row["elsewhere"] = values["node"]
        elif "have = :size" in str(statement):
            row |= {"size": values["size"], "have": values["size"], "stage": values["stage"]}
        elif row["stage"] == values["was"]:
            row["stage"] = values["stage"]


class Admits:
    """Checks as the real one, then appends. `broken`: (ledger, origin) → seq whose arrival is refused as a broken body."""

    def __init__(self, memory: Memory, county_public: bytes, certificate: Certificate, wake: Wake) -> None:
        self.memory, self.public, self.mine, self.wake = memory, county_public, certificate, wake
        self.broken: dict[tuple[str, str], int] = {}
        self.admitted: list[tuple[str, int, str]] = []  # (origin, entries, from node)
        self.slow_s = 0.0

    is_shared = False

    async def admit(self, batch: Batch, from_node: str, *, backlog: bool = False) -> int:
        if self.memory.full:
            raise Refused("disk_full")
        await asyncio.sleep(self.slow_s)
        if not certificates.hears(self.mine, batch.ledger):
            raise Refused("lane_foreign", ledger=batch.ledger)
        known = self.memory.lanes.get((batch.ledger, batch.origin), [])
        facts = events.facts_of(known[0].head) if known else None
        certificate = certificates.decode(facts.certificate) if isinstance(facts, events.LaneOpened) else None
        checked = lane.check(batch, self.memory.head(batch.ledger, batch.origin), certificate, self.public)
        seq = self.broken.get((batch.ledger, batch.origin))
        if seq and any(one.head.seq == seq for one in checked.entries):
            raise Refused("body_wrong", seq=seq)
        self.memory.append(checked.entries)
        if checked.entries:
            self.admitted.append((batch.origin, len(checked.entries), from_node))
            self.wake.commit([(batch.ledger, batch.origin)], {one.head.subject for one in checked.entries})
        return len(checked.entries)


class Node:
    """A small node; `write` is its desk."""

    def __init__(self, town: "Town", certificate: Certificate, servers: Sequence[str], epoch: int = 1) -> None:
        self.town, self.certificate, self.servers = town, certificate, list(servers)
        self.signer = Signer(certificate.node, epoch, signing_key(certificate.node), certificate)
        self.memory, self.wake, self.skew_ms = Memory(), Wake(), 0
        self.admits = Admits(self.memory, bytes(town.key.verify_key), certificate, self.wake)
        self.blobs = None
        self.version, self.speaks, self.leads = "0.1.0", (*SPEAKS, WORD), True
        self.pump: Pump | None = None
        self.task: asyncio.Task | None = None

    @property
    def name(self) -> str:
        return self.certificate.node

    @property
    def ledger(self) -> str:
        return self.certificate.serves[0].removesuffix("/*")

    def write(self, *drafts: Draft, ledger: str = "", count: int = 1, text: str = "两家各让半尺") -> LaneHead:
        """One commit to one lane, then the wake. Without drafts: `count` notes."""
        where = drafts[0].ledger if drafts else ledger or self.ledger
        some = list(drafts) or [Draft(where, "a" * 32, "dispute", NoteAdded(self.ledger, 1, ()), TextBody(text)) for _ in range(count)]
        before = self.memory.head(where, self.signer.origin)
        opening = [] if before.seq else [lane.open_lane(where, self.signer.origin, self.certificate)]
        commit = lane.next_entries(
            before, [*opening, *some], origin=self.signer.origin, key=self.signer.key, author=("", "node"), command="c" * 12,
            occurred_ms=now_ms(), offset_ms=None, turns={}, salt=lambda: os.urandom(16),
        )  # fmt: skip
        self.memory.append(commit.entries)
        self.wake.commit([(where, self.signer.origin)], {d.subject for d in some})
        return commit.head

    def enrolled(self, *nodes: str) -> None:
        """The county says who belongs to it."""
        for node in nodes:
            facts = NodeEnrolled("", 0, (), certificates.encode(self.town.certificates[node]))
            self.write(Draft(COMMON, node, "common", facts))

    def start(self) -> "Node":
        link = Link(self.name, self.certificate.branch, self.town.creds(self.name), self.servers, self.town.folder / "ca.pem")
        self.pump = Pump(
            self.memory, self.admits, link, self.signer, self.certificate, self.wake, lambda: now_ms() + self.skew_ms,
            blobs=self.blobs, version=self.version, speaks=self.speaks, leads=lambda: self.leads,
        )  # fmt: skip
        self.task = asyncio.create_task(self.pump.run(), name=self.name)
        return self

    async def stop(self) -> None:
        if self.task is not None:
            await end([self.task])
            self.task = None

    def has(self, other: "Node", ledger: str = "") -> bool:
        """Claims that this node holds the other's own lane of the ledger as far as the other does."""
        where = ledger or other.ledger
        return self.memory.head(where, other.signer.origin) == other.memory.head(where, other.signer.origin) != EMPTY

    def receipt(self, of: str, ledger: str, origin: str) -> int:
        """How far `of` says to have the lane, as this node has kept it."""
        return self.memory.haves.get((of, ledger), ({}, 0, b""))[0].get(origin, (0, b""))[0]


class Town:
    """The county's authority and servers, and one township's leaf, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, SigningKey(sha256(b"county").digest())
        self.authority = Authority(folder / "authority", now_s())
        self.ca = CertificateAuthority(folder / "authority", "test county", now_s())
        self.certificates = {node: self.issue(node, *reach) for node, reach in NODES.items()}
        ports = free_ports(3)
        self.county_listen, self.leaf_listen = Listen(ports[0], ports[1]), Listen(ports[2])
        self.server = Server(self._home("county"), "county", self.county_listen, self.authority.trust())
        leaf_home = self._home("leaf")
        self.leaf_key = creds.kept_key(leaf_home / "leaf.seed")
        jwt = self.authority.leaf_jwt(T1, TOWN, creds.public(self.leaf_key), now_s())
        creds.write_creds(leaf_home / "leaf.creds", jwt, self.leaf_key)
        self.leaf = Server(leaf_home, "leaf", self.leaf_listen, self.authority.trust(), f"tls://127.0.0.1:{ports[1]}")
        self.nodes: list[Node] = []
        self.ca.write_own(folder, "ca only", (), now_s())

    def issue(self, node: str, serves: Sequence[str], covers: Sequence[str], branch: str, key: bytes = b"") -> Certificate:
        key = key or bytes(signing_key(node).verify_key)
        short = list(NODES).index(node) + 1 if node in NODES else 99
        return certificates.issue(
            self.key, node=node, name=node, key=key, serves=serves, covers=covers, short=short, valid_from_ms=1, branch=branch
        )

    def _home(self, name: str) -> Path:
        home = self.folder / name
        self.ca.write_own(home, name, ("127.0.0.1",), now_s())
        return home

    def creds(self, node: str) -> Path:
        path = self.folder / f"{node}.creds"
        if not path.exists():
            self.authority.write_node_creds(self.certificates[node], path, self.folder / f"{node}.seed", now_s())
        return path

    @property
    def county(self) -> str:
        return f"127.0.0.1:{self.county_listen.port}"

    @property
    def branch(self) -> str:
        return f"127.0.0.1:{self.leaf_listen.port}"

    def link(self, node: str, *servers: str) -> Link:
        return Link(node, self.certificates[node].branch, self.creds(node), servers or (self.county,), self.folder / "ca.pem")

    def node(self, name: str, *servers: str, epoch: int = 1) -> Node:
        made = Node(self, self.certificates[name], servers or (self.county,), epoch)
        self.nodes.append(made)
        return made

    async def stop(self) -> None:
        await asyncio.gather(*(node.stop() for node in self.nodes))
        await asyncio.gather(self.server.stop(), self.leaf.stop())


def origin(node: str) -> str:
    return entry.origin_of(node, 1)


class Raw:
    """An enrolled node that says whatever it likes."""

    def __init__(self, town: Town, node: str) -> None:
        self.node, self.link = node, town.link(node)
        self.task = asyncio.create_task(self.link.run())

    async def say(self, subject: str, body: bytes) -> None:
        await soon(lambda: self.link.is_connected)
        assert await self.link.publish(subject, body)

    async def stop(self) -> None:
        await end([self.task])
