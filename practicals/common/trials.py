"""The trials of a search: what keras-tuner asks of a lesson, and how keras-tuner is kept resumable and quiet."""

from __future__ import annotations

import io
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cmp_to_key, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import keras
import keras_tuner
import numpy as np
import pandas as pd
import tensorflow as tf
from keras_tuner.src import config as keras_tuner_config
from keras_tuner.src import utils as keras_tuner_files
from sklearn.exceptions import ConvergenceWarning

from practicals.common.callbacks import StopOnNaN
from practicals.common.config import PracticalConfig
from practicals.common.console import say
from practicals.common.errors import PracticalError
from practicals.common.files import write_json, write_text
from practicals.common.progress import duration
from practicals.common.search import Goal, Search, rank
from practicals.common.shared_trials import Shared, Working
from practicals.common.training import prepare

C = TypeVar("C", bound=PracticalConfig)
STRATEGIES = {
    "random": keras_tuner.RandomSearch,
    "grid": keras_tuner.GridSearch,
    "hyperband": keras_tuner.Hyperband,
    "bayesian": keras_tuner.BayesianOptimization,
}


class TrialSpace(keras_tuner.HyperModel, Generic[C]):
    """What keras-tuner asks for: a network for each set of values, and its training, over the devices of its scope.

    Args:
        search: its folder.
        lesson: see `tune`.
        config: settings to begin with.
        preprocess: the fitted preprocess model.
        data: Split of encoded examples.
        objective: logged value that is watched.
        patience: of early stopping.
    """

    def __init__(
        self, search: Search, lesson: Any, config: C, preprocess: Any, data: Any, objective: Goal, patience: int
    ) -> None:
        super().__init__()
        self.search, self.lesson, self.config, self.preprocess, self.data = search, lesson, config, preprocess, data
        self.objective, self.patience = objective, patience
        # Kept, since the scope is entered again for each network: clearing the session, as between trials, leaves it.
        self.devices = tf.distribute.get_strategy()
        self.begin("")

    def begin(self, trial_id: str) -> None:
        """Make ready for a trial."""
        self.trial_id = trial_id
        self.settings: C | None = None
        self.epochs: int | None = None

    def outcome(self, seconds: float) -> dict[str, Any]:
        """Return what is kept of the trial besides its score."""
        settings = self.settings.model_dump(mode="json") if self.settings else {}
        return {"epochs": self.epochs, "seconds": round(seconds, 3), "settings": settings}

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the compiled network of a trial. keras-tuner has just cleared the session."""
        with failing_alone():
            # Again for each trial: a trial must not depend on those before it, or a resumed search would differ. And
            # a cleared session has forgotten the precision.
            prepare(self.config.seed, mixed_precision=self.config.mixed_precision)
            self.settings = self.lesson.search_space(hp, self.config)
            with self.devices.scope():
                network = self.lesson.build_model(self.settings, self.preprocess)
                if "tuner/trial_id" in hp.values:
                    # Hyperband loads this trial's weights next; an optimizer without variables could not take its own.
                    network.optimizer.build(network.trainable_variables)
            return network

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *,
        callbacks: Sequence[keras.callbacks.Callback],
        epochs: int | None = None,
        initial_epoch: int = 0,
        **_: Any,
    ) -> keras.callbacks.History:
        """Train the network of a trial; keras-tuner takes the best epoch's value of the objective as its score.

        Args:
            hp: values of the trial.
            model: what `build` has just returned.
            callbacks: keras-tuner's own; they save the best weights, which hyperband alone reads again.
            epochs: given by hyperband, otherwise as in the settings.
            initial_epoch: given by hyperband, when it goes on with a trained network.
        """
        with failing_alone():
            settings = cast(C, self.settings)
            if epochs is not None:
                settings = settings.with_changes({"epochs": epochs}, source="hyperband")
            name, mode = self.objective.name, self.objective.direction
            # Made here: callbacks handed to keras-tuner are copied for each trial and would share one log.
            log = keras.callbacks.History()
            log.on_train_begin()
            own = [log, StopOnNaN(name)]
            if self.patience:
                own.append(keras.callbacks.EarlyStopping(name, mode=mode, patience=self.patience))
            saving = [] if epochs is None else callbacks
            try:
                with self.devices.scope():
                    self.lesson.fit(model, self.data, settings, [*own, *saving], initial_epoch=initial_epoch)
            finally:
                history = pd.DataFrame({"epoch": log.epoch, **log.history})
                history.to_csv(self.search.history_path(self.trial_id), index=False, lineterminator="\n")
                self.epochs = initial_epoch + len(history)
            return log


@contextmanager
def failing_alone() -> Iterator[None]:
    """Let a network that cannot be built or trained fail as one trial, and all else (bug, full disk) end the search."""
    try:
        yield
    except (PracticalError, ValueError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise keras_tuner.errors.FailedTrialError(reason) from error
    except Exception as error:
        raise keras_tuner.errors.FatalError(str(error)) from error


class Watched:
    """Mixed into a tuner of keras-tuner: keeps a trial's time and epochs in its folder and says how it went."""

    def pre_create_trial(self: Any) -> None:
        if isinstance(self.oracle, keras_tuner.oracles.BayesianOptimizationOracle):
            # Its place in the random numbers is not saved: derived from the number of trials, it need not be.
            self.oracle._random_state = np.random.RandomState(self.oracle.seed + len(self.oracle.trials))

    def on_trial_begin(self: Any, trial: Any) -> None:
        self.began = time.perf_counter()
        self.hypermodel.begin(trial.trial_id)

    def on_trial_end(self: Any, trial: Any) -> None:
        self.record(trial, self.hypermodel.outcome(time.perf_counter() - self.began))

    def record(self: Any, trial: Any, outcome: dict[str, Any]) -> None:
        """Keep what came of a trial and say it. The oracle is told last, so nothing it calls finished is missing."""
        space = self.hypermodel
        write_json(space.search.outcome_path(trial.trial_id), outcome)
        super().on_trial_end(trial)  # type: ignore[misc]
        board = rank(space.search, self.oracle, space.config, space.objective)
        row, best = next(row for row in board if row["trial"] == trial.trial_id), board[0]
        said = f"failed: {row['reason']}"
        if row["score"] is not None:
            said = f"{space.objective.name} {row['score']:.4f} (best {best['score']:.4f}, trial {best['trial']})"
        values = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in row["settings"].items()
        )
        to_do = self.oracle.max_trials - len(board)
        seconds = to_do * sum(one["seconds"] for one in board) / len(board) / (1 + len(self.oracle.ongoing_trials))
        left = f"; about {duration(seconds)} left" if to_do else ""
        say(f"trial {trial.trial_id}, {len(board)}/{self.oracle.max_trials}: {said}; {values}{left}")


