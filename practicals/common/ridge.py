"""Ridge regression on many sparse features and few rows, with what it would say of each row had it not been there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Line(NamedTuple):
    """A straight line through features: `features @ weights + offset`."""

    weights: Floats
    """(features,)"""
    offset: float
    left_out: Floats
    """(rows,), for each row the answer of the line that was set without it."""


def ridge(features: Any, targets: npt.ArrayLike, penalty: float) -> Line:
    """Set a straight line by ridge regression (Hoerl & Kennard, 1970) in its dual form.

    The answers that leave a row out follow from the same inverse, so they cost nothing more (Rifkin & Lippert, 2007,
    "Notes on regularized least squares"). Time grows with the cube of the rows, memory with their square.

    Args:
        features: (rows, features), a SciPy sparse array; not centred.
        targets: (rows,); their mean is the offset.
        penalty: price of large weights, above 0.
    """
    targets = np.asarray(targets, "float64")
    offset = float(targets.mean())
    similarity = (features @ features.T).toarray().astype("float64")
    similarity[np.diag_indices_from(similarity)] += penalty
    inverse = np.linalg.inv(similarity)
    dual = inverse @ (targets - offset)
    return Line(np.asarray(features.T @ dual), offset, targets - dual / np.diag(inverse))
