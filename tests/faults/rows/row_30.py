"""Row 30: a cadre's phone: its store cleared by the browser, killed in the middle of a save or an upload, two tabs, no signal, a wrong clock.

A real Chromium with a profile on the disk, at a township's real program over a wire of ours. What the screen moved on from is sent in the
end, once, and is not offered again unless the store was cleared since; the number of unsent steps it shows is true; a phone that was cleared
says so, and whoever sent the cadre sees it too. A step that is offered again is counted as lost, and then taken again: it would be at the node
all the same, by the hand of whoever looks at the screen.

Asserted besides: all checkers at the county and the township, over the case and the task as they were told to be
saved, with nothing in quarantine.
"""

import asyncio
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec import structs

from deploy.demo.cast import PASSWORD, TOWNSHIP
from deploy.demo.check import new_id, photo
from protocol import calendar
from protocol.tables import Tables
from tests.faults.kit.chromium import ARGS, WHERE, playwright, waited, watched
from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.desks import Saved, promised
from tests.faults.kit.proxy import Proxy
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row
from tests.kit.county import until
from tests.kit.machine import CHROMIUM

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page, Playwright

NODES = ("hub", "town")
ACCOUNT, DAY_MS = "chenjianguo", 86_400_000
SIZE = {"width": 390, "height": 844}
KINDS = {"接单": "TaskConfirmed", "已到现场": "CadreArrived", "提交反馈": "TaskReported"}  # what each step is at the node
STEPS = tuple(KINDS)
FAULTS = ("none", "no signal", "killed mid-save", "two tabs", "cleared", "upload cut", "battery dead mid-upload")
CLEARED = "indexeddb,local_storage,cache_storage,service_workers"  # what a browser evicts: the cookie is not among it
OUTBOX = """() => new Promise((done) => { const asked = indexedDB.open('yidi-task'); asked.onsuccess = () => {
  const all = asked.result.transaction('outbox').objectStore('outbox').getAll();
  all.onsuccess = () => { asked.result.close(); done(all.result.map((a) => [a.kind, a.state, Boolean(a.refused)])); }; }; })"""

IS_IN = "() => fetch('/task/mine', { headers: { Accept: 'application/json' } }).then((r) => r.json()).then((said) => Boolean(said.me)).catch(() => false)"
BY_OURSELVES = re.compile(
    "register a ServiceWorker.*aborted|Force close delete origin|transaction was aborted|connection is closing|Connection is closing|AbortError$"
)


