"""A fit that is killed and continued gives, bit for bit, what the uninterrupted one gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

CHILD = Path(__file__).with_name("resume_child.py")
BEST_EPOCH = 4
KILLED = {
    # folder -> when the process dies; the best epoch is 4, training stops after epoch 12
    "before_best": "kill-2",
    "after_best": "kill-9",
    # The state was written after epoch 3 only, so a few epochs are run again, the best one among them.
    "sparse_across_best": "kill-6",
    "plateau_after_reduction": "kill-9",
    "plateau_ended": "kill-end",
}


def run_child(command: str, *folders: Path, expected: int = 0) -> None:
    done = subprocess.run(
        [sys.executable, str(CHILD), command, *map(str, folders)],
        env={**os.environ, "PYTHONPATH": str(CHILD.parents[1])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == expected, done.stderr


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run the uninterrupted fits, kill the others, continue them; return name -> folder."""
    root = tmp_path_factory.mktemp("resume")
    found = {name: root / name for name in ("full", "full_plateau", *KILLED)}
    for folder in found.values():
        folder.mkdir()
    with ThreadPoolExecutor(2) as two_at_a_time:
        jobs = [two_at_a_time.submit(run_child, "full", found["full"], found["full_plateau"])]
        for name, when in KILLED.items():
            jobs.append(two_at_a_time.submit(run_child, when, found[name], expected=-signal.SIGKILL))
        for job in jobs:
            job.result()
    for name in KILLED:
        (found[name] / "history_at_kill.csv").write_bytes((found[name] / "history.csv").read_bytes())
    run_child("resume", *(found[name] for name in KILLED))
    return found


def result(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "result.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def val_losses(folder: Path, name: str = "history.csv") -> list[float]:
    lines = (folder / name).read_text().split()
    column = lines[0].split(",").index("val_loss")
    return [float(line.split(",")[column]) for line in lines[1:]]


def test_kills_fall_before_and_after_the_best_epoch(folders: dict[str, Path]) -> None:
    full = val_losses(folders["full"])
    assert int(np.argmin(full)) == BEST_EPOCH
    assert len(full) == 13
    assert len(val_losses(folders["before_best"], "history_at_kill.csv")) == 3
    assert len(val_losses(folders["after_best"], "history_at_kill.csv")) == 10


@pytest.mark.parametrize("name", KILLED)
def test_a_resumed_fit_ends_as_the_uninterrupted_one(folders: dict[str, Path], name: str) -> None:
    whole = folders["full_plateau" if "plateau" in name else "full"]
    expected, resumed = result(whole), result(folders[name])
    assert expected.keys() == resumed.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(resumed[key], array, err_msg=key)
    assert (folders[name] / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()


def test_the_learning_rate_was_halved_before_the_kill(folders: dict[str, Path]) -> None:
    lines = (folders["plateau_after_reduction"] / "history_at_kill.csv").read_text().split()
    column = lines[0].split(",").index("learning_rate")
    assert float(lines[-1].split(",")[column]) == pytest.approx(0.01)


def test_the_best_weights_are_restored_and_differ_from_the_last(folders: dict[str, Path]) -> None:
    arrays = result(folders["after_best"])
    np.testing.assert_array_equal(arrays["weights_0"], arrays["best_0"])
    assert np.abs(arrays["weights_0"] - arrays["last_0"]).max() > 0.01


def test_the_same_seed_gives_the_same_in_two_processes(folders: dict[str, Path]) -> None:
    # This one was killed after its own complete fit, so what it had written by then owes nothing to a resume.
    at_kill = (folders["plateau_ended"] / "history_at_kill.csv").read_bytes()
    assert at_kill == (folders["full_plateau"] / "history.csv").read_bytes()
