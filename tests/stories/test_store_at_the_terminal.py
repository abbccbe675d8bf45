"""What a command says when the store refuses it: what whoever sits at a terminal can do, and nothing of a form on a page."""

import json
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from protocol.node.identity import Identity
from protocol.node.journal import engine
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.reseal import PAGE_BYTES
from tests.kit.county import yidi
from tests.node.test_node import founded

OF_A_PAGE = ("表格", "点一次保存", "一两分钟", "Traceback")


@pytest.fixture
async def hub(tmp_path: Path) -> Path:
    await founded(tmp_path / "hub")
    return tmp_path / "hub"


@pytest.mark.parametrize(
    "words", [("digest",), ("rebuild", "--json"), ("person", "x", "--name", "方志林", "--post", "operator"), ("export", "x")]
)
async def test_of_a_damaged_journal_it_says_to_stop_the_program_and_to_heal(hub: Path, words: tuple[str, ...]):
    with (hub / "journal.db").open("r+b") as f:
        f.seek(100)
        f.write(bytes(PAGE_BYTES))
    ran = await yidi(*words, "--folder", hub)
    assert ran.code == 1 and "停下" in ran.err and "yidi heal" in ran.err, ran
    assert not [word for word in OF_A_PAGE if word in ran.err], ran
    if "--json" in words:
        assert json.loads(ran.out)["why"] == ran.err.strip()


async def test_of_a_busy_store_it_says_to_run_it_again(hub: Path, monkeypatch):
    monkeypatch.setattr(engine, "BUSY_WAIT_MS", 200)
    with closing(connect_sqlite(hub / "journal.db", Identity(hub).key("store"), True)) as c:
        c.execute("begin immediate")
        ran = await yidi("person", "x", "--name", "方志林", "--post", "operator", "--folder", hub)
    assert ran.code == 1 and "存储正忙" in ran.err and "再运行一次" in ran.err, ran
    assert not [word for word in OF_A_PAGE if word in ran.err], ran


async def test_of_a_full_disk_it_says_to_make_room_and_to_run_it_again(hub: Path, tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("needs a tmpfs of its own: root, and mount allowed")
    try:
        size = (hub / "journal.db").stat().st_size
        for room in (size // 2, size * 3 // 2):  # none for the copy of the journal, none for the file it is put into
            with (disk / "filler").open("wb") as f:
                f.write(bytes(shutil.disk_usage(disk).free - room))
            ran = await yidi("backup", disk / "b.tar", "--folder", hub)
            assert ran.code == 1 and "磁盘满了" in ran.err and "再运行一次" in ran.err, ran
            assert not [word for word in OF_A_PAGE if word in ran.err], ran
            (disk / "filler").unlink()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
