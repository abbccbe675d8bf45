"""A bounded round of each kind of fault, dealt to three files that run side by side; `./run faults` plays long ones."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.needs import missing
from tests.faults.row import rows

SEED = 20261125
PARTS = 3
SMALL = {number: row for number, row in rows().items() if row.small}


def of_part(part: int) -> list[int]:
    """Numbers of the rows that the file of this part plays."""
    return sorted(SMALL)[part::PARTS]


async def a_small_round(number: int, folder: Path) -> None:
    row = SMALL[number]
    if lack := missing(row.needs if row.small_needs is None else row.small_needs):
        pytest.skip(lack)
    outcome = await row.small(Random(SEED), folder)
    assert (outcome.lost, outcome.doubled) == (0, 0), outcome.said
    assert outcome.acknowledged or outcome.images, "a round that asked nothing proves nothing"
