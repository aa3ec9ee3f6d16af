"""SHAP and LIME for a predicted rating: which of the user's ratings made the model say so? Both hide some of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from practicals.common.explain import numbered_parts
from practicals.common.explain.coding import Matrix, Vector
from practicals.common.explain.lime_tables import LocalModel
from practicals.common.explain.rating_parts import Parts
from practicals.common.explain.shap_tables import interpreted, numpy_seed_kept


def shap_values(parts: Parts, *, rounds: int, seeds: Sequence[int]) -> Matrix:
    """Estimate Shapley values by permutation (Strumbelj and Kononenko, 2014), as the library shap does.

    Each round shows the parts in a random order, forward and back, to a user who has rated nothing. So base value and
    contributions add up to the prediction, exactly.

    Args:
        parts: the user's ratings, at least one part.
        rounds: random orders per seed; more are more exact and cost more.
        seeds: of the orders, one estimate each.

    Returns:
        (seeds, parts).
    """
    import shap  # Takes a second, and only an explanation needs it.

    def answer(shown: Matrix) -> Vector:
        return parts.answers(shown > 0)

    masker = shap.maskers.Independent(np.zeros((1, len(parts))))
    evaluations = rounds * (2 * len(parts) + 1)
    with numpy_seed_kept(), interpreted():
        found = [
            shap.explainers.Permutation(answer, masker, link=shap.links.identity, seed=seed)(
                np.ones((1, len(parts))), max_evals=evaluations, batch_size=evaluations, silent=True
            ).values[0]
            for seed in seeds
        ]
    return np.array(found)


def lime_models(parts: Parts, *, samples: int, seeds: Sequence[int]) -> list[LocalModel]:
    """Fit LIME's linear model of what is present (Ribeiro et al., 2016) around a user, once per seed.

    A neighbour is the user without some of the ratings, a random number of them.

    Args:
        parts: the user's ratings, at least one part.
        samples: neighbours per model.
        seeds: of the neighbours.
    """
    return numbered_parts.lime_models(parts.answers, len(parts), samples=samples, seeds=seeds)
