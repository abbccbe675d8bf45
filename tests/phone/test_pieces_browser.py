"""Photos that are cut, killed and gone on with, in a real Chromium against a real node: on a cadre's phone and on a desk's page."""

import os
import re
import struct
import zlib
from typing import Any

from playwright.sync_api import Page, expect

from protocol.node.uploads import PIECE_BYTES, THUMB_BYTES_MAX
from protocol.tables import Tables
from tests.hub_pages.world import PASSWORD
from tests.kit.browser import DESK, look
from tests.kit.machine import needs_chromium
from tests.phone.test_cadre_browser import Phone, size_of

pytestmark = needs_chromium


def noise(width: int, height: int) -> bytes:
    """A PNG that no coder makes small."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + os.urandom(3 * width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


class Pieces:
    """What goes over the wire of a browser; after `most` pieces the line is dead until `heal`."""

    def __init__(self, page: Page, most: int) -> None:
        self.offsets: list[int] = []
        self.cuts = 0
        self.page, self.most = page, most
        page.context.route(re.compile(r"/uploads/"), self._one)

    def _one(self, route: Any) -> None:
        if route.request.method != "PUT":
            route.continue_()
            return
        if len(self.offsets) >= self.most:
            self.cuts += 1
            route.abort()
            return
        self.offsets.append(int(re.search(r"offset=(\d+)", route.request.url)[1]))
        route.continue_()

    def heal(self) -> None:
        self.most = 10**6


def report(phone: Phone) -> None:
    phone.task("田埂地界")
    phone.main("接单")
    phone.main("已到现场")
    phone.page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
    phone.page.get_by_label("经过和结果").fill("两家当面把界石立回去了。")
    phone.page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": noise(1600, 1200)})
    expect(phone.page.get_by_alt_text("第 1 张照片")).to_be_visible()
    phone.main("提交反馈")


def test_a_photo_goes_on_where_the_line_was_cut_though_the_page_was_killed(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = Phone.of("cadre", open_page, url)
    pieces = Pieces(phone.page, most=1)
    report(phone)
    while not pieces.cuts:
        phone.page.wait_for_timeout(50)
    expect(phone.status).to_have_text("1 条待发送，有信号时自动发出")  # what was cut is not said to be on its way
    look(phone.page, "phone-half-sent")
    assert pieces.offsets == [0]
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "reported", "the text did not wait for the photo"
    context = phone.page.context
    phone.page.close()  # killed in the middle
    pieces.heal()
    again = Phone(context.new_page(), url)
    again.page.goto(f"{url}/task")
    expect(again.status).to_have_text("已送达，正等另一台机器也存好")
    assert pieces.offsets == sorted(set(pieces.offsets)), f"a piece was sent twice: {pieces.offsets}"
    assert pieces.offsets[1] == PIECE_BYTES
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    (photo,) = task.blobs
    plain, small = run(hub.root.blobs.get(photo.blob)), run(hub.root.blobs.get(photo.thumb))
    assert size_of(plain) == (1600, 1200) and len(plain) > PIECE_BYTES
    assert max(size_of(small)) <= 320 and len(small) <= THUMB_BYTES_MAX
    run(hub.second_node_has_it())
    expect(again.status).to_have_text("全部已送达")
    assert again.kept() == []


def test_a_desk_s_file_shows_how_far_it_is_is_cut_goes_on_and_can_be_given_up(world, open_page):
    url, hub, run = world
    case = hub.cases["田埂地界"]
    page = open_page(f"{url}/cases/{case}", DESK, who=("operator", PASSWORD))
    pieces = Pieces(page, most=1)
    page.locator("#step-files summary").click()
    expect(page.get_by_text("每个最多 20 兆")).to_be_visible()
    file = noise(700, 500)
    page.locator("#step-files-input").set_input_files({"name": "界石.png", "mimeType": "image/png", "buffer": file})
    expect(page.get_by_text("线断了，通了会从断的地方接着传…")).to_be_visible()
    look(page, "desk-upload-cut")
    page.get_by_role("button", name="加上").click()
    expect(page.get_by_text("附件还在传，传完自动保存。")).to_be_visible()
    pieces.heal()
    expect(page.locator("#files img")).to_be_visible()
    assert pieces.offsets == list(range(0, len(file), PIECE_BYTES)), "each piece once"
    look(page, "desk-upload-done")
    (attachment,) = run(hub.root.reads.case(hub.actor(), case)).blobs
    assert run(hub.root.blobs.get(attachment.blob)) == file
    assert attachment.thumb is not None
    page.locator("#step-files summary").click()
    page.locator("#step-files-input").set_input_files({"name": "又一次.png", "mimeType": "image/png", "buffer": file})
    expect(page.get_by_text("这件纠纷里已经有这个文件，没有再传。")).to_be_visible()
    pieces.most = 0
    page.locator("#step-files-input").set_input_files({"name": "不要了.png", "mimeType": "image/png", "buffer": noise(300, 300)})
    expect(page.get_by_text("线断了，通了会从断的地方接着传…")).to_be_visible()
    page.locator("li", has_text="不要了.png").get_by_role("button", name="去掉").click()
    expect(page.get_by_text("不要了.png")).to_have_count(0)
    expect(page.locator("input[name=upload]")).to_have_count(0)
