"""A computer that joins again, or was stopped while it joined: it stays where it belongs, and nothing is left half done."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from deploy.county import County
from deploy.demo.cast import NEIGHBOUR, VILLAGE
from deploy.keeping import opened
from edge.enrol import enrol, renew
from hub.enrolment import Enrolment
from protocol.node.config import Config
from protocol.node.identity import Identity
from protocol.node.node import now_ms
from protocol.problem import Refused


async def by_county(
    folder: Path, joins: Callable[[Enrolment, Callable[[str, bytes], Awaitable[tuple[int, bytes]]]], Awaitable[None]]
) -> None:
    """What is done with the county of this folder, founded when there is none."""
    county = County.open(folder, Config(), now_ms())
    async with opened(folder, Config()) as node:
        await county.furnish(node)
        enrolment = county.enrolment(node)

        async def post(_address: str, body: bytes) -> tuple[int, bytes]:
            return 200, await enrolment.redeem(body)

        await joins(enrolment, post)


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
async def village(tmp_path: Path) -> Path:
    """The folder of a computer that joined the county `hub` beside it."""
    folder = tmp_path / "village"

    async def joins(enrolment, post):
        await enrol(await enrolment.invite(place=VILLAGE, name="高禹村"), folder, post)

    await by_county(tmp_path / "hub", joins)
    async with opened(folder, Config()):
        return folder


async def test_a_code_of_another_county_does_not_move_a_journal_there(tmp_path: Path, village: Path):
    before = files(village)

    async def joins(enrolment, post):
        with pytest.raises(Refused) as refused:
            await renew(await enrolment.invite(place=VILLAGE, name="高禹村"), village, post)
        assert refused.value.sentence.startswith("这个登记码是别的县的")

    await by_county(tmp_path / "other", joins)
    assert files(village) == before


async def test_a_code_of_another_place_is_no_code_for_this_one_and_the_right_one_still_is(tmp_path: Path, village: Path):
    before, old = files(village), Identity(village).about().node

    async def joins(enrolment, post):
        with pytest.raises(Refused) as refused:
            await renew(await enrolment.invite(place=NEIGHBOUR, name="良朋村"), village, post)
        assert "良朋村" in refused.value.sentence and "高禹村" in refused.value.sentence
        assert files(village) == before
        await renew((await enrolment.renew(old))[1], village, post)
        known = await enrolment._journal.rows("node_row", "revoked = 0")
        assert len(known) == 3, "the key that went to the wrong place is not the one that goes on"

    await by_county(tmp_path / "hub", joins)
    assert Identity(village).about().former == [old]
    shutil.rmtree(village)
