"""seed: a township gets a new machine. From nothing to every case of its villages admitted and projected, the desk usable meanwhile.

A real hub holds `cases` cases of the township. For each run a machine is enrolled anew as a node of that township and its program is
started: `usable_s` runs from the exec until its store holds every entry that the hub had, and every case stands in its lists (both are
read from the store itself). Meanwhile a clerk saves at its pages every `SAVE_EACH_S`: `save_p99_ms`, with the target of any save at an
edge, whatever the network does. In the runs after that the program is killed with SIGKILL at a drawn point and started again: nothing
that was there may be gone, and it goes on from there.
Floor: the rows of the finished store (entries, lanes, lists, search texts; without the index of search) inserted into an empty
SQLCipher store with the same indices, 500 a transaction.
"""

import asyncio
import signal
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from deploy.county import County
from deploy.demo import build
from deploy.demo.cast import PASSWORD, TOWNSHIP, VILLAGE, Person
from deploy.demo.check import Page, new_id
from deploy.demo.county import Demo
from deploy.keeping import save_config
from deploy.nats.servers import free_ports
from edge import enrol as joining
from hub.enrolment import Enrolment
from protocol import batch as batches
from protocol.node.config import load
from protocol.node.identity import Identity
from protocol.node.journal.engine import connect_sqlite
from protocol.node.node import Node, now_ms
from tests.bench.figure import Figure, figure, percentile
from tests.bench.kit import floors
from tests.bench.kit.county import county, opened
from tests.bench.kit.programs import Program, running

POLL_S, SAVE_EACH_S, WAIT_S_MAX = 0.1, 0.3, 600
ROWS_AT_ONCE = 500  # of the floor; a pull brings as many entries
COPIED = ("entry", "lane", "case_row", "task_row", "clock_row", "review_row", "number_row", "search")


class Sizes(NamedTuple):
    cases: int
    disputes: int


class Machine(NamedTuple):
    """An enrolled node that never ran. has: rows of entries at enrolment (*common*, its own person)."""

    name: str
    port: int
    key: bytes


class Seeded(NamedTuple):
    usable_s: float
    saves_ms: list[float]
    kept: bool


FULL, SLICE = Sizes(10_000, 120), Sizes(20, 12)


async def run(runs: int, folder: Path, sizes: Sizes = FULL) -> dict[str, Figure]:
    demo = await county(folder, sizes.cases, into=("hub",), disputes=sizes.disputes)
    machines = await _enrolled(demo, 2 * runs)
    entries, cases = await _wanted(demo)
    chance, whole, killed, floor = Random(sizes.cases), [], [], []
    async with running(demo, "hub"):
        for n, machine in enumerate(machines):
            kill_at = chance.uniform(0.1, 0.9) if n >= runs else None
            done = await _seeded(folder, machine, entries, cases, kill_at)
            (whole if kill_at is None else killed).append(done)
            if kill_at is None:
                floor.append(await asyncio.to_thread(_floor_s, folder, machine))
    assert all(one.kept for one in killed), "after a kill the machine began again"
    saves = [percentile(one.saves_ms, 99) for one in whole]
    usable = [one.usable_s for one in whole]
    share = [bare / took for bare, took in zip(floor, usable, strict=True)]
    return {
        "usable_s": figure(usable, "s", floor, target=30),
        "share_of_floor": figure(share, "of floor", target=0.25, at_most=False),
        "entries_per_s": figure([entries / took for took in usable], "1/s"),
        "save_p99_ms": figure(saves, "ms", target=50),
        "killed_usable_s": figure([one.usable_s for one in killed], "s"),
    }


async def _enrolled(demo: Demo, count: int) -> list[Machine]:
    """So many machines, each joined by a code of its own, with an officer who may sign in."""
    folder = demo.folder / "hub"
    config = load(folder / "yidi.toml", {})
    authority, hub = County.open(folder, config, now_ms()), await opened(folder)
    try:
        enrolment = authority.enrolment(hub)
        return [await _join(demo, f"new{n}", enrolment, port) for n, port in enumerate(free_ports(count))]
    finally:
        await hub.close()


