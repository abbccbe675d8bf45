"""统计: every number on the page leads to a list of as many, the address says it all, and files hold what the page shows."""

import asyncio
import csv
import io
import re
import socket
import time
import zipfile
from collections.abc import AsyncIterator, Callable
from datetime import date
from html import unescape
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import httpx
import pytest

from protocol.calendar import DAY_MS
from protocol.commands import CloseDispute, LogDispute, Party, RecordFollowUp, SignAgreement
from protocol.node import reads
from protocol.node.web import exports, statistics
from protocol.node.web.exports import Rate, csv_lines, plain
from protocol.node.web.periods import period, span_words
from tests.hub_pages.world import PASSWORD, Hub, served, world
from tests.kit import behind
from tests.kit.behind import check_links
from tests.node.desk_kit import VILLAGE, new_id

HOSTILE = '=HYPERLINK("http://x";"点我")'


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[Hub]:
    """With some cases ended, one that pays, and one whose title is a formula."""
    async with world(tmp_path) as made:
        officer = made.actor()
        case = made.cases["田埂地界"]
        await made.root.say(SignAgreement(id=new_id(), case=case, terms=["界石立回原处。"], performance="当面办完。"), officer)
        await made.root.say(CloseDispute(id=new_id(), case=case, ending="agreement", result="办完了"), officer)
        await made.root.say(RecordFollowUp(id=new_id(), case=case, kept="yes", satisfied="yes"), officer)
        party = Party("叶根土", phone="13800000000", sex="1", birth_year=1970)
        made.county.clock.pass_ms(DAY_MS)
        again = LogDispute(
            id=new_id(),
            ledger=VILLAGE,
            type="0202",
            account="又来了。",
            parties=[party],
            title=HOSTILE,
            amount_fen=123_456_00,
            intake="phone",
        )
        made.cases[HOSTILE] = (await made.root.say(again, officer)).subject
        yield made


async def page_of(hub: Hub, path: str) -> str:
    said = await hub.client.get(path)
    assert said.status_code == 200, said.text[:400]
    return said.text


async def every_number(hub: Hub, path: str) -> int:
    """Each number that is a link leads to a list of as many; returns how many there were."""

    async def total(to: str) -> int:
        found = (await hub.get(to))["total"]
        assert f'<span id="total">{found}</span>' in await page_of(hub, to)
        return found

    return len(await check_links(await page_of(hub, path), total))


@pytest.mark.parametrize(
    "more", ["", "?period=year", "?period=year&place=330523/330523111", "?period=year&type=02", "?period=year&type=0204"]
)
async def test_each_number_leads_to_a_list_of_as_many(hub: Hub, more: str):
    await hub.sign_in("operator")
    assert await every_number(hub, f"/statistics{more}") > 10


@pytest.mark.parametrize("more", ["", "?period=last_month", "?period=quarter", "?period=days&since=2026-12-01&until=2027-01-01"])
async def test_a_number_of_one_time_leads_to_no_case_of_another(hub: Hub, more: str):
    for days in (25, 30):
        hub.county.clock.pass_ms(days * DAY_MS)
        again = LogDispute(id=new_id(), ledger=VILLAGE, type="1002", account="又一件。", parties=[Party("查小满")], title="又一件")
        await hub.root.say(again, hub.actor())
    await hub.sign_in("operator")
    assert await every_number(hub, f"/statistics{more}") > 5


