"""The tables of a journal: what is kept for ever, what other parts of a node keep in it, and the views.

`kept` is made and changed by migrations alone (`migrations/versions`; a test holds both equal). The views and the search
index can be made again from `entry` at any time: `views` builds them from `protocol.views.TABLES`, and a change of their
shape (`shape`) drops them and folds again. Text sorts by code point on every backend, so paths and codes sort alike.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
INT = BigInteger().with_variant(Integer(), "sqlite")
BLOB, REAL = LargeBinary(), Double()
TYPES = {"text": TEXT, "int": INT, "real": REAL, "blob": BLOB}
SEARCH_VERSION = 1

kept = MetaData()


def _text(name: str, **options: Any) -> Column:
    return Column(name, TEXT, nullable=False, **options)


def _int(name: str, default: int | None = None) -> Column:
    return Column(name, INT, nullable=False, server_default=None if default is None else str(default))


def _key(*names: str) -> list[Column]:
    return [_text(name, primary_key=True) for name in names]


# ── the ledger ──
lane = Table("lane", kept, *_key("ledger", "origin"), _int("seq"), Column("hash", BLOB, nullable=False), _int("signed_seq", 0))

entry = Table(
    "entry",
    kept,
    Column("position", INT, Identity(), primary_key=True),
    *[_text(name) for name in ("ledger", "origin")],
    _int("seq"),
    *[_text(name) for name in ("subject", "sort", "command")],
    Column("head_bytes", BLOB, nullable=False),
    Column("salt", BLOB),
    Column("body", BLOB),
    Column("hash", BLOB, nullable=False),
    Column("signature", BLOB),
    _int("received_ms"),
    Column("erased", SmallInteger, nullable=False, server_default="0"),
    UniqueConstraint("ledger", "origin", "seq", name="entry_lane"),
    Index("entry_subject", "subject"),
    Index("entry_command", "command"),
    Index("entry_bare", "subject", sqlite_where=text("erased = 1"), postgresql_where=text("erased = 1")),
)

# bodies to be erased whose entry is not here yet. subject: its, since another's may have the number ("": noted before 0.3.0, for whichever has it)
erasure = Table(
    "erasure", kept, *_key("ledger", "origin"), Column("seq", INT, primary_key=True, autoincrement=False), *_key("subject"),
)  # fmt: skip

# other histories of a lane: entries whose number another entry had first. prev: hash before it · source: the node that brought it
branch = Table(
    "branch", kept, *_key("ledger", "origin"), Column("hash", BLOB, primary_key=True), _int("seq"), Column("prev", BLOB, nullable=False),
    *[_text(name) for name in ("subject", "sort", "command")], Column("head_bytes", BLOB, nullable=False), Column("salt", BLOB),
    Column("body", BLOB), Column("signature", BLOB), _text("source"), _int("received_ms"),
    Index("branch_lane", "ledger", "origin", "seq"), Index("branch_subject", "subject"),
)  # fmt: skip

# an accepted command and its outcome (bytes of the desk), remembered for ever
command = Table("command", kept, *_key("id"), Column("outcome", BLOB, nullable=False))

counter = Table("counter", kept, *_key("name"), _int("value"))

# ── other nodes ──
# what a node said it has: one row a lane · highest: the most it ever said · peer: the signed words themselves, a witness
peer_have = Table(
    "peer_have", kept, *_key("node", "ledger", "origin"), _int("seq"), Column("hash", BLOB, nullable=False), _int("highest"), _int("at_ms")
)
peer = Table("peer", kept, *_key("node", "ledger"), _int("at_ms"), Column("signed", BLOB, nullable=False))
own_have = Table("own_have", kept, *_key("ledger"), _int("at_ms"), Column("signed", BLOB, nullable=False))

quarantine = Table(
    "quarantine", kept, *_key("node", "ledger", "origin", "code"), _text("sentence"), _int("count"), _int("first_ms"), _int("last_ms"),
    Column("sample", BLOB),
)  # fmt: skip

# ── kept here for other parts of the node, never on the wire ──
blob = Table(
    "blob", kept, *_key("address"), _int("size"), _int("have", 0), _text("source", server_default=""), _text("what", server_default=""),
    _text("ledger", server_default=""), _text("subject", server_default=""), _int("added_ms", 0),
    _int("stage", 1), _text("elsewhere", server_default=""), Index("blob_subject", "subject"), Index("blob_stage", "stage"),
)  # fmt: skip
# which entries name a blob: whoever hears one of their ledgers may have it, and with the last of their bodies it goes
blob_use = Table(
    "blob_use", kept, *_key("ledger", "origin"), Column("seq", INT, primary_key=True, autoincrement=False), *_key("address"),
    Index("blob_use_address", "address"),
)  # fmt: skip
local = Table("local", kept, *_key("name"), Column("value", BLOB, nullable=False))
account = Table(
    "account", kept, *_key("name"), _text("person"), _text("password"), _text("post", server_default=""), _int("once", 0),
    _int("until_ms", 0), _int("made_ms", 0), _int("ended_ms", 0), Index("account_person", "person"),
)  # fmt: skip
session = Table(
    "session", kept, Column("token_hash", BLOB, primary_key=True), _text("account"), _text("person"), _text("post", server_default=""),
    _int("made_ms"), _int("seen_ms"), _int("until_ms"), Index("session_person", "person"), Index("session_account", "account"),
)  # fmt: skip
throttle = Table("throttle", kept, *_key("name"), _int("failures"), _int("since_ms"), _int("until_ms"))
draft = Table(
    "draft", kept, *_key("id"), _text("account"), _text("form"), _text("subject", server_default=""), Column("content", BLOB, nullable=False),
    _int("updated_ms"), Index("draft_account", "account"), Index("draft_subject", "subject"),
)  # fmt: skip
invitation = Table(
    "invitation", kept, Column("code_hash", BLOB, primary_key=True), _text("kind"), Column("content", BLOB, nullable=False),
    _int("made_ms"), _int("until_ms"), _int("used_ms", 0), _text("used_by", server_default=""),
)  # fmt: skip


# ── views and search: made again from `entry` ──
def view_tables(shapes: dict[str, Any]) -> MetaData:
    """One table for each of protocol.views.TABLES, and `search`: the text a subject is found by."""
    made = MetaData()
    for name, columns in shapes.items():
        Table(
            name,
            made,
            *[Column(c.name, TYPES[c.type], primary_key=c.key, autoincrement=False, nullable=not c.key) for c in columns],
            *[Index(f"{name}_{c.name}", c.name) for c in columns if c.index and not (c.key and c is columns[0])],
        )
    where = text("pending = 1")
    Table(
        "search",
        made,
        Column("id", INT, Identity(), primary_key=True),
        _text("subject", unique=True),
        _text("text"),
        _int("pending", 0),
        Index("search_pending", "id", postgresql_where=where, sqlite_where=where),
    )
    return made


GRAMS = {
    "sqlite": (
        "create virtual table search_gram using fts5(grams, content='', detail=none, tokenize='ascii')",
        "insert into search_gram(search_gram, rank) values ('secure-delete', 1)",
    ),
    "postgresql": ("alter table search add column grams tsvector", "create index search_grams on search using gin (grams)"),
}
DROP_GRAMS = {"sqlite": ("drop table if exists search_gram",), "postgresql": ()}


def shape(shapes: dict[str, Any], version: int) -> bytes:
    """Changes whenever the views must be made again."""
    return _shape(tuple((name, tuple(columns)) for name, columns in sorted(shapes.items())), version)


@lru_cache(8)  # each opening asks some four times
def _shape(shapes: tuple[tuple[str, tuple[Any, ...]], ...], version: int) -> bytes:
    said = [(name, [(c.name, c.type, c.key, c.index) for c in columns]) for name, columns in shapes]
    return sha256(repr((said, version, SEARCH_VERSION)).encode()).digest()
