"""A page is its person's: what it sends after somebody else has signed in at that computer is refused with both names, and loses nothing."""

import json
import re
from html import unescape

from protocol.commands import EndPost, GivePost, Party
from tests.edge.pages_kit import HTMX, JSON, at, form_of
from tests.edge.rig import PASSWORD, Rig
from tests.node.desk_kit import TOWN, VILLAGE, add_person, new_id

WORDS = "两家的水沟堵了，都说是对方倒的土。"
NAMES = ("王芳打开的", "现在登录的是李红", "什么也没有存下")


async def second_clerk(rig: Rig) -> str:
    """李红 of the same village; the person's id."""
    web = rig.web("village")
    person, _ = await add_person(web.node, "李红", "clerk")
    await web.people.add_account("lihong", person, PASSWORD, rig.county.clock())
    return person


def note(page: str) -> dict:
    return {**form_of(page, "form-AddNote"), "text": WORDS}


async def test_every_form_that_is_sent_says_for_whom_it_was_made(rig: Rig):
    subject = await rig.log("village")
    mine = rig.persons["village"][0]
    async with at(rig, "village") as client:
        for path in ("/desk", "/today", f"/cases/{subject}", f"/cases/{subject}/parties", "/stick", "/people", f"/cases/{subject}/peek"):
            page = (await client.get(path, headers=HTMX if path.endswith("peek") else {})).text
            posts = re.findall(r'<form\b[^>]*method="post".*?</form>', page, re.DOTALL)
            assert posts or path.endswith("peek"), path
            assert all(form.count(f'<input type="hidden" name="page_person" value="{mine}">') == 1 for form in posts), path
            assert f'<body data-person="{mine}"' in page or path.endswith("peek")


async def test_what_another_persons_page_sends_is_not_done(rig: Rig):
    await second_clerk(rig)
    subject = await rig.log("village")
    mine = {"Yidi-Person": rig.persons["village"][0]}
    async with at(rig, "village") as client:
        page = (await client.get(f"/cases/{subject}")).text
    async with at(rig, "village", "lihong") as client:
        for headers, form in ((mine, {**note(page), "page_person": ""}), ({}, note(page))):  # a page with scripts of today, and of before
            got = await client.post(f"/cases/{subject}/AddNote", data=form, headers={**HTMX, **headers})
            assert (got.status_code, got.headers["hx-reswap"]) == (409, "afterbegin"), "above what was typed, never in its place"
            assert all(words in got.text for words in NAMES)
        asked = await client.post("/drafts", content=json.dumps({}), headers={**JSON, **mine})
        assert (asked.status_code, asked.json()["code"]) == (409, "page_of_another")
        assert (await client.get("/stream?view=frame", headers=mine)).status_code == 409
        row = await client.get(f"/cases/{subject}/peek", headers={**HTMX, **mine})
        assert (row.status_code, row.headers["hx-retarget"]) == (409, "#trouble")
        assert [line.kind for line in (await rig.case("village", subject)).lines] == ["DisputeLogged"]
        for path, form in (("/theme", {"theme": "dark"}), ("/language", {"language": "en"}), ("/sign-out", {})):
            assert (await client.post(path, data=form, headers=mine)).status_code == 303, "these are nobody's"


async def test_a_page_that_says_nothing_and_ones_own_are_served_as_before(rig: Rig):
    subject = await rig.log("village")
    async with at(rig, "village") as client:
        form = note((await client.get(f"/cases/{subject}")).text)
        assert form["page_person"] == rig.persons["village"][0]
        said = await client.post(f"/cases/{subject}/AddNote", data=form, headers={**HTMX, "Yidi-Person": form["page_person"]})
        assert said.status_code == 200
        del form["page_person"]
        assert (await client.post(f"/cases/{subject}/AddNote", data={**form, "command_id": new_id()}, headers=HTMX)).status_code == 200
    assert [line.kind for line in (await rig.case("village", subject)).lines] == ["DisputeLogged", "NoteAdded", "NoteAdded"]


