"""The simple forecasters say what they should, and see nothing of what they forecast."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from practicals.common import forecast_baselines, forecast_smoothing
from practicals.common.data.seriestable import SeriesTable
from practicals.common.data.split import Split
from practicals.common.data.windows import Windows, time_split
from practicals.common.forecast_baselines import (
    Forecaster,
    exponential_smoothing,
    last_step,
    last_value,
    moving_average,
    ridge_on_lags,
    ridge_on_log_differences,
    score_forecasters,
    seasonal_naive,
    standard_opponents,
)
from practicals.common.forecast_scores import standardised_mse, training_scales
from practicals.common.forecast_smoothing import fit_smoothing, smooth

SHARES = SimpleNamespace(validation=0.1, calibration=0.1, test=0.2)
SEASONS = (4, 12)


def table_of(values: np.ndarray) -> SeriesTable:
    values = np.atleast_2d(np.asarray(values, "float64"))
    names = tuple(f"series {number}" for number in range(len(values)))
    return SeriesTable(names, values, pd.RangeIndex(values.shape[1]), "hour", "sessions")


def split_of(values: np.ndarray, window: int = 12, horizon: int = 5, cycle: int = 12) -> Split[Windows]:
    return time_split(table_of(values), window=window, horizon=horizon, cycle=cycle, shares=SHARES)


def on(windows: Windows, values: np.ndarray) -> Windows:
    """The same origins on other values."""
    return Windows(
        table_of(values),
        windows.series,
        windows.origins,
        window=windows.window,
        horizon=windows.horizon,
        cycle=windows.cycle,
    )


def traffic(series: int = 1, steps: int = 240, seed: int = 0, gaps: bool = False) -> np.ndarray:
    generator = np.random.default_rng(seed)
    step = np.arange(steps)
    season = 0.5 * np.sin(2 * np.pi * step / 4) + 0.8 * np.cos(2 * np.pi * step / 12)
    level = 5 + np.cumsum(0.03 * generator.standard_normal((series, steps)), axis=1)
    values = np.round(np.exp(level + season + 0.05 * generator.standard_normal((series, steps))))
    if gaps:
        values[generator.random(values.shape) < 0.05] = np.nan
    return values


OPPONENTS = {name: make for name, _, _, make in standard_opponents(12, SEASONS, "hour", 12)}


def test_last_value_seasonal_naive_and_moving_average_by_hand():
    windows = split_of(np.arange(100.0)).test[[0]]
    origin = int(windows.origins[0])
    assert last_value(windows)(windows)[0] == pytest.approx([origin - 1] * 5)
    assert moving_average(windows)(windows)[0] == pytest.approx([origin - 6.5] * 5)
    repeated = [origin - 4, origin - 3, origin - 2, origin - 1, origin - 4]  # after a season it starts again
    assert seasonal_naive(4)(windows)(windows)[0] == pytest.approx(repeated)


def test_a_season_longer_than_the_window_is_looked_up_in_the_series():
    split = split_of(np.arange(100.0), window=6)
    assert seasonal_naive(20)(split.train)(split.test)[0] == pytest.approx(split.test.origins[0] - 20 + np.arange(5))
    early = split.train[[0]]  # its origin is 6: what was 20 steps before is not in the file, except nothing
    assert seasonal_naive(20)(split.train)(early)[0] == pytest.approx([5.0] * 5)


@pytest.mark.parametrize("name", ["seasonal naive 12", "exponential smoothing", "ridge on 12 lags"])
def test_what_repeats_exactly_is_forecast_exactly(name):
    values = np.tile([100.0, 30, 70, 250, 80, 90, 10, 40, 60, 20, 50, 110], 20)
    split = split_of(values)
    forecast = OPPONENTS[name](split.train)(split.test)
    assert forecast == pytest.approx(split.test.targets, rel=0.01)


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "with gaps"])
@pytest.mark.parametrize("many", [1, 3])
@pytest.mark.parametrize("name", OPPONENTS)
def test_no_forecast_sees_what_it_forecasts(name, many, gaps):
    assert not moved_by_the_future(OPPONENTS[name], traffic(many, gaps=gaps))


def test_a_forecaster_that_peeks_would_be_caught():
    def peeks(train: Windows) -> Forecaster:
        return lambda windows: last_value(windows)(windows) + 0.001 * np.nan_to_num(windows.targets[:, :1])

    def scales_by_everything(train: Windows) -> Forecaster:
        return lambda windows: last_value(windows)(windows) + windows.table.values.mean()

    def chooses_by_later_parts(train: Windows) -> Forecaster:
        rates = train.table.values[0, last_step(train) :].mean()
        return lambda windows: last_value(windows)(windows) + rates

    for cheat in (peeks, scales_by_everything, chooses_by_later_parts):
        assert moved_by_the_future(cheat, traffic())


def moved_by_the_future(make, values: np.ndarray) -> bool:
    """Whether any forecast of validation or test part moves when what lies at and after its origin becomes another."""
    split = split_of(values)
    for part in (split.validation, split.test):
        for chosen in (0, len(part) // 2, len(part) - 1):
            asked = part[[chosen]]
            changed = values.copy()
            changed[:, asked.origins[0] :] = 7 * changed[:, asked.origins[0] :][:, ::-1] + 1000
            before = make(split.train)(asked)
            after = make(on(split.train, changed))(on(asked, changed))
            if not np.array_equal(before, after):
                return True
    return False


@pytest.mark.parametrize("name", OPPONENTS)
def test_an_origin_is_forecast_alone_as_among_others(name):
    split = split_of(traffic(3, gaps=True))
    forecaster = OPPONENTS[name](split.train)
    together = forecaster(split.test)
    for chosen in (0, 40, len(split.test) - 1):
        assert forecaster(split.test[[chosen]]) == pytest.approx(together[[chosen]], rel=1e-9)


@pytest.mark.parametrize("name", OPPONENTS)
def test_forecasts_are_never_negative_nor_infinite(name):
    generator = np.random.default_rng(0)
    values = np.vstack(
        [
            np.zeros(200),  # nothing ever
            np.full(200, 9e9),  # beyond int32, and constant
            np.r_[np.zeros(150), 1e6 * generator.random(50)],  # wakes up in the test part
            np.r_[1e6 * generator.random(100), np.zeros(100)],  # falls asleep
            np.r_[np.full(170, np.nan), generator.random(30)],  # begins in the test part
        ]
    )
    split = split_of(values)
    forecast = OPPONENTS[name](split.train)(split.test)
    assert forecast.shape == (len(split.test), 5)
    assert np.isfinite(forecast).all()
    assert (forecast >= 0).all()


def test_ridge_on_lags_is_the_one_that_is_built_by_hand(monkeypatch):
    monkeypatch.setattr(forecast_baselines, "PENALTIES", [3.0])
    split = split_of(traffic())
    span = split.train.table.values[0, : last_step(split.train)]
    inputs, targets = ((part - span.mean()) / span.std() for part in (split.train.values, split.train.targets))
    hand = Ridge(3.0).fit(inputs, targets).predict((split.test.values - span.mean()) / span.std())
    expected = np.maximum(hand * span.std() + span.mean(), 0)
    assert ridge_on_lags(split.train)(split.test) == pytest.approx(expected, rel=1e-6)


def test_ridge_on_lags_serves_series_of_any_size():
    small = traffic(seed=1)
    both = split_of(np.vstack([small, 1e6 * small]))
    forecast = ridge_on_lags(both.train)(both.test)
    half = len(forecast) // 2
    assert forecast[half:] == pytest.approx(1e6 * forecast[:half], rel=1e-6)


def test_ridge_on_log_differences_is_the_one_that_is_built_by_hand(monkeypatch):
    monkeypatch.setattr(forecast_baselines, "PENALTIES", [0.5])
    split = split_of(traffic())

    def inputs(windows: Windows) -> np.ndarray:
        logs = np.log(1 + windows.values)
        place = np.array([[float(number == phase) for number in range(12)] for phase in windows.origins % 12])
        return np.hstack([logs[:, :-1] - logs[:, -1:], place])

    def last(windows: Windows) -> np.ndarray:
        return np.log(1 + windows.values[:, -1:])

    hand = Ridge(0.5).fit(inputs(split.train), np.log(1 + split.train.targets) - last(split.train))
    expected = np.exp(hand.predict(inputs(split.test)) + last(split.test)) - 1
    assert ridge_on_log_differences(split.train)(split.test) == pytest.approx(expected, rel=1e-6)


def test_ridge_on_log_differences_follows_a_change_of_level():
    split = split_of(1000 * traffic())
    forecaster = ridge_on_log_differences(split.train)
    doubled = on(split.test, 2 * split.test.table.values)
    assert forecaster(doubled) == pytest.approx(2 * forecaster(split.test), rel=1e-3)


def test_a_long_cycle_is_divided_into_fewer_places(monkeypatch):
    monkeypatch.setattr(forecast_baselines, "MOST_PLACES", 3)
    windows = split_of(traffic()).test
    inputs, _ = forecast_baselines._log_differences(windows)
    assert inputs.shape[1] == 11 + 3
    assert inputs[:, 11:].argmax(axis=1).tolist() == (windows.origins % 12 // 4).tolist()


def test_a_regression_of_very_many_windows_takes_every_fifth(monkeypatch):
    split = split_of(traffic(6, steps=2_400))
    whole = ridge_on_lags(split.train)(split.test)
    assert forecast_baselines.rows_between(split.train) == 1
    monkeypatch.setattr(forecast_baselines, "MOST_ROWS", len(split.train) // 5 + 1)
    assert forecast_baselines.rows_between(split.train) == 5
    assert len(forecast_baselines._rows(split.train)) == pytest.approx(len(split.train) / 5, abs=1)
    thinned = ridge_on_lags(split.train)(split.test)
    assert not np.array_equal(whole, thinned)
    assert np.abs(whole - thinned).mean() < 0.2 * np.abs(whole - split.test.targets).mean()


@pytest.mark.parametrize("make", [ridge_on_lags, ridge_on_log_differences])
@pytest.mark.parametrize("share", [2, 3, 4])
def test_thinned_windows_still_begin_at_every_place_of_the_cycle(monkeypatch, make, share):
    # Every third window of a cycle of 12 begins at four places only: fitted on them, the error is five times as large.
    split = split_of(traffic(steps=2_400))
    whole = np.abs(make(split.train)(split.test) - split.test.targets).mean()
    monkeypatch.setattr(forecast_baselines, "MOST_ROWS", len(split.train) // share + 1)
    assert set(forecast_baselines._rows(split.train).phase) == set(range(12))
    assert np.abs(make(split.train)(split.test) - split.test.targets).mean() < 1.1 * whole


@pytest.mark.parametrize("name", OPPONENTS)
def test_a_single_training_window_is_enough(name):
    split = time_split(table_of(traffic(steps=22)), window=12, horizon=1, cycle=12, shares=SHARES)
    one = split.train[[0]]
    assert np.isfinite(OPPONENTS[name](one)(split.test)).all()


def by_hand(logs, rates, seasons, start: int, origin: int, horizon: int) -> list[float]:
    """Taylor's recursion, one number at a time."""
    level_rate, *season_rates, persistence = rates
    begin = logs[:start]
    level = np.mean(begin)
    rest, profiles = begin - level, []
    for season in seasons:
        profiles.append([np.mean(rest[place::season]) for place in range(season)])
        rest = rest - [profiles[-1][step % season] for step in range(start)]
    error = 0.0
    for step in range(origin):
        base = level + sum(profile[step % len(profile)] for profile in profiles)
        surprise = logs[step] - base - persistence * error
        level += level_rate * surprise
        for profile, rate in zip(profiles, season_rates, strict=True):
            profile[step % len(profile)] += rate * surprise
        error = logs[step] - base
    return [
        level + sum(profile[(origin + k) % len(profile)] for profile in profiles) + persistence ** (k + 1) * error
        for k in range(horizon)
    ]


