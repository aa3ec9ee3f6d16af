"""A model in another form gives the same predictions, or is not there; and every command can answer in JSON."""

from __future__ import annotations

import importlib.util
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from fake_runs import write_run

from practicals.common import export, export_onnx
from practicals.common.catalog import CATALOG
from practicals.common.cli import build_parser, main
from practicals.common.errors import RunError
from practicals.common.layers import DecisionThreshold, FromLogRatio, ResizePixels
from practicals.common.training import predict_batches

HAS_ONNX = all(importlib.util.find_spec(name) for name in export_onnx.ONNX_PACKAGES)
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="the extra [onnx] is not installed")


@pytest.fixture
def reads_words() -> keras.Model:
    """Takes a word and a number, as the models of tables do."""
    word, age = keras.Input((1,), name="Country", dtype="string"), keras.Input((1,), name="Age")
    known = keras.layers.StringLookup(vocabulary=["France", "Spain"], output_mode="one_hot")(word)
    chance = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Concatenate()([known, age]))
    outputs = {"probability": chance, "decision": DecisionThreshold(0.5)(chance)}
    return keras.Model({"Country": word, "Age": age}, outputs)


@pytest.fixture
def reads_windows() -> keras.Model:
    """Has what ONNX lacks and can be told otherwise: log(1 + x) and its inverse, and numbers held by a layer."""
    values = keras.Input((8,), name="values")
    scaled = keras.layers.Normalization(axis=None, mean=3.0, variance=4.0)(values)
    ratio = keras.layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(0, 0.1, seed=0))(scaled)
    return keras.Model({"values": values}, {"prediction": FromLogRatio()(ratio, values)})


@pytest.fixture
def reads_pictures() -> keras.Model:
    """Has a layer that changes pictures at random while the model is training."""
    pixels = keras.Input((None, None, 3), name="pixels")
    turned = keras.layers.RandomBrightness(0.9, value_range=(0, 255))(ResizePixels(16)(pixels))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(turned))
    return keras.Model(pixels, {"probability": keras.layers.Dense(2, activation="softmax")(features)})


def hidden_files(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_savedmodel_gives_the_same_predictions_without_keras(reads_words, tmp_path):
    block = {"Country": np.array([["Spain"], ["Mars"]], dtype=object), "Age": np.array([[30.0], [0.5]], "float32")}
    made = export.export_model(reads_words, "savedmodel", tmp_path / "out", [block])
    assert made["rows"] == 2
    assert made["as_share"]["probability"] < 1e-6
    assert made["largest_difference"]["decision"] == 0
    assert made["inputs"]["Country"] == {"shape": [None, 1], "type": "string"}
    signature = tf.saved_model.load(tmp_path / "out").signatures["serving_default"]
    answer = signature(**{name: tf.constant(values) for name, values in block.items()})
    np.testing.assert_allclose(answer["probability"], predict_batches(reads_words, block)["probability"], atol=1e-6)
    assert hidden_files(tmp_path) == []


def test_what_gives_other_predictions_is_not_kept(reads_words, tmp_path, monkeypatch):
    load = export._load_savedmodel

    def load_changed(folder):
        right = load(folder)
        return lambda block: {name: values + 0.01 for name, values in right(block).items()}

    monkeypatch.setattr(export, "_load_savedmodel", load_changed)
    with pytest.raises(RunError, match="not kept, since the exported model gives another probability"):
        export.export_model(reads_words, "savedmodel", tmp_path / "out", export.made_up_rows(reads_words))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "is_refused"),
    [
        ([1.0, np.nan], [1.0, np.nan], False),
        ([1.0, np.nan], [1.0, 1.0], True),
        ([1e9, 5.0], [1e9 + 64, 5.0], False),
        ([0.5, 0.5], [0.5, 0.51], True),
    ],
)
def test_rounding_is_told_from_a_difference(ours, theirs, is_refused, tmp_path):
    found = {"prediction": export._difference(np.array(ours), np.array(theirs))}
    if is_refused:
        with pytest.raises(RunError, match="not kept"):
            export._refuse_different(tmp_path, found, 2)
    else:
        export._refuse_different(tmp_path, found, 2)


def test_what_is_there_is_never_touched(reads_words, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RunError, match="is there already"):
        export.export_model(reads_words, "savedmodel", tmp_path / "out", export.made_up_rows(reads_words))
    assert (tmp_path / "out").read_text() == "mine"


