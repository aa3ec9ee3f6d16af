"""`make bench`: every figure that this package claims, measured in one go and printed as ratios.

Speeds are ratios of two things timed in this process, one after the other, so they hold on any machine. Scores come
from `practicals run ... --seeds`, which this calls last.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from unittest import mock

from practicals.common.catalog import find_practical
from practicals.common.cli import main as practicals
from practicals.common.workflow import load_lesson

REPEATS = 3
ONE_STEP = ["--set", "horizon=1", "--set", "loss=mse", "--set", "ridge_penalty=10"]
"""The best settings for one step ahead, chosen on validation parts."""


def seconds(action: Callable[[], object]) -> float:
    """Return the shortest of a few timings: the one with the least disturbance."""
    timings = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        action()
        timings.append(time.perf_counter() - began)
    return min(timings)


def line(what: str, ours: float, theirs: float, opponent: str, target: str) -> None:
    print(f"{what:<34} {ours:8.3f} s  {opponent:<34} {theirs:8.3f} s  {theirs / ours:6.1f} times  (target {target})")


def start_up() -> None:
    """`practicals list` against importing TensorFlow, both as a fresh process."""

    def run(*arguments: str) -> float:
        return seconds(lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True))

    theirs = run("-c", "import tensorflow")
    line("practicals list", run("-m", "practicals", "list"), theirs, "import tensorflow", "10")


def fit_speed(churn) -> None:
    """Time until the validation AUC at which the notebook form ends, against the time of the notebook form."""
    import keras

    from practicals.common.training import predict_batches, prepare

    config = churn.ChurnConfig()
    course = config.with_changes(churn.COURSE, "bench")
    split = churn.load(config)

    class Reached(keras.callbacks.Callback):
        """Notes when the AUC on validation rows first reached a goal."""

        def __init__(self, goal: float) -> None:
            super().__init__()
            self.goal, self.seconds, self.began = goal, None, time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            if self.seconds is None and logs["val_auc"] >= self.goal:
                self.seconds = time.perf_counter() - self.began

    def encoded(settings):
        prepare(settings.seed)
        preprocess = churn.build_preprocess(split.train, settings)
        return preprocess, churn.encode(preprocess, split, settings)

    ratios, goals = [], []
    for seed in range(REPEATS):
        settings = course.with_changes({"seed": seed}, "bench")
        preprocess, data = encoded(settings)
        network = churn.course_network(preprocess.output_shape[-1])
        # As the notebook writes it: nothing but the defaults of Keras.
        network.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
        began = time.perf_counter()
        network.fit(data.train.inputs, data.train.targets, batch_size=30, epochs=100, verbose=0)
        notebook = time.perf_counter() - began
        truth = data.validation.targets
        chance = predict_batches(network, data.validation.inputs)[:, 0]
        goal = churn.binary_scores(truth, chance, 0.5)["roc_auc"]

        settings = config.with_changes({"seed": seed}, "bench")
        preprocess, data = encoded(settings)
        reached = Reached(goal)
        network = churn.build_model(settings, preprocess)
        reached.began = time.perf_counter()
        churn.fit(network, data, settings, [reached])
        if reached.seconds is None:
            print(f"seed {seed}: the validation AUC {goal:.4f} of the notebook form was not reached")
            continue
        line(f"fit to AUC {goal:.4f}, seed {seed}", reached.seconds, notebook, "course's notebook, 100 epochs", "10")
        ratios.append(notebook / reached.seconds)
        goals.append(goal)
    print(f"fit: {statistics.fmean(ratios):.1f} times faster on average to AUC {statistics.fmean(goals):.4f}")


def layer_overhead(churn) -> None:
    """The default fit with all standard callbacks against the same `fit` in a bare script."""
    from practicals.common.callbacks import standard_callbacks
    from practicals.common.run import Run
    from practicals.common.training import prepare

    config = churn.ChurnConfig(patience=0, epochs=60)
    split = churn.load(config)
    bare_timings, layer_timings = [], []
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(REPEATS + 1):
            for bare in (True, False):
                prepare(0)
                preprocess = churn.build_preprocess(split.train, config)
                data = churn.encode(preprocess, split, config)
                network = churn.build_model(config, preprocess)
                began = time.perf_counter()
                if bare:
                    network.fit(
                        data.train.inputs,
                        data.train.targets,
                        batch_size=config.batch_size,
                        epochs=config.epochs,
                        validation_data=data.validation[:2],
                        validation_batch_size=4096,
                        verbose=0,
                    )
                else:
                    run = Run.create(Path(folder), "churn")
                    run.write_config(config.to_yaml())
                    run.write_environment({"practical": "churn", "data": split.facts.to_json()})
                    callbacks = standard_callbacks(
                        run, network, data.validation, monitor="val_loss", mode="min", patience=0, epochs=config.epochs
                    ).callbacks
                    churn.fit(network, data, config, callbacks)
                if repeat:  # the first round warms up
                    (bare_timings if bare else layer_timings).append(time.perf_counter() - began)
    bare, layer = min(bare_timings), min(layer_timings)
    print(
        f"layer around fit: {layer:.3f} s against {bare:.3f} s bare: {layer - bare:+.3f} s, {layer / bare - 1:+.1%} "
        "(target at most 5 % or 0.3 s, whichever is more)"
    )


def explain_speed(churn) -> None:
    """One row by SHAP and by LIME through the traced function against the same call through `model.predict`."""
    import numpy as np
    import tensorflow as tf

    from practicals.common.explain.coding import TableCoder, traced_probability
    from practicals.common.explain.lime_tables import lime_row
    from practicals.common.explain.shap_tables import shap_row
    from practicals.common.training import prepare

    config = churn.ChurnConfig(epochs=2)
    split = churn.load(config)
    prepare(0)
    preprocess = churn.build_preprocess(split.train, config)
    network = churn.build_model(config, preprocess)
    churn.fit(network, churn.encode(preprocess, split, config), config)
    model = churn.assemble(preprocess, network, 0.5)
    coder = TableCoder.fit(split.train, churn.NUMBERS, churn.CATEGORIES)
    row = split.test.head(1)

    def through_predict(coded: np.ndarray) -> np.ndarray:
        return model.predict(coder.decode(tf.constant(coded, tf.float64)), verbose=0)["probability"][:, 0].astype(float)

    traced = traced_probability(model, coder)
    for name, explainer in (("SHAP", shap_row), ("LIME", lime_row)):
        explain = partial(explainer, coder=coder, training=split.train, row=row, subject="0", seed=0)
        # The first call of each pays for tracing; `seconds` takes the best of several.
        ours, theirs = seconds(partial(explain, traced)), seconds(partial(explain, through_predict))
        line(f"{name}, one row with its checks", ours, theirs, "through model.predict", "10")


def picture_speed(cats_dogs) -> None:
    """Pictures a second from disk through augmentation, and the fit to the accuracy at which the course's ends."""
    import keras
    import tensorflow as tf

    from practicals.common.data.cards import load_card
    from practicals.common.data.fetch import locate
    from practicals.common.training import prepare, shuffled_batches

    config = cats_dogs.CatsDogsConfig(data="real")
    prepare(0, deterministic=config.deterministic)
    split = cats_dogs.load(config)
    data = cats_dogs.encode(cats_dogs.build_preprocess(split.train, config), split, config)
    augment = tf.function(keras.Sequential([keras.Input((96, 96, 3)), *cats_dogs.augmentation_layers(config)]))

    def through(batches) -> float:
        def once() -> int:
            return sum(len(augment(tf.cast(pixels, "float32"), training=True)) for pixels, _ in batches)

        return once() / seconds(once)

    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(locate(load_card("cats_dogs")).path) as archive:
            archive.extractall(folder)
        (training,) = [path.parent for path in Path(folder).rglob("cats") if path.parent.name.startswith("train")]
        plain = keras.utils.image_dataset_from_directory(
            training, image_size=(96, 96), batch_size=config.batch_size, label_mode="binary", seed=0, verbose=False
        )
        ours, _ = shuffled_batches(*data.train, batch_size=config.batch_size, seed=0)
        ours_rate, plain_rate = through(ours), through(plain)
    print(
        f"input with augmentation: {ours_rate:,.0f} pictures a second, image_dataset_from_directory {plain_rate:,.0f}: "
        f"{ours_rate / plain_rate:.1f} times"
    )

    class Reached(keras.callbacks.Callback):
        """Stops when the accuracy on validation pictures has reached a goal, and notes the time."""

        def __init__(self, goal: float) -> None:
            super().__init__()
            self.goal, self.began, self.seconds, self.last = goal, time.perf_counter(), None, 0.0

        def on_epoch_end(self, epoch, logs=None):
            self.last = logs["val_accuracy"]
            if self.last >= self.goal:
                self.seconds, self.model.stop_training = time.perf_counter() - self.began, True

    def train(settings, goal: float) -> Reached:
        prepare(settings.seed, deterministic=settings.deterministic)
        part = cats_dogs.load(settings)
        preprocess = cats_dogs.build_preprocess(part.train, settings)
        network, reached = cats_dogs.build_model(settings, preprocess), Reached(goal)
        cats_dogs.fit(network, cats_dogs.encode(preprocess, part, settings), settings, [reached])
        reached.seconds = reached.seconds or time.perf_counter() - reached.began
        return reached

    course = train(config.with_changes(cats_dogs.COURSE, "bench"), goal=2.0)
    ours = train(config, course.last)
    print(
        f"fit to validation accuracy {course.last:.3f}: {ours.seconds:.1f} s, the course's network in 25 epochs "
        f"{course.seconds:.1f} s: {course.seconds / ours.seconds:.1f} times"
    )


