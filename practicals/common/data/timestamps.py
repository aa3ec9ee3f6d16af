"""Time stamps as people write them: read them, name the step between them, and lay them on a regular axis."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.data.csvtext import quote
from practicals.common.data.dates import read_dates
from practicals.common.errors import DataError

Integers = np.ndarray[Any, np.dtype[np.int64]]
Stamps = np.ndarray[Any, Any]
"""Either int64 (counted steps) or datetime64[us] (time stamps)."""

SECOND, MINUTE, HOUR, DAY, WEEK = (1_000_000 * seconds for seconds in (1, 60, 3_600, 86_400, 604_800))
"""Lengths in microseconds, the unit of the time stamps."""
FORMS = "2017-01-31, 2017-01-31 23:00, 31.01.2017 or 01/31/2017"
"""Examples of what can be read, for messages."""
MOST_GAPS = 50
"""How many times more steps than stamps an axis may have."""

_ZONE = re.compile(r"(?<=[\dm.])\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r":\d{2}|\dT\d{2}|[\d ][ap]\.?m", re.ASCII | re.IGNORECASE)
_MONTH_ONLY = re.compile(r"\d{4}([-/.])\d{1,2}", re.ASCII)
_SHORT_YEAR = re.compile(r"(\d{1,2}([-/. ])(?:\d{1,2}|[a-z]{3,9})\2)(\d{2})(?=$|[\sT])", re.ASCII | re.IGNORECASE)
_UNIX = re.compile(r"\d{10}(?:\d{3})?", re.ASCII)


@dataclass(frozen=True)
class Axis:
    """A regular time axis, and where on it the given stamps lie."""

    times: pd.DatetimeIndex | pd.RangeIndex
    """(steps,) with its frequency."""
    step: str
    """`hour`, `15 minutes`, `month`, ...; `step` for counted steps."""
    places: Integers
    """(stamps,) in 0..steps-1."""


class IrregularError(Exception):
    """Stamps that have no common step, or lie so far apart that a typing error is likelier than a gap.

    `place` is that of the first stamp off the grid, or after the largest gap; `step` names the commonest step.
    """

    def __init__(self, place: int, step: str, *, too_far: bool) -> None:
        self.place, self.step, self.too_far = place, step, too_far


def looks_like_time(cell: str) -> bool:
    """Say whether a cell is written as a date or a time stamp (Unix seconds are not: they look like any number)."""
    # The two checks in front spare most cells the slower one; a table may have thousands of columns.
    cell = cell.strip()
    return cell[:1].isalnum() and len(cell) > 5 and read_dates([_plain(cell)[0]]).days[0] is not None


def looks_like_unix_time(cell: str) -> bool:
    """Say whether a cell may be seconds or milliseconds since 1970."""
    return _UNIX.fullmatch(cell.strip()) is not None


def parse_times(subject: str, cells: Sequence[str], where: Callable[[int], str], notes: list[str]) -> Stamps:
    """Read time stamps: all forms of `read_dates`, months (2017-01), years of two digits, Unix (milli)seconds.

    Args:
        subject: file and column, for messages.
        cells: the time stamps.
        where: place of a cell -> what a message calls it, such as "row 7".
        notes: what was recognised is added: which of day and month was taken to stand first where no cell shows it,
            and a time zone, which is dropped when all have the same.

    Returns:
        (cells,) datetime64[us].

    Raises:
        DataError: a cell is no time, days and months contradict each other, or zones are mixed.
    """
    codes, unique = pd.factorize(np.array([cell.strip() for cell in cells], dtype=object))
    first = pd.Series(np.arange(len(codes))).groupby(codes).min().to_numpy()
    plain, zones = zip(*map(_plain, unique), strict=True)
    if len(set(zones)) > 1:
        place = next(place for place, zone in enumerate(zones) if zone != zones[0])
        raise DataError(
            f"{subject}, {where(int(first[place]))}: time zones are mixed: {zones[0] or 'none'} before, "
            f"{zones[place] or 'none'} here. Write all times in one zone, best in UTC."
        )
    dates = read_dates(plain)
    stamps = np.empty(len(unique), dtype="datetime64[us]")
    for place, (cell, days) in enumerate(zip(unique, dates.days, strict=True)):
        milliseconds = _unix_milliseconds(cell) if days is None else round(days * 86_400_000)
        if milliseconds is None:
            order = (
                ""
                if dates.day_first is None
                else f", with the {'day' if dates.day_first else 'month'} first as elsewhere"
            )
            raise DataError(
                f"{subject}, {where(int(first[place]))}: expected a date or time such as {FORMS}{order}, "
                f"found {quote(str(cell))}. Correct the cell, or name the column of times with time=COLUMN."
            )
        stamps[place] = np.datetime64(milliseconds, "ms")
    if dates.ambiguous:
        order = "day first (day.month.year)" if dates.assumed_day_first else "month first (month/day/year)"
        notes.append(f"Whether day or month stands first in {quote(unique[0])} cannot be told; taken: {order}.")
    if zones[0]:
        notes.append(f"Times carry the zone {zones[0]}; they are kept as written.")
    return stamps[codes]


def _plain(cell: str) -> tuple[str, str]:
    """Return a time in a form that `read_dates` knows, without its zone, and the zone."""
    zone = ""
    # A date alone ends like a zone: 2017-01-31.
    if (found := _ZONE.search(cell)) and _CLOCK.search(cell[: found.start()]):
        zone, cell = found[1].upper(), cell[: found.start()]
        digits = zone[1:].replace(":", "").ljust(4, "0")
        zone = "UTC" if zone[0] not in "+-" or digits == "0000" else f"{zone[0]}{digits[:2]}:{digits[2:]}"
    if month := _MONTH_ONLY.fullmatch(cell):
        return f"{cell}{month[1]}01", zone
    if short := _SHORT_YEAR.match(cell):
        century = "19" if int(short[3]) > 68 else "20"  # as POSIX reads %y
        return f"{short[1]}{century}{cell[short.start(3) :]}", zone
    return cell, zone


def _unix_milliseconds(cell: str) -> int | None:
    return int(cell) * (1 if len(cell) == 13 else 1_000) if _UNIX.fullmatch(cell) else None


def regular_axis(stamps: Stamps) -> Axis:
    """Lay distinct, sorted stamps on the regular axis of their commonest step.

    Args:
        stamps: (stamps,) at least two, rising: int64 or datetime64[us]. Months, quarters and years count as regular
            where all stamps have the same day of the month, or all the last one.

    Returns:
        The axis from the first to the last stamp; steps without a stamp are gaps.

    Raises:
        IrregularError: a stamp lies between two steps, or a gap is longer than all the rest can be.
    """
    if stamps.dtype.kind != "M":
        size, places = _grid(stamps.astype(np.int64), lambda size: "step" if size == 1 else f"{size} steps")
        return Axis(pd.RangeIndex(int(stamps[0]), int(stamps[-1]) + size, size), "step", places)
    micros = stamps.astype(np.int64)
    if _commonest(np.diff(micros)) >= 28 * DAY and (calendar := _calendar(stamps)):
        return calendar
    size, places = _grid(micros, _step_name)
    frequency = pd.tseries.frequencies.to_offset(pd.Timedelta(size, unit="us"))
    times = pd.date_range(pd.Timestamp(stamps[0]), periods=int(places[-1]) + 1, freq=frequency).as_unit("us")
    return Axis(times, _step_name(size), places)


def _commonest(sizes: Integers) -> int:
    values, counts = np.unique(sizes, return_counts=True)
    return int(values[counts.argmax()])


def _grid(stamps: Integers, name: Callable[[int], str]) -> tuple[int, Integers]:
    size = _commonest(np.diff(stamps))
    rest = (stamps - stamps[0]) % size
    # The first stamp may be the odd one, so the grid is where most stamps lie.
    off = rest != _commonest(rest)
    if off.any():
        raise IrregularError(int(off.argmax()), name(size), too_far=False)
    places: Integers = (stamps - stamps[0]) // size
    _refuse_reach(places, name(size))
    return size, places


def _refuse_reach(places: Integers, step: str) -> None:
    if places[-1] > MOST_GAPS * len(places):
        raise IrregularError(int(np.diff(places).argmax()) + 1, step, too_far=True)


def _calendar(stamps: Stamps) -> Axis | None:
    """Return the axis of steps of whole months, or None where the stamps do not lie on one."""
    index = pd.DatetimeIndex(stamps)
    ends = bool(index.is_month_end.all())
    if index.normalize().nunique() != len(index) or (index - index.normalize()).nunique() > 1:
        return None
    if not ends and (index.day.nunique() > 1 or index.day[0] > 28):
        return None
    months = (index.year * 12 + index.month).to_numpy().astype(np.int64)
    size = _commonest(np.diff(months))
    places = (months - months[0]) // size
    if ((months - months[0]) % size).any():
        return None
    name = {1: "month", 3: "quarter", 12: "year"}.get(size, f"{size} months")
    _refuse_reach(places, name)
    offset: Any = pd.offsets.MonthEnd(size) if ends else pd.DateOffset(months=size)
    times = pd.date_range(index[0], periods=int(places[-1]) + 1, freq=offset).as_unit("us")
    return Axis(times, name, places)


def _step_name(size: int) -> str:
    for unit, length in (("week", WEEK), ("day", DAY), ("hour", HOUR), ("minute", MINUTE), ("second", SECOND)):
        if size % length == 0:
            return unit if size == length else f"{size // length} {unit}s"
    return f"{size} microseconds"


def clock_changes(day: Any) -> str:
    """Say whether the clocks change on a day, by the rules of Europe or the United States.

    Returns:
        `forward` on the last Sunday of March and the second of March; `back` on the last Sunday of October and the
        first of November; else an empty text.
    """
    day = pd.Timestamp(day)
    if day.day_of_week != 6:
        return ""
    last = day.day + 7 > day.days_in_month
    if day.month == 3 and (last or 8 <= day.day <= 14):
        return "forward"
    return "back" if (day.month == 10 and last) or (day.month == 11 and day.day <= 7) else ""
