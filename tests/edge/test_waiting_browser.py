"""The waiting page of a restored node in a real Chromium: what is being typed stays while it asks, and then comes the page that was asked for."""

import re
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from protocol.node.gate import Gate, Notes, note_restored
from protocol.node.wake import Wake
from protocol.node.web import waiting
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import nodes_of, signed_out
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
REASON = "县里要今天的进展，等不及了"

nodes = nodes_of("village")


def shut(nodes, folder, monkeypatch, awaited: list[str]) -> Gate:
    """The village was put back from a backup and waits for these."""
    monkeypatch.setattr(waiting, "HELD_S", 0.05)

    async def put_back(rig: Rig) -> Gate:
        web, notes = rig.web("village"), Notes(folder)
        note_restored(notes, 5, "restore")
        web.gate = Gate(notes, SimpleNamespace(awaited_of=lambda: awaited), web.clock, Wake())
        return web.gate

    return nodes.do(put_back)


@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_nothing_typed_is_lost_while_it_asks_and_the_page_that_was_asked_for_comes(nodes, open_page, tmp_path, monkeypatch, size, end):
    awaited: list[str] = []
    gate = shut(nodes, tmp_path, monkeypatch, awaited)
    page = open_page(nodes.url["village"] + "/sign-in?next=%2Fcases", size, expected=re.compile("status of 503"))
    page.clock.install()
    page.reload()
    page.fill("[name=reason]", REASON)
    awaited.append(nodes.rig.web("town").certificate.node)
    page.clock.run_for(6_000)
    expect(page.get_by_text("还在等它们给出说过有的条目")).to_be_visible()
    expect(page.locator("[name=reason]")).to_have_value(REASON)
    expect(page.locator("[name=reason]")).to_be_focused()
    look(page, f"waiting{end}")

    async def open_pages(_: Rig) -> None:
        gate.open("wangfang", "急用")

    nodes.do(open_pages)
    page.clock.run_for(6_000)
    page.wait_for_url("**/sign-in?next=%2Fcases")
    expect(page.get_by_role("button", name="登录")).to_be_visible()


@pytest.mark.parametrize(("by_hand", "size", "end"), [(True, DESK, ""), (False, PHONE, "-390")])
def test_a_form_that_is_sent_meanwhile_loses_no_word(nodes, open_page, tmp_path, monkeypatch, by_hand, size, end):
    """Somebody opens the pages, or the others were heard: the page with the words is left by nobody else's hand."""
    case = nodes.do(lambda rig: rig.log("village"))
    page = open_page(nodes.url["village"] + f"/sign-in?next=/cases/{case}/ask", size, expected=re.compile("status of (409|503)"))
    with page.expect_response(lambda r: "/stream?" in r.url), page.expect_response("**/drafts/find"):
        sign_in(page)
    page.select_option("[name=to]", index=1)
    with page.expect_response(lambda r: r.url.endswith("/drafts") and REASON in (r.request.post_data or "")):
        page.fill("[name=purpose]", REASON)  # nothing that the page asks by itself is on its way when the sessions end
    gate = shut(nodes, tmp_path, monkeypatch, [])
    nodes.do(signed_out)
    page.clock.install()
    page.locator("form[action$=RequestTask] button.main").last.click()
    expect(page.get_by_text("刚才写的还没有保存，都还在")).to_be_visible()
    look(page, f"waiting-carried{end}")
    if by_hand:
        page.fill("[name=name]", "wangfang")
        page.fill("[name=password]", PASSWORD)
        page.fill("[name=reason]", "急用")
        page.get_by_role("button", name="先打开用").click()
    else:

        async def heard(_: Rig) -> None:
            gate.open("wangfang", "急用")

        nodes.do(heard)
        page.clock.run_for(6_000)
        expect(page.get_by_role("heading", name="核对完了")).to_be_visible()
        expect(page.get_by_role("button", name="先打开用")).to_be_hidden()
        look(page, f"waiting-carried-over{end}")
        page.get_by_role("button", name="登录，接着办刚才的").click()
    sign_in(page)
    expect(page.locator("[name=purpose]")).to_have_value(REASON)


def sign_in(page) -> None:
    page.fill("#sign-in [name=name]", "wangfang")
    page.fill("#sign-in [name=password]", PASSWORD)
    page.locator("#sign-in button").click()
    page.wait_for_load_state()


def test_a_page_that_keeps_its_form_leads_to_how_the_pages_are_opened(nodes, open_page, tmp_path, monkeypatch):
    page = open_page(nodes.url["village"] + "/sign-in?next=/cases/new", DESK, expected=re.compile("status of 503"))
    sign_in(page)
    page.fill("[name=account]", REASON)
    shut(nodes, tmp_path, monkeypatch, [])
    page.locator("form[data-guard] button.main").first.click()
    link = page.get_by_role("link", name="另开一页，看在等谁、怎么先打开用")
    expect(link).to_be_visible()
    look(page, "waiting-kept")
    with page.context.expect_page() as opened:
        link.click()
    expect(opened.value.get_by_role("button", name="先打开用")).to_be_visible()
    expect(page.locator("[name=account]")).to_have_value(REASON)
