"""A demo that can't even start says so where a program reads it."""

import asyncio
import json

import pytest

from deploy.demo import county
from deploy.nats import servers


@pytest.mark.parametrize("wrong", [OSError(98, "Address already in use"), TimeoutError(), AssertionError("the digests differ")])
def test_whatever_goes_wrong_the_last_line_tells(monkeypatch, capsys, wrong):
    async def broken(*_, **__):
        raise wrong

    monkeypatch.setattr(county.Demo, "prepare", broken)
    assert asyncio.run(county.prove(True, 0)) == 1
    said = capsys.readouterr().out.strip().splitlines()
    told = json.loads(said[-1])
    assert (told["command"], told["ok"]) == ("demo --check", False)
    assert said[0].startswith("✗ ")


def test_ports_are_drawn_from_ones_own_range(monkeypatch):
    monkeypatch.setattr(servers, "PORTS", (20_100, 20_200))
    assert all(20_100 <= port < 20_200 for port in servers.free_ports(5))
