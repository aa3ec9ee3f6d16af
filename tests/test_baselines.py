"""The simple opponents say what they should, and learn from nothing but the rows that they are fitted on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from practicals.common.baselines import (
    boosted_regression,
    gradient_boosting,
    linear_regression,
    logistic_regression,
    majority,
)
from practicals.common.classification import score_classifiers
from practicals.common.data.samples import churn
from practicals.common.data.split import Split
from practicals.common.metrics import roc_auc

NUMBERS = ("Age", "Balance")
CATEGORIES = ("Geography", "Gender")
FEATURES = [*NUMBERS, *CATEGORIES]
TARGET = "Exited"
TREES = "histgradientboosting"


def opponent(name: str, seed: int = 0) -> Pipeline:
    if name == "logistic regression":
        return logistic_regression(NUMBERS, CATEGORIES)
    return gradient_boosting(NUMBERS, CATEGORIES, seed=seed) if name == "gradient boosting" else majority()


OPPONENTS = ("majority", "logistic regression", "gradient boosting")


@pytest.fixture(scope="module")
def train() -> pd.DataFrame:
    rows = churn(rows=600, seed=1)
    rows.loc[::7, "Age"] = np.nan
    rows.loc[::11, "Geography"] = ""
    return rows


@pytest.fixture(scope="module")
def odd() -> pd.DataFrame:
    """Rows with what no training row has: an unknown country, and every number missing."""
    rows = churn(rows=50, seed=2)
    rows.loc[:9, "Geography"] = "Narnia"
    rows.loc[5:14, list(NUMBERS)] = np.nan
    return rows


def probability(model: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    return model.predict_proba(rows[FEATURES])[:, 1]


def test_majority_says_the_share_of_the_training_rows_for_everybody(train, odd):
    model = majority().fit(train[FEATURES], train[TARGET])
    assert probability(model, odd) == pytest.approx(np.full(len(odd), train[TARGET].mean()))
    assert 0.1 < train[TARGET].mean() < 0.3


def by_hand(rows: pd.DataFrame, train: pd.DataFrame) -> np.ndarray:
    """The inputs of the logistic regression: filled and standardised by the training rows, then one switch a word."""
    columns = []
    for name in NUMBERS:
        filled = train[name].fillna(train[name].median())
        numbers = rows[name].fillna(train[name].median())
        columns.append((numbers - filled.mean()) / filled.std(ddof=0))
    for name in CATEGORIES:
        columns += [rows[name] == word for word in sorted(set(train[name]))]
    return np.column_stack([np.asarray(column, "float64") for column in columns])


def test_logistic_regression_is_the_one_that_is_built_by_hand(train, odd):
    model = opponent("logistic regression").fit(train[FEATURES], train[TARGET])
    hand = LogisticRegression(max_iter=1000).fit(by_hand(train, train), train[TARGET])
    for rows in (train, odd):
        assert probability(model, rows) == pytest.approx(hand.predict_proba(by_hand(rows, train))[:, 1], abs=1e-4)


@pytest.mark.parametrize("name", ["logistic regression", "gradient boosting"])
def test_a_missing_number_and_an_unknown_word_are_answered_with_a_probability(name, train, odd):
    answer = probability(opponent(name).fit(train[FEATURES], train[TARGET]), odd)
    assert np.isfinite(answer).all()
    assert ((answer > 0) & (answer < 1)).all()
    # What is known of a row still counts where the rest is missing or unknown.
    assert len(np.unique(answer[:5].round(6))) > 1
    assert len(np.unique(answer[5:15].round(6))) > 1


def test_an_unknown_word_counts_as_none_of_the_known(train):
    """To the logistic regression all unknown words are alike, and differ from each known one."""
    model = opponent("logistic regression").fit(train[FEATURES], train[TARGET])
    row = train.iloc[[1]]
    answers = {word: probability(model, row.assign(Geography=word))[0] for word in ("Narnia", "Oz", "Germany", "Spain")}
    assert answers["Narnia"] == answers["Oz"]
    assert len({round(answer, 6) for answer in answers.values()}) == 3


def test_gradient_boosting_takes_an_unknown_word_for_a_missing_one_and_uses_missing_numbers(train):
    informative = train.assign(**{TARGET: train["Age"].isna().astype(int)})
    model = opponent("gradient boosting").fit(informative[FEATURES], informative[TARGET])
    assert roc_auc(informative[TARGET].to_numpy(), probability(model, informative)) > 0.99
    row = train.iloc[[1]]
    assert probability(model, row.assign(Geography="Narnia")) == probability(model, row.assign(Geography="Oz"))


def test_the_same_seed_gives_the_same_boosting_from_all_training_rows(train, odd):
    first, again = (
        probability(opponent("gradient boosting", seed=3).fit(train[FEATURES], train[TARGET]), odd) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
    step = opponent("gradient boosting", seed=3).named_steps["histgradientboostingclassifier"]
    assert step.random_state == 3
    assert step.early_stopping is False, "early stopping would hold back training rows that the network may use"


@pytest.mark.parametrize("name", OPPONENTS)
def test_nothing_is_fitted_on_other_rows(name, train, odd):
    """Validation and test rows may become anything: what the opponents say of given rows does not move."""

    def answers(validation: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
        model = opponent(name)
        entries = [(name, "classical", "", model)]
        score_classifiers(entries, Split(train, validation, test), FEATURES, TARGET, lambda truth, chance: 0.5)
        return probability(model, odd)

    validation, test = churn(rows=200, seed=3), churn(rows=200, seed=4)
    before = answers(validation, test)
    changed = test.assign(Age=90.0, Balance=1e9, Geography="Narnia", Exited=1 - test[TARGET])
    np.testing.assert_array_equal(answers(changed, changed.iloc[::-1]), before)


@pytest.mark.parametrize("name", OPPONENTS)
def test_rows_are_not_altered(name, train, odd):
    before = train.copy(deep=True), odd.copy(deep=True)
    probability(opponent(name).fit(train[FEATURES], train[TARGET]), odd)
    pd.testing.assert_frame_equal(train, before[0])
    pd.testing.assert_frame_equal(odd, before[1])


@pytest.mark.parametrize(
    "make",
    [
        logistic_regression,
        linear_regression,
        lambda *columns: gradient_boosting(*columns, seed=0).set_params(**{f"{TREES}classifier__max_iter": 5}),
        lambda *columns: boosted_regression(*columns, seed=0).set_params(
            **{f"regressor__{TREES}regressor__max_iter": 5}
        ),
    ],
    ids=["logistic", "linear", "boosting", "boosted regression"],
)
def test_a_column_of_which_the_training_rows_know_nothing_changes_no_answer(make, train):
    """A number may happen to be known in test rows alone."""
    rows = train.assign(Rare=np.nan)
    model = make(["Age", "Rare", "Balance"], CATEGORIES).fit(rows, rows[TARGET])
    answer = getattr(model, "predict_proba", model.predict)
    unknown, known = answer(rows), answer(rows.assign(Rare=5.0))
    np.testing.assert_array_equal(known, unknown)
    assert np.ptp(known) > 0.01
