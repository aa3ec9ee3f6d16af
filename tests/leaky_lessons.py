"""What a lesson fits, seen while its data are changed under it; and copies of the lessons with a leak planted in each.

A lesson runs its own `main` on a small part of its built-in sample: up to where it builds the network, which takes a
moment, or up to where it begins to explain. So a leak is found wherever it is: before the split, in the preprocess
model, in training, in a threshold, in an opponent.
"""

from __future__ import annotations

import importlib.util
import io
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
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
from practicals.common.config import load_config
from practicals.common.data import ratings as rating_reader
from practicals.common.data.messages import folded
from practicals.common.data.rating_samples import rated_films
from practicals.common.data.seriestable import SeriesTable
from practicals.common.data.split import Split
from practicals.common.resources import PACKAGE
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
        change: data as read and `before` -> the data that the lesson reads instead.
        before: how the lesson divided the data when nothing was changed.
        whole: also train, choose thresholds and fit the opponents, up to where it explains.
    """
    story = Story()
    values = {"data": "sample", "ladder": False, "epochs": 2} | probe.settings
    config = load_config(config_class(lesson), probe.name, options={key: (key, one) for key, one in values.items()})
    run = Run.at(folder)
    run.write_config(config.to_yaml())
    run.write_environment({"practical": probe.name})
    prepare(config.seed)

    def changed(found: Any) -> Any:
        data, *facts = found if isinstance(found, tuple) else (found,)
        data = change(probe.few(data), before) if change else probe.few(data)
        return (data, *facts) if facts else data

    def look(split: Split, preprocess: keras.Model, encoded: Split) -> None:
        story.split = split
        story.fitted |= described(preprocess)
        story.fitted |= {f"preprocess {one.path}": np.asarray(one) for one in preprocess.weights}
        for name, part in (("train", encoded.train), ("validation", encoded.validation)):
            story.fitted |= {f"{name} {path}": array for path, array in arrays_in(part)}
        asked = probe.asked(split.test)
        story.shown |= {path: array[asked] for path, array in arrays_in(encoded.test) if path.startswith("0")}

    with pytest.MonkeyPatch.context() as patch:
        wrap(patch, lesson, probe.reader, lambda found, *_: changed(found))
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


# Tables


def relabelled_rows(target: str, other: Callable[[pd.Series], pd.Series], rows: pd.DataFrame, before: Split) -> Any:
    in_test = rows.index.isin(before.test.index)
    return rows.assign(**{target: rows[target].mask(in_test, other(rows[target]))})


def redrawn_rows(kept: Sequence[str], rows: pd.DataFrame, before: Split) -> pd.DataFrame:
    """Equal rows stay equal, so that they stay together."""
    in_test = rows.index.isin(before.test.index)
    changed = rows.copy()
    for column in set(rows) - {*kept}:
        number = pd.api.types.is_numeric_dtype(rows[column])
        changed[column] = rows[column].mask(in_test, rows[column] * 7 + 1000 if number else rows[column] + " elsewhere")
    return changed


def repeated_rows(subject: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with copies of some under other names, and others of the same name."""
    copies, others = rows.iloc[:60].copy(), rows.iloc[60:120].copy()
    copies[subject] = copies[subject].astype(str) + "-copy"
    number = others.select_dtypes("float").columns[0]
    others[number] += 1
    return pd.concat([rows, copies, others], ignore_index=True)


def keys_of_rows(subject: str, target: str, rows: pd.DataFrame) -> set:
    """Return whom rows are about, and what stands in them."""
    content = rows.drop(columns=[subject, target, *({"RowNumber", "Surname"} & {*rows})])
    return {*rows[subject], *content.itertuples(index=False, name=None)}


# Pictures


@dataclass(frozen=True)
class Negatives:
    """A store of pictures in which some are their own negatives."""

    store: Any
    places: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.store.shape

    def read(self, places: np.ndarray) -> np.ndarray:
        pixels = self.store.read(places)
        return np.where(np.isin(places, self.places)[:, None, None, None], 255 - pixels, pixels)


def few_pictures(found: Any) -> Any:
    keep = [place for place, file in enumerate(found.files) if int(file.split(".")[1]) <= 12]
    lists = {name: tuple(getattr(found, name)[place] for place in keep) for name in ("files", "labels", "digests")}
    parts = tuple(found.parts[place] for place in keep)
    return replace(found, store=Chosen(found.store, np.array(keep)), parts=parts, **lists)


