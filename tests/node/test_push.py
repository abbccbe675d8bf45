"""Phones whose page is closed are knocked at: for whom, with what in hand, and with nothing that a push service could read."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from protocol.commands import AssignTask, ConfirmTask, RecallTask, UrgeTask
from protocol.node.config import Push as Rules
from protocol.node.push import GATHER_S, KEPT, KNOCKS_MAX, Kept, Push
from protocol.problem import Refused
from tests.kit.push import WAIT_S, Service
from tests.node.desk_kit import ROOT, Node, add_person, dispute, new_id

SECRET = b"\x07" * 32
RULES = Rules(contact="mailto:admin@example.org", services=["127.0.0.1", "*.push.example.org"])


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with Service() as made:
        yield made


def pushing(node: Node, rules: Rules = RULES) -> Push:
    return Push(node.journal, lambda: SECRET, rules, node.clock)


async def noted(node: Node, person: str, endpoints: list[str]) -> None:
    """Kept without being looked at."""
    async with node.journal.writing() as w:
        await w.set_local(KEPT, msgspec.msgpack.encode({endpoint: Kept(person, 0) for endpoint in endpoints}))


async def sent(node: Node, cadre: str) -> str:
    """A visit of his, from the desk."""
    case = (await node.say(dispute(ledger=ROOT))).subject
    due_ms = node.clock() + 86_400_000
    said = AssignTask(id=new_id(), case=case, place=ROOT, cadre=cadre, home=node.signer.node, purpose="上门看看", due_ms=due_ms)
    return (await node.say(said)).subject


async def running(node: Node, push: Push, tests: Callable[[], Any]) -> None:
    loop = asyncio.create_task(push.run(node.wake, lambda: True))
    try:
        while not node.wake._watched:  # it asks the store first from where on it knocks
            assert not loop.done()
            await asyncio.sleep(0.01)
        await tests()
    finally:
        loop.cancel()


def claims(token: str, key: str) -> dict[str, Any]:
    """Of a token whose signature is that of the key."""

    def raw(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    said, _, signature = token.rpartition(".")
    r, s = (int.from_bytes(raw(signature)[at : at + 32]) for at in (0, 32))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw(key))
    public.verify(utils.encode_dss_signature(r, s), said.encode(), ec.ECDSA(hashes.SHA256()))
    assert json.loads(raw(said.split(".")[0])) == {"typ": "JWT", "alg": "ES256"}
    return json.loads(raw(said.split(".")[1]))


async def test_a_new_task_an_urge_and_a_recall_knock_once_each_and_his_own_steps_do_not(county, service):
    root = await county.node("root")
    cadre, _ = await add_person(root, "周凯", "cadre", office=ROOT, home=root.signer.node)
    other, _ = await add_person(root, "别人", "cadre", office=ROOT, home=root.signer.node)
    push = pushing(root)
    await push.keep(cadre, service.url("his"))
    await push.keep(other, service.url("theirs"))

    async def lives() -> None:
        task = await sent(root, cadre)
        await service.knocked(1)
        await root.say(ConfirmTask(id=new_id(), task=task), root.actor("cadre", ROOT, cadre))
        await asyncio.sleep(GATHER_S + 0.5)
        assert len(service.asked) == 1, "what he did himself is no news to him"
        await root.say(UrgeTask(id=new_id(), task=task, text="请今天上门。"))
        await service.knocked(2)
        await root.say(RecallTask(id=new_id(), task=task, reason="当事人自己和好了"))
        await service.knocked(3)

    await running(root, push, lives)
    assert {asked.path for asked in service.asked} == {"/his"}
    first = service.asked[0]
    assert (first.body, first.headers["ttl"], first.headers["topic"]) == (b"", "86400", "task")
    token, _, key = first.headers["authorization"].removeprefix("vapid t=").partition(", k=")
    said = claims(token, key)
    assert (said["aud"], said["sub"]) == (service.url("").rstrip("/"), RULES.contact)
    assert 0 < said["exp"] - root.clock() // 1000 <= 86_400
    assert key == push.key == pushing(root).key, "the same after a restart"


async def test_a_phone_that_its_service_does_not_know_any_more_is_forgotten(county, service):
    root = await county.node("root")
    cadre, _ = await add_person(root, "周凯", "cadre", office=ROOT, home=root.signer.node)
    push, service.status = pushing(root), 410
    await push.keep(cadre, service.url("lost"))

    async def lives() -> None:
        task = await sent(root, cadre)
        await service.knocked(1)
        await asyncio.sleep(0.2)
        await root.say(UrgeTask(id=new_id(), task=task, text="请今天上门。"))
        await asyncio.sleep(GATHER_S + 0.5)
        assert len(service.asked) == 1

    await running(root, push, lives)


async def test_a_phone_is_one_persons_at_a_time_and_only_he_takes_it_back(county, service):
    root = await county.node("root")
    one, other = "1" * 32, "2" * 32
    push, phone = pushing(root), service.url("phone")
    await push.keep(one, phone)
    await push.keep(other, phone)
    assert {who.person for who in (await push._kept()).values()} == {other}
    await push.drop(phone, one)
    assert await push._kept()
    await push.drop(phone, other)
    assert not await push._kept()
    for n in range(6):
        await push.keep(one, service.url(f"phone{n}"))
    assert sorted(await push._kept()) == [service.url(f"phone{n}") for n in range(2, 6)], "his newest few"


async def test_phones_that_come_and_go_at_once_lose_each_other_nothing(on_either, urls):
    """On PostgreSQL two programs of one node write the same row."""
    programs = [pushing(await on_either.node("root")) for _ in range(2 if urls else 1)]
    phones = [f"https://a.push.example.org/{n}" for n in range(12)]
    await asyncio.gather(*(programs[n % len(programs)].keep(f"{n:032}", phone) for n, phone in enumerate(phones)))
    assert sorted(await programs[0]._kept()) == sorted(phones)
    await asyncio.gather(*(programs[n % len(programs)].drop(phone) for n, phone in enumerate(phones[1:])))
    assert list(await programs[0]._kept()) == phones[:1]


async def test_an_address_that_cannot_be_asked_costs_nobody_else_his_knock(county, service):
    """Such a one was kept by an older program, or its service is no more among those that are named."""
    root = await county.node("root")
    cadre, _ = await add_person(root, "周凯", "cadre", office=ROOT, home=root.signer.node)
    push = pushing(root)
    bad = (
        "https://a.push.example.org:abc/x",
        "https://a.push.example.org/\x01",
        "https://xn--a.push.example.org/",
        "https://push.example.net/x",
    )
    await noted(root, cadre, [*bad, service.url("his")])

    async def lives() -> None:
        await sent(root, cadre)
        await service.knocked(1)

    await running(root, push, lives)


async def test_a_service_that_cannot_be_reached_holds_nobody_up_and_is_asked_a_few_times_a_round(county):
    """A firewall: whoever asks there waits until he gives up. Here he gives up when all others are through."""
    root, cadre = await county.node("root"), "1" * 32
    push = pushing(root)
    there = [f"https://there.push.example.org/{n}" for n in range(20)]
    walled = [f"https://walled.push.example.org/{n}" for n in range(60)]
    await noted(root, cadre, [*walled, *there])
    asked, through = list[str](), asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if request.url.host.startswith("walled"):
            await through.wait()
            raise httpx.ConnectTimeout("no answer")
        if set(there) <= set(asked):
            through.set()
        return httpx.Response(201)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http, asyncio.timeout(WAIT_S):
        await push._tell(http, {cadre})
    assert sorted(one for one in asked if one in there) == sorted(there)
    assert len(asked) - len(there) == KNOCKS_MAX


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://a.push.example.org/x", "https://push.example.net/x", "https://push.example.org.evil.net/x", "https://u:p@a.push.example.org/x",
        "https://10.0.0.1/x", "file:///etc/passwd", "", "https://a.push.example.org/" + "x" * 2_000, "https://[", "https://a.push.example.org/乡",
        "https://a.push.example.org:abc/x", "https://a.push.example.org/\x01", "https://xn--a.push.example.org/", "https://a.push.example.org:8443/x",
        "https://a.push.example.org:70000/x", "https://evil.net%2f.push.example.org/x", "https://.push.example.org/x", "https://a\\.push.example.org/x",
    ],
)  # fmt: skip
async def test_only_services_that_the_administrator_named_are_asked(county, endpoint):
    push = pushing(await county.node("root"))
    with pytest.raises(Refused, match="push_refused"):
        await push.keep("1" * 32, endpoint)
    await push.keep("1" * 32, "https://a.push.example.org/x")


async def test_without_a_contact_nothing_is_pushed(county):
    push = pushing(await county.node("root"), Rules())
    assert push.key == ""
    with pytest.raises(Refused, match="push_refused"):
        await push.keep("1" * 32, "https://fcm.googleapis.com/x")
