"""fanin: a whole county writes to its hub at once. 233 lanes of real disputes through the door, folded, committed, on PostgreSQL.

The villages and townships of a county have written `entries` entries (crowd.py). All of them hand their lanes in at once, packed as
they travel, each lane a piece after the other, and a piece is answered when it is on the disk, folded, and the lists show it: that is
`entries_per_s`. `hub_cpu_us` is what this program spent on each (PostgreSQL's own work is the rest of the machine's time).
`search_s` is how long after the last commit until the index is complete. `by_commit_per_s`: some of the entries as they are
published live, a piece a commit, so with nearly a signature each.
Floor: the same rows (entries, and those of lists, clocks and search texts), 500 a transaction, by `unnest` over one connection into empty
tables with the same indices in the same database. `share_of_journal_rows`: against the rows of entries alone.
"""

import asyncio
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from nacl.signing import SigningKey

from deploy import memory
from protocol import batch as batches
from protocol import certificate as certificates
from protocol.node.admission import Admission
from protocol.node.desk import Desk
from protocol.node.folding import open_journal
from protocol.node.journal import Journal
from protocol.node.shelf import Shelf
from protocol.node.signer import Signer
from protocol.node.wake import Wake
from tests.bench.crowd import COUNTY, NOW_MS
from tests.bench.figure import Figure, figure
from tests.bench.kit.postgres import database, dropped, postgres
from tests.bench.kit.wires import Wires, wires

FLOOR_AT_ONCE = 500
INDEX_AT_ONCE = 1_000


class Sizes(NamedTuple):
    """entries: of the county."""

    entries: int


FULL, SLICE = Sizes(60_000), Sizes(300)
NEEDS = ("postgresql",)


class Taken(NamedTuple):
    entries: int
    took_s: float
    cpu_s: float
    search_s: float


class Hub:
    """A receiving node without a wire: journal, desk and door are the product's."""

    def __init__(self, journal: Journal, shelf: Shelf, county_key: SigningKey) -> None:
        self.journal, wake, key = journal, Wake(), SigningKey(sha256(b"bench hub").digest())
        mine = certificates.issue(
            county_key, node="nhub22222", name="hub", key=bytes(key.verify_key), serves=(COUNTY,), covers=(f"{COUNTY}/*", "_"), short=1,
            valid_from_ms=1,
        )  # fmt: skip
        desk = Desk(journal, Signer(mine.node, 1, key, mine), shelf, _clock, wake)
        self.admission = Admission(journal, bytes(county_key.verify_key), mine, shelf, _clock, wake, arrivals=desk.arrivals)

    @classmethod
    async def at(cls, url: str, county_key: SigningKey) -> "Hub":
        shelf = Shelf(_clock)
        return cls(await open_journal(url, None, shelf, index_later=True), shelf, county_key)

    async def take(self, wires: Wires) -> Taken:
        began, cpu = time.perf_counter(), time.process_time()
        new = sum(await asyncio.gather(*(self._lane(pieces) for pieces in wires)))
        await self.admission.settled()
        took, spent = time.perf_counter() - began, time.process_time() - cpu
        while await self.journal.index(INDEX_AT_ONCE):
            pass
        return Taken(new, took, spent, time.perf_counter() - began - took)

    async def _lane(self, pieces: Sequence[bytes]) -> int:
        new = 0
        for wire in pieces:
            batch = batches.unpack(wire)
            new += await self.admission.admit(batch, batch.origin.partition(":")[0], backlog=True)
        return new

    async def close(self) -> None:
        await self.admission.settled()
        await self.journal.close()


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    memory.collect_rarely()  # as the hub's own program does
    written = await wires(sizes.entries)
    taken, one_by_one, floor, journal = [], [], [], []
    async with postgres() as server:
        for _ in range(runs):
            url = await database(server)
            hub = await Hub.at(url, written.county_key)
            taken.append(await hub.take(written.whole))
            await hub.close()
            journal_s, rest_s = await floors_s(url)
            floor.append(taken[-1].entries / (journal_s + rest_s))
            journal.append(taken[-1].entries / journal_s)
            await dropped(server, url)
            hub = await Hub.at(url := await database(server), written.county_key)
            one_by_one.append(await hub.take(written.commits))
            await hub.close()
            await dropped(server, url)
    per_s = [one.entries / one.took_s for one in taken]
    return {
        "entries_per_s": figure(per_s, "1/s", floor, target=30_000, at_most=False),
        "share_of_floor": figure([p / f for p, f in zip(per_s, floor, strict=True)], "of floor", target=0.4, at_most=False, gate=True),
        "share_of_journal_rows": figure([p / j for p, j in zip(per_s, journal, strict=True)], "of those"),
        "hub_cpu_us": figure([one.cpu_s * 1e6 / one.entries for one in taken], "µs", target=33),
        "search_s": figure([one.search_s for one in taken], "s", target=5),
        "by_commit_per_s": figure([one.entries / one.took_s for one in one_by_one], "1/s"),
        "by_commit_cpu_us": figure([one.cpu_s * 1e6 / one.entries for one in one_by_one], "µs"),
    }


async def floors_s(url: str) -> tuple[float, float]:
    """Seconds for the rows of the journal, and for those of the views and of search, as the hub left them."""
    c = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        first = await _floor_s(c, "entry", "position")
        names = await c.fetch(
            "select tablename from pg_tables where schemaname = 'public' and (tablename like '%\\_row' or tablename = 'search')"
        )
        rest = [await _floor_s(c, r["tablename"], "grams" if r["tablename"] == "search" else "") for r in names]
        return first, sum(rest)
    finally:
        await c.close()


async def _floor_s(c: Any, table: str, without: str) -> float:
    """Seconds for its rows by `unnest`, FLOOR_AT_ONCE a transaction, into an empty table like it. without: a column that the store makes."""
    await c.execute(f"create table floor_{table} (like {table} including all)")
    sql = f"select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = '{table}'::regclass and attnum > 0"
    columns = {r[0]: r[1] for r in await c.fetch(sql) if r[0] != without and not (table == "search" and r[0] == "id")}
    rows = await c.fetch(f"select {', '.join(columns)} from {table}")
    marks = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(columns.values(), 1))
    insert = await c.prepare(f"insert into floor_{table} ({', '.join(columns)}) select * from unnest({marks})")
    packs = [list(map(list, zip(*rows[at : at + FLOOR_AT_ONCE], strict=True))) for at in range(0, len(rows), FLOOR_AT_ONCE)]
    began = time.perf_counter()
    for pack in packs:
        await insert.fetch(*pack)
    took = time.perf_counter() - began
    await c.execute(f"drop table floor_{table}")
    return took


def _clock() -> int:
    return NOW_MS
