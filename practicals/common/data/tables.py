"""Read a CSV file as people have them, and refuse in one line what cannot be read without guessing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from practicals.common.data.cards import Card
from practicals.common.data.csvtext import count, find_delimiter, fold, parse_records, quote, read_text
from practicals.common.data.dates import read_dates
from practicals.common.data.memory import within_memory
from practicals.common.errors import DataError

MISSING_WORDS = ("", "na", "n/a", "#n/a", "nan", "null", "none", "<na>")
"""What stands for an unknown value, in any letter case."""
LARGEST_NUMBER = float(np.finfo(np.float32).max)
"""Networks compute in 32 bit, where anything larger is infinite."""


@dataclass(frozen=True)
class TableSchema:
    """The columns that a lesson needs."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    target: str
    classes: tuple[int, ...] | None = None
    """The values that the target may have; None for a target that is any number."""
    identifiers: tuple[str, ...] = ()
    """Columns that are kept as they stand when the file has them, and are not needed."""
    dates: tuple[str, ...] = ()
    """Columns of dates in any usual form."""
    day_first: tuple[str, ...] = ()
    """Those of `dates` in which 3/4/2014 is 3 April where the rows themselves do not show it."""

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that a prediction needs."""
        return (*self.numbers, *self.dates, *self.categories)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order in which `read_table` returns those that it found."""
        return (*self.identifiers, *self.features, self.target)


@dataclass(frozen=True)
class Table:
    """A table as read, and what the user should be told about the reading."""

    frame: pd.DataFrame
    """Numbers float64 (NaN = missing), dates float64 days since 1970-01-01 (NaN = missing), categories text ("" =
    missing), identifiers text, target int64 for classes and float64 for numbers. The index is the row's number in the
    file less 2: the row below the header is 0 where a spreadsheet shows row 2."""
    notes: tuple[str, ...]
    """One sentence each, without the name of the file."""


@within_memory
def read_table(path: Path, schema: TableSchema, *, need_target: bool) -> Table:
    """Read a CSV file of the user's.

    Args:
        path: the file: comma, semicolon or tab; UTF-8, UTF-16 or latin-1; decimal commas beside semicolons.
        schema: the columns to look for. Their order in the file, blanks around them and letter case do not matter.
        need_target: True to train: the target must be there, rows without it are left out and counted. False to
            predict: a target in the file is not looked at.

    Returns:
        The rows in the order of the file.

    Raises:
        DataError: names the file, the column, the first bad row as a spreadsheet counts it (the header is row 1)
            and what to do.
    """
    notes: list[str] = []
    text = read_text(path, notes)
    delimiter = find_delimiter(text, schema.columns, notes)
    header, records, index = parse_records(path, text, delimiter, notes)
    places = _match_columns(path, header, schema, need_target, notes)
    cells = pd.DataFrame(records, columns=range(len(header)), index=pd.Index(index), dtype=object)
    cells = cells[list(places.values())].set_axis(list(places), axis=1)
    decimal_comma = delimiter == ";" and _has_comma(cells, schema)
    if decimal_comma:
        notes.append("Numbers have decimal commas.")
    frame = _convert(path, cells, schema, decimal_comma, notes)
    if need_target:
        frame = _with_target(path, frame, cells[schema.target], schema, decimal_comma, notes)
        _refuse_empty_columns(path, frame, schema)
    _count_missing_and_repeated(frame, schema, notes)
    return Table(frame, tuple(notes))


def check_counts(frame: pd.DataFrame, card: Card) -> None:
    """Check that a table of verified real data has the rows that its card promises.

    Raises:
        DataError: the number of rows, or of rows with some target value, differs.
    """
    found = {"rows": len(frame)}
    expected = {"rows": card.rows}
    for column, counts in card.target_counts.items():
        for value, number in counts.items():
            expected[f"rows with {column} = {value}"] = number
            found[f"rows with {column} = {value}"] = int((frame[column].astype(str) == value).sum())
    for what, number in expected.items():
        if found[what] != number:
            raise DataError(
                f"{card.name}: expected {number:,} {what}, found {found[what]:,}. "
                f"Run `practicals data {card.name}` to fetch a good copy."
            )


