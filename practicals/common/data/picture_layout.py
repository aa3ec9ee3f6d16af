"""Which picture belongs to which class and which part, told from the folders that it lies in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from practicals.common.data.csvtext import count
from practicals.common.data.picture_files import Listing, PictureFile, names_shown
from practicals.common.errors import DataError

TRAIN = {"train", "training", "training_set", "train_set"}
TEST = {"test", "testing", "test_set"}
VALIDATION = {"validation", "valid", "val", "validation_set"}
ADVICE = "Put the pictures into one folder per class, such as cats and dogs."


@dataclass
class Layout:
    """The files of a data set with what their folders say, sorted by name."""

    files: list[PictureFile] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    """Of each file: "train", "validation", "test", or "" where the data has no test part of its own."""
    labels: list[int] = field(default_factory=list)
    """Of each file: its place in `classes`."""
    classes: tuple[str, ...] = ()
    folders: dict[str, str] = field(default_factory=dict)
    """Part -> its folder as it is written; without parts "" -> the folder of the class folders."""
    notes: list[str] = field(default_factory=list)
    """One sentence each about what was recognised or left out."""


class _Folders:
    """The folders of a listing: what lies in each and below it."""

    def __init__(self, listing: Listing) -> None:
        self.inner: dict[str, list[str]] = defaultdict(list)
        self.direct: dict[str, list[PictureFile]] = defaultdict(list)
        self.below: dict[str, list[PictureFile]] = defaultdict(list)
        for file in listing.pictures:
            folder = parent(file.name)
            self.direct[folder].append(file)
            while folder:
                self.below[folder].append(file)
                folder = parent(folder)
            self.below[""].append(file)
        for name in listing.folders:
            self.inner[parent(name)].append(name)

    def with_pictures(self, folder: str) -> list[str]:
        return [name for name in self.inner[folder] if self.below[name]]

    def unwrap(self, folder: str) -> str:
        """Return the folder itself, or the one inside it that holds the class folders where others only wrap it."""
        while True:
            inner = self.with_pictures(folder)
            if len(inner) != 1 or self.direct[folder] or self.direct[inner[0]] or not self.with_pictures(inner[0]):
                return folder
            folder = inner[0]


def parent(name: str) -> str:
    """Return the folder that a name lies in, "" for the outermost."""
    return name.rpartition("/")[0]


def last(name: str) -> str:
    """Return a name without the folders that it lies in."""
    return name.rpartition("/")[2]


def find_layout(listing: Listing, source: str) -> Layout:
    """Tell classes and parts from the folders.

    Class folders may lie in the source itself, in a training and a test folder (and a validation folder), or below
    folders that hold nothing else. Where there is no test folder, the validation folder is the test part: it is never
    trained on. Pictures in folders of a class folder belong to its class. Classes are compared without regard to
    letter case.

    Args:
        listing: what lies in the source.
        source: what to call it in messages, its path.

    Raises:
        DataError: there are no pictures or fewer than two classes, or a class is missing from a part.
    """
    if not listing.pictures:
        problem = f" ({listing.problems[0][0]} {listing.problems[0][1]})" if listing.problems else ""
        raise DataError(f"{source}: holds no pictures{problem}. {ADVICE}")
    folders = _Folders(listing)
    top = folders.unwrap("")
    layout = Layout()
    layout.folders = _part_folders(folders, top, source) or {"": top}
    if "test" in layout.folders and last(layout.folders["test"]).lower() in VALIDATION:
        layout.notes.append(
            f"The folder {last(layout.folders['test'])} is the test part, since there is no test folder."
        )
    classes = _class_folders(folders, layout, source)
    layout.classes = tuple(sorted(found[0].name for found in classes))
    number = {name: place for place, name in enumerate(layout.classes)}
    rows = sorted(
        ((file, one.part, number[found[0].name]) for found in classes for one in found for file in one.files),
        key=lambda row: row[0].name,
    )
    layout.files, layout.parts, layout.labels = ([row[place] for row in rows] for place in range(3))  # type: ignore[assignment]
    used = {file.name for file in layout.files}
    _note_left_out(layout, [file.name for file in listing.pictures if file.name not in used], listing.others)
    return layout


def _part_folders(folders: _Folders, top: str, source: str) -> dict[str, str]:
    """Return part -> folder where the data is divided already, else nothing."""
    named: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for name in folders.with_pictures(top):
        for part, words in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
            # A class may be called "train" too: its folder then holds pictures.
            if last(name).lower() in words and not folders.direct[name]:
                named[part].append(name)
    if not named["train"] or not (named["test"] or named["validation"]):
        if named["test"] and named["validation"]:
            raise DataError(
                f"{source}: has the folders {last(named['validation'][0])} and {last(named['test'][0])} but none to "
                "learn from. Call that one train."
            )
        return {}
    for part, found in named.items():
        if len(found) > 1:
            raise DataError(
                f"{source}: has {len(found)} folders for the {part} part, {' and '.join(map(last, found))}. "
                "Keep one of them."
            )
    if not named["test"]:
        named["test"], named["validation"] = named["validation"], []
    return {part: folders.unwrap(found[0]) for part, found in named.items() if found}


@dataclass(frozen=True)
class _ClassFolder:
    part: str
    name: str
    files: list[PictureFile]


def _class_folders(folders: _Folders, layout: Layout, source: str) -> list[list[_ClassFolder]]:
    """Return for every class its folders, in the order of the parts; notes are added to the layout.

    Raises:
        DataError: there are fewer than two classes, or a class is missing from a part.
    """
    classes: dict[str, list[_ClassFolder]] = defaultdict(list)
    for part, folder in layout.folders.items():
        for name in folders.with_pictures(folder):
            classes[last(name).casefold()].append(_ClassFolder(part, last(name), folders.below[name]))
        empty = [last(name) for name in folders.inner[folder] if not folders.below[name]]
        if empty:
            layout.notes.append(f"{count(len(empty), 'folder')} without a picture left out ({names_shown(empty)}).")
    if not classes:
        raise DataError(f"{source}: its pictures lie in no class folder. {ADVICE}")
    for found in classes.values():
        name, parts = found[0].name, {one.part for one in found}
        for part, folder in layout.folders.items():
            if part not in parts:
                there = layout.folders[found[0].part]
                raise DataError(
                    f"{source}: class '{name}' is in {there} but has no picture in {folder}. Add some, or remove it."
                )
        if other := sorted({one.name for one in found} - {name}):
            layout.notes.append(f"Class '{name}' is also written {names_shown(map(repr, other))}; taken as one.")
    if len(classes) < 2:
        (found,) = classes.values()
        raise DataError(f"{source}: has one class, '{found[0].name}'; at least two were expected. {ADVICE}")
    return list(classes.values())


def _note_left_out(layout: Layout, pictures: list[str], others: list[str]) -> None:
    beside = [name for name in pictures if parent(name) in layout.folders.values()]
    elsewhere = [name for name in pictures if parent(name) not in layout.folders.values()]
    for names, where in ((beside, "beside the class folders"), (elsewhere, "outside the class folders")):
        if names:
            layout.notes.append(f"{count(len(names), 'picture')} {where} left out ({names_shown(names)}).")
    if others:
        are = "file that is no picture" if len(others) == 1 else "files that are no pictures"
        layout.notes.append(f"{len(others):,} {are} left out ({names_shown(others)}).")
