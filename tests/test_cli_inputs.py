"""DESIGN's table of what is accepted and refused, row by row through the command line; and damaged run folders."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from practicals.common.cli import main
from practicals.common.data.samples import churn as draw_customers
from practicals.common.run import Run, finished_runs

ROWS = draw_customers(rows=300, seed=9)
TEXT = ROWS.to_csv(index=False)
HEADER = TEXT.splitlines()[0]
TINY = ("--smoke", "--set", "epochs=1", "--quiet")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one finished run in it."""
    folder = tmp_path_factory.mktemp("runs")
    assert main(["run", "churn", "--data", "sample", *TINY, "--runs", str(folder)]) == 0
    return folder


@pytest.fixture
def copy(runs: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be damaged."""
    (run,) = finished_runs(runs, "churn")
    return Path(shutil.copytree(run.folder, tmp_path / "a copy"))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function: run a command that must end with exit code 2 and one line, and return the line."""

    def run(*arguments: object) -> str:
        capsys.readouterr()
        assert main(list(map(str, arguments))) == 2
        captured = capsys.readouterr()
        lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
        assert captured.err.splitlines()[-1:] == lines, captured.err
        assert captured.out == ""
        return lines[0]

    return run


def csv(frame: pd.DataFrame, **options: str) -> bytes:
    return frame.to_csv(index=False, **options).encode()


def with_cell(column: str, value: object, row: int = 3) -> bytes:
    return csv(ROWS.astype({column: object}).assign(**{column: lambda f: f[column].where(f.index != row, value)}))


# File -> what is said about it on stderr.
ACCEPTED: dict[str, tuple[bytes, str]] = {
    "bom": (b"\xef\xbb\xbf" + TEXT.encode(), "byte-order mark"),
    "utf-16": (TEXT.encode("utf-16"), "UTF-16"),
    "utf-16 without a mark": (TEXT.encode("utf-16-le"), "UTF-16"),
    "latin-1": (csv(ROWS.assign(Surname="M\u00fcller")).decode().encode("latin-1"), "latin-1"),
    "semicolon": (csv(ROWS, sep=";"), "semicolons"),
    "tab": (csv(ROWS, sep="\t"), "tabs"),
    "decimal comma": (csv(ROWS, sep=";", decimal=","), "decimal commas"),
    "extra column": (csv(ROWS.assign(Shoes=42)), "'Shoes'"),
    "reordered": (csv(ROWS[ROWS.columns[::-1]]), "another order"),
    "padded and cased": (csv(ROWS.rename(columns=lambda name: f" {name.upper()} ")), "letter case"),
}
# File -> (content, what the error says, whether `predict` refuses it as well)
REFUSED: dict[str, tuple[bytes, str, bool]] = {
    "no column": (csv(ROWS.drop(columns="Age")), "column 'Age' is missing", True),
    "text": (with_cell("Age", "old"), "column 'Age', row 5: expected a number, found 'old'", True),
    "infinity": (with_cell("Balance", "inf"), "column 'Balance', row 5: expected a finite number", True),
    "one name twice": (TEXT.replace("Tenure", " age", 1).encode(), "stands twice", True),
    "header only": (HEADER.encode(), "no rows", True),
    "empty": (b"", "is empty", True),
    "blank": (b"\n\n,,\n", "is empty", True),
    "workbook": (b"PK\x03\x04 and more", "Excel workbook", True),
    "web page": (b"<!DOCTYPE html><html></html>", "web page", True),
    "not text": (bytes(range(256)) * 9, "not a text file", True),
    "no target": (csv(ROWS.drop(columns="Exited")), "column 'Exited' is missing", False),
    "target empty": (csv(ROWS.assign(Exited="")), "column 'Exited' is empty in every row", False),
    "strange target": (with_cell("Exited", 2), "column 'Exited', row 5: expected one of 0, 1", False),
    "one class": (csv(ROWS.assign(Exited=1)), "column 'Exited' is 1 in every row", False),
    "too few": (csv(ROWS.head(12)), "at least 10 of each class", False),
    "ages unknown": (csv(ROWS.assign(Age=np.nan)), "column 'Age' is empty in every row", False),
    "countries unknown": (csv(ROWS.assign(Geography="")), "column 'Geography' is empty in every row", False),
    # The copy of 20,003 rows that circulates: the table twice, its header and stray blank cells between.
    "damaged copy": ("\n".join([TEXT, " , ,, ", HEADER, TEXT.partition("\n")[2]]).encode(), "repeats the header", True),
}


def predictions(capsys: pytest.CaptureFixture[str], runs: Path, *files: Path) -> tuple[pd.DataFrame, str]:
    capsys.readouterr()
    assert main(["predict", "churn", *map(str, files), "--runs", str(runs)]) == 0
    captured = capsys.readouterr()
    return pd.read_csv(io.StringIO(captured.out)), captured.err


def test_predict_takes_tables_as_people_have_them_and_says_so(runs, tmp_path, capsys):
    # In one command, since a model takes longer to load than a table to read.
    paths = [tmp_path / "plain.csv"]
    paths[0].write_text(TEXT)
    for name, (content, _) in ACCEPTED.items():
        paths.append(tmp_path / f"{name} \u00fc.csv")
        paths[-1].write_bytes(content)
    found, said = predictions(capsys, runs, *paths)
    assert len(found) == len(paths) * len(ROWS)
    expected = found["probability"].iloc[: len(ROWS)].tolist()
    for place, (path, (_, told)) in enumerate(zip(paths[1:], ACCEPTED.values(), strict=True), start=1):
        notes = [line for line in said.splitlines() if line.startswith(str(path))]
        assert any(told in note for note in notes), path
        assert found["probability"].iloc[place * len(ROWS) : (place + 1) * len(ROWS)].tolist() == expected, path


def test_run_takes_such_a_table_and_its_report_says_so(tmp_path, capsys):
    rows = pd.concat([ROWS, ROWS.tail(5)]).astype({"Age": object, "Exited": object}).reset_index(drop=True)
    rows.loc[:2, "Age"], rows.loc[3:6, "Exited"], rows.loc[7:8, "Geography"] = "", "", "Atlantis"
    path = tmp_path / "own rows.csv"
    path.write_bytes(csv(rows[rows.columns[::-1]].rename(columns=str.upper), sep=";").decode().encode("utf-16"))
    assert main(["run", "churn", *TINY[:-1], "--data", str(path), "--runs", str(tmp_path / "my runs")]) == 0
    (run,) = finished_runs(tmp_path / "my runs", "churn")
    notes, said, report = run.environment()["data"]["notes"], capsys.readouterr().err, run.report_path.read_text()
    for expected in ("UTF-16", "semicolons", "letter case", "4 rows left out", "missing value"):
        assert expected in " ".join(notes)
        assert expected in said
        assert expected in report
    assert "with the same content as an earlier row" in said
    assert run.environment()["data"]["rows"] == 301


def test_predict_answers_for_repeated_and_incomplete_rows_too(runs, tmp_path, capsys):
    rows = pd.concat([ROWS.head(20), ROWS.head(3)]).astype({"Exited": object}).reset_index(drop=True)
    rows.loc[0:1, "Exited"] = ""
    (tmp_path / "rows.csv").write_bytes(csv(rows))
    found, said = predictions(capsys, runs, tmp_path / "rows.csv")
    assert len(found) == 23
    assert list(found["probability"][:3]) == list(found["probability"][20:])
    assert "3 rows with the same content" in said


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_without_guessing_is_refused_in_one_line(name, runs, tmp_path, refused):
    path = tmp_path / f"{name}.csv"
    content, expected, by_predict_too = REFUSED[name]
    path.write_bytes(content)
    line = refused("run", "churn", *TINY, "--data", path, "--runs", tmp_path / "runs")
    assert expected in line
    assert line.startswith((f"error: {path}: ", f"error: {path.name}: "))
    assert not list(tmp_path.glob("runs/churn/*"))
    if by_predict_too:
        line = refused("predict", "churn", path, "--runs", runs, "--output", tmp_path / "out.csv")
        assert expected in line
        assert refused("explain", "churn", "--input", path, "--runs", runs) == line
        assert not (tmp_path / "out.csv").exists()
    else:
        assert main(["predict", "churn", str(path), "--runs", str(runs), "--output", str(tmp_path / "out.csv")]) == 0


def test_an_output_that_cannot_be_written_is_refused(runs, tmp_path, refused):
    (tmp_path / "rows.csv").write_text(TEXT)
    (tmp_path / "file").touch()
    for output, expected in {
        tmp_path: "is a folder",
        "": "is a folder",
        tmp_path / "missing" / "out.csv": "No such file or directory",
        tmp_path / "file" / "out.csv": "Not a directory",
        "/dev/full/out.csv": "Not a directory",
    }.items():
        assert expected in refused("predict", "churn", tmp_path / "rows.csv", "--runs", runs, "--output", output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "rows.csv"]


def test_runs_that_should_go_into_a_file_are_refused(tmp_path, refused):
    (tmp_path / "file").touch()
    line = refused("run", "churn", *TINY, "--data", "sample", "--runs", tmp_path / "file")
    assert "cannot be made" in line
    assert "--runs DIR" in line


# Keras leaves history.csv open when a fit fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kilobytes", [1, 60])
def test_a_disk_that_runs_full_ends_a_run_in_one_line(tmp_path, refused, kilobytes):
    # A limit on the size of a file fails where a full disk does, and needs no disk.
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, before[1]))
    try:
        line = refused("run", "churn", *TINY, "--data", "sample", "--runs", tmp_path / "runs")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert line.startswith(f"error: {tmp_path / 'runs'}")
    assert "File too large" in line
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in left if path.name.startswith(".")]
    # What was trained is kept; a folder in which nothing was trained is not.
    assert bool(left) == any(path.name == "training_state.npz" for path in left)


