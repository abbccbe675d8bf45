"""save: a clerk presses 保存 at a township's edge, page to page, and the desk's own part of it.

A real edge with `cases` cases of history, which the hub beside it has as well. Half of the saves with the link up, half with it cut. `desk`: the same
commands at `desk.submit` of a node opened here, no pages; of it `commit` is the COMMIT alone, and `pages` what it writes into the store's log (4 KiB
each, encrypted and summed one by one). Syncs are counted by strace on the edge's process, the link cut, up to the last answer. Floor: one
row of the same bytes into a fresh SQLCipher store, committed with full sync, in the same run; of `fsyncs` what strace counts of such a commit.
"""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from deploy.demo.cast import PEOPLE, VILLAGE
from deploy.demo.check import Page, new_id
from protocol.commands import AddNote, LogDispute, Party
from protocol.events import Actor
from protocol.node.config import load
from protocol.node.node import Node
from tests.bench.figure import Figure, figure, percentile
from tests.bench.kit import floors, points
from tests.bench.kit.county import county
from tests.bench.kit.programs import running

FRAME_BYTES = 4_096 + 24  # of a page in the log, with its head
ENTRY_BYTES = 1_400  # of a registration: head, body, hash, signature, its row in the lists
ACCOUNT = "张福根说东邻李水木新砌的围墙往他家屋檐下占了半尺，滴水没处落，要求拆回老墙脚。李水木说是按老界砌的。"


class Sizes(NamedTuple):
    cases: int
    saves: int
    disputes: int


