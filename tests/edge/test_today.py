"""今天: a person's own cases stand in front however many of colleagues are due before them, and a list has them all; what is stuck on its
way stands there until every level has it."""

import html
import re

from protocol.calendar import DAY_MS, MINUTE_MS
from protocol.commands import (
    AcceptDispute,
    AssignTask,
    CallUpDispute,
    CloseDispute,
    EscalateDispute,
    NameHandler,
    RecallTask,
    ReportTask,
    SignAgreement,
    TakeUpDispute,
)
from protocol.node.web import today
from tests.edge.pages_kit import JSON, at, form_of, section
from tests.edge.rig import PASSWORD, Rig
from tests.node.desk_kit import TOWN, add_person, new_id


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


async def stuck(rig: Rig, kind: str) -> str:
    async with at(rig, kind) as client:
        return section((await client.get("/today")).text, "today-stuck")


async def test_what_is_stuck_on_its_way_stands_there_with_its_marks_until_all_have_it(rig: Rig):
    assert "没有。本机写的都送到了。" in await stuck(rig, "village")
    subject = await rig.log("village")
    code = (await rig.case("village", subject)).code
    shown = await stuck(rig, "village")
    assert "条等网络通了自动送出，都已存在本机。" in shown
    assert subject not in shown, "it has only just been written"
    rig.county.clock.pass_ms(2 * MINUTE_MS)
    link = f'<li><a href="/cases/{subject}">{code}</a>'
    shown = await stuck(rig, "village")
    assert link in shown
    assert '<span class="mark done">已存本机</span><span class="mark ">未到乡镇</span><span class="mark ">未到县</span>' in shown
    await rig.deliver("village", "town")
    shown = await stuck(rig, "village")
    assert (link in shown, "自动送出" in shown) == (True, False), "the county still lacks it"
    assert ("已到乡镇" in shown, "未到县" in shown) == (True, True)
    assert subject not in await stuck(rig, "town"), "it is not of this computer"
    await rig.everywhere()
    shown = await stuck(rig, "village")
    assert (subject in shown, "没有。本机写的都送到了。" in shown) == (False, True)


async def test_while_the_link_is_up_it_goes_out_now_and_of_many_the_first_are_shown(rig: Rig, monkeypatch):
    monkeypatch.setattr(today, "SHOWN", 2)
    for n in range(3):
        await rig.log("village", n)
    rig.county.clock.pass_ms(2 * MINUTE_MS)
    rig.web("village").pump.connected = True
    shown = await stuck(rig, "village")
    assert (shown.count("<li>"), "共 3 件" in shown, "条正在送出。" in shown, 'href="/link"' in shown) == (2, True, True, True)


WORDS = "写到一半的一句话"


async def opened(client, form: str, *fields: tuple[str, str]):
    """What 今天 leads to for a draft of that form."""
    draft = {"form": form, "tab": "t", "command": new_id(), "fields": [*fields, ("risk", "red")]}
    assert (await client.post("/drafts", json=draft, headers=JSON)).status_code == 200
    halves = section((await client.get("/today")).text, "today-halves")
    return await client.get(html.unescape(re.search(r'<a href="([^"]+)">', halves)[1]), follow_redirects=True)


async def test_a_half_written_step_that_is_not_offered_any_more_is_read_and_thrown_away(rig: Rig):
    subject = await rig.log("village")
    await rig.say("village", EscalateDispute(id=new_id(), case=subject, to=TOWN, reason="调不动"))
    await rig.everywhere()
    await rig.say("town", TakeUpDispute(id=new_id(), case=subject))
    await rig.everywhere()
    async with at(rig, "village") as client:
        gone = ("/cases/{}/RecordMediation ", "account"), ("/cases/{}/CorrectParty p9", "reason"), ("/tasks/{}/TellTask ", "text")
        for (form, field), case in zip(gone, (subject, subject, "0" * 32), strict=True):
            page = await opened(client, form.format(case), (field, WORDS))
            assert (
                page.status_code == 200
                and "这一步现在不能办了" in page.text
                and f"<dd>{WORDS}</dd>" in page.text
                and "<dd>red" not in page.text
            )
            sent = re.search(r'<form method="post" action="/drafts/forget">.*?</form>', page.text, re.DOTALL)[0]
            names = dict(re.findall(r'name="(of|tab)" value="([^"]*)"', sent))
            assert (await client.post("/drafts/forget", data=names)).status_code == 303
            assert await rig.web("village").unsaved.of(rig.persons["village"][0]) == []
        note = await opened(client, f"/cases/{subject}/AddNote ", ("text", WORDS))
        assert f'action="/cases/{subject}/AddNote"' in note.text, "what is still offered leads to its form"


async def test_a_further_matter_of_a_visitor_leads_to_his_form(rig: Rig):
    subject = await rig.log("village")
    async with at(rig, "village") as client:
        page = await opened(client, f"/cases {subject}", ("visit", subject), ("account", WORDS))
        form = form_of(page.text, "log")
        assert (form["visit"], form["party_name"][0]) == (subject, "叶根土")


