"""What a page of the desk is sent by itself: one rendering for a whole office where all see the same, one's own for whoever asks for that."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from protocol.calendar import DAY_MS, MINUTE_MS
from protocol.commands import AcceptDispute, EndPost, GivePost, NameHandler
from protocol.node.people import IDLE_MS_MAX
from protocol.node.web import stream
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, served
from tests.node.desk_kit import VILLAGE, add_person, new_id

MESSAGES_MAX = 40  # of a stream that ought to be over
LIST = "/stream?view=list&list=due"


async def two_clerks(rig: Rig) -> dict[str, str]:
    """Each has a case of their own that ends soon: account → case."""
    web = rig.web("village")
    person, _ = await add_person(web.node, "李红", "clerk")
    await web.people.add_account("lihong", person, PASSWORD, rig.county.clock())
    own = {"wangfang": await rig.log("village", 0), "lihong": await rig.log("village", 1)}
    for subject in own.values():
        await rig.say("village", AcceptDispute(id=new_id(), case=subject))
    await rig.say("village", NameHandler(id=new_id(), case=own["lihong"], person=person))
    rig.county.clock.pass_ms(28 * DAY_MS)
    return own


def first_messages(village: Served, address: str, *accounts: str) -> list[set[str]]:
    """The cases that each is shown by the stream at this address, all of them looking at once."""
    shown = []
    with ExitStack() as open_:
        for account in accounts:
            client = open_.enter_context(httpx.Client(base_url=village.url["village"], timeout=20))
            assert client.post("/sign-in", data={"name": account, "password": PASSWORD}).status_code == 303
            lines = open_.enter_context(client.stream("GET", address)).iter_lines()
            message = "".join(iter(lambda lines=lines: next(lines), ""))
            shown.append(set(re.findall(r'id="case-(\w+)"', message)))
    return shown


def read_until_over(village: Served, ends: Callable[[httpx.Client], object]) -> str:
    """All that a page of the desk is sent from the moment on at which its session ends, while something new comes all the time."""
    with httpx.Client(base_url=village.url["village"], timeout=20) as client:
        assert client.post("/sign-in", data={"name": "wangfang", "password": PASSWORD}).status_code == 303
        with client.stream("GET", "/stream?view=list&list=all") as answer:
            lines = answer.iter_lines()
            "".join(iter(lambda: next(lines), ""))
            ends(client)
            said = []
            for line in lines:
                said.append(line)
                if not line:
                    village.do(lambda rig: rig.log("village"))
                assert said.count("") < MESSAGES_MAX, "it goes on"
            return "".join(said)


def test_a_page_whose_session_or_post_ended_is_sent_nothing_more_also_where_much_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream, "STILL_THERE_S", 0.3)
    with served(tmp_path, "village") as village:
        url, other = village.url["village"], "mediator.0000000a"

        async def given(rig: Rig) -> None:
            node, person = rig.nodes["village"].node, rig.persons["village"][0]
            await node.say(
                GivePost(id=new_id(), post=other, person=person, office=VILLAGE, title="专职调解员"), node.actor("admin", VILLAGE)
            )

        async def idle(rig: Rig) -> None:
            rig.county.clock.pass_ms(IDLE_MS_MAX + MINUTE_MS)

        async def ended(rig: Rig) -> None:
            node = rig.nodes["village"].node
            await node.say(EndPost(id=new_id(), post=other, office=VILLAGE, reason="换届"), node.actor("admin", VILLAGE))

        village.do(given)
        for how, told in (
            (lambda _: village.do(idle), True),
            (lambda client: httpx.post(f"{url}/sign-out", cookies=client.cookies), True),
            (
                lambda client: httpx.post(f"{url}/post", data={"post": other}, cookies=client.cookies),
                False,
            ),  # it asks again, and is told then
            (lambda _: village.do(ended), True),  # the next sign-in began with the post chosen last
        ):
            assert ("登录已过期" in read_until_over(village, how)) is told


def test_ones_own_list_is_never_that_of_a_colleague_at_the_same_address(tmp_path: Path):
    with served(tmp_path, "village") as village:
        own = village.do(two_clerks)
        assert first_messages(village, f"{LIST}&mine=1", "wangfang", "lihong") == [{own["wangfang"]}, {own["lihong"]}]
        assert first_messages(village, LIST, "wangfang", "lihong") == [set(own.values())] * 2, "of the office's, both see all"
