"""A computer that was put out and cut off before it heard of it: its pages say so, and take a new code. When it is let in again nothing is said."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from deploy import keeping
from deploy.nats import upward
from deploy.nats.identity import Trust
from deploy.nats.servers import Listen, Server
from edge import enrol as joining
from edge.web import pages
from protocol.node.config import Config
from protocol.node.identity import Identity
from protocol.place import COMMON
from protocol.problem import Refused
from tests.link.kit import TOWN, V1, soon
from tests.link.test_stick_pages import JSON, at

SAID = "县里不再接受这台电脑的连接"


async def cut_off(whole, node: str, is_out: Callable[[], bool]) -> None:
    """By the county's server alone, as one whose entry comes too late over a line that is cut already; is_out: it has found out."""
    whole.county.authority.revoke(node)
    assert await whole.server.apply(whole.county.authority.trust())
    await soon(is_out)


async def test_who_is_cut_off_unheard_reads_it_on_every_page_and_goes_on_by_a_code(whole, monkeypatch):
    village = await whole.join("高禹村", V1)
    await soon(lambda: village.pump.state().link.connected)
    tried = []

    async def renew(code: str, _):
        tried.append(code)
        raise ConnectionError

    monkeypatch.setattr(pages.joining, "renew", renew)
    async with at(whole, village) as clerk:
        assert SAID not in (await clerk.get("/desk")).text and 'id="renew"' not in (await clerk.get("/link")).text
        assert (await clerk.post("/renew", data={"code": "x"}, headers=JSON)).status_code == 409, "in use"
        trust = whole.county.authority.trust()
        await cut_off(whole, village.about.node, lambda: village.pump.is_shut_out)
        assert not village.stopped(), "it has not heard of it"
        assert SAID in (await clerk.get("/desk")).text
        assert 'id="renew"' in (await clerk.get("/link")).text
        assert (await clerk.post("/renew", data={"code": "x"}, headers=JSON)).status_code == 422 and tried == ["x"]
        assert await whole.server.apply(trust)
        await soon(lambda: village.pump.state().link.connected)
        assert SAID not in (await clerk.get("/desk")).text


async def test_who_presses_again_waits_for_the_first_and_then_hears_the_same(whole, monkeypatch):
    """After ten seconds the page offers 不等了: what was sent goes on."""
    village = await whole.join("高禹村", V1)
    old = village.about.node
    code, asked, goes = (await whole.enrolment.renew(old))[1], asyncio.Event(), asyncio.Event()

    async def slow(address: str, body: bytes) -> tuple[int, bytes]:
        said = await whole.post(address, body)
        if not asked.is_set():
            asked.set()
            await goes.wait()
        return said

    monkeypatch.setattr(joining, "post_http", slow)
    async with at(whole, village) as clerk:
        await joining.take_in(village, await whole.enrolment._batches(COMMON))
        assert village.stopped() == "node_revoked"
        first = asyncio.create_task(clerk.post("/renew", data={"code": code}, headers=JSON))
        await asked.wait()
        second = await clerk.post("/renew", data={"code": code})
        assert second.status_code == 422 and "请等它好了再看" in second.text
        goes.set()
        made = (await first).json()
        assert (await first).status_code == 200 and made["node"] != old
        assert village.outdated.is_set() and village.identity.about().former == [old]
        again = await clerk.post("/renew", data={"code": code}, headers=JSON)
        assert again.status_code == 200 and again.json() == made


async def test_what_a_command_renewed_beside_the_program_is_opened_by_the_page(whole):
    village = await whole.join("高禹村", V1)
    old = village.about.node
    async with at(whole, village) as clerk:
        await joining.renew((await whole.enrolment.renew(old))[1], village.folder, whole.post)
        got = await clerk.post("/renew", data={"code": ""}, headers=JSON)
        assert got.status_code == 200 and got.json()["node"] == village.identity.about().node != old
        assert village.outdated.is_set()


async def test_a_township_whose_leaf_alone_is_cut_off_reads_it_too_and_its_leaf_carries_again_after_the_code(whole, monkeypatch):
    """Its program is connected all the time, to the leaf that it runs itself."""
    monkeypatch.setattr(upward, "REFUSED_TIMES", 5)
    monkeypatch.setattr(joining, "post_http", whole.post)
    township = await whole.join("天子湖镇", TOWN, leaf=True)
    old, leaf = township.about.node, whole.leaf
    township.servers.append(leaf.state)
    await soon(lambda: leaf.state().carries and township.pump.state().link.connected)
    async with at(whole, township) as clerk:
        assert SAID not in (await clerk.get("/desk")).text
        told = []
        leaf.turned = lambda carries, again: again or told.append(carries)
        await cut_off(whole, old, lambda: leaf.state().is_shut_out)
        code = (await whole.enrolment.renew(old))[1]
        assert township.pump.state().link.connected and not township.pump.is_shut_out and not township.stopped(), "it has not heard of it"
        assert told == [False, False], "that it was cut, then that it is shut out: open pages are told at once"
        assert SAID in (await clerk.get("/desk")).text
        shown = (await clerk.get("/link")).text
        assert 'id="renew"' in shown and "线一通就自动送出" not in shown
        got = await clerk.post("/renew", data={"code": code}, headers=JSON)
        assert got.status_code == 200 and township.outdated.is_set(), got.text
    await leaf.stop()
    given = joining.leaf_of(township.folder)
    trust = msgspec.json.decode(given.trust, type=Trust)
    whole.leaf = Server(Identity(township.folder).folder, "leaf", Listen(whole.leaf_port), trust, given.remote)
    await whole.leaf.start()
    await soon(lambda: whole.leaf.state().carries)
    assert not whole.leaf.state().is_shut_out


@pytest.mark.parametrize("leaf", [False, True])
async def test_who_is_cut_off_unheard_goes_on_by_the_command_too_and_who_is_not_does_not(whole, monkeypatch, capsys, leaf: bool):
    monkeypatch.setattr(joining, "post_http", whole.post)
    node = await whole.join("天子湖镇" if leaf else "高禹村", TOWN if leaf else V1, leaf)
    await soon(lambda: node.pump.state().link.connected and (not leaf or whole.leaf.state().carries))
    joining.first_done(node.folder)
    with pytest.raises(Refused) as refused:
        await keeping.enrol(await whole.enrolment.invite(place=node.office, name=node.name), node.folder, Config())
    assert "已登记" in refused.value.sentence, "another code of its place, while it is in use"
    old = node.about.node
    await cut_off(whole, old, lambda: whole.leaf.state().is_shut_out if leaf else node.pump.is_shut_out)
    code = (await whole.enrolment.renew(old))[1]
    assert not node.stopped(), "it has not heard of it"
    assert await keeping.enrol(code, node.folder, Config()) == 0
    assert Identity(node.folder).about().former == [old]
    assert "请先停下" in capsys.readouterr().out
