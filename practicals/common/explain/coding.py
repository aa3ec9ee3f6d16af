"""A mixed table as explainers need it: coded as a plain matrix, with a fast model of that matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from practicals.common.data.dates import date_text
from practicals.common.errors import RunError

LARGEST_BATCH = 16_384

Matrix = npt.NDArray[np.float64]
"""Coded rows, (rows, features)."""
Vector = npt.NDArray[np.float64]
"""One number per row or per feature."""
Answer = Callable[[Matrix], Vector]
"""Coded rows (rows, features) -> what the model predicts (rows,): a probability, a price, the mean of a forecast."""


@dataclass(frozen=True)
class TableCoder:
    """Turns raw rows into the plain numeric matrix that explainers need, one column per feature, and back.

    A category becomes one whole-number code: known values count from 0, then one code for a value that no training
    row had, then one for a missing value. So a category stays one feature, however many inputs it has in the network.
    """

    numbers: Mapping[str, str]
    """Number column -> its unit; "" for none."""
    categories: Mapping[str, tuple[str, ...]]
    """Category column -> the values of the training rows."""
    dates: tuple[str, ...] = ()
    """Date column: days since 1970-01-01 as a number, NaN where missing."""

    @classmethod
    def fit(
        cls, training: pd.DataFrame, numbers: Mapping[str, str], categories: Sequence[str], dates: Sequence[str] = ()
    ) -> Self:
        """Learn the values of the categories from training rows.

        Args:
            training: raw training rows; other columns are not looked at.
            numbers: number column -> unit, such as `{"Age": "years"}`.
            categories: the category columns.
            dates: the date columns, each as days since 1970-01-01 (fractions allowed).
        """
        known = {name: tuple(sorted(set(_as_text(training[name])) - {""})) for name in categories}
        return cls(dict(numbers), known, tuple(dates))

    @property
    def features(self) -> tuple[str, ...]:
        """The columns of the coded matrix: numbers, dates, then categories."""
        return (*self.ordered, *self.categories)

    @property
    def ordered(self) -> tuple[str, ...]:
        """The columns whose values have an order: numbers, then dates."""
        return (*self.numbers, *self.dates)

    def encode(self, frame: pd.DataFrame) -> Matrix:
        """Return raw rows as float64 (rows, features). A missing number stays NaN."""
        columns = [frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in self.ordered]
        for name, known in self.categories.items():
            codes = {value: code for code, value in enumerate(known)} | {"": len(known) + 1}
            columns.append(np.array([codes.get(text, len(known)) for text in _as_text(frame[name])], dtype=np.float64))
        return np.column_stack(columns)

    def decode(self, coded: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return coded rows (rows, features) as the model's raw columns (rows, 1), inside a traced function.

        Text is looked up by TensorFlow here, so that no array of text is ever built in Python.
        """
        raw = {name: tf.cast(coded[:, i : i + 1], tf.float32) for i, name in enumerate(self.ordered)}
        for i, (name, known) in enumerate(self.categories.items(), start=len(self.ordered)):
            # Longer than every known value, so it is none of them.
            unknown = "?" * (1 + max(map(len, known), default=0))
            raw[name] = tf.gather(tf.constant([*known, unknown, ""]), tf.cast(coded[:, i : i + 1], tf.int32))
        return raw

    def value_text(self, name: str, value: float) -> str:
        """Return a value of a number or date column as the user knows it: "42 years", "2014-10-13"."""
        return date_text(value) if name in self.dates else number_text(value, self.numbers[name])

    def texts(self, row: pd.DataFrame) -> tuple[str, ...]:
        """Return the values of one raw row as the user knows them: "42 years", "2014-10-13", "Germany", "missing"."""
        values = self.encode(row)[0, : len(self.ordered)]
        shown = [self.value_text(name, float(value)) for name, value in zip(self.ordered, values, strict=True)]
        for name, known in self.categories.items():
            text = _as_text(row[name])[0]
            shown.append((text if text in known else f"{text} (not in the training rows)") if text else "missing")
        return tuple(shown)

    def shades(self, coded: Matrix) -> Matrix:
        """Scale each number and date to 0..1 over the rows given, for a colour; categories and gaps are NaN."""
        scaled = np.full(coded.shape, np.nan)
        scaled[:, : len(self.ordered)] = shades(coded[:, : len(self.ordered)])
        return scaled


