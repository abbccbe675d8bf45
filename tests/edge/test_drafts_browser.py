"""What was typed and not saved yet, in a real Chromium: kept by the node, over a reload, another tab, another day, for its own person alone, and never for
an accusation. The browser holds nothing of it."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from protocol.commands import AddParty, Party
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of, signed_out
from tests.kit.browser import DESK, sign_in
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import add_person, new_id

pytestmark = needs_chromium
WORDS = "两家的水沟堵了，都说是对方倒的土。"


async def another_clerk(rig: Rig) -> None:
    web = rig.web("village")
    person, _ = await add_person(web.node, "李红", "clerk")
    await web.people.add_account("lihong", person, PASSWORD, rig.county.clock())


nodes = nodes_of("village", after=another_clerk)


@pytest.fixture
def desk(open_page: Callable, nodes: Served):
    page = open_page(nodes.url["village"] + "/", DESK, who=("wangfang", PASSWORD))
    page.on("dialog", lambda dialog: dialog.accept())  # the page asks before it is left
    return page


def typed(desk) -> str:
    """Typed, and kept by the node. Returns the command id of the form."""
    from playwright.sync_api import expect

    desk.fill("#party_name", "叶根土")
    desk.fill("#account", WORDS)
    expect(desk.locator("#log [data-kept-note]")).to_contain_text("草稿已存本机")
    expect(desk.locator("#log")).to_have_attribute("data-kept", "")  # all of it: the words may be those of the first pause
    return desk.locator("#log [name=command_id]").input_value()


def drafts_of(nodes: Served) -> list[str]:
    """The words of every draft that the node holds, whoever wrote it."""

    async def read(rig: Rig) -> list[str]:
        rows = await rig.web("village").journal.rows("draft")
        return [str(field) for row in rows for field in msgspec.msgpack.decode(row["content"])["fields"]]

    return nodes.do(read)


def none_left(nodes: Served) -> bool:
    """The page tells the node after its answer, so a moment later."""
    until = time.monotonic() + 10
    while drafts_of(nodes) and time.monotonic() < until:
        time.sleep(0.05)
    return drafts_of(nodes) == []


def in_browser(desk) -> str:
    return desk.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")


def test_a_reload_keeps_what_was_typed_and_its_command_and_a_save_forgets_it(desk, nodes):
    from playwright.sync_api import expect

    desk.get_by_role("button", name="再加一位当事人").click()
    desk.fill("#party_name-2", "汤菊花")
    command = typed(desk)
    assert WORDS not in in_browser(desk), "the browser keeps nothing"
    desk.reload()
    expect(desk.locator("#account")).to_have_value(WORDS)
    expect(desk.locator("#party_name-2")).to_have_value("汤菊花")
    assert desk.locator("#log [name=command_id]").input_value() == command
    expect(desk.locator("#log")).to_contain_text("上次没写完的还在")
    desk.locator("#account").focus()
    desk.keyboard.press("Control+Enter")
    desk.keyboard.press("Control+Enter")  # once too often: nothing is said of the new, empty form
    expect(desk.locator("#log .saved")).to_contain_text("已登记")
    expect(desk.locator("#log [role=alert]")).to_have_count(0)
    desk.reload()
    expect(desk.locator("#account")).to_have_value("")
    assert desk.locator("#log [name=command_id]").input_value() != command
    assert none_left(nodes)


def test_it_is_there_in_a_new_browser_after_signing_out(desk, nodes, open_page: Callable):
    """As after a crash or a power cut: nothing but the node's store knows it."""
    from playwright.sync_api import expect

    typed(desk)
    desk.locator("details.who summary").click()
    desk.get_by_role("button", name="退出登录").click()
    desk.wait_for_url("**/sign-in*")
    assert WORDS not in in_browser(desk)
    desk.close()
    other = open_page(nodes.url["village"] + "/", DESK, who=("wangfang", PASSWORD))
    expect(other.locator("#account")).to_have_value(WORDS)
    expect(other.locator("#log")).to_contain_text("上次没写完的还在")
    other.get_by_role("button", name="不要了，清空").click()
    expect(other.locator("#account")).to_have_value("")
    assert none_left(nodes)


