"""Row 30 sees what it claims to see: a phone that loses a step which the screen had moved on from."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.needs import missing
from tests.faults.rows import row_30

FORGET = """() => new Promise((done) => { const asked = indexedDB.open('yidi-task'); asked.onsuccess = () => {
  const gone = asked.result.transaction('outbox', 'readwrite'); gone.objectStore('outbox').clear();
  gone.oncomplete = () => { asked.result.close(); done(); }; }; })"""

NOBODY: Any = None  # is asked where nothing but the end of a round is judged


class Forgets(row_30.Phone):
    """The first step that it was to keep is gone from its store, without a word, before it was sent."""

    has_forgotten = False

    async def tap(self, label: str) -> None:
        await super().tap(label)
        if not self.has_forgotten:
            self.has_forgotten = True
            await self.page.evaluate(FORGET)
            await self.show(self.page)


async def test_a_step_that_the_phone_loses_after_the_screen_moved_on_is_counted_as_lost(tmp_path: Path, monkeypatch) -> None:
    """Whoever looks at the screen takes it again, so at the node all is as if nothing had happened."""
    if lack := missing(row_30.ROW.needs):
        pytest.skip(lack)
    monkeypatch.setattr(row_30, "Phone", Forgets)
    outcome = await row_30.drawn(Random(30), tmp_path, ["no signal", "none", "none"])
    assert (outcome.lost, outcome.doubled) == (1, 0) and "offered again: 接单" in outcome.said, outcome.said


def test_a_step_that_is_not_at_the_node_once_and_a_photo_that_is_not_there_are_counted() -> None:
    lines = [{"kind": kind} for kind in (*row_30.KINDS.values(), "TaskEvidenceAdded")]
    task = {"files": ["现场.png"], "lines": lines}

    def counted(photos: tuple[int, ...] = (1,), **told: object) -> tuple[int, int]:
        story = row_30.Story(NOBODY, NOBODY, Random(1))
        story.photos = list(photos)
        outcome = row_30.judged(story, {**task, "words": story.words, **told}, ["none"] * 3, 0)
        return outcome.lost, outcome.doubled

    assert counted() == (0, 0)
    assert counted(lines=lines[1:]) == (1, 0) and counted(lines=[*lines, lines[0]]) == (0, 1)
    assert counted(lines=[*lines, lines[-1]]) == (0, 1) and counted(photos=(2,)) == (1, 0), "each photo once"
    assert counted(photos=(2,), lines=[*lines, lines[-1]], files=task["files"] * 2) == (0, 0), "two tabs, a photo in each"
    assert counted(files=[]) == (1, 0) == counted(photos=(0, 1), files=[]), "the report came after the store was cleared"
    assert counted(photos=(1, 0), files=[]) == (0, 0) == counted(photos=(1, 0)), "cleared with its report, or sent before"
