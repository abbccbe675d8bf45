"""axe, console and sideways scroll on every page that the programs serve: what an application routes and nobody looks at fails here.

Pages that both programs have are looked at at the county, where most is to be seen; the states that other tests bring about, they look at.
"""

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlencode

from playwright.sync_api import Page

from protocol.calendar import DAY_MS
from protocol.commands import ConfirmTask, SignAgreement, TellTask
from tests.edge import rig as desks
from tests.edge.served import served as edge_served
from tests.hub_pages.test_nodes import Pump
from tests.hub_pages.world import PASSWORD, Hub, world
from tests.hub_pages.world import served as hub_served
from tests.kit import browser
from tests.kit.axe import accessible
from tests.kit.browser import DESK, PHONE
from tests.kit.machine import needs_chromium
from tests.kit.source import ROOT as ROOT_FOLDER
from tests.node.desk_kit import ROOT, VILLAGE, new_id

pytestmark = needs_chromium
NO_PAGES: Final = {  # files, answers for programs, pieces of pages, ways back to one
    "/cases.csv", "/cases.xlsx", "/statistics.csv", "/statistics.xlsx", "/cases/{subject:str}/agreement.pdf", "/cases/{subject:str}/papers/{kind:str}",
    "/cases/{subject:str}/peek",
    "/cases/{subject:str}/proof/{origin:str}/{seq:int}", "/files/{case:str}/{address:str}", "/tasks/{subject:str}/files/{address:str}",
    "/stick/files/{name:str}", "/stick/job", "/restored/open", "/stream", "/healthz", "/metrics", "/static/{file_path:path}", "/task/app.webmanifest",
    "/task/icon-192.png", "/task/icon-512.png", "/task/sw.js", "/task/mine", "/drafts/uploads/{sum_:str}",
    "/forks/all", "/renew", "/forks/{hash_:str}/{decision:str}", "/stick/export", "/stick/import", "/stick/cancel",
}  # fmt: skip
SIGNED_OUT: Final = ("/sign-in", "/recover")
ADMINS: Final = ("/people", "/quarantine")
ELSEWHERE: Final = {"/stick": ROOT_FOLDER / "tests/edge/test_stick_browser.py"}  # needs nodes that have a link; who looks at it
MACHINES: Final = ("/link", "/link/ledger", "/link/machine", "/nodes")  # looked at with machines that were heard of
LEFT: Final = f"/cases/{'0' * 32}/AddNote "  # of a case out of sight
DESKS: Final = ("/desk", "/inbox")  # what only a village's and a township's program have
MORE: Final = (  # with nothing to be found, nothing to be done, nothing there
    "/cases?text=没有这个词", "/cases?view=review", "/tasks?show=all", "/visits/reassign", "/visits/team", "/cases/00000000000000000000000000000000",
    "/nowhere", "/board?figure=overdue", "/statistics?period=year", "/statistics?since=2020-01-01&until=2020-01-31",
)  # fmt: skip


def pages_of(app: Any) -> set[str]:
    return {route.path for route in app.routes if "GET" in getattr(route, "methods", ())} - NO_PAGES


async def pages_served() -> set[str]:
    """Of a village, of a township and of the county."""
    with TemporaryDirectory() as folder:
        rig = await desks.Rig.make(Path(folder))
        try:
            own = pages_of(rig.app("village")) | pages_of(rig.app("town"))
        finally:
            await rig.close()
        async with world(Path(folder) / "hub") as hub:
            return own | pages_of(hub.app)


def seen(page: Page, url: str, status: int = 200) -> None:
    """At a desk and on a phone; all that is wrong with a page at once."""
    page.set_viewport_size(DESK)
    answer = page.goto(url)
    assert answer
    assert answer.status == status, url
    accessible(page, url)
    page.set_viewport_size(PHONE)
    page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")  # a chart is drawn anew a moment later


def sign_in(page: Page, url: str, account: str, password: str) -> None:
    page.goto(f"{url}/sign-in")
    browser.sign_in(page, account, password)