async def test_rates_small_lines_and_the_time_before_lead_to_their_cases(hub: Hub):
    """All but what is nought, and what no list can say."""
    vague = {"type": "02", "account": "没有细分的。", "parties": [Party("查小满", phone="13900000009")], "title": "没有细分"}
    await hub.root.say(LogDispute(id=new_id(), ledger=VILLAGE, **vague), hub.actor())
    hub.county.clock.pass_ms(20 * DAY_MS)
    await hub.root.say(LogDispute(id=new_id(), ledger=VILLAGE, **vague), hub.actor())
    await hub.sign_in("operator")
    page = await page_of(hub, "/statistics?period=last_month")
    later = "/statistics?period=days&since=2026-12-01&until=2026-12-30"
    assert await every_number(hub, "/statistics?period=last_month") and await every_number(hub, later)
    figures = dict(re.findall(r'<li class="figure"><span>(.*?)</span>(.*?)</li>', page))
    assert linked(figures["化解率"]) == [("resolved", "100.0%"), ("accepted", "受理 1 件")]
    assert linked(figures["按期率"]) == [("on_time", "33.3%"), ("on_time", "按期 1 件"), ("late", "超期 2 件")]
    assert linked(figures["涉及金额"]) == [("money", "12.3 万元"), ("money", "1 件")]
    assert "共 1 次" in figures["回访"] and linked(figures["回访"]) == [("followed", "1")], "a number of talks, not of cases"
    now = await page_of(hub, later)
    assert {("registered", "上期 9 件"), ("resolved", "上期 100.0%"), ("money", "上期 12.3 万元")} <= set(linked(now))
    rates = [to for to, words in behind.LINK.findall(page) if words.endswith("%")]
    for way in ("type=", "place=", "intake=", "risk="):
        assert any("kind=resolved" in to and way in to for to in rates), way
    assert sum("since=2026-11-01&amp;until=2026-11-30" in to and "kind=resolved" in to for to in rates) > 1, "of the month too"
    assert any("kind=on_time" in to and "place=" in to for to in rates)
    fine = await page_of(hub, "/statistics?period=last_month&type=02")
    (cells,) = re.findall(r'<th scope="row">没有细分<(.*?)</tr>', fine)
    assert linked(cells) == [], "the list of its code holds the finer ones too"


def linked(html: str) -> list[tuple[str, str]]:
    """(kind, words) of the links to lists."""
    return [(dict(parse_qsl(unescape(to).partition("?")[2]))["kind"], words) for to, words in behind.LINK.findall(html)]


async def test_who_came_again_stands_by_place_and_type_and_leads_to_the_cases(hub: Hub):
    await hub.sign_in("operator")
    page = await page_of(hub, "/statistics")
    links = [unescape(to) for to, _ in behind.LINK.findall(page) if "kind=again" in to]
    assert len(links) == 3, "of all, of the place, of the type"
    for to in links:
        assert [row["title"] for row in (await hub.get(to))["rows"]] == [HOSTILE]


async def test_the_page_counts_what_is_there(hub: Hub):
    await hub.sign_in("operator")
    said = await hub.get("/statistics")
    numbers = {figure["label"]: figure["number"] for figure in said["figures"]}
    assert (
        numbers | {"登记": "8", "受理": "1", "化解": "1", "化解率": "100.0%", "重复来访": "1", "回访": "1", "涉及金额": "12.3 万元"}
        == numbers
    )
    assert (said["since"], said["until"]) == ("2026-11-01", "2026-11-19")
    hub.county.clock.pass_ms(40 * DAY_MS)
    await hub.sign_in("operator")  # nobody sits there that long
    assert (await hub.get("/statistics"))["found"]["whole"]["registered"] == 0
    past = await hub.get("/statistics?period=days&since=2026-11-18&until=2026-11-18")
    assert past["found"]["whole"]["registered"] == 7
    assert (await hub.get("/statistics?period=days&since=2026-11-19&until=2026-11-19"))["found"]["before"]["registered"] == 7


async def test_a_time_without_cases_says_where_there_are_some(hub: Hub):
    await hub.sign_in("operator")
    page = await page_of(hub, "/statistics?period=last_year")
    assert "没有您能看到的、登记了的纠纷" in page
    assert 'href="/statistics?period=year"' in page
    assert "chart-types" not in page
    lost = await page_of(hub, "/statistics?place=330523/330523113&period=year")
    assert 'href="/statistics?period=year"' in unescape(lost), "back to all places"


async def test_who_may_see_no_case_is_led_home_and_gets_no_file(hub: Hub):
    for who, home in (("admin", "/people"), ("discipline", "/sealed"), ("cadre", "/task")):
        await hub.sign_in(who)
        for path in ("/statistics", "/statistics.csv", "/statistics.xlsx", "/cases.csv", "/cases.xlsx"):
            said = await hub.client.get(path, follow_redirects=True)
            assert said.url.path == home, (who, path)
            assert 'href="/statistics"' not in said.text


async def test_an_address_that_makes_no_sense_shows_the_month(hub: Hub):
    await hub.sign_in("operator")
    for odd in (
        "period=x",
        "place=_",
        "place=330523/sealed/nroot2222",
        "type=22",
        "type=2201",
        "type=ab",
        "period=days&since=x&until=2026-99-99",
    ):
        said = await hub.get(f"/statistics?{odd}")
        assert said["since"] == "2026-11-01", odd
    for odd in ("since=0001-01-01&until=9999-12-31", "since=9999-12-31&until=0001-01-01", "since=0001-01-01"):
        assert (await hub.client.get(f"/statistics?period=days&{odd}")).status_code == 200, odd
        assert (await hub.client.get(f"/cases?{odd}")).status_code == 200, odd


