"""Attachments come after the text: files that admitted entries name are fetched by pieces, whenever nothing of the ledgers is missing.

The journal's table `blob` says what is wanted (have < size) and where it was seen first; a piece is asked from that node, then from any
other that hears the ledger. A stop at any byte is resumed where it was; the whole is checked against its address before it counts.
"""

import asyncio
from typing import Any, Final

import msgspec
from sqlalchemy import text

from protocol import certificate as certificates
from protocol.node import observe
from protocol.node.link import subjects
from protocol.node.link.answers import REFUSED_HEADER, BlobAsk
from protocol.node.link.catchup import CatchUp
from protocol.node.link.ground import Ground
from protocol.problem import Refused

AT_ONCE = 20  # files looked at in one round
PIECE_S_MAX = 5.0
PAUSE_S_MIN, PAUSE_S_MAX = 0.1, 5.0
_HAVE: Final = text("update blob set have = :have where address = :address")


class Fetching:
    def __init__(self, ground: Ground, catchup: CatchUp) -> None:
        self._ground, self._catchup = ground, catchup
        self._poke = asyncio.Event()
        self._first: list[str] = []

    def poke(self) -> None:
        """Something was committed: it may name a file."""
        self._poke.set()

    def want(self, address: str) -> None:
        """Somebody looks at this one: before all others."""
        self._first = [address, *(a for a in self._first if a != address)][:AT_ONCE]
        self._poke.set()

    async def work(self) -> None:
        """For ever. Rests longer while nobody gives what is wanted."""
        pause = PAUSE_S_MIN
        while True:
            self._poke.clear()
            wanted = await self._wanted()
            got = 0
            for row in wanted:
                got += await self._fetch(row)
            pause = PAUSE_S_MIN if got else min(pause * 2, PAUSE_S_MAX)
            if not wanted or not got:
                try:
                    async with asyncio.timeout(pause if wanted else None):
                        await self._poke.wait()
                except TimeoutError:
                    pass

    async def _wanted(self) -> list[dict[str, Any]]:
        if self._ground.blobs is None:
            return []
        rows = await self._ground.journal.rows("blob", "have < size", {}, order="added_ms", limit=AT_ONCE)
        rank = {address: n for n, address in enumerate(self._first)}
        return sorted(rows, key=lambda row: rank.get(row["address"], AT_ONCE))

    async def _fetch(self, row: dict[str, Any]) -> int:
        """Bytes that were new."""
        ground, address = self._ground, row["address"]
        if ground.blobs is None:
            return 0
        began = ground.blobs.progress(address)
        progress = began
        for holder in self._holders(row):
            while not progress.is_whole and ground.link.is_connected:
                await self._text_first()
                piece = await self._piece(holder, row["ledger"], address, progress.have)
                if piece is None:
                    break
                try:
                    after = await ground.blobs.write_chunk(address, piece)
                except Refused as refused:
                    ground.quarantine(holder, row["ledger"], "", refused)
                    progress = ground.blobs.progress(address)
                    break
                if after.have <= progress.have:
                    break  # the holder gives other pieces than it was asked for
                progress = after
            if progress.is_whole:
                break
        if progress.is_whole:
            async with ground.journal.writing() as w:
                await w.connection.execute(_HAVE, {"have": row["size"], "address": address})
            ground.wake.commit([], [row["subject"]])
        return progress.have - began.have if not progress.is_whole else max(progress.have - began.have, 1)

    async def _text_first(self) -> None:
        while not self._catchup.is_done or not self._ground.calm.is_set():  # noqa: ASYNC110, two conditions, and 20 ms do not matter
            await asyncio.sleep(0.02)

    def _holders(self, row: dict[str, Any]) -> list[str]:
        """The node it came from, the one whose entry names it, then whoever hears the ledger and was heard of."""
        ledger, source = row["ledger"], row["source"]
        others = [
            k.certificate.node for k in self._ground.peers if not k.revoked and k.seen_ms and certificates.hears(k.certificate, ledger)
        ]
        return list(dict.fromkeys([n for n in (source, *others) if n and n != self._ground.certificate.node]))

    @observe.each("file", lambda _, holder, ledger, *__: {"node": holder, "ledger": ledger})
    async def _piece(self, holder: str, ledger: str, address: str, offset: int) -> bytes | None:
        subject = subjects.blob(self._ground.peers.branch(holder, ledger), holder)
        answer = await self._ground.link.request(subject, msgspec.msgpack.encode(BlobAsk(address, offset)), PIECE_S_MAX)
        if answer is None or not answer.data or (answer.headers or {}).get(REFUSED_HEADER):
            return None
        return answer.data
