"""A computer that joins again, or was stopped while it joined: it stays where it belongs, and nothing is left half done."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from deploy import keeping
from deploy.county import County
from deploy.demo.cast import NEIGHBOUR, VILLAGE
from deploy.keeping import opened
from edge.enrol import enrol, finish_renewal, renew
from hub.enrolment import Enrolment
from protocol.node.config import Config
from protocol.node.identity import Identity
from protocol.node.node import now_ms
from protocol.problem import Refused
from tests.kit.county import yidi


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


async def test_a_renewal_that_was_killed_between_its_two_renames_is_ended_by_the_next_start(tmp_path: Path, village: Path, monkeypatch):
    old = Identity(village).about().node

    async def joins(enrolment, post):
        with monkeypatch.context() as killed:
            killed.setattr("edge.enrol.finish_renewal", lambda _: None)
            await renew((await enrolment.renew(old))[1], village, post)

    await by_county(tmp_path / "hub", joins)
    (village / "identity").rename(village / f"identity-{old}")
    started = []
    monkeypatch.setattr("deploy.running.run", lambda _, folder, __: started.append(finish_renewal(folder)))
    ran = await yidi("edge", "--folder", village)
    assert ran.code == 0 and started and Identity(village).about().former == [old], ran


async def test_who_was_stopped_before_the_first_account_was_made_gets_it_by_asking_again(tmp_path: Path, monkeypatch):
    folder = tmp_path / "village"

    async def joins(enrolment, post):
        monkeypatch.setattr("edge.enrol.post_http", post)
        code = await enrolment.invite(place=VILLAGE, name="高禹村", account="wangfang", person="0" * 32)
        with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
            killed.setattr("edge.enrol.take_in", _stopped)
            await keeping.enrol(code, folder, Config())
        for _ in range(2):  # it may be killed again before the word was read
            ran = await yidi("edge", "enrol", code, "--folder", folder)
            assert ran.code == 0 and "第一个账号：wangfang" in ran.out and "一次性密码：" in ran.out, ran
            (folder / "identity/first.json").write_bytes(b'["wangfang","' + b"0" * 32 + b'"]')
        async with opened(folder, Config()) as node:
            await node.people.add_account("wangfang", "0" * 32, "their own word", now_ms())
        ran = await yidi("edge", "enrol", code, "--folder", folder)
        assert ran.code == 1 and "已登记" in ran.err, ran
        async with opened(folder, Config()) as node:
            assert await node.people.sign_in("wangfang", "their own word", now_ms())

    await by_county(tmp_path / "hub", joins)


async def _stopped(*_: object) -> None:
    raise KeyboardInterrupt
