"""Tasks: the table walked completely, what crosses on the way, and folds in any order."""

from itertools import permutations
from typing import Any, Final

import msgspec
import pytest

from protocol import commands as c
from protocol import events, task, views
from protocol.case import TASK_STATUS_NAMES, Task
from protocol.entry import Admitted
from protocol.events import Actor
from protocol.fold import fold_task
from protocol.problem import Refused
from tests.protocol.county import CADRE, COUNTY, EVERYTHING, TABLES, TOWNSHIP, TOWNSHIP_2, UNIT, VILLAGE, VILLAGE_2, County, Node, actor

CADRE_ACTOR: Final = actor(TOWNSHIP, frozenset({"field"}), CADRE.person)
SENDER: Final = actor(TOWNSHIP, EVERYTHING)
CLERK: Final = actor(VILLAGE, EVERYTHING)
BLOB: Final = c.Blob("a" * 64, b"k" * 32, "签名.svg", "image/svg+xml", 900, "signature")

EVERYBODY: Final = {"AddTaskEvidence"}
TALK: Final = {"TellTask"}  # who goes and who sent him, at any time
CADRE_MAY: Final[dict[str, set[str]]] = {
    "sent": {"ConfirmTask", "DeclineTask", "ArriveTask", "ReportTask"},
    "confirmed": {"DeclineTask", "ArriveTask", "ReportTask"},
    "arrived": {"ReportTask"},
    "reported": set(),
    "declined": set(),
    "recalled": {"ArriveTask", "ReportTask"},  # the visit was made all the same
}
SENDER_MAY: Final[dict[str, set[str]]] = {
    "sent": {"RecallTask", "UrgeTask"},
    "confirmed": {"RecallTask", "UrgeTask"},
    "arrived": {"UrgeTask", "RecallTask"},
    "reported": set(),
    "declined": set(),
    "recalled": set(),
}


def ask(kind: type[c.TaskCommand], subject: str, id_: str) -> Any:
    contents: dict[type[c.TaskCommand], dict[str, Any]] = {
        c.DeclineTask: {"reason": "在县里开会"},
        c.ArriveTask: {"latitude": 30.6, "longitude": 119.6, "accuracy_m": 5.0},
        c.ReportTask: {"result": "settled", "words": "谈妥了", "photos": 2, "signatures": 1},
        c.AddTaskEvidence: {"blob": BLOB},
        c.RecallTask: {"reason": "当事人不在家"},
        c.UrgeTask: {"text": "今天能去吗"},
        c.TellTask: {"text": "户主电话打不通，改明天行吗"},
        c.DecideTaskReview: {"item": "nobody/1", "decision": "reject", "reason": "看过了"},
    }
    return kind(id=id_, task=subject, **contents.get(kind, {}))


def assigned(world: County, office: str = TOWNSHIP, **more: Any) -> str:
    node = world.township if office == TOWNSHIP else world.county
    fields = {"place": VILLAGE, "cadre": CADRE.person, "home": "ntownship", "purpose": "看现场", "due_ms": node.now_ms + 86_400_000}
    command = c.AssignTask(**({"id": world.id()} | fields | more))
    return node.do(command, actor(office, EVERYTHING), cadre=CADRE)[0].head.subject


def at_status(world: County, status: str) -> str:
    subject = assigned(world)
    way = {
        "confirmed": [c.ConfirmTask],
        "arrived": [c.ConfirmTask, c.ArriveTask],
        "reported": [c.ConfirmTask, c.ArriveTask, c.ReportTask],
        "declined": [c.DeclineTask],
    }
    for kind in way.get(status, []):
        world.township.do(ask(kind, subject, world.id()), CADRE_ACTOR)
    if status == "recalled":
        world.township.do(ask(c.RecallTask, subject, world.id()), SENDER)
    return subject


