"""One round of each of these rows, from a seed that is said: what `./run faults --row K` plays many times."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.row import rows
from tests.kit.machine import CHROMIUM, has_chinese_type

ROWS = (10,)
SEED = 20_261_125


@pytest.mark.parametrize("number", ROWS)
async def test_a_round(number: int, tmp_path: Path) -> None:
    row = rows()[number]
    if "chromium" in row.needs and not (CHROMIUM and has_chinese_type()):
        pytest.skip("needs chromium: apt-get install -y chromium fonts-noto-cjk")
    outcome = await row.play(Random(SEED + number), tmp_path)
    assert (outcome.lost, outcome.doubled) == (0, 0), outcome.said
    assert outcome.images or outcome.acknowledged, "it did nothing"
