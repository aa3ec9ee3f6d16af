"""How good predicted ratings and recommended lists are: no rating is predicted from itself, no list holds old news."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from practicals.common.data.split import Split
from practicals.common.errors import RunError
from practicals.common.ladder import Baseline
from practicals.common.metrics import Numbers

if TYPE_CHECKING:
    from practicals.common.data.ratings import Ratings

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

Answer = Callable[[Floats, Integers], Mapping[str, npt.NDArray[Any]]]
"""What a recommender says of at most `MOST_USERS` users at once.

It takes dense rows (b, items), NaN where unrated, and user numbers (b,), -1 for a stranger. It returns "rating"
(b, items), predictions within the scale, or "ranking" (b, items), by which a list is ordered, more is better; or both.
"""

LIST_LENGTH = 10
MOST_USERS = 256
"""Asked at once, so that memory grows with them times the items, never with users times items."""
GROUPS = 5
"""Into which the ratings of a user are divided where they must be predicted from each other."""


class Opponent(Protocol):
    """A recommender that is yet to be fitted."""

    def fit(self, train: Ratings) -> Answer:
        """Learn from the training ratings."""


@dataclass(frozen=True)
class Judged:
    """What a recommender said of one part, and how good that is."""

    scores: dict[str, float]
    """Keys of `practicals.common.report.words.METRICS`; only those of what it answers."""
    prediction: Numbers
    """(n,) in the order of the part; NaN where it predicts no ratings."""
    lists: Integers | None
    """(users judged, 10) item numbers, the best first, -1 behind the end of a shorter list; None without a ranking."""
    users: Integers | None
    """(users judged,) whose lists these are: all with at least one relevant rating in the part."""
    relevant_from: float
    """A rating from here on is relevant: what a list should hold."""


def judge(answer: Answer, part: Ratings, *, relevant_from: float | None = None) -> Judged:
    """Score a recommender on one part.

    Ratings that `part.given` holds too, as those of the training part, are not predicted from themselves: those of
    each user are divided into five groups, by their place in the file, and each group is predicted without it.

    Args:
        answer: the recommender.
        part: n ratings; `part.given` is what may be looked at, `part.known` what is not recommended again. Where that
            is None, no lists are judged, and neither are those of pairs that are given.
        relevant_from: the lowest relevant rating; three quarters up the scale when left out, 4 of 1 to 5.

    Raises:
        RunError: the recommender does not answer with numbers.
        ValueError: the part does not say what may be looked at.
    """
    least = relevant_least(part) if relevant_from is None else relevant_from
    relevant = part.values >= np.float32(least)
    prediction: Numbers = np.full(len(part), np.nan)
    users: list[Integers] = [np.empty(0, np.int64)]
    lists: list[Integers] = [np.empty((0, LIST_LENGTH), np.int64)]
    for given, places, is_news in _passes(part):
        if not is_news:
            relevant[places] = False  # what was given cannot be recommended
        asked, row = np.unique(part.users[places], return_inverse=True)
        for first in range(0, len(asked), MOST_USERS):
            batch = asked[first : first + MOST_USERS]
            said = answer(given.rows(batch), batch)
            here = (row >= first) & (row < first + MOST_USERS)
            pairs = places[here]
            if "rating" in said:
                prediction[pairs] = said["rating"][row[here] - first, part.items[pairs]]
                _require_numbers(prediction[pairs])
            if "ranking" in said and is_news and part.known is not None:
                judged = np.isin(batch, part.users[pairs[relevant[pairs]]])
                users.append(batch[judged])
                lists.append(_news(said["ranking"][judged], part.known.rows(batch[judged])))
    scores = _errors(part, prediction) if np.isfinite(prediction).all() else {}
    of, listed = np.concatenate(users), np.concatenate(lists)
    if not len(of):
        return Judged(scores, prediction, None, None, least)
    return Judged({**scores, **_ranking_scores(listed, of, part, relevant)}, prediction, listed, of, least)


def relevant_least(part: Ratings) -> float:
    """Return the rating that lies three quarters up the scale: 4 of 1 to 5."""
    low, high = scale_ends(part)
    return low + 0.75 * (high - low)


def scale_ends(ratings: Ratings) -> tuple[float, float]:
    """Return the lowest and the highest rating that there can be."""
    scale = ratings.catalogue.scale or ratings.values
    return float(min(scale)), float(max(scale))


def _passes(part: Ratings) -> Iterator[tuple[Ratings, Integers, bool]]:
    """Yield what may be looked at, the places of the pairs to predict from it, and whether these are not given."""
    given = part.given
    if given is None:
        raise ValueError("part.given is None: a part must say which ratings may be looked at")
    items = len(part.catalogue.items)
    held, wanted = given.users * items + given.items, part.users * items + part.items
    group = _places_within(given.users) % GROUPS
    order = np.argsort(held)
    at = order[np.minimum(np.searchsorted(held, wanted, sorter=order), len(held) - 1)]
    of = np.where(held[at] == wanted, group[at], -1)
    for one in np.unique(of).tolist():
        yield given if one < 0 else given[group != one], np.flatnonzero(of == one), one < 0


def _places_within(codes: Integers) -> Integers:
    """Return (n,) how many equal codes stand before each."""
    order = np.argsort(codes, kind="stable")
    _, starts, numbers = np.unique(codes[order], return_index=True, return_counts=True)
    places = np.empty(len(codes), np.int64)
    places[order] = np.arange(len(codes)) - np.repeat(starts, numbers)
    return places


def _news(ranking: npt.NDArray[Any], known: Floats) -> Integers:
    """Return (b, 10) the best items that are not known, -1 behind the end; both arguments (b, items)."""
    _require_numbers(ranking)
    return top_items(np.where(np.isnan(known), ranking, -np.inf), LIST_LENGTH)


def top_items(scores: npt.NDArray[Any], count: int) -> Integers:
    """Return (b, count) the items with the highest scores, the best first; of equals the one with the lower number.

    Args:
        scores: (b, items); minus infinity for what must not stand on the list.
        count: how long the lists are; -1 stands behind the end of a shorter one.
    """
    found = np.full((len(scores), count), -1, dtype=np.int64)
    if not len(scores):
        return found
    place = max(scores.shape[1] - count, 0)
    least = np.partition(scores, place, axis=1)[:, place]
    for row, (line, bound) in enumerate(zip(scores, least, strict=True)):
        candidates = np.flatnonzero((line >= bound) & (line > -np.inf))
        best = candidates[np.argsort(-line[candidates], kind="stable")][:count]
        found[row, : len(best)] = best
    return found


def _errors(part: Ratings, prediction: Numbers) -> dict[str, float]:
    error = prediction - part.values.astype(np.float64)
    return {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.mean(np.abs(error)))}


def _ranking_scores(lists: Integers, users: Integers, part: Ratings, relevant: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return how good lists are, as means over the users, and what they are made of.

    A hit is worth 1 / log2(place + 1) in NDCG, and the best order there can be is worth 1 (Järvelin & Kekäläinen,
    2002, "Cumulated gain-based evaluation of IR techniques").
    """
    items = len(part.catalogue.items)
    pairs = (part.users * items + part.items)[relevant]
    hit = np.isin(users[:, None] * items + lists, pairs) & (lists >= 0)
    number = np.bincount(part.users[relevant], minlength=int(users.max()) + 1)[users]
    gain = 1 / np.log2(np.arange(2, LIST_LENGTH + 2))
    ideal = np.cumsum(gain)[np.minimum(number, LIST_LENGTH) - 1]
    assert part.given is not None  # noqa: S101, `_passes` has refused it
    listed, often = lists[lists >= 0], np.bincount(part.given.items, minlength=items)
    return {
        "precision_at_10": float(np.mean(hit.sum(axis=1) / (lists >= 0).sum(axis=1))),
        "recall_at_10": float(np.mean(hit.sum(axis=1) / number)),
        "ndcg_at_10": float(np.mean(hit @ gain / ideal)),
        "hit_rate_at_10": float(np.mean(hit.any(axis=1))),
        "coverage": len(np.unique(listed)) / items,
        "popularity": float(np.mean(often[listed])),
    }


def _require_numbers(answers: npt.NDArray[Any]) -> None:
    if wrong := int((~np.isfinite(answers)).sum()):
        raise RunError(
            f"model: gives no number for {wrong:,} of {answers.size:,} pairs of user and item. "
            "Train it again with a smaller learning_rate."
        )


Entry = tuple[str, str, str, Opponent]
"""Name, kind, why, and an unfitted opponent."""


def score_on_ratings(entries: Sequence[Entry], split: Split[Ratings]) -> list[Baseline]:
    """Fit opponents on the training ratings and score them on validation and test ratings.

    Args:
        entries: the opponents, the naive one first; it must predict ratings. One that only ranks has no rating error,
            and NaN for its predictions.
        split: the ratings.
    """
    made = []
    for name, kind, why, opponent in entries:
        answer = opponent.fit(split.train)
        validation, test = (judge(answer, part) for part in (split.validation, split.test))
        made.append(Baseline(name, kind, why, validation.scores, test.scores, test_prediction=test.prediction))
    return made
