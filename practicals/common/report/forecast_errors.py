"""Where the errors of a forecast are: steps ahead, hours and weekdays, and one step ahead beside all other models."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from practicals.common.report import forecast_plots as plots
from practicals.common.report.drawn import drawn, in_unit, table, unit_of
from practicals.common.report.material import Material, Section
from practicals.common.report.readable import human
from practicals.common.report.svg import BLUE, GREEN, ORANGE, Numbers
from practicals.common.report.words import number

NETWORK, FED_BACK = "network", "course, fed back"


def about_of(material: Material) -> dict[str, Any]:
    """Return what the run says of its forecasts; empty where it says nothing."""
    return material.summary.get("forecast") or {}


def steps_of(material: Material) -> str:
    """Return what several steps are called, such as "hours"."""
    return str(about_of(material).get("steps") or "steps")


def counted(material: Material, number_: int) -> str:
    """Return "24 hours", or "hour" for a single one."""
    return f"{number_} {steps_of(material)}" if number_ != 1 else str(about_of(material).get("step") or "step")


def floats(values: Any) -> Numbers:
    """Return an array in which None, for what is not known, is NaN."""
    return np.array(values, "float64")


def by_horizon(material: Material) -> Section | None:
    """Show how errors grow with the distance of the forecast time, network and baselines."""
    given = {name: floats(values) for name, values in (about_of(material).get("by_horizon") or {}).items()}
    found = {name: values for name, values in given.items() if np.isfinite(values).any()}
    if NETWORK not in found:
        return None
    unit, steps, horizon = unit_of(material), steps_of(material), len(found[NETWORK])
    rivals = [name for name in found if name not in (NETWORK, FED_BACK)]
    means = {name: float(np.nanmean(values)) for name, values in found.items()}
    best = min(rivals, key=lambda name: means[name], default=None)
    named = {NETWORK: BLUE, **({best: GREEN} if best else {}), **({FED_BACK: ORANGE} if FED_BACK in found else {})}
    shown = []
    if horizon > 1:
        shown.append(
            material.draw(
                "by_horizon",
                "Error by horizon",
                "The further ahead, the harder. The lower line is the better forecast at that distance. What lies "
                "above the edge stands in the table.",
                plots.by_horizon,
                found,
                named,
                steps,
                unit,
            )
        )
    ahead = sorted({1, (horizon + 1) // 2, horizon})
    order = sorted(found, key=lambda name: means[name])
    header = [in_unit("MAE", unit), *(f"{step} ahead" for step in ahead), *(["Mean of all"] if horizon > 1 else [])]
    rows = [
        [name, *map(number, [*(found[name][a - 1] for a in ahead), *([means[name]] if horizon > 1 else [])])]
        for name in order
    ]
    listed = table(f"MAE by how many {steps} ahead, best first", header, rows, chosen=order.index(NETWORK))
    which = "one step ahead" if horizon == 1 else f"for each of the {horizon} {steps} ahead"
    lead = f"Mean size of the error over all forecasts of the test part, {which}."
    key = errors_add_up(found[NETWORK], found[FED_BACK], unit, steps) if FED_BACK in found else None
    return drawn("horizon", "Error by horizon", lead, plots=shown, tables=[listed], key=key)


def errors_add_up(direct: Numbers, fed_back: Numbers, unit: str, steps: str) -> str | None:
    """Say whether feeding forecasts back in lets errors grow faster than forecasting all steps at once does.

    Args:
        direct: (horizon,) mean errors of the network that forecasts all steps at once.
        fed_back: (horizon,) mean errors of the course's network, which forecasts one step and takes it as input.
        unit: of the errors.
        steps: what the steps are called.
    """
    ends = np.array([direct[0], direct[-1], fed_back[0], fed_back[-1]])
    if len(direct) < 2 or not np.isfinite(ends).all() or min(direct[0], fed_back[0]) <= 0:
        return None
    growth, growth_fed = direct[-1] / direct[0], fed_back[-1] / fed_back[0]
    numbers = (
        f"from {human(float(fed_back[0]))} to {human(float(fed_back[-1]))} {unit}".strip()
        + f" over {len(direct)} {steps} ({growth_fed:.1f} times), the direct forecast's "
        f"from {human(float(direct[0]))} to {human(float(direct[-1]))} ({growth:.1f} times)."
    )
    how = "The course's network forecasts one step and takes its own answer as the next input"
    if growth_fed > 1.1 * growth and fed_back[-1] > direct[-1]:
        return f"Errors add up. {how}, so each mistake is carried into the next step: its error grows {numbers}"
    return f"{how}, which often lets errors add up. In this run it does not show: its error goes {numbers}"


def cycles(material: Material) -> Section | None:
    """Show errors by hour of the day and by weekday."""
    about = about_of(material)
    found, rival = about.get("cycles"), str(about.get("cycle_baseline") or "best baseline")
    if not found:
        return None
    shown = [
        material.draw(
            f"cycle_{place}",
            f"Error by {one['title']}",
            "Each dot is the mean size of the errors at that time. Where the blue line is below the dashed one, the "
            "network is the better forecast.",
            plots.cycle,
            [str(label) for label in one["labels"]],
            floats(one["network"]),
            floats(one["baseline"]),
            rival,
            one["title"],
            unit_of(material),
        )
        for place, one in enumerate(found)
    ]
    lead = f"When is the forecast good? The network beside {rival}, by the time that is forecast."
    return drawn("cycles", "Error by time", lead, plots=shown)


def one_step(material: Material) -> Section | None:
    """Compare all models one step ahead, and tell the lesson."""
    about = about_of(material)
    errors = {name: float(value) for name, value in (about.get("one_step") or {}).items() if value is not None}
    if NETWORK not in errors:
        return None
    order = sorted(errors, key=lambda name: errors[name])
    shown = []
    if min(errors.values()) > 0 and all(map(math.isfinite, errors.values())):
        shown.append(
            material.draw(
                "one_step",
                "One step ahead",
                "Further left is better. The axis is logarithmic: equal steps are equal ratios.",
                plots.one_step,
                {name: errors[name] for name in order},
                "standardised MSE, one step ahead",
            )
        )
    rows = [[name, number(errors[name]), f"{errors[name] / errors[NETWORK]:,.2f}"] for name in order]
    listed = table("", ["Model", "Standardised MSE", "Times the network's"], rows, chosen=order.index(NETWORK))
    lead = (
        "The mean squared error over the test part, divided by the variance of the training span: about 1 is what one "
        f"fixed forecast gets. {about.get('mase_sentence') or ''}"
    )
    key = about.get("lesson_sentence")
    return drawn("one_step", "One step ahead", lead.strip(), plots=shown, tables=[listed], key=key)
