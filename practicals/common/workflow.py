"""What each command does, for every lesson alike. TensorFlow is loaded only by those that train or predict."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from practicals.common.catalog import CATALOG, Practical, find_practical
from practicals.common.config import PracticalConfig, load_config, read_yaml
from practicals.common.console import quiet_native_stderr, say, warn
from practicals.common.environment import describe_environment
from practicals.common.errors import ConfigError, DataError, PracticalError, RunError
from practicals.common.files import write_json, write_text
from practicals.common.report.words import metric_label, verdict_sentence
from practicals.common.run import Run, Scores, find_run, finished_runs


def load_lesson(practical: Practical) -> ModuleType:
    """Import a lesson, and TensorFlow with it, without the messages that TensorFlow's C++ part writes on start."""
    with quiet_native_stderr():
        lesson = practical.module()
        from practicals.common.training import prepare

        prepare(0)
    return lesson


def config_class(lesson: ModuleType) -> type[PracticalConfig]:
    """Return the lesson's own settings class."""
    return next(
        value
        for value in vars(lesson).values()
        if isinstance(value, type) and issubclass(value, PracticalConfig) and value.__module__ == lesson.__name__
    )


def read_config(options: argparse.Namespace, lesson: ModuleType) -> PracticalConfig:
    """Return the settings that the options of `run` or `tune` ask for."""
    chosen: dict[str, tuple[str, Any]] = {}
    if options.seed is not None:
        chosen["seed"] = (f"--seed {options.seed}", options.seed)
    if options.data is not None:
        chosen["data"] = (f"--data {options.data}", options.data)
    if options.deterministic:
        chosen["deterministic"] = ("--deterministic", True)
    return load_config(
        config_class(lesson), options.name, file=options.config, smoke=options.smoke, sets=options.sets, options=chosen
    )


def saved_config(run: Run, lesson: ModuleType) -> PracticalConfig:
    """Return the settings that a run was made with."""
    return config_class(lesson).from_values(read_yaml(run.config_path), str(run.config_path))


def train(practical: Practical, lesson: ModuleType, config: PracticalConfig, run: Run) -> Scores:
    """Make one whole run in its folder: train, score, explain, report; `metrics.json` comes last."""
    from practicals.common.report.page import build_report
    from practicals.common.training import prepare

    began = time.perf_counter()
    device = prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    say(f"{practical.name}: seed {config.seed}, {device}")
    if not run.config_path.exists():
        run.write_config(config.to_yaml())
        run.write_environment(describe_environment(practical, config, device, shlex.join(sys.argv[1:])))
    scores: Scores = lesson.main(config, run)
    run.count_earlier_scorings()
    metrics = {
        "practical": practical.name,
        "data": run.environment()["data"]["kind"],
        "seed": config.seed,
        "train": scores.train,
        "validation": scores.validation,
        "test": scores.test,
        "baselines": scores.baselines,
        "primary": {"metric": scores.primary, "direction": scores.direction},
        "verdict": scores.verdict,
        "epochs": scores.epochs,
        "seconds": {"fit": scores.fit_seconds, "total": round(time.perf_counter() - began, 3)},
    }
    build_report(run, metrics)
    run.write_metrics(metrics)
    return scores


@contextmanager
def kept_for_resume(run: Run, command: str) -> Iterator[None]:
    """Name the command that continues an interrupted run; remove a folder in which nothing has been trained yet."""
    try:
        yield
    except KeyboardInterrupt:
        if run.state_path.exists():
            warn(f"interrupted: what was done is kept. Continue with: {command}")
        else:
            shutil.rmtree(run.folder, ignore_errors=True)
        raise
    except PracticalError:
        if not run.state_path.exists():
            shutil.rmtree(run.folder, ignore_errors=True)
        raise


def run_command(options: argparse.Namespace) -> int:
    """`practicals run NAME`: train, report, print the verdict."""
    practical = find_practical(options.name)
    if options.resume:
        run = open_interrupted(options)
    lesson = load_lesson(practical)
    config = saved_config(run, lesson) if options.resume else read_config(options, lesson)
    if options.seeds:
        return run_seeds(options, practical, lesson, config)
    if not options.resume:
        run = Run.create(options.runs, practical.name)
    with kept_for_resume(run, f"practicals run {practical.name} --resume {run.folder}"):
        scores = train(practical, lesson, config, run)
    if options.json:
        print(json.dumps({"run": str(run.folder), **run.metrics()}, indent=2))
    else:
        print(scores_table(scores))
        print(f"\n{verdict_sentence(run.metrics())}")
        print(f"report: {run.report_path}")
    return 0


