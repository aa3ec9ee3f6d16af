from __future__ import annotations

import errno
import gc
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tuner_child as tiny
from tuner_child import TinyConfig, lesson, scripted, search

from practicals.common import tuner
from practicals.common.config import read_yaml
from practicals.common.errors import ConfigError, PracticalError, RunError
from practicals.common.search import Goal, Plan, Search, newest_unfinished

STRATEGIES = ("random", "grid", "hyperband", "bayesian")


class Killed(BaseException):
    """Stands for kill -9 where a child process would take too long: nothing handles it."""


def valley(config: TinyConfig) -> list[float]:
    """A validation loss that is lowest at learning rate 0.01 with few units, and in the second epoch."""
    low = abs(math.log10(config.learning_rate) + 2) + sum(config.hidden_units) / 100
    return [low + 0.5, low, *(low + 0.1 * epoch for epoch in range(1, config.epochs))]


def outcome(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What of a leaderboard must come out the same whenever the same is searched."""
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in result["leaderboard"]]
    return sorted(rows, key=lambda row: row["trial"])


@pytest.fixture(scope="module", autouse=True)
def cheap_garbage_collection() -> Iterator[None]:
    """Let the collections between trials look at new objects only, not at all of TensorFlow."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_ranks_its_trials_and_leaves_stdout_to_results(
    strategy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = search(tmp_path, lesson=lesson(fit=scripted(valley)), strategy=strategy, trials=4)
    scores = [row["score"] for row in result["leaderboard"]]
    assert scores == sorted(scores)
    assert len(scores) == 4
    for row in result["leaderboard"]:
        settings = TinyConfig().with_changes(row["settings"], "leaderboard")
        assert row["score"] == pytest.approx(min(valley(settings)))
    table = pd.read_csv(Search(Path(result["search"])).leaderboard_path)
    assert list(table.columns[:6]) == ["rank", "trial", "status", "val_loss", "epochs", "seconds"]
    assert table["val_loss"].tolist() == pytest.approx(scores)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\ntrial ") == len(scores)
    assert f"best {scores[0]:.4f}" in said.err


def test_the_same_seed_gives_the_same_trials_and_another_seed_others(tmp_path: Path) -> None:
    fake = lesson(fit=scripted(valley))
    zero, again, one = (
        outcome(search(tmp_path, lesson=fake, trials=4, config=TinyConfig(seed=seed))) for seed in (0, 0, 1)
    )
    assert zero == again
    assert zero != one


def test_a_grid_visits_every_combination_once(tmp_path: Path) -> None:
    def space(hp: Any, config: TinyConfig) -> TinyConfig:
        units = [hp.Choice("units", [2, 3, 4])] * hp.Int("layers", 1, 2)
        return config.with_changes({"hidden_units": units}, "search space")

    result = search(tmp_path, lesson=lesson(fit=scripted(valley), search_space=space), strategy="grid", trials=20)
    visited = sorted(tuple(row["settings"]["hidden_units"]) for row in result["leaderboard"])
    assert visited == [(2,), (2, 2), (3,), (3, 3), (4,), (4, 4)]


def test_what_is_better_is_what_the_objective_says_and_not_what_its_name_suggests(tmp_path: Path) -> None:
    # The same numbers are logged as loss and as accuracy.
    fake = lesson(fit=scripted(valley))
    least = search(tmp_path, lesson=fake, objective=Goal("val_loss", "min"))
    most = search(tmp_path, lesson=fake, objective=Goal("val_accuracy", "max"))
    trapped = search(tmp_path, lesson=fake, objective=Goal("val_accuracy", "min"))
    assert least["best"] == trapped["best"] != most["best"]
    # Judged by the best epoch: the second where less is better, the first where more is.
    settings = TinyConfig().with_changes(most["best"]["settings"], "leaderboard")
    assert most["leaderboard"][0]["score"] == pytest.approx(valley(settings)[0])


def test_a_trial_ends_after_patience_epochs_without_an_improvement(tmp_path: Path) -> None:
    result = search(tmp_path, lesson=lesson(fit=scripted(valley)), config=TinyConfig(epochs=50), trials=1)
    assert result["leaderboard"][0]["epochs"] == 2 + 2
    history = pd.read_csv(Search(Path(result["search"])).project_folder / "trial_0" / "history.csv")
    assert history["epoch"].tolist() == [0, 1, 2, 3]


def test_a_trial_that_diverges_is_marked_and_the_search_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def diverging(config: TinyConfig) -> list[float]:
        return valley(config) if len(config.hidden_units) == 1 else [math.nan] * config.epochs

    result = search(tmp_path, lesson=lesson(fit=scripted(diverging)), trials=5)
    failed = [row for row in result["leaderboard"] if row["status"] == "failed"]
    assert 0 < len(failed) < 5
    assert result["leaderboard"][-len(failed) :] == failed
    for row in failed:
        assert row["score"] is None
        assert len(row["settings"]["hidden_units"]) == 2
        assert "training diverged, val_loss became nan" in row["reason"]
    assert "failed: learning_rate: training diverged" in capsys.readouterr().err


def test_a_search_in_which_every_trial_fails_ends_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PracticalError, match=r"all 4 trials failed; the last: .*diverged"):
        search(tmp_path, lesson=lesson(fit=scripted(lambda config: [math.inf] * config.epochs)), trials=4)


