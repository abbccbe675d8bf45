"""What a press will do to whom, as it is read on the screen before: a post that ends, a cadre who is sent, a computer that is put out."""

import pytest
from playwright.sync_api import expect

from protocol.problem import Refused
from tests.hub_pages.test_tasks_browser import both, desk  # noqa: F401, a fixture
from tests.hub_pages.world import PASSWORD, Hub
from tests.kit.browser import DESK
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import VILLAGE, batch_of, dispute, exchange

pytestmark = needs_chromium


async def forked(hub: Hub) -> None:
    """A copy of the village's computer wrote something else than the village itself; the county heard of both."""
    await exchange(hub.root, hub.village)
    copy = await hub.county.node("village", folder="copy")
    await copy.admission.admit(await batch_of(hub.village, VILLAGE, hub.village.signer.origin), "nroot2222")
    await hub.village.say(dispute(account="村里自己登记的一件，两家为排水沟的事吵了半个月。"))
    await copy.say(dispute(account="复制的电脑上写的一件，两家为一棵树的事吵了半个月。"))
    await exchange(hub.root, hub.village)
    with pytest.raises(Refused, match="lane_fork"):
        await hub.root.admission.admit(await batch_of(copy, VILLAGE, copy.signer.origin), "nroot2222")


async def put_out(hub: Hub) -> None:
    """The village's computer, with its copy."""
    heads = [(*lane, head.seq) for lane, head in (await hub.root.journal.heads()).items() if lane[1] == hub.village.signer.origin]
    await hub.root.desk.revoke_node(hub.village.signer.node, heads, "被复制")


def test_each_says_beforehand_what_it_does(desk, open_page):  # noqa: F811
    url, hub, run = desk
    run(hub.send())
    run(forked(hub))
    hub.app.state.renews = True
    page = open_page(f"{url}/people?text=陈立新", DESK, who=("operator", PASSWORD))
    page.locator("details.post summary").first.click()
    expect(page.get_by_role("link", name="先改派他的任务")).to_be_visible()
    both(page, "will-end")
    page.goto(f"{url}/cases/{hub.cases['田埂地界']}/dispatch")
    page.locator("#dispatch .will").scroll_into_view_if_needed()
    both(page, "will-send")
    page.goto(f"{url}/board")
    page.locator(f"#row-{hub.cases['田埂地界']} [data-row]").focus()
    page.keyboard.press("d")
    page.locator("#go-form .will").scroll_into_view_if_needed()
    expect(page.locator("#go-form .will")).to_contain_text("手机上会出现这一项任务")
    both(page, "will-send-pane")
    page.goto(f"{url}/forks")
    expect(page.get_by_label("为什么停用")).to_have_value("同一份身份在两台机器上")
    both(page, "will-renew")
    run(put_out(hub))
    page.reload()
    page.get_by_text("再发一个", exact=False).first.click()
    expect(page.get_by_role("button", name="再发一个登记码")).to_be_visible()
    expect(page.locator("details .will")).to_contain_text("还没有用的登记码都作废")
    both(page, "will-code-again")
