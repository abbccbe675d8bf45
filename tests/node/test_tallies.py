"""What is counted by ledger and kept: whatever happened since, it is what the lists hold, on either store; only what went on is counted again."""

from itertools import product
from random import Random
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from protocol.calendar import DAY_MS
from protocol.commands import AcceptDispute, Party, SealDispute
from protocol.node import counts, listing, tallies
from protocol.node.counts import Counts
from protocol.node.journal.rebuild import rebuild
from protocol.node.journal.rows import is_postgres
from protocol.node.kept import KEPT_MS, LONG_MS, as_of
from protocol.node.node import Node
from protocol.problem import Refused
from tests.node.desk_kit import OTHER_TOWN, ROOT, START_MS, TOWN, UNIT, VILLAGE, County, dispute, exchange, new_id
from tests.node.test_statistics import PEOPLE, PLACES, TYPES, county, go_on

__all__ = ["county"]
OTHER_VILLAGE = f"{ROOT}/330523002/330523002002"
EVERY = (*listing.VIEWS, *listing.TASK_VIEWS)


async def check(node: Node, draw: Random | None = None) -> None:
    """As kept, for everyone who asks, and as the lists' own conditions count. draw: for one of them."""
    both = msgspec.structs.replace(node.actor("operator", UNIT), also=(VILLAGE,))
    offices = (("operator", ROOT), ("officer", TOWN), ("officer", OTHER_TOWN), ("clerk", VILLAGE), ("operator", UNIT), ("cadre", TOWN))
    actors = [*(node.actor(*one) for one in offices), both]
    for actor in [draw.choice(actors)] if draw else actors:
        kept = await node.reads.counts(actor) | {"all": await node.reads.total(actor)}
        async with node.journal.read() as c:
            true = await counts.asked(c, actor, EVERY, node.clock())
        assert kept == true | {"forks": 0}, actor.offices
        for view, path in product((*counts.PLACED, "held"), (TOWN, VILLAGE, "330523/33")):
            found = await node.reads.cases(actor, view, place=path, per=200)
            assert found.total == len(found.rows), (view, path)
        new, old = Counts(node.journal, node.clock), node.reads._counts
        assert await old.spread(actor, 0, START_MS) == await new.spread(actor, 0, START_MS)
        assert await old.places(actor) == await new.places(actor)


@pytest.mark.parametrize("seed", [31])
async def test_whatever_happens_what_is_kept_is_what_the_lists_hold(county: County, seed: int):
    draw, (root, village, town) = Random(seed), [await county.node(kind) for kind in ("root", "village", "town")]
    made: list[str] = []
    await root.say(dispute(VILLAGE), root.actor("department", UNIT))  # seen by the unit in a ledger that another office of `both` covers
    for n in range(24):
        root.clock.pass_ms(draw.choice((0, 1, LONG_MS, draw.randint(0, 3 * DAY_MS))))
        node = village if n % 5 == 4 else root
        words: dict[str, Any] = {"type": draw.choice(TYPES), "parties": [draw.choice(PEOPLE), Party("柏大海", side="respondent")]}
        made.append((await node.say(dispute(VILLAGE if node is village else draw.choice(PLACES), **words))).subject)
        await check(root, draw)
        await go_on(node, draw, made)
        if node is village:
            await exchange(village, root, town)
            await check(town, draw)
        await check(root, draw)
    await check(root)
    held = (await root.reads.counts(root.actor("operator", ROOT)))["held"]
    assert held and (await root.reads.counts(root.actor("operator", ROOT)))["overdue"], "a number that is always nought proves nothing"


async def two_ledgers(county: County, monkeypatch: pytest.MonkeyPatch) -> tuple[Node, dict[str, str], list[Any]]:
    """A case each in two ledgers, and a list of what is counted from now on: the values that a walk is narrowed to."""
    root = await county.node("root")
    cases = {ledger: (await root.say(dispute(ledger))).subject for ledger in (VILLAGE, OTHER_VILLAGE)}
    await root.reads.counts(root.actor("operator", ROOT))
    await root.reads.total(root.actor("operator", ROOT))
    walked: list[Any] = []
    for name in ("tally", "total"):
        monkeypatch.setattr(tallies, name, watched(getattr(tallies, name), walked))
    return root, cases, walked


