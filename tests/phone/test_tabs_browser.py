"""One visit open in two tabs of a phone: what was typed or signed in the one is on the screen of the other, and neither overwrites it."""

import pytest
from playwright.sync_api import Page, expect

from protocol.tables import Tables
from tests.kit.browser import look
from tests.kit.machine import needs_chromium
from tests.phone.test_cadre_browser import Phone
from tests.phone.test_halves_browser import STORE, lie_there

pytestmark = needs_chromium
WORDS, MORE, OTHERS = "两家当面把界石立回去了，握了手。", "说好秋收以后再一起量一次。", "东边那家还要和儿子商量。"
QUESTION, REASON = "户主电话打不通，改明天行吗", "在县里开会"
TOLD, WHY, HOW = "要问什么、要说明什么", "去不了的原因", "经过和结果"
INKED = "() => { const c = document.querySelector('canvas'), { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height); return data.some((v, n) => n % 4 === 0 && v !== data[0]); }"
ASLEEP = "() => { BroadcastChannel.prototype.postMessage = () => {}; }"  # as far as the other tab hears of it
AWAKE = "document.dispatchEvent(new Event('visibilitychange'))"
CLEARED = f"async () => {{ {STORE} return got((await store()).transaction('drafts', 'readwrite').objectStore('drafts').clear()); }}"


def at_the_report(open_page, url: str, run, hub) -> tuple[Phone, Phone, str]:
    """The same report in two tabs."""
    subject = run(hub.send("田埂地界"))
    first = Phone.of("cadre", open_page, url)
    first.task("田埂地界")
    first.main("接单")
    first.main("已到现场")
    expect(first.page.get_by_label(HOW)).to_be_visible()
    second = beside(first, subject)
    expect(second.page.get_by_label(HOW)).to_be_visible()
    return first, second, subject


def beside(phone: Phone, subject: str) -> Phone:
    other = Phone(phone.page.context.new_page(), phone.url)
    other.page.goto(f"{phone.url}/task#{subject}")
    return other


def result(page: Page) -> None:
    page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()


def test_what_was_typed_and_signed_in_one_tab_outlasts_a_tap_in_the_other(world, open_page):
    url, hub, run = world
    first, second, subject = at_the_report(open_page, url, run, hub)
    first.page.get_by_label(HOW).fill(WORDS)
    first.sign_name()
    expect(second.page.get_by_label(HOW)).to_have_value(WORDS)
    second.page.wait_for_function(INKED)
    second.page.bring_to_front()
    result(second.page)
    expect(first.page.locator("#result-0")).to_be_checked()
    first.page.close()
    look(second.page, "phone-two-tabs")
    second.page.reload()
    expect(second.page.get_by_label(HOW)).to_have_value(WORDS)
    second.page.wait_for_function(INKED)
    second.main("提交反馈")
    expect(second.page.get_by_role("button", name="提交反馈")).to_have_count(0)
    expect(second.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.words, task.result, task.signatures) == (WORDS, "settled", 1)


def test_a_tab_that_slept_neither_overwrites_nor_sends_what_it_remembers(world, open_page):
    url, hub, run = world
    first, second, subject = at_the_report(open_page, url, run, hub)
    first.page.evaluate(ASLEEP)
    first.page.get_by_label(HOW).fill(WORDS)
    first.sign_name()
    lie_there(first.page, 1)
    expect(second.page.get_by_label(HOW)).to_have_value("")
    second.page.bring_to_front()
    result(second.page)  # before it has looked
    expect(second.page.get_by_label(HOW)).to_have_value(WORDS)
    first.page.get_by_label(HOW).fill(WORDS + MORE)
    second.main("提交反馈")
    expect(second.page.get_by_role("button", name="提交反馈")).to_have_count(0)
    expect(second.status).to_have_text("已送达，正等另一台机器也存好")
    task = run(hub.root.reads.task(hub.root.actor(), subject))
    assert (task.words, task.signatures) == (WORDS + MORE, 1)


def test_a_tab_that_is_looked_at_again_shows_what_lies_there(world, open_page):
    url, hub, run = world
    first, second, _ = at_the_report(open_page, url, run, hub)
    first.page.evaluate(ASLEEP)
    first.page.get_by_label(HOW).fill(WORDS)
    lie_there(first.page, 1)
    second.page.evaluate(AWAKE)
    expect(second.page.get_by_label(HOW)).to_have_value(WORDS)


