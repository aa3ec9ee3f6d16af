"""Pictures of classes: read once into a store on disk, divided into parts, or taken as they come to predict for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.console import say, warn
from practicals.common.data.cards import Card
from practicals.common.data.csvtext import count
from practicals.common.data.facts import Facts, facts_of
from practicals.common.data.fetch import Source
from practicals.common.data.memory import within_memory
from practicals.common.data.part import Part, chosen
from practicals.common.data.picture_decode import Pixels, Resize, Unreadable, decode_all
from practicals.common.data.picture_files import list_folder, printable, read_file
from practicals.common.data.picture_reading import read_once, refuse_empty_classes, unreadable_sentences
from practicals.common.data.picture_split import split_table
from practicals.common.data.picture_store import Integers, PictureStore, keep_until_exit
from practicals.common.data.split import Split
from practicals.common.errors import DataError

BLOCK = 256
"""Pictures in memory at a time, where all are gone through."""

__all__ = ["Catalogue", "PictureStore", "Pictures", "picture_split", "pictures_to_predict", "read_pictures"]


class Pictures(Part):
    """Pictures of one part, or to predict for: what is known of each, and its pixels on disk.

    Only places are held; pixels are read when they are asked for, best for a slice. `pictures[mask]`,
    `pictures[5:9]`, `pictures[[3, 1]]` and `pictures[3]` give the chosen ones.
    """

    THINGS = "pictures"

    def __init__(
        self,
        store: PictureStore,
        places: Integers,
        *,
        labels: Integers,
        classes: tuple[str, ...],
        files: Sequence[str],
        problems: Sequence[str],
        index: pd.Index | None = None,
    ) -> None:
        """Say which pictures.

        Args:
            store: where the pixels are.
            places: (n,) row of each picture in the store; -1 where it could not be read.
            labels: (n,) class numbers; -1 where unknown.
            classes: names of the classes, in the order of their numbers; empty when predicting.
            files: (n,) name of each.
            problems: (n,) why it could not be read, else "".
            index: (n,) ids; 0, 1, 2, ... when left out.

        Raises:
            ValueError: the lengths differ.
        """
        self.store, self.classes = store, classes
        self.places = np.asarray(places, dtype=np.int64)
        self.labels = np.asarray(labels, dtype=np.int64)
        self.files, self.problems = np.empty(len(files), object), np.empty(len(problems), object)
        self.files[:], self.problems[:] = files, problems
        self.index = pd.RangeIndex(len(self.places)) if index is None else index
        if {len(self.labels), len(self.files), len(self.problems)} != {len(self.places)}:
            raise ValueError("places, labels, files and problems must be equally many")

    def __len__(self) -> int:
        return len(self.places)

    def __repr__(self) -> str:
        _, height, width, _ = self.store.shape
        of = f" of {', '.join(self.classes)}" if self.classes else ""
        return f"<{count(len(self), 'picture')}{of}, {height} x {width} pixels>"

    def __getitem__(self, some: Any) -> Pictures:
        """Return the pictures that a mask, a slice or whole numbers choose, with their ids."""
        places = chosen(some)
        return Pictures(
            self.store,
            self.places[places],
            labels=self.labels[places],
            classes=self.classes,
            files=self.files[places],
            problems=self.problems[places],
            index=self.index[places],
        )

    @property
    def readable(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(n,) whether there are pixels."""
        return self.places >= 0

    @property
    def pixels(self) -> Pixels:
        """(n, height, width, 3) levels of red, green and blue, 0 to 255, read from disk now.

        Raises:
            ValueError: one of them could not be read.
        """
        if not self.readable.all():
            first = int(np.argmin(self.readable))
            raise ValueError(f"{self.files[first]} {self.problems[first]}; choose those that are `readable`")
        return self.store.read(self.places)

    def blocks(self) -> Iterator[Pixels]:
        """Yield `pixels`, at most `BLOCK` pictures at a time, so that memory stays flat.

        Raises:
            ValueError: as `pixels`.
        """
        for start in range(0, len(self), BLOCK):
            yield self[start : start + BLOCK].pixels


@dataclass(frozen=True)
class Catalogue:
    """All pictures of a run's data that could be read, not yet divided."""

    store: PictureStore
    files: tuple[str, ...]
    """Of each picture, in the order of the store: its path inside the folder or archive."""
    labels: tuple[int, ...]
    parts: tuple[str, ...]
    """"train", "validation" or "test" as the folders say, or "" everywhere."""
    digests: tuple[str, ...]
    """Equal for equal pictures, see `Decoded.digest`."""
    classes: tuple[str, ...]
    facts: Facts
    where: str
    """The path of the data, for messages."""


@within_memory
def read_pictures(source: Source, *, size: int, resize: Resize) -> Catalogue:
    """Read all pictures of a source, each decoded once and kept in the cache, and tell the user what was noted.

    Args:
        source: from `locate`; a folder or a zip archive of class folders, or the sample.
        size: height and width to which pictures are brought, in pixels.
        resize: brings (height, width, 3) to (size, size, 3); the model's own, so that it sees the same later.

    Returns:
        The pictures, and the facts for the run folder: what was left out is counted there.

    Raises:
        DataError: there are fewer than two classes, one has no readable picture, the archive is none or is not what
            its card promises, or the cache cannot be written.
    """
    card, where = source.card, str(source.path or f"{source.card.name} sample")
    store, notes = read_once(source, size=size, resize=resize)
    files, digests = tuple(notes["files"]), tuple(notes["digests"])
    labels, parts, classes = tuple(notes["labels"]), tuple(notes["parts"]), tuple(notes["classes"])
    sentences = (*notes["notes"], *unreadable_sentences(notes["unreadable"]))
    refuse_empty_classes(where, notes)
    if source.kind == "real":
        _check_counts(card, labels, classes)
    digest = source.sha256 or hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
    name = source.path.resolve().name if source.path else where
    facts = facts_of(source, sha256=digest, rows=len(files), notes=sentences, name=name, things="pictures")
    say(f"{_introduction(source, name)}, {_sizes(parts)}")
    for sentence in notes["notes"]:
        say(f"{where}: {sentence}")
    for sentence in sentences[len(notes["notes"]) :]:
        warn(f"{where}: {sentence}")
    return Catalogue(store, files, labels, parts, digests, classes, facts, where)


