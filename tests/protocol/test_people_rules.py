"""Who may register persons, hand out posts, end them and erase a body."""

import pytest

from protocol.commands import EndPost, EraseBody, GivePost, IssueCode, LogDispute, Party, RegisterPerson
from protocol.events import Actor, BodyErased, PersonRegistered, PostEnded, PostGiven, ResetVouched
from protocol.people_rules import Known, decide_people, item_of
from protocol.problem import Refused
from protocol.tables import Tables

ROOT, TOWN, VILLAGE, OTHER = "330523", "330523/330523111", "330523/330523111/330523111217", "330523/330523002"
PERSON, POST = "0" * 32, "clerk.0000abcd"
TABLES = Tables.packaged()
ERASE = EraseBody(id="command-1", item=f"{VILLAGE}|nvill2222:1|7", ground="个人信息保护法第47条")


def actor(kind: str, office: str) -> Actor:
    return Actor("1" * 32, f"{kind}.00000001", office, TABLES.post_powers(kind))


def register(office: str = VILLAGE) -> RegisterPerson:
    return RegisterPerson(id="command-1", person=PERSON, office=office, name=" 章秀兰 ", phone="13800001234")


def give(post: str = POST, office: str = VILLAGE) -> GivePost:
    return GivePost(id="command-1", post=post, person=PERSON, office=office, title="调解员")


def decide(command, who: Actor, known: Known = Known()):
    return decide_people(command, who, known, TABLES)


def refusal(command, who: Actor, known: Known = Known()) -> str:
    with pytest.raises(Refused) as refused:
        decide(command, who, known)
    return refused.value.code


def test_an_admin_registers_for_the_own_office_and_below():
    for office in (TOWN, VILLAGE):
        (draft,) = decide(register(office), actor("admin", TOWN))
        assert (draft.ledger, draft.subject, draft.sort) == (office, PERSON, "person")
        assert draft.facts == PersonRegistered(TOWN, 0, ())
        assert draft.body.name == "章秀兰"
    assert refusal(register(OTHER), actor("admin", TOWN)) == "not_allowed"
    assert refusal(register(ROOT), actor("admin", TOWN)) == "not_allowed"
    assert refusal(register(VILLAGE), actor("clerk", VILLAGE)) == "not_allowed"


def test_who_stands_elsewhere_is_not_renamed_here():
    assert decide(register(), actor("admin", VILLAGE), Known((VILLAGE,)))
    assert refusal(register(), actor("admin", VILLAGE), Known((ROOT,))) == "not_allowed"


def test_a_post_needs_a_person_a_kind_and_a_number_of_its_own():
    (draft,) = decide(give(), actor("admin", VILLAGE), Known((VILLAGE,)))
    assert draft.facts == PostGiven(VILLAGE, 0, (), POST, "clerk", "")
    assert refusal(give(), actor("admin", VILLAGE)) == "field_impossible"
    assert refusal(give("king.0000abcd"), actor("admin", VILLAGE), Known((VILLAGE,))) == "field_impossible"
    assert refusal(give("clerk.1"), actor("admin", VILLAGE), Known((VILLAGE,))) == "field_impossible"
    assert refusal(give(), actor("admin", VILLAGE), Known((VILLAGE,), (PERSON, VILLAGE, "clerk"))) == "field_impossible"


def test_only_the_top_admin_makes_a_reader_of_what_is_sealed():
    post = "discipline.0000abcd"
    assert decide(give(post, ROOT), actor("admin", ROOT), Known((ROOT,)))
    assert refusal(give(post, TOWN), actor("admin", TOWN), Known((TOWN,))) == "not_allowed"
    assert refusal(give(post, ROOT), actor("operator", ROOT), Known((ROOT,))) == "not_allowed"
    assert refusal(give(post, "330523/u07"), actor("admin", "330523/u07"), Known(("330523/u07",))) == "not_allowed"
    assert refusal(give(post, ROOT), Actor(PERSON, "admin.1", ROOT, TABLES.post_powers("admin")), Known((ROOT,))) == "not_allowed", (
        "himself"
    )
    assert refusal(give("admin.0000abcd", ROOT), actor("operator", ROOT), Known((ROOT,))) == "not_allowed"
    assert decide(give("admin.0000abcd", TOWN), actor("officer", TOWN), Known((TOWN,))), "a township's own opens nothing that is sealed"


def test_a_code_is_issued_in_the_own_region_and_written_where_the_person_stands():
    command = IssueCode(id="command-1", person=PERSON, account="wangfang")
    (draft,) = decide(command, actor("officer", TOWN), Known((VILLAGE,), node="ntown2222"))
    assert (draft.ledger, draft.sort, draft.facts) == (VILLAGE, "account", ResetVouched(TOWN, 0, (), "ntown2222"))
    assert refusal(command, actor("officer", TOWN), Known((ROOT,))) == "page_unknown"
    assert refusal(command, actor("clerk", VILLAGE), Known((VILLAGE,))) == "not_allowed"
    assert refusal(command, actor("operator", ROOT), Known((ROOT,), is_guarded=True)) == "not_allowed"
    assert decide(command, actor("admin", ROOT), Known((ROOT,), is_guarded=True))


def test_the_post_of_a_reader_is_ended_by_the_admin_alone():
    command = EndPost(id="command-1", post="discipline.0000abcd", office=ROOT, reason="调离")
    assert refusal(command, actor("operator", ROOT), Known(post=(PERSON, ROOT, "discipline"))) == "not_allowed"
    assert decide(command, actor("admin", ROOT), Known(post=(PERSON, ROOT, "discipline")))


def test_a_post_is_ended_once_and_where_it_stands():
    command = EndPost(id="command-1", post=POST, office=VILLAGE, reason="换届")
    (draft,) = decide(command, actor("admin", TOWN), Known(post=(PERSON, VILLAGE, "clerk")))
    assert (draft.subject, draft.facts) == (PERSON, PostEnded(TOWN, 0, (), POST, (), (), VILLAGE))
    assert refusal(command, actor("admin", TOWN)) == "field_impossible"
    assert refusal(command, actor("admin", TOWN), Known(post=(PERSON, OTHER, "clerk"))) == "field_impossible"
    assert refusal(command, actor("admin", OTHER), Known(post=(PERSON, VILLAGE, "clerk"))) == "not_allowed"


def test_a_body_is_erased_by_who_may_and_within_reach():
    known = Known(item=("2" * 32, "DisputeLogged", VILLAGE))
    (draft,) = decide(ERASE, actor("operator", ROOT), known)
    assert (draft.ledger, draft.subject, draft.sort) == (VILLAGE, "2" * 32, "erasure")
    assert draft.facts == BodyErased(ROOT, 0, (), VILLAGE, "nvill2222:1", 7, "个人信息保护法第47条")
    assert refusal(ERASE, actor("operator", ROOT)) == "field_impossible"
    assert refusal(ERASE, actor("officer", TOWN), known) == "not_allowed"


@pytest.mark.parametrize("item", ["", "a|b", "a|b|c", "a|b|-1", "a|b|1|2", "a|b|" + "9" * 16])
def test_an_item_that_names_nothing_is_refused(item: str):
    with pytest.raises(Refused):
        item_of(EraseBody(id="command-1", item=item, ground="x"))


def test_other_commands_are_not_decided_here():
    command = LogDispute(id="command-1", ledger=VILLAGE, type="0204", account="x", parties=[Party("某")])
    with pytest.raises(TypeError):
        decide(command, actor("admin", VILLAGE))
