"""Explanations of forecasts are checked against models whose lags are known."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from practicals.common.data.series import SeriesTable
from practicals.common.data.split import Split
from practicals.common.data.windows import Windows, time_split
from practicals.common.errors import PracticalError, RunError
from practicals.common.explain import Explanation, read_explanations
from practicals.common.explain.usual import level, mixed, part_texts, traced_forecast, usual_windows
from practicals.common.explain.window_parts import Parts, block_name, parts_by_block, parts_by_step
from practicals.common.explain.windows import GLOBAL_WINDOWS, explain_windows
from practicals.common.report.explained import explanations
from practicals.common.report.material import Material
from practicals.common.run import Run

WINDOW = 168
SHARES = SimpleNamespace(validation=0.1, calibration=0.1, test=0.2)


def hourly(names: tuple[str, ...] = ("site",), weeks: int = 20, seed: int = 0) -> SeriesTable:
    """Sessions with a daily wave, a level that wanders, and noise of a tenth."""
    random = np.random.default_rng(seed)
    steps = np.arange(weeks * 168)
    wave = 100 + 40 * np.sin(2 * np.pi * steps / 24)
    sizes = 10.0 ** np.arange(len(names))[:, None]
    wander = np.exp(np.cumsum(random.normal(0, 0.01, (len(names), len(steps))), axis=1))
    return SeriesTable(
        names=names,
        values=sizes * wave * wander * np.exp(random.normal(0, 0.1, (len(names), len(steps)))),
        times=pd.date_range("2024-01-01", periods=len(steps), freq="h"),
        step="hour",
        unit="sessions",
    )


def split_of(table: SeriesTable, horizon: int = 1) -> Split[Windows]:
    return time_split(table, window=WINDOW, horizon=horizon, cycle=168, shares=SHARES)


def linear(weights: dict[int, float], horizon: int = 1, window: int = WINDOW) -> keras.Model:
    """A model that forecasts the same weighted sum of lags for every step; lag 1 is the last known one."""
    values = keras.Input((window,), name="values")
    phase = keras.Input((1,), name="origin_phase", dtype="int32")
    output = keras.layers.Dense(horizon, use_bias=False)
    # The phase is an input that must be there, and does not count.
    ignored = 0.0 * keras.ops.cast(phase, "float32")
    model = keras.Model({"values": values, "origin_phase": phase}, {"prediction": output(values) + ignored})
    kernel = np.zeros((window, horizon))
    for lag, weight in weights.items():
        kernel[window - lag] = weight
    output.set_weights([kernel])
    return model


def by_name(explanation: Explanation) -> dict[str, float]:
    return {item.feature: item.contribution for item in explanation.attributions}


@pytest.fixture(scope="module")
def split() -> Split[Windows]:
    return split_of(hourly())


@pytest.fixture(scope="module")
def planted() -> keras.Model:
    return linear({1: 0.7, 24: 0.3})


@pytest.fixture(scope="module")
def explained(planted, split) -> dict[str, Explanation]:
    return explain_windows(
        planted, split.train, windows=split.test, window=split.test[[50]], subject="x", seasons=(24, 168), seed=3
    )


def test_hourly_windows_are_cut_into_hours_of_the_last_day_and_whole_days():
    parts = parts_by_step(168, 24, (24, 168), "hour")
    assert dict(zip(parts.names, parts.lags, strict=True)) == {
        "last hour": (1, 1),
        "2-3 hours ago": (2, 3),
        "4-6 hours ago": (4, 6),
        "7-12 hours ago": (7, 12),
        "13-24 hours ago": (13, 24),
        **{f"{day} days ago": (24 * day - 23, 24 * day) for day in range(2, 8)},
    }
    assert parts.title == "by hour"
    days = parts_by_block(168, (24, 168), "hour")
    assert days.names == ("last day", *(f"{day} days ago" for day in range(2, 8)))
    assert days.title == "by day"


def test_the_same_hour_yesterday_and_last_week_are_parts_when_one_step_is_forecast():
    parts = dict(zip(*(lambda p: (p.names, p.lags))(parts_by_step(168, 1, (24, 168), "hour")), strict=True))
    assert parts["24 hours ago"] == (24, 24)
    assert parts["168 hours ago"] == (168, 168)
    assert parts["145-167 hours ago"] == (145, 167)


def test_daily_windows_are_cut_into_the_days_of_the_last_week_and_whole_weeks():
    parts = parts_by_step(56, 7, (7,), "day")
    assert parts.names[:8] == ("last day", *(f"{day} days ago" for day in range(2, 8)), "2 weeks ago")
    assert parts.lags[-1] == (50, 56)
    assert parts_by_block(56, (7,), "day").names[:2] == ("last week", "2 weeks ago")


@pytest.mark.parametrize("window", [1, 2, 7, 10, 24, 25, 100, 168, 1000])
@pytest.mark.parametrize("horizon", [1, 5, 24])
@pytest.mark.parametrize(
    ("seasons", "step"), [((24, 168), "hour"), ((7,), "day"), ((96,), "15 minutes"), ((1,), "step")]
)
def test_every_window_is_covered_exactly_once_by_a_handful_of_parts(window, horizon, seasons, step):
    for parts in (parts_by_step(window, horizon, seasons, step), parts_by_block(window, seasons, step)):
        if parts is not None:
            covered = [place for start, stop in parts.places() for place in range(start, stop)]
            assert sorted(covered) == list(range(window))
            assert len(parts.names) <= 30


def test_parts_that_miss_a_step_or_hold_one_twice_are_refused():
    assert Parts("by hour", "hours", 3, ("near", "far"), ((1, 1), (2, 3))).part_of_place().tolist() == [1, 1, 0]
    for lags in (((1, 1), (3, 3)), ((1, 2), (2, 3)), ((1, 1), (2, 4))):
        with pytest.raises(ValueError, match=r"must cover lags 1\.\.3 once each"):
            Parts("by hour", "hours", 3, ("near", "far"), lags)


@pytest.mark.parametrize(
    ("step", "block", "name"),
    [("hour", 24, "day"), ("15 minutes", 96, "day"), ("minute", 60, "hour"), ("month", 12, "year"), ("step", 24, None)],
)
def test_a_block_has_the_name_that_people_give_it(step, block, name):
    assert block_name(step, block) == name


def test_parts_of_steps_of_15_minutes_are_named_by_minutes():
    assert parts_by_step(192, 96, (96,), "15 minutes").names[:2] == ("last 15 minutes", "16-45 minutes ago")
    assert parts_by_step(48, 1, (12,), "step").names[0] == "last step"


def test_what_is_usual_ends_at_the_same_place_of_the_week_and_has_the_level_of_the_window(split):
    window = split.test[[50]]
    usual = usual_windows(split.train, window, seed=0)
    same = split.train[split.train.phase == window.phase[0]]
    assert len(usual) == len(same) // 2 * 2 >= 10  # two halves of equal size
    np.testing.assert_allclose(level(usual), level(window.values)[0], rtol=1e-6)
    shapes = {tuple(np.round(one / one[0], 6)) for one in same.values}
    assert {tuple(np.round(one / one[0], 6)) for one in usual} <= shapes


def test_what_is_usual_depends_on_training_windows_only(split):
    window = split.test[[50]]
    table = split.train.table
    before = usual_windows(split.train, window, seed=0)
    changed = SeriesTable(table.names, table.values.copy(), table.times, table.step, table.unit)
    # All that comes after the last training target, without the explained window itself.
    start, stop = int(split.train.origins.max()) + 1, int(window.origins[0]) - WINDOW
    assert stop > start + 100
    changed.values[:, start:stop] *= 3
    moved = [
        Windows(changed, part.series, part.origins, window=WINDOW, horizon=1, cycle=168)
        for part in (split.train, window)
    ]
    np.testing.assert_array_equal(usual_windows(*moved, seed=0), before)


def test_a_series_is_compared_with_itself_and_a_new_one_with_all():
    parts = split_of(hourly(("small", "large")))
    large = parts.test[[int(np.argmax(parts.test.series == 1))]]
    usual = usual_windows(parts.train, large, seed=0)
    own = parts.train[(parts.train.phase == large.phase[0]) & (parts.train.series == 1)]
    assert len(usual) == len(own) // 2 * 2
    stranger = split_of(hourly(("new",), seed=9)).test[[3]]
    assert len(usual_windows(parts.train, stranger, seed=0)) > len(own)


def test_few_training_windows_of_one_place_are_filled_up_from_other_places(split):
    few = split.train[:30]
    assert len(usual_windows(few, split.test[[0]], seed=0)) >= 10
    assert len(usual_windows(split.train[:1], split.test[[0]], seed=0)) == 2


def test_an_empty_week_is_not_usual_unless_there_is_no_other(split):
    table = split.train.table
    values = table.values.copy()
    values[:, : 6 * 168] = 0
    gaps = SeriesTable(table.names, values, table.times, table.step, table.unit)
    part = Windows(gaps, split.train.series, split.train.origins, window=WINDOW, horizon=1, cycle=168)
    window = split.test[[50]]
    usual = usual_windows(part, window, seed=0)
    np.testing.assert_allclose(level(usual), level(window.values)[0], rtol=1e-6)
    nothing = part[part.origins <= 6 * 168]
    assert not usual_windows(nothing, window, seed=0).any()


def test_a_part_is_taken_whole_from_the_window_or_from_a_usual_one():
    parts = Parts("by hour", "hours", 4, ("near", "far"), ((1, 1), (2, 4)))
    seen = []

    def forecast(values, phase):
        seen.extend(values.tolist())
        return values[:, -1:]

    own, usual = np.array([1.0, 2, 3, 4]), np.array([[10.0, 20, 30, 40], [100, 200, 300, 400]])
    answer = mixed(forecast, own, usual, parts, 0)(np.array([[-1.0, -1], [-1, 0], [1, -1]]))
    assert seen == [[1, 2, 3, 4], [10, 20, 30, 4], [1, 2, 3, 400]]
    assert answer.tolist() == [4, 4, 400]


def test_shap_finds_exactly_the_two_lags_that_carry_the_forecast(explained, split):
    explanation = explained["shap_row"]
    window = split.test[[50]]
    own = window.values[0]
    usual = usual_windows(split.train, window, seed=3)
    used = usual.mean(axis=0)
    found = by_name(explanation)
    assert found["last hour"] == pytest.approx(0.7 * (own[-1] - used[-1]), rel=1e-4, abs=1e-4)
    assert found["24 hours ago"] == pytest.approx(0.3 * (own[-24] - used[-24]), rel=1e-4, abs=1e-4)
    assert max(abs(value) for name, value in found.items() if name not in ("last hour", "24 hours ago")) < 1e-4
    assert explanation.base_value == pytest.approx(0.7 * used[-1] + 0.3 * used[-24], rel=1e-5)
    assert explanation.prediction == pytest.approx(0.7 * own[-1] + 0.3 * own[-24], rel=1e-5)


def test_shap_adds_up_to_the_mean_of_the_forecast_of_a_network_that_bends(split):
    values = keras.Input((WINDOW,), name="values")
    phase = keras.Input((1,), name="origin_phase", dtype="int32")
    keras.utils.set_random_seed(0)
    wave = keras.layers.Flatten()(keras.layers.Embedding(168, 4)(phase))
    hidden = keras.layers.Dense(16, "tanh")(keras.layers.Concatenate()([keras.ops.log1p(values), wave]))
    model = keras.Model([values, phase], {"prediction": keras.ops.exp(keras.layers.Dense(24)(hidden))})
    parts = split_of(hourly(), horizon=24)
    window = parts.test[[7]]
    explanation = explain_windows(model, parts.train, window=window, seasons=(24,), methods=("shap",))["shap_row"]
    inputs = {"values": window.values.astype("float32"), "origin_phase": window.phase[:, None]}
    said = np.asarray(model([inputs["values"], inputs["origin_phase"]])["prediction"])[0]
    assert explanation.prediction == pytest.approx(said.mean(), rel=1e-5)
    total = explanation.base_value + sum(by_name(explanation).values())
    assert total == pytest.approx(explanation.prediction, rel=1e-5)
    np.testing.assert_allclose(explanation.window.forecast, said, rtol=1e-5)


def test_lime_finds_the_same_two_lags(explained):
    shap, lime = by_name(explained["shap_row"]), by_name(explained["lime_row"])
    for name in ("last hour", "24 hours ago"):
        assert lime[name] == pytest.approx(shap[name], rel=0.1, abs=0.5)
    strongest = max(abs(value) for value in lime.values())
    assert max(abs(value) for name, value in lime.items() if shap[name] == 0) < 0.05 * strongest
    total = explained["lime_row"].base_value + sum(lime.values())
    assert total == pytest.approx(explained["lime_row"].settings["local_prediction"])
    fit, stability, agreement = explained["lime_row"].checks
    assert fit.value > 0.99
    assert stability.passed
    assert agreement.passed


def test_over_many_forecasts_the_two_lags_come_first_in_the_order_of_their_weights(explained):
    found = by_name(explained["shap_global"])
    assert list(found)[:2] == ["last hour", "24 hours ago"]
    assert found["last hour"] > 1.5 * found["24 hours ago"]
    assert list(found.values())[2] < 1e-4
    assert by_name(explained["shap_global_blocks"])["last day"] > 0
    assert list(by_name(explained["shap_global_blocks"]).values())[1] < 1e-4
    assert all(check.passed for name in ("shap_global", "shap_global_blocks") for check in explained[name].checks)


def test_a_model_that_reads_its_lags_backwards_is_seen_at_once(split):
    backwards = linear({WINDOW: 0.7, WINDOW - 23: 0.3})
    found = explain_windows(backwards, split.train, window=split.test[[50]], seasons=(24, 168), methods=("shap",))
    names = list(by_name(found["shap_row"]))
    assert set(names[:2]) == {"168 hours ago", "145-167 hours ago"}
    assert by_name(found["shap_row"])["last hour"] == pytest.approx(0, abs=1e-4)


def test_the_trace_follows_the_attributions_and_holds_the_window_as_it_was(explained, split):
    trace = explained["shap_row"].window
    own = split.test[[50]].values[0]
    np.testing.assert_allclose(trace.values, own)
    assert len(trace.usual) == WINDOW
    assert trace.steps == "hours"
    places = dict(zip(by_name(explained["shap_row"]), trace.places, strict=True))
    assert places["last hour"] == (167, 168)
    assert places["24 hours ago"] == (144, 145)
    assert sorted(place for start, stop in trace.places for place in range(start, stop)) == list(range(WINDOW))
    assert explained["shap_global"].window.values == ()
    assert explained["shap_global"].window.window == WINDOW


def test_what_a_part_was_is_said_beside_what_is_usual():
    parts = Parts("by hour", "hours", 3, ("near", "far"), ((1, 1), (2, 3)))
    assert part_texts(np.array([1.0, 3.0, 5.0]), np.array([[2.0, 2, 4], [4, 4, 8]]), parts) == [
        "5.00, usually 6.00",
        "2.00, usually 3.00",
    ]
    large = part_texts(1e9 * np.array([1.0, 3.0, 1.418]), 1e9 * np.array([[2.0, 2, 1.3]]), parts)
    assert large[0] == "1,418, usually 1,300 million"


def test_a_small_series_counts_as_much_as_a_large_one():
    parts = split_of(hourly(("small", "large")))
    found = explain_windows(linear({1: 1.0}), parts.train, windows=parts.test, seasons=(24, 168))["shap_global"]
    assert found.unit == "% of the series' level"
    assert 50 < found.prediction < 150
    assert np.abs(found.swarm.contributions).max() < 200


def test_series_of_small_numbers_are_measured_by_their_own_level():
    table = hourly(("small", "large"))
    parts = split_of(replace(table, values=table.values / 1e6))
    found = explain_windows(linear({1: 1.0}), parts.train, windows=parts.test, seasons=(24, 168))["shap_global"]
    assert 50 < found.prediction < 150


def test_global_explanations_are_of_some_dozens_of_forecasts_and_the_same_seed_repeats_them(explained, planted, split):
    again = explain_windows(
        planted, split.train, windows=split.test, window=split.test[[50]], seasons=(24, 168), seed=3
    )
    for name, explanation in again.items():
        assert explanation.attributions == explained[name].attributions
    assert len(again["shap_global"].swarm.contributions) == GLOBAL_WINDOWS
    few = explain_windows(planted, split.train, windows=split.test[:3], seasons=(24, 168), seed=3)
    assert few["shap_global"].settings["windows"] == 3


def test_only_what_was_asked_for_is_explained(planted, split):
    found = explain_windows(
        planted, split.train, windows=split.test, window=split.test[[0]], seasons=(24,), methods=("lime",)
    )
    assert list(found) == ["lime_row"]
    with pytest.raises(PracticalError, match=r"Did you mean 'lime'\?"):
        explain_windows(planted, split.train, seasons=(24,), methods=("limee",))


def test_a_model_that_gives_no_number_is_refused_in_one_line(split):
    with pytest.raises(RunError, match="gives no number for 2 of 2 windows"):
        traced_forecast(linear({1: float("nan")}), WINDOW)(split.test[:2].values, 0)


def test_a_window_without_any_traffic_has_nothing_to_explain(planted, split):
    table = split.train.table
    empty = SeriesTable(table.names, np.zeros_like(table.values), table.times, table.step, table.unit)
    window = Windows(empty, np.array([0]), np.array([3000]), window=WINDOW, horizon=1, cycle=168)
    for explanation in explain_windows(planted, split.train, window=window, seasons=(24, 168)).values():
        json.dumps(explanation.to_json(), allow_nan=False)
        assert all("No part of the window changes the prediction" in check.sentence for check in explanation.checks)


def test_checks_speak_of_parts_and_forecasts_not_of_columns_and_rows(explained):
    for explanation in explained.values():
        for check in explanation.checks:
            assert not {"column", "columns", "row", "rows"} & set(check.sentence.replace(",", " ").split())


def test_explanations_of_forecasts_survive_the_run_folder_and_are_drawn(explained, tmp_path):
    run = Run.create(tmp_path, "churn")
    for name, explanation in explained.items():
        explanation.write(run, name)
    assert read_explanations(run) == explained
    material = Material(run, {}, {}, {}, pd.DataFrame(), pd.DataFrame(), read_explanations(run))
    parts = explanations(material).values["parts"]
    assert [part["title"] for part in parts] == [
        "SHAP by hour: 40 forecasts together",
        "SHAP by day: 40 forecasts together",
        "SHAP: forecast x",
        "LIME: forecast x",
    ]
    for part in parts:
        assert part["feature"] == "Part of the window"
        assert "column" not in part["lead"]
        assert any(plot.name.endswith("_window") for plot in part["plots"])
        for plot in part["plots"]:
            assert "column" not in plot.title + plot.reading
            assert (run.plots_folder / f"{plot.name}.svg").is_file()