def test_a_tab_that_is_open_keeps_its_draft_to_itself(desk, nodes):
    from playwright.sync_api import expect

    command = typed(desk)
    second = desk.context.new_page()
    with second.expect_response("**/drafts/find"):
        second.goto(nodes.url["village"] + "/desk")
    expect(second.locator("#account")).to_have_value("")
    tab, until = desk.evaluate("window.name"), time.monotonic() + 20
    desk.close()
    while tab in second.evaluate("navigator.locks.query().then((all) => all.held.map((one) => one.name))"):
        assert time.monotonic() < until, "a tab that was closed lives on"
        second.wait_for_timeout(50)
    second.reload()
    expect(second.locator("#account")).to_have_value(WORDS)
    assert second.locator("#log [name=command_id]").input_value() == command, "one draft, one command"


def test_a_form_without_an_answer_is_sent_again_as_it_is(desk):
    from playwright.sync_api import expect

    typed(desk)
    desk.context.route("**/cases", lambda route: (route.fetch(), route.abort()))  # it is saved, and the answer is lost
    desk.locator("#log button.main").click()
    expect(desk.locator("#log [role=alert]")).to_contain_text("不会存成两份")
    assert desk.locator("#log .field").first.evaluate("(e) => Boolean(e.closest('[inert]'))"), "what is changed now would be lost"
    desk.context.unroute("**/cases")
    desk.locator("#log button.main").click()
    expect(desk.locator("#log .saved")).to_contain_text("已登记")
    expect(desk.locator("#rows tr[id^=case-]")).to_have_count(1)


def test_after_a_reload_the_node_knows_that_it_was_saved(desk):
    from playwright.sync_api import expect

    typed(desk)
    desk.context.route("**/cases", lambda route: (route.fetch(), route.abort()))
    desk.locator("#log button.main").click()
    expect(desk.locator("#log [role=alert]")).to_contain_text("不会存成两份")
    desk.context.unroute("**/cases")
    desk.reload()
    expect(desk.locator("#log")).to_contain_text("刚才那一份已经存好了")
    expect(desk.locator("#account")).to_have_value("")
    desk.get_by_role("link", name="打开看看").click()
    expect(desk.locator("main")).to_contain_text("叶根土")


def test_nobody_else_at_this_pc_finds_it(desk):
    from playwright.sync_api import expect

    typed(desk)
    desk.context.clear_cookies()  # the session ended; somebody else signs in
    desk.goto(desk.url)
    with desk.expect_response("**/drafts/find"):
        sign_in(desk, "lihong", PASSWORD)
    expect(desk.locator("#account")).to_have_value("")
    assert WORDS not in in_browser(desk)


def sign_in_here(desk, button) -> None:
    """On the page itself, whose session has ended."""
    from playwright.sync_api import expect

    button.click()
    again = desk.locator("#again")
    again.get_by_label("账号").fill("wangfang")
    again.get_by_label("密码").fill(PASSWORD)
    desk.keyboard.press("Enter")
    expect(desk.locator("#again-box")).to_be_hidden()


def test_a_session_that_ends_while_one_types_loses_nothing(desk):
    from playwright.sync_api import expect

    typed(desk)
    desk.context.clear_cookies()
    desk.fill("#account", WORDS + "还要赔庄稼。")
    note = desk.locator("#log [data-kept-note]")
    expect(note).to_contain_text("登录已过期")
    sign_in_here(desk, note.get_by_role("button", name="重新登录"))
    expect(note).to_contain_text("草稿已存本机")
    expect(desk.locator("#account")).to_have_value(WORDS + "还要赔庄稼。")


