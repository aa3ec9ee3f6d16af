"""What the report shows of a recommender beside scores: lists of some users with reasons, and where items lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from practicals.common.data.rating_tables import Integers
from practicals.common.data.ratings import Catalogue, Ratings
from practicals.common.explain.rating_map import Codes, item_map, nearest_items
from practicals.common.explain.rating_parts import Parts, Predict, Row
from practicals.common.rating_scores import Answer, relevant_least, top_items

USERS = 3
RATED, LISTED = 8, 10
"""Of a user's list: own ratings, and recommendations."""
EXPLAINED, REASONS = 3, 3
"""So many of the recommendations have reasons, and so many each."""
LEAST_REASON = 0.005
"""A rating that moves the prediction less is no reason: it would be shown as 0.00."""
ENOUGH, FEWEST = (20, 10, 5, 2), 50
"""An item that few rated has a code made of chance, so it must have 20 ratings; fewer where not even 50 items have."""
KNOWN, NEAR = 4, 6
"""Items whose nearest are listed, and how many."""
NO_GENRE = "other"


def describe_lists(
    answer: Answer,
    predict_for: Callable[[int], Predict],
    part: Ratings,
    *,
    users: Sequence[int] | None = None,
    seed: int,
) -> list[dict[str, Any]]:
    """Recommend to a few users, and say what speaks for the first recommendations: the summary's `lists`.

    A reason is a rating of the user; its contribution is by how much the prediction is lower without it.

    Args:
        answer: dense ratings to "rating" and "ranking"; see `rating_scores.Answer`.
        predict_for: user number -> a function from rows (n, items) and an item to the predicted rating (n,).
        part: the test part. Predictions come from `part.given`; what stands in `part.known` is not recommended.
        users: by number; when left out three are drawn: of those with few training ratings, with a usual number, and
            with many.
        seed: of the draw.
    """
    given, catalogue = part.given, part.catalogue
    if given is None or part.known is None:
        raise ValueError("part needs `given` and `known`")
    chosen = np.asarray(_telling_users(part, given, seed) if users is None else users, dtype=np.int64)
    rows, known = given.rows(chosen), ~np.isnan(part.known.rows(chosen))
    found = answer(rows, chosen)
    lists = top_items(np.where(known, -np.inf, found["ranking"]), LISTED)
    popularity = _counts(given)
    described = []
    for place, user in enumerate(chosen.tolist()):
        row, predict_one = rows[place], predict_for(user)
        rated = np.flatnonzero(~np.isnan(row))
        # Of the films that a user likes best, those are telling that others know too.
        best = rated[np.lexsort((-popularity[rated], -row[rated]))][:RATED]
        listed = lists[place][lists[place] >= 0]
        items = [
            {
                "title": catalogue.titles[item],
                "genres": list(catalogue.genres[item]),
                "prediction": float(found["rating"][place, item]),
                "reasons": _reasons(predict_one, row, item, catalogue) if number < EXPLAINED else [],
            }
            for number, item in enumerate(listed.tolist())
        ]
        described.append(
            {
                "user": catalogue.users[user],
                # Six digits: 3.7 as float32 is 3.7000000477.
                "rated": [{"title": catalogue.titles[one], "rating": float(f"{row[one]:.6g}")} for one in best],
                "items": items,
            }
        )
    return described


def _telling_users(part: Ratings, given: Ratings, seed: int) -> Integers:
    """Return the numbers of users with few, a usual number of, and many training ratings.

    Those who have liked something in the part come first, since their lists can be right.
    """
    liked = np.unique(part.users[part.values >= np.float32(relevant_least(part))])
    rated = np.bincount(given.users, minlength=len(part.catalogue.users))
    for candidates in (liked[rated[liked] > 0], np.unique(part.users)):
        if len(candidates) >= USERS:
            break
    ordered = candidates[np.argsort(rated[candidates], kind="stable")]
    if len(ordered) <= USERS:
        return ordered
    groups = np.array_split(ordered, min(5, len(ordered)))
    generator = np.random.default_rng(seed)
    return np.array([generator.choice(one) for one in (groups[0], groups[len(groups) // 2], groups[-1])])


def _reasons(predict_one: Predict, row: Row, item: int, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return the ratings without which the prediction would change most, the largest change first."""
    parts = Parts.of(predict_one, row, item)
    names = parts.names(catalogue.titles)
    order = np.argsort(-np.abs(parts.left_out[: parts.alone]), kind="stable")[:REASONS].tolist()
    return [
        {"title": names[one], "contribution": float(parts.left_out[one])}
        for one in order
        if abs(parts.left_out[one]) >= LEAST_REASON
    ]


def describe_map(codes: Codes, ratings: Ratings, catalogue: Catalogue) -> dict[str, Any]:
    """Return the summary's `item_map`: where items lie by their codes, the best-known first.

    Args:
        codes: (items, length of a code).
        ratings: the training part.
        catalogue: titles and genres; the first genre is an item's group.
    """
    counts = _counts(ratings)
    shown = _by_fame(counts)[: int(_enough(counts).sum())]
    # The directions are those in which the shown items differ.
    places = item_map(codes[shown])
    return {
        "x": _short(places[:, 0]),
        "y": _short(places[:, 1]),
        "group": [_genre(catalogue, item) for item in shown],
        "title": [catalogue.titles[item] for item in shown],
        "ratings": counts[shown].tolist(),
    }


def describe_nearest(codes: Codes, ratings: Ratings, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return the summary's `nearest`: of some well-known items, each of another genre, those with the likest codes.

    Args:
        codes: (items, length of a code).
        ratings: the training part.
        catalogue: titles and genres.
    """
    counts = _counts(ratings)
    among = _enough(counts)
    famous = _by_fame(counts)[: int(among.sum())].tolist()
    first_of_genre: dict[str, int] = {}
    for item in famous:
        first_of_genre.setdefault(_genre(catalogue, item), item)
    firsts = list(first_of_genre.values())
    # Where there are fewer genres, the best-known of the others follow.
    chosen = [*firsts, *(item for item in famous if item not in set(firsts))][:KNOWN]
    described = []
    for item in chosen:
        near = [
            {"title": catalogue.titles[other], "similarity": float(f"{cosine:.4g}")}
            for other, cosine in nearest_items(codes, item, NEAR, among=among)
            if cosine > 0
        ]
        described.append({"title": catalogue.titles[item], "near": near})
    return described


def _counts(ratings: Ratings) -> Integers:
    """Return (items,) how often each item was rated."""
    return np.bincount(ratings.items, minlength=len(ratings.catalogue.items))


def _enough(counts: Integers) -> npt.NDArray[np.bool_]:
    """Return (items,) which items have ratings enough for their codes to mean something."""
    for least in ENOUGH:
        if (counts >= least).sum() >= FEWEST:
            return counts >= least
    return counts >= 1


def _by_fame(counts: Integers) -> Integers:
    return np.argsort(-counts, kind="stable")


def _genre(catalogue: Catalogue, item: int) -> str:
    return (*catalogue.genres[item], NO_GENRE)[0]


def _short(values: npt.NDArray[np.float64]) -> list[float]:
    """Return numbers with four digits, more than a drawing can show."""
    return [float(f"{value:.4g}") for value in values]
