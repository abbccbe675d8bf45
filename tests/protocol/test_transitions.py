"""The transition table walked completely: every status × offer × who × command, against what this page says in words."""

import itertools
from typing import Final

import pytest

from protocol import commands as c
from protocol import dispute
from protocol.case import OPEN, STATUS_NAMES, key_text
from protocol.events import EVENTS, Draft, TransferAnswered
from protocol.problem import Refused
from protocol.words import COMMAND_NAMES, EVENT_NAMES
from tests.protocol.county import (
    CADRE,
    COUNTY,
    EVERYTHING,
    FAR,
    TABLES,
    TOWNSHIP,
    TOWNSHIP_2,
    VILLAGE,
    VILLAGE_2,
    County,
    Node,
    actor,
    ask,
)

COMMANDS: Final = (*c.CASE_COMMANDS, c.AssignTask)

EVERYBODY: Final = {"AddNote", "AddEvidence"}
PARTY: Final = {"AddParty", "CorrectParty", "WithdrawParty"}
ALWAYS_WHILE_OPEN: Final = PARTY | {
    "RemoveDispute",
    "CorrectDispute",
    "NameHandler",
    "ConveneUnits",
    "AssignTask",
    "RequestTask",
    "SetRisk",
}
ENDS_OR_LEAVES: Final = {
    "EscalateDispute",
    "HandDownDispute",
    "TransferDispute",
    "CloseDispute",
    "MergeDispute",
}  # not while an offer is pending
HOLDER_MAY: Final[dict[str, set[str]]] = {
    "logged": ALWAYS_WHILE_OPEN | ENDS_OR_LEAVES | {"VoidDispute", "AcceptDispute", "DeclineDispute"},
    "accepted": ALWAYS_WHILE_OPEN | ENDS_OR_LEAVES | {"RecordMediation", "SignAgreement", "EndMediation"},
    "mediating": ALWAYS_WHILE_OPEN | ENDS_OR_LEAVES | {"RecordMediation", "SignAgreement", "EndMediation"},
    "agreed": ALWAYS_WHILE_OPEN | ENDS_OR_LEAVES | {"RecordFollowUp"},
    "ended": ALWAYS_WHILE_OPEN | ENDS_OR_LEAVES | {"ReopenDispute"},
    "closed": PARTY
    | {
        "CorrectDispute",
        "NameHandler",
        "AssignTask",
        "RequestTask",
        "SetRisk",
        "ReopenDispute",
        "RecordFollowUp",
        "ArchiveDispute",
    },
    "archived": {"ReopenDispute"},
    "declined": PARTY | {"CorrectDispute", "ReopenDispute", "ArchiveDispute"},
    "voided": set(),
    "merged": {"ReopenDispute"},
    "transferred": set(),
}
NOT_WHILE_OFFERED: Final = ENDS_OR_LEAVES | {"VoidDispute", "DeclineDispute"}


def expected(status: str, offered_to: str, office: str) -> set[str]:
    """The holder is the township; the county stands above it; the village is the case's place and follows up."""
    may = set(EVERYBODY)
    if office != VILLAGE:
        may.add("WriteOpinion")
    if office == TOWNSHIP:
        may |= HOLDER_MAY[status]
        if offered_to:
            may = may - NOT_WHILE_OFFERED | {"ReturnDispute"}
    if office == COUNTY and status in (*OPEN, "closed"):
        may |= {"SetRisk", "GiveInstruction", "CallUpDispute"}
    if office == COUNTY and status in OPEN:
        may |= {"UrgeDispute"}
    if office == VILLAGE and status in ("agreed", "closed"):
        may |= {"RecordFollowUp"}
    if offered_to == office:
        may |= {"TakeUpDispute", "ReturnDispute"}
    return may


def at_status(world: County, status: str, offered_to: str) -> str:
    """A case of the village that the township registered and holds, brought to the status by commands."""
    subject = world.log(world.township, VILLAGE, TOWNSHIP)

    def act(kind: type[c.CaseCommand], **fields: object) -> None:
        world.act(world.township, kind, subject, TOWNSHIP, **fields)

    if status not in ("logged", "declined", "voided", "merged"):
        act(c.AcceptDispute)
    if status in ("mediating", "agreed"):
        act(c.RecordMediation)
    if status in ("agreed", "closed", "archived"):
        act(c.SignAgreement, due=[], follow_up_by=VILLAGE)
    if status in ("closed", "archived"):
        act(c.CloseDispute)
    last = {"archived": c.ArchiveDispute, "declined": c.DeclineDispute, "voided": c.VoidDispute, "ended": c.EndMediation}.get(status)
    if last:
        act(last)
    if status == "merged":
        other = world.log(world.township, VILLAGE, TOWNSHIP)
        cases = {other: world.township.case(other)}
        command = ask(c.MergeDispute, subject, world.id(), None, "", {"into": other})
        world.township.do(command, actor(TOWNSHIP), cases=cases)
    if status == "transferred":
        act(c.TransferDispute)
        case = world.township.case(subject)
        taken = TransferAnswered("", case.term, (), key_text(case.offer.key), "taken_up", "logged", "", FAR, 1)
        world.township.write([Draft(case.ledger, subject, "dispute", taken)], "told")
    if offered_to == COUNTY:
        act(c.EscalateDispute)
    if offered_to == VILLAGE:
        act(c.HandDownDispute, to=VILLAGE)
    return subject


