"""The desk of a village in a real Chromium: by keyboard alone, with mistakes, with the link coming back, with the session gone."""

import re
from collections.abc import Callable

import pytest

from protocol.calendar import DAY_MS
from protocol.commands import CloseDispute, EscalateDispute, Party
from tests.edge.rig import PASSWORD, TOWN
from tests.edge.served import Served, nodes_of
from tests.kit import browser
from tests.kit.browser import DESK, OLD_PC, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id

pytestmark = needs_chromium
REDRAWN = "addEventListener('htmx:after:swap', (e) => { if (e.detail.ctx?.sourceElement?.id === 'live') globalThis.redrawn = true; });"


nodes = nodes_of("village", "town")


@pytest.fixture
def sign_in(open_page: Callable, nodes: Served) -> Callable:
    def signed_in(kind: str, size: dict, account: str = ""):
        account = account or {"village": "wangfang", "town": "shen"}[kind]
        return open_page(nodes.url[kind] + "/", size, who=(account, PASSWORD))

    return signed_in


def type_in(page, *words: str) -> None:
    """One field after the other, by Tab; "" goes past."""
    for i, text in enumerate(words):
        if i:
            page.keyboard.press("Tab")
        page.keyboard.insert_text(text)


def test_a_clerk_logs_by_keyboard_and_watches_it_arrive(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    desk = browser.sign_in(open_page(nodes.url["village"] + "/sign-in", DESK), "wangfang", PASSWORD)
    look(desk, "desk-empty")
    expect(desk.locator("#link-state")).to_have_text("离线")
    desk.keyboard.press("F2")
    expect(desk.locator("#account")).to_be_focused()  # his own words come first
    type_in(desk, "两家的水沟堵了，都说是对方倒的土。", "", "13800001234", "叶根水")
    expect(desk.locator("#hints .chip")).to_have_text(["邻里·采光排水"])
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#party_name-wrong")).to_contain_text("请填写")  # the wrong field is marked …
    expect(desk.locator("#party_name")).to_be_focused()
    expect(desk.locator("#account")).to_have_value("两家的水沟堵了，都说是对方倒的土。")  # … and everything typed is there
    expect(desk.locator("#party_phone-0")).to_have_value("13800001234")
    look(desk, "desk-wrong")
    desk.keyboard.insert_text("叶根土")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#log .saved")).to_contain_text("已登记 2026-018-")
    expect(desk.locator("#account")).to_be_focused()  # ready for the next one
    desk.keyboard.insert_text("王")
    row = desk.locator("#rows tr", has_text="叶根土")
    expect(row.locator(".mark.done")).to_have_text(["已存本机"])
    expect(desk.locator("#link-state")).to_have_text("离线 · 1 条待送出")
    nodes.do(lambda rig: rig.deliver("village", "town"))
    expect(row.locator(".mark.done")).to_have_text(["已存本机", "已到乡镇"])
    nodes.do(lambda rig: rig.deliver("village", "root"))
    expect(row.locator(".mark.done")).to_have_text(["已存本机", "已到乡镇", "已到县"])  # without a reload
    expect(desk.locator("#account")).to_have_value("王")  # what is being typed is left alone
    for name, size in (("desk", DESK), ("desk-1366", OLD_PC), ("desk-phone", PHONE)):
        desk.set_viewport_size(size)
        look(desk, name)
    desk.set_viewport_size(DESK)
    desk.evaluate("document.querySelector('#log').reset(); delete document.querySelector('#log').dataset.dirty")
    desk.keyboard.press("Escape")
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Enter")
    desk.wait_for_url("**/cases/*")
    expect(desk.locator("h1")).to_contain_text("叶根土")


def test_what_a_clerk_writes_is_looked_at_while_she_writes(sign_in: Callable, nodes: Served):
    from playwright.sync_api import expect

    nodes.do(a_visitor)
    desk = sign_in("village", DESK)
    desk.keyboard.press("F2")
    type_in(desk, "东邻新砌的围墙占了半尺，两家动手了，他扬言要砍人", "叶根土")
    expect(desk.locator("#hints .chip")).to_have_text(["邻里·界址围墙", "红色风险"])
    expect(desk.locator("#hints .note")).to_contain_text("叶根土 有没办结的：")
    expect(desk.locator("#hints .met")).to_contain_text(["叶根土 以前来过 4 件，最近的：", "同一个地方、差不多的事，还没办完："])
    for size, suffix in ((DESK, ""), (PHONE, "-phone")):
        desk.set_viewport_size(size)
        look(desk, f"hints{suffix}")
    desk.set_viewport_size(DESK)
    for name in ("邻里·界址围墙", "红色风险"):
        desk.get_by_role("button", name=name).focus()
        desk.keyboard.press("Enter")
    expect(desk.locator("#type")).to_have_value("0204")
    expect(desk.locator("#risk")).to_have_value("red")
    expect(desk.locator("#account")).to_have_value("东邻新砌的围墙占了半尺，两家动手了，他扬言要砍人")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#log .saved")).to_contain_text("已登记")
    desk.fill("#account", "我要举报村主任贪污集体的钱")
    expect(desk.locator("#hints .note")).to_contain_text("改用密封转交")
    desk.locator("[data-to-seal]").click()
    desk.wait_for_url("**/seal")
    desk.go_back()
    expect(desk.locator("#account")).to_have_value("")


def test_the_rest_of_a_party_is_asked_on_demand(sign_in: Callable, nodes: Served):
    from playwright.sync_api import expect

    desk = sign_in("village", DESK)
    desk.keyboard.press("F2")
    type_in(desk, "东邻的围墙占了半尺。", "叶根土", "13800001234")
    desk.keyboard.press("Tab")
    expect(desk.locator("#party_name-1")).to_be_focused()  # what is folded, and its fold, cost no key
    desk.keyboard.press("Shift+Tab")
    desk.keyboard.press("Alt+ArrowDown")
    expect(desk.locator("#party_address")).to_be_focused()
    type_in(desk, "高禹村三组", "330523197001011234")
    desk.get_by_role("button", name="再加一位当事人").click()
    desk.keyboard.insert_text("叶根木")
    desk.keyboard.press("Alt+ArrowDown")
    expect(desk.locator("#party_address-2")).to_be_focused()
    desk.keyboard.insert_text("高禹村四组")
    expect(desk.locator("#log [data-kept-note]")).to_contain_text("草稿已存本机")
    expect(desk.locator("#log")).to_have_attribute("data-kept", "")  # all of it
    desk.reload()
    expect(desk.locator("#party_id_number")).to_have_value("330523197001011234")  # the draft has it, and shows it
    expect(desk.locator("#party_address-2")).to_be_visible()
    desk.locator("#party_address-2").focus()
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#party_id_number")).to_be_focused()
    expect(desk.locator("#party_id_number-wrong")).to_contain_text("有一位写错了")
    expect(desk.locator("#party_address-1")).to_have_value("高禹村四组")  # the row without a name is gone
    expect(desk.locator("#party_address-1")).to_be_visible()
    for size, suffix in ((DESK, ""), (PHONE, "-phone")):
        desk.set_viewport_size(size)
        look(desk, f"log-party{suffix}")
    desk.fill("#party_id_number", "330523197001011239")
    desk.fill("#party_id_number-1", "3305231970010112")
    desk.locator("#party_id_number-1").evaluate("(input) => input.closest('details').removeAttribute('open')")
    desk.locator("#account").focus()
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#party_id_number-1")).to_be_focused()  # what is wrong is not left folded
    expect(desk.locator("#party_id_number-1-wrong")).to_contain_text("第 2 位当事人的证件号码不对：身份证号码是 18 位，这里有 16 位")
    desk.fill("#party_id_number-1", "")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#log .saved")).to_contain_text("已登记")
    expect(desk.locator("#party_id_number")).to_be_hidden()
    subject = desk.locator("#log .saved a").first.get_attribute("href").rpartition("/")[2]
    parties = nodes.do(lambda rig: rig.case("village", subject)).parties
    assert [(p.name, p.address, p.birth_year) for p in parties] == [("叶根土", "高禹村三组", 1970), ("叶根木", "高禹村四组", None)]


def test_a_case_changes_under_what_is_being_written_and_nothing_is_lost(sign_in: Callable, nodes: Served):
    from playwright.sync_api import expect

    subject = nodes.do(lambda rig: rig.log("village"))
    page = sign_in("village", DESK)
    page.goto(f"{nodes.url['village']}/cases/{subject}")
    look(page, "case")
    page.locator("#step-AddNote summary").click()
    page.locator("#AddNote-text").fill("约好明早看界石")
    nodes.do(lambda rig: rig.say("village", EscalateDispute(id=new_id(), case=subject, to=TOWN, reason="要镇里来认界")))
    expect(page.locator("#timeline")).to_contain_text("要镇里来认界")
    expect(page.locator("#case-head")).to_contain_text("等待受领")
    expect(page.locator("#AddNote-text")).to_have_value("约好明早看界石")
    expect(page.locator("#steps-note")).to_be_visible()
    page.locator("#form-AddNote button.main").click()
    expect(page.locator("#said")).to_contain_text("备注：已存本机。")
    expect(page.locator("#timeline")).to_contain_text("约好明早看界石")
    expect(page.locator("#AddNote-text")).to_have_value("")
    expect(page.locator("#step-AddNote")).not_to_have_attribute("open", "")
    page.locator("#step-ReturnDispute summary").click()
    page.locator("#form-ReturnDispute button.main").click()
    expect(page.locator("#ReturnDispute-reason")).to_be_focused()
    expect(page.locator("#form-ReturnDispute")).to_contain_text("请填写理由。")
    look(page, "case-wrong")
    page.set_viewport_size(PHONE)
    look(page, "case-phone")


def test_the_session_ends_and_the_form_waits_for_the_sign_in(sign_in: Callable, nodes: Served, monkeypatch):
    from playwright.sync_api import expect

    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|status of 401"))  # Chromium reports each refused fetch
    desk = sign_in("village", DESK)
    desk.keyboard.press("F2")
    type_in(desk, "老人的粮油钱断了半年。", "何桂英")
    nodes.do(a_night)
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#again-box")).to_be_visible()
    look(desk, "desk-again")
    desk.locator("#again-name").fill("wangfang")
    desk.locator("#again-password").fill("wrong-one")
    desk.keyboard.press("Enter")
    expect(desk.locator("#again")).to_contain_text("账号或密码不对")
    desk.locator("#again-password").fill(PASSWORD)
    desk.keyboard.press("Enter")
    expect(desk.locator("#again-box")).to_be_hidden()
    expect(desk.locator("#account")).to_have_value("老人的粮油钱断了半年。")
    expect(desk.locator("#log")).to_contain_text("已登录，请再点一次保存。")
    desk.keyboard.press("Enter")  # the save button has the focus
    expect(desk.locator("#log .saved")).to_contain_text("已登记")
    expect(desk.locator("#rows tr", has_text="何桂英")).to_be_visible()


def test_when_the_program_does_not_answer_the_form_says_so_and_keeps_everything(sign_in: Callable, nodes: Served, monkeypatch):
    from playwright.sync_api import expect

    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|status of 500"))
    desk = sign_in("village", DESK)
    desk.context.route("**/cases", lambda route: route.abort())
    desk.fill("#party_name", "潘建林")
    desk.fill("#account", "楼下夜里放音乐。")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#log [role=alert]")).to_contain_text("没有等到本机程序的回答")
    expect(desk.locator("#account")).to_have_value("楼下夜里放音乐。")
    desk.context.unroute("**/cases")
    submit = nodes.rig.web("village").node.desk.submit
    monkeypatch.setattr(nodes.rig.web("village").node.desk, "submit", None)  # a fault of ours
    for _ in range(2):
        desk.keyboard.press("Control+Enter")
        expect(desk.locator("#log [role=alert]")).to_contain_text("没有料到的情况")
        expect(desk.locator("#log [role=alert]")).to_have_count(1)
    expect(desk.locator("#account")).to_have_value("楼下夜里放音乐。")
    monkeypatch.setattr(nodes.rig.web("village").node.desk, "submit", submit)
    desk.locator("#account").focus()
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#log .saved")).to_contain_text("已登记")


async def a_visitor(rig) -> None:
    """叶根土 came four times before, and has a case that is open; another lies open that is of the same kind."""
    for _ in range(4):
        subject = await rig.log("village")
        await rig.say("village", CloseDispute(id=new_id(), case=subject, ending="withdrawn", result="说和了。"))
    await rig.log("village")
    await rig.log("village", parties=[Party("汤菊花"), Party("罗小妹", side="respondent")])


async def a_night(rig) -> None:
    rig.county.clock.pass_ms(DAY_MS)


def test_a_township_takes_up_beside_its_list(sign_in: Callable, nodes: Served):
    from playwright.sync_api import expect

    nodes.do(lambda rig: rig.a_busy_village())
    desk = sign_in("town", DESK)
    expect(desk.locator("#rows")).to_contain_text("没有等您受领的纠纷")
    nodes.do(lambda rig: rig.deliver("village", "town"))
    expect(desk.locator("#rows tr[id^=case-]")).to_have_count(2)  # they came by themselves
    expect(desk.locator("#nav")).to_contain_text("待受领 2")
    look(desk, "township-desk")
    desk.add_init_script(REDRAWN)
    desk.goto(nodes.url["town"] + "/inbox")
    desk.wait_for_function("() => globalThis.redrawn")  # by the stream's first message: a row opened just then opens as a page of its own
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Enter")
    expect(desk.locator("#peek")).to_be_focused()
    desk.keyboard.press("Escape")
    expect(desk.locator("[data-row]").first).to_be_focused()
    desk.locator("#peek #step-TakeUpDispute summary").click()
    expect(desk.locator("#peek")).to_contain_text("受领后由天子湖镇综治中心负责")
    look(desk, "township-inbox")
    desk.locator("#peek #form-TakeUpDispute button.main").click()
    expect(desk.locator("#peek")).to_contain_text("受领：已存本机。")
    expect(desk.locator("#rows tr[id^=case-]")).to_have_count(1)
    desk.set_viewport_size(PHONE)
    look(desk, "township-phone")


def test_the_other_pages_hold_up_too(sign_in: Callable, nodes: Served):
    nodes.do(lambda rig: rig.a_busy_village())
    page = sign_in("village", DESK)
    for name, path in (("list", "/cases"), ("link", "/link"), ("seal", "/seal"), ("log", "/cases/new"), ("password", "/password")):
        page.goto(nodes.url["village"] + path)
        for size, suffix in ((DESK, ""), (PHONE, "-phone")):
            page.set_viewport_size(size)
            look(page, name + suffix)
    page.keyboard.press("F1")
    page.locator("#keys").wait_for(state="visible")
    look(page, "keys")
