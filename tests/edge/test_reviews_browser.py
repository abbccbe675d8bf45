"""The page of what waits for a review in a real Chromium: read line by line, taken over by one press."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from protocol.commands import AcceptDispute, CallUpDispute, SignAgreement
from protocol.node import reviewing
from tests.edge.handed_in import hand_in, put_out
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, served
from tests.edge.test_losses_browser import signed_in
from tests.kit.browser import DESK, PHONE, look, picture
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id

pytestmark = needs_chromium


@pytest.fixture
def town(tmp_path) -> Iterator[Served]:
    with served(tmp_path, "town") as made:
        made.do(_handed)
        made.do(lambda _rig: made.serve("again"))
        yield made


async def _handed(rig: Rig) -> None:
    await put_out(rig)
    await hand_in(rig, "again", "town")


@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_a_computers_unsent_work_is_taken_over(town: Served, open_page, size, end):
    page = signed_in(town, open_page, size, "again", "wangfang", "/link")
    page.get_by_role("link", name="去核对").click()
    expect(page.locator(".line")).to_have_count(5)
    look(page, f"reviews{end}")
    picture(page, f"reviews-whole{end}", whole=True)
    page.locator(".line").first.get_by_role("button", name="采纳", exact=True).click()
    expect(page.locator(".line")).to_have_count(4)
    page.get_by_role("button", name="全部采纳").click()
    expect(page.locator(".saved")).to_contain_text("采纳了 3 条，还有 1 条要逐条看")
    look(page, f"reviews-done{end}")
    page.get_by_role("button", name="不采纳").click()
    expect(page.get_by_role("alert")).to_contain_text("理由")
    page.get_by_placeholder("理由").fill("村里自己调，不上报了")
    page.get_by_role("button", name="不采纳").click()
    expect(page.locator(".line")).to_have_count(0)
    page.goto(f"{town.url['again']}/cases?view=review")
    look(page, f"cases-review{end}")


def waiting(town: Served) -> int:
    """Entries that the village still has to decide about."""
    node = town.rig.nodes["again"]
    return town.do(lambda rig: reviewing.count(node.journal, rig.actor("again")))


@pytest.mark.parametrize("scripts", [True, False])
def test_a_key_in_a_reason_decides_nothing(town: Served, open_page, scripts):
    page = open_page(f"{town.url['again']}/reviews", DESK, who=("wangfang", PASSWORD), java_script_enabled=scripts)
    line = page.locator(".line").first
    reason = line.get_by_placeholder("理由")
    reason.fill("不是我们办的")
    for key in ("Enter", "Control+Enter"):
        reason.press(key)
        if scripts:
            expect(line.locator("[data-notice]")).to_contain_text("点按钮才算")
    expect(reason).to_have_value("不是我们办的")
    every = page.get_by_label("理由").first  # the one for all of this computer
    every.fill("先都不采纳")
    every.press("Enter")
    if scripts:
        look(page, "reviews-enter")
        page.set_viewport_size(PHONE)
        look(page, "reviews-enter-390")
    assert waiting(town) == 5
    line.get_by_role("button", name="不采纳").click()
    expect(page.locator(".line")).to_have_count(4)
    assert waiting(town) == 4


def test_a_refused_reason_stands_at_its_line(town: Served, open_page):
    page = signed_in(town, open_page, DESK, "again", "wangfang", "/reviews")
    page.locator(".line").nth(1).get_by_role("button", name="不采纳").click()
    line = page.locator(".line").nth(1)
    expect(line.get_by_role("alert")).to_contain_text("不采纳请另写理由")
    expect(line.get_by_placeholder("理由")).to_be_focused()
    look(page, "reviews-refused")
    page.set_viewport_size(PHONE)
    look(page, "reviews-refused-390")
    assert waiting(town) == 5


async def _crossed(rig: Rig) -> str:
    subject = await rig.log("village")
    await rig.say("village", AcceptDispute(id=new_id(), case=subject))
    await rig.everywhere()
    await rig.say("town", CallUpDispute(id=new_id(), case=subject, reason="两村都牵涉，镇里来办，先不要签。"))
    await rig.say("village", SignAgreement(id=new_id(), case=subject, terms=["界石立回原处，各退半尺。"], performance="三天内在现场履行"))
    await rig.everywhere()
    return subject


@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_what_prevailed_stands_beside_what_was_set_aside(tmp_path, open_page, size, end):
    with served(tmp_path, "town") as town:
        _beside(town, open_page, size, end)


def _beside(town: Served, open_page, size, end: str) -> None:
    subject = town.do(_crossed)
    page = signed_in(town, open_page, size, path=f"/cases/{subject}")
    won = page.locator("#timeline .line.aside .won")
    expect(won).to_contain_text("先不要签")
    look(page, f"case-prevailed{end}")
    if not end:  # beside it, not below
        said = page.locator("#timeline .line.aside .note").first.bounding_box()
        assert won.bounding_box()["x"] > said["x"] + said["width"] - 1
    won.get_by_role("link", name="提级").click()
    page.wait_for_url(re.compile("#"))
    expect(page.locator(page.url[page.url.index("#") :])).to_contain_text("提级")
    page.goto(f"{town.url['town']}/reviews")
    expect(page.locator(".won")).to_contain_text("先不要签")
    look(page, f"reviews-prevailed{end}")
