"""backlog: the hub was away for days, and all 233 nodes of its county come back with what they wrote meanwhile.

The real hub program on PostgreSQL, the real nats-server; the nodes are stand-ins in one other program (kit/stand_ins.py), each with a
connection and the production pump. The hub holds the first half of every lane, they hold all of it: `entries` of a whole year's
acts, half of which are the backlog (at 20 a node and day, three days are 14,000). `drain_s` runs from the moment all are told to
connect until each of them has heard from the hub that all it holds is on the hub's disk, folded and in its lists. What the hub writes
on arrivals goes back to them within that time. Floor: seconds for the same rows of the journal by `unnest`, 500 at once.

It is the hub's part of a drain, not a county's: no leaf stands between, the stand-ins have no disk and fold nothing, and of *common*
they hear the hub alone. What the nats-server of a county without leaves would have handed out more within the same time is
`unheard_messages` and `unheard_mb`: what the stand-ins said of *common*, once for each of the others. Hub, PostgreSQL, nats-server and
stand-ins share the machine's cores.
"""

from pathlib import Path
from typing import NamedTuple

from tests.bench.fanin import floors_s
from tests.bench.figure import Figure, figure
from tests.bench.kit.centre import Centre, Told
from tests.bench.kit.wires import wires


class Sizes(NamedTuple):
    """entries: of the county's lanes, half of them new to the hub · nodes: that take part."""

    entries: int
    nodes: int


FULL, SLICE = Sizes(60_000, 233), Sizes(300, 6)
NEEDS = ("postgresql",)


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    told, floor, rates, hub_cpu = list[Told](), [], [], []
    async with Centre.found(folder, await wires(sizes.entries), sizes.nodes) as centre:
        for _ in range(runs):
            async with centre.hub() as hub, centre.crowd() as crowd:
                before, had = hub.cpu_s(), await centre.entries()
                told.append(await crowd.go())
                new = await centre.entries() - had
                rates.append(new / told[-1].drained_s)
                hub_cpu.append((hub.cpu_s() - before) * 1e6 / new)
                floor.append((await floors_s(centre.url))[0] * new / (had + new))
    return {
        "drain_s": figure([one.drained_s for one in told], "s", floor, target=60),
        "connect_s": figure([one.connected_s for one in told], "s"),
        "entries_per_s": figure(rates, "1/s"),
        "hub_cpu_us": figure(hub_cpu, "µs"),
        "crowd_cpu_s": figure([one.cpu_s for one in told], "s"),
        "unheard_messages": figure([one.unheard for one in told], "messages"),
        "unheard_mb": figure([one.unheard_bytes / 1e6 for one in told], "MB"),
    }
