"""The desk in English, in a real Chromium: chosen before signing in, kept by the browser, and what people wrote stays as they wrote it."""

from collections.abc import Callable

from protocol.commands import CorrectDispute
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of
from tests.edge.test_today_browser import busy
from tests.kit.browser import DESK, PHONE, look, sign_in
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id

pytestmark = needs_chromium


nodes = nodes_of("village", "town")


def in_english(page, who: str):
    page.get_by_role("button", name="English").click()
    page.wait_for_load_state()
    return sign_in(page, who, PASSWORD)


def test_english_is_chosen_once_and_stays_until_chinese_is_chosen(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    page = open_page(nodes.url["village"] + "/sign-in", DESK)
    expect(page.locator("h1")).to_have_text("登录")
    page = in_english(page, "wangfang")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#nav")).to_contain_text("Today")
    page.locator("details.who summary").click()
    page.get_by_role("button", name="中文").click()
    page.wait_for_load_state()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#nav")).to_contain_text("今天")


def test_a_title_that_is_a_word_of_ours_is_shown_as_it_was_typed(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    async def titled(rig: Rig) -> str:
        subject = await rig.log("village")
        await rig.say("village", CorrectDispute(id=new_id(), case=subject, field="title", value="待核对", reason="登记"))
        return subject

    subject = nodes.do(titled)
    page = in_english(open_page(nodes.url["village"] + "/sign-in", DESK), "wangfang")
    page.goto(f"{nodes.url['village']}/cases/{subject}")
    expect(page.locator("h1")).to_have_text("待核对")
    expect(page.locator("#timeline")).to_contain_text("登记")  # the reason
    expect(page.locator("#timeline")).to_contain_text("Correct")


def test_the_main_pages_fit_in_english_too(open_page: Callable, nodes: Served):
    nodes.do(busy)
    page = open_page(nodes.url["village"] + "/sign-in", DESK)
    page.get_by_role("button", name="English").click()
    page.wait_for_load_state()
    for size, end in ((DESK, ""), (PHONE, "-phone")):
        page.set_viewport_size(size)
        look(page, f"english-sign-in{end}")
    page = in_english(page, "wangfang")
    page.goto(nodes.url["village"] + "/cases")
    case = page.locator("a[data-row]").first.get_attribute("href")
    for path, name in (
        (case, "case"),
        ("/desk", "desk"),
        ("/today", "today"),
        ("/cases", "cases"),
        ("/link", "link"),
        ("/calendar", "calendar"),
    ):
        page.goto(nodes.url["village"] + path)
        for size, end in ((DESK, ""), (PHONE, "-phone")):
            page.set_viewport_size(size)
            look(page, f"english-{name}{end}")
