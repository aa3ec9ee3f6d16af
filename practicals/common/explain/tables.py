"""Explain a model of a mixed table: raw columns in, a probability out. A lesson calls `explain_table`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np
import pandas as pd

from practicals.common.console import say
from practicals.common.errors import PracticalError, did_you_mean
from practicals.common.explain.checks import agreement_check
from practicals.common.explain.coding import TableCoder, traced_probability
from practicals.common.explain.explanation import Explanation
from practicals.common.explain.lime_tables import lime_row
from practicals.common.explain.shap_tables import shap_global, shap_row

METHODS = ("shap", "lime")

__all__ = ["METHODS", "TableCoder", "explain_table"]


def explain_table(
    model: keras.Model,
    coder: TableCoder,
    training: pd.DataFrame,
    *,
    rows: pd.DataFrame | None = None,
    row: pd.DataFrame | None = None,
    subject: str = "",
    methods: Sequence[str] = METHODS,
    seed: int = 0,
) -> dict[str, Explanation]:
    """Explain an assembled model, each explanation with the checks that say how far to trust it.

    Args:
        model: raw columns (rows, 1), numbers float32 and categories text, to `{"probability": (rows, 1), ...}`.
        coder: which columns are numbers (with units) and which are categories.
        training: raw training rows, to which the explained rows are compared.
        rows: raw rows over which SHAP says what matters in general; 200 are plenty. None leaves this out.
        row: the one raw row, as a table of one row, to explain in detail. None leaves this out.
        subject: the id of `row`.
        methods: any of `METHODS`.
        seed: of everything drawn; the same seed gives the same explanation.

    Returns:
        Those that apply of `shap_global`, `shap_row` and `lime_row`.

    Raises:
        PracticalError: a method is unknown.
        RunError: the model does not answer with numbers.
    """
    for method in methods:
        if method not in METHODS:
            raise PracticalError(f"{method}: there is no such method of explanation.{did_you_mean(method, METHODS)}")
    probability = traced_probability(model, coder)
    found: dict[str, Explanation] = {}
    if "shap" in methods and rows is not None:
        say(f"Explaining {len(rows)} rows with SHAP ...")
        found["shap_global"] = shap_global(probability, coder, training, rows, seed=seed)
    if "shap" in methods and row is not None:
        say(f"Explaining row {subject} with SHAP ...")
        found["shap_row"] = shap_row(probability, coder, training, row, subject=subject, seed=seed)
    if "lime" in methods and row is not None:
        say(f"Explaining row {subject} with LIME ...")
        found["lime_row"] = lime_row(probability, coder, training, row, subject=subject, seed=seed)
    return _with_agreement(coder, found)


def _with_agreement(coder: TableCoder, found: dict[str, Explanation]) -> dict[str, Explanation]:
    """Where both methods explained the row, put their agreement beside each."""
    both = [found[name] for name in ("shap_row", "lime_row") if name in found]
    if len(both) < 2:
        return found
    by_name = [{item.feature: item.contribution for item in explanation.attributions} for explanation in both]
    check = agreement_check(*(np.array([named[feature] for feature in coder.features]) for named in by_name))
    together = {name: replace(found[name], checks=(*found[name].checks, check)) for name in ("shap_row", "lime_row")}
    return {**found, **together}
