"""Windows hold what was known and what came next, and no part of a split sees a later one."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from practicals.common.config import CalibratedSplit, SplitSettings
from practicals.common.data.facts import Facts
from practicals.common.data.series_samples import webtraffic, wikipedia
from practicals.common.data.seriestable import SeriesTable
from practicals.common.data.windows import (
    Windows,
    last_windows,
    needed_steps,
    part_bounds,
    phase_cycle,
    time_split,
)
from practicals.common.errors import DataError

SHARES = SplitSettings(validation=0.1, test=0.1)
NAN = np.nan


def table(*series: Sequence[float], start: str | None = None, freq: str = "h", step: str = "hour") -> SeriesTable:
    values = np.array(series, dtype=np.float64)
    times = pd.RangeIndex(values.shape[1])
    if start:
        times = pd.date_range(start, periods=values.shape[1], freq=freq).as_unit("us")
    return SeriesTable(tuple("abcdefgh"[: len(values)]), values, times, step, "views")


def windows(of: SeriesTable, series: Sequence[int], origins: Sequence[int], **changed: int) -> Windows:
    return Windows(of, np.array(series), np.array(origins), **{"window": 3, "horizon": 2, "cycle": 4} | changed)


def facts() -> Facts:
    return Facts("own", "site.csv", "", 10, ("as read",), "", "")


# One part


def test_values_stand_before_the_origin_and_targets_from_it_on() -> None:
    part = windows(table(range(10), range(100, 110)), [0, 1], [3, 8])
    assert part.values.tolist() == [[0, 1, 2], [105, 106, 107]]
    assert part.targets.tolist() == [[3, 4], [108, 109]]
    assert part.values.dtype == part.targets.dtype == np.float64


def test_inputs_are_filled_and_targets_are_not() -> None:
    part = windows(table([1, 2, 3, 4, NAN, 6, NAN, 8]), [0], [5])
    assert part.values.tolist() == [[3, 4, 1]], "the missing value is that of the season before, four steps back"
    np.testing.assert_array_equal(part.targets, [[6, NAN]])


def test_targets_beyond_the_file_are_missing() -> None:
    np.testing.assert_array_equal(windows(table(range(6)), [0, 0], [5, 6]).targets, [[5, NAN], [NAN, NAN]])


def test_an_origin_without_a_whole_window_is_a_mistake() -> None:
    for origin in (2, 7):
        with pytest.raises(ValueError, match=r"origins must lie in 3\.\.6"):
            windows(table(range(6)), [0], [origin])


def test_phase_is_the_place_in_the_file_where_time_is_not_known() -> None:
    part = windows(table(range(400)), [0, 0, 0], [3, 168, 171], cycle=168)
    assert part.phase.tolist() == [3, 0, 3] and part.phase.dtype == np.int32
    assert part.phase_at(2).tolist() == [4, 1, 4]


def test_counted_steps_keep_their_phase_in_a_file_that_begins_later() -> None:
    later = SeriesTable(("a",), np.arange(10.0)[None], pd.RangeIndex(340, 350), "hour", "views")
    assert windows(later, [0], [3], cycle=168).phase.tolist() == [343 - 336]


def test_phase_is_that_of_the_week_where_time_is_known() -> None:
    wednesday = table(range(100), start="2017-01-04 05:00")
    assert windows(wednesday, [0, 0], [3, 4], cycle=168).phase.tolist() == [2 * 24 + 8, 2 * 24 + 9]
    assert windows(wednesday, [0], [3], cycle=24).phase.tolist() == [8]
    days = table(range(10), start="2017-01-04", freq="D", step="day")
    assert windows(days, [0, 0], [3, 5], cycle=7).phase.tolist() == [5, 0]
    months = table(range(10), start="2017-03-01", freq="MS", step="month")
    assert windows(months, [0], [3], cycle=12).phase.tolist() == [5], "June is the sixth month"


def test_times_go_on_beyond_the_file() -> None:
    part = windows(table(range(6), start="2017-01-01"), [0, 0], [3, 6])
    assert part.times(1).tolist() == [pd.Timestamp("2017-01-01 03:00"), pd.Timestamp("2017-01-01 06:00")]
    assert part.times(2)[1] == pd.Timestamp("2017-01-01 07:00")
    assert windows(table(range(6)), [0, 0], [3, 6]).times(2).tolist() == [4, 7]


def test_masks_slices_and_numbers_choose_the_same_windows() -> None:
    whole = windows(table(range(10)), [0] * 5, [3, 4, 5, 6, 7])
    mask = np.array([False, True, True, False, False])
    for chosen in (mask, pd.Series(mask), slice(1, 3), [1, 2], np.array([1, 2])):
        part = whole[chosen]
        assert len(part) == 2 and part.origins.tolist() == [4, 5]
        assert part.values.tolist() == whole.values[1:3].tolist()
    assert len(whole[[]]) == 0 and whole[[]].values.shape == (0, 3) and whole[[]].targets.shape == (0, 2)
    assert whole[2].origins.tolist() == [5] and len(whole) == 5


def test_ids_name_the_origin_and_among_several_series_the_series() -> None:
    assert windows(table(range(10)), [0, 0], [3, 7]).index.tolist() == ["3", "7"]
    assert windows(table(range(10), range(10)), [0, 1], [3, 7]).index.tolist() == ["a|3", "b|7"]


def test_ids_can_be_set_and_go_along_with_the_chosen() -> None:
    part = windows(table(range(10)), [0, 0, 0], [3, 4, 5])
    assert part[part.index.astype(str) == "4"].origins.tolist() == [4]
    part.index = pd.Index(["x", "y", "z"])
    assert part[1:].index.tolist() == ["y", "z"] and part[part.index == "z"].origins.tolist() == [5]
    with pytest.raises(ValueError, match="2 names for 3 windows"):
        part.index = pd.Index(["x", "y"])


def test_windows_do_not_alter_the_table_nor_show_it_to_be_altered() -> None:
    of = table([1, NAN, 3, 4, 5, 6])
    before = of.values.copy()
    part = windows(of, [0], [3])
    part.values[:] = -1
    part.targets[:] = -1
    np.testing.assert_array_equal(of.values, before)
    assert part.values.min() >= 0


def test_the_cycle_ends_where_the_week_and_all_seasons_begin_together() -> None:
    # With 7 places, a season of 30 days would show its first week for ever.
    assert phase_cycle("day", (30,)) == 210 and phase_cycle("hour", (24,)) == 168 and phase_cycle("step", (4, 6)) == 12
    assert phase_cycle("hour", (24, 168)) == 168 and phase_cycle("day", (7,)) == 7
    assert phase_cycle("15 minutes", (96, 672)) == 672 and phase_cycle("step", (12,)) == 12


# The split


def test_parts_are_cut_at_the_floor_of_the_shares() -> None:
    # 4,728 of the 4,896 hours can be forecast from a week: as in the notebook of the course, with 473 to test on.
    bounds = {"train": (168, 3950), "validation": (3950, 4423), "test": (4423, 4896)}
    assert part_bounds(4896, 168, SHARES) == bounds
    calibrated = CalibratedSplit(validation=0.1, calibration=0.1, test=0.1)
    assert part_bounds(105, 5, calibrated) == {
        "train": (5, 75),
        "validation": (75, 85),
        "calibration": (85, 95),
        "test": (95, 105),
    }


def test_every_origin_whose_targets_lie_in_a_part_is_in_it_and_no_other() -> None:
    split = time_split(table(range(100)), window=7, horizon=3, cycle=7, shares=SHARES)
    # 93 steps can be forecast: 7 + floor(74.4) = 81 ends the training part, 7 + floor(83.7) = 90 the validation part.
    assert split.train.origins.tolist() == list(range(7, 79)) and split.calibration is None
    assert split.validation.origins.tolist() == list(range(81, 88))
    assert split.test.origins.tolist() == list(range(90, 98))
    for _, part in split.items():
        places = part.origins[:, None] + np.arange(3)
        np.testing.assert_array_equal(part.targets, places)
        np.testing.assert_array_equal(part.values, part.origins[:, None] - 7 + np.arange(7))


def test_one_step_ahead_the_test_part_is_the_last_tenth_of_what_can_be_forecast() -> None:
    split = time_split(webtraffic(), window=168, horizon=1, cycle=168, shares=SHARES)
    assert split.train.origins[0] == 168
    assert sum(len(part) for _, part in split.items()) == 1680 - 168 == 1512
    assert split.test.origins.tolist() == list(range(168 + 1360, 1680))


def test_a_longer_window_takes_nothing_but_its_steps_from_what_is_divided() -> None:
    assert part_bounds(1007, 7, SHARES)["test"] == (907, 1007)
    assert part_bounds(1100, 100, SHARES)["test"] == (1000, 1100)
    assert part_bounds(100, 100, SHARES) == part_bounds(50, 100, SHARES) == {}


def test_a_calibration_part_stands_between_validation_and_test() -> None:
    shares = CalibratedSplit(validation=0.1, calibration=0.2, test=0.1)
    split = time_split(table(range(100)), window=7, horizon=3, cycle=7, shares=shares)
    assert split.calibration is not None
    assert split.calibration.origins.tolist() == list(range(72, 88))
    assert split.validation.origins.tolist() == list(range(62, 70)) and split.test.origins.min() == 90
    assert [name for name, _ in split.items()] == ["train", "validation", "calibration", "test"]
    assert time_split(table(range(100)), window=7, horizon=3, cycle=7, shares=SHARES).calibration is None
    none = SimpleNamespace(validation=0.1, calibration=0.0, test=0.1)
    assert time_split(table(range(100)), window=7, horizon=3, cycle=7, shares=none).calibration is None


def test_the_future_does_not_reach_an_earlier_part() -> None:
    pages = wikipedia(pages=4, days=200)
    changed = SeriesTable(pages.names, pages.values.copy(), pages.times, pages.step, pages.unit)
    cut = {"window": 28, "horizon": 7, "cycle": 7, "shares": SHARES}
    _, end = part_bounds(200, 28, SHARES)["train"]
    changed.values[:, end:] = np.random.default_rng(1).random((4, 200 - end))
    before, after = time_split(pages, **cut), time_split(changed, **cut)
    assert before.train.origins.max() + 7 == end == 28 + 137
    np.testing.assert_array_equal(before.train.origins, after.train.origins)
    np.testing.assert_array_equal(before.train.values, after.train.values)
    np.testing.assert_array_equal(before.train.targets, after.train.targets)
    assert not np.array_equal(before.validation.targets, after.validation.targets)


def test_all_series_are_cut_at_the_same_times_in_their_order() -> None:
    split = time_split(table(range(50), range(50)), window=5, horizon=2, cycle=7, shares=SHARES)
    assert split.test.series.tolist() == [0] * 4 + [1] * 4
    assert split.test.origins.tolist() == [45, 46, 47, 48] * 2


def test_stride_thins_the_training_origins_alone() -> None:
    every = time_split(table(range(100)), window=7, horizon=3, cycle=7, shares=SHARES)
    third = time_split(table(range(100)), window=7, horizon=3, cycle=7, shares=SHARES, stride=3)
    assert third.train.origins.tolist() == every.train.origins[::3].tolist()
    assert third.test.origins.tolist() == every.test.origins.tolist()
    assert third.validation.origins.tolist() == every.validation.origins.tolist()


def test_origins_without_anything_known_before_or_after_are_left_out_and_counted() -> None:
    values = np.arange(100.0)
    values[20:30] = NAN
    split = time_split(table(values), window=5, horizon=2, cycle=7, shares=SHARES, facts=facts())
    # Nothing is known in the windows of 25..30; nothing is to be compared with at 20..28.
    assert sorted(set(range(5, 80)) - set(split.train.origins.tolist())) == list(range(20, 31))
    assert split.facts is not None
    assert split.facts.notes == (
        "as read",
        "11 forecasts left out, with no known value before them or none to compare with.",
    )
    assert np.isfinite(split.train.values).all() and not np.isnan(split.train.targets).all(axis=1).any()


def test_facts_travel_unchanged_when_nothing_is_left_out() -> None:
    given = facts()
    assert time_split(table(range(100)), window=7, horizon=3, cycle=7, shares=SHARES, facts=given).facts is given


@pytest.mark.parametrize("shares", [SHARES, CalibratedSplit(validation=0.05, calibration=0.15, test=0.1)])
@pytest.mark.parametrize(("window", "horizon"), [(168, 24), (1, 1), (56, 7), (5, 30)])
def test_the_needed_length_is_enough_and_one_less_is_refused_with_it(
    shares: SplitSettings, window: int, horizon: int
) -> None:
    needed = needed_steps(window, horizon, shares)
    cut = {"window": window, "horizon": horizon, "cycle": 7, "shares": shares}
    assert min(len(part) for _, part in time_split(table(range(needed)), **cut).items()) >= 1
    short = table(range(needed - 1))
    try:
        time_split(short, facts=facts(), **cut)
    except DataError as error:
        assert str(error).startswith(f"site.csv: has {needed - 1:,} ") and f"At least {needed:,} rows" in str(error)
        assert "\n" not in str(error)
    else:
        bounds = part_bounds(needed - 1, window, shares)
        assert all(stop - start >= horizon for start, stop in bounds.values()), "only a cut in its favour may save it"


def test_a_part_without_a_known_value_is_refused_by_its_name() -> None:
    values = np.arange(100.0)
    values[89:] = NAN
    with pytest.raises(DataError, match=r"^site.csv: the test part of the 100 steps \(hour\) has no known value"):
        time_split(table(values), window=7, horizon=3, cycle=7, shares=SHARES, facts=facts())


def test_a_split_of_a_million_origins_costs_little_until_values_are_asked_for() -> None:
    many = SeriesTable(
        tuple(f"page {number}" for number in range(1_000)),
        np.ones((1_000, 550)),
        pd.RangeIndex(550),
        "day",
        "views",
    )
    tracemalloc.start()
    split = time_split(many, window=56, horizon=7, cycle=7, shares=SHARES)
    first = split.train[:100].values
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first.shape == (100, 56) and len(split.train) == 1_000 * (395 - 7 + 1)
    whole = len(split.train) * 56 * 8
    assert peak < whole / 3


# What comes after the file


def test_the_last_windows_end_with_the_file() -> None:
    part = last_windows(table(range(10), range(20, 30), start="2017-01-02"), window=4, horizon=3, cycle=168)
    assert part.values.tolist() == [[6, 7, 8, 9], [26, 27, 28, 29]]
    assert np.isnan(part.targets).all() and part.phase.tolist() == [10, 10]
    assert part.times(3)[0] == pd.Timestamp("2017-01-02 12:00")


def test_the_last_windows_need_a_whole_window_with_a_known_value() -> None:
    with pytest.raises(DataError, match=r"has 3 steps \(hour\); the forecast looks at the last 4"):
        last_windows(table(range(3)), window=4, horizon=1, cycle=7)
    with pytest.raises(DataError, match="series b: has no known value in its last 2 steps"):
        last_windows(table([1, 2, 3], [1, NAN, NAN]), window=2, horizon=1, cycle=7)
