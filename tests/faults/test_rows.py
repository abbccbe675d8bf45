"""Part 0 of the kinds of fault, a small round each."""

import pytest

from tests.faults import slices


@pytest.mark.parametrize("number", slices.of_part(0))
async def test_a_small_round(tmp_path, number):
    await slices.a_small_round(number, tmp_path)


def test_each_row_that_has_a_small_round_is_played_by_one_of_the_files():
    played = [number for part in range(slices.PARTS) for number in slices.of_part(part)]
    assert sorted(played) == sorted(slices.SMALL)
