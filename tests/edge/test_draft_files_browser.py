"""Photos of a form that is half written, in a real Chromium: they are there again after a reload, by name and with their picture; only what did not
reach the node is asked for again. And what an accusation in a step's form is told."""

from collections.abc import Callable

import pytest

from protocol.commands import EscalateDispute, TakeUpDispute
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of
from tests.edge.test_drafts_browser import WORDS, none_left
from tests.edge.test_files_browser import newest, picture
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import TOWN, new_id

pytestmark = needs_chromium
nodes = nodes_of("village", "town")
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "narrow"])


def photo(name: str, side: int) -> dict[str, object]:
    return {"name": name, "mimeType": "image/png", "buffer": picture(side)}


@pytest.fixture
def desk(open_page: Callable, nodes: Served):
    def opened(path: str, size=DESK, kind: str = "village", who: str = "wangfang"):
        page = open_page(nodes.url[kind] + path, size, who=(who, PASSWORD))
        page.on("dialog", lambda dialog: dialog.accept())  # the page asks before it is left
        return page

    return opened


def typed(page, files: list[dict[str, object]]) -> None:
    from playwright.sync_api import expect

    page.fill("#party_name", "叶根土")
    page.fill("#account", WORDS)
    page.locator("#log input.pick").set_input_files(files)
    expect(page.locator("[data-sent] li").filter(has_text="已传到本机")).to_have_count(len(files))
    expect(page.locator("#log")).to_have_attribute("data-kept", "")


@SIZES
def test_photos_are_there_after_a_reload_and_go_along_when_it_is_saved(desk, nodes: Served, size):
    from playwright.sync_api import expect

    page = desk("/cases/new", size)
    typed(page, [photo(f"界石 {n}.png", 300 + n) for n in range(3)])
    page.reload()
    rows = page.locator("[data-sent] li")
    expect(rows.filter(has_text="已传到本机")).to_have_count(3)
    expect(rows.locator("img")).to_have_count(3)  # made anew of what the node has
    expect(page.locator("#log [data-notice]")).to_contain_text("上次没写完的还在")
    expect(page.locator("#log [data-notice]")).not_to_contain_text("要再选")
    rows.first.scroll_into_view_if_needed()
    look(page, f"draft-files-{size['width']}")
    rows.filter(has_text="界石 1.png").get_by_role("button", name="去掉").click()
    expect(page.locator("#log")).to_have_attribute("data-kept", "")
    page.reload()
    expect(rows.locator("img")).to_have_count(2)
    page.locator("#log button.main").click()
    expect(page.locator(".saved")).to_contain_text("附件 2 个")
    subject = nodes.do(newest)
    blobs = nodes.do(lambda rig: rig.case("village", subject)).blobs
    assert [(one.blob.name, one.thumb is not None) for one in blobs] == [("界石 0.png", True), ("界石 2.png", True)]
    assert none_left(nodes)


@SIZES
def test_what_did_not_reach_the_node_and_what_is_gone_is_asked_for_by_name(desk, nodes: Served, size):
    from playwright.sync_api import expect

    page = desk("/cases/new", size)
    typed(page, [photo("界石.png", 30), photo("旧照.png", 40)])
    page.context.route("**/uploads/*", lambda route: route.abort())
    page.locator("#log input.pick").set_input_files([photo("水沟.png", 50)])
    rows = page.locator("[data-sent] li")
    expect(rows.filter(has_text="水沟.png")).to_contain_text("线断了")
    expect(page.locator("#log")).to_have_attribute("data-kept", "")
    page.context.unroute("**/uploads/*")
    nodes.do(lambda rig: lost(rig, 40))
    page.reload()
    expect(rows.filter(has_text="已传到本机")).to_have_count(1)
    expect(rows.filter(has_text="水沟.png")).to_contain_text("没有传完，请再选一次")
    expect(rows.filter(has_text="旧照.png")).to_contain_text("本机已经没有了")
    note = page.locator("#log [data-notice]")
    expect(note).to_contain_text("要再选：旧照.png、水沟.png。")
    expect(note).not_to_contain_text("界石")
    note.scroll_into_view_if_needed()
    look(page, f"draft-files-asked-note-{size['width']}")
    rows.last.scroll_into_view_if_needed()
    look(page, f"draft-files-asked-{size['width']}")
    page.reload()  # and still, until they are there
    expect(note).to_contain_text("要再选")
    page.locator("#log input.pick").set_input_files([photo("水沟.png", 50), photo("旧照.png", 40)])
    expect(rows.filter(has_text="已传到本机")).to_have_count(3)
    expect(rows).to_have_count(3)
    page.locator("#log button.main").click()
    expect(page.locator(".saved")).to_contain_text("附件 3 个")


