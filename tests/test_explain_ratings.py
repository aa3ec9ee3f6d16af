"""Explanations of predicted ratings are checked against models in which what each rating does is known."""

from __future__ import annotations

import json
import zlib

import keras
import numpy as np
import pytest

from practicals.common.console import set_quiet
from practicals.common.errors import PracticalError, RunError
from practicals.common.explain import Explanation
from practicals.common.explain.explanation import RATING, Attribution
from practicals.common.explain.rating_checks import left_out_check, removal_check
from practicals.common.explain.rating_methods import lime_models, shap_values
from practicals.common.explain.rating_parts import ALONE, LARGEST_BATCH, Parts
from practicals.common.explain.ratings import explain_rating, item_map, nearest_items, traced_ratings
from practicals.common.run import Run

ITEMS = 60
TITLES = tuple(f"Film {i} ({1940 + i})" for i in range(ITEMS))
NAN = float("nan")
WEIGHTS = np.zeros(ITEMS)
WEIGHTS[[3, 5, 8, 13]] = [0.3, 0.2, -0.25, 0.1]
"""What a point above 3 of each film adds."""


def straight(rows: np.ndarray, item: int) -> np.ndarray:
    """A sum, in which SHAP must find each rating's own share; another item has another base."""
    return 3.5 + item / 100 + np.nansum((rows - 3) * WEIGHTS, axis=1)


def curved(rows: np.ndarray, item: int) -> np.ndarray:
    """The same, bent between 1 and 5 as a rating is."""
    return 3 + 2 * np.tanh((straight(rows, item) - 3) / 2)


def cut_off(rows: np.ndarray, item: int) -> np.ndarray:
    """So high that no rating can bring it below 5."""
    return np.minimum(straight(rows, item) + 10, 5.0)


def rated(**ratings: float) -> np.ndarray:
    """Return a row: `rated(f3=5)` is a user who gave film 3 a 5."""
    row = np.full(ITEMS, np.nan, dtype=np.float32)
    for name, value in ratings.items():
        row[int(name[1:])] = value
    return row


USER = rated(f3=5, f5=4, f8=1.5, f13=1, f20=3, f21=5, f22=2, f30=4)


def explain(predict, row, item=40, **options) -> dict[str, Explanation]:
    return explain_rating(predict, row, item, titles=TITLES, user="7", unit="stars", **options)


def by_title(explanation: Explanation) -> dict[str, float]:
    return {item.feature: item.contribution for item in explanation.attributions}


def check(explanation: Explanation, name: str):
    return next(one for one in explanation.checks if name in one.name)


@pytest.fixture(autouse=True)
def quiet():
    set_quiet(True)


@pytest.fixture(scope="module")
def explained() -> dict[str, Explanation]:
    set_quiet(True)
    return explain(curved, USER, truth=4.0, seed=3)


def test_shap_finds_the_share_of_each_rating_in_a_sum():
    found = explain(straight, USER, methods=("shap",))["shap_row"]
    nonzero = {title: value for title, value in by_title(found).items() if abs(value) > 1e-9}
    expected = {3: 0.6, 5: 0.2, 8: 0.375, 13: -0.2}
    assert nonzero == pytest.approx({TITLES[film]: value for film, value in expected.items()})
    assert found.base_value == pytest.approx(3.9)


def test_base_value_and_contributions_of_shap_add_up_to_the_prediction(explained):
    shap = explained["shap_row"]
    assert shap.base_value + sum(by_title(shap).values()) == pytest.approx(shap.prediction, abs=1e-9)
    assert shap.prediction == pytest.approx(curved(USER[None], 40)[0])
    assert shap.base_value == pytest.approx(curved(rated()[None], 40)[0])


def test_the_local_prediction_of_lime_is_the_sum_of_its_weights(explained):
    lime = explained["lime_row"]
    total = lime.base_value + sum(by_title(lime).values())
    assert lime.settings["local_prediction"] == pytest.approx(total)
    assert total == pytest.approx(lime.prediction, abs=0.1)


