"""What is asked of the commands of every lesson."""

from __future__ import annotations

from pathlib import Path

import pytest

from practicals.common.cli import main
from practicals.common.run import Run

FILES = {
    "config.yaml", "environment.json", "history.csv", "model.keras", "predictions.csv", "baselines.csv",
    "report.html", "metrics.json", "summary.json", "training_state.npz",
    "checkpoints/best.weights.h5", "checkpoints/last.weights.h5",
}  # fmt: skip


def assert_whole(run: Run, *more: str) -> None:
    """Check that the folder of a run on the built-in sample holds every file, these too, and no temporary one."""
    names = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    assert FILES | {*more} <= names
    assert not [name for name in names if Path(name).name.startswith(".")]
    assert "Built-in sample." in run.report_path.read_text()
    assert run.metrics()["data"] == "sample"


def refused_in_one_line(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must end with exit code 2 and one line that says why, and return that line."""
    capsys.readouterr()
    assert main(list(map(str, arguments))) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and captured.err.splitlines()[-1:] == lines, captured.err
    assert captured.out == "" and "Traceback" not in captured.err
    return lines[0]
