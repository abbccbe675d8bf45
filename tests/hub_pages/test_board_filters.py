"""The board narrowed to a type, a risk, an office, a person: in the address, in named views, fast by one index."""

import msgspec
import pytest

from hub.web import saved
from protocol.commands import NameHandler, SetRisk
from protocol.node import listing
from protocol.node.journal.rows import named
from tests.hub_pages.world import Hub
from tests.node.desk_kit import TOWN, VILLAGE, add_person, new_id


def titles(said: dict) -> set[str]:
    return {row["title"] for row in said["rows"]}


async def test_each_filter_narrows_the_list_and_stands_in_the_address(hub: Hub):
    whole = titles(await hub.get("/board"))
    case = hub.cases["田埂地界"]
    person, _ = await add_person(hub.root, "尚可为", "operator")
    await hub.root.say(SetRisk(id=new_id(), case=case, risk="red", reason="动过手"), hub.actor())
    await hub.root.say(NameHandler(id=new_id(), case=case, person=person), hub.actor())
    assert titles(await hub.get("/board?risk=red")) == {"田埂地界"}
    assert titles(await hub.get(f"/board?handler={person}")) == {"田埂地界"}
    assert titles(await hub.get("/board?type=02&risk=red&holder=330523")) == {"田埂地界"}
    assert titles(await hub.get(f"/board?risk=red&place={VILLAGE}x")) == set()
    assert titles(await hub.get(f"/board?holder={TOWN}")) == {"水渠清淤"}
    assert titles(await hub.get("/board?holder=330523")) == whole - {"水渠清淤"}
    page = (await hub.client.get(f"/board?risk=red&handler={person}&type=02&holder=330523")).text
    for chosen in ('value="red" selected', f'value="{person}" selected', 'value="02" selected', 'value="330523" selected'):
        assert chosen in page, chosen
    assert f'href="/board?figure=overdue&amp;type=02&amp;risk=red&amp;holder=330523&amp;handler={person}"' in page, (
        "another figure, the same filters"
    )


async def test_a_named_view_keeps_its_filters_and_an_older_one_still_opens(hub: Hub):
    form = {"name": "红的", "figure": "held", "place": TOWN, "type": "02", "risk": "red", "holder": "330523", "handler": ""}
    said = await hub.client.post("/board/views", data=form)
    assert said.headers["location"] == f"/board?figure=held&place={TOWN.replace('/', '%2F')}&type=02&risk=red&holder=330523"
    page = (await hub.client.get(said.headers["location"])).text
    assert 'aria-current="page">红的</a>' in page
    other = (await hub.client.get(said.headers["location"].replace("red", "yellow"))).text
    assert 'aria-current="page">红的' not in other
    old = msgspec.msgpack.encode([("以前存的", "overdue", "")])
    assert msgspec.msgpack.decode(old, type=list[saved.View])[0].filters == {**dict.fromkeys(saved.FILTERS, ""), "figure": "overdue"}


@pytest.mark.parametrize(
    ("holder", "handler", "index"),
    [("", "", "case_ends"), ("330523", "", "case_held"), ("", "x", "case_handler"), ("330523", "x", "case_h")],
)
async def test_all_filters_at_once_are_answered_by_the_index_alone(hub: Hub, holder: str, handler: str, index: str):
    actor, now_ms = hub.actor(), hub.county.clock()
    asked = listing.Narrowed(risk="red", holder=holder, handler=handler)
    async with hub.root.journal.read() as c:
        seen = await listing.visible(c, actor)
        parts = [listing.view("open", actor, now_ms, seen), listing.of_type("02"), listing.narrowed(asked, now_ms, seen)]
        sql, values = " and ".join(part[0] for part in parts), {k: v for part in parts for k, v in part[1].items()}
        plan = await named(c, f"explain query plan select subject from case_row where {sql} order by {listing.FIRST_DUE} limit 30", values)
    assert f"USING COVERING INDEX {index}" in " ".join(str(row) for row in plan)
