"""Who goes away half way, reading or writing (a closed browser, a stopped node), leaves no connection behind in the middle of something."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from protocol.node.journal import Journal
from protocol.node.journal.engine import READERS_MAX
from protocol.node.journal.rows import driver_of, fetch
from protocol.problem import Refused
from protocol.tables import Tables

SEED, ROUNDS = 20261124, 300
ENDLESS = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n"


async def test_reads_cancelled_at_any_moment_leave_every_connection_fit_for_the_next(tmp_path: Path):
    chance = random.Random(SEED)
    journal = await Journal.open(f"sqlite:///{tmp_path / 'journal.db'}", bytes(32), Tables.packaged)
    try:
        for _ in range(ROUNDS):
            reading = [asyncio.create_task(journal.heads()) for _ in range(3)]
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            if chance.random() < 0.5:
                await asyncio.sleep(chance.random() * 0.0008)
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
        for _ in range(12):  # more than there are connections in the pool
            assert await asyncio.gather(*(journal.heads() for _ in range(4))) == [{}] * 4
        async with journal.writing() as w:
            assert await w.counter("after it all") == 1
    finally:
        await journal.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'journal.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


async def test_writes_cancelled_at_any_moment_leave_the_next_one_a_fit_connection(url: str):
    chance = random.Random(SEED)
    journal = await Journal.open(url, bytes(32) if url.startswith("sqlite") else None, Tables.packaged)

    async def counts(brief: bool) -> None:
        async with journal.writing(brief) as w:
            await w.counter("left")
            await w.counter("left too")

    try:
        for _ in range(ROUNDS if url.startswith("sqlite") else ROUNDS // 5):
            writing = [asyncio.create_task(counts(brief)) for brief in (True, False, True)]
            for _ in range(chance.randrange(40)):
                await asyncio.sleep(0)
            if chance.random() < 0.5:
                await asyncio.sleep(chance.random() * 0.003)
            for task in writing:
                task.cancel()
            left = await asyncio.gather(*writing, return_exceptions=True)
            assert all(e is None or isinstance(e, asyncio.CancelledError) for e in left), left
        for _ in range(12):
            await counts(False)
        async with journal.writing() as w:
            assert await w.counter("left") == await w.counter("left too"), "both or neither"
    finally:
        await journal.close()


async def test_whoever_left_in_the_middle_of_a_long_question_blocks_nobody(tmp_path: Path):
    journal = await Journal.open(f"sqlite:///{tmp_path / 'journal.db'}", bytes(32), Tables.packaged)
    try:
        async with asyncio.timeout(30):
            for n in range(READERS_MAX):
                await _leave_a_long_question(journal, begun=n % 2 == 0)
            for _ in range(READERS_MAX + 1):  # one by one, then all at once
                await _answers(journal)
            await asyncio.gather(*(_answers(journal) for _ in range(READERS_MAX)))
    finally:
        await journal.close()


async def test_a_reader_that_is_closed_under_somebody_says_so(tmp_path: Path):
    journal = await Journal.open(f"sqlite:///{tmp_path / 'journal.db'}", bytes(32), Tables.packaged)
    async with journal.read() as c:
        await journal.close()
        assert [tuple(row) for row in await fetch(c, "select 1")] == [(1,)]  # lent before: it comes to its end
    with pytest.raises(Refused, match="store_busy"):
        await _answers(journal)


async def _leave_a_long_question(journal: Journal, begun: bool) -> None:
    """begun: else the thread is still busy with something else when nobody waits for the answer any more."""

    async def asks() -> None:
        async with journal.read() as c:
            began.set()
            if not begun:
                (await driver_of(c))._tx.put_nowait((None, lambda: time.sleep(0.2)))
            await fetch(c, ENDLESS)

    began = asyncio.Event()
    asking = asyncio.create_task(asks())
    await began.wait()
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.wait({asking})


async def _answers(journal: Journal) -> None:
    async with journal.read() as c:
        assert [tuple(row) for row in await fetch(c, "select 1")] == [(1,)]
