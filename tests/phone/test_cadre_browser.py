"""The cadre's page in a real Chromium against real nodes: no signal, a lost answer, a refusal, another one's phone."""

import re
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from playwright.sync_api import Page, expect

from protocol.commands import RecallTask
from protocol.tables import Tables
from tests.hub_pages.world import PASSWORD
from tests.kit import browser
from tests.kit.browser import PHONE, TOUCH, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id

pytestmark = needs_chromium
UNSENT = "() => new Promise((done) => { const asked = indexedDB.open('yidi-task'); asked.onsuccess = () => { const all = asked.result.transaction('outbox').objectStore('outbox').getAll(); all.onsuccess = () => done(all.result.map((a) => [a.kind, a.state])); }; })"

LEFT = """(person) => new Promise((done) => { const asked = indexedDB.open('yidi-task'); asked.onsuccess = () => { const tx = asked.result.transaction('outbox', 'readwrite');
  for (let n = -100; n < 0; n++) tx.objectStore('outbox').put({ id: crypto.randomUUID(), n, person, state: 'sent', kind: 'ConfirmTask', task: '0'.repeat(32), label: '接单' });
  tx.oncomplete = done; }; })"""


@cache
def picture(width: int, height: int) -> bytes:
    """A PNG, larger than a phone should send."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    grey = [bytes((n, n, n)) for n in range(256)]  # of (x · y) mod 256, which comes again after 256 rows and columns
    square = [b"\0" + (b"".join(grey[x * y % 256] for x in range(256)) * (width // 256 + 1))[: 3 * width] for y in range(256)]
    rows = b"".join(square[y % 256] for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def size_of(jpeg: bytes) -> tuple[int, int]:
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    height, width = struct.unpack(">HH", jpeg[at + 5 : at + 9])
    return width, height


class Phone:
    """A cadre's phone with the app open; `sign_in` and `of` wait until it works without signal."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.status = page.get_by_role("status").first
        self.notice = page.locator(".notice")

    def sign_in(self, who: str) -> None:
        self.page.goto(f"{self.url}/sign-in?next=/task")
        self.page.fill("[name=name]", who)
        self.page.fill("[name=password]", PASSWORD)
        self.page.get_by_role("button", name="登录").tap()
        self.page.wait_for_url("**/task")
        self.has_all()

    @classmethod
    def of(cls, who: str, open_page: Callable[..., Page], url: str, size: dict[str, int] = PHONE, **more: object) -> "Phone":
        """As after `sign_in`, without the page that asks."""
        phone = cls(open_page(f"{url}/task", size, who=(who, PASSWORD), **TOUCH, **more), url)
        phone.has_all()
        return phone

    def has_all(self) -> None:
        expect(self.page.get_by_text("退出登录")).to_be_visible()
        self.page.wait_for_function("() => navigator.serviceWorker.controller")

    def signal(self, there: bool) -> None:
        self.page.context.set_offline(not there)

    def task(self, title: str) -> None:
        self.page.get_by_role("link", name=re.compile(title)).tap()

    def main(self, label: str) -> None:
        self.page.get_by_role("button", name=label, exact=True).tap()

    def sign_name(self) -> None:
        canvas = self.page.locator("canvas")
        canvas.tap(trial=True)  # a screen that was just drawn takes no touch for a moment
        box = canvas.bounding_box()
        assert box
        self.page.mouse.move(box["x"] + 30, box["y"] + 60)
        self.page.mouse.down()
        for i in range(12):
            self.page.mouse.move(box["x"] + 30 + i * 20, box["y"] + 60 + (i % 3 - 1) * 30)
        self.page.mouse.up()

    def kept(self) -> list[list[str]]:
        return sorted(self.page.evaluate(UNSENT))


