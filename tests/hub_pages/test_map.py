"""地图: each number leads to a list of as many, all tiles together are the whole, the address says it all, and nobody counts what he may not see."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hub.web.case_map import STEPS, bounds_of, step_of
from protocol.calendar import DAY_MS
from protocol.commands import CloseDispute, LogDispute, Party, SealDispute, VoidDispute
from tests.hub_pages.world import Hub, register, world
from tests.node.desk_kit import ROOT, TOWN, UNIT, VILLAGE, exchange, new_id

LINK = re.compile(r'href="(/cases\?[^"]*)"[^>]*>\s*([\d,]+)<')
SPOT = re.compile(
    r'<a id="(tile-[^"]*)" href="([^"]*)" class="spot[^"]*" aria-label="([^"]*)">\s*<span class="name">[^<]*</span><strong>([\d,]+)'
)
HEATS = {"open": "opened", "overdue": "overdue", "new": "fresh"}


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[Hub]:
    """With cases of the county itself and of a window, one over, one void, some past their date and one more than a month old."""
    async with world(tmp_path) as made:
        officer, root = made.actor(), made.root
        for ledger, type_ in ((ROOT, "1401"), (UNIT, "0801"), (VILLAGE, "0204"), (VILLAGE, "0403")):
            logged = LogDispute(id=new_id(), ledger=ledger, type=type_, account="一件。", parties=[Party("柏大海")], title=f"在{ledger}")
            made.cases[f"{ledger} {type_}"] = (await root.say(logged, officer)).subject
        await root.say(VoidDispute(id=new_id(), case=made.cases[f"{VILLAGE} 0403"], reason="登错了"), officer)
        await root.say(CloseDispute(id=new_id(), case=made.cases["老宅地基"], ending="withdrawn", result="不要求了"), officer)
        made.county.clock.pass_ms(40 * DAY_MS)
        logged = LogDispute(id=new_id(), ledger=VILLAGE, type="0204", account="新的。", parties=[Party("查小满")], title="新的一件")
        await root.say(logged, officer)
        yield made


async def page_of(hub: Hub, path: str) -> str:
    said = await hub.client.get(path)
    assert said.status_code == 200, said.text[:400]
    return said.text


async def check_numbers(hub: Hub, path: str) -> int:
    """Each number of the tables and each tile that opens a list says how many that list holds; returns how many there were."""
    page = await page_of(hub, path)
    links = {(unescape(to), int(count.replace(",", ""))) for to, count in LINK.findall(page)}
    links |= {(unescape(to), int(count.replace(",", ""))) for _, to, _, count in SPOT.findall(page) if to.startswith("/cases?")}
    for to, count in links:
        assert (await hub.get(to))["total"] == count, to
    return len(links)


@pytest.mark.parametrize("heat", HEATS)
@pytest.mark.parametrize("more", ["", "&type=02", f"&place={TOWN}", f"&place={TOWN}&type=02", "&type=14&sort=new"])
async def test_each_number_leads_to_a_list_of_as_many(hub: Hub, heat: str, more: str):
    await hub.sign_in("operator")
    assert await check_numbers(hub, f"/map?heat={heat}{more}") > 1


@pytest.mark.parametrize("heat", HEATS)
async def test_the_tiles_together_are_the_whole_and_what_lies_below_is_the_tile(hub: Hub, heat: str):
    await hub.sign_in("operator")
    said = await hub.get(f"/map?heat={heat}")
    tiles = {tile["path"]: tile for tile in [*said["tiles"], *said["beside"]]}
    assert len(said["tiles"]) == 15 and {tile["path"] for tile in said["beside"]} >= ({ROOT, UNIT} if heat != "new" else set())
    for field in HEATS.values():
        assert sum(tile["counts"][field] for tile in tiles.values()) == said["whole"]["counts"][field]
    below = await hub.get(f"/map?heat={heat}&place={TOWN}")
    assert below["whole"]["counts"] == tiles[TOWN]["counts"]
    assert (tiles[TOWN]["counts"]["opened"], tiles[TOWN]["counts"]["fresh"]) == (6, 1)
    assert said["whole"]["counts"]["opened"] == 10
    assert said["whole"]["counts"]["overdue"] > 3
    assert sum(count for _, _, count in said["types"]) == said["whole"]["count"]
    assert all((tile["step"] > 0) == (tile["count"] > 0) for tile in tiles.values()), "what has cases has a colour"


async def test_a_tile_says_its_name_and_numbers_in_words(hub: Hub):
    await hub.sign_in("operator")
    spoken = {words for _, _, words, _ in SPOT.findall(await page_of(hub, "/map"))}
    overdue = {tile["name"]: tile["counts"] for tile in (await hub.get("/map"))["tiles"]}["天子湖镇"]["overdue"]
    assert {"山川乡，在办 0 件，没有超期", "安吉县本级，在办 1 件，其中超期 1 件"} <= spoken
    assert f"天子湖镇，在办 6 件，其中超期 {overdue} 件" in spoken
    assert "天子湖镇，近 30 天新登记 1 件，在办 6 件" in await page_of(hub, "/map?heat=new")
    assert f"天子湖镇，超期 {overdue} 件，在办 6 件" in await page_of(hub, "/map?heat=overdue")


async def test_a_township_leads_to_its_villages_and_a_village_to_its_cases(hub: Hub):
    await hub.sign_in("operator")
    spots = {id_: unescape(to) for id_, to, _, _ in SPOT.findall(await page_of(hub, "/map?heat=new&type=02"))}
    below = spots["tile-" + TOWN.replace("/", "-")]
    assert below == "/map?heat=new&type=02&place=330523%2F330523111"
    page = await page_of(hub, below)
    assert 'aria-label="在哪里"' in page and 'href="/map?heat=new&amp;type=02"' in page
    village = unescape({id_: to for id_, to, _, _ in SPOT.findall(page)}["tile-" + VILLAGE.replace("/", "-")])
    rows = (await hub.get(village))["rows"]
    assert [row["title"] for row in rows] == ["新的一件"]


@pytest.mark.parametrize(
    "odd", ["heat=x", "type=22", "type=2201", "type=ab", "place=x", f"place={VILLAGE}", "place=330523/u07", "sort=x", "place=_"]
)
async def test_an_address_that_makes_no_sense_shows_the_whole(hub: Hub, odd: str):
    await hub.sign_in("operator")
    assert (await hub.get(f"/map?{odd}"))["query"] == {"heat": "open", "type": "", "place": "", "sort": ""}


async def test_the_table_is_sorted_by_the_address(hub: Hub):
    await hub.sign_in("operator")
    table = (await page_of(hub, "/map?sort=open")).partition("<tbody>")[2].partition("</tbody>")[0]
    counts = [int(re.sub("<.*?>", "", cell)) for cell in re.findall(r'data-label="在办">(.*?)</td>', table)]
    assert counts == sorted(counts, reverse=True) and counts[0] == 6
    assert 'aria-sort="descending"' in await page_of(hub, "/map?sort=open")


async def test_a_sealed_report_is_in_no_number_and_no_choice(hub: Hub):
    await hub.sign_in("operator")
    before = [await hub.get(path) for path in ("/map", f"/map?place={TOWN}", "/map?heat=new")]
    told = SealDispute(id=new_id(), account="有人说青苗费发到了别人的卡上。", accused="某干部", accuser="不愿透露")
    await hub.village.say(told, hub.village.actor())
    await exchange(hub.village, hub.root)
    assert [await hub.get(path) for path in ("/map", f"/map?place={TOWN}", "/map?heat=new")] == before
    page = await page_of(hub, "/map?heat=new")
    assert "青苗费" not in page and 'value="22"' not in page
    await hub.sign_in("discipline")
    assert (await hub.client.get("/map")).status_code == 303, "whose post sees no case is led home"


async def test_a_window_counts_what_it_may_see_and_no_more(hub: Hub):
    await register(hub.root, "窗口收件", "operator", UNIT, account="window")
    await hub.sign_in("window")
    said = await hub.get("/map")
    listed = (await hub.get("/cases?view=open"))["total"]
    assert said["whole"]["count"] == listed == 1
    assert [tile["path"] for tile in said["beside"]] == [UNIT]
    assert await check_numbers(hub, "/map") >= 1


async def test_who_may_see_no_case_is_led_home(hub: Hub):
    for who, home in (("admin", "/people"), ("discipline", "/sealed"), ("cadre", "/task")):
        await hub.sign_in(who)
        said = await hub.client.get("/map", follow_redirects=True)
        assert said.url.path == home
        assert 'href="/map"' not in said.text


@given(some.integers(0, 100_000))
def test_the_scale_reaches_from_one_to_the_most_without_a_gap(most: int):
    bounds: list[Any] = bounds_of(most)
    assert len(bounds) <= STEPS
    assert [first for first, _ in bounds] == [1, *[last + 1 for _, last in bounds[:-1]]][: len(bounds)]
    assert not most or bounds[-1][1] == most
    steps = [step_of(first, bounds) for first, _ in bounds]
    assert steps == sorted(set(steps)) and all(0 < step <= STEPS for step in steps)
    assert step_of(0, bounds) == 0
    assert not most or steps[-1] == STEPS, "the most has the darkest"
