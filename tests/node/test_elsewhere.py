"""Two programs of one node on one journal: what the other wrote is told here, what this one wrote is not told a second time."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.county import County
from deploy.keeping import register
from protocol.node.config import Config
from protocol.node.node import Node, now_ms
from protocol.node.wake import Wake

Told = list[list[tuple[str, str]]]


async def hire(node: Node, name: str) -> None:
    await register(node, name=name, kind="operator", office=node.office)


class Pair:
    """node looks when it is told to, other is a program on the same folder. said: lanes of each commit that node's listeners were told of."""

    def __init__(self, node: Node, other: Node) -> None:
        self.node, self.other, self.said = node, other, Told()
        self.own = (node.office, node.signer.origin)
        self._looks, self._looked = asyncio.Semaphore(0), asyncio.Event()
        node.wake.listen(self.said.append)

    async def told_of_another(self) -> bool:
        self._looked.set()
        await self._looks.acquire()
        return False

    async def finds(self) -> set[tuple[str, str]]:
        """Lanes that one look tells of."""
        self.said.clear()
        self._looked.clear()
        self._looks.release()
        await self._looked.wait()
        return {lane for lanes in self.said for lane in lanes}


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    county, node = County.open(tmp_path, Config(), now_ms()), await Node.open(tmp_path, Config())
    await county.furnish(node)
    pair = Pair(node, await Node.open(tmp_path, Config()))
    monkeypatch.setattr(node, "_told_of_another", pair.told_of_another)
    looks = asyncio.create_task(node._elsewhere())
    await pair.finds()
    await pair.finds()
    yield pair
    looks.cancel()
    with suppress(asyncio.CancelledError):
        await looks
    await pair.other.close()
    await node.close()


async def test_what_this_program_wrote_is_told_once(pair: Pair):
    await hire(pair.node, "周敏")
    assert [pair.own] in pair.said
    assert await pair.finds() == set()


async def test_what_another_program_wrote_is_told(pair: Pair):
    await hire(pair.other, "方志林")
    assert await pair.finds() == {pair.own}
    assert await pair.finds() == set()


async def test_of_a_lane_that_both_advanced_all_is_told(pair: Pair):
    await hire(pair.node, "周敏")
    await hire(pair.other, "方志林")
    await hire(pair.node, "沈律")
    assert await pair.finds() == {pair.own}


async def test_what_was_written_and_nobody_was_told_of_is_told(pair: Pair):
    pair.node.desk.wake = Wake()
    await hire(pair.node, "周敏")
    assert await pair.finds() == {pair.own}
