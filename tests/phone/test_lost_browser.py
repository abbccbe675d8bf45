"""A phone is lost: the admin ends its sign-ins on one page, the work goes on with another phone, and the lost one sends nothing any more and says what lies on it."""

import re

from playwright.sync_api import Page, expect

from protocol.tables import Tables
from tests.hub_pages.world import PASSWORD
from tests.kit import browser
from tests.kit.browser import DESK, PHONE, TOUCH, look, sign_in
from tests.kit.machine import needs_chromium
from tests.phone.test_cadre_browser import Phone
from tests.phone.test_halves_browser import half_written

pytestmark = needs_chromium
NEW_PASSWORD = "新手机上的口令 2026"


def ended_by_the_admin(page: Page, url: str) -> str:
    """The new code."""
    sign_in(page, "admin", PASSWORD)
    page.goto(f"{url}/people?text=陈立新")
    button = page.get_by_role("button", name="停掉登录，发新登录码")
    expect(button).not_to_be_visible()
    page.get_by_text("停登录、换登录码").click()
    expect(page.get_by_text("这个账号在所有手机、电脑上的登录马上停掉，旧密码作废")).to_be_visible()
    look(page, "people-end-sign-ins")
    page.set_viewport_size(PHONE)
    look(page, "people-end-sign-ins-390")
    button.click()
    expect(page.get_by_text("所有登录已经停掉，旧密码作废。")).to_be_visible()
    look(page, "people-ended-390")
    return page.locator(".once").inner_text()


def test_work_goes_on_with_another_phone_and_the_lost_one_sends_nothing(world, open_page, monkeypatch):
    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|status of 409"))  # what was done twice is refused
    url, hub, run = world
    subject = run(hub.send("田埂地界"))
    lost = half_written(open_page, url, signal=False)  # the arrival is not sent, the report half written
    code = ended_by_the_admin(open_page(f"{url}/sign-in", DESK), url)

    new = Phone(open_page(f"{url}/sign-in?next=/task", PHONE, **TOUCH), url)
    new.page.fill("[name=name]", "cadre")
    new.page.fill("[name=password]", code)
    new.main("登录")
    new.page.get_by_label("新密码").fill(NEW_PASSWORD)
    new.page.get_by_label("再输一次").fill(NEW_PASSWORD)
    new.page.keyboard.press("Enter")
    new.page.wait_for_url("**/task")
    new.task("田埂地界")
    new.main("已到现场")  # he had confirmed on the other one
    new.page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
    new.page.get_by_label("经过和结果").fill("在新手机上补写的。")
    new.main("提交反馈")
    expect(new.page.get_by_role("button", name="提交反馈")).to_have_count(0)
    expect(new.status).to_have_text("已送达，正等另一台机器也存好")

    def told() -> list[str]:
        return [line.kind for line in run(hub.root.reads.task(hub.root.actor(), subject)).lines]

    done = ["TaskAssigned", "TaskConfirmed", "CadreArrived", "TaskReported"]
    assert told() == done
    taken: list[str] = []
    lost.page.on("response", lambda r: r.request.method == "POST" and r.status == 200 and taken.append(r.url))
    lost.signal(True)  # somebody found it
    expect(lost.status).to_have_text("登录过期了，1 条没有发出、1 份反馈没写完，登录后接着办")
    lost.page.get_by_role("link", name="发送情况").tap()
    expect(lost.page.get_by_text("存在手机 · 等您登录")).to_be_visible()
    expect(lost.page.get_by_text("没写完的反馈", exact=True)).to_be_visible()
    look(lost.page, "phone-lost-found")
    lost.page.goto(f"{url}/sign-in?next=/task")
    lost.page.fill("[name=name]", "cadre")
    lost.page.fill("[name=password]", PASSWORD)  # what its browser may have kept
    lost.main("登录")
    expect(lost.page.get_by_role("alert")).to_be_visible()
    assert (taken, told()) == ([], done)

    lost.page.fill("[name=password]", NEW_PASSWORD)  # it is his again
    lost.main("登录")
    expect(lost.status).to_have_text("1 条被退回，要您看一下")
    lost.task("田埂地界")
    expect(lost.page.get_by_role("alert")).to_contain_text("“已到现场”没有办成")
    expect(lost.page.get_by_text("没写完")).to_have_count(0)
    assert told() == done
