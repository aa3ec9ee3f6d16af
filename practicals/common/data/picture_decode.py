"""Decode pictures: from the content of a file to levels of red, green and blue, or a reason why not."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any

import numpy as np
from PIL import Image

from practicals.common.progress import Progress

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Resize = Callable[[Pixels], Pixels]
"""From (height, width, 3) to (size, size, 3)."""

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
"""What is decoded; a file's content decides, not its name."""
MOST_PIXELS = 50_000_000
"""Of one picture. A few kilobytes can claim to be 30,000 x 30,000 pixels, which would take 2.7 GB."""
SMALLEST_SIDE = 8
"""In pixels, of a picture to learn from: nothing can be seen on a smaller one. Any size can be predicted for."""
LARGE_PIXELS = 8_000_000
"""A picture of more is decoded and resized alone, so that several threads do not add up to gigabytes."""
SECONDS_WITHOUT_PROGRESS = 2.0

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM")
_OTHER_SIGNATURES = {
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "a PDF document",
    b"II*\0": "a TIFF file",
    b"MM\0*": "a TIFF file",
    b"<svg": "a drawing (SVG)",
}
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF's orientation -> what turns the picture upright
_ORIENTATION = 0x0112
# What Pillow raises on damaged files, besides OSError: its plug-ins were written for good ones.
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, AttributeError)
_one_large = threading.Lock()


class Unreadable(Exception):
    """One file holds no picture that can be used; the text says why, as the rest of a sentence about it."""


def decode(content: bytes, *, smallest_side: int = 1) -> Pixels:
    """Return the picture in a file's content as (height, width, 3) levels of red, green and blue, 0 to 255.

    It is turned upright as its EXIF data says. Of an animation it is the first picture. What is transparent shows
    white. 16-bit grey is scaled down, not cut off.

    Raises:
        Unreadable: it is no picture of a known format, is damaged, or too large or too small to be used.
    """
    image = _open(content, smallest_side)
    return _rgb(image)


def _open(content: bytes, smallest_side: int) -> Image.Image:
    """Read a picture's header, which says its size; nothing is decoded."""
    if not content:
        raise Unreadable("is empty (zero bytes)")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise Unreadable(f"would decode to more than {MOST_PIXELS // 1_000_000} million pixels") from None
    except MemoryError:
        raise Unreadable("does not fit into memory") from None
    except _BROKEN:
        if content.startswith(_SIGNATURES) or content[8:12] == b"WEBP":
            raise Unreadable("is cut short or damaged") from None
        kind = next((kind for start, kind in _OTHER_SIGNATURES.items() if content.startswith(start)), "")
        if content[4:8] == b"ftyp":
            kind = "a HEIC, AVIF or video file"
        known = "no JPEG, PNG, GIF, BMP or WebP"
        raise Unreadable(f"is {kind}, {known}" if kind else f"is not a picture: {known}") from None
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise Unreadable(
            f"would decode to {width:,} x {height:,} pixels; at most {MOST_PIXELS // 1_000_000} million are read"
        )
    if min(width, height) < smallest_side:
        raise Unreadable(
            f"is too small to learn from: {width} x {height} pixels, at least {smallest_side} each way were expected"
        )
    return image


def _rgb(image: Image.Image) -> Pixels:
    try:
        image.load()
        turn = _TURNED.get(_orientation(image))
        if image.mode.startswith("I"):  # 16 bit a pixel; Pillow would cut off at 255
            levels = np.clip(np.asarray(image).astype(np.int64), 0, 65_535)
            if "transparency" in image.info:
                levels[levels == image.info["transparency"]] = 65_535
            image = Image.fromarray(((levels * 255 + 32_767) // 65_535).astype(np.uint8))
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            image = Image.new("RGBA", layer.size, "white")
            image.alpha_composite(layer)
        image = image.convert("RGB")
        return np.asarray(image if turn is None else image.transpose(turn))
    except MemoryError:
        raise Unreadable("does not fit into memory") from None
    except _BROKEN:
        raise Unreadable("is cut short or damaged") from None


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(_ORIENTATION)
    except _BROKEN:
        return None  # Damaged EXIF data beside a good picture is common; the picture is then taken as it lies.


@dataclass(frozen=True)
class Decoded:
    """What became of one file: either `pixels` and `digest`, or a `problem`."""

    pixels: Pixels | None = None
    """(size, size, 3)"""
    digest: str = ""
    """sha256 over the shape and the levels at the original size: equal for a picture and its copy in a PNG file."""
    problem: str = ""


def decode_all(
    readers: Sequence[Callable[[], bytes | Pixels]], resize: Resize, *, smallest_side: int, title: str
) -> Iterator[Decoded]:
    """Decode and resize many pictures in a few threads; they come in order, and only a few are held at a time.

    Args:
        readers: one per picture; returns the content of its file, or a drawn picture, or raises Unreadable.
        resize: brings a picture to its final size; called from several threads.
        smallest_side: smaller pictures are a problem, in pixels.
        title: what is read, shown as progress where it takes long.
    """

    def work(read: Callable[[], bytes | Pixels]) -> Decoded:
        try:
            content = read()
            if isinstance(content, np.ndarray):
                return _resized(content, resize)
            image = _open(content, smallest_side)
            with _one_large if image.width * image.height > LARGE_PIXELS else nullcontext():
                return _resized(_rgb(image), resize)
        except Unreadable as error:
            return Decoded(problem=str(error))

    threads = min(4, os.cpu_count() or 1)
    rest, began, progress = iter(readers), monotonic(), None
    with _pillow_silenced(), ThreadPoolExecutor(threads, "pictures") as pool:
        waiting = deque(pool.submit(work, read) for read in islice(rest, 2 * threads))
        try:
            for done in range(1, len(readers) + 1):
                decoded = waiting.popleft().result()
                waiting.extend(pool.submit(work, read) for read in islice(rest, 1))
                yield decoded
                if progress is None and monotonic() - began > SECONDS_WITHOUT_PROGRESS:
                    progress = Progress(title, len(readers), unit="picture", start=done)
                if progress is not None:
                    progress.to(done)
        finally:
            for future in waiting:
                future.cancel()
            if progress is not None:
                progress.close()


def _resized(picture: Pixels, resize: Resize) -> Decoded:
    digest = hashlib.sha256(np.asarray(picture.shape, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(picture).data)
    return Decoded(resize(picture), digest.hexdigest())


@contextmanager
def _pillow_silenced() -> Iterator[None]:
    """Keep Pillow's warnings about damaged or large files from the user, who is told in our words.

    To be entered by the thread that starts others, since Python's warning filters belong to the whole process.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
        yield
