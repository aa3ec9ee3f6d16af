"""The opponents of a recommender against slower forms of themselves, planted tastes, and bad luck."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_rating_scores import catalogue, ratings

from practicals.common import rating_baselines as opponents
from practicals.common.data.cards import load_card
from practicals.common.data.fetch import locate
from practicals.common.data.ratings import Ratings, ratings_split, read_ratings
from practicals.common.data.split import Split
from practicals.common.rating_baselines import NEIGHBOURS
from practicals.common.rating_scores import judge, score_on_ratings

Dense = np.ndarray[Any, Any]
ALL = ("global_mean", "biases", "item_neighbours", "matrix_factorisation", "most_popular", "ease")


def drawn(data: str, how: str = "u1") -> Split[Ratings]:
    found, facts = read_ratings(locate(load_card("movielens_100k"), data))
    return ratings_split(found, facts, how=how, validation=0.05, test=0.1, seed=0)


@pytest.fixture(scope="module")
def split() -> Split[Ratings]:
    return drawn("sample")


def answers(name: str, train: Ratings, rows: Dense) -> dict[str, Dense]:
    said = getattr(opponents, name)().fit(train)(rows, np.full(len(rows), -1))
    return {key: np.asarray(value) for key, value in said.items()}


def dense(train: Ratings) -> Dense:
    return train.rows(np.arange(len(train.catalogue.users)))


def biases_by_hand(rows: Dense) -> tuple[float, Dense, Dense]:
    rated, values = ~np.isnan(rows), np.nan_to_num(rows.astype("float64"))
    mean, of_user, of_item = values.sum() / rated.sum(), np.zeros(len(rows)), np.zeros(rows.shape[1])
    for _ in range(10):
        of_item = ((values - mean - of_user[:, None]) * rated).sum(0) / (rated.sum(0) + 4)
        of_user = ((values - mean - of_item) * rated).sum(1) / (rated.sum(1) + 8)
    return mean, of_user, of_item


def test_biases_are_set_in_turns_and_that_of_a_user_comes_from_the_row(split: Split[Ratings]) -> None:
    rows = dense(split.train)
    mean, of_user, of_item = biases_by_hand(rows)
    expected = np.clip(mean + of_user[:, None] + of_item, 1, 5)
    np.testing.assert_allclose(answers("biases", split.train, rows)["rating"], expected, atol=2e-5)
    np.testing.assert_allclose(answers("global_mean", split.train, rows[:2])["rating"], mean, atol=1e-6)


def test_neighbours_are_those_of_the_slow_form(split: Split[Ratings]) -> None:
    rows = dense(split.train)
    mean, of_user, of_item = biases_by_hand(rows)
    biases = mean + of_user[:, None] + of_item
    rated = (~np.isnan(rows)).astype("float64")
    over = np.where(rated == 1, rows - biases, 0)
    common = rated.T @ rated
    sizes = np.sqrt((over**2).T @ rated * ((over**2).T @ rated).T)
    alike = np.maximum(over.T @ over / np.maximum(sizes, 1e-9) * common / (common + 50), 0)
    cosine = common / np.sqrt(np.outer(np.diag(common), np.diag(common)))
    for table in (alike, cosine):
        np.fill_diagonal(table, 0)
    said = answers("item_neighbours", split.train, rows)
    for user in (0, int(rated.sum(1).argmax())):
        mine = np.flatnonzero(rated[user])
        for item in range(0, rows.shape[1], 7):
            bound = np.sort(alike[item, mine])[-min(NEIGHBOURS, len(mine))]
            near = mine[alike[item, mine] >= bound * (1 - 1e-5)]
            weights = alike[item, near]
            expected = biases[user, item] + weights @ over[user, near] / (weights.sum() + 0.5)
            assert said["rating"][user, item] == pytest.approx(np.clip(expected, 1, 5), abs=1e-4)
            bound = np.sort(cosine[item])[-NEIGHBOURS]
            listed = cosine[item, mine][cosine[item, mine] >= bound].sum()
            assert said["ranking"][user, item] == pytest.approx(listed, abs=1e-4)
    assert rated.sum(1).max() > NEIGHBOURS, "or no neighbour was ever one too many"


def test_few_items_at_a_time_have_the_same_neighbours(split: Split[Ratings], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = split.train.rows([0, 5])
    whole = answers("item_neighbours", split.train, rows)
    monkeypatch.setattr(opponents, "CELLS", 7 * rows.shape[1])
    for key, value in answers("item_neighbours", split.train, rows).items():
        np.testing.assert_allclose(value, whole[key], atol=1e-5)


def test_ease_is_the_ridge_regression_of_each_item_on_all_others(split: Split[Ratings]) -> None:
    rows = dense(split.train)
    rated = (~np.isnan(rows)).astype("float64")
    said = answers("ease", split.train, rows[:20])["ranking"]
    for item in (0, 3, 50):
        others = np.delete(rated, item, axis=1)
        weights = np.linalg.solve(others.T @ others + 300 * np.eye(others.shape[1]), others.T @ rated[:, item])
        np.testing.assert_allclose(said[:, item], others[:20] @ weights, atol=1e-5)


def test_what_ease_does_not_weigh_stands_below_by_popularity(
    split: Split[Ratings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opponents, "EASE_ITEMS", 30)
    often = np.bincount(split.train.items, minlength=200)
    order = np.argsort(-often, kind="stable")
    ranking = answers("ease", split.train, split.train.rows([0, 1]))["ranking"]
    assert (ranking[:, order[:30]].min(axis=1) > ranking[:, order[30:]].max(axis=1)).all()
    assert (np.diff(ranking[:, order[30:]], axis=1) <= 0).all()
    popular = answers("most_popular", split.train, split.train.rows([0, 1]))["ranking"]
    np.testing.assert_array_equal(popular, [often, often])


def planted(scale: float = 1.0) -> Ratings:
    """Return ratings of two camps: each likes the films that the other dislikes."""
    camp, kind = np.arange(40) % 2 * 2 - 1, np.arange(30) % 2 * 2 - 1
    of = catalogue(40, 30, tuple(scale * value for value in (1.0, 2.0, 3.0, 4.0, 5.0)))
    pairs = [(user, item) for user in range(40) for item in range(30) if (user + item) % 3]
    return ratings(of, [(user, item, scale * (3 + camp[user] * kind[item])) for user, item in pairs])


@pytest.mark.parametrize("name", ["matrix_factorisation", "item_neighbours"])
def test_planted_tastes_are_found_on_any_scale(name: str) -> None:
    train = planted()
    said = answers(name, train, train.rows([0, 1]))["rating"]
    assert (said[0, ::2] > 3.3).all() and (said[0, 1::2] < 2.7).all() and (said[1, ::2] < 2.7).all()
    bias = answers("biases", train, train.rows([0, 1]))["rating"]
    np.testing.assert_allclose(bias, 3, atol=0.1)
    for scale in (20, 1e12, 1e-9):  # the squares of squares of the last two lie beyond 32 bit
        scaled = planted(scale)
        found = answers(name, scaled, scaled.rows([0, 1]))["rating"]
        np.testing.assert_allclose(found / scale, said, rtol=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_answers_come_from_the_rows_and_from_training_alone(name: str, split: Split[Ratings]) -> None:
    answer = getattr(opponents, name)().fit(split.train)
    rows = split.train.rows([3, 4, 5])
    known, stranger = answer(rows, np.array([3, 4, 5])), answer(rows[::-1].copy(), np.full(3, -1))
    assert set(known) <= {"rating", "ranking"}
    for key in known:
        assert known[key].shape == rows.shape
        np.testing.assert_allclose(known[key], stranger[key][::-1], atol=1e-5)
    # Who has rated nothing gets an answer, too, and a rating lies within the scale.
    nothing = answer(np.full((1, 200), np.nan, np.float32), np.array([-1]))
    assert all(np.isfinite(value).all() for value in nothing.values())
    extreme = answer(np.where(np.arange(200) % 2 == 0, 5, np.nan).astype("float32")[None], np.array([-1]))
    if "rating" in extreme:
        assert extreme["rating"].max() <= 5 and extreme["rating"].min() >= 1


@pytest.mark.parametrize("name", ALL)
def test_a_tiny_file_an_unrated_item_and_one_rating_are_no_trouble(name: str) -> None:
    of = catalogue(3, 3)
    train = ratings(of, [(0, 0, 5), (0, 1, 2), (1, 0, 4)])  # item 2 and user 2 have no rating
    train.given = train
    part = ratings(of, [(1, 1, 4), (2, 2, 5), (0, 2, 4)], given=train, known=train)
    judged = judge(getattr(opponents, name)().fit(train), part)
    assert judged.scores and np.isfinite(list(judged.scores.values())).all()
    assert np.isfinite(list(judge(getattr(opponents, name)().fit(train), train).scores.values())).all()


def test_tastes_beat_biases_and_biases_the_mean_on_the_sample(split: Split[Ratings]) -> None:
    entries = [(name, "classical", "", getattr(opponents, name)()) for name in ALL]
    test = {one.name: one.test for one in score_on_ratings(entries, split)}
    mean, biases, neighbours, codes = (test[name]["rmse"] for name in ALL[:4])
    assert mean > biases + 0.1 > neighbours + 0.1 and codes < biases - 0.02
    assert test["ease"]["ndcg_at_10"] > test["most_popular"]["ndcg_at_10"]
    assert {name for name in ALL if "ndcg_at_10" in test[name]} == set(ALL[2:])
    assert {name for name in ALL if "rmse" in test[name]} == set(ALL[:4])


@pytest.mark.slow
def test_figures_on_the_hardest_fold_are_the_known_ones(real_data: Callable[[str], Path]) -> None:
    real_data("movielens/ml-100k.zip")
    split = drawn("real")
    test = {name: judge(getattr(opponents, name)().fit(split.train), split.test).scores for name in ALL[1:]}
    for name, known in (("biases", 0.9548), ("item_neighbours", 0.9298), ("matrix_factorisation", 0.9305)):
        assert test[name]["rmse"] == pytest.approx(known, abs=0.003)
    ndcg = {name: test[name]["ndcg_at_10"] for name in ("ease", "item_neighbours", "most_popular")}
    assert ndcg == pytest.approx({"ease": 0.437, "item_neighbours": 0.356, "most_popular": 0.247}, abs=0.01)
