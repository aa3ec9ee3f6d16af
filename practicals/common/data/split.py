"""Divide rows into training, validation and test part before anything is fitted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from practicals.common.data.facts import Facts
from practicals.common.errors import DataError

T = TypeVar("T")
U = TypeVar("U")
Integers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Split(Generic[T]):
    """The three parts of one kind of thing: rows, arrays, predictions."""

    train: T
    validation: T
    test: T
    facts: Facts | None = None
    """Where the rows came from, where that is known; it stays with whatever is made of them."""
    calibration: T | None = None
    """Sets the width of intervals and is used for nothing else; None where a lesson has no intervals."""

    def map(self, function: Callable[[T], U]) -> Split[U]:
        """Return the split in which every part went through `function`."""
        calibration = None if self.calibration is None else function(self.calibration)
        return Split(function(self.train), function(self.validation), function(self.test), self.facts, calibration)

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield ("train", ...), ("validation", ...), with a calibration part ("calibration", ...), ("test", ...)."""
        yield from (("train", self.train), ("validation", self.validation))
        if self.calibration is not None:
            yield "calibration", self.calibration
        yield "test", self.test


def stratified_split(
    frame: pd.DataFrame,
    *,
    target: str,
    validation: float,
    test: float,
    seed: int,
    same_subject: Sequence[str] = (),
    same_content: Sequence[str] = (),
    facts: Facts | None = None,
) -> Split[pd.DataFrame]:
    """Split rows so that each part has the same share of every class and no two related rows are parted.

    Rows are related when they are equal in one of the columns `same_subject` (the same customer twice) or in all
    columns `same_content` (the same row twice), also through a third row. Related rows are drawn as one, with the
    class that most of them have. Where no rows are related, this is scikit-learn's `train_test_split` applied twice:
    first `round(test * rows)` rows for the test part, then `round(validation * rows)` of the remainder for
    validation, both stratified, both with `random_state=seed`.

    Args:
        frame: the rows; not altered.
        target: column with the classes.
        validation: share of all rows.
        test: share of all rows.
        seed: the same seed gives the same parts.
        same_subject: columns that name a subject; those that the frame lacks are skipped, and a missing name (NaN
            or "") relates no rows.
        same_content: columns that together make up a row's content; empty to leave repeated rows alone.
        facts: where the rows came from; the split carries it along.

    Returns:
        Copies of the rows with their index, in the shuffled order in which scikit-learn drew them.

    Raises:
        DataError: a class has too few rows to stand in every part.
    """
    group = _related(frame, [name for name in same_subject if name in frame], list(same_content))
    classes = _majority(group, frame[target].to_numpy())
    parts = _draw(facts.file if facts else "split", classes, target, validation, test, seed)
    return replace(parts.map(lambda drawn: _rows_of(frame, group, drawn)), facts=facts)


def stratified_fold(
    frame: pd.DataFrame,
    *,
    target: str,
    folds: int,
    fold: int,
    validation: float,
    seed: int,
    same_subject: Sequence[str] = (),
    same_content: Sequence[str] = (),
    facts: Facts | None = None,
) -> Split[pd.DataFrame]:
    """Split rows so that one of several test parts, which together hold every row once, is the test part.

    Related rows are drawn as one, with the class that most of them have, as in `stratified_split`. The folds are those
    of scikit-learn's `StratifiedKFold` with `random_state=seed`; they depend on nothing else. The validation part is
    then drawn from the other folds.

    Args:
        frame: the rows; not altered.
        target: column with the classes.
        folds: how many test parts there are, 2 or more.
        fold: which of them is taken, counted from 0.
        validation: share of all rows.
        seed: the same seed gives the same parts.
        same_subject: as in `stratified_split`.
        same_content: as in `stratified_split`.
        facts: where the rows came from; the split carries it along.

    Returns:
        Copies of the rows with their index.

    Raises:
        DataError: a class has too few rows to stand in every part.
        ValueError: there is no such fold.
    """
    from sklearn.model_selection import StratifiedKFold

    if not 0 <= fold < folds or folds < 2:
        raise ValueError(f"folds must be 2 or more, and fold one of them. Received: folds={folds}, fold={fold}")
    group = _related(frame, [name for name in same_subject if name in frame], list(same_content))
    classes = _majority(group, frame[target].to_numpy())

    def cut_test() -> tuple[Integers, Integers]:
        drawn = StratifiedKFold(folds, shuffle=True, random_state=seed).split(classes, classes)
        rest, test_part = list(drawn)[fold]
        return rest, test_part

    where = facts.file if facts else "split"
    parts = _draw(where, classes, target, validation, 1 / folds, seed, cut_test)
    return replace(parts.map(lambda chosen: _rows_of(frame, group, chosen)), facts=facts)


