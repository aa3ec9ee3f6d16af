"""What is asked of a recommender: whose ratings it goes by, which items it lists, or which one pair it explains."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from practicals.common.console import warn
from practicals.common.data.csvtext import count, quote
from practicals.common.data.rating_tables import Integers, scale_text
from practicals.common.data.ratings import Catalogue, Ratings
from practicals.common.data.split import Split
from practicals.common.errors import DataError
from practicals.common.rating_scores import MOST_USERS, Answer, top_items

YOU = "you"
"""Whoever types ratings in."""


def ratings_of_user(split: Split[Ratings], name: str) -> Ratings:
    """Return all ratings of one user, from every part, in the order of the file.

    Args:
        split: the parts.
        name: the user's id.

    Raises:
        DataError: there is no such user; the nearest ids are named.
    """
    catalogue = split.train.catalogue
    try:
        number = catalogue.user_number(name)
    except DataError as error:
        raise DataError(f"--user {error}") from None
    parts = [part[part.users == number] for _, part in split.items()]
    users, items, values, times, index = (
        np.concatenate([getattr(part, column) for part in parts])
        for column in ("users", "items", "values", "times", "index")
    )
    order = np.argsort(index, kind="stable")
    return Ratings(
        users[order], items[order], values[order], catalogue=catalogue, times=times[order], index=index[order].tolist()
    )


def ratings_typed(likes: Sequence[str], catalogue: Catalogue) -> Ratings:
    """Return the ratings of a new user, as they were typed.

    Args:
        likes: each "TITLE=RATING"; the last "=" separates. In place of a title an id may stand.
        catalogue: of the run; its items keep their numbers.

    Returns:
        Ratings of one user, `YOU`, of whom nothing else is known. Of an item that was typed twice the last rating is
        kept, and the user is told.

    Raises:
        DataError: a title is unknown or meant several items, or a rating is none of the scale.
    """
    typed = [_typed(like, catalogue) for like in likes]
    last = dict(typed)
    for item, times in Counter(item for item, _ in typed).items():
        if times > 1:
            title = quote(catalogue.titles[item])
            warn(f"--like: {title} was given {times} times; the last rating, {last[item]:g}, is kept.")
    no_traits = np.zeros((1, len(catalogue.user_feature_names)), dtype=np.float32)
    return Ratings(
        np.zeros(len(last), dtype=np.int64),
        np.fromiter(last, dtype=np.int64),
        list(last.values()),
        catalogue=replace(catalogue, users=(YOU,), user_features=no_traits),
    )


def _typed(like: str, catalogue: Catalogue) -> tuple[int, float]:
    """Return item number and rating of one "TITLE=RATING"."""
    title, separator, text = (part.strip() for part in like.rpartition("="))
    if not (title and separator and text):
        raise DataError(f'--like {quote(like)}: expected "TITLE=RATING", such as "{_example(catalogue)}".')
    try:
        item = catalogue.item_number(title)
    except DataError as error:
        raise DataError(f"--like {error}") from None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"--like {quote(like)}: expected a number behind the last =, found {quote(text)}; give it as in "
            f'"{_example(catalogue)}".'
        )
    return item, _on_scale(value, catalogue.scale, like)


def _example(catalogue: Catalogue) -> str:
    return f"{catalogue.titles[0]}={catalogue.scale[-1] if catalogue.scale else 5:g}"


def _on_scale(value: float, scale: Sequence[float], like: str) -> float:
    """Return the rating, if the scale has it.

    A scale with equal steps has only its own values. Of another, which was taken from the ratings of a file, only the
    ends are sure: that nobody gave a 3 does not mean that it cannot be given.

    Raises:
        DataError: the scale does not have it.
    """
    if not scale:
        return value
    steps = np.diff(scale)
    nearest = min(scale, key=lambda one: abs(one - value))
    if not np.allclose(steps, steps[:1]):
        if scale[0] <= value <= scale[-1]:
            return value
        allowed = f"from {scale[0]:g} to {scale[-1]:g}"
    elif math.isclose(value, nearest, abs_tol=1e-6):
        return nearest
    else:
        allowed = f"of {scale_text(scale)}"
    raise DataError(f"--like {quote(like)}: expected a rating {allowed}; found {value:g}. The nearest is {nearest:g}.")


def lists_for(answer: Answer, given: Ratings, users: Sequence[int] | Integers, top: int) -> Ratings:
    """Recommend: return each user's best items, none of which the user has rated.

    Args:
        answer: dense ratings (users, items) to "ranking" (users, items); see `rating_scores.Answer`.
        given: what the users have rated.
        users: by number in the catalogue of `given`.
        top: so many items for each; fewer where fewer are left.

    Returns:
        A pair for each item of a list, user after user, the best first. Their values are NaN: nobody has rated them.
    """
    wanted = np.asarray(users, dtype=np.int64)
    top = min(top, len(given.catalogue.items))
    lists = np.empty((len(wanted), top), dtype=np.int64)
    for start in range(0, len(wanted), MOST_USERS):
        some = wanted[start : start + MOST_USERS]
        rows = given.rows(some)
        ranking = answer(rows, some)["ranking"]
        lists[start : start + MOST_USERS] = top_items(np.where(np.isnan(rows), ranking, -np.inf), top)
    listed = lists >= 0
    done = int((~listed.any(axis=1)).sum())
    if 0 < done < len(wanted):
        warn(f"{count(done, 'user')} rated everything that there is; nothing is left to recommend.")
    return Ratings(
        wanted[np.nonzero(listed)[0]],
        lists[listed],
        np.full(int(listed.sum()), np.nan),
        catalogue=given.catalogue,
        given=given,
        known=given,
    )


def one_pair(given: Ratings, user: int, item: int) -> Ratings:
    """Return the pair of a user and an item, by number, with the rating that `given` has of it, else NaN."""
    value = given.values[(given.users == user) & (given.items == item)]
    return Ratings(
        np.array([user]),
        np.array([item]),
        value if len(value) else [np.nan],
        catalogue=given.catalogue,
        given=given,
        known=given,
    )