@pytest.mark.parametrize("status", TASK_STATUS_NAMES)
def test_every_command_is_taken_or_refused_as_the_page_says_and_steps_say_the_same(status: str) -> None:
    world = County()
    subject = at_status(world, status)
    world.sync()
    above = {"UrgeTask"} & SENDER_MAY[status]
    rights: list[tuple[Actor, Node, set[str]]] = [
        (CADRE_ACTOR, world.township, CADRE_MAY[status] | EVERYBODY | TALK),
        (SENDER, world.township, SENDER_MAY[status] | EVERYBODY | TALK),
        (actor(COUNTY, EVERYTHING), world.county, above | EVERYBODY),
        (CLERK, world.village, EVERYBODY),
        (actor(TOWNSHIP, frozenset({"field"}), "9" * 32), world.township, set()),
        (actor(TOWNSHIP, frozenset({"read"}), CADRE.person), world.township, set()),
        (actor(TOWNSHIP_2, EVERYTHING), world.county, set()),
    ]
    for who, node, may in rights:
        known, taken = node.task(subject), set()
        assert known.status == status
        for kind in c.TASK_COMMANDS:
            try:
                drafts = task.decide_task(known, ask(kind, subject, world.id()), who, node.context())
            except Refused:
                continue
            assert [draft.subject for draft in drafts] == [subject]
            taken.add(kind.__name__)
        assert taken == may, (who.office, taken ^ may)
        assert {step.command for step in task.steps_task(known, who, node.context())} == taken


REFUSALS: Final = [
    ("sent", c.ConfirmTask, CLERK, "task_not_yours", {}),
    ("confirmed", c.ConfirmTask, CADRE_ACTOR, "task_not_now", {}),
    ("reported", c.RecallTask, SENDER, "task_not_now", {}),
    ("sent", c.RecallTask, CLERK, "not_allowed", {}),
    ("sent", c.ConfirmTask, actor(TOWNSHIP, frozenset({"read"}), CADRE.person), "not_allowed", {}),
    ("sent", c.ConfirmTask, actor(TOWNSHIP_2), "task_unknown", {}),
    ("sent", c.ReportTask, CADRE_ACTOR, "field_impossible", {"result": "won"}),
    ("sent", c.ReportTask, CADRE_ACTOR, "field_missing", {"words": "  "}),
    ("sent", c.DeclineTask, CADRE_ACTOR, "field_missing", {"reason": " "}),
]


@pytest.mark.parametrize(("status", "kind", "who", "code", "fields"), REFUSALS)
def test_a_refusal_has_its_code(status: str, kind: type, who: Actor, code: str, fields: dict) -> None:
    world = County()
    subject = at_status(world, status)
    command = msgspec.structs.replace(ask(kind, subject, world.id()), **fields)
    everywhere = Node("neverywhere", ("330523/*",), ("330523/*",))
    with pytest.raises(Refused) as refused:
        task.decide_task(world.township.task(subject), command, who, everywhere.context())
    assert refused.value.code == code


def test_a_node_writes_only_for_offices_it_serves_and_ledgers_it_covers() -> None:
    world = County()
    subject = assigned(world)
    known, command = world.township.task(subject), ask(c.ConfirmTask, subject, world.id())
    with pytest.raises(Refused, match="not_served"):
        task.decide_task(known, command, CADRE_ACTOR, world.village.context())
    with pytest.raises(Refused, match="ledger_not_covered"):
        task.decide_task(known, command, CADRE_ACTOR, Node("nother", (TOWNSHIP,), (TOWNSHIP,)).context())
    with pytest.raises(Refused, match="task_unknown"):
        task.decide_task(None, command, CADRE_ACTOR, world.township.context())


ASSIGN_REFUSALS: Final = [
    ({"place": "330523/330523100"}, "ledger_not_covered"),
    ({"place": f"{TOWNSHIP}/330523111999"}, "field_impossible"),
    ({"cadre": "9" * 32}, "cadre_unreachable"),
    ({"due_ms": 1}, "due_past"),
    ({"purpose": " "}, "field_missing"),
    ({"case": "9" * 32}, "case_unknown"),
    ({"contacts": [c.Party(CADRE.name)]}, "cadre_is_party"),
]


@pytest.mark.parametrize(("fields", "code"), ASSIGN_REFUSALS)
def test_a_visit_is_refused_for_a_reason(fields: dict, code: str) -> None:
    world = County()
    with pytest.raises(Refused) as refused:
        assigned(world, **fields)
    assert refused.value.code == code