def test_both_methods_rank_the_films_that_count_and_a_low_rating_can_raise_the_prediction(explained):
    for explanation in explained.values():
        top = [(item.feature, item.value_text, np.sign(item.contribution)) for item in explanation.attributions[:2]]
        assert top == [(TITLES[3], "rated 5", 1), (TITLES[8], "rated 1.5", 1)]
        assert {item.feature for item in explanation.attributions[:4]} == {TITLES[i] for i in (3, 5, 8, 13)}


def test_the_trace_carries_the_given_ratings_in_the_order_of_the_attributions(explained):
    for explanation in explained.values():
        trace = explanation.rating
        assert (trace.user, trace.item, trace.truth) == ("7", TITLES[40], 4.0)
        assert [f"rated {value:g}" for value in trace.given] == [item.value_text for item in explanation.attributions]
        assert explanation.words == RATING
        assert (explanation.unit, explanation.scope) == ("stars", "row")


def test_what_speaks_for_two_films_of_one_user_are_two_subjects(explained):
    other = explain(curved, USER, 41, methods=("shap",))["shap_row"]
    assert other.subject != explained["shap_row"].subject == f"7: {TITLES[40]}"


def test_a_model_that_is_nearly_a_sum_passes_every_check(explained):
    for explanation in explained.values():
        assert [one.name for one in explanation.checks if not one.passed] == []
        assert len(explanation.checks) == 4


def test_a_model_that_answers_at_random_has_no_order_that_its_explanations_agree_on():
    def chance(rows, item):
        return np.array([1 + 4 * zlib.crc32(np.isnan(row).tobytes()) / 2**32 for row in rows])

    found = explain(chance, rated(**{f"f{i}": 4 for i in range(20)}))
    assert not check(found["shap_row"], "other draws").passed
    assert not check(found["lime_row"], "fit").passed
    assert not check(found["lime_row"], "stability").passed
    assert not check(found["lime_row"], "agreement").passed


def test_the_same_seed_gives_the_same_explanation_and_leaves_numpy_alone(explained):
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    again = explain(curved, USER, truth=4.0, seed=3)
    assert np.array_equal(before, np.random.get_state()[1])
    for name, explanation in again.items():
        assert explanation.attributions == explained[name].attributions
        assert explanation.checks == explained[name].checks


def test_an_explained_rating_is_read_back_as_it_was_written(explained, tmp_path):
    run = Run(tmp_path)
    for name, explanation in explained.items():
        explanation.write(run, name)
        assert Explanation.read(run, name) == explanation


def test_an_explanation_from_before_ratings_were_explained_can_still_be_read():
    old = Explanation("shap", "row", "1", "probability", 0.5, 0.1, (Attribution("Age", "42", 0.4),), ()).to_json()
    del old["rating"]
    assert Explanation.from_json(json.loads(json.dumps(old))).rating is None


def test_the_users_own_rating_of_the_item_is_hidden_first_and_becomes_the_truth():
    before = rated(f3=5, f5=2)
    row = before.copy()
    found = explain(straight, row, 3, methods=("shap",))["shap_row"]
    assert list(by_title(found)) == [TITLES[5]]
    assert found.prediction == pytest.approx(straight(rated(f5=2)[None], 3)[0])
    assert found.rating.truth == 5.0
    assert np.array_equal(row, before, equal_nan=True)


def test_a_user_without_ratings_has_nothing_to_explain_and_the_check_says_so():
    for explanation in explain(curved, rated()).values():
        assert explanation.attributions == explanation.rating.given == ()
        assert explanation.rating.truth is None
        assert explanation.base_value == explanation.prediction == pytest.approx(curved(rated()[None], 40)[0])
        assert [one.sentence for one in explanation.checks] == [
            "The user has no rated items to go by: this check cannot be judged."
        ]
        json.dumps(explanation.to_json(), allow_nan=False)


