from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.data import Words
from fleet.sim.address import (
    NORMAL,
    Draws,
    firsts,
    hashes,
    keys,
    machine_words,
    mix,
    mix_one,
    normals,
    uniforms,
    word_of,
)
from fleet.sim.noise import OCTAVES, flicker, white

cuts = st.lists(st.integers(1, 999), max_size=8, unique=True)
starts = st.integers(0, 2**40)


def streams(*purposes: str, machines: int = 3, seed: int = 7) -> list[Words]:
    words = machine_words(seed, [f"press-{number}" for number in range(machines)])
    return [keys(words, purpose) for purpose in purposes]


@given(cuts, starts)
def test_white_noise_does_not_depend_on_where_blocks_are_cut(cuts: list[int], start: int) -> None:
    edges = [start, *(start + cut for cut in sorted(cuts)), start + 1000]
    (stream,) = streams("pressure.noise")

    parts = [white(stream, a, b) for a, b in pairwise(edges)]

    assert np.array_equal(np.hstack(parts), white(stream, start, start + 1000))


@given(cuts, starts, st.integers(1, OCTAVES))
def test_flicker_does_not_depend_on_where_blocks_are_cut(cuts: list[int], start: int, octaves: int) -> None:
    edges = [start, *(start + cut for cut in sorted(cuts)), start + 1000]
    listed = np.stack(streams(*(f"pressure.flicker.{octave}" for octave in range(octaves))))

    parts = [flicker(listed, a, b) for a, b in pairwise(edges)]

    assert np.array_equal(np.hstack(parts), flicker(listed, start, start + 1000))


@given(starts, st.integers(1, 300))
def test_sparse_and_dense_draws_are_the_same_numbers(start: int, count: int) -> None:
    (stream,) = streams("pressure.noise")

    sparse = normals(stream[:, None], np.arange(start, start + count)[None, :])

    assert np.array_equal(sparse, white(stream, start, start + count))


@given(st.integers(0, 2**64 - 1))
def test_one_word_is_mixed_as_an_array_of_words_is(word: int) -> None:
    assert mix_one(word) == int(mix(np.array([word], np.uint64))[0])


@given(st.integers(0, 2**63 - 1), st.text(min_size=1, max_size=8), st.text(max_size=8), st.integers(0, 2**40))
def test_the_plants_draws_follow_the_law_of_the_arrays(seed: int, machine: str, purpose: str, ordinal: int) -> None:
    words = machine_words(seed, [machine])
    draws, stream = Draws(int(words[0])), keys(words, purpose)

    uniform = draws.uniform(word_of(purpose), ordinal)

    assert uniform == uniforms(stream, np.array([ordinal]))[0]
    assert draws.uniform(word_of(purpose), 0) == firsts(words, word_of(purpose))[0]
    assert draws.exponential(word_of(purpose), ordinal) == pytest.approx(-np.log(uniform), rel=1e-12)
    lane = int(hashes(stream, np.array([ordinal], np.uint64))[0]) & 0xFFFF
    assert draws.lognormal(word_of(purpose), ordinal, 0.5) == pytest.approx(
        np.exp(0.5 * float(NORMAL[lane])), rel=1e-12
    )
    assert draws.exponential(word_of(purpose), ordinal) == pytest.approx(-np.log(uniform), rel=1e-12)


def test_no_two_streams_are_equal_or_shifted_copies_of_each_other() -> None:
    length, shift = 4096, 64
    purposes = ("current.noise", "current.flicker.0", "current.flicker.1", "speed.noise", "scan.jitter")
    rows = np.vstack([white(stream, 0, length) for seed in (0, 1) for stream in streams(*purposes, seed=seed)])

    copies = [
        (one, other, by)
        for one, other in combinations(range(len(rows)), 2)
        for by in range(-shift, shift + 1)
        if abs(float(np.corrcoef(rows[one, shift:-shift], np.roll(rows[other], by)[shift:-shift])[0, 1])) > 0.1
    ]

    assert copies == []


def test_a_stream_does_not_repeat_itself() -> None:
    (stream,) = streams("current.noise", machines=1)
    drawn = white(stream, 0, 1 << 16)[0]

    shifted = [float(np.corrcoef(drawn, np.roll(drawn, 1 << by))[0, 1]) for by in range(16)]

    assert np.abs(shifted).max() < 0.02


def test_noise_is_normal_with_variance_one() -> None:
    (stream,) = streams("current.noise", machines=8)

    drawn = white(stream, 0, 1 << 16).ravel()

    assert abs(float(drawn.mean())) < 0.005
    assert abs(float(drawn.std()) - 1) < 0.005
    shares = [(np.abs(drawn) < sigma).mean() for sigma in (1, 2, 3)]
    assert shares == pytest.approx([0.6827, 0.9545, 0.9973], abs=0.003)


def test_uniform_variates_fill_the_interval_evenly() -> None:
    words = machine_words(3, ["a"])

    drawn = uniforms(words, np.arange(100_000))

    assert 0 < drawn.min() < drawn.max() < 1
    assert np.bincount((drawn * 20).astype(int), minlength=20) == pytest.approx(np.full(20, 5000), abs=350)
