"""日程 in a real Chromium: a joint meeting at its hour, what ends on its day, holidays and today shown as such."""

from collections.abc import Callable

from protocol import calendar
from protocol.calendar import DAY_MS
from protocol.commands import ConveneUnits, TakeUpDispute
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import new_id

pytestmark = needs_chromium


nodes = nodes_of("town")


async def convened(rig: Rig) -> tuple[str, str]:
    """(code of the day, hour) of a meeting in two days."""
    cases = await rig.a_busy_village()
    await rig.everywhere()
    await rig.say("town", TakeUpDispute(id=new_id(), case=cases[2]))
    when_ms = rig.county.clock() + 2 * DAY_MS
    await rig.say("town", ConveneUnits(id=new_id(), case=cases[2], units=["330523/u07"], purpose="认工时、认工资表", when_ms=when_ms))
    return calendar.local_date(when_ms).isoformat(), calendar.local_time(when_ms)


def test_two_weeks_day_by_day(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    day, hour = nodes.do(convened)
    page = open_page(nodes.url["town"] + "/calendar", DESK, who=("shen", PASSWORD))
    cell = page.locator(".days > li").filter(has=page.locator(f"time[datetime='{day}']"))
    expect(cell).to_contain_text("联调")
    expect(cell).to_contain_text(hour)
    expect(cell.locator(".answers li")).to_contain_text("没回话")
    expect(page.locator("#nav [aria-current=page]")).to_have_text("日程")
    expect(page.locator(".days .today")).to_have_count(1)
    assert page.locator(".days .rests").count() >= 4, "two weekends"
    expect(page.locator(".days .due").first).to_contain_text("到期")
    look(page, "calendar")
    page.set_viewport_size(PHONE)
    look(page, "calendar-phone")
    page.set_viewport_size(DESK)
    page.get_by_role("link", name="后两周").click()
    expect(page.locator(".days .today")).to_have_count(0)
    page.goto(nodes.url["town"] + "/calendar?from=0001-01-01")
    expect(page.locator(".days > li")).to_have_count(14)
