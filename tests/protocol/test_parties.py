"""Parties after the registration: added, corrected and withdrawn one at a time, the old reading kept, each erasable by itself."""

import msgspec
import pytest

from protocol import commands as c
from protocol import views
from protocol.case import Case
from protocol.entry import Admitted
from protocol.fold import fold_case
from protocol.parties import NAMELESS
from protocol.problem import Refused
from tests.protocol.county import COUNTY, PARTIES, TABLES, TOWNSHIP, VILLAGE, County, line

THIRD = c.Party("宋木根", side="third", phone="13900009999")


def names(case: Case) -> list[str]:
    return [party.name for party in case.parties]


def correct(world: County, subject: str, id_: str, **changes: object) -> None:
    old = world.village.case(subject)
    party = msgspec.structs.replace(old.parties[old.party_ids.index(id_)], **changes)
    world.act(world.village, c.CorrectParty, subject, VILLAGE, party_id=id_, party=party, reason="身份证上是这个字")


def without_body(admitted: list[Admitted], kind: str) -> list[Admitted]:
    return [msgspec.structs.replace(one, body=None, erased=True) if one.head.kind == kind else one for one in admitted]


def test_a_party_is_added_corrected_and_withdrawn_and_every_reading_stays() -> None:
    world = County()
    subject = world.log()
    world.act(world.village, c.AddParty, subject, VILLAGE, party=THIRD)
    correct(world, subject, "p1", name="王阿庚", phone="13800000009")
    case = world.village.case(subject)
    assert names(case) == ["王阿庚", "李水生", "宋木根"]
    assert case.parties[0].phone == "13800000009"
    assert case.title == "王阿庚与李水生界址围墙纠纷", "a title made of the names goes along"
    first = case.corrections[0]
    assert (first.old.name, first.new.name, first.what) == ("王阿根", "王阿庚", ("name", "phone"))
    world.act(world.village, c.WithdrawParty, subject, VILLAGE, party_id=case.party_ids[2], reason="他只是证人")
    case = world.village.case(subject)
    assert names(case) == ["王阿庚", "李水生"] and case.corrections[-1].old.name == "宋木根" and case.corrections[-1].new is None
    assert line(case, "PartyWithdrawn").text == {"当事人": "宋木根", "原因": "他只是证人"}
    assert line(case, "DisputeLogged").text["当事人"] == "王阿根、李水生", "the registration still says what it said"
    with pytest.raises(Refused, match="不在这件里"):
        world.act(world.village, c.WithdrawParty, subject, VILLAGE, party_id="p9", reason="x")


def test_a_title_made_of_the_names_lets_go_of_who_was_withdrawn() -> None:
    world = County()
    subject = world.log()
    before = world.village.case(subject)
    assert before.title == "王阿根与李水生界址围墙纠纷"
    world.act(world.village, c.WithdrawParty, subject, VILLAGE, party_id="p2", reason="不是他家的墙")
    case = world.village.case(subject)
    assert case.title == "王阿根反映的界址围墙纠纷" and case.reviews == []
    assert [(one.field, one.reason) for one in case.corrections] == [("party", "不是他家的墙"), ("title", "不是他家的墙")]
    assert "李水生" not in str(views.rows("dispute", world.village.of(subject), TABLES)["case_row"])


@pytest.mark.parametrize(
    ("title", "third", "after"),
    [
        ("围墙倒了谁来修", "宋木根", "围墙倒了谁来修"),
        ("王阿根同宋木根家的围墙", "宋木根", "王阿根与李水生界址围墙纠纷"),
        ("李水生家的围墙", "李水", "李水生家的围墙"),  # part of a name that stays
        ("李水生和李水家的围墙", "李水", "王阿根与李水生界址围墙纠纷"),
    ],
)
def test_a_title_in_the_clerks_own_words_goes_only_where_it_has_the_name(title: str, third: str, after: str) -> None:
    world = County()
    subject = world.log(parties=[*PARTIES, c.Party(third, side="third")], title=title)
    world.act(world.village, c.WithdrawParty, subject, VILLAGE, party_id="p3", reason="只是证人")
    assert world.village.case(subject).title == after


def test_two_nodes_of_one_office_correct_two_parties_and_both_count() -> None:
    world = County()
    subject = world.log(world.county, VILLAGE, COUNTY)
    world.sync()
    for node, id_, phone in ((world.county, "p1", "13811111111"), (world.hall, "p2", "13822222222")):
        party = msgspec.structs.replace(node.case(subject).parties[int(id_[1]) - 1], phone=phone)
        world.act(node, c.CorrectParty, subject, COUNTY, party_id=id_, party=party, reason="换了号码")
    world.sync()
    for node in world.nodes:
        assert [p.phone for p in node.case(subject).parties] == ["13811111111", "13822222222"]
        assert node.case(subject).reviews == []


