"""The simple opponents. A network that does not beat them has not earned its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

MOST_CATEGORIES = 250


def majority() -> Pipeline:
    """Say for every row how often class 1 occurs among the training rows. Naive."""
    return make_pipeline(DummyClassifier(strategy="prior"))


def logistic_regression(numbers: Sequence[str], categories: Sequence[str]) -> Pipeline:
    """Weigh standardised numbers and one-hot categories; the strongest model without a hidden layer.

    Args:
        numbers: columns of numbers; missing ones become the training median.
        categories: columns of text; an unknown value counts as none of the known.
    """
    return make_pipeline(_standardised(numbers, categories), LogisticRegression(max_iter=1000))


def gradient_boosting(numbers: Sequence[str], categories: Sequence[str], *, seed: int) -> Pipeline:
    """Add up many small decision trees; on tables the opponent to beat.

    Histogram gradient boosting (Ke et al., 2017, "LightGBM") as scikit-learn has it.

    Args:
        numbers: columns of numbers; missing ones are handled by the trees.
        categories: columns of text, split as categories; an unknown value counts as missing.
        seed: seed of the binning.
    """
    # Smaller trees and shorter steps than scikit-learn's defaults: chosen on validation rows of the churn data, where
    # the defaults give a ROC AUC about 0.012 lower. An opponent has to be taken seriously.
    boosting = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=100,
        max_leaf_nodes=12,
        categorical_features=list(range(len(categories))),
        early_stopping=False,
        random_state=seed,
    )
    return make_pipeline(_coded(numbers, categories), boosting)


def mean_target() -> Pipeline:
    """Say for every row the mean of the training targets. Naive."""
    return make_pipeline(DummyRegressor(strategy="mean"))


def linear_regression(numbers: Sequence[str], categories: Sequence[str]) -> Pipeline:
    """Weigh standardised numbers and one-hot categories by least squares.

    Args:
        numbers: columns of numbers; missing ones become the training median.
        categories: columns of text; an unknown value counts as none of the known.
    """
    return make_pipeline(_standardised(numbers, categories), LinearRegression())


def boosted_regression(
    numbers: Sequence[str], categories: Sequence[str], *, seed: int, log: bool = False
) -> TransformedTargetRegressor:
    """Add up many small decision trees by squared error; histogram gradient boosting as in `gradient_boosting`.

    Args:
        numbers: columns of numbers; missing ones are handled by the trees.
        categories: columns of text, split as categories; an unknown value counts as missing.
        seed: seed of the binning and of the columns that a split may look at.
        log: fit the logarithm of 1 + target; predictions are in the unit of the target all the same.
    """
    # Many short steps of small trees that look at some of the columns each: chosen on validation rows of the house
    # sales, where scikit-learn's defaults are off by 3,000 USD more.
    boosting = HistGradientBoostingRegressor(
        learning_rate=0.03,
        max_iter=1500,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_features=0.4,
        categorical_features=list(range(len(categories))),
        early_stopping=False,
        random_state=seed,
    )
    functions: dict[str, Any] = {"func": np.log1p, "inverse_func": np.expm1} if log else {}
    return TransformedTargetRegressor(make_pipeline(_coded(numbers, categories), boosting), **functions)


class _FillEmpty(TransformerMixin, BaseEstimator):
    """Put 0 into columns of which no training row knows a number: the trees' binning fails on them."""

    def fit(self, numbers: Any, targets: Any = None) -> _FillEmpty:
        self.empty_: npt.NDArray[np.bool_] = np.isnan(np.asarray(numbers, "float64")).all(axis=0)
        return self

    def transform(self, numbers: Any) -> npt.NDArray[np.float64]:
        return np.where(self.empty_, 0.0, np.asarray(numbers, "float64"))


def _standardised(numbers: Sequence[str], categories: Sequence[str]) -> ColumnTransformer:
    """Numbers with mean 0 and spread 1 and without gaps, categories as one switch per value."""
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(_FillEmpty(), SimpleImputer(strategy="median"), StandardScaler()), list(numbers)),
            ("categories", OneHotEncoder(handle_unknown="ignore"), list(categories)),
        ]
    )


def _coded(numbers: Sequence[str], categories: Sequence[str]) -> ColumnTransformer:
    """Categories as whole numbers, in front; numbers as they are."""
    # The trees tell at most 255 values apart; the rarest beyond that share one code.
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=float("nan"), max_categories=MOST_CATEGORIES
    )
    return ColumnTransformer(
        [("categories", encoder, list(categories)), ("numbers", _FillEmpty(), list(numbers))],
    )
