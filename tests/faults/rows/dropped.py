"""Row 2 on lines that lose packets: nobody is told that a line is dead, or a third of all that is sent never arrives.

`python -m tests.faults.rows.dropped SEED FOLDER` inside of a network namespace (kit/netns.py); prints the outcome.
The figure has a name of its own, up_after_loss_s: a connection that was not told waits longer and longer before it sends again.
"""

import asyncio
import sys
from pathlib import Path
from random import Random

import msgspec

from tests.faults.kit import netns
from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.database import Database
from tests.faults.kit.desks import PHOTOS, Desks
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome
from tests.faults.rows.row_02 import BELOW, longest, own, told, until_up

LOSSES = (2, 3)  # a round
KINDS = {"nothing comes through": (100, ("dport", "sport")), "one way only": (100, ("dport",)), "a third is lost": (33, ("dport", "sport"))}
WHO = ("gaoyu", "liangpeng", "county")
LOST_S = (1.0, 6.0)


async def play(chance: Random, folder: Path) -> Outcome:
    wanted = chance.random() < 0.5
    database = await Database.here() if wanted and netns.is_root() else None
    async with standing(folder, chance, database=database) as county:
        async with Desks(county, chance, photos=PHOTOS) as desks:
            await desks.more(8)
            healed = [await lost(county, desks, chance) for _ in range(chance.randint(*LOSSES))]
            await desks.more(8)
        await county.settle()
        await county.stop()
        return await judge(county, desks.saved, said=[county.store, *told(healed)], figures={"up_after_loss_s": longest(healed)})


async def lost(county: BrokenCounty, desks: Desks, chance: Random) -> tuple[str, float | None]:
    """Work goes on at every desk while packets are lost; then they are not. Returns what it was, and `until_up` of who was behind it."""
    who, kind = chance.choice(WHO), chance.choice(list(KINDS))
    of_100, ways = KINDS[kind]
    netns.lose([county.demo.wires[name].port for name in county.demo._ways(who)], of_100, ways)
    for node in county.nodes:
        await desks.more(chance.randint(2, 10), node)  # nobody is refused, whatever is lost
    await asyncio.sleep(chance.uniform(*LOST_S))
    written = await own(county, BELOW if who == "county" else (who,))
    netns.lose_none()
    return f"{who}: {kind}, then whole again", await until_up(county, written)


if __name__ == "__main__":
    outcome = asyncio.run(play(Random(int(sys.argv[1])), Path(sys.argv[2])))
    print(msgspec.json.encode(outcome).decode())
