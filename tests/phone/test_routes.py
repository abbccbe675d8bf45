"""The phone's side of the node: a visit and nothing else of the case, each command once, under the right name."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from protocol import task as rules
from protocol.calendar import DAY_MS, MINUTE_MS
from protocol.case import TASK_OPEN
from protocol.commands import PHONE_COMMANDS, AddTaskEvidence, RecallTask, TellTask
from protocol.node.blobs import MEGABYTE
from protocol.node.journal.branches import adopted_id
from protocol.node.people import FIELD_SESSION_MS_MAX
from protocol.node.web.page import LANGUAGE
from protocol.node.web.phone import routes
from protocol.node.web.phone.routes import flow, moment
from protocol.tables import Tables
from tests.hub_pages.world import JSON, PASSWORD, Hub, world
from tests.node.desk_kit import ROOT as TOP
from tests.node.desk_kit import TOWN, add_post, new_id

JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000") + bytes(400) + b"\xff\xd9"
MORE = ("空调外机对着窗", "承包地互换")


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[Hub]:
    async with world(tmp_path) as made:
        await made.sign_in("operator")
        made.task = await made.send("田埂地界", summary="两家争一条田埂", address="三组")  # type: ignore[attr-defined]
        await made.sign_in("cadre")
        yield made


async def act(
    hub: Hub, kind: str, status: int = 200, *, id_: str = "", person: str = "", sent_ms: int | None = None, form: Any = None, **more: Any
) -> Any:
    told = {"kind": kind, "id": id_ or new_id(), "task": hub.task, "at_ms": hub.county.clock(), **more}  # type: ignore[attr-defined]
    whole = {"command": json.dumps(told), "person": person or hub.cadre, "sent_ms": str(sent_ms or hub.county.clock()), **(form or {})}
    return await hub.post("/task/commands", whole, status)


async def evidence(hub: Hub, id_: str, plain: bytes, what: str = "photo") -> Any:
    told = {"kind": "AddTaskEvidence", "id": id_, "task": hub.task, "at_ms": hub.county.clock()}  # type: ignore[attr-defined]
    form = {"command": json.dumps(told), "person": hub.cadre, "sent_ms": str(hub.county.clock()), "what": what}
    return await hub.client.post("/task/files", data=form, files={"file": ("照片1", plain, "image/jpeg")}, headers=JSON)


async def test_the_phone_gets_the_visit_and_nothing_else_of_the_case(hub: Hub):
    said = await hub.get("/task/mine")
    session = said["me"].pop("session")
    assert said["me"] == {"person": hub.cadre, "name": "陈立新", "office": "安吉县社会治理中心"}
    assert session not in hub.client.cookies["yidi"]
    (visit,) = said["tasks"]
    assert visit["place"] == "天子湖镇高禹村"
    assert [party["name"] for party in visit["contacts"]] == ["叶根土"]
    text = json.dumps(said, ensure_ascii=False)
    for secret in ("吵了两回", "叶根水", "1970", "头一回谈", hub.cases["田埂地界"]):  # account, other party, birth year, record, case id
        assert secret not in text
    assert (await hub.get(f"/cases/{hub.cases['田埂地界']}", 404))["code"] == "case_unknown"
    assert (await hub.get("/cases"))["total"] == 0


async def test_a_visit_from_confirming_to_report_and_photo(hub: Hub):
    assert (await act(hub, "ConfirmTask"))["task"]["status"] == "confirmed"
    assert (await act(hub, "ArriveTask", latitude=30.8, longitude=119.7, accuracy_m=8.5))["task"]["status"] == "arrived"
    told = await act(hub, "ReportTask", result="settled", words="界石立回去了。", photos=1, signatures=0)
    assert told["task"]["status"] == "reported"
    assert not told["task"]["open"]
    assert (await evidence(hub, new_id(), JPEG)).status_code == 200
    task = await hub.root.reads.task(hub.root.actor(), hub.task)  # type: ignore[attr-defined]
    assert (task.latitude, task.words, task.photos) == (30.8, "界石立回去了。", 1)
    assert await hub.root.blobs.get(task.blobs[0].blob) == JPEG


async def test_the_same_command_twice_is_done_once_and_answers_the_same(hub: Hub):
    id_ = new_id()
    first = await act(hub, "ConfirmTask", id_=id_)
    assert await act(hub, "ConfirmTask", id_=id_) == first
    photo = new_id()
    for _ in range(2):
        assert (await evidence(hub, photo, JPEG)).status_code == 200
    task = await hub.root.reads.task(hub.root.actor(), hub.task)  # type: ignore[attr-defined]
    assert len(task.blobs) == 1
    assert len(task.lines) == 3


async def test_a_command_waits_on_the_phone_until_a_second_node_has_it(hub: Hub):
    id_ = new_id()
    await act(hub, "ConfirmTask", id_=id_)
    unknown = new_id()
    asked = f"/task/mine?kept={id_},{unknown}"
    marks = (await hub.get(asked))["marks"]
    assert marks == {id_: {"here": True, "safe": False}, unknown: {"here": False, "safe": False}}  # what is not here is sent again
    assert [mark["reached"] for mark in (await hub.get(asked))["tasks"][0]["marks"]] == [True, False, False]
    await hub.second_node_has_it()
    said = await hub.get(asked)
    assert said["marks"][id_] == {"here": True, "safe": True}
    assert {mark["text"]: mark["reached"] for mark in said["tasks"][0]["marks"]}["已到村"]


async def test_nobody_learns_of_another_ones_commands(hub: Hub):
    id_ = new_id()
    await act(hub, "ConfirmTask", id_=id_)
    await hub.sign_in("other")
    assert (await hub.get(f"/task/mine?kept={id_}"))["marks"] == {id_: {"here": False, "safe": False}}
    assert (await hub.get("/task/mine"))["tasks"] == []


async def test_what_one_cadre_did_is_never_written_under_another_name(hub: Hub):
    await hub.sign_in("other")
    assert (await act(hub, "ConfirmTask", 401, person=hub.cadre))["code"] == "sign_in_needed"
    other = (await hub.get("/task/mine"))["me"]["person"]
    assert (await act(hub, "ConfirmTask", 404, person=other))["code"] == "task_unknown"
    hub.client.cookies.clear()
    assert (await act(hub, "ConfirmTask", 401))["code"] == "sign_in_needed"
    assert await hub.get("/task/mine") == {"me": None, "tasks": []}


async def test_a_fast_clock_of_a_phone_is_measured_and_taken_off(hub: Hub):
    ahead = 9 * MINUTE_MS
    now = hub.county.clock()
    await act(hub, "ConfirmTask", sent_ms=now + ahead, at_ms=now - 60 * MINUTE_MS + ahead)
    task = await hub.root.reads.task(hub.root.actor(), hub.task)  # type: ignore[attr-defined]
    line = task.lines[-1]
    assert (line.at_ms, line.head.occurred_ms, line.head.offset_ms) == (now - 60 * MINUTE_MS, now - 51 * MINUTE_MS, ahead)


@pytest.mark.parametrize(
    ("at", "made", "now", "is_at"),
    [
        (DAY_MS - 60, DAY_MS, 0, -60),  # put right before it was sent
        (-60, None, 0, -60),  # a shell that does not say it
        (-3 * DAY_MS - 60, 0, -3 * DAY_MS, -60),  # it went wrong after the node last answered
        (9 * DAY_MS, 0, 0, 9 * DAY_MS),  # nobody can tell any more
    ],
)
async def test_a_step_has_the_time_by_which_the_clock_was_wrong_when_it_was_made(hub: Hub, at: int, made: int | None, now: int, is_at: int):
    hub.county.clock.pass_ms(60_000)
    clock = hub.county.clock()
    more = {} if made is None else {"ahead_ms": made}
    await act(hub, "ConfirmTask", sent_ms=clock + now, at_ms=clock + at, form=more)
    task = await hub.root.reads.task(hub.root.actor(), hub.task)  # type: ignore[attr-defined]
    assert task.lines[-1].at_ms == clock + is_at
    await hub.sign_in("operator")
    page = (await hub.client.get(f"/tasks/{hub.task}", headers={"accept": "text/html"})).text  # type: ignore[attr-defined]
    assert ("时间不可能" in page, "本机收到" in page) == ((True, True) if is_at > 0 else (False, False))


async def test_a_step_that_the_rules_refuse_says_why_in_words(hub: Hub):
    await hub.root.say(RecallTask(id=new_id(), task=hub.task, reason="人手换了"), hub.root.actor())  # type: ignore[attr-defined]
    refused = await act(hub, "ConfirmTask", 409)
    assert refused["code"] == "task_not_now"
    assert "已撤回" in refused["sentence"]


@pytest.mark.parametrize(
    "more",
    [
        {"kind": "RecallTask", "reason": "x"},
        {"kind": "ConfirmTask", "extra": 1},
        {"kind": "ArriveTask", "latitude": 91.0},
        {"kind": "AddTaskEvidence"},
    ],
)
async def test_a_malformed_command_is_refused_whole(hub: Hub, more: dict[str, Any]):
    assert (await act(hub, more.pop("kind"), 422, **more))["code"] == "command_invalid"


async def test_a_file_that_is_no_picture_or_belongs_to_no_own_task_is_refused(hub: Hub):
    assert (await evidence(hub, new_id(), b"#!/bin/sh")).json()["code"] == "file_kind"
    assert (await hub.client.post("/task/files", data={"command": "{}"}, headers=JSON)).status_code == 422
    await hub.sign_in("other")
    assert (await evidence(hub, new_id(), JPEG)).status_code == 401


async def test_the_shell_holds_nothing_of_anybody_and_the_worker_may_serve_it(hub: Hub):
    shell = await hub.client.get("/task")
    assert "default-src 'self'" in shell.headers["content-security-policy"]
    assert shell.headers["cache-control"] == "no-cache"
    hub.client.cookies.clear()
    assert (await hub.client.get("/task")).text == shell.text
    worker = await hub.client.get("/task/sw.js")
    assert worker.headers["service-worker-allowed"] == "/task"
    assert "javascript" in worker.headers["content-type"]
    told = (await hub.client.get("/task/app.webmanifest")).json()
    for icon in told["icons"]:
        picture = await hub.client.get(icon["src"])
        assert picture.content.startswith(b"\x89PNG")
    assert {icon["sizes"] for icon in told["icons"]} == {"192x192", "512x512"}


def test_the_phone_offers_what_the_rules_take_and_moves_as_they_do():
    told = flow(Tables.packaged(), lambda words: words)
    for status in TASK_OPEN:
        offered = told["steps"][status]
        assert [step["main"] for step in offered][:1] == [True]
        for step in offered:
            assert rules.BY_COMMAND[step["kind"]].moves[status] == told["moves"][step["kind"]][status]
    assert {kind.__name__ for kind in PHONE_COMMANDS} == set(told["moves"])
    assert AddTaskEvidence.__name__ not in told["moves"]


async def test_the_phone_is_told_the_limits_for_files_with_all_else_in_its_language(hub: Hub):
    blobs = hub.root.blobs
    blobs.store_bytes_max = 21 * MEGABYTE
    await blobs.count()
    assert (await hub.get("/task/mine"))["flow"]["files"] == {"room": "每个最多 20 兆，中心的机器还能存 21 兆", "short": ""}
    blobs.store_bytes_max = 18 * MEGABYTE
    short = "中心的机器存附件的地方快满了，还能存 18 兆，照片、录音可能很快收不下；文字照常。请告诉管理员清出空间，或者调高上限。"
    assert (await hub.get("/task/mine"))["flow"]["files"]["short"] == short
    hub.client.cookies.set(LANGUAGE, "en")
    told = (await hub.get("/task/mine"))["flow"]["files"]
    assert told["room"] == "at most 20 MB each, the centre's computer has room for 18 MB more"
    assert told["short"].startswith(
        "The centre's computer has little room left for files, 18 MB: photos and recordings may soon not be taken"
    )


async def test_a_cadre_with_a_second_post_keeps_his_visits_whichever_post_he_chose_at_a_desk(hub: Hub):
    await add_post(hub.root, hub.cadre, "admin", TOP)
    assert hub.as_cadre().powers == {"field"}
    (other,) = [p for p in await hub.root.people.posts(hub.client.cookies["yidi"]) if p.kind == "admin"]
    await hub.client.post("/post", data={"post": other.post})
    said = await hub.get("/task/mine")
    assert ([task["id"] for task in said["tasks"]], said["away"]) == ([hub.task], "")  # type: ignore[attr-defined]
    assert (await act(hub, "ConfirmTask"))["task"]["status"] == "confirmed"
    asked = {"sum": "a" * 64, "size": len(JPEG), "mime": "image/jpeg", "person": hub.cadre, "task": hub.task}  # type: ignore[attr-defined]
    assert (await hub.client.post("/uploads", json=asked, headers=JSON)).status_code == 200
    assert (await evidence(hub, new_id(), JPEG)).status_code == 200


async def test_without_a_post_that_makes_visits_the_phone_is_told_why_it_gets_none(hub: Hub):
    await hub.sign_in("operator")
    said = await hub.get("/task/mine")
    assert (said["tasks"], "没有下派干部的岗位" in said["away"]) == ([], True)
    refused = await act(hub, "ConfirmTask", 403, person=said["me"]["person"])
    assert (refused["code"], refused["sentence"]) == ("field_post_needed", said["away"])
    # what a cadre left on the phone is not refused for that: it waits until they sign in again
    assert (await act(hub, "ConfirmTask", 401))["code"] == "sign_in_needed"
    assert (await evidence(hub, new_id(), JPEG)).status_code == 401


async def test_however_many_visits_there_are_what_was_just_recalled_is_among_them(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(routes, "TASKS_MAX", 2)
    monkeypatch.setattr(routes, "OVER_MIN", 1)
    await hub.sign_in("operator")
    ended = [hub.task, *[await hub.send(title, due_ms=str(hub.county.clock() + n * DAY_MS)) for n, title in enumerate(MORE, 1)]]  # type: ignore[attr-defined]
    for task in reversed(ended):  # the first sent, and first due, is the last recalled
        await hub.root.say(RecallTask(id=new_id(), task=task, reason="不用去了"), hub.root.actor())
    opened = [await hub.send(title) for title in ("老宅地基", "物业费三年没交")]
    await hub.sign_in("cadre")
    said = await hub.get("/task/mine")
    assert [task["id"] for task in said["tasks"]] == [*sorted(opened), hub.task]  # type: ignore[attr-defined]
    assert said["more"] is True
    assert (await act(hub, "ReportTask", result="settled", words="已经去过了。", photos=0, signatures=0))["task"]["status"] == "reported"


async def test_an_answer_stands_under_the_office_that_gave_it(hub: Hub):
    await act(hub, "TellTask", text="门牌是几号？")
    await hub.root.say(TellTask(id=new_id(), task=hub.task, text="三组最里面一户。"), hub.root.actor())  # type: ignore[attr-defined]
    task = await hub.root.reads.task(hub.as_cadre(), hub.task)  # type: ignore[attr-defined]
    task.lines[-1].office = TOWN  # of a linked task it is answered by the office whose ledger it lies in
    told = routes.visit(task, [], 0, hub.root.shelf(), lambda words, *_: words)["told"]
    assert [(one["mine"], one["office"]) for one in told] == [(True, "安吉县社会治理中心"), (False, "天子湖镇综治中心")]


async def test_a_step_that_was_adopted_from_another_history_is_not_sent_again(hub: Hub):
    id_ = new_id()
    await act(hub, "ConfirmTask", id_=adopted_id(id_))
    assert (await hub.get(f"/task/mine?kept={id_}"))["marks"][id_]["here"] is True


async def test_a_sign_out_that_was_promised_ends_no_session_that_began_since(hub: Hub):
    promised = (await hub.get("/task/mine"))["me"]["session"]
    await hub.sign_in("other")
    await hub.client.post("/sign-out", data={"session": promised})
    said = (await hub.get("/task/mine"))["me"]
    assert said["name"] == "穆青"
    await hub.client.post("/sign-out", data={"session": said["session"]})
    assert (await hub.get("/task/mine"))["me"] is None


async def test_a_phone_keeps_its_cookie_as_long_as_the_node_may_keep_its_session(hub: Hub):
    said = await hub.client.post("/sign-in", data={"name": "cadre", "password": PASSWORD}, headers=JSON)
    assert f"max-age={FIELD_SESSION_MS_MAX // 1000};" in said.headers["set-cookie"].lower()


def test_times_on_a_phone_are_true_on_whatever_day_they_are_read():
    assert moment(1_795_599_000_000) == "11月25日 周三 17:30"
