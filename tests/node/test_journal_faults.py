"""What a journal does when the disk, the lock, the power or the other side fails."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlcipher3 import dbapi2 as sqlcipher

from protocol.node.journal import Journal, Stored, engine, faults, rebuild
from protocol.node.journal.engine import connect_sqlite
from protocol.problem import Refused
from tests.kit.machine import needs_strace
from tests.kit.postgres import Server
from tests.node.journal_kit import KEY, ORIGIN, PLACE, Lane, Views, no_tables, subject


async def opened(url: str, **options: object) -> Journal:
    return await Journal.open(url, KEY if url.startswith("sqlite") else None, no_tables, **{"views": Views, **options})


async def add(journal: Journal, *entries: object) -> None:
    async with journal.writing() as w:
        new = await w.append(entries)
        await w.project({e.subject for e in new})


@contextmanager
def writer(url: str, *words: object) -> Iterator[subprocess.Popen[str]]:
    """The writing program, ready and waiting for a line; killed at the end."""
    key = KEY.hex() if url.startswith("sqlite") else "-"
    command = [sys.executable, "-m", "tests.node.journal_writer", url, key, *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "READY\n"
            yield process
        finally:
            process.kill()


def acknowledged(lines: list[str]) -> int:
    """How many commits were acknowledged; they are numbered without a gap."""
    numbers = [int(line.split()[1]) for line in lines if line.startswith("ACK") and line.endswith("\n")]
    assert numbers == list(range(1, len(numbers) + 1))
    return len(numbers)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/journal.db"


@pytest.mark.parametrize("after", [1, 7, 30])
async def test_killed_in_the_middle_of_writing_every_acknowledged_entry_is_there(url: str, after: int) -> None:
    with writer(url, 10**6, 3) as process:
        print("go", file=process.stdin, flush=True)
        lines = [process.stdout.readline() for _ in range(after)]
        time.sleep(0.003 * (after % 5))
        process.kill()
        lines += process.stdout.readlines()
    count = acknowledged(lines)
    journal = await opened(url)
    entries: list[Stored] = []
    while some := await journal.lane(PLACE, ORIGIN, len(entries), 5_000):  # it may have gone on for a while before it was killed
        entries += some
    assert count >= after
    assert len(entries) in (3 * count, 3 * count + 3)  # the last may be on the disk unsaid; never half of it
    assert (await journal.heads())[PLACE, ORIGIN].hash == entries[-1].hash
    assert await rebuild(journal)
    await journal.close()


async def test_a_server_that_dies_loses_nothing_and_is_found_again(postgres_server: Server, postgres_url: str) -> None:
    journal, lane = await opened(postgres_url), Lane()
    await add(journal, lane.say("1"), lane.say("2"))
    postgres_server.crash()
    try:
        for _ in range(2):
            with pytest.raises(Refused, match="store_busy"):
                await add(journal, lane.copy().say("never"))
        with pytest.raises(Refused, match="store_busy"):
            await journal.heads()
    finally:
        postgres_server.start()
    await add(journal, lane.say("3"))
    assert (await journal.heads())[PLACE, ORIGIN].seq == 3
    await journal.close()


async def test_a_full_disk_is_said_and_when_it_has_space_again_it_goes_on(tmp_path: Path) -> None:
    journal, lane = await opened(f"sqlite:///{tmp_path}/journal.db"), Lane()
    await add(journal, lane.say("1"))
    async with journal.writing() as w:  # SQLite's own way of having no more space; the error is the same
        pages = (await w.connection.execute(text("pragma page_count"))).scalar()
        await w.connection.execute(text(f"pragma max_page_count = {pages}"))
    before = lane.copy()
    with pytest.raises(Refused) as refused:
        await add(journal, *[lane.say("长" * 2000, subject(n)) for n in range(20)])
    assert (refused.value.code, refused.value.status) == ("disk_full", 507)
    assert not journal.damaged
    async with journal.writing() as w:
        await w.connection.execute(text("pragma max_page_count = 1000000"))
    await add(journal, *[before.say("长" * 2000, subject(n)) for n in range(20)])
    assert (await journal.heads())[PLACE, ORIGIN].seq == 21
    await journal.close()


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs util-linux: apt-get install -y util-linux")
def test_a_disk_of_two_mebibytes(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = 'mount -t tmpfs -o size=2m none "$1" && shift && exec "$@"'
    program = [sys.executable, "-m", "tests.node.journal_writer", f"sqlite:///{disk}/journal.db", KEY.hex(), "60", "20"]
    command = ["unshare", "--mount", *user, "sh", "-c", script, "sh", str(disk), *program]
    done = subprocess.run(command, input="go\n", capture_output=True, text=True, timeout=60, check=False)
    if "unshare" in done.stderr:
        pytest.skip("no mount namespaces here")
    lines = done.stdout.splitlines()
    assert any(line.endswith("disk_full") for line in lines), done.stderr
    assert lines[-1] == "DONE"
    assert done.returncode == 0


async def test_a_locked_store_is_said_and_then_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_WAIT_MS", 50)
    path = tmp_path / "journal.db"
    journal, lane = await opened(f"sqlite:///{path}"), Lane()
    other = connect_sqlite(path, KEY, True)
    other.execute("begin immediate")
    with pytest.raises(Refused) as refused:
        await add(journal, lane.copy().say("never"))
    assert (refused.value.code, refused.value.status) == ("store_busy", 503)
    other.execute("rollback")
    other.close()
    await add(journal, lane.say("1"))
    await journal.close()


async def test_a_lane_held_too_long_by_another_program_is_said(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOCK_WAIT", "50ms")
    first, second, lane = await opened(postgres_url), await opened(postgres_url), Lane()
    async with first.writing() as w:
        await w.append([lane.say("1")])
        with pytest.raises(Refused, match="store_busy"):
            await add(second, lane.copy().say("2"))
    await first.close()
    await second.close()


async def test_two_programs_take_turns_at_a_lane(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_WAIT_MS", 60_000)  # fifteen syncs of the other one on a slow disk
    journals, lane = [await opened(url), await opened(url)], Lane()

    async def one(n: int) -> None:
        async with journals[n % 2].writing() as w:
            head = await w.lane_head(PLACE, ORIGIN)
            assert head.hash == lane.hash
            await asyncio.sleep(0.001)
            await w.append([lane.say(str(n))])

    async def follow() -> list[int]:
        seen, position = [], 0
        while len(seen) < 30:
            some = await journals[1].since(position, 4)
            seen += [e.seq for e in some]
            position = some[-1].position if some else position
            await asyncio.sleep(0.002)
        return seen

    seen, *_ = await asyncio.gather(follow(), *[one(n) for n in range(30)])
    assert seen == list(range(1, 31))
    for journal in journals:
        await journal.close()


async def test_since_waits_for_what_may_still_come_before(postgres_url: str) -> None:
    early, late = await opened(postgres_url), await opened(postgres_url)
    async with early.writing() as w:
        await w.append([Lane(origin="nearly:1").say("position 1, committed last")])
        await add(late, Lane(origin="nlate:1").say("position 2, committed first"))
        asking = asyncio.create_task(late.since(0, 10))
        await asyncio.sleep(0.1)
        assert not asking.done()
    assert [e.position for e in await asking] == [1, 2]
    await early.close()
    await late.close()


async def test_a_wrong_key_and_a_file_that_is_no_journal(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    await (await opened(url)).close()
    assert not (tmp_path / "journal.db").read_bytes().startswith(b"SQLite format")
    with pytest.raises(Refused, match="store_damaged"):
        await Journal.open(url, bytes(32), no_tables, views=Views)
    (tmp_path / "other.db").write_bytes(os.urandom(8192))
    with pytest.raises(Refused, match="store_damaged"):
        await opened(f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(ValueError, match="32"):
        await Journal.open(url, None, no_tables, views=Views)
    with pytest.raises(ValueError, match="absolute"):
        await opened("sqlite:///journal.db")


async def test_a_flipped_bit_is_noticed_and_stops_writing(tmp_path: Path) -> None:
    path, lane = tmp_path / "journal.db", Lane()
    journal = await opened(f"sqlite:///{path}")
    await add(journal, *[lane.say("张三" * 100, subject(n)) for n in range(200)])
    await journal.close()
    raw = bytearray(path.read_bytes())
    for at in range(3 * 4096 + 50, len(raw), 4096):  # one bit in each page but the first
        raw[at] ^= 1
    path.write_bytes(raw)
    with pytest.raises(Refused, match="store_damaged"):
        await opened(f"sqlite:///{path}")
    intact = len(raw) - 4096 * 2 + 50  # only the last pages: it opens, and finds out when it reads
    raw = bytearray(path.read_bytes())
    for at in range(3 * 4096 + 50, intact, 4096):
        raw[at] ^= 1
    path.write_bytes(raw)
    journal = await opened(f"sqlite:///{path}")
    with pytest.raises(Refused, match="store_damaged"):
        await journal.since(0, 5000)
        await rebuild(journal)
    assert journal.damaged
    with pytest.raises(Refused, match="store_damaged"):
        await add(journal, lane.say("never"))
    await journal.close()


def with_failing_syncs(process: subprocess.Popen[str], when: int, *of: str) -> list[str]:
    """Lets the writer run with its n-th sync (of the file named) failing; its lines."""
    inject = ["-e", "trace=fsync,fdatasync", "-e", f"inject=fsync,fdatasync:error=EIO:when={when}", *of]
    command = ["strace", "-f", "-p", str(process.pid), "-o", os.devnull, *inject]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        if "attached" not in (line := tracer.stderr.readline()):
            pytest.skip(f"strace may not attach here: {line}")
        lines = process.communicate("go\n", timeout=60)[0].splitlines()
        tracer.terminate()
        tracer.communicate()
    return lines


@needs_strace
@pytest.mark.parametrize("when", [3, 8])
def test_an_input_output_error_of_a_sync_ends_the_program(tmp_path: Path, when: int) -> None:
    with writer(f"sqlite:///{tmp_path}/journal.db", 20) as process:
        lines = with_failing_syncs(process, when)
    assert process.returncode == faults.EXIT_CODE
    assert lines[-1].startswith("ACK")
    assert len(lines) < 20


@needs_strace
def test_an_input_output_error_of_a_checkpoint_is_heard(tmp_path: Path) -> None:
    with writer(f"sqlite:///{tmp_path}/journal.db", 5) as process:
        lines = with_failing_syncs(process, 1, "-P", f"{tmp_path}/journal.db")  # commits sync the log alone
    assert lines[-1] == "DONE"
    assert process.returncode == faults.EXIT_CODE


async def test_closing_empties_the_log_itself(tmp_path: Path) -> None:
    journal, lane = await opened(f"sqlite:///{tmp_path}/journal.db"), Lane()
    other = connect_sqlite(tmp_path / "journal.db", KEY, True)  # else the last connection would do it, and tell nobody of an error
    await add(journal, lane.say("1"))
    assert (tmp_path / "journal.db-wal").stat().st_size > 0
    await journal.close()
    assert (tmp_path / "journal.db-wal").stat().st_size == 0
    other.close()


async def test_the_settings_that_promises_rest_on(tmp_path: Path) -> None:
    journal = await opened(f"sqlite:///{tmp_path}/journal.db")
    wanted = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "secure_delete": 1, "temp_store": 2, "query_only": 0}
    async with journal.writing() as w:
        found = {name: (await w.connection.execute(text(f"pragma {name}"))).scalar() for name in wanted}
    assert found == wanted
    await journal.close()


async def test_a_fatal_error_is_told_to_whoever_opened(tmp_path: Path) -> None:
    said: list[str] = []
    error = engine.sqlcipher.OperationalError("disk I/O error")
    error.sqlite_errorcode = 10 | (2 << 8)
    journal = await opened(f"sqlite:///{tmp_path}/journal.db", fatal=said.append)
    with pytest.raises(engine.sqlcipher.OperationalError):
        async with journal.writing():
            raise error
    assert said == ["input/output error: disk I/O error"]
    await journal.close()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (asyncpg.DiskFullError(), "disk_full"),
        (asyncpg.DeadlockDetectedError(), "store_busy"),
        (asyncpg.SerializationError(), "store_busy"),
        (asyncpg.TooManyConnectionsError(), "store_busy"),
        (asyncpg.AdminShutdownError(), "store_busy"),
        (asyncpg.CannotConnectNowError(), "store_busy"),
        (asyncpg.DataCorruptedError(), "store_damaged"),
        (asyncpg.UniqueViolationError(), None),
        (OSError(errno.ENOSPC, "no space"), "disk_full"),
        (ConnectionRefusedError(), "store_busy"),
        (FileNotFoundError(), None),
        (KeyError(), None),
    ],
)
def test_what_an_error_means(error: Exception, code: str | None) -> None:
    refused = faults.refusal(error)
    assert (refused and refused.code) == code


def checkpointed(path: Path, copy: Path) -> int:
    """Entries that the file holds without its log; 0 while it is being written."""
    shutil.copyfile(path, copy)
    try:
        with closing(connect_sqlite(copy, KEY, True)) as alone:
            return int(alone.execute("select count(*) from entry").fetchone()[0])
    except sqlcipher.DatabaseError:  # no table yet, or pages of it were copied in the middle of a write
        return 0


async def test_the_log_is_emptied_when_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.node.journal.checkpoint.IDLE_S", 0.01)
    path, lane = tmp_path / "journal.db", Lane()
    journal = await opened(f"sqlite:///{path}")
    await add(journal, *[lane.say("张三" * 50, subject(n)) for n in range(50)])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if checkpointed(path, tmp_path / "copy.db") == 50:
            break
        await asyncio.sleep(0.02)
    else:
        pytest.fail("never checkpointed")
    await journal.close()
    assert not (tmp_path / "journal.db-wal").exists()
