"""停用它，并给真正在用的那台发新登记码: whoever presses it says why, and is told which machines it stops (tests/stories/test_copied_computer.py)."""

import pytest

from hub.web.renewal import renewal_route
from tests.hub_pages.world import Hub

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
