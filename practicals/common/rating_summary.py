"""What a lesson that predicts ratings and recommends hands over at its end, and the files that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from practicals.common.config import PracticalConfig
from practicals.common.data.rating_files import HALF_STARS, STARS
from practicals.common.data.split import Split
from practicals.common.ladder import Baseline, Climbed
from practicals.common.metrics import Numbers, reach_to_zero
from practicals.common.outcome import About, strongest_baseline, write_outcome
from practicals.common.rating_scores import LIST_LENGTH, Integers, Judged
from practicals.common.run import Run, Scores

if TYPE_CHECKING:
    from practicals.common.data.ratings import Catalogue, Ratings

__all__ = ["About", "bootstrap_over_users", "finish", "order_in_words", "unit_of_ratings"]

EDGES = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
"""Numbers of training ratings at which a group may end."""
SMALLEST_GROUP = 0.06
"""Share of the test ratings that a group holds at least, but for that of what was never rated."""
MOST_BARS = 20
"""Ratings told apart in a histogram; a finer scale is counted at `FEWER_BARS` evenly spaced ones."""
FEWER_BARS = 11


def finish(
    run: Run,
    config: PracticalConfig,
    about: About,
    *,
    split: Split[Ratings],
    network: Any,
    judged: Split[Judged],
    baselines: Sequence[Baseline],
    rungs: Sequence[Climbed],
    fit_seconds: float,
    best_epoch_kept: bool,
    noun: tuple[str, str],
    ranking_sentence: str = "",
    **parts: Any,
) -> Scores:
    """Write predictions, baselines and summary into the run folder and compare the network with its opponents.

    Args:
        run: the run's folder.
        config: its settings.
        about: what the lesson is about; the metric that decides is `rmse`.
        split: the ratings.
        network: the keras.Model whose layers are listed; only asked for them.
        judged: what the saved model says of each part, from `judge`.
        baselines: the opponents, the naive one first, which must predict ratings; others may only rank.
        rungs: the course's network and the steps from it; may be empty.
        fit_seconds: how long `fit` took.
        best_epoch_kept: whether the weights are those of the best epoch; those of the last otherwise.
        noun: what is rated, one and several: ("film", "films").
        ranking_sentence: by what the network orders its lists.
        parts: further parts of the summary, such as `depths` and `lists`.
    """
    test, ours = split.test, judged.test.prediction
    strongest = strongest_baseline(baselines, about)
    theirs = strongest.test_prediction
    scored = ("validation", split.validation, judged.validation), ("test", test, judged.test)
    return write_outcome(
        run,
        config,
        about,
        task="ratings",
        unit=unit_of_ratings(test.catalogue),
        network=network,
        scores=judged.map(lambda one: one.scores),
        baselines=baselines,
        rungs=rungs,
        fit_seconds=fit_seconds,
        best_epoch_kept=best_epoch_kept,
        predictions=pd.concat([prediction_rows(*part) for part in scored]),
        data=describe_ratings(split),
        compare=lambda one: bootstrap_over_users(test.users, _truth(test), ours, one.test_prediction, seed=config.seed),
        noun=list(noun),
        by_user=error_by_count(test, _counted(split.train.users, test.users), ours, theirs),
        by_item=error_by_count(test, _counted(split.train.items, test.items), ours, theirs),
        group_baseline=strongest.name,
        histogram=histogram(test, ours),
        ranking=describe_ranking(judged.test, baselines, ranking_sentence),
        **parts,
    )


def unit_of_ratings(catalogue: Catalogue) -> str:
    """Return "stars" for MovieLens' scales, 1 to 5 and its halves; "" where the unit is not known."""
    return "stars" if catalogue.scale in (STARS, HALF_STARS) else ""


def order_in_words(chance_counts: float) -> str:
    """Say by what the network orders its lists: `chance_counts` stars for a chance that is e times as large."""
    if not chance_counts:
        return "The network orders them by the predicted rating."
    return (
        f"The network orders them by the predicted rating and {chance_counts:g} times the logarithm of the chance that "
        "the user picks it at all; this weight was chosen on the validation ratings."
    )


def bootstrap_over_users(
    users: Integers, truth: Numbers, ours: Numbers, theirs: Numbers, *, seed: int, draws: int = 1000
) -> tuple[float, tuple[float, float]]:
    """Return our RMSE minus theirs and its 95 % interval over redrawn users, each with all the ratings of the part.

    The ratings of one user hang together, so redrawing them one by one would promise too much (Efron & Tibshirani,
    1993; percentile interval). One user alone says nothing of others: the interval then reaches to 0.

    Args:
        users: (n,) who gave each rating.
        truth: (n,).
        ours: (n,) predictions.
        theirs: (n,) predictions.
        seed: seed of the draws.
        draws: number of draws.
    """
    _, who = np.unique(users, return_inverse=True)
    number = np.bincount(who)
    squares = [np.bincount(who, (prediction - truth) ** 2) for prediction in (ours, theirs)]

    def difference(drawn: Any) -> float:
        of = number[drawn].sum()
        one, other = (np.sqrt(each[drawn].sum() / of) for each in squares)
        return float(one - other)

    found = difference(slice(None))
    if len(number) < 2:
        return found, reach_to_zero(found)
    generator = np.random.default_rng(seed)
    differences = [difference(generator.integers(0, len(number), len(number))) for _ in range(draws)]
    low, high = np.percentile(differences, [2.5, 97.5])
    return found, (float(low), float(high))


