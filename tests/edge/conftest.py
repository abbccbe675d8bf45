"""One rig a test: three real nodes in a folder of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edge.rig import Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    yield made
    await made.close()
