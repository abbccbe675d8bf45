"""People who save all the while, as at any desk: what a page said was saved is written down here, by us, and must be true for ever.

    async with Desks(county, chance) as desks:      one writer a desk
        await desks.more(20)                        twenty more saves answered, whatever happens meanwhile
    desks.saved                                     promises given: who was told what

They register, some with a picture (kit/files.py), add notes, and take whatever step the page of a case offers them: 上报, 受领, 交办, 提级, 办结.
Whoever was told no is not told that it was saved.

A form whose answer did not come (the program was killed, the disk was full) is sent again as it is, with its command id, by the same
person; so each is saved once or not at all, and the second answer is the same as the first.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx

from deploy.demo.cast import COUNTY, NEIGHBOUR, PEOPLE, TOWNSHIP, VILLAGE
from deploy.demo.check import Page, new_id
from tests.faults.kit import files
from tests.faults.kit.county import BrokenCounty
from tests.faults.kit.files import Kept, Picture

DESKS = (("wangfang", VILLAGE), ("shenmeiqin", NEIGHBOUR), ("liqiang", TOWNSHIP), ("zhoumin", COUNTY))
PAUSE_S, CALM_S, AGAIN_S, MORE_S_MAX = 0.03, 0.25, 0.15, 120.0  # calm: where the saves are not what is looked at
PHOTOS = 0.15  # of the cases, where a row has files at all
AGAIN = (500, 502, 503, 504, 507)  # not saved; the same form may be sent again
WORDS = ("排水沟", "宅基地", "围墙", "青苗", "工钱", "噪声", "水井", "田埂", "借款", "彩礼")


ACTS: dict[str, dict[str, Any]] = {
    "AcceptDispute": {"willing": "true"},
    "RecordMediation": {"account": "两家都到了，各说各的理。", "result": "go_on"},
    "EscalateDispute": {"to": TOWNSHIP, "reason": "村里谈不下来"},
    "AddNote": {"text": "又来问了一次"},
    "CloseDispute": {"ending": "withdrawn", "result": "他不追究了"},
    "TakeUpDispute": {},
    "CallUpDispute": {"reason": "镇里来办"},
    "HandDownDispute": {"to": VILLAGE, "reason": "还是村里办", "due": f"{datetime.now(UTC).date() + timedelta(days=30)}"},
}
ACTS_SHARE = 0.2
NO = (403, 404, 409, 422)  # the rules said no


class Saved(NamedTuple):
    """A promise: node said to account that the command was saved as these (ledger, origin, seq), with these files."""

    node: str
    account: str
    command: str
    case: str
    code: str
    keys: tuple[tuple[str, str, int], ...]
    files: tuple[Kept, ...] = ()


def promised(node: str, account: str, told: dict[str, Any], picture: Picture | None = None) -> Saved:
    """What a page answered to a form that came with this picture."""
    keys = tuple((e["ledger"], e["origin"], e["seq"]) for e in told["entries"])
    pictures = files.kept(told["command"], picture, told["addresses"][0]) if picture else ()
    return Saved(node, account, told["command"], told["case"], told["code"], keys, pictures)


class Desks:
    def __init__(
        self,
        county: BrokenCounty,
        chance: random.Random,
        desks: Sequence[tuple[str, str]] = DESKS,
        *,
        pause_s: float = PAUSE_S,
        photos: float = 0.0,
    ) -> None:
        """photos: the share of cases that come with one."""
        self.county, self.chance, self.pause_s, self.photos = county, chance, pause_s, photos
        self.desks = [(account, ledger) for account, ledger in desks if _node_of(account) in county.nodes]
        self.saved: list[Saved] = []
        self.refused: Counter[str] = Counter()
        self.acts: Counter[str] = Counter()  # steps that were saved
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Desks":
        for account, _ in self.desks:
            await self.county.page(account)
        self.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.rest()

    def begin(self) -> None:
        self._tasks = [
            asyncio.create_task(self._write(account, ledger, random.Random(self.chance.randrange(2**31)))) for account, ledger in self.desks
        ]

    async def rest(self) -> None:
        """Everybody stops writing; a form under way is dropped as when a browser is closed."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        wrong = [error for error in ended if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError)]
        if wrong:
            raise wrong[0]

    def count(self, node: str = "") -> int:
        return sum(node in ("", saved.node) for saved in self.saved)

    async def more(self, count: int, node: str = "", seconds: float = MORE_S_MAX) -> None:
        """Returns when so many more saves were acknowledged (at one node)."""
        wanted, began = self.count(node) + count, time.monotonic()
        while self.count(node) < wanted:
            for task in self._tasks:
                if task.done():
                    task.result()
            late = f"{node or 'nobody'}: {self.count(node)} of {wanted} saves in {seconds:.0f} s, refused: {dict(self.refused)}"
            assert time.monotonic() - began < seconds, late
            await asyncio.sleep(0.01)

    # ── one person ──

    async def _write(self, account: str, ledger: str, chance: random.Random) -> None:
        node, cases = _node_of(account), []
        while True:
            if chance.random() < ACTS_SHARE:
                saved = await self._acted(node, account, cases, chance)
            elif cases and chance.random() < 0.3:
                case = chance.choice(cases[-5:])
                saved = await self._sent(node, account, f"/cases/{case}/AddNote", {"text": f"{chance.choice(WORDS)}的事又问了一次"})
            else:
                form = self.county.form(ledger, f"{chance.choice(WORDS)}争执，{chance.randrange(10**6)}")
                picture = files.drawn(chance) if chance.random() < self.photos else None
                saved = await self._sent(node, account, "/cases", form, picture)
                cases.append(saved.case if saved else "")
            if saved:
                self.saved.append(saved)
            await asyncio.sleep(chance.uniform(0, 2 * self.pause_s))

    async def _acted(self, node: str, account: str, cases: Sequence[str], chance: random.Random) -> Saved | None:
        """One step that the page of a case offers: of the own ones, or of what was sent here. None: nothing was offered, or the rules said no."""
        page = await self._page(account)
        try:
            incoming = await page.http.get("/cases", params={"view": "incoming"})
            sent = [row["subject"] for row in incoming.json()["rows"]] if incoming.status_code == 200 else []
            if not (some := [*cases[-5:], *sent[:5]]):
                return None
            got = await page.http.get(f"/cases/{(case := chance.choice(some))}")
        except httpx.TransportError:
            return None
        offered = {step["command"] for step in got.json()["steps"]} if got.status_code == 200 else set()
        if not (names := sorted(offered & set(ACTS))):
            return None
        name = chance.choice(names)
        form = ACTS[name] | ({"to": COUNTY} if (node, name) == ("town", "EscalateDispute") else {})
        saved = await self._sent(node, account, f"/cases/{case}/{name}", form, refusable=True)
        self.acts[name] += saved is not None
        return saved

    async def _sent(
        self, node: str, account: str, path: str, form: dict[str, Any], picture: Picture | None = None, refusable: bool = False
    ) -> Saved | None:
        """The answer that says so; until then the same form again. None: the rules said no, to what is refusable."""
        form = {"command_id": new_id(), **form}
        while True:
            page = await self._page(account)
            try:
                got = await files.posted(page.http, path, form, picture)
            except httpx.TransportError:
                await self._again("no answer")
                continue
            if got.status_code in (200, 201):
                saved = promised(node, account, told := got.json(), picture)
                assert saved.keys and saved.command == form["command_id"], told
                return saved
            if refusable and got.status_code in NO:
                self.refused[f"no: {got.json()['code']}"] += 1
                return None
            if got.status_code in (401, 403) or (got.status_code == 303 and "/sign-in" in got.headers.get("location", "")):
                await self._signed_in(page)
                continue
            assert got.status_code in AGAIN, f"{account} {path}: {got.status_code} {got.text[:300]}"
            await self._again(got.json()["code"] if "json" in got.headers["content-type"] else str(got.status_code))

    async def _page(self, account: str) -> Page:
        """Signed in as soon as somebody answers: a node that was put back shows no page before it has heard the others."""
        while True:
            try:
                return await self.county.page(account)
            except httpx.TransportError:
                await self._again("no page")
            except AssertionError as refused:
                await self._again(str(refused)[:200])

    async def _again(self, why: str) -> None:
        self.refused[why] += 1
        await asyncio.sleep(AGAIN_S)

    async def _signed_in(self, page: Page) -> None:
        """After a restored backup the session is unknown."""
        self.refused["signed in again"] += 1
        try:
            await page.sign_in()
        except (httpx.TransportError, AssertionError):
            await asyncio.sleep(AGAIN_S)


def _node_of(account: str) -> str:
    return next(person.node for person in PEOPLE if person.account == account)