def test_only_the_holder_sends_a_cadre_for_its_case_and_no_party_visits_himself() -> None:
    world = County()
    subject = world.accepted()
    world.sync()
    node = world.township
    fields = {
        "id": world.id(),
        "place": VILLAGE,
        "cadre": CADRE.person,
        "home": "n",
        "purpose": "看",
        "due_ms": node.now_ms + 10**8,
        "case": subject,
    }
    with pytest.raises(Refused, match="not_holder"):
        node.do(c.AssignTask(**fields), SENDER, cadre=CADRE, cases={subject: node.case(subject)})
    world.act(node, c.CallUpDispute, subject, TOWNSHIP)
    far = msgspec.structs.replace(CADRE, home_covers=("330523/330523100/*",))
    with pytest.raises(Refused, match="cadre_unreachable"):
        node.do(c.AssignTask(**fields), SENDER, cadre=far, cases={subject: node.case(subject)})
    namesake = msgspec.structs.replace(CADRE, name="李水生")
    with pytest.raises(Refused, match="cadre_is_party"):
        node.do(c.AssignTask(**fields), SENDER, cadre=namesake, cases={subject: node.case(subject)})
    (one,) = node.do(c.AssignTask(**fields), SENDER, cadre=CADRE, cases={subject: node.case(subject)})
    found = node.task(one.head.subject)
    assert (found.ledger, found.case, found.case_code) == (VILLAGE, subject, node.case(subject).code)


def crossed() -> tuple[County, str]:
    """The county recalls while the cadre, without signal, confirms, arrives and reports at the township's node."""
    world = County()
    subject = assigned(world, COUNTY)
    world.sync()
    world.county.do(ask(c.RecallTask, subject, world.id()), actor(COUNTY, EVERYTHING))
    for kind in (c.ConfirmTask, c.ArriveTask, c.ReportTask):
        world.township.do(ask(kind, subject, world.id()), CADRE_ACTOR)
    world.sync()
    return world, subject


def test_a_report_that_crosses_a_recall_counts() -> None:
    world, subject = crossed()
    for node in world.nodes:
        found = node.task(subject)
        assert (found.status, found.result, found.words) == ("reported", "settled", "谈妥了")
        assert found.arrived_ms is not None
        assert found.recalled_ms is not None
    aside = [line.kind for line in world.county.task(subject).lines if line.set_aside]
    assert aside == ["TaskConfirmed"]


def decide_review(item: str, subject: str, id_: str, decision: str) -> c.DecideTaskReview:
    return c.DecideTaskReview(id=id_, task=subject, item=item, decision=decision, reason="看过了")


def review_of(found: Task, kind: str):
    return next(review for review in found.reviews if review.kind == kind)


def test_a_report_after_a_recall_is_kept_shown_and_reviewed_by_the_sender() -> None:
    for decision, status in (("adopt", "reported"), ("reject", "recalled")):
        world, subject = crossed()
        found = world.county.task(subject)
        assert {(r.kind, r.code, r.owner) for r in found.reviews} == {
            ("TaskConfirmed", "unfit", COUNTY),
            ("TaskReported", "crossed", COUNTY),
        }
        assert all(r.due_ms > r_known for r, r_known in ((r, found.lines[0].received_ms) for r in found.reviews))
        item = review_of(found, "TaskReported").item
        with pytest.raises(Refused, match="not_allowed"):
            world.township.do(decide_review(item, subject, world.id(), decision), SENDER)  # it was the county's task
        world.county.do(decide_review(item, subject, world.id(), decision), actor(COUNTY, EVERYTHING))
        world.sync()
        for node in world.nodes:
            found = node.task(subject)
            assert (found.status, found.words, found.result) == (status, "谈妥了", "settled")
            assert [r.kind for r in found.reviews] == ["TaskConfirmed"]
        with pytest.raises(Refused, match="review_unknown"):
            world.county.do(decide_review(item, subject, world.id(), decision), actor(COUNTY, EVERYTHING))


