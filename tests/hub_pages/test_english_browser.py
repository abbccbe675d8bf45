"""The county's main pages in English, in a real Chromium: they fit a screen and a phone, and axe finds nothing."""

from collections.abc import Callable
from pathlib import Path

from protocol.node.web.page import LANGUAGE
from tests.hub_pages.world import PASSWORD, served
from tests.kit.browser import DESK, PHONE, look, sign_in
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium


def test_the_countys_pages_fit_in_english_too(open_page: Callable, tmp_path: Path):
    with served(tmp_path) as (url, hub, run):
        run(hub.sign_in("operator"))
        run(hub.send("田埂地界"))
        page = open_page(f"{url}/sign-in", DESK)
        page.context.add_cookies([{"name": LANGUAGE, "value": "en", "url": url}])
        page.goto(f"{url}/sign-in")
        sign_in(page, "operator", PASSWORD)
        dispatch = f"/cases/{hub.cases['田埂地界']}/dispatch"
        pages = {"/board": "board", dispatch: "dispatch", "/tasks": "tasks", "/statistics?period=year": "statistics", "/map": "map"}
        for path, name in pages.items():
            for size, end in ((DESK, ""), (PHONE, "-phone")):
                page.set_viewport_size(size)
                page.goto(url + path)
                page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")  # a chart is drawn a moment later
                look(page, f"english-{name}{end}")
