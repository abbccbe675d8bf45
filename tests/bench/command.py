"""`./run bench NAME [--json] [--runs N] [--slice]`: figures against a floor that the same machine reached in the same runs.

A bench is a module tests/bench/NAME.py with `async def run(runs: int, folder: Path) -> dict[str, Figure]`, `folder` being empty
and its own; with a third argument `sizes` it also names its sizes, `FULL` (the default) and `SLICE` (seconds, for `./run test`:
shows that the bench works, its times say nothing). It raises what it can't do without; AssertionError: what it measured is wrong.

`runs` is how often a bench goes round; `n` of a figure says how many values it rests on, for some things are looked at once.

Exit 1 when it could not be measured, or a gate is missed (of a slice no gate counts). A goal that is missed is printed as missed, and exits 0.
"""

import argparse
import asyncio
import importlib
import json
import os
import pkgutil
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from tests import bench
from tests.bench.figure import RUNS_MIN, Figure

PARTS = ("command", "crowd", "figure", "kit", "scale_nodes", "test_bench", "test_measured")  # modules here that are no bench


def names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(bench.__path__) if not m.name.startswith("_") and m.name not in PARTS)


def has_slice(name: str) -> bool:
    return hasattr(importlib.import_module(f"{bench.__name__}.{name}"), "SLICE")


def needs(name: str) -> tuple[str, ...]:
    """Programs that not every machine has."""
    return getattr(importlib.import_module(f"{bench.__name__}.{name}"), "NEEDS", ())


def machine() -> dict[str, Any]:
    """load: of the last minute before, since others at work make every time longer."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "arch": platform.machine(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def said(name: str, one: Figure) -> str:
    """A line of the table that people read."""
    text = f"  {name:<28}{one.median:>12,g} {one.unit:<10} {one.min:,g} … {one.max:,g} (n {one.n})"
    if one.floor is not None:
        text += f"   floor {one.floor:,g}" + ("" if one.ratio is None else f", × {one.ratio:,g}")  # none of a floor of 0
    if one.target is not None:
        text += f"   {'≤' if one.at_most else '≥'} {one.target:,g} {'holds' if one.holds else 'MISSED'}{' (gate)' if one.gate else ''}"
    return text


def report(
    name: str, runs: int, figures: dict[str, Figure], seconds: float, where: dict[str, Any], is_slice: bool = False
) -> dict[str, Any]:
    """What --json prints. ok: it was measured, and no gate is missed · missed: figures short of their targets."""
    missed = [key for key, one in figures.items() if not one.holds]
    gates = [] if is_slice else [key for key in missed if figures[key].gate]
    return {
        "command": f"bench {name}",
        "ok": not gates,
        "runs": runs,
        "slice": is_slice,
        "seconds": round(seconds, 1),
        "machine": where,
        "cores": where["cores"],
        "figures": {key: one.shown() for key, one in figures.items()},
        "missed": missed,
        "gates_missed": gates,
    }


async def measured(name: str, runs: int, folder: Path, is_slice: bool) -> dict[str, Figure]:
    module = importlib.import_module(f"{bench.__name__}.{name}")
    return await (module.run(runs, folder, module.SLICE) if is_slice else module.run(runs, folder))


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="./run bench", description="figures against a floor measured in the same run")
    parser.add_argument("name", choices=names(), metavar="NAME", help=" · ".join(names()))
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    parser.add_argument("--runs", type=int, default=RUNS_MIN, help=f"{RUNS_MIN} or more for a figure worth quoting")
    parser.add_argument("--slice", action="store_true", help="small sizes: shows that it works, its times say nothing")
    given = parser.parse_args(words)
    where, began = machine(), time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix=f"yidi-bench-{given.name}-") as folder:
            figures = asyncio.run(measured(given.name, max(given.runs, 1), Path(folder), given.slice))
    except Exception as wrong:  # said, and the exit tells
        traceback.print_exc()
        if given.json:
            told = report(given.name, max(given.runs, 1), {}, time.monotonic() - began, where, given.slice)
            print(json.dumps(told | {"ok": False, "why": f"{type(wrong).__name__}: {wrong}"}, ensure_ascii=False))
        return 1
    told = report(given.name, max(given.runs, 1), figures, time.monotonic() - began, where, given.slice)
    print(f"bench {given.name}: {told['runs']} runs, {where['cores']} cores ({where['arch']}, load {where['load']}), {told['seconds']} s")
    for name, one in figures.items():
        print(said(name, one))
    if given.json:
        print(json.dumps(told, ensure_ascii=False))
    sys.stdout.flush()
    return 0 if told["ok"] else 1
