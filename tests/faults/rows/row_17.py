"""Row 17: a village is merged or split, its clerk replaced, its PC revoked, while it is out of reach and has unsent work. Nothing becomes nobody's.

Before: cases that everybody knows, in several states. Out of reach the clerk works on with them and logs new ones; meanwhile the others
work on the same cases too. Then the two meet: all is everywhere under the numbers that were told, what comes too late waits with an
owner and a day, every open case has an office with people, and those people do act.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import httpx

from deploy.demo.cast import COUNTY, NEIGHBOUR, TOWNSHIP, VILLAGE
from deploy.demo.check import Page, new_id
from deploy.nats.servers import free_ports
from protocol import certificate as certificates
from protocol.case import OPEN
from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.database import Database
from tests.faults.kit.desks import ACTS, Saved
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row
from tests.faults.rows.row_14 import chosen, enrol, join_again
from tests.kit.county import until

NEW = f"{TOWNSHIP}/330523111299"  # the part that is a village of its own
KINDS = ("merged", "split", "replaced", "revoked")
SHARED, UNSENT, MEANWHILE = (3, 6), (4, 10), (1, 4)
WORK = tuple(name for name in ACTS if name != "AddNote")  # what an office may that has the case or is offered it


class Story:
    """saved: what pages told · reviewed: how many late entries their owners decided about."""

    def __init__(self, county: BrokenCounty, chance: Random) -> None:
        self.county, self.chance = county, chance
        self.saved: list[Saved] = []
        self.cases: list[str] = []
        self.ledgers: dict[str, str] = {}
        self.reviewed = 0

    async def log(self, page: Page, node: str, ledger: str = VILLAGE) -> None:
        form = self.county.form(ledger, f"为田埂争执，{self.chance.randrange(10**6)}")
        told = self._keep(page, node, form, await page.http.post("/cases", data=form))
        self.cases.append(told["case"])
        self.ledgers[told["case"]] = ledger

    async def act(self, page: Page, node: str, case: str, *wanted: str) -> str:
        """One step that this page offers now (of those wanted); "" when it offers none. What others did may come in between: then it looks anew."""
        to = {"EscalateDispute": COUNTY if node == "town" else TOWNSHIP, "HandDownDispute": self.ledgers[case]}
        offered = await _offered(page, case)
        while named := sorted(offered & set(wanted or ACTS)):
            name = self.chance.choice(named)
            form = {"command_id": new_id(), **ACTS[name]} | ({"to": to[name]} if name in to else {})
            got = await page.http.post(f"/cases/{case}/{name}", data=form)
            if got.status_code != 409 or (now := await _offered(page, case)) == offered:
                self._keep(page, node, form, got)
                return name
            offered = now
        return ""

    async def work(self, page: Page, node: str, steps: int) -> None:
        for _ in range(steps):
            if self.chance.random() < 0.3 or not await self.act(page, node, self.chance.choice(self.cases)):
                await self.log(page, node)

    def _keep(self, page: Page, node: str, form: dict[str, Any], got: httpx.Response) -> Any:
        assert got.status_code < 300, f"{got.url}: {got.status_code} {got.text[:500]}"
        told = got.json()
        keys = tuple((e["ledger"], e["origin"], e["seq"]) for e in told["entries"])
        assert keys, told
        self.saved.append(Saved(node, page.account, form["command_id"], told["case"], told["code"], keys))
        return told

    async def looked_after(self, *people: tuple[Page, str]) -> None:
        """Whoever has the case decides what waits for a review and takes a step; there is one for each that is open."""
        for case in self.cases:
            acted = [await self._looks(page, node, case) for page, node in people]
            assert any(acted), f"nobody can do anything with {case}: " + str([await _told(page, case) for page, _ in people])

    async def _looks(self, page: Page, node: str, case: str) -> bool:
        shown = await _told(page, case)
        if not shown:
            return False
        steps = {step["command"] for step in shown["steps"]}
        if "DecideReview" in steps:
            for review in shown["reviews"]:
                await self._decides(page, case, review["item"])
        return bool(await self.act(page, node, case, *WORK)) or shown["status"] not in OPEN

    async def _decides(self, page: Page, case: str, item: str) -> None:
        """Who has a case can't be decided by a review: then it is not adopted."""
        for decision in (self.chance.choice(("adopt", "reject")), "reject"):
            form = {"command_id": new_id(), "item": item, "decision": decision, "reason": "看过了"}
            got = await page.http.post(f"/cases/{case}/DecideReview", data=form)
            assert got.status_code in (200, 409, 422), got.text
            if got.status_code != 422:
                self.reviewed += got.status_code == 200  # else an earlier decision made it needless
                return
        raise AssertionError(f"{item} can be neither adopted nor not: {got.text}")


