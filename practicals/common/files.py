"""Files that are either whole or not there: write to a temporary name, then rename. And what disks refuse."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DISK_ERRORS = {errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.ENAMETOOLONG}
"""What a user can mend: no room, no right to write, a name that is too long. Any other OSError is a bug."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` on success, remove it on any failure.

    Both names end alike, since Keras and Matplotlib choose the format by the ending.
    """
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # a failed write names no file, or the temporary one
        raise
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed process has left in a folder and those below it."""
    for path in folder.rglob(".*"):
        if re.fullmatch(r"\.[0-9a-f]{8}\..+", path.name) and path.is_file():
            path.unlink()


@contextmanager
def all_or_nothing(folder: Path, *parts: Path) -> Iterator[None]:
    """Let a block change files together: where it does not come to its end, be it by Ctrl-C, all are as they were.

    The block must write by rename, as `atomic_write` does: what was there is kept under a second name, not copied.

    Args:
        folder: where the second names are meanwhile.
        parts: files, and folders with all that is in them, below `folder`.
    """

    def files() -> set[Path]:
        inside = {path for part in parts for path in part.rglob("*") if path.is_file()}
        return inside | {part for part in parts if part.is_file()}

    with tempfile.TemporaryDirectory(prefix=".before-", dir=folder) as name:
        before = {path: Path(name) / str(number) for number, path in enumerate(files())}
        for path, kept in before.items():
            try:
                os.link(path, kept)
            except OSError:  # a file system without second names
                shutil.copy2(path, kept)
        try:
            yield
        except BaseException:
            for path in files() - before.keys():
                path.unlink(missing_ok=True)
            for path, kept in before.items():
                kept.replace(path)
            raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, with the same line ends on every system."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically. Numbers that are not finite are refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
