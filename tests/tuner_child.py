"""A lesson in small for `test_tuner` and `test_workers`: 120 rows, networks of a few weights.

Usage: tuner_child.py die ROOT searches with three trials, and dies by SIGKILL inside the third;
       tuner_child.py search ROOT TRIALS WORKERS begins a search with workers, or goes on with the unfinished one;
       tuner_child.py mirrored ROOT searches with two trials over two CPU devices, and prints over how many each network
       was built and trained;
       tuner_child.py worker ADDRESS is one of these workers. It dies by SIGKILL inside its first trial where the
       environment variable TINY_DEATH names a file that is not there yet, and then is.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from practicals.common.config import LayerSizes, PracticalConfig
from practicals.common.data.examples import Examples
from practicals.common.data.split import Split
from practicals.common.files import write_json
from practicals.common.run import Run
from practicals.common.search import Goal, Plan, Search, newest_unfinished
from practicals.common.tuner import join_search, tune
from practicals.common.workers import NAME, NEXT_BATCH, leave_with_parent


class TinyConfig(PracticalConfig):
    """Settings of the lesson in small."""

    hidden_units: LayerSizes = (2,)
    learning_rate: float = 0.01
    epochs: int = 2


def load(config: TinyConfig) -> Split[Any]:
    def part(rows: int, seed: int) -> SimpleNamespace:
        generator = np.random.default_rng((config.split_seed, seed))
        inputs = generator.normal(size=(rows, 3)).astype("float32")
        targets = (inputs[:, :1] + generator.normal(size=(rows, 1)) > 0).astype("float32")
        return SimpleNamespace(inputs=inputs, targets=targets)

    return Split(part(60, 1), part(40, 2), part(20, 3))


def build_preprocess(train: Any, config: TinyConfig) -> SimpleNamespace:
    return SimpleNamespace(output_shape=(None, 3))


def encode(preprocess: Any, split: Split[Any], config: TinyConfig) -> Split[Examples]:
    return split.map(lambda part: Examples(part.inputs, part.targets))


def build_model(config: TinyConfig, preprocess: Any) -> keras.Model:
    inputs = keras.Input(preprocess.output_shape[1:])
    x = inputs
    for units in config.hidden_units:
        x = keras.layers.Dropout(0.1)(keras.layers.Dense(units, activation="tanh")(x))
    network = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    # Eagerly, since compiling a graph takes longer than these few steps.
    optimizer = keras.optimizers.SGD(config.learning_rate, momentum=0.9)
    network.compile(optimizer, "binary_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return network


def fit(
    network: keras.Model, data: Split[Examples], config: TinyConfig, callbacks: Any = (), initial_epoch: int = 0
) -> None:
    network.fit(
        *data.train[:2],
        validation_data=data.validation[:2],
        batch_size=60,
        epochs=config.epochs,
        initial_epoch=initial_epoch,
        callbacks=list(callbacks),
        verbose=0,
    )


def scripted(values: Callable[[TinyConfig], Sequence[float]]) -> Callable[..., None]:
    """Return a `fit` that trains nothing and logs these values of `val_loss` and `val_accuracy`, one an epoch."""

    def fit_as_told(network: Any, data: Any, config: TinyConfig, callbacks: Any = (), initial_epoch: int = 0) -> None:
        told = keras.callbacks.CallbackList(callbacks, add_history=True, model=network, epochs=config.epochs)
        told.on_train_begin()
        for epoch in range(initial_epoch, config.epochs):
            value = values(config)[epoch]
            told.on_epoch_begin(epoch)
            told.on_epoch_end(epoch, {"loss": 1.0, "val_loss": value, "val_accuracy": value})
            if network.stop_training:
                break
        told.on_train_end()

    return fit_as_told


def search_space(hp: Any, config: TinyConfig) -> TinyConfig:
    return config.with_changes(
        {
            "hidden_units": [hp.Choice("units", [2, 3, 4])] * hp.Int("layers", 1, 2),
            "learning_rate": hp.Float("learning_rate", 1e-3, 1e-1, sampling="log"),
        },
        source="search space",
    )


def lesson(**changes: Any) -> SimpleNamespace:
    """Return the lesson, some of its functions replaced."""
    own = (load, build_preprocess, encode, build_model, fit, search_space)
    return SimpleNamespace(**{function.__name__: function for function in own} | changes)


def search(
    root: Path,
    *,
    lesson: Any,
    config: TinyConfig = TinyConfig(),  # noqa: B008 - frozen
    strategy: str = "random",
    trials: int = 3,
    objective: Goal = Goal("val_loss", "min"),  # noqa: B008
    scores: dict[str, float] | None = None,
    resume: Search | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Tune the lesson in small; its validation score is `scores`, looked up by "best" and "default"."""

    def try_out(settings: TinyConfig, split: Split[Any]) -> float:
        return (scores or {"best": 0.9, "default": 0.8})[
            "best" if settings.source("learning_rate") == "search space" else "default"
        ]

    def retrain(settings: TinyConfig) -> Run:
        run = Run.create(root, "tiny")
        run.write_config(settings.to_yaml())
        write_json(run.metrics_path, {"test": {"roc_auc": 0.75}})
        return run

    plan = Plan(
        practical="tiny",
        root=root,
        strategy=strategy,
        trials=trials,
        objective=objective,
        primary=Goal("roc_auc", "max"),
        patience=2,
        workers=workers,
        worker_command=(lambda address: [sys.executable, __file__, "worker", address]) if workers else None,
    )
    return tune(lesson, config, plan, try_out=try_out, retrain=retrain, resume=resume)


