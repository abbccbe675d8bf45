"""Forms that were not sent, or were sent when the session had ended: 今天 leads to each of them, and nothing that was typed is lost."""

import html
import re
from urllib.parse import urlencode

import msgspec
import pytest

from protocol.commands import RecallTask
from protocol.entry import derive
from protocol.node.unsaved import Draft
from tests.hub_pages.world import JSON, PASSWORD, Hub
from tests.node.desk_kit import new_id

WORDS = "写到一半的一句话"
HTML = {"accept": "text/html"}


async def kept(hub: Hub, form: str, field: str) -> None:
    draft = {"form": form, "tab": "a tab", "command": new_id(), "fields": [[field, WORDS]]}
    answer = await hub.client.post("/drafts", json=draft, headers=JSON)
    assert answer.status_code == 200, answer.text


async def test_a_form_comes_back_without_the_post_that_its_page_was_made_for(hub: Hub):
    """Else it is refused for good after another post of the person was chosen. Kept by a program of today, and of before."""
    form, person = "/cases/1/AddParty ", await hub.person("卞主任")
    fields = [("page_person", person), ("page_post", "operator.00000000"), ("reason", WORDS)]
    draft = Draft(form, "a tab", new_id(), fields)
    assert (await hub.client.post("/drafts", json=msgspec.to_builtins(draft), headers=JSON)).status_code == 200
    await hub.root.unsaved.keep(person, msgspec.structs.replace(draft, tab="another"))
    found = (await hub.client.post("/drafts/find", json={"forms": [form]}, headers=JSON)).json()["drafts"]
    assert [one["fields"] for one in found] == [[["reason", WORDS]]] * 2


@pytest.mark.parametrize(
    ("action", "field", "name"),
    [
        ("/cases", "account", "登记纠纷"),
        ("/cases/{case}/AddNote", "text", "备注"),
        ("/cases/{case}/AssignTask", "purpose", "派干部"),
        ("/cases/{case}/TransferDispute", "reason", "转办"),
        ("/cases/{case}/RequestTask", "purpose", "请别处协助"),
        ("/cases/{case}/AddParty", "name", "加当事人"),
        ("/cases/{case}/CorrectParty", "reason", "更正当事人"),
        ("/tasks/{task}/TellTask", "text", "留言"),
        ("/tasks/{task}/ask/RecallTask", "reason", "撤回派单"),
    ],
)
async def test_what_is_half_written_is_on_today_and_leads_to_its_form(hub: Hub, action: str, field: str, name: str):
    action = action.format(case=hub.cases["田埂地界"], task=await hub.send() if "{task}" in action else "")
    await kept(hub, f"{action} {'p1' if action.endswith('CorrectParty') else ''}", field)
    today = (await hub.client.get("/today")).text
    halves = today[today.index('id="today-halves"') :]
    address, words = re.search(r'<a href="([^"]+)"[^>]*>([^<]+)', halves).groups()
    assert (words.strip(), WORDS in halves) == (name, True)
    page = await hub.client.get(html.unescape(address), follow_redirects=True)
    assert page.status_code == 200
    assert f'action="{action}"' in page.text


async def test_a_case_that_moved_on_has_no_form_to_transfer_it_and_the_words_are_read(hub: Hub):
    case = await hub.handed_down("田埂地界")
    await kept(hub, f"/cases/{case}/TransferDispute ", "reason")
    page = await hub.client.get("/drafts/open", params={"of": f"/cases/{case}/TransferDispute ", "tab": "a tab"}, follow_redirects=True)
    assert (WORDS in page.text, "不要了" in page.text) == (True, True)


async def test_a_visit_that_was_recalled_for_another_still_gets_one(hub: Hub):
    """The recall was written, the new task not: the form goes on by its command, from 今天 and after signing in anew."""
    task, command = await hub.send(), new_id()
    action = f"/tasks/{task}/ask/ReassignTask"
    recall = RecallTask(id=derive(command, "reassign recall"), task=task, reason="改派给陈立新")
    await hub.root.say(recall, hub.actor())
    draft = {"form": f"{action} ", "tab": "a tab", "command": command, "fields": [["command_id", command], ["reason", WORDS]]}
    assert (await hub.client.post("/drafts", json=draft, headers=JSON)).status_code == 200
    page = await hub.client.get("/drafts/open", params={"of": f"{action} ", "tab": "a tab"}, follow_redirects=True)
    for text in (page.text, await carried(hub, action, {"command_id": command, "reason": WORDS})):
        assert (f'action="{action}"' in text, command in text, "还没有派给新的人" in text) == (True, True, True)


async def carried(hub: Hub, path: str, sent: dict[str, object], **more: object) -> str:
    """The page after signing in again, of a form that was sent without a session."""
    hub.client.cookies.clear()
    over = await hub.client.post(path, data=sent, headers=HTML, **more)
    assert over.status_code == 401
    assert "您写的内容还在" in over.text
    carry = html.unescape(re.search(r'name="carry" value="([^"]*)"', over.text)[1])

    signed = await hub.client.post("/sign-in", data={"name": "operator", "password": PASSWORD, "carry": carry}, headers=HTML)
    assert signed.status_code == 200, signed.headers
    return signed.text


def sent_again(page: str) -> tuple[str, str]:
    """(where to, the body) of what the page sends with one press."""
    form = re.search(r'<form method="post" action="([^"]+)">(.*?)</form>', page[page.index("还没有发出</h1>") :], re.DOTALL)
    pairs = re.findall(r'name="([^"]+)" value="([^"]*)"', form[2])
    return html.unescape(form[1]), urlencode([(name, html.unescape(value)) for name, value in pairs])


async def test_a_person_who_was_typed_as_the_session_ended_is_registered_with_one_press(hub: Hub):
    office = (await hub.get("/people"))["people"][0]["office"]
    form = {"command_id": new_id(), "name": "计红梅", "phone": "13800002222", "office": office, "kind": "operator", "title": "<值班>"}
    page = await carried(hub, "/people", form)
    assert ("计红梅" in page, "13800002222" in page, "&lt;值班&gt;" in page) == (True, True, True)
    assert "计红梅" not in [row["name"] for row in (await hub.get("/people"))["people"]]
    path, body = sent_again(page)
    headers = {**HTML, "content-type": "application/x-www-form-urlencoded"}
    assert (await hub.client.post(path, content=body, headers=headers)).status_code in (200, 303)
    assert "计红梅" in [row["name"] for row in (await hub.get("/people"))["people"]]


async def test_a_file_that_was_chosen_has_to_be_chosen_again_and_that_is_said(hub: Hub):
    case = hub.cases["田埂地界"]
    files = {"file": ("地界.txt", b"a", "text/plain")}
    page = await carried(hub, f"/cases/{case}/files", {"command_id": new_id(), "note": WORDS}, files=files)
    assert ("选的文件没有收到" in page, WORDS in page, f'href="/cases/{case}"' in page) == (True, True, True)
    assert "现在发出" not in page


async def test_a_dispatch_comes_back_filled(hub: Hub):
    case = hub.cases["田埂地界"]
    page = await carried(hub, f"/cases/{case}/AssignTask", {"command_id": new_id(), "purpose": WORDS, "cadre": hub.cadre})
    assert f'action="/cases/{case}/AssignTask"' in page
    assert ("放回来" in page, WORDS in page) == (True, True)
