"""`./run shots [FOLDER] [--json]`: the story of the README in pictures, taken by a headless Chromium of a real demo county.

Each picture is taken at desk and at phone size where the page serves both, with an index page beside them. `--readme` keeps only
those that the README shows, in deploy/pictures.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from deploy.demo.cast import PASSWORD, VILLAGE
from deploy.demo.check import Story, photo
from deploy.demo.county import Demo
from protocol.node.web.page import COOKIE, LANGUAGE
from protocol.tables import Tables
from tests.bench.kit.by_hand import drawn
from tests.kit.browser import DESK, EXPECTED, OLD_PC, PHONE, TOUCH
from tests.kit.machine import LIGHT_CHROMIUM
from tests.kit.source import ROOT
from tests.shots_more import at_the_board, cut_short, in_the_dark, less_seen, missing, on_paper, writes_no_more
from tests.shots_phone import HELD, in_its_states
from tests.shots_states import begins, compares_first, takes_long
from tests.stories.test_every_page import pages_served

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

README = ("village-offline", "today", "case", "board", "dispatch", "statistics", "phone", "phone-report")
DISPUTES, SEED = 150, 20261124
CHINESE = {**os.environ, "LANGUAGE": "zh_CN"}  # in which a browser asks for a date, where its words are installed
SIZES = (("", DESK), ("-1366", OLD_PC), ("-390", PHONE))


class Camera:
    def __init__(self, browser: "Browser", folder: Path, readme: bool) -> None:
        self.browser, self.folder, self.readme, self.taken = browser, folder, readme, list[str]()
        self.complaints: list[str] = []
        self.visited: set[str] = set()  # paths of what was photographed
        self.refusals = False  # pages that say no are being looked at: their status is no complaint

    async def stranger(self, url: str, size: dict[str, int], **more: Any) -> "Page":
        """Before the page that asks who it is."""
        context: BrowserContext = await self.browser.new_context(viewport=size, locale="zh-CN", timezone_id="Asia/Shanghai", **more)
        page = await context.new_page()
        await page.goto(f"{url}/sign-in")
        return page

    async def person(self, url: str, account: str, size: dict[str, int], **more: Any) -> "Page":
        """Signs in as a person would."""
        page = await self.stranger(url, size, **more)
        page.on("console", lambda m: m.type == "error" and self.complain(f"{page.url}: {m.text}"))
        await page.fill("[name=name]", account)
        await page.fill("[name=password]", PASSWORD)
        await page.get_by_role("button", name="登录").click()
        await page.wait_for_function("() => !location.pathname.startsWith('/sign-in')")
        return page

    def complain(self, words: str) -> None:
        if not EXPECTED.search(words) and not (self.refusals and "status of 40" in words):
            self.complaints.append(words)

    def saw(self, page: "Page") -> None:
        self.visited.add(urlsplit(page.url).path)

    def wants(self, name: str) -> bool:
        return not self.readme or name in README

    async def take(self, page: "Page", name: str, sizes: "Sequence[tuple[str, ViewportSize]]" = SIZES) -> None:
        """sizes: (end of the file's name, screen), the first one is what the page goes on with."""
        if not self.wants(name):
            return
        if f"{name}{sizes[0][0]}" in self.taken:
            self.complaints.append(f"two pictures are called {name}")
        self.saw(page)
        for end, size in sizes[:1] if self.readme else sizes:
            await page.set_viewport_size(size)
            await page.wait_for_timeout(500)
            await page.screenshot(path=self.folder / f"{name}{end}.png", caret="initial")
            self.taken.append(f"{name}{end}")
        await page.set_viewport_size(sizes[0][1])

    def index(self) -> None:
        rows = "\n".join(f'<figure><img src="{n}.png" loading="lazy" alt="{n}"><figcaption>{n}</figcaption></figure>' for n in self.taken)
        style = "body{font:14px system-ui;background:#f4f6f8}figure{display:inline-block;margin:12px}img{max-height:520px;border:1px solid #ccc}"
        (self.folder / "index.html").write_text(f'<!doctype html><meta charset="utf-8"><title>一地</title><style>{style}</style>{rows}')


VILLAGE_PAGES = {
    "/today": "today", "/cases": "cases", "/link": "village-link", "/seal": "seal", "/cases/new": "log", "/stick": "stick", "/forks": "forks",
    "/losses": "losses", "/link/ledger?of=" + VILLAGE: "ledger", "/cases/{case}/parties": "parties", "/cases/{case}/seal": "seal-case", "/cases/{case}/ask": "ask",
}  # fmt: skip
ENGLISH_PAGES = (
    ("gaoyu", "wangfang", {"/desk": "log", "/today": "today", "/cases/{case}": "case", "/cases": "cases", "/link": "link"}),
    ("town", "liqiang", {"/desk": "township-desk", "/tasks": "tasks"}),
    ("hub", "zhoumin", {"/board": "board", "/statistics?period=year": "statistics", "/map": "map", "/nodes": "nodes", "/people": "people"}),
)  # whose pages, as whom, path → name
STATES = {  # path of the village's desk → name; what stands there when something is missing, wrong or not allowed
    "/people": "no-permission", "/cases/00000000000000000000000000000000": "no-such-case", "/nowhere": "no-such-page",
    "/cases?text=没有这个词": "nothing-found", "/cases?view=review": "list-empty", "/calendar": "calendar",
}  # fmt: skip
TOWNSHIP_PAGES = {"/desk": "township-desk", "/today": "township-today", "/statistics?period=year": "township-statistics"}
COUNTY_PAGES = {
    "/map": "map", "/map?place=330523/330523111": "map-villages", "/map?heat=overdue&type=02": "map-overdue",
    "/statistics": "statistics-month", "/today": "hub-today", "/tasks": "tasks", "/statistics?period=year": "statistics", "/people": "people", "/nodes": "nodes", "/link": "hub-link", "/quarantine": "quarantine", "/reviews": "reviews", "/calendar": "calendar-county", "/forks": "forks-county",
    "/losses": "hub-losses", "/proof": "proof", "/vouch": "vouch",
}  # fmt: skip


async def shoot(camera: Camera, demo: Demo) -> None:
    story = Story(demo, lambda words: print(words, file=sys.stderr, flush=True))
    village = await camera.person(demo.url("gaoyu"), "wangfang", DESK)
    await story.offline_registration()
    await village.goto(demo.url("gaoyu") + "/desk")
    await village.wait_for_timeout(1500)
    await camera.take(village, "village-offline")
    await story.heals_on_screen()
    await story.up_to_the_township()
    await village.goto(f"{demo.url('gaoyu')}/cases/{story.case_id}")
    await camera.take(village, "case")
    await each(camera, village, demo.url("gaoyu"), {path.format(case=story.case_id): name for path, name in VILLAGE_PAGES.items()})
    if not camera.readme:
        await states(camera, village, demo)
        town = await camera.person(demo.url("town"), "liqiang", DESK)
        await each(camera, town, demo.url("town"), TOWNSHIP_PAGES)
    county = await camera.person(demo.url("hub"), "zhoumin", DESK)
    await camera.take(county, "board")
    await story.county.step(story.case_id, "TakeUpDispute")
    await county.goto(f"{demo.url('hub')}/cases/{story.case_id}/dispatch")
    await camera.take(county, "dispatch")
    story.county.step = _already(story.county.step)  # type: ignore[method-assign]
    await story.county_sends_a_cadre()
    if not camera.readme:
        await less_seen(camera, demo, story, county)
        await at_the_board(camera, demo)
    await at_the_phone(camera, demo)
    if not camera.readme:
        await in_its_states(camera, demo, story)
        await story.agreement_and_closing()
    await each(camera, county, demo.url("hub"), {f"/cases/{story.case_id}": "case-closed", **COUNTY_PAGES})
    if not camera.readme:
        await in_the_dark(camera, demo, story.case_id)
        await on_paper(camera, demo, story.case_id)
        await in_english(camera, demo, story.case_id)
        await cut_short(camera, demo)
        await begins(camera, demo)
        await takes_long(camera, demo, county)
        await compares_first(camera, demo)
        await writes_no_more(camera, demo)
    await story.close()


async def each(camera: Camera, page: "Page", url: str, pages: Mapping[str, str]) -> None:
    """pages: path → name of its picture."""
    for path, name in pages.items():
        if camera.wants(name):
            await page.goto(url + path)
            await camera.take(page, name)


async def in_english(camera: Camera, demo: Demo, case: str) -> None:
    """The main pages once more, as the language chosen at the sign-in page shows them."""
    for node, account, pages in ENGLISH_PAGES:
        page = await camera.person(demo.url(node), account, DESK)
        await page.context.add_cookies([{"name": LANGUAGE, "value": "en", "url": demo.url(node)}])
        for path, name in pages.items():
            await page.goto(demo.url(node) + path.format(case=case))
            await camera.take(page, f"english-{name}")
        if node == "gaoyu":
            await page.context.clear_cookies(name=COOKIE)
            await page.goto(demo.url(node) + "/sign-in")
            await camera.take(page, "english-sign-in")
        await page.context.close()
    phone = await camera.person(demo.url("town"), "chenjianguo", PHONE, **TOUCH)
    await phone.get_by_role("button", name="English").tap()
    await phone.get_by_role("heading", name="My tasks").wait_for()
    await camera.take(phone, "english-phone", HELD)
    await phone.locator("a.card").first.tap()
    await camera.take(phone, "english-phone-visit", HELD)


async def states(camera: Camera, village: "Page", demo: Demo) -> None:
    """A form half filled, one that came back, one kept as a draft, help, and the pages that say no."""
    url = demo.url("gaoyu")
    camera.refusals = True
    for path, name in STATES.items():
        await village.goto(url + path)
        await camera.take(village, name)
    camera.refusals = False
    await village.goto(url + "/desk")
    await village.locator("#log button.main").click()
    await village.locator("#log [role=alert]").wait_for()
    await camera.take(village, "log-incomplete")
    await village.fill("#account", "张福根说邻居夜里放广播太响，老人睡不着，两家吵了起来，还动了手。")
    await village.fill("#party_name", "张福根")
    await village.locator("#hints .chip").first.wait_for()
    await village.locator("#log [data-kept-note]").wait_for()
    await camera.take(village, "log-offers")
    await village.reload()
    await village.locator("#log [data-notice]").wait_for()
    await camera.take(village, "log-draft-back")
    await village.locator("#log [data-notice] button").click()
    await village.keyboard.press("F1")
    await camera.take(village, "help")
    await village.keyboard.press("F1")
    stranger = await camera.stranger(url, DESK)
    await camera.take(stranger, "sign-in")
    await stranger.fill("#name", "wangfang")
    await stranger.fill("#password", "wrong-password")
    await stranger.keyboard.press("Enter")
    await stranger.locator("[role=alert]").wait_for()
    await camera.take(stranger, "sign-in-wrong")
    await stranger.context.close()


def _already(step: Any) -> Any:
    """The story takes up what was taken up a moment ago for the picture: that one step is left out."""

    async def stepped(case: str, command: str, **fields: Any) -> Any:
        return None if command == "TakeUpDispute" else await step(case, command, **fields)

    return stepped


async def at_the_phone(camera: Camera, demo: Demo) -> None:
    phone = await camera.person(demo.url("town"), "chenjianguo", PHONE, **TOUCH)
    await phone.goto(demo.url("town") + "/task")
    await phone.get_by_text("指界").first.wait_for()
    await camera.take(phone, "phone", HELD)
    if not camera.readme:
        await phone.emulate_media(color_scheme="dark")
        await camera.take(phone, "dark-phone", HELD)
        await phone.emulate_media(color_scheme="light")
    await phone.get_by_text("指界").first.tap()
    await phone.get_by_role("button", name="接单", exact=True).tap()
    await phone.get_by_role("button", name="已到现场", exact=True).tap()
    await phone.get_by_text(Tables.packaged().word("task_result", "settled"), exact=True).tap()
    await phone.locator("textarea").first.fill("对着老图指了界，李水木愿意退回老墙脚，两家都在场。")
    picture = {"name": "现场.png", "mimeType": "image/png", "buffer": photo()}
    async with phone.expect_file_chooser() as chooser:
        await phone.get_by_text("拍照片").first.tap()
    await (await chooser.value).set_files(picture)
    await drawn(phone, phone.locator("canvas").first)
    await camera.take(phone, "phone-report", HELD)
    await phone.get_by_role("button", name="提交反馈", exact=True).tap()
    await phone.get_by_role("button", name="提交反馈", exact=True).wait_for(state="detached")
    await camera.take(phone, "phone-reported", HELD)


async def main(folder: Path, as_json: bool, readme: bool) -> int:
    from playwright.async_api import async_playwright

    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="yidi-shots-") as data:
        demo = Demo(Path(data))
        async with async_playwright() as p:
            browser = await p.chromium.launch(executable_path=LIGHT_CHROMIUM, args=["--no-sandbox"], env=CHINESE)
            camera = Camera(browser, folder, readme)
            try:
                await demo.prepare(near=False, disputes=DISPUTES, seed=SEED)
                await demo.start()
                await shoot(camera, demo)
            finally:
                await browser.close()  # before the programs: an open page would complain of its stream
                await demo.stop()
    if not readme:
        camera.index()
        camera.complaints += [f"no picture of {route}" for route in missing(camera.visited, await pages_served())]
    for complaint in camera.complaints:
        print(complaint, file=sys.stderr)
    told = {
        "command": "shots",
        "ok": not camera.complaints,
        "seconds": round(time.monotonic() - began, 1),
        "figures": {"pictures": len(camera.taken)},
    }
    print(json.dumps(told) if as_json else f"{len(camera.taken)} 张在 {folder}")
    return 0 if not camera.complaints else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser("shots")
    parser.add_argument("folder", nargs="?", default="")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--readme", action="store_true")
    given = parser.parse_args()
    where = ROOT / "deploy" / "pictures" if given.readme else Path(given.folder or ROOT / "out" / "shots")
    raise SystemExit(asyncio.run(main(where, given.json, given.readme)))
