"""The cats-and-dogs lesson through the command line: a run's files, pictures of a user's, and bad input."""

from __future__ import annotations

import gc
import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from base_weights import BASE_FILE, base_weights
from lesson_commands import assert_whole, refused_in_one_line
from PIL import Image

from practicals import cats_dogs
from practicals.common import commands
from practicals.common.cli import main
from practicals.common.data.picture_samples import draw_picture
from practicals.common.run import Run, finished_runs

SMOKE = ("--smoke", "--set", "deterministic=false")
TINY = (*SMOKE, "--set", "filters=[4]", "--set", "epochs=1", "--quiet")
QUICK = ("grad_cam", "occlusion")  # the other four methods take most of the time of such a run


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """As in conftest, for the whole module, so that the sample is read once. Determinism is never switched on here."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("PRACTICALS_CACHE", str(cache))
        patch.delenv("PRACTICALS_DATA", raising=False)
        patch.setattr(tf.config.experimental, "enable_op_determinism", lambda: pytest.fail("determinism"))
        explain_picture = cats_dogs.explain_picture
        patch.setattr(
            cats_dogs,
            "explain_picture",
            lambda model, *, methods, **more: explain_picture(
                model, methods=QUICK if methods == cats_dogs.METHODS else methods, **more
            ),
        )
        # What is loaded by now stays: looking through it costs a quarter of a second each time a model is forgotten.
        gc.collect()
        gc.freeze()
        yield cache
        gc.unfreeze()


def drawn(label: str, seed: int) -> Image.Image:
    return Image.fromarray(draw_picture(np.random.default_rng(seed), label)[0])


def put(folder: Path, **classes: int) -> Path:
    """Save so many drawn pictures of each class; birds are noise."""
    for name, number in classes.items():
        (folder / name).mkdir(parents=True)
        for place in range(number):
            noise = np.random.default_rng(place).integers(0, 256, (40, 50, 3), dtype=np.uint8)
            picture = drawn(name, place) if name in ("cats", "dogs") else Image.fromarray(noise)
            picture.save(folder / name / f"{place}.png")
    return folder


def jpeg() -> bytes:
    content = io.BytesIO()
    drawn("cats", 77).save(content, "JPEG")
    return content.getvalue()


def png(width: int, height: int) -> bytes:
    """A PNG file of black pixels; a large one takes a few kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(min((width + 7) // 8 + 1, 100_000)) * min(height, 30), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


BAD_FILES = {
    "cut.jpg": (jpeg()[:-200], "is cut short or damaged"),
    "huge.png": (png(30_000, 30_000), "would decode to"),
    "tiny.png": (png(1, 1), "is too small to learn from: 1 x 1 pixels"),
    "words.jpg": (b"Dear cat, ", "is not a picture"),
    "zero.jpg": (b"", "is empty (zero bytes)"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with a run on the built-in sample."""
    folder = tmp_path_factory.mktemp("runs")
    arguments = ["--data", "sample", "--set", "augmentation.save=14", "--quiet", "--runs", str(folder)]
    assert main(["run", "cats_dogs", *SMOKE, "--set", "filters=[8]", *arguments]) == 0
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder of runs with a run on three class folders of a user's with everything in them; and what was said."""
    folder = tmp_path_factory.mktemp("own")
    outside = put(tmp_path_factory.mktemp("elsewhere"), dogs=1) / "dogs" / "0.png"
    pictures = put(folder / "my pets", birds=16, cats=16, dogs=16)
    for name, (content, _) in BAD_FILES.items():
        (pictures / "cats" / name).write_bytes(content)
    (pictures / "dogs" / "old" / "older").mkdir(parents=True)
    drawn("dogs", 99).save(pictures / "dogs" / "old" / "older" / "rex.jpg")
    (pictures / "dogs" / "away.png").symlink_to(outside)
    (pictures / "read me.txt").write_text("my pets")
    with pytest.MonkeyPatch.context() as patch:
        said = io.StringIO()
        patch.setattr("sys.stderr", said)
        assert main(["run", "cats_dogs", *TINY, "--data", str(pictures), "--runs", str(folder / "runs")]) == 0
    return folder / "runs", said.getvalue()


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    return partial(refused_in_one_line, capsys)


def only_run(folder: Path) -> Run:
    (run,) = finished_runs(folder, "cats_dogs")
    return run


# What a run leaves


def test_a_run_writes_every_file_of_its_folder(runs):
    run = only_run(runs)
    assert_whole(run, "explanations/grad_cam.json", "explanations/occlusion.json")
    report = run.report_path.read_text()
    assert "data:image/png;base64," in report
    assert 'src="pictures/' not in report, "the page is one file"


def test_pictures_of_the_gallery_are_those_that_the_summary_names(runs):
    run = only_run(runs)
    gallery = json.loads((run.folder / "summary.json").read_text())["gallery"]
    assert len(gallery["augmented"]["draws"]) == 12 and gallery["filters"]["files"] and gallery["examples"]
    assert [one["shape"] for one in gallery["feature_maps"]][1:], "maps of at least one layer"
    named = [gallery["augmented"]["original"], *gallery["augmented"]["draws"], *gallery["filters"]["files"]]
    named += [one["file"] for one in (*gallery["examples"], *gallery["wrong"])]
    named += [file for one in gallery["feature_maps"] for file in one["files"]]
    assert sorted(named) == sorted(f"pictures/{path.name}" for path in (run.folder / "pictures").iterdir())
    for file in named:
        with Image.open(run.folder / file) as picture:
            assert picture.format == "PNG" and min(picture.size) >= 32


def test_predictions_are_what_the_scores_are_computed_from(runs):
    run = only_run(runs)
    lines, metrics = run.predictions(), run.metrics()
    assert list(lines.columns) == [
        "id", "part", "truth", "prediction", "probability", "probability_cats", "probability_dogs",
    ]  # fmt: skip
    assert lines["part"].value_counts().to_dict() == {"test": 100, "validation": 30}
    assert lines["id"].is_unique
    for part in ("validation", "test"):
        rows = lines[lines["part"] == part]
        assert (rows["truth"] == rows["id"].str.extract(r"/(cats|dogs)/")[0]).all()
        assert (rows["prediction"] == rows["truth"]).mean() == pytest.approx(metrics[part]["accuracy"])
    both = lines[["probability_cats", "probability_dogs"]]
    np.testing.assert_allclose(both.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(both.max(axis=1), lines["probability"])
    assert metrics["primary"] == {"metric": "accuracy", "direction": "max", "unit": ""}
    assert set(metrics["test"]) == {"accuracy", "roc_auc", "log_loss", "ece"}
    assert set(metrics["baselines"]) == {
        "majority", "logistic regression on pixels", "logistic regression on edges",
    }  # fmt: skip
    assert (metrics["data"], metrics["epochs"]) == ("sample", 2)


def test_a_data_set_made_by_augmentation_can_be_read_as_one(runs):
    folder = only_run(runs).folder / "augmented"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    assert names == [f"{name}/{number:02d}.png" for name in ("cats", "dogs") for number in range(1, 15)]
    config = cats_dogs.CatsDogsConfig(data=str(folder), image_size=32, deterministic=False)
    split = cats_dogs.load(config)
    assert split.train.classes == ("cats", "dogs") and sum(len(part) for _, part in split.items()) == 28


def test_a_run_on_three_class_folders_names_what_it_left_out_and_why(own):
    run, said = only_run(own[0]), own[1]
    data, report = run.environment()["data"], run.report_path.read_text()
    assert (run.metrics()["data"], data["rows"]) == ("own", 16 * 3 + 1)
    notes = " ".join(data["notes"])
    assert "6 files are no readable pictures and are left out." in notes
    for name, (_, reason) in BAD_FILES.items():
        for where in (notes, said, report):
            assert f"cats/{name} {reason}" in where, name
    assert "dogs/away.png is a link that leads out of the folder" in notes
    assert "1 file that is no picture left out (read me.txt)" in notes
    counts = json.loads((run.folder / "summary.json").read_text())["data"]["class_counts"]
    assert {label: sum(part[label] for part in counts.values()) for label in ("birds", "cats", "dogs")} == {
        "birds": 16, "cats": 16, "dogs": 17,
    }  # fmt: skip
    assert "Traceback" not in said and "error" not in said


def test_a_run_on_three_classes_has_a_probability_and_a_row_of_the_confusion_for_each(own):
    run = only_run(own[0])
    lines = run.predictions()
    columns = ["probability_birds", "probability_cats", "probability_dogs"]
    assert list(lines.columns[-3:]) == columns
    np.testing.assert_allclose(lines[columns].sum(axis=1), 1, atol=1e-5)
    test = lines[lines["part"] == "test"]
    found = pd.crosstab(
        pd.Categorical(test["truth"], ["birds", "cats", "dogs"]),
        pd.Categorical(test["prediction"], ["birds", "cats", "dogs"]),
        dropna=False,
    )
    summary = json.loads((run.folder / "summary.json").read_text())
    assert summary["confusion"]["counts"] == found.to_numpy().tolist()
    assert summary["classes"] == ["birds", "cats", "dogs"]


# Pictures of a user's


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    put(tmp_path / "album", dogs=2)
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    (tmp_path / "broken.png").write_bytes(b"")
    drawn("dogs", 5).resize((90, 33)).save(tmp_path / "last.png")
    return tmp_path


def test_predictions_come_in_the_order_of_the_command_and_a_broken_file_keeps_its_line(runs, photos, capsys):
    given = [photos / name for name in ("photo.jpg", "album", "broken.png", "last.png")]
    capsys.readouterr()
    assert main(["predict", "cats_dogs", *map(str, given), "--runs", str(runs)]) == 2
    captured = capsys.readouterr()
    table = pd.read_csv(io.StringIO(captured.out), keep_default_na=False)
    assert list(table.columns) == ["file", "label", "probability", "problem"]
    expected = ["photo.jpg", "album/dogs/0.png", "album/dogs/1.png", "broken.png", "last.png"]
    assert table["file"].tolist() == [str(photos / name) for name in expected]
    assert table.loc[3].tolist() == [str(photos / "broken.png"), "", "", "is empty (zero bytes)"]
    good = table.drop(index=3)
    assert set(good["label"]) <= {"cats", "dogs"} and (good["problem"] == "").all()
    assert good["probability"].astype(float).between(0.5, 1).all()
    (line,) = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert captured.err.splitlines()[-1] == line
    assert f"{photos / 'broken.png'}: is empty (zero bytes). 1 of 5 could not be read" in line

    assert main(["predict", "cats_dogs", str(given[0]), str(given[2]), "--runs", str(runs), "--json"]) == 2
    first, second = json.loads(capsys.readouterr().out)["predictions"]
    assert first["label"] == table["label"][0]
    assert first["probability"] == pytest.approx(float(table["probability"][0]), abs=2e-6)
    assert second == {**second, "label": "", "probability": None, "problem": "is empty (zero bytes)"}


def test_predictions_of_three_classes_go_into_a_file(own, photos, capsys):
    output = photos / "out.csv"
    assert main(["predict", "cats_dogs", str(photos / "album"), "--runs", str(own[0]), "--output", str(output)]) == 0
    table = pd.read_csv(output, keep_default_na=False)
    assert len(table) == 2 and set(table["label"]) <= {"birds", "cats", "dogs"}
    assert table["probability"].between(1 / 3, 1).all()
    assert capsys.readouterr().out == ""


def test_a_picture_of_the_test_part_is_explained_and_stands_in_the_report(runs, capsys):
    run = only_run(runs)
    lines = run.predictions()
    line = lines[lines["part"] == "test"].iloc[3]
    capsys.readouterr()
    assert main(["explain", str(run.folder), "--row", line["id"], "--method", "occlusion", "--json"]) == 0
    (name, one), *others = json.loads(capsys.readouterr().out)["explanations"].items()
    assert (name, others) == ("occlusion", [])
    assert (one["subject"], one["unit"]) == (line["id"], "probability")
    assert one["prediction"] == pytest.approx(line["probability"], abs=1e-5)
    written = json.loads((run.explanations_folder / "occlusion.json").read_text())
    assert written["picture"]["label"] == line["prediction"] and written["picture"]["truth"] == line["truth"]
    assert line["id"] in run.report_path.read_text()
    run.report_path.unlink()
    assert main(["report", str(run.folder)]) == 0
    assert capsys.readouterr().out.strip() == str(run.report_path)
    assert line["id"] in run.report_path.read_text()


def test_a_picture_of_ones_own_is_explained_and_one_that_cannot_be_read_is_refused(
    own, photos, capsys, refused, monkeypatch
):
    monkeypatch.setattr(commands, "rebuild_report", lambda run: run.report_path)  # the test above rebuilds one
    arguments = ["explain", "cats_dogs", "--runs", str(own[0]), "--method", "grad_cam", "--input"]
    line = refused(*arguments, photos / "broken.png")
    assert f"{photos / 'broken.png'}: is empty (zero bytes)" in line
    assert main([*arguments, str(photos / "photo.jpg"), "--json"]) == 0
    one = json.loads(capsys.readouterr().out)["explanations"]["grad_cam"]
    assert one["subject"] == "1 of photo.jpg" and 1 / 3 <= one["prediction"] <= 1


# Bad input


def one_file(content: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return make


def with_only(content: bytes, name: str) -> Callable[[Path], Path]:
    """A folder whose dogs are this file alone."""

    def make(path: Path) -> Path:
        (put(path, cats=16) / "dogs").mkdir()
        (path / "dogs" / name).write_bytes(content)
        return path

    return make


def with_a_link(path: Path) -> Path:
    outside = put(path.with_name("elsewhere"), dogs=16)
    (put(path, cats=16) / "dogs").symlink_to(outside / "dogs", target_is_directory=True)
    return path


def without_class_folders(path: Path) -> Path:
    return put(path, cats=3) / "cats"


def empty(path: Path) -> Path:
    (path / "cats").mkdir(parents=True)
    return path


# Name of the path -> what is there, and what the error says.
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing": (lambda path: path, "no such file or folder"),
    "zero.zip": (one_file(b""), "is not a zip archive"),
    "words.zip": (one_file(b"no archive"), "is not a zip archive"),
    "photo.jpg": (one_file(jpeg()), "is not a zip archive"),
    "words.jpg": (one_file(b"Dear cat, "), "is not a zip archive"),
    "empty": (empty, "holds no pictures"),
    "one class": (lambda path: put(path, cats=16), "has one class, 'cats'"),
    "no class": (without_class_folders, "its pictures lie in no class folder"),
    "one dog": (lambda path: put(path, cats=16, dogs=1), "class 'dogs' has 1 different picture to divide"),
    "twelve dogs": (lambda path: put(path, cats=16, dogs=12), "at least 13 are needed"),
    "cut dog": (with_only(jpeg()[:-200], "cut.jpg"), "dogs/cut.jpg is cut short or damaged"),
    "tiny dog": (with_only(png(1, 1), "tiny.png"), "dogs/tiny.png is too small to learn from"),
    "huge dog": (with_only(png(30_000, 30_000), "huge.png"), "dogs/huge.png would decode to"),
    "no dog": (with_only(b"", "zero.jpg"), "dogs/zero.jpg is empty (zero bytes)"),
    "dogs elsewhere": (with_a_link, "has one class, 'cats'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learnt_from_is_refused_in_one_line_and_leaves_nothing(name, refused, tmp_path):
    make, expected = REFUSED[name]
    path = make(tmp_path / name)
    line = refused("run", "cats_dogs", *TINY, "--data", path, "--runs", tmp_path / "runs")
    assert expected in line and line.startswith(f"error: {path}: ")
    assert not list(tmp_path.glob("runs/cats_dogs/*"))


def test_a_huge_picture_has_a_few_kilobytes():
    assert len(png(30_000, 30_000)) < 5_000


def test_weights_that_are_nowhere_or_of_another_network_are_one_line(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PRACTICALS_WEIGHTS", raising=False)
    sets = [word for setting in ("model=transfer", "enlarge=0") for word in ("--set", setting)]
    arguments = ["run", "cats_dogs", *SMOKE, "--quiet", *sets, "--data", "sample", "--runs", tmp_path / "runs"]
    line = refused(*arguments)
    assert BASE_FILE in line and "PRACTICALS_WEIGHTS" in line
    assert not list(tmp_path.glob("runs/cats_dogs/*"))

    found = base_weights()
    line = refused(*arguments, "--set", f"weights={found}", "--set", "base_width=0.5")
    assert line.startswith(f"error: {found}: does not hold the weights of mobilenetv2_0.50")
    assert not list(tmp_path.glob("runs/cats_dogs/*"))
