"""A restore over a journal that can still be read: what was acknowledged since the backup and never sent goes on in the new one."""

import asyncio
import shutil
from pathlib import Path

import pytest

from deploy import keeping, restoring
from protocol.node import restored
from protocol.node.admission import Admission
from protocol.node.config import Config, Store
from protocol.node.gate import RESTORED
from protocol.node.identity import Identity
from protocol.node.journal.reseal import PAGE_BYTES
from protocol.node.link.answers import piece
from protocol.node.node import Node
from protocol.problem import Refused
from tests.kit.county import on_a_new_disk
from tests.kit.machine import needs_postgresql
from tests.node.test_node import founded, hire
from tests.node.test_restoring import later, names

BOTH = {"周敏", "方志林"}


async def with_more(home: Path, *more: str) -> Path:
    """A backup, and what was written since."""
    await founded(home)
    await keeping.backup(home, Config(), home.with_suffix(".tar"))
    await goes_on(home, *more)
    return home.with_suffix(".tar")


async def goes_on(home: Path, *more: str) -> None:
    node = await Node.open(home, Config())
    for name in more:
        await hire(node, name)
    await node.close()


async def heads(home: Path) -> dict[tuple[str, str], int]:
    node = await Node.open(home, Config())
    try:
        return {lane: head.seq for lane, head in (await node.journal.heads()).items()}
    finally:
        await node.close()


async def now(home: Path, config: Config | None = None) -> tuple[set[str], int]:
    """Names in the journal, and the epoch."""
    node = await Node.open(home, config or Config())
    try:
        return await names(node), node.signer.epoch
    finally:
        await node.close()


async def test_what_was_never_sent_is_not_lost_by_a_restore(tmp_path: Path, capsys):
    home = tmp_path / "hub"
    file = await with_more(home, "方志林")
    before = (home / "journal.db").read_bytes()
    assert await restoring.restore(home, Config(), file) == 0
    said = capsys.readouterr().out
    assert "2 条已经取回" in said and "都取回了" in said and "只在" not in said, said
    assert await now(home) == (BOTH, 2)
    (aside,) = restored.asides(home)
    assert (aside / "journal.db").read_bytes() == before, "the old one is only read"
    node = await Node.open(home, Config())
    own = {origin: head.seq for (ledger, origin), head in (await node.journal.heads()).items() if ledger == node.office}
    await hire(node, "丁一")
    heads = {origin: head.seq for (ledger, origin), head in (await node.journal.heads()).items() if ledger == node.office}
    await node.close()
    first = f"{node.about.node}:1"
    assert heads[first] == own[first] and f"{node.about.node}:2" in heads, "nothing more goes into the lane that came back"


async def test_what_an_earlier_restore_left_beside_comes_back_too(tmp_path: Path, monkeypatch):
    """As a program did that took nothing back."""
    home = tmp_path / "hub"
    file = await with_more(home, "方志林")
    with monkeypatch.context() as patch:
        patch.setattr(restoring.restored, "olds", lambda folder: [])
        assert await restoring.restore(home, Config(), file) == 0
    assert await now(home) == ({"周敏"}, 2)
    await goes_on(home, "丁一")
    assert await restoring.restore(home, Config(), file) == 0
    assert await now(home) == ({*BOTH, "丁一"}, 3)


async def test_stopped_while_it_takes_back_a_restore_has_done_nothing_and_may_be_given_again(tmp_path: Path, monkeypatch):
    home = tmp_path / "hub"
    file = await with_more(home, "方志林", "丁一")
    real = Admission.admit

    async def admit(self, *given, **more):
        assert await real(self, *given, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Admission, "admit", admit)
        await restoring.restore(home, Config(), file)
    assert not restored.asides(home) and not (home / RESTORED).exists() and await now(home) == ({*BOTH, "丁一"}, 1)
    assert await restoring.restore(home, Config(), file) == 0
    assert await now(home) == ({*BOTH, "丁一"}, 2)


async def test_a_disk_that_is_full_meanwhile_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch):
    home = tmp_path / "hub"
    file = await with_more(home, "方志林")

    async def full(*_given, **_more):
        raise Refused("disk_full")

    with monkeypatch.context() as patch, pytest.raises(Refused, match="disk_full"):
        patch.setattr(Admission, "admit", full)
        await restoring.restore(home, Config(), file)
    assert not restored.asides(home) and not (home / RESTORED).exists() and await now(home) == (BOTH, 1)


