"""What takes longer than a second says so, is sent once, and can be given up with the truth about what then holds."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.edge.rig import PASSWORD
from tests.edge.served import Served, nodes_of
from tests.kit.browser import DESK, PHONE, asked, look
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium
nodes = nodes_of("village")
# Playwright's own clicks and claims wait for the page that is asked for, so what is seen meanwhile is looked at from within.
UNTIL = """const until = async (is) => { for (let n = 0; n < 400; n++) { if (is()) return; await new Promise((go) => setTimeout(go, 50)); } throw new Error(`not in time: ${is}`); };"""
SENDS_ITSELF = (
    """async (form) => { UNTIL
  const button = form.querySelector("button.main"), box = () => form.querySelector("[data-saving]");
  button.click();
  await until(() => button.textContent === "正在保存…");
  button.click();
  await until(() => box().textContent.startsWith("还没有回答") && box().getAttribute("role") === "status");
  box().querySelector("button").click();
}"""
).replace("UNTIL", UNTIL)
PAPER = (
    """async (link) => { UNTIL
  const real = window.open, said = () => tab.document.querySelector("[role=status]")?.textContent ?? "";
  let tab;
  window.open = (...how) => (tab = real(...how));
  link.click();
  await until(() => said() === "正在准备：协议书…");
  await until(() => said().startsWith("还没有准备好"));
  tab.document.querySelector("button").click();
  await until(() => said().includes("请关掉这一页，再点一次"));
}"""
).replace("UNTIL", UNTIL)
WORDS = "两家为晒场堆柴火争了两回。"


class Slow:
    """The desk of a node that answers no save before `let.set()`. came: how many saves came."""

    def __init__(self) -> None:
        self.let, self.came = threading.Event(), 0

    def of(self, submit):
        async def waits(command, actor):
            self.came += 1
            while not self.let.is_set():
                await asyncio.sleep(0.02)
            return await submit(command, actor)

        return waits


@pytest.fixture
def slow(nodes: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    made, desk = Slow(), nodes.rig.web("village").node.desk
    monkeypatch.setattr(desk, "submit", made.of(desk.submit))
    yield made
    made.let.set()


@pytest.fixture
def page(open_page: Callable, nodes: Served) -> Page:
    return open_page(nodes.url["village"] + "/", DESK, who=("wangfang", PASSWORD))


def test_a_slow_save_says_so_goes_out_once_and_is_saved(page: Page, nodes: Served, slow: Slow):
    page.goto(nodes.url["village"] + "/desk")
    page.locator("#account").fill(WORDS)
    page.locator("#type").select_option("0204")
    page.locator("[name=party_name]").first.fill("叶根土")
    button = page.locator("#log button.main").last
    named = button.inner_text()
    button.click()
    expect(button).to_have_text("正在保存…")
    expect(page.locator("#log [data-saving]")).to_have_text("正在保存…")
    assert page.locator("#log [data-saving]").get_attribute("role") == "status"
    page.keyboard.press("Control+Enter")
    expect(page.locator("#log [data-saving]")).to_contain_text("还没有回答")
    look(page, "saving")
    slow.let.set()
    expect(page.locator("#log .saved")).to_contain_text("已登记")
    expect(page.locator("#log [data-saving]")).to_have_count(0)
    expect(page.locator("#log button.main").last).to_have_text(named)
    assert slow.came == 1


def test_what_is_typed_while_it_is_saved_is_neither_taken_nor_lost(page: Page, nodes: Served, slow: Slow):
    page.goto(nodes.url["village"] + "/desk")
    page.locator("[name=party_name]").first.fill("叶根土")
    page.locator("#type").select_option("0204")
    page.locator("#account").fill(WORDS)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#account")).to_have_js_property("readOnly", True)
    page.keyboard.type("又想起一句")
    expect(page.locator("#account")).to_be_focused()
    page.locator("#type").press("ArrowDown")
    page.locator("#log [data-add-party]").dispatch_event("click")
    expect(page.locator("#account")).to_have_value(WORDS)
    expect(page.locator("#type")).to_have_value("0204")
    expect(page.locator("#log .party")).to_have_count(2)
    page.locator("#log [data-saving]").get_by_role("button", name="不等了").click()
    expect(page.locator("#account")).to_have_js_property("readOnly", False)
    slow.let.set()
    page.locator("#log button.main").last.click()
    expect(page.locator("#log .saved")).to_contain_text("已登记")
    expect(page.locator("#account")).to_be_focused()  # a moment after the answer is on the screen
    page.keyboard.type("下一件")
    expect(page.locator("#account")).to_have_value("下一件")


def test_who_stops_waiting_is_told_the_truth_and_the_same_save_is_one(page: Page, nodes: Served, slow: Slow):
    page.goto(nodes.url["village"] + "/desk")
    page.locator("#account").fill(WORDS)
    page.locator("#type").select_option("0204")
    page.locator("[name=party_name]").first.fill("叶根土")
    page.locator("#log button.main").last.click()
    page.get_by_role("button", name="不等了").click()
    expect(page.locator("#log [role=alert]")).to_contain_text("不知道存下没有")
    expect(page.locator("#log [role=alert]")).to_contain_text("在“纠纷”里也找得到")
    expect(page.locator("#account")).to_have_value(WORDS)
    slow.let.set()
    page.locator("#log button.main").last.click()
    expect(page.locator("#log .saved")).to_contain_text("已登记")
    expect(page.locator("#rows tr[id^=case-]")).to_have_count(1)


def test_a_form_that_the_browser_sends_itself_waits_and_stops_the_same_way(page: Page, nodes: Served, slow: Slow):
    slow.let.set()
    subject = nodes.do(lambda rig: rig.log("village"))
    slow.let.clear()
    slow.came = 0
    page.goto(f"{nodes.url['village']}/cases/{subject}/parties")
    form = page.locator("form#add-party")
    page.locator("#party-new > summary").click()
    form.locator("[name=party_name]").fill("柏大海")
    form.evaluate(SENDS_ITSELF)
    expect(form.locator("[role=alert]")).to_contain_text("不会存成两份")
    assert slow.came == 1
    page.set_viewport_size(PHONE)
    look(page, "saving-phone")
    slow.let.set()
    form.locator("button.main").click()
    expect(page.locator("main")).to_contain_text("柏大海")
    case = nodes.do(lambda rig: rig.web("village").reads.case(rig.nodes["village"].actor(), subject))
    assert [party.name for party in case.parties].count("柏大海") == 1


def test_a_paper_that_takes_long_says_so_in_the_tab_it_opens_in(page: Page, nodes: Served):
    subject = nodes.do(lambda rig: rig.a_busy_village())[1]
    papers: list[Route] = []

    def hold(route: Route) -> None:  # not answered
        papers.append(route)

    page.context.route("**/agreement.pdf", hold)
    page.goto(f"{nodes.url['village']}/cases/{subject}")
    page.locator("#papers a[data-paper][href$='agreement.pdf']").evaluate(PAPER)
    asked(page, papers, 1).abort()
