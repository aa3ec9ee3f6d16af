"""Find out which column of a CSV file holds the times, which the values and which the names of series."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from practicals.common.data.csvtext import fold, quote
from practicals.common.data.seriescolumns import Cells, is_number
from practicals.common.data.tables import MISSING_WORDS
from practicals.common.data.timestamps import looks_like_time, looks_like_unix_time
from practicals.common.errors import DataError

TIME_WORDS = ("datetime", "timestamp", "time", "date", "ds", "datum", "zeit")
"""Words in a header that mean time stamps. The first wins."""
COUNT_WORDS = ("index", "hour", "day", "week", "month", "quarter", "year", "minute", "second", "step", "t")
"""Words in a header that may mean time stamps or counted steps. The first wins."""
VALUE_WORDS = (
    "sessions", "views", "pageviews", "visits", "visitors", "users", "hits", "requests", "clicks", "traffic",
    "value", "y", "count", "total",
)  # fmt: skip
"""Headers that mean the value where several columns hold numbers. The first wins."""
NAME_WORDS = ("page", "series", "name", "id", "unique_id", "item", "article", "site", "url", "store")
"""Headers that mean the name of a series even where it is a number."""
STEP_WORDS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
"""Words in the header of counted steps that say how long one is."""
_LOOKED_AT = 200  # cells from which the kind of a column is inferred


@dataclass(frozen=True)
class Roles:
    """Places of the columns that are used; None where there is none."""

    time: int | None
    value: int
    name: int | None


def find_roles(cells: Cells, time: str | None, value: str | None, notes: list[str]) -> Roles:
    """Find the columns of times, values and names, and say in `notes` which were taken.

    Args:
        cells: the file.
        time: the column of times where the user names it.
        value: the column of values where the user names it.
        notes: what was recognised is added.

    Raises:
        DataError: a named column is missing, or what is not named cannot be told.
    """
    at_time = None if time is None else cells.find(time, "time")
    at_value = None if value is None else cells.find(value, "value")
    if at_time is not None and at_time == at_value:
        raise DataError(f"{cells.subject(at_time)}: is named as the time and as the value. Name two different columns.")
    everything = range(len(cells.header))
    if at_time is None:
        at_time = _find_time(cells, [place for place in everything if place != at_value])
    rest = [place for place in everything if place not in (at_time, at_value)]
    numbers = [place for place in rest if _mostly_numbers(cells, place)]
    if at_time is None and (len(everything) > 1 or not numbers):
        raise DataError(
            f"{cells.path}: no column of times was recognised among {cells.listed()}. Name it with time=COLUMN; "
            "it holds dates such as 2017-01-31 or 2017-01-31 23:00, or counts the steps."
        )
    if at_value is None:
        at_value = _find_value(cells, rest, numbers)
    at_name = None if at_time is None else _find_name(cells, at_time, [at for at in rest if at != at_value], numbers)
    if at_time is None:
        notes.append(f"Values from column {quote(cells.header[at_value])}; rows are taken as steps in their order.")
    else:
        also = "" if at_name is None else f", names of series from {quote(cells.header[at_name])}"
        notes.append(
            f"Times from column {quote(cells.header[at_time])}, values from {quote(cells.header[at_value])}{also}."
        )
    unused = [place for place in rest if place not in (at_value, at_name)]
    if unused:
        notes.append(f"Not used: {cells.listed(unused)}.")
    return Roles(at_time, at_value, at_name)


def words(header: str) -> list[str]:
    """Return the words of a header in small letters: "Hour Index" has "hour" and "index"."""
    return re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header).casefold())


def _find_time(cells: Cells, places: list[int]) -> int | None:
    for word in (*TIME_WORDS, *COUNT_WORDS):
        for place in places:
            if word in words(cells.header[place]) and _may_be_time(cells, place, word in TIME_WORDS):
                return place
    for place in places:
        sample = _sample(cells, place)
        if sample and 2 * sum(map(looks_like_time, sample)) > len(sample):
            return place
    if len(places) < 2:
        return None
    # A column that is called so but holds no time is what the message should be about.
    called = [place for place in places if set(words(cells.header[place])) & {*TIME_WORDS}]
    return next((place for place in (*called, *places) if place in called or counts_up(cells, place)), None)


def _find_value(cells: Cells, rest: list[int], numbers: list[int]) -> int:
    if not rest:
        raise DataError(f"{cells.path}: has times but no column of values. Found {cells.listed()}.")
    for word in VALUE_WORDS:
        for place in numbers or rest:
            if fold(cells.header[place]) == word:
                return place
    # The number of a row, which many programs write in front, says nothing.
    real = [place for place in numbers if not _is_row_number(cells, place)] or numbers
    real = [place for place in real if fold(cells.header[place]) not in NAME_WORDS] or real
    if len(real) == 1:
        return real[0]
    if not real and len(rest) == 1:
        return rest[0]  # it is text, which the message about its first row says best
    if not real:
        raise DataError(f"{cells.path}: no column of numbers was found among {cells.listed(rest)}. Give one.")
    raise DataError(
        f"{cells.path}: several columns hold numbers: {cells.listed(real)}. Name the one to forecast with value=COLUMN."
    )


def _find_name(cells: Cells, time: int, rest: list[int], numbers: list[int]) -> int | None:
    """Return the column of names: one of text that is called so, or where times repeat, the first that explains it."""
    called = [place for place in rest if fold(cells.header[place]) in NAME_WORDS]
    for place in called:
        if place not in numbers and len(set(cells.column(place))) < len(cells.records):
            return place
    times = cells.column(time)
    # A few repeated times are repaired; where a quarter of them repeat there is more than one series.
    if 4 * len(set(times)) > 3 * len(times):
        return None
    candidates = called + [place for place in rest if place not in called and place not in numbers]
    for place in candidates:
        if len(set(zip(times, cells.column(place), strict=True))) == len(times):
            return place
    return candidates[0] if candidates else None


def _sample(cells: Cells, place: int) -> list[str]:
    column = (record[place].strip() for record in cells.records[:_LOOKED_AT])
    return [cell for cell in column if cell.lower() not in MISSING_WORDS]


def _may_be_time(cells: Cells, place: int, is_called_time: bool) -> bool:
    sample = _sample(cells, place)
    if any(map(looks_like_time, sample)) or counts_up(cells, place, repeated=True):
        return True
    return is_called_time and bool(sample) and all(map(looks_like_unix_time, sample))


def _mostly_numbers(cells: Cells, place: int) -> bool:
    sample = _sample(cells, place)
    # An empty column may hold numbers as well as anything else.
    return 2 * sum(is_number(cell, cells.decimal_commas) for cell in sample) >= len(sample)


def _is_row_number(cells: Cells, place: int) -> bool:
    column = [cell.strip() for cell in cells.column(place)]
    return any(column == [str(start + row) for row in range(len(column))] for start in (0, 1))


def are_whole_numbers(cells: Cells, place: int) -> bool:
    """Say whether the known cells of a column are whole numbers that may count steps, and are not dates."""
    known = [cell for cell in map(str.strip, cells.column(place)) if cell.lower() not in MISSING_WORDS]
    whole = all(cell.isascii() and cell.isdigit() and len(cell) < 10 for cell in known)
    return bool(known) and whole and not all(map(looks_like_time, known[:_LOOKED_AT]))


def counts_up(cells: Cells, place: int, *, repeated: bool = False) -> bool:
    """Say whether a column holds counted steps: whole numbers whose commonest distance is one.

    Args:
        cells: the file.
        place: the column.
        repeated: True where numbers may come again for another series.
    """
    if not are_whole_numbers(cells, place):
        return False
    numbers = [int(cell) for cell in map(str.strip, cells.column(place)) if cell.lower() not in MISSING_WORDS]
    distinct = np.unique(np.array(numbers, dtype=np.int64))
    if len(distinct) < 2 or (not repeated and len(distinct) < 0.8 * len(numbers)):
        return False
    return bool(2 * (np.diff(distinct) == 1).sum() >= len(distinct) - 1)
