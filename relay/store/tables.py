"""The tables of the SQL store. A change here needs a migration beside the earlier ones."""

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()

# state: what another relay needs to go on with the session (JSON); empty once it has ended.
sessions: Final = sa.Table(
    "sessions",
    metadata,
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
    sa.Index("sessions_live", "ended", "group_id", "session_key"),
    sa.Index("sessions_visitor", "group_id", "visitorid"),
)

agents: Final = sa.Table(
    "agents",
    metadata,
    sa.Column("session_id", sa.String(32), primary_key=True),
    sa.Column("agent_end", sa.String(64), primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.String(256), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("joined", sa.Double, nullable=False),
    sa.Column("left_at", sa.Double),
)

# Login keys and the like that count once: their digests, until they expire by themselves.
spent: Final = sa.Table(
    "spent",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("expires", sa.BigInteger, nullable=False),
)

# Account settings as they were published. settings: TOML.
versions: Final = sa.Table(
    "settings_versions",
    metadata,
    sa.Column("group_id", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", sa.String(256), nullable=False),
    sa.Column("note", sa.String(500), nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
)

# Those of the staging sites, before they are published.
drafts: Final = sa.Table(
    "settings_drafts",
    metadata,
    sa.Column("group_id", sa.String(64), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", sa.String(256), nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
)

# Who changed what. changes: JSON.
audit: Final = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("group_id", sa.String(64), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", sa.String(256), nullable=False),
    sa.Column("action", sa.String(500), nullable=False),
    sa.Column("changes", sa.Text, nullable=False),
    sa.Index("audit_group", "group_id"),
)

# What administrators log in with: digests only.
secrets: Final = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("expires", sa.Double, nullable=False),
)
