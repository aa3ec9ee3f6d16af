"""A run over several seeds: which are trained, which are kept, and what is averaged. Nothing is trained here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from practicals.common.config import LARGEST_SEED, PracticalConfig
from practicals.common.errors import ConfigError
from practicals.common.run import Run, read_json
from practicals.common.seeds import begin_seeds, run_seeds, summarise
from practicals.common.text import seeds_table

CONFIG = PracticalConfig.from_values({}, "test")


def metrics(rmse: float, **baselines: float) -> dict[str, Any]:
    return {
        "primary": {"metric": "rmse", "direction": "min", "unit": "USD"},
        "test": {"rmse": rmse},
        "baselines": {name: {"rmse": value} for name, value in baselines.items()},
    }


def train(config: PracticalConfig, run: Run) -> None:
    run.write_metrics(metrics(10.0 + config.seed, mean=20.0))


def test_every_seed_is_trained_once_and_averaged(tmp_path: Path) -> None:
    folder = begin_seeds(tmp_path, "churn", CONFIG, 3)
    summary = run_seeds(folder, "churn", CONFIG, 3, train)
    assert summary["network"]["rmse"] == {
        "mean": 11.0,
        "standard_deviation": 1.0,
        "standard_error": pytest.approx(3**-0.5),
    }
    assert summary["network_minus_baseline"]["mean"]["rmse"]["mean"] == -9.0
    assert read_json(folder / "summary.json") == summary
    assert "RMSE, USD" in seeds_table(summary)


def test_one_seed_has_a_mean_and_no_deviation(tmp_path: Path) -> None:
    summary = run_seeds(begin_seeds(tmp_path, "churn", CONFIG, 1), "churn", CONFIG, 1, train)
    assert summary["network"]["rmse"] == {"mean": 10.0, "standard_deviation": 0.0, "standard_error": 0.0}


def test_what_was_interrupted_is_named_and_only_what_is_missing_is_trained(tmp_path: Path, capsys: Any) -> None:
    folder, trained = begin_seeds(tmp_path, "churn", CONFIG, 3), []

    def until_the_second(config: PracticalConfig, run: Run) -> None:
        trained.append(config.seed)
        if trained == [0, 1]:
            run.folder.joinpath("half").touch()
            raise KeyboardInterrupt
        assert not run.folder.joinpath("half").exists(), "nothing of it was trained, so it begins anew"
        train(config, run)

    with pytest.raises(KeyboardInterrupt):
        run_seeds(folder, "churn", CONFIG, 3, until_the_second)
    assert f"1 of 3 seeds are done and kept. Continue with: practicals run churn --resume {folder}" in (
        capsys.readouterr().err
    )
    assert not (folder / "summary.json").exists()
    run_seeds(folder, "churn", CONFIG, 3, until_the_second)
    assert trained == [0, 1, 1, 2]


def test_an_opponent_or_a_score_that_some_seeds_lack_is_left_out_and_named(tmp_path: Path, capsys: Any) -> None:
    """On skewed prices of the user's own, trees on the logarithm are tried only where the training rows are skewed."""
    every = [metrics(10.0, mean=20.0, trees=9.0), metrics(12.0, mean=22.0), metrics(11.0, trees=9.0, mean=21.0)]
    every[0]["test"]["adjusted_r2"] = 0.9

    def say(config: PracticalConfig, run: Run) -> None:
        run.write_metrics(every[config.seed])

    summary = run_seeds(begin_seeds(tmp_path, "regression", CONFIG, 3), "regression", CONFIG, 3, say)
    assert list(summary["network"]) == ["rmse"]
    assert list(summary["baselines"]) == list(summary["network_minus_baseline"]) == ["mean"]
    assert summary["baselines"]["mean"]["rmse"]["mean"] == 21.0
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("adjusted_r2: 1 of 3 seeds have it")
    assert second.startswith("trees: 2 of 3 seeds have it")
    assert list(summarise(every[::-1])["baselines"]) == ["mean"]


def test_seeds_beyond_the_largest_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    last = CONFIG.with_changes({"seed": LARGEST_SEED}, "test")
    begin_seeds(tmp_path / "one", "churn", last, 1)
    with pytest.raises(ConfigError, match="--seeds 2"):
        begin_seeds(tmp_path / "two", "churn", last, 2)
    assert not (tmp_path / "two").exists()
