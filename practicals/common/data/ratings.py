"""Ratings of items by users: read from a file, divided, and laid out as dense rows, a batch at a time."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.console import say, warn
from practicals.common.data.csvtext import count, listed, parse_records, quote, read_text
from practicals.common.data.facts import Facts, tell_and_note
from practicals.common.data.fetch import Source
from practicals.common.data.part import Part, chosen
from practicals.common.data.rating_files import Film, Integers, Numbers, RatedPairs, film_of, read_rated, scale_text
from practicals.common.data.rating_samples import rated_films
from practicals.common.data.split import Split
from practicals.common.data.tables import check_counts, header_places
from practicals.common.errors import ConfigError, DataError
from practicals.common.files import write_text

OFFICIAL = ("u1", "u2", "u3", "u4", "u5")
"""The folds of MovieLens 100K: each rating is in the test part of exactly one."""
HOWS = (*OFFICIAL, "random", "last")

Floats = np.ndarray[Any, np.dtype[np.float32]]

_ITEM_COLUMNS = ("item", "title", "year", "genres")
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_ENDING = re.compile(r"\s*(\([^()]*\)|\[[^\[\]]*\])\s*$")
_ARTICLE = re.compile(r"^(.*), (the|a|an|les?|la|il|el|der|die|das)$")

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


@dataclass(frozen=True, eq=False, repr=False)
class Catalogue:
    """What is known of users and items; the same object for all parts."""

    users: tuple[str, ...]
    """Ids as text, by user number."""
    items: tuple[str, ...]
    """Ids as text, by item number."""
    titles: tuple[str, ...]
    """By item number; the id where unknown. Two items of one title have their ids behind it, so that all differ."""
    genres: tuple[tuple[str, ...], ...]
    """By item number; () where unknown."""
    years: Numbers
    """(items,) NaN where unknown."""
    user_features: Floats
    """(users, k) 0 or 1: gender, age group, occupation; (users, 0) where nothing is known."""
    user_feature_names: tuple[str, ...]
    item_features: Floats
    """(items, k) 0 or 1: genres, then decades; (items, 0) where nothing is known."""
    item_feature_names: tuple[str, ...]
    scale: tuple[float, ...]
    """The values a rating may have, rising; for a user's own file those that occur. () where unknown."""

    def __repr__(self) -> str:
        return f"<{count(len(self.users), 'user')} and {count(len(self.items), 'item')}>"

    def user_number(self, name: str) -> int:
        """Return the number of the user with this id.

        Raises:
            DataError: there is none; the nearest ids are named.
        """
        number = self._user_numbers.get(name.strip())
        if number is not None:
            return number
        near = difflib.get_close_matches(name.strip(), self.users, n=3, cutoff=0.6)
        hint = f"The nearest are {listed(near)}." if near else f"Ids are such as {listed(self.users[:3])}."
        raise DataError(f"{quote(name)}: no such user among {len(self.users):,}. {hint}")

    def item_number(self, name: str) -> int:
        """Return the number of the item with this id or title.

        Letter case does not matter, what stands in brackets at the end may be left out where only one item is called
        so, and "The Matrix" finds "Matrix, The (1999)".

        Raises:
            DataError: there is none, or several; the nearest titles are named.
        """
        wanted = name.strip()
        if wanted in self._item_numbers:
            return self._item_numbers[wanted]
        exact, loose = self._titles
        found = exact.get(_folded(wanted), [])
        if not found and _bare(wanted) == _folded(wanted):
            found = loose.get(_bare(wanted), [])
        if len(found) == 1:
            return found[0]
        if found:
            titles = [self.titles[one] for one in found]
            raise DataError(f"{quote(name)}: {len(found)} items are called so: {listed(titles)}. Give the whole title.")
        near = difflib.get_close_matches(_bare(wanted), loose, n=3, cutoff=0.6)
        titles = [self.titles[one] for key in near for one in loose[key]][:3]
        hint = f"The nearest are {listed(titles)}." if titles else f"Titles are such as {listed(self.titles[:3])}."
        raise DataError(f"{quote(name)}: no such item among {len(self.items):,}. {hint}")

    @cached_property
    def _user_numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.users)}

    @cached_property
    def _item_numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.items)}

    @cached_property
    def _titles(self) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """Return the items by their title in small letters, and by that without what stands in brackets behind it."""
        exact: dict[str, list[int]] = {}
        loose: dict[str, list[int]] = {}
        for number, title in enumerate(self.titles):
            exact.setdefault(_folded(title), []).append(number)
            loose.setdefault(_bare(title), []).append(number)
        return exact, loose


def _folded(title: str) -> str:
    """Return a title in small letters, "matrix, the (1999)" as "the matrix (1999)"."""
    text, endings = " ".join(title.casefold().split()), ""
    while ending := _ENDING.search(text):
        text, endings = text[: ending.start()], f" {ending[1]}{endings}"
    if article := _ARTICLE.match(text):
        text = f"{article[2]} {article[1]}"
    return text + endings


