"""Random numbers by address: a pure function of (seed, machine, sensor, purpose, tick or ordinal).

Nothing here has a position, so a block may be cut anywhere, a machine may run in any worker and
one more draw never shifts the next. The hash is splitmix64's finaliser over
``key ^ mix(word * G + C)``; the inner mix matters: with a plain ``key + word * G`` two streams
are shifted copies of each other. Four 16-bit lanes of one hash index a table of normal quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b
from importlib import resources

import numpy as np

from fleet.data import Floats, Ints, Singles, Words

_MASK = (1 << 64) - 1
_M1, _M2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_G, _C = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03
_U_M1, _U_M2, _U_G, _U_C = (np.uint64(x) for x in (_M1, _M2, _G, _C))
_S27, _S30, _S31 = (np.uint64(x) for x in (27, 30, 31))

TABLE_DIGEST = "7013eb3e874e925f"
"""BLAKE2b (8 bytes) of the quantile table: a file, so that no machine's libm can move a reading."""


def _load_table() -> Singles:
    raw = resources.files(__package__).joinpath("normal_quantiles.f4").read_bytes()
    assert blake2b(raw, digest_size=8).hexdigest() == TABLE_DIGEST, "the quantile table was altered"
    return np.frombuffer(raw, "<f4")


NORMAL = _load_table()
"""Singles of N(0, 1) at (i + 1/2) / 65,536, scaled to unit variance, float32."""


def word_of(name: str) -> int:
    """Digest *name* to 64 bits."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def mix(x: Words) -> Words:
    """Scramble every 64-bit word of *x* (splitmix64's finaliser); *x* is overwritten."""
    shifted = x >> _S30
    x ^= shifted
    x *= _U_M1
    x ^= np.right_shift(x, _S27, out=shifted)
    x *= _U_M2
    x ^= np.right_shift(x, _S31, out=shifted)
    return x


def mix_one(x: int) -> int:
    """Scramble one 64-bit word, the same function as *mix*."""
    x ^= x >> 30
    x = x * _M1 & _MASK
    x ^= x >> 27
    x = x * _M2 & _MASK
    return x ^ (x >> 31)


def machine_words(seed: int, machine_ids: Iterable[str]) -> Words:
    """Give each machine its word under *seed*; shape (machines,)."""
    digests = np.array([word_of(machine_id) for machine_id in machine_ids], np.uint64)
    return mix(digests ^ np.uint64(mix_one(seed * _G + _C & _MASK)))


def keys(words: Words, purpose: str) -> Words:
    """Derive the stream keys of *purpose* (``"vibration.noise"``) from machine words; same shape."""
    return mix(words ^ np.uint64(word_of(purpose)))


def hashes(stream: Words, index: Words) -> Words:
    """Hash every *index* of every *stream*; the two are broadcast against each other."""
    return mix(stream ^ mix(index * _U_G + _U_C))


def uniforms(stream: Words, index: Ints) -> Floats:
    """Draw uniform variates in (0, 1), one for each (stream, index) pair after broadcasting."""
    high = hashes(stream, index.astype(np.uint64)) >> np.uint64(11)
    return (high.astype(np.float64) + 0.5) * 2.0**-53


def firsts(words: Words, purpose: int) -> Floats:
    """Draw what ``Draws.uniform`` gives each of the machines with *words* as ordinal 0 of *purpose*; same shape."""
    return uniform_of_each(words, purpose, 0)


def uniform_of_each(words: Words, purpose: int, ordinal: int) -> Floats:
    """Draw what ``Draws.uniform`` gives each of the machines with *words*; same shape."""
    return uniforms(mix(words ^ np.uint64(purpose)), np.array([ordinal]))


def normal_of_each(words: Words, purpose: int, ordinal: int) -> Floats:
    """Draw what ``Draws.normal`` gives each of the machines with *words*; same shape."""
    drawn = hashes(mix(words ^ np.uint64(purpose)), np.array([ordinal], np.uint64))
    return NORMAL.take(drawn & np.uint64(0xFFFF)).astype(np.float64)


def normals(stream: Words, index: Ints) -> Singles:
    """Draw N(0, 1) variates, one hash each: for sparse indices. Same law as the grids of *noise*."""
    words = hashes(stream, (index >> 2).astype(np.uint64))
    lane = (index & 3).astype(np.uint64) << np.uint64(4)
    return NORMAL.take((words >> lane) & np.uint64(0xFFFF))


class Draws:
    """The plant's decisions of one machine, drawn one at a time by (purpose, ordinal)."""

    __slots__ = ("_word",)

    def __init__(self, word: int) -> None:
        self._word = word

    @property
    def word(self) -> int:
        """The machine's word."""
        return self._word

    def _hash(self, purpose: int, ordinal: int) -> int:
        return mix_one(mix_one(self._word ^ purpose) ^ mix_one(ordinal * _G + _C & _MASK))

    def uniform(self, purpose: int, ordinal: int) -> float:
        """Draw from (0, 1); *purpose* is a ``word_of`` a name."""
        return ((self._hash(purpose, ordinal) >> 11) + 0.5) * 2.0**-53

    def exponential(self, purpose: int, ordinal: int) -> float:
        """Draw an exponential variate of mean 1."""
        return -math.log(self.uniform(purpose, ordinal))

    def normal(self, purpose: int, ordinal: int) -> float:
        """Draw a standard normal variate."""
        return float(NORMAL[self._hash(purpose, ordinal) & 0xFFFF])

    def lognormal(self, purpose: int, ordinal: int, sigma: float) -> float:
        """Draw a lognormal variate of median 1."""
        return math.exp(sigma * self.normal(purpose, ordinal))
