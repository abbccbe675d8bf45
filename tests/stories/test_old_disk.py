"""The disk of a village is put back as it was last week, mark and all: nobody is told, the others' Haves tell."""

import shutil

import httpx
import pytest

from deploy.demo.cast import VILLAGE
from protocol.node.identity import Identity
from tests.kit.county import County, distinct, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_disk_put_back_whole_is_noticed_by_what_others_hold_and_goes_on_under_a_new_epoch(county: County, tmp_path):
    clerk, home = await county.page("wangfang"), county.home("gaoyu")
    first = await county.log(clerk, VILLAGE, distinct("换盘以前"))
    await county.halt("gaoyu")
    shutil.copytree(home, tmp_path / "last-week")
    await county.begin("gaoyu")
    await county.forget("gaoyu")
    clerk = await county.page("wangfang")
    second = await county.log(clerk, VILLAGE, distinct("换盘以后丢掉的"))
    await county.same("hub", "town", "gaoyu")
    await county.halt("gaoyu")
    shutil.rmtree(home)
    shutil.copytree(tmp_path / "last-week", home)
    await county.begin("gaoyu")
    await until(lambda: Identity(home).about().epoch == 2, "a new epoch", 60)
    await county.forget("gaoyu")

    async def back():
        try:
            page = await county.page("wangfang")
            return (await page.http.get(f"/cases/{second['case']}")).status_code == 200
        except (httpx.TransportError, AssertionError):
            return False  # the node is being opened again, and says so to whoever signs in

    await until(back, "what was lost came back from the others", 60)
    await county.forget("gaoyu")
    clerk = await county.page("wangfang")
    third = await county.log(clerk, VILLAGE, distinct("换盘以后再登记"))
    assert {entry["origin"] for entry in third["entries"]} == {f"{county.id_of('gaoyu')}:2"}
    assert len({first["code"], second["code"], third["code"]}) == 3
    await county.same("hub", "town", "gaoyu")
