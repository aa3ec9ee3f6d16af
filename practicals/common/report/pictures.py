"""The sections of a lesson that names pictures, in the order of its page."""

from __future__ import annotations

from practicals.common.report import picture_labels, picture_plots, picture_shapes, sections
from practicals.common.report.drawn import drawn
from practicals.common.report.galleries import galleries, listed, percent, picture
from practicals.common.report.material import Material, Section
from practicals.common.report.words import metric_label


def data(material: Material) -> Section | None:
    """Show how many pictures of which class there are, what was left out, and some of them."""
    common = sections.data(material)
    shown = galleries(
        material,
        "examples",
        "Training pictures of “{truth}”",
        "Training pictures of each class",
        lambda one: (f"A training picture of the class {one.get('truth')}: {one.get('id')}", ""),
    )
    if common is None and not shown:
        return None
    return Section("data", "The pictures", "picture_data", {"common": common and common.values, "galleries": shown})


def augmentation(material: Material) -> Section | None:
    """Show one picture as it is and as the network gets to see it."""
    found = listed(material).get("augmented") or {}
    if not found.get("original") or not found.get("draws"):
        return None
    original = picture(material, found["original"], "A training picture as it is")
    draws = [
        picture(material, file, f"The same picture, changed at random, draw {number}")
        for number, file in enumerate(found["draws"], 1)
    ]
    lead = (
        "In every epoch the network gets each training picture changed anew, by chance, so that it cannot learn "
        "pictures by heart and finds out what does not matter. When it predicts, nothing is changed by chance."
    )
    if original.uri and all(one.uri == original.uri for one in draws):
        lead = "Augmentation is switched off: in every epoch the network gets each training picture as it is."
        draws = []
    pictures = [{"picture": original, "caption": "as it is", "strong": True}]
    pictures += [{"picture": one, "caption": f"draw {number}"} for number, one in enumerate(draws, 1)]
    values = {
        "lead": lead,
        "galleries": [{"title": "", "pictures": pictures, "kind": "draws"}],
        "key": found.get("sentence"),
    }
    return Section("augmentation", "What augmentation shows the network", "galleries", values)


def wrong(material: Material) -> Section | None:
    """Show the test pictures of each class whose wrong label got the highest probability."""
    shown = galleries(
        material,
        "wrong",
        "“{truth}” taken for something else",
        "",
        lambda one: (
            f"A test picture of the class {one.get('truth')}, called {one.get('prediction')}: {one.get('id')}",
            f"called “{one.get('prediction')}”, {percent(one.get('probability'))}",
        ),
    )
    if not shown:
        return None
    lead = (
        "The test pictures whose wrong label got the highest probability, with that label. Look for what they share: "
        "an odd angle, a small or hidden subject, a second thing in the picture, or a truth that is itself wrong."
    )
    return Section("wrong", "Most confidently wrong", "galleries", {"lead": lead, "galleries": shown, "key": None})


def augmentation_curves(material: Material) -> Section | None:
    """Draw the learning curves with and without augmentation over each other."""
    curves = material.summary.get("augmentation_curves") or {}
    if not (curves.get("with") or {}).get("val_accuracy") or not (curves.get("without") or {}).get("val_accuracy"):
        return None
    plot = material.draw(
        "augmentation_curves",
        "Accuracy with and without augmentation",
        "A training line far ahead of the validation line means that pictures are learned by heart; augmentation is to "
        "bring the two together. Training accuracy is that of the changed pictures, which are harder.",
        picture_plots.with_and_without,
        curves,
        "accuracy",
        metric_label("accuracy"),
    )
    best = {name: max(curves[name]["val_accuracy"]) for name in ("with", "without")}
    key = (
        f"Best accuracy on validation pictures: {best['with']:.3f} with, {best['without']:.3f} without augmentation. "
        "Each was trained once: a small gap may be luck."
    )
    lead = "The same network, trained on the same pictures, once with augmentation and once without."
    return drawn("augmentation_curves", "Is augmentation worth it?", lead, plots=[plot], key=key)


SECTIONS = (
    augmentation,
    picture_labels.confusion,
    picture_labels.ranking,
    picture_labels.calibration,
    wrong,
    picture_shapes.seeing,
    augmentation_curves,
)
"""The sections between the common ones, in the order of the page."""
