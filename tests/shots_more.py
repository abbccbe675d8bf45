"""What few open, for `./run shots`: the steps of a task, a team, deleting by law, what is sealed; the board with its pane open; the same pages
in the dark and on paper; a session that is over, a node that writes no more. And which pages have no picture at all."""

import asyncio
import re
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import nats

from deploy.demo.cast import COUNTY, NEIGHBOUR, TOWNSHIP, VILLAGE
from deploy.demo.check import Page as Program
from deploy.demo.check import Story, new_id, soon
from deploy.demo.county import Demo, environment
from protocol.node.identity import Identity
from protocol.node.link import subjects
from protocol.node.web.page import COOKIE
from tests.kit.browser import DESK, OLD_PC, PHONE
from tests.kit.source import ROOT

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.shots import Camera

DARK = (  # node, account, path → name
    ("gaoyu", "wangfang", {"/desk": "log", "/today": "today", "/cases/{case}": "case", "/cases": "cases", "/calendar": "calendar"}),
    ("hub", "zhoumin", {"/board": "board", "/map": "map", "/tasks": "tasks", "/statistics?period=year": "statistics"}),
)
WITH_CASE = {"dispatch": "dispatch", "transfer": "transfer", "ask": "ask-county", "erase": "erase", "parties": "parties-county"}
STEPS = {"UrgeTask": "urge", "RecallTask": "recall", "ReassignTask": "reassign"}
LATE = (
    "两家又为晒场吵了一回，劝开了。",
    "上门问过，水沟已经清了一半。",
    "约好星期五再谈。",
)  # written by a computer that was put out meanwhile
NO_PICTURE = {"/": "only says where to go"}  # route → why
ROUTE = re.compile(r"\{[^}]+\}")


async def less_seen(camera: "Camera", demo: Demo, story: Story, county: "Page") -> None:
    """While a cadre is on his way to the case of the story."""
    url, case = demo.url("hub"), story.case_id
    tasks = [one for one in (await story.county.get("/tasks"))["tasks"] if one["cadre"]]
    task = next((one for one in tasks if one["subject"] == story.task_id), tasks[0])
    paths = {f"/cases/{case}/{page}": name for page, name in WITH_CASE.items() if name != "dispatch"}
    paths |= {f"/tasks/{task['subject']}": "task", f"/visits/reassign?of={task['cadre']}": "reassign-all", "/visits/team": "team-nobody"}
    paths |= {f"/tasks/{task['subject']}/ask/{step}": f"task-{name}" for step, name in STEPS.items()}
    paths[f"/link/machine?of={Identity(demo.folder / 'gaoyu').about().node}"] = "machine"
    rows = [row["subject"] for row in (await story.county.get("/cases", view="open"))["rows"][:3]]
    team = "/visits/team?" + "&".join(f"case={one}" for one in rows)
    for path, name in {**paths, team: "team", "/seal": "seal-county", "/stick": "stick-county", "/recover": "recover"}.items():
        await county.goto(url + path)
        await camera.take(county, name)
    left = f"/cases/{'0' * 32}/AddNote "  # half-written for a dispute that went out of sight
    draft = {"form": left, "tab": "a tab", "command": new_id(), "fields": [["text", "两家都同意先量地，等村里拿到老地契再约。"]]}
    await story.county.http.post("/drafts", json=draft)
    await county.goto(f"{url}/drafts/open?{urlencode({'of': left, 'tab': 'a tab'})}")
    await camera.take(county, "half-written")
    told = {"account": "村里发征地补偿款，有两户的面积对不上，都是村干部的亲戚。", "accused": "高禹村村干部", "type": "2201"}
    await story.town.post("/seal", {"command_id": new_id(), **told})
    jiwei = await Program(url, "jiwei").sign_in()

    async def has_come() -> bool:
        return "征地补偿款" in (await jiwei.http.get("/sealed", headers={"Accept": "text/html"})).text

    await soon("密封件到县纪委", has_come)
    await jiwei.http.aclose()
    for account, path, name in (("jiwei", "/sealed", "sealed"), ("admin", "/people", "people-admin"), ("zhoumin", "/password", "password")):
        page = await camera.person(url, account, DESK)
        await page.goto(url + path)
        await camera.take(page, name)
        await page.context.close()
    town = await camera.person(demo.url("town"), "liqiang", DESK)
    await town.goto(demo.url("town") + "/inbox")
    await camera.take(town, "inbox")
    await town.context.close()


async def at_the_board(camera: "Camera", demo: Demo) -> None:
    """Its pane open, its filters in use, and on paper."""
    page = await camera.person(demo.url("hub"), "zhoumin", DESK)
    await page.goto(f"{demo.url('hub')}/board?holder={COUNTY}")  # of all cases those that others hold may fill the first page
    await page.locator("#board-rows a[aria-label^=派单]").first.click()
    await page.locator("#dispatch form").wait_for()
    await held_to(camera, page, "board-pane", "#dispatch")
    await page.goto(f"{demo.url('hub')}/board?figure=open&place={TOWNSHIP}&type=02")
    await held_to(camera, page, "board-filtered", "#narrow")
    await page.context.close()


async def held_to(camera: "Camera", page: "Page", name: str, what: str) -> None:
    """At each size scrolled so that this is in the picture."""
    for end, size in (("", DESK), ("-1366", OLD_PC), ("-390", PHONE)):
        await page.set_viewport_size(size)
        await page.locator(what).scroll_into_view_if_needed()
        if size == PHONE:
            await page.locator(what).evaluate("(one) => one.scrollIntoView()")
        await camera.take(page, name, ((end, size),))
    await page.set_viewport_size(DESK)


