"""What a transaction tells of itself after its commit, for whoever sends it on: just what stands in the store then."""

from pathlib import Path

from protocol.node.journal import Journal
from protocol.node.journal.writing import ADDED_MAX
from tests.node.journal_kit import KEY, ORIGIN, PLACE, Lane, Views, no_tables, subject


async def test_what_a_transaction_added_is_told_as_it_stands_then_and_not_where_it_erased_as_well(tmp_path: Path) -> None:
    lane, journal = Lane(), await Journal.open(f"sqlite:///{tmp_path / 'journal.db'}", KEY, no_tables, views=Views)
    try:
        async with journal.writing() as w:
            await w.append([lane.say("张三")])
        async with journal.writing() as w:
            await w.append([lane.say("李四", subject(2))])
            await w.append([lane.say("王五", subject(3))])
        ((key, (before, rows)),) = w.added().items()
        assert key == (PLACE, ORIGIN)
        stood = await journal.lane(*key, before.seq, 500)
        assert [(e.seq, e.head_bytes, e.salt, e.body, e.hash, e.signature) for e in rows] == [
            (e.seq, e.head_bytes, e.salt, e.body, e.hash, e.signature) for e in stood
        ]
        async with journal.writing() as w:
            await w.append([lane.say("赵六", subject(2))])
            await w.erase(PLACE, ORIGIN, 1, subject(1))
        assert w.added() == {}
        async with journal.writing() as w:
            for n in range(ADDED_MAX + 1):
                await w.append([lane.say(f"第{n}件", subject(4))])
        assert w.added() == {}
    finally:
        await journal.close()
