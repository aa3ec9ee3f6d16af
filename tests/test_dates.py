"""Dates are read in the forms that people write, and never guessed in silence."""

from __future__ import annotations

import pytest

from practicals.common.data.dates import read_dates

OCTOBER_13 = 16_356.0
"""13 October 2014 in days since 1970-01-01: 44 years of 365 days, 11 leap days, and 285 days of 2014 before it."""


def test_the_day_number_is_the_one_counted_by_hand() -> None:
    assert OCTOBER_13 == 44 * 365 + 11 + 285
    assert read_dates(["1970-01-01", "1970-01-02", "1969-12-31", "2000-03-01"]).days == (0, 1, -1, 11_017)


@pytest.mark.parametrize(
    "cell",
    [
        "2014-10-13",
        "2014/10/13",
        "2014.10.13",
        "20141013",
        "20141013T000000",
        "2014-10-13T00:00:00Z",
        "2014-10-13 00:00:00.000",
        "10/13/2014",
        "10-13-2014",
        "13.10.2014",
        "13/10/2014 0:00",
        "10/13/2014 12:00 AM",
        "13 October 2014",
        "13-Oct-2014",
        "Oct 13, 2014",
        "OCTOBER 13 2014",
        "2014-10-13T02:00:00+02:00",
        "2014-10-12 19:00-0500",
    ],
)
def test_one_day_in_many_forms_is_one_number(cell: str) -> None:
    assert read_dates([cell]).days == (OCTOBER_13,)


@pytest.mark.parametrize(
    ("cell", "hours"),
    [
        ("2014-10-13 06:00", 6),
        ("20141013T180000", 18),
        ("10/13/2014 6:00 PM", 18),
        ("10/13/2014 12:30 p.m.", 12.5),
        ("2014-10-13 05", 5),
        ("2014-10-13T00:00:00-03:00", 3),
    ],
)
def test_a_time_is_a_fraction_of_the_day(cell: str, hours: float) -> None:
    (days,) = read_dates([cell]).days
    assert days == pytest.approx(OCTOBER_13 + hours / 24, abs=1e-9)


@pytest.mark.parametrize(
    "cell",
    [
        "soon",
        "2014",
        "2014-10",
        "10/13/14",
        "13/13/2014",
        "2014-02-29",
        "31/04/2014",
        "2014-13-01",
        "0000-01-01",
        "99999999",
        "2014-10/13",
        "13 Foo 2014",
        "13 Octopus 2014",
        "2014-10-13 25:00",
        "2014-10-13 10:60",
        "10/13/2014 13:00 PM",
        "2014-10-13x",
        "٢٠١٤-١٠-١٣",
        "",
    ],
)
def test_what_is_no_day_of_the_calendar_is_none(cell: str) -> None:
    assert read_dates([cell]).days == (None,)


def test_a_number_above_twelve_decides_the_order_for_all_cells() -> None:
    month_first = read_dates(["3/4/2014", "3/25/2014"])
    day_first = read_dates(["3/4/2014", "25/3/2014"])
    assert (month_first.day_first, day_first.day_first) == (False, True)
    assert month_first.days == read_dates(["2014-03-04", "2014-03-25"]).days
    assert day_first.days == read_dates(["2014-04-03", "2014-03-25"]).days
    assert not month_first.ambiguous and not day_first.ambiguous


def test_a_cell_against_the_order_of_the_others_is_none() -> None:
    assert read_dates(["3/25/2014", "25/3/2014"]).days == (read_dates(["2014-03-25"]).days[0], None)


def test_an_undecided_order_is_assumed_by_the_mark_and_said() -> None:
    slash, point = read_dates(["3/4/2014"]), read_dates(["3.4.2014"])
    assert slash.ambiguous and point.ambiguous and slash.day_first is None
    assert slash.days == read_dates(["2014-03-04"]).days
    assert point.days == read_dates(["2014-04-03"]).days


def test_an_undecided_order_is_the_one_that_was_learnt_before() -> None:
    assert read_dates(["3/4/2014"], day_first=True).days == read_dates(["2014-04-03"]).days
    assert read_dates(["3/25/2014"], day_first=True).days == read_dates(["2014-03-25"]).days, "the cell knows better"


def test_forms_that_leave_no_doubt_are_not_called_ambiguous() -> None:
    assert not read_dates(["2014-03-04", "4 March 2014", "20140304"]).ambiguous
