"""A case goes to an office that does not cover its ledger: a successor there under the same code, and the old one follows it."""

import pytest

from protocol.commands import AcceptDispute, CallUpDispute, CloseDispute, DecideReview, Party, ReturnDispute, TakeUpDispute, TransferDispute
from protocol.node.journal import rebuild
from protocol.node.listing import Narrowed
from protocol.node.statistics import Asked
from protocol.problem import Refused
from tests.node.desk_kit import OTHER_TOWN, ROOT, START_MS, TOWN, UNIT, VILLAGE, County, Node, batch_of, dispute, new_id
from tests.node.test_errands import settle

SISTER = f"{TOWN}/330523111003"
SECRET = "他们私下说过要动手"


async def transferred(county: County, shows: list[str] | None = None) -> tuple[Node, Node, Node, str, str]:
    """The township, which holds a case of its village, hands it to another township. (root, town, stranger, case, successor)"""
    root, town, stranger = [await county.node(kind) for kind in ("root", "town", "stranger")]
    for kind in ("root", "town", "stranger"):
        await root.desk.enrol_node(county.certificate(kind))
    await settle(root, town, stranger)
    parties = [Party("叶根土", phone="13800001111", id_number="330523195001010018"), Party("叶根水", side="respondent")]
    case = (await town.say(dispute(account=SECRET, parties=parties))).subject
    await town.say(AcceptDispute(id=new_id(), case=case))
    county.clock.pass_ms(86_400_000)
    shown = ["title", "parties"] if shows is None else shows
    await town.say(TransferDispute(id=new_id(), case=case, to=OTHER_TOWN, reason="田在那边", due="2026-12-31", shows=shown))
    await settle(root, town, stranger)
    old = await town.reads.case(town.actor(), case)
    return root, town, stranger, case, old.successor


async def test_the_receiver_gets_the_code_the_clocks_and_what_was_chosen(county):
    root, town, stranger, case, successor = await transferred(county)
    old = await town.reads.case(town.actor(), case)
    new = await stranger.reads.case(stranger.actor(), successor)
    assert (new.ledger, new.code, new.status, new.holder, new.offer.to) == (OTHER_TOWN, old.code, "accepted", TOWN, OTHER_TOWN)
    assert (new.logged_ms, new.accepted_ms, new.predecessor) == (old.logged_ms, old.accepted_ms, case)
    assert (new.title, new.account, [(p.name, p.phone, p.id_number) for p in new.parties]) == (
        "田埂地界",
        "",
        [("叶根土", "", ""), ("叶根水", "", "")],
    )
    assert new.offer.due == "2026-12-31"
    assert (old.status, old.holder, old.offer.kind) == ("accepted", TOWN, "transfer")  # responsible until it is taken up
    for code in (old.code,):  # both are found by it, each by whoever may see it
        assert [row.subject for row in (await town.reads.cases(town.actor(), text=code)).rows] == [case]
        assert [row.subject for row in (await stranger.reads.cases(stranger.actor(), text=code)).rows] == [successor]
        assert {row.subject for row in (await root.reads.cases(root.actor(), text=code)).rows} == {case, successor}
    assert [row.subject for row in (await stranger.reads.cases(stranger.actor(), "incoming")).rows] == [successor]
    assert (await stranger.reads.counts(stranger.actor()))["came_down"] == 0, "it is from beside, not from above"


async def counted(node: Node, holder: str) -> dict[str, int]:
    """How often the matter stands in lists and figures of this node."""
    reads, actor = node.reads, node.actor()
    asked = Asked(0, 2 * START_MS, (0, 0), ())
    lists = {name: (await reads.cases(actor, name)).total for name in ("open", "overdue", "incoming", "outgoing")}
    held = (await reads.cases(actor, "open", narrowed=Narrowed(holder=holder))).total
    spread = sum(lying.opened for lying in (await reads.spread(actor, 0, 2 * START_MS)).values())
    places = await reads.places(actor)
    assert sum(row.incoming for row in places) == lists["incoming"]
    return {
        **lists,
        "held": held,
        "spread": spread,
        "places": sum(row.open for row in places),
        "registered": (await reads.statistics.found(actor, asked)).whole.registered,
    }


