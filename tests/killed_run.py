"""A run that is killed and continued must end in the very numbers of a run in another process that was left alone.

As a program: `killed_run.py run NAME ...` is `practicals run NAME ...`, and dies by SIGKILL after the second epoch.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def assert_ctrl_c_names_what_continues_to_the_same_numbers(
    lesson: ModuleType, arguments: Sequence[str], whole: Any, folder: Path, monkeypatch: Any, capsys: Any
) -> None:
    """Interrupt a run after its first epoch, continue it by the command it names, and compare it with a whole one.

    Args:
        lesson: its module.
        arguments: of `practicals run NAME`, as the whole run was made.
        whole: the Run that was left alone.
        folder: where the run is made.
        monkeypatch: pytest's.
        capsys: pytest's.
    """
    import keras
    import pandas as pd
    import pytest

    from practicals.common.cli import main
    from practicals.common.run import Run
    from practicals.common.training import state

    class Interrupt(keras.callbacks.Callback):
        """Ctrl-C after the first epoch."""

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            raise KeyboardInterrupt

    def interrupted_fit(network: Any, data: Any, config: Any, calls: Any, first: int) -> Any:
        return fit(network, data, config, [*calls, Interrupt()], first)

    name, fit = lesson.__name__.rpartition(".")[2], lesson.fit
    monkeypatch.setattr(state, "Throttle", lambda seconds: SimpleNamespace(restart=bool, due=lambda: True))
    with monkeypatch.context() as patch:
        patch.setattr(lesson, "fit", interrupted_fit)
        assert main(["run", name, *arguments, "--runs", str(folder)]) == 130
    (begun,) = folder.glob(f"{name}/*")
    assert f"practicals run {name} --resume {begun}" in capsys.readouterr().err
    assert not Run(begun).metrics_path.exists()
    assert len(Run(begun).history()) == 1
    assert main(["run", name, "--resume", str(begun), "--quiet"]) == 0
    found = Run(begun)
    pd.testing.assert_frame_equal(found.predictions(), whole.predictions(), atol=1e-5)
    assert found.baselines_path.read_text() == whole.baselines_path.read_text()
    assert found.history()["val_loss"].tolist() == pytest.approx(whole.history()["val_loss"].tolist(), abs=1e-5)


def assert_same_numbers_after_a_kill(folder: Path, run: Sequence[str], explanations: Sequence[str]) -> None:
    """Make the run twice, once killed and continued, and compare every file that holds numbers.

    Args:
        folder: where runs are made.
        run: name of the practical and options of `practicals run`; at least three epochs.
        explanations: names of explanations that are compared too.
    """
    from practicals.common.run import Run, finished_runs

    name = run[0]
    _child("-m", "practicals", "run", *run, "--runs", folder / "whole")
    _child(__file__, "run", *run, "--runs", folder / "parts", expected=-signal.SIGKILL)
    (continued,) = (folder / "parts" / name).iterdir()
    (whole,) = finished_runs(folder / "whole", name)
    before = (continued / "history.csv").read_text().splitlines()
    assert len(before) == 3, "a header and two epochs"
    _child("-m", "practicals", "run", name, "--resume", continued, "--quiet")
    tables = ("history.csv", "predictions.csv", "baselines.csv")
    for file in (*tables, *(f"explanations/{one}.json" for one in explanations)):
        expected, found = ((one / file).read_text() for one in (whole.folder, continued))
        if file.endswith(".json"):
            expected, found = (text.partition('"seconds"')[0] for text in (expected, found))
        assert found == expected, file
    assert whole.history_path.read_text().splitlines()[:3] == before
    metrics = whole.metrics(), Run(continued).metrics()
    assert {**metrics[1], "seconds": 0} == {**metrics[0], "seconds": 0}


def _child(*arguments: object, expected: int = 0) -> None:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=1_200, check=False
    )
    assert done.returncode == expected, done.stderr


def main(arguments: list[str]) -> None:
    import keras

    from practicals.common.cli import main as practicals
    from practicals.common.training import state

    lesson = importlib.import_module(f"practicals.{arguments[1]}")

    class Always:
        """Writes the state in every epoch, not only each few seconds."""

        def __init__(self, seconds: float) -> None: ...

        def restart(self) -> None: ...

        def due(self) -> bool:
            return True

    class Kill(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            if epoch == 1:
                os.kill(os.getpid(), signal.SIGKILL)

    def fit(network, data, config, callbacks=(), initial_epoch=0):
        return whole_fit(network, data, config, [*callbacks, Kill()], initial_epoch)

    state.Throttle = Always
    whole_fit, lesson.fit = lesson.fit, fit
    practicals(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
