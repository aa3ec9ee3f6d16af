"""Messages with labels: read from a file, divided so that repeats stay together, or taken as they come to predict."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from practicals.common.console import say, warn
from practicals.common.data.csvtext import count, quote
from practicals.common.data.facts import Facts, tell_and_note
from practicals.common.data.fetch import Source
from practicals.common.data.message_files import (
    LONGEST_MESSAGE,
    LabelledTexts,
    cut_long,
    read_labelled,
    read_unlabelled,
)
from practicals.common.data.message_labels import find_classes, names_of
from practicals.common.data.message_samples import written_messages
from practicals.common.data.part import Part, chosen
from practicals.common.data.split import Integers, Split, stratified_fold, stratified_split
from practicals.common.data.tables import check_counts
from practicals.common.errors import ConfigError, DataError

_DIGIT = re.compile(r"\d")
_BEYOND_NUMBERS = re.compile(r"[^\d\s.,%+-]")
# Half of a character in UTF-16: no encoding knows it, but a command line may bring one.
_HALF = re.compile(r"[\ud800-\udfff]")

__all__ = [
    "LONGEST_MESSAGE",
    "Messages",
    "folded",
    "message_split",
    "messages_of",
    "messages_to_predict",
    "read_messages",
]


class Messages(Part):
    """Messages of one part, or to predict for.

    `messages[mask]`, `messages[5:9]`, `messages[[3, 1]]` and `messages[3]` give the chosen ones.
    """

    THINGS = "messages"

    def __init__(
        self,
        texts: Sequence[str],
        *,
        labels: Integers,
        classes: tuple[str, ...],
        index: pd.Index | None = None,
    ) -> None:
        """Hold messages.

        Args:
            texts: (n,) the messages.
            labels: (n,) 0 or 1; -1 where unknown.
            classes: what is let through and what is looked for, such as ("ham", "spam"); empty when predicting.
            index: (n,) ids; 0, 1, 2, ... when left out.

        Raises:
            ValueError: the lengths differ.
        """
        self.texts = np.empty(len(texts), object)
        self.texts[:] = texts
        self.labels = np.asarray(labels, dtype=np.int64)
        self.classes = classes
        if len(self.labels) != len(self.texts):
            raise ValueError("texts and labels must be equally many")
        self.index = pd.RangeIndex(len(self.texts)) if index is None else index

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        of = f" of {', '.join(self.classes)}" if self.classes else ""
        return f"<{count(len(self), 'message')}{of}>"

    def __getitem__(self, some: Any) -> Messages:
        """Return the messages that a mask, a slice or whole numbers choose, with their ids."""
        places = chosen(some)
        return Messages(self.texts[places], labels=self.labels[places], classes=self.classes, index=self.index[places])


def folded(text: str) -> str:
    """Return a message without regard to letter case, which digits stand in it, and white space.

    Messages that are equal then are repeats: one text sent to many, with another number or code in it.
    """
    return " ".join(_DIGIT.sub("0", text.lower()).split())


def read_messages(source: Source, *, text: str = "", target: str = "", positive: str = "") -> tuple[Messages, Facts]:
    """Read and check the messages of a source, and tell the user what was noted.

    Args:
        source: from `locate`.
        text: the column of messages in a table of the user's own; "" to find it by its name.
        target: its column of labels; "" to find it by its name.
        positive: the label that is looked for; "" for `spam`, or the rarer one where none is called so.

    Returns:
        All messages that have a label, in the order of the file, and the facts for the run folder.

    Raises:
        DataError: the file cannot be read without guessing, has not two labels, or is not what its card promises.
    """
    card = source.card
    notes: list[str] = []
    losses: list[str] = []
    if source.path is None:
        found = _sample(card.name)
    else:
        own = source.kind == "own"
        # The settings name columns of a user's file; those of the real one are known.
        found = read_labelled(source.path, text=text if own else "", target=target if own else "", notes=notes)
    _refuse_other_than_texts(found)
    names, known = names_of(found, notes, losses)
    if source.kind == "real":
        (column,) = card.target_counts
        check_counts(pd.DataFrame({column: [name for name in names if name]}), card)
    classes = find_classes(found, Counter(names[place] for place in known), positive, notes)
    texts, sentence = cut_long([found.texts[place] for place in known], [found.rows[place] for place in known])
    losses += [sentence] if sentence else []
    labels = np.array([classes.index(names[place]) for place in known], dtype=np.int64)
    messages = Messages(texts, labels=labels, classes=classes, index=pd.Index([found.rows[place] for place in known]))
    notes += _noteworthy(messages)
    facts = tell_and_note(
        source,
        sha256=found.sha256,
        rows=len(messages),
        things="messages",
        holds=f"{count(len(messages), 'message')}, {int(labels.sum()):,} of them {quote(classes[1])}",
        notes=notes,
        losses=losses,
    )
    return messages, facts


def _sample(card: str) -> LabelledTexts:
    texts, labels = written_messages()
    digest = hashlib.sha256("\n".join(map("\t".join, zip(labels, texts, strict=True))).encode()).hexdigest()
    rows = list(range(1, len(texts) + 1))
    return LabelledTexts(Path(f"{card} sample"), digest, texts, labels, rows, "the text", "the label")


def _refuse_other_than_texts(found: LabelledTexts) -> None:
    filled = [text for text in found.texts if text.strip()]
    if not filled:
        raise DataError(f"{found.where}: {found.text_named} is empty in every row; messages were expected.")
    if not any(map(_BEYOND_NUMBERS.search, filled)) and any(map(_DIGIT.search, filled)):
        raise DataError(
            f"{found.where}: {found.text_named} holds nothing but numbers, such as {quote(filled[0])}; messages were "
            "expected. Does the setting text name the right column?"
        )


def _noteworthy(messages: Messages) -> list[str]:
    """Return sentences on empty and repeated messages."""
    notes = []
    if empty := sum(not text.strip() for text in messages.texts):
        notes.append(f"Empty messages: {empty:,}; kept, since an empty message is a message.")
    keys = pd.Series([folded(text) for text in messages.texts])
    exact, repeats = int(pd.Series(messages.texts).duplicated().sum()), int(keys.duplicated().sum())
    if repeats:
        notes.append(
            f"Messages that repeat an earlier one exactly: {exact:,}; apart from letter case, numbers and white space: "
            f"{repeats:,}. Repeats stay in one part."
        )
    mixed = pd.Series(messages.labels).groupby(keys).transform("nunique").to_numpy() > 1
    if mixed.any():
        first = keys[mixed].iloc[0]
        one, other = (messages.index[mixed & (keys == first) & (messages.labels == label)][0] for label in (0, 1))
        notes.append(
            f"Repeated messages that have both labels: {keys[mixed].nunique():,}, such as rows {one} and {other}; "
            "one of the two must be wrong."
        )
    return notes


def message_split(
    messages: Messages, facts: Facts, *, validation: float, test: float, seed: int, folds: int = 0, fold: int = 0
) -> Split[Messages]:
    """Divide messages into parts with the same share of both labels; repeats (see `folded`) are never parted.

    Args:
        messages: from `read_messages`.
        facts: from `read_messages`.
        validation: share of all messages.
        test: share of all messages; not used with folds.
        seed: the same seed gives the same parts, and the same folds whatever the validation part.
        folds: 0 to draw a test part of the size `test`; or 2 and more: every message is in the test part of exactly
            one fold.
        fold: which of the folds is the test part, counted from 0.

    Returns:
        The parts; they keep the ids of `messages`.

    Raises:
        ConfigError: there is no such fold, or nothing is left to learn from.
        DataError: a label has too few different messages to stand in every part.
    """
    if fold and not folds:
        raise ConfigError(f"split.fold={fold}: there are no folds to choose from. Give split.folds=5 too.")
    if folds and not 0 <= fold < folds:
        raise ConfigError(f"split.fold={fold}: with split.folds={folds} the folds are numbered 0 to {folds - 1}.")
    if folds == 1:
        raise ConfigError("split.folds=1: one fold would leave nothing to learn from. Give 2 or more, or 0 for none.")
    share = 1 / folds if folds else test
    if validation + share >= 1:
        raise ConfigError(
            f"split.validation={validation:g}: beside a test part of {share:.0%} nothing is left to learn."
        )
    frame = pd.DataFrame(
        {"label": np.array(messages.classes, object)[messages.labels], "folded": list(map(folded, messages.texts))}
    )
    _refuse_few(frame, messages.classes, facts.file, min(validation, share, 1 - validation - share))
    how: dict[str, Any] = {"target": "label", "validation": validation, "seed": seed, "same_content": ["folded"]}
    drawn = (
        stratified_fold(frame, **how, folds=folds, fold=fold, facts=facts)
        if folds
        else stratified_split(frame, **how, test=test, facts=facts)
    )
    return drawn.map(lambda part: messages[part.index.to_numpy()])


def _refuse_few(frame: pd.DataFrame, classes: Sequence[str], where: str, smallest_share: float) -> None:
    needed = max(2, math.ceil(1 / smallest_share - 1e-9))
    different = frame.groupby("label")["folded"].nunique()
    for name in classes:
        if (number := int(different.get(name, 0))) < needed:
            raise DataError(
                f"{where}: the label {quote(name)} has {count(number, 'different message')}; at least {needed} are "
                "needed to have one in every part. Add some, or enlarge the parts."
            )


def messages_to_predict(paths: Sequence[Path], column: str) -> Messages:
    """Read the messages of the user's files to predict for, in their order, and tell what was noted.

    Args:
        paths: tables (.csv, .tsv) or files with a message a line; "-" is standard input.
        column: the column of messages in a table that has it; otherwise a usual name or the only column is taken.

    Returns:
        The messages without labels. The id of each is its row in the file, counted from 1; with several files the
        file stands in front: "inbox.txt:3".

    Raises:
        DataError: no path was given, one was given twice, or a file cannot be read without guessing.
    """
    if not paths:
        raise DataError("predict: at least one file of messages was expected.")
    texts: list[str] = []
    names: list[Any] = []
    for place, path in enumerate(paths):
        if path in paths[:place]:
            raise DataError(f"{path}: was given twice. Give each file once.")
        notes: list[str] = []
        found, rows = read_unlabelled(path, column, notes)
        found, cut = cut_long(found, rows)
        where = "standard input" if str(path) == "-" else path
        for note in notes:
            say(f"{where}: {note}")
        if cut:
            warn(f"{where}: {cut}")
        texts += found
        names += rows if len(paths) == 1 else [f"{where}:{row}" for row in rows]
    return Messages(texts, labels=np.full(len(texts), -1), classes=(), index=pd.Index(names))


def messages_of(texts: Sequence[str]) -> Messages:
    """Return messages from the command line or a program: 0, 1, 2, ... are their ids, their labels are unknown."""
    whole = [_HALF.sub("\N{REPLACEMENT CHARACTER}", text) for text in texts]
    whole, cut = cut_long(whole, range(1, len(whole) + 1))
    if cut:
        warn(f"--text: {cut}")
    return Messages(whole, labels=np.full(len(whole), -1), classes=())
