"""A lesson's fit that is interrupted after its second epoch and continued by a network that knows nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import keras
import pytest

from practicals.common.callbacks import standard_callbacks
from practicals.common.progress import close_all
from practicals.common.run import Run
from practicals.common.training import state


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C after the second epoch."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == 1:
            raise KeyboardInterrupt


def interrupted_and_continued(
    lesson: ModuleType,
    split: Any,
    config: Any,
    begun: Callable[[Any, Any, int], tuple[keras.Model, keras.Model]],
    folder: Path,
    monitor: str = "val_loss",
) -> keras.Model:
    """Return the network as the second part of its fit leaves it.

    A test that calls this lets pass that Keras leaves history.csv open when a fit fails.

    Args:
        lesson: its module.
        split: its data.
        config: settings with at least three epochs.
        begun: split, settings and seed -> preprocess model and network before the first step.
        folder: where the run is made.
        monitor: the metric that is watched.
    """
    run = Run.at(folder)
    run.write_config(config.to_yaml())
    run.write_environment({"practical": lesson.__name__.rpartition(".")[2]})
    # Neither the initial weights nor the chance of the second part are those of the first: all comes from the file.
    for seed, first, then in ((0, 0, [Interrupt()]), (99, 2, [])):
        preprocess, network = begun(split, config, seed)
        data = lesson.encode(preprocess, split, config)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(state, "Throttle", lambda seconds: SimpleNamespace(restart=bool, due=lambda: True))
            watched = standard_callbacks(
                run, network, data.validation, monitor=monitor, mode="min", patience=0, epochs=config.epochs
            )
        assert watched.state.initial_epoch == first
        try:
            lesson.fit(network, data, config, [*watched.callbacks, *then], watched.state.initial_epoch)
        except KeyboardInterrupt:
            close_all()
    assert run.history()["epoch"].tolist() == list(range(config.epochs))
    return network
