"""For the tests of protocol/node: a county of nodes in one process, on SQLite or on a PostgreSQL of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.postgres import postgres_server, postgres_url
from tests.node.desk_kit import County

__all__ = ["county", "on_either", "postgres_server", "postgres_url", "urls"]


@pytest.fixture
async def county(tmp_path: Path) -> AsyncIterator[County]:
    made = County(tmp_path)
    yield made
    await made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest) -> dict[str, str]:
    """Node → the address of its store, where that is no SQLite."""
    return {"root": request.getfixturevalue("postgres_url")} if request.param == "postgresql" else {}


@pytest.fixture
async def on_either(urls: dict[str, str], tmp_path: Path) -> AsyncIterator[County]:
    made = County(tmp_path, urls)
    yield made
    await made.close()
