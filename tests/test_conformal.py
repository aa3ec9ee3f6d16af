import numpy as np
import pytest

from practicals.common.conformal import conformal_quantile, coverage
from practicals.common.errors import DataError


def test_the_conformal_quantile_by_hand_is_an_order_statistic_of_n_plus_one():
    # ceil(10 * 0.9) = 9: the largest of nine scores; ceil(20 * 0.9) = 18: the second largest of nineteen.
    assert conformal_quantile(np.arange(1, 10), 0.9) == 9
    assert conformal_quantile(np.arange(19, 0, -1), 0.9) == 18
    assert conformal_quantile([3.0, 1.0, 2.0], 0.5) == 2


def test_a_tenth_that_binary_numbers_cannot_hold_does_not_move_the_rank():
    # 0.7 * 10 is 7.000000000000001 in floating point; the rank is 7.
    assert conformal_quantile(np.arange(1, 10), 0.7) == 7


def test_too_few_scores_are_refused_with_the_number_that_is_needed():
    with pytest.raises(DataError, match=r"8 rows are too few .* at least 9 are needed"):
        conformal_quantile(np.arange(8), 0.9)


def test_on_rows_of_one_source_the_promise_holds_on_average_and_the_plain_quantile_falls_short():
    generator = np.random.default_rng(0)
    scores = generator.exponential(size=(20_000, 10))
    calibration, new = scores[:, :9], scores[:, 9]
    assert np.mean(new <= [conformal_quantile(row, 0.8) for row in calibration]) == pytest.approx(0.8, abs=0.01)
    assert np.mean(new <= np.quantile(calibration, 0.8, axis=1)) < 0.78


def test_coverage_counts_borders_and_leaves_unknown_truths_out():
    assert coverage([1, 2, 5, np.nan], [1, 3, 4, 0], [1, 4, 5, 9]) == pytest.approx(2 / 3)


def test_a_share_is_named_as_it_was_asked_for():
    with pytest.raises(DataError, match=r"holds 97\.5% of the truths; at least 39"):
        conformal_quantile(np.arange(38), 0.975)


def test_an_interval_without_end_is_refused_and_the_way_out_is_named():
    scores = [1.0] * 15 + [np.inf] * 4
    assert conformal_quantile(scores, 0.5) == 1
    with pytest.raises(DataError, match=r"4 of 19 truths are out of reach .* target_scale=standard"):
        conformal_quantile(scores, 0.9)
