"""What scans add to the digests of their machines' logs, in the layout in which they are written."""

from __future__ import annotations

import numpy as np

from fleet.data import Floats, Ints, KindColumns, Words
from fleet.encode.digest import C, numbered, scan_words, scans_add, sensor_word, value_words, words_of
from fleet.encode.layouts import Layout
from fleet.encode.order import CohortPlaces
from fleet.encode.rows import steps


class ScanDigest:
    """Digests scans in one *layout*; *stamped*: the records' own stamps are part of it."""

    def __init__(self, layout: Layout, *, stamped: bool) -> None:
        self._layout, self._stamped = layout, stamped

    def adds(self, columns: KindColumns, at: CohortPlaces, rows: Ints | slice, n: Ints | None = None) -> Words:
        """Give what each of the scans *rows* adds to its machine's digest, as record *n* and following.

        None where the readings' numbers are their places in the log.
        """
        machine, sensors, seq = columns.machine[rows], len(columns.sensors), columns.seq[rows]
        n = seq if n is None else n
        stamp_ms = columns.scan_us[rows] // 1000 if self._stamped else np.zeros_like(n)
        layout, step_us = self._layout, self._layout.step_us
        scan = scan_words(
            layout,
            at.machine_words[machine],
            words_of(at.partition[machine]),
            words_of(stamp_ms),
            words_of(steps(columns.event_us[rows], step_us) * step_us) if layout.carries("timestamp") else None,
        )
        # Flat arrays all the way: short inner loops cost more than copies.
        place = numbered(words_of(n), words_of(np.arange(sensors)))
        number = np.zeros(1, np.uint64)
        if layout.carries("seq"):
            same = n is seq and not columns.places
            number = place if same else numbered(words_of(seq), words_of(columns.within))
        quality = columns.quality[rows]
        if layout.carries("quality") and quality.any():  # the word of a good one is 0
            number = number + words_of(quality.ravel()) * C
        return scans_add(scan, self._sensor_words(columns, at), self._value_words(columns.value[rows]), number, place)

    def _value_words(self, value: Floats) -> Words:
        """Give the words of all values, one behind the other."""
        value = value.ravel()
        return value_words(value if self._layout.carries("value") else np.zeros_like(value), self._layout)

    def _sensor_words(self, columns: KindColumns, at: CohortPlaces) -> Words:
        """Give the words of the due sensors, without what the layout does not say."""
        name, units = self._layout.carries("sensor"), self._layout.carries("units")
        if name and units:
            return at.sensor_words[list(columns.sensors)]
        due = (columns.cohort.sensors[index] for index in columns.sensors)
        said = [sensor_word(one.name if name else "", one.units if units else "") for one in due]
        return np.array(said, np.uint64)
