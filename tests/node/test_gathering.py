"""Many lanes in one transaction: however batches are cut, grouped, doubled and interleaved, the same entries and the same tables."""

import asyncio
import random
from functools import cache

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import certificate as certificates
from protocol import entry, views
from protocol.batch import Batch
from protocol.node import admission
from protocol.node.admission import GAVE_WAY_MAX, Admission
from protocol.node.desk import row_of
from protocol.node.folding import open_journal
from protocol.node.journal import Journal, Stored, rebuild
from protocol.node.journal.projection import Projected
from protocol.node.journal.writing import Writing
from protocol.node.shelf import Shelf
from protocol.node.wake import Wake
from protocol.problem import Refused
from protocol.tables import Tables
from tests.bench.crowd import COUNTY, NOW_MS, Crowd
from tests.node.desk_kit import signing_key

KEY = bytes(32)


@cache
def crowd() -> Crowd:
    return Crowd(1_000)


class Hub:
    """A receiving node with nothing but a journal and its door. commits: lanes of each transaction."""

    def __init__(self, journal: Journal, shelf: Shelf) -> None:
        self.journal, self.commits, wake = journal, list[list[tuple[str, str]]](), Wake()
        wake.listen(self.commits.append)
        mine = certificates.issue(
            crowd().county_key, node="nhub22222", name="hub", key=bytes(signing_key("hub").verify_key), serves=(COUNTY,),
            covers=(f"{COUNTY}/*", "_"), short=1, valid_from_ms=1,
        )  # fmt: skip
        self.admission = Admission(journal, crowd().root_public, mine, shelf, lambda: NOW_MS, wake)

    async def close(self) -> None:
        await self.admission.settled()
        await self.journal.close()


async def hub_at(url: str) -> Hub:
    shelf = Shelf(lambda: NOW_MS)
    return Hub(await open_journal(url, KEY if url.startswith("sqlite") else None, shelf), shelf)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path) -> str:
    return f"sqlite:///{tmp_path}/journal.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def lanes(most: int = 1_000, limit: int = 500) -> list[tuple[str, list[Batch]]]:
    """(who brings it, its batches in order)."""
    return [(entry.node_of(origin), some) for (_, origin), some in list(crowd().pieces(limit).items())[:most]]


async def brought(hub: Hub, batch: Batch, node: str) -> int | Refused:
    """Once more where the store was busy, as whoever sends it does."""
    while True:
        try:
            return await hub.admission.admit(batch, node)
        except Refused as refused:
            if refused.code != "store_busy":
                return refused


async def bring(hub: Hub, some: list[tuple[str, list[Batch]]]) -> list[list[int | Refused]]:
    """All lanes at once, each in order; what became of each batch."""

    async def one(node: str, batches: list[Batch]) -> list[int | Refused]:
        return [await brought(hub, batch, node) for batch in batches]

    return await asyncio.gather(*[one(*lane) for lane in some])


async def test_what_has_gathered_goes_in_together_and_a_lone_batch_at_once(url: str):
    hub, some = await hub_at(url), lanes()
    (_, first), *rest = some
    assert await hub.admission.admit(first[0], "x") == len(first[0].heads)
    assert len(hub.commits) == 1
    await bring(hub, rest)
    assert sum(map(len, hub.commits)) >= len(some)
    assert max(map(len, hub.commits)) > 20, "lanes of one transaction"
    assert len(hub.commits) < len(some) / 4
    assert {key: head.seq for key, head in (await hub.journal.heads()).items()} == {k: len(v) for k, v in crowd().lanes.items()}
    assert await rebuild(hub.journal)
    assert [got for one in await bring(hub, some) for got in one] == [0] * len(some), "what is here is cut away"
    await hub.close()


async def test_one_bad_batch_is_refused_alone(url: str):
    hub, some = await hub_at(url), lanes(limit=3)
    some = [(node, batches) for node, batches in some if len(batches) > 1][:12]
    forged = msgspec.structs.replace(some[0][1][0], signature=bytes(64))
    gap, torn = some[1][1][1], msgspec.structs.replace(some[2][1][0], heads=(b"\x90", *some[2][1][0].heads[1:]))
    bad: list[tuple[str, list[Batch]]] = [("x", [forged]), ("x", [gap]), ("x", [torn])]
    said = await bring(hub, [*bad, *some[3:]])
    assert [one.code for (one,) in said[:3] if isinstance(one, Refused)] == ["signature_wrong", "lane_gap", "batch_malformed"]
    assert [sum(n for n in one if isinstance(n, int)) for one in said[3:]] == [batches[-1].last for _, batches in some[3:]]
    assert len(await hub.journal.heads()) == len(some) - 3
    await hub.close()


