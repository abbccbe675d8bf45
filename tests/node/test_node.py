"""A node as wired: a database older than what was once signed is noticed at the next start, offline too."""

import asyncio
import errno
import json
import os
import shutil
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy import keeping, restoring, running, tables
from deploy import sticks as at_terminal
from deploy.cli import main
from deploy.county import County
from deploy.keeping import register
from protocol import have
from protocol.calendar import DAY_MS, local_date
from protocol.data import PACKAGED
from protocol.node import blobs, days, killpoints, sticks, sweeping
from protocol.node import node as wiring
from protocol.node.config import Config, Push, Store
from protocol.node.folding import FOLDED_WITH
from protocol.node.gate import RESTORED
from protocol.node.identity import Identity
from protocol.node.journal import has_entries
from protocol.node.node import Node, now_ms
from protocol.problem import Refused
from tests.kit.machine import needs_postgresql


async def opened(folder: Path) -> Node:
    return await Node.open(folder, Config())


async def test_a_node_tells_the_others_that_its_journal_is_damaged(tmp_path: Path):
    county = County.open(tmp_path, Config(), now_ms())
    node = await opened(tmp_path)
    await county.furnish(node)
    said = []
    for node.journal.damaged in (False, True):
        await node.pump._say(node.office, False)
        said.append(have.read(node.pump._hearing.own_words[-1]).room)
    assert [room.is_damaged for room in said] == [False, True] and said[1].total_mib == said[0].total_mib > 0
    node.journal.damaged = False
    await node.close()


async def hire(node: Node, name: str) -> None:
    await register(node, name=name, kind="operator", office=node.office)


async def test_an_old_database_under_a_newer_mark_opens_a_new_epoch_and_gives_no_number_twice(tmp_path: Path):
    county = County.open(tmp_path, Config(), now_ms())
    node = await opened(tmp_path)
    await county.furnish(node)
    await hire(node, "周敏")
    first = node.signer.origin
    await node.close()
    shutil.copy(tmp_path / "journal.db", tmp_path / "last-night.db")
    node = await opened(tmp_path)
    assert node.signer.origin == first, "nothing was lost, so the origin stays"
    await hire(node, "方志林")
    await node.close()
    for left in tmp_path.glob("journal.db*"):
        left.unlink()
    shutil.move(tmp_path / "last-night.db", tmp_path / "journal.db")
    node = await opened(tmp_path)
    assert node.signer.origin == f"{node.about.node}:2"
    assert node.about.origins_closed == [first]
    await hire(node, "沈律")
    assert {origin for _, origin in await node.journal.heads("330523")} == {first, node.signer.origin}
    await node.close()
    node = await opened(tmp_path)
    assert node.signer.epoch == 2, "noticed once, not at every start"
    await node.close()


async def test_a_copy_that_was_made_before_pushing_was_allowed_tells_phones_the_same_key(tmp_path: Path):
    """Two programs of a county, each with a folder: whichever a phone asks, the one that leads knocks there."""
    one, other = tmp_path / "one", tmp_path / "other"
    County.open(one, Config(), now_ms())
    node = await opened(one)
    assert node.push.key == ""
    await node.close()
    shutil.copytree(one, other)
    keys = []
    for folder in (one, other):
        node = await Node.open(folder, Config(push=Push(contact="mailto:admin@example.org")))
        keys.append(node.push.key)
        await node.close()
    assert keys[0] == keys[1] != ""


async def test_a_node_ends_though_what_it_was_told_came_in_the_same_moment(tmp_path: Path):
    """asyncio.wait_for of Python 3.11 swallows a cancellation that meets an event which is set already."""
    county = County.open(tmp_path, Config(), now_ms())
    node = await opened(tmp_path)
    await county.furnish(node)
    await node.start()
    await asyncio.sleep(0.2)
    node._wrote.set()
    async with asyncio.timeout(20):
        await node.close()


