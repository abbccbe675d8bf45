from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.link.kit import Town


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """The county's server and the township's leaf, running."""
    made = Town(tmp_path)
    await made.server.start()
    await made.leaf.start()
    yield made
    await made.stop()
