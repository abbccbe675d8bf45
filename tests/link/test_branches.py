"""Ends of other histories that anybody may speak of: made-up ones hold up nothing that is real."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace

from protocol.node.forks import Wanted
from protocol.node.link.branches import AT_ONCE, Branches, end_asks
from protocol.node.link.peers import Known

LEDGER, ORIGIN = "330523/330523111/330523111001", "n1111111:1"


class Forks:
    """Of `Forks` what the pump asks of it; gives what is wanted once."""

    def __init__(self, wanted: list[Wanted]) -> None:
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
