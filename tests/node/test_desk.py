"""The one door: the same command once, refusals without a trace, numbers without a gap, one signature a lane."""

import asyncio

import msgspec
import pytest

from protocol import codes, entry, events
from protocol.commands import (
    AcceptDispute,
    AddEvidence,
    AddNote,
    ConveneUnits,
    EraseBody,
    EscalateDispute,
    RecordMediation,
    SealDispute,
    SetRisk,
)
from protocol.node import folding
from protocol.node.journal import rebuild
from protocol.problem import Refused
from tests.node.desk_kit import ROOT, TOWN, UNIT, VILLAGE, County, Node, add_person, dispute, exchange, new_id, person_id
from tests.node.journal_kit import everything_in


@pytest.fixture
async def village(county: County) -> Node:
    return await county.node("village")


async def entries_here(node: Node) -> int:
    return len(await node.journal.since(0, 1000))


async def test_a_logged_dispute_opens_the_lane_and_stands_in_the_list(village: Node):
    outcome = await village.say(dispute())
    assert codes.is_code(outcome.code)
    assert outcome.code.startswith("2026-018-00001")
    opened, logged = await village.journal.lane(VILLAGE, village.signer.origin, 0, 10)
    assert (opened.head.kind, opened.signature) == ("LaneOpened", None)
    assert logged.head.author == (village.actor().person, village.actor().post)
    assert logged.signature is not None
    assert entry.is_signed(bytes(village.signer.key.verify_key), logged.hash, logged.signature)
    assert outcome.entries == ((VILLAGE, village.signer.origin, 2),)
    row = await village.reads.case_row(village.actor(), outcome.subject)
    assert (row.code, row.status, row.holder, row.parties) == (outcome.code, "logged", VILLAGE, "叶根土、叶根水")


async def test_the_same_command_twice_is_one_entry_and_one_answer(village: Node):
    command = dispute()
    first = await village.say(command)
    count = await entries_here(village)
    assert await village.say(command) == first
    assert await entries_here(village) == count


async def test_a_double_click_is_one_entry(village: Node):
    command = dispute()
    outcomes = await asyncio.gather(*[village.desk.submit(command, village.actor()) for _ in range(5)])
    assert len(set(outcomes)) == 1
    assert await entries_here(village) == 2


async def test_the_answer_is_the_same_when_the_memory_of_commands_was_lost(village: Node):
    command = dispute()
    first = await village.say(command)
    async with village.journal.writing() as w:
        await w.connection.exec_driver_sql("delete from command")
    assert await village.say(command) == first


async def test_the_answer_names_the_case_first_also_when_units_were_asked_to_join(county: County):
    root = await county.node("root")
    case = (await root.say(dispute(VILLAGE))).subject
    await root.say(AcceptDispute(id=new_id(), case=case))
    await root.say(RecordMediation(id=new_id(), case=case, account="要看地籍图。", result="go_on"))
    command = ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="带地籍图来")
    first = await root.say(command)
    assert (first.subject, len(first.subjects)) == (case, 2)
    assert await root.say(command) == first


async def test_an_id_that_another_person_used_is_refused(village: Node):
    command = dispute()
    await village.say(command)
    with pytest.raises(Refused, match="已经用过"):
        await village.say(command, village.actor(person=person_id("别人")))


async def test_a_refusal_writes_nothing_and_the_same_id_may_be_mended(village: Node):
    case = (await village.say(dispute())).subject
    count = await entries_here(village)
    id_ = new_id()
    with pytest.raises(Refused):
        await village.say(RecordMediation(id=id_, case=case, account="都来了。", result="nonsense"))
    assert await entries_here(village) == count
    await village.say(AcceptDispute(id=id_, case=case))
    assert await entries_here(village) == count + 1


async def test_refused_logs_leave_no_gap_in_the_case_codes(village: Node):
    with pytest.raises(Refused):
        await village.say(dispute(type="9999"))
    assert (await village.say(dispute())).code.startswith("2026-018-00001")
    assert (await village.say(dispute())).code.startswith("2026-018-00002")


async def test_a_restored_node_counts_in_its_own_letters(county: County):
    first = await county.node("village")
    code = (await first.say(dispute())).code
    second = await county.node("village", epoch=2, folder="restored")
    restored = (await second.say(dispute())).code
    assert restored.startswith("2026-018B-00001")
    assert restored != code


async def test_turns_go_up_and_seen_names_what_was_decided_on(village: Node):
    case = (await village.say(dispute())).subject
    await village.say(AcceptDispute(id=new_id(), case=case))
    await village.say(RecordMediation(id=new_id(), case=case, account="两家各说各的，没有谈拢。", result="failed"))
    last = await village.say(EscalateDispute(id=new_id(), case=case, to=TOWN, reason="村里谈了两回谈不拢", tried="调解一次"))
    heads = [e.head for e in await village.journal.subject(case)]
    assert [h.turn for h in heads] == [1, 2, 3, 4]
    facts = events.facts_of(heads[-1])
    assert facts.seen == ((village.signer.origin, heads[-2].seq),)
    assert last.entries[0][2] == heads[-1].seq