# ── files ──


def lines(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf"), "Excel takes it for GBK without"
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def texts(content: bytes) -> str:
    """All texts of a workbook; none of its cells may be a formula."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheets = [book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/")]
        assert not any("<f>" in sheet or "hyperlink" in sheet for sheet in sheets)
        return "\n".join(ET.fromstring(book.read("xl/sharedStrings.xml")).itertext())


async def test_a_file_of_the_page_says_who_made_it_of_what_and_how_it_counts(hub: Hub):
    await hub.sign_in("operator")
    said = await hub.client.get("/statistics.csv?period=year&place=330523/330523111")
    assert said.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in said.headers["content-disposition"] and said.headers["cache-control"] == "no-store"
    read = lines(said.content)
    about = {line[0]: line[1] for line in read if len(line) == 2}
    assert about["导出人"].startswith("卞主任") and about["导出时间"].startswith("2026-11-19")
    assert (about["时间"], about["地方"]) == ("2026年1月1日至11月19日", "天子湖镇")
    assert "365 天" in about["重复来访"]
    assert ["登记", "5 件", "", "0 件", ""] in read
    assert ["高禹村", "5", "1", "1", "100.0%"] in [line[:5] for line in read]
    (place,) = [line for line in read if line[:1] == ["地方"] and len(line) > 2]
    assert place[-1] == "重复来访" and ["高禹村", "1"] in [[line[0], line[-1]] for line in read if len(line) == len(place)]
    book = await hub.client.get("/statistics.xlsx?period=year")
    assert book.headers["content-type"].endswith("spreadsheetml.sheet")
    said_in_book = texts(book.content)
    assert all(words in said_in_book for words in ("卞主任", "化解率", "邻里", "2026年1月1日至11月19日"))


async def test_a_file_of_a_list_holds_the_list_with_names_masked_and_no_formula(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reads, "EVERY_AT_ONCE", 3)  # in several pieces
    await hub.sign_in("operator")
    for asked in ("", "kind=registered&type=02", "text=承包地", "view=held&status=logged", "kind=again"):
        total = (await hub.get(f"/cases?{asked}"))["total"]
        said = await hub.client.get(f"/cases.csv?{asked}")
        rows = lines(said.content)
        first = rows.index(list(statistics.LIST_HEAD))
        assert len(rows) - first - 1 == total > 0, asked
        assert "叶根土" not in said.text and "13800000000" not in said.text
        (link,) = re.findall(r'href="/cases.xlsx\?([^"]*)"', await page_of(hub, f"/cases?{asked}"))
        assert dict(parse_qsl(unescape(link))) == dict(parse_qsl(asked)), "the file is of the list that is shown"
    whole = (await hub.client.get("/cases.csv")).text
    assert "叶*土" in whole
    assert "'=HYPERLINK" in whole and ",=HYPERLINK" not in whole
    book = texts((await hub.client.get("/cases.xlsx")).content)
    assert "叶*土" in book and "叶根土" not in book and HOSTILE in book, "in a workbook a text is a text"


async def test_a_file_of_a_list_says_all_that_narrows_it_and_no_word_that_may_be_a_name(hub: Hub):
    await hub.sign_in("operator")
    for kind in ("csv", "xlsx"):
        said = (await hub.client.get(f"/cases.{kind}?text=叶根土&mine=1")).content
        words = texts(said) if kind == "xlsx" else said.decode("utf-8-sig")
        assert "叶根土" not in words and "只看导出人自己" in words and "只有查到某个词的" in words and "姓名已遮盖" in words
    whole = {line[0] for line in lines((await hub.client.get("/cases.csv")).content) if len(line) == 2}
    assert "看哪些" in whole and not whole & {"找", "承办人"}


async def test_a_workbook_that_would_be_too_long_says_so_and_csv_goes_on(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exports, "XLSX_ROWS_MAX", 5)
    monkeypatch.setattr(reads, "EVERY_AT_ONCE", 3)
    await hub.sign_in("operator")
    content = (await hub.client.get("/cases.xlsx")).content
    assert exports.ENDS_HERE in texts(content)
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert book.read("xl/worksheets/sheet2.xml").decode().count("<row ") == 1 + 5 + 1
    assert len(lines((await hub.client.get("/cases.csv")).content)) > 8


def test_who_gives_up_a_workbook_ends_the_work_on_it(tmp_path):
    with served(tmp_path) as (url, hub, _):
        pieces: list[int] = []

        async def endless(*_: Any) -> AsyncIterator[list[Any]]:
            while True:
                pieces.append(len(pieces))
                yield []
                await asyncio.sleep(0.01)

        hub.root.reads.every = endless
        with httpx.Client(base_url=url, timeout=20) as client:
            client.post("/sign-in", data={"name": "operator", "password": PASSWORD})
            asked = client.build_request("GET", "/cases.xlsx")
        with socket.create_connection((asked.url.host, asked.url.port)) as line:
            line.sendall(b"GET /cases.xlsx HTTP/1.1\r\n" + b"".join(b"%s: %s\r\n" % one for one in asked.headers.raw) + b"\r\n")
            wait_until(lambda: len(pieces) > 5)
        wait_until(lambda: stands_still(pieces))


def wait_until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends, "not in time"
        time.sleep(0.02)


def stands_still(pieces: list[int]) -> bool:
    before = len(pieces)
    time.sleep(0.5)
    return len(pieces) == before


@pytest.mark.parametrize("typed", ["=1+1", "+86", "-2", "@x", "\t=1", "\r=1", " =1", "　=1", "＝1"])
def test_what_a_spreadsheet_takes_for_a_formula_is_a_text(typed: str):
    assert str(plain(typed)).startswith("'")
    assert next(csv.reader(io.StringIO(csv_lines([[typed]]).decode(), newline="")))[0] == f"'{typed}"


def test_numbers_stay_numbers():
    assert [plain(said) for said in ("+12.5%", "−3.0%", "+2.0 个百分点")] == ["+12.5%", "−3.0%", "+2.0 个百分点"]
    assert [plain(cell) for cell in (-3, 1.5, None, Rate(0.5), Rate(None), "张三-李四")] == [-3, 1.5, "", "50.0%", "", "张三-李四"]


# ── times ──


@pytest.mark.parametrize(
    ("name", "today", "span", "before"),
    [
        ("month", "2026-11-27", ("2026-11-01", "2026-11-27"), ("2026-10-01", "2026-10-27")),
        ("month", "2026-03-31", ("2026-03-01", "2026-03-31"), ("2026-02-01", "2026-02-28")),
        ("month", "2026-01-01", ("2026-01-01", "2026-01-01"), ("2025-12-01", "2025-12-01")),
        ("last_month", "2026-03-05", ("2026-02-01", "2026-02-28"), ("2026-01-01", "2026-01-31")),
        ("quarter", "2026-05-02", ("2026-04-01", "2026-05-02"), ("2026-01-01", "2026-02-01")),
        ("year", "2026-11-27", ("2026-01-01", "2026-11-27"), ("2025-01-01", "2025-11-27")),
        ("last_year", "2026-11-27", ("2025-01-01", "2025-12-31"), ("2024-01-01", "2024-12-31")),
        ("nonsense", "2026-11-27", ("2026-11-01", "2026-11-27"), ("2026-10-01", "2026-10-27")),
    ],
)
def test_a_named_time_and_the_one_before(name: str, today: str, span: tuple[str, str], before: tuple[str, str]):
    made = period(name, date.fromisoformat(today))
    assert (made.since.isoformat(), made.until.isoformat()) == span
    assert (made.before_since.isoformat(), made.before_until.isoformat()) == before
    assert len(made.months) == 12 and made.months[-1] == made.until.replace(day=1)


def test_chosen_days_are_put_in_order_and_compared_to_as_many():
    made = period("days", date(2026, 11, 27), date(2026, 11, 10), date(2026, 11, 1))
    assert (made.since, made.until) == (date(2026, 11, 1), date(2026, 11, 10))
    assert (made.before_since, made.before_until) == (date(2026, 10, 22), date(2026, 10, 31))


def test_times_are_said_as_people_say_them():
    assert span_words(date(2026, 11, 1), date(2026, 11, 27)) == "2026年11月1日至27日"
    assert span_words(date(2026, 1, 1), date(2026, 11, 27)) == "2026年1月1日至11月27日"
    assert span_words(date(2025, 12, 1), date(2026, 1, 2)) == "2025年12月1日至2026年1月2日"
    assert span_words(date(2026, 1, 1), date(2026, 1, 1)) == "2026年1月1日"
