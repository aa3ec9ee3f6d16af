"""The command line: what it prints where, its exit codes, and one clear line for each mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from practicals import churn
from practicals.common.catalog import CATALOG
from practicals.common.cli import main
from practicals.common.data.samples import churn as draw_customers
from practicals.common.run import Run, finished_runs

SMOKE = ("--smoke", "--data", "sample")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder of runs with one finished smoke run of churn in it, made by the command a user types."""
    runs = tmp_path_factory.mktemp("runs")
    assert main(["run", "churn", *SMOKE, "--runs", str(runs), "--quiet"]) == 0
    return runs


@pytest.fixture
def customers(tmp_path):
    """A function that writes rows as a CSV file of the user's and returns its path."""

    def write(frame, name="customers.csv", **options):
        frame.to_csv(tmp_path / name, index=False, **options)
        return str(tmp_path / name)

    return write


def refused(capsys, *arguments):
    """Run a command that must end with exit code 2 and one line, and return the line."""
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, captured.err
    assert captured.err.splitlines()[-1] == lines[0]
    assert captured.out == ""
    return lines[0]


def test_list_names_every_practical_and_its_question(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for practical in CATALOG.values():
        assert practical.name in printed
        assert practical.question in printed
    assert main(["list", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["practicals"]] == list(CATALOG)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "chrun"], "error: chrun: there is no such practical. Did you mean 'churn'?"),
        (["rnu", "churn"], "error: rnu: there is no such command. Did you mean 'run'?"),
        (["tune", "churn", "--strategy", "bayes"], "error: bayes: there is no such strategy. Did you mean 'bayesian'?"),
        (["tune", "churn", "--trials", "0"], "whole number from 1"),
        (["tune", "churn", "--trials", "many"], "a whole number was expected, not 'many'"),
        (["run", "churn", "--colour"], "unrecognized arguments: --colour"),
        (["run"], "the following arguments are required: NAME"),
        (
            ["explain", "chrun"],
            "error: chrun: is neither a run folder nor the name of a practical. Did you mean 'churn'?",
        ),
        (["predict", "churn", "x.csv"], "error: churn: no finished run in"),
        (["report", "nowhere/at/all"], "is neither a run folder nor"),
        (["notebook", "churm"], "Did you mean 'churn'?"),
        (["data", "churm"], "Did you mean 'churn'?"),
        (["compare"], "no finished run to compare"),
    ],
)
def test_a_misspelt_word_is_named_and_guessed(capsys, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    assert expected in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--set", "epochz=5"], "--set epochz=5: ChurnConfig has no setting 'epochz'. Did you mean 'epochs'?"),
        (["--set", "dropout=1.5"], "--set dropout=1.5: input should be less than 1. Received: 1.5."),
        (["--set", "optimizer=adamm"], "--set optimizer=adamm: input should be 'sgd', 'momentum'"),
        (["--set", "hidden_units=[0]"], "every layer needs at least 1 unit"),
        (["--seed", "-3"], "--seed -3: input should be greater than or equal to 0"),
        (["--config", "list.yaml"], "list.yaml: holds a list; a mapping of settings"),
        (["--config", "missing.yaml"], "missing.yaml: no such config file"),
        (["--data", "missing.csv"], "missing.csv: no such file"),
        (["--data", "."], "is a folder"),
        (["--data", "text.csv"], "text.csv: column 'Age' row 5"),
        (["--data", "joined.csv"], "joined.csv: row 42 repeats the header"),
        (["--data", "few.csv"], "at least 10 of each class are needed"),
        (["--data", "stays.csv"], "stays.csv:"),
    ],
)
def test_a_run_that_cannot_work_stops_in_one_line_and_leaves_nothing(
    capsys, tmp_path, monkeypatch, arguments, expected
):
    monkeypatch.chdir(tmp_path)
    rows = draw_customers(rows=200)
    (tmp_path / "list.yaml").write_text("- 1\n")
    rows.astype({"Age": object}).assign(Age=lambda frame: frame["Age"].where(frame.index != 3, "old")).to_csv(
        "text.csv", index=False
    )
    text = rows.head(40).to_csv(index=False)
    Path("joined.csv").write_text(text + text)
    rows.head(12).to_csv("few.csv", index=False)
    rows.assign(Exited=0).to_csv("stays.csv", index=False)
    line = refused(capsys, "run", "churn", "--smoke", "--runs", "runs", *arguments)
    assert expected.replace("column 'Age' row 5", "") in line
    if "text.csv" in arguments:
        assert "'Age'" in line
        assert "row 5" in line
        assert "old" in line
    assert not list(tmp_path.glob("runs/churn/*"))


