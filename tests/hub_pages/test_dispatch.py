"""派单: who can go, what goes with them, the task that comes of it, and 联调 beside it."""

import re

from protocol.calendar import DAY_MS
from protocol.commands import AddTaskEvidence, ArriveTask, ConfirmTask, LogDispute, Party, RecallTask, ReportTask
from protocol.node.errands import linked_id
from protocol.node.web import dispatching
from tests.hub_pages.world import JSON, OTHER_VILLAGE, Hub
from tests.node.desk_kit import TOWN, VILLAGE, new_id

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


async def test_who_is_near_comes_first_and_who_cannot_be_reached_says_why(hub: Hub):
    near = (await hub.get(f"/cases/{hub.cases['田埂地界']}/dispatch"))["cadres"]
    assert near[0]["name"] == "周敏"
    far = (await hub.get(f"/cases/{hub.cases['工钱没结清']}/dispatch"))["cadres"]
    assert [(choice["name"], choice["reachable"]) for choice in far] == [("穆青", True), ("陈立新", True), ("周敏", False)]
    assert "他的手机不归这里管：任务经天子湖镇综治中心转到" in (await hub.client.get(f"/cases/{hub.cases['工钱没结清']}/dispatch")).text
    page = (await hub.client.get(f"/cases/{hub.cases['田埂地界']}/dispatch")).text
    assert ("同在天子湖镇" in page, "从安吉县社会治理中心来" in page, "手上没有任务" in page) == (True, True, True)


async def test_the_form_shows_where_it_is_and_how_many_can_be_sent_from_each_township(hub: Hub):
    case = hub.cases["田埂地界"]  # of a village in 天子湖镇
    page = (await hub.client.get(f"/cases/{case}/dispatch")).text
    (said,) = re.findall(r'role="img" aria-label="([^"]+)"', page)
    assert said.startswith("要去的在天子湖镇。")
    sendable = [one for one in (await hub.get(f"/cases/{case}/dispatch"))["cadres"] if not one["why_not"]]
    told = {name: int(count) for name, count in re.findall(r"([^ ；：]+) (\d+) 位；", said)}
    assert told == {"天子湖镇": sum(one["office"].startswith(TOWN) for one in sendable)}
    assert [re.search(r'class="name">([^<]+)', spot)[1] for spot in page.split('class="spot ')[1:] if " there" in spot[:40]] == ["天子湖"]
    moved = (await hub.client.get(f"/cases/{case}/dispatch?only=cadres&place={OTHER_VILLAGE}", headers={"HX-Request": "true"})).text
    assert "要去的在梅溪镇。" in moved
    assert 'id="go-cadre"' in moved


async def test_the_map_counts_those_too_whom_the_list_has_no_room_for(hub: Hub, monkeypatch):
    case = hub.cases["田埂地界"]
    path = f"/cases/{case}/dispatch"
    whole = (await hub.client.get(path)).text
    monkeypatch.setattr(dispatching, "CADRES_SHOWN_MAX", 1)
    page = (await hub.client.get(path)).text
    assert len((await hub.get(path))["cadres"]) == 1
    assert re.findall(r"另有 \d+ 位在县里", page) == re.findall(r"另有 \d+ 位在县里", whole) != []
    assert re.findall(r'role="img" aria-label="([^"]+)"', page) == re.findall(r'role="img" aria-label="([^"]+)"', whole)


