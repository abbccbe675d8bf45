"""连接与台账 stays true while it is open, in a real Chromium: what its card says is what the bar says, what is to be done appears by itself."""

from types import SimpleNamespace

import pytest
from playwright.sync_api import Page, expect

from protocol.calendar import HOUR_MS
from protocol.problem import Refused
from tests.edge.rig import Rig
from tests.edge.served import Served, nodes_of
from tests.edge.test_losses_browser import signed_in
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import VILLAGE

pytestmark = needs_chromium
village = nodes_of("village")


def says(page: Page, words: str) -> None:
    """The bar and the card."""
    expect(page.locator("#link-state")).to_have_text(words)
    expect(page.locator("main dl.pairs dd").nth(1)).to_have_text(words)


async def woken(rig: Rig) -> None:
    rig.nodes["village"].wake.heard()


def test_the_card_and_the_bar_say_the_same_after_each_change(village: Served, open_page):
    node = village.rig.nodes["village"]
    page = signed_in(village, open_page, DESK, "village", "wangfang", "/link")
    says(page, "离线")
    village.do(lambda rig: rig.deliver("village", "town"))
    village.do(lambda rig: rig.log("village"))
    says(page, "离线 · 1 条待送出")
    node.pump.connected = True
    village.do(lambda rig: rig.deliver("village", "town"))
    says(page, "已连接 · 全部送达")

    async def refused(rig: Rig) -> None:
        async with rig.nodes["village"].journal.writing() as w:
            await w.quarantine("ntown2222", VILLAGE, "", Refused("signature_wrong"), rig.county.clock() - HOUR_MS)
        rig.nodes["village"].wake.heard()

    village.do(refused)
    page.get_by_role("link", name="1 次，最近").click()
    expect(page.locator("#refused tbody tr")).to_have_count(1)


@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_a_machine_that_is_stopped_offers_the_way_back_without_a_reload_and_what_stands_in_it_stays(village: Served, open_page, size, end):
    node = village.rig.nodes["village"]
    node.node.about = SimpleNamespace(node=node.signer.node, name="")
    node.node.folder, node.node.identity = village.rig.county.folder / "village", SimpleNamespace(about=lambda: node.node.about)
    page = signed_in(village, open_page, size, "village", "wangfang", "/link")
    expect(page.locator("#renew")).to_have_count(0)
    node.node.stopped = lambda: "node_revoked"
    village.do(woken)
    page.locator("#renew-code").press_sequentially("10.0.0.1:83")
    node.pump.connected = True
    village.do(woken)
    expect(page.locator("main dl.pairs").first).to_contain_text("已连接")
    expect(page.locator("#renew-code")).to_have_value("10.0.0.1:83")
    look(page, f"link-put-out{end}")
    page.get_by_role("button", name="恢复使用").click()
    expect(page.locator("#renew")).to_contain_text("登记码不对")
    node.pump.connected = False
    village.do(woken)
    expect(page.locator("main dl.pairs").first).not_to_contain_text("已连接")
    expect(page.locator("#renew")).to_contain_text("登记码不对")
    expect(page.locator("#renew-code")).to_have_value("10.0.0.1:83")
