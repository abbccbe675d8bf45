"""Joint meetings by their hour: they stay whatever the units answered, and nobody sees one of a case that is not his."""

from collections.abc import AsyncIterator

import pytest

from protocol.calendar import DAY_MS
from protocol.commands import ConveneUnits, DeclineTask, RecallTask
from tests.node.desk_kit import OTHER_TOWN, ROOT, TOWN, UNIT, VILLAGE, County, dispute, new_id

OTHER_UNIT = "330523/u03"
EVER = (0, 1 << 60)


@pytest.fixture
async def county(tmp_path) -> AsyncIterator[County]:
    made = County(tmp_path)
    yield made
    await made.close()


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
    (one,) = await root.reads.meetings.between(operator, when_ms, when_ms + 1)
    assert (one.case, one.when_ms, one.is_off) == (case, when_ms, False)
    assert dict(one.answers) == {UNIT: "declined", OTHER_UNIT: "recalled"}
    assert await root.reads.meetings.between(operator, when_ms + 1, when_ms + DAY_MS) == []


async def test_a_meeting_that_everyone_was_asked_back_from_is_off(county: County):
    root, _, _, tasks = await convened(county)
    operator = root.actor("operator", ROOT)
    await root.say(RecallTask(id=new_id(), task=tasks[UNIT], reason="不用了"), operator)
    assert [one.is_off for one in await root.reads.meetings.between(operator, *EVER)] == [False]
    await root.say(RecallTask(id=new_id(), task=tasks[OTHER_UNIT], reason="不用了"), operator)
    assert [one.is_off for one in await root.reads.meetings.between(operator, *EVER)] == [True]


async def test_who_may_not_see_the_case_sees_no_meeting(county: County):
    root, *_ = await convened(county)
    seen = {}
    for kind, office in (("officer", TOWN), ("officer", OTHER_TOWN), ("department", UNIT), ("department", "330523/u09"), ("cadre", TOWN)):
        seen[kind, office] = await root.reads.meetings.between(root.actor(kind, office), *EVER)
    assert [len(found) for found in seen.values()] == [1, 0, 1, 0, 0]
    (one,) = seen["department", UNIT]
    assert dict(one.answers) == {UNIT: "sent", OTHER_UNIT: ""}, "what another unit answered is that one's"
