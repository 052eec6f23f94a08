"""Account settings: versions, drafts, the audit list, and what admins log in with."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "settings_versions",
        sa.Column("group_id", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.String(256), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
    )
    op.create_table(
        "settings_drafts",
        sa.Column("group_id", sa.String(64), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.String(256), nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.String(256), nullable=False),
        sa.Column("action", sa.String(500), nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
    )
    op.create_index("audit_group", "audit", ["group_id"])
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
    )


def downgrade() -> None:
    for name in ("secrets", "audit", "settings_drafts", "settings_versions"):
        op.drop_table(name)