def prediction_rows(part: str, ratings: Ratings, judged: Judged) -> pd.DataFrame:
    """Return the lines of `predictions.csv` for one part; users and items stand there by their ids."""
    users, items = (np.array(names, dtype=object) for names in (ratings.catalogue.users, ratings.catalogue.items))
    return pd.DataFrame(
        {
            "id": ratings.index,
            "part": part,
            "truth": _truth(ratings),
            "prediction": judged.prediction,
            "user": users[ratings.users],
            "item": items[ratings.items],
        }
    )


def _truth(ratings: Ratings) -> Numbers:
    """Return (n,) the ratings as they were written: 3.7, which in 32 bit is 3.7000000477."""
    return ratings.values.astype(np.float64).round(6)


def _counted(codes: Integers, asked: Integers) -> Integers:
    """Return (asked,) how often each of these occurs among the codes."""
    return np.bincount(codes, minlength=int(asked.max()) + 1)[asked]


def describe_ratings(split: Split[Ratings]) -> dict[str, Any]:
    """Return what the report says of the data: how many ratings, of how many, and what was noted on reading."""
    parts = {name: len(part) for name, part in split.items()}
    users, items = len(split.train.catalogue.users), len(split.train.catalogue.items)
    return {
        "things": "ratings",
        "rows": sum(parts.values()),
        "parts": parts,
        "users": users,
        "items": items,
        "density": sum(parts.values()) / (users * items),
        "notes": list(split.facts.notes) if split.facts else [],
    }


def error_by_count(test: Ratings, count: Integers, ours: Numbers, theirs: Numbers) -> list[dict[str, Any]]:
    """Return the errors on groups of test ratings whose user, or item, has so many ratings in the training part.

    Groups end at round numbers and are as narrow as `SMALLEST_GROUP` allows.

    Args:
        test: n ratings.
        count: (n,) training ratings of the user, or of the item.
        ours: (n,) the network's predictions.
        theirs: (n,) the baseline's.
    """
    least = SMALLEST_GROUP * len(test)
    bounds, low = ([(0, 0)] if (count == 0).any() else []), 1
    for high in EDGES:
        if ((count >= low) & (count <= high)).sum() >= least and (count > high).sum() >= least:
            bounds.append((low, high))
            low = high + 1
    truth, groups = _truth(test), []
    for first, last in [*bounds, (low, None)]:
        inside = (count >= first) & (count <= (np.inf if last is None else last))
        if inside.any():
            rmse, other = (float(np.sqrt(np.mean((one - truth)[inside] ** 2))) for one in (ours, theirs))
            groups.append(
                {"from": first, "to": last, "ratings": int(inside.sum()), "rmse": rmse, "baseline_rmse": other}
            )
    return groups


def histogram(test: Ratings, prediction: Numbers) -> dict[str, Any]:
    """Return how often each rating of the scale was given and predicted, as shares; each counts at the nearest."""
    scale = np.array(test.catalogue.scale)
    values = scale if len(scale) <= MOST_BARS else np.linspace(scale[0], scale[-1], FEWER_BARS)
    middles = (values[1:] + values[:-1]) / 2

    def shares(numbers: Numbers) -> list[float]:
        counts = np.bincount(np.digitize(numbers, middles), minlength=len(values))
        return [float(share) for share in counts / len(numbers)]

    return {
        "values": [round(float(value), 6) for value in values],
        "truth": shares(_truth(test)),
        "prediction": shares(prediction),
    }


def describe_ranking(judged: Judged, baselines: Sequence[Baseline], sentence: str) -> dict[str, Any]:
    """Return the scores of all that recommend, the network first; {} where nobody could be given a list."""
    scored = {"network": judged.scores, **{one.name: one.test for one in baselines}}
    rows = [{"name": name, **_ranked(scores)} for name, scores in scored.items() if f"ndcg_at_{LIST_LENGTH}" in scores]
    if judged.users is None or not rows:
        return {}
    return {
        "k": LIST_LENGTH,
        "users": len(judged.users),
        "relevant": judged.relevant_from,
        "sentence": sentence,
        "rows": rows,
    }


def _ranked(scores: Mapping[str, float]) -> dict[str, float]:
    lists = {name: scores[f"{name}_at_{LIST_LENGTH}"] for name in ("precision", "recall", "ndcg", "hit_rate")}
    return {**lists, "coverage": scores["coverage"], "popularity": scores["popularity"]}
