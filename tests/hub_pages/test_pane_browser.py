"""What the board opens beside its list: 派单, 催办 and the cadres of another place say that they are waited for, and what did not come is asked again."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.hub_pages.world import PASSWORD, Hub, served
from tests.kit.browser import DESK, OPENED, PHONE, asked, held, look
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium


@pytest.fixture
def county(tmp_path) -> Iterator[tuple[str, Hub, Callable[[Any], Any]]]:
    with served(tmp_path) as made:
        yield made


def shown(words: Locator, name: str) -> None:
    for end, size in (("-phone", PHONE), ("", DESK)):
        words.page.set_viewport_size(size)
        words.scroll_into_view_if_needed()
        look(words.page, name + end)


def opened(open_page: Callable, url: str) -> Page:
    board = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    board.clock.install()
    board.goto(f"{url}/board")
    expect(board.locator("#board-rows tr")).to_have_count(7)
    return board


def test_a_cadre_that_is_urged_from_the_board_is_waited_for_in_its_pane(county, open_page):
    url, hub, run = county
    run(hub.sign_in("operator"))
    run(hub.send())
    hub.county.clock.pass_ms(40 * 60_000)
    board = opened(open_page, url)
    urged = held(board, re.compile("/ask/UrgeTask"))
    pane, link = board.locator("#dispatch"), board.get_by_role("link", name="催办：")
    link.focus()
    board.keyboard.press("Enter")
    board.clock.fast_forward(10_000)
    expect(pane.get_by_role("status")).to_contain_text("还没有回答。")
    expect(link).to_be_focused()
    shown(pane.get_by_role("status"), "board-pane-waits")
    asked(board, urged, 1).continue_()
    expect(pane.get_by_role("button", name="催办")).to_be_visible()
    expect(pane.get_by_text("还没有回答。")).to_have_count(0)


def test_a_slip_and_the_cadres_of_another_place_are_asked_for_again(county, open_page):
    url, _, _ = county
    board = opened(open_page, url)
    board.route("**/dispatch*", lambda route: route.abort())
    pane = board.locator("#dispatch")
    board.get_by_label("派单：田埂地界").focus()
    board.keyboard.press("d")
    expect(pane.get_by_role("alert")).to_contain_text("没有打开")
    shown(pane.get_by_role("alert"), "board-pane-failed")
    board.unroute("**/dispatch*")
    pane.get_by_role("button", name="再试一次").press("Enter")
    place = pane.get_by_label("去哪里")
    expect(place).to_be_focused()
    board.route("**/dispatch?only=cadres*", lambda route: route.abort())
    places = place.locator("option").all()
    place.select_option(places[-1].get_attribute("value"))
    told = pane.locator("#go-choice").get_by_role("alert")
    expect(told).to_contain_text("没有打开")
    shown(told, "board-cadres-failed")
    board.unroute("**/dispatch?only=cadres*")
    with board.expect_response("**/dispatch?only=cadres*"):
        told.get_by_role("button", name="再试一次").click()
    expect(told).to_have_count(0)
    expect(place).to_be_focused()


def test_a_pane_that_comes_late_leaves_the_cursor_with_whoever_writes_by_then(county, open_page):
    url, _, _ = county
    board = opened(open_page, url)
    dispatches = held(board, "**/dispatch")
    board.get_by_label("派单：田埂地界").click()
    search = board.locator("#search")
    search.press_sequentially("田")
    board.evaluate(OPENED)
    asked(board, dispatches, 1).continue_()
    board.wait_for_function("() => window.opened")
    expect(board.locator("#dispatch").get_by_label("去哪里")).to_be_visible()
    expect(search).to_be_focused()
    expect(search).to_have_value("田")
