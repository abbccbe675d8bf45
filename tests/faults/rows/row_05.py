"""Row 5: SIGKILL at each named point between two steps (protocol/node/killpoints.py), in programs and in commands of the terminal.

A point that is never reached fails the round. Whatever died is started again, a command given again; then nothing is lost or doubled.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

from protocol.node.identity import Identity
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.reseal import PAGE_BYTES
from protocol.node.killpoints import NAME, POINTS
from tests.faults.kit.county import ALL, BrokenCounty, standing
from tests.faults.kit.database import Database
from tests.faults.kit.desks import CALM_S, PAUSE_S, Desks
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row

RUNNING = (
    "journal.append", "journal.project", "journal.commit", "journal.committed", "journal.checkpoint", "blob.write", "blob.rename", "node.mark",
    "link.publish", "link.have",
)  # fmt: skip
AT_THE_TERMINAL = (
    "journal.migrate", "journal.rebuild", "identity.write", "stick.export", "stick.import", "backup.copy", "restore.epoch",
    "restore.ready", "restore.move", "heal.ready", "heal.swap",
)  # fmt: skip
DIES_S_MAX, TIMES = 60.0, 6
EDGES = ("gaoyu", "liangpeng", "town")
OF_A_FILE = ("journal.checkpoint",)  # of a store that is one


async def play(chance: Random, folder: Path) -> Outcome:
    """All points, in another order each round, and of PostgreSQL's hub those that a program comes to there."""
    database = await Database.drawn(chance)
    running, typed = chance.sample(RUNNING, len(RUNNING)), chance.sample(AT_THE_TERMINAL, len(AT_THE_TERMINAL))
    return await points(chance, folder, running, typed, ALL, database=database)


async def small(chance: Random, folder: Path) -> Outcome:
    """One point, in a county of one village."""
    point = chance.choice((*RUNNING, *AT_THE_TERMINAL))
    return await points(
        chance, folder, [point] if point in RUNNING else [], [point] if point in AT_THE_TERMINAL else [], ("hub", "gaoyu"), CALM_S
    )


async def points(
    chance: Random,
    folder: Path,
    running: Sequence[str],
    typed: Sequence[str],
    nodes: Sequence[str],
    pause_s: float = PAUSE_S,
    database: Database | None = None,
) -> Outcome:
    edges, said = [node for node in EDGES if node in nodes], list[str]()
    async with standing(folder, chance, nodes=nodes, database=database) as county:
        async with Desks(county, chance, photos=0.4, pause_s=pause_s) as desks:
            await desks.more(8)
            for point in running:
                alone = point.startswith(("link", "blob")) or (database and point in OF_A_FILE)
                victim = "hub" if database and not alone else chance.choice(edges if alone else county.nodes)
                said.append(await die(county, desks, victim, point, chance.randint(1, TIMES)))
                await desks.more(4)
            await desks.rest()
            await county.settle()
            said += [await die_at_the_terminal(county, desks, folder, chance.choice(edges), point) for point in typed]
            desks.begin()
            await desks.more(8)
        await county.settle()
        await county.stop()
        return await judge(county, desks.saved, said=[*said, county.store])


async def die(county: BrokenCounty, desks: Desks, victim: str, point: str, times: int) -> str:
    """The program of a node is started armed, dies in the middle of the work there, and is started again."""
    await county.halt(victim)
    county.demo.environ[victim] = {NAME: f"{point}:{times}"}
    process = await county.demo.spawn(victim)
    try:
        async with asyncio.timeout(DIES_S_MAX):
            await process.wait()
    except TimeoutError:
        raise AssertionError(f"{victim} never came to {point} {times} times") from None
    assert process.returncode == -signal.SIGKILL, f"{victim} ended with {process.returncode} instead of dying at {point}"
    county.demo.environ.pop(victim)
    await county.begin(victim)
    return f"{victim} at {point} ({POINTS[point]}), time {times}"


async def command(armed: str, *words: str | Path) -> int:
    """The exit code of `yidi WORDS`, in a process of its own; -9: it was killed."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("YIDI_")} | ({NAME: armed} if armed else {})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy.cli",
        *map(str, words),
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def die_at_the_terminal(county: BrokenCounty, desks: Desks, folder: Path, victim: str, point: str) -> str:
    """What needs a node that stands still is done to one."""
    home, stick, copy = ("--folder", county.home(victim)), folder / f"{point}.yidi", folder / f"{point}.tar"
    words: tuple[str | Path, ...] = {"stick.export": ("export", stick), "backup.copy": ("backup", copy)}.get(point, ("digest",))
    await county.halt(victim)
    if point == "stick.import":
        assert await command("", "export", stick, "--to", county.id_of(victim), "--folder", county.home("hub")) == 0
        words = ("import", stick)
    elif point.startswith("restore.") or point == "identity.write":
        assert await command("", "backup", copy, *home) == 0
        words = ("restore", copy)
    elif point.startswith("heal."):
        await asyncio.to_thread(_spoil, county.home(victim) / "journal.db", desks.chance)
        words = ("heal",)
    elif point in ("journal.migrate", "journal.rebuild"):
        await asyncio.to_thread(forget_views, county, victim)
    code = await command(point, *words, *home)
    assert code == -signal.SIGKILL, f"`yidi {words[0]}` ended with {code} and never came to {point}"
    assert await command("", *words, *home) == 0, f"`yidi {words[0]}` given again after {point}"
    await county.begin(victim)
    await county.forget(victim)
    return f"`yidi {words[0]}` at {point} ({POINTS[point]})"


def _spoil(journal: Path, chance: Random) -> None:
    """A few bytes of its later pages are others; where the list of tables stands they are left, for then only a backup helps."""
    pages = journal.stat().st_size // PAGE_BYTES
    with journal.open("r+b") as f:
        for page in chance.sample(range(pages // 2, pages), 5):
            f.seek(page * PAGE_BYTES + chance.randrange(PAGE_BYTES - 1))
            byte = f.read(1)[0]
            f.seek(-1, 1)
            f.write(bytes([byte ^ 0x55]))


def forget_views(county: BrokenCounty, node: str) -> None:
    """As after an update that changed their shape: they are made and filled again at the next opening."""
    home = county.home(node)
    c = connect_sqlite(home / "journal.db", Identity(home).key("store"), True)
    c.execute("delete from local where name in ('views', 'view names')")
    c.close()


ROW = Row(5, "SIGKILL at each named point (journal, views, commit, publish, Have, attachments, rebuild, migrate, stick, backup, restore, heal)",
          "as row 4; each point is reached", ("postgres",), play, small)  # fmt: skip
