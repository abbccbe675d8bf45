"""What this node answers: pulls of lanes and of blobs, to whoever covers the ledger, and to nobody else.

The asker is read from the reply subject: only that node can listen there, so a false name gets nothing. An empty answer means that
there is nothing to give; a refusal travels as a header. One answer a request, in turn, at most one batch or one piece large. A copy of
this computer would listen on the same subject, and the first answer is the only one that is heard: so of what we are said to have written
ourselves and have not got we say nothing.
"""

from typing import Annotated, Any, Final

import msgspec
from nats.aio.msg import Msg
from sqlalchemy import text

from protocol import batch as batches
from protocol import certificate as certificates
from protocol.batch import BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, SPEAKS_MAX, Batch
from protocol.entry import START, UNREADABLE
from protocol.node import observe
from protocol.node.blobs import CHUNK_BYTES
from protocol.node.bodies import uses
from protocol.node.forks import Forks
from protocol.node.link import subjects
from protocol.node.link.branches import EndAsk, end_asks
from protocol.node.link.ground import Ground
from protocol.problem import Refused

REFUSED_HEADER: Final = "Y1-Refused"

USES_MAX = 100  # entries that name one file, looked at for one ask
_ELSEWHERE: Final = text("update blob set elsewhere = :node where address = :address")
ROWS_AT_ONCE = 100  # bodies may be large: read on only while the batch is not full
Seq = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Name = Annotated[str, msgspec.Meta(max_length=80)]


def refused_as(answer: Msg) -> str:
    """The code by which whoever was asked gives nothing; "" where that is not said."""
    return (answer.headers or {}).get(REFUSED_HEADER, "")


class LaneAsk(msgspec.Struct, array_like=True, frozen=True):
    ledger: Name
    origin: Name
    after: Seq
    limit: Annotated[int, msgspec.Meta(ge=1, le=BATCH_ENTRIES_MAX)]
    speaks: Annotated[tuple[Name, ...], msgspec.Meta(max_length=SPEAKS_MAX)] = ()  # what the asker understands (batch.SPEAKS)


class BlobAsk(msgspec.Struct, array_like=True, frozen=True):
    """address: 64 hex digits · offset: cipher bytes the asker has already; just all of them: it tells us that it has the whole · most: bytes that
    it wants at once."""

    address: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    offset: Seq
    most: Annotated[int, msgspec.Meta(ge=1, lt=2**53)] = CHUNK_BYTES


_lane_asks, _blob_asks = msgspec.msgpack.Decoder(LaneAsk), msgspec.msgpack.Decoder(BlobAsk)


