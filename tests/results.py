"""The README's table of results, from finished run folders: `python tests/results.py RUNS`, or `make results RUNS=...`.

It folds all finished runs of a practical below RUNS, which must differ in nothing but seed and division, writes what
was measured to `tests/results.yaml`, and the table of all that stands there into the README. What others have published
is written by hand in that file and kept.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from practicals.common.catalog import CATALOG
from practicals.common.config import flatten, read_yaml
from practicals.common.files import write_text
from practicals.common.metrics import best_baseline
from practicals.common.report.words import digits_of, metric_label, number
from practicals.common.run import Run, finished_runs

MEASURED = Path(__file__).with_name("results.yaml")
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- results -->\n", "<!-- /results -->\n"
DIVISION = ("seed", "split.seed", "split.fold")
"""Settings in which the runs of one figure may differ."""


def fold(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what the runs of one practical measured together: scores, best baseline, minutes, and the command.

    Raises:
        SystemExit: they are on a sample, on different data, of different settings, or one is there twice.
    """
    divided = [tuple(str(flatten(read_yaml(run.config_path)).get(name)) for name in DIVISION) for run in runs]
    runs = [run for _, run in sorted(zip(divided, runs, strict=True), key=lambda one: one[0])]
    if len(set(divided)) < len(runs):
        sys.exit(f"{runs[0].folder.parent}: two runs have the same seed and division; one figure would count twice.")
    settings = [{k: v for k, v in flatten(read_yaml(run.config_path)).items() if k not in DIVISION} for run in runs]
    metrics, data = [run.metrics() for run in runs], {run.environment()["data"]["sha256"] for run in runs}
    if any(one["data"] != "real" for one in metrics) or len(data) > 1 or any(one != settings[0] for one in settings):
        sys.exit(f"{runs[0].folder.parent}: the runs differ in settings or data, or are not on the real data.")
    primary = metrics[0]["primary"]
    name, direction = primary["metric"], primary["direction"]
    of_all = {
        baseline: {name: statistics.fmean(one["baselines"][baseline][name] for one in metrics)}
        for baseline, scores in metrics[0]["baselines"].items()
        if name in scores
    }
    best = best_baseline(of_all, name, direction)
    return {
        "command": with_runs(runs[0]),
        "metric": metric_label(name, primary.get("unit") or ""),
        "runs": len(runs),
        "network": spread([one["test"][name] for one in metrics]),
        "baseline": best,
        "baseline_score": spread([one["baselines"][best][name] for one in metrics]),
        "better": sum(one["verdict"]["result"] == "better" for one in metrics),
        "worse": sum(one["verdict"]["result"] == "worse" for one in metrics),
        # Of the fastest run, beside which the machine had the least else to do.
        "minutes": round(min(one["seconds"]["total"] for one in metrics) / 60, 2),
    }


def with_runs(run: Run) -> str:
    """Return the command of a run, without where its folder is."""
    words = run.environment()["command"].split()
    for option, values in (("--runs", 1), ("--quiet", 0), ("--json", 0)):
        while option in words:
            place = words.index(option)
            del words[place : place + 1 + values]
    return " ".join(words)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.fmean(values), 6), "deviation": round(deviation, 6)}


def table(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table as Markdown, practicals in the order of the catalog."""
    lines = [
        "| practical | score on test rows | network | best baseline, same rows | verdicts | published, with protocol | "
        "minutes a run |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in CATALOG:
        if (one := measured.get(name)) is None:
            continue
        even = one["runs"] - one["better"] - one["worse"]
        counts = {"better": one["better"], "no clear difference": even, "worse": one["worse"]}
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        cells = [
            f"[{name}](practicals/{name}.py)",
            f"{one['metric']}, {one['runs']} runs",
            f"**{plus_minus(one['network'])}**",
            f"{one['baseline']}: {plus_minus(one['baseline_score'])}",
            verdicts,
            " ".join(one["published"].split()),
            f"{one['minutes']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    commands = "; ".join(f"`{measured[name]['command']}`" for name in CATALOG if name in measured)
    lines.append(
        f"\nMean ± standard deviation over seeds or folds, each with its own verdict. From {commands}, with every seed "
        "or fold; minutes of the fastest run, on 2 cores and without the ladder."
    )
    return "\n".join(lines) + "\n"


def plus_minus(score: Mapping[str, float]) -> str:
    """Return "0.8723 ± 0.0081", both with as many decimals as the mean is worth."""
    digits = digits_of(score["mean"])
    return f"{number(score['mean'], digits)} ± {number(score['deviation'], digits)}"


def in_readme(text: str, shown: str) -> str:
    """Return the README with this table in the place of the one before."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{shown}{END}{after}"


def main(root: Path) -> None:
    """Fold what is below `root` and write both files."""
    measured = yaml.safe_load(MEASURED.read_text(encoding="utf-8"))
    for name in CATALOG:
        if runs := finished_runs(root, name, with_seeds=True):
            measured[name] = {"published": measured[name]["published"], **fold(runs)}
            print(f"{name}: {len(runs)} runs")
    head = "# Written by tests/results.py from finished runs, but for `published`, which is written by hand.\n"
    write_text(MEASURED, head + yaml.safe_dump(measured, sort_keys=False, allow_unicode=True, width=110))
    measured = {name: one for name, one in measured.items() if "network" in one}
    write_text(README, in_readme(README.read_text(encoding="utf-8"), table(measured)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
