"""A computer that was put out and cut off before it heard of it: its pages say so, and take a new code. When it is let in again nothing is said."""

import asyncio

from edge import enrol as joining
from edge.web import pages
from protocol.place import COMMON
from tests.link.kit import V1, soon
from tests.link.test_stick_pages import JSON, at

SAID = "县里不再接受这台电脑的连接"


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
        whole.county.authority.revoke(village.about.node)
        assert await whole.server.apply(whole.county.authority.trust())
        await soon(lambda: village.pump.is_shut_out)
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
