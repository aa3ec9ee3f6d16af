"""`make bench ARGS=--scores`: the detailed tables of scores in the README, with the other networks of each practical.

(`make results` writes the first table there, from finished runs; these also need variations of the settings, and the
good messages blocked over all folds.)
"""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from practicals.common.cli import main as practicals
from practicals.common.message_scores import share_interval
from practicals.common.run import finished_runs

ONE_STEP = ["horizon=1", "loss=mse", "ridge_penalty=10"]
"""The best settings for one step ahead, chosen on validation parts."""


def print_scores(seeds: int) -> int:
    """Run every practical over folds or seeds, as a user would; return the first exit code that is not 0."""
    for sets in ((), ("model=lstm",), ("model=course",)):
        message_folds(*sets)
    for sets in ((), ("rows=user",), ("model=course",)):
        rating_folds(*sets)
    runs: tuple[tuple[str, int, Sequence[str]], ...] = (
        ("churn", seeds, ()),
        ("regression", 5, ("compare_losses=false",)),
        ("regression", 5, ("compare_losses=false", "dataset=fake_reg")),
        ("cats_dogs", 3, ()),
        ("cats_dogs", 3, ("model=course",)),
        ("cats_dogs", 3, ("model=transfer",)),
        ("web_traffic", 3, ()),
        ("web_traffic", 3, ("model=lstm",)),
        ("web_traffic", 3, ONE_STEP),
    )
    for name, number, sets in runs:
        arguments = ["run", name, "--seeds", str(number), *settings("ladder=false", *sets)]
        print(f"\npracticals {' '.join(arguments)}")
        with tempfile.TemporaryDirectory() as folder:
            if code := practicals([*arguments, "--runs", folder, "--quiet"]):
                return code
    return 0


def settings(*sets: str) -> list[str]:
    return [word for one in sets for word in ("--set", one)]


def run_folds(name: str, folds: Sequence[str], *sets: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Run a practical on each fold and return metrics and summary of each.

    Raises:
        SystemExit: a run failed.
    """
    found = []
    with tempfile.TemporaryDirectory() as runs:
        for fold in folds:
            arguments = settings("ladder=false", *sets, f"split.fold={fold}")
            with contextlib.redirect_stdout(io.StringIO()):
                if code := practicals(["run", name, *arguments, "--runs", f"{runs}/{fold}", "--quiet"]):
                    raise SystemExit(code)
            (run,) = finished_runs(Path(runs, fold), name)
            found.append((run.metrics(), run.summary()))
    return found


def message_folds(*sets: str) -> None:
    """The five folds of the SMS lesson: mean and deviation of the score, and good messages blocked over all folds."""
    found = run_folds("sms_spam", [str(fold) for fold in range(5)], "split.folds=5", *sets)
    print(f"\nsms_spam, 5 folds {' '.join(sets)}")
    tests = [{**metrics["baselines"], "network": metrics["test"]} for metrics, _ in found]
    for name in tests[0]:
        rows = [row for _, summary in found for row in summary["blocking"]["rows"] if row["name"] == name]
        blocked, ham = sum(row["ham_blocked"] for row in rows), sum(row["ham"] for row in rows)
        caught, spam = sum(row["spam_blocked"] for row in rows), sum(row["spam"] for row in rows)
        told = f"Matthews {plus_minus([one[name]['mcc'] for one in tests])}"
        if ham:
            low, high = share_interval(blocked, ham)
            told += f"  ham blocked {blocked} of {ham} = {blocked / ham:.3%} ({low:.2%} to {high:.2%})"
            told += f"  spam blocked {caught / spam:.3f}"
        print(f"  {name:<36} {told}")


def rating_folds(*sets: str) -> None:
    """The five folds of MovieLens 100K: error and order of the lists on the test part, beside the opponents."""
    found = run_folds("recommender", ["u1", "u2", "u3", "u4", "u5"], "data=real", "depths=false", *sets)
    print(f"\nrecommender, u1 to u5 {' '.join(sets)}")
    tests = [{"network": metrics["test"], **metrics["baselines"]} for metrics, _ in found]
    for name in tests[0]:
        told = ""
        for what, title in (("rmse", "RMSE"), ("ndcg_at_10", "NDCG at 10")):
            scores = [one[name][what] for one in tests if what in one[name]]
            if scores:
                told += f"  {title} {plus_minus(scores)} (u1 {scores[0]:.4f})"
        print(f"  {name:<22}{told}")


def plus_minus(scores: Sequence[float]) -> str:
    return f"{statistics.fmean(scores):.4f} ± {statistics.stdev(scores):.4f}"
