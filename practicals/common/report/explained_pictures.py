"""Explanations of what a network says of a picture: the picture, what counted in it, and whether to believe that."""

from __future__ import annotations

from typing import Any

import numpy as np

from practicals.common.explain import Explanation
from practicals.common.explain.explanation import PICTURE_METHODS, PictureTrace
from practicals.common.report.drawn import method_name, warning_of
from practicals.common.report.embedded import embed_pixels, embed_text, overlay
from practicals.common.report.material import Material
from practicals.common.report.picture_plots import deletion_and_insertion
from practicals.common.report.words import number, signed

HOW = {
    "lime": (
        "The picture is cut into segments, many variants are made in which some segments are hidden, and a sum of one "
        "weight per segment is fitted to what the network says of the variants."
    ),
    "shap": (
        "Parts of the picture are blurred in many combinations, and the change of the probability is divided fairly "
        "among the parts: together they make up all of it."
    ),
    "shap_gradient": (
        "The gradient of the probability is averaged on the way from other pictures to this one, pixel by pixel."
    ),
    "grad_cam": (
        "The feature maps of the last convolution, each weighted by how much it raises the probability. It is as "
        "coarse as these maps, and shows only what speaks for the label."
    ),
    "occlusion": (
        "A grey patch is slid over the picture. Where it makes the probability fall, it has hidden something that "
        "counted."
    ),
    "saliency": (
        "Where would a small change of a pixel change the answer most? The gradient, averaged over noisy copies. It "
        "says what the answer is sensitive to, not in which direction."
    ),
}
"""Method -> what it does."""


def picture_order(explanation: Explanation) -> int:
    """Return the place of an explanation among all of one picture."""
    names = list(PICTURE_METHODS)
    return names.index(explanation.method) if explanation.method in names else len(names)


def picture_part(material: Material, name: str, explanation: Explanation, trace: PictureTrace) -> dict[str, Any]:
    """Return what the template shows of one explanation of a picture.

    Args:
        material: of the report.
        name: of the explanation's file; a word for new files.
        explanation: the explanation.
        trace: its picture.
    """
    method = method_name(explanation)
    file = explanation.subject.rpartition("/")[2]
    return {
        "title": f"{method}: picture {file}",
        "lead": HOW.get(explanation.method, ""),
        "explanation": explanation,
        "everywhere": False,
        "has_values": any(item.value_text for item in explanation.attributions),
        "signed": trace.signed,
        "column": "Contribution" if trace.signed else "Strength",
        "feature": explanation.words.feature[:1].upper() + explanation.words.feature[1:],
        "digits": explanation.digits,
        "warning": warning_of(explanation),
        "pictures": _pictures(material, name, explanation, trace, method),
        "plots": _curves(material, name, trace),
    }


def _said(explanation: Explanation, trace: PictureTrace) -> str:
    said = f"The network says “{trace.label}” with a probability of {number(explanation.prediction, 3)}"
    if trace.truth:
        said += ", which is right" if trace.truth == trace.label else f"; in truth it is “{trace.truth}”"
    if not trace.signed or not explanation.attributions:
        return f"{said}."
    # Colours are as strong for a map of tiny contributions as for one of large ones: the number tells.
    most = explanation.attributions[0]
    worth = signed(most.contribution, explanation.digits)
    return f"{said}. What counts most, {most.feature}, is worth {worth}."


def _pictures(
    material: Material, name: str, explanation: Explanation, trace: PictureTrace, method: str
) -> dict[str, Any]:
    plain, pixels = embed_text(trace.png, f"The picture {explanation.subject} as the network sees it")
    shown = [plain]
    heat = np.asarray(trace.heat, "float64")
    if pixels is not None and heat.ndim == 2 and heat.size:
        material.run.plots_folder.mkdir(exist_ok=True)
        shown.append(
            embed_pixels(
                overlay(pixels, heat, signed=trace.signed),
                _heat_alt(heat, trace, method),
                material.run.plots_folder / f"{name}_overlay.png",
            )
        )
    if trace.signed:
        colours = [("for", f"speaks for “{trace.label}”"), ("against", "speaks against it")]
    else:
        colours = [("strength", f"counts for “{trace.label}”")]
    return {
        "title": "The picture, and what counted in it",
        "shown": shown,
        "caption": _said(explanation, trace),
        "colours": colours,
    }


def _heat_alt(heat: np.ndarray[Any, np.dtype[np.float64]], trace: PictureTrace, method: str) -> str:
    """Say where the heat is strongest: "upper left", "middle"."""
    strength = np.clip(np.nan_to_num(heat), 0, None)
    if not strength.any():
        return f"{method}: nowhere does the picture speak for {trace.label}"
    # The mean over a third of each side is steadier than the largest cell.
    rows, columns = (np.array_split(np.arange(size), 3) for size in heat.shape)
    means = np.array([[strength[np.ix_(r, c)].mean() if len(r) and len(c) else 0 for c in columns] for r in rows])
    row, column = np.unravel_index(int(means.argmax()), means.shape)
    words = [("upper", "", "lower")[int(row)], ("left", "", "right")[int(column)]]
    place = " ".join(word for word in words if word) or "middle"
    return f"The same picture in grey; {method} finds most of what counts for {trace.label} in the part: {place}"


def _curves(material: Material, name: str, trace: PictureTrace) -> list[Any]:
    if not trace.curves.get("share") or not (trace.curves.get("deletion") or trace.curves.get("insertion")):
        return []
    return [
        material.draw(
            f"{name}_curves",
            "Does the network agree?",
            "If these places count, taking them out first makes the probability fall faster than taking places out at "
            "random, and putting them in first makes it rise faster.",
            deletion_and_insertion,
            trace.curves,
            trace.label,
        )
    ]
