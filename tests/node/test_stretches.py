"""Sums kept by stretch of days: whatever happened since, they are what counting everything anew gives, on either store."""

from datetime import date
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from protocol.calendar import DAY_MS, local_date, start_of_day_ms
from protocol.commands import AcceptDispute, CorrectParty, MergeDispute, Party, ReopenDispute, SetRisk, VoidDispute
from protocol.node import stretches, visitors
from protocol.node.journal.rebuild import rebuild
from protocol.node.statistics import KEPT_MS, Asked, Statistics
from protocol.node.stretches import parts_of, stretch_after, stretch_of
from tests.node.desk_kit import OTHER_TOWN, ROOT, START_MS, TOWN, UNIT, VILLAGE, County, Node, dispute, exchange, new_id
from tests.node.test_statistics import PEOPLE, PLACES, TYPES, county, go_on

__all__ = ["county"]
LIFE_DAYS = 200


def month_of(ms: int) -> int:
    return start_of_day_ms(local_date(ms).replace(day=1))


def month_after(start_ms: int) -> int:
    return month_of(start_ms + 32 * DAY_MS)


async def check(node: Node, draw: Random, times: int = 2) -> None:
    """As kept, and as one counts who has kept nothing."""
    for _ in range(times):
        actor = draw.choice(
            [node.actor("operator", ROOT), node.actor("operator", ROOT), node.actor("officer", TOWN), node.actor("operator", UNIT)]
        )
        asked = drawn(draw)
        node.clock.pass_ms(KEPT_MS)  # so that no whole answer is good any more
        assert await node.reads.statistics.found(actor, asked) == await Statistics(node.journal, node.clock).found(actor, asked), asked


def drawn(draw: Random) -> Asked:
    """Whole months, days that cut stretches, all there is, and times of nothing."""
    first = month_of(START_MS)
    bounds = [first]
    while len(bounds) < 9:
        bounds.append(month_after(bounds[-1]))
    a, b = sorted(draw.sample(bounds, 2))
    if draw.random() < 0.4:
        a, b = a + draw.randrange(40) * DAY_MS, b + draw.randrange(40) * DAY_MS
    if draw.random() < 0.3:
        a, b = 0, START_MS + 2 * LIFE_DAYS * DAY_MS
    a, b = min(a, b), max(a, b)
    place, type_ = draw.choice(("", "", TOWN, VILLAGE)), draw.choice(("", "", "02", "1002"))
    return Asked(a, b, (a - 31 * DAY_MS, a), tuple(bounds[: draw.randrange(9)]), place, type_)


