"""What a cadre sees of his day: the order of visits, how to call and to get there, and news of tasks that come, change or are taken back."""

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from protocol.commands import RecallTask, UrgeTask
from tests.hub_pages.world import JSON, Hub, served
from tests.kit.browser import PHONE, SMALL_PHONE, TOUCH, WAITS_MS, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id
from tests.phone.test_cadre_browser import Phone

pytestmark = needs_chromium
HERE = ZoneInfo("Asia/Shanghai")
NOON = datetime.now(HERE).replace(hour=12, minute=0, second=0, microsecond=0)
TOLD = "() => navigator.serviceWorker.getRegistration('/task').then((r) => r.getNotifications()).then((all) => all.map((n) => `${n.title} ${n.body}`))"
BADGE = "navigator.setAppBadge = async (n) => { globalThis.badge = n; }; navigator.clearAppBadge = async () => { globalThis.badge = 0; };"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[str, Hub, Any]]:
    with served(tmp_path) as (url, hub, run):
        hub.county.clock.now_ms = int(NOON.timestamp() * 1000)
        run(hub.sign_in("operator"))
        yield url, hub, run


def ms(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def opened(open_page: Any, url: str, size: dict[str, int] = PHONE, **more: Any) -> Phone:
    phone = Phone(open_page(f"{url}/task", size, **TOUCH, **more), url)
    phone.page.context.clock.set_system_time(NOON)
    phone.page.context.add_init_script(BADGE)
    phone.sign_in("cadre")
    return phone


def cards(page: Page, heading: str) -> list[str]:
    return page.locator("section", has=page.get_by_role("heading", name=heading)).locator(".tasks strong").all_inner_texts()


def notices(page: Page, *titles: str) -> list[str]:
    """As soon as they are these: each is told after the screen has changed, when its picture is there."""
    until = time.monotonic() + WAITS_MS / 1000
    while True:
        told = page.evaluate(TOLD)
        if sorted(one.split()[0] for one in told) == sorted(titles):
            return told
        assert time.monotonic() < until, told
        page.wait_for_timeout(50)


def test_today_is_in_the_order_of_deadlines_and_what_lies_together_goes_together(world, open_page):
    url, hub, run = world
    end = NOON.replace(hour=17, minute=30)
    for title, due in (
        ("老宅地基", end + timedelta(days=3)),  # the other place, later: on the way of today's
        ("田埂地界", end),
        ("空调外机对着窗", NOON.replace(hour=20)),  # the first place again, last of today
        ("工钱没结清", NOON.replace(hour=18)),  # the other place, between the two
        ("物业费三年没交", end + timedelta(days=9)),
    ):
        run(hub.send(title, due_ms=ms(due)))
    places = {title: run(hub.root.reads.case(hub.actor(), subject)).ledger for title, subject in hub.cases.items()}
    assert places["田埂地界"] == places["空调外机对着窗"] == places["物业费三年没交"] != places["工钱没结清"] == places["老宅地基"]
    phone = opened(open_page, url, SMALL_PHONE)
    expect(phone.page.get_by_role("heading", name="今天要去（5）")).to_be_visible()
    assert cards(phone.page, "今天要去") == [
        "1. 上门：田埂地界", "2. 上门：空调外机对着窗", "3. 上门：物业费三年没交", "4. 上门：工钱没结清", "5. 上门：老宅地基",
    ]  # fmt: skip
    expect(phone.page.get_by_text("手机里没有各处的坐标，不算路远近")).to_be_visible()
    assert phone.page.get_by_text("顺路，不急").count() == 2
    look(phone.page, "phone-360-today")


def test_what_is_done_without_a_signal_is_on_the_way_no_more(world, open_page):
    url, hub, run = world
    for title in ("田埂地界", "空调外机对着窗"):
        run(hub.send(title, due_ms=ms(NOON.replace(hour=17, minute=30))))
    phone = opened(open_page, url, SMALL_PHONE)
    page = phone.page
    expect(page.get_by_role("heading", name="今天要去（2）")).to_be_visible()
    phone.signal(False)
    phone.task("田埂地界")
    phone.main("谢绝…")
    page.get_by_label("去不了的原因").fill("在县里开会")
    phone.main("谢绝")
    expect(page.get_by_role("heading", name="今天要去（1）")).to_be_visible()
    assert cards(page, "今天要去") == ["上门：空调外机对着窗"]
    assert cards(page, "办完的，等发送") == ["上门：田埂地界"]
    look(page, "phone-360-done-unsent")
    phone.signal(True)
    expect(page.get_by_role("heading", name="办过的")).to_be_visible()
    expect(page.get_by_role("heading", name="办完的，等发送")).to_have_count(0)


def test_he_calls_and_gets_there_from_the_visit(world, open_page):
    url, hub, run = world
    run(hub.send("田埂地界", address="三组十二号"))
    phone = opened(open_page, url, permissions=["clipboard-read", "clipboard-write"])
    phone.task("田埂地界")
    page, where = phone.page, "安吉县天子湖镇高禹村三组十二号"
    assert page.get_by_role("link", name="拨打 13800000000").get_attribute("href") == "tel:13800000000"
    assert unquote(page.get_by_role("link", name="打开地图").get_attribute("href") or "") == f"geo:0,0?q={where}"
    page.get_by_role("button", name="复制地址").tap()
    expect(page.get_by_text("地址已复制")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == where
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # an old browser, or one that refuses
    page.get_by_role("button", name="复制地址").tap()
    expect(page.get_by_text("地址已复制")).to_be_visible()


@pytest.mark.whole_browser
def test_news_are_told_without_names_and_a_recalled_task_asks_nothing_more(world, open_page):
    url, hub, run = world
    first = run(hub.send("田埂地界"))
    phone = opened(open_page, url, permissions=["notifications"])
    page = phone.page
    expect(page.get_by_text("新派来的")).to_be_visible()
    page.wait_for_function("() => globalThis.badge === 1")
    expect(page.get_by_text("页面关掉以后，请自己常打开看看")).to_be_visible()
    phone.task("田埂地界")
    page.wait_for_function("() => globalThis.badge === 0")
    phone.main("接单")
    page.get_by_role("link", name="‹ 我的任务").tap()
    expect(page.get_by_text("新派来的")).to_have_count(0)
    assert page.evaluate(TOLD) == [], "what stood there when he came is no news"
    second = run(hub.send("工钱没结清", due_ms=ms(NOON.replace(hour=17, minute=30))))
    expect(page.get_by_text("新派来的")).to_be_visible()
    (told,) = notices(page, "派来一项新任务")
    assert re.fullmatch(r"派来一项新任务 \d+月\d+日 周. 17:30前。点开看。", told), told
    run(hub.root.say(UrgeTask(id=new_id(), task=first, text="今天能去吗"), hub.root.actor()))
    expect(page.get_by_text("有变化")).to_be_visible()
    run(hub.root.say(RecallTask(id=new_id(), task=second, reason="人手换了"), hub.root.actor()))
    expect(page.get_by_role("heading", name="刚撤回，不用去了")).to_be_visible()
    notices(page, "有一项任务撤回了，不用去了", "有一项任务有变化")
    look(page, "phone-news")
    phone.task("工钱没结清")
    expect(page.get_by_text("这项任务撤回了，不用去了。")).to_be_visible()
    expect(page.get_by_text("原因：人手换了")).to_be_visible()
    expect(page.locator(".foot")).to_have_count(0)
    expect(page.locator("textarea")).to_have_count(0)
    look(page, "phone-recalled")
    phone.main("已经去过了，要写反馈…")
    expect(page.get_by_label("经过和结果")).to_be_visible()
    page.get_by_role("link", name="‹ 我的任务").tap()
    expect(page.get_by_role("heading", name="刚撤回，不用去了")).to_have_count(0)
    assert "上门：工钱没结清" in cards(page, "办过的")[0]


def test_whether_to_tell_is_asked_once_when_a_task_was_taken(world, open_page):
    url, hub, run = world
    run(hub.send("田埂地界"))
    phone = opened(open_page, url)
    page = phone.page
    page.evaluate("() => { Notification.requestPermission = async () => { throw new Error('not before he said yes'); }; }")
    if page.evaluate("Notification.permission") != "default":
        page.context.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'default' })")
        page.reload()
    phone.task("田埂地界")
    question = page.get_by_role("heading", name="来了新任务，要手机提醒吗？")
    expect(question).to_have_count(0)
    phone.main("接单")
    expect(question).to_be_visible()
    expect(page.get_by_text("关掉以后内网收不到推送")).to_be_visible()
    look(page, "phone-asks")
    phone.main("不用")
    expect(question).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name="已到现场")).to_be_visible()
    expect(question).to_have_count(0)


