import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from practicals.common.metrics import (
    best_baseline,
    binary_scores,
    expected_calibration_error,
    fit_sentence,
    paired_bootstrap,
    roc_auc,
    verdict,
)


def test_roc_auc_by_hand_counts_ordered_pairs_and_half_of_the_ties():
    # Pairs (positive, negative): (0.9, 0.1) right, (0.9, 0.5) right, (0.5, 0.1) right, (0.5, 0.5) tie.
    assert roc_auc(np.array([1, 0, 1, 0]), np.array([0.9, 0.1, 0.5, 0.5])) == pytest.approx(3.5 / 4)


def test_roc_auc_agrees_with_scikit_learn_on_scores_with_ties():
    generator = np.random.default_rng(0)
    truth, score = generator.integers(0, 2, 500), generator.integers(0, 20, 500) / 20
    assert roc_auc(truth, score) == pytest.approx(roc_auc_score(truth, score), abs=1e-12)


def test_calibration_error_is_zero_for_honest_probabilities_and_the_gap_for_a_constant_lie():
    assert expected_calibration_error([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]) == 0
    assert expected_calibration_error([0, 0, 0, 1], [0.9, 0.9, 0.9, 0.9]) == pytest.approx(0.65)


def test_calibration_error_weighs_bins_by_their_rows_and_takes_a_probability_of_one():
    # Bin of 0.1: gap 0.1 with three rows; bin of 1.0: gap 0 with one row.
    assert expected_calibration_error([0, 0, 0, 1], [0.1, 0.1, 0.1, 1.0]) == pytest.approx(0.3 / 4)


def test_binary_scores_by_hand():
    scores = binary_scores([1, 1, 0, 0, 0], [0.8, 0.3, 0.6, 0.2, 0.1], threshold=0.5)
    assert scores["accuracy"] == pytest.approx(3 / 5)
    assert scores["precision"] == pytest.approx(1 / 2)
    assert scores["recall"] == pytest.approx(1 / 2)
    assert scores["f1"] == pytest.approx(1 / 2)
    assert scores["brier"] == pytest.approx((0.04 + 0.49 + 0.36 + 0.04 + 0.01) / 5)
    assert scores["roc_auc"] == pytest.approx(5 / 6)


def test_a_row_on_the_threshold_counts_as_positive():
    assert binary_scores([1, 0], [0.5, 0.4], threshold=0.5)["recall"] == 1


def test_bootstrap_of_two_equal_predictions_is_exactly_zero():
    truth, score = np.array([0.0, 1, 0, 1, 1, 0] * 10), np.linspace(0, 1, 60)
    assert paired_bootstrap(roc_auc, truth, score, score, seed=0, draws=50) == (0.0, (0.0, 0.0))


def test_bootstrap_interval_holds_the_difference_and_follows_the_seed():
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 2, 300).astype(float)
    ours, theirs = truth + generator.normal(0, 0.5, 300), truth + generator.normal(0, 2, 300)
    difference, (low, high) = paired_bootstrap(roc_auc, truth, ours, theirs, seed=3, draws=200)
    assert 0 < low < difference < high
    assert paired_bootstrap(roc_auc, truth, ours, theirs, seed=3, draws=200)[1] == (low, high)
    assert paired_bootstrap(roc_auc, truth, ours, theirs, seed=4, draws=200)[1] != (low, high)


@pytest.mark.parametrize(
    ("interval", "direction", "result"),
    [
        ((0.001, 0.02), "max", "better"),
        ((-0.02, -0.001), "max", "worse"),
        ((-0.02, 0.001), "max", "no clear difference"),
        ((-0.02, -0.001), "min", "better"),
        ((0.001, 0.02), "min", "worse"),
        ((0.0, 0.02), "max", "no clear difference"),
    ],
)
def test_verdict_needs_the_whole_interval_on_one_side_of_zero(interval, direction, result):
    assert verdict("boosting", 0.0, interval, direction)["result"] == result


def test_best_baseline_respects_the_direction():
    scores = {"a": {"rmse": 2.0}, "b": {"rmse": 1.0}}
    assert best_baseline(scores, "rmse", "min") == "b"
    assert best_baseline(scores, "rmse", "max") == "a"


@pytest.mark.parametrize(
    ("train", "validation", "word"),
    [(0.99, 0.85, "Some overfitting"), (0.87, 0.86, "No overfitting"), (0.50, 0.50, "Underfitting")],
)
def test_fit_sentence_names_what_happened(train, validation, word):
    assert fit_sentence("roc_auc", "max", train, validation, naive=0.5).startswith(word)


def test_fit_sentence_works_for_errors_where_less_is_better():
    assert fit_sentence("rmse", "min", 10.0, 40.0, naive=100.0).startswith("Some overfitting")


def squared(truth, prediction):
    return float(np.mean((truth - prediction) ** 2))


def test_one_test_row_alone_makes_no_network_better():
    truth, theirs = np.array([3.0]), np.array([9.0])
    assert paired_bootstrap(squared, truth, truth, theirs, seed=0) == (-36.0, (-36.0, 0.0))
    assert paired_bootstrap(squared, truth, theirs, truth, seed=0) == (36.0, (0.0, 36.0))


def test_where_all_truths_of_the_test_part_are_equal_errors_are_compared_all_the_same():
    generator = np.random.default_rng(0)
    truth, ours, theirs = np.full(50, 2.0), generator.normal(2, 1, 50), generator.normal(2, 3, 50)
    difference, (low, high) = paired_bootstrap(squared, truth, ours, theirs, seed=0, draws=100)
    assert low < difference < high < 0