def test_one_rating_has_no_order_to_check_and_is_worth_all_of_the_difference():
    found = explain(curved, rated(f3=5))
    shap = found["shap_row"]
    assert by_title(shap) == {TITLES[3]: pytest.approx(shap.prediction - shap.base_value)}
    assert [one.name for one in shap.checks] == ["removal of the top items"]
    assert "one rated item to go by" in shap.checks[0].sentence
    assert [one.name for one in found["lime_row"].checks] == ["local fit", "removal of the top items"]


def test_ratings_that_change_nothing_are_told_as_such_in_finite_numbers():
    def deaf(rows, item):
        return np.full(len(rows), 3.25)

    for explanation in explain(deaf, USER).values():
        assert not any(one.passed for one in explanation.checks)
        assert max(map(abs, by_title(explanation).values())) < 1e-9
        json.dumps(explanation.to_json(), allow_nan=False)


def test_one_method_alone_is_not_compared_with_the_other():
    found = explain(curved, USER, methods=("lime",))
    assert list(found) == ["lime_row"]
    assert not [one for one in found["lime_row"].checks if "agreement" in one.name]


def test_an_unknown_method_is_refused():
    with pytest.raises(PracticalError, match="shapp: there is no such method of explanation"):
        explain(curved, USER, methods=("shapp",))


def test_of_many_ratings_those_of_little_effect_are_one_part_and_the_settings_say_so():
    everything = np.full(ITEMS, 4, dtype=np.float32)
    everything[50:] = 2
    found = explain(straight, everything, methods=("shap",))["shap_row"]
    others = ITEMS - 1 - ALONE
    group = next(item for item in found.attributions if item.feature == f"{others} other ratings")
    assert len(found.attributions) == ALONE + 1
    assert {TITLES[3], TITLES[5], TITLES[8], TITLES[13]} < set(by_title(found))
    assert found.settings["ratings_together"] == f"{others} of {ITEMS - 1} in one part"
    assert group.value_text.endswith("on average")
    assert 2 < found.rating.given[found.attributions.index(group)] < 4


def test_a_group_of_one_is_not_made():
    parts = Parts.of(straight, rated(**{f"f{i}": 4 for i in range(ALONE + 1)}), 40)
    assert parts.alone == len(parts) == ALONE + 1


def test_where_no_rating_is_missed_alone_those_are_told_apart_that_lift_an_empty_list_most():
    def either(rows, item):
        return np.minimum(3 + np.nansum(rows * (np.arange(ITEMS) > 30), axis=1), 5.0)

    parts = Parts.of(either, np.full(ITEMS, 4, dtype=np.float32), 0)
    assert min(int(part[0]) for part in parts.members[:ALONE]) > 30


def test_equal_questions_are_asked_once_and_batches_stay_small():
    asked = []

    def watched(rows, item):
        asked.append(len(rows))
        return curved(rows, item)

    parts = Parts.of(watched, USER, 40)
    asked.clear()
    kept = np.random.default_rng(0).random((5000, len(parts))) < 0.5
    answers = parts.answers(kept)
    assert sum(asked) == 2 ** len(parts) == 256
    Parts.of(watched, np.full(ITEMS, 4, dtype=np.float32), 40).answers(np.random.default_rng(0).random((999, 26)) < 0.5)
    assert max(asked) <= LARGEST_BATCH
    row = USER.copy()
    row[[int(part[0]) for part, stays in zip(parts.members, kept[7], strict=True) if not stays]] = np.nan
    assert answers[7] == pytest.approx(curved(row[None], 40)[0])


