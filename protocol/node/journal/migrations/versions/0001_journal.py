"""The first journal."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BLOB = sa.LargeBinary()


def _text(*names: str) -> list[sa.Column]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _maybe(*names: str) -> list[sa.Column]:
    return [sa.Column(name, TEXT, nullable=False, server_default="") for name in names]


def _int(*names: str) -> list[sa.Column]:
    return [sa.Column(name, INT, nullable=False) for name in names]


def _zero(*names: str) -> list[sa.Column]:
    return [sa.Column(name, INT, nullable=False, server_default="0") for name in names]


def _key(*names: str) -> list[sa.Column]:
    return [sa.Column(name, TEXT, primary_key=True, nullable=False) for name in names]


def _blob(name: str, **options: object) -> sa.Column:
    return sa.Column(name, BLOB, **{"nullable": False, **options})


def upgrade() -> None:
    _ledger()
    _others()
    _own()


def _ledger() -> None:
    op.create_table("lane", *_key("ledger", "origin"), *_int("seq"), _blob("hash"), *_zero("signed_seq"))
    op.create_table(
        "entry",
        sa.Column("position", INT, sa.Identity(), primary_key=True),
        *_text("ledger", "origin"),
        *_int("seq"),
        *_text("subject", "sort", "command"),
        _blob("head_bytes"),
        _blob("salt", nullable=True),
        _blob("body", nullable=True),
        _blob("hash"),
        _blob("signature", nullable=True),
        *_int("received_ms"),
        sa.Column("erased", sa.SmallInteger, nullable=False, server_default="0"),
        sa.UniqueConstraint("ledger", "origin", "seq", name="entry_lane"),
    )
    op.create_index("entry_subject", "entry", ["subject"])
    op.create_index("entry_command", "entry", ["command"])
    op.create_table("erasure", *_key("ledger", "origin"), sa.Column("seq", INT, primary_key=True, autoincrement=False))
    op.create_table("command", *_key("id"), _blob("outcome"))
    op.create_table("counter", *_key("name"), *_int("value"))


def _others() -> None:
    op.create_table("peer_have", *_key("node", "ledger", "origin"), *_int("seq"), _blob("hash"), *_int("highest", "at_ms"))
    op.create_table("peer", *_key("node", "ledger"), *_int("at_ms"), _blob("signed"))
    op.create_table("own_have", *_key("ledger"), *_int("at_ms"), _blob("signed"))
    op.create_table(
        "quarantine",
        *_key("node", "ledger", "origin", "code"),
        *_text("sentence"),
        *_int("count", "first_ms", "last_ms"),
        _blob("sample", nullable=True),
    )


def _own() -> None:
    op.create_table(
        "blob", *_key("address"), *_int("size"), *_zero("have"), *_maybe("source", "what", "ledger", "subject"), *_zero("added_ms")
    )
    op.create_index("blob_subject", "blob", ["subject"])
    op.create_table("local", *_key("name"), _blob("value"))
    op.create_table(
        "account", *_key("name"), *_text("person", "password"), *_maybe("post"), *_zero("once", "until_ms", "made_ms", "ended_ms")
    )
    op.create_index("account_person", "account", ["person"])
    op.create_table(
        "session",
        sa.Column("token_hash", BLOB, primary_key=True, nullable=False),
        *_text("account", "person"),
        *_maybe("post"),
        *_int("made_ms", "seen_ms", "until_ms"),
    )
    op.create_index("session_person", "session", ["person"])
    op.create_index("session_account", "session", ["account"])
    op.create_table("throttle", *_key("name"), *_int("failures", "since_ms", "until_ms"))
    op.create_table("draft", *_key("id"), *_text("account", "form"), *_maybe("subject"), _blob("content"), *_int("updated_ms"))
    op.create_index("draft_account", "draft", ["account"])
    op.create_index("draft_subject", "draft", ["subject"])
    op.create_table(
        "invitation",
        sa.Column("code_hash", BLOB, primary_key=True, nullable=False),
        *_text("kind"),
        _blob("content"),
        *_int("made_ms", "until_ms"),
        *_zero("used_ms"),
        *_maybe("used_by"),
    )