def node_of(world: County, office: str) -> Node:
    return {COUNTY: world.county, TOWNSHIP: world.township, VILLAGE: world.village}[office]


STATES: Final = [(status, to) for status in STATUS_NAMES for to in ("", COUNTY, VILLAGE) if not to or status in OPEN]


@pytest.mark.parametrize(("status", "offered_to"), STATES)
def test_every_command_is_taken_or_refused_as_the_page_says_and_steps_say_the_same(status: str, offered_to: str) -> None:
    world = County()
    subject = at_status(world, status, offered_to)
    other = world.log(world.township, VILLAGE, TOWNSHIP)
    world.sync()
    for office in (TOWNSHIP, COUNTY, VILLAGE):
        node = node_of(world, office)
        case = node.case(subject)
        assert case.status == status
        who = actor(office, EVERYTHING)
        context = node.context(cadre=CADRE, cases={other: node.case(other)})
        taken: set[str] = set()
        refused_as: dict[str, int] = {}
        for kind in COMMANDS:
            if kind is c.AssignTask:
                command: c.Command = c.AssignTask(
                    id=world.id(), place=VILLAGE, cadre=CADRE.person, home="n2", purpose="看现场", due_ms=node.now_ms + 1, case=subject
                )
            else:
                command = ask(kind, subject, world.id(), case, office, {"into": other} if kind is c.MergeDispute else {})
            try:
                drafts = dispute.decide(case, command, who, context)
            except Refused as refused:
                refused_as[kind.__name__] = refused.status
                continue
            assert drafts
            taken.add(kind.__name__)
        assert set(refused_as.values()) <= {403, 409}, refused_as  # never because of the contents
        assert taken == expected(status, offered_to, office), (office, taken ^ expected(status, offered_to, office))
        offered = {step.command: step.label for step in dispute.steps(case, who, context)}
        assert offered.keys() == taken and dispute.labels(case, who, context) == offered


@pytest.mark.parametrize("kind", COMMANDS)
def test_each_power_opens_its_commands_and_no_others(kind: type[c.Command]) -> None:
    world = County()
    row = dispute.BY_COMMAND[kind.__name__]
    status = "closed" if kind is c.ArchiveDispute else next(iter(row.moves))
    offered = COUNTY if row.offer == dispute.PENDING else ""
    held = dict.fromkeys((dispute.HOLDER, dispute.KEEPER), TOWNSHIP)
    office = {**held, dispute.OFFERED: COUNTY, dispute.ABOVE: COUNTY, dispute.COVERS: VILLAGE, dispute.APART: COUNTY}[row.who[0]]
    subject = at_status(world, status, offered)
    if kind is c.DecideReview:
        world.hall.pull(world.township)
        world.act(world.hall, c.CallUpDispute, subject, COUNTY)
        world.act(world.township, c.NameHandler, subject, TOWNSHIP)
        office = COUNTY
    world.sync()
    node = node_of(world, office)
    case, context = node.case(subject), node.context()
    with_it = {step.command for step in dispute.steps(case, actor(office, EVERYTHING), context)}
    without = {step.command for step in dispute.steps(case, actor(office, EVERYTHING - {row.power}), context)}
    only = {step.command for step in dispute.steps(case, actor(office, frozenset({row.power})), context)}
    assert kind.__name__ in with_it & only
    assert kind.__name__ not in without


def test_whoever_may_not_see_a_case_learns_nothing_of_it() -> None:
    world = County()
    subject = at_status(world, "mediating", "")
    case, stranger = world.township.case(subject), actor(TOWNSHIP_2, EVERYTHING)
    for kind in c.CASE_COMMANDS:
        with pytest.raises(Refused, match="case_unknown"):
            dispute.decide(case, ask(kind, subject, world.id(), case), stranger, world.township.context())
    assert dispute.steps(case, stranger, world.township.context()) == []
    assert dispute.steps(case, actor(TOWNSHIP, frozenset({"field"})), world.township.context()) == []


