"""What a lesson fits, seen while its data are changed under it.

A lesson runs its own `main` on a small part of its built-in sample: up to where it builds the network, which takes a
moment, or up to where it begins to explain. So a leak is found wherever it is: before the split, in the preprocess
model, in training, in a threshold, in an opponent.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import keras
import numpy as np
import pandas as pd
import pytest

from practicals.common import baselines
from practicals.common.catalog import CATALOG
from practicals.common.config import PracticalConfig, load_config
from practicals.common.data.split import Split
from practicals.common.run import Run
from practicals.common.training import prepare
from practicals.common.workflow import config_class


@dataclass
class Story:
    """What one `main` did."""

    split: Split = None
    model: keras.Model = None
    fitted: dict[str, Any] = field(default_factory=dict)
    """Name -> text or array: all that was learned from data."""
    shown: dict[str, np.ndarray] = field(default_factory=dict)
    """What the network is shown of the test part, and what the model says of it where there is one."""


@dataclass(frozen=True)
class Probe:
    """How the data of one lesson are made small, and changed."""

    name: str
    settings: dict[str, Any]
    reader: str
    """The lesson's function that reads its data, undivided."""
    few: Callable[[Any], Any]
    """Data as read -> a small part of them."""
    relabel: Callable[[Any, Split], Any]
    """Data as read, and how they were divided -> the same with another label in each test row."""
    redraw: Callable[[Any, Split], Any]
    """The same with other features in each test row."""
    splitter: str = ""
    """The lesson's function that divides by label, and would divide in another way if labels change."""
    asked: Callable[[Any], Any] = lambda part: slice(None)
    """The test part -> places in it of what must be answered without a look at any label of the part."""
    repeat: Callable[[Any], Any] = lambda data: data
    """Data as read -> the same with copies, which must stay together; as they are where they hold copies anyway."""
    keys: Callable[[Any], set] = set
    """A part -> what no other part may hold too."""

    @property
    def lesson(self) -> ModuleType:
        return CATALOG[self.name].module()


class EnoughSeenError(Exception):
    """Ends `main`: everything is fitted."""


def tell(
    lesson: ModuleType,
    probe: Probe,
    folder: Path,
    change: Callable | None = None,
    before: Split = None,
    whole: bool = False,
) -> Story:
    """Run a lesson, or a copy of it, up to its network.

    Args:
        lesson: the module.
        probe: of that lesson.
        folder: of the run; made here.
        change: data as read, and `before` by name -> the data that the lesson reads instead.
        before: how the lesson divided the data when nothing was changed.
        whole: also train, choose thresholds and fit the opponents, up to where it explains.
    """
    story = Story()

    def look(split: Split, preprocess: keras.Model, encoded: Split) -> None:
        story.split = split
        story.fitted |= described(preprocess)
        story.fitted |= {f"preprocess {one.path}": np.asarray(one) for one in preprocess.weights}
        for name, part in (("train", encoded.train), ("validation", encoded.validation)):
            story.fitted |= {f"{name} {path}": array for path, array in arrays_in(part)}
        asked = probe.asked(split.test)
        story.shown |= {path: array[asked] for path, array in arrays_in(encoded.test) if path.startswith("0")}

    change = partial(change, before=before) if change else None
    with on_small_data(lesson, probe, folder, change) as (patch, config, run):
        if probe.splitter and before is not None:
            patch.setattr(lesson, probe.splitter, partial(divide_as, before, getattr(lesson, probe.splitter)))
        wrap(patch, lesson, "encode", lambda encoded, preprocess, split, _: look(split, preprocess, encoded) or encoded)
        models: list[keras.Model] = []
        wrap(patch, lesson, "save_model", lambda _, model, path: models.append(model))
        wrap(patch, lesson, "baselines", lambda made, *_: story.fitted.update(scores_of(made)) or made)
        patch.setattr(lesson, "explain" if whole else "build_model", stop)
        few_trees(patch)
        with pytest.raises(EnoughSeenError):
            lesson.main(config, run)
    if whole:
        story.fitted |= content_of(run.model_path)
        story.fitted["epochs"] = run.history().to_numpy("float64")
        test, asked = story.split.test, probe.asked(story.split.test)
        answer = lesson.predict(models[0], test.iloc[asked] if isinstance(test, pd.DataFrame) else test[asked])
        story.shown["answers"] = answer.select_dtypes("number").to_numpy("float64")
    return story


def divided(lesson: ModuleType, probe: Probe, folder: Path, change: Callable) -> Split:
    """Return the parts that a lesson would encode, of changed data; nothing is fitted."""
    found: list[Split] = []
    with on_small_data(lesson, probe, folder, change) as (patch, config, run):
        patch.setattr(lesson, "build_preprocess", lambda *_: None)
        patch.setattr(lesson, "encode", lambda preprocess, split, config: found.append(split) or stop())
        with pytest.raises(EnoughSeenError):
            lesson.main(config, run)
    return found[0]


