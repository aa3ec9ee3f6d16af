"""Errors and intervals by band: the same predictor is off by more for a palace than for a hut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from practicals.common.conformal import coverage
from practicals.common.report import regression_plots as plots
from practicals.common.report.binary import share_interval
from practicals.common.report.drawn import drawn, in_unit, table, tested, unit_of
from practicals.common.report.material import Material, Plot, Section
from practicals.common.report.readable import human
from practicals.common.report.svg import Numbers
from practicals.common.report.words import number, signed

BY = {"prediction": "predicted", "truth": "actual"}
"""Column of `predictions.csv` -> how its bands are called."""


class Band(NamedTuple):
    """A fifth of the rows, ordered by some value."""

    low: float
    """Smallest value in it."""
    high: float
    """Largest value in it."""
    rows: int
    mae: float
    mape_percent: float
    """NaN where a truth is zero."""
    bias: float
    """Mean of predicted minus actual."""
    inside: int
    """Rows whose truth lies in its interval; 0 where there are no intervals."""
    width: float
    """Mean width of the intervals; NaN where there are none."""


def bounds(rows: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any]] | None:
    """Return the lower and the upper bounds of the intervals, whatever share they hold; None where there are none."""
    names = [str(name) for name in rows]
    share = next((name.removeprefix("lower_") for name in names if name.startswith("lower_")), None)
    return None if share is None else (rows[f"lower_{share}"], rows[f"upper_{share}"])


def bands(values: Numbers, rows: pd.DataFrame) -> list[Band]:
    """Cut rows into fifths by `values`, (rows,), lowest first; equal values stay together, so there may be fewer.

    Args:
        values: what orders the rows: the truths or the predictions.
        rows: with `truth` and `prediction`, and `lower_90` and `upper_90` (or another share) where there are intervals.
    """
    edges = np.unique(np.quantile(values, (0.2, 0.4, 0.6, 0.8)))
    fifth = np.searchsorted(edges, values, side="left")
    return [_band(values[fifth == place], rows[fifth == place]) for place in np.unique(fifth)]


def _band(values: Numbers, rows: pd.DataFrame) -> Band:
    truth, error = rows["truth"].to_numpy("float64"), (rows["prediction"] - rows["truth"]).to_numpy("float64")
    relative = np.abs(error / truth) if np.all(truth != 0) else np.array([np.nan])
    inside, width = 0, np.nan
    if found := bounds(rows):
        inside = round(coverage(truth, *found) * len(rows))
        width = float((found[1] - found[0]).mean())
    return Band(
        low=float(values.min()),
        high=float(values.max()),
        rows=len(rows),
        mae=float(np.abs(error).mean()),
        mape_percent=100 * float(relative.mean()),
        bias=float(error.mean()),
        inside=inside,
        width=width,
    )


def _axis_name(band: Band) -> str:
    """Return a name in short lines: "12 to 30", "294 to 399 / thousand", "723 thousand / to 2.66 million"."""
    low, high = human(band.low), human(band.high)
    (number_, _, word), (_, _, high_word) = low.partition(" "), high.partition(" ")
    if word != high_word:
        return f"{low}\nto {high}"
    return f"{number_} to {high}".replace(f" {word}", f"\n{word}") if word else f"{low} to {high}"


def _name(band: Band) -> str:
    return f"{number(band.low)} to {number(band.high)}"


def _percent(share: float) -> str:
    return f"{number(100 * share, 1)} %"


def error_bands(material: Material) -> Section | None:
    """Show how far off predictions are in each fifth of the actual values."""
    rows = tested(material)
    if rows.empty:
        return None
    unit, found = unit_of(material), bands(rows["truth"].to_numpy("float64"), rows)
    mae, bias, mape = (np.array([getattr(band, key) for band in found]) for key in ("mae", "bias", "mape_percent"))
    shown = [
        material.draw(
            "bands_error",
            "Error by band",
            "The blue dot is the mean size of an error. The orange one is the bias: right of the line predictions are "
            "too high on average, left of it too low.",
            plots.band_errors,
            [_axis_name(band) for band in found],
            mae,
            bias,
            unit,
        )
    ]
    if np.all(np.isfinite(mape)):
        shown.append(
            material.draw(
                "bands_percent",
                "Error by band, in percent",
                "The same errors as a percentage of the actual value: an error of a given size weighs more where "
                "values are small.",
                plots.band_errors,
                [_axis_name(band) for band in found],
                mape,
                None,
                "%",
            )
        )
    has_intervals = bounds(rows) is not None
    about = (material.summary.get("regression") or {}).get("interval") or {}
    header = [in_unit("Actual", unit), "Rows", in_unit("MAE", unit), "Mean error in percent", in_unit("Bias", unit)]
    listed = [
        [_name(band), f"{band.rows:,}", number(band.mae), number(band.mape_percent, 1), signed(band.bias)]
        + ([_percent(band.inside / band.rows)] if has_intervals else [])
        for band in found
    ]
    header += [f"Inside the {100 * about.get('coverage_wanted', 0.9):g} % interval"] if has_intervals else []
    return drawn(
        "bands",
        "Error by band of the actual value",
        "The test rows in fifths, from the smallest actual values to the largest. The bias is the mean of predicted "
        "minus actual.",
        plots=shown,
        tables=[table("Fifths of the actual value", header, listed)],
        key="Read the bias with care: some rows are in the lowest fifth by bad luck and some in the highest by good "
        "luck, which no column tells. So even the best possible predictor looks too high in the lowest fifth and too "
        "low in the highest.",
    )


def intervals(material: Material) -> Section | None:
    """Say what the intervals are, and measure how many truths they hold, overall and by band."""
    rows = tested(material)
    about: dict[str, Any] = (material.summary.get("regression") or {}).get("interval") or {}
    found_bounds = bounds(rows)
    if rows.empty or found_bounds is None or not about:
        return None
    lower, upper = found_bounds
    unit, wanted = unit_of(material), float(about.get("coverage_wanted", 0.9))
    held = coverage(rows["truth"], lower, upper)
    low, high = share_interval(np.array([held * len(rows)]), np.array([float(len(rows))]))
    width = upper - lower
    by = {name: bands(rows[column].to_numpy("float64"), rows) for column, name in BY.items()}
    left = min([wanted - 0.1, *(bound for found in by.values() for bound in 0.99 * _measured(found)[1])])
    shown, tables = [], []
    for name, found in by.items():
        shown.append(_coverage_plot(material, found, name, wanted, left))
        header = [in_unit(name.capitalize(), unit), "Rows", "Inside", in_unit("Mean width", unit)]
        listed = [
            [_name(band), f"{band.rows:,}", _percent(band.inside / band.rows), number(band.width)] for band in found
        ]
        tables.append(table(f"Fifths of the {name} value", header, listed))
    lead = (
        f"{about.get('sentence', '')} {100 * wanted:.0f} % of the truths should lie inside; of the {len(rows):,} test "
        f"rows {100 * held:.1f} % do (95 % interval of that share: {100 * low[0]:.1f} to {100 * high[0]:.1f} %). "
        f"An interval is {number(float(width.mean()))} {unit}".rstrip()
        + f" wide on average, and half of them are narrower than {number(float(width.median()))}."
    )
    key = (
        "The promise holds over all rows together, not in every band. Whoever uses a prediction knows only the "
        "predicted value, so its bands are the ones to go by. In the outer bands of the actual value fewer truths lie "
        "inside as a rule, whatever predicts: some rows are there because they differ from what their columns tell."
    )
    return drawn("intervals", "Prediction intervals", lead.strip(), plots=shown, tables=tables, key=key)


def _measured(found: Sequence[Band]) -> tuple[Numbers, Numbers, Numbers]:
    """Return the share of truths inside their interval and the ends of its 95 % interval, (bands,) each."""
    inside = np.array([band.inside for band in found], "float64")
    rows = np.array([band.rows for band in found], "float64")
    return inside / rows, *share_interval(inside, rows)


def _coverage_plot(material: Material, found: Sequence[Band], name: str, wanted: float, left: float) -> Plot:
    return material.draw(
        f"coverage_{name}",
        f"Inside the interval, by {name} value",
        "A dot on the dashed line keeps the promise; left of it the intervals of this band are too narrow, right of it "
        "wider than needed. The bars are 95 % intervals of the share itself.",
        plots.band_coverage,
        [_axis_name(band) for band in found],
        *_measured(found),
        wanted,
        left,
    )
