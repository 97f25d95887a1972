"""Records that were read, under other ids of schemas: four bytes in front of each value, the rest as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fleet.encode.columns import RecordColumns


def reframed(columns: RecordColumns, ids: Mapping[int, int]) -> RecordColumns:
    """Give *columns* with the new id of each value's schema, by the old one; what has no new one stays as it is."""
    numbers = columns.schema_ids
    changed = {old: new for old, new in ids.items() if old != new and (numbers == old).any()}
    if not changed:
        return columns
    data = np.frombuffer(columns.data, np.uint8).copy()
    for old, new in changed.items():
        at = columns.value_at[numbers == old] + 1  # behind the 0x00
        for place, byte in enumerate(new.to_bytes(4, "big")):
            data[at + place] = byte
    return replace(columns, data=memoryview(data.data))
