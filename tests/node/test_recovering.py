"""A forgotten password at a village that is cut off: a challenge by telephone, an answer that only a node above can work out."""

import pytest

from protocol import recovery
from protocol.commands import VouchReset
from protocol.node.recovering import PER_HOUR_MAX
from protocol.problem import Refused
from tests.node.desk_kit import ROOT, TOWN, VILLAGE, County, Node, add_person, exchange, new_id, signing_key

OLD, NEW = "旧的那个口令 1", "新的这个口令 2"


async def three(county: County) -> tuple[Node, Node, Node]:
    """They knew each other once; from here on nothing travels."""
    village, town, root = [await county.node(kind) for kind in ("village", "town", "root")]
    for node in (village, town, root, await county.node("stranger")):
        await root.desk.enrol_node(node.signer.certificate)
    person, _ = await add_person(village, "王芳", "clerk")
    await village.people.add_account("wangfang", person, OLD, county.clock())
    await exchange(village, town, root, county.nodes[-1])
    return village, town, root


async def test_a_clerk_far_from_any_network_gets_in_again(county: County):
    village, town, _ = await three(county)
    now = county.clock()
    old_session = await village.people.sign_in("wangfang", OLD, now)
    challenge = await village.recovering.ask("wangfang", now)
    assert challenge == await village.recovering.ask(" wangfang ", now), "asked again it is the same one"
    await town.say(VouchReset(id=new_id(), node=village.signer.node, account="wangfang", challenge=challenge))
    answer = town.recovering.vouch(village.signer.node, "wangfang", challenge.lower().replace("-", " "))
    await village.recovering.finish("wangfang", answer.lower().replace("o", "0"), NEW, now)
    assert await village.people.sign_in("wangfang", NEW, now)
    assert await village.people.actor(old_session, now) is None, "sessions of before are over"
    with pytest.raises(Refused):
        await village.people.sign_in("wangfang", OLD, now)
    with pytest.raises(Refused, match="重新要一串"):
        await village.recovering.finish("wangfang", answer, "又一个口令 33", now)
    entries = [e for e in await town.journal.lane(VILLAGE, town.signer.origin, 0, 10) if e.sort == "account"]
    assert [e.head.kind for e in entries] == ["ResetVouched"], "who answered for whom stands in the ledger of the place"
    assert challenge.encode() not in entries[0].head_bytes + (entries[0].body or b"")


async def test_whoever_is_above_may_answer_and_nobody_else(county: County):
    village, _town, root = await three(county)
    stranger = county.nodes[-1]
    now = county.clock()
    challenge = await village.recovering.ask("wangfang", now)
    with pytest.raises(Refused, match="不归本机管"):
        stranger.recovering.vouch(village.signer.node, "wangfang", challenge)
    forged = recovery.answer(signing_key("stranger"), village.signer.certificate.key, village.signer.node, "wangfang", challenge)
    with pytest.raises(Refused, match="答复不对"):
        await village.recovering.finish("wangfang", forged, NEW, now)
    answer = root.recovering.vouch(village.signer.node, "wangfang", challenge)
    await village.recovering.finish("wangfang", answer, NEW, now)
    assert [c.node for c in village.recovering.above()] == ["ntown2222", "nroot2222"], "the nearest is named first"
    assert root.recovering.above() == []


@pytest.mark.parametrize("change", ["account", "node", "challenge"])
async def test_an_answer_fits_one_account_one_node_and_one_challenge(county: County, change: str):
    village, town, _ = await three(county)
    now = county.clock()
    challenge = await village.recovering.ask("wangfang", now)
    asked = {"node": village.signer.node, "account": "wangfang", "challenge": challenge}
    asked[change] = {"account": "admin", "node": "nstranger", "challenge": recovery.code(b"x" * 8)}[change]
    answer = recovery.answer(town.signer.key, village.signer.certificate.key, **asked)
    with pytest.raises(Refused, match="答复不对"):
        await village.recovering.finish("wangfang", answer, NEW, now)
    assert await village.people.sign_in("wangfang", OLD, now)


async def test_guessing_and_waiting_end_a_challenge_and_a_short_password_does_not(county: County):
    village, town, _ = await three(county)
    now = county.clock()
    challenge = await village.recovering.ask("wangfang", now)
    answer = town.recovering.vouch(village.signer.node, "wangfang", challenge)
    for _ in range(recovery.TRIES_MAX + 1):
        with pytest.raises(Refused) as refused:
            await village.recovering.finish("wangfang", answer, "短", now)
        assert refused.value.field == "password"
    for _ in range(recovery.TRIES_MAX):
        with pytest.raises(Refused, match="答复不对"):
            await village.recovering.finish("wangfang", "AAAA-AAAA-AAAA", NEW, now)
    with pytest.raises(Refused, match="答复不对"):
        await village.recovering.finish("wangfang", answer, NEW, now)
    second = await village.recovering.ask("wangfang", now)
    assert second != challenge
    later = now + recovery.UNTIL_MS + 1
    with pytest.raises(Refused, match="答复不对"):
        await village.recovering.finish("wangfang", town.recovering.vouch(village.signer.node, "wangfang", second), NEW, later)


async def test_a_name_that_is_none_looks_like_any_other_and_asking_is_throttled(county: County):
    village, town, _ = await three(county)
    now = county.clock()
    challenge = await village.recovering.ask("nobody", now)
    answer = town.recovering.vouch(village.signer.node, "nobody", challenge)
    with pytest.raises(Refused, match="答复不对"):
        await village.recovering.finish("nobody", answer, NEW, now)
    assert "nobody" not in {name for name, _ in await village.people.accounts()}
    for _ in range(PER_HOUR_MAX - 1):
        for _ in range(recovery.TRIES_MAX):
            with pytest.raises(Refused):
                await village.recovering.finish("nobody", "x", NEW, now)
        await village.recovering.ask("nobody", now)
    for _ in range(recovery.TRIES_MAX):
        with pytest.raises(Refused):
            await village.recovering.finish("nobody", "x", NEW, now)
    with pytest.raises(Refused) as refused:
        await village.recovering.ask("nobody", now)
    assert refused.value.code == "sign_in_throttled"


async def test_an_account_that_was_ended_stays_ended(county: County):
    village, town, _ = await three(county)
    now = county.clock()
    await village.people.end_account("wangfang", now)
    challenge = await village.recovering.ask("wangfang", now)
    with pytest.raises(Refused, match="答复不对"):
        await village.recovering.finish("wangfang", town.recovering.vouch(village.signer.node, "wangfang", challenge), NEW, now)


async def test_only_who_looks_after_people_of_that_place_answers(county: County):
    village, town, root = await three(county)
    about = {"node": village.signer.node, "account": "wangfang", "challenge": "AAAA-BBBB-CCCC"}
    for node, actor, code in (
        (town, town.actor("mediator"), "not_allowed"),
        (village, village.actor("admin"), "field_impossible"),
        (root, root.actor("admin", "330523/u07"), "not_allowed"),
    ):
        with pytest.raises(Refused) as refused:
            await node.say(VouchReset(id=new_id(), **about), actor)
        assert refused.value.code == code
    await root.say(VouchReset(id=new_id(), **about), root.actor("admin", ROOT))
    await town.say(VouchReset(id=new_id(), **about), town.actor("officer", TOWN))
