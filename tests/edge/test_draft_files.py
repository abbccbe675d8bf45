"""The files that a draft names: given back to whoever is given the draft, and to nobody else; what is gone is said by name."""

import json
import re
import time
from hashlib import sha256

from protocol.problem import Refused
from tests.edge.pages_kit import JSON, at, form_of
from tests.edge.rig import Rig
from tests.edge.test_files_browser import picture
from tests.edge.test_whose import OTHER, post_of_the_village, second_clerk
from tests.kit.source import ROOT
from tests.node.desk_kit import new_id

PHOTO, PAPER = picture(40), b"%PDF-1.7 a paper of the land office"


def about(plain: bytes, name: str) -> dict[str, object]:
    return {"sum": sha256(plain).hexdigest(), "size": len(plain), "name": name, "mime": "image/png"}


async def send(client, plain: bytes, name: str) -> str:
    """Returns the field that names it."""
    one = about(plain, name)
    assert (await client.post("/uploads", json=one, headers=JSON)).status_code == 200
    assert (await client.put(f"/uploads/{one['sum']}?size={one['size']}&offset=0", content=plain, headers=JSON)).status_code == 200
    return json.dumps({**one, "what": "photo", "thumb": ""})


async def keep(client, fields: list[list[str]], form: str = "/cases ", command: str = "") -> dict[str, object]:
    draft = {"form": form, "tab": "yidi-1", "command": command or new_id(), "turn": time.time_ns(), "fields": fields}
    answer = await client.post("/drafts", json=draft, headers=JSON)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def found(client, form: str = "/cases ") -> dict[str, list]:
    return (await client.post("/drafts/find", json={"forms": [form]}, headers=JSON)).json()


def where(plain: bytes) -> str:
    return f"/drafts/uploads/{sha256(plain).hexdigest()}?size={len(plain)}"


async def test_a_picture_is_given_to_whoever_has_the_draft_and_kept_by_no_browser(rig: Rig):
    await second_clerk(rig)
    async with at(rig, "village") as client, at(rig, "village", "lihong") as other, at(rig, "village", "-") as nobody:
        field, paper = await send(client, PHOTO, "界石.png"), await send(client, PAPER, "批文.pdf")
        assert (await client.get(where(PHOTO), headers=JSON)).status_code == 404, "no draft names it"
        await keep(client, [["account", "水沟堵了"], ["upload", field], ["upload", paper]])
        shown = await client.get(where(PHOTO))
        assert (shown.content, shown.headers["content-type"]) == (PHOTO, "image/png")
        assert "no-store" in shown.headers["cache-control"] and "default-src 'none'" in shown.headers["content-security-policy"]
        assert (await client.get(where(PAPER), headers=JSON)).status_code == 404, "no picture"
        await keep(other, [["account", "别的"], ["upload", field]])  # whoever knows its sum
        assert (await other.get(where(PHOTO), headers=JSON)).status_code == 404
        assert (await nobody.get(where(PHOTO), headers=JSON)).status_code == 401
        await client.post("/drafts/drop", json={"form": "/cases ", "tab": "yidi-1"}, headers=JSON)
        assert (await client.get(where(PHOTO), headers=JSON)).status_code == 404


async def test_a_picture_of_one_office_is_shown_to_no_other_post_of_the_person(rig: Rig):
    await post_of_the_village(rig)
    first = rig.persons["town"][1]
    async with at(rig, "town") as client:
        await client.post("/post", data={"post": first})
        await keep(client, [["upload", await send(client, PHOTO, "界石.png")]])
        assert (await client.get(where(PHOTO))).status_code == 200
        await client.post("/post", data={"post": OTHER})
        assert (await client.get(where(PHOTO), headers=JSON)).status_code == 404


async def test_what_ran_out_of_its_days_is_named(rig: Rig):
    async with at(rig, "village") as client:
        fields = [
            ["upload", await send(client, PHOTO, "界石.png")],
            ["upload", await send(client, PAPER, "批文.pdf")],
            ["upload", "no JSON"],
        ]
        await keep(client, [["account", "水沟堵了"], *fields])
        assert (await found(client))["drafts"][0]["fields"] == [["account", "水沟堵了"], *fields[:2]]
        one = about(PAPER, "")
        await rig.web("village").node.uploads.drop(rig.persons["village"][0], str(one["sum"]), len(PAPER))
        assert (await found(client))["drafts"][0]["fields"] == [["account", "水沟堵了"], fields[0], ["lost", "批文.pdf"]]
        assert "附件 2 个" not in (await client.get("/today")).text, "words come first"
        await keep(client, fields[:1])
        assert "附件 1 个" in (await client.get("/today")).text


async def test_a_form_of_files_alone_is_no_draft_once_all_of_them_are_attached(rig: Rig):
    subject, command = await rig.log("village"), new_id()
    form = f"/cases/{subject}/files "
    async with at(rig, "village") as client:
        fields = [["note", "界石在哪里"], ["upload", await send(client, PHOTO, "一.png")], ["upload", await send(client, PAPER, "二.pdf")]]
        await keep(client, fields, form, command)
        assert "加附件" in (await client.get("/today")).text
        opened = await client.get("/drafts/open", params={"of": form, "tab": "yidi-1"})
        assert opened.headers["location"] == f"/cases/{subject}"
        sent = {"command_id": command, "note": "界石在哪里", "upload": [fields[1][1]]}
        assert (await client.post(f"/cases/{subject}/files", data=sent, headers=JSON)).status_code == 201
        assert (await found(client, form))["saved"] == [], "the second one is not there"
        sent["upload"] = [value for _, value in fields[1:]]
        await send(client, PHOTO, "一.png")
        assert (await client.post(f"/cases/{subject}/files", data=sent, headers=JSON)).status_code == 201
        assert [one["form"] for one in (await found(client, form))["saved"]] == [form]
        assert (await found(client, form))["drafts"] == []


