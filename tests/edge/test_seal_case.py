"""A case that was logged and turns out to be an accusation: sealed, then every word of it is erased at every node; nothing links the two."""

from collections.abc import AsyncIterator

import pytest

from protocol.calendar import DAY_MS
from protocol.commands import AddNote, CorrectDispute, EscalateDispute, MergeDispute, Party, RequestTask, SetRisk, TakeUpDispute
from tests.edge.pages_kit import JSON, at, form_of
from tests.edge.rig import Rig
from tests.node.desk_kit import TOWN, VILLAGE, new_id
from tests.node.journal_kit import everything_in

ACCOUNT, NOTE = "村主任把三组的征地补偿款打进了他表弟账户", "反映人说存折复印件在他手上"
WORDS = (ACCOUNT, NOTE, "匡守义", "龚大寿", "13700007777")


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    yield made
    await made.close()


async def logged(rig: Rig) -> str:
    parties = [Party("匡守义", phone="13700007777"), Party("龚大寿", side="respondent")]
    subject = await rig.log("village", account=ACCOUNT, parties=parties, place_text="")
    await rig.say("village", AddNote(id=new_id(), case=subject, text=NOTE))
    await rig.everywhere()
    return subject


async def test_all_words_are_gone_everywhere_and_only_the_discipline_desk_reads_them(rig: Rig):
    subject = await logged(rig)
    assert ACCOUNT.encode() in await everything_in(rig.web("root").node.journal), "this search finds what is there"
    async with at(rig, "village") as client:
        assert f'href="/cases/{subject}/seal"' in (await client.get(f"/cases/{subject}")).text
        form = form_of((await client.get(f"/cases/{subject}/seal")).text, "seal-case")
        assert (form["accuser"], form["accused"], form["contact"]) == ("匡守义", "龚大寿", "13700007777")
        assert ACCOUNT in form["account"] and NOTE in form["account"]
        unsure = await client.post(f"/cases/{subject}/seal", data=form)
        assert unsure.status_code == 422 and form_of(unsure.text, "seal-case")["seal_id"] == form["seal_id"]
        told = (await client.post(f"/cases/{subject}/seal", data=form, headers=JSON)).json()
        again = (await client.post(f"/cases/{subject}/seal", data=form, headers=JSON)).json()
        assert told["receipt"].startswith("MF-") and again == told, "sent again it is one report"
        page = (await client.get(f"/cases/{subject}")).text
        assert [word for word in WORDS if word in page] == [] and "检举" not in page
    await rig.everywhere()
    for kind in ("village", "town", "root"):
        stored = await everything_in(rig.web(kind).node.journal)
        assert [word for word in WORDS if word.encode() in stored] == [], kind
        case = await rig.case(kind, subject)
        assert (case.status, case.parties, case.reviews) == ("voided", [], [])
    root = rig.web("root").node
    reports = await root.reads.sealed(root.actor("discipline", "330523/u12"))
    assert [(r.accuser, r.accused, r.contact) for r in reports] == [("匡守义", "龚大寿", "13700007777")]
    commands = {e.command for e in await root.journal.subject(subject)}
    box = (await root.journal.subject(reports[0].subject))[0]
    assert box.command not in commands and form["command_id"] != form["seal_id"]


async def test_all_that_was_told_goes_along_as_it_stands_now(rig: Rig):
    subject = await rig.log("village", account="记错了的一句。")
    long = "征地款的事从头说起，" * 190
    await rig.say("village", CorrectDispute(id=new_id(), case=subject, field="account", value=long, reason="记错了"))
    notes = [f"第 {n} 次来，又说：" + "存折复印件在他手上，" * 150 for n in (1, 2)]
    for text in notes:
        await rig.say("village", AddNote(id=new_id(), case=subject, text=text))
    async with at(rig, "village") as client:
        form = form_of((await client.get(f"/cases/{subject}/seal")).text, "seal-case")
        want = [long, "发生地点：三组菜地", "更正 原因：记错了", *notes, "当事人 叶根水，电话 13900005678"]
        assert form["account"] == "\n".join(want), "nothing cut, the wrong words left out"
        too_long = await client.post(f"/cases/{subject}/seal", data={**form, "sure": "1", "account": "长" * 20_001})
        assert too_long.status_code == 422 and "20000" in too_long.text
        assert (await client.post(f"/cases/{subject}/seal", data={**form, "sure": "1"})).status_code == 200
    await rig.everywhere()
    root = rig.web("root").node
    (report,) = await root.reads.sealed(root.actor("discipline", "330523/u12"))
    assert report.account == form["account"]


async def test_what_was_merged_in_and_every_other_word_goes_along_too(rig: Rig):
    """All of it is erased: the case that was merged in, reasons, what had been done, the account that a visit got. Each once."""
    subject = await logged(rig)
    other, third = "第二件里反映人说主任收了五万", Party("褚月娥", phone="13700008888")
    second = await rig.log("village", account=other, parties=[third], place_text="")
    await rig.say("village", MergeDispute(id=new_id(), case=second, into=subject, reason="说的是同一件事"))
    await rig.say("village", SetRisk(id=new_id(), case=subject, risk="yellow", reason="他说主任收了钱"))
    escalated = EscalateDispute(id=new_id(), case=subject, to=TOWN, reason="村里查不了账", tried="去过主任家两回")
    await rig.say("village", escalated)
    due_ms = rig.county.clock() + DAY_MS
    task = RequestTask(id=new_id(), case=subject, to=TOWN, purpose="去问存折的事", purpose_kind="visit", due_ms=due_ms, summary=ACCOUNT)
    await rig.say("village", task)
    async with at(rig, "village") as client:
        form = form_of((await client.get(f"/cases/{subject}/seal")).text, "seal-case")
    told = form["account"]
    for words in (ACCOUNT, other, "同一件事", "他说主任收了钱", "上报 原因：村里查不了账", "做过的工作：去过主任家两回", "去问存折的事"):
        assert told.count(words) == 1, words
    assert "当事人 褚月娥，身份 申请人，电话 13700008888" in told and form["accuser"] == "匡守义"