def test_an_interrupted_export_leaves_nothing(reads_words, tmp_path, monkeypatch):
    def interrupt(folder):
        assert folder.is_dir()
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "_load_savedmodel", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export.export_model(reads_words, "savedmodel", tmp_path / "out", export.made_up_rows(reads_words))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_line(reads_words, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written .*--output PATH"):
        export.export_model(reads_words, "savedmodel", tmp_path / "file" / "out", export.made_up_rows(reads_words))


def test_onnx_says_why_it_cannot_hold_text_whether_or_not_its_packages_are_there(reads_words, tmp_path):
    with pytest.raises(RunError, match=r"takes text \(Country\)"):
        export.export_model(reads_words, "onnx", tmp_path / "out.onnx", export.made_up_rows(reads_words))
    assert list(tmp_path.iterdir()) == []


def test_onnx_says_why_it_cannot_solve_equations(tmp_path):
    matrix = keras.Input((2, 2), name="matrix")
    model = keras.Model(matrix, {"x": keras.ops.solve(matrix + 9 * np.eye(2, dtype="float32"), matrix)})
    with pytest.raises(RunError, match=r"solves equations for each row \(MatrixSolve\)\. Use --format savedmodel"):
        export.export_model(model, "onnx", tmp_path / "out.onnx", export.made_up_rows(model))


def test_missing_packages_are_named_with_what_installs_them(reads_windows, tmp_path, monkeypatch):
    monkeypatch.setattr(export_onnx, "ONNX_PACKAGES", ("onnx_that_nobody_has",))
    with pytest.raises(RunError, match=r"needs onnx_that_nobody_has\. Install with `pip install"):
        export.export_model(reads_windows, "onnx", tmp_path / "out.onnx", export.made_up_rows(reads_windows))


@needs_onnx
def test_onnx_gives_the_same_forecasts(reads_windows, tmp_path):
    made = export.export_model(reads_windows, "onnx", tmp_path / "out.onnx", export.made_up_rows(reads_windows))
    assert made["rows"] == 32
    assert made["as_share"]["prediction"] < 1e-5
    assert list(tmp_path.iterdir()) == [tmp_path / "out.onnx"]


@needs_onnx
def test_onnx_takes_pictures_in_the_size_that_the_network_reads(reads_pictures, tmp_path):
    made = export.export_model(reads_pictures, "onnx", tmp_path / "out.onnx", export.made_up_rows(reads_pictures))
    assert made["inputs"]["pixels"]["shape"] == [None, 16, 16, 3]


def test_what_a_lesson_asks_its_model_is_recorded(reads_words):
    rows = {"Country": np.array([["Spain"]] * 3, dtype=object), "Age": np.ones((3, 1), "float32")}
    blocks = export.asked_for(lambda model, given: predict_batches(model, given, block_rows=2), reads_words, rows)
    assert [block["Country"].tolist() for block in blocks] == [[[b"Spain"]] * 2] * 2
    assert blocks[0]["Age"].tolist() == [[1.0], [1.0]]


def test_an_exported_model_is_never_training(reads_pictures, tmp_path):
    made = export.export_model(reads_pictures, "savedmodel", tmp_path / "out", export.made_up_rows(reads_pictures))
    assert made["as_share"]["probability"] < 1e-5
    assert made["inputs"]["pixels"]["shape"] == [None, None, None, 3]


# JSON everywhere


@pytest.mark.parametrize("command", next(a for a in build_parser()._actions if a.dest == "command").choices)
def test_every_command_can_answer_in_json(command):
    choices = next(action for action in build_parser()._actions if action.dest == "command").choices
    assert "--json" in choices[command]._option_string_actions


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["list"], {"practicals"}),
        (["compare"], {"runs", "page"}),
        (["report", "churn"], {"run", "report"}),
        (["notebook", "churn"], {"notebook"}),
        (["completion", "bash"], {"shell", "script"}),
    ],
)
def test_json_on_stdout_is_one_object(arguments, keys, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs" / "churn" / "20260101T000000Z-abc123")
    assert main([*arguments, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == keys


# Whole lessons


@pytest.mark.slow  # a minute each: six small runs, each exported twice
@pytest.mark.parametrize("name", CATALOG)
def test_every_lesson_can_be_exported(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", name, "--data", "sample", "--smoke", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["export", name, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["checked_on"] == "test rows"
    assert made["rows"] > 0
    assert max(made["as_share"].values()) <= export.BORDERLINE
    assert main(["export", name, "--json"]) == 2
    assert f"{name}_savedmodel: is there already" in capsys.readouterr().err
    code = main(["export", name, "--format", "onnx"])
    if name in ("cats_dogs", "web_traffic") and HAS_ONNX:
        assert code == 0
    else:
        assert code == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith("error: ONNX: ")
