"""找: what one word finds too much of is narrowed by a second sign, at a press. A code is found however it was typed."""

import html
import re

import pytest

from protocol.node import finding
from protocol.node.web import lists
from tests.edge.pages_kit import JSON, at
from tests.edge.rig import Rig
from tests.node.desk_kit import new_id


async def test_what_a_word_finds_too_much_of_is_narrowed_by_a_second_sign(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    cases = await rig.a_busy_village()
    monkeypatch.setattr(lists.list_context, "__defaults__", (2,))
    async with at(rig, "village") as client:
        page = (await client.get("/cases?text=2026")).text
        assert re.search(rf"“2026”找到 {len(cases)} 件，一页放不下。再写一个词，中间空一格，例如“2026 [^”]+”；或者点一样", page)
        offered = dict(re.findall(r'<a class="button" href="(/cases\?[^"]+)">([^<]+)</a>', page[page.index("narrow-title") :]))
        assert any("status=" in to for to in offered) and any("type=" in to for to in offered)
        assert not any("place=" in to or "since=" in to for to in offered), "all of them share these"
        for address in offered:
            got = (await client.get(html.unescape(address), headers=JSON)).json()
            assert 0 < got["total"] < len(cases) and got["more"] is False
        monkeypatch.setattr(finding, "SAMPLE_MAX", 2)
        assert "status=agreed" in (await client.get("/cases?text=2026")).text, "kinds of the first hits alone"
        assert "narrow-title" not in (await client.get("/cases?text=毛竹")).text
        assert "narrow-title" not in (await client.get("/cases")).text, "nothing was looked for"
        monkeypatch.setattr(finding, "FOUND_MAX", 3)
        monkeypatch.setattr(finding, "LOOKED_AT", 5)
        page = (await client.get("/cases?text=202")).text
        assert "“202”太常见，下面只列出其中的 3 件" in page
        assert '超过 <span id="total">3</span> 件' in page
        year = html.unescape(lists.Query(text="2026").also("year", "2026"))
        assert (await client.get(year, headers=JSON)).json()["total"] == len(cases)


async def test_a_case_is_merged_into_the_one_whose_code_was_typed_full_width_and_small(rig: Rig):
    first, second = await rig.log("village"), await rig.log("village")
    code = "".join(chr(ord(c) + 0xFEE0) for c in (await rig.case("village", first)).code.lower())
    async with at(rig, "village") as client:
        form = {"command_id": new_id(), "into": f" {code} ", "reason": "同一件事"}
        done = await client.post(f"/cases/{second}/MergeDispute", data=form, headers=JSON)
        assert done.status_code == 200, done.text
    assert (await rig.case("village", second)).merged_into == first