def test_a_recall_that_was_set_aside_counts_once_adopted() -> None:
    world = County()
    subject = assigned(world, COUNTY)
    world.sync()
    for kind in (c.ConfirmTask, c.ArriveTask):
        world.township.do(ask(kind, subject, world.id()), CADRE_ACTOR)
    for _ in range(3):
        world.county.do(ask(c.UrgeTask, subject, world.id()), actor(COUNTY, EVERYTHING))
    world.county.do(ask(c.RecallTask, subject, world.id()), actor(COUNTY, EVERYTHING))
    world.sync()
    item = review_of(world.county.task(subject), "TaskRecalled").item
    world.county.do(decide_review(item, subject, world.id(), "adopt"), actor(COUNTY, EVERYTHING))
    found = world.county.task(subject)
    assert (found.status, found.reviews, found.recalled_ms is not None) == ("recalled", [], True)
    assert next(line for line in found.lines if line.kind == "TaskRecalled").text["核对"] == "采纳"


def test_who_does_a_task_is_not_changed_by_a_review() -> None:
    world = County()
    subject = assigned(world)
    head = world.township.of(subject)[0].head
    packed = msgspec.Raw(msgspec.msgpack.encode(events.TaskAssigned(COUNTY, 0, (), "", "visit", "x", "n", "", 1)))
    made = msgspec.structs.replace(head, seq=7, origin="ncountyaa:1", turn=9, facts=packed)
    world.township.entries[VILLAGE, "ncountyaa:1", 7] = Admitted(made, None, 1)
    (review,) = world.township.task(subject).reviews
    with pytest.raises(Refused, match="另派一次"):
        world.township.do(decide_review(review.item, subject, world.id(), "adopt"), SENDER)
    world.township.do(decide_review(review.item, subject, world.id(), "reject"), SENDER)
    assert world.township.task(subject).reviews == []


def test_a_recall_that_comes_after_the_arrival_is_set_aside() -> None:
    world = County()
    subject = assigned(world, COUNTY)
    world.sync()
    for kind in (c.ConfirmTask, c.ArriveTask):
        world.township.do(ask(kind, subject, world.id()), CADRE_ACTOR)
    for _ in range(3):
        world.county.do(ask(c.UrgeTask, subject, world.id()), actor(COUNTY, EVERYTHING))
    world.county.do(ask(c.RecallTask, subject, world.id()), actor(COUNTY, EVERYTHING))
    world.sync()
    found = world.township.task(subject)
    assert (found.status, found.recalled_ms) == ("arrived", None)
    assert [line.set_aside for line in found.lines if line.set_aside] == ["任务当时是“已到场”，这一条没有改变任务的状态。"]


def carried_twice(world: County) -> str:
    """A linked task that the village arrived at; two nodes carry its recall, the second one of which has heard so."""
    made = events.TaskAssigned("", 0, (), "", "visit", "", "", VILLAGE, world.county.now_ms + 86_400_000, VILLAGE, "", "r" * 32, TOWNSHIP_2)
    subject = world.county.write([events.Draft(VILLAGE, "1" * 32, "task", made)], "link")[0].head.subject
    world.sync()

    def carry(node: Node, urges: int) -> None:
        node.write([events.Draft(VILLAGE, subject, "task", events.TaskUrged("", 0, ())) for _ in range(urges)], f"urge {node.origin}")
        seen = tuple(sorted(node.task(subject).seen.items()))
        node.write([events.Draft(VILLAGE, subject, "task", events.TaskRecalled("", 0, seen))], "recall")

    for kind in (c.ConfirmTask, c.ArriveTask):
        world.village.do(ask(kind, subject, world.id()), actor(VILLAGE, EVERYTHING))
    carry(world.county, 3)
    world.hall.pull(world.village)
    carry(world.hall, 6)
    return subject


def test_a_carried_recall_that_was_set_aside_counts_by_the_node_that_knew_more_and_leaves_no_review() -> None:
    world = County()
    subject = carried_twice(world)
    world.village.pull(world.county)
    found = world.village.task(subject)
    assert (found.status, [review.kind for review in found.reviews]) == ("arrived", ["TaskRecalled"])
    world.sync()
    found = world.village.task(subject)
    assert (found.status, found.reviews) == ("recalled", [])
    assert {(line.set_aside, line.prevailed) for line in found.lines} == {("", None)}
    assert [line.kind for line in found.lines].count("TaskRecalled") == 2