def without_a_session(desk, nodes: Served) -> None:
    """The page comes anew, and what was kept of its forms is asked for a moment after its session ended."""
    from playwright.sync_api import expect

    streams: list[Any] | None = []

    def stream(route) -> None:  # its session has ended as well
        route.continue_() if streams is None else streams.append(route)

    def find(route) -> None:
        nonlocal streams
        nodes.do(signed_out)
        held, streams = streams or [], None
        for one in (*held, route):
            one.continue_()

    desk.route("**/stream?**", stream)  # its question names a path
    desk.route("**/drafts/find", find, times=1)
    desk.goto(desk.url)
    expect(desk.locator("#account")).to_have_value("")


def test_a_session_that_ends_before_the_page_asks_what_was_kept_loses_nothing(desk, nodes):
    from playwright.sync_api import expect

    command = typed(desk)
    without_a_session(desk, nodes)
    sign_in_here(desk, desk.locator("#stale button"))
    expect(desk.locator("#account")).to_have_value(WORDS)
    expect(desk.locator("#log")).to_contain_text("上次没写完的还在")
    assert desk.locator("#log [name=command_id]").input_value() == command


def test_what_was_kept_stays_beside_what_somebody_writes_meanwhile(desk, nodes):
    from playwright.sync_api import expect

    typed(desk)
    without_a_session(desk, nodes)
    desk.fill("#party_name", "汤菊花")
    desk.fill("#account", "另外一件：狗咬了人。")
    sign_in_here(desk, desk.locator("#stale button"))
    expect(desk.locator("#log [data-kept-note]")).to_contain_text("草稿已存本机")
    expect(desk.locator("#account")).to_have_value("另外一件：狗咬了人。")
    kept = drafts_of(nodes)
    assert any(WORDS in one for one in kept) and any("狗咬了人" in one for one in kept)
    desk.locator("#log button.main").click()
    expect(desk.locator("#log .saved")).to_contain_text("已登记")
    desk.goto(desk.url)
    expect(desk.locator("#account")).to_have_value(WORDS)


def test_a_link_clicked_too_early_and_the_way_back_lose_nothing(desk):
    from playwright.sync_api import expect

    desk.fill("#party_name", "叶根土")
    desk.fill("#account", WORDS)
    desk.get_by_role("link", name="今天", exact=False).first.click()  # before the pause at which it would be kept
    desk.wait_for_url("**/today")
    expect(desk.locator("#today-halves")).to_contain_text(WORDS[:12])
    desk.go_back()
    expect(desk.locator("#account")).to_have_value(WORDS)
    desk.goto(desk.url.replace("/desk", "/today"))
    desk.locator("#today-halves a").click()
    desk.wait_for_url("**/cases/new")
    expect(desk.locator("#account")).to_have_value(WORDS)


def test_what_is_mended_is_not_called_wrong_any_more(desk):
    from playwright.sync_api import expect

    desk.locator("#log button.main").click()
    expect(desk.locator("#log [data-summary] li")).to_have_count(2)
    desk.fill("#account", WORDS)
    expect(desk.locator("#log [data-summary] li")).to_have_count(1)
    expect(desk.locator("#account")).not_to_have_attribute("aria-invalid", "true")
    desk.fill("#party_name", "叶根土")
    expect(desk.locator("#log [data-summary]")).to_have_count(0)
    desk.locator("#log button.main").click()
    expect(desk.locator("#log .saved")).to_contain_text("已登记")


