"""The one page of a restored node before it was compared: it says whose entries it waits for, and somebody can go on without them."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from html import unescape
from types import SimpleNamespace
from urllib.parse import quote

import httpx
import pytest

from protocol.node.gate import Gate, Notes, note_restored
from protocol.node.wake import Wake
from protocol.node.web import link, waiting
from tests.edge.pages_kit import at
from tests.edge.rig import PASSWORD, Rig


def _shut(rig: Rig, folder, monkeypatch, **pump: object) -> Gate:
    """The village was put back from a backup and waits."""
    monkeypatch.setattr(waiting, "HELD_S", 0.05)
    web, notes = rig.web("village"), Notes(folder)
    note_restored(notes, 5, "restore")
    web.gate = Gate(notes, SimpleNamespace(**{"awaited_of": list, **pump}), web.clock, Wake())
    return web.gate


@asynccontextmanager
async def _asking(rig: Rig, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(rig.app("village"))
    async with httpx.AsyncClient(transport=transport, base_url="http://desk", headers={"Origin": "http://desk", **headers}) as http:
        yield http


async def test_a_computer_that_never_gives_what_it_said_is_named_and_keeps_the_pages_shut_for_nobody(rig: Rig, tmp_path, monkeypatch):
    web, town = rig.web("village"), rig.web("town").certificate
    _shut(rig, tmp_path, monkeypatch, awaited_of=lambda: [town.node, "nunknown2"])
    async with _asking(rig) as http:
        shut = await http.get("/cases")
        assert shut.status_code == 503
        assert f"{town.name}、nunknown2" in shut.text
        said = {"name": "wangfang", "password": PASSWORD, "reason": "镇里那台一直不给"}
        opened = await http.post("/restored/open", data=said)
        assert opened.status_code == 303
        assert (await http.get("/sign-in")).status_code == 200
    assert (web.gate.restored.opened_by, web.gate.restored.reason) == ("wangfang", said["reason"])


async def test_the_page_asks_how_far_it_is_and_goes_back_to_where_it_was(rig: Rig, tmp_path, monkeypatch):
    town = rig.web("town").certificate
    gate = _shut(rig, tmp_path, monkeypatch, awaited_of=lambda: [town.node])
    async with _asking(rig, **{"HX-Request": "true"}) as http:
        asked = await http.get("/restored/open", params={"at": "/cases?view=held"})
        assert asked.status_code == 200
        assert town.name in asked.text
        assert "<form" not in asked.text, "what is being typed beside it stays"
        gate.open("wangfang", "急用")
        for at, back in (("/cases?view=held", "/cases?view=held"), ("//evil.example", "/"), ("/\t/evil.example", "/"), ("", "/")):
            assert (await http.get("/restored/open", params={"at": at})).headers["hx-redirect"] == back
    async with _asking(rig) as http:
        assert (await http.get("/restored/open")).headers["location"] == "/"


@pytest.mark.parametrize(("path", "back"), [("/cases?view=held&text=a", "/cases?view=held&text=a"), ("/restored/open", "/")])
async def test_the_address_that_was_asked_for_is_the_one_that_comes(rig: Rig, tmp_path, monkeypatch, path: str, back: str):
    """Also after a form that came back: its address is asked for once more by whoever reloads."""
    _shut(rig, tmp_path, monkeypatch)
    async with _asking(rig) as http:
        shut = await http.get(path)
        assert shut.status_code == 503
        assert f"?at={quote(back, safe='/')}" in shut.text
        wrong = await http.post("/restored/open", data={"name": "wangfang", "password": "wrong", "reason": "急用"})
        assert (wrong.status_code, '?at=/"' in wrong.text) == (401, True)


REASON = "两家都不肯让，请镇里来人一起谈"


def _hidden(html: str) -> dict[str, str]:
    """The hidden fields of the form that opens the pages."""
    form = html.partition('action="/restored/open"')[2].partition("</form>")[0]
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)}


async def test_a_form_that_is_sent_meanwhile_comes_back_filled_once_the_pages_are_open(rig: Rig, tmp_path, monkeypatch):
    case = await rig.log("village")
    _shut(rig, tmp_path, monkeypatch)
    async with _asking(rig) as http:
        shut = await http.post(f"/cases/{case}/RequestTask", data={"purpose": REASON, "command_id": "c" * 32})
        assert (shut.status_code, "refresh" in shut.text, "carried=true" in shut.text) == (503, False, True)
        said = {"name": "wangfang", "password": "wrong", "reason": "急用"}
        wrong = await http.post("/restored/open", data=said | _hidden(shut.text))
        assert (wrong.status_code, _hidden(wrong.text)) == (401, _hidden(shut.text))
        opened = await http.post("/restored/open", data=said | {"password": PASSWORD} | _hidden(wrong.text))
        assert opened.status_code == 200
        again = await http.post("/sign-in", data={"name": "wangfang", "password": PASSWORD, **_carry(opened.text)})
        assert again.status_code == 200
        assert REASON in again.text
        assert f"/cases/{case}/RequestTask" in again.text


def _carry(html: str) -> dict[str, str]:
    found = re.search(r'name="carry" value="([^"]*)"', html)
    return {"carry": unescape(found[1])} if found else {}


async def test_once_the_others_were_heard_the_page_with_a_form_is_not_left_by_itself(rig: Rig, tmp_path, monkeypatch):
    gate = _shut(rig, tmp_path, monkeypatch)
    async with _asking(rig) as http:
        shut = await http.post("/people", data={"name": "方志林"})
        gate.open("wangfang", "急用")
        asked = await http.get("/restored/open?at=/&carried=true", headers={"HX-Request": "true"})
        assert "hx-redirect" not in asked.headers
        assert 'form="open"' in asked.text
        assert 'id="open"' in shut.text
        assert "方志林" in (await http.post("/restored/open", data=_hidden(shut.text))).text, "nobody is asked for a reason any more"


async def test_a_carried_form_that_was_damaged_leads_to_the_page_that_comes_next(rig: Rig, tmp_path, monkeypatch):
    _shut(rig, tmp_path, monkeypatch)
    async with _asking(rig) as http:
        said = {"name": "wangfang", "password": PASSWORD, "reason": "急用", "next": "/agenda"}
        for carry in ("x", "{}"):  # the pages are open after the first
            answer = await http.post("/restored/open", data=said | {"carry": carry})
            assert (answer.status_code, answer.headers.get("location")) == (303, "/agenda")
    async with _asking(rig) as nobody:
        assert (await nobody.post("/restored/open", data={"carry": "x"})).headers["location"] == "/"


async def test_no_accusation_and_no_password_is_carried_and_no_form_of_another_site(rig: Rig, tmp_path, monkeypatch):
    _shut(rig, tmp_path, monkeypatch)
    async with _asking(rig) as http:
        sealed = await http.post("/cases/x/seal", data={"text": REASON})
        assert (sealed.status_code, REASON in sealed.text, "没有留在这台电脑上" in sealed.text) == (503, False, True)
        carry = json.dumps({"path": "/people", "form": {"name": ["方志林"]}, "file": False})
        signing = await http.post("/sign-in", data={"name": "wangfang", "password": PASSWORD, "carry": carry, "next": "/agenda"})
        assert (PASSWORD in signing.text, _hidden(signing.text)) == (False, {"carry": carry, "next": "/agenda"})
        assert PASSWORD not in (await http.post("/password", data={"password": PASSWORD})).text
        evil = await http.post("/people", data={"name": "方志林"}, headers={"Origin": "http://evil.example"})
        assert (evil.status_code, "方志林" in evil.text) == (403, False)


async def test_the_address_that_was_asked_for_comes_after_a_wrong_and_a_right_password(rig: Rig, tmp_path, monkeypatch):
    _shut(rig, tmp_path, monkeypatch)
    async with _asking(rig) as http:
        shut = await http.get("/cases?view=held&text=a")
        said = {"name": "wangfang", "password": "wrong", "reason": "急用"}
        wrong = await http.post("/restored/open", data=said | _hidden(shut.text))
        assert f"?at={quote('/cases?view=held&text=a', safe='/')}" in wrong.text
        right = await http.post("/restored/open", data=said | {"password": PASSWORD} | _hidden(wrong.text))
        assert (right.status_code, right.headers["location"]) == (303, "/cases?view=held&text=a")


async def test_a_page_that_was_open_before_keeps_what_it_shows(rig: Rig, tmp_path, monkeypatch):
    _shut(rig, tmp_path, monkeypatch)
    async with _asking(rig, **{"HX-Request": "true"}) as http:
        saved = await http.post("/cases", data={"account": "写到一半"})
    assert (saved.status_code, saved.headers["hx-reswap"]) == (503, "afterbegin")
    assert "<html" not in saved.text
    assert "正在和别的机器核对" in saved.text
    assert 'href="/restored/open" target="_blank"' in saved.text, "else nobody finds how to open the pages from here"


async def test_once_opened_by_name_each_page_says_so_in_its_language(rig: Rig, tmp_path, monkeypatch):
    gate = _shut(rig, tmp_path, monkeypatch)
    gate.open("wangfang", "急用")
    async with _asking(rig) as http:
        assert "还没有和别的机器核对（wangfang打开）" in (await http.get("/sign-in")).text
        english = (await http.get("/sign-in", headers={"Cookie": "yidi-language=en"})).text
    assert "opened by wangfang" in english
    assert "由备份恢复" not in english


async def test_its_language_can_be_chosen(rig: Rig, tmp_path, monkeypatch):
    _shut(rig, tmp_path, monkeypatch)
    async with _asking(rig) as http:
        chosen = await http.post("/language", data={"language": "en"}, headers={"Referer": "http://desk/cases"})
        assert (chosen.status_code, chosen.headers["location"]) == (303, "/cases")
        assert "Checking with the office above" in (await http.get("/cases")).text


async def test_the_address_of_a_renewal_s_answer_leads_back_to_its_page(rig: Rig):
    async with at(rig, "village") as client:
        answer = await client.get("/renew")
        assert (answer.status_code, answer.headers["location"]) == (303, "/link")


@pytest.mark.parametrize("again", ["restored", "enrolled again"])
async def test_what_was_not_sent_before_it_goes_on_under_another_name_is_still_counted(rig: Rig, again: str):
    web = rig.web("village")
    before, signer = await link.waiting(web), web.desk.signer
    for story in range(3):
        await rig.log("village", story)
    if again == "restored":
        web.desk.signer = replace(signer, epoch=signer.epoch + 1)
    else:
        web.node.about = SimpleNamespace(former=[signer.node])
        web.desk.signer = replace(signer, node="nagain222")
    assert await link.waiting(web) == before + 3
    assert (await link.state(web)).text == f"离线 · {before + 3} 条待送出"
    async with _asking(rig) as http:
        await http.post("/sign-in", data={"name": "wangfang", "password": PASSWORD})
        twin = (await http.get("/link", headers={"Accept": "application/json"})).json()
        assert twin["waiting"] == before + 3
        assert f"离线 · {before + 3} 条待送出" in (await http.get("/link")).text
    await rig.deliver("village", "town")
    assert await link.waiting(web) == 0