async def test_offices_that_this_node_does_not_serve_are_turned_away(village: Node):
    with pytest.raises(Refused, match="不替") as refused:
        await village.say(dispute(), village.actor("officer", TOWN))
    assert refused.value.code == "not_served"


async def test_a_case_of_another_place_is_unknown_here(county: County, village: Node):
    root = await county.node("root")
    case = (await root.say(dispute("330523/330523002/330523002210"), root.actor("operator", ROOT))).subject
    await exchange(root, village)
    with pytest.raises(Refused) as refused:
        await village.say(AddNote(id=new_id(), case=case, text="看看"))
    assert refused.value.code == "case_unknown"


async def test_a_phone_says_when_it_happened_and_how_wrong_its_clock_is(village: Node):
    outcome = await village.desk.submit(dispute(), village.actor(), at_ms=village.clock() - 5_000, offset_ms=-120)
    logged = (await village.journal.subject(outcome.subject))[0].head
    assert (logged.occurred_ms, logged.offset_ms) == (village.clock() - 5_000, -120)
    with pytest.raises(Refused, match="时间"):
        await village.desk.submit(dispute(), village.actor(), at_ms=2**60)


async def test_streams_and_pump_are_woken_after_the_commit(village: Node):
    told = []
    village.wake.listen(lambda lanes: told.append(list(lanes)))
    async with village.wake.watch() as event:
        outcome = await village.say(dispute())
        assert event.is_set()
        assert outcome.subject in event.take()
        with pytest.raises(Refused):
            await village.say(dispute(type="9999"))
        assert not event.is_set()
    assert told == [[(VILLAGE, village.signer.origin)]]


async def test_evidence_names_a_file_that_is_here(village: Node):
    case = (await village.say(dispute())).subject
    blob = await village.blobs.put(b"\xff\xd8\xff" + b"x" * 1000, "界石.jpg", "image/jpeg")
    await village.say(AddEvidence(id=new_id(), case=case, blob=blob, note="东头的界石"))
    (row,) = await village.journal.rows("blob")
    assert (row["address"], row["subject"], row["source"]) == (blob.address, case, "")
    assert row["have"] == row["size"] == village.blobs.progress(blob.address).total
    with pytest.raises(Refused, match="附件"):
        await village.say(AddEvidence(id=new_id(), case=case, blob=msgspec.structs.replace(blob, address="../x")))


async def test_an_erased_body_is_gone_from_store_search_and_page_and_the_state_stays(county: County):
    root = await county.node("root")
    outcome = await root.say(dispute(VILLAGE), root.actor("operator", ROOT))
    await root.say(SetRisk(id=new_id(), case=outcome.subject, risk="yellow", reason="有过推搡"))
    ledger, origin, seq = outcome.entries[0]
    with pytest.raises(Refused, match="依法删除"):
        await root.say(EraseBody(id=new_id(), item=f"{ledger}|{origin}|{seq}", ground="个人信息保护法第47条"), root.actor("clerk", ROOT))
    await root.say(EraseBody(id=new_id(), item=f"{ledger}|{origin}|{seq}", ground="个人信息保护法第47条"))
    stored = await root.journal.entry(ledger, origin, seq)
    assert stored is not None
    assert (stored.body, stored.salt, stored.erased) == (None, None, True)
    assert (await root.reads.cases(root.actor(), text="叶根土")).total == 0
    case = await root.reads.case(root.actor(), outcome.subject)
    assert (case.status, case.risk, case.account) == ("logged", "yellow", "")
    assert await rebuild(root.journal)
    with pytest.raises(Refused, match="没有这一条"):
        await root.say(EraseBody(id=new_id(), item=f"{ledger}|{origin}|99", ground="个人信息保护法第47条"))


async def test_what_is_sealed_leaves_nothing_but_its_box(county: County, village: Node):
    secret = "某某把征地款挪去修了自家院子"
    command = SealDispute(id=new_id(), account=secret, accuser="施阿毛", accused="某某", contact="13900002222")
    actor = village.actor()
    outcome = await village.say(command, actor)
    assert (outcome.subjects, outcome.entries, outcome.code) == ((), (), "")
    assert outcome.receipt.startswith("MF-")
    assert await village.say(command, actor) == outcome
    written = [e for e in await village.journal.since(0, 100) if e.sort == "sealed"]
    assert [e.ledger for e in written] == [f"{ROOT}/sealed/{village.signer.node}"]
    assert written[0].head.author == ("", "node")
    said = await everything_in(village.journal)
    for word in (secret, "施阿毛", "13900002222", actor.person):
        assert word.encode() not in said
    assert not (await village.reads.cases(actor, text="征地款")).rows
    with pytest.raises(Refused, match="密封件"):
        await village.reads.sealed(village.actor("discipline"))


