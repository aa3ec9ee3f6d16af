"""Rows are divided before anything is fitted, and related rows stay together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from practicals.common.data.facts import Facts
from practicals.common.data.samples import churn
from practicals.common.data.split import Split, random_split, stratified_split
from practicals.common.errors import DataError

CONTENT = ("CreditScore", "Geography", "Gender", "Age", "Tenure", "Balance", "NumOfProducts", "EstimatedSalary")


def split(frame: pd.DataFrame, seed: int = 0, **changes: object) -> Split[pd.DataFrame]:
    options: dict[str, object] = {
        "target": "Exited",
        "validation": 0.1,
        "test": 0.2,
        "same_subject": ("CustomerId",),
        "same_content": CONTENT,
    }
    return stratified_split(frame, seed=seed, **(options | changes))  # type: ignore[arg-type]


def parts_of(divided: Split[pd.DataFrame]) -> pd.Series:
    """Return the name of the part of each row, by the row's index."""
    return pd.concat([pd.Series(name, index=part.index) for name, part in divided.items()]).sort_index()


def test_every_row_stands_in_exactly_one_part_and_unchanged() -> None:
    frame = churn(rows=500, seed=1)
    before = frame.copy(deep=True)
    divided = split(frame)
    pd.testing.assert_frame_equal(pd.concat([part for _, part in divided.items()]).sort_index(), before)
    pd.testing.assert_frame_equal(frame, before)
    assert {name: len(part) for name, part in divided.items()} == {"train": 350, "validation": 50, "test": 100}


def test_every_part_has_the_same_share_of_leavers() -> None:
    frame = churn(rows=2000, seed=2)
    for _, part in split(frame).items():
        assert part["Exited"].mean() == pytest.approx(frame["Exited"].mean(), abs=1 / len(part))


def test_without_related_rows_it_is_scikit_learns_split_applied_twice() -> None:
    frame = churn(rows=1000, seed=3)
    rest, test = train_test_split(frame, test_size=200, stratify=frame["Exited"], random_state=7)
    train, validation = train_test_split(rest, test_size=100, stratify=rest["Exited"], random_state=7)
    divided = split(frame, seed=7)
    for expected, part in ((train, divided.train), (validation, divided.validation), (test, divided.test)):
        pd.testing.assert_frame_equal(part, expected)


def test_the_seed_decides_the_parts() -> None:
    frame = churn(rows=500, seed=4)
    assert split(frame, seed=1).test.equals(split(frame, seed=1).test)
    assert not split(frame, seed=1).test.equals(split(frame, seed=2).test)


def test_repeated_rows_never_straddle_the_parts() -> None:
    frame = churn(rows=400, seed=5)
    doubled = pd.concat([frame, frame], ignore_index=True)
    doubled["CustomerId"] = np.arange(800).astype(str)
    part = parts_of(split(doubled))
    assert (part[:400].to_numpy() == part[400:].to_numpy()).all()
    apart = parts_of(split(doubled, same_content=()))
    assert (apart[:400].to_numpy() != apart[400:].to_numpy()).any(), "without the rule they do straddle"