def watched(real: Any, walked: list[Any]) -> Any:
    async def walk(c: Any, where: Any, *more: Any) -> Any:
        walked.append((real.__name__, *where[1].values()))
        return await real(c, where, *more)

    return walk


async def test_only_the_ledger_that_went_on_is_counted_again(county: County, monkeypatch: pytest.MonkeyPatch):
    root, cases, walked = await two_ledgers(county, monkeypatch)
    operator = root.actor("operator", ROOT)
    await root.say(AcceptDispute(id=new_id(), case=cases[OTHER_VILLAGE]))
    await root.reads.counts(operator)
    assert walked == [("tally", OTHER_VILLAGE)], "nobody asked how many cases there are"
    await root.reads.total(operator)
    assert walked[1:] == [("total", OTHER_VILLAGE)]
    await root.reads.counts(operator)
    assert len(walked) == 2
    village = await county.node("village")
    await village.say(SealDispute(id=new_id(), account="有人说青苗费发到了别人的卡上。", accused="某干部", accuser="不愿透露"))
    await exchange(village, root)
    await check(root)


async def test_a_date_that_runs_out_concerns_its_ledger_alone(county: County, monkeypatch: pytest.MonkeyPatch):
    root, _, walked = await two_ledgers(county, monkeypatch)
    operator = root.actor("operator", ROOT)
    root.clock.pass_ms(DAY_MS // 2)
    case = (await root.say(dispute(OTHER_TOWN))).subject
    due_ms = (await root.reads.case_row(operator, case)).due_ms
    assert due_ms
    root.clock.pass_ms(due_ms - root.clock())
    before = await root.reads.counts(operator)
    walked.clear()
    root.clock.pass_ms(1)
    after = await root.reads.counts(operator)
    assert (after["overdue"] - before["overdue"], walked) == (1, [("tally", OTHER_TOWN)])
    await check(root)


async def test_rows_that_change_without_an_entry_and_a_clock_that_went_back_are_counted_anew(county: County):
    root = await county.node("root")
    operator, case = root.actor("operator", ROOT), (await root.say(dispute(VILLAGE))).subject
    async with root.journal.writing() as w:
        await w.connection.execute(text("update case_row set status = 'archived' where subject = :case"), {"case": case})
    assert (await Counts(root.journal, root.clock).lists(operator))["open"] == 0
    root.reads._counts = Counts(root.journal, root.clock)
    assert (await root.reads.counts(operator))["open"] == 0
    assert not await rebuild(root.journal), "it was found to be wrong"
    assert (await root.reads.counts(operator))["open"] == 1
    root.clock.pass_ms(400 * DAY_MS)
    assert (await root.reads.counts(operator))["overdue"] == 1
    root.clock.pass_ms(-400 * DAY_MS)
    assert (await root.reads.counts(operator))["overdue"] == 0


async def test_after_a_fault_in_the_middle_all_is_counted_anew(county: County, monkeypatch: pytest.MonkeyPatch):
    root, cases, _ = await two_ledgers(county, monkeypatch)
    operator, real = root.actor("operator", ROOT), tallies.tally

    async def broken(*_: Any) -> Any:
        raise Refused("store_busy")

    await root.say(dispute(VILLAGE))
    monkeypatch.setattr(tallies, "tally", broken)
    with pytest.raises(Refused, match="store_busy"):
        await root.reads.counts(operator)
    monkeypatch.setattr(tallies, "tally", real)
    assert (await root.reads.counts(operator))["open"] == await root.reads.total(operator) == len(cases) + 1


async def test_what_is_seen_late_behind_a_higher_position_is_counted_in_time(county: County):
    """On PostgreSQL a transaction that began earlier may be seen later: positions alone do not tell."""
    root = await county.node("root")
    async with root.journal.read() as c:
        if not is_postgres(c):
            pytest.skip("one writer: positions tell")
    operator = root.actor("operator", ROOT)
    await root.say(dispute(VILLAGE))
    assert (await root.reads.counts(operator))["open"] == 1
    await root.say(dispute(OTHER_VILLAGE))
    async with root.journal.read() as c:
        root.reads._counts._tallies._as_of = await as_of(c)  # as if another entry with that position had been seen before
    root.clock.pass_ms(KEPT_MS)
    assert (await root.reads.counts(operator))["open"] == 2
