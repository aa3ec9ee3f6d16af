"""The cats-and-dogs lesson on drawn pictures: what the networks are, what they are shown, and what a picture gets."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from base_weights import base_weights
from interrupted_fit import interrupted_and_continued
from PIL import Image

from practicals import cats_dogs, load_model
from practicals.cats_dogs import CatsDogsConfig
from practicals.common.config import load_config
from practicals.common.data.picture_samples import draw_picture, drawn_pictures
from practicals.common.data.pictures import Pictures
from practicals.common.data.split import Split
from practicals.common.errors import ConfigError
from practicals.common.training import prepare, save_model

# Everything that draws at random is on: augmentation, CutMix, dropout; and small pictures at first.
SMALL = {
    "deterministic": False,
    "image_size": 32,
    "filters": [4],
    "epochs": 4,
    "warm_up_share": 0.25,
    "small_share": 0.5,
    "cut_mix": 0.5,
    "dropout": 0.3,
    "batch_size": 24,
    "augmentation.rotation": 0.0,
    "augmentation.zoom": 0.0,
    "augmentation.translation": 0.0,
    "augmentation.contrast": 0.0,
    "ladder": False,
}
RANDOM_BASE = {"model": "transfer", "weights": "random", "image_size": 32, "enlarge": 0, "deterministic": False}


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """As in conftest, for the whole module: its fixtures read pictures too. Nor is determinism ever switched on here,
    for it cannot be switched off again in a process."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("PRACTICALS_CACHE", str(cache))
        patch.delenv("PRACTICALS_DATA", raising=False)
        patch.setattr(tf.config.experimental, "enable_op_determinism", lambda: pytest.fail("determinism"))
        # What is loaded by now stays: looking through it costs a quarter of a second each time a model is forgotten.
        gc.collect()
        gc.freeze()
        yield cache
        gc.unfreeze()


def settings(**changes: object) -> CatsDogsConfig:
    """These settings as typed, with the presets of `model` and `transfer`; a dot is written as two underscores."""
    typed = {name.replace("__", "."): value for name, value in changes.items()}
    options = {name: (f"--set {name}={value}", value) for name, value in typed.items()}
    return load_config(CatsDogsConfig, "cats_dogs", options=options)


def small(**changes: object) -> CatsDogsConfig:
    return settings(**{name.replace(".", "__"): value for name, value in {**SMALL, **changes}.items()})


def network_of(config: CatsDogsConfig, classes: tuple[str, ...] = ("cats", "dogs")) -> keras.Model:
    prepare(config.seed)
    return cats_dogs.build_model(config, cats_dogs.build_preprocess(SimpleNamespace(classes=classes), config))


def whole_model(config: CatsDogsConfig, classes: tuple[str, ...] = ("cats", "dogs")) -> keras.Model:
    prepare(config.seed)
    preprocess = cats_dogs.build_preprocess(SimpleNamespace(classes=classes), config)
    return cats_dogs.assemble(preprocess, cats_dogs.build_model(config, preprocess), config.mirror)


def fitted(split: Split[Pictures], config: CatsDogsConfig, callbacks=(), first: int = 0, seed: int = 0):
    """Everything that is fitted: preprocess model and network."""
    preprocess, network = begun(split, config, seed)
    cats_dogs.fit(network, cats_dogs.encode(preprocess, split, config), config, callbacks, first)
    return preprocess, network


def begun(split: Split[Pictures], config: CatsDogsConfig, seed: int = 0):
    prepare(seed)
    preprocess = cats_dogs.build_preprocess(split.train, config)
    return preprocess, cats_dogs.build_model(config, preprocess)


def put(folder: Path, test_seed: int = 1) -> Path:
    """Drawn pictures to learn from, always the same, and to test, which `test_seed` changes."""
    for seed, part in ((1, "training_set"), (test_seed, "test_set")):
        for one in drawn_pictures(count=96, seed=seed):
            if one.name.startswith(part):
                (folder / one.name).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(one.pixels).save(folder / one.name)
    return folder


