"""Row 2: lines that are cut: a village, the township, the whole way up, one way only, flapping. Below a cut work goes on and is shared.

A third of the rounds is played in a network namespace, on lines that lose packets without a word (rows/dropped.py), where the machine allows it.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.faults.kit import netns
from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.desks import Desks
from tests.faults.kit.truth import judge
from tests.faults.needs import missing
from tests.faults.row import Outcome, Row

CUTS = (2, 4)  # a round
KINDS = ("village", "township", "county", "one way", "flapping")
BELOW = ("town", "gaoyu", "liangpeng")


async def play(chance: Random, folder: Path) -> Outcome:
    loses = chance.random() < 1 / 3
    if loses and not missing(netns.NEEDS):
        return await netns.played("tests.faults.rows.dropped", chance.randrange(2**32), folder)
    async with standing(folder, chance) as county:
        async with Desks(county, chance) as desks:
            await desks.more(8)
            said = [await sever(county, desks, chance, chance.choice(KINDS)) for _ in range(chance.randint(*CUTS))]
            await desks.more(8)
        await county.settle()
        await county.stop()
        return await judge(county, desks.saved, said=said)


async def sever(county: BrokenCounty, desks: Desks, chance: Random, kind: str) -> str:
    """One cut with work going on at every desk, and its healing. Returns what it was and how soon the county had the first entry again."""
    village = chance.choice(("gaoyu", "liangpeng"))
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
    began, before = time.monotonic(), await county.lanes("hub")
    _each(county, wires, "heal")
    while await county.lanes("hub") == before and time.monotonic() - began < 30:
        await asyncio.sleep(0.02)
    return f"{kind} {village if kind in ('village', 'one way', 'flapping') else ''} healed in {time.monotonic() - began:.1f} s"


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
    "below the cut work goes on and is shared; after it all hold the same",
    (),
    play,
)
