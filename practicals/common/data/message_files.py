"""Messages in files as people have them: labelled lines, tables, archives of one of these, a message a line."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from practicals.common.data.archives import read_member
from practicals.common.data.csvtext import count, decode, fold, listed, quote, read_bytes, refuse_web_page
from practicals.common.data.memory import within_memory
from practicals.common.data.message_tables import (
    find_column,
    has_known_header,
    lines_of,
    read_message_table,
    texts_of,
    unlabelled_table,
)
from practicals.common.errors import DataError

LONGEST_MESSAGE = 10_000
"""Characters of a message that are read; a longer one is cut there, and counted."""

_WANTED = "a file of messages"
_LARGEST = 500_000_000  # bytes that a member of an archive may unpack to
_LONGEST_LABEL = 40  # characters in front of a tab that may be a label
_PLAIN_TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class LabelledTexts:
    """Messages and labels of a file, as they stand there."""

    where: Path
    """The file, inside an archive with the archive's path in front."""
    sha256: str
    """Of that file."""
    texts: list[str]
    labels: list[str]
    """Without blanks around them."""
    rows: list[int]
    """The row of each, counted from 1: lines as an editor shows them, records of a table as a spreadsheet does."""
    text_named: str
    """What messages call the texts: "column 'v2'"."""
    target_named: str


@within_memory
def read_labelled(path: Path, *, text: str, target: str, notes: list[str]) -> LabelledTexts:
    """Read a file of messages with their labels; what was recognised is added to `notes`.

    Args:
        path: lines `label TAB text` without a header, as UCI publishes them, in which quotes are ordinary characters;
            or a table with a header, separated by commas, semicolons or tabs; or a zip archive of one of these.
        text: the table's column of messages, without regard to letter case and blanks; "" to find it by its name.
        target: its column of labels, likewise.
        notes: what was recognised, and how many rows are blank, is added.

    Raises:
        DataError: names the file, the row or column, and what to do.
    """
    where, raw = _load(path)
    refuse_web_page(raw, where, _WANTED)
    content = _decode(raw, where, notes)
    if not content.strip(" ,;\t\r\n"):
        raise DataError(f"{where}: is empty; labelled messages were expected.")
    digest = hashlib.sha256(raw).hexdigest()
    lines = lines_of(content)
    if not text and not target and not has_known_header(content) and _is_mostly_labelled(lines):
        labels, texts, rows = _labelled_lines(where, lines, notes)
        return LabelledTexts(where, digest, texts, labels, rows, "the text behind the tab", "the label")
    table = read_message_table(where, content, (text, target), notes)
    try:
        at_text = find_column(where, table, "text", text)
        at_target = find_column(where, table, "target", target)
    except DataError as error:
        if _is_mostly_labelled(lines):
            hint = " If its lines are `label TAB text` without a header, leave out the settings text and target."
            raise DataError(f"{error}{hint}") from None
        raise
    if at_text == at_target:
        raise DataError(
            f"{where}: column {quote(table.header[at_text])} is named as the text and as the target. "
            "Name two different columns."
        )
    texts, joined = texts_of(table, at_text)
    text_named, target_named = (f"column {quote(table.header[at].strip())}" for at in (at_text, at_target))
    notes.append(f"Messages from {text_named}, labels from {target_named}.")
    if joined:
        notes.append(
            f"{count(joined, 'message')} had run over into columns without a name, and "
            f"{'was' if joined == 1 else 'were'} put together again."
        )
    used = {fold(table.header[at_text]), fold(table.header[at_target])}
    if unused := [name.strip() for name in table.named if fold(name) not in used]:
        notes.append(f"{count(len(unused), 'column')} not used: {listed(unused)}.")
    labels = [record[at_target].strip() for record in table.records]
    return LabelledTexts(where, digest, texts, labels, table.rows, text_named, target_named)