def test_a_node_writes_only_for_offices_it_serves_into_ledgers_it_covers() -> None:
    world = County()
    subject = at_status(world, "mediating", "")
    case = world.township.case(subject)
    note = ask(c.AddNote, subject, world.id(), case)
    with pytest.raises(Refused, match="not_served"):
        dispute.decide(case, note, actor(COUNTY), world.township.context())
    elsewhere = Node("nother", (TOWNSHIP,), (VILLAGE_2,))
    with pytest.raises(Refused, match="ledger_not_covered"):
        dispute.decide(case, note, actor(TOWNSHIP), elsewhere.context())


REFUSALS: Final = [
    (c.EscalateDispute, TOWNSHIP, {"to": TOWNSHIP}, "same_office", ""),
    (c.EscalateDispute, TOWNSHIP, {"to": VILLAGE}, "not_above", ""),
    (c.EscalateDispute, TOWNSHIP, {}, "offer_pending", COUNTY),
    (c.HandDownDispute, TOWNSHIP, {"to": TOWNSHIP}, "same_office", ""),
    (c.HandDownDispute, TOWNSHIP, {"to": VILLAGE_2}, "not_below", ""),  # it does not cover the ledger of the case
    (c.HandDownDispute, TOWNSHIP, {"to": COUNTY}, "not_below", ""),
    (c.HandDownDispute, TOWNSHIP, {"due": "2026-03-15"}, "due_past", ""),
    (c.TakeUpDispute, COUNTY, {}, "no_offer", ""),
    (c.TakeUpDispute, TOWNSHIP, {}, "no_offer", COUNTY),  # offered to another office
    (c.ReturnDispute, TOWNSHIP, {}, "no_offer", ""),
    (c.ReturnDispute, VILLAGE, {}, "not_holder", COUNTY),
    (c.AcceptDispute, TOWNSHIP, {}, "not_now", ""),
    (c.SignAgreement, VILLAGE, {}, "not_holder", ""),
    (c.UrgeDispute, TOWNSHIP, {}, "only_above", ""),
    (c.UrgeDispute, COUNTY, {"due": "2026-03-01"}, "due_past", ""),
    (c.CloseDispute, TOWNSHIP, {}, "offer_open", COUNTY),
    (c.CloseDispute, TOWNSHIP, {"ending": "agreement"}, "ending_unfit", ""),
    (c.CloseDispute, TOWNSHIP, {"ending": "magic"}, "field_impossible", ""),
    (c.VoidDispute, TOWNSHIP, {}, "not_now", ""),
    (c.SignAgreement, TOWNSHIP, {"due": ["2026-02-30"]}, "field_impossible", ""),
    (c.SignAgreement, TOWNSHIP, {"due": ["2026-03-15"]}, "due_past", ""),
    (c.SignAgreement, TOWNSHIP, {"follow_up_by": VILLAGE_2}, "field_impossible", ""),
    (c.SignAgreement, TOWNSHIP, {"form": "secret"}, "field_impossible", ""),
    (c.SignAgreement, TOWNSHIP, {"terms": ["  "]}, "field_missing", ""),
    (c.SignAgreement, TOWNSHIP, {"signed_ms": 4_000_000_000_000}, "field_impossible", ""),
    (c.RecordMediation, TOWNSHIP, {"result": "won"}, "field_impossible", ""),
    (c.RecordMediation, TOWNSHIP, {"account": " "}, "field_missing", ""),
    (c.ConveneUnits, TOWNSHIP, {"units": [TOWNSHIP]}, "field_impossible", ""),
    (c.ConveneUnits, TOWNSHIP, {"units": ["330523/u99"]}, "field_impossible", ""),
    (c.ConveneUnits, TOWNSHIP, {"when_ms": 1}, "field_impossible", ""),
    (c.CorrectDispute, TOWNSHIP, {"field": "code"}, "field_impossible", ""),
    (c.CorrectDispute, TOWNSHIP, {"field": "headcount", "value": 0}, "field_impossible", ""),
    (c.CorrectDispute, TOWNSHIP, {"field": "headcount", "value": 2}, "field_impossible", ""),  # as it is
    (c.CorrectDispute, TOWNSHIP, {"field": "type", "value": "2201"}, "sealed_type", ""),
    (c.CorrectDispute, TOWNSHIP, {"field": "type", "value": "0299"}, "type_unknown", ""),
    (c.CorrectDispute, TOWNSHIP, {"field": "title", "value": "长" * 101}, "text_too_long", ""),
    (c.CorrectDispute, TOWNSHIP, {"field": "amount_fen", "value": "many"}, "field_impossible", ""),
    (c.NameHandler, TOWNSHIP, {"person": " "}, "field_missing", ""),
    (c.SetRisk, TOWNSHIP, {"risk": "green"}, "field_impossible", ""),
    (c.SetRisk, TOWNSHIP, {"risk": "blue"}, "field_impossible", ""),
    (c.MergeDispute, TOWNSHIP, {"into": "9" * 32}, "case_unknown", ""),
    (c.DecideReview, TOWNSHIP, {}, "review_unknown", ""),
    (c.RecordFollowUp, VILLAGE, {}, "not_holder", ""),
    (c.AddNote, VILLAGE, {"text": " "}, "field_missing", ""),
]


