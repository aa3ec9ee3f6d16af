"""What the codes of all items say: a map on which similar ones lie together, and the nearest of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from practicals.common.explain.coding import Matrix

Codes = npt.NDArray[np.floating[Any]]
"""(items, length of a code)"""


def item_map(codes: Codes) -> Matrix:
    """Return a place on a plane for each item, (items, 2): the first two principal components of the codes.

    The sign of a component is free; here the item farthest from the middle lies on its positive side.
    """
    centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    # The code is short and the items many: this needs no more memory than the codes.
    _, directions = np.linalg.eigh(centred.T @ centred)
    places: Matrix = np.zeros((len(codes), 2))
    chosen = directions[:, ::-1][:, :2]  # eigh sorts by rising variance
    places[:, : chosen.shape[1]] = centred @ chosen
    farthest = places[np.abs(places).argmax(axis=0), [0, 1]]
    return places * np.where(farthest < 0, -1.0, 1.0)


def nearest_items(
    codes: Codes, item: int, count: int, *, among: npt.NDArray[np.bool_] | None = None
) -> list[tuple[int, float]]:
    """Return the items whose codes point most nearly in the direction of one item's code, the nearest first.

    Args:
        codes: (items, length of a code).
        item: the number of the one item, which is not in the answer.
        count: how many are wanted.
        among: (items,) which may be answered, such as those with enough ratings; all when left out.

    Returns:
        Item number and cosine, -1 to 1 (0 where a code is all zeros), of at most `count` items.
    """
    lengths = np.linalg.norm(codes, axis=1)
    products = codes.astype(np.float64) @ codes[item].astype(np.float64)
    sizes = np.maximum(lengths * lengths[item], np.finfo(np.float64).tiny)
    cosines = np.clip(products / sizes, -1, 1)
    order = [i for i in np.argsort(-cosines, kind="stable").tolist() if i != item and (among is None or among[i])]
    return [(i, float(cosines[i])) for i in order[:count]]
