"""States that a page is in for a while, for `./run shots`: somebody's first day, a save that takes long, a word that finds too much, a node
put back from its backup that has not heard the county yet."""

import asyncio
import re
import signal
from typing import TYPE_CHECKING

from deploy.demo.county import Demo
from tests.kit.browser import DESK
from tests.shots_more import yidi

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

    from tests.shots import Camera

FIRST_PASSWORD = "di-yi-tian-2026"
GIVEN_UP_S = 10.5  # from here on a page offers to wait no longer
OPENS_MS = 90_000  # a restored node's pages, by themselves


async def begins(camera: "Camera", demo: Demo) -> None:
    """A new clerk, from the words she was told to her first page."""
    url = demo.url("gaoyu")
    said = await yidi(demo, "gaoyu", "person", "hexiaolan", "--name", "何小兰", "--post", "clerk")
    once = re.search(r"一次性密码：(\S+?)（", said)
    assert once, said
    page = await camera.stranger(url, DESK)
    await page.fill("#name", "hexiaolan")
    await page.fill("#password", once[1])
    await page.keyboard.press("Enter")
    await page.locator("[name=again]").wait_for()
    await camera.take(page, "first-password")
    await page.fill("#password", FIRST_PASSWORD)
    await page.fill("[name=again]", FIRST_PASSWORD)
    await page.keyboard.press("Enter")
    await page.locator("#first-title").wait_for()
    await camera.take(page, "first-day")
    await page.context.close()


async def takes_long(camera: "Camera", demo: Demo, county: "Page") -> None:
    """A save whose answer does not come; a word that stands in every case."""
    url, held = demo.url("gaoyu"), asyncio.Event()

    async def hold(route: "Route") -> None:
        await held.wait()
        await route.abort()

    page = await camera.person(url, "wangfang", DESK)
    await page.goto(f"{url}/cases/new")
    await page.fill("#account", "两家的水沟堵了，都说是对方倒的土。")
    await page.fill("#party_name", "叶根土")
    await page.route("**/cases", hold)
    await page.locator("#log button.main").click()
    await asyncio.sleep(GIVEN_UP_S)
    await camera.take(page, "save-slow")
    held.set()
    await page.locator("#log [data-notice]").wait_for()
    await camera.take(page, "save-unsure")
    await page.context.close()
    await county.goto(f"{demo.url('hub')}/cases?text=2026")
    await camera.take(county, "found-too-much")


async def compares_first(camera: "Camera", demo: Demo) -> None:
    """A village put back from its backup, in reach of the township only."""
    url, file = demo.url("gaoyu"), demo.folder / "gaoyu.tar"
    for open_ in [page for context in camera.browser.contexts for page in context.pages if page.url.startswith(url)]:
        await open_.goto("about:blank")  # its session ends with the restore
    await yidi(demo, "gaoyu", "backup", file)
    program = demo.processes["gaoyu"]
    program.send_signal(signal.SIGTERM)
    await program.wait()
    await yidi(demo, "gaoyu", "restore", file)
    demo.cut("county")
    await demo.start_node("gaoyu")
    page = await camera.stranger(url, DESK)
    await page.get_by_text("还没有听到").wait_for()
    await camera.take(page, "restored-waits")
    demo.heal("county")
    await page.get_by_role("button", name="登录").wait_for(timeout=OPENS_MS)
    await page.context.close()
