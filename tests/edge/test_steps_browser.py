"""Every step of a case, sent by its own button in a real browser: a form that no script can read is found here, not by a clerk."""

from collections.abc import Callable

from tests.edge.rig import PASSWORD
from tests.edge.served import Served, nodes_of
from tests.kit.browser import DESK, look
from tests.kit.machine import needs_chromium

pytestmark = needs_chromium


nodes = nodes_of("village", "town")


def steps_of(page) -> list[str]:
    return page.eval_on_selector_all("details.step > form[id^=form-]", "forms => forms.map((form) => form.id.slice(5))")


def send(page, step: str):
    """Opens the step, presses its button, and gives the answer of the node, which is on the page: whatever it says, the form was read and sent."""
    from playwright.sync_api import expect

    details = page.locator(f"#step-{step}")
    if not details.evaluate("d => d.open"):
        details.locator("summary").click()
    with page.expect_response(lambda answer: answer.request.method == "POST" and answer.url.endswith(f"/{step}")) as told:
        page.locator(f"#form-{step} button.main").click()
    if told.value.status == 200:
        expect(page.locator("#said")).to_contain_text("已存本机")
    else:
        expect(page.locator(f"#form-{step} [role=alert]").first).to_be_visible()
    return told.value


def test_a_clerk_takes_a_case_from_acceptance_to_its_end_by_clicking(open_page: Callable, nodes: Served):
    from playwright.sync_api import expect

    subject = nodes.do(lambda rig: rig.log("village"))
    page = open_page(f"{nodes.url['village']}/cases/{subject}", DESK, who=("wangfang", PASSWORD))
    tried: set[str] = set()

    def every_empty_form_comes_back() -> None:
        """Of the steps that need words: pressed empty, each answers 422 with its field marked, in the page."""
        for step in steps_of(page):
            if step in tried or not page.locator(f"#form-{step} textarea").count():
                continue
            tried.add(step)
            assert send(page, step).status == 422, step

    every_empty_form_comes_back()
    assert send(page, "AcceptDispute").status == 200
    every_empty_form_comes_back()
    page.goto(f"{nodes.url['village']}/cases/{subject}")
    page.locator("#step-RecordMediation > summary").click()
    page.fill("#RecordMediation-account", "到现场看过，两家都愿意让一步。")
    assert send(page, "RecordMediation").status == 200
    page.goto(f"{nodes.url['village']}/cases/{subject}")
    page.locator("#step-SignAgreement > summary").click()
    page.fill("#SignAgreement-terms", "各退半尺，留出滴水巷。\n返工的料钱各出一半。")
    page.fill("#SignAgreement-performance", "十日内在现场履行。")
    look(page, "case-agreement")
    assert send(page, "SignAgreement").status == 200
    expect(page.locator("#case-head")).to_contain_text("已达成协议")
    page.goto(f"{nodes.url['village']}/cases/{subject}")
    every_empty_form_comes_back()
    assert {"SignAgreement", "RecordMediation", "EscalateDispute", "AddNote"} <= tried, tried
