"""Explanations are checked against models whose truth is known."""

import json
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from practicals.common.data.dates import date_text
from practicals.common.errors import PracticalError, RunError
from practicals.common.explain import Attribution, Check, Explanation, Swarm, read_explanations
from practicals.common.explain.checks import (
    agreement_check,
    background_check,
    fit_check,
    rank_correlation,
    stability_check,
)
from practicals.common.explain.coding import TableCoder, number_text, traced_output, traced_probability
from practicals.common.explain.lime_tables import Statements, lime_row, local_models
from practicals.common.explain.shap_tables import shap_global, shap_row, shap_values
from practicals.common.explain.tables import explain_table
from practicals.common.run import Run

UNITS = {"age": "years", "balance": "EUR", "shoe_size": ""}
COUNTRIES = ("France", "Germany", "Spain")
# Weight of a column per unit; the shoe size is planted and must not matter.
WEIGHTS = {"age": 0.1, "balance": 0.00001, "shoe_size": 0.0}
# Weight of an unknown country, a missing one, and the known ones.
COUNTRY_WEIGHTS = {"unknown": 0.3, "": -0.2, "France": 0.0, "Germany": 1.0, "Spain": -0.4}
OFFSET = -4.5


def customers(rows: int, seed: int) -> pd.DataFrame:
    """Raw rows as a reader returns them, with a column that the model does not know."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "age": random.integers(18, 80, rows).astype("float32"),
            "balance": random.choice([0.0, 50_000.0, 150_000.0], rows).astype("float32"),
            "shoe_size": random.normal(41, 2, rows).astype("float32"),
            "country": random.choice(COUNTRIES, rows),
            "hobby": random.choice(["chess", "football"], rows),
        }
    )


def assembled(activation: str, scale: float = 1.0) -> keras.Model:
    """A model of raw columns with weights set by hand: a missing age counts as 40, the hobby does not count."""
    inputs = {name: keras.Input((1,), name=name) for name in UNITS}
    inputs |= {name: keras.Input((1,), name=name, dtype="string") for name in ("country", "hobby")}
    age = keras.ops.where(keras.ops.isnan(inputs["age"]), 40.0, inputs["age"])
    country = keras.layers.StringLookup(vocabulary=["", *COUNTRIES], output_mode="one_hot")(inputs["country"])
    hobby = keras.layers.StringLookup(vocabulary=["chess", "football"], output_mode="one_hot")(inputs["hobby"])
    columns = keras.layers.Concatenate()([age, inputs["balance"], inputs["shoe_size"], country, hobby])
    output = keras.layers.Dense(1, activation=activation)
    model = keras.Model(inputs, {"probability": output(columns)})
    weights = [*WEIGHTS.values(), *COUNTRY_WEIGHTS.values(), 0.0, 0.0, 0.0]
    output.set_weights([scale * np.array(weights)[:, None], np.array([scale * OFFSET])])
    return model


def score(frame: pd.DataFrame) -> np.ndarray:
    """The same linear score by hand, in double precision."""
    known = frame["country"].where(frame["country"].isin(COUNTRY_WEIGHTS), "unknown")
    numbers = sum(weight * frame[name].fillna(40).to_numpy(dtype=float) for name, weight in WEIGHTS.items())
    return numbers + known.map(COUNTRY_WEIGHTS).to_numpy() + OFFSET


def by_name(explanation: Explanation) -> dict[str, float]:
    return {item.feature: item.contribution for item in explanation.attributions}


@pytest.fixture(scope="module")
def training() -> pd.DataFrame:
    # As many as SHAP takes for its background, so the background is known: all of them.
    return customers(200, seed=1)


@pytest.fixture(scope="module")
def coder(training) -> TableCoder:
    return TableCoder.fit(training, UNITS, ["country", "hobby"])


@pytest.fixture(scope="module")
def logistic() -> keras.Model:
    return assembled("sigmoid")


@pytest.fixture(scope="module")
def odd_row() -> pd.DataFrame:
    """A customer whose age is missing, from a country that no training row has."""
    row = customers(1, seed=3)
    row["age"] = np.float32("nan")
    return row.assign(country="Narnia")


@pytest.fixture(scope="module")
def plain_row() -> pd.DataFrame:
    return customers(1, seed=3).assign(age=np.float32(79), balance=np.float32(0), country="Germany")


@pytest.fixture(scope="module")
def explained(logistic, coder, training, plain_row) -> dict[str, Explanation]:
    return explain_table(logistic, coder, training, rows=customers(60, seed=2), row=plain_row, subject="17", seed=5)


def test_coded_rows_reach_the_model_as_the_raw_columns_they_came_from(logistic, coder):
    frame = customers(50, seed=4)
    frame.loc[3, "age"] = np.nan
    frame.loc[5, "country"] = "Narnia"
    frame.loc[6, "country"] = ""
    frame.loc[7, "country"] = None
    answers = traced_probability(logistic, coder)(coder.encode(frame))
    frame["country"] = frame["country"].fillna("")
    np.testing.assert_allclose(answers, 1 / (1 + np.exp(-score(frame))), atol=1e-6)


def test_a_row_has_the_same_probability_alone_and_in_a_large_batch(logistic, coder):
    coded = coder.encode(customers(40_000, seed=4))
    probability = traced_probability(logistic, coder)
    together = probability(coded)
    assert together.shape == (40_000,)
    assert together.dtype == np.float64
    for row in (0, 16_384, 39_999):
        assert probability(coded[row : row + 1])[0] == pytest.approx(together[row], abs=1e-6)


def test_a_model_that_gives_no_number_is_refused_in_one_line(coder, odd_row):
    broken = assembled("sigmoid", scale=float("nan"))
    with pytest.raises(RunError, match="no number") as error:
        traced_probability(broken, coder)(coder.encode(odd_row))
    assert "\n" not in str(error.value)


def test_coding_does_not_alter_the_rows_it_is_given(coder, odd_row):
    before = odd_row.copy(deep=True)
    coder.encode(odd_row)
    coder.texts(odd_row)
    pd.testing.assert_frame_equal(odd_row, before)


def test_categories_are_known_from_training_rows_only(coder, training):
    assert coder.categories["country"] == COUNTRIES
    other = training.assign(country=["", "Italy"] * 100)
    assert TableCoder.fit(other, UNITS, ["country"]).categories["country"] == ("Italy",)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (42.0, "years", "42 years"),
        (1.0, "years", "1 year"),
        (101348.88, "EUR", "101,349 EUR"),
        (0.0, "EUR", "0 EUR"),
        (0.12345678, "", "0.1235"),
        (47.5112, "°", "47.5112 °"),
        (1955.0, "", "1955"),
        (1955.0, "sqft", "1,955 sqft"),
        (98178.0, "", "98,178"),
        (float("nan"), "EUR", "missing"),
    ],
)
def test_numbers_are_shown_in_the_users_unit(value, unit, text):
    assert number_text(value, unit) == text


@pytest.mark.parametrize(
    ("days", "text"),
    [(16356.0, "2014-10-13"), (16356.25, "2014-10-13 06:00"), (-1.0, "1969-12-31"), (float("nan"), "missing")],
)
def test_dates_are_shown_as_dates(days, text):
    assert date_text(days) == text


def test_values_are_shown_as_the_user_knows_them(coder, odd_row):
    age, balance, _, country, _ = coder.texts(odd_row)
    assert age == "missing"
    assert balance.endswith(" EUR")
    assert country == "Narnia (not in the training rows)"
    assert coder.texts(odd_row.assign(country=""))[3] == "missing"
    assert coder.texts(odd_row.assign(country="Spain"))[3] == "Spain"


def test_shap_finds_the_exact_values_of_a_linear_model(coder, training):
    row = customers(1, seed=9)
    # Small enough that float32 keeps six places.
    explanation = shap_row(
        traced_probability(assembled("linear", scale=0.1), coder), coder, training, row, subject="9", seed=0
    )
    found = by_name(explanation)
    for name, weight in WEIGHTS.items():
        assert found[name] == pytest.approx(0.1 * weight * (row[name][0] - training[name].mean()), abs=2e-6)
    country = COUNTRY_WEIGHTS[row["country"][0]] - training["country"].map(COUNTRY_WEIGHTS).mean()
    assert found["country"] == pytest.approx(0.1 * country, abs=2e-6)
    assert explanation.base_value == pytest.approx(0.1 * score(training).mean(), abs=2e-6)


def test_shap_contributions_add_up_to_the_prediction_of_a_row(logistic, coder, training, plain_row, odd_row):
    probability = traced_probability(logistic, coder)
    for row in (plain_row, odd_row):
        explanation = shap_row(probability, coder, training, row, subject="", seed=3)
        total = explanation.base_value + sum(by_name(explanation).values())
        assert total == pytest.approx(explanation.prediction, abs=1e-6)
        assert total == pytest.approx(1 / (1 + np.exp(-score(row)[0])), abs=1e-6)


def test_shap_contributions_add_up_for_every_row_of_a_beeswarm(logistic, coder, training):
    rows = customers(20, seed=6)
    explanation = shap_global(traced_probability(logistic, coder), coder, training, rows, seed=1)
    totals = explanation.base_value + np.sum(explanation.swarm.contributions, axis=1)
    np.testing.assert_allclose(totals, 1 / (1 + np.exp(-score(rows))), atol=1e-6)


def test_the_true_drivers_come_first_and_a_planted_column_gets_nothing(explained):
    order = [item.feature for item in explained["shap_global"].attributions]
    assert order[0] == "age"
    assert set(order[1:3]) == {"balance", "country"}
    found = by_name(explained["shap_global"])
    assert found["country"] > 0.01
    assert max(found["shoe_size"], found["hobby"]) < 1e-6


def test_a_category_is_one_feature_and_columns_that_the_model_ignores_are_none(explained):
    for explanation in explained.values():
        assert sorted(by_name(explanation)) == ["age", "balance", "country", "hobby", "shoe_size"]


def test_beeswarm_columns_follow_the_attributions_and_categories_have_no_shade(explained):
    explanation = explained["shap_global"]
    sizes = np.abs(explanation.swarm.contributions).mean(axis=0)
    np.testing.assert_allclose(sizes, [item.contribution for item in explanation.attributions], atol=1e-7)
    shades = dict(zip(by_name(explanation), zip(*explanation.swarm.shades, strict=True), strict=True))
    assert set(shades["country"]) == {None}
    assert min(shades["age"]) == 0
    assert max(shades["age"]) == 1
    assert len(explanation.swarm.shades) == 60


def test_the_base_value_depends_on_training_rows_only(logistic, coder, training):
    probability = traced_probability(logistic, coder)
    few, more = (
        shap_global(probability, coder, training, customers(rows, seed=rows), seed=0).base_value for rows in (2, 3)
    )
    assert few == more
    other = shap_global(probability, coder, training.assign(age=30.0), customers(2, seed=2), seed=0)
    assert other.base_value != pytest.approx(few, abs=0.01)


def test_the_same_seed_gives_the_same_explanation_and_another_seed_another(logistic, coder, odd_row):
    training = customers(1000, seed=8)
    first, again, other = (
        explain_table(logistic, coder, training, row=odd_row, methods=methods, seed=seed)
        for seed, methods in ((1, ("shap", "lime")), (1, ("lime", "shap")), (2, ("shap", "lime")))
    )
    for name in ("shap_row", "lime_row"):
        assert first[name].attributions == again[name].attributions
        assert first[name].attributions != other[name].attributions


def test_explaining_leaves_numpys_global_generator_and_stdout_alone(logistic, coder, training, odd_row, capfd):
    np.random.seed(3)
    before = np.random.get_state()
    explain_table(logistic, coder, training, rows=training[:5], row=odd_row)
    after = np.random.get_state()
    assert before[2:] == after[2:]
    assert np.array_equal(before[1], after[1])
    assert capfd.readouterr().out == ""


def test_shaps_own_functions_are_compiled_again_after_an_explanation(logistic, coder, training):
    import numba
    import shap

    coded = coder.encode(training)
    shap_values(traced_probability(logistic, coder), coded, coded[:1], rounds=1, seed=0)
    assert numba.extending.is_jitted(shap.links.identity)


def test_lime_says_statements_in_the_users_unit(coder, training, plain_row):
    statements = Statements.of(coder, training, plain_row)
    texts = dict(zip(coder.features, statements.texts, strict=True))
    # The oldest quarter is above the age of the 150th of the 200, and that is an age, not a point between two.
    assert texts["age"] == f"over {sorted(training['age'])[149]:.0f} years"
    assert texts["balance"] == "0 EUR"
    assert texts["country"] == "Germany"
    for value, text in ((50_000.0, "50,000 EUR"), (30_000.0, "over 0 to 50,000 EUR"), (-1.0, "at most 0 EUR")):
        assert Statements.of(coder, training, plain_row.assign(balance=value)).texts[1] == text


def test_lime_draws_training_values_of_which_the_statement_is_true(coder, training, plain_row):
    statements = Statements.of(coder, training, plain_row)
    limit = sorted(training["age"])[149]
    drawn = statements.draw(np.tile(statements.row_codes, (50, 1)), np.random.RandomState(0))
    assert drawn[0, 0] == 79
    assert (drawn[:, 0] > limit).all()
    assert len(np.unique(drawn[:, 0])) > 3
    assert np.isin(drawn[1:, 0], training["age"]).all()


def test_lime_finds_the_drivers_of_a_row_with_their_signs(explained):
    found = by_name(explained["lime_row"])
    assert next(iter(found)) == "age"
    assert found["age"] > 0.1
    assert found["balance"] < -0.05
    assert found["country"] > 0.05
    assert abs(found["shoe_size"]) < 0.02
    assert abs(found["hobby"]) < 0.02


def test_lime_weighs_an_unknown_category_and_a_missing_number(logistic, coder, training, odd_row):
    # Missing counts as 40, younger than most; Narnia weighs 0.3, more than most countries here.
    explanation = lime_row(traced_probability(logistic, coder), coder, training, odd_row, subject="", seed=0)
    texts = {item.feature: item.value_text for item in explanation.attributions}
    assert texts["age"] == "missing"
    assert texts["country"] == "Narnia (not in the training rows)"
    found = by_name(explanation)
    assert found["age"] < -0.05
    assert found["country"] > 0.005


def test_lime_records_its_own_prediction(explained):
    explanation = explained["lime_row"]
    total = explanation.base_value + sum(by_name(explanation).values())
    assert total == pytest.approx(explanation.settings["local_prediction"], abs=1e-9)
    assert total == pytest.approx(explanation.prediction, abs=0.1)


def test_training_numbers_may_be_missing(logistic, coder, training, plain_row, odd_row):
    gaps = training.assign(age=training["age"].where(training.index % 3 > 0), balance=np.nan)
    probability = traced_probability(logistic, coder)
    with pytest.raises(RunError, match="no number"):
        probability(coder.encode(gaps))  # This model was told what a missing age is, but not a missing balance.
    gaps["balance"] = 0.0
    for row, text in ((odd_row, "missing"), (plain_row, f"over {sorted(gaps['age'].dropna())[99]:.0f} years")):
        explanations = explain_table(logistic, coder, gaps, rows=gaps[:5], row=row)
        assert {item.feature: item.value_text for item in explanations["lime_row"].attributions}["age"] == text
        assert explanations["shap_global"].checks[0].passed
    without = Statements.of(coder, training.assign(age=np.nan), plain_row)
    assert without.texts[0] == "not missing"


def test_only_what_was_asked_for_is_explained(logistic, coder, training, odd_row):
    lime_only = explain_table(logistic, coder, training, rows=training[:3], row=odd_row, methods=("lime",))
    assert list(lime_only) == ["lime_row"]
    assert [check.name for check in lime_only["lime_row"].checks] == ["local fit", "stability over seeds"]
    assert list(explain_table(logistic, coder, training, rows=training[:3])) == ["shap_global"]


def test_an_unknown_method_is_refused_with_the_nearest_name(logistic, coder, training):
    with pytest.raises(PracticalError, match=r"^shapp: .* Did you mean 'shap'\?$"):
        explain_table(logistic, coder, training, methods=("shapp",))


def test_an_explanation_of_a_good_model_passes_its_checks_and_bears_the_agreement(explained):
    assert [check.passed for check in explained["shap_global"].checks] == [True]
    for name in ("shap_row", "lime_row"):
        assert all(check.passed for check in explained[name].checks), explained[name].checks
        assert explained[name].checks[-1].name == "agreement of SHAP and LIME"
        assert explained[name].subject == "17"


def test_checks_fail_on_a_model_that_answers_at_random(coder, training, odd_row):
    random = np.random.default_rng(0)

    def noise(coded):
        return random.random(len(coded))

    shap = shap_row(noise, coder, training, odd_row, subject="", seed=0)
    lime = lime_row(noise, coder, training, odd_row, subject="", seed=0)
    assert not shap.checks[0].passed
    assert "do not trust the order" in shap.checks[0].sentence
    assert [check.passed for check in lime.checks] == [False, False]
    assert "describe the network badly" in lime.checks[0].sentence
    assert "another story" in lime.checks[1].sentence


def test_a_constant_model_has_nothing_to_explain_and_says_so(coder, training, odd_row):
    constant = assembled("sigmoid", scale=0.0)
    for explanation in explain_table(constant, coder, training, rows=training[:3], row=odd_row).values():
        json.dumps(explanation.to_json(), allow_nan=False)
        for check in explanation.checks:
            assert not check.passed
            assert check.value == 0
            assert "nothing to explain" in check.sentence


# Prices: 300 USD per square foot, 50 USD per day, and a garage that adds 40,000 USD; the note does not count.
def houses(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "living": random.integers(500, 4000, rows).astype(float),
            "sold": random.integers(16_100, 16_500, rows).astype(float),
            "garage": random.choice(["yes", "no"], rows),
            "note": random.normal(0, 1, rows),
        }
    )


PRICE_WEIGHTS = {"living": 300.0, "note": 0.0, "sold": 50.0}


def priced(scale: float = 1.0) -> keras.Model:
    """A model of a price in USD with weights set by hand."""
    inputs = {name: keras.Input((1,), name=name) for name in PRICE_WEIGHTS}
    inputs["garage"] = keras.Input((1,), name="garage", dtype="string")
    garage = keras.layers.StringLookup(vocabulary=["yes", "no"], output_mode="one_hot")(inputs["garage"])
    output = keras.layers.Dense(1)
    columns = [inputs["living"], inputs["note"], inputs["sold"] - 16_300.0, garage]
    model = keras.Model(inputs, {"prediction": output(keras.layers.Concatenate()(columns)), "lower_90": columns[0]})
    weights = [*PRICE_WEIGHTS.values(), 0.0, 40_000.0, 0.0]
    output.set_weights([scale * np.array(weights)[:, None], np.array([100_000.0])])
    return model


@pytest.fixture(scope="module")
def sales() -> tuple[pd.DataFrame, TableCoder]:
    training = houses(200, seed=1)
    return training, TableCoder.fit(training, {"living": "sqft", "note": ""}, ["garage"], dates=["sold"])


@pytest.fixture(scope="module")
def price_explained(sales) -> tuple[pd.DataFrame, dict[str, Explanation]]:
    training, coder = sales
    row = houses(1, seed=3).assign(sold=16_490.0, living=3900.0, garage="yes")
    found = explain_table(
        priced(), coder, training, rows=houses(20, 2), row=row, subject="7", seed=1, output="prediction", unit="USD"
    )
    return row, found


def test_shap_shares_a_price_out_in_its_own_unit(sales, price_explained):
    training, _ = sales
    row, found = price_explained
    explanation = found["shap_row"]
    contributions = by_name(explanation)
    for name, weight in PRICE_WEIGHTS.items():
        assert contributions[name] == pytest.approx(weight * (row[name][0] - training[name].mean()), abs=1)
    assert contributions["garage"] == pytest.approx(40_000 * (training["garage"] == "no").mean(), abs=1)
    assert explanation.unit == "USD"
    assert explanation.base_value + sum(contributions.values()) == pytest.approx(explanation.prediction, abs=0.5)
    assert explanation.prediction == pytest.approx(100_000 + 300 * 3900 + 50 * 190 + 40_000, abs=0.5)
    assert explanation.digits == 0


def test_lime_finds_what_a_statement_is_worth_in_usd(sales, price_explained):
    training, _ = sales
    _, found = price_explained
    explanation = found["lime_row"]
    contributions = by_name(explanation)
    texts = {item.feature: item.value_text for item in explanation.attributions}
    assert contributions["garage"] == pytest.approx(40_000, rel=0.3)
    # Those above the third quartile against all others, half of which LIME leaves in the row's own quarter.
    large = training["living"] > np.percentile(training["living"], 75, method="lower")
    gap = 300 * (training["living"][large].mean() - training["living"][~large].mean())
    assert contributions["living"] == pytest.approx(gap, rel=0.1)
    assert texts["sold"] == f"over {date_text(sorted(training['sold'])[149])}"
    total = explanation.base_value + sum(contributions.values())
    assert total == pytest.approx(explanation.settings["local_prediction"], abs=0.5)
    assert all(check.passed for check in explanation.checks), explanation.checks


def test_a_statement_about_a_date_between_two_limits_names_both(sales):
    training, coder = sales
    limits = [date_text(sorted(training["sold"])[place]) for place in (49, 99, 149)]
    for sold, text in (
        (sorted(training["sold"])[80], f"over {limits[0]} to {limits[1]}"),
        (16_100.0, f"at most {limits[0]}"),
    ):
        statements = Statements.of(coder, training, houses(1, seed=3).assign(sold=sold))
        assert dict(zip(coder.features, statements.texts, strict=True))["sold"] == text


def test_dates_reach_the_model_and_have_a_shade(sales):
    _, coder = sales
    frame = houses(30, seed=5)
    answers = traced_output(priced(), coder, "prediction")(coder.encode(frame))
    truth = sum(weight * frame[name] for name, weight in PRICE_WEIGHTS.items()) - 50 * 16_300 + 100_000
    np.testing.assert_allclose(answers, truth + 40_000 * (frame["garage"] == "yes"), atol=1)
    shades = dict(zip(coder.features, coder.shades(coder.encode(frame)).T, strict=True))
    assert shades["sold"][frame["sold"].argmin()] == 0
    assert np.isnan(shades["garage"]).all()


def test_rounding_noise_of_a_large_prediction_is_nothing_to_explain():
    noise = np.array([0.03, -0.03, 0.06])  # what float32 makes of 500,000
    for check in (
        background_check(noise, noise, size=5e5),
        agreement_check(noise, noise, size=5e5),
        stability_check(np.array([noise, noise]), size=5e5),
        fit_check(1.0, 5e5 + noise),
    ):
        assert not check.passed
        assert "nothing to explain" in check.sentence
    assert background_check(1000 * noise, 1000 * noise, size=5e5).passed
    assert background_check(noise, noise).passed


def test_a_constant_price_has_nothing_to_explain(sales):
    training, coder = sales
    found = explain_table(
        priced(scale=0.0), coder, training, rows=training[:3], row=training[:1], output="prediction", unit="USD"
    )
    assert all("nothing to explain" in check.sentence for one in found.values() for check in one.checks)


def test_a_beeswarm_of_prices_adds_up_and_keeps_no_needless_digits(sales, price_explained):
    _, found = price_explained
    explanation = found["shap_global"]
    _, coder = sales
    truth = traced_output(priced(), coder, "prediction")
    totals = explanation.base_value + np.sum(explanation.swarm.contributions, axis=1)
    np.testing.assert_allclose(totals, truth(coder.encode(houses(20, 2))), atol=0.5)
    assert len(str(abs(explanation.swarm.contributions[0][0]))) <= 10


def test_methods_that_contradict_each_other_are_reported():
    shap, lime = np.array([0.3, 0.1, -0.2, 0.0]), np.array([-0.3, 0.1, 0.2, 0.0])
    assert not agreement_check(shap, lime).passed
    assert "different stories" in agreement_check(shap, lime).sentence
    assert agreement_check(shap, 2 * shap).passed


def test_rank_correlation_is_that_of_spearman_without_the_order_of_what_hardly_matters():
    assert rank_correlation(np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 9.0])) == pytest.approx(1)
    assert rank_correlation(np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.2, 0.1])) == pytest.approx(-1)
    # 1 - 6 * (0 + 1 + 1) / (3 * 8)
    assert rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])) == pytest.approx(0.5)
    noisy = np.array([0.5, 0.3, 0.0001, 0.0002, 0.0003]), np.array([0.5, 0.3, 0.0003, 0.0002, 0.0001])
    assert rank_correlation(*noisy) == pytest.approx(1)
    assert rank_correlation(np.zeros(3), np.array([1.0, 2.0, 3.0])) == 0


def test_each_check_turns_at_its_limit():
    spread = np.array([0.1, 0.9])
    assert fit_check(0.31, spread).passed
    assert not fit_check(0.29, spread).passed
    weights = np.array([[0.3, 0.1, -0.2, -0.4]])
    assert stability_check(np.repeat(weights, 5, axis=0)).value == pytest.approx(1)
    assert not stability_check(np.vstack([weights, -weights])).passed
    assert background_check(weights[0], weights[0]).passed
    assert not background_check(weights[0], -weights[0]).passed


@pytest.mark.parametrize("alike", [np.full(4, 0.2), np.array([0.2])])
def test_features_that_all_count_alike_have_no_order_and_are_not_said_to_disagree(alike):
    for check in (
        background_check(alike, alike),
        agreement_check(alike, alike),
        stability_check(np.array([alike] * 3)),
    ):
        assert not check.passed
        assert "count alike" in check.sentence
    assert "different stories" in agreement_check(np.full(4, 0.2), np.array([0.1, 0.2, 0.3, 0.4])).sentence


def test_a_statement_between_two_limits_says_the_unit_once():
    frame = pd.DataFrame({"tenure": [1.0, 1.0, 2.0, 3.0, 3.0, 5.0, 6.0, 9.0]})
    coder = TableCoder.fit(frame, {"tenure": "years"}, [])
    assert Statements.of(coder, frame, pd.DataFrame({"tenure": [2.0]})).texts == ("over 1 to 3 years",)


def test_lime_models_of_different_seeds_see_different_neighbours(logistic, coder, training, odd_row):
    statements = Statements.of(coder, training, odd_row)
    probability = traced_probability(logistic, coder)
    first, second, again = local_models(probability, statements, samples=200, seeds=(1, 2, 1))
    assert not np.array_equal(first.neighbours, second.neighbours)
    np.testing.assert_array_equal(first.weights, again.weights)
    assert first.neighbours.shape == (200,)


def test_explanations_survive_the_run_folder(explained, tmp_path):
    run = Run.create(tmp_path, "churn")
    for name, explanation in explained.items():
        explanation.write(run, name)
        assert Explanation.read(run, name) == explanation
    assert read_explanations(run) == explained


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"swarm": null, "attributions": [{}], "checks": []}', "3"])
def test_a_damaged_explanation_is_one_line(tmp_path, content):
    run = Run.create(tmp_path, "churn")
    (run.explanations_folder / "shap_row.json").write_text(content)
    with pytest.raises(RunError, match=r"shap_row\.json: is not an explanation .*`practicals explain") as error:
        read_explanations(run)
    assert "\n" not in str(error.value)
    with pytest.raises(RunError, match="is missing"):
        Explanation.read(run, "lime_row")


def test_a_number_that_json_does_not_know_is_never_written(tmp_path):
    run = Run.create(tmp_path, "churn")
    broken = Explanation(
        method="shap",
        scope="row",
        subject="1",
        unit="probability",
        prediction=float("nan"),
        base_value=0.0,
        attributions=(Attribution("age", "42 years", 0.1),),
        checks=(Check("local fit", 0.5, 0.3, True, "It fits."),),
        swarm=Swarm(((0.1,),), ((None,),)),
    )
    with pytest.raises(ValueError, match="JSON compliant"):
        broken.write(run, "shap_row")
    assert list(run.explanations_folder.iterdir()) == []


def test_reading_explanations_loads_no_tensorflow_and_the_explainers_come_only_when_used():
    code = (
        "import sys; import practicals.common.explain;"
        "assert not {'tensorflow', 'keras', 'shap', 'lime'} & set(sys.modules);"
        "import practicals.common.explain.tables;"
        "assert not {'shap', 'lime', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_training_still_works_after_an_explanation(explained, logistic):
    inputs = keras.Input((2,))
    network = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    network.compile("sgd", "mse")
    before = network.get_weights()[0].copy()
    network.fit(tf.ones((8, 2)), tf.ones((8, 1)), verbose=0)
    assert not np.array_equal(before, network.get_weights()[0])
