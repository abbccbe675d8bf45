"""A file from above, as a village's clerk meets it: the small picture is there, the full one is fetched when it is opened."""

import re
import struct
import zlib
from collections.abc import Callable

import pytest

from protocol.commands import AddEvidence, EraseBody
from protocol.node.blobs import CIPHER_EXTRA_BYTES
from protocol.node.link.fetching import FULL, LEFT, NOBODY, OFFLINE
from protocol.node.web.files import FILES_MAX
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id

pytestmark = needs_chromium
HEIC = b"\0\0\0\x18ftypheic" + bytes(range(256)) * 40
SAID = {
    LEFT: "有人点了“不取了”",
    OFFLINE: "没有连上别的节点",
    NOBODY: "连得上的机器都没有这个文件",
    FULL: "存附件的地方满了",
    "": "已取 33%",
}


nodes = nodes_of("village")


def picture(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * y) % 200 for x in range(side) for _ in range(3)) for y in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def from_the_town(rig: Rig) -> tuple[str, str, str]:
    """(case, full, thumb) as the village has it: the words, the small picture, and no byte of the full one."""
    subject = await rig.log("village")
    await rig.everywhere()
    town, village = rig.web("town"), rig.web("village")
    blob = await town.blobs.put(picture(600), "现场.png", "image/png")
    thumb = await town.blobs.put(picture(60), "现场.png", "image/png")
    await rig.say("town", AddEvidence(id=new_id(), case=subject, blob=blob, thumb=thumb, note="镇里去看的"))
    await rig.everywhere()
    await village.blobs.write_chunk(thumb.address, await town.blobs.chunk(thumb.address, 0), thumb.size + CIPHER_EXTRA_BYTES)
    return subject, blob.address, thumb.address


async def given(rig: Rig, data: bytes, name: str, mime: str) -> tuple[str, str]:
    """(case, address) of a file of the town, of which the village has no byte."""
    subject = await rig.log("village")
    await rig.everywhere()
    blob = await rig.web("town").blobs.put(data, name, mime)
    await rig.say("town", AddEvidence(id=new_id(), case=subject, blob=blob))
    await rig.everywhere()
    return subject, blob.address


async def erased(rig: Rig, subject: str) -> None:
    line = next(one for one in (await rig.case("town", subject)).lines if one.kind == "EvidenceAdded")
    item = f"{line.head.ledger}|{line.head.origin}|{line.head.seq}"
    await rig.say("root", EraseBody(id=new_id(), item=item, ground="statute"))
    await rig.everywhere()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "narrow"])
def test_what_is_more_than_a_form_takes_is_named_and_not_sent(open_page: Callable, nodes: Served, size):
    from playwright.sync_api import expect

    page = open_page(nodes.url["village"] + "/cases/new", size, who=("wangfang", PASSWORD))
    files = [{"name": f"沟 {n}.png", "mimeType": "image/png", "buffer": picture(4 + n)} for n in range(FILES_MAX + 2)]
    page.locator("#party_name").fill("叶根土")
    page.locator("#account").fill("两家的水沟堵了，都说是对方倒的土。")
    rows = page.locator("[data-sent] li")
    page.locator("input.pick").set_input_files(files[:3])
    expect(rows.filter(has_text="已传到本机")).to_have_count(3)
    page.locator("input.pick").set_input_files(files[3:])
    expect(rows.filter(has_text="已传到本机")).to_have_count(FILES_MAX)
    left = rows.filter(has_text="一次最多 20 个文件，这个没有传")
    expect(left).to_have_count(2)
    expect(left.first).to_contain_text("沟 20.png")
    left.first.scroll_into_view_if_needed()
    look(page, f"files-too-many-{size['width']}")
    left.first.get_by_role("button", name="去掉").click()
    rows.filter(has_text="沟 0.png").get_by_role("button").click()  # given up again: there is room for one more
    page.locator("input.pick").set_input_files(files[20])
    expect(rows.filter(has_text="已传到本机")).to_have_count(FILES_MAX)
    page.locator("#log button.main").click()
    expect(page.locator(".saved")).to_contain_text("已登记")
    subject = nodes.do(newest)
    assert len(nodes.do(lambda rig: rig.case("village", subject)).blobs) == FILES_MAX


async def newest(rig: Rig) -> str:
    return (await rig.web("village").reads.cases(rig.actor("village"))).rows[0].subject