def test_the_wrong_items_fail_the_removal_check_and_the_right_ones_pass_it():
    parts = Parts.of(straight, USER, 40)
    own = shap_values(parts, rounds=2, seeds=(0,))[0]
    right = removal_check(parts, own, unit="stars", seed=0)
    assert right.passed
    assert right.value == pytest.approx(1, abs=0.3)  # the random orders are 20 of many
    assert "falls from 4.88" in right.sentence
    wrong = removal_check(parts, -own, unit="stars", seed=0)
    assert not wrong.passed
    assert "do not take them" in wrong.sentence


def test_for_a_low_prediction_removal_takes_the_items_that_lower_it():
    parts = Parts.of(straight, rated(f3=1, f5=1, f13=1, f20=3, f21=5), 40)
    own = shap_values(parts, rounds=2, seeds=(0,))[0]
    found = removal_check(parts, own, unit="stars", seed=0)
    assert found.passed
    assert "rises" in found.sentence


def test_a_prediction_that_is_cut_off_cannot_be_checked_and_the_sentences_say_why():
    parts = Parts.of(cut_off, USER, 40)
    for found in (
        removal_check(parts, np.linspace(0.3, -0.3, len(parts)), unit="stars", seed=0),
        left_out_check(parts, np.linspace(0.3, -0.3, len(parts)), size=5.0),
    ):
        assert not found.passed
        assert "at an end of the scale" in found.sentence


