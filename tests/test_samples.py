"""The built-in samples have the form of the real data and a truth that is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_tables import CHURN as SCHEMA
from test_tables import KC_HOUSE

from practicals.common.catalog import CATALOG
from practicals.common.data.cards import load_card
from practicals.common.data.samples import (
    CHURN_DRIVERS,
    CHURN_IRRELEVANT,
    FIRST_SALE,
    KC_HOUSE_DRIVERS,
    KC_HOUSE_ECHOES,
    KC_HOUSE_IRRELEVANT,
    LAST_SALE,
    SAMPLES,
    churn,
    fake_reg,
    kc_house,
)
from practicals.common.data.series_samples import SERIES_SAMPLES
from practicals.common.data.tables import TableSchema, read_table


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(frame[[*SCHEMA.numbers, *SCHEMA.categories]]).astype(float)


@pytest.mark.parametrize("draw", SAMPLES.values(), ids=SAMPLES)
def test_the_seed_decides_the_sample(draw: Callable[..., pd.DataFrame]) -> None:
    assert draw(rows=60, seed=1).equals(draw(rows=60, seed=1))
    assert not draw(rows=60, seed=1).equals(draw(rows=60, seed=2))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_has_the_columns_of_the_card_in_their_order_and_no_missing_value(name: str) -> None:
    frame = SAMPLES[name]()
    assert tuple(frame.columns) == tuple(load_card(name).columns)
    assert not frame.isna().any(axis=None)
    assert frame.index.equals(pd.RangeIndex(len(frame)))


def test_every_practical_runs_without_a_network_on_samples_of_its_own() -> None:
    cards = {card for practical in CATALOG.values() for card in practical.cards}
    # Pictures are drawn by `data/picture_samples`, the same for every card.
    assert {card for card in cards if load_card(card).things == "rows"} <= {*SAMPLES, *SERIES_SAMPLES}


def test_a_bank_of_the_usual_size_has_no_customer_twice() -> None:
    frame = churn()
    assert len(frame) == 2000 and frame["CustomerId"].is_unique


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


# House sales

HOUSE_FEATURES = [*KC_HOUSE_DRIVERS, *KC_HOUSE_ECHOES, *KC_HOUSE_IRRELEVANT]


def test_house_sales_written_and_read_like_a_users_file_are_the_same(tmp_path: Path) -> None:
    frame = kc_house(rows=300, seed=3)
    written = frame.assign(date=pd.to_datetime(frame["date"], unit="D").dt.strftime("%m/%d/%Y"))
    written.to_csv(tmp_path / "sample.csv", index=False)
    table = read_table(tmp_path / "sample.csv", KC_HOUSE, need_target=True)
    pd.testing.assert_frame_equal(table.frame[frame.columns], frame)
    assert table.notes == ()


def test_values_are_those_of_houses() -> None:
    frame = kc_house(rows=5000, seed=4)
    assert frame["lat"].between(47.16, 47.78).all() and frame["long"].between(-122.52, -121.31).all()
    assert frame["date"].between(FIRST_SALE, LAST_SALE).all()
    assert (frame["sqft_above"] + frame["sqft_basement"] == frame["sqft_living"]).all()
    assert frame["price"].median() == pytest.approx(450_000, rel=0.1), "as in the real data"
    assert frame["zipcode"].nunique() == 35
    assert ((frame["yr_renovated"] == 0) | (frame["yr_renovated"] >= frame["yr_built"])).all()


def test_some_houses_are_sold_twice_and_only_date_and_price_differ() -> None:
    frame = kc_house()
    assert len(frame) == 2500 and frame["id"].duplicated().sum() == 2500 // 30
    sales = frame[frame["id"].duplicated(keep=False)].sort_values(["id", "date"])
    same = [name for name in frame.columns if name not in ("date", "price")]
    assert (sales.groupby("id")[same].nunique() == 1).all(axis=None)
    assert (sales.groupby("id")["date"].diff().dropna() >= 30).all()


def test_two_sales_of_a_house_share_noise_that_would_give_an_answer_away() -> None:
    """The formula leaves 0.12 of noise; between two sales of one house only 0.07 times the root of 2 differs."""
    frame = kc_house(rows=60_000, seed=1)
    sales = frame[frame["id"].duplicated(keep=False)].sort_values(["id", "date"])
    difference = np.log(sales["price"]).groupby(sales["id"]).diff().dropna()
    assert difference.std() == pytest.approx(0.07 * np.sqrt(2), rel=0.05)
    residual = np.log(frame["price"]) - truth(frame)
    assert residual.mean() == pytest.approx(0, abs=0.003)
    assert residual.std() == pytest.approx(np.hypot(0.10, 0.07), rel=0.02)


def truth(frame: pd.DataFrame) -> pd.Series:
    """Return z of the docstring of `kc_house` without noise, written a second time."""
    return (
        12.6
        + 0.75 * np.log(frame["sqft_living"] / 1900)
        + 0.75 * np.exp(-(((frame["lat"] - 47.62) / 0.09) ** 2) - ((frame["long"] + 122.20) / 0.20) ** 2)
        + 0.35 * np.exp(-(((frame["lat"] - 47.38) / 0.05) ** 2) - ((frame["long"] + 122.33) / 0.10) ** 2)
        + 0.12 * (frame["grade"] - 7)
        + 0.18 * ((frame["yr_built"] - 1960) / 50) ** 2
        + 0.45 * frame["waterfront"]
        + 0.06 * frame["view"]
    )


def test_place_and_age_need_curves() -> None:
    train, test = kc_house(rows=2500, seed=6), kc_house(rows=5000, seed=7)
    errors = {}
    for name, model in {
        "boosting": HistGradientBoostingRegressor(max_iter=60, learning_rate=0.2, max_leaf_nodes=8),
        "linear": LinearRegression(),
    }.items():
        # With the logarithm of the size, so that the straight line fails by place and age alone.
        columns = [part[HOUSE_FEATURES].astype(float) for part in (train, test)]
        columns = [part.assign(sqft_living=np.log(part["sqft_living"])) for part in columns]
        model.fit(columns[0], np.log(train["price"]))
        errors[name] = np.abs(np.exp(model.predict(columns[1])) - test["price"]).mean()
    assert errors["boosting"] == pytest.approx(55_000, abs=6_000)
    assert errors["linear"] > 1.4 * errors["boosting"]


def test_columns_of_houses_are_drivers_echoes_or_irrelevant() -> None:
    assert len(set(HOUSE_FEATURES)) == len(HOUSE_FEATURES)
    assert set(HOUSE_FEATURES) == {*KC_HOUSE.numbers, *KC_HOUSE.categories, *KC_HOUSE.dates}


def test_drivers_of_the_price_stand_in_the_order_of_their_effect() -> None:
    frame = kc_house(rows=100_000, seed=8)
    log_price = np.log(frame["price"])
    effect = {}
    for name in (*KC_HOUSE_DRIVERS, *KC_HOUSE_IRRELEVANT):
        values = frame[name]
        groups = log_price.groupby(pd.qcut(values, 20, duplicates="drop") if values.nunique() > 20 else values)
        effect[name] = float(np.sqrt(np.average((groups.mean() - log_price.mean()) ** 2, weights=groups.size())))
    assert tuple(sorted(KC_HOUSE_DRIVERS, key=effect.__getitem__, reverse=True)) == KC_HOUSE_DRIVERS
    assert max(effect[name] for name in KC_HOUSE_IRRELEVANT) < 0.3 * effect[KC_HOUSE_DRIVERS[-1]]


# Gem stones


def test_the_price_of_a_stone_is_a_straight_line_with_noise_of_five() -> None:
    frame = fake_reg(rows=50_000, seed=2)
    line = LinearRegression().fit(frame[["feature1", "feature2"]], frame["price"])
    assert line.coef_ == pytest.approx([40, 90], abs=0.2)
    assert line.predict(pd.DataFrame({"feature1": [1000.0], "feature2": [1000.0]})) == pytest.approx(500, abs=0.2)
    assert (frame["price"] - line.predict(frame[["feature1", "feature2"]])).std() == pytest.approx(5, rel=0.02)


def test_stones_written_and_read_like_a_users_file_are_the_same(tmp_path: Path) -> None:
    fake_reg(rows=50).to_csv(tmp_path / "sample.csv", index=False)
    schema = TableSchema(numbers=("feature1", "feature2"), categories=(), target="price")
    table = read_table(tmp_path / "sample.csv", schema, need_target=True)
    pd.testing.assert_frame_equal(table.frame[list(fake_reg(rows=50).columns)], fake_reg(rows=50))
    assert table.notes == () and len(fake_reg()) == load_card("fake_reg").rows
