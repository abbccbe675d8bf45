"""rest: an edge that nobody uses, and then one that is used: resident memory, seconds to start, milliseconds of each page.

A real township's edge with the demo's data, and with `cases` cases of history; then the county's own pages with as many. Memory is read after a moment of rest, and again after
`rounds` rounds over all pages and some saves: what caches keep then stays. Floors: a bare Python with uvicorn and one route, which is
what any page of this kind needs; for pages that program's own answer. Time to start is from the exec to the first answer.
"""

import asyncio
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from deploy.demo.cast import COUNTY, NEIGHBOUR, TOWNSHIP, VILLAGE
from deploy.demo.check import Page
from deploy.demo.county import Demo, answers
from deploy.nats.servers import free_ports
from protocol.calendar import DAY_MS, local_date
from protocol.case import TASK_OPEN
from tests.bench.figure import Figure, figure, percentile
from tests.bench.kit.county import county
from tests.bench.kit.programs import rss_mb, running
from tests.bench.save import form, saves

REST_S = 3.0
PAGES = (
    "/desk", "/today", "/inbox", "/cases", "/cases?view=open", "/cases?view=overdue", "/cases?view=follow_up", "/cases?view=held", "/cases?page=40",
    "/cases?text=张福根", "/cases?text=围墙", "/cases?status=closed", "/cases?type=02", f"/cases?place={NEIGHBOUR}", "/cases/CASE", "/tasks",
    "/cases/new", "/link", f"/link/ledger?of={VILLAGE}", "/link/machine?of=NODE", "/statistics", "/statistics?period=year", "/calendar", "/reviews",
)  # fmt: skip
BOTH = (  # what both programs have and seldom is open: who can go, a task, what is asked before a step, what lies beside the work
    "/cases/CASE/dispatch", "/cases/CASE/parties", "/cases/CASE/ask", "/cases/CASE/transfer", "/cases/CASE/seal", "/tasks/TASK",
    "/tasks/TASK/ask/UrgeTask", "/visits/team?case=CASE", "/visits/reassign?of=CADRE", "/calendar?day=TODAY", "/seal", "/losses", "/forks", "/proof",
    "/vouch", "/stick", "/people", "/task", "/password", "/recover", "/sign-in",
)  # fmt: skip
HUB_PAGES = (
    "/board", "/board?figure=held", "/board?figure=overdue", f"/board?place={TOWNSHIP}", "/board?page=40", "/map", f"/map?place={TOWNSHIP}", "/today",
    "/tasks", "/cases", "/cases?view=incoming", "/cases/CASE", "/statistics", "/statistics?period=year", "/calendar", "/reviews", "/nodes", "/link",
    f"/link/ledger?of={VILLAGE}", "/link/machine?of=NODE", "/cases/new", "/quarantine", "/tasks?show=all", "/cases/CASE/erase",
)  # fmt: skip
LEFT = "leads to a form, or shows the words of one that is offered no more"
UNMEASURED = {  # node → route → why
    "town": {"/": "only says where to go", "/cases/{subject:str}/erase": "nobody there may erase", "/drafts/open": LEFT},
    "hub": {"/": "only says where to go", "/drafts/open": LEFT},
}
PLACES = {"CASE": "{subject:str}", "TASK": "{subject:str}", "UrgeTask": "{step:str}"}  # in a path here → in the routes of a program
BARE = """
import uvicorn
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
uvicorn.run(app, host="127.0.0.1", port=PORT, log_config=None, access_log=False, lifespan="off")
"""


class Sizes(NamedTuple):
    cases: int
    disputes: int
    rounds: int
    rest_s: float


class Seen(NamedTuple):
    """Of one run. pages: path → milliseconds, one of each round."""

    start_s: float
    rest_mb: float
    used_mb: float
    pages: dict[str, list[float]]


class Person(NamedTuple):
    """Who asks: at which node, by which account, for which pages. others: at the same node, for what this one may not see."""

    node: str
    account: str
    pages: tuple[str, ...]
    others: tuple["Person", ...] = ()


DISCIPLINE = Person("hub", "jiwei", ("/sealed",))
CLERK, OPERATOR = Person("town", "liqiang", PAGES + BOTH), Person("hub", "zhoumin", HUB_PAGES + BOTH, (DISCIPLINE,))
FULL, SLICE = Sizes(100_000, 120, 20, REST_S), Sizes(20, 12, 1, 0.1)


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    small = await county(folder / "small", disputes=sizes.disputes)
    large = await county(folder / "large", sizes.cases, into=("hub", "town"), disputes=sizes.disputes)
    bare, few, many, above = [], [], [], []
    for _ in range(runs):
        bare.append(await _bare(folder, sizes))
        few.append(await _node(small, sizes, CLERK))
        many.append(await _node(large, sizes, CLERK))
        above.append(await _node(large, sizes, OPERATOR))
    rss, start = [one.rest_mb for one in bare], [one.start_s for one in bare]
    answer = [percentile(one.pages["/"], 99) for one in bare]
    worst, worst_above = _slowest(many), _slowest(above)
    print(f"  slowest page: {worst}; at the hub {worst_above}")
    return {
        "edge_rss_mb": figure([one.rest_mb for one in many], "MB", rss, target=120),
        "edge_rss_used_mb": figure([one.used_mb for one in many], "MB", rss, target=120),
        "start_s": figure([one.start_s for one in many], "s", start, target=2),
        "pages_p50_ms": figure([percentile(_all(one), 50) for one in many], "ms", answer),
        "pages_p99_ms": figure([percentile(_all(one), 99) for one in many], "ms", answer, target=100),
        "slowest_page_p50_ms": figure([percentile(one.pages[worst], 50) for one in many], "ms", answer, target=100),
        "hub_pages_p50_ms": figure([percentile(_all(one), 50) for one in above], "ms", answer),
        "hub_pages_p99_ms": figure([percentile(_all(one), 99) for one in above], "ms", answer, target=100),
        "hub_slowest_page_p50_ms": figure([percentile(one.pages[worst_above], 50) for one in above], "ms", answer, target=100),
        "demo_rss_mb": figure([one.rest_mb for one in few], "MB", rss, target=120),
        "demo_rss_used_mb": figure([one.used_mb for one in few], "MB", rss),
        "demo_start_s": figure([one.start_s for one in few], "s", start, target=2),
        "demo_pages_p99_ms": figure([percentile(_all(one), 99) for one in few], "ms", answer),
    }


