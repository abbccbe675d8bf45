"""A step that the node refused: what it says can be read, and it goes from the phone after a question, at once, and alone."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from playwright.sync_api import expect

from protocol.tables import Tables
from tests.kit.browser import PHONE, SMALL_PHONE, look
from tests.kit.machine import needs_chromium
from tests.phone.test_cadre_browser import Phone, picture
from tests.phone.test_taps_browser import fits_a_thumb

pytestmark = needs_chromium
SAID = {"sentence": "这项任务已经改派别人。", "code": "task_not_now"}
WORDS = {"田埂地界": "两家当面把界石立回去了，握了手。", "空调外机对着窗": "外机挪到了南墙。"}
ASKED = "这一步不要了？写的文字和 1 个文件（照片、录音、签名）一起删掉，找不回来。"
# Each time that a refused step comes or goes: whether a tap on what throws away another one would meet it just then.
MET = """() => { const buttons = () => [...document.querySelectorAll('.problem button:last-child')]; let was = buttons().length; globalThis.met = [];
  const is = (one) => { const { x, y } = one.getBoundingClientRect(); return document.elementFromPoint(x + 9, y + 9)?.closest('button') === one; };
  new MutationObserver(() => { if (buttons().length !== was) met.push(buttons().map(is)); was = buttons().length; }).observe(app, { childList: true, subtree: true }); }"""


def two_refused(open_page: Any, url: str, size: dict[str, int]) -> Phone:
    """On the page of what was sent: two reports, the first with a photo."""
    phone = Phone.of("cadre", open_page, url, size)
    page = phone.page
    for title in WORDS:
        phone.task(title)
        phone.main("接单")
        phone.main("已到现场")
        expect(page.get_by_label("经过和结果")).to_be_visible()
        expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
        page.get_by_role("link", name="‹ 我的任务").tap()
    page.context.route("**/task/commands", lambda route: route.fulfill(status=422, json=SAID))
    for title, words in WORDS.items():
        phone.task(title)
        page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
        page.get_by_label("经过和结果").fill(words)
        if title == "田埂地界":
            page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": picture(800, 600)})
            expect(page.get_by_alt_text("第 1 张照片")).to_be_visible()
        phone.main("提交反馈")
        expect(page.get_by_role("alert")).to_contain_text("“提交反馈”没有办成")
        expect(page.get_by_role("alert")).to_contain_text(words)
        page.get_by_role("link", name="‹ 我的任务").tap()
    page.get_by_role("link", name="发送情况").tap()
    return phone


@contextmanager
def silent(phone: Phone) -> Iterator[None]:
    """The line is there, and nobody answers."""
    routes: list[Any] = []
    phone.page.context.route("**/task/mine**", lambda route: routes.append(route))  # noqa: PLW0108 playwright can't wrap a builtin
    yield
    phone.page.context.unroute("**/task/mine**")
    for route in routes:
        with suppress(Exception):
            route.abort()


@pytest.mark.parametrize("size", [PHONE, SMALL_PHONE], ids=["390", "360"])
def test_it_can_be_read_and_is_thrown_away_after_a_question_at_once_and_alone(world, open_page, size):
    url, hub, run = world
    for title in WORDS:
        run(hub.send(title))
    phone = two_refused(open_page, url, size)
    page, refused = phone.page, phone.page.get_by_role("alert")
    expect(refused).to_have_count(2)
    for n, words in enumerate(WORDS.values()):
        expect(refused.nth(n)).to_contain_text(words)
    expect(refused.first).to_contain_text("跟着它的照片、录音、签名共 1 个，也还在手机里。")
    fits_a_thumb(page, f"phone-{size['width']}-queue-two-refused")
    asked: list[str] = []
    drop = page.get_by_role("button", name="不要这一步了").first
    with silent(phone):
        page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        drop.tap()
        assert asked == [ASKED]
        expect(refused).to_have_count(2)
        page.evaluate(MET)
        page.once("dialog", lambda dialog: dialog.accept())
        drop.tap()
        expect(refused).to_have_count(1)
        assert page.evaluate("met") == [[False]], "a second tap would have met what came in its place"
        expect(refused).to_contain_text(WORDS["空调外机对着窗"])
        assert phone.kept() == [["ArriveTask", "sent"], ["ArriveTask", "sent"], ["ConfirmTask", "sent"], ["ConfirmTask", "sent"], ["ReportTask", "waiting"]]  # fmt: skip
    look(page, f"phone-{size['width']}-queue-one-refused")
