"""The search index of a store that takes in whole counties follows the transaction, beside everything else: three times as many
entries go in. What is not indexed yet is held against the words themselves, so what was just saved is found; a search only takes
longer then, and the pages say how far the index has come when it lags.
"""

import asyncio
from contextlib import suppress
from typing import Final

from protocol.node.journal import Journal
from protocol.node.wake import Wake

AT_ONCE = 100  # rows of one transaction: some 15 ms of this program, and pages are drawn between two of them
GATHER_S = 0.25  # after a commit: in a storm one look for many
LOOK_S = 5.0  # another program may have written
LAG_MS: Final = 5_000  # younger than this nobody needs to be told


async def follow(journal: Journal, wake: Wake) -> None:
    """For ever; for a journal that `indexes_later`."""
    async with wake.watch() as changed:
        while True:
            if await journal.index(AT_ONCE):
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await changed.wait()
            changed.take()
            await asyncio.sleep(GATHER_S)


async def lag_since_ms(journal: Journal, now_ms: int) -> int | None:
    """When the index was last complete, Unix milliseconds; None while it does not lag."""
    since = await journal.pending_since_ms() if journal.indexes_later else None
    return since if since is not None and now_ms - since > LAG_MS else None
