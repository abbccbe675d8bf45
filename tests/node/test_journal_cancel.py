"""A reader that goes away half way (a closed browser, a stopped node) leaves no connection behind in the middle of something."""

import asyncio
import random
from pathlib import Path

from protocol.node.journal import Journal
from protocol.tables import Tables

SEED, ROUNDS = 20261124, 300


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