async def test_who_was_at_this_case_or_met_its_parties_comes_first_and_says_so(hub: Hub):
    case, who = hub.cases["田埂地界"], hub.as_cadre()
    subject = await hub.send()
    first = (await hub.get(f"/cases/{case}/dispatch"))["cadres"]
    assert {one["name"]: one["load"] for one in first}["陈立新"].startswith("手上 1 件，最近一件")
    await hub.root.say(ArriveTask(id=new_id(), task=subject), who)
    await hub.root.say(ReportTask(id=new_id(), task=subject, result="eased", words="坐下来谈过一次。"), who)
    here = (await hub.get(f"/cases/{case}/dispatch"))["cadres"][0]
    assert (here["name"], here["before"]) == ("陈立新", "来过这件 1 次，最近今天")
    parties = [Party("叶根土", phone="13800000000"), Party("华阿四", side="respondent")]
    other = LogDispute(id=new_id(), ledger=VILLAGE, type="0204", account="水沟边的树遮了光。", parties=parties, title="树遮光")
    hub.cases["树遮光"] = (await hub.root.say(other, hub.actor())).subject
    met = (await hub.get(f"/cases/{hub.cases['树遮光']}/dispatch"))["cadres"][0]
    assert (met["name"], met["before"]) == ("陈立新", "见过叶根土 1 次（按姓名），最近今天")
    assert met["skill"] == "邻里类去过 1 件"
    assert "邻里类去过 1 件" in (await hub.client.get(f"/cases/{hub.cases['空调外机对着窗']}/dispatch")).text
    assert {one["skill"] for one in (await hub.get(f"/cases/{hub.cases['工钱没结清']}/dispatch"))["cadres"]} == {""}
    assert (await hub.get(f"/cases/{hub.cases['工钱没结清']}/dispatch"))["cadres"][0]["before"] == ""
    hub.county.clock.pass_ms(3 * 365 * DAY_MS)
    await hub.sign_in("operator")
    assert {one["skill"] for one in (await hub.get(f"/cases/{hub.cases['空调外机对着窗']}/dispatch"))["cadres"]} == {""}, "too long ago"


async def test_a_cadre_with_the_name_of_a_party_is_last_says_why_and_cannot_be_chosen(hub: Hub):
    parties = [Party("陈立新", phone="13800000000"), Party("华阿四", side="respondent")]
    own = LogDispute(id=new_id(), ledger=VILLAGE, type="0204", account="自家的院墙。", parties=parties, title="院墙")
    case = (await hub.root.say(own, hub.actor())).subject
    last = (await hub.get(f"/cases/{case}/dispatch"))["cadres"][-1]
    assert (last["name"], last["why_not"]) == ("陈立新", "与这件的当事人同名，要回避，不能派")
    page = (await hub.client.get(f"/cases/{case}/dispatch")).text
    assert re.search(f'value="{hub.cadre}" disabled', page)
    form = {"command_id": new_id(), "cadre": hub.cadre, "purpose": "去看看", "due_ms": "2026-11-25T17:30"}
    assert (await hub.post(f"/cases/{case}/AssignTask", form, 422))["code"] == "cadre_is_party"


async def test_a_filled_form_becomes_one_task_however_often_it_is_sent(hub: Hub):
    case = hub.cases["田埂地界"]
    page = (await hub.client.get(f"/cases/{case}/dispatch")).text
    assert "3 个工作日内" in page
    form = {"command_id": new_id(), "cadre": hub.cadre, "purpose": "看看地界", "bring": "卷尺", "by": "", "contact": ["0"]}
    form["due_ms"] = "2026-11-25T17:30"
    first = await hub.post(f"/cases/{case}/AssignTask", form, 201)
    assert await hub.post(f"/cases/{case}/AssignTask", form, 201) == first
    tasks = (await hub.get("/tasks"))["tasks"]
    assert [(task["purpose"], task["bring"], task["status"], task["home"]) for task in tasks] == [("看看地界", "卷尺", "sent", "nroot2222")]
    task = await hub.get(f"/tasks/{first['subjects'][0]}")
    assert task["contacts"] == [{"name": "叶根土"}], "as on the page: the number is for who goes"
    assert task["due_ms"] == 1_795_599_000_000  # 17:30 at UTC+8


async def test_what_is_missing_comes_back_in_the_filled_form(hub: Hub):
    case = hub.cases["田埂地界"]
    form = {"command_id": new_id(), "purpose": "看看地界", "by": "other", "due_ms": "", "summary": "打过一次架"}
    wrong = (await hub.post(f"/cases/{case}/AssignTask", form, 422))["wrong"]
    assert set(wrong) == {"cadre", "by"}
    said = await hub.client.post(f"/cases/{case}/AssignTask", data=form)
    assert said.status_code == 422
    assert "请选一位干部。" in said.text
    assert "打过一次架" in said.text
    assert (await hub.get("/tasks"))["tasks"] == []


