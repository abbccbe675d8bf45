"""What lies in a time: meetings stay whatever the units answered, dates and visits stand on their day, and nobody sees what is not his."""

import re

import pytest

from protocol.calendar import DAY_MS, local_date, start_of_day_ms
from protocol.commands import (
    AcceptDispute,
    ArriveTask,
    AssignTask,
    ConfirmTask,
    ConveneUnits,
    DeclineTask,
    RecallTask,
    ReportTask,
    SignAgreement,
)
from protocol.events import Actor
from protocol.node import agenda
from protocol.node.journal import rebuild
from protocol.problem import Refused
from tests.node.desk_kit import OTHER_TOWN, ROOT, TOWN, UNIT, VILLAGE, County, add_person, dispute, new_id

OTHER_UNIT = "330523/u03"
EVER = (0, 1 << 60)


async def convened(county: County):
    root = await county.node("root")
    case = (await root.say(dispute(VILLAGE), root.actor("operator", ROOT))).subject
    when_ms = county.clock() + 2 * DAY_MS
    command = ConveneUnits(id=new_id(), case=case, units=[UNIT, OTHER_UNIT], purpose="认界", when_ms=when_ms)
    await root.say(command, root.actor("operator", ROOT))
    tasks = {task.unit: task.subject for task in await root.reads.tasks(root.actor("operator", ROOT))}
    return root, case, when_ms, tasks


async def test_a_meeting_stays_when_every_unit_has_answered(county: County):
    root, case, when_ms, tasks = await convened(county)
    operator = root.actor("operator", ROOT)
    await root.say(DeclineTask(id=new_id(), task=tasks[UNIT], reason="那天要开会"), root.actor("department", UNIT))
    await root.say(RecallTask(id=new_id(), task=tasks[OTHER_UNIT], reason="不用来了"), operator)
    assert await root.reads.tasks(operator, open_only=True) == []
    county.clock.pass_ms(5 * DAY_MS)
    (one,) = (await root.reads.agenda.meetings(operator, when_ms, when_ms + 1)).told
    assert (one.case, one.when_ms, one.is_off) == (case, when_ms, False)
    assert dict(one.answers) == {UNIT: "declined", OTHER_UNIT: "recalled"}
    assert (await root.reads.agenda.meetings(operator, when_ms + 1, when_ms + DAY_MS)).told == []


async def test_a_meeting_that_everyone_was_asked_back_from_is_off(county: County):
    root, _, _, tasks = await convened(county)
    operator = root.actor("operator", ROOT)
    await root.say(RecallTask(id=new_id(), task=tasks[UNIT], reason="不用了"), operator)
    assert [one.is_off for one in (await root.reads.agenda.meetings(operator, *EVER)).told] == [False]
    await root.say(RecallTask(id=new_id(), task=tasks[OTHER_UNIT], reason="不用了"), operator)
    assert [one.is_off for one in (await root.reads.agenda.meetings(operator, *EVER)).told] == [True]


async def test_a_meeting_is_moved_by_recalling_and_asking_again(county: County):
    root, case, when_ms, tasks = await convened(county)
    operator, later_ms = root.actor("operator", ROOT), when_ms + DAY_MS
    again = ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="改到后天", when_ms=later_ms)
    with pytest.raises(Refused, match="先撤回那一项任务"):
        await root.say(again, operator)
    for unit in (UNIT, OTHER_UNIT):
        await root.say(RecallTask(id=new_id(), task=tasks[unit], reason="改期"), operator)
    new = (await root.say(again, operator)).subjects[1]
    await root.say(ConfirmTask(id=new_id(), task=new), root.actor("department", UNIT))
    told = {one.when_ms: (one.is_off, one.answers) for one in (await root.reads.agenda.meetings(operator, *EVER)).told}
    assert told == {
        when_ms: (True, ((UNIT, "recalled"), (OTHER_UNIT, "recalled"))),
        later_ms: (False, ((UNIT, "confirmed"),)),
    }


async def test_a_unit_that_was_asked_back_sees_the_case_no_more_until_it_is_asked_again(county: County):
    root, case, _, tasks = await convened(county)
    operator, unit, other = root.actor("operator", ROOT), root.actor("department", UNIT), root.actor("department", OTHER_UNIT)

    async def sees(who: Actor) -> bool:
        listed = (await root.reads.cases(who)).total == 1
        try:
            await root.reads.case(who, case)
        except Refused:
            assert not listed
            return False
        assert listed
        return True

    assert (await sees(unit), await sees(other)) == (True, True)
    await root.say(RecallTask(id=new_id(), task=tasks[UNIT], reason="请错了单位"), operator)
    assert (await sees(unit), await sees(other)) == (False, True)
    known = await root.reads.case(operator, case)
    assert (known.convened, known.lines[-1].text) == ([OTHER_UNIT], {"不再请": root.shelf().office_name(UNIT)})
    assert (await root.reads.task(unit, tasks[UNIT])).status == "recalled", "its own task it may read"
    (new,) = (await root.say(ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="还是要来"), operator)).subjects[1:]
    assert await sees(unit)
    for step in (ArriveTask, ReportTask):
        more = {"result": "settled", "words": "认过界了"} if step is ReportTask else {}
        await root.say(step(id=new_id(), task=new, **more), unit)
    (third,) = (await root.say(ConveneUnits(id=new_id(), case=case, units=[UNIT], purpose="再来一次"), operator)).subjects[1:]
    await root.say(RecallTask(id=new_id(), task=third, reason="不用了"), operator)
    assert await sees(unit), "it took part once"
    assert await rebuild(root.journal)


