"""Ratings in files as people have them: MovieLens' own archives, or a table of user, item, rating and perhaps time."""

from __future__ import annotations

import csv
import difflib
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.data.archives import read_member
from practicals.common.data.csvtext import (
    DELIMITERS,
    count,
    decode,
    fold,
    listed,
    parse_records,
    quote,
    read_bytes,
    refuse_web_page,
)
from practicals.common.data.tables import LARGEST_NUMBER, header_places, missing
from practicals.common.data.timestamps import parse_times
from practicals.common.errors import DataError, did_you_mean

Integers = np.ndarray[Any, np.dtype[np.int64]]
Numbers = np.ndarray[Any, np.dtype[np.float64]]

STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
"""The scale of MovieLens 100K."""
HALF_STARS = tuple(half / 2 for half in range(1, 11))
"""The scale of MovieLens since 2003."""
NAMES = {
    "user": ("user", "userid", "username", "reviewer", "reviewerid", "customer", "customerid", "member", "memberid"),
    "item": (
        "item", "itemid", "movie", "movieid", "film", "filmid", "product", "productid", "book", "bookid", "isbn",
        "asin", "song", "songid", "track", "trackid", "artist", "artistid", "game", "gameid",
    ),
    "rating": ("rating", "ratings", "score", "stars", "star", "overall", "vote", "grade"),
    "time": ("time", "timestamp", "date", "datetime", "unixreviewtime", "ratedat", "when"),
    "title": ("title", "itemtitle", "movietitle", "filmtitle", "booktitle"),
    "genres": ("genres", "genre"),
}  # fmt: skip
"""Headers by their meaning, without blanks, underscores and hyphens."""

_NEEDED = ("user", "item", "rating")
_SETTINGS = ("user", "item", "rating", "time")
_WANTED = "a file of ratings"
_LARGEST = 2_000_000_000  # bytes that a member of an archive may unpack to
_NO_GENRE = ("", "unknown", "(no genres listed)")
_AGES = ((18, "under 18"), (25, "18-24"), (35, "25-34"), (45, "35-44"), (50, "45-49"), (56, "50-55"))
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")  # what no text has; csv takes some for the end of a line
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


def read_rated(
    path: Path, names: dict[str, str], notes: list[str], losses: list[str], *, need_user: bool = True
) -> RatedPairs:
    """Read a file of ratings.

    Args:
        path: MovieLens 100K (an archive with u.data), MovieLens since 2015 (an archive with ratings.csv), or a table
            with a header, separated by commas, semicolons or tabs, perhaps in an archive.
        names: `user`, `item`, `rating`, `time` -> the column of a table, without regard to letter case; "" or absent
            to find it by a usual name.
        notes: what was recognised is added.
        losses: what was left out is added.
        need_user: whether a table must have a column of users; otherwise all its ratings are of one user, "".

    Raises:
        DataError: names the file, the row or column, and what to do.
    """
    raw = read_bytes(path, _WANTED)
    if raw.startswith(b"PK"):
        return _archive(path, names, notes, losses, need_user)
    if path.suffix.lower() == ".zip":
        raise DataError(f"{path}: is not a zip archive, though its name says so. Fetch it again.")
    return _table(path, raw, names, notes, losses, need_user)


def film_of(title: str, genres: str = "") -> Film:
    """Return what a title such as "Heat (1995)" and genres such as "Action|Crime" say."""
    years = _YEAR.findall(title)
    named = tuple(dict.fromkeys(one.strip() for one in genres.split("|")))
    known = tuple(one for one in named if one.casefold() not in _NO_GENRE)
    return Film(" ".join(title.split()), float(years[-1]) if years else math.nan, known)


# Archives


def _archive(path: Path, names: dict[str, str], notes: list[str], losses: list[str], need_user: bool) -> RatedPairs:
    inside: dict[str, str] = {}

    def choose(members: list[str]) -> str:
        inside.update({PurePosixPath(one).name.lower(): one for one in members})
        tables = [name for name in inside if name.endswith((".csv", ".tsv"))]
        for name in ("u.data", "ratings.csv", *(tables if len(tables) == 1 else ())):
            if name in inside:
                return inside[name]
        raise DataError(
            f"{path}: is an archive without ratings: expected u.data or ratings.csv, as MovieLens publishes them, or "
            "one table. Unpack it and give the file of ratings."
        )

    name, raw = read_member(path, choose, _LARGEST)
    others = {
        one: read_member(path, lambda _, member=member: member, _LARGEST)[1]  # type: ignore[misc]
        for one, member in inside.items()
        if re.fullmatch(r"movies\.csv|u\.(item|user|genre|info)|u[1-5]\.test", one) and member != name
    }
    if PurePosixPath(name).name.lower() == "u.data":
        return _movielens_100k(path, name, raw, others, losses)
    if "movies.csv" in others:
        return _movielens_latest(path, name, raw, others["movies.csv"], notes, losses)
    return _table(path / name, raw, names, notes, losses, need_user)


