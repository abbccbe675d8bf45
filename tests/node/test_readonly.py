"""A store that becomes read-only: said in words, nothing lost, and it goes on by itself."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from protocol.node import node as wiring
from protocol.node.blobs import Blobs
from protocol.node.journal import faults
from protocol.node.journal.engine import connect_sqlite
from protocol.node.journal.faults import EXIT_CODE
from protocol.node.journal.writable import Writable
from protocol.node.node import Node
from protocol.problem import Refused
from tests.kit.machine import needs_strace
from tests.kit.readonly import CALLS, Ext4, readonly
from tests.node.desk_kit import ROOT, County, dispute
from tests.node.journal_kit import KEY, ORIGIN, PLACE, Lane
from tests.node.test_journal_faults import add, opened, writer

SYNCS = "fsync,fdatasync,mkdir,rmdir"

STARTS = """
import asyncio, sys
from protocol.node.journal import Journal
from protocol.problem import Refused
from tests.node.desk_kit import ROOT, County, dispute
from tests.node.journal_kit import ORIGIN, PLACE, Views, no_tables

async def main():
    journal = await Journal.open(sys.argv[1], bytes.fromhex(sys.argv[2]), no_tables, views=Views)
    print(len(await journal.lane(PLACE, ORIGIN, 0, 10)) == 10)
    try:
        async with journal.writing() as w:
            await w.set_local("name", b"value")
    except Refused as refused:
        print(refused.code)
    await journal.close()