def test_lime_models_of_other_seeds_have_other_neighbours():
    first, second = lime_models(Parts.of(curved, USER, 40), samples=50, seeds=(0, 1))
    assert not np.array_equal(first.neighbours, second.neighbours)
    assert first.neighbours[0] == second.neighbours[0] == pytest.approx(curved(USER[None], 40)[0])


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Twice the mean of the ratings, for the item i plus i: dense rows in, as a lesson saves it."""
    rows = keras.Input((4,), name="ratings")
    known = keras.ops.logical_not(keras.ops.isnan(rows))
    total = keras.ops.sum(keras.ops.where(known, rows, 0.0), axis=1, keepdims=True)
    mean = total / keras.ops.maximum(keras.ops.sum(keras.ops.cast(known, "float32"), axis=1, keepdims=True), 1.0)
    rating = 2 * mean + keras.ops.arange(4, dtype="float32")
    return keras.Model(rows, {"rating": rating, "ranking": -rating})


def test_the_traced_model_answers_for_one_item_in_the_order_in_which_it_is_asked(model):
    rows = np.full((600, 4), np.nan, dtype=np.float32)
    rows[:, 1] = np.arange(600)
    rows[3, 2] = 9
    found = traced_ratings(model)(rows, 2)
    assert found.dtype == np.float64
    assert found[[0, 3, 599]].tolist() == [2, 14, 1200]
    assert traced_ratings(model, "ranking")(rows[:1], 3).tolist() == [-3]


def test_a_model_that_gives_no_number_is_refused(model):
    broken = keras.Model(model.inputs[0], {"rating": model.outputs[0] * NAN})
    with pytest.raises(RunError, match="gives no number for 1 of 1 lists of ratings"):
        traced_ratings(broken)(np.ones((1, 4), dtype=np.float32), 0)


def test_the_map_keeps_the_distances_of_codes_that_lie_on_a_plane():
    random = np.random.default_rng(0)
    flat = random.normal(size=(40, 2)) * [5, 1]
    turned, _ = np.linalg.qr(random.normal(size=(6, 6)))
    codes = (flat @ turned[:2] + 100).astype(np.float32)
    places = item_map(codes)

    def distances(points):
        return np.linalg.norm(points[:, None] - points, axis=2)

    assert distances(places) == pytest.approx(distances(flat), abs=1e-3)
    assert places.var(axis=0)[0] > places.var(axis=0)[1]
    assert (places.max(axis=0) >= -places.min(axis=0)).all()
    assert item_map(-codes)[:, 0].max() == pytest.approx(places[:, 0].max(), rel=1e-4)


def test_short_and_equal_codes_have_a_place_too():
    assert item_map(np.array([[1.0], [3.0], [8.0]]))[:, 0] == pytest.approx([-3, -1, 4])
    assert not item_map(np.ones((3, 5))).any()
    assert item_map(np.ones((1, 5))).shape == (1, 2)


def test_the_nearest_items_are_sorted_by_cosine_and_leave_the_item_itself_out():
    codes = np.array([[2, 0], [5, 0.1], [0, 3], [-1, 0], [0, 0]], dtype=np.float32)
    found = nearest_items(codes, 0, 3)
    assert [item for item, _ in found] == [1, 2, 4]
    assert [cosine for _, cosine in found] == pytest.approx([0.9998, 0, 0])
    among = np.array([True, False, True, True, False])
    assert nearest_items(codes, 0, 9, among=among) == [(2, 0.0), (3, -1.0)]
    assert nearest_items(codes, 4, 1) == [(0, 0.0)]


@pytest.mark.slow
def test_the_reasons_for_a_real_film_are_films_of_its_kind(real_data):
    """Codes by a singular value decomposition of what user and item means leave over, read out by ridge regression."""
    import zipfile

    with zipfile.ZipFile(real_data("movielens/ml-100k.zip")) as archive:
        pairs = np.loadtxt(archive.read("ml-100k/u.data").decode().splitlines(), dtype=int)
        titles = [line.split("|")[1] for line in archive.read("ml-100k/u.item").decode("latin-1").splitlines()]
    table = np.full((943, 1682), np.nan, dtype=np.float32)
    table[pairs[:, 0] - 1, pairs[:, 1] - 1] = pairs[:, 2]
    known = ~np.isnan(table)
    mean = np.nanmean(table)
    items = np.where(known, table - mean, 0).sum(axis=0) / (known.sum(axis=0) + 5)

    def centred(rows):
        left = np.where(np.isnan(rows), 0, rows - mean - items)
        count = (~np.isnan(rows)).sum(axis=1, keepdims=True)
        user = left.sum(axis=1, keepdims=True) / (count + 8)
        return np.where(np.isnan(rows), 0, left - user), user

    codes = np.linalg.svd(centred(table)[0], full_matrices=False)[2][:30].T * 30

    def predict(rows, item):
        left, user = centred(rows)
        shown = (~np.isnan(rows)).astype(np.float64)
        outer = (codes[:, :, None] * codes[:, None]).reshape(1682, -1)
        grams = (shown @ outer).reshape(-1, 30, 30) + 10 * np.eye(30)
        weights = np.linalg.solve(grams, (left @ codes)[..., None])[..., 0]
        return mean + items[item] + user[:, 0] + weights @ codes[item]

    film = titles.index("Return of the Jedi (1983)")
    row = np.full(1682, np.nan, dtype=np.float32)
    for title, value in {
        "Star Wars (1977)": 5,
        "Empire Strikes Back, The (1980)": 5,
        "Sense and Sensibility (1995)": 2,
        "English Patient, The (1996)": 2,
        "Fargo (1996)": 3,
    }.items():
        row[titles.index(title)] = value
    found = explain_rating(predict, row, film, titles=titles, user="you", unit="stars")
    for explanation in found.values():
        assert {item.feature for item in explanation.attributions[:2]} == {
            "Star Wars (1977)",
            "Empire Strikes Back, The (1980)",
        }
    near = [titles[item] for item, _ in nearest_items(codes, film, 5, among=known.sum(axis=0) > 50)]
    assert {"Star Wars (1977)", "Empire Strikes Back, The (1980)"} < set(near)
    fan = int(np.argmax(np.where(np.isnan(table[:, film]), known.sum(axis=1), 0)))
    shap = explain_rating(predict, table[fan], film, titles=titles, user=str(fan + 1), unit="stars")["shap_row"]
    total = shap.base_value + sum(item.contribution for item in shap.attributions)
    assert total == pytest.approx(shap.prediction, abs=1e-6)