@contextmanager
def on_small_data(
    lesson: ModuleType, probe: Probe, folder: Path, change: Callable | None
) -> Iterator[tuple[pytest.MonkeyPatch, PracticalConfig, Run]]:
    """Let the lesson read little, and that changed, while it lasts; yield what its `main` takes."""
    values = {"data": "sample", "ladder": False, "epochs": 2} | probe.settings
    config = load_config(config_class(lesson), probe.name, options={key: (key, one) for key, one in values.items()})
    run = Run.at(folder)
    run.write_config(config.to_yaml())
    run.write_environment({"practical": probe.name})
    prepare(config.seed)

    def changed(found: Any, *_: Any) -> Any:
        data, *facts = found if isinstance(found, tuple) else (found,)
        data = change(probe.few(data)) if change else probe.few(data)
        return (data, *facts) if facts else data

    with pytest.MonkeyPatch.context() as patch:
        wrap(patch, lesson, probe.reader, changed)
        yield patch, config, run


def wrap(patch: pytest.MonkeyPatch, lesson: ModuleType, name: str, then: Callable) -> None:
    """Let `then` see, and replace, what a function of the lesson returns; it gets the result and the arguments."""
    function = getattr(lesson, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        return then(function(*arguments, **options), *arguments)

    patch.setattr(lesson, name, wrapped)


def stop(*arguments: Any, **options: Any) -> None:
    raise EnoughSeenError


def arrays_in(examples: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield path and content of all arrays of one part; the paths of inputs begin with 0, those of targets with 1."""
    for path, array in keras.tree.flatten_with_path(tuple(examples)):
        if array is not None:
            yield " ".join(map(str, path)), np.asarray(array[:])


def described(preprocess: keras.Model) -> dict[str, Any]:
    """Return what the layers of a preprocess model remember: their settings, or the arrays of one that has none."""
    found: dict[str, Any] = {}
    for place, layer in enumerate(preprocess.layers):
        try:
            found[f"layer {place}"] = plain(str(layer.get_config()))
        except NotImplementedError:  # it is never saved
            found |= {f"layer {place} {key}": one for key, one in vars(layer).items() if isinstance(one, np.ndarray)}
    return found


def plain(text: str) -> str:
    """Take from a model's description what is another number in each process and no part of the model."""
    return re.sub(r'"shared_object_id": \d+| at 0x\w+', "", text)


def divide_as(before: Split, divide: Callable, data: Any, *arguments: Any, **options: Any) -> Split:
    """Put each row where it was before its label changed."""
    facts = divide(data, *arguments, **options).facts
    chosen = before.map(lambda part: data.index.get_indexer(part.index))
    parts = chosen.map(lambda places: data.iloc[places] if isinstance(data, pd.DataFrame) else data[places])
    return replace(parts, facts=facts)


def few_trees(patch: pytest.MonkeyPatch) -> None:
    """Let boosting end soon: what it was fitted on shows in ten trees as well."""
    for name in ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"):
        kind = getattr(baselines, name)
        patch.setattr(baselines, name, lambda kind=kind, **options: kind(**{**options, "max_iter": 10}))


def scores_of(made: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return what opponents score on validation rows: it shows what they were fitted on."""
    return {f"opponent {one.name}": np.array([*one.validation.values()], dtype="float64") for one in made}


def content_of(model: Path) -> dict[str, Any]:
    """Return all that a saved model holds: its layers with what they remember, its words and its weights."""
    found: dict[str, Any] = {}
    with zipfile.ZipFile(model) as archive:
        for name in archive.namelist():
            if name == "model.weights.h5":
                with h5py.File(io.BytesIO(archive.read(name))) as weights:
                    weights.visititems(
                        lambda path, one: (
                            found.update({f"weights {path}": one[()]}) if isinstance(one, h5py.Dataset) else None
                        )
                    )
            elif name != "metadata.json":  # the date
                found[name] = plain(archive.read(name).decode())
    return found


def moved(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the names of what differs; weights may differ by what the order of a sum in 32 bit changes."""

    def same(one: Any, other: Any) -> bool:
        if isinstance(one, str) or isinstance(other, str) or np.shape(one) != np.shape(other):
            return isinstance(one, str) and one == other
        if np.asarray(one).dtype.kind not in "fiub":
            return bool(np.array_equal(one, other))
        return bool(np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True))

    return sorted(name for name in {*before, *after} if not same(before.get(name, ""), after.get(name, "")))