@dataclass(frozen=True)
class Chosen:
    """Some pictures of a store."""

    store: Any
    places: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.places), *self.store.shape[1:])

    def read(self, places: np.ndarray) -> np.ndarray:
        return self.store.read(self.places[places])


def relabelled_pictures(found: Any, before: Split) -> Any:
    in_test = np.isin(found.files, before.test.index)
    return replace(found, labels=tuple(np.where(in_test, 1 - np.array(found.labels), found.labels).tolist()))


def redrawn_pictures(found: Any, before: Split) -> Any:
    return replace(found, store=Negatives(found.store, np.flatnonzero(np.isin(found.files, before.test.index))))


def repeated_pictures(found: Any) -> Any:
    """Return the pictures with one in three of the test part also among those to learn from."""
    again = [place for place, part in enumerate(found.parts) if part == "test"][::3]
    return replace(
        found,
        store=Chosen(found.store, np.array([*range(len(found.files)), *again])),
        files=(*found.files, *(found.files[place].replace("test_set", "training_set/copy") for place in again)),
        labels=(*found.labels, *(found.labels[place] for place in again)),
        digests=(*found.digests, *(found.digests[place] for place in again)),
        parts=(*found.parts, *["train"] * len(again)),
    )


# Messages


def changed_messages(how: str, messages: Any, before: Split) -> Any:
    changed, in_test = messages[:], np.isin(messages.index, before.test.index)
    if how == "labels":
        changed.labels[:] = np.where(in_test, 1 - messages.labels, messages.labels)
    else:
        changed.texts[in_test] = [f"{text} zebra quagga £££" for text in messages.texts[in_test]]
    return changed


# Ratings


def changed_ratings(how: str, ratings: Any, before: Split) -> Any:
    changed, in_test = ratings[:], np.isin(ratings.index, before.test.index)
    if how == "labels":
        changed.values[:] = np.where(in_test, 6 - ratings.values, ratings.values)
        changed.values[in_test & (ratings.values == 3)] = 1
    else:
        changed.items[:] = np.where(in_test, (ratings.items + 7) % len(ratings.catalogue.items), ratings.items)
    return changed


# Series


def first_hours(table: SeriesTable) -> SeriesTable:
    return replace(table, values=table.values[:, :1000], times=table.times[:1000], rows=1000)


def asked_steps(part: Any) -> np.ndarray:
    """Return every step that one part asks for."""
    return np.unique(part.origins[:, None] + np.arange(part.horizon))


def changed_series(how: str, table: SeriesTable, before: Split) -> SeriesTable:
    values, steps = table.values.copy(), asked_steps(before.test)
    if how == "missing":
        values[:, steps[::2]] = np.nan
    else:
        values[:, steps] *= 2 + np.sin(np.arange(len(steps)))
    return replace(table, values=values)


def is_in_order(split: Split) -> bool:
    """Tell whether every part asks for later steps than the one before it."""
    steps = [asked_steps(part) for _, part in split.items()]
    return all(one.max() < other.min() for one, other in pairwise(steps))


