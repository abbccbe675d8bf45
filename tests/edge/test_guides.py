"""第一次用: each person sees what to do until he has done it himself or put it away; whoever has is not told again, and nobody else is."""

from collections.abc import AsyncIterator

import pytest

from protocol.commands import EscalateDispute, TakeUpDispute
from protocol.node import begun
from protocol.node.journal.rows import fetch
from tests.edge.pages_kit import JSON, at, form_of
from tests.edge.rig import PASSWORD, TOWN, Rig
from tests.node.desk_kit import add_person, new_id

CARD = 'id="first-title"'


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    yield made
    await made.close()


async def comes(rig: Rig, kind: str, name: str, post: str, account: str) -> None:
    web = rig.web(kind)
    person, _ = await add_person(web.node, name, post)
    await web.people.add_account(account, person, PASSWORD, rig.county.clock())


async def shown(rig: Rig, kind: str, account: str = "", path: str = "/desk") -> str:
    async with at(rig, kind, account) as client:
        page = (await client.get(path)).text
    return page.split(CARD, 1)[1].split("</section>")[0] if CARD in page else ""


async def test_a_new_clerk_where_others_have_long_begun(rig: Rig) -> None:
    assert "看一眼连接" in await shown(rig, "village"), "nothing is here yet"
    await rig.log("village")
    await comes(rig, "village", "李红", "clerk", "lihong")
    assert not await shown(rig, "village"), "王芳 has done it"
    card = await shown(rig, "village", "lihong")
    assert "F2" in card and "登记第一件" in card and "看一眼连接" not in card
    assert await shown(rig, "village", "lihong", "/today")
    async with at(rig, "village", "lihong") as client:
        form = form_of((await client.get("/cases/new")).text, "log")
        saved = await client.post("/cases", data=form | {"account": "水沟堵了。", "party_name": ["何水法", ""]}, headers=JSON)
        assert saved.status_code == 201, saved.text
    assert not await shown(rig, "village", "lihong") and not await shown(rig, "village", "lihong", "/today")


async def test_it_is_put_away_for_one_person_at_every_browser(rig: Rig) -> None:
    await rig.log("village")
    for name, account in (("李红", "lihong"), ("赵亮", "zhaoliang")):
        await comes(rig, "village", name, "clerk", account)
    async with at(rig, "village", "lihong") as client:
        left = await client.post("/guide/away", headers={"Referer": "http://desk/today"})
        assert (left.status_code, left.headers["location"]) == (303, "/today")
        elsewhere = await client.post("/guide/away", headers={"Referer": "http://elsewhere/today"})
        assert elsewhere.headers["location"] == "/"
    assert not await shown(rig, "village", "lihong")
    assert await shown(rig, "village", "zhaoliang")


async def test_an_officer_begins_by_taking_up(rig: Rig) -> None:
    case = await rig.log("village")
    await rig.say("village", EscalateDispute(id=new_id(), case=case, to=TOWN, reason="村里调不动。"))
    await rig.everywhere()
    assert "待受领" in await shown(rig, "town")
    await rig.say("town", TakeUpDispute(id=new_id(), case=case))
    assert not await shown(rig, "town")


async def test_who_only_reads_is_told_nothing(rig: Rig) -> None:
    await comes(rig, "town", "查阅", "reader", "chayue")
    assert not await shown(rig, "town", "chayue")


async def test_who_began_long_ago_is_found_bit_by_bit_and_never_taken_for_a_beginner(rig: Rig, monkeypatch) -> None:
    monkeypatch.setattr(begun, "LOOKED_AT_ONCE", 2)
    journal, person = rig.web("village").journal, rig.persons["village"][0]
    await comes(rig, "village", "李红", "clerk", "lihong")
    for _ in range(5):
        await rig.log("village")
    asked = begun.Begun(journal)
    assert not any([await asked.needs_guide(person) for _ in range(12)])
    assert await journal.local(f"guide {person}") == begun.DONE
    (new,) = [one for name, one in await rig.web("village").people.accounts() if name == "lihong"]
    answers = [await asked.needs_guide(new) for _ in range(12)]
    assert answers[-1] and answers == sorted(answers), "looked through, and then for good"


async def test_the_first_page_of_a_new_node_says_what_to_do(rig: Rig) -> None:
    people = rig.web("village").people
    async with at(rig, "village", "-") as client:
        assert "刚装好" not in (await client.get("/sign-in")).text, "somebody works here"
        async with rig.web("village").journal.writing() as w:
            await fetch(w.connection, "delete from account")
        assert "yidi person 账号 --name 姓名 --post clerk" in (await client.get("/sign-in")).text
        code = await people.add_account("wangfang", rig.persons["village"][0], None, rig.county.clock())
        page = (await client.get("/sign-in")).text
        assert "还没有人登录过" in page and "yidi passwd" in page and "wangfang" not in page
        await client.post("/sign-in", data={"name": "wangfang", "password": code})
        await client.post("/password", data={"password": PASSWORD, "again": PASSWORD})
        client.cookies.clear()
        assert "还没有人登录过" not in (await client.get("/sign-in")).text