def open_interrupted(options: argparse.Namespace) -> Run:
    """Return the run that `--resume` names.

    Raises:
        RunError: it is of another practical, or has finished.
        ConfigError: settings were given as well, which an exact continuation cannot take.
    """
    given = [name for name in ("config", "sets", "data", "seeds") if getattr(options, name)]
    if given or options.seed is not None or options.smoke or options.deterministic:
        raise ConfigError("--resume: continues with the run's own settings; leave out all other settings.")
    run = Run.open(options.resume, finished=False)
    if run.practical != options.name:
        raise RunError(f"{run.folder}: is a run of {run.practical}, not of {options.name}.")
    if run.metrics_path.exists():
        raise RunError(f"{run.folder}: has already finished; its report is {run.report_path}.")
    return run


def run_seeds(options: argparse.Namespace, practical: Practical, lesson: ModuleType, config: PracticalConfig) -> int:
    """`--seeds N`: one folder with a sub-folder per seed, and mean, standard deviation and N over them."""
    parent = Run.create(options.runs, practical.name, kind="seeds").folder
    every: list[Scores] = []
    for seed in range(config.seed, config.seed + options.seeds):
        run = Run.at(parent / f"seed-{seed}")
        with kept_for_resume(run, f"practicals run {practical.name} --seed {seed}"):
            every.append(train(practical, lesson, config.with_changes({"seed": seed}, f"--seeds {options.seeds}"), run))
    summary = {"practical": practical.name, "seeds": options.seeds, **summarise(every)}
    write_json(parent / "summary.json", summary)
    if options.json:
        print(json.dumps({"run": str(parent), **summary}, indent=2))
    else:
        print(seeds_table(summary))
        print(f"runs: {parent}")
    return 0


def summarise(every: list[Scores]) -> dict[str, Any]:
    """Return mean and standard deviation of each test score, and of the paired difference to each baseline."""
    names = list(every[0].baselines)
    metrics = list(every[0].test)

    def spread(values: list[float]) -> dict[str, float]:
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return {
            "mean": statistics.fmean(values),
            "standard_deviation": deviation,
            "standard_error": deviation / len(values) ** 0.5,
        }

    return {
        "primary": {"metric": every[0].primary, "direction": every[0].direction},
        "network": {metric: spread([one.test[metric] for one in every]) for metric in metrics},
        "baselines": {
            name: {metric: spread([one.baselines[name][metric] for one in every]) for metric in metrics}
            for name in names
        },
        "network_minus_baseline": {
            name: {
                metric: spread([one.test[metric] - one.baselines[name][metric] for one in every]) for metric in metrics
            }
            for name in names
        },
    }


def seeds_table(summary: Mapping[str, Any]) -> str:
    """Return the summary over seeds as text: mean ± standard deviation, paired differences ± standard error."""
    metrics = list(summary["network"])
    rows = [["test scores", *map(metric_label, metrics)]]
    for name, scores in [*summary["baselines"].items(), ("network", summary["network"])]:
        rows.append([name, *(f"{scores[m]['mean']:.4f} ± {scores[m]['standard_deviation']:.4f}" for m in metrics)])
    for name, scores in summary["network_minus_baseline"].items():
        rows.append(
            [f"network - {name}", *(f"{scores[m]['mean']:+.4f} ± {scores[m]['standard_error']:.4f}" for m in metrics)]
        )
    note = f"{summary['seeds']} seeds; scores ± standard deviation, paired differences ± standard error"
    return f"{_columns(rows)}\n{note}"


def scores_table(scores: Scores) -> str:
    """Return the network's test scores below those of the baselines on the same rows."""
    rows = [["test scores", *map(metric_label, scores.test)]]
    for name, values in [*scores.baselines.items(), ("network", scores.test)]:
        rows.append([name, *(f"{values[metric]:.4f}" for metric in scores.test)])
    return _columns(rows)