def shown(count: int = 4, size: int = 32, seed: int = 0) -> np.ndarray:
    """Drawn pictures of another seed than the folder's, (count, size, size, 3)."""
    rng = np.random.default_rng(seed)
    drawn = [draw_picture(rng, ("cats", "dogs")[number % 2])[0] for number in range(count)]
    return np.stack([np.asarray(Image.fromarray(one).resize((size, size))) for one in drawn])


def said(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    return model(pixels, training=False)["probability"].numpy()


def assert_same_weights(one: keras.Model, another: keras.Model) -> None:
    # Bit for bit where operations are deterministic, which the slow tests ask for.
    for before, after in zip(one.get_weights(), another.get_weights(), strict=True):
        np.testing.assert_allclose(before, after, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def three_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three folders of 20 pictures each, without a test part."""
    folder, rng = tmp_path_factory.mktemp("three"), np.random.default_rng(3)
    for name in ("birds", "cats", "dogs"):
        (folder / name).mkdir()
        for number in range(20):
            drawn = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8) if name == "birds" else draw_picture(rng, name)[0]
            Image.fromarray(drawn).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def split(folder: Path) -> Split[Pictures]:
    return cats_dogs.load(small(data=str(folder)))


@pytest.fixture(scope="module")
def parts(split: Split[Pictures]):
    return fitted(split, small())


@pytest.fixture(scope="module")
def model(parts) -> keras.Model:
    return cats_dogs.assemble(*parts, mirror=True)


# Parts


def test_the_test_part_of_the_data_stays_and_validation_is_cut_from_the_rest():
    split = cats_dogs.load(small(data="sample"))
    assert [len(part) for _, part in split.items()] == [270, 30, 100]
    assert all(name.startswith("test_set/") for name in split.test.files)
    others = {*split.train.files, *split.validation.files}
    assert len(others) == 300 and all(name.startswith("training_set/") for name in others)
    for _, part in split.items():
        assert np.bincount(part.labels).tolist() == [len(part) // 2] * 2
        assert all(f"/{part.classes[label]}/" in name for label, name in zip(part.labels, part.files, strict=True))
    drawn_anew = cats_dogs.load(small(data="sample", seed=7))
    assert list(drawn_anew.test.files) == list(split.test.files)
    assert set(drawn_anew.validation.files) != set(split.validation.files)


def test_nothing_that_is_fitted_moves_when_the_test_pictures_change(split, parts, tmp_path):
    changed = cats_dogs.load(small(data=str(put(tmp_path, test_seed=9))))
    assert not np.array_equal(changed.test.pixels, split.test.pixels)
    np.testing.assert_array_equal(changed.train.pixels, split.train.pixels)
    preprocess, network = fitted(changed, small())
    assert preprocess.to_json() == parts[0].to_json()
    assert_same_weights(parts[1], network)


def test_targets_are_zero_and_one_for_two_classes_and_one_hot_for_more(split, three_classes):
    config = small()
    encoded = cats_dogs.encode(begun(split, config)[0], split, config)
    np.testing.assert_array_equal(encoded.train.targets, split.train.labels)
    np.testing.assert_array_equal(encoded.train.inputs[:3], split.train[:3].pixels)
    several = cats_dogs.load(small(data=str(three_classes)))
    encoded = cats_dogs.encode(begun(several, config)[0], several, config)
    assert several.train.classes == ("birds", "cats", "dogs")
    np.testing.assert_array_equal(encoded.test.targets, np.eye(3)[several.test.labels])


# Networks by hand


def sizes(network: keras.Model, *kinds: type) -> list[tuple[int, ...]]:
    return [layer.output.shape[1:] for layer in network.layers if isinstance(layer, kinds)]


CONVOLUTIONS, POOLS = (keras.layers.Conv2D,), (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


@pytest.mark.parametrize(
    ("padding", "maps", "flat"),
    [
        ("valid", [(62, 62, 32), (31, 31, 32), (29, 29, 32), (14, 14, 32)], 14 * 14 * 32),
        ("same", [(64, 64, 32), (32, 32, 32), (32, 32, 32), (16, 16, 32)], 16 * 16 * 32),
    ],
)
def test_the_network_of_the_slide_has_the_shapes_and_parameters_of_the_slide(padding, maps, flat):
    network = network_of(settings(model="course", padding=padding))
    assert network.input_shape == (None, 64, 64, 3) and network.output_shape == (None, 1)
    assert sizes(network, *CONVOLUTIONS, *POOLS) == maps
    first, second = 3 * 3 * 3 * 32 + 32, 3 * 3 * 32 * 32 + 32
    assert network.count_params() == first + second + (flat * 128 + 128) + (128 + 1)
    assert (first, second, flat * 128 + 128) == (
        (896, 9_248, 802_944) if padding == "valid" else (896, 9_248, 1_048_704)
    )


def test_the_network_without_convolutions_has_the_parameters_of_three_dense_layers():
    network = network_of(settings(model="mlp"))
    assert not sizes(network, *CONVOLUTIONS, *POOLS)
    assert network.count_params() == (96 * 96 * 3 * 128 + 128) + (128 * 64 + 64) + (64 + 1) == 3_547_393


def test_the_better_network_halves_the_picture_five_times_and_has_no_large_dense_layer():
    network = network_of(settings())
    assert [shape[0] for shape in sizes(network, *CONVOLUTIONS)] == [48, *[24] * 3, *[12] * 3, *[6] * 3]
    stem = 5 * 5 * 3 * 32 + 4 * 32
    stages = sum(
        (9 * before * filters + 4 * filters) + 2 * (9 * filters * filters + 4 * filters)
        for before, filters in ((32, 64), (64, 128), (128, 256))
    )
    smallness = 1
    assert network.count_params() == stem + stages + (256 + 1) + smallness == 1_943_522


@pytest.mark.parametrize("name", ["course", "mlp", "scratch"])
def test_more_than_two_classes_get_a_probability_each(name):
    model = whole_model(settings(model=name, image_size=32), ("birds", "cats", "dogs"))
    network = model.get_layer("network")
    assert network.output_shape == (None, 3)
    assert network.layers[-1].activation is keras.activations.softmax
    assert isinstance(network.loss, keras.losses.CategoricalCrossentropy)
    chance = said(model, shown(4))
    assert chance.shape == (4, 3)
    np.testing.assert_allclose(chance.sum(axis=1), 1, rtol=1e-6)


def test_average_pooling_gives_another_answer_from_the_same_weights():
    strongest, mean = (network_of(settings(model="course", image_size=32, pooling=name)) for name in ("max", "average"))
    mean.set_weights(strongest.get_weights())
    one, another = (network(shown(2), training=False).numpy() for network in (strongest, mean))
    assert np.abs(one - another).min() > 1e-4


# Augmentation


def test_augmentation_is_on_in_training_and_off_in_prediction():
    config = settings(model="course", image_size=32)
    network, bare = network_of(config), network_of(config.with_changes(cats_dogs.BARE, "test"))
    assert len(network.layers) == len(bare.layers) + 2, "mirrored and zoomed, as on the slide"
    bare.set_weights(network.get_weights())
    pixels = shown(2)
    expected = bare(pixels, training=False).numpy()
    for _ in range(2):
        np.testing.assert_array_equal(network(pixels, training=False).numpy(), expected)
    # Nothing else draws in this network, so what differs in training are the pictures.
    np.testing.assert_array_equal(bare(pixels, training=True).numpy(), expected)
    draws = [network(pixels, training=True).numpy() for _ in range(4)]
    assert len({draw.tobytes() for draw in draws}) == 4


def test_scores_and_predictions_are_those_of_the_network_without_the_layers(model, parts, split):
    bare = begun(split, small(**cats_dogs.BARE))
    bare[1].set_weights(parts[1].get_weights())
    plain = cats_dogs.assemble(*bare, mirror=True)
    assert cats_dogs.evaluate(plain, split.test) == pytest.approx(cats_dogs.evaluate(model, split.test), abs=1e-6)
    np.testing.assert_allclose(
        cats_dogs.probabilities(plain, split.test), cats_dogs.probabilities(model, split.test), atol=1e-6
    )


def test_each_change_keeps_size_type_and_range_and_does_change(split):
    prepare(0)
    one = np.repeat(split.train[:1].pixels, 8, axis=0)
    one[:, :4], one[:, 4:8] = 0, 255  # the ends of the range, where brightness would leave it
    before = one.copy()
    for change in ("rotation", "zoom", "translation", "contrast", "brightness", "grey", "flip"):
        config = small(**{**cats_dogs.BARE, f"augmentation.{change}": True if change == "flip" else 0.3})
        draws = cats_dogs.augment(one, config)
        assert draws.shape == one.shape and draws.dtype == np.uint8, change
        assert len({draw.tobytes() for draw in draws}) > 1, f"{change}: each picture is drawn for itself"
        if change == "grey":
            grey = [np.ptp(draw, axis=-1).max() <= 1 for draw in draws]
            assert [np.array_equal(draw, one[0]) for draw in draws] == [not is_grey for is_grey in grey]
        if change == "flip":
            assert {draw.tobytes() for draw in draws} == {one[0].tobytes(), one[0, :, ::-1].tobytes()}
    np.testing.assert_array_equal(cats_dogs.augment(one, small(**cats_dogs.BARE)), one)
    np.testing.assert_array_equal(one, before)


def test_small_pictures_are_for_the_first_epochs_and_for_training_only():
    network = network_of(small())
    layer = network.get_layer("small_at_first")
    pixels = shown(2).astype("float32")
    seen = {}  # (is_small, training) -> side
    for is_small in (0, 1):
        layer.is_small.assign(is_small)
        for training in (False, True):
            seen[is_small, training] = layer(pixels, training=training).shape[1]
    assert seen == {(0, False): 32, (0, True): 32, (1, False): 32, (1, True): 21}
    layer.is_small.assign(1)
    answer = network(pixels, training=False).numpy()
    layer.is_small.assign(0)
    np.testing.assert_array_equal(network(pixels, training=False).numpy(), answer)


def test_fit_makes_pictures_small_in_the_first_share_of_the_epochs(split, monkeypatch):
    smallness = []

    class Network(SimpleNamespace):
        def get_layer(self, name: str) -> keras.layers.Layer:
            return layer

        def fit(self, batches: object, *, callbacks: list[keras.callbacks.Callback], epochs: int, **options: object):
            for epoch in range(epochs):
                for callback in callbacks[1:]:
                    if isinstance(callback, keras.callbacks.LambdaCallback):
                        callback.on_epoch_begin(epoch, None)
                smallness.append(float(layer.is_small))

    layer = cats_dogs.SmallAtFirst(21)
    layer.build((None, 32, 32, 3))
    config = small(epochs=5, small_share=0.55)
    cats_dogs.fit(Network(), cats_dogs.encode(begun(split, config)[0], split, config), config)
    assert smallness == [1, 1, 1, 0, 0]


# The whole model


def test_probabilities_of_a_picture_sum_to_one(model, split):
    chance = cats_dogs.probabilities(model, split.test)
    assert chance.shape == (24, 2) and (chance > 0).all()
    np.testing.assert_allclose(chance.sum(axis=1), 1, atol=1e-6)
    assert len(np.unique(chance[:, 0])) > 12, "or every test here would pass with a constant"


def test_the_second_probability_is_what_the_network_says(model, parts, split):
    plain = cats_dogs.assemble(*parts)
    pixels = split.test[:3].pixels
    np.testing.assert_allclose(said(plain, pixels)[:, 1], parts[1](pixels, training=False).numpy()[:, 0], atol=1e-6)


def test_a_picture_and_its_mirror_image_get_the_same_probability(model, parts, split):
    pixels = split.test.pixels
    np.testing.assert_allclose(said(model, pixels), said(model, pixels[:, :, ::-1]), atol=1e-6)
    plain = cats_dogs.assemble(*parts, mirror=False)
    one, another = said(plain, pixels), said(plain, pixels[:, :, ::-1])
    assert np.abs(one - another).max() > 1e-4
    np.testing.assert_allclose(said(model, pixels), (one + another) / 2, atol=1e-6)


def test_a_picture_scores_the_same_alone_and_in_company_and_in_any_order(model, split):
    every = cats_dogs.predict(model, split.test)
    assert list(every.index) == list(split.test.files)
    chance = cats_dogs.probabilities(model, split.test)
    assert every["label"].tolist() == [("cats", "dogs")[number] for number in chance.argmax(axis=1)]
    assert every["probability"].tolist() == chance.max(axis=1).tolist()
    for chosen in ([7], [20, 3, 11]):
        some = cats_dogs.predict(model, split.test[chosen])
        assert some.equals(every.iloc[chosen])


def test_scores_are_those_of_the_predictions(model, split):
    table = cats_dogs.predict(model, split.test)
    right = table["label"] == [("cats", "dogs")[label] for label in split.test.labels]
    assert cats_dogs.evaluate(model, split.test)["accuracy"] == pytest.approx(right.mean())


@pytest.mark.parametrize("shape", [(45, 70), (9, 300), (1, 1)], ids=str)
def test_a_photograph_of_any_size_is_seen_the_same_in_a_file_and_by_the_model(model, tmp_path, shape):
    photo = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    read = cats_dogs.read_inputs(model, [tmp_path / "photo.png"])
    np.testing.assert_array_equal(read.pixels, model.get_layer("resize")(photo[None]).numpy())
    table = cats_dogs.predict(model, read)
    chance = said(model, photo[None])[0]
    assert table["probability"].iloc[0] == pytest.approx(chance.max(), abs=1e-6)
    assert table["label"].iloc[0] == ("cats", "dogs")[chance.argmax()]


def test_pictures_to_learn_from_are_the_very_ones_that_the_model_sees(model, split, folder):
    names = split.train.files[:3]
    originals = np.stack([np.asarray(Image.open(folder / name)) for name in names])
    assert originals.shape[1:] == (64, 64, 3)
    np.testing.assert_array_equal(model.get_layer("resize")(originals).numpy(), split.train[:3].pixels)


def test_three_classes_are_named_and_an_unreadable_file_keeps_its_line(three_classes, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"")
    files = [three_classes / name for name in ("dogs/2.png", "birds/1.png")]
    model = whole_model(small(), ("birds", "cats", "dogs"))
    pictures = cats_dogs.read_inputs(model, [files[0], tmp_path / "broken.jpg", files[1]])
    table = cats_dogs.identify(pictures).join(cats_dogs.predict(model, pictures))
    assert table["file"].tolist() == [str(files[0]), str(tmp_path / "broken.jpg"), str(files[1])]
    assert table["label"].iloc[1] == "" and np.isnan(table["probability"].iloc[1])
    assert "empty" in table["problem"].iloc[1] and table["problem"].iloc[[0, 2]].tolist() == ["", ""]
    chance = cats_dogs.probabilities(model, pictures[[0, 2]])
    assert table["label"].iloc[[0, 2]].tolist() == [("birds", "cats", "dogs")[place] for place in chance.argmax(axis=1)]


# Scores and steps by hand


def test_accuracy_by_hand():
    def counted(truth, probability) -> list[float]:
        return cats_dogs.accuracy(np.array(truth, "float32"), np.array(probability, "float32")).numpy().tolist()

    probability = [[0.9], [0.4], [0.6], [0.1]]
    assert counted([1, 1, 0, 0], probability) == [1, 0, 0, 1]
    assert counted([[1], [1], [0], [0]], probability) == [1, 0, 0, 1]
    assert counted([0.7, 0.3, 0.51, 0.6], probability) == [1, 1, 1, 0], "a mixed target counts as its larger part"
    several = [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]
    assert counted([[0, 1, 0], [0, 0, 1]], several) == [1, 0]
    assert counted([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]], several) == [0, 1]


def test_what_keras_reports_as_accuracy_is_the_share_of_right_labels(parts, split):
    logged = parts[1].evaluate(split.test.pixels, split.test.labels.astype("float32"), verbose=0, return_dict=True)
    chance = parts[1](split.test.pixels, training=False).numpy()[:, 0]
    assert logged["accuracy"] == pytest.approx(((chance > 0.5) == split.test.labels).mean())
    loss = keras.losses.binary_crossentropy(split.test.labels.astype("float32"), chance)
    assert logged["loss"] == pytest.approx(float(loss), rel=1e-4)


def test_steps_grow_and_shrink_by_hand():
    config = settings(learning_rate=0.4, warm_up_share=0.27, epochs=11)
    steps = [cats_dogs.step_length(epoch, config) for epoch in range(11)]
    assert steps[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert steps[7] == pytest.approx(0.2), "half of the way down"
    assert steps[10] == pytest.approx(0.2 * (1 + math.cos(math.pi * 7 / 8)))
    assert 0 < steps[10] < 0.02 and steps[3:] == sorted(steps[3:], reverse=True)
    constant = config.with_changes({"decay": False}, "test")
    assert [cats_dogs.step_length(epoch, constant) for epoch in (2, 3, 10)] == pytest.approx([0.3, 0.4, 0.4])


@pytest.mark.parametrize("epochs", [1, 2, 5, 12])
def test_a_short_fit_has_a_short_warm_up_and_settles_too(epochs):
    config = settings(epochs=epochs, learning_rate=0.4)
    steps = [cats_dogs.step_length(epoch, config) for epoch in range(epochs)]
    assert max(steps) == 0.4
    assert min(steps) == steps[-1] if epochs > 1 else steps == [0.4]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"transfer": "head"}, "--set transfer=head: transfer head needs model: transfer"),
        ({"model": "course", "small_share": 0.5}, "small_share needs model: scratch"),
        ({"warm_up_share": 0.6}, "--set warm_up_share=0.6: input should be less than or equal to 0.5"),
        ({"image_size": 16, "model": "scratch"}, "image_size must be at least 32"),
        ({"image_size": 31, "model": "transfer"}, "image_size must be at least 32"),
        ({"split.test": 0.6, "split.validation": 0.4}, "must leave at least 5 % for training"),
        ({"padding": "reflect"}, "--set padding=reflect: input should be 'valid' or 'same'"),
        ({"augmentation.rotation": 0.6}, "--set augmentation.rotation=0.6: input should be less than or equal to 0.5"),
        ({"filters": []}, "--set filters=[]: value should have at least 1 item"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_do_not_go_together_are_one_line_that_names_an_option(typed, expected):
    with pytest.raises(ConfigError) as error:
        settings(**{key.replace(".", "__"): value for key, value in typed.items()})
    assert expected in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith("--set ") or "split" in expected or "train" in expected


@pytest.mark.parametrize("way", ["features", "head", "top", "all"])
def test_the_course_network_can_be_compared_with_every_way_of_transfer(way):
    config = settings(model="transfer", transfer=way, image_size=32)
    assert config.with_changes(cats_dogs.COURSE, "course").model == "course"
    _, flat = cats_dogs.count_weights(SimpleNamespace(count_params=lambda: 7), 2, 32)
    assert flat["parameters"] == (32 * 32 * 3 * 128 + 128) + (128 * 64 + 64) + (64 + 1), (
        "on the pixels, not on features"
    )


# Standing on the shoulders of others


@pytest.fixture(scope="module")
def on_features() -> tuple[keras.Model, keras.Model, keras.Model]:
    """Preprocess model with a frozen base, its small head, and the whole."""
    config = settings(**RANDOM_BASE, transfer="features")
    prepare(0)
    preprocess = cats_dogs.build_preprocess(SimpleNamespace(classes=("cats", "dogs")), config)
    for layer in preprocess.get_layer("base").layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(0.1 * layer.moving_variance)  # or nothing would come through 52 drawn layers
    network = cats_dogs.build_model(config, preprocess)
    return preprocess, network, cats_dogs.assemble(preprocess, network, config.mirror)


def test_features_are_computed_once_and_only_the_head_is_trained(on_features):
    preprocess, network, _ = on_features
    assert preprocess.output_shape == (None, 1280)
    assert [tuple(weight.shape) for weight in network.trainable_weights] == [(1280, 1), (1,)]
    assert network.count_params() == 1281


def test_features_of_a_picture_are_those_of_its_mirror_image(on_features):
    pixels = shown(2)
    found, mirrored = (on_features[0](one, training=False).numpy() for one in (pixels, pixels[:, :, ::-1]))
    np.testing.assert_allclose(found, mirrored, rtol=1e-3, atol=1e-3)
    assert np.abs(found[0] - found[1]).max() > 0.05


def test_a_saved_model_with_a_frozen_base_comes_back_and_answers_the_same(on_features, tmp_path):
    save_model(on_features[2], tmp_path / "model.keras")
    found, pixels = load_model(tmp_path / "model.keras"), shown(3, size=50)
    answers = said(on_features[2], pixels)
    assert len(np.unique(answers[:, 0])) == 3
    np.testing.assert_array_equal(said(found, pixels), answers)
    assert list(found.get_layer("classes").values["classes"]) == ["cats", "dogs"]


@pytest.mark.parametrize("way", ["head", "top", "all"])
def test_each_way_of_transfer_trains_exactly_what_it_says(way, on_features, monkeypatch):
    base = on_features[0].get_layer("base")
    monkeypatch.setattr(cats_dogs, "pretrained_base", lambda pixels, config: base)  # which takes a second to build
    config = settings(**RANDOM_BASE, transfer=way, unfrozen_layers=30)
    outputs = cats_dogs.transfer_network(base.input, 2, config)
    head = keras.Model(base.input, outputs).layers[-1]
    normalisations = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    convolutions = [layer for layer in base.layers if layer.weights and layer not in normalisations]
    assert (len(convolutions), len(normalisations)) == (52, 52), "MobileNetV2 as it is"
    expected = {
        "head": [],
        "top": [layer for layer in base.layers[-30:] if layer in convolutions],
        "all": convolutions,
    }[way]
    assert head.trainable and not any(layer.trainable_weights for layer in normalisations)
    assert [layer.name for layer in base.layers if layer.trainable_weights] == [layer.name for layer in expected]
    assert way != "top" or 0 < len(expected) < 52


def test_the_real_weights_fit_at_160_pixels_with_augmentation_in_front():
    config = settings(model="transfer", transfer="head", weights=str(base_weights().parent), deterministic=False)
    assert config.image_size == 160
    network = network_of(config)
    assert len(network.trainable_weights) == 2, "kernel and bias of the head"
    normalisations = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(normalisations) == 52
    assert all(np.abs(layer.moving_mean.numpy()).max() > 0 for layer in normalisations), "0 before the weights came"


# Interruption


# Keras leaves history.csv open when a fit fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_fit_continues_as_if_it_had_not_been(split, parts, tmp_path):
    config = small()
    network = interrupted_and_continued(cats_dogs, split, config, begun, tmp_path / "run")
    assert_same_weights(parts[1], network)