async def on_paper(camera: "Camera", demo: Demo, case: str) -> None:
    page = await camera.person(demo.url("gaoyu"), "wangfang", DESK)
    await page.goto(f"{demo.url('gaoyu')}/cases/{case}")
    await page.emulate_media(media="print")
    await camera.take(page, "paper-case")
    await page.context.close()


async def in_the_dark(camera: "Camera", demo: Demo, case: str) -> None:
    for node, account, pages in DARK:
        page = await camera.person(demo.url(node), account, DESK)
        await page.emulate_media(color_scheme="dark")
        for path, name in pages.items():
            await page.goto(demo.url(node) + path.format(case=case))
            await camera.take(page, f"dark-{name}-{node}")
        await page.context.close()


async def cut_short(camera: "Camera", demo: Demo) -> None:
    """The session over in the middle of a form; a stick's export done."""
    url = demo.url("gaoyu")
    page = await camera.person(url, "wangfang", DESK)
    await page.goto(url + "/stick")
    await page.locator("#export select").select_option(index=1)
    await page.locator("#export button.main").click()
    await page.get_by_role("link", name="存到优盘").first.wait_for()
    await camera.take(page, "stick-done")
    await page.goto(url + "/desk")
    await page.fill("#account", "两家的水沟堵了，都说是对方倒的土。")
    await page.fill("#party_name", "叶根土")
    await page.context.clear_cookies(name=COOKIE)
    await page.locator("#log button.main").click()
    await page.locator("#again-box[open]").wait_for()
    await camera.take(page, "session-over")
    await page.context.close()


async def writes_no_more(camera: "Camera", demo: Demo) -> None:
    """Last of all: the county takes a village's computer out of use while that one is away, and gets what it wrote meanwhile by stick."""
    url, id_ = demo.url("liangpeng"), Identity(demo.folder / "liangpeng").about().node
    page = await camera.person(url, "shenmeiqin", DESK)
    clerk, admin, town = [
        await Program(demo.url(node), account).sign_in()
        for node, account in (("liangpeng", "shenmeiqin"), ("hub", "admin"), ("town", "liqiang"))
    ]
    cases = []
    for n in range(len(LATE)):
        form = {"ledger": NEIGHBOUR, "type": "0204", "account": "晒场边上又砌了半堵墙。", "party_name": ["盛阿大", "钮根生"]}
        form |= {"party_side": ["applicant", "respondent"], "party_phone": [f"1380000001{n}", ""]}
        cases.append((await clerk.post("/cases", {"command_id": new_id(), **form}))["case"])
        await clerk.step(cases[-1], "EscalateDispute", to=TOWNSHIP, reason="两边都不让，请镇里出面。")

    async def have_come() -> bool:
        return set(cases) <= {row["subject"] for row in (await town.get("/cases", view="incoming"))["rows"]}

    await soon("报到镇里", have_come)
    for case in cases:
        await town.step(case, "TakeUpDispute")
    demo.cut("liangpeng")
    await admin.post(f"/renewals/{id_}", {})
    for case, text in zip(cases, LATE, strict=True):
        await clerk.step(case, "AddNote", text=text)

    async def is_known() -> bool:
        return any(peer["node"] == id_ and peer["revoked"] for peer in (await town.get("/link"))["peers"])

    await soon("镇里知道良朋村的电脑停用了", is_known)
    late, news = demo.folder / "late.yidi", demo.folder / "news.yidi"
    for node, *words in (
        ("liangpeng", "export", late),
        ("hub", "import", late),
        ("hub", "export", news, "--to", id_),
        ("liangpeng", "import", news),
    ):
        await yidi(demo, node, *words)
    await nonsense(demo)
    for node, account, path in (("town", "liqiang", "/reviews"), ("hub", "zhoumin", "/quarantine")):
        county = await camera.person(demo.url(node), account, DESK)
        await county.goto(demo.url(node) + path)
        await camera.take(county, f"{path[1:]}-filled")
        await county.context.close()
    for one in (clerk, admin, town):
        await one.http.aclose()

    async def is_told() -> bool:
        await page.goto(url + "/desk")
        return await page.locator("p.stopped").count() > 0

    await soon("良朋村的电脑知道自己停用了", is_told)
    await camera.take(page, "node-stopped")
    await page.context.close()


async def yidi(demo: Demo, node: str, *words: "str | Path") -> str:
    """A command of a node, as typed there; what it said."""
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", *map(str, words), "--folder", str(demo.folder / node), cwd=ROOT, env=environment(),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await run.communicate()
    assert run.returncode == 0, words
    return said.decode()


async def nonsense(demo: Demo) -> None:
    """A village's line carries what is no data."""
    home = demo.folder / "gaoyu/identity"
    tls = ssl.create_default_context(cafile=str(home / "ca.pem"))
    line = await nats.connect(f"tls://127.0.0.1:{demo.ports.county}", user_credentials=home / "link.creds", tls=tls)
    await line.publish(subjects.live(VILLAGE, Identity(demo.folder / "gaoyu").about().node), b"nonsense")
    await line.flush()
    await line.close()
    county = await Program(demo.url("hub"), "zhoumin").sign_in()

    async def is_refused() -> bool:
        return bool((await county.get("/quarantine"))["rows"])

    await soon("县里拒收了", is_refused)
    await county.http.aclose()


def missing(visited: set[str], routes: set[str]) -> list[str]:
    """Routes of which no address was visited."""
    found = []
    for route in sorted(routes - set(NO_PICTURE)):
        pattern = re.compile("".join(re.escape(part) if n % 2 == 0 else "[^/]+" for n, part in enumerate(re.split(r"(\{[^}]+\})", route))))
        plain = {other for other in routes if not ROUTE.search(other)}
        if not any(pattern.fullmatch(path) and (path == route or path not in plain) for path in visited):
            found.append(route)
    return found