def message_speed(sms_spam) -> None:
    """Time until the score on validation messages at which the usual notebook ends, and messages predicted a second.

    The notebook: the course's network on messages filled up with zeros, batches of 32, 10 epochs, nothing compiled.
    Zeros behind are the trap of the lesson, so that its score is easily reached; zeros in front are the fairer form.
    """
    import keras
    import numpy as np

    from practicals.common.message_scores import matthews_correlation
    from practicals.common.training import predict_batches, prepare

    config = sms_spam.SmsSpamConfig(data="real")
    split = sms_spam.load(config)
    truth = split.validation.labels

    class Score(keras.callbacks.Callback):
        """Notes the score on validation messages before and after each epoch, and the time without its own."""

        def __init__(self, inputs, with_line: bool) -> None:
            super().__init__()
            self.inputs, self.with_line, self.noted, self.own = inputs, with_line, [], 0.0

        def note(self) -> None:
            ended = time.perf_counter()
            chance = np.asarray(sms_spam.vote(predict_batches(self.model, self.inputs), self.with_line))[:, 0]
            self.noted.append((ended - self.own, matthews_correlation(truth, chance >= 0.5)))
            self.own += time.perf_counter() - ended

        def on_train_begin(self, logs=None):
            self.note()  # the straight line is set by then

        def on_epoch_end(self, epoch, logs=None):
            self.note()

    def noted(settings, train) -> list[tuple[float, float]]:
        prepare(settings.seed)
        preprocess = sms_spam.build_preprocess(split.train, settings)
        data = sms_spam.encode(preprocess, split, settings)
        network = sms_spam.build_model(settings, preprocess)
        score = Score(data.validation.inputs, "pieces" in data.train.inputs)
        began = time.perf_counter()
        train(network, data, settings, score)
        return [(ended - began, reached) for ended, reached in score.noted]

    def notebook(network, data, settings, score) -> None:
        network.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
        network.fit(*data.train[:2], batch_size=32, epochs=10, callbacks=[score], verbose=0)

    ours = noted(config, lambda network, data, settings, score: sms_spam.fit(network, data, settings, [score]))
    for padding in ("post", "front"):
        course = config.with_changes({**sms_spam.COURSE, "padding": padding}, "bench")
        theirs = noted(course, notebook)
        seconds_theirs, goal = theirs[-1]
        what = f"fit to Matthews {goal:.3f}"
        reached = [ended for ended, score in ours if score >= goal]
        if reached:
            line(what, reached[0], seconds_theirs, f"notebook, zeros {padding}, 10 epochs", "3")
            line("  after the first epoch", ours[1][0], seconds_theirs, f"notebook, zeros {padding}, 10 epochs", "3")
        else:
            print(f"{what} of the notebook with zeros {padding}: not reached")

    prepare(0)
    model = sms_spam.try_out(config.with_changes({"epochs": 1}, "bench"), split)
    many = split.train[np.arange(10_000) % len(split.train)]
    sms_spam.predict(model, many)  # traced once
    print(
        f"predict: {len(many) / seconds(lambda: sms_spam.predict(model, many)):,.0f} messages a second (target 5,000)"
    )


