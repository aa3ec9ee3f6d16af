"""The commands that train nothing: they use finished runs, data sets and lessons.

TensorFlow is loaded only by those that predict or explain.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from practicals.common.asked import check_asked, load_data, reader, refuse_unread, row_to_explain
from practicals.common.catalog import CATALOG, find_practical
from practicals.common.console import say, warn
from practicals.common.errors import DataError, PracticalError, RunError
from practicals.common.explain.explanation import Explanation, read_explanations
from practicals.common.files import all_or_nothing, write_text
from practicals.common.run import Run, find_run, finished_runs
from practicals.common.text import explanation_text
from practicals.common.workflow import load_lesson, saved_config

EXPORTS = {"savedmodel": "{name}_savedmodel", "onnx": "{name}.onnx"}
"""What is made without `--output`."""


def predict_command(options: argparse.Namespace) -> int:
    """`practicals predict WHICH INPUT...`: one line per row of the user's files, in their order."""
    run = find_run(options.which, options.runs, tuple(CATALOG))
    lesson = load_lesson(find_practical(run.practical))
    from practicals.common.training import load_model

    read = reader(lesson, run, options)
    model = load_model(run.model_path)
    rows = read(model)
    named = lesson.identify(rows)
    if not len(named):
        raise DataError(f"predict {run.practical}: nothing is left to recommend, since all of it is rated already.")
    table = named.join(lesson.predict(model, rows))
    if options.json:
        print(json.dumps({"predictions": json.loads(table.to_json(orient="records", double_precision=6))}, indent=2))
        refuse_unread(table)
        return 0
    text = table.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    if options.output is not None:
        if options.output.suffix == ".svg":
            raise DataError(f"{options.output}: is the name of a picture; --output needs that of a CSV file.")
        write_output(options.output, text)
        say(f"{len(table)} predictions: {options.output}")
        if hasattr(lesson, "draw"):
            picture = options.output.with_suffix(".svg")
            write_output(picture, lesson.draw(model, rows))
            say(f"plot: {picture}")
    else:
        sys.stdout.write(text)
    refuse_unread(table)
    return 0


def write_output(path: Path, text: str) -> None:
    """Write the file that `--output` names.

    Raises:
        DataError: it cannot be written; a file of before is kept.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; --output needs the name of a file.")
    try:
        write_text(path, text)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}). Choose another with --output FILE.") from None


def notebook_command(options: argparse.Namespace) -> int:
    """`practicals notebook NAME`: write the lesson as a notebook."""
    from practicals.common.notebook import write_notebook

    path = write_notebook(find_practical(options.name), options.output)
    print(json.dumps({"notebook": str(path)}) if options.json else path)
    return 0


def report_command(options: argparse.Namespace) -> int:
    """`practicals report WHICH`: rebuild report.html from the run folder."""
    run = find_run(options.which, options.runs, tuple(CATALOG))
    path = rebuild_report(run)
    print(json.dumps({"run": str(run.folder), "report": str(path)}) if options.json else path)
    return 0


def export_command(options: argparse.Namespace) -> int:
    """`practicals export WHICH`: the run's model in another form, checked on rows of the run's data."""
    run = find_run(options.which, options.runs, tuple(CATALOG))
    path = options.output or Path(EXPORTS[options.format].format(name=run.practical))
    if os.path.lexists(path):  # before TensorFlow is loaded
        raise RunError(f"{path}: is there already. Choose another with --output PATH.")
    lesson = load_lesson(find_practical(run.practical))
    from practicals.common.export import CHECKED_ROWS, asked_for, export_model, export_text, made_up_rows
    from practicals.common.training import load_model

    model = load_model(run.model_path)
    try:
        rows = load_data(run, lesson, saved_config(run, lesson)).test[:CHECKED_ROWS]
        blocks, checked = asked_for(lesson.predict, model, rows), "test rows"
    except PracticalError as error:
        say(f"The run's data cannot be had, so the check is made with made-up rows. {error}")
        blocks, checked = made_up_rows(model), "made-up rows"
    made = export_model(model, options.format, path, blocks)
    if options.json:
        print(json.dumps({"run": str(run.folder), "path": str(path), "checked_on": checked, **made}, indent=2))
    else:
        print(export_text(made, checked))
        print(path)
    return 0


def rebuild_report(run: Run) -> Path:
    """Write the report of a finished run and return its path.

    Raises:
        RunError: the run's files do not go together. They once did, so one has been changed since.
    """
    from practicals.common.report.page import build_report

    try:
        return build_report(run)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{run.folder}: no report can be made of its files ({type(error).__name__}: {error}). "
            "One of them is damaged or was changed; run the practical again."
        ) from error


def explain_command(options: argparse.Namespace) -> int:
    """`practicals explain WHICH`: explain a run's model again, or another row of it, and rebuild its report."""
    run = find_run(options.which, options.runs, tuple(CATALOG))
    lesson = load_lesson(find_practical(run.practical))
    check_asked(lesson, run, options)
    config = saved_config(run, lesson)
    from practicals.common.training import load_model, prepare

    prepare(config.seed, deterministic=config.deterministic)
    model = load_model(run.model_path)
    split = load_data(run, lesson, config)
    row = row_to_explain(lesson, run, model, split, options)
    found = lesson.explain(model, split, config, row=row, methods=tuple(options.method or lesson.METHODS))
    with all_or_nothing(run.folder, run.explanations_folder, run.plots_folder, run.report_path):
        for name, explanation in found.items():
            explanation.write(run, name)
        forget_other_rows(run, found)
        rebuild_report(run)
    if options.json:
        shown = {
            name: {**explanation.to_json(), "swarm": None, "window": None, "picture": None}
            for name, explanation in found.items()
        }
        print(json.dumps({"run": str(run.folder), "explanations": shown}, indent=2))
    else:
        print("\n\n".join(explanation_text(explanation) for explanation in found.values()))
        print(f"report: {run.report_path}")
    return 0


