"""Runs side by side, as text for the terminal and as one page; what may be ranked together is decided in `ranked`."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from practicals.common.files import write_text
from practicals.common.report.ranked import NOT_SET, Row, compare_runs, grouped
from practicals.common.report.words import NONE, metric_label, number
from practicals.common.run import Run

__all__ = ["compare_runs", "comparison_text", "write_compare_page"]

TEXT_WIDTH = 60
"""Characters for the differing settings in the terminal."""
NO_VALUE = (NOT_SET, "None")
"""Texts of settings that stand last, whichever way a column is sorted."""


def score_text(row: Row, name: str) -> str:
    """Return "0.8702", or "0.8702 ± 0.0031" where seeds were folded."""
    deviation = row[f"{name}_deviation"]
    return number(row[name]) if deviation is None else f"{number(row[name])} ± {number(deviation)}"


def results_text(row: Row) -> str:
    """Return the verdict, or how often each verdict was given over the seeds."""
    results = [str(result) for result in row["results"] if result]
    if len(results) < 2:
        return results[0] if results else NONE
    return ", ".join(f"{results.count(kind)} x {kind}" for kind in dict.fromkeys(results))


def run_name(row: Row) -> str:
    """Return the folder's name; of several, the first and how many more."""
    first, more = row["runs"][0].folder.name, len(row["runs"]) - 1
    return f"{first} and {more} more" if more else str(first)


def scored_text(rows: Sequence[Row]) -> str:
    """Say how often the test part was scored and what that means."""
    times = rows[0]["test_scored"]
    if times == 1:
        return "Its test part has been scored once."
    return (
        f"Its test part has been scored {times} times. The ranking is by validation: "
        "whoever picks the best of many test scores is tuning on the test."
    )


def comparison_text(rows: Sequence[Row]) -> str:
    """Return the comparison as text for a terminal, one table per group."""
    blocks = []
    for group, members in grouped(rows).items():
        if group is None:
            lines = [f"  {row['runs'][0].folder}: {row['error']}" for row in members]
            blocks.append("\n".join(["Not readable, left out:", *map(_printable, lines)]))
            continue
        label = metric_label(members[0]["metric"])
        table = [["", "run", "seeds", f"validation {label}", "test", "best baseline", "verdict", "differs in"]]
        for row in members:
            differences = ", ".join(f"{name}={value}" for name, value in row["differences"].items())
            cut = differences if len(differences) <= TEXT_WIDTH else f"{differences[: TEXT_WIDTH - 1]}…"
            scores = [score_text(row, "validation"), score_text(row, "test"), number(row["baseline"])]
            table.append([str(row["rank"]), run_name(row), str(row["seeds"]), *scores, results_text(row), cut])
        blocks.append(
            "\n".join(
                [_printable(f"{members[0]['title']}, {members[0]['data']}"), *_aligned(table), scored_text(members)]
            )
        )
    return "\n\n".join(blocks)


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    clean = [[_printable(cell) for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in clean]


def _printable(text: str) -> str:
    """Return text without characters that would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def setting_columns(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one column for each setting that is not equal in the whole group.

    Args:
        rows: of one group, best first.

    Returns:
        Columns with `name`, `numeric` (whether to sort by size) and `cells`, one for each row: its `text`, what to sort
        it by (`value`, "" where there is none) and whether it `differs` from that of the first row.
    """
    columns = []
    for name, best in rows[0]["differences"].items():
        texts = [row["differences"][name] for row in rows]
        known = [text for text in texts if text not in NO_VALUE]
        cells = [
            {"text": text, "value": "" if text in NO_VALUE else text, "differs": text != best}
            for text in texts
        ]  # fmt: skip
        columns.append({"name": name, "numeric": all(map(_is_number, known)), "cells": cells})
    return columns


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def write_compare_page(rows: Sequence[Row], path: Path) -> Path:
    """Write the comparison as one self-contained page with links to the reports, and return its path.

    Args:
        rows: what `compare_runs` returned.
        path: where the page goes; links are relative to its folder.
    """
    # Drawing takes a second to load, which a table in the terminal need not pay.
    from practicals.common.report.compared_curves import curve_id, draw_curves
    from practicals.common.report.templates import page_environment

    groups = grouped(rows)
    unreadable = groups.pop(None, [])
    parts = []
    for group, members in groups.items():
        curves, columns = f"curves_{group}", setting_columns(members)
        shown = [
            {
                **row,
                "validation_text": score_text(row, "validation"),
                "test_text": score_text(row, "test"),
                "results_text": results_text(row),
                "links": [(run.folder.name, _link(run, path.parent)) for run in row["runs"]],
                "settings": [column["cells"][place] for column in columns],
                "curve": curve_id(curves, row["rank"]),
            }
            for place, row in enumerate(members)
        ]
        parts.append(
            {
                "title": members[0]["title"],
                "data": members[0]["data"],
                "label": metric_label(members[0]["metric"]),
                "columns": columns,
                "rows": shown,
                "scored": scored_text(members),
                "plot": draw_curves(curves, members),
            }
        )
    page = page_environment().get_template("compare.html.j2")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page.render(groups=parts, unreadable=unreadable))
    return path


def _link(run: Run, folder: Path) -> str | None:
    """Return the address of a run's report seen from `folder`, or None where it has none."""
    if not run.report_path.is_file():
        return None
    return quote(Path(os.path.relpath(run.report_path.resolve(), folder.resolve())).as_posix())
