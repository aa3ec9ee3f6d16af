"""The sections of a predicted quantity: how far off, where, with what interval, and against which opponents."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from practicals.common.report import regression_plots as plots
from practicals.common.report.bands import error_bands, intervals
from practicals.common.report.drawn import drawn, in_unit, table, tested, unit_of
from practicals.common.report.material import Material, Section
from practicals.common.report.readable import is_wide
from practicals.common.report.svg import shorten
from practicals.common.report.words import digits_of, metric_label, number, signed, with_code

DRAWN = 1500
"""Rows in the plot of predicted against actual, at most."""
DRAWN_SMALL = 600
"""Rows in a plot of residuals, at most."""
WORST = 10


def _about(material: Material) -> dict[str, Any]:
    return material.summary.get("regression") or {}


def thinned(rows: int, limit: int) -> npt.NDArray[np.int64]:
    """Return the places of all rows, or of `limit` rows drawn at random, the same ones every time."""
    if rows <= limit:
        return np.arange(rows, dtype="int64")
    return np.sort(np.random.default_rng(0).choice(rows, limit, replace=False).astype("int64"))


def thinning_said(rows: int, limit: int) -> str:
    """Return the sentence that says that not all rows are drawn; "" where they are."""
    return f" {limit:,} of {rows:,} test rows, drawn at random, are shown." if rows > limit else ""


def differences(material: Material) -> Section | None:
    """Compare the network with every baseline, with the interval of each difference."""
    found = _about(material).get("differences")
    if not found:
        return None
    unit, shown, tables = unit_of(material), [], []
    for metric in dict.fromkeys(one["metric"] for one in found):
        label, members = metric_label(metric), [one for one in found if one["metric"] == metric]
        # Network minus baseline in the file; on the page, as beside the verdict, better is to the right.
        saved, low, high = (-np.array([one[key] for one in members]) for key in ("difference", "high", "low"))
        shown.append(
            material.draw(
                f"differences_{metric}",
                f"{label}: the network against the baselines",
                "Right of the dashed line the network's error is smaller. Each bar is a 95 % interval; one that "
                "reaches over the dashed line shows no clear difference. Grey with an arrow: beyond the edge.",
                plots.differences,
                [one["against"] for one in members],
                saved,
                low,
                high,
                label,
                unit,
            )
        )
        rows = [
            [one["against"], *_difference_cells(*numbers)]
            for one, *numbers in zip(members, saved, low, high, strict=True)
        ]
        header = ["Baseline", in_unit("Saved", unit), "95 % interval", "Result"]
        tables.append(table(f"{label} saved by the network", header, rows, words=(0, 3)))
    lead = (
        "What the network saves: the error of each baseline minus that of the network, on the same test rows. The "
        "intervals come from drawing the test rows again and again with replacement (paired bootstrap): they hold the "
        "luck of the test rows, not that of the training."
    )
    return drawn("differences", "Against every baseline", lead, plots=shown, tables=tables)


def _difference_cells(saved: float, low: float, high: float) -> list[str]:
    digits = digits_of(max(abs(saved), abs(low), abs(high)))
    result = "network better" if low > 0 else "network worse" if high < 0 else "no clear difference"
    return [signed(saved, digits), f"{signed(low, digits)} to {signed(high, digits)}", result]


def predicted(material: Material) -> Section | None:
    """Draw predictions over truths and how often each error occurs."""
    rows = tested(material)
    if rows.empty:
        return None
    unit, target = unit_of(material), str(_about(material).get("target") or "")
    truth, prediction = rows["truth"].to_numpy("float64"), rows["prediction"].to_numpy("float64")
    error, keep, relative = prediction - truth, thinned(len(rows), DRAWN), bool(np.all(truth > 0))
    wide = " Both axes are logarithmic: equal steps are equal ratios." if is_wide(truth) else ""
    shown = [
        material.draw(
            "predicted_actual",
            "Predicted against actual",
            "On the dashed line a prediction is exact; above it, it is too high, below it too low."
            f"{wide}{thinning_said(len(rows), DRAWN)}",
            plots.predicted_actual,
            truth[keep],
            prediction[keep],
            shorten(target, 20),
            unit,
        ),
        material.draw(
            "errors",
            "How large the errors are",
            "The narrower the hill the better. A hill beside the dashed line means that predictions are too low (left) "
            "or too high (right) as a rule. The outermost bars hold all that lies beyond.",
            plots.errors,
            100 * error / truth if relative else error,
            "%" if relative else unit,
        ),
    ]
    lead = f"All {len(rows):,} test rows, which the network never saw. Half of its predictions are off by less than "
    lead += f"{number(float(np.median(np.abs(error))))} {unit}".strip()
    if relative:
        lead += f"; {100 * np.mean(np.abs(error) <= 0.1 * truth):.0f} % lie within 10 % of the truth"
    return drawn("predicted", "Predicted against actual", f"{lead}.", plots=shown)


def residuals(material: Material) -> Section | None:
    """Draw errors over the prediction and over each main feature."""
    rows = tested(material)
    if rows.empty:
        return None
    unit, shown = unit_of(material), []
    error = (rows["prediction"] - rows["truth"]).to_numpy("float64")
    wanted = [{"name": "prediction", "unit": unit, "values": rows["prediction"]}]
    for place, one in enumerate([*wanted, *(_about(material).get("features") or [])]):
        x = np.array(one["values"], "float64")  # None, for a missing value, becomes NaN
        known = np.isfinite(x)
        count = int(known.sum())
        if not count:
            continue
        shown.append(
            material.draw(
                f"residuals_{place}",
                f"Error over {shorten(one['name'], 40)}",
                "Dots are rows, the orange line is the median of neighbouring rows, and half of them lie in its band."
                f"{thinning_said(count, DRAWN_SMALL)}",
                plots.residuals,
                x[known],
                error[known],
                thinned(count, DRAWN_SMALL),
                shorten(one["name"], 24),
                str(one.get("unit") or ""),
                unit,
            )
        )
    lead = (
        "The error is predicted minus actual: above zero the prediction is too high. Where the orange line bends away "
        "from zero, the network has missed a pattern; where its band widens, predictions are less certain. "
        "The few errors beyond the edge of a plot are drawn at its edge."
    )
    return drawn("residuals", "What is left over", lead, plots=shown)


def worst(material: Material) -> Section | None:
    """List the test rows with the largest errors, and say how much they weigh in the squared error."""
    found = _about(material).get("worst")
    if not found or not found["rows"]:
        return None
    lead = "The test rows with the largest errors. Look at them before trusting an average: often something stands "
    lead += "behind such a row that no column tells, or the row is wrong."
    rows = tested(material)
    if len(rows) > WORST:
        squared = np.sort(((rows["prediction"] - rows["truth"]) ** 2).to_numpy("float64"))
        share = squared[-WORST:].sum() / max(squared.sum(), np.finfo("float64").tiny)
        lead += (
            f" The ten largest errors are {100 * WORST / len(rows):.2g} % of the test rows and make up "
            f"{100 * share:.0f} % of the squared error, and so of what decides the RMSE."
        )
    listed = [[_cell(value, column) for column, value in enumerate(row)] for row in found["rows"]]
    numeric = [place for place in range(len(found["columns"])) if _is_number(found["rows"], place)]
    words = [place for place in range(len(found["columns"])) if place not in numeric or place == 0]
    return drawn("worst", "The worst rows", lead, tables=[table("", found["columns"], listed, words=words)])


def _is_number(rows: list[list[Any]], column: int) -> bool:
    return all(isinstance(row[column], int | float | None) for row in rows)


def _cell(value: Any, column: int) -> str:
    """Return a cell of the worst rows: truth, prediction and error as scores are, all others plain: 1955, not 1,955."""
    if value is None:
        return number(None)
    if isinstance(value, bool | str):
        return str(value)
    if column in (1, 2, 3):
        return number(value)
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def losses(material: Material) -> Section | None:
    """Explain the loss that was used and compare the four on validation rows."""
    about = _about(material)
    used, found = about.get("loss") or {}, about.get("losses") or []
    if not used and not found:
        return None
    sentence = str(used.get("sentence") or "")
    if not found:
        return drawn("losses", "The loss", sentence)
    unit = unit_of(material)
    metrics = {"rmse": "RMSE", "mae": "MAE", "median_ae": "median error"}
    header = ["Loss", "What it does", *(metric_label(metric, unit) for metric in metrics)]
    rows = []
    for one in found:
        name = f"{one['name']} (this run)" if one.get("chosen") else one["name"]
        rows.append([name, with_code(one["sentence"]), *(number(one.get(metric)) for metric in metrics)])
    chosen = next((place for place, one in enumerate(found) if one.get("chosen")), None)
    best = [
        f"lowest {name}: {min(known, key=itemgetter(metric))['name']}"
        for metric, name in metrics.items()
        if (known := [one for one in found if one.get(metric) is not None])
    ]
    return drawn(
        "losses",
        "Which loss?",
        "One member of the network, trained on the same rows once with each loss; all scores are on validation rows. "
        "A loss decides what a prediction aims at where the columns leave it open: squared errors at the mean, "
        "absolute ones at the median.",
        tables=[table("", header, rows, words=(0, 1), chosen=chosen)],
        key=f"On these rows, {'; '.join(best)}. Each was trained once: small gaps may be luck. {sentence}".strip(),
    )


def columns(material: Material) -> Section | None:
    """List how each column of the file was used."""
    found = _about(material).get("columns")
    if not found:
        return None
    rows = [[one["name"], one["kind"], with_code(one.get("why") or "")] for one in found]
    lead = "How each column of the file was used, and why."
    listed = table("", ["Column", "Used as", "Why"], rows, words=(0, 1, 2))
    return drawn("columns", "The columns", lead, tables=[listed])


SECTIONS = (differences, predicted, residuals, error_bands, intervals, worst, losses, columns)
"""The sections of a regression, in the order of its page."""
