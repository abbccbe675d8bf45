"""A county served to a phone, its clock that of the machine: the phone asks its own what is late."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub_pages.world import Hub, served


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[str, Hub, Callable[[Any], Any]]]:
    """(address, hub, what runs a coroutine there), the operator signed in."""
    with served(tmp_path) as (url, hub, run):
        hub.county.clock.now_ms = int(time.time() * 1000)
        run(hub.sign_in("operator"))
        yield url, hub, run
