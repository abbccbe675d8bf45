"""Small real nodes for the tests of desk, admission, people and reads: SQLCipher journals, certificates of one test county.

county = County(tmp_path); village = await county.node("village"); await village.say(LogDispute(…))
await exchange(a, b) carries every batch that the other lacks, through Admission, until both have the same.
"""

import itertools
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from nacl.public import PrivateKey
from nacl.signing import SigningKey

from protocol import batch as batches
from protocol import certificate as certificates
from protocol.certificate import Certificate
from protocol.commands import GivePost, LogDispute, Party, RegisterPerson
from protocol.events import Actor
from protocol.node.admission import Admission
from protocol.node.blobs import Blobs
from protocol.node.config import Config
from protocol.node.desk import Desk, Outcome
from protocol.node.folding import open_journal
from protocol.node.forks import Forks
from protocol.node.journal import Journal
from protocol.node.people import People
from protocol.node.push import Push
from protocol.node.reads import Reads
from protocol.node.recovering import Recovering
from protocol.node.shelf import Shelf
from protocol.node.signer import Signer
from protocol.node.unsaved import Unsaved
from protocol.node.uploads import Uploads
from protocol.node.wake import Wake
from protocol.tables import Tables
from tests.kit.blank import blank_journal

ROOT, TOWN, VILLAGE = "330523", "330523/330523111", "330523/330523111/330523111217"
OTHER_TOWN = "330523/330523002"
UNIT = "330523/u07"
START_MS = 1_795_000_000_000  # 2026-11-18, a Wednesday, 15:06 in UTC+8
REACH = {
    "root": ("nroot2222", (ROOT, UNIT), (f"{ROOT}/*", "_", f"{ROOT}/sealed/*"), 1, "_"),
    "town": ("ntown2222", (f"{TOWN}/*",), (f"{TOWN}/*",), 17, "330523111"),
    "village": ("nvill2222", (VILLAGE,), (VILLAGE,), 18, "330523111"),
    "village again": ("nagai2222", (VILLAGE,), (VILLAGE,), 20, "330523111"),
    "stranger": ("nfarr2222", (f"{OTHER_TOWN}/*",), (f"{OTHER_TOWN}/*",), 19, "330523002"),
}


class Clock:
    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def pass_ms(self, ms: int) -> None:
        self.now_ms += ms


