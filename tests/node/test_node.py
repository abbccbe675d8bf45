"""A node as wired: a database older than what was once signed is noticed at the next start, offline too."""

import asyncio
import shutil
from pathlib import Path

from deploy.county import County
from deploy.keeping import register
from protocol.node import node
from protocol.node.config import Config, Push
from protocol.node.node import Node, now_ms


async def opened(folder: Path) -> Node:
    return await Node.open(folder, Config())


async def hire(node: Node, name: str) -> None:
    await register(node, name=name, kind="operator", office=node.office)


async def test_an_old_database_under_a_newer_mark_opens_a_new_epoch_and_gives_no_number_twice(tmp_path: Path):
    county = County.open(tmp_path, Config(), now_ms())
    node = await opened(tmp_path)
    await county.furnish(node)
    await hire(node, "周敏")
    first = node.signer.origin
    await node.close()
    shutil.copy(tmp_path / "journal.db", tmp_path / "last-night.db")
    node = await opened(tmp_path)
    assert node.signer.origin == first, "nothing was lost, so the origin stays"
    await hire(node, "方志林")
    await node.close()
    for left in tmp_path.glob("journal.db*"):
        left.unlink()
    shutil.move(tmp_path / "last-night.db", tmp_path / "journal.db")
    node = await opened(tmp_path)
    assert node.signer.origin == f"{node.about.node}:2"
    assert node.about.origins_closed == [first]
    await hire(node, "沈律")
    assert {origin for _, origin in await node.journal.heads("330523")} == {first, node.signer.origin}
    await node.close()
    node = await opened(tmp_path)
    assert node.signer.epoch == 2, "noticed once, not at every start"
    await node.close()


async def test_a_copy_that_was_made_before_pushing_was_allowed_tells_phones_the_same_key(tmp_path: Path):
    """Two programs of a county, each with a folder: whichever a phone asks, the one that leads knocks there."""
    one, other = tmp_path / "one", tmp_path / "other"
    County.open(one, Config(), now_ms())
    node = await opened(one)
    assert node.push.key == ""
    await node.close()
    shutil.copytree(one, other)
    keys = []
    for folder in (one, other):
        node = await Node.open(folder, Config(push=Push(contact="mailto:admin@example.org")))
        keys.append(node.push.key)
        await node.close()
    assert keys[0] == keys[1] != ""


async def test_a_node_ends_though_what_it_was_told_came_in_the_same_moment(tmp_path: Path):
    """asyncio.wait_for of Python 3.11 swallows a cancellation that meets an event which is set already."""
    county = County.open(tmp_path, Config(), now_ms())
    node = await opened(tmp_path)
    await county.furnish(node)
    await node.start()
    await asyncio.sleep(0.2)
    node._wrote.set()
    async with asyncio.timeout(20):
        await node.close()


async def test_a_mark_that_cannot_be_written_keeps_no_node_from_closing_its_journal(tmp_path: Path, monkeypatch):
    county = County.open(tmp_path, Config(), now_ms())
    node = await opened(tmp_path)
    await county.furnish(node)

    def full(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(node._witness, "note", full)
    await node.close()
    assert not (tmp_path / "journal.db-wal").exists(), "the log was emptied, where an error would be heard"


async def test_a_part_that_ends_at_once_does_not_keep_the_others_from_running():
    began = 0

    async def ends() -> None:
        nonlocal began
        began += 1
        if began > 100:
            raise asyncio.CancelledError  # else this test would never end either

    task = asyncio.create_task(node._for_ever("ends", ends))
    await asyncio.sleep(0.05)
    task.cancel()
    assert began == 1
