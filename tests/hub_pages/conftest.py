"""One small county a test, with the operator signed in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hub_pages.world import Hub, world


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with world(tmp_path) as made:
        await made.sign_in("operator")
        yield made