async def test_a_cadre_of_another_nodes_phones_is_reached_by_a_linked_task_and_one_of_no_node_is_refused(hub: Hub):
    case, form = hub.cases["工钱没结清"], {"purpose": "去看看", "due_ms": "2026-11-25T17:30"}
    people = {row["name"]: row["person"] for row in (await hub.get("/people"))["people"]}
    nowhere = {**form, "command_id": new_id(), "cadre": people["周敏"], "home": "nnowhere2"}
    assert (await hub.post(f"/cases/{case}/AssignTask", nowhere, 422))["code"] == "cadre_unreachable"
    sent = (await hub.post(f"/cases/{case}/AssignTask", {**form, "command_id": new_id(), "cadre": people["周敏"]}, 201))["subjects"][0]
    assert "正在送去" in (await hub.client.get(f"/tasks/{sent}")).text
    (made,) = await hub.root.desk.arrivals()
    page = (await hub.client.get(f"/tasks/{sent}")).text
    assert "天子湖镇综治中心在自己的台账里办" in page
    assert f'href="/tasks/{made.subject}"' in page
    assert "请求协助" in (await hub.client.get(f"/tasks/{made.subject}")).text
    assert [task["subject"] for task in (await hub.get("/tasks"))["tasks"]] == [sent]


async def test_another_village_is_asked_and_told_only_what_was_written_for_it(hub: Hub):
    case = hub.cases["田埂地界"]
    page = (await hub.client.get(f"/cases/{case}/ask")).text
    assert "对方将看到" in page
    form = {"command_id": new_id(), "to": OTHER_VILLAGE, "purpose": "问问他舅舅", "purpose_kind": "inquiry", "by": "", "contact": ["1"]}
    assert set((await hub.post(f"/cases/{case}/RequestTask", form, 422))["wrong"]) == {"by"}
    form |= {"due_ms": "2026-11-25T17:30", "summary": "两家争田埂"}
    first = await hub.post(f"/cases/{case}/RequestTask", form, 201)
    assert await hub.post(f"/cases/{case}/RequestTask", form, 201) == first
    await hub.root.desk.arrivals()
    linked = await hub.root.reads.task(hub.root.actor("clerk", OTHER_VILLAGE), linked_id(first["subjects"][0]))
    assert (linked.ledger, linked.case, linked.summary, [p.name for p in linked.contacts]) == (OTHER_VILLAGE, "", "两家争田埂", ["叶根水"])


async def test_a_task_shows_each_step_and_what_was_brought_back(hub: Hub):
    subject = await hub.send()
    who = hub.as_cadre()
    await hub.root.say(ConfirmTask(id=new_id(), task=subject), who)
    await hub.root.say(ArriveTask(id=new_id(), task=subject, latitude=30.8, longitude=119.7, accuracy_m=12), who)
    await hub.root.say(ReportTask(id=new_id(), task=subject, result="settled", words="两家当面把界石立好了。", photos=1), who)
    blob = await hub.root.blobs.put(PNG, "现场.png", "image/png", "photo")
    await hub.root.say(AddTaskEvidence(id=new_id(), task=subject, blob=blob), who)
    page = (await hub.client.get(f"/tasks/{subject}")).text
    for words in ("已报", "两家当面把界石立好了。", "北纬 30.80000", "陈立新", "已存本机"):
        assert words in page
    shown = await hub.client.get(f"/tasks/{subject}/files/{blob.address}")
    assert (shown.status_code, shown.headers["content-type"], shown.content) == (200, "image/png", PNG)
    assert (await hub.client.get(f"/tasks/{subject}/files/{'0' * 64}")).status_code == 404
    twin = await hub.get(f"/tasks/{subject}")
    assert "key" not in twin["files"][0]
    assert twin["lines"][-1]["marks"]


