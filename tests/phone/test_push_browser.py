"""A knock at a phone whose page is closed, in a real Chromium: the browser's own push service is not reachable here, so the test is that service."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from protocol.node.config import Push as Rules
from protocol.node.push import Push
from tests.hub_pages.world import Hub, served
from tests.kit.browser import PHONE, TOUCH
from tests.kit.machine import needs_chromium
from tests.kit.push import Service
from tests.phone.test_cadre_browser import Phone

pytestmark = [needs_chromium, pytest.mark.whole_browser]
RULES = Rules(contact="mailto:admin@example.org", services=["127.0.0.1"])
SUBSCRIBED = """{ let mine = null, times = 0; const made = (key) => ({ endpoint: 'ENDPOINT' + (times++ || ''), options: { applicationServerKey: key }, unsubscribe: async () => { mine = null; return true; } });
  mine = BEFORE; PushManager.prototype.getSubscription = async () => mine;
  PushManager.prototype.subscribe = async (asked) => (mine ??= made(asked.applicationServerKey.buffer)); }"""
OLD = "made(new Uint8Array([4, 1, 2]).buffer)"  # subscribed with another key
TOLD = "async () => (await (await navigator.serviceWorker.getRegistration('/task')).getNotifications()).map((n) => [n.title, n.data.task])"
SUBSCRIPTION = (
    "async () => (await (await navigator.serviceWorker.getRegistration('/task')).pushManager.getSubscription())?.endpoint ?? null"
)
CLOSED = "/proof"  # a page of the same origin that is not the phone's


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[str, Hub, Any, Service]]:
    with served(tmp_path) as (url, hub, run):
        hub.county.clock.now_ms = int(time.time() * 1000)
        run(hub.sign_in("operator"))
        service = run(Service().__aenter__())
        hub.pages.push = Push(hub.root.journal, lambda: b"\x07" * 32, RULES, hub.root.clock)

        async def begin() -> asyncio.Task[None]:
            return asyncio.create_task(hub.pages.push.run(hub.root.wake, lambda: True))

        knocking = run(begin())
        yield url, hub, run, service

        async def end() -> None:
            knocking.cancel()
            await service.__aexit__()

        run(end())


def deliver(page: Page, url: str) -> None:
    """What the browser's maker would send on: the knock, to the worker."""
    session = page.context.new_cdp_session(page)
    found: list[str] = []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda told: found.extend(one["registrationId"] for one in told["registrations"]))
    session.send("ServiceWorker.enable")
    while not found:
        page.wait_for_timeout(20)
    session.send("ServiceWorker.deliverPushMessage", {"origin": url, "registrationId": found[0], "data": ""})


def told(page: Page) -> list[list[str]]:
    for _ in range(200):
        if some := page.evaluate(TOLD):
            return some
        page.wait_for_timeout(50)
    return []


def enlisted(open_page: Callable[..., Page], url: str, service: Service, before: str = "null") -> Page:
    """A cadre's phone that is knocked at from now on. before: what it was subscribed to."""
    page = open_page(f"{url}/task", PHONE, permissions=["notifications"], **TOUCH)
    page.add_init_script(SUBSCRIBED.replace("ENDPOINT", service.url("phone")).replace("BEFORE", before))
    phone = Phone(page, url)
    phone.sign_in("cadre")
    expect(page.get_by_text("页面关着时也提醒")).to_be_visible()
    return page


def test_a_closed_phone_is_knocked_at_and_says_what_is_new(world, open_page):
    url, hub, run, service = world
    page = enlisted(open_page, url, service)
    page.goto(url + CLOSED)
    subject = run(hub.send("田埂地界"))
    run(service.knocked(1))
    assert [asked.path for asked in service.asked] == ["/phone"]
    deliver(page, url)
    assert told(page) == [["派来一项新任务", subject]]
    page.evaluate(
        "async () => (await (await navigator.serviceWorker.getRegistration('/task')).getNotifications()).forEach((n) => n.close())"
    )
    page.context.clear_cookies()
    deliver(page, url)
    assert told(page) == [["您的任务有新消息", ""]], "without a session it says that there is something, and no more"


def test_who_signs_out_is_not_knocked_at_any_more(world, open_page):
    url, hub, run, service = world
    page = enlisted(open_page, url, service)
    assert run(hub.pages.push._kept())
    page.get_by_role("button", name="退出登录").tap()
    expect(page.get_by_text("请登录后收任务。")).to_be_visible()
    assert run(hub.pages.push._kept()) == {}


def test_who_signs_out_after_his_session_ended_is_not_knocked_at_either_and_again_when_he_is_back(world, open_page):
    """The node hears nothing of it; the service does, and tells the node at the next knock."""
    url, hub, run, service = world
    page = enlisted(open_page, url, service)
    page.context.clear_cookies()
    page.get_by_role("button", name="退出登录").tap()
    expect(page.get_by_text("请登录后收任务。")).to_be_visible()
    assert page.evaluate(SUBSCRIPTION) is None
    Phone(page.context.new_page(), url).sign_in("cadre")  # beside it: the first page lives on
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("页面关着时也提醒")).to_be_visible()
    assert service.url("phone1") in run(hub.pages.push._kept())


def test_a_phone_that_knows_another_key_of_the_node_subscribes_anew_by_itself(world, open_page):
    url, hub, run, service = world
    enlisted(open_page, url, service, OLD)
    assert list(run(hub.pages.push._kept())) == [service.url("phone1")]


def test_where_the_node_pushes_nothing_the_page_says_so(world, open_page):
    url, hub, _run, _service = world
    hub.pages.push = Push(hub.root.journal, lambda: b"\x07" * 32, Rules(), hub.root.clock)
    page = open_page(f"{url}/task", PHONE, permissions=["notifications"], **TOUCH)
    Phone(page, url).sign_in("cadre")
    expect(page.get_by_text("只有这个页面开着（放在后台也算）才收得到新任务和提醒")).to_be_visible()