def work(address: str) -> int:
    """Run trials of the chief at this address."""
    death = os.environ.get("TINY_DEATH")
    print(f"process {os.getpid()}", flush=True)

    def fit_or_die(*arguments: Any, **options: Any) -> None:
        if death and not Path(death).exists():
            Path(death).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        fit(*arguments, **options)

    leave_with_parent()
    over = join_search(
        lesson(fit=fit_or_die),
        lambda settings: TinyConfig.from_values(settings, address),
        address=address,
        name=os.environ[NAME],
    )
    return 0 if over else NEXT_BATCH


def fit_and_die(network: Any, data: Any, config: TinyConfig, callbacks: Any = (), initial_epoch: int = 0) -> None:
    """Train, and die inside the third call after its first epoch."""
    fit_and_die.calls += 1  # type: ignore[attr-defined]
    die = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: os.kill(os.getpid(), signal.SIGKILL))
    fit(network, data, config, [*callbacks, die] if fit_and_die.calls == 3 else callbacks, initial_epoch)  # type: ignore[attr-defined]


def search_over_two_devices(root: Path) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    seen: dict[str, list[int]] = {"built": [], "trained": []}

    def build_and_note(config: TinyConfig, preprocess: Any) -> keras.Model:
        seen["built"].append(tf.distribute.get_strategy().num_replicas_in_sync)
        return build_model(config, preprocess)

    def fit_and_note(network: keras.Model, *arguments: Any, **options: Any) -> None:
        seen["trained"].append(network.distribute_strategy.num_replicas_in_sync)
        fit(network, *arguments, **options)

    search(
        root,
        lesson=lesson(build_model=build_and_note, fit=fit_and_note),
        trials=2,
        config=TinyConfig(strategy="mirrored"),
    )
    print(json.dumps(seen))


if __name__ == "__main__":
    task, where = sys.argv[1:3]
    if task == "worker":
        sys.exit(work(where))
    if task == "mirrored":
        search_over_two_devices(Path(where))
        sys.exit()
    if task == "search":
        unfinished = newest_unfinished(Path(where), "tiny") if (Path(where) / "tiny").exists() else None
        search(Path(where), lesson=lesson(), trials=int(sys.argv[3]), workers=int(sys.argv[4]), resume=unfinished)
    else:
        fit_and_die.calls = 0  # type: ignore[attr-defined]
        search(Path(where), lesson=lesson(fit=fit_and_die))