@pytest.mark.parametrize(("kind", "office", "fields", "code", "offered_to"), REFUSALS)
def test_a_refusal_has_a_code_and_a_sentence_without_gaps(kind: type, office: str, fields: dict, code: str, offered_to: str) -> None:
    world = County()
    subject = at_status(world, "mediating", offered_to)
    world.sync()
    node = node_of(world, office)
    with pytest.raises(Refused) as refused:
        node.do(ask(kind, subject, world.id(), node.case(subject), office, fields), actor(office, EVERYTHING))
    assert refused.value.code == code
    assert "{" not in refused.value.sentence
    assert refused.value.sentence.endswith("。")


def test_the_top_has_nothing_above_and_a_village_nothing_below() -> None:
    world = County()
    below = world.accepted()
    top = world.log(world.county, "330523", COUNTY)
    may = {step.command for step in dispute.steps(world.village.case(below), actor(VILLAGE, EVERYTHING), world.village.context())}
    assert "EscalateDispute" in may
    assert "HandDownDispute" not in may
    case = world.county.case(top)
    may = {step.command for step in dispute.steps(case, actor(COUNTY, EVERYTHING), world.county.context())}
    assert "EscalateDispute" not in may
    assert "HandDownDispute" in may  # to units
    assert dispute.receivers_down(COUNTY, COUNTY, TABLES) == TABLES.units_of(COUNTY)
    with pytest.raises(Refused, match="not_above"):
        world.act(world.county, c.EscalateDispute, top, COUNTY)
    with pytest.raises(Refused, match="not_below"):
        world.act(world.village, c.HandDownDispute, below, VILLAGE)


def test_voiding_is_for_slips_only() -> None:
    world = County()
    subject = world.log()
    world.act(world.village, c.CorrectDispute, subject, VILLAGE)
    world.act(world.village, c.AddNote, subject, VILLAGE)
    world.act(world.village, c.EscalateDispute, subject, VILLAGE, to=TOWNSHIP)
    world.act(world.village, c.ReturnDispute, subject, VILLAGE)
    with pytest.raises(Refused, match="void_too_late"):
        world.act(world.village, c.VoidDispute, subject, VILLAGE)
    slip = world.log()
    world.act(world.village, c.VoidDispute, slip, VILLAGE)
    assert world.village.case(slip).status == "voided"


def test_archiving_waits_for_the_last_follow_up() -> None:
    world = County()
    subject = world.accepted()
    world.act(world.village, c.SignAgreement, subject, VILLAGE, due=["2026-03-20", "2026-03-31"])
    world.act(world.village, c.CloseDispute, subject, VILLAGE)
    with pytest.raises(Refused, match=r"2026-03-31"):
        world.act(world.village, c.ArchiveDispute, subject, VILLAGE)
    world.act(world.village, c.RecordFollowUp, subject, VILLAGE)  # before the last day of performance: not the last one
    world.village.now_ms += 16 * 24 * 3_600_000
    with pytest.raises(Refused, match="follow_up_outstanding"):
        world.act(world.village, c.ArchiveDispute, subject, VILLAGE)
    world.act(world.village, c.RecordFollowUp, subject, VILLAGE)
    world.act(world.village, c.ArchiveDispute, subject, VILLAGE, retention="30")
    case = world.village.case(subject)
    assert (case.status, case.retention) == ("archived", "30")


def test_a_case_that_was_never_accepted_reopens_as_logged() -> None:
    for end, fields in ((c.CloseDispute, {"ending": "withdrawn"}), (c.DeclineDispute, {})):
        world = County()
        subject = world.log()
        world.act(world.village, end, subject, VILLAGE, **fields)
        world.act(world.village, c.ReopenDispute, subject, VILLAGE)
        assert world.village.case(subject).status == "logged"


