"""The desk in English, in a real Chromium: chosen before signing in, kept by the browser, and what people wrote stays as they wrote it."""

from collections.abc import Callable

import pytest

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


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("size", [DESK, PHONE])
def test_choosing_on_a_page_that_answered_a_form_loses_nothing_that_it_holds(
    open_page: Callable, nodes: Served, scripts: bool, size: dict[str, int]
):
    """The session is over: the sign-in page carries what was typed, and the form that comes back stands at no address either."""
    from playwright.sync_api import expect

    subject, name = nodes.do(lambda rig: rig.log("village")), f"english-carried-{size['width']}-{scripts}"
    page = open_page(f"{nodes.url['village']}/cases/{subject}/parties", size, who=("wangfang", PASSWORD), java_script_enabled=scripts)
    form = page.locator('form[action$="/AddParty"]')
    if not form.is_visible():
        page.locator("details.step:has(form[action$='/AddParty']) > summary").click()
    form.locator("[name=party_name]").fill("叶根土")
    page.context.clear_cookies()
    form.locator("button.main").click()
    expect(page.locator("h1")).to_have_text("登录")
    page.get_by_role("button", name="English").click()
    if scripts:
        expect(page.get_by_role("button", name="English ✓")).to_be_visible()
        expect(page.locator("header form.themes")).to_contain_text("从下一页起用")
        look(page, name)
    page.locator("[name=name]").fill("wangfang")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("#sign-in button.main").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(form.locator("[name=party_name]")).to_have_value("叶根土")
    page.locator("details.who summary").click()
    for button in ("Dark", "中文"):
        page.get_by_role("button", name=button).click()
        if scripts:
            expect(page.get_by_role("button", name=f"{button} ✓")).to_be_visible()
    if scripts:
        look(page, f"{name}-menu")
    expect(form.locator("[name=party_name]")).to_have_value("叶根土")
    page.goto(nodes.url["village"] + "/desk")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


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
