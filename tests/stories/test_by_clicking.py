"""The story of `yidi demo --check` once more, by clicking alone: whoever plays it knows the addresses, an account, and what stands on the screen.

No route is called, no store is read, no id is known. A step that no page offers fails here, so a page can't rely on what only a program knows.
The wires are cut from outside, as in the demo's own window; waits are for what is to be seen, never for a time.
"""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from deploy.demo.cast import PASSWORD
from deploy.demo.check import photo
from protocol import calendar
from tests.kit.browser import DESK, OLD_PC, PHONE, TOUCH, look
from tests.kit.county import County
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
SEEN_MS_MAX = 30_000
START_S_MAX = 120
ACCOUNT = "张福根说东邻李水木新砌的围墙往他家屋檐下占了半尺，滴水没处落，要求拆回老墙脚。李水木说是按老界砌的。"
VISIT = "到现场指界，听两家再说一遍"
REPORT = "对着老图指了界，李水木愿意退回老墙脚。"
TERM = "李水木将围墙退回至老墙脚线，留二十公分滴水巷。"


class Outside:
    """The machines and the wires between them, which are not the pages' business."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="county", daemon=True)
        self.thread.start()
        self.county: County = asyncio.run_coroutine_threadsafe(County.start(folder), self.loop).result(START_S_MAX)

    def url(self, node: str) -> str:
        return self.county.demo.url(node)

    def cut(self, what: str) -> None:
        self._now(self.county.demo.cut, what)

    def heal(self, what: str) -> None:
        self._now(self.county.demo.heal, what)

    def _now(self, what: Callable[[str], None], on: str) -> None:
        async def done() -> None:
            what(on)

        asyncio.run_coroutine_threadsafe(done(), self.loop).result(START_S_MAX)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.county.stop(), self.loop).result(START_S_MAX)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(START_S_MAX)
        self.loop.close()


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    made = Outside(tmp_path)
    try:
        yield made
    finally:
        made.stop()


class Person:
    """Somebody before a screen."""

    def __init__(self, page: Page, account: str) -> None:
        self.page = page
        page.set_default_timeout(SEEN_MS_MAX)
        if page.url.endswith("/task"):
            page.get_by_role("link", name="登录").tap()
        page.get_by_label("账号").fill(account)
        page.get_by_label("密码").fill(PASSWORD)
        page.keyboard.press("Enter")

    def goes(self, name: str) -> None:
        """By the menu."""
        self.page.get_by_role("navigation", name="主菜单").get_by_role("link", name=re.compile(name)).click()

    def finds(self, what: str) -> None:
        """By the search box, and opens the one that is found."""
        self.page.keyboard.press("/")
        self.page.keyboard.type(what)
        self.page.keyboard.press("Enter")
        self.page.locator("#rows").get_by_role("link").first.click()

    def step(self, name: str) -> Locator:
        """Unfolds a step of the case and gives its form."""
        folded = self.page.locator("details.step").filter(has=self.page.locator("summary", has_text=re.compile(f"^{name}$")))
        folded.locator("summary").click()
        return folded.locator("form")

    def does(self, name: str, **said: str) -> None:
        """A step whose fields are found by their labels; done when the page says so."""
        form = self.step(name)
        for label, words in said.items():
            form.get_by_label(label).fill(words)
        form.get_by_role("button", name=name).click()
        self.was_told(name)

    def was_told(self, name: str) -> None:
        self.sees(self.page.locator("#said"), f"{name}：已存本机")

    def sees(self, where: Locator, words: str) -> None:
        expect(where).to_contain_text(words, timeout=SEEN_MS_MAX)


def marks(person: Person, kind: str) -> Locator:
    """How far the last entry of this kind has come, in the timeline of the case that is open."""
    line = person.page.locator("#timeline li.line").filter(has=person.page.locator("strong", has_text=re.compile(f"^{kind}$"))).last
    return line.locator(".mark.done")


def test_the_story_of_the_demo_is_told_by_clicking_alone(open_page: Callable, outside: Outside):
    village = Person(open_page(outside.url("gaoyu"), OLD_PC), "wangfang")
    outside.cut("gaoyu")
    code = logs_without_network(village)
    outside.heal("gaoyu")
    expect(marks(village, "登记")).to_have_text(["已存本机", "已到乡镇", "已到县"], timeout=SEEN_MS_MAX)  # nobody reloaded
    tries_and_sends_up(village)
    town = Person(open_page(outside.url("town"), OLD_PC), "liqiang")
    outside.cut("county")
    takes_up_below(town, code)
    hub = Person(open_page(outside.url("hub"), DESK), "zhoumin")
    outside.heal("county")
    takes_up_above(hub, code)
    department_comes(Person(open_page(outside.url("hub"), DESK), "ziran"), code)
    sends_a_cadre(hub)
    for person in (village, town):  # their case page shows it by itself
        person.sees(person.page.locator("#tasks"), VISIT)
    goes_and_reports(Person(open_page(f"{outside.url('town')}/task", PHONE, **TOUCH), "chenjianguo"))
    for person in (hub, village, town):
        shows_what_was_brought(person)
    for size, name in ((PHONE, "narrow"), (DESK, "wide")):
        hub.page.set_viewport_size(size)
        hub.page.locator("#tasks").scroll_into_view_if_needed()
        look(hub.page, f"clicked-case-{name}")
    signs_and_closes(hub)
    is_over_everywhere((hub, town, village))
    falls_due(town, code)
    same_everywhere((hub, town, village))


def logs_without_network(village: Person) -> str:
    page = village.page
    page.get_by_label("什么事").wait_for()
    page.keyboard.press("F2")
    page.keyboard.type(ACCOUNT)
    page.get_by_label("当事人").fill("张福根")
    page.get_by_label("对方").fill("李水木")
    page.get_by_label("电话").first.fill("13800000011")
    page.locator("#hints").get_by_role("button", name=re.compile("邻里|宅基|山林|土地")).first.click()
    page.locator("#files").set_input_files({"name": "围墙.png", "mimeType": "image/png", "buffer": photo()})
    page.keyboard.press("Control+Enter")
    saved = page.locator("#log .saved")
    village.sees(saved, "附件 1 个")
    code = saved.get_by_role("link").first.inner_text()
    saved.get_by_role("link", name=code).click()
    expect(marks(village, "登记")).to_have_text(["已存本机"], timeout=SEEN_MS_MAX)
    return code


def tries_and_sends_up(village: Person) -> None:
    village.does("受理")
    village.does("记一次调解", 调解经过="到现场拉了皮尺，李水木认墙脚偏了，怕返工花钱，没有谈拢。", 在场的人="老组长")
    village.does("上报", 为什么上报="谈了一次不成，请镇里来做。", 已经做过什么="现场量过，讲过相邻关系。")


def takes_up_below(town: Person, code: str) -> None:
    town.goes("待受领")
    town.page.get_by_role("link", name=code).click()
    town.page.locator("#peek").get_by_role("link", name="打开全部").click()
    town.does("受领")
    town.does("记一次调解", 调解经过="两家都到镇里坐了一下午，李水木要看林业的老图，镇里没有。")
    town.does("上报", 为什么上报="要查老宗地图，请县里牵头。", 已经做过什么="村、镇各调解一次。")
    expect(marks(town, "上报")).not_to_contain_text(["已到县"])


def takes_up_above(hub: Person, code: str) -> None:
    row = hub.page.locator("#board-rows tr").filter(has_text=code)
    row.get_by_role("button", name="受领").click()
    taken = hub.page.locator("#taken")  # the board stays; what was taken up is a press away
    hub.sees(taken, "已存本机")
    taken.get_by_role("link", name="打开这一件").click()
    hub.sees(hub.page.locator("#case-head"), code)
    holds = hub.page.locator("#timeline li.hold")  # both hand-overs, and the one just made
    expect(holds).to_have_text([re.compile(f"{held}.*承办") for held in ("高禹村", "天子湖镇", "安吉县")], timeout=SEEN_MS_MAX)
    form = hub.step("联调")
    form.get_by_label("自然资源").check()
    form.get_by_label("请他们来做什么").fill("带老宗地图到场，指一下界址。")
    form.get_by_role("button", name="联调").click()
    hub.was_told("联调")


def department_comes(department: Person, code: str) -> None:
    page = department.page
    page.locator("#out").get_by_role("link", name=re.compile("老宗地图")).click()
    page.get_by_role("button", name="接单，来参加").click()
    page.get_by_text("已经接单。").wait_for()
    page.get_by_label("有缓和").check()
    page.get_by_label("办的经过和结果").fill("老宗地图已调出，两家的界在老墙脚，带图到现场指。")
    page.get_by_role("button", name="提交答复").click()
    department.sees(page.locator("#task"), "老宗地图已调出")


def sends_a_cadre(hub: Person) -> None:
    hub.sees(hub.page.locator("#tasks"), "老宗地图已调出")  # what the department answered came by itself
    hub.page.get_by_role("link", name="派干部", exact=True).click()
    hub.page.get_by_label("陈建国").check()
    hub.page.get_by_label("去做什么").fill(VISIT)
    hub.page.get_by_label("带什么").fill("老宗地图复印件、卷尺、印泥")
    hub.page.get_by_role("button", name="派出").click()
    hub.page.get_by_role("link", name="回到纠纷").click()


def goes_and_reports(cadre: Person) -> None:
    page = cadre.page
    page.get_by_role("link", name=re.compile(VISIT)).tap()
    cadre.sees(page.locator("main"), "老宗地图复印件")
    page.get_by_role("button", name="接单", exact=True).tap()
    page.get_by_role("button", name="已到现场").tap()
    page.get_by_text("已化解").tap()
    page.get_by_label("经过和结果").fill(REPORT)
    page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": photo()})
    page.get_by_alt_text("第 1 张照片").wait_for()
    signs_on_the_screen(page)
    page.get_by_role("button", name="提交反馈").tap()
    cadre.sees(page.get_by_role("status").first, "全部已送达")


def signs_on_the_screen(page: Page) -> None:
    canvas = page.locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + 30, box["y"] + 60)
    page.mouse.down()
    for i in range(12):
        page.mouse.move(box["x"] + 30 + i * 20, box["y"] + 60 + (i % 3 - 1) * 30)
    page.mouse.up()


def shows_what_was_brought(person: Person) -> None:
    """On the case page that is open, by itself: the report, the photo and the signature; the photo opens."""
    task = person.page.locator("#tasks li.task").filter(has_text=VISIT)
    person.sees(task, REPORT)
    expect(task.get_by_role("img")).to_have_count(2, timeout=SEEN_MS_MAX)


def signs_and_closes(hub: Person) -> None:
    due = (calendar.local_date(int(time.time() * 1000)) + timedelta(days=7)).isoformat()
    form = hub.step("签订协议")
    form.get_by_label("协议内容").fill(TERM)
    form.get_by_label("履行的方式、地点和期限").fill(f"{due} 前在现场履行，由村里到场看。")
    form.get_by_label("履行到期日").fill(due)
    form.get_by_label("由谁回访").select_option(label="天子湖镇综治中心")
    form.get_by_role("button", name="签订协议").click()
    hub.was_told("签订协议")
    with hub.page.context.expect_event("response", lambda answer: answer.url.endswith(".pdf"), timeout=SEEN_MS_MAX) as printed:
        hub.page.get_by_role("link", name="打印协议书").click()
    assert printed.value.status == 200
    assert printed.value.headers["content-type"] == "application/pdf"
    form = hub.step("办结")
    form.get_by_label("办结说明").fill("双方签字，说好的事写清楚了。")
    form.get_by_role("button", name="办结").click()
    hub.was_told("办结")


def is_over_everywhere(persons: tuple[Person, ...]) -> None:
    for person in persons:
        person.sees(person.page.locator("#case-head"), "已办结")
        person.sees(person.page.locator("#timeline"), TERM)


def falls_due(town: Person, code: str) -> None:
    town.goes("今天")
    town.sees(town.page.locator("#today-follow_up"), code)


def same_everywhere(persons: tuple[Person, ...]) -> None:
    """The page 连接与台账 says of each ledger what is in it, in twelve signs that a clerk can read out by telephone."""
    for person in persons:
        person.goes("连接与台账")
    rows = [person.page.get_by_role("row", name=re.compile("高禹村")).locator("code") for person in persons]
    ends_at = time.monotonic() + SEEN_MS_MAX / 1000
    while len({row.inner_text() for row in rows}) > 1:
        assert time.monotonic() < ends_at, [row.inner_text() for row in rows]
        persons[0].page.wait_for_timeout(100)
