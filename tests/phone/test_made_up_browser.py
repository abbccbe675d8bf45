"""Where people and matters are invented every page says so, the cadre's app too, before anybody signed in and without a signal; else none does."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.node.config import Config, Demo
from tests.hub_pages.world import PASSWORD, Hub
from tests.kit.browser import DESK, PHONE, TOUCH, look, sign_in
from tests.kit.machine import needs_chromium
from tests.kit.source import ROOT
from tests.phone.test_cadre_browser import Phone

pytestmark = needs_chromium
RELOADS_MAX, LOOKS_AGAIN_MS = 8, 2_500  # a browser asks for another worker about a second after a page was opened


@pytest.fixture(params=[True, False], ids=["made-up", "real"])
def kind(request: pytest.FixtureRequest, world: Any) -> tuple[str, Hub, Any, bool]:
    url, hub, run = world
    hub.pages.config = Config(demo=Demo(made_up=request.param))
    return url, hub, run, request.param


def says_so(page: Page, where: str, made_up: bool) -> None:
    if made_up:
        expect(page.locator(".made-up"), where).to_be_visible()
        expect(page.locator(".made-up"), where).to_contain_text("真的纠纷不要登记在这里")
    else:
        expect(page.locator(".made-up"), where).to_have_count(0)


def test_every_page_of_a_desk_says_it_or_none_does(kind, open_page):
    url, hub, run, made_up = kind
    task = run(hub.send())
    page = open_page(f"{url}/sign-in", DESK)
    says_so(page, "/sign-in", made_up)
    sign_in(page, "operator", PASSWORD)
    menu = page.locator("#nav a").evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    assert len(menu) > 5
    case = f"/cases/{hub.cases['田埂地界']}"
    for path in (*menu, case, f"{case}/dispatch", f"{case}/erase", f"/tasks/{task}", "/reviews", "/tasks?show=all"):
        page.goto(url + path)
        says_so(page, path, made_up)


def test_the_app_says_it_before_and_after_the_first_sign_in_and_without_a_signal(kind, open_page):
    url, hub, run, made_up = kind
    run(hub.send())
    phone = Phone(open_page(f"{url}/task", PHONE, **TOUCH), url)
    expect(phone.page.get_by_role("link", name="登录")).to_be_visible()
    says_so(phone.page, "signed out", made_up)
    look(phone.page, f"made-up-{made_up}-signed-out")
    phone.sign_in("cadre")
    says_so(phone.page, "the list", made_up)
    phone.task("田埂地界")
    says_so(phone.page, "a task", made_up)
    look(phone.page, f"made-up-{made_up}-task")
    phone.signal(False)
    phone.page.reload()
    expect(phone.page.get_by_role("button", name="接单")).to_be_visible()
    says_so(phone.page, "without a signal", made_up)


def test_a_phone_does_not_go_on_with_the_shell_of_the_other_kind(kind, open_page):
    url, hub, _, made_up = kind
    phone = Phone.of("cadre", open_page, url)
    says_so(phone.page, "as it was", made_up)
    hub.pages.config = Config(demo=Demo(made_up=not made_up))
    for _ in range(RELOADS_MAX):
        phone.page.reload()
        expect(phone.page.get_by_text("退出登录")).to_be_visible()
        if bool(phone.page.locator(".made-up").count()) != made_up:
            break
        phone.page.wait_for_timeout(LOOKS_AGAIN_MS)
    says_so(phone.page, "as it is now", not made_up)


def test_whatever_begins_a_page_has_room_for_it():
    files = [file for side in ("protocol", "hub", "edge") for file in (ROOT / side).rglob("*.html")]
    whole = [file for file in files if "<!doctype html>" in file.read_text("utf-8").lower()]
    assert len(whole) > 1
    assert [file.name for file in whole if "{% if made_up() %}" not in file.read_text("utf-8")] == []
