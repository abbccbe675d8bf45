"""The line between a page and its own program is cut: the page says so, says what to do, loses nothing, and is right again by itself."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.edge.rig import PASSWORD
from tests.edge.served import Served, nodes_of
from tests.kit import browser
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
nodes = nodes_of("village")
TYPED = "两家的水沟堵了，都说是对方倒的土。"


@pytest.fixture
def desk(open_page: Callable, nodes: Served) -> Page:
    page = open_page(nodes.url["village"] + "/", DESK, who=("wangfang", PASSWORD))
    nodes.do(lambda rig: rig.log("village"))
    expect(page.locator("#rows")).to_contain_text("叶根土")  # its stream is open
    page.fill("#party_name", "罗小妹")
    page.fill("#account", TYPED)
    expect(page.locator("#log [data-kept-note]")).to_contain_text("草稿已存本机")
    return page


def test_what_is_cut_says_what_to_do_and_comes_back_by_itself(desk: Page, nodes: Served):
    next_step = desk.locator("#cut")
    expect(next_step).to_be_hidden()
    nodes.halt("village")
    expect(desk.locator("#stale")).to_have_text("正在重连…")
    expect(next_step).to_be_visible()
    for words in ("正在自己重连", "先别关、别刷新这一页", "两分钟还没连上", "网线松了没有", "请打电话给本单位管理员"):
        expect(next_step).to_contain_text(words)
    for name, size in (("cut", DESK), ("cut-390", PHONE)):
        desk.set_viewport_size(size)
        look(desk, name)
    desk.set_viewport_size(DESK)
    expect(desk.locator("#rows")).to_contain_text("叶根土")  # what was on the page
    desk.locator("#account").press("End")
    desk.keyboard.insert_text("又吵了。")
    expect(desk.locator("#log [data-kept-note]")).to_contain_text("写的还在这一页上")
    nodes.do(lambda rig: rig.log("village", 1))
    nodes.resume("village")
    expect(desk.locator("#stale")).to_have_text("")
    expect(next_step).to_be_hidden()
    expect(desk.locator("#rows")).to_contain_text("何桂英")  # it was logged meanwhile
    expect(desk.locator("#account")).to_have_value(TYPED + "又吵了。")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#log .saved")).to_contain_text("已登记")


def test_a_cut_of_a_moment_tells_no_long_story(desk: Page, nodes: Served):
    nodes.halt("village")
    expect(desk.locator("#stale")).to_have_text("正在重连…")
    nodes.resume("village")
    expect(desk.locator("#stale")).to_have_text("")
    desk.wait_for_timeout(3500)
    expect(desk.locator("#cut")).to_be_hidden()


def test_where_the_session_ended_meanwhile_one_signs_in_on_the_same_page(desk: Page, nodes: Served, monkeypatch):
    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|with status 401"))  # said of the stream itself
    nodes.halt("village")
    expect(desk.locator("#cut")).to_be_visible()
    desk.context.clear_cookies()
    nodes.resume("village")
    again = desk.locator("#stale").get_by_role("button", name="登录已过期，点这里重新登录")
    expect(again).to_be_visible()
    expect(desk.locator("#cut")).to_be_hidden()
    look(desk, "cut-signed-out")
    again.click()
    box = desk.locator("#again-box")
    expect(box).to_be_visible()
    box.locator("[name=name]").fill("wangfang")
    box.locator("[name=password]").fill(PASSWORD)
    desk.keyboard.press("Enter")
    expect(box).to_be_hidden()
    expect(desk.locator("#stale")).to_have_text("")
    expect(desk.locator("#account")).to_have_value(TYPED)
    nodes.do(lambda rig: rig.log("village", 1))
    expect(desk.locator("#rows")).to_contain_text("何桂英")
