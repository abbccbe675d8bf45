"""Row 4: SIGKILL of a program at a random instant, several times a round, while every desk saves.

Asserted: each comes back (a nats-server by itself), the desks go on, afterwards all checkers. A figure: start_s, the slowest start of a program
after a kill, from its exec until its pages answer.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.database import Database, in_memory
from tests.faults.kit.desks import CALM_S, PAUSE_S, PHOTOS, Desks
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row
from tests.kit.county import until

KILLS, WORK, WORK_SMALL = (3, 6), (3, 30), (3, 6)  # a round; saves before each
VICTIMS = ("gaoyu", "liangpeng", "town", "hub", "leaf", "county server", "postgres")


async def play(chance: Random, folder: Path) -> Outcome:
    """The hub's store is PostgreSQL in half of the rounds."""
    database = await Database.drawn(chance)
    victims = VICTIMS if database else VICTIMS[:-1]
    drawn = [chance.choice(victims) for _ in range(chance.randint(*KILLS))]
    async with standing(folder, chance, database=database) as county:
        return await felled(county, chance, drawn, WORK, PAUSE_S)


async def small(chance: Random, folder: Path) -> Outcome:
    """Both nats-servers, PostgreSQL and one program, in a county of one township and one village."""
    drawn = chance.sample(("county server", "leaf", "postgres", chance.choice(("hub", "gaoyu"))), 4)
    async with in_memory() as database, standing(folder, chance, nodes=("hub", "town", "gaoyu"), database=database) as county:
        return await felled(county, chance, drawn, WORK_SMALL, CALM_S)


async def felled(county: BrokenCounty, chance: Random, drawn: Sequence[str], work: tuple[int, int], pause_s: float) -> Outcome:
    said = [county.store]
    async with Desks(county, chance, pause_s=pause_s, photos=PHOTOS) as desks:
        for victim in drawn:
            await desks.more(chance.randrange(*work))
            await asyncio.sleep(chance.random() * 0.05)
            await fell(county, victim, county.database)
            said.append(f"{victim} after {desks.count()}")
        await desks.more(10)
    await county.settle()
    starts = county.demo.starts_s[len(county.nodes) :]
    await county.stop()
    return await judge(
        county,
        desks.saved,
        said=[*said, f"{desks.acts.total()} steps, sent again {desks.refused.total()}"],
        figures={"start_s": round(max(starts), 2)} if starts else {},
    )


async def fell(county: BrokenCounty, victim: str, database: Database | None) -> None:
    """Killed, and on its feet again: programs by whoever supervises them, a nats-server by its node."""
    if victim == "postgres":
        assert database is not None
        database.kill()
        await asyncio.sleep(0.3)
        await database.start()
    elif victim in ("leaf", "county server"):
        node = "town" if victim == "leaf" else "hub"
        pid = county.server_pid(node)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: county.server_pid(node) != pid, f"{victim} comes back by itself")
    else:
        await county.kill(victim)
        await county.begin(victim)


ROW = Row(
    4, "SIGKILL of edge, hub, nats-server or PostgreSQL at a random instant", "nothing acknowledged is lost, nothing twice, it starts in < 2 s",
    ("postgres",), play, small,
)  # fmt: skip
