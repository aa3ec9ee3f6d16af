"""Ratings in a table of user, item, rating and perhaps time, and the checks that every file of ratings must pass."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.data.csvtext import count, find_delimiter, listed, parse_records, quote, table_text
from practicals.common.data.rating_columns import NAMES, NEEDED, SETTINGS, find_places, plain
from practicals.common.data.tables import LARGEST_NUMBER, missing
from practicals.common.data.timestamps import parse_times
from practicals.common.errors import DataError

WANTED = "a file of ratings"
Integers = np.ndarray[Any, np.dtype[np.int64]]
Numbers = np.ndarray[Any, np.dtype[np.float64]]
_NO_GENRE = ("", "unknown", "(no genres listed)")
_YEAR = re.compile(r"\((\d{4})(?!\d)[^()]*\)")


@dataclass(frozen=True)
class Film:
    """What is known of an item."""

    title: str
    year: float = math.nan
    genres: tuple[str, ...] = ()


@dataclass(frozen=True)
class RatedPairs:
    """Ratings as they stand in a file, those with a missing user, item or rating left out."""

    where: Path
    """The file, inside an archive with the archive's path in front."""
    sha256: str
    """Of that file."""
    users: list[str]
    items: list[str]
    values: Numbers
    times: Numbers
    """Seconds since 1970; NaN where unknown."""
    rows: Integers
    """The row of each, counted from 1; in a table the header is row 1."""
    scale: tuple[float, ...] = ()
    """Of a known form; () where the scale is what occurs."""
    films: Mapping[str, Film] = field(default_factory=dict)
    traits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """User -> such as ("gender F", "age 25-34", "occupation writer")."""
    folds: Integers | None = None
    """(n,) 1 to 5: in the test part of which official fold; 0 in none. None where the file has no folds."""


def film_of(title: str, genres: str = "") -> Film:
    """Return what a title such as "Heat (1995)" and genres such as "Action|Crime" say."""
    years = _YEAR.findall(title)
    named = tuple(dict.fromkeys(one.strip() for one in genres.split("|")))
    known = tuple(one for one in named if one.casefold() not in _NO_GENRE)
    return Film(" ".join(title.split()), float(years[-1]) if years else math.nan, known)


def read_ratings_table(
    where: Path,
    raw: bytes,
    names: dict[str, str],
    notes: list[str],
    losses: list[str],
    need_user: bool,
    *,
    scale: tuple[float, ...] = (),
    films: Mapping[str, Film] | None = None,
) -> RatedPairs:
    """Read a table of ratings.

    Args:
        where: the file, for messages.
        raw: its content.
        names: see `read_rated`; likewise `need_user`.
        notes: what was recognised is added.
        losses: what was left out is added.
        need_user: whether it must have a column of users.
        scale: of a known form.
        films: what is known of the items; None to take titles and genres from the table.

    Raises:
        DataError: names the file, the row or column, and what to do.
    """
    text = table_text(raw, where, notes, WANTED)
    usual = [name for some in NAMES.values() for name in some]
    delimiter = find_delimiter(text, [*filter(None, names.values()), *usual], notes, plain=plain)
    header, records, index = parse_records(where, text, delimiter, notes)
    at = find_places(where, header, names, need_user)
    columns = {role: [record[place] for record in records] for role, place in at.items()}
    cells = pd.DataFrame(columns, index=pd.Index(index) + 2, dtype=object)
    if "user" not in cells:
        cells["user"] = "the only user"
    if delimiter == ";" and cells["rating"].str.contains(",").any():
        cells["rating"] = cells["rating"].str.replace(",", ".", regex=False)
        notes.append("Numbers have decimal commas.")
    shown = {role: header[place].strip() for role, place in at.items()}
    if films is None:
        read = ", ".join(f"{role} {quote(name)}" for role, name in shown.items())
        notes.append(f"Columns read: {read}.")
        films = _films_beside(cells)
    if unused := [name.strip() for place, name in enumerate(header) if name.strip() and place not in at.values()]:
        notes.append(f"{count(len(unused), 'column')} not used: {listed(unused)}.")
    return checked(where, raw, cells, losses, shown=shown, notes=notes, scale=scale, films=films)


