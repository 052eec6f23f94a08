"""Sessions between visitors and agents: the wire, the rules, the pages. Imports no proxy code."""