async def test_all_that_is_known_of_the_parties_goes_along(rig: Rig):
    """It is erased with the rest: what no field of the form holds stands behind what was told, whose it is."""
    reporter = Party("匡守义", phone="13700007777", sex="1", birth_year=1970, address="高禹村三组", need="耳背，要写给他看")
    chief = Party("龚大寿", side="respondent", phone="13700006666", id_number="330523197001011239", id_type="111")
    firm = Party("鑫源竹制品厂", side="third", kind="company", agent="褚月娥")
    same = Party("匡守义", phone="13700005555")  # in another case he gave another number
    subject = await rig.log("village", account=ACCOUNT, parties=[reporter, chief, firm], place_text="")
    second = await rig.log("village", account="他又来说了一回。", parties=[same], place_text="")
    await rig.say("village", MergeDispute(id=new_id(), case=second, into=subject, reason="同一件"))
    async with at(rig, "village") as client:
        form = form_of((await client.get(f"/cases/{subject}/seal")).text, "seal-case")
    assert (form["accuser"], form["accused"], form["contact"]) == ("匡守义", "龚大寿", "13700007777")
    assert [line for line in form["account"].splitlines() if line.startswith("当事人")] == [
        "当事人 匡守义，性别 男，出生年 1970，住址 高禹村三组，需要的帮助 耳背，要写给他看",
        "当事人 龚大寿，出生年 1970，证件种类 居民身份证，证件号码 330523197001011239，电话 13700006666",
        "当事人 鑫源竹制品厂，身份 第三人，类别 法人，代理人 褚月娥",
        "当事人 匡守义，电话 13700005555",
    ]


async def test_a_note_that_was_on_its_way_when_it_was_sealed_is_erased_when_it_arrives(rig: Rig):
    subject = await logged(rig)
    late = "反映人的电话又打来了，说还有录音"
    await rig.say("town", AddNote(id=new_id(), case=subject, text=late))  # not delivered yet
    async with at(rig, "village") as client:
        form = {"command_id": new_id(), "seal_id": new_id(), "account": ACCOUNT}
        assert (await client.post(f"/cases/{subject}/seal", data=form, headers=JSON)).status_code == 200
    await rig.everywhere()
    await rig.everywhere()
    for kind in ("village", "town", "root"):
        assert late.encode() not in await everything_in(rig.web(kind).node.journal), kind
    assert await rig.web("village").desk.arrivals() == [], "nothing is left to erase"
    erased = [e for e in await rig.web("root").journal.subject(subject) if e.sort == "erasure"]
    assert len(erased) == 3, "each once, by the office that removed it"


async def test_only_the_holder_may_and_a_higher_holder_reaches_the_villages_words_too(rig: Rig):
    subject = await logged(rig)
    form = {"command_id": new_id(), "seal_id": new_id(), "account": ACCOUNT}
    async with at(rig, "town") as client:
        assert "要由承办单位" in (await client.get(f"/cases/{subject}/seal")).text
        refused = await client.post(f"/cases/{subject}/seal", data=form, headers=JSON)
        assert refused.status_code == 409
        await rig.say("village", EscalateDispute(id=new_id(), case=subject, to=TOWN, reason="匡守义不服"))
        await rig.everywhere()
        await rig.say("town", TakeUpDispute(id=new_id(), case=subject))
        assert (await client.post(f"/cases/{subject}/seal", data=form, headers=JSON)).status_code == 200
    await rig.everywhere()
    stored = await everything_in(rig.web("village").node.journal)
    assert [word for word in WORDS if word.encode() in stored] == []
    assert (await rig.case("village", subject)).ledger == VILLAGE


async def test_the_page_names_where_else_the_words_stay_for_a_while(rig: Rig):
    subject = await logged(rig)
    async with at(rig, "village") as client:
        page = (await client.get(f"/cases/{subject}/seal")).text
        assert "别处也有" not in page and "别处自己记的" not in page
        bare = await logged(rig)
        async with rig.nodes["village"].node.journal.writing() as w:
            (note,) = [e for e in await w.subject(bare) if e.head.kind == "NoteAdded"]
            await w.erase(*note.key, bare)  # as from a giver who had no words
            await w.project([bare])
        assert "别处自己记的" in (await client.get(f"/cases/{bare}/seal")).text
        due_ms = rig.county.clock() + DAY_MS
        asked = RequestTask(id=new_id(), case=subject, to=TOWN, purpose="问问", purpose_kind="visit", due_ms=due_ms, summary=ACCOUNT)
        await rig.say("village", asked)
        page = (await client.get(f"/cases/{subject}/seal")).text
        assert "别处自己记的、还没有到本机的" in page
        assert "别处也有" in page and "请这里协助过：天子湖镇综治中心" in page


async def test_an_accusation_is_not_kept_in_the_sign_in_page_of_a_session_that_ended(rig: Rig):
    async with at(rig, "village") as client:
        form = form_of((await client.get("/seal")).text, "seal")
        await client.post("/sign-out")
        refused = await client.post("/seal", data={**form, "account": ACCOUNT, "accused": "龚大寿"})
        assert refused.status_code == 401 and ACCOUNT not in refused.text and "龚大寿" not in refused.text
        assert "请登录后重新写" in refused.text and form_of(refused.text, "sign-in")["next"] == "/seal"
