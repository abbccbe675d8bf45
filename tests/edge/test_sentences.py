"""What a step says before it is done is what happens: who is named, and what an office that is sent a case sees of it."""

import re

from protocol.calendar import DAY_MS
from protocol.commands import (
    AcceptDispute,
    AddNote,
    CallUpDispute,
    EscalateDispute,
    HandDownDispute,
    Party,
    SignAgreement,
    TakeUpDispute,
    WriteOpinion,
)
from protocol.node.web.page import LANGUAGE
from protocol.node.web.words import moment
from tests.edge.pages_kit import HTMX, at
from tests.edge.rig import Rig
from tests.node.desk_kit import ROOT, TOWN, new_id

PHONE, MASKED = "13800001234", "138****1234"
CARD, CARD_ENDS = "330523197001011239", "330***********1239"


async def logged(rig: Rig) -> str:
    subject = await rig.log(
        "village", parties=[Party("叶根土", phone=PHONE, id_type="111", id_number=CARD), Party("叶根水", side="respondent")]
    )
    await rig.say("village", AcceptDispute(id=new_id(), case=subject))
    await rig.say("village", AddNote(id=new_id(), case=subject, text="界石埋在土里。"))
    await rig.everywhere()
    return subject


async def sentence(rig: Rig, kind: str, subject: str, command: str) -> str:
    async with at(rig, kind) as client:
        page = (await client.get(f"/cases/{subject}")).text
    form = re.search(rf'<form id="form-{command}".*?</form>', page, re.DOTALL)
    assert form, f"{kind} may not {command}"
    return " ".join(re.findall(r'<p class="will">(.*?)</p>', form[0]))


async def seen(rig: Rig, kind: str, subject: str) -> str:
    async with at(rig, kind) as client:
        return (await client.get(f"/cases/{subject}")).text


async def test_escalating_says_what_the_receiver_will_see_and_it_sees_just_that(rig: Rig):
    subject = await logged(rig)
    said = await sentence(rig, "village", subject, "EscalateDispute")
    for part in ("综治中心办理纠纷的人将看到", "当事人、全部经过和附件", "电话受领以后才显示全号", "证件号只显示头尾"):
        assert part in said
    assert "内部意见" not in said  # there can be none of the place itself
    await rig.say("village", EscalateDispute(id=new_id(), case=subject, to=TOWN, reason="要镇里认界", tried="谈过两次"))
    await rig.everywhere()
    offered = await seen(rig, "town", subject)
    for part in ("要镇里认界", "谈过两次", "叶根土", "界石埋在土里。", MASKED, CARD_ENDS):
        assert part in offered
    assert PHONE not in offered
    await rig.say("town", TakeUpDispute(id=new_id(), case=subject))
    await rig.everywhere()
    held = await seen(rig, "town", subject)
    assert PHONE in held
    assert CARD not in held


async def test_an_opinion_is_said_to_be_seen_above_and_not_below(rig: Rig):
    subject = await logged(rig)
    await rig.say("village", EscalateDispute(id=new_id(), case=subject, to=TOWN, reason="要镇里认界"))
    await rig.everywhere()
    await rig.say("town", TakeUpDispute(id=new_id(), case=subject))
    await rig.say("town", WriteOpinion(id=new_id(), case=subject, text="两家都和村委有亲。"))
    up, down = [await sentence(rig, "town", subject, command) for command in ("EscalateDispute", "HandDownDispute")]
    assert "另记的内部意见对方也看得到" in up
    assert "另记的内部意见对方看不到" in down
    assert "高禹" in down  # the only office that it can go to is named
    await rig.say("town", EscalateDispute(id=new_id(), case=subject, to=ROOT, reason="要县里牵头"))
    await rig.everywhere()
    assert "两家都和村委有亲。" in await seen(rig, "root", subject)
    assert "两家都和村委有亲。" not in await seen(rig, "village", subject)


