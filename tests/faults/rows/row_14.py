"""Row 14: a village's disk is lost for good. The PC joins again with a new code and takes everything back; what never left is known.

The old identity is revoked: whoever finds the disk can write nothing with it.
"""

import shutil
from pathlib import Path
from random import Random

from deploy.demo.cast import VILLAGE
from deploy.demo.check import JSON, Page
from protocol import entry, events
from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.database import Database
from tests.faults.kit.desks import PAUSE_S, PHOTOS, Desks, Saved, promised
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row
from tests.faults.rows.row_13 import save
from tests.kit.county import yidi

ACCOUNT, PASSWORD = "wangfang2", "chosen-in-a-round-8"


async def play(chance: Random, folder: Path) -> Outcome:
    async with standing(folder, chance, database=await Database.drawn(chance)) as county:
        return await disk_lost(county, chance, (10, 60), (0, 6), PAUSE_S)


async def small(chance: Random, folder: Path) -> Outcome:
    """Without the other village, with fewer saves, of which some never left."""
    async with standing(folder, chance, nodes=("hub", "town", "gaoyu")) as county:
        return await disk_lost(county, chance, (4, 8), (1, 2), 0.1)


async def disk_lost(county: BrokenCounty, chance: Random, saves: tuple[int, int], unsent: tuple[int, int], pause_s: float) -> Outcome:
    async with Desks(county, chance, pause_s=pause_s, photos=PHOTOS) as desks:
        await desks.more(chance.randint(*saves))
        await desks.more(4, "gaoyu")
    await county.settle()
    county.demo.cut("gaoyu")
    never = [await save(county, "gaoyu") for _ in range(chance.randint(*unsent))]
    old = county.id_of("gaoyu")
    await county.kill("gaoyu")
    await join_again(county, old)
    county.demo.heal("gaoyu")
    await county.begin("gaoyu")
    await county.settle()
    assert county.id_of("gaoyu") != old
    page = await chosen(county)
    after = [await _save(county, page) for _ in range(3)]
    await county.settle()
    await _named(county, page, old, [one.code for one in never])
    gone = [one for one in never if await _holds(county, one)]
    assert not gone, "what never left cannot be anywhere"
    await county.stop()
    said = (county.store, f"{len(desks.saved)} came back, {len(never)} had never left, {len(after)} written since")
    return await judge(county, [*desks.saved, *after], said=said)


async def join_again(county: BrokenCounty, old: str) -> None:
    home = county.home("gaoyu")
    toml = (home / "yidi.toml").read_text()
    shutil.rmtree(home)
    home.mkdir()
    (home / "yidi.toml").write_text(toml)
    revoked = await county.yidi("hub", "revoke", old, "--reason", "硬盘坏了")
    assert revoked.code == 0, revoked
    invited = await county.yidi("hub", "invite", "--place", VILLAGE, "--person", "王芳", "--account", ACCOUNT)
    assert invited.code == 0, invited
    code = invited.out.split("：", 1)[1].split()[0]
    await enrol(county, "gaoyu", code)


async def enrol(county: BrokenCounty, node: str, code: str) -> None:
    county.typed.add(code.rpartition("/")[2])
    joined = await yidi("edge", "enrol", code, "--folder", county.home(node))
    assert joined.code == 0, joined
    county.once = joined.out.split("一次性密码：")[1].partition("（")[0]


async def chosen(county: BrokenCounty, account: str = ACCOUNT, once: str = "", node: str = "gaoyu") -> Page:
    """Whoever begins at the village's PC with a one-time password (once: of who joined last), signed in with one of their own."""
    if not once:
        once = county.once
        await county.forget(node)
    page = Page(county.demo.url(node), account)
    got = await page.http.post("/sign-in", data={"name": account, "password": once}, headers=JSON)
    assert got.status_code == 200, got.text
    assert (await page.http.post("/password", data={"password": PASSWORD, "again": PASSWORD})).status_code == 200
    county._pages[account, node] = page
    return page


async def _save(county: BrokenCounty, page: Page) -> Saved:
    form = county.form(VILLAGE, "换了新电脑以后登记")
    return promised("gaoyu", ACCOUNT, await page.post("/cases", form))


async def _named(county: BrokenCounty, page: Page, old: str, never: list[str]) -> None:
    """The county, the township and the new computer show the lost one: the last code that arrived, so that a larger one on paper tells."""
    arrived = await _arrived(county, old)
    for one in (await county.page("zhoumin"), await county.page("liqiang"), page):
        (lost,) = [lost for lost in (await one.get("/losses"))["losses"] if lost["node"] == old]
        assert lost["revoked"] and lost["held"] and lost["asked"], lost
        assert lost["last_code"] == arrived[-1] and arrived[-1] not in never, (lost["last_code"], arrived[-3:], never)
        assert sum(gap["last"] - gap["first"] + 1 for gap in lost["gaps"]) <= 2 * len(never), lost["gaps"]


async def _arrived(county: BrokenCounty, old: str) -> list[str]:
    """Codes of cases that the county has from this node, in the order of its numbers: those that a page told, and maybe one whose answer
    nobody waited for."""
    async with county.opened("hub") as node:
        lanes = [(*lane, head.seq) for lane, head in (await node.journal.heads(VILLAGE)).items() if entry.node_of(lane[1]) == old]
        said = [events.facts_of(row.head) for ledger, origin, seq in lanes for row in await node.journal.lane(ledger, origin, 0, seq)]
    return [facts.code for facts in said if isinstance(facts, events.DisputeLogged)]


async def _holds(county: BrokenCounty, saved: Saved) -> bool:
    async with county.opened("hub") as node:
        return bool(await node.journal.command(saved.command))


ROW = Row(14, "a disk is lost for good", "joins again, is refilled; exactly what never left is gone", ("postgres",), play, small, ())
