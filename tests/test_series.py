"""What a file of series may look like, what is repaired and told, and what is refused in one line."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from practicals.common.data.cards import load_card
from practicals.common.data.fetch import Source, fetch_report, locate
from practicals.common.data.series import SeriesTable, filled, read_file, read_series, read_source
from practicals.common.data.series_samples import (
    SERIES_SAMPLES,
    WEBTRAFFIC_LAGS,
    WEBTRAFFIC_NOISE,
    WIKIPEDIA_LAGS,
    webtraffic,
    wikipedia,
)
from practicals.common.errors import DataError

Read = Callable[..., SeriesTable]
Refusal = Callable[..., str]

PLAIN = """time,sessions
2017-01-02 00:00,5
2017-01-02 01:00,7.5
2017-01-02 02:00,0
2017-01-02 03:00,9
"""


def write(folder: Path, content: str | bytes, name: str = "site.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def write_and_read(content: str | bytes, name: str = "site.csv", **options: object) -> SeriesTable:
        return read_series(write(tmp_path, content, name), **options)

    return write_and_read


@pytest.fixture
def refusal(tmp_path: Path) -> Refusal:
    def line(content: str | bytes, name: str = "site.csv", **options: object) -> str:
        path = write(tmp_path, content, name)
        with pytest.raises(DataError) as caught:
            read_series(path, **options)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and "\n" not in message and message.isprintable()
        return message.removeprefix(f"{path}: ")

    return line


def rows(times: Sequence[object], values: Sequence[object], header: str = "time,sessions") -> str:
    return "\n".join([header, *(f"{time},{value}" for time, value in zip(times, values, strict=True))]) + "\n"


def hours(start: str, number: int) -> list[str]:
    return [f"{time:%Y-%m-%d %H:%M}" for time in pd.date_range(start, periods=number, freq="h")]


def said(table: SeriesTable, part: str) -> bool:
    return any(part in note for note in table.notes)


# Forms


def test_time_and_value_are_read_on_an_hourly_axis_and_the_columns_are_told(read: Read) -> None:
    table = read(PLAIN)
    assert table.names == ("sessions",) and table.unit == "sessions" and table.step == "hour" and table.rows == 4
    assert table.values.tolist() == [[5, 7.5, 0, 9]] and table.values.dtype == np.float64
    assert isinstance(table.times, pd.DatetimeIndex) and table.times[3] == pd.Timestamp("2017-01-02 03:00")
    assert table.notes == ("Times from column 'time', values from 'sessions'.",)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"\xef\xbb\xbf" + PLAIN.encode(), "byte-order mark"),
        (PLAIN.encode("utf-16"), "UTF-16"),
        (PLAIN.encode("utf-16-le"), "UTF-16"),
        (PLAIN.replace("time,", "été time,").encode("latin-1"), "latin-1"),
        (PLAIN.replace(",", ";").encode(), "separated by semicolons"),
        (PLAIN.replace(",", "\t").encode(), "separated by tabs"),
        (PLAIN.replace(",", ";").replace(".", ",").encode(), "decimal commas"),
        (PLAIN.replace("\n", "\n\n", 1).encode(), "1 blank row left out"),
        (PLAIN.replace("\n", ",\n").encode(), "Not used: ''"),
        (PLAIN.replace(":00,", ":00Z,").encode(), "the zone UTC"),
        (PLAIN.replace(":00,", ":00:00.000 +01:00,").encode(), "the zone +01:00"),
        (PLAIN.replace("2017-01-02", "20170102").encode(), None),
        (PLAIN.replace("2017-01-02 ", "2017-01-02T").encode(), None),
        (PLAIN.replace("2017-01-02", "2.1.2017").encode(), "taken: day first"),
        (PLAIN.replace("2017-01-02", "1/2/2017").encode(), "taken: month first"),
        (PLAIN.replace("2017-01-02", "1/2/17").encode(), "taken: month first"),
        (PLAIN.replace("2017-01-02", "2 January 2017").encode(), None),
        (PLAIN.replace("2017-01-02", "Jan 2 2017").encode(), None),
        (gzip.compress(PLAIN.encode(), mtime=0), None),
    ],
)
def test_common_variants_are_read_as_the_same_series_and_said(read: Read, content: bytes, note: str | None) -> None:
    table = read(content)
    assert table.values.tolist() == [[5, 7.5, 0, 9]] and table.times.equals(read(PLAIN).times)
    assert note is None or said(table, note), table.notes


def test_whole_numbers_that_count_up_are_steps_and_the_header_names_them(read: Read) -> None:
    table = read("Hour Index,Sessions\n10,1\n11,2\n12,4\n")
    assert isinstance(table.times, pd.RangeIndex) and table.times.tolist() == [10, 11, 12]
    assert table.step == "hour" and table.unit == "sessions"
    assert said(table, "taken as one hour")
    assert read("t,y\n1,1\n2,2\n3,4\n").step == "step"


def test_values_beyond_int32_keep_every_digit(read: Read) -> None:
    assert read(rows(range(3), [6_060_000_001, 4_294_967_296, 0], "hour,y")).values[0, 0] == 6_060_000_001


def test_a_single_column_of_numbers_is_a_series_in_the_order_of_its_rows(read: Read) -> None:
    table = read("visits\n3\n\n1\n2\n")
    assert table.values.tolist() == [[3, 1, 2]] and table.unit == "visits" and table.step == "step"
    assert said(table, "steps in their order")


def test_long_form_gives_one_series_per_name_in_the_order_of_the_file(read: Read) -> None:
    table = read(
        "page,date,views\nb,2017-01-01,1\nb,2017-01-02,2\na,2017-01-02,20\na,2017-01-01,10\nb,2017-01-03,3\n"
        "a,2017-01-03,30\n"
    )
    assert table.names == ("b", "a") and table.values.tolist() == [[1, 2, 3], [10, 20, 30]]
    assert said(table, "names of series from 'page'") and said(table, "1 place")


def test_names_may_be_numbers_where_the_header_says_so(read: Read) -> None:
    table = read("date,store,sales\n2017-01-01,1,5\n2017-01-01,2,50\n2017-01-02,1,6\n2017-01-02,2,60\n", value="sales")
    assert table.names == ("1", "2") and table.values.tolist() == [[5, 6], [50, 60]]


def test_series_that_start_later_are_missing_before_and_counted(read: Read) -> None:
    table = read("page,date,views\na,2017-01-01,1\na,2017-01-02,2\na,2017-01-03,3\nb,2017-01-02,8\nb,2017-01-03,9\n")
    np.testing.assert_array_equal(table.values, [[1, 2, 3], [np.nan, 8, 9]])
    assert said(table, "1 of 2 series start later") and not said(table, "inserted")


def test_wide_form_has_one_series_per_row(read: Read) -> None:
    table = read('Page,2015-07-01,2015-07-02,2015-07-03\n"Rome,_Italy",1,,3\nParis,4,5,6\n')
    assert table.names == ("Rome,_Italy", "Paris") and table.unit == "views" and table.step == "day" and table.rows == 2
    np.testing.assert_array_equal(table.values, [[1, np.nan, 3], [4, 5, 6]])
    assert said(table, "1 missing value of 6")


def test_wide_form_with_columns_out_of_order_and_a_day_left_out(read: Read) -> None:
    table = read("Page,2015-07-05,2015-07-01,2015-07-02,2015-07-03\nParis,5,1,2,3\nRome,6,2,3,4\n")
    np.testing.assert_array_equal(table.values[0], [1, 2, 3, np.nan, 5])
    assert said(table, "Columns did not stand in the order of time") and said(table, "1 step without a row inserted")


def test_series_without_any_known_value_are_left_out_and_counted(read: Read) -> None:
    table = read("Page,2015-07-01,2015-07-02\nParis,4,5\nRome,,\n")
    assert table.names == ("Paris",) and table.values.shape == (1, 2) and table.rows == 2
    assert said(table, "1 series without any known value left out, such as 'Rome'")


def test_the_user_may_name_the_columns(read: Read) -> None:
    text = "sold,made,bought,delivered\n2017-01-01,2017-02-01,5,50\n2017-01-02,2017-02-03,6,60\n2017-01-03,x,7,70\n"
    table = read(text, time="SOLD", value="delivered")
    assert table.values.tolist() == [[50, 60, 70]] and table.unit == "delivered"
    assert said(table, "Not used: 'made', 'bought'")


def test_the_number_of_a_row_is_not_taken_for_the_value(read: Read) -> None:
    table = read("row,time,load\n1,2017-01-01,5.5\n2,2017-01-02,6\n3,2017-01-03,6\n")
    assert table.unit == "load" and said(table, "Not used: 'row'")


def test_unix_seconds_are_times_where_the_header_says_so(read: Read) -> None:
    table = read("timestamp,y\n1483315200,1\n1483318800,2\n1483322400,3\n")
    assert table.step == "hour" and table.times[0] == pd.Timestamp("2017-01-02 00:00")


@pytest.mark.parametrize(
    ("times", "step", "label"),
    [
        (["2017-01-01 00:00", "2017-01-01 00:15", "2017-01-01 00:30"], "15 minutes", "2017-01-01 00:30"),
        (["2017-01-01 00:00:00", "2017-01-01 00:00:01", "2017-01-01 00:00:02"], "second", "2017-01-01 00:00:02"),
        (["2017-01-01", "2017-01-08", "2017-01-15"], "week", "2017-01-15"),
        (["2017-01", "2017-02", "2017-03"], "month", "2017-03-01"),
        (["2017-01-31", "2017-02-28", "2017-03-31"], "month", "2017-03-31"),
        (["2017-01-01", "2017-04-01", "2017-07-01"], "quarter", "2017-07-01"),
        (["2016-01-01", "2017-01-01", "2018-01-01"], "year", "2018-01-01"),
        (["2016-01-01", "2016-03-01", "2016-05-01"], "2 months", "2016-05-01"),
        (["2017-01-01 12:00", "2017-01-02 12:00", "2017-01-03 12:00"], "day", "2017-01-03 12:00"),
    ],
)
def test_the_step_is_inferred_and_time_goes_on_after_the_file(
    read: Read, times: list[str], step: str, label: str
) -> None:
    table = read(rows(times, [1, 2, 3]))
    assert table.step == step and table.steps == 3
    assert table.labels([2]) == [label]
    beyond = table.times_at([2, 3])
    assert beyond[0] == table.times[2] and beyond[1] > beyond[0]


def test_months_go_on_by_the_calendar(read: Read) -> None:
    assert read(rows(["2017-11-30", "2017-12-31", "2018-01-31"], [1, 2, 3])).labels([3, 4]) == [
        "2018-02-28",
        "2018-03-31",
    ]


@pytest.mark.parametrize(
    ("times", "place"),
    [
        (["2017-01-01", "2017-01-02"], 6),  # Sundays are the seventh place of the week
        (["2017-01-02 05:00", "2017-01-02 06:00"], 5),
        (["1969-12-29", "1969-12-30"], 0),
        (["2017-03-01", "2017-04-01"], 2),
        (["2017-07-01", "2017-10-01"], 2),
    ],
)
def test_the_first_place_counts_from_a_monday_or_a_january(read: Read, times: list[str], place: int) -> None:
    table = read(rows(times, [1, 2]))
    assert table.first_place % {"hour": 168, "day": 7, "month": 12, "quarter": 4}[table.step] == place


def test_days_above_12_decide_the_order_of_day_and_month(read: Read) -> None:
    assert read(rows(["11/01/2017", "12/01/2017", "13/01/2017"], [1, 2, 3])).labels([0]) == ["2017-01-11"]
    assert read(rows(["01.11.2017", "01.12.2017", "01.13.2017"], [1, 2, 3])).labels([0]) == ["2017-01-11"]


# Repairs


def test_rows_out_of_order_are_sorted_and_counted(read: Read) -> None:
    table = read(rows(["2017-01-03", "2017-01-01", "2017-01-02"], [3, 1, 2]))
    assert table.values.tolist() == [[1, 2, 3]] and said(table, "order of time (1 place); sorted")


def test_a_shuffled_index_is_still_recognised(read: Read) -> None:
    order = np.random.default_rng(0).permutation(600)
    table = read(rows(order.tolist(), (order * 3).tolist(), "Hour Index,Sessions"))
    assert table.values[0].tolist() == (np.arange(600) * 3).tolist()


def test_gaps_are_inserted_as_missing_and_counted(read: Read) -> None:
    table = read(rows(["2017-01-01", "2017-01-02", "2017-01-05", "2017-01-06"], [1, 2, 5, 6]))
    np.testing.assert_array_equal(table.values, [[1, 2, np.nan, np.nan, 5, 6]])
    assert said(table, "2 steps without a row inserted as missing, the first at 2017-01-03")
    np.testing.assert_array_equal(read("hour,y\n0,1\n1,2\n3,4\n").values, [[1, 2, np.nan, 4]])


def test_repeated_times_count_once_where_equal_and_are_averaged_where_not(read: Read) -> None:
    times = [f"2017-01-0{day}" for day in (1, 1, 2, 3, 3, 3, 4, 5, 6)]
    table = read(rows(times, [1, 1, 2, 5, 5, 7, 4, 5, 6]))
    assert table.values.tolist() == [[1, 2, 6, 4, 5, 6]]
    assert said(table, "3 rows with a time that was there already") and said(table, "at 1 time different values")


def test_a_missing_value_beside_a_known_one_at_the_same_time_is_passed_over(read: Read) -> None:
    assert read(rows(["2017-01-01", "2017-01-01", "2017-01-02"], ["", 4, 5])).values.tolist() == [[4, 5]]


def test_negative_values_are_missing_and_counted_and_zeros_are_legal(read: Read) -> None:
    table = read(rows(range(4), [0, -1, 0, 7], "hour,y"))
    np.testing.assert_array_equal(table.values, [[0, np.nan, 0, 7]])
    assert said(table, "1 negative value taken as missing") and said(table, "1 missing value of 4")


def test_missing_cells_are_missing_and_counted(read: Read) -> None:
    table = read(rows(range(4), ["NA", 1, "", "n/a"], "hour,y"))
    np.testing.assert_array_equal(table.values, [[np.nan, 1, np.nan, np.nan]])
    assert said(table, "3 missing values of 4")


@pytest.mark.parametrize("day", ["2017-03-26", "2017-03-12"], ids=["Europe", "United States"])
def test_the_hour_that_spring_leaves_out_is_a_gap_and_named(read: Read, day: str) -> None:
    times = [time for time in hours(f"{day} 00:00", 24) if not time.endswith("02:00")]
    table = read(rows(times, range(23)))
    assert table.steps == 24 and np.isnan(table.values[0]).tolist() == [False, False, True] + [False] * 21
    assert said(table, f"1 missing hour in spring, as when daylight saving time begins ({day} 02:00)")


@pytest.mark.parametrize("day", ["2017-10-29", "2017-11-05"], ids=["Europe", "United States"])
def test_the_hour_that_autumn_repeats_is_averaged_and_named(read: Read, day: str) -> None:
    times = hours(f"{day} 00:00", 24)
    times.insert(3, times[2])
    table = read(rows(times, [1, 1, 10, 20, *[1] * 21]))
    assert table.values[0].tolist() == [1, 1, 15, *[1] * 21]
    assert said(table, f"1 doubled hour in autumn, as when daylight saving time ends ({day} 02:00)")
    assert not said(table, "sorted")


def test_quarters_of_an_hour_that_autumn_repeats_are_in_order(read: Read) -> None:
    quarters = [f"{time:%Y-%m-%d %H:%M}" for time in pd.date_range("2017-10-29", periods=96, freq="15min")]
    table = read(rows([*quarters[:12], *quarters[8:]], range(100)))
    assert table.steps == 96 and table.values[0, 8:12].tolist() == [10, 11, 12, 13]
    assert said(table, "1 doubled hour in autumn") and not said(table, "sorted")


def test_a_gap_on_another_day_is_not_taken_for_a_change_of_clocks(read: Read) -> None:
    times = [time for time in hours("2017-03-19 00:00", 24) if not time.endswith("02:00")]
    assert not said(read(rows(times, range(23))), "daylight")


def test_a_day_without_two_hours_is_not_a_change_of_clocks(read: Read) -> None:
    times = [time for time in hours("2017-03-26 00:00", 24) if time[11:13] not in ("02", "03")]
    table = read(rows(times, range(22)))
    assert said(table, "2 steps without a row inserted") and not said(table, "daylight")


def test_a_remark_beside_one_repeated_time_is_not_a_name(read: Read) -> None:
    text = "time,views,remark\n" + "".join(f"2017-01-{day:02d},{day},calm\n" for day in range(1, 9))
    table = read(text + "2017-01-08,10,storm\n")
    assert len(table.names) == 1 and table.values[0, -1] == 9


# Refusals


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "is empty"),
        ("time,sessions\n", "has a header but no rows"),
        (b"\x89PNG\r\n\x1a\n", "is a picture, not a CSV file"),
        ("<!doctype html><html>", "is a web page"),
        (PLAIN.replace("7.5", "many"), "column 'sessions', row 3: expected a number, found 'many'"),
        (PLAIN.replace("7.5", "inf"), "column 'sessions', row 3: expected a finite number .* found 'inf'"),
        (PLAIN.replace("7.5", "1e300"), "column 'sessions', row 3: expected a finite number that fits into 32 bit"),
        (PLAIN.replace("7.5", '"1,234"'), "column 'sessions', row 3: expected a number, found '1,234'"),
        (
            PLAIN.replace(",", ";").replace("7.5", "1.234,5"),
            "column 'sessions', row 3: expected a number with a decimal comma",
        ),
        (PLAIN.replace("2017-01-02 02:00", "soon"), "column 'time', row 4: expected a date .* found 'soon'"),
        (PLAIN.replace("2017-01-02 02:00", ""), "column 'time', row 4: expected a date .* found ''"),
        (PLAIN.replace("2017-01-02 02:00", "2017-02-30 02:00"), "row 4: .* found '2017-02-30 02:00'"),
        (PLAIN.replace("2017-01-02 02:00", "2017-01-02 25:00"), "row 4: .* found '2017-01-02 25:00'"),
        ("\n" + PLAIN.replace("2017-01-02 02:00", "soon"), "column 'time', row 5: "),
        (PLAIN.replace("02:00,", "02:00+02:00,"), "row 4: time zones are mixed: none before, .02:00 here"),
        (
            PLAIN.replace(":00,", ":00+01:00,").replace("02:00+01:00,", "02:00+02:00,"),
            "row 4: time zones are mixed: .01:00 before, .02:00 here. Write all times in one zone",
        ),
        (
            rows(["13/01/2017", "14/01/2017", "01/15/2017"], [1, 2, 3]),
            "row 4: .* with the day first as elsewhere, found '01/15/2017'",
        ),
        (
            PLAIN.replace("02:00", "02:17") + "2017-01-02 04:00,1\n2017-01-02 05:00,2\n",
            "column 'time', row 4: 2017-01-02 02:17:00 is not .* the commonest step is hour",
        ),
        (PLAIN.replace("2017-01-02 00:00", "2017-01-01 23:45"), "column 'time', row 2: .*23:45.*step is hour"),
        (PLAIN.replace("2017-01-02 03:00", "2071-01-02 03:00"), "row 5: .*lies too far after.*typing error"),
        ("hour,y\n0,1\n1,2\n2,\n3\n", "row 5 has 1 fields, the header has 2"),
        ("hour,y\n0,1\n1,2\n,4\n", "column 'hour', row 4: the number of the step is missing"),
        ("time,y,Y\n2017-01-01,1,2\n", "column 'Y' stands twice, in place 2 and 3"),
        ("time,a\n2017-01-01,x\n2017-01-02,y\n", "column 'a', row 2: expected a number, found 'x'"),
        ("time,a,b\n2017-01-01,1,2\n2017-01-02,4,3\n", "several columns hold numbers: 'a', 'b'.*value=COLUMN"),
        ("time,a,b\n2017-01-01,u,v\n2017-01-02,w,x\n", "no column of numbers was found among 'a', 'b'"),
        ("time\n2017-01-01\n2017-01-02\n", "has times but no column of values"),
        ("colour,size\nred,1.5\nblue,2.5\n", "no column of times was recognised .*time=COLUMN"),
        ("date,y\nMonday,1\nTuesday,2\n", "column 'date', row 2: expected a date .* found 'Monday'"),
        ("2017-01-01,5\n2017-01-02,6\n", "row 1 holds '2017-01-01' where the names of the columns were expected"),
        ("5\n6\n7\n", "row 1 holds '5' where the names"),
        ("5\n6\n5\n", "row 1 holds '5' where the names"),
        ("2017-01-01T00:00\n2017-01-01T01:00\n2017-01-01T00:00\n", "row 1 holds '2017-01-01T00:00' where the names"),
        ("time,y\n2017-01-01,1\n2017-01-01,2\n", "row 3: the file has most times more than once"),
        ("time,y\n2017-01-01,1\n2017-01-01,1\n", "all rows have the same time"),
        (
            "time,y\n2017-01-01,1\n2017-01-02,2\n2017-01-01,5\n2017-01-02,6\n",
            "row 4: the file has most times more than once, with different values: two series under one name",
        ),
        (
            "page,date,y\na,2017-01-01,1\na,2017-01-02,2\nb,2017-01-01,1\nb,2017-01-02,1\nb,2017-01-01,3\n"
            "b,2017-01-02,4\n",
            "row 6: series 'b' has most times more than once",
        ),
        ("page,date,y\na,2017-01-01,1\n,2017-01-01,1\na,2017-01-02,1\n", "column 'page', row 3: the name .* missing"),
        ("Page,2015-07-01,2015-07-02\na,1,2\nb,1,2\na,3,4\n", "'Page', row 4: the series 'a' stands in row 2 already"),
        ("Page,2015-07-01,2015-07-02\n,1,2\n", "column 'Page', row 2: the name of the series is missing"),
        ("Page,2015-07-01,2015-7-1\na,1,2\n", "row 1: columns '2015-07-01' and '2015-7-1' are the same time"),
        ("Page,2015-07-01,2015-07-02\na,1,x\n", "column '2015-07-02', row 2: expected a number, found 'x'"),
        ("Page,2015-07-01,2015-07-02,2015-07-02 07:00\na,1,2,3\n", "row 1, column [23]: .*commonest step"),
        (rows(range(4), ["", "", -1, ""], "hour,y"), "y: every value is missing or negative"),
        ("time,y\n2017-01-01,1\n", "has 1 row; at least 2 rows are needed"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-12], "gzip archive but is damaged or cut off"),
        (gzip.compress(b"\x00\x01" * 50, mtime=0), "is not a text file"),
        (gzip.compress(b"", mtime=0), "is empty"),
    ],
)
def test_what_cannot_be_read_without_guessing_is_refused_in_one_line(
    refusal: Refusal, content: str | bytes, line: str
) -> None:
    message = refusal(content)
    assert re.search(line, message), message


def test_a_series_that_is_too_short_says_how_many_rows_are_needed(read: Read, refusal: Refusal) -> None:
    assert read(PLAIN, need_rows=4).steps == 4
    assert refusal(PLAIN, need_rows=5).startswith("has 4 hours; at least 5 rows are needed")
    long = "page,date,y\n" + "".join(f"a,2017-01-{day:02d},{day}\n" for day in range(1, 9))
    long += "b,2017-01-01,1\nb,2017-01-03,1\n"
    assert refusal(long, need_rows=4).startswith("series 'b' has 3 days; at least 4 rows")
    assert refusal("Page,2015-07-01,2015-07-02\na,1,2\n", need_rows=3).startswith("has 2 days; at least 3 rows")


def test_inserted_steps_count_towards_the_length(read: Read) -> None:
    assert read(rows(["2017-01-01", "2017-01-02", "2017-01-04"], [1, 2, 3]), need_rows=4).steps == 4


def test_columns_that_the_user_names_must_be_there_and_differ(refusal: Refusal) -> None:
    assert refusal(PLAIN, time="when").startswith(
        "column 'when' is missing, which the setting time names. Found 'time'"
    )
    assert refusal(PLAIN, value="hits").startswith("column 'hits' is missing, which the setting value names")
    assert refusal(PLAIN, time="time", value="time").startswith("column 'time': is named as the time and as the value")


def test_a_file_that_only_claims_to_be_packed_is_read_or_refused_by_its_own_name(read: Read, refusal: Refusal) -> None:
    assert said(read(PLAIN, "site.csv.gz"), "Not packed, though its name ends in .gz")
    assert refusal(b"\x00\x01\x02", "site.csv.gz").startswith("is not a text file")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_series(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_series(tmp_path)


def test_thousands_of_columns_are_read(read: Read) -> None:
    dates = [f"{day:%Y-%m-%d}" for day in pd.date_range("2010-01-01", periods=2_500, freq="D")]
    table = read("Page," + ",".join(dates) + "\na," + ",".join(map(str, range(2_500))) + "\n")
    assert table.steps == 2_500 and table.values[0, -1] == 2_499


# Filling


def test_a_gap_takes_the_same_place_of_an_earlier_season_then_the_last_value_then_zero() -> None:
    nan = np.nan
    values = np.array([[nan, 1, 2, nan, nan, 5, 6, nan, nan]])
    #                                  same place, season 3: -, 1, 2 | -, 1, 5 | 6, 1, 5
    np.testing.assert_array_equal(filled(values, 3), [[0, 1, 2, 2, 1, 5, 6, 1, 5]])
    assert np.isnan(values).sum() == 5, "what was given is left alone"


def test_the_season_reaches_back_over_several() -> None:
    values = np.array([[7.0, 8.0, np.nan, 1.0, np.nan, 2.0]])
    np.testing.assert_array_equal(filled(values, 2), [[7, 8, 7, 1, 7, 2]])


def test_filling_never_looks_ahead() -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random((3, 60)) < 0.3, np.nan, rng.random((3, 60)))
    changed = values.copy()
    changed[:, 40:] = rng.random((3, 20)) + 5
    np.testing.assert_array_equal(filled(values, 7)[:, :40], filled(changed, 7)[:, :40])


def test_filling_is_done_once_per_season() -> None:
    table = wikipedia(pages=3, days=30)
    assert table.filled(7) is table.filled(7)
    assert not np.isnan(table.filled(7)).any()


# Files to forecast from

DATED, COUNTED = {"need_rows": 3, "step": "hour", "counted": False}, {"need_rows": 3, "step": "hour", "counted": True}


def test_a_file_to_forecast_from_is_read_and_its_notes_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = read_file([write(tmp_path, PLAIN)], **DATED)
    assert table.values.tolist() == [[5, 7.5, 0, 9]] and table.step == "hour"
    told = capsys.readouterr()
    assert told.out == "" and f"{tmp_path / 'site.csv'}: Times from column 'time'" in told.err
    assert read_file([write(tmp_path, rows(range(4), [3, 3, 3, 3], "Hour Index,y"))], **COUNTED).steps == 4


def test_counted_rows_that_do_not_say_how_long_a_step_is_are_taken_for_those_of_the_training_data(
    tmp_path: Path,
) -> None:
    assert read_file([write(tmp_path, rows(range(4), [1, 2, 3, 4], "n,y"))], **COUNTED).step == "step"
    named = write(tmp_path, rows(range(4), [1, 2, 3, 4], "Hour Index,y"))
    assert read_file([named], need_rows=3, step="step", counted=True).step == "hour"


def refused_file(paths: Sequence[Path], **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read_file(paths, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_two_files_are_refused_since_a_forecast_continues_one(tmp_path: Path) -> None:
    paths = [write(tmp_path, PLAIN), write(tmp_path, PLAIN, "second.csv")]
    assert refused_file(paths, **DATED).startswith(f"{paths[1]}: one file at a time was expected")


def test_a_file_shorter_than_the_window_says_how_many_rows_are_needed(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    assert "has 4 hours; at least 168 rows are needed" in refused_file([path], **DATED | {"need_rows": 168})


@pytest.mark.parametrize("given", ["D", "15min"])
def test_a_file_of_other_steps_is_refused(tmp_path: Path, given: str) -> None:
    stamps = pd.date_range("2017-01-02", periods=5, freq=given).strftime("%Y-%m-%d %H:%M").tolist()
    path = write(tmp_path, rows(stamps, range(5)))
    step = {"D": "day", "15min": "15 minutes"}[given]
    line = refused_file([path], **DATED)
    assert line == f"{path}: has one row per {step}; the model was trained on one per hour."


def test_counted_rows_that_name_another_step_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, rows(range(5), range(5), "Day,y"))
    assert refused_file([path], **COUNTED).startswith(f"{path}: has one row per day; the model was trained on one per")


def test_counted_rows_and_time_stamps_do_not_stand_for_each_other(tmp_path: Path) -> None:
    counted, dated = write(tmp_path, rows(range(5), range(5), "hour,y"), "counted.csv"), write(tmp_path, PLAIN)
    line = refused_file([counted], **DATED)
    assert line.startswith(
        f"{counted}: counts its rows, the model was trained on time stamps, so the place in the week"
    )
    assert f"--data {counted}" in line
    line = refused_file([dated], **COUNTED)
    assert line.startswith(f"{dated}: has time stamps, the model was trained on counted rows")


# Sources


def own(path: Path) -> Source:
    return locate(load_card("webtraffic"), str(path))


def test_a_constant_series_is_refused_for_training(tmp_path: Path) -> None:
    path = write(tmp_path, rows(range(5), [3, 3, "", 3, 3], "hour,y"))
    assert read_series(path).steps == 5, "it may still be forecast from"
    with pytest.raises(DataError, match=r"site.csv: y: 3 in every row; a constant leaves nothing to learn"):
        read_source(own(path))


def test_one_constant_page_among_others_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path, "Page,2015-07-01,2015-07-02\na,1,1\nb,1,2\n")
    assert read_source(own(path))[0].names == ("a", "b")


def test_facts_of_a_users_file_hold_its_rows_and_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, facts = read_source(own(write(tmp_path, rows(range(4), [0, -1, 0, 7], "hour,y"))))
    assert (facts.kind, facts.file, facts.rows, facts.licence) == ("own", "site.csv", 4, "your own file")
    assert facts.notes == table.notes and len(facts.sha256) == 64
    told = capsys.readouterr()
    assert told.out == "" and "1 negative value" in told.err and "1 series of 4 hours" in told.err


def test_real_data_must_have_the_rows_of_its_card(tmp_path: Path) -> None:
    source = Source(load_card("webtraffic"), "real", write(tmp_path, PLAIN), "0" * 64)
    with pytest.raises(DataError, match=r"^webtraffic: expected 4,896 rows, found 4\. Run `practicals data web"):
        read_source(source)


def test_a_data_set_without_an_address_says_how_to_get_it_and_falls_back_to_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRACTICALS_CACHE", str(tmp_path))
    monkeypatch.delenv("PRACTICALS_DATA", raising=False)
    card = load_card("wikipedia")
    with pytest.raises(DataError, match=r"^wikipedia: .* names no address\. By hand: .* has no public address: ask"):
        fetch_report(card)
    table, facts = read_source(locate(card))
    assert facts.kind == "sample" and table.unit == "views"
    assert "built-in sample" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(SERIES_SAMPLES))
def test_the_sample_of_a_card_is_read_as_the_source(name: str) -> None:
    table, facts = read_source(locate(load_card(name), "sample"), need_rows=200)
    assert facts.kind == "sample" and facts.rows == table.rows and len(facts.sha256) == 64
    assert facts == read_source(locate(load_card(name), "sample"))[1]


# Samples


def test_the_seed_decides_the_samples() -> None:
    assert np.array_equal(webtraffic(seed=1).values, webtraffic(seed=1).values)
    assert not np.array_equal(webtraffic(seed=1).values, webtraffic(seed=2).values)
    assert np.array_equal(wikipedia(seed=1).values, wikipedia(seed=1).values, equal_nan=True)
    assert not np.array_equal(wikipedia(seed=1).values, wikipedia(seed=2).values, equal_nan=True)


def test_the_hourly_sample_has_the_form_of_the_real_file(tmp_path: Path) -> None:
    table = webtraffic()
    assert table.steps == 10 * 168 and table.step == "hour" and table.unit == "sessions"
    assert not np.isnan(table.values).any() and table.values.max() > 2**31
    assert (table.values == np.round(table.values)).all()
    path = write(tmp_path, rows(range(table.steps), table.values[0].astype(int).tolist(), "Hour Index,Sessions"))
    again = read_series(path)
    np.testing.assert_array_equal(again.values, table.values)
    assert again.times.equals(table.times) and (again.step, again.unit) == (table.step, table.unit)


def test_the_daily_sample_has_gaps_and_begins_with_the_real_data(tmp_path: Path) -> None:
    table = wikipedia()
    missing = np.isnan(table.values)
    assert 0.02 < missing.mean() < 0.08 and not missing.all(axis=1).any()
    assert missing[8, : table.steps // 5].all()
    text = pd.DataFrame(table.values, pd.Index(table.names, name="Page"), table.times.strftime("%Y-%m-%d")).to_csv()
    again = read_series(write(tmp_path, text))
    np.testing.assert_array_equal(again.values, table.values)
    assert again.times.equals(table.times) and again.names == table.names
    assert (again.step, again.unit, again.rows) == (table.step, table.unit, table.rows)


def calendar(table: SeriesTable) -> np.ndarray:
    place = (table.first_place + np.arange(table.steps)) % 168
    return np.column_stack([np.eye(168)[place], np.arange(table.steps) / table.steps])


def test_the_last_hour_and_the_same_hour_of_yesterday_drive_the_hourly_sample_and_nothing_else() -> None:
    """Least squares on lags and calendar finds the weights that the sample states."""
    table = webtraffic(weeks=120, seed=3)
    log = np.log(table.values[0])
    lags = (1, 2, 3, 12, 24, 25, 48)
    inputs = np.column_stack([*(np.roll(log, lag) for lag in lags), calendar(table)])[168:]
    weights, _, _, _ = np.linalg.lstsq(inputs, log[168:], rcond=None)
    for lag, weight in zip(lags, weights, strict=False):
        assert weight == pytest.approx(WEBTRAFFIC_LAGS.get(lag, 0.0), abs=0.03), lag
    assert (log[168:] - inputs @ weights).std() == pytest.approx(WEBTRAFFIC_NOISE, rel=0.03)
    assert list(WEBTRAFFIC_LAGS) == [1, 24] and list(WIKIPEDIA_LAGS) == [1, 7]


# The real files


@pytest.mark.parametrize(("name", "shape"), [("webtraffic", (1, 4896)), ("wikipedia", (1731, 550))])
def test_the_real_files_are_read_as_their_cards_promise(
    real_data: Callable[[str], Path], name: str, shape: object
) -> None:
    card = load_card(name)
    source = Source(card, "real", real_data(card.files[0].path), "")
    table, facts = read_source(source, need_rows=192)
    assert table.values.shape == shape and facts.rows == card.rows
    assert table.unit == ("sessions" if name == "webtraffic" else "views")
    assert np.isnan(table.values).mean() < 0.045
