"""Search for better settings with keras-tuner: four strategies, one folder a search, resumable after a kill."""

from __future__ import annotations

import hashlib
import shlex
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import keras
import keras_tuner
import numpy as np

from practicals.common.callbacks import check_monitor
from practicals.common.chief import Chief, Gone, join, read_address
from practicals.common.config import PracticalConfig
from practicals.common.console import say, warn
from practicals.common.environment import library_versions
from practicals.common.errors import PracticalError, RunError
from practicals.common.files import write_json, write_text
from practicals.common.report.words import metric_label, number
from practicals.common.run import Run
from practicals.common.search import Goal, Search, held, rank, refuse_other, write_leaderboard
from practicals.common.trials import TrialSpace, run_for_chief, run_search
from practicals.common.workers import Workers

C = TypeVar("C", bound=PracticalConfig)
VERSIONS = ("python", "tensorflow", "keras", "keras-tuner", "numpy", "scikit-learn")
"""What the trials and the order in which they come depend on."""
HERE = 20
"""So many trials run in this process unless workers are asked for; each leaves some 6 MB behind."""


def tune(
    lesson: Any,
    config: C,
    *,
    practical: str,
    root: Path,
    strategy: str,
    trials: int,
    objective: Goal,
    primary: Goal,
    patience: int,
    try_out: Callable[[C, Any], float],
    retrain: Callable[[C], Run],
    resume: Search | None = None,
    workers: int | None = None,
    listen: str | None = None,
    worker_command: Callable[[str], Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Search for better settings, compare the best with `config` on validation rows, and retrain them as a normal run.

    The data are read, split and encoded once, with the settings of `config`: the lesson's `search_space` may vary what
    `build_model` and `fit` read, and nothing before. Test rows are touched by `retrain` alone.

    Args:
        lesson: has `load`, `build_preprocess`, `encode`, `build_model`, `fit` and `search_space`.
        config: settings to begin with; those that the space does not vary stay.
        practical: name of the lesson.
        root: folder of runs; the search gets a folder `root/practical/tune-...`.
        strategy: `random`, `grid`, `hyperband` or `bayesian`.
        trials: how many trials; a small space may have fewer. With hyperband a trial is one training for some epochs,
            and going on with a trained network is another trial. Its sweeps begin with the widest bracket that so many
            trials can complete, and the last sweep is cut where the trials end.
        objective: logged value by whose best epoch a trial is judged. The loss will not do where the space varies a
            penalty such as L2, since Keras adds the penalty to it: no penalty would always look best.
        primary: the score that decides whether the best is better than `config`.
        patience: of early stopping on the objective within a trial; 0 trains to the last epoch.
        try_out: trains with settings on a raw split and returns `primary` on its validation rows.
        retrain: makes a normal run with the best settings, scored on test rows once.
        resume: the interrupted search to continue.
        workers: processes that run the trials. Without a number, a long search gets one, so that its memory stays
            flat, and a short one is run here.
        listen: "HOST:PORT" where workers of other machines may join; otherwise nobody from outside can.
        worker_command: takes the chief's address and returns the command that starts a worker.

    Returns:
        Content of `tune.json`: search, leaderboard, best settings, validation scores, path of the YAML file, run, test.

    Raises:
        RunError: the search to resume differs in settings, search space, data or versions.
        ConfigError: there is no logged value of the objective's name.
        PracticalError: every trial failed.
    """
    began = time.perf_counter()
    if listen:
        read_address(listen)  # refused before anything is made
    split = lesson.load(config)
    preprocess = lesson.build_preprocess(split.train, config)
    data = lesson.encode(preprocess, split, config)
    asked = {"practical": practical, "strategy": strategy, "trials": trials, "objective": vars(objective)}
    asked |= {"patience": patience, **describe_search(lesson, config, data)}
    if resume:
        refuse_other(resume.folder, resume.asked(), asked)
    check_monitor(lesson.build_model(config, preprocess), data.validation, objective.name)
    search = resume or Search(Run.create(root, practical, kind="tune").folder)
    if not resume:
        write_json(search.search_path, asked)
    space = TrialSpace(search, lesson, config, preprocess, data, objective, patience)
    apart = None
    if worker_command and (workers or listen or trials > HERE):
        apart = partial(
            run_apart, search=search, asked=asked, workers=workers or 1, listen=listen, command=worker_command
        )
    try:
        with held(search):
            board, winner = find_best(space, strategy, trials, apart)
        best = board[0]
        validation = compare({"best": winner, "default": config}, split, try_out, primary)
        won = f"Best of {len(board)} trials ({strategy}): trial {best['trial']}, {objective.name} {best['score']:.4f}."
        say(f"{won} {validation['sentence']}")
        use = f"Use it with: practicals run {practical} --config {shlex.quote(str(search.best_path))}"
        write_text(search.best_path, f"# {won}\n# {validation['sentence']}\n# {use}\n{winner.to_yaml()}")
        keras.backend.clear_session()
        run = retrain(winner)
    except KeyboardInterrupt:
        where = "" if root == Path("runs") else f" --runs {shlex.quote(str(root))}"
        again = f" --workers {workers}" if workers else ""
        warn(
            f"interrupted: finished trials are kept. Continue with: practicals tune {practical} --resume{where}{again}"
        )
        raise
    result = {
        "search": str(search.folder),
        "practical": practical,
        "strategy": strategy,
        "objective": vars(objective),
        "leaderboard": board,
        "best": {"trial": best["trial"], "settings": best["settings"]},
        "validation": validation,
        "config": str(search.best_path),
        "run": str(run.folder),
        "test": run.metrics()["test"],
        "seconds": round(time.perf_counter() - began, 3),
    }
    write_json(search.result_path, result)
    return result


def run_apart(
    tuner: Any,
    *,
    search: Search,
    asked: dict[str, Any],
    workers: int,
    listen: str | None,
    command: Callable[[str], Sequence[str]],
) -> None:
    """Have the trials of a search run by worker processes, of this machine and of those that join."""
    chief = Chief(tuner, asked, listen)
    try:
        with Workers(workers, command(chief.address), chief.key, search.folder / "workers") as own:
            while not chief.over:
                chief.accept()
                if chief.failure:
                    raise chief.failure
                own.look_after(lambda name: chief.begun.get(name, 0))
    finally:
        chief.close()


def join_search(
    lesson: Any, own_config: Callable[[dict[str, Any]], PracticalConfig], *, address: str, name: str
) -> bool:
    """Be a worker of a search: run trials of the chief that listens at an address, for one batch.

    Args:
        lesson: see `tune`.
        own_config: takes the settings of the search and returns them with what differs on this machine, as the path
            of the data.
        address: "HOST:PORT".
        name: of this worker; no two have the same.

    Returns:
        Whether the search is over.

    Raises:
        PracticalError: there is no such search, or data or versions differ here.
    """
    connection, asked = join(address, name)
    with connection, tempfile.TemporaryDirectory(prefix="practicals-") as folder:
        config = own_config(asked["settings"])
        split = lesson.load(config)
        preprocess = lesson.build_preprocess(split.train, config)
        data = lesson.encode(preprocess, split, config)
        here = describe_search(lesson, config, data)
        here["settings"]["data"] = asked["settings"].get("data")  # its place may be another, not its content
        refuse_other(f"{address}: this machine", {part: asked[part] for part in here}, here)
        search = Search(Path(folder))
        write_json(search.search_path, asked)
        space = TrialSpace(search, lesson, config, preprocess, data, Goal(**asked["objective"]), asked["patience"])
        try:
            return run_for_chief(space, asked["strategy"], asked["trials"], connection)
        except Gone:
            raise RunError(
                f"{address}: the search there has ended or was interrupted. Join again when it goes on."
            ) from None


def find_best(
    space: TrialSpace[C], strategy: str, trials: int, apart: Callable[[Any], None] | None = None
) -> tuple[list[dict[str, Any]], C]:
    """Run the trials that are left, here or `apart`, write the leaderboard, and return it with the best settings.

    Raises:
        PracticalError: every trial failed.
    """
    search = space.search
    oracle = run_search(space, strategy, trials, apart).oracle
    board = rank(search, oracle, space.config, space.objective)
    write_leaderboard(search.leaderboard_path, board, space.objective)
    best = board[0]
    if best["score"] is None:
        raise PracticalError(f"{search.folder}: all {len(board)} trials failed; the last: {board[-1]['reason']}")
    return board, space.lesson.search_space(oracle.get_trial(best["trial"]).hyperparameters, space.config)


def compare(
    candidates: Mapping[str, C], split: Any, try_out: Callable[[C, Any], float], primary: Goal
) -> dict[str, Any]:
    """Train `best` and `default` alike and return their scores on validation rows, with a sentence on them."""
    scores = {}
    for name, settings in candidates.items():
        keras.backend.clear_session()
        scores[name] = float(try_out(settings, split))
    is_better = primary.better(scores["best"], scores["default"])
    label, verdict = metric_label(primary.name), "better" if is_better else "not better than the default"
    sentence = (
        f"On the validation rows, which also chose it, {label} is {number(scores['best'])}; "
        f"with the default settings {number(scores['default'])}: {verdict}."
    )
    return {"metric": primary.name, **scores, "is_better": is_better, "sentence": sentence}


def describe_search(lesson: Any, config: PracticalConfig, data: Any) -> dict[str, Any]:
    """Return all on which the trials depend besides what was typed: settings, search space, data, versions."""
    values = keras_tuner.HyperParameters()
    lesson.search_space(values, config)
    digest = hashlib.sha256()
    for part in (data.train, data.validation):
        for array in keras.tree.flatten(tuple(part)):
            digest.update(b"none" if array is None else f"{array.dtype} {array.shape}".encode())
            for start in range(0, 0 if array is None else len(array), 1024):  # they may be read on demand
                digest.update(np.ascontiguousarray(array[start : start + 1024]).data)
    versions = library_versions()
    return {
        "settings": config.model_dump(mode="json"),
        "search space": {
            entry["config"].pop("name"): {"kind": entry["class_name"], **entry["config"]}
            for entry in values.get_config()["space"]
        },
        "data": {"sha256": digest.hexdigest()[:16]},
        "versions": {name: versions[name] for name in VERSIONS},
    }
