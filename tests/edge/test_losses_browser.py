"""A damaged journal and lost computers as people see them, in a real Chromium: what is gone is named, what to do is said."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from protocol.have import Have, sign
from protocol.node import healing
from protocol.node.healing import Gap, Healing
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, served
from tests.kit.browser import DESK, PHONE, look, picture
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import START_MS, TOWN, VILLAGE, signing_key

pytestmark = needs_chromium
SIZES = [(DESK, ""), (PHONE, "-390")]


@pytest.fixture
def town(tmp_path) -> Iterator[Served]:
    with served(tmp_path, "town") as rig:
        rig.do(lost)
        yield rig


async def lost(rig: Rig) -> None:
    """The village's computer said it had two entries more than it ever sent; then it was put out."""
    await rig.log("village", 0)
    await rig.deliver("village", "town")
    await rig.deliver("village", "root")
    village, root, town = (rig.nodes[kind] for kind in ("village", "root", "town"))
    origin = village.signer.origin
    head = (await village.journal.heads(VILLAGE))[VILLAGE, origin]
    said = Have(village.signer.node, VILLAGE, {origin: (head.seq + 2, bytes(32))}, START_MS)
    async with town.journal.writing() as w:
        await w.set_haves({(village.signer.node, VILLAGE): (said.lanes, START_MS + 60_000, sign(said, signing_key("village")))})
    await root.desk.revoke_node(village.signer.node, [(VILLAGE, origin, head.seq)], "硬盘坏了")
    await rig.deliver("root", "town")


def signed_in(served_: Served, open_page, size, kind: str = "town", account: str = "shen", path: str = "/") -> Page:
    return open_page(served_.url[kind] + path, size, who=(account, PASSWORD))


@pytest.mark.parametrize(("size", "end"), SIZES)
def test_a_lost_computer_is_shown_with_the_numbers_that_are_gone_and_with_whom_to_ask(town: Served, open_page, size, end):
    page = signed_in(town, open_page, size, path="/link")
    page.get_by_role("link", name="没有送出的条目").click()
    card = page.locator("#lost-nvill2222")
    expect(card).to_contain_text("丢失 2 条")
    expect(card).to_contain_text("这台电脑丢失的条目，从未送出")
    expect(card).to_contain_text("王芳")
    expect(card).to_contain_text("更大的编号")
    look(page, f"losses{end}")


class Mending:
    """What the page asks of node.mending."""

    def __init__(self, state: Healing | None) -> None:
        self.state, self.settled = state, ""

    async def unheard(self) -> list[str]:
        return ["天子湖镇综治中心"]

    def settle(self, who: str) -> None:
        self.settled = who


@pytest.mark.parametrize(("size", "end"), SIZES)
def test_a_damaged_journal_is_healed_by_a_button_and_says_how_far_it_is(tmp_path, open_page, size, end):
    with served(tmp_path, "village") as village:
        node, asked = village.rig.nodes["village"], []
        node.node.folder, node.node.mending = tmp_path, Mending(None)
        node.node.may_heal, node.node.heal_asked = True, lambda: asked.append(1)
        node.node.stopped = lambda: "store_damaged"
        page = signed_in(village, open_page, size, "village", "wangfang")
        node.node.journal.damaged = True
        page.goto(f"{village.url['village']}/link")
        expect(page.get_by_role("alert")).to_contain_text("本机台账有损坏")
        expect(page.locator("#repair")).to_contain_text("整个数据目录")
        look(page, f"heal-asked{end}")
        page.get_by_role("button", name="现在修复").click()
        page.wait_for_url("**/link")
        assert asked == [1]
        node.node.journal.damaged, node.node.stopped = False, lambda: ""
        gaps = [Gap(VILLAGE, "nvill2222:1", 7, 9)]
        node.node.mending = Mending(Healing(START_MS, 3, 412, 2, gaps, 2, codes=4))
        report = Healing(START_MS - 86_400_000, 1, 300, 0, gaps, 2, gone=gaps, bodiless=[Gap(TOWN, "nvill2222:1", 4, 4)], rewritten=5)
        healing.end_state(tmp_path, report)
        healing.end_state(tmp_path, Healing(START_MS - 2 * 86_400_000, 1, 280, 0, [], 1, codes=5))
        page.reload()
        expect(page.locator("#repair")).to_contain_text("还没有听到：天子湖镇综治中心")
        expect(page.locator("#repair")).to_contain_text("4 个登记码作废")
        expect(page.locator("main")).to_contain_text("5 个登记码作废")
        expect(page.get_by_text("一条没有丢")).to_be_visible()
        expect(page.locator("main")).to_contain_text("第 7–9 条")
        page.get_by_text("不等它们了").click()
        look(page, f"heal-open{end}")
        picture(page, f"heal-open-whole{end}", whole=True)
        page.get_by_role("button", name="不再等").click()
        page.wait_for_url("**/link")
        assert node.node.mending.settled == village.rig.persons["village"][0]