def _films_beside(cells: pd.DataFrame) -> dict[str, Film]:
    """Return the films of a table that has titles or genres in columns of its own, as they stand first."""
    if "title" not in cells and "genres" not in cells:
        return {}
    first = cells.assign(item=cells["item"].str.strip()).drop_duplicates("item")
    titles = first["title"] if "title" in first else first["item"]
    genres = first["genres"] if "genres" in first else [""] * len(first)
    known = titles.str.strip().mask(missing(titles.str.strip()), first["item"])
    return {item: film_of(*two) for item, *two in zip(first["item"], known, genres, strict=True)}


def checked(
    where: Path,
    raw: bytes,
    cells: pd.DataFrame,
    losses: list[str],
    *,
    scale: tuple[float, ...],
    films: Mapping[str, Film],
    shown: dict[str, str] | None = None,
    notes: list[str] | None = None,
    traits: Mapping[str, tuple[str, ...]] | None = None,
    folds: Integers | None = None,
) -> RatedPairs:
    """Return the ratings of which user, item and rating are known."""
    text = {role: cells[role].str.strip() for role in SETTINGS if role in cells}
    named = {role: f"column {quote((shown or {}).get(role, role))}" for role in text}
    known = pd.Series(True, index=cells.index)
    for role in NEEDED:
        unknown = known & missing(text[role])
        if unknown.any():
            losses.append(
                f"{count(int(unknown.sum()), 'rating')} left out, since {named[role]} is missing there (first in row "
                f"{unknown.index[int(unknown.to_numpy().argmax())]})."
            )
        known &= ~unknown
    if not known.any():
        raise DataError(f"{where}: no row has a user, an item and a rating. At least two ratings were expected.")
    values = _values(where, named["rating"], text["rating"][known], scale)
    times = np.full(len(values), np.nan)
    if "time" in text and not missing(text["time"][known]).all():
        times = _times(where, named["time"], text["time"][known], [] if notes is None else notes)
    users, items = (text[role][known].tolist() for role in ("user", "item"))
    rows = known.index.to_numpy(dtype=np.int64)[known.to_numpy()]
    kept = None if folds is None else folds[known.to_numpy()]
    digest = hashlib.sha256(raw).hexdigest()
    return RatedPairs(where, digest, users, items, values, times, rows, scale, films, traits or {}, kept)


def _values(where: Path, named: str, text: pd.Series, scale: tuple[float, ...]) -> Numbers:
    values: Numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    for bad, expected in (
        (np.isnan(values), "a number"),
        (np.abs(values) > LARGEST_NUMBER, "a finite number that fits into 32 bit"),
        (~np.isin(values, scale) & bool(scale), f"a rating on the scale {scale_text(scale)}"),
    ):
        if bad.any():
            place = int(bad.argmax())
            raise DataError(
                f"{where}: {named}, row {text.index[place]}: expected {expected}, found {quote(text.iloc[place])}. "
                "Correct the cell, or leave it empty to leave the rating out."
            )
    return values


def scale_text(scale: Sequence[float]) -> str:
    """Return "1, 2, 3, 4, 5"; of many values the first ones and the last."""
    shown = [f"{value:g}" for value in scale]
    return ", ".join(shown if len(shown) <= 12 else [*shown[:3], "...", shown[-1]])


def _times(where: Path, named: str, text: pd.Series, notes: list[str]) -> Numbers:
    """Return seconds since 1970; NaN where the cell is empty."""
    known = ~missing(text)
    cells = text[known]
    seconds = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    if 2 * np.isnan(seconds).sum() <= len(seconds):
        bad = ~np.isfinite(seconds)
        if bad.any():
            place = int(bad.argmax())
            raise DataError(
                f"{where}: {named}, row {cells.index[place]}: expected seconds since 1970 as in other rows, found "
                f"{quote(cells.iloc[place])}. Correct the cell, or leave it empty if the time is unknown."
            )
        if np.median(seconds) > 1e11:
            seconds = seconds / 1000
            notes.append("Times are taken as milliseconds since 1970.")
    else:
        rows = cells.index
        stamps = parse_times(f"{where}: {named}", cells.tolist(), lambda place: f"row {rows[place]}", notes)
        seconds = stamps.astype("datetime64[us]").astype(np.int64) / 1e6
    times = np.full(len(text), np.nan)
    times[known.to_numpy()] = seconds
    if unknown := len(text) - len(cells):
        notes.append(f"Times missing: {unknown:,}; where the order counts, such a rating is taken as the earliest.")
    return times
