"""The parts of a window that an explanation speaks of: "last hour", "13-24 hours ago", "2 days ago"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_BLOCKS = {("hour", 24): "day", ("day", 7): "week", ("week", 52): "year", ("month", 12): "year", ("quarter", 4): "year"}
_MINUTES = {60: "hour", 24 * 60: "day", 7 * 24 * 60: "week"}
WHOLE_BLOCKS = 8
"""So many blocks, counted back from the forecast, are parts of their own; before that they are put together."""


@dataclass(frozen=True)
class Parts:
    """A window cut into named parts that cover every step of it exactly once.

    Raises:
        ValueError: a step belongs to no part or to several, or there is not one name per part.
    """

    title: str
    """What the parts are, after the method's name: "by hour"."""
    steps: str
    """What the window counts, in the plural: `hours`."""
    window: int
    names: tuple[str, ...]
    """Nearest part first."""
    lags: tuple[tuple[int, int], ...]
    """Nearest and farthest lag of each part, both included; lag 1 is the last known step."""

    def __post_init__(self) -> None:
        covered = sorted(lag for near, far in self.lags for lag in range(near, far + 1))
        if covered != list(range(1, self.window + 1)) or len(set(self.names)) != len(self.lags):
            raise ValueError(f"parts must cover lags 1..{self.window} once each, under one name each: {self.lags}")

    def places(self) -> tuple[tuple[int, int], ...]:
        """Return each part's first place and the one after its last, counted from the oldest step of the window."""
        return tuple((self.window - far, self.window - near + 1) for near, far in self.lags)

    def part_of_place(self) -> npt.NDArray[np.int64]:
        """Return the number of the part that each place of the window belongs to, (window,), oldest step first."""
        found = np.empty(self.window, np.int64)
        for part, (start, stop) in enumerate(self.places()):
            found[start:stop] = part
        return found


def parts_by_step(window: int, horizon: int, seasons: Sequence[int], step: str) -> Parts:
    """Cut the last block (the smallest season, such as a day of 24 hours) finely and leave each earlier block whole.

    Up to eight steps of the last block are parts of their own; a longer block is cut where the distance doubles: the
    last hour, 2-3 hours ago, 4-6, 7-12, 13-24. Where less than a block is forecast, the same steps a season ago (the
    same hour yesterday, the same hour last week) are a part of their own.

    Args:
        window: steps of the window.
        horizon: steps that are forecast.
        seasons: lengths of the seasons in steps, such as 24 and 168.
        step: `hour`, `day`, `15 minutes`, ...
    """
    block = min(seasons)
    cuts = set(range(1, block)) if block <= 8 else {far for far in _doubling(block) if far < block}
    cuts |= _whole(window, block)
    if horizon < block:
        cuts |= {lag for season in seasons if season <= window for lag in (season - horizon, season)}
    return _parts("by " + _length(1, step), window, cuts, block, step)


def parts_by_block(window: int, seasons: Sequence[int], step: str) -> Parts | None:
    """Cut the window into whole blocks (the smallest season, such as a day of 24 hours); None if it has only one.

    Args:
        window: steps of the window.
        seasons: lengths of the seasons in steps.
        step: `hour`, `day`, `15 minutes`, ...
    """
    block = min(seasons)
    if block == 1 or block >= window:
        return None
    title = "by " + (block_name(step, block) or _length(block, step))
    return _parts(title, window, _whole(window, block), block, step)


def block_name(step: str, block: int) -> str | None:
    """Return what `block` steps are called, such as "day" for 24 steps of an hour; None if they have no name."""
    minutes = re.fullmatch(r"(?:(\d+) )?minutes?", step)
    if minutes:
        return _MINUTES.get(int(minutes[1] or 1) * block)
    return _BLOCKS.get((step, block))


def plural(step: str) -> str:
    """Return "hours" for "hour"; "15 minutes" stays."""
    return step if step.endswith("s") else f"{step}s"


def _parts(title: str, window: int, cuts: set[int], block: int, step: str) -> Parts:
    ends = sorted({cut for cut in cuts if 0 < cut < window} | {window})
    lags = tuple(zip([1, *(end + 1 for end in ends[:-1])], ends, strict=True))
    return Parts(title, plural(step), window, tuple(_name(near, far, block, step) for near, far in lags), lags)


def _doubling(limit: int) -> list[int]:
    """1, 3, 6, 12, 24, ...: the distances at which a part ends."""
    found = [1, 3]
    while found[-1] < limit:
        found.append(2 * found[-1])
    return found


def _whole(window: int, block: int) -> set[int]:
    """The lags at which whole blocks end: eight single ones, then as many more as there were before."""
    blocks, ends = WHOLE_BLOCKS, {block * number for number in range(1, WHOLE_BLOCKS + 1)}
    while block * blocks < window:
        blocks *= 2
        ends.add(block * blocks)
    return ends


def _name(near: int, far: int, block: int, step: str) -> str:
    name = block_name(step, block)
    if name and block > 1 and (near - 1) % block == 0 and far % block == 0:
        first, last = (near - 1) // block + 1, far // block
        return _ago(first, last, name)
    multiple = re.match(r"(\d+) (.*)", step)
    if multiple:
        return _ago((near - 1) * int(multiple[1]) + 1, far * int(multiple[1]), multiple[2].rstrip("s"))
    return _ago(near, far, step)


def _ago(near: int, far: int, unit: str) -> str:
    if near == 1:
        return f"last {unit}" if far == 1 else f"last {far} {plural(unit)}"
    return f"{near} {plural(unit)} ago" if near == far else f"{near}-{far} {plural(unit)} ago"


def _length(count: int, step: str) -> str:
    multiple = re.match(r"(\d+) (.*)", step)
    if multiple:
        return f"{count * int(multiple[1])} {multiple[2]}"
    return step if count == 1 else f"{count} {plural(step)}"