async def lost(rig: Rig, side: int) -> None:
    await rig.web("village").node.uploads.drop_size(len(picture(side)))


def test_photos_stay_in_a_form_that_comes_back_with_what_is_wrong(desk, nodes: Served):
    from playwright.sync_api import expect

    page = desk("/cases/new")
    typed(page, [photo("界石.png", 30)])
    page.fill("#account", "")
    page.locator("#log button.main").click()
    expect(page.locator("#log [data-summary]")).to_contain_text("没有保存")
    expect(page.locator("[data-sent] li")).to_have_count(1)
    page.fill("#account", WORDS)
    page.locator("#log button.main").click()
    expect(page.locator(".saved")).to_contain_text("附件 1 个")


def test_files_of_a_case_and_what_is_said_of_them_are_a_draft_too(desk, nodes: Served):
    from playwright.sync_api import expect

    subject = nodes.do(lambda rig: rig.log("village"))
    page = desk(f"/cases/{subject}")
    box = page.locator("#step-files")
    box.locator("summary").click()
    box.locator("input.pick").set_input_files([photo("界石.png", 30)])
    box.locator("[name=note]").fill("界石在田埂东头")
    expect(box.locator("li")).to_contain_text("已传到本机")
    expect(box.locator("form")).to_have_attribute("data-kept", "")
    page.goto(f"{nodes.url['village']}/today")
    page.locator("#today-halves").get_by_role("link", name="加附件").click()
    expect(box.locator("[name=note]")).to_have_value("界石在田埂东头")
    expect(box.locator("img")).to_have_count(1)
    box.scroll_into_view_if_needed()
    look(page, "draft-files-of-a-case")
    box.locator("button.main").click()
    expect(page.locator("#files")).to_contain_text("界石在田埂东头")
    assert none_left(nodes)


@SIZES
def test_an_accusation_in_a_step_is_not_kept_and_leads_to_sealing_the_case(desk, nodes: Served, size):
    from playwright.sync_api import expect

    subject = nodes.do(lambda rig: rig.log("village"))
    page = desk(f"/cases/{subject}?step=AddNote", size)
    box = page.locator("#step-AddNote")
    box.locator("textarea").fill("我要举报村主任贪污征地款。")
    note = box.locator("[data-kept-note]")
    expect(note).to_contain_text("这一稿没有存")
    note.scroll_into_view_if_needed()
    look(page, f"draft-accuses-{size['width']}")
    note.get_by_role("link", name="改为密封").click()
    page.wait_for_url(f"**/cases/{subject}/seal")
    expect(page.locator("#seal-case")).to_be_visible()
    expect(page.locator("#seal-case [name=account]")).not_to_have_value("我要举报村主任贪污征地款。")
    page.go_back()
    expect(box.locator("textarea")).to_have_value("")
    assert none_left(nodes)


def test_who_may_not_seal_the_case_is_told_no_more_than_before(desk, nodes: Served):
    from playwright.sync_api import expect

    subject = nodes.do(at_the_village)
    page = desk(f"/cases/{subject}?step=AddNote", kind="town", who="shen")
    box = page.locator("#step-AddNote")
    box.locator("textarea").fill("我要举报村主任贪污征地款。")
    note = box.locator("[data-kept-note]")
    expect(note).to_have_text("听起来是检举控告，这一稿没有存。")
    expect(note.locator("a")).to_have_count(0)


async def at_the_village(rig: Rig) -> str:
    subject = await rig.log("village")
    await rig.everywhere()
    return subject


def test_a_joint_mediation_that_is_half_written_comes_back(desk, nodes: Served):
    from playwright.sync_api import expect

    subject = nodes.do(at_the_village)
    nodes.do(lambda rig: taken_up(rig, subject))
    page = desk(f"/cases/{subject}/dispatch", kind="town", who="shen")
    page.locator("#convene [name=units]").first.check()
    page.fill("#convene-purpose", "一起去量地界")
    expect(page.locator("#convene-form")).to_have_attribute("data-kept", "")
    page.reload()
    expect(page.locator("#convene-purpose")).to_have_value("一起去量地界")
    expect(page.locator("#convene [name=units]").first).to_be_checked()
    expect(page.locator("#convene-form [data-notice]")).to_contain_text("上次没写完的还在")
    look(page, "draft-convene")
    page.locator("#convene button.main").click()
    page.wait_for_url(f"**/cases/{subject}*")


async def taken_up(rig: Rig, subject: str) -> None:

    await rig.say("village", EscalateDispute(id=new_id(), case=subject, to=TOWN, reason="村里调不了"))
    await rig.everywhere()
    await rig.say("town", TakeUpDispute(id=new_id(), case=subject))
