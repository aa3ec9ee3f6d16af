"""Pictures inside the page: PNG files and PNG text as data URIs, and heat laid over a picture."""

from __future__ import annotations

import base64
import binascii
import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from practicals.common.files import atomic_write
from practicals.common.picture_gallery import ENLARGED
from practicals.common.report.svg import Numbers

Pixels = npt.NDArray[np.uint8]

WIDEST = 128
"""Pixels of the longer side on the page; the file in the run folder keeps its size."""
TINY = 96
"""Pixels of the shorter side below which the page shows each pixel as a square."""
LARGEST = 4096
"""Pixels of the longer side of a file that is opened at all."""
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error)
"""What Pillow raises for a file that is no PNG, or no whole one."""
FOR, AGAINST, STRENGTH = (232, 106, 10), (24, 104, 196), (190, 24, 160)
"""Orange and blue where heat has a sign, magenta where it has none; each stands out on grey."""
OPAQUE = 0.8


@dataclass(frozen=True)
class Embedded:
    """A picture for the page, or why there is none."""

    alt: str
    uri: str = ""
    """`data:image/png;base64,...`; empty where the picture is missing or damaged."""
    problem: str = ""
    """Why there is no picture; empty where there is one."""
    enlarged: bool = False
    """Whether its pixels are squares of a tiny picture, which a browser must not blur."""


def embed_file(folder: Path, name: Any, alt: str) -> Embedded:
    """Return a PNG file of a run folder for the page.

    Args:
        folder: the run's folder.
        name: of the file, relative to it; a name that leads out of `pictures/` is not followed.
        alt: what the picture shows, in words.
    """
    path = folder / str(name)
    if (folder / "pictures").resolve() not in path.resolve().parents:
        return Embedded(alt, problem=f"{name}: lies outside of pictures/.")
    try:
        content = path.read_bytes()
    except OSError:
        return Embedded(alt, problem=f"{name}: is missing.")
    return _embed(content, alt, f"{name}: is damaged.")


def embed_text(png: str, alt: str) -> tuple[Embedded, Pixels | None]:
    """Return a PNG that came as base64 text for the page, and its pixels (h, w, 3); None where it is damaged."""
    problem = "The picture of this explanation is damaged."
    try:
        content = base64.b64decode(png, validate=True)
    except (binascii.Error, ValueError):
        return Embedded(alt, problem=problem), None
    found = _opened(content)
    return _embed(content, alt, problem), None if found is None else np.asarray(found.convert("RGB"))


def embed_pixels(pixels: Pixels, alt: str, path: Path) -> Embedded:
    """Write pixels (h, w, 3) as a PNG file and return them for the page."""
    content = _png(Image.fromarray(pixels))
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return _embed(content, alt, "")


def overlay(pixels: Pixels, heat: Numbers, *, signed: bool) -> Pixels:
    """Return (h, w, 3): the picture in grey with heat over it, the stronger the less the picture shines through.

    Args:
        pixels: (h, w, 3).
        heat: (rows, columns), spread over the whole picture.
        signed: whether values below zero speak against the label; otherwise they count as none.
    """
    grey = pixels @ np.array([0.299, 0.587, 0.114])
    # The picture gives way to the colours: neither black nor white is left in it.
    ground = np.repeat((40 + 0.75 * grey)[..., None], 3, axis=2)
    heat = np.nan_to_num(heat) if signed else np.clip(np.nan_to_num(heat), 0, None)
    spread = Image.fromarray(heat.astype("float32")).resize(
        (pixels.shape[1], pixels.shape[0]), Image.Resampling.BILINEAR
    )
    values = np.asarray(spread, "float64")
    # A single glaring cell must not make all others pale.
    strongest = float(np.quantile(np.abs(values), 0.995)) or float(np.abs(values).max())
    share = np.clip(np.abs(values) / strongest, 0, 1)[..., None] if strongest else np.zeros((*values.shape, 1))
    colour = np.where(values[..., None] < 0, AGAINST, FOR) if signed else np.array(STRENGTH)
    return np.clip(ground + OPAQUE * share * (colour - ground), 0, 255).round().astype(np.uint8)


def _embed(content: bytes, alt: str, problem: str) -> Embedded:
    picture = _opened(content)
    if picture is None:
        return Embedded(alt, problem=problem)
    times = str(picture.info.get(ENLARGED, "1"))
    enlarged = (times.isdigit() and int(times) > 1) or min(picture.size) < TINY
    if max(picture.size) > WIDEST and not enlarged:
        picture.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
        content = _png(picture)
    return Embedded(alt, f"data:image/png;base64,{base64.b64encode(content).decode()}", enlarged=enlarged)


def _opened(content: bytes) -> Image.Image | None:
    """Return a decoded PNG of a sane size; None where it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=["PNG"])
        if max(picture.size) > LARGEST:
            return None
        picture.load()
    except (*DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    return picture


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
