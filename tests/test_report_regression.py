"""The sections about a predicted quantity: numbers by hand, nothing hidden, nothing drawn that is not there."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_runs import HOSTILE, write_run

from practicals.common.report import bands, regression, regression_plots
from practicals.common.report.material import Material, Section, read_material
from practicals.common.report.page import build_report
from practicals.common.report.readable import human, is_wide, scale
from practicals.common.report.svg import draw, new_figure
from practicals.common.run import Run

MINUS = "\N{MINUS SIGN}"
SCRIPT = "<script>alert(1)</script>"
METRICS = ("rmse", "mae", "median_ae", "r2", "adjusted_r2", "mape_percent")


def house_predictions(rows: int = 2160) -> pd.DataFrame:
    """Return made-up sales: prices log-normal like those of kc_house, predictions off by 17 % as a rule."""
    generator = np.random.default_rng(3)
    truth = np.round(np.exp(13.05 + 0.53 * generator.standard_normal(2 * rows)))
    noise = 0.13 * generator.standard_t(4, 2 * rows)
    prediction = np.exp(13.05 + 0.93 * (np.log(truth) - 13.05) + noise)
    return pd.DataFrame(
        {
            "id": 7129300520 + np.arange(2 * rows),
            "part": ["validation"] * rows + ["test"] * rows,
            "truth": truth,
            "prediction": prediction,
            "lower_90": np.expm1(np.log1p(prediction) - 0.26),
            "upper_90": np.expm1(np.log1p(prediction) + 0.26),
        }
    )


def house_summary(predictions: pd.DataFrame, text: str = "") -> dict[str, Any]:
    """Return what the regression lesson puts into summary.json; `text` goes into every text of a user's."""
    test = predictions[predictions["part"] == "test"]
    generator = np.random.default_rng(4)
    living = np.round(np.exp(0.7 * np.log(test["truth"]) - 1.6 + 0.2 * generator.standard_normal(len(test))))
    order = np.argsort(-np.abs(test["prediction"] - test["truth"]).to_numpy())[:10]
    far = test.iloc[order]
    return {
        "task": "regression",
        "unit": "USD",
        "regression": {
            "target": f"price{text}",
            "features": [
                {"name": "sqft_living", "unit": "square feet", "values": living.tolist()},
                {"name": f"grade{text}", "unit": "", "values": generator.integers(4, 13, len(test)).tolist()},
                {"name": "lat", "unit": "degrees", "values": (47.2 + 0.6 * generator.random(len(test))).tolist()},
                {"name": "yr_built", "unit": "year", "values": generator.integers(1900, 2015, len(test)).tolist()},
            ],
            "worst": {
                "columns": ["id", "truth", "prediction", "error", f"zipcode{text}", "yr_built", "lat"],
                "rows": [
                    [str(one.id), one.truth, one.prediction, one.prediction - one.truth, f"98039{text}", 1955, 47.6289]
                    for one in far.itertuples()
                ],
            },
            "losses": [
                {"name": "mse", "sentence": f"Squares errors, so outliers rule. {text}", "rmse": 118210.0,
                 "mae": 64120.0, "median_ae": 37150.0, "chosen": False},
                {"name": "mae", "sentence": "Counts each error by its size; aims at the median.", "rmse": 121034.0,
                 "mae": 61870.0, "median_ae": 35021.0, "chosen": False},
                {"name": "huber", "sentence": "Squares small errors and counts large ones by their size.",
                 "rmse": 117020.0, "mae": 61020.0, "median_ae": 35411.0, "chosen": True},
                {"name": "log_cosh", "sentence": "Much like Huber, with a soft turn.", "rmse": 117500.0,
                 "mae": 61311.0, "median_ae": 35200.0, "chosen": False},
            ],
            "loss": {"name": "huber", "sentence": "Huber with `delta` 1 was used."},
            "interval": {
                "coverage_wanted": 0.9, "quantile": 0.26, "space": "log", "calibration_rows": 2160,
                "sentence": "Each interval is the prediction divided and multiplied by 1.30, the factor that held 90 % "
                "of 2,160 calibration rows.",
            },
            "differences": [
                {"against": name, "metric": metric, "difference": size * middle, "low": size * low, "high": size * high}
                for metric, size in (("rmse", 1.0), ("mae", 0.6))
                for name, middle, low, high in (
                    ("mean of the training rows", -251034.0, -278110.0, -224000.0),
                    ("linear regression", -71022.0, -91233.0, -52010.0),
                    (f"gradient boosting on log price{text}", -3120.0, -9054.0, 2833.0),
                )
            ],
            "columns": [
                {"name": f"price{text}", "kind": "target", "why": "Named by the setting `target`."},
                {"name": "id", "kind": "left out", "why": "An identifier: it ties rows of one house together."},
                {"name": "date", "kind": "date", "why": "Read as days since 1970."},
            ],
        },
    }  # fmt: skip


