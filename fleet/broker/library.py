"""Where librdkafka is: the shared library inside the confluent-kafka wheel."""

from __future__ import annotations

import importlib.util
import os
from typing import Final

from fleet.errors import RequestError

# Where the tools that make wheels put shared libraries, relative to the folder of packages.
_PLACES: Final = (
    ("confluent_kafka.libs", "librdkafka", ".so"),  # Linux
    (os.path.join("confluent_kafka", ".dylibs"), "librdkafka", ".dylib"),  # noqa: PTH118 - pathlib takes 10 ms of 300
)


def locate_library() -> str:
    """Return the path of librdkafka, without importing confluent_kafka.

    Raise RequestError where the wheel has none that can be loaded by itself.
    """
    spec = importlib.util.find_spec("confluent_kafka")
    roots = [os.path.dirname(place) for place in spec.submodule_search_locations or ()] if spec else []  # noqa: PTH120
    for root in roots:
        for folder, prefix, part in _PLACES:
            found = _first(os.path.join(root, folder), prefix, part)  # noqa: PTH118
            if found is not None:
                return found
    raise RequestError(
        "the embedded broker needs the confluent-kafka wheel for Linux or macOS, found none; "
        "name a Kafka: --to kafka://HOST:PORT"
    )


def _first(folder: str, prefix: str, part: str) -> str | None:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return None
    # "librdkafka-0cb94173.so.1": a digest before the suffix, a version behind it.
    fitting = [name for name in names if name.startswith(prefix) and part in name]
    return os.path.join(folder, fitting[0]) if fitting else None  # noqa: PTH118