def test_a_carried_recall_that_was_rejected_counts_by_no_other_node() -> None:
    world = County()
    subject = carried_twice(world)
    world.village.pull(world.county)
    item = world.village.task(subject).reviews[0].item
    decided = decide_review(item, subject, world.id(), "reject")
    world.village.do(decided, actor(VILLAGE, EVERYTHING))
    world.sync()
    found = world.village.task(subject)
    assert (found.status, found.reviews) == ("arrived", [])


def test_who_knows_of_the_arrival_may_recall_and_a_report_that_still_comes_is_reviewed() -> None:
    """He who went may have left his post for good: without it nobody could end the visit."""
    world = County()
    subject = at_status(world, "arrived")
    world.township.do(ask(c.RecallTask, subject, world.id()), SENDER)
    found = world.township.task(subject)
    assert (found.status, found.reviews) == ("recalled", [])
    world.township.do(ask(c.ReportTask, subject, world.id()), CADRE_ACTOR)
    world.sync()
    for node in (world.township, world.county):
        found = node.task(subject)
        assert (found.status, [review.owner for review in found.reviews]) == ("reported", [TOWNSHIP])


def test_a_task_folds_alike_in_any_order_and_without_bodies() -> None:
    world, subject = crossed()
    entries = world.county.of(subject)
    told = msgspec.msgpack.encode(fold_task(entries, TABLES))
    assert all(msgspec.msgpack.encode(fold_task(mixed, TABLES)) == told for mixed in permutations(entries))
    bare = fold_task([msgspec.structs.replace(one, body=None, erased=True) for one in entries], TABLES)
    full = fold_task(entries, TABLES)
    for name in ("status", "cadre", "home", "unit", "case", "due_ms", "assigned_ms", "confirmed_ms", "arrived_ms", "reported_ms", "result"):
        assert getattr(bare, name) == getattr(full, name)
    assert (bare.purpose, bare.words, bare.latitude, bare.contacts) == ("", "", None, [])


def test_what_a_stranger_writes_into_a_task_changes_nothing() -> None:
    world = County()
    subject = assigned(world)
    head = world.township.of(subject)[0].head

    def strange(facts: events.Facts, seq: int) -> Admitted:
        packed = msgspec.Raw(msgspec.msgpack.encode(facts))
        made = msgspec.structs.replace(head, seq=seq, origin="nx:1", turn=9, author=("x", "y"), kind=type(facts).__name__, facts=packed)
        return Admitted(made, None, 1)

    entries = [
        *world.township.of(subject),
        strange(events.TaskReported("330523/330523100", 0, (), "settled", 0, 0), 1),
        strange(events.TaskRecalled(VILLAGE, 0, ()), 2),
        strange(events.TaskAssigned(COUNTY, 0, (), "", "visit", "x", "n", "", 1), 3),
    ]
    found = fold_task(entries, TABLES)
    assert (found.status, found.cadre, len([line for line in found.lines if line.set_aside])) == ("sent", CADRE.person, 3)
    waits = strange(events.TaskReported(TOWNSHIP, 0, (("ngone:1", 7),), "settled", 0, 0), 4)
    assert [line.key for line in fold_task([*entries, waits], TABLES).lines if line.waiting] == [("nx:1", 4)]


def test_a_second_arrival_keeps_the_time_of_the_first() -> None:
    world = County()
    subject = at_status(world, "recalled")
    for latitude in (30.1, 30.2):
        command = msgspec.structs.replace(ask(c.ArriveTask, subject, world.id()), latitude=latitude)
        world.township.do(command, CADRE_ACTOR)
    found = world.township.task(subject)
    first = next(line for line in found.lines if line.kind == "CadreArrived")
    assert (found.status, found.arrived_ms, found.latitude) == ("recalled", first.at_ms, 30.1)


