"""Files chosen in a form, in a real Chromium: what their rows say is so, also of one that was chosen twice, went elsewhere, or is not taken."""

import re
from collections.abc import Callable

import pytest

from tests.edge.rig import PASSWORD
from tests.edge.served import Served, nodes_of
from tests.edge.test_drafts_browser import WORDS
from tests.edge.test_files_browser import picture
from tests.kit.browser import DESK, PHONE, look
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
