"""`practicals run` that is killed and continued by `--resume` ends, bit for bit, as if nobody had killed it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from practicals import load_model
from practicals.common.cli import main
from practicals.common.data.samples import churn as draw_customers
from practicals.common.run import Run
from practicals.common.training import read_state

# Small batches and short steps: the best epoch comes after more than five seconds, so after the first written state.
LONG = {"epochs": 120, "patience": 12, "batch_size": 4, "learning_rate": 0.00004, "dropout": 0.3}
SHORT = {"epochs": 4, "patience": 2, "dropout": 0.3}


def arguments(runs: Path, settings: dict[str, Any], data: str | Path = "sample") -> list[str]:
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return ["run", "churn", "--data", str(data), "--quiet", "--set", "ladder=false", *sets, "--runs", str(runs)]


def resumed(run: Run) -> list[str]:
    return ["run", "churn", "--quiet", "--resume", str(run.folder)]


def kill_when(command: list[str], runs: Path, reached: Callable[[Run], bool]) -> Run:
    """Start a command, kill it as soon as its run folder says that the moment has come, and return the folder."""
    process = [sys.executable, "-m", "practicals", *command]
    with subprocess.Popen(process, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            folders = list(runs.glob("churn/*"))
            if folders and reached(Run(folders[0])):
                child.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
        said = child.communicate()[1]
    assert child.returncode == -signal.SIGKILL, f"it ended before the moment came: {said}"
    (folder,) = runs.glob("churn/*")
    assert not Run(folder).metrics_path.exists()
    return Run(folder)


def only_run(runs: Path) -> Run:
    (folder,) = runs.glob("churn/*")
    return Run(folder)


def epochs_logged(run: Run) -> int:
    return run.history_path.read_bytes().count(b"\n") - 1 if run.history_path.exists() else 0


def epochs_kept(run: Run) -> int:
    return len(read_state(run.state_path)[0]["history"]) if run.state_path.exists() else 0


def assert_same(run: Run, whole: Run) -> None:
    """Compare all of two runs that must not depend on an interruption: everything but times and places."""
    found, expected = run.metrics(), whole.metrics()
    del found["seconds"], expected["seconds"]
    assert found == expected
    for path in (whole.history_path, whole.predictions_path, whole.baselines_path, whole.config_path):
        assert (run.folder / path.name).read_bytes() == path.read_bytes(), path.name
    networks = [load_model(one.model_path) for one in (run, whole)]
    for ours, theirs in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert networks[0].get_layer("decision").threshold == networks[1].get_layer("decision").threshold
    for path in sorted(whole.explanations_folder.glob("*.json")):
        ours, theirs = (json.loads((one.explanations_folder / path.name).read_text()) for one in (run, whole))
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}, path.name


def test_a_run_killed_while_it_explains_is_continued_without_training_again(tmp_path: Path) -> None:
    few = tmp_path / "customers.csv"
    draw_customers(rows=400).to_csv(few, index=False)
    assert main(arguments(tmp_path / "whole", SHORT, few)) == 0
    killed = kill_when(
        arguments(tmp_path / "killed", SHORT, few),
        tmp_path / "killed",
        lambda run: any(run.explanations_folder.glob("*.json")),
    )
    trained = killed.state_path.stat().st_mtime_ns
    assert main(resumed(killed)) == 0
    assert killed.state_path.stat().st_mtime_ns == trained
    assert_same(killed, only_run(tmp_path / "whole"))


@pytest.mark.slow
def test_a_run_killed_before_and_after_its_best_epoch_ends_as_the_uninterrupted_one(tmp_path: Path) -> None:
    assert main(arguments(tmp_path / "whole", LONG)) == 0
    whole = only_run(tmp_path / "whole")
    best = whole.summary()["fit"]["best_epoch"]
    assert 20 < best < whole.metrics()["epochs"] - 1, "the settings must put the best epoch in the middle"
    runs = tmp_path / "killed"
    # On a fast machine the best epoch may come before the first state: then all is trained again, which is exact too.
    killed = kill_when(
        arguments(runs, LONG), runs, lambda run: run.state_path.exists() or epochs_logged(run) > best - 3
    )
    assert epochs_logged(killed) <= best
    kept = epochs_kept(killed)
    kill_when(resumed(killed), runs, lambda run: epochs_kept(run) > best + 1)
    assert epochs_kept(killed) > max(kept, best + 1)
    assert main(resumed(killed)) == 0
    assert_same(killed, whole)
