"""地图 in a real Chromium: by keyboard from the county to a case and back, live, without script, on small screens and in the dark."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.calendar import DAY_MS
from protocol.commands import LogDispute, Party
from tests.hub_pages.world import PASSWORD, Hub, served
from tests.kit.browser import DESK, OLD_PC, PHONE, look, picture
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import ROOT, TOWN, UNIT, VILLAGE, dispute, new_id

pytestmark = needs_chromium
TOWNS = ("330523001", "330523002", "330523103", "330523104", "330523110", "330523206")
TILE, BELOW = f"#tile-{TOWN.replace('/', '-')}", f"#tile-{VILLAGE.replace('/', '-')}"


@pytest.fixture
def county(tmp_path) -> Iterator[tuple[str, Hub, Callable[[Any], Any]]]:
    with served(tmp_path) as made:
        made[2](lived(made[1]))
        yield made


async def lived(hub: Hub) -> None:
    """Cases of several townships, in different numbers, of the county itself and of a window; some are past their date."""
    tables = hub.root.shelf()
    for n, town in enumerate(TOWNS):
        villages = tables.children(f"{ROOT}/{town}")
        for k in range(2 * n + 1):
            ledger = villages[k % len(villages)]
            words = {"type": ("0204", "1002", "0403")[k % 3], "parties": [Party("柏大海")], "title": "一件", "account": "一件。"}
            await hub.root.say(LogDispute(id=new_id(), ledger=ledger, **words), hub.actor())
        hub.county.clock.pass_ms(3 * DAY_MS)
    for ledger in (ROOT, UNIT):
        await hub.root.say(dispute(ledger, title="本级的"), hub.actor())


def at(page: Page) -> str:
    return page.evaluate("document.activeElement.getAttribute('aria-label') || ''")


def opened(open_page: Any, url: str, size: dict[str, int], path: str = "/map", **more: Any) -> Page:
    return open_page(url + path, size, who=("operator", PASSWORD), **more)


def test_by_keyboard_from_the_whole_to_a_case_and_back(county, open_page):
    url, _, _ = county
    page = opened(open_page, url, DESK)
    look(page, "map")
    page.keyboard.press("ArrowDown")  # from nowhere to the first tile
    assert at(page).startswith("递铺街道")
    page.keyboard.press("ArrowRight")
    assert at(page).startswith("昌硕街道")
    page.keyboard.press("ArrowUp")
    assert at(page).startswith("梅溪镇")
    page.keyboard.press("ArrowLeft")
    assert at(page).startswith("天子湖镇，在办")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="天子湖镇 · 在办")).to_be_visible()
    look(page, "map-villages")
    page.locator(BELOW).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases?view=open&place=**")
    count = page.locator("#total").inner_text()
    page.go_back()
    expect(page.locator(f"{BELOW} strong")).to_have_text(count)
    page.keyboard.press("Escape")
    page.wait_for_url(lambda there: "place" not in there)
    expect(page.locator(TILE)).to_be_focused()  # where one came from
    page.go_back()
    expect(page.get_by_role("link", name="返回上一级")).to_be_visible()


def test_it_stays_true_by_itself_and_keeps_the_focus(county, open_page):
    url, hub, run = county
    page = opened(open_page, url, DESK, "/map?heat=new")
    tile = page.locator(TILE)
    before = int(tile.locator("strong").inner_text())
    tile.focus()
    run(hub.root.say(dispute(VILLAGE, title="新来的一件"), hub.root.actor()))
    expect(tile.locator("strong")).to_have_text(str(before + 1))
    expect(tile).to_be_focused()
    look(page, "map-new")


def test_what_is_chosen_stands_in_the_address(county, open_page):
    url, _, _ = county
    page = opened(open_page, url, OLD_PC)
    page.get_by_label("看什么").get_by_role("link", name="超期").click()
    page.get_by_label("类型").select_option("02")
    page.get_by_role("button", name="看这一类").click()
    expect(page).to_have_url(f"{url}/map?heat=overdue&type=02")
    page.get_by_role("columnheader", name="超期").get_by_role("link").click()
    expect(page).to_have_url(f"{url}/map?heat=overdue&type=02&sort=overdue")
    expect(page.get_by_role("columnheader", name="超期")).to_have_attribute("aria-sort", "descending")
    look(page, "map-overdue")
    page.get_by_role("link", name="看全部类型").first.click()
    expect(page.get_by_label("类型")).to_have_value("")


def test_without_script_it_is_a_table_with_the_same_numbers(county, open_page):
    url, _, _ = county
    page = opened(open_page, url, OLD_PC, java_script_enabled=False)
    tile = int(page.locator(f"{TILE} strong").inner_text())
    row = page.get_by_role("row", name="天子湖镇")
    assert int(row.get_by_role("link").nth(1).inner_text()) == tile
    page.get_by_role("columnheader", name="在办").get_by_role("link").click()
    page.wait_for_url("**sort=open**")
    row.get_by_role("link").nth(1).click()
    assert page.locator("#total").inner_text() == str(tile)


def test_it_holds_on_a_small_screen_and_in_the_dark(county, open_page):
    url, _, _ = county
    page = opened(open_page, url, PHONE)
    look(page, "map-phone")
    picture(page, "map-phone-whole", whole=True)
    page.goto(f"{url}/map?place={TOWN}")
    look(page, "map-villages-phone")
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="dark")
    look(page, "map-villages-dark")
    page.goto(f"{url}/map")
    look(page, "map-dark")
    page.goto(f"{url}/map?heat=new&type=21")
    look(page, "map-empty")
