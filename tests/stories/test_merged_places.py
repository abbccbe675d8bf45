"""行政村合并: one village goes into its neighbour while its PC is cut off; cases go on, late work is taken, nobody enrols anew."""

import pytest

from deploy.demo.cast import NEIGHBOUR, VILLAGE
from deploy.demo.check import new_id
from tests.kit.county import County, distinct, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_village_is_merged_into_its_neighbour_while_it_is_cut_off(county: County):
    old, new, officer = await county.page("wangfang"), await county.page("shenmeiqin"), await county.page("liqiang")
    going = await county.log(old, VILLAGE, distinct("合并前登记的一件"))
    await county.shows(officer, going["case"])
    assert (await new.http.get(f"/cases/{going['case']}")).status_code == 404
    before = county.id_of("liangpeng")

    await county.halt("town")
    await county.halt("hub")
    late = await county.log(old, VILLAGE, distinct("断网时登记的一件"))  # the PC has not heard of any merge
    merged = await county.yidi("hub", "place", "merge", VILLAGE, NEIGHBOUR)
    assert merged.code == 0, merged.err
    assert before in merged.out and "不用重新登记" in merged.out
    again = await county.yidi("hub", "place", "merge", VILLAGE, NEIGHBOUR)
    assert again.code == 0 and before not in again.out, "the same again changes nothing"
    await county.begin("hub")
    await county.begin("town")

    async def taken():
        found = await new.http.get("/cases", headers={"Accept": "application/json"})
        codes = {row["code"] for row in found.json()["rows"]} if found.status_code == 200 else set()
        return {going["code"], late["code"]} <= codes

    await until(taken, "both cases at the neighbour, whose program opened again by itself")
    assert county.id_of("liangpeng") == before
    page = (await new.http.get(f"/cases/{going['case']}", headers={"Accept": "text/html"})).text
    assert "原" in page and "受理" in page
    await new.step(going["case"], "AcceptDispute", willing="true")
    await county.shows(officer, late["case"])
    shown = await until(lambda: accepted(officer, going["case"]), "the acceptance at the township")
    assert (shown["holder"], shown["ledger"]) == (VILLAGE, VILLAGE)  # no ledger moved, no office changed: its people did
    assert not any(line["set_aside"] for line in shown["lines"])

    refused = await until(lambda: refused_at(county, old), "the old PC says where to register from now on")
    assert "已经并入" in refused
    fresh = await county.log(new, NEIGHBOUR, distinct("合并后登记的一件"))
    await county.shows(officer, fresh["case"])


async def test_what_is_no_merge_is_refused_in_words(county: County):
    elsewhere, nowhere = "330523/330523002/330523002001", f"{VILLAGE[:-3]}999"
    for words, why in (
        ((NEIGHBOUR, elsewhere), "同一个乡镇"),
        ((NEIGHBOUR, nowhere), "一个村并入另一个村"),
        ((NEIGHBOUR, VILLAGE), "已经并入别处"),
        ((NEIGHBOUR, f"{VILLAGE[:-3]}200", "--from", "2099-01-01"), "当天或以后"),
    ):
        ran = await county.yidi("hub", "place", "merge", *words)
        assert ran.code == 1 and why in ran.err, words


async def accepted(page, case: str):
    shown = await page.case(case)
    return shown if shown["status"] == "accepted" else None


async def refused_at(county: County, page):
    got = await page.http.post("/cases", data=county.form(VILLAGE, distinct("不该登记的一件")) | {"command_id": new_id()})
    return got.json()["wrong"]["ledger"] if got.status_code == 422 else None
