"""What a cadre takes with him from a visit: photos without a position unless he keeps it, a voice note that he has heard."""

import base64
import re
import struct
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.tables import Tables
from tests.hub_pages.world import Hub
from tests.kit.browser import PHONE, WAITS_MS, look
from tests.kit.machine import needs_chromium
from tests.phone.test_cadre_browser import Phone, size_of

pytestmark = [needs_chromium, pytest.mark.whole_browser]
LATITUDE, LONGITUDE = 30.638611, -119.680278  # west of Greenwich, so that a lost sign is seen
GPS_POINTER, ASCII, RATIONAL, LONG = 0x8825, 2, 5, 4
# A phone that is at work on a picture until it is told to `go`.
SLOW_PHONE = "() => { const real = createImageBitmap, held = new Promise((done) => { globalThis.go = done; }); globalThis.createImageBitmap = (...what) => held.then(() => real(...what)); }"
# Where the field for a name is, at each picture that the screen draws.
WHERE_IT_IS = "() => { globalThis.seen = []; const look = () => { const field = document.querySelector('canvas'); if (!field) return; seen.push(field.getBoundingClientRect().top + scrollY); requestAnimationFrame(look); }; look(); }"
# A signature whose picture is not ready until its page is told that the ink is `dry`.
SLOW_INK = "() => { const real = HTMLCanvasElement.prototype.toBlob; HTMLCanvasElement.prototype.toBlob = function (...what) { if (what[1] !== 'image/png') return real.apply(this, what); globalThis.dry = () => real.apply(this, what); }; }"
DRAWN = "() => { const c = document.createElement('canvas'); c.width = 1200; c.height = 900; const p = c.getContext('2d'); p.fillStyle = '#486'; p.fillRect(100, 100, 800, 500); return c.toDataURL('image/jpeg').split(',')[1]; }"


def camera(plain: bytes, order: str) -> bytes:
    """A JPEG as a camera writes it: maker and position in its Exif, in that byte order ("<" or ">")."""

    def degrees(value: float) -> bytes:
        seconds = round(abs(value) * 360_000)
        return struct.pack(f"{order}6I", seconds // 360_000, 1, seconds // 6_000 % 60, 1, seconds % 6_000, 100)

    def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
        return struct.pack(f"{order}HHI", tag, kind, count) + value.ljust(4, b"\0")

    def at(offset: int) -> bytes:
        return struct.pack(f"{order}I", offset)

    maker, gps_at = b"Geheim Kamera\0", 8 + 2 + 24 + 4 + 14
    values_at = gps_at + 2 + 48 + 4
    top = struct.pack(f"{order}H", 2) + entry(0x010F, ASCII, len(maker), at(8 + 2 + 24 + 4)) + entry(GPS_POINTER, LONG, 1, at(gps_at))
    places = ((1, b"N\0", LATITUDE), (3, b"W\0", LONGITUDE))
    rows = b"".join(
        entry(tag, ASCII, 2, side) + entry(tag + 1, RATIONAL, 3, at(values_at + 24 * n)) for n, (tag, side, _) in enumerate(places)
    )
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + at(8) + top + at(0) + maker + struct.pack(f"{order}H", 4) + rows + at(0)
    exif = b"Exif\0\0" + tiff + b"".join(degrees(value) for *_, value in places)
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]


def position_in(jpeg: bytes) -> tuple[float, float] | None:
    """What any program that reads Exif would find; by the standard, not by our script."""
    found = jpeg.find(b"Exif\0\0")
    if found < 0:
        return None
    tiff = jpeg[found + 6 :]
    order = "<" if tiff[:2] == b"II" else ">"

    def rows(at: int) -> dict[int, bytes]:
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        return {struct.unpack_from(f"{order}H", tiff, at + 2 + 12 * n)[0]: tiff[at + 10 + 12 * n : at + 14 + 12 * n] for n in range(count)}

    def number(raw: bytes) -> int:
        return struct.unpack(f"{order}I", raw)[0]

    top = rows(number(tiff[4:8]))
    assert set(top) == {GPS_POINTER}, "the position and nothing else"
    gps = rows(number(top[GPS_POINTER]))

    def degrees(side: int, value: int) -> float:
        parts = struct.unpack_from(f"{order}6I", tiff, number(gps[value]))
        whole = sum(parts[2 * n] / parts[2 * n + 1] / 60**n for n in range(3))
        return -whole if gps[side][:1] in b"SW" else whole

    return degrees(1, 2), degrees(3, 4)


def at_the_report(open_page: Any, url: str, run: Any, hub: Hub, **more: Any) -> tuple[Phone, str]:
    subject = run(hub.send("田埂地界"))
    phone = Phone.of("cadre", open_page, url, **more)
    phone.task("田埂地界")
    phone.main("接单")
    phone.main("已到现场")
    write(phone.page)
    return phone, subject


def write(page: Page) -> None:
    page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
    page.get_by_label("经过和结果").fill("两家当面把界石立回去了。")


