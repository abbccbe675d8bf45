"""一起改派: a cadre's open tasks go to another in one go, each once however often the form comes."""

import re
from typing import Any
from urllib.parse import urlencode

from protocol.calendar import DAY_MS
from protocol.commands import ArriveTask, AssignTask, ConfirmTask
from protocol.node.web import reassigning, visits
from protocol.problem import Refused
from tests.hub_pages.world import JSON, Hub
from tests.node.desk_kit import ROOT, new_id

TITLES = ("田埂地界", "空调外机对着窗", "工钱没结清")


async def sent(hub: Hub) -> list[str]:
    return [await hub.send(title, bring="卷尺") for title in TITLES]


async def plan(hub: Hub, cadre: str, tasks: list[str], status: int = 200, **more: str) -> Any:
    asked = {"of": hub.cadre, "cadre": cadre, "by": "kept", "reason": "他病了", "plan": "1", **more}
    return await hub.get(f"/visits/reassign?{urlencode([*asked.items(), *(('task', one) for one in tasks)])}", status)


def form(hub: Hub, cadre: str, tasks: list[str], **more: Any) -> dict[str, Any]:
    return {"command_id": new_id(), "of": hub.cadre, "cadre": cadre, "by": "kept", "reason": "他病了", "task": tasks, **more}


async def holders(hub: Hub) -> dict[str, str]:
    """Open task → who has it."""
    return {task["subject"]: task["cadre"] for task in (await hub.get("/tasks"))["tasks"]}


async def test_all_of_his_are_offered_and_whoever_can_go_says_to_how_many(hub: Hub):
    tasks = await sent(hub)
    found = await hub.get(f"/visits/reassign?of={hub.cadre}")
    assert sorted(found["tasks"]) == sorted(tasks)
    assert (found["plan"], found["wrong"]) == ([], {})
    able = {one["name"]: one["able"] for one in found["people"]}
    assert (able["穆青"], able["陈立新"]) == (3, 0)
    assert f'href="/visits/reassign?of={hub.cadre}">3 项一起改派</a>' in (await hub.client.get("/tasks")).text
    assert f'href="/visits/reassign?of={hub.cadre}">一起改派</a>' in (await hub.client.get(f"/tasks/{tasks[0]}/ask/ReassignTask")).text


async def test_without_a_name_nobody_s_tasks_are_offered(hub: Hub):
    await sent(hub)
    assert (await hub.get("/visits/reassign"))["tasks"] == []
    assert "手上没有能改派的任务" in (await hub.client.get("/visits/reassign")).text


async def test_many_tasks_are_paged_and_each_page_counts_all_of_his(hub: Hub, monkeypatch):
    tasks = await sent(hub)
    monkeypatch.setattr(visits, "PER", 2)
    pages = [(await hub.client.get(f"/tasks?page={n}")).text for n in ("", "2", "9", "x²")]
    rows = [re.findall(r'id="task-(\w{32})"', page) for page in pages]
    assert [len(some) for some in rows] == [2, 1, 1, 2]
    assert sorted(rows[0] + rows[1]) == sorted(tasks)
    assert (rows[2], rows[3]) == (rows[1], rows[0])  # past the end is the last page, and what is no number the first
    assert ["第 1 页，共 2 页" in pages[0], 'href="/tasks?page=2"' in pages[0], "第 2 页，共 2 页" in pages[1]] == [True] * 3
    assert all(f'href="/visits/reassign?of={hub.cadre}">3 项一起改派</a>' in page for page in pages)
    assert [row["subject"] for row in (await hub.get("/tasks?page=2"))["tasks"]] == rows[0] + rows[1]  # a program gets them all


async def test_how_many_he_has_is_said_where_not_all_are_shown(hub: Hub, monkeypatch):
    await sent(hub)
    assert "共 3 项，不改派的去掉勾" in (await hub.client.get(f"/visits/reassign?of={hub.cadre}")).text
    monkeypatch.setattr(reassigning, "TASKS_MAX", 2)
    page = (await hub.client.get(f"/visits/reassign?of={hub.cadre}")).text
    assert "共 3 项，这里是最要紧的 2 项，其余的改派完再来" in page
    assert page.count('name="task"') == 2


async def test_what_is_confirmed_goes_over_once_and_both_are_told(hub: Hub):
    tasks, other = await sent(hub), await hub.person("穆青")
    made = await plan(hub, other, tasks[:2])
    assert sorted((one["task"], one["why_not"]) for one in made["plan"]) == sorted((one, "") for one in tasks[:2])
    assert set((await holders(hub)).values()) == {hub.cadre}  # looked at, nothing done
    told = form(hub, other, tasks[:2])
    first = await hub.post("/visits/reassign", told)
    assert await hub.post("/visits/reassign", told) == first
    assert [(one["task"], one["name"], one["why_not"]) for one in first["tasks"]] == [(one, "穆青", "") for one in tasks[:2]]
    assert await holders(hub) == {tasks[2]: hub.cadre, **{one["new"]: other for one in first["tasks"]}}
    for one in first["tasks"]:
        old, new = await hub.get(f"/tasks/{one['task']}"), await hub.get(f"/tasks/{one['new']}")
        assert [new[name] for name in ("purpose", "due_ms", "bring", "contacts", "case")] == [
            old[name] for name in ("purpose", "due_ms", "bring", "contacts", "case")
        ]
        assert (old["status"], old["recalls"]) == ("recalled", 1)
    await hub.sign_in("cadre")
    mine = (await hub.get("/task/mine?kept=&store=phone-of-him&n=1"))["tasks"]
    assert sum("改派给穆青：他病了" in task["history"][-1]["text"] for task in mine if task["status"] == "recalled") == 2


