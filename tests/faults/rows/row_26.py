"""Row 26: twenty-odd more villages come back at once with what they wrote while away, and the windows go on working.

They are light: real stores, keys and links, but no pages, all in this program. How long a save takes then is measured by the bench.

Asserted: every desk saves while the crowd drains, all of it is up in the end (UP_S_MAX is only where a round gives up), all checkers over what
desks and the crowd were told. A figure: up_s, until the county and the crowd hold the same.
"""

import asyncio
import time
from pathlib import Path
from random import Random

from deploy import county as founding
from deploy.demo.cast import COUNTY, TOWNSHIP
from edge import enrol as joining
from protocol import batch as batches
from protocol.events import Actor
from protocol.node.config import Config, load
from protocol.node.node import Node, now_ms
from protocol.tables import Tables
from tests.faults.kit.county import BrokenCounty, laid
from tests.faults.kit.database import Database
from tests.faults.kit.desks import CALM_S, PAUSE_S, PHOTOS, Desks, Saved
from tests.faults.kit.files import drawn
from tests.faults.kit.truth import judge
from tests.faults.kit.whole import attached, promise
from tests.faults.row import Outcome, Row
from tests.node.desk_kit import dispute

NODES, BACKLOG, UP_S_MAX = (20, 26), (10, 60), 600
NODES_SMALL, BACKLOG_SMALL = (3, 5), (4, 12)


async def play(chance: Random, folder: Path) -> Outcome:
    database = await Database.drawn(chance)
    async with laid(folder, chance, database=database) as county:
        return await crowded(county, chance, chance.randint(*NODES), BACKLOG)


async def small(chance: Random, folder: Path) -> Outcome:
    async with laid(folder, chance, nodes=("hub", "gaoyu")) as county:
        return await crowded(county, chance, chance.randint(*NODES_SMALL), BACKLOG_SMALL, CALM_S)


async def crowded(county: BrokenCounty, chance: Random, count: int, commits: tuple[int, int], pause_s: float = PAUSE_S) -> Outcome:
    light = await enrolled(county, chance, count)
    try:
        saved = [one for name, node in light.items() for one in await backlog(name, node, chance, chance.randint(*commits))]
        await county.raise_()
        async with Desks(county, chance, pause_s=pause_s, photos=PHOTOS) as desks:
            await desks.more(8)
            began = time.monotonic()
            for node in light.values():
                await node.start()
            for name in county.nodes:  # nobody waits for the crowd to be served
                await desks.more(5, name)
            late = desks.count()
            await county.settle("hub", *light, seconds=UP_S_MAX, files=False)
            took = time.monotonic() - began
        await county.settle(*county.nodes, *light)
    finally:
        await asyncio.gather(*(node.close() for node in light.values()))
    await county.stop()
    said = (f"{len(light)} villages with {len(saved)} commits came back", f"{late} saves at desks by then",
            county.store)  # fmt: skip
    return await judge(county, [*desks.saved, *saved], nodes=(*county.nodes, *light), said=said, figures={"up_s": round(took, 1)})


async def enrolled(county: BrokenCounty, chance: Random, count: int) -> dict[str, Node]:
    """Villages of other townships, joined by codes as any; they dial the county's server."""
    tables, home = Tables.packaged(), county.home("hub")
    places = [village for town in tables.children(COUNTY) if town != TOWNSHIP for village in tables.children(town)]
    config, made = load(home / "yidi.toml", {}), {}
    founded = founding.County.open(home, config, now_ms())
    async with county.opened("hub") as hub:
        enrolment = founded.enrolment(hub)

        async def post(_address: str, body: bytes) -> tuple[int, bytes]:
            return 200, await enrolment.redeem(body)

        for place in chance.sample(places, count):
            name = f"light {place.rpartition('/')[2]}"
            code = await enrolment.invite(place=place, name=tables.place_name(place), serves=[], leaf="")
            joined = await joining.enrol(code, county.home(name), post=post)
            node = made[name] = await Node.open(county.home(name), Config())
            for packed in joined.batches:
                await node.admission.admit(batches.unpack(packed), node.about.root_node)
            await node.admission.settled()
    return made


async def backlog(name: str, node: Node, chance: Random, commits: int) -> list[Saved]:
    """Written while away, at a desk without a page; some with a picture."""
    actor = Actor("0" * 31 + "1", "clerk.00000001", node.office, node.tables().post_powers("clerk"), "网格员")
    saved = list[Saved]()
    for n in range(commits):
        told = await node.desk.submit(dispute(node.office, f"{node.about.node}-{n:04}"), actor)
        saved.append(promise(name, told, await attached(node, actor, told, drawn(chance) if chance.random() < PHOTOS else None)))
    return saved


ROW = Row(
    26, "overload: twenty and more villages drain while the windows work",
    "nothing starves, nothing is lost (a save's p99 < 50 ms: ./run bench storm)", ("postgres",), play, small,
)  # fmt: skip
