from __future__ import annotations

import os
import subprocess
import sys

import pytest
from numpy._core import _multiarray_umath as umath

from tests.golden.goldens import ROOT, file_of, names, written


@pytest.mark.parametrize("name", names())
def test_a_scenario_gives_the_readings_it_always_gave(name: str) -> None:
    assert file_of(name).exists(), "python -m tests.golden.update writes it"

    assert written(name) == file_of(name).read_text(), "see CONTRIBUTING.md before you update golden files"


def test_a_processor_that_can_less_gives_the_same_readings() -> None:
    features = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]
    if not features:
        pytest.skip("numpy uses nothing of this processor that could be taken from it")

    lesser = subprocess.run(
        [sys.executable, "-m", "tests.golden.update", "--print"],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(features), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert lesser.stderr == ""
    assert lesser.stdout == "".join(f"# {name}\n{file_of(name).read_text()}" for name in names())
