"""Read by keyboard, at twice the size, with the longest names: nothing is out of order, nothing is cut off, nothing scrolls sideways."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from protocol.access import masked_name
from protocol.commands import Party, TellTask, UrgeDispute
from protocol.node.web.page import LANGUAGE
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of
from tests.hub_pages.world import PASSWORD as HUB_PASSWORD
from tests.hub_pages.world import Hub, register
from tests.hub_pages.world import served as hub_served
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import ROOT as TOP
from tests.node.desk_kit import VILLAGE, dispute, new_id

pytestmark = needs_chromium
nodes = nodes_of("village", "town")
TWICE = {"width": 720, "height": 450}  # what a screen of 1440 × 900 shows at 200 %
WORDS = "-words"  # the same size, and in the browser's settings letters twice as large
SIZES = [(DESK, ""), (TWICE, "-twice"), (PHONE, "-390"), (DESK, WORDS)]
LONG = "阿卜杜热合曼江·买买提吐尔逊卡德尔阿布力米提古丽巴哈尔尼亚孜"
UNBROKEN = "AbdurahmanjonMamattursunQadir0"
AREAS = (".head", ".next", ".story", ".side")
TABBED = "() => document.activeElement.closest('main > *') && [...document.querySelectorAll('main.case > *')].indexOf(document.activeElement.closest('main > *'))"
UNFOLDED = "document.querySelectorAll('main details').forEach((fold) => { fold.open = true; })"
READ = "h1, h2, h3, button, .button, label, legend, summary, .will, p, dd, dt, li, td, strong, .tag, .card"
CUT = """() => [...document.querySelectorAll('main :is(READ)')]
  .filter((e) => e.checkVisibility() && !e.closest('.hidden, table.cases, .cut, .spot, .bars, .chart') && getComputedStyle(e).display !== 'inline'
    && e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML.slice(0, 120))""".replace("READ", READ)


async def long_named(rig: Rig) -> str:
    assert len(LONG) == len(UNBROKEN) == 30
    parties = [Party(LONG, phone="13800001234"), Party(UNBROKEN, side="respondent")]
    subject = await rig.log("village", parties=parties, title=UNBROKEN, account=UNBROKEN * 3, place_text=UNBROKEN)
    await rig.everywhere()
    await rig.say("town", UrgeDispute(id=new_id(), case=subject, text=UNBROKEN * 2, due="2026-12-20"))
    await rig.everywhere()
    return subject


def sized(page: Page, end: str) -> Page:
    if end == WORDS:
        page.context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": {"standard": 32}})
        page.reload()
        assert page.evaluate("getComputedStyle(document.body).fontSize") == "28px"
    return page


def holds(page: Page, name: str) -> None:
    if name.endswith((WORDS, "-twice")):  # axe has looked at the same page in both sizes
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
    else:
        look(page, name)
    bar = page.locator("header.bar").bounding_box()
    assert bar["height"] <= page.viewport_size["height"] / 3, "the page itself is in sight"
    assert page.evaluate(CUT) == [], name


@pytest.mark.parametrize("width", [1440, 1100, 390])
def test_tab_goes_through_a_case_as_it_is_drawn(open_page: Callable, nodes: Served, width: int):
    subject = nodes.do(lambda rig: rig.log("village"))
    page = open_page(f"{nodes.url['village']}/cases/{subject}", {**DESK, "width": width}, who=("wangfang", PASSWORD))
    boxes = [page.locator(f"main.case > {area}").bounding_box() for area in AREAS]
    drawn = sorted(range(len(AREAS)), key=lambda n: (n != 0, boxes[n]["x"], boxes[n]["y"]))
    page.locator("#main").focus()
    passed: list[int] = []
    while (at := page.keyboard.press("Tab") or page.evaluate(TABBED)) is not None and len(passed) < 200:
        passed.append(at)
    assert list(dict.fromkeys(passed)) == drawn, "each once, in this order"
    assert passed == sorted(passed, key=drawn.index)


@pytest.mark.parametrize(("size", "end"), SIZES)
def test_pages_of_a_desk_hold_long_names_and_twice_the_size(open_page: Callable, nodes: Served, size, end: str):
    subject = nodes.do(long_named)
    url = nodes.url["village"]
    page = sized(open_page(url + "/", size, who=("wangfang", PASSWORD)), end)
    for path, name in (("/desk", "desk"), ("/today", "today"), (f"/cases/{subject}", "case"), ("/cases", "list"), ("/cases/new", "log")):
        page.goto(url + path)
        holds(page, f"long-{name}{end}")
    page.goto(f"{url}/cases/{subject}?step=EscalateDispute#step-EscalateDispute")
    expect(page.locator("#form-EscalateDispute .will").first).to_be_visible()
    holds(page, f"long-step{end}")


async def long_county(hub: Hub) -> tuple[str, str, list[str]]:
    """(case, task, cadres), everything in it named as long as can be; a cadre named as a party could not be sent."""
    parties = [Party(LONG), Party(UNBROKEN, side="respondent")]
    logged = dispute(VILLAGE, parties=parties, title=UNBROKEN, account=UNBROKEN * 3, place_text=UNBROKEN)
    case = hub.cases[UNBROKEN] = (await hub.root.say(logged, hub.actor())).subject
    cadres = [await register(hub.root, name[::-1], "cadre", TOP, home="nroot2222", account=name[-4:]) for name in (LONG, UNBROKEN)]
    await hub.sign_in("operator")
    await hub.send(UNBROKEN, cadre=cadres[0], purpose=LONG, bring=LONG * 2, address=LONG)
    task = await hub.send(UNBROKEN, cadre=cadres[1], purpose=UNBROKEN, bring=UNBROKEN * 2, summary=UNBROKEN * 3, address=UNBROKEN)
    await hub.root.say(TellTask(id=new_id(), task=task, text=UNBROKEN * 3), hub.root.actor("cadre", TOP, cadres[1]))
    return case, task, cadres


@pytest.mark.parametrize(("size", "end"), SIZES)
def test_pages_of_a_county_hold_long_names_and_twice_the_size(open_page: Callable, tmp_path, size, end: str):
    with hub_served(tmp_path) as (url, hub, run):
        case, task, cadres = run(long_county(hub))
        page = sized(open_page(f"{url}/", size, who=("operator", HUB_PASSWORD)), end)
        expect(page.locator("#board-rows")).to_contain_text(masked_name(UNBROKEN))
        holds(page, f"long-board{end}")
        both = [
            ("case", case),
            ("case", hub.cases["田埂地界"]),
            ("cadre", cadres[0]),
            ("cadre", cadres[1]),
            ("split", "each"),
            ("plan", "1"),
        ]
        for path, name in (
            (f"/cases/{case}/dispatch", "dispatch"), ("/tasks", "tasks"), (f"/tasks/{task}", "task"), (f"/visits/team?{urlencode(both)}", "team"),
            ("/calendar", "calendar"), ("/people", "people"), ("/nodes", "nodes"), ("/map", "map"), (f"/cases/{case}/parties", "parties"),
            ("/statistics?period=year", "statistics"),
        ):  # fmt: skip
            page.goto(url + path)
            page.evaluate(UNFOLDED)
            holds(page, f"long-{name}{end}")


PASSED = "() => [...document.querySelectorAll('header.bar > *')].indexOf(document.activeElement.closest('header.bar > *'))"
CLOSE = 24  # px: middles of what stands in one line


@pytest.mark.parametrize("width", [1440, 1093, 390])
def test_tab_goes_through_the_head_of_a_page_as_it_is_drawn(open_page: Callable, nodes: Served, width: int):
    page = open_page(nodes.url["town"] + "/", DESK, who=("shen", PASSWORD))
    page.set_viewport_size({**DESK, "width": width})  # as it is turned, or made smaller, while it is open
    expect(page.locator("header.bar > :last-child")).to_have_class("who" if width == 1440 else "nav")
    boxes = [part.bounding_box() for part in page.locator("header.bar > *").all()]
    drawn = [(round((box["y"] + box["height"] / 2) / CLOSE), box["x"]) for box in boxes]
    assert drawn == sorted(drawn), "a reader goes through them as they are drawn"
    assert len({y for y, _ in drawn}) == {1440: 1, 1093: 2, 390: 3}[width]
    page.evaluate("document.activeElement.blur()")
    passed: list[int] = []
    while (at := page.keyboard.press("Tab") or page.evaluate(PASSED)) != -1 or not passed:
        passed += [at] if at != -1 else []
    assert passed == sorted(passed)
    assert list(dict.fromkeys(passed)) == list(range(len(boxes))), "each of them"


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_the_villages_come_after_what_is_done_at_a_desk(open_page: Callable, nodes: Served, size):
    page = open_page(nodes.url["town"] + "/", size, who=("shen", PASSWORD))
    parts = page.locator("main > *:not(.hidden)").all()
    assert parts[-1].get_attribute("id") == "places-card"
    look(page, f"desk-below-{size['width']}")
    if size == PHONE:
        tops = [part.bounding_box()["y"] for part in parts]
        assert tops == sorted(tops)


FILLED = """(words) => {
  document.querySelectorAll('#nav .count').forEach((count) => count.remove());
  for (const [n, count] of [[0, 12], [2, 105]]) document.querySelectorAll('#nav a')[n].insertAdjacentHTML('beforeend', ` <span class="count">${count}</span>`);
  document.querySelector('#live').remove();
  document.querySelector('#link-state').innerHTML = `<a href="/link" class="net good"><span class="dot" aria-hidden="true"></span>${words}</a>`;
}"""


@pytest.mark.parametrize(("language", "width"), [("zh", 1366), ("zh", 1440), ("en", 1440)])
def test_the_menu_of_a_county_is_one_line(open_page: Callable, tmp_path, language: str, width: int):
    with hub_served(tmp_path) as (url, _, _):
        page = open_page(f"{url}/", {**DESK, "width": width}, who=("operator", HUB_PASSWORD))
        page.context.add_cookies([{"name": LANGUAGE, "value": language, "url": url}])
        page.goto(f"{url}/tasks")
        expect(page.locator("#nav a")).to_have_count(10)
        page.evaluate(FILLED, {"zh": "已连接 · 全部送达", "en": "Linked · all delivered"}[language])
        look(page, f"menu-{language}-{width}")
        assert page.locator("header.bar").bounding_box()["height"] < 60
        page.goto(f"{url}/nodes")
        page.locator("main a[href='/quarantine']").click()  # seldom asked for: it is no word of the menu
        page.locator("main a[href='/nodes']").click()
        page.wait_for_url("**/nodes")
