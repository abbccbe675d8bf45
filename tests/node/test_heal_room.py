"""A heal on a disk that is nearly full: it is done, or the journal is as it was, nothing is left lying, and what is said is that room is needed."""

import asyncio
import gc
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy import keeping, running
from deploy.county import County
from protocol.node import healing
from protocol.node.config import Config
from protocol.node.journal.faults import refusal
from protocol.node.journal.reseal import PAGE_BYTES
from protocol.node.node import Node, now_ms

DISK_MB = 32
PEOPLE = 40


class Small(NamedTuple):
    """home: a node's folder on a disk of its own, its journal damaged · whole: a copy of it elsewhere."""

    home: Path
    whole: Path

    def put_back(self, free: int) -> None:
        """As at first, and so many bytes free beside it."""
        disk = self.home.parent
        for left in disk.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        shutil.copytree(self.whole, self.home)
        with (disk / "filler").open("wb") as f:
            f.write(bytes(shutil.disk_usage(disk).free - free))


@pytest.fixture
async def small(tmp_path: Path):
    disk, whole = tmp_path / "disk", tmp_path / "whole"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs a tmpfs of its own: root, and mount allowed")
    try:
        county, node = County.open(whole, Config(), now_ms()), await Node.open(whole, Config())
        await county.furnish(node)
        for n in range(PEOPLE):
            await keeping.register(node, name=f"周敏{n}", kind="operator", office=node.office)
        await node.close()
        with (whole / "journal.db").open("r+b") as f:
            f.seek((whole / "journal.db").stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES)
            f.write(bytes(PAGE_BYTES))
        yield Small(disk / "hub", whole)
    finally:
        await _unmounted(disk)


async def _unmounted(disk: Path) -> None:
    """A store that refused is held by the traceback of its refusal until garbage is collected, which tests do rarely (conftest)."""
    for _ in range(50):
        gc.collect()
        if not subprocess.run(["umount", str(disk)], capture_output=True).returncode:
            return
        await asyncio.sleep(0.1)
    subprocess.run(["umount", str(disk)], check=True)


async def test_a_heal_without_room_says_that_room_is_needed_leaves_nothing_lying_and_is_done_once_there_is_some(small: Small):
    size, done, refused = (small.whole / "journal.db").stat().st_size, 0, 0
    for eighths in (0, 1, 5, 8, 9, 10, 12, 14, 16, 18, 20, 24, 28, 32, 48):
        small.put_back(size * eighths // 8 // PAGE_BYTES * PAGE_BYTES)
        try:
            await healing.heal(small.home, Config(), now_ms)
        except RuntimeError as error:
            told, is_of_a_save = str(error), refusal(error) is not None
        else:
            done += 1
            continue
        refused += 1
        assert not done, "with more room it is done all the same"
        assert not is_of_a_save, "the command line would say the words of a save"
        assert "清出" in told and "MB" in told and "restore" not in told, (eighths, told)
        assert not (small.home / healing.WORK).exists() and not list(small.home.glob("damaged-*")), eighths
        assert (small.home / "journal.db").read_bytes() == (small.whole / "journal.db").read_bytes()
    assert done >= 1 and refused >= 5, (done, refused)


async def test_what_a_heal_that_was_killed_left_takes_no_room_after_the_next_start(small: Small):
    small.put_back(DISK_MB * 2**20 // 2)
    (small.home / healing.WORK).mkdir()
    (small.home / healing.WORK / healing.DAMAGED).write_bytes(bytes(PAGE_BYTES))
    shutil.copy(small.whole / "journal.db", small.home / "journal.db")
    node = await running._opened(small.home, Config())
    await node.close()
    assert not (small.home / healing.WORK).exists()
