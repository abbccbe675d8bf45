"""A county's hub as two programs on one PostgreSQL, load on both; the one that leads is killed. Nothing is lost, nothing is there twice."""

import asyncio
import json
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx

from deploy.demo.cast import VILLAGE
from deploy.demo.check import Page, new_id, soon
from deploy.nats.servers import free_ports
from protocol.node.config import load
from tests.kit.county import running, yidi
from tests.kit.machine import needs_postgresql
from tests.stories.test_hub_on_postgresql import FORM, PASSWORD, configured, once_in, signed_in

EACH_MIN = 6  # saves of each desk before and after the kill


def beside(tmp_path: Path, url: str) -> int:
    """The folder of a second program: the node's identity, no key of the county. Returns the port of its pages."""
    first, second = tmp_path / "hub", tmp_path / "beside"
    (port,) = free_ports(1)
    shutil.copytree(first / "identity", second / "identity")
    nats = load(first / "yidi.toml", {}).nats.port
    (second / "yidi.toml").write_text(
        f'[http]\nport = {port}\n[store]\nurl = "{url}"\n[link]\nservers = ["127.0.0.1:{nats}"]\n'
        f'[files]\nfolder = "{first}"\n[root]\nbeside = true\n'
    )
    return port


class Desk:
    """Somebody who registers as fast as the pages answer; when one program is gone, the same form goes to the other."""

    def __init__(self, *pages: Page) -> None:
        self.pages, self.saved, self.stopped = list(pages), dict[str, str](), False
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while not self.stopped:
            form = {"command_id": new_id(), "account": f"第 {len(self.saved)} 件", **FORM}
            while form["command_id"] not in self.saved:
                page = self.pages[0]
                try:
                    self.saved[form["command_id"]] = (await page.post("/cases", form))["case"]
                except httpx.TransportError:
                    self.pages = [*self.pages[1:], page]
                    await asyncio.sleep(0.1)

    async def more(self, count: int) -> None:
        until = len(self.saved) + count

        async def so_many() -> bool:
            if self.task.done():
                self.task.result()
            return len(self.saved) >= until

        await soon(f"{count} more are saved", so_many, 90)

    async def end(self) -> None:
        self.stopped = True
        await self.task


@needs_postgresql
async def test_the_program_that_leads_is_killed_under_load_and_the_other_goes_on(tmp_path, postgres_url):
    ports = configured(tmp_path, postgres_url)
    hub, village = tmp_path / "hub", tmp_path / "village"
    async with running("hub", hub, ports["hub"]):
        hired = await yidi("person", "zhoumin", "--name", "周敏", "--post", "operator", "--folder", hub)
        invited = await yidi("invite", "--place", VILLAGE, "--person", "王芳", "--account", "wangfang", "--folder", hub)
        joined = await yidi("edge", "enrol", invited.out.split("：", 1)[1].split()[0], "--folder", village)
        assert (hired.code, joined.code) == (0, 0), hired.err + joined.err
        operator = await signed_in(ports["hub"], "zhoumin", once_in(hired.out))
    second = beside(tmp_path, postgres_url)
    async with running("edge", village, ports["village"]), running("hub", tmp_path / "beside", second) as leader:
        async with running("hub", hub, ports["hub"]):  # it brings the message server; the lead is taken
            other = await _signed_in(second, "zhoumin")
            clerk = await signed_in(ports["village"], "wangfang", once_in(joined.out))
            await soon("both programs are connected", lambda: _online(operator, other))
            await _wakes(other, lambda: operator.post("/cases", {"command_id": new_id(), "account": "甲进程存的", **FORM}))
            desks = [Desk(other, operator), Desk(operator), Desk(clerk)]
            for desk in desks:
                await desk.more(EACH_MIN)
            leader.send_signal(signal.SIGKILL)
            await leader.wait()
            for desk in desks:
                await desk.more(EACH_MIN)
            await asyncio.gather(*(desk.end() for desk in desks))
            saved = {case for desk in desks for case in desk.saved.values()}
            assert len(saved) == sum(len(desk.saved) for desk in desks)

            async def all_here() -> bool:
                return (await operator.get("/cases"))["total"] == len(saved) + 1

            await soon("what the village wrote is at the county, once", all_here, 60)
            await soon("and the county's is in the village", lambda: _same(hub, village), 60)
            for case in saved:
                assert (await operator.http.get(f"/cases/{case}")).status_code == 200
            await _comes_back(tmp_path / "beside", second, len(saved) + 1)
            for page in (operator, other, clerk):
                await page.http.aclose()
        rebuilt = await yidi("rebuild", "--json", "--folder", hub)
        assert json.loads(rebuilt.out)["ok"], rebuilt


async def _signed_in(port: int, account: str) -> Page:
    page = Page(f"http://127.0.0.1:{port}", account)
    got = await page.http.post("/sign-in", data={"name": account, "password": PASSWORD})
    assert got.status_code < 400, got.text
    return page


async def _online(*pages: Page) -> bool:
    return all([(await page.get("/link"))["online"] for page in pages])


async def _wakes(page: Page, change: Callable) -> None:
    """An open list is drawn anew when another program saves."""
    async with page.stream(view="list") as lines, asyncio.timeout(30):
        async for line in lines:
            if line.startswith("data:"):
                break
        await change()
        async for line in lines:
            if "宋木根" in line:
                return


async def _same(one: Path, other: Path) -> bool:
    with suppress(KeyError):
        told = [json.loads((await yidi("digest", "--json", "--folder", folder)).out)["ledgers"] for folder in (one, other)]
        return told[0][VILLAGE] == told[1][VILLAGE] and told[0]["_"] == told[1]["_"]
    return False


async def _comes_back(folder: Path, port: int, total: int) -> None:
    """The killed one starts again beside the other that leads now."""
    async with running("hub", folder, port):
        page = await _signed_in(port, "zhoumin")
        assert (await page.get("/cases"))["total"] == total
        await soon("it is connected again", lambda: _online(page))
        await page.http.aclose()
