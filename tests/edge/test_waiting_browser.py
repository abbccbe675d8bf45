"""The waiting page of a restored node in a real Chromium: what is being typed stays while it asks, and then comes the page that was asked for."""

import re
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from protocol.node.gate import Gate, Notes, note_restored
from protocol.node.wake import Wake
from protocol.node.web import waiting
from tests.edge.rig import Rig
from tests.edge.served import nodes_of
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
REASON = "县里要今天的进展，等不及了"

nodes = nodes_of("village")


@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_nothing_typed_is_lost_while_it_asks_and_the_page_that_was_asked_for_comes(nodes, open_page, tmp_path, monkeypatch, size, end):
    monkeypatch.setattr(waiting, "HELD_S", 0.05)
    awaited: list[str] = []

    async def shut(rig: Rig) -> Gate:
        web, notes = rig.web("village"), Notes(tmp_path)
        note_restored(notes, 5, "restore")
        web.gate = Gate(notes, SimpleNamespace(awaited_of=lambda: awaited), web.clock, Wake())
        return web.gate

    gate = nodes.do(shut)
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
