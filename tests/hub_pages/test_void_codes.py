"""A county that goes on under another epoch says whose enrolment codes lie out there and let nobody in, until each place has a new one."""

import re
from dataclasses import replace

import pytest
from nacl.signing import SigningKey

from hub.enrolment import Enrolment, node_id_of
from protocol import enrolment as joining
from protocol.problem import Refused
from tests.hub_pages.world import OTHER_VILLAGE, TOP, Hub, register
from tests.node.desk_kit import TOWN, VILLAGE, chance
from tests.simulation.founding import Authority, NoTls


async def _nobody() -> None:
    """No server has to hear of a new trust."""


def enrolment_of(hub: Hub) -> Enrolment:
    node, county = hub.root, hub.county
    return Enrolment(
        node.journal, node.desk, node.signer.certificate, county.key, bytes(county.secret.public_key), Authority(), NoTls(), county.clock,
        address="10.0.0.1:8330", servers=["wire"], leaf_remote="tls://wire", applied=_nobody, chance=chance("void codes"),
    )  # fmt: skip


def moves_on(hub: Hub) -> None:
    """As after a heal, or a store that was put back."""
    hub.root.desk.signer = replace(hub.root.desk.signer, epoch=2)


async def void(hub: Hub) -> list[str]:
    page = re.sub(r"<[^>]+>", "", (await hub.client.get("/nodes")).text)
    told = (await hub.get("/nodes"))["void_codes"]
    assert ("登记码已经作废" in page and "重新发" in page and all(name in page for name in told)) == bool(told), page
    return told


async def test_codes_that_became_void_are_named_until_they_are_given_again(hub: Hub):
    enrolment = enrolment_of(hub)
    used = joining.read_code(await enrolment.invite(place=VILLAGE, name="登记过的村"))
    await enrolment.redeem(joining.ask(used, SigningKey(bytes(32)), "U", "", b"", bytes(24)))
    await enrolment.invite(place=VILLAGE, name="高禹村")
    hub.county.clock.pass_ms(1)
    await enrolment.invite(place=TOWN, name="天子湖镇")
    assert await void(hub) == []
    moves_on(hub)
    assert await void(hub) == ["高禹村", "天子湖镇"]
    await enrolment.invite(place=VILLAGE, name="高禹村")
    assert await void(hub) == ["天子湖镇"]
    hub.county.clock.pass_ms(joining.CODE_MS_MAX + 1)
    await hub.sign_in("operator")
    assert await void(hub) == [], "it would be too late by now"


async def test_who_gives_no_codes_is_not_told_of_them(hub: Hub):
    await enrolment_of(hub).invite(place=VILLAGE, name="高禹村")
    moves_on(hub)
    assert await void(hub)
    await register(hub.root, "钟小勤", "mediator", TOP, account="mediator")
    await hub.sign_in("mediator")
    assert "作废" not in (await hub.client.get("/nodes")).text and not (await hub.get("/nodes"))["void_codes"]


async def test_a_computer_that_was_there_before_the_code_was_given_or_is_put_out_since_did_not_join_by_it(hub: Hub):
    """What it serves besides came later, and so did the certificate that says so."""
    enrolment, clock = enrolment_of(hub), hub.county.clock
    codes = []
    for place in (VILLAGE, TOWN):
        codes.append(joining.read_code(await enrolment.invite(place=place, name="先来的")))
        await enrolment.redeem(joining.ask(codes[-1], SigningKey(bytes([len(codes)]) * 32), "U", "", b"", bytes(24)))
    clock.pass_ms(1)
    await enrolment.invite(place=VILLAGE, name="高禹村")
    await enrolment.invite(place=TOWN, name="天子湖镇")
    clock.pass_ms(1)
    late = joining.read_code(await enrolment.invite(place=TOWN, name="天子湖镇"))
    keys = [SigningKey(bytes([n]) * 32) for n in (1, 3)]
    await enrolment.redeem(joining.ask(late, keys[1], "U", "", b"", bytes(24)))
    moves_on(hub)
    assert await void(hub) == ["高禹村"], "somebody joined at the other since"
    early, later = [node_id_of(bytes(key.verify_key)) for key in keys]
    clock.pass_ms(1)
    assert await enrolment.widen(early, [OTHER_VILLAGE])
    assert await void(hub) == ["高禹村"]
    await enrolment.revoke(later, "电脑丢了")
    assert await void(hub) == ["高禹村", "天子湖镇"]


async def test_a_code_given_again_for_a_machine_that_was_put_out_makes_the_one_before_void_and_no_other(hub: Hub):
    enrolment, node = enrolment_of(hub), hub.village.signer.node
    other = joining.read_code(await enrolment.invite(place=VILLAGE, name="高禹村的第二台"))
    lost, again = [joining.read_code((await enrolment.renew(node))[1]) for _ in range(2)]

    async def joins(code: joining.Code, key: int) -> bytes:
        return await enrolment.redeem(joining.ask(code, SigningKey(bytes([key]) * 32), "U", "", b"", bytes(24)))

    with pytest.raises(Refused, match="code_unknown_late_or_used"):
        await joins(lost, 1)
    assert await joins(again, 2) and await joins(other, 3)
    await enrolment.renew(node)
    assert await joins(again, 2), "it was used: whoever asks again with the same keys gets the same answer"
