"""`./run sim`: many counties in virtual time, each drawn from its seed.

    ./run sim --seeds 10000 [--from S] [--json]      over two processes; the seeds of corpus.txt first
    ./run sim --seed S [--trace]                     one, exactly as it was; --trace tells what happened
    ./run sim --mutations [--json]                   production broken on purpose, one fault at a time: which seed finds it

A seed that fails is printed with what was not true and with the shortest plan that still fails; the exit code is 1 then.
"""

import argparse
import gc
import json
import multiprocessing
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.simulation import simulate
from tests.simulation.plan import draw

CORPUS: Final = Path(__file__).with_name("corpus.txt")
PROCESSES: Final = 2
PROGRESS_S: Final = 30.0
FAILURES_MAX: Final = 20  # after so many a run ends early
SHOWN_MAX: Final = 5
LINES_MAX: Final = 400


def corpus() -> list[int]:
    """Seeds that failed once, with why they did; `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in CORPUS.read_text().splitlines()) if CORPUS.exists() else ()
    return [int(line) for line in lines if line]


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run sim", description="whole counties in virtual time")
    parser.add_argument("--seeds", type=int, default=0, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="one seed")
    parser.add_argument("--trace", action="store_true", help="with --seed: what happened")
    parser.add_argument("--mutations", action="store_true", help="production broken on purpose")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    given = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else the two processes would go on alone
    if given.mutations:
        from tests.simulation.mutations import main as mutate

        return mutate(given.json)
    if given.seed is not None:
        return one(given.seed, given.trace, given.json)
    return many(given.seeds or 100, given.first, given.json)


def one(seed: int, trace: bool, as_json: bool = False) -> int:
    began = time.monotonic()
    result = simulate.run(draw(seed))
    if trace:
        print("\n".join(result.lines))
    print(
        f"seed {seed}: county {result.plan.size}, {len(result.plan.steps)} steps, {result.seconds:.1f} s of virtual time, hash {result.hash[:16]}"
    )
    if result.broken:
        print("\n".join(result.broken))
        _shrink(result)
    if as_json:
        _tell(f"sim --seed {seed}", 1, int(bool(result.broken)), round(time.monotonic() - began, 1), result.counts)
    return 1 if result.broken else 0


def many(count: int, first: int, as_json: bool) -> int:
    began = time.monotonic()
    seeds = list(dict.fromkeys([*corpus(), *range(first, first + count)]))
    counts: Counter[str] = Counter()
    failed: list[tuple[int, list[str]]] = []
    done, told = 0, began
    for seed, broken, some, _ in results(seeds):
        done += 1
        counts.update(some)
        if broken:
            failed.append((seed, broken))
            print(f"✗ seed {seed}: {broken[0][:LINES_MAX]}", flush=True)
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            print(f"  {done} of {len(seeds)} seeds, {len(failed)} failed, {told - began:.0f} s", flush=True)
        if len(failed) >= FAILURES_MAX:
            break
    for seed, broken in failed[:SHOWN_MAX]:
        print(f"\nseed {seed}", *broken, sep="\n")
        _shrink(simulate.run(draw(seed)))
    _coverage(counts)
    seconds = round(time.monotonic() - began, 1)
    print(f"\n{done} seeds, {len(failed)} failed, {seconds} s; again: ./run sim --seed S --trace")
    if as_json:
        _tell(f"sim --seeds {count}", done, len(failed), seconds, counts)
    return 1 if failed else 0


def results(seeds: Sequence[int], processes: int = PROCESSES) -> Iterator[tuple[int, list[str], Counter[str], str]]:
    """(seed, what is broken, counts, hash), as they come."""
    if processes == 1 or len(seeds) < 4:
        collects = gc.isenabled()
        gc.disable()  # `simulate` collects itself, once for many runs
        try:
            yield from map(_judged, seeds)
        finally:
            if collects:
                gc.enable()
        return
    with multiprocessing.get_context("spawn").Pool(processes, initializer=gc.disable) as pool:
        yield from pool.imap_unordered(_judged, seeds, chunksize=1 if len(seeds) < 200 else 8)


# ── the rest is private ──


def _judged(seed: int) -> tuple[int, list[str], Counter[str], str]:
    result = simulate.run(draw(seed))
    return seed, result.broken, result.counts, result.hash


def _shrink(result: simulate.Result) -> None:
    from tests.simulation.minimise import minimise

    small = minimise(result)
    print(f"\nthe shortest plan found that still fails ({len(small.plan.steps)} of {len(result.plan.steps)} steps):")
    print("\n".join(map(str, small.plan.steps)))
    print("what happened then:", *small.lines, *small.broken, sep="\n  ")


def _coverage(counts: Counter[str]) -> None:
    print("\nhow often what happened:")
    for name, count in sorted(counts.items()):
        print(f"{count:9} {name}")


def _tell(command: str, done: int, failed: int, seconds: float, counts: Counter[str]) -> None:
    figures = {"seeds": done, "failed": failed, "acts": _sum(counts, "act "), "faults": _faults(counts)}
    print(json.dumps({"command": command, "ok": not failed, "seconds": seconds, "figures": figures}))


def _sum(counts: Counter[str], prefix: str) -> int:
    return sum(count for name, count in counts.items() if name.startswith(prefix))


def _faults(counts: Counter[str]) -> int:
    return _sum(counts, "step ") - counts["step act"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__: Any = ["corpus", "main", "many", "one", "results"]
