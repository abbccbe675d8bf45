"""What becomes of a blob (stage), whether another node has it too (elsewhere), and which entries name it (blob_use)."""

from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EVIDENCE = ("EvidenceAdded", "TaskEvidenceAdded")
KIND = 11  # where a head of format 1 says its kind


def upgrade() -> None:
    op.add_column("blob", sa.Column("stage", INT, nullable=False, server_default="1"))
    op.add_column("blob", sa.Column("elsewhere", TEXT, nullable=False, server_default=""))
    op.execute("update blob set stage = 3 where have >= size")
    op.create_index("blob_stage", "blob", ["stage"])
    op.create_table(
        "blob_use",
        sa.Column("ledger", TEXT, primary_key=True, nullable=False),
        sa.Column("origin", TEXT, primary_key=True, nullable=False),
        sa.Column("seq", INT, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("address", TEXT, primary_key=True, nullable=False),
    )
    op.create_index("blob_use_address", "blob_use", ["address"])
    _fill()


def _fill() -> None:
    """From the entries of the subjects that have files."""
    connection = op.get_bind()
    written = sa.text(
        "select ledger, origin, seq, head_bytes, body from entry"
        " where body is not null and subject in (select subject from blob where subject > '')"
    )
    uses = sa.text("insert into blob_use (ledger, origin, seq, address) values (:ledger, :origin, :seq, :address)")
    for ledger, origin, seq, head, body in connection.execute(written).all():
        if msgspec.msgpack.decode(bytes(head))[KIND] in EVIDENCE and (address := _address(bytes(body))):
            connection.execute(uses, {"ledger": ledger, "origin": origin, "seq": seq, "address": address})


def _address(body: bytes) -> str:
    try:
        read: Any = msgspec.msgpack.decode(body)
        return str(read["blob"]["address"])
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError):
        return ""