async def _offered(page: Page, case: str) -> set[str]:
    got = await page.http.get(f"/cases/{case}")
    return {step["command"] for step in got.json()["steps"]} if got.status_code == 200 else set()


async def _told(page: Page, case: str) -> Any:
    """None also while its program opens again by itself."""
    try:
        got = await page.http.get(f"/cases/{case}")
    except httpx.TransportError:
        return None
    return got.json() if got.status_code == 200 else None


async def play(chance: Random, folder: Path) -> Outcome:
    return await play_kind(chance, folder, chance.choice(KINDS), await Database.drawn(chance))


async def play_kind(chance: Random, folder: Path, kind: str, database: Database | None = None) -> Outcome:
    async with standing(folder, chance, database=database) as county:
        story = Story(county, chance)
        clerk, officer = await county.page("wangfang"), await county.page("liqiang")
        for _ in range(chance.randint(*SHARED)):
            await story.log(clerk, "gaoyu")
        await story.work(clerk, "gaoyu", chance.randint(*SHARED))
        await county.settle()
        for case in chance.sample(story.cases, 2):
            await story.act(officer, "town", case, *WORK)
        await county.settle()
        county.demo.cut("gaoyu")
        await story.work(clerk, "gaoyu", chance.randint(*UNSENT))
        people = await PLAYS[kind](story, clerk, officer)
        await county.settle()
        await story.looked_after(*people)
        await county.settle()
        await county.stop()
        said = (county.store, f"{kind}, {len(story.saved)} commits in {len(story.cases)} cases, {story.reviewed} late ones reviewed")
        return await judge(county, story.saved, said=said)


People = list[tuple[Page, str]]


async def merged(story: Story, clerk: Page, officer: Page) -> People:
    """Into the neighbour, whose clerk works on with what she finds before the old PC is heard of."""
    county = story.county
    neighbour = await county.page("shenmeiqin")
    ran = await county.yidi("hub", "place", "merge", VILLAGE, NEIGHBOUR)
    assert ran.code == 0, ran
    await until(
        lambda: certificates.serves(county.certificate("liangpeng"), VILLAGE), "the neighbour's program takes its wider certificate", 120
    )
    known = story.cases[0]
    await until(lambda: _told(neighbour, known), "the neighbour's clerk sees a case of the merged village", 120)
    await county.settle("hub", "town", "liangpeng")
    for _ in range(story.chance.randint(*MEANWHILE)):
        await story.act(neighbour, "liangpeng", story.chance.choice(story.cases))
    county.demo.heal("gaoyu")
    await county.online_by_disk("gaoyu", 120)
    await until(lambda: _sends_away(county, clerk), "the old PC says where to register from now on", 120)
    return [(neighbour, "liangpeng"), (officer, "town"), (await county.page("zhoumin"), "hub")]


async def split(story: Story, clerk: Page, officer: Page) -> People:
    """A part of it is a village of its own, with a PC and a clerk, before the old PC is heard of: what that one has stays its own."""
    county, chance = story.county, story.chance
    told = await county.yidi("hub", "place", "split", VILLAGE, NEW.rpartition("/")[2], "--name", "新塘新村")
    assert told.code == 0, told
    again = await county.yidi("hub", "place", "split", VILLAGE, NEW.rpartition("/")[2], "--name", "新塘新村")
    assert again.code == 0, again
    await _begins(county, "xintang", NEW, "钱晓")
    newcomer = await chosen(county, "qianxiao", node="xintang")
    for _ in range(chance.randint(*MEANWHILE)):
        await story.log(newcomer, "xintang", NEW)
    await county.settle("hub", "town", "xintang")
    for case in chance.sample(story.cases, min(3, len(story.cases))):
        await story.act(officer, "town", case, *WORK)
    county.demo.heal("gaoyu")
    await county.online_by_disk("gaoyu", 120)
    await until(lambda: _knows(county, "gaoyu"), "the old PC hears of the new village", 120)
    await story.work(clerk, "gaoyu", chance.randint(*MEANWHILE))
    await county.settle()
    await _apart(county, clerk, newcomer, [one for one in story.saved if one.code])
    return [(clerk, "gaoyu"), (newcomer, "xintang"), (officer, "town"), (await county.page("zhoumin"), "hub")]


