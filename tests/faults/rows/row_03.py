"""Row 3: the county's server and its hub are away for days. Nobody below is refused, and what was written is up there soon after.

Asserted: no refusal below while it is away, the township and its villages hold the same meanwhile, afterwards all checkers. A figure: up_s,
from the start of the county's program until all nodes hold the same, with everybody writing on for the first ten saves.
"""

import time
from pathlib import Path
from random import Random

from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.database import Database
from tests.faults.kit.desks import CALM_S, DESKS, PHOTOS, Desks
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row
from tests.faults.rows.row_02 import BELOW

BACKLOG, BACKLOG_SMALL = (60, 250), (8, 16)  # saves while it is away


async def play(chance: Random, folder: Path) -> Outcome:
    database = await Database.drawn(chance)
    async with standing(folder, chance, database=database) as county:
        return await away(county, chance, BACKLOG, 0.01)


async def small(chance: Random, folder: Path) -> Outcome:
    """A county of one township and one village, away for a dozen saves."""
    async with standing(folder, chance, nodes=("hub", "town", "gaoyu")) as county:
        return await away(county, chance, BACKLOG_SMALL, CALM_S)


async def away(county: BrokenCounty, chance: Random, backlog: tuple[int, int], pause_s: float) -> Outcome:
    async with Desks(county, chance, _below(), pause_s=pause_s, photos=PHOTOS) as desks:
        await desks.more(5)
        await county.kill("hub")  # its nats-server goes with it
        while_away = chance.randrange(*backlog)
        await desks.more(while_away)
        assert not desks.refused, f"refused below the missing county: {dict(desks.refused)}"
        await desks.rest()
        await county.settle(*(node for node in BELOW if node in county.nodes))  # the township's own server goes on
        began = time.monotonic()
        await county.begin("hub")
        desks.begin()
        await desks.more(10)
    await county.settle(files=False)
    up_s = round(time.monotonic() - began, 1)
    await county.settle()
    await county.stop()
    said = (f"{while_away} saves while it was away", county.store)
    return await judge(county, desks.saved, said=said, figures={"up_s": up_s})


def _below() -> list[tuple[str, str]]:
    return [desk for desk in DESKS if desk[0] != "zhoumin"]


ROW = Row(3, "the county's server and hub are away", "no refusal below; the backlog is up in < 60 s", ("postgres",), play, small)
