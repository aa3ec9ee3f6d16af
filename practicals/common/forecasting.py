"""What a lesson that forecasts hands over at its end, and the files that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from practicals.common import forecast_summary as summary
from practicals.common.config import PracticalConfig
from practicals.common.data.split import Split
from practicals.common.data.windows import Windows
from practicals.common.errors import DataError
from practicals.common.forecast_baselines import last_step, rows_between, several
from practicals.common.forecast_scores import Scales, mase_difference, standardised_mse, training_scales
from practicals.common.forecast_summary import Backtest
from practicals.common.ladder import Baseline, Climbed
from practicals.common.metrics import Numbers
from practicals.common.outcome import About, strongest_baseline, write_outcome
from practicals.common.report.words import number
from practicals.common.run import Run, Scores

Answer = Mapping[str, Numbers]
"""`prediction`, `lower_80`, `upper_80`, `lower_95`, `upper_95`, each (n, horizon) in the unit of the data."""

MOST_LINES = 200_000
"""Of more forecasts, only every second, third, ... origin stands in predictions.csv."""
UNSCALED = "series do not vary within the training span, so their errors cannot be scaled: MASE leaves them out."


def forecast_table(windows: Windows, answer: Answer) -> pd.DataFrame:
    """Return one line per forecast step: `time` and what the model says of it; with several series, `series` first.

    Args:
        windows: what was forecast.
        answer: name -> (n, horizon).
    """
    steps = windows.origins[:, None] + np.arange(windows.horizon)  # (n, horizon)
    known, place = np.unique(steps, return_inverse=True)
    columns: dict[str, Any] = {}
    if len(windows.table.names) > 1:
        columns["series"] = np.repeat(np.array(windows.table.names, object)[windows.series], windows.horizon)
    columns["time"] = np.array(windows.table.labels(known), object)[place.ravel()]
    return pd.DataFrame(columns | {name: values.ravel() for name, values in answer.items()})


def finish(
    run: Run,
    config: PracticalConfig,
    about: About,
    *,
    seasons: Sequence[int],
    split: Split[Windows],
    network: Any,
    answers: Split[Answer],
    scores: Split[dict[str, float]],
    baselines: Sequence[Baseline],
    rungs: Sequence[Climbed],
    fit_seconds: float,
    best_epoch_kept: bool,
    lesson_sentence: str,
    fed_back: Numbers | None = None,
    **parts: Any,
) -> Scores:
    """Write predictions, baselines and summary into the run folder and compare the network with its opponents.

    Args:
        run: the run's folder.
        config: its settings.
        about: what the lesson is about; its primary metric is `mase`.
        seasons: lengths in steps; errors are scaled by the longest, and the shortest is called a day.
        split: the windows.
        network: the numeric keras.Model; only asked for its layers.
        answers: what the model says of each part; that of the training part is not looked at.
        scores: all scores of each part.
        baselines: the opponents, the naive one first.
        rungs: the course's network and the steps from it; may be empty.
        fit_seconds: how long `fit` took.
        best_epoch_kept: whether the weights are those of the best epoch; those of the last otherwise.
        lesson_sentence: what the ladder teaches.
        fed_back: (origins, horizon) forecasts of the test part by the course's network, which takes its own answers as
            input; where there are any.
        parts: further parts of the summary.
    """
    windows, truth = split.test, split.test.targets
    scales = training_scales(windows.table.values, last_step(split.train), max(seasons))
    strongest = strongest_baseline(baselines, about)
    tested = Backtest(windows, truth, answers.test, strongest.test_prediction, strongest.name, min(seasons))
    forecasts = {"network": answers.test["prediction"], **{one.name: one.test_prediction for one in baselines}}
    predictions, every = prediction_lines(split, answers)
    notes = describe_handling(split, scales, every)
    forecast = {
        **describe_forecasts(split, seasons, tested, scales, forecasts, fed_back),
        "lesson_sentence": lesson_sentence,
        "handled": notes,
    }

    def compare(opponent: Baseline) -> tuple[float, tuple[float, float]]:
        return mase_difference(
            truth,
            answers.test["prediction"],
            opponent.test_prediction,
            series=windows.series,
            origins=windows.origins,
            scales=scales,
            block=min(seasons),
            seed=config.seed,
        )

    return write_outcome(
        run,
        config,
        about,
        task="forecast",
        network=network,
        scores=scores,
        baselines=baselines,
        rungs=rungs,
        fit_seconds=fit_seconds,
        best_epoch_kept=best_epoch_kept,
        predictions=predictions,
        data=describe_series(split, notes),
        compare=compare,
        unit=windows.table.unit,
        forecast=forecast,
        **parts,
    )


def describe_handling(split: Split[Windows], scales: Scales, every: int) -> list[str]:
    """Return the notes on reading, and what of the data is not in a file, a regression or a score.

    Args:
        split: the windows.
        scales: of the training span.
        every: as `prediction_lines` returns it.
    """
    table = split.test.table
    notes = list(split.facts.notes if split.facts else table.notes)
    if every > 1:
        notes.append(
            f"predictions.csv holds one in {every} forecasts of the validation and the test part; all are scored."
        )
    if (taken := rows_between(split.train)) > 1:
        notes.append(f"The ridge regressions are fitted on one in {taken} of {len(split.train):,} training windows.")
    if scales.left_out:
        notes.append(f"{scales.left_out:,} of {len(table.names):,} {UNSCALED}")
    return notes


def describe_forecasts(
    split: Split[Windows],
    seasons: Sequence[int],
    tested: Backtest,
    scales: Scales,
    forecasts: Mapping[str, Numbers],
    fed_back: Numbers | None,
) -> dict[str, Any]:
    """Return what the report shows of the test part, as `practicals.common.report.forecast` reads it.

    Args:
        split: the windows.
        seasons: lengths in steps.
        tested: the test part as it was forecast.
        scales: of the training span.
        forecasts: of network and baselines, name -> (origins, horizon).
        fed_back: as `finish` takes it.
    """
    windows, truth = split.test, tested.truth
    example = summary.typical_series(tested, scales)
    fed = {} if fed_back is None else {"course, fed back": fed_back}
    return {
        "step": windows.table.step,
        "steps": several(windows.table.step),
        "window": windows.window,
        "horizon": windows.horizon,
        "season": max(seasons),
        "mase_sentence": mase_sentence(split.train, seasons),
        **summary.drawn_series(split, example),
        "by_horizon": summary.horizon_errors(truth, {**forecasts, **fed}),
        "cycles": summary.cycles(tested),
        "cycle_baseline": tested.baseline_name,
        "backtest": summary.backtest(tested, example),
        "worst_day": summary.worst_day(tested, scales),
        "coverage": summary.coverages(tested),
        "one_step": {
            one: summary.plain(np.array([standardised_mse(truth[:, :1], said[:, :1], windows.series, scales)]))[0]
            for one, said in forecasts.items()
        },
    }


def draw_forecast(windows: Windows, answer: Answer) -> str:
    """Return a plot of forecasts that follow what is known, as SVG; of several series, of the first.

    Args:
        windows: what is forecast, one window per series.
        answer: what the model says of it.
    """
    from practicals.common.report.forecast_plots import next_steps  # Matplotlib takes a second to load.
    from practicals.common.report.svg import draw

    table, origin = windows.table, int(windows.origins[0])
    shown = np.arange(max(0, origin - windows.window), origin)
    ahead = np.arange(origin, origin + windows.horizon)
    first = {name: np.asarray(values, "float64")[0] for name, values in answer.items()}
    known = table.values[windows.series[0], shown]
    return draw("forecast", next_steps, table.labels(shown), known, table.labels(ahead), first, table.step, table.unit)


def prediction_lines(split: Split[Windows], answers: Split[Answer]) -> tuple[pd.DataFrame, int]:
    """Return the lines of `predictions.csv` for validation and test part, and which share of the origins they hold.

    Returns:
        The lines, and k where every k-th origin stands in them: 1 unless they were more than `MOST_LINES`.
    """
    scored = ("validation", split.validation, answers.validation), ("test", split.test, answers.test)
    every = max(1, -(-sum(len(part) * part.horizon for _, part, _ in scored) // MOST_LINES))
    made = []
    for name, windows, answer in scored:
        part, horizon = windows[::every], windows.horizon
        lines = forecast_table(part, {key: values[::every] for key, values in answer.items()})
        series = np.repeat(np.array(part.table.names, object)[part.series], horizon)
        leading = {
            "series": series,
            "origin": np.repeat(part.origins, horizon),
            "horizon": np.tile(np.arange(1, horizon + 1), len(part)),
            "time": lines["time"],
            "part": name,
            "truth": part.targets.ravel(),
        }
        made.append(pd.DataFrame(leading | {key: lines[key] for key in answer}))
    return pd.concat(made), every


def mase_sentence(train: Windows, seasons: Sequence[int]) -> str:
    """Say what MASE is divided by, and what it would be divided by at the other lags."""
    table, steps = train.table, several(train.table.step)

    def divisor(season: int) -> str:
        scales = training_scales(table.values, last_step(train), season)
        return f"{number(float(np.nanmedian(scales.naive_mae)))} {table.unit}"

    longest = max(seasons)
    whose = "" if len(table.names) == 1 else ", for each series its own and then averaged over the series"
    middle = "" if len(table.names) == 1 else " in the middle of all series"
    sentence = (
        f"MASE is the mean absolute error divided by that of repeating what was {longest} {steps} before, measured in "
        f"the training span{whose} ({divisor(longest)}{middle}): below 1 is better than that. "
    )
    others = []
    for season in sorted(set(seasons) - {longest}):
        try:
            others.append(f"at lag {season} the divisor is {divisor(season)}")
        except DataError:  # a series that repeats exactly at this lag has no divisor there
            continue
    return sentence + f"Other lags give other numbers{': ' if others else ''}{', '.join(others)}."


def describe_series(split: Split[Windows], notes: Sequence[str]) -> dict[str, Any]:
    """Return what the report says of the data: steps, forecasts in each part, the first five steps, what is missing."""
    table = split.train.table
    missing = np.isnan(table.values).sum(axis=1)
    shown = min(len(table.names), 5)
    head = [
        [time, *("" if np.isnan(value) else f"{value:.12g}" for value in values)]
        for time, values in zip(table.labels(range(min(5, table.steps))), table.values[:shown].T, strict=False)
    ]
    return {
        "rows": table.rows or table.steps,
        "parts": {name: len(part) for name, part in split.items()},
        "head": {"columns": ["time", *table.names[:shown]], "rows": head},
        "missing": {table.names[0]: int(missing[0])} if len(table.names) == 1 else {"all series": int(missing.sum())},
        "notes": list(notes),
    }
