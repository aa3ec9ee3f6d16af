"""What messages and lists of ratings share: parts that are shown or hidden, and what a method has found about them.

The libraries get the numbers of the parts for a text, "0 1 2 ...": left to themselves, they cut texts in their own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from practicals.common.explain.checks import agreement_check
from practicals.common.explain.coding import Matrix, Vector
from practicals.common.explain.explanation import Check, Words
from practicals.common.explain.lime_tables import LocalModel, weights_of

Kept = npt.NDArray[np.bool_]
"""(n, parts), which parts are shown."""


@dataclass(frozen=True)
class Found:
    """What a method has found about one prediction."""

    base_value: float
    contributions: Vector
    """(parts,), in the unit of the prediction."""
    checks: tuple[Check, ...]
    settings: dict[str, int | float | str]
    seconds: float = 0.0


def with_agreement(
    found: Mapping[str, Found], shap: Vector, lime: Vector, *, size: float = 1.0, words: Words
) -> dict[str, Found]:
    """Return what both methods have found, each with the check whether they agree.

    Args:
        found: method -> what it found.
        shap: its contributions, (parts,), as they are to be compared.
        lime: the same of LIME.
        size: of the predictions.
        words: how the check calls features and subject.
    """
    check = agreement_check(shap, lime, size=size, words=words)
    return {method: replace(one, checks=(*one.checks, check)) for method, one in found.items()}


def lime_models(
    answers: Callable[[Kept], Vector], parts: int, *, samples: int, seeds: Sequence[int]
) -> list[LocalModel]:
    """Fit LIME's linear model of what is present (Ribeiro et al., 2016), once per seed.

    A neighbour lacks some of the parts, a random number of them.

    Args:
        answers: which parts are shown (n, parts), to the prediction (n,).
        parts: how many, at least one.
        samples: neighbours per model.
        seeds: of the neighbours.
    """
    from lime.lime_text import LimeTextExplainer  # Slow to import, and only an explanation needs it.

    def one(seed: int) -> LocalModel:
        answered: list[Vector] = []

        def answer(texts: Sequence[str]) -> Matrix:
            answered.append(answers(kept_of(texts, parts)))
            return answered[0][:, None]

        explainer = LimeTextExplainer(split_expression=" ", feature_selection="none", random_state=seed)
        found = explainer.explain_instance(
            numbered(parts), answer, labels=(0,), num_features=parts, num_samples=samples
        )
        weights = weights_of(found.local_exp[0], parts)
        return LocalModel(float(found.intercept[0]), weights, float(found.score), answered[0])

    return [one(seed) for seed in seeds]


def kept_along(order: npt.NDArray[np.int64], count: int, parts: int) -> Kept:
    """Return what stays after one, two, ... and `count` of the first parts went in an order, (count, parts)."""
    kept = np.ones((count, parts), dtype=bool)
    kept[:, : len(order)] = np.argsort(order) >= np.arange(1, count + 1)[:, None]
    return kept


def numbered(count: int) -> str:
    """Return "0 1 2 ...": the numbers of the parts, which shap and lime take for a message."""
    return " ".join(map(str, range(count)))


def kept_of(texts: Any, count: int) -> Kept:
    """Return which parts a library has left in each of its texts of `numbered` parts, (n, count)."""
    kept = np.zeros((len(texts), count), dtype=bool)
    for row, text in zip(kept, texts, strict=True):
        row[[int(number) for number in re.findall(r"\d+", text)]] = True
    return kept
