"""From the naive baseline over the course's network to the final model, one step at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from practicals.common.config import PracticalConfig
from practicals.common.console import say
from practicals.common.data.split import Split

C = TypeVar("C", bound=PracticalConfig)
P = TypeVar("P")


@dataclass(frozen=True)
class Baseline:
    """A simple opponent, fitted on the training rows."""

    name: str
    kind: str
    """`naive` or `classical`."""
    why: str
    """What it can and cannot see, in a sentence."""
    validation: dict[str, float]
    test: dict[str, float]
    test_prediction: npt.NDArray[np.float64]
    """(test rows,), or (test windows, horizon) for forecasts."""


@dataclass(frozen=True)
class Step:
    """One improvement on the course's network."""

    name: str
    changes: Mapping[str, Any]
    """Setting -> value."""
    why: str
    """One sentence."""


@dataclass(frozen=True)
class Rung:
    """One line of the ladder from the naive baseline to the final model."""

    name: str
    kind: str
    """`naive`, `classical`, `course`, `step` or `final`."""
    why: str
    validation: float
    """Primary metric on validation rows."""
    test: float | None = None
    """Primary metric on test rows; only baselines, the course's network and the final one are scored there."""
    gain: float | None = None
    """Validation score minus that of the rung below; only steps have one."""
    seconds: float | None = None
    secondary: float | None = None
    """A second metric on validation rows, where the lesson names one."""


@dataclass(frozen=True)
class Climbed:
    """A network of the ladder after training."""

    step: Step
    validation: Mapping[str, float]
    seconds: float
    test: Mapping[str, float] | None = None
    """Only the course's network is scored on test rows."""
    kept: Any = None
    """What `keep` made of the course's model."""


def climb(
    course: C,
    steps: Sequence[Step],
    split: Split[P],
    try_out: Callable[[C, Split[P]], Any],
    evaluate: Callable[[Any, P], dict[str, float]],
    keep: Callable[[Any], Any] = lambda model: None,
) -> list[Climbed]:
    """Train the course's network, then add one step at a time and train again.

    Args:
        course: the course's settings.
        steps: in order; each is added to all before it.
        split: raw rows.
        try_out: trains with settings and returns the model.
        evaluate: scores a model on rows.
        keep: takes the course's model; what it returns is kept.
    """
    climbed: list[Climbed] = []
    settings = course
    for step in (Step("course", {}, "The network of the slide."), *steps):
        say(f"ladder: {step.name}")
        settings = settings.with_changes(step.changes, source=f"step '{step.name}'")
        began = time.perf_counter()
        model = try_out(settings, split)
        seconds = time.perf_counter() - began
        test, kept = (None, None) if climbed else (evaluate(model, split.test), keep(model))
        climbed.append(Climbed(step, evaluate(model, split.validation), seconds, test, kept))
    return climbed


def ladder(
    baselines: Sequence[Baseline],
    climbed: Sequence[Climbed],
    scores: Split[dict[str, float]],
    primary: str,
    seconds: float,
    secondary: str = "",
) -> list[Rung]:
    """Return the way from the naive baseline over the course's network to the final model.

    A baseline without the primary score, such as one that only ranks, is on no rung.
    """

    def rung(name: str, kind: str, why: str, validation: Mapping[str, float], **more: Any) -> Rung:
        return Rung(name, kind, why, validation[primary], secondary=validation.get(secondary), **more)

    rungs = [
        rung(one.name, one.kind, one.why, one.validation, test=one.test[primary])
        for one in baselines
        if primary in one.validation
    ]
    below: float | None = None
    for one in climbed:
        score = one.validation[primary]
        rungs.append(
            rung(
                one.step.name,
                "course" if below is None else "step",
                one.step.why,
                one.validation,
                test=one.test[primary] if one.test else None,
                gain=None if below is None else score - below,
                seconds=one.seconds,
            )
        )
        below = score
    final = "The network with this run's settings, which is the saved model."
    return [*rungs, rung("final", "final", final, scores.validation, test=scores.test[primary], seconds=seconds)]
