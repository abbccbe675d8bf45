"""A week without signal on a cadre's phone: all of it from the phone's own store, each step with its true state, whatever befalls the phone."""

import re
import time
from contextlib import suppress
from typing import Any

from playwright.sync_api import Page, expect

from protocol.commands import RecallTask
from protocol.tables import Tables
from tests.kit import browser
from tests.kit.browser import PHONE, TOUCH, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id
from tests.phone.test_cadre_browser import Phone, picture
from tests.phone.test_pieces_browser import noise

pytestmark = needs_chromium
WORDS = "两家当面把界石立回去了，握了手。"
# A disk with `room` bytes left. Chromium holds a quota to no more than about half a minute and some megabytes, too coarse for a test.
DISK = """globalThis.room = Infinity; {
  const { put, delete: gone } = IDBObjectStore.prototype, size = (v) => v?.box?.byteLength ?? v?.byteLength ?? JSON.stringify(v)?.length ?? 0;
  IDBObjectStore.prototype.put = function (v, key) { const asked = put.call(this, v, key); if (size(v) > room) asked.addEventListener('success', () => this.transaction.abort()); else room -= size(v); return asked; };
  IDBObjectStore.prototype.delete = function (key) { const size = { 'reserve-text': 2e6, 'reserve-files': 12e6 }[key]; if (size) this.getKey(key).onsuccess = (e) => { room += e.target.result ? size : 0; }; return gone.call(this, key); };
}"""
LAID = """(names) => new Promise((done) => { const asked = indexedDB.open('yidi-task'); asked.onsuccess = () => {
  const all = asked.result.transaction('state').objectStore('state').getAllKeys(); all.onsuccess = () => done(names.every((name) => all.result.includes(name))); }; })"""


def queue(page: Page) -> list[tuple[str, str]]:
    """[(what, its state)] as the page of what was sent says it, in its order."""
    items = page.locator("section", has=page.get_by_role("heading", name="按做的先后")).locator("li.card > p.tags")
    return [(item.locator("strong").inner_text(), item.locator(".tag").inner_text()) for item in items.all()]


def fill(phone: Phone, words: str = WORDS) -> None:
    phone.page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
    phone.page.get_by_label("经过和结果").fill(words)


def photo(phone: Phone, n: int = 1) -> None:
    phone.page.locator("#photo").set_input_files({"name": f"现场{n}.png", "mimeType": "image/png", "buffer": picture(1200, 900)})


def test_without_signal_everything_is_there_and_each_item_says_what_became_of_it(world, open_page, monkeypatch):
    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|status of 409"))
    url, hub, run = world
    subject = run(hub.send("田埂地界", bring="卷尺", summary="两家争一条田埂，前后吵过两回。", address="三组"))
    other = run(hub.send("工钱没结清", address="镇上老街"))
    phone = Phone.of("cadre", open_page, url)
    phone.signal(False)
    phone.page.clock.install(time=time.time() + 6 * 86_400)  # six days on, the app was closed meanwhile
    phone.page.reload()
    phone.task("田埂地界")
    for told in ("两家争一条田埂，前后吵过两回。", "卷尺", "三组", "叶根土", "拨打 13800000000"):
        expect(phone.page.get_by_text(told).first).to_be_visible()
    phone.main("接单")
    phone.main("已到现场")
    fill(phone)
    photo(phone)
    expect(phone.page.get_by_alt_text("第 1 张照片")).to_be_visible()
    phone.main("提交反馈")
    phone.page.get_by_role("link", name="‹ 我的任务").tap()
    phone.task("工钱没结清")
    phone.main("接单")
    expect(phone.page.get_by_role("button", name="已到现场")).to_be_visible()  # only what the screen moved on from is promised
    page, context = phone.page, phone.page.context
    page.close()  # killed
    page = context.new_page()
    page.goto(f"{url}/task#queue")
    waits = "存在手机 · 待发送"
    expect(page.get_by_role("status").first).to_have_text("5 条待发送，有信号时自动发出")
    assert queue(page) == [(what, waits) for what in ("接单", "已到现场", "提交反馈", "照片", "接单")]
    expect(page.get_by_text("现在没有信号")).to_be_visible()
    look(page, "phone-queue-waiting")
    run(hub.root.say(RecallTask(id=new_id(), task=other, reason="人手换了"), hub.root.actor()))
    context.set_offline(False)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("“接单”没有办成")
    expect(alert).to_contain_text("点“不要这一步了”")
    expect(page.get_by_text("已送到，正等另一台机器也存好")).to_have_count(4)
    expect(page.get_by_role("status").first).to_have_text("1 条被退回，要您看一下")
    assert [what for what, _ in queue(page)] == ["接单", "已到现场", "提交反馈", "照片"]
    look(page, "phone-queue-refused")
    page.get_by_role("button", name="不要这一步了").tap()
    run(hub.second_node_has_it())
    expect(page.get_by_role("status").first).to_have_text("全部已送达")
    expect(page.locator("section", has=page.get_by_role("heading", name="已送到")).locator("li")).to_have_count(4)
    look(page, "phone-queue-done")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "reported"