def house_run(folder: Path, text: str = "", rows: int = 2160) -> Run:
    """Write a finished run folder of a regression."""
    run = write_run(folder, text=text)
    predictions = house_predictions(rows)
    run.write_table(run.predictions_path, predictions)
    summary = {**run.summary(), **house_summary(predictions, text)}
    for key in ("classes", "threshold", "imbalance", "baseline_curves"):
        summary.pop(key)
    summary["data"].pop("class_counts")
    run.write_summary(summary)
    scores = dict(zip(METRICS, (117020.0, 61020.0, 35411.0, 0.901, 0.9, 12.1), strict=True))
    metrics = run.metrics()
    metrics.update(
        practical="regression",
        train=scores,
        validation=scores,
        test=scores,
        baselines=dict.fromkeys(("linear regression", f"gradient boosting on log price{text}"), scores),
        primary={"metric": "rmse", "direction": "min", "unit": "USD"},
        verdict={
            "against": f"gradient boosting on log price{text}",
            "result": "no clear difference",
            "difference": -3120.0,
            "interval_95": [-9054.0, 2833.0],
        },
    )
    run.write_metrics(metrics)
    return run


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Return the material of a good run."""
    return read_material(house_run(tmp_path_factory.mktemp("runs") / "good"))


def built(section: Section | None) -> dict[str, Any]:
    """Return the values of a section that must be there."""
    assert section is not None
    assert section.template == "drawn"
    return section.values


def without(material: Material, *keys: str) -> Material:
    """Return the material without some keys of the summary's `regression`."""
    kept = {key: value for key, value in material.summary["regression"].items() if key not in keys}
    return dataclasses.replace(material, summary={**material.summary, "regression": kept})


def of_rows(material: Material, truth: list[float], prediction: list[float], half: float = 5.0) -> Material:
    """Return the material with these test rows alone, each with the interval prediction +- half."""
    table = pd.DataFrame({"id": range(len(truth)), "part": "test", "truth": truth, "prediction": prediction})
    table["lower_90"], table["upper_90"] = table["prediction"] - half, table["prediction"] + half
    return dataclasses.replace(without(material, "features"), predictions=table)


def test_a_table_of_bands_by_hand(material: Material) -> None:
    truth = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0]
    prediction = [12.0, 22.0, 30.0, 36.0, 50.0, 60.0, 70.0, 90.0, 80.0, 120.0]
    few = of_rows(material, truth, prediction)
    [listed] = built(bands.error_bands(few))["tables"]
    assert listed["header"] == [
        "Actual, USD", "Rows", "MAE, USD", "Mean error in percent", "Bias, USD", "Inside the 90 % interval",
    ]  # fmt: skip
    assert listed["rows"] == [
        ["10.00 to 20.00", "2", "2.0000", "15.0", "+2.0000", "100.0 %"],
        ["30.00 to 40.00", "2", "2.0000", "5.0", f"{MINUS}2.0000", "100.0 %"],
        ["50.00 to 60.00", "2", "0.0000", "0.0", "+0.0000", "100.0 %"],
        ["70.00 to 80.00", "2", "5.0000", "6.2", "+5.0000", "50.0 %"],
        ["90.00 to 100.0", "2", "15.00", "15.6", "+5.0000", "0.0 %"],
    ]


def test_coverage_is_counted_overall_by_predicted_and_by_actual_band(material: Material) -> None:
    # The order of the predictions is the reverse of that of the truths, so the two kinds of bands differ.
    truth = [float(value) for value in range(100, 110)]
    prediction = truth[::-1]
    values = built(bands.intervals(of_rows(material, truth, prediction, half=4.0)))
    # |truth - prediction| is 9, 7, 5, 3, 1, 1, 3, 5, 7, 9: four of ten lie within 4.
    assert "10 test rows 40.0 % do" in values["lead"]
    assert "8.0000 USD wide" in values["lead"]
    by_predicted, by_actual = ([row[2] for row in listed["rows"]] for listed in values["tables"])
    assert by_predicted == by_actual == ["0.0 %", "50.0 %", "100.0 %", "50.0 %", "0.0 %"]
    assert [listed["header"][0] for listed in values["tables"]] == ["Predicted, USD", "Actual, USD"]
    # With all truths far below, every band of the actual value is empty of hits, by either order.
    low = built(bands.intervals(of_rows(material, [1.0, 2.0], [50.0, 10.0])))
    assert [row[0] for row in low["tables"][0]["rows"]] == ["10.00 to 10.00", "50.00 to 50.00"]
    assert "2 test rows 0.0 % do" in low["lead"]


