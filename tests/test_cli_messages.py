"""The spam lesson through the command line: a run's files, messages of a user's however they come, and bad input."""

from __future__ import annotations

import gc
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import cache as cache_of_models
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from killed_run import assert_ctrl_c_names_what_continues_to_the_same_numbers
from lesson_commands import assert_whole, refused_in_one_line

from practicals import load_model, sms_spam
from practicals.common import commands, training
from practicals.common.cli import build_parser, main
from practicals.common.data import messages as data
from practicals.common.data.message_samples import written_messages
from practicals.common.explain import messages as explain_messages
from practicals.common.run import Run, finished_runs

# Networks that are not compiled, which takes longer than all that is done here; see `own_cache`.
SMOKE = ("--smoke", "--set", "deterministic=true", "--set", "longest=12", "--set", "units=[4]")
TINY = (*SMOKE, "--set", "pieces=300", "--set", "bidirectional=false", "--quiet")


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """As in conftest, for the whole module. Of the sample, a fifth is read; determinism is never switched on, since it
    cannot be switched off again in a process; networks learn step by step, which for so few is faster; a saved model
    is loaded once; and little is asked for explanations."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("PRACTICALS_CACHE", str(cache))
        patch.delenv("PRACTICALS_DATA", raising=False)
        patch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
        patch.setattr(data, "written_messages", partial(written_messages, 300))
        build_model = sms_spam.build_model

        def eager(*arguments: object) -> keras.Model:
            network = build_model(*arguments)
            network.run_eagerly = True
            return network

        patch.setattr(sms_spam, "build_model", eager)
        for name, least in {"GLOBAL_MESSAGES": 20, "SAMPLES": 300, "ROUNDS": 2, "ROUNDS_STAND_IN": 1}.items():
            patch.setattr(explain_messages, name, least)
        patch.setattr(training, "load_model", cache_of_models(training.load_model))
        gc.collect()
        gc.freeze()
        yield cache
        gc.unfreeze()


def labelled(number: int = 120, seed: int = 4) -> str:
    """Lines in the form of the collection: label, tab, message."""
    texts, labels = written_messages(number, seed)
    return "".join(f"{label}\t{text}\n" for label, text in zip(labels, texts, strict=True))


LINES = labelled()
TABLE = pd.DataFrame([line.split("\t") for line in LINES.splitlines()], columns=["art", "nachricht"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with a run on the built-in sample."""
    folder = tmp_path_factory.mktemp("runs")
    assert main(["run", "sms_spam", *TINY, "--data", "sample", "--runs", str(folder)]) == 0
    return folder


