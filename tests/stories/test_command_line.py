"""What the command line says when something is in the way: one plain sentence, never a traceback; and nothing is half done."""

import base64
import json
import shutil
import socket
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.county import County
from deploy.demo.cast import VILLAGE
from deploy.keeping import opened
from deploy.nats.identity import Authority, Trust
from deploy.nats.servers import free_ports
from edge.enrol import enrol
from protocol.node.config import Config
from protocol.node.identity import Identity
from protocol.node.node import Node, now_ms
from tests.kit.county import yidi


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def founded(tmp_path_factory) -> Path:
    """A county of one machine, and `village`, a computer that joined it."""
    home = tmp_path_factory.mktemp("founded")
    county = County.open(home / "hub", Config(), now_ms())
    node = await Node.open(home / "hub", Config())
    await county.furnish(node)
    enrolment = county.enrolment(node)
    await enrolment.announce_trust()
    code = await enrolment.invite(place=VILLAGE, name="高禹村")

    async def post(_address: str, body: bytes) -> tuple[int, bytes]:
        return 200, await enrolment.redeem(body)

    await enrol(code, home / "village", post)
    await node.close()
    return home


@pytest.fixture
def home(founded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(founded, tmp_path / "home"))


def revoked(trust: Trust) -> dict[str, int]:
    """Public key of a user → second, as every server reads it."""
    claims = trust.account_jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=="))["nats"]["revocations"]


async def test_who_is_revoked_at_the_command_line_stays_so_whatever_the_running_hub_notes(home: Path):
    running, village = Authority(home / "hub/county", 0), Identity(home / "village").about().node
    ran = await yidi("revoke", village, "--folder", home / "hub")
    assert ran.code == 0 and "1 个连接凭证作废" in ran.out, ran
    running._note("nanother2", "UANOTHER")  # somebody joins
    assert len(revoked(running.trust())) == len(revoked(Authority(home / "hub/county", 0).trust())) == 1


async def test_keys_that_were_put_back_from_an_older_copy_let_nobody_in_again(home: Path):
    hub, older = home / "hub", (home / "hub/county/nats.json").read_bytes()
    assert (await yidi("revoke", Identity(home / "village").about().node, "--folder", hub)).code == 0
    (hub / "county/nats.json").write_bytes(older)
    county = County.open(hub, Config(), now_ms())
    assert not revoked(county.authority.trust())
    async with opened(hub, Config()) as node:
        await county.enrolment(node).announce_trust()
    assert len(revoked(county.authority.trust())) == 1


async def test_only_a_computer_that_joined_is_put_out_and_never_the_county_itself(home: Path):
    hub = home / "hub"
    before = (hub / "county/nats.json").read_bytes()
    for command in ("revoke", "renew"):
        for node, why in (("nabcdefgh", "没有这个节点：nabcdefgh"), (Identity(hub).about().node, "这是县中心自己，不能停用")):
            ran = await yidi(command, node, "--folder", hub)
            assert ran.code == 1 and why in ran.err and not ran.out, ran
    assert (hub / "county/nats.json").read_bytes() == before


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


async def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path, taken: int):
    text = f"[http]\nport = {taken}\n[nats]\nrun = false\n"
    (tmp_path / "yidi.toml").write_text(text)
    ran = await yidi("hub", "--folder", tmp_path)
    assert ran.code == 1
    assert f"127.0.0.1:{taken} 已被别的程序占用" in ran.err
    assert "[http] port" in ran.err and "Traceback" not in ran.err


async def test_a_county_that_does_not_answer_is_said_in_words_and_the_code_stays_good(tmp_path):
    ran = await yidi("edge", "enrol", f"127.0.0.1:{free_ports(1)[0]}/AAAA-BBBB-CCCC-DDDD", "--folder", tmp_path / "v")
    assert ran.code == 1
    assert "连不上 127.0.0.1" in ran.err and "登记码还能用" in ran.err and "Traceback" not in ran.err


async def test_a_wrong_setting_is_named_with_its_line(tmp_path):
    (tmp_path / "yidi.toml").write_text('[http]\nport = "acht"\n')
    ran = await yidi("hub", "--folder", tmp_path)
    assert ran.code == 1 and "第 2 行 http.port" in ran.err
    assert Config().http.port == 8330


async def test_a_folder_that_was_never_enrolled_says_what_comes_first(tmp_path):
    ran = await yidi("edge", "--folder", tmp_path)
    assert ran.code == 1 and "yidi edge enrol" in ran.err