async def test_what_was_sent_about_a_case_that_is_out_of_sight_since_is_read_after_signing_in(rig: Rig):
    async with at(rig, "village") as client:
        for step in ("RecordMediation", "AddParty", "TransferDispute", "AssignTask"):
            await client.post("/sign-out")
            refused = await client.post(f"/cases/{'0' * 32}/{step}", data={"command_id": new_id(), "reason": WORDS, "party_phone": "139"})
            back = await client.post("/sign-in", data={**form_of(refused.text, "sign-in"), "name": "wangfang", "password": PASSWORD})
            assert back.status_code == 200 and "set-cookie" in back.headers
            assert f"<dd>{WORDS}</dd>" in back.text and "<dt>电话</dt><dd>139</dd>" in back.text and "已经放回来" not in back.text


async def test_who_may_only_read_is_offered_nothing_to_do(rig: Rig):
    await rig.say("village", EscalateDispute(id=new_id(), case=await rig.log("village"), to=TOWN, reason="调不动"))
    await rig.say("village", AcceptDispute(id=new_id(), case=(agreed := await rig.log("village", 1))))
    await rig.say("village", CloseDispute(id=new_id(), case=agreed, ending="withdrawn", result="说和了"))
    await rig.everywhere()
    for kind, account in (("village", "reader-v"), ("town", "reader-t")):
        web = rig.web(kind)
        person, _ = await add_person(web.node, "查阅", "reader")
        await web.people.add_account(account, person, PASSWORD, rig.county.clock())
        async with at(rig, kind, account) as client:
            pages = {path: (await client.get(path)).text for path in ("/desk", "/cases/new", "/today", "/inbox")}
            assert [path for path, page in pages.items() if 'id="log"' in page or ">受领</a>" in page or ">回访</a>" in page] == []
            assert "您的岗位只能查阅，不能登记" in pages["/cases/new"]
            assert "登记新纠纷" not in pages["/today"]
    async with at(rig, "town") as client:
        assert ">受领</a>" in (await client.get("/today")).text, "who may is"


CALM = "今天没有到期的"


async def crossed_visit(rig: Rig, n: int = 0) -> str:
    """A visit that the township recalled while its cadre was there."""
    town = rig.web("town").node
    person, _ = await add_person(town, f"褚小军{n}", "cadre", home=town.signer.node)
    given = {"place": TOWN, "cadre": person, "home": town.signer.node, "purpose": "看看晒场"}
    task = (await rig.say("town", AssignTask(id=new_id(), due_ms=rig.county.clock() + 20 * DAY_MS, **given))).subject
    await rig.say("town", RecallTask(id=new_id(), task=task, reason="双方谈好了"))
    report = ReportTask(id=new_id(), task=task, result="eased", words="已经去过了")
    await town.desk.submit(report, town.actor("cadre", TOWN, person))
    return task


async def test_a_day_on_which_only_a_visit_waits_for_a_review_is_not_called_empty(rig: Rig):
    async with at(rig, "town") as client:
        assert CALM in (await client.get("/today")).text
        task = await crossed_visit(rig)
        page = (await client.get("/today")).text
        assert (CALM in page, f'href="/tasks/{task}"' in section(page, "today-visit-review")) == (False, True)
        desk = (await client.get("/desk?view=review")).text
        assert '待核对 <span class="count">1</span>' in desk
        assert '走访另有 1 件等核对，<a href="/reviews">去核对</a>' in desk and "没有要核对的纠纷。" in desk
        assert "走访另有" not in (await client.get("/desk?view=held")).text


async def test_of_many_visits_to_review_the_first_are_shown_and_the_way_to_all(rig: Rig, monkeypatch):
    monkeypatch.setattr(today, "SHOWN", 1)
    for n in range(2):
        await crossed_visit(rig, n)
    async with at(rig, "town") as client:
        shown = section((await client.get("/today")).text, "today-visit-review")
        assert (shown.count("<li "), '<a class="end" href="/reviews">全部 2 件</a>' in shown) == (1, True)


async def test_a_dispute_to_review_leads_to_the_form_of_what_waits(rig: Rig):
    subject = await rig.log("village")
    await rig.say("village", AcceptDispute(id=new_id(), case=subject))
    await rig.everywhere()
    await rig.say("town", CallUpDispute(id=new_id(), case=subject, reason="两村都牵涉，镇里来办。"))
    await rig.say("village", SignAgreement(id=new_id(), case=subject, terms=["界石立回原处。"], performance="三天内在现场履行"))
    await rig.everywhere()
    async with at(rig, "town") as client:
        page = (await client.get("/today")).text
        to = re.search(r'href="/reviews#(row-[^"]+)">核对</a>', section(page, "today-review"))[1]
        row = (await client.get("/reviews")).text.partition(f'id="{to}"')[2].partition("</li>")[0]
        assert f'href="/cases/{subject}"' in row and 'value="adopt">采纳' in row
        assert 'id="today-visit-review"' not in page
