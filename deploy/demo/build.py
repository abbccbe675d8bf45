"""Builds the demo county in an empty folder: founds, invites, enrols, hires, and plays the drawn history. Nothing runs meanwhile."""

import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from deploy.county import County
from deploy.demo import history, seed
from deploy.demo.cast import COUNTY, NEIGHBOUR, NODES, PASSWORD, PEOPLE, TOWNSHIP, VILLAGE, Person
from deploy.demo.seed import Clock, Staff
from deploy.keeping import save_config, warden
from edge import enrol as joining
from hub.enrolment import Enrolment
from protocol import batch as batches
from protocol.calendar import DAY_MS
from protocol.commands import GivePost, RegisterPerson
from protocol.enrolment import Leaf
from protocol.events import Actor
from protocol.node.config import load
from protocol.node.identity import write_whole
from protocol.node.link import creds
from protocol.node.node import Node, now_ms
from protocol.place import parent, tier
from protocol.tables import Tables

SEED, DISPUTES, DISPUTES_CHECK = 20261124, 360, 48
DAYS = 320
Bar = Callable[[str, int, int], None]


class Ports(msgspec.Struct):
    """pages: folder → port · county, county_leaf, leaf: nats-servers · wires: name → port of the cuttable wire before it."""

    pages: dict[str, int]
    county: int
    county_leaf: int
    leaf: int
    wires: dict[str, int]


def write_configs(folder: Path, ports: Ports) -> None:
    """Where each node listens and dials, also where its enrolment said it otherwise: a folder is started again, or copied, under other ports."""
    branch = folder / "town" / "identity" / creds.BRANCH_FILE
    if branch.exists():
        leaf = msgspec.msgpack.decode(branch.read_bytes(), type=Leaf)
        write_whole(branch, msgspec.msgpack.encode(msgspec.structs.replace(leaf, listen=f"127.0.0.1:{ports.leaf}")))
    tables = Tables.packaged()
    others = [f'"{t}/*"' for t in tables.children(COUNTY) if t != TOWNSHIP]
    pages, wires = ports.pages, ports.wires
    texts = {
        "hub": f"[nats]\nport = {ports.county}\nleaf_port = {ports.county_leaf}\n"
        f'[root]\nplace = "{COUNTY}"\naddress = "127.0.0.1:{pages["hub"]}"\nserves = [{", ".join(others)}]\n',
        "town": f'[link]\nservers = ["127.0.0.1:{ports.leaf}"]\n[nats]\nleaf_remote = "127.0.0.1:{wires["town"]}"\n',
    }
    for name in ("gaoyu", "liangpeng"):
        texts[name] = f'[link]\nservers = ["127.0.0.1:{wires[f"{name} leaf"]}", "127.0.0.1:{wires[f"{name} county"]}"]\n'
    for name, text in texts.items():
        save_config(
            folder / name, f'# 演示用，由 yidi demo 写\n[http]\nhost = "127.0.0.1"\nport = {pages[name]}\n[demo]\nmade_up = true\n{text}'
        )


async def build(folder: Path, ports: Ports, disputes: int, seed_: int, bar: Bar) -> int:
    """Returns how many acts were played. Raises Refused when something of ours is wrong."""
    write_configs(folder, ports)
    clock = Clock(now_ms() - (DAYS + 2) * DAY_MS)
    async with AsyncExitStack() as stack:
        hub_folder = folder / NODES[0].folder
        config = load(hub_folder / "yidi.toml", {})
        county = County.open(hub_folder, config, clock())
        hub = await Node.open(hub_folder, config, clock)
        stack.push_async_callback(hub.close)

        enrolment = county.enrolment(hub)
        await county.furnish(hub)
        await enrolment.announce_trust()
        nodes = {NODES[0].folder: hub}
        for n, place in enumerate(NODES[1:], 1):
            bar("登记节点", n, len(NODES) - 1)
            nodes[place.folder] = await _join(folder, place.folder, place.path, ports, enrolment, clock)
            stack.push_async_callback(nodes[place.folder].close)
        await seed.share(list(nodes.values()))
        staff = await _hire(nodes, seed_, disputes, bar)
        await seed.share(list(nodes.values()))  # who may be sent must be known where tasks are assigned
        drawn = list(history.plays(seed_, now_ms(), villages(seed_, disputes), DAYS))
        played = await seed.play(list(nodes.values()), clock, drawn, staff, lambda done, total: bar("写入一年的纠纷", done, total))
        clock.ms = now_ms()
        bar("各级互相送达", 0, 1)
        await seed.share(list(nodes.values()))
        bar("各级互相送达", 1, 1)
    return played


