"""`practicals tune`: a search for better settings, or trials of one that was begun elsewhere."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from practicals.common.catalog import find_practical
from practicals.common.config import PracticalConfig
from practicals.common.data.split import Split
from practicals.common.errors import ConfigError
from practicals.common.run import Run
from practicals.common.search import Goal, Plan, newest_unfinished
from practicals.common.text import leaderboard_text
from practicals.common.workers import NAME, NEXT_BATCH, leave_with_parent, work_for
from practicals.common.workflow import config_class, gives_settings, kept_for_resume, load_lesson, read_config, train


def tune_command(options: argparse.Namespace) -> int:
    """`practicals tune NAME`: search for better settings, train with the best, score them once."""
    if options.join:
        return join_command(options)
    practical = find_practical(options.name)
    # Before TensorFlow is loaded: there may be nothing to continue.
    search = newest_unfinished(options.runs, practical.name) if options.resume else None
    asked: dict[str, Any] = search.asked() if search else {"strategy": "random", "trials": 20}
    if options.workers or options.listen:
        # Several processes share a GPU only if none takes all of its memory at once.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    lesson = load_lesson(practical)
    from practicals.common.training import prepare
    from practicals.common.tuner import tune

    if search and not gives_settings(options):
        config: Any = config_class(lesson).from_values(asked["settings"], str(search.search_path))
    else:
        config = read_config(options, lesson)
    prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    about = lesson.ABOUT
    plan = Plan(
        practical=practical.name,
        root=options.runs,
        strategy=options.strategy or asked["strategy"],
        trials=options.trials or asked["trials"],
        objective=Goal(about.tuned, about.direction),
        primary=Goal(about.primary, about.direction),
        patience=config.patience,
        workers=options.workers,
        listen=options.listen,
        worker_command=lambda address: worker_command(practical.name, address),
    )

    def try_out(settings: PracticalConfig, split: Split[Any]) -> float:
        return float(lesson.evaluate(lesson.try_out(settings, split), split.validation)[about.primary])

    def retrain(best: PracticalConfig) -> Run:
        run = Run.create(options.runs, practical.name)
        with kept_for_resume(run):
            train(practical, lesson, best, run)
        return run

    result = tune(lesson, config, plan, try_out=try_out, retrain=retrain, resume=search)
    print(json.dumps(result, indent=2) if options.json else leaderboard_text(result))
    return 0


def worker_command(name: str, address: str, *more: str) -> list[str]:
    """Return the command that starts a worker of the search that listens at an address."""
    return [sys.executable, "-m", "practicals", "tune", name, "--join", address, *more]


def join_command(options: argparse.Namespace) -> int:
    """`practicals tune NAME --join HOST:PORT`: run trials of a search that was begun elsewhere."""
    practical = find_practical(options.name)
    given = {**vars(options), "data": None}
    if options.resume or options.trials or options.strategy or gives_settings(argparse.Namespace(**given)):
        raise ConfigError("--join: the search has its own settings; leave out all but --workers and --data.")
    name = os.environ.get(NAME)
    if name is None:
        data = [] if options.data is None else ["--data", options.data]
        work_for(
            options.join, practical.name, worker_command(practical.name, options.join, *data), options.workers or 1
        )
        if options.json:
            print(json.dumps({"joined": options.join, "practical": practical.name}))
        return 0
    leave_with_parent()
    lesson = load_lesson(practical)
    from practicals.common.training import prepare
    from practicals.common.tuner import join_search

    def own_config(settings: dict[str, Any]) -> PracticalConfig:
        here = settings if options.data is None else {**settings, "data": options.data}
        config = config_class(lesson).from_values(here, options.join)
        prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
        return config

    over = join_search(lesson, own_config, address=options.join, name=name)
    return 0 if over else NEXT_BATCH
