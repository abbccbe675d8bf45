"""Row 13: a village's PC is cloned and both work on: one lane with two histories. Who has a twin is told and stops, the county decides which
computer is the real one (either may be), that one goes on as another node, and its clerk adopts what is not in the lane.

Asserted: the county and the township keep what both wrote, whole, from the first entry on; no two go on under one number; the computer that
was not chosen is told, or has no line and its saves come by stick, set aside with an owner and a day; after the decision each promise of either computer stands in a lane once (in its
own number, or written anew), its case opens at the county under the code that was told, no code is two cases', nothing is left to decide;
and all checkers (kit/truth.py), with nothing in quarantine but the fork and what a
revoked computer said or asked for.
"""

import asyncio
import shutil
import signal
from pathlib import Path
from random import Random

import httpx

from deploy.demo.cast import VILLAGE
from deploy.nats.servers import free_ports
from protocol import entry, lane
from protocol.node.identity import Identity
from protocol.node.journal import branches
from protocol.node.journal.branches import Branched
from protocol.node.node import Node
from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.database import Database
from tests.faults.kit.desks import CALM_S, PHOTOS, Desks, Saved, promised
from tests.faults.kit.files import Picture, drawn, posted
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row
from tests.kit.county import distinct, until

UPPER, PICTURES = ("hub", "town"), 0.4
FORKED = "同一条号出现两份不同的内容"
EXPECTED = ("lane_fork", "origin_revoked", "claim_refused")  # the twin's entries; whatever it said, or asked for, after the decision


async def play(chance: Random, folder: Path) -> Outcome:
    async with standing(folder, chance, database=await Database.drawn(chance)) as county:
        return await twins(county, chance, 6, 6, 0.1)


async def small(chance: Random, folder: Path) -> Outcome:
    """Without the other village, and with fewer saves."""
    async with standing(folder, chance, nodes=("hub", "town", "gaoyu")) as county:
        return await twins(county, chance, 3, 2, CALM_S)


async def twins(county: BrokenCounty, chance: Random, before: int, most: int, pause_s: float) -> Outcome:
    """most: saves of each of the two, out of touch."""
    async with Desks(county, chance, pause_s=pause_s, photos=PHOTOS) as desks:
        await desks.more(before)
        await desks.more(2, "gaoyu")
    await county.settle()
    await clone(county)
    old, shared = county.id_of("gaoyu"), Identity(county.home("gaoyu")).about().epoch
    county.demo.cut("gaoyu")
    apart = [await save(county, node, some(chance)) for node in ("gaoyu", "clone") for _ in range(chance.randint(1, most))]
    first = chance.choice(("gaoyu", "clone"))
    await appear(county, "gaoyu", "clone", first)
    await until(lambda: both_kept(county, apart), "the county and the township keep what both wrote", 90)
    told = set[str]()
    await until(lambda: settled(county, told, shared, apart), "one is told that it lives twice, and no two go on under one number", 120)
    await until(lambda: both_kept(county, apart), "and what the other one saved under its own number", 90)
    await until(lambda: nothing_awaited(county), "the files of both, which answer to one name, come up", 90)
    real = chance.choice(("gaoyu", "clone"))
    out = "clone" if real == "gaoyu" else "gaoyu"
    other, asleep = county.demo.processes[out], chance.random() < 0.5  # while the county decides
    if asleep:
        other.send_signal(signal.SIGSTOP)
    how = await renewed(county, real, old)
    await adopted(county, real)
    apart.append(await save(county, real))
    if asleep:  # and it wakes without a line
        county.demo.cut("gaoyu")
        other.send_signal(signal.SIGCONT)
    late = await put_out(county, out)
    county.demo.heal("gaoyu")
    county.nodes = tuple(real if node == "gaoyu" else node for node in county.nodes)
    await county.settle()
    await opened_by_code(county, apart)
    await county.stop()
    told_so = [*desks.saved, *late, *[await as_it_stands(county, one) for one in apart]]
    said = (
        county.store,
        f"{len(apart)} saves under one number, {first} seen first, told: {' '.join(sorted(told))}, {real} goes on{how}",
        f"{len(late)} saves at {out} after the decision, brought by stick{', it slept through it' if asleep else ''}",
        f"{await histories(county, old)} entries beside the lanes at each tier",
    )
    return await judge(county, told_so, expected=EXPECTED, said=said)


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


