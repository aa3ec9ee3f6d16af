"""Say what the columns of a user's own table are: number, category, date, or of no use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from practicals.common.config import set_option
from practicals.common.data.csvtext import find_delimiter, fold, listed, parse_records, quote, read_text
from practicals.common.data.dates import read_dates
from practicals.common.data.memory import within_memory
from practicals.common.data.tables import TableSchema, header_places, missing
from practicals.common.errors import DataError, did_you_mean

Kind = Literal["number", "category", "date", "left out", "target"]

MOST_CATEGORIES = 50
"""A column with more different texts is no category, unless the user says so."""
LARGEST_CATEGORY = 1000
"""Even then, more different values are refused: the network would need a weight for each."""
MOSTLY = 0.9
"""Where at least this share of the known cells are numbers (or dates), the column is one, and the rest are mistakes."""

_ID_WORD = re.compile(r"(.*[_ .-])?(id|index|row|row ?id|row ?number|nr|no|key|uuid|unnamed: ?\d+)", re.IGNORECASE)
_ID_ENDING = re.compile(r".*[a-z](Id|ID|No|Nr)")
_KIND_OF: dict[str, Kind] = {"numbers": "number", "categories": "category", "dates": "date", "ignore": "left out"}


@dataclass(frozen=True)
class ColumnKind:
    """How one column of the file is used."""

    name: str
    kind: Kind
    why: str
    """A few words for the user, such as "12 different texts"."""


@within_memory
def infer_schema(
    path: Path,
    *,
    target: str | None,
    numbers: Sequence[str] = (),
    categories: Sequence[str] = (),
    dates: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> tuple[TableSchema, tuple[ColumnKind, ...]]:
    """Say what the columns of a user's CSV file are, for a target that is a number.

    The first rule that fits decides:

    1. what the user says by `numbers`, `categories`, `dates` and `ignore`;
    2. a column without a name, without a known value, or with one value in every row is left out;
    3. a column of dates is a date, also one of nothing but whole numbers such as 20141013;
    4. a column of numbers is a number; but whole numbers that count the rows from 0 or 1, or of which more than half
       differ under a name such as `id`, `index` or `row`, are left out, and so is a copy of the target;
    5. texts are a category, if at most MOST_CATEGORIES differ and fewer than half as many as are known;
    6. other texts are left out.

    Args:
        path: the file.
        target: the column to predict. Letter case and blanks around it do not matter, here and in the lists.
        numbers: columns that are numbers, whatever the rules say.
        categories: columns that are categories, such as numbers that are only names (a postal code).
        dates: columns that are dates.
        ignore: columns to leave out.

    Returns:
        The schema for `read_table`, with columns named `id` and the like as identifiers, and one entry per column of
        the file, in its order.

    Raises:
        DataError: no target, an unknown one, one that is text or is also named as a feature; an unknown column or one
            in two lists; a column in which a few cells are not like all others; no column to predict from.
    """
    text = read_text(path, [])
    delimiter = find_delimiter(text, [], [])
    header, records, index = parse_records(path, text, delimiter, [])
    at = header_places(path, header)
    names = {folded: header[place].strip() for folded, place in at.items()}
    if target is None or not target.strip():
        raise DataError(
            f"{path}: say which column to predict: --set target=COLUMN. Columns: {listed(names.values(), 30)}."
        )
    target = _find(path, "target", target, names)
    settings = {"numbers": numbers, "categories": categories, "dates": dates, "ignore": ignore}
    chosen = _chosen(path, target, names, settings)

    cells = pd.DataFrame(records, index=pd.Index(index), dtype=object)
    columns = {names[folded]: cells[place].str.strip() for folded, place in at.items()}
    truth = _target(path, target, columns, decimal_comma=delimiter == ";")
    kinds = []
    for place, title in enumerate(header):
        name = title.strip()
        if not name:
            kinds.append(ColumnKind(f"(column {place + 1})", "left out", "has no name"))
        elif name == target:
            kinds.append(ColumnKind(name, "target", "to be predicted"))
        elif name in chosen:
            kinds.append(_as_chosen(path, name, columns[name], chosen[name]))
        else:
            kinds.append(_infer(path, name, columns[name], truth, decimal_comma=delimiter == ";"))
    return _schema(path, target, kinds, chosen, columns), tuple(kinds)


def has_column(path: Path, name: str) -> bool:
    """Tell whether a file has a column of this name, without regard to letter case and blanks around it."""
    text = read_text(path, [])
    header, _, _ = parse_records(path, text, find_delimiter(text, [], []), [])
    return fold(name) in {fold(title) for title in header}


def describe(kinds: Sequence[ColumnKind]) -> tuple[str, ...]:
    """Return what is to be told to the user: a line per kind that there is, and how to correct it."""
    lines = []
    for kind, title in (("number", "numbers"), ("category", "categories"), ("date", "dates"), ("left out", "left out")):
        named = [one for one in kinds if one.kind == kind]
        # The reason says something new except for numbers, whose range would only fill the line.
        shown = [quote(one.name) + ("" if kind == "number" else f" ({one.why})") for one in named]
        if shown:
            lines.append(f"{title}: {', '.join(shown)}")
    settings = ", ".join(set_option(setting, ["COLUMN"]) for setting in _KIND_OF)
    return (*lines, f"correct this with {settings}")


def _find(path: Path, setting: str, name: str, names: dict[str, str]) -> str:
    """Return the column's name as in the header."""
    if fold(name) not in names:
        near = did_you_mean(name.strip(), names.values())
        raise DataError(f"{path}: {setting}: there is no column {quote(name)}.{near}")
    return names[fold(name)]