def sent(phone: Phone, hub: Hub, run: Any, subject: str) -> list[Any]:
    phone.main("提交反馈")
    expect(phone.page.get_by_role("button", name="提交反馈")).to_have_count(0)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    return [(attachment.blob, run(hub.root.blobs.get(attachment.blob))) for attachment in task.blobs]


def slow_photo(page: Page) -> None:
    """It is picked, and the phone is at work on it until it is told to `go`."""
    page.evaluate(SLOW_PHONE)
    page.locator("#photo").set_input_files({"name": "现场.jpg", "mimeType": "image/jpeg", "buffer": base64.b64decode(page.evaluate(DRAWN))})
    expect(page.get_by_text("正在处理…")).to_be_visible()


def test_a_photo_carries_no_position_unless_the_cadre_keeps_it(world, open_page):
    url, hub, run = world
    phone, subject = at_the_report(open_page, url, run, hub)
    page, plain = phone.page, None
    plain = base64.b64decode(page.evaluate(DRAWN))
    files = [camera(plain, order) for order in "<>"]
    assert [b"Geheim" in raw for raw in files] == [True, True]

    def shoot(n: int, raw: bytes) -> None:
        """One that is taken now, one that was on the phone before, and so on."""
        page.get_by_label(("选照片", "拍照片")[n % 2], exact=True).set_input_files(
            {"name": f"现场{n}.jpg", "mimeType": "image/jpeg", "buffer": raw}
        )
        expect(page.get_by_alt_text(f"第 {n} 张照片")).to_be_visible()

    keeps = page.get_by_label("照片里留着拍摄位置")
    expect(keeps).not_to_be_checked()
    shoot(1, files[0])
    page.get_by_text("照片里留着拍摄位置").tap()
    expect(keeps).to_be_checked()
    shoot(2, files[0])
    shoot(3, files[1])
    shoot(4, plain)
    expect(phone.notice).to_contain_text("这张照片里没有位置（相机没有写）。")
    shoots = [raw for blob, raw in sent(phone, hub, run, subject) if blob.what == "photo"]
    assert [b"Exif" in raw or b"Geheim" in raw for raw in shoots] == [False, True, True, False]
    assert position_in(shoots[0]) is None
    for raw in shoots[1:3]:
        assert position_in(raw) == pytest.approx((LATITUDE, LONGITUDE), abs=1e-5)
        assert b"Geheim" not in raw, "the camera's maker is nobody's business"
        assert size_of(raw) == (1200, 900)


def test_a_voice_note_is_recorded_heard_taken_away_and_sent(world, open_page):
    url, hub, run = world
    phone, subject = at_the_report(open_page, url, run, hub, permissions=["microphone"])
    page = phone.page
    page.evaluate("navigator.serviceWorker.ready")

    def record(n: int) -> None:
        page.get_by_role("button", name="录一段话").tap()
        expect(page.get_by_role("button", name=re.compile(r"停止录音\s*0:(0[2-9]|[1-5]\d)"))).to_be_visible()
        page.get_by_role("button", name=re.compile("停止录音")).tap()
        expect(page.get_by_label(f"第 {n} 段录音", exact=True)).to_be_visible()

    record(1)
    record(2)
    page.get_by_role("button", name="去掉第 1 段录音").tap()
    expect(page.get_by_label("第 2 段录音", exact=True)).to_have_count(0)
    look(page, "phone-voice")
    page.reload()  # what was said is kept like what was written
    voice = page.locator("audio")
    expect(voice).to_have_count(1)
    voice.evaluate("(e) => { e.muted = true; return e.play(); }")
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0.3")
    ((blob, raw),) = sent(phone, hub, run, subject)
    assert (blob.what, blob.mime) == ("voice", "audio/webm")
    assert raw.startswith(b"\x1aE\xdf\xa3")
    assert 1_000 < len(raw) < 60_000


def test_a_report_that_is_sent_at_once_waits_for_the_photo_and_the_voice_note_that_are_still_being_made(world, open_page):
    url, hub, run = world
    phone, subject = at_the_report(open_page, url, run, hub, permissions=["microphone"])
    page = phone.page
    page.get_by_role("button", name="录一段话").tap()
    expect(page.get_by_role("button", name=re.compile(r"停止录音\s*0:(0[2-9]|[1-5]\d)"))).to_be_visible()
    slow_photo(page)
    phone.main("提交反馈")
    expect(phone.notice).to_contain_text("照片、录音还在处理，好了就提交。")
    look(page, "phone-report-waits")
    page.evaluate("go()")
    expect(page.get_by_role("button", name="提交反馈")).to_have_count(0)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert sorted(attachment.blob.what for attachment in task.blobs) == ["photo", "voice"]
    assert task.photos == 1


