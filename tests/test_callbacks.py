"""The callbacks of every fit, and how its progress is shown."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from practicals.common import callbacks as callbacks_module
from practicals.common import console, progress, training
from practicals.common.callbacks import Checkpoints, StandardCallbacks, standard_callbacks
from practicals.common.errors import ConfigError, PracticalError
from practicals.common.run import Run

GENERATOR = np.random.default_rng(0)
INPUTS = GENERATOR.normal(size=(120, 4)).astype("float32")
TARGETS = (INPUTS[:, :1] + GENERATOR.normal(size=(120, 1)) > 0).astype("float32")
VALIDATION = SimpleNamespace(inputs=INPUTS[80:], targets=TARGETS[80:], weights=None)


def build_network(learning_rate: float = 0.1) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    x = keras.layers.Dropout(0.3)(keras.layers.Dense(16, activation="relu")(inputs))
    network = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    network.compile(
        keras.optimizers.Adam(learning_rate),
        "binary_crossentropy",
        metrics=["accuracy", keras.metrics.AUC(name="auc")],
        steps_per_execution=64,
        jit_compile=False,  # compiling takes longer than such a fit
    )
    return network


def standard(folder: Path, network: keras.Model, **changes: Any) -> StandardCallbacks:
    options: dict[str, Any] = {"monitor": "val_loss", "mode": "min", "patience": 5, "epochs": 30, **changes}
    run = Run(folder)
    if not run.config_path.exists():
        run.write_config("seed: 0\n")
        run.write_environment({"practical": "demo"})
    return standard_callbacks(run, network, VALIDATION, **options)


def fit(network: keras.Model, watched: StandardCallbacks, epochs: int = 30) -> dict[str, list[float]]:
    batches, order = training.shuffled_batches(INPUTS[:80], TARGETS[:80], batch_size=16, seed=0)
    history = network.fit(
        batches,
        epochs=epochs,
        initial_epoch=watched.state.initial_epoch,
        callbacks=[order, *watched.callbacks],
        validation_data=(VALIDATION.inputs, VALIDATION.targets),
        shuffle=False,
        verbose=0,
    )
    return history.history


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A fit that early stopping ended: its folder, network, logs, and the weights of its last epoch."""
    folder, network = tmp_path_factory.mktemp("run"), build_network()
    watched = standard(folder, network, reduce_lr_patience=2)
    last: list[np.ndarray] = []
    watched.callbacks.append(
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: last.__setitem__(slice(None), network.get_weights())
        )
    )
    return SimpleNamespace(folder=folder, network=network, logs=fit(network, watched), last=last)


def test_a_metric_that_does_not_exist_is_refused_before_training_and_those_that_do_are_named(tmp_path: Path) -> None:
    network = build_network()
    before = network.get_weights()
    with pytest.raises(ConfigError) as caught:
        standard(tmp_path, network, monitor="val_acc")
    message = str(caught.value)
    assert message.startswith("monitor: there is no metric 'val_acc'")
    assert "accuracy, auc, loss, val_accuracy, val_auc, val_loss" in message
    for array, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(array, now)
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "environment.json"}


@pytest.mark.parametrize("monitor", ["val_loss", "val_auc", "auc"])
def test_a_metric_that_exists_may_be_watched(tmp_path: Path, monitor: str) -> None:
    watched = standard(tmp_path, build_network(), monitor=monitor)
    assert monitor in {getattr(callback, "monitor", None) for callback in watched.callbacks}


def test_the_layer_around_fit_changes_no_number(tmp_path: Path) -> None:
    watched, bare = build_network(), build_network()
    logs = fit(watched, standard(tmp_path, watched, patience=6, epochs=6), epochs=6)
    batches, order = training.shuffled_batches(INPUTS[:80], TARGETS[:80], batch_size=16, seed=0)
    expected = bare.fit(
        batches,
        epochs=6,
        callbacks=[order],
        validation_data=(VALIDATION.inputs, VALIDATION.targets),
        shuffle=False,
        verbose=0,
    )
    assert logs == expected.history
    assert len(logs["loss"]) == 6


def test_the_check_of_the_metric_makes_fit_compile_nothing_twice(tmp_path: Path) -> None:
    network = build_network()
    watched = standard(tmp_path, network)
    calls = []
    test_step, train_step = network.test_step, network.train_step
    network.test_step = lambda data: calls.append("test") or test_step(data)
    network.train_step = lambda data: calls.append("train") or train_step(data)
    fit(network, watched)
    assert sorted(calls) == ["test", "train"]


def test_early_stopping_restores_the_weights_of_the_best_epoch(fitted: SimpleNamespace) -> None:
    val_losses = fitted.logs["val_loss"]
    assert len(val_losses) == int(np.argmin(val_losses)) + 1 + 5 < 30
    loss, *_ = fitted.network.evaluate(VALIDATION.inputs, VALIDATION.targets, verbose=0)
    assert loss == pytest.approx(min(val_losses), abs=1e-6)


def test_history_has_one_row_per_epoch_with_every_metric(fitted: SimpleNamespace) -> None:
    with (fitted.folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(len(fitted.logs["loss"])))
    assert {"loss", "accuracy", "auc", "val_loss", "val_accuracy", "val_auc", "learning_rate"} < set(rows[0])
    assert [float(row["val_auc"]) for row in rows] == fitted.logs["val_auc"]
    assert float(rows[-1]["learning_rate"]) < 0.1