def test_equal_values_stay_in_one_band() -> None:
    rows = pd.DataFrame({"truth": [1.0] * 8 + [2.0, 3.0], "prediction": 1.0})
    found = bands.bands(rows["truth"].to_numpy(), rows)
    assert [(band.low, band.high, band.rows) for band in found] == [(1.0, 1.0, 8), (2.0, 3.0, 2)]
    assert np.isnan(found[0].width)


def test_a_truth_of_zero_has_no_percentage(material: Material) -> None:
    few = of_rows(material, [0.0, 10.0, 20.0, 30.0, 40.0], [1.0, 11.0, 21.0, 31.0, 41.0])
    values = built(bands.error_bands(few))
    assert values["tables"][0]["rows"][0][3] == "\N{EN DASH}"
    assert values["tables"][0]["rows"][1][3] == "10.0"
    assert [plot.name for plot in values["plots"]] == ["bands_error"]
    assert "lie within 10 %" not in built(regression.predicted(few))["lead"]


def test_the_interval_of_a_share_is_that_of_wilson() -> None:
    low, high = bands.share_interval(np.array([9.0, 0.0]), np.array([10.0, 10.0]))
    assert low == pytest.approx([0.5958, 0.0], abs=1e-4)
    assert high == pytest.approx([0.9821, 0.2775], abs=1e-4)


def test_thinning_is_said_and_only_where_it_happens(material: Material) -> None:
    assert material.predictions["part"].eq("test").sum() == 2160
    first, second = built(regression.predicted(material))["plots"]
    assert "1,500 of 2,160 test rows, drawn at random, are shown." in first.reading
    assert "are shown" not in second.reading
    small = of_rows(material, list(range(1, 601)), list(range(2, 602)))
    for section in (regression.predicted(small), regression.residuals(small)):
        assert not [plot for plot in built(section)["plots"] if "are shown" in plot.reading]
    assert regression.thinned(5, 5).tolist() == [0, 1, 2, 3, 4]
    chosen = regression.thinned(1000, 100)
    assert len(set(chosen.tolist())) == 100
    assert chosen.tolist() == regression.thinned(1000, 100).tolist()


def test_plots_of_many_rows_stay_small(material: Material) -> None:
    [plot, _] = built(regression.predicted(material))["plots"]
    assert len(plot.svg) < 120_000


def test_every_dot_is_drawn() -> None:
    def figure():
        drawn, axes = new_figure()
        regression_plots.dots(axes, np.arange(100.0), np.arange(100.0))
        return drawn

    # Strokes of no length: one `M` and one `L` at the same place.
    assert len(re.findall(r"M (\S+) (\S+) \nL \1 \2", draw("dots", figure))) == 100


def test_axes_are_logarithmic_from_a_span_of_twenty_on() -> None:
    assert not is_wide(np.array([1.0, 20.0]))
    assert is_wide(np.array([1.0, 20.1]))
    assert not is_wide(np.array([0.0, 1.0, 100.0]))
    assert not is_wide(np.array([np.nan]))


def test_a_log_axis_is_said(material: Material) -> None:
    wide = of_rows(material, [1.0, 10.0, 1000.0], [2.0, 9.0, 900.0])
    narrow = of_rows(material, [1.0, 2.0, 3.0], [2.0, 9.0, 900.0])
    assert "logarithmic" in built(regression.predicted(wide))["plots"][0].reading
    assert "logarithmic" not in built(regression.predicted(narrow))["plots"][0].reading


def test_long_numbers_are_said_in_words() -> None:
    assert [human(value) for value in (9999.0, 12345.0, 1234567.0, -2.5e9)] == [
        "9,999", "12.3 thousand", "1.23 million", f"{MINUS}2.5 billion",
    ]  # fmt: skip
    assert [scale(value) for value in (0.0, 9999.0, 1e4, 7.7e6)] == [
        (1.0, ""), (1.0, ""), (1e3, "thousand"), (1e6, "million"),
    ]  # fmt: skip


def test_a_running_median_shows_a_pattern_and_leaves_out_thin_groups() -> None:
    x = np.repeat([1.0, 2.0, 3.0], [10, 10, 4])
    error = np.concatenate([np.full(10, -5.0), np.arange(10.0), np.full(4, 99.0)])
    middle, low, centre, high = regression_plots.running_median(x, error)
    assert middle.tolist() == [1.0, 2.0]
    assert centre.tolist() == [-5.0, 4.5]
    assert (low.tolist(), high.tolist()) == ([-5.0, 2.25], [-5.0, 6.75])
    empty = regression_plots.running_median(np.array([1.0]), np.array([1.0]))
    assert [len(one) for one in empty] == [0, 0, 0, 0]