async def test_a_mark_that_cannot_be_written_keeps_no_node_from_closing_its_journal(tmp_path: Path, monkeypatch):
    county = County.open(tmp_path, Config(), now_ms())
    node = await opened(tmp_path)
    await county.furnish(node)

    def full(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(node._witness, "note", full)
    await node.close()
    assert not (tmp_path / "journal.db-wal").exists(), "the log was emptied, where an error would be heard"


async def test_a_part_that_ends_at_once_does_not_keep_the_others_from_running():
    began = 0

    async def ends() -> None:
        nonlocal began
        began += 1
        if began > 100:
            raise asyncio.CancelledError  # else this test would never end either

    task = asyncio.create_task(wiring._for_ever("ends", ends))
    await asyncio.sleep(0.05)
    task.cancel()
    assert began == 1


async def founded(folder: Path, *files: bytes, config: Config | None = None) -> list[str]:
    """A county with one person, and addresses of photos there."""
    county = County.open(folder, config or Config(), now_ms())
    node = await Node.open(folder, config or Config())
    await county.furnish(node)
    await hire(node, "周敏")
    made = [(await node.blobs.put(b"\xff\xd8\xff" + plain, "a.jpg", "")).address for plain in files]
    await node.close()
    return made


def stops_at(monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    def reach(name: str) -> None:
        if name == point:
            raise KeyError(name)

    monkeypatch.setattr(killpoints, "reach", reach)


async def test_an_attachment_that_goes_while_a_backup_is_made_does_not_break_it(tmp_path: Path, monkeypatch):
    home = tmp_path / "hub"
    kept, gone = sorted(await founded(home, b"one", b"two"))
    half = home / "blobs" / kept[:2] / f"{kept}.9000.part"
    half.write_bytes(b"half")
    real = tarfile.TarFile.gettarinfo

    def swept(tar: tarfile.TarFile, name=None, arcname=None, fileobj=None) -> tarfile.TarInfo:
        if "blobs" in str(name):
            (home / "blobs" / gone[:2] / gone).unlink(missing_ok=True)
            half.unlink(missing_ok=True)
        return real(tar, name, arcname, fileobj)

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", swept)
    assert await keeping.backup(home, Config(), tmp_path / "b.tar") == 0
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert [name for name in tar.getnames() if "blobs" in name] == [f"blobs/{kept[:2]}/{kept}"]


async def test_a_restore_needs_no_room_for_a_second_copy_of_the_attachments(tmp_path: Path, monkeypatch):
    home = tmp_path / "hub"
    (one,) = await founded(home, b"one")
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    shutil.rmtree(home / "blobs")

    def full(*_: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("copy2", "copyfile"):
        monkeypatch.setattr(shutil, name, full)
    assert await restoring.restore(home, Config(), tmp_path / "b.tar") == 0
    assert blobs.is_file_of(home / "blobs" / one[:2] / one, one)


async def test_a_restore_that_has_no_place_for_the_attachments_leaves_the_journal(tmp_path: Path):
    home = tmp_path / "hub"
    await founded(home, b"one")
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    shutil.rmtree(home / "blobs")
    (home / "blobs").write_text("no folder")
    before = (home / "journal.db").read_bytes()
    with pytest.raises(OSError, match="blobs"):
        await restoring.restore(home, Config(), tmp_path / "b.tar")
    assert (home / "journal.db").read_bytes() == before and not list(home.glob("before-restore*"))
    assert Identity(home).about().epoch == 1 and not (home / RESTORED).exists()


async def test_a_restore_takes_no_attachment_that_the_backup_does_not_know_also_after_the_next_start(tmp_path: Path, monkeypatch):
    home = tmp_path / "hub"
    await founded(home)
    node = await opened(home)
    for day in range(40, 0, -1):  # it ran all the time
        await days.ran(node.journal, now_ms() - day * days.DAY_MS)
    await node.close()
    await keeping.backup(home, Config(), tmp_path / "b.tar")
    node = await opened(home)
    later = (await node.blobs.put(b"\xff\xd8\xff later", "a.jpg", "")).address
    await node.close()
    old_s = (now_ms() - 30 * days.DAY_MS) / 1000
    os.utime(home / "blobs" / later[:2] / later, (old_s, old_s))
    await restoring.restore(home, Config(), tmp_path / "b.tar")
    monkeypatch.setattr(sweeping, "EACH_S", 0.01)
    for is_pulled in (False, True, True):
        node = await opened(home)
        if is_pulled:
            (home / RESTORED).unlink(missing_ok=True)
            node.gate.restored = None
        began = asyncio.Event()
        monkeypatch.setattr(node.uploads, "tidy", tidied_by(began, node.uploads.tidy))
        await node.start()
        async with asyncio.timeout(20):
            await began.wait()
        await asyncio.sleep(0.2)
        assert node.blobs.has(later), "nobody else has it in full, and its entry comes back from the others"
        await node.close()


def tidied_by(began: asyncio.Event, real: Any) -> Any:
    async def tidy(before_s: float) -> int:
        began.set()
        return await real(before_s)

    return tidy


@needs_postgresql
@pytest.mark.parametrize("point", ["restore.epoch", "restore.move"])
async def test_a_database_is_restored_as_the_last_step(tmp_path: Path, monkeypatch, postgres_server, postgres_url, point: str):
    home, new = tmp_path / "hub", Config(store=Store(url=await asyncio.to_thread(postgres_server.new_database)))
    await founded(home, config=Config(store=Store(url=postgres_url)))
    await keeping.backup(home, Config(store=Store(url=postgres_url)), tmp_path / "b.tar")
    stops_at(monkeypatch, point)
    with pytest.raises(KeyError):
        await restoring.restore(home, new, tmp_path / "b.tar")
    monkeypatch.undo()
    assert not await has_entries(new.store.url), "else it would open at once, under the old epoch"
    assert await restoring.restore(home, new, tmp_path / "b.tar") == 0, "and it may be done again"
    before = Identity(home).about().epoch
    node = await Node.open(home, new)
    assert node.gate.is_waiting and any(origin.endswith(":1") for _, origin in await node.journal.heads("330523"))
    await node.close()
    (home / RESTORED).unlink()
    with pytest.raises(RuntimeError, match="数据库里已经有台账"):
        await restoring.restore(home, new, tmp_path / "b.tar")
    assert Identity(home).about().epoch == before > 1 and not (home / RESTORED).exists(), "what is refused changes nothing"


@needs_postgresql
async def test_a_county_moves_from_its_own_file_into_a_database(tmp_path: Path, postgres_url: str):
    """As README says: back up, name the empty database, restore."""
    home, database = tmp_path / "hub", Config(store=Store(url=postgres_url))
    (photo,) = await founded(home, b"a photo")
    node = await opened(home)
    before, rows = await node.journal.heads(), await node.journal.rows("person_row", "1 = 1", {})
    await node.close()
    assert await keeping.backup(home, Config(), tmp_path / "b.tar") == 0
    assert await restoring.restore(home, database, tmp_path / "b.tar") == 0
    node = await Node.open(home, database)
    heads = await node.journal.heads()
    assert {lane: heads[lane] for lane in before} == before and await node.journal.rows("person_row", "1 = 1", {}) == rows
    assert node.blobs.has(photo)
    assert not (home / "journal.db").exists() and list(home.glob("before-restore-*/journal.db"))
    await node.close()


@needs_postgresql
async def test_no_new_county_is_founded_over_the_database_of_another(tmp_path: Path, postgres_url):
    config = Config(store=Store(url=postgres_url))
    await founded(tmp_path / "hub", config=config)
    with pytest.raises(RuntimeError, match="数据库里有台账，.*没有 identity/"):
        await running.run_hub(tmp_path / "empty", config)
    assert not (tmp_path / "empty").exists()


async def test_pages_wait_also_when_the_program_dies_as_it_finds_what_was_lost(tmp_path: Path, monkeypatch):
    await founded(tmp_path)
    shutil.copy(tmp_path / "journal.db", tmp_path / "last-night.db")
    node = await opened(tmp_path)
    await hire(node, "方志林")
    await node.close()
    shutil.move(tmp_path / "last-night.db", tmp_path / "journal.db")
    real = Identity.new_epoch

    def dies(self: Identity, *above: int) -> int:
        real(self, *above)
        raise KeyError

    monkeypatch.setattr(Identity, "new_epoch", dies)
    with pytest.raises(KeyError):
        await opened(tmp_path)
    monkeypatch.undo()
    node = await opened(tmp_path)
    assert node.gate.is_waiting and node.signer.epoch == 2
    await node.close()


async def test_a_copy_of_the_keys_from_before_repeats_no_epoch_that_the_backup_knows(tmp_path: Path):
    home = tmp_path / "hub"
    await founded(home)
    await keeping.backup(home, Config(), tmp_path / "1.tar")
    shutil.copytree(home / "identity", tmp_path / "keys")
    await restoring.restore(home, Config(), tmp_path / "1.tar")
    node = await opened(home)
    await hire(node, "方志林")
    assert node.signer.epoch == 2
    await node.close()
    await keeping.backup(home, Config(), tmp_path / "2.tar")
    shutil.rmtree(home / "identity")
    shutil.copytree(tmp_path / "keys", home / "identity")
    await restoring.restore(home, Config(), tmp_path / "2.tar")
    assert Identity(home).about().epoch == 3


async def test_an_export_of_several_files_takes_no_other_one_s_place(tmp_path: Path, monkeypatch):
    await founded(tmp_path / "hub", b"one", b"two")
    monkeypatch.setattr(sticks, "PART_BYTES_MAX", 1)
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "x-2.yidi").write_text("of another village")
    with pytest.raises(FileExistsError, match="x-2.yidi 已经存在"):
        await at_terminal.export(tmp_path / "hub", Config(), stick / "x.yidi", "")
    assert [(file.name, file.read_text()) for file in stick.iterdir()] == [("x-2.yidi", "of another village")]
    await at_terminal.export(tmp_path / "hub", Config(), stick / "y.yidi", "")
    assert {"y.yidi", "y-2.yidi"} <= {file.name for file in stick.iterdir()}


def ran(folder: Path, *words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["table", *words, "--folder", str(folder)])
    return int(end.value.code or 0)


NEXT_YEAR = {"year": 2027, "rest": [["2027-01-01", "2027-01-03", "元旦"]], "work": ["2026-12-27"]}


async def furnished(folder: Path) -> None:
    county = County.open(folder, Config(), now_ms())
    node = await opened(folder)
    await county.furnish(node)
    await node.close()


def test_the_county_publishes_the_rest_days_of_next_year(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asyncio.run(furnished(tmp_path))
    capsys.readouterr()
    assert ran(tmp_path, "show", "calendar") == 0
    shown = capsys.readouterr()
    assert "现在用的：版本 2026.1，2025-11-04 起。" in shown.err
    table, file = json.loads(shown.out), tmp_path / "calendar.json"

    def put(**more: Any) -> tuple[int, str]:
        file.write_text(json.dumps({**table, **more}, ensure_ascii=False), "utf-8")
        code = ran(tmp_path, "set", "calendar", str(file))
        said = capsys.readouterr()
        return code, said.out + said.err

    rows = [*table["rows"], NEXT_YEAR]
    for said, more in {
        "版本 2026.1 已经有了，内容不同": {"rows": rows},
        "写了也不会生效": {"rows": rows, "version": "2025.9"},
        "要写 valid_from": {"rows": rows, "version": "2027.1", "valid_from": "明年"},
        "rows[2].year：要的是 int，写的是 str": {"rows": [*table["rows"], {**NEXT_YEAR, "year": "2027"}], "version": "2027.1"},
        "没有这样的项：rset": {"rows": [*table["rows"], {"year": 2027, "rset": []}], "version": "2027.1"},
        "写了两遍：2027": {"rows": [*rows, NEXT_YEAR], "version": "2027.1"},
    }.items():
        assert ((made := put(**more))[0], said in made[1]) == (1, True), made
    new = {"rows": rows, "version": "2027.1"}
    code, said = put(**new)
    assert (code, "新增：2027 年，放假 3 天，调休上班 1 天" in said, "版本 2027.1 已发布，现在起在全县生效" in said) == (0, True, True), (
        said
    )
    assert "没有改动" in put(**new)[1]
    ran(tmp_path, "show", "calendar")
    shown = capsys.readouterr()
    assert (json.loads(shown.out)["rows"][-1], "软件自带的是版本 2026.1" in shown.err) == (NEXT_YEAR, True)
    assert ran(tmp_path, "set", "calendar", "--packaged") == 1, "it was in force once, and would not be again"
    assert "现在用的是版本 2027.1" in capsys.readouterr().err
    assert ran(tmp_path, "show", "calendar", "--packaged") == 0 and "show calendar --packaged" in shown.err
    assert json.loads(capsys.readouterr().out) == table
    assert put(version="2027.2")[0] == 0, "as the hint says"
    file.write_text(json.dumps({"version": "2", "valid_from": "2026-11-01", "rows": []}))
    assert ran(tmp_path, "set", "posts", str(file)) == 1
    assert "台账里还用着这些代码，不能删" in capsys.readouterr().err


def test_every_packaged_table_can_be_shown_and_read_again():
    assert set(tables.KEYS) == set(PACKAGED)
    for name, (version, valid_from, content) in PACKAGED.items():
        assert tables.read(name, tables.pretty(content).encode()) == (valid_from, version, content)


async def test_no_table_takes_back_codes_of_another_at_the_midnight_of_the_later(tmp_path: Path):
    """Written from what is in force today, while the other one waits for its day."""
    await furnished(tmp_path)
    node = await opened(tmp_path)
    table, today = json.loads(PACKAGED["intake"][2]), local_date(node.clock())
    days = [(today + timedelta(days=n)).isoformat() for n in (0, 10, 20)]

    def made(version: str, day: str, *codes: str) -> bytes:
        rows = [*table["rows"], *({**table["rows"][0], "code": code} for code in codes)]
        return json.dumps({**table, "version": version, "valid_from": day, "rows": rows}).encode()

    assert await tables.put(node, "intake", made("2099.1", days[1], "x1")) == 0
    for said, raw in {
        f"以后的版本 2099.1（{days[1]} 起）里没有 x2": made("2099.0", days[0], "x2"),
        f"少了 x1，版本 2099.1（{days[1]} 起）里有": made("2099.2", days[2]),
        "那天用的是版本 2099.1": made("2098.9", days[1], "x1"),
    }.items():
        with pytest.raises(Refused, match=said):
            await tables.put(node, "intake", raw)
    assert await tables.put(node, "intake", made("2099.3", days[1], "x2")) == 0, "in place of the one that would lack it"
    assert await tables.put(node, "intake", made("2099.0", days[0], "x2")) == 0
    assert await tables.put(node, "intake", made("2099.4", days[2], "x2", "x3")) == 0
    await node.close()


async def test_a_table_that_was_set_before_is_in_force_from_its_day_on_without_a_restart(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(wiring, "ELSEWHERE_S", 0.02)
    await furnished(tmp_path)
    node = await opened(tmp_path)
    begins = (local_date(now_ms()) + timedelta(days=2)).isoformat()
    table = {**json.loads(PACKAGED["calendar"][2]), "version": "2027.1", "valid_from": begins}
    await tables.put(node, "calendar", json.dumps({**table, "rows": [*table["rows"], NEXT_YEAR]}).encode())
    await node.start()
    assert node.tables().versions["calendar"][0] == "2026.1"
    clock = node.shelf._clock
    monkeypatch.setattr(node.shelf, "_clock", lambda: clock() + 2 * DAY_MS)
    async with asyncio.timeout(20):  # also the views are folded with it
        while node.tables().versions["calendar"][0] != "2027.1" or await node.journal.local(FOLDED_WITH) != node.shelf.mark:
            await asyncio.sleep(0.02)
    await node.close()
