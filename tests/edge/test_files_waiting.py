"""The page that waits for a file: what it asks by itself is no use of the session, and it says what came of it."""

import httpx
import pytest

from protocol.calendar import MINUTE_MS
from protocol.node.people import IDLE_MS_MAX
from tests.edge.pages_kit import HTMX, JSON, at
from tests.edge.rig import Rig
from tests.edge.test_files_browser import HEIC, arrives, erased, from_the_town, given

HTML = {"accept": "text/html"}


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


async def test_the_page_that_waited_is_told_once_that_the_file_has_come_or_is_no_more(rig: Rig):
    subject, full = await given(rig, HEIC, "IMG_0001.heic", "image/heic")
    here = f"/files/{subject}/{full}"
    async with at(rig, "village") as client:
        page = await client.get(here, headers=HTML)
        assert page.status_code == 202 and 'hx-trigger="every 2s"' in page.text
        assert "HX-Retarget" not in (await client.get(here, headers=HTMX)).headers, "it goes on"
        await arrives(rig, full)
        told = await client.get(here, headers=HTMX)
        assert (told.status_code, told.headers["hx-retarget"], told.headers["hx-reswap"]) == (200, "#file-wait", "outerHTML")
        assert "附件已取到" in told.text and "hx-trigger" not in told.text, "nothing is asked, nothing is saved by itself"
        saved = await client.get(here, headers=HTML)
        assert saved.content == HEIC and saved.headers["content-disposition"].startswith("attachment")
        await erased(rig, subject)
        for headers in (HTMX, HTML):
            gone = await client.get(here, headers=headers)
            assert gone.status_code == 404
            assert "已经依法删除" in gone.text and f'href="/cases/{subject}#files"' in gone.text and "hx-trigger" not in gone.text
        assert gone.text.count('id="file-wait"') == 1
        assert (await client.get(here, headers=JSON)).json()["code"] == "file_gone"


async def test_what_goes_wrong_while_a_page_asks_by_itself_takes_the_place_of_the_last_answer(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    subject, full = await given(rig, HEIC, "IMG_0001.heic", "image/heic")

    async def broken(_blob: object) -> None:
        raise RuntimeError

    async with at(rig, "village") as client:
        monkeypatch.setattr(rig.web("village").blobs, "get", broken)
        failed = await client.get(f"/files/{subject}/{full}", headers=HTMX)
        assert failed.status_code == 500 and "HX-Reswap" not in failed.headers