def test_of_one_text_written_in_two_tabs_neither_is_lost(world, open_page):
    url, hub, run = world
    first, second, _ = at_the_report(open_page, url, run, hub)
    for phone in (first, second):
        phone.page.evaluate(ASLEEP)
    first.page.get_by_label(HOW).fill(WORDS)
    lie_there(first.page, 1)
    second.page.get_by_label(HOW).fill(OTHERS)
    expect(second.page.get_by_label(HOW)).to_have_value(f"{WORDS}\n{OTHERS}")
    second.page.reload()
    expect(second.page.get_by_label(HOW)).to_have_value(f"{WORDS}\n{OTHERS}")


def test_what_the_browser_cleared_is_kept_anew_from_the_screen(world, open_page):
    url, hub, run = world
    first, second, _ = at_the_report(open_page, url, run, hub)
    first.page.get_by_label(HOW).fill(WORDS)
    expect(second.page.get_by_label(HOW)).to_have_value(WORDS)
    first.page.evaluate(CLEARED)
    second.page.evaluate(AWAKE)
    result(second.page)
    expect(first.page.locator("#result-0")).to_be_checked()
    first.page.reload()
    expect(first.page.get_by_label(HOW)).to_have_value(WORDS)


@pytest.mark.parametrize("hears", [True, False], ids=["awake", "asleep"])
def test_what_is_said_beside_the_report_in_two_tabs(world, open_page, hears):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    first = Phone.of("cadre", open_page, url)
    first.task("田埂地界")
    first.main("问派单的人…")
    second = beside(first, subject)
    second.main("谢绝…")
    if not hears:
        first.page.evaluate(ASLEEP)
    first.page.get_by_label(TOLD).fill(QUESTION)
    lie_there(first.page, 1)
    second.page.get_by_label(WHY).fill(REASON)
    expect(first.page.get_by_label(WHY)).to_have_value(REASON)
    first.page.reload()
    expect(first.page.get_by_label(WHY)).to_have_value(REASON)
    expect(first.page.get_by_label(TOLD)).to_have_value(QUESTION)


@pytest.mark.parametrize("beside_it", ["", REASON], ids=["alone", "beside a reason"])
@pytest.mark.parametrize("by", ["留言", "不写了"])
def test_a_question_sent_or_given_up_in_one_tab_is_not_offered_in_the_other(world, open_page, by, beside_it):
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    first = Phone.of("cadre", open_page, url)
    first.task("田埂地界")
    first.main("问派单的人…")
    first.page.get_by_label(TOLD).fill(QUESTION)
    if beside_it:
        first.main("谢绝…")
        first.page.get_by_label(WHY).fill(beside_it)
    lie_there(first.page, 1)
    second = beside(first, subject)
    expect(second.page.get_by_label(TOLD)).to_have_value(QUESTION)
    first.main(by)
    expect(second.page.get_by_label(TOLD)).to_have_count(0)
    if not beside_it:
        second.main("谢绝…")
    expect(second.page.get_by_label(WHY)).to_have_value(beside_it)
    second.page.get_by_label(WHY).fill(OTHERS)
    expect(first.page.get_by_label(WHY)).to_have_value(OTHERS)
    look(second.page, "phone-two-tabs-told")
    second.page.reload()
    expect(second.page.get_by_label(WHY)).to_have_value(OTHERS)
    expect(second.page.get_by_label(TOLD)).to_have_count(0)
    if by == "留言":
        expect(first.status).to_have_text("已送达，正等另一台机器也存好")
    said = str([line.text for line in run(hub.root.reads.task(hub.root.actor(), subject)).lines])
    assert said.count(QUESTION) == (by == "留言")


def test_a_report_thrown_away_in_one_tab_leaves_the_other(world, open_page):
    url, hub, run = world
    first, second, _ = at_the_report(open_page, url, run, hub)
    first.page.get_by_label(HOW).fill(WORDS)
    first.sign_name()
    second.page.wait_for_function(INKED)
    first.page.goto(f"{url}/task#queue")
    first.page.once("dialog", lambda dialog: dialog.accept())
    first.main("不要了")
    expect(second.page.get_by_label(HOW)).to_have_value("")
    second.page.wait_for_function(f"() => !({INKED})()")
    result(second.page)
    lie_there(second.page, 1)
    second.page.reload()
    expect(second.page.locator("#result-0")).to_be_checked()
    expect(second.page.get_by_label(HOW)).to_have_value("")
