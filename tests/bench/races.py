"""A race to equal score.

In a race both sides get the same rows, encoded beforehand, and the clock runs from `fit` on. The *notebook* is what a
student types: the course's network, compiled with the defaults of Keras, `fit` on arrays with the batch size and the
epochs of the slide, nothing else. The *lesson* is the practical with its default settings.

The goal is the best score that the notebook reached after any of its epochs, on validation rows, with the time at
which it did so: stricter than the time at its end. The score is the one by which the practical is judged, from the
assembled model in the user's unit, so it is the same quantity on both sides whatever the losses are. Scoring is no
part of the time of either side. What a lesson sets before its first epoch (a straight line) counts, in time and score.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from bench.lines import Line

Notes = list[tuple[int, float, float]]
"""Epochs done, seconds since `fit` was called, score."""
Arrived = Callable[[float], bool]
"""Whether a score is as good as the goal."""


def race(
    notebook: Callable[[int], Notes],
    lesson: Callable[[int, Arrived], Notes],
    seeds: Sequence[int],
    *,
    what: str,
    digits: int,
    higher_is_better: bool,
) -> Line:
    """Return the mean times to the notebook's best score, over the seeds for which the lesson reached it.

    Args:
        notebook: seed -> its notes.
        lesson: seed, and whether a score has arrived -> its notes.
        seeds: one race each.
        what: "churn: ROC AUC".
        digits: decimals of the score.
        higher_is_better: what `better` means.
    """
    sign = 1 if higher_is_better else -1
    ours, found, at_once = [], [], 0
    for seed in seeds:
        noted = notebook(seed)
        epochs, seconds, goal = max(noted[1:], key=lambda one: sign * one[2])  # the first of equals
        found.append((seconds, goal, epochs, noted[-1][0], noted[-1][1]))
        notes = lesson(seed, lambda score, goal=goal: sign * (score - goal) >= 0)
        reached = [(done, took) for done, took, score in notes if sign * (score - goal) >= 0]
        ours.append(reached[0][1] if reached else None)
        at_once += bool(reached) and reached[0][0] == 0
    return race_line(ours, found, at_once, what=what, digits=digits)


def race_line(
    ours: Sequence[float | None], found: Sequence[tuple[float, ...]], at_once: int, *, what: str, digits: int
) -> Line:
    """Return the line of a race; `found` has for each seed: seconds, score and epochs to the best, and all of both."""
    counted = [i for i, one in enumerate(ours) if one is not None]
    compared = counted or range(len(ours))  # the opponent's time is told even if nobody follows
    seconds, goal, epochs, all_epochs, whole = (
        statistics.fmean(found[i][column] for i in compared) for column in range(5)
    )
    how = f"mean of {len(ours)} seeds" if len(ours) > 1 else "one seed"
    if counted and len(counted) < len(ours):
        how += f", reached with {len(counted)}"
    straight = " (its straight line alone, set before the first epoch)" if at_once else ""
    return Line(
        "score",
        f"{what} {goal:,.{digits}f} on validation rows{straight}",
        f"the course's notebook, epoch {epochs:.0f}; all {all_epochs:.0f} take {whole:.{0 if whole >= 10 else 1}f} s",
        statistics.fmean(ours[i] for i in counted) if counted else None,
        seconds,
        how,
    )
