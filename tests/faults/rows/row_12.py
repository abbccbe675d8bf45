"""Row 12: a node is put back to last night's backup. What it wrote since comes back; no number is ever given twice.

Half of them come back on another disk, where no old journal lies and no attachment but those of the backup: the later ones come from the others. Where
the old journal is there they come from it. The county's own ledger has no second copy: what stood in it alone since the backup is gone with the disk
(or with the database), and nothing else (README, 还会丢什么).
"""

import shutil
from pathlib import Path
from random import Random

from deploy.demo.cast import COUNTY
from tests.faults.kit.county import ALL, BrokenCounty, standing
from tests.faults.kit.database import Database, in_memory
from tests.faults.kit.desks import CALM_S, PAUSE_S, PHOTOS, Desks
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row
from tests.kit.county import on_a_new_disk

SAVES, SAVES_SMALL = (30, 40, 20), (6, 6, 6)  # at most, from 4: before the backup, since then, after it was put back


async def play(chance: Random, folder: Path) -> Outcome:
    database = await Database.drawn(chance)
    async with standing(folder, chance, database=database) as county:
        victim = "hub" if database and chance.random() < 0.5 else chance.choice(ALL)
        return await put_back(county, chance, victim, SAVES, PAUSE_S)


async def small(chance: Random, folder: Path) -> Outcome:
    """The hub, on PostgreSQL, in a county of one village; stories put villages back."""
    async with in_memory() as database, standing(folder, chance, nodes=("hub", "gaoyu"), database=database) as county:
        return await put_back(county, chance, "hub", SAVES_SMALL, CALM_S)


async def put_back(county: BrokenCounty, chance: Random, victim: str, saves: tuple[int, int, int], pause_s: float) -> Outcome:
    async with Desks(county, chance, pause_s=pause_s, photos=PHOTOS) as desks:
        await desks.more(chance.randint(4, saves[0]))
        copy, kept = county.folder / "last-night.tar", desks.count()  # what is saved while it is made may be in it or not
        ran = await county.yidi(victim, "backup", copy)
        assert ran.code == 0, ran
        await desks.more(chance.randint(4, saves[1]))
        await desks.more(3, victim)
        await desks.rest()
        await county.settle()  # what never left is row 14
        since = desks.count()
        await county.halt(victim)
        if on_another_disk := chance.random() < 0.5:
            shutil.rmtree(county.home(victim) / "blobs")
            on_a_new_disk(county.home(victim))  # else it takes back from what was there
        if victim == "hub" and county.database:
            await county.empty_store()
        ran = await county.yidi(victim, "restore", copy)
        assert ran.code == 0, ran
        away = victim not in ("hub", "town") and chance.random() < 0.5
        if away:
            county.demo.cut(victim)  # offline too the next number is a new one
        await county.begin(victim)
        await county.forget(victim)
        if away:  # nobody can be heard: somebody answers for opening the pages
            await county.open_restored(victim)
        desks.begin()
        await desks.more(3, victim)
        if away:
            county.demo.heal(victim)
        await desks.more(chance.randint(4, saves[2]))
    await county.settle()
    await county.stop()
    codes = [saved.code for saved in desks.saved if saved.code]
    assert len(set(codes)) == len(codes), "a case code was given twice"
    is_gone = victim == "hub" and (on_another_disk or county.database)
    alone = {one for one in desks.saved[kept:since] if is_gone and {key[0] for key in one.keys} == {COUNTY}}
    gone = f", {len(alone)} in the county's own ledger since the backup" if alone else ""
    how = f"{'on another disk ' if on_another_disk else ''}{'offline ' if away else ''}"
    said = (f"{victim} put back {how}after {since}{gone}", county.store)
    return await judge(county, [one for one in desks.saved if one not in alone], said=said)


ROW = Row(
    12,
    "last night's backup is put back (edge or hub)",
    "own entries come back from the old journal or from the others; no number twice",
    ("postgres",),
    play,
    small,
)