def _bare(title: str) -> str:
    """Return a title as `_folded` does, without what stands in brackets behind it."""
    text = _folded(title)
    while (ending := _ENDING.search(text)) and ending.start():
        text = text[: ending.start()]
    return text


class Ratings(Part):
    """Ratings of one part, or to predict for.

    `ratings[mask]`, `ratings[5:9]`, `ratings[[3, 1]]` and `ratings[3]` give the chosen ones. `ratings.rows(users)` and
    `ratings.columns(items)` lay a batch out as a dense table; the whole table is never made.
    """

    THINGS = "ratings"

    def __init__(
        self,
        users: Integers,
        items: Integers,
        values: Any,
        *,
        catalogue: Catalogue,
        times: Any = None,
        index: pd.Index | None = None,
        folds: Integers | None = None,
        given: Ratings | None = None,
        known: Ratings | None = None,
    ) -> None:
        """Hold ratings.

        Args:
            users: (n,) user numbers.
            items: (n,) item numbers.
            values: (n,) ratings.
            catalogue: what the numbers mean.
            times: (n,) seconds since 1970, NaN where unknown; all unknown when left out.
            index: (n,) ids; 0, 1, 2, ... when left out.
            folds: (n,) 1 to 5, the official fold whose test part holds the rating, 0 for none; None without folds.
            given: all that may be looked at to predict these ratings. Those of the training part are predicted from the
                training part too, each with itself left out.
            known: all ratings that are no news, so that their items are not recommended again; None recommends nothing.

        Raises:
            ValueError: the lengths differ.
        """
        self.users: Integers = np.asarray(users, dtype=np.int64)
        self.items: Integers = np.asarray(items, dtype=np.int64)
        self.values: Floats = np.asarray(values, dtype=np.float32)
        number = len(self.values)
        self.times: Numbers = np.full(number, np.nan) if times is None else np.asarray(times, dtype=np.float64)
        self.folds: Integers | None = None if folds is None else np.asarray(folds, dtype=np.int64)
        self.catalogue = catalogue
        self.given, self.known = given, known
        columns = (self.users, self.items, self.times, *(() if self.folds is None else (self.folds,)))
        if any(len(one) != number for one in columns):
            raise ValueError("users, items, values, times and folds must be equally many")
        self.index = pd.RangeIndex(number) if index is None else index

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<{count(len(self), 'rating')} of {repr(self.catalogue)[1:]}"

    def __getitem__(self, some: Any) -> Ratings:
        """Return the ratings that a mask, a slice or whole numbers choose, with their ids."""
        places = chosen(some)
        return Ratings(
            self.users[places],
            self.items[places],
            self.values[places],
            catalogue=self.catalogue,
            times=self.times[places],
            index=self.index[places],
            folds=None if self.folds is None else self.folds[places],
            given=self.given,
            known=self.known,
        )

    def rows(self, users: Any) -> Floats:
        """Return (len(users), items) float32: what these users, given by number, rated; NaN for the rest."""
        return self._dense(self._by_user, self.items, users, len(self.catalogue.items))

    def columns(self, items: Any) -> Floats:
        """Return (len(items), users) float32: how these items, given by number, were rated; NaN for the rest."""
        return self._dense(self._by_item, self.users, items, len(self.catalogue.users))

    def _dense(self, places: tuple[Integers, Integers], across: Integers, wanted: Any, width: int) -> Floats:
        order, starts = places
        wanted = np.asarray(wanted, dtype=np.int64)
        numbers = starts[wanted + 1] - starts[wanted]
        row = np.repeat(np.arange(len(wanted)), numbers)
        # 0, 1, 2, ... within each row, counted on from where the row's ratings start.
        within = np.arange(len(row)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
        at = order[np.repeat(starts[wanted], numbers) + within]
        dense = np.full((len(wanted), width), np.nan, dtype=np.float32)
        dense[row, across[at]] = self.values[at]
        return dense

    @cached_property
    def _by_user(self) -> tuple[Integers, Integers]:
        return _grouped(self.users, len(self.catalogue.users))

    @cached_property
    def _by_item(self) -> tuple[Integers, Integers]:
        return _grouped(self.items, len(self.catalogue.items))


def _grouped(codes: Integers, number: int) -> tuple[Integers, Integers]:
    """Return the places of all ratings, those of one code together, and (number + 1,) where each code's begin."""
    order = np.argsort(codes, kind="stable")
    return order, np.searchsorted(codes[order], np.arange(number + 1))


# Reading


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
    catalogue = _catalogue(user_names, item_names, films, found.traits, found.scale or tuple(map(float, different)))
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
    is_numeric = all(map(_NUMBER.fullmatch, distinct))
    by_number = tuple(sorted(distinct, key=lambda name: (int(name), name)) if is_numeric else sorted(distinct))
    number = {name: place for place, name in enumerate(by_number)}
    return np.fromiter(map(number.__getitem__, names), dtype=np.int64, count=len(names)), by_number


def _catalogue(
    users: tuple[str, ...],
    items: tuple[str, ...],
    films: Sequence[Film],
    traits: Mapping[str, tuple[str, ...]],
    scale: tuple[float, ...],
) -> Catalogue:
    often = Counter(film.title for film in films)
    titles = tuple(
        film.title if often[film.title] == 1 else f"{film.title} [{item}]"
        for item, film in zip(items, films, strict=True)
    )
    genres = tuple(film.genres for film in films)
    decades = [() if math.isnan(film.year) else (f"{film.year // 10 * 10:.0f}s",) for film in films]
    genre_marks, genre_names = _marks(genres)
    decade_marks, decade_names = _marks(decades)
    user_marks, user_names = _marks([traits.get(user, ()) for user in users])
    return Catalogue(
        users,
        items,
        titles,
        genres,
        np.array([film.year for film in films], dtype=np.float64),
        user_marks,
        user_names,
        np.concatenate([genre_marks, decade_marks], axis=1),
        (*genre_names, *decade_names),
        scale,
    )


def _marks(words: Sequence[tuple[str, ...]]) -> tuple[Floats, tuple[str, ...]]:
    """Return (n, different words) 1 where a row has the word, and the words, sorted."""
    names = tuple(sorted({word for some in words for word in some}))
    place = {word: at for at, word in enumerate(names)}
    marks = np.zeros((len(words), len(names)), dtype=np.float32)
    for row, some in enumerate(words):
        marks[row, [place[word] for word in some]] = 1
    return marks, names


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


# Splitting


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


# Items, and ratings of new users


def write_items(path: Path, catalogue: Catalogue) -> None:
    """Write items.csv: item, title, year (empty where unknown), genres such as "Action|Crime"; by item number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_ITEM_COLUMNS)
    for item, title, year, genres in zip(
        catalogue.items, catalogue.titles, catalogue.years, catalogue.genres, strict=True
    ):
        writer.writerow([item, title, "" if math.isnan(year) else f"{year:.0f}", "|".join(genres)])
    write_text(path, text.getvalue())


def read_items(path: Path, scale: Sequence[float] = ()) -> Catalogue:
    """Read the items that a run has written: a catalogue without users, with the items' numbers and features.

    Args:
        path: items.csv of the run folder.
        scale: the values a rating may have.

    Raises:
        DataError: it is missing or was changed.
    """
    if not path.is_file():
        raise DataError(f"{path}: is missing, so the titles are not known. Run the lesson again.")
    header, records, index = parse_records(path, read_text(path, []), ",", [])
    if tuple(header_places(path, header)) != _ITEM_COLUMNS:
        raise DataError(
            f"{path}: expected the columns {', '.join(_ITEM_COLUMNS)}, found {', '.join(header)}. Run the lesson again."
        )
    films = []
    for row, (_, title, year, genres) in zip(index, records, strict=True):
        if year and not _NUMBER.fullmatch(year):
            raise DataError(
                f"{path}: column 'year', row {row + 2}: expected a year, found {quote(year)}. Run the lesson again."
            )
        films.append(Film(title, float(year or "nan"), tuple(genres.split("|")) if genres else ()))
    return _catalogue((), tuple(record[0] for record in records), films, {}, tuple(map(float, scale)))


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
    numbers, first_miss = _known_items(found, catalogue)
    known = numbers >= 0
    if not known.any():
        raise DataError(f"{found.where}: none of its items is known to this run; {first_miss}")
    if not known.all():
        unknown = count(int((~known).sum()), "rating")
        losses.append(f"{unknown} left out, since the item is not known to this run; {first_miss}")
    # One item may stand there by id and by title, so that repeats show only now.
    meant = [catalogue.items[number] for number in numbers[known]]
    users = [user for user, is_known in zip(found.users, known, strict=True) if is_known]
    found = replace(
        found, users=users, items=meant, values=found.values[known], times=found.times[known], rows=found.rows[known]
    )
    kept = _one_of_each_pair(found, losses)
    for tell, sentences in ((say, notes), (warn, losses)):
        for sentence in sentences:
            tell(f"{path}: {sentence}")
    codes, user_names = _numbered([found.users[place] for place in kept])
    no_traits = np.zeros((len(user_names), len(catalogue.user_feature_names)), dtype=np.float32)
    return Ratings(
        codes,
        numbers[known][kept],
        found.values[kept],
        catalogue=replace(catalogue, users=user_names, user_features=no_traits),
        times=found.times[kept],
        index=pd.Index(found.rows[kept]),
    )


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
