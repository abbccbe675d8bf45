"""One small real county a module: its stories follow each other in the order of the file."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.kit.county import County
from tests.kit.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def county(tmp_path_factory) -> AsyncIterator[County]:
    """Whatever the stories did, no log may hold what was typed in them."""
    made = await County.start(tmp_path_factory.mktemp("county"))
    try:
        yield made
        told = made.told_by_logs()
    finally:
        await made.stop()
    assert told == []
