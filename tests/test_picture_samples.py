"""The drawn cats and dogs: what tells them apart is known, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from practicals.common.data.picture_samples import Drawn, draw_picture, drawn_pictures


@pytest.fixture(scope="module")
def drawn() -> tuple[Drawn, ...]:
    return drawn_pictures()


def test_a_drawing_follows_from_the_seed() -> None:
    first, again, other = (draw_picture(np.random.default_rng(seed), "cats") for seed in (0, 0, 1))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    with pytest.raises(ValueError, match="label must be one of"):
        draw_picture(np.random.default_rng(0), "birds")


def test_the_sample_is_named_and_divided_like_the_real_pictures(drawn: tuple[Drawn, ...]) -> None:
    names = [one.name for one in drawn]
    assert len(set(names)) == 400 and "training_set/cats/cat.1.png" in names and "test_set/dogs/dog.50.png" in names
    assert sum(one.label == "cats" for one in drawn) == 200
    assert all(one.pixels.shape == (64, 64, 3) and one.pixels.dtype == np.uint8 for one in drawn)
    assert len({one.pixels.tobytes() for one in drawn}) == 400


def test_the_telling_parts_are_a_known_small_share_of_every_picture(drawn: tuple[Drawn, ...]) -> None:
    shares = np.array([one.telling.mean() for one in drawn])
    assert all(one.telling.shape == (64, 64) and one.telling.dtype == bool for one in drawn)
    assert shares.min() > 0.01 and shares.max() < 0.3


def test_neither_the_mean_colour_nor_the_brightness_tells_a_cat_from_a_dog(drawn: tuple[Drawn, ...]) -> None:
    labels = [one.label for one in drawn]
    colours = np.array([one.pixels.reshape(-1, 3).mean(axis=0) for one in drawn]) / 255
    assert cross_val_score(LogisticRegression(), colours, labels, cv=5).mean() < 0.6


def test_only_the_telling_parts_differ_between_the_classes() -> None:
    # The same chances drawn as a cat and as a dog: outside both animals' telling parts the pictures are the same.
    for seed in range(5):
        (cat, cat_parts), (dog, dog_parts) = (
            draw_picture(np.random.default_rng(seed), one) for one in ("cats", "dogs")
        )
        differs = (np.abs(cat.astype(int) - dog) > 40).any(axis=2)
        near = np.pad(cat_parts | dog_parts, 1)
        beside = np.any([near[1 + y : 65 + y, 1 + x : 65 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0)
        assert differs.any() and not (differs & ~beside).any()
