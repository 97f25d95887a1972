"""Blocks to record batches: which fields a record has, how they become bytes, and back."""
