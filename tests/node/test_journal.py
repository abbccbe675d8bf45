"""One contract, three stores: what every journal must do, on SQLCipher, on a real PostgreSQL, and in the memory of a simulation."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from protocol.entry import START, chain
from protocol.node.journal import Journal, LaneHead, Stored, rebuild
from protocol.node.journal.rows import fetch
from protocol.node.journal.search import grams, subjects
from protocol.problem import Refused
from tests.node.journal_kit import KEY, ORIGIN, PLACE, Lane, Views, no_tables, subject
from tests.simulation.store import Disk, open_journal

TOWNSHIP = "330523/330523002"


@dataclasses.dataclass
class Store:
    """Where a journal lies; opened as often as a test likes."""

    url: str
    key: bytes | None

    async def open(self, **options: object) -> Journal:
        return await Journal.open(self.url, self.key, no_tables, **{"views": Views, **options})


async def add(journal: Journal, *entries: Stored) -> list[Stored]:
    async with journal.writing() as w:
        new = await w.append(entries)
        await w.project({e.subject for e in new})
    return new


async def table(journal: Journal, name: str) -> list[dict[str, object]]:
    return await journal.rows(name, order=", ".join(c.name for c in Views.TABLES[name]))


class Contract:
    @pytest.fixture
    async def journal(self, store: Store) -> AsyncIterator[Journal]:
        opened = await store.open()
        yield opened
        await opened.close()

    # ── lanes ──
    async def test_what_was_appended_comes_back_byte_for_byte(self, journal: Journal) -> None:
        lane = Lane()
        said = [lane.say("张三", command="c-0000001", signed=False), lane.say(None), lane.say("李四", subject(2))]
        new = await add(journal, *said)
        assert new == said
        back = await journal.lane(PLACE, ORIGIN, 0, 100)
        assert [e.position for e in back] == [1, 2, 3]
        for e, before in zip(back, said, strict=True):
            assert Stored(0, *[getattr(e, f) for f in Stored.__struct_fields__[1:]]) == before
        assert back[0].head == said[0].head
        assert back[0].admitted.body == "张三".encode()
        assert await journal.lane(PLACE, ORIGIN, 1, 1) == [back[1]]
        assert await journal.subject(subject(1)) == back[:2]
        assert await journal.entry(PLACE, ORIGIN, 3) == back[2]
        assert await journal.entry(PLACE, ORIGIN, 4) is None

    async def test_a_brief_transaction_is_whole_or_not_at_all_too(self, journal: Journal) -> None:
        lane = Lane()
        said = lane.say("张三"), lane.say("李四")
        with pytest.raises(ZeroDivisionError):
            async with journal.writing(brief=True) as w:
                await w.append(said)
                await w.project({subject(1)})
                assert await journal.lane(PLACE, ORIGIN, 0, 9) == []
                1 / 0  # noqa: B018
        assert await journal.lane(PLACE, ORIGIN, 0, 9) == await journal.rows("entry") == []
        async with journal.writing(brief=True) as w:
            await w.append(said)
        assert [row["seq"] for row in await journal.rows("entry", order="position")] == [1, 2]
        await add(journal, lane.say("王五"))
        assert (await journal.heads())[PLACE, ORIGIN] == LaneHead(3, lane.hash, 3)

    async def test_heads_are_the_last_of_each_lane_and_the_last_signed(self, journal: Journal) -> None:
        mine, above = Lane(), Lane(origin="nhgfedcba:2")
        other = Lane(ledger=TOWNSHIP)
        await add(journal, mine.say("a"), above.say("b"), mine.say("c", signed=False), other.say("d"))
        assert await journal.heads(PLACE) == {
            (PLACE, ORIGIN): LaneHead(2, mine.hash, 1),
            (PLACE, "nhgfedcba:2"): LaneHead(1, above.hash, 1),
        }
        assert (await journal.heads())[TOWNSHIP, ORIGIN] == LaneHead(1, other.hash, 1)
        assert await journal.lanes(PLACE) == {ORIGIN: (2, mine.hash), "nhgfedcba:2": (1, above.hash)}
        assert await journal.ledgers() == [TOWNSHIP, PLACE]

    async def test_a_lane_has_no_gap(self, journal: Journal) -> None:
        lane = Lane()
        first, second, third = lane.say("1"), lane.say("2"), lane.say("3")
        with pytest.raises(Refused) as refused:
            await add(journal, second)
        assert (refused.value.code, refused.value.words) == ("lane_gap", {"have": 0, "got": 2})
        await add(journal, first)
        with pytest.raises(Refused, match="lane_gap"):
            await add(journal, third)
        assert (await journal.heads())[PLACE, ORIGIN].seq == 1

    async def test_the_same_bytes_again_are_dropped(self, journal: Journal) -> None:
        lane = Lane()
        said = [lane.say("1"), lane.say("2"), lane.say("3")]
        await add(journal, *said[:2])
        assert await add(journal, *said[:2]) == []
        assert await add(journal, *said, said[2]) == [said[2]]
        assert len(await journal.subject(subject(1))) == 3

    async def test_other_bytes_under_a_number_are_a_fork(self, journal: Journal) -> None:
        lane = Lane()
        first = lane.say("1")
        clone = lane.copy()
        ours, theirs, their_next = lane.say("ours"), clone.say("theirs"), clone.say("theirs too")
        await add(journal, first, ours)
        for forked, seq in ([theirs], 2), ([first, theirs, their_next], 2), ([their_next], 3):
            with pytest.raises(Refused) as refused:
                await add(journal, *forked)
            assert (refused.value.code, refused.value.words["seq"]) == ("lane_fork", seq)
        assert [e.body for e in await journal.subject(subject(1))] == [b"1", b"ours"]

    async def test_two_entries_of_one_number_in_one_batch_are_a_fork(self, journal: Journal) -> None:
        lane = Lane()
        clone = lane.copy()
        with pytest.raises(Refused, match="lane_fork"):
            await add(journal, lane.say("ours"), clone.say("theirs"))
        assert await journal.heads() == {}

    @pytest.mark.parametrize("bad", ["x" * 201, "a\0b"])
    async def test_a_name_that_no_store_can_index_is_refused(self, journal: Journal, bad: str) -> None:
        for e in (Lane().say("a", bad), Lane().say("a", command=bad), Lane(ledger=bad).say("a")):
            with pytest.raises(Refused, match="batch_malformed"):
                await add(journal, e)

    # ── transactions ──
    async def test_a_transaction_is_whole_or_not_at_all(self, journal: Journal) -> None:
        lane = Lane()
        await add(journal, lane.say("张三"))
        before = await table(journal, "line_row")
        with pytest.raises(KeyError):
            async with journal.writing() as w:
                new = await w.append([lane.say("李四"), lane.say("王五", subject(2))])
                await w.project({e.subject for e in new})
                await w.remember({"c-0000001": b"outcome"})
                assert await w.counter("code") == 1
                await w.set_haves({("nother", PLACE): ({ORIGIN: (3, lane.hash)}, 1, b"signed")})
                raise KeyError
        assert (await journal.heads())[PLACE, ORIGIN].seq == 1
        assert await table(journal, "line_row") == before
        assert await journal.search("李四") == []
        assert await journal.outcome("c-0000001") is None
        assert await journal.rows("peer_have") == []
        async with journal.writing() as w:
            assert await w.counter("code") == 1

    async def test_writers_queue_and_readers_do_not_wait(self, journal: Journal) -> None:
        lane, order = Lane(), []

        async def one(n: int) -> None:
            async with journal.writing() as w:
                head = await w.lane_head(PLACE, ORIGIN)
                await asyncio.sleep(0)
                order.append(head.seq)
                await w.append([lane.say(str(n))])

        await asyncio.gather(*[one(n) for n in range(20)])
        assert order == list(range(20))
        async with journal.writing() as w:
            await w.append([lane.say("not yet")])
            assert (await w.lane_head(PLACE, ORIGIN)).seq == 21
            assert (await journal.heads())[PLACE, ORIGIN].seq == 20

    async def test_a_writer_that_is_cancelled_leaves_the_journal_usable(self, journal: Journal) -> None:
        lane, inside = Lane(), asyncio.Event()

        async def slow() -> None:
            async with journal.writing() as w:
                await w.append([lane.copy().say("never")])
                inside.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(slow())
        await inside.wait()
        task.cancel()
        await asyncio.wait({task})
        await add(journal, lane.say("once"))
        assert [e.body for e in await journal.subject(subject(1))] == [b"once"]

    async def test_a_reader_cannot_write(self, journal: Journal) -> None:
        with pytest.raises(Exception, match="read.?only"):
            async with journal.read() as c:
                await fetch(c, "delete from entry")

    async def test_a_reader_sees_one_moment(self, journal: Journal) -> None:
        lane = Lane()
        await add(journal, lane.say("1"))
        async with journal.read() as c:
            assert [tuple(row) for row in await fetch(c, "select count(*) from entry")] == [(1,)]
            await add(journal, lane.say("2"))
            assert [tuple(row) for row in await fetch(c, "select count(*) from entry")] == [(1,)]

    # ── views and search ──
    async def test_the_views_follow_each_entry_and_equal_a_rebuild(self, journal: Journal) -> None:
        lanes = [Lane(), Lane(origin="nhgfedcba:1"), Lane(ledger=TOWNSHIP)]
        for n in range(30):
            await add(journal, *[lane.say(f"第{n}句 {lane.origin}", subject((n * 7 + i) % 11)) for i, lane in enumerate(lanes)])
        rows = [await table(journal, name) for name in Views.TABLES]
        assert [len(r) for r in rows] == [11, 90]
        assert await rebuild(journal)
        assert [await table(journal, name) for name in Views.TABLES] == rows

    async def test_a_rebuild_mends_what_was_wrong_and_says_so(self, journal: Journal) -> None:
        lane = Lane()
        await add(journal, lane.say("张三"), lane.say("李四", subject(2)))
        good = [await table(journal, name) for name in Views.TABLES]
        for damage in (
            "update sum_row set turns = 99",
            "delete from line_row",
            "insert into sum_row (subject, turns) values ('nobody', 1)",
            "update search set text = 'x' where subject = (select min(subject) from search)",
            "delete from search",
        ):
            async with journal.writing() as w:
                await w.connection.execute(text(damage))
            assert not await rebuild(journal), damage
            assert [await table(journal, name) for name in Views.TABLES] == good
            assert len(await journal.search("张三")) == len(await journal.search("李四")) == 1
            assert await rebuild(journal)

    async def test_views_of_another_shape_are_made_again_on_opening(self, journal: Journal, store: Store) -> None:
        lane = Lane()
        await add(journal, *[lane.say(f"张三{n}", subject(n)) for n in range(300)])
        before = await table(journal, "sum_row")

        class Grown(Views):
            TABLES = {"sum_row": (*Views.TABLES["sum_row"], Views.TABLES["line_row"][3])}  # noqa: RUF012

            @staticmethod
            def rows(*words: object) -> dict[str, list[dict[str, object]]]:
                return {"sum_row": [row | {"said": "new"} for row in Views.rows(*words)["sum_row"]]}

        await journal.close()
        grown = await store.open(views=Grown)
        assert await table(grown, "sum_row") == [row | {"said": "new"} for row in before]
        assert len(await grown.search("张三7")) == 11
        with pytest.raises(Exception, match="line_row"):
            await grown.rows("line_row")
        await grown.close()

    async def test_search_finds_what_occurs_and_nothing_else(self, store: Store) -> None:
        texts = ["张三丰 2026-017-00042K 宅基地边界", "张三，三丈", "王𬭎 噪音", "ABCdef张"]
        questions = {
            "张三": {1, 2}, "张": {1, 2, 4}, "丰": {1}, "三丰": {1}, "张三丰": {1}, "三张": set(), "赵": set(), "𬭎": {3}, "王𬭎": {3}, "": {1, 2, 3, 4},
            "2026-017-00042K": {1}, "00042k": {1}, "042": {1}, "Ｋ": {1}, "张三 边界": {1}, "边界 张三 王": set(), "，": {2}, "三，": {2}, "abc": {4},
            "bc": {4}, "  ": {1, 2, 3, 4}, "'\"*%_:()": set(), "%": set(), "a:*|b": set(), "丈" * 500: set(),
        }  # fmt: skip
        for later in False, True:
            journal = await store.open(index_later=later)
            lane = Lane(origin=f"n{later:d}:1")
            await add(journal, *[lane.say(t, subject(n)) for n, t in enumerate(texts, 1)])
            for _ in range(2):  # again when what was pending is indexed
                for asked, found in questions.items():
                    assert {int(s, 16) for s in await journal.search(asked)} == found, asked
                    async with journal.read() as c:
                        assert {int(s, 16) for s in await subjects(c, asked)} == found, asked
                        assert {int(s, 16) for s in await subjects(c, asked, 9)} == found, asked
                        some = [int(s, 16) for s in await subjects(c, asked, 1)]
                        assert set(some) <= found, asked
                        assert some or not found, asked
                await journal.index()
            await journal.close()

    async def test_search_forgets_what_a_text_no_longer_says(self, journal: Journal) -> None:
        lane = Lane()
        await add(journal, lane.say("张三"), lane.say("李四"))
        await add(journal, lane.say("王五"))
        assert await journal.search("张三 王五") == [subject(1)]
        async with journal.writing() as w:
            await w.erase(PLACE, ORIGIN, 1, subject(1))
            await w.project([subject(1)])
        assert await journal.search("张三") == []
        assert await journal.search("王五") == [subject(1)]
        assert await rebuild(journal)

    async def test_nothing_of_an_erased_text_stays_in_the_index(self, journal: Journal) -> None:
        lane = Lane()
        await add(journal, lane.say("张三"), lane.say("李四", subject(2)))
        async with journal.writing() as w:
            await w.erase(PLACE, ORIGIN, 1, subject(1))
            await w.project([subject(1)])
        async with journal.read() as c:
            if c.dialect.name == "postgresql":
                ((left,),) = await fetch(c, "select string_agg(grams::text, ' ') from search")
            else:
                asked = "select 1 from search_gram where search_gram match :gram"
                left = [gram for gram in grams("张三 李四").split() if await fetch(c, asked, {"gram": gram})]
        assert sorted(left.replace("'", "").split() if isinstance(left, str) else left) == sorted(grams("李四").split())

    async def test_facts_of_a_hostile_node_stop_no_view(self, journal: Journal) -> None:
        lane = Lane()
        await add(
            journal,
            lane.say("a\0b" + "".join(map(chr, range(0x4E00, 0x9000))), turn=2**64 - 1),
            lane.say("李四", sort="unheard of", of=subject(2)),
        )
        (row,) = await table(journal, "sum_row")
        assert (row["turns"], str(row["words"])[:3]) == (2**63 - 1, "ab一")
        assert await rebuild(journal)

    # ── erasing ──
    async def test_what_is_erased_is_gone_and_the_lane_still_verifies(self, journal: Journal) -> None:
        lane = Lane()
        await add(journal, lane.say("张三"), lane.say("身份证号"), lane.say("李四"))
        async with journal.writing() as w:
            await w.connection.execute(
                text("insert into draft (id, account, form, subject, content, updated_ms) values ('d', 'a', 'f', :s, :c, 1)"),
                {"s": subject(1), "c": b"typed"},
            )
        async with journal.writing() as w:
            assert await w.erase(PLACE, ORIGIN, 2, subject(1))
            await w.project([subject(1)])
        back, hash_ = await journal.lane(PLACE, ORIGIN, 0, 10), START
        assert [(e.salt is None, e.body, e.erased) for e in back] == [
            (False, "张三".encode(), False),
            (True, None, True),
            (False, "李四".encode(), False),
        ]
        for e in back:
            hash_ = chain(hash_, e.head_bytes)
            assert e.hash == hash_
        assert (await table(journal, "sum_row"))[0]["words"] == "张三 李四"
        assert await journal.search("身份") == []
        assert await journal.rows("draft") == []
        assert back[1].admitted.erased

    async def test_an_erasure_that_came_first_keeps_the_body_off_the_disk(self, journal: Journal) -> None:
        lane = Lane()
        said = [lane.say("张三"), lane.say("李四")]
        async with journal.writing() as w:
            assert not await w.erase(PLACE, ORIGIN, 2, subject(1))
        new = await add(journal, *said)
        assert [e.body for e in new] == ["张三".encode(), None]
        assert [(e.body, e.erased) for e in await journal.lane(PLACE, ORIGIN, 0, 10)] == [("张三".encode(), False), (None, True)]
        assert await add(journal, *said) == []
        assert await journal.search("李四") == []
        assert await journal.rows("erasure") == []

    @pytest.mark.parametrize("came_first", [False, True])
    async def test_an_erasure_leaves_the_words_of_another_subject_that_has_the_number(self, journal: Journal, came_first: bool) -> None:
        """A computer that was put back gave it twice: the erased one stands beside the lane, if it is here at all."""
        said = [Lane().say("张三")]
        if not came_first:
            await add(journal, *said)
        async with journal.writing() as w:
            assert not await w.erase(PLACE, ORIGIN, 1, subject(2))
        await add(journal, *said)
        assert [e.body for e in await journal.lane(PLACE, ORIGIN, 0, 10)] == ["张三".encode()]
        assert await journal.search("张三") == [subject(1)]
        assert [row["subject"] for row in await journal.rows("erasure")] == [subject(2)]

    # ── commands, counters, other nodes ──
    async def test_an_accepted_command_is_remembered_for_ever(self, journal: Journal, store: Store) -> None:
        lane = Lane()
        async with journal.writing() as w:
            await w.append([lane.say("1", command="c-0000001"), lane.say("2", subject(2), command="c-0000001"), lane.say("3")])
            assert await w.outcome("c-0000001") is None
            await w.remember({"c-0000001": b"outcome"})
            assert await w.outcome("c-0000001") == b"outcome"
        with pytest.raises(Refused, match="store_busy"):
            async with journal.writing() as w:
                await w.remember({"c-0000001": b"another"})
        again = await store.open()
        assert await again.outcome("c-0000001") == b"outcome"
        assert [e.seq for e in await again.command("c-0000001")] == [1, 2]
        assert await again.command("") == []
        await again.close()

    async def test_counters_count_each_by_name(self, journal: Journal) -> None:
        for n in 1, 2:
            async with journal.writing() as w:
                assert await w.counter("case 2026") == n
                assert await w.counter(f"paper {n}") == 1

    async def test_what_a_peer_has_is_kept_and_may_fall(self, journal: Journal) -> None:
        async with journal.writing() as w:
            await w.set_haves(
                {("nother", PLACE): ({ORIGIN: (5, b"5" * 32), "nother:1": (2, b"2" * 32), "nx:1": (2, b"2" * 32)}, 10, b"first")}
            )
            await w.set_haves({("nother", TOWNSHIP): ({ORIGIN: (1, b"1" * 32)}, 10, b"aside")})
        async with journal.writing() as w:
            await w.set_haves({("nother", PLACE): ({ORIGIN: (3, b"3" * 32)}, 20, b"second")})
            await w.set_own_haves({PLACE: (20, b"mine")})
            await w.set_own_haves({PLACE: (30, b"mine too")})
        rows = await journal.rows("peer_have", "ledger = :l", {"l": PLACE}, "origin")
        said = [(r["origin"], r["seq"], r["highest"], r["at_ms"]) for r in rows]  # of nx nothing is here, and nobody names it any more
        assert said == sorted([(ORIGIN, 3, 5, 20), ("nother:1", 0, 2, 20)])
        assert [r["signed"] for r in await journal.rows("peer", order="ledger")] == [b"aside", b"second"]
        assert [(r["at_ms"], r["signed"]) for r in await journal.rows("own_have")] == [(30, b"mine too")]

    async def test_what_was_refused_is_counted_by_reason(self, journal: Journal) -> None:
        for at, sample in (1, b"bytes"), (2, None):
            async with journal.writing() as w:
                await w.quarantine("nother", PLACE, ORIGIN, Refused("frame_broken"), at, sample)
        async with journal.writing() as w:
            await w.quarantine("nother", PLACE, ORIGIN, Refused("lane_gap", have=1, got=3), 3)
        rows = await journal.rows("quarantine", order="code")
        assert [(r["code"], r["count"], r["first_ms"], r["last_ms"], r["sample"]) for r in rows] == [
            ("frame_broken", 2, 1, 2, b"bytes"), ("lane_gap", 1, 3, 3, None),
        ]  # fmt: skip
        assert rows[1]["sentence"] == Refused("lane_gap", have=1, got=3).sentence

    async def test_local_values(self, journal: Journal) -> None:
        assert await journal.local("epoch") is None
        for value in b"1", b"2":
            async with journal.writing() as w:
                await w.set_local("epoch", value)
        assert await journal.local("epoch") == b"2"

    # ── order and size ──
    async def test_since_gives_all_in_the_order_of_commits(self, journal: Journal) -> None:
        lanes = [Lane(origin=f"n{n}:1") for n in range(5)]
        await asyncio.gather(*[add(journal, *[lane.say("x", subject(9)) for _ in range(4)]) for lane in lanes])
        seen, position = [], 0
        while some := await journal.since(position, 3):
            seen += some
            position = some[-1].position
        assert sorted(e.key for e in seen) == sorted((PLACE, lane.origin, n) for lane in lanes for n in range(1, 5))
        assert [e.position for e in seen] == sorted(e.position for e in seen)

    async def test_thousands_of_entries_of_many_lanes_in_one_transaction(self, journal: Journal) -> None:
        lanes = [Lane(origin=f"n{n:03}:1") for n in range(100)]
        said = [lane.say(f"张三{n}", subject(n * 100 + i % 50), signed=n == 29) for n in range(30) for i, lane in enumerate(lanes)]
        assert len(await add(journal, *said)) == 3000
        assert len(await journal.heads()) == 100
        assert (await journal.heads())[PLACE, "n007:1"] == LaneHead(30, lanes[7].hash, 30)
        assert len(await journal.rows("sum_row")) == 1500

    async def test_reopening_finds_the_same(self, journal: Journal, store: Store) -> None:
        lane = Lane()
        await add(journal, *[lane.say(f"第{n}句") for n in range(5)])
        before = [await journal.since(0, 100), await table(journal, "line_row"), await journal.heads()]
        await journal.close()
        again = await store.open()
        assert [await again.since(0, 100), await table(again, "line_row"), await again.heads()] == before
        await add(again, lane.say("more"))
        await again.close()


class TestSqlite(Contract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return Store(f"sqlite:///{tmp_path}/journal.db", KEY)


class TestPostgres(Contract):
    @pytest.fixture
    def store(self, postgres_url: str) -> Store:
        return Store(postgres_url, None)

    async def test_an_erasure_that_another_program_is_about_to_commit_is_waited_for(self, journal: Journal, store: Store) -> None:
        """Both touch one subject; the entry waits there, and what was true before it waited is true no more."""
        words, erasing, other = Lane(), Lane(origin="nzzzzzzzz:1"), await store.open()

        async def come() -> list[Stored]:
            async with other.writing() as w:
                return await w.take([[words.say("张三")]])

        async with journal.writing() as w:
            await w.take([[erasing.say(None)]])
            coming = asyncio.create_task(come())
            while not await journal.select("select 1 from pg_locks where locktype = 'advisory' and not granted", {}):
                assert not coming.done()
                await asyncio.sleep(0.01)
            assert not await w.erase(PLACE, ORIGIN, 1, subject(1))
        assert [e.body for e in await coming] == [None]
        assert [(e.body, e.erased) for e in await journal.lane(PLACE, ORIGIN, 0, 10)] == [(None, True)]
        assert await journal.search("张三") == await journal.rows("erasure") == []
        await other.close()


class MemoryStore:
    def __init__(self) -> None:
        self.disk = Disk(Random(1))

    async def open(self, **options: object) -> Journal:
        return await open_journal(self.disk, no_tables, **{"views": Views, **options})


class TestMemory(Contract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