async def arrives(rig: Rig, address: str) -> None:
    offset, town, village = 0, rig.web("town"), rig.web("village")
    while piece := await town.blobs.chunk(address, offset):
        offset = (await village.blobs.write_chunk(address, piece, town.blobs.progress(address).total)).have


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "narrow"])
def test_the_small_picture_is_there_and_the_full_one_opens_by_itself_when_it_has_come(open_page: Callable, nodes: Served, size):
    from playwright.sync_api import expect

    subject, full, thumb = nodes.do(from_the_town)
    page = open_page(f"{nodes.url['village']}/cases/{subject}", size, who=("wangfang", PASSWORD))
    image = page.locator("#files img")
    image.scroll_into_view_if_needed()
    expect(image).to_have_attribute("src", f"/files/{subject}/{thumb}")
    assert page.wait_for_function("() => document.querySelector('#files img').naturalWidth") is not None
    expect(page.locator("#files")).to_contain_text("原件还没到本机，点开去取")
    look(page, f"files-aside-{size['width']}")
    pump = nodes.rig.web("village").pump
    for trouble, words in SAID.items():
        pump.trouble = trouble
        page.goto(f"{nodes.url['village']}/files/{subject}/{full}")
        expect(page.locator("main")).to_contain_text(words)
        look(page, f"files-wait-{trouble or 'coming'}-{size['width']}")
    assert pump.wanted[-1] == full
    page.get_by_role("button", name="不取了").click()
    expect(page).to_have_url(f"{nodes.url['village']}/cases/{subject}#files")
    assert pump.left == [full]
    page.goto(f"{nodes.url['village']}/files/{subject}/{full}")
    with page.expect_response(lambda answer: answer.url.endswith(full) and answer.headers.get("content-type") == "image/png") as told:
        nodes.do(lambda rig: arrives(rig, full))  # the page asks again by itself
    assert told.value.status == 200


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "narrow"])
def test_a_file_that_no_browser_shows_is_saved_when_somebody_says_so_and_one_that_is_erased_is_said_once(
    open_page: Callable, nodes: Served, size
):
    from playwright.sync_api import expect

    subject, full = nodes.do(lambda rig: given(rig, HEIC + bytes([size["width"] % 256, 1]), "IMG_0001.heic", "image/heic"))
    at, downloads = f"{nodes.url['village']}/files/{subject}/{full}", []
    page = open_page(at, size, who=("wangfang", PASSWORD), expected=re.compile("status of 404"))
    page.on("download", lambda file: downloads.append(file.suggested_filename))
    nodes.do(lambda rig: arrives(rig, full))
    expect(page.locator("h1")).to_have_text("附件已取到")
    look(page, f"files-came-{size['width']}")
    expect(page).to_have_title("附件已取到 · 一地")
    expect(page.locator("[hx-trigger^=every]")).to_have_count(0)
    assert downloads == []
    with page.expect_download() as saved:
        page.get_by_role("link", name="保存").click()
    assert saved.value.suggested_filename == "IMG_0001.heic"

    subject, full = nodes.do(lambda rig: given(rig, HEIC + bytes([size["width"] % 256, 2]), "IMG_0002.heic", "image/heic"))
    page.goto(f"{nodes.url['village']}/files/{subject}/{full}")
    nodes.do(lambda rig: erased(rig, subject))
    expect(page.locator("h1")).to_have_text("附件看不了")
    expect(page.get_by_role("alert")).to_contain_text("已经依法删除")
    expect(page.locator("main")).not_to_contain_text("已取")
    look(page, f"files-gone-{size['width']}")
    page.get_by_role("link", name="回到这件纠纷").click()
    expect(page).to_have_url(f"{nodes.url['village']}/cases/{subject}#files")


def test_the_page_that_waits_says_when_the_program_itself_does_not_answer(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    subject, full, _ = nodes.do(from_the_town)
    page = open_page(f"{nodes.url['village']}/files/{subject}/{full}", DESK, who=("wangfang", PASSWORD))
    expect(page.locator("main")).to_contain_text("已取")
    nodes.halt("village")
    try:
        expect(page.get_by_role("alert")).to_contain_text("本机程序没有回答")
        expect(page.locator("main")).not_to_contain_text("已取 33%")
        look(page, "files-unheard")
    finally:
        nodes.resume("village")
    expect(page.locator("main")).to_contain_text("已取 33%")
    expect(page.get_by_role("alert")).to_have_count(0)
