"""Other histories of a lane: what a copied computer wrote under numbers that were taken."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BLOB = sa.LargeBinary()


def upgrade() -> None:
    keys = [sa.Column(name, TEXT, primary_key=True, nullable=False) for name in ("ledger", "origin")]
    op.create_table(
        "branch",
        *keys,
        sa.Column("hash", BLOB, primary_key=True, nullable=False),
        sa.Column("seq", INT, nullable=False),
        sa.Column("prev", BLOB, nullable=False),
        *[sa.Column(name, TEXT, nullable=False) for name in ("subject", "sort", "command")],
        sa.Column("head_bytes", BLOB, nullable=False),
        sa.Column("salt", BLOB, nullable=True),
        sa.Column("body", BLOB, nullable=True),
        sa.Column("signature", BLOB, nullable=True),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("received_ms", INT, nullable=False),
    )
    op.create_index("branch_lane", "branch", ["ledger", "origin", "seq"])
    op.create_index("branch_subject", "branch", ["subject"])