def message_folds(*sets: str) -> None:
    """The five folds of the SMS lesson: mean and deviation of the score, and good messages blocked over all folds."""
    import json

    from practicals.common.message_scores import share_interval

    tests, rows = [], []
    with tempfile.TemporaryDirectory() as runs:
        for fold in range(5):
            chosen = ["ladder=false", "split.folds=5", f"split.fold={fold}", *sets]
            arguments = [word for one in chosen for word in ("--set", one)]
            with contextlib.redirect_stdout(io.StringIO()):
                if practicals(["run", "sms_spam", *arguments, "--runs", f"{runs}/{fold}", "--quiet"]):
                    raise SystemExit(1)
            (folder,) = Path(runs, str(fold)).glob("sms_spam/*/")
            metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
            tests.append({**metrics["baselines"], "network": metrics["test"]})
            rows.append(json.loads((folder / "summary.json").read_text(encoding="utf-8"))["blocking"]["rows"])
    print(f"\nsms_spam, 5 folds {' '.join(sets)}")
    for name in tests[0]:
        score = [one[name]["mcc"] for one in tests]
        found = [row for fold in rows for row in fold if row["name"] == name]
        blocked, ham = sum(row["ham_blocked"] for row in found), sum(row["ham"] for row in found)
        caught, spam = sum(row["spam_blocked"] for row in found), sum(row["spam"] for row in found)
        told = f"Matthews {statistics.fmean(score):.4f} ± {statistics.stdev(score):.4f}"
        if ham:
            low, high = share_interval(blocked, ham)
            told += f"  ham blocked {blocked} of {ham} = {blocked / ham:.3%} ({low:.2%} to {high:.2%})"
            told += f"  spam blocked {caught / spam:.3f}"
        print(f"  {name:<36} {told}")


