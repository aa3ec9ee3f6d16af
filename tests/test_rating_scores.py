"""Ratings are not predicted from themselves, lists hold no old news, and every score is what the hand computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from practicals.common.data.ratings import Catalogue, Ratings
from practicals.common.data.split import Split
from practicals.common.errors import RunError
from practicals.common.rating_scores import MOST_USERS, Answer, judge, relevant_least, score_on_ratings, top_items

STARS = (1.0, 2.0, 3.0, 4.0, 5.0)


def catalogue(users: int, items: int, scale: tuple[float, ...] = STARS) -> Catalogue:
    names = [tuple(f"{word}{one}" for one in range(count)) for word, count in (("u", users), ("i", items))]
    nothing = np.zeros((users, 0), np.float32), np.zeros((items, 0), np.float32)
    return Catalogue(
        names[0], names[1], names[1], ((),) * items, np.full(items, np.nan), nothing[0], (), nothing[1], (), scale
    )


def ratings(of: Catalogue, triples: Sequence[tuple[int, int, float]], **more: Any) -> Ratings:
    """Return ratings of (user, item, value)."""
    users, items, values = zip(*triples, strict=True)
    return Ratings(np.array(users), np.array(items), values, catalogue=of, **more)


def constant(value: float) -> Answer:
    return lambda rows, users: {"rating": np.full(rows.shape, value)}


def by_number(rows: np.ndarray[Any, Any], users: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Recommend item 0 most, then item 1, and so on."""
    return {"ranking": np.broadcast_to(-np.arange(rows.shape[1], dtype=float), rows.shape)}


# Errors


def test_errors_of_three_ratings_by_hand_and_predictions_in_the_order_of_the_part() -> None:
    of = catalogue(3, 4)
    given = ratings(of, [(0, 0, 3), (1, 1, 4), (2, 2, 5)])
    part = ratings(of, [(2, 1, 5), (0, 3, 1), (2, 0, 3)], given=given)
    judged = judge(lambda rows, users: {"rating": 1.0 + users[:, None] + 0.5 * np.arange(4)}, part)
    np.testing.assert_allclose(judged.prediction, [3.5, 2.5, 3.0])
    assert judged.scores == pytest.approx({"rmse": np.sqrt((1.5**2 + 1.5**2) / 3), "mae": 1.0})
    assert judged.lists is None


