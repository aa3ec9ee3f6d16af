"""What a run knows of users and items: found by id or title, laid out as features, kept in a file of the run."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from practicals.common.data.csvtext import count, listed, parse_records, quote, read_text
from practicals.common.data.rating_tables import Film, Numbers
from practicals.common.data.tables import header_places
from practicals.common.errors import DataError
from practicals.common.files import write_text

Floats = np.ndarray[Any, np.dtype[np.float32]]

_ITEM_COLUMNS = ("item", "title", "year", "genres")
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_ENDING = re.compile(r"\s*(\([^()]*\)|\[[^\[\]]*\])\s*$")
_ARTICLE = re.compile(r"^(.*), (the|a|an|les?|la|il|el|der|die|das)$")


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


def catalogue_of(
    users: tuple[str, ...],
    items: tuple[str, ...],
    films: Sequence[Film],
    traits: Mapping[str, tuple[str, ...]],
    scale: tuple[float, ...],
) -> Catalogue:
    """Return the catalogue of users and items.

    Args:
        users: ids, by user number.
        items: ids, by item number.
        films: of the items.
        traits: user -> what is known of the user.
        scale: the values a rating may have.
    """
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
    return catalogue_of((), tuple(record[0] for record in records), films, {}, tuple(map(float, scale)))
