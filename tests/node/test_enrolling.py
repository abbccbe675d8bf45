"""A code lets one computer in, also when two bring it in the same moment, on either store."""

import asyncio

from nacl.signing import SigningKey

from hub.enrolment import Enrolment
from protocol import enrolment as joining
from protocol.problem import Refused
from tests.node.desk_kit import VILLAGE, County, chance
from tests.simulation.founding import Authority, NoTls


async def nobody() -> None:
    """No server has to hear of a new trust."""


async def enrolments(county: County, count: int) -> list[Enrolment]:
    """So many programs of the county, on one store where that is a PostgreSQL."""
    nodes = [await county.node("root") for _ in range(count if county.urls else 1)]
    return [
        Enrolment(
            one.journal, one.desk, one.signer.certificate, county.key, bytes(county.secret.public_key), Authority(), NoTls(), county.clock,
            address="10.0.0.1:8330", servers=["wire"], leaf_remote="tls://wire", applied=nobody, chance=chance(f"enrolment {n}"),
        )
        for n, one in enumerate(nodes)
    ]  # fmt: skip


async def test_of_two_computers_that_bring_a_code_at_once_one_comes_in(on_either: County):
    programs = await enrolments(on_either, 2)
    for n in range(8):
        code = joining.read_code(await programs[0].invite(place=VILLAGE, name=f"第 {n} 台"))
        asks = [joining.ask(code, SigningKey(bytes([n, m]) * 16), f"U{m}", "", b"", bytes(24)) for m in (1, 2)]
        told = await asyncio.gather(*[programs[m % len(programs)].redeem(one) for m, one in enumerate(asks)], return_exceptions=True)
        let_in = [one for one in told if isinstance(one, bytes)]
        refused = [one for one in told if isinstance(one, Refused)]
        assert (len(let_in), [one.code for one in refused]) == (1, ["code_unknown_late_or_used"]), told
        who = told.index(let_in[0])
        again = await asyncio.gather(*[programs[m % len(programs)].redeem(asks[who]) for m in (0, 1)])
        assert all(
            joining.open_answer(code.secret, one).certificate == joining.open_answer(code.secret, let_in[0]).certificate for one in again
        )


async def test_a_computer_that_asks_twice_at_once_comes_in_once(on_either: County):
    programs = await enrolments(on_either, 2)
    code = joining.read_code(await programs[0].invite(place=VILLAGE, name="高禹村"))
    ask = joining.ask(code, SigningKey(bytes(range(32))), "U", "", b"", bytes(24))
    told = await asyncio.gather(*[programs[n % len(programs)].redeem(ask) for n in range(3)], return_exceptions=True)
    assert {one.code for one in told if isinstance(one, Refused)} <= {"store_busy"}, "may ask again"
    let_in = [one for one in [*told, await programs[0].redeem(ask)] if isinstance(one, bytes)]
    assert len(let_in) > 1
    assert len({joining.open_answer(code.secret, one).certificate for one in let_in}) == 1
