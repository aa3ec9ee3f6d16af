"""Pictures for the report: PNG files in the run folder, and the lines of the summary that speak of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from practicals.common.files import atomic_write
from practicals.common.run import Run, make_folder

if TYPE_CHECKING:
    from practicals.common.data.pictures import Pictures

Pixels = npt.NDArray[np.uint8]

SHOWN = 24
"""Pictures in a gallery of all classes together; ten classes share them."""
FEWEST = 2
"""Pictures of a class all the same, however many classes there are."""
CHUNK = 64
"""Pictures changed at a time."""
ENLARGED = "enlarged"
"""Text field of the PNG: how often each pixel was repeated."""


def write_pictures(run: Run, name: str, pixels: Pixels, least_side: int = 96) -> list[str]:
    """Write pictures as PNG files, those that are tiny enlarged by repeating pixels, and return their names.

    Args:
        run: the run's folder.
        name: what the file names begin with.
        pixels: (k, h, w, 3) colour or (k, h, w) grey.
        least_side: the shorter side has at least so many pixels afterwards.

    Returns:
        k names relative to the run, "pictures/wrong_01.png".

    Raises:
        ValueError: the pictures have neither form.
    """
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[3] != 3):
        raise ValueError(f"pictures must be (k, h, w) or (k, h, w, 3), these are {pixels.shape}")
    make_folder(run.pictures_folder)
    times = math.ceil(least_side / min(pixels.shape[1:3]))
    about = PngInfo()
    about.add_text(ENLARGED, str(times))
    width = max(2, len(str(len(pixels))))
    names = []
    for number, one in enumerate(np.asarray(pixels, np.uint8), 1):
        path = run.pictures_folder / f"{name}_{number:0{width}}.png"
        with atomic_write(path) as temporary:
            Image.fromarray(one.repeat(times, axis=0).repeat(times, axis=1)).save(temporary, pnginfo=about)
        names.append(path.relative_to(run.folder).as_posix())
    return names


def examples(run: Run, pictures: Pictures, *, each: int = 6, seed: int) -> list[dict[str, str]]:
    """Write some pictures of each class, drawn at random, and return `file`, `id` and `truth` of each.

    Args:
        run: the run's folder.
        pictures: the training pictures.
        each: at most so many of each class; fewer where there are many classes.
        seed: seed of the draw.
    """
    generator = np.random.default_rng(seed)
    places = [
        generator.permutation(np.flatnonzero(pictures.labels == number))[: _each(each, pictures.classes)]
        for number in range(len(pictures.classes))
    ]
    chosen = pictures[np.concatenate(places)]
    files = write_pictures(run, "example", chosen.pixels)
    return [
        {"file": file, "id": str(name), "truth": chosen.classes[label]}
        for file, name, label in zip(files, chosen.index, chosen.labels, strict=True)
    ]


def most_confidently_wrong(
    run: Run, pictures: Pictures, probability: npt.NDArray[Any], *, each: int = 8
) -> list[dict[str, Any]]:
    """Write the pictures of each class whose wrong label is surest, the surest first.

    Args:
        run: the run's folder.
        pictures: n test pictures.
        probability: (n, classes) what the network says of them.
        each: at most so many of each true class; fewer where there are many classes.

    Returns:
        `file`, `id`, `truth`, `prediction` and `probability` of the prediction; the classes in their order.
    """
    label, sureness = probability.argmax(axis=1), probability.max(axis=1)
    surest = np.argsort(-sureness, kind="stable")
    wrong = surest[label[surest] != pictures.labels[surest]]
    places = np.concatenate(
        [
            wrong[pictures.labels[wrong] == number][: _each(each, pictures.classes)]
            for number in range(len(pictures.classes))
        ]
    )
    if not len(places):
        return []
    chosen = pictures[places]
    files = write_pictures(run, "wrong", chosen.pixels)
    return [
        {
            "file": file,
            "id": str(name),
            "truth": chosen.classes[truth],
            "prediction": chosen.classes[label[place]],
            "probability": float(sureness[place]),
        }
        for file, name, truth, place in zip(files, chosen.index, chosen.labels, places, strict=True)
    ]


def augmented(run: Run, original: Pixels, draws: Pixels, sentence: str) -> dict[str, Any]:
    """Write one picture and what augmentation made of it, and return `original`, `draws` and `sentence`.

    Args:
        run: the run's folder.
        original: (h, w, 3).
        draws: (k, h, w, 3).
        sentence: says which changes are made and how large they may be.
    """
    [first] = write_pictures(run, "original", original[None])
    return {"original": first, "draws": write_pictures(run, "augmented", draws), "sentence": sentence}


def filters(run: Run, pixels: Pixels, layer: str = "") -> dict[str, Any]:
    """Write the filters of the first layer, (k, s, s, 3), and return `files` and the name of the `layer`."""
    return {"files": write_pictures(run, "filter", pixels), "layer": layer}


def feature_maps(
    run: Run, found: Sequence[tuple[str, str, Pixels]], pixels: Pixels | None = None, most: int = 16
) -> list[dict[str, Any]]:
    """Write feature maps and return `layer`, `shape` and `files` of each layer.

    Args:
        run: the run's folder.
        found: name of the layer, its shape as text, and (k, h, w) maps.
        pixels: (h, w, 3) the picture that was looked at; it comes first, as a layer without a name.
        most: of one layer.
    """
    shown = [] if pixels is None else [("", "", pixels[None])]
    return [
        {"layer": layer, "shape": shape, "files": write_pictures(run, f"map_{number}", maps[:most])}
        for number, (layer, shape, maps) in enumerate([*shown, *found])
    ]


def save_augmented(run: Run, pictures: Pictures, augment: Callable[[Pixels], Pixels], *, each: int, seed: int) -> Path:
    """Make a data set by augmentation: changed training pictures in `augmented/CLASS/`, and return that folder.

    It has the form that `--data FOLDER` reads.

    Args:
        run: the run's folder.
        pictures: the training pictures.
        augment: takes and gives (k, h, w, 3), each picture changed by chance.
        each: of every class; where that is more than it has, its pictures are taken again.
        seed: seed of the order in which they are taken.
    """
    generator = np.random.default_rng(seed)
    root = run.folder / "augmented"
    for number, name in enumerate(pictures.classes):
        # A class inside an archive may have a name that no folder can have here.
        folder = make_folder(root / (name if re.fullmatch(r"\w[\w .-]*\w|\w", name) else f"class_{number}"))
        order = np.resize(generator.permutation(np.flatnonzero(pictures.labels == number)), each)
        for start in range(0, each, CHUNK):
            changed = augment(pictures[order[start : start + CHUNK]].pixels)
            for place, one in enumerate(changed, start + 1):
                with atomic_write(folder / f"{place:0{len(str(each))}}.png") as temporary:
                    Image.fromarray(one).save(temporary)
    return root


def _each(wanted: int, classes: Sequence[str]) -> int:
    return min(wanted, max(FEWEST, SHOWN // len(classes)))
