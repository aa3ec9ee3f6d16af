"""Seeds, batches, saved models, fast prediction and the file of the training state."""

from __future__ import annotations

import gc
import io
import os
import weakref
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from practicals.common import training
from practicals.common.data.examples import Examples, RowsOnDemand
from practicals.common.errors import RunError
from practicals.common.training import TrainingState, batches_in_order, load_model, predict_batches, shuffled_batches

# Keras 3.15 reads TensorFlow's variables in a way that NumPy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def build_network(units: int = 8, optimizer: Any = "adam", dropout: float = 0.3, **options: Any) -> keras.Model:
    inputs = keras.Input((4,))
    x = keras.layers.Dense(units, activation="relu")(inputs)
    x = keras.layers.Dropout(dropout)(x)
    network = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    network.compile(optimizer, "binary_crossentropy", **options)
    return network


def rows(count: int, width: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, width)).astype("float32")


class Recorder(keras.Model):
    """Keeps the first column of every batch it is trained on, in the order in which the batches came."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.seen: list[list[float]] = []

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)

    def train_step(self, data: Any) -> Any:
        import tensorflow as tf

        def record(column: Any) -> np.int64:
            self.seen.append(column.numpy().tolist())
            return np.int64(0)

        with tf.control_dependencies([tf.py_function(record, [data[0][:, 0]], tf.int64)]):
            return super().train_step(data)


def seen_in_fit(epochs: int, initial_epoch: int = 0, steps_per_execution: int = 64) -> list[list[float]]:
    """Return the batches of a fit on 330 rows, in batches of 5: 66 steps, the last execution is a partial one."""
    numbers = np.arange(333, dtype="float32").reshape(-1, 1)
    batches, order = shuffled_batches(numbers, numbers, batch_size=5, seed=7)
    recorder = Recorder()
    recorder.compile("sgd", "mse", steps_per_execution=steps_per_execution)
    recorder.optimizer.learning_rate = 0.0
    recorder.fit(batches, epochs=epochs, initial_epoch=initial_epoch, callbacks=[order], shuffle=False, verbose=0)
    return recorder.seen


def test_each_epoch_sees_every_row_once_and_in_an_order_of_its_own() -> None:
    seen = seen_in_fit(epochs=3)
    assert [len(batch) for batch in seen] == 3 * [*[5] * 66, 3]
    orders = [[row for batch in seen[67 * epoch : 67 * (epoch + 1)] for row in batch] for epoch in range(3)]
    for order in orders:
        assert sorted(order) == list(range(333))
    assert orders[0] != orders[1] != orders[2] != orders[0]
    _, callback = shuffled_batches(np.zeros(333), np.zeros(333), batch_size=5, seed=7)
    assert orders == [callback.of_epoch(epoch).tolist() for epoch in range(3)]


def test_a_fit_that_begins_at_a_later_epoch_sees_the_batches_of_that_epoch() -> None:
    assert seen_in_fit(epochs=3, initial_epoch=2) == seen_in_fit(epochs=3, steps_per_execution=1)[2 * 67 :]


def test_targets_and_weights_stay_with_their_rows() -> None:
    numbers = np.arange(50)
    inputs = {"a": numbers, "b": np.stack([numbers, numbers], axis=1)}
    batches, _ = shuffled_batches(inputs, numbers * 10, numbers * 100, batch_size=20, seed=0)
    assert int(batches.cardinality()) == 3
    for columns, targets, weights in batches.as_numpy_iterator():
        np.testing.assert_array_equal(columns["a"] * 10, targets)
        np.testing.assert_array_equal(columns["b"][:, 1] * 100, weights)


def test_another_seed_gives_another_order() -> None:
    assert training.EpochOrder(0, 50).of_epoch(3).tolist() != training.EpochOrder(1, 50).of_epoch(3).tolist()


def on_disk(rows: int, asked: list[int] | None = None) -> RowsOnDemand:
    """Rows (2,) of which row k holds k and k + 100; notes down how many are read at once."""

    def read(chosen: np.ndarray) -> np.ndarray:
        if asked is not None:
            asked.append(len(chosen))
        return np.stack([chosen, chosen + 100], axis=1).astype("uint8")

    return RowsOnDemand(read, rows, (2,))


def test_rows_on_disk_come_in_the_same_order_as_an_array_and_a_batch_at_a_time() -> None:
    asked: list[int] = []
    rows = on_disk(10, asked)
    from_disk, _ = shuffled_batches(rows, np.arange(10), batch_size=4, seed=3)
    in_memory, _ = shuffled_batches(rows[:], np.arange(10), batch_size=4, seed=3)
    asked.clear()
    found = [(inputs.numpy(), targets.numpy()) for inputs, targets in from_disk]
    assert sorted(asked) == [2, 4, 4]
    for (inputs, targets), (array, numbers) in zip(found, in_memory, strict=True):
        assert np.array_equal(inputs[:, 0], targets)
        assert np.array_equal(inputs, array)
        assert np.array_equal(targets, numbers)


def test_batches_in_order_keep_the_order_and_the_rest() -> None:
    batches = batches_in_order(Examples(on_disk(5), np.arange(5.0)), batch_size=2)
    assert [inputs[:, 1].numpy().tolist() for inputs, _ in batches] == [[100, 101], [102, 103], [104]]


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="same number of rows"):
        shuffled_batches(np.zeros((5, 1)), np.zeros(4), batch_size=2, seed=0)


def test_precision_of_an_earlier_run_does_not_stay() -> None:
    device = training.prepare(0, mixed_precision=True)
    assert keras.config.dtype_policy().name == "mixed_float16"
    assert device == training.prepare(0)
    assert keras.config.dtype_policy().name == "float32"
    assert device.startswith(("CPU (", "GPU ("))


def test_the_seed_decides_the_initial_weights() -> None:
    found = []
    for seed in (5, 5, 6):
        training.prepare(seed)
        found.append(build_network().get_weights()[0])
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


@pytest.mark.parametrize("units", [(64, 64), (37,)])
def test_a_row_is_bitwise_the_same_alone_in_any_company_and_after_reload(
    units: tuple[int, ...], tmp_path: Path
) -> None:
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((60,))
    for width in units:
        x = keras.layers.Dense(width, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    table = rows(2000, 60)
    together = predict_batches(model, table)
    assert together.shape == (2000, 1)
    np.testing.assert_allclose(together, model.predict(table, verbose=0), atol=1e-6)
    for seed in range(3):
        shuffled = np.random.default_rng(seed).permutation(2000)
        np.testing.assert_array_equal(predict_batches(model, table[shuffled]), together[shuffled])
    training.save_model(model, tmp_path / "model.keras")
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]
    again = load_model(tmp_path / "model.keras")
    for row in range(0, 2000, 61):
        np.testing.assert_array_equal(predict_batches(model, table[row : row + 1])[0], together[row])
        np.testing.assert_array_equal(predict_batches(again, table[row : row + 1])[0], together[row])


def test_raw_columns_with_texts_are_predicted_in_blocks() -> None:
    lookup = keras.layers.StringLookup(vocabulary=["x", "y"])
    code, number = keras.Input((1,), dtype="string", name="code"), keras.Input((1,), name="number")
    model = keras.Model({"code": code, "number": number}, {"code": lookup(code), "double": number * 2})
    codes = np.array([["x"], ["y"], ["z"], [""], ["x"]], dtype=object)
    numbers = np.arange(5, dtype="float32")[:, None]
    outputs = predict_batches(model, {"code": codes, "number": numbers}, block_rows=2)
    assert outputs["code"][:, 0].tolist() == [1, 2, 0, 0, 1]
    assert outputs["double"][:, 0].tolist() == [0, 2, 4, 6, 8]
    empty = predict_batches(model, {"code": codes[:0], "number": numbers[:0]}, block_rows=2)
    assert empty["double"].shape == (0, 1)


def test_prediction_follows_weights_that_change() -> None:
    network = build_network()
    before = predict_batches(network, rows(3))
    network.set_weights([array + 0.5 for array in network.get_weights()])
    np.testing.assert_allclose(predict_batches(network, rows(3)), network.predict(rows(3), verbose=0), atol=1e-6)
    assert (predict_batches(network, rows(3)) != before).any()


def test_a_model_that_was_predicted_with_can_be_forgotten() -> None:
    network = build_network()
    predict_batches(network, rows(3))
    alive = weakref.ref(network)
    del network
    gc.collect()
    assert alive() is None


@keras.saving.register_keras_serializable("elsewhere")
class Foreign(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs


def save(path: Path, layer: keras.layers.Layer) -> Path:
    inputs = keras.Input((3,))
    keras.Model(inputs, layer(inputs)).save(path)
    return path


def test_only_a_model_without_foreign_code_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = save(tmp_path / "good.keras", keras.layers.Dense(2))
    assert load_model(good).output_shape == (None, 2)
    foreign = save(tmp_path / "foreign.keras", Foreign())
    monkeypatch.delitem(keras.saving.get_custom_objects(), "elsewhere>Foreign")
    truncated, flipped, archive = (tmp_path / f"{name}.keras" for name in ("truncated", "flipped", "archive"))
    content = good.read_bytes()
    truncated.write_bytes(content[: len(content) // 2])
    middle = len(content) // 2
    flipped.write_bytes(content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :])
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("notes.txt", "nothing")
    for path, message in {
        tmp_path / "missing.keras": "no such file",
        tmp_path: "is a folder",
        truncated: "is not a Keras model",
        flipped: "cannot be loaded",
        archive: "cannot be loaded",
        foreign: "no layer or function 'Foreign'",
        save(tmp_path / "lambda.keras", keras.layers.Lambda(lambda x: x * 2)): "Lambda layer, which is Python code",
    }.items():
        with pytest.raises(RunError) as caught:
            load_model(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert message in str(caught.value)
        assert "safe_mode" not in str(caught.value)


def fit_with_state(path: Path, network: keras.Model, *, epochs: int = 2, data: str = "A") -> Any:
    state = TrainingState(path, network, epochs=epochs, identity={"data": data})
    network.fit(
        rows(20),
        rows(20)[:, :1] > 0,
        epochs=epochs,
        initial_epoch=state.initial_epoch,
        callbacks=[state],
        verbose=0,
    )
    return state


def test_the_state_has_the_seed_generator_of_dropout_and_the_moments_of_the_optimizer(tmp_path: Path) -> None:
    network = build_network()
    fit_with_state(tmp_path / "state.npz", network)
    header, arrays = training.read_state(tmp_path / "state.npz")
    assert any("seed_generator_state" in text for text in header["identity"]["network"])
    assert len(arrays) == 5 + len(network.optimizer.variables)  # two kernels, two biases, one seed generator
    assert len(network.optimizer.variables) == 2 + 2 * 4  # iterations, learning rate, two moments of each weight
    assert len(header["history"]) == 2


def test_no_epoch_is_run_again_when_all_were_run(tmp_path: Path) -> None:
    network = build_network()
    fit_with_state(tmp_path / "state.npz", network)
    again = build_network()
    state = fit_with_state(tmp_path / "state.npz", again)
    assert state.initial_epoch == state.epochs_done == 2
    for expected, restored in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(restored, expected)


def test_a_fit_that_was_killed_before_its_first_state_begins_at_the_start(tmp_path: Path) -> None:
    assert fit_with_state(tmp_path / "state.npz", build_network()).epochs_done == 2


def test_a_state_in_mixed_precision_has_the_scale_of_the_loss(tmp_path: Path) -> None:
    training.prepare(0, mixed_precision=True)
    try:
        network = build_network()
        fit_with_state(tmp_path / "state.npz", network)
        again = build_network()
        fit_with_state(tmp_path / "state.npz", again)
        for one, other in zip(network.optimizer.variables, again.optimizer.variables, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())
        assert int(again.optimizer.step_counter) == 2
    finally:
        training.prepare(0)


@pytest.mark.parametrize(
    ("options", "data", "difference"),
    [
        ({"units": 9}, "A", "network: was kernel (4, 8) float32, is kernel (4, 9) float32"),
        ({"dropout": 0.0}, "A", "network: was seed_generator_state"),
        ({"optimizer": "sgd"}, "A", "optimizer: was Adam, is SGD"),
        ({}, "B", "data: was A, is B"),
    ],
)
def test_a_state_of_something_else_is_refused_and_the_difference_named(
    tmp_path: Path, options: dict[str, Any], data: str, difference: str
) -> None:
    path = tmp_path / "state.npz"
    fit_with_state(path, build_network())
    with pytest.raises(RunError) as caught:
        TrainingState(path, build_network(**options), epochs=2, identity={"data": data})
    assert str(caught.value).startswith(f"{path}: ")
    assert difference in str(caught.value)


def test_a_state_of_other_versions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit_with_state(tmp_path / "state.npz", build_network())
    monkeypatch.setattr(keras, "__version__", "9.0")
    with pytest.raises(RunError, match=r"differs in keras: was 3\..*, is 9\.0"):
        TrainingState(tmp_path / "state.npz", build_network(), epochs=2, identity={"data": "A"})


def test_a_damaged_state_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    fit_with_state(path, build_network())
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    damaged = [b"", b"nothing", content[:100], content[:-1], content[: len(content) // 2]]
    for position in generator.integers(0, len(content), 60):
        damaged.append(content[:position] + bytes([content[position] ^ 255]) + content[position + 1 :])
    refused = 0
    for content_now in damaged:
        path.write_bytes(content_now)
        try:
            header, arrays = training.read_state(path)
        except RunError as error:
            assert str(error).startswith(f"{path}: is damaged")
            refused += 1
        else:
            # A byte of the zip file that means nothing, such as one of a time: all content is still there.
            assert len(arrays) == 15
            assert len(header["history"]) == 2
    assert refused >= 50


def test_a_state_with_an_array_without_end_is_refused_in_one_line(tmp_path: Path) -> None:
    header, content = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**14,)})
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("network_0.npy", header.getvalue())
    (tmp_path / "state.npz").write_bytes(content.getvalue())
    with pytest.raises(RunError, match=r"state\.npz: is damaged .*Delete it"):
        training.read_state(tmp_path / "state.npz")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_ends_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="cannot be written"):
        fit_with_state(tmp_path / "state.npz", build_network())


def test_a_full_disk_ends_in_one_line_and_keeps_the_state_of_before(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "state.npz"
    fit_with_state(path, build_network())
    before = path.read_bytes()

    def fill_the_disk(temporary: Path, **_: Any) -> None:
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fill_the_disk)
    with pytest.raises(RunError, match=r"state.npz: cannot be written \(No space left on device\)"):
        fit_with_state(path, build_network(), epochs=4)
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]
    assert path.read_bytes() == before
