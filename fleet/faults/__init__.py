"""The fault catalogue: what can go wrong, in four families, each fault a pure function and an entry in a table."""