def _chosen(path: Path, target: str, names: dict[str, str], settings: dict[str, Sequence[str]]) -> dict[str, str]:
    """Return column -> the setting in which the user named it."""
    chosen: dict[str, str] = {}
    for setting, given in settings.items():
        for name in (_find(path, setting, one, names) for one in given):
            if name == target:
                raise DataError(
                    f"{path}: {setting}: {quote(name)} is the target, and a target that is also a feature would give "
                    "its own answer away. Take it out of one of the two settings."
                )
            if chosen.setdefault(name, setting) != setting:
                raise DataError(
                    f"{path}: column {quote(name)} is named in {chosen[name]} and in {setting}. Take it out of one."
                )
    return chosen


def _target(path: Path, target: str, columns: dict[str, pd.Series], *, decimal_comma: bool) -> pd.Series:
    """Return the target's numbers, NaN where it is missing."""
    cells = columns[target]
    known = ~missing(cells)
    if not known.any():
        raise DataError(f"{path}: column {quote(target)} is empty in every row; training needs it.")
    values = _numbers(cells, decimal_comma)
    bad = known & values.isna()
    if bad.any():
        row, cell = _first(bad, cells)
        known_cells = {name: column[~missing(column)] for name, column in columns.items() if name != target}
        others = [
            name
            for name, column in known_cells.items()
            if len(column) and _numbers(column, decimal_comma).notna().all()
        ]
        raise DataError(
            f"{path}: column {quote(target)}, row {row}: the target must be a number, found {quote(cell)}. Correct the "
            "cell, leave it empty to leave the row out, or name a column of numbers with --set target=COLUMN: "
            f"{listed(others) or 'this file has none'}."
        )
    return values


def _numbers(cells: pd.Series, decimal_comma: bool) -> pd.Series:
    """Return float64, NaN where a cell is no number; with decimal commas where the column has some and they may be."""
    if decimal_comma and cells.str.contains(",").any():
        cells = cells.mask(cells.str.contains(".", regex=False)).str.replace(",", ".", regex=False)
    return pd.to_numeric(cells, errors="coerce").astype("float64")


def _first(bad: pd.Series, cells: pd.Series) -> tuple[int, str]:
    """Return the row of the first bad cell, as a spreadsheet counts, and the cell."""
    place = int(bad.to_numpy().argmax())
    return int(cells.index[place]) + 2, str(cells.iloc[place])


def _as_chosen(path: Path, name: str, cells: pd.Series, setting: str) -> ColumnKind:
    if setting == "categories":
        different = cells[~missing(cells)].nunique()
        if different > LARGEST_CATEGORY:
            raise DataError(
                f"{path}: categories: column {quote(name)} has {different:,} different values, and a category may have "
                f"{LARGEST_CATEGORY:,}. Name it in numbers, dates or ignore instead."
            )
    return ColumnKind(name, _KIND_OF[setting], f"set by {setting}")


