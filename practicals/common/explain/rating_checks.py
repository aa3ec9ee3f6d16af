"""Checks of an explained rating: do the titles that count most really move the prediction, alone and together?

What was seen stands beside a limit: on 60 predictions of MovieLens 100K, for films not rated yet, under a quick model
(codes of films with a ridge solution, and an autoencoder of users; RMSE 0.94 on u1). Two SHAP explainers agreed on the
order with a rank correlation of at least 0.96, LIME's seeds 0.95, SHAP and LIME 0.88; LIME's fit is at least 0.74. That
is of the 49 below 5 stars. That model cuts its answers off at 5, and of the 11 there, eight failed a check: where an
answer is cut off, ratings do not move it. Explain the answer before it is cut.
"""

from __future__ import annotations

import numpy as np

from practicals.common.explain.checks import TINY, rank_correlation
from practicals.common.explain.coding import Vector
from practicals.common.explain.explanation import RATING, Check
from practicals.common.explain.numbered_parts import kept_along
from practicals.common.explain.rating_parts import Parts

ABOUT_USER = RATING._replace(subject="user")
"""LIME's neighbours lie around a user, not around a prediction."""
RANDOM_ORDERS = 20
REMOVAL_LIMIT = 0.3
"""Seen: 0.32 to 0.96 for SHAP, 0.62 to 1.12 for LIME. Near a full list a rating is worth less than on average over
short ones, which is what SHAP counts. At random: up to 0.63 for nine of ten, half of it below 0.2."""
LEFT_OUT_LIMIT = 0.5
"""Seen: 0.65 to 0.99, median 0.90. At random: up to 0.63 for nine of ten, median 0.27."""
FLAT = 0.1
"""Share of the gap that the contributions promise. If no order moves the prediction so far, nothing is compared."""
LEFT_OUT = "order of the items when left out one at a time"
REMOVAL = "removal of the top items"


def left_out_check(parts: Parts, contributions: Vector, *, size: float) -> Check:
    """Compare SHAP's contributions with what each part is worth beside all the others.

    Args:
        parts: the user's ratings.
        contributions: (parts,), to the prediction.
        size: of the prediction.
    """
    if np.abs(parts.left_out[: parts.alone]).max() <= TINY * size:
        sentence = (
            f"Leaving out any one rated item alone leaves the prediction at {parts.prediction():.2f}: it is at an end "
            "of the scale, or the others make up for it. This check cannot be judged."
        )
        return Check(LEFT_OUT, 0.0, LEFT_OUT_LIMIT, False, sentence)
    value = rank_correlation(contributions, parts.left_out, size)
    passed = value >= LEFT_OUT_LIMIT
    trust = f"Leaving out one rated item at a time orders them alike (rank correlation {value:.2f})."
    doubt = (
        f"Leaving out one rated item at a time orders them differently (rank correlation {value:.2f}, at least "
        f"{LEFT_OUT_LIMIT} is wanted): the ratings stand in for each other, so what one of them adds depends on which "
        "others are known."
    )
    return Check(LEFT_OUT, value, LEFT_OUT_LIMIT, passed, trust if passed else doubt)


def removal_check(parts: Parts, contributions: Vector, *, unit: str, seed: int) -> Check:
    """Take out the rated items one after the other, up to half of them: those that count most, or random ones.

    A group of other ratings stays. The gap between the two ways is divided by the gap that the contributions promise,
    so that the scale of the ratings does not matter: 1 for a model that is a sum.

    Args:
        parts: the user's ratings.
        contributions: (parts,). Where the prediction is below that for a user without ratings, the items that lower it
            most are taken out, and it has to rise.
        unit: of the prediction.
        seed: of the random orders.
    """
    if parts.alone < 2:
        has = "one rated item" if parts.alone else "no rated items"
        return Check(REMOVAL, 0.0, REMOVAL_LIMIT, False, f"The user has {has} to go by: this check cannot be judged.")
    before, side = parts.prediction(), 1 if parts.prediction() >= parts.base_value() else -1
    single = contributions[: parts.alone]
    order = np.argsort(-side * single, kind="stable")
    half = -(-parts.alone // 2)
    promised = side * float(np.mean(np.cumsum(single[order])[:half] - np.arange(1, half + 1) * single.mean()))
    if promised <= TINY * max(abs(before), 1.0):
        sentence = "All rated items count the same here, or none counts at all: this check cannot be judged."
        return Check(REMOVAL, 0.0, REMOVAL_LIMIT, False, sentence)
    random = np.random.default_rng(seed)
    orders = [order, *(random.permutation(parts.alone) for _ in range(RANDOM_ORDERS))]
    along = parts.answers(np.concatenate([kept_along(one, half, len(parts)) for one in orders])).reshape(
        len(orders), half
    )
    if np.abs(along - before).max() < FLAT * promised:
        sentence = (
            f"Without half of the rated items told apart, whichever they are, the prediction stays at {before:.2f} "
            f"{unit}: it is at an end of the scale, or the other ratings are enough. This check cannot be judged."
        )
        return Check(REMOVAL, 0.0, REMOVAL_LIMIT, False, sentence)
    own, usual = float(along[0].mean()), float(along[1:].mean())
    value = side * (usual - own) / promised
    passed = value >= REMOVAL_LIMIT
    moves, counting = ("falls", "raise") if side > 0 else ("rises", "lower")
    sentence = (
        f"Taking out the items that {counting} it most, one after the other, the prediction {moves} from {before:.2f} "
        f"to {own:.2f} {unit} on average over the first half of them; taking out random ones, to {usual:.2f}. "
    )
    trust = f"That gap is {value:.0%} of what the contributions promise."
    doubt = (
        f"The contributions promise a gap of {promised:.2f} (at least {REMOVAL_LIMIT:.0%} of it is wanted): do not "
        "take them for what would happen without these ratings."
    )
    return Check(REMOVAL, value, REMOVAL_LIMIT, passed, sentence + (trust if passed else doubt))