async def test_on_its_way_it_is_counted_once_where_it_comes_from(county):
    root, town, stranger, case, successor = await transferred(county)
    county.clock.pass_ms(60 * 86_400_000)
    once = {"open": 1, "overdue": 1, "held": 1, "spread": 1, "places": 1, "registered": 1}
    none = dict.fromkeys(once, 0)
    assert await counted(root, TOWN) == {**once, "incoming": 0, "outgoing": 0}
    assert await counted(town, TOWN) == {**once, "incoming": 0, "outgoing": 0}
    assert await counted(stranger, OTHER_TOWN) == {**none, "incoming": 1, "outgoing": 0}
    assert (await stranger.reads.case_row(stranger.actor(), successor)).status == "coming"
    known, actor = stranger.reads.known, stranger.actor()
    assert [(one.subject, one.is_open) for one in await known.of_name(actor, "叶根土")] == [(successor, True)], "not one that is over"
    for type_ in ("02", "0204"):
        assert [one.subject for one in await known.alike(actor, OTHER_TOWN, type_, "")] == [successor], "nobody registers it once more"
    await stranger.say(TakeUpDispute(id=new_id(), case=successor))
    await settle(root, town, stranger)
    assert (await root.reads.case_row(root.actor(), case)).status == "transferred"
    assert await counted(root, OTHER_TOWN) == {**once, "incoming": 0, "outgoing": 0}
    assert await counted(stranger, OTHER_TOWN) == {**once, "incoming": 0, "outgoing": 0}


async def test_no_byte_of_the_old_ledger_reaches_the_receivers_node(county):
    _, _, stranger, case, _ = await transferred(county)
    stored = b"".join(e.head_bytes + (e.body or b"") for e in await stranger.journal.since(0, 1000))
    assert SECRET.encode() not in stored
    assert b"13800001111" not in stored
    assert b"330523195001010018" not in stored
    assert await stranger.journal.subject(case) == []
    with pytest.raises(Refused, match="case_unknown"):
        await stranger.reads.case(stranger.actor(), case)


async def test_taken_up_there_the_old_one_reads_transferred_and_follows_it(county):
    root, town, stranger, case, successor = await transferred(county)
    await stranger.say(TakeUpDispute(id=new_id(), case=successor))
    await settle(root, town, stranger)
    old = await town.reads.case(town.actor(), case)
    assert (old.status, old.offer, old.transfer.answer, old.transfer.holder) == ("transferred", None, "taken_up", OTHER_TOWN)
    with pytest.raises(Refused, match="not_now"):
        await town.say(CloseDispute(id=new_id(), case=case, ending="withdrawn", result="办了"))
    await stranger.say(CloseDispute(id=new_id(), case=successor, ending="withdrawn", result="双方撤回了"))
    await settle(root, town, stranger)
    for node in (root, town):
        old = await node.reads.case(node.actor(), case)
        assert (old.transfer.status, old.transfer.ending, old.transfer.words) == ("closed", "withdrawn", "双方撤回了")
        assert [line.kind for line in old.lines if line.set_aside] == []
    assert (await stranger.reads.case(stranger.actor(), successor)).holder == OTHER_TOWN
    for node in (root, town, stranger):
        assert await rebuild(node.journal)
        assert await node.desk.arrivals() == []


async def test_sent_back_it_goes_on_where_it_was(county):
    root, town, stranger, case, successor = await transferred(county)
    await stranger.say(ReturnDispute(id=new_id(), case=successor, reason="田不在我们这里"))
    await settle(root, town, stranger)
    old, new = await town.reads.case(town.actor(), case), await stranger.reads.case(stranger.actor(), successor)
    assert (old.status, old.holder, old.offer) == ("accepted", TOWN, None)
    assert (old.transfer.answer, old.transfer.words) == ("returned", "田不在我们这里")
    assert (new.status, new.merged_into) == ("merged", case)
    again = TransferDispute(id=new_id(), case=case, to=OTHER_TOWN, reason="再看看图", shows=[])
    await town.say(again)
    await settle(root, town, stranger)
    assert (await town.reads.case(town.actor(), case)).successor not in ("", successor)


@pytest.mark.parametrize("there", [ReturnDispute, TakeUpDispute])
async def test_called_up_meanwhile_a_return_changes_nothing_and_a_taking_up_is_looked_at(county, there):
    root, town, stranger, case, successor = await transferred(county)
    await root.say(CallUpDispute(id=new_id(), case=case, reason="县里来办"))
    told = {"reason": "田不在我们这里"} if there is ReturnDispute else {}
    await stranger.say(there(id=new_id(), case=successor, **told))
    await settle(root, town, stranger)
    for node in (root, town):
        old = await node.reads.case(node.actor(), case)
        assert (old.status, old.holder) == ("accepted", ROOT)
        assert (old.transfer.answer, len(old.reviews)) == (("returned", 0) if there is ReturnDispute else ("taken_up", 1))
        assert [line.kind for line in old.lines].count("TransferAnswered") == 1
        assert await node.desk.arrivals() == [], "told once"