async def test_what_is_missing_is_said_at_its_field_and_nothing_is_done(hub: Hub):
    tasks, other = await sent(hub), await hub.person("穆青")
    assert set((await plan(hub, "", [], 422, reason=" "))["wrong"]) == {"task", "cadre", "reason"}
    assert set((await plan(hub, hub.cadre, tasks, 422))["wrong"]) == {"cadre"}
    assert (await hub.client.post("/visits/reassign", data={**form(hub, other, []), "task": []}, headers=JSON)).status_code == 422
    assert (await hub.client.post("/visits/reassign", data={**form(hub, other, tasks), "command_id": "x"}, headers=JSON)).status_code == 422
    assert set((await holders(hub)).values()) == {hub.cadre}


async def test_who_has_arrived_keeps_his_task_and_a_date_that_is_over_is_chosen_anew(hub: Hub):
    tasks, other = await sent(hub), await hub.person("穆青")
    actor = hub.root.actor("cadre", ROOT, hub.cadre)
    await hub.root.say(ConfirmTask(id=new_id(), task=tasks[0]), actor)
    await hub.root.say(ArriveTask(id=new_id(), task=tasks[0]), actor)
    assert sorted((await plan(hub, other, tasks))["tasks"]) == sorted(tasks[1:])  # not offered
    said = (await hub.post("/visits/reassign", form(hub, other, tasks[:2]), 207))["tasks"]  # an old page
    assert [(bool(one["new"]), "已到场" in one["why_not"]) for one in said] == [(False, True), (True, False)]
    hub.county.clock.pass_ms(3 * DAY_MS)
    await hub.sign_in("operator")
    (late,) = (await plan(hub, other, tasks[2:]))["plan"]
    assert "期限已经过了" in late["why_not"]
    (again,) = (await hub.post("/visits/reassign", form(hub, other, tasks[2:]), 207))["tasks"]
    assert (again["new"], again["recalled"], "期限" in again["why_not"]) == ("", False, True)
    by = str(hub.county.clock() + DAY_MS)
    (new,) = (await hub.post("/visits/reassign", form(hub, other, tasks[2:], by=by)))["tasks"]
    assert str((await hub.get(f"/tasks/{new['new']}"))["due_ms"]) == by


async def test_a_dispute_that_another_office_holds_now_keeps_its_visit(hub: Hub):
    tasks, other = await sent(hub), await hub.person("穆青")
    old_page = form(hub, other, tasks)
    await hub.handed_down("田埂地界")
    assert sorted((await plan(hub, other, tasks))["tasks"]) == sorted(tasks[1:])
    assert f'href="/visits/reassign?of={hub.cadre}">2 项一起改派</a>' in (await hub.client.get("/tasks")).text
    said = (await hub.post("/visits/reassign", old_page, 207))["tasks"]
    assert [(bool(one["new"]), one["recalled"]) for one in said] == [(False, False), (True, False), (True, False)]
    assert "现在由天子湖镇综治中心承办" in said[0]["why_not"]
    assert (await holders(hub))[tasks[0]] == hub.cadre


async def test_one_that_was_recalled_and_found_nobody_is_named_and_given_to_a_third(hub: Hub, monkeypatch):
    tasks, other, third = await sent(hub), await hub.person("穆青"), await hub.person("周敏")
    submit, broken = hub.root.desk.submit, []

    async def refused_once(command, actor, **more):
        if isinstance(command, AssignTask) and not broken:
            broken.append(command.id)
            raise Refused("disk_full")
        return await submit(command, actor, **more)

    monkeypatch.setattr(hub.root.desk, "submit", refused_once)
    told = form(hub, other, tasks)
    page = (await hub.client.post("/visits/reassign", data=told)).text
    assert "改派了 2 项，还有 1 项没有改派。" in page
    assert "上门：田埂地界" in page.partition("没有改派</span>")[0]
    assert "原来那一项已经撤回，现在没有人去。" in page
    left = await plan(hub, third, [tasks[0]], again=told["command_id"])
    assert [(one["task"], one["recalled"], one["why_not"]) for one in left["plan"]] == [(tasks[0], True, "")]
    (given,) = (await hub.post("/visits/reassign", form(hub, third, [tasks[0]], command_id=told["command_id"])))["tasks"]
    assert given["name"] == "周敏"
    assert sorted((await holders(hub)).values()) == sorted([other, other, third])
    assert (await hub.get(f"/tasks/{tasks[0]}"))["recalls"] == 1
    assert (await hub.get(f"/visits/reassign?of={hub.cadre}"))["tasks"] == []


async def test_whoever_may_not_send_is_refused(hub: Hub):
    tasks, other = await sent(hub), await hub.person("穆青")
    await hub.sign_in("other")
    assert (await hub.client.get(f"/visits/reassign?of={hub.cadre}", headers=JSON)).status_code in (403, 404)
    said = await hub.client.post("/visits/reassign", data=form(hub, other, tasks), headers=JSON)
    assert said.status_code in (403, 404)
    await hub.sign_in("operator")
    assert set((await holders(hub)).values()) == {hub.cadre}
