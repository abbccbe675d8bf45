"""Row 27: a program that stands still (SIGSTOP), a peer behind a thin line, a router that forgot its connections (half open).

The others go on, nobody's memory grows without bound, and it recovers by itself. A program or a nats-server stands still for 1 to 8 s, which
its server does not take for dead; of a full round's faults one in five is a program or the township's leaf that stands still for 25 to 40 s, at last
with nobody writing, and that its server has cut it as stale by then is asserted (it pings each 5 s whom it has nothing to send to, and gives
up after two unanswered ones). Ten minutes are not played.
"""

import asyncio
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from tests.faults.kit.county import ALL, BrokenCounty, standing
from tests.faults.kit.database import Database
from tests.faults.kit.desks import PAUSE_S, PHOTOS, Desks
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row
from tests.kit.county import until

FAULTS, STILL_S, STILL_SMALL_S, LONG_S, CUT_S_MAX = (2, 4), (1.0, 8.0), (0.5, 1.0), (25.0, 40.0), 30.0
LONG, LONG_SHARE = "still long", 0.2
GROWTH_MB_MAX = 120.0  # of one program over one round: a queue without a bound would go past it
ESTABLISHED = "01"  # in /proc/net/tcp
KINDS = ("still", "thin", "half open", "stalled")
STILL = (*ALL, "leaf", "county server")


async def play(chance: Random, folder: Path) -> Outcome:
    async with standing(folder, chance, database=await Database.drawn(chance)) as county:
        return await endured(county, chance, drawn(chance), STILL_S, PAUSE_S)


def drawn(chance: Random) -> Iterator[str]:
    for _ in range(chance.randint(*FAULTS)):
        yield LONG if chance.random() < LONG_SHARE else chance.choice(KINDS)


async def small(chance: Random, folder: Path) -> Outcome:
    """A program or the county's nats-server that stands still, then a bad line, in a county of one village."""
    async with standing(folder, chance, nodes=("hub", "gaoyu")) as county:
        return await endured(county, chance, ("still", chance.choice(KINDS[1:])), STILL_SMALL_S, 0.1)


async def endured(county: BrokenCounty, chance: Random, kinds: Iterable[str], still_s: tuple[float, float], pause_s: float) -> Outcome:
    async with Desks(county, chance, pause_s=pause_s, photos=PHOTOS) as desks:
        await desks.more(12)
        before = memory_mb(county)
        said = [await suffer(county, desks, chance, kind, still_s) for kind in kinds]
        await desks.more(10)
    await county.settle()
    grown = {node: round(mb - before[node], 1) for node, mb in memory_mb(county).items()}
    assert max(grown.values()) < GROWTH_MB_MAX, f"memory grew by {grown} MB"
    await county.stop()
    return await judge(county, desks.saved, said=[county.store, *said, f"memory grew by {grown} MB"])


async def suffer(county: BrokenCounty, desks: Desks, chance: Random, kind: str, still_s: tuple[float, float]) -> str:
    if kind in ("still", LONG):
        some = STILL if kind == "still" else tuple(one for one in STILL if one != "county server")
        victim = chance.choice([one for one in some if of(one) in county.nodes])
        return await stands_still(county, desks, victim, chance.uniform(*(still_s if kind == "still" else LONG_S)), kind == LONG)
    seconds = chance.uniform(*still_s)
    name = chance.choice(lines(county))
    wire = county.demo.wires[name]
    if kind == "half open":
        wire.half_open()
    elif kind == "thin":
        wire.faults.bytes_per_s, wire.faults.delay_s, wire.faults.jitter_s = chance.choice((4_000, 20_000)), 0.1, 0.2
    else:
        wire.faults.stalled = True
    for node in county.nodes:
        await desks.more(3, node)
    await asyncio.sleep(seconds)
    if kind != "half open":
        wire.heal()
    return f"{name} {kind} for {seconds:.1f} s"


async def stands_still(county: BrokenCounty, desks: Desks, victim: str, seconds: float, is_cut: bool) -> str:
    """is_cut: its message server has given it up by then."""
    node = of(victim)
    pid = county.demo.processes[victim].pid if victim == node else county.server_pid(node)
    before = stale_leaves(county)
    os.kill(pid, signal.SIGSTOP)
    try:
        for other in county.nodes:
            if other != victim:
                await desks.more(3, other)
        if is_cut:
            await desks.rest()
        await asyncio.sleep(seconds)
        if is_cut:
            gone = (lambda: stale_leaves(county) > before) if victim == "leaf" else (lambda: not connected(county, pid))
            await until(gone, f"{victim}, which stands still, is cut by its server", CUT_S_MAX)
    finally:
        os.kill(pid, signal.SIGCONT)
    if is_cut:
        desks.begin()
    await desks.more(3, node)
    return f"{victim} stood still for {seconds:.1f} s{', and was cut' if is_cut else ''}"


def stale_leaves(county: BrokenCounty) -> int:
    """How often the county's server gave up the township's, as its log says."""
    log = county.home("hub") / "identity" / "county.log"
    return log.read_text(errors="replace").count("Leafnode connection closed: Stale Connection")


def connected(county: BrokenCounty, pid: int) -> int:
    """Connections of this program to a message server that the other end has not closed: its sockets, as the kernel says."""
    ports = {county.demo.ports.county, county.demo.ports.leaf, *county.demo.ports.wires.values()}
    own = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    rows = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    sockets = [(row.split()[2], row.split()[3]) for row in rows if f"socket:[{row.split()[9]}]" in own]
    return sum(state == ESTABLISHED and int(remote.partition(":")[2], 16) in ports for remote, state in sockets)


def of(victim: str) -> str:
    """The node that runs it."""
    return {"leaf": "town", "county server": "hub"}.get(victim, victim)


def lines(county: BrokenCounty) -> list[str]:
    """Wires between two that take part."""
    leaf = "town" in county.nodes
    return sorted(name for name in county.demo.wires if name.split()[0] in county.nodes and (leaf or not name.endswith(" leaf")))


def memory_mb(county: BrokenCounty) -> dict[str, float]:
    """Resident memory of each node's program."""
    page = os.sysconf("SC_PAGE_SIZE")
    pids = {node: county.demo.processes[node].pid for node in county.nodes}
    return {node: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page / 2**20 for node, pid in pids.items()}


ROW = Row(
    27,
    "a slow peer, a program that stands still, half-open connections",
    "others unaffected, bounded memory, recovers by itself",
    ("postgres",),
    play,
    small,
    (),
)
