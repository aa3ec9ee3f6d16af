"""The sections about pictures: counts by hand, every picture inside the page, nothing of a name becomes markup."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_runs import drawn_pictures, write_run
from PIL import Image
from test_report import Page

from practicals.common import picture_gallery
from practicals.common.data.split import Split
from practicals.common.explain import Attribution, Check, Explanation
from practicals.common.explain.explanation import PictureTrace
from practicals.common.files import write_json
from practicals.common.picture_scores import class_scores, confusion, describe_pictures, prediction_rows
from practicals.common.report import embedded, picture_labels, picture_plots, picture_shapes, pictures
from practicals.common.report.compare import compare_runs, comparison_text
from practicals.common.report.explained import explanations
from practicals.common.report.galleries import percent
from practicals.common.report.material import Material, Section, read_material
from practicals.common.report.page import build_report
from practicals.common.run import Run

SCRIPT = "<script>alert(1)</script>"
IDS = ["augmentation", "confusion", "ranking", "calibration", "wrong", "shrinking", "augmentation_curves"]
LAYERS = [
    ("pixels", "InputLayer", "(batch, 24, 24, 3)"),
    ("flip", "RandomFlip", "(batch, 24, 24, 3)"),
    ("stem", "Conv2D", "(batch, 24, 24, 8)"),
    ("pool_1", "MaxPooling2D", "(batch, 12, 12, 8)"),
    ("block", "Conv2D", "(batch, 12, 12, 16)"),
    ("norm", "BatchNormalization", "(batch, 12, 12, 16)"),
    ("pool_2", "MaxPooling2D", "(batch, 6, 6, 16)"),
    ("average", "GlobalAveragePooling2D", "(batch, 16)"),
    ("probability", "Dense", "(batch, 1)"),
]


def pets_run(folder: Path, *, classes: Sequence[str] = ("cats", "dogs"), test: int = 40) -> Run:
    """Write a finished run folder of a lesson about pictures, with everything that its report can show."""
    run = write_run(folder)
    for path in run.explanations_folder.glob("*"):
        path.unlink()
    generator = np.random.default_rng(5)
    count = len(classes)
    split = Split(
        *(
            drawn_pictures(folder / "store" / name, np.arange(rows) % count, classes, seed=rows)
            for name, rows in (("train", 60), ("validation", 20), ("test", test))
        )
    )
    chances = split.map(lambda part: _softmax(generator.normal(0, 1.2, (len(part), count)), part.labels))
    run.write_table(
        run.predictions_path,
        pd.concat(
            [
                prediction_rows("validation", split.validation, chances.validation),
                prediction_rows("test", split.test, chances.test),
            ]
        ),
    )
    scores = {name: class_scores(getattr(split, name).labels, chance) for name, chance in chances.items()}
    one = split.train[0].pixels
    draws = np.stack([np.rot90(one[0], turns) for turns in range(12)])
    epochs = {"epoch": [0, 1, 2], "accuracy": [0.5, 0.7, 0.9]}
    curve = {"roc": {"fpr": [0, 0.5, 1], "tpr": [0, 0.7, 1]}, "pr": {"precision": [1, 0.5], "recall": [0, 1]}}
    parts = {
        "task": "pictures",
        "classes": list(classes),
        "data": describe_pictures(split),
        "architecture": [
            {"layer": layer, "kind": kind, "output_shape": shape, "parameters": 3, "arithmetic": ""}
            for layer, kind, shape in LAYERS
        ],
        "confusion": {"counts": confusion(split.test.labels, chances.test)},
        "baseline_curves": {"edges": curve} if count == 2 else {},
        "gallery": {
            "examples": picture_gallery.examples(run, split.train, seed=0, each=2),
            "wrong": picture_gallery.most_confidently_wrong(run, split.test, chances.test, each=2),
            "augmented": picture_gallery.augmented(run, one[0], draws, "Settings: `rotation` 0.25."),
            "filters": picture_gallery.filters(run, draws[:3, :3, :3], "stem"),
            "feature_maps": picture_gallery.feature_maps(run, [("stem", "24 x 24 x 8", draws[:2, :, :, 0])], one[0]),
        },
        "augmentation_curves": {
            "with": {**epochs, "val_accuracy": [0.5, 0.6, 0.875]},
            "without": {**epochs, "val_accuracy": [0.5, 0.75, 0.625]},
        },
        "networks": [
            {"name": "this network", "parameters": 1000},
            {"name": "the same without convolutions (`mlp`)", "parameters": 12500},
        ],
    }
    summary = {key: value for key, value in run.summary().items() if key not in ("threshold", "imbalance")}
    run.write_summary({**summary, **parts})
    verdict = {"against": "edges", "result": "better", "difference": 0.2, "interval_95": [0.1, 0.3]}
    run.write_metrics(
        {
            **run.metrics(),
            **scores,
            "practical": "cats_dogs",
            "baselines": {"majority": scores["test"], "edges": scores["test"]},
            "primary": {"metric": "accuracy", "direction": "max"},
            "verdict": verdict,
        }
    )
    explained(one[0]).write(run, "grad_cam")
    return run


def _softmax(noise: np.ndarray, labels: np.ndarray) -> np.ndarray:
    powers = np.exp(noise + 2 * np.eye(noise.shape[1])[labels])
    return powers / powers.sum(axis=1, keepdims=True)


def explained(pixels: np.ndarray, *, failed: int = 0, signed: bool = False, **changes: Any) -> Explanation:
    """Return an explanation of a picture whose heat lies in the upper left, with two checks of which some failed."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    heat = np.zeros((6, 6))
    heat[0, 0], heat[5, 5] = 1.0, -0.5
    trace = {
        "png": base64.b64encode(stream.getvalue()).decode(),
        "label": "cats",
        "truth": "dogs",
        "heat": tuple(map(tuple, heat.tolist())),
        "signed": signed,
        "curves": {
            "share": (0.0, 0.5, 1.0),
            "deletion": (0.9, 0.2, 0.1),
            "insertion": (0.1, 0.8, 0.9),
            "random_deletion": (0.9, 0.6, 0.1),
            "random_insertion": (0.1, 0.4, 0.9),
        },
    }
    return Explanation(
        method="grad_cam",
        scope="row",
        subject="test_set/dogs/dog.7.jpg",
        unit="probability",
        prediction=0.912,
        base_value=0.0,
        attributions=(Attribution("cell 1 (upper left)", "", 1.0), Attribution("cell 2", "", 0.25)),
        checks=tuple(
            Check(name, 0.3, 0.5, number >= failed, f"About {name}.")
            for number, name in enumerate(("shuffled weights", "deletion"))
        ),
        picture=PictureTrace(**{**trace, **changes}),
    )


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return read_material(pets_run(tmp_path_factory.mktemp("runs") / "good"))


