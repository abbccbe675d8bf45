"""A demo county on disk for the benches, with as long a history as they ask for. Nothing runs yet.

    demo = await county(folder, cases=100_000)     hub, town, gaoyu, liangpeng; `town` holds that many further cases

Founded and told once, kept (kept.py), copied into `folder`.
"""

import asyncio
import shutil
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path

from deploy.demo.cast import NODES, TOWNSHIP
from deploy.demo.county import Demo
from protocol.node.config import load
from protocol.node.identity import Identity
from protocol.node.node import Node
from tests.bench.kit.history import Bulk, chunks_of, templates
from tests.bench.kit.kept import kept

DISPUTES, SEED = 120, 20261125
CASES_AT_ONCE = 500


async def county(folder: Path, cases: int = 0, *, into: Iterable[str] = ("town",), disputes: int = DISPUTES) -> Demo:
    """into: which nodes hold the further cases."""
    full = base = await kept(f"county-{disputes}", lambda where: _found(where, disputes))
    if cases:
        names = tuple(into)
        full = await kept(f"county-{disputes}-{cases}-{'-'.join(names)}", lambda where: _fill(base, where, cases, names))
    for name in into:  # views of another shape are made anew where they are kept, not in each copy
        await (await opened(full / name)).close()
    await _copy(full, folder)
    return await _found(folder, disputes)


async def opened(folder: Path) -> Node:
    """The node of a folder, in this program. Close it before another opens it."""
    return await Node.open(folder, load(folder / "yidi.toml", {}))


async def bulk_of(folder: Path, seed: int = 1) -> Bulk:
    """What tells further cases of the township, from where the lanes of this county's hub stand."""
    signers = {s.origin: s for s in (Identity(folder / node.folder).signer() for node in NODES)}
    hub = await opened(folder / "hub")
    try:
        return Bulk(await templates(hub.journal, TOWNSHIP), signers, await hub.journal.heads(), seed)
    finally:
        await hub.close()


async def _found(folder: Path, disputes: int) -> Demo:
    """What is there already is taken, under ports that are free."""
    demo = Demo(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with redirect_stdout(sys.stderr):  # its progress is no figure
        await demo.prepare(near=False, disputes=disputes, seed=SEED)
    return demo


async def _copy(source: Path, target: Path) -> None:
    await asyncio.to_thread(shutil.copytree, source, target, dirs_exist_ok=True)


async def _fill(base: Path, folder: Path, cases: int, names: tuple[str, ...]) -> None:
    await _copy(base, folder)
    bulk = await bulk_of(folder)
    nodes = [await opened(folder / name) for name in names]
    try:
        for some in chunks_of(cases, CASES_AT_ONCE):
            rows, subjects = bulk.cases(some)
            for node in nodes:
                async with node.journal.writing() as w:
                    await w.append(rows)
                    await w.project(subjects)
    finally:
        for node in nodes:
            await node.close()