def _all(seen: Seen) -> list[float]:
    return [ms for some in seen.pages.values() for ms in some]


def _slowest(some: list[Seen]) -> str:
    return max(some[0].pages, key=lambda path: max(percentile(one.pages[path], 50) for one in some))


async def _node(demo: Demo, sizes: Sizes, who: Person) -> Seen:
    async with running(demo, who.node, cold=True) as programs:
        program = programs[who.node]
        await asyncio.sleep(sizes.rest_s)
        rest_mb = program.rss_mb()
        page = await Page(demo.url(who.node), who.account).sign_in()
        await saves(page, 2 * sizes.rounds)
        pages = await ask_pages(page, who.pages, sizes.rounds)
        await page.http.aclose()
        for other in who.others:
            pages |= await ask_as(demo, other, sizes.rounds)
        await asyncio.sleep(sizes.rest_s)
        return Seen(program.start_s, rest_mb, program.rss_mb(), pages)


async def ask_pages(page: Page, paths: tuple[str, ...], rounds: int, saving: bool = False) -> dict[str, list[float]]:
    """Each path as often, in turn → milliseconds. See `filled` for what stands for a word in capitals.

    saving: a dispute is logged before each, so that what is kept of any page is good no more; the save itself is not in the time.
    """
    real = await filled(page, paths)
    took: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(rounds):
        for path in paths:
            if saving:
                await saves(page, 1)
            began = time.perf_counter()
            got = await page.http.get(real[path], headers={"Accept": "text/html"})
            took[path].append((time.perf_counter() - began) * 1000)
            assert got.status_code == 200, f"{path}: {got.status_code}"
    return took


async def ask_as(demo: Demo, who: Person, rounds: int) -> dict[str, list[float]]:
    page = await Page(demo.url(who.node), who.account).sign_in()
    took = await ask_pages(page, who.pages, rounds)
    await page.http.aclose()
    return took


async def filled(page: Page, paths: Iterable[str]) -> dict[str, str]:
    """path → what to ask for: CASE is the newest case, TASK one that goes on, CADRE who has it, TODAY a date, NODE another machine."""
    words = {"TODAY": local_date(int(time.time() * 1000)).isoformat()}
    if any("CASE" in path for path in paths):
        words["CASE"] = (await page.get("/cases"))["rows"][0]["subject"]
    if any("TASK" in path or "CADRE" in path for path in paths):
        task = await _goes_on(page) or await _send(page)
        words |= {"TASK": task["subject"], "CADRE": task["cadre"]}
    if any("NODE" in path for path in paths):
        words["NODE"] = (await page.get("/link"))["peers"][0]["node"]
    return {path: re.sub("CASE|TASK|CADRE|TODAY|NODE", lambda found: words[found[0]], path) for path in paths}


async def _goes_on(page: Page) -> Any:
    """A task that somebody has; None: a small county may have none."""
    return next((one for one in (await page.get("/tasks"))["tasks"] if one["status"] in TASK_OPEN and one["cadre"]), None)


async def _send(page: Page) -> Any:
    """Somebody to a new case."""
    case = (await page.post("/cases", form(0) | {"ledger": TOWNSHIP if page.account == CLERK.account else COUNTY}))["case"]
    await page.step(case, "AcceptDispute")
    found = await page.get(f"/cases/{case}/dispatch", place=VILLAGE)
    cadre = next(one for one in found["cadres"] if not one["why_not"])
    what = {"purpose": "上门看一眼围墙", "due_ms": str(int(time.time() * 1000) + 2 * DAY_MS)}
    await page.step(case, "AssignTask", place=VILLAGE, cadre=cadre["person"], home=cadre["home"], **what)
    return await _goes_on(page)


def measured(who: Person) -> set[str]:
    """The routes that are asked for: as the program names them."""
    paths = {path.partition("?")[0] for one in (who, *who.others) for path in one.pages}
    return {re.sub("|".join(PLACES), lambda found: PLACES[found[0]], path) for path in paths}


async def _bare(folder: Path, sizes: Sizes) -> Seen:
    """Python, uvicorn, one route that says ok."""
    (port,) = free_ports(1)
    file = folder / "bare.py"
    file.write_text(BARE.replace("PORT", str(port)))
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(sys.executable, str(file), stdin=asyncio.subprocess.DEVNULL)
    try:
        while not await answers(port):
            assert process.returncode is None, "the bare program did not start"
            await asyncio.sleep(0.02)
        start_s = time.monotonic() - began
        page = Page(f"http://127.0.0.1:{port}", "")
        took = []
        for _ in range(10 * sizes.rounds):
            began = time.perf_counter()
            await page.http.get("/")
            took.append((time.perf_counter() - began) * 1000)
        await page.http.aclose()
        mb = rss_mb(process.pid)
        return Seen(start_s, mb, mb, {"/": took})
    finally:
        process.terminate()
        await process.wait()
