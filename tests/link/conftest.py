from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.place import COMMON
from tests.kit.postgres import postgres_server, postgres_url
from tests.link.kit import ALL, HUB, N1, N2, T1, Town, soon

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """The county's server and the township's leaf, running."""
    made = Town(tmp_path)
    await made.server.start()
    await made.leaf.start()
    yield made
    await made.stop()


@pytest.fixture
async def county(town: Town):
    """hub, township, village and its neighbour, all started and known to one another; the last two by the leaf."""
    hub = town.node(HUB)
    hub.enrolled(*ALL)
    t1, v1, v2 = town.node(T1, town.branch, town.county), town.node(N1, town.branch, town.county), town.node(N2, town.branch, town.county)
    for node in (hub, t1, v1, v2):
        node.start()
    await soon(lambda: all(node.has(hub, COMMON) for node in (t1, v1, v2)))
    return hub, t1, v1, v2


@pytest.fixture
async def whole(tmp_path: Path):
    """A county in a folder: real servers, the hub; `join` brings more."""
    from tests.link.test_whole_nodes import Whole

    made = await Whole(tmp_path).start()
    yield made
    await made.stop()
