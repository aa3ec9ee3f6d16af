"""What was measured, as lines of `tests/bench.yaml` and of the table in the README."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from practicals.common.files import write_text

MEASURED = Path(__file__).parents[1] / "bench.yaml"
README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->\n"
GROUPS = {
    "score": "Time to the notebook's score",
    "prediction": "Prediction of many rows",
    "explanation": "Explanations",
    "input": "Reading",
    "program": "The program",
}
"""Kind of a line -> its heading in the table, in the order of the table."""


@dataclass(frozen=True)
class Line:
    """Two ways to the same end, measured one after the other on the same machine."""

    group: str
    """One of `GROUPS`."""
    what: str
    opponent: str
    ours: float | None
    """Seconds; None where the goal was never reached."""
    theirs: float
    """Seconds of the opponent."""
    how: str
    """Such as "best of 3" or "mean of 3 seeds"."""

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the opponent; below 1 is slower, None never arrived."""
        return None if self.ours is None else self.theirs / self.ours

    def verdict(self) -> str:
        """Return the ratio in words, such as "12 times as fast"; what is slower is said to be so."""
        if self.ratio is None:
            return "**not reached**"
        if self.ratio < 1:
            return f"**slower**: {min(self.ratio, 0.99):.2f} times as fast"
        return f"{self.ratio:.{0 if self.ratio >= 10 else 1}f} times as fast"


def conditions(*, smoke: bool, idle: bool) -> dict[str, Any]:
    """Return what a figure depends on: the machine, the versions, and whether it may be taken for one at all."""
    return {
        "processor": processor(),
        "python": platform.python_version(),
        "tensorflow": metadata.version("tensorflow"),
        "keras": metadata.version("keras"),
        "idle": idle,
        "smoke": smoke,
    }


def processor() -> str:
    """Return the name of the processor, or its kind where the system does not tell the name."""
    told = Path("/proc/cpuinfo")
    names = [line for line in told.read_text().splitlines() if line.startswith("model name")] if told.exists() else []
    name = names[0].partition(":")[2].strip() if names else ""
    return name if name and name != "unknown" else platform.machine()


def read_measured() -> dict[str, Any]:
    """Return part -> its conditions and lines."""
    return yaml.safe_load(MEASURED.read_text(encoding="utf-8")) or {} if MEASURED.exists() else {}


def entry(lines: Sequence[Line], circumstances: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of one part, ready for YAML; seconds with four digits, which is more than they are worth."""
    kept = [
        {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in asdict(line).items()}
        for line in lines
    ]
    return {"conditions": dict(circumstances), "lines": kept}


def write_measured(measured: Mapping[str, Any], order: Sequence[str]) -> None:
    """Write the figures and the README's table of them; `order` names all parts."""
    ordered = {name: measured[name] for name in order if name in measured}
    head = "# Written by `make bench`. Seconds; `ours` is null where the opponent's score was not reached.\n"
    write_text(MEASURED, head + yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=110))
    write_text(README, in_readme(README.read_text(encoding="utf-8"), table(ordered)))


def table(measured: Mapping[str, Any]) -> str:
    """Return the table as Markdown, what is alike together, with the conditions below it."""
    lines = [Line(**line) for part in measured.values() for line in part["lines"]]
    shown = [
        "| what | this package | opponent | its time | this package is | measured as |",
        "|---|---|---|---|---|---|",
    ]
    for group, heading in GROUPS.items():
        of_group = [line for line in lines if line.group == group]
        if of_group:
            shown.append(f"| **{heading}** | | | | | |")
        for line in of_group:
            cells = [line.what, in_seconds(line.ours), line.opponent, in_seconds(line.theirs), line.verdict(), line.how]
            shown.append(f"| {' | '.join(cells)} |")
    return "\n".join([*shown, "", told_conditions(measured)]) + "\n"


def in_seconds(seconds: float | None) -> str:
    """Return "0.32 s", "4.1 s", "87 s", "12 ms", or a dash where there is none."""
    if seconds is None:
        return "–"
    if seconds < 0.1:
        return f"{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"
    return f"{seconds:.{0 if seconds >= 10 else 1 if seconds >= 1 else 2}f} s"


def told_conditions(measured: Mapping[str, Any]) -> str:
    """Say on what the figures were taken; parts that were taken elsewhere are named."""
    groups: dict[str, list[str]] = {}
    for name, part in measured.items():
        groups.setdefault(one_condition(part["conditions"]), []).append(name)
    if len(groups) == 1:
        return f"Measured by `make bench` {next(iter(groups))}."
    return " ".join(f"Measured by `make bench` {told}: {', '.join(names)}." for told, names in groups.items())


def one_condition(found: Mapping[str, Any]) -> str:
    """Return "on CPU (2 cores), its name, with Python 3.11.9, ...", and why the figures may count for nothing."""
    told = (
        f"on {found['device']}, {found['processor']}, with Python {found['python']}, TensorFlow {found['tensorflow']} "
        f"and Keras {found['keras']}"
    )
    if found["smoke"]:
        told += ", **with tiny settings: no figure counts**"
    if not found["idle"]:
        told += ", **while the machine was busy with other work**"
    return told


def in_readme(text: str, shown: str) -> str:
    """Return the README with this table in the place of the one before.

    Raises:
        SystemExit: the markers of the place are missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md: {BEGIN.strip()} or {END.strip()} is missing. Put both where the table goes.")
    return f"{before}{BEGIN}{shown}{END}{after}"
