"""Who may see what, over the wire of the pages: sealed reports, other villages' cases, a cadre's phone, guessed passwords, logs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from deploy.demo.cast import TOWNSHIP, VILLAGE
from deploy.demo.check import Page, new_id
from protocol import batch as batches
from protocol import place
from protocol.node.link import subjects
from protocol.node.link.answers import LaneAsk
from protocol.node.link.client import end
from tests.kit.county import HTML, County, distinct, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPORT = {"account": "村主任把三组的征地补偿款打进了他表弟账户", "accuser": "匡守义", "accused": "龚大寿", "contact": "13700007777"}
THIRD_VILLAGE = f"{TOWNSHIP}/330523111202"
TRIES = 10
LISTS = ("/cases", "/cases/new", "/desk", "/inbox")


async def test_a_sealed_report_shows_nowhere_but_at_the_discipline_post(county: County):
    clerk = await county.page("wangfang")
    lookers = [clerk, await county.page("liqiang"), await county.page("zhoumin"), await county.page("ziran")]
    await county.log(clerk, VILLAGE, ordinary := distinct("普通的一件，用来证明找得到"))
    await county.same("hub", "town", "gaoyu")
    before = [await _everything_listed(page) for page in lookers]
    county.typed |= set(REPORT.values())
    sealed = await clerk.post("/seal", {"command_id": new_id(), "type": "2201", **REPORT})
    assert set(sealed) == {"command", "receipt"} and sealed["receipt"].startswith("MF-")
    discipline = await county.page("jiwei")
    report = await until(lambda: _read(discipline, sealed["receipt"]), "the report at the discipline post")
    assert {name: report[name] for name in REPORT} == REPORT
    assert report["node"] == county.id_of("gaoyu")
    assert [await _everything_listed(page) for page in lookers] == before
    for page in lookers:
        for word in REPORT.values():
            assert (await page.get("/cases", text=word))["total"] == 0
        for path in ("/", "/link", "/cases"):
            shown = (await page.http.get(path, headers=HTML, follow_redirects=True)).text
            assert [word for word in REPORT.values() if word in shown] == [], f"{page.account} {path}"
    for account in ("zhoumin", "admin", "ziran", "liqiang", "wangfang"):
        got = await (await county.page(account)).http.get("/sealed")
        assert got.status_code in (403, 404) and not any(word in got.text for word in REPORT.values()), account
    for node in ("gaoyu", "town", "liangpeng", "hub"):
        assert county.found_in_files(node, REPORT.values()) == []
        stored = county.everything_stored(node)
        assert [word for word in REPORT.values() if word.encode() in stored] == [], f"readable in the store of {node}"
    assert ordinary.encode() in county.everything_stored("gaoyu"), "this search finds what is there"


async def _read(page: Page, receipt: str):
    return next((r for r in (await page.get("/sealed"))["reports"] if r["receipt"] == receipt and r["readable"]), None)


async def _everything_listed(page: Page) -> list:
    """What lists, counts, the board, the map and the figures say to this person."""
    views = ("all", "open", "held", "incoming", "overdue", "review")
    listed = [(await page.get("/cases", view=view))["total"] for view in views]
    board = await page.http.get("/board")
    figures = board.json() if board.status_code == 200 else None
    over_places = [await page.http.get(path) for path in ("/map", "/map?heat=new", f"/map?place={TOWNSHIP}", "/statistics?period=year")]
    for one in over_places:
        if one.status_code == 200:
            said = one.json()
            listed.append([said.get("whole"), said.get("tiles"), said.get("beside"), said.get("types"), said.get("found", {}).get("types")])
    return [*listed, figures and (figures["figures"], figures["total"], [tile["open"] for tile in figures["tiles"]])]


async def test_an_internal_opinion_never_travels_to_the_village(county: County):
    clerk, officer, operator = await county.page("wangfang"), await county.page("liqiang"), await county.page("zhoumin")
    saved = await county.log(clerk, VILLAGE, distinct("村里自己的事，镇里和县里另有看法"))
    case, own, above = saved["case"], distinct("镇里研判：他堂哥是村主任"), distinct("县里研判：有集访苗头")
    county.typed |= {own, above}
    await county.shows(officer, case)
    await county.shows(operator, case)
    async with _eavesdropping(county, "gaoyu") as heard:
        await officer.step(case, "WriteOpinion", text=own, risk="yellow")
        await operator.step(case, "WriteOpinion", text=above, risk="red")
        await county.note(officer, case, shown := distinct("村里看得到的备注"))
        await until(lambda: _opinions(operator, case, {own, above}), "both at the county")
        await until(lambda: any(shown in text for text in heard), "the note on the village's wire")
        asked = await _pulled(county, "gaoyu", TOWNSHIP, "town")
        assert asked == "pull_refused"
    assert [word for word in (own, above, "OpinionWritten") if any(word in text for text in heard)] == []
    assert await _opinions(officer, case, {own}) and not await _opinions(officer, case, {above})
    page = (await officer.http.get(f"/cases/{case}", headers=HTML)).text
    assert own in page and "村里看不到" in page and above not in page
    got = await clerk.http.get(f"/cases/{case}", headers=HTML)
    assert "内部意见" not in got.text and (await clerk.case(case))["companions"] == []
    await until(lambda: _tells(clerk, case, shown), "the note at the village")
    for page, word, total in (
        (operator, "集访苗头", 1),
        (officer, "堂哥", 1),
        (officer, "集访苗头", 0),
        (clerk, "堂哥", 0),
        (clerk, "集访苗头", 0),
    ):
        assert (await page.get("/cases", text=word))["total"] == total, f"{page.account} {word}"
    refused = await clerk.http.post(f"/cases/{case}/WriteOpinion", data={"command_id": new_id(), "text": "x"})
    assert refused.status_code == 403 and refused.json()["code"] == "only_apart"
    stored = county.everything_stored("gaoyu")
    assert [word for word in (own, above, "OpinionWritten") if word.encode() in stored] == []
    assert shown.encode() in stored and own.encode() in county.everything_stored("town"), "this search finds what is there"


async def _tells(page: Page, case: str, words: str) -> bool:
    return words in str(await page.case(case))


async def _opinions(page: Page, case: str, words: set[str]) -> bool:
    told = [line["text"].get("内部意见") for one in (await page.case(case))["companions"] for line in one["lines"]]
    return words <= set(told)


@asynccontextmanager
async def _eavesdropping(county: County, node: str) -> AsyncIterator[list[str]]:
    """Whatever the servers send to whoever has this node's credentials: every subject it may hear, unpacked."""
    heard: list[str] = []

    async def took(msg: Any) -> None:
        body = repr(batches.unpack(msg.data)) if ".live." in msg.subject else repr(msg.data)
        texts = (
            [one.decode(errors="replace") for pair in batches.unpack(msg.data).bodies if pair for one in pair]
            if ".live." in msg.subject
            else []
        )
        heard.append(" ".join([msg.subject, body, *texts]))

    async with county.opened(node) as own:
        for subject in [*subjects.heard_subjects(own.certificate), "y1.live.*.*.*.*", f"y1.live.{place.tokens(TOWNSHIP)}.*"]:
            await own.link.subscribe(subject, took)
        running = asyncio.create_task(own.link.run())
        await until(lambda: own.link.is_connected, "the eavesdropper is connected")
        await own.link.confirm()
        try:
            yield heard
            assert [s for s in ("y1.live.*.*.*.*", f"y1.live.{place.tokens(TOWNSHIP)}.*") if not own.link.refused(s)] == []
        finally:
            await end([running])


