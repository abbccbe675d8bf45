"""A founded county whose images each run copies: made once a process and size, through the same doors as a real one.

    founded = found(SIZES["whole"])       1 county, 3 townships, 12 villages; "middle" and "small" are smaller counties
    founded.kept["t1v2"]                  the folder of a node on the evening before the run
    founded.enrolment(site)               the hub's own Enrolment over a running county node

Nodes: `county`, townships `t1` … `t3`, their villages `t1v1` … `t3v4`. Each township also serves one village that has no computer
(`seat.path` of t1 + its fifth village). Everybody stands in the ledgers with a post (post_row, person_row of the node); nobody has an account,
since a password costs 30 ms:

    county          operator × 2, cadre × 1 (home: county), discipline × 1, department × 1 in each of the first two units
    township        officer × 2, cadre × 1 (home: the township's node)
    village         clerk × 1, mediator × 1
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from random import Random
from typing import Any, Final

import msgspec
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from deploy.demo.seed import share
from deploy.keeping import warden
from hub.enrolment import Enrolment, node_id_of
from protocol import batch as batches
from protocol import certificate as certificates
from protocol import enrolment as joining
from protocol.certificate import Certificate
from protocol.commands import GivePost, RegisterPerson
from protocol.events import Actor
from protocol.node.folding import Folding
from protocol.node.identity import About
from protocol.node.node import Node
from protocol.node.shelf import Shelf
from protocol.place import COMMON, SEALED
from protocol.tables import Tables
from tests.simulation.site import BASE_MS, Kept, Seat, SimMachine, Site, signing_key
from tests.simulation.store import Disk, lend, open_journal
from tests.simulation.virtual import Life, VirtualLoop
from tests.simulation.wire import COUNTY, Wire

PLACE: Final = "330523"
TOWNS: Final = ("330523111", "330523104", "330523105")
KEYS: Final = ("store", "blob", "upload", "box", "backup")
EVE_MS: Final = -86_400_000  # the county was founded the day before
UNITS_MAX: Final = 2


class Size(msgspec.Struct, frozen=True):
    """villages: with a computer, of each township."""

    name: str
    towns: int
    villages: int


SIZES: Final = {size.name: size for size in (Size("small", 1, 2), Size("middle", 2, 3), Size("whole", 3, 4))}


class Trust(msgspec.Struct, frozen=True):
    """What servers take over from *common*."""

    revoked: tuple[str, ...]


class Authority:
    """The county's NATS authority, as far as Enrolment asks it: its tokens are the wire's permissions, which follow from certificates."""

    def __init__(self, revoked: Sequence[str] = ()) -> None:
        self.revoked = list(revoked)

    def node_jwt(self, certificate: Certificate, user: str, now_s: int) -> str:
        return "token"

    def leaf_jwt(self, node: str, township: str, user: str, now_s: int) -> str:
        return "token"

    def wider(self, certificate: Certificate, now_s: int) -> dict[str, str]:
        return {}

    def trust(self) -> Trust:
        return Trust(tuple(sorted(self.revoked)))

    def learn(self, said: bytes) -> None:
        """The one authority of a world forgets nothing."""

    def revoke(self, node: str) -> int:
        self.revoked.append(node)
        return 1


class NoTls:
    """Who signs certificates of servers; there are none on this wire."""

    pem = b"pem"

    def sign(self, request_pem: bytes, name: str, hosts: Sequence[str], now_s: int) -> bytes:
        return b"tls"


async def _nobody() -> None:
    """No server has to hear of a new trust yet."""


class Founded(msgspec.Struct):
    size: Size
    seats: tuple[Seat, ...]
    kept: dict[str, Kept]

    def empty(self) -> bytes:
        """The image of a store that was never used."""
        return _empty()

    def enrolment(self, node: Node, authority: Authority, applied: Callable[[], Awaitable[Any]], chance: Random) -> Enrolment:
        """Over the county's open node."""
        return _enrolment(node, authority, applied, chance)


@lru_cache(8)
def found(size: Size) -> Founded:
    _empty()
    loop, life = VirtualLoop(), Life()
    try:
        return loop.play(_in_life(life, size))
    finally:
        life.bury()
        loop.close()


def seats_of(size: Size) -> tuple[Seat, ...]:
    tables = Tables.packaged()
    made = [Seat(COUNTY, PLACE, 0, COUNTY)]
    for n, code in enumerate(TOWNS[: size.towns], 1):
        town = f"{PLACE}/{code}"
        made.append(Seat(f"t{n}", town, 1, f"t{n}"))
        made += [Seat(f"t{n}v{m}", path, 2, f"t{n}") for m, path in enumerate(tables.children(town)[: size.villages], 1)]
    return tuple(made)


async def join(
    enrolment: Enrolment, code: str, key: SigningKey, chance: Random, before: About | None = None
) -> tuple[About, tuple[bytes, ...]]:
    """What `edge.enrol` writes into a folder, and the batches to be admitted."""
    read = joining.read_code(code)
    body = joining.ask(read, key, "user", "leaf", b"", chance.randbytes(24))
    got = joining.open_answer(read.secret, await enrolment.redeem(body))
    certificate = certificates.decode(got.certificate)
    about = About(
        node=certificate.node, name=certificate.name, root_node=got.county_node, root_public=got.county_public,
        sealing_public=got.sealing_public, certificate=got.certificate, branch=certificate.branch, servers=["wire"],
        origins_closed=[*before.origins_closed, f"{before.node}:{before.epoch}"] if before else [],
        former=[*before.former, before.node] if before else [],
    )  # fmt: skip
    return about, got.batches


