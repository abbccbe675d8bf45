"""A bounded round of each kind of fault; `./run faults` plays long ones."""

from random import Random

import pytest

from tests.faults.needs import missing
from tests.faults.row import rows

SEED = 20261125
SMALL = {number: row for number, row in rows().items() if row.small}


@pytest.mark.parametrize("number", SMALL)
async def test_a_small_round(tmp_path, number):
    row = SMALL[number]
    if lack := missing(row.needs):
        pytest.skip(lack)
    outcome = await row.small(Random(SEED), tmp_path)
    assert (outcome.lost, outcome.doubled) == (0, 0), outcome.said
    assert outcome.acknowledged or outcome.images, "a round that asked nothing proves nothing"
