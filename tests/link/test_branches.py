"""Ends of other histories: made-up ones hold up nothing that is real, and what nobody gives is asked for with pauses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.node import forks as real
from protocol.node.forks import Moved, Wanted
from protocol.node.journal.branches import Step
from protocol.node.link.branches import AT_ONCE, Branches, end_asks
from protocol.node.link.peers import Known
from protocol.node.link.pump import Pump
from protocol.problem import Refused
from tests.node.desk_kit import County
from tests.simulation.virtual import VirtualLoop

LEDGER, ORIGIN = "330523/330523111/330523111001", "n1111111:1"


class Forks:
    """Of `Forks` what the pump asks of it; gives what is wanted once."""

    def __init__(self, wanted: list[Wanted]) -> None:
        self.lacked = set[tuple[str, str, bytes]]()
        self.changed, self.wanted, self.settled = asyncio.Event(), wanted, 0
        self.changed.set()

    def take(self) -> list[Wanted]:
        taken, self.wanted = self.wanted, []
        return taken

    async def settle(self) -> list[object]:
        self.settled += 1
        return []


class Nobody(list):
    """Peers of which none was heard."""

    def branch(self, *_: str) -> str:
        return "b"

    def worth_asking(self, some: Iterable[Known]) -> list[Known]:
        return list(some)


async def test_made_up_ends_hold_up_neither_what_others_speak_of_nor_what_is_here():
    made_up = [Wanted(LEDGER, ORIGIN, n + 1, bytes([n]) * 32, "evil") for n in range(3 * AT_ONCE)]
    real, asked, silent = Wanted(LEDGER, ORIGIN, 7, b"r" * 32, "honest"), [], asyncio.Event()

    async def ask(_holder: str, _subject: str, body: bytes, _most_s: float) -> None:
        asked.append(end_asks.decode(body).hash)
        await silent.wait()
        raise TimeoutError

    ground = SimpleNamespace(ask=ask, leads=lambda: True, link=SimpleNamespace(is_connected=True), peers=Nobody())
    forks = Forks([*made_up, real])
    branches = Branches(ground, forks, lambda *_: None, lambda: None)
    working = asyncio.create_task(branches.work())
    async with asyncio.timeout(10):
        while len(asked) < AT_ONCE:
            await asyncio.sleep(0.01)
    assert forks.settled == 1, "what is here already is set right before anybody is asked"
    assert real.hash in asked, "among the first, though it was heard of last"
    silent.set()
    async with asyncio.timeout(10):
        while len(asked) < len(made_up) + 1 or forks.settled < 2 + len(made_up) // AT_ONCE:
            await asyncio.sleep(0.01)
    assert branches._in_turn([made_up[0]]) == [], "nobody gave it: it is left to a later Have"
    working.cancel()


# ── what a lane lacks to be set right ──

TIP, MISSING = b"t" * 32, b"m" * 32


class Lacking(real.Forks):
    """A lane whose writer was put out: a piece of the history that counts stands beside it, and what lies below is not here."""

    def __init__(self) -> None:
        @asynccontextmanager
        async def read() -> AsyncIterator[None]:
            yield None

        shelf = SimpleNamespace(tips={(LEDGER, ORIGIN): (9, TIP)}, last_good=lambda *_: None)
        super().__init__(SimpleNamespace(read=read), b"", shelf, SimpleNamespace(node="nmine222", origin="nmine222:1"), int)
        self.lanes, self.settled, self.trouble = {(LEDGER, ORIGIN)}, 0, ""
        self.changed.set()

    async def settle(self) -> list[Moved]:
        self.settled += 1
        moved = await super().settle()
        if self.trouble:
            raise Refused(self.trouble)
        return moved


class Line:
    """A ground with one other node, which holds the ledger and gives nothing. asked: whom, in turn."""

    def __init__(self) -> None:
        self.link, self.asked, self.noted = SimpleNamespace(is_connected=True), list[str](), 0
        self.peers = Nobody([SimpleNamespace(revoked=False, lanes={LEDGER: {}}, certificate=SimpleNamespace(node="nhub22222"))])
        self.forks = Lacking()
        self.branches = Branches(self, self.forks, lambda *_: None, self.note)

    async def ask(self, holder: str, _subject: str, body: bytes, _most_s: float) -> None:
        assert end_asks.decode(body).hash == MISSING
        self.asked.append(holder)

    def leads(self) -> bool:
        return True

    def note(self) -> None:
        self.noted += 1

    async def works(self) -> None:
        """As `Ground.for_ever` has it."""
        while True:
            with suppress(Refused):
                await self.branches.work()
            await asyncio.sleep(1.0)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Line], Awaitable[None]]], Line]:
    """Plays in virtual time, with the branches at work; returns the line after it."""

    async def lane_hash(*_: Any) -> bytes:
        return b"o" * 32

    async def path(*_: Any) -> Any:
        return [Step(9, TIP, MISSING)], (8, MISSING)

    monkeypatch.setattr(real.branches, "lane_hash", lane_hash)
    monkeypatch.setattr(real.branches, "path", path)
    line = Line()

    def played(then: Callable[[Line], Awaitable[None]]) -> Line:
        async def main() -> None:
            working = asyncio.create_task(line.works())
            await then(line)
            working.cancel()
            await asyncio.wait({working})

        loop = VirtualLoop()
        loop.play(main())
        loop.close()
        return line

    return played


async def five_seconds(_: Line) -> None:
    await asyncio.sleep(5.0)


def test_what_nobody_in_reach_has_is_asked_for_after_longer_and_longer_pauses(play):
    line = play(five_seconds)
    assert line.asked == ["nhub22222"] * 3, "at once, after a second, after two more"
    assert line.forks.settled <= 8
    assert line.noted == 1, "and nobody is woken for it"


def test_with_no_line_nothing_is_looked_at_until_there_is_one(play):
    async def then(line: Line) -> None:
        line.link.is_connected = False
        await asyncio.sleep(5.0)
        assert (line.asked, line.forks.settled) == ([], 1)
        line.link.is_connected = True
        line.branches.again()
        await asyncio.sleep(0.5)

    assert play(then).asked == ["nhub22222"]


def test_another_line_and_a_have_that_shows_it_are_not_kept_waiting(play):
    async def then(line: Line) -> None:
        await asyncio.sleep(60.0)
        before = len(line.asked)
        line.branches.again()
        await asyncio.sleep(0.5)
        assert line.asked[before:] == ["nhub22222"]
        line.forks.want(Wanted(LEDGER, ORIGIN, 8, MISSING, "nnear2222"))
        await asyncio.sleep(0.5)
        assert line.asked[before + 1 :] == ["nnear2222", "nhub22222"]

    play(then)


def test_with_a_store_that_takes_nothing_it_is_not_looked_for_each_moment_either(play):
    async def then(line: Line) -> None:
        line.forks.trouble = "disk_full"
        await asyncio.sleep(60.0)
        assert line.forks.settled <= 8
        line.forks.trouble = ""
        await asyncio.sleep(30.0)

    assert play(then).asked, "and when it takes something again, it is"


async def test_each_connection_of_the_pump_is_another_line(tmp_path: Path):
    connected, nothing = list[Callable[[], None]](), lambda *_: None
    link, wake = SimpleNamespace(on_connect=connected.append, is_connected=True), SimpleNamespace(on_added=nothing, listen=nothing)
    forks, signer = Lacking(), SimpleNamespace(node="ntown2222", origin="ntown2222:1")
    Pump(
        SimpleNamespace(tables=None),
        SimpleNamespace(is_shared=False),
        link,
        signer,
        County(tmp_path).certificate("town"),
        wake,
        int,
        forks=forks,
    )
    forks.changed.clear()
    for told in connected:
        told()
    assert forks.changed.is_set(), "what nobody gave over the one before may be given over this one"
