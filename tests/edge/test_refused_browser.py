"""What a village's computer refused, as a clerk sees it in a real Chromium: wide, on a phone, in English, printed."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from protocol.calendar import HOUR_MS
from protocol.node.web.page import LANGUAGE
from protocol.problem import Refused
from tests.edge.rig import Rig
from tests.edge.served import Served, served
from tests.edge.test_losses_browser import signed_in
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import TOWN, VILLAGE

pytestmark = needs_chromium


@pytest.fixture
def village(tmp_path) -> Iterator[Served]:
    with served(tmp_path, "village") as made:
        made.do(_refused)
        yield made


async def _refused(rig: Rig) -> None:
    town, root = (rig.nodes[kind].certificate.node for kind in ("town", "root"))
    some = [
        (town, VILLAGE, Refused("batch_malformed", why="after"), 31 * HOUR_MS, 3),
        (root, "_", Refused("version_unknown", version=9), 2 * HOUR_MS, 1),
        (town, TOWN, Refused("lane_fork", lane=TOWN, seq=3), HOUR_MS, 1),
        ("nfarr2222", "", Refused("signature_wrong"), 0, 12),
    ]
    async with rig.nodes["village"].journal.writing() as w:
        for node, ledger, refused, ago_ms, count in some:
            await w.quarantine(node, ledger, "", refused, rig.county.clock() - ago_ms, b"\x00", count)
        await w.quarantine(town, f"330523/sealed/{town}", "", Refused("signature_wrong"), rig.county.clock())


@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_a_clerk_is_led_from_the_top_of_the_page_to_what_was_refused(village: Served, open_page, size, end):
    page = signed_in(village, open_page, size, "village", "wangfang", "/link")
    page.get_by_role("link", name="17 次，最近").click()
    card = page.locator("#refused")
    expect(card).to_be_in_viewport()
    expect(card.locator("tbody tr")).to_have_count(4)
    expect(card).to_contain_text("同一编号有两份不同的内容")
    look(page, f"refused{end}")


def test_it_reads_in_english_too(village: Served, open_page):
    page = signed_in(village, open_page, DESK, "village", "wangfang", "/link")
    page.context.add_cookies([{"name": LANGUAGE, "value": "en", "url": village.url["village"]}])
    page.reload()
    expect(page.locator("#refused")).to_contain_text("Tell the county's system admin")
    page.locator("#refused").scroll_into_view_if_needed()
    look(page, "refused-en")