async def test_what_nobody_could_foresee_in_one_batch_does_not_sink_the_others(url: str, monkeypatch):
    hub, some = await hub_at(url), lanes(30)
    poison = entry.decode_head(some[7][1][0].heads[1]).subject
    rows = hub.journal.views.rows

    def breaks(sort, admitted, tables):
        if admitted[0].head.subject == poison:
            raise ZeroDivisionError
        return rows(sort, admitted, tables)

    monkeypatch.setattr(hub.journal.views, "rows", breaks)
    said = await asyncio.gather(*[hub.admission.admit(b[0], node) for node, b in some], return_exceptions=True)
    broken = [n for n, one in enumerate(said) if isinstance(one, ZeroDivisionError)]
    assert 7 in broken and len(broken) <= 3, "whoever brings entries of that case, nobody else"
    assert all(isinstance(one, int) and one for n, one in enumerate(said) if n not in broken)
    monkeypatch.setattr(hub.journal.views, "rows", rows)
    for n in broken:
        assert await hub.admission.admit(some[n][1][0], some[n][0]), "it may come again"
    assert await rebuild(hub.journal)
    await hub.close()


async def test_a_fork_met_in_the_transaction_is_refused_and_ours_stays(url: str):
    """Both branches are proven before either is on the disk."""
    hub, made = await hub_at(url), crowd()
    (key, some), author = next(iter(made.pieces().items())), next(iter(made.authors.values()))
    author = next(a for a in made.authors.values() if a.signer.origin == key[1])
    half, cut = some[0], made.pieces(5)[key]
    head = entry.decode_head(cut[1].heads[0])
    raw = entry.encode_head(msgspec.structs.replace(head, turn=head.turn + 7))
    signature = entry.sign(author.signer.key, entry.chain(cut[1].prev, raw))
    other = Batch(*key, cut[1].after, cut[1].prev, (raw,), (cut[1].bodies[0],), signature)
    await hub.admission.admit(cut[0], "x")
    said = await asyncio.gather(hub.admission.admit(half, "x"), hub.admission.admit(other, "x"), return_exceptions=True)
    assert said[0] == half.last - cut[0].last
    assert isinstance(said[1], Refused) and said[1].code == "lane_fork"
    assert (await hub.journal.heads())[key].seq == half.last
    await hub.close()


