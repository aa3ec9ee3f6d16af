"""What every lesson hands over at its end, and the files that come of it, whatever it predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from practicals.common.config import PracticalConfig
from practicals.common.data.split import Split
from practicals.common.describe import describe_layers, describe_settings
from practicals.common.ladder import Baseline, Climbed, ladder
from practicals.common.metrics import best_baseline, fit_sentence, verdict
from practicals.common.report.words import metric_label
from practicals.common.run import Run, Scores


@dataclass(frozen=True, kw_only=True)
class About:
    """What the commands and the report must know about a lesson."""

    title: str
    primary: str
    """The metric that decides, by its key in the scores."""
    direction: str
    """`max` or `min`: what is better in it."""
    monitor: str
    """The logged value that early stopping watches."""
    mode: str
    """`max` or `min`: what is better in it."""
    tuned: str
    """The logged value that a search for settings ranks by; better in the direction of `primary`. Not the loss, if
    that holds a penalty which the search may switch off."""
    text: str
    """The lesson's opening lines."""
    secondary: str = ""
    """A second metric for the ladder, better in the same direction, where the primary one alone tells too little."""


def write_outcome(
    run: Run,
    config: PracticalConfig,
    about: About,
    *,
    task: str,
    network: Any,
    scores: Split[dict[str, float]],
    baselines: Sequence[Baseline],
    rungs: Sequence[Climbed],
    fit_seconds: float,
    best_epoch_kept: bool,
    predictions: pd.DataFrame,
    data: Mapping[str, Any],
    compare: Callable[[Baseline], tuple[float, tuple[float, float]]],
    unit: str = "",
    **parts: Any,
) -> Scores:
    """Write predictions, baselines and summary into the run folder and compare the network with its opponents.

    Args:
        run: the run's folder.
        config: its settings.
        about: what the lesson is about.
        task: the kind of prediction, a key of `practicals.common.report.page.SECTIONS`.
        network: the numeric keras.Model; only asked for its layers.
        scores: all scores of each part.
        baselines: the opponents, the naive one first. Others may lack the primary score.
        rungs: the course's network and the steps from it; may be empty.
        fit_seconds: how long `fit` took.
        best_epoch_kept: whether the weights are those of the best epoch; those of the last otherwise.
        predictions: the lines of `predictions.csv`.
        data: what the report says of the data.
        compare: takes the strongest opponent and returns the network's primary metric minus the opponent's on the
            test part, with its 95 % interval.
        unit: the unit of what is predicted, such as USD.
        parts: further parts of the summary, which the sections of the task read.
    """
    run.write_table(run.predictions_path, predictions)
    test_scores = {one.name: one.test for one in baselines}
    run.write_table(
        run.baselines_path, pd.DataFrame([{"name": one.name, "kind": one.kind, **one.test} for one in baselines])
    )
    strongest = strongest_baseline(baselines, about)
    run.write_summary(
        {
            "title": about.title,
            "task": task,
            "lesson": about.text,
            "unit": unit,
            "secondary": about.secondary,
            "data": data,
            "architecture": describe_layers(network),
            "ladder": [
                vars(rung) for rung in ladder(baselines, rungs, scores, about.primary, fit_seconds, about.secondary)
            ],
            "fit": describe_fit(run, about, scores, baselines[0], best_epoch_kept, unit, data.get("things", "rows")),
            "settings": describe_settings(config),
            **parts,
        }
    )
    difference, interval = compare(strongest)
    return Scores(
        train=scores.train,
        validation=scores.validation,
        test=scores.test,
        baselines=test_scores,
        primary=about.primary,
        direction=about.direction,
        verdict=verdict(strongest.name, difference, interval, about.direction),
        epochs=len(run.history()),
        fit_seconds=fit_seconds,
        unit=unit,
    )


def strongest_baseline(baselines: Sequence[Baseline], about: About) -> Baseline:
    """Return the opponent that is best on the test part in the metric that decides."""
    test_scores = {one.name: one.test for one in baselines}
    name = best_baseline(test_scores, about.primary, about.direction)
    return next(one for one in baselines if one.name == name)


def describe_fit(
    run: Run,
    about: About,
    scores: Split[dict[str, float]],
    naive: Baseline,
    best_epoch_kept: bool,
    unit: str = "",
    things: str = "rows",
) -> dict[str, Any]:
    """Return how training went: epochs counted from 0, the watched value, and a sentence on over- or underfitting."""
    watched = run.history()[about.monitor]
    best_epoch = int(watched.argmax() if about.mode == "max" else watched.argmin())
    return {
        "best_epoch": best_epoch if best_epoch_kept else len(watched) - 1,
        "epochs": len(watched),
        "monitor": about.monitor,
        "sentence": fit_sentence(
            metric_label(about.primary, unit),
            about.direction,
            scores.train[about.primary],
            scores.validation[about.primary],
            naive.validation[about.primary],
            things,
        ),
    }
