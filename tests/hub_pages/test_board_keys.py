"""The board by keys alone: pages and figures, and 受领 again and again without leaving the list."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.commands import EscalateDispute, LogDispute, Party, TakeUpDispute
from tests.hub_pages.test_board_many import fill
from tests.hub_pages.world import PASSWORD, VILLAGE, Hub, served
from tests.kit.browser import DESK, OLD_PC, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import ROOT, TOWN, exchange, new_id

pytestmark = needs_chromium
MORE = ("排水沟", "竹山界", "鱼塘漏水")


@pytest.fixture
def county(tmp_path) -> Iterator[tuple[str, Hub, Callable[[Any], Any]]]:
    with served(tmp_path) as made:
        yield made


async def offered(hub: Hub) -> None:
    """Three more that the township sends up."""
    for title in MORE:
        logged = LogDispute(id=new_id(), ledger=VILLAGE, type="0204", account="两家争执。", parties=[Party("宣小宝")], title=title)
        hub.cases[title] = (await hub.village.say(logged, hub.village.actor())).subject
        up = EscalateDispute(id=new_id(), case=hub.cases[title], to=TOWN, reason="谈了两回没谈拢")
        await hub.village.say(up, hub.village.actor())
    await exchange(hub.village, hub.town)
    for title in MORE:
        await hub.town.say(TakeUpDispute(id=new_id(), case=hub.cases[title]), hub.town.actor())
        up = EscalateDispute(id=new_id(), case=hub.cases[title], to=ROOT, reason="牵涉水利站")
        await hub.town.say(up, hub.town.actor())
    await exchange(hub.village, hub.town, hub.root)
    await hub.root.desk.arrivals()


def taken(hub: Hub, run: Callable[[Any], Any]) -> list[str]:
    """Titles of those that the county holds now and did not before."""
    cases = {title: run(hub.root.reads.case(hub.root.actor(), hub.cases[title])) for title in ("水渠清淤", *MORE) if title in hub.cases}
    return [title for title, case in cases.items() if case.holder == ROOT]


def entries(hub: Hub, run: Callable[[Any], Any], subject: str) -> int:
    return len(run(hub.root.reads.case(hub.root.actor(), subject)).lines)


def cut(page: Page) -> None:
    """No stream: the page has only what its own requests bring."""
    page.route("**/stream?**", lambda route: route.abort())


def test_pages_and_figures_have_keys(county, open_page):
    url, _, run = county
    run(fill(county[1]))
    page = open_page(f"{url}/board?type=02", DESK, who=("operator", PASSWORD))
    pager = page.locator(".pager")
    for key, at in (("n", 2), ("n", 3), ("p", 2), ("Shift+N", 334), ("Shift+P", 1)):
        page.keyboard.press(key)
        expect(pager).to_contain_text(f"第 {at} 页，共 334 页")
        page.wait_for_load_state()  # only then it hears keys
    assert "type=02" in page.url  # the filters go along
    page.keyboard.press("Shift+N")
    expect(pager).to_contain_text("第 334 页")
    page.wait_for_load_state()
    page.keyboard.press("n")  # there is none
    page.keyboard.press("p")
    expect(pager).to_contain_text("第 333 页")
    for size, end in ((OLD_PC, "-old"), (PHONE, "-phone"), (DESK, "")):
        page.set_viewport_size(size)
        pager.scroll_into_view_if_needed()
        look(page, f"board-pager{end}")
    for key, name in (("1", "incoming"), ("3", "soon"), ("7", "open")):
        page.keyboard.press(key)
        expect(page.locator(f"#figure-{name}")).to_have_attribute("aria-current", "true")
        page.wait_for_load_state()
    assert "type=02" in page.url
    page.keyboard.press("9")  # there is none
    page.keyboard.press("8")
    page.wait_for_url("**/tasks")


def test_the_new_keys_are_not_taken_from_a_field_a_form_or_an_input_method(county, open_page):
    url, hub, run = county
    run(fill(hub))
    page = open_page(f"{url}/board", DESK, who=("operator", PASSWORD))
    page.evaluate("globalThis.stayed = true")
    page.locator("#search").focus()
    page.keyboard.type("np12")
    expect(page.locator("#search")).to_have_value("np12")
    page.get_by_label("派单：田埂地界").click()
    page.locator("#go-form [name=cadre]").first.focus()
    page.keyboard.type("np12")
    page.locator("#board-rows [data-row]").nth(2).focus()
    for key in "n1":
        for more in ("isComposing: true", "keyCode: 229", "ctrlKey: true"):
            event = f"new KeyboardEvent('keydown', {{key: '{key}', {more}, bubbles: true, cancelable: true}})"
            assert page.evaluate(f"document.activeElement.dispatchEvent({event})"), f"{key} was taken ({more})"
    assert page.evaluate("globalThis.stayed") is True
    expect(page.locator("#go-form")).to_be_visible()
    page.keyboard.press("n")
    expect(page.locator(".pager")).to_contain_text("第 2 页")


@pytest.mark.parametrize("live", [True, False], ids=["live", "cut"])
def test_many_are_taken_up_one_after_the_other_without_leaving_the_list(county, open_page, live):
    url, hub, run = county
    run(offered(hub))
    page = open_page(f"{url}/board?figure=incoming&type=02", DESK, who=("operator", PASSWORD))
    if not live:
        cut(page)
        page.reload()
    rows, said = page.locator("#board-rows tr[data-case]"), page.locator("#taken")
    expect(rows).to_have_count(4)
    order = [row.get_attribute("id") or "" for row in rows.all()]
    titles = {f"row-{subject}": title for title, subject in hub.cases.items()}
    page.keyboard.press("ArrowDown")
    page.keyboard.press("t")
    expect(page.locator("#key-said")).to_contain_text("负责，承办人是您")  # of whom it will happen to
    page.keyboard.press("Enter")
    expect(said).to_contain_text(f"受领：{titles[order[0]]}")
    expect(said).to_contain_text("现在由安吉县社会治理中心负责；要交回去，用“交办”。")
    expect(page.locator(f"#{order[1]} [data-row]")).to_be_focused()
    expect(page.locator("#key-said")).to_be_hidden()  # that was of the row before
    assert "figure=incoming" in page.url
    assert "type=02" in page.url
    if live:
        expect(rows).to_have_count(3)
        expect(page.locator("#figure-incoming strong")).to_have_text("3")
        expect(page.locator(f"#{order[1]} [data-row]")).to_be_focused()
    else:
        expect(page.locator(f"#{order[0]} .acts")).to_have_text("已受领")
    for size, end in ((DESK, ""), (OLD_PC, "-old"), (PHONE, "-phone")):
        page.set_viewport_size(size)
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(said).to_be_in_viewport()
        look(page, f"board-taken{'' if live else '-cut'}{end}")
    page.set_viewport_size(DESK)
    page.locator(f"#{order[3]} [data-row]").focus()  # the last: it goes to the one before
    page.keyboard.press("t")
    page.keyboard.press("Enter")
    expect(said).to_contain_text(f"受领：{titles[order[3]]}")
    if live:
        expect(rows).to_have_count(2)
    expect(page.locator(f"#{order[2]} [data-row]")).to_be_focused()
    assert sorted(taken(hub, run)) == sorted([titles[order[0]], titles[order[3]]])


def test_the_last_of_the_list_leaves_the_focus_on_the_figure(county, open_page):
    url, hub, run = county
    page = open_page(f"{url}/board?figure=incoming", DESK, who=("operator", PASSWORD))
    page.keyboard.press("t")
    page.keyboard.press("Enter")
    expect(page.locator("#board-rows")).to_contain_text("这里没有要看的纠纷。")
    expect(page.locator("#figure-incoming")).to_be_focused()
    expect(page.locator("#taken")).to_contain_text("受领：水渠清淤")
    assert taken(hub, run) == ["水渠清淤"]


def test_pressed_twice_it_is_one_command_and_opens_nothing(county, open_page):
    url, hub, run = county
    run(offered(hub))
    page = open_page(f"{url}/board?figure=incoming", DESK, who=("operator", PASSWORD))
    first = page.locator("#board-rows tr").first
    subject = first.get_attribute("data-case") or ""
    before, sent = entries(hub, run, subject), []
    page.on("request", lambda r: r.method == "POST" and "TakeUpDispute" in r.url and sent.append(r.url))
    page.keyboard.press("t")
    page.keyboard.press("Enter")
    page.keyboard.down("Enter")
    expect(page.locator("#taken")).to_contain_text("已存本机")
    gone: list[str] = []
    page.on("request", lambda r: r.is_navigation_request() and gone.append(r.url))
    page.keyboard.down("Enter")  # the hand is still on it
    expect(page.locator("#board-rows tr")).to_have_count(3)
    page.evaluate("new Promise(done => setTimeout(done, 100))")  # what it would have opened is asked for by now
    assert gone == []
    assert page.url.endswith("/board?figure=incoming")
    assert entries(hub, run, subject) == before + 1
    assert len(sent) == 1


def test_the_row_that_somebody_else_took_hands_the_focus_on(county, open_page):
    url, hub, run = county
    run(offered(hub))
    page = open_page(f"{url}/board?figure=incoming", DESK, who=("operator", PASSWORD))
    rows = page.locator("#board-rows tr")
    expect(rows).to_have_count(4)
    second, third = (rows.nth(n).get_attribute("id") for n in (1, 2))
    page.locator(f"#{second} [data-row]").focus()
    run(hub.root.say(TakeUpDispute(id=new_id(), case=(second or "").removeprefix("row-")), hub.actor()))
    expect(rows).to_have_count(3)
    expect(page.locator(f"#{third} [data-row]")).to_be_focused()


def test_without_script_the_button_goes_to_the_case(county, open_page):
    url, hub, _ = county
    page = open_page(f"{url}/board?figure=incoming", DESK, who=("operator", PASSWORD), java_script_enabled=False)
    page.locator("#board-rows form button").click()
    expect(page).to_have_url(re.compile(f"/cases/{hub.cases['水渠清淤']}"))