async def _pulled(county: County, node: str, ledger: str, of: str) -> str:
    """What the answerer says to this node when it asks for a lane of a ledger that is not its own."""
    async with county.opened(of) as other:
        origin = other.signer.origin
        branch, answerer = other.certificate.branch, other.certificate.node
    async with county.opened(node) as own:
        running = asyncio.create_task(own.link.run())
        await until(lambda: own.link.is_connected, "connected")
        try:
            ask = msgspec.msgpack.encode(LaneAsk(ledger, origin, 0, 500))
            got = await own.link.request(subjects.pull(branch, answerer), ask, 20)
            return "" if got is None else (got.headers or {}).get("Y1-Refused", f"{len(got.data)} bytes")
        finally:
            await end([running])


async def test_a_clerk_finds_nothing_of_another_village(county: County):
    clerk, officer = await county.page("wangfang"), await county.page("liqiang")
    saved = await county.log(clerk, VILLAGE, account := distinct("高禹村自己的事"))
    await county.shows(officer, saved["case"])
    made = await county.yidi("town", "person", "cunban", "--name", "祝小河", "--post", "clerk", "--office", THIRD_VILLAGE)
    assert made.code == 0, made.err
    neighbour = await _with_first_password(county, "cunban", made.out.split("一次性密码：")[1].split("（")[0])
    assert (await neighbour.get("/cases"))["total"] == 0
    assert (await neighbour.get("/cases", text=saved["code"]))["total"] == 0
    for method, path in (
        ("GET", ""),
        ("GET", "/peek"),
        ("GET", "/agreement.pdf"),
        ("GET", "/papers/intake"),
        ("POST", "/AddNote"),
        ("POST", "/files"),
    ):
        got = await neighbour.http.request(
            method, f"/cases/{saved['case']}{path}", data={"command_id": new_id(), "text": "偷看"} if method == "POST" else None
        )
        if path == "/files":
            got = await neighbour.http.post(
                f"/cases/{saved['case']}/files", data={"command_id": new_id()}, files={"file": ("a.png", b"x", "image/png")}
            )
        assert got.status_code in ((404, 422) if path == "/files" else (404,)), f"{method} {path}: {got.status_code}"
        assert account not in got.text
    own = await county.log(neighbour, THIRD_VILLAGE, distinct("第三个村自己的事"))
    assert (await neighbour.case(own["case"]))["code"] == own["code"]
    assert "偷看" not in str(await officer.case(saved["case"]))


