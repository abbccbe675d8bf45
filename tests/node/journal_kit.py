"""Builders for the journal's tests: entries in lanes, and views small enough to be seen through.

The stand-in views have a table of one row a subject and one of a row an entry; what a body says is what search finds.
"""

import msgspec

from protocol.entry import FORMAT, SALT_BYTES, START, Admitted, Entry, Head, body_hash, encode_head
from protocol.node.journal import Journal, Stored
from protocol.views import Column

PLACE, ORIGIN = "330523/330523002/330523002210", "nabcdefgh:1"
KEY = bytes(range(32))
NO_FACTS = msgspec.Raw(b"\x93\xa0\x00\x90")


class Views:
    """Stands in for protocol.views."""

    VERSION = 1
    TABLES = {  # noqa: RUF012
        "sum_row": (Column("subject", "text", True), Column("turns", "int", index=True), Column("words"), Column("share", "real")),
        "line_row": (
            Column("subject", "text", True),
            Column("origin", "text", True),
            Column("seq", "int", True),
            Column("said", index=True),
            Column("raw", "blob"),
        ),
    }

    @staticmethod
    def rows(sort: str, admitted: list[Admitted], tables: object) -> dict[str, list[dict[str, object]]]:
        if sort != "dispute":
            return {}
        ordered = sorted(admitted, key=lambda a: a.key)
        said = [a.body.decode() for a in ordered if a.body]
        subject = ordered[0].head.subject
        lines = [
            {"subject": subject, "origin": a.head.origin, "seq": a.head.seq, "said": a.body and a.body.decode(), "raw": a.body}
            for a in ordered
        ]
        row = {
            "subject": subject,
            "turns": max(a.head.turn for a in ordered),
            "words": " ".join(said) or None,
            "share": len(said) / len(ordered),
        }
        return {"sum_row": [row], "line_row": lines}

    @staticmethod
    def search_text(sort: str, admitted: list[Admitted]) -> str:
        return " ".join(a.body.decode() for a in sorted(admitted, key=lambda a: a.key) if a.body) if sort == "dispute" else ""


def no_tables() -> None:
    return None


def subject(n: int) -> str:
    return f"{n:032x}"


class Lane:
    """The writing side of one lane: `say` makes its next entry, `copy` another history that shares what was said so far."""

    def __init__(self, ledger: str = PLACE, origin: str = ORIGIN) -> None:
        self.ledger, self.origin, self.seq, self.hash = ledger, origin, 0, START

    def say(
        self, body: str | None, of: str = subject(1), *, sort: str = "dispute", command: str = "", signed: bool = True, turn: int = 0
    ) -> Stored:
        self.seq += 1
        raw = None if body is None else body.encode()
        salt = None if body is None else bytes([self.seq % 256]) * SALT_BYTES
        head = Head(
            FORMAT, self.ledger, self.origin, self.seq, of, sort, turn or self.seq, 1_700_000_000_000 + self.seq, None, ("", "node"), command,
            "NoteAdded", NO_FACTS, body_hash(salt, raw),
        )  # fmt: skip
        made = Stored.of(Entry(encode_head(head), salt, raw), self.hash, b"s" * 64 if signed else None, 1_700_000_001_000)
        self.hash = made.hash
        return made

    def copy(self) -> "Lane":
        other = Lane(self.ledger, self.origin)
        other.seq, other.hash = self.seq, self.hash
        return other


async def everything_in(journal: Journal) -> bytes:
    """Every cell of every table of a SQLite journal, decrypted; the index of search aside."""
    names = await journal.select("select name from sqlite_master where type = 'table' and name not like 'search_%'", {})
    rows = [row for (name,) in names for row in await journal.select(f'select * from "{name}"', {})]
    return b"\0".join(cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row)