def test_a_run_writes_every_file_of_its_folder_and_metrics_last(finished):
    (run,) = finished_runs(finished, "churn")
    names = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    expected = {
        "config.yaml", "environment.json", "history.csv", "model.keras", "predictions.csv", "baselines.csv",
        "report.html", "metrics.json", "summary.json", "training_state.npz",
        "explanations/shap_global.json", "explanations/shap_row.json", "explanations/lime_row.json",
        "checkpoints/best.weights.h5", "checkpoints/last.weights.h5",
    }  # fmt: skip
    assert expected <= names
    assert not [name for name in names if Path(name).name.startswith(".")]
    newest = max((path for path in run.folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    assert newest.name == "metrics.json"


def test_metrics_hold_what_the_design_promises(finished):
    (run,) = finished_runs(finished, "churn")
    metrics = run.metrics()
    assert metrics["practical"] == "churn"
    assert metrics["data"] == "sample"
    assert metrics["primary"] == {"metric": "roc_auc", "direction": "max", "unit": ""}
    assert set(metrics["baselines"]) == {"majority", "logistic regression", "gradient boosting"}
    assert set(metrics["test"]) == set(metrics["baselines"]["majority"])
    assert metrics["verdict"]["result"] in {"better", "no clear difference", "worse"}
    assert metrics["baselines"]["majority"]["roc_auc"] == 0.5
    assert metrics["epochs"] == 3


def test_predictions_have_one_line_per_row_of_each_scored_part(finished):
    (run,) = finished_runs(finished, "churn")
    predictions = run.predictions()
    assert list(predictions.columns) == ["id", "part", "truth", "prediction", "decision"]
    assert predictions["id"].is_unique
    assert set(predictions["part"]) == {"validation", "test"}
    source = draw_customers()
    np.testing.assert_array_equal(predictions["truth"], source.loc[predictions["id"], "Exited"])


def test_run_json_is_one_object_on_stdout_and_a_sample_is_called_one_everywhere(capsys, tmp_path):
    assert main(["run", "churn", *SMOKE, "--runs", str(tmp_path), "--json"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    run = Run.open(Path(printed.pop("run")))
    assert printed == run.metrics()
    assert "built-in sample" in captured.err
    assert printed["data"] == "sample"
    assert "Built-in sample." in run.report_path.read_text()


def test_predicting_keeps_order_and_ids_and_needs_no_target(finished, customers, capsys):
    rows = draw_customers(rows=300, seed=9).iloc[::-1]
    path = customers(rows.drop(columns="Exited"))
    assert main(["predict", "churn", path, "--runs", str(finished)]) == 0
    table = pd.read_csv(pd.io.common.StringIO(capsys.readouterr().out), dtype={"CustomerId": str})
    assert list(table.columns) == ["RowNumber", "CustomerId", "Surname", "probability", "decision"]
    assert list(table["CustomerId"]) == list(rows["CustomerId"].astype(str))
    assert table["probability"].between(0, 1).all()


def test_a_row_prints_the_same_number_alone_and_in_a_batch(finished, customers, capsys):
    rows = draw_customers(rows=300, seed=9)
    assert main(["predict", "churn", customers(rows), "--runs", str(finished), "--quiet"]) == 0
    together = capsys.readouterr().out.splitlines()
    for place in (0, 123, 299):
        assert main(["predict", "churn", customers(rows.iloc[[place]]), "--runs", str(finished), "--quiet"]) == 0
        assert capsys.readouterr().out.splitlines()[1] == together[place + 1]


def test_predict_json_and_output_hold_the_same_predictions(finished, customers, capsys, tmp_path):
    path = customers(draw_customers(rows=5, seed=9))
    assert main(["predict", "churn", path, "--runs", str(finished), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["predictions"]
    assert main(["predict", "churn", path, "--runs", str(finished), "--output", str(tmp_path / "out.csv")]) == 0
    written = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose([one["probability"] for one in printed], written["probability"], atol=1e-6)


def test_unknown_countries_and_missing_ages_are_counted_and_predicted(finished, customers, capsys):
    rows = draw_customers(rows=6, seed=9)
    rows.loc[:1, "Geography"] = "Atlantis"
    rows.loc[2:4, "Age"] = np.nan
    assert main(["predict", "churn", customers(rows), "--runs", str(finished)]) == 0
    captured = capsys.readouterr()
    assert "2 rows with an unknown Geography ('Atlantis')" in captured.err
    assert "Age" in captured.err
    assert len(captured.out.splitlines()) == 7


def test_a_prediction_that_cannot_be_made_loses_nothing(finished, customers, capsys, tmp_path):
    output = tmp_path / "out.csv"
    output.write_text("precious")
    path = customers(draw_customers(rows=5).drop(columns="Age"))
    line = refused(capsys, "predict", "churn", path, "--runs", str(finished), "--output", str(output))
    assert "'Age' is missing" in line
    assert output.read_text() == "precious"


def test_explaining_a_row_prints_columns_units_and_checks(finished, capsys):
    (run,) = finished_runs(finished, "churn")
    row = str(run.predictions()["id"].iloc[0])
    assert main(["explain", str(run.folder), "--row", row, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["explanations"]
    assert set(printed) == {"shap_global", "shap_row", "lime_row"}
    one = printed["shap_row"]
    assert one["subject"] == row
    assert {item["feature"] for item in one["attributions"]} == set(churn.FEATURES)
    total = one["base_value"] + sum(item["contribution"] for item in one["attributions"])
    assert total == pytest.approx(one["prediction"], abs=1e-5)
    assert all(check["sentence"] for name in printed for check in printed[name]["checks"])


def test_explaining_what_is_not_there_is_refused(finished, capsys):
    assert "there is no such row" in refused(capsys, "explain", "churn", "--runs", str(finished), "--row", "99999")
    line = refused(capsys, "explain", "churn", "--runs", str(finished), "--method", "lyme")
    assert "Did you mean 'lime'?" in line


def test_the_report_can_be_rebuilt_and_is_the_same(finished, capsys):
    (run,) = finished_runs(finished, "churn")
    before = run.report_path.read_bytes()
    run.report_path.unlink()
    assert main(["report", "churn", "--runs", str(finished)]) == 0
    assert capsys.readouterr().out.strip() == str(run.report_path)
    assert run.report_path.read_bytes() == before


def test_a_model_that_is_not_one_is_refused(finished, customers, capsys, tmp_path):
    import shutil

    (run,) = finished_runs(finished, "churn")
    shutil.copytree(run.folder, tmp_path / "copy")
    (tmp_path / "copy" / "model.keras").write_text("not a model")
    line = refused(capsys, "predict", str(tmp_path / "copy"), customers(draw_customers(rows=3)))
    assert "model.keras: is not a Keras model" in line
    (tmp_path / "copy" / "metrics.json").unlink()
    line = refused(capsys, "predict", str(tmp_path / "copy"), customers(draw_customers(rows=3)))
    assert "has no metrics.json" in line


def test_a_finished_run_cannot_be_continued_nor_a_run_of_other_settings(finished, capsys):
    (run,) = finished_runs(finished, "churn")
    assert "nowhere: no such run folder" in refused(capsys, "run", "churn", "--resume", "nowhere")
    assert "has already finished" in refused(capsys, "run", "churn", "--resume", str(run.folder))
    line = refused(capsys, "run", "churn", "--resume", str(run.folder), "--set", "epochs=9")
    assert "leave out all other settings" in line


def test_seeds_give_mean_and_deviation_and_go_on_after_an_interruption(customers, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(churn, "explain", lambda *arguments, **more: {})  # which takes most of the time
    few = ("--smoke", "--data", customers(draw_customers(rows=400)))
    assert main(["run", "churn", *few, "--seeds", "2", "--runs", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    folder = Path(printed["run"])
    scores = [json.loads(path.read_text()) for path in sorted(folder.glob("seed-*/metrics.json"))]
    assert [one["seed"] for one in scores] == [0, 1]
    values = [one["test"]["roc_auc"] for one in scores]
    assert values[0] != values[1]
    assert printed["network"]["roc_auc"]["mean"] == pytest.approx(np.mean(values))
    assert printed["network"]["roc_auc"]["standard_deviation"] == pytest.approx(np.std(values, ddof=1))
    assert finished_runs(tmp_path, "churn") == []
    assert len(finished_runs(tmp_path, "churn", with_seeds=True)) == 2
    assert "has already finished" in refused(capsys, "run", "churn", "--resume", str(folder))

    first = (folder / "seed-0" / "metrics.json").stat().st_mtime_ns
    for file in ("summary.json", "seed-1/metrics.json", "seed-1/training_state.npz"):
        (folder / file).unlink()
    assert main(["run", "churn", "--resume", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == printed
    assert (folder / "seed-0" / "metrics.json").stat().st_mtime_ns == first


# The program with a clock ten times as fast, by which the state of training is kept after half a second. It takes
# Ctrl-C also where the tests run in the background, where shells let programs ignore it.
HURRIED = """
import signal, sys, time
from practicals.common.cli import main
from practicals.common.training import state
signal.signal(signal.SIGINT, signal.default_int_handler)
state.monotonic = lambda: 10 * time.monotonic()
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_keeps_what_was_done_and_names_the_command_that_continues(tmp_path):
    command = [sys.executable, "-c", HURRIED, "run", "churn", *SMOKE]
    command += ["--set", "epochs=100000", "--set", "patience=0", "--runs", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        while not list(tmp_path.glob("churn/*/training_state.npz")) and child.poll() is None:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        said = child.communicate()[1]
    assert child.returncode == 130
    (folder,) = tmp_path.glob("churn/*")
    assert f"practicals run churn --resume {folder}" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(capsys, tmp_path):
    tmp_path.chmod(0o500)
    assert "cannot be made" in refused(capsys, "run", "churn", *SMOKE, "--runs", str(tmp_path / "runs"))
