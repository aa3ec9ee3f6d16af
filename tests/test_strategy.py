"""Training over several devices gives what one device gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from practicals.common.catalog import CATALOG
from practicals.common.cli import main
from practicals.common.errors import ConfigError
from practicals.common.run import finished_runs
from practicals.common.training import on_one_device, over_devices
from practicals.common.training.strategy import steps_of

CHILD = Path(__file__).with_name("two_devices.py")


def with_two_devices(*arguments: str) -> str:
    """Run the child and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(CHILD), *arguments],
        env={**os.environ, "PYTHONPATH": str(CHILD.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def over(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it look as if networks were built over so many devices."""
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: SimpleNamespace(num_replicas_in_sync=count))


def test_two_devices_take_the_steps_of_one():
    found = json.loads(with_two_devices("fit"))
    for title, fits in found.items():
        one, two = fits["one"], fits["mirrored"]
        assert np.ptp(one["loss"]) > 0.01, title
        if title == "even batches":  # both shares weigh the same, so the mean of their gradients is the batch's
            for name, values in one.items():
                np.testing.assert_allclose(two[name], values, rtol=1e-4, atol=1e-6, err_msg=f"{title}, {name}")
        elif title == "the first batch odd":  # a row of the smaller share weighs a little more
            np.testing.assert_allclose(two["weights"], one["weights"], atol=0.02)
        assert np.isfinite([*two["loss"], *two["val_loss"], *two["weights"]]).all(), title


def test_settings_that_make_one_device_fast_are_off_over_several(monkeypatch):
    fast = {"steps_per_execution": 64, "jit_compile": "auto"}
    assert on_one_device(**fast) == fast
    over(2, monkeypatch)
    assert on_one_device(**fast) == {"steps_per_execution": 1, "jit_compile": False}


@pytest.mark.parametrize(
    ("count", "rows", "batch_size", "steps"),
    [
        (1, 96, 32, 3),
        (1, 97, 32, 4),
        (1, 5, 32, 1),
        (2, 97, 32, 3),  # the row that is left would leave a device empty, so it joins the batch before it
        (2, 98, 32, 4),
        (3, 101, 32, 3),
        (3, 102, 32, 4),
        (2, 2, 32, 1),
    ],
)
def test_every_device_has_a_row_of_every_batch(monkeypatch, count, rows, batch_size, steps):
    over(count, monkeypatch)
    assert steps_of(rows, batch_size) == steps
    last = rows - (steps - 1) * batch_size
    assert count == 1 or last > -(-last // count) * (count - 1)


def test_too_few_rows_for_the_devices_are_refused(monkeypatch):
    over(4, monkeypatch)
    with pytest.raises(ConfigError, match="over 4 devices needs 12 rows in every batch, and here are 8"):
        steps_of(1000, 8)


def test_one_device_cannot_be_mirrored_and_nothing_is_left_behind(tmp_path, capsys):
    if len(tf.config.list_logical_devices()) > 1:
        pytest.skip("this machine has several devices")
    with pytest.raises(ConfigError, match="needs two devices or more"):
        over_devices("mirrored")
    assert main(["run", "churn", "--smoke", "--data", "sample", "--strategy", "mirrored", "--runs", str(tmp_path)]) == 2
    assert "Leave --strategy out" in capsys.readouterr().err
    assert not list(tmp_path.glob("churn/*"))


@pytest.mark.slow  # twelve runs in processes of their own
@pytest.mark.parametrize("name", CATALOG)
def test_scores_over_two_devices_are_within_noise_of_one(tmp_path, name):
    for folder, options in (("one", []), ("two", ["--strategy", "mirrored"])):
        runs = ["--runs", str(tmp_path / folder)]
        with_two_devices("run", name, "--smoke", "--data", "sample", "--quiet", *options, *runs)
    one, two = (finished_runs(tmp_path / folder, name)[0] for folder in ("one", "two"))
    assert "strategy: mirrored" in two.config_path.read_text()
    metrics = one.metrics()
    primary, (low, high) = metrics["primary"]["metric"], metrics["verdict"]["interval_95"]
    # Half of the 95 % interval of the verdict: what other test rows would have changed.
    assert abs(two.metrics()["test"][primary] - metrics["test"][primary]) <= (high - low) / 2
