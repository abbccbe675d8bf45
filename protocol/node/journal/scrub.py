"""What is on the disk, held against what it claims to be: each chain recomputed, each body against its hash, each head against its row.

SQLCipher finds a flipped bit in the page that is read; nothing finds one in a page that nobody reads, in PostgreSQL without page
checksums, in memory before the write. A scrub reads every entry once, a piece at a time, so that damage is found while others
still hold what was lost. It changes nothing; a journal that is found damaged refuses to write (`journal.damaged`).
"""

import asyncio
from collections.abc import Sequence

import msgspec

from protocol import certificate as certificates
from protocol import entry, have
from protocol.entry import START, UNREADABLE
from protocol.events import LaneOpened, facts_of
from protocol.lane import EMPTY, LaneHead
from protocol.node.journal.journal import Journal
from protocol.node.journal.stored import Stored
from protocol.problem import Refused

ROWS_AT_ONCE = 500
PAUSE_S = 0.02  # between pieces: pages go first


class Wrong(msgspec.Struct, frozen=True):
    """An entry that is not what was written. what: chain, body, row, signature, missing, unreadable, said; page
    (of no lane: somewhere in the file)."""

    ledger: str
    origin: str
    seq: int
    what: str


async def scrub(journal: Journal, pause_s: float = 0.0) -> list[Wrong]:
    """The first wrong entry of each lane; empty when all is as it was written. Raises Refused as reads do."""
    said = await _said(journal)
    heads = await journal.heads()
    wrong = [found for lane, head in heads.items() if (found := await _lane(journal, lane, head, pause_s))]
    wrong += [Wrong(*lane, seq, "said") for lane, seq in said.items() if heads.get(lane, EMPTY).seq < seq]
    wrong += [Wrong("", "", 0, "page") for _ in (await journal.damaged_pages())[:1]]
    journal.damaged = journal.damaged or bool(wrong)
    return wrong


async def _lane(journal: Journal, lane: tuple[str, str], head: LaneHead, pause_s: float) -> Wrong | None:
    at, seq, key = START, 0, b""
    while seq < head.seq:
        rows = await journal.lane(*lane, seq, min(ROWS_AT_ONCE, head.seq - seq))
        if not rows:
            return Wrong(*lane, seq + 1, "missing")
        if not seq:
            key = _key_of(rows[0])
        what = await asyncio.to_thread(_piece, rows, seq, at, key)
        if what:
            return Wrong(*lane, *what)
        at, seq = rows[-1].hash, rows[-1].seq
        await asyncio.sleep(pause_s)
    return None if at == head.hash else Wrong(*lane, seq, "chain")


def _piece(rows: Sequence[Stored], seq: int, at: bytes, key: bytes) -> tuple[int, str] | None:
    """(seq, what) of the first of consecutive rows that is not what was written."""
    for row in rows:
        seq += 1
        if row.seq != seq:
            return seq, "missing"
        at = entry.chain(at, row.head_bytes)
        try:
            head = row.head
        except UNREADABLE:
            return seq, "unreadable"
        if at != row.hash:
            return seq, "chain"
        if (head.ledger, head.origin, head.seq, head.subject, head.sort, head.command) != (*row.key, row.subject, row.sort, row.command):
            return seq, "row"
        if (row.body is None) != (row.salt is None) or (row.body is not None and entry.body_hash(row.salt, row.body) != head.body_hash):
            return seq, "body"
        if row.signature and key and not entry.is_signed(key, row.hash, row.signature):
            return seq, "signature"
    return None


def _key_of(first: Stored) -> bytes:
    """The public key that a lane began with; b"" where entry 1 shows none (its chain is checked all the same)."""
    try:
        facts = facts_of(first.head)
        return certificates.decode(facts.certificate).key if isinstance(facts, LaneOpened) else b""
    except (Refused, *UNREADABLE):
        return b""


async def _said(journal: Journal) -> dict[tuple[str, str], int]:
    """Lane → the seq that this node's own last signed Have claimed: less than that here was lost."""
    found = {}
    for row in await journal.rows("own_have"):
        try:
            lanes = have.read(bytes(row["signed"])).lanes
        except Refused:
            continue
        found |= {(row["ledger"], origin): seq for origin, (seq, _) in lanes.items()}
    return found
