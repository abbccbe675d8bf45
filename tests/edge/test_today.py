"""今天: a person's own cases stand in front however many of colleagues are due before them, and a list has them all."""

from protocol.calendar import DAY_MS
from protocol.commands import AcceptDispute, NameHandler
from tests.edge.pages_kit import JSON, at
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
