"""催办, 撤回, 改派 from the list of who is out, and what the list says of those who are silent."""

import html
import re

import pytest

from protocol.calendar import HOUR_MS
from protocol.commands import ArriveTask, CloseDispute, ConfirmTask, DeclineTask, EndPost, ReportTask
from protocol.node import phones
from tests.hub_pages.world import JSON, PASSWORD, Hub
from tests.node.desk_kit import ROOT, exchange, new_id


async def later(hub: Hub, ms: int) -> None:
    """Sessions end meanwhile."""
    hub.county.clock.pass_ms(ms)
    await hub.sign_in("operator")


async def words(hub: Hub, subject: str) -> str:
    return (await hub.get("/tasks"))["stands"][subject]["words"]


async def test_a_task_says_when_the_phone_took_it_and_stands_out_when_it_did_not(hub: Hub):
    await later(hub, 17 * HOUR_MS)  # of the next day, in the morning: the night is not silence
    subject = await hub.send()
    assert await words(hub, subject) == "已派出"
    await later(hub, HOUR_MS)
    assert await words(hub, subject) == "已派出 · 1 小时还没到手机"
    for path in ("/board", "/tasks"):
        page = (await hub.client.get(path)).text
        assert '<p class="stands late">已派出 · 1 小时还没到手机</p>' in page
    await hub.sign_in("cadre")
    await hub.get("/task/mine?kept=&store=phone-of-him&n=1")
    await hub.sign_in("operator")
    await later(hub, HOUR_MS)
    assert await words(hub, subject) == "已到手机 · 1 小时未接单"
    await later(hub, 2 * HOUR_MS)
    assert 'class="stands late">已到手机 · 3 小时未接单' in (await hub.client.get("/tasks")).text
    await hub.root.say(ConfirmTask(id=new_id(), task=subject), hub.as_cadre())
    assert await words(hub, subject) == "已接单"
    await hub.root.say(ArriveTask(id=new_id(), task=subject), hub.as_cadre())
    await later(hub, 5 * HOUR_MS)
    assert await words(hub, subject) == "已到场 · 5 小时还没报结果"


async def test_a_phone_that_asks_again_and_again_writes_once_a_task(hub: Hub, monkeypatch):
    first = await hub.send()
    await phones.heard(hub.root.journal, hub.cadre, "session", "phone-of-him", 1, 100)
    assert await phones.fetched(hub.root.journal, [hub.cadre]) == {first: 100}
    second = await hub.send("空调外机对着窗")
    await phones.heard(hub.root.journal, hub.cadre, "session", "phone-of-him", 1, 200)
    assert await phones.fetched(hub.root.journal, [hub.cadre]) == {first: 100, second: 200}
    monkeypatch.setattr(hub.root.journal, "writing", None)  # a write would fail
    await phones.heard(hub.root.journal, hub.cadre, "session", "phone-of-him", 1, 300)
    assert await phones.fetched(hub.root.journal, [hub.cadre]) == {first: 100, second: 200}


async def test_a_phone_of_another_node_is_known_as_far_as_that_node_says(hub: Hub):
    subject = await hub.send(cadre=await hub.person("周敏"))
    await later(hub, HOUR_MS)
    assert re.fullmatch("已派出 · 1 小时还没到.+的机器，手机也收不到", await words(hub, subject))
    await exchange(hub.root, hub.town)
    for ledger in await hub.town.journal.ledgers():
        lanes = await hub.town.journal.lanes(ledger)
        async with hub.root.journal.writing() as w:
            await w.set_haves({(hub.town.signer.node, ledger): (lanes, hub.county.clock(), b"")})
    assert re.fullmatch("已到.+的机器 · 1 小时未接单", await words(hub, subject))


async def test_the_worst_of_those_who_are_out_comes_first(hub: Hub):
    calm = await hub.send("空调外机对着窗")
    await hub.root.say(ConfirmTask(id=new_id(), task=calm), hub.as_cadre())
    silent = await hub.send("田埂地界")
    await later(hub, HOUR_MS)
    assert [task["subject"] for task in (await hub.get("/tasks"))["tasks"]] == [silent, calm]