def busy(hub: Hub, run: Callable[[Any], Any]) -> dict[str, str]:
    """A task that was asked about and another; a case with an agreement; words of a step that can't be done any more. Returns what stands for the names in paths."""
    run(hub.sign_in("operator"))
    tasks = [run(hub.send(title)) for title in ("田埂地界", "空调外机对着窗")]
    cadre = hub.root.actor("cadre", ROOT, hub.cadre)
    run(hub.root.say(ConfirmTask(id=new_id(), task=tasks[0]), cadre))
    run(hub.root.say(TellTask(id=new_id(), task=tasks[0], text="户主电话打不通，改明天行吗"), cadre))
    case = hub.cases["田埂地界"]
    terms = ["界石立回原处。", "谁也不再挪。"]
    run(hub.root.say(SignAgreement(id=new_id(), case=case, terms=terms, performance="三天内"), hub.actor()))
    draft = {"form": LEFT, "tab": "a tab", "command": new_id(), "fields": [["text", "写到一半的一句话"]]}
    assert run(hub.client.post("/drafts", json=draft)).status_code == 200
    return {"case": case, "task": tasks[0]}


def machines(hub: Hub, run: Callable[[Any], Any]) -> list[str]:
    """A village that lacks two entries of each lane; the pages that say so."""
    hub.pages.pump, hub.pages.shelf = run(Pump(hub).load()), hub.root.shelf
    hub.pages.pump.says(hub.town.signer.node, 1_000)
    hub.pages.pump.says(hub.village.signer.node, DAY_MS, missing=2)
    return ["/link", "/nodes", f"/link/ledger?of={VILLAGE}", f"/link/machine?of={hub.village.signer.node}"]


def test_every_page_of_the_county_holds(open_page: Callable, tmp_path, monkeypatch):
    monkeypatch.setattr(browser, "EXPECTED", re.compile(browser.EXPECTED.pattern + "|status of 40[34]"))  # pages that say no
    with hub_served(tmp_path) as (url, hub, run):
        stands = busy(hub, run)
        page, paths = open_page(f"{url}/sign-in", DESK), pages_of(hub.app)
        assert {"/board", "/today", "/cases/{subject:str}", "/visits/reassign"} <= paths
        assert all("look(" in test.read_text("utf-8") for test in ELSEWHERE.values())
        for path in SIGNED_OUT:
            seen(page, url + path)
        for account, some in (
            ("operator", paths - {*SIGNED_OUT, *ADMINS, *ELSEWHERE, *MACHINES, "/sealed"}),
            ("admin", ADMINS),
            ("discipline", ("/sealed",)),
        ):
            sign_in(page, url, account, PASSWORD)
            for path in sorted(some):
                seen(page, url + at(path, stands))
            if account == "operator":
                for path in MORE:
                    seen(page, url + path, 404 if path in ("/nowhere", MORE[5]) else 200)
                for path in machines(hub, run):
                    seen(page, url + path)
            page.context.clear_cookies()


def at(path: str, stands: dict[str, str]) -> str:
    kind = "task" if path.startswith("/tasks/") else "case"
    more = {"/visits/team": f"?case={stands['case']}", "/drafts/open": f"?{urlencode({'of': LEFT, 'tab': 'a tab'})}"}.get(path, "")
    return path.replace("{subject:str}", stands[kind]).replace("{step:str}", "ReassignTask") + more


def test_what_only_a_village_and_a_township_have_holds_and_there_is_nothing_else(open_page: Callable, tmp_path):
    with edge_served(tmp_path, "village", "town") as nodes:
        nodes.do(lambda rig: rig.a_busy_village())
        nodes.do(lambda rig: rig.everywhere())
        own = pages_of(nodes.rig.app("village"))
        for kind, account in (("village", "wangfang"), ("town", "shen")):
            page = open_page(nodes.url[kind] + "/sign-in", DESK)
            sign_in(page, nodes.url[kind], account, desks.PASSWORD)
            for path in DESKS:
                seen(page, nodes.url[kind] + path)
    with hub_served(tmp_path / "hub") as (_, hub, _):
        assert own - pages_of(hub.app) == set(DESKS)
