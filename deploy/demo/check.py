"""The story of `yidi demo --check`: one dispute from a village without network to a signed agreement, through the pages' own routes.

Each step is asserted against the real programs; a step that does not hold raises AssertionError with a sentence.
"""

import asyncio
import json
import secrets
import struct
import sys
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx

from deploy.demo.cast import COUNTY, PASSWORD, TOWNSHIP, VILLAGE
from protocol import calendar
from protocol.place import COMMON

if TYPE_CHECKING:
    from deploy.demo.county import Demo

WAIT_S_MAX = 30.0
LIMITS = httpx.Limits(keepalive_expiry=2)  # the programs end a quiet connection after 5 s: a question must not cross that
JSON = {"Accept": "application/json"}
ACCOUNT = "张福根说东邻李水木新砌的围墙往他家屋檐下占了半尺，滴水没处落，要求拆回老墙脚。李水木说是按老界砌的。"
Say = Callable[[str], None]


class Page:
    """One person at one node's pages."""

    def __init__(self, url: str, account: str) -> None:
        self.account = account
        self.http = httpx.AsyncClient(base_url=url, headers=JSON, timeout=WAIT_S_MAX, limits=LIMITS)

    async def sign_in(self) -> "Page":
        got = await self.http.post("/sign-in", data={"name": self.account, "password": PASSWORD})
        assert got.status_code < 400, f"{self.account} 登录不了：{got.status_code} {got.text[:200]}"
        return self

    async def get(self, path: str, **params: str) -> Any:
        got = await self.http.get(path, params=params)
        assert got.status_code == 200, f"GET {path}：{got.status_code} {got.text[:300]}"
        return got.json()

    async def post(self, path: str, data: dict[str, Any], files: Any = None) -> Any:
        got = await self.http.post(path, data=data, files=files)
        assert got.status_code < 300, f"POST {path}：{got.status_code} {got.text[:500]}"
        return got.json()

    async def step(self, case: str, command: str, **fields: Any) -> Any:
        return await self.post(f"/cases/{case}/{command}", {"command_id": new_id(), **fields})

    async def case(self, case: str) -> Any:
        return await self.get(f"/cases/{case}")

    @asynccontextmanager
    async def stream(self, **params: str) -> AsyncIterator[AsyncIterator[str]]:
        """The page's own live stream, as a browser that was never reloaded reads it."""
        async with self.http.stream("GET", "/stream", params=params, headers={"Accept": "text/event-stream"}) as got:
            assert got.status_code == 200, f"GET /stream：{got.status_code}"
            yield got.aiter_lines()


def new_id() -> str:
    return secrets.token_hex(12)


