"""What the program says: results go to stdout, all else goes through here to stderr."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_quiet = False


def set_quiet(quiet: bool) -> None:
    """Silence `say`. Warnings and errors are still shown."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Tell whether `say` is silenced."""
    return _quiet


def harmless(text: str) -> str:
    """Return text in which nothing but a line's end can steer the terminal: "?" stands for what is not printable.

    Names and cells of the user's files are in what is said. Bytes of a name that are no text stay as they are.
    """

    def printable(one: str) -> str:
        if one.isprintable() or one == "\n" or "\ud800" <= one <= "\udfff":
            return one
        return " " if one.isspace() else "?"

    return text if text.isprintable() else "".join(map(printable, text))


def say(text: str) -> None:
    """Tell the user something on stderr, unless `--quiet` was given."""
    if not _quiet:
        warn(text)


def warn(text: str) -> None:
    """Tell the user something on stderr that `--quiet` must not hide: data left out, a source that failed."""
    print(harmless(text), file=sys.stderr, flush=True)


@contextmanager
def quiet_native_stderr() -> Iterator[None]:
    """Hold back what C++ libraries write straight to stderr; show it only when an error comes out of the block.

    TensorFlow's start-up notes are not governed by its log-level variable.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        original = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
