"""Light, dark and paper in a real Chromium: chosen under one's name, kept by the browser, contrast AA on every page looked at."""

from collections.abc import Callable

from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of
from tests.kit.browser import DESK, look, picture
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
DARK_GROUND = "rgb(18, 22, 27)"


nodes = nodes_of("village")


def ground(page) -> str:
    return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")


def test_dark_is_chosen_once_and_holds_its_contrast_everywhere(open_page: Callable, nodes: Served):
    subjects = nodes.do(Rig.a_busy_village)
    page = open_page(nodes.url["village"] + f"/cases/{subjects[0]}", DESK, who=("wangfang", PASSWORD))
    assert ground(page) != DARK_GROUND
    page.locator("details.who summary").click()
    page.get_by_role("button", name="深色").click()
    page.wait_for_url("**/cases/*")
    for path in (f"/cases/{subjects[0]}", "/desk", "/today", "/cases", "/tasks", "/link"):
        page.goto(nodes.url["village"] + path)
        assert ground(page) == DARK_GROUND
        look(page, f"dark-{path.strip('/').split('/')[0]}")
    page.locator("details.who summary").click()
    page.get_by_role("button", name="随电脑").click()
    page.wait_for_load_state()
    assert ground(page) != DARK_GROUND
    page.emulate_media(color_scheme="dark")
    assert ground(page) == DARK_GROUND


INKS = """() => ["ink", "soft", "act", "good", "soon", "late", "good-bg", "late-bg", "soon-bg", "act-bg", "heat-3", "card"]
  .map((name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`)).concat(getComputedStyle(document.documentElement).colorScheme)"""


def test_on_paper_stands_what_was_written_and_no_button(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    subjects = nodes.do(Rig.a_busy_village)
    page = open_page(nodes.url["village"] + f"/cases/{subjects[0]}", DESK, who=("wangfang", PASSWORD))
    page.emulate_media(media="print")
    by_day = page.evaluate(INKS)
    for chosen in ("", "dark"):  # as the computer has it, or under the name: paper is white for everybody
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("chosen => { if (chosen) document.documentElement.dataset.theme = chosen }", chosen)
        assert page.evaluate(INKS) == by_day, chosen or "随电脑"
    look(page, "print-case-in-the-dark")
    assert page.evaluate("matchMedia('print').matches")
    expect(page.locator("header.bar")).to_be_hidden()
    expect(page.locator("#timeline")).to_be_visible()
    assert page.locator("button:visible, form:visible").count() == 0
    picture(page, "print-case", whole=True)
