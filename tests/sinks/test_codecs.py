"""What is said of a compression that there is not."""

from __future__ import annotations

import pytest

from fleet.errors import RequestError
from fleet.sinks.codecs import codec


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("snappy:3", "compression: must be 'snappy' alone, it has no levels, got 'snappy:3'"),
        ("none:3", "compression: must be 'none' alone, it has no levels, got 'none:3'"),
        ("gzip:30", "compression: gzip has levels 1 to 9, got 'gzip:30'"),
        ("gzp", "compression: must be none, gzip, snappy, lz4, zstd, got 'gzp'; did you mean 'gzip'?"),
    ],
)
def test_a_compression_that_there_is_not_is_one_line(text: str, says: str) -> None:
    with pytest.raises(RequestError) as told:
        codec(text)

    assert str(told.value) == says