def test_a_file_on_its_way_says_how_much_of_it_is_there(world, open_page):
    url, hub, run = world
    run(hub.send("田埂地界"))
    phone = Phone.of("cadre", open_page, url)
    held: list[Any] = []
    second = re.compile(r"/uploads/.*offset=(?!0$)")
    phone.page.context.route(second, lambda route: held.append(route))  # noqa: PLW0108 it hangs on a thin line; playwright can't wrap a builtin
    phone.page.evaluate("navigator.serviceWorker.getRegistration('/task').then((r) => { r.sync.register = async () => {}; })")
    phone.task("田埂地界")
    phone.main("接单")
    phone.main("已到现场")
    fill(phone)
    phone.page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": noise(1600, 1200)})
    expect(phone.page.get_by_alt_text("第 1 张照片")).to_be_visible()
    phone.main("提交反馈")
    phone.page.get_by_role("link", name="发送情况").tap()
    share = phone.page.get_by_text(re.compile(r"^发送中 [1-9]\d?%$"))
    expect(share).to_be_visible()
    assert [state for what, state in queue(phone.page) if what == "提交反馈"] == ["已送到，正等另一台机器也存好"]
    look(phone.page, "phone-queue-sending")
    phone.page.context.unroute(second)
    for route in held:
        with suppress(Exception):  # it gave up waiting and asks again by itself
            route.continue_()
    expect(share).to_have_count(0)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")


def test_a_session_that_ended_in_the_middle_loses_nothing(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = Phone.of("cadre", open_page, url)
    phone.task("田埂地界")
    phone.main("接单")
    phone.main("已到现场")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    fill(phone)
    photo(phone)
    expect(phone.page.get_by_alt_text("第 1 张照片")).to_be_visible()
    phone.page.context.clear_cookies()
    phone.main("提交反馈")
    expect(phone.status).to_have_text("登录过期了，2 条存在手机，登录后接着发")
    phone.page.get_by_role("link", name="发送情况").tap()
    expect(phone.page.get_by_role("heading", name="按做的先后")).to_be_visible()
    assert [state for _, state in queue(phone.page)][-2:] == ["存在手机 · 等您登录"] * 2
    look(phone.page, "phone-queue-expired")
    phone.sign_in("other")  # somebody else borrows the phone: he sees that something waits, and nothing of it
    expect(phone.page.get_by_text("还有别人没有发出的 2 条")).to_be_visible()
    phone.page.goto(f"{url}/task#queue")
    expect(phone.page.get_by_text("加密存着，看不到内容")).to_be_visible()
    assert queue(phone.page) == []
    phone.page.goto(f"{url}/task")
    phone.main("退出登录")
    phone.sign_in("cadre")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.status, task.words, len(task.blobs)) == ("reported", WORDS, 1)


def test_a_phone_that_is_nearly_full_says_so_first_and_keeps_the_text(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = Phone(open_page(f"{url}/task", PHONE, **TOUCH), url)
    page = phone.page
    page.context.add_init_script(DISK)
    phone.sign_in("cadre")
    phone.task("田埂地界")
    phone.main("接单")
    phone.main("已到现场")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    until = time.monotonic() + browser.WAITS_MS / 1000
    while not page.evaluate(LAID, ["reserve-text", "reserve-files"]):
        assert time.monotonic() < until, "no room was kept free"
        page.wait_for_timeout(100)
    page.evaluate("room = 0")
    photo(phone, 1)
    expect(page.get_by_alt_text("第 1 张照片")).to_be_visible()
    expect(page.get_by_text("手机快存满了")).to_be_visible()
    look(page, "phone-nearly-full")
    page.evaluate("room = 0")
    photo(phone, 2)
    expect(phone.notice).to_contain_text("手机存不下这个了")
    expect(page.get_by_alt_text("第 2 张照片")).to_have_count(0)
    fill(phone)
    phone.main("提交反馈")
    expect(page.get_by_role("button", name="提交反馈")).to_have_count(0)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.status, task.words, task.photos, len(task.blobs)) == ("reported", WORDS, 1, 1)
