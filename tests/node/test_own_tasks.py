"""What waits for the office itself among tasks: what it was asked and has not answered, and visits on which something was set aside."""

import msgspec
import pytest

from protocol.calendar import DAY_MS
from protocol.commands import AssignTask, ConfirmTask, ConveneUnits, DecideTaskReview, RecallTask, ReportTask, RequestTask
from protocol.events import Actor
from protocol.node import listing, reviewing
from protocol.node.errands import linked_id
from protocol.node.journal.rows import named
from tests.node.desk_kit import OTHER_TOWN, UNIT, VILLAGE, County, Node, add_person, dispute, exchange, new_id

OTHER_UNIT = "330523/u06"
OTHER_VILLAGE = f"{OTHER_TOWN}/330523002002"


async def of(node: Node, actor: Actor, view: str) -> list[str]:
    """The list and its number say the same."""
    found = [row.subject for row in await node.reads.tasks_in(view, actor, 50)]
    assert (await node.reads.counts(actor))[view] == len(found)
    return found


async def test_an_office_that_was_convened_has_it_until_it_answers(on_either: County):
    root = await on_either.node("root")
    operator, unit, other = root.actor("operator"), root.actor("department", UNIT), root.actor("department", OTHER_UNIT)
    case = (await root.say(dispute(), operator)).subject
    convened = await root.say(ConveneUnits(id=new_id(), case=case, units=[UNIT, OTHER_UNIT], purpose="带图来"), operator)
    (task,) = await of(root, unit, "requested")
    (theirs,) = await of(root, other, "requested")
    assert {task, theirs} == set(convened.subjects) - {case}
    assert await of(root, operator, "requested") == [], "who asks is not asked"
    both = msgspec.structs.replace(unit, also=(OTHER_UNIT,))
    assert set(await of(root, both, "requested")) == {task, theirs}
    assert await of(root, msgspec.structs.replace(unit, powers=frozenset({"field"})), "requested") == []
    await root.say(ConfirmTask(id=new_id(), task=task), unit)
    await root.say(RecallTask(id=new_id(), task=theirs, reason="不用来了"), operator)
    assert [await of(root, actor, "requested") for actor in (unit, other)] == [[], []]


async def test_what_was_asked_beyond_the_ledger_waits_once_as_the_task_that_can_be_done(on_either: County):
    root, village, stranger = [await on_either.node(kind) for kind in ("root", "village", "stranger")]
    for kind in ("root", "village", "stranger"):
        await root.desk.enrol_node(on_either.certificate(kind))
    await exchange(root, village, stranger)
    case = (await village.say(dispute())).subject
    due_ms = village.clock() + 5 * DAY_MS
    asks = [
        RequestTask(id=new_id(), case=case, to=to, purpose="看看承包地", due_ms=due_ms - n) for n, to in enumerate((OTHER_VILLAGE, UNIT))
    ]
    there, at_unit = [(await village.say(one)).subject for one in asks]
    for _ in range(2):
        await exchange(root, village, stranger)
        await root.desk.arrivals()
    await exchange(root, village, stranger)
    assert await of(stranger, stranger.actor("clerk", OTHER_VILLAGE), "requested") == [linked_id(there)]
    assert await of(root, root.actor("department", UNIT), "requested") == [linked_id(at_unit)], "and not the half that asks"
    assert await of(village, village.actor(), "requested") == []


async def test_a_visit_that_waits_for_a_review_is_counted_for_who_sent_it(on_either: County):
    root = await on_either.node("root")
    operator = root.actor("operator")
    person, _ = await add_person(root, "陈立新", "cadre", home=root.signer.node)
    cadre = root.actor("cadre", "", person)
    case = (await root.say(dispute(), operator)).subject
    told = {"place": VILLAGE, "cadre": person, "home": root.signer.node, "due_ms": root.clock() + DAY_MS, "case": case}
    task = (await root.say(AssignTask(id=new_id(), purpose="去看看", **told), operator)).subject
    await root.say(RecallTask(id=new_id(), task=task, reason="双方谈好了"), operator)
    assert await of(root, operator, "visit_review") == []
    await root.say(ReportTask(id=new_id(), task=task, result="eased", words="已经去过了"), cadre)
    assert await of(root, operator, "visit_review") == [task]
    counts = await root.reads.counts(operator)
    assert (counts["review"], await reviewing.count(root.journal, operator)) == (0, 1)
    assert await of(root, root.actor("department", UNIT), "visit_review") == []
    (review,) = (await root.reads.task(operator, task)).reviews
    assert await reviewing.first_of(root.journal, operator, [task, case]) == {task: (review.item, review.due_ms)}
    await root.say(DecideTaskReview(id=new_id(), task=task, item=review.item, decision="adopt", reason="人确实去了"), operator)
    assert await of(root, operator, "visit_review") == []


@pytest.mark.parametrize(("view", "index"), [("requested", "task_asked_of"), ("visit_review", "review_row_owner")])
async def test_each_is_looked_up_since_every_page_counts_it(county: County, view: str, index: str):
    root = await county.node("root")
    condition, values = listing.task_view(view, root.actor())
    async with root.journal.read() as c:
        plan = " ".join(str(row) for row in await named(c, f"explain query plan select count(*) from task_row where {condition}", values))
    assert index in plan and "SCAN" not in plan, plan
