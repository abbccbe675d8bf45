"""Folding ahead is a guess: it saves the fold where it was right, and is of no use where anything is otherwise by then."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from protocol.lane import LaneHead
from protocol.node import admission
from protocol.node.journal import Journal, Stored, rebuild
from protocol.node.journal.ahead import Ahead
from tests.node.journal_kit import KEY, ORIGIN, PLACE, Lane, Views, no_tables, subject
from tests.node.test_gathering import bring, crowd, expected, hub_at, lanes, tables_of


class Counting:
    """Views that say of what they were asked. by: what they rest on besides entries and tables."""

    TABLES = Views.TABLES

    def __init__(self) -> None:
        self.by: tuple[object, ...] = (object(),)
        self.asked: list[str] = []

    def rows(self, sort: str, admitted: list[Any], tables: Any) -> dict[str, list[dict[str, Any]]]:
        self.asked.append(admitted[0].head.subject)
        return Views.rows(sort, admitted, tables)

    search_text = staticmethod(Views.search_text)


class Guessed:
    def __init__(self, upcoming: Sequence[Stored]) -> None:
        self.views, self.tables = Counting(), object()
        self.ahead = Ahead(self.views, lambda: self.tables, lambda: upcoming)

    async def begun(self) -> "Guessed":
        self.ahead.begin()
        while self.ahead._tasks:
            await asyncio.sleep(0)
        return self


async def test_it_is_used_once_for_the_very_entries_tables_and_revocations():
    lane = Lane()
    some, others = [lane.say("张三"), lane.say("李四")], [lane.say("王五", subject(2), turn=1)]
    guessed = await Guessed([*some, *others]).begun()
    assert guessed.views.asked == [subject(1), subject(2)]
    for wrong in (
        some[:1],
        [*some, lane.say("赵六")],
        [some[1], some[0]],
        [some[0], Stored(*[getattr(some[1], f) for f in some[1].__struct_fields__])],
    ):
        assert (await Guessed(some).begun()).ahead.take(wrong, guessed.tables) is None
    for change in ("tables", "by"):
        otherwise = await Guessed(some).begun()
        if change == "by":
            otherwise.views.by = (object(),)
        assert otherwise.ahead.take(some, object() if change == "tables" else otherwise.tables) is None
    assert guessed.ahead.take(some, guessed.tables) is not None
    assert guessed.ahead.take(some, guessed.tables) is None
    assert guessed.ahead.take(others, guessed.tables) is not None


async def test_whoever_folds_in_earnest_is_not_held_up():
    lane = Lane()
    guessed = Guessed([lane.say("张三", subject(n), turn=1) for n in range(100)])
    guessed.ahead.begin()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    guessed.ahead.halt()
    done = len(guessed.views.asked)
    await guessed.ahead.settled()
    assert 0 < done == len(guessed.views.asked) < 100
    guessed.ahead.begin()
    await asyncio.sleep(0)
    guessed.ahead.halt()
    guessed.ahead.begin()  # at once, before the one before has noticed
    while guessed.ahead._tasks:
        await asyncio.sleep(0)
    assert sorted(guessed.views.asked) == sorted(subject(n) for n in range(100)), "each once"


async def test_what_cannot_be_folded_is_left_to_the_transaction():
    lane = Lane()
    some = [lane.say("张三", subject(1)), lane.say("李四", subject(2), turn=1)]
    guessed = Guessed(some)
    rows = guessed.views.rows
    guessed.views.rows = lambda sort, admitted, tables: 1 / 0 if admitted[0].head.subject == subject(1) else rows(sort, admitted, tables)  # type: ignore[method-assign,assignment]
    await guessed.begun()
    assert guessed.ahead.take(some[:1], guessed.tables) is None
    assert guessed.ahead.take(some[1:], guessed.tables) is not None


async def test_words_that_were_erased_before_they_came_are_in_no_row(tmp_path):
    """They were folded ahead with their words, and lose them in the transaction."""
    journal = await Journal.open(f"sqlite:///{tmp_path}/journal.db", KEY, no_tables, views=Views)
    lane = Lane()
    some = [lane.say("张三")]
    async with journal.writing() as w:
        assert not await w.erase(PLACE, ORIGIN, 1, subject(1))
    ahead = Ahead(journal.views, journal.tables, lambda: some)
    ahead.begin()
    await asyncio.sleep(0.01)
    async with journal.writing() as w:
        (kept,) = await w.take([some], ahead=ahead)
    assert kept.body is None and await journal.heads() == {(PLACE, ORIGIN): LaneHead(1, lane.hash, 1)}
    assert "张三" not in repr([await journal.rows(name) for name in (*Views.TABLES, "search")])
    await journal.close()


@pytest.mark.parametrize("most", [20, 200])
async def test_a_storm_comes_to_the_same_rows_and_most_was_folded_ahead(postgres_url: str, monkeypatch: pytest.MonkeyPatch, most: int):
    monkeypatch.setattr(admission, "GATHERED_MAX", most)
    used, take = list[bool](), Ahead.take
    monkeypatch.setattr(Ahead, "take", lambda self, *about: used.append((one := take(self, *about)) is not None) or one)
    hub = await hub_at(postgres_url)
    await bring(hub, lanes(limit=60))
    assert sum(used) > len(used) / 4
    kept = [one._ahead._guesses for one in hub.admission._gathering.values() if one._ahead]
    assert kept == [{}, {}], "nothing is kept when nothing waits"
    assert await rebuild(hub.journal)
    assert await tables_of(hub) == expected(set(crowd().lanes))
    await hub.close()