def test_exponential_smoothing_is_taylors_recursion():
    values, rates = traffic(), (0.1, 0.2, 0.3, 0.9)
    asked = {"series": np.array([0, 0]), "origins": np.array([200, 137])}
    found = smooth(values, np.array(rates)[:, None], seasons=SEASONS, training_steps=168, horizon=6, **asked)
    for row, origin in enumerate(asked["origins"]):
        expected = by_hand(np.log(1 + values[0]), rates, SEASONS, 24, origin, 6)
        assert np.log1p(found[row]) == pytest.approx(expected, rel=1e-9)


def test_exponential_smoothing_takes_the_rates_that_suit_the_training_span():
    generator = np.random.default_rng(0)
    walk = np.exp(8 + np.cumsum(0.1 * generator.standard_normal(300)))  # the last value says it all
    noise = np.exp(8 + 0.3 * generator.standard_normal(300))  # the last value says nothing
    level, _, persistence = fit_smoothing(np.vstack([walk, noise]), seasons=(4,), training_steps=240, horizon=3)
    assert level[0] >= 0.3 or persistence[0] >= 0.97
    assert level[1] <= 0.02
    assert persistence[1] == 0


def test_series_are_smoothed_alike_in_groups_and_at_once(monkeypatch):
    values = traffic(5, gaps=True)
    whole = fit_smoothing(values, seasons=SEASONS, training_steps=168, horizon=5)
    monkeypatch.setattr(forecast_smoothing, "CELLS", 1)
    np.testing.assert_array_equal(fit_smoothing(values, seasons=SEASONS, training_steps=168, horizon=5), whole)