async def _with_first_password(county: County, account: str, once: str) -> Page:
    page = Page(county.demo.url("town"), account)
    county.typed.add(once)
    got = await page.http.post("/sign-in", data={"name": account, "password": once})
    assert got.json() == {"must_choose_password": True}, got.text
    assert (await page.http.get("/cases")).status_code in (303, 401), "nobody yet"
    got = await page.http.post("/password", data={"password": (chosen := "chosen-in-a-story-7"), "again": chosen})
    assert got.status_code == 200, got.text
    county.typed.add(chosen)
    await page.http.aclose()
    return await county.page(account, "town", chosen)


async def test_a_cadre_sees_no_case(county: County):
    officer, cadre = await county.page("liqiang"), await county.page("chenjianguo")
    saved = await county.log(officer, VILLAGE, account := distinct("干部不该看到的正文"))
    assert (await cadre.get("/task/mine"))["tasks"] == []
    case = f"/cases/{saved['case']}"
    for path in (
        case,
        f"{case}/peek",
        f"{case}/agreement.pdf",
        f"{case}/papers/intake",
        "/link",
        *LISTS,
        f"/stream?view=case&case={saved['case']}",
    ):
        for accept in ({}, HTML):
            got = await asyncio.wait_for(cadre.http.get(path, headers=accept), 30)
            assert account not in got.text and saved["code"] not in got.text, path
            assert got.status_code == 404 or path.startswith((*LISTS, "/stream")), f"{path}: {got.status_code}"
    assert (await cadre.get("/cases"))["total"] == 0
    got = await cadre.http.post("/cases", data=county.form(VILLAGE, distinct("干部登记")))
    assert got.status_code == 403, got.text
    assert (await cadre.http.get("/")).headers["location"] == "/task"


async def test_a_cadre_is_led_to_the_phone_from_every_desk(county: County):
    cadre = await county.page("chenjianguo")
    answers = {path: (await cadre.http.get(path, headers=HTML)).status_code for path in LISTS}
    assert 200 not in answers.values(), answers


async def test_a_post_from_another_site_changes_nothing(county: County):
    clerk = await county.page("wangfang")
    await county.same("town", "gaoyu")  # what the township logged there before
    before = (await clerk.get("/cases"))["total"]
    for origin in ("https://evil.example", "http://127.0.0.1:1", "null"):
        form = county.form(VILLAGE, distinct("别的网站送来的"))
        got = await clerk.http.post("/cases", data=form, headers={"Origin": origin})
        assert got.status_code == 403 and got.json()["code"] == "cross_site", got.text
    assert (await clerk.get("/cases"))["total"] == before
    own = await clerk.http.post("/cases", data=form, headers={"Origin": county.demo.url("gaoyu")})
    assert own.status_code == 201, "its own pages may"
    got = await clerk.http.post("/cases", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert got.status_code in (201, 403) and (await clerk.get("/cases"))["total"] == before + 1


async def test_ten_wrong_passwords_shut_the_door_for_a_while(county: County):
    page, codes = Page(county.demo.url("town"), "yehongmei"), []
    for n in range(TRIES):
        got = await page.http.post("/sign-in", data={"name": "yehongmei", "password": f"guess-{n}-guess"})
        county.typed.add(f"guess-{n}-guess")
        codes.append(got.json()["code"])
    assert codes[0] == "sign_in_wrong" and codes[-1] == "sign_in_throttled", codes
    right = await page.http.post("/sign-in", data={"name": "yehongmei", "password": "yidi-demo-2026"})
    assert right.status_code == 429 and "分钟后再试" in right.json()["sentence"], right.text
    assert "yidi" not in page.http.cookies, "no session came of it"
    await page.http.aclose()
    await Page(county.demo.url("town"), "xuafa").sign_in()  # others at the same address still may


async def test_logs_tell_of_faults_and_of_no_person(county: County):
    """The fixture asks the same of every story's county when it ends."""
    clerk = await county.page("wangfang")
    await clerk.http.post("/cases", data={**county.form(VILLAGE, distinct("类型不对的")), "type": "没有这种", "command_id": "x"})
    await clerk.http.get("/cases/" + distinct("编号"), params={"text": "宋木根"})
    told, people = county.logs(), {"王芳", "李强", "周敏", "陈建国", "13800000001", "yidi-demo-2026", "宋木根"}
    assert {path.name for path in told} >= {"hub.log", "town.log", "gaoyu.log", "liangpeng.log"}
    assert all('"started"' in told[county.folder / f"{node}.log"] for node in ("hub", "town", "gaoyu"))
    county.typed |= people
    assert len(county.typed) > 20
    assert county.told_by_logs() == []
