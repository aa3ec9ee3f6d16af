"""The simple forecasters. Each is fitted on the training windows, forecasts the whole horizon at once, and sees of a
series only what lies before the origin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge, RidgeCV

from practicals.common.data.split import Split
from practicals.common.data.windows import Windows
from practicals.common.forecast_scores import Scales, forecast_scores
from practicals.common.forecast_smoothing import fit_smoothing, smooth
from practicals.common.ladder import Baseline
from practicals.common.metrics import Numbers

Forecaster = Callable[[Windows], Numbers]
"""Takes windows, returns (n, horizon) in the unit of the data, at least 0."""
Entry = tuple[str, str, str, Callable[[Windows], Forecaster]]
"""Name, kind, why, and what makes a forecaster of the training windows."""

MOST_ROWS, MOST_CELLS = 20_000, 8_000_000
"""Of more training windows, or inputs in all, every second, third, ... window is taken to fit a regression: neighbours
tell nearly the same."""
MOST_PLACES = 400
"""A longer cycle is divided into so many places, each with a weight of its own."""
PENALTIES = tuple(10.0 ** (power / 2) for power in range(-4, 7))
"""Among these the penalty of a ridge regression is chosen by leave-one-out error on the training windows."""


def last_value(train: Windows) -> Forecaster:
    """Say that everything stays as it is."""
    return lambda windows: np.repeat(windows.values[:, -1:], windows.horizon, axis=1)


def seasonal_naive(season: int) -> Callable[[Windows], Forecaster]:
    """Repeat the last `season` steps.

    The season may be longer than the window: the steps are taken from the series. Where it begins later than one
    season before the origin, the last value stands in.
    """

    def forecast(windows: Windows) -> Numbers:
        ahead = np.arange(windows.horizon) % season
        places = windows.origins[:, None] - season + ahead  # (n, horizon)
        past = windows.table.filled(windows.cycle)[windows.series[:, None], np.maximum(places, 0)]
        return np.where(places >= 0, past, last_value(windows)(windows))

    return lambda train: forecast


def moving_average(train: Windows) -> Forecaster:
    """Say the mean of the window for every step."""
    return lambda windows: np.repeat(windows.values.mean(axis=1, keepdims=True), windows.horizon, axis=1)


def exponential_smoothing(seasons: Sequence[int]) -> Callable[[Windows], Forecaster]:
    """Carry level and seasons along from the first step of the series; see `practicals.common.forecast_smoothing`."""

    def fit(train: Windows) -> Forecaster:
        steps = last_step(train)
        rates = fit_smoothing(train.table.values, seasons=seasons, training_steps=steps, horizon=train.horizon)
        return lambda windows: smooth(
            windows.table.values,
            rates,
            seasons=seasons,
            training_steps=steps,
            horizon=windows.horizon,
            series=windows.series,
            origins=windows.origins,
        )

    return fit


def ridge_on_lags(train: Windows) -> Forecaster:
    """Weigh the values of the window, with weights of its own for each step ahead.

    Each series is brought to mean 0 and spread 1 by its training span, so that one regression serves all.
    """
    center, spread = _training_scale(train)

    def scaled(windows: Windows) -> Numbers:
        return (windows.values - center[windows.series, None]) / spread[windows.series, None]

    rows = _rows(train)
    targets = (rows.targets - center[rows.series, None]) / spread[rows.series, None]
    model = _ridge(scaled(rows), targets)

    def forecast(windows: Windows) -> Numbers:
        answer = model(scaled(windows)) * spread[windows.series, None] + center[windows.series, None]
        return np.maximum(answer, 0.0)

    return forecast


def ridge_on_log_differences(train: Windows) -> Forecaster:
    """Weigh how far the logarithm of each value lies from that of the last, and where in the cycle the origin lies.

    What is forecast is the difference of logarithms to the last value, so a change of level changes nothing but the
    level of the forecast; and each hour of the week has a weight of its own for each step ahead.
    """
    rows = _rows(train)
    inputs, last = _log_differences(rows)
    model = _ridge(inputs, np.log1p(rows.targets) - last)

    def forecast(windows: Windows) -> Numbers:
        inputs, last = _log_differences(windows)
        # exp(80) is beyond every count; it only keeps an absurd input from overflowing.
        return np.maximum(np.expm1(np.minimum(model(inputs) + last, 80.0)), 0.0)

    return forecast


def standard_opponents(window: int, seasons: Sequence[int], step: str, cycle: int) -> list[Entry]:
    """Return all simple forecasters for data of one kind, the naive ones first.

    Args:
        window: steps that are known.
        seasons: lengths of the seasons in steps.
        step: what a step is, such as `hour`.
        cycle: steps in the cycle that windows are numbered by.
    """
    steps = several(step)
    return [
        ("last value", "naive", "Everything stays as it is.", last_value),
        *(
            (
                f"seasonal naive {season}",
                "naive",
                f"Repeats the last {season} {steps}; knows no other season and no change of level.",
                seasonal_naive(season),
            )
            for season in sorted(set(seasons))
        ),
        ("moving average", "naive", f"The mean of the last {window} {steps}, as in the course.", moving_average),
        (
            "exponential smoothing",
            "classical",
            "Carries a level and seasonal profiles along, all corrected after every step; in logarithms.",
            exponential_smoothing(seasons),
        ),
        (
            f"ridge on {window} lags",
            "classical",
            f"Weighs the last {window} values; does not know where in the cycle it stands.",
            ridge_on_lags,
        ),
        (
            "ridge on log differences",
            "classical",
            f"Weighs logarithms relative to the last value, and knows the place in the cycle of {cycle} {steps}.",
            ridge_on_log_differences,
        ),
    ]


def score_forecasters(entries: Sequence[Entry], split: Split[Windows], scales: Scales) -> list[Baseline]:
    """Fit opponents on the training windows and score them on the origins of the validation and the test part."""
    made = []
    for name, kind, why, fit in entries:
        forecaster = fit(split.train)
        validation, test = (forecaster(part) for part in (split.validation, split.test))
        made.append(
            Baseline(
                name,
                kind,
                why,
                forecast_scores(split.validation.targets, validation, split.validation.series, scales),
                forecast_scores(split.test.targets, test, split.test.series, scales),
                test_prediction=test,
            )
        )
    return made


def several(step: str) -> str:
    """Return what several steps are called: "hours", or "steps" where one is called "15 minutes"."""
    return f"{step}s" if step.isalpha() else "steps"


def last_step(train: Windows) -> int:
    """Return the end of the training span: the number of the step after the last training target."""
    return int(train.origins.max()) + train.horizon


def rows_between(train: Windows) -> int:
    """Return k where a regression is fitted on every k-th training window; no place in the cycle is left out."""
    between = -(-len(train) // max(100, min(MOST_ROWS, MOST_CELLS // train.window)))
    while math.gcd(between, train.cycle) > 1:
        between += 1
    return between


def _rows(train: Windows) -> Windows:
    """Return the windows that a regression is fitted on: not too many, all their targets known if possible."""
    rows = train[:: rows_between(train)]
    complete = ~np.isnan(rows.targets).any(axis=1)
    return rows[complete] if complete.any() else rows


def _training_scale(train: Windows) -> tuple[Numbers, Numbers]:
    """Return (series,) mean and standard deviation of each series' training span; 1 for one that does not vary."""
    span = train.table.filled(train.cycle)[:, : last_step(train)]
    spread = span.std(axis=1)
    return span.mean(axis=1), np.where(spread > 0, spread, 1.0)


def _log_differences(windows: Windows) -> tuple[Numbers, Numbers]:
    """Return (n, window - 1 + places in the cycle) inputs and (n, 1) the logarithm of the last value."""
    logs = np.log1p(windows.values)
    last = logs[:, -1:]
    places = min(windows.cycle, MOST_PLACES)
    place = windows.phase.astype(np.int64) * places // windows.cycle
    return np.hstack([logs[:, :-1] - last, np.eye(places)[place]]), last


def _ridge(inputs: Numbers, targets: npt.NDArray[np.float64]) -> Callable[[Numbers], Numbers]:
    """Return (n, width) -> (n, horizon): a ridge regression for each step, all with one penalty.

    Where no window has all its targets, an unknown one counts as no change from the mean.
    """
    targets = np.where(np.isnan(targets), np.nanmean(targets), targets)
    # Leaving one out needs some others.
    fitted = (RidgeCV(alphas=PENALTIES) if len(inputs) > 2 else Ridge()).fit(inputs, targets)
    return lambda rows: fitted.predict(rows).reshape(len(rows), -1)