RATING_TABLES = ((943, 1_682, 100_000), (6_040, 3_706, 1_000_000))
"""Users, items and ratings of MovieLens 100K and 1M."""


def rating_scale() -> None:
    """Peak memory and seconds per epoch of the recommender on made-up tables of the sizes of MovieLens 100K and 1M.

    The opponent is the same network, step by step, to which the table of all users and items is dense.
    """
    for sizes in RATING_TABLES:
        found = {}
        for dense in (False, True):
            # A process each, since a peak never sinks again; a fresh one, so that it does not begin with ours.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                found[dense] = pool.submit(fit_made_up_ratings, *sizes, dense=dense).result()
        (ours, reading, peak), (theirs, _, dense_peak) = found[False], found[True]
        users, items, ratings = sizes
        line(f"epoch of {ratings:,} ratings", ours, theirs, "the same on a dense table", "none")
        print(
            f"  peak memory of the fit {peak:,.0f} MB, dense {dense_peak:,.0f} MB, each with TensorFlow and the data; "
            f"of reading the table {reading:,.0f} MB ({users:,} users, {items:,} items)"
        )


def fit_made_up_ratings(users: int, items: int, ratings: int, *, dense: bool) -> tuple[float, float, float]:
    """Read, encode and fit three epochs with the default settings, in a process of its own.

    Returns:
        Seconds of the quickest epoch but the first, and peak memory in MB of reading and of the fit.
    """
    import keras
    import tensorflow as tf

    from practicals.common.console import set_quiet
    from practicals.common.rating_layers import SparseDense
    from practicals.common.training import prepare

    class Ended(keras.callbacks.Callback):
        """Notes when each epoch ended."""

        def on_train_begin(self, logs=None):
            self.at = []

        def on_epoch_end(self, epoch, logs=None):
            self.at.append(time.perf_counter())

    def on_dense_rows(layer, rows):
        return keras.layers.Dense.call(layer, tf.sparse.to_dense(rows))

    set_quiet(True)
    recommender = load_lesson(find_practical("recommender"))
    prepare(0)
    ended = Ended()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as changed:
        # A child of its own writes the table, so that making it up counts for nobody's peak.
        table = Path(folder, "ratings.csv")
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(write_made_up_ratings, table, users, items, ratings).result()
        config = recommender.RecommenderConfig(data=str(table), epochs=3, patience=0)
        split = recommender.load(config)
        preprocess = recommender.build_preprocess(split.train, config)
        data = recommender.encode(preprocess, split, config)
        if dense:
            changed.enter_context(mock.patch.object(SparseDense, "call", on_dense_rows))
        reading = peak_megabytes()
        if Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
        recommender.fit(recommender.build_model(config, preprocess), data, config, [ended])
    return min(late - early for early, late in itertools.pairwise(ended.at)), reading, peak_megabytes()


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
    import numpy as np
    import pandas as pd

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


