"""The same seed gives the same numbers in another process, for every lesson."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from practicals.common.catalog import CATALOG
from practicals.common.run import Run, finished_runs

ROOT = Path(__file__).resolve().parents[1]
TABLES = ("history.csv", "predictions.csv", "baselines.csv")


def run_in_a_process(name: str, folder: Path, *options: str, hash_seed: int) -> Run:
    """Make a short run on the sample in a process of its own, in which sets and dicts of words have another order."""
    command = [sys.executable, "-m", "practicals", "run", name, "--smoke", "--data", "sample", "--seed", "3", "--quiet"]
    done = subprocess.run(
        [*command, *options, "--runs", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        timeout=1_200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (run,) = finished_runs(folder, name)
    return run


@pytest.mark.slow  # two processes for each lesson, twice
@pytest.mark.parametrize("options", [(), ("--deterministic",)], ids=["default", "deterministic"])
@pytest.mark.parametrize("name", sorted(CATALOG))
def test_the_same_seed_gives_the_same_scores_and_predictions_in_two_processes(name, options, tmp_path):
    first, second = (run_in_a_process(name, tmp_path / str(one), *options, hash_seed=one) for one in (1, 2))
    for table in TABLES:
        assert (second.folder / table).read_bytes() == (first.folder / table).read_bytes(), table
    assert {**second.metrics(), "seconds": 0} == {**first.metrics(), "seconds": 0}
