"""Divide ratings into parts: by the official folds of MovieLens, at random, or each user's last ones."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.console import say
from practicals.common.data.csvtext import count
from practicals.common.data.facts import Facts
from practicals.common.data.rating_part import Ratings
from practicals.common.data.split import Split
from practicals.common.errors import ConfigError, DataError

OFFICIAL = ("u1", "u2", "u3", "u4", "u5")
"""The folds of MovieLens 100K: each rating is in the test part of exactly one."""
HOWS = (*OFFICIAL, "random", "last")


def ratings_split(
    ratings: Ratings, facts: Facts, *, how: str, validation: float, test: float, seed: int
) -> Split[Ratings]:
    """Divide ratings into parts; a pair of user and item is in one part only.

    Args:
        ratings: from `read_ratings`.
        facts: from `read_ratings`; what the parts hold is added for the split.
        how: `u1` to `u5`: the test part is that of an official fold, a fifth of all; where the file brings no folds,
            five are drawn at random and the user is told. `random`: the test part is drawn at random. `last`: it is
            the last ratings of each user by time (of equal times the later row), at least one of every user with two
            or more, and the validation part is the last of what is left; so nobody is judged by his own past.
        validation: share of all ratings, taken out of what the test part leaves; at random except for `last`.
        test: share of all ratings, for `last` of each user's; not used for `u1` to `u5`.
        seed: the same seed gives the same parts. The official test parts and `last` do not depend on it.

    Returns:
        The parts, each in the order of the file. A user or an item that the training part does not hold stays in the
        test part, and is counted.

    Raises:
        ConfigError: there is no such way to divide, it needs times which the file lacks, or nothing is left to learn.
        DataError: there are too few ratings for every part to have one.
    """
    share = _test_share(how, validation, test)
    needed = math.ceil(1 / min(validation, share, 1 - validation - share) - 1e-9)
    if len(ratings) < needed:
        raise DataError(
            f"{facts.file}: has {count(len(ratings), 'rating')}, at least {needed} are needed for one in every part. "
            "Add ratings, or enlarge the parts."
        )
    notes: list[str] = []
    if how == "last":
        in_test, in_validation = _last(ratings, facts.file, validation, share, notes)
    else:
        in_test = _fold(ratings, how, seed, notes) if how in OFFICIAL else _drawn(len(ratings), share, (seed, 0))
        rest = np.flatnonzero(~in_test)
        in_validation = np.zeros(len(ratings), dtype=bool)
        in_validation[rest[_drawn(len(rest), validation * len(ratings) / len(rest), (seed, 1))]] = True
    split = Split(ratings[~in_test & ~in_validation], ratings[in_validation], ratings[in_test])
    for _, part in split.items():
        part.given = split.train
    split.validation.known, split.test.known = split.train, ratings[~in_test]
    for name, part in split.items():
        if not len(part):
            raise DataError(
                f"{facts.file}: no rating would be in the {name} part (split.fold={how}). Add ratings, or choose "
                "another split.fold."
            )
    if len(np.unique(split.train.values)) < 2:
        raise DataError(
            f"{facts.file}: all ratings of the training part would be {split.train.values[0]:g}; two different values "
            "were expected. Add ratings, or choose another split.seed."
        )
    notes += _strangers(split)
    for note in notes:
        say(f"{facts.file}: {note}")
    return replace(split, facts=replace(facts, notes=(*facts.notes, *notes)))


def _test_share(how: str, validation: float, test: float) -> float:
    if how not in HOWS:
        raise ConfigError(f"split.fold={how}: expected one of {', '.join(HOWS)}.")
    share = 0.2 if how in OFFICIAL else test
    for name, value in (("validation", validation), ("test", share)):
        if not 0 < value < 1:
            raise ConfigError(f"split.{name}={value:g}: expected a share above 0 and below 1.")
    if validation + share >= 1:
        raise ConfigError(
            f"split.validation={validation:g}: beside a test part of {share:.0%} nothing is left to learn from."
        )
    return share


def _drawn(number: int, share: float, seed: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    chosen = np.zeros(number, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(number)[: max(1, round(share * number))]] = True
    return chosen


def _fold(ratings: Ratings, how: str, seed: int, notes: list[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    folds, number = ratings.folds, OFFICIAL.index(how) + 1
    if folds is None:
        folds = np.random.default_rng((seed, 0)).permutation(len(ratings)) % len(OFFICIAL) + 1
        notes.append(
            f"The file brings no official folds: {how} is one of five drawn at random with this seed. "
            "--set split.fold=random or last divides in another way."
        )
    return folds == number


def _last(
    ratings: Ratings, where: str, validation: float, test: float, notes: list[str]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return (n,) bool for test and validation part."""
    unknown = np.isnan(ratings.times)
    if unknown.all():
        raise ConfigError(
            f"split.fold=last: {where} has no times, by which a last rating could be told. Choose random."
        )
    if unknown.any():
        notes.append(f"Ratings without a time: {int(unknown.sum()):,}; taken as the earliest of their user.")
    frame = pd.DataFrame({"user": ratings.users, "time": ratings.times})
    order = frame.sort_values(["user", "time"], kind="stable", na_position="first").index
    by_user = frame.loc[order].groupby("user", sort=False)
    from_end = by_user.cumcount(ascending=False).reindex(frame.index).to_numpy()
    number = by_user["user"].transform("size").reindex(frame.index).to_numpy()
    for_test = np.minimum(np.maximum(1, np.rint(test * number)), number - 1)
    for_validation = np.minimum(np.rint(validation * number), np.maximum(0, number - for_test - 1))
    in_test = from_end < for_test
    return in_test, ~in_test & (from_end < for_test + for_validation)


def _strangers(split: Split[Ratings]) -> list[str]:
    """Return a sentence for each part to judge by that has users or items of which the training part has no rating."""
    notes = []
    for name, part in (("validation", split.validation), ("test", split.test)):
        user_unknown = ~np.isin(part.users, split.train.users)
        item_unknown = ~np.isin(part.items, split.train.items)
        if (user_unknown | item_unknown).any():
            users, items = len({*part.users[user_unknown]}), len({*part.items[item_unknown]})
            notes.append(
                f"The {name} part has {count(items, 'item')} and {count(users, 'user')} without a rating in the "
                f"training part; {count(int((user_unknown | item_unknown).sum()), 'rating')} of them stay in it."
            )
    return notes
