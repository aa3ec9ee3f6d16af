"""The practical on pictures.

The notebook reads files with `image_dataset_from_directory` in every epoch; the lesson decodes all pictures once, also
those of the test part, and that counts in its time.
"""

from __future__ import annotations

import os
import tempfile
import time
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import keras
import tensorflow as tf

from bench.fits import Noted, run_lesson
from bench.lines import Line
from bench.parts import Effort
from bench.races import Notes, race
from bench.timing import lesson_named, side_by_side
from practicals.common.data.cards import load_card
from practicals.common.data.fetch import locate
from practicals.common.data.pictures import Pictures
from practicals.common.training import prepare, shuffled_batches


def cats_dogs(effort: Effort) -> list[Line]:
    """Predictions come first and the lesson last: deterministic operations cannot be switched off again."""
    lesson = lesson_named("cats_dogs")
    config = lesson.CatsDogsConfig(data="real")
    split = lesson.load(config)
    with tempfile.TemporaryDirectory() as folder:
        unpack(split.train, Path(folder))
        lines = [
            predicted(lesson, config, split, effort),
            read_and_augmented(lesson, config, split, Path(folder), effort),
        ]

        def lesson_notes(seed: int, arrived) -> Notes:
            decoding = seconds_to_decode(lesson, config, Path(folder) / "cache")
            score_of = scored(lesson, config.mirror, split.validation)
            notes = run_lesson(lesson, split, config, score_of, effort, seed, arrived)
            return [(epochs, seconds + decoding, score) for epochs, seconds, score in notes]

        raced = race(
            lambda seed: run_course(lesson, config, Path(folder), effort, seed),
            lesson_notes,
            effort.seeds(1),
            what="cats_dogs: accuracy",
            digits=3,
            higher_is_better=True,
        )
    return [raced, *lines]


def unpack(pictures: Pictures, folder: Path) -> None:
    """Write the files of these pictures into class folders below `folder`."""
    with zipfile.ZipFile(locate(load_card("cats_dogs"), "real", folders=True).path) as archive:
        for number, (name, label) in enumerate(zip(pictures.files, pictures.labels, strict=True)):
            place = folder / "pictures" / pictures.classes[label] / f"{number}{Path(name).suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.read(name))


def from_folder(folder: Path, size: int, batch_size: int) -> tf.data.Dataset:
    return keras.utils.image_dataset_from_directory(
        folder / "pictures",
        image_size=(size, size),
        batch_size=batch_size,
        label_mode="binary",
        seed=0,
        verbose=False,
    )


def scored(lesson: ModuleType, mirror: bool, validation: Pictures):
    """Return what makes a score out of preprocess model and network."""

    def score_of(preprocess, network):
        model = lesson.assemble(preprocess, network, mirror)
        return lambda logs: lesson.evaluate(model, validation)["accuracy"]

    return score_of


def run_course(lesson: ModuleType, config: Any, folder: Path, effort: Effort, seed: int) -> Notes:
    """Train the slide's network, with its augmentation, from the folder of training pictures of the same division."""
    course = config.with_changes({**lesson.COURSE, "seed": seed, "split.seed": config.split_seed}, "bench")
    prepare(seed)
    split = lesson.load(course)
    preprocess = lesson.build_preprocess(split.train, course)
    network = lesson.build_model(course, preprocess)
    network.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    batches = from_folder(folder, course.image_size, course.batch_size)
    noted = Noted(scored(lesson, course.mirror, split.validation)(preprocess, network))
    # The folder shuffles by itself.
    network.fit(batches, epochs=effort.epochs(course.epochs), callbacks=[noted], shuffle=False, verbose=0)
    return noted.notes


def seconds_to_decode(lesson: ModuleType, config: Any, cache: Path) -> float:
    """Return how long it takes to decode all pictures into an empty cache."""
    source = locate(load_card("cats_dogs"), "real", folders=True)
    resize = lesson.resizer(config.image_size)
    with mock.patch.dict(os.environ, {"PRACTICALS_CACHE": str(cache)}):
        began = time.perf_counter()
        lesson.read_pictures(source, size=config.image_size, resize=resize)
        return time.perf_counter() - began


def predicted(lesson: ModuleType, config: Any, split: Any, effort: Effort) -> Line:
    prepare(0)
    preprocess = lesson.build_preprocess(split.train, config)
    # Untrained: other weights take the same time.
    model = lesson.assemble(preprocess, lesson.build_model(config, preprocess), config.mirror)
    return side_by_side(
        "prediction",
        f"cats_dogs: {len(split.train):,} pictures",
        lambda: lesson.probabilities(model, split.train),
        lambda: model.predict(split.train.pixels, verbose=0),
        "`model.predict`",
        effort,
    )


def read_and_augmented(lesson: ModuleType, config: Any, split: Any, folder: Path, effort: Effort) -> Line:
    """One pass over the training pictures, read and augmented."""
    size = config.image_size
    augment = tf.function(keras.Sequential([keras.Input((size, size, 3)), *lesson.augmentation_layers(config)]))
    data = lesson.encode(lesson.build_preprocess(split.train, config), split, config)
    ours, _ = shuffled_batches(*data.train, batch_size=config.batch_size, seed=0)
    theirs = from_folder(folder, size, config.batch_size)

    def through(batches: tf.data.Dataset) -> None:
        for pixels, *_ in batches:
            augment(tf.cast(pixels, "float32"), training=True)

    return side_by_side(
        "input",
        f"cats_dogs: {len(split.train):,} pictures, once, with augmentation",
        lambda: through(ours),
        lambda: through(theirs),
        "`image_dataset_from_directory`",
        effort,
    )
