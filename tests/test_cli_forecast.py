"""The web-traffic lesson through the command line: a run's files, forecasts of a user's file, and bad input."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable, Iterator
from functools import cache as cache_of_models
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lesson_commands import assert_whole, refused_in_one_line

from practicals import web_traffic
from practicals.common import training
from practicals.common.cli import main
from practicals.common.data.series_samples import webtraffic
from practicals.common.explain import windows as explain_windows
from practicals.common.run import Run, finished_runs

VALUES = webtraffic().values[0].astype(np.int64)
TIMES = pd.date_range("2017-01-02", periods=len(VALUES), freq="h")
SMALL = ("window=48", "horizon=6", "season=[24]", "epochs=1", "filters=[4]", "hidden_units=[8]", "embedding=2")
TINY = ("--smoke", "--quiet", *(word for setting in SMALL for word in ("--set", setting)))
COLUMNS = ["time", "prediction", "lower_80", "upper_80", "lower_95", "upper_95"]


@pytest.fixture(autouse=True, scope="module")
def little_effort() -> Iterator[None]:
    """A saved model is loaded once, and little is asked for explanations."""
    with pytest.MonkeyPatch.context() as patch:
        for name, least in {"GLOBAL_WINDOWS": 4, "ROUNDS_PER_ROW": 2, "SAMPLES": 100, "SEEDS": 2}.items():
            patch.setattr(explain_windows, name, least)
        patch.setattr(training, "load_model", cache_of_models(training.load_model))
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()


def counted(start: int = 0, stop: int = len(VALUES)) -> pd.DataFrame:
    return pd.DataFrame({"Hour Index": range(start, stop), "Sessions": VALUES[start:stop]})


def dated(start: int = 0, stop: int = len(VALUES)) -> pd.DataFrame:
    stamps = TIMES[start:stop].strftime("%Y-%m-%d %H:%M")
    return pd.DataFrame({"when": stamps, "visits": VALUES[start:stop]})


def write(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one run on the built-in sample, whose hours are counted."""
    folder = tmp_path_factory.mktemp("runs")
    assert main(["run", "web_traffic", "--data", "sample", *TINY, "--runs", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one run on a user's file with time stamps in no order."""
    folder = tmp_path_factory.mktemp("own")
    path = write(dated().sample(frac=1, random_state=0), folder / "my site.csv")
    with pytest.MonkeyPatch.context() as patch:
        # Explanations cost most of the time and are those of the other run.
        patch.setattr(web_traffic, "explain", lambda *arguments, **more: {})
        assert main(["run", "web_traffic", "--data", str(path), *TINY, "--runs", str(folder)]) == 0
    return folder


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    return partial(refused_in_one_line, capsys)


@pytest.fixture
def predicted(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[pd.DataFrame, str]]:
    """A function: forecast after a file, and return the table and what was said."""

    def run(runs: Path, path: Path) -> tuple[pd.DataFrame, str]:
        capsys.readouterr()
        assert main(["predict", "web_traffic", str(path), "--runs", str(runs)]) == 0
        captured = capsys.readouterr()
        return pd.read_csv(io.StringIO(captured.out)), captured.err

    return run


def only_run(folder: Path) -> Run:
    (run,) = finished_runs(folder, "web_traffic")
    return run


# What a run leaves


def test_a_run_writes_every_file_of_its_folder(runs):
    named = ("shap_global", "shap_global_blocks", "shap_row", "lime_row")
    assert_whole(only_run(runs), *(f"explanations/{name}.json" for name in named))


def test_predictions_have_one_line_per_origin_and_step_of_each_scored_part(runs):
    lines = only_run(runs).predictions()
    assert list(lines.columns) == ["series", "origin", "horizon", "time", "part", "truth", *COLUMNS[1:]]
    assert set(lines["part"]) == {"validation", "test"} and set(lines["horizon"]) == set(range(1, 7))
    assert not lines.duplicated(["series", "origin", "horizon"]).any()
    np.testing.assert_array_equal(lines["time"].astype(int), lines["origin"] + lines["horizon"] - 1)
    np.testing.assert_array_equal(lines["truth"], VALUES[lines["time"].astype(int)])
    assert (lines["lower_95"] <= lines["lower_80"]).all() and (lines["upper_80"] <= lines["upper_95"]).all()
    assert lines["time"].astype(int).max() == len(VALUES) - 1


def test_metrics_hold_what_the_design_promises(runs):
    metrics = only_run(runs).metrics()
    assert (metrics["practical"], metrics["data"], metrics["epochs"]) == ("web_traffic", "sample", 1)
    assert metrics["primary"] == {"metric": "mase", "direction": "min", "unit": ""}
    scores = {"mase", "mae", "rmse", "smape_percent", "standardised_mse"}
    assert set(metrics["test"]) == set(metrics["validation"]) == scores
    assert {"last value", "seasonal naive 24", "moving average", "exponential smoothing", "ridge on 48 lags"} < set(
        metrics["baselines"]
    )
    assert all(set(one) == scores for one in metrics["baselines"].values())
    assert metrics["verdict"]["result"] in {"better", "no clear difference", "worse"}


def test_scores_follow_from_the_lines_of_predictions(runs):
    run = only_run(runs)
    lines = run.predictions()
    test = lines[lines["part"] == "test"]
    assert run.metrics()["test"]["mae"] == pytest.approx((test["truth"] - test["prediction"]).abs().mean(), rel=1e-6)


def test_the_run_of_a_users_file_says_that_it_was_sorted_and_dates_its_forecasts(own):
    run = only_run(own)
    assert run.metrics()["data"] == "own" and run.environment()["data"]["file"] == "my site.csv"
    assert any("sorted" in note for note in run.environment()["data"]["notes"])
    lines = run.predictions()
    assert lines["time"].iloc[-1] == TIMES[-1].strftime("%Y-%m-%d %H:%M")
    np.testing.assert_array_equal(pd.to_datetime(lines["time"]), TIMES[lines["origin"] + lines["horizon"] - 1])
    assert run.metrics()["verdict"] and "visits" in run.report_path.read_text()


def test_the_clock_of_a_file_and_its_counted_hours_make_the_same_forecasts(runs, own):
    # Both begin at hour 0 of a Monday, so everything that is fitted is the same.
    counted_lines, dated_lines = only_run(runs).predictions(), only_run(own).predictions()
    np.testing.assert_allclose(counted_lines["prediction"], dated_lines["prediction"], rtol=1e-6)


# Forecasts after a file


def test_a_forecast_begins_after_the_last_row_and_needs_no_more_than_the_window(runs, own, predicted, tmp_path):
    for folder, make, times in (
        (runs, counted, [str(len(VALUES) + ahead) for ahead in range(6)]),
        (own, dated, [f"2017-03-13 {hour:02d}:00" for hour in range(6)]),
    ):
        whole, _ = predicted(folder, write(make(), tmp_path / "whole.csv"))
        assert list(whole.columns) == COLUMNS
        assert whole["time"].astype(str).tolist() == times
        ordered = whole[["lower_95", "lower_80", "upper_80", "upper_95"]].to_numpy()
        assert (np.diff(ordered, axis=1) >= 0).all() and np.isfinite(whole["prediction"]).all()
        # The last 48 hours say the same: place in the week and window are those of the whole file.
        tail, _ = predicted(folder, write(make(len(VALUES) - 48), tmp_path / "tail.csv"))
        pd.testing.assert_frame_equal(tail, whole)


def test_another_place_in_the_week_is_another_forecast(runs, predicted, tmp_path):
    rows = counted(len(VALUES) - 48)
    here, _ = predicted(runs, write(rows, tmp_path / "rows.csv"))
    later, _ = predicted(runs, write(rows.assign(**{"Hour Index": rows["Hour Index"] + 5}), tmp_path / "later.csv"))
    assert later["time"].tolist() == [time + 5 for time in here["time"]]
    assert (here["prediction"] != later["prediction"]).all()


def test_rows_in_no_order_with_a_gap_are_repaired_and_that_is_said(own, predicted, tmp_path):
    whole, _ = predicted(own, write(dated(), tmp_path / "whole.csv"))
    shuffled, said = predicted(own, write(dated().sample(frac=1, random_state=1), tmp_path / "shuffled.csv"))
    pd.testing.assert_frame_equal(shuffled, whole)
    assert "sorted" in said
    gap, said = predicted(own, write(dated().drop(index=len(VALUES) - 5), tmp_path / "gap.csv"))
    assert "1 step without a row inserted as missing" in said
    assert gap["time"].tolist() == whole["time"].tolist() and np.isfinite(gap["prediction"]).all()


def test_predict_json_and_output_hold_the_same_forecast_and_a_plot_stands_beside(runs, capsys, tmp_path):
    path = str(write(counted(1_000), tmp_path / "rows.csv"))
    capsys.readouterr()
    assert main(["predict", "web_traffic", path, "--runs", str(runs), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["predictions"]
    assert [list(one) for one in printed] == [COLUMNS] * 6
    assert main(["predict", "web_traffic", path, "--runs", str(runs), "--output", str(tmp_path / "out.csv")]) == 0
    written = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose([one["prediction"] for one in printed], written["prediction"], rtol=1e-9)
    assert (tmp_path / "out.svg").read_text().lstrip().startswith(("<?xml", "<svg"))
    assert capsys.readouterr().out == ""


def test_what_cannot_be_continued_is_refused(runs, own, refused, tmp_path):
    hours, stamps = write(counted(1_000), tmp_path / "hours.csv"), write(dated(1_000), tmp_path / "stamps.csv")
    days = write(dated().iloc[::24], tmp_path / "days.csv")
    short = write(counted(len(VALUES) - 47), tmp_path / "short.csv")
    silent = write(counted(1_000).assign(Sessions=""), tmp_path / "silent.csv")
    output = tmp_path / "out.csv"
    for folder, paths, expected in (
        (own, [hours], "counts its rows, the model was trained on time stamps"),
        (runs, [stamps], "has time stamps, the model was trained on counted rows"),
        (own, [days], "has one row per day; the model was trained on one per hour"),
        (runs, [hours, hours], "one file at a time was expected"),
        (runs, [short], "has 47 hours; at least 48 rows are needed"),
        (runs, [silent], "every value is missing"),
    ):
        line = refused("predict", "web_traffic", *paths, "--runs", folder, "--output", output)
        assert expected in line and str(paths[0]) in line
    assert not output.exists()


# Why a forecast says so


def test_a_forecast_of_the_test_part_is_explained_by_its_origin(runs, capsys):
    run = only_run(runs)
    lines = run.predictions()
    origin = str(lines[lines["part"] == "test"]["origin"].iloc[0])
    capsys.readouterr()
    assert main(["explain", str(run.folder), "--row", origin, "--method", "shap", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["explanations"]
    one = printed["shap_row"]
    assert one["subject"] == origin and one["unit"] == "sessions"
    said = lines[lines["origin"] == int(origin)]["prediction"].mean()
    assert one["prediction"] == pytest.approx(said, rel=1e-5)
    total = one["base_value"] + sum(item["contribution"] for item in one["attributions"])
    assert total == pytest.approx(one["prediction"], rel=1e-4)
    assert one["attributions"] and all(check["sentence"] for check in one["checks"])


def test_a_forecast_after_a_file_is_explained_and_what_is_not_there_is_refused(runs, refused, capsys, tmp_path):
    path = write(counted(1_000), tmp_path / "mine.csv")
    arguments = ["explain", "web_traffic", "--runs", str(runs)]
    assert main([*arguments, "--input", str(path), "--method", "lime", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["explanations"]["lime_row"]["subject"] == "1 of mine.csv"
    assert "there is no such row" in refused(*arguments, "--row", "99999")


# Bad input


def with_cell(column: str, value: object, row: int = 3) -> pd.DataFrame:
    rows = dated().astype({column: object})
    rows.loc[row, column] = value
    return rows


def under_one_name() -> pd.DataFrame:
    return pd.concat([dated(), dated().assign(visits=VALUES[::-1])])


# File -> what is wrong with it, and what the error says.
REFUSED: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "short": (lambda: dated(0, 53), "has 53 hours; at least "),
    "constant": (lambda: dated().assign(visits=7), "7 in every row"),
    "all missing": (lambda: dated().assign(visits=""), "every value is missing"),
    "all negative": (lambda: dated().assign(visits=-VALUES), "every value is missing or negative"),
    "two series": (under_one_name, "two series under one name"),
    "two series one name": (lambda: under_one_name().assign(page="a"), "two series under one name"),
    "time": (lambda: with_cell("when", "Monday"), "column 'when', row 5: expected a date"),
    "text": (lambda: with_cell("visits", "many"), "column 'visits', row 5: expected a number, found 'many'"),
    "infinity": (lambda: with_cell("visits", "inf"), "column 'visits', row 5: expected a finite number"),
    "between two hours": (lambda: with_cell("when", "2017-01-02 03:20"), "row 5: 2017-01-02 03:20"),
    "header only": (lambda: dated(0, 0), "no rows"),
    "no numbers": (lambda: dated().assign(visits="x"), "column 'visits'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_without_guessing_is_refused_in_one_line(name, refused, tmp_path):
    make, expected = REFUSED[name]
    path = write(make(), tmp_path / f"{name}.csv")
    line = refused("run", "web_traffic", *TINY, "--data", path, "--runs", tmp_path / "runs")
    assert expected in line
    assert line.startswith((f"error: {path}: ", f"error: {path.name}: "))
    assert not list(tmp_path.glob("runs/web_traffic/*"))


@pytest.mark.parametrize(
    ("rows", "settings"),
    [(400, []), (1_100, ["--set", "season=[1000]"])],
    ids=["too few to calibrate", "season longer than the training span"],
)
def test_what_is_too_short_for_intervals_or_season_is_refused_before_training(rows, settings, refused, tmp_path):
    path = write(dated(0, rows), tmp_path / "rows.csv")
    line = refused("run", "web_traffic", *TINY, *settings, "--data", path, "--runs", tmp_path / "runs")
    assert "needed" in line
    assert not list(tmp_path.glob("runs/web_traffic/*")), "nothing was trained for nothing"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("horizon=0", "greater than or equal to 1"),
        ("window=1", "greater than or equal to 2"),
        ("season=[1]", "a season has at least 2 steps"),
        ("model=lstn", "input should be 'course'"),
        ("time=day", "column 'day' is missing, which the setting time names"),
        ("value=hits", "column 'hits' is missing, which the setting value names"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_line(setting, expected, refused, tmp_path):
    path = write(dated(), tmp_path / "rows.csv")
    line = refused("run", "web_traffic", *TINY, "--set", setting, "--data", path, "--runs", tmp_path / "runs")
    assert expected in line
    assert not list(tmp_path.glob("runs/web_traffic/*"))
