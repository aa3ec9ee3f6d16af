"""The layers of saved models, by hand, and what comes back from a file."""

import zipfile

import keras
import numpy as np
import pytest
from scipy.interpolate import BSpline

from practicals import load_model
from practicals.common.layers import (
    Clock,
    DecisionThreshold,
    FillMissing,
    FromLogRatio,
    Intervals,
    Labels,
    LogChanges,
    LogRatio,
    ResizePixels,
    SlideWindow,
    Spline,
)
from practicals.common.places import PlaceWaves


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


def test_a_model_is_loaded_wherever_its_layers_stood_when_it_was_saved(tmp_path):
    number = keras.Input((1,))
    keras.Model(number, FillMissing(7)(number)).save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in new.namelist():
            old.writestr(name, new.read(name).replace(FillMissing.__module__.encode(), b"practicals.common.old_layers"))
    content = (tmp_path / "old.keras").read_bytes()
    assert b"old_layers" in content
    np.testing.assert_array_equal(load_model(tmp_path / "old.keras")(np.array([[np.nan]], "float32")), [[7]])


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


def test_log_ratios_by_hand_with_zeros_and_below():
    # log(1 + v): 0, log 2, log 4; less the last, log 4.
    ratios = LogRatio()(np.array([[0.0, 1.0, 3.0]], "float32"))
    np.testing.assert_allclose(ratios, [[-np.log(4), -np.log(2), 0.0]], atol=1e-6)
    np.testing.assert_array_equal(LogRatio()(np.zeros((1, 3), "float32")), np.zeros((1, 3)))
    np.testing.assert_array_equal(LogRatio()(np.array([[-5.0, 0.0]], "float32")), [[0.0, 0.0]])


def test_changes_of_the_logarithm_by_hand_fade_around_the_middle_one():
    changes = LogChanges(1 / np.log(2))(np.array([[0.0, 3.0, 1.0, 3.0], [0.0, 0.0, 0.0, 0.0]], "float32"))
    # Log 4 up, log 2 down and up again; half as large, as it is, twice as large.
    np.testing.assert_allclose(changes, [[np.log(2), -np.log(2), 2 * np.log(2)], [0.0, 0.0, 0.0]], atol=1e-6)


def test_the_hands_of_a_clock_by_hand():
    hands = Clock([4, 8], multiples=1)(np.array([[0], [1], [2], [8]], "int32"))
    root = np.sqrt(0.5)
    expected = [[0, 0, 1, 1], [1, root, 0, root], [0, 1, -1, 0], [0, 0, 1, 1]]
    np.testing.assert_allclose(hands, expected, atol=1e-6)
    assert Clock([24, 168])(np.array([[5]], "int32")).shape == (1, 12)


def test_values_from_log_ratios_by_hand():
    values = np.array([[9.0, 3.0]], "float32")
    answer = FromLogRatio()(np.log([[1.0, 2.0, 0.5, 0.25, 1e-20]]).astype("float32"), values)
    # (1 + 3) times 1, 2, 1/2, 1/4 and next to nothing, less 1; there are no fewer than no visits.
    np.testing.assert_allclose(answer, [[3.0, 7.0, 1.0, 0.0, 0.0]], atol=1e-5)
    silent = np.zeros((1, 2), "float32")
    np.testing.assert_allclose(FromLogRatio()(np.log([[3.0]]).astype("float32"), silent), [[2.0]], rtol=1e-6)


def test_log_ratios_and_back_are_inverse_from_zero_to_trillions():
    values = np.array([[0.0, 1.0, 250.0, 3e9, 5e12, 2e9], [7.0, 0.0, 12.0, 1e6, 0.0, 0.0]], "float32")
    again = FromLogRatio()(LogRatio()(values), values)
    # Near zero, 1 is added and taken away again beside a logarithm of 20: a few millionths stay.
    np.testing.assert_allclose(again, values, rtol=2e-5, atol=2e-5)


