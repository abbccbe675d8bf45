"""Views that a person named: kept for him alone, as tabs, with a limit, removable."""

from hub.web import saved
from tests.hub_pages.world import JSON, PASSWORD, Hub
from tests.node.desk_kit import TOWN


async def test_a_named_view_is_a_tab_that_leads_to_its_filter_and_goes_when_removed(hub: Hub):
    form = {"name": "天子湖要办的", "figure": "held", "place": TOWN}
    said = await hub.client.post("/board/views", data=form)
    assert (said.status_code, said.headers["location"]) == (303, f"/board?figure=held&place={TOWN.replace('/', '%2F')}")
    page = (await hub.client.get(said.headers["location"])).text
    assert f'<a href="/board?figure=held&amp;place={TOWN.replace("/", "%2F")}" aria-current="page">天子湖要办的</a>' in page
    assert 'aria-current="page">天子湖要办的' not in (await hub.client.get("/board")).text
    await hub.post("/board/views/remove", {"name": "天子湖要办的"})
    assert "天子湖要办的" not in (await hub.client.get("/board")).text


async def test_a_view_is_of_one_person_and_outlives_the_session(hub: Hub):
    await hub.post("/board/views", {"name": "超期的", "figure": "overdue", "place": ""})
    await hub.client.post("/sign-out")
    account = hub.root.people.add_account
    (reader,) = [row.person for row in await hub.root.reads.people(hub.actor("admin")) if row.name == "管理员"]
    await account("second", reader, PASSWORD, hub.county.clock())
    await hub.client.post("/sign-in", data={"name": "operator", "password": PASSWORD}, headers=JSON)
    assert "超期的" in (await hub.client.get("/board")).text
    await hub.sign_in("second")
    assert await saved.of(hub.root.journal, reader) == []
    assert (await hub.post("/board/views", {"name": "x", "figure": "", "place": ""}, 403))["code"] == "not_allowed"


async def test_the_same_name_replaces_and_there_is_a_limit(hub: Hub):
    await hub.post("/board/views", {"name": "要看的", "figure": "soon", "place": ""})
    (view,) = (await hub.post("/board/views", {"name": "要看的", "figure": "overdue", "place": ""}))["views"]
    assert view[1] == "overdue"
    for n in range(saved.OF_PERSON_MAX - 1):
        await hub.post("/board/views", {"name": f"视图 {n}", "figure": "held", "place": ""})
    assert (await hub.post("/board/views", {"name": "多一个", "figure": "held", "place": ""}, 422))["field"] == "name"
    kept = (await hub.post("/board/views", {"name": "要看的", "figure": "held", "place": ""}))["views"]
    assert (len(kept), kept[0][1]) == (saved.OF_PERSON_MAX, "held")
    for wrong in ("", "长" * (saved.NAME_CHARS_MAX + 1)):
        await hub.post("/board/views", {"name": wrong, "figure": "held", "place": ""}, 422)


async def test_what_is_no_figure_leads_to_the_whole_board(hub: Hub):
    said = await hub.client.post("/board/views", data={"name": "怪的", "figure": "nothing", "place": ""})
    assert said.headers["location"] == "/board"
    assert (await hub.client.get("/board")).status_code == 200
