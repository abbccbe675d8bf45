"""One visitor with three matters: three cases with codes of their own, the visitor typed once, each case names the others."""

import re
from collections.abc import AsyncIterator

import pytest

from protocol.tables import Tables
from tests.edge.pages_kit import HTMX, JSON, at, form_of
from tests.edge.rig import Rig
from tests.node.desk_kit import TOWN, VILLAGE, new_id


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    yield made
    await made.close()


async def test_one_visitor_with_three_matters_is_typed_once(rig: Rig):
    async with at(rig, "village") as client:
        typed = {**form_of((await client.get("/cases/new")).text, "log"), "party_name": ["查小满", ""], "party_phone": ["13700000001", ""]}
        cases = []
        saved = await client.post("/cases", data={**typed, "account": "工钱没结清"}, headers=HTMX)
        for account in ("宿舍漏雨", "押金不退"):
            link = re.search(r'href="(/cases/new\?with=\w+)"', saved.text)
            assert link, "the page offers a further matter"
            cases.append(link[1].rpartition("=")[2])
            page = (await client.get(link[1])).text
            assert "同一次来访" in page
            form = form_of(page, "log")
            assert form["party_name"][0] == "查小满" and form["party_phone"][0] == "13700000001" and form["visit"] == cases[0]
            saved = await client.post("/cases", data={**form, "account": account}, headers=HTMX)
            again = await client.post("/cases", data={**form, "account": account}, headers=JSON)
            assert again.json()["case"] in saved.text, "the same form twice is one case"
        cases.append(re.findall(r"with=(\w+)", saved.text)[0])
        assert len(set(cases)) == 3 and (await client.get("/cases", params={"text": "查小满"}, headers=JSON)).json()["total"] == 3
        for n, subject in enumerate(cases):
            page = (await client.get(f"/cases/{subject}")).text
            others = set(re.findall(r'<li><a href="/cases/(\w{32})">', page))
            assert others == set(cases) - {subject}, n
            assert (await rig.case("village", subject)).visit == ("" if n == 0 else cases[0])
    await rig.everywhere()
    async with at(rig, "town") as client:
        assert (await client.get(f"/cases/new?with={cases[0]}", headers=JSON)).status_code == 404, "another office's visitor"


async def test_a_half_written_further_matter_goes_on_where_its_place_was_merged_into(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    case, words = await rig.log("village"), "还有一件：押金不退"
    await rig.everywhere()
    monkeypatch.setattr(Tables, "places_merged_into", lambda _, path: (VILLAGE,) if path == TOWN else ())
    async with at(rig, "town") as client:
        draft = {"form": f"/cases {case}", "tab": "a", "command": new_id(), "fields": [["visit", case], ["account", words]]}
        assert (await client.post("/drafts", json=draft, headers=JSON)).status_code == 200
        opened = await client.get("/drafts/open", params={"of": f"/cases {case}", "tab": "a"})
        assert opened.headers.get("location") == f"/cases/new?with={case}"
        assert "同一次来访" in (await client.get(opened.headers["location"])).text
