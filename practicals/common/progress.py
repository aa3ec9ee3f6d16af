"""Progress of long work on stderr: a bar on a terminal, a few plain lines in a log, nothing with `--quiet`."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Self

from practicals.common import console

SECONDS_BETWEEN_LINES = 3.0
SECONDS_WITHOUT_LINE = 60.0
SHARE_BETWEEN_LINES = 0.1
REFRESH_SECONDS = 0.1


class Progress:
    """Shows how far a piece of work is, with its latest numbers and the time left.

    Use it as a context manager, or call `close`. On a terminal it is one bar that is drawn again; elsewhere it is
    at most one line every three seconds, and then only after a tenth of the work or a minute, and always the last.

    Args:
        title: what is being done, such as "churn".
        total: how many units there are.
        unit: the name of one unit, such as "epoch", "trial" or "row".
        start: units that were done before, as when a run is resumed; they do not count for the time left.
        shown: how a number of units is written, such as bytes as "12.3 MB".
    """

    def __init__(
        self, title: str, total: int, *, unit: str = "", start: int = 0, shown: Callable[[int], str] = str
    ) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self._start = start
        self._done = start
        self._note = ""
        self._shown = shown
        self._began = monotonic()
        self._paced_from: tuple[float, int] | None = None
        self._line_at = self._began
        self._line_done = start
        self._drawn_at = float("-inf")
        self._bar: Any = None
        self._closed = console.is_quiet()
        if not self._closed and sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task(title, total=total, completed=start, text="")
            self._bar.start()
            _open.append(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count more units as done; `note` replaces the numbers shown beside the bar."""
        self.to(self._done + units, note)

    def to(self, done: int, note: str = "") -> None:
        """Set how many units are done in all."""
        self._done = done
        self._note = note or self._note
        if self._closed:
            return
        now = monotonic()
        if self._paced_from is None:
            self._paced_from = now, done
        if self._bar is not None:
            if now - self._drawn_at >= REFRESH_SECONDS or done >= self.total:
                self._draw(now)
        elif self._line_is_due(now):
            self._print(now)

    def close(self) -> None:
        """Show the last state and give the terminal back. Calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._bar is not None:
            self._draw(monotonic())
            self._bar.stop()
            _open.remove(self)
        elif self._line_done != self._done:
            self._print(monotonic())

    def seconds_left(self) -> float | None:
        """Return the time left at the pace so far, None while nothing is known of it."""
        # The first unit of a fit compiles the network and says nothing of the others.
        since, before = self._paced_from or (self._began, self._start)
        if self._done <= before:
            return None
        return (monotonic() - since) / (self._done - before) * max(0, self.total - self._done)

    def _line_is_due(self, now: float) -> bool:
        quiet_for = now - self._line_at
        if quiet_for < SECONDS_BETWEEN_LINES:
            return False
        grown = self._done - self._line_done >= SHARE_BETWEEN_LINES * self.total
        return grown or quiet_for >= SECONDS_WITHOUT_LINE

    def _print(self, now: float) -> None:
        self._line_at, self._line_done = now, self._done
        console.say("  ".join(part for part in (f"{self.title}: {self._count()}", self._text()) if part))

    def _draw(self, now: float) -> None:
        self._drawn_at = now
        self._bar.update(self._task, completed=self._done, text=f"{self._count()}  {self._text()}")
        self._bar.refresh()

    def _count(self) -> str:
        return f"{self.unit} {self._shown(self._done)}/{self._shown(self.total)}".lstrip()

    def _text(self) -> str:
        left = None if self._closed or self._done >= self.total else self.seconds_left()
        return "  ".join(part for part in (self._note, "" if left is None else f"{duration(left)} left") if part)


_open: list[Progress] = []


@atexit.register
def close_all() -> None:
    """Give the terminal back whatever happened: Keras does not tell its callbacks about an exception or Ctrl-C."""
    for progress in reversed(_open.copy()):
        progress.close()


def duration(seconds: float) -> str:
    """Return "8 s", "3 min 20 s" or "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def megabytes(count: int) -> str:
    """Return a number of bytes as "12.3 MB"; 1 MB is a million bytes."""
    return f"{count / 1e6:.1f} MB"


def _bar() -> Any:
    # Rich is imported here because logs and tests do not need it.
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    # No refreshing thread: it would compete with the training for the cores. Stdout is left alone: results go there.
    # Titles and notes are plain text, not Rich's markup: a metric or a file may have brackets in its name.
    return RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[text]}", markup=False),
        console=Console(stderr=True),
        auto_refresh=False,
        redirect_stdout=False,
    )
