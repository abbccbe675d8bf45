"""Files that nobody needs any more: those whose last body was erased, uploads that broke off, what a crash left between file and entry.

The key of a file stands in the bodies that name it, so with the last of them it is unreadable already; here its bytes go too, at
every node that admitted the erasure. A file that was touched a moment ago stays for now: somebody may be about to name it again.

A whole file that no row knows may be all there is of it, of an entry that comes back: a backup was put in place, a damaged store was
healed, a standby took over that was behind. So it goes only when nobody named it for UNNAMED_DAYS, with all the entries here.
"""

import asyncio
from typing import Final

from protocol.node.blobs import CIPHER_EXTRA_BYTES, Blobs
from protocol.node.bodies import GONE
from protocol.node.journal import Journal
from protocol.node.journal.rows import fetch, run
from protocol.node.uploads import Uploads, remove_older
from protocol.problem import Refused

EACH_S, TIDY_EACH_S = 20.0, 3_600.0
HOLD_S = 120.0  # between a file and the entry that names it lie seconds
AT_ONCE = 100
_GOING: Final = "select address, size from blob where stage = :stage order by address limit :limit"
_FORGET: Final = "delete from blob where address = :address and stage < 0"
UNNAMED_DAYS: Final = 90  # on which this node ran: a computer that holds the entry may have been off for a season


async def sweep(journal: Journal, blobs: Blobs, now_s: float, uploads: Uploads | None = None) -> list[str]:
    """Removes the files of erased bodies, and uploads of their size that nobody took; returns their addresses. What it did not finish,
    the next one does."""
    if not await journal.rows("blob", "stage = :stage", {"stage": GONE}, limit=1):
        return []
    try:
        return await _swept(journal, blobs, now_s, uploads)
    except Refused as refused:
        if refused.code != "store_readonly":
            raise
        return []  # the files' disk takes nothing now


async def _swept(journal: Journal, blobs: Blobs, now_s: float, uploads: Uploads | None) -> list[str]:
    swept = []
    async with journal.writing() as w:  # nobody can name one of them meanwhile
        for address, size in await fetch(w.connection, _GOING, {"stage": GONE, "limit": AT_ONCE}):
            if await blobs.remove(address, now_s - HOLD_S):
                if uploads:
                    await uploads.drop_size(size - CIPHER_EXTRA_BYTES)
                await run(w.connection, _FORGET, [{"address": address}])
                swept.append(address)
    return swept


async def tidy(journal: Journal, blobs: Blobs, uploads: Uploads, before_s: float) -> int:
    """Leftovers that were not touched since (Unix seconds): broken uploads, halves that no row knows. Returns how many."""
    gone = await uploads.tidy(before_s)
    for address in await _unknown(journal, blobs, before_s):
        if not blobs.has(address):
            gone += await blobs.remove(address, before_s)
    for kind in ("damaged", "new"):  # set apart long ago, or cut off by a crash
        gone += await asyncio.to_thread(remove_older, blobs.folder, f"*/*.{kind}", before_s)
    await blobs.count()
    return gone


async def tidy_whole(journal: Journal, blobs: Blobs, before_s: float, now_s: float, unnamed_s: float) -> int:
    """Whole files that were not touched since `before_s` and are named by no row since `unnamed_s`, UNNAMED_DAYS ago. Returns how many. Not to
    be called while entries are known to be missing here."""
    unnamed = {address for address in await _unknown(journal, blobs, before_s) if blobs.has(address)}
    gone = 0
    for address, since_s in (await asyncio.to_thread(blobs.note_unnamed, unnamed, now_s)).items():
        if since_s > unnamed_s:
            continue
        async with journal.writing() as w:  # nobody can name it meanwhile
            if not await fetch(w.connection, "select 1 from blob where address = :address", {"address": address}):
                gone += await blobs.remove(address, before_s)  # it may have been taken again since it was listed
    return gone


async def _unknown(journal: Journal, blobs: Blobs, before_s: float) -> list[str]:
    known = {row[0] for row in await journal.select("select address from blob", {})}

    def found() -> list[str]:
        return sorted(address for address in blobs.addresses() - known if blobs.touched_s(address) <= before_s)

    return await asyncio.to_thread(found)
