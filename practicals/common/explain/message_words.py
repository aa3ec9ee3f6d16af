"""The words of a message as explainers need them: where they stand, and the message without some of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

MOST_PARTS = 60
"""A longer message is explained in parts of several words each. 5 % of the messages of SMSSpamCollection are longer."""

# What ends a word besides white space: signs, currencies, arrows, pictures. Named by ranges, since marks on letters
# (the vowels of Hindi, Arabic or Thai) are no letters to `re`, and zero-width characters must not cut a word in two.
_SIGNS = (
    r"!-&(-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u060c\u061b\u061f"
    r"\u0964\u0965\u200e-\u2018\u201a-\u205f\u2061-\u2bff\u3000-\u3003\u3008-\u3020\uff01-\uff0f\U0001f000-\U0001faff"
)
_EMOJI = r"[\u2600-\u27bf\U0001f000-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*"
# The lengths are those that addresses may have; without them, 10,000 characters of "a.a.a." take a second.
_ADDRESS = r"""
    (?:https?://|www\.)[^\s<>"]*[^\s<>"'.,;:!?)]
    | [\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+
    | \b\w[\w-]{0,62}(?:\.\w[\w-]{0,62}){0,5}\.(?:com|net|org|uk)\b(?:/[^\s<>"]*[\w/])?
"""
WORD = re.compile(
    rf"""
    (?P<address>{_ADDRESS})
    | &(?:[a-z]+|\#\d+);                                # &lt; and &amp;, as they stand in many a message
    | [£$€¥₹]?\d+(?:[.,:]\d+)*[^\s'’{_SIGNS}]*          # £1,000.50   150p   10:30am
    | [^\s'’{_SIGNS}]+(?:['’][^\s'’{_SIGNS}]+)*         # don't
    | [:;=8]['-]?[()DPp*|/\\]+(?!\w)                    # :-)
    | {_EMOJI}(?:\u200d{_EMOJI})*                       # one picture, of whatever colour
    | (\S)\2*                                           # any other sign, with its repeats: ...  !!!
    """,
    re.VERBOSE,
)
"""Finds every character that is not white space in exactly one word."""


@dataclass(frozen=True)
class Parts:
    """A message and the words, or runs of words, that an explanation tells apart."""

    text: str
    spans: tuple[tuple[int, int], ...]
    """First character and the one after the last of each part."""
    places: tuple[str, ...]
    """Which words of the message each part is, such as "3rd word"."""
    words: int
    """How many words the message has, signs included: as many as parts, or more."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Cut a message into its words; into at most `MOST_PARTS` runs of equally many where it has more."""
        words = [match.span() for match in WORD.finditer(text)]
        size = max(1, -(-len(words) // MOST_PARTS))
        spans, places, before = [], [], 0
        for i in range(0, len(words), size):
            part = words[i : i + size]
            count = sum(any(map(str.isalnum, text[start:stop])) for start, stop in part)
            spans.append((part[0][0], part[-1][1]))
            places.append(_place(before, count))
            before += count
        return cls(text, tuple(spans), tuple(places), len(words))

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def names(self) -> tuple[str, ...]:
        """The parts as they stand in the message."""
        return tuple(self.text[start:stop] for start, stop in self.spans)

    def shown(self, kept: npt.NDArray[np.bool_], others: Sequence[str] = ()) -> list[str]:
        """Return the message without some of its parts, once per row of `kept`.

        What is kept stands as it was, with all between. A part is taken out together with the white space behind it;
        where that would glue two words together, a space is put between them.

        Args:
            kept: (n, parts), what stays.
            others: one text per part, which takes the place of a part instead of nothing.
        """
        starts = [0, *(start for start, _ in self.spans[1:]), len(self.text)]
        pieces = [self.text[start:stop] for start, stop in pairwise(starts)]
        return [self._without(pieces, row, others) for row in kept.tolist()]

    def _without(self, pieces: Sequence[str], kept: Sequence[bool], others: Sequence[str]) -> str:
        if all(kept):
            return self.text
        found = ""
        for i, stays in enumerate(kept):
            piece = pieces[i] if stays else f"{others[i]} " if others else ""
            cut = i > 0 and not (stays and kept[i - 1])
            found += f" {piece}" if cut and piece and found and not found[-1].isspace() else piece
        return found


def general(word: str) -> str:
    """Return what a word has in common with its like in other messages: lower-case, each digit as #, any address."""
    match = WORD.fullmatch(word)
    return "(address)" if match and match["address"] else re.sub(r"\d", "#", word.lower())


def _place(before: int, count: int) -> str:
    if count == 0:
        return f"sign after the {_ordinal(before)} word" if before else "sign at the start"
    return f"{_ordinal(before + 1)} word" if count == 1 else f"words {before + 1} to {before + count}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