def _columns(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = row
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def predict_command(options: argparse.Namespace) -> int:
    """`practicals predict WHICH INPUT...`: one line per row of the user's files, in their order."""
    run = find_run(options.which, options.runs, tuple(CATALOG))
    lesson = load_lesson(find_practical(run.practical))
    from practicals.common.training import load_model

    model = load_model(run.model_path)
    rows = lesson.read_inputs(model, options.inputs)
    answer = lesson.predict(model, rows)
    identifiers = [column for column in lesson.IDENTIFIERS if column in rows]
    table = rows[identifiers].join(answer) if identifiers else answer.rename_axis("row").reset_index()
    if options.json:
        print(json.dumps({"predictions": json.loads(table.to_json(orient="records", double_precision=6))}, indent=2))
        return 0
    text = table.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    if options.output:
        write_text(options.output, text)
        say(f"{len(table)} predictions: {options.output}")
    else:
        sys.stdout.write(text)
    return 0


def notebook_command(options: argparse.Namespace) -> int:
    """`practicals notebook NAME`: write the lesson as a notebook."""
    from practicals.common.notebook import write_notebook

    print(write_notebook(find_practical(options.name), options.output))
    return 0


def report_command(options: argparse.Namespace) -> int:
    """`practicals report WHICH`: rebuild report.html from the run folder."""
    from practicals.common.report.page import build_report

    print(build_report(find_run(options.which, options.runs, tuple(CATALOG))))
    return 0


def explain_command(options: argparse.Namespace) -> int:
    """`practicals explain WHICH`: explain a run's model again, or another row of it, and rebuild its report."""
    run = find_run(options.which, options.runs, tuple(CATALOG))
    lesson = load_lesson(find_practical(run.practical))
    config = saved_config(run, lesson)
    from practicals.common.report.page import build_report
    from practicals.common.training import load_model, prepare

    prepare(config.seed, deterministic=config.deterministic)
    model = load_model(run.model_path)
    split = lesson.load(config)
    run.check_data(split.facts)
    row = None
    if options.input:
        row = lesson.read_inputs(model, [options.input]).head(1)
    elif options.row:
        row = row_by_id(split, options.row)
    found = lesson.explain(model, split, config, row=row, methods=tuple(options.method or lesson.METHODS))
    for name, explanation in found.items():
        explanation.write(run, name)
    build_report(run)
    if options.json:
        shown = {name: {**explanation.to_json(), "swarm": None} for name, explanation in found.items()}
        print(json.dumps({"run": str(run.folder), "explanations": shown}, indent=2))
    else:
        print("\n\n".join(explanation_text(explanation) for explanation in found.values()))
        print(f"report: {run.report_path}")
    return 0


def row_by_id(split: Any, wanted: str) -> Any:
    """Return the row with this id (its number in the source file), as a table of one row.

    Raises:
        DataError: no part has it.
    """
    for _, rows in split.items():
        found = rows[rows.index.astype(str) == wanted]
        if len(found):
            return found
    largest = max(rows.index.max() for _, rows in split.items())
    raise DataError(f"--row {wanted}: there is no such row. Ids are row numbers of the source file, 0 to {largest}.")


def explanation_text(explanation: Any) -> str:
    """Return an explanation as text: what moved the prediction, largest first, and how far to trust it."""
    of = f"row {explanation.subject}" if explanation.scope == "row" else "all rows on average"
    rows = [["feature", "value", "contribution"]]
    for one in explanation.attributions:
        sign = "+" if explanation.scope == "row" else ""
        rows.append([one.feature, one.value_text, f"{one.contribution:{sign}.4f}"])
    checks = [f"{'passed' if check.passed else 'FAILED'}: {check.sentence}" for check in explanation.checks]
    head = (
        f"{explanation.method.upper()}, {of}: prediction {explanation.prediction:.4f}, "
        f"base value {explanation.base_value:.4f} ({explanation.unit})"
    )
    return "\n".join([head, _columns(rows), *checks])


def data_command(options: argparse.Namespace) -> int:
    """`practicals data [NAME...]`: fetch, verify, show licence and place."""
    from practicals.common.data.cards import load_card
    from practicals.common.data.fetch import fetch_report

    names = options.names or list(CATALOG)
    cards = dict.fromkeys(CATALOG[name].card for name in names)
    reports = [fetch_report(load_card(card)) for card in cards]
    if options.json:
        print(json.dumps({"data": reports}, indent=2))
        return 0
    for report in reports:
        print(f"{report['name']}: {report['title']}, {report['rows']:,} rows, {report['status']}")
        for field in ("path", "licence", "terms", "citation"):
            print(f"  {field:<9} {report[field]}")
    return 0


def compare_command(options: argparse.Namespace) -> int:
    """`practicals compare [WHICH...]`: a table in the terminal and `compare.html` beside the runs."""
    from practicals.common.report.compare import compare_runs, comparison_text, write_compare_page

    runs: list[Run] = []
    for which in options.which or CATALOG:
        named = which in CATALOG
        runs += finished_runs(options.runs, which) if named else [find_run(which, options.runs, tuple(CATALOG))]
    if not runs:
        raise RunError(f"{options.runs}: no finished run to compare. Make one with `practicals run churn`.")
    rows = compare_runs(runs)
    print(comparison_text(rows))
    print(f"page: {write_compare_page(rows, options.runs / 'compare.html')}")
    return 0


def doctor_command(options: argparse.Namespace) -> int:
    """`practicals doctor`: what may be wrong with this machine, and what to do about it."""
    from practicals.common.doctor import run_checks

    findings = run_checks(options.runs)
    if options.json:
        print(json.dumps({"findings": [vars(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'MEND'}  {finding.name}: {finding.detail}")
            if finding.remedy:
                print(f"      {finding.remedy}")
    return 0 if all(finding.ok for finding in findings) else 2
