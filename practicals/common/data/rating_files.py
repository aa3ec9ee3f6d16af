"""Ratings in files as people have them: MovieLens' own archives, or a table of user, item, rating and perhaps time."""

from __future__ import annotations

import math
import re
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from practicals.common.data.archives import read_member
from practicals.common.data.csvtext import decode, listed, parse_records, quote, read_bytes
from practicals.common.data.rating_columns import SETTINGS, plain
from practicals.common.data.rating_tables import (
    WANTED,
    Film,
    Integers,
    RatedPairs,
    checked,
    film_of,
    read_ratings_table,
)
from practicals.common.errors import DataError

STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
"""The scale of MovieLens 100K."""
HALF_STARS = tuple(half / 2 for half in range(1, 11))
"""The scale of MovieLens since 2003."""

__all__ = ["HALF_STARS", "STARS", "Integers", "read_rated"]

_LARGEST = 2_000_000_000  # bytes that a member of an archive may unpack to
_AGES = ((18, "under 18"), (25, "18-24"), (35, "25-34"), (45, "35-44"), (50, "45-49"), (56, "50-55"))


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
    raw = read_bytes(path, WANTED)
    if raw.startswith(b"PK"):
        return _archive(path, names, notes, losses, need_user)
    if path.suffix.lower() == ".zip":
        raise DataError(f"{path}: is not a zip archive, though its name says so. Fetch it again.")
    return read_ratings_table(path, raw, names, notes, losses, need_user)


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
    return read_ratings_table(path / name, raw, names, notes, losses, need_user)


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
    cells = pd.DataFrame(records, columns=list(SETTINGS), index=pd.Index(rows), dtype=object)
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
    found = checked(where, raw, cells, losses, scale=STARS, films=films, traits=traits, folds=_folds(cells, text))
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
    header, records, _ = parse_records(beside, decode(movies, beside, notes, WANTED), ",", notes)
    try:
        at = [[plain(one) for one in header].index(wanted) for wanted in ("movieid", "title", "genres")]
    except ValueError:
        raise DataError(
            f"{beside}: expected the columns movieId, title and genres, found {listed(header)}. Fetch a good copy."
        ) from None
    films = {record[at[0]].strip(): film_of(record[at[1]], record[at[2]]) for record in records}
    found = read_ratings_table(path / name, raw, {}, notes, losses, True, scale=HALF_STARS, films=films)
    if unrated := len(films.keys() - {*found.items}):
        notes.append(f"Films that nobody rated: {unrated:,}; left out, since nothing can be learned about them.")
    return found