class Answers:
    def __init__(self, ground: Ground, forks: Forks | None = None) -> None:
        self._ground, self._forks = ground, forks

    @observe.each("answer", lambda _, msg: {"node": subjects.asker(msg.reply)})
    async def pull(self, msg: Msg) -> None:
        if end := _end_ask(msg.data):
            await self._ends(msg, end)
            return
        try:
            ask: LaneAsk = _read(_lane_asks, msg.data)
            await self._may(msg.reply, ask.ledger)
            got = await piece(self._ground.journal, ask.ledger, ask.origin, ask.after, ask.limit)
            await self._respond(msg, b"" if got is None else batches.pack(got, ask.speaks))
        except Refused as refused:
            await self._refuse(msg, refused)

    async def _ends(self, msg: Msg, ask: EndAsk) -> None:
        """Silence where the entry is not here: a copy of this computer may hold it."""
        try:
            await self._may(msg.reply, ask.ledger)
            got = await self._forks.piece(ask.ledger, ask.origin, ask.seq, ask.hash, BATCH_ENTRIES_MAX) if self._forks else None
            if got is not None:
                await self._respond(msg, batches.pack(got))
        except Refused as refused:
            await self._refuse(msg, refused)

    async def blob(self, msg: Msg) -> None:
        ground = self._ground
        try:
            ask: BlobAsk = _read(_blob_asks, msg.data)
            rows = await ground.journal.rows("blob", "address = :address", {"address": ask.address})
            named = await ground.journal.rows("blob_use", "address = :address", {"address": ask.address}, limit=USES_MAX)
            if not rows or ground.blobs is None:
                await self._may(msg.reply, "")
                await self._respond(msg, b"")
                return
            ledgers = {rows[0]["ledger"], *(use["ledger"] for use in named)}
            if len(named) == USES_MAX:  # one author may have named it so often
                ledgers |= {use.ledger for use in await uses(ground.journal, rows[0])}
            node = await self._may(msg.reply, *sorted(ledgers))
            size = ground.blobs.progress(ask.address).total if ground.blobs.has(ask.address) else rows[0]["size"]
            if ask.offset == size and not rows[0]["elsewhere"]:
                async with ground.journal.writing() as w:
                    await w.connection.execute(_ELSEWHERE, {"address": ask.address, "node": node})
            got = await ground.blobs.chunk(ask.address, ask.offset, ask.most) or b""
            if got or ask.offset >= size or rows[0]["source"] != ground.certificate.node:
                await self._respond(msg, got)
        except Refused as refused:
            await self._refuse(msg, refused)

    async def _may(self, reply: str, *ledgers: str) -> str:
        """Who asks: enrolled, not revoked, and hears one of the ledgers ("": any enrolled node). Raises Refused pull_refused."""
        node = subjects.asker(reply)
        for ledger in ledgers:
            await self._ground.vouch(node, ledger)
        known = self._ground.peers.get(node)
        if known is None or known.revoked or not any(not ledger or certificates.hears(known.certificate, ledger) for ledger in ledgers):
            raise Refused("pull_refused")
        return node

    async def _respond(self, msg: Msg, body: bytes, headers: dict[str, str] | None = None) -> None:
        """When the link went away meanwhile, the asker asks again."""
        if msg.reply:
            await self._ground.link.publish(msg.reply, body, headers)

    async def _refuse(self, msg: Msg, refused: Refused) -> None:
        await self._respond(msg, b"", {REFUSED_HEADER: refused.code})


def _end_ask(raw: bytes) -> EndAsk | None:
    """A pull of the other kind has a number in the place of the hash."""
    try:
        return end_asks.decode(raw)
    except UNREADABLE:
        return None


def _read(asks: msgspec.msgpack.Decoder[Any], raw: bytes) -> Any:
    """Raises Refused batch_malformed. What fails after it is a fault of ours, and loud."""
    try:
        return asks.decode(raw)
    except UNREADABLE as error:
        raise Refused("batch_malformed", why=type(error).__name__) from error


async def piece(journal: Any, ledger: str, origin: str, after: int, limit: int) -> Batch | None:
    """A batch of the lane after `after`, cut at a signature; None when there is nothing to give."""
    return (await piece_or_rest(journal, ledger, origin, after, limit))[0]


async def piece_or_rest(journal: Any, ledger: str, origin: str, after: int, limit: int) -> tuple[Batch | None, bool]:
    """The same, and whether it is all there was."""
    rows, whole = list[Any](), True
    prev, size, signed = b"" if after else START, 0, False
    while len(rows) < BATCH_ENTRIES_MAX and size < BATCH_BYTES_MAX and not (signed and len(rows) >= limit):
        want = min(ROWS_AT_ONCE, BATCH_ENTRIES_MAX - len(rows), limit - len(rows) if len(rows) < limit else ROWS_AT_ONCE)
        one = 0 if prev else 1  # the entry before comes with the first question
        more = await journal.lane(ledger, origin, after + len(rows) - one, want + one)
        whole = len(more) == want + one
        if one:
            if not more:
                return None, True
            prev, more = bytes(more[0].hash), more[1:]
        rows += more
        size += sum(len(row.head_bytes) + len(row.body or b"") for row in more)
        signed = signed or any(row.signature for row in more)
        if not whole:
            break
    made = batches.cut(rows, ledger, origin, after, prev, limit) if rows else None
    return made, not whole and (made is None or made.last == after + len(rows))