@pytest.mark.parametrize(
    ("file", "content", "commands"),
    [
        ("metrics.json", "{", ["report"]),
        ("metrics.json", "{}", ["report"]),
        ("metrics.json", '{"primary": 3}', ["report"]),
        ("environment.json", None, ["report", "predict", "explain"]),
        ("environment.json", "{}", ["predict", "explain"]),
        ("environment.json", '{"practical": ["churn"]}', ["predict", "explain"]),
        ("summary.json", '{"task": "binary", "ladder": 3}', ["report"]),
        ("predictions.csv", "a,b\n1,2\n", ["report"]),
        ("history.csv", "", ["report"]),
        ("explanations/shap_row.json", "{}", ["report"]),
        ("config.yaml", None, ["report", "predict", "explain"]),
        ("config.yaml", "bogus: 1\n", ["explain"]),
        ("config.yaml", "- 1\n", ["explain"]),
        ("config.yaml", "? [1, 2]\n: 3\n", ["explain"]),
        ("model.keras", None, ["predict", "explain"]),
    ],
)
def test_a_damaged_run_folder_is_refused_in_one_line(copy, refused, tmp_path, file, content, commands):
    (tmp_path / "rows.csv").write_text(TEXT)
    (copy / file).unlink() if content is None else (copy / file).write_text(content)
    for command in commands:
        line = refused(command, copy, *([tmp_path / "rows.csv"] if command == "predict" else []))
        assert str(copy) in line


