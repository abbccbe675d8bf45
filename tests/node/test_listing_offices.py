"""Whoever acts for an office that another was merged into asks for both: every view and count, of cases and of tasks."""

from pathlib import Path

import msgspec
import pytest

from protocol import access
from protocol.commands import AcceptDispute, DeclineDispute
from protocol.node import reviewing
from protocol.node.listing import VIEWS
from protocol.node.web import papers
from tests.node.desk_kit import TOWN, VILLAGE, County, dispute, exchange, new_id


@pytest.mark.parametrize("kind", ["clerk", "officer"])
async def test_every_view_is_answered_for_two_offices(tmp_path: Path, kind: str) -> None:
    county = County(tmp_path)
    village = await county.node("village")
    await village.say(dispute())
    both = msgspec.structs.replace(village.actor(kind), also=(f"{VILLAGE.rpartition('/')[0]}/330523111218",))
    assert len(both.offices) == 2
    counts = await village.reads.counts(both) | {"all": await village.reads.total(both)}
    for view in VIEWS:
        assert (await village.reads.cases(both, view)).total == counts[view], view
    assert (await village.reads.cases(both, "held", text="")).total == counts["held"] == 1
    await village.reads.tasks(both)
    await village.reads.declined(both)
    await county.close()


async def test_who_goes_on_for_a_merged_village_prints_reads_numbers_and_reviews_like_its_own_people(tmp_path: Path) -> None:
    county = County(tmp_path)
    village, again, town = [await county.node(kind) for kind in ("village", "village again", "town")]
    case = (await village.say(dispute())).subject
    await exchange(village, again, town)
    await village.say(AcceptDispute(id=new_id(), case=case))
    await again.say(DeclineDispute(id=new_id(), case=case, reason="不归我们", door="法院"))  # neither had heard of the other
    await exchange(village, again, town)
    stranger = town.actor("clerk", f"{TOWN}/330523111218")
    successor = msgspec.structs.replace(stranger, also=(VILLAGE,))
    shown = await town.reads.case(successor, case)
    for actor, is_one in ((successor, True), (stranger, False)):
        assert access.may_read_numbers(actor, shown) == papers.may_print(shown, actor) == is_one
        assert await reviewing.count(town.journal, actor) == is_one
        groups = await reviewing.waiting(town.journal, town.reads, town.shelf, actor, town.clock())
        assert [row.subject for group in groups for row in group.rows] == [case] * is_one
        assert access.in_region(actor, VILLAGE) == is_one
    await county.close()
