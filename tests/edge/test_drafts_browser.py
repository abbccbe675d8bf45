"""What was typed and not saved yet, in a real Chromium: over a reload, for its own person alone, and never for a sealed report."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, served
from tests.edge.test_desk_browser import BUNDLE
from tests.kit.browser import DESK
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import add_person

pytestmark = needs_chromium
WORDS = "两家的水沟堵了，都说是对方倒的土。"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Served]:
    if not BUNDLE.exists():
        pytest.skip("no bundle: ./run bundle makes it")
    with served(tmp_path, "village") as made:
        made.do(another_clerk)
        yield made


async def another_clerk(rig: Rig) -> None:
    web = rig.web("village")
    person, _ = await add_person(web.node, "李红", "clerk")
    await web.people.add_account("lihong", person, PASSWORD, rig.county.clock())


def signed_in(page, who: str):
    page.fill("#name", who)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk*")
    page.wait_for_load_state()
    return page


@pytest.fixture
def desk(open_page: Callable, nodes: Served):
    page = open_page(nodes.url["village"] + "/sign-in", DESK)
    page.on("dialog", lambda dialog: dialog.accept())  # the page asks before it is left
    return signed_in(page, "wangfang")


def typed(desk) -> str:
    desk.fill("#party_name", "叶根土")
    desk.fill("#account", WORDS)
    return desk.locator("#log [name=command_id]").input_value()


def test_a_reload_keeps_what_was_typed_and_its_command_and_a_save_forgets_it(desk):
    from playwright.sync_api import expect

    desk.get_by_role("button", name="再加一位当事人").click()
    desk.fill("#party_name-2", "汤菊花")
    command = typed(desk)
    desk.reload()
    expect(desk.locator("#account")).to_have_value(WORDS)
    expect(desk.locator("#party_name-2")).to_have_value("汤菊花")
    assert desk.locator("#log [name=command_id]").input_value() == command
    expect(desk.locator("#log")).to_contain_text("您刚才写的还在")
    desk.locator("#account").focus()
    desk.keyboard.press("Control+Enter")
    desk.keyboard.press("Control+Enter")  # once too often: nothing is said of the new, empty form
    expect(desk.locator("#log .saved")).to_contain_text("已登记")
    expect(desk.locator("#log [role=alert]")).to_have_count(0)
    desk.reload()
    expect(desk.locator("#account")).to_have_value("")
    assert desk.locator("#log [name=command_id]").input_value() != command


def test_a_form_without_an_answer_is_sent_again_as_it_is(desk, monkeypatch):
    from playwright.sync_api import expect

    command = typed(desk)
    desk.context.route("**/cases", lambda route: (route.fetch(), route.abort()))  # it is saved, and the answer is lost
    desk.locator("#log button.main").click()
    expect(desk.locator("#log [role=alert]")).to_contain_text("不会存成两份")
    assert desk.locator("#log .field").first.evaluate("(e) => Boolean(e.closest('[inert]'))"), "what is changed now would be lost"
    desk.context.unroute("**/cases")
    desk.reload()
    assert desk.locator("#log [name=command_id]").input_value() == command
    desk.locator("#log button.main").click()
    expect(desk.locator("#log .saved")).to_contain_text("已登记")
    expect(desk.locator("#rows tr[id^=case-]")).to_have_count(1)


def test_nobody_else_at_this_pc_finds_it(desk):
    from playwright.sync_api import expect

    kept = "sessionStorage.getItem('yidi-drafts') ?? ''"
    typed(desk)
    assert WORDS in desk.evaluate(kept)
    desk.context.clear_cookies()  # the session ended; somebody else signs in
    desk.reload()
    signed_in(desk, "lihong")
    expect(desk.locator("#account")).to_have_value("")
    assert WORDS not in desk.evaluate(kept)
    typed(desk)
    desk.locator("details.who summary").click()
    desk.get_by_role("button", name="退出登录").click()
    desk.wait_for_url("**/sign-in*")
    assert desk.evaluate(kept) == ""


def test_a_report_that_is_to_be_sealed_is_never_kept(desk):
    typed(desk)
    sealed = desk.locator("#log").get_attribute("data-sealed").split(" ")[0]
    desk.select_option("#log [name=type]", sealed)
    assert WORDS not in desk.evaluate("sessionStorage.getItem('yidi-drafts') ?? ''")