@within_memory
def read_unlabelled(path: Path, column: str, notes: list[str]) -> tuple[list[str], list[int]]:
    """Read the messages of a file to predict for; what was recognised is added to `notes`.

    Args:
        path: a table (.csv, .tsv), or a message a line, where a line may bring its label in front of a tab; "-" is
            standard input. A blank line between others is an empty message.
        column: the column of messages in a table that has it; otherwise it is found by a usual name, or the only one.
        notes: what was recognised is added.

    Returns:
        The messages, and the row of each as in `LabelledTexts`.

    Raises:
        DataError: names the file, the row or column, and what to do.
    """
    if str(path) == "-":
        where, raw = Path("standard input"), sys.stdin.buffer.read()
    else:
        where, raw = _load(path)
    if not raw:
        raise DataError(f"{where}: is empty; a message a line was expected.")
    content = _decode(raw, where, notes)
    lines = lines_of(content)
    is_table = where.suffix.lower() in _PLAIN_TABLES
    if is_table and (has_known_header(content, column, need_target=False) or not _is_all_labelled(lines)):
        refuse_web_page(raw, where, _WANTED)
        return unlabelled_table(where, content, column, notes)
    if _is_all_labelled(lines):
        notes.append("Labels in front of the messages are left aside.")
        _, texts, rows = _labelled_lines(where, lines, notes)
        return texts, rows
    return lines, list(range(1, len(lines) + 1))


def cut_long(texts: Sequence[str], rows: Sequence[int]) -> tuple[list[str], str]:
    """Return the messages, none longer than LONGEST_MESSAGE characters, and a sentence on what was cut, or ""."""
    long = [place for place, text in enumerate(texts) if len(text) > LONGEST_MESSAGE]
    if not long:
        return list(texts), ""
    longest = max(long, key=lambda place: len(texts[place]))
    sentence = (
        f"{count(len(long), 'message')} {'is' if len(long) == 1 else 'are'} cut after {LONGEST_MESSAGE:,} characters: "
        f"the longest, in row {rows[longest]}, has {len(texts[longest]):,}."
    )
    return [text[:LONGEST_MESSAGE] for text in texts], sentence


def _load(path: Path) -> tuple[Path, bytes]:
    """Return the content of a file, or of the one file of messages in a zip archive, and its name for messages."""
    raw = read_bytes(path, _WANTED)
    if not raw.startswith(b"PK\x03\x04"):
        return path, raw
    name, raw = read_member(path, lambda names: _choose_member(path, names), _LARGEST)
    return path / name, raw


def _choose_member(path: Path, names: list[str]) -> str:
    stems = {name: PurePosixPath(name) for name in names}
    collection = [name for name, one in stems.items() if one.stem.casefold() == "smsspamcollection"]
    others = [
        name
        for name, one in stems.items()
        if one.suffix.lower() in (*_PLAIN_TABLES, ".txt") and not one.stem.casefold().startswith("readme")
    ]
    found = collection or others
    if len(found) != 1:
        holds = f"holds {count(len(found), 'file')} of messages" if found else "holds no .csv, .tsv or .txt file"
        raise DataError(f"{path}: is an archive that {holds}; one was expected. Unpack it and give the file.")
    return found[0]


def _decode(raw: bytes, where: Path, notes: list[str]) -> str:
    content = decode(raw, where, notes, _WANTED)
    if (place := content.find("\0")) >= 0:
        row = len(lines_of(content[:place] + "."))
        raise DataError(f"{where}: row {row} holds a NUL byte, which no text has. Remove it, or give a text file.")
    return content


def _labelled_lines(where: Path, lines: Sequence[str], notes: list[str]) -> tuple[list[str], list[str], list[int]]:
    labels, texts, rows = [], [], []
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        label, tab, text = line.partition("\t")
        if not tab:
            raise DataError(
                f"{where}: row {row} has no tab: expected `label TAB text` as in the other rows, found {quote(line)}. "
                "Correct or remove that row."
            )
        labels.append(label.strip())
        texts.append(text)
        rows.append(row)
    if blank := len(lines) - len(rows):
        notes.append(f"{count(blank, 'blank row')} left out.")
    return labels, texts, rows


def _is_mostly_labelled(lines: Sequence[str]) -> bool:
    filled = [line for line in lines if line.strip()]
    return 2 * sum(0 <= line.find("\t") <= _LONGEST_LABEL for line in filled) >= len(filled) > 0


def _is_all_labelled(lines: Sequence[str]) -> bool:
    """Tell whether lines to predict for have labels: the same one or two words again and again in front of a tab."""
    filled = [line for line in lines if line.strip()]
    if not filled or any("\t" not in line for line in filled):
        return False
    labels = {fold(line.partition("\t")[0]) for line in filled}
    return labels <= {"ham", "spam"} or (len(labels) <= 2 and len(filled) > 2 * len(labels))
