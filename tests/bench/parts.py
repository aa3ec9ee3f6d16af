"""The parts of `make bench`: each is measured in a process of its own, so that none inherits what another has set.

(Deterministic operations, which the pictures ask for, cannot be switched off again in a process.)
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from bench.lines import Line
from practicals.common.console import quiet_native_stderr, set_quiet

PARTS = {
    "churn": "tables.churn",
    "regression": "tables.regression",
    "cats_dogs": "pictures.cats_dogs",
    "sms_spam": "messages.sms_spam",
    "recommender": "ratings.recommender",
    "web_traffic": "windows.web_traffic",
    "start-up": "program.start_up",
    "layer": "program.layer",
    "made-up-ratings": "rating_scale.made_up",
}
"""Name of a part -> the function that measures it."""
ON_REQUEST = ("made-up-ratings",)
"""Parts that `make bench` leaves out unless `--only` names them."""


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    smoke: bool = False
    """Hardly trained, and timed twice: it shows that the measuring works."""

    @property
    def repeats(self) -> int:
        """How often a short action is timed."""
        return 2 if self.smoke else 3

    def seeds(self, number: int) -> range:
        return range(1 if self.smoke else number)

    def epochs(self, number: int) -> int:
        return min(2, number) if self.smoke else number


def measure(part: str, effort: Effort) -> tuple[str, list[Line]]:
    """Measure one part, in this process; return the device in words, and what was found."""
    set_quiet(True)
    module, function = PARTS[part].split(".")
    with quiet_native_stderr():  # what TensorFlow says when it is loaded
        from practicals.common.training import prepare

        device = prepare(0)
        found = importlib.import_module(f"bench.{module}")
    return device, getattr(found, function)(effort)


def chosen(only: str | None) -> list[str]:
    """Return the parts that `--only` names, in the order of `PARTS`, or the usual ones.

    Raises:
        ValueError: there is no such part.
    """
    if only is None:
        return [name for name in PARTS if name not in ON_REQUEST]
    named = {name.strip() for name in only.split(",")}
    if unknown := named - set(PARTS):
        raise ValueError(f"--only {only}: there is no part {min(unknown)!r}. The parts are {', '.join(PARTS)}.")
    return [name for name in PARTS if name in named]
