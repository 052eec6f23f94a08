"""Beside addon.py the only modules here that know mitmproxy: connections, flows, our own paths."""
