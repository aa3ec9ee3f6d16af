"""The simple opponents of a recommender. Each predicts from the rows it is given, so it works for a stranger too.

None needs memory that grows with users times items, and none looks at the number of a user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csc_array, csr_array, vstack

from practicals.common.metrics import Numbers
from practicals.common.rating_biases import Biases, sparse_table
from practicals.common.rating_scores import Answer, Floats, Integers

if TYPE_CHECKING:
    from practicals.common.data.ratings import Ratings

ROUNDS = 10
"""In each, codes of users are set by those of items, and the other way round."""
NEIGHBOURS = 40
KEPT = 500
"""Neighbours of an item that are remembered; a user has rated some of them, and the nearest 40 of these count."""
CELLS = 4_000_000
"""Pairs of items that are compared at once."""
EASE_ITEMS = 3_000
"""Most items that EASE weighs against each other: it inverts a table of them by them."""


@dataclass(frozen=True)
class Fitted:
    """An opponent, made of the function that fits it."""

    fit: Callable[[Ratings], Answer]
    """Training ratings to the opponent's answers."""


def global_mean() -> Fitted:
    """Say the mean of all training ratings, whoever asks. Naive."""
    return Fitted(_fit_mean)


def biases() -> Fitted:
    """Add to the mean how much better the item is than others, and how much kinder the user (Koren, 2008).

    Both are means of what is left, shrunk towards 0 where there are few ratings, and set in turns.
    """
    return Fitted(_fit_biases)


def item_neighbours(*, shrink: float = 50.0) -> Fitted:
    """Add to the biases what the user thought of the 40 items most like this one that the user has rated (Koren, 2008).

    Likeness is the cosine of what biases leave over, among those who rated both, times n / (n + shrink) for n of them;
    only positive likeness counts. Lists are ordered otherwise, since whether an item is rated at all says more: by the
    cosine of "has rated it", summed over the user's items among the 40 nearest (Deshpande & Karypis, 2004).

    Args:
        shrink: how many common users make a likeness half believed.
    """
    return Fitted(partial(_fit_neighbours, shrink=shrink))


def matrix_factorisation(*, length: int = 10, penalty: float = 13.0, seed: int = 0) -> Fitted:
    """Add to the biases the product of a short code of the user and one of the item (Hu, Koren & Volinsky, 2008).

    Codes of users and items are set in turns by ridge regression on what the biases leave over; that of whoever asks
    comes from the row alone.

    Args:
        length: of a code.
        penalty: price of large codes, where what the biases leave over has a standard deviation of 1.
        seed: of the codes to begin with.
    """
    return Fitted(partial(_fit_codes, length=length, penalty=penalty, seed=seed))


def most_popular() -> Fitted:
    """Recommend to everyone what was rated most often."""
    return Fitted(_fit_popular)


def ease(*, penalty: float = 300.0) -> Fitted:
    """Predict whether an item is rated by a straight line through all others (Steck, 2019).

    "Embarrassingly shallow autoencoders for sparse data": a linear autoencoder whose items may not look at themselves,
    solved in closed form. Hard to beat at ranking. Of more than 3,000 items it weighs the most rated; the others stand
    below them in every list, by popularity.

    Args:
        penalty: price of large weights.
    """
    return Fitted(partial(_fit_ease, penalty=penalty))


# Biases


def _fit_mean(train: Ratings) -> Answer:
    mean = np.float32(train.values.mean(dtype=np.float64))
    return lambda rows, users: {"rating": np.full(rows.shape, mean)}


def _fit_biases(train: Ratings) -> Answer:
    known, _ = Biases.of(train)
    return lambda rows, users: {"rating": known.within(known.apart(rows)[0])}


# Neighbours


def _fit_neighbours(train: Ratings, *, shrink: float) -> Answer:
    known, left = Biases.of(train)
    alike, together = _likeness(train, left, shrink)
    # Row j: the items for which j is a neighbour. A user's ratings then choose rows, which is quick.
    of_item = csr_array(alike.T)

    def answer(rows: Floats, users: Integers) -> dict[str, Floats]:
        predicted, left_over, rated = known.apart(rows)
        for row, (over, has) in enumerate(zip(left_over, rated, strict=True)):
            predicted[row] += _from_nearest(of_item, over, np.flatnonzero(has))
        return {"rating": known.within(predicted), "ranking": (together @ rated.T.astype(np.float32)).T}

    return answer


def _from_nearest(of_item: csr_array, over: Floats, has: Integers) -> Floats:
    """Return (items,) the weighted mean of what the user's ratings leave over, of the nearest 40 to each item."""
    near = csc_array(of_item[has])  # (rated, items), positive where an item has a neighbour that is rated
    number = np.diff(near.indptr)
    if number.max(initial=0) > NEIGHBOURS:
        crowded = np.flatnonzero(number > NEIGHBOURS)
        places = np.flatnonzero(np.repeat(number > NEIGHBOURS, number))
        row = np.repeat(np.arange(len(crowded)), number[crowded])
        # The neighbours of an item side by side, zeros behind them.
        beside = places - np.repeat(near.indptr[crowded], number[crowded])
        weights = np.zeros((len(crowded), int(number.max())), np.float32)
        weights[row, beside] = near.data[places]
        # All items with one common user are equally alike; rounding must not choose among them, so equals all count.
        bound = np.partition(weights, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS] * np.float32(1 - 1e-5)
        near.data[places] = np.where(near.data[places] >= bound[row], near.data[places], np.float32(0))
    mean: Floats = (near.T @ over[has]) / (near.sum(axis=0) + np.float32(0.5))
    return mean


