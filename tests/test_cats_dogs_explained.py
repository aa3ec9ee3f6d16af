"""The cats-and-dogs lesson at length: skill on the real photographs, exactness of a run that is killed, and why."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from base_weights import base_weights
from killed_run import assert_same_numbers_after_a_kill

from practicals import cats_dogs
from practicals.cats_dogs import CatsDogsConfig
from practicals.common.config import load_config
from practicals.common.data.picture_samples import drawn_pictures

ARCHIVE = "cats_dogs/cats_dogs_2000_1000_160px.zip"

pytestmark = pytest.mark.slow


def settings(*typed: str) -> CatsDogsConfig:
    return load_config(CatsDogsConfig, "cats_dogs", sets=["deterministic=false", "ladder=false", *typed])


# The real photographs


def test_a_top_on_frozen_features_beats_what_was_done_before_networks(real_data: Callable[[str], Path]) -> None:
    real_data(ARCHIVE)
    weights = f"weights={base_weights().parent}"
    config = settings("data=real", "model=transfer", "transfer=features", weights, "enlarge=0")
    split = cats_dogs.load(config)
    assert [len(part) for _, part in split.items()] == [1_800, 200, 1_000]
    accuracy = cats_dogs.evaluate(cats_dogs.try_out(config, split), split.test)["accuracy"]
    assert accuracy > 0.93
    edges = {one.name: one.test["accuracy"] for one in cats_dogs.baselines(split, config)}
    assert accuracy > edges["logistic regression on edges"] + 0.1


def test_the_network_of_the_slide_learns_something_in_five_epochs(real_data: Callable[[str], Path]) -> None:
    real_data(ARCHIVE)
    config = settings("data=real", "model=course", "epochs=5")
    split = cats_dogs.load(config)
    assert cats_dogs.evaluate(cats_dogs.try_out(config, split), split.test)["accuracy"] > 0.60


# The same numbers

SMOKE = ["cats_dogs", "--smoke", "--data", "sample", "--set", "epochs=4", "--set", "warm_up_share=0.25", "--quiet"]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be killed so there")
def test_a_killed_run_continues_to_the_very_numbers_of_another_process_with_the_default_settings(
    tmp_path: Path,
) -> None:
    assert_same_numbers_after_a_kill(tmp_path, SMOKE, ["occlusion"])


# Why


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    """A network that tells drawn cats from dogs, and the pictures."""
    config = settings(
        *("data=sample", "image_size=64", "filters=[16,32,64]", "epochs=24", "warm_up_share=0.08", "small_share=0"),
        *("cut_mix=0", "augmentation.rotation=0", "augmentation.zoom=0.1"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICALS_CACHE", str(tmp_path_factory.mktemp("cache")))
        split = cats_dogs.load(config)
    return cats_dogs.try_out(config, split), split, config


def test_the_better_network_learns_the_drawn_pictures(trained: tuple[keras.Model, object, CatsDogsConfig]) -> None:
    model, split, _ = trained
    assert cats_dogs.evaluate(model, split.test)["accuracy"] > 0.9


def test_what_tells_a_cat_from_a_dog_counts_more_than_the_rest(trained) -> None:
    model, split, config = trained
    telling = {one.name: one.telling for one in drawn_pictures()}
    methods, shares = ("occlusion", "shap", "grad_cam"), {}
    for place in (0, 7, 60, 80):
        row = split.test[[place]]
        where = telling[str(row.index[0])]
        for name, one in cats_dogs.explain(model, split, config, row=row, methods=methods).items():
            heat = np.maximum(np.array(one.picture.heat), 0)
            repeats = -(-64 // len(heat))
            heat = heat.repeat(repeats, axis=0).repeat(repeats, axis=1)[:64, :64]
            shares.setdefault(name, []).append((heat[where].sum() / heat.sum()) / where.mean())
    for name in methods:
        assert np.mean(shares[name]) > 1.3, shares
