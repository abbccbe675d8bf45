"""A restore over what lies in the folder: a heal that was on its way there."""

from pathlib import Path

import pytest

from deploy import keeping, running
from protocol.node import healing, killpoints
from protocol.node.config import Config
from protocol.node.journal.reseal import PAGE_BYTES
from protocol.node.node import Node, now_ms
from tests.node.test_node import founded, hire


def damaged(home: Path) -> None:
    with (home / "journal.db").open("r+b") as f:
        f.seek((home / "journal.db").stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES)
        f.write(bytes(PAGE_BYTES))


async def names(node: Node) -> set[str]:
    return {row["name"] for row in await node.journal.rows("person_row", "1 = 1", {})}


async def dies_healing(home: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    def reach(name: str) -> None:
        if name == point:
            raise KeyboardInterrupt

    monkeypatch.setattr(killpoints, "reach", reach)
    with pytest.raises(KeyboardInterrupt):
        await healing.heal(home, Config(), now_ms)
    monkeypatch.undo()


@pytest.mark.parametrize("point", ["heal.ready", "heal.swap"])
async def test_a_heal_that_was_on_its_way_does_not_undo_a_restore(tmp_path: Path, monkeypatch, point: str):
    home = tmp_path / "hub"
    await founded(home)
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    node = await Node.open(home, Config())
    await hire(node, "方志林")
    await node.close()
    damaged(home)
    await dies_healing(home, monkeypatch, point)
    (home / healing.ASKED).touch()
    assert await keeping.restore(home, Config(), tmp_path / "b.tar") == 0
    left = {name for name in (healing.WORK, healing.ASKED, healing.STATE, healing.FAILED) if (home / name).exists()}
    assert not left
    node = await running._opened(home, Config())
    assert await names(node) == {"周敏"} and node.mending.state is None
    await node.close()
    (aside,) = home.glob("before-restore-*")
    assert (aside / healing.STATE).exists() == (point == "heal.swap"), "the report of what was open stays with its journal"


async def test_a_restore_that_is_refused_leaves_the_heal_as_it_was(tmp_path: Path, monkeypatch):
    home = tmp_path / "hub"
    await founded(home)
    damaged(home)
    await dies_healing(home, monkeypatch, "heal.ready")
    (tmp_path / "b.tar").write_bytes(b"no tar")
    with pytest.raises(RuntimeError):
        await keeping.restore(home, Config(), tmp_path / "b.tar")
    assert (home / healing.WORK / healing.PLAN).exists()