def keys_of(name: str, key: SigningKey) -> dict[str, bytes]:
    return {"sign": bytes(key), **{one: sha256(f"{name} {one}".encode()).digest() for one in KEYS}}


def spare_village(seat: Seat) -> str:
    """The village without a computer that this township serves."""
    return Tables.packaged().children(seat.path)[5]


# ── the rest is private ──


def _enrolment(node: Node, authority: Authority, applied: Callable[[], Awaitable[Any]], chance: Random) -> Enrolment:
    return Enrolment(
        node.journal, node.desk, node.certificate, signing_key("county"), node.about.sealing_public, authority, NoTls(), node.clock,
        address="10.0.0.1:8330", servers=["wire"], leaf_remote="tls://wire", applied=applied, chance=chance.randbytes,
    )  # fmt: skip


async def _in_life(life: Life, size: Size) -> Founded:
    return await life.spawn(_found(size), "founding")


async def _found(size: Size) -> Founded:
    seats, chance = seats_of(size), Random(f"founding {size.name}")
    wire = Wire(chance, {seat.name: seat.path for seat in seats if seat.tier == 1})
    sites, nodes = {}, {}
    for seat in seats:
        site = sites[seat.name] = Site(seat, wire, chance, Kept(_empty(), b"", b"", {}, {}, {}))
        site.offset_ms, site.disk.slow = EVE_MS, 0.0
        if seat.tier == 0:
            _crown(site)
            node = nodes[seat.name] = await Node.on(SimMachine(site))
            await node.desk.enrol_node(node.certificate)
            enrolment = _enrolment(node, Authority(), _nobody, chance)
            await enrolment.announce_trust()
        else:
            nodes[seat.name] = await _joined(site, enrolment, chance)
    everyone = list(nodes.values())
    await share(everyone)
    for seat in seats:
        await _hire(seat, nodes[seat.name], chance)
    await share(everyone)
    for node in everyone:
        await node.close()
    kept = {name: site.copy() for name, site in sites.items()}
    for image in (*(one.image for one in kept.values()), _empty()):
        lend(image)
    return Founded(size, seats, kept)


@lru_cache(1)
def _empty() -> bytes:
    """A store with its tables. Made in real time: SQLAlchemy, which only migrations need, looks at the clock."""

    async def make() -> bytes:
        disk = Disk(Random(0), slow=0.0)
        shelf = Shelf(lambda: BASE_MS)
        await (await open_journal(disk, shelf, Folding(shelf))).close()
        return disk.image()

    return asyncio.run(make())


def _crown(site: Site) -> None:
    """What `deploy.county` makes in an empty folder."""
    key, sealing = signing_key(f"node {site.name}"), PrivateKey(sha256(b"sealing").digest())
    root = signing_key("county")
    certificate = certificates.issue(
        root, node=node_id_of(bytes(key.verify_key)), name="县", key=bytes(key.verify_key),
        serves=(PLACE, *Tables.packaged().units_of(PLACE)), covers=(f"{PLACE}/*", f"{PLACE}/{SEALED}/*", COMMON), short=1,
        valid_from_ms=BASE_MS + EVE_MS,
    )  # fmt: skip
    about = About(
        node=certificate.node, name="县", root_node=certificate.node, root_public=bytes(root.verify_key),
        sealing_public=bytes(sealing.public_key), certificate=certificates.encode(certificate),
    )  # fmt: skip
    site.about, site.keys = msgspec.json.encode(about), keys_of(site.name, key) | {"sealing": bytes(sealing)}


async def _joined(site: Site, enrolment: Enrolment, chance: Random) -> Node:
    seat, key = site.seat, signing_key(f"node {site.name}")
    more = [spare_village(seat)] if seat.tier == 1 else []
    code = await enrolment.invite(place=seat.path, name=seat.name, serves=more, leaf="10.0.0.2:4222" if seat.tier == 1 else "")
    about, packed = await join(enrolment, code, key, chance)
    site.about, site.keys = msgspec.json.encode(about), keys_of(site.name, key)
    node = await Node.on(SimMachine(site))
    for one in packed:
        await node.admission.admit(batches.unpack(one), node.about.root_node)
    await node.admission.settled()
    return node


async def _hire(seat: Seat, node: Node, chance: Random) -> None:
    kinds = (("operator", "operator", "cadre", "discipline"), ("officer", "officer", "cadre"), ("clerk", "mediator"))[seat.tier]
    for n, kind in enumerate(kinds):
        await _employ(node, kind, seat.path, f"{seat.name} {kind} {n}", chance)
    for unit in Tables.packaged().units_of(PLACE)[:UNITS_MAX] if seat.tier == 0 else ():
        await _employ(node, "department", unit, f"{unit} department", chance)


async def _employ(node: Node, kind: str, office: str, name: str, chance: Random) -> None:
    id_, who = sha256(name.encode()).hexdigest()[:32], warden(node)
    actor = who if who.office == office or who.office == PLACE else Actor(who.person, who.post, office, who.powers)
    command = chance.randbytes(8).hex()
    await node.desk.submit(RegisterPerson(id=command, person=id_, office=office, name=name, phone="13800001234"), actor)
    post, title = f"{kind}.{sha256(name.encode()).hexdigest()[:8]}", node.tables().post_name(kind)
    await node.desk.submit(GivePost(id=command + "p", post=post, person=id_, office=office, title=title, home=node.about.node), actor)
