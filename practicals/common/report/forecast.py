"""The sections of a forecast: the series, forecasts over what happened, where errors are, and what was learnt."""

from __future__ import annotations

from practicals.common.report import forecast_plots as plots
from practicals.common.report.drawn import drawn, table, unit_of
from practicals.common.report.forecast_errors import about_of, by_horizon, counted, cycles, floats, one_step, steps_of
from practicals.common.report.material import Material, Section
from practicals.common.report.words import number, with_code


def series(material: Material) -> Section | None:
    """Draw the series over the parts into which it was cut."""
    about = about_of(material)
    found, parts = about.get("series"), about.get("parts") or []
    if not found:
        return None
    name = f" Shown is {found['name']}." if found.get("name") else ""
    plot = material.draw(
        "series",
        "The series and its parts",
        "The network learns from the training part, the validation part chooses the epoch, the calibration part sets "
        "the width of the intervals, and the test part is forecast at the end. No part sees a later one.",
        plots.series,
        found["times"],
        floats(found["values"]),
        parts,
        str(about.get("step") or "step"),
        unit_of(material),
    )
    rows = [[part["name"], part["start"], part["end"]] for part in parts]
    return drawn(
        "series",
        "The series",
        "A series is cut by time and never shuffled: what came just before and after would give answers away. "
        f"A part holds the times that are forecast; what a forecast looks back on may lie in an earlier part.{name}",
        plots=[plot],
        tables=[table("The parts", ["Part", "From", "To"], rows)] if rows else [],
    )


def handled(material: Material) -> Section | None:
    """Say what was done about gaps, repeated times and impossible values."""
    found = about_of(material).get("handled")
    if not found:
        return None
    rows = [[str(place), with_code(sentence)] for place, sentence in enumerate(found, 1)]
    listed = table("", ["", "What was found and done"], rows, words=(0, 1))
    lead = "Real series have gaps and slips. Each was handled by a stated rule that never looks ahead."
    return drawn("handled", "How the series was read", lead, tables=[listed])


def backtest(material: Material) -> Section | None:
    """Draw forecasts over what happened."""
    about = about_of(material)
    found = about.get("backtest")
    if not found or not found["forecasts"]:
        return None
    starts = [one["from"] for one in found["forecasts"]]
    apart = (
        f" One forecast every {counted(material, starts[1] - starts[0])} is drawn"
        if len(starts) > 1
        else " One is drawn"
    )
    rows = plots.backtest_rows(len(found["times"]), max(len(one["values"]) for one in found["forecasts"]))
    plot = material.draw(
        "backtest",
        "Forecast and actual",
        f"{'Read row by row, like text. ' if rows > 1 else ''}The thin line is what happened, in blue what was "
        "forecast before it happened; about 95 in 100 true values should lie in the shaded band.",
        plots.backtest,
        found["times"],
        floats(found["actual"]),
        found["forecasts"],
        str(about.get("step") or "step"),
        unit_of(material),
    )
    lead = (
        f"The network stands at a point of the test part, knows all that came before, and forecasts the next "
        f"{counted(material, len(found['forecasts'][0]['values']))}; then time moves on (a rolling-origin "
        f"backtest).{apart}; the scores count a forecast from every point."
    )
    return drawn("backtest", "Forecasts over what happened", lead, plots=[plot])


def worst_day(material: Material) -> Section | None:
    """Show the day on which the forecast was furthest off."""
    found = about_of(material).get("worst_day")
    if not found:
        return None
    plot = material.draw(
        "worst_day",
        f"The worst forecast: {found['title']}" if found.get("title") else "The worst forecast",
        "Where “actual” leaves the shaded band, the network was surprised; where the dashed line is just as far off, "
        "so was the baseline.",
        plots.worst_day,
        found,
        str(about_of(material).get("step") or "step"),
        unit_of(material),
    )
    return drawn("worst_day", "The worst day", str(found.get("sentence") or ""), plots=[plot])


def coverage(material: Material) -> Section | None:
    """Show how many true values lie inside the intervals, overall and by horizon."""
    found = about_of(material).get("coverage")
    if not found:
        return None
    steps, shown = steps_of(material), []
    curves = [
        (float(one["wanted"]), floats(one["by_horizon"])) for one in found if len(one.get("by_horizon") or []) > 1
    ]
    if curves:
        shown.append(
            material.draw(
                "coverage",
                "Inside the interval, by horizon",
                "A line on its dashed level keeps the promise; below it intervals are too narrow at that distance, "
                "above it wider than needed.",
                plots.coverage,
                [wanted for wanted, _ in curves],
                [measured for _, measured in curves],
                steps,
            )
        )
    header, rows = ["Promised", "Inside", *(["Lowest by horizon"] if curves else [])], []
    for one in found:
        lowest = min((value for value in one.get("by_horizon") or [] if value is not None), default=None)
        measured = [one["overall"], lowest][: len(header) - 1]
        rows.append([f"{100 * one['wanted']:.0f} %", *map(_percent, measured)])
    lead = (
        "The width of an interval comes from the errors in the calibration part, which nothing was fitted on. Measured "
        "on the test part; errors of neighbouring times are alike, so a few bad days can move these shares."
    )
    return drawn("coverage", "Prediction intervals", lead, plots=shown, tables=[table("", header, rows)])


def _percent(share: float | None) -> str:
    return number(None) if share is None else f"{number(100 * share, 1)} %"


SECTIONS = (series, handled, backtest, by_horizon, cycles, worst_day, coverage, one_step)
"""The sections of a forecast, in the order of its page."""
