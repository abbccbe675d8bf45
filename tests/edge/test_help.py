"""F1 on every page: each address that shows a page has sentences of its own, short ones."""

from edge.web.pages import edge_app
from hub.web.pages import app
from protocol.node.web.help import PAGES, help_of
from tests.edge.pages_kit import at
from tests.edge.rig import Rig
from tests.hub_pages.world import DIST, HubNode
from tests.stories.test_every_page import pages_of

LEADS_ON = {"/", "/task"}  # to the page of one's post; the phone's app, which has no keys
FILLED = {"{subject:str}": "0" * 32, "{step:str}": "UrgeTask"}


def address(path: str) -> str:
    for name, value in FILLED.items():
        path = path.replace(name, value)
    return path


async def test_every_page_has_help_of_its_own(rig: Rig):
    paths = pages_of(edge_app(rig.web("village"))) | pages_of(app(HubNode(rig.web("root").node, "县"), DIST))
    paths -= LEADS_ON
    assert [path for path in sorted(paths) if not help_of(address(path))] == []
    told = [help_of(address(path)) for path in paths]
    assert len(set(told)) == len(paths), "no page shows what was written for another"
    assert len(PAGES) == len(paths), "no help of a page that is gone"
    assert all(1 <= len("".join(one).split("。")) - 1 <= 8 for one in told)


async def test_f1_of_a_step_is_not_that_of_the_case(rig: Rig):
    subject = await rig.log("village")
    async with at(rig, "village") as client:
        case, dispatch = [(await client.get(f"/cases/{subject}{end}")).text for end in ("", "/dispatch")]
    assert "旁边是经过" in case
    assert "旁边是经过" not in dispatch
    assert "他只看到这一页写的" in dispatch