class Saves:
    """Somebody saves, so many times, while entries of others lie in a transaction that is not on the disk yet. order: of how many lanes, or a save."""

    def __init__(self, hub: Hub, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        self.hub, self.left, self.order, self.tasks = hub, most, list[int | str](), list[asyncio.Task[None]]()
        insert = Writing._insert
        monkeypatch.setattr(admission, "GATHERED_MIN", 1)  # so few give way too

        async def inserted(w: Writing, fresh: list[Stored]) -> None:
            await insert(w, fresh)
            self.order.append(len({e.origin for e in fresh}))
            if self.left:
                self.left -= 1
                self.tasks.append(asyncio.create_task(self._save()))
                await asyncio.sleep(0)  # it waits now

        monkeypatch.setattr(Writing, "_insert", inserted)

    async def _save(self) -> None:
        async with self.hub.journal.writing(urgent=True) as w:
            assert await w.counter("saves") >= 1
            self.order.append("save")


async def test_what_is_soon_done_gives_no_way(tmp_path, monkeypatch):
    hub, ((node, (batch, *_)),) = await hub_at(f"sqlite:///{tmp_path}/journal.db"), lanes(1)
    saves = Saves(hub, monkeypatch, 1)
    monkeypatch.setattr(admission, "GATHERED_MIN", len(batch.heads))
    await hub.admission.admit(batch, node)
    await asyncio.gather(*saves.tasks)
    assert saves.order == [1, "save"]
    await hub.close()


@pytest.mark.parametrize("batches", [1, 3])
async def test_a_save_goes_before_a_backlog_that_is_being_written(tmp_path, monkeypatch, batches: int):
    hub, some = await hub_at(f"sqlite:///{tmp_path}/journal.db"), lanes(batches)
    saves = Saves(hub, monkeypatch, 1)
    said = await asyncio.gather(*[hub.admission.admit(b[0], node, backlog=True) for node, b in some])
    first, then, *rest = saves.order
    assert (first, then, sum(rest)) == (min(2, batches), "save", batches), "what was undone comes again, after the save"
    assert said == [len(b[0].heads) for _, b in some], "nobody was answered before it was there"
    assert {key: head.seq for key, head in (await hub.journal.heads()).items()} == {(b[0].ledger, b[0].origin): b[0].last for _, b in some}
    assert await rebuild(hub.journal)
    await hub.close()


async def test_a_backlog_gets_on_however_often_somebody_saves(tmp_path, monkeypatch):
    hub, ((node, (batch, *_)),) = await hub_at(f"sqlite:///{tmp_path}/journal.db"), lanes(1)
    saves = Saves(hub, monkeypatch, 1_000)
    assert await hub.admission.admit(batch, node, backlog=True) == len(batch.heads)
    await asyncio.gather(*saves.tasks)
    assert saves.order == [1, "save"] * (GAVE_WAY_MAX + 1)
    await hub.close()


async def test_what_is_tried_one_by_one_keeps_its_order_also_while_somebody_saves(tmp_path, monkeypatch):
    hub, ((node, batches),) = await hub_at(f"sqlite:///{tmp_path}/journal.db"), lanes(1, limit=3)
    commit = hub.admission.commit

    async def only_alone(group, insists: bool, ahead):
        if len(group) > 1:
            raise ZeroDivisionError
        return await commit(group, insists, ahead)

    monkeypatch.setattr(hub.admission, "commit", only_alone)
    saves = Saves(hub, monkeypatch, 1_000)
    said = await asyncio.gather(*[hub.admission.admit(batch, node, backlog=True) for batch in batches])
    assert len(batches) > 2 and said == [len(batch.heads) for batch in batches]
    await asyncio.gather(*saves.tasks)
    await hub.close()


async def test_two_programs_on_one_database_admit_the_same_at_once(postgres_url: str):
    one, two = await hub_at(postgres_url), await hub_at(postgres_url)
    await asyncio.gather(bring(one, lanes(limit=7)), bring(two, lanes(limit=11)))
    assert {key: head.seq for key, head in (await one.journal.heads()).items()} == {k: len(v) for k, v in crowd().lanes.items()}
    assert (await one.journal.rows("case_row")) == (await two.journal.rows("case_row"))
    assert await rebuild(two.journal), "each folded what the other had committed"
    await one.close()
    await two.close()


async def tables_of(hub: Hub) -> dict[str, list[list[object]]]:
    """Table → its rows, as they stand there."""
    return {t: sorted((list(row.values()) for row in await hub.journal.rows(t)), key=repr) for t in hub.journal.views.TABLES}


def expected(mine: set[tuple[str, str]]) -> dict[str, list[list[object]]]:
    """Table → its rows, folded from the lanes themselves."""
    made, by_subject = Projected(views), dict[str, list[Stored]]()
    for key in sorted(mine):
        for one in crowd().lanes[key]:
            by_subject.setdefault(one.head.subject, []).append(row_of(one, NOW_MS))
    for some in by_subject.values():
        made.add(some, Tables.packaged())
    return {table: sorted((list(row) for row in rows), key=repr) for table, rows in made.rows.items()}


@given(seed=st.integers(0, 2**32), limit=st.sampled_from([1, 2, 7, 60, 500]), hands=st.integers(1, 40))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_cut_any_group_any_order_ends_alike(tmp_path_factory, seed: int, limit: int, hands: int):
    chance = random.Random(seed)
    mine = {key for key in crowd().lanes if key[0].endswith("07")}
    codes = set[str]()
    todo = [list(some) for key, some in crowd().pieces(limit).items() if key in mine]
    hub = await hub_at(f"sqlite:///{tmp_path_factory.mktemp('any')}/journal.db")

    async def save() -> None:
        """Somebody who saves without end, as long as there is something to do."""
        while any(todo):
            async with hub.journal.writing(urgent=True) as w:
                await w.counter("saves")
            await asyncio.sleep(chance.choice((0, 0.001, 0.02)))

    async def hand() -> None:
        while rest := [some for some in todo if some]:
            some = chance.choice(rest)
            batch = some[0]
            if chance.random() < 0.8:
                some.pop(0)
            backlog = chance.random() < 0.5
            try:
                await hub.admission.admit(batch, "x", backlog=backlog)
            except Refused as refused:
                codes.add(refused.code)
                some.append(batch)
                some.sort(key=lambda one: one.after)
                await asyncio.sleep(0)

    await asyncio.gather(save(), *[hand() for _ in range(hands)])
    assert codes <= {"lane_gap", "store_busy"}, "another hand had the one before it, and was slower; or the machine was"
    for key in mine:  # a hand that was overtaken may have put back what is here
        for batch in crowd().pieces(limit)[key]:
            await hub.admission.admit(batch, "x")
    assert await rebuild(hub.journal)
    heads = await hub.journal.heads()
    assert {key: [e.head_bytes for e in await hub.journal.lane(*key, 0, 5_000)] for key in heads} == {
        key: [one.entry.head_bytes for one in crowd().lanes[key]] for key in mine
    }
    assert await tables_of(hub) == expected(mine)
    await hub.close()
