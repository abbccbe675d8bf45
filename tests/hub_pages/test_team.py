"""一起派: several visits for a team on one day, each a task of its own, sent once however often the form comes."""

from urllib.parse import urlencode

from protocol.commands import ArriveTask, LogDispute, Party, ReportTask
from protocol.node.web import dispatching, team
from protocol.node.web.team import PAIRS_MAX
from protocol.problem import Refused
from tests.hub_pages.world import Hub
from tests.node.desk_kit import VILLAGE, new_id

TITLES = ("田埂地界", "空调外机对着窗", "工钱没结清")


async def people(hub: Hub) -> dict[str, str]:
    return {row["name"]: row["person"] for row in (await hub.get("/people"))["people"]}


async def plan(hub: Hub, names: list[str], split: str = "each", titles=TITLES, status: int = 200) -> dict:
    known = await people(hub)
    asked = [("case", hub.cases[title]) for title in titles] + [("cadre", known[name]) for name in names]
    return await hub.get(f"/visits/team?{urlencode([*asked, ('split', split), ('plan', '1')])}", status)


def form(made: dict, **more) -> dict:
    return {"command_id": new_id(), "by": made["days"][-1][0], "purpose": "看一看", "pair": [pair["pair"] for pair in made["plan"]], **more}


async def test_shared_out_each_visit_is_one_task_and_nobody_has_them_all(hub: Hub):
    made = await plan(hub, ["陈立新", "穆青"])
    assert sorted(pair["name"] for pair in made["plan"]) in (["穆青", "穆青", "陈立新"], ["穆青", "陈立新", "陈立新"])
    told = form(made, bring="卷尺")
    sent = (await hub.post("/visits/team", told))["sent"]
    assert all(pair["sent"] and not pair["problem"] for pair in sent)
    tasks = (await hub.get("/tasks"))["tasks"]
    assert {(task["purpose"], task["bring"], str(task["due_ms"])) for task in tasks} == {
        (f"看一看：{title}", "卷尺", told["by"]) for title in TITLES
    }
    assert {task["subject"] for task in tasks} == {pair["sent"] for pair in sent}
    assert await hub.post("/visits/team", told) == {"sent": sent}
    assert len((await hub.get("/tasks"))["tasks"]) == 3


async def test_together_everybody_gets_a_task_for_every_visit(hub: Hub):
    made = await plan(hub, ["陈立新", "穆青"], "all")
    assert len(made["plan"]) == 6
    await hub.post("/visits/team", form(made))
    assert len((await hub.get("/tasks"))["tasks"]) == 6


async def test_who_knows_most_of_them_comes_first_then_who_is_near_and_each_says_why(hub: Hub):
    asked = urlencode([("case", hub.cases[title]) for title in TITLES])
    before = {one["name"]: one for one in (await hub.get(f"/visits/team?{asked}"))["people"]}
    assert (before["周敏"]["near"], before["陈立新"]["near"]) == (2, 0), "the third lies in another township"
    assert next(iter(before)) == "周敏", "of those who know nobody whoever is nearest"
    assert not any(one["known"] or one["skill"] for one in before.values())
    subject, who = await hub.send(), hub.as_cadre()
    await hub.root.say(ArriveTask(id=new_id(), task=subject), who)
    await hub.root.say(ReportTask(id=new_id(), task=subject, result="eased", words="坐下来谈过一次。"), who)
    first, second, *_ = (await hub.get(f"/visits/team?{asked}"))["people"]
    assert (first["name"], first["known"], first["skill"]) == ("陈立新", 1, "这几类的去过 1 件")
    assert second["name"] == "周敏"
    page = (await hub.client.get(f"/visits/team?{asked}")).text
    assert "来过或见过当事人的有 1 件" in page and "离得近的有 2 件" in page and "这几类的去过 1 件" in page
    alone = (await hub.client.get(f"/visits/team?case={hub.cases[TITLES[0]]}")).text
    assert "来过这件 1 次，最近今天" in alone and "邻里类去过 1 件" in alone and "同在" in alone