def test_rare_writes_lose_neither_the_best_nor_the_last_weights(fitted: SimpleNamespace) -> None:
    run, reread, best = Run(fitted.folder), build_network(), fitted.network.get_weights()
    reread.optimizer.build(reread.trainable_variables)  # its state is in the files too
    for path, expected in ((run.best_checkpoint_path, best), (run.last_checkpoint_path, fitted.last)):
        reread.load_weights(path)
        for array, now in zip(expected, reread.get_weights(), strict=True):
            np.testing.assert_array_equal(array, now)
    assert (best[0] != fitted.last[0]).any()
    assert sorted(file.name for file in run.best_checkpoint_path.parent.iterdir()) == [
        "best.weights.h5",
        "last.weights.h5",
    ]


def test_files_are_written_once_by_a_fit_of_less_than_five_seconds(tmp_path: Path, monkeypatch: Any) -> None:
    written = []
    monkeypatch.setattr(callbacks_module.Throttle, "due", lambda self: False)
    monkeypatch.setattr(Checkpoints, "_save", lambda self, path: written.append(path.name))
    monkeypatch.setattr(np, "savez", lambda path, **_: (written.append(path.name), path.touch()))
    network = build_network()
    fit(network, standard(tmp_path, network))
    assert [name.split(".", 2)[-1] if name.startswith(".") else name for name in written] == [
        "last.weights.h5", "best.weights.h5", "training_state.npz",
    ]  # fmt: skip


def test_a_throttle_is_due_when_its_seconds_have_passed(monkeypatch: Any) -> None:
    now = [100.0]
    monkeypatch.setattr(training.state, "monotonic", lambda: now[0])
    throttle = training.Throttle(5)
    now[0] = 104.9
    assert not throttle.due()
    now[0] = 105.0
    assert throttle.due()
    throttle.restart()
    assert not throttle.due()


def test_a_fit_that_had_ended_is_not_run_again_and_gives_the_best_weights(
    fitted: SimpleNamespace, tmp_path: Path, capsys: Any
) -> None:
    shutil.copytree(fitted.folder, tmp_path, dirs_exist_ok=True)
    history = (tmp_path / "history.csv").read_bytes()
    again = build_network()
    watched = standard(tmp_path, again, reduce_lr_patience=2)
    assert watched.state.initial_epoch == 30
    assert f"{len(fitted.logs['loss'])} of at most 30 epochs were done" in capsys.readouterr().err
    assert fit(again, watched) == {}
    for array, now in zip(fitted.network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(array, now)
    assert (tmp_path / "history.csv").read_bytes() == history


def test_a_state_that_watched_another_metric_is_refused(fitted: SimpleNamespace) -> None:
    with pytest.raises(PracticalError, match=r"differs in watched metric: was val_loss \(min, .* is val_auc \(max, "):
        standard(fitted.folder, build_network(), monitor="val_auc", mode="max", reduce_lr_patience=2)


def test_a_fit_that_diverges_ends_with_advice(tmp_path: Path) -> None:
    network = build_network(learning_rate=1e30)
    with pytest.raises(PracticalError) as caught:
        fit(network, standard(tmp_path, network))
    assert str(caught.value).startswith("learning_rate: training diverged")
    assert str(caught.value).endswith("Lower learning_rate or set clip_norm.")


def test_no_callback_makes_the_device_wait_for_each_batch(tmp_path: Path) -> None:
    network = build_network()
    for callback in standard(tmp_path, network, reduce_lr_patience=2).callbacks:
        for hook in ("on_batch_end", "on_train_batch_end", "on_test_batch_end"):
            assert getattr(type(callback), hook) is getattr(keras.callbacks.Callback, hook), type(callback)


def test_tensorboard_logs_only_on_request(tmp_path: Path) -> None:
    for name, wanted in (("with", True), ("without", False)):
        network = build_network()
        folder = tmp_path / name
        folder.mkdir()
        fit(network, standard(folder, network, tensorboard=wanted, epochs=1), epochs=1)
        assert (folder / "tensorboard").exists() is wanted


class Clock:
    """Instead of the time: stands still until a test moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(progress, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_log_gets_a_line_for_each_tenth_of_the_work_and_the_last(clock: Clock, capsys: Any) -> None:
    with progress.Progress("fit", 200, unit="epoch") as shown:
        for _ in range(195):
            clock.now += 1
            shown.advance(note="loss 0.5")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0] == "fit: epoch 20/200  loss 0.5  3 min 00 s left"
    assert lines[-1] == "fit: epoch 195/200  loss 0.5"


def test_lines_are_at_least_three_seconds_apart_and_at_most_a_minute(clock: Clock, capsys: Any) -> None:
    with progress.Progress("download", 1_000) as shown:
        for _ in range(1_000):
            clock.now += 0.001
            shown.advance()
    assert capsys.readouterr().err.splitlines() == ["download: 1000/1000"]
    with progress.Progress("tune", 1_000_000) as shown:
        for _ in range(31):
            clock.now += 10
            shown.advance()
    assert len(capsys.readouterr().err.splitlines()) == 6


def test_time_left_counts_neither_what_was_done_before_nor_the_slow_first_unit(clock: Clock) -> None:
    shown = progress.Progress("fit", 100, start=50)
    assert shown.seconds_left() is None
    clock.now = 30
    shown.advance()
    assert shown.seconds_left() is None
    clock.now = 32
    shown.advance()
    assert shown.seconds_left() == pytest.approx(2 * 48)


def test_quiet_shows_no_progress(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(console, "_quiet", True)
    with progress.Progress("fit", 2) as shown:
        shown.advance(2)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_one_bar_and_its_cursor_back_after_an_exception(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    shown = progress.Progress("fit [churn]", 10, unit="epoch")
    shown.advance(3, "loss 0.5")
    progress.close_all()
    shown.close()
    text = capsys.readouterr().err
    assert "fit [churn]" in text
    assert "epoch 3/10  loss 0.5" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7_500, "2 h 05 min")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text
    assert progress.megabytes(12_345_678) == "12.3 MB"
