"""Looking after what nobody reads: once a day every entry and every attachment of this node is read and held against its hash.

wrong = await look(journal, blobs)      what was found; a damaged journal writes no more, a damaged attachment is fetched again
"""

from typing import Final

import msgspec
from sqlalchemy import text

from protocol.node import log
from protocol.node.blobs import Blobs
from protocol.node.journal import Journal
from protocol.node.journal.scrub import Wrong, scrub

FIRST_S, EACH_S = 600.0, 86_400.0  # a start has other things to do; then once a day
PAUSE_S = 0.02
_LOST: Final = text("update blob set have = 0, stage = 1 where address = :address and stage >= 0")


class Found(msgspec.Struct, frozen=True):
    """entries: the first wrong one of each lane · files: addresses that were not what they should be, wanted again now."""

    entries: tuple[Wrong, ...] = ()
    files: tuple[str, ...] = ()


async def look(journal: Journal, blobs: Blobs, pause_s: float = 0.0) -> Found:
    """Raises Refused as reads do."""
    wrong = await scrub(journal, pause_s)
    for one in wrong:
        log.event("entry damaged", ledger=one.ledger, origin=one.origin, seq=one.seq, reason_code=one.what)
    files = []
    for row in await journal.rows("blob", "have >= size"):
        if not await blobs.is_sound(row["address"]):
            files.append(row["address"])
            if not journal.damaged:
                await want_again(journal, row["address"])
    return Found(tuple(wrong), tuple(files))


async def want_again(journal: Journal, address: str) -> None:
    """An attachment that was whole and is not: it is fetched from whoever has it."""
    async with journal.writing() as w:
        await w.connection.execute(_LOST, {"address": address})
