"""停用它，并给真正在用的那台发新登记码: whoever presses it says why, and is told which machines it stops (tests/stories/test_copied_computer.py)."""

from typing import Any

import pytest
from playwright.sync_api import expect

from hub.web.renewal import renewal_route
from tests.hub_pages.test_wills_browser import forked, put_out
from tests.hub_pages.world import PASSWORD, Hub, served
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium

pytestmark = pytest.mark.usefixtures("own_routes")


class Enrolment:
    async def renew(self, node: str, reason: str) -> tuple[str, str]:
        self.said = node, reason
        return "高禹村", "10.0.0.1:8330/AAAA-BBBB-CCCC-DDDD"


async def test_the_reason_is_what_was_written(hub: Hub):
    enrolment, fixed = Enrolment(), "同一份身份在两台机器上"
    hub.app.register(renewal_route(enrolment))
    for form, reason in (({"reason": " 电脑借出去被复制了 "}, "电脑借出去被复制了"), ({"reason": " "}, fixed), (None, fixed)):
        said = await hub.client.post("/renewals/nvill2222", data=form)
        assert said.status_code == 200 and "AAAA-BBBB-CCCC-DDDD" in said.text
        assert enrolment.said == ("nvill2222", reason)


async def test_whoever_asks_for_its_address_anew_finds_the_button_that_gives_another_code(hub: Hub):
    hub.app.register(renewal_route(Enrolment()))
    hub.app.state.renews = True
    await forked(hub)
    node = hub.village.signer.node
    page = (await hub.client.get("/forks")).text
    assert "为什么停用" in page and "再发一个登记码" not in page
    await put_out(hub)
    assert "没记下就在下面再发一个" in (await hub.client.post(f"/renewals/{node}")).text
    answer = await hub.client.get(f"/renewals/{node}", follow_redirects=True)
    assert answer.status_code == 200 and answer.url.path == "/forks"
    assert "AAAA-BBBB" not in answer.text and "为什么停用" not in answer.text
    form = answer.text.partition(f'action="/renewals/{node}"')[2].partition("</form>")[0]
    assert "再发一个登记码" in form and "还没有用的登记码都作废" in form


@pytest.mark.parametrize("path", ["/forks/all", f"/forks/{'0' * 64}/adopt"])
async def test_an_answer_about_the_other_record_leads_back_to_it_when_asked_for_anew(hub: Hub, path: str):
    answer = await hub.client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/forks")


@needs_chromium
@pytest.mark.parametrize(("size", "end"), [(DESK, ""), (PHONE, "-390")])
def test_the_code_that_is_told_once_is_seen_whole_and_another_can_be_made(tmp_path, open_page: Any, size: dict[str, int], end: str):
    with served(tmp_path) as (url, hub, run):
        hub.app.register(renewal_route(Enrolment()))
        hub.app.state.renews = True
        run(forked(hub))
        run(put_out(hub))
        page = open_page(f"{url}/forks", size, who=("operator", PASSWORD))
        page.get_by_text("新登记码没有记下").click()
        page.get_by_role("button", name="再发一个登记码").click()
        expect(page.locator(".once")).to_have_text("10.0.0.1:8330/AAAA-BBBB-CCCC-DDDD")
        look(page, f"forks-code{end}")
        page.goto(page.url)
        expect(page.locator(".once")).to_have_count(0)
        expect(page.get_by_text("新登记码没有记下")).to_be_visible()