def test_a_bug_in_a_lesson_is_no_failed_trial(tmp_path: Path) -> None:
    def fit(*_: Any, **__: Any) -> None:
        raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        search(tmp_path, lesson=lesson(fit=fit))


def test_an_objective_that_is_not_logged_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no metric 'val_acuracy'.*Did you mean 'val_accuracy'"):
        search(tmp_path, lesson=lesson(), objective=Goal("val_acuracy", "max"))
    assert list(tmp_path.iterdir()) == []


def test_the_winner_as_yaml_is_the_best_trials_settings_and_is_what_is_retrained(tmp_path: Path) -> None:
    start = TinyConfig(seed=3, epochs=4)
    result = search(tmp_path, lesson=lesson(fit=scripted(valley)), config=start, trials=4)
    path = Path(result["config"])
    winner = TinyConfig.from_values(read_yaml(path), str(path))
    expected = start.with_changes(result["leaderboard"][0]["settings"], "leaderboard")
    assert winner.model_dump() == expected.model_dump()
    assert (Path(result["run"]) / "config.yaml").read_text() == expected.to_yaml()
    assert f"# Use it with: practicals run tiny --config {path}\n" in path.read_text()
    assert result["test"] == {"roc_auc": 0.75}
    assert json.loads((Path(result["search"]) / "tune.json").read_text()) == result


def test_a_winner_no_better_than_the_default_is_saved_and_said_to_be_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = search(tmp_path, lesson=lesson(fit=scripted(valley)), scores={"best": 0.8, "default": 0.8})
    assert result["validation"]["is_better"] is False
    assert "not better than the default" in capsys.readouterr().err
    assert "not better than the default" in Path(result["config"]).read_text()


def test_every_trial_has_the_precision_that_was_asked_for(tmp_path: Path) -> None:
    seen = []

    def build_model(config: TinyConfig, preprocess: Any) -> keras.Model:
        network = tiny.build_model(config, preprocess)
        seen.append(network.layers[1].dtype_policy.name)
        return network

    fake = lesson(fit=scripted(valley), build_model=build_model)
    search(tmp_path, lesson=fake, config=TinyConfig(mixed_precision=True), trials=2)
    keras.config.set_dtype_policy("float32")
    assert seen[-2:] == ["mixed_float16"] * 2


def test_hyperband_goes_on_training_the_better_networks(tmp_path: Path) -> None:
    fits: list[tuple[int, int, list[np.ndarray]]] = []

    def fit(network: keras.Model, data: Any, config: TinyConfig, callbacks: Any = (), initial_epoch: int = 0) -> None:
        before = network.get_weights()
        tiny.fit(network, data, config, callbacks, initial_epoch)
        fits.append((initial_epoch, config.epochs, before))

    config = TinyConfig(epochs=4, learning_rate=0.1)
    result = search(tmp_path, lesson=lesson(fit=fit), config=config, strategy="hyperband", trials=7)
    # Bracket 1 of 4 epochs: five networks for 2 epochs, the best two of them up to epoch 4.
    assert [(first, last) for first, last, _ in fits] == [(0, 2)] * 5 + [(2, 4)] * 2
    rows = outcome(result)
    assert [row["epochs"] for row in rows] == [2] * 5 + [4] * 2
    chosen = sorted(rows[:5], key=lambda row: row["score"])[:2]
    assert [row["settings"] for row in rows[5:]] == [row["settings"] for row in chosen]
    fresh = {tuple(array.shape for array in before): before for _, _, before in fits[:5]}
    for _, _, before in fits[5:]:
        untrained = fresh[tuple(array.shape for array in before)]
        assert not np.array_equal(before[0], untrained[0])
    # The winner is trained in full, not for the epochs of a trial.
    assert TinyConfig.from_values(read_yaml(Path(result["config"])), "best").epochs == 4


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_search_killed_in_a_trial_goes_on_as_if_it_had_not_been(strategy: str, tmp_path: Path) -> None:
    whole = search(tmp_path / "whole", lesson=lesson(fit=scripted(valley)), strategy=strategy, trials=6)
    calls = []

    def dying(config: TinyConfig) -> list[float]:
        calls.append(config)
        if len(calls) > 3 * config.epochs:
            raise Killed
        return valley(config)

    with pytest.raises(Killed):
        search(tmp_path, lesson=lesson(fit=scripted(dying)), strategy=strategy, trials=6)
    interrupted = newest_unfinished(tmp_path, "tiny")
    begun: list[TinyConfig] = []

    def counting(config: TinyConfig) -> list[float]:
        begun.append(config)
        return valley(config)

    resumed = search(tmp_path, lesson=lesson(fit=scripted(counting)), strategy=strategy, trials=6, resume=interrupted)
    assert outcome(resumed) == outcome(whole)
    assert resumed["search"] == str(interrupted.folder)
    assert 0 < len(begun) < sum(row["epochs"] for row in resumed["leaderboard"])
    with pytest.raises(RunError, match="no unfinished search"):
        newest_unfinished(tmp_path, "tiny")


