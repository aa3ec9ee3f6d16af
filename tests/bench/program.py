"""The program itself: how soon it answers, and what the layer around `fit` costs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.lines import Line
from bench.parts import Effort
from bench.timing import best_of, lesson_named, side_by_side
from practicals.common.callbacks import standard_callbacks
from practicals.common.run import Run
from practicals.common.training import prepare


def start_up(effort: Effort) -> list[Line]:
    """`practicals list` against importing TensorFlow, each as a fresh process."""

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    return [
        side_by_side(
            "program",
            "start-up: `practicals list`",
            lambda: run("-m", "practicals", "list"),
            lambda: run("-c", "import tensorflow"),
            "`import tensorflow`",
            effort,
        )
    ]


def layer(effort: Effort) -> list[Line]:
    """The default fit of churn with all that a run adds, against the same network in a bare `fit`."""
    lesson = lesson_named("churn")
    config = lesson.ChurnConfig(data="real", patience=0, epochs=effort.epochs(60))
    split = lesson.load(config)

    def fitted(bare: bool) -> float:
        prepare(0)
        preprocess = lesson.build_preprocess(split.train, config)
        data = lesson.encode(preprocess, split, config)
        network = lesson.build_model(config, preprocess)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            if bare:
                fit_bare(network, data, config)
            else:
                fit_in_a_run(lesson, network, data, config, split, Path(folder))
            return time.perf_counter() - began

    timings: dict[bool, list[float]] = {True: [], False: []}
    for repeat in range(effort.repeats + 1):
        for bare in (True, False):
            seconds = fitted(bare)
            if repeat:  # the first round warms up
                timings[bare].append(seconds)
    what = f"layer: {config.epochs} epochs of churn in a run, with checkpoints, log and resume"
    return [
        Line(
            "program",
            what,
            "the same network in a bare `fit` on arrays",
            min(timings[False]),
            min(timings[True]),
            best_of(effort.repeats),
        )
    ]


def fit_bare(network: Any, data: Any, config: Any) -> None:
    network.fit(
        data.train.inputs,
        data.train.targets,
        batch_size=config.batch_size,
        epochs=config.epochs,
        validation_data=data.validation[:2],
        validation_batch_size=4096,
        verbose=0,
    )


def fit_in_a_run(lesson: Any, network: Any, data: Any, config: Any, split: Any, folder: Path) -> None:
    run = Run.create(folder, "churn")
    run.write_config(config.to_yaml())
    run.write_environment({"practical": "churn", "data": split.facts.to_json()})
    callbacks = standard_callbacks(
        run, network, data.validation, monitor="val_loss", mode="min", patience=0, epochs=config.epochs
    )
    lesson.fit(network, data, config, callbacks.callbacks)
