"""The pages by their own HTTP, on real nodes: what goes wrong loses nothing, what is done is done once, everybody sees their own."""

import json
import re

import pytest

from protocol import dispute
from protocol.calendar import DAY_MS
from protocol.case import Case
from protocol.commands import AcceptDispute, AddNote, CallUpDispute, EscalateDispute, GivePost, SignAgreement
from protocol.context import Context, Step
from protocol.node.web.cases import COMMANDS
from protocol.problem import Refused
from tests.edge.pages_kit import HTMX, JSON, at, form_of
from tests.edge.rig import PASSWORD, Rig
from tests.node.desk_kit import TOWN, VILLAGE, add_person, new_id

PARTIES = ("AddParty", "CorrectParty", "WithdrawParty")  # have a page of their own

PNG = b"\x89PNG\r\n\x1a\n" + bytes.fromhex(
    "0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
STORY = {
    "account": "两家的水沟堵了，都说是对方倒的土。",
    "party_name": ["叶根土", "叶根水"],
    "party_phone": ["", ""],
    "party_side": ["applicant", "respondent"],
}


async def logged_form(client, **fields):
    """The desk's own form, filled in."""
    return {**form_of((await client.get("/desk")).text, "log"), **STORY, **fields}


# ── sign-in ──


async def test_a_page_asked_for_without_a_session_comes_after_the_sign_in(rig: Rig):
    async with at(rig, "village", "-") as client:
        asked = await client.get("/cases?view=held")
        assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=%2Fcases%3Fview%3Dheld")
        answer = await client.post("/sign-in", data={"name": "wangfang", "password": PASSWORD, "next": "/cases?view=held"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/cases?view=held")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie


@pytest.mark.parametrize("elsewhere", ["//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example"])
async def test_a_sign_in_never_leads_out_of_this_node(rig: Rig, elsewhere: str):
    async with at(rig, "village", "-") as client:
        answer = await client.post("/sign-in", data={"name": "wangfang", "password": PASSWORD, "next": elsewhere})
        assert answer.headers["location"] == "/"


async def test_a_wrong_password_is_said_and_the_door_shuts_after_some_tries(rig: Rig):
    async with at(rig, "village", "-") as client:
        answers = [await client.post("/sign-in", data={"name": "wangfang", "password": "wrong"}) for _ in range(6)]
        assert [a.status_code for a in answers] == [401] * 5 + [429]
        assert "账号或密码不对" in answers[0].text
        assert 'value="wangfang"' in answers[0].text
        assert re.search(r"请 \d+ 分钟后再试", answers[-1].text)


async def test_who_signs_in_with_a_code_chooses_a_password_first(rig: Rig):
    code = await rig.web("village").people.passwd("wangfang", None, rig.county.clock())
    async with at(rig, "village", "-") as client:
        answer = await client.post("/sign-in", data={"name": "wangfang", "password": code})
        assert answer.headers["location"] == "/password"
        assert (await client.get("/desk")).headers["location"] == "/password"
        unlike = await client.post("/password", data={"password": "xin-de-mima", "again": "xin-de-mima2"})
        assert unlike.status_code == 422
        assert "和第一次不一样" in unlike.text
        assert (await client.post("/password", data={"password": "xin-de-mima", "again": "xin-de-mima"})).status_code == 303
        assert (await client.get("/desk")).status_code == 200


async def test_a_session_that_ends_in_the_middle_of_a_form_loses_nothing(rig: Rig):
    async with at(rig, "village") as client:
        form = await logged_form(client)
        rig.county.clock.pass_ms(DAY_MS)  # the night
        refused = await client.post("/cases", data=form)
        assert refused.status_code == 401
        carried = form_of(refused.text, "sign-in")
        back = await client.post("/sign-in", data={**carried, "name": "wangfang", "password": PASSWORD})
        assert back.status_code == 200
        again = form_of(back.text, "log")
        assert {k: again[k] for k in ("account", "party_name", "command_id")} == {
            k: form[k] for k in ("account", "party_name", "command_id")
        }
        saved = await client.post("/cases", data=again)
        assert saved.status_code == 303
        assert await rig.web("village").reads.total(rig.actor("village")) == 1


async def test_a_step_that_was_being_written_comes_back_open_after_the_sign_in(rig: Rig):
    subject = await rig.log("village")
    async with at(rig, "village") as client:
        await client.post("/sign-out")
        note = {"command_id": "command-step-01", "text": "两家约好明天早上看界石"}
        refused = await client.post(f"/cases/{subject}/AddNote", data=note)
        back = await client.post("/sign-in", data={**form_of(refused.text, "sign-in"), "name": "wangfang", "password": PASSWORD})
        assert 'id="step-AddNote" open' in back.text
        assert form_of(back.text, "form-AddNote")["text"] == note["text"]
        assert (await rig.case("village", subject)).turn == 1  # nothing was written by this


async def test_with_htmx_the_page_stays_and_a_dialog_asks(rig: Rig):
    async with at(rig, "village", "-") as client:
        asked = await client.post("/cases", data=STORY, headers=HTMX)
        assert (asked.status_code, asked.headers["hx-retarget"]) == (401, "#again")
        done = await client.post("/sign-in", data={"name": "wangfang", "password": PASSWORD}, headers=HTMX)
        assert (done.status_code, done.headers["hx-trigger"]) == (200, "yidi:signed-in")


# ── what no page may forget ──


async def test_every_page_is_guarded_and_kept_nowhere(rig: Rig):
    subject = await rig.log("village")
    async with at(rig, "village") as client:
        for path in ("/desk", "/inbox", "/cases", "/cases/new", f"/cases/{subject}", "/link", "/seal", "/password"):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            policy = answer.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", answer.text), path
        for path, status in (("/nowhere", 404), ("/cases/" + "0" * 32, 404)):
            answer = await client.get(path)
            assert (answer.status_code, "content-security-policy" in answer.headers) == (status, True)
            assert "没有" in answer.text


async def test_a_write_from_another_site_is_refused(rig: Rig):
    async with at(rig, "village") as client:
        answer = await client.post("/cases", data=STORY, headers={"Origin": "https://evil.example", **JSON})
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
        own = await client.post("/cases", data=await logged_form(client), headers={"Origin": "http://desk"})
        assert own.status_code == 303


# ── logging ──


async def test_a_form_with_mistakes_comes_back_filled_and_marked(rig: Rig):
    async with at(rig, "village") as client:
        form = await logged_form(client, account="", headcount="好几个", place_text="三组水沟")
        answer = await client.post("/cases", data=form, headers=HTMX)
        assert (answer.status_code, answer.headers["hx-reswap"]) == (422, "outerMorph")
        assert "还差 2 项，没有保存。" in answer.text
        assert 'href="#account"' in answer.text
        assert re.search(r'id="account" aria-invalid="true" aria-describedby="account-wrong"', answer.text)
        again = form_of(answer.text, "log")
        assert again == form
        twin = await client.post("/cases", data=form, headers=JSON)
        assert (twin.status_code, set(twin.json()["wrong"])) == (422, {"account", "headcount"})


async def test_the_same_form_sent_twice_is_one_case(rig: Rig):
    async with at(rig, "village") as client:
        form = await logged_form(client)
        first, second = [await client.post("/cases", data=form, headers=JSON) for _ in range(2)]
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        page = await client.get("/cases", headers=JSON)
        assert page.json()["total"] == 1
        assert first.json()["code"].startswith("2026-018-")


async def test_a_type_left_open_is_registered_as_other(rig: Rig):
    async with at(rig, "village") as client:
        answer = await client.post("/cases", data=await logged_form(client), headers=JSON)
        assert (await rig.case("village", answer.json()["case"])).type == "99"


@pytest.mark.parametrize(("code", "status"), [("disk_full", 507), ("store_busy", 503)])
async def test_a_full_disk_is_said_on_the_page_and_what_was_typed_stays(rig: Rig, monkeypatch, code: str, status: int):
    async def full(*_words):
        raise Refused(code)

    async with at(rig, "village") as client:
        form = await logged_form(client)
        monkeypatch.setattr(rig.web("village").node.desk, "submit", full)
        answer = await client.post("/cases", data=form, headers=HTMX)
        assert answer.status_code == status
        assert Refused(code).sentence in answer.text
        assert form_of(answer.text, "log") == form


async def test_photos_come_with_the_case_and_only_who_may_see_it_sees_them(rig: Rig):
    async with at(rig, "village") as client:
        form = await logged_form(client)
        sent = {"files": ("水沟.png", PNG, "image/png")}
        saved = (await client.post("/cases", data=form, files=sent, headers=JSON)).json()
        await client.post("/cases", data=form, files=sent, headers=JSON)  # the same once more: still one file
        case = await rig.case("village", saved["case"])
        assert [a.blob.name for a in case.blobs] == ["水沟.png"]
        address = case.blobs[0].blob.address
        picture = await client.get(f"/files/{saved['case']}/{address}")
        assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
        assert (await client.get(f"/files/{'0' * 32}/{address}")).status_code == 404
        other = await rig.log("village")
        assert (await client.get(f"/files/{other}/{address}")).status_code == 404
        wrong = await client.post(
            "/cases", data=await logged_form(client), files={"files": ("a.exe", b"MZ" + bytes(99), "x/y")}, headers=HTMX
        )
        assert wrong.status_code == 422
        assert "只收照片、录音和 PDF" in wrong.text
        assert (await client.get("/cases", headers=JSON)).json()["total"] == 2  # that one was not saved without its file


async def test_an_accusation_is_sealed_and_leaves_no_trace(rig: Rig):
    async with at(rig, "village") as client:
        refused = await client.post("/cases", data=await logged_form(client, type="2201"), headers=HTMX)
        assert refused.status_code == 422
        assert "密封" in refused.text
        form = form_of((await client.get("/seal")).text, "seal")
        done = await client.post("/seal", data={**form, "account": "青苗费打到了他小舅子卡上", "accused": "村主任"})
        assert "已密封转交" in done.text
        assert "青苗费" not in done.text
        assert (await client.get("/cases?text=青苗费", headers=JSON)).json()["total"] == 0
        assert await rig.web("village").reads.total(rig.actor("village")) == 0


# ── a case ──


async def test_the_case_page_offers_exactly_what_the_rules_offer(rig: Rig):
    subject = await rig.log("village")
    await rig.deliver("village", "town")
    for kind in ("village", "town"):
        node = rig.web(kind)
        context = Context(now_ms=node.clock(), serves=node.certificate.serves, covers=node.certificate.covers, tables=node.tables())
        offered = {step.command: step for step in dispute.steps(await rig.case(kind, subject), rig.actor(kind), context)}
        async with at(rig, kind) as client:
            page, twin = await client.get(f"/cases/{subject}"), await client.get(f"/cases/{subject}", headers=JSON)
        forms = set(re.findall(r'<form id="form-(\w+)"', page.text))
        assert forms == set(offered) - {
            "AddEvidence",
            "AssignTask",
            "DecideReview",
            "RequestTask",
            "TransferDispute",
            *PARTIES,
            "RemoveDispute",
        }
        assert {step["command"] for step in twin.json()["steps"]} == set(offered)
        assert all(step.sentence in page.text for step in offered.values() if step.command not in PARTIES)


async def test_a_step_by_form_says_what_was_done_and_shows_the_case_as_it_is_now(rig: Rig):
    subject = await rig.log("village")
    async with at(rig, "village") as client:
        form = form_of((await client.get(f"/cases/{subject}")).text, "form-AcceptDispute")
        done = await client.post(f"/cases/{subject}/AcceptDispute", data=form, headers=HTMX)
        assert (done.status_code, done.headers["hx-retarget"]) == (200, "#said")
        assert "受理：已存本机。" in done.text
        assert "已受理" in done.text
        again = await client.post(f"/cases/{subject}/AcceptDispute", data=form, headers=JSON)  # the same id: the same answer
        assert again.status_code == 200
        stale = await client.post(f"/cases/{subject}/AcceptDispute", data={**form, "command_id": "command-stale-1"}, headers=HTMX)
        assert stale.status_code == 409
        assert "现在是“已受理”，不能受理。" in stale.text


async def test_a_step_with_mistakes_keeps_every_field(rig: Rig):
    subject = await rig.log("village")
    await rig.say("village", AcceptDispute(id=new_id(), case=subject))
    async with at(rig, "village") as client:
        form = form_of((await client.get(f"/cases/{subject}")).text, "form-SignAgreement")
        typed = {**form, "terms": "各付一半。", "amount": "六百多", "due": "2026-11-30", "signed_ms": "2026-11-16T16:30"}
        answer = await client.post(f"/cases/{subject}/SignAgreement", data=typed, headers=HTMX)
        assert answer.status_code == 422
        assert form_of(answer.text, "form-SignAgreement") == typed
        assert "请填写履行的方式、地点和期限。" in answer.text
        whole = await client.post(f"/cases/{subject}/SignAgreement", data=typed)  # a browser without scripts gets the page
        assert whole.status_code == 422
        assert 'id="step-SignAgreement" open' in whole.text
        assert form_of(whole.text, "form-SignAgreement")["terms"] == "各付一半。"
        mended = {**typed, "amount": "600", "performance": "当面付清"}
        assert (await client.post(f"/cases/{subject}/SignAgreement", data=mended, headers=HTMX)).status_code == 200
        assert '协议书</a> <span class="soft">11月16日' in (await client.get(f"/cases/{subject}")).text  # of the paper, not of the typing


async def test_a_program_may_send_a_step_as_json(rig: Rig):
    subject = await rig.log("village")
    async with at(rig, "village") as client:
        body = json.dumps({"id": "command-json-01", "text": "到现场看过"})
        headers = {**JSON, "Content-Type": "application/json"}
        answer = await client.post(f"/cases/{subject}/AddNote", content=body, headers=headers)
        assert answer.status_code == 200
        assert answer.json()["case"] == subject
        bad = await client.post(f"/cases/{subject}/AddNote", content=b"{", headers=headers)
        assert (bad.status_code, bad.json()["code"]) == (422, "command_invalid")
        assert (await client.post(f"/cases/{subject}/AddEvidence", content=body, headers=headers)).status_code == 404


async def test_the_twin_of_a_case_holds_no_key_of_a_file(rig: Rig):
    async with at(rig, "village") as client:
        saved = await client.post("/cases", data=await logged_form(client), files={"files": ("a.png", PNG, "image/png")}, headers=JSON)
        twin = (await client.get(f"/cases/{saved.json()['case']}", headers=JSON)).json()
    assert twin["files"][0].keys() == {"key", "address", "name", "mime", "size", "what"}
    assert [line["kind"] for line in twin["lines"]] == ["DisputeLogged", "EvidenceAdded"]
    assert [mark["text"] for mark in twin["lines"][0]["marks"]] == ["已存本机", "未到乡镇", "未到县"]


async def test_every_step_has_a_form_that_asks_for_all_the_command_needs(rig: Rig):
    """A command without its fields on the page could never be given."""
    import msgspec

    subject = await rig.log("village")
    node = rig.web("village")
    case: Case = await rig.case("village", subject)
    environment = rig.app("village").state.environment
    for name, kind in COMMANDS.items():
        if name == "DecideReview":
            continue  # stands at the entry it decides on
        context = {
            "step": Step(name, name, ""), "case": case, "asked": "", "form": {}, "wrong": {}, "sentence": "", "new_id": lambda _name="": "x",
            "choices": {
                "words": node.tables().words, "up": [("330523", "上级")], "down": [("a", "甲"), ("b", "乙")], "units": [("330523/u01", "信访")],
                "handlers": [], "endings": [], "follow_up": [], "types": [], "parties": [],
            },
        }  # fmt: skip
        text = environment.get_template("_step_form.html").render(context)
        asked = {n.replace("amount", "amount_fen") for n in re.findall(r'name="(\w+)"', text)}
        needed = {field.name for field in msgspec.structs.fields(kind) if field.required} - {"id", "case"}
        assert needed <= asked, name


async def test_two_at_once_the_later_one_is_told_who_holds_it_now(rig: Rig):
    subject = await rig.log("village")
    await rig.say("village", EscalateDispute(id=new_id(), case=subject, to=TOWN, reason="调不动"))
    await rig.deliver("village", "town")
    async with at(rig, "town") as client:
        form = form_of((await client.get(f"/cases/{subject}/peek")).text, "form-TakeUpDispute")
        assert form["from"] == "peek"
        done = await client.post(f"/cases/{subject}/TakeUpDispute", data=form, headers=HTMX)
        assert (done.status_code, done.headers["hx-retarget"]) == (200, "#peek")
    await rig.deliver("town", "village")
    async with at(rig, "village") as client:
        late = await client.post(f"/cases/{subject}/AcceptDispute", data={"command_id": "command-late-01", "willing": "true"}, headers=HTMX)
        assert late.status_code == 409
        assert "现在由天子湖镇综治中心承办" in late.text


# ── lists, desks, link ──


async def test_the_list_finds_filters_and_pages(rig: Rig):
    cases = await rig.a_busy_village()
    async with at(rig, "village") as client:
        assert (await client.get("/cases?text=毛竹", headers=JSON)).json()["rows"][0]["subject"] == cases[4]
        assert {r["subject"] for r in (await client.get("/cases?status=agreed", headers=JSON)).json()["rows"]} == {cases[1]}
        assert {r["subject"] for r in (await client.get("/cases?type=02", headers=JSON)).json()["rows"]} == {cases[0], cases[3]}
        assert (await client.get("/cases?view=outgoing", headers=JSON)).json()["total"] == 2
        page = await client.get("/cases?view=nonsense&page=abc&status=x")
        assert page.status_code == 200
        assert page.text.count('<tr id="case-') == 6
        nothing = await client.get("/cases?text=没有这样的词")
        assert "没有符合的纠纷" in nothing.text


async def test_the_township_sees_what_waits_oldest_first_and_how_its_villages_stand(rig: Rig):
    cases = await rig.a_busy_village()
    await rig.deliver("village", "town")
    async with at(rig, "town") as client:
        desk, inbox = (await client.get("/desk")).text, (await client.get("/inbox")).text
        assert re.findall(r'<tr id="case-(\w+)"', inbox) == [cases[2], cases[4]]
        assert re.findall(r'<tr id="case-(\w+)"', desk) == [cases[2], cases[4]]
        village = re.search(r'id="place-330523-330523111-330523111217".*?</li>', desk, re.DOTALL)[0]
        assert "待受领 2" in village
        assert "未办结 5" in village
        assert desk.count('class="tile"') == 1 + len(rig.web("town").tables().children(TOWN))


async def test_another_place_sees_nothing_of_a_case(rig: Rig):
    subject = await rig.log("village")
    stranger = await rig.county.node("stranger")
    with pytest.raises(Refused):
        await stranger.reads.case(rig.actor("village"), subject)
    town_case = await rig.log("town", ledger=TOWN)
    async with at(rig, "village") as client:
        assert (await client.get(f"/cases/{town_case}")).status_code == 404


async def test_the_link_says_what_waits_and_equal_ledgers_have_equal_digests(rig: Rig):
    await rig.log("village")
    async with at(rig, "village") as client:
        assert "离线 · 1 条待送出" in (await client.get("/desk")).text
    await rig.everywhere()
    rig.web("village").pump.connected = True
    rig.county.clock.pass_ms(1000)
    digests = {}
    for kind in ("village", "town", "root"):
        async with at(rig, kind) as client:
            twin = (await client.get("/link", headers=JSON)).json()
            digests[kind] = {ledger["path"]: ledger["digest"] for ledger in twin["ledgers"]}[VILLAGE]
            page = (await client.get("/link")).text
            assert digests[kind][:12] in page
    assert len(set(digests.values())) == 1
    async with at(rig, "village") as client:
        assert "已连接 · 全部送达" in (await client.get("/desk")).text


async def test_receipts_stand_at_every_row_and_line_as_marks_of_their_own(rig: Rig):
    subject = await rig.log("village")
    await rig.deliver("village", "root")  # the county is first
    async with at(rig, "village") as client:
        for path in ("/desk", f"/cases/{subject}"):
            marks = re.search(r'<span class="marks">(.*?)</span>\s*</(td|li)>', (await client.get(path)).text, re.DOTALL)[1]
            assert re.findall(r'class="mark ?(\w*)"[^>]*>([^<]+)', marks) == [("done", "已存本机"), ("", "未到乡镇"), ("done", "已到县")], (
                path
            )


async def test_a_note_written_elsewhere_shows_both_times(rig: Rig):
    subject = await rig.log("village")
    await rig.say("village", AddNote(id=new_id(), case=subject, text="当天写的"))
    rig.county.clock.pass_ms(2 * DAY_MS)
    await rig.deliver("village", "town")
    async with at(rig, "town") as client:
        page = (await client.get(f"/cases/{subject}")).text
    assert "收到）" in page
    assert "当天写的" in page


async def test_a_late_agreement_waits_at_its_line_for_the_holder_to_decide(rig: Rig):
    subject = await rig.log("village")
    await rig.say("village", AcceptDispute(id=new_id(), case=subject))
    await rig.everywhere()
    await rig.say("town", CallUpDispute(id=new_id(), case=subject, reason="两村都牵涉，镇里来办"))
    terms = {"terms": ["界石立回原处。"], "performance": "三天内"}
    await rig.say("village", SignAgreement(id=new_id(), case=subject, **terms))  # the village has not heard of it yet
    await rig.everywhere()
    async with at(rig, "village") as client:
        page = (await client.get(f"/cases/{subject}")).text
        assert "搁置：" in page
        assert "DecideReview" not in page  # the holder's business
    async with at(rig, "town") as client:
        page = (await client.get(f"/cases/{subject}")).text
        assert "有 1 条待核对" in page
        won = re.search(r'<div class="won">.*?href="#(line-[^"]+)">提级</a>.*?两村都牵涉，镇里来办', page, re.DOTALL)
        assert won, "what prevailed stands beside it"
        assert f'id="{won[1]}"' in page
        assert page.count('class="won"') == 1
        reviews = (await client.get("/reviews")).text
        assert f'href="/cases/{subject}#{won[1]}">提级</a>' in reviews
        assert "两村都牵涉，镇里来办" in reviews
        item = re.search(r'name="item" value="([^"]+)"', page)[1]
        form = {"command_id": "command-review-1", "item": item, "decision": "adopt", "reason": "双方都认"}
        missing = await client.post(f"/cases/{subject}/DecideReview", data={**form, "reason": ""}, headers=HTMX)
        assert missing.status_code == 422
        mine = dict(zip(("page_person", "page_post"), rig.persons["town"], strict=True))
        assert form_of(missing.text, "review-" + re.sub("[:/]", "-", item)) == {**form, "reason": "", **mine}
        done = await client.post(f"/cases/{subject}/DecideReview", data=form, headers=HTMX)
        assert done.status_code == 200
        assert "搁置：" not in done.text
        assert (await client.get("/cases?view=review", headers=JSON)).json()["total"] == 0


async def test_who_sees_no_cases_gets_no_list_and_no_search(rig: Rig):
    person, post = await add_person(rig.web("village").node, "陈立新", "cadre", home=rig.web("village").certificate.node)
    assert post.startswith("cadre.")
    await rig.web("village").people.add_account("chen", person, PASSWORD, rig.county.clock())
    subject = await rig.log("village")
    async with at(rig, "village", "chen") as client:
        assert (await client.get("/")).headers["location"] == "/task"
        assert (await client.get("/cases", headers=JSON)).json()["total"] == 0
        assert (await client.get(f"/cases/{subject}")).status_code == 404
        assert (await client.get("/link")).status_code == 404
        assert 'type="search"' not in (await client.get("/password")).text


async def test_who_has_two_posts_chooses_by_which_to_act(rig: Rig):
    node = rig.web("town")
    person, first = rig.persons["town"]
    given = GivePost(id=new_id(), post="mediator.0000000a", person=person, office=TOWN, title="专职调解员")
    await node.node.say(given, node.node.actor("admin", TOWN))
    async with at(rig, "town") as client:
        menu = (await client.get("/desk")).text
        assert "专职调解员" in menu
        assert (await client.post("/post", data={"post": "mediator.0000000a"})).status_code == 303
        assert re.search(r'value="mediator.0000000a"[^>]*aria-pressed="true"', (await client.get("/desk")).text)
        assert (await client.post("/post", data={"post": "admin.ffffffff"}, headers=JSON)).status_code == 403
        assert first != "mediator.0000000a"


async def test_too_many_files_at_once_are_said_in_words(rig: Rig, monkeypatch):
    async with at(rig, "village") as client:
        sent = {"files": ("big.png", PNG + bytes(65 * 2**20), "image/png")}
        answer = await client.post("/cases", data=STORY, files=sent, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