PROBES = {
    probe.name: probe
    for probe in (
        Probe(
            "churn",
            # Skilled enough that its threshold lies where the labels want it.
            {"hidden_units": [4], "batch_size": 64, "dropout": 0.0, "learning_rate": 0.03, "epochs": 8},
            "read_rows",
            lambda rows: rows.head(300),
            partial(relabelled_rows, "Exited", lambda label: 1 - label),
            partial(redrawn_rows, ["Exited"]),
            splitter="stratified_split",
            repeat=partial(repeated_rows, "CustomerId"),
            keys=partial(keys_of_rows, "CustomerId", "Exited"),
        ),
        Probe(
            "regression",
            {"hidden_units": [4], "batch_size": 64, "members": 1, "compare_losses": False, "waves": 4},
            "read_rows",
            lambda rows: rows.head(300),
            partial(relabelled_rows, "price", lambda price: price * 3 + 1e6),
            partial(redrawn_rows, ["price"]),
            repeat=partial(repeated_rows, "id"),
            keys=partial(keys_of_rows, "id", "price"),
        ),
        Probe(
            "cats_dogs",
            {
                **{"model": "course", "image_size": 16, "deterministic": False, "augmentation.flip": False},
                **{f"augmentation.{name}": 0.0 for name in ("rotation", "zoom", "translation", "contrast")},
                **{"epochs": 1, "batch_size": 12, "mirror": False, "split.validation": 0.25},
            },
            "read_pictures",
            few_pictures,
            relabelled_pictures,
            redrawn_pictures,
            repeat=repeated_pictures,
            keys=lambda pictures: {one.tobytes() for one in pictures.pixels},
        ),
        Probe(
            "sms_spam",
            {
                **{"longest": 12, "units": [4], "embedding": 4, "pieces": 400, "readers": 1, "bidirectional": False},
                **{"epochs": 1, "batch_size": 48},
            },
            "read_messages",
            lambda messages: messages[:300],
            partial(changed_messages, "labels"),
            partial(changed_messages, "texts"),
            splitter="message_split",
            keys=lambda messages: {*map(folded, messages.texts)},
        ),
        Probe(
            "recommender",
            {
                **{"encoder": [7, 5], "decoder": [6, 5], "guess": [4], "ranking_units": 4, "depths": False},
                **{"epochs": 1, "batch_size": 32},
            },
            "read_ratings",
            lambda ratings: ratings,
            partial(changed_ratings, "labels"),
            partial(changed_ratings, "items"),
            keys=lambda ratings: {*zip(ratings.users.tolist(), ratings.items.tolist(), strict=True)},
        ),
        Probe(
            "web_traffic",
            {
                **{"window": 48, "horizon": 6, "season": [24], "members": 1, "hidden_units": [8], "embedding": 2},
                "epochs": 1,
            },
            "read_source",
            first_hours,
            partial(changed_series, "values"),
            partial(changed_series, "missing"),
            # What comes after the first origin is unknown to its forecast; later windows may look back on it.
            asked=lambda windows: np.array([windows.origins.argmin()]),
            keys=lambda windows: {*asked_steps(windows).tolist()},
        ),
    )
}


@contextmanager
def few_ratings() -> Iterator[None]:
    """Make the sample of ratings small while it lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rating_reader, "rated_films", partial(rated_films, 60, 40, 1_000))
        yield


# Planted leaks


@dataclass(frozen=True)
class Leak:
    """A mistake that is often made, as a change of a lesson's text."""

    name: str
    lesson: str
    old: str
    """Stands once in the lesson."""
    new: str
    caught_by: str
    """The promise that it breaks: `labels`, `features`, `unasked` or `apart`."""
    in_training: bool = False
    """It is made behind the preprocess model."""


@contextmanager
def copy_with(leak: Leak, folder: Path) -> Iterator[ModuleType]:
    """Import a copy of a lesson with a leak in it; it is forgotten afterwards."""
    text = (PACKAGE / f"{leak.lesson}.py").read_text(encoding="utf-8")
    if text.count(leak.old) != 1:
        raise ValueError(
            f"{leak.name}: {leak.old!r} stands {text.count(leak.old)} times in {leak.lesson}; once expected"
        )
    name = f"leaky_{leak.lesson}"
    path = folder / f"{name}.py"
    path.write_text(text.replace(leak.old, leak.new), encoding="utf-8")
    known = dict(keras.saving.get_custom_objects())
    spec = importlib.util.spec_from_file_location(name, path)
    copy = importlib.util.module_from_spec(spec)
    sys.modules[name] = copy  # pydantic looks up annotations there
    try:
        spec.loader.exec_module(copy)
        yield copy
    finally:
        del sys.modules[name]
        keras.saving.get_custom_objects().clear()
        keras.saving.get_custom_objects().update(known)


_READ_ROWS = '    rows, facts = read_rows(locate(load_card("churn"), config.data), SCHEMA)\n'
_DIVIDED_MESSAGES = "    return message_split(\n"

