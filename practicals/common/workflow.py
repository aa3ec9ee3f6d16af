"""One run of a lesson from settings to report, and a run over several seeds; the same for every lesson."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from practicals.common.catalog import Practical, find_practical
from practicals.common.config import PracticalConfig, load_config, read_yaml
from practicals.common.console import quiet_native_stderr, say, warn
from practicals.common.environment import describe_environment
from practicals.common.errors import ConfigError, PracticalError, RunError
from practicals.common.files import write_json
from practicals.common.report.words import verdict_sentence
from practicals.common.run import Run, Scores
from practicals.common.text import scores_table, seeds_table


def load_lesson(practical: Practical) -> ModuleType:
    """Import a lesson, and TensorFlow with it, without the messages that TensorFlow's C++ part writes on start."""
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
    return load_config(
        config_class(lesson), options.name, file=options.config, smoke=options.smoke, sets=options.sets, options=chosen
    )


def saved_config(run: Run, lesson: ModuleType) -> PracticalConfig:
    """Return the settings that a run was made with."""
    return config_class(lesson).from_values(read_yaml(run.config_path), str(run.config_path))


def gives_settings(options: argparse.Namespace) -> bool:
    """Tell whether any setting was given on the command line."""
    given = (options.config, options.sets, options.data, options.smoke, options.deterministic)
    return any(given) or options.seed is not None


def train(practical: Practical, lesson: ModuleType, config: PracticalConfig, run: Run) -> Scores:
    """Make one whole run in its folder: train, score, explain, report; `metrics.json` comes last."""
    from practicals.common.report.page import build_report
    from practicals.common.training import prepare

    began = time.perf_counter()
    device = prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    say(f"{practical.name}: seed {config.seed}, {device}")
    if not run.config_path.exists():
        run.write_config(config.to_yaml())
        run.write_environment(describe_environment(practical, config, device, shlex.join(sys.argv[1:])))
    scores: Scores = lesson.main(config, run)
    run.count_earlier_scorings()
    metrics = {
        "practical": practical.name,
        "data": run.environment()["data"]["kind"],
        "seed": config.seed,
        "train": scores.train,
        "validation": scores.validation,
        "test": scores.test,
        "baselines": scores.baselines,
        "primary": {"metric": scores.primary, "direction": scores.direction},
        "verdict": scores.verdict,
        "epochs": scores.epochs,
        "seconds": {"fit": scores.fit_seconds, "total": round(time.perf_counter() - began, 3)},
    }
    build_report(run, metrics)
    run.write_metrics(metrics)
    return scores


@contextmanager
def kept_for_resume(run: Run, *, is_new: bool = True) -> Iterator[None]:
    """Name the command that continues an interrupted run; remove a new folder in which nothing has been trained yet."""
    try:
        yield
    except (KeyboardInterrupt, PracticalError, OSError) as error:
        if is_new and not run.state_path.exists():
            shutil.rmtree(run.folder, ignore_errors=True)
            if run.folder.parent.name.startswith("seeds-"):
                with suppress(OSError):  # other seeds stand there
                    run.folder.parent.rmdir()
        elif isinstance(error, KeyboardInterrupt):
            warn(f"interrupted: what was done is kept. Continue with: {run.resume_command}")
        raise


def run_command(options: argparse.Namespace) -> int:
    """`practicals run NAME`: train, report, print the verdict."""
    practical = find_practical(options.name)
    if options.resume:
        run = open_interrupted(options)
    lesson = load_lesson(practical)
    config = saved_config(run, lesson) if options.resume else read_config(options, lesson)
    if options.seeds:
        return run_seeds(options, practical, lesson, config)
    if not options.resume:
        run = Run.create(options.runs, practical.name)
    with kept_for_resume(run, is_new=not options.resume):
        scores = train(practical, lesson, config, run)
    if options.json:
        print(json.dumps({"run": str(run.folder), **run.metrics()}, indent=2))
    else:
        print(scores_table(scores))
        print(f"\n{verdict_sentence(run.metrics())}")
        print(f"report: {run.report_path}")
    return 0


def open_interrupted(options: argparse.Namespace) -> Run:
    """Return the run that `--resume` names.

    Raises:
        RunError: it is of another practical, or has finished.
        ConfigError: settings were given as well, which an exact continuation cannot take.
    """
    if gives_settings(options) or options.seeds:
        raise ConfigError("--resume: continues with the run's own settings; leave out all other settings.")
    run = Run.open(options.resume, finished=False)
    if run.practical != options.name:
        raise RunError(f"{run.folder}: is a run of {run.practical}, not of {options.name}.")
    if run.metrics_path.exists():
        raise RunError(f"{run.folder}: has already finished; its report is {run.report_path}.")
    return run


def run_seeds(options: argparse.Namespace, practical: Practical, lesson: ModuleType, config: PracticalConfig) -> int:
    """`--seeds N`: one folder with a sub-folder per seed, and mean, standard deviation and N over them."""
    parent = Run.create(options.runs, practical.name, kind="seeds").folder
    every: list[Scores] = []
    for seed in range(config.seed, config.seed + options.seeds):
        run = Run.at(parent / f"seed-{seed}")
        with kept_for_resume(run):
            every.append(train(practical, lesson, config.with_changes({"seed": seed}, f"--seeds {options.seeds}"), run))
    summary = {"practical": practical.name, "seeds": options.seeds, **summarise(every)}
    write_json(parent / "summary.json", summary)
    if options.json:
        print(json.dumps({"run": str(parent), **summary}, indent=2))
    else:
        print(seeds_table(summary))
        print(f"runs: {parent}")
    return 0


def summarise(every: list[Scores]) -> dict[str, Any]:
    """Return mean and standard deviation of each test score, and of the paired difference to each baseline."""
    names = list(every[0].baselines)
    metrics = list(every[0].test)

    def spread(values: list[float]) -> dict[str, float]:
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return {
            "mean": statistics.fmean(values),
            "standard_deviation": deviation,
            "standard_error": deviation / len(values) ** 0.5,
        }

    return {
        "primary": {"metric": every[0].primary, "direction": every[0].direction},
        "network": {metric: spread([one.test[metric] for one in every]) for metric in metrics},
        "baselines": {
            name: {metric: spread([one.baselines[name][metric] for one in every]) for metric in metrics}
            for name in names
        },
        "network_minus_baseline": {
            name: {
                metric: spread([one.test[metric] - one.baselines[name][metric] for one in every]) for metric in metrics
            }
            for name in names
        },
    }