async def test_each_question_says_what_will_happen_to_whom(hub: Hub):
    subject = await hub.send()
    for step, sentence in (
        ("UrgeTask", "陈立新的手机上，这一项会标出“催办”"),
        ("RecallTask", "陈立新的手机上，这一项会变成“已撤回”"),
        ("ReassignTask", "新选的人收到同样的任务"),
    ):
        assert f"/tasks/{subject}/ask/{step}" in (await hub.client.get("/tasks")).text
        page = (await hub.client.get(f"/tasks/{subject}/ask/{step}?from=/tasks")).text
        assert sentence in page
        assert 'name="back" value="/tasks"' in page
    own = (await hub.client.get(f"/tasks/{subject}")).text
    assert "陈立新的手机上，这一项会标出“催办”" in own
    assert "陈立新的手机上，这一项会变成“已撤回”" in own
    assert "陈立新在手机上看到；任务的状态不变" in own
    assert "照旧出发，请打电话告诉他" in (await hub.client.get(f"/tasks/{subject}/ask/RecallTask")).text
    assert (await hub.get(f"/tasks/{subject}/ask/DeclineTask", 404))["code"] == "page_unknown"
    assert "evil" not in (await hub.client.get(f"/tasks/{subject}/ask/RecallTask?from=https://evil.test")).text


async def test_urge_and_recall_reach_the_phone_in_their_words(hub: Hub):
    subject = await hub.send()
    said = await hub.client.post(f"/tasks/{subject}/ask/UrgeTask", data={"command_id": new_id(), "text": "今天能到吗", "back": "/tasks"})
    assert (said.status_code, said.headers["location"]) == (303, "/tasks")
    empty = await hub.client.post(f"/tasks/{subject}/ask/UrgeTask", data={"command_id": new_id(), "text": " ", "back": "/tasks"})
    assert (empty.status_code, 'name="back" value="/tasks"' in empty.text, "还差 1 项，没有保存。" in empty.text) == (422, True, True)
    await hub.post(f"/tasks/{subject}/ask/RecallTask", {"command_id": new_id(), "reason": "双方谈好了"})
    await hub.sign_in("cadre")
    (mine,) = (await hub.get("/task/mine?kept=&store=phone-of-him&n=1"))["tasks"]
    assert (mine["status"], mine["open"], [urge["text"] for urge in mine["urges"]]) == ("recalled", False, ["今天能到吗"])
    assert "双方谈好了" in mine["history"][-1]["text"]


async def test_reassigned_once_however_often_it_is_sent_and_both_are_told(hub: Hub):
    subject, other = await hub.send(bring="卷尺"), await hub.person("穆青")
    form = {"command_id": new_id(), "cadre": other, "by": "kept", "reason": "他今天在县里开会"}
    first = await hub.post(f"/tasks/{subject}/ask/ReassignTask", form)
    assert await hub.post(f"/tasks/{subject}/ask/ReassignTask", form) == first
    (open_one,) = (await hub.get("/tasks"))["tasks"]
    assert (open_one["subject"], open_one["cadre"], open_one["bring"]) == (first["new"], other, "卷尺")
    new, old = await hub.get(f"/tasks/{first['new']}"), await hub.get(f"/tasks/{subject}")
    assert [new[name] for name in ("purpose", "address", "due_ms", "contacts", "case")] == [
        old[name] for name in ("purpose", "address", "due_ms", "contacts", "case")
    ]
    await hub.sign_in("cadre")
    (mine,) = (await hub.get("/task/mine?kept=&store=phone-of-him&n=1"))["tasks"]
    assert (mine["status"], "改派给穆青：他今天在县里开会" in mine["history"][-1]["text"]) == ("recalled", True)
    await hub.sign_in("other")
    (mine,) = (await hub.get("/task/mine?kept=&store=phone-of-other&n=1"))["tasks"]
    assert (mine["status"], mine["open"]) == ("sent", True)