def test_entries_in_another_ledger_are_no_part_of_the_task() -> None:
    world = County()
    subject = at_status(world, "confirmed")
    stray = [msgspec.structs.replace(one.head, ledger=TOWNSHIP, seq=9) for one in world.township.of(subject)][1]
    found = fold_task([*world.township.of(subject), Admitted(stray, None, 1)], TABLES)
    assert len(found.lines) == 2


def test_an_office_sends_cadres_only_into_its_own_region() -> None:
    world = County()
    fields = {"place": VILLAGE, "cadre": CADRE.person, "home": "n", "purpose": "看", "due_ms": world.township.now_ms + 10**8}
    with pytest.raises(Refused, match="ledger_not_covered"):
        world.township.do(c.AssignTask(id=world.id(), **fields), actor(VILLAGE_2, EVERYTHING), cadre=CADRE)


def test_a_revoked_phone_home_reports_into_the_void() -> None:
    world = County()
    subject = at_status(world, "confirmed")
    world.township.do(ask(c.ReportTask, subject, world.id()), CADRE_ACTOR)
    seqs = [one.head.seq for one in world.township.of(subject)]
    found = fold_task(world.township.of(subject), TABLES, {(VILLAGE, "ntownship:1"): seqs[1]})
    assert found.status == "confirmed"
    assert "停用" in found.lines[-1].set_aside


def test_a_unit_answers_its_task_to_join() -> None:
    world = County()
    subject = world.log(world.county, VILLAGE, COUNTY)
    world.act(world.county, c.ConveneUnits, subject, COUNTY, units=[UNIT], due="2026-03-20")
    (joined,) = [one for one in world.county.entries.values() if one.head.sort == "task"]
    node, person = world.county, actor(UNIT)
    found = node.task(joined.head.subject)
    assert (found.purpose_kind, found.unit, found.ledger, found.case, found.due_ms) == ("join", UNIT, UNIT, subject, 1774022400000 - 1)
    with pytest.raises(Refused, match="task_not_yours"):
        node.do(ask(c.ConfirmTask, found.id, world.id()), actor(COUNTY, EVERYTHING))
    for kind in (c.ConfirmTask, c.ArriveTask, c.ReportTask):
        node.do(ask(kind, found.id, world.id()), person)
    assert node.task(found.id).status == "reported"


def test_a_township_that_does_not_cover_the_units_ledger_puts_the_task_beside_the_case() -> None:
    world = County()
    subject = world.log(world.township, VILLAGE, TOWNSHIP)
    world.act(world.township, c.ConveneUnits, subject, TOWNSHIP, units=[UNIT])
    (joined,) = [one for one in world.township.entries.values() if one.head.sort == "task"]
    assert joined.head.ledger == VILLAGE


def test_the_diagram_of_a_task_shows_what_the_table_says() -> None:
    diagram = task.mermaid()
    assert "    sent --> confirmed: 接单\n" in diagram
    assert "    recalled --> reported: 反馈\n" in diagram
    assert "recalled --> recalled" not in diagram


def test_a_question_waits_from_its_first_word_until_the_one_who_sent_him_answers() -> None:
    world = County()
    subject = assigned(world)

    def waits() -> int | None:
        entries = world.township.of(subject)
        found = [views.rows("task", some, TABLES)["task_row"][0]["asked_ms"] for some in (entries, entries[::-1])]
        bare = [msgspec.structs.replace(one, body=None) for one in entries]  # erased words wait as long
        assert {fold_task(bare, TABLES).asked_ms, *found} == {found[0]}  # type: ignore[union-attr]
        return found[0]

    def tell(who: Actor) -> int:
        world.township.do(ask(c.TellTask, subject, world.id()), who)
        return world.township.task(subject).lines[-1].at_ms

    assert waits() is None
    first = tell(CADRE_ACTOR)
    assert (tell(CADRE_ACTOR) > first, waits()) == (True, first)
    world.township.do(ask(c.UrgeTask, subject, world.id()), SENDER)
    assert waits() == first  # to be urged is no answer
    tell(SENDER)
    assert waits() is None
    assert tell(CADRE_ACTOR) == waits()
    tell(SENDER)
    tell(SENDER)
    assert waits() is None
