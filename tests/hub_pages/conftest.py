"""One small county a test, with the operator signed in."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.node.web import app
from tests.hub_pages.world import Hub, world


@pytest.fixture
def own_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test that registers one more than others have."""
    made: Any = app.routed
    monkeypatch.setattr(app, "routed", made.real)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with world(tmp_path) as made:
        await made.sign_in("operator")
        yield made
