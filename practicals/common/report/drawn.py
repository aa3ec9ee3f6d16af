"""Sections of the general form: a lead, plots, tables, a sentence to remember; and what they are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from practicals.common.explain import Explanation
from practicals.common.explain.explanation import PICTURE_METHODS
from practicals.common.report.material import Material, Plot, Section
from practicals.common.report.svg import shorten

Table = dict[str, Any]


def drawn(
    id_: str,
    title: str,
    lead: str,
    *,
    plots: Sequence[Plot] = (),
    tables: Sequence[Table] = (),
    key: str | None = None,
) -> Section:
    """Return a section that needs no wording of its own in the template; `key` may hold `code`."""
    return Section(id_, title, "drawn", {"lead": lead, "plots": plots, "key": key, "tables": tables})


def table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    words: Sequence[int] = (0,),
    chosen: int | None = None,
) -> Table:
    """Return a table of `drawn`; the columns at the places `words` hold words, all others numbers; one row may be
    `chosen`."""
    numeric = [place not in words for place in range(len(header))]
    return {"title": title, "header": header, "rows": rows, "numeric": numeric, "chosen": chosen}


def tested(material: Material) -> pd.DataFrame:
    """Return the lines of `predictions.csv` that belong to the test part, in the order of the file."""
    found = material.predictions
    return found[found["part"] == "test"].reset_index(drop=True) if "part" in found else found


def unit_of(material: Material) -> str:
    """Return the unit of what is predicted, such as "USD", short enough for a heading; "" where the run names none."""
    return shorten(material.summary.get("unit") or "")


def in_unit(label: str, unit: str) -> str:
    """Return "error, USD"; the label alone where there is no unit."""
    return f"{label}, {unit}" if unit else label


def method_name(explanation: Explanation) -> str:
    """Return how the method of an explanation is called; its plain name where that is not known."""
    return PICTURE_METHODS.get(explanation.method, explanation.method)


def warning_of(explanation: Explanation) -> str | None:
    """Return what to say in front of an explanation that failed some of its checks; None where it passed all."""
    failed = [check.name for check in explanation.checks if not check.passed]
    if not failed:
        return None
    which, checks = "; ".join(failed), len(explanation.checks)
    if len(failed) == checks:
        return f"This explanation failed {'its check' if checks == 1 else 'all its checks'} ({which}): do not trust it."
    return f"This explanation failed {len(failed)} of {checks} checks ({which}): do not lean on it."
