"""Row 22: what people do to a form: double click, reload, back button, two tabs, a session that ends while they type, an answer that is lost.

A village's real program, a real Chromium, a wire of ours between them. A story draws where one types, what happens before it is saved and
how it is saved. At its end the village holds each text that was typed, once, and each form was one command.

Asserted: nothing typed is lost or stands in two entries, and the browser complains of nothing; then what one node alone can show of the
checkers: chain, signatures, views that are what a rebuild makes of the entries, its own signed words, an owner for each case, the case that
was there before, nothing in quarantine.
"""

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec import structs
from sqlalchemy import text as sql

from deploy.demo.cast import PASSWORD, VILLAGE
from tests.faults.kit.chromium import SIZE, WHERE, browser, waited, watched
from tests.faults.kit.county import BrokenCounty, standing
from tests.faults.kit.desks import promised
from tests.faults.kit.proxy import Proxy
from tests.faults.kit.truth import judge
from tests.faults.row import Outcome, Row

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

STORIES, STORIES_SMALL = 6, 2
WHERE_TYPED = ("desk", "case")
BEFORE = ("reload", "away and back", "back button", "session ends", "other tab", "copied tab")
SAVES = ("click", "double click", "two keys", "answer lost", "answer lost, reload", "request lost", "session ends and answer lost")
ACCOUNT = "wangfang"


class Desk:
    """One person at one browser; the pages come over a wire that can be cut."""

    def __init__(self, county: BrokenCounty, wire: Proxy, context: "BrowserContext", chance: Random) -> None:
        self.county, self.wire, self.context, self.chance = county, wire, context, chance
        self.url = f"http://127.0.0.1:{wire.port}"
        self.page: Page
        self.case = ""
        self.typed: list[str] = []
        self.is_out = True

    async def begin(self) -> None:
        self.page = await self.context.new_page()
        await self.page.goto(f"{self.url}/sign-in")
        await self.sign_in(self.page)
        await self.page.wait_for_url("**/desk*")

    async def sign_in(self, page: "Page") -> None:
        await page.fill("#name", ACCOUNT)
        await page.fill("#password", PASSWORD)
        await page.click("#sign-in button.main")
        self.is_out = False

    async def open(self, page: "Page", where: str) -> None:
        await page.goto(f"{self.url}/desk" if where == "desk" else f"{self.url}/cases/{self.case}")
        await page.wait_for_load_state()

    async def field(self, page: "Page", where: str) -> Any:
        """Where the text goes; its step is opened."""
        if where == "desk":
            return page.locator("#account")
        await page.wait_for_selector("#step-AddNote", state="attached")
        await page.evaluate("document.querySelector('#step-AddNote').open = true")
        return page.locator("#AddNote-text")

    async def type(self, page: "Page", where: str) -> str:
        """A sentence that nobody else types."""
        words = f"两家为滴水争执，第{self.chance.randrange(10**9)}回"
        field = await self.field(page, where)
        if where == "desk":
            await page.fill("#party_name", "叶根土")
        await field.fill(words)
        # a pause of typing, and all of it is kept: from here on nothing may be lost
        await page.wait_for_selector("form[data-kept] [data-kept-note]:not(.wrong)")
        self.typed.append(words)
        return words

    async def end_session(self) -> None:
        """As after a night: the node knows it no longer."""
        async with self.county.opened("gaoyu") as node, node.journal.writing() as w:
            await w.connection.execute(sql("delete from session"))
        self.is_out = True

    # ── before it is saved ──

    async def happens(self, what: str, where: str) -> None:
        page = self.page
        if what == "reload":
            await page.reload()
        elif what == "away and back":
            await page.goto(f"{self.url}/link")
            await self.open(page, where)
        elif what == "back button":
            await page.goto(f"{self.url}/link")
            await page.go_back()
            await page.wait_for_url(lambda url: not url.endswith("/link"))  # it may return before it is on its way
        elif what == "session ends":
            await self.end_session()
        elif what == "other tab":
            other = await self.context.new_page()
            await self.open(other, where)
            await self._signed_in_again(other, where)
            words = await self.type(other, where)
            await self.saved(other, where, "click", words)
            await other.close()
        elif what == "copied tab":  # with what this one has typed; it is looked at and closed again
            async with self.context.expect_page() as opened:
                await page.evaluate("void window.open(location.href)")
            copy = await opened.value
            await copy.wait_for_load_state()
            await copy.close()
        await self._signed_in_again(page, where)

    async def _signed_in_again(self, page: "Page", where: str) -> None:
        """A page that was asked for without a session leads to the sign-in, and back."""
        if "/sign-in" in page.url:
            await self.sign_in(page)
            await page.wait_for_url(lambda url: url.split("?")[0].endswith("/desk") or "/cases/" in url)

    # ── saving ──

    async def saved(self, page: "Page", where: str, how: str, words: str) -> None:
        """Until the page says that it was."""
        button = page.locator("#log button.main" if where == "desk" else "#form-AddNote button.main")
        field = await self.field(page, where)
        await waited(page, lambda: self._is_there(page, field, words), f"what was typed is there before it is saved ({how})")
        if "session" in how:
            await self.end_session()
        if "lost" in how:
            await self._unanswered(page, button, how)
            if "reload" in how:
                await page.reload()
                await self._signed_in_again(page, where)
                field = await self.field(page, where)
                known = page.locator("[data-notice]", has_text="已经存好了")  # the node knows whether it was
                await waited(
                    page, lambda: _back_or_saved(field, words, known), "a form whose answer was lost is there after a reload, or was saved"
                )
                if await known.count():
                    return
            await button.click()
        elif how == "double click":
            await button.dblclick(force=True)
        elif how == "two keys":
            await field.focus()
            await page.keyboard.press("Control+Enter")
            await page.keyboard.press("Control+Enter")
        else:
            await button.click()
        await waited(page, lambda: self._is_saved(page, where, button, words), f"saved in the end ({how})")

    async def _is_there(self, page: "Page", field: Any, words: str) -> bool:
        """Signs in where the session had ended before the page could ask for what was kept."""
        if await _has(field, words):
            return True
        stale = page.locator("#stale button")
        if await stale.count() and not await page.locator("#again-box[open]").count():
            await stale.click()
            await page.wait_for_selector("#again-box[open]")
            await self._sign_in_here(page)
        return False

    async def _sign_in_here(self, page: "Page") -> None:
        await page.fill("#again-name", ACCOUNT)
        await page.fill("#again-password", PASSWORD)
        await page.keyboard.press("Enter")
        self.is_out = False

    async def _unanswered(self, page: "Page", button: Any, how: str) -> None:
        """The wire takes the form and loses the answer, or loses the form itself."""
        if "request" in how:
            self.wire.cut()
            await button.click()
        else:
            before, self.wire.faults.dead = await self.county.lanes("gaoyu"), {"down"}
            await button.click()
            if not self.is_out:  # else it is sent away, and that answer is lost
                await waited(page, lambda: self._wrote(before), "the node has what was sent")
            self.wire.cut()
        await page.wait_for_selector("form[data-unsure]")
        self.wire.heal()

    async def _wrote(self, before: Any) -> bool:
        return await self.county.lanes("gaoyu") != before

    async def _is_saved(self, page: "Page", where: str, button: Any, words: str) -> bool:
        """Signs in where the page asks for it, and presses the button again as it says."""
        if await page.locator("#again-box[open]").count():
            await self._sign_in_here(page)
            if await waited(page, lambda: _is_hidden(page), "", 3_000, fails=False):  # else a second answer drew it anew while we typed
                await button.click()
            return False
        said = page.locator("#log .saved" if where == "desk" else "#said")
        return await said.count() > 0 and ("已登记" if where == "desk" else "已存本机") in await said.first.inner_text()


