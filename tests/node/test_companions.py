"""Internal opinions: what a village must not read of its own case lies in the writer's own ledger and never reaches the village."""

import pytest

from protocol import dispute as dispute_rules
from protocol.commands import CallUpDispute, ConveneUnits, EraseBody, WriteOpinion
from protocol.companion import companion_subject
from protocol.context import Context
from protocol.events import Actor
from protocol.node.journal.rebuild import rebuild
from protocol.problem import Refused
from tests.node.desk_kit import ROOT, TOWN, UNIT, VILLAGE, County, Node, dispute, exchange, new_id, person_id
from tests.node.journal_kit import everything_in

SAID, ABOVE = "他堂哥是村主任，先不要让村里知道", "县里研判：有集访苗头，稳住再谈"
DEPARTMENT = "部门说：那块地本来就是他家的"


async def written(county: County) -> tuple[Node, Node, Node, str]:
    """A village's case with an opinion of the township, of the county and of a unit."""
    village, town, root = [await county.node(kind) for kind in ("village", "town", "root")]
    for node in (village, town, root):
        await root.desk.enrol_node(node.signer.certificate)
    case = (await village.say(dispute())).subject
    await exchange(village, town, root)
    await town.say(WriteOpinion(id=new_id(), case=case, text=SAID, risk="yellow"))
    await root.say(WriteOpinion(id=new_id(), case=case, text=ABOVE, risk="red"))
    await root.say(CallUpDispute(id=new_id(), case=case, reason="影响大"))
    await exchange(village, town, root)
    return village, town, root, case


def said(companions) -> dict[str, list[str]]:
    return {c.ledger: [line.text.get("内部意见", "") for line in c.lines] for c in companions}


async def test_each_reads_what_its_region_wrote_and_the_village_nothing(county: County):
    village, town, root, case = await written(county)
    assert said(await root.reads.companions(root.actor(), case)) == {ROOT: [ABOVE], TOWN: [SAID]}
    assert said(await town.reads.companions(town.actor(), case)) == {TOWN: [SAID]}
    assert said(await village.reads.companions(village.actor(), case)) == {}
    found = await root.reads.companions(root.actor(), case)
    assert [c.risk for c in found] == ["red", "yellow"]
    shown = await village.reads.case(village.actor(), case)
    assert shown.risk == "green", "an internal assessment does not colour the case itself"


async def test_the_villages_store_holds_no_byte_of_it(county: County):
    village, town, _root, case = await written(county)
    stored = await everything_in(village.journal)
    assert "田埂地界".encode() in stored, "this search finds what is there"
    for word in (SAID, ABOVE, "OpinionWritten", companion_subject(case, TOWN), companion_subject(case, ROOT)):
        assert word.encode() not in stored
    assert set(await village.journal.ledgers()) == {VILLAGE, "_"}
    assert SAID.encode() in await everything_in(town.journal)
    assert ABOVE.encode() not in await everything_in(town.journal), "nor the township's what the county wrote"


async def test_a_search_finds_the_case_by_it_only_for_whom_it_is(county: County):
    village, town, root, case = await written(county)
    clerk_above = Actor(
        person_id("另一位"), "clerk.00000009", VILLAGE, town.shelf().post_powers("clerk")
    )  # a village's clerk at the town's PC
    for node, who, word, hits in (
        (root, root.actor(), "集访苗头", 1),
        (root, root.actor(), "堂哥", 1),
        (town, town.actor(), "堂哥", 1),
        (town, town.actor(), "集访苗头", 0),
        (town, clerk_above, "堂哥", 0),
        (village, village.actor(), "堂哥", 0),
    ):
        rows = (await node.reads.cases(who, text=word)).rows
        assert [row.subject for row in rows] == [case] * hits, (node.kind, word)
    assert await town.reads.companions(clerk_above, case) == []
    assert (await town.reads.cases(clerk_above, text="田埂")).total == 1, "the case itself is hers to find"


async def test_an_erased_opinion_is_gone_everywhere_and_the_others_stay(county: County):
    village, town, root, case = await written(county)
    (own,) = await town.reads.companions(town.actor(), case)
    origin, seq = own.lines[0].key
    await root.say(EraseBody(id=new_id(), item=f"{TOWN}|{origin}|{seq}", ground="个人信息保护法第47条"))
    await exchange(village, town, root)
    for node in (town, root):
        assert SAID.encode() not in await everything_in(node.journal)
        assert (await node.reads.cases(node.actor(), text="堂哥")).total == 0
        line = next(line for c in await node.reads.companions(node.actor(), case) if c.ledger == TOWN for line in c.lines)
        assert line.erased and "内部意见" not in line.text
        assert await rebuild(node.journal)
    assert said(await root.reads.companions(root.actor(), case))[ROOT] == [ABOVE]


async def test_a_unit_writes_into_its_own_ledger_and_only_the_county_reads_along(county: County):
    _village, town, root, case = await written(county)
    department = root.actor("department", UNIT)
    with pytest.raises(Refused) as refused:
        await root.say(WriteOpinion(id=new_id(), case=case, text=DEPARTMENT), department)
    assert refused.value.code == "case_unknown", "a unit that has no part in the case"
    await root.say(ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="一起看现场"))
    await root.say(WriteOpinion(id=new_id(), case=case, text=DEPARTMENT), department)
    await exchange(town, root)
    assert said(await root.reads.companions(department, case)) == {UNIT: [DEPARTMENT]}
    assert said(await root.reads.companions(root.actor(), case))[UNIT] == [DEPARTMENT]
    assert UNIT not in said(await town.reads.companions(town.actor(), case))


async def test_the_place_itself_is_told_to_use_a_note(county: County):
    village, town, _root, case = await written(county)
    with pytest.raises(Refused, match="上级") as refused:
        await village.say(WriteOpinion(id=new_id(), case=case, text="自己写自己"))
    assert refused.value.code == "only_apart"
    clerk_above = Actor(person_id("另一位"), "clerk.00000009", VILLAGE, town.shelf().post_powers("clerk"))
    own = town.signer.certificate
    known = Context(now_ms=town.clock(), serves=own.serves, covers=own.covers, tables=town.shelf())
    for who, offered in ((clerk_above, False), (town.actor(), True)):
        steps = {step.command for step in dispute_rules.steps(await town.reads.case(who, case), who, known)}
        assert ("WriteOpinion" in steps) is offered
