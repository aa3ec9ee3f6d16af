"""The checks beside an explanation of a picture: does the network really depend on what the map calls important?

A failed check does not mean that a map is wrong, but that nobody should lean on it.

What was seen stands beside a limit: on 8 test pictures under a weak trial network (257,000 weights, accuracy 0.74) that
called all 8 a cat. Of these, deletion passed for 8 under LIME and SHAP's gradients, 7 under occlusion, and none under
Grad-CAM and saliency. Under MobileNetV2 (accuracy 0.96), on one picture, all six methods passed deletion, insertion and
shuffled weights (rank correlation at most 0.28); LIME's stability and the background of SHAP's gradients failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from practicals.common.explain.checks import TINY, rank_correlation
from practicals.common.explain.coding import Answer, Matrix, Vector
from practicals.common.explain.explanation import Check
from practicals.common.explain.picture_parts import Regions, coarse, means

BLOCKS = 12
"""Rows and columns of the blocks that are blurred or shown one after the other."""
STEPS = 24
RANDOM_ORDERS = 5
ORDERS_LIMIT = 0.8
"""At least four of the five random orders are to be beaten."""
LEAST_GAIN = 0.02
"""By so much probability, on the way, the random orders are to be beaten on average: flat curves prove nothing."""
SHUFFLED_LIMIT = 0.5
"""Seen on the trial network: LIME up to 0.38, SHAP's gradients 0.13, Grad-CAM below 0, occlusion 0.42, saliency 0.30 to
0.68, most of them above the limit."""
BLUR_LIMIT = 0.7
"""Seen: 0.53 to 0.96 on the trial networks, 0.96 on MobileNetV2."""


@dataclass(frozen=True)
class Curves:
    """The probability of the label while the picture vanishes block by block, and while it comes back."""

    deletion: Vector
    """(STEPS + 1,), from the whole picture to the blurred one."""
    insertion: Vector
    """(STEPS + 1,), from the blurred picture to the whole one."""

    @classmethod
    def along(cls, order: npt.NDArray[np.int64], answer: Answer) -> Self:
        """Ask the network along an order.

        Args:
            order: the blocks, (blocks,), the one that is changed first in front.
            answer: which blocks are shown (n, blocks), to the probability (n,).
        """
        changed = np.round(shares() * len(order))[:, None] > np.argsort(order)  # (STEPS + 1, blocks)
        answers = answer(np.vstack([~changed, changed]).astype(np.float64))
        return cls(answers[: STEPS + 1], answers[STEPS + 1 :])


def shares() -> Vector:
    """Return the share of the picture that is changed at each point of the curves, (STEPS + 1,)."""
    return np.linspace(0, 1, STEPS + 1)


def random_curves(answer: Answer, blocks: Regions, seed: int) -> list[Curves]:
    """Return the curves along random orders of the blocks, to which every method is compared."""
    random = np.random.default_rng(seed)
    return [Curves.along(random.permutation(blocks.max() + 1), answer) for _ in range(RANDOM_ORDERS)]


def curves_of(heat: Matrix, answer: Answer, blocks: Regions) -> Curves:
    """Return the curves in which the blocks with the highest mean of a heat map (size, size) are changed first."""
    return Curves.along(np.argsort(-means(heat, blocks), kind="stable"), answer)


def curve_checks(own: Curves, others: list[Curves], label: str) -> tuple[Check, Check]:
    """Judge the order in which a map ranks the blocks (deletion and insertion, Petsiuk et al., 2018).

    Args:
        own: the curves of the map.
        others: those of random orders.
        label: the class whose probability is followed.
    """
    deletion = _curve_check(
        "deletion",
        -_area(own.deletion),
        [-_area(other.deletion) for other in others],
        "Blurring",
        "fall",
        label,
    )
    insertion = _curve_check(
        "insertion",
        _area(own.insertion),
        [_area(other.insertion) for other in others],
        "In a blurred picture, showing",
        "rise",
        label,
    )
    if np.ptp(np.concatenate([own.deletion, own.insertion, *(other.deletion for other in others)])) <= TINY:
        return _nothing("deletion", ORDERS_LIMIT), _nothing("insertion", ORDERS_LIMIT)
    return deletion, insertion


def _curve_check(name: str, own: float, others: list[float], doing: str, moves: str, label: str) -> Check:
    """Compare areas of which the larger is the better one."""
    beaten = sum(own > other for other in others)
    value, usual = beaten / len(others), abs(float(np.mean(others)))
    passed = value >= ORDERS_LIMIT and own - float(np.mean(others)) >= LEAST_GAIN
    how = "faster" if passed else "hardly faster" if value >= ORDERS_LIMIT else "no faster"
    sentence = (
        f"{doing} first what this map calls important makes the probability of {label} {moves} {how} than a random "
        f"order does: on the way it is {abs(own):.2f} on average, in random orders {usual:.2f} ({beaten} of "
        f"{len(others)} beaten"
    )
    doubt = (
        f"; {round(ORDERS_LIMIT * len(others))} are wanted, by {LEAST_GAIN} on average). The network relies on other "
        f"parts, or what is marked speaks against {label}."
    )
    return Check(name, value, ORDERS_LIMIT, passed, f"{sentence})." if passed else f"{sentence}{doubt}")


def shuffled_check(heat: Matrix, shuffled: Matrix) -> Check:
    """Compare a map with that of the same network with its weights shuffled (Adebayo et al., 2018).

    A method that only traces the edges of the picture gives the same map for both.

    Args:
        heat: of the network, (size, size).
        shuffled: of the shuffled one, the same shape.
    """
    name = "another map with shuffled weights"
    if np.ptp(heat) == 0:
        return _nothing(name, SHUFFLED_LIMIT)
    value = likeness(np.abs(coarse(heat)), np.abs(coarse(shuffled)))
    passed = value <= SHUFFLED_LIMIT
    trust = (
        f"When the network's weights are shuffled, the map becomes another one (rank correlation {value:.2f}): it "
        "shows what the network has learned."
    )
    doubt = (
        f"When the network's weights are shuffled, the map stays much the same (rank correlation {value:.2f}, at most "
        f"{SHUFFLED_LIMIT} is wanted): it shows what the picture looks like, not what the network has learned."
    )
    return Check(name, value, SHUFFLED_LIMIT, passed, trust if passed else doubt)


def blur_check(heat: Matrix, other: Matrix) -> Check:
    """Compare SHAP's map with that in which the hidden parts were blurred twice as much."""
    name = "order of the parts under another blur"
    if np.ptp(heat) == 0:
        return _nothing(name, BLUR_LIMIT)
    value = likeness(coarse(heat), coarse(other))
    trust = f"Blurring hidden parts twice as much ranks the parts alike (rank correlation {value:.2f})."
    doubt = (
        f"Blurring hidden parts twice as much changes the ranking (rank correlation {value:.2f}, at least {BLUR_LIMIT} "
        "is wanted): it depends on what stands in for a hidden part."
    )
    return Check(name, value, BLUR_LIMIT, value >= BLUR_LIMIT, trust if value >= BLUR_LIMIT else doubt)


def likeness(first: Vector, second: Vector) -> float:
    """Return the rank correlation of two maps over the same cells, whatever their units; 0 where one has no order."""
    return rank_correlation(*(values / max(np.abs(values).max(), np.finfo(float).tiny) for values in (first, second)))


def _area(curve: Vector) -> float:
    return float(np.trapezoid(curve, shares()))


def _nothing(name: str, limit: float) -> Check:
    return Check(
        name, 0.0, limit, False, "No part of the picture changes the probability: there is nothing to explain."
    )
