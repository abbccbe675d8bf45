"""The page 当事人: a clerk adds, corrects and withdraws a party; numbers of cards do not travel back into forms; nothing typed is lost."""

from collections.abc import AsyncIterator

import pytest

from protocol.commands import Party
from protocol.node.journal import rebuild
from tests.edge.pages_kit import JSON, at, form_of
from tests.edge.rig import PASSWORD, Rig
from tests.node.desk_kit import new_id

CARD = "330523197001011239"


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    yield made
    await made.close()


async def case_with_card(rig: Rig) -> str:
    return await rig.log(
        "village", parties=[Party("叶根土", phone="13800001234", id_type="111", id_number=CARD), Party("叶根水", side="respondent")]
    )


async def test_a_corrected_name_shows_old_and_new_and_is_found_by_both(rig: Rig):
    subject = await case_with_card(rig)
    async with at(rig, "village") as client:
        page = (await client.get(f"/cases/{subject}")).text
        assert f'href="/cases/{subject}/parties"' in page
        form = form_of((await client.get(f"/cases/{subject}/parties")).text, "correct-p1")
        done = await client.post(f"/cases/{subject}/CorrectParty", data={**form, "party_name": "叶根士", "reason": "身份证上是士"})
        assert done.status_code == 303 and done.headers["location"] == f"/cases/{subject}?said=CorrectParty"
        page = (await client.get(done.headers["location"])).text
        assert "更正当事人：已存本机" in page and "姓名 <del>叶根土</del> → 叶根士" in page
        assert "<h1>叶根士与叶根水" in page
        for name in ("叶根土", "叶根士"):
            assert (await client.get("/cases", params={"text": name}, headers=JSON)).json()["total"] == 1
        again = await client.post(f"/cases/{subject}/CorrectParty", data={**form, "party_name": "叶根士", "reason": "身份证上是士"})
        assert again.status_code == 303, "a form sent twice is one change"
    assert len((await rig.case("village", subject)).corrections) == 2  # the party, and the title made of its name


async def test_a_card_number_stays_where_it_is_unless_it_is_taken_out(rig: Rig):
    subject = await case_with_card(rig)
    async with at(rig, "village") as client:
        page = (await client.get(f"/cases/{subject}/parties")).text
        assert CARD not in page and "330***********1239" in page
        form = form_of(page, "correct-p1")
        await client.post(f"/cases/{subject}/CorrectParty", data={**form, "party_phone": "13900000000", "reason": "换了号码"})
        party = (await rig.case("village", subject)).parties[0]
        assert (party.phone, party.id_number) == ("13900000000", CARD)
        form = form_of((await client.get(f"/cases/{subject}/parties")).text, "correct-p1")
        await client.post(f"/cases/{subject}/CorrectParty", data={**form, "drop_id": "1", "reason": "用不着证件号"})
        assert (await rig.case("village", subject)).parties[0].id_number == ""
        page = (await client.get(f"/cases/{subject}")).text
        assert "证件号码 <del>330***********1239</del> → （空）" in page and CARD not in page


async def test_a_party_is_added_and_withdrawn_by_form_and_mistakes_keep_what_was_typed(rig: Rig):
    subject = await case_with_card(rig)
    async with at(rig, "village") as client:
        form = form_of((await client.get(f"/cases/{subject}/parties")).text, "add-party")
        typed = {**form, "party_name": "何桂英", "party_side": "third", "party_birth_year": "十九"}
        wrong = await client.post(f"/cases/{subject}/AddParty", data=typed)
        assert wrong.status_code == 422 and form_of(wrong.text, "add-party")["party_name"] == "何桂英"
        assert len((await rig.case("village", subject)).parties) == 2
        done = await client.post(f"/cases/{subject}/AddParty", data={**typed, "party_birth_year": "1961"})
        assert done.status_code == 303
        case = await rig.case("village", subject)
        assert [p.name for p in case.parties] == ["叶根土", "叶根水", "何桂英"]
        form = form_of((await client.get(f"/cases/{subject}/parties")).text, f"withdraw-{case.party_ids[2]}")
        assert (await client.post(f"/cases/{subject}/WithdrawParty", data={**form, "reason": ""})).status_code == 422
        await client.post(f"/cases/{subject}/WithdrawParty", data={**form, "reason": "只是证人"})
        page = (await client.get(f"/cases/{subject}")).text
        assert "撤下 <del>何桂英</del>" in page and "只是证人" in page


