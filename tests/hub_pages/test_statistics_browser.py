"""统计 in a real Chromium: charts are drawn from what the tables say, a name drills, a number opens its list, files come down; axe, phone, dark."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.calendar import DAY_MS
from protocol.commands import CloseDispute, LogDispute, Party, SetRisk, SignAgreement
from tests.hub_pages.world import PASSWORD, Hub, served
from tests.kit.browser import DESK, PHONE, look, picture
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import ROOT, VILLAGE, new_id

pytestmark = needs_chromium
LONG = "浙江省湖州市安吉县天子湖镇高禹村第十二村民小组全体承包经营户联合推举的代表"


@pytest.fixture
def county(tmp_path) -> Iterator[tuple[str, Hub, Callable[[Any], Any]]]:
    with served(tmp_path) as made:
        run, hub = made[2], made[1]
        run(lived(hub))
        yield made


async def lived(hub: Hub) -> None:
    """More types and ways, endings, a long name, and one case of last month."""
    officer, root = hub.actor(), hub.root
    for n, (type_, intake, ledger) in enumerate(
        [
            ("0101", "phone", VILLAGE),
            ("1401", "police", ROOT),
            ("0403", "petition", VILLAGE),
            ("1201", "online", ROOT),
            ("0801", "patrol", VILLAGE),
        ]
    ):
        parties = [Party(LONG if n == 0 else "柏大海", phone=f"1390000000{n}")]
        words = {"type": type_, "intake": intake, "parties": parties, "title": "一件", "account": "一件。", "amount_fen": n * 1_000_000}
        case = (await root.say(LogDispute(id=new_id(), ledger=ledger, **words), officer)).subject
        if n % 2:
            await root.say(SetRisk(id=new_id(), case=case, risk="red", reason="动过手"), officer)
            continue
        await root.say(CloseDispute(id=new_id(), case=case, ending="withdrawn", result="不要求了"), officer)
    case = hub.cases["田埂地界"]
    await root.say(SignAgreement(id=new_id(), case=case, terms=["界石立回原处。"], performance="当面办完。"), officer)
    await root.say(CloseDispute(id=new_id(), case=case, ending="agreement", result="办完了"), officer)
    hub.county.clock.pass_ms(9 * DAY_MS)


def bars(page: Page, chart: str) -> int:
    return page.locator(f"#chart-{chart} svg path").count()


def test_a_reader_follows_a_number_to_its_cases_and_takes_them_along(county, open_page, tmp_path: Path):
    url, _, _ = county
    page = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    page.get_by_role("link", name="统计").click()
    for chart in ("months", "types", "places"):
        expect(page.locator(f"#chart-{chart} svg")).to_be_visible()
        assert bars(page, chart) > 5
        assert page.locator(f"#chart-{chart}").get_attribute("aria-label"), "a chart says in words what it shows"
    look(page, "statistics")
    page.get_by_role("row", name="天子湖镇").get_by_role("link", name="天子湖镇").click()
    expect(page).to_have_url(f"{url}/statistics?place=330523%2F330523111")
    page.get_by_role("row", name="邻里").get_by_role("link", name="邻里").click()
    expect(page.get_by_role("row", name="界址围墙")).to_be_visible()
    look(page, "statistics-drilled")
    with page.expect_download() as book:
        page.get_by_role("link", name="导出 xlsx").click()
    assert book.value.suggested_filename == "统计 20261101-20261127.xlsx"
    assert Path(book.value.path()).read_bytes().startswith(b"PK")
    number = page.get_by_role("row", name="界址围墙").get_by_role("link").first
    count = number.inner_text()
    number.click()
    expect(page.locator("#total")).to_have_text(count)
    expect(page.locator("#rows tr")).to_have_count(int(count))
    expect(page.get_by_text("只看计入统计的")).to_be_visible()
    look(page, "statistics-behind")
    with page.expect_download() as file:
        page.get_by_role("link", name="导出 CSV").click()
    text = Path(file.value.path()).read_text("utf-8-sig")
    assert "叶*土" in text and "叶根土" not in text
    page.get_by_text("只看计入统计的").locator("..").get_by_role("link", name="也看别的").click()
    expect(page.get_by_text("只看计入统计的")).to_have_count(0)


def test_a_time_is_chosen_and_one_without_cases_says_what_to_do(county, open_page):
    url, _, _ = county
    page = open_page(f"{url}/statistics", DESK, who=("operator", PASSWORD))
    page.get_by_role("link", name="去年").click()
    expect(page.get_by_text("没有您能看到的、登记了的纠纷")).to_be_visible()
    look(page, "statistics-empty")
    page.get_by_label("从", exact=True).fill("2026-11-18")
    page.get_by_label("到", exact=True).fill("2026-11-18")
    page.get_by_role("button", name="看这段时间").click()
    expect(page.get_by_text("2026年11月18日登记的纠纷")).to_be_visible()
    page.get_by_text("这些数字是怎样算的").click()
    expect(page.get_by_text("不是同一天")).to_be_visible()
    look(page, "statistics-days")


def test_a_bar_leads_where_its_name_leads(county, open_page):
    url, _, _ = county
    page = open_page(f"{url}/statistics", DESK, who=("operator", PASSWORD))
    chart = page.locator("#chart-places")
    expect(chart.locator("svg")).to_be_visible()
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    page.mouse.click(box["x"] + 130, box["y"] + 36 + (box["height"] - 60) / 6)  # the first of three bars, near its foot
    page.wait_for_url("**/statistics?place=**")


def test_it_holds_on_a_small_screen_and_in_the_dark(county, open_page):
    url, _, _ = county
    page = open_page(f"{url}/statistics", PHONE, who=("operator", PASSWORD))
    expect(page.locator("#chart-months svg")).to_be_visible()
    expect(page.locator("tr.zero").first).to_be_hidden()  # what has nothing only makes the way long
    look(page, "statistics-phone")
    picture(page, "statistics-phone-whole", whole=True)
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    look(page, "statistics-dark")
    picture(page, "statistics-dark-whole", whole=True)
