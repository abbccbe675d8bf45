"""统计 of a place with others below in a real Chromium: the bars are drawn by the page itself, in the dark and on a small screen."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from protocol.commands import CloseDispute
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, served
from tests.kit.browser import DESK, OLD_PC, PHONE, asked, held, look, picture
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id

pytestmark = needs_chromium
GIVES_UP = """() => new MutationObserver((_, once) => {
  const going = document.querySelector(".going");
  if (going) { sessionStorage.told = going.innerText; going.querySelector("button").click(); once.disconnect(); }
}).observe(document.querySelector("#main"), { childList: true })"""


@pytest.fixture
def town(tmp_path) -> Iterator[Served]:
    with served(tmp_path, "town") as made:

        async def lived(rig: Rig) -> None:
            cases = await rig.a_busy_village()
            await rig.say("village", CloseDispute(id=new_id(), case=cases[1], ending="agreement", result="粮油钱给了"))
            await rig.everywhere()

        made.do(lived)
        yield made


def test_an_officer_drills_from_the_menu_to_the_cases(town: Served, open_page):
    page = open_page(f"{town.url['town']}/", OLD_PC, who=("shen", PASSWORD))
    page.get_by_role("link", name="统计").click()
    for chart in ("months", "types", "places"):
        expect(page.locator(f"#chart-{chart}")).to_be_visible()
    assert page.locator("script[src*=statistics]").count() == 0
    assert page.locator("#chart-months text").all_text_contents() == ["6"]
    bar = page.locator("#chart-places .lies", has_text="高禹村")
    whole, resolved = (bar.locator(of).bounding_box() for of in ("svg", "rect.good"))
    assert whole and resolved and bar.locator(".num").inner_text() == "6"
    assert abs(resolved["width"] / whole["width"] - 1 / 6) < 0.02, "one of six was resolved"
    look(page, "town-statistics")
    bar.click()
    expect(page.locator("#total")).to_have_text("6")
    page.go_back()
    page.get_by_role("row", name="高禹村").get_by_role("link").nth(0).click()
    expect(page.locator("#total")).to_have_text("6")
    with page.expect_download() as file:
        page.get_by_role("link", name="导出 xlsx").click()
    assert file.value.suggested_filename.endswith(".xlsx")
    page.go_back()
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(DESK)
    page.wait_for_timeout(300)
    look(page, "town-statistics-dark")
    page.emulate_media(color_scheme="light", media="print")
    picture(page, "town-statistics-print")
    page.emulate_media(media="screen")
    page.set_viewport_size(PHONE)
    look(page, "town-statistics-phone")


def test_what_takes_long_says_so_is_asked_once_and_can_be_given_up(town: Served, open_page):
    page = open_page(f"{town.url['town']}/statistics", DESK, who=("shen", PASSWORD))
    making = held(page, re.compile(r"/statistics(\.xlsx|\?period=year)"))
    button, said = page.get_by_role("link", name="导出 xlsx"), page.get_by_text("正在做这个文件")
    button.click()
    expect(said).to_be_visible()
    button.click()
    look(page, "statistics-making")
    asked(page, making, 1)
    assert len(making) == 1, "pressed twice, asked once"
    page.get_by_role("button", name="取消").click()
    expect(said).to_have_count(0)
    button.click()
    expect(said).to_be_visible()
    with page.expect_download() as file:
        asked(page, making, 2).continue_()
    assert file.value.suggested_filename.startswith("统计 ") and file.value.suggested_filename.endswith(".xlsx")
    expect(said).to_have_count(0)
    button.click()
    expect(said).to_be_visible()
    asked(page, making, 3).fulfill(status=422)
    expect(page.get_by_role("alert")).to_have_text("没有做成，请再点一次。")
    page.evaluate(GIVES_UP)
    year = page.get_by_role("link", name="今年", exact=True)
    year.dblclick(no_wait_after=True)
    page.wait_for_function("() => sessionStorage.told")
    assert page.evaluate("sessionStorage.told").startswith("正在算")
    asked(page, making, 4)
    assert len(making) == 4, "pressed twice, asked once"
    expect(page.locator(".going")).to_have_count(0)
    page.unroute_all()
    year.click()
    expect(year).to_have_attribute("aria-current", "page")