def test_a_gap_leaves_level_and_seasons_as_they_are():
    values = np.tile([100.0, 30, 70, 250], 50)[None]
    broken = values.copy()
    broken[:, 150:173] = np.nan
    split = split_of(broken)
    forecast = exponential_smoothing((4,))(split.train)(split.test)
    assert forecast == pytest.approx(on(split.test, values).targets, rel=1e-6)


def test_opponents_are_scored_on_validation_and_test_part():
    split = split_of(traffic(2, gaps=True))
    scales = training_scales(split.train.table.values, last_step(split.train), 12)
    made = score_forecasters(standard_opponents(12, SEASONS, "hour", 12), split, scales)
    assert [one.name for one in made][:3] == ["last value", "seasonal naive 4", "seasonal naive 12"]
    assert {one.kind for one in made} == {"naive", "classical"}
    for one in made:
        assert set(one.test) == set(one.validation) == {"mase", "mae", "rmse", "smape_percent", "standardised_mse"}
        assert one.test_prediction.shape == (len(split.test), 5)
    best = min(made, key=lambda one: one.test["mase"])
    assert best.kind == "classical", "with seasons and a level that wanders, repeating is not enough"


@pytest.mark.slow
def test_known_figures_of_the_hourly_sessions(real_data):
    """One step ahead on the last tenth, standardised by the training span."""
    values = pd.read_csv(real_data("webtraffic/webtraffic.csv"))["Sessions"].to_numpy("float64")
    shares = SimpleNamespace(validation=0.05, calibration=0.05, test=0.1)
    split = time_split(table_of(values), window=168, horizon=1, cycle=168, shares=shares)
    scales = training_scales(values[None], last_step(split.train), 168)
    assert len(split.test) == 473, "as in the course's notebook"
    known = {moving_average: 0.551, ridge_on_lags: 0.0136, ridge_on_log_differences: 0.00893}
    for make, expected in known.items():
        forecast = make(split.train)(split.test)
        assert standardised_mse(split.test.targets, forecast, split.test.series, scales) == pytest.approx(
            expected, rel=0.01
        )


def test_steps_whose_name_has_a_number_are_called_steps():
    sentences = [why for _, _, why, _ in standard_opponents(48, [96], "15 minutes", 96)]
    assert "Repeats the last 96 steps; knows no other season and no change of level." in sentences
    assert not [one for one in sentences if "minutess" in one]
    assert "The mean of the last 48 hours, as in the course." in [
        why for _, _, why, _ in standard_opponents(48, [24], "hour", 168)
    ]
