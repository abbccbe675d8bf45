"""Row 13: a village's PC is cloned and both work on: one lane with two histories. Who has a twin is told and stops; both histories are
kept; no two go on under one number."""

import asyncio
import shutil
from pathlib import Path
from random import Random

import httpx

from deploy.demo.cast import VILLAGE
from deploy.demo.check import new_id
from deploy.nats.servers import free_ports
from protocol.node.identity import Identity
from protocol.node.journal import branches
from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.desks import Desks, Saved
from tests.faults.row import Outcome, Row
from tests.kit.county import distinct, until

UPPER = ("hub", "town")


async def play(chance: Random, folder: Path) -> Outcome:
    async with standing(folder, chance) as county:
        async with Desks(county, chance, pause_s=0.1) as desks:
            await desks.more(6)
            await desks.more(2, "gaoyu")
        await county.settle()
        await clone(county)
        shared = Identity(county.home("gaoyu")).about().epoch
        county.demo.cut("gaoyu")
        mine = [await save(county, "gaoyu") for _ in range(chance.randint(1, 6))]
        theirs = [await save(county, "clone") for _ in range(chance.randint(1, 6))]
        first = chance.choice(("gaoyu", "clone"))
        await appear(county, "gaoyu", "clone", first)
        await until(lambda: both_kept(county, mine, theirs), "the county and the township keep what both wrote", 90)
        told = set[str]()
        await until(lambda: settled(county, told, shared), "one is told that it lives twice, and no two go on under one number", 120)
        await county.halt("clone")
        await county.stop()
        lost = [
            f"{node} lacks {saved.command} of {saved.node}" for node in UPPER for saved in await missing(county, node, [*mine, *theirs])
        ]
        said = (f"{len(mine)} and {len(theirs)} saves under one number, {first} seen first, told: {' '.join(sorted(told))}", *lost[:5])
        return Outcome(desks.count() + len(mine) + len(theirs), len(lost), 0, 0, said)


async def clone(county: BrokenCounty) -> None:
    """The PC's folder, copied while it stands still; both are started, out of touch with everybody."""
    await county.halt("gaoyu")
    shutil.copytree(county.home("gaoyu"), county.home("clone"))
    (port,) = free_ports(1)
    toml = county.home("clone") / "yidi.toml"
    text = toml.read_text().replace(f"port = {county.demo.ports.pages['gaoyu']}", f"port = {port}")
    toml.write_text(text)
    county.demo.ports.pages["clone"] = port
    county.demo.cut("gaoyu")
    await county.raise_("gaoyu", "clone")
    await county.forget("gaoyu")


async def appear(county: BrokenCounty, one: str, other: str, first: str) -> None:
    """They share the wires, so one is kept off by being stopped while the other is heard."""
    second = other if first == one else one
    await county.halt(second)
    county.demo.heal("gaoyu")
    await county.online_by_disk(first)
    await county.begin(second)


async def save(county: BrokenCounty, node: str) -> Saved:
    page = await county.page("wangfang", node)
    form = county.form(VILLAGE, distinct("克隆以后登记"), command_id=new_id())
    told = await page.post("/cases", form)
    return Saved(
        node,
        "wangfang",
        form["command_id"],
        told["case"],
        told["code"],
        tuple((e["ledger"], e["origin"], e["seq"]) for e in told["entries"]),
    )


async def both_kept(county: BrokenCounty, mine: list[Saved], theirs: list[Saved]) -> bool:
    return not any([await missing(county, node, [*mine, *theirs]) for node in UPPER])


async def missing(county: BrokenCounty, node: str, saved: list[Saved]) -> list[Saved]:
    """Whose command stands neither in the lane nor beside it."""
    async with county.opened(node) as found:
        commands = set()
        for ledger, origin in await found.journal.heads(VILLAGE):
            commands |= {row.command for row in await found.journal.lane(ledger, origin, 0, 5_000)}
        async with found.journal.read() as c:
            commands |= {row.command for row in await branches.branched(c, "order by ledger, origin, seq, hash", {})}
    return [one for one in saved if one.command not in commands]


async def settled(county: BrokenCounty, told: set[str], shared: int) -> bool:
    """Claims that each was told and stopped, or goes on under an epoch of its own; and that somebody was told.

    Which of them it is hangs on who hears of the other first: whoever hears of a longer history moves to a new epoch, and whoever sees
    the node come after it there knows that it has a twin."""
    for name in ("gaoyu", "clone"):
        if await stopped(county, name):
            told.add(name)
    left = [Identity(county.home(name)).about().epoch for name in ("gaoyu", "clone") if name not in told]
    return bool(told) and shared not in left


async def stopped(county: BrokenCounty, node: str) -> bool:
    """Claims that its page refuses to save, saying why."""
    page = await county.page("wangfang", node)
    await asyncio.sleep(0.2)
    try:
        got = await page.http.post("/cases", data=county.form(VILLAGE, distinct("还能不能登记")))
        if got.status_code in (303, 401):
            await page.sign_in()
            return False
    except httpx.TransportError:  # it opens again by itself
        return False
    return got.status_code >= 400 and got.json().get("code") == "node_forked"


ROW = Row(
    13,
    "a cloned PC: two programs with one identity",
    "seen at the first shared peer, both histories kept, told and stopped; no two go on under one number",
    (),
    play,
)