def run_search(space: TrialSpace[Any], strategy: str, trials: int, run: Callable[[Any], None] | None = None) -> Any:
    """Run the trials that are still to be run and return the tuner with all of them.

    Args:
        space: what is searched.
        strategy: see `Plan`.
        trials: how many.
        run: has the tuner's trials run elsewhere; by itself they run here, one after the other.
    """
    try:
        with tamed():
            tuner = make_tuner(space, strategy, trials)
            settle(tuner.oracle, trials)
            say(f"tune: {strategy} search, at most {trials} trials, {len(set(tuner.oracle.end_order))} done before")
            if run is None:
                tuner.search(verbose=0)
            else:
                tuner.oracle.verbose = 0
                run(tuner)
    except (keras_tuner.errors.FatalError, keras_tuner.errors.FailedTrialError) as error:
        raise (error.__cause__ or error) from None
    return tuner


def make_tuner(space: TrialSpace[Any], strategy: str, trials: int, *kinds: type) -> Any:
    """Return keras-tuner's tuner of a strategy with our own parts mixed in: `kinds`, otherwise those of a chief."""
    search = space.search
    options: dict[str, Any] = {
        "objective": keras_tuner.Objective(space.objective.name, space.objective.direction),
        "seed": space.config.seed + 1,  # keras-tuner takes 0 for "none given" and draws one
        "max_consecutive_failed_trials": None,  # its 3 would end a search that may still find something
        "directory": search.folder,
        "project_name": search.project_folder.name,
        "overwrite": False,
    }
    if strategy == "hyperband":
        options |= {"max_epochs": space.config.model_dump()["epochs"], "factor": 3, "hyperband_iterations": trials}
    else:
        options["max_trials"] = trials
    if strategy == "bayesian":
        # By itself keras-tuner draws three random trials for each value, which may leave none for the model to choose.
        options["num_initial_points"] = max(2, min(3 * len(search.asked()["search space"]), trials // 2))
    base = STRATEGIES[strategy]
    tuner = type(base.__name__, (*(kinds or (Shared, Watched)), base), {})(space, **options)
    tuner.oracle.max_trials = trials
    return tuner


def run_for_chief(space: TrialSpace[Any], strategy: str, trials: int, connection: Connection) -> bool:
    """Run trials that a chief gives, until a batch is done or the search is over; return whether it is over.

    Raises:
        Gone: the chief does not answer any more.
    """
    try:
        with tamed():
            tuner = make_tuner(space, strategy, trials, Working)
            return bool(tuner.work(connection, keras_tuner.engine.trial.Trial))
    except (keras_tuner.errors.FatalError, keras_tuner.errors.FailedTrialError) as error:
        raise (error.__cause__ or error) from None


@contextmanager
def tamed() -> Iterator[None]:
    """Let keras-tuner write whole files and print nothing, while networks of many shapes come and go."""
    original, level = keras_tuner_files.save_json, tf.get_logger().level
    # Of a trial that failed it would print the traceback; its reason stands in our own line.
    debug, keras_tuner_config.DEBUG = keras_tuner_config.DEBUG, False
    # By rename: a kill in the middle of its own writing would leave half a file.
    keras_tuner_files.save_json = lambda path, value: write_text(Path(path), json.dumps(value))
    # TensorFlow warns of functions that are traced again and again; here every trial is another network.
    tf.get_logger().setLevel("ERROR")
    try:
        # It prints to stdout, where only results belong.
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"keras_tuner\.")
            # Of the Gaussian process of the bayesian search: with few trials its length scales are at their bounds.
            warnings.filterwarnings("ignore", category=ConvergenceWarning)
            yield
    finally:
        keras_tuner_files.save_json, keras_tuner_config.DEBUG = original, debug
        tf.get_logger().setLevel(level)


def settle(oracle: Any, trials: int) -> None:
    """Give a new or reloaded oracle what keras-tuner 1.4.8 leaves out."""
    # Trials are reloaded in the order of the file system, on which the bayesian search would depend. One that a kill
    # kept from being listed would be counted and never run.
    oracle.trials = {trial_id: oracle.trials[trial_id] for trial_id in oracle.start_order}
    if isinstance(oracle, keras_tuner.oracles.GridSearchOracle):
        # Where a grid search stands is not saved: a reloaded one would stop at once. Its list of trials is in the order
        # of the grid, in which they need not have begun.
        before = None
        for trial in sorted(oracle.trials.values(), key=cmp_to_key(partial(compare_places, oracle))):
            oracle._ordered_ids.insert(trial.trial_id, before)
            before = trial.trial_id
        oracle._populate_next = list(oracle.end_order)
    if isinstance(oracle, keras_tuner.oracles.HyperbandOracle):
        # A sweep begins with the widest bracket: for 100 epochs 148 trials, 98 of them of two epochs. With fewer trials
        # none of those would ever be trained further, so the widest bracket is the widest that can be completed.
        widest = oracle._get_num_brackets() - 1
        while widest and trials < sum(oracle._get_size(widest, n) for n in range(oracle._get_num_rounds(widest))):
            widest -= 1
        oracle._get_num_brackets = lambda: widest + 1
        if not oracle.trials:
            oracle._current_bracket, oracle._brackets = widest, []
            oracle._start_new_bracket()


def compare_places(oracle: Any, one: Any, other: Any) -> int:
    """Return -1, 0 or 1: which of two trials comes first in the order of the grid."""
    return int(oracle._compare(one.hyperparameters.values, other.hyperparameters.values))