class Phone:
    """Whoever holds it: opens it, taps, and finds it dead now and then."""

    def __init__(self, p: "Playwright", profile: Path, wire: Proxy, clock_ms: int) -> None:
        self.p, self.profile, self.wire, self.clock_ms = p, profile, wire, clock_ms
        self.url = f"http://127.0.0.1:{wire.port}"
        self.complaints: list[str] = []
        self.context: BrowserContext
        self.page: Page

    async def open(self) -> None:
        self.context = await self.p.chromium.launch_persistent_context(
            str(self.profile), executable_path=CHROMIUM, args=ARGS, viewport=SIZE, has_touch=True, is_mobile=True, **WHERE
        )
        watched(self.context, self.complaints)
        await self.context.add_init_script(f"{{ const now = Date.now; Date.now = () => now() + {self.clock_ms}; }}")
        self.page = self.context.pages[0]
        await self.show(self.page)

    async def show(self, page: "Page") -> None:
        """The list of tasks; signs in where there is a signal and no session."""
        await page.goto(f"{self.url}/task")
        await page.wait_for_selector("h1")
        if not self.wire.is_cut:
            await waited(page, lambda: self._is_in(page), "signed in")

    async def _is_in(self, page: "Page") -> bool:
        if (
            await page.evaluate(IS_IN)
            and await page.get_by_text("退出登录").count()
            and not await page.get_by_role("link", name="登录", exact=True).count()
        ):
            return bool(await page.evaluate("Boolean(navigator.serviceWorker.controller)")) or await self._again(page)
        if "/sign-in" in page.url:
            await page.fill("[name=name]", ACCOUNT)
            await page.fill("[name=password]", PASSWORD)
            await page.click("#sign-in button.main")
            await page.wait_for_url("**/task")
        elif await page.get_by_role("link", name="登录", exact=True).count():
            await page.goto(f"{self.url}/sign-in?next=/task")
        return False

    async def _again(self, page: "Page") -> bool:
        """The worker takes over a page at its next opening."""
        await page.evaluate("navigator.serviceWorker.ready")
        await page.goto(f"{self.url}/task")
        return False

    async def die(self) -> None:
        """SIGKILL of the whole browser, as when the battery is dead."""
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(Exception):
            await asyncio.wait_for(self.context.close(), 10)
        for left in self.profile.glob("Singleton*"):
            left.unlink(missing_ok=True)

    def _pids(self) -> list[int]:
        """Ours alone: those that were started on this profile."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                if f"--user-data-dir={self.profile}".encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    async def clear(self) -> None:
        cdp = await self.context.new_cdp_session(self.page)
        await cdp.send("Storage.clearDataForOrigin", {"origin": self.url, "storageTypes": CLEARED})
        await cdp.detach()

    # ── working ──

    def button(self, page: "Page", label: str) -> Any:
        return page.get_by_role("button", name=label, exact=True)

    async def task(self, page: "Page", purpose: str) -> None:
        if not await page.locator("h1", has_text=purpose).count():
            await page.get_by_role("link", name=re.compile(purpose)).tap()

    async def offers(self, page: "Page", what: Any) -> None:
        """Waits for it; the same step from another tab, which the node refused, is given up first."""

        async def there() -> bool:
            drop = self.button(page, "不要这一步了")
            if await drop.count():
                await drop.first.tap()
            return not await drop.count() and await what.count() > 0

        await waited(page, there, f"the page offers {what}")

    async def fill(self, page: "Page", words: str) -> None:
        await self.offers(page, page.get_by_label("经过和结果"))
        await page.get_by_text(Tables.packaged().word("task_result", "settled")).tap()
        await page.get_by_label("经过和结果").fill(words)
        await page.locator("#photo").set_input_files({"name": "现场.png", "mimeType": "image/png", "buffer": photo()})
        await page.get_by_alt_text("第 1 张照片").wait_for()

    async def tap(self, label: str) -> None:
        """Until the screen has moved on: from then on it is promised."""
        await self.offers(self.page, self.button(self.page, label))
        await self.button(self.page, label).tap()
        await self.button(self.page, label).wait_for(state="hidden")

    async def counts_truly(self) -> None:
        """The number on the screen is what lies in the store."""

        async def same() -> bool:
            said = re.findall(r"(\d+) 条(?:待发送|等着它)", await self.page.get_by_role("status").first.inner_text())
            waiting = [a for a in await self.page.evaluate(OUTBOX) if a[1] == "waiting" and not a[2]]
            return sum(map(int, said)) == len(waiting)

        await waited(self.page, same, "the number of unsent steps is true")


class Story:
    """done: each step that the screen moved on from · kept: those of them that the phone must still know, the store not cleared since · again: those
    that it offered again all the same · photos: how many were put into the report, by store: a cleared one is followed by the next."""

    def __init__(self, county: BrokenCounty, phone: Phone, chance: Random) -> None:
        self.county, self.phone, self.chance = county, phone, chance
        self.purpose, self.words = f"上门走访{chance.randrange(10**6)}", f"两家把界石立回去了，第{chance.randrange(10**9)}回"
        self.subject, self.done, self.saved = "", list[str](), list[Saved]()
        self.kept, self.again, self.photos = set[str](), list[str](), [0]

    async def send_him(self) -> None:
        officer, cadre = await self.county.page("liqiang"), await self.county.page(ACCOUNT)
        logged = await self.county.log(officer, TOWNSHIP, "两家争一条田埂")
        case = logged["case"]
        person = (await cadre.get("/task/mine"))["me"]["person"]
        due = calendar.end_of_day_ms(calendar.local_date(int(time.time() * 1000) + 3 * DAY_MS))
        form = {"place": TOWNSHIP, "cadre": person, "home": self.county.id_of("town"), "purpose": self.purpose, "due_ms": str(due)}
        sent = await officer.post(f"/cases/{case}/AssignTask", {"command_id": new_id(), **form})
        self.subject = sent["subjects"][0]
        self.saved = [promised("town", "liqiang", {"case": case, "code": "", **told}) for told in (logged, sent)]

    async def fill(self, page: "Page") -> None:
        await self.phone.fill(page, self.words)
        self.photos[-1] += 1

    async def tap(self, label: str) -> None:
        """Of a step that the page offers: what it had moved on from was lost."""
        if label in self.kept:
            self.again.append(label)
        await self.phone.tap(label)
        self.done.append(label)
        self.kept.add(label)

    async def take(self, label: str, fault: str) -> None:
        """One step, and what befalls the phone."""
        phone = self.phone
        await phone.task(phone.page, self.purpose)
        await self._steps_before(label)
        if label == STEPS[-1]:
            await self.fill(phone.page)
        if fault in ("no signal", "upload cut", "battery dead mid-upload"):
            phone.wire.cut()
        if fault == "killed mid-save":
            await phone.button(phone.page, label).tap()
            await asyncio.sleep(self.chance.random() * 0.08)
            await phone.die()
            await phone.open()
            return
        if fault == "two tabs":
            await self._twice(label)
        else:
            await self.tap(label)
        await phone.counts_truly()
        if fault == "cleared":
            await self._cleared()
        elif fault == "upload cut":
            phone.wire.faults.cut_after = {"up": self.chance.randrange(2_000, 60_000)}
            phone.wire.is_cut = False
            await asyncio.sleep(self.chance.random() * 4)
            phone.wire.heal()
        elif fault == "battery dead mid-upload":
            phone.wire.heal()
            await asyncio.sleep(self.chance.random() * 2)
            await phone.die()
            await phone.open()

    async def _steps_before(self, label: str) -> None:
        """One that was killed before it was saved is offered still, and taken again by whoever looks at the screen."""
        phone = self.phone
        what = phone.page.get_by_label("经过和结果") if label == STEPS[-1] else phone.button(phone.page, label)

        async def is_offered() -> bool:
            for before in STEPS[: STEPS.index(label)]:
                if await phone.button(phone.page, before).count():
                    await self.tap(before)
                    return False
            return await what.count() > 0 or await phone.button(phone.page, "不要这一步了").count() > 0

        await waited(phone.page, is_offered, f"{label} is offered, or a step before it")

    async def _twice(self, label: str) -> None:
        """The same task in a second tab, and the same button in both."""
        phone = self.phone
        other = await phone.context.new_page()
        await phone.show(other)
        await phone.task(other, self.purpose)
        if label == STEPS[-1]:
            await self.fill(other)  # and one more photo
        await self.tap(label)
        if await phone.button(other, label).count():
            with suppress(Exception):  # it may have heard of it this instant
                await phone.button(other, label).tap(timeout=2_000)
        await other.close()

    async def _cleared(self) -> None:
        """By the browser, while the app is closed; whoever opens it again is told."""
        phone = self.phone
        phone.wire.heal()
        await phone.show(phone.page)
        async with phone.page.expect_response(lambda r: "store=" in r.url and r.ok):
            await phone.page.goto(f"{phone.url}/task")  # this session has named its store
        if self.chance.random() < 0.5:
            phone.wire.cut()
        await phone.clear()
        phone.wire.heal()
        self.kept.clear()
        self.photos.append(0)
        await phone.page.close()
        phone.page = await phone.context.new_page()
        await phone.show(phone.page)
        told = phone.page.get_by_role("alert").filter(has_text="被清掉过")
        await told.wait_for()
        officer = await self.county.page("liqiang")
        shown = await officer.http.get(f"/tasks/{self.subject}", headers={"Accept": "text/html"})
        status = (await officer.get(f"/tasks/{self.subject}"))["status"]
        assert "被清过" in shown.text or status not in ("sent", "confirmed", "arrived"), "whoever sent him does not see it"
        await phone.button(phone.page, "知道了").tap()
        await told.wait_for(state="hidden")

    async def finish(self) -> None:
        """The signal is back; what is not there is done again, as the page offers it."""
        phone = self.phone
        phone.wire.heal()
        await phone.show(phone.page)
        await waited(phone.page, self._nothing_left, "everything sent, every step taken", 180_000)
        await phone.counts_truly()

    async def _nothing_left(self) -> bool:
        phone, page = self.phone, self.phone.page
        if not await page.locator("h1", has_text=self.purpose).count():
            await phone.task(page, self.purpose)
        drop = phone.button(page, "不要这一步了")
        if await drop.count():  # the same step from another tab, which the node refused
            await drop.first.tap()
            return False
        for label in STEPS:
            if await phone.button(page, label).count():
                if label == STEPS[-1] and not await page.get_by_alt_text("第 1 张照片").count():
                    await self.fill(page)
                await self.tap(label)
                return False
        return "全部已送达" in await page.get_by_role("status").first.inner_text()


async def play(chance: Random, folder: Path) -> Outcome:
    return await drawn(chance, folder, [chance.choice(FAULTS) for _ in STEPS])


async def drawn(chance: Random, folder: Path, faults: list[str]) -> Outcome:
    clock_ms = chance.choice((0, 0, -400 * DAY_MS, 400 * DAY_MS))
    async with standing(folder, chance, nodes=NODES) as county:
        wire = await Proxy(seed=chance.randrange(2**31)).start(county.demo.ports.pages["town"])
        try:
            async with playwright() as p:
                phone = Phone(p, folder / "profile", wire, clock_ms)
                story = Story(county, phone, chance)
                await story.send_him()
                await phone.open()
                try:
                    for label, fault in zip(STEPS, faults, strict=True):
                        await story.take(label, fault)
                    await story.finish()
                finally:
                    await phone.die()
                wrong = [one for one in phone.complaints if not BY_OURSELVES.search(one)]
                assert not wrong, wrong
        finally:
            await wire.stop()
        await county.settle()
        task = await until(lambda: _with_photo(county, story), "the photo is there", 60)
        await county.stop()
        found = judged(story, task, faults, clock_ms)
        truth = await judge(county, story.saved, said=found.said)
        return structs.replace(
            truth, acknowledged=truth.acknowledged + found.acknowledged, lost=truth.lost + found.lost, doubled=truth.doubled + found.doubled
        )


async def _with_photo(county: BrokenCounty, story: Story) -> Any:
    """The task as whoever sent him sees it; what was cleared away unsent can't come any more."""
    task = await (await county.page("liqiang")).get(f"/tasks/{story.subject}")
    return task if len(task["files"]) >= story.photos[-1] else None


