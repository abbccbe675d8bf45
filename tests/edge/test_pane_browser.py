"""A case that is opened beside the list: what is waited for says so and can be given up, what did not come says so and can be asked again."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.edge.rig import PASSWORD
from tests.edge.served import Served, nodes_of
from tests.kit.browser import DESK, OPENED, PHONE, asked, held, look
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
nodes = nodes_of("village", "town")
DRAWN = "addEventListener('htmx:after:swap', ({ detail: { ctx } }) => { if (ctx.sourceElement.id === 'live') window.drawn = true; })"
FAULTY = """() => { const real = fetch; window.fetch = (to, how) => String(to).endsWith("/peek")
  ? Promise.resolve(new Response("<h1>坏了</h1>", { status: 502 })) : real(to, how); }"""  # of a browser's own the console would tell


@pytest.fixture
def inbox(open_page: Callable, nodes: Served) -> Page:
    nodes.do(lambda rig: rig.a_busy_village())
    nodes.do(lambda rig: rig.everywhere())
    page = open_page(nodes.url["town"] + "/", DESK, who=("shen", PASSWORD))
    page.clock.install()
    page.add_init_script(DRAWN)
    page.goto(nodes.url["town"] + "/inbox")
    page.wait_for_function("() => window.drawn")  # a row pressed while it is redrawn opens as a page of its own
    expect(page.locator("#rows [data-row]")).to_have_count(2)
    return page


def both(page: Page, name: str) -> None:
    for end, size in (("-phone", PHONE), ("", DESK)):
        page.set_viewport_size(size)
        look(page, name + end)


def test_a_pane_that_is_waited_for_says_so_and_is_given_up(inbox: Page):
    peeks, pane = held(inbox, "**/peek"), inbox.locator("#peek")
    first, second = inbox.locator("#rows [data-row]").all()
    first.focus()
    inbox.keyboard.press("Enter")
    waits = pane.get_by_role("status")
    inbox.clock.fast_forward(1_000)
    expect(waits).to_have_text("正在打开…")
    expect(first).to_have_attribute("aria-busy", "true")
    expect(pane.get_by_role("button")).to_have_count(0)
    both(inbox, "pane-waits")
    inbox.keyboard.press("Enter")
    inbox.clock.fast_forward(9_000)
    expect(waits).to_contain_text("还没有回答。")
    both(inbox, "pane-waits-long")
    expect(first).to_be_focused()
    with inbox.expect_event("requestfailed"):
        pane.get_by_role("button", name="不等了").press("Enter")
    expect(waits).to_have_count(0)
    expect(first).to_be_focused()
    expect(first).not_to_have_attribute("aria-busy", "true")
    assert len(peeks) == 1, "pressed twice, asked once"
    inbox.keyboard.press("ArrowDown")
    inbox.unroute("**/peek")
    inbox.keyboard.press("Enter")
    expect(pane).to_be_focused()
    expect(pane).to_contain_text(second.inner_text())
    inbox.keyboard.press("Escape")
    expect(second).to_be_focused()


def test_what_was_asked_last_stands_in_the_pane(inbox: Page):
    peeks, pane = held(inbox, "**/peek"), inbox.locator("#peek")
    first, second = inbox.locator("#rows [data-row]").all()
    first.click()
    inbox.clock.fast_forward(1_000)
    expect(pane.get_by_role("status")).to_have_text("正在打开…")
    with inbox.expect_event("requestfailed"):
        second.click()
    expect(pane.get_by_role("status")).to_have_count(0)
    inbox.clock.fast_forward(1_000)
    expect(pane.get_by_role("status")).to_have_count(1)
    asked(inbox, peeks, 2).continue_()
    expect(pane).to_contain_text(second.inner_text())
    expect(pane.get_by_role("status")).to_have_count(0)


def test_a_pane_that_comes_late_leaves_the_cursor_with_whoever_writes_by_then(inbox: Page):
    peeks, pane, search = held(inbox, "**/peek"), inbox.locator("#peek"), inbox.locator("#search")
    row = inbox.locator("#rows [data-row]").first
    row.click()
    expect(row).to_be_focused()
    search.press_sequentially("田")
    inbox.evaluate(OPENED)
    asked(inbox, peeks, 1).continue_()
    inbox.wait_for_function("() => window.opened")
    expect(pane).to_contain_text(row.inner_text())
    expect(search).to_be_focused()
    expect(search).to_have_value("田")


def test_what_did_not_come_says_so_and_is_asked_again(inbox: Page):
    pane, row = inbox.locator("#peek"), inbox.locator("#rows [data-row]").first
    inbox.route("**/peek", lambda route: route.abort())
    row.focus()
    inbox.keyboard.press("Enter")
    told = pane.get_by_role("alert")
    expect(told).to_contain_text("没有打开，请再试一次；还不行请告诉管理员。")
    expect(row).to_be_focused()
    both(inbox, "pane-failed")
    again = pane.get_by_role("button", name="再试一次")
    again.focus()
    inbox.keyboard.press("Enter")
    expect(told).to_have_count(1)
    expect(row).to_be_focused()
    inbox.unroute("**/peek")
    again.click()
    expect(pane).to_contain_text(row.inner_text())
    expect(told).to_have_count(0)
    expect(pane).to_be_focused()


def test_a_fault_on_the_way_leaves_the_pane_as_it_was(inbox: Page):
    pane, (first, second) = inbox.locator("#peek"), inbox.locator("#rows [data-row]").all()
    first.click()
    expect(pane).to_contain_text(first.inner_text())
    inbox.evaluate(FAULTY)
    second.click()
    expect(pane.get_by_role("alert").first).to_contain_text("没有打开")
    expect(pane).to_contain_text(first.inner_text())
    expect(pane).not_to_contain_text("坏了")
    both(inbox, "pane-fault")
