"""pages: what people at a desk and a phone wait for, and what a browser finds wrong, in a real Chromium.

Script sizes are of what the browser loaded, each compressed as the wire would: of all pages of a desk the largest, of the county's own apart,
whose 统计 alone brings ECharts along. They are weighed once and not in each run, and so is what axe finds: the same bytes come again.
Pages of a desk are asked of a real township's edge with `cases` cases, the county's of a hub with as many, while
nothing happens and again each just after a save, which makes all that was counted old; first paint is that of its desk with a processor four times as slow; the phone's app is opened for the first time over a line
of 3G. A dispute is logged by keyboard alone, a visit reported by thumb: what a person does is counted at a person's pace (kit/by_hand.py), and what
the program made them wait is measured and added. Taps are those of one visit, from the list to the report. axe looks at every page and state that `./run shots` takes, in light colours and in dark ones.
"""

import gzip
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from axe_playwright_python.async_playwright import Axe

from deploy.demo.cast import TOWNSHIP
from deploy.demo.check import Page as Program
from deploy.demo.check import photo
from deploy.demo.county import Demo
from protocol.calendar import DAY_MS
from protocol.node.identity import Identity
from protocol.tables import Tables
from tests.bench import rest
from tests.bench.figure import Figure, figure, percentile
from tests.bench.kit.by_hand import SIGN_S, TAKE_PHOTO_S, THUMBED_S, Hand, drawn
from tests.bench.kit.county import county
from tests.bench.kit.programs import running
from tests.bench.save import form
from tests.kit.browser import DESK, PHONE, TOUCH
from tests.kit.machine import CHROMIUM, LIGHT_CHROMIUM
from tests.shots import SIZES, Camera, shoot

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, ViewportSize

NEEDS = ("chromium",)
SLOWER = 4  # times, for first paint
THREE_G = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8}
CADRE, REPORT = "chenjianguo", "围墙已退回老墙脚，两家都在场看了。"
WHO, WHOM, PHONE_NUMBER, WORDS = "叶根土", "汤菊花", "13800001234", "两家的水沟堵了，都说是对方倒的土，雨天水往屋里灌。"
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
COUNT = """addEventListener('click', (e) => {
  if (e.isTrusted && e.target.closest('a, button, label, summary') && !e.target.matches('input')) sessionStorage.taps = `${sessionStorage.taps ?? ''}${e.target.innerText.trim().split('\\n')[0]}|`;
}, true);"""
HIT = "() => { const hit = sessionStorage.taps ?? ''; delete sessionStorage.taps; return hit; }"  # since it was asked last
HEAVY = "/statistics"  # at the county: its charts are drawn by ECharts
SLICED = ("village-offline", "board", "phone-report")  # pages that a slice asks axe about
WEIGHED, ASKED = 3, 18  # of a slice
CHANGED = 4  # a round in which a dispute is logged before each page comes once in so many
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}  # all that dark colours can change


class Sizes(NamedTuple):
    """all_pages: axe looks at all and each page's script is weighed, else axe at SLICED and the first few are."""

    cases: int
    disputes: int
    rounds: int
    all_pages: bool


FULL, SLICE = Sizes(100_000, 120, 20, True), Sizes(20, 12, 1, False)


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    from playwright.async_api import async_playwright

    async with async_playwright() as p:
        program = CHROMIUM if sizes.all_pages else LIGHT_CHROMIUM  # a slice's times say nothing
        browser = await p.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            large = await _large(browser, runs, folder / "large", sizes)
            told = await _small(browser, runs, folder / "small", sizes)
        finally:
            await browser.close()
    return {**large, **told}