LOG_REFUSALS: Final = [
    ({"type": "2201"}, "sealed_type"),
    ({"type": "22"}, "sealed_type"),
    ({"type": "0299"}, "type_unknown"),
    ({"ledger": VILLAGE_2}, "ledger_not_covered"),
    ({"ledger": TOWNSHIP}, "ledger_not_covered"),
    ({"ledger": "_"}, "ledger_not_covered"),
    ({"account": "  "}, "field_missing"),
    ({"parties": [c.Party(" ")]}, "field_missing"),
    ({"intake": "pigeon"}, "field_impossible"),
    ({"risk": "purple"}, "field_impossible"),
    ({"happened_ms": 4_000_000_000_000}, "field_impossible"),
]


@pytest.mark.parametrize(("fields", "code"), LOG_REFUSALS)
def test_a_registration_with_a_slip_is_refused(fields: dict, code: str) -> None:
    world = County()
    with pytest.raises(Refused) as refused:
        world.log(world.village, **({"office": VILLAGE} | fields))
    assert refused.value.code == code
    assert world.village.entries == {}


def test_a_place_that_does_not_exist_gets_no_ledger() -> None:
    world = County()
    with pytest.raises(Refused, match="辖区不对"):
        world.log(world.township, f"{TOWNSHIP}/330523111999", TOWNSHIP)


def test_a_window_registers_for_the_whole_county() -> None:
    world = County()
    subject = world.log(world.hall, VILLAGE, "330523/u04")
    case = world.hall.case(subject)
    assert (case.holder, case.ledger, case.logged_office) == ("330523/u04", VILLAGE, "330523/u04")


def test_the_same_command_decided_twice_leads_to_the_same_ids() -> None:
    world = County()
    subject = world.accepted()
    case, context = world.village.case(subject), world.village.context()
    command = ask(c.ConveneUnits, subject, "command-twice", case)
    first, second = (dispute.decide(case, command, actor(VILLAGE, EVERYTHING), context) for _ in range(2))
    assert [draft.subject for draft in first] == [draft.subject for draft in second]
    assert len({draft.subject for draft in first}) == len(first) == 2


def test_what_starts_a_case_needs_the_power_to_log() -> None:
    world = County()
    assert [s.command for s in dispute.steps(None, actor(VILLAGE), world.village.context())] == ["LogDispute", "SealDispute"]
    assert dispute.steps(None, actor(VILLAGE, frozenset({"read"})), world.village.context()) == []
    assert dispute.steps(None, actor(TOWNSHIP), world.village.context()) == []


def test_every_event_and_command_has_a_name_and_a_row() -> None:
    assert set(EVENTS) <= set(EVENT_NAMES)
    assert {kind.__name__ for kind in COMMANDS} == set(dispute.BY_COMMAND)
    commands = {name for name, kind in vars(c).items() if isinstance(kind, type) and issubclass(kind, c.Command) and name in COMMAND_NAMES}
    assert {k.__name__ for k in (*c.CASE_COMMANDS, *c.TASK_COMMANDS)} <= commands
    assert {row.event for row in dispute.TABLE if row.event} == {kind for kind in EVENTS if kind in _OF_A_CASE}
    for row, status in itertools.product(dispute.TABLE, STATUS_NAMES):
        assert set(row.moves.get(status, status).split("|")) <= set(STATUS_NAMES)


_OF_A_CASE: Final = set(itertools.takewhile(lambda kind: kind != "TaskAssigned", EVENTS))


def test_the_diagram_shows_what_the_table_says() -> None:
    diagram = dispute.mermaid()
    assert diagram.startswith("stateDiagram-v2\n")
    assert "    logged --> accepted: 受理\n" in diagram
    assert "    closed --> accepted: 重开\n" in diagram
    assert "    closed --> logged: 重开\n" in diagram
    assert all(f"    {status}: {name}\n" in diagram for status, name in STATUS_NAMES.items())


def test_a_step_says_what_will_happen_to_whom() -> None:
    world = County()
    subject = world.escalated()
    steps = {s.command: s for s in dispute.steps(world.township.case(subject), actor(TOWNSHIP), world.township.context())}
    assert (
        steps["TakeUpDispute"].sentence == "长合社区人民调解委员会送来；受领后由天子湖镇综治中心负责，长合社区人民调解委员会不能再改结果。"
    )
    mine = {s.command: s for s in dispute.steps(world.village.case(subject), actor(VILLAGE), world.village.context())}
    assert mine["ReturnDispute"].label == "撤回"
