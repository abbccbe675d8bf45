"""统计 where villages lie below, and at a village: its own places, each number leads to as many cases, files hold what the page shows."""

import re
from collections.abc import AsyncIterator
from datetime import date

import httpx
import pytest

from protocol.node import statistics as questions
from protocol.node.statistics import Found, Sums
from protocol.node.web import statistics
from protocol.node.web.periods import period
from tests.edge.pages_kit import JSON, at
from tests.edge.rig import Rig
from tests.kit.behind import check_links
from tests.node.desk_kit import OTHER_TOWN, TOWN, VILLAGE

OTHER = f"{TOWN}/330523111201"


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    await made.a_busy_village()
    await made.log("town", 2, ledger=OTHER)
    await made.log("town", 3, ledger=TOWN)
    await made.log("root", 4, ledger=OTHER_TOWN)
    await made.everywhere()
    yield made
    await made.close()


async def every_number(client: httpx.AsyncClient, path: str) -> int:
    async def total(to: str) -> int:
        return (await client.get(to, headers=JSON)).json()["total"]

    return len(await check_links((await client.get(path)).text, total))


def places_of(page: str) -> list[str]:
    table = page.partition("按地方</caption>")[2].partition("</table>")[0]
    return [re.sub("<.*?>", "", name) for name in re.findall(r'<th scope="row">(.*?)</th>', table)]


async def test_a_place_with_others_below_sees_its_own_ones_and_each_number_leads_to_as_many(rig: Rig):
    async with at(rig, "town") as client:
        page = (await client.get("/statistics")).text
        assert 'href="/statistics"' in (await client.get("/desk")).text
        names = places_of(page)
        assert names[0] == "高禹村" and set(names[1:3]) == {"天子湖镇本级", rig.web("town").tables().place_name(OTHER)}
        assert len(names) == len(rig.web("town").tables().children(TOWN)) + 1, "those without a case too, and none of another place"
        assert await every_number(client, "/statistics") > 10
        assert await every_number(client, f"/statistics?place={VILLAGE}&type=02") > 2
        assert (await client.get("/statistics", headers=JSON)).json()["found"]["whole"]["registered"] == 8
        assert (await client.get(f"/statistics?place={OTHER_TOWN}", headers=JSON)).json()["found"]["whole"]["registered"] == 0


async def test_what_is_seen_of_another_place_has_a_row_of_its_own_that_leads_to_it_alone(rig: Rig):
    tables = rig.web("town").tables()
    asked = statistics.Query(period("month", date(2026, 11, 27)))
    found = Found(Sums(3), Sums(), {}, {VILLAGE: Sums(2), OTHER_TOWN: Sums(1)}, {}, {}, {}, (), 0)
    rows = {row.name: row for row in statistics.place_rows(found, asked, TOWN, tables) if row.sums.registered}
    assert {name: row.sums.registered for name, row in rows.items()} == {"高禹村": 2, tables.place_name(OTHER_TOWN): 1}
    assert rows[tables.place_name(OTHER_TOWN)].more == {"place": OTHER_TOWN, "alone": "1"}


async def test_files_hold_what_the_page_shows_with_names_masked(rig: Rig):
    async with at(rig, "town") as client:
        said = await client.get("/statistics.csv?period=year")
        text = said.content.decode("utf-8-sig")
        assert "attachment" in said.headers["content-disposition"]
        assert "沈国强" in text and "登记,8 件" in text
        assert (await client.get("/statistics.xlsx")).content.startswith(b"PK")
        listed = (await client.get("/cases.csv?kind=registered")).content.decode("utf-8-sig")
        assert "叶*土" in listed and "叶根土" not in listed
        assert 'href="/cases.csv?kind=registered' in (await client.get("/cases?kind=registered")).text


async def test_a_village_sees_its_own(rig: Rig):
    async with at(rig, "village") as client:
        assert places_of((await client.get("/statistics")).text) == ["高禹村"]
        assert await every_number(client, "/statistics") > 5
        assert (await client.get("/statistics", headers=JSON)).json()["found"]["whole"]["registered"] == 6


async def test_who_is_not_signed_in_gets_no_number_and_no_file(rig: Rig):
    async with at(rig, "town", "-") as client:
        for path in ("/statistics", "/statistics.csv", "/cases.xlsx"):
            said = await client.get(path)
            assert said.status_code == 303 and said.headers["location"].startswith("/sign-in")


async def test_after_a_start_the_first_question_finds_its_months_counted(rig: Rig, monkeypatch):
    town, counted = rig.web("town"), []
    await statistics.warm(town)
    real = questions._Question._count

    async def count(self, from_ms: int, to_ms: int):
        counted.append((from_ms, to_ms))
        return await real(self, from_ms, to_ms)

    monkeypatch.setattr(questions._Question, "_count", count)
    async with at(rig, "town") as client:
        for asked in ("/statistics", "/statistics?period=year"):
            assert (await client.get(asked, headers=JSON)).json()["found"]["whole"]["registered"] == 8
        assert counted == []
        await client.get(f"/statistics?place={VILLAGE}")
        assert counted
