"""Repairs of series that were read: negative values, rows out of order, repeated times, gaps; each is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.data.csvtext import count, quote
from practicals.common.data.seriestable import Floats, SeriesTable
from practicals.common.data.timestamps import HOUR, Integers, Stamps, clock_changes
from practicals.common.errors import DataError


@dataclass(frozen=True)
class Rows:
    """The rows of a file: as they stand in it, or sorted with one per series and time."""

    series: Integers
    stamps: Stamps
    values: Floats
    rows: Integers
    """The first row of the file, as a spreadsheet counts, that holds it."""
    doubled: Stamps
    """Distinct times that some series has more than once."""


def without_negative(values: Floats, notes: list[str]) -> Floats:
    """Return values in which negative ones are missing, and count those."""
    negative = values < 0
    if negative.any():
        notes.append(f"{count(int(negative.sum()), 'negative value')} taken as missing; counts cannot be negative.")
        return np.where(negative, np.nan, values)
    return values


def sort_rows(path: Path, names: list[str], rows: Rows, notes: list[str]) -> Rows:
    """Sort rows by series and time; of several at one time keep the mean of the different known values."""
    order = np.argsort(rows.series, kind="stable")
    back = (np.diff(rows.stamps[order]).astype(np.int64) < 0) & (np.diff(rows.series[order]) == 0)
    order = np.lexsort((rows.rows, rows.stamps, rows.series))
    sorted_rows = Rows(rows.series[order], rows.stamps[order], rows.values[order], rows.rows[order], rows.doubled)
    frame = pd.DataFrame({name: getattr(sorted_rows, name) for name in ("series", "stamps", "values", "rows")})
    key = ["series", "stamps"]
    twice = frame.duplicated(key)
    doubled = np.unique(frame["stamps"][twice].to_numpy())
    # Where quarters of an hour repeat in autumn, the clock went back and the rows are in order.
    if back.any() and not _all_clock_back(doubled):
        notes.append(f"Rows did not stand in the order of time ({count(int(back.sum()), 'place')}); sorted.")
    if not twice.any():
        return sorted_rows
    groups = frame.groupby(key, sort=False)
    different = groups["values"].nunique()
    share = (different > 1).groupby("series").mean()
    if (share > 0.5).any():
        worst = int(share.index[int(share.to_numpy().argmax())])
        row = int(frame["rows"][twice & (frame["series"] == worst)].min())
        whose = f"series {quote(names[worst])}" if len(names) > 1 else "the file"
        raise DataError(
            f"{path}: row {row}: {whose} has most times more than once, with different values: two series under "
            "one name. Keep one of them, or tell them apart in a column of names."
        )
    averaged = int((different > 1).sum())
    notes.append(
        f"{count(int(twice.sum()), 'row')} with a time that was there already: equal values count once"
        + (f"; at {count(averaged, 'time')} different values were averaged." if averaged else ".")
    )
    first = groups["rows"].min()
    # Equal values count once: the mean is that of the different ones.
    mean = frame.drop_duplicates([*key, "values"]).groupby(key, sort=False)["values"].mean()
    return Rows(
        first.index.get_level_values("series").to_numpy(),
        first.index.get_level_values("stamps").to_numpy(),
        mean.to_numpy(),
        first.to_numpy(),
        doubled,
    )


def _clock_hours(stamps: Stamps, change: str) -> dict[pd.Timestamp, pd.Timestamp]:
    """Return day -> hour for days on which the clocks change and all of the day's stamps lie in one hour."""
    if not len(stamps) or stamps.dtype.kind != "M":
        return {}
    hours = pd.Series(pd.DatetimeIndex(stamps).floor("h"))
    found = {}
    for day, of_day in hours.groupby(hours.dt.normalize()):
        if of_day.nunique() == 1 and of_day.iloc[0].hour < 4 and clock_changes(day) == change:
            found[day] = of_day.iloc[0]
    return found


def _all_clock_back(stamps: Stamps) -> bool:
    days = _clock_hours(stamps, "back")
    return bool(days) and set(pd.DatetimeIndex(stamps).normalize()) == set(days)


def _steps_in_an_hour(table: SeriesTable) -> int:
    """Return how many steps make an hour; 0 where the steps are longer, do not divide it or are only counted."""
    if not isinstance(table.times, pd.DatetimeIndex):
        return 0
    size = int((table.times[1] - table.times[0]) / pd.Timedelta(1, unit="us"))
    return HOUR // size if HOUR % size == 0 else 0


def tell_clock_back(table: SeriesTable, doubled: Stamps, notes: list[str]) -> None:
    """Name hours that occur twice on days on which the clocks go back; `doubled` are the times with several rows."""
    if not _steps_in_an_hour(table):
        return
    hours = [f"{hour:%Y-%m-%d %H:%M}" for hour in _clock_hours(doubled, "back").values()]
    if hours:
        notes.append(
            f"{count(len(hours), 'doubled hour')} in autumn, as when daylight saving time ends "
            f"({', '.join(hours[:3])}{', ...' if hours[3:] else ''}): taken as one hour."
        )


def tell_gaps(table: SeriesTable, everywhere: np.ndarray[Any, Any], cells: int, notes: list[str]) -> None:
    """Count inserted steps, and name hours that are missing on days on which the clocks go forward.

    Args:
        table: the series.
        everywhere: (steps,) steps that no series has a row for.
        cells: steps without a row between the first and the last of their series, over all series.
        notes: sentences are added.
    """
    if not cells:
        return
    places = np.flatnonzero(everywhere)
    sentence = f"{count(cells, 'step')} without a row inserted as missing"
    if len(places):
        sentence += f", the first at {table.labels(places[:1])[0]}"
    notes.append(f"{sentence}.")
    if not _steps_in_an_hour(table):
        return
    missing = table.times_at(places).to_numpy()
    hours = []
    for day, hour in _clock_hours(missing, "forward").items():
        of_day = int((pd.DatetimeIndex(missing).normalize() == day).sum())
        if of_day == _steps_in_an_hour(table):
            hours.append(f"{hour:%Y-%m-%d %H:%M}")
    if hours:
        notes.append(
            f"{count(len(hours), 'missing hour')} in spring, as when daylight saving time begins "
            f"({', '.join(hours[:3])}{', ...' if hours[3:] else ''}): counted among the inserted steps."
        )