async def test_sentences_name_people_and_offices(rig: Rig):
    subject = await logged(rig)
    assert "叶根土、叶根水" in await sentence(rig, "village", subject, "EndMediation")
    note = await sentence(rig, "village", subject, "AddNote")
    names = [rig.web("village").tables().office_name(office) for office in (TOWN, ROOT)]
    assert all(name in note for name in names)
    await rig.say("village", EscalateDispute(id=new_id(), case=subject, to=TOWN, reason="要镇里认界"))
    assert names[0] in await sentence(rig, "village", subject, "ReturnDispute")


async def test_of_many_receivers_a_few_are_named_and_how_many_there_are(rig: Rig):
    subject = await logged(rig)
    for kind, to in (("village", TOWN), ("town", ROOT)):
        await rig.say(kind, EscalateDispute(id=new_id(), case=subject, to=to, reason="谈不拢"))
        await rig.everywhere()
        await rig.say("town" if kind == "village" else "root", TakeUpDispute(id=new_id(), case=subject))
        await rig.everywhere()
    said = await sentence(rig, "root", subject, "HandDownDispute")
    assert re.search(r"下面选定的一个单位（.+、.+、.+等 \d+ 个）", said)
    assert "选定的单位办理纠纷的人将看到" in said
    await rig.say("root", HandDownDispute(id=new_id(), case=subject, to=TOWN, due="2026-12-20", reason="按界址图办"))


async def test_after_a_step_the_page_says_who_holds_it_and_the_way_back(rig: Rig):
    subject = await logged(rig)
    async with at(rig, "village") as client:
        form = {"command_id": new_id(), "to": TOWN, "reason": "要镇里认界"}
        done = await client.post(f"/cases/{subject}/EscalateDispute", data=form, headers=HTMX)
        assert re.search("上报：已存本机。 <span>送给.+综治中心，受领之前仍由.+负责；要收回，用“撤回”。", done.text)
        assert 'id="step-ReturnDispute"' in done.text
    await rig.everywhere()
    async with at(rig, "town") as client:
        done = await client.post(f"/cases/{subject}/TakeUpDispute", data={"command_id": new_id(), "from": "peek"}, headers=HTMX)
        assert re.search("受领：已存本机。 <span>现在由.+综治中心负责；要交回去，用“交办”。", done.text)


async def test_the_head_and_the_timeline_say_since_when_it_is_held(rig: Rig):
    subject = await rig.log("village")
    await rig.everywhere()
    rig.county.clock.pass_ms(2 * DAY_MS)
    await rig.say("town", CallUpDispute(id=new_id(), case=subject, reason="两村都牵涉，镇里来办"))
    case = await rig.case("town", subject)
    since = moment(case.moves[-1].at_ms, rig.county.clock())
    async with at(rig, "town") as client:
        page = (await client.get(f"/cases/{subject}")).text
    head, _, rest = page.partition('id="timeline"')
    assert f"{since} 起" in head
    assert re.search(rf'<li class="hold" id="hold-2">.*?接自.*?{since} 起', rest, re.DOTALL)
    assert f"{moment(case.moves[0].at_ms, rig.county.clock())} 起" not in head


async def test_a_right_that_is_over_says_what_is_left_and_is_nobody_s_delay(rig: Rig):
    subject = await logged(rig)
    await rig.say("village", SignAgreement(id=new_id(), case=subject, terms=["各退半尺。"], performance="当面办完。"))
    assert "申请司法确认" in (before := await seen(rig, "village", subject))
    assert "已过，" not in before
    rig.county.clock.pass_ms(50 * DAY_MS)
    page = await seen(rig, "village", subject)
    assert '<span class="tag">已过，只能起诉或重新调解</span>' in page
    assert page.count("超期 ") == 2, "the follow-up alone, in the head and among the clocks"
    assert '<span class="soft">回访</span>' in page.partition("最近的时限")[2][:200]
    async with at(rig, "village") as client:
        client.cookies.set(LANGUAGE, "en")
        assert "Over, only a suit or mediation anew is left" in (await client.get(f"/cases/{subject}")).text
