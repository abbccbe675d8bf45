"""save: a clerk presses 保存 at a township's edge, page to page, and the desk's own part of it.

A real edge with `cases` cases of history, which the hub beside it has as well. Half of the saves with the link up, half with it cut. `desk`: the same
commands at `desk.submit` of a node opened here, no pages. Syncs are counted by strace on the edge's process, the link cut, up to the
last answer. Floor: one row of the same bytes into a fresh SQLCipher store, committed with full sync, in the same run.
"""

import asyncio
import shutil
import signal
import time
from pathlib import Path
from typing import NamedTuple

from deploy.demo.cast import PEOPLE, VILLAGE
from deploy.demo.check import Page, new_id
from protocol.commands import AddNote, LogDispute, Party
from protocol.events import Actor
from protocol.node.config import load
from protocol.node.node import Node
from tests.bench.figure import Figure, figure, percentile
from tests.bench.kit import floors
from tests.bench.kit.county import county
from tests.bench.kit.programs import running

ENTRY_BYTES = 1_400  # of a registration: head, body, hash, signature, its row in the lists
ACCOUNT = "张福根说东邻李水木新砌的围墙往他家屋檐下占了半尺，滴水没处落，要求拆回老墙脚。李水木说是按老界砌的。"


class Sizes(NamedTuple):
    cases: int
    saves: int
    disputes: int


FULL, SLICE = Sizes(100_000, 100, 120), Sizes(20, 4, 12)


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    demo = await county(folder, sizes.cases, into=("hub", "town"), disputes=sizes.disputes)  # else the hub would pull them meanwhile
    up, cut, floor = [], [], []
    async with running(demo, "hub", "town") as programs:
        page = await Page(demo.url("town"), "liqiang").sign_in()
        await saves(page, 4)
        for _ in range(runs):
            demo.heal("county")
            up.append(percentile(await saves(page, sizes.saves // 2), 99))
            demo.cut("county")
            cut.append(percentile(await saves(page, sizes.saves // 2), 99))
            floor.append(await floors.commits_p_ms(folder, sizes.saves, ENTRY_BYTES))
        syncs = await _syncs(page, programs["town"].pid, runs, max(sizes.saves // 10, 2), folder)
        await page.http.aclose()
    desk_floor = [await floors.commits_p_ms(folder, sizes.saves, ENTRY_BYTES) for _ in range(runs)]
    desk = await _at_the_desk(folder / "town", runs, sizes.saves)
    return {
        "p99_ms": figure(up, "ms", floor, target=50),
        "cut_p99_ms": figure(cut, "ms", floor, target=50),
        "desk_p99_ms": figure([percentile(some, 99) for some in desk], "ms", desk_floor, target=5),
        "desk_p50_ms": figure([percentile(some, 50) for some in desk], "ms"),
        "fsyncs": figure(syncs, "a save", [1.0], target=2),
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


async def _syncs(page: Page, pid: int, runs: int, count: int, folder: Path) -> list[float]:
    """fsync and fdatasync calls of the edge a save. Raises FileNotFoundError without strace."""
    strace, found = shutil.which("strace"), []
    if strace is None:
        raise FileNotFoundError("strace")
    for _ in range(runs):
        out = folder / "syncs"
        words = (strace, "-f", "-q", "-e", "trace=fsync,fdatasync", "-o", str(out), "-p", str(pid))
        tracer = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
        await asyncio.sleep(0.5)
        await saves(page, count)
        tracer.send_signal(signal.SIGINT)
        await tracer.wait()
        found.append(sum("sync(" in line for line in out.read_text().splitlines()) / count)
    return found


async def _at_the_desk(folder: Path, runs: int, saves: int) -> list[list[float]]:
    """Milliseconds of each `desk.submit`, by run."""
    node = await Node.open(folder, load(folder / "yidi.toml", {}))
    try:
        actor = await officer(node)
        return [await submits(node, actor, saves) for _ in range(runs)]
    finally:
        await node.close()


async def officer(node: Node) -> Actor:
    """Who works at the township's desk."""
    name = next(p.name for p in PEOPLE if p.account == "liqiang")
    (row,) = await node.journal.rows("post_row", "kind = 'officer' and ledger = :office and ended = 0", {"office": node.office}, limit=1)
    return Actor(row["subject"], row["post"], node.office, node.tables().post_powers("officer"), name)


async def submits(node: Node, actor: Actor, count: int) -> list[float]:
    took, case = [], ""
    for n in range(count):
        parties = [Party("张福根", "13800000011"), Party("李水木", side="respondent")]
        log = LogDispute(id=new_id(), ledger=VILLAGE, type="0204", account=f"{ACCOUNT}第{n}次。", parties=parties, title="滴水巷")
        command = log if n % 2 == 0 else AddNote(id=new_id(), case=case, text="两家又来说了一次，约好后天上午到现场看。")
        began = time.perf_counter()
        outcome = await node.desk.submit(command, actor)
        took.append((time.perf_counter() - began) * 1000)
        case = outcome.subject
    return took
