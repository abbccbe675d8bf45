"""What is kept of other nodes' words: as much as ever matters again, however many lanes they name one after the other. On both stores."""

from pathlib import Path

import pytest

from protocol.node.journal import Journal
from protocol.node.journal.writing import OWN_KEPT_MAX
from protocol.tables import Tables
from tests.node.journal_kit import KEY, PLACE, Lane

HASH = b"h" * 32


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/journal.db"


async def test_a_node_that_names_new_lanes_each_time_fills_no_disk(url: str) -> None:
    tables, lane = Tables.packaged(), Lane()
    journal = await Journal.open(url, KEY if url.startswith("sqlite") else None, lambda: tables)
    async with journal.writing() as w:
        await w.append([lane.say("here")])
    for n in range(6):
        named = {f"n{n}{'x' * 7}:{epoch}": (9, HASH) for epoch in range(1, 50)} | {f"nother:{n * 50 + e}": (4, HASH) for e in range(1, 51)}
        if n == 0:
            named |= {lane.origin: (5, HASH)}
        async with journal.writing() as w:
            await w.set_haves({("nother", PLACE): (named, n, b"said"), ("nquiet", PLACE): ({lane.origin: (1, HASH)}, n, b"said")})
    rows = {(r["node"], r["origin"]): (r["seq"], r["highest"]) for r in await journal.rows("peer_have")}
    assert rows["nother", lane.origin] == (0, 5), "it is here: its receipt is due again"
    assert rows["nother", "nother:1"] == (0, 4), "its own: a witness of what is lost with it"
    assert rows["nother", "nother:300"] == (4, 4) and rows["nquiet", lane.origin] == (1, 1)
    own = [origin for node, origin in rows if node == "nother" and origin.startswith("nother:")]
    assert len(own) == OWN_KEPT_MAX + 50
    assert sum(origin.startswith("n5") for _, origin in rows) == 49 and not any(origin.startswith("n4") for _, origin in rows)
    await journal.close()
