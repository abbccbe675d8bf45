"""A line that loses without a word: the township's server gives it up before its pings have gone unanswered twice, and a slow one never."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys

import pytest

from deploy.nats import silence
from deploy.nats.silence import Silence
from tests.kit import apart
from tests.link.kit import Town, soon


async def test_a_line_that_is_silent_is_given_up_before_two_pings_are_unanswered_and_dialled_anew(tmp_path):
    if not apart.allowed():
        pytest.skip("needs a network namespace: unshare --net")
    said = await apart.printed(sys.executable, "-m", "tests.link.silent", str(tmp_path))
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
    assert not Silence(child.pid, 7422).cut_if_lost()
