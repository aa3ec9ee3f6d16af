"""Explain a model of a mixed table: raw columns in, one number out. A lesson calls `explain_table`."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import pandas as pd

from practicals.common.console import say
from practicals.common.explain.agreement import METHODS, check_methods, with_agreement
from practicals.common.explain.coding import TableCoder, traced_output
from practicals.common.explain.explanation import Explanation
from practicals.common.explain.lime_tables import lime_row
from practicals.common.explain.shap_tables import shap_global, shap_row

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
    output: str = "probability",
    unit: str | None = None,
) -> dict[str, Explanation]:
    """Explain an assembled model, each explanation with the checks that say how far to trust it.

    Args:
        model: raw columns (rows, 1), numbers and dates float32 and categories text, to `{output: (rows, 1), ...}`.
        coder: which columns are numbers (with units), which are dates and which are categories.
        training: raw training rows, to which the explained rows are compared.
        rows: raw rows over which SHAP says what matters in general; 200 are plenty. None leaves this out.
        row: the one raw row, as a table of one row, to explain in detail. None leaves this out.
        subject: the id of `row`.
        methods: any of `METHODS`.
        seed: of everything drawn; the same seed gives the same explanation.
        output: which of the model's outputs is explained.
        unit: of that output, such as "USD"; without one, the output's name says what it is.

    Returns:
        Those that apply of `shap_global`, `shap_row` and `lime_row`.

    Raises:
        PracticalError: a method is unknown.
        RunError: the model does not answer with numbers.
    """
    check_methods(methods)
    unit = output if unit is None else unit
    predict = traced_output(model, coder, output)
    found: dict[str, Explanation] = {}
    if "shap" in methods and rows is not None:
        say(f"Explaining {len(rows)} rows with SHAP ...")
        found["shap_global"] = shap_global(predict, coder, training, rows, seed=seed, unit=unit)
    if "shap" in methods and row is not None:
        say(f"Explaining row {subject} with SHAP ...")
        found["shap_row"] = shap_row(predict, coder, training, row, subject=subject, seed=seed, unit=unit)
    if "lime" in methods and row is not None:
        say(f"Explaining row {subject} with LIME ...")
        found["lime_row"] = lime_row(predict, coder, training, row, subject=subject, seed=seed, unit=unit)
    return with_agreement(coder.features, found)