def test_who_leaves_the_screen_and_signs_out_while_the_report_waits_sends_it_when_he_is_back_his_wide_signature_whole(world, open_page):
    url, hub, run = world
    phone, subject = at_the_report(open_page, url, run, hub)
    page = phone.page
    page.reload()  # nothing was done on this page since it was opened
    write(page)
    page.set_viewport_size({"width": PHONE["height"], "height": PHONE["width"]})
    canvas = page.locator("canvas")
    canvas.tap(trial=True)  # a screen that was just drawn takes no touch for a moment
    box = canvas.bounding_box()
    assert box and box["width"] > 480
    page.mouse.move(box["x"] + 20, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 470, box["y"] + 100, steps=20)
    page.mouse.up()
    page.set_viewport_size(PHONE)
    page.locator("#sign-label").scroll_into_view_if_needed()
    look(page, "phone-signed-wide")
    slow_photo(page)
    phone.main("提交反馈")
    expect(phone.notice).to_contain_text("照片、录音还在处理，好了就提交。")
    page.go_back()
    expect(page.get_by_role("heading", name="我的任务")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    phone.main("退出登录")
    expect(page.get_by_role("link", name="登录", exact=True)).to_be_visible()
    page.evaluate("go()")
    expect(page.get_by_text("手机里还有 3 条没有发出")).to_be_visible()
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "arrived"
    phone.sign_in("cadre")
    expect(page.get_by_role("heading", name="办过的")).to_be_visible()
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.status, task.photos, task.signatures) == ("reported", 1, 1)
    (signature,) = [run(hub.root.blobs.get(attachment.blob)) for attachment in task.blobs if attachment.blob.what == "signature"]
    width, height = struct.unpack(">II", signature[16:24])
    assert width > 6 * height, "all of it, whatever the screen is now"


@pytest.mark.parametrize("by", ["coming back", "another tab"])
def test_a_photo_that_is_still_being_made_is_not_lost_to_what_is_typed_meanwhile(world, open_page, by):
    url, hub, run = world
    phone, subject = at_the_report(open_page, url, run, hub)
    page, words = phone.page, "后来补的一句。"
    slow_photo(page)
    if by == "coming back":
        page.get_by_role("link", name="‹ 我的任务").tap()
        phone.task("田埂地界")
        page.get_by_label("经过和结果").fill(words)
        page.evaluate(WHERE_IT_IS)
        page.evaluate("go()")
        expect(page.get_by_alt_text("第 1 张照片")).to_be_visible()
        expect(page.get_by_text("拍照片")).to_be_visible()
        assert len(set(page.evaluate("seen"))) == 1, "nothing moves under the thumb that goes on meanwhile"
    else:
        other = page.context.new_page()
        other.goto(f"{url}/task#{subject}")
        expect(other.get_by_label("经过和结果")).not_to_be_empty()
        page.evaluate("go()")
        expect(page.get_by_alt_text("第 1 张照片")).to_be_visible()
        other.get_by_label("经过和结果").fill(words)
        phone = Phone(other, url)
    ((blob, _),) = sent(phone, hub, run, subject)
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (blob.what, task.photos, task.words) == ("photo", 1, words)


def test_a_photo_that_is_still_being_made_in_another_tab_follows_the_report(world, open_page):
    url, hub, run = world
    phone, subject = at_the_report(open_page, url, run, hub)
    first = phone.page
    slow_photo(first)
    phone = Phone(first.context.new_page(), url)
    phone.page.goto(f"{url}/task#{subject}")
    write(phone.page)
    phone.sign_name()
    phone.page.evaluate(SLOW_INK)
    phone.main("提交反馈")
    phone.page.wait_for_function("() => globalThis.dry")
    first.evaluate("go()")
    expect(first.get_by_alt_text("第 1 张照片")).to_be_visible()  # it lies beside the draft that is just being handed in
    slow_photo(first)
    phone.page.evaluate("dry()")
    expect(phone.page.get_by_role("button", name="提交反馈")).to_have_count(0)
    first.evaluate("go()")
    until = time.monotonic() + WAITS_MS / 1000
    while (got := sorted(a.blob.what for a in run(hub.root.reads.task(hub.root.actor(), subject)).blobs)) != [
        "photo",
        "photo",
        "signature",
    ]:
        assert time.monotonic() < until, got
        first.wait_for_timeout(50)


def test_a_photo_that_fails_after_the_tap_stops_the_report_once(world, open_page):
    url, hub, run = world
    phone, subject = at_the_report(open_page, url, run, hub)
    page = phone.page
    page.evaluate(SLOW_PHONE)
    page.locator("#photo").set_input_files({"name": "坏了.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8no picture"})
    phone.main("提交反馈")
    page.evaluate("go()")
    expect(phone.notice).to_contain_text("这张照片打不开：坏了.jpg")
    expect(page.get_by_role("button", name="提交反馈")).to_be_visible()
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "arrived"
    assert sent(phone, hub, run, subject) == []  # he has read it: the second tap sends


def test_without_a_microphone_the_page_says_so_and_the_report_goes(world, open_page):
    url, hub, run = world
    phone, subject = at_the_report(open_page, url, run, hub)  # no permission
    phone.page.get_by_role("button", name="录一段话").tap()
    expect(phone.page.get_by_text("没有允许用麦克风。")).to_be_visible()
    phone.page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    phone.page.get_by_role("button", name="录一段话").tap()
    expect(phone.page.get_by_text("这部手机的浏览器不能录音。")).to_be_visible()
    look(phone.page, "phone-no-microphone")
    assert sent(phone, hub, run, subject) == []
