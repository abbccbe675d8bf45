"""The village's computer is copied. Both go on; both are stopped in words; the county decides; nothing of either is lost or doubled."""

import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest

from deploy.demo.cast import VILLAGE
from deploy.demo.check import Page
from deploy.demo.county import Process
from deploy.nats.servers import free_ports
from protocol.node.identity import Identity
from tests.kit.county import HTML, County, distinct, running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_copied_computer_is_stopped_decided_about_and_nothing_is_lost(county: County):
    """The computer in use is heard first; what the copy wrote is adopted at the computer in use."""
    async with both(county) as (clerk, other, process):
        hub, old = await county.page("zhoumin"), county.id_of("gaoyu")
        here, there = await _written_apart(county, clerk, other)
        with stopped(process):
            county.demo.heal("gaoyu")
            await county.shows(hub, here["case"])
        await _both_are_told(county, clerk, other)
        fork = (await until(lambda: _forks(hub, 2), "the county keeps both", 20))[0]
        assert fork["node"] == old
        await _decided(county, hub, clerk, fork["node"])
        mine = (await until(lambda: _forks(clerk, 2), "what the copy wrote is offered at the computer in use", 30))[0]
        assert all(line["may"] for line in mine["others"][0])
        assert {case["case"] for case in there} <= {line["subject"] for line in mine["others"][0]}
        adopted = await clerk.http.post("/forks/all", data={"origin": mine["origin"]})
        assert adopted.json() == {"adopted": 2, "sentence": ""}, adopted.text
        again = await clerk.http.post("/forks/all", data={"origin": mine["origin"]})
        assert again.json()["adopted"] == 0
        assert await _stopped(other) in ("node_forked", "node_revoked"), "the copy stays out"
    await county.same("hub", "town", "gaoyu")
    await until(lambda: _forks(hub, 0), "decided everywhere", 10)
    await _found_again(county, hub, [here, *there])


async def test_the_copy_is_heard_first_and_nothing_is_lost(county: County):
    """The computer in use takes the copy's history for its own of before and goes on under an epoch of its own, until it hears the copy speak."""
    async with both(county) as (clerk, other, _):
        hub, old = await county.page("zhoumin"), county.id_of("gaoyu")
        here, there = await _written_apart(county, clerk, other)
        with stopped(county.demo.processes["gaoyu"]):
            county.demo.heal("gaoyu")
            for case in there:
                await county.shows(hub, case["case"])
        await _both_are_told(county, clerk, other)
        await _found_again(county, hub, [here, *there])
        await _decided(county, hub, clerk, old)
        assert await _stopped(other) in ("node_forked", "node_revoked"), "the copy stays out"
    await county.same("hub", "town", "gaoyu")
    await _found_again(county, hub, [here, *there, await county.log(clerk, VILLAGE, distinct("重新登记以后"))])


@asynccontextmanager
async def both(county: County) -> AsyncIterator[tuple[Page, Page, Process]]:
    """Pages of the village's computer and of a copy of it, both cut off; the copy's process."""
    clerk, home = await county.page("wangfang"), county.home("gaoyu")
    before = await county.log(clerk, VILLAGE, distinct("复制以前登记"))
    await county.same("hub", "town", "gaoyu")
    await county.halt("gaoyu")
    copy, port = home.with_name(f"gaoyu-copy-{secrets.token_hex(2)}"), free_ports(1)[0]
    shutil.copytree(home, copy)
    config = (copy / "yidi.toml").read_text()
    (copy / "yidi.toml").write_text(config.replace(f"port = {county.demo.ports.pages['gaoyu']}", f"port = {port}"))
    county.demo.cut("gaoyu")
    await county.begin("gaoyu")
    async with running("edge", copy, port) as process:
        other = await Page(f"http://127.0.0.1:{port}", "wangfang").sign_in()
        yield clerk, other, process
        await other.http.aclose()
    await _found_again(county, await county.page("zhoumin"), [before])


@contextmanager
def stopped(process: Process) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def _written_apart(county: County, clerk: Page, other: Page) -> tuple[dict, list[dict]]:
    here = await county.log(clerk, VILLAGE, distinct("真正在用的电脑登记"))
    there = [await county.log(other, VILLAGE, distinct(f"复制的电脑登记{n}")) for n in "一二"]
    assert here["code"] == there[0]["code"], "both count from the same number, and neither can know"
    return here, there


async def _both_are_told(county: County, *pages: Page) -> None:
    for page in pages:
        await until(lambda page=page: _told(page), f"{page.http.base_url} is told", 60)
        form = county.form(VILLAGE, text := distinct("停写以后再登记"))
        got = await page.http.post("/cases", data=form, headers=HTML)
        assert got.status_code == 403, got.status_code
        assert "这台电脑的数据被复制过" in got.text
        assert text in got.text, "what was typed is still in the form"
        assert "这台电脑的数据被复制过" in (await page.http.get("/desk", headers=HTML)).text, "on every page"


async def _found_again(county: County, hub: Page, cases: list[dict]) -> None:
    """Each receipt of a case, under a code that is its own now or was when it was given."""
    codes = set()
    for case in cases:
        shown = await county.shows(hub, case["case"])
        assert shown["code"] == case["code"] or case["code"] in shown["aliases"]
        codes.add(shown["code"])
    assert len(codes) == len(cases)


async def _stopped(page: Page) -> str:
    try:
        return (await page.get("/link"))["stopped"]
    except (httpx.TransportError, AssertionError):
        return ""


async def _told(page: Page) -> bool:
    """Of its twin; while it opens again under another epoch it is only busy."""
    return await _stopped(page) == "node_forked"


async def _forks(page: Page, open_: int) -> list:
    found = (await page.get("/forks"))["forks"]
    return found if [fork["open"] for fork in found] == [open_] else []


async def _decided(county: County, hub: Page, clerk: Page, node: str) -> None:
    """The county gives a code; it is typed at the computer in use; that one goes on as another node."""
    page = (await hub.http.get("/forks", headers=HTML)).text
    assert "先收到的一份" in page
    will = page.partition(f'action="/renewals/{node}"')[2].partition("</form>")[0]
    assert "这份身份的每台电脑都停用，真正在用的那台也在内" in will and "核对采纳了才算数" in will
    made = await hub.http.post(f"/renewals/{node}")
    assert made.status_code == 201, made.text
    code = made.json()["code"]
    county.typed.add(code.rpartition("/")[2])
    wrong = await clerk.http.post("/renew", data={"code": code[:-1] + ("A" if code[-1] != "A" else "B")}, headers=HTML)
    assert wrong.status_code == 422
    assert "登记码不对" in wrong.text
    got = await clerk.http.post("/renew", data={"code": code})
    assert got.status_code == 200, got.text
    new = got.json()["node"]
    assert new != node

    async def open_again() -> bool:
        return Identity(county.home("gaoyu")).about().node == new and await _stopped(clerk) == "" and await _online(clerk)

    await until(open_again, "the same computer is another node", 30)


async def _online(page: Page) -> bool:
    try:
        return (await page.get("/link"))["online"]
    except (httpx.TransportError, AssertionError):
        return False