async def test_a_form_without_scripts_waits_for_its_own_person(rig: Rig):
    await second_clerk(rig)
    subject = await rig.log("village", parties=[Party("叶根土")])
    async with at(rig, "village") as client:
        page = (await client.get(f"/cases/{subject}")).text
    async with at(rig, "village", "lihong") as client:
        got = await client.post(f"/cases/{subject}/AddNote", data=note(page))
        assert got.status_code == 409
        assert all(words in got.text for words in NAMES)
        assert f"<dd>{WORDS}</dd>" in got.text, "it can be read, and copied"
        carry = unescape(re.search(r'name="carry" value="([^"]*)"', got.text)[1])
        client.cookies.clear()
        other = await client.post("/sign-in", data={"name": "lihong", "password": PASSWORD, "carry": carry})
        assert (other.status_code, "set-cookie" in other.headers) == (409, False)
        assert "要王芳来登录" in other.text
        assert f"<dd>{WORDS}</dd>" in other.text
        assert unescape(re.search(r'name="carry" value="([^"]*)"', other.text)[1]) == carry
        own = await client.post("/sign-in", data={"name": "wangfang", "password": PASSWORD, "carry": carry})
        assert own.status_code == 200
        assert form_of(own.text, "form-AddNote")["text"] == WORDS
    assert [line.kind for line in (await rig.case("village", subject)).lines] == ["DisputeLogged"]


async def test_an_accusation_is_shown_but_carried_to_nobody(rig: Rig):
    await second_clerk(rig)
    async with at(rig, "village", "lihong") as client:
        form = {"account": WORDS, "accused": "某某", "page_person": rig.persons["village"][0]}
        got = await client.post("/seal", data=form)
        assert (got.status_code, 'name="carry"' in got.text, f"<dd>{WORDS}</dd>" in got.text) == (409, False, True)


async def test_a_session_that_ended_is_gone_on_with_by_the_same_person_alone(rig: Rig):
    await second_clerk(rig)
    subject = await rig.log("village")
    async with at(rig, "village") as client:
        page = (await client.get(f"/cases/{subject}")).text
        client.cookies.clear()
        asked = await client.post(f"/cases/{subject}/AddNote", data=note(page))
        carry = unescape(re.search(r'name="carry" value="([^"]*)"', asked.text)[1])
        other = await client.post("/sign-in", data={"name": "lihong", "password": PASSWORD, "carry": carry})
        assert (other.status_code, "要王芳来登录" in other.text) == (409, True)
        whose = {**HTMX, "Yidi-Person": rig.persons["village"][0]}
        dialog = await client.post("/sign-in", data={"name": "lihong", "password": PASSWORD}, headers=whose)
        assert (dialog.status_code, "set-cookie" in dialog.headers, "hx-trigger" in dialog.headers) == (409, False, False)
        assert "要王芳来登录" in dialog.text
        assert (await client.get("/today")).status_code == 303, "nobody is signed in"
        own = await client.post("/sign-in", data={"name": "wangfang", "password": PASSWORD}, headers=whose)
        assert (own.status_code, own.headers["hx-trigger"]) == (200, "yidi:signed-in")


async def test_a_draft_of_one_page_is_never_another_persons(rig: Rig):
    other = await second_clerk(rig)
    draft = {"form": "/cases ", "tab": "yidi-1", "command": new_id(), "turn": 1, "unsure": False, "fields": [["account", WORDS]]}
    mine = {**JSON, "Yidi-Person": rig.persons["village"][0]}
    async with at(rig, "village", "lihong") as client:
        assert (await client.post("/drafts", content=json.dumps(draft), headers=mine)).status_code == 409
        assert await rig.nodes["village"].unsaved.of(other) == []
    async with at(rig, "village") as client:
        assert (await client.post("/drafts", content=json.dumps(draft), headers=mine)).status_code == 200


# ── one person, two posts ──

OTHER = "clerk.0000000a"


async def post_of_the_village(rig: Rig) -> None:
    """沈国强 of the township is clerk of a village of it, too."""
    node, person = rig.nodes["town"].node, rig.persons["town"][0]
    await node.say(GivePost(id=new_id(), post=OTHER, person=person, office=VILLAGE, title="网格员"), node.actor("admin", TOWN))


async def carried_by(client, path: str, form: dict) -> tuple[str, str]:
    """(the page that answers, what it holds for the sign-in)."""
    got = await client.post(path, data=form)
    assert got.status_code == 409, got.text
    return got.text, unescape(re.search(r'name="carry" value="([^"]*)"', got.text)[1])


