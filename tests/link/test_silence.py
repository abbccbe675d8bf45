"""A line that loses without a word: the township's server gives it up before its pings have gone unanswered twice, and a slow one never."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

import pytest

from deploy.nats import servers, silence
from deploy.nats.silence import Silence
from tests.link.kit import Town, soon


@cache
def apart() -> Sequence[str]:
    """Words before a command that put it into a network of its own; none: this machine allows it to nobody."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    words = ("unshare", "--net", *user)
    try:
        return words if subprocess.run([*words, "true"], check=False, capture_output=True).returncode == 0 else ()
    except FileNotFoundError:
        return ()


async def test_a_line_that_is_silent_is_given_up_before_two_pings_are_unanswered_and_dialled_anew(tmp_path):
    if not apart():
        pytest.skip("needs a network namespace: unshare --net")
    played = await asyncio.create_subprocess_exec(
        *apart(), sys.executable, "-m", "tests.link.silent", str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, trouble = await played.communicate()
    assert played.returncode == 0, trouble.decode(errors="replace")[-2000:]
    assert json.loads(said) == {"closed": True, "stale": False}


async def test_a_line_that_carries_and_one_whose_other_end_takes_nothing_more_are_left_alone(town: Town):
    """The county's server stands still, as on a computer that has too much to do: what is sent to it is acknowledged by its kernel."""
    await soon(lambda: town.leaf.state().carries)
    watched = Silence(town.leaf.state().pid, town.county_listen.leaf_port)
    os.kill(town.server.state().pid, signal.SIGSTOP)
    try:
        for _ in range(20):
            assert not watched.cut_if_lost()
            await asyncio.sleep(0.05)
    finally:
        os.kill(town.server.state().pid, signal.SIGCONT)
    assert town.leaf.state().carries


async def test_where_the_system_forbids_to_look_the_pings_remain_and_it_is_said_once(town: Town, monkeypatch, caplog):
    def forbidden(_pid: int, _number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    caplog.set_level(logging.INFO, "yidi")
    monkeypatch.setattr(silence, "_shared", forbidden)
    await soon(lambda: town.leaf.state().carries)
    town.leaf.kill()
    await soon(lambda: town.leaf.state().restarts == 1)
    await soon(lambda: town.leaf.state().carries)
    assert [said.msg for said in caplog.records].count("silence not heard") == 1


def test_a_process_that_has_ended_has_no_line():
    child = subprocess.Popen(["sleep", "60"])
    child.kill()
    child.wait()
    assert not Silence(child.pid, servers.LEAF_PORT).cut_if_lost()