def rating_speed(recommender) -> None:
    """Time until the error on validation ratings that the course's network reaches at best, and lists made a second."""
    import keras
    import numpy as np

    from practicals.common.training import prepare

    config = recommender.RecommenderConfig(data="real")
    split = recommender.load(config)

    class Noted(keras.callbacks.Callback):
        """Notes the error on validation ratings after each epoch, and when that was."""

        def __init__(self) -> None:
            super().__init__()
            self.began, self.epochs = time.perf_counter(), []

        def on_epoch_end(self, epoch, logs=None):
            self.epochs.append((time.perf_counter() - self.began, logs["val_rating_rmse"]))

    def train(settings):
        prepare(settings.seed)
        preprocess = recommender.build_preprocess(split.train, settings)
        network, data = recommender.build_model(settings, preprocess), recommender.encode(preprocess, split, settings)
        noted = Noted()
        recommender.fit(network, data, settings, [noted])
        return noted.epochs, preprocess, network

    ratios = []
    for seed in range(REPEATS):
        course, *_ = train(config.with_changes({**recommender.COURSE, "seed": seed}, "bench"))
        theirs, goal = min(course, key=lambda epoch: epoch[1])
        epochs, preprocess, network = train(config.with_changes({"seed": seed}, "bench"))
        reached = [ended for ended, error in epochs if error <= goal]
        if not reached:
            print(f"seed {seed}: the validation RMSE {goal:.4f} of the course's network was not reached")
            continue
        line(f"fit to RMSE {goal:.4f}, seed {seed}", reached[0], theirs, "course's network, its best epoch", "none")
        ratios.append(theirs / reached[0])
        print(
            f"  to the end of {len(epochs)} epochs {epochs[-1][0]:.1f} s, best {min(error for _, error in epochs):.4f};"
            f" the course's {len(course)} epochs {course[-1][0]:.1f} s"
        )
    if ratios:
        print(f"fit: {statistics.fmean(ratios):.1f} times faster on average")

    model = recommender.assemble(preprocess, network, recommender.choose_order(preprocess, network, split.validation))
    given, users = split.train, np.unique(split.train.users)

    def through_predict() -> np.ndarray:
        rows = given.rows(users)
        ranking = model.predict({"ratings": rows}, verbose=0)["ranking"]
        return np.argsort(-np.where(np.isnan(rows), ranking, -np.inf), axis=1, kind="stable")[:, :10].ravel()

    ours, theirs = recommender.recommend(model, given, top=10).items, through_predict()
    same = np.mean(ours == theirs)  # each is traced by now
    ours, theirs = seconds(lambda: recommender.recommend(model, given, top=10)), seconds(through_predict)
    line(f"lists of {len(users)} users", ours, theirs, "model.predict and a full sort", "none")
    print(f"  {len(users) / ours:,.0f} lists a second, {len(users) / theirs:,.0f}; {same:.2%} of the places are equal")


