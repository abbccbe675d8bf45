"""A real Chromium that complains: a test using `open_page` fails on every console error of its pages (this finds CSP breaches).

`look` keeps a picture in out/ (git-ignored; look at it; a run of all tests side by side keeps none) and holds the page to WCAG 2.1 AA and to
no sideways scroll. Mark such a test `@needs_chromium`, and `@pytest.mark.whole_browser` when it wants what only a browser with a window system has: push,
notifications, a microphone, a viewer of PDF. The server under test runs in another thread or process.
"""

import asyncio
import os
import re
from asyncio.events import _set_running_loop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest

from tests.kit import axe
from tests.kit.machine import CHROMIUM, LIGHT_CHROMIUM
from tests.kit.source import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

OUT = ROOT / "out"
DESK, OLD_PC, PHONE, SMALL_PHONE, HALL = (
    {"width": w, "height": h} for w, h in ((1440, 900), (1366, 768), (390, 844), (360, 740), (1920, 1080))
)
WAITS_MS = 20_000  # for what a page does by itself, on a machine that does other things too
ARGS = ["--no-sandbox", "--use-fake-device-for-media-stream"]  # a microphone that beeps; a page still needs the permission
EXPECTED = re.compile(
    "ERR_|status of 4(01|22)|network error|Failed to fetch"
)  # links cut on purpose, forms that come back, sessions that ended
_shared: list["Chromium"] = []
OPENED = (  # then window.opened says that something which was asked for stands there
    "() => addEventListener('htmx:after:swap', ({ detail: { ctx } }) => { if (ctx.sourceElement.id !== 'live') window.opened = true; })"
)
TOUCH = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2}


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chromium"]:
    shared = Chromium()
    if run := os.environ.get("PYTEST_XDIST_TESTRUNUID"):
        axe.share(tmp_path_factory.getbasetemp().parent / f"axe-{run}")
    _shared.append(shared)
    yield shared
    _shared.clear()
    shared.close()


def held(page: "Page", address: "str | re.Pattern[str]") -> "list[Route]":
    """Whatever is asked for there from now on is not answered, until the test does."""
    routes: list[Route] = []

    def hold(route: "Route") -> None:  # playwright takes no method of a list
        routes.append(route)

    page.route(address, hold)
    return routes


def asked(page: "Page", routes: "list[Route]", count: int) -> "Route":
    """The last of so many questions; a page says that it asks before we hear of it."""
    for _ in range(WAITS_MS // 50):
        if len(routes) >= count:
            break
        page.wait_for_timeout(50)
    assert len(routes) >= count, f"it was asked {len(routes)} times"
    return routes[-1]


def leave_pages() -> None:
    """For a server that ends: a page that still listens would hold it up."""
    for one in _shared:
        one.leave()


class Chromium:
    """One for all tests of a process: starting it costs a second of the machine, a context of its own a fifth.

    Playwright's loop counts as this thread's running one from its first call on, so tests that are coroutines could not run after it:
    it does so only inside `in_use`.
    """

    def __init__(self) -> None:
        self._playwright: Any = None
        self._browsers: dict[str, Any] = {}  # program → what runs

    @contextmanager
    def in_use(self, program: str = LIGHT_CHROMIUM) -> Iterator["Browser"]:
        from playwright.sync_api import expect, sync_playwright  # a slow import, only for who needs it

        if self._playwright is None:
            expect.set_options(timeout=WAITS_MS)
            self._playwright = sync_playwright().start()
            self._loop = asyncio.get_running_loop()
        _set_running_loop(self._loop)
        if program not in self._browsers:
            self._browsers[program] = self._playwright.chromium.launch(
                executable_path=program, args=ARGS
            )  # Debian's: nothing is downloaded
        try:
            yield self._browsers[program]
        finally:
            self.leave()
            _set_running_loop(None)

    def leave(self) -> None:
        """Closes every page. Only while it is in use, or was not used yet."""
        for browser in self._browsers.values():
            for context in browser.contexts:
                context.close()

    def close(self) -> None:
        if self._playwright is not None:
            _set_running_loop(self._loop)
            for browser in self._browsers.values():
                browser.close()
            self._playwright.stop()
            _set_running_loop(None)


@pytest.fixture
def open_page(chromium: Chromium, request: pytest.FixtureRequest) -> Iterator[Callable[..., "Page"]]:
    """open_page(url, size, who, **context options) → a page in a context of its own, which has answered with our CSP.

    who: (account, password) of whoever is signed in there before it opens, without the page that asks; else nobody is. expected: what its console may say."""
    complaints: list[str] = []
    with chromium.in_use(CHROMIUM if request.node.get_closest_marker("whole_browser") else LIGHT_CHROMIUM) as browser:

        def opened(
            url: str, size: dict[str, int], who: tuple[str, str] | None = None, expected: re.Pattern[str] | None = None, **more: object
        ) -> "Page":
            context = browser.new_context(viewport=size, locale="zh-CN", timezone_id="Asia/Shanghai", **more)
            if who:
                has_session(context, url, *who)
            page = context.new_page()
            page.on(
                "console",
                lambda m: m.type == "error" and not (expected or EXPECTED).search(m.text) and complaints.append(f"{page.url}: {m.text}"),
            )
            page.on("pageerror", lambda e: complaints.append(f"{page.url}: {e}"))
            answer = page.goto(url)
            assert answer, f"{url} gave no answer"
            assert "default-src 'self'" in answer.headers.get("content-security-policy", ""), f"{url} has no CSP"
            assert not (who and "/sign-in" in page.url), f"{url} asks {who[0]} who it is"
            return page

        yield opened
    assert complaints == []


def has_session(context: "BrowserContext", url: str, account: str, password: str) -> None:
    """As after `sign_in`, for half a second of a core less: by the twin of that page. url: of any page there."""
    answer = context.request.post(
        urljoin(url, "/sign-in"), form={"name": account, "password": password}, headers={"accept": "application/json"}
    )
    assert answer.ok and "person" in answer.json(), f"{account} is not signed in: {answer.status} {answer.text()[:400]}"


def sign_in(page: "Page", account: str, password: str) -> "Page":
    """On the page that asks who it is, by keyboard; returns when the next one has come."""
    page.locator("[name=name]").fill(account)
    page.locator("[name=password]").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda at: "/sign-in" not in at)
    page.wait_for_load_state()
    return page


def picture(page: "Page", name: str, *, whole: bool = False) -> None:
    """Of what is seen, or of the whole page; none beside other workers, where nobody looks. Taken again, once, where a busy machine had no
    frame to take it from."""
    from playwright.sync_api import Error

    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    OUT.mkdir(exist_ok=True)
    for last in (False, True):
        try:
            # caret: else playwright leaves style="" on inputs, which CSP reports
            page.screenshot(path=OUT / f"{name}.png", full_page=whole, caret="initial")
            return
        except Error as error:
            if last or "Unable to capture" not in error.message:
                raise


def look(page: "Page", name: str) -> None:
    page.wait_for_load_state()  # behind a link its document may have begun, and hold nothing yet
    picture(page, name)
    axe.accessible(page, name)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