def random_split(
    frame: pd.DataFrame,
    *,
    validation: float,
    test: float,
    seed: int,
    calibration: float = 0.0,
    same_subject: Sequence[str] = (),
    same_content: Sequence[str] = (),
    facts: Facts | None = None,
) -> Split[pd.DataFrame]:
    """Split rows at random so that no two related rows are parted; related as in `stratified_split`.

    Where no rows are related, this is scikit-learn's `train_test_split` applied again and again: first
    `round(test * rows)` rows for the test part, then validation and calibration from what is left, all with
    `random_state=seed`.

    Args:
        frame: the rows; not altered.
        validation: share of all rows.
        test: share of all rows.
        seed: the same seed gives the same parts.
        calibration: share of all rows that only sets the width of intervals; 0 for no such part.
        same_subject: columns that name a subject; those that the frame lacks are skipped, and a missing name (NaN
            or "") relates no rows.
        same_content: columns that together make up a row's content; empty to leave repeated rows alone.
        facts: where the rows came from; the split carries it along.

    Returns:
        Copies of the rows with their index, in the shuffled order in which they were drawn.

    Raises:
        DataError: there are too few different rows for every part to have at least two.
    """
    from sklearn.model_selection import train_test_split

    group = _related(frame, [name for name in same_subject if name in frame], list(same_content))
    count = int(group.max()) + 1 if len(group) else 0
    shares = {"test": test, "validation": validation, **({"calibration": calibration} if calibration else {})}
    smallest = min(*shares.values(), 1 - sum(shares.values()))
    needed = math.ceil(2 / smallest - 1e-9)
    if count < needed:
        raise DataError(
            f"{facts.file if facts else 'split'}: has {count} different rows, at least {needed} are needed for two in "
            "every part; add rows or enlarge the parts."
        )
    rest: Integers = np.arange(count)
    parts: dict[str, pd.DataFrame] = {}
    for name, share in shares.items():
        rest, drawn = train_test_split(rest, test_size=round(share * count), random_state=seed)
        parts[name] = _rows_of(frame, group, drawn)
    return Split(
        _rows_of(frame, group, rest), parts["validation"], parts["test"], facts, calibration=parts.get("calibration")
    )


def _rows_of(frame: pd.DataFrame, group: Integers, drawn: Integers) -> pd.DataFrame:
    """Return the rows of the drawn groups; related rows stay together and in the order of the frame."""
    place = np.full(int(group.max()) + 1, -1)
    place[drawn] = np.arange(len(drawn))
    order = np.argsort(place[group], kind="stable")
    return frame.iloc[order[place[group][order] >= 0]]


def _related(frame: pd.DataFrame, subjects: list[str], content: list[str]) -> Integers:
    """Return (rows,) the number of each row's group, numbered in the order in which the groups first appear."""
    from scipy.sparse import coo_matrix  # Slow to import, and commands that divide nothing know `Split` too.
    from scipy.sparse.csgraph import connected_components

    count = len(frame)
    row = np.arange(count)
    starts, ends = [row], [row]
    keys = [(frame[name].mask(frame[name] == ""), True) for name in subjects]
    if content:
        keys.append((frame.groupby(content, dropna=False, sort=False).ngroup(), False))
    for key, skip_missing in keys:
        codes, _ = pd.factorize(key, use_na_sentinel=skip_missing)
        named = row[codes >= 0]
        # Relating every row to the first of its kind joins them all.
        first = pd.Series(named).groupby(codes[named]).transform("first").to_numpy()
        starts.append(named)
        ends.append(first)
    start, end = np.concatenate(starts), np.concatenate(ends)
    links = coo_matrix((np.ones(len(start), dtype=bool), (start, end)), shape=(count, count))
    _, labels = connected_components(links, directed=False)
    numbered: Integers = pd.factorize(labels)[0].astype(np.int64)
    return numbered


def _majority(group: Integers, classes: np.ndarray[Any, Any]) -> Integers:
    """Return (groups,) the class that most rows of each group have; of equals, the smallest."""
    values, codes = np.unique(classes, return_inverse=True)
    votes = np.zeros((group.max() + 1, len(values)), dtype=np.int64)
    np.add.at(votes, (group, codes), 1)
    majority: Integers = values[votes.argmax(axis=1)]
    return majority


def _draw(
    where: str,
    classes: Integers,
    target: str,
    validation: float,
    test: float,
    seed: int,
    cut_test: Callable[[], tuple[Integers, Integers]] | None = None,
) -> Split[Integers]:
    """Return the places of three stratified parts; `cut_test` gives the rest and the test part, if not by chance."""
    from sklearn.model_selection import train_test_split

    count = len(classes)
    smallest_share = min(validation, test, 1 - validation - test)
    needed = math.ceil(1 / smallest_share - 1e-9)
    values, counts = np.unique(classes, return_counts=True)
    advice = f"at least {needed} of each class are needed to have one in every part; add rows or enlarge the parts."
    for value, found in zip(values, counts, strict=True):
        if found < needed:
            raise DataError(f"{where}: column '{target}' has {found} different rows with {value}; {advice}")

    def cut(places: Integers, share: float) -> tuple[Integers, Integers]:
        rest, part = train_test_split(
            places, test_size=round(share * count), random_state=seed, stratify=classes[places]
        )
        return rest, part

    try:
        rest, test_part = cut_test() if cut_test else cut(np.arange(count), test)
        train_part, validation_part = cut(rest, validation)
    except ValueError:
        raise DataError(f"{where}: column '{target}' has {count} different rows, too few to divide; {advice}") from None
    split: Split[Integers] = Split(train_part, validation_part, test_part)
    for name, part in split.items():
        if len(np.unique(classes[part])) < len(values):
            raise DataError(f"{where}: column '{target}' would lack a class in the {name} part; {advice}")
    return split
