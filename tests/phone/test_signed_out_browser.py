"""A session that ended while there is no signal: the app stays, says what is so, and opens the page that asks who it is once somebody answers."""

from contextlib import suppress

import pytest
from playwright.sync_api import expect

from tests.hub_pages.world import PASSWORD
from tests.kit.browser import look
from tests.kit.machine import needs_chromium
from tests.phone.test_cadre_browser import Phone

pytestmark = needs_chromium
OVER = "登录过期了，1 条存在手机，登录后接着发"
STAYS = "连不上，现在登录不了。写的、拍的都在手机里；有信号时再点一次登录。"


def ended(open_page, url: str, run, hub) -> tuple[Phone, str]:
    """On the list: one step is not sent, and the node has said that the session is over."""
    subject = run(hub.send("田埂地界"))
    phone = Phone.of("cadre", open_page, url)
    phone.signal(False)
    phone.task("田埂地界")
    phone.main("接单")
    phone.page.get_by_role("link", name="‹ 我的任务").tap()
    phone.page.context.clear_cookies()
    phone.signal(True)
    expect(phone.status).to_have_text(OVER)
    return phone, subject


@pytest.mark.parametrize("line", ["no signal", "no answer"])
@pytest.mark.parametrize("link", ["登录", "登录，接着发"])
def test_a_tap_on_sign_in_keeps_the_app_until_somebody_answers(world, open_page, line, link):
    url, hub, run = world
    phone, subject = ended(open_page, url, run, hub)
    page = phone.page
    if link != "登录":
        page.get_by_role("link", name="发送情况").tap()
    if line == "no signal":
        phone.signal(False)
        expect(page.get_by_text("有信号时请登录，登录后接着发。")).to_be_visible()
    else:
        page.context.route("**/task/mine**", lambda route: route.abort())
    page.get_by_role("link", name=link, exact=True).tap()
    expect(phone.notice).to_contain_text(STAYS)
    expect(phone.status).to_have_text(OVER)
    look(page, "phone-no-signal-no-session")
    with suppress(Exception):
        page.context.unroute("**/task/mine**")
    phone.signal(True)
    page.get_by_role("link", name=link, exact=True).tap()
    page.wait_for_url("**/sign-in?next=/task")
    page.fill("[name=name]", "cadre")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="登录").tap()
    page.wait_for_url("**/task")
    expect(phone.status).to_have_text("已送达，正等另一台机器也存好")
    assert run(hub.root.reads.task(hub.root.actor(), subject)).status == "confirmed"


def test_that_a_session_is_over_is_known_without_a_signal_too(world, open_page):
    url, hub, run = world
    phone, _ = ended(open_page, url, run, hub)
    phone.signal(False)
    phone.page.reload()
    expect(phone.status).to_have_text(OVER)
    expect(phone.page.get_by_text("有信号时自动发出")).to_have_count(0)
    look(phone.page, "phone-reopened-no-session")


def test_who_left_without_a_signal_is_not_said_to_have_sent_all(world, open_page):
    url, hub, run = world
    run(hub.send("田埂地界"))
    phone = Phone.of("cadre", open_page, url)
    phone.signal(False)
    phone.main("退出登录")
    expect(phone.status).to_have_text("还没有登录")
    phone.page.reload()
    expect(phone.status).to_have_text("还没有登录")
    expect(phone.page.get_by_text("现在没有信号，有信号时才能登录。")).to_be_visible()


def test_who_has_just_signed_in_and_lost_the_signal_is_not_called_out(world, open_page):
    url, hub, run = world
    phone, _ = ended(open_page, url, run, hub)
    page = phone.page
    page.context.route("**/task/mine**", lambda route: route.abort())
    page.goto(f"{url}/sign-in?next=/task")
    page.fill("[name=name]", "cadre")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="登录").tap()
    page.wait_for_url("**/task")
    expect(phone.status).to_have_text("1 条待发送，有信号时自动发出")
