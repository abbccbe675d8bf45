"""What is pressed twice is done once: a double click, two tabs, the way back. Forms that htmx sends and those that the browser sends itself."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.edge.rig import PASSWORD
from tests.edge.served import Served, nodes_of
from tests.kit import browser
from tests.kit.browser import DESK
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
ACCOUNT = "两家的水沟堵了，都说是对方倒的土，雨天水往屋里灌。"


nodes = nodes_of("village")


def clerk(open_page: Callable, nodes: Served, **more: object) -> Page:
    return open_page(nodes.url["village"] + "/", DESK, who=("wangfang", PASSWORD), **more)


def kinds(nodes: Served, subject: str) -> list[str]:
    return [line.kind for line in nodes.do(lambda rig: rig.case("village", subject)).lines]


def logged(nodes: Served) -> list[str]:
    return [row.subject for row in nodes.do(lambda rig: rig.nodes["village"].reads.cases(rig.actor("village"))).rows]


def fill(page: Page) -> None:
    page.get_by_label("什么事").fill(ACCOUNT)
    page.get_by_label("当事人").fill("叶根土")


def test_a_double_click_and_a_key_pressed_twice_save_once(open_page: Callable, nodes: Served):
    """The second falls on a button that is off by then, or on the empty form of the next case."""
    page = clerk(open_page, nodes)
    fill(page)
    page.locator("#log button.main").dblclick()
    expect(page.locator("#log .saved")).to_be_visible()
    assert len(logged(nodes)) == 1
    page.locator("#log .saved").get_by_role("link").first.click()
    page.locator("#step-AddNote > summary").click()
    page.locator("#AddNote-text").fill("夜里又打电话来。")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#said")).to_contain_text("备注：已存本机")
    assert kinds(nodes, logged(nodes)[0]) == ["DisputeLogged", "NoteAdded"]
    page.go_back()  # a form that was saved is not there to be sent again
    expect(page.get_by_label("什么事")).to_have_value("")
    page.locator("#log button.main").click()
    expect(page.locator("#log [role=alert]")).to_be_visible()
    assert len(logged(nodes)) == 1


def test_what_is_pressed_before_any_timer_ran_is_sent_as_ever(open_page: Callable, nodes: Served):
    """A browser lets keys pass before timers: on a slow PC whoever types at once is ahead of them."""
    page = clerk(open_page, nodes)
    page.add_init_script("{ const real = setTimeout; window.setTimeout = (go, ms, ...more) => real(go, ms || 1500, ...more); }")
    page.reload()
    page.evaluate("globalThis.stayed = true")
    fill(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#log .saved")).to_be_visible()
    assert page.evaluate("globalThis.stayed"), "the page was not asked for anew"
    assert len(logged(nodes)) == 1


def test_a_form_whose_answer_is_lost_is_pressed_again_and_is_one_command(open_page: Callable, nodes: Served):
    """Without scripts, so that nothing in the page holds the second one back: each form is what it is by its own id."""
    page = clerk(open_page, nodes, java_script_enabled=False)

    def press(button: str) -> None:
        lost: list[int] = []

        def lose(route: Route) -> None:
            if lost or route.request.method != "POST":
                return route.fallback()
            lost.append(route.fetch(max_redirects=0).status)
            return route.abort("aborted")

        page.route("**/*", lose)
        page.locator(button).click()
        while not lost:
            page.wait_for_timeout(50)
        assert lost[0] < 400
        page.locator(button).click()
        page.unroute("**/*", lose)

    fill(page)
    press("#log button.main")
    page.wait_for_url("**/cases/*")
    (subject,) = logged(nodes)
    page.goto(f"{nodes.url['village']}/cases/{subject}?step=AddNote")
    page.locator("#AddNote-text").fill("夜里又打电话来。")
    press("#form-AddNote button.main")
    expect(page.locator("#said")).to_contain_text("备注：已存本机")
    page.locator("#step-files > summary").click()
    page.locator("#step-files-input").set_input_files({"name": "沟.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 one page"})
    press("#step-files button.main")
    expect(page.locator("#files")).to_contain_text("沟.pdf")
    assert kinds(nodes, subject) == ["DisputeLogged", "NoteAdded", "EvidenceAdded"]


def test_two_tabs_do_one_step_once(open_page: Callable, nodes: Served, monkeypatch):
    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|status of 409"))  # what the second is told
    subject = nodes.do(lambda rig: rig.log("village"))
    first = clerk(open_page, nodes)
    second = first.context.new_page()
    for page in (first, second):
        page.goto(f"{nodes.url['village']}/cases/{subject}")
        page.locator("#form-AcceptDispute button.main").wait_for(state="attached")
    for page in (first, second):  # at once, or the second has heard of it and offers the step no more
        page.evaluate("document.querySelector('#form-AcceptDispute button.main')?.click()")
    for page in (first, second):
        expect(page.locator("#case-head")).to_contain_text("已受理")
    assert kinds(nodes, subject) == ["DisputeLogged", "DisputeAccepted"]
