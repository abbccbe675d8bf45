"""Backups, the way back, and the mark beside the database."""

import importlib
from pathlib import Path

import pytest

from protocol.node.journal import BackupBroken, Journal, LaneHead, NotEmpty, Witness, backup, rebuild, restore
from protocol.problem import Refused
from tests.node.journal_kit import KEY, ORIGIN, PLACE, Lane, Views, no_tables, subject

OTHER_KEY = bytes(32)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/journal.db"


@pytest.fixture(params=["sqlite", "postgres"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/journal.db"
    return request.getfixturevalue("postgres_server").new_database()


def key_of(url: str) -> bytes | None:
    return KEY if url.startswith("sqlite") else None


async def test_a_backup_taken_while_writing_is_one_moment_and_comes_back_on_either_store(url: str, new_url: str, tmp_path: Path) -> None:
    journal, lane = await Journal.open(url, key_of(url), no_tables, views=Views), Lane()
    async with journal.writing() as w:
        new = await w.append([lane.say(f"张三{n}", subject(n % 7)) for n in range(50)])
        await w.project({e.subject for e in new})
        await w.remember({"c-0000001": b"outcome"})
        await w.set_local("epoch", b"1")
        assert await w.counter("case") == 1
    before = [await journal.since(0, 100), await journal.heads(), await journal.rows("sum_row", order="subject")]
    async with journal.writing() as w:
        await w.append([lane.say("not committed yet")])
        await backup(journal, tmp_path / "backup", OTHER_KEY)
    with pytest.raises(FileExistsError):
        await backup(journal, tmp_path / "backup", OTHER_KEY)
    await journal.close()
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir() if "backup" in p.name) == ["backup"]

    await restore(tmp_path / "backup", OTHER_KEY, new_url, key_of(new_url), no_tables, views=Views)
    again = await Journal.open(new_url, key_of(new_url), no_tables, views=Views)
    assert [await again.since(0, 100), await again.heads(), await again.rows("sum_row", order="subject")] == before
    assert (await again.outcome("c-0000001"), await again.local("epoch")) == (b"outcome", b"1")
    assert len(await again.search("张三7")) == 1
    assert await rebuild(again)
    async with again.writing() as w:
        assert await w.counter("case") == 2
        other = Lane(origin="nnew:2")
        await w.append([other.say("on")])
    assert [e.position for e in await again.subject(subject(1))][-1] == 51
    with pytest.raises(NotEmpty):
        await restore(tmp_path / "backup", OTHER_KEY, new_url, key_of(new_url), no_tables, views=Views)
    await again.close()
    assert sorted(p.name for p in tmp_path.iterdir() if "backup" in p.name) == ["backup"]


async def test_a_backup_that_finds_no_room_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    journal = await Journal.open(f"sqlite:///{tmp_path}/journal.db", KEY, no_tables, views=Views)
    files = importlib.import_module("protocol.node.journal.backup")  # the package gives the function of that name
    connect = files.connect_sqlite

    def small(path: Path, key: bytes, new: bool):
        c = connect(path, key, new)
        if new:
            c.execute("pragma max_page_count = 3")
        return c

    monkeypatch.setattr(files, "connect_sqlite", small)
    with pytest.raises(Refused) as refused:
        await backup(journal, tmp_path / "backup", OTHER_KEY)
    assert refused.value.code == "disk_full"
    assert not list(tmp_path.glob("backup*"))
    await journal.close()


@pytest.mark.parametrize("how", ["flipped", "cut", "key"])
async def test_a_damaged_backup_is_refused_whole(tmp_path: Path, how: str) -> None:
    url, path, lane = f"sqlite:///{tmp_path}/journal.db", tmp_path / "backup", Lane()
    journal = await Journal.open(url, KEY, no_tables, views=Views)
    async with journal.writing() as w:
        await w.append([lane.say("张三" * 100, subject(n)) for n in range(100)])
    await backup(journal, path, KEY)
    await journal.close()
    raw = bytearray(path.read_bytes())
    if how == "flipped":
        raw[len(raw) // 2] ^= 1
    path.write_bytes(raw[: len(raw) // 2 + 100] if how == "cut" else raw)
    with pytest.raises(BackupBroken):
        await restore(path, OTHER_KEY if how == "key" else KEY, f"sqlite:///{tmp_path}/new.db", KEY, no_tables, views=Views)
    assert not list(tmp_path.glob("new.db*"))


def test_the_mark_beside_the_database_tells_what_was_lost(tmp_path: Path) -> None:
    path, lane = tmp_path / "witness", Lane()
    first = lane.say("1")
    second, third = lane.say("2"), lane.say("3")
    witness = Witness(path)
    assert witness.ahead({}) == []
    for e in first, second:
        witness.note(PLACE, ORIGIN, LaneHead(e.seq, e.hash, e.seq))
    after_restart = Witness(path)
    assert after_restart.ahead({(PLACE, ORIGIN): LaneHead(2, second.hash, 2)}) == []
    assert after_restart.ahead({(PLACE, ORIGIN): LaneHead(3, third.hash, 3)}) == []
    assert after_restart.ahead({(PLACE, ORIGIN): LaneHead(1, first.hash, 1)}) == [(PLACE, ORIGIN, 1, 2)]
    assert after_restart.ahead({(PLACE, ORIGIN): LaneHead(2, first.hash, 2)}) == [(PLACE, ORIGIN, 2, 2)]
    assert after_restart.ahead({}) == [(PLACE, ORIGIN, 0, 2)]
    path.write_bytes(b"torn")
    assert Witness(path).ahead({}) == []
