"""A computer that was put out and cut off before it heard of it: its pages say so, and take a new code. When it is let in again nothing is said."""

from edge.web import pages
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