async def test_a_task_is_urged_and_recalled_while_that_is_possible(hub: Hub):
    subject = await hub.send()
    await hub.post(f"/tasks/{subject}/UrgeTask", {"command_id": new_id(), "text": "今天能到吗"})
    again = await hub.client.post(f"/tasks/{subject}/RecallTask", data={"command_id": new_id(), "reason": ""})
    assert again.status_code == 422
    assert "还差 1 项" in again.text
    await hub.post(f"/tasks/{subject}/RecallTask", {"command_id": new_id(), "reason": "人手换了"})
    page = (await hub.client.get(f"/tasks/{subject}")).text
    assert "已撤回" in page
    assert "UrgeTask" not in page
    assert (await hub.get("/tasks"))["tasks"] == []
    assert len((await hub.get("/tasks?show=all"))["tasks"]) == 1
    assert (await hub.post(f"/tasks/{subject}/UrgeTask", {"command_id": new_id(), "text": "快点"}, 409))["code"] == "task_not_now"


async def test_departments_are_convened_from_the_same_page(hub: Hub):
    case = hub.cases["工钱没结清"]
    assert "人力资源和社会保障局" in (await hub.client.get(f"/cases/{case}/dispatch")).text
    form = {"command_id": new_id(), "units": ["330523/u06", "330523/u05"], "purpose": "一起算清工钱"}
    said = await hub.client.post(f"/cases/{case}/ConveneUnits", data=form)
    assert said.status_code == 303
    tasks = (await hub.get("/tasks"))["tasks"]
    assert {task["unit"] for task in tasks} == {"330523/u06", "330523/u05"}
    assert "（已请）" in (await hub.client.get(f"/cases/{case}/dispatch")).text


async def test_a_cadre_sees_neither_the_dispatch_page_nor_others_tasks(hub: Hub):
    subject, case = await hub.send(), hub.cases["田埂地界"]
    await hub.sign_in("other")
    for path in (f"/cases/{case}/dispatch", f"/cases/{case}"):
        assert (await hub.client.get(path, headers=JSON)).status_code in (403, 404)
    assert (await hub.get(f"/tasks/{subject}", 404))["code"] == "task_unknown"
    assert (await hub.get("/tasks"))["tasks"] == []


async def test_a_report_that_crossed_a_recall_is_reviewed_on_the_tasks_own_page(hub: Hub):
    subject = await hub.send()
    await hub.root.say(RecallTask(id=new_id(), task=subject, reason="双方谈好了"), hub.root.actor("operator"))
    await hub.root.say(ReportTask(id=new_id(), task=subject, result="eased", words="已经去过了"), hub.as_cadre())
    assert [task["reviews"] for task in (await hub.get("/tasks?show=open"))["tasks"]] == [1]
    page = (await hub.client.get(f"/tasks/{subject}")).text
    for words in ("已经去过了", "核对这一条", "任务在办的时候被撤回"):
        assert words in page
    item = re.search(r'name="item" value="([^"]+)"', page).group(1)
    form = {"command_id": new_id(), "item": item, "decision": "adopt", "reason": ""}
    assert set((await hub.post(f"/tasks/{subject}/DecideTaskReview", form, 422))["wrong"]) == {"reason"}
    await hub.post(f"/tasks/{subject}/DecideTaskReview", {**form, "reason": "人确实去了"}, 200)
    assert (await hub.get(f"/tasks/{subject}"))["reviews"] == []
    assert "核对这一条" not in (await hub.client.get(f"/tasks/{subject}")).text


async def test_whoever_sends_is_told_what_appears_where_on_the_page_and_in_the_pane(hub: Hub):
    case = hub.cases["田埂地界"]
    holder = hub.pages.tables().office_name((await hub.root.reads.case(hub.actor(), case)).holder)
    for headers in ({}, {"HX-Request": "true"}):
        page = (await hub.client.get(f"/cases/{case}/dispatch", headers=headers)).text
        will = page.partition('<p class="will">选定的干部')[2].partition("</p>")[0]
        assert "手机上会出现这一项任务" in will and f"这件仍由{holder}承办，状态不变" in will
        assert page.index(will) < page.index('<button class="main wide">派出')