def _check_counts(card: Card, labels: Sequence[int], classes: Sequence[str]) -> None:
    found = {"pictures": len(labels), **{f"of class {classes[label]}": n for label, n in Counter(labels).items()}}
    expected = {"pictures": card.rows}
    expected |= {f"of class {name}": number for name, number in card.target_counts.get("class", {}).items()}
    for what, number in expected.items():
        if found.get(what, 0) != number:
            raise DataError(
                f"{card.name}: expected {number:,} {what}, found {found.get(what, 0):,}. "
                f"Run `practicals data {card.name}` to fetch a good copy."
            )


def _introduction(source: Source, name: str) -> str:
    if source.kind == "sample":
        return f"{source.card.name}: built-in sample of drawn pictures, not the real data"
    return f"{source.card.name}: real data" if source.kind == "real" else f"{name}: your own pictures"


def _sizes(parts: Sequence[str]) -> str:
    words = {"train": "to learn from", "validation": "for validation", "test": "to test"}
    found = Counter(parts)
    told = ", ".join(f"{found[part]:,} {word}" for part, word in words.items() if found[part])
    return count(len(parts), "picture") + (f" ({told})" if told else "")


def picture_split(found: Catalogue, *, validation: float, test: float, seed: int) -> Split[Pictures]:
    """Divide pictures into parts: a test part that the data brings stays as it is, all else is drawn.

    Each drawn part has the same share of every class, and equal pictures are never parted. A picture to learn from
    that is equal to one of the test part is left out, as is one that is equal to a validation picture where the data
    brings that part too. How many were left out is said, and stands in the facts of the split.

    Args:
        found: from `read_pictures`.
        validation: share of the pictures outside the test part; not used where the data brings a validation part.
        test: share of all pictures; not used where the data brings a test part.
        seed: the same seed gives the same parts.

    Returns:
        The parts; the index of each is the picture's file.

    Raises:
        DataError: a class has too few pictures to stand in every part.
    """
    notes: list[str] = []
    train, rest, last_part = split_table(found, validation=validation, test=test, seed=seed, notes=notes)
    for note in notes:
        say(f"{found.where}: {note}")
    facts = replace(found.facts, rows=len(train) + len(rest) + len(last_part), notes=(*found.facts.notes, *notes))

    def pictures(part: pd.DataFrame) -> Pictures:
        files = part["file"].tolist()
        return Pictures(
            found.store,
            part.index.to_numpy(),
            labels=part["label"].to_numpy(),
            classes=found.classes,
            files=files,
            problems=[""] * len(part),
            index=pd.Index(files, dtype=object),
        )

    return replace(Split(train, rest, last_part).map(pictures), facts=facts)


def pictures_to_predict(paths: Sequence[Path], *, size: int, resize: Resize) -> Pictures:
    """Take the user's files, and all pictures in the user's folders, in the order given; folders sorted by name.

    What cannot be read keeps its line, with the reason: a file that is missing or no picture, a folder without
    pictures, a link that leads out of its folder. Pixels are kept in a temporary file as long as the pictures are.

    Args:
        paths: files and folders.
        size: height and width to which pictures are brought, in pixels.
        resize: brings (height, width, 3) to (size, size, 3); the model's own.

    Returns:
        One picture per file; classes are unknown.

    Raises:
        DataError: no path was given, or there is no room for the pixels.
    """
    if not paths:
        raise DataError("predict: at least one picture, or folder of pictures, was expected.")
    files: list[str] = []
    readers: list[Callable[[], bytes | Pixels]] = []
    for path in paths:
        for name, read in _given(path):
            files.append(name)
            readers.append(read)
    problems: list[str] = []
    places: list[int] = []

    def readable() -> Iterator[Pixels]:
        rows = 0
        for one in decode_all(readers, resize, smallest_side=1, title="reading pictures"):
            problems.append(one.problem)
            places.append(rows if one.pixels is not None else -1)
            if one.pixels is not None:
                rows += 1
                yield one.pixels

    store = keep_until_exit(readable(), size)
    labels = np.full(len(files), -1)
    return Pictures(store, np.array(places), labels=labels, classes=(), files=files, problems=problems)


def _given(path: Path) -> Iterator[tuple[str, Callable[[], bytes | Pixels]]]:
    """Yield name and reader of a file, or of every picture in a folder; what is wrong is said by its reader."""

    def refuse(problem: str) -> Callable[[], bytes]:
        def read() -> bytes:
            raise Unreadable(problem)

        return read

    if not _is_folder(path):
        yield printable(str(path)), lambda: read_file(path)
        return
    try:
        listing = list_folder(path)
    except DataError as error:
        yield printable(str(path)), refuse(str(error).removeprefix(f"{path}: ").rstrip("."))
        return
    found = [(file.name, file.read) for file in listing.pictures]
    found += [(name, refuse(problem)) for name, problem in listing.problems]
    if not found:
        yield printable(str(path)), refuse("is a folder without pictures")
    for name, read in sorted(found, key=lambda one: one[0]):
        yield printable(str(path / name)), read


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or has a zero byte
        return False
