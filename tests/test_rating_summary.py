"""What a lesson about ratings hands over: by hand, no training. Opponents that only rank stand where they belong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_rating_scores import STARS, by_number, catalogue, ratings

from practicals.common.config import PracticalConfig
from practicals.common.data.facts import Facts
from practicals.common.data.split import Split
from practicals.common.ladder import Baseline
from practicals.common.metrics import paired_bootstrap
from practicals.common.rating_scores import judge
from practicals.common.rating_summary import (
    About,
    bootstrap_over_users,
    describe_ratings,
    error_by_count,
    finish,
    histogram,
    unit_of_ratings,
)
from practicals.common.regression import rmse
from practicals.common.report.page import build_report
from practicals.common.run import Run
from practicals.common.seeds import summarise
from practicals.common.text import scores_table, seeds_table

# The comparison


def test_the_difference_is_that_of_the_rmse_over_all_ratings_and_seeds_repeat() -> None:
    generator = np.random.default_rng(0)
    users, truth = generator.integers(0, 30, 400), generator.normal(size=400)
    ours, theirs = truth + generator.normal(0, 0.9, 400), truth + generator.normal(0, 1.1, 400)
    difference, (low, high) = bootstrap_over_users(users, truth, ours, theirs, seed=1)
    assert difference == pytest.approx(rmse(truth, ours) - rmse(truth, theirs))
    assert low < difference < high < 0
    assert bootstrap_over_users(users, truth, ours, theirs, seed=1)[1] == (low, high)
    assert bootstrap_over_users(7 * users + 5, truth, ours, theirs, seed=1)[1] == (low, high), "numbers are only names"


def test_ratings_of_one_user_are_redrawn_together() -> None:
    generator = np.random.default_rng(1)
    users = np.repeat(np.arange(20), 50)
    truth = np.zeros(1000)
    # Each user is either served better or worse, with all ratings alike.
    ours = np.repeat(1 + generator.normal(0, 0.2, 20), 50)
    by_user = bootstrap_over_users(users, truth, ours, np.ones(1000), seed=0)[1]
    by_rating = paired_bootstrap(rmse, np.arange(1000.0), np.arange(1000) + ours, np.arange(1001.0)[1:], seed=0)[1]
    assert np.ptp(by_user) > 5 * np.ptp(by_rating)


def test_two_users_give_three_draws_and_one_promises_nothing() -> None:
    users, truth = np.array([4, 4, 9]), np.zeros(3)
    ours, theirs = np.array([1.0, 1.0, 2.0]), np.array([2.0, 2.0, 2.5])
    difference, interval = bootstrap_over_users(users, truth, ours, theirs, seed=0)
    assert difference == pytest.approx(np.sqrt(6 / 3) - np.sqrt(14.25 / 3))
    assert interval == pytest.approx((1 - 2, 2 - 2.5)), "one user twice, or the other"
    alone = bootstrap_over_users(users[:2], truth[:2], ours[:2], theirs[:2], seed=0)
    assert alone == (-1, (-1, 0))


# What is told


def test_groups_end_at_round_numbers_and_none_is_too_small() -> None:
    count = np.array([0] * 2 + [3] * 20 + [15] * 3 + [40] * 25 + [300] * 50)
    part = ratings(catalogue(1, 100), [(0, item, 3) for item in range(100)])
    ours = np.where(count == 0, 5.0, 4.0)
    groups = error_by_count(part, count, ours, np.full(100, 3.0))
    assert [(one["from"], one["to"], one["ratings"]) for one in groups] == [
        (0, 0, 2), (1, 5, 20), (6, 50, 28), (51, None, 50),
    ]  # fmt: skip
    assert [one["rmse"] for one in groups] == [2, 1, 1, 1]
    assert {one["baseline_rmse"] for one in groups} == {0}
    few = error_by_count(part[:1], np.array([1]), ours[:1], ours[:1])
    assert [(one["from"], one["to"]) for one in few] == [(1, None)]
    assert [one["from"] for one in error_by_count(part[:2], count[:2], ours[:2], ours[:2])] == [0]


def test_a_prediction_counts_at_the_nearest_rating() -> None:
    part = ratings(catalogue(1, 4), [(0, 0, 1), (0, 1, 4), (0, 2, 4), (0, 3, 5)])
    found = histogram(part, np.array([1.0, 2.49, 3.5, 4.6]))
    assert found == {
        "values": [1, 2, 3, 4, 5],
        "truth": [0.25, 0, 0, 0.5, 0.25],
        "prediction": [0.25, 0.25, 0, 0.25, 0.25],
    }
    fine = ratings(catalogue(1, 2, tuple(range(101))), [(0, 0, 0), (0, 1, 97)])
    found = histogram(fine, np.array([55.0, 100.0]))
    assert found["values"] == list(range(0, 101, 10))
    assert found["truth"][0] == found["truth"][-1] == 0.5 and sum(found["prediction"]) == 1


def test_only_the_scales_of_movielens_are_told_in_stars() -> None:
    assert unit_of_ratings(catalogue(1, 1)) == unit_of_ratings(catalogue(1, 1, tuple(np.arange(1, 11) / 2))) == "stars"
    assert unit_of_ratings(catalogue(1, 1, (1.0, 10.0))) == ""


class Settings(PracticalConfig):
    """Settings of a lesson about ratings."""


def test_the_hand_over_writes_what_the_report_needs(tmp_path: Path) -> None:
    run = Run.at(tmp_path / "run")
    run.write_table(run.history_path, pd.DataFrame({"epoch": [0, 1], "loss": [0.7, 0.6], "val_loss": [0.7, 0.6]}))
    of = catalogue(8, 12)
    train = ratings(of, [(user, item, 1 + (user + item) % 5) for user in range(8) for item in range(4)])
    train.given = train
    validation = ratings(of, [(user, 4, 2 + user % 4) for user in range(8)], given=train, known=train)
    test = ratings(
        of, [(user, item, 1 + (user * item) % 5) for item in (5, 6, 7) for user in range(8)], given=train, known=train
    )
    test.index = pd.RangeIndex(100, 124)
    split = Split(train, validation, test, Facts("own", "mine.csv", "ab" * 32, 64, ("2 ratings left out.",), "", ""))
    assert describe_ratings(split)["density"] == 64 / 96

    def network(rows: np.ndarray, users: np.ndarray) -> dict[str, np.ndarray]:
        rating = np.clip(1 + (users[:, None] * np.arange(12)) % 5 + 0.25, *STARS[:: len(STARS) - 1])
        return {"rating": rating, "ranking": rating}

    def baseline(name: str, kind: str, answer) -> Baseline:
        judged = [judge(answer, part) for part in (validation, test)]
        return Baseline(name, kind, "", judged[0].scores, judged[1].scores, judged[1].prediction)

    scores = finish(
        run,
        Settings(),
        About(
            title="Films", primary="rmse", direction="min", monitor="val_loss", mode="min", tuned="val_rmse", text=""
        ),
        split=split,
        network=SimpleNamespace(layers=[]),
        judged=split.map(lambda part: judge(network, part)),
        baselines=[
            baseline("mean", "naive", lambda rows, users: {"rating": np.full(rows.shape, 3.0)}),
            baseline("most popular", "classical", by_number),
        ],
        rungs=[],
        fit_seconds=1.0,
        best_epoch_kept=True,
        noun=("film", "films"),
        ranking_sentence="By the rating.",
        depths=[{"name": "depth 1", "validation": 0.9}],
    )
    assert (scores.verdict["against"], scores.verdict["result"], scores.unit) == ("mean", "better", "stars")
    assert set(scores.baselines["most popular"]) >= {"ndcg_at_10", "coverage"}
    assert "rmse" not in scores.baselines["most popular"]
    summary = run.summary()
    assert (summary["task"], summary["noun"], summary["group_baseline"]) == ("ratings", ["film", "films"], "mean")
    assert (summary["data"]["users"], summary["data"]["items"], summary["data"]["rows"]) == (8, 12, 64)
    assert summary["data"]["notes"] == ["2 ratings left out."]
    assert [rung["name"] for rung in summary["ladder"]] == ["mean", "final"], "who only ranks stands on no rung"
    assert summary["by_user"] == [
        {"from": 1, "to": None, "ratings": 24, "rmse": pytest.approx(scores.test["rmse"]),
         "baseline_rmse": pytest.approx(scores.baselines["mean"]["rmse"])}
    ]  # fmt: skip
    assert [(one["from"], one["to"]) for one in summary["by_item"]] == [(0, 0)]
    ranking = summary["ranking"]
    assert [row["name"] for row in ranking["rows"]] == ["network", "most popular"]
    assert (ranking["relevant"], ranking["sentence"]) == (4, "By the rating.")
    assert ranking["rows"][1]["ndcg"] == scores.baselines["most popular"]["ndcg_at_10"]
    assert summary["depths"][0]["name"] == "depth 1"
    predictions = run.predictions()
    assert predictions["part"].value_counts().to_dict() == {"test": 24, "validation": 8}
    first = predictions[predictions["part"] == "test"].iloc[1]
    assert (first["id"], first["truth"], first["user"], first["item"]) == (101, 1, "u1", "i5")
    assert first["prediction"] == pytest.approx(1.25)
    assert run.baselines()["rmse"].isna().tolist() == [False, True]
    lines = scores_table(scores).splitlines()
    assert next(line for line in lines if line.startswith("most popular")).split()[2] == "–"
    metrics = {
        "practical": "recommender", "data": "own", "seed": 0, "train": scores.train, "validation": scores.validation,
        "test": scores.test, "baselines": scores.baselines, "verdict": scores.verdict, "epochs": 2,
        "primary": {"metric": "rmse", "direction": "min", "unit": "stars"}, "seconds": {"fit": 1.0, "total": 2.0},
    }  # fmt: skip
    assert "most popular" in seeds_table({**summarise([metrics, metrics]), "seeds": 2})
    run.write_environment({"data": {"kind": "own"}})
    run.write_config("")
    run.write_metrics(metrics)
    assert 'id="ranking"' in build_report(run).read_text(encoding="utf-8")