async def test_a_damaged_journal_gives_what_can_be_read_and_the_rest_is_said(tmp_path: Path, capsys):
    """Each page of it once."""
    home = tmp_path / "hub"
    file = await with_more(home, "方志林")
    pages, seen = (home / "journal.db").stat().st_size // PAGE_BYTES, set[bool]()
    for page in range(0, pages, max(1, pages // 12)):
        copy = Path(shutil.copytree(home, tmp_path / f"damaged-{page}"))
        with (copy / "journal.db").open("r+b") as f:
            f.seek(page * PAGE_BYTES)
            f.write(bytes(PAGE_BYTES))
        capsys.readouterr()
        assert await restoring.restore(copy, Config(), file) == 0
        said = capsys.readouterr().out
        here, _ = await now(copy)
        assert here == BOTH or ("没有取回" in said and "只在那里" in said and "都取回了" not in said), (page, here, said)
        assert here == BOTH or "还有 " in said or "读不出来" in said, (page, said)
        seen.add(here == BOTH)
    assert seen == {True, False}, "some pages hold what is missing, others do not"


@pytest.mark.parametrize("what", ["no journal", "of another key", "of a later program"])
async def test_what_cannot_be_read_is_said_and_the_restore_is_done(tmp_path: Path, capsys, what: str):
    home = tmp_path / "hub"
    file = await with_more(home, "方志林")
    if what == "no journal":
        (home / "journal.db").write_bytes(b"\0" * 40_000)
    elif what == "of another key":
        await founded(tmp_path / "other")
        shutil.copy(tmp_path / "other" / "journal.db", home / "journal.db")
    else:
        later(home / "journal.db", Identity(home).key("store"))
    assert await restoring.restore(home, Config(), file) == 0
    said = capsys.readouterr().out
    assert ("较新版本" if what == "of a later program" else "读不出来") in said and "只在那里" in said and "都取回了" not in said, said
    assert str(restored.asides(home)[0]) in said
    assert await now(home) == ({"周敏"}, 2)


async def test_of_another_county_nothing_is_taken_though_its_journal_has_our_key(tmp_path: Path, capsys):
    home, other = tmp_path / "hub", tmp_path / "other"
    file = await with_more(home)
    (other / "identity").mkdir(parents=True)
    shutil.copy(home / "identity" / "store.key", other / "identity" / "store.key")
    await founded(other)
    await goes_on(other, "方志林")
    shutil.copy(other / "journal.db", home / "journal.db")
    assert await restoring.restore(home, Config(), file) == 0
    said = capsys.readouterr().out
    assert "已经取回" not in said and "没有取回（" in said, said
    assert await now(home) == ({"周敏"}, 2)


async def test_of_another_history_it_is_said_how_much_stands_in_the_old_journal_alone(tmp_path: Path, capsys):
    """The folder was put back by other means, and went on without its mark: two entries have one number."""
    home = tmp_path / "hub"
    await founded(home)
    kept = Path(shutil.copytree(home, tmp_path / "kept"))
    await goes_on(home, "方志林")
    await keeping.backup(home, Config(), home.with_suffix(".tar"))
    shutil.rmtree(home)
    shutil.copytree(kept, home)
    await goes_on(home, "丁一")
    assert await restoring.restore(home, Config(), home.with_suffix(".tar")) == 0
    said = capsys.readouterr().out
    assert "还有 2 条没有取回" in said and "只在那里" in said and "都取回了" not in said, said
    assert await now(home) == (BOTH, 2)


async def test_what_stood_beside_a_lane_and_came_after_the_backup_is_said_to_lie_in_the_old_journal_alone(tmp_path: Path, capsys):
    """A copied computer's entries, by stick: the lane of the backup stays what it was."""
    home = tmp_path / "hub"
    await founded(home)
    twin = Path(shutil.copytree(home, tmp_path / "twin"))
    before = await heads(home)
    await goes_on(home, "方志林")
    await keeping.backup(home, Config(), home.with_suffix(".tar"))
    await goes_on(twin, "丁一")
    node, other = await Node.open(home, Config()), await Node.open(twin, Config())
    for lane, head in (await other.journal.heads()).items():
        if batch := await piece(other.journal, *lane, before[lane], 100):
            assert await node.forks.note(batch, node.about.node) == head.seq - before[lane]
    await other.close()
    await node.close()
    assert await restoring.restore(home, Config(), home.with_suffix(".tar")) == 0
    said = capsys.readouterr().out
    assert "还有 2 条没有取回" in said and "只在那里" in said and "都取回了" not in said and "没有备份以后的条目" not in said, said
    assert await now(home) == (BOTH, 2)


async def test_where_nothing_was_written_since_that_is_said(tmp_path: Path, capsys):
    home = tmp_path / "hub"
    assert await restoring.restore(home, Config(), await with_more(home)) == 0
    assert "原来的台账里没有备份以后的条目" in capsys.readouterr().out


async def test_on_a_new_disk_it_is_said_what_nobody_can_give_back(tmp_path: Path, capsys):
    home = tmp_path / "hub"
    file = await with_more(home, "方志林")
    on_a_new_disk(home)
    assert await restoring.restore(home, Config(), file) == 0
    assert "没有送出去过的没有了" in capsys.readouterr().out
    assert await now(home) == ({"周敏"}, 2)


@needs_postgresql
async def test_into_a_database_comes_what_the_file_held_and_of_another_database_it_is_said_that_nobody_read_it(
    tmp_path: Path, capsys, postgres_server, postgres_url
):
    home, first = tmp_path / "hub", Config(store=Store(url=postgres_url))
    file = await with_more(home, "方志林")
    assert await restoring.restore(home, first, file) == 0
    said = capsys.readouterr().out
    assert "2 条已经取回" in said and "没有读" not in said, said
    assert (await now(home, first))[0] == BOTH
    second = Config(store=Store(url=await asyncio.to_thread(postgres_server.new_database)))
    assert await restoring.restore(home, second, file) == 0
    said = capsys.readouterr().out
    assert "原来在数据库里的台账没有读" in said and "只在原来的数据库里" in said, said
