"""`./run faults`: kinds of faults, real programs, drawn rounds. Exit 1 when one round did not end as its row expects.

    --rounds N   over all rows by turns   --row K  one row    --seed S   the same draws again    --json   one line of JSON at the end
    --table F    writes a table of what happened to F (markdown)         --keep   folders of failed rounds are left to be looked at

A round's own seed is printed with it. `--row K --rounds 1 --seed THAT` draws the same again: when a kill comes, what is cut. What the
kernel schedules in between is not drawn, so a failure that hangs on it may need a few repeats.
"""

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.faults.needs import missing
from tests.faults.row import Outcome, Row, rows

ROUND_S_MAX, FRAMES = 900.0, 5
ROOT = Path(__file__).parent  # the environment may stand in the same folder as the project
Say = Callable[[str], None]


class Round(msgspec.Struct, frozen=True):
    """wrong: "" when it ended as expected."""

    row: int
    seed: int
    seconds: float
    outcome: Outcome
    wrong: str = ""


def say(text: str) -> None:
    print(text, flush=True)


def plan(numbers: Sequence[int], rounds: int, seed: int) -> list[tuple[int, int]]:
    """(row, seed) of each round. Every row gets its share; a single round of one row has the seed that was given."""
    chance = random.Random(seed)
    seeds = [seed if len(numbers) == 1 else chance.randrange(10**9), *(chance.randrange(10**9) for _ in range(rounds - 1))]
    turns: list[int] = []
    while len(turns) < rounds:
        turns += chance.sample(list(numbers), len(numbers))
    return list(zip(turns, seeds, strict=False))


async def play(row: Row, seed: int, folder: Path) -> Round:
    """One round in an empty folder. Whatever is wrong with it is told, not raised."""
    began, outcome, wrong = time.monotonic(), Outcome(0), ""
    try:
        async with asyncio.timeout(ROUND_S_MAX):
            outcome = await row.play(random.Random(seed), folder)
        if outcome.lost or outcome.doubled:
            wrong = f"{outcome.lost} lost, {outcome.doubled} doubled"
    except Exception as error:  # whatever it is, it is a fault of the round
        wrong = f"{type(error).__name__}: {error}\n{''.join(_ours(error))}"
    return Round(row.number, seed, time.monotonic() - began, outcome, wrong)


def _ours(error: BaseException) -> list[str]:
    """Where it came from, as far as it is our code: the libraries below a request say nothing about it."""
    frames = traceback.extract_tb(error.__traceback__)
    return traceback.format_list([frame for frame in frames if frame.filename.startswith(str(ROOT))][-FRAMES:] or frames[-FRAMES:])


def run(table: Mapping[int, Row], rounds: int, seed: int, keep: bool, tell: Say = say) -> list[Round]:
    """All rounds, one after the other, in one event loop; a failed one does not end the others."""
    return asyncio.run(_run(table, rounds, seed, keep, tell))


async def _run(table: Mapping[int, Row], rounds: int, seed: int, keep: bool, tell: Say) -> list[Round]:
    done = []
    for number, own in plan(sorted(table), rounds, seed):
        folder = Path(tempfile.mkdtemp(prefix=f"yidi-fault-{number}-"))
        one = await play(table[number], own, folder)
        done.append(one)
        _tell(one, tell)
        if one.wrong and keep:
            tell(f"    kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return done


def _tell(one: Round, tell: Say) -> None:
    o = one.outcome
    images = f" · {o.images} images" if o.images else ""
    what = " · ".join(o.said)
    tell(
        f"{'✗' if one.wrong else '✓'} row {one.row} seed {one.seed}: {o.acknowledged} acknowledged, {o.lost} lost, {o.doubled} doubled"
        f"{images} · {one.seconds:.1f} s{' · ' + what if what else ''}"
    )
    if one.wrong:
        tell(f"    {one.wrong}\n    again: ./run faults --row {one.row} --rounds 1 --seed {one.seed}")


def figures(done: Sequence[Round], skipped: Sequence[int]) -> dict[str, object]:
    """Sums of a run, and each row's own."""
    outcomes = [one.outcome for one in done]
    per_row = {
        str(n): {"rounds": sum(o.row == n for o in done), "failed": sum(o.row == n and bool(o.wrong) for o in done)}
        for n in sorted({one.row for one in done})
    }
    return {
        "rounds": len(done),
        "failed": sum(bool(one.wrong) for one in done),
        "acknowledged": sum(o.acknowledged for o in outcomes),
        "lost": sum(o.lost for o in outcomes),
        "doubled": sum(o.doubled for o in outcomes),
        "images": sum(o.images for o in outcomes),
        "skipped": list(skipped),
        "rows": per_row,
    }


def table_of(table: Mapping[int, Row], done: Sequence[Round], skipped: Mapping[int, str], seed: int) -> str:
    """Markdown: fault → expected → what happened in this run."""
    lines = [
        f"`./run faults --rounds {len(done)} --seed {seed}` · {time.strftime('%Y-%m-%d')} · commit {_commit()}",
        "",
        "| # | fault | expected | rounds | acknowledged | lost | doubled | images | failed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for number, row in sorted(table.items()):
        own = [one for one in done if one.row == number]
        if not own:
            if number in skipped:
                lines.append(f"| {number} | {row.fault} | {row.expected} | skipped: {skipped[number]} | | | | | |")
            continue
        sums = [sum(getattr(one.outcome, name) for one in own) for name in ("acknowledged", "lost", "doubled", "images")]
        cells = [number, row.fault, row.expected, len(own), *sums, sum(bool(one.wrong) for one in own)]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def _commit() -> str:
    ran = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    return ran.stdout.strip() or "unknown"


def main(words: Sequence[str] | None = None, table: Mapping[int, Row] | None = None, tell: Say = say) -> int:
    """table: the rows (all there are, by default)."""
    given = _parser().parse_args(words)
    table = rows() if table is None else table
    if given.row and given.row not in table:
        tell(f"no row {given.row}; there are {', '.join(map(str, table))}")
        return 2
    chosen = {n: row for n, row in table.items() if given.row in (0, n)}
    skipped = {n: lack for n, row in chosen.items() if (lack := missing(row.needs))}
    for number, lack in skipped.items():
        tell(f"skipped row {number} ({table[number].fault}): {lack}")
    seed, began = given.seed if given.seed is not None else random.SystemRandom().randrange(10**9), time.monotonic()
    tell(f"seed {seed}")
    playing = {n: row for n, row in chosen.items() if n not in skipped}
    done = run(playing, given.rounds, seed, given.keep, tell) if playing else []
    sums = figures(done, sorted(skipped))
    ok = bool(done) and not sums["failed"]
    tell(f"{'all as expected' if ok else 'NOT as expected'}: {len(done)} rounds, {sums['lost']} lost, {sums['doubled']} doubled")
    if given.table:
        Path(given.table).write_text(table_of(table, done, skipped, seed))
    if given.json:
        tell(json.dumps({"command": "faults", "ok": ok, "seconds": round(time.monotonic() - began, 1), "figures": {**sums, "seed": seed}}))
    return 0 if ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("./run faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--row", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--table", default="")
    parser.add_argument("--keep", action="store_true")
    return parser
