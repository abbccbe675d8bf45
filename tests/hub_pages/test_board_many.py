"""The board with 10,000 open cases in a real Chromium: keys alone, and no lag. How long it takes is printed, never judged."""

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from protocol.views import TABLES
from tests.hub_pages.world import PASSWORD, VILLAGE, Hub, served
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import ROOT, dispute

pytestmark = needs_chromium
ROWS = 10_000
REAL = 7  # those of the test county


@pytest.fixture
def county(tmp_path) -> Iterator[tuple[str, Hub, Callable[[Any], Any]]]:
    with served(tmp_path) as made:
        yield made


async def fill(hub: Hub) -> None:
    """Rows of open cases beside the real ones: theirs end later, so that the real ones stand in front."""
    columns, now_ms = [c.name for c in TABLES["case_row"]], hub.county.clock()
    rows = [
        dict.fromkeys(columns) | {
            "subject": hashlib.md5(str(n).encode()).hexdigest(), "ledger": VILLAGE, "code": f"2026-018-{n:05d}X", "title": f"第 {n} 件",
            "type": "0204", "status": "accepted", "holder": ROOT, "term": 1, "risk": "green", "headcount": 2, "parties": "叶根土、叶根水",
            "account": "田埂往东挪了半尺。", "logged_office": VILLAGE, "logged_ms": now_ms - n, "updated_ms": now_ms - n, "reviews": 0,
            "due_ms": now_ms + 30 * 86_400_000 + n * 60_000 if n % 4 else None, "last_origin": hub.root.signer.origin, "last_seq": n + 1,
        }
        for n in range(ROWS)
    ]  # fmt: skip
    async with hub.root.journal.writing() as w:
        names = ", ".join(columns)
        await w.connection.execute(text(f"insert into case_row ({names}) values ({', '.join(f':{c}' for c in columns)})"), rows)


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.closest('tr')?.id ?? document.activeElement.id")


def test_ten_thousand_open_cases_are_worked_through_with_keys(county, open_page, capsys):
    url, hub, run = county
    run(fill(hub))
    page = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    expect(page.locator("#figure-open strong")).to_have_text(str(ROWS + REAL))
    expect(page.locator("#board-rows tr")).to_have_count(30)
    began = time.perf_counter()
    for _ in range(10):
        page.goto(f"{url}/board?page=200")
    expect(page.locator("#board-rows tr")).to_have_count(30)
    with capsys.disabled():
        print(f"\nboard with {ROWS + REAL} open rows, page 200: {(time.perf_counter() - began) * 100:.0f} ms to loaded")
    look(page, "board-many")
    page.goto(f"{url}/board")
    page.keyboard.press("f")
    expect(page.get_by_label("类型")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/board?**risk=**")
    page.goto(f"{url}/board?type=02&risk=green&holder=330523&page=200")
    expect(page.locator("#list-title")).to_contain_text("100")
    look(page, "board-narrowed")
    page.set_viewport_size(PHONE)
    look(page, "board-narrowed-phone")
    page.set_viewport_size(DESK)
    page.goto(f"{url}/board")
    first, second = (page.locator("#board-rows tr").nth(n).get_attribute("id") for n in (0, 1))
    page.keyboard.press("ArrowDown")
    assert focused(page) == first
    page.keyboard.press("ArrowDown")
    assert focused(page) == second
    page.keyboard.press("ArrowUp")
    page.keyboard.press("t")  # the first is offered: the key goes to the button, Enter takes up
    expect(page.locator(f"#{first} button")).to_be_focused()
    expect(page.locator("#key-said")).to_contain_text("承办人是您")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("t")
    expect(page.locator("#key-said")).to_have_text("这一件现在不用受领。")
    page.keyboard.press("d")
    expect(page.locator("#dispatch form")).to_be_visible()
    expect(page.locator("#go-place")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(f"#{second} [data-row]")).to_be_focused()
    page.keyboard.press("F1")
    expect(page.locator("#keys")).to_contain_text("看板：派单")
    look(page, "board-keys")
    page.keyboard.press("F1")
    page.keyboard.press("c")
    page.wait_for_url("**/dispatch#convene")
    page.go_back()
    page.locator("#board-rows [data-row]").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/cases/{(first or '').removeprefix('row-')}")


def test_keys_are_not_taken_from_an_input_method_or_a_field(county, open_page):
    url, _, _ = county
    page = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    page.locator("#search").focus()
    page.keyboard.type("dtcx")
    expect(page.locator("#search")).to_have_value("dtcx")
    assert page.locator("#dispatch form").count() == 0
    page.locator("#board-rows [data-row]").nth(2).focus()
    page.evaluate(
        "() => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'd', isComposing: true, bubbles: true, cancelable: true}))"
    )
    page.evaluate(
        "() => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'd', keyCode: 229, bubbles: true, cancelable: true}))"
    )
    page.keyboard.press("Control+d")
    page.wait_for_timeout(200)
    assert page.locator("#dispatch form").count() == 0
    page.keyboard.press("d")  # the same key, plainly pressed
    expect(page.locator("#dispatch form")).to_be_visible()


def test_a_view_is_named_and_removed_on_the_board(county, open_page):
    url, _, _ = county
    page = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    page.locator("#figure-held").click()
    page.get_by_text("把现在的筛选存成视图").click()
    page.get_by_label("叫什么").fill("本中心在办")
    page.get_by_role("button", name="存下").click()
    tab = page.get_by_role("link", name="本中心在办")
    expect(tab).to_have_attribute("aria-current", "page")
    page.locator("#figure-open").click()
    page.get_by_text("把现在的筛选存成视图").click()
    look(page, "board-views")
    tab.click()
    page.wait_for_url("**/board?figure=held")
    page.set_viewport_size(PHONE)
    page.get_by_text("把现在的筛选存成视图").click()
    look(page, "board-views-phone")
    page.get_by_role("button", name="去掉视图：本中心在办").click()
    expect(tab).to_have_count(0)


def test_a_team_is_sent_to_what_was_ticked_on_the_board(county, open_page):
    url, hub, run = county
    page = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    for title in ("田埂地界", "空调外机对着窗", "工钱没结清"):
        page.get_by_label(f"选上，一起派：{title}").check()
    expect(page.locator("#batch")).to_contain_text("已选 3 件")
    run(hub.root.say(dispute(title="新来的一件"), hub.root.actor()))
    expect(page.locator("#board-rows tr")).to_have_count(8)  # redrawn, and what was ticked still is
    expect(page.get_by_label("选上，一起派：田埂地界")).to_be_checked()
    page.locator("#board-rows [data-row]").first.focus()
    page.keyboard.press("x")
    expect(page.locator("#key-said")).to_contain_text("不能一起派")
    page.get_by_role("button", name="一起派").click()
    look(page, "team")
    page.get_by_label("陈立新").check()
    page.get_by_label("穆青").check()
    page.get_by_role("button", name="排一下").click()
    expect(page.get_by_role("button", name="派出这 3 项")).to_be_focused()
    look(page, "team-plan")
    page.set_viewport_size(PHONE)
    look(page, "team-plan-phone")
    page.set_viewport_size(DESK)
    page.get_by_role("button", name="派出这 3 项").click()
    expect(page.get_by_role("status").filter(has_text="派出了 3 项")).to_be_visible()
    look(page, "team-sent")
    page.goto(f"{url}/visits/team")
    look(page, "team-empty")
