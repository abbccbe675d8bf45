"""Row 2: lines that are cut: a village, the township, the whole way up, one way only, flapping. Below a cut work goes on and is shared.

A third of the rounds is played in a network namespace, on lines that lose packets without a word (rows/dropped.py), where the machine allows it;
for an ordinary user the hub is on SQLCipher there.

Asserted: nobody is refused, whoever is cut off; what is below a cut goes on sharing; afterwards all checkers. A figure: up_s, the longest that
it took after a healing until the county held all that had been written behind that cut.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from protocol import certificate as certificates
from protocol import entry
from tests.faults.kit import netns
from tests.faults.kit.county import BrokenCounty, Lanes, standing
from tests.faults.kit.database import Database
from tests.faults.kit.desks import CALM_S, PHOTOS, Desks
from tests.faults.kit.truth import judge
from tests.faults.needs import missing
from tests.faults.row import Outcome, Row

CUTS = (2, 4)  # a round
UP_S_MAX = 30.0  # how long it is watched
KINDS = ("village", "township", "county", "one way", "flapping")
BELOW = ("town", "gaoyu", "liangpeng")


async def play(chance: Random, folder: Path) -> Outcome:
    loses = chance.random() < 1 / 3
    if loses and not missing(netns.NEEDS):
        return await netns.played("tests.faults.rows.dropped", chance.randrange(2**32), folder)
    async with standing(folder, chance, database=await Database.drawn(chance)) as county:
        async with Desks(county, chance, photos=PHOTOS) as desks:
            await desks.more(8)
            healed = [await sever(county, desks, chance, chance.choice(KINDS)) for _ in range(chance.randint(*CUTS))]
            await desks.more(8)
        await county.settle()
        await county.stop()
        return await judge(county, desks.saved, said=[county.store, *told(healed)], figures={"up_s": longest(healed)})


async def small(chance: Random, folder: Path) -> Outcome:
    """One cut between a village and the county."""
    async with standing(folder, chance, nodes=("hub", "gaoyu")) as county:
        async with Desks(county, chance, pause_s=CALM_S, photos=PHOTOS) as desks:
            await desks.more(3)
            healed = [await sever(county, desks, chance, chance.choice(("village", "one way")), "gaoyu")]
        await county.settle()
        await county.stop()
        return await judge(county, desks.saved, said=told(healed), figures={"up_s": longest(healed)})


async def sever(county: BrokenCounty, desks: Desks, chance: Random, kind: str, village: str = "") -> tuple[str, float | None]:
    """One cut with work going on at every desk, and its healing. Returns what it was, and `until_up` of who was behind it."""
    village = village or chance.choice(("gaoyu", "liangpeng"))
    wires = ways(county, kind, village)
    if kind == "flapping":
        for _ in range(chance.randint(4, 10)):
            _each(county, wires, "cut")
            await asyncio.sleep(chance.uniform(0.02, 0.4))
            _each(county, wires, "heal")
            await asyncio.sleep(chance.uniform(0.02, 0.6))
    elif kind == "one way":
        for name in wires:
            county.demo.wires[name].faults.dead = {chance.choice(("up", "down"))}
    else:
        _each(county, wires, "cut")
    for node in county.nodes:
        await desks.more(chance.randint(2, 10), node)  # nobody is refused, whoever is cut off
    if kind in ("county", "township"):  # what is below the cut goes on sharing
        await desks.rest()
        await county.settle(*BELOW)
        desks.begin()
    lone = kind in ("village", "one way", "flapping")
    behind = {"county": BELOW, "township": ("town",)}.get(kind, (village,))
    written = await own(county, behind)
    _each(county, wires, "heal")
    return f"{kind} {village if lone else ''}".strip(), await until_up(county, written)


async def own(county: BrokenCounty, nodes: Sequence[str]) -> Lanes:
    """The heads of the lanes that these nodes wrote themselves and the county hears."""
    hub, found = county.certificate("hub"), Lanes()
    for node in nodes:
        mine = county.id_of(node)
        found |= {
            key: head
            for key, head in (await county.lanes(node)).items()
            if entry.node_of(key[1]) == mine and certificates.hears(hub, key[0])
        }
    return found


async def until_up(county: BrokenCounty, written: Lanes) -> float | None:
    """Seconds until the county holds all of it; None when it does not within UP_S_MAX: then `settle` will say so."""
    began = time.monotonic()
    while time.monotonic() - began < UP_S_MAX:
        held = await county.lanes("hub")
        if all(key in held and held[key][0] >= seq for key, (seq, _) in written.items()):
            return round(time.monotonic() - began, 2)
        await asyncio.sleep(0.02)
    return None


def told(healed: Sequence[tuple[str, float | None]]) -> list[str]:
    return [f"{what}, up {'late' if seconds is None else f'after {seconds:g} s'}" for what, seconds in healed]


def longest(healed: Sequence[tuple[str, float | None]]) -> float:
    """Of a round: what was not up in time counts as the most that was waited for."""
    return max(UP_S_MAX if seconds is None else seconds for _, seconds in healed)


def ways(county: BrokenCounty, kind: str, village: str) -> Sequence[str]:
    if kind == "township":
        return ("town",)
    return county.demo._ways("county" if kind == "county" else village)


def _each(county: BrokenCounty, names: Sequence[str], verb: str) -> None:
    for name in names:
        getattr(county.demo.wires[name], verb)()


ROW = Row(
    2,
    "a partition: village, township, county, one way, flapping",
    "below the cut work goes on and is shared; after it all hold the same, the county in < 1.5 s",
    ("postgres",),
    play,
    small,
    (),
)
