"""Messages in tables: which column holds them, and what mistaken quotes have done to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from practicals.common.data.csvtext import find_delimiter, first_cells, fold, listed, parse_records, quote
from practicals.common.data.tables import header_places
from practicals.common.errors import DataError, did_you_mean

TEXT_NAMES = ("text", "message", "sms", "v2", "body", "content")
"""Headers that mean the message."""
TARGET_NAMES = ("label", "target", "class", "category", "v1", "spam")
"""Headers that mean the label."""
_ROLES = {"text": ("messages", TEXT_NAMES), "target": ("labels", TARGET_NAMES)}


@dataclass(frozen=True)
class MessageTable:
    """A table with all its columns."""

    header: list[str]
    records: list[list[str]]
    rows: list[int]
    """The row of each record as a spreadsheet counts."""
    delimiter: str

    @property
    def named(self) -> list[str]:
        """The columns that have a name."""
        return [name for name in self.header if not _is_unnamed(name)]


def lines_of(content: str) -> list[str]:
    """Return the lines; what else Python takes for the end of a line (U+0085, form feed) may stand in a message."""
    lines = content.replace("\r\n", "\n")
    if "\n" not in lines:
        lines = lines.replace("\r", "\n")
    return lines.removesuffix("\n").split("\n")


def has_known_header(content: str, column: str = "", *, need_target: bool = True) -> bool:
    """Tell whether row 1 names a column of messages, the given or a usual one, and where needed one of labels."""
    names = {fold(name) for name in first_cells(content, _delimiter(content, (column,), []))}
    has_text = bool(names & {*TEXT_NAMES, *([fold(column)] if column else [])})
    return has_text and (not need_target or bool(names & {*TARGET_NAMES}))


def _delimiter(content: str, wanted: Sequence[str], notes: list[str]) -> str:
    return find_delimiter(content, [*filter(None, wanted), *TEXT_NAMES, *TARGET_NAMES], notes)


def read_message_table(where: Path, content: str, wanted: Sequence[str], notes: list[str]) -> MessageTable:
    """Take a table apart; cells may be of any length.

    Args:
        where: the file, for messages.
        content: its text.
        wanted: names of columns that the user gave, "" for none.
        notes: what was recognised is added.

    Raises:
        DataError: a record cannot be read, two columns have one name, or there is no row.
    """
    delimiter = _delimiter(content, wanted, notes)
    quotes = delimiter != "\t" or not _has_loose_quotes(lines_of(content))
    if not quotes:
        notes.append("Quotes are taken as ordinary characters, since they do not enclose whole cells.")
    header, records, index = parse_records(
        where, content, delimiter, notes, longest=len(content), keep_empty=True, quotes=quotes
    )
    header_places(where, header)
    return MessageTable(header, records, [place + 2 for place in index], delimiter)


def _has_loose_quotes(lines: Sequence[str]) -> bool:
    """Tell whether a table separated by tabs has quotes that are part of the messages: `"Hi" she said`.

    Read as enclosing quotes they would join lines. They cannot be enclosing where every line has all columns and one
    cell begins with a quote that ends within it.
    """
    filled = [line for line in lines if line.strip()]
    if len({line.count("\t") for line in filled}) > 1:
        return False
    cells = (cell for line in filled if '"' in line for cell in line.split("\t"))
    return any(cell.startswith('"') and not re.fullmatch(r'"(?:[^"]|"")*"', cell) for cell in cells)


def _is_unnamed(name: str) -> bool:
    """Tell whether a column has no name, or the one that pandas writes for it."""
    return re.fullmatch(r"(unnamed: ?\d+)?", fold(name)) is not None


def find_column(where: Path, table: MessageTable, setting: str, wanted: str) -> int:
    """Return the place of the column that a setting names, or that has a usual name."""
    what, usual = _ROLES[setting]
    names = [fold(name) for name in table.header]
    if wanted:
        if fold(wanted) in names:
            return names.index(fold(wanted))
        raise DataError(
            f"{where}: column {quote(wanted)} is missing, which the setting {setting} names."
            f"{did_you_mean(wanted, [name.strip() for name in table.named])}"
        )
    found = [place for place, name in enumerate(names) if name in usual]
    if len(found) == 1:
        return found[0]
    problem = (
        f"several columns may hold the {what}: {listed([table.header[place] for place in found])}"
        if found
        else f"no column of {what} was recognised among {listed(table.named)}"
    )
    raise DataError(f"{where}: {problem}. Name it with --set {setting}=COLUMN.")


def texts_of(table: MessageTable, at: int) -> tuple[list[str], int]:
    """Return the cells of the column of messages, and how many had run over into columns without a name behind it.

    Where quotes were mistaken when a table was written, a separator in a message began a new column.
    """
    end = at + 1
    while end < len(table.header) and _is_unnamed(table.header[end]):
        end += 1
    texts, joined = [], 0
    for record in table.records:
        cells = record[at:end]
        while len(cells) > 1 and not cells[-1]:
            cells.pop()
        joined += len(cells) > 1
        texts.append(table.delimiter.join(cells))
    return texts, joined


def unlabelled_table(where: Path, content: str, column: str, notes: list[str]) -> tuple[list[str], list[int]]:
    """Return the messages of a table to predict for, and the row of each; see `read_unlabelled`."""
    table = read_message_table(where, content, (column,), notes)
    names = [fold(name) for name in table.header]
    if column and fold(column) in names:
        at = names.index(fold(column))
    elif len(table.named) == 1 and not set(names) & set(TEXT_NAMES):
        at = table.header.index(table.named[0])
        notes.append(f"Messages from column {quote(table.named[0])}, the only one.")
    elif set(names) & set(TEXT_NAMES):
        at = find_column(where, table, "text", "")
        notes.append(f"Messages from column {quote(table.header[at].strip())}.")
    else:
        expected = ", ".join(map(quote, dict.fromkeys([*([column] if column else []), *TEXT_NAMES])))
        raise DataError(
            f"{where}: no column of messages was found among {listed(table.named)}; expected one of {expected}. "
            "Rename the column."
        )
    return texts_of(table, at)[0], table.rows
