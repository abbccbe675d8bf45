"""`./run faults`: kinds of faults, real programs, drawn rounds. Exit 1 when one round did not end as its row expects.

    --rounds N   over all rows by turns   --row K  one row    --seed S   the same run again     --json   one line of JSON at the end
    --table      plays nothing: prints what happened in recorded runs beside what a release asks for (markdown; see record.py)
    --table FILE the same of a record of another machine, or one put by; without FILE of this machine's, out/faults.jsonl
    --keep       folders of failed rounds are left to be looked at

A round's own seed is printed with it and stands in the table: `--row K --rounds 1 --seed THAT` draws the same again, at the same commit: when a
kill comes, what is cut. (The seed of a run draws those of its rounds; a run of one round of one row has its round's.) What the kernel
schedules in between is not drawn, so a failure that hangs on it may need a few repeats. Where a row has several ways (row.py), its rounds of one
run take them in turn, the first as it is drawn.
"""

import argparse
import asyncio
import json
import random
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.faults.needs import missing
from tests.faults.record import RECORD, Round, commit, goal, missed, note, read, today
from tests.faults.record import table as table_of
from tests.faults.row import Outcome, Row, rows

ROUND_S_MAX, FRAMES = 900.0, 5
ROOT = Path(__file__).parent  # the environment may stand in the same folder as the project
Say = Callable[[str], None]


def say(text: str) -> None:
    print(text, flush=True)


def plan(numbers: Sequence[int], rounds: int, seed: int, ways: Mapping[int, Sequence[str]] | None = None) -> list[tuple[int, int]]:
    """(row, seed) of each round. Every row gets its share, and each of its ways; a single round of one row has the seed that was given."""
    chance = random.Random(seed)
    seeds = [seed if len(numbers) == 1 else chance.randrange(10**9), *(chance.randrange(10**9) for _ in range(rounds - 1))]
    turns: list[int] = []
    while len(turns) < rounds:
        turns += chance.sample(list(numbers), len(numbers))
    return list(_in_turn(zip(turns, seeds, strict=False), ways or {}, chance))


def _in_turn(planned: Iterable[tuple[int, int]], ways: Mapping[int, Sequence[str]], chance: random.Random) -> Iterator[tuple[int, int]]:
    """The seed of a row's second round and of those after it is drawn until it is one that draws the next way: the seed alone plays it again."""
    turn: dict[int, int] = {}
    for number, own in planned:
        if some := range(len(ways.get(number, ()))):
            while (way := random.Random(own).choice(some)) != turn.get(number, way):
                own = chance.randrange(10**9)
            turn[number] = (way + 1) % len(some)
        yield number, own


async def play(row: Row, seed: int, folder: Path, run: int = 0, at: str = "") -> Round:
    """run: the seed of the whole run · at: the commit. One round in an empty folder. Whatever is wrong with it is told, not raised."""
    began, outcome, wrong = time.monotonic(), Outcome(0), ""
    try:
        async with asyncio.timeout(ROUND_S_MAX):
            outcome = await row.play(random.Random(seed), folder)
        if outcome.lost or outcome.doubled:
            wrong = f"{outcome.lost} lost, {outcome.doubled} doubled"
    except Exception as error:  # whatever it is, it is a fault of the round
        wrong = f"{type(error).__name__}: {error}\n{''.join(_ours(error))}"
    return Round(row.number, seed, round(time.monotonic() - began, 1), outcome, wrong, run, today(), at)


def _ours(error: BaseException) -> list[str]:
    """Where it came from, as far as it is our code: the libraries below a request say nothing about it."""
    frames = traceback.extract_tb(error.__traceback__)
    return traceback.format_list([frame for frame in frames if frame.filename.startswith(str(ROOT))][-FRAMES:] or frames[-FRAMES:])


def run(table: Mapping[int, Row], rounds: int, seed: int, keep: bool, tell: Say, record: Path) -> list[Round]:
    """All rounds, one after the other, in one event loop; a failed one does not end the others."""
    return asyncio.run(_run(table, rounds, seed, keep, tell, record))


async def _run(table: Mapping[int, Row], rounds: int, seed: int, keep: bool, tell: Say, record: Path) -> list[Round]:
    done, at = [], commit()
    for number, own in plan(sorted(table), rounds, seed, {n: row.ways for n, row in table.items()}):
        folder = Path(tempfile.mkdtemp(prefix=f"yidi-fault-{number}-"))
        one = await play(table[number], own, folder, seed, at)
        done.append(one)
        note(record, one)
        _tell(one, tell)
        if one.wrong and keep:
            tell(f"    kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return done


def _tell(one: Round, tell: Say) -> None:
    o = one.outcome
    images = f" · {o.images} images" if o.images else ""
    what = " · ".join((*o.said, *(f"{name} {value:g} ({goal(one.row, name, [value])})" for name, value in o.figures.items())))
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
        str(n): {
            "rounds": sum(o.row == n for o in done),
            "failed": sum(o.row == n and bool(o.wrong) for o in done),
            "measured": [dict(o.outcome.figures) for o in done if o.row == n and o.outcome.figures],
        }
        for n in sorted({one.row for one in done})
    }
    return {
        "rounds": len(done),
        "failed": sum(bool(one.wrong) for one in done),
        "acknowledged": sum(o.acknowledged for o in outcomes),
        "lost": sum(o.lost for o in outcomes),
        "doubled": sum(o.doubled for o in outcomes),
        "images": sum(o.images for o in outcomes),
        "missed": missed(done),
        "skipped": list(skipped),
        "rows": per_row,
    }


def main(words: Sequence[str] | None = None, table: Mapping[int, Row] | None = None, tell: Say = say, record: Path = RECORD) -> int:
    """table: the rows (all there are, by default) · record: where what is played is noted."""
    given = _parser().parse_args(words)
    table = rows() if table is None else table
    if given.table is not None:
        return tabled(table, given.table, record, tell)
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
    done = run(playing, given.rounds, seed, given.keep, tell, record) if playing else []
    sums = figures(done, sorted(skipped))
    ok = bool(done) and not sums["failed"]
    beyond = "".join(f"; {line}" for line in missed(done))
    tell(f"{'all as expected' if ok else 'NOT as expected'}: {len(done)} rounds, {sums['lost']} lost, {sums['doubled']} doubled{beyond}")
    if given.json:
        tell(json.dumps({"command": "faults", "ok": ok, "seconds": round(time.monotonic() - began, 1), "figures": {**sums, "seed": seed}}))
    return 0 if ok else 1


def tabled(rows: Mapping[int, Row], named: str, record: Path, tell: Say) -> int:
    """named: the file of a record, "" for this machine's, which need not be there yet. Exit 2 when it can't be read."""
    file = Path(named).absolute() if named else record
    try:
        rounds = read(file) if named or file.exists() else []
    except FileNotFoundError:
        tell(f"no record of rounds at {file}")
    except (OSError, ValueError) as error:
        tell(f"{file} can't be read as a record of rounds: {error}")
    else:
        tell(table_of(rows, rounds))
        return 0
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("./run faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--row", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--table", nargs="?", const="", metavar="FILE")
    parser.add_argument("--keep", action="store_true")
    return parser