async def save(county: BrokenCounty, node: str, picture: Picture | None = None) -> Saved:
    page = await county.page("wangfang", node)
    got = await posted(page.http, "/cases", county.form(VILLAGE, distinct("克隆以后登记")), picture)
    assert got.status_code < 300, f"{node}: {got.status_code} {got.text[:300]}"
    return promised(node, "wangfang", got.json(), picture)


def some(chance: Random) -> Picture | None:
    return drawn(chance) if chance.random() < PICTURES else None


async def nothing_awaited(county: BrokenCounty) -> bool:
    return not await county.awaited(*UPPER)


async def both_kept(county: BrokenCounty, saved: list[Saved]) -> bool:
    return not any([await missing(county, node, saved) for node in UPPER])


async def missing(county: BrokenCounty, node: str, saved: list[Saved]) -> list[Saved]:
    """Whose command stands neither in the lane nor beside it."""
    async with county.opened(node) as found:
        commands = set()
        for ledger, origin in await found.journal.heads(VILLAGE):
            commands |= {row.command for row in await found.journal.lane(ledger, origin, 0, 5_000)}
        commands |= {row.command for row in await beside(found)}
    return [one for one in saved if one.command not in commands]


async def beside(node: Node) -> list[Branched]:
    async with node.journal.read() as c:
        return await branches.branched(c, "order by ledger, origin, seq, hash", {})


async def settled(county: BrokenCounty, told: set[str], shared: int, apart: list[Saved]) -> bool:
    """Claims that each was told and stopped, or goes on under an epoch of its own; and that somebody was told. apart: what was saved in asking.

    Which of them it is hangs on who hears of the other first: whoever hears of a longer history moves to a new epoch, and whoever sees
    the node come after it there knows that it has a twin."""
    for name in ("gaoyu", "clone"):
        if await stopped(county, name, apart) == "node_forked":
            told.add(name)
    left = [Identity(county.home(name)).about().epoch for name in ("gaoyu", "clone") if name not in told]
    return bool(told) and shared not in left


async def stopped(county: BrokenCounty, node: str, saved: list[Saved]) -> str:
    """Why its page refuses to save; "" when it saved (then that is a promise too), or gave no answer."""
    page = await county.page("wangfang", node)
    await asyncio.sleep(0.2)
    form = county.form(VILLAGE, distinct("还能不能登记"))
    try:
        got = await page.http.post("/cases", data=form)
        if got.status_code in (303, 401):
            await page.sign_in()
            return ""
    except httpx.TransportError:  # it opens again by itself
        return ""
    if got.status_code < 300:
        saved.append(promised(node, "wangfang", got.json()))
        return ""
    return got.json().get("code", "")


# ── the county decides ──


async def renewed(county: BrokenCounty, real: str, old: str) -> str:
    """The county puts the identity out and gives a code; typed at the computer that is in use, that one is another node. Who was told nothing
    and had its line cut at once does not know that it is out, and takes no code: the county's stick tells it. Returns a word of that."""
    made = await (await county.page("zhoumin")).post(f"/renewals/{old}", {"reason": "同一份身份在两台机器上"})
    county.typed.add(made["code"].rpartition("/")[2])
    page, by_stick = await county.page("wangfang", real), list[Path]()

    async def typed() -> bool:
        got = await page.http.post("/renew", data={"code": made["code"]})
        if got.status_code == 200 or county.id_of(real) != old:
            return True
        if got.status_code == 401:
            await page.sign_in()
        elif got.json()["code"] == "not_now" and not by_stick and not (await page.get("/link"))["online"]:
            by_stick.append(await carried(county, "hub", real, old))
        return False

    await until(typed, f"the code is taken at {real}", 60)

    async def goes_on() -> bool:
        said = (await page.http.get("/link")).json()
        return county.id_of(real) != old and said.get("online") is True and said["stopped"] == ""

    await until(goes_on, f"{real} goes on as another node", 60)
    return ", told by stick that it was out" if by_stick else ""


async def carried(county: BrokenCounty, giver: str, taker: str, to: str = "", *, is_twin: bool = False) -> Path:
    """is_twin: the giver's other history may be in it, which is set beside the lane."""
    stick = county.folder / f"{giver}-{taker}.yidi"
    for node, words in ((giver, ("export", stick, *(("--to", to) if to else ()))), (taker, ("import", stick))):
        ran = await county.yidi(node, *words)
        assert ran.code == 0 or (is_twin and words[0] == "import" and FORKED in ran.out), ran
    return stick