async def test_one_is_looked_for_and_whoever_is_chosen_stays(hub: Hub, monkeypatch):
    known = await people(hub)
    asked = [*(("case", hub.cases[title]) for title in TITLES), ("cadre", known["穆青"])]
    looked = urlencode([*asked, ("find", "陈立"), ("look", "1"), ("plan", "1"), ("purpose", "问问水沟")])
    made = await hub.get(f"/visits/team?{looked}")
    assert ([one["name"] for one in made["people"]], made["plan"]) == (["穆青", "陈立新"], []), "looking for somebody plans nothing"
    page = (await hub.client.get(f"/visits/team?{looked}")).text
    assert f'value="{known["穆青"]}" checked' in page and 'value="问问水沟"' in page and "找到 1 位" in page
    nobody = urlencode([*asked[:-1], ("find", "没有这个人"), ("look", "1")])
    assert "没有找到“没有这个人”" in (await hub.client.get(f"/visits/team?{nobody}")).text
    assert 'id="team-find"' not in (await hub.client.get(f"/visits/team?{urlencode(asked)}")).text, "few are seen at a glance"
    monkeypatch.setattr(dispatching, "FIND_FROM", 1)
    monkeypatch.setattr(team, "CADRES_SHOWN_MAX", 1)
    page = (await hub.client.get(f"/visits/team?{urlencode(asked)}")).text
    assert 'id="team-find"' in page and page.count('name="cadre"') == 2, "the chosen one and the first of all"
    planned = await hub.get(f"/visits/team?{urlencode([*asked, ('find', '陈立'), ('plan', '1')])}")
    assert {pair["name"] for pair in planned["plan"]} == {"穆青"}


async def test_what_is_ticked_beyond_the_most_is_said(hub: Hub, monkeypatch):
    asked = urlencode([("case", hub.cases[title]) for title in TITLES])
    assert "没有放进来" not in (await hub.client.get(f"/visits/team?{asked}")).text
    monkeypatch.setattr(team, "CASES_MAX", 2)
    page = (await hub.client.get(f"/visits/team?{asked}")).text
    assert "一次最多派 2 件，后面的 1 件没有放进来" in page
    assert page.count('name="case"') == 2


async def test_a_batch_that_failed_half_way_says_which_and_sends_only_what_is_missing(hub: Hub, monkeypatch):
    told, submit, failing = form(await plan(hub, ["陈立新"])), hub.root.desk.submit, hub.cases["空调外机对着窗"]

    async def busy(command, actor, **more):
        if getattr(command, "case", "") == failing:
            raise Refused("store_busy")
        return await submit(command, actor, **more)

    monkeypatch.setattr(hub.root.desk, "submit", busy)
    half = (await hub.post("/visits/team", told, 207))["sent"]
    assert [bool(pair["sent"]) for pair in half] == [pair["case"] != failing for pair in half]
    page = (await hub.client.post("/visits/team", data=told)).text
    assert "派出 2 项，还有 1 项没有派出。" in page
    assert f'name="command_id" value="{told["command_id"]}"' in page
    monkeypatch.undo()
    whole = (await hub.post("/visits/team", told))["sent"]
    assert all(pair["sent"] for pair in whole)
    assert {pair["case"]: pair["sent"] for pair in whole}.items() >= {pair["case"]: pair["sent"] for pair in half if pair["sent"]}.items()
    assert len((await hub.get("/tasks"))["tasks"]) == 3


async def test_what_the_rules_refuse_is_said_for_that_one_alone(hub: Hub):
    parties = [Party("陈立新", phone="13800000000"), Party("华阿四", side="respondent")]
    own = LogDispute(id=new_id(), ledger=VILLAGE, type="0204", account="自家的院墙。", parties=parties, title="院墙")
    hub.cases["院墙"] = (await hub.root.say(own, hub.actor())).subject
    made = await plan(hub, ["陈立新"], titles=(*TITLES, "院墙"))
    (barred,) = [pair for pair in made["plan"] if pair["why_not"]]
    assert (barred["case"], barred["person"]) == (hub.cases["院墙"], "")
    both = await plan(hub, ["陈立新", "穆青"], "all", titles=("院墙",))
    assert {pair["name"]: pair["why_not"] for pair in both["plan"]} == {"穆青": "", "陈立新": "与这件的当事人同名，要回避，不能派"}
    told = form(made, pair=[f"{hub.cases[title]}:{hub.cadre}" for title in (*TITLES, "院墙")])
    sent = (await hub.post("/visits/team", told, 207))["sent"]
    assert [bool(pair["sent"]) for pair in sent] == [True, True, True, False]
    assert "同名" in sent[-1]["problem"]
    assert set((await plan(hub, [], status=422))["wrong"]) == {"cadre"}


async def test_nothing_chosen_leads_back_and_who_may_not_send_cannot(hub: Hub):
    page = (await hub.client.get("/visits/team")).text
    assert "还没有选纠纷" in page
    assert (await hub.post("/visits/team", {"command_id": new_id()}, 422))["code"] == "field_missing"
    wide = await plan(hub, ["陈立新"])
    wrong = {**form(wide), "pair": [f"{'0' * 32}:x"] * (PAIRS_MAX + 1)}
    assert (await hub.post("/visits/team", wrong, 422))["code"] == "field_missing"
    await hub.sign_in("other")
    assert (await hub.client.get("/visits/team", headers={"accept": "application/json"})).status_code == 403
