"""What was left lying is old by the days on which the node ran: a clock that jumps takes nothing away."""

import pytest

from protocol.node import days
from protocol.node.days import DAY_MS, DAYS_MAX, old, ran
from protocol.node.unsaved import KEPT_DAYS
from tests.node.desk_kit import County
from tests.node.test_unsaved import draft, words_of

YEAR_MS = 365 * DAY_MS


async def test_a_clock_that_jumps_a_year_ahead_and_back_takes_no_draft(on_either: County):
    root = await on_either.node("root")
    now_ms = root.clock
    await root.unsaved.keep("wang", draft("写了一半"))
    for jump_ms in (0, YEAR_MS, 3_600_000, -YEAR_MS, DAY_MS, DAY_MS):
        now_ms.pass_ms(jump_ms)
        await root.unsaved.tidy(old(await ran(root.journal, now_ms()), KEPT_DAYS, now_ms()))
        assert words_of(await root.unsaved.of("wang")) == ["写了一半"], jump_ms


async def test_what_lies_for_so_many_days_on_which_it_ran_goes(on_either: County):
    root = await on_either.node("root")
    await root.unsaved.keep("wang", draft("写了一半"))
    for day in range(KEPT_DAYS + 2):
        assert words_of(await root.unsaved.of("wang")) == ["写了一半"], day
        for _ in range(24):
            root.clock.pass_ms(3_600_000)
            await root.unsaved.tidy(old(await ran(root.journal, root.clock()), KEPT_DAYS, root.clock()))
        if not await root.unsaved.of("wang"):
            break
    assert day == KEPT_DAYS, "the day on which it was written is the first one that is counted"


@pytest.mark.parametrize(("noted", "is_old"), [([0], False), ([*range(0, 31 * DAY_MS, DAY_MS)], True), ([0, YEAR_MS, 0, YEAR_MS], False)])
def test_so_many_days_have_to_be_noted(noted: list[int], is_old: bool):
    before_ms = old([day + YEAR_MS for day in noted], 30, YEAR_MS + noted[-1])
    assert (before_ms == YEAR_MS) == is_old and before_ms in (0, YEAR_MS)


async def test_no_more_days_are_kept_than_anybody_asks_for(county: County):
    root = await county.node("root")
    for _ in range(DAYS_MAX + 3):
        root.clock.pass_ms(DAY_MS)
        kept = await ran(root.journal, root.clock())
    assert (len(kept), kept[-1]) == (DAYS_MAX, root.clock())
    assert await ran(root.journal, root.clock() + 1) == kept == days._read(await root.journal.local("days run"))
