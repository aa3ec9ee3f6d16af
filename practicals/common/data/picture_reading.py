"""Every picture of a folder, an archive or the sample, decoded once into the cache with what is known of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from practicals.common.data.csvtext import count
from practicals.common.data.fetch import Source
from practicals.common.data.picture_decode import SMALLEST_SIDE, Pixels, Resize, decode_all
from practicals.common.data.picture_files import Listing, PictureFile, list_folder, zip_listing
from practicals.common.data.picture_layout import Layout, find_layout
from practicals.common.data.picture_samples import drawn_pictures
from practicals.common.data.picture_store import PictureStore, find_in_cache, keep_in_cache
from practicals.common.errors import DataError

FORMAT = 1
"""Of what the cache holds; to be raised whenever the same files would be read differently."""
UNREADABLE_NAMED = 20
"""So many unreadable files are named with the reason; the rest are counted."""


def read_once(source: Source, *, size: int, resize: Resize) -> tuple[PictureStore, dict[str, Any]]:
    """Return the pixels of all pictures that can be read, from the cache where they are there already.

    Args:
        source: from `locate`.
        size: height and width to which pictures are brought, in pixels.
        resize: the model's own.

    Returns:
        The pixels, and what is known: `files`, `labels`, `parts` and `digests` by picture; `classes`, `folders` and
        `notes` of the layout; `unreadable`, name and reason of each file that is left out.

    Raises:
        DataError: there are fewer than two classes, the archive is none, or the cache cannot be written.
    """
    with _listed(source) as (identity, lay_out):
        key = _key(identity, size, resize)
        return find_in_cache(key) or _fill_cache(key, *lay_out(), size, resize, source.card.name)


@contextmanager
def _listed(source: Source) -> Iterator[tuple[str, Callable[[], tuple[Layout, Listing]]]]:
    """Yield what identifies the content of a source, and a function that says what lies in it."""
    if source.path is None:
        drawn = drawn_pictures()
        files = [PictureFile(one.name, lambda one=one: one.pixels) for one in drawn]  # type: ignore[misc]
        folders = sorted({parent.as_posix() for one in drawn for parent in PurePosixPath(one.name).parents} - {"."})
        listing = Listing(files, [], folders, [])
        digest = hashlib.sha256(b"".join(one.pixels.tobytes() for one in drawn)).hexdigest()
        yield f"drawn {digest}", lambda: (find_layout(listing, "sample"), listing)
    elif source.path.is_dir():
        listing = list_folder(source.path)
        marks = [(file.name, file.mark) for file in listing.pictures]
        identity = [str(source.path.resolve()), marks, listing.others, listing.folders, listing.problems]
        yield json.dumps(identity), lambda: (find_layout(listing, str(source.path)), listing)
    else:
        with zip_listing(source.path) as listing:
            yield f"zip {source.sha256}", lambda: (find_layout(listing, str(source.path)), listing)


def _key(identity: str, size: int, resize: Resize) -> str:
    # How a fixed pattern is resized stands for the way of resizing: with another one nothing old may be found.
    pattern = np.random.default_rng(0).integers(0, 256, (2 * size + 5, size + 9, 3), dtype=np.uint8)
    digest = hashlib.sha256(f"{FORMAT} {size} {identity}".encode("utf-8", "surrogateescape"))
    digest.update(resize(pattern).tobytes())
    return digest.hexdigest()[:32]


def _fill_cache(
    key: str, layout: Layout, listing: Listing, size: int, resize: Resize, title: str
) -> tuple[PictureStore, dict[str, Any]]:
    """Decode all pictures of a source into the cache, with everything that is known of them."""
    notes: dict[str, Any] = {
        **{"classes": layout.classes, "folders": layout.folders, "notes": layout.notes},
        **{"files": [], "labels": [], "parts": [], "digests": [], "unreadable": [*listing.problems]},
    }

    def readable() -> Iterator[Pixels]:
        readers = [file.read for file in layout.files]
        decoded = decode_all(readers, resize, smallest_side=SMALLEST_SIDE, title=f"reading {title}")
        for one, file, label, part in zip(decoded, layout.files, layout.labels, layout.parts, strict=True):
            if one.pixels is None:
                notes["unreadable"].append((file.name, one.problem))
                continue
            for name, value in (("files", file.name), ("labels", label), ("parts", part), ("digests", one.digest)):
                notes[name].append(value)
            yield one.pixels

    return keep_in_cache(key, readable(), size, notes)


def unreadable_sentences(unreadable: Sequence[tuple[str, str]]) -> list[str]:
    """Return how many files could not be used, and which."""
    if not unreadable:
        return []
    named = [f"{name} {problem}." for name, problem in unreadable[:UNREADABLE_NAMED]]
    more = len(unreadable) - len(named)
    are = "is no readable picture and is" if len(unreadable) == 1 else "are no readable pictures and are"
    return [
        f"{count(len(unreadable), 'file')} {are} left out.",
        *named,
        *([f"And {more:,} more."] if more else []),
    ]


def refuse_empty_classes(where: str, notes: dict[str, Any]) -> None:
    """Refuse data of which a class, or a part of one that has its own folder, has no readable picture.

    Raises:
        DataError: names the class and a file that could not be read.
    """
    found = set(zip(notes["labels"], notes["parts"], strict=True))
    for label, name in enumerate(notes["classes"]):
        for part, folder in notes["folders"].items():
            if (label, part) not in found:
                example, problem = next(
                    (one for one in notes["unreadable"] if f"/{name}/".casefold() in f"/{one[0]}".casefold()),
                    notes["unreadable"][0],
                )
                raise DataError(
                    f"{where}: class '{name}' has no readable picture{f' in {folder}' if folder else ''}: {example} "
                    f"{problem}. Put good pictures there, or remove the class."
                )