def test_he_asks_back_and_is_answered_and_the_visit_stays_as_it_is(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = opened(open_page, url, SMALL_PHONE)
    page = phone.page
    phone.task("田埂地界")
    phone.main("接单")
    expect(page.get_by_role("button", name="已到现场")).to_be_visible()  # it scrolls up then: a tap meanwhile meets another place
    phone.signal(False)
    phone.main("问派单的人…")
    phone.main("留言")
    expect(phone.notice).to_contain_text("请写要问什么。")
    page.get_by_label("要问什么、要说明什么").fill("户主电话打不通，改明天行吗")
    phone.main("留言")
    expect(page.get_by_text("留言 存在手机，待发送")).to_be_visible()
    phone.signal(True)
    expect(page.get_by_text("户主电话打不通，改明天行吗")).to_be_visible()
    run(hub.sign_in("operator"))
    asked = run(hub.client.get(f"/tasks/{subject}", headers={"accept": "text/html"})).text
    assert "陈立新在等答复：</strong>户主电话打不通，改明天行吗" in asked
    run(hub.post(f"/tasks/{subject}/TellTask", {"command_id": new_id(), "text": "可以，明天上午去"}))
    assert "在等答复" not in run(hub.client.get(f"/tasks/{subject}", headers={"accept": "text/html"})).text
    expect(page.get_by_text("可以，明天上午去")).to_be_visible()
    look(page, "phone-360-told")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "confirmed"
    run(hub.sign_in("other"))
    assert (
        run(hub.client.post(f"/tasks/{subject}/TellTask", data={"command_id": new_id(), "text": "别人"}, headers=JSON)).status_code == 404
    )


def test_he_says_no_with_a_reason(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = opened(open_page, url, SMALL_PHONE)
    phone.task("田埂地界")
    phone.main("谢绝…")
    phone.main("谢绝")
    expect(phone.notice).to_contain_text("请写一句去不了的原因。")
    look(phone.page, "phone-360-decline")
    phone.page.get_by_label("去不了的原因").fill("在县里开会")
    phone.main("谢绝")
    expect(phone.page.get_by_role("heading", name="办过的")).to_be_visible()
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.status, "在县里开会" in str([line.text for line in task.lines])) == ("declined", True)


def test_a_clock_that_is_a_day_ahead_makes_nothing_late_and_no_step_impossible(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界", due_ms=ms(NOON.replace(hour=17, minute=30))))
    phone = opened(open_page, url)
    clock = phone.page.context.clock
    clock.set_system_time(NOON + timedelta(days=1))
    with phone.page.expect_response("**/task/mine**"):
        phone.page.evaluate("dispatchEvent(new Event('online'))")
    expect(phone.page.get_by_text("24 小时内到期")).to_be_visible()
    expect(phone.page.get_by_text("今天 17:30前")).to_be_visible()
    expect(phone.page.get_by_text("已超期")).to_have_count(0)
    phone.signal(False)
    phone.task("田埂地界")
    phone.main("接单")
    expect(phone.status).to_have_text("1 条待发送，有信号时自动发出")
    clock.set_system_time(NOON)  # somebody puts it right before there is a signal
    phone.signal(True)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    confirmed = run(hub.root.reads.task(hub.root.actor(), subject)).lines[-1]
    assert (confirmed.kind, abs(confirmed.at_ms - int(ms(NOON))) < 600_000) == ("TaskConfirmed", True)
