"""Desk, admission, people and reads on PostgreSQL: the same story, the same tables; and two programs on one database."""

import asyncio

import pytest

from protocol import have
from protocol.commands import AcceptDispute, EscalateDispute, Party, RecordMediation, TakeUpDispute
from protocol.events import Actor
from protocol.node.begun import Begun
from protocol.node.journal import rebuild
from tests.node.desk_kit import ROOT, TOWN, VILLAGE, County, Node, add_person, dispute, exchange, new_id


@pytest.fixture
async def county(tmp_path, postgres_url: str):
    made = County(tmp_path, {"root": postgres_url})
    yield made
    await made.close()


async def test_a_case_goes_up_into_postgres_and_the_digests_are_equal(county: County):
    village, root = await county.node("village"), await county.node("root")
    await root.desk.enrol_node(village.signer.certificate)
    case = (await village.say(dispute())).subject
    await village.say(AcceptDispute(id=new_id(), case=case))
    await village.say(RecordMediation(id=new_id(), case=case, account="没谈拢。", result="failed"))
    await village.say(EscalateDispute(id=new_id(), case=case, to=TOWN, reason="谈不拢", tried="一次"))
    await exchange(village, root)
    assert have.digest(await village.journal.lanes(VILLAGE)) == have.digest(await root.journal.lanes(VILLAGE))
    row = await root.reads.case_row(root.actor(), case)
    assert (row.status, row.holder, row.offer_to) == ("mediating", VILLAGE, TOWN)
    assert [m.text for m in row.marks] == ["已存本机", "已到村"]
    actor = root.actor("officer", TOWN)
    assert (await root.reads.cases(actor, view="incoming", text="根土", type="02", place=TOWN)).total == 1
    counts = await root.reads.counts(actor)
    assert (await root.reads.total(actor), counts["open"], counts["incoming"], counts["held"]) == (1, 1, 1, 0)
    assert {p.path: p.open for p in await root.reads.places(root.actor())}[TOWN] == 1
    assert await rebuild(root.journal)


async def test_two_programs_on_one_database_draw_no_number_twice_and_answer_a_command_alike(county: County):
    one, two = await county.node("root"), await county.node("root")
    actor = one.actor("operator", ROOT)
    outcomes = await asyncio.gather(*[(one, two)[n % 2].desk.submit(dispute(), actor) for n in range(20)])
    assert len({o.code for o in outcomes}) == 20
    command = dispute()
    first = await one.desk.submit(command, actor)
    assert await two.desk.submit(command, actor) == first
    heads = await one.journal.heads(VILLAGE)
    assert heads[VILLAGE, one.signer.origin].seq == 22, "the opening and 21 cases, no gap and nothing twice"
    case = first.subject
    await one.desk.submit(AcceptDispute(id=new_id(), case=case), actor)
    ids = [new_id() for _ in range(6)]
    said = [RecordMediation(id=i, case=case, account="各说各的。", result="go_on") for i in ids]
    await asyncio.gather(*[(one, two)[n % 2].desk.submit(c, actor) for n, c in enumerate(said)])
    turns = [e.head.turn for e in await one.journal.subject(case)]
    assert turns == sorted(set(turns)), "each was decided on the one before"


async def test_who_came_before_and_who_has_begun_is_known_on_postgres(county: County):
    root, asked = await county.node("root"), Party("100%_叶", phone="13800001234")
    beginner, post = await add_person(root, "岑文静", "operator")
    await root.people.add_account("cen", beginner, "diao-jie-2026", county.clock())
    assert await Begun(root.journal).needs_guide(beginner)
    assert await root.people.nobody_yet() == ""
    actor = Actor(beginner, post, ROOT, root.shelf().post_powers("operator"), "岑文静")
    cases = [(await root.desk.submit(dispute(parties=[asked], account="东邻新砌的围墙占了滴水巷半尺。"), actor)).subject for _ in range(3)]
    known = root.reads.known
    assert [one.subject for one in await known.of_name(actor, "100%_叶")] == await _newest(root, cases)
    assert {one.subject for one in await known.of_number(actor, "138 0000 1234")} == set(cases)
    assert len(await known.alike(actor, VILLAGE, "02", "围墙占了滴水巷", cases[:1])) == 2
    assert not await Begun(root.journal).needs_guide(beginner)


async def _newest(node: Node, cases: list[str]) -> list[str]:
    rows = await node.journal.rows("case_row", order="logged_ms desc, subject desc")
    return [row["subject"] for row in rows if row["subject"] in cases]


async def test_signing_in_works_on_postgres(county: County):
    root = await county.node("root")
    person, _ = await add_person(root, "朱晓明", "operator")
    await root.people.add_account("zhu", person, "够长的一个新密码", root.clock())
    token = await root.people.sign_in("zhu", "够长的一个新密码", root.clock(), "10.0.0.1")
    actor = await root.people.actor(token, root.clock())
    assert actor is not None
    case = (await root.desk.submit(dispute(), actor)).subject
    assert (await root.reads.case(actor, case)).holder == ROOT
    assert await root.reads.handlers(actor) == [(person, "朱晓明")]
    with pytest.raises(Exception, match="not_holder|not_now|no_offer"):
        await root.desk.submit(TakeUpDispute(id=new_id(), case=case), actor)