FULL, SLICE = Sizes(100_000, 100, 120), Sizes(20, 4, 12)


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    demo = await county(folder, sizes.cases, into=("hub", "town"), disputes=sizes.disputes)  # else the hub would pull them meanwhile
    up, cut, floor, syncs, bare = [], [], [], [], []
    each = max(sizes.saves // 10, 2)
    async with running(demo, "hub", "town") as programs:
        page = await Page(demo.url("town"), "liqiang").sign_in()
        await saves(page, 4)
        for _ in range(runs):
            demo.heal("county")
            up.append(percentile(await saves(page, sizes.saves // 2), 99))
            demo.cut("county")
            cut.append(percentile(await saves(page, sizes.saves // 2), 99))
            floor.append(await floors.commits_p_ms(folder, sizes.saves, ENTRY_BYTES))
        for _ in range(runs):
            syncs.append(await _syncs(programs["town"].pid, lambda: saves(page, each), each, folder))
            bare.append(await _bare_syncs(each, folder))
        await page.http.aclose()
    desk_floor = [await floors.commits_p_ms(folder, sizes.saves, ENTRY_BYTES) for _ in range(runs)]
    desk, commits, logged, noted = await _at_the_desk(folder / "town", runs, sizes.saves)
    return {
        "p99_ms": figure(up, "ms", floor, target=50),
        "cut_p99_ms": figure(cut, "ms", floor, target=50),
        "desk_p99_ms": figure([percentile(some, 99) for some in desk], "ms", desk_floor, target=5),
        "desk_p50_ms": figure([percentile(some, 50) for some in desk], "ms"),
        "desk_commit_p50_ms": figure([percentile(some, 50) for some in commits], "ms"),
        "registration_pages": figure(logged, "pages"),
        "note_pages": figure(noted, "pages"),
        "fsyncs": figure(syncs, "a save", bare, target=2),
    }


async def saves(page: Page, count: int) -> list[float]:
    """Milliseconds of each: a registration, a note on it, in turn."""
    took, case = [], ""
    for n in range(count):
        began = time.perf_counter()
        if n % 2 == 0 or not case:
            case = (await page.post("/cases", form(n)))["case"]
        else:
            await page.step(case, "AddNote", text="两家又来说了一次，约好后天上午到现场看。")
        took.append((time.perf_counter() - began) * 1000)
    return took


def form(n: int) -> dict[str, object]:
    return {
        "command_id": new_id(), "ledger": VILLAGE, "type": "0204", "account": f"{ACCOUNT}第{n}次。", "place_text": "三组晒谷场东边",
        "party_name": ["张福根", "李水木"], "party_side": ["applicant", "respondent"], "party_phone": ["13800000011", ""],
    }  # fmt: skip


async def _syncs(pid: int, work: Callable[[], Awaitable[object]], count: int, folder: Path) -> float:
    """fsync and fdatasync calls of a process during the work, one `count`th of them. Raises FileNotFoundError without strace."""
    strace, out = shutil.which("strace"), folder / "syncs"
    if strace is None:
        raise FileNotFoundError("strace")
    words = (strace, "-f", "-q", "-e", "trace=fsync,fdatasync", "-o", str(out), "-p", str(pid))
    tracer = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
    await asyncio.sleep(0.5)
    await work()
    assert tracer.returncode is None, f"strace does not see {pid}"
    tracer.send_signal(signal.SIGINT)
    await tracer.wait()
    return sum("sync(" in line for line in out.read_text().splitlines()) / count


async def _bare_syncs(count: int, folder: Path) -> float:
    """Those of this program a commit, while it makes so many into a fresh store and does nothing else."""
    with floors.store(folder, ENTRY_BYTES) as commit:
        return await _syncs(os.getpid(), lambda: asyncio.to_thread(lambda: [commit() for _ in range(count)]), count, folder)


class Desk(NamedTuple):
    """By run: milliseconds of each `desk.submit`, and of each COMMIT in it · pages written by a registration and by a note on it, median."""

    submits: list[list[float]]
    commits: list[list[float]]
    registration: list[float]
    note: list[float]


async def _at_the_desk(folder: Path, runs: int, saves: int) -> Desk:
    node, made = await Node.open(folder, load(folder / "yidi.toml", {})), Desk([], [], [], [])
    try:
        actor = await officer(node)
        for _ in range(runs):
            with points.reached() as told:
                made.submits.append(await submits(node, actor, saves))
            made.commits.append(points.between(told, "journal.commit", "journal.committed"))
            pages = [await _grown(folder / "journal.db-wal", node, actor) for _ in range(max(saves // 10, 2))]
            made.registration.append(percentile([one for one, _ in pages], 50))
            made.note.append(percentile([other for _, other in pages], 50))
        return made
    finally:
        await node.close()


async def _grown(log: Path, node: Node, actor: Actor) -> tuple[float, float]:
    """Pages that a registration and a note on it put into the log; 0 where it began anew between them."""
    sizes, case = [log.stat().st_size], ""
    for n in range(2):
        case = (await node.desk.submit(command(n, case), actor)).subject
        sizes.append(log.stat().st_size)
    grown = [max(after - before, 0) / FRAME_BYTES for before, after in pairwise(sizes)]
    return grown[0], grown[1]


async def officer(node: Node) -> Actor:
    """Who works at the township's desk."""
    name = next(p.name for p in PEOPLE if p.account == "liqiang")
    (row,) = await node.journal.rows("post_row", "kind = 'officer' and ledger = :office and ended = 0", {"office": node.office}, limit=1)
    return Actor(row["subject"], row["post"], node.office, node.tables().post_powers("officer"), name)


async def submits(node: Node, actor: Actor, count: int) -> list[float]:
    took, case = [], ""
    for n in range(count):
        asked, began = command(n, case), time.perf_counter()
        outcome = await node.desk.submit(asked, actor)
        took.append((time.perf_counter() - began) * 1000)
        case = outcome.subject
    return took


def command(n: int, case: str) -> LogDispute | AddNote:
    """A registration, then a note on it, in turn."""
    if n % 2:
        return AddNote(id=new_id(), case=case, text="两家又来说了一次，约好后天上午到现场看。")
    parties = [Party("张福根", "13800000011"), Party("李水木", side="respondent")]
    return LogDispute(id=new_id(), ledger=VILLAGE, type="0204", account=f"{ACCOUNT}第{n}次。", parties=parties, title="滴水巷")
