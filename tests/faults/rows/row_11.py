"""Row 11: the clock of a village's PC is a year off, jumps while it works, runs too fast or too slow. Order never hangs on it.

Two cases are written to in turn by the village (wrong clock) and the township (true clock): every node folds them to the same order, which is
the order in which they were written. What the wrong clock said stands in the entry beside how far it was known to be off.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from deploy.demo.cast import VILLAGE
from protocol import certificate as certificates
from protocol.calendar import DAY_MS
from protocol.entry import node_of
from tests.faults.kit.clock import Clock
from tests.faults.kit.county import ASK_S, BrokenCounty, laid
from tests.faults.kit.database import Database
from tests.faults.kit.desks import CALM_S, PAUSE_S, PHOTOS, Desks
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row
from tests.kit.county import distinct

OFFSETS = ("+365d", "-365d", "+40d", "-3h", "+0 x1.5", "+0 x0.6", "+2d x1.2")
TURNS, STEPS, NODES = 3, (2, 4), ("hub", "town", "gaoyu")


async def play(chance: Random, folder: Path) -> Outcome:
    offsets = [chance.choice(OFFSETS) for _ in range(chance.randint(*STEPS))]
    return await clocked(chance, folder, offsets, TURNS, database=await Database.drawn(chance))


async def small(chance: Random, folder: Path) -> Outcome:
    """The village and the county alone."""
    return await clocked(chance, folder, [chance.choice(OFFSETS)], 1, ("hub", "gaoyu"), CALM_S)


async def clocked(
    chance: Random,
    folder: Path,
    drawn: Sequence[str],
    turns: int,
    nodes: Sequence[str] = NODES,
    pause_s: float = PAUSE_S,
    database: Database | None = None,
) -> Outcome:
    async with laid(folder, chance, nodes=nodes, database=database) as county:
        clock = Clock(folder, drawn[0])
        county.demo.environ["gaoyu"] = clock.environ
        await county.raise_()
        async with Desks(county, chance, pause_s=pause_s, photos=PHOTOS) as desks:
            told = []
            for offset in drawn:
                clock.set(offset)
                await desks.more(4, "gaoyu")
                told.append(await in_turn(county, turns))
        clock.set("+0")
        await county.settle()
        for case, texts in told:
            await same_order(county, case, texts)
        await county.stop()
        off = await furthest(county)
        return await judge(county, desks.saved, said=(county.store, " then ".join(drawn), f"clocks in entries up to {off} days off"))


def writers(county: BrokenCounty) -> tuple[str, str]:
    """With the wrong clock, with the true one."""
    return "wangfang", "liqiang" if "town" in county.nodes else "zhoumin"


async def in_turn(county: BrokenCounty, turns: int) -> tuple[str, list[str]]:
    """A case that both write notes to, each after it has seen the other's: (case, texts in the order they were written)."""
    clerk, officer = [await county.page(account) for account in writers(county)]
    case = (await _patient(clerk, "/cases", county.form(VILLAGE, distinct("钟不准的一件"))))["case"]
    texts = []
    for _ in range(turns):
        for page, other in ((clerk, officer), (officer, clerk)):
            await county.shows(page, case)
            texts.append(distinct("轮到我写"))
            await _patient(page, f"/cases/{case}/AddNote", {"command_id": texts[-1][-9:-1] * 2, "text": texts[-1]})
            await seen(county, other, case, texts[-1])
    return case, texts


async def _patient(page, path: str, form: dict):
    """A session may have ended by the clock: whoever sits there signs in again."""
    got = await page.http.post(path, data=form)
    if got.status_code in (303, 401, 403):
        await page.sign_in()
        got = await page.http.post(path, data=form)
    assert got.status_code in (200, 201), f"{path}: {got.status_code} {got.text[:300]}"
    return got.json()


async def seen(county: BrokenCounty, page, case: str, text: str) -> None:
    began = time.monotonic()
    while text not in str(await shown(page, case)):
        assert time.monotonic() - began < 40, f"{page.account} never saw what the other wrote"
        await asyncio.sleep(ASK_S)


async def shown(page, case: str):
    got = await page.http.get(f"/cases/{case}")
    if got.status_code in (303, 401, 403):
        await page.sign_in()
        got = await page.http.get(f"/cases/{case}")
    return got.json() if got.status_code == 200 else None


async def same_order(county: BrokenCounty, case: str, texts: list[str]) -> None:
    for account in {*writers(county), "zhoumin"}:
        found = str(await shown(await county.page(account), case))
        places = [found.find(text) for text in texts]
        assert -1 not in places and places == sorted(places), f"{account} sees another order than they were written in"


async def furthest(county: BrokenCounty) -> float:
    """How far the village's clock stood from when its entries came in, at the worst."""
    mine = county.certificate("gaoyu")
    assert certificates.hears(mine, VILLAGE)
    worst = 0.0
    async with county.opened("hub") as node:
        for (ledger, origin), head in (await node.journal.heads()).items():
            if node_of(origin) == mine.node:
                rows = await node.journal.lane(ledger, origin, 0, head.seq)
                worst = max([worst, *(abs(row.head.occurred_ms - row.received_ms) / DAY_MS for row in rows)])
    return round(worst, 1)


ROW = Row(
    11,
    "clock ± 1 year, jumps, drift at a village",
    "order is that of writing at every node; what the clock said is shown",
    ("faketime", "postgres"),
    play,
    small,
    ("faketime",),
)