def test_what_the_network_saves_has_the_sign_and_the_words_of_the_verdict(material: Material) -> None:
    values = built(regression.differences(material))
    assert [plot.name for plot in values["plots"]] == ["differences_rmse", "differences_mae"]
    assert [listed["title"] for listed in values["tables"]] == ["RMSE saved by the network", "MAE saved by the network"]
    rows = {row[0]: row[1:] for row in values["tables"][0]["rows"]}
    assert rows["linear regression"] == ["+71,022", "+52,010 to +91,233", "network better"]
    close = rows["gradient boosting on log price"]
    assert close == ["+3,120", f"{MINUS}2,833 to +9,054", "no clear difference"]
    worse = {"against": "ridge", "metric": "rmse", "difference": 3.0, "low": 1.0, "high": 5.0}
    summary = {"unit": "USD", "regression": {"differences": [worse]}}
    other = built(regression.differences(dataclasses.replace(material, summary=summary)))
    assert other["tables"][0]["rows"] == [
        ["ridge", f"{MINUS}3.0000", f"{MINUS}5.0000 to {MINUS}1.0000", "network worse"]
    ]


def test_the_chosen_loss_is_marked_and_the_best_ones_are_named(material: Material) -> None:
    values = built(regression.losses(material))
    [listed] = values["tables"]
    assert [row[0] for row in listed["rows"]] == ["mse", "mae", "huber (this run)", "log_cosh"]
    assert listed["chosen"] == 2
    assert "lowest RMSE: huber; lowest MAE: huber; lowest median error: mae." in values["key"]
    alone = built(regression.losses(without(material, "losses")))
    assert alone["lead"] == "Huber with `delta` 1 was used."
    assert not alone["tables"]


def test_the_worst_rows_show_years_and_places_as_they_are(material: Material) -> None:
    values = built(regression.worst(material))
    [listed] = values["tables"]
    assert len(listed["rows"]) == 10
    assert listed["rows"][0][4:] == ["98039", "1955", "47.6289"]
    assert listed["rows"][0][0].isdigit()
    assert listed["numeric"] == [False, True, True, True, False, True, True]
    few = of_rows(material, [0.0] * 20, [1.0] * 10 + [3.0] * 10)
    # Ten errors of 3 and ten of 1: 90 of 100 units of squared error.
    assert "50 % of the test rows and make up 90 % of the squared error" in built(regression.worst(few))["lead"]


def test_sections_without_material_are_left_out(material: Material) -> None:
    nothing = dataclasses.replace(material, predictions=pd.DataFrame(), summary={})
    assert [section(nothing) for section in regression.SECTIONS] == [None] * len(regression.SECTIONS)
    shown = {"differences": "differences", "worst": "worst", "columns": "columns", "intervals": "interval"}
    for id_, key in shown.items():
        assert regression.SECTIONS[IDS.index(id_)](without(material, key)) is None


def test_without_intervals_there_is_no_column_for_them(material: Material) -> None:
    bare = dataclasses.replace(material, predictions=material.predictions.drop(columns=["lower_90", "upper_90"]))
    assert bands.intervals(bare) is None
    assert "Inside the 90 % interval" not in built(bands.error_bands(bare))["tables"][0]["header"]


def test_a_feature_with_missing_values_is_drawn_from_the_others(material: Material) -> None:
    few = of_rows(material, [float(value) for value in range(1, 31)], [float(value) for value in range(2, 32)])
    features = [
        {"name": "half", "unit": "", "values": [None] * 15 + list(range(15))},
        {"name": "never", "unit": "", "values": [None] * 30},
    ]
    summary = {**few.summary, "regression": {**few.summary["regression"], "features": features}}
    values = built(regression.residuals(dataclasses.replace(few, summary=summary)))
    assert [plot.title for plot in values["plots"]] == ["Error over prediction", "Error over half"]


IDS = ["differences", "predicted", "residuals", "bands", "intervals", "worst", "losses", "columns"]


def test_the_whole_page_is_repeatable_and_shows_hostile_names_as_text(tmp_path: Path) -> None:
    run = house_run(tmp_path / "run", text=f"{SCRIPT}{HOSTILE}", rows=80)
    html = build_report(run).read_bytes()
    assert build_report(run).read_bytes() == html
    text = html.decode()
    assert "<script" not in text
    # Column, feature, loss, baseline, cell of a worst row.
    assert text.count("&lt;script&gt;alert(1)") > 10
    assert [name for name in re.findall(r'<section id="([^"]+)"', text) if name in IDS] == IDS
    assert not re.search(r">\s*(nan|inf|None)\s*<", text)
