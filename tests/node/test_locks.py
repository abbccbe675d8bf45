"""Commands beside a heal or a restore: what they wrote is never lost by the new journal, they wait or say that it is not the moment."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from signal import SIGKILL

import httpx
import pytest

from deploy import keeping, restoring, running
from deploy.nats.servers import free_ports
from protocol.node import healing, locks
from protocol.node import node as wiring
from protocol.node.config import Config, Http, Nats
from protocol.node.node import Node, now_ms
from protocol.node.scrubbing import look
from tests.kit.county import until
from tests.kit.once import own_routes
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


async def test_a_program_that_opens_itself_again_waits_for_a_command_as_long_as_it_takes(home: Path, other, monkeypatch):
    damaged(home)
    (home / healing.ASKED).touch()
    program, tries, real = await other("beside"), list[int](), healing.heal

    async def counted(*given):
        tries.append(1)
        return await real(*given)

    monkeypatch.setattr(healing, "heal", counted)
    opening = asyncio.create_task(running._opened(home, Config(), again=True))
    await until(lambda: len(tries) > 2 or opening.done(), "it tries again and again")
    assert not opening.done(), opening.exception()
    program.kill()
    node = await opening
    assert node.signer.epoch == 2 and not (home / healing.ASKED).exists() and not (home / healing.FAILED).exists()
    await node.close()


async def test_a_running_program_that_finds_damage_keeps_its_pages_open_while_a_command_is_at_work(home: Path, other, monkeypatch):
    monkeypatch.setattr(wiring, "ELSEWHERE_S", 0.05)
    (port,), opened, real = free_ports(1), list[Node](), running._opened
    config = Config(http=Http(port=port), nats=Nats(run=False))

    async def noted(*given):
        opened.append(await real(*given))
        return opened[-1]

    async def runs() -> None:
        again = False
        with own_routes():
            while await running.run_hub(home, config, again):
                again = True

    monkeypatch.setattr(running, "_opened", noted)
    program = asyncio.create_task(runs())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:

        async def said() -> list[str]:
            if program.done():
                await program
            try:
                return (await http.get("/healthz")).json()["why"]
            except httpx.ConnectError:
                return ["not begun"]

        await until(partial(_is, said, []), "its pages answer")
        holder = await other("beside")
        damaged(home)
        await look(opened[0].journal, opened[0].blobs)
        assert opened[0].journal.damaged
        await until((home / healing.ASKED).exists, "it is to be healed")
        await until(partial(_is, said, ["store_damaged"]), "its pages say so")
        for _ in range(20):
            await asyncio.sleep(0.05)  # turns of the loop that closes it
            assert await said() == ["store_damaged"]
        holder.kill()
        await until(lambda: len(opened) == 2, "it opened itself again")
        await until(partial(_is, said, []), "its pages answer again")
        assert opened[1].signer.epoch == 2
    program.cancel()
    with suppress(asyncio.CancelledError):
        await program


async def _is(asked, wanted) -> bool:
    return await asked() == wanted
