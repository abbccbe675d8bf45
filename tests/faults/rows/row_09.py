"""Row 9: the disk is full while a desk saves, others' entries come in, a stick and a backup are written. Space comes back: all is saved.

What a page does with a form that was refused so (507, the words kept) is told by tests/stories/test_keeping.py.
"""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

from tests.faults.kit import fulldisk
from tests.faults.kit.afterwards import Afterwards
from tests.faults.kit.inject import Ran, told
from tests.faults.row import Outcome, Row
from tests.faults.rows import row_07

DISK_MB, COUNT, COUNT_SMALL = 16, 60, 24
TIMES, NAKS, LINE_S_MAX = 3, 4, 60.0  # how often it is filled; refusals before space comes back


class _Lines:
    """The program's output, line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.heard = process, list[str]()

    async def until(self, *words: str, count: int = 1) -> None:
        """Returns when so many lines began with one of these words, from now on, or the program is done."""
        found = 0
        while found < count:
            line = await asyncio.wait_for(asyncio.to_thread(self.process.stdout.readline), LINE_S_MAX)
            assert line, f"it ended with {self.process.wait()}: {''.join(self.heard[-5:])}"
            self.heard.append(line)
            found += line.startswith(words)
            if line == "DONE\n":
                return


async def fill(chance: Random, folder: Path, count: int, times: int) -> Outcome:
    shutil.copytree(await row_07.founded() / "hub", folder / "hub")
    await row_07.inbox(folder, chance, count // 3)
    source, home = folder / "hub", folder / "disk"
    (source / "out").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.faults.kit.writer", home, chance.randrange(2**31), count, "wait"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = fulldisk.popen(home, source, DISK_MB, *command, **pipes)
    try:
        lines = _Lines(process)
        await lines.until("READY")
        print("go", file=process.stdin, flush=True)
        disk = fulldisk.inside(process, home)
        for _ in range(times):
            await lines.until("ACK", count=chance.randrange(1, count // (times + 1)))
            ballast = fulldisk.fill(disk, chance.randrange(0, 60_000))
            await lines.until("NAK", count=NAKS)
            ballast.unlink()
        await lines.until("DONE")
        shutil.copytree(disk, folder / "copy", ignore=shutil.ignore_patterns("*-shm"))
    finally:
        process.kill()
        _, errors = process.communicate()
    ran = told("".join(lines.heard), errors, 0)
    return await _judged(ran, source, folder / "copy")


async def _judged(ran: Ran, source: Path, copy: Path) -> Outcome:
    assert ran.done, ran
    full = [nak for nak in ran.naks if nak == "disk_full"]
    assert full and set(ran.naks) <= {"disk_full", "store_busy"}, f"refused in other words: {set(ran.naks)}"
    after = await Afterwards(source).judge(copy, ran.acks, True)
    halves = [path.name for path in (copy / "out").iterdir() if path.suffix not in (".yidi", ".tar")]
    assert not halves, f"half written files are left: {halves}"
    return Outcome(len(ran.acks), int(bool(after)), 0, 1, (f"{len(full)} times refused in words", *filter(None, [after])))


async def play(chance: Random, folder: Path) -> Outcome:
    return await fill(chance, folder, COUNT, TIMES)


async def small(chance: Random, folder: Path) -> Outcome:
    return await fill(chance, folder, COUNT_SMALL, 1)


ROW = Row(
    9, "disk full while logging, taking in, exporting, backing up", "refused in words, nothing half; the same saves once there is space",
    ("unshare",), play, small,
)  # fmt: skip