async def _join(folder: Path, name: str, path: str, ports: Ports, enrolment: Enrolment, clock: Clock) -> Node:
    is_town = tier(path) == 1
    tables = Tables.packaged()
    without_pc = [v for v in tables.children(path) if v not in (VILLAGE, NEIGHBOUR)] if is_town else []
    leaf = f"127.0.0.1:{ports.leaf}" if is_town else ""
    code = await enrolment.invite(place=path, name=tables.place_name(path), serves=without_pc, leaf=leaf)

    async def post(_address: str, body: bytes) -> tuple[int, bytes]:
        return 200, await enrolment.redeem(body)

    joined = await joining.enrol(code, folder / name, post=post)
    node = await Node.open(folder / name, load(folder / name / "yidi.toml", {}), clock)
    for packed in joined.batches:
        await node.admission.admit(batches.unpack(packed), node.about.root_node)
    return node


def villages(seed_: int, disputes: int) -> list[tuple[str, int]]:
    """How many disputes happened where: the two villages with a PC most, then their township, then the rest of the county."""
    tables, chance = Tables.packaged(), random.Random(seed_)
    near = [v for v in tables.children(TOWNSHIP) if v not in (VILLAGE, NEIGHBOUR)]
    far = [v for t in tables.children(COUNTY) if t != TOWNSHIP for v in tables.children(t)]
    counts = {VILLAGE: disputes * 14 // 100, NEIGHBOUR: disputes * 10 // 100}
    for path in chance.choices(near, k=disputes * 24 // 100) + chance.choices(
        chance.sample(far, min(len(far), 70)), k=disputes * 52 // 100
    ):
        counts[path] = counts.get(path, 0) + 1
    return sorted(counts.items())


async def _hire(nodes: dict[str, Node], seed_: int, disputes: int, bar: Bar) -> Staff:
    """The cast with accounts, and somebody for every office that will act."""
    staff, chance, all_nodes = Staff(), random.Random(seed_ + 1), list(nodes.values())
    for person in PEOPLE:
        node = nodes[person.node]
        actor = await employ(node, person)
        staff.actors.setdefault((person.office, person.kind), actor)
        if person.kind == "cadre":
            staff.cadres.setdefault(person.office, []).append((actor.person, node.about.node))
            staff.actors[person.office, f"cadre {actor.person}"] = actor
        await node.people.add_account(person.account, actor.person, PASSWORD, now_ms())
    for unit in hub_units(nodes):
        if (unit, "department") not in staff.actors:
            staff.actors[unit, "department"] = await employ(nodes[NODES[0].folder], Person(history.person_name(chance), "department", unit))
    offices = sorted({p for path, _ in villages(seed_, disputes) for p in (path, parent(path) or path)})
    for n, path in enumerate(offices):
        bar("安排各村各镇的人", n + 1, len(offices))
        kind = "officer" if tier(path) == 1 else "clerk"
        node = seed.node_for(all_nodes, path)
        if (path, kind) not in staff.actors:
            staff.actors[path, kind] = await employ(node, Person(history.person_name(chance), kind, path))
        if tier(path) == 1 and path not in staff.cadres:
            cadre = await employ(node, Person(history.person_name(chance), "cadre", path))
            staff.cadres[path] = [(cadre.person, node.about.node)]
            staff.actors[path, f"cadre {cadre.person}"] = cadre
    return staff


def hub_units(nodes: dict[str, Node]) -> tuple[str, ...]:
    return nodes[NODES[0].folder].tables().units_of(COUNTY)


async def employ(node: Node, person: Person) -> Actor:
    tables, id_ = node.tables(), secrets.token_hex(16)
    kind, office = person.kind, person.office
    post = f"{kind}.{secrets.token_hex(4)}"
    who = warden(node)
    registered = RegisterPerson(id=secrets.token_hex(8), person=id_, office=office, name=person.name, phone=person.phone)
    given = GivePost(
        id=secrets.token_hex(8), post=post, person=id_, office=office, title=person.title or tables.post_name(kind), home=node.about.node
    )
    for command in (registered, given):
        await node.desk.submit(command, _over(who, office))
    return Actor(id_, post, office, tables.post_powers(kind), person.name)


def _over(who: Actor, office: str) -> Actor:
    """At a node that serves several offices, each hires for itself; the county hires for its units."""
    top: Sequence[str] = office.split("/")
    return who if who.office == top[0] or who.office == office else Actor(who.person, who.post, office, who.powers)
