"""A photo that is half sent, or finds no room, holds up no text. One that takes too long is given up: whoever sends it just now stops, the report's text and all else go on, and what was handed over already is said."""

import re
import time
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.tables import Tables
from tests.hub_pages.world import PASSWORD, Hub
from tests.kit import browser
from tests.kit.browser import PHONE, TOUCH, WAITS_MS, look
from tests.kit.machine import needs_chromium
from tests.phone.test_cadre_browser import Phone
from tests.phone.test_pieces_browser import noise

pytestmark = needs_chromium
SECOND_PIECE, HANDING = re.compile(r"/uploads/.*offset=(?!0$)"), "**/task/files"
GONE = "这个文件不发了？它只在这台手机里，去掉就找不回来。反馈的文字照常发。"
HANDED = "它已经传完，中心可能已经收到了。还要从手机里去掉吗？"

# The sender hands the file over while the question stands on the screen.
WHILE_ASKED = """() => new Promise((done) => { const asked = indexedDB.open('yidi-task'); asked.onsuccess = () => { globalThis.confirm = () => {
  const store = asked.result.transaction('outbox', 'readwrite').objectStore('outbox');
  store.getAll().onsuccess = (e) => store.put({ ...e.target.result.sort((a, b) => a.n - b.n).find((a) => a.of), handed: true });
  return true;
}; done(); }; })"""


class Held:
    """Requests that hang on a thin line until `go`."""

    def __init__(self, page: Page, what: Any) -> None:
        self.page, self.what, self.routes = page, what, list[Any]()
        page.context.route(what, self._one)

    def _one(self, route: Any) -> None:
        self.routes.append(route)

    def go(self) -> None:
        self.page.context.unroute(self.what)
        for route in self.routes:
            with suppress(Exception):  # given up meanwhile
                route.continue_()


def two_photos_on_their_way(open_page: Any, url: str, what: Any) -> tuple[Phone, Held]:
    phone = Phone.of("cadre", open_page, url)
    page = phone.page
    held = Held(page, what)
    page.evaluate("navigator.serviceWorker.getRegistration('/task').then((r) => { r.sync.register = async () => {}; })")
    phone.task("田埂地界")
    phone.main("接单")
    phone.main("已到现场")
    page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
    page.get_by_label("经过和结果").fill("两家当面把界石立回去了。")
    for n, side in ((1, 1600), (2, 120)):  # the second one is one piece
        page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": noise(side, side * 3 // 4)})
        expect(page.get_by_alt_text(f"第 {n} 张照片")).to_be_visible()
    phone.main("提交反馈")
    page.get_by_role("link", name="发送情况").tap()
    return phone, held


def give_up(page: Page, is_sure: bool = True) -> str:
    """The question."""
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept() if is_sure else dialog.dismiss()))
    page.get_by_role("button", name="不发这个了").first.tap()
    return asked[0]


def photos(page: Page) -> Any:
    return page.locator("li.card", has=page.get_by_text("照片", exact=True))


@pytest.mark.parametrize("by", ["sender", "another"])
def test_a_file_in_the_middle_is_stopped_and_all_else_goes_on(world, open_page, by):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone, held = two_photos_on_their_way(open_page, url, SECOND_PIECE)
    expect(phone.page.get_by_text(re.compile(r"^发送中 [1-9]\d?%$"))).to_be_visible()
    expect(phone.page.get_by_role("button", name="不发这个了")).to_have_count(2)
    look(phone.page, "phone-queue-give-up")
    page = phone.page
    if by == "another":  # the one who gives it up is not the one who sends it
        page = phone.page.context.new_page()
        page.goto(f"{url}/task#queue")
    assert give_up(page, is_sure=False) == GONE
    expect(photos(page)).to_have_count(2)
    assert give_up(page) == GONE
    expect(photos(page)).to_have_count(1)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")  # while the line of the first one still hangs
    held.go()
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.status, len(task.blobs)) == ("reported", 1)
    assert len(run(hub.root.blobs.get(task.blobs[0].blob))) < 100_000, "the small one"
    run(hub.second_node_has_it())
    expect(phone.status).to_have_text("全部已送达")
    assert phone.kept() == []