def rating_folds(*sets: str) -> None:
    """The five folds of MovieLens 100K: error and order of the lists on the test part, beside the opponents."""
    import json

    chosen = ["data=real", "ladder=false", "depths=false", *sets]
    tests = []
    with tempfile.TemporaryDirectory() as runs:
        for fold in ("u1", "u2", "u3", "u4", "u5"):
            arguments = [word for one in (*chosen, f"split.fold={fold}") for word in ("--set", one)]
            with contextlib.redirect_stdout(io.StringIO()):
                if practicals(["run", "recommender", *arguments, "--runs", f"{runs}/{fold}", "--quiet"]):
                    raise SystemExit(1)
            (path,) = Path(runs, fold).glob("recommender/*/metrics.json")
            metrics = json.loads(path.read_text(encoding="utf-8"))
            tests.append({"network": metrics["test"], **metrics["baselines"]})
    print(f"\nrecommender, u1 to u5 {' '.join(sets)}")
    for name in tests[0]:
        told = ""
        for what, title in (("rmse", "RMSE"), ("ndcg_at_10", "NDCG at 10")):
            scores = [one[name][what] for one in tests if what in one[name]]
            if scores:
                told += (
                    f"  {title} {statistics.fmean(scores):.4f} ± {statistics.stdev(scores):.4f} (u1 {scores[0]:.4f})"
                )
        print(f"  {name:<22}{told}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="seeds of churn's scores; 0 leaves all scores out")
    options = parser.parse_args()
    churn = load_lesson(find_practical("churn"))
    start_up()
    fit_speed(churn)
    layer_overhead(churn)
    explain_speed(churn)
    picture_speed(load_lesson(find_practical("cats_dogs")))
    message_speed(load_lesson(find_practical("sms_spam")))
    rating_scale()
    rating_speed(load_lesson(find_practical("recommender")))
    if not options.seeds:
        return 0
    for sets in ((), ("model=lstm",), ("model=course",)):
        message_folds(*sets)
    for sets in ((), ("rows=user",), ("model=course",)):
        rating_folds(*sets)
    return scores(options.seeds)


def scores(seeds: int) -> int:
    """Run every practical over seeds, as a user would; the first exit code that is not 0 is the whole one's."""
    alone = ["--set", "ladder=false"]
    commands = (
        ["churn", "--seeds", str(seeds), *alone],
        ["regression", "--seeds", "5", *alone, "--set", "compare_losses=false"],
        ["regression", "--seeds", "5", *alone, "--set", "compare_losses=false", "--set", "dataset=fake_reg"],
        ["cats_dogs", "--seeds", "3", *alone],
        ["cats_dogs", "--seeds", "3", *alone, "--set", "model=course"],
        ["cats_dogs", "--seeds", "3", *alone, "--set", "model=transfer"],
        ["web_traffic", "--seeds", "3", *alone],
        ["web_traffic", "--seeds", "3", *alone, "--set", "model=lstm"],
        ["web_traffic", "--seeds", "3", *alone, *ONE_STEP],
    )
    for arguments in commands:
        print(f"\npracticals run {' '.join(arguments)}")
        with tempfile.TemporaryDirectory() as runs:
            if code := practicals(["run", *arguments, "--runs", runs, "--quiet"]):
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