def photo() -> bytes:
    """A small true PNG: grey stripes, one noisy row, so that no two are the same file."""
    width, height = 64, 48
    rows = b"".join(b"\0" + (bytes(secrets.token_bytes(width)) if y == 0 else bytes([90 + 3 * y % 120]) * width) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def soon(what: str, true: Callable[[], Awaitable[Any]], seconds: float = WAIT_S_MAX) -> Any:
    """Asks again until it holds; the sentence says what did not come about."""
    began = time.monotonic()
    while not (found := await true()):
        assert time.monotonic() - began < seconds, f"等了 {seconds:.0f} 秒还没有：{what}"
        await asyncio.sleep(0.1)
    return found


def reached(marks: Any) -> set[str]:
    return {mark["text"] for mark in marks if mark["reached"]}


def line_of(case: Any, kind: str) -> Any:
    return next((line for line in reversed(case["lines"]) if line["kind"] == kind), None)


class Story:
    def __init__(self, demo: "Demo", say: Say) -> None:
        self.demo, self.say, self.steps, self.case_id = demo, say, 0, ""
        self.entries = self.differing = -1  # entries of the whole county, ledgers that differ: not counted yet
        self.village = Page(demo.url("gaoyu"), "wangfang")
        self.town = Page(demo.url("town"), "liqiang")
        self.county = Page(demo.url("hub"), "zhoumin")
        self.phone = Page(demo.url("town"), "chenjianguo")
        self.department = Page(demo.url("hub"), "ziran")

    @property
    def everybody(self) -> tuple[Page, ...]:
        return (self.village, self.town, self.county, self.phone, self.department)

    def done(self, sentence: str) -> None:
        self.steps += 1
        self.say(f"✓ {self.steps}. {sentence}")

    async def offline_registration(self) -> None:
        """1. The village is cut off; the clerk logs a boundary dispute with two parties and a photo: saved, 已存本机."""
        self.demo.cut("gaoyu")
        for page in self.everybody:
            await page.sign_in()
        form = {
            "command_id": new_id(),
            "ledger": VILLAGE,
            "type": "0204",
            "account": ACCOUNT,
            "place_text": "三组晒谷场东边",
            "party_name": ["张福根", "李水木"],
            "party_side": ["applicant", "respondent"],
            "party_phone": ["13800000011", ""],
        }
        saved = await self.village.post("/cases", form, {"file": ("围墙.png", photo(), "image/png")})
        self.case_id = saved["case"]
        again = await self.village.post("/cases", form)
        assert again["case"] == self.case_id, "同一张表格交了两次，变成了两件"
        case = await self.village.case(self.case_id)
        assert reached(case["lines"][0]["marks"]) == {"已存本机"}, f"断网时的送达情况不对：{case['lines'][0]['marks']}"
        assert [p["name"] for p in case["parties"]] == ["张福根", "李水木"], "当事人没有记全"
        assert len(case["files"]) == 1, "照片没有存下"
        self.done(f"高禹村断网，登记 {saved['code']}：已存本机，照片一张")

    async def heals_on_screen(self) -> None:
        """2. The link heals: 已到乡镇, 已到县 on the clerk's screen without a reload."""
        began = time.monotonic()
        async with self.village.stream(view="case", case=self.case_id) as lines, asyncio.timeout(WAIT_S_MAX):
            first = True
            async for line in lines:
                if first and line.startswith("data:"):
                    first = False
                    self.demo.heal("gaoyu")
                    began = time.monotonic()
                if line.startswith("data:") and await self._both():
                    break
        self.done(f"网络恢复，页面没有刷新，{time.monotonic() - began:.1f} 秒内显示 已到乡镇、已到县")

    async def _both(self) -> bool:
        case = await self.village.case(self.case_id)
        return {"已到乡镇", "已到县"} <= reached(case["lines"][0]["marks"])

    async def up_to_the_township(self) -> None:
        """3. Mediates, fails, escalates; the township takes up while the county is cut off, mediates, escalates."""
        page, case = self.village, self.case_id
        await page.step(case, "AcceptDispute", willing="true")
        await page.step(
            case, "RecordMediation", account="到现场拉了皮尺，李水木认墙脚偏了，怕返工花钱，没有谈拢。", result="failed", present="老组长"
        )
        self.demo.cut("county")
        await page.step(case, "EscalateDispute", to=TOWNSHIP, reason="谈了一次不成，请镇里来做。", tried="现场量过，讲过相邻关系。")
        await soon("镇里看到上报", lambda: self._sees(self.town, "offer"))
        assert (await self.town.case(case))["offer"]["arrived_ms"] or await soon("到达时间", lambda: self._arrived(self.town)), "没有到达"
        await self.town.step(case, "TakeUpDispute")
        await self.town.step(case, "RecordMediation", account="两家都到镇里坐了一下午，李水木要看林业的老图，镇里没有。", result="failed")
        await self.town.step(case, "EscalateDispute", to=COUNTY, reason="要查老宗地图，请县里牵头。", tried="村、镇各调解一次。")
        assert (await self.county.case(case))["holder"] == VILLAGE, "县里断开着，不该已经知道镇里受领"
        self.demo.heal("county")
        await soon("县里看到镇的上报", lambda: self._sees(self.county, "offer", COUNTY))
        moves = (await self.county.case(case))["moves"]
        assert [(m["term"], m["kind"], m["to"]) for m in moves] == [(1, "log", VILLAGE), (2, "take_up", TOWNSHIP)], f"交接记录不对：{moves}"
        assert moves[1]["from_"] == VILLAGE and moves[1]["by"][0] and moves[1]["at_ms"], "交接没有写明谁、何时、从哪里"
        self.done("村里调解不成上报，县断开时镇受领、调解、再上报；县恢复后看到全部交接")

    async def _sees(self, page: Page, name: str, to: str = TOWNSHIP) -> Any:
        got = await page.http.get(f"/cases/{self.case_id}")
        offer = got.json().get(name) if got.status_code == 200 else None
        return offer if offer and offer["to"] == to else None

    async def _arrived(self, page: Page) -> Any:
        return (await page.case(self.case_id))["offer"]["arrived_ms"]

    async def county_sends_a_cadre(self) -> None:
        """4. Takes up, convenes a department, assigns a visit; the task is in the place's ledger and on the cadre's phone."""
        case, page = self.case_id, self.county
        await page.step(case, "TakeUpDispute")
        await page.step(case, "ConveneUnits", units=f"{COUNTY}/u09", purpose="带老宗地图到场，指一下界址。")
        await self.department_answers()
        due = calendar.end_of_day_ms(calendar.local_date(int(time.time() * 1000)) + timedelta(days=3))
        cadre = (await self.phone.get("/task/mine"))["me"]["person"]
        home = json.loads((self.demo.folder / "town" / "identity" / "node.json").read_text())["node"]
        sent = await self.county.post(
            f"/cases/{case}/AssignTask",
            {
                "command_id": new_id(),
                "place": VILLAGE,
                "cadre": cadre,
                "home": home,
                "purpose": "到现场指界，听两家再说一遍",
                "due_ms": str(due),
                "bring": "老宗地图复印件、卷尺、印泥",
                "summary": "两家为围墙滴水巷争执，镇村各调解一次未成。",
                "address": "高禹村三组晒谷场东边",
            },
        )
        self.task_id = sent["subjects"][0]
        for where, who in ((self.town, "镇"), (self.village, "村")):
            await soon(f"{who}的页面显示派单", lambda page=where: self._has_task(page))
        mine = await soon("干部手机上有这项任务", self._on_phone)
        assert mine["bring"].startswith("老宗地图") and "account" not in mine, "手机上的任务不对"
        self.done("县受领，请自然资源窗口参加并得到答复，派陈建国下去；村、镇页面和他的手机都有了")

    async def department_answers(self) -> None:
        """The unit that was asked sees the case and its own task, says that it comes, and reports what it brought."""
        mine = next(t for t in (await self.department.case(self.case_id))["tasks"] if t["unit"] == f"{COUNTY}/u09")
        answers = (("ConfirmTask", {}), ("ReportTask", {"result": "eased", "words": "老宗地图已调出，两家的界在老墙脚，带图到现场指。"}))
        for command, fields in answers:
            await self.department.post(f"/tasks/{mine['subject']}/{command}", {"command_id": new_id(), **fields})
        assert (await self.county.get(f"/tasks/{mine['subject']}"))["status"] == "reported", "部门的答复没有到县里"

    async def _has_task(self, page: Page) -> bool:
        return any(task["subject"] == self.task_id for task in (await page.case(self.case_id))["tasks"])

    async def _on_phone(self) -> Any:
        return next((t for t in (await self.phone.get("/task/mine"))["tasks"] if t["id"] == self.task_id), None)

    async def cadre_goes_and_reports(self) -> None:
        """5. Accepts, arrives with position, reports with photo and drawn signature; receipts show at the county."""
        commands = (
            {"kind": "ConfirmTask"},
            {"kind": "ArriveTask", "latitude": 30.85, "longitude": 119.63, "accuracy_m": 12.0},
            {"kind": "ReportTask", "result": "settled", "words": "对着老图指了界，李水木愿意退回老墙脚。", "photos": 1, "signatures": 1},
        )
        for command in commands:
            await self.phone.post("/task/commands", {"command": json.dumps({"id": new_id(), "task": self.task_id, **command})})
        for what, name, content, mime in (
            ("photo", "现场.png", photo(), "image/png"),
            ("signature", "签名.png", photo(), "image/png"),
        ):
            told = json.dumps({"id": new_id(), "task": self.task_id, "kind": "AddTaskEvidence"})
            await self.phone.post("/task/files", {"command": told, "what": what}, {"file": (name, content, mime)})
        task = await soon("县里收到反馈、照片和签名", self._reported)
        kinds = {line["kind"] for line in task["lines"]}
        assert {"TaskConfirmed", "CadreArrived", "TaskReported", "TaskEvidenceAdded"} <= kinds, f"任务的经过不全：{kinds}"
        self.done("干部接单、到场、反馈，照片和签名已到县")

    async def _reported(self) -> Any:
        task = await self.county.get(f"/tasks/{self.task_id}")
        files = task["files"]
        if task["status"] != "reported" or len(files) < 2:
            return None
        got = await self.county.http.get(f"/tasks/{self.task_id}/files/{files[0]['address']}")
        return task if got.status_code == 200 and got.content else None

    async def agreement_and_closing(self) -> None:
        """6. Drawn up and signed, the PDF opens with Chinese glyphs, the case closes; a follow-up falls due at the township."""
        case, page = self.case_id, self.county
        today = calendar.local_date(int(time.time() * 1000))
        due = (today + timedelta(days=7)).isoformat()
        await page.step(
            case,
            "SignAgreement",
            terms=["李水木将围墙退回至老墙脚线，留二十公分滴水巷，双方不得堆放杂物。", "返工的水泥沙子双方各出一半，人工由李水木自己出。"],
            performance=f"{due} 前在现场履行，由村里到场看。",
            facts=ACCOUNT,
            responsibility="双方互相谅解。",
            due=[due],
            form="written",
            follow_up_by=TOWNSHIP,
        )
        pdf = await page.http.get(f"/cases/{case}/agreement.pdf", headers={"Accept": "application/pdf"})
        assert pdf.status_code == 200 and pdf.content.startswith(b"%PDF"), f"协议书打不开：{pdf.status_code} {pdf.text[:200]}"
        assert b"NotoSerif" in pdf.content and len(pdf.content) > 8_000, "协议书里没有嵌入中文字体"
        await page.step(case, "CloseDispute", ending="agreement", result="双方签字，说好的事写清楚了。")
        await soon("镇里看到要回访", self._due_at_township)
        self.done("协议签订，PDF 带中文字体，县里办结；镇里到期要回访")

    async def _due_at_township(self) -> bool:
        case = await self.town.case(self.case_id)
        listed = await self.town.get("/cases", view="follow_up", text=case["code"])
        return case["status"] == "closed" and any(row["subject"] == self.case_id for row in listed["rows"])

    @property
    def figures(self) -> dict[str, int]:
        """As far as it came."""
        return {"steps": self.steps, "entries": max(self.entries, 0), "digests_equal": int(self.differing == 0)}

    async def same_everywhere(self) -> None:
        """7. Every ledger has the same digest at every tier that covers it; a rebuild gives the same tables."""
        names = {"hub": None, "town": (TOWNSHIP, VILLAGE, COMMON), "gaoyu": (VILLAGE, COMMON), "liangpeng": (COMMON,)}
        found: dict[str, dict[str, Any]] = {}

        async def equal() -> bool:
            for name in names:
                found[name] = (await self._yidi(name, "digest"))["ledgers"]
            return all(found[n].get(ledger) == found["hub"].get(ledger) for n, some in names.items() for ledger in some or ())

        await soon("三级台账的摘要一致", equal, 60)
        shared = {ledger for ledger in found["town"] if ledger in found["hub"]}
        differing = [ledger for ledger in shared if len({tuple(some[ledger]) for some in found.values() if ledger in some}) > 1]
        self.entries, self.differing = sum(count for _, count in found["hub"].values()), len(differing)
        assert not differing, f"各级的台账不一致：{differing}"
        for name in names:
            assert (await self._yidi(name, "rebuild"))["ok"], f"{name} 的视图与台账不一致"
        self.done(f"{len(shared)} 个台账在村、镇、县摘要相同，重算视图都一致；全县 {self.entries} 条")

    async def _yidi(self, name: str, command: str) -> Any:
        words = (sys.executable, "-m", "deploy.cli", command, "--json", "--folder", str(self.demo.folder / name))
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        out, wrong = await process.communicate()
        assert out, f"yidi {command} 在 {name}：{wrong.decode()[-300:]}"
        return json.loads(out.decode().strip().splitlines()[-1])

    async def close(self) -> None:
        for page in self.everybody:
            await page.http.aclose()


async def story(demo: "Demo", say: Say, figures: dict[str, int]) -> None:
    """Plays all of it; in `figures` stands how far it came, also when it fails. Raises AssertionError."""
    one = Story(demo, say)
    try:
        await one.offline_registration()
        await one.heals_on_screen()
        await one.up_to_the_township()
        await one.county_sends_a_cadre()
        await one.cadre_goes_and_reports()
        await one.agreement_and_closing()
        await one.same_everywhere()
    finally:
        figures |= one.figures
        await one.close()