def come(run: Any, hub: Hub, page: Page, task: str, status: str) -> None:
    until = time.monotonic() + WAITS_MS / 1000
    while (now := run(hub.root.reads.task(hub.root.actor(), task)).status) != status:
        assert time.monotonic() < until, now
        page.wait_for_timeout(50)


def test_text_goes_before_a_photo_that_is_half_sent(world, open_page):
    url, hub, run = world
    subject, other = run(hub.send("田埂地界")), run(hub.send("空调外机对着窗"))
    phone, held = two_photos_on_their_way(open_page, url, SECOND_PIECE)
    page = phone.page
    expect(page.get_by_text(re.compile(r"^发送中 [1-9]\d?%$"))).to_be_visible()
    page.get_by_role("link", name="‹ 我的任务").tap()
    phone.task("空调外机对着窗")
    phone.main("接单")
    come(run, hub, page, other, "confirmed")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).blobs == [], "the line of the first one hung all the time"
    held.go()
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert len(run(hub.root.reads.task(hub.root.actor(), subject)).blobs) == 2


def test_a_photo_that_finds_no_room_at_the_node_holds_up_nothing_else_and_says_why(world, open_page, monkeypatch):
    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|status of 507"))  # the refusal itself
    url, hub, run = world
    subject, other = run(hub.send("田埂地界")), run(hub.send("空调外机对着窗"))
    full = {"sentence": "本机存附件的地方满了。", "code": "store_full"}
    page = open_page(f"{url}/task", PHONE, who=("cadre", PASSWORD), **TOUCH)
    page.context.route("**/uploads", lambda route: route.fulfill(status=507, json=full))
    phone, held = two_photos_on_their_way(lambda *_, **__: page, url, SECOND_PIECE)
    page.get_by_role("link", name="‹ 我的任务").tap()
    phone.task("空调外机对着窗")
    phone.main("接单")
    come(run, hub, page, other, "confirmed")
    expect(phone.status).to_have_text("2 条待发送，中心的机器现在收不下")
    page.get_by_role("link", name="发送情况").tap()
    expect(photos(page).first).to_contain_text("中心的机器存满了，照片、录音现在收不下，文字照常发。")
    look(page, "phone-queue-no-room")
    phone.signal(False)
    expect(phone.status).to_have_text("2 条待发送，中心的机器现在收不下（上次联系上时）")
    expect(photos(page).first).to_contain_text("清出空间后自动发出。（上次联系上时）")
    expect(page.get_by_text("中心现在收不下")).to_have_count(0)
    phone.signal(True)
    expect(phone.status).to_have_text("2 条待发送，中心的机器现在收不下")
    page.context.unroute("**/uploads")
    held.go()
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    expect(page.get_by_text("收不下")).to_have_count(0)
    assert len(run(hub.root.reads.task(hub.root.actor(), subject)).blobs) == 2


def test_what_was_handed_over_may_be_there_and_the_question_says_so(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone, held = two_photos_on_their_way(open_page, url, HANDING)
    until = time.monotonic() + 20
    while not held.routes:
        assert time.monotonic() < until, "it was not handed over"
        phone.page.wait_for_timeout(50)
    phone.page.reload()  # the answer of the first one is lost, and the record says how far it was
    assert give_up(phone.page) == HANDED
    expect(photos(phone.page)).to_have_count(1)
    held.go()
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "reported"


def test_a_file_that_was_handed_over_while_he_was_asked_stays(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone, held = two_photos_on_their_way(open_page, url, SECOND_PIECE)
    expect(phone.page.get_by_text(re.compile(r"^发送中 [1-9]\d?%$"))).to_be_visible()
    phone.page.evaluate(WHILE_ASKED)
    phone.page.get_by_role("button", name="不发这个了").first.tap()
    expect(phone.notice).to_contain_text("它刚刚传完，中心可能已经收到了，没有去掉。")
    expect(photos(phone.page)).to_have_count(2)
    held.go()
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert len(run(hub.root.reads.task(hub.root.actor(), subject)).blobs) == 2