def _infer(path: Path, name: str, cells: pd.Series, truth: pd.Series, *, decimal_comma: bool) -> ColumnKind:
    """Apply rules 2 to 6 of `infer_schema` to one column.

    Args:
        path: the file, for messages.
        name: the column.
        cells: (rows,) text without blanks around it.
        truth: (rows,) the target, NaN where it is missing.
        decimal_comma: whether numbers may have decimal commas.
    """
    known = cells[~missing(cells)]
    different = known.nunique()
    if different < 2:
        empty = not different
        return ColumnKind(name, "left out", "empty" if empty else f"never anything but {quote(str(known.iloc[0]))}")
    values = _numbers(known, decimal_comma)
    if known.str.fullmatch(r"(19|20)\d{6}").all() or not values.notna().any():
        days = pd.Series(read_dates(known).days, index=known.index, dtype="float64")
        if _mostly(path, name, known, days, "a date"):
            return ColumnKind(name, "date", f"dates such as {known.iloc[0]}")
    if _mostly(path, name, known, values, "a number"):
        return _infer_number(name, values, truth)
    if _names_a_row(name) and different > len(known) / 2:
        return ColumnKind(name, "left out", "names a row")
    if different <= MOST_CATEGORIES and different < len(known) / 2:
        return ColumnKind(name, "category", f"{different} different texts")
    example = known[values.isna()].iloc[0]
    return ColumnKind(name, "left out", f"{different:,} different texts such as {quote(example)}: not a category")


def _mostly(path: Path, name: str, known: pd.Series, values: pd.Series, what: str) -> bool:
    """Return whether a column is of one kind; `values` is NaN where a cell is not.

    Raises:
        DataError: all but a few cells are.
    """
    bad = values.isna()
    if bad.any() and 1 - bad.mean() >= MOSTLY:
        row, cell = _first(bad, known)
        raise DataError(
            f"{path}: column {quote(name)}, row {row}: expected {what} as in the other rows, found {quote(cell)}. "
            "Correct the cell, leave it empty if the value is unknown, or say what the column is: "
            f"{set_option('categories', [name])} or {set_option('ignore', [name])}."
        )
    return not bad.any()


def _infer_number(name: str, values: pd.Series, truth: pd.Series) -> ColumnKind:
    if truth.loc[values.index].equals(values) and len(values) == len(truth):
        return ColumnKind(name, "left out", "a copy of the target")
    ordered = np.sort(values.to_numpy())
    if (values % 1 == 0).all():
        if len(ordered) > 2 and ordered[0] in (0, 1) and (np.diff(ordered) == 1).all():
            return ColumnKind(name, "left out", "counts the rows")
        if _names_a_row(name) and values.nunique() > len(values) / 2:
            return ColumnKind(name, "left out", "names a row")
    return ColumnKind(name, "number", f"numbers from {_short(ordered[0])} to {_short(ordered[-1])}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 and abs(value) < 1e9 else f"{value:g}"


def _names_a_row(name: str) -> bool:
    return bool(_ID_WORD.fullmatch(name) or _ID_ENDING.fullmatch(name))


def _schema(
    path: Path, target: str, kinds: list[ColumnKind], chosen: dict[str, str], columns: dict[str, pd.Series]
) -> TableSchema:
    by_kind = {kind: tuple(one.name for one in kinds if one.kind == kind) for kind in _KIND_OF.values()}
    left_out = [one for one in kinds if one.kind == "left out"]
    if len(left_out) == len(kinds) - 1:
        reasons = ", ".join(f"{quote(one.name)} ({one.why})" for one in left_out[:10])
        use = set_option("numbers", ["COLUMN"])
        raise DataError(
            f"{path}: nothing is left to predict {quote(target)} from: "
            + (f"{reasons} left out. Use a column with {use}" if left_out else "it is the only column")
            + "; at least one other column is needed."
        )
    day_first = [
        name for name in by_kind["date"] if read_dates(columns[name][~missing(columns[name])]).assumed_day_first
    ]
    return TableSchema(
        numbers=by_kind["number"],
        categories=by_kind["category"],
        target=target,
        identifiers=tuple(one.name for one in left_out if _names_a_row(one.name) and one.name not in chosen),
        dates=by_kind["date"],
        day_first=tuple(day_first),
    )
