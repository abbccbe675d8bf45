"""What is always at work outlives a fault that passes: a store that is away for a moment, a full disk, a cancel that comes at the wrong time."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from deploy import running
from deploy.nats import servers
from deploy.nats.identity import Trust
from deploy.nats.servers import Listen, Server
from hub.enrolment import TRUST_TABLE
from protocol import events
from protocol.commands import AcceptDispute
from protocol.node import stretches
from protocol.node.journal import Journal
from protocol.node.node import Node
from protocol.node.wake import Wake
from protocol.node.web import stream
from protocol.node.web.stream import Channel
from protocol.problem import Refused
from protocol.tables import Tables
from tests.node.desk_kit import ROOT, County, new_id
from tests.node.test_stretches import two_months

TRUST = Trust(*[f"{n}" for n in range(len(Trust.__struct_fields__))])


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_may_connect_is_taken_over_also_after_the_store_was_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(running, "AGAIN_S", 0.01)
    table = events.TableSet("", 0, (), TRUST_TABLE, "1", "", msgspec.json.encode(TRUST))
    monkeypatch.setattr(running.events, "facts_of", lambda _: table)
    applied, answers = asyncio.Event(), iter([Refused("store_busy"), [SimpleNamespace(head=None)]])

    async def subject(_: str) -> Any:
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    async def apply(trust: Trust) -> None:
        assert trust == TRUST
        applied.set()

    node, server = SimpleNamespace(wake=Wake(), journal=SimpleNamespace(subject=subject)), SimpleNamespace(apply=apply)
    watching = asyncio.create_task(running._apply_trust(node, server))  # type: ignore[arg-type]
    async with asyncio.timeout(10):
        await applied.wait()
    watching.cancel()


async def test_a_trust_that_could_not_be_written_is_written_the_next_time(tmp_path, monkeypatch: pytest.MonkeyPatch):
    written: list[bytes] = []

    def write(_: Any, what: bytes) -> None:
        written.append(what)
        if len(written) == 1:
            raise OSError(28, "full")

    monkeypatch.setattr(servers, "write_whole", write)
    monkeypatch.setattr(servers, "configuration", lambda _name, _listen, trust, _remote: trust.account_jwt)
    server = Server(tmp_path, "county", Listen(1), TRUST)
    new = msgspec.structs.replace(TRUST, account_jwt="another")
    with pytest.raises(OSError, match="full"):
        await server.apply(new)
    assert await server.apply(new) and written == [b"another"] * 2
    assert not await server.apply(new)


async def test_a_page_that_is_left_as_something_comes_is_drawn_no_more(monkeypatch: pytest.MonkeyPatch):
    wake, drawn = Wake(), 0

    async def view(_: Any) -> str:
        nonlocal drawn
        drawn += 1
        return str(drawn)

    async def frame(_: Any) -> str:
        return ""

    monkeypatch.setattr(stream, "node_of", lambda _: SimpleNamespace(wake=wake))
    monkeypatch.setattr(stream, "frame", frame)
    monkeypatch.setattr(stream, "COALESCE_MS", 1)
    channel: Any = Channel(None, view)  # type: ignore[arg-type]
    channel.enter()
    async with asyncio.timeout(10):
        await channel.next(0)
    await asyncio.sleep(0.05)
    await turns()
    wake.commit([], [])
    channel.leave()
    async with asyncio.timeout(10):
        await asyncio.wait({channel._task})
    assert channel.over


async def test_figures_are_counted_anew_after_a_fault_in_the_middle_of_taking_out(county: County, monkeypatch: pytest.MonkeyPatch):
    root, _, second, asked = await two_months(county)
    found = root.reads.statistics.found
    accepted = (await found(root.actor("operator", ROOT), asked)).whole.accepted
    await root.say(AcceptDispute(id=new_id(), case=second))
    real = stretches._counts

    async def broken(*_: Any) -> Any:
        raise Refused("store_busy")

    monkeypatch.setattr(stretches, "_counts", broken)
    with pytest.raises(Refused, match="store_busy"):
        await found(root.actor("operator", ROOT), asked)
    monkeypatch.setattr(stretches, "_counts", real)
    assert (await found(root.actor("operator", ROOT), asked)).whole.accepted == accepted + 1


async def test_a_mark_that_could_not_be_noted_is_noted_the_next_time():
    noted: list[str] = []

    def note(ledger: str, *_: Any) -> None:
        noted.append(ledger)
        if len(noted) == 1:
            raise OSError(28, "full")

    async def heads(ledger: str) -> Any:
        return {(ledger, "n:1"): (1, b"")}

    node: Any = SimpleNamespace(
        _advanced={"甲", "乙"},
        journal=SimpleNamespace(heads=heads),
        signer=SimpleNamespace(origin="n:1"),
        _witness=SimpleNamespace(note=note),
    )
    with pytest.raises(OSError, match="full"):
        await Node.save_mark(node)
    await Node.save_mark(node)
    assert sorted(noted[1:]) == ["乙", "甲"] and not node._advanced


async def test_what_had_no_room_to_be_written_anew_is_looked_for_again():
    asked: list[str] = []

    async def adopt(row: Any, _: Any) -> None:
        asked.append(row.ledger)
        if len(asked) == 1:
            raise Refused("store_busy")
        raise Refused("node_forked")

    node: Any = SimpleNamespace(_is_left_aside=False, desk=SimpleNamespace(adopt=adopt), office="县")
    row = SimpleNamespace(ledger="甲", origin="n:1", seq=1)
    await Node._write_anew(node, [row])  # type: ignore[list-item]
    assert node._is_left_aside
    node._is_left_aside = False
    await Node._write_anew(node, [row])  # type: ignore[list-item]
    assert not node._is_left_aside, "what a person decides about waits for him"


async def test_a_database_whose_machine_is_gone_is_given_up(postgres_url: str):
    journal = await Journal.open(postgres_url, None, Tables.packaged)
    try:
        async with journal.writing() as w:
            line = (await w.connection.get_raw_connection()).driver_connection._transport.get_extra_info("socket")
            assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) > 0
    finally:
        await journal.close()