async def test_who_may_not_see_the_case_sees_no_meeting(county: County):
    root, *_ = await convened(county)
    seen = {}
    for kind, office in (("officer", TOWN), ("officer", OTHER_TOWN), ("department", UNIT), ("department", "330523/u09"), ("cadre", TOWN)):
        seen[kind, office] = (await root.reads.agenda.meetings(root.actor(kind, office), *EVER)).told
    assert [len(found) for found in seen.values()] == [1, 0, 1, 0, 0]
    (one,) = seen["department", UNIT]
    assert dict(one.answers) == {UNIT: "sent", OTHER_UNIT: ""}, "what another unit answered is that one's"


async def test_a_date_stands_in_its_own_time_alone_and_for_its_holder_alone(county: County):
    root = await county.node("root")
    operator, officer = root.actor("operator", ROOT), root.actor("officer", TOWN)
    case = (await root.say(dispute(ROOT), operator)).subject
    due_ms = (await root.reads.case_row(operator, case)).due_ms
    assert due_ms
    (one,) = (await root.reads.agenda.dates(operator, due_ms, due_ms + 1)).told
    assert (one.kind, one.case, one.words) == ("due", case, "田埂地界")
    assert (await root.reads.agenda.dates(operator, due_ms + 1, due_ms + DAY_MS)).told == []
    assert (await root.reads.agenda.dates(officer, *EVER)).told == []


async def test_a_visit_stands_on_the_day_by_which_it_is_to_be_made(county: County):
    root = await county.node("root")
    operator = root.actor("operator", ROOT)
    case = (await root.say(dispute(VILLAGE), operator)).subject
    person, _ = await add_person(root, "陈立新", "cadre", home=root.signer.node)
    due_ms = county.clock() + 2 * DAY_MS
    told = {"place": VILLAGE, "cadre": person, "home": root.signer.node, "purpose": "上门看田埂", "due_ms": due_ms, "case": case}
    task = (await root.say(AssignTask(id=new_id(), **told), operator)).subject
    (one,) = (await root.reads.agenda.visits(operator, due_ms, due_ms + 1)).told
    assert (one.task, one.cadre, one.words) == (task, person, "上门看田埂")
    assert (await root.reads.agenda.visits(root.actor("officer", OTHER_TOWN), *EVER)).told == []
    await root.say(RecallTask(id=new_id(), task=task, reason="不用了"), operator)
    assert (await root.reads.agenda.visits(operator, *EVER)).told == []


ALONG = {
    "case_held": agenda.ends("holder = 'x'"),
    "case_after": agenda.looked_after("follow_up_by = 'x'", "holder = 'x'"),
    "meeting_when": agenda.joint("1 = 1"),
}


@pytest.mark.parametrize("made", ["some", "counts"])
@pytest.mark.parametrize("index", ALONG)
async def test_dates_are_found_along_an_index(county: County, index: str, made: str):
    root, found = await county.node("root"), ALONG[index]
    asked = getattr(found, made)(2)
    asked = asked.replace(":at_0", "1").replace(":at_1", "2").replace(":at_2", "3").replace(":a_day", "9")
    plan = " ".join(str(tuple(row)) for row in await root.journal.select(f"explain query plan {asked}", {}))
    walks = rf"SEARCH {found.table} USING COVERING INDEX {index} \([^)]*>\? AND [^)]*<\?\)"
    assert len(re.findall(walks, plan)) == 2, plan


async def test_of_each_day_the_first_are_told_and_how_many_it_has(county: County):
    root = await county.node("root")
    operator, first = root.actor("operator", ROOT), start_of_day_ms(local_date(county.clock()))
    for _ in range(5):
        await root.say(dispute(ROOT), operator)
    end_ms = first + 14 * DAY_MS
    every = await root.reads.agenda.dates(operator, first, end_ms)
    some = await root.reads.agenda.dates(operator, first, end_ms, 2)
    assert len(every.told) == 5 and some.of_day == every.of_day and sorted(some.of_day)[-2:] == [0, 5] and len(some.of_day) == 14
    assert [one.case for one in some.told] == [one.case for one in every.told][:2]


@pytest.mark.parametrize(("by", "told"), [(ROOT, "follow_up"), (TOWN, "due")])
async def test_a_case_that_ends_with_its_follow_up_is_told_once(county: County, by: str, told: str):
    root = await county.node("root")
    operator, officer = root.actor("operator", ROOT), root.actor("officer", TOWN)
    case = (await root.say(dispute(VILLAGE), operator)).subject
    await root.say(AcceptDispute(id=new_id(), case=case), operator)
    signed = SignAgreement(id=new_id(), case=case, terms=["各退半尺。"], performance="三天内", due=["2026-12-04"], follow_up_by=by)
    await root.say(signed, operator)
    row = await root.reads.case_row(operator, case)
    assert row.due_ms == row.follow_up_due_ms
    dates, after = [await ask(operator, *EVER) for ask in (root.reads.agenda.dates, root.reads.agenda.follow_ups)]
    assert [one.kind for one in (*dates.told, *after.told)] == [told]
    assert sum(dates.of_day) + sum(after.of_day) == 1
    of_town = await root.reads.agenda.follow_ups(officer, *EVER)
    assert [one.kind for one in of_town.told] == (["follow_up"] if by == TOWN else [])