def _likeness(train: Ratings, left: Numbers, shrink: float) -> tuple[csr_array, csr_array]:
    """Return (items, items) how alike tastes for items are, the `KEPT` nearest of each, and how often rated together.

    The second is the cosine of "has rated it", of the `NEIGHBOURS` nearest.
    """
    rated = sparse_table(train, np.ones(len(train)))
    # A cosine has no unit, but the products of squares below would leave 32 bit; a power of two changes no digit.
    left = left / np.ldexp(1.0, np.frexp(left.std())[1])
    over, squares = sparse_table(train, left), sparse_table(train, left**2)
    often = np.bincount(train.items, minlength=len(train.catalogue.items)).astype(np.float32)
    length = np.sqrt(np.maximum(often, 1))
    alike: list[csr_array] = []
    together: list[csr_array] = []
    step = max(1, CELLS // len(often))
    for first in range(0, len(often), step):
        block = slice(first, first + step)
        common = (rated[:, block].T @ rated).toarray()  # (block, items), how many rated both
        product = (over[:, block].T @ over).toarray()
        sizes = (squares[:, block].T @ rated).toarray() * (rated[:, block].T @ squares).toarray()
        cosine = product / np.maximum(np.sqrt(sizes), np.float32(1e-9)) * (common / (common + np.float32(shrink)))
        joint = common / (length[block, None] * length)
        for table, kept, among in ((cosine, KEPT, alike), (joint, NEIGHBOURS, together)):
            itself = np.arange(len(table))
            table[itself, first + itself] = 0
            among.append(_nearest(table, kept))
    return csr_array(vstack(alike)), csr_array(vstack(together))


def _nearest(table: Floats, kept: int) -> csr_array:
    """Return the largest positive numbers of each row, at most `kept` but for equals."""
    table = np.maximum(table, np.float32(0))
    if table.shape[1] > kept:
        bound = np.partition(table, -kept, axis=1)[:, -kept]
        table[table < bound[:, None]] = 0
    return csr_array(table)


# Codes


def _fit_codes(train: Ratings, *, length: int, penalty: float, seed: int) -> Answer:
    known, left = Biases.of(train)
    # A penalty means the same on any scale only if what is left over has one size.
    size = float(left.std()) or 1.0
    over, rated = csr_array(sparse_table(train, left / size)), csr_array(sparse_table(train, np.ones(len(train))))
    over_items, rated_items = csr_array(over.T), csr_array(rated.T)
    codes = np.random.default_rng(seed).normal(0, 0.1, (over.shape[1], length))
    for _ in range(ROUNDS):
        of_users = _ridge(over, rated, codes, penalty)
        codes = _ridge(over_items, rated_items, of_users, penalty)

    def answer(rows: Floats, users: Integers) -> dict[str, Floats]:
        predicted, left_over, has = known.apart(rows)
        of_rows = _ridge(csr_array(left_over / size), csr_array(has.astype(np.float32)), codes, penalty)
        score = predicted + (size * of_rows @ codes.T).astype(np.float32)
        # What is cut off at the end of the scale would be equally good.
        return {"rating": known.within(score), "ranking": score}

    return answer


def _ridge(over: csr_array, rated: csr_array, codes: Numbers, penalty: float) -> Numbers:
    """Return (n, length) the codes by which (n, m) sparse values are best made of those of the m others."""
    length = codes.shape[1]
    products = (codes[:, :, None] * codes[:, None, :]).reshape(len(codes), -1)  # -> (m, length * length)
    square = (rated @ products).reshape(-1, length, length) + penalty * np.eye(length)
    found: Numbers = np.linalg.solve(square, (over @ codes)[..., None])[..., 0]
    return found


# Lists only


def _fit_popular(train: Ratings) -> Answer:
    often = np.bincount(train.items, minlength=len(train.catalogue.items)).astype(np.float32)
    return lambda rows, users: {"ranking": np.broadcast_to(often, rows.shape)}


def _fit_ease(train: Ratings, *, penalty: float) -> Answer:
    often = np.bincount(train.items, minlength=len(train.catalogue.items))
    chosen = np.sort(np.argsort(-often, kind="stable")[:EASE_ITEMS])
    rated = sparse_table(train, np.ones(len(train)))[:, chosen]
    table = (rated.T @ rated).toarray().astype(np.float64)  # (chosen, chosen), how many rated both
    inverse = np.linalg.inv(table + penalty * np.eye(len(chosen)))
    weights = (-inverse / np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0)
    below = (often / (often.max() + 1) - 1).astype(np.float32)  # -1 to 0

    def answer(rows: Floats, users: Integers) -> dict[str, Floats]:
        score = (~np.isnan(rows[:, chosen])).astype(np.float32) @ weights
        ranking = below + score.min(axis=1, keepdims=True)
        ranking[:, chosen] = score
        return {"ranking": ranking}

    return answer
