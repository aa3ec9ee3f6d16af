"""Errors that the user can mend: each ends in one line on stderr and exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from practicals.common.console import harmless


class PracticalError(Exception):
    """Base of all errors that the user can mend. One line: what, where, what was expected, what to do."""

    def __str__(self) -> str:
        """Return the message on one line, whatever a file name or a cell brought into it.

        What is not printable could steer the terminal, so "?" stands for it; bytes that are no text stay as they are.
        """
        return harmless(" ".join(super().__str__().split()))


class DataError(PracticalError):
    """A data set or a file of the user's is missing, damaged or not of the expected form."""


class ConfigError(PracticalError):
    """A setting is unknown, of the wrong type or out of range."""


class RunError(PracticalError):
    """A run folder, or a file in it, is missing, incomplete or cannot be written."""


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return " Did you mean 'epochs'?", or the known options when none is near. Begins with a blank."""
    known = sorted(options)
    folded = {option.lower(): option for option in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if near:
        return f" Did you mean '{folded[near[0]]}'?"
    return f" Known: {', '.join(known)}." if known else ""
