"""Drafts in a node's store: per person and tab, the newest wins, gone with the command that was accepted, with the erased case, with time."""

from pathlib import Path

import pytest

from protocol.commands import LogDispute, Party
from protocol.node.days import DAY_MS
from protocol.node.unsaved import CONTENT_BYTES_MAX, OF_PERSON_MAX, Draft, Unsaved
from protocol.problem import Refused
from tests.node.desk_kit import VILLAGE, County, Node


def draft(words: str, form: str = "/cases ", tab: str = "tab-1", command: str = "command-1", turn: int = 1) -> Draft:
    return Draft(form, tab, command, [("account", words), ("party_name", "叶根土")], turn)


def words_of(drafts: list[Draft]) -> list[str]:
    return [one.fields[0][1] for one in drafts]


@pytest.fixture
async def village(tmp_path: Path):
    county = County(tmp_path)
    yield await county.node("village")
    await county.close()


async def test_each_person_has_their_own_and_the_newest_turn_wins(village: Node) -> None:
    unsaved = village.unsaved
    await unsaved.keep("wang", draft("一", turn=2))
    await unsaved.keep("wang", draft("早一点的", turn=1))  # overtaken on its way
    assert words_of(await unsaved.of("wang")) == ["一"]
    await unsaved.keep("wang", draft("二", tab="tab-2"))
    await unsaved.keep("li", draft("三"))
    assert sorted(words_of(await unsaved.of("wang"))) == ["一", "二"]
    assert words_of(await unsaved.of("li")) == ["三"]
    await unsaved.drop("wang", "/cases ", "tab-1")
    assert words_of(await unsaved.of("wang")) == ["二"]
    assert words_of(await unsaved.of("li")) == ["三"]


async def test_it_outlives_the_program(village: Node) -> None:
    await village.unsaved.keep("wang", draft("一"))
    again = Unsaved(village.journal, village.clock)
    assert words_of(await again.of("wang")) == ["一"]


async def test_what_was_accepted_is_no_draft_any_more(village: Node) -> None:
    command = LogDispute(id="command-0001", ledger=VILLAGE, type="02", account="水沟堵了", parties=[Party(name="叶根土", side="applicant")])
    await village.say(command)
    await village.unsaved.keep("wang", draft("一", command="command-0001"))
    await village.unsaved.keep("wang", draft("二", tab="tab-2", command="command-0002"))
    drafts = await village.unsaved.of("wang")
    assert words_of(await village.unsaved.saved("wang", drafts)) == ["一"]
    assert words_of(await village.unsaved.of("wang")) == ["二"]


async def test_the_oldest_goes_first_and_what_lies_too_long(village: Node) -> None:
    for n in range(OF_PERSON_MAX + 2):
        village.clock.pass_ms(1000)
        await village.unsaved.keep("wang", draft(str(n), tab=f"tab-{n}"))
    kept = words_of(await village.unsaved.of("wang"))
    assert len(kept) == OF_PERSON_MAX and kept[0] == str(OF_PERSON_MAX + 1) and "0" not in kept
    await village.unsaved.tidy(village.clock() - DAY_MS)
    assert len(await village.unsaved.of("wang")) == OF_PERSON_MAX
    await village.unsaved.tidy(village.clock() + 1)
    assert await village.unsaved.of("wang") == []


async def test_what_is_too_long_is_refused(village: Node) -> None:
    with pytest.raises(Refused, match="太长"):
        await village.unsaved.keep("wang", draft("长" * CONTENT_BYTES_MAX))


async def test_an_erased_case_takes_its_drafts_along(village: Node) -> None:
    outcome = await village.say(
        LogDispute(id="command-0003", ledger=VILLAGE, type="02", account="水沟堵了", parties=[Party(name="叶根土", side="applicant")])
    )
    await village.unsaved.keep("wang", draft("调解经过", form=f"/cases/{outcome.subject}/RecordMediation "))
    await village.unsaved.keep("wang", draft("别的", tab="tab-2"))
    ledger, origin, seq = outcome.entries[0]
    async with village.journal.writing() as w:
        assert await w.erase(ledger, origin, seq, outcome.subject)
    assert words_of(await village.unsaved.of("wang")) == ["别的"]