def shown(section: Section | None) -> dict[str, Any]:
    """Return the values of a section that must be there."""
    assert section is not None
    return section.values


def changed(material: Material, **parts: Any) -> Material:
    """Return the material with other parts in its summary; None takes one away."""
    summary = {key: value for key, value in {**material.summary, **parts}.items() if value is not None}
    return dataclasses.replace(material, summary=summary)


def with_gallery(material: Material, **parts: Any) -> Material:
    return changed(material, gallery={**material.summary["gallery"], **parts})


def labelled(material: Material, truth: list[str], dogs: list[float]) -> Material:
    """Return the material with these test pictures alone."""
    table = pd.DataFrame({"part": "test", "truth": truth, "probability_dogs": dogs})
    return dataclasses.replace(material, predictions=table.assign(probability_cats=1 - table["probability_dogs"]))


def test_the_page_holds_every_picture_and_is_the_same_every_time(tmp_path: Path) -> None:
    run = pets_run(tmp_path / "run")
    html = build_report(run).read_bytes()
    assert build_report(run).read_bytes() == html
    page = Page(html.decode())
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert [name for name in page.ids if name in IDS] == IDS
    assert page.ids.index("data") < page.ids.index("augmentation") < page.ids.index("explanations")
    sources = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    # 4 examples, 1 and 12 draws, 3 filters, a picture and 2 of its maps, a picture and its overlay; and the mistakes.
    assert len(sources) == 4 + 13 + 3 + 3 + 2 + len(run.summary()["gallery"]["wrong"])
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    for source in sources:
        with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as picture:
            picture.load()
    words = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert len(words) == len(sources)
    assert all(len(word) > 20 for word in words)
    assert (run.plots_folder / "grad_cam_overlay.png").is_file()
    assert "Missing values" not in page.text
    assert "seen those pictures" in page.text