def test_rows_of_one_customer_never_straddle_the_parts() -> None:
    frame = churn(rows=400, seed=6)
    frame["CustomerId"] = (np.arange(400) // 2).astype(str)
    part = parts_of(split(frame))
    assert part.groupby(frame["CustomerId"]).nunique().max() == 1
    assert parts_of(split(frame, same_subject=())).groupby(frame["CustomerId"]).nunique().max() == 2


def test_rows_related_through_a_third_row_stay_together() -> None:
    frame = churn(rows=300, seed=7)
    for first in range(0, 300, 3):
        # The first and the second are one customer; the second and the third have the same content.
        frame.loc[first + 1, "CustomerId"] = frame.loc[first, "CustomerId"]
        frame.loc[first + 2, list(CONTENT)] = frame.loc[first + 1, list(CONTENT)]
    part = parts_of(split(frame))
    assert part.groupby(np.arange(300) // 3).nunique().max() == 1


def test_a_missing_subject_relates_no_rows() -> None:
    frame = churn(rows=300, seed=8)
    frame["CustomerId"] = ""
    assert split(frame).test.equals(split(frame.drop(columns="CustomerId")).test.assign(CustomerId="")[frame.columns])


def test_missing_numbers_count_as_equal_content() -> None:
    frame = churn(rows=200, seed=9).assign(Age=np.nan)
    doubled = pd.concat([frame, frame], ignore_index=True).drop(columns="CustomerId")
    part = parts_of(split(doubled))
    assert (part[:200].to_numpy() == part[200:].to_numpy()).all()


def test_related_rows_of_both_classes_are_drawn_by_the_class_of_most() -> None:
    frame = churn(rows=300, seed=10)
    frame["CustomerId"] = (np.arange(300) // 3).astype(str)
    frame["Exited"] = np.where(np.arange(300) // 3 < 50, [1, 1, 0] * 100, [0, 0, 1] * 100)
    divided = split(frame)
    assert [len(part) for _, part in divided.items()] == [210, 30, 60]
    for _, part in divided.items():
        assert part.groupby("CustomerId")["Exited"].sum().eq(2).mean() == pytest.approx(0.5)


def test_the_index_and_the_order_of_columns_are_kept() -> None:
    frame = churn(rows=200, seed=11).set_index(pd.Index(range(1000, 1200)))
    divided = split(frame)
    assert sorted(index for _, part in divided.items() for index in part.index) == list(range(1000, 1200))
    assert all(list(part.columns) == list(frame.columns) for _, part in divided.items())


@pytest.mark.parametrize("leavers", [1, 9])
def test_a_class_that_cannot_stand_in_every_part_is_refused(leavers: int) -> None:
    frame = churn(rows=200, seed=12).assign(Exited=[1] * leavers + [0] * (200 - leavers))
    with pytest.raises(DataError, match=rf"^split: .*'Exited' has {leavers} different rows with 1; at least 10"):
        split(frame)


@pytest.mark.parametrize("seed", range(5))
def test_the_number_of_rows_that_the_message_asks_for_is_enough(seed: int) -> None:
    frame = churn(rows=200, seed=12).assign(Exited=[1] * 10 + [0] * 190)
    assert all(part["Exited"].nunique() == 2 for _, part in split(frame, seed=seed).items())


def test_repeating_a_row_does_not_make_up_for_too_few() -> None:
    frame = churn(rows=200, seed=13).assign(Exited=[1] * 5 + [0] * 195)
    many = pd.concat([frame, *[frame.iloc[:5]] * 10], ignore_index=True)
    with pytest.raises(DataError, match="'Exited' has 5 different rows with 1"):
        split(many)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_handful_of_rows_is_refused_in_one_line(rows: int) -> None:
    frame = churn(rows=10, seed=0).iloc[:rows].assign(Exited=np.arange(rows) % 2)
    with pytest.raises(DataError, match=r"^split: .* are needed"):
        split(frame)


def test_a_split_maps_and_lists_its_parts_in_order() -> None:
    divided = Split(train=[1, 2, 3], validation=[4], test=[5, 6])
    assert divided.map(len) == Split(3, 1, 2)
    assert list(divided.items()) == [("train", [1, 2, 3]), ("validation", [4]), ("test", [5, 6])]


def test_what_is_known_about_the_rows_stays_with_what_is_made_of_them() -> None:
    facts = Facts("own", "mine.csv", "0" * 64, 200, (), "", "")
    divided = split(churn(rows=200, seed=14), facts=facts)
    assert divided.facts is divided.map(len).facts is facts


def test_a_random_split_without_relations_is_scikit_learns_own() -> None:
    frame = pd.DataFrame({"x": np.arange(100.0)})
    divided = random_split(frame, validation=0.1, calibration=0.2, test=0.3, seed=7)
    rest, test = train_test_split(np.arange(100), test_size=30, random_state=7)
    rest, validation = train_test_split(rest, test_size=10, random_state=7)
    train, calibration = train_test_split(rest, test_size=20, random_state=7)
    for part, expected in zip(
        (divided.train, divided.validation, divided.calibration, divided.test),
        (train, validation, calibration, test),
        strict=True,
    ):
        assert part is not None
        assert list(part.index) == list(expected)


def test_a_house_sold_twice_never_stands_in_two_parts_of_a_random_split() -> None:
    frame = pd.DataFrame({"id": np.repeat(np.arange(60), 2).astype(str), "x": np.arange(120.0)})
    divided = random_split(frame, validation=0.1, calibration=0.1, test=0.2, seed=3, same_subject=("id",))
    part = parts_of(divided)
    assert set(part) == {"train", "validation", "calibration", "test"}
    assert (part.groupby(frame["id"]).nunique() == 1).all()
    apart = parts_of(random_split(frame, validation=0.1, calibration=0.1, test=0.2, seed=3))
    assert (apart.groupby(frame["id"]).nunique() > 1).any(), "without the rule some houses are torn apart"


def test_without_a_calibration_part_a_split_has_three_and_maps_three() -> None:
    divided = random_split(pd.DataFrame({"x": np.arange(50.0)}), validation=0.1, test=0.2, seed=0)
    assert [name for name, _ in divided.items()] == ["train", "validation", "test"]
    assert divided.map(len).calibration is None
    calibrated = random_split(pd.DataFrame({"x": np.arange(50.0)}), validation=0.1, calibration=0.1, test=0.2, seed=0)
    assert calibrated.map(len) == Split(30, 5, 10, None, 5)


def test_too_few_different_rows_for_a_random_split_are_counted() -> None:
    frame = pd.DataFrame({"x": [1.0] * 100})
    with pytest.raises(DataError, match="has 1 different rows, at least 20 are needed"):
        random_split(frame, validation=0.1, test=0.2, seed=0, same_content=("x",))
