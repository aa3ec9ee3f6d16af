"""The cells of a CSV file of series, plain or packed by gzip, and the numbers in its columns."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.data.csvtext import (
    find_delimiter,
    first_cells,
    fold,
    listed,
    parse_records,
    quote,
    read_text,
    table_text,
)
from practicals.common.data.memory import largest_text
from practicals.common.data.tables import LARGEST_NUMBER, MISSING_WORDS, header_places
from practicals.common.data.timestamps import looks_like_time
from practicals.common.errors import DataError

Floats = np.ndarray[Any, np.dtype[np.float64]]


_LARGEST_TEXT = 2_000_000_000  # bytes that an archive may unpack to


@dataclass(frozen=True)
class Cells:
    """The cells of a file, and what is needed to point at one."""

    path: Path
    header: list[str]
    """Names of the columns, without blanks around them."""
    records: list[list[str]]
    """Each as wide as the header."""
    rows: list[int]
    """For each record its row as a spreadsheet counts: 2 is below the header."""
    decimal_commas: bool
    """Whether 1,5 may be one and a half: not where commas separate the columns."""

    def column(self, place: int) -> list[str]:
        """Return the cells of a column."""
        return [record[place] for record in self.records]

    def subject(self, place: int) -> str:
        """Return file and column, as messages begin."""
        return f"{self.path}: column {quote(self.header[place])}"

    def find(self, name: str, setting: str) -> int:
        """Return the place of a column that a setting names.

        Raises:
            DataError: the file has no such column.
        """
        for place, header in enumerate(self.header):
            if fold(header) == fold(name):
                return place
        raise DataError(
            f"{self.path}: column {quote(name)} is missing, which the setting {setting} names. Found {self.listed()}."
        )

    def listed(self, places: Sequence[int] | None = None) -> str:
        """Return names of columns for a message, not too many."""
        names = [self.header[place] for place in (range(len(self.header)) if places is None else places)]
        return listed(names)


def read_cells(path: Path, notes: list[str]) -> Cells:
    """Read a CSV file, plain or packed by gzip, into cells; what was recognised is added to `notes`.

    Raises:
        DataError: it is not a CSV file with a header and at least one row, or two columns have one name.
    """
    text = _read_text(path, notes)
    delimiter = find_delimiter(text, [], notes)
    # Before the records: of a file without a header, the first row may come again.
    first = [cell.strip() for cell in first_cells(text, delimiter)]
    if all(is_number(cell, delimiter != ",") or looks_like_time(cell) for cell in first):
        raise DataError(
            f"{path}: row 1 holds {quote(first[0])} where the names of the columns were expected. "
            "Add a header row, such as time,value."
        )
    header, records, index = parse_records(path, text, delimiter, notes)
    header = [name.strip() for name in header]
    header_places(path, header)
    return Cells(path, header, records, [place + 2 for place in index], delimiter != ",")


def _read_text(path: Path, notes: list[str]) -> str:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
    except OSError:
        packed = False  # read_text says what is wrong with the path
    if not packed:
        text = read_text(path, notes)
        if path.suffix == ".gz":
            notes.append("Not packed, though its name ends in .gz; read as it stands.")
        return text
    most = min(_LARGEST_TEXT, largest_text())
    try:
        with gzip.open(path) as unpacked:
            raw = unpacked.read(most + 1)
    except (OSError, EOFError, zlib.error):
        raise DataError(f"{path}: begins like a gzip archive but is damaged or cut off. Fetch it again.") from None
    if len(raw) > most:
        raise DataError(f"{path}: unpacks to more than {most:,} bytes. Give a smaller file.")
    return table_text(raw, path, notes)


def is_number(cell: str, decimal_comma: bool) -> bool:
    """Tell whether a cell is a number, with a decimal comma where that may be."""
    try:
        float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        return False
    return "_" not in cell


def read_numbers(cells: Cells, places: Sequence[int], notes: list[str]) -> Floats:
    """Return (rows, places) the numbers of columns; NaN = missing. Decimal commas are told in `notes`.

    Raises:
        DataError: a cell is text, infinite or too large for 32 bit; the first in the order of rows is named.
    """
    raw = np.array([[record[place] for place in places] for record in cells.records], dtype=object)
    text = pd.Series(raw.ravel())
    expected = "a number"
    if cells.decimal_commas and text.str.contains(",", regex=False).any():
        notes.append("Numbers have decimal commas.")
        expected = "a number with a decimal comma"
        # Beside decimal commas a point groups thousands: 1.234 would be read as a thousandth of what is meant.
        text = text.mask(text.str.contains(".", regex=False), "?").str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, copy=True)
    unread = np.flatnonzero(np.isnan(numbers))
    known = np.array([raw.ravel()[place].strip().lower() not in MISSING_WORDS for place in unread], dtype=bool)
    too_large = np.abs(numbers) > LARGEST_NUMBER
    bad = np.concatenate([unread[known], np.flatnonzero(too_large)])
    if len(bad):
        row, column = divmod(int(bad.min()), len(places))
        expected = "a finite number that fits into 32 bit" if too_large[bad.min()] else expected
        raise DataError(
            f"{cells.subject(places[column])}, row {cells.rows[row]}: expected {expected}, "
            f"found {quote(raw[row, column])}. Correct the cell, or leave it empty if the value is unknown."
        )
    return numbers.reshape(raw.shape)