@pytest.mark.parametrize("strategy", ["random", "grid"])
def test_a_kill_at_any_write_of_the_second_trial_loses_nothing_but_that_trial(
    strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = lesson(fit=scripted(valley))
    replace = os.replace
    written: list[str] = []

    def count(source: Any, target: Any) -> None:
        written.append(Path(target).parent.name + "/" + Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", count)
    whole = search(tmp_path / "whole", lesson=fake, strategy=strategy, trials=3)
    first = next(number for number, name in enumerate(written) if name == "trial_1/trial.json")
    last = next(number for number, name in enumerate(written) if name == "trial_2/trial.json")
    assert last - first > 5
    for point in range(first, last + 1):
        left = [point]

        def replace_or_die(source: Any, target: Any, left: list[int] = left) -> None:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            replace(source, target)

        root = tmp_path / str(point)
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", replace_or_die)
            with pytest.raises(Killed):
                search(root, lesson=fake, strategy=strategy, trials=3)
        resumed = search(root, lesson=fake, strategy=strategy, trials=3, resume=newest_unfinished(root, "tiny"))
        assert outcome(resumed) == outcome(whole), written[point]


def test_a_search_killed_by_sigkill_keeps_its_finished_trials_and_ends_with_the_right_number(tmp_path: Path) -> None:
    child = Path(tiny.__file__)
    done = subprocess.run(
        [sys.executable, str(child), "die", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(child.parents[1])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    interrupted = newest_unfinished(tmp_path, "tiny")
    kept = [(interrupted.project_folder / f"trial_{number}" / "trial.json").read_bytes() for number in (0, 1)]
    begun = []

    def fit(*arguments: Any, **options: Any) -> None:
        begun.append(arguments)
        tiny.fit(*arguments, **options)

    result = search(tmp_path, lesson=lesson(fit=fit), resume=interrupted)
    assert len(begun) == 1
    assert [row["status"] for row in result["leaderboard"]] == ["completed"] * 3
    for number in (0, 1):
        assert (interrupted.project_folder / f"trial_{number}" / "trial.json").read_bytes() == kept[number]
    assert outcome(result) == outcome(search(tmp_path / "whole", lesson=lesson()))


def wider_space(hp: Any, config: TinyConfig) -> TinyConfig:
    hp.Choice("units", [2, 3, 4, 5])
    return tiny.search_space(hp, config)


def other_rows(config: TinyConfig) -> Any:
    split = tiny.load(config)
    split.train.targets[7] = 1 - split.train.targets[7]
    return split


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"lesson": {"search_space": wider_space}}, r"search space\.units\.values was \[2, 3, 4\], is \[2, 3, 4, 5\]"),
        ({"lesson": {"load": other_rows}}, r"data\.sha256 was .*, is "),
        ({"config": TinyConfig(epochs=3)}, r"settings\.epochs was 2, is 3"),
        ({"trials": 4}, "trials was 3, is 4"),
        ({"strategy": "grid"}, 'strategy was "random", is "grid"'),
        ({"versions": {"keras": "3.0.0"}}, r'versions\.keras was ".*", is "3\.0\.0"'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_resuming_is_refused_when_something_differs_and_it_is_named(
    changed: dict[str, Any], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(config: TinyConfig) -> list[float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, lesson=lesson(fit=scripted(stop)))
    interrupted = newest_unfinished(tmp_path, "tiny")
    if "versions" in changed:
        versions = tuner.library_versions() | changed.pop("versions")
        monkeypatch.setattr(tuner, "library_versions", lambda: versions)
    fake = lesson(fit=scripted(valley), **changed.pop("lesson", {}))
    with pytest.raises(RunError, match=named) as refused:
        search(tmp_path, lesson=fake, resume=interrupted, **changed)
    assert "new search without --resume" in str(refused.value)


def test_a_search_that_is_running_is_not_run_by_a_second_process(tmp_path: Path) -> None:
    seen: list[str] = []
    same: dict[str, Any] = {"trials": 1, "config": TinyConfig(epochs=1)}

    def intrude(config: TinyConfig) -> list[float]:
        running = newest_unfinished(tmp_path, "tiny")
        with pytest.raises(RunError, match="another process is running this search") as refused:
            search(tmp_path, lesson=lesson(fit=scripted(valley)), resume=running, **same)
        seen.append(str(refused.value))
        return valley(config)

    search(tmp_path, lesson=lesson(fit=scripted(intrude)), **same)
    assert len(seen) == 1


def test_ctrl_c_names_the_command_that_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(config: TinyConfig) -> list[float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, lesson=lesson(fit=scripted(stop)))
    assert "Continue with: practicals tune tiny --resume" in capsys.readouterr().err


def test_a_full_disk_names_the_command_that_goes_on_once_a_trial_has_finished(tmp_path: Path) -> None:
    finished = 0

    def full(config: TinyConfig, after: int) -> list[float]:
        nonlocal finished
        if finished >= after * config.epochs:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finished += 1
        return valley(config)

    with pytest.raises(OSError, match="No space left"):
        search(tmp_path / "first", lesson=lesson(fit=scripted(lambda config: full(config, after=0))))
    root = tmp_path / "second"
    with pytest.raises(RunError) as ended:
        search(root, lesson=lesson(fit=scripted(lambda config: full(config, after=1))))
    interrupted = newest_unfinished(root, "tiny")
    assert str(ended.value).startswith(f"{interrupted.folder}: No space left on device. Finished trials are kept.")
    assert str(ended.value).endswith(f"continue with: practicals tune tiny --resume --runs {root}")
    result = search(root, lesson=lesson(fit=scripted(valley)), resume=interrupted)
    assert len(result["leaderboard"]) == 3


def test_a_bug_that_looks_like_a_file_error_stays_a_bug(tmp_path: Path) -> None:
    def fit(network: Any, data: Any, config: TinyConfig, *arguments: Any, **options: Any) -> None:
        if len(list(tmp_path.glob("tiny/tune-*/keras_tuner/trial_*"))) > 1:
            raise FileNotFoundError(errno.ENOENT, "a bug")
        scripted(valley)(network, data, config, *arguments, **options)

    with pytest.raises(FileNotFoundError, match="a bug"):
        search(tmp_path, lesson=lesson(fit=fit))


def test_the_command_that_goes_on_asks_for_the_same_processes() -> None:
    goal = Goal("val_loss", "min")
    plan = Plan("tiny", Path("runs"), "random", 3, goal, goal, 2)
    assert plan.resume_command == "practicals tune tiny --resume"
    plan = Plan("tiny", Path("my runs"), "random", 3, goal, goal, 2, workers=4, listen="0.0.0.0:4321")
    assert plan.resume_command == "practicals tune tiny --resume --runs 'my runs' --workers 4 --listen 0.0.0.0:4321"


def test_a_search_over_several_devices_needs_several_and_leaves_nothing_without(tmp_path: Path) -> None:
    if len(tf.config.list_logical_devices()) > 1:
        pytest.skip("this machine has several devices")
    with pytest.raises(ConfigError, match="needs two devices or more"):
        search(tmp_path, lesson=lesson(), config=TinyConfig(strategy="mirrored"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow(reason="a start of TensorFlow, since devices are chosen before it computes anything")
def test_each_trial_of_a_mirrored_search_is_built_and_trained_over_all_devices(tmp_path: Path) -> None:
    child = Path(tiny.__file__)
    done = subprocess.run(
        [sys.executable, str(child), "mirrored", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(child.parents[1])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert set(seen["built"]) == {2} and len(seen["built"]) >= 3
    assert seen["trained"] == [2, 2]


def test_a_search_folder_says_what_was_asked(tmp_path: Path) -> None:
    result = search(tmp_path, lesson=lesson(fit=scripted(valley)), config=TinyConfig(seed=5), trials=1)
    asked = Search(Path(result["search"])).asked()
    assert (asked["strategy"], asked["trials"]) == ("random", 1)
    assert TinyConfig.from_values(asked["settings"], "search.json").model_dump() == TinyConfig(seed=5).model_dump()
    Search(Path(result["search"])).search_path.write_text("[")
    with pytest.raises(RunError, match="is damaged"):
        Search(Path(result["search"])).asked()
