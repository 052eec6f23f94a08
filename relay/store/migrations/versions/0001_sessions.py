"""Sessions, their agents, and what counts once."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("session_key", sa.String(50), nullable=False),
        sa.Column("visitorid", sa.String(50), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("email", sa.String(127), nullable=False),
        sa.Column("phone", sa.String(31), nullable=False),
        sa.Column("levels", sa.Text, nullable=False),
        sa.Column("terms", sa.String(256), nullable=False),
        sa.Column("pages", sa.Integer, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("seen", sa.Double, nullable=False),
        sa.Column("ended", sa.Double),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_index("sessions_live", "sessions", ["ended", "group_id", "session_key"])
    op.create_index("sessions_visitor", "sessions", ["group_id", "visitorid"])
    op.create_table(
        "agents",
        sa.Column("session_id", sa.String(32), primary_key=True),
        sa.Column("agent_end", sa.String(64), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.String(256), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("joined", sa.Double, nullable=False),
        sa.Column("left_at", sa.Double),
    )
    op.create_table(
        "spent",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for name in ("spent", "agents", "sessions"):
        op.drop_table(name)