def test_names_of_classes_and_files_are_text(tmp_path: Path) -> None:
    run = pets_run(tmp_path / "run", classes=("cats", f"{SCRIPT}\"'& $x_1$"))
    html = build_report(run).read_text(encoding="utf-8")
    assert "<script" not in html
    page = Page(html)
    assert page.open == []
    assert page.text.count("<script>alert(1)") > 8


def test_a_run_without_pictures_and_explanations_has_a_page_without_them(tmp_path: Path) -> None:
    run = pets_run(tmp_path / "run")
    kept = {key: value for key, value in run.summary().items() if key in ("task", "title", "data")}
    run.write_summary(kept)
    run.predictions_path.unlink()
    (run.explanations_folder / "grad_cam.json").unlink()
    html = build_report(run).read_text(encoding="utf-8")
    assert not set(re.findall(r'<section id="([^"]+)"', html)) & {*IDS, "explanations"}
    assert "<img" not in html


def test_a_picture_that_is_missing_or_damaged_is_said_and_nothing_outside_is_read(tmp_path: Path) -> None:
    run = pets_run(tmp_path / "run")
    (run.pictures_folder / "augmented_01.png").unlink()
    whole = (run.pictures_folder / "augmented_02.png").read_bytes()
    (run.pictures_folder / "augmented_02.png").write_bytes(whole[: len(whole) // 2])
    (run.pictures_folder / "augmented_03.png").write_text("no picture", encoding="utf-8")
    Image.new("RGB", (9, 9)).save(tmp_path / "private.png")
    summary = run.summary()
    # Drawings take most of the time, and are not what is asked here.
    summary = {"task": "pictures", "gallery": summary["gallery"]}
    (run.explanations_folder / "grad_cam.json").unlink()
    run.predictions_path.unlink()
    summary["gallery"]["filters"]["files"] = ["../private.png", "/etc/hostname", "pictures/../../private.png"]
    run.write_summary(summary)
    text = Page(build_report(run).read_text(encoding="utf-8")).text
    for line in (
        "augmented_01.png: is missing.", "augmented_02.png: is damaged.", "augmented_03.png: is damaged.",
        "../private.png: lies outside of pictures/.", "/etc/hostname: lies outside of pictures/.",
        "pictures/../../private.png: lies outside of pictures/.",
    ):  # fmt: skip
        assert line in text


def test_no_damage_to_a_file_stops_the_page(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    path = tmp_path / "pictures" / "one.png"
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        found = embedded.embed_file(tmp_path, "pictures/one.png", "a picture")
        assert bool(found.uri) != bool(found.problem)


def test_only_tiny_pictures_are_drawn_as_squares_and_large_ones_are_shrunk(tmp_path: Path) -> None:
    run = Run.at(tmp_path)
    names = [
        picture_gallery.write_pictures(run, name, np.zeros((1, side, side, 3), np.uint8))[0]
        for name, side in (("filter", 3), ("sample", 64), ("photo", 96), ("large", 224))
    ]
    found = [embedded.embed_file(run.folder, name, "a picture") for name in names]
    assert [one.enlarged for one in found] == [True, True, False, False]
    with Image.open(io.BytesIO(base64.b64decode(found[3].uri.partition(",")[2]))) as picture:
        assert picture.size == (embedded.WIDEST, embedded.WIDEST)
    Image.new("L", (embedded.LARGEST + 1, 1)).save(run.pictures_folder / "wide.png")
    assert embedded.embed_file(run.folder, "pictures/wide.png", "").problem == "pictures/wide.png: is damaged."


def test_heat_colours_the_place_where_it_lies() -> None:
    grey = np.full((40, 40, 3), 128, np.uint8)
    heat = np.zeros((4, 4))
    heat[0, 0], heat[3, 3] = 1.0, -1.0
    red, _, blue = np.moveaxis(embedded.overlay(grey, heat, signed=True).astype(int), 2, 0)
    assert red[2, 2] > blue[2, 2] + 80  # orange speaks for the label
    assert blue[37, 37] > red[37, 37] + 80
    assert red[20, 20] == blue[20, 20], "no heat, no colour"
    unsigned = embedded.overlay(grey, heat, signed=False)
    assert len(np.unique(unsigned[37, 37])) == 1, "below zero counts as none"
    assert embedded.overlay(grey, np.zeros((2, 2)), signed=True).std() == 0


def test_confusion_counts_shares_and_words(material: Material) -> None:
    values = shown(picture_labels.confusion(changed(material, confusion={"counts": [[9, 1], [0, 30]]})))
    assert values["words"] == "Of 40 test pictures, 39 were called by their name and 1 were not."
    cats, dogs = values["rows"]
    assert [(cell["count"], cell["share"], cell["right"]) for cell in cats["cells"]] == [
        (9, "90.0 %", True), (1, "10.0 %", False),
    ]  # fmt: skip
    assert dogs["cells"][0]["mix"] == 0
    assert values["mixups"] is None
    assert picture_labels.confusion(changed(material, confusion={"counts": [[1]]})) is None


def test_of_several_classes_the_most_frequent_mix_ups_are_listed(material: Material) -> None:
    three = changed(material, classes=["a", "b", "c"], confusion={"counts": [[5, 0, 5], [1, 1, 0], [0, 0, 0]]})
    values = shown(picture_labels.confusion(three))
    assert values["mixups"]["rows"] == [["a", "c", "5", "50.0 %"], ["b", "a", "1", "50.0 %"]]
    assert values["rows"][2]["cells"][0]["share"] == "", "a class without test pictures has no share"
    many = [f"class {number}" for number in range(30)]
    values = shown(picture_labels.confusion(changed(material, classes=many, confusion={"counts": np.eye(30).tolist()})))
    assert not values["rows"]


def test_many_classes_share_a_gallery_and_have_no_single_ranking(tmp_path: Path) -> None:
    ten = read_material(pets_run(tmp_path / "run", classes=[f"kind {number}" for number in range(10)]))
    [found] = shown(pictures.data(ten))["galleries"]
    assert [one["caption"] for one in found["pictures"][:3]] == ["“kind 0”", "“kind 0”", "“kind 1”"]
    assert picture_labels.ranking(ten) is None
    assert len(shown(picture_labels.confusion(ten))["rows"]) == 10


def test_calibration_counts_pictures_by_how_sure_the_label_is(material: Material) -> None:
    few = labelled(material, ["cats", "dogs", "dogs", "dogs"], [0.05, 0.97, 0.55, 0.45])
    values = shown(picture_labels.calibration(few))
    assert values["key"] == (
        "2 of 4 test pictures got a label with a probability of 0.9 or more; 100.0 % of these labels are right."
    )
    unsure = labelled(material, ["cats"], [0.4])
    assert shown(picture_labels.calibration(unsure))["key"] is None
    figure = picture_plots.calibration(
        *np.array([[0.55, 0.96], [0.5, 1.0], [0.1, 0.5], [0.9, 1.0]]),
        (np.array([0, 0, 0, 0, 0, 1.0, 0, 0, 0, 2]), np.array([0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0])),
        2,
    )
    assert [text.get_text() for text in figure.axes[1].texts] == ["2", "2"]


def test_classes_named_by_numbers_are_found_again(material: Material) -> None:
    # A table gives "01" and "02" back as 1 and 2.
    few = dataclasses.replace(
        changed(material, classes=["01", "02"]),
        predictions=pd.DataFrame(
            {"part": "test", "truth": [1, 2, 2], "probability_01": [0.9, 0.2, 0.6], "probability_02": [0.1, 0.8, 0.4]}
        ),
    )
    assert picture_labels.ranking(few) is not None
    assert "1 of 3" in shown(picture_labels.calibration(few))["key"]


def test_only_layers_that_change_the_shape_are_listed(material: Material) -> None:
    values = shown(picture_shapes.seeing(material))
    assert values["tables"][0]["rows"] == [
        ["pixels", "InputLayer", "24 × 24", "3", "1,728"],
        ["stem", "Conv2D", "24 × 24", "8", "4,608"],
        ["pool_1", "MaxPooling2D", "12 × 12", "8", "1,152"],
        ["block", "Conv2D", "12 × 12", "16", "2,304"],
        ["pool_2", "MaxPooling2D", "6 × 6", "16", "576"],
        ["average", "GlobalAveragePooling2D", "\N{EN DASH}", "16", "16"],
        ["probability", "Dense", "\N{EN DASH}", "1", "1"],
    ]
    assert values["key"].startswith("The same without convolutions (`mlp`): 12.5 times as many")
    assert not any("None" in one["picture"].alt for gallery in values["galleries"] for one in gallery["pictures"])
    assert [one["title"] for one in values["galleries"]] == [
        "What the first layer looks for: its filters",
        "The picture whose maps follow",
        "What stem makes of a picture: some of its maps, 24 x 24 x 8",
    ]


def test_a_network_without_convolutions_is_not_said_to_have_some(material: Material) -> None:
    flat = [
        {"layer": "pixels", "kind": "InputLayer", "output_shape": "(batch, 24, 24, 3)"},
        {"layer": "flatten", "kind": "Flatten", "output_shape": "(batch, 1728)"},
        {"layer": "any", "kind": "InputLayer", "output_shape": "(batch, batch, batch, 3)"},
    ]
    values = shown(picture_shapes.seeing(changed(material, architecture=flat, gallery=None, networks=None)))
    assert values["lead"].startswith("This network has no convolutions")
    assert not values["plots"]
    head = [{"layer": "features", "kind": "InputLayer", "output_shape": "(batch, 1280)"}]
    assert picture_shapes.seeing(changed(material, architecture=head, gallery=None, networks=None)) is None


def test_a_large_network_to_transfer_from_is_no_argument_for_convolutions(material: Material) -> None:
    networks = [{"name": "this network", "parameters": 9}, {"name": "the same without (`mlp`)", "parameters": 3}]
    assert shown(picture_shapes.seeing(changed(material, networks=networks)))["key"] is None


def test_augmentation_that_is_switched_off_is_said(material: Material) -> None:
    found = material.summary["gallery"]["augmented"]
    values = shown(pictures.augmentation(material))
    assert len(values["galleries"][0]["pictures"]) == 13
    off = with_gallery(material, augmented={**found, "draws": [found["original"]] * 12})
    values = shown(pictures.augmentation(off))
    assert values["lead"].startswith("Augmentation is switched off")
    assert len(values["galleries"][0]["pictures"]) == 1


def test_the_best_epochs_with_and_without_augmentation_are_compared(material: Material) -> None:
    key = shown(pictures.augmentation_curves(material))["key"]
    assert "0.875 with, 0.750 without" in key
    half = changed(material, augmentation_curves={"with": material.summary["augmentation_curves"]["with"]})
    assert pictures.augmentation_curves(half) is None


def test_a_certainty_is_only_said_where_it_is_one() -> None:
    values = (0.5, 0.99949, 0.99951, 1.0, 0.0003, 0.0, None)
    assert [percent(value).replace("\N{NO-BREAK SPACE}", " ") for value in values] == [
        "50.0 %", "99.9 %", "over 99.9 %", "100.0 %", "under 0.1 %", "0.0 %", "\N{EN DASH}",
    ]  # fmt: skip


def part_of(material: Material, explanation: Explanation) -> dict[str, Any]:
    [part] = shown(explanations(dataclasses.replace(material, explanations={"one": explanation})))["parts"]
    return part


def test_a_failed_explanation_is_called_so_first(material: Material) -> None:
    pixels = np.zeros((24, 24, 3), np.uint8)
    assert part_of(material, explained(pixels, curves={}))["warning"] is None
    assert part_of(material, explained(pixels, failed=1, curves={}))["warning"] == (
        "This explanation failed 1 of 2 checks (shuffled weights): do not lean on it."
    )
    assert part_of(material, explained(pixels, failed=2, curves={}))["warning"] == (
        "This explanation failed all its checks (shuffled weights; deletion): do not trust it."
    )


def test_an_explanation_says_label_truth_and_where_it_looks(material: Material) -> None:
    part = part_of(material, explained(np.zeros((24, 24, 3), np.uint8)))
    assert part["title"] == "Grad-CAM: picture dog.7.jpg"
    assert part["pictures"]["caption"] == (
        "The network says “cats” with a probability of 0.912; in truth it is “dogs”."
    )
    assert part["pictures"]["shown"][1].alt.endswith("most of what counts for cats in the part: upper left")
    assert part["pictures"]["colours"] == [("strength", "counts for “cats”")]
    signed = part_of(material, explained(np.zeros((24, 24, 3), np.uint8), signed=True, truth=""))
    assert [colour for colour, _ in signed["pictures"]["colours"]] == ["for", "against"]
    assert signed["pictures"]["caption"] == (
        "The network says “cats” with a probability of 0.912. What counts most, cell 1 (upper left), is worth +1.0000."
    )


def test_a_damaged_picture_of_an_explanation_is_said(material: Material) -> None:
    for png in ("no base64 at all!", base64.b64encode(b"no picture").decode()):
        [found] = part_of(material, explained(np.zeros((24, 24, 3), np.uint8), png=png))["pictures"]["shown"]
        assert found.problem == "The picture of this explanation is damaged."


def test_methods_on_one_picture_stand_together_in_a_fixed_order(material: Material) -> None:
    one = explained(np.zeros((24, 24, 3), np.uint8), curves={})
    several = {
        f"{subject}_{method}": dataclasses.replace(one, method=method, subject=subject)
        for subject in ("b.jpg", "a.jpg")
        for method in ("saliency", "lime", "new one")
    }
    parts = shown(explanations(dataclasses.replace(material, explanations=several)))["parts"]
    assert [part["title"] for part in parts] == [
        "LIME: picture a.jpg", "Saliency map: picture a.jpg", "new one: picture a.jpg",
        "LIME: picture b.jpg", "Saliency map: picture b.jpg", "new one: picture b.jpg",
    ]  # fmt: skip


def test_runs_about_pictures_can_be_compared(tmp_path: Path) -> None:
    run = pets_run(tmp_path / "cats_dogs" / "20260101T000000Z-abc")
    text = comparison_text(compare_runs([run]))
    assert "validation Accuracy" in text
    assert "better" in text


def test_an_old_explanation_without_a_picture_is_still_read(tmp_path: Path) -> None:
    run = pets_run(tmp_path / "run")
    content = explained(np.zeros((8, 8, 3), np.uint8)).to_json()
    del content["picture"]
    write_json(run.explanations_folder / "grad_cam.json", content)
    assert shown(explanations(read_material(run)))["parts"][0]["pictures"] is None
