"""A county that was founded as a demo stays one, and so does every computer that joins it, whatever its own yidi.toml says.

What pages, phone and files then say: tests/phone/test_made_up_browser.py, tests/edge/test_made_up.py.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from deploy.county import County
from deploy.demo.cast import VILLAGE
from deploy.running import made_up_all_the_same
from edge.enrol import enrol, renew
from hub.enrolment import Enrolment
from protocol.enrolment import Answer, Leaf
from protocol.node.config import Config, Demo, load
from protocol.node.identity import Identity
from protocol.node.node import Node, now_ms
from protocol.node.web.made_up import MARK, mark, named
from tests.kit.county import yidi

DEMO, PLAIN = Config(demo=Demo(made_up=True)), Config()


class Founded:
    """A county in a folder, founded with one switch and opened again with another."""

    def __init__(self, folder: Path, founded: Config) -> None:
        self.folder = folder
        County.open(folder / "hub", founded, now_ms())

    async def asked(self, config: Config, join: Callable[[Enrolment], Awaitable[None]]) -> None:
        node = await Node.open(self.folder / "hub", config)
        county = County.open(self.folder / "hub", config, now_ms())
        try:
            await county.furnish(node)
            await join(county.enrolment(node))
        finally:
            await node.close()

    async def join(self, config: Config, *, again: str = "") -> bool:
        """A computer joins the county that runs with `config`; again: by a new code of that node. Returns whether its own folder says made up."""

        async def joins(enrolment: Enrolment) -> None:
            async def post(_address: str, body: bytes) -> tuple[int, bytes]:
                return 200, await enrolment.redeem(body)

            code = (await enrolment.renew(again))[1] if again else await enrolment.invite(place=VILLAGE, name="高禹村")
            await (renew if again else enrol)(code, self.folder / "village", post)

        await self.asked(config, joins)
        return Identity(self.folder / "village").about().made_up

    async def said_by(self, folder: str, config: Config) -> tuple[str, str]:
        node = await Node.open(self.folder / folder, config)
        try:
            return mark(node), named(node, "名册.pdf")
        finally:
            await node.close()


async def test_who_joins_a_demo_county_says_so_on_every_paper_though_its_own_switch_does_not(tmp_path):
    county = Founded(tmp_path, DEMO)
    assert await county.join(DEMO)
    assert await county.said_by("village", PLAIN) == (MARK, "演示-名册.pdf")


async def test_a_county_that_was_founded_as_a_demo_stays_one_when_its_switch_is_taken_out(tmp_path):
    county = Founded(tmp_path, DEMO)
    assert await county.said_by("hub", load(None, {"YIDI_DEMO_MADE_UP": "false"})) == (MARK, "演示-名册.pdf")
    assert await county.join(PLAIN), "who joins now is told all the same"


async def test_a_demo_folder_of_before_goes_by_its_switch_and_tells_who_joins(tmp_path):
    county = Founded(tmp_path, PLAIN)
    node_json = (tmp_path / "hub/identity/node.json").read_text("utf-8")
    older = msgspec.json.decode(node_json)
    del older["made_up"]
    (tmp_path / "hub/identity/node.json").write_bytes(msgspec.json.encode(older))
    assert await county.said_by("hub", DEMO) == (MARK, "演示-名册.pdf")
    assert await county.said_by("hub", PLAIN) == ("", "名册.pdf")
    assert await county.join(DEMO)


async def test_nobody_who_joins_a_real_county_is_marked(tmp_path):
    county = Founded(tmp_path, PLAIN)
    assert not await county.join(PLAIN)
    assert await county.said_by("village", PLAIN) == await county.said_by("hub", PLAIN) == ("", "名册.pdf")
    assert made_up_all_the_same(tmp_path / "village", PLAIN) == made_up_all_the_same(tmp_path / "nowhere", PLAIN) == ""


async def test_a_demo_folder_that_joins_again_by_a_new_code_stays_one(tmp_path):
    """Also where the county that answers is of before, and says nothing of it."""
    county = Founded(tmp_path / "a", PLAIN)
    assert await county.join(DEMO)
    node = Identity(tmp_path / "a/village").about().node
    assert await county.join(PLAIN, again=node)
    assert Identity(tmp_path / "a/village").about().former == [node]


async def test_what_starts_it_says_in_one_sentence_that_the_switch_changes_nothing(tmp_path, monkeypatch):
    Founded(tmp_path, DEMO)
    monkeypatch.setattr("deploy.running.asyncio.run", lambda main: main.close())  # it would run until it is told to stop
    (tmp_path / "hub/yidi.toml").write_text("[demo]\nmade_up = false\n", "utf-8")
    for command in ("hub", "edge"):
        ran = await yidi(command, "--folder", tmp_path / "hub")
        assert ran.code == 0 and ran.err.count("是演示用的，人和事都是编的") == 1, ran
    (tmp_path / "hub/yidi.toml").write_text("[demo]\nmade_up = true\n", "utf-8")
    assert "演示" not in (await yidi("hub", "--folder", tmp_path / "hub")).err


class AnswerBefore(msgspec.Struct, array_like=True, frozen=True):
    """As 0.1.0 and 0.2.0 read and write it."""

    certificate: bytes
    county_public: bytes
    sealing_public: bytes
    county_node: str
    jwt: str
    servers: tuple[str, ...]
    authority: bytes
    tls: bytes
    batches: tuple[bytes, ...]
    account: str
    person: str
    leaf: Leaf | None = None


@pytest.mark.parametrize("leaf", [None, Leaf("jwt", b"{}", "tls://county:7422", "10.0.0.2:4222")])
def test_an_older_node_reads_past_the_mark_and_an_older_county_gives_none(leaf: Leaf | None):
    values = (b"c", b"k", b"s", "nroot2222", "jwt", ("10.0.0.1:4222",), b"pem", b"tls", (b"batch",), "gaoyu", "p1", leaf)
    new, old = Answer(*values, made_up=True), AnswerBefore(*values)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(new), type=AnswerBefore) == old
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=Answer) == msgspec.structs.replace(new, made_up=False)
