"""Row 6: the power of a village's PC goes while its desk works. Every receipt that was shown must be true of whatever is left."""

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.faults.kit.afterwards import Afterwards
from tests.faults.kit.county import founded
from tests.faults.kit.powercut import Op, contents, images, lay, record
from tests.faults.row import Outcome, Row

COUNT, IMAGES, SMALL = (60, 140), 500, (20, 60)
WHOLE = 0.05  # the share of images of which all is asked that a store can show alone
MEMORY = Path("/dev/shm")


def recorded(home: Path, seed: int, count: int, *mutations: str) -> list[Op]:
    """What the node's program asked of its disk."""
    (home / "out").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.faults.kit.writer", home, seed, count, *mutations]
    return record(command, home)


async def judged(
    ops: Sequence[Op], home: Path, before: dict[str, bytes], count: int, seed: int, until: tuple[str, ...] = ()
) -> tuple[Counter[str], int]:
    """What is said of so many images, and how many receipts were asked after. until: the first of which one of these is said is the last."""
    after, chance, words, asked = Afterwards(home), Random(seed), Counter[str](), 0
    for image, acks in images(ops, count, seed, before):
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as d:
            lay(image, home, Path(d))
            word = (await after.judge(Path(d), acks, chance.random() < WHOLE)) or "true"
        words[word] += 1
        asked += len(acks)
        if until and word.startswith(until):
            break
    return words, asked


async def cut(
    chance: Random, folder: Path, node: str, count: int, looked_at: int, *mutations: str, until: tuple[str, ...] = ()
) -> tuple[Counter[str], int, int]:
    """(what was said of the images, receipts shown, receipts asked after). until: as for `judged`."""
    home = folder / node
    if not home.exists():
        shutil.copytree(await founded() / node, home)
    before, seed = contents(home), chance.randrange(2**31)
    ops = await asyncio.to_thread(recorded, home, seed, count, *mutations)
    shown = sum(op[0] == "ack" for op in ops)
    assert shown, "a recording without a receipt proves nothing"
    words, asked = await judged(ops, home, before, looked_at, seed, until)
    return words, shown, asked


def outcome(words: Counter[str], shown: int, asked: int) -> Outcome:
    wrong = {word: n for word, n in words.items() if word != "true"}
    total = words.total()
    return Outcome(
        shown, sum(wrong.values()), 0, total, (f"{shown} receipts, asked after {asked} times", *(f"{n} × {w}" for w, n in wrong.items()))
    )


async def play(chance: Random, folder: Path) -> Outcome:
    return outcome(*await cut(chance, folder, "gaoyu", chance.randrange(*COUNT), IMAGES))


async def small(chance: Random, folder: Path) -> Outcome:
    return outcome(*await cut(chance, folder, "gaoyu", *SMALL))


ROW = Row(
    6, "power cut at a village: unsynced writes lost, torn, reordered (journal, attachments, stick, backup)", "every receipt shown is true",
    ("strace",), play, small,
)  # fmt: skip