async def _join(demo: Demo, name: str, enrolment: Enrolment, port: int) -> Machine:
    folder = demo.folder / name
    code = await enrolment.invite(place=TOWNSHIP, name=name)

    async def post(_address: str, body: bytes) -> tuple[int, bytes]:
        return 200, await enrolment.redeem(body)

    joined = await joining.enrol(code, folder, post=post)
    save_config(folder, f'[http]\nhost = "127.0.0.1"\nport = {port}\n[link]\nservers = ["127.0.0.1:{demo.ports.county}"]\n')
    node = await opened(folder)
    try:
        for packed in joined.batches:
            await node.admission.admit(batches.unpack(packed), node.about.root_node)
        officer = await build.employ(node, Person("李强", "officer", TOWNSHIP))
        await node.people.add_account("liqiang", officer.person, PASSWORD, now_ms())
    finally:
        await node.close()
    return Machine(name, port, Identity(folder).key("store"))


async def _wanted(demo: Demo) -> tuple[int, int]:
    """(entries, cases) of the township at the hub."""
    hub: Node = await opened(demo.folder / "hub")
    try:
        heads = await hub.journal.heads()
        cases = await hub.journal.rows("case_row", "ledger >= :own and ledger < :own_to", {"own": TOWNSHIP, "own_to": f"{TOWNSHIP}0"})
        return sum(head.seq for (ledger, _), head in heads.items() if ledger.startswith(TOWNSHIP)), len(cases)
    finally:
        await hub.close()


async def _seeded(folder: Path, machine: Machine, entries: int, cases: int, kill_at: float | None) -> Seeded:
    """kill_at: after this share of the entries."""
    began, took, kept = time.monotonic(), list[float](), True
    program = await Program.start(machine.name, folder, machine.port)
    saving = asyncio.create_task(_saves(machine, took))
    try:
        if kill_at is not None:
            before = await _until(folder, machine, entries * kill_at)
            saving.cancel()
            await program.stop(signal.SIGKILL)
            at_rest = _there(folder, machine)
            program = await Program.start(machine.name, folder, machine.port)
            kept = _there(folder, machine) >= at_rest >= before
            saving = asyncio.create_task(_saves(machine, took))
        await _until(folder, machine, entries)
        usable_s = time.monotonic() - began
        assert _count(folder, machine, "select count(*) from case_row where code like '2%'") >= cases, "entries are here, cases are not"
        while not took and not saving.done():  # so few cases that none was saved meanwhile
            await asyncio.sleep(POLL_S)
        if saving.done():
            saving.result()  # the desk was of no use: say why
    finally:
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)
        await program.stop()
    return Seeded(usable_s, took, kept)


async def _saves(machine: Machine, took: list[float]) -> None:
    """A clerk who registers as long as it takes."""
    page = await Page(f"http://127.0.0.1:{machine.port}", "liqiang").sign_in()
    try:
        while True:
            began = time.perf_counter()
            await page.post("/cases", {"command_id": new_id(), "ledger": VILLAGE, "type": "0204", "account": "两家为围墙滴水争执。",
                                       "party_name": ["张福根", "李水木"], "party_side": ["applicant", "respondent"], "party_phone": ["", ""]})  # fmt: skip
            took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(SAVE_EACH_S)
    finally:
        await page.http.aclose()


async def _until(folder: Path, machine: Machine, entries: float) -> int:
    began = time.monotonic()
    while (there := _there(folder, machine)) < entries:
        assert time.monotonic() - began < WAIT_S_MAX, f"{there} of {entries} entries"
        await asyncio.sleep(POLL_S)
    return there


def _there(folder: Path, machine: Machine) -> int:
    """Entries of others that its store holds."""
    node = Identity(folder / machine.name).about().node
    return _count(folder, machine, f"select coalesce(sum(seq), 0) from lane where ledger like '{TOWNSHIP}%' and origin not like '{node}:%'")


def _count(folder: Path, machine: Machine, sql: str) -> int:
    with closing(connect_sqlite(folder / machine.name / "journal.db", machine.key, False)) as c:
        return c.execute(sql).fetchone()[0]


def _floor_s(folder: Path, machine: Machine) -> float:
    tables: list[tuple[str, list[str], list[Any]]] = []
    with closing(connect_sqlite(folder / machine.name / "journal.db", machine.key, False)) as c:
        for name in COPIED:
            (create,) = c.execute("select sql from sqlite_master where type = 'table' and name = ?", (name,)).fetchone()
            indices = c.execute(
                "select sql from sqlite_master where type = 'index' and tbl_name = ? and sql is not null", (name,)
            ).fetchall()
            tables.append((create, [row[0] for row in indices], c.execute(f"select * from {name}").fetchall()))
    return floors.rows_s(folder, tables, ROWS_AT_ONCE)
