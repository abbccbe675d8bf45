"""统计 of a place with others below in a real Chromium: the charts are drawn there too, in the dark and on a small screen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, served
from tests.kit.browser import DESK, OLD_PC, PHONE, look, sign_in
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium


@pytest.fixture
def town(tmp_path) -> Iterator[Served]:
    with served(tmp_path, "town") as made:

        async def lived(rig: Rig) -> None:
            await rig.a_busy_village()
            await rig.everywhere()

        made.do(lived)
        yield made


def test_an_officer_drills_from_the_menu_to_the_cases(town: Served, open_page):
    page = open_page(f"{town.url['town']}/sign-in", OLD_PC)
    sign_in(page, "shen", PASSWORD)
    page.get_by_role("link", name="统计").click()
    for chart in ("months", "types", "places"):
        expect(page.locator(f"#chart-{chart} svg")).to_be_visible()
    look(page, "town-statistics")
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
    page.set_viewport_size(PHONE)
    look(page, "town-statistics-phone")
