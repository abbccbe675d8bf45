"""For every test: the browser fixture, and property tests that print how to repeat a failure."""

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.kit")  # else a failed assert of the kit says only "AssertionError"
from tests.kit.browser import chromium, open_page  # noqa: E402

__all__ = ["chromium", "open_page"]

# deadline: two cores are shared with real servers; a slow example is no fault of the rule it tests
settings.register_profile("yidi", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("yidi")
