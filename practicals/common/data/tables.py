"""Read a CSV file as people have them, and refuse in one line what cannot be read without guessing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from practicals.common.data.cards import Card
from practicals.common.data.csvtext import DELIMITERS, count, find_delimiter, fold, parse_records, quote, read_text
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
    classes: tuple[int, ...]
    """The values that the target may have."""
    identifiers: tuple[str, ...] = ()
    """Columns that are kept as they stand when the file has them, and are not needed."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order in which `read_table` returns those that it found."""
        return (*self.identifiers, *self.numbers, *self.categories, self.target)


@dataclass(frozen=True)
class Table:
    """A table as read, and what the user should be told about the reading."""

    frame: pd.DataFrame
    """Numbers float64 (NaN = missing), categories text ("" = missing), identifiers text, target int64. The index is
    the row's number in the file less 2: the row below the header is 0 where a spreadsheet shows row 2."""
    notes: tuple[str, ...]
    """One sentence each, without the name of the file."""


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
    delimiter = find_delimiter(text, schema.columns)
    if delimiter != ",":
        notes.append(f"Columns are separated by {DELIMITERS[delimiter]}s.")
    header, records, index = parse_records(path, text, delimiter, notes)
    places = _match_columns(path, header, schema, need_target, notes)
    cells = pd.DataFrame(records, columns=range(len(header)), index=pd.Index(index), dtype=object)
    cells = cells[list(places.values())].set_axis(list(places), axis=1)
    frame = _convert(path, cells, schema, delimiter, notes)
    if need_target:
        frame = _with_target(path, frame, cells[schema.target], schema, notes)
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


def _match_columns(
    path: Path, header: list[str], schema: TableSchema, need_target: bool, notes: list[str]
) -> dict[str, int]:
    """Return column -> its place in the file, in the order of the schema."""
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
    if any((order := [places[name] for name in kind]) != sorted(order) for kind in (schema.numbers, schema.categories)):
        notes.append("Columns stand in another order than usual; they were matched by name.")
    return places


def _convert(path: Path, cells: pd.DataFrame, schema: TableSchema, delimiter: str, notes: list[str]) -> pd.DataFrame:
    """Return identifiers, numbers and categories in the types that `Table` promises."""
    stripped = {name: cells[name].str.strip() for name in (*schema.numbers, *schema.categories)}
    decimal_comma = delimiter == ";" and any(stripped[name].str.contains(",").any() for name in schema.numbers)
    if decimal_comma:
        notes.append("Numbers have decimal commas.")
    frame: dict[str, pd.Series] = {name: cells[name] for name in schema.identifiers if name in cells}
    problems: list[tuple[int, str]] = []
    for name in schema.numbers:
        frame[name], problem = _numbers(stripped[name], decimal_comma)
        if problem:
            problems.append((problem[0], f"column {quote(name)}, row {problem[0]}: {problem[1]}"))
    if problems:
        raise DataError(f"{path}: {min(problems, key=lambda problem: problem[0])[1]}")
    for name in schema.categories:
        missing = stripped[name].str.lower().isin(MISSING_WORDS)
        padded = int((stripped[name] != cells[name]).sum())
        if padded:
            notes.append(f"Column {quote(name)}: blanks removed around {count(padded, 'value')}.")
        frame[name] = stripped[name].mask(missing, "")
    texts = (*schema.identifiers, *schema.categories)
    return pd.DataFrame({name: column.astype(str) if name in texts else column for name, column in frame.items()})


def _numbers(text: pd.Series, decimal_comma: bool) -> tuple[pd.Series, tuple[int, str] | None]:
    """Return the column as float64 (NaN = missing), and the first bad row (as a spreadsheet counts) with a reason."""
    missing = text.str.lower().isin(MISSING_WORDS)
    values = pd.to_numeric(text.str.replace(",", ".", regex=False) if decimal_comma else text, errors="coerce")
    values = values.astype("float64")
    # Beside decimal commas a point groups thousands: 1.234 would be read as a thousandth of what is meant.
    not_a_number = (values.isna() | (text.str.contains(".", regex=False) if decimal_comma else False)) & ~missing
    too_large = values.abs() > LARGEST_NUMBER
    bad = not_a_number | too_large
    if not bad.any():
        return values, None
    row, cell = _first(bad, text)
    expected = "a number with a decimal comma" if decimal_comma else "a number"
    reason = "a finite number that fits into 32 bit" if too_large[row - 2] else expected
    advice = "Correct the cell, or leave it empty if the value is unknown."
    return values, (row, f"expected {reason}, found {quote(cell)}. {advice}")


def _first(bad: pd.Series, text: pd.Series) -> tuple[int, str]:
    """Return the row of the first bad cell, as a spreadsheet counts, and the cell."""
    place = int(bad.to_numpy().argmax())
    return int(text.index[place]) + 2, str(text.iloc[place])


def _with_target(
    path: Path, frame: pd.DataFrame, raw: pd.Series, schema: TableSchema, notes: list[str]
) -> pd.DataFrame:
    text = raw.str.strip()
    known = ~text.str.lower().isin(MISSING_WORDS)
    values = pd.to_numeric(text, errors="coerce")
    bad = known & ~values.isin(schema.classes)
    allowed = ", ".join(map(str, schema.classes))
    if bad.any():
        row, cell = _first(bad, text)
        raise DataError(
            f"{path}: column {quote(schema.target)}, row {row}: expected one of {allowed}, "
            f"found {quote(cell)}. Correct the cell, or leave it empty to leave the row out."
        )
    if not known.any():
        raise DataError(f"{path}: column {quote(schema.target)} is empty in every row; training needs it.")
    if not known.all():
        notes.append(f"{count(int((~known).sum()), 'row')} left out, since {quote(schema.target)} is missing there.")
    frame = frame[known].assign(**{schema.target: values[known].astype("int64")})
    if frame[schema.target].nunique() < 2:
        only = frame[schema.target].iloc[0]
        raise DataError(
            f"{path}: column {quote(schema.target)} is {only} in every row; training needs rows of each of {allowed}."
        )
    return frame


def _refuse_empty_columns(path: Path, frame: pd.DataFrame, schema: TableSchema) -> None:
    for name in (*schema.numbers, *schema.categories):
        if (frame[name].isna() | (frame[name] == "")).all():
            raise DataError(f"{path}: column {quote(name)} is empty in every row; training needs known values of it.")


def _count_missing_and_repeated(frame: pd.DataFrame, schema: TableSchema, notes: list[str]) -> None:
    for name in (*schema.numbers, *schema.categories):
        missing = int((frame[name].isna() | (frame[name] == "")).sum())
        if missing:
            notes.append(f"Column {quote(name)}: {count(missing, 'missing value')}, left to the model.")
    content = [name for name in (*schema.numbers, *schema.categories, schema.target) if name in frame]
    repeated = int(frame.duplicated(content).sum())
    if repeated:
        notes.append(f"{count(repeated, 'row')} with the same content as an earlier row.")
