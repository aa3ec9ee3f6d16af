"""CutMix: how much of another picture is pasted, what becomes of the target, and what a draw depends on."""

from __future__ import annotations

import numpy as np
import pytest

from practicals.common.training import EpochOrder, shuffled_batches
from practicals.common.training.mixing import cut_mix

SIDE, ROWS, BATCH = 24, 26, 8
BLACK_AND_WHITE = np.zeros((ROWS, SIDE, SIDE, 3), "uint8")
BLACK_AND_WHITE[::2] = 255
IS_WHITE = np.arange(ROWS) % 2 == 0


def mixed(epoch: int = 0, share: float = 1.0, seed: int = 5, targets: np.ndarray | None = None) -> list[np.ndarray]:
    """One epoch of mixed pictures and targets, as they come."""
    wanted = IS_WHITE.astype("float32") if targets is None else targets
    batches, order = shuffled_batches(BLACK_AND_WHITE, wanted, batch_size=BATCH, seed=seed)
    return one_epoch(cut_mix(batches, order, share), order, epoch)


def one_epoch(batches, order: EpochOrder, epoch: int) -> list[np.ndarray]:
    order.on_epoch_begin(epoch)
    pixels, targets = zip(*((pixels.numpy(), targets.numpy()) for pixels, targets in batches), strict=True)
    return [np.concatenate(pixels), np.concatenate(targets)]


def equal(one: list[np.ndarray], another: list[np.ndarray]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(one, another, strict=True))


@pytest.fixture(scope="module")
def first() -> list[np.ndarray]:
    return mixed()


def test_the_target_is_the_share_of_pixels_of_each_class(first):
    pixels, targets = first
    assert set(np.unique(pixels)) == {0.0, 255.0}, "a piece is pasted, not blended"
    white = (pixels == 255).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(targets, white, atol=1e-6)
    assert ((white > 0.05) & (white < 0.95)).sum() >= 5, "some are truly mixed"


def test_what_is_pasted_is_one_rectangle(first):
    checked = 0
    for picture in first[0][..., 0]:
        inside = picture != picture[0, 0]
        if inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any():
            continue  # it reaches the edge; which of the two colours is the piece cannot be told
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        assert inside.sum() == len(rows) * len(columns)
        checked += 1
    assert checked


def test_a_share_of_none_changes_nothing_and_a_part_leaves_the_rest_alone(first):
    batches, order = shuffled_batches(BLACK_AND_WHITE, IS_WHITE.astype("float32"), batch_size=BATCH, seed=5)
    plain = one_epoch(batches, order, 0)
    assert plain[0].dtype == np.uint8
    assert equal(mixed(share=0.0), plain)
    changed = {share: (mixed(share=share)[0] != plain[0]).any(axis=(1, 2, 3)) for share in (0.4, 1.0)}
    assert 0 < changed[0.4].sum() < changed[1.0].sum()
    assert (changed[1.0] >= changed[0.4]).all()


def test_one_hot_targets_are_mixed_by_the_same_share_and_sum_to_one(first):
    one_hot = np.stack([~IS_WHITE, IS_WHITE, np.zeros(ROWS)], axis=1).astype("float32")
    pixels, targets = mixed(targets=one_hot)
    np.testing.assert_array_equal(pixels, first[0])
    np.testing.assert_allclose(targets, np.stack([1 - first[1], first[1], 0 * first[1]], axis=1), atol=1e-6)


def test_a_draw_follows_from_seed_and_epoch_and_nothing_else(first):
    batches, order = shuffled_batches(BLACK_AND_WHITE, IS_WHITE.astype("float32"), batch_size=BATCH, seed=5)
    batches = cut_mix(batches, order, 1.0)
    epochs = [one_epoch(batches, order, epoch) for epoch in (0, 3, 1)]
    assert equal(epochs[0], first)
    assert equal(epochs[1], mixed(epoch=3)), "as a resumed fit that begins with epoch 3 sees it"
    assert not equal(epochs[1], epochs[2])
    assert not equal(mixed(seed=6), first)


def test_the_same_batches_are_mixed_otherwise_in_another_epoch_and_with_another_seed():
    def pixels(epoch: int, seed: int = 5) -> np.ndarray:
        batches, order = shuffled_batches(BLACK_AND_WHITE, IS_WHITE.astype("float32"), batch_size=BATCH, seed=seed)
        order.on_epoch_begin(epoch)
        order.order.assign(np.arange(ROWS))  # so that the order of the pictures is no difference
        return np.concatenate([one.numpy() for one, _ in cut_mix(batches, order, 1.0)])

    once = pixels(2)
    np.testing.assert_array_equal(pixels(2), once)
    for another in (pixels(3), pixels(2, seed=6)):
        assert (another != once).any(axis=(1, 2, 3)).mean() > 0.5


def test_batches_of_one_epoch_are_mixed_by_draws_of_their_own():
    # The same two pictures in every batch: only the draw can tell batches apart.
    pair = np.stack([np.zeros((SIDE, SIDE, 3)), np.full((SIDE, SIDE, 3), 255)]).astype("uint8")
    batches, order = shuffled_batches(np.tile(pair, (8, 1, 1, 1)), np.zeros(16, "float32"), batch_size=2, seed=0)
    pixels, _ = one_epoch(cut_mix(batches, order, 1.0), order, 0)
    pieces = {tuple(np.diff(picture[..., 0], axis=0).nonzero()[0]) for picture in pixels}
    assert len(pieces) > 4
