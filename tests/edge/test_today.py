"""今天: a person's own cases stand in front however many of colleagues are due before them, and a list has them all; what is stuck on its
way stands there until every level has it."""

from protocol.calendar import DAY_MS, MINUTE_MS
from protocol.commands import AcceptDispute, NameHandler
from protocol.node.web import today
from tests.edge.pages_kit import JSON, at, section
from tests.edge.rig import Rig
from tests.node.desk_kit import add_person, new_id


async def many(rig: Rig, own: int) -> list[str]:
    """Ten of a colleague, then `own` of whoever signs in."""
    colleague, _ = await add_person(rig.nodes["village"].node, "钱小红", "clerk")
    cases = [await rig.log("village", n) for n in range(10 + own)]
    for n, subject in enumerate(cases):
        await rig.say("village", AcceptDispute(id=new_id(), case=subject))
        if n < 10:
            await rig.say("village", NameHandler(id=new_id(), case=subject, person=colleague))
    rig.county.clock.pass_ms(28 * DAY_MS)
    return cases[10:]


async def due(client) -> dict:
    return (await client.get("/today", headers=JSON)).json()["due"]


async def test_ones_own_stand_in_front_though_others_end_before(rig: Rig):
    own = await many(rig, 2)
    async with at(rig, "village") as client:
        found = await due(client)
        assert {item["row"]["subject"] for item in found["rows"][:2]} == set(own)
        assert [item["mine"] for item in found["rows"]] == [True] * 2 + [False] * 6
        assert (found["total"], found["mine"]) == (12, 0)


async def test_all_of_mine_are_a_list_with_an_address(rig: Rig):
    own = await many(rig, 9)
    async with at(rig, "village") as client:
        found = await due(client)
        assert (all(item["mine"] for item in found["rows"]), len(found["rows"]), found["mine"]) == (True, 8, 9)
        assert '<a class="end" href="/cases?view=due&amp;mine=1">我的 9 件</a>' in (await client.get("/today")).text
        mine = (await client.get("/cases?view=due&mine=1", headers=JSON)).json()
        assert {row["subject"] for row in mine["rows"]} == set(own)
        assert mine["total"] == 9
        page = (await client.get("/cases?view=due&mine=1")).text
        assert 'name="mine" value="1" checked' in page
        assert 'href="/cases?view=due">也看同事的' in page
        assert "/cases?view=held&amp;mine=1" in page  # it stays from tab to tab


async def test_a_day_with_much_in_it_shows_the_first_and_the_rest_at_a_press(rig: Rig):
    for n in range(15):
        await rig.log("village", n)
    async with at(rig, "village") as client:
        page = (await client.get("/calendar")).text
        assert (page.count('class="due"'), "这天还有 3 项" in page) == (12, True)
        date = page.partition("&amp;day=")[2][:10] or page.partition("&day=")[2][:10]
        whole = (await client.get(f"/calendar?day={date}")).text
        assert (whole.count('class="due"'), "这天还有" in whole) == (15, False)


async def stuck(rig: Rig, kind: str) -> str:
    async with at(rig, kind) as client:
        return section((await client.get("/today")).text, "today-stuck")


async def test_what_is_stuck_on_its_way_stands_there_with_its_marks_until_all_have_it(rig: Rig):
    assert "没有。本机写的都送到了。" in await stuck(rig, "village")
    subject = await rig.log("village")
    code = (await rig.case("village", subject)).code
    shown = await stuck(rig, "village")
    assert "条等网络通了自动送出，都已存在本机。" in shown
    assert subject not in shown, "it has only just been written"
    rig.county.clock.pass_ms(2 * MINUTE_MS)
    link = f'<li><a href="/cases/{subject}">{code}</a>'
    shown = await stuck(rig, "village")
    assert link in shown
    assert '<span class="mark done">已存本机</span><span class="mark ">未到乡镇</span><span class="mark ">未到县</span>' in shown
    await rig.deliver("village", "town")
    shown = await stuck(rig, "village")
    assert (link in shown, "自动送出" in shown) == (True, False), "the county still lacks it"
    assert ("已到乡镇" in shown, "未到县" in shown) == (True, True)
    assert subject not in await stuck(rig, "town"), "it is not of this computer"
    await rig.everywhere()
    shown = await stuck(rig, "village")
    assert (subject in shown, "没有。本机写的都送到了。" in shown) == (False, True)


async def test_while_the_link_is_up_it_goes_out_now_and_of_many_the_first_are_shown(rig: Rig, monkeypatch):
    monkeypatch.setattr(today, "SHOWN", 2)
    for n in range(3):
        await rig.log("village", n)
    rig.county.clock.pass_ms(2 * MINUTE_MS)
    rig.web("village").pump.connected = True
    shown = await stuck(rig, "village")
    assert (shown.count("<li>"), "共 3 件" in shown, "条正在送出。" in shown, 'href="/link"' in shown) == (2, True, True, True)
