"""The sections about a forecast: what adds up is said, what is missing is left out, and nothing breaks the page."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_runs import HOSTILE, write_run

from practicals.common.report import forecast, forecast_errors, forecast_plots
from practicals.common.report.material import Material, Section, read_material
from practicals.common.report.page import build_report
from practicals.common.report.svg import draw
from practicals.common.run import Run

SCRIPT = "<script>alert(1)</script>"
METRICS = ("mase", "mae", "rmse", "smape_percent", "standardised_mse")
RIDGE = "ridge on log differences"
HOURS, HORIZON = 4896, 24


def _backtest(times: list[str], actual: np.ndarray, horizon: int) -> dict[str, Any]:
    generator = np.random.default_rng(2)
    forecasts = []
    for start in range(0, len(actual) - horizon + 1, horizon):
        values = actual[start : start + horizon] * (1 + 0.05 * generator.standard_normal(horizon))
        forecasts.append(
            {
                "from": start,
                "values": values.tolist(),
                "lower": (0.85 * values).tolist(),
                "upper": (1.2 * values).tolist(),
            }
        )
    return {"times": times, "actual": actual.tolist(), "forecasts": forecasts}


def traffic_summary(text: str = "", *, dated: bool = False, horizon: int = HORIZON) -> dict[str, Any]:
    """Return what the forecast lesson puts into summary.json; `text` goes into every text of a user's."""
    hour = np.arange(HOURS)
    values = np.round(6e8 * (1 + 0.5 * np.sin(2 * np.pi * (hour - 8) / 24)) * np.where(hour % 168 < 120, 1, 0.7))
    stamps = pd.date_range("2020-01-06", periods=HOURS, freq="h").strftime("%Y-%m-%d %H:%M").tolist()
    times = stamps if dated else [str(place) for place in hour]
    thin = np.arange(0, HOURS, 4)
    cuts = {"training": (0, 3916), "validation": (3917, 4161), "calibration": (4162, 4406), "test": (4407, 4895)}
    ahead = np.arange(horizon)
    day = slice(4560, 4560 + horizon)
    return {
        "task": "forecast",
        "unit": f"sessions{text}",
        "forecast": {
            "step": "hour", "steps": "hours", "window": 168, "horizon": horizon, "season": 168,
            "mase_sentence": "MASE divides by the training MAE of the seasonal naive forecast at lag 168.",
            "series": {
                "name": f"webtraffic{text}", "times": [times[i] for i in thin],
                "values": [None if i == 2000 else float(values[i]) for i in thin],
            },
            "parts": [
                {"name": name, "start": times[a], "end": times[b], "from": a // 4, "to": b // 4}
                for name, (a, b) in cuts.items()
            ],
            "by_horizon": {
                "network": (2.1e7 + 6e5 * ahead).tolist(),
                "last value": (8e7 + 2e7 * ahead).tolist(),
                "seasonal naive, 168": np.full(horizon, 6.2e7).tolist(),
                f"{RIDGE}{text}": (2.2e7 + 9e5 * ahead).tolist(),
                "course, fed back": (3e7 + 4e6 * ahead).tolist(),
            },
            "cycles": [
                {"title": "hour of the day", "labels": [f"{h:02d}:00" for h in range(24)],
                 "network": (2e7 + 4e5 * np.arange(24)).tolist(), "baseline": (2.5e7 + 5e5 * np.arange(24)).tolist()},
                {"title": "weekday", "labels": list(forecast_plots.WEEKDAYS),
                 "network": np.linspace(2e7, 4e7, 7).tolist(), "baseline": np.linspace(3e7, 4e7, 7).tolist()},
            ],
            "cycle_baseline": f"{RIDGE}{text}",
            "backtest": _backtest(times[4407:], values[4407:], horizon),
            "worst_day": {
                "title": f"from {times[4560]}{text}", "times": times[day], "actual": values[day].tolist(),
                "prediction": (0.8 * values[day]).tolist(), "lower_95": (0.7 * values[day]).tolist(),
                "upper_95": (0.9 * values[day]).tolist(), "baseline": (0.85 * values[day]).tolist(),
                "baseline_name": f"{RIDGE}{text}", "sentence": f"Its MAE was 1.2e8, six times the usual. {text}",
            },
            "coverage": [
                {"wanted": wanted, "overall": wanted - 0.012, "by_horizon": (wanted - 0.001 * ahead).tolist()}
                for wanted in (0.8, 0.95)
            ],
            "one_step": {
                "moving average": 0.555, "course": 0.0150, "ridge on the lags": 0.0131, f"{RIDGE}{text}": 0.0089,
                "network": 0.0078,
            },
            "lesson_sentence": f"A change of scale was worth more than a deeper network: see `scale`. {text}",
            "handled": [f"3 values below zero were set missing. {text}", "Times were not sorted: sorted by `time`."],
        },
    }  # fmt: skip


def traffic_run(folder: Path, text: str = "", *, dated: bool = False, horizon: int = HORIZON) -> Run:
    """Write a finished run folder of a forecast."""
    run = write_run(folder, text=text)
    summary = {**run.summary(), **traffic_summary(text, dated=dated, horizon=horizon)}
    for key in ("classes", "threshold", "imbalance", "baseline_curves"):
        summary.pop(key)
    summary["data"].pop("class_counts")
    run.write_summary(summary)
    names = ["series", "origin", "horizon", "time", "part", "truth", "prediction"]
    bounds = ["lower_80", "upper_80", "lower_95", "upper_95"]
    line = ["webtraffic", 4407, 1, "4407", "test", 1.0, 1.0, 0.8, 1.2, 0.6, 1.4]
    run.write_table(run.predictions_path, pd.DataFrame([line], columns=names + bounds))
    scores = dict(zip(METRICS, (0.45, 2.8e7, 4.1e7, 5.12, 0.0078), strict=True))
    metrics = run.metrics()
    metrics.update(
        practical="web_traffic",
        train=scores,
        validation=scores,
        test=scores,
        baselines={"last value": scores, f"{RIDGE}{text}": scores},
        primary={"metric": "mase", "direction": "min"},
        verdict={"against": f"{RIDGE}{text}", "result": "better", "difference": -0.07, "interval_95": [-0.1, -0.04]},
    )
    run.write_metrics(metrics)
    return run


IDS = ["series", "handled", "backtest", "horizon", "cycles", "worst_day", "coverage", "one_step"]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Return the material of a good run."""
    return read_material(traffic_run(tmp_path_factory.mktemp("runs") / "good"))


def built(section: Section | None) -> dict[str, Any]:
    """Return the values of a section that must be there."""
    assert section is not None
    assert section.template == "drawn"
    return section.values


def changed(material: Material, **parts: Any) -> Material:
    """Return the material with other parts in the summary's `forecast`; None takes one away."""
    about = {**material.summary["forecast"], **parts}
    about = {key: value for key, value in about.items() if value is not None}
    return dataclasses.replace(material, summary={**material.summary, "forecast": about})


def test_errors_that_add_up_are_said_with_their_numbers() -> None:
    direct, fed_back = np.array([10.0, 12.0, 15.0]), np.array([10.0, 20.0, 40.0])
    said = forecast_errors.errors_add_up(direct, fed_back, "sessions", "hours")
    assert said is not None
    assert said.startswith("Errors add up.")
    assert "grows from 10.00 to 40.00 sessions over 3 hours (4.0 times)" in said
    assert "the direct forecast's from 10.00 to 15.00 (1.5 times)" in said


@pytest.mark.parametrize(
    "fed_back",
    [[10.0, 12.0, 15.0], [2.0, 4.0, 8.0]],
    ids=["grows alike", "grows faster and is still the better one"],
)
def test_errors_that_do_not_add_up_are_not_said_to(fed_back: list[float]) -> None:
    said = forecast_errors.errors_add_up(np.array([10.0, 12.0, 15.0]), np.array(fed_back), "", "hours")
    assert said is not None
    assert "does not show" in said
    assert not said.startswith("Errors add up")


def test_one_step_alone_cannot_add_up() -> None:
    assert forecast_errors.errors_add_up(np.array([1.0]), np.array([2.0]), "", "hours") is None
    assert forecast_errors.errors_add_up(np.array([0.0, 1.0]), np.array([1.0, 2.0]), "", "hours") is None


def test_the_table_by_horizon_is_ranked_and_marks_the_network(material: Material) -> None:
    errors = {"network": [2.0, 4.0, 6.0], "last value": [1.0, 1.0, 4.0], "course, fed back": [9.0, 9.0, 9.0]}
    values = built(forecast.by_horizon(changed(material, by_horizon=errors)))
    [listed] = values["tables"]
    assert listed["header"] == ["MAE, sessions", "1 ahead", "2 ahead", "3 ahead", "Mean of all"]
    assert [row[0] for row in listed["rows"]] == ["last value", "network", "course, fed back"]
    assert listed["rows"][1][1:] == ["2.0000", "4.0000", "6.0000", "4.0000"]
    assert listed["chosen"] == 1
    assert "does not show" in values["key"]
    plain = {name: errors[name] for name in ("network", "last value")}
    assert built(forecast.by_horizon(changed(material, by_horizon=plain)))["key"] is None


def test_a_step_without_known_errors_does_not_hide_which_forecast_is_best(tmp_path: Path) -> None:
    run = traffic_run(tmp_path / "run", horizon=3)
    summary = run.summary()
    summary["forecast"]["by_horizon"] = {
        "network": [2.0, None, 4.0], "good": [1.0, None, 2.0], "poor": [5.0, None, 9.0], "absent": [None] * 3,
    }  # fmt: skip
    run.write_summary(summary)
    section = forecast_errors.by_horizon(read_material(run))
    assert section is not None
    [table] = section.values["tables"]
    assert [row[0] for row in table["rows"]] == ["good", "network", "poor"]
    assert table["rows"][0][-1] == "1.5000"
    assert forecast_errors.errors_add_up(np.array([1.0, np.nan]), np.array([1.0, 2.0]), "", "hours") is None


def test_one_step_ahead_needs_no_plot_over_the_horizon(tmp_path: Path) -> None:
    one = read_material(traffic_run(tmp_path / "run", horizon=1))
    values = built(forecast.by_horizon(one))
    assert not values["plots"]
    assert values["tables"][0]["header"] == ["MAE, sessions", "1 ahead"]
    assert built(forecast.coverage(one))["tables"][0]["header"] == ["Promised", "Inside"]
    assert "the next hour; then" in built(forecast.backtest(one))["lead"]
    assert built(forecast.worst_day(one))["plots"]


def test_coverage_by_hand(material: Material) -> None:
    found = [
        {"wanted": 0.8, "overall": 0.7931, "by_horizon": [0.81, 0.75, None]},
        {"wanted": 0.95, "overall": 0.9, "by_horizon": []},
    ]
    values = built(forecast.coverage(changed(material, coverage=found)))
    assert values["tables"][0]["rows"] == [["80 %", "79.3 %", "75.0 %"], ["95 %", "90.0 %", "\N{EN DASH}"]]


def test_one_step_ahead_tells_the_lesson_and_the_measure(material: Material) -> None:
    values = built(forecast.one_step(material))
    [listed] = values["tables"]
    assert [row[0] for row in listed["rows"]] == ["network", RIDGE, "ridge on the lags", "course", "moving average"]
    assert listed["rows"][4][1:] == ["0.5550", "71.15"]
    assert listed["chosen"] == 0
    assert "at lag 168" in values["lead"]
    assert values["key"].startswith("A change of scale was worth more")
    # A model without errors has no place on a logarithmic axis; the table still has it.
    exact = built(forecast.one_step(changed(material, one_step={"network": 0.5, "last value": 0.0})))
    assert not exact["plots"]
    assert len(exact["tables"][0]["rows"]) == 2


def test_the_backtest_says_how_often_a_forecast_is_drawn(material: Material) -> None:
    assert "One forecast every 24 hours is drawn" in built(forecast.backtest(material))["lead"]


def test_only_a_backtest_of_several_rows_is_read_row_by_row(material: Material) -> None:
    assert "Read row by row" in built(forecast.backtest(material))["plots"][0].reading
    summary = dict(material.summary)
    short = _backtest([str(step) for step in range(48)], np.ones(48), 24)
    summary["forecast"] = {**summary["forecast"], "backtest": short}
    one_row = dataclasses.replace(material, summary=summary)
    assert built(forecast.backtest(one_row))["plots"][0].reading.startswith("The thin line is what happened")


def test_a_long_backtest_is_cut_into_rows_that_hold_all_forecasts(material: Material) -> None:
    found = material.summary["forecast"]["backtest"]
    actual = np.array(found["actual"], "float64")
    figure = forecast_plots.backtest(found["times"], actual, found["forecasts"], "hour", "sessions")
    assert len(figure.axes) == 3
    # In each row one line of what happened, and seven, seven and six forecasts.
    assert [len(axes.lines) - 1 for axes in figure.axes] == [7, 7, 6]
    drawn = sum(len(axes.lines[0].get_xdata()) for axes in figure.axes)
    assert drawn == len(found["times"])
    assert max(axes.get_figure().get_figwidth() for axes in figure.axes) == pytest.approx(4.2)


def hours(start: str, count: int, frequency: str = "h") -> list[str]:
    return pd.date_range(start, periods=count, freq=frequency).strftime("%Y-%m-%d %H:%M").tolist()


@pytest.mark.parametrize(
    ("times", "labels"),
    [
        (["4407", "4408"], {}),
        (hours("2021-03-01", 24), {0: "00:00", 6: "06:00", 12: "12:00", 18: "18:00"}),
        (hours("2021-03-01 12:00", 72), {12: "2 Mar", 36: "3 Mar", 60: "4 Mar"}),
        (hours("2019-01-01", 5, "YS"), {0: "Jan 2019", 1: "Jan 2020", 2: "Jan 2021", 3: "Jan 2022", 4: "Jan 2023"}),
        (["week one", "week two"], {0: "week one", 1: "week two"}),
    ],
    ids=["step numbers", "within a day", "days", "years", "no times at all"],
)
def test_times_on_an_axis_are_short_and_round(times: list[str], labels: dict[int, str]) -> None:
    assert forecast_plots.time_labels(times) == labels


def test_step_numbers_keep_their_place_on_the_axis() -> None:
    assert forecast_plots.places(["4407", "4409"]).tolist() == [4407.0, 4409.0]
    assert forecast_plots.places(["2021-03-01", "2021-03-02"]).tolist() == [0.0, 1.0]


def test_gaps_are_gaps_and_unknown_parts_are_drawn() -> None:
    parts = [{"name": "warm-up", "from": 0, "to": 1}, {"name": "test", "from": 2, "to": 99}]
    values = np.array([1.0, np.nan, 3.0, 4.0])
    figure = forecast_plots.series(["0", "1", "2", "3"], values, parts, "step", "")
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [3, 2]
    assert draw("series", lambda: figure).count("<path") > 4


def test_sections_without_material_are_left_out(material: Material) -> None:
    nothing = dataclasses.replace(material, summary={}, predictions=pd.DataFrame())
    assert [section(nothing) for section in forecast.SECTIONS] == [None] * len(forecast.SECTIONS)
    for id_, section in zip(IDS, forecast.SECTIONS, strict=True):
        key = {"horizon": "by_horizon"}.get(id_, id_)
        assert section(changed(material, **{key: None})) is None


def test_the_whole_page_is_repeatable_and_shows_hostile_names_as_text(tmp_path: Path) -> None:
    run = traffic_run(tmp_path / "run", text=f"{SCRIPT}{HOSTILE}", dated=True)
    html = build_report(run).read_bytes()
    assert build_report(run).read_bytes() == html
    text = html.decode()
    assert "<script" not in text
    # Series, unit, baseline, title of the worst day, sentences.
    assert text.count("&lt;script&gt;alert(1)") > 10
    assert [name for name in re.findall(r'<section id="([^"]+)"', text) if name in IDS] == IDS
    assert not re.search(r">\s*(nan|inf|None)\s*<", text)
