"""What the command line says when something is in the way: one plain sentence, never a traceback."""

import socket

import pytest

from deploy.nats.servers import free_ports
from protocol.node.config import Config
from tests.kit.county import yidi


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
