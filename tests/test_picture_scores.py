"""Scores, opponents, galleries and the hand-over of a lesson that names pictures; by hand, and no training."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fake_runs import drawn_pictures
from PIL import Image

from practicals.common import picture_baselines as opponents
from practicals.common import picture_gallery as gallery
from practicals.common.config import PracticalConfig
from practicals.common.data.facts import Facts
from practicals.common.data.split import Split
from practicals.common.ladder import Baseline
from practicals.common.outcome import About
from practicals.common.picture_scores import class_scores, confusion, finish, prediction_rows, score_on_features
from practicals.common.run import Run

CATS_DOGS = ("cats", "dogs")


def opened(run: Run, name: str) -> np.ndarray:
    with Image.open(run.folder / name) as picture:
        return np.asarray(picture)


def test_scores_of_two_classes_by_hand():
    probability = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    scores = class_scores([0, 0, 1, 1], probability)
    assert scores["accuracy"] == 0.5
    # Of the four pairs of a dog and a cat, 0.8 beats both cats and 0.3 beats 0.1 alone.
    assert scores["roc_auc"] == 0.75
    assert scores["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.3]).mean())
    # Four bins of one picture each: right at 0.9 and 0.8, wrong at 0.6 and 0.7.
    assert scores["ece"] == pytest.approx((0.1 + 0.6 + 0.2 + 0.7) / 4)


def test_being_sure_and_wrong_costs_much_but_not_everything():
    sure = np.array([[1.0, 0.0]])
    assert class_scores([1], sure)["log_loss"] == pytest.approx(-np.log(1e-7))
    assert class_scores([0], sure)["log_loss"] == pytest.approx(1e-7, rel=1e-3)
    assert class_scores([0, 1], np.full((2, 2), 0.5))["log_loss"] == pytest.approx(np.log(2))


def test_the_area_of_three_classes_is_the_mean_of_each_against_the_rest():
    probability = np.array([[0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7], [0.2, 0.7, 0.1]])
    # Of class 0, 0.8 beats both rivals and 0.2 one of them; class 1 beats two of three; class 2 all.
    assert class_scores([0, 1, 2, 0], probability)["roc_auc"] == pytest.approx(np.mean([3 / 4, 2 / 3, 1.0]))
    assert class_scores([0, 1, 2, 1], probability)["roc_auc"] == 1.0


def test_one_class_alone_has_no_ranking():
    assert set(class_scores([1, 1], np.array([[0.2, 0.8], [0.6, 0.4]]))) == {"accuracy", "log_loss", "ece"}


def test_confusion_has_truth_in_rows():
    probability = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0, 0.7, 0.3]])
    assert confusion(np.array([0, 0, 2]), probability) == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_thumbnails_are_means_of_the_brightness(tmp_path):
    pictures = drawn_pictures(tmp_path, [0, 1], CATS_DOGS, side=24)
    thumbnails = opponents.grey_thumbnails(pictures, side=8)
    brightness = pictures.pixels.astype("float64") @ [0.299, 0.587, 0.114] / 255
    blocks = brightness.reshape(2, 8, 3, 8, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(thumbnails, blocks.reshape(2, 64), rtol=1e-5)
    # Sides that do not divide: every pixel counts once, so the mean stays.
    uneven = opponents.grey_thumbnails(pictures, side=7)
    np.testing.assert_allclose(uneven.mean(axis=1), brightness.mean(axis=(1, 2)), rtol=1e-5)
    assert opponents.grey_thumbnails(pictures, side=99).shape == (2, 24 * 24)


def test_features_do_not_depend_on_how_pictures_are_read_in_chunks(tmp_path, monkeypatch):
    pictures = drawn_pictures(tmp_path, [0, 1, 0, 1, 1], CATS_DOGS)
    whole = [of(pictures) for of in (opponents.grey_thumbnails, opponents.gradient_histograms)]
    monkeypatch.setattr("practicals.common.data.pictures.BLOCK", 2)
    chunked = [of(pictures) for of in (opponents.grey_thumbnails, opponents.gradient_histograms)]
    for one, other in zip(whole, chunked, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_opponents_learn_what_they_can_see(tmp_path):
    labels = np.tile([0, 1], 30)
    split = Split(*(drawn_pictures(tmp_path / str(seed), labels, CATS_DOGS, seed=seed) for seed in range(3)))
    calls = []

    def features(pictures):
        calls.append(len(pictures))
        return opponents.gradient_histograms(pictures)

    entries = [
        ("majority", "naive", "", opponents.majority(), opponents.no_features),
        ("edges", "classical", "", opponents.logistic_regression(), features),
        ("edges again", "classical", "", opponents.logistic_regression(strength=1.0), features),
    ]
    majority, edges, _ = score_on_features(entries, split)
    assert majority.test["accuracy"] == majority.test["roc_auc"] == 0.5
    assert edges.validation["accuracy"] > 0.9
    assert edges.test_prediction.shape == (60, 2)
    assert calls == [60, 60, 60], "features are made once for all that read them"


def test_a_class_that_was_never_seen_gets_no_probability(tmp_path):
    classes = ("a", "b", "c")
    parts = [drawn_pictures(tmp_path / str(n), labels, classes) for n, labels in enumerate(([0, 2, 0, 2], [0, 1, 2]))]
    entries = [("pixels", "classical", "", opponents.logistic_regression(), opponents.grey_thumbnails)]
    [one] = score_on_features(entries, Split(parts[0], parts[1], parts[1]))
    assert one.test_prediction[:, 1].tolist() == [0, 0, 0]
    np.testing.assert_allclose(one.test_prediction.sum(axis=1), 1)


def test_tiny_pictures_are_enlarged_by_repeating_pixels(tmp_path):
    run = Run.at(tmp_path)
    pixels = np.arange(2 * 5 * 4 * 3, dtype=np.uint8).reshape(2, 5, 4, 3)
    names = gallery.write_pictures(run, "filter", pixels)
    assert names == ["pictures/filter_01.png", "pictures/filter_02.png"]
    np.testing.assert_array_equal(opened(run, names[1]), pixels[1].repeat(24, axis=0).repeat(24, axis=1))
    [grey] = gallery.write_pictures(run, "map", np.full((1, 100, 120), 7, np.uint8))
    assert opened(run, grey).shape == (100, 120)
    assert gallery.write_pictures(run, "none", np.zeros((0, 1, 1, 3), np.uint8)) == []
    with pytest.raises(ValueError, match="must be"):
        gallery.write_pictures(run, "map", np.zeros((4, 4), np.uint8))


def test_the_surest_mistakes_of_each_class_come_first(tmp_path):
    run = Run.at(tmp_path / "run")
    pictures = drawn_pictures(tmp_path, [0, 1, 0, 1, 0], CATS_DOGS, side=96)
    dog = np.array([0.6, 0.4, 0.9, 0.8, 0.2])  # cats 0 and 2 are called dogs, dog 1 a cat
    found = gallery.most_confidently_wrong(run, pictures, np.column_stack([1 - dog, dog]))
    assert [(one["id"].rpartition("/")[2], one["truth"], one["prediction"]) for one in found] == [
        ("cats.2.png", "cats", "dogs"), ("cats.0.png", "cats", "dogs"), ("dogs.1.png", "dogs", "cats"),
    ]  # fmt: skip
    assert [one["probability"] for one in found] == pytest.approx([0.9, 0.6, 0.6])
    np.testing.assert_array_equal(opened(run, found[0]["file"]), pictures[2].pixels[0])
    assert len(gallery.most_confidently_wrong(run, pictures, np.column_stack([1 - dog, dog]), each=1)) == 2
    right = np.eye(2)[pictures.labels]
    assert gallery.most_confidently_wrong(run, pictures, right) == []


def test_many_classes_share_the_room_of_a_gallery(tmp_path):
    classes = [f"class {number}" for number in range(10)]
    pictures = drawn_pictures(tmp_path, np.repeat(np.arange(10), 5), classes)
    found = gallery.examples(Run.at(tmp_path / "run"), pictures, seed=0)
    assert [one["truth"] for one in found] == [name for name in classes for _ in range(2)]


def test_a_data_set_made_by_augmentation_can_be_read_again(tmp_path):
    pictures = drawn_pictures(tmp_path, [0, 1, 1], ("cats", "../dogs"))
    root = gallery.save_augmented(Run.at(tmp_path / "run"), pictures, lambda pixels: 255 - pixels, each=3, seed=0)
    assert root == tmp_path / "run" / "augmented"
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png")) == [
        f"{name}/{number}.png" for name in ("cats", "class_1") for number in (1, 2, 3)
    ]
    with Image.open(root / "cats" / "3.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), 255 - pictures[0].pixels[0])


def test_lines_of_predictions_name_truth_and_label(tmp_path):
    rows = prediction_rows("test", drawn_pictures(tmp_path, [1, 0], CATS_DOGS), np.array([[0.3, 0.7], [0.25, 0.75]]))
    assert rows.iloc[1].to_dict() == {
        "id": "training_set/cats/cats.1.png", "part": "test", "truth": "cats", "prediction": "dogs",
        "probability": 0.75, "probability_cats": 0.25, "probability_dogs": 0.75,
    }  # fmt: skip


class Settings(PracticalConfig):
    """Settings of a lesson about pictures."""


def test_the_hand_over_writes_what_the_report_needs(tmp_path):
    run = Run.at(tmp_path / "run")
    history = pd.DataFrame({"epoch": [0, 1], "accuracy": [0.5, 0.75], "loss": [0.7, 0.6], "val_accuracy": [0.5, 0.7]})
    run.write_table(run.history_path, history)
    labels = np.tile([0, 1], 40)
    facts = Facts("own", "pets.zip", "ab" * 32, 240, ("2 files could not be read.",), "", "")
    split = Split(*(drawn_pictures(tmp_path / str(seed), labels, CATS_DOGS, seed=seed) for seed in range(3)), facts)
    ours = np.where(np.eye(2)[labels] == 1, 0.8, 0.2)
    ours[:8] = ours[:8, ::-1]  # four of each class are wrong
    theirs = np.where(np.eye(2)[labels] == 1, 0.6, 0.4)
    theirs[8:72] = 0.5  # all called class 0: half of them wrong
    baseline = {name: class_scores(labels, probability) for name, probability in (("a", theirs), ("b", ours * 0 + 0.5))}
    about = About(
        title="Cat?", primary="accuracy", direction="max", monitor="val_accuracy", mode="max", tuned="val_accuracy",
        text="",
    )  # fmt: skip
    scores = finish(
        run,
        Settings(),
        about,
        split=split,
        network=SimpleNamespace(layers=[]),
        probabilities=split.map(lambda _: ours),
        scores=split.map(lambda _: class_scores(labels, ours)),
        baselines=[
            Baseline("majority", "naive", "", baseline["b"], baseline["b"], np.full((80, 2), 0.5)),
            Baseline("edges", "classical", "", baseline["a"], baseline["a"], theirs),
        ],
        rungs=[],
        fit_seconds=1.0,
        best_epoch_kept=True,
        gallery={"augmented": {"original": "x"}},
        augmentation_curves={"with": history, "without": history},
        networks=[{"name": "cnn", "parameters": 7}],
    )
    assert scores.verdict["against"] == "edges"
    assert scores.verdict["result"] == "better"
    assert scores.verdict["difference"] == pytest.approx(72 / 80 - 48 / 80)
    summary = run.summary()
    assert summary["task"] == "pictures"
    assert summary["classes"] == ["cats", "dogs"]
    assert summary["confusion"] == {"counts": [[36, 4], [4, 36]]}
    assert summary["data"]["class_counts"]["test"] == {"cats": 40, "dogs": 40}
    assert summary["data"]["notes"] == ["2 files could not be read."]
    assert set(summary["gallery"]) == {"augmented", "examples", "wrong"}
    assert len(summary["gallery"]["wrong"]) == 8
    assert all((run.folder / one["file"]).is_file() for one in summary["gallery"]["wrong"])
    assert list(summary["baseline_curves"]) == ["edges"]
    assert summary["augmentation_curves"]["without"] == {
        "epoch": [0, 1], "accuracy": [0.5, 0.75], "val_accuracy": [0.5, 0.7],
    }  # fmt: skip
    assert summary["networks"] == [{"name": "cnn", "parameters": 7}]
    assert run.predictions()["part"].value_counts().to_dict() == {"validation": 80, "test": 80}