def test_a_cadre_works_without_signal_and_everything_is_sent_once(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界", bring="卷尺、调解记录本", summary="两家争一条田埂，前后吵过两回。", address="三组"))
    position = {"permissions": ["geolocation"], "geolocation": {"latitude": 30.812345, "longitude": 119.712345, "accuracy": 11}}
    phone = Phone(open_page(f"{url}/task", PHONE, **TOUCH, **position), url)
    look(phone.page, "phone-signed-out")
    phone.sign_in("cadre")
    expect(phone.page.get_by_text("上门：田埂地界")).to_be_visible()
    look(phone.page, "phone-list")
    phone.signal(False)
    phone.page.reload()  # the shell comes from the worker, the task from the phone's own store
    phone.task("田埂地界")
    look(phone.page, "phone-task")
    phone.main("接单")
    phone.main("附上我的位置")
    expect(phone.page.get_by_text("误差约 11 米")).to_be_visible()
    phone.main("已到现场")
    phone.main("提交反馈")
    expect(phone.page.get_by_role("alert")).to_have_text("请选一个结果。")
    phone.page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
    phone.page.get_by_label("经过和结果").fill("两家当面把界石立回去了，握了手。")
    phone.page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": picture(2000, 1500)})
    expect(phone.page.get_by_alt_text("第 1 张照片")).to_be_visible()
    phone.sign_name()
    look(phone.page, "phone-report")
    phone.page.reload()  # a phone that dies loses nothing that was written
    expect(phone.page.get_by_label("经过和结果")).to_have_value("两家当面把界石立回去了，握了手。")
    expect(phone.page.get_by_alt_text("第 1 张照片")).to_be_visible()
    phone.main("提交反馈")
    expect(phone.status).to_have_text("5 条待发送，有信号时自动发出")
    look(phone.page, "phone-unsent")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "sent"
    phone.signal(True)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert {state for _, state in phone.kept()} == {"sent"}  # kept until a second node has it
    run(hub.second_node_has_it())
    expect(phone.status).to_have_text("全部已送达")
    assert phone.kept() == []
    expect(phone.page.get_by_text("已到村")).to_be_visible()
    look(phone.page, "phone-done")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert [line.kind for line in task.lines] == [
        "TaskAssigned", "TaskConfirmed", "CadreArrived", "TaskReported", "TaskEvidenceAdded", "TaskEvidenceAdded",
    ]  # fmt: skip
    assert (task.status, task.result, task.latitude, task.photos, task.signatures) == ("reported", "settled", 30.812345, 1, 1)
    photo, signature = [run(hub.root.blobs.get(attachment.blob)) for attachment in task.blobs]
    assert size_of(photo) == (1600, 1200)
    assert len(photo) < 600_000
    assert signature.startswith(b"\x89PNG")


def test_an_answer_that_is_lost_does_nothing_twice(world, open_page):
    url, hub, run = world
    subject = run(hub.send())
    phone = Phone.of("cadre", open_page, url)
    lost: list[int] = []

    def lose(route: Any) -> None:
        lost.append(route.fetch().status)
        route.abort()

    phone.page.context.route("**/task/commands", lose)
    phone.task("田埂地界")
    phone.main("接单")
    expect(phone.page.get_by_text("1 条待发送")).to_be_visible()
    until = time.monotonic() + browser.WAITS_MS / 1000
    while not lost and time.monotonic() < until:
        phone.page.wait_for_timeout(50)
    assert lost[:1] == [200]  # the node has it, the phone does not know
    with suppress(Exception):
        phone.page.context.unroute("**/task/commands")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    expect(phone.page.get_by_role("alert")).to_have_count(0)
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert [line.kind for line in task.lines] == ["TaskAssigned", "TaskConfirmed"]


def test_a_refused_yes_is_kept_and_shown_and_the_arrival_goes(world, open_page, monkeypatch):
    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|status of 409"))  # the refusal itself
    url, hub, run = world
    subject = run(hub.send())
    phone = Phone.of("cadre", open_page, url)
    phone.signal(False)
    phone.task("田埂地界")
    phone.main("接单")
    phone.main("已到现场")
    run(hub.root.say(RecallTask(id=new_id(), task=subject, reason="人手换了"), hub.root.actor()))
    phone.signal(True)
    alert = phone.page.get_by_role("alert")
    expect(alert).to_contain_text("“接单”没有办成")
    expect(alert).to_contain_text("已撤回")
    expect(phone.status).to_have_text("1 条被退回，要您看一下")
    look(phone.page, "phone-refused")
    assert phone.kept() == [["ArriveTask", "sent"], ["ConfirmTask", "waiting"]]
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.status, bool(task.arrived_ms)) == ("recalled", True)  # a fact: the rules take it although the recall crossed it
    phone.main("不要这一步了")
    expect(alert).to_have_count(0)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")


def test_signing_out_clears_what_was_received_and_keeps_and_counts_what_was_not_sent(world, open_page):
    url, hub, run = world
    subject = run(hub.send())
    phone = Phone.of("cadre", open_page, url)
    phone.page.context.route("**/task/commands", lambda route: route.abort())
    phone.task("田埂地界")
    phone.main("接单")
    expect(phone.page.get_by_text("1 条待发送")).to_be_visible()
    phone.page.get_by_role("link", name="我的任务").tap()
    slow: list[Any] = []
    phone.page.route("**/task/mine**", lambda route: slow.append((route, route.fetch())))  # an answer that is under way when he leaves
    phone.page.evaluate("dispatchEvent(new Event('online'))")
    while not slow:
        phone.page.wait_for_timeout(50)
    phone.page.once("dialog", lambda dialog: dialog.accept())
    phone.main("退出登录")
    expect(phone.page.get_by_text("手机里还有 1 条没有发出")).to_be_visible()
    for route, answer in slow:
        route.fulfill(response=answer)
    phone.page.unroute("**/task/mine**")
    phone.page.wait_for_timeout(500)
    expect(phone.page.get_by_text("上门：田埂地界")).to_have_count(0)
    look(phone.page, "phone-left")
    phone.page.context.unroute("**/task/commands")
    phone.sign_in("other")  # another one's phone now: nothing of the first is sent or shown
    expect(phone.page.get_by_text("还有别人没有发出的 1 条")).to_be_visible()
    phone.page.wait_for_timeout(1_000)
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "sent"
    phone.main("退出登录")
    phone.sign_in("cadre")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "confirmed"


