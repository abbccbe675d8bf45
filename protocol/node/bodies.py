"""What freshly written entries ask for besides their views, in the same transaction: bodies to erase, files to expect."""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import text

from protocol.access import office_covers
from protocol.events import BodyErased, EvidenceAddedBody, body_of, facts_of
from protocol.node.blobs import CIPHER_EXTRA_BYTES, is_address
from protocol.node.journal import Stored, Writing, branches

_EXPECT: Final = text(
    "insert into blob (address, size, have, source, what, ledger, subject, added_ms)"
    " values (:address, :size, :have, :source, :what, :ledger, :subject, :added_ms) on conflict (address) do nothing"
)
EVIDENCE: Final = ("EvidenceAdded", "TaskEvidenceAdded")


async def erase_bodies(w: Writing, fresh: Iterable[Stored]) -> set[str]:
    """Applies BodyErased, now or when its target arrives. Returns the subjects to project.

    Only inside the ledger it stands in, and only for an office whose region holds that ledger: a node that is trusted with one
    village cannot take words out of another.
    """
    touched = set()
    for e in fresh:
        facts = facts_of(e.head) if e.head.kind == "BodyErased" else None
        if isinstance(facts, BodyErased) and facts.ledger == e.ledger and office_covers(facts.office, e.ledger):
            touched.add(await w.erase(facts.ledger, facts.origin, facts.seq))
            await branches.erase(w, facts.ledger, facts.origin, facts.seq, e.subject)
    return touched - {""}


async def expect_files(w: Writing, fresh: Sequence[Stored], source: str, now_ms: int) -> None:
    """A row a file that evidence names: whole when it was taken here (source ""), else wanted, first from node `source`."""
    rows = []
    for e in fresh:
        body = body_of(e.head.kind, e.body) if e.head.kind in EVIDENCE else None
        if not isinstance(body, EvidenceAddedBody) or not is_address(body.blob.address):
            continue
        size = body.blob.size + CIPHER_EXTRA_BYTES
        row = {"address": body.blob.address, "size": size, "have": 0 if source else size, "source": source, "what": body.blob.what}
        rows.append({**row, "ledger": e.ledger, "subject": e.subject, "added_ms": now_ms})
    if rows:
        await w.connection.execute(_EXPECT, rows)
