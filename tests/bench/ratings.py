"""The practical on ratings.

The notebook lays out the table of users and films, zeros where there is no rating, and trains the slide's autoencoder
with a loss that leaves the zeros out. The score is the error on validation ratings, predictions moved into the scale.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import keras
import numpy as np

from bench.fits import Noted, run_lesson
from bench.lines import Line
from bench.parts import Effort
from bench.races import Notes, race
from bench.timing import lesson_named, side_by_side
from practicals.common.training import prepare

TOP = 10
"""Films on a list."""


def recommender(effort: Effort) -> list[Line]:
    lesson = lesson_named("recommender")
    config = lesson.RecommenderConfig(data="real")
    split = lesson.load(config)

    def as_watched(preprocess, network):
        """The network's own metric: its codes belong to the assembled model, which would be made anew each time."""
        return lambda logs: logs.get("val_rating_rmse", np.nan)

    raced = race(
        partial(run_course, lesson, split, config.with_changes(lesson.COURSE, "bench"), effort),
        partial(run_lesson, lesson, split, config, as_watched, effort),
        effort.seeds(3),
        what="recommender: RMSE in stars",
        digits=4,
        higher_is_better=False,
    )
    return [raced, lists_made(lesson, config, split, effort)]


def run_course(lesson: ModuleType, split: Any, config: Any, effort: Effort, seed: int) -> Notes:
    """Train the slide's network on the table of all users and films."""
    prepare(seed)
    users, items = np.unique(split.train.users), len(split.train.catalogue.items)
    known = split.train.rows(users)  # (users, items), not-a-number where unrated
    rated = keras.Input((items,))
    network = keras.Model(rated, lesson.course_network(rated, items))
    network.compile(optimizer=keras.optimizers.RMSprop(config.learning_rate), loss=lesson.squared_error)
    asked = np.unique(split.validation.users)
    given, truth = np.nan_to_num(split.validation.given.rows(asked)), split.validation.rows(asked)
    lowest, *_, highest = split.train.catalogue.scale

    def error(logs) -> float:
        found = np.clip(network.predict_on_batch(given), lowest, highest)
        return float(np.sqrt(np.nanmean((found - truth) ** 2)))

    noted = Noted(error)
    network.fit(
        np.nan_to_num(known),
        known,
        batch_size=config.batch_size,
        epochs=effort.epochs(config.epochs),
        callbacks=[noted],
        verbose=0,
    )
    return noted.notes


def lists_made(lesson: ModuleType, config: Any, split: Any, effort: Effort) -> Line:
    """Lists for all users, against `model.predict` on the whole table and a full sort of each row."""
    model = lesson.try_out(config.with_changes({"epochs": 1}, "bench"), split)
    given, users = split.train, np.unique(split.train.users)

    def through_predict() -> np.ndarray:
        rows = given.rows(users)
        ranking = model.predict({"ratings": rows}, verbose=0)["ranking"]
        return np.argsort(-np.where(np.isnan(rows), ranking, -np.inf), axis=1, kind="stable")[:, :TOP]

    return side_by_side(
        "prediction",
        f"recommender: lists of {TOP} films for {len(users)} users",
        lambda: lesson.recommend(model, given, top=TOP),
        through_predict,
        "`model.predict` and a full sort",
        effort,
    )
