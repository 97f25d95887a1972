"""The contract with those who read: the schema registry, and how schemas may change."""
