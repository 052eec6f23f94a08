"""A group's account settings where the config file leaves them to the store.

texts: as TOML, and what differs. store, sql: how they are kept. live: those that count now.
admins, forms, trial, pages: the settings page.
"""