async def replaced(story: Story, clerk: Page, officer: Page) -> People:
    """The county ends her post; her successor gets his at the PC, before or after it is back in touch."""
    county, chance = story.county, story.chance
    admin = await county.page("admin")
    async with county.opened("hub") as hub:
        (post,) = [row for row in await hub.journal.rows("post_row") if row["ledger"] == VILLAGE and not row["ended"]]
    form = {"command_id": new_id(), "post": post["post"], "office": VILLAGE, "reason": "换届"}
    await admin.post(f"/people/{post['subject']}/end", form)
    for case in chance.sample(story.cases, min(2, len(story.cases))):
        await story.act(officer, "town", case, *WORK)
    early = chance.random() < 0.5
    if early:
        successor = await _joins_the_desk(county)
        await story.work(successor, "gaoyu", chance.randint(*MEANWHILE))
    county.demo.heal("gaoyu")
    await county.online_by_disk("gaoyu", 120)
    await until(lambda: _is_signed_out(clerk), "her session ends when her PC hears of it", 120)
    if not early:
        successor = await _joins_the_desk(county)
    return [(successor, "gaoyu"), (officer, "town"), (await county.page("zhoumin"), "hub")]


async def revoked(story: Story, clerk: Page, officer: Page) -> People:
    """The PC is found again and what it had not sent is handed in by stick, before or after a new one stands in its place."""
    county, chance = story.county, story.chance
    stick = county.folder / "found.yidi"
    await county.halt("gaoyu")
    ran = await county.yidi("gaoyu", "export", stick)
    assert ran.code == 0, ran
    for case in chance.sample(story.cases, min(2, len(story.cases))):
        await story.act(officer, "town", case, *WORK)
    old, early = county.id_of("gaoyu"), chance.random() < 0.5
    if early:  # the county has not been told yet that it is lost
        await _handed_in(county, stick)
    await join_again(county, old)
    if not early:
        await _handed_in(county, stick)
    county.demo.heal("gaoyu")
    await county.begin("gaoyu")
    return [(await chosen(county), "gaoyu"), (officer, "town"), (await county.page("zhoumin"), "hub")]


PLAYS: dict[str, Callable[[Story, Page, Page], Awaitable[People]]] = {
    "merged": merged,
    "split": split,
    "replaced": replaced,
    "revoked": revoked,
}


async def _begins(county: BrokenCounty, node: str, place: str, person: str) -> None:
    """A new PC for a new place: invited, enrolled, started; it dials as the neighbour's does."""
    home, (port,) = county.home(node), free_ports(1)
    home.mkdir()
    pages = county.demo.ports.pages
    toml = (county.home("liangpeng") / "yidi.toml").read_text()
    assert toml.count(str(pages["liangpeng"])) == 1, toml
    (home / "yidi.toml").write_text(toml.replace(str(pages["liangpeng"]), str(port)))
    pages[node] = port
    invited = await county.yidi("hub", "invite", "--place", place, "--person", person, "--account", "qianxiao")
    assert invited.code == 0, invited
    await enrol(county, node, invited.out.split("：", 1)[1].split()[0])
    county.nodes = (*county.nodes, node)
    await county.begin(node)


async def _knows(county: BrokenCounty, node: str) -> bool:
    async with county.opened(node) as found:
        return NEW in found.shelf().places


async def _apart(county: BrokenCounty, clerk: Page, newcomer: Page, logged: list[Saved]) -> None:
    """Each of the two villages sees its own cases and none of the other's; the township and the county see both."""
    officer, operator = await county.page("liqiang"), await county.page("zhoumin")
    assert {one.node for one in logged} >= {"gaoyu", "xintang"}
    for one in logged:
        of_the_new = one.node == "xintang"
        for page, sees in ((clerk, not of_the_new), (newcomer, of_the_new), (officer, True), (operator, True)):
            assert bool(await _told(page, one.case)) is sees, (
                f"{page.account} {'does not see' if sees else 'sees'} {one.code} of {one.node}"
            )


async def _handed_in(county: BrokenCounty, stick: Path) -> None:
    ran = await county.yidi("hub", "import", stick)
    assert ran.code == 0, ran


async def _joins_the_desk(county: BrokenCounty) -> Page:
    """A new clerk at the village's own PC."""
    ran = await county.yidi("gaoyu", "person", "lihong", "--name", "李红", "--post", "clerk")
    assert ran.code == 0, ran
    once = ran.out.split("一次性密码：")[1].partition("（")[0]
    return await chosen(county, "lihong", once)


async def _sends_away(county: BrokenCounty, page: Page) -> bool:
    got = await page.http.post("/cases", data=county.form(VILLAGE, "不该登记的一件"))
    return got.status_code == 422 and "已经并入" in got.text


async def _is_signed_out(page: Page) -> bool:
    await asyncio.sleep(0.2)
    return (await page.http.get("/cases")).status_code in (303, 401)


async def small(chance: Random, folder: Path) -> Outcome:
    return await play_kind(chance, folder, "replaced")


ROW = Row(
    17, "a place merged, split, its clerk replaced, its PC revoked, with work unsent", "nothing is nobody's: each entry has an owner, each open case people",
    ("postgres",), play, small, (),
)  # fmt: skip
