"""Two histories of one lane in a real Chromium: read side by side, decided about entry by entry; a stopped machine says so on every page."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from protocol.problem import Refused
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, served
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import VILLAGE, batch_of, dispute

pytestmark = needs_chromium


@pytest.fixture
def village(tmp_path) -> Iterator[Served]:
    with served(tmp_path, "village") as rig:
        rig.do(forked)
        yield rig


async def forked(rig: Rig) -> None:
    """A copy of the village's computer wrote two disputes; the village itself wrote one. It heard of the other history."""
    here, copy = rig.nodes["village"], await rig.county.node("village", folder="copy")
    origin = here.signer.origin
    await copy.admission.admit(await batch_of(here.node, VILLAGE, origin), "nroot2222")
    await rig.log("village", 1)
    for n in (3, 5):
        await copy.say(dispute(account=f"复制的电脑上写的第 {n} 件，两家为了排水沟的事吵了半个月，要村里去看。"), rig.actor("village"))
    with pytest.raises(Refused, match="lane_fork"):
        await here.node.admission.admit(await batch_of(copy, VILLAGE, origin), "nroot2222")
    assert here.forks.is_forked
    here.node.stopped, here.node.folder = (lambda: "node_forked"), rig.county.folder / "village"  # as the program says it
    here.node.about = SimpleNamespace(node=here.node.signer.node, name="")
    here.node.identity = SimpleNamespace(about=lambda: here.node.about)


@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_both_histories_are_read_and_one_entry_is_contested_one_adopted(village: Served, open_page, size, end):
    page = open_page(f"{village.url['village']}/", size, who=("wangfang", PASSWORD))
    expect(page.get_by_role("alert")).to_contain_text("这台电脑的数据被复制过")
    page.goto(f"{village.url['village']}/link")
    expect(page.get_by_role("heading", name="用新的登记码恢复使用")).to_be_visible()
    look(page, f"link-stopped{end}")
    page.fill("#renew-code", "不是登记码")
    page.get_by_role("button", name="恢复使用").click()
    expect(page.locator("#renew")).to_contain_text("登记码不对")
    page.get_by_role("link", name="去核对").click()
    expect(page.get_by_role("button", name="采纳", exact=True)).to_have_count(0)
    village.rig.nodes["village"].node.stopped = lambda: ""  # it goes on: as another node in truth
    page.reload()
    expect(page.get_by_role("heading", name="先收到的一份")).to_be_visible()
    second = page.locator(".sides > div").nth(1)
    expect(second.locator(".line")).to_have_count(2)
    look(page, f"forks{end}")
    second.get_by_role("button", name="不采纳").first.click()
    expect(page.locator(".sides > div").nth(1).locator(".tag")).to_have_text(["没有采纳"])
    page.get_by_role("button", name="采纳", exact=True).click()
    expect(page.locator(".sides > div").nth(1).locator(".tag")).to_have_text(["没有采纳", "已采纳，重新写入"])
    expect(page.get_by_text("都核对过了")).to_be_visible()
    look(page, f"forks-decided{end}")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_key_in_a_reason_decides_nothing(village: Served, open_page, scripts):
    page = open_page(f"{village.url['village']}/", DESK, who=("wangfang", PASSWORD), java_script_enabled=scripts)
    village.rig.nodes["village"].node.stopped = lambda: ""
    page.goto(f"{village.url['village']}/forks")
    second = page.locator(".sides > div").nth(1)
    reason = second.get_by_placeholder("理由").first
    reason.fill("那天没有人来过")
    for key in ("Enter", "Control+Enter"):
        reason.press(key)
        if scripts:
            expect(second.locator("[data-notice]")).to_contain_text("点按钮才算")
    expect(reason).to_have_value("那天没有人来过")
    if scripts:
        look(page, "forks-enter")
        page.set_viewport_size(PHONE)
        look(page, "forks-enter-390")
    page.reload()
    expect(second.get_by_role("button", name="不采纳")).to_have_count(2)
    second.get_by_placeholder("理由").first.fill("那天没有人来过")
    second.get_by_role("button", name="不采纳").first.click()
    expect(second.locator(".tag")).to_have_text(["没有采纳"])
