"""The command, and the embedded demo. Joins what proxy_addon and relay each do alone."""