def judged(story: Story, task: Any, faults: list[str], clock_ms: int) -> Outcome:
    kinds = [line["kind"] for line in task["lines"]]
    missing = [label for label, kind in KINDS.items() if not kinds.count(kind)]
    photos = min(kinds.count("TaskEvidenceAdded"), len(task["files"]))
    lost = len(story.again) + len(missing) + (task["words"] != story.words) + max(0, story.photos[-1] - photos)
    doubled = sum(max(0, kinds.count(kind) - 1) for kind in KINDS.values()) + max(0, kinds.count("TaskEvidenceAdded") - max(story.photos))
    said = (
        ", ".join(f"{label}: {fault}" for label, fault in zip(STEPS, faults, strict=True)),
        f"clock {clock_ms // DAY_MS:+} days",
        str(kinds),
        *(f"offered again: {label}" for label in story.again),
        *(f"not at the node: {label}" for label in missing),
    )
    return Outcome(len(story.done), lost, doubled, 0, said)


async def small(chance: Random, folder: Path) -> Outcome:
    return await drawn(chance, folder, ["no signal", "killed mid-save", "cleared"])


ROW = Row(
    30, "a cadre's phone: store cleared, killed mid-save and mid-upload, two tabs, no signal, clock wrong",
    "what the screen moved on from is sent once and not offered again; the unsent count is true; a cleared store is told to both", ("chromium",), play, small,
)  # fmt: skip
