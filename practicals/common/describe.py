"""What the report says of rows, layers and settings. Imports no Keras: layers are only asked."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from practicals.common.config import PracticalConfig, describe
from practicals.common.data.dates import date_text
from practicals.common.data.split import Split

MOST_INNER = 40
"""Layers of a model within a model that are shown one by one."""


def describe_rows(
    split: Split[pd.DataFrame], features: Sequence[str], identifiers: Sequence[str], dates: Collection[str] = ()
) -> dict[str, Any]:
    """Return what the report says of the data: sizes, five rows, missing values, what was noted on reading.

    Args:
        split: raw rows.
        features: columns that the network reads.
        identifiers: columns that it is never shown.
        dates: columns that hold days since 1970-01-01.
    """
    parts = dict(split.items())
    everything = pd.concat(parts.values())
    missing = everything.isna().sum() + (everything == "").sum()
    head = everything.sort_index().head(5)
    return {
        "rows": len(everything),
        "parts": {name: len(rows) for name, rows in parts.items()},
        "head": {
            "columns": list(head.columns),
            "rows": [
                [
                    date_text(cell) if name in dates else _text(cell)
                    for name, cell in zip(head.columns, row, strict=True)
                ]
                for row in head.to_numpy(object)
            ],
        },
        "missing": {column: int(count) for column, count in missing.items() if count},
        "dropped_columns": [column for column in identifiers if column in everything],
        "duplicates": int(everything.duplicated(list(features)).sum()),
        "notes": list(split.facts.notes) if split.facts else [],
    }


def describe_layers(network: Any) -> list[dict[str, Any]]:
    """Return layer, kind, output shape and parameters with their arithmetic for each layer of a Keras model.

    A model within it shows its own layers, unless it is a large one that was trained elsewhere.
    """
    found = []
    for layer in network.layers:
        inner = getattr(layer, "layers", [])
        if 0 < len(inner) <= MOST_INNER and any(one.trainable_weights for one in inner):
            found += [one for one in describe_layers(layer) if one["kind"] != "InputLayer"]
            continue
        shape = getattr(layer.output, "shape", None)
        sizes = ["batch" if size is None else str(size) for size in shape or ()]
        found.append(
            {
                "layer": layer.name,
                "kind": type(layer).__name__,
                "output_shape": f"({', '.join(sizes)})" if sizes else "",
                "parameters": int(layer.count_params()),
                "arithmetic": " + ".join(
                    f"{' x '.join(map(str, weight.shape))} {weight.name}" for weight in layer.weights
                ),
            }
        )
    return found


def describe_settings(config: PracticalConfig) -> list[dict[str, str]]:
    """Return name, value, source and description of every setting, in the order of the class."""
    return [
        {"name": name, "value": _plain(_get(config, name)), "source": config.source(name), "description": text}
        for name, text in describe(type(config)).items()
    ]


def _text(cell: Any) -> str:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:.12g}"
    return str(cell)


def _get(config: PracticalConfig, dotted: str) -> Any:
    value: Any = config
    for name in dotted.split("."):
        value = getattr(value, name)
    return value


def _plain(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else "" if value is None else str(value)
