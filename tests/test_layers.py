import keras
import numpy as np
import pytest
from scipy.interpolate import BSpline

from practicals import load_model
from practicals.common.layers import DecisionThreshold, FillMissing, Intervals, Labels, Spline


def basis(spline, values):
    return np.array(spline(np.array(values, "float32").reshape(-1, 1)))


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_spline_agrees_with_scipy_on_uneven_knots(degree):
    knots = [0.0, 1.0, 3.0, 7.0, 10.0]
    values = np.linspace(0, 10, 101)
    padded = np.r_[[0.0] * degree, knots, [10.0] * degree]
    expected = BSpline.design_matrix(values, padded, degree).toarray()
    np.testing.assert_allclose(basis(Spline(knots, degree), values), expected, atol=1e-5)


def test_spline_of_degree_one_by_hand_is_the_share_of_the_two_neighbouring_knots():
    np.testing.assert_allclose(basis(Spline([0, 10, 20], 1), [2.5, 20]), [[0.75, 0.25, 0], [0, 0, 1]], atol=1e-6)


def test_spline_functions_add_up_to_one_also_beyond_the_knots():
    np.testing.assert_allclose(basis(Spline([0, 1, 5], 3), [-100, 0, 0.3, 5, 100]).sum(axis=1), 1, atol=1e-6)


def test_spline_tells_large_neighbours_apart():
    low, high = basis(Spline([100_000, 150_000, 200_000], 3), [150_000, 150_100])
    assert np.abs(low - high).max() > 1e-3


def test_spline_refuses_knots_that_do_not_increase():
    with pytest.raises(ValueError, match="increasing"):
        Spline([1.0, 1.0])


def test_missing_numbers_are_filled_and_others_left_alone():
    np.testing.assert_array_equal(FillMissing(7)(np.array([[1.0], [np.nan]], "float32")), [[1], [7]])


def test_a_probability_on_the_threshold_is_a_yes():
    np.testing.assert_array_equal(DecisionThreshold(0.25)(np.array([0.24, 0.25, 0.26], "float32")), [0, 1, 1])


def test_all_layers_come_back_exactly_from_a_saved_model(tmp_path):
    number = keras.Input((1,))
    curve = Spline([0.0, 1 / 3, 1.0], 2)(FillMissing(0.1)(number))
    model = keras.Model(number, DecisionThreshold(0.3)(keras.layers.Dense(1)(curve)))
    model.save(tmp_path / "model.keras")
    rows = np.array([[0.2], [np.nan], [5.0]], "float32")
    np.testing.assert_array_equal(load_model(tmp_path / "model.keras")(rows), model(rows))


def test_intervals_in_log_space_are_shares_of_the_prediction_and_never_below_zero():
    bounds = Intervals({"lower_90": [-np.log(2)], "upper_90": [np.log(2)]}, space="log")(np.array([[3.0], [0.0]]))
    # log(1 + 3) less log 2 is log 2, so the bound is 1; more log 2 gives 8 - 1 = 7.
    np.testing.assert_allclose(bounds["lower_90"], [[1.0], [0.0]], atol=1e-6)
    np.testing.assert_allclose(bounds["upper_90"], [[7.0], [1.0]], atol=1e-6)


def test_linear_intervals_add_one_offset_per_output():
    bounds = Intervals({"lower_80": [-1.0, -2.0]}, space="linear")(np.array([[10.0, 20.0]]))
    np.testing.assert_allclose(bounds["lower_80"], [[9.0, 18.0]])


def test_another_space_is_refused():
    with pytest.raises(ValueError, match="'linear' or 'log'"):
        Intervals({"lower": [0.0]}, space="sqrt")


def test_intervals_and_labels_survive_saving_and_safe_loading(tmp_path):
    inputs = keras.Input((2,))
    prediction = Labels({"unit": ["USD"], "dates": []}, name="labels")(inputs)
    bounds = Intervals({"lower": [-1.0, -2.0], "upper": [1.0, 2.0]}, space="linear", name="interval")(prediction)
    keras.Model(inputs, {"prediction": prediction, **bounds}).save(tmp_path / "model.keras")
    model = load_model(tmp_path / "model.keras")
    assert dict(model.get_layer("labels").values) == {"unit": ["USD"], "dates": []}
    answer = model(np.array([[10.0, 20.0]], "float32"))
    assert {name: np.array(value).tolist() for name, value in answer.items()} == {
        "prediction": [[10.0, 20.0]],
        "lower": [[9.0, 18.0]],
        "upper": [[11.0, 22.0]],
    }