async def test_nothing_is_recalled_when_the_new_one_cannot_go(hub: Hub):
    subject = await hub.send()
    form = {"command_id": new_id(), "by": "kept", "reason": "换人"}
    assert set((await hub.post(f"/tasks/{subject}/ask/ReassignTask", form, 422))["wrong"]) == {"cadre"}
    assert set((await hub.post(f"/tasks/{subject}/ask/ReassignTask", {**form, "cadre": hub.cadre}, 422))["wrong"]) == {"cadre"}
    await later(hub, 3 * 86_400_000)
    other = {**form, "cadre": await hub.person("穆青")}
    assert set((await hub.post(f"/tasks/{subject}/ask/ReassignTask", other, 422))["wrong"]) == {"by"}
    assert (await hub.get(f"/tasks/{subject}"))["status"] == "sent"


async def test_of_a_dispute_that_another_office_holds_nobody_is_recalled_for_a_task_that_cannot_be_sent(hub: Hub):
    subject, declined = await hub.send(), await hub.send("空调外机对着窗")
    await hub.root.say(DeclineTask(id=new_id(), task=declined, reason="腿摔了"), hub.as_cadre())
    assert ">另派</a>" in (await hub.client.get("/board")).text
    await hub.handed_down("田埂地界")
    await hub.handed_down("空调外机对着窗")
    for path in ("/board", "/tasks", f"/tasks/{subject}", f"/tasks/{subject}/ask/RecallTask"):
        page = (await hub.client.get(path)).text
        assert f"/tasks/{subject}/ask/ReassignTask" not in page, path
        assert ">另派</a>" not in page
    sentence = "这件纠纷现在由天子湖镇综治中心承办，只有承办单位能做这一步。"
    assert f"没有别人接着去。这里不能改派：{sentence}" in page
    assert (await hub.get(f"/tasks/{subject}/ask/ReassignTask", 409))["sentence"] == sentence
    form = {"command_id": new_id(), "cadre": await hub.person("穆青"), "by": "kept", "reason": "换人"}
    assert (await hub.client.post(f"/tasks/{subject}/ask/ReassignTask", data=form, headers=JSON)).status_code == 409  # of an old page
    task = await hub.get(f"/tasks/{subject}")
    assert (task["status"], task["recalls"]) == ("sent", 0)
    await hub.post(f"/tasks/{subject}/ask/RecallTask", {"command_id": new_id(), "reason": "镇里去了"})


async def test_whoever_arrived_may_be_recalled_and_his_report_is_taken_all_the_same(hub: Hub):
    """His post may have ended at the door: the visit would stand on top of the list for ever."""
    subject = await hub.send()
    await hub.root.say(ArriveTask(id=new_id(), task=subject), hub.as_cadre())
    for step in ("RecallTask", "ReassignTask"):
        assert f"ask/{step}" in (await hub.client.get("/tasks")).text
    page = (await hub.client.get(f"/tasks/{subject}/ask/RecallTask")).text
    assert "已经到场：他交来的反馈照样收下" in page
    await hub.post(f"/tasks/{subject}/ask/RecallTask", {"command_id": new_id(), "reason": "他调走了"})
    assert (await hub.get(f"/tasks/{subject}"))["status"] == "recalled"
    await hub.root.say(ReportTask(id=new_id(), task=subject, result="eased", words="谈过了"), hub.as_cadre())
    told = await hub.get(f"/tasks/{subject}")
    assert (told["status"], len(told["reviews"])) == ("reported", 1)


