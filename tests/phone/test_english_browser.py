"""The phone in English: chosen on the phone, kept by the worker without a signal, and what people wrote stays as they wrote it."""

from playwright.sync_api import expect

from tests.kit.browser import look
from tests.kit.english import ours_left, words_of_people, words_of_tables
from tests.kit.machine import needs_chromium
from tests.phone.test_cadre_browser import Phone

pytestmark = needs_chromium


def test_the_phone_speaks_english_without_a_signal_too(world, open_page):
    url, hub, run = world
    run(
        hub.send("田埂地界", purpose="要办的", bring="卷尺", summary="两家争一条田埂。", address="三组")
    )  # a purpose that is a word of ours
    phone = Phone.of("cadre", open_page, url)
    page = phone.page
    known = run(words_of_people(hub.root.journal)) + "\n" + words_of_tables(hub.pages.tables()) + "\n" + hub.pages.name
    assert ours_left(page.content(), known) != []
    page.get_by_role("button", name="English").tap()
    expect(page.locator("h1")).to_have_text("My tasks")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("link", name="要办的")).to_be_visible()
    expect(page.get_by_text("Sent", exact=True)).to_be_visible()  # what it had from the node comes anew as well
    assert ours_left(page.content(), known) == []
    look(page, "english-phone-list")
    phone.signal(False)
    page.reload()
    expect(page.locator("h1")).to_have_text("My tasks")
    page.get_by_role("button", name="中文").tap()
    expect(page.get_by_text("the language cannot be changed")).to_be_visible()
    page.get_by_role("link", name="要办的").tap()
    phone.main("Confirm")
    phone.main("I am here")
    expect(page.get_by_label("What happened and the result")).to_be_visible()
    assert ours_left(page.content(), known) == []
    look(page, "english-phone-report")
    page.goto(f"{url}/task#queue")
    expect(page.locator("h1")).to_have_text("Outbox")
    assert ours_left(page.content(), known) == []
    look(page, "english-phone-queue")
    page.goto(f"{url}/task#help")
    expect(page.locator("h1")).to_have_text("How to use it")
    assert ours_left(page.content(), known) == []
    look(page, "english-phone-help")
    phone.signal(True)
    page.goto(f"{url}/task")
    page.get_by_role("button", name="中文").tap()
    expect(page.locator("h1")).to_have_text("我的任务")
    page.reload()
    expect(page.locator("h1")).to_have_text("我的任务")