async def test_called_up_meanwhile_it_is_not_taken_up_elsewhere_days_later(county):
    root, town, stranger, case, successor = await transferred(county)
    await root.say(CallUpDispute(id=new_id(), case=case, reason="县里来办"))
    await settle(root, town, stranger)
    for node in (root, stranger):
        new = await node.reads.case(node.actor(), successor)
        assert (new.status, new.merged_into, new.reviews, new.lines[-1].text) == ("merged", case, [], {"原因": "转办已经取消，不用受领。"})
    assert await counted(stranger, OTHER_TOWN) == dict.fromkeys(await counted(stranger, OTHER_TOWN), 0)
    with pytest.raises(Refused, match="no_offer"):
        await stranger.say(TakeUpDispute(id=new_id(), case=successor))
    old = await root.reads.case(root.actor(), case)
    assert (old.status, old.holder, old.reviews, old.transfer.answer) == ("accepted", ROOT, [], "returned")
    for node in (root, town, stranger):
        assert await rebuild(node.journal)
        assert await node.desk.arrivals() == []


async def test_a_transfer_that_was_called_up_before_it_was_heard_of_is_told_and_adopted(county):
    """The township, cut off, sends it to another of its villages, which takes it up; the county holds it by then."""
    root, town, stranger, _, _ = await transferred(county)
    case = (await town.say(dispute())).subject
    await settle(root, town, stranger)
    await root.say(CallUpDispute(id=new_id(), case=case, reason="县里来办"))
    await town.say(TransferDispute(id=new_id(), case=case, to=SISTER, reason="人住在那边", shows=["title"]))
    await town.desk.arrivals()
    successor, sister = (await town.reads.case(town.actor(), case)).successor, town.actor(office=SISTER)
    await town.say(TakeUpDispute(id=new_id(), case=successor), sister)
    await settle(root, town, stranger)
    old = await root.reads.case(root.actor(), case)
    assert (old.status, old.holder, [review.kind for review in old.reviews]) == (
        "logged",
        ROOT,
        ["DisputeTransferred", "TransferAnswered"],
    )
    adopt = DecideReview(id=new_id(), case=case, item=old.reviews[1].item, decision="adopt", reason="那边已经在办")
    await root.say(adopt, root.actor("operator"))
    await town.say(CloseDispute(id=new_id(), case=successor, ending="withdrawn", result="双方撤回了"), sister)
    await settle(root, town, stranger)
    for node in (root, town):
        old = await node.reads.case(node.actor(), case)
        assert (old.status, old.successor, old.transfer.words) == ("transferred", successor, "双方撤回了")
        assert await rebuild(node.journal)
        assert await node.desk.arrivals() == []


async def test_while_it_is_on_its_way_nobody_closes_it_here_or_there(county):
    _, town, _, case, successor = await transferred(county)
    for command in (ReturnDispute(id=new_id(), case=case, reason="x"), CloseDispute(id=new_id(), case=case, ending="law", result="x")):
        with pytest.raises(Refused, match="transfer_pending"):
            await town.say(command)
    with pytest.raises(Refused, match="case_unknown|ledger_not_covered"):
        await town.say(CloseDispute(id=new_id(), case=successor, ending="law", result="x"))


async def test_opened_twice_it_is_one_case(county):
    root, town, stranger, _, successor = await transferred(county)
    second = await county.node("root", epoch=2, folder="second")
    for (ledger, origin), head in (await town.journal.heads(VILLAGE)).items():
        if origin == town.signer.origin:
            await second.admission.admit(await batch_of(town, ledger, origin, 0, head.seq), town.signer.node)
    assert await second.journal.subject(successor)
    await settle(root, town, stranger, second)
    new = await stranger.reads.case(stranger.actor(), successor)
    assert len({line.head.command for line in new.lines if line.kind == "DisputeLogged"}) == 1
    assert (new.holder, new.offer.to) == (TOWN, OTHER_TOWN)


async def test_two_villages_of_one_township_on_one_computer_hand_over_like_strangers(county):
    root, town, _, _, _ = await transferred(county)
    case = (await town.say(dispute(account=SECRET))).subject
    await town.say(TransferDispute(id=new_id(), case=case, to=SISTER, reason="人住在那边", shows=["title"]))
    await settle(root, town)
    successor = (await town.reads.case(town.actor(), case)).successor
    sister = town.actor(office=SISTER)
    new = await town.reads.case(sister, successor)
    assert (new.ledger, new.account, new.offer.to, new.holder) == (SISTER, "", SISTER, TOWN)
    with pytest.raises(Refused, match="case_unknown"):
        await town.reads.case(sister, case)
    await town.say(TakeUpDispute(id=new_id(), case=successor), sister)
    await settle(root, town)
    assert (await town.reads.case(town.actor(), case)).status == "transferred"
    for node in (root, town):
        assert await rebuild(node.journal)


async def test_an_office_on_the_line_of_the_ledger_is_no_receiver(county):
    _, town, _, _, _ = await transferred(county)
    case = (await town.say(dispute())).subject
    for to in (VILLAGE, UNIT, "330523", "330523/u08"):  # below, served by the root, above, of no node
        with pytest.raises(Refused, match="not_receiver"):
            await town.say(TransferDispute(id=new_id(), case=case, to=to, reason="x", shows=[]))
