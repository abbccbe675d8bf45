"""What is seen while a case is being written: places that the words name, never the office itself; who was here before, by name and by number;
what lies open at the same place and is the same kind of matter; and what was offered is kept beside what was chosen."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from protocol.commands import CloseDispute, CorrectParty, Party, VoidDispute
from protocol.events import facts_of
from protocol.node.web.hints import places
from protocol.node.web.unsaved import NOT_KEPT
from protocol.tables import Tables
from tests.edge.pages_kit import JSON, at, form_of
from tests.edge.rig import VILLAGE, Rig
from tests.node.desk_kit import new_id

TABLES = Tables.packaged()
TOWN = "330523/330523111"


def ledgers() -> list[tuple[str, object]]:
    return [(TOWN, "本级"), *((path, TABLES.place_name(path)) for path in TABLES.children(TOWN))]


def test_a_place_that_is_named_is_offered_as_where_it_belongs() -> None:
    first, second = TABLES.children(TOWN)[:2]
    words = f"{TABLES.place_name(first)}的人到{TABLES.place_name(second)}来修水渠，两边都说占了自己的地。"
    assert {one.value for one in places(words, ledgers(), TABLES)} == {first, second}
    assert all(one.name == "ledger" and one.words[0] in words for one in places(words, ledgers(), TABLES))
    assert places("两家的水沟堵了。", ledgers(), TABLES) == []
    assert places(f"{TABLES.place_name(TOWN)}来的人", ledgers(), TABLES) == []


def test_places_in_groups_are_offered_too() -> None:
    children = TABLES.children(TOWN)
    grouped = [
        ("330523", "本级"),
        (TABLES.place_name(TOWN), [(TOWN, TABLES.place_name(TOWN)), *((p, TABLES.place_name(p)) for p in children)]),
    ]
    (one,) = places(f"家住{TABLES.place_name(children[3])}", grouped, TABLES)
    assert one.value == children[3]


# ── with a node behind them ──

WALL = "东邻新砌的围墙占了滴水巷半尺，雨水都流到我家墙根，说了几次不肯拆。"


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    yield made
    await made.close()


async def asked(rig: Rig, kind: str, **form: Any) -> dict[str, Any]:
    async with at(rig, kind) as client:
        answer = await client.post("/cases/hints", data=form, headers=JSON)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def closed(rig: Rig, story: int = 0, **more: Any) -> str:
    subject = await rig.log("village", story, **more)
    await rig.say("village", CloseDispute(id=new_id(), case=subject, ending="withdrawn", result="说和了。"))
    return subject


def of(found: dict[str, Any], who: str) -> dict[str, Any]:
    return next(one for one in found["known"] if one["typed"] == who)


async def test_who_came_before_is_shown_with_what_is_over(rig: Rig) -> None:
    over = [await closed(rig) for _ in range(4)]
    still = await rig.log("village")
    one = of(await asked(rig, "village", party_name="叶根土", party_side="applicant"), "叶根土")
    assert [case["subject"] for case in one["open"]] == [still]
    assert one["over_total"] == 4 and [case["subject"] for case in one["over"]] == over[:0:-1], "the newest three"
    assert all(case["status"] == "closed" and case["logged_ms"] for case in one["over"])
    async with at(rig, "village") as client:
        page = (await client.post("/cases/hints", data={"party_name": "叶根土", "party_side": "applicant"})).text
    assert "叶根土 以前来过 4 件，最近的：" in page and "（已办结，今天登记）" in page and "有没办结的：" in page


async def test_a_number_finds_who_gives_another_name(rig: Rig) -> None:
    card = "330523197001011239"
    first = await closed(rig, parties=[Party("叶根土", phone="138-0000 1234"), Party("叶根水", side="respondent", id_number=card)])
    found = await asked(rig, "village", party_name="叶阿土", party_phone="13800001234", party_side="applicant")
    assert [case["subject"] for case in of(found, "13800001234")["over"]] == [first]
    found = await asked(rig, "village", party_name="水哥", party_id_number=card, party_side="respondent")
    assert [case["subject"] for case in of(found, card)["over"]] == [first]
    assert not (await asked(rig, "village", party_name="叶阿土", party_phone="110"))["known"], "nobody's own number"
    named = await asked(rig, "village", party_name="叶根土", party_phone="13800001234")
    assert [one["typed"] for one in named["known"]] == ["叶根土"], "each case once"
    old = (await rig.case("village", first)).parties[0]
    corrected = Party(old.name, phone="13700000000")
    await rig.say("village", CorrectParty(id=new_id(), case=first, party_id="p1", party=corrected, reason="写错了"))
    assert not (await asked(rig, "village", party_name="叶阿土", party_phone="13800001234"))["known"], "a number that stands there no more"


async def test_what_is_no_case_of_his_is_not_counted(rig: Rig) -> None:
    slip = await rig.log("village")
    await rig.say("village", VoidDispute(id=new_id(), case=slip, reason="登重了"))
    await rig.log("village", 1, account="叶根土说要去何家评理，没有别的事。")  # named in the words, no party
    assert not (await asked(rig, "village", party_name="叶根土"))["known"]


async def test_only_what_the_office_may_see_is_known(rig: Rig) -> None:
    await rig.log("town", ledger=TOWN)
    await rig.everywhere()
    assert of(await asked(rig, "town", party_name="叶根土"), "叶根土")["open"]
    assert not (await asked(rig, "village", party_name="叶根土", party_phone="13800001234"))["known"]


async def test_an_open_case_of_the_same_place_and_kind_is_shown(rig: Rig) -> None:
    kin = [await rig.log("village", 0) for _ in range(3)]  # 0204
    told = await rig.log("village", 3, account=WALL, parties=[Party("潘建林")])  # another type, nearly the same words
    await rig.log("village", 1)
    over = await closed(rig, 0, account=WALL)
    found = await asked(rig, "village", account=WALL, type="0204")
    assert len(found["alike"]) == 2 and found["alike"][0]["subject"] == told and found["alike"][1]["subject"] == kin[-1]
    assert over not in [one["subject"] for one in found["alike"]]
    assert (await asked(rig, "village", account=WALL))["alike"], "the likeliest type that is offered will do"
    assert not (await asked(rig, "village", account="今天天气不错，到村里坐坐，没有什么事情。"))["alike"], "no type, no guess"
    named = await asked(rig, "village", account=WALL, type="0204", party_name="潘建林")
    assert told not in [one["subject"] for one in named["alike"]], "shown above already"


async def test_nothing_alike_before_the_place_is_known(rig: Rig) -> None:
    subject = await rig.log("village", 0)
    await rig.everywhere()
    assert not (await asked(rig, "town", account=WALL, type="0204", ledger=TOWN))["alike"]
    found = await asked(rig, "town", account=WALL, type="0204", ledger=VILLAGE)
    assert [one["subject"] for one in found["alike"]] == [subject]
    said = await asked(rig, "town", account=f"{TABLES.place_name(VILLAGE)}的事：{WALL}", type="0204", ledger=TOWN)
    assert [one["subject"] for one in said["alike"]] == [subject], "as the words say"


async def test_what_was_offered_and_what_was_chosen_stand_in_the_entry(rig: Rig) -> None:
    words = f"{TABLES.place_name(VILLAGE)}新砌的围墙占了半尺，两家动手了，他扬言要砍人"
    async with at(rig, "town") as client:
        form = form_of((await client.get("/cases/new")).text, "log") | {"account": words, "party_name": ["叶根土", ""]}
        shown = (await client.post("/cases/hints", data=form)).text
        told = next(part.split('"')[0] for part in shown.split('name="suggested" value="')[1:])
        saved = await client.post(
            "/cases", data=form | {"suggested": told, "type": "0204", "ledger": VILLAGE, "risk": "yellow"}, headers=JSON
        )
        assert saved.status_code == 201, saved.text
    (logged, *_) = await rig.web("town").journal.subject(saved.json()["case"])
    facts = facts_of(logged.head)
    assert set(facts.suggested.split()) >= {"0204", f"ledger:{VILLAGE}", "risk:red"}, "what was offered"
    assert (facts.type, facts.risk, logged.head.ledger) == ("0204", "yellow", VILLAGE), "what was chosen"


LAND = "征地的补偿款、青苗费被他贪污了，安置房也先分给他亲戚，集体分配没有我家户口的份。"


async def test_a_village_is_offered_where_in_it_and_only_while_nothing_stands_there(rig: Rig) -> None:
    wall = f"三组 12 号：{WALL}"
    (offered,) = [one for one in (await asked(rig, "village", account=wall))["offered"] if one["name"] == "place_text"]
    assert (offered["value"], offered["label"]) == ("三组 12 号", "在三组 12 号")
    assert not [one for one in (await asked(rig, "village", account=wall, place_text="田头"))["offered"] if one["name"] == "place_text"]
    async with at(rig, "village") as client:
        page = (await client.post("/cases/hints", data={"account": wall}, headers={"HX-Request": "true"})).text
    assert 'data-set="place_text" value="三组 12 号"' in page
    assert page.count("三组 12 号") == 3 and "spot" in re.search(r'name="suggested" value="([^"]*)"', page)[1], "its words are in no fact"


async def test_an_accusation_among_other_matters_is_said_and_kept_in_no_field_of_any_form(rig: Rig) -> None:
    assert (await asked(rig, "village", account=f"村主任的事：{LAND}"))["accuses"]
    assert not (await asked(rig, "village", account=LAND.replace("贪污", "拿走")))["accuses"]
    unsaved, person = rig.web("village").unsaved, rig.persons["village"][0]
    async with at(rig, "village") as client:
        for step, field in (
            ("EscalateDispute", "reason"),
            ("EscalateDispute", "tried"),
            ("CloseDispute", "result"),
            ("SignAgreement", "facts"),
        ):
            draft = {"form": f"/cases/{'0' * 32}/{step} ", "tab": field, "command": new_id(), "fields": [[field, "水沟堵了。"]]}
            assert "kept" in (await client.post("/drafts", json=draft, headers=JSON)).json()
            told = await client.post("/drafts", json=draft | {"fields": [[field, LAND]], "turn": 1}, headers=JSON)
            assert told.json() == {"sealed": True, "sentence": NOT_KEPT, "to": ""}
    assert await unsaved.of(person) == [], "wiped where it was"
