"""A restore over what lies in the folder: a heal that was on its way there, attachments that are sound, a file that somebody made up."""

import asyncio
import gzip
import io
import lzma
import shutil
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from deploy import keeping, restoring, running, working
from protocol.node import blobs, healing, killpoints, locks, restored
from protocol.node.config import Config
from protocol.node.gate import RESTORED
from protocol.node.identity import Identity
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.reseal import PAGE_BYTES
from protocol.node.node import Node, now_ms
from tests.kit.county import yidi
from tests.kit.machine import needs_postgresql
from tests.node.test_node import founded, hire


def damaged(home: Path) -> None:
    with (home / "journal.db").open("r+b") as f:
        f.seek((home / "journal.db").stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES)
        f.write(bytes(PAGE_BYTES))


async def names(node: Node) -> set[str]:
    return {row["name"] for row in await node.journal.rows("person_row", "1 = 1", {})}


async def dies_healing(home: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    def reach(name: str) -> None:
        if name == point:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(killpoints, "reach", reach)
        with pytest.raises(KeyboardInterrupt):
            await healing.heal(home, Config(), now_ms)


@pytest.mark.parametrize("point", ["heal.ready", "heal.swap"])
async def test_a_heal_that_was_on_its_way_does_not_undo_a_restore(tmp_path: Path, monkeypatch, point: str):
    home = tmp_path / "hub"
    await founded(home)
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    node = await Node.open(home, Config())
    await hire(node, "方志林")
    await node.close()
    damaged(home)
    await dies_healing(home, monkeypatch, point)
    (home / healing.ASKED).touch()
    assert await restoring.restore(home, Config(), tmp_path / "b.tar") == 0
    left = {name for name in (healing.WORK, healing.ASKED, healing.STATE, healing.FAILED) if (home / name).exists()}
    assert not left
    node = await running._opened(home, Config())
    assert await names(node) == {"周敏", "方志林"} and node.mending.state is None, "what could be read of it goes on"
    await node.close()
    (aside,) = home.glob("before-restore-*")
    assert (aside / healing.STATE).exists() == (point == "heal.swap"), "the report of what was open stays with its journal"


async def test_a_restore_that_is_refused_leaves_the_heal_as_it_was(tmp_path: Path, monkeypatch):
    home = tmp_path / "hub"
    await founded(home)
    damaged(home)
    await dies_healing(home, monkeypatch, "heal.ready")
    (tmp_path / "b.tar").write_bytes(b"no tar")
    with pytest.raises(RuntimeError):
        await restoring.restore(home, Config(), tmp_path / "b.tar")
    assert (home / healing.WORK / healing.PLAN).exists()


def spoil(tar: Path, address: str) -> None:
    """One bit of this attachment in the backup."""
    with tarfile.open(tar) as t:
        at = t.getmember(f"blobs/{address[:2]}/{address}").offset_data
    raw = bytearray(tar.read_bytes())
    raw[at] ^= 1
    tar.write_bytes(raw)


def place(home: Path, address: str) -> Path:
    return home / "blobs" / address[:2] / address


async def test_a_spoilt_attachment_of_a_backup_replaces_no_sound_one(tmp_path: Path, capsys):
    home = tmp_path / "hub"
    sound, gone, both, whole = await founded(home, b"sound", b"gone", b"both", b"whole")
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    for one in (sound, gone, both):
        spoil(tmp_path / "b.tar", one)
    place(home, gone).unlink()
    place(home, both).write_bytes(b"spoilt here too")
    place(home, whole).write_bytes(b"spoilt here alone")
    assert await restoring.restore(home, Config(), tmp_path / "b.tar") == 0
    said = capsys.readouterr().out
    assert "3 个附件" in said, said
    assert blobs.is_file_of(place(home, sound), sound) and blobs.is_file_of(place(home, whole), whole)
    assert not place(home, gone).exists() and place(home, both).read_bytes() == b"spoilt here too"
    assert not [path for path in (home / "blobs").rglob("*") if path.suffix == ".new"]


async def test_the_attachments_names_are_synced_too(tmp_path: Path, monkeypatch):
    home, synced = tmp_path / "hub", []
    (one,) = await founded(home, b"one")
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    shutil.rmtree(home / "blobs")
    real = keeping.sync_folder

    def sync(folder: Path) -> None:
        synced.append((folder, place(home, one).exists()))
        real(folder)

    for part in (restoring, restored):
        monkeypatch.setattr(part, "sync_folder", sync)
    await restoring.restore(home, Config(), tmp_path / "b.tar")
    assert {(home / "blobs" / one[:2], True), (home / "blobs", True), (home, True)} <= set(synced)


def added(tar: Path, name: str, content: bytes = b"made up") -> None:
    with tarfile.open(tar, "a") as t:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        t.addfile(member, io.BytesIO(content))


async def test_what_somebody_put_into_a_backup_is_not_unpacked(tmp_path: Path):
    home = tmp_path / "hub"
    await founded(home)
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    for name in ("journal.db", "journal.backup-wal", "blobs/../../x", "../x"):
        added(tmp_path / "b.tar", name)
    assert await restoring.restore(home, Config(), tmp_path / "b.tar") == 0
    node = await Node.open(home, Config())
    assert await names(node) == {"周敏"}
    await node.close()


async def test_a_packed_backup_that_breaks_off_is_refused_in_words(tmp_path: Path):
    home = tmp_path / "hub"
    await founded(home)
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    for pack in (gzip, lzma):
        packed = pack.compress((tmp_path / "b.tar").read_bytes())
        (tmp_path / "b.packed").write_bytes(packed[: len(packed) // 2])
        with pytest.raises(RuntimeError, match="什么也没有改动"):
            await restoring.restore(home, Config(), tmp_path / "b.packed")


async def test_a_damaged_journal_is_not_backed_up_and_the_reason_is_said(tmp_path: Path):
    home = tmp_path / "hub"
    await founded(home)
    damaged(home)
    with pytest.raises(RuntimeError, match="yidi heal"):
        await keeping.backup(home, Config(), tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


async def test_a_backup_is_for_its_owner_alone_and_what_a_killed_one_left_goes(tmp_path: Path):
    home = tmp_path / "hub"
    await founded(home)
    left, held = tmp_path / f"{working.PREFIX}left", tmp_path / f"{working.PREFIX}held"
    for one in (left, held, home / left.name):
        one.mkdir()
        (one / "journal.backup").write_bytes(b"a whole journal")
    with locks.mine(held):
        await keeping.backup(home, Config(), tmp_path / "b.tar")
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    assert not left.exists() and held.exists(), "of a backup that is being made nothing is taken away"
    await (await running._opened(home, Config())).close()
    assert not (home / left.name).exists()


def of_a_later_program(tar: Path, home: Path) -> None:
    """The backup as one would have made it whose tables this program does not know."""
    folder = tar.with_suffix("")
    with tarfile.open(tar) as t:
        t.extractall(folder, filter="data")
    later(folder / "journal.backup", Identity(home).key("backup"))
    with tarfile.open(tar, "w") as t:
        for path in folder.iterdir():
            t.add(path, path.name)


def later(journal: Path, key: bytes) -> None:
    with closing(connect_sqlite(journal, key, True)) as c:
        c.execute("update alembic_version set version_num = '9999'")
        c.execute("pragma journal_mode = delete")


@pytest.mark.parametrize("is_database", [False, pytest.param(True, marks=needs_postgresql)])
async def test_a_backup_of_a_later_program_is_refused_in_words_before_anything_is_changed(tmp_path: Path, is_database: bool, request):
    home = tmp_path / "hub"
    await founded(home)
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    of_a_later_program(tmp_path / "b.tar", home)
    url = await asyncio.to_thread(request.getfixturevalue("postgres_server").new_database) if is_database else "sqlite"
    before = {path: path.read_bytes() for path in (home / "journal.db", home / "identity/node.json")}
    (home / "yidi.toml").write_text(f'[store]\nurl = "{url}"\n')
    ran = await yidi("restore", tmp_path / "b.tar", "--folder", home)
    assert ran.code == 1 and "较新" in ran.err and "更新" in ran.err and "Traceback" not in ran.err, ran
    assert {path: path.read_bytes() for path in before} == before
    assert not list(home.glob("before-restore*")) and not (home / RESTORED).exists()


async def test_a_journal_of_a_later_program_is_said_so_at_the_terminal(tmp_path: Path):
    home = tmp_path / "hub"
    await founded(home)
    later(home / "journal.db", Identity(home).key("store"))
    ran = await yidi("digest", "--folder", home)
    assert ran.code == 1 and "较新" in ran.err and "Traceback" not in ran.err, ran


async def test_a_backup_says_that_the_configuration_in_it_can_be_read_and_a_restore_leaves_the_one_that_is_here(tmp_path: Path, capsys):
    home = tmp_path / "hub"
    await founded(home)
    await keeping.backup(home, Config(), tmp_path / "a.tar")
    assert "yidi.toml" not in capsys.readouterr().out, "there is none"
    (home / "yidi.toml").write_text('[metrics]\ntoken = "a-token-of-the-day-of-the-backup"\n')
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    said = capsys.readouterr().out
    assert "yidi.toml" in said and "没有加密" in said, said
    assert b"a-token-of-the-day-of-the-backup" in (tmp_path / "b.tar").read_bytes()
    (home / "yidi.toml").write_text("")
    assert await restoring.restore(home, Config(), tmp_path / "b.tar") == 0
    assert (home / "yidi.toml").read_text() == ""
