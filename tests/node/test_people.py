"""Signing in on a real journal: sessions that end, doors that stay shut, codes that serve once, posts that end."""

import pytest

from protocol.commands import EndPost
from protocol.node import people as people_module
from protocol.node.people import IDLE_MS_MAX, THROTTLE_MS
from protocol.problem import Refused
from tests.node.desk_kit import VILLAGE, County, Node, add_person, new_id

PASSWORD = "田埂两边各退一尺"


@pytest.fixture
async def village(tmp_path):
    county = County(tmp_path)
    yield await county.node("village")
    await county.close()


@pytest.fixture
async def clerk(village: Node) -> tuple[str, str]:
    person, post = await add_person(village, "章秀兰", "clerk")
    await village.people.add_account("zhang", person, PASSWORD, village.clock())
    return person, post


async def test_who_signs_in_acts_for_their_office_with_the_powers_of_their_post(village: Node, clerk: tuple[str, str]):
    token = await village.people.sign_in("zhang", PASSWORD, village.clock())
    actor = await village.people.actor(token, village.clock())
    assert actor is not None
    assert (actor.person, actor.post, actor.office, actor.name) == (*clerk, VILLAGE, "章秀兰")
    assert "mediate" in actor.powers
    assert "assign" not in actor.powers


async def test_neither_password_nor_token_stands_in_the_store(village: Node, clerk: tuple[str, str]):
    token = await village.people.sign_in("zhang", PASSWORD, village.clock())
    said = str([await village.journal.rows(table) for table in ("account", "session")])
    assert PASSWORD not in said
    assert token not in said
    assert "$argon2id$" in said


async def test_a_session_left_alone_ends_and_one_in_use_does_not(village: Node, clerk: tuple[str, str]):
    token = await village.people.sign_in("zhang", PASSWORD, village.clock())
    for _ in range(4):
        village.clock.pass_ms(IDLE_MS_MAX - 1000)
        assert await village.people.actor(token, village.clock())
    village.clock.pass_ms(IDLE_MS_MAX + 1000)
    assert await village.people.actor(token, village.clock()) is None
    assert await village.people.actor(token, 0) is None, "a clock that was put back does not bring it to life"


async def test_signing_out_ends_it(village: Node, clerk: tuple[str, str]):
    token = await village.people.sign_in("zhang", PASSWORD, village.clock())
    await village.people.sign_out(token)
    assert await village.people.actor(token, village.clock()) is None
    assert await village.people.actor("", village.clock()) is None


async def test_five_wrong_tries_shut_the_door_also_for_the_right_password(village: Node, clerk: tuple[str, str]):
    for _ in range(5):
        with pytest.raises(Refused, match="账号或密码不对"):
            await village.people.sign_in("zhang", "不对的密码", village.clock())
    with pytest.raises(Refused, match="请 15 分钟后再试") as refused:
        await village.people.sign_in("zhang", PASSWORD, village.clock())
    assert refused.value.status == 429
    village.clock.pass_ms(THROTTLE_MS + 1)
    assert await village.people.sign_in("zhang", PASSWORD, village.clock())


async def test_right_tries_do_not_add_up(village: Node, clerk: tuple[str, str]):
    for _ in range(people_module.ADDRESS_TRIES_MAX + 3):
        assert await village.people.sign_in("zhang", PASSWORD, village.clock(), "10.1.1.7")


async def test_guessing_many_accounts_from_one_address_is_stopped(village: Node, clerk: tuple[str, str], monkeypatch):
    monkeypatch.setattr(people_module, "ADDRESS_TRIES_MAX", 3)
    for n in range(3):
        with pytest.raises(Refused, match="账号或密码不对"):
            await village.people.sign_in(f"nobody{n}", PASSWORD, village.clock(), "10.1.1.7")
    with pytest.raises(Refused, match="输错次数太多"):
        await village.people.sign_in("zhang", PASSWORD, village.clock(), "10.1.1.7")
    assert await village.people.sign_in("zhang", PASSWORD, village.clock(), "10.1.1.8")