async def _large(browser: "Browser", runs: int, folder: Path, sizes: Sizes) -> dict[str, Figure]:
    demo = await county(folder, sizes.cases, into=("hub", "town"), disputes=sizes.disputes)
    answered: dict[str, list[float]] = {}
    after_save: dict[str, list[float]] = {}
    scripts: dict[str, dict[str, float]] = {}
    painted: list[float] = []
    for who in (rest.CLERK, rest.OPERATOR):
        async with running(demo, who.node):
            program = await Program(demo.url(who.node), who.account).sign_in()
            asked = who.pages if sizes.all_pages else who.pages[:ASKED]
            for _ in range(runs):
                took = await rest.ask_pages(program, asked, sizes.rounds)
                for other in who.others if sizes.all_pages else ():
                    took |= await rest.ask_as(demo, other, sizes.rounds)
                answered.setdefault(who.node, []).append(_p99(took))
                took = await rest.ask_pages(program, asked, max(sizes.rounds // CHANGED, 1), saving=True)
                after_save.setdefault(who.node, []).append(_p99(took))
                slow = sorted(took, key=lambda path: -percentile(took[path], 50))[:4]
                print(f"  {who.node}, slowest after a save: " + ", ".join(f"{path} {percentile(took[path], 50):.0f} ms" for path in slow))
            real = await rest.filled(program, who.pages)
            await program.http.aclose()
            page = await Camera(browser, folder, readme=False).person(demo.url(who.node), who.account, DESK)
            session = await page.context.new_cdp_session(page)
            pages = [path for path in who.pages if path != "/task"]  # its script is weighed with the phone
            weighed = pages if sizes.all_pages else {*pages[:WEIGHED], *[path for path in pages if path.startswith(HEAVY)]}
            scripts[who.node] = await _scripts(page, demo.url(who.node), [real[path] for path in weighed])
            for other in who.others if sizes.all_pages else ():
                seen = await Camera(browser, folder, readme=False).person(demo.url(who.node), other.account, DESK)
                scripts[who.node] |= await _scripts(seen, demo.url(who.node), list(other.pages))
                await seen.context.close()
            if who == rest.CLERK:
                await session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
                painted = [await _paint(page, demo.url(who.node)) for _ in range(runs)]
            await page.context.close()
    heavy = {path: kib for path, kib in scripts["hub"].items() if path.startswith(HEAVY)}
    light = {path: kib for path, kib in scripts["hub"].items() if path not in heavy}
    print("  most script: " + ", ".join(max(some, key=lambda path: some[path]) for some in (scripts["town"], light)))
    return {
        "desk_script_kib": figure([max(scripts["town"].values())], "KiB", target=30),
        "hub_script_kib": figure([max(light.values())], "KiB", target=30),
        "hub_statistics_script_kib": figure([max(heavy.values())], "KiB"),
        "desk_page_p99_ms": figure(answered["town"], "ms", target=100),
        "hub_page_p99_ms": figure(answered["hub"], "ms", target=100),
        "desk_page_after_save_p99_ms": figure(after_save["town"], "ms", target=100),
        "hub_page_after_save_p99_ms": figure(after_save["hub"], "ms", target=100),
        "desk_first_paint_s": figure(painted, "s", target=1),
    }


def _p99(took: dict[str, list[float]]) -> float:
    return percentile([ms for some in took.values() for ms in some], 99)


async def _scripts(page: "Page", url: str, paths: list[str]) -> dict[str, float]:
    """path → KiB of script that it loads, nothing kept from the page before."""
    session = await page.context.new_cdp_session(page)
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    found, loaded = {}, _loaded(page)
    for path in paths:
        await page.goto("about:blank")  # what the page before still loads is none of this one, and can't be read once it has gone
        loaded.clear()
        await page.goto(url + path)
        await page.wait_for_load_state()
        found[path] = await _kib(loaded, (".js",))
    return found


async def _paint(page: "Page", url: str) -> float:
    await page.goto(url + "/desk")
    return await (await page.wait_for_function(PAINT)).json_value() / 1000


async def _small(browser: "Browser", runs: int, folder: Path, sizes: Sizes) -> dict[str, Figure]:
    demo = Demo(folder)
    folder.mkdir(parents=True)
    try:
        await demo.prepare(near=False, disputes=sizes.disputes, seed=20261124)
        await demo.start()
        logged = [await _log(browser, demo, folder) for _ in range(runs)]
        visits = await _visits(browser, demo, folder, runs)
        phone_kib, usable = await _phone(browser, demo, folder, runs)
        look = Look(browser, folder, readme=not sizes.all_pages)
        await shoot(look, demo)
        print(f"  taps: {' · '.join(visits[-1].hit)}")
    finally:
        await demo.stop()
    for one in look.found:
        print(f"  axe: {one}")
    return {
        "log_dispute_s": figure([hand.seconds for hand in logged], "s", target=60),
        "log_dispute_keys": figure([hand.keys for hand in logged], "keys"),
        "log_dispute_waited_s": figure([hand.waited_s for hand in logged], "s"),
        "phone_script_kib": figure(phone_kib, "KiB", target=120),
        "phone_usable_s": figure(usable, "s", target=2),
        "report_taps": figure([len(hand.hit) for hand in visits], "taps", target=6),
        "report_visit_s": figure([hand.seconds for hand in visits], "s"),
        "report_waited_s": figure([hand.waited_s for hand in visits], "s"),
        "axe_serious": figure([len(look.found)], "findings", target=0),
        "axe_pages": figure([len(look.taken)], "pages"),
    }


class Look(Camera):
    """A camera that asks axe about each picture instead of keeping it. found: page, rule and element of each serious or critical finding."""

    def __init__(self, browser: "Browser", folder: Path, readme: bool) -> None:
        super().__init__(browser, folder, readme)
        self.found: list[str] = []

    def wants(self, name: str) -> bool:
        return not self.readme or name in SLICED

    async def take(self, page: "Page", name: str, sizes: "Sequence[tuple[str, ViewportSize]]" = SIZES) -> None:
        if not self.wants(name):
            return
        for end, size in (sizes[0], sizes[-1]) if self.readme else sizes:
            await page.set_viewport_size(size)
            await page.wait_for_timeout(200)
            await self._ask(page, f"{name}{end}", AXE)
            if not name.startswith("dark-"):  # which are in the dark, and asked about all the same
                await page.emulate_media(color_scheme="dark")
                await self._ask(page, f"{name}{end} in the dark", CONTRAST)
                await page.emulate_media(color_scheme="light")
            self.taken.append(f"{name}{end}")
        await page.set_viewport_size(sizes[0][1])

    async def _ask(self, page: "Page", where: str, options: dict[str, Any]) -> None:
        got = await Axe().run(page, options=options)
        bad = [one for one in got.response["violations"] if one["impact"] in ("serious", "critical")]
        self.found += [f"{where}: {one['id']} {node['target']}" for one in bad for node in one["nodes"]]


async def _log(browser: "Browser", demo: Demo, folder: Path) -> Hand:
    """A dispute, by keyboard alone, from the list of cases until 已登记 stands there."""
    page = await Camera(browser, folder, readme=False).person(demo.url("gaoyu"), "wangfang", DESK)
    await page.goto(demo.url("gaoyu") + "/cases")
    hand = Hand(page)
    async with hand.waiting():
        await hand.press("F2")
        await page.locator("#account:focus").wait_for()
    await hand.write(WORDS)
    await hand.press("Tab")
    await hand.write(WHO)
    await hand.press("Tab")
    await hand.write(PHONE_NUMBER, of_digits=True)
    await hand.press("Tab")
    await hand.write(WHOM)
    async with hand.waiting():
        await hand.press("Control+Enter")
        await page.locator("#log .saved").wait_for()
    await page.context.close()
    return hand


async def _visits(browser: "Browser", demo: Demo, folder: Path, runs: int) -> list[Hand]:
    """Each from the list to 已送达, with a photo and a signature, on a phone that has its signal."""
    officer, cadre = [await Program(demo.url("town"), who).sign_in() for who in (rest.CLERK.account, CADRE)]
    case = (await officer.post("/cases", form(0) | {"ledger": TOWNSHIP}))["case"]
    await officer.step(case, "AcceptDispute")
    person = (await cadre.get("/task/mine"))["me"]["person"]
    page = await Camera(browser, folder, readme=False).person(demo.url("town"), CADRE, PHONE, **TOUCH)
    await page.context.add_init_script(COUNT)
    await page.goto(demo.url("town") + "/task")
    hands = []
    for n in range(runs):
        purpose = f"看一眼围墙（第 {n + 1} 次）"
        await _send(demo, officer, case, person, purpose)
        hands.append(await _visit(page, purpose))
    for one in (officer, cadre):
        await one.http.aclose()
    await page.context.close()
    return hands


async def _send(demo: Demo, officer: Program, case: str, person: str, purpose: str) -> None:
    home = Identity(demo.folder / "town").about().node
    due = str(int(time.time() * 1000) + 2 * DAY_MS)
    task = {"place": TOWNSHIP, "address": "高禹村三组", "cadre": person, "home": home, "purpose": purpose, "due_ms": due}
    await officer.step(case, "AssignTask", **task)


async def _visit(page: "Page", purpose: str) -> Hand:
    await page.get_by_text(purpose).first.wait_for()
    hand = Hand(page, THUMBED_S)
    await page.evaluate(HIT)
    await hand.tap(page.get_by_text(purpose).first)
    for step in ("接单", "已到现场"):
        await hand.tap(page.get_by_role("button", name=step, exact=True))
    await hand.tap(page.get_by_text(Tables.packaged().word("task_result", "settled"), exact=True))
    await page.locator("#words").focus()
    await hand.write(REPORT)
    async with page.expect_file_chooser() as chooser:
        await hand.tap(page.get_by_text("拍照片").first)
    await (await chooser.value).set_files({"name": "现场.png", "mimeType": "image/png", "buffer": photo()})
    await drawn(page, page.locator("canvas").first)
    hand.else_s += TAKE_PHOTO_S + SIGN_S
    await hand.tap(page.get_by_role("button", name="提交反馈", exact=True))
    async with hand.waiting():
        await page.get_by_text(re.compile("已送达")).first.wait_for()
    hand.hit = (await page.evaluate(HIT)).split("|")[:-1]
    await page.get_by_role("link", name="‹ 我的任务").tap()
    return hand


async def _phone(browser: "Browser", demo: Demo, folder: Path, runs: int) -> tuple[list[float], list[float]]:
    """Of each first opening over 3G: (KiB of page, scripts and styles; s until the list of tasks stands there)."""
    usable, kib = [], []
    for _ in range(runs):
        page = await Camera(browser, folder, readme=False).person(demo.url("town"), "chenjianguo", PHONE, **TOUCH)
        kept = await page.context.storage_state()
        await page.context.close()
        context = await browser.new_context(viewport=PHONE, locale="zh-CN", storage_state=kept, **TOUCH)
        page = await context.new_page()
        loaded = _loaded(page)
        session = await context.new_cdp_session(page)
        await session.send("Network.emulateNetworkConditions", THREE_G)
        began = time.monotonic()
        await page.goto(demo.url("town") + "/task", wait_until="commit")
        await page.locator(".phone h1").first.wait_for()
        await page.locator(".phone .tasks, .phone .empty, .phone .state").first.wait_for()
        usable.append(time.monotonic() - began)
        kib.append(await _kib(loaded, (".js", ".css", "/task")))
        await context.close()
    return kib, usable


def _loaded(page: "Page") -> list[Any]:
    """Everything that this page loads from now on."""
    loaded: list[Any] = []

    def came(answer: Any) -> None:
        loaded.append(answer)

    page.on("response", came)  # a method of a list can't be one
    return loaded


async def _kib(loaded: list[Any], ends: tuple[str, ...]) -> float:
    bodies: dict[str, bytes] = {}
    for one in loaded:
        if one.url.endswith(ends) and one.ok:
            bodies[one.url] = await one.body()
    return sum(len(gzip.compress(body, 9)) for body in bodies.values()) / 1024
