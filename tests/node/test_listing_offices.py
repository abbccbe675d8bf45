"""Whoever acts for an office that another was merged into asks for both: every view and count, of cases and of tasks."""

from pathlib import Path

import msgspec
import pytest

from protocol.node.listing import VIEWS
from tests.node.desk_kit import VILLAGE, County, dispute


@pytest.mark.parametrize("kind", ["clerk", "officer"])
async def test_every_view_is_answered_for_two_offices(tmp_path: Path, kind: str) -> None:
    county = County(tmp_path)
    village = await county.node("village")
    await village.say(dispute())
    both = msgspec.structs.replace(village.actor(kind), also=(f"{VILLAGE.rpartition('/')[0]}/330523111218",))
    assert len(both.offices) == 2
    counts = await village.reads.counts(both)
    for view in VIEWS:
        assert (await village.reads.cases(both, view)).total == counts[view], view
    assert (await village.reads.cases(both, "held", text="")).total == counts["held"] == 1
    await village.reads.tasks(both)
    await village.reads.declined(both)
    await county.close()
