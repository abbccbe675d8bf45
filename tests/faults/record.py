"""What was played and how it ended, a line a round: out/faults.jsonl. `./run faults --table` makes the table from it, so it shows real runs only.

Of each row the table shows the rounds of the last commit at which it was played.
"""

import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from tests.faults.row import Outcome, Row
from tests.kit.source import ROOT

RECORD = ROOT / "out" / "faults.jsonl"
SAID_CHARS_MAX = 160


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
    """In the order they were played; none where nothing was recorded."""
    if not file.exists():
        return []
    return [msgspec.json.decode(line, type=Round) for line in file.read_bytes().splitlines()]


def today() -> str:
    return time.strftime("%Y-%m-%d")


def table(rows: Mapping[int, Row], rounds: Iterable[Round]) -> str:
    """Markdown: fault → expected → what happened."""
    lines = [
        "| # | fault | expected | rounds | acknowledged | lost | doubled | images | failed | seeds, date, commit |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    played: dict[int, list[Round]] = {}
    for one in rounds:
        played.setdefault(one.row, []).append(one)
    for number, row in sorted(rows.items()):
        own = [one for one in played.get(number, []) if one.commit == played[number][-1].commit]
        if not own:
            lines.append(f"| {number} | {row.fault} | {row.expected} | not played here | | | | | | |")
            continue
        sums = [sum(getattr(one.outcome, name) for one in own) for name in ("acknowledged", "lost", "doubled", "images")]
        runs = " ".join(map(str, sorted({one.run for one in own})))
        cells = [number, row.fault, row.expected, len(own), *sums, sum(bool(one.wrong) for one in own)]
        lines.append("| " + " | ".join(map(str, cells)) + f" | {runs}, {own[-1].date}, {own[-1].commit} |")
    return "\n".join(lines)