async def test_the_holder_of_the_secret_reads_what_was_sealed_and_nobody_else(county: County, village: Node):
    root, town = await county.node("root"), await county.node("town")
    command = SealDispute(id=new_id(), account="收了人家两条烟才肯盖章", accuser="", accused="某某", contact="")
    outcome = await village.say(command)
    await exchange(root, town, village)
    (report,) = await root.reads.sealed(root.actor("discipline"))
    assert (report.account, report.accused, report.receipt, report.readable) == (command.account, "某某", outcome.receipt, True)
    assert report.node == village.signer.node
    for kind in ("operator", "admin", "reader"):
        with pytest.raises(Refused):
            await root.reads.sealed(root.actor(kind))
    assert all("sealed" not in ledger for ledger in await town.journal.ledgers())
    assert (await root.reads.cases(root.actor())).total == 0
    assert await root.reads.total(root.actor()) == 0


async def test_an_ordinary_type_is_not_sealed_and_a_sealed_one_not_logged(village: Node):
    with pytest.raises(Refused):
        await village.say(SealDispute(id=new_id(), account="田埂", type="0204"))
    with pytest.raises(Refused, match="密封"):
        await village.say(dispute(type="2201"))


async def test_only_the_root_may_hand_out_posts_that_read_what_is_sealed(county: County, village: Node):
    with pytest.raises(Refused, match="密封件"):
        await add_person(village, "章秀兰", "discipline")
    root = await county.node("root")
    await add_person(root, "周明", "discipline")


async def test_tables_of_common_replace_the_packaged_ones(county: County):
    root = await county.node("root")
    name, version = "limits", "2026.9"
    content = b'{"version":"2026.9","valid_from":"2026-11-01","rows":[{"key":"warn_soon_percent","value":42}]}'
    first = await root.desk.set_table(name, version, "2026-11-01", content)
    assert await root.desk.set_table(name, version, "2026-11-01", content) == first
    assert root.shelf().versions["limits"] == ("2026.9", "2026-11-01")
    with pytest.raises(Refused):
        await root.desk.set_table("nonsense", "1", "2026-11-01", b"{}")
    await root.desk.set_table(name, "2027.1", "2027-01-01", content.replace(b"2026.9", b"2027.1"))
    assert root.shelf().versions["limits"][0] == "2026.9", "the new year's table is not in force yet"
    assert await rebuild(root.journal)


async def test_nobody_but_the_root_speaks_in_common(village: Node):
    with pytest.raises(Refused):
        await village.desk.set_table("limits", "1", "2026-11-01", b'{"version":"1","valid_from":"","rows":[]}')
    assert await entries_here(village) == 0


async def test_a_revoked_node_writes_nothing_more(county: County):
    root, village = await county.node("root"), await county.node("village")
    await root.desk.enrol_node(village.signer.certificate)
    case = (await village.say(dispute())).subject
    await exchange(root, village)
    last = [
        (ledger, origin, head.seq) for (ledger, origin), head in (await root.journal.heads()).items() if origin == village.signer.origin
    ]
    await root.desk.revoke_node(village.signer.node, last, "电脑丢了")
    await exchange(root, village)
    with pytest.raises(Refused, match="已被县里停用"):
        await village.say(AddNote(id=new_id(), case=case, text="还在写"))


async def test_a_start_folds_nothing_again_unless_the_tables_in_force_have_changed(county: County, monkeypatch: pytest.MonkeyPatch):
    root = await county.node("root")
    content = b'{"version":"2026.9","valid_from":"2026-11-01","rows":[{"key":"warn_soon_percent","value":42}]}'
    await root.desk.set_table("limits", "2026.9", "2026-11-01", content)
    await root.desk.set_table("limits", "2027.1", "2027-01-01", content.replace(b"2026.9", b"2027.1"))
    await root.say(dispute(ROOT), root.actor("operator"))
    folded: list[str] = []

    async def fill(journal):
        folded.append(journal.url)
        await rebuild(journal)

    monkeypatch.setattr(folding, "fill", fill)
    await root.journal.close()
    again = await county.node("root")
    assert folded == [], "the county's own tables are no news"
    await again.journal.close()
    county.clock.pass_ms(60 * 86_400_000)
    next_year = await county.node("root")
    assert len(folded) == 1, "the new year's table came into force while the node was off"
    await next_year.journal.close()
    await (await county.node("root")).journal.close()
    assert len(folded) == 1
    county.nodes.clear()


async def test_a_fold_that_was_broken_off_is_done_again_at_the_next_start(county: County, monkeypatch: pytest.MonkeyPatch):
    root = await county.node("root")
    content = b'{"version":"2026.9","valid_from":"2026-11-01","rows":[{"key":"warn_soon_percent","value":42}]}'
    whole = folding.fill

    async def killed(journal):
        raise asyncio.CancelledError

    monkeypatch.setattr(folding, "fill", killed)
    with pytest.raises(asyncio.CancelledError):
        await root.desk.set_table("limits", "2026.9", "2026-11-01", content)
    await root.journal.close()
    folded: list[str] = []

    async def fill(journal):
        folded.append(journal.url)
        await whole(journal)

    monkeypatch.setattr(folding, "fill", fill)
    await (await county.node("root")).journal.close()
    assert len(folded) == 1
    county.nodes.clear()
