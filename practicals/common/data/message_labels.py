"""The labels of messages: in one spelling, two of them, one of which is looked for."""

from __future__ import annotations

from collections import Counter

from practicals.common.data.csvtext import count, fold, quote
from practicals.common.data.message_files import LabelledTexts
from practicals.common.data.tables import MISSING_WORDS
from practicals.common.errors import DataError

LOOKED_FOR = "spam"
"""The label that is looked for where the user names none and the data has it."""
LABELS_NAMED = 10
"""So many labels are named where there are too many; the rest are counted."""


def names_of(found: LabelledTexts, notes: list[str], losses: list[str]) -> tuple[list[str], list[int]]:
    """Return the label of each message in its commonest spelling, "" where it is missing, and the places of the rest.

    Raises:
        DataError: there are not two labels.
    """
    keys = ["" if fold(label) in MISSING_WORDS else fold(label) for label in found.labels]
    known = [place for place, key in enumerate(keys) if key]
    if missing := len(keys) - len(known):
        first = found.rows[keys.index("")]
        losses.append(
            f"{count(missing, 'message')} left out, since {found.target_named} is missing there (first in row {first})."
        )
    spellings: dict[str, Counter[str]] = {}
    for place in known:
        spellings.setdefault(keys[place], Counter())[found.labels[place]] += 1
    if len(spellings) != 2:
        _refuse_labels(found, keys, {key: spelt.most_common(1)[0][0] for key, spelt in spellings.items()})
    for spelt in spellings.values():
        if len(spelt) > 1:
            (kept, _), *others = spelt.most_common()
            notes.append(f"{', '.join(quote(label) for label, _ in others)} taken as the label {quote(kept)}.")
    shown = {"": ""} | {key: spelt.most_common(1)[0][0] for key, spelt in spellings.items()}
    return [shown[key] for key in keys], known


def _refuse_labels(found: LabelledTexts, keys: list[str], shown: dict[str, str]) -> None:
    """Say that there are not two labels, and which there are, the commonest first."""
    counts = Counter(key for key in keys if key).most_common()
    if len(counts) < 2:
        is_what = f"is {quote(shown[counts[0][0]])} in every row" if counts else "is missing in every row"
        raise DataError(
            f"{found.where}: {found.target_named} {is_what}; messages of two labels were expected. "
            "Add messages of the other one."
        )
    listed = ", ".join(f"{quote(shown[key])} ({number:,})" for key, number in counts[:LABELS_NAMED])
    more = len(counts) - LABELS_NAMED
    third, _ = counts[2]
    raise DataError(
        f"{found.where}: {len(counts):,} different labels in {found.target_named}, two were expected: {listed}"
        f"{f' and {more:,} more' if more > 0 else ''}. Row {found.rows[keys.index(third)]} is the first of "
        f"{quote(shown[third])}. Does the setting target name the right column? If so, correct or remove the others."
    )


def find_classes(found: LabelledTexts, counts: Counter[str], positive: str, notes: list[str]) -> tuple[str, str]:
    """Return the label that is let through and the one that is looked for."""
    rarer, other = sorted(counts, key=lambda name: (counts[name], name != max(counts)))
    by_key = {fold(name): name for name in counts}
    wanted = positive or LOOKED_FOR
    if fold(wanted) in by_key:
        looked_for = by_key[fold(wanted)]
    elif positive:
        raise DataError(
            f"{found.where}: no message has the label {quote(positive)}, which the setting positive names; "
            f"{found.target_named} has {quote(other)} and {quote(rarer)}."
        )
    else:
        looked_for = rarer
        why = "the rarer label" if counts[rarer] < counts[other] else "the last of two equally common labels"
        notes.append(
            f"Looked for is {quote(rarer)} ({counts[rarer]:,}), {why}, among {quote(other)} ({counts[other]:,}); "
            "--set positive=LABEL chooses the other."
        )
    return (other, rarer) if looked_for == rarer else (rarer, other)