def _movielens_100k(path: Path, name: str, raw: bytes, others: dict[str, bytes], losses: list[str]) -> RatedPairs:
    # Latin-1 by its README: an accent in a title would break UTF-8.
    where, text = path / name, {one: content.decode("latin-1") for one, content in others.items()}
    lines = raw.decode("latin-1").splitlines()
    rows = [row for row, line in enumerate(lines, start=1) if line.strip()]
    records = [lines[row - 1].split("\t") for row in rows]
    if not records:
        raise DataError(f"{where}: is empty; ratings were expected.")
    for row, record in zip(rows, records, strict=True):
        if len(record) != 4:
            raise DataError(
                f"{where}: row {row} has {len(record)} fields; expected user, item, rating and time, separated by "
                "tabs. Fetch a good copy."
            )
    cells = pd.DataFrame(records, columns=list(_SETTINGS), index=pd.Index(rows), dtype=object)
    genres = [line.partition("|")[0] for line in text.get("u.genre", "").splitlines() if line.strip()]
    films, traits = {}, {}
    for row, fields in _fields(path / "u.item", text.get("u.item", "") if genres else "", 5 + len(genres)):
        if not {*fields[5:]} <= {"0", "1"}:
            raise DataError(f"{path / 'u.item'}: row {row}: a genre is marked with neither 0 nor 1. Fetch a good copy.")
        marked = "|".join(genre for genre, mark in zip(genres, fields[5:], strict=True) if mark == "1")
        film = film_of(fields[1], marked)
        released = re.search(r"\d{4}$", fields[2])
        year = float(released[0]) if math.isnan(film.year) and released else film.year
        films[fields[0]] = Film(film.title, year, film.genres)
    for row, fields in _fields(path / "u.user", text.get("u.user", ""), 5):
        if not fields[1].isdecimal():
            raise DataError(f"{path / 'u.user'}: row {row}: {quote(fields[1])} is no age. Fetch a good copy.")
        age = next((group for limit, group in _AGES if int(fields[1]) < limit), "56+")
        traits[fields[0]] = (f"gender {fields[2]}", f"age {age}", f"occupation {fields[3]}")
    found = _checked(where, raw, cells, losses, scale=STARS, films=films, traits=traits, folds=_folds(cells, text))
    _check_promised(where, found, text.get("u.info", ""))
    return found


def _fields(where: Path, text: str, width: int) -> list[tuple[int, list[str]]]:
    """Return row and fields of the lines of u.item or u.user."""
    table = [
        (row, line.split("|"))
        for row, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1)
        if line.strip()
    ]
    for row, fields in table:
        if len(fields) != width:
            raise DataError(f"{where}: row {row} has {len(fields)} fields; expected {width}. Fetch a good copy.")
    return table


def _folds(cells: pd.DataFrame, text: dict[str, str]) -> Integers | None:
    """Return (rows,) in the test part of which official fold each row is; the five have no rating in common."""
    if not all(f"u{number}.test" in text for number in range(1, 6)):
        return None
    fold_of = {
        tuple(line.split("\t")[:2]): number for number in range(1, 6) for line in text[f"u{number}.test"].splitlines()
    }
    return np.array([fold_of.get(pair, 0) for pair in zip(cells["user"], cells["item"], strict=True)], dtype=np.int64)


def _check_promised(where: Path, found: RatedPairs, info: str) -> None:
    """Compare with the counts that the archive itself states in u.info."""
    stated = {noun: int(number) for number, noun in re.findall(r"(\d+) (users|items|ratings)", info)}
    counts = {"users": len({*found.users}), "items": len({*found.items}), "ratings": len(found.users)}
    for noun, number in stated.items():
        if counts[noun] != number:
            raise DataError(
                f"{where}: holds {counts[noun]:,} {noun}, u.info beside it says {number:,}. Fetch a good copy, or "
                "correct u.info."
            )


def _movielens_latest(
    path: Path, name: str, raw: bytes, movies: bytes, notes: list[str], losses: list[str]
) -> RatedPairs:
    beside = path / PurePosixPath(name).with_name("movies.csv")
    header, records, _ = parse_records(beside, decode(movies, beside, notes, _WANTED), ",", notes)
    try:
        at = [[_plain(one) for one in header].index(wanted) for wanted in ("movieid", "title", "genres")]
    except ValueError:
        raise DataError(
            f"{beside}: expected the columns movieId, title and genres, found {listed(header)}. Fetch a good copy."
        ) from None
    films = {record[at[0]].strip(): film_of(record[at[1]], record[at[2]]) for record in records}
    found = _table(path / name, raw, {}, notes, losses, True, scale=HALF_STARS, films=films)
    if unrated := len(films.keys() - {*found.items}):
        notes.append(f"Films that nobody rated: {unrated:,}; left out, since nothing can be learned about them.")
    return found


# Tables