def test_a_training_rating_is_predicted_from_the_others_of_its_user_and_never_from_itself() -> None:
    of = catalogue(2, 9)
    train = ratings(of, [(0, item, 1 + item % 5) for item in range(7)] + [(1, 8, 5)])
    train.given = train
    seen: list[np.ndarray[Any, Any]] = []

    def echo(rows: np.ndarray[Any, Any], users: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        seen.extend(rows)
        return {"rating": np.where(np.isnan(rows), -100, rows)}

    judged = judge(echo, train)
    np.testing.assert_array_equal(judged.prediction, -100)
    shown = sorted(int((~np.isnan(row)).sum()) for row in seen)
    assert shown == [0, 5, 5, 6, 6, 6], "five groups of seven ratings, and the only one of the other user"
    some = judge(echo, train[[6, 2]])
    np.testing.assert_array_equal(some.prediction, -100)


def test_a_part_of_the_training_part_is_predicted_as_in_the_whole() -> None:
    generator = np.random.default_rng(0)
    pairs = generator.permutation(12 * 20)[:100]
    of = catalogue(12, 20)
    train = ratings(of, [(pair // 20, pair % 20, float(generator.integers(1, 6))) for pair in pairs.tolist()])
    train.given = train

    def mean(rows: np.ndarray[Any, Any], users: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        return {"rating": np.nan_to_num(np.nansum(rows, axis=1, keepdims=True)) + np.zeros(rows.shape)}

    chosen = generator.permutation(100)[:40]
    np.testing.assert_allclose(judge(mean, train[chosen]).prediction, judge(mean, train).prediction[chosen])


def test_other_parts_see_all_that_is_given_once_and_few_users_at_a_time() -> None:
    users = 2 * MOST_USERS + 10
    of = catalogue(users, 3)
    given = ratings(of, [(user, 0, 4) for user in range(users)])
    part = ratings(of, [(user, 1, 4) for user in range(users)], given=given)
    asked: list[int] = []

    def look(rows: np.ndarray[Any, Any], users: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        asked.append(len(users))
        assert (rows[:, 0] == 4).all()
        return {"rating": np.full(rows.shape, 3.0)}

    assert judge(look, part).scores["rmse"] == 1
    assert asked == [MOST_USERS, MOST_USERS, 10]


def test_an_answer_without_a_number_is_refused_in_one_line() -> None:
    of = catalogue(2, 2)
    given = ratings(of, [(0, 0, 4)])
    part = ratings(of, [(1, 1, 4), (0, 1, 5)], given=given, known=given)
    with pytest.raises(RunError, match="no number for 2 of 2 pairs"):
        judge(constant(np.nan), part)
    with pytest.raises(RunError, match="no number"):
        judge(lambda rows, users: {"ranking": np.full(rows.shape, np.inf)}, part)
    with pytest.raises(ValueError, match="given is None"):
        judge(constant(3), ratings(of, [(0, 0, 4)]))


# Lists


def test_a_ranking_by_hand() -> None:
    of = catalogue(3, 14)
    given = ratings(of, [(0, 1, 5), (0, 2, 1), (2, 3, 3)])
    known = ratings(of, [(0, 1, 5), (0, 2, 1), (0, 5, 2), (2, 3, 3)])
    # User 0 gets items 0, 3, 4, 6, 7, ... 12; user 1 has no relevant rating; user 2 gets 0, 1, 2, 4, ... 10.
    part = ratings(
        of,
        [(0, 3, 5), (0, 6, 4), (0, 13, 4), (0, 0, 3), (1, 0, 3), (2, 12, 5), (2, 13, 5)],
        given=given,
        known=known,
    )
    judged = judge(by_number, part)
    assert judged.users is not None and judged.lists is not None
    assert judged.users.tolist() == [0, 2] and judged.relevant_from == 4
    assert judged.lists.tolist() == [[0, 3, 4, 6, 7, 8, 9, 10, 11, 12], [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]]
    gain = 1 / np.log2(np.arange(2, 12))
    assert judged.scores == pytest.approx(
        {
            "precision_at_10": (2 / 10 + 0) / 2,
            "recall_at_10": (2 / 3 + 0) / 2,
            "ndcg_at_10": (gain[1] + gain[3]) / gain[:3].sum() / 2,
            "hit_rate_at_10": 1 / 2,
            "coverage": 13 / 14,
            "popularity": (1 + 2) / 20,
        }
    ), "items 1 and 2 stand on the second list, item 3 on the first; each was rated once"
    assert np.isnan(judged.prediction).all()


def test_the_best_order_is_worth_one_whether_few_or_many_are_relevant() -> None:
    of = catalogue(2, 30)
    given = ratings(of, [(0, 29, 1), (1, 29, 1)])
    part = ratings(of, [(0, 0, 5)] + [(1, item, 5) for item in range(14)], given=given, known=given)
    scores = judge(by_number, part).scores
    assert scores["ndcg_at_10"] == pytest.approx(1)
    assert scores["recall_at_10"] == pytest.approx((1 + 10 / 14) / 2)


def test_where_little_is_left_the_list_is_shorter_and_precision_counts_its_length() -> None:
    of = catalogue(1, 4)
    given = ratings(of, [(0, 0, 5)])
    known = ratings(of, [(0, 0, 5), (0, 3, 2)])
    judged = judge(by_number, ratings(of, [(0, 2, 5)], given=given, known=known))
    assert judged.lists is not None
    assert judged.lists.tolist() == [[1, 2, *[-1] * 8]]
    assert judged.scores["precision_at_10"] == 1 / 2
    assert judged.scores["coverage"] == 2 / 4


def test_nobody_is_given_a_list_where_nothing_is_relevant_or_nothing_is_known_to_be_old() -> None:
    of = catalogue(2, 5)
    given = ratings(of, [(0, 0, 5), (1, 1, 5)])
    low = judge(by_number, ratings(of, [(0, 1, 2)], given=given, known=given))
    assert low.scores == {} and low.lists is None
    assert judge(by_number, ratings(of, [(0, 1, 2)], given=given, known=given), relevant_from=2).users is not None
    assert judge(by_number, ratings(of, [(0, 1, 5)], given=given)).scores == {}
    given.given = given.known = given
    assert judge(by_number, given).scores == {}, "what is given is no news"
    both = ratings(of, [(0, 0, 5), (0, 2, 5), (1, 1, 5), (1, 2, 1)], given=given, known=given)
    judged = judge(by_number, both)
    assert judged.users is not None and judged.users.tolist() == [0]
    assert judged.scores["recall_at_10"] == 1, "of what could be recommended"


@pytest.mark.parametrize(("scale", "values", "relevant"), [
    (STARS, (3, 4), 1), (tuple(half / 2 for half in range(1, 11)), (3.5, 4), 1), ((0.2, 0.6, 0.8, 1.0), (0.6, 0.8), 1),
    ((), (2, 10), 1),
])  # fmt: skip
def test_three_quarters_up_the_scale_a_rating_is_relevant(scale: Any, values: Any, relevant: int) -> None:
    part = ratings(catalogue(1, 2, scale), [(0, 0, values[0]), (0, 1, values[1])])
    assert int((part.values >= np.float32(relevant_least(part))).sum()) == relevant


def test_the_best_items_are_those_of_a_full_sort_with_equals_by_number() -> None:
    scores = np.random.default_rng(3).integers(0, 6, (40, 25)).astype(float)
    scores[:5, 3:20] = -np.inf
    for count in (1, 10, 30):
        found = top_items(scores, count)
        for line, row in zip(scores, found, strict=True):
            order = [item for item in np.argsort(-line, kind="stable").tolist() if line[item] > -np.inf][:count]
            assert row.tolist() == order + [-1] * (count - len(order))


# Opponents


def test_opponents_are_fitted_on_the_training_part_and_one_may_only_rank() -> None:
    of = catalogue(2, 3)
    train = ratings(of, [(0, 0, 4), (1, 1, 2)])
    train.given = train
    validation, test = (ratings(of, [(0, 1, 5)], given=train, known=train) for _ in range(2))
    fitted: list[Ratings] = []

    class Mean:
        def fit(self, train: Ratings) -> Answer:
            fitted.append(train)
            return constant(float(train.values.mean()))

    class Ranker:
        def fit(self, train: Ratings) -> Answer:
            return by_number

    entries = [("mean", "naive", "why", Mean()), ("ranker", "classical", "", Ranker())]
    mean, ranker = score_on_ratings(entries, Split(train, validation, test))
    assert fitted == [train]
    assert (mean.name, mean.kind, mean.why) == ("mean", "naive", "why")
    assert mean.test == {"rmse": 2, "mae": 2} and mean.test_prediction.tolist() == [3]
    assert "rmse" not in ranker.test and ranker.validation["hit_rate_at_10"] == 1
    assert np.isnan(ranker.test_prediction).all()
