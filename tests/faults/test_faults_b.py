"""One round of each of these rows, from a seed that is said: what `./run faults --row K` plays many times."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.needs import missing
from tests.faults.row import rows
from tests.faults.rows import row_18

ROWS = (10, 15, 16, 21, 23, 31)  # 18 below: each of its versions is skipped by name
SEED = 20_261_125


@pytest.mark.parametrize("number", ROWS)
async def test_a_round(number: int, tmp_path: Path) -> None:
    row = rows()[number]
    if lacking := missing(row.needs):
        pytest.skip(lacking)
    outcome = await row.play(Random(SEED + number), tmp_path)
    assert (outcome.lost, outcome.doubled) == (0, 0), outcome.said
    assert outcome.images or outcome.acknowledged, "it did nothing"


@pytest.mark.parametrize("version", row_18.VERSIONS)
@pytest.mark.parametrize("kind", [row_18.an_older_edge, row_18.an_older_hub])
async def test_versions_side_by_side(kind, version: str, tmp_path: Path) -> None:
    if not row_18.commit_of(version):
        pytest.skip(f"the commit of {version} is not in this clone's history: git fetch --unshallow")
    outcome = await kind(Random(SEED), tmp_path, version)
    assert outcome.lost == 0 and outcome.acknowledged, outcome.said


async def test_a_version_that_does_not_exist_yet(tmp_path: Path) -> None:
    outcome = await row_18.a_later_edge(Random(SEED), tmp_path)
    assert outcome.lost == 0 and outcome.acknowledged, outcome.said
