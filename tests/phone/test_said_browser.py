"""What a cadre types beside the report, a question or why he cannot go, outlasts whatever takes him off the screen, sealed, counted and his alone."""

import pytest
from playwright.sync_api import Page, expect

from protocol.commands import RecallTask
from tests.kit.browser import PHONE, SMALL_PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id
from tests.phone.test_cadre_browser import Phone
from tests.phone.test_halves_browser import WORDS, half_written, home, leave, lie_there
from tests.phone.test_sealed_browser import OPEN
from tests.phone.test_taps_browser import fits_a_thumb

pytestmark = needs_chromium
QUESTION, REASON = "户主电话打不通，改明天行吗", "在县里开会"
ONE = "1 处留言没写完"
TOLD, WHY = "要问什么、要说明什么", "去不了的原因"


def texts(page: Page) -> list[str]:
    return page.locator("textarea").evaluate_all("(all) => all.map((one) => one.value)")


@pytest.mark.parametrize("size", [PHONE, SMALL_PHONE], ids=["390", "360"])
def test_a_question_is_there_again_whatever_came_between(world, open_page, size):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    run(hub.send("空调外机对着窗"))
    phone = Phone.of("cadre", open_page, url, size)
    page, wide = phone.page, size["width"]
    phone.task("田埂地界")
    phone.main("接单")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    run(hub.second_node_has_it())
    expect(phone.status).to_have_text("全部已送达")
    phone.main("问派单的人…")
    page.get_by_label(TOLD).fill(QUESTION)
    expect(phone.status).to_have_text(f"做完的都已送达，{ONE}")
    assert QUESTION not in page.evaluate(OPEN)["drafts"], "it can be read on the phone"
    phone.main("谢绝…")  # the other door
    expect(page.get_by_label(TOLD)).to_have_value(QUESTION)
    page.get_by_label(WHY).fill(REASON)
    phone.main("不了，我去")
    home(phone)
    phone.task("空调外机对着窗")
    expect(page.get_by_label(TOLD)).to_have_count(0)
    page.goto(f"{url}/task")  # killed, and opened again
    phone.task("田埂地界")
    expect(page.get_by_label(TOLD)).to_have_value(QUESTION)
    assert texts(page) == [QUESTION], "what he had thought better of stays away"
    fits_a_thumb(page, f"phone-{wide}-asking")
    page.get_by_role("link", name="发送情况").tap()
    expect(page.get_by_text("没写完的留言", exact=True)).to_be_visible()
    fits_a_thumb(page, f"phone-{wide}-queue-asking")
    home(phone)
    assert leave(phone) == f"还有 {ONE}。退出后仍留在这台手机里，只有您自己再登录才看得到，接着办。现在退出吗？"
    expect(page.get_by_text(f"手机里还有 {ONE}，登录后接着办。")).to_be_visible()
    phone.sign_in("other")
    expect(page.get_by_text("没写完")).to_have_count(0)
    leave_quietly(phone)
    phone.sign_in("cadre")
    phone.task("田埂地界")
    phone.main("留言")
    expect(page.get_by_label(TOLD)).to_have_count(0)
    lie_there(page, 0)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert QUESTION in str([line.text for line in run(hub.root.reads.task(hub.root.actor(), subject)).lines])


def leave_quietly(phone: Phone) -> None:
    phone.main("退出登录")
    expect(phone.page.get_by_role("link", name="登录", exact=True)).to_be_visible()


def test_a_reason_stands_before_the_next_step_until_he_goes_or_says_no(world, open_page):
    url, hub, run = world
    run(hub.send("田埂地界"))
    phone = Phone.of("cadre", open_page, url)
    page = phone.page
    phone.task("田埂地界")
    phone.main("谢绝…")
    page.get_by_label(WHY).fill(REASON)
    home(phone)
    phone.task("田埂地界")
    expect(page.get_by_label(WHY)).to_have_value(REASON)
    expect(page.get_by_role("button", name="接单")).to_have_count(0)
    look(page, "phone-declining")
    phone.main("不了，我去")
    expect(page.get_by_role("button", name="接单")).to_be_visible()
    lie_there(page, 0)
    phone.main("谢绝…")
    page.get_by_label(WHY).fill(REASON)
    phone.main("谢绝")
    expect(page.get_by_role("heading", name="办过的")).to_be_visible()
    lie_there(page, 0)


def test_what_was_being_typed_when_the_visit_was_taken_back_is_there(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = Phone.of("cadre", open_page, url)
    page = phone.page
    phone.task("田埂地界")
    phone.main("问派单的人…")
    page.get_by_label(TOLD).fill(QUESTION)
    phone.main("谢绝…")
    page.get_by_label(WHY).fill(REASON)
    lie_there(page, 1)
    run(hub.root.say(RecallTask(id=new_id(), task=subject, reason="人手换了"), hub.root.actor()))
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_text("这项任务撤回了，不用去了。")).to_be_visible()
    expect(page.get_by_text(REASON)).to_be_visible()
    expect(page.get_by_label(TOLD)).to_have_value(QUESTION)
    look(page, "phone-recalled-asking")
    phone.main("不要了")
    expect(page.get_by_text(REASON)).to_have_count(0)
    phone.main("留言")
    lie_there(page, 0)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert QUESTION in str([line.text for line in run(hub.root.reads.task(hub.root.actor(), subject)).lines])


def test_a_question_outlasts_the_report(world, open_page):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    phone = half_written(open_page, url)
    page = phone.page
    phone.main("问派单的人…")
    page.get_by_label(TOLD).fill(QUESTION)
    expect(page.get_by_label("经过和结果")).to_have_value(WORDS)
    phone.main("提交反馈")
    expect(page.get_by_role("button", name="提交反馈")).to_have_count(0)
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    run(hub.second_node_has_it())
    expect(phone.status).to_have_text(f"做完的都已送达，{ONE}")
    page.reload()
    expect(page.get_by_label(TOLD)).to_have_value(QUESTION)
    page.get_by_role("link", name="发送情况").tap()
    page.once("dialog", lambda dialog: dialog.dismiss())
    phone.main("不要了")
    expect(page.get_by_text("没写完的留言", exact=True)).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    phone.main("不要了")
    expect(page.get_by_text("没写完的留言", exact=True)).to_have_count(0)
    lie_there(page, 0)
    assert run(hub.root.reads.task(hub.root.actor(), subject)).words == WORDS
