"""A file that does not fit into memory is refused in one line; otherwise the system may end the process without one."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from practicals.common.errors import DataError

if TYPE_CHECKING:
    from practicals.common.data.fetch import Source

LEAST_NEED = 10
"""Memory that reading takes, in times the text: at least. Measured were 15 (messages) to 43 (series over time)."""

P = ParamSpec("P")
R = TypeVar("R")
Origin = TypeVar("Origin", bound="Path | Source")


def memory_bytes() -> int | None:
    """Return how much memory there is, or how much of it a container may use; None where the system does not say."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def largest_text() -> int:
    """Return how many bytes of text may be read: more would surely not fit into this machine's memory."""
    total = memory_bytes()
    return sys.maxsize if total is None else total // LEAST_NEED


def within_memory(read: Callable[Concatenate[Origin, P], R]) -> Callable[Concatenate[Origin, P], R]:
    """Let a reader of a file, which comes first, end in a `DataError` where the memory is not enough."""

    @functools.wraps(read)
    def reader(origin: Origin, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return read(origin, *args, **kwargs)
        except MemoryError:
            path = origin if isinstance(origin, Path) else origin.path or Path(f"{origin.card.name} sample")
        size = f" ({path.stat().st_size:,} bytes)" if path.is_file() else ""
        raise DataError(
            f"{path}: does not fit into memory{size}. Give a smaller file, close other programs, or take a machine "
            "with more memory."
        )

    return reader