async def test_a_reassignment_that_was_refused_half_way_says_so_and_goes_on(hub: Hub, monkeypatch):
    """The new one's post ends between the look and the command: the old task is recalled, nothing else; the same form then sends another."""
    subject, other = await hub.send(), await hub.person("穆青")
    form = {"command_id": new_id(), "cadre": other, "by": "kept", "reason": "换人"}
    submit = hub.root.desk.submit

    async def and_the_post_ends(command, actor, **more):
        made = await submit(command, actor, **more)
        if type(command).__name__ == "RecallTask":
            (post,) = [p[0] for row in (await hub.root.reads.people(hub.actor())) if row.person == other for p in row.posts]
            await submit(EndPost(id=new_id(), post=post, office=ROOT, reason="调走了"), hub.actor())
        return made

    monkeypatch.setattr(hub.root.desk, "submit", and_the_post_ends)
    said = await hub.client.post(f"/tasks/{subject}/ask/ReassignTask", data=form)
    monkeypatch.undo()
    assert said.status_code == 422
    assert "原来那一项已经撤回，还没有派给新的人" in said.text
    assert (await hub.get("/tasks"))["tasks"] == []
    near = await hub.person("周敏")
    made = await hub.post(f"/tasks/{subject}/ask/ReassignTask", {**form, "cadre": near})
    assert [(task["subject"], task["cadre"]) for task in (await hub.get("/tasks"))["tasks"]] == [(made["new"], near)]
    assert (await hub.get(f"/tasks/{subject}"))["recalls"] == 1


async def test_whoever_may_not_send_cannot_ask(hub: Hub):
    subject = await hub.send()
    await hub.sign_in("other")
    assert (await hub.client.get(f"/tasks/{subject}/ask/RecallTask", headers=JSON)).status_code in (403, 404)


async def test_a_declined_visit_stands_out_until_somebody_else_is_sent(hub: Hub):
    subject = await hub.send()
    await hub.root.say(DeclineTask(id=new_id(), task=subject, reason="腿摔了"), hub.as_cadre())
    await later(hub, 2 * HOUR_MS)
    assert (await words(hub, subject), [task["subject"] for task in (await hub.get("/tasks"))["tasks"]]) == (
        "已谢绝 · 2 小时没有另派",
        [subject],
    )
    page = (await hub.client.get("/board")).text
    assert '<p class="stands late">已谢绝 · 2 小时没有另派</p>' in page
    assert f'href="/cases/{hub.cases["田埂地界"]}/dispatch" hx-get=' in page
    new = await hub.send()
    assert [task["subject"] for task in (await hub.get("/tasks"))["tasks"]] == [new]
    other = await hub.send("工钱没结清")
    await hub.root.say(DeclineTask(id=new_id(), task=other, reason="不认识路"), hub.as_cadre())
    assert {task["subject"] for task in (await hub.get("/tasks"))["tasks"]} == {new, other}
    await hub.root.say(CloseDispute(id=new_id(), case=hub.cases["工钱没结清"], ending="withdrawn", result="自己谈好了"), hub.actor())
    assert [task["subject"] for task in (await hub.get("/tasks"))["tasks"]] == [new]


async def test_the_page_of_a_task_leads_to_the_question_too(hub: Hub):
    subject = await hub.send()
    assert f"/tasks/{subject}/ask/ReassignTask" in (await hub.client.get(f"/tasks/{subject}")).text


@pytest.mark.parametrize(
    ("path", "field"), [("TellTask", "text"), ("UrgeTask", "text"), ("RecallTask", "reason"), ("ask/RecallTask", "reason")]
)
async def test_a_session_that_ended_gives_the_words_back(hub: Hub, path: str, field: str):
    subject, words = await hub.send(), "路上塌方，改走北面的机耕路"
    hub.client.cookies.clear()
    typed = {"command_id": new_id(), field: words}
    lost = await hub.client.post(f"/tasks/{subject}/{path}", data=typed)
    assert (lost.status_code, "您写的内容还在" in lost.text) == (401, True)
    carry = html.unescape(re.search('name="carry" value="([^"]*)"', lost.text)[1])  # type: ignore[index]
    back = await hub.client.post("/sign-in", data={"name": "operator", "password": PASSWORD, "carry": carry})
    assert back.status_code == 200, back.headers
    assert f'value="{words}"' in back.text
    assert "已经放回来" in back.text
    assert [line["kind"] for line in (await hub.get(f"/tasks/{subject}"))["lines"]] == ["TaskAssigned"]