def test_whoever_signs_out_stays_out_and_nobody_else_is_put_out_for_it(world, open_page):
    url, hub, run = world
    run(hub.send())
    phone = Phone.of("cadre", open_page, url)
    page = phone.page
    held: list[Any] = []
    page.context.route("**/sign-out", lambda route: held.append(route))  # noqa: PLW0108 playwright can't wrap a builtin
    phone.main("退出登录")
    while not held:
        page.wait_for_timeout(50)
    page.evaluate("dispatchEvent(new Event('online'))")  # his session is still good
    page.wait_for_timeout(1_000)
    for route in held:
        route.abort()
    expect(page.get_by_role("link", name="登录", exact=True)).to_be_visible()
    expect(page.get_by_text("上门：田埂地界")).to_have_count(0)
    page.goto(f"{url}/sign-in")
    page.context.unroute("**/sign-out")
    with page.expect_request("**/sign-out"):
        phone.sign_in("other")
    page.reload()
    expect(page.get_by_text("穆青")).to_be_visible()
    assert page.evaluate("fetch('/task/mine').then((r) => r.json()).then((said) => said.me.name)") == "穆青"


def test_what_another_one_sent_before_stands_in_nobody_s_way(world, open_page):
    """Whoever had the phone before left a hundred steps that no second node has yet; a node is asked of a hundred at a time."""
    url, hub, run = world
    run(hub.send())
    phone = Phone.of("cadre", open_page, url)
    phone.page.evaluate(LEFT, "f" * 32)
    phone.task("田埂地界")
    phone.main("接单")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    run(hub.second_node_has_it())
    expect(phone.status).to_have_text("全部已送达")
    assert len(phone.kept()) == 100, "what is somebody else's is his to settle"


def test_whoever_signs_in_after_another_s_session_ended_reads_nothing_of_what_that_one_sent(world, open_page):
    url, hub, run = world
    run(hub.send())
    phone = Phone.of("cadre", open_page, url)
    phone.task("田埂地界")
    phone.main("接单")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    run(hub.second_node_has_it())
    expect(phone.status).to_have_text("全部已送达")
    phone.page.get_by_role("link", name="发送情况").tap()
    expect(phone.page.get_by_role("heading", name="已送到")).to_be_visible()
    phone.page.context.clear_cookies()
    phone.sign_in("other")
    phone.page.get_by_role("link", name="发送情况").tap()
    expect(phone.page.get_by_role("heading", name="发送情况")).to_be_visible()
    expect(phone.page.get_by_role("heading", name="已送到")).to_have_count(0)
    expect(phone.page.get_by_text("田埂地界")).to_have_count(0)


def test_a_position_that_is_still_looked_for_is_asked_about_and_never_goes_with_another_visit(world, open_page):
    url, hub, run = world
    subjects = [run(hub.send(title)) for title in ("田埂地界", "空调外机对着窗")]
    phone = Phone.of("cadre", open_page, url)
    page = phone.page
    page.evaluate("() => { globalThis.answers = []; navigator.geolocation.getCurrentPosition = (got) => answers.push(got); }")
    found = "answers.pop()({ coords: { latitude: 30.8, longitude: 119.7, accuracy: 11 } })"
    phone.task("田埂地界")
    phone.main("接单")
    phone.main("附上我的位置")
    page.get_by_role("link", name="‹ 我的任务").tap()
    phone.task("空调外机对着窗")
    phone.main("接单")
    expect(page.get_by_text("只在您点了以后才取一次")).to_be_visible()
    page.evaluate(found)  # of the visit before
    expect(page.get_by_text("只在您点了以后才取一次")).to_be_visible()
    phone.main("已到现场")
    expect(page.get_by_label("经过和结果")).to_be_visible()
    page.get_by_role("link", name="‹ 我的任务").tap()
    phone.task("田埂地界")
    phone.main("附上我的位置")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    phone.main("已到现场")
    assert asked == ["还在定位，位置还没有附上。不等了，不带位置就报到场吗？"]
    page.evaluate(found)
    expect(page.get_by_text("误差约 11 米")).to_be_visible()
    phone.main("已到现场")
    expect(page.get_by_label("经过和结果")).to_be_visible()
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert [run(hub.root.reads.task(hub.root.actor(), subject)).latitude for subject in subjects] == [30.8, None]
