"""A fit that is killed and continued gives, bit for bit, what the uninterrupted one gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import resume_child
from conftest import ROOT

from practicals.common.training import read_state

BEST_EPOCH = 4
# Training stops after epoch 12.
COPIED_AFTER = {"before_best": 2, "after_best": 9, "plateau_after_reduction": 9}
# The state was written after epoch 3 only, so a few epochs are run again, the best one among them.
KILLED = "sparse_across_best"
BROKEN_OFF = (*COPIED_AFTER, "plateau_ended", KILLED)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return name -> folder of two uninterrupted fits, and of those that were broken off and continued.

    What a kill would have left is copied from the uninterrupted fits, and continued in another process; that process
    really is killed in a fit of its own, which is continued here.
    """
    root = tmp_path_factory.mktemp("resume")
    found = {name: root / name for name in ("full", "full_plateau", *BROKEN_OFF)}
    for whole, ended in (("full", None), ("full_plateau", found["plateau_ended"])):
        copies = {
            epoch: found[name] for name, epoch in COPIED_AFTER.items() if ("plateau" in name) == ("plateau" in whole)
        }
        resume_child.train(found[whole], resume_child.Copy(found[whole], copies), ended=ended)
    child = subprocess.run(
        [sys.executable, resume_child.__file__, *(found[name] for name in BROKEN_OFF)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    for name in ("history.csv", "training_state.npz"):
        (found[KILLED] / f"at_kill_{name}").write_bytes((found[KILLED] / name).read_bytes())
    resume_child.train(found[KILLED])
    return found


def result(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "result.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def column(file: Path, name: str) -> list[float]:
    header, *lines = file.read_text().split()
    place = header.split(",").index(name)
    return [float(line.split(",")[place]) for line in lines]


def test_fits_are_broken_off_before_and_after_the_best_epoch(folders: dict[str, Path]) -> None:
    val_losses = column(folders["full"] / "history.csv", "val_loss")
    assert int(np.argmin(val_losses)) == BEST_EPOCH
    assert len(val_losses) == 13
    assert COPIED_AFTER["before_best"] < BEST_EPOCH < COPIED_AFTER["after_best"] < 12
    header, _ = read_state(folders[KILLED] / "at_kill_training_state.npz")
    assert len(header["history"]) <= BEST_EPOCH < resume_child.KILLED_AFTER


@pytest.mark.parametrize("name", BROKEN_OFF)
def test_a_resumed_fit_ends_as_the_uninterrupted_one(folders: dict[str, Path], name: str) -> None:
    whole = folders["full_plateau" if "plateau" in name else "full"]
    expected, resumed = result(whole), result(folders[name])
    assert expected.keys() == resumed.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(resumed[key], array, err_msg=key)
    assert (folders[name] / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()


def test_the_learning_rate_was_halved_before_the_copy(folders: dict[str, Path]) -> None:
    rates = column(folders["full_plateau"] / "history.csv", "learning_rate")
    assert rates[COPIED_AFTER["plateau_after_reduction"]] == pytest.approx(0.01)


def test_the_best_weights_are_restored_and_differ_from_the_last(folders: dict[str, Path]) -> None:
    arrays = result(folders["after_best"])
    np.testing.assert_array_equal(arrays["weights_0"], arrays["best_0"])
    assert np.abs(arrays["weights_0"] - arrays["last_0"]).max() > 0.01


def test_the_same_seed_gives_the_same_in_two_processes(folders: dict[str, Path]) -> None:
    # What was written by the kill owes nothing to a resume.
    at_kill = (folders[KILLED] / "at_kill_history.csv").read_text().splitlines()
    whole = (folders["full"] / "history.csv").read_text().splitlines()
    assert at_kill == whole[: 1 + resume_child.KILLED_AFTER + 1]