async def adopted(county: BrokenCounty, real: str) -> None:
    """Whoever serves the village adopts all that stands beside its lanes, until the county sees nothing open."""
    page, hub = await county.page("wangfang", real), await county.page("zhoumin")

    async def nothing_open() -> bool:
        for fork in (await page.get("/forks"))["forks"]:
            if fork["open"]:
                await page.post("/forks/all", {"origin": fork["origin"], "reason": "两台都用过，都算数"})
        shown = (await hub.get("/forks"))["forks"]
        return bool(shown) and not any(fork["open"] for fork in shown)

    await until(nothing_open, "all that stands beside the lanes is decided", 60)


async def put_out(county: BrokenCounty, out: str) -> list[Saved]:
    """It is told, in words; or it has no line any more, does not know why, and what it saves is on its disk alone. Then it is switched off,
    and what it saved is brought to the county by a stick. Returns that."""
    saved = list[Saved]()

    async def so() -> bool:
        if await stopped(county, out, saved) in ("node_forked", "node_revoked"):
            return True
        return bool(saved) and not (await (await county.page("wangfang", out)).get("/link"))["online"]

    await until(so, f"{out} is told, or has no line", 60)
    await county.halt(out)
    if saved:
        await carried(county, out, "hub", is_twin=True)
    return saved


async def opened_by_code(county: BrokenCounty, saved: list[Saved]) -> None:
    """Both histories are read at the county: each case under the code that was told, now or once, and no code is two cases' today. What one of
    the two wrote anew and the county heard of only after its decision waits for somebody's review, its old code with it."""
    hub, codes = await county.page("zhoumin"), dict[str, str]()
    for one in saved:
        shown = await county.shows(hub, one.case)
        waits = any(review["kind"] == "DisputeCorrected" and review["code"] == "revoked" for review in shown["reviews"])
        is_known = one.code == shown["code"] or one.code in shown["aliases"]
        assert is_known or waits, f"{one.code} of {one.node} is now {shown['code']} alone"
        assert codes.setdefault(shown["code"], one.case) == one.case, f"{shown['code']} is two cases'"


async def as_it_stands(county: BrokenCounty, one: Saved) -> Saved:
    """The same promise, under the numbers that it has since it was written anew; as it was told where it stands so."""
    async with county.opened("hub") as hub:
        rows = await hub.journal.command(one.command)
        if {row.key for row in rows} >= set(one.keys):
            return one
        anew = [row for row in await hub.journal.command(branches.adopted_id(one.command)) if row.sort != lane.SORT]
    return one._replace(command=branches.adopted_id(one.command), keys=tuple(row.key for row in anew)) if anew else one


async def histories(county: BrokenCounty, old: str) -> int:
    """How many entries of the old identity stand beside the lanes: the same at each tier, with their words, each linked back to its lane."""
    found: dict[str, set[bytes]] = {}
    for name in UPPER:
        async with county.opened(name) as node:
            rows = await beside(node)
            assert all(row.body is not None or not row.head.body_hash for row in rows), (
                f"{name} keeps entries beside a lane without their words"
            )
            found[name] = {row.hash for row in rows}
            async with node.journal.read() as c:
                for ledger, origin in {(row.ledger, row.origin) for row in rows}:
                    assert entry.node_of(origin) == old, f"{name} keeps another history of {origin}"
                    for seq, hash_ in (await branches.tips(c, ledger))[origin]:
                        way, lacking = await branches.path(c, ledger, origin, seq, hash_)
                        assert not lacking, f"{name} lacks {lacking} below {origin} {seq}"
                        for row in (await branches.read(c, ledger, origin, way, 2**40)).values():
                            assert entry.chain(row.prev, row.head_bytes) == row.hash, (
                                f"{name}: {origin} {row.seq} is not what its hash says"
                            )
    assert len(set(map(frozenset, found.values()))) == 1, f"the tiers keep different histories: { {n: len(h) for n, h in found.items()} }"
    assert found["hub"], "nothing stands beside a lane: there was no fork"
    return len(found["hub"])


ROW = Row(
    13,
    "a cloned PC: two programs with one identity",
    "seen at the first shared peer, both histories kept, told and stopped; re-enrolled and adopted, each promise stands once",
    ("postgres",),
    play,
    small,
    (),
)
