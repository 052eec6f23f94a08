"""How development certificates are made. README.md says how to trust them, and how to stop."""
