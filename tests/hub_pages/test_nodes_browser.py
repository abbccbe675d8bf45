"""各地机器 and what stands behind it while a page of it is open, in a real Chromium."""

from typing import Any

import pytest
from playwright.sync_api import expect

from protocol.node.link.peers import Peers
from tests.hub_pages.test_joining import inviting
from tests.hub_pages.test_nodes import Pump
from tests.hub_pages.world import PASSWORD, Hub, served
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import VILLAGE

pytestmark = needs_chromium


async def heard_of(hub: Hub) -> Pump:
    pump = hub.pages.pump = await Pump(hub).load()
    hub.pages.shelf = hub.root.shelf
    pump.says(hub.village.signer.node, 1_000)
    return pump


async def woken(hub: Hub) -> None:
    hub.root.wake.heard()


def test_what_a_machine_lacks_is_said_while_its_page_and_that_of_the_ledger_are_open(tmp_path, open_page: Any):
    with served(tmp_path) as (url, hub, run):
        pump, node = run(heard_of(hub)), hub.village.signer.node
        machine = open_page(f"{url}/link/machine?of={node}", DESK, who=("operator", PASSWORD))
        ledger = open_page(f"{url}/link/ledger?of={VILLAGE}", DESK, who=("operator", PASSWORD))
        expect(machine.locator("main")).to_contain_text("都收到了")
        expect(ledger.locator("main")).not_to_contain_text("差 2 条")
        pump.says(node, 1_000, missing=2)
        run(woken(hub))
        expect(machine.locator("#lanes table")).to_contain_text("2")
        expect(ledger.locator("main")).to_contain_text("差 2 条")


def test_who_joins_appears_in_the_list_under_what_was_told_once(tmp_path, open_page: Any, own_routes):
    with served(tmp_path) as (url, hub, run):
        run(heard_of(hub))
        hub.pages.pump.known = Peers(hub.root.signer.certificate)
        inviting(hub)
        page = open_page(f"{url}/nodes", DESK, who=("operator", PASSWORD))
        page.locator("#invite summary").click()
        page.select_option("#place", VILLAGE)
        page.fill("#name", "章小兰")
        page.fill("#account", "zhangxiaolan")
        page.get_by_role("button", name="发登记码").click()
        row = page.locator(f"#peer-{hub.village.signer.node}")
        expect(page.locator("#invited")).to_contain_text("会出现在下面的列表里")
        expect(row).to_have_count(0)
        hub.pages.pump.known.learn(hub.village.signer.certificate)
        run(woken(hub))
        expect(row).to_have_count(1)
        expect(page.locator("#invited")).to_contain_text("登记码已经做好")


@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_the_form_stands_above_the_list_and_what_was_wrong_in_it_is_in_sight(
    tmp_path, open_page: Any, own_routes, size: dict[str, int], end: str
):
    with served(tmp_path) as (url, hub, run):
        run(heard_of(hub))
        inviting(hub)
        page = open_page(f"{url}/nodes", size, who=("operator", PASSWORD))
        assert page.evaluate(
            "() => invite.compareDocumentPosition(document.getElementById('nodes-rows')) === Node.DOCUMENT_POSITION_FOLLOWING"
        )
        page.locator("#invite summary").click()
        page.select_option("#place", VILLAGE)
        page.fill("#name", "章小兰")
        page.fill("#account", "章 小兰")
        page.get_by_role("button", name="发登记码").click()
        said = page.locator("#invite [data-summary]")
        expect(said).to_be_focused()
        expect(said).to_be_in_viewport(ratio=1)
        look(page, f"nodes-invite-wrong{end}")