@pytest.fixture
def unexplained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explanations take most of the time of a small run; the run above has them."""
    monkeypatch.setattr(sms_spam, "explain", lambda *arguments, **more: {})
    monkeypatch.setattr(sms_spam, "read_along", lambda *arguments: [])


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    return partial(refused_in_one_line, capsys)


def only_run(folder: Path) -> Run:
    (run,) = finished_runs(folder, "sms_spam")
    return run


def predicted(capsys: pytest.CaptureFixture[str], runs: Path, *arguments: object) -> tuple[pd.DataFrame, str]:
    capsys.readouterr()
    assert main(["predict", "sms_spam", *map(str, arguments), "--runs", str(runs)]) == 0
    captured = capsys.readouterr()
    return pd.read_csv(io.StringIO(captured.out), keep_default_na=False), captured.err


def type_in(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: False))


# What a run leaves


def test_a_run_writes_every_file_of_its_folder(runs):
    assert_whole(only_run(runs), *(f"explanations/{name}.json" for name in ("shap_row", "lime_row", "shap_global")))


def test_predictions_are_what_the_scores_and_the_blocking_table_are_computed_from(runs):
    run = only_run(runs)
    lines, metrics, summary = run.predictions(), run.metrics(), run.summary()
    assert list(lines.columns) == ["id", "part", "truth", "prediction", "probability", "blocked"]
    assert lines["id"].is_unique and lines["id"].between(1, 300).all()
    for part in ("validation", "test"):
        rows = lines[lines["part"] == part]
        assert (rows["truth"] == rows["prediction"]).mean() == pytest.approx(metrics[part]["accuracy"])
        blocked = rows["blocked"].to_numpy()
        assert blocked[rows["truth"] == "ham"].mean() == pytest.approx(metrics[part]["ham_blocked"])
        assert blocked[rows["truth"] == "spam"].mean() == pytest.approx(metrics[part]["spam_blocked"])
    assert metrics["validation"]["ham_blocked"] == 0
    network = summary["blocking"]["rows"][0]
    test = lines[lines["part"] == "test"]
    assert network["ham"] == (test["truth"] == "ham").sum() and network["spam"] == (test["truth"] == "spam").sum()
    assert network["spam_blocked"] == test[test["truth"] == "spam"]["blocked"].sum()
    assert "too few to promise" in summary["threshold"]["sentence"]
    assert metrics["primary"] == {"metric": "mcc", "direction": "max", "unit": ""}
    assert set(metrics["baselines"]) == {
        "majority", "naive Bayes", "linear SVM on words", "linear SVM on characters and words",
    }  # fmt: skip
    assert any("Repeats stay in one part" in note for note in summary["data"]["notes"])


def test_the_saved_model_answers_in_safe_mode_as_the_run_did(runs):
    run = only_run(runs)
    texts, _ = written_messages(300)
    model = load_model(run.model_path)
    lines = run.predictions().head(20)
    chance = model(tf.constant([[texts[number - 1]] for number in lines["id"]]))
    np.testing.assert_allclose(chance["probability"].numpy()[:, 0], lines["probability"], atol=1e-6)
    np.testing.assert_array_equal(chance["blocked"].numpy()[:, 0], lines["blocked"])


# Messages of a user's


def test_messages_of_the_command_line_are_answered_each_and_in_order(runs, capsys):
    texts = [
        "WIN a £1000 prize!",
        "",
        "see you, love",
        '"quoted", <script>alert(1)</script>',
        "two\nlines\rhere",
        "-x",
        "שלום",
    ]
    given = [f"--text={text}" for text in texts]
    table, _ = predicted(capsys, runs, *given)
    assert list(table.columns) == ["message", "label", "probability", "blocked"]
    assert table["message"].tolist() == texts
    assert table["probability"].between(0, 1).all() and set(table["label"]) <= {"ham", "spam"}
    capsys.readouterr()
    assert main(["predict", "sms_spam", *given, "--runs", str(runs), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert [row["message"] for row in rows] == texts
    assert [row["probability"] for row in rows] == pytest.approx(table["probability"].tolist(), abs=2e-6)
    alone, _ = predicted(capsys, runs, "--text", texts[0])
    assert alone["probability"].iloc[0] == pytest.approx(table["probability"].iloc[0], abs=2e-6)


@pytest.mark.parametrize("option", [["--json"], ["--output", "out.csv"], ["--quiet"]], ids=" ".join)
@pytest.mark.parametrize("name", ["sms_spam", "churn"])
def test_options_may_stand_before_the_files(name, option):
    assert build_parser().parse_args(["predict", name, *option, "mine.csv"]).inputs == [Path("mine.csv")]


def test_an_empty_message_alone_is_answered(runs, capsys):
    table, _ = predicted(capsys, runs, "--text", "")
    assert table["message"].tolist() == [""] and table["probability"].between(0, 1).all()


def test_files_tables_and_standard_input_give_the_same_answers(runs, capsys, tmp_path, monkeypatch):
    texts = ["WIN a £1000 prize, txt to 12345", "", "see you, \u00e4rger"]
    expected, _ = predicted(capsys, runs, *(f"--text={text}" for text in texts))
    content = "\n".join(texts) + "\n"
    (tmp_path / "mine.txt").write_text(content, encoding="utf-8")
    frame = pd.DataFrame({"when": [1, 2, 3], "Text": texts})
    frame.to_csv(tmp_path / "mine.csv", index=False)
    (tmp_path / "latin.txt").write_bytes(content.encode("latin-1"))
    (tmp_path / "wide.txt").write_bytes(content.encode("utf-16"))
    frame.to_csv(tmp_path / "semicolon.csv", index=False, sep=";")
    (tmp_path / "labelled.txt").write_text("".join(f"ham\t{text}\n" for text in texts), encoding="utf-8")
    said = {}
    for name in ("mine.txt", "mine.csv", "latin.txt", "wide.txt", "semicolon.csv", "labelled.txt"):
        found, said[name] = predicted(capsys, runs, tmp_path / name)
        pd.testing.assert_frame_equal(found, expected, obj=name)
    assert "latin-1" in said["latin.txt"] and "UTF-16" in said["wide.txt"] and "left aside" in said["labelled.txt"]
    type_in(monkeypatch, content.encode("latin-1"))
    found, _ = predicted(capsys, runs, "-")
    pd.testing.assert_frame_equal(found, expected, obj="standard input")
    output = tmp_path / "out.csv"
    assert main(["predict", "sms_spam", str(tmp_path / "mine.txt"), "--output", str(output), "--runs", str(runs)]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(output, keep_default_na=False), expected)


def test_odd_messages_in_a_file_are_answered_and_what_is_cut_is_said(runs, capsys, tmp_path):
    texts = [
        "👍🎉",
        "www.win.example",
        "a\u200bb",
        "\u05e9\u05dc\u05d5\u05dd \u05de\u05d4",
        "qqq zzz",
        "free " * 200_000,
    ]
    (tmp_path / "odd.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    table, said = predicted(capsys, runs, tmp_path / "odd.txt")
    assert table["message"].tolist()[:5] == texts[:5] and len(table["message"].iloc[5]) <= 10_000
    assert "10,000" in said and table["probability"].between(0, 1).all()


def test_what_predict_cannot_read_is_one_line(runs, refused, tmp_path, monkeypatch):
    type_in(monkeypatch, b"\x00\x01\x02" * 40)
    at = ["--runs", runs]
    assert "standard input" in refused("predict", "sms_spam", "-", *at)
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "two.csv").write_text("a,b\n1,x\n")
    (tmp_path / "photo.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (tmp_path / "nul.txt").write_bytes(b"hello\nsee\x00you\n")
    for name, expected in (
        ("empty.txt", "is empty"),
        ("two.csv", "text"),
        ("photo.txt", ""),
        ("nul.txt", "NUL"),
        ("none.txt", "no such"),
        (".", "folder"),
    ):
        line = refused("predict", "sms_spam", tmp_path / name, *at)
        assert line.startswith(f"error: {tmp_path / name}") and expected in line, line
    for arguments, expected in (
        ([], "nothing to predict for. Give a file, - for standard input, or --text"),
        ([tmp_path / "nul.txt", "--text", "x"], "--text: predict either for messages or for files"),
        ([tmp_path / "nul.txt", tmp_path / "nul.txt"], "nul.txt"),
    ):
        assert expected in refused("predict", "sms_spam", *arguments, *at)


def test_empty_standard_input_is_one_line(runs, refused, monkeypatch):
    type_in(monkeypatch, b"")
    assert "standard input" in refused("predict", "sms_spam", "-", "--runs", runs)


def test_a_message_of_ones_own_is_explained_on_itself(runs, capsys):
    run = only_run(runs)
    text = "claim your prize <script>alert(1)</script>"
    capsys.readouterr()
    assert main(["explain", str(run.folder), "--text", text, "--method", "lime", "--json"]) == 0
    explanations = json.loads(capsys.readouterr().out)["explanations"]
    assert list(explanations) == ["lime_row"]
    one = explanations["lime_row"]
    assert (one["subject"], one["unit"], one["message"]["text"]) == ("of your own", "probability", text)
    report = run.report_path.read_text()
    assert "&lt;" in report and "<script>alert" not in report


def test_an_empty_message_and_a_row_of_the_data_are_explained_and_an_unknown_row_refused(
    runs, capsys, refused, monkeypatch
):
    monkeypatch.setattr(commands, "rebuild_report", lambda run: run.report_path)  # the test above rebuilds one
    arguments = ["explain", "sms_spam", "--runs", str(runs), "--method", "lime"]
    capsys.readouterr()
    assert main([*arguments, "--text", ""]) == 0
    assert "no words" in capsys.readouterr().out
    line = only_run(runs).predictions().iloc[0]
    assert main([*arguments, "--row", str(line["id"]), "--json"]) == 0
    one = json.loads(capsys.readouterr().out)["explanations"]["lime_row"]
    assert one["subject"] == str(line["id"]) and one["message"]["truth"] == line["truth"]
    assert one["prediction"] == pytest.approx(line["probability"], abs=1e-5)
    assert "there is no such row" in refused(*arguments, "--row", "9999")
    assert "occlusion" in refused("explain", "sms_spam", "--runs", runs, "--text", "x", "--method", "occlusion")


def test_only_lessons_that_read_messages_take_some(refused, tmp_path):
    (tmp_path / "churn").mkdir()
    for arguments in (["predict", "churn", "--text", "x"], ["predict", "churn"]):
        refused(*arguments, "--runs", tmp_path)


# A table of ones own


def odd_rows() -> pd.DataFrame:
    texts = ["", "👍🎉😂", "www.win.example", "שלום מה", "a\u200bb", "x" * 1_000_000, 'say "hi", he said', "two\nlines"]
    return pd.DataFrame({"art": ["gut"] * len(texts), "nachricht": texts})


def test_a_table_of_ones_own_is_learnt_and_predicted_with_what_was_said(unexplained, capsys, tmp_path):
    frame = pd.concat([TABLE.replace({"ham": "gut", "spam": "böse"}), odd_rows()], ignore_index=True)
    path = tmp_path / "mine.csv"
    frame.assign(wann=1).to_csv(path, index=False, sep=";", encoding="utf-8")
    columns = ["--set", "text=Nachricht", "--set", "target=ART"]
    capsys.readouterr()
    assert main(["run", "sms_spam", *TINY, "--data", str(path), *columns, "--runs", str(tmp_path / "runs")]) == 0
    said = capsys.readouterr().err
    run = only_run(tmp_path / "runs")
    assert run.summary()["classes"] == ["gut", "böse"] and run.metrics()["data"] == "own"
    notes = " ".join(run.environment()["data"]["notes"])
    assert "10,000" in notes and "10,000" in said and "Empty messages: 1" in notes
    table, _ = predicted(capsys, tmp_path / "runs", "--text", "x")
    assert set(table["label"]) <= {"gut", "böse"}
    # The table that was learnt from can be predicted for too, though its column has no usual name.
    output = tmp_path / "out.csv"
    capsys.readouterr()
    code = main(["predict", "sms_spam", str(path), "--output", str(output), "--runs", str(tmp_path / "runs")])
    assert code == 0, capsys.readouterr().err
    assert len(pd.read_csv(output, keep_default_na=False)) == len(frame)


# Bad input


def csv(frame: pd.DataFrame, **options: str) -> bytes:
    return frame.to_csv(index=False, **options).encode()


def archive(**members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
    return content.getvalue()


OWN = ("--set", "text=nachricht", "--set", "target=art")
# Name of the file -> its content, what the error says, and the settings.
REFUSED: dict[str, tuple[bytes, str, tuple[str, ...]]] = {
    "three.txt": (f"{LINES}maybe\tcall me\n".encode(), "3 different labels", ()),
    "one.txt": (LINES.replace("spam\t", "ham\t").encode(), "in every row", ()),
    "tabless.txt": (f"{LINES}no label here\n".encode(), "row 121", ()),
    "quotes.csv": (b'label,text\nham,"see you\nspam,win\nham,ok\n', "quot", ()),
    "nul.txt": (LINES.encode().replace(b"you", b"y\x00u", 1), "NUL", ()),
    "numbers.csv": (csv(TABLE.assign(nachricht=range(120))), "nothing but numbers", OWN),
    "header.csv": (b"label,text\n", "no rows", ()),
    "empty.txt": (b"", "is empty", ()),
    "blank.txt": (b"\n\n \n", "empty", ()),
    "photo.txt": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "", ()),
    "workbook.csv": (b"PK\x03\x04 and more", "", ()),
    "page.txt": (b"<!DOCTYPE html><html></html>", "web page", ()),
    "no column.csv": (csv(TABLE), "nachricht", ("--set", "text=nachrichten", "--set", "target=art")),
    "no target.csv": (csv(TABLE[["nachricht"]]), "art", OWN),
    "twice.csv": (csv(TABLE).replace(b"art,nachricht", b"nachricht, Nachricht"), "stands twice", OWN),
    "labels away.csv": (csv(TABLE.assign(art="")), "missing in every row", OWN),
    "few.txt": (b"ham\tsee you\nspam\twin\nham\tok then\n", "different message", ()),
    "repeats.txt": (LINES.replace("spam\t", "ham\t").encode() + b"spam\tWin 1\nspam\twin  2\n" * 20,
                    "different message", ()),
    "other.csv": (csv(TABLE), "'offer'", (*OWN, "--set", "positive=offer")),
    "two.zip": (archive(a=LINES, b=LINES), "", ()),
    "no words.txt": ("".join(f"{'spam' if i % 4 == 0 else 'ham'}\t{'👍' * (i + 1)}\n" for i in range(80)).encode(),
                     "no word is left", ("--set", "cleaning=words")),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learnt_from_is_refused_in_one_line_and_leaves_nothing(name, refused, tmp_path):
    content, expected, sets = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    line = refused("run", "sms_spam", *TINY, *sets, "--data", tmp_path / name, "--runs", tmp_path / "runs")
    assert expected in line, line
    assert line.startswith("error: ") and name in line, "it names the file"
    assert not list(tmp_path.glob("runs/sms_spam/*"))


def test_nothing_a_folder_and_settings_that_cannot_be_are_refused_too(refused, tmp_path):
    (tmp_path / "vectors.txt").write_text("free one two\n")
    (tmp_path / "mine.txt").write_text(LINES, encoding="utf-8")
    at = ["--runs", tmp_path / "runs"]
    for arguments, expected in (
        (["--data", tmp_path / "none.txt"], "no such file"),
        (["--data", tmp_path], "folder"),
        (["--data", "sample", "--set", "vectors=nowhere.txt"], "nowhere.txt"),
        (["--data", "sample", "--set", f"vectors={tmp_path / 'vectors.txt'}"], "row 1 is not a word and its numbers"),
        (["--data", "sample", "--set", "split.folds=5", "--set", "split.fold=5"], "numbered 0 to 4"),
        (["--data", "sample", "--set", "split.folds=1"], "split.folds=1"),
        (["--data", "sample", "--set", "modle=lstm"], "Did you mean 'model'?"),
        (["--data", "sample", "--set", "least_seen=9999"], "no word is left after cleaning that occurs 9999 times"),
    ):
        assert expected in refused("run", "sms_spam", *TINY, *arguments, *at)
        assert not list(tmp_path.glob("runs/sms_spam/*")), arguments


# Interruption


# Keras leaves history.csv open when a fit fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_run_names_the_command_that_continues_it_to_the_same_numbers(
    runs, unexplained, tmp_path, monkeypatch, capsys
):
    arguments = [*TINY, "--data", "sample"]
    assert_ctrl_c_names_what_continues_to_the_same_numbers(
        sms_spam, arguments, only_run(runs), tmp_path, monkeypatch, capsys
    )
