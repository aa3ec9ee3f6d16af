"""The recommender on made-up tables of the sizes of MovieLens 100K and 1M: time of an epoch, and peak memory.

The opponent is the same network, step by step, to which the table of all users and items is dense.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from bench.lines import Line
from bench.parts import Effort
from practicals.common.console import set_quiet

RATING_TABLES = ((943, 1_682, 100_000), (6_040, 3_706, 1_000_000))
"""Users, items and ratings of MovieLens 100K and 1M."""


def made_up(effort: Effort) -> list[Line]:
    lines = []
    for users, items, ratings in RATING_TABLES[: 1 if effort.smoke else None]:
        found = {}
        for dense in (False, True):
            # A process each, since a peak never sinks again; a fresh one, so that it does not begin with ours.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                found[dense] = pool.submit(fit_made_up, users, items, ratings, dense).result()
        (ours, reading, peak), (theirs, _, dense_peak) = found[False], found[True]
        what = (
            f"recommender: an epoch of {ratings:,} made-up ratings; at most {peak:,.0f} MB of memory with TensorFlow, "
            f"{reading:,.0f} MB before the fit"
        )
        opponent = f"the same with a dense table, at most {dense_peak:,.0f} MB"
        lines.append(Line("input", what, opponent, ours, theirs, "the quicker of two"))
    return lines


def fit_made_up(users: int, items: int, ratings: int, dense: bool) -> tuple[float, float, float]:
    """Read, encode and fit three epochs with the default settings, in a process of its own.

    Returns:
        Seconds of the quickest epoch but the first, and peak memory in MB of reading and of the fit.
    """
    import keras
    import tensorflow as tf

    from bench.timing import lesson_named
    from practicals.common.rating_layers import SparseDense
    from practicals.common.training import prepare

    def on_dense_rows(layer, rows):
        return keras.layers.Dense.call(layer, tf.sparse.to_dense(rows))

    set_quiet(True)
    lesson, ended = lesson_named("recommender"), []
    prepare(0)
    note_end = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ended.append(time.perf_counter()))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as changed:
        # A child of its own writes the table, so that making it up counts for nobody's peak.
        table = Path(folder, "ratings.csv")
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(write_made_up_ratings, table, users, items, ratings).result()
        config = lesson.RecommenderConfig(data=str(table), epochs=3, patience=0)
        split = lesson.load(config)
        preprocess = lesson.build_preprocess(split.train, config)
        data = lesson.encode(preprocess, split, config)
        if dense:
            changed.enter_context(mock.patch.object(SparseDense, "call", on_dense_rows))
        reading = peak_megabytes()
        if Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
        lesson.fit(lesson.build_model(config, preprocess), data, config, [note_end])
    return min(late - early for early, late in itertools.pairwise(ended)), reading, peak_megabytes()


def peak_megabytes() -> float:
    """Return the most memory that this process has held so far."""
    import resource

    status = Path("/proc/self/status")
    if status.exists():  # on Linux the figure of `resource` begins with the peak of the process that started this one
        (kilobytes,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(kilobytes) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # bytes on macOS


def write_made_up_ratings(path: Path, users: int, items: int, ratings: int) -> None:
    """Write a table with this many different pairs; some users are busy and some items popular, as in MovieLens."""
    generator = np.random.default_rng(0)
    # The busiest 5 % of the users have 19 % of the ratings, and the most popular 5 % of the items 28 %.
    busy, popular = np.exp(generator.normal(0, 1.2, users)), np.exp(generator.normal(0, 1.5, items))
    pairs = np.empty(0, np.int64)
    while len(pairs) < ratings:
        who = generator.choice(users, ratings, p=busy / busy.sum())
        what = generator.choice(items, ratings, p=popular / popular.sum())
        pairs = np.unique(np.append(pairs, who * items + what))
    user, item = np.divmod(generator.permutation(pairs)[:ratings], items)
    tastes, codes = generator.normal(0, 0.4, (users, 4)), generator.normal(0, 0.8, (items, 4))
    friendly, good = generator.normal(0, 0.4, users)[user], generator.normal(0, 0.5, items)[item]
    values = 3.5 + friendly + good + (tastes[user] * codes[item]).sum(axis=1) + generator.normal(0, 0.8, ratings)
    stars = np.clip(np.rint(values), 1, 5).astype(int)
    pd.DataFrame({"user": user, "item": item, "rating": stars}).to_csv(path, index=False)
