"""Scores, columns, intervals, baselines and the hand-over of a lesson that predicts a quantity; no training."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from practicals.common import baselines as opponents
from practicals.common.conformal import conformal_quantile, coverage
from practicals.common.data.cards import load_card
from practicals.common.data.split import Split
from practicals.common.data.tables import TableSchema
from practicals.common.errors import ConfigError, DataError
from practicals.common.ladder import Baseline
from practicals.common.places import PlaceWaves
from practicals.common.regression import (
    Columns,
    Margin,
    choose_columns,
    differences,
    error_sizes,
    find_place,
    main_features,
    quantile_knots,
    regression_scores,
    score_regressors,
    suits_log,
    worst_rows,
)

STONES = TableSchema(numbers=("feature1", "feature2"), categories=(), target="price")


def settings(**changes):
    usual = {"data": "auto", "target": None, "unit": "", "numbers": (), "categories": (), "dates": (), "ignore": ()}
    return SimpleNamespace(**usual | changes)


def test_scores_by_hand():
    scores = regression_scores([1.0, 2.0, 3.0, 6.0], [2.0, 2.0, 3.0, 3.0], columns=1)
    assert scores["rmse"] == pytest.approx(np.sqrt(10 / 4))
    assert scores["mae"] == pytest.approx(1.0)
    assert scores["median_ae"] == pytest.approx(0.5)
    assert scores["r2"] == pytest.approx(1 - 10 / 14)
    assert scores["adjusted_r2"] == pytest.approx(1 - (10 / 14) * 3 / 2)
    assert scores["mape_percent"] == pytest.approx(100 * (1 + 0 + 0 + 0.5) / 4)


def test_a_perfect_prediction_and_the_mean_are_the_two_ends_of_r2():
    truth = np.array([1.0, 5.0, 9.0])
    assert regression_scores(truth, truth, 1)["r2"] == 1
    assert regression_scores(truth, truth, 1)["rmse"] == 0
    assert regression_scores(truth, np.full(3, 5.0), 1)["r2"] == 0


def test_scores_that_do_not_exist_are_left_out_and_none_is_infinite():
    scores = regression_scores([0.0, 0.0, 0.0], [0.0, 1.0, 2.0], columns=2)
    assert set(scores) == {"rmse", "mae", "median_ae", "r2"}
    assert np.isfinite(list(scores.values())).all()
    assert regression_scores([0.0, 2.0], [5.0, 1.0], columns=0)["mape_percent"] == 50  # the zero does not count


def test_more_columns_cost_adjusted_r2_and_nothing_else():
    truth, prediction = np.arange(20.0), np.arange(20.0) + np.tile([1.0, -1.0], 10)
    few, many = (regression_scores(truth, prediction, columns) for columns in (1, 15))
    assert few.pop("adjusted_r2") > many.pop("adjusted_r2")
    assert few == many


def test_knots_have_equally_many_rows_between_them_and_are_never_equal():
    numbers = pd.Series([*range(100), 1e6])
    assert quantile_knots(numbers, 4).tolist() == [0, 25, 50, 75, 1e6]
    mostly_zero = pd.Series([0.0] * 90 + [*range(1, 11)])
    knots = quantile_knots(mostly_zero, 6)
    assert (np.diff(knots) > 0).all()
    assert quantile_knots(numbers, 0).size == 0
    assert quantile_knots(pd.Series([0.0, 1.0, 2.0, 3.0] * 9), 6).size == 0
    assert quantile_knots(pd.Series([0.0, 1e-12, 2e-12, 3e-12, 1.0]), 4).tolist() == [0.0, 1.0]


def test_the_logarithm_suits_a_long_tail_of_positive_numbers_only():
    generator = np.random.default_rng(0)
    prices = pd.Series(np.exp(generator.normal(12, 1, 2000)))
    assert suits_log(prices)
    assert not suits_log(pd.Series(generator.normal(500, 50, 2000)))
    assert not suits_log(prices - prices.mean())
    assert not suits_log(-prices)


def test_an_error_on_the_log_scale_is_a_ratio_and_a_negative_truth_is_out_of_reach():
    sizes = error_sizes([99.0, 199.0, -1.0], [199.0, 99.0, 5.0], "log")
    assert sizes[:2] == pytest.approx([np.log(2), np.log(2)])
    assert sizes[2] == np.inf
    assert error_sizes([1.0, 5.0], [4.0, 3.0], "linear").tolist() == [3, 2]


def test_margins_of_new_rows_hold_the_promised_share():
    # Over many draws the share must be at least 0.9 on average; 9 calibration rows give exactly 0.9.
    generator, held = np.random.default_rng(0), []
    for _ in range(2000):
        calibration, new = generator.exponential(1, 9), generator.exponential(1, 5)
        quantile = conformal_quantile(calibration, 0.9)
        held.append(coverage(new, np.full(5, -quantile), np.full(5, quantile)))
    assert np.mean(held) == pytest.approx(0.9, abs=0.01)


def test_a_margin_names_its_bounds_and_says_its_width():
    margin = Margin(0.9, np.log(1.25), "log", 2160)
    assert margin.offsets == {"lower_90": [-np.log(1.25)], "upper_90": [np.log(1.25)]}
    assert "from 80% to 125% of the prediction" in margin.sentence("USD")
    assert "2,160 calibration rows" in margin.sentence("USD")
    assert "12.5 mm to either side" in Margin(0.9, 12.5, "linear", 50).sentence("mm")
    assert set(Margin(0.995, 1.0, "linear", 50).offsets) == {"lower_99_5", "upper_99_5"}


def test_waves_are_the_same_at_the_same_place_and_follow_the_distance_in_km():
    waves = PlaceWaves((47.5, -122.0), [[0.0, 0.1], [0.2, 0.0]], height=0.5)
    east = 1 / (111.2 * np.cos(np.radians(47.5)))  # one km, in degrees
    answer = np.asarray(waves(np.array([[47.5, -122.0], [47.5, -122.0 + 5 * east], [47.5 + 5 / 111.2, -122.0]])))
    assert answer[0].tolist() == [0, 0, 0.5, 0.5]
    assert answer[1] == pytest.approx([0.5 * np.sin(0.5), 0, 0.5 * np.cos(0.5), 0.5], abs=1e-3)
    assert answer[2] == pytest.approx([0, 0.5 * np.sin(1.0), 0.5, 0.5 * np.cos(1.0)], abs=1e-3)


def test_waves_are_drawn_to_the_size_of_the_map_and_from_the_seed():
    generator = np.random.default_rng(0)
    latitude, longitude = generator.normal(47, 0.1, 500), generator.normal(9, 0.1, 500)
    latitude[0] = np.nan
    one, same, other = (PlaceWaves.draw(latitude, longitude, waves=8, seed=seed) for seed in (1, 1, 2))
    assert one.get_config()["directions"] == same.get_config()["directions"] != other.get_config()["directions"]
    wide = PlaceWaves.draw(47 + 10 * (latitude - 47), longitude * 10 - 81, waves=8, seed=1)
    assert np.linalg.norm(wide.directions) < np.linalg.norm(one.directions) / 5
    assert np.isfinite(PlaceWaves.draw(np.full(3, 5.0), np.full(3, 5.0), waves=2, seed=0).directions).all()
    with pytest.raises(ValueError, match="at least one wave"):
        PlaceWaves((0, 0), [])


def test_columns_survive_being_written_into_a_model():
    schema = TableSchema(("a", "b = c"), ("d",), "e/f", identifiers=("id",), dates=("g",), day_first=("g",))
    columns = Columns(schema, {"b = c": "m", "e/f": "USD"})
    again = Columns.from_words(columns.to_words())
    assert again == columns
    assert again.unit == "USD"
    assert again.numeric == ("a", "b = c", "g")


def test_the_columns_of_a_known_table_come_with_units_and_reasons():
    card = load_card("kc_house")
    schema = TableSchema(("sqft_living", "lat"), ("zipcode",), "price", identifiers=("id",), dates=("date",))
    columns = choose_columns(settings(ignore=("lat",)), card, schema)
    assert columns.unit == "USD"
    assert columns.schema.numbers == ("sqft_living",)
    assert {one.name: one.kind for one in columns.kinds} == {
        "id": "left out",
        "date": "date",
        "price": "target",
        "sqft_living": "number",
        "zipcode": "category",
        "lat": "left out",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "price"}, "target: .* Add --data FILE"),
        ({"categories": ("feature1",)}, "categories: .* Add --data FILE"),
        ({"ignore": ("feature3",)}, "ignore: fake_reg has no feature 'feature3'. Did you mean 'feature"),
        ({"ignore": ("price",)}, "ignore: fake_reg has no feature 'price'"),
        ({"ignore": ("feature1", "feature2")}, "leaves no column"),
    ],
)
def test_settings_about_columns_that_do_not_fit_the_data_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        choose_columns(settings(**changes), load_card("fake_reg"), STONES)


def test_the_columns_of_an_own_file_are_inferred_told_and_corrected(tmp_path, capsys):
    path = tmp_path / "own.csv"
    rows = "".join(f"{n},{n * 7 % 13},{'red' if n % 2 else 'blue'},{n * 3.5}\n" for n in range(1, 41))
    path.write_text("id,size,colour,worth\n" + rows)
    columns = choose_columns(settings(data=str(path), target="worth", unit="EUR"), load_card("kc_house"), STONES)
    assert columns.schema.numbers == ("size",)
    assert columns.schema.categories == ("colour",)
    assert columns.unit == "EUR"
    assert "own.csv: numbers: 'size'" in capsys.readouterr().err
    corrected = choose_columns(
        settings(data=str(path), target="worth", categories=("size",), ignore=("colour",)),
        load_card("kc_house"),
        STONES,
    )
    assert corrected.schema.categories == ("size",)
    with pytest.raises(ConfigError, match=r"unit: .* Add --set target=COLUMN"):
        choose_columns(settings(data=str(path), unit="EUR"), load_card("kc_house"), STONES)


def test_a_slash_in_the_name_of_an_own_column_is_refused_before_keras_does(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("km/h,worth\n" + "".join(f"{n * 7 % 13}.5,{n}\n" for n in range(40)))
    with pytest.raises(DataError, match=r"column 'km/h': a slash .* --set 'ignore=\[km/h\]'"):
        choose_columns(settings(data=str(path), target="worth"), load_card("kc_house"), STONES)


def test_a_place_is_found_by_name_or_by_setting_and_never_by_half():
    assert find_place(("size", "Lat", "LONGITUDE"), None, None) == ("Lat", "LONGITUDE")
    assert find_place(("north", "east"), "north", "east") == ("north", "east")
    assert find_place(("lat", "size"), None, None) is None
    with pytest.raises(ConfigError, match="longitude: a place needs both"):
        find_place(("north", "size"), "north", None)
    with pytest.raises(ConfigError, match=r"latitude: there is no column of numbers 'nort'. Did you mean 'north'"):
        find_place(("north", "east"), "nort", "east")


def rows_of(count, seed):
    generator = np.random.default_rng(seed)
    size, colour = generator.normal(10, 2, count), generator.choice(["red", "blue"], count)
    worth = np.exp(0.2 * size + 0.5 * (colour == "red"))
    return pd.DataFrame({"size": size, "colour": colour, "noise": generator.normal(0, 1, count), "worth": worth})


def short(opponent):
    """Fewer and longer steps than in life, so that a test takes less than a second."""
    opponent.regressor[-1].set_params(max_iter=100, learning_rate=0.2)
    return opponent


def test_opponents_stand_gaps_and_unknown_words_and_answer_in_the_unit():
    split = Split(rows_of(400, 0), rows_of(100, 1), rows_of(100, 2))
    split = replace(
        split, test=split.test.assign(colour="green", size=split.test["size"].where(split.test["size"] > 8))
    )
    entries = [
        ("mean", "naive", "", opponents.mean_target()),
        ("linear", "classical", "", opponents.linear_regression(("size", "noise"), ("colour",))),
        ("trees", "classical", "", short(opponents.boosted_regression(("size", "noise"), ("colour",), seed=0))),
        ("log trees", "classical", "", short(opponents.boosted_regression(("size",), ("colour",), seed=0, log=True))),
    ]
    made = {one.name: one for one in score_regressors(entries, split, ("size", "colour", "noise"), "worth")}
    np.testing.assert_allclose(made["mean"].test_prediction, split.train["worth"].mean())
    assert made["trees"].validation["rmse"] < made["linear"].validation["rmse"] < made["mean"].validation["rmse"]
    assert made["log trees"].validation["mape_percent"] < 5
    assert all(np.isfinite(one.test_prediction).all() for one in made.values())


def test_linear_regression_is_least_squares():
    rows = rows_of(50, 0)
    fitted = opponents.linear_regression(("size", "noise"), ()).fit(rows, rows["worth"])
    by_hand = np.column_stack([np.ones(50), rows["size"], rows["noise"]])
    weights = np.linalg.lstsq(by_hand, rows["worth"], rcond=None)[0]
    np.testing.assert_allclose(fitted.predict(rows), by_hand @ weights)


def test_trees_take_more_categories_than_they_can_tell_apart():
    rows = pd.DataFrame({"word": [f"w{n % 400}" for n in range(1200)], "worth": np.arange(1200.0)})
    fitted = short(opponents.boosted_regression((), ("word",), seed=0))
    assert np.isfinite(fitted.fit(rows[["word"]], rows["worth"]).predict(rows[["word"]])).all()


def test_the_main_features_move_with_the_target_in_either_direction():
    generator = np.random.default_rng(0)
    worth = generator.normal(0, 1, 200)
    train = pd.DataFrame(
        {"noise": generator.normal(0, 1, 200), "against": -np.exp(worth), "with": worth**3, "same": 1.0, "worth": worth}
    )
    assert set(main_features(train, ("noise", "against", "with", "same"), "worth")[:2]) == {"against", "with"}


def test_the_worst_rows_come_first_and_hold_plain_values():
    rows = pd.DataFrame({"size": [1.0, np.nan, 2.5], "colour": ["red", "", "blue"]}, index=[7, 8, 9])
    table = worst_rows(rows, np.array([10.0, 20.0, 30.0]), np.array([11.0, 5.0, 33.5]), ("size", "colour"))
    assert table["columns"] == ["id", "truth", "prediction", "error", "size", "colour"]
    assert table["rows"] == [
        ["8", 20, 5, -15, None, ""],
        ["9", 30, 33.5, 3.5, 2.5, "blue"],
        ["7", 10, 11, 1, 1, "red"],
    ]


def test_every_baseline_is_compared_in_both_errors():
    baselines = [Baseline(name, "", "", {}, {}, np.zeros(3)) for name in ("mean", "trees")]
    found = differences(baselines, lambda metric, one: (metric(np.zeros(3), np.ones(3)), (-1.0, 2.0)))
    assert [(one["against"], one["metric"]) for one in found] == [
        ("mean", "rmse"),
        ("trees", "rmse"),
        ("mean", "mae"),
        ("trees", "mae"),
    ]
    assert found[0] == {"against": "mean", "metric": "rmse", "difference": 1.0, "low": -1.0, "high": 2.0}


def test_a_file_of_another_form_without_a_target_is_told_which_columns_there_are(tmp_path):
    path = tmp_path / "cars.csv"
    path.write_text("mpg,weight\n21,2500\n30,1900\n")
    with pytest.raises(DataError, match=r"--set target=COLUMN\. Columns: 'mpg', 'weight'"):
        choose_columns(settings(data=str(path)), load_card("kc_house"), STONES)


def test_truths_that_are_all_equal_have_no_spread_however_their_mean_is_rounded():
    assert regression_scores([0.1, 0.1, 0.1], [0.2, 0.1, 0.1], columns=1)["r2"] == 0


def test_a_column_that_is_called_like_one_of_ours_does_not_stand_in_its_place():
    rows = pd.DataFrame({name: [1.0, 2.0] for name in ("prediction", "error", "truth", "id", "size")})
    table = worst_rows(rows, np.array([10.0, 20.0]), np.array([11.0, 25.0]), tuple(rows))
    assert table == {
        "columns": ["id", "truth", "prediction", "error", "size"],
        "rows": [["1", 20, 25, 5, 2], ["0", 10, 11, 1, 1]],
    }


def test_a_margin_of_nearly_all_does_not_promise_all():
    sentence = Margin(0.995, 2.0, "linear", 500).sentence("mm")
    assert "100%" not in sentence
    assert sentence.count("99.5%") == 2