def header_places(path: Path, header: list[str]) -> dict[str, int]:
    """Return folded name -> place of every column that has a name.

    Raises:
        DataError: two columns have one name.
    """
    at: dict[str, int] = {}
    for place, name in enumerate(header):
        folded = fold(name)
        if folded in at:
            raise DataError(
                f"{path}: column {quote(name)} stands twice, in place {at[folded] + 1} and {place + 1}. "
                "Remove or rename one."
            )
        if folded:
            at[folded] = place
    return at


def _match_columns(
    path: Path, header: list[str], schema: TableSchema, need_target: bool, notes: list[str]
) -> dict[str, int]:
    """Return column -> its place in the file, in the order of the schema."""
    at = header_places(path, header)
    columns = [name for name in schema.columns if need_target or name != schema.target]
    needed = [name for name in columns if name not in schema.identifiers]
    missing = [name for name in needed if fold(name) not in at]
    if missing:
        shown = ", ".join(quote(name) for name in header[:20]) + (", ..." if len(header) > 20 else "")
        raise DataError(
            f"{path}: column {quote(missing[0])} is missing"
            + (f", and {len(missing) - 1} more" if missing[1:] else "")
            + f". Expected {', '.join(needed)}; found {shown}."
        )
    places = {name: at[fold(name)] for name in columns if fold(name) in at}
    renamed = [f"{quote(header[place])} as {name}" for name, place in places.items() if header[place] != name]
    if renamed:
        notes.append(f"Headers matched without regard to blanks and letter case: {', '.join(renamed)}.")
    known = {fold(name) for name in schema.columns}
    extra = [name.strip() for name in header if fold(name) not in known]
    if extra:
        notes.append(f"{count(len(extra), 'column')} not used: {', '.join(map(quote, extra))}.")
    # Numbers and categories may alternate in a file, so only the order within each kind says something.
    kinds = (schema.numbers, schema.dates, schema.categories)
    if any((order := [places[name] for name in kind]) != sorted(order) for kind in kinds):
        notes.append("Columns stand in another order than usual; they were matched by name.")
    return places


def _has_comma(cells: pd.DataFrame, schema: TableSchema) -> bool:
    numeric = (*schema.numbers, *((schema.target,) if schema.classes is None else ()))
    return any(cells[name].str.contains(",").any() for name in numeric if name in cells)


def _convert(
    path: Path, cells: pd.DataFrame, schema: TableSchema, decimal_comma: bool, notes: list[str]
) -> pd.DataFrame:
    """Return identifiers, numbers, dates and categories in the types that `Table` promises."""
    stripped = {name: cells[name].str.strip() for name in schema.features}
    frame: dict[str, pd.Series] = {name: cells[name] for name in schema.identifiers if name in cells}
    problems: list[tuple[int, str]] = []
    for name in (*schema.numbers, *schema.dates):
        if name in schema.numbers:
            frame[name], problem = _numbers(stripped[name], decimal_comma)
        else:
            frame[name], problem, assumed = _dates(stripped[name], name in schema.day_first)
            if assumed:
                notes.append(
                    f"Column {quote(name)}: no row shows whether day or month stands first; read as {assumed}."
                )
        if problem:
            row, expectation = problem
            advice = "Correct the cell, or leave it empty if the value is unknown."
            problems.append((row, f"column {quote(name)}, row {row}: {expectation}. {advice}"))
    if problems:
        raise DataError(f"{path}: {min(problems, key=lambda problem: problem[0])[1]}")
    for name in schema.categories:
        padded = int((stripped[name] != cells[name]).sum())
        if padded:
            notes.append(f"Column {quote(name)}: blanks removed around {count(padded, 'value')}.")
        frame[name] = stripped[name].mask(missing(stripped[name]), "")
    texts = (*schema.identifiers, *schema.categories)
    return pd.DataFrame({name: column.astype(str) if name in texts else column for name, column in frame.items()})


def missing(text: pd.Series) -> pd.Series:
    """Return (rows,) bool: where a cell, without blanks around it, stands for an unknown value."""
    return text.str.lower().isin(MISSING_WORDS)


def _numbers(text: pd.Series, decimal_comma: bool) -> tuple[pd.Series, tuple[int, str] | None]:
    """Return the column as float64 (NaN = missing), and the first bad row (as a spreadsheet counts) with a reason."""
    values = pd.to_numeric(text.str.replace(",", ".", regex=False) if decimal_comma else text, errors="coerce")
    values = values.astype("float64")
    # Beside decimal commas a point groups thousands: 1.234 would be read as a thousandth of what is meant.
    not_a_number = values.isna() | (text.str.contains(".", regex=False) if decimal_comma else False)
    not_a_number &= ~missing(text)
    too_large = values.abs() > LARGEST_NUMBER
    bad = not_a_number | too_large
    if not bad.any():
        return values, None
    row, cell = _first(bad, text)
    expected = "a number with a decimal comma" if decimal_comma else "a number"
    reason = "a finite number that fits into 32 bit" if too_large[row - 2] else expected
    return values, (row, f"expected {reason}, found {quote(cell)}")


