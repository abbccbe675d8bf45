"""A new computer joins: 各地机器 gives the code, the person is registered, and every line to type stands there filled in."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from hub.enrolment import check_leaf
from hub.web.joining import invitation_route
from tests.edge.pages_kit import form_of
from tests.hub_pages.world import JSON, PASSWORD, Hub, served
from tests.kit.browser import DESK, PHONE, look
from tests.kit.machine import needs_chromium
from tests.node.desk_kit import TOWN, VILLAGE

CODE = "10.0.0.1:8330/ABCD-EFGH-JKMN-PQRS"


class Invites:
    """What the page asks of hub.enrolment.Enrolment."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.alone: list[str] = []

    async def invite(self, **asked: Any) -> str:
        check_leaf(asked["place"], asked["leaf"])
        self.asked.append(asked)
        return CODE

    def dialled_here_alone(self) -> list[str]:
        return self.alone


pytestmark = pytest.mark.usefixtures("own_routes")


def inviting(hub: Hub) -> Invites:
    made = Invites()
    hub.app.register(invitation_route(made))
    hub.app.state.invites = True
    return made


async def test_a_code_a_person_and_the_lines_to_type(hub: Hub) -> None:
    invites = inviting(hub)
    await hub.sign_in("operator")
    form = form_of((await hub.client.get("/nodes")).text, "invite-form") | {"place": VILLAGE, "name": "章小兰", "account": "zhangxiaolan"}
    page = (await hub.client.post("/invitations", data=form)).text
    assert (
        f"yidi edge enrol {CODE}" in page
        and 'data-copy="enrol-line"' in page
        and "http://127.0.0.1:8330" in page
        and "zhangxiaolan" in page
    )
    (asked,) = invites.asked
    assert (asked["place"], asked["account"], asked["leaf"]) == (VILLAGE, "zhangxiaolan", "")
    (row,) = (await hub.get("/people?text=章小兰"))["people"]
    assert row["person"] == asked["person"] and [post[1] for post in row["posts"]] == ["clerk"]
    await hub.post("/invitations", form, 201)
    assert len((await hub.get("/people?text=章小兰"))["people"]) == 1, "the same form twice is one person"
    assert CODE not in (await hub.client.get("/nodes")).text, "told once"
    anew = await hub.client.get("/invitations")
    assert (anew.status_code, anew.headers["location"]) == (303, "/nodes"), "Enter in the address bar over the answer"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"place": ""}, "place"),
        ({"name": ""}, "name"),
        ({"account": "a b"}, "account"),
        ({"place": TOWN, "leaf": "10.0.0.2"}, "leaf"),
        ({"place": TOWN, "leaf": "10.0.0.2:99999"}, "leaf"),
        ({"leaf": "10.0.0.2:4222"}, "leaf"),
    ],
)
async def test_what_is_wrong_is_said_and_nobody_is_registered(hub: Hub, change: dict[str, str], field: str) -> None:
    inviting(hub)
    await hub.sign_in("operator")
    form = {"command_id": "0123456789abcdef", "place": VILLAGE, "name": "章小兰", "account": "zhangxiaolan", **change}
    answer = await hub.client.post("/invitations", data=form)
    assert answer.status_code == 422 and f'id="{field}-wrong"' in answer.text
    assert not (await hub.get("/people?text=章小兰"))["people"]


async def test_a_code_that_no_other_computer_can_dial_says_so(hub: Hub) -> None:
    invites = inviting(hub)
    await hub.sign_in("operator")
    form = {"command_id": "0123456789abcdef", "place": VILLAGE, "name": "章小兰", "account": "zhangxiaolan"}
    assert "别的电脑连不上" not in (await hub.client.post("/invitations", data=form)).text
    invites.alone = ["127.0.0.1:8330", "127.0.0.1:4222"]
    told = (await hub.client.post("/invitations", data=form)).text
    assert "别的电脑连不上 127.0.0.1:8330、127.0.0.1:4222" in told and "[root] address" in told


async def test_only_who_registers_people_and_looks_after_machines_may(hub: Hub) -> None:
    inviting(hub)
    await hub.sign_in("cadre")
    form = {"command_id": "0123456789abcdef", "place": TOWN, "name": "章小兰", "account": "zhangxiaolan"}
    assert (await hub.client.post("/invitations", data=form, headers=JSON)).status_code == 403


@needs_chromium
def test_the_lines_are_copied_by_a_button(tmp_path, open_page: Callable) -> None:
    with served(tmp_path) as (url, hub, _):
        inviting(hub).alone = ["127.0.0.1:8330", "127.0.0.1:4222"]
        page = open_page(f"{url}/nodes", DESK, who=("operator", PASSWORD))
        page.locator("#invite summary").click()
        look(page, "nodes-invite")
        page.select_option("#place", VILLAGE)
        page.fill("#name", "章小兰")
        page.fill("#account", "zhangxiaolan")
        page.get_by_role("button", name="发登记码").click()
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator("[data-copy=enrol-line]").click()
        expect(page.locator("[data-copied]")).to_have_text("已复制，到那台电脑上粘贴。")
        assert page.evaluate("() => navigator.clipboard.readText()") == f"yidi edge enrol {CODE}"
        for size, suffix in ((DESK, ""), (PHONE, "-phone")):
            page.set_viewport_size(size)
            look(page, f"nodes-invited{suffix}")
