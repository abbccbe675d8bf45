"""一起派 at a township in a real Chromium: several of its own cases are ticked in its list and sent to a cadre of its own."""

from collections.abc import Callable

from protocol.commands import AcceptDispute, CallUpDispute, TakeUpDispute
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, nodes_of
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import add_person, new_id

pytestmark = needs_chromium


nodes = nodes_of("town", "village")


async def two_taken_up(rig: Rig) -> list[str]:
    cases = await rig.a_busy_village()
    town = rig.web("town").node
    await add_person(town, "陈建国", "cadre", home=town.signer.node)
    await rig.everywhere()
    for case in (cases[2], cases[4]):
        await rig.say("town", TakeUpDispute(id=new_id(), case=case))
        await rig.say("town", AcceptDispute(id=new_id(), case=case))
    await rig.everywhere()
    return [cases[2], cases[4]]


def test_a_township_sends_its_own_cadre_to_several_of_its_cases(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    first, second = nodes.do(two_taken_up)
    page = open_page(nodes.url["town"] + "/desk?view=held", DESK, who=("shen", PASSWORD))
    expect(page.locator("#rows [name=case]")).to_have_count(2)
    page.locator(f"#case-{first} [data-row]").focus()
    page.keyboard.press("x")
    page.locator(f"#case-{second} [name=case]").check()
    expect(page.locator("#batch")).to_contain_text("已选 2 件")
    nodes.do(lambda rig: rig.log("village"))  # something else happens: the list is drawn again
    nodes.do(lambda rig: rig.everywhere())
    expect(page.locator(f"#case-{first} [name=case]")).to_be_checked()
    look(page, "town-batch")
    page.get_by_role("button", name="一起派").click()
    page.get_by_label("陈建国").check()
    page.get_by_role("button", name="排一下").click()
    page.get_by_role("button", name="派出这 2 项").click()
    expect(page.get_by_role("status").filter(has_text="派出了 2 项")).to_be_visible()
    page.goto(nodes.url["town"] + "/tasks")
    expect(page.locator("#task-rows tr", has_text="陈建国")).to_have_count(2)
    page.goto(nodes.url["town"] + "/cases")
    expect(page.locator("#rows tr")).not_to_have_count(2)
    expect(page.locator("#rows [name=case]")).to_have_count(2), "those of others are theirs to send to"
    look(page, "town-list-batch")
    page.set_viewport_size(PHONE)
    look(page, "town-list-batch-phone")
    page.goto(nodes.url["town"] + "/visits/team")
    page.get_by_role("link", name="我单位承办的纠纷").click()
    expect(page.locator("#rows [name=case]")).to_have_count(2)


def test_a_case_that_was_called_up_meanwhile_is_counted_no_more_though_its_row_stays(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    kept, called_up = nodes.do(two_taken_up)
    page = open_page(nodes.url["town"] + "/cases", DESK, who=("shen", PASSWORD))
    for case in (kept, called_up):
        page.locator(f"#case-{case} [name=case]").check()
    expect(page.locator("#batch")).to_contain_text("已选 2 件")
    expect(page.locator("#rows tr").first).to_have_attribute(
        "id", f"case-{called_up}"
    )  # so its row stays where it is, and its box alone goes
    nodes.do(lambda rig: rig.say("root", CallUpDispute(id=new_id(), case=called_up, reason="影响大")))
    nodes.do(lambda rig: rig.everywhere())
    expect(page.locator(f"#case-{called_up} [name=case]")).to_have_count(0)
    expect(page.locator("#rows tr").first).to_have_attribute("id", f"case-{called_up}")
    expect(page.locator("#batch")).to_contain_text("已选 1 件")
    expect(page.locator(f"#case-{kept} [name=case]")).to_be_checked()


def test_a_clerk_who_sends_nobody_sees_no_boxes_and_is_refused(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    nodes.do(two_taken_up)
    page = open_page(nodes.url["village"] + "/cases", DESK, who=("wangfang", PASSWORD))
    expect(page.locator("#rows tr").first).to_be_visible()
    assert page.locator("#batch, #rows [name=case]").count() == 0
    told = page.request.get(nodes.url["village"] + "/visits/team", headers={"Accept": "application/json"})
    assert (told.status, told.json()["code"]) == (403, "not_allowed")
