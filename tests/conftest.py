"""For every test: the browser fixture, and property tests that print how to repeat a failure."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from deploy.memory import collect_rarely, settle
from deploy.nats import servers

pytest.register_assert_rewrite("tests.kit")  # else a failed assert of the kit says only "AssertionError"
from tests.kit import warm  # noqa: E402
from tests.kit.browser import chromium, open_page  # noqa: E402
from tests.kit.once import make_once  # noqa: E402

__all__ = ["chromium", "open_page", "pytest_collection_finish", "pytest_collection_modifyitems"]

WORKERS_MAX = 8
LONG = (
    "simulation/test_simulation",
    "bench/",
    "link/test_heal_postgresql",
    "stories/",
    "faults/",
    "phone/",
    "_browser",
    "demo/",
    "link/",
    "edge/",
    "hub_pages/",
    "node/",
)

# deadline: two cores are shared with real servers; a slow example is no fault of the rule it tests
settings.register_profile("yidi", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("yidi")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a run in the background; the programs that tests start must hear it
    signal.signal(signal.SIGINT, signal.default_int_handler)
make_once()
warm.start_so()


def own_ports(worker: str) -> None:
    """worker: gw0, gw1 …: each draws from a range of its own, for a port is free until the program that it was drawn for has started."""
    low, high = servers.PORTS
    width, n = (high - low) // WORKERS_MAX, int(worker[2:]) % WORKERS_MAX
    servers.PORTS = (low + n * width, low + (n + 1) * width)
    os.environ["FREE_PORTS"] = "{}-{}".format(*servers.PORTS)  # for the programs that draw for themselves


if found := os.environ.get("PYTEST_XDIST_WORKER"):
    own_ports(found)


def pytest_collection_finish() -> None:
    """As a node does after its start: what is loaded by now is not looked through again and again."""
    settle()
    collect_rarely()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long are begun first: at the end no worker waits for another's last one."""
    items.sort(key=lambda item: next((n for n, part in enumerate(LONG) if part in item.path.as_posix()), len(LONG)))