def chance(seed: str):
    """Bytes that differ at each call and are the same in each run."""
    counted = itertools.count()
    return lambda n: b"".join(sha256(f"{seed} {next(counted)}".encode()).digest() for _ in range(-(-n // 32)))[:n]


@dataclass
class Node:
    """kind: a key of REACH."""

    kind: str
    signer: Signer
    journal: Journal
    shelf: Shelf
    wake: Wake
    desk: Desk
    admission: Admission
    forks: Forks
    people: People
    reads: Reads
    blobs: Blobs
    clock: Clock
    uploads: Uploads
    recovering: Recovering
    unsaved: Unsaved

    @property
    def config(self) -> Config:
        return Config()

    @property
    def made_up(self) -> bool:
        return self.config.demo.made_up

    @property
    def push(self) -> Push:
        """Off."""
        return Push(self.journal, bytes, self.config.push, self.clock)

    @property
    def office(self) -> str:
        return self.signer.serves[0].removesuffix("/*")

    def actor(self, kind: str = "", office: str = "", person: str = "") -> Actor:
        kind = kind or {"village": "clerk", "town": "officer", "root": "operator"}.get(self.kind, "officer")
        powers = self.shelf().post_powers(kind)
        office = office or self.office
        also = self.shelf().places_merged_into(office)
        return Actor(person or person_id(f"{kind} {office}"), f"{kind}.00000001", office, powers, "办事员", also)

    async def say(self, command, actor: Actor | None = None) -> Outcome:
        self.clock.pass_ms(1000)
        return await self.desk.submit(command, actor or self.actor())


class County:
    def __init__(self, folder: Path, urls: dict[str, str] | None = None) -> None:
        """urls: kind → store, where it is not SQLCipher in the folder."""
        self.folder, self.clock, self.urls = folder, Clock(), urls or {}
        self.key = SigningKey(sha256(b"county").digest())
        self.secret = PrivateKey(sha256(b"sealing").digest())
        self.nodes: list[Node] = []

    def certificate(self, kind: str) -> Certificate:
        node, serves, covers, short, branch = REACH[kind]
        key = bytes(signing_key(kind).verify_key)
        return certificates.issue(
            self.key, node=node, name=kind, key=key, serves=serves, covers=covers, short=short, valid_from_ms=START_MS, branch=branch
        )

    async def node(self, kind: str, epoch: int = 1, folder: str = "") -> Node:
        where = self.folder / (folder or kind)
        certificate = self.certificate(kind)
        signer = Signer(certificate.node, epoch, signing_key(kind), certificate)
        shelf, wake = Shelf(self.clock), Wake()
        url, key = self.urls.get(kind, ""), sha256(kind.encode()).digest()
        if not url:
            await blank_journal(where / "journal.db", key)
            url = f"sqlite:///{where}/journal.db"
        journal = await open_journal(url, key if url.startswith("sqlite") else None, shelf)
        desk = Desk(journal, signer, shelf, self.clock, wake, bytes(self.secret.public_key), chance(kind))
        public = bytes(self.key.verify_key)
        forks = Forks(journal, public, shelf, signer, self.clock)
        admission = Admission(journal, public, certificate, shelf, self.clock, wake, desk.arrivals, forks)
        people = People(journal, shelf, chance(f"people {kind}"))
        reads = Reads(journal, shelf, signer, self.clock, bytes(self.secret) if kind == "root" else None)
        blobs = Blobs(where / "blobs", sha256(b"blob" + kind.encode()).digest())
        made = Node(
            kind,
            signer,
            journal,
            shelf,
            wake,
            desk,
            admission,
            forks,
            people,
            reads,
            blobs,
            self.clock,
            Uploads(blobs, where / "uploads", b"u" * 32),
            Recovering(journal, shelf, signer, people, chance(f"recovery {kind}")),
            Unsaved(journal, self.clock),
        )
        self.nodes.append(made)
        return made

    async def close(self) -> None:
        for node in self.nodes:
            await node.admission.settled()
            await node.journal.close()


def signing_key(kind: str) -> SigningKey:
    return SigningKey(sha256(f"key {kind}".encode()).digest())


def person_id(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:32]


_ids = itertools.count(1)


def new_id() -> str:
    return f"command-{next(_ids):06d}"


def dispute(ledger: str = VILLAGE, id_: str = "", **words) -> LogDispute:
    """邻居争一道地界，用得最多的一件。"""
    parties = [Party("叶根土"), Party("叶根水", side="respondent")]
    account = "两家的菜地中间一条田埂，一家说往东挪了半尺，吵了两回。"
    given = {"type": "0204", "account": account, "parties": parties, "title": "田埂地界", **words}
    return LogDispute(id=id_ or new_id(), ledger=ledger, **given)


async def add_person(node: Node, name: str, kind: str, *, office: str = "", home: str = "") -> tuple[str, str]:
    """(person, post), registered by the node's admin."""
    office = office or node.office
    person = person_id(name)
    admin = node.actor("admin", node.office)
    await node.say(RegisterPerson(id=new_id(), person=person, office=office, name=name, phone="13800001234"), admin)
    return person, await add_post(node, person, kind, office, home)


async def add_post(node: Node, person: str, kind: str, office: str, home: str = "") -> str:
    post = f"{kind}.{sha256(f'{person} {kind} {office}'.encode()).hexdigest()[:8]}"
    given = GivePost(id=new_id(), post=post, person=person, office=office, title=Tables.packaged().post_name(kind), home=home)
    await node.say(given, node.actor("admin", node.office))
    return post


async def carry(source: Node, target: Node, limit: int = 500) -> int:
    """Every batch that `target` hears and lacks; returns the new entries."""
    new = 0
    heads = await source.journal.heads()
    for (ledger, origin), head in heads.items():
        if not certificates.hears(target.signer.certificate, ledger):
            continue
        while True:
            have = (await target.journal.heads(ledger)).get((ledger, origin))
            after = have.seq if have else 0
            if after >= head.seq:
                break
            made = await batch_of(source, ledger, origin, after, limit)
            new += await target.admission.admit(made, source.signer.node)
    return new


async def batch_of(source: Node, ledger: str, origin: str, after: int = 0, limit: int = 500) -> batches.Batch:
    rows = await source.journal.lane(ledger, origin, after, 500)
    prev = (await source.journal.lane(ledger, origin, after - 1, 1))[0].hash if after else bytes(32)
    made = batches.cut(rows, ledger, origin, after, prev, limit)
    assert made is not None
    return batches.unpack(batches.pack(made))


async def exchange(*nodes: Node) -> None:
    """Until nobody learns anything new."""
    while sum([await carry(a, b) for a in nodes for b in nodes if a is not b]):
        pass