async def _is_hidden(page: "Page") -> bool:
    return not await page.locator("#again-box[open]").count()


async def _has(field: Any, words: str) -> bool:
    return await field.count() > 0 and await field.input_value() == words


async def _back_or_saved(field: Any, words: str, known: Any) -> bool:
    return await known.count() > 0 or await _has(field, words)


async def tell(desk: Desk, chance: Random) -> str:
    """One story. Returns what it was."""
    where, before = chance.choice(WHERE_TYPED), chance.sample(BEFORE, chance.randint(0, 2))
    how = chance.choice(SAVES)
    await desk.open(desk.page, where)
    words = await desk.type(desk.page, where)
    for what in before:
        await desk.happens(what, where)
    await desk.saved(desk.page, where, how, words)
    return f"{where}: {', '.join([*before, how])}"


async def stories(chance: Random, folder: Path, count: int) -> Outcome:
    async with standing(folder, chance, nodes=("gaoyu",)) as county:
        wire = await Proxy(seed=chance.randrange(2**31)).start(county.demo.ports.pages["gaoyu"])
        try:
            async with browser() as one:
                context, complaints = await one.new_context(viewport=SIZE, **WHERE), list[str]()
                watched(context, complaints)
                desk, said = Desk(county, wire, context, chance), list[str]()
                await desk.begin()
                clerk = await county.page(ACCOUNT)
                before = promised("gaoyu", ACCOUNT, await county.log(clerk, VILLAGE, "一件旧事"))
                desk.case = before.case
                for _ in range(count):
                    said.append(await tell(desk, chance))
                assert not complaints, complaints
        finally:
            await wire.stop()
        await county.stop()
        found = await written(county)
        lost = [words for words in desk.typed if not found.get(words)]
        doubled = [words for words in desk.typed if found.get(words, 0) > 1]
        alone = await judge(county, [before], said=said)
        return structs.replace(alone, acknowledged=len(desk.typed) + 1, lost=alone.lost + len(lost), doubled=alone.doubled + len(doubled))


async def written(county: BrokenCounty) -> dict[str, int]:
    """Sentence → how often it stands in an entry."""
    found: dict[str, int] = {}
    async with county.opened("gaoyu") as node:
        for ledger, origin in await node.journal.heads(VILLAGE):
            for row in await node.journal.lane(ledger, origin, 0, 10_000):
                for words in _sentences(row.body or b""):
                    found[words] = found.get(words, 0) + 1
    return found


def _sentences(body: bytes) -> list[str]:
    return [f"两家为滴水争执，第{part.partition('回')[0]}回" for part in body.decode(errors="replace").split("两家为滴水争执，第")[1:]]


async def play(chance: Random, folder: Path) -> Outcome:
    return await stories(chance, folder, STORIES)


async def small(chance: Random, folder: Path) -> Outcome:
    return await stories(chance, folder, STORIES_SMALL)


ROW = Row(
    22, "double click, reload, back button, two tabs, session over while typing, answer lost", "each form is one command; nothing typed is lost",
    ("chromium",), play, small,
)  # fmt: skip
