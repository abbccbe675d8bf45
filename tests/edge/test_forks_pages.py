"""另一份的全部采纳: it is said what becomes of how many, and each decision bears the reason that stood there."""

import re
from collections.abc import AsyncIterator

import msgspec
import pytest

from protocol.events import BranchDecided, body_of, facts_of
from protocol.node import histories
from protocol.node.journal import branches
from protocol.node.journal.rows import fetch, named
from tests.edge.pages_kit import JSON, at
from tests.edge.rig import Rig
from tests.edge.test_forks_browser import forked
from tests.node.desk_kit import TOWN, VILLAGE, dispute


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    await forked(made)
    made.nodes["village"].node.stopped = lambda: ""  # it goes on: as another node in truth
    yield made
    await made.close()


async def reasons(rig: Rig) -> list[tuple[str, str]]:
    journal = rig.nodes["village"].node.journal
    lines = [e for row in await journal.rows("entry", "sort = 'branch'", {}) for e in await journal.subject(row["subject"])]
    decided = [(facts_of(e.head), body_of(e.head.kind, e.body)) for e in lines]
    return [(facts.decision, body.text) for facts, body in decided if isinstance(facts, BranchDecided)]


async def test_all_of_one_record_are_adopted_for_the_reason_that_is_given(rig: Rig):
    async with at(rig, "village") as client:
        page = (await client.get("/forks")).text
        will = page.partition('action="/forks/all"')[2].partition("</form>")[0]
        assert "另一份里的 2 条都重新写入，仍算原来的人当时写的" in will and "另一份的全部采纳（2 条）" in will
        form = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', will))
        assert form["ledger"] == VILLAGE and form["reason"] == "核对过，是当时办的"
        nothing = await client.post("/forks/all", data={**form, "ledger": TOWN}, headers=JSON)
        assert nothing.json() == {"adopted": 0, "sentence": ""}, "only what the form stands at"
        done = (await client.post("/forks/all", data={**form, "reason": "借出去的那台写的"})).text
    assert "采纳了 2 条。" in done and "都核对过了" in done and 'action="/forks/all"' not in done
    assert await reasons(rig) == [("adopt", "借出去的那台写的")] * 2


async def test_what_waits_there_is_told_by_the_pages_of_every_day_until_it_is_decided(rig: Rig):
    told = {
        "/today": '<h2 id="today-forks-title">另一份记录等核对 <span class="count">2</span>',
        "/desk": "另一份记录里有 2 条等核对",
        "/reviews": "另一份记录里还有 2 条等核对",
    }
    menu = '>另一份记录 <span class="count">2</span></a>'
    async with at(rig, "village") as client:
        for path, words in told.items():
            page = (await client.get(path)).text
            assert words in page and menu in page, path
        assert "今天没有到期的" not in (await client.get("/today")).text
        (fork,) = (await client.get("/forks", headers=JSON)).json()["forks"]
        first, last = (line["hash"] for line in fork["others"][0])
        await client.post(f"/forks/{first}/contest")
        assert '另一份记录等核对 <span class="count">1</span>' in (await client.get("/today")).text
        await client.post(f"/forks/{last}/adopt")
        for path in told:
            assert "等核对" not in (await client.get(path)).text and "/forks" not in (await client.get(path)).text, path


async def test_who_may_not_decide_there_is_not_asked_to(rig: Rig):
    """The county's node serves the county alone; of the village's own people those who work on cases decide."""
    village, root = rig.nodes["village"], rig.nodes["root"]
    assert (await village.reads.counts(rig.actor("village")))["forks"] == 2
    assert (await village.reads.counts(msgspec.structs.replace(rig.actor("village"), powers=frozenset({"admin", "supervise"}))))[
        "forks"
    ] == 0
    await rig.deliver("village", "root")
    ((origin, ((seq, hash_),)),) = (await village.node.forks.tips(VILLAGE)).items()
    piece = await village.node.forks.piece(VILLAGE, origin, seq, hash_, 2)
    assert piece and await root.node.forks.note(piece, "nroot2222") == 2
    async with at(rig, "root") as client:
        (fork,) = (await client.get("/forks", headers=JSON)).json()["forks"]
        assert fork["open"] == 2 and not any(line["may"] for line in fork["others"][0])
        assert "另一份记录" not in (await client.get("/today")).text


async def test_what_waits_there_is_counted_anew_for_a_decision_and_for_what_came_beside_and_for_no_other_entry(rig: Rig, monkeypatch):
    village, heads, read = rig.nodes["village"], branches.heads, []

    async def noted(*asked):
        read.append(asked)
        return await heads(*asked)

    monkeypatch.setattr(branches, "heads", noted)

    async def told() -> tuple[int, int]:
        """(what waits, how often it was counted so far)"""
        return (await village.reads.counts(rig.actor("village")))["forks"], len(read)

    assert await told() == (2, 1)
    await village.node.say(dispute(), rig.actor("village"))
    assert await told() == (2, 1)
    ((origin, ((seq, hash_),)),) = (await village.node.forks.tips(VILLAGE)).items()
    last = await histories.find(village.node.journal, rig.actor("village"), hash_.hex())
    await village.node.desk.adopt(last, rig.actor("village"), "contest")
    assert await told() == (1, 2)
    async with village.node.journal.writing() as w:
        await fetch(w.connection, "delete from branch where origin = :origin and seq = :seq", {"origin": origin, "seq": seq - 1})
    assert await told() == (0, 3)
    async with village.node.journal.read() as c:
        plan = " ".join(row[3] for row in await named(c, f"explain query plan {histories._HANGS_ON}", {"name": ""}))
    assert "INDEX entry_branch" in plan, plan