async def test_what_is_taken_out_of_a_form_that_half_came_through_makes_no_other_file_it(rig: Rig):
    """One of two is attached, the answer is lost; the clerk sees it in the case, takes it out of the form and presses again."""
    subject, command = await rig.log("village"), new_id()
    form = f"/cases/{subject}/files "
    async with at(rig, "village") as client:
        first, second = await send(client, PHOTO, "一.png"), await send(client, PAPER, "二.pdf")
        await client.post(f"/cases/{subject}/files", data={"command_id": command, "upload": [first]}, headers=JSON)
        await keep(client, [["upload", second]], form, command)
        assert (await found(client, form))["saved"] == []
        sent = await client.post(f"/cases/{subject}/files", data={"command_id": command, "upload": [second]}, headers=JSON)
        assert sent.status_code == 201 and len((await rig.case("village", subject)).blobs) == 2
        assert [one["form"] for one in (await found(client, form))["saved"]] == [form]


async def test_a_new_case_whose_files_are_not_all_attached_is_still_a_draft(rig: Rig):
    command = new_id()
    async with at(rig, "village") as client:
        page = form_of((await client.get("/cases/new")).text, "log")
        field = await send(client, PHOTO, "界石.png")
        typed = page | {"command_id": command, "account": "水沟堵了。", "party_name": ["何水法", ""]}
        saved = await client.post("/cases", data=typed, headers=JSON)  # the power went before the photo's entry was written
        assert saved.status_code == 201, saved.text
        await keep(client, [["account", "水沟堵了。"], ["upload", field]], command=command)
        assert (await found(client))["saved"] == [], "its photo is not there"
        again = await client.post("/cases", data=typed | {"upload": field}, headers=JSON)
        assert again.status_code == 201 and len((await rig.case("village", again.json()["case"])).blobs) == 1
        assert [one["form"] for one in (await found(client))["saved"]] == ["/cases "]


async def test_an_accusation_in_a_step_leads_to_sealing_that_case_whoever_may(rig: Rig):
    subject = await rig.log("village")
    await rig.everywhere()

    async def told(client, form: str) -> tuple[object, bool]:
        said = await keep(client, [["text", "我要举报村主任贪污征地款。"]], form)
        assert "kept" not in said and "这一稿没有存" in str(said["sentence"])
        return said["to"], "改为密封" in str(said["sentence"])

    async with at(rig, "village") as client, at(rig, "town") as above:
        assert await told(client, f"/cases/{subject}/AddNote ") == (f"/cases/{subject}/seal", True)
        assert await told(above, f"/cases/{subject}/AddNote ") == ("", False), "not the holder"
        assert await told(client, "/cases ") == ("", False), "of no case"
        assert await told(client, f"/cases/{new_id()}/AddNote ") == ("", False)
    assert await rig.web("village").node.unsaved.of(rig.persons["village"][0]) == []


def test_no_form_that_is_guarded_lets_the_browser_keep_what_stands_in_it():
    """tests/edge/test_profile_browser.py looks into the browser's files; this says which template forgot it."""
    for path in [path for side in ("protocol/node", "edge", "hub") for path in (ROOT / side / "web/templates").rglob("*.html")]:
        text = path.read_text()
        for word in ("data-guard", "data-asks"):
            assert len(re.findall(rf" {word}[ >{{]", text)) == text.count(f' {word} autocomplete="off"'), f"{path}: {word}"


async def test_a_file_that_the_form_carries_itself_is_attached_whatever_was_attached_of_it_before(rig: Rig, monkeypatch):
    """A plain http page: of two files one is attached, the store is busy at the other; the clerk sees the first in the case and chooses the other alone."""
    subject, command = await rig.log("village"), new_id()
    form, address = f"/cases/{subject}/files ", f"/cases/{subject}/files"
    desk = rig.web("village").node.desk
    submit, named = desk.submit, []

    async def busy_at_the_second(command, actor):
        named.append(command.blob.name)
        if len(named) == 2:
            raise Refused("store_busy")
        return await submit(command, actor)

    first, second = ("files", ("一.png", PHOTO, "image/png")), ("files", ("二.pdf", PAPER, "application/pdf"))
    async with at(rig, "village") as client:
        await keep(client, [["unsent", "一.png"], ["unsent", "二.pdf"]], form, command)
        monkeypatch.setattr(desk, "submit", busy_at_the_second)
        assert (await client.post(address, data={"command_id": command}, files=[first, second], headers=JSON)).status_code == 503
        assert (await found(client, form))["saved"] == [], "the second one is not there"
        await keep(client, [["unsent", "二.pdf"]], form, command)
        assert (await found(client, form))["saved"] == [], "nor is it when it stands there alone"
        for _ in range(2):  # the answer got lost
            assert (await client.post(address, data={"command_id": command}, files=[second], headers=JSON)).status_code == 201
            assert [one.blob.name for one in (await rig.case("village", subject)).blobs] == ["一.png", "二.pdf"]
        assert [one["form"] for one in (await found(client, form))["saved"]] == [form]
