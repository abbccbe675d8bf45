"""A start reads every template before somebody waits for one."""

from collections.abc import AsyncIterator

import pytest
from litestar import Litestar

from protocol.node.web.app import read_templates
from tests.edge.rig import Rig
from tests.hub_pages.world import world


@pytest.fixture(params=["county", "village"])
async def application(request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[Litestar]:
    if request.param == "county":
        async with world(tmp_path) as hub:
            yield hub.app
    else:
        rig = await Rig.make(tmp_path)
        yield rig.app("village")
        await rig.close()


async def test_no_page_is_the_first_to_ask_for_its_template(application: Litestar):
    templates = application.state.environment
    assert templates.cache is not None
    templates.cache.clear()
    await read_templates(application)
    there = {name for _, name in templates.cache}
    assert (
        {"base.html", "board.html" if "board.html" in templates.list_templates() else "desk.html"}
        <= there
        == set(templates.list_templates())
    )
