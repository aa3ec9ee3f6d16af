import numpy as np
import pandas as pd
import pytest

from practicals.common.data.resample import balanced_class_weights, resample
from practicals.common.errors import DataError

COLUMNS = {"target": "left", "numbers": ("age", "balance"), "categories": ("country",), "seed": 0}


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    left = np.array([1] * 20 + [0] * 80)
    return pd.DataFrame(
        {
            "id": range(100),
            "age": generator.integers(20, 70, 100).astype(float),
            "balance": generator.normal(100_000, 30_000, 100),
            "country": generator.choice(["France", "Spain"], 100),
            "left": left,
        }
    )


def test_balanced_weights_by_hand_give_both_classes_the_same_weight():
    weights = balanced_class_weights(np.array([0, 0, 0, 1]))
    assert weights == {0: pytest.approx(4 / 6), 1: pytest.approx(2.0)}


@pytest.mark.parametrize(("method", "count"), [("oversample", 160), ("undersample", 40), ("smotenc", 160)])
def test_both_classes_are_equally_frequent_afterwards_and_the_input_is_left_alone(rows, method, count):
    before = rows.copy()
    balanced = resample(rows, method, **COLUMNS)
    assert (len(balanced), int(balanced["left"].sum())) == (count, count // 2)
    pd.testing.assert_frame_equal(rows, before)


def test_oversampling_repeats_rows_and_invents_none(rows):
    balanced = resample(rows, "oversample", **COLUMNS)
    assert set(balanced["balance"]) == set(rows["balance"])


def test_smote_invents_leavers_between_real_ones_in_units_and_whole_years(rows):
    balanced = resample(rows, "smotenc", **COLUMNS)
    pd.testing.assert_frame_equal(balanced[["age", "balance"]][:100], rows[["age", "balance"]], check_exact=True)
    invented, leavers = balanced[100:], rows[rows["left"] == 1]
    assert set(invented["left"]) == {1}
    assert (invented["age"] % 1 == 0).all()
    assert invented["balance"].between(leavers["balance"].min(), leavers["balance"].max()).all()
    assert not invented["balance"].isin(leavers["balance"]).all()
    assert set(invented["country"]) <= {"France", "Spain"}


def test_smote_measures_distance_on_standardised_numbers(rows):
    # Two groups of leavers, apart by age only. On raw numbers the noise of the balance would hide that, and neighbours
    # would be drawn across the groups, with ages in between.
    rows["age"] = np.where(np.arange(100) % 2, 60.0, 20.0)
    invented = resample(rows, "smotenc", **COLUMNS)[100:]
    assert set(invented["age"]) == {20.0, 60.0}


def test_smote_fills_missing_numbers_with_the_training_median(rows):
    rows.loc[[3, 50], "age"] = np.nan
    balanced = resample(rows, "smotenc", **COLUMNS)
    assert balanced.loc[3, "age"] == rows["age"].median()


def test_the_same_seed_gives_the_same_rows(rows):
    first, again = (resample(rows, "smotenc", **COLUMNS) for _ in range(2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not resample(rows, "smotenc", **{**COLUMNS, "seed": 1}).equals(first)


def test_too_few_rows_to_invent_between_are_refused_with_a_way_out(rows):
    with pytest.raises(DataError, match=r"imbalance=smotenc: .* found 3\. Choose --set imbalance=oversample"):
        resample(rows.drop(index=range(3, 20)), "smotenc", **COLUMNS)
