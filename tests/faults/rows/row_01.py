"""Row 1: messages lost, doubled, late, reordered, with everything else the simulation draws: `./run sim`, as a round of many seeds.

Whole counties in virtual time, the production code in one program (tests/simulation); the same seeds again: `./run sim --seeds N --from S`.
"""

import asyncio
import json
import sys
from pathlib import Path
from random import Random

from tests.faults.row import Outcome, Row
from tests.kit.source import ROOT

SEEDS, FIRST = 30, range(1, 1_000_000)


async def play(chance: Random, folder: Path) -> Outcome:
    first = chance.choice(FIRST)
    words = ("-m", "tests.simulation", "--seeds", str(SEEDS), "--from", str(first), "--json")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdout=pipe, stderr=pipe)
    try:
        out, errors = await process.communicate()
    except BaseException:
        process.kill()
        raise
    told = json.loads(out.splitlines()[-1])
    assert told["ok"] and process.returncode == 0, (
        f"./run sim --seeds {SEEDS} --from {first}: {out[-1500:].decode()} {errors[-500:].decode()}"
    )
    figures = told["figures"]
    return Outcome(figures["acts"], images=figures["seeds"], said=(f"{figures['seeds']} seeds from {first}, {figures['faults']} faults",))


ROW = Row(1, "lost, doubled, late, reordered batch, Have, pull (simulated counties)", "the same digest everywhere after the heal", (), play)