def _table(
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
    refuse_web_page(raw, where, _WANTED)
    text = decode(raw, where, notes, _WANTED)
    if _CONTROL.search(text):
        raise DataError(f"{where}: is not a text file. A table of ratings was expected.")
    if not text.strip(" ,;\t\r\n"):
        raise DataError(f"{where}: is empty; a table with the columns user, item and rating was expected.")
    delimiter = _delimiter(text, [name for name in names.values() if name])
    if delimiter != ",":
        notes.append(f"Columns are separated by {DELIMITERS[delimiter]}s.")
    header, records, index = parse_records(where, text, delimiter, notes)
    at = _places(where, header, names, need_user)
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
    return _checked(where, raw, cells, losses, shown=shown, notes=notes, scale=scale, films=films)


def _delimiter(text: str, wanted: Sequence[str]) -> str:
    """Return the delimiter with which the header names most known columns; of equals that which gives most columns."""
    line = next(line for line in text.splitlines() if line.strip(" ,;\t"))
    known = {_plain(name) for name in (*wanted, *(name for usual in NAMES.values() for name in usual))}

    def names(delimiter: str) -> tuple[int, int]:
        try:
            header = next(csv.reader([line], delimiter=delimiter))
        except csv.Error:  # a monstrous cell is no header
            header = [line]
        return len(known & {_plain(name) for name in header}), len(header)

    return max(DELIMITERS, key=names)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", fold(name))


def _places(where: Path, header: list[str], names: dict[str, str], need_user: bool) -> dict[str, int]:
    """Return role -> place of its column: those that settings name, then those with a usual name."""
    if all(re.fullmatch(r"[\d.,+-]+", name.strip()) for name in header):
        raise DataError(
            f"{where}: row 1 holds numbers, {listed(header)}, where the names of the columns were expected. Put a "
            "first line such as `user,item,rating,time` there; of MovieLens 100K give the whole archive."
        )
    header_places(where, header)
    at: dict[str, int] = {}
    folded = [fold(name) for name in header]
    for role in _SETTINGS:
        if wanted := names.get(role, ""):
            if fold(wanted) not in folded and not need_user:
                continue  # what was learnt from had such names; what is to be predicted for may have the usual ones
            if fold(wanted) not in folded:
                raise DataError(
                    f"{where}: column {quote(wanted)} is missing, which the setting {role} names."
                    f"{did_you_mean(wanted, [name.strip() for name in header if name.strip()])}"
                )
            place = folded.index(fold(wanted))
            if place in at.values():
                raise DataError(f"{where}: two settings name the column {quote(wanted)}. Name a column for each.")
            at[role] = place
    for role, usual in NAMES.items():
        found = [place for place, name in enumerate(header) if _plain(name) in usual and place not in at.values()]
        if role in at or not found:
            continue
        if len(found) > 1 and role in _SETTINGS:
            raise DataError(
                f"{where}: several columns may hold the {role}s: {listed([header[place] for place in found])}. "
                f"{_naming(role, need_user)}"
            )
        at[role] = found[0]
    # Where nothing else names the item, its title does.
    if "item" not in at and "title" in at:
        at["item"] = at.pop("title")
    for role in _NEEDED:
        if role not in at and (role != "user" or need_user):
            raise DataError(_not_found(where, header, role, at, need_user))
    return at


def _naming(role: str, need_user: bool, column: str = "COLUMN") -> str:
    """Return how the column of a role can be told: by a setting where ratings are learnt from, else in the file."""
    return f"Name it with --set {role}={column}." if need_user else f"Call it {role} in the first row."


def _not_found(where: Path, header: list[str], role: str, at: dict[str, int], need_user: bool) -> str:
    rest = [name.strip() for place, name in enumerate(header) if name.strip() and place not in at.values()]

    def likeness(name: str) -> float:
        return max(difflib.SequenceMatcher(None, _plain(name), usual).ratio() for usual in NAMES[role])

    nearest = max(rest, key=likeness, default="")
    known = [name.strip() for name in header if name.strip()]
    if nearest and likeness(nearest) >= 0.6:
        naming = _naming(role, need_user, nearest)
        hint = f"Did you mean {quote(nearest)}? Then {naming[0].lower()}{naming[1:]}"
    else:
        hint = _naming(role, need_user)
    return f"{where}: no column of {role}s was found among {listed(known)}. {hint}"


def _films_beside(cells: pd.DataFrame) -> dict[str, Film]:
    """Return the films of a table that has titles or genres in columns of its own, as they stand first."""
    if "title" not in cells and "genres" not in cells:
        return {}
    first = cells.assign(item=cells["item"].str.strip()).drop_duplicates("item")
    titles = first["title"] if "title" in first else first["item"]
    genres = first["genres"] if "genres" in first else [""] * len(first)
    known = titles.str.strip().mask(missing(titles.str.strip()), first["item"])
    return {item: film_of(*two) for item, *two in zip(first["item"], known, genres, strict=True)}


# Cells


def _checked(
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
    text = {role: cells[role].str.strip() for role in _SETTINGS if role in cells}
    named = {role: f"column {quote((shown or {}).get(role, role))}" for role in text}
    known = pd.Series(True, index=cells.index)
    for role in _NEEDED:
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
