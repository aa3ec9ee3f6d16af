"""The built-in sample has the form of the real data and a truth that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_tables import CHURN as SCHEMA

from practicals.common.catalog import CATALOG
from practicals.common.data.cards import load_card
from practicals.common.data.samples import CHURN_DRIVERS, CHURN_IRRELEVANT, SAMPLES, churn
from practicals.common.data.tables import read_table


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(frame[[*SCHEMA.numbers, *SCHEMA.categories]]).astype(float)


def test_the_seed_decides_the_sample() -> None:
    assert churn(rows=50, seed=1).equals(churn(rows=50, seed=1))
    assert not churn(rows=50, seed=1).equals(churn(rows=50, seed=2))


def test_every_practical_runs_without_a_network_on_a_sample_of_its_own() -> None:
    assert {practical.card for practical in CATALOG.values()} <= set(SAMPLES)


def test_it_has_the_columns_of_the_card_and_no_missing_value() -> None:
    frame = churn(rows=2000, seed=0)
    assert tuple(frame.columns) == tuple(load_card("churn").columns)
    assert len(frame) == 2000 and not frame.isna().any(axis=None)
    assert frame["CustomerId"].is_unique


def test_written_and_read_like_a_users_file_it_is_the_same(tmp_path: Path) -> None:
    frame = churn(rows=300, seed=3)
    frame.to_csv(tmp_path / "sample.csv", index=False)
    table = read_table(tmp_path / "sample.csv", SCHEMA, need_target=True)
    pd.testing.assert_frame_equal(table.frame[frame.columns], frame)
    assert table.notes == ()


def test_values_are_those_of_a_bank() -> None:
    frame = churn(rows=5000, seed=4)
    assert frame["Age"].between(18, 92).all() and frame["CreditScore"].between(350, 850).all()
    assert set(frame["Geography"]) == {"France", "Germany", "Spain"}
    assert set(frame["NumOfProducts"]) == {1, 2, 3, 4}
    assert (frame["Balance"] == 0).mean() == pytest.approx(0.36, abs=0.03)


def test_about_a_fifth_leaves() -> None:
    assert churn(rows=20_000, seed=5)["Exited"].mean() == pytest.approx(0.20, abs=0.015)


def test_boosting_finds_more_than_a_straight_line_and_scores_about_85_percent() -> None:
    train, test = churn(rows=2000, seed=6), churn(rows=5000, seed=7)
    scores = {}
    for name, model in {
        "boosting": HistGradientBoostingClassifier(max_iter=60, learning_rate=0.06, max_leaf_nodes=8),
        "linear": make_pipeline(StandardScaler(), LogisticRegression()),
    }.items():
        model.fit(features(train), train["Exited"])
        scores[name] = roc_auc_score(test["Exited"], model.predict_proba(features(test))[:, 1])
    assert scores["boosting"] == pytest.approx(0.85, abs=0.02)
    assert scores["boosting"] > scores["linear"] + 0.02


def test_drivers_and_irrelevant_columns_are_all_columns_that_may_be_used() -> None:
    assert {*CHURN_DRIVERS, *CHURN_IRRELEVANT} == {*SCHEMA.numbers, *SCHEMA.categories}
    assert not set(CHURN_DRIVERS) & set(CHURN_IRRELEVANT)


def test_drivers_stand_in_the_order_of_their_effect() -> None:
    """The rate of leaving by groups of a column, weighted by their size, moves most for the strongest driver."""
    frame = churn(rows=200_000, seed=8)
    rate = frame["Exited"].mean()
    effect = {}
    for name in (*CHURN_DRIVERS, *CHURN_IRRELEVANT):
        values = frame[name]
        if values.nunique() > 20:
            values = pd.cut(values, [-1.0, 0.5, *np.linspace(1, values.max(), 15)])
        groups = frame.groupby(values, observed=True)["Exited"].agg(["mean", "size"])
        effect[name] = float(np.average((groups["mean"] - rate).abs(), weights=groups["size"]))
    assert tuple(sorted(CHURN_DRIVERS, key=effect.__getitem__, reverse=True)) == CHURN_DRIVERS
    assert max(effect[name] for name in CHURN_IRRELEVANT) < 0.3 * effect[CHURN_DRIVERS[-1]]
