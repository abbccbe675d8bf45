"""今天 in a real Chromium: what waits stands by what ends first, and one click leads to the step that is next."""

import re
from collections.abc import Callable

from protocol.calendar import DAY_MS
from protocol.commands import AssignTask, RequestTask, TakeUpDispute, UrgeDispute
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of
from tests.edge.test_today import crossed_visit
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import TOWN, VILLAGE, add_person, new_id

pytestmark = needs_chromium


nodes = nodes_of("village", "town")


async def busy(rig: Rig) -> None:
    await rig.a_busy_village()
    rig.county.clock.pass_ms(28 * DAY_MS)  # the clocks of thirty days end soon
    await rig.everywhere()


def test_an_empty_day_says_what_to_do(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    page = open_page(nodes.url["village"] + "/today", DESK, who=("wangfang", PASSWORD))
    expect(page.locator("main")).to_contain_text("今天没有到期的")
    expect(page.locator("main")).to_contain_text("按 F2 登记")
    look(page, "today-empty")
    page.goto(nodes.url["village"] + "/desk")
    expect(page.locator(".first")).to_contain_text("登记第一件")
    look(page, "desk-first")
    page.set_viewport_size(PHONE)
    look(page, "desk-first-phone")
    nodes.do(lambda rig: rig.log("village"))
    page.reload()
    expect(page.locator(".first")).to_have_count(0)


def test_what_ends_first_stands_on_top_and_leads_to_its_step(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    nodes.do(busy)
    page = open_page(nodes.url["village"] + "/desk", DESK, who=("wangfang", PASSWORD))
    page.fill("#account", "两家的水沟堵了，都说是对方倒的土。")
    expect(page.locator("#log [data-kept-note]")).to_contain_text("草稿已存本机")
    page.goto(nodes.url["village"] + "/today")
    due = page.locator("#today-due li")
    expect(due.first).to_be_visible()
    assert due.count() > 2
    expect(page.locator("#today-halves")).to_contain_text("两家的水沟堵了")
    look(page, "today-village")
    page.set_viewport_size(PHONE)
    look(page, "today-village-phone")
    page.set_viewport_size(DESK)
    due.locator(".button[href*=step]").first.click()
    page.wait_for_url("**/cases/*?step=*")
    expect(page.locator("details.step[open] form .will").first).to_be_visible()


def test_what_was_sent_here_waits_with_the_oldest_first(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    nodes.do(busy)
    page = open_page(nodes.url["town"] + "/today", DESK, who=("shen", PASSWORD))
    coming = page.locator("#today-incoming li")
    expect(coming).to_have_count(2)
    expect(coming.first).to_contain_text("上报")
    look(page, "today-town")
    coming.first.get_by_role("link", name="受领").click()
    take = page.locator("#form-TakeUpDispute")
    expect(take).to_be_visible()
    take.get_by_role("button", name="受领").click()
    expect(page.locator("#said")).to_contain_text("受领")
    page.goto(nodes.url["town"] + "/today")
    expect(page.locator("#today-incoming li")).to_have_count(1)


def test_the_page_is_live(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    page = open_page(nodes.url["town"] + "/today", DESK, who=("shen", PASSWORD))
    expect(page.locator("#today-incoming")).to_have_count(0)
    nodes.do(busy)
    expect(page.locator("#today-incoming li")).to_have_count(2)


def test_what_above_asks_stands_there_until_the_office_has_acted(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    async def urge(rig: Rig) -> None:
        subject = await rig.log("village")
        await rig.everywhere()
        await rig.say("town", UrgeDispute(id=new_id(), case=subject, text="当事人又到镇里来了，本周见一次面。", due="2026-12-20"))
        await rig.everywhere()

    page = open_page(nodes.url["village"] + "/today", DESK, who=("wangfang", PASSWORD))
    nodes.do(urge)
    row = page.locator("#today-urged li")
    expect(row).to_contain_text("本周见一次面")
    expect(row).to_contain_text("天子湖镇催办 乡镇（街道）综治中心工作人员")
    expect(row).to_contain_text("要求 2026-12-20 前办结")
    expect(page.locator("#nav a[href='/today'] .count")).to_have_text("1")
    look(page, "today-urged")
    page.set_viewport_size(PHONE)
    look(page, "today-urged-phone")
    page.set_viewport_size(DESK)
    row.locator(".button").click()
    page.locator("details.step[open] form button.main").click()
    expect(page.locator("#said")).to_contain_text("已存本机")
    page.goto(nodes.url["village"] + "/today")
    expect(page.locator("#today-urged")).to_have_count(0)


async def asked_of_the_village(rig: Rig) -> None:
    cases = await rig.a_busy_village()
    await rig.everywhere()
    await rig.say("town", TakeUpDispute(id=new_id(), case=cases[2]))
    for days, purpose in ((5, "上门问一问俞阿毛家欠了几个月的工钱，带上工资条"), (9, "看看厂里还有没有人")):
        due_ms = rig.county.clock() + days * DAY_MS
        asks = RequestTask(id=new_id(), case=cases[2], to=VILLAGE, purpose=purpose, summary="四个月工钱", due_ms=due_ms)
        await rig.say("town", asks)
    await rig.nodes["town"].desk.arrivals()
    await rig.everywhere()


def test_what_this_office_was_asked_is_one_click_from_the_answer(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    page = open_page(nodes.url["village"] + "/today", DESK, who=("wangfang", PASSWORD))
    expect(page.locator("#today-requested")).to_have_count(0)
    nodes.do(asked_of_the_village)
    rows = page.locator("#today-requested li")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("天子湖镇请协助")
    expect(page.locator("#nav a[href='/tasks'] .count")).to_have_text("2")
    look(page, "today-requested")
    page.set_viewport_size(PHONE)
    look(page, "today-requested-390")
    rows.first.get_by_role("link", name="接单").click()
    page.locator("#answer").get_by_role("button", name="接单", exact=True).click()
    expect(page.locator("#answer")).to_contain_text("已经接单")
    page.locator("#nav a[href='/today']").click()
    expect(rows).to_have_count(1)


async def visits(rig: Rig) -> None:
    """Two to review, two whose time is near."""
    await busy(rig)
    town = rig.web("town").node
    person, _ = await add_person(town, "褚小军", "cadre", home=town.signer.node)
    for n, purpose in enumerate(("上门问一问俞阿毛家欠了几个月的工钱", "看看水渠")):
        await crossed_visit(rig, n)
        given = {"place": TOWN, "cadre": person, "home": town.signer.node, "purpose": purpose}
        await rig.say("town", AssignTask(id=new_id(), due_ms=rig.county.clock() + DAY_MS // 2, **given))


def test_visits_are_reviewed_urged_and_given_to_others_from_there(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    nodes.do(visits)
    page = open_page(nodes.url["town"] + "/today", DESK, who=("shen", PASSWORD))
    expect(page.locator("#today-visit-review li")).to_have_count(2)
    look(page, "today-visits")
    page.set_viewport_size(PHONE)
    look(page, "today-visits-390")
    page.set_viewport_size(DESK)
    page.locator("#today-visits").get_by_role("link", name="催办").first.click()
    page.get_by_role("button", name="催办").click()
    page.wait_for_url("**/today")
    page.locator("#today-visit-review").get_by_role("link", name="核对").first.click()
    page.wait_for_url(re.compile("#"))
    row = page.locator(page.url[page.url.index("#") :])
    expect(row).to_be_in_viewport()
    look(page, "today-to-review")
    row.get_by_placeholder("理由").fill("人确实去了")
    row.get_by_role("button", name="采纳", exact=True).click()
    page.goto(nodes.url["town"] + "/desk?view=review")
    expect(page.locator("#rest")).to_contain_text("走访另有 1 件等核对")
    look(page, "desk-review")
    page.goto(nodes.url["town"] + "/cases?view=review")
    look(page, "cases-review-visits")
    page.goto(nodes.url["town"] + "/today")
    expect(page.locator("#today-visit-review li")).to_have_count(1)
