"""Row 28: thirty days in a few minutes: random work, and each day something that happens on such days. Nothing grows that should not.

restore: a node is put back to the last backup that was made of it (on a day without one, of that morning). upgrade: its program finds the
store as one of another version left it, with views of another shape, and makes them anew. Each evening memory, open files and the log of every program are noted. A program that is never restarted may not grow; the log stays
below what the checkpoint keeps it at.
"""

import asyncio
import os
import signal
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random

from protocol.node.journal import checkpoint
from tests.faults.kit.county import ALL, BrokenCounty, standing
from tests.faults.kit.database import Database
from tests.faults.kit.desks import CALM_S, Desks
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row
from tests.faults.rows.row_04 import fell
from tests.faults.rows.row_05 import forget_views
from tests.faults.rows.row_27 import memory_mb
from tests.kit.county import on_a_new_disk

DAYS, WORK, DAYS_SMALL = 30, (2, 10), 2
EVENTS = ("nothing", "kill", "restart", "cut", "backup", "rebuild", "stick", "server", "still", "restore", "upgrade")
GROWTH_MB_MAX, FILES_MORE_MAX = 48.0, 24
LOG_MB_MAX = checkpoint.LOG_BYTES_MAX / 2**20 * 1.25  # there the writer waits; below it a busy machine's readers may hold it up for a while


class Evenings:
    """Of each program, by pid: what it used, evening by evening."""

    def __init__(self) -> None:
        self.memory, self.files, self.log_mb = defaultdict[int, list[float]](list), defaultdict[int, list[int]](list), 0.0

    def note(self, county: BrokenCounty) -> None:
        for node, mb in memory_mb(county).items():
            pid, log = county.demo.processes[node].pid, county.home(node) / "journal.db-wal"
            self.memory[pid].append(mb)
            self.files[pid].append(len(list(Path(f"/proc/{pid}/fd").iterdir())))
            self.log_mb = max(self.log_mb, log.stat().st_size / 2**20 if log.exists() else 0)

    def judged(self) -> str:
        """What it came to. Raises AssertionError. The first two evenings of a program are its warming up."""
        grown = max((mb[-1] - mb[1] for mb in self.memory.values() if len(mb) > 3), default=0.0)
        more = max((files[-1] - files[1] for files in self.files.values() if len(files) > 3), default=0)
        longest = max(map(len, self.memory.values()))
        assert grown < GROWTH_MB_MAX, f"a program grew by {grown:.0f} MB"
        assert more < FILES_MORE_MAX, f"a program holds {more} files more than at the beginning"
        assert self.log_mb < LOG_MB_MAX, f"a log of {self.log_mb:.0f} MB"
        return f"grew by at most {grown:.1f} MB and {more} open files in up to {longest} days without a restart, logs below {self.log_mb:.1f} MB"


async def play(chance: Random, folder: Path) -> Outcome:
    """Each kind of day at least once."""
    drawn = [*EVENTS, *(chance.choice(EVENTS) for _ in range(DAYS - len(EVENTS)))]
    database = await Database.drawn(chance)
    return await month(chance, folder, chance.sample(drawn, DAYS), ALL, database=database)


async def small(chance: Random, folder: Path) -> Outcome:
    """Two days of a county of one village, not alike."""
    return await month(chance, folder, chance.sample(EVENTS, DAYS_SMALL), ("hub", "gaoyu"), CALM_S)


async def month(
    chance: Random, folder: Path, events: Sequence[str], nodes: Sequence[str], pause_s: float = 0.06, database: Database | None = None
) -> Outcome:
    async with standing(folder, chance, nodes=nodes, database=database) as county:
        evenings, copies = Evenings(), dict[str, Path]()
        async with Desks(county, chance, photos=0.1, pause_s=pause_s) as desks:
            for day, event in enumerate(events):
                await desks.more(chance.randint(*WORK))
                await happen(county, desks, chance, event, folder / f"day {day}", copies)
                evenings.note(county)
        await county.settle()
        told = evenings.judged()
        await county.stop()
        said = (
            county.store,
            f"{len(events)} days: " + ", ".join(f"{count} × {event}" for event, count in sorted(Counter(events).items())),
            told,
        )
        return await judge(county, desks.saved, said=said)


async def happen(county: BrokenCounty, desks: Desks, chance: Random, event: str, file: Path, copies: dict[str, Path]) -> None:
    """copies: node → its last backup."""
    node = chance.choice(county.nodes[1:])  # mostly the small ones; the county's machine goes on for the whole month
    if event == "kill":
        await fell(county, node, None)
    elif event == "restart":
        await county.halt(node)
        await county.begin(node)
    elif event == "server":
        await fell(county, chance.choice(("leaf", "county server") if "town" in county.nodes else ("county server",)), None)
    elif event == "cut":
        way = chance.choice([way for way in ("gaoyu", "liangpeng", "county") if way in (*county.nodes, "county")])
        county.demo.cut(way)
        await desks.more(chance.randint(*WORK))
        county.demo.heal(way)
    elif event == "still":
        pid = county.demo.processes[node].pid
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(chance.uniform(0.1, 1.5))
        os.kill(pid, signal.SIGCONT)
    elif event in ("backup", "rebuild"):
        ran = await county.yidi(node, event, *([file.with_suffix(".tar")] if event == "backup" else []))
        assert ran.code == 0, ran
        copies |= {node: file.with_suffix(".tar")} if event == "backup" else {}
    elif event == "restore":
        await restored(county, desks, chance, node, file.with_suffix(".tar"), copies)
    elif event == "upgrade":
        await county.halt(node)
        await asyncio.to_thread(forget_views, county, node)
        await county.begin(node)
    elif event == "stick":
        for words in (("gaoyu", "export"), ("hub", "import")):
            ran = await county.yidi(*words, file.with_suffix(".yidi"))
            assert ran.code == 0, ran


async def restored(county: BrokenCounty, desks: Desks, chance: Random, node: str, file: Path, copies: dict[str, Path]) -> None:
    """What it wrote since is with the others before (what never left is row 14) and comes back from them, or from the old journal."""
    if node not in copies:
        ran = await county.yidi(node, "backup", file)
        assert ran.code == 0, ran
        copies[node] = file
        await desks.more(chance.randint(*WORK), node)
    await desks.rest()
    await county.settle()
    await county.halt(node)
    if chance.random() < 0.5:
        on_a_new_disk(county.home(node))
    ran = await county.yidi(node, "restore", copies[node])
    assert ran.code == 0, ran
    await county.begin(node)
    await county.forget(node)
    desks.begin()


ROW = Row(
    28, "30 days compressed: work, kills, cuts, restarts, backups, restores, upgrades, sticks",
    "all checkers; memory, open files and log stay flat", ("postgres",), play, small,
)  # fmt: skip