def test_logarithms_of_huge_values_stay_numbers_under_mixed_precision_too():
    huge = np.array([[1e30, 3e38]], "float32")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        levels, changes, back, clock = LogRatio(), LogChanges(24.0), FromLogRatio(), Clock([168])
        ratios = levels(huge)
        assert {one.compute_dtype for one in (levels, changes, back, clock)} == {"float32"}
        np.testing.assert_allclose(changes(huge), [[np.log(3e38 / 1e30)]], rtol=1e-5)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(ratios, [[np.log(1e30 / 3e38), 0.0]], rtol=1e-5)
    absurd = np.array(back(np.array([[1e6, -1e6]], "float32"), huge))
    assert np.isfinite(absurd).all()
    np.testing.assert_allclose(absurd, [[np.exp(80.0), 0.0]], rtol=1e-4)


def test_a_window_slides_by_hand():
    slide = SlideWindow()
    window = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "float32")
    moved = slide(window, np.array([[9.0], [8.0]], "float32"))
    np.testing.assert_array_equal(moved, [[2, 3, 9], [5, 6, 8]])
    np.testing.assert_array_equal(slide(moved, np.array([[0.0], [1.0]])), [[3, 9, 0], [6, 8, 1]])
    np.testing.assert_array_equal(slide(window[:, :1], np.array([[7.0], [7.0]])), [[7], [7]])


def test_the_layers_of_forecasts_survive_saving_and_safe_loading(tmp_path):
    values, place = keras.Input((3,)), keras.Input((1,), dtype="int32")
    ratios, changes = LogRatio()(values), LogChanges(7.0, name="changes")(values)
    step = keras.layers.Dense(1, kernel_initializer="ones")(ratios)
    known = [SlideWindow()(ratios, step), changes, Clock([24, 168], multiples=2, name="clock")(place)]
    answer = FromLogRatio()(keras.layers.Dense(2)(keras.layers.Concatenate()(known)), values)
    model = keras.Model([values, place], answer)
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    rows = [np.array([[0.0, 0.0, 0.0], [1.0, 20.0, 3.0], [1e9, 2e9, 3e9]], "float32"), np.array([[0], [5], [167]])]
    assert again.get_layer("changes").memory == 7.0
    assert (again.get_layer("clock").cycles, again.get_layer("clock").multiples) == ([24, 168], 2)
    np.testing.assert_array_equal(again(rows), model(rows))


def test_shrinking_a_picture_averages_what_a_plain_resize_would_skip():
    stripes = np.zeros((1, 8, 8, 3), "uint8")
    stripes[:, :, ::2] = 200
    halved = np.array(ResizePixels(4)(stripes))
    assert halved.shape == (1, 4, 4, 3)
    # A plain bilinear resize by one half reads between columns and sees one value; one by a quarter would see 0 or 200.
    assert np.all(np.abs(np.array(ResizePixels(2)(stripes)) - 100) <= 15)


def test_resized_pixels_are_whole_levels_and_a_second_resize_changes_nothing():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 41, 67, 3), "uint8")
    once = np.array(ResizePixels(24)(pixels))
    assert np.array_equal(once, np.round(once))
    assert once.min() >= 0
    assert once.max() <= 255
    assert np.array_equal(np.array(ResizePixels(24)(once)), once)


def test_the_size_of_pictures_survives_saving_and_any_other_size_goes_in(tmp_path):
    pixels = keras.Input((None, None, 3))
    keras.Model(pixels, ResizePixels(12, name="resize")(pixels)).save(tmp_path / "model.keras")
    model = load_model(tmp_path / "model.keras")
    assert model.get_layer("resize").size == 12
    assert model(np.full((1, 30, 7, 3), 9, "uint8")).shape == (1, 12, 12, 3)
    assert np.all(np.array(model(np.full((1, 30, 7, 3), 9, "uint8"))) == 9)


@pytest.mark.parametrize("longitude", [[1.0, 2.0, 3.0], [np.nan] * 3], ids=["latitudes", "places"])
def test_a_map_of_unknown_places_still_has_waves(longitude):
    waves = PlaceWaves.draw(np.full(3, np.nan), np.array(longitude), waves=4, seed=0)
    assert np.isfinite(waves.directions).all()
    assert np.isfinite(waves(np.array([[0.0, 2.0], [47.5, -122.0]], "float32"))).all()
