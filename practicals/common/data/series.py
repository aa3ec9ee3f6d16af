"""Series over time from a CSV file as people have them: on a regular axis, with every repair counted and told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from practicals.common.console import say
from practicals.common.data.csvtext import count, fold, quote
from practicals.common.data.facts import Facts, facts_of
from practicals.common.data.fetch import Source
from practicals.common.data.memory import within_memory
from practicals.common.data.series_samples import SERIES_SAMPLES
from practicals.common.data.seriescolumns import Cells, read_cells, read_numbers
from practicals.common.data.seriesrepair import Rows, sort_rows, tell_clock_back, tell_gaps, without_negative
from practicals.common.data.seriesroles import STEP_WORDS, Roles, are_whole_numbers, find_roles, words
from practicals.common.data.seriestable import SeriesTable, filled
from practicals.common.data.timestamps import Axis, IrregularError, Stamps, looks_like_time, parse_times, regular_axis
from practicals.common.errors import DataError

Need = int | Callable[[int], int]
"""How many steps a series must have, or a function that says so for a number of series."""

__all__ = ["SeriesTable", "filled", "read_series", "read_source"]


def read_source(
    source: Source, *, time: str | None = None, value: str | None = None, need_rows: Need = 2
) -> tuple[SeriesTable, Facts]:
    """Read and check the series of a source to train on, and tell the user what was noted.

    Args:
        source: from `locate`.
        time: the column of times in a file of the user's own; None to infer it.
        value: its column of values; None to infer it.
        need_rows: see `read_series`.

    Returns:
        The series, and the facts for the run folder.

    Raises:
        DataError: the file cannot be read without guessing, is not what its card promises, or every series is
            constant.
    """
    card = source.card
    if source.path is None:
        table = SERIES_SAMPLES[card.name]()
        digest = hashlib.sha256(table.values.tobytes()).hexdigest()
        say(f"{card.name}: built-in sample, {_size(table)}, generated; not the real data")
        return table, facts_of(source, sha256=digest, rows=table.rows, notes=())
    real = source.kind == "real"
    # The settings name columns of a user's file; those of the real one are known.
    table = read_series(source.path, time=None if real else time, value=None if real else value, need_rows=need_rows)
    if real and table.rows != card.rows:
        raise DataError(
            f"{card.name}: expected {card.rows:,} rows, found {table.rows:,}. "
            f"Run `practicals data {card.name}` to fetch a good copy."
        )
    _refuse_constant(source.path, table)
    facts = facts_of(source, sha256=source.sha256 or "", rows=table.rows, notes=table.notes)
    say(f"{card.name if real else source.path.name}: {'real data' if real else 'your own file'}, {_size(table)}")
    for note in table.notes:
        say(f"{source.path}: {note}")
    return table, facts


def read_file(paths: Sequence[Path], *, need_rows: int, step: str, counted: bool) -> SeriesTable:
    """Read a file of the user's to forecast what comes after it, and tell what was noted.

    Args:
        paths: one file.
        need_rows: steps that the forecast looks at.
        step: what a step of the training data was.
        counted: whether the training data counted their steps and had no time stamps.

    Raises:
        DataError: there are several files, the file cannot be read without guessing, or its steps are not those of the
            training data, so that nobody could say which step of the week is which.
    """
    path, *more = paths
    if more:
        raise DataError(f"{more[0]}: one file at a time was expected, since a forecast continues one file.")
    table = read_series(path, need_rows=need_rows)
    for note in table.notes:
        say(f"{path}: {note}")
    if "step" not in (table.step, step) and table.step != step:
        raise DataError(f"{path}: has one row per {table.step}; the model was trained on one per {step}.")
    if counted != isinstance(table.times, pd.RangeIndex):
        ours, theirs = ("counts its rows", "time stamps") if not counted else ("has time stamps", "counted rows")
        raise DataError(
            f"{path}: {ours}, the model was trained on {theirs}, so the place in the week is not known. Train on a "
            f"file of this form: practicals run web_traffic --data {path}"
        )
    return table


def _size(table: SeriesTable) -> str:
    return f"{len(table.names):,} series of {table.length}"


def _refuse_constant(path: Path, table: SeriesTable) -> None:
    known = ~np.isnan(table.values)
    top = np.where(known, table.values, -np.inf).max(axis=1)
    low = np.where(known, table.values, np.inf).min(axis=1)
    if (top == low).all():
        raise DataError(
            f"{path}: {table.unit}: {top[0]:g} in every row; a constant leaves nothing to learn. "
            "Name another column with value=COLUMN, or give a series that varies."
        )


@within_memory
def read_series(path: Path, *, time: str | None = None, value: str | None = None, need_rows: Need = 2) -> SeriesTable:
    """Read series from a CSV file of the user's, plain or packed by gzip.

    Forms: a column of times and one of values; counted steps (whole numbers that rise by one) and values; with a
    column of names besides, several series below each other; one row per series with one column per date, as Kaggle's
    web traffic has it; a single column of numbers. Rows may stand in any order.

    Repairs, each told in `notes`: a negative value is taken as missing. Of several values at one time equal ones count
    once and different ones are averaged, as happens in the hour that autumn's change of clocks repeats. A step without
    a row is inserted as missing, such as the hour that spring's change leaves out.

    Args:
        path: the file: comma, semicolon or tab; UTF-8, UTF-16 or latin-1; decimal commas beside semicolons or tabs.
        time: the column of times; None to infer it.
        value: the column of values; None to infer it.
        need_rows: how many steps the shortest series must have; or a function that says so for a number of series.

    Returns:
        The series on one regular time axis, from the first time in the file to the last.

    Raises:
        DataError: names the file, the column, the first bad row as a spreadsheet counts it (the header is row 1) and
            what to do.
    """
    notes: list[str] = []
    cells = read_cells(path, notes)
    dates = [place for place, name in enumerate(cells.header) if looks_like_time(name)]
    if len(dates) > 1 and time is None and value is None:
        table = _read_wide(cells, dates, need_rows, notes)
    else:
        table = _read_long(cells, find_roles(cells, time, value, notes), need_rows, notes)
    known = np.asarray(~np.isnan(table.values).all(axis=1))
    if not known.any():
        raise DataError(f"{path}: {table.unit}: every value is missing or negative. Give a file with known values.")
    if not known.all():
        example = quote(table.names[int((~known).argmax())])
        notes.append(f"{int((~known).sum()):,} series without any known value left out, such as {example}.")
        names = tuple(name for name, kept in zip(table.names, known, strict=True) if kept)
        table = replace(table, names=names, values=table.values[known])
    return replace(table, notes=tuple(notes), rows=len(cells.records))


def _read_wide(cells: Cells, dates: list[int], need_rows: Need, notes: list[str]) -> SeriesTable:
    """Read one row per series with one column per date."""
    others = [place for place in range(len(cells.header)) if place not in dates]
    if not others:
        raise DataError(f"{cells.path}: every column is a date; a first column with the name of each row was expected.")
    at_name = others[0]
    said = f"One series per row, named by column {quote(cells.header[at_name])}, one column per date."
    notes.append(f"{said} Not used: {cells.listed(others[1:])}." if others[1:] else said)
    names = [name.strip() for name in cells.column(at_name)]
    _refuse_nameless(cells, at_name, names)
    first: dict[str, int] = {}
    for name, row in zip(names, cells.rows, strict=True):
        if name in first:
            raise DataError(
                f"{cells.subject(at_name)}, row {row}: the series {quote(name)} stands in row {first[name]} already. "
                "Keep one of the two, or rename one."
            )
        first[name] = row
    written = [cells.header[place] for place in dates]
    stamps = parse_times(f"{cells.path}: row 1", written, lambda place: f"column {dates[place] + 1}", notes)
    order = np.argsort(stamps, kind="stable")
    if (order != np.arange(len(order))).any():
        notes.append("Columns did not stand in the order of time; sorted.")
    same = np.flatnonzero(np.diff(stamps[order]) == np.timedelta64(0))
    if len(same):
        pair = [quote(written[order[same[0] + more]]) for more in (0, 1)]
        raise DataError(f"{cells.path}: row 1: columns {pair[0]} and {pair[1]} are the same time. Keep one of them.")
    axis = _axis(stamps[order], f"{cells.path}: row 1", lambda place: f"column {dates[order[place]] + 1}")
    _refuse_short(cells.path, len(axis.times), axis.step, _needed(need_rows, len(cells.records)), "")
    unit = "views" if fold(cells.header[at_name]) == "page" else "values"
    values = np.full((len(names), len(axis.times)), np.nan)
    values[:, axis.places] = read_numbers(cells, [dates[place] for place in order], notes)
    table = SeriesTable(tuple(names), without_negative(values, notes), axis.times, axis.step, unit)
    gaps = np.ones(len(axis.times), dtype=bool)
    gaps[axis.places] = False
    tell_gaps(table, gaps, int(gaps.sum()), notes)
    missing = int(np.isnan(table.values[:, axis.places]).sum())
    if missing:
        notes.append(f"{count(missing, 'missing value')} of {table.values[:, axis.places].size:,}.")
    return table


def _refuse_nameless(cells: Cells, place: int, names: Sequence[str]) -> None:
    if "" in names:
        raise DataError(
            f"{cells.subject(place)}, row {cells.rows[names.index('')]}: the name of the series is missing. Fill it in."
        )


def _needed(need_rows: Need, series: int) -> int:
    return need_rows if isinstance(need_rows, int) else need_rows(series)


def _refuse_short(path: Path, steps: int, step: str, need_rows: int, name: str) -> None:
    if steps < need_rows:
        whose = f"series {quote(name)} has" if name else "has"
        length = count(steps, step) if not step[0].isdigit() else f"{count(steps, 'step')} of {step}"
        raise DataError(
            f"{path}: {whose} {length}; at least {need_rows:,} rows are needed for this window and horizon. "
            "Give more rows, or make the window or the horizon smaller."
        )


def _axis(stamps: Stamps, subject: str, where: Callable[[int], str]) -> Axis:
    """Lay distinct, sorted stamps on an axis; `where` says of a place what a message calls it."""
    try:
        return regular_axis(stamps)
    except IrregularError as error:
        stamp = str(stamps[error.place]).replace("T", " ").removesuffix(".000000")
        before = str(stamps[error.place - 1]).replace("T", " ").removesuffix(".000000")
        if error.too_far:
            reason = f"{stamp} lies too far after {before} to be a gap in steps of {error.step}. Is it a typing error?"
        else:
            reason = (
                f"{stamp} is not a whole number of steps from the others; the commonest step is {error.step}. "
                "Give one value per step, or correct that time."
            )
        raise DataError(f"{subject}, {where(error.place)}: {reason}") from None


def _read_long(cells: Cells, roles: Roles, need_rows: Need, notes: list[str]) -> SeriesTable:
    """Read one row per step, of one series or of several below each other."""
    if len(cells.records) < 2:
        _refuse_short(cells.path, len(cells.records), "row", max(2, _needed(need_rows, 1)), "")
    names, series = [cells.header[roles.value] or "values"], np.zeros(len(cells.records), dtype=np.int64)
    if roles.name is not None:
        written = [name.strip() for name in cells.column(roles.name)]
        _refuse_nameless(cells, roles.name, written)
        codes, unique = pd.factorize(np.array(written, dtype=object))
        names, series = unique.tolist(), codes.astype(np.int64)
    stamps, step = _stamps(cells, roles, notes)
    values = without_negative(read_numbers(cells, [roles.value], notes), notes)[:, 0]
    missing = int(np.isnan(values).sum())
    rows = sort_rows(cells.path, names, Rows(series, stamps, values, np.array(cells.rows), stamps[:0]), notes)
    distinct, at = np.unique(rows.stamps, return_index=True)
    if len(distinct) < 2:
        raise DataError(f"{cells.path}: all rows have the same time; a series over at least two steps was expected.")
    # Of several series the first row with a time stands for it in a message.
    subject = str(cells.path) if roles.time is None else cells.subject(roles.time)
    axis = _axis(distinct, subject, lambda place: f"row {rows.rows[at[place]]}")
    place = axis.places[np.searchsorted(distinct, rows.stamps)]
    given = np.zeros((len(names), len(axis.times)), dtype=bool)
    given[rows.series, place] = True
    steps = np.arange(len(axis.times))
    first, last = given.argmax(axis=1), steps[-1] - given[:, ::-1].argmax(axis=1)
    lengths = last - first + 1
    short = int(lengths.argmin())
    step = step or axis.step
    name = names[short] if len(names) > 1 else ""
    _refuse_short(cells.path, int(lengths[short]), step, max(2, _needed(need_rows, len(names))), name)
    grid = np.full(given.shape, np.nan)
    grid[rows.series, place] = rows.values
    unit = " ".join(cells.header[roles.value].casefold().split()) or "values"
    table = SeriesTable(tuple(names), grid, axis.times, step, unit)
    tell_clock_back(table, rows.doubled, notes)
    inside = (steps >= first[:, None]) & (steps <= last[:, None])
    tell_gaps(table, np.asarray(~given.any(axis=0)), int((inside & ~given).sum()), notes)
    if not inside.all():
        late = int((lengths < len(steps)).sum())
        notes.append(f"{late:,} of {len(names):,} series start later or end earlier than others: missing there.")
    if missing:
        notes.append(f"{count(missing, 'missing value')} of {len(values):,}.")
    return table


def _stamps(cells: Cells, roles: Roles, notes: list[str]) -> tuple[Stamps, str]:
    """Return (rows,) stamps, and what the header says of the length of counted steps."""
    if roles.time is None:
        return np.arange(len(cells.records), dtype=np.int64), ""
    if not are_whole_numbers(cells, roles.time):
        where = cells.rows
        return parse_times(
            cells.subject(roles.time), cells.column(roles.time), lambda at: f"row {where[at]}", notes
        ), ""
    stamps = read_numbers(cells, [roles.time], notes)[:, 0]
    unknown = np.isnan(stamps)
    if unknown.any():
        row = cells.rows[int(unknown.argmax())]
        raise DataError(f"{cells.subject(roles.time)}, row {row}: the number of the step is missing. Fill it in.")
    step = next((word for word in words(cells.header[roles.time]) if word in STEP_WORDS), "")
    notes.append(f"Steps are counted, not dated{f'; each is taken as one {step}' if step else ''}.")
    return stamps.astype(np.int64), step
