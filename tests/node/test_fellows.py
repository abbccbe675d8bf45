"""Two programs that are one node, on one PostgreSQL: one leads, the other takes over; a commit of one wakes the other."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from deploy.county import County
from protocol.node import fellows
from protocol.node import node as wiring
from protocol.node.config import Config, Store
from protocol.node.fellows import Fellows
from protocol.node.folding import furnish, open_journal
from protocol.node.journal import Journal
from protocol.node.journal.rows import index_names
from protocol.node.link.client import end
from protocol.node.listing import GONE, INDICES
from protocol.node.node import Node, now_ms
from protocol.node.shelf import Shelf
from protocol.node.wake import Wake

SOON_S = 30
LONG_S = 60.0  # a lease that does not run out in a test, whatever holds this machine up


async def soon(is_so) -> None:
    async with asyncio.timeout(SOON_S):
        while not is_so():
            await asyncio.sleep(0.02)


class Program:
    """A program of the node, without its rest. killed: it ends as by SIGKILL, without a word."""

    def __init__(self, journal: Journal, name: str) -> None:
        self.journal, self.wake = journal, Wake()
        self.fellows, self.taken = Fellows(journal, self.wake, name), 0
        self.fellows.took_over = self._took

    def _took(self) -> None:
        self.taken += 1

    async def begin(self) -> "Program":
        await self.fellows.begin()
        self.task = asyncio.create_task(self.fellows.run())
        return self

    async def killed(self) -> None:
        await end([self.task])
        await self.journal.close()


@asynccontextmanager
async def programs(url: str, *names: str):
    made = [await Program(await open_journal(url, None, Shelf(now_ms)), name).begin() for name in names]
    try:
        yield made
    finally:
        for one in made:
            await one.killed()


async def test_one_leads_and_when_it_is_killed_another_does(postgres_url: str, monkeypatch: pytest.MonkeyPatch):
    lease_s = 5.0
    monkeypatch.setattr(fellows, "LEASE_S", lease_s)
    monkeypatch.setattr(fellows, "RENEW_S", 0.25)
    async with programs(postgres_url, "one", "two", "three") as (one, *others):
        await asyncio.sleep(lease_s + 0.5)
        assert [p.fellows.leads for p in (one, *others)] == [True, False, False], "the lead is renewed"
        assert len({p.fellows.group for p in (one, *others)}) == 1 and one.fellows.group
        await one.killed()
        await soon(lambda: any(p.fellows.leads for p in others))
        await asyncio.sleep(lease_s + 0.5)
        assert sorted((p.fellows.leads, p.taken) for p in others) == [(False, 0), (True, 1)]


async def test_who_leaves_or_comes_back_makes_nobody_wait(postgres_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fellows, "LEASE_S", LONG_S)
    async with programs(postgres_url, "one", "two") as (one, two):
        await one.killed()
        again = await Program(await open_journal(postgres_url, None, Shelf(now_ms)), "one").begin()
        assert again.fellows.leads, "the same program after a crash"
        await end([again.task])
        await again.fellows.leave()
        async with asyncio.timeout(LONG_S / 2):
            while not two.fellows.leads:
                await asyncio.sleep(0.02)
        await again.journal.close()


async def test_programs_that_start_together_after_an_upgrade_make_and_drop_indices_once(postgres_url: str):
    journals = [await open_journal(postgres_url, None, Shelf(now_ms)) for _ in range(3)]
    made = INDICES[0].split()[5]
    async with journals[0].writing() as w:  # as an older program left it
        for statement in (f"create index {GONE[0]} on task_row (subject)", f"drop index {made}"):
            await w.connection.execute(text(statement))
    try:
        await asyncio.gather(*(furnish(journal, Shelf(now_ms)) for journal in journals))
        async with journals[0].read() as c:
            there = await index_names(c)
        assert (GONE[0] in there, made in there) == (False, True)
    finally:
        for journal in journals:
            await journal.close()


async def test_what_one_commits_or_hears_wakes_the_other_and_is_not_told_back(postgres_url: str):
    async with programs(postgres_url, "one", "two") as (one, two):
        await soon(lambda: two.fellows.changed.is_set() and one.fellows.changed.is_set())  # each looked once, when it began to listen
        for p in (one, two):
            p.fellows.changed.clear()
        async with two.wake.watch() as pages:
            one.wake.commit([("330523", "n:1")], ["case"])
            await soon(two.fellows.changed.is_set)
            one.wake.heard()
            await soon(pages.is_set)
        await asyncio.sleep(0.5)
        assert not one.fellows.changed.is_set()


async def test_a_broken_ear_is_made_anew_and_looks(postgres_url: str):
    async with programs(postgres_url, "one", "two") as (_, two):
        await soon(two.fellows.changed.is_set)
        two.fellows.changed.clear()
        sql = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%' or query like '%pg_notify%' and pid <> pg_backend_pid()"
        await two.journal.select(sql, {})
        await soon(two.fellows.changed.is_set)


async def test_pages_of_a_node_wake_by_what_another_program_of_it_saves(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fellows, "LEASE_S", LONG_S)
    config = Config(store=Store(url=postgres_url))
    county = County.open(tmp_path, config, now_ms())
    node = await Node.open(tmp_path, config)
    await county.furnish(node)
    await node.start()
    monkeypatch.setattr(wiring, "ELSEWHERE_S", 600.0)  # only a word wakes it
    await asyncio.sleep(1.5)
    other = Program(await open_journal(postgres_url, None, Shelf(now_ms)), "other")
    await other.begin()
    try:
        assert node.fellows.leads and not other.fellows.leads
        async with node.wake.watch() as pages:
            pages.take()
            async with other.journal.writing() as w:
                await w.set_local("anything", b"")
            other.wake.commit([(node.office, node.signer.origin)], ())
            await soon(pages.is_set)
    finally:
        await other.killed()
        await node.close()


async def test_when_one_part_fails_the_other_ends_too_and_whoever_called_hears_which():
    """Else each new beginning would leave one more of it at work."""
    fellows, ended = Fellows.__new__(Fellows), []

    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("hold")

    async def talks() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("talk")

    fellows._hold, fellows._talk = fails, talks
    with pytest.raises(KeyError, match="hold"):
        await fellows.run()
    assert ended == ["talk"]
