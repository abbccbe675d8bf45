"""Paper in one click: the button asks the browser to print, and what only a screen needs is not on the sheet."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.edge.rig import PASSWORD
from tests.edge.served import Served, nodes_of
from tests.kit.browser import DESK, PHONE, picture
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
nodes = nodes_of("village")
COUNTED = "window.printed = 0; window.print = () => { window.printed += 1; };"
SCREEN_ONLY = "header.bar, .skip, nav, form, button, .button, details.step, .linkstate, #live"
ON_PAPER = "(selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility() && e.getClientRects().length && !e.matches('.skip')).map((e) => e.outerHTML.slice(0, 90))"


@pytest.fixture
def desk(open_page: Callable, nodes: Served) -> Page:
    page = open_page(nodes.url["village"] + "/", DESK, who=("wangfang", PASSWORD))
    page.context.add_init_script(COUNTED)
    return page


@pytest.mark.parametrize(("path", "label", "shown"), [("/cases/{}", "打印这一页", "叶根土"), ("/calendar", "打印", "日程")])
def test_one_press_prints_what_belongs_on_paper(desk: Page, nodes: Served, path: str, label: str, shown: str):
    subject = nodes.do(lambda rig: rig.log("village"))
    desk.goto(nodes.url["village"] + path.format(subject))
    for size in (DESK, PHONE):
        desk.set_viewport_size(size)
        expect(desk.locator("header.bar")).to_be_visible()
        desk.get_by_role("button", name=label, exact=True).click()
    assert desk.evaluate("printed") == 2
    desk.emulate_media(media="print")
    assert desk.evaluate(ON_PAPER, SCREEN_ONLY) == []
    expect(desk.locator("main")).to_contain_text(shown)
    expect(desk.locator("h1")).to_be_visible()
    desk.set_viewport_size({"width": 680, "height": 1000})  # an A4 sheet within its margins
    picture(desk, f"paper-{label}")
    assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_folded_on_the_screen_is_open_on_paper(desk: Page, nodes: Served):
    desk.context.add_init_script("addEventListener('afterprint', () => { window.onPaper = document.querySelector('details.card').open; })")
    desk.goto(nodes.url["village"] + "/statistics")
    folded = desk.locator("details.card > dl")
    expect(folded).to_be_hidden()
    desk.pdf()
    assert desk.evaluate("onPaper") is True
    expect(folded).to_be_hidden()
