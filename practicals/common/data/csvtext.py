"""The text of a CSV file: recognise its encoding and separator, take its records apart, point at what is broken."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from practicals.common.data.memory import largest_text
from practicals.common.errors import DataError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}

# First bytes of files that are often given where a CSV file is meant.
_SIGNATURES = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")  # what no text has; csv takes some for the end of a line


def read_text(path: Path, notes: list[str]) -> str:
    """Return the decoded text of a CSV file; what was recognised is added to `notes`.

    Raises:
        DataError: the file is missing, cannot be read, is empty or is not text.
    """
    return table_text(read_bytes(path), path, notes)


def table_text(raw: bytes, where: Path, notes: list[str], wanted: str = "a CSV file") -> str:
    """Return the text of a table; what was recognised is added to `notes`.

    Raises:
        DataError: it is a web page, empty or not text.
    """
    refuse_web_page(raw, where, wanted)
    text = decode(raw, where, notes, wanted)
    if _CONTROL.search(text):
        raise DataError(f"{where}: is not a text file; {wanted} was expected.")
    if not text.strip(" ,;\t\r\n"):
        raise DataError(f"{where}: is empty; {wanted} with a header and rows was expected.")
    return text


def read_bytes(path: Path, wanted: str = "a CSV file") -> bytes:
    """Return the content of a file.

    Raises:
        DataError: it is missing, a folder or a device, too large, or cannot be read; the message names what was
            `wanted`.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is a folder or a device; {wanted} was expected.")
        if (size := path.stat().st_size) > largest_text():
            raise DataError(
                f"{path}: holds {size:,} bytes; the memory of this machine is enough for about {largest_text():,} of "
                "such text. Give fewer rows, or take a machine with more memory."
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. Give the path of {wanted}.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Give a file that you may read.") from None


def refuse_web_page(raw: bytes, where: Path, wanted: str = "a CSV file") -> None:
    """Refuse what a browser saves in place of a file.

    Raises:
        DataError: the content begins like a web page.
    """
    if raw.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise DataError(f"{where}: is a web page, not {wanted}. Download the raw file instead.")


def decode(raw: bytes, where: Path, notes: list[str], wanted: str = "a CSV file") -> str:
    """Return the text that stands in `raw`; an encoding other than plain UTF-8 is added to `notes`.

    Args:
        raw: UTF-8 or UTF-16 with or without a byte-order mark, or else latin-1.
        where: the file, for messages.
        notes: what was recognised is added.
        wanted: what was expected, for messages.

    Raises:
        DataError: the content is that of a picture, an archive or a document, or begins like UTF-16 but is not.
    """
    advice = "Open it and save the table as CSV." if wanted == "a CSV file" else "Give text."
    for signature, kind in _SIGNATURES.items():
        if raw.startswith(signature):
            raise DataError(f"{where}: is {kind}, not {wanted}. {advice}")
    encoding, told = _encoding(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise DataError(f"{where}: begins like {told} but is not. Save it as text in UTF-8.") from None
        text, told = raw.decode("latin-1"), "latin-1"
    if told:
        notes.append(f"Read as {told}.")
    return text


def _encoding(raw: bytes) -> tuple[str, str]:
    """Return the codec to try, and what to tell the user about it."""
    if raw.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", "UTF-8 with a byte-order mark"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "UTF-16"
    # A header is mostly ASCII, so without a mark every second byte of UTF-16 is zero.
    if len(raw) > 3 and raw[1] == raw[3] == 0:
        return "utf-16-le", "UTF-16"
    if len(raw) > 3 and raw[0] == raw[2] == 0:
        return "utf-16-be", "UTF-16"
    return "utf-8", ""


def fold(name: str) -> str:
    """Return a column's name without regard to blanks around it and letter case."""
    return name.strip().casefold()


def first_cells(text: str, delimiter: str) -> list[str]:
    """Return the cells of the first line in which something stands."""
    start = re.search(r"[^ ,;\t\r\n]", text)
    if start is None:
        return []
    begin = max(text.rfind(end, 0, start.start()) for end in "\r\n") + 1
    line = re.compile(r"[^\r\n]*").match(text, begin)[0]  # type: ignore[index]
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:  # a monstrous cell is no header
        return [line]


def find_delimiter(text: str, wanted: Iterable[str], notes: list[str], *, plain: Callable[[str], str] = fold) -> str:
    """Return the delimiter with which the header holds most wanted names; of equals that which gives most columns.

    Args:
        text: content of the file.
        wanted: names of columns.
        notes: a delimiter other than the comma is added.
        plain: what two spellings of one name have in common.
    """
    names = {plain(name) for name in wanted}

    def hits(delimiter: str) -> tuple[int, int]:
        header = first_cells(text, delimiter)
        return len(names & {plain(name) for name in header}), len(header)

    found = max(DELIMITERS, key=hits)
    if found != ",":
        notes.append(f"Columns are separated by {DELIMITERS[found]}s.")
    return found


def parse_records(
    path: Path,
    text: str,
    delimiter: str,
    notes: list[str],
    *,
    longest: int | None = None,
    keep_empty: bool = False,
    quotes: bool = True,
) -> tuple[list[str], list[list[str]], list[int]]:
    """Take the records apart; blank ones are left out and counted in `notes`.

    Args:
        path: the file, for messages.
        text: its content.
        delimiter: what stands between cells.
        notes: what was left out is added.
        longest: most characters of a cell; None for the usual limit of 131,072.
        keep_empty: whether a record stays in of which all cells are there but empty, such as one in quotes.
        quotes: whether cells may stand in quotes; otherwise a quote is a character like any other.

    Returns:
        The header; the records, each as wide as the header; for each its row less 2, as `Table` counts.

    Raises:
        DataError: a record is wider or narrower than the header, repeats it or cannot be read; or there is none.
    """
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        strict=True,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
    )
    header: list[str] = []
    records: list[list[str]] = []
    index: list[int] = []
    is_named = False
    blank = row = 0
    usual_limit = csv.field_size_limit(longest or csv.field_size_limit())
    try:
        for row, record in enumerate(reader, start=1):
            is_blank = not any(map(str.strip, record))
            if is_blank and not (keep_empty and header and len(record) == len(header)):
                blank += bool(header)
            elif not header:
                header = record
                # Without a letter it is no header but a row like the others, which may come again.
                is_named = any(character.isalpha() for cell in header for character in cell)
            elif len(record) != len(header) or (is_named and _are_same(record, header)):
                raise _bad_record(path, row, record, header)
            else:
                records.append(record)
                index.append(row - 2)
    except csv.Error as error:
        raise DataError(f"{path}: row {row + 1} cannot be read ({error}). Is a quote in it not closed?") from None
    finally:
        csv.field_size_limit(usual_limit)
    if not records:
        raise DataError(f"{path}: has a header but no rows below it. At least one row was expected.")
    if blank:
        notes.append(f"{count(blank, 'blank row')} left out.")
    return header, records, index


def _are_same(record: list[str], header: list[str]) -> bool:
    # Their first cells are compared first: folding every cell would take most of the time.
    return fold(record[0]) == fold(header[0]) and list(map(fold, record)) == list(map(fold, header))


def _bad_record(path: Path, row: int, record: list[str], header: list[str]) -> DataError:
    if len(record) != len(header):
        return DataError(
            f"{path}: row {row} has {len(record)} fields, the header has {len(header)}. "
            "Correct that row; text that holds the separator must stand in quotes."
        )
    return DataError(
        f"{path}: row {row} repeats the header, so two tables were joined. Keep one of them; if row 1 is a row like "
        "the others, put the names of the columns above it."
    )


def count(number: int, noun: str) -> str:
    """Return "1 row", "2 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def quote(text: str) -> str:
    """Return a cell in quotes, on one line, short, with everything invisible written out."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def listed(names: Iterable[str], most: int = 12) -> str:
    """Return names in quotes, the first few of many, with how many more there are."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(map(quote, every[:most])) + more
