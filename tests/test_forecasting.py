"""What a lesson that forecasts writes into its run folder, checked against the arrays it came from."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from practicals.common import forecasting
from practicals.common.config import PracticalConfig
from practicals.common.data.seriestable import SeriesTable
from practicals.common.data.split import Split
from practicals.common.data.windows import Windows, time_split
from practicals.common.forecast_baselines import last_step, score_forecasters, standard_opponents
from practicals.common.forecast_scores import (
    forecast_scores,
    interval_offsets,
    mae,
    mase,
    standardised_mse,
    training_scales,
)
from practicals.common.forecast_summary import MOST_POINTS, Backtest, cycles, stretches, worst_day
from practicals.common.forecasting import finish, forecast_table, mase_sentence, prediction_lines
from practicals.common.outcome import About
from practicals.common.run import Run, Scores

SHARES = SimpleNamespace(validation=0.1, calibration=0.2, test=0.2)
ABOUT = About(
    title="How many?",
    primary="mase",
    direction="min",
    monitor="val_loss",
    mode="min",
    tuned="val_loss",
    text="A lesson.",
)
DAY, WEEK = 24, 168
KEYS = {
    "step", "steps", "window", "horizon", "season", "mase_sentence", "series", "parts", "by_horizon", "cycles",
    "cycle_baseline", "backtest", "worst_day", "coverage", "one_step", "lesson_sentence", "handled",
}  # fmt: skip


def hours(steps: int = 1680, series: int = 1, stamps: bool = True, seed: int = 0) -> SeriesTable:
    """Hourly counts that begin on a Tuesday at 05:00, or are only counted."""
    generator = np.random.default_rng(seed)
    step = np.arange(steps)
    season = np.sin(2 * np.pi * step / DAY) + 0.5 * np.sin(2 * np.pi * step / WEEK)
    noise = 0.1 * generator.standard_normal((series, steps))
    times = pd.date_range("2024-01-02 05:00", periods=steps, freq="h").as_unit("us") if stamps else pd.RangeIndex(steps)
    names = tuple(f"page {number}" for number in range(series))
    return SeriesTable(names, np.round(1000 * np.exp(season + noise)), times, "hour", "sessions", ("Read as hours.",))


def split_of(table: SeriesTable, horizon: int = DAY) -> Split[Windows]:
    return time_split(table, window=DAY, horizon=horizon, cycle=WEEK, shares=SHARES)


def answer(windows: Windows, offsets: dict[str, list[float]], seed: int = 1) -> dict[str, np.ndarray]:
    """A network that is off by five percent, and knows gaps no better than others."""
    noise = 0.05 * np.random.default_rng(seed).standard_normal(windows.targets.shape)
    prediction = np.nan_to_num(windows.targets, nan=500.0) * np.exp(noise)
    return {
        "prediction": prediction,
        **{name: np.expm1(np.log1p(prediction) + offset) for name, offset in offsets.items()},
    }


def answers_of(split: Split[Windows]) -> Split[dict[str, np.ndarray]]:
    assert split.calibration is not None
    truth = split.calibration.targets
    offsets = interval_offsets(truth, answer(split.calibration, {})["prediction"])
    return split.map(lambda part: answer(part, offsets))


def finished(
    folder: Path, split: Split[Windows], answers: Split[dict[str, np.ndarray]], **more: Any
) -> tuple[Run, Scores, list[Any]]:
    run = Run.at(folder / "run")
    run.write_table(run.history_path, pd.DataFrame({"epoch": [0, 1], "loss": [1.0, 0.5], "val_loss": [0.9, 0.8]}))
    scales = training_scales(split.train.table.values, last_step(split.train), WEEK)
    entries = [one for one in standard_opponents(DAY, (DAY, WEEK), "hour", WEEK) if one[1] == "naive"]
    baselines = score_forecasters(entries, split, scales)

    def scores(name: str) -> dict[str, float]:
        part = getattr(split, name)
        return forecast_scores(part.targets, getattr(answers, name)["prediction"], part.series, scales)

    result = finish(
        run,
        PracticalConfig(),
        ABOUT,
        seasons=(DAY, WEEK),
        split=split,
        network=SimpleNamespace(layers=[]),
        answers=answers,
        scores=Split(scores("train"), scores("validation"), scores("test")),
        baselines=baselines,
        rungs=(),
        fit_seconds=1.0,
        best_epoch_kept=True,
        lesson_sentence="Logs were worth more than layers.",
        **more,
    )
    return run, result, baselines


@pytest.fixture(scope="module")
def hourly(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    split = split_of(hours())
    answers = answers_of(split)
    fed_back = answers.test["prediction"] * 1.1
    run, scores, baselines = finished(tmp_path_factory.mktemp("hourly"), split, answers, fed_back=fed_back)
    return SimpleNamespace(
        split=split, answers=answers, run=run, scores=scores, baselines=baselines, forecast=run.summary()["forecast"]
    )


def test_the_summary_has_all_that_the_report_reads(hourly):
    summary = hourly.run.summary()
    assert (summary["task"], summary["unit"], summary["title"]) == ("forecast", "sessions", "How many?")
    assert set(hourly.forecast) == KEYS
    assert (hourly.forecast["window"], hourly.forecast["horizon"], hourly.forecast["season"]) == (DAY, DAY, WEEK)
    assert hourly.forecast["handled"] == ["Read as hours."]
    assert summary["data"]["rows"] == 1680
    assert summary["data"]["head"]["rows"][0] == ["2024-01-02 05:00", f"{hours().values[0, 0]:.12g}"]


def test_predictions_say_series_origin_step_and_time(hourly):
    lines, test = hourly.run.predictions(), hourly.split.test
    columns = ["series", "origin", "horizon", "time", "part", "truth", "prediction"]
    assert list(lines.columns) == [*columns, "lower_80", "upper_80", "lower_95", "upper_95"]
    assert len(lines) == DAY * (len(hourly.split.validation) + len(test))
    lines = lines[lines["part"] == "test"].reset_index(drop=True)
    line = lines.iloc[3 * DAY + 7]
    assert (line["series"], line["origin"], line["horizon"]) == ("page 0", test.origins[3], 8)
    assert pd.Timestamp(line["time"]) == test.table.times[test.origins[3] + 7]
    assert line["truth"] == test.targets[3, 7]
    assert line["prediction"] == pytest.approx(hourly.answers.test["prediction"][3, 7])
    assert line["lower_95"] < line["lower_80"] < line["prediction"] < line["upper_80"] < line["upper_95"]


def test_errors_by_horizon_are_those_of_the_columns_and_name_every_opponent(hourly):
    found, truth = hourly.forecast["by_horizon"], hourly.split.test.targets
    assert list(found) == ["network", *(one.name for one in hourly.baselines), "course, fed back"]
    for place in (0, 23):
        forecast = hourly.answers.test["prediction"][:, place]
        assert found["network"][place] == pytest.approx(mae(truth[:, place], forecast), rel=1e-5)
    assert np.mean(found["network"]) == pytest.approx(hourly.scores.test["mae"], rel=1e-5)


def test_one_step_ahead_counts_the_first_step_alone(hourly):
    split, first = hourly.split, hourly.answers.test["prediction"][:, :1]
    scales = training_scales(split.train.table.values, last_step(split.train), WEEK)
    expected = standardised_mse(split.test.targets[:, :1], first, split.test.series, scales)
    assert hourly.forecast["one_step"]["network"] == pytest.approx(expected, rel=1e-5)
    assert set(hourly.forecast["one_step"]) == {"network", *(one.name for one in hourly.baselines)}


def test_the_verdict_is_against_the_best_opponent_and_in_the_metric_that_decides(hourly):
    best = min(hourly.baselines, key=lambda one: one.test["mase"])
    verdict = hourly.scores.verdict
    assert verdict["against"] == best.name == hourly.forecast["cycle_baseline"]
    assert verdict["difference"] == pytest.approx(hourly.scores.test["mase"] - best.test["mase"])
    assert verdict["result"] == "better"


def test_parts_follow_each_other_in_time_and_in_the_drawn_series(hourly):
    parts, drawn = hourly.forecast["parts"], hourly.forecast["series"]
    assert [part["name"] for part in parts] == ["training", "validation", "calibration", "test"]
    assert len(drawn["times"]) == len(drawn["values"]) <= MOST_POINTS
    assert (parts[0]["from"], parts[-1]["to"]) == (0, len(drawn["times"]) - 1)
    ends = [(pd.Timestamp(part["start"]), pd.Timestamp(part["end"])) for part in parts]
    for (_, end), (start, _) in itertools.pairwise(ends):
        assert start - end == pd.Timedelta(hours=1)
    assert drawn["values"][0] == pytest.approx(np.mean(hours().values[0, :2])), "1,680 hours are drawn two at a time"


def test_errors_by_hour_and_weekday_follow_the_clock(hourly):
    clock, week = hourly.forecast["cycles"]
    assert (clock["title"], week["title"]) == ("hour of the day", "weekday")
    assert week["labels"][0] == "Monday"
    lines = hourly.run.predictions()
    lines = lines[lines["part"] == "test"]
    error, times = (lines["truth"] - lines["prediction"]).abs(), pd.to_datetime(lines["time"])
    assert clock["network"] == pytest.approx(error.groupby(times.dt.hour).mean().tolist(), rel=1e-5)
    assert week["network"] == pytest.approx(error.groupby(times.dt.day_of_week).mean().tolist(), rel=1e-5)


def test_the_backtest_shows_one_forecast_a_day_that_starts_at_midnight(hourly):
    found = hourly.forecast["backtest"]
    starts = [one["from"] for one in found["forecasts"]]
    assert np.unique(np.diff(starts)).tolist() == [DAY]
    assert all(found["times"][start].endswith("00:00") for start in starts)
    for one in found["forecasts"]:
        actual = np.array(found["actual"][one["from"] : one["from"] + DAY])
        assert np.abs(np.log(one["values"] / actual)).max() < 0.3, "a forecast stands over what it forecast"
        assert len(one["values"]) == len(one["lower"]) == len(one["upper"]) == DAY


def test_the_worst_day_is_the_one_with_the_largest_error():
    split = split_of(hours())
    test, answers = split.test, answers_of(split).test
    chosen = int(np.flatnonzero(test.times(1).hour == 0)[4])
    answers["prediction"][chosen] *= 3
    answers["prediction"][chosen + 5] *= 9  # not a whole day of the calendar: not asked
    scales = training_scales(split.train.table.values, last_step(split.train), WEEK)
    tested = Backtest(test, test.targets, answers, answers["prediction"] * 0 + 900, "nine hundred", DAY)
    day = worst_day(tested, scales)
    assert day["times"] == test.table.labels(np.arange(DAY) + test.origins[chosen])
    assert day["prediction"] == pytest.approx(answers["prediction"][chosen])
    assert day["baseline"] == [900.0] * DAY
    off = np.abs(test.targets[chosen] - answers["prediction"][chosen]).mean()
    assert f"{off:,.4g} sessions" in day["sentence"]
    assert day["title"] == f"{day['times'][0]} to {day['times'][-1]}"


def test_the_worst_day_is_found_where_no_forecast_that_starts_with_a_day_can_be_scored():
    split = split_of(hours())
    test, answers = split.test[5:9], {name: values[5:9] for name, values in answers_of(split).test.items()}
    truth = test.targets
    truth[test.phase % DAY == 0] = np.nan
    truth[0] = np.nan
    answers["prediction"][2] *= 3
    scales = training_scales(split.train.table.values, last_step(split.train), WEEK)
    day = worst_day(Backtest(test, truth, answers, truth, "perfect", DAY), scales)
    assert day["prediction"] == pytest.approx(answers["prediction"][2])


def test_one_step_ahead_a_day_is_made_of_its_forecasts():
    test = split_of(hours(), horizon=1).test
    found = stretches(Backtest(test, test.targets, {}, test.targets, "", DAY))
    hour = test.times(1).hour.to_numpy()
    whole = found >= 0
    assert np.unique(np.bincount(found[whole])).tolist() == [DAY]
    assert hour[whole][:DAY].tolist() == list(range(DAY))
    assert (~whole).any(), "the hours before the first midnight are no whole day"


def test_coverage_counts_what_lies_inside(hourly):
    lines = hourly.run.predictions()
    lines = lines[lines["part"] == "test"]
    for one in hourly.forecast["coverage"]:
        name = round(100 * one["wanted"])
        inside = (lines["truth"] >= lines[f"lower_{name}"]) & (lines["truth"] <= lines[f"upper_{name}"])
        assert one["overall"] == pytest.approx(inside.mean(), abs=1e-6)
        assert one["by_horizon"] == pytest.approx(inside.groupby(lines["horizon"]).mean().tolist(), abs=1e-6)
        assert one["overall"] == pytest.approx(one["wanted"], abs=0.03)


def test_the_sentence_on_mase_says_lag_divisor_and_that_others_differ():
    split = split_of(hours())
    values = split.train.table.values[0, : last_step(split.train)]
    sentence = mase_sentence(split.train, (DAY, WEEK))
    for lag in (DAY, WEEK):
        assert f"{np.abs(values[lag:] - values[:-lag]).mean():,.4g} sessions" in sentence
    assert "168 hours before" in sentence
    assert "at lag 24 the divisor is" in sentence
    assert sentence.endswith(".")
    assert "numbers." in mase_sentence(split.train, (WEEK,))


def test_the_table_of_a_forecast_reaches_beyond_the_file_and_names_several_series():
    table = hours(200, series=2)
    windows = Windows(table, np.array([1, 0]), np.array([200, 200]), window=DAY, horizon=3, cycle=WEEK)
    found = forecast_table(windows, {"prediction": np.arange(6.0).reshape(2, 3)})
    assert found["series"].tolist() == ["page 1"] * 3 + ["page 0"] * 3
    assert found["time"].tolist() == ["2024-01-10 13:00", "2024-01-10 14:00", "2024-01-10 15:00"] * 2
    assert found["prediction"].tolist() == [0, 1, 2, 3, 4, 5]
    counted = Windows(hours(200, stamps=False), [0], [200], window=DAY, horizon=2, cycle=WEEK)
    assert forecast_table(counted, {"prediction": np.zeros((1, 2))}).columns.tolist() == ["time", "prediction"]
    assert forecast_table(counted, {"prediction": np.zeros((1, 2))})["time"].tolist() == ["200", "201"]


def test_too_many_lines_are_thinned_and_that_is_said(tmp_path, monkeypatch):
    split = split_of(hours())
    answers = answers_of(split)
    monkeypatch.setattr(forecasting, "MOST_LINES", 3000)
    lines, every = prediction_lines(split, answers)
    assert every == -(-DAY * (len(split.validation) + len(split.test)) // 3000) > 1
    assert len(lines) <= 3000 + 2 * DAY
    origins = lines.loc[lines["part"] == "test", "origin"].unique()
    assert origins.tolist() == split.test.origins[::every].tolist()
    run, scores, _ = finished(tmp_path, split, answers)
    handled = run.summary()["forecast"]["handled"]
    assert (
        f"predictions.csv holds one in {every} forecasts of the validation and the test part; all are scored."
        in handled
    )
    whole = mase(
        split.test.targets,
        answers.test["prediction"],
        split.test.series,
        training_scales(split.train.table.values, last_step(split.train), WEEK),
    )
    assert scores.test["mase"] == pytest.approx(whole)


@pytest.mark.parametrize("horizon", [1, 5, 30])
@pytest.mark.parametrize("stamps", [True, False], ids=["stamps", "counted"])
def test_several_series_with_gaps_and_one_that_is_constant_are_summed_up(tmp_path, horizon, stamps):
    table = hours(1400, series=3, stamps=stamps)
    table.values[1, 300:340] = np.nan
    table.values[1, 1200:1260] = np.nan
    table.values[2] = 7.0
    split = split_of(table, horizon)
    run, scores, _ = finished(tmp_path, split, answers_of(split))
    forecast = run.summary()["forecast"]
    json.dumps(forecast, allow_nan=False)
    assert set(forecast) == KEYS
    assert "1 of 3 series do not vary within the training span, so their errors cannot be scaled" in " ".join(
        forecast["handled"]
    )
    assert scores.verdict["result"] in ("better", "no clear difference", "worse")
    assert forecast["series"]["name"] in ("page 0", "page 1"), "a series without a scale is not the typical one"
    assert run.summary()["data"]["missing"] == {"all series": 100}
    backtest = forecast["backtest"]
    assert len(backtest["times"]) == len(backtest["actual"])
    for one in backtest["forecasts"]:
        assert len(one["values"]) == horizon
        assert one["from"] + horizon <= len(backtest["times"])
    day = forecast["worst_day"]
    assert len(day["times"]) == len(day["actual"]) == len(day["prediction"]) == len(day["baseline"])
    assert day["title"].startswith(("page 0, ", "page 1, "))
    if not stamps:
        assert forecast["cycles"][0]["title"] == "hour of the day, as the file counts"
        assert (", hours " if horizon > 1 or len(day["times"]) > 1 else ", hour ") in day["title"]


@pytest.mark.parametrize(
    ("freq", "step", "cycle", "titles"),
    [
        ("D", "day", 7, ["weekday"]),
        ("MS", "month", 12, ["month"]),
        ("15min", "15 minutes", 96, ["hour of the day", "weekday"]),
        (None, "step", 6, ["place in the cycle of 6 steps"]),
        (None, "step", 1, []),
        (None, "15 minutes", 6, ["place in the cycle of 6 steps"]),
    ],
)
def test_errors_are_shown_by_the_cycles_that_the_step_has(freq, step, cycle, titles):
    times = pd.RangeIndex(60) if freq is None else pd.date_range("2024-01-01", periods=60, freq=freq).as_unit("us")
    table = SeriesTable(("y",), np.arange(60.0)[None], times, step, "views")
    windows = Windows(table, np.zeros(20, int), np.arange(30, 50), window=10, horizon=2, cycle=cycle)
    truth = windows.targets
    found = cycles(Backtest(windows, truth, {"prediction": truth + 1}, truth + 2, "two", 1))
    assert [one["title"] for one in found] == titles
    for one in found:
        assert len(one["labels"]) == len(one["network"]) == len(one["baseline"])
        assert {value for value in one["network"] if value is not None} == {1.0}
        assert {value for value in one["baseline"] if value is not None} == {2.0}
