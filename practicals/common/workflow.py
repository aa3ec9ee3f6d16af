"""One run of a lesson from settings to report, and a run over several seeds; the same for every lesson."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from practicals.common.catalog import Practical, find_practical
from practicals.common.config import PracticalConfig, load_config, read_yaml
from practicals.common.console import harmless, quiet_native_stderr, say, warn
from practicals.common.environment import describe_environment
from practicals.common.errors import ConfigError, PracticalError, RunError
from practicals.common.files import sweep
from practicals.common.report.words import unit_of, verdict_sentence
from practicals.common.run import Run, Scores, read_json
from practicals.common.seeds import ASKED, begin_seeds, refuse_finished, run_seeds
from practicals.common.text import scores_table, seeds_table


def load_lesson(practical: Practical) -> ModuleType:
    """Import a lesson, and TensorFlow with it, without the messages that TensorFlow's C++ part writes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what it writes later: notes on compiling, and missing drivers
    with quiet_native_stderr():
        lesson = practical.module()
        from practicals.common.training import prepare

        prepare(0)
    return lesson


def config_class(lesson: ModuleType) -> type[PracticalConfig]:
    """Return the lesson's own settings class."""
    return next(
        value
        for value in vars(lesson).values()
        if isinstance(value, type) and issubclass(value, PracticalConfig) and value.__module__ == lesson.__name__
    )


def read_config(options: argparse.Namespace, lesson: ModuleType) -> PracticalConfig:
    """Return the settings that the options of `run` or `tune` ask for."""
    chosen: dict[str, tuple[str, Any]] = {}
    if options.seed is not None:
        chosen["seed"] = (f"--seed {options.seed}", options.seed)
    if options.data is not None:
        chosen["data"] = (f"--data {options.data}", options.data)
    if options.deterministic:
        chosen["deterministic"] = ("--deterministic", True)
    if getattr(options, "devices", None) is not None:
        chosen["strategy"] = (f"--strategy {options.devices}", options.devices)
    return load_config(
        config_class(lesson), options.name, file=options.config, smoke=options.smoke, sets=options.sets, options=chosen
    )


def saved_config(run: Run, lesson: ModuleType) -> PracticalConfig:
    """Return the settings that a run was made with."""
    return config_class(lesson).from_values(read_yaml(run.config_path), str(run.config_path))


def gives_settings(options: argparse.Namespace) -> bool:
    """Tell whether any setting was given on the command line."""
    given = [options.config, options.sets, options.data, options.smoke, options.deterministic]
    given.append(getattr(options, "devices", None))  # of `run` alone
    return any(given) or options.seed is not None


def train(practical: Practical, lesson: ModuleType, config: PracticalConfig, run: Run) -> Scores:
    """Make one whole run in its folder: train, score, explain, report; `metrics.json` comes last."""
    from practicals.common.training import over_devices, prepare

    began = time.perf_counter()
    device = prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    say(f"{practical.name}: seed {config.seed}, {device}")
    if not run.config_path.exists():
        run.write_config(config.to_yaml())
        run.write_environment(describe_environment(practical, config, device, shlex.join(sys.argv[1:])))
    with over_devices(config.strategy):
        scores: Scores = lesson.main(config, run)
    conclude(config, run, scores, time.perf_counter() - began)
    return scores


def conclude(config: PracticalConfig, run: Run, scores: Scores, seconds: float) -> None:
    """Write what a run's folder holds beyond what `main` wrote: the report and, last of all, `metrics.json`."""
    from practicals.common.report.page import build_report

    run.count_earlier_scorings()
    metrics = {
        "practical": run.practical,
        "data": run.environment()["data"]["kind"],
        "seed": config.seed,
        "train": scores.train,
        "validation": scores.validation,
        "test": scores.test,
        "baselines": scores.baselines,
        "primary": {
            "metric": scores.primary,
            "direction": scores.direction,
            "unit": unit_of(scores.primary, scores.unit),
        },
        "verdict": scores.verdict,
        "epochs": scores.epochs,
        "seconds": {"fit": scores.fit_seconds, "total": round(seconds, 3)},
    }
    build_report(run, metrics)
    run.write_metrics(metrics)


@contextmanager
def kept_for_resume(run: Run, *, is_new: bool = True) -> Iterator[None]:
    """Name the command that continues an interrupted run; remove a new folder in which nothing has been trained yet."""
    try:
        yield
    except (KeyboardInterrupt, PracticalError, OSError) as error:
        if is_new and not run.state_path.exists():
            shutil.rmtree(run.folder, ignore_errors=True)
        elif isinstance(error, KeyboardInterrupt):
            warn(f"interrupted: what was done is kept. Continue with: {run.resume_command}")
        raise


def run_command(options: argparse.Namespace) -> int:
    """`practicals run NAME`: train, report, print the verdict."""
    practical = find_practical(options.name)
    folder = open_interrupted(options) if options.resume else None
    if folder:
        sweep(folder)
    lesson = load_lesson(practical)
    config = saved_config(Run(folder), lesson) if folder else read_config(options, lesson)
    if options.seeds or (folder and (folder / ASKED).exists()):
        return seeds_command(options, practical, lesson, config, folder)
    run = Run(folder) if folder else Run.create(options.runs, practical.name)
    with kept_for_resume(run, is_new=folder is None):
        scores = train(practical, lesson, config, run)
    if options.json:
        print(json.dumps({"run": str(run.folder), **run.metrics()}, indent=2))
    else:
        print(scores_table(scores))
        print(harmless(f"\n{verdict_sentence(run.metrics())}"))
        print(f"report: {run.report_path}")
    return 0


def open_interrupted(options: argparse.Namespace) -> Path:
    """Return the folder that `--resume` names: of a run, or of a run over several seeds.

    Raises:
        RunError: it is of another practical, or has finished.
        ConfigError: settings were given as well, which an exact continuation cannot take.
    """
    if gives_settings(options) or options.seeds:
        raise ConfigError("--resume: continues with the run's own settings; leave out all other settings.")
    folder: Path = options.resume
    run = Run.open(folder, finished=False)
    practical = read_json(folder / ASKED)["practical"] if (folder / ASKED).exists() else run.practical
    if practical != options.name:
        raise RunError(f"{folder}: is a run of {practical}, not of {options.name}.")
    refuse_finished(folder)
    if run.metrics_path.exists():
        raise RunError(f"{folder}: has already finished; its report is {run.report_path}.")
    return folder


def seeds_command(
    options: argparse.Namespace, practical: Practical, lesson: ModuleType, config: PracticalConfig, folder: Path | None
) -> int:
    """`--seeds N`, or its continuation in `folder`: train every seed, print the scores on average."""
    count = read_json(folder / ASKED)["seeds"] if folder else options.seeds
    folder = folder or begin_seeds(options.runs, practical.name, config, count)

    def train_one(settings: PracticalConfig, run: Run) -> None:
        train(practical, lesson, settings, run)

    try:
        summary = run_seeds(folder, practical.name, config, count, train_one)
    except PracticalError:
        if not list(folder.glob("seed-*/*.npz")):
            shutil.rmtree(folder, ignore_errors=True)  # nothing was trained: a wrong file, say
        raise
    if options.json:
        print(json.dumps({"run": str(folder), **summary}, indent=2))
    else:
        print(seeds_table(summary))
        print(f"runs: {folder}")
    return 0
