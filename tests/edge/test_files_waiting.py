"""The page that waits for a file: what it asks by itself is no use of the session, and it says what came of it."""

import httpx
import pytest

from protocol.calendar import MINUTE_MS
from protocol.node.people import IDLE_MS_MAX
from tests.edge.pages_kit import HTMX, at
from tests.edge.rig import Rig
from tests.edge.test_files_browser import from_the_town


@pytest.mark.parametrize("of", ["file", "stick"])
async def test_a_page_that_asks_by_itself_keeps_nobody_signed_in_and_leads_back_to_itself(rig: Rig, of: str):
    subject, full, _ = await from_the_town(rig)
    asked, page = {"file": (f"/files/{subject}/{full}", f"/files/{subject}/{full}"), "stick": ("/stick/job", "/stick?to=town")}[of]
    headers = {**HTMX, "HX-Current-URL": f"http://desk{page}"}
    async with at(rig, "village") as client:
        for _ in range(3):
            assert (await client.get(asked, headers=headers)).status_code in (200, 404)
            rig.county.clock.pass_ms(IDLE_MS_MAX // 2)
        over = await client.get(asked, headers=headers)
        assert over.status_code == 401, "nobody touched a key"
        assert httpx.URL(over.headers["hx-redirect"]).params["next"] == page
        assert (await client.get("/cases")).status_code == 303
    async with at(rig, "village") as client:
        rig.county.clock.pass_ms(IDLE_MS_MAX - MINUTE_MS)
        assert (await client.get(asked, headers={"accept": "text/html"})).status_code in (200, 202, 404), "somebody opened it"
        rig.county.clock.pass_ms(IDLE_MS_MAX - MINUTE_MS)
        assert (await client.get("/cases")).status_code == 200
