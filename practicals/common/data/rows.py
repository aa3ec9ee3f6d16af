"""The rows of a lesson's data set, wherever they come from, and what was noted on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from practicals.common.console import say
from practicals.common.data.csvtext import count, quote
from practicals.common.data.facts import Facts, facts_of
from practicals.common.data.fetch import Source
from practicals.common.data.samples import SAMPLES
from practicals.common.data.tables import TableSchema, check_counts, read_table


def read_rows(source: Source, schema: TableSchema) -> tuple[pd.DataFrame, Facts]:
    """Read and check the rows of a source, and tell the user what was noted.

    Args:
        source: from `locate`.
        schema: the columns that the lesson needs.

    Returns:
        The rows as `read_table` gives them, and the facts for the run folder.

    Raises:
        DataError: the file cannot be read without guessing, or is not what its card promises.
    """
    card = source.card
    if source.path is None:
        frame = SAMPLES[card.name]()
        digest = hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()
        say(f"{card.name}: built-in sample, {len(frame):,} generated rows; not the real data")
        return frame, facts_of(source, sha256=digest, rows=len(frame), notes=())
    table = read_table(source.path, schema, need_target=True)
    if source.kind == "real":
        check_counts(table.frame, card)
    facts = facts_of(source, sha256=source.sha256 or "", rows=len(table.frame), notes=table.notes)
    whose = f"{card.name}: real data" if source.kind == "real" else f"{source.path.name}: your own file"
    say(f"{whose}, {len(table.frame):,} rows")
    _tell(source.path, table.notes)
    return table.frame, facts


def read_files(paths: Sequence[Path], schema: TableSchema, known: dict[str, set[str]]) -> pd.DataFrame:
    """Read the user's files to predict for, one below the other, and tell what was noted.

    Args:
        paths: the files.
        schema: the columns that the lesson needs; the target is not.
        known: category column -> values of the training rows; others are counted.

    Returns:
        Raw rows with their identifiers, numbered from 0.

    Raises:
        DataError: a file cannot be read without guessing.
    """
    frames = []
    for path in paths:
        table = read_table(path, schema, need_target=False)
        _tell(path, (*table.notes, *_count_unknown(table.frame, known)))
        frames.append(table.frame)
    return pd.concat(frames, ignore_index=True)


def _count_unknown(frame: pd.DataFrame, known: dict[str, set[str]]) -> tuple[str, ...]:
    """Return a sentence per category column about values that no training row had.

    Args:
        frame: raw rows.
        known: column -> values of the training rows.
    """
    notes = []
    for column, values in known.items():
        strange = frame[column][~frame[column].isin(values | {""})]
        if len(strange):
            examples = ", ".join(map(quote, sorted(set(strange))[:3]))
            rows = count(len(strange), "row")
            notes.append(f"{rows} with an unknown {column} ({examples}): handled as none of the known.")
    return tuple(notes)


def _tell(path: Path, notes: tuple[str, ...]) -> None:
    """Tell the user what was noted on reading a file."""
    for note in notes:
        say(f"{path}: {note}")