def test_an_input_method_that_composes_has_the_keys(desk, nodes):
    """Enter chooses a word, Esc takes it back, and none of our keys happens meanwhile."""
    from playwright.sync_api import expect

    desk.fill("#party_name", "叶根土")
    desk.locator("#account").focus()
    session = desk.context.new_cdp_session(desk)
    session.send("Input.imeSetComposition", {"text": "shui'gou", "selectionStart": 8, "selectionEnd": 8})
    for key, modifiers in (("F2", 0), ("F1", 0), ("Enter", 2), ("Escape", 0)):
        session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", "key": key, "modifiers": modifiers, "windowsVirtualKeyCode": 229})
    assert desk.evaluate("document.activeElement.id") == "account"
    expect(desk.locator("#keys")).to_be_hidden()
    expect(desk.locator("#log .saved, #log [role=alert]")).to_have_count(0)
    session.send("Input.insertText", {"text": "水沟"})
    expect(desk.locator("#account")).to_have_value("水沟")
    expect(desk.locator("#log [data-kept-note]")).to_contain_text("草稿已存本机")


def test_a_draft_of_a_step_comes_back_on_its_case(desk, nodes):
    from playwright.sync_api import expect

    subject = nodes.do(lambda rig: rig.log("village"))
    desk.goto(f"{desk.url.rpartition('/desk')[0]}/cases/{subject}?step=AcceptDispute")
    box = desk.locator("#step-AddNote")
    box.locator("summary").click()
    box.locator("textarea").fill("下午再打电话问一问。")
    expect(box.locator("[data-kept-note]")).to_contain_text("草稿已存本机")
    desk.reload()
    expect(box).to_have_attribute("open", "")
    expect(box.locator("textarea")).to_have_value("下午再打电话问一问。")
    box.locator("button.main").click()
    expect(desk.locator("#timeline")).to_contain_text("下午再打电话问一问。")
    assert none_left(nodes)


def test_an_accusation_is_wiped_where_it_was_kept(desk, nodes):
    from playwright.sync_api import expect

    typed(desk)
    assert WORDS in "".join(drafts_of(nodes))
    desk.fill("#account", WORDS + "我要举报村主任贪污征地款。")
    expect(desk.locator("#log [data-kept-note]")).to_contain_text("听起来是检举控告")
    assert none_left(nodes)
    desk.fill("#account", WORDS)
    expect(desk.locator("#log [data-kept-note]")).to_contain_text("草稿已存本机")
    sealed = desk.locator("#log").get_attribute("data-sealed").split(" ")[0]
    desk.select_option("#log [name=type]", sealed)
    assert none_left(nodes)


def test_what_was_typed_about_one_party_comes_back_at_that_one_alone(desk, nodes):
    """Both are withdrawn at one address: the words about the first must not withdraw him under the other's name."""
    from playwright.sync_api import expect

    subject = nodes.do(two_parties)
    desk.goto(f"{nodes.url['village']}/cases/{subject}/parties")
    first, second = (desk.locator(".party-row", has_text=name) for name in ("叶根土", "叶根水"))
    first.locator("summary").first.click()
    first.locator(".withdraw summary").click()
    first.locator(".withdraw [name=reason]").fill(WORDS)
    expect(first.locator("form[id^=withdraw]")).to_have_attribute("data-kept", "")
    desk.reload()
    expect(first.locator(".withdraw [name=reason]")).to_have_value(WORDS)
    expect(second.locator(".withdraw [name=reason]")).to_have_value("")
    second.locator("summary").first.click()
    second.locator(".withdraw summary").click()
    second.locator(".withdraw [name=reason]").fill("认错了人")
    expect(second.locator("form[id^=withdraw]")).to_have_attribute("data-kept", "")
    desk.reload()
    expect(first.locator(".withdraw [name=reason]")).to_have_value(WORDS)
    second.get_by_role("button", name="撤下叶根水").click()
    desk.wait_for_url(f"**/cases/{subject}*")
    expect(desk.locator("#side")).to_contain_text("撤下 叶根水")
    expect(desk.locator("#side")).not_to_contain_text("撤下 叶根土")


async def two_parties(rig: Rig) -> str:
    subject = await rig.log("village", parties=[Party("叶根土")])
    await rig.say("village", AddParty(id=new_id(), case=subject, party=Party("叶根水", side="respondent"), reason="田埂另一头的人家"))
    return subject
