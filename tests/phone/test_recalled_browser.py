"""A visit that was made without a signal, and meanwhile taken back or refused: what tells of it goes by itself, and what was refused stands first until he has looked."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.commands import RecallTask
from protocol.tables import Tables
from tests.kit import browser
from tests.kit.browser import PHONE, SMALL_PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id
from tests.phone.test_cadre_browser import Phone, picture
from tests.phone.test_halves_browser import home
from tests.phone.test_taps_browser import fits_a_thumb

pytestmark = needs_chromium
WORDS = "两家当面把界石立回去了，握了手。"
BACK = "被退回的，请您看一下"
SAID = {"sentence": "您现在没有下去走访的岗位。", "code": "field_post_needed"}


def made(open_page: Any, url: str, size: dict[str, int] = PHONE, until: str = "提交反馈") -> Phone:
    """On the visit, without a signal: taken on, gone to and (until it) told with a photo."""
    phone = Phone.of("cadre", open_page, url, size)
    phone.signal(False)
    phone.task("田埂地界")
    phone.main("接单")
    phone.main("已到现场")
    expect(phone.page.get_by_label("经过和结果")).to_be_visible()
    if until == "提交反馈":
        report(phone)
    return phone


def report(phone: Phone) -> None:
    page = phone.page
    page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
    page.get_by_label("经过和结果").fill(WORDS)
    page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": picture(800, 600)})
    expect(page.get_by_alt_text("第 1 张照片")).to_be_visible()
    phone.main("提交反馈")
    expect(page.get_by_role("button", name="提交反馈")).to_have_count(0)


@pytest.fixture
def refusing(monkeypatch):
    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|status of (409|403)"))  # the refusal itself


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize("size", [PHONE, SMALL_PHONE], ids=["390", "360"])
def test_a_visit_that_was_made_is_told_though_it_was_recalled_meanwhile(world, open_page, size):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = made(open_page, url, size)
    page = phone.page
    run(hub.root.say(RecallTask(id=new_id(), task=subject, reason="改派给别人"), hub.root.actor()))
    home(phone)
    phone.signal(True)
    expect(phone.status).to_have_text("1 条被退回，要您看一下")  # nobody has to look for it
    assert phone.kept() == [["AddTaskEvidence", "sent"], ["ArriveTask", "sent"], ["ConfirmTask", "waiting"], ["ReportTask", "sent"]]
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.status, task.words, bool(task.arrived_ms), len(task.blobs)) == ("reported", WORDS, True, 1)
    run(hub.second_node_has_it())
    expect(phone.status).to_have_text("1 条被退回，要您看一下")
    expect(section(page, BACK)).to_contain_text("1 条被退回")
    fits_a_thumb(page, f"phone-{size['width']}-list-refused")
    phone.task("田埂地界")
    expect(page.get_by_role("alert")).to_contain_text("“接单”没有办成")
    expect(page.get_by_role("alert")).to_contain_text("已经去过的，到场和反馈照常发。")
    look(page, f"phone-{size['width']}-refused-yes")
    phone.main("不要这一步了")
    expect(phone.status).to_have_text("全部已送达")


def section(page: Page, heading: str) -> Any:
    return page.locator("section", has=page.get_by_role("heading", name=heading))


@pytest.mark.usefixtures("refusing")
def test_who_went_may_still_write_his_report_while_his_refused_yes_stands_there(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = made(open_page, url, until="已到现场")
    run(hub.root.say(RecallTask(id=new_id(), task=subject, reason="人手换了"), hub.root.actor()))
    phone.signal(True)
    expect(phone.page.get_by_role("alert")).to_contain_text("“接单”没有办成")
    phone.main("已经去过了，要写反馈…")
    report(phone)
    expect(phone.status).to_have_text("1 条被退回，要您看一下")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).words == WORDS


@pytest.mark.usefixtures("refusing")
def test_a_report_waits_for_a_refused_arrival_and_the_line_says_who_has_to_look(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = made(open_page, url)
    page = phone.page
    home(phone)

    def refuse(route: Any) -> None:
        if "ArriveTask" in (route.request.post_data or ""):
            route.fulfill(status=403, json=SAID)
        else:
            route.continue_()

    page.context.route("**/task/commands", refuse)
    phone.signal(True)
    expect(phone.status).to_have_text("1 条被退回，要您看一下；2 条等着它")
    card = section(page, BACK)
    expect(card).to_contain_text("1 条被退回")
    expect(card).to_contain_text("2 条等着它")
    expect(page.get_by_role("heading", name="办完的，等发送")).to_have_count(0)
    look(page, "phone-list-held-up")
    assert phone.kept() == [["AddTaskEvidence", "waiting"], ["ArriveTask", "waiting"], ["ConfirmTask", "sent"], ["ReportTask", "waiting"]]
    phone.task("田埂地界")
    expect(page.get_by_text("存在手机 · 等前面被退回的一步")).to_have_count(2)
    page.context.unroute("**/task/commands")
    phone.main("再发一次")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    lines = run(hub.root.reads.task(hub.root.actor(), subject)).lines
    assert [line.kind for line in lines] == ["TaskAssigned", "TaskConfirmed", "CadreArrived", "TaskReported", "TaskEvidenceAdded"]
