"""Commands beside a heal or a restore: what they wrote is never lost by the new journal, they wait or say that it is not the moment."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from signal import SIGKILL

import pytest

from deploy import keeping, restoring, running
from protocol.node import healing, locks
from protocol.node.config import Config
from protocol.node.node import now_ms
from tests.node.test_node import founded, hire
from tests.node.test_restoring import damaged, dies_healing, names

HOLDS = """
import asyncio, sys
from pathlib import Path
from protocol.node import locks
async def main():
    async with getattr(locks, sys.argv[1])(Path(sys.argv[2])):
        print("held", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(locks, "WAIT_S", 0.3)
    await founded(tmp_path / "hub")
    await keeping.backup(tmp_path / "hub", Config(), tmp_path / "b.tar")
    return tmp_path / "hub"


@pytest.fixture
async def other(home: Path) -> AsyncIterator[Callable]:
    """Another program that holds the folder, `await other("beside")`; it ends with the test at the latest."""
    made = []

    async def holds(how: str) -> asyncio.subprocess.Process:
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDS, how, str(home), stdout=asyncio.subprocess.PIPE)
        made.append(program)
        assert program.stdout and await program.stdout.readline() == b"held\n"
        return program

    yield holds
    for one in made:
        if one.returncode is None:
            one.kill()
        await one.wait()


async def test_what_a_command_writes_while_the_journal_is_healed_is_never_lost(home: Path, monkeypatch):
    reading, may_end, real = asyncio.Event(), threading.Event(), healing.salvage
    loop = asyncio.get_running_loop()

    def slow(*given):
        loop.call_soon_threadsafe(reading.set)
        assert may_end.wait(60)
        return real(*given)

    monkeypatch.setattr(healing, "salvage", slow)
    healed = asyncio.create_task(healing.heal(home, Config(), now_ms))
    await reading.wait()
    try:
        with pytest.raises(RuntimeError, match="正在修复"):
            async with keeping.opened(home, Config()) as node:
                await hire(node, "方志林")
    finally:
        may_end.set()
    await healed
    async with keeping.opened(home, Config()) as node:
        await hire(node, "方志林")
        assert "方志林" in await names(node)


async def test_a_command_waits_for_a_heal_that_ends_in_time(home: Path, other, monkeypatch):
    monkeypatch.setattr(locks, "WAIT_S", 60)
    program = await other("alone")
    asyncio.get_running_loop().call_later(0.5, program.kill)
    async with keeping.opened(home, Config()) as node:
        assert await names(node) == {"周敏"}
    assert await program.wait() == -SIGKILL, "a program that died holds nothing"


async def test_a_heal_and_a_restore_leave_a_command_its_journal(home: Path, other):
    await other("beside")
    before = (home / "journal.db").read_bytes()
    with pytest.raises(locks.Busy, match="正在用本机的台账"):
        await healing.heal(home, Config(), now_ms)
    with pytest.raises(locks.Busy, match="正在用本机的台账"):
        await restoring.restore(home, Config(), home.parent / "b.tar")
    assert (home / "journal.db").read_bytes() == before and not (home / healing.WORK).exists()
    async with keeping.opened(home, Config()) as node:
        assert await names(node) == {"周敏"}, "commands go on beside one another"


async def test_no_command_ends_a_heal_beneath_another(home: Path, other, monkeypatch):
    damaged(home)
    await dies_healing(home, monkeypatch, "heal.ready")
    for how in ("beside", "alone"):
        program = await other(how)
        with pytest.raises(locks.Busy):
            async with keeping.opened(home, Config()):
                pass
        assert (home / healing.WORK / healing.PLAN).exists()
        program.kill()
        await program.wait()
    async with keeping.opened(home, Config()) as node:
        assert node.signer.epoch == 2 and not (home / healing.WORK).exists()


async def test_a_start_that_must_heal_says_who_is_in_the_way_and_tries_it_again_at_the_next_one(home: Path, other):
    damaged(home)
    (home / healing.ASKED).touch()
    program = await other("beside")
    with pytest.raises(locks.Busy):
        await running._opened(home, Config())
    assert (home / healing.ASKED).exists() and not (home / healing.FAILED).exists()
    program.kill()
    await program.wait()
    node = await running._opened(home, Config())
    assert node.signer.epoch == 2 and not (home / healing.ASKED).exists()
    await node.close()