def test_only_the_holder_and_a_late_correction_is_set_aside() -> None:
    world = County()
    subject = world.escalated()
    with pytest.raises(Refused) as refused:
        world.act(world.township, c.AddParty, subject, TOWNSHIP, party=THIRD)
    assert refused.value.code == "not_holder"
    world.act(world.township, c.TakeUpDispute, subject, TOWNSHIP)
    world.act(world.village, c.AddParty, subject, VILLAGE, party=THIRD)
    world.sync()
    case = world.township.case(subject)
    assert names(case) == ["王阿根", "李水生"] and [r.kind for r in case.reviews] == ["PartyAdded"]
    world.act(world.township, c.DecideReview, subject, TOWNSHIP, item=case.reviews[0].item, decision="adopt")
    assert names(world.township.case(subject)) == ["王阿根", "李水生", "宋木根"]


def test_an_erased_correction_shows_neither_the_new_nor_the_old_reading() -> None:
    world = County()
    subject = world.log()
    correct(world, subject, "p1", phone="13877777777")
    world.act(world.village, c.AddParty, subject, VILLAGE, party=THIRD)
    entries = world.village.of(subject)
    case = fold_case(without_body(entries, "PartyCorrected"), TABLES)
    assert case is not None
    assert names(case) == [NAMELESS, "李水生", "宋木根"] and case.corrections[0].old is None
    case = fold_case(without_body(entries, "PartyAdded"), TABLES)
    assert case is not None and names(case)[2] == NAMELESS and case.parties[2].side == "third"
    assert "宋木根" in views.search_text("dispute", entries)
    assert "宋木根" not in views.search_text("dispute", without_body(entries, "PartyAdded"))
    erased = fold_case(without_body(without_body(entries, "PartyAdded"), "PartyCorrected"), TABLES)
    assert erased is not None and (erased.status, erased.holder, erased.seen) == (case.status, case.holder, case.seen)


def test_a_withdrawal_that_crosses_a_correction_stays_withdrawn_and_the_line_stays() -> None:
    world = County()
    subject = world.log(world.county, VILLAGE, COUNTY)
    world.sync()
    world.act(world.county, c.WithdrawParty, subject, COUNTY, party_id="p2", reason="不是他")
    party = msgspec.structs.replace(PARTIES[1], phone="13822222222")
    world.act(world.hall, c.CorrectParty, subject, COUNTY, party_id="p2", party=party, reason="换了号码")
    world.sync()
    told = {tuple(names(node.case(subject))) for node in world.nodes}
    assert told == {("王阿根",)}
    assert line(world.county.case(subject), "PartyCorrected").text["当事人"] == "李水生"


@pytest.mark.parametrize(
    ("party", "why"),
    [
        (c.Party("王阿根"), "已经登记过"),
        (c.Party("王阿根", phone="13800000001"), "已经登记过"),
        (c.Party(" "), "姓名"),
        (c.Party("丁一", side="witness"), "没有“witness”"),
        (c.Party("丁一", birth_year=19), "1970"),
    ],
)
def test_what_is_no_party_is_refused_in_words(party: c.Party, why: str) -> None:
    world = County()
    subject = world.log()
    with pytest.raises(Refused, match=why):
        world.act(world.village, c.AddParty, subject, VILLAGE, party=party)
    world.act(world.village, c.AddParty, subject, VILLAGE, party=c.Party("王阿根", phone="13999999999"))  # two of one name


def test_the_last_party_stays_and_a_correction_that_changes_nothing_is_refused() -> None:
    world = County()
    subject = world.log(parties=[PARTIES[0]])
    with pytest.raises(Refused, match="只剩这一位"):
        world.act(world.village, c.WithdrawParty, subject, VILLAGE, party_id="p1", reason="x")
    with pytest.raises(Refused, match="和原来一样"):
        world.act(world.village, c.CorrectParty, subject, VILLAGE, party_id="p1", party=PARTIES[0], reason="x")


def test_a_whole_new_list_keeps_the_ids_of_who_stays() -> None:
    world = County()
    subject = world.log()
    world.act(world.village, c.CorrectDispute, subject, VILLAGE, field="parties", value=[PARTIES[1], THIRD], reason="写错了")
    case = world.village.case(subject)
    assert case.party_ids[0] == "p2" and len(set(case.party_ids)) == 2
    correct(world, subject, "p2", address="三组 8 号")
    assert world.village.case(subject).parties[0].address == "三组 8 号"
