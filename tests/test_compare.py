"""Runs side by side: only what is comparable is ranked, and never by the test part."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from fake_runs import HOSTILE, write_run

from practicals.common.catalog import CATALOG
from practicals.common.config import PracticalConfig
from practicals.common.data.facts import Facts
from practicals.common.environment import describe_environment
from practicals.common.report.compare import (
    compare_runs,
    comparison_text,
    score_text,
    setting_columns,
    write_compare_page,
)
from practicals.common.report.compared_curves import draw_curves
from practicals.common.report.ranked import Row, grouped
from practicals.common.run import Run


def names(rows: list[Row]) -> list[list[str]]:
    """Return the folder names of each row."""
    return [[run.folder.name for run in row["runs"]] for row in rows]


def test_the_runs_of_these_tests_describe_themselves_as_real_runs_do(tmp_path: Path) -> None:
    real = describe_environment(CATALOG["churn"], PracticalConfig(), "CPU", "run churn")
    made_up = write_run(tmp_path / "run").environment()
    assert set(made_up) == {*real, "data", "test_scored_before"}
    assert set(made_up["split"]) == set(real["split"])
    assert set(made_up["data"]) == {field.name for field in fields(Facts)}


def test_the_ranking_is_by_validation_whatever_the_test_says(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "a", validation=0.85, test=0.90, changes="dropout: 0.1\n"),
        write_run(tmp_path / "b", validation=0.87, test=0.80, changes="dropout: 0.2\n"),
    ]
    rows = compare_runs(runs)
    assert [(row["rank"], row["runs"][0].folder.name) for row in rows] == [(1, "b"), (2, "a")]
    assert rows[0]["differences"] == {"dropout": "0.2"}


def test_a_lower_error_ranks_first(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / name, validation=score, changes=f"dropout: {score}\n")
        for name, score in (("a", 0.3), ("b", 0.2))
    ]
    for run in runs:
        run.write_metrics({**run.metrics(), "primary": {"metric": "roc_auc", "direction": "min"}})
    assert names(compare_runs(runs)) == [["b"], ["a"]]


@pytest.mark.parametrize(
    "other",
    [{"kind": "sample"}, {"kind": "own"}, {"sha256": "cd" * 32}, {"split_seed": 1, "changes": "dropout: 0.5\n"}],
    ids=["sample", "own file", "other rows", "other split"],
)
def test_runs_on_other_data_or_another_split_are_never_ranked_together(tmp_path: Path, other: dict[str, str]) -> None:
    rows = compare_runs([write_run(tmp_path / "a"), write_run(tmp_path / "b", validation=0.99, **other)])
    assert [row["rank"] for row in rows] == [1, 1]
    assert len(grouped(rows)) == 2


def test_other_split_shares_are_another_split(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b")]
    environment = runs[1].environment()
    runs[1].write_environment({**environment, "split": {**environment["split"], "test": 0.3}})
    rows = compare_runs(runs)
    assert [row["rank"] for row in rows] == [1, 1]
    assert len(grouped(rows)) == 2
    assert "validation 0.1, test 0.3" in comparison_text(rows)


def test_seeds_on_one_split_fold_into_mean_and_deviation(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(seed), seed=seed, validation=0.86 + 0.01 * seed) for seed in range(3)]
    (row,) = compare_runs(runs)
    assert row["seeds"] == 3
    assert row["validation"] == pytest.approx(0.87)
    assert row["validation_deviation"] == pytest.approx(0.01)
    assert score_text(row, "validation") == "0.8700 ± 0.0100"
    assert row["test_scored"] == 3


def test_seeds_with_a_split_each_are_ranked_against_settings_with_the_same_splits(tmp_path: Path) -> None:
    runs = [
        write_run(
            tmp_path / f"{name}{seed}",
            seed=seed,
            split_seed=seed,
            validation=base + 0.01 * seed,
            changes=f"dropout: {dropout}\n",
        )
        for name, dropout, base in (("a", 0.1, 0.80), ("b", 0.2, 0.81))
        for seed in (0, 1)
    ]
    rows = compare_runs(runs)
    assert names(rows) == [["b0", "b1"], ["a0", "a1"]]
    assert len(grouped(rows)) == 1
    # One more setting, on one split only: ranked there, beside the runs on that split and no others.
    rows = compare_runs([*runs, write_run(tmp_path / "c", validation=0.9, changes="dropout: 0.3\n")])
    assert names(rows) == [["b0", "b1"], ["a0", "a1"], ["c"], ["b0"], ["a0"]]
    assert [row["test_scored"] for row in rows] == [3, 3, 3, 3, 3]


def test_a_split_that_was_used_twice_counts_once_in_a_mean_over_splits(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "a", seed=0, split_seed=0, validation=0.80),
        write_run(tmp_path / "b", seed=0, split_seed=0, validation=0.80),
        write_run(tmp_path / "c", seed=1, split_seed=1, validation=0.90),
    ]
    (row,) = compare_runs(runs)
    assert row["validation"] == pytest.approx(0.85)


@pytest.mark.parametrize(
    "damage", ["missing", "no json", "no score", "not a number", "a list", "odd verdict", "bad config"]
)
def test_a_damaged_run_is_named_and_the_others_are_compared(tmp_path: Path, damage: str) -> None:
    good, bad = write_run(tmp_path / "good"), write_run(tmp_path / "bad")
    metrics = bad.metrics()
    if damage == "missing":
        shutil.rmtree(bad.folder)
    elif damage == "no json":
        bad.metrics_path.write_text("{", encoding="utf-8")
    elif damage == "no score":
        del metrics["validation"]["roc_auc"]
        bad.write_metrics(metrics)
    elif damage == "not a number":
        bad.metrics_path.write_text('{"validation": {"roc_auc": NaN}}', encoding="utf-8")
    elif damage == "a list":
        bad.metrics_path.write_text('{"primary": [], "validation": 3}', encoding="utf-8")
    elif damage == "odd verdict":
        bad.write_metrics({**metrics, "verdict": {"against": ["x"]}})
    else:
        bad.config_path.write_text("- a list", encoding="utf-8")
    rows = compare_runs([bad, good])
    assert names(rows) == [["good"], ["bad"]]
    assert rows[1]["group"] is None
    text = comparison_text(rows)
    assert "Not readable, left out:" in text
    page = write_compare_page(rows, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert str(bad.folder) in page


def test_a_baseline_without_a_usable_score_has_none_to_be_sorted_by(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    metrics = run.metrics()
    metrics["baselines"]["gradient boosting"]["roc_auc"] = float("inf")
    run.metrics_path.write_text(json.dumps(metrics), encoding="utf-8")
    (row,) = compare_runs([run])
    assert row["baseline"] is None
    page = write_compare_page([row], tmp_path / "compare.html").read_text(encoding="utf-8")
    assert 'data-value="inf"' not in page


def test_the_text_says_how_often_the_test_part_was_scored(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(n), changes=f"dropout: 0.{n}\n") for n in range(3)]
    text = comparison_text(compare_runs(runs))
    assert "scored 3 times" in text
    assert "tuning on the test" in text
    lines = [line for line in text.splitlines() if "dropout=0." in line]
    assert len(lines) == 3
    assert "scored once" in comparison_text(compare_runs(runs[:1]))


def test_the_terminal_is_not_steered_by_a_setting(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(n), changes=f'note: "\\e[2J{n}"\n') for n in range(2)]
    text = comparison_text(compare_runs(runs))
    assert "\x1b" not in text
    assert "note=?[2J0" in text


def test_the_page_links_to_reports_and_loads_nothing(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "churn" / name, changes=f"dropout: 0.{place}\n") for place, name in enumerate(("a b", "c"))
    ]
    runs[0].report_path.write_text("a report", encoding="utf-8")
    page = write_compare_page(compare_runs(runs), tmp_path / "compare.html").read_text(encoding="utf-8")
    assert re.findall(r'<a href="([^"]+)"', page) == ["churn/a%20b/report.html"]
    assert not re.search(r'src=|(?<!<a )(?<!<use )href="(?!data:,)|@import', page)
    assert page.count("<script>") == 1


def test_the_page_marks_settings_that_differ_from_the_first(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / str(n), validation=0.8 + n / 100, changes=f"dropout: 0.{n}\nunits: 8\n") for n in range(2)
    ]
    page = write_compare_page(compare_runs(runs), tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "<mark>0.0</mark>" in page
    assert "<mark>0.1</mark>" not in page
    assert "units" not in page


def test_each_setting_that_differs_has_a_column_of_numbers_or_of_texts(tmp_path: Path) -> None:
    runs = [
        write_run(
            tmp_path / str(place),
            validation=0.9 - place / 100,
            changes=f"rate: {rate}\nlayers: {layers}\npatience: {patience}\nunits: 8\n",
        )
        for place, (rate, layers, patience) in enumerate(
            [("1e-3", "[8]", "null"), ("0.01", "[8, 4]", "5"), ("nan", "[8]", "7")]
        )
    ]
    runs.append(write_run(tmp_path / "older", validation=0.8, changes="rate: 0.5\nlayers: [8]\nunits: 8\n"))
    columns = {column["name"]: column for column in setting_columns(compare_runs(runs))}
    assert set(columns) == {"rate", "layers", "patience"}
    assert columns["patience"]["numeric"]
    assert not columns["layers"]["numeric"]
    assert not columns["rate"]["numeric"], "what is no number cannot be put in order by size"
    # An older run does not know the setting: a difference to be seen, and none to be sorted by.
    cells = columns["patience"]["cells"]
    assert [cell["text"] for cell in cells] == ["None", "5", "7", "not set"]
    assert [cell["value"] for cell in cells] == ["", "5", "7", ""]
    assert [cell["differs"] for cell in cells] == [False, True, True, True]


def test_curves_of_different_losses_are_not_drawn_on_one_axis(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / loss, changes=f"loss: {loss}\n") for loss in ("mse", "mae")]
    plot = draw_curves("curves", compare_runs(runs))
    assert plot is not None
    assert plot.title == "Learning curves: ROC AUC on validation rows"
    assert "Lower is better" not in plot.reading
    runs[0].write_table(runs[0].history_path, runs[0].history()[["epoch", "loss", "val_loss"]])
    assert draw_curves("curves", compare_runs(runs)) is None


def test_the_drawing_names_runs_by_what_differs_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / f"{rate}-{seed}", seed=seed, validation=0.8 + rate, changes=f"rate: {rate}\n")
        for rate in (0.01, 0.02, 0.03, 0.04, 0.05, 0.06)
        for seed in range(2)
    ]
    rows = compare_runs(runs)
    plot = draw_curves("curves", rows)
    assert plot is not None
    assert re.findall(r'id="curves-rank-(\d)"', plot.svg) == ["6", "5", "4", "3", "2", "1"], "the best is drawn last"
    assert "The first 5 have colours" in plot.reading
    assert "differ in the seed alone, the first is drawn" in plot.reading
    alone = draw_curves("curves", compare_runs(runs[::2])[:2])
    assert alone is not None
    assert "seed alone" not in alone.reading


def test_hostile_text_on_the_page_is_text(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / str(n), text=HOSTILE, changes=f'note: "<script>alert({n})</script>"\n') for n in range(2)
    ]
    page = write_compare_page(compare_runs(runs), tmp_path / "compare.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1
    assert "&lt;script&gt;alert(1)" in page
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))


def test_a_run_without_history_is_compared_without_its_curve(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(n), changes=f"dropout: 0.{n}\n") for n in range(2)]
    runs[0].history_path.unlink()
    page = write_compare_page(compare_runs(runs), tmp_path / "compare.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 1
    runs[1].history_path.unlink()
    page = write_compare_page(compare_runs(runs), tmp_path / "compare.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 0


def test_no_runs_are_no_rows() -> None:
    assert compare_runs([]) == []
    assert comparison_text([]) == ""


def test_the_table_in_the_terminal_loads_neither_tensorflow_nor_matplotlib(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert isinstance(run, Run)
    code = (
        "import sys; from pathlib import Path; from practicals.common.run import Run;"
        "from practicals.common.report.compare import compare_runs, comparison_text;"
        f"print(comparison_text(compare_runs([Run(Path({str(run.folder)!r}))])));"
        "sys.exit(bool({'tensorflow', 'keras', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "validation ROC AUC" in done.stdout


def test_folds_of_one_division_are_told_apart_by_their_titles(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in ("u1", "u2", "whole")]
    for run, division in zip(runs, ({"fold": "u1"}, {"fold": "u2"}, {"fold": 0, "folds": 0}), strict=True):
        environment = run.environment()
        run.write_environment({**environment, "split": {**environment["split"], **division}})
    titles = {row["title"] for row in compare_runs(runs)}
    assert titles == {
        "churn: real data, fold u1, split seed 0",
        "churn: real data, fold u2, split seed 0",
        "churn: real data, split seed 0",
    }