@pytest.mark.parametrize("seed", [21, 22, 23])
async def test_whatever_happens_what_is_kept_is_what_is_counted_anew(county: County, seed: int):
    draw, root, village = Random(seed), await county.node("root"), await county.node("village")
    made: list[str] = []
    operator = root.actor("operator", ROOT)
    for n in range(40):
        root.clock.pass_ms(draw.randint(0, 2 * LIFE_DAYS // 40 * DAY_MS))
        node = village if n % 6 == 5 else root
        words: dict[str, Any] = {"type": draw.choice(TYPES), "parties": [draw.choice(PEOPLE), Party("柏大海", side="respondent")]}
        made.append((await node.say(dispute(VILLAGE if node is village else draw.choice(PLACES), **words))).subject)
        await go_on(node, draw, made)
        if node is village:
            await exchange(village, root)
        old = await root.reads.case(operator, draw.choice(made))
        if old.status not in ("voided", "merged", "declined", "archived"):
            await root.say(SetRisk(id=new_id(), case=old.id, risk="yellow" if old.risk == "red" else "red", reason="听说的"))
        await check(root, draw)
    assert any(root.reads.statistics._stretches._scopes.values()) and root.reads.statistics._stretches.visitors._of, "something was kept"


async def two_months(county: County) -> tuple[Node, str, str, Asked]:
    """A case of one month and one of the next; a time that holds both months, which are kept."""
    root = await county.node("root")
    first = (await root.say(dispute(VILLAGE))).subject
    root.clock.pass_ms(35 * DAY_MS)
    second = (await root.say(dispute(OTHER_TOWN))).subject
    asked = Asked(month_of(START_MS), month_after(month_after(month_of(START_MS))), (0, 1), ())
    assert (await root.reads.statistics.found(root.actor("operator", ROOT), asked)).whole.registered == 2
    return root, first, second, asked


async def test_what_did_not_change_is_not_counted_again(county: County, monkeypatch: pytest.MonkeyPatch):
    root, _, second, asked = await two_months(county)
    counted: list[int] = []
    real = stretches.Stretches.blocks

    async def watched(self: Any, c: Any, scope: Any, starts: Any, now_ms: int, count: Any) -> Any:
        async def told(from_ms: int, to_ms: int) -> Any:
            counted.append(from_ms)
            return await count(from_ms, to_ms)

        return await real(self, c, scope, starts, now_ms, told)

    monkeypatch.setattr(stretches.Stretches, "blocks", watched)
    await root.say(AcceptDispute(id=new_id(), case=second))
    assert (await root.reads.statistics.found(root.actor("operator", ROOT), asked)).whole.accepted == 1
    assert counted == [stretch_of((await root.reads.case(root.actor("operator", ROOT), second)).logged_ms)]


async def test_a_case_that_leaves_its_stretch_is_missed_there(county: County):
    """One is void: no changed case that counts lies in the month any more. One takes over the earlier date of another."""
    root, first, second, asked = await two_months(county)
    operator = root.actor("operator", ROOT)
    root.clock.pass_ms(35 * DAY_MS)
    await root.say(dispute(OTHER_TOWN))  # of a third month, so that the second is asked for though it has none left
    asked = Asked(asked.from_ms, month_after(asked.to_ms), (0, 1), ())
    assert (await root.reads.statistics.found(operator, asked)).whole.registered == 3
    await root.say(MergeDispute(id=new_id(), case=first, into=second, reason="同一件事"))
    after = await root.reads.statistics.found(operator, Asked(asked.from_ms, month_after(asked.from_ms), (0, 1), ()))
    both = await root.reads.statistics.found(operator, asked)
    assert both == await Statistics(root.journal, root.clock).found(operator, asked)
    assert (after.whole.registered, both.whole.registered) == (1, 2), "it counts where it first came"
    await root.say(ReopenDispute(id=new_id(), case=first, reason="不是同一件"))
    await root.desk.arrivals()  # the other one is told that its code is there no more
    await root.say(VoidDispute(id=new_id(), case=second, reason="登错了"))
    both = await root.reads.statistics.found(operator, asked)
    assert both == await Statistics(root.journal, root.clock).found(operator, asked)
    assert both.whole.registered == 2


async def test_a_case_that_changed_lately_and_then_leaves_its_stretch_is_missed_there(county: County):
    """It is known where it lay, so not all are counted again."""
    root, first, second, asked = await two_months(county)
    operator = root.actor("operator", ROOT)
    for case in (first, second):
        await root.say(AcceptDispute(id=new_id(), case=case))
    assert (await root.reads.statistics.found(operator, asked)).whole.registered == 2
    await root.say(MergeDispute(id=new_id(), case=first, into=second, reason="同一件事"))
    left = await root.reads.statistics.found(operator, Asked(month_after(asked.from_ms), asked.to_ms, (0, 1), ()))
    both = await root.reads.statistics.found(operator, asked)
    assert both == await Statistics(root.journal, root.clock).found(operator, asked)
    assert (left.whole.registered, both.whole.registered) == (0, 1)


async def test_a_case_that_comes_late_is_the_first_of_its_stretch(county: County):
    root, village = await county.node("root"), await county.node("village")
    await root.say(dispute(OTHER_TOWN))
    root.clock.pass_ms(20 * DAY_MS)
    await village.say(dispute(VILLAGE))
    root.clock.pass_ms(20 * DAY_MS)
    await root.say(dispute(OTHER_TOWN))
    operator, asked = root.actor("operator", ROOT), Asked(0, 2 * START_MS, (0, 1), ())
    assert (await root.reads.statistics.found(operator, asked)).whole.registered == 2
    await exchange(village, root)
    assert (await root.reads.statistics.found(operator, asked)).whole.registered == 3


async def test_what_time_alone_makes_late_is_late_in_a_stretch_that_is_kept(county: County):
    root, _, _, asked = await two_months(county)
    operator = root.actor("operator", ROOT)
    before = (await root.reads.statistics.found(operator, asked)).whole.late
    root.clock.pass_ms(60 * DAY_MS)
    assert (await root.reads.statistics.found(operator, asked)).whole.late == 2 > before


async def test_rows_that_change_without_an_entry_are_counted_anew(county: County):
    """What was folded wrongly is mended: no entry came, the numbers are other ones."""
    root, first, _, asked = await two_months(county)
    operator = root.actor("operator", ROOT)
    async with root.journal.writing() as w:
        await w.connection.execute(text("update case_row set type = '1501' where subject = :subject"), {"subject": first})
    root.reads.statistics.forget()
    assert "1501" in (await root.reads.statistics.found(operator, asked)).types
    assert not await rebuild(root.journal), "it was found to be wrong"
    root.clock.pass_ms(KEPT_MS)
    assert "1501" not in (await root.reads.statistics.found(operator, asked)).types


async def test_an_earlier_visit_that_comes_late_or_turns_out_to_be_somebody_else_counts_for_later_months(county: County):
    """A case of a month that did not change becomes, or no longer is, the second visit."""
    root, village = await county.node("root"), await county.node("village")
    operator = root.actor("operator", ROOT)
    early = (await village.say(dispute(VILLAGE, parties=[PEOPLE[0]]))).subject
    root.clock.pass_ms(35 * DAY_MS)
    await root.say(dispute(OTHER_TOWN, parties=[PEOPLE[0]]), operator)
    asked = Asked(month_of(START_MS), month_after(month_after(month_of(START_MS))), (0, 1), ())

    async def again() -> int:
        root.clock.pass_ms(KEPT_MS)
        found = await root.reads.statistics.found(operator, asked)
        assert found == await Statistics(root.journal, root.clock).found(operator, asked)
        return found.whole.again

    assert await again() == 0
    await exchange(village, root)
    assert await again() == 1, "the first visit was here before, and is known only now"
    (party_id,) = (await root.reads.case(operator, early)).party_ids
    other = Party(PEOPLE[0].name, phone="13911112222")
    await village.say(CorrectParty(id=new_id(), case=early, party_id=party_id, party=other, reason="号码记错了"))
    await exchange(village, root)
    assert await again() == 0, "it was somebody else"


async def test_too_many_who_came_twice_are_asked_of_the_store(county: County, monkeypatch: pytest.MonkeyPatch):
    root = await county.node("root")
    for _ in range(2):
        await root.say(dispute(VILLAGE, parties=[PEOPLE[0]]))
        root.clock.pass_ms(2 * DAY_MS)
    operator, asked = root.actor("operator", ROOT), Asked(0, START_MS * 2, (0, 1), ())
    kept = await root.reads.statistics.found(operator, asked)
    monkeypatch.setattr(visitors, "VISITS_MAX", 1)
    assert (await Statistics(root.journal, root.clock).found(operator, asked)).whole.again == kept.whole.again == 1


async def test_many_changes_at_once_are_counted_anew(county: County, monkeypatch: pytest.MonkeyPatch):
    root, first, second, asked = await two_months(county)
    monkeypatch.setattr(stretches, "SUBJECTS_MAX", 1)
    for case in (first, second):
        await root.say(AcceptDispute(id=new_id(), case=case))
    assert (await root.reads.statistics.found(root.actor("operator", ROOT), asked)).whole.accepted == 2


async def test_not_more_than_some_are_kept(county: County, monkeypatch: pytest.MonkeyPatch):
    root, _, _, asked = await two_months(county)
    monkeypatch.setattr(stretches, "SCOPES_MAX", 2)
    for n, type_ in enumerate(TYPES):
        more = Asked(asked.from_ms, asked.to_ms, (0, 1), (), "", type_)
        await root.reads.statistics.found(root.actor("operator", ROOT), more)
        assert len(root.reads.statistics._stretches._scopes) <= 2, n


async def test_a_time_that_lies_in_two_stretches_and_holds_neither_is_counted_anew_in_both(county: County):
    root = await county.node("root")
    from_ms = stretch_after(stretch_of(START_MS)) - DAY_MS
    operator, asked = root.actor("operator", ROOT), Asked(from_ms, from_ms + 2 * DAY_MS, (0, 1), ())
    root.clock.pass_ms(from_ms - DAY_MS - root.clock() if from_ms - DAY_MS > root.clock() else 0)
    await root.say(dispute(OTHER_TOWN))  # so that the time is not cut at its first case
    root.clock.pass_ms(from_ms + DAY_MS * 3 // 2 - root.clock())
    second = (await root.say(dispute(OTHER_TOWN))).subject
    root.clock.pass_ms(20 * DAY_MS)
    await root.say(dispute(OTHER_TOWN))
    assert (await root.reads.statistics.found(operator, asked)).whole.registered == 1, "of the two stretches the first one is empty"
    await root.say(AcceptDispute(id=new_id(), case=second))
    assert (await root.reads.statistics.found(operator, asked)).whole.accepted == 1


def test_a_time_is_cut_where_stretches_begin():
    at = [start_of_day_ms(date(2026, 2, day)) for day in (16, 21, 26)] + [start_of_day_ms(date(2026, 3, day)) for day in (1, 6)]
    assert parts_of(at[0], at[4]) == [*pairwise(at)], "none goes over the end of a month"
    assert parts_of(at[0], at[4] - 1) == [*pairwise(at[:4]), (at[3], at[4] - 1)]
    assert parts_of(at[0] + 1, at[4]) == [(at[0] + 1, at[1]), *pairwise(at[1:])]
    assert parts_of(at[0] + 1, at[1]) == [(at[0] + 1, at[1])]
    assert parts_of(at[0] + 1, at[2] - 1) == [(at[0] + 1, at[1]), (at[1], at[2] - 1)]
    assert parts_of(at[0], at[0]) == parts_of(at[1], at[0]) == []
    assert stretch_of(at[0] - 1) == start_of_day_ms(date(2026, 2, 11))
    assert stretch_after(start_of_day_ms(date(2025, 12, 26))) == start_of_day_ms(date(2026, 1, 1))
