"""Files chosen in a form, in a real Chromium: what their rows say is so, also of one that was chosen twice, went elsewhere, or is not taken."""

import re
from collections.abc import Callable

import pytest

from tests.edge.rig import PASSWORD
from tests.edge.served import Served, nodes_of
from tests.edge.test_drafts_browser import WORDS
from tests.edge.test_files_browser import picture
from tests.kit.browser import DESK, PHONE, asked, held, look
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
nodes = nodes_of("village")
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "narrow"])


def photo(name: str, side: int) -> dict[str, object]:
    return {"name": name, "mimeType": "image/png", "buffer": picture(side)}


def chosen(page, *files: dict[str, object]) -> None:
    page.locator("input.pick").set_input_files(list(files))


def filled(page, name: str, *files: dict[str, object]) -> None:
    """A new case with these files, all of them at the node."""
    from playwright.sync_api import expect

    page.fill("#party_name", name)
    page.fill("#account", WORDS)
    chosen(page, *files)
    expect(page.locator("[data-sent] li").filter(has_text="已传到本机")).to_have_count(len(files))


def test_one_file_chosen_twice_is_one_row_and_taking_the_other_away_takes_nothing(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    page = open_page(nodes.url["village"] + "/cases/new", DESK, who=("wangfang", PASSWORD))
    filled(page, "叶根土", photo("沟.png", 60))
    chosen(page, photo("沟（副本）.png", 60))
    again = page.locator("[data-sent] li").filter(has_text="这个文件已经选过了，没有再传")
    expect(again).to_have_count(1)
    gone = []
    page.on("request", lambda asked: gone.append(asked.url) if asked.method == "DELETE" else None)
    again.get_by_role("button", name="去掉").click()
    expect(page.locator("[data-sent] li")).to_have_count(1)
    page.locator("#log button.main").click()
    expect(page.locator(".saved")).to_contain_text("附件 1 个")
    assert gone == []


@SIZES
def test_what_went_with_another_form_is_asked_for_again_by_name(open_page: Callable, nodes: Served, size):
    from playwright.sync_api import expect

    page = open_page(nodes.url["village"] + "/cases/new", size, who=("wangfang", PASSWORD), expected=re.compile("status of 404"))
    other = page.context.new_page()
    other.goto(nodes.url["village"] + "/cases/new")
    filled(page, "何桂英", photo("沟.png", 60), photo("田埂.png", 61))
    filled(other, "叶根土", photo("水沟.png", 60))
    other.locator("#log button.main").click()
    expect(other.locator(".saved")).to_contain_text("附件 1 个")
    page.bring_to_front()
    page.locator("#log button.main").click()
    expect(page.locator("#log [data-summary]")).to_contain_text("请再选一次，会从断的地方接着传：沟.png。")
    rows = page.locator("[data-sent] li")
    expect(rows.filter(has_text="沟.png")).to_contain_text("本机已经没有了，请再选一次")
    expect(rows.filter(has_text="田埂.png")).to_contain_text("已传到本机")
    look(page, f"files-lost-{size['width']}")
    rows.first.scroll_into_view_if_needed()
    look(page, f"files-lost-rows-{size['width']}")
    chosen(page, photo("沟.png", 60))
    expect(rows.filter(has_text="已传到本机")).to_have_count(2)
    expect(rows).to_have_count(2)
    page.locator("#log button.main").click()
    expect(page.locator(".saved")).to_contain_text("附件 2 个")
    subject = page.locator(".saved a").first.get_attribute("href").rpartition("/")[2]
    blobs = nodes.do(lambda rig: rig.case("village", subject)).blobs
    assert {one.blob.name for one in blobs} == {"沟.png", "田埂.png"}


BMP = {"name": "扫描.bmp", "mimeType": "image/bmp", "buffer": b"BM" + bytes(5000)}


@SIZES
def test_a_kind_that_is_not_taken_is_said_in_its_row_at_once_and_the_rest_is_attached(open_page: Callable, nodes: Served, size):
    from playwright.sync_api import expect

    subject = nodes.do(lambda rig: rig.log("village"))
    page = open_page(f"{nodes.url['village']}/cases/{subject}", size, who=("wangfang", PASSWORD))
    box = page.locator("#step-files")
    box.locator("summary").click()
    box.locator("[name=note]").fill("村民组长拍的")
    chosen(page, photo("一.png", 60), BMP, photo("二.png", 61))
    rows = box.locator("[data-sent] li")
    expect(rows.filter(has_text="已传到本机")).to_have_count(2)
    expect(rows.filter(has_text="扫描.bmp")).to_contain_text("BMP、GIF 一类的图请另存为 JPG 再选")
    rows.filter(has_text="扫描.bmp").scroll_into_view_if_needed()
    look(page, f"files-kind-{size['width']}")
    box.locator("button.main").click()
    expect(page.locator("#said")).to_contain_text("加附件：已存本机")
    expect(page.locator("#files")).to_contain_text("村民组长拍的")
    blobs = nodes.do(lambda rig: rig.case("village", subject)).blobs
    assert {one.blob.name for one in blobs} == {"一.png", "二.png"}


@SIZES
def test_what_is_refused_at_saving_is_said_in_the_form_and_the_rows_and_words_stay(open_page: Callable, nodes: Served, size):
    from playwright.sync_api import expect

    subject = nodes.do(lambda rig: rig.log("village"))
    at = f"{nodes.url['village']}/cases/{subject}"
    page = open_page(at, size, who=("wangfang", PASSWORD), expected=re.compile("status of 404"))
    box = page.locator("#step-files")
    box.locator("summary").click()
    box.locator("[name=note]").fill("村民组长拍的")
    chosen(page, photo("一.png", 62), photo("二.png", 63))
    rows = box.locator("[data-sent] li")
    expect(rows.filter(has_text="已传到本机")).to_have_count(2)
    nodes.do(lambda rig: rig.web("village").node.uploads.drop_size(len(picture(63))))
    box.locator("button.main").click()
    expect(box.get_by_role("alert")).to_contain_text("请再选一次，会从断的地方接着传：二.png。")
    expect(page).to_have_url(at)
    expect(box.locator("[name=note]")).to_have_value("村民组长拍的")
    expect(rows.filter(has_text="二.png")).to_contain_text("本机已经没有了，请再选一次")
    expect(rows.filter(has_text="一.png")).to_contain_text("已传到本机")
    look(page, f"files-refused-{size['width']}")
    chosen(page, photo("二.png", 63))
    expect(rows.filter(has_text="已传到本机")).to_have_count(2)
    box.locator("button.main").click()
    expect(page.locator("#files")).to_contain_text("村民组长拍的")
    assert len(nodes.do(lambda rig: rig.case("village", subject)).blobs) == 2


@SIZES
def test_whoever_pressed_while_files_came_is_told_when_one_is_not_taken(open_page: Callable, nodes: Served, size):
    from playwright.sync_api import expect

    page = open_page(nodes.url["village"] + "/cases/new", size, who=("wangfang", PASSWORD))
    page.fill("#party_name", "叶根土")
    page.fill("#account", WORDS)
    sent = held(page, "**/uploads/*")
    chosen(page, photo("沟.png", 64), BMP)
    expect(page.locator("[data-sending]")).to_have_count(2)
    page.locator("#log button.main").click()
    expect(page.locator("#log [data-waits]")).to_have_text("附件还在传，传完自动保存。")
    asked(page, sent, 2)
    bmp = next(one for one in sent if one.request.post_data_buffer.startswith(b"BM"))
    bmp.continue_()
    note = page.locator("#log [data-unsaved]")
    expect(note).to_have_text("有文件没有收下，还没有保存：请看一下，再点一次。")
    expect(page.locator("#log [data-waits]")).to_have_count(0)
    note.scroll_into_view_if_needed()
    look(page, f"files-unsaved-{size['width']}")
    next(one for one in sent if one is not bmp).continue_()
    expect(page.locator("[data-sent] li").filter(has_text="已传到本机")).to_have_count(1)
    expect(note).to_be_visible()
    page.locator("#log button.main").click()
    expect(page.locator(".saved")).to_contain_text("附件 1 个")
    expect(page.locator("[data-unsaved]")).to_have_count(0)
