"""A body to be erased is named with its subject: after a fork another entry may have the number."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """What waited before has no subject: it is for whichever entry has the number, as it was."""
    connection = op.get_bind()
    waiting = connection.execute(sa.text("select ledger, origin, seq from erasure")).all()
    op.drop_table("erasure")
    op.create_table(
        "erasure",
        *[sa.Column(name, TEXT, primary_key=True, nullable=False) for name in ("ledger", "origin")],
        sa.Column("seq", INT, primary_key=True, autoincrement=False),
        sa.Column("subject", TEXT, primary_key=True, nullable=False),
    )
    kept = sa.text("insert into erasure (ledger, origin, seq, subject) values (:ledger, :origin, :seq, '')")
    for ledger, origin, seq in waiting:
        connection.execute(kept, {"ledger": ledger, "origin": origin, "seq": seq})
