"""SHAP and LIME for messages: which words made the model answer as it does? Both take words out of the raw text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from practicals.common.explain import numbered_parts
from practicals.common.explain.coding import Matrix, Vector
from practicals.common.explain.lime_tables import LocalModel
from practicals.common.explain.message_words import Parts
from practicals.common.explain.numbered_parts import kept_of, numbered
from practicals.common.explain.shap_tables import interpreted, numpy_seed_kept

Probability = Callable[[Sequence[str]], Vector]
"""Raw messages -> the probability of the label, (n,)."""


@dataclass(frozen=True)
class ShapValues:
    """The contributions of the parts of one message, estimated once per seed."""

    base_value: float
    """The probability of the message without any of its parts."""
    runs: Matrix
    """(seeds, parts). Each row and the base value add up to the probability of the whole message."""

    @property
    def contributions(self) -> Vector:
        """(parts,), the mean over the seeds."""
        mean: Vector = self.runs.mean(axis=0)
        return mean


def shap_values(
    predict: Probability,
    messages: Sequence[Parts],
    *,
    rounds: int,
    seeds: Sequence[int],
    others: Sequence[Sequence[str]] | None = None,
) -> list[ShapValues]:
    """Estimate Shapley values by permutation (Strumbelj and Kononenko, 2014), as the library shap does.

    Each round walks through all parts in a random order, forward and back. What shap asks does not depend on the
    answers. So it runs twice: the first time only writes down the questions of all messages, then the model answers
    them at once, which is what it is fast at, and the second time reads the answers.

    Args:
        predict: the model.
        messages: what is explained; each has at least one part.
        rounds: random orders per seed; more are more exact and cost more.
        seeds: of the orders, one estimate each.
        others: per message, the words that take the place of its parts; without them, a part is taken out.
    """
    answers: dict[str, float] = {}
    stands_in = others or [()] * len(messages)
    for written_down in (False, True):
        if written_down:
            questions = list(answers)
            answers = dict(zip(questions, predict(questions).tolist(), strict=True))
        with numpy_seed_kept(), interpreted():
            found = [
                _permutations(answers, parts, rounds, seeds, words)
                for parts, words in zip(messages, stands_in, strict=True)
            ]
    return found


def _permutations(
    answers: dict[str, float], parts: Parts, rounds: int, seeds: Sequence[int], others: Sequence[str]
) -> ShapValues:
    """Return the values of one message; a question that has no answer yet is noted and answered with 0."""
    import shap  # Takes a second, and only an explanation needs it.

    def answer(texts: Sequence[str]) -> Vector:
        shown = parts.shown(kept_of(texts, len(parts)), others)
        return np.array([answers.setdefault(text, 0.0) for text in shown])

    # `maskers.Text` gets the numbers of the parts for a message: left to itself, it folds the white space of the real
    # one, so that the contributions would add up to the probability of another message. Without its clustering, a tree
    # built from English punctuation, every order of the words can be drawn.
    masker = shap.maskers.Text(" ", mask_token="*")  # noqa: S106, no password
    masker.clustering = None
    message = numbered(len(parts))
    evaluations = rounds * (2 * len(parts) + 1)
    found = [
        shap.explainers.Permutation(answer, masker, link=shap.links.identity, seed=seed)(
            [message], max_evals=evaluations, batch_size=evaluations, silent=True
        )
        for seed in seeds
    ]
    return ShapValues(float(found[0].base_values[0]), np.array([one.values[0] for one in found]))


def lime_models(predict: Probability, parts: Parts, *, samples: int, seeds: Sequence[int]) -> list[LocalModel]:
    """Fit LIME's linear model of a text (Ribeiro et al., 2016) to the answers around a message, once per seed.

    A neighbour is the message without some of its parts. Equal words are parts of their own: left to itself, LIME would
    take them out together, wherever they stand.

    Args:
        predict: the model.
        parts: the message, of at least one part.
        samples: neighbours per model.
        seeds: of the neighbours.
    """
    return numbered_parts.lime_models(lambda kept: predict(parts.shown(kept)), len(parts), samples=samples, seeds=seeds)