def forget_other_rows(run: Run, found: Mapping[str, Explanation]) -> None:
    """Remove older explanations of a row other than the one in `found`: a report is about one row."""
    subjects = {explanation.subject for explanation in found.values() if explanation.scope == "row"}
    for name, explanation in read_explanations(run).items():
        if subjects and explanation.scope == "row" and explanation.subject not in subjects:
            (run.explanations_folder / f"{name}.json").unlink()
            (run.plots_folder / f"{name}.svg").unlink(missing_ok=True)


def data_command(options: argparse.Namespace) -> int:
    """`practicals data [NAME...]`: fetch, verify, show licence and place; with `--to` for a class too."""
    from practicals.common.data.cards import load_card
    from practicals.common.data.fetch import fetch_report

    if options.all and options.names:
        raise DataError(f"data: {options.names[0]} or --all, not both.")
    names = options.names or list(CATALOG)
    cards = dict.fromkeys(card for name in names for card in CATALOG[name].cards)
    if options.to is not None:
        return _share(list(cards), options)
    reports: list[dict[str, Any]] = []
    problems: list[DataError] = []
    for card in cards:
        try:
            reports.append(fetch_report(load_card(card)))
        except DataError as error:
            problems.append(error)  # one that cannot be had does not keep the others away
    if options.json:
        print(json.dumps({"data": reports}, indent=2))
    for report in [] if options.json else reports:
        print(f"{report['name']}: {report['title']}, {report['rows']:,} {report['things']}, {report['status']}")
        for field in ("path", "licence", "terms", "citation"):
            print(f"  {field:<9} {report[field]}")
    for problem in problems[1:]:
        warn(f"error: {problem}")
    if problems:
        raise problems[0]
    return 0


def _share(cards: list[str], options: argparse.Namespace) -> int:
    """Fill a class folder; what could not be had is an error, what may not be shared is only named."""
    from practicals.common.sharing import share_data, shared_text

    shared = share_data(cards, options.to)
    print(json.dumps(shared, indent=2) if options.json else shared_text(shared, options.to))
    for problem in shared["missing"][1:]:
        warn(f"error: {problem['reason']}")
    if shared["missing"]:
        raise DataError(shared["missing"][0]["reason"])
    return 0


def _path_text(value: Any) -> str:
    """Return what stands in JSON for a run: its folder."""
    return str(value.folder if isinstance(value, Run) else value)


def compare_command(options: argparse.Namespace) -> int:
    """`practicals compare [WHICH...]`: a table in the terminal and `compare.html` beside the runs."""
    from practicals.common.report.compare import compare_runs, comparison_text, write_compare_page

    runs: list[Run] = []
    for which in options.which or CATALOG:
        if which in CATALOG:
            runs += finished_runs(options.runs, which, with_seeds=True)
        else:
            runs.append(find_run(which, options.runs, tuple(CATALOG)))
    if not runs:
        raise RunError(f"{options.runs}: no finished run to compare. Make one with `practicals run NAME`.")
    rows = compare_runs(runs)
    page = write_compare_page(rows, options.runs / "compare.html")
    if options.json:
        print(json.dumps({"runs": rows, "page": str(page)}, indent=2, default=_path_text))
    else:
        print(comparison_text(rows))
        print(f"page: {page}")
    return 0
