"""A disk spoils the journal of a village's computer, at rest and while its program runs: it heals, and nobody misses a word."""

import json
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from deploy.demo.cast import PASSWORD, VILLAGE
from deploy.demo.check import JSON, Page, soon
from protocol.node.journal.reseal import PAGE_BYTES
from tests.kit.county import HTML, County, distinct, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def spoil(file: Path, pages: range) -> int:
    """One byte of each of these pages is another one."""
    size = file.stat().st_size // PAGE_BYTES
    with file.open("r+b") as f:
        for page in pages:
            if page < size:
                f.seek(page * PAGE_BYTES + 1_000)
                byte = f.read(1)[0]
                f.seek(-1, 1)
                f.write(bytes([byte ^ 0x55]))
    return size


async def signed_in_again(county: County) -> Page:
    """When the clerk's post is there again: it may have stood on a page that was spoilt."""

    async def is_back() -> bool:
        async with httpx.AsyncClient(base_url=county.demo.url("gaoyu"), headers=JSON, timeout=30) as http:
            got = await http.post("/sign-in", data={"name": "wangfang", "password": PASSWORD})
        assert got.status_code in (200, 503), got.text
        return got.status_code == 200

    await soon("岗位取回来了", is_back)
    return await county.page("wangfang")


async def test_a_spoilt_file_is_healed_by_the_command_and_every_place_has_the_same_again(county: County):
    clerk = await county.page("wangfang")
    words = [distinct("硬盘坏以前登记") for _ in range(4)]
    cases = [(await county.log(clerk, VILLAGE, word))["case"] for word in words]
    await county.same("hub", "town", "gaoyu")
    await county.halt("gaoyu")
    file = county.home("gaoyu") / "journal.db"
    size = spoil(file, range(file.stat().st_size // PAGE_BYTES // 2, 10_000))
    ran = await county.yidi("gaoyu", "heal", "--json")
    assert ran.code == 0, ran
    told = json.loads(ran.out.splitlines()[-1])
    assert told["ok"] and told["figures"]["pages"] > size // 3 and told["figures"]["epoch"] == 2, told
    await county.begin("gaoyu")
    await county.forget("gaoyu")
    clerk = await signed_in_again(county)
    await county.same("hub", "town", "gaoyu")
    for case, word in zip(cases, words, strict=True):
        assert word in (await clerk.http.get(f"/cases/{case}", headers=HTML)).text

    async def ended() -> bool:
        repairs = (await clerk.get("/link"))["repairs"]
        return repairs["state"] is None and len(repairs["reports"]) == 1

    await until(ended, "all is decided", 40)
    assert (await clerk.get("/link"))["repairs"]["reports"][0]["gone"] == []
    saved = await county.log(clerk, VILLAGE, distinct("修好以后登记"))
    assert {entry["origin"] for entry in saved["entries"]} == {f"{county.id_of('gaoyu')}:2"}
    assert (await county.yidi("gaoyu", "rebuild")).code == 0


async def test_a_running_program_that_meets_a_spoilt_page_stops_writing_heals_and_goes_on_by_itself(county: County):
    clerk = await county.page("shenmeiqin")
    neighbour = (await county.link("liangpeng"))["covers"][0]
    word = distinct("良朋村登记的一件")
    case = (await county.log(clerk, neighbour, word))["case"]
    await county.same("hub", "town", "liangpeng")
    file = county.home("liangpeng") / "journal.db"
    spoil(file, range(40, 10_000))

    async def met() -> bool:
        with suppress(httpx.HTTPError):  # while it opens itself again nobody answers
            for path in (f"/cases/{case}", "/cases", "/link"):
                await clerk.http.get(path, headers=HTML)
        return bool(list(county.home("liangpeng").glob("healed-*.json")) or (county.home("liangpeng") / "healing.json").exists())

    await until(met, "the program healed by itself", 60)
    await county.forget("liangpeng")

    async def again() -> bool:
        try:
            return word in (await (await county.page("shenmeiqin")).http.get(f"/cases/{case}", headers=HTML)).text
        except (AssertionError, httpx.HTTPError):
            return False

    await until(again, "its pages show the case again", 60)
    clerk = await county.page("shenmeiqin")
    await county.log(clerk, neighbour, distinct("自己修好以后登记"))
    await county.same("hub", "town", "liangpeng")


async def test_a_running_node_is_not_healed_beneath_itself(county: County):
    ran = await county.yidi("town", "heal")
    assert ran.code == 1
    assert "正在运行" in ran.err
