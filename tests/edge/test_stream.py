"""What a page of the desk is sent by itself: one rendering for a whole office where all see the same, one's own for whoever asks for that."""

import re
from contextlib import ExitStack
from pathlib import Path

import httpx

from protocol.calendar import DAY_MS
from protocol.commands import AcceptDispute, NameHandler
from tests.edge.rig import PASSWORD, Rig
from tests.edge.served import Served, served
from tests.node.desk_kit import add_person, new_id

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


def test_ones_own_list_is_never_that_of_a_colleague_at_the_same_address(tmp_path: Path):
    with served(tmp_path, "village") as village:
        own = village.do(two_clerks)
        assert first_messages(village, f"{LIST}&mine=1", "wangfang", "lihong") == [{own["wangfang"]}, {own["lihong"]}]
        assert first_messages(village, LIST, "wangfang", "lihong") == [set(own.values())] * 2, "of the office's, both see all"
