"""What was played and how it ended, a line a round: out/faults.jsonl. `./run faults --table` makes the table from it, so it shows real runs only.

Of each row the table shows the rounds of the last commit at which it was played, and beside them what a release asks for. What else is in it
is said below it (FOOT).
"""

import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from pathlib import Path
from statistics import median

import msgspec

from tests.faults.row import Outcome, Row
from tests.kit.source import ROOT

RECORD = ROOT / "out" / "faults.jsonl"
ASKED = {  # by a release, over hours, in whatever the row counts (rounds where no unit stands); the goal set before the rows were written
    1: "100,000 seeds", 2: "300", 3: "5", 4: "500", 5: "each point × 3", 6: "20,000 images", 7: "5,000 images, 20 of PostgreSQL",
    8: "300 calls", 9: "20", 10: "10,000 flips", 11: "100", 12: "50", 13: "50", 14: "20", 15: "30", 16: "1,000,000 steps", 17: "2,000 seeds",
    18: "each pair of versions × row 4", 19: "each migration × 20", 20: "500 cuts", 21: "5,000 sticks", 22: "40 stories",
    23: "10,000,000 inputs", 26: "10", 27: "200", 28: "50 months, 8 h real", 30: "200", 31: "100,000 cases",
}  # fmt: skip
SEEDS_MAX = 4  # of one row; a release has hundreds
GOALS_S = {  # each is to stay below; stands beside what was measured, and nothing fails by it
    (2, "up_s"): 1.5, (2, "up_after_loss_s"): 1.5, (3, "up_s"): 60, (4, "start_s"): 2, (15, "cut_s"): 5,
}  # fmt: skip
FOOT = """\
Rounds: those of the last commit at which the row was played. Asked: by a release. Measured: the middle round and the largest; a goal that a \
round did not stay below is MISSED, which fails no round; "no goal": none was set for it.
Seeds: of the rounds themselves, failed ones first and marked ✗; `./run faults --row K --rounds 1 --seed S`, at that commit, draws the same again. \
A + behind a commit: when it was played, files differed from that commit, so the commit alone may draw something else or end otherwise."""


class Round(msgspec.Struct, frozen=True):
    """One round. wrong: "" when it ended as expected · run: the seed that its run began with."""

    row: int
    seed: int
    seconds: float
    outcome: Outcome
    wrong: str = ""
    run: int = 0
    date: str = ""
    commit: str = ""


def commit() -> str:
    """Of this tree; with a + when files differ from it."""
    told = [
        subprocess.run(["git", *words], capture_output=True, text=True, cwd=ROOT, check=False).stdout.strip()
        for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
    ]
    return (told[0] or "unknown") + ("+" if told[1] else "")


def note(file: Path, one: Round) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("ab") as f:
        f.write(msgspec.json.encode(one) + b"\n")


def read(file: Path) -> list[Round]:
    """In the order they were played. Raises OSError, and ValueError with the line that is no round."""
    rounds = list[Round]()
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        try:
            rounds.append(msgspec.json.decode(line, type=Round))
        except msgspec.MsgspecError as error:
            raise ValueError(f"line {number} is no round: {error}") from error
    return rounds


def today() -> str:
    return time.strftime("%Y-%m-%d")


def table(rows: Mapping[int, Row], rounds: Iterable[Round]) -> str:
    """Markdown: fault → expected → what happened. Of each figure: the middle one and the largest of the rounds."""
    lines = [
        "| # | fault | expected | rounds | asked | acknowledged | lost | doubled | images | failed | measured | seeds, date, commit |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    played: dict[int, list[Round]] = {}
    for one in rounds:
        played.setdefault(one.row, []).append(one)
    for number, row in sorted(rows.items()):
        own = [one for one in played.get(number, []) if one.commit == played[number][-1].commit]
        if not own:
            lines.append(f"| {number} | {row.fault} | {row.expected} | not played here | {ASKED.get(number, '')} | | | | | | | |")
            continue
        sums = [sum(getattr(one.outcome, name) for one in own) for name in ("acknowledged", "lost", "doubled", "images")]
        failed = sum(bool(one.wrong) for one in own)
        cells = [number, row.fault, row.expected, len(own), ASKED.get(number, ""), *sums, failed, measured(number, own)]
        lines.append("| " + " | ".join(map(str, cells)) + f" | {seeds(own)}, {own[-1].date}, {own[-1].commit} |")
    return "\n".join([*lines, "", FOOT])


def seeds(rounds: Iterable[Round]) -> str:
    """`✗8 3 5 +12 more`: what plays each of them again, a failed one marked."""
    told = [f"{'✗' if one.wrong else ''}{one.seed}" for one in sorted(rounds, key=lambda one: not one.wrong)]
    more = len(told) - SEEDS_MAX
    return " ".join([*told[:SEEDS_MAX], *([f"+{more} more"] if more > 0 else [])])


def measured(row: int, rounds: Iterable[Round]) -> str:
    """`up_s 0.4, at most 1.2 (goal 1.5)`, of each figure."""
    found = _figures(rounds)
    return "; ".join(f"{name} {median(some):g}, at most {max(some):g} ({goal(row, name, some)})" for name, some in sorted(found.items()))


def goal(row: int, name: str, values: Sequence[float]) -> str:
    """`goal 1.5`, `goal 2, MISSED`, of several rounds `goal 2, MISSED in 3 of 8`; `no goal`."""
    if (row, name) not in GOALS_S:
        return "no goal"
    wanted = GOALS_S[row, name]
    over = sum(value >= wanted for value in values)
    share = f" in {over} of {len(values)}" if len(values) > 1 else ""
    return f"goal {wanted:g}" + (f", MISSED{share}" if over else "")


def missed(rounds: Iterable[Round]) -> list[str]:
    """`row 4 start_s 2.76 (goal 2, MISSED)`: what was measured beyond its goal, of each row and figure the largest."""
    per_row: dict[int, list[Round]] = {}
    for one in rounds:
        per_row.setdefault(one.row, []).append(one)
    found = [(row, name, some) for row, own in sorted(per_row.items()) for name, some in sorted(_figures(own).items())]
    return [
        f"row {row} {name} {max(some):g} ({goal(row, name, some)})"
        for row, name, some in found
        if max(some) >= GOALS_S.get((row, name), inf)
    ]


def _figures(rounds: Iterable[Round]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for one in rounds:
        for name, value in one.outcome.figures.items():
            found.setdefault(name, []).append(value)
    return found
