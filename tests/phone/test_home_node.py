"""A township's cadre whose phone is at home at the township's own node: the task comes down, the report goes up."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from edge.web.pages import edge_app
from protocol.commands import LogDispute, Party
from tests.hub_pages.world import JSON, PASSWORD, Hub, HubNode, register, world
from tests.node.desk_kit import TOWN, VILLAGE, exchange, new_id


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[Hub]:
    async with world(tmp_path) as made:
        yield made


async def test_a_visit_goes_down_to_the_home_node_of_the_phone_and_its_report_comes_up(hub: Hub):
    cadre = await register(hub.town, "梅长青", "cadre", TOWN, home="ntown2222", account="mei")
    await exchange(hub.root, hub.town)
    await hub.sign_in("operator")
    subject = await hub.send("田埂地界", cadre=cadre)
    await exchange(hub.root, hub.town, hub.village)
    app = edge_app(HubNode(hub.town, "天子湖镇综治中心"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://edge.test", headers=JSON) as phone:
        assert (await phone.post("/sign-in", data={"name": "mei", "password": PASSWORD})).status_code == 200
        mine = (await phone.get("/task/mine")).json()
        assert [(task["id"], task["assigned_by"], task["place"]) for task in mine["tasks"]] == [
            (subject, "安吉县社会治理中心", "天子湖镇高禹村")
        ]
        assert mine["tasks"][0]["marks"][0]["text"] == "已到天子湖镇综治中心"
        for kind, more in (("ConfirmTask", {}), ("ArriveTask", {}), ("ReportTask", {"result": "settled", "words": "谈好了。"})):
            told = {"kind": kind, "id": new_id(), "task": subject, "at_ms": hub.county.clock(), **more}
            said = await phone.post(
                "/task/commands", data={"command": json.dumps(told), "person": cadre, "sent_ms": str(hub.county.clock())}
            )
            assert said.status_code == 200, said.text
    await exchange(hub.root, hub.town, hub.village)
    assert (await hub.get(f"/tasks/{subject}"))["status"] == "reported"
    for node in (hub.root, hub.town, hub.village):  # the place visited and all above it see it
        rows = await node.reads.tasks(node.actor())
        assert [row.status for row in rows if row.subject == subject] == ["reported"]


async def test_an_officer_of_the_township_sends_its_own_cadre(hub: Hub):
    cadre = await register(hub.town, "梅长青", "cadre", TOWN, home="ntown2222")
    await register(hub.town, "沈国强", "officer", TOWN, account="shen")
    logged = LogDispute(id=new_id(), ledger=VILLAGE, type="0203", account="夜里放广播太响。", parties=[Party("潘建林")])
    case = (await hub.town.say(logged, hub.town.actor())).subject
    app = edge_app(HubNode(hub.town, "天子湖镇综治中心"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://edge.test", headers=JSON) as desk:
        await desk.post("/sign-in", data={"name": "shen", "password": PASSWORD})
        page = await desk.get(f"/cases/{case}/dispatch", headers={"accept": "text/html"})
        assert page.status_code == 200
        assert "梅长青" in page.text
        form = {"command_id": new_id(), "cadre": cadre, "purpose": "上门劝一劝", "due_ms": str(hub.county.clock() + 86_400_000)}
        assert (await desk.post(f"/cases/{case}/AssignTask", data=form)).status_code == 201
        assert [task["purpose"] for task in (await desk.get("/tasks")).json()["tasks"]] == ["上门劝一劝"]