LEAKS = (
    Leak(
        "scaler on all rows",
        "churn",
        _READ_ROWS,
        _READ_ROWS + "    rows[list(NUMBERS)] = (rows[list(NUMBERS)] - rows[list(NUMBERS)].mean()) / 100\n",
        "features",
    ),
    Leak(
        "SMOTE before the split",
        "churn",
        _READ_ROWS,
        _READ_ROWS + "    rows = resample(\n"
        '        rows, "smotenc", target=TARGET, numbers=NUMBERS, categories=CATEGORIES, seed=config.seed\n    )\n',
        "features",
    ),
    Leak(
        "opponents fitted on the test rows too",
        "churn",
        "    made = baselines(split, config)\n",
        "    made = baselines(Split(pd.concat([split.train, split.test]), split.validation, split.test), config)\n",
        "labels",
        in_training=True,
    ),
    Leak(
        "threshold chosen on the test rows",
        "churn",
        "chance = predict_batches(network, data.validation.inputs)[:, 0]\n"
        "    threshold, curve = choose_threshold(data.validation.targets",
        "chance = predict_batches(network, data.test.inputs)[:, 0]\n"
        "    threshold, curve = choose_threshold(data.test.targets",
        "labels",
        in_training=True,
    ),
    Leak(
        "the label among the features",
        "churn",
        '    "EstimatedSalary": "EUR",\n}',
        '    "EstimatedSalary": "EUR",\n    "Exited": "",\n}',
        "unasked",
    ),
    Leak(
        "equal rows parted",
        "churn",
        '        same_subject=("CustomerId",),\n        same_content=FEATURES,\n',
        "",
        "apart",
    ),
    Leak(
        "preprocess model on all rows",
        "regression",
        "    split = load(config)\n    run.remember_data(split.facts)\n"
        "    preprocess = build_preprocess(split.train, config)",
        "    split = load(config)\n    run.remember_data(split.facts)\n"
        "    preprocess = build_preprocess(pd.concat([part for _, part in split.items()]), config)",
        "features",
    ),
    Leak(
        "intervals from the test rows",
        "regression",
        "columns), split.calibration, scale, config)",
        "columns), split.test, scale, config)",
        "labels",
        in_training=True,
    ),
    Leak(
        "a house sold twice in two parts",
        "regression",
        "        same_subject=schema.identifiers,\n        same_content=(*schema.features, schema.target),\n",
        "",
        "apart",
    ),
    Leak(
        "epoch chosen on the test pictures",
        "cats_dogs",
        "validation_data=batches_in_order(data.validation, batch_size=64)",
        "validation_data=batches_in_order(data.test, batch_size=64)",
        "labels",
        in_training=True,
    ),
    Leak(
        "copies of a picture in two parts",
        "cats_dogs",
        "    return picture_split(found, ",
        "    found = type(found)(**{**vars(found), 'digests': found.files})\n    return picture_split(found, ",
        "apart",
    ),
    Leak(
        "vocabulary of all messages",
        "sms_spam",
        "    run.remember_data(split.facts)\n    preprocess = build_preprocess(split.train, config)",
        "    run.remember_data(split.facts)\n"
        "    texts = [*split.train.texts, *split.test.texts]\n"
        "    both = Messages(texts, labels=[0] * len(texts), classes=split.train.classes)\n"
        "    preprocess = build_preprocess(both, config)",
        "features",
    ),
    Leak(
        "repeated messages parted",
        "sms_spam",
        _DIVIDED_MESSAGES,
        "    drawn = np.random.default_rng(config.split_seed).permutation(len(messages))\n"
        "    fifth = len(messages) // 5\n"
        "    cut = drawn[2 * fifth :], drawn[:fifth], drawn[fifth : 2 * fifth]\n"
        "    return Split(*(messages[places] for places in cut), facts)\n" + _DIVIDED_MESSAGES,
        "apart",
    ),
    Leak(
        "test ratings among what the user has given",
        "recommender",
        "    return ratings_split(\n",
        "    split = divided(ratings, facts, config)\n    split.test.given = ratings\n    return split\n\n\n"
        "def divided(ratings, facts, config):\n    return ratings_split(\n",
        "unasked",
    ),
    Leak(
        "test ratings asked for in training",
        "recommender",
        "    data = encode(preprocess, split, config)\n    network = build_model(config, preprocess)\n\n",
        "    split.train.given = split.test.given = Ratings(\n"
        "        *(np.concatenate([getattr(part, name) for _, part in split.items()])\n"
        '          for name in ("users", "items", "values")),\n'
        "        catalogue=split.train.catalogue,\n    )\n"
        "    data = encode(preprocess, split, config)\n    network = build_model(config, preprocess)\n\n",
        "labels",
    ),
    Leak(
        "a shuffled series",
        "web_traffic",
        "    refuse_long_season(facts.file, max(seasons), opponents.last_step(split.train))\n    return split\n",
        "    origins = np.concatenate([split.train.origins, split.test.origins])\n"
        "    drawn = np.random.default_rng(config.split_seed).permutation(origins)\n"
        "    kept = len(split.train)\n"
        "    split.train.origins, split.test.origins = drawn[:kept], drawn[kept:]\n"
        "    split.train._index = split.test._index = None\n"
        "    return split\n",
        "apart",
    ),
    Leak(
        "scale of the whole series",
        "web_traffic",
        "    span = train.table.filled(train.cycle)[:, :last]\n",
        "    span = train.table.filled(train.cycle)\n",
        "features",
    ),
)
