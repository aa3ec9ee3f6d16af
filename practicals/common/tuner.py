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
from practicals.common.console import say
from practicals.common.environment import library_versions
from practicals.common.errors import PracticalError, RunError
from practicals.common.files import write_json, write_text
from practicals.common.report.words import metric_label, number
from practicals.common.run import Run
from practicals.common.search import (
    Goal,
    Plan,
    Search,
    held,
    kept_for_resume,
    rank,
    refuse_other,
    write_leaderboard,
)
from practicals.common.training import over_devices
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
    plan: Plan,
    *,
    try_out: Callable[[C, Any], float],
    retrain: Callable[[C], Run],
    resume: Search | None = None,
) -> dict[str, Any]:
    """Search for better settings, compare the best with `config` on validation rows, and retrain them as a normal run.

    The data are read, split and encoded once, with the settings of `config`: the lesson's `search_space` may vary what
    `build_model` and `fit` read, and nothing before. Test rows are touched by `retrain` alone.

    Args:
        lesson: has `load`, `build_preprocess`, `encode`, `build_model`, `fit` and `search_space`.
        config: settings to begin with; those that the space does not vary stay.
        plan: what is asked of the search.
        try_out: trains with settings on a raw split and returns `plan.primary` on its validation rows.
        retrain: makes a normal run with the best settings, scored on test rows once.
        resume: the interrupted search to continue.

    Returns:
        Content of `tune.json`: search, leaderboard, best settings, validation scores, path of the YAML file, run, test.

    Raises:
        RunError: the search to resume differs in settings, search space, data or versions; or it was ended, and
            finished trials are kept.
        ConfigError: there is no logged value of the objective's name.
        PracticalError: every trial failed.
    """
    began = time.perf_counter()
    if plan.listen:
        read_address(plan.listen)  # refused before anything is made
    with over_devices(config.strategy):
        split, space, asked = begin_search(lesson, config, plan, resume)
    search = space.search
    with held(search), kept_for_resume(search, plan.resume_command):
        board, winner = find_best(space, plan, asked)
        validation = compare({"best": winner, "default": config}, split, try_out, plan.primary)
        write_winner(search, plan, board, winner, validation["sentence"])
        keras.backend.clear_session()
        run = retrain(winner)
        result = {
            "search": str(search.folder),
            "practical": plan.practical,
            "strategy": plan.strategy,
            "objective": vars(plan.objective),
            "leaderboard": board,
            "best": {"trial": board[0]["trial"], "settings": board[0]["settings"]},
            "validation": validation,
            "config": str(search.best_path),
            "run": str(run.folder),
            "test": run.metrics()["test"],
            "seconds": round(time.perf_counter() - began, 3),
        }
        write_json(search.result_path, result)
    return result


def begin_search(
    lesson: Any, config: C, plan: Plan, resume: Search | None
) -> tuple[Any, TrialSpace[C], dict[str, Any]]:
    """Return the raw split, what is searched, and the content of `search.json`, in the folder of a search.

    Raises:
        RunError: the search to resume differs in settings, search space, data or versions.
        ConfigError: there is no logged value of the objective's name.
    """
    split = lesson.load(config)
    preprocess = lesson.build_preprocess(split.train, config)
    data = lesson.encode(preprocess, split, config)
    asked = {**plan.asked(), **describe_search(lesson, config, data)}
    if resume:
        refuse_other(resume.folder, resume.asked(), asked)
    check_monitor(lesson.build_model(config, preprocess), data.validation, plan.objective.name)
    search = resume or Search(Run.create(plan.root, plan.practical, kind="tune").folder)
    if not resume:
        write_json(search.search_path, asked)
    return split, TrialSpace(search, lesson, config, preprocess, data, plan.objective, plan.patience), asked


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
        with over_devices(config.strategy):
            split = lesson.load(config)
            preprocess = lesson.build_preprocess(split.train, config)
            data = lesson.encode(preprocess, split, config)
            here = describe_search(lesson, config, data)
            here["settings"]["data"] = asked["settings"].get("data")  # its place may be another, not its content
            refuse_other(f"{address}: this machine", {part: asked[part] for part in here}, here)
            search, objective = Search(Path(folder)), Goal(**asked["objective"])
            write_json(search.search_path, asked)
            space = TrialSpace(search, lesson, config, preprocess, data, objective, asked["patience"])
        try:
            return run_for_chief(space, asked["strategy"], asked["trials"], connection)
        except Gone:
            raise RunError(
                f"{address}: the search there has ended or was interrupted. Join again when it goes on."
            ) from None


def find_best(space: TrialSpace[C], plan: Plan, asked: dict[str, Any]) -> tuple[list[dict[str, Any]], C]:
    """Run the trials that are left, write the leaderboard, and return it with the best settings.

    Raises:
        PracticalError: every trial failed.
    """
    search, apart = space.search, None
    if plan.worker_command and (plan.workers or plan.listen or plan.trials > HERE):
        apart = partial(
            run_apart,
            search=search,
            asked=asked,
            workers=plan.workers or 1,
            listen=plan.listen,
            command=plan.worker_command,
        )
    oracle = run_search(space, plan.strategy, plan.trials, apart).oracle
    board = rank(search, oracle, space.config, space.objective)
    write_leaderboard(search.leaderboard_path, board, space.objective)
    best = board[0]
    if best["score"] is None:
        raise PracticalError(f"{search.folder}: all {len(board)} trials failed; the last: {board[-1]['reason']}")
    return board, space.lesson.search_space(oracle.get_trial(best["trial"]).hyperparameters, space.config)


def write_winner(
    search: Search, plan: Plan, board: Sequence[Mapping[str, Any]], winner: PracticalConfig, sentence: str
) -> None:
    """Write the best settings as YAML, with what is known of them, and say it."""
    best = board[0]
    won = f"Best of {len(board)} trials ({plan.strategy}): trial {best['trial']}, "
    won += f"{plan.objective.name} {best['score']:.4f}."
    say(f"{won} {sentence}")
    use = f"Use it with: practicals run {plan.practical} --config {shlex.quote(str(search.best_path))}"
    write_text(search.best_path, f"# {won}\n# {sentence}\n# {use}\n{winner.to_yaml()}")


def compare(
    candidates: Mapping[str, C], split: Any, try_out: Callable[[C, Any], float], primary: Goal
) -> dict[str, Any]:
    """Train `best` and `default` alike, on one device, and return their scores on validation rows, with a sentence."""
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