async def test_who_was_withdrawn_stands_in_no_list_that_says_names_are_masked(rig: Rig):
    subject = await case_with_card(rig)
    async with at(rig, "village") as client:
        assert "叶*土与叶*水" in (await client.get("/cases.csv")).text
        form = form_of((await client.get(f"/cases/{subject}/parties")).text, "withdraw-p2")
        await client.post(f"/cases/{subject}/WithdrawParty", data={**form, "reason": "不是他家的田埂"})
        listed = (await client.get("/cases.csv")).text
        assert "叶*土反映的" in listed and "叶根水" not in listed and "姓名已遮盖" in listed
        assert "<del>叶根水</del>" in (await client.get(f"/cases/{subject}")).text, "the case itself still says who it was"
        assert (await client.get("/cases", params={"text": "叶根水"}, headers=JSON)).json()["total"] == 1
    assert await rebuild(rig.web("village").journal), "the rows are what the entries say"


async def test_who_does_not_hold_it_reads_and_changes_nothing(rig: Rig):
    subject = await case_with_card(rig)
    await rig.everywhere()
    async with at(rig, "town") as client:
        page = (await client.get(f"/cases/{subject}/parties")).text
        assert "add-party" not in page and "13800001234" not in page and "138****1234" in page
        assert "更正、增减" not in (await client.get(f"/cases/{subject}")).text
        refused = await client.post(
            f"/cases/{subject}/WithdrawParty", data={"command_id": new_id(), "party_id": "p1", "reason": "x"}, headers=JSON
        )
        assert refused.status_code == 409 and refused.json()["code"] == "not_holder"


async def test_what_was_typed_about_a_party_who_is_withdrawn_meanwhile_is_said_and_stays(rig: Rig):
    subject = await case_with_card(rig)
    async with at(rig, "village") as client:
        page = (await client.get(f"/cases/{subject}/parties")).text
        correct, withdraw = form_of(page, "correct-p2"), form_of(page, "withdraw-p1")
        await client.post(f"/cases/{subject}/WithdrawParty", data={**form_of(page, "withdraw-p2"), "reason": "认错了人"})
        typed = {**correct, "party_name": "叶根泉", "party_phone": "13900009999", "reason": "身份证上是泉"}
        gone = await client.post(f"/cases/{subject}/CorrectParty", data=typed)
        assert gone.status_code >= 400 and 'role="alert"' in gone.text and "您写的没有存下" in gone.text
        assert [word for word in ("叶根泉", "13900009999", "身份证上是泉") if f"<dd>{word}</dd>" not in gone.text] == []
        last = await client.post(f"/cases/{subject}/WithdrawParty", data={**withdraw, "reason": "也不是他"})
        assert last.status_code >= 400 and 'role="alert"' in last.text and "<dd>也不是他</dd>" in last.text


async def test_what_was_typed_comes_back_after_the_sign_in(rig: Rig):
    subject = await case_with_card(rig)
    async with at(rig, "village") as client:
        form = form_of((await client.get(f"/cases/{subject}/parties")).text, "add-party")
        await client.post("/sign-out")
        refused = await client.post(f"/cases/{subject}/AddParty", data={**form, "party_name": "何桂英"})
        back = await client.post("/sign-in", data={**form_of(refused.text, "sign-in"), "name": "wangfang", "password": PASSWORD})
        assert form_of(back.text, "add-party")["party_name"] == "何桂英"
    assert (await rig.case("village", subject)).turn == 1


@pytest.mark.parametrize(
    ("kind", "name", "command", "page", "typed"),
    [("town", "shen", "TransferDispute", "transfer-form", "reason"), ("village", "wangfang", "RequestTask", "ask-form", "purpose")],
)
async def test_other_pages_of_a_case_come_back_too(rig: Rig, kind: str, name: str, command: str, page: str, typed: str):
    subject = await rig.log(kind)  # a village escalates, and has no form to transfer with
    async with at(rig, kind) as client:
        await client.post("/sign-out")
        refused = await client.post(f"/cases/{subject}/{command}", data={"command_id": new_id(), typed: "写了一半的话"})
        back = await client.post("/sign-in", data={**form_of(refused.text, "sign-in"), "name": name, "password": PASSWORD})
        assert back.status_code == 200 and form_of(back.text, page)[typed] == "写了一半的话" and "已经放回来" in back.text
