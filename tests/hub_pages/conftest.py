"""One small county a test, with the operator signed in."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.hub_pages.world import Hub, world
from tests.kit import once


@pytest.fixture
def own_routes() -> Iterator[None]:
    """For a test that registers one more than others have."""
    with once.own_routes():
        yield


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with world(tmp_path) as made:
        await made.sign_in("operator")
        yield made
