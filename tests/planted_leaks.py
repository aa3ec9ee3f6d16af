"""Copies of the lessons with a leak planted in each."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import keras

from practicals.common.resources import PACKAGE


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
        "    refuse_long_season(facts.file, seasons, split.train.cycle, opponents.last_step(split.train))\n"
        "    return split\n",
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
