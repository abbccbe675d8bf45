"""Part 1 of the kinds of fault, a small round each."""

import pytest

from tests.faults import slices


@pytest.mark.parametrize("number", slices.of_part(1))
async def test_a_small_round(tmp_path, number):
    await slices.a_small_round(number, tmp_path)
