"""Every view is made again while pages read and entries come in: nobody ever sees half of it, and nothing is called wrong that is not."""

import asyncio
from collections.abc import Iterable
from random import Random

import pytest
from sqlalchemy import text

from protocol import views
from protocol.batch import Batch
from protocol.node.journal import Journal, rebuild
from protocol.node.journal.projection import Projected, entries_of
from protocol.node.journal.rows import fetch, named
from protocol.tables import Tables
from tests.node.test_gathering import Hub, crowd, hub_at

WRONG = "这一行被改坏了"
SHARE = 5  # one case in so many is wrong before


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path) -> str:
    return f"sqlite:///{tmp_path}/journal.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


async def admit(hub: Hub, lanes: Iterable[list[Batch]]) -> None:
    async def one(pieces: list[Batch]) -> None:
        for piece in pieces:
            await hub.admission.admit(piece, piece.origin.partition(":")[0])
            await asyncio.sleep(0.005)

    await asyncio.gather(*map(one, lanes))


async def look(journal: Journal, chance: Random, over: asyncio.Event) -> int:
    """A page's view of one case, snapshot by snapshot: the row is what the entries say, or still the wrong one, and never absent."""
    looked = 0
    while not over.is_set():
        async with journal.read() as c:
            subjects = [row[0] for row in await fetch(c, "select distinct subject from entry where sort = 'dispute'", {})]
            some = chance.sample(subjects, min(20, len(subjects)))
            entries = await entries_of(c, some)
            rows = {row.subject: row._asdict() for row in await named(c, "select * from case_row", {}) if row.subject in entries}
        for subject, found in entries.items():
            made = Projected(views)
            made.add(found, Tables.packaged())
            wanted = [dict(zip(made.columns("case_row"), cells, strict=True)) for cells in made.rows["case_row"]]
            here = [rows[subject]] if subject in rows else []
            assert here == wanted or (here and here[0]["title"] == WRONG), subject
        looked += 1
        await asyncio.sleep(0)
    return looked


async def test_views_are_made_again_while_pages_read_and_entries_come_in(url: str):
    hub, over = await hub_at(url), asyncio.Event()
    lanes = list(crowd().pieces(3).values())
    first, second, third = lanes[0::3], lanes[1::3], lanes[2::3]
    try:
        await admit(hub, first)
        async with hub.journal.writing() as w:
            subjects = [row[0] for row in await fetch(w.connection, "select subject from case_row order by subject", {})]
            for subject in subjects[::SHARE]:
                await w.connection.execute(text("update case_row set title = :t where subject = :s"), {"t": WRONG, "s": subject})
        readers = [asyncio.create_task(look(hub.journal, Random(n), over)) for n in range(2)]
        same, _ = await asyncio.gather(rebuild(hub.journal), admit(hub, second))
        assert not same, "it had been wrong"
        same, _ = await asyncio.gather(rebuild(hub.journal), admit(hub, third))
        assert same, "what came in meanwhile is no fault"
        over.set()
        assert min(await asyncio.gather(*readers)) > 0
        assert not await hub.journal.rows("case_row", "title = :t", {"t": WRONG})
        assert await rebuild(hub.journal)
    finally:
        over.set()
        await hub.close()