def shades(values: Matrix) -> Matrix:
    """Scale each column (rows, columns) to 0..1 over its rows, for a colour; NaN stays.

    The lowest and highest twentieth are cut off, so that one extreme value does not paint all others alike.
    """
    scaled = np.full(values.shape, np.nan)
    for i, column in enumerate(values.T):
        if np.isfinite(column).any():
            low, high = np.nanpercentile(column, [5, 95])
            scaled[:, i] = np.clip((column - low) / (high - low), 0, 1) if high > low else column * 0 + 0.5
    return scaled


def traced_output(model: keras.Model, coder: TableCoder, output: str) -> Answer:
    """Return one output of the assembled model as a fast function of coded rows.

    An explainer asks for many small batches. `model.predict` takes 0.1 s for each, a traced function 1 ms and then
    1 microsecond a row (64-64 units, 10 columns, 2 cores). The batch size stays open: batches padded to one size gave
    the same numbers, were no faster on large batches and wasted most of a small one.

    Args:
        model: raw columns (rows, 1) to `{output: (rows, 1), ...}`.
        coder: what the coded columns mean.
        output: which of the model's outputs, such as `probability`.

    Returns:
        A function of float64 (rows, features) to float64 (rows,). It raises RunError where the model gives no number.
    """

    def answer(coded: tf.Tensor) -> tf.Tensor:
        return model(coder.decode(coded), training=False)[output][:, 0]

    traced = tf.function(answer, input_signature=[tf.TensorSpec((None, len(coder.features)), tf.float64)])

    def predict(coded: Matrix) -> Vector:
        # Parts, so that the memory needed does not grow with the number of rows asked for.
        parts = [traced(coded[i : i + LARGEST_BATCH]).numpy() for i in range(0, len(coded), LARGEST_BATCH)]
        result: Vector = np.concatenate(parts).astype(np.float64)
        require_numbers(result, "rows")
        return result

    return predict


def traced_probability(model: keras.Model, coder: TableCoder) -> Answer:
    """Return the probability that an assembled classifier gives, as a fast function of coded rows."""
    return traced_output(model, coder, "probability")


def require_numbers(answers: npt.NDArray[np.floating[Any]], examples: str) -> None:
    """Check that a model answered with numbers.

    Args:
        answers: (rows,) or (rows, outputs).
        examples: what was given to it, in the plural.

    Raises:
        RunError: some of them are NaN or infinite.
    """
    if wrong := int((~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1)).sum()):
        raise RunError(
            f"model.keras: gives no number for {wrong} of {len(answers)} {examples}, so it cannot be explained. "
            "Train it again with a smaller learning_rate."
        )


def number_text(value: float, unit: str) -> str:
    """Return a number as a reader wants it: "42 years", "1 year", "101,349 EUR", "0.125", "47.5112 °", "missing"."""
    if np.isnan(value):
        return "missing"
    whole = value == round(value)
    text = f"{value:,.0f}" if whole or abs(value) >= 1000 else f"{value:.{6 if abs(value) >= 10 else 4}g}"
    if whole and not unit and abs(value) < 10_000:
        text = f"{value:.0f}"  # four digits without a unit may be a year
    if text == "1" and not unit.endswith(("ss", "us")):
        unit = unit.removesuffix("s")
    return f"{text} {unit}".rstrip()


def _as_text(column: pd.Series[Any]) -> list[str]:
    return column.astype("string").fillna("").tolist()
