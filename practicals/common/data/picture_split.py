"""Divide a table of pictures into parts, so that equal pictures never stand on both sides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from practicals.common.data.csvtext import count
from practicals.common.data.split import stratified_split
from practicals.common.errors import DataError

if TYPE_CHECKING:
    from practicals.common.data.pictures import Catalogue


def split_table(
    found: Catalogue, *, validation: float, test: float, seed: int, notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Divide pictures as `pictures.picture_split` says; what was counted or left out is added to `notes`.

    Returns:
        The pictures to learn from, for validation and to test: `file`, `class` and its number `label`, by the place in
        the store.

    Raises:
        DataError: a class has too few pictures to stand in every part.
    """
    names = np.array(found.classes, object)[list(found.labels)]
    frame = pd.DataFrame(
        {"class": names, "label": found.labels, "part": found.parts, "digest": found.digests, "file": found.files}
    )
    _note_equal_pictures(frame, notes)
    if "test" not in found.parts:
        share = validation * (1 - test)
        _refuse_few(found, frame, min(share, test, 1 - share - test))
        drawn = stratified_split(
            frame, target="class", validation=share, test=test, seed=seed, same_content=["digest"], facts=found.facts
        )
        train, rest, last_part = drawn.train, drawn.validation, drawn.test
    else:
        last_part = frame[frame["part"] == "test"]
        train = _without_equals(frame[frame["part"] != "test"], last_part, "test", notes)
        if "validation" in found.parts:
            rest = train[train["part"] == "validation"]
            train = _without_equals(train[train["part"] == "train"], rest, "validation", notes)
        else:
            _refuse_few(found, train, min(validation, 1 - validation))
            train, rest = _cut(train, validation, seed)
    for name, part in (("train", train), ("validation", rest)):
        if missing := set(found.classes) - set(part["class"]):
            raise DataError(
                f"{found.where}: class '{min(missing)}' has no picture left in the {name} part: all of them are in "
                "another part too. Add different ones."
            )
    return train, rest, last_part


def _note_equal_pictures(frame: pd.DataFrame, notes: list[str]) -> None:
    equal = frame[frame.duplicated("digest", keep=False)]
    if equal.empty:
        return
    notes.append(f"{len(equal):,} pictures are copies of {equal['digest'].nunique():,}; copies stay in one part.")
    classes = equal.groupby("digest")["class"].nunique()
    if mixed := int((classes > 1).sum()):
        of = equal[equal["digest"].isin(classes[classes > 1].index)]["file"].iloc[0]
        notes.append(f"{count(mixed, 'picture')} of these is in more than one class, such as {of}.")


def _without_equals(pictures: pd.DataFrame, kept: pd.DataFrame, part: str, notes: list[str]) -> pd.DataFrame:
    equal = pictures["digest"].isin(kept["digest"])
    if number := int(equal.sum()):
        notes.append(f"{count(number, 'picture')} to learn from left out: also in the {part} part.")
    return pictures[~equal]


def _refuse_few(found: Catalogue, frame: pd.DataFrame, smallest_share: float) -> None:
    needed = max(2, math.ceil(1 / smallest_share - 1e-9))
    different = frame.groupby("class")["digest"].nunique()
    for name in found.classes:
        if (number := int(different.get(name, 0))) < needed:
            raise DataError(
                f"{found.where}: class '{name}' has {count(number, 'different picture')} to divide; at least {needed} "
                "are needed to have one in every part. Add some, or enlarge the parts."
            )


def _cut(pictures: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the pictures without, and those of, a validation part: scikit-learn's stratified draw.

    Equal pictures are drawn as one, with the class that most of them have.
    """
    from sklearn.model_selection import train_test_split

    group, _ = pd.factorize(pictures["digest"])
    label = pictures["label"].groupby(group).agg(lambda labels: labels.mode().iloc[0]).to_numpy()
    size = round(share * len(label))
    _, drawn = train_test_split(np.arange(len(label)), test_size=size, random_state=seed, stratify=label)
    chosen = np.isin(group, drawn)
    return pictures[~chosen], pictures[chosen]
