"""Ratings of items by users, read from a file: to learn from, or of new users to predict for."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from practicals.common.console import say, warn
from practicals.common.data.csvtext import count, quote
from practicals.common.data.facts import Facts, tell_and_note
from practicals.common.data.fetch import Source
from practicals.common.data.memory import within_memory
from practicals.common.data.rating_catalogue import Catalogue, catalogue_of, read_items, write_items
from practicals.common.data.rating_files import read_rated
from practicals.common.data.rating_part import Ratings
from practicals.common.data.rating_samples import rated_films
from practicals.common.data.rating_split import HOWS, OFFICIAL, ratings_split
from practicals.common.data.rating_tables import Film, Integers, RatedPairs, film_of, scale_text
from practicals.common.data.tables import check_counts
from practicals.common.errors import DataError

__all__ = [
    "HOWS",
    "OFFICIAL",
    "Catalogue",
    "Ratings",
    "ratings_split",
    "ratings_to_predict",
    "read_items",
    "read_ratings",
    "write_items",
]


@within_memory
def read_ratings(
    source: Source, *, user: str = "", item: str = "", rating: str = "", time: str = ""
) -> tuple[Ratings, Facts]:
    """Read and check the ratings of a source, and tell the user what was noted.

    Args:
        source: from `locate`.
        user: the column of users in a table of the user's own; "" to find it by its name. Likewise:
        item: the column of items.
        rating: the column of ratings.
        time: the column of times, which a table may lack.

    Returns:
        All ratings, one for each pair of user and item, in the order of the file, and the facts for the run folder.

    Raises:
        DataError: the file cannot be read without guessing, all its ratings are equal or of one user or one item, or
            it is not what its card promises.
    """
    card = source.card
    notes: list[str] = []
    losses: list[str] = []
    if source.path is None:
        pairs = rated_films().pairs
        rows = zip(pairs.users, pairs.items, pairs.values, pairs.times, strict=True)
        text = "\n".join(f"{user},{item},{value:g},{when:.0f}" for user, item, value, when in rows)
        digest = hashlib.sha256(text.encode()).hexdigest()
        found = replace(pairs, where=Path(f"{card.name} sample"), sha256=digest)
    else:
        # The settings name columns of a user's file; those of the real one are known.
        named = {"user": user, "item": item, "rating": rating, "time": time} if source.kind == "own" else {}
        found = read_rated(source.path, named, notes, losses)
    if source.kind == "real":
        check_counts(pd.DataFrame({"rating": [f"{value:g}" for value in found.values]}), card)
    ratings = _ratings_of(found, notes, losses)
    users, items = len(ratings.catalogue.users), len(ratings.catalogue.items)
    facts = tell_and_note(
        source,
        sha256=found.sha256,
        rows=len(ratings),
        things="ratings",
        holds=f"{count(len(ratings), 'rating')} of {count(items, 'item')} by {count(users, 'user')}",
        notes=notes,
        losses=losses,
    )
    return ratings, facts


def _ratings_of(found: RatedPairs, notes: list[str], losses: list[str]) -> Ratings:
    kept = _one_of_each_pair(found, losses)
    values = found.values[kept]
    if len(different := np.unique(values)) < 2:
        raise DataError(
            f"{found.where}: all {count(len(kept), 'rating')} are {different[0]:g}; at least two different values were "
            "expected, since otherwise there is no taste to learn. Does the setting rating name the right column?"
        )
    users, user_names = _numbered([found.users[place] for place in kept])
    items, item_names = _numbered([found.items[place] for place in kept])
    for role, names in (("user", user_names), ("item", item_names)):
        if len(names) < 2:
            raise DataError(
                f"{found.where}: all ratings are of one {role}, {quote(names[0])}; at least two {role}s were expected. "
                f"Does the setting {role} name the right column?"
            )
    films = [found.films.get(name) or film_of(name) for name in item_names]
    catalogue = catalogue_of(user_names, item_names, films, found.traits, found.scale or tuple(map(float, different)))
    notes += _noteworthy(found, users, films, catalogue)
    return Ratings(
        users,
        items,
        values,
        catalogue=catalogue,
        times=found.times[kept],
        index=pd.Index(found.rows[kept]),
        folds=None if found.folds is None else found.folds[kept],
    )


def _one_of_each_pair(found: RatedPairs, losses: list[str]) -> Integers:
    """Return the places of the ratings that stay: of several for one pair the last by time, else by row."""
    frame = pd.DataFrame({"user": found.users, "item": found.items, "time": found.times})
    again = frame.duplicated(["user", "item"], keep=False).to_numpy()
    if not again.any():
        return np.arange(len(frame))
    last = frame.sort_values("time", kind="stable", na_position="first")
    kept: Integers = np.sort(last.drop_duplicates(["user", "item"], keep="last").index.to_numpy())
    first = int(again.argmax())
    by = "the last one by time" if np.isfinite(found.times[again]).any() else "the last one in the file"
    losses.append(
        f"{count(len(frame) - len(kept), 'rating')} left out, since the same user rated the same item again; {by} is "
        f"kept (user {quote(found.users[first])}, item {quote(found.items[first])} in row {found.rows[first]} and "
        f"others)."
    )
    return kept


def _numbered(names: Sequence[str]) -> tuple[Integers, tuple[str, ...]]:
    """Return (n,) the number of each name, and the names by number, those that are all numbers in their order."""
    # Ids may be huge numbers or words: they are only ever looked up, never used as a place.
    distinct = set(names)
    is_numeric = all(re.fullmatch(r"\d{1,18}", name, re.ASCII) for name in distinct)
    by_number = tuple(sorted(distinct, key=lambda name: (int(name), name)) if is_numeric else sorted(distinct))
    number = {name: place for place, name in enumerate(by_number)}
    return np.fromiter(map(number.__getitem__, names), dtype=np.int64, count=len(names)), by_number


def _noteworthy(found: RatedPairs, users: Integers, films: Sequence[Film], catalogue: Catalogue) -> list[str]:
    notes = []
    if not found.scale:
        notes.append(f"The scale is taken from the ratings: {scale_text(catalogue.scale)}.")
    if single := int((np.bincount(users) == 1).sum()):
        notes.append(f"Users with one rating: {single:,}; their taste cannot be told from how good the item is.")
    if found.films and (unknown := sum(item not in found.films for item in catalogue.items)):
        notes.append(f"Items without a title: {unknown:,}; the id stands for it.")
    if same := sum(number > 1 for number in Counter(film.title for film in films).values()):
        notes.append(f"Titles that several items have: {same:,}; their ids are written behind them.")
    return notes


@within_memory
def ratings_to_predict(
    path: Path, catalogue: Catalogue, *, user: str = "", item: str = "", rating: str = "", time: str = ""
) -> Ratings:
    """Read ratings of new users from a table, and tell the user what was noted.

    Args:
        path: a table as for `read_ratings`, in which items may be named by id or by title. Without a column of users
            all its ratings are of one.
        catalogue: of the run; its items keep their numbers.
        user: the column of users; "" to find it by its name, as where there is none of this name. Likewise:
        item: the column of items.
        rating: the column of ratings.
        time: the column of times.

    Returns:
        The ratings with a catalogue of their own users and the run's items. Items that the run does not know are left
        out, and counted.

    Raises:
        DataError: the file cannot be read without guessing, a rating is beyond the catalogue's scale, or no item in
            it is known.
    """
    notes: list[str] = []
    losses: list[str] = []
    named = {"user": user, "item": item, "rating": rating, "time": time}
    found = read_rated(path, named, notes, losses, need_user=False)
    if catalogue.scale:
        beyond = (found.values < catalogue.scale[0]) | (found.values > catalogue.scale[-1])
        if beyond.any():
            place = int(beyond.argmax())
            raise DataError(
                f"{found.where}: row {found.rows[place]}: rating {found.values[place]:g} is beyond the scale "
                f"{scale_text(catalogue.scale)}. Correct the cell, or leave it empty to leave the rating out."
            )
    found, numbers = _known(found, catalogue, losses)
    # One item may stand there by id and by title, so that repeats show only now.
    kept = _one_of_each_pair(found, losses)
    for tell, sentences in ((say, notes), (warn, losses)):
        for sentence in sentences:
            tell(f"{path}: {sentence}")
    codes, user_names = _numbered([found.users[place] for place in kept])
    no_traits = np.zeros((len(user_names), len(catalogue.user_feature_names)), dtype=np.float32)
    return Ratings(
        codes,
        numbers[kept],
        found.values[kept],
        catalogue=replace(catalogue, users=user_names, user_features=no_traits),
        times=found.times[kept],
        index=pd.Index(found.rows[kept]),
    )


def _known(found: RatedPairs, catalogue: Catalogue, losses: list[str]) -> tuple[RatedPairs, Integers]:
    """Return the ratings of items that the catalogue knows, by their ids, and (n,) the items' numbers."""
    numbers, first_miss = _known_items(found, catalogue)
    known = numbers >= 0
    if not known.any():
        raise DataError(f"{found.where}: none of its items is known to this run; {first_miss}")
    if not known.all():
        unknown = count(int((~known).sum()), "rating")
        losses.append(f"{unknown} left out, since the item is not known to this run; {first_miss}")
    users = [user for user, is_known in zip(found.users, known, strict=True) if is_known]
    items = [catalogue.items[number] for number in numbers[known]]
    columns = {name: getattr(found, name)[known] for name in ("values", "times", "rows")}
    return replace(found, users=users, items=items, **columns), numbers[known]


def _known_items(found: RatedPairs, catalogue: Catalogue) -> tuple[Integers, str]:
    """Return (n,) the item's number, -1 where the catalogue does not know it, and a sentence on the first such row."""
    by_name: dict[str, int] = {}
    first_miss = ""
    for row, name in zip(found.rows, found.items, strict=True):
        if name not in by_name:
            try:
                by_name[name] = catalogue.item_number(name)
            except DataError as error:
                by_name[name] = -1
                first_miss = first_miss or f"row {row}: {error}"
    return np.array([by_name[name] for name in found.items], dtype=np.int64), first_miss
