"""One round of each of these rows, from a seed that is said: what `./run faults --row K` plays many times."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.needs import missing
from tests.faults.row import rows

ROWS = (10, 16, 19, 20, 21, 23, 31)
SEED = 20_261_125


@pytest.mark.parametrize("number", ROWS)
async def test_a_round(number: int, tmp_path: Path) -> None:
    row = rows()[number]
    if lacking := missing(row.needs):
        pytest.skip(lacking)
    outcome = await row.play(Random(SEED + number), tmp_path)
    assert (outcome.lost, outcome.doubled) == (0, 0), outcome.said
    assert outcome.images or outcome.acknowledged, "it did nothing"