async def test_what_a_page_of_another_post_of_the_same_person_sends_is_not_done(rig: Rig):
    await post_of_the_village(rig)
    person, first = rig.persons["town"]
    async with at(rig, "town") as client:
        await client.post("/post", data={"post": first})
        page = (await client.get("/cases/new")).text
        assert f'data-post="{first}"' in page
        form = {**form_of(page, "log"), "account": WORDS, "party_name": ["叶根土", ""]}
        assert (form["page_person"], form["page_post"]) == (person, first)
        assert (await client.post("/post", data={"post": OTHER})).status_code == 303
        headers = {"Yidi-Person": person, "Yidi-Post": first}
        got = await client.post("/cases", data=form, headers={**HTMX, **headers})
        assert got.status_code == 409 and "data-again" in got.text
        assert "天子湖镇" in got.text and "网格员" in got.text and "什么也没有存下" in got.text
        draft = {"form": "/cases ", "tab": "yidi-1", "command": new_id(), "turn": 1, "fields": [["account", WORDS]]}
        assert (await client.post("/drafts", json=draft, headers={**JSON, **headers})).json()["code"] == "page_of_post"
        assert (await client.get("/stream?view=frame", headers=headers)).status_code == 409
        text, carry = await carried_by(client, "/cases", form)
        assert f"<dd>{WORDS}</dd>" in text and "登录，写的会原样回来" in text
        own = await client.post("/sign-in", data={"name": "shen", "password": PASSWORD, "carry": carry})
        assert form_of(own.text, "log")["account"] == WORDS and f'data-post="{first}"' in own.text, "by the post it was opened by"
        assert (await client.post("/cases", data=form, headers={**HTMX, **headers})).status_code == 200
    (case,) = (await rig.web("town").reads.cases(rig.actor("town"))).rows
    assert case.logged_office == TOWN


async def test_the_dialog_of_a_page_goes_on_by_its_post_and_an_ended_one_keeps_the_words(rig: Rig):
    await post_of_the_village(rig)
    node, (person, first) = rig.nodes["town"].node, rig.persons["town"]
    async with at(rig, "town") as client:
        await client.post("/post", data={"post": first})
        form = {**form_of((await client.get("/cases/new")).text, "log"), "account": WORDS}
        await client.post("/post", data={"post": OTHER})
        whose = {**HTMX, "Yidi-Person": person, "Yidi-Post": first}
        assert (await client.post("/sign-in", data={"name": "shen", "password": PASSWORD}, headers=whose)).status_code == 200
        assert f'data-post="{first}"' in (await client.get("/today")).text
        await client.post("/post", data={"post": OTHER})
        _, carry = await carried_by(client, "/cases", form)
        await node.say(EndPost(id=new_id(), post=first, office=TOWN, reason="换届"), node.actor("admin", TOWN))
        over = await client.post("/sign-in", data={"name": "shen", "password": PASSWORD, "carry": carry})
        assert over.status_code == 200 and f"<dd>{WORDS}</dd>" in over.text and "没办成的一步" in over.text


async def test_a_draft_of_one_office_is_brought_back_for_no_other(rig: Rig):
    await post_of_the_village(rig)
    first = rig.persons["town"][1]
    draft = {"form": "/cases ", "tab": "yidi-1", "command": new_id(), "turn": 1, "fields": [["account", WORDS], ["ledger", TOWN]]}

    async def found(client) -> list[str]:
        asked = await client.post("/drafts/find", json={"forms": ["/cases "]}, headers=JSON)
        assert (WORDS in (await client.get("/today")).text) == bool(asked.json()["drafts"])
        return [one["fields"][1][1] for one in asked.json()["drafts"]]

    async with at(rig, "town") as client:
        await client.post("/post", data={"post": first})
        await client.post("/drafts", json=draft, headers=JSON)
        await client.post("/post", data={"post": OTHER})
        assert await found(client) == []
        mine = {**draft, "fields": [["account", WORDS], ["ledger", VILLAGE]]}
        await client.post("/drafts", json=mine, headers=JSON)  # in the same tab
        assert await found(client) == [VILLAGE]
        await client.post("/drafts/drop", json={"form": "/cases ", "tab": "yidi-1"}, headers=JSON)
        assert await found(client) == []
        await client.post("/post", data={"post": first})
        assert await found(client) == [TOWN], "nothing is lost"
