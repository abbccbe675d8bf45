"""backlog: the hub was away for days, and all 233 nodes of its county come back with what they wrote meanwhile.

The real hub program on PostgreSQL, the real nats-server; the nodes are stand-ins in one other program (kit/stand_ins.py), each with a
connection and the production pump. The hub holds the first half of every lane, they hold all of it: `entries` of a whole year's
acts, half of which are the backlog (at 20 a node and day, three days are 14,000). `drain_s` runs from the moment all are told to
connect until each of them has heard from the hub that all it holds is on the hub's disk, folded and in its lists. What the hub writes
on arrivals goes back to them within that time. Floor: seconds for the same rows of the journal by `unnest`, 500 at once.
"""

from pathlib import Path
from typing import NamedTuple

from tests.bench.fanin import floors_s
from tests.bench.figure import Figure, figure
from tests.bench.kit.centre import Centre
from tests.bench.kit.wires import wires


class Sizes(NamedTuple):
    """entries: of the county's lanes, half of them new to the hub · nodes: that take part."""

    entries: int
    nodes: int


FULL, SLICE = Sizes(60_000, 233), Sizes(300, 6)
NEEDS = ("postgresql",)


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    drains, connects, floor, rates, hub_cpu, crowd_cpu = [], [], [], [], [], []
    async with Centre.found(folder, await wires(sizes.entries), sizes.nodes) as centre:
        for _ in range(runs):
            async with centre.hub() as hub, centre.crowd() as crowd:
                before, had = hub.cpu_s(), await centre.entries()
                told = await crowd.go()
                new = await centre.entries() - had
                drains.append(told.drained_s)
                connects.append(told.connected_s)
                rates.append(new / told.drained_s)
                hub_cpu.append((hub.cpu_s() - before) * 1e6 / new)
                crowd_cpu.append(told.cpu_s)
                floor.append((await floors_s(centre.url))[0] * new / (had + new))
    return {
        "drain_s": figure(drains, "s", floor, target=60),
        "connect_s": figure(connects, "s"),
        "entries_per_s": figure(rates, "1/s"),
        "hub_cpu_us": figure(hub_cpu, "µs"),
        "crowd_cpu_s": figure(crowd_cpu, "s"),
    }
