"""Every page that a program serves is timed by `rest`, and weighed by `pages`, or it is said why not."""

from tests.bench import rest
from tests.edge.rig import Rig
from tests.hub_pages.world import world
from tests.stories.test_every_page import pages_of


async def test_every_page_of_a_township_is_measured(tmp_path):
    rig = await Rig.make(tmp_path)
    try:
        assert rest.measured(rest.CLERK) ^ pages_of(rig.app("town")) == set(rest.UNMEASURED["town"])
    finally:
        await rig.close()


async def test_every_page_of_the_county_is_measured(tmp_path):
    async with world(tmp_path) as hub:
        assert rest.measured(rest.OPERATOR) ^ pages_of(hub.app) == set(rest.UNMEASURED["hub"])