asyncio.run(main())
"""


def of_sqlite(code: int) -> Exception:
    error = sqlcipher.OperationalError("attempt to write a readonly database")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "error",
    [
        *map(of_sqlite, (8, 8 | 1 << 8, 8 | 3 << 8, 8 | 4 << 8, 8 | 6 << 8, 14, 14 | 2 << 8)),
        OSError(errno.EROFS, "read-only"),
        asyncpg.ReadOnlySQLTransactionError(),
    ],
)
def test_what_it_is_called(error: Exception) -> None:
    refused = faults.refusal(error)
    assert refused and (refused.code, refused.status) == ("store_readonly", 507)
    assert not faults.is_fatal(error)


@needs_strace
@pytest.mark.parametrize("calls", [CALLS, SYNCS])
async def test_sqlcipher_on_a_disk_that_takes_nothing_is_read_and_ends_once_it_takes_again(tmp_path: Path, calls: str) -> None:
    said: list[str] = []
    journal, lane = await opened(f"sqlite:///{tmp_path}/journal.db", fatal=said.append), Lane()
    await add(journal, lane.say("1"))
    with readonly(os.getpid(), calls):
        for _ in range(3):
            with pytest.raises(Refused, match="store_readonly"):
                await add(journal, lane.copy().say("never"))
        await journal.try_again()
        assert journal.writable.is_readonly and said == []
        assert len(await journal.lane(PLACE, ORIGIN, 0, 10)) == 1, "reading goes on"
    with pytest.raises(Refused, match="store_readonly"):  # nobody knows what the disk holds
        await add(journal, lane.copy().say("never"))
    await journal.try_again()
    assert len(said) == 1, "the program ends, and its start verifies"
    await journal.close()
    journal = await opened(f"sqlite:///{tmp_path}/journal.db")
    assert [e.hash for e in await journal.lane(PLACE, ORIGIN, 0, 10)][-1] == lane.hash
    await add(journal, lane.say("2"))
    await journal.close()


async def test_a_store_that_says_itself_it_may_only_be_read_is_opened_anew(tmp_path: Path) -> None:
    said: list[str] = []
    journal, lane = await opened(f"sqlite:///{tmp_path}/journal.db", fatal=said.append), Lane()
    with pytest.raises(Refused, match="store_readonly"):
        async with journal.writing():
            raise of_sqlite(8)
    with pytest.raises(Refused, match="store_readonly"):
        await add(journal, lane.say("1"))
    assert journal.writable.is_readonly and said == []
    await journal.try_again()
    assert len(said) == 1
    await journal.close()


@needs_strace
def test_an_error_of_a_disk_that_takes_other_things_ends_the_program_as_before(tmp_path: Path) -> None:
    with writer(f"sqlite:///{tmp_path}/journal.db", 2000) as process, readonly(process.pid, "pwrite64"):
        lines = process.communicate("go\n", timeout=60)[0].splitlines()
    assert (process.returncode, lines) == (EXIT_CODE, [])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mkfs.ext4"), reason="needs root and e2fsprogs: apt-get install -y e2fsprogs")
async def test_an_ext4_that_falls_to_read_only(tmp_path: Path) -> None:
    disk = Ext4(tmp_path)
    url = f"sqlite:///{disk.at}/journal.db"
    command = disk.command(*_writer(url))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout.readline() != "READY\n":
                pytest.skip("this machine mounts no disk from a file")
            print("go", file=process.stdin, flush=True)
            lines = [process.stdout.readline() for _ in range(20)]
            disk.break_down(process.pid)
            while lines[-1].startswith("ACK"):
                lines.append(process.stdout.readline())
            later = [process.stdout.readline() for _ in range(20)]
            assert process.poll() is None, "it runs on"
        finally:
            process.kill()
    assert {line.split()[2] for line in (lines[-1], *later)} == {"store_readonly"}
    disk.repair()
    start = disk.command(sys.executable, "-c", STARTS, url, KEY.hex(), options="ro")
    done = subprocess.run(start, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == ["True", "store_readonly"], done.stderr
    disk.repair()
    copy = tmp_path / "copy"
    copy.mkdir()
    subprocess.run(disk.command("sh", "-c", f"cp {disk.at}/journal.db* {copy}", options="rw"), check=True)
    with connect_sqlite(copy / "journal.db", KEY, True) as c:
        assert c.execute("select count(*) from entry").fetchone()[0] >= len(lines) - 1, "an acknowledged entry is gone"


def _writer(url: str) -> list[str]:
    return [sys.executable, "-m", "tests.node.journal_writer", url, KEY.hex(), str(10**6)]


@pytest.mark.parametrize("by_a_save", [True, False])
async def test_a_postgresql_of_the_second_rank_is_said_and_left_for_the_first(postgres_url: str, by_a_save: bool) -> None:
    journal, lane = await opened(postgres_url), Lane()
    await add(journal, lane.say("1"))
    await _say(postgres_url, "alter database {} set default_transaction_read_only = on")
    await journal._writer.dispose()  # the connections that there were died with the old first
    for _ in range(2):
        with pytest.raises(Refused, match="store_readonly"):
            await add(journal, lane.copy().say("never"))
    await journal.try_again()
    assert journal.writable.is_readonly
    assert (await journal.heads())[PLACE, ORIGIN].seq == 1, "reading goes on"
    await _say(postgres_url, "alter database {} reset default_transaction_read_only")
    async with journal.writing():
        pass
    assert journal.writable.is_readonly, "nothing was written"
    await (add(journal, lane.say("2")) if by_a_save else journal.try_again())
    assert not journal.writable.is_readonly, "over a connection of before the change it would be for ever"
    await add(journal, lane.say("3"))
    await journal.close()


async def _say(url: str, sql: str) -> None:
    plain = url.replace("+asyncpg", "")
    c = await asyncpg.connect(plain)
    await c.execute("set default_transaction_read_only = off")
    await c.execute(sql.format(url.rpartition("/")[2]))
    await c.close()


@needs_strace
async def test_a_file_is_refused_in_the_same_words(tmp_path: Path) -> None:
    blobs: Any = Blobs(tmp_path / "blobs", KEY)
    photo = b"\xff\xd8\xff\xe0" + bytes(3000)
    with readonly(os.getpid()):
        with pytest.raises(Refused, match="store_readonly"):
            await blobs.put(photo, "墙.jpg", "image/jpeg")
        assert blobs.is_readonly
    assert await blobs.get(await blobs.put(photo, "墙.jpg", "image/jpeg")) == photo
    assert not blobs.is_readonly


async def test_a_save_finds_the_new_first_by_itself(tmp_path: Path, postgres_url: str) -> None:
    county = County(tmp_path, {"root": postgres_url})
    root = await county.node("root")
    await root.say(dispute(ledger=ROOT))
    await _say(postgres_url, "alter database {} set default_transaction_read_only = on")
    await root.journal._writer.dispose()
    async with root.journal._writer.connect() as c:
        await c.rollback()  # kept, and of the second rank for as long as it lives
    await _say(postgres_url, "alter database {} reset default_transaction_read_only")
    assert (await root.say(dispute(ledger=ROOT))).code
    await county.close()


@needs_strace
async def test_a_node_whose_files_alone_lie_on_such_a_disk_says_so_until_it_takes_files_again(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(wiring, "READONLY_S", 0.01)
    told: list[Any] = []
    node: Any = SimpleNamespace(
        journal=SimpleNamespace(damaged=False, writable=Writable(None, told.append)),
        blobs=Blobs(tmp_path / "blobs", KEY),
        wake=SimpleNamespace(commit=lambda *_: told.append(node.blobs.is_readonly)),
    )
    looking = asyncio.create_task(Node._readonly(node))
    with readonly(os.getpid()):
        with pytest.raises(Refused, match="store_readonly"):
            await node.blobs.put(b"\xff\xd8\xff\xe0" + bytes(3000), "墙.jpg", "image/jpeg")
        while not told:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
    async with asyncio.timeout(20):
        while len(told) < 2:
            await asyncio.sleep(0.01)
    looking.cancel()
    assert told == [True, False]