def test_a_folder_in_place_of_a_file_is_refused(copy, refused):
    for file in ("environment.json", "explanations/shap_row.json"):
        (copy / file).unlink()
        (copy / file).mkdir()
        assert "Is a directory" in refused("report", copy)
        (copy / file).rmdir()
        shutil.copy(copy / "metrics.json", copy / file)


def test_a_run_that_did_not_finish_names_the_command_that_continues_it(copy, refused, monkeypatch):
    (copy / "metrics.json").unlink()
    monkeypatch.chdir(copy.parent)
    line = refused("report", copy.name)
    assert "`practicals run churn --resume 'a copy'`" in line


def test_explanations_of_two_rows_never_stand_together(copy):
    run = Run(copy)
    first, second = map(str, run.predictions()["id"].head(2))

    def subjects() -> dict[str, str]:
        found = {path.stem: json.loads(path.read_text()) for path in run.explanations_folder.glob("*.json")}
        return {name: one["subject"] for name, one in found.items() if one["scope"] == "row"}

    assert main(["explain", str(copy), "--row", first, "--quiet"]) == 0
    assert subjects() == {"shap_row": first, "lime_row": first}
    assert main(["explain", str(copy), "--row", second, "--method", "lime", "--quiet"]) == 0
    assert subjects() == {"lime_row": second}
    assert not (run.plots_folder / "shap_row.svg").exists()
    assert f"row {first}" not in run.report_path.read_text()


def test_a_row_of_ones_own_is_not_taken_for_a_row_of_the_data(copy, tmp_path, capsys):
    (tmp_path / "mine.csv").write_text(TEXT)
    assert main(["explain", str(copy), "--input", str(tmp_path / "mine.csv"), "--method", "lime", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["explanations"]["lime_row"]["subject"] == "1 of mine.csv"


def test_a_resumed_run_that_fails_keeps_its_folder(copy, refused, tmp_path):
    for file in ("metrics.json", "training_state.npz"):
        (copy / file).unlink()
    (copy / "config.yaml").write_text((copy / "config.yaml").read_text().replace("data: sample", "data: gone.csv"))
    assert "gone.csv: no such file" in refused("run", "churn", "--resume", copy)
    assert (copy / "model.keras").exists()


def test_a_closed_pipe_ends_the_command_quietly():
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [sys.executable, "-m", "practicals", "list"], stdout=writing, stderr=subprocess.PIPE, text=True
    ) as child:
        os.close(writing)
        assert child.communicate()[1] == ""