def _dates(text: pd.Series, day_first: bool) -> tuple[pd.Series, tuple[int, str] | None, str]:
    """Return the column as days since 1970-01-01 (NaN = missing), the first bad row with a reason, and the form in
    which an undecided day and month were read (empty where nothing was undecided)."""
    known = ~missing(text)
    read = read_dates(text[known], day_first=day_first or None)
    found = [np.nan if value is None else value for value in read.days]
    days = pd.Series(found, index=text.index[known], dtype="float64").reindex(text.index)
    bad = known & days.isna()
    form = "day/month/year" if read.assumed_day_first else "month/day/year"
    if not bad.any():
        return days, None, form if read.ambiguous else ""
    row, cell = _first(bad, text)
    order = f" or {form}, as in other rows" if read.day_first is not None else " or 10/13/2014"
    return days, (row, f"expected a date such as 2014-10-13{order}, found {quote(cell)}"), ""


def _first(bad: pd.Series, text: pd.Series) -> tuple[int, str]:
    """Return the row of the first bad cell, as a spreadsheet counts, and the cell."""
    place = int(bad.to_numpy().argmax())
    return int(text.index[place]) + 2, str(text.iloc[place])


def _with_target(
    path: Path, frame: pd.DataFrame, raw: pd.Series, schema: TableSchema, decimal_comma: bool, notes: list[str]
) -> pd.DataFrame:
    """Return the rows whose target is known, with it."""
    text = raw.str.strip()
    known = ~missing(text)
    values, problem = _target(text, known, schema.classes, decimal_comma)
    if problem:
        row, expectation = problem
        raise DataError(
            f"{path}: column {quote(schema.target)}, row {row}: {expectation}. "
            "Correct the cell, or leave it empty to leave the row out."
        )
    if not known.any():
        raise DataError(f"{path}: column {quote(schema.target)} is empty in every row; training needs it.")
    if not known.all():
        notes.append(f"{count(int((~known).sum()), 'row')} left out, since {quote(schema.target)} is missing there.")
    frame = frame[known].assign(
        **{schema.target: values[known].astype("float64" if schema.classes is None else "int64")}
    )
    if frame[schema.target].nunique() < 2:
        only = text[known].iloc[0] if schema.classes is None else frame[schema.target].iloc[0]
        wanted = "different values" if schema.classes is None else f"each of {', '.join(map(str, schema.classes))}"
        raise DataError(
            f"{path}: column {quote(schema.target)} is {only} in every row; training needs rows of {wanted}."
        )
    return frame


def _target(
    text: pd.Series, known: pd.Series, classes: tuple[int, ...] | None, decimal_comma: bool
) -> tuple[pd.Series, tuple[int, str] | None]:
    """Return the target's values and, as `_numbers` does, the first bad row with a reason."""
    if classes is None:
        return _numbers(text, decimal_comma)
    values = pd.to_numeric(text, errors="coerce")
    bad = known & ~values.isin(classes)
    if not bad.any():
        return values, None
    row, cell = _first(bad, text)
    return values, (row, f"expected one of {', '.join(map(str, classes))}, found {quote(cell)}")


def _refuse_empty_columns(path: Path, frame: pd.DataFrame, schema: TableSchema) -> None:
    for name in schema.features:
        if (frame[name].isna() | (frame[name] == "")).all():
            raise DataError(f"{path}: column {quote(name)} is empty in every row; training needs known values of it.")


def _count_missing_and_repeated(frame: pd.DataFrame, schema: TableSchema, notes: list[str]) -> None:
    for name in schema.features:
        unknown = int((frame[name].isna() | (frame[name] == "")).sum())
        if unknown:
            notes.append(f"Column {quote(name)}: {count(unknown, 'missing value')}, left to the model.")
    content = [name for name in (*schema.features, schema.target) if name in frame]
    repeated = int(frame.duplicated(content).sum())
    if repeated:
        notes.append(f"{count(repeated, 'row')} with the same content as an earlier row.")
