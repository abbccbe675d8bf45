"""The board in a real Chromium: it stays true by itself, a cadre is sent from its pane, and it holds on a phone."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from protocol.commands import ArriveTask, ConfirmTask, SignAgreement, VoidDispute
from tests.hub_pages.world import PASSWORD, Hub, served
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import ROOT, dispute, new_id

pytestmark = needs_chromium


@pytest.fixture
def county(tmp_path) -> Iterator[tuple[str, Hub, Callable[[Any], Any]]]:
    with served(tmp_path) as made:
        yield made


def test_an_operator_sends_a_cadre_from_the_board_and_watches_each_step(county, open_page):
    url, hub, run = county
    board = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    expect(board.locator("#board-rows tr")).to_have_count(7)
    expect(board.locator(".first")).to_contain_text("看板上按 d")  # nobody has begun at this account
    for size, suffix in ((PHONE, "-phone"), (DESK, "")):
        board.set_viewport_size(size)
        look(board, f"board{suffix}-first")
    run(hub.root.say(dispute(title="新来的一件"), hub.root.actor()))
    expect(board.locator("#board-rows tr")).to_have_count(8)  # without a reload
    expect(board.locator("#figure-open strong")).to_have_text("8")
    board.get_by_label("派单：田埂地界").click()
    form = board.locator("#dispatch form")
    expect(form).to_be_visible()
    board.get_by_role("button", name="派出").click()
    expect(form.get_by_role("alert")).to_contain_text("请选一位干部。")
    board.get_by_label("陈立新").check()
    look(board, "board-dispatch")
    board.get_by_role("button", name="派出").click()
    expect(board.locator("#dispatch")).to_contain_text("已派给 陈立新")
    out = board.locator("#out")
    expect(out.locator(".track .done")).to_have_count(1)
    (task,) = run(hub.root.reads.tasks(hub.root.actor()))
    cadre = hub.root.actor("cadre", ROOT, hub.cadre)
    run(hub.root.say(ConfirmTask(id=new_id(), task=task.subject), cadre))
    expect(out.locator(".track .done")).to_have_count(2)
    run(hub.root.say(ArriveTask(id=new_id(), task=task.subject), cadre))
    expect(out.locator(".track .done")).to_have_count(3)
    out.get_by_role("link", name="天子湖镇高禹村", exact=True).click()
    expect(board.get_by_role("heading", name="上门走访：田埂地界")).to_be_visible()
    look(board, "task")
    board.goto(f"{url}/board")
    expect(board.locator("#board-rows tr")).to_have_count(8)
    expect(board.locator(".first")).to_have_count(0)  # he has sent somebody
    look(board, "board")


# After each redraw of a live page: which rows a click would meet just then.
MET = """() => { globalThis.met = []; addEventListener('htmx:after:swap', () => { met.push([...document.querySelectorAll('#board-rows [data-row]')].map((row) => {
  const at = row.getBoundingClientRect(), hit = document.elementFromPoint(at.x + 3, at.y + 3);
  return [row.closest('tr').dataset.case, Boolean(hit?.closest('a'))]; })); }); }"""


def test_a_row_that_moves_under_the_mouse_takes_no_click_for_a_moment(county, open_page):
    url, hub, run = county
    board = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    rows = board.locator("#board-rows tr")
    expect(rows).to_have_count(7)
    stood = [row.get_attribute("data-case") or "" for row in rows.all()]
    slips = [case for case in stood[2:] if case != hub.cases["田埂地界"]]  # it is being mediated: no slip any more
    board.evaluate(MET)
    run(hub.root.say(VoidDispute(id=new_id(), case=slips[0], reason="登记重了"), hub.root.actor()))
    expect(rows).to_have_count(6)
    met = next(dict(one) for one in board.evaluate("met") if len(one) == 6)
    assert [case for case, is_hit in met.items() if is_hit] == stood[: stood.index(slips[0])], (
        "what stays where it was can be clicked, what moved up can't"
    )
    first = board.locator("#board-rows tr").first
    first.evaluate("(row) => { row.style.pointerEvents = 'none'; }")  # as after a move, and the page is redrawn meanwhile
    run(hub.root.say(VoidDispute(id=new_id(), case=slips[-1], reason="登记重了"), hub.root.actor()))
    expect(rows).to_have_count(5)
    assert first.evaluate("(row) => row.style.pointerEvents") == "none"
    board.locator(f"[data-case='{slips[1]}'] a[data-row]").click()  # waits as a person would
    expect(board).to_have_url(re.compile(slips[1]))


def test_what_to_do_first_is_put_away_and_stays_away(county, open_page):
    url, _, _ = county
    board = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    board.get_by_role("button", name="知道了，收起来").click()
    board.wait_for_url("**/board")
    expect(board.locator("#board-rows tr")).to_have_count(7)
    expect(board.locator(".first")).to_have_count(0)
    other = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    expect(other.locator("#board-rows tr")).to_have_count(7)
    expect(other.locator(".first")).to_have_count(0)


def test_whoever_is_silent_stands_out_and_somebody_else_is_sent_from_the_board(county, open_page):
    url, hub, run = county
    run(hub.sign_in("operator"))
    run(hub.send())
    run(hub.send("空调外机对着窗"))
    hub.county.clock.pass_ms(40 * 60_000)
    page = open_page(f"{url}/", DESK, who=("operator", PASSWORD))
    out = page.locator("#out")
    expect(out.locator(".stands.late")).to_have_text(["已派出 · 40 分钟还没到手机"] * 2)
    look(page, "board-silent")
    out.get_by_role("link", name="催办：").first.click()
    pane = page.locator("#dispatch")
    expect(pane.get_by_role("button", name="催办")).to_be_visible()
    look(page, "board-urge")
    pane.get_by_role("button", name="催办").click()
    expect(pane.get_by_role("status")).to_contain_text("已催办 陈立新")
    out.get_by_role("link", name="改派：").first.click()
    expect(pane).to_contain_text("新选的人收到同样的任务")
    page.get_by_role("button", name="改派").click()
    expect(pane.get_by_role("alert")).to_contain_text("请选一位干部。")
    pane.get_by_label("穆青").check()
    look(page, "board-reassign")
    page.get_by_role("button", name="改派").click()
    expect(pane.get_by_role("status")).to_contain_text("已改派给 穆青")
    expect(out.get_by_text("穆青")).to_be_visible()
    page.goto(f"{url}/tasks")
    look(page, "tasks-silent")
    page.get_by_role("link", name="撤回：").first.click()
    look(page, "task-recall")
    page.get_by_role("button", name="撤回").click()
    page.wait_for_url("**/tasks")
    expect(page.locator("#task-rows tr")).to_have_count(1)
    page.set_viewport_size(PHONE)
    look(page, "tasks-silent-phone")
    page.get_by_role("link", name="改派：").first.click()
    expect(page.get_by_role("group", name="改派给谁")).to_be_visible()
    look(page, "task-reassign-phone")


def test_the_pages_of_the_centre_hold_on_a_small_screen(county, open_page):
    url, hub, run = county
    run(hub.sign_in("operator"))
    run(hub.send())
    page = open_page(f"{url}/", PHONE, who=("operator", PASSWORD))
    for path, name in (
        ("/board", "board"),
        ("/tasks", "tasks"),
        (f"/cases/{hub.cases['田埂地界']}/dispatch", "dispatch"),
        ("/people", "people"),
        ("/quarantine", "quarantine"),
    ):
        page.goto(url + path)
        look(page, f"{name}-phone")
    page.set_viewport_size(DESK)
    for path, name in (("/board?figure=held", "board-held"), ("/people", "people"), ("/tasks", "tasks"), ("/quarantine", "quarantine")):
        page.goto(url + path)
        look(page, name)
    page.goto(f"{url}/board")
    page.get_by_text("统计：各乡镇未办结").click()
    expect(page.locator("#chart svg")).to_be_visible()
    look(page, "board-statistics")


@pytest.mark.whole_browser
def test_the_printed_agreement_opens_in_the_browser(county, open_page):
    url, hub, run = county
    told = {"terms": ["界石立回原处。"], "performance": "当面办完。"}
    run(hub.root.say(SignAgreement(id=new_id(), case=hub.cases["田埂地界"], **told), hub.root.actor()))
    page = open_page(f"{url}/cases/{hub.cases['田埂地界']}", DESK, who=("operator", PASSWORD))
    with page.context.expect_event("request", lambda asked: asked.url.endswith(".pdf")) as asked:
        page.get_by_role("link", name="打印协议书").click()
    answer = page.context.request.get(asked.value.url)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF")


READABLE = """() => {
  const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((n) => n / 255).map((n) => n <= .03928 ? n / 12.92 : ((n + .055) / 1.055) ** 2.4)
    .reduce((sum, n, i) => sum + n * [.2126, .7152, .0722][i], 0);
  const chart = document.querySelector("#chart"), ground = light(getComputedStyle(chart.closest(".card")).backgroundColor);
  return [...chart.querySelectorAll("svg text")].filter((t) => t.textContent.trim()).map((t) => {
    const ink = light(getComputedStyle(t).fill);
    return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05);
  });
}"""  # contrast of each word of the chart against its card, by WCAG 2.1


def test_the_words_of_the_bars_are_read_in_the_dark_and_follow_the_colours_chosen(county, open_page):
    url, _, _ = county
    page = open_page(f"{url}/", DESK, who=("operator", PASSWORD), color_scheme="dark")
    page.get_by_text("统计：各乡镇未办结").click()
    expect(page.locator("#chart svg")).to_be_visible()

    def readable(where: str) -> None:
        for _ in range(50):  # it takes a moment to draw again
            contrasts = page.evaluate(READABLE)
            if min(contrasts) >= 4.5:
                break
            page.wait_for_timeout(100)
        assert len(contrasts) > 5, "legend and both axes"
        assert min(contrasts) >= 4.5, f"{where}: {contrasts}"

    readable("dark")
    page.locator("#chart").scroll_into_view_if_needed()
    look(page, "board-statistics-dark")
    page.emulate_media(color_scheme="light")
    readable("the computer changed to light")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    readable("dark was chosen on the page")
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    readable("light was chosen on the page")