async def test_a_code_opens_the_door_only_to_choose_a_password(village: Node, clerk: tuple[str, str]):
    people, now = village.people, village.clock()
    code = await people.passwd("zhang", None, now)
    with pytest.raises(Refused):
        await people.sign_in("zhang", PASSWORD, now)
    token = await people.sign_in("zhang", code.lower().replace("-", " "), now)
    assert await people.actor(token, now) is None
    assert await people.must_choose_password(token)
    with pytest.raises(Refused, match="至少 8 个字符"):
        await people.change_password(token, "short", now)
    await people.change_password(token, "新的密码要够长才行", now)
    assert not await people.must_choose_password(token)
    assert await people.actor(token, now)
    with pytest.raises(Refused, match="账号或密码不对"):
        await people.sign_in("zhang", code, now)
    assert await people.sign_in("zhang", "新的密码要够长才行", now)


async def test_a_code_that_is_too_old_opens_nothing(village: Node, clerk: tuple[str, str]):
    code = await village.people.passwd("zhang", None, village.clock())
    village.clock.pass_ms(people_module.CODE_MS_MAX + 1)
    with pytest.raises(Refused, match="账号或密码不对"):
        await village.people.sign_in("zhang", code, village.clock())


async def test_a_new_password_ends_the_other_sessions(village: Node, clerk: tuple[str, str]):
    people, now = village.people, village.clock()
    one, two = await people.sign_in("zhang", PASSWORD, now), await people.sign_in("zhang", PASSWORD, now)
    await people.change_password(one, "换一个新密码八字", now)
    assert await people.actor(one, now)
    assert await people.actor(two, now) is None
    await people.passwd("zhang", "管理员重设的密码", now)
    assert await people.actor(one, now) is None
    with pytest.raises(Refused, match="没有这个账号"):
        await people.passwd("nobody", "管理员重设的密码", now)


async def test_a_post_that_ended_takes_its_session_along(village: Node, clerk: tuple[str, str]):
    token = await village.people.sign_in("zhang", PASSWORD, village.clock())
    await village.say(EndPost(id=new_id(), post=clerk[1], office=VILLAGE, reason="换届"), village.actor("admin"))
    assert await village.people.actor(token, village.clock()) is None


async def test_who_has_two_posts_picks_one_and_is_remembered(village: Node, clerk: tuple[str, str]):
    _, reader = await add_person(village, "章秀兰", "reader")
    people, now = village.people, village.clock()
    token = await people.sign_in("zhang", PASSWORD, now)
    assert [p.post for p in await people.posts(token)] == [clerk[1], reader]
    await people.choose_post(token, reader)
    actor = await people.actor(token, now)
    assert actor is not None
    assert actor.powers == frozenset({"read"})
    again = await people.sign_in("zhang", PASSWORD, now)
    assert (await people.posts(again))[0].post == reader
    with pytest.raises(Refused, match="您的岗位不能做这一步"):
        await people.choose_post(token, "operator.00000000")


async def test_a_phone_may_stay_out_of_reach_for_days(village: Node):
    person, _ = await add_person(village, "潘建国", "cadre", home=village.signer.node)
    await village.people.add_account("pan", person, PASSWORD, village.clock())
    token = await village.people.sign_in("pan", PASSWORD, village.clock())
    village.clock.pass_ms(5 * 86_400_000)
    assert await village.people.actor(token, village.clock())


async def test_who_guesses_names_leaves_few_rows_and_none_for_long(village: Node, clerk: tuple[str, str]):
    async def tries(name: str, address: str = "10.0.0.9") -> str:
        with pytest.raises(Refused) as refused:
            await village.people.sign_in(name, "guess-guess", village.clock(), address)
        return refused.value.code

    for name in ("x" * 1_000_000, "a\0b", "多\n行"):
        assert await tries(name, "10.0.0.8") == "sign_in_wrong"
    assert {row["name"] for row in await village.journal.rows("throttle")} == {"address 10.0.0.8", "account "}
    codes = [await tries(f"nobody{n}") for n in range(people_module.ADDRESS_TRIES_MAX + 20)]
    assert codes[-20:] == ["sign_in_throttled"] * 20
    rows = [row["name"] for row in await village.journal.rows("throttle")]
    assert sum(name.startswith("account nobody") for name in rows) == people_module.ADDRESS_TRIES_MAX
    village.clock.pass_ms(THROTTLE_MS + 1)
    await village.people.sign_in("zhang", PASSWORD, village.clock(), "10.0.0.9")
    assert [row["name"] for row in await village.journal.rows("throttle")] == ["address 10.0.0.9"]
