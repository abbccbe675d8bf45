"""Row 8: the n-th sync, write, rename, mmap … of a working node fails with EIO, ENOSPC, EROFS or EINTR.

A full disk is said and everything is saved once there is space. After an I/O error of the store nobody knows what the disk holds: the
program ends, its supervisor starts it again. A disk that became read-only is said, and read, until it takes something again: then the
program ends likewise; where one call alone was refused so, at once. In every case each receipt that was shown is true at the next start.
"""

import asyncio
import shutil
import sys
from collections import Counter
from pathlib import Path
from random import Random

from protocol.node.journal.faults import EXIT_CODE
from tests.faults.kit.afterwards import Afterwards
from tests.faults.kit.county import founded
from tests.faults.kit.inject import Ran, run
from tests.faults.row import Outcome, Row

CALLS, CALLS_SMALL, COUNT = 8, 2, 14
DISK = "pwrite64,fsync,fdatasync,rename,ftruncate"  # all of them, for a while: the disk itself
WHILE, LOOKS = 400, (2, 12)  # how many calls long; how often a look at the disk finds it so
KINDS = (  # calls, error, the latest n that is drawn
    ("fsync,fdatasync", "EIO", 40), ("pwrite64", "EIO", 90), ("pwrite64", "ENOSPC", 90), ("fsync,fdatasync", "EINTR", 40),
    ("rename", "EIO", 12), ("ftruncate", "EIO", 4), ("write", "ENOSPC", 30), ("mmap", "ENOMEM", 400), ("pwrite64", "EINTR", 90),
    ("pwrite64", "EROFS", 90), ("fsync,fdatasync", "EROFS", 40), ("rename", "EROFS", 12), (DISK, "EROFS", 90), (DISK, "EROFS", 60),
)  # fmt: skip


async def sweep(chance: Random, folder: Path, calls: int) -> Outcome:
    acknowledged, ends, lost, failed = 0, Counter[str](), [], 0
    for turn in range(calls):
        kind, error, most = chance.choice(KINDS) if turn else KINDS[0]
        n = chance.randrange(1, most) if turn else chance.randrange(8, 20)
        home = folder / f"{turn}"
        shutil.copytree(await founded() / "gaoyu", home)
        (home / "out").mkdir()
        command = [sys.executable, "-m", "tests.faults.kit.writer", home, chance.randrange(2**31), COUNT]
        when, beside = (f"{n}..{n + WHILE}", f"mkdir:{chance.randrange(*LOOKS)}") if kind == DISK else (n, "")
        ran = await asyncio.to_thread(run, command, kind, error, when, None, beside)
        word = verdict(ran, f"{error} on {kind} {n}")
        after = await Afterwards(home).judge(home, ran.acks, True)
        lost += [f"{error} on {kind} {n}: {after}"] if after else []
        acknowledged, failed = acknowledged + len(ran.acks), failed + ran.failed
        ends[f"{error} {word}"] += 1
        shutil.rmtree(home)
    said = [f"{failed} calls failed", *(f"{count} × {end}" for end, count in sorted(ends.items()))]
    return Outcome(acknowledged, len(lost), 0, calls, (*said, *lost))


def verdict(ran: Ran, what: str) -> str:
    """How it took it. Raises AssertionError for an end that is none of those a person can be told of."""
    if ran.done and ran.code == 0:
        return "refused and saved later" if ran.naks else "went on" if ran.failed else "never met it"
    if ran.code == EXIT_CODE:
        assert "the disk may not hold what it said. Stopped." in ran.errors, f"{what}: ended without a word"
        return "refused, then stopped to start anew" if "takes something again" in ran.errors else "stopped, saying so"
    assert not ran.acks, f"{what}: ended with {ran.code} in the middle of work:\n{ran.errors[-1200:]}"
    return "did not start"  # an error while opening: the supervisor tries again


async def play(chance: Random, folder: Path) -> Outcome:
    return await sweep(chance, folder, CALLS)


async def small(chance: Random, folder: Path) -> Outcome:
    return await sweep(chance, folder, CALLS_SMALL)


ROW = Row(
    8, "EIO, ENOSPC, EROFS, EINTR on write, sync, rename, truncate, mmap", "said in words or stopped at once; no half write; every receipt true",
    ("strace",), play, small,
)  # fmt: skip
