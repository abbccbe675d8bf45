"""For every test: the browser fixture, and property tests that print how to repeat a failure."""

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.kit")  # else a failed assert of the kit says only "AssertionError"
from tests.kit.browser import chromium, open_page  # noqa: E402
from tests.kit.templates import compile_once  # noqa: E402

__all__ = ["chromium", "open_page", "pytest_collection_modifyitems"]

LONG = (
    "simulation/test_simulation",
    "bench/",
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
compile_once()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long are begun first: at the end no worker waits for another's last one."""
    items.sort(key=lambda item: next((n for n, part in enumerate(LONG) if part in item.path.as_posix()), len(LONG)))
