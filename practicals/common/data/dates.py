"""Dates as people write them, read as days since 1970-01-01 and shown again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_CLOCK = (
    r"(?:(?:T|\s+)(?P<hour>\d{1,2})(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2}(?:[.,]\d+)?))?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
_FORMS = tuple(
    re.compile(day + _CLOCK, re.ASCII | re.IGNORECASE)
    for day in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",  # 2014-10-13
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",  # 20141013
        r"(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second_number>\d{1,2})(?P=mark)(?P<year>\d{4})",  # 10/13/2014
        r"(?P<day>\d{1,2})[-. ]+(?P<name>[a-z]{3,9})[-.,/ ]+(?P<year>\d{4})",  # 13 October 2014
        r"(?P<name>[a-z]{3,9})[-. ]+(?P<day>\d{1,2})[-., ]+(?P<year>\d{4})",  # Oct 13, 2014
    )
)


@dataclass(frozen=True)
class Dates:
    """What the cells of one column say."""

    days: tuple[float | None, ...]
    """Days since 1970-01-01 with fractions, in UTC where a cell names a zone; None where a cell is no date."""
    day_first: bool | None
    """Whether 3/4/2014 is 3 April, as the cells themselves show; None where none of them shows it."""
    ambiguous: bool
    """Whether cells of that form are there, none of which shows it: then the order was assumed."""
    assumed_day_first: bool
    """The order by which they were read."""


def read_dates(cells: Iterable[str], *, day_first: bool | None = None) -> Dates:
    """Read the dates of one column: ISO, 20141013T000000, 10/13/2014, 13.10.2014, 13 Oct 2014, with or without a time.

    In forms such as 3/4/2014 a number above 12 in any cell decides for all cells whether the day or the month stands
    first; a cell that then makes no date is none. Years have four digits.

    Args:
        cells: the texts, without blanks around them; none of them missing.
        day_first: what is assumed where no cell decides; None for the day first before points (13.10.2014), the month
            first otherwise (10/13/2014).

    Returns:
        One value per cell.
    """
    matches = [_match(cell) for cell in cells]
    numbers = [match for match in matches if match and "first" in match]
    shown = next((first for match in numbers if (first := _shows_day_first(match)) is not None), None)
    if day_first is None:
        day_first = bool(numbers) and numbers[0]["mark"] == "."
    order = day_first if shown is None else shown
    days = tuple(_days(match, order) if match else None for match in matches)
    return Dates(days, shown, bool(numbers) and shown is None, order)


def _match(cell: str) -> dict[str, str] | None:
    for form in _FORMS:
        found = form.fullmatch(cell)
        if found:
            return {name: text for name, text in found.groupdict().items() if text is not None}
    return None


def _shows_day_first(match: dict[str, str]) -> bool | None:
    first, second = int(match["first"]), int(match["second_number"])
    if (first > 12) == (second > 12):
        return None
    return first > 12


def _days(match: dict[str, str], day_first: bool) -> float | None:
    """Return days since 1970-01-01; None where there is no such day or time."""
    if "first" in match:
        month, day = int(match["first"]), int(match["second_number"])
        if day_first:
            month, day = day, month
    else:
        month, day = _month(match), int(match["day"])
    seconds = _seconds(match)
    if seconds is None:
        return None
    try:
        whole = date(int(match["year"]), month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    return whole + seconds / 86_400


def _month(match: dict[str, str]) -> int:
    """Return the month's number; 0, which no date has, for a word that names no month."""
    if "month" in match:
        return int(match["month"])
    name = match["name"].lower()
    return next((number for number, month in enumerate(_MONTHS, start=1) if month.startswith(name)), 0)


def _seconds(match: dict[str, str]) -> float | None:
    """Return the seconds since midnight in UTC, which may lie in another day; None for no such time."""
    hour, minute = int(match.get("hour", 0)), int(match.get("minute", 0))
    second = float(match.get("second", "0").replace(",", "."))
    if "half" in match:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match["half"][0] in "pP" else 0)
    if hour > 23 or minute > 59 or second >= 60:
        return None
    zone = match.get("zone", "Z")
    ahead = 0
    if zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        ahead = (int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60) * (-1 if zone[0] == "-" else 1)
    return hour * 3600 + minute * 60 + second - ahead


def date_text(days: float) -> str:
    """Return days since 1970-01-01 as a date, with the time of day where it is not midnight; "missing" for NaN."""
    if np.isnan(days):
        return "missing"
    moment = np.datetime64(round(days * 24 * 60), "m")
    return str(moment).replace("T", " ").removesuffix(" 00:00")
