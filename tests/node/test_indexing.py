"""The hub's search: what was just saved is found before the index knows it, the lag is told, and the index catches up by itself."""

import asyncio
from pathlib import Path

import pytest

from deploy.county import County
from deploy.keeping import register
from protocol import events
from protocol.node.config import Config, Store
from protocol.node.folding import open_journal
from protocol.node.indexing import LAG_MS, follow, lag_since_ms
from protocol.node.journal import Journal, rebuild
from protocol.node.node import Node, now_ms
from protocol.node.shelf import Shelf
from protocol.node.wake import Wake
from tests.bench.crowd import NOW_MS
from tests.node.test_gathering import Hub, crowd

SOON_S = 30


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/journal.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
async def journal(url: str):
    shelf = Shelf(lambda: NOW_MS)
    made = await open_journal(url, bytes(32) if url.startswith("sqlite") else None, shelf, index_later=True)
    hub = Hub(made, shelf)
    for some in crowd().pieces().values():
        for piece in some:
            await hub.admission.admit(piece, piece.origin.partition(":")[0])
    yield made
    await hub.close()


def a_name() -> str:
    """Of a party of one of the crowd's disputes."""
    logged = next(p for some in crowd().lanes.values() for p in some if p.head.kind == "DisputeLogged")
    return events.body_of("DisputeLogged", logged.entry.body).parties[0].name


async def until_indexed(journal: Journal) -> None:
    async with asyncio.timeout(SOON_S):
        while await journal.pending_since_ms() is not None:
            await asyncio.sleep(0.02)


async def test_what_was_just_saved_is_found_and_then_indexed_by_itself(journal: Journal):
    before = await journal.search(a_name(), limit=500)
    assert before, "found by its words alone"
    assert await lag_since_ms(journal, NOW_MS) is None, "a moment is no lag"
    assert await lag_since_ms(journal, NOW_MS + LAG_MS + 1) == NOW_MS
    task = asyncio.create_task(follow(journal, Wake()))
    try:
        await until_indexed(journal)
    finally:
        task.cancel()
    assert await lag_since_ms(journal, NOW_MS + LAG_MS + 1) is None
    assert await journal.search(a_name(), limit=500) == before, "the index finds the same"
    assert await rebuild(journal)


async def test_two_programs_index_one_store_and_neither_waits_for_the_other(journal: Journal):
    counts = await asyncio.gather(*[journal.index(40) for _ in range(4)])
    while more := await journal.index(40):
        counts.append(more)
    rows = await journal.rows("search")
    assert sum(counts) == len(rows) and not any(row["pending"] for row in rows), "each row once"


async def test_a_hub_on_postgresql_indexes_after_the_save(tmp_path: Path, postgres_url: str):
    config = Config(store=Store(url=postgres_url))
    county = County.open(tmp_path, config, now_ms())
    node = await Node.open(tmp_path, config)
    try:
        await county.furnish(node)
        await register(node, name="周敏", kind="operator", office=node.office)
        assert await node.journal.pending_since_ms() is not None and await node.journal.search("周敏")
        await node.start()
        await until_indexed(node.journal)
        assert await node.journal.search("周敏")
    finally:
        await node.close()
