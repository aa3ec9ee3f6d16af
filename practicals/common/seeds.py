"""A run over several seeds: one folder with a sub-folder per seed, and what the scores are on average."""

from __future__ import annotations

import shlex
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from practicals.common.config import PracticalConfig
from practicals.common.console import warn
from practicals.common.errors import RunError
from practicals.common.files import write_json, write_text
from practicals.common.run import Run

ASKED = "seeds.json"
"""In the folder of such a run: practical and number of seeds; its `config.yaml` has the settings of the first."""


def begin_seeds(root: Path, practical: str, config: PracticalConfig, count: int) -> Path:
    """Make the folder of a run over `count` seeds, beginning with the seed of `config`.

    Raises:
        ConfigError: the last of them is beyond the largest seed.
        RunError: the folder cannot be made.
    """
    config.with_changes({"seed": config.seed + count - 1}, f"--seeds {count}")
    folder = Run.create(root, practical, kind="seeds").folder
    write_text(folder / "config.yaml", config.to_yaml())
    write_json(folder / ASKED, {"practical": practical, "seeds": count})
    return folder


def run_seeds(folder: Path, practical: str, config: PracticalConfig, count: int, train: Callable[..., Any]) -> Any:
    """Train every seed that has not finished, and summarise; a seed that was interrupted is continued.

    Args:
        folder: from `begin_seeds`.
        practical: the lesson's name.
        config: settings of the first seed.
        count: how many seeds.
        train: makes one run from settings and a `Run`.

    Returns:
        The content of `summary.json`.
    """
    every = []
    try:
        for seed in range(config.seed, config.seed + count):
            run = Run(folder / f"seed-{seed}")
            if not run.metrics_path.exists():
                if not run.state_path.exists():
                    shutil.rmtree(run.folder, ignore_errors=True)
                    run = Run.at(run.folder)
                train(config.with_changes({"seed": seed}, f"--seeds {count}"), run)
            every.append(run.metrics())
    except KeyboardInterrupt:
        warn(
            f"interrupted: {len(every)} of {count} seeds are done and kept. "
            f"Continue with: practicals run {practical} --resume {shlex.quote(str(folder))}"
        )
        raise
    warn_of_gaps(every)
    summary = {"practical": practical, "seeds": count, **summarise(every)}
    write_json(folder / "summary.json", summary)
    return summary


def refuse_finished(folder: Path) -> None:
    """Check that a run over seeds has not finished.

    Raises:
        RunError: it has.
    """
    if (folder / ASKED).exists() and (folder / "summary.json").exists():
        raise RunError(f"{folder}: has already finished; its results are in {folder / 'summary.json'}.")


def warn_of_gaps(every: Sequence[Mapping[str, Any]]) -> None:
    """Name the scores and baselines that some seeds lack, so that `summarise` leaves them out."""
    for part in ("test", "baselines"):
        had = [set(one[part]) for one in every]
        for name in sorted(set.union(*had) - set.intersection(*had)):
            count = sum(name in one for one in had)
            warn(f"{name}: {count} of {len(every)} seeds have it, so it has no mean and is left out of the summary.")


def summarise(every: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean and deviation of each test score, and of the paired difference to each baseline.

    What not every seed has is left out: an opponent may be tried only where the training rows suit it, and a score may
    exist only in large test parts.

    Args:
        every: the content of each seed's `metrics.json`.
    """
    metrics = [metric for metric in every[0]["test"] if all(metric in one["test"] for one in every)]
    # A baseline that gives no probabilities has no score that needs them.
    scored = {
        name: [metric for metric in metrics if all(metric in one["baselines"][name] for one in every)]
        for name in every[0]["baselines"]
        if all(name in one["baselines"] for one in every)
    }

    def spread(value: Callable[[Mapping[str, Any]], float]) -> dict[str, float]:
        values = [value(one) for one in every]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return {
            "mean": statistics.fmean(values),
            "standard_deviation": deviation,
            "standard_error": deviation / len(values) ** 0.5,
        }

    def network(metric: str) -> dict[str, float]:
        return spread(lambda one: one["test"][metric])

    def baseline(name: str, metric: str) -> dict[str, float]:
        return spread(lambda one: one["baselines"][name][metric])

    def difference(name: str, metric: str) -> dict[str, float]:
        return spread(lambda one: one["test"][metric] - one["baselines"][name][metric])

    return {
        "primary": every[0]["primary"],
        "network": {metric: network(metric) for metric in metrics},
        "baselines": {name: {metric: baseline(name, metric) for metric in known} for name, known in scored.items()},
        "network_minus_baseline": {
            name: {metric: difference(name, metric) for metric in known} for name, known in scored.items()
        },
    }
