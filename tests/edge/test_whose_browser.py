"""One computer, two clerks, in a real Chromium: a page goes on as its own person's, whoever has signed in since, and says so."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of
from tests.edge.test_drafts_browser import WORDS, another_clerk, drafts_of
from tests.kit import browser
from tests.kit.browser import DESK, PHONE, look, sign_in
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
nodes = nodes_of("village", after=another_clerk)


@pytest.fixture(autouse=True)
def _refusals_are_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|status (of )?409"))


def clerk(open_page: Callable, nodes: Served, size: dict[str, int] = DESK) -> Page:
    page = open_page(nodes.url["village"] + "/", size, who=("wangfang", PASSWORD))
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def other_signs_in(page: Page) -> None:
    """In another tab of the same browser."""
    tab = page.context.new_page()
    tab.goto(page.url)
    tab.locator("details.who summary").click()
    tab.get_by_role("button", name="退出登录").click()
    tab.wait_for_url("**/sign-in*")
    sign_in(tab, "lihong", PASSWORD)


def write(page: Page) -> None:
    page.fill("#party_name", "叶根土")
    page.fill("#account", WORDS)


def authors(nodes: Served) -> list[str]:
    """Who logged each case of the village."""

    async def read(rig: Rig) -> list[str]:
        reads = rig.nodes["village"].reads
        rows = (await reads.cases(rig.actor("village"))).rows
        heads = [(await rig.case("village", row.subject)).lines[0].head for row in rows]
        return [await reads.person_name(head.author[0]) for head in heads]

    return nodes.do(read)


def in_dialog(page: Page, account: str) -> None:
    box = page.locator("#again")
    box.get_by_label("账号").fill(account)
    box.get_by_label("密码").fill(PASSWORD)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_a_form_is_not_saved_for_whoever_signed_in_in_another_tab(open_page: Callable, nodes: Served, size, end):
    page = clerk(open_page, nodes, size)
    if end:
        page.goto(f"{nodes.url['village']}/cases/new")
    other_signs_in(page)
    page.bring_to_front()
    write(page)
    expect(page.locator("#log [data-kept-note]")).to_contain_text("这一页是王芳打开的，现在登录的是李红")
    page.locator("#log button.main").click()
    refused = page.locator("#log [data-summary]")
    expect(refused).to_contain_text("现在登录的是李红：什么也没有存下")
    expect(page.locator("#account")).to_have_value(WORDS)
    assert (authors(nodes), drafts_of(nodes)) == ([], [])
    look(page, f"whose-refused{end}")
    refused.get_by_role("button", name="重新登录").click()
    expect(page.locator("#again")).to_contain_text("现在登录的是李红")
    look(page, f"whose-dialog{end}")
    in_dialog(page, "wangfang")
    expect(page.locator("#log .saved")).to_contain_text("已登录，请再点一次保存")
    page.locator("#log button.main").click()
    expect(page.locator("#log .saved")).to_contain_text("已登记")
    assert authors(nodes) == ["王芳"]


def test_another_who_signs_in_in_the_dialog_of_a_page_does_not_get_its_words(open_page: Callable, nodes: Served):
    page = clerk(open_page, nodes)
    write(page)
    expect(page.locator("#log [data-kept-note]")).to_contain_text("草稿已存本机")
    page.context.clear_cookies()
    page.locator("#log button.main").click()
    in_dialog(page, "lihong")
    told = page.locator("#again [role=alert]")
    expect(told).to_contain_text("这一页是王芳打开的，要王芳来登录")
    look(page, "whose-dialog-other")
    assert not [cookie for cookie in page.context.cookies() if cookie["name"] == "yidi"]
    in_dialog(page, "wangfang")
    expect(page.locator("#log .saved")).to_contain_text("已登录，请再点一次保存")
    expect(page.locator("#account")).to_have_value(WORDS)
    page.locator("#log button.main").click()
    expect(page.locator("#log .saved")).to_contain_text("已登记")
    assert authors(nodes) == ["王芳"]


@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_a_form_that_the_browser_sends_itself_is_given_back_to_its_own_person(open_page: Callable, nodes: Served, size, end):
    subject = nodes.do(lambda rig: rig.log("village"))
    page = clerk(open_page, nodes, size)
    page.goto(f"{nodes.url['village']}/cases/{subject}/parties")
    page.locator("#party-new summary").first.click()
    form = page.locator("#add-party")
    form.locator("[name=party_name]").fill("汤菊花")
    form.locator("[name=reason]").fill(WORDS)
    other_signs_in(page)
    page.bring_to_front()
    form.locator("button.main").click()
    expect(page.get_by_role("alert")).to_contain_text("这些是王芳打开的页上写的，现在登录的是李红")
    expect(page.locator("main dl")).to_contain_text(WORDS)
    look(page, f"whose-sign-in{end}")
    sign_in(page, "wangfang", PASSWORD)
    expect(page.locator("#add-party [name=reason]")).to_have_value(WORDS)
    page.locator("#add-party button.main").click()
    page.wait_for_url(f"**/cases/{subject}*")
    assert [line.kind for line in nodes.do(lambda rig: rig.case("village", subject)).lines] == ["DisputeLogged", "PartyAdded"]


def test_a_page_whose_line_comes_back_says_that_somebody_else_is_signed_in(open_page: Callable, nodes: Served):
    page = clerk(open_page, nodes)
    other_signs_in(page)
    page.bring_to_front()
    nodes.halt("village")
    nodes.resume("village")
    expect(page.locator("#stale")).to_contain_text("登录的人或岗位已经不是打开这一页时的")
