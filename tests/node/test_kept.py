"""What pages kept is true: it is asked anew when an entry came, when something was folded anew, and when its time is over."""

from typing import Any

from protocol.calendar import DAY_MS
from protocol.commands import RequestTask
from protocol.node import counts, listing
from protocol.node.journal.rows import is_postgres, named
from protocol.node.kept import KEPT_MS, LONG_MS, OF_TASKS, Kept
from protocol.node.listing import DUE_MS, SOON_MS, dated_until
from protocol.node.node import Node
from tests.node.desk_kit import ROOT, TOWN, VILLAGE, County, dispute, new_id


class Asker:
    """Answers with how often it was asked."""

    def __init__(self, node: Node, kept: Kept) -> None:
        self.node, self.kept, self.times = node, kept, 0

    async def ask(self) -> int:
        self.times += 1
        return self.times

    async def of(self, key: str = "a", **more: Any) -> int:
        async with self.node.journal.read() as c:
            return await self.kept.of(c, key, self.ask, **more)


async def test_an_answer_holds_until_an_entry_comes_or_something_is_folded_anew(county: County):
    root = await county.node("root")
    case = (await root.say(dispute(VILLAGE), root.actor("operator", ROOT))).subject
    asker = Asker(root, Kept(county.clock))
    assert [await asker.of(), await asker.of()] == [1, 1]
    await root.say(dispute(VILLAGE), root.actor("operator", ROOT))
    assert [await asker.of(), await asker.of()] == [2, 2]
    async with root.journal.writing() as w:
        await w.project([case])  # as when another subject's entry changed it
    assert [await asker.of(), await asker.of()] == [3, 3]


async def test_an_answer_holds_for_its_time(on_either: County):
    root, clock = await on_either.node("root"), on_either.clock
    async with root.journal.read() as c:
        long_ms = KEPT_MS if is_postgres(c) else LONG_MS
    asker = Asker(root, Kept(clock))
    assert (await asker.of(), await asker.of("long", for_ms=LONG_MS)) == (1, 2)
    clock.pass_ms(KEPT_MS - 1)
    assert (await asker.of(), await asker.of("long", for_ms=LONG_MS)) == (1, 2)
    clock.pass_ms(1)
    assert await asker.of() == 3
    clock.pass_ms(long_ms - KEPT_MS)
    assert await asker.of("long", for_ms=LONG_MS) == 4


async def test_what_hangs_on_tasks_holds_whatever_else_comes(county: County):
    root = await county.node("root")
    operator, asker = root.actor("operator", ROOT), Asker(root, Kept(county.clock))
    case = (await root.say(dispute(VILLAGE), operator)).subject
    assert await asker.of(hangs_on=OF_TASKS) == 1
    await root.say(dispute(VILLAGE), operator)
    assert await asker.of(hangs_on=OF_TASKS) == 1
    due_ms = county.clock() + DAY_MS
    await root.say(RequestTask(id=new_id(), case=case, to=TOWN, purpose="查档案", purpose_kind="inquiry", due_ms=due_ms), operator)
    assert await asker.of(hangs_on=OF_TASKS) == 2
    async with root.journal.read() as c:
        if not is_postgres(c):
            plan = " ".join(row[3] for row in await named(c, f"explain query plan {OF_TASKS}", {"name": ""}))
            assert "entry_task" in plan, plan


async def test_no_more_answers_are_kept_than_there_is_room_for(county: County):
    asker = Asker(await county.node("root"), Kept(county.clock, most=2))
    assert [await asker.of(key) for key in "abab"] == [1, 2, 1, 2]
    assert [await asker.of(key) for key in "cb"] == [3, 4]


async def test_a_list_that_was_paged_through_has_what_came_meanwhile(county: County):
    root = await county.node("root")
    operator, officer = root.actor("operator", ROOT), root.actor("officer", TOWN)
    for _ in range(3):
        await root.say(dispute(VILLAGE), operator)
    for who in (operator, officer):
        assert [(await root.reads.cases(who, text="田埂", page=page, per=2)).total for page in (1, 2)] == [3, 3]
        assert (await root.reads.cases(who, place=TOWN)).total == 3
    new = (await root.say(dispute(VILLAGE), operator)).subject
    for who in (operator, officer):
        found = await root.reads.cases(who, text="田埂", per=2)
        assert (found.total, found.rows[0].subject) == (4, new)
        assert (await root.reads.cases(who, place=TOWN)).total == 4
    assert (await root.reads.cases(root.actor("department", "330523/u09"), text="田埂")).total == 0, "what one found is not another's"


async def test_what_dates_decide_is_another_answer_in_the_very_moment_when_one_runs_out(county: County):
    """Between two of these nothing is counted again, for a minute at most."""
    root = await county.node("root")
    operator, clock = root.actor("operator", ROOT), county.clock
    for place, days in ((VILLAGE, 0), (TOWN, 1), (ROOT, 2)):
        clock.pass_ms(days * DAY_MS + 17 * 60_000)
        await root.say(dispute(place), operator)
    dues = sorted(row.due_ms for row in (await root.reads.cases(operator, view="open")).rows if row.due_ms)
    moments = sorted(due + 1 - ahead for due in dues for ahead in (0, SOON_MS, DUE_MS) if due + 1 - ahead > clock())
    assert len(dues) == 3 and len(moments) > 5
    for at in moments:
        for ms in (at - 1, at):
            clock.pass_ms(ms - clock())
            async with root.journal.read() as c:
                true = await counts.asked(c, operator, listing.DATED, ms)
                then = await dated_until(c, ms)
            shown = await root.reads.counts(operator)
            assert {name: shown[name] for name in listing.DATED} == true
            lying = (await root.reads.spread(operator, 0, 1)).values()
            late = [sum(place.overdue for place in await root.reads.places(operator)), sum(one.overdue for one in lying)]
            assert [true["overdue"]] * 2 == late == [(await root.reads.cases(operator, view="overdue", place=ROOT)).total, late[0]]
            assert then == next((moment for moment in moments if moment > ms), then) > ms


async def test_an_answer_whose_end_is_known_is_not_asked_for_anew_before(county: County):
    root, clock = await county.node("root"), county.clock
    asker, ends_ms = Asker(root, Kept(clock)), clock() + 3 * KEPT_MS

    async def until(_c: object, _now_ms: int) -> int:
        return ends_ms

    found = []
    for ms in (0, 3 * KEPT_MS - 1, 1):
        clock.pass_ms(ms)
        found.append(await asker.of(until=until))
    assert found == [1, 1, 2]
