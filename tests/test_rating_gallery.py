"""What a report shows of a recommender: lists without old news, reasons that are true of the model, honest maps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from practicals.common.data.cards import load_card
from practicals.common.data.fetch import locate
from practicals.common.data.ratings import Catalogue, Ratings, ratings_split, read_ratings
from practicals.common.rating_gallery import describe_lists, describe_map, describe_nearest
from practicals.common.report.rating_map import map_drawing

ITEMS = 200
WEIGHTS = np.random.default_rng(7).normal(0, 0.05, ITEMS)
"""What a point above 3 of each item adds to every prediction."""


def predict_one(rows: Any, item: int) -> Any:
    """A sum, in which it is known what each rating does."""
    return 3.0 + item / 1000 + np.nansum((rows - 3) * WEIGHTS[: rows.shape[1]], axis=1)


def answer(rows: Any, users: Any) -> dict[str, Any]:
    """The lower the number of an item, the better it is."""
    rating = np.column_stack([predict_one(rows, item) for item in range(rows.shape[1])])
    return {"rating": rating, "ranking": np.tile(-np.arange(rows.shape[1]), (len(rows), 1))}


@pytest.fixture(scope="module")
def scored() -> Ratings:
    ratings, facts = read_ratings(locate(load_card("movielens_100k"), "sample"))
    return ratings_split(ratings, facts, how="random", validation=0.1, test=0.2, seed=0).test


def small(users: list[int], items: list[int], values: list[float], genres: Any = ((), ())) -> Ratings:
    number = len(genres)
    catalogue = Catalogue(
        tuple(f"u{one}" for one in range(max(users) + 1)), tuple(map(str, range(number))),
        tuple(f"Film {one}" for one in range(number)), tuple(genres), np.full(number, np.nan),
        np.zeros((max(users) + 1, 0), np.float32), (), np.zeros((number, 0), np.float32), (), (1.0, 2.0, 3.0, 4.0, 5.0),
    )  # fmt: skip
    return Ratings(np.array(users), np.array(items), values, catalogue=catalogue)


def test_lists_are_of_users_with_few_usual_and_many_ratings(scored):
    found = describe_lists(answer, lambda user: predict_one, scored, seed=1)
    assert found == describe_lists(answer, lambda user: predict_one, scored, seed=1)
    users = [scored.catalogue.user_number(one["user"]) for one in found]
    counts = np.bincount(scored.given.users)
    fifths = np.quantile(counts, [0.25, 0.35, 0.65, 0.75])
    few, usual, many = counts[users]
    assert few <= fifths[0]
    assert fifths[1] <= usual <= fifths[2]
    assert many >= fifths[3]
    assert all((scored.values[scored.users == user] >= 4).any() for user in users)
    json.dumps(found)


def test_a_list_holds_nothing_that_the_user_has_rated_before_the_test_part(scored):
    for one in describe_lists(answer, lambda user: predict_one, scored, users=[5, 17], seed=0):
        user = scored.catalogue.user_number(one["user"])
        catalogue = scored.catalogue
        known = scored.known.items[scored.known.users == user]
        best = [item for item in range(ITEMS) if item not in known][:10]
        assert [item["title"] for item in one["items"]] == [catalogue.titles[item] for item in best]
        assert [item["genres"] for item in one["items"]] == [list(catalogue.genres[item]) for item in best]
        row = scored.given.rows([user])
        assert one["items"][3]["prediction"] == pytest.approx(predict_one(row, best[3])[0])
        assert [line["rating"] for line in one["rated"]] == sorted(row[~np.isnan(row)].tolist())[::-1][:8]


def test_reasons_are_the_ratings_without_which_the_prediction_changes_most(scored):
    (one,) = describe_lists(answer, lambda user: predict_one, scored, users=[11], seed=0)
    row, titles = scored.given.rows([11])[0], scored.catalogue.titles
    worth = np.nan_to_num((row - 3) * WEIGHTS)
    order = np.argsort(-np.abs(worth))[:3]
    assert worth[order].min() < 0 < worth[order].max(), "some raise, some lower"
    for item in one["items"][:3]:
        assert [reason["title"] for reason in item["reasons"]] == [titles[place] for place in order]
        assert [reason["contribution"] for reason in item["reasons"]] == pytest.approx(worth[order], abs=1e-6)
    assert not any(item["reasons"] for item in one["items"][3:])


def test_what_would_be_shown_as_nothing_is_no_reason(scored):
    flat = describe_lists(answer, lambda user: lambda rows, item: np.full(len(rows), 5.0), scored, users=[5], seed=0)
    assert [item["reasons"] for item in flat[0]["items"]] == [[]] * 10


def test_few_users_and_few_items_are_enough():
    part = small([0, 1], [0, 1], [2, 3])
    part.given = part.known = small([0, 1], [1, 0], [5, 1])
    found = describe_lists(answer, lambda user: lambda rows, item: np.nansum(rows, axis=1), part, seed=0)
    assert [(one["user"], len(one["items"])) for one in found] == [("u0", 1), ("u1", 1)]
    assert found[0]["items"][0]["reasons"] == [{"title": "Film 1", "contribution": 5.0}]
    newcomer = small([0, 1], [0, 1], [2, 3])
    newcomer.given = newcomer.known = small([1, 1], [0, 1], [5, 1])
    first, second = describe_lists(answer, lambda user: predict_one, newcomer, seed=0)
    assert first["rated"] == [] and first["items"][0]["reasons"] == [], "there is nothing to reason from"
    assert second["items"] == [], "everything is known"


def test_the_map_shows_items_with_ratings_enough_the_best_known_first(scored):
    train, catalogue = scored.given, scored.catalogue
    counts = np.bincount(train.items, minlength=ITEMS)
    codes = np.random.default_rng(0).normal(size=(ITEMS, 5))
    codes[counts < 20] = 1e6  # one that is left out must not stretch the map
    found = describe_map(codes, train, catalogue)
    assert 50 < len(found["title"]) == (counts >= 20).sum() < ITEMS
    assert found["ratings"] == sorted(counts[counts >= 20].tolist(), reverse=True)
    best = int(counts.argmax())
    assert (found["title"][0], found["group"][0]) == (catalogue.titles[best], catalogue.genres[best][0])
    assert max(map(abs, [*found["x"], *found["y"]])) < 10
    assert map_drawing(json.loads(json.dumps(found))) is not None


def test_the_map_of_a_small_file_shows_what_was_rated_at_all():
    train = small([0, 1, 0], [0, 0, 2], [5, 3, 1], genres=((), (), ("War", "Drama")))
    found = describe_map(np.eye(3), train, train.catalogue)
    assert (found["title"], found["group"], found["ratings"]) == (["Film 0", "Film 2"], ["other", "War"], [2, 1])


def test_the_nearest_of_well_known_items_of_different_genres_have_like_codes():
    # Items of one direction belong together; the last one of each four was rated once only.
    genres = [("Comedy",), ("Comedy",), ("War",), ("Comedy", "War")] * 60
    items = [one for one in range(240) for _ in range(1 if one % 4 == 3 else 300 - one)]
    train = small(list(range(len(items))), items, [3.0] * len(items), genres=tuple(genres))
    angle = np.arange(240) // 4 * 0.02 + np.arange(240) % 4 * 0.001
    found = describe_nearest(np.column_stack([np.cos(angle), np.sin(angle)]), train, train.catalogue)
    assert [one["title"] for one in found] == ["Film 0", "Film 2", "Film 1", "Film 4"], "genres first, then the known"
    assert [near["title"] for near in found[0]["near"]] == [f"Film {one}" for one in (1, 2, 4, 5, 6, 8)]
    assert found[0]["near"][0]["similarity"] == pytest.approx(np.cos(0.001), abs=1e-3)


def test_what_points_another_way_is_not_near():
    train = small([0, 1, 2], [0, 1, 2], [5, 3, 1], genres=((), (), ()))
    found = describe_nearest(np.array([[1.0, 0], [-1, 0], [1, 1]]), train, train.catalogue)
    assert [[near["title"] for near in one["near"]] for one in found] == [["Film 2"], [], ["Film 0"]]
