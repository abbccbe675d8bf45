"""A computer that joins again, or was stopped while it joined: it stays where it belongs, and nothing is left half done."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from deploy import keeping
from deploy.county import County
from deploy.demo.cast import NEIGHBOUR, VILLAGE
from deploy.keeping import opened
from edge.enrol import enrol, finish_renewal, renew
from hub.enrolment import Enrolment
from hub.web.enrol import answered
from protocol.node.config import Config
from protocol.node.identity import Identity
from protocol.node.node import now_ms
from protocol.problem import OWN_STORE, Refused
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
            try:
                return 200, await enrolment.redeem(body)
            except Refused as refusal:
                return refusal.status, answered(refusal)

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


async def test_another_code_voids_also_those_that_a_program_gave_which_did_not_say_of_whom(tmp_path: Path, village: Path, monkeypatch):
    old = Identity(village).about().node

    async def twice(enrolment, post):
        invite = enrolment.invite
        other = await invite(place=NEIGHBOUR, name="罗村")
        with monkeypatch.context() as older:
            older.setattr(enrolment, "invite", lambda **said: invite(**{**said, "instead_of": ""}))
            first = (await enrolment.renew(old))[1]
        second = (await enrolment.renew(old))[1]
        with pytest.raises(Refused, match="登记码") as refused:
            await renew(first, village, post)
        assert refused.value.code == "code_unknown_late_or_used"
        await renew(second, village, post)
        await enrol(other, tmp_path / "other", post)  # that of another place is good

    await by_county(tmp_path / "hub", twice)
    assert Identity(village).about().former == [old]


async def killed_before_it_took_its_place(tmp_path: Path, village: Path, monkeypatch) -> tuple[str, str]:
    """(The node it was, the code that it used.)"""
    old, codes = Identity(village).about().node, list[str]()

    async def joins(enrolment, post):
        codes.append((await enrolment.renew(old))[1])
        with monkeypatch.context() as killed:
            killed.setattr("edge.enrol._take_place", lambda _: None)
            await renew(codes[0], village, post)

    await by_county(tmp_path / "hub", joins)
    return old, codes[0]


async def test_a_renewal_that_was_killed_between_its_two_renames_is_ended_by_the_next_start(tmp_path: Path, village: Path, monkeypatch):
    old, _ = await killed_before_it_took_its_place(tmp_path, village, monkeypatch)
    (village / "identity").rename(village / f"identity-{old}")
    started = []
    monkeypatch.setattr("deploy.running.run", lambda _, folder, __: started.append(finish_renewal(folder)))
    ran = await yidi("edge", "--folder", village)
    assert ran.code == 0 and started and Identity(village).about().former == [old], ran


@pytest.mark.parametrize("renames", [0, 1, 2])
async def test_and_by_whoever_gives_the_code_again(tmp_path: Path, village: Path, monkeypatch, renames: int):
    """Before both renames, between them, or after both: all is done but for the word, and no county is asked."""
    old, code = await killed_before_it_took_its_place(tmp_path, village, monkeypatch)
    if renames:
        (village / "identity").rename(village / f"identity-{old}")
    if renames == 2:
        (village / "renewing/identity").rename(village / "identity")
    ran = await yidi("edge", "enrol", code, "--folder", village)
    assert ran.code == 0 and "已登记：高禹村" in ran.out and "现在运行：yidi edge" in ran.out, ran
    assert Identity(village).about().former == [old]


async def test_and_by_whoever_gives_the_code_again_on_the_page(tmp_path: Path, village: Path, monkeypatch):
    old, code = await killed_before_it_took_its_place(tmp_path, village, monkeypatch)

    async def joins(_, post):
        joined = await renew(code, village, post)
        assert joined.certificate.node == Identity(village).about().node

    await by_county(tmp_path / "hub", joins)
    assert Identity(village).about().former == [old]


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


class Slow:
    """A county whose first answer comes when it is let go."""

    def __init__(self, post: Callable[[str, bytes], Awaitable[tuple[int, bytes]]]) -> None:
        self._post, self.asked, self.goes = post, asyncio.Event(), asyncio.Event()

    async def __call__(self, address: str, body: bytes) -> tuple[int, bytes]:
        said = await self._post(address, body)
        if not self.asked.is_set():
            self.asked.set()
            await self.goes.wait()
        return said


async def test_of_two_that_renew_at_once_one_does_and_the_other_is_told_to_wait(tmp_path: Path, village: Path):
    old = Identity(village).about().node

    async def joins(enrolment, post):
        slow, code = Slow(post), (await enrolment.renew(old))[1]
        first = asyncio.create_task(renew(code, village, slow))
        await slow.asked.wait()
        told = await asyncio.gather(renew(code, village, slow), return_exceptions=True)
        slow.goes.set()
        await first
        assert [getattr(one, "code", one) for one in told] == ["joining_now"]
        with pytest.raises(Refused, match="code_unknown_late_or_used"):
            await renew(code, village, post)

    try:
        await by_county(tmp_path / "hub", joins)
    finally:
        async with opened(village, Config()) as node:
            assert node.about.former == [old]


async def test_of_two_commands_that_join_at_once_one_gives_the_first_password_and_it_is_the_good_one(tmp_path: Path, monkeypatch, capsys):
    folder, takes = tmp_path / "village", asyncio.Event()

    async def taking(*_: object) -> None:
        if asyncio.current_task().get_name() == "first":
            await takes.wait()

    async def joins(enrolment, post):
        slow = Slow(post)
        monkeypatch.setattr("edge.enrol.post_http", slow)
        monkeypatch.setattr("edge.enrol.take_in", taking)
        code = await enrolment.invite(place=VILLAGE, name="高禹村", account="wangfang", person="0" * 32)
        first = asyncio.create_task(keeping.enrol(code, folder, Config()), name="first")
        await slow.asked.wait()
        told = await asyncio.gather(keeping.enrol(code, folder, Config()), return_exceptions=True)
        assert [getattr(one, "code", one) for one in told] == ["joining_now"]
        slow.goes.set()
        while not Identity(folder).exists:
            await asyncio.sleep(0.01)
        assert await keeping.enrol(code, folder, Config()) == 0, "the first one joined, and gave no password yet"
        takes.set()
        assert await first == 0

    await by_county(tmp_path / "hub", joins)
    (once,) = [line.partition("：")[2].partition("（")[0] for line in capsys.readouterr().out.splitlines() if "一次性密码" in line]
    async with opened(folder, Config()) as node:
        assert await node.people.sign_in("wangfang", once, now_ms())


async def test_an_identity_that_could_not_sign_never_takes_the_place_of_one_that_can(tmp_path: Path, village: Path):
    """As a program before 0.3 left it, in which two renewed at once."""
    before = Identity(village).about()
    shutil.copytree(village / "identity", village / "renewing/identity")
    (village / "renewing/identity/sign.key").unlink()
    finish_renewal(village)
    async with opened(village, Config()) as node:
        assert node.about == before

    async def joins(enrolment, post):
        await renew((await enrolment.renew(before.node))[1], village, post)

    await by_county(tmp_path / "hub", joins)
    async with opened(village, Config()) as node:
        assert node.about.former == [before.node]


async def test_a_computer_whose_signing_key_is_gone_for_good_goes_on_by_a_new_code(tmp_path: Path, village: Path, monkeypatch):
    old = Identity(village).about().node
    (village / "identity/sign.key").unlink()

    async def joins(enrolment, post):
        monkeypatch.setattr("edge.enrol.post_http", post)
        assert await keeping.enrol((await enrolment.renew(old))[1], village, Config()) == 0

    await by_county(tmp_path / "hub", joins)
    async with opened(village, Config()) as node:
        assert node.about.former == [old]


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_key_that_was_put_out_before_its_answer_came_is_given_up_for_another(tmp_path: Path, village: Path, is_new: bool):
    folder, old = tmp_path / "new" if is_new else village, Identity(village).about().node
    home = folder if is_new else folder / "renewing"

    async def joins(enrolment, post):
        async def lost(address: str, body: bytes) -> tuple[int, bytes]:
            await post(address, body)
            raise ConnectionError

        join = enrol if is_new else renew
        code = await enrolment.invite(place=VILLAGE, name="高禹村") if is_new else (await enrolment.renew(old))[1]
        with pytest.raises(ConnectionError):
            await join(code, folder, lost)
        keys = files(home)
        known = {row["subject"] for row in await enrolment._journal.rows("node_row", "revoked = 0")}
        (half,) = known - {old, enrolment._own.node}
        code = (await enrolment.renew(half))[1]
        joined = await join(code, folder, post)
        assert joined.certificate.node != half
        for name in ("sign.key", "link.seed", "leaf.seed", "tls.key"):
            assert (folder / "identity" / name).read_bytes() != keys[Path("identity", name)], f"{name} was known under that id"
        used = [row["used_by"] for row in await enrolment._journal.rows("invitation")]
        assert used.count(joined.certificate.key.hex()) == 1 and "" not in used, "the code was used once"

    await by_county(tmp_path / "hub", joins)
    async with opened(folder, Config()) as node:
        assert node.about.former == ([] if is_new else [old])


async def test_a_key_that_is_refused_again_is_not_asked_for_ever(tmp_path: Path):
    asked = []

    async def never(_address: str, _body: bytes) -> tuple[int, bytes]:
        asked.append(1)
        return 403, answered(Refused("key_put_out"))

    with pytest.raises(Refused, match="key_put_out"):
        await enrol("10.0.0.1:8330/AAAA-BBBB-CCCC-DDDD", tmp_path / "v", never)
    assert len(asked) == 2


def test_older_programs_read_of_a_key_that_was_put_out_what_they_always_did():
    assert msgspec.json.decode(answered(Refused("key_put_out")))["code"] == "code_unknown_late_or_used"
    assert msgspec.json.decode(answered(Refused("store_busy"))) == {"code": "store_busy"}


@pytest.mark.parametrize("code", [*sorted(OWN_STORE), "", "html"])
async def test_a_county_that_can_not_answer_now_says_that_the_code_stays_good(tmp_path: Path, code: str):
    async def busy(_address: str, _body: bytes) -> tuple[int, bytes]:
        return (Refused(code).status, answered(Refused(code))) if code in OWN_STORE else (502, b"<html>" if code else b"")

    with pytest.raises(Refused) as refused:
        await enrol("10.0.0.1:8330/AAAA-BBBB-CCCC-DDDD", tmp_path / "v", busy)
    assert "登记码还能用" in refused.value.sentence and "县中心" in refused.value.sentence


async def test_an_identity_that_is_put_aside_takes_no_name_that_is_taken(tmp_path: Path, village: Path):
    old, kept = Identity(village).about().node, (village / "identity/sign.key").read_bytes()
    for name in (f"identity-{old}", f"identity-{old}-2"):
        shutil.copytree(village / "identity", village / name)
        (village / name / "sign.key").write_bytes(name.encode())

    async def joins(enrolment, post):
        await renew((await enrolment.renew(old))[1], village, post)

    await by_county(tmp_path / "hub", joins)
    finish_renewal(village)
    assert Identity(village).about().former == [old]
    assert (village / f"identity-{old}-3/sign.key").read_bytes() == kept
    assert (village / f"identity-{old}/sign.key").read_bytes() == f"identity-{old}".encode()


async def test_photos_that_were_here_already_are_here_after_it_joined_again(tmp_path: Path, village: Path):
    photo, person = b"\xff\xd8\xff" + bytes(1_000), "0" * 32
    sum_ = sha256(photo).hexdigest()
    async with opened(village, Config()) as node:
        await node.uploads.write(person, sum_, len(photo), 0, photo)

    async def joins(enrolment, post):
        await renew((await enrolment.renew(Identity(village).about().node))[1], village, post)

    await by_county(tmp_path / "hub", joins)
    async with opened(village, Config()) as node:
        assert await node.uploads.read(person, sum_, len(photo)) == photo
