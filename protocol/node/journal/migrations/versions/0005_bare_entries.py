"""Entries without their words are found along an index of their own: there are few."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    bare = sa.text("erased = 1")
    op.create_index("entry_bare", "entry", ["subject"], sqlite_where=bare, postgresql_where=bare)
