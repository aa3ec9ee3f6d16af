"""Explanations of pictures are checked against a network that looks at one known patch."""

import base64
import io
import json

import keras
import numpy as np
import pytest
from PIL import Image

from practicals.common.console import set_quiet
from practicals.common.errors import PracticalError
from practicals.common.explain import Explanation
from practicals.common.explain import pictures as explained_pictures
from practicals.common.explain.filters import feature_maps, first_filters
from practicals.common.explain.picture_checks import Curves, blur_check, curve_checks, shares, shuffled_check
from practicals.common.explain.picture_methods import masked
from practicals.common.explain.picture_model import OpenedModel
from practicals.common.explain.picture_parts import blurred, grid, halves, place_names, segmented
from practicals.common.explain.pictures import METHODS, explain_picture
from practicals.common.layers import Labels, ResizePixels
from practicals.common.run import Run
from practicals.common.text import explanation_text

SIZE = 32
PATCH = slice(4, 12), slice(18, 26)  # rows, columns: upper right


def assembled(network: keras.Model, classes: tuple[str, ...] = ("cats", "dogs")) -> keras.Model:
    """Pixels to probabilities, as a lesson saves it."""
    pixels = keras.Input((None, None, 3))
    probability = network(ResizePixels(SIZE, name="resize")(pixels))
    if len(classes) == 2 and probability.shape[1] == 1:
        probability = keras.layers.Concatenate()([1 - probability, probability])
    return keras.Model(pixels, {"probability": Labels({"classes": classes}, name="classes")(probability)})


def patch_network() -> keras.Model:
    """Says dog if the patch is bright: a convolution keeps what is bright, the next layer sees the patch alone."""
    pixels = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.RandomFlip("horizontal")(pixels)
    x = keras.layers.Rescaling(1 / 255)(x)
    bright = keras.layers.Conv2D(2, 3, padding="same", activation="relu", name="bright")
    x = keras.layers.BatchNormalization()(bright(x))
    end = keras.layers.Dense(1, activation="sigmoid")
    network = keras.Model(pixels, end(keras.layers.Flatten()(x)), name="network")
    kernel = np.zeros((3, 3, 3, 2))
    kernel[1, 1, :, 0] = 1 / 3
    bright.set_weights([kernel, np.array([-0.65, 0])])
    weights = np.zeros((SIZE, SIZE, 2))
    weights[*PATCH, 0] = 36 / 64
    end.set_weights([weights.reshape(-1, 1), np.array([-4.0])])
    return network


def scene(patch: float = 230.0, seed: int = 3) -> np.ndarray:
    """A picture full of detail, with a bright patch."""
    random = np.random.default_rng(seed)
    places = np.indices((SIZE, SIZE)).sum(axis=0)[..., None]
    pixels = 90 + 40 * np.sin(places / 3 + random.uniform(0, 6, 3)) + random.normal(0, 8, (SIZE, SIZE, 3))
    pixels[PATCH] = patch + random.normal(0, 5, (8, 8, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def others() -> np.ndarray:
    return np.stack([scene(patch=40 * seed, seed=seed) for seed in range(4)])


def variables(model: keras.Model) -> list[np.ndarray]:
    """Weights, averages, and the states of everything that draws."""
    return [np.array(variable) for variable in model.variables]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return assembled(patch_network())


@pytest.fixture(scope="module")
def explained(model) -> tuple[dict[str, Explanation], bool, bool]:
    """All explanations; whether the model and NumPy's generator are as they were."""
    np.random.seed(3)
    weights, state = variables(model), np.random.get_state()[1].copy()
    found = explain_picture(
        model, pixels=scene(), subject="test_set/dogs/dog.1.jpg", truth="cats", background=others(), seed=1
    )
    same = all(np.array_equal(*pair) for pair in zip(weights, variables(model), strict=True))
    return found, same, np.array_equal(state, np.random.get_state()[1])


@pytest.fixture(scope="module")
def found(explained) -> dict[str, Explanation]:
    return explained[0]


def dense_network() -> keras.Model:
    pixels = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Dense(20, activation="relu")(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels)))
    return keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(x), name="network")


@pytest.fixture(scope="module")
def mlp() -> keras.Model:
    """Three classes and no convolution."""
    return assembled(dense_network(), ("a", "b", "c"))


def test_every_method_sees_where_the_network_looks(found):
    assert tuple(found) == METHODS
    for name, explanation in found.items():
        heat = np.array(explanation.picture.heat)
        assert heat.shape == (SIZE, SIZE)
        inside, near = np.zeros((2, *heat.shape), dtype=bool)
        inside[PATCH] = True
        near[1:15, 15:29] = True  # a segment and a grey square may reach over the edge
        assert heat[inside].mean() > 3 * np.abs(heat[~inside]).mean(), name
        assert near[np.unravel_index(heat.argmax(), heat.shape)], name
        assert (
            "upper right" in explanation.attributions[0].feature
            or "upper centre" in explanation.attributions[0].feature
        )


def test_what_truly_counts_passes_deletion_and_insertion(found):
    for name, explanation in found.items():
        checks = {check.name: check for check in explanation.checks}
        assert checks["deletion"].passed, (name, checks["deletion"])
        assert checks["insertion"].passed, (name, checks["insertion"])
        curves = explanation.picture.curves
        assert curves["share"][0] == 0
        assert curves["share"][-1] == 1
        assert curves["deletion"][0] == pytest.approx(explanation.prediction, abs=1e-4)
        assert curves["insertion"][-1] == pytest.approx(explanation.prediction, abs=1e-4)
        assert np.mean(curves["deletion"]) < np.mean(curves["random_deletion"])


def test_the_map_of_a_network_with_shuffled_weights_is_another(found):
    for name, explanation in found.items():
        check = {check.name: check for check in explanation.checks}["another map with shuffled weights"]
        assert check.passed, (name, check)


def test_explaining_changes_neither_the_model_nor_numpys_generator(explained):
    _, same_model, same_generator = explained
    assert same_model
    assert same_generator


def test_the_weights_come_back_when_an_explanation_is_interrupted(model):
    opened, before = OpenedModel.of(model), variables(model)
    with pytest.raises(KeyboardInterrupt), opened.shuffled_weights(0):
        assert not all(np.array_equal(*pair) for pair in zip(before, variables(model), strict=True))
        raise KeyboardInterrupt
    assert all(np.array_equal(*pair) for pair in zip(before, variables(model), strict=True))


def test_the_contributions_of_shap_add_up_to_the_prediction(found):
    shap = found["shap"]
    assert shap.base_value + np.sum(shap.picture.heat) == pytest.approx(shap.prediction, abs=1e-3)
    assert sum(one.contribution for one in shap.attributions) == pytest.approx(np.sum(shap.picture.heat), abs=1e-3)
    rough = found["shap_gradient"]
    assert rough.settings["local_prediction"] == pytest.approx(rough.prediction, abs=0.15)
    assert rough.base_value < 0.5 < rough.prediction


def test_explanations_survive_the_run_folder_and_are_no_larger_than_needed(found, tmp_path):
    run = Run.create(tmp_path, "cats_dogs")
    for name, explanation in found.items():
        explanation.write(run, name)
        assert Explanation.read(run, name) == explanation
        assert (run.explanations_folder / f"{name}.json").stat().st_size < 100_000
        png = Image.open(io.BytesIO(base64.b64decode(explanation.picture.png)))
        np.testing.assert_array_equal(np.asarray(png), scene())


def test_an_explanation_from_before_pictures_were_explained_is_read(found):
    content = found["lime"].to_json()
    del content["picture"]
    assert Explanation.from_json(json.loads(json.dumps(content))).picture is None


def test_the_terminal_names_class_truth_and_parts(found):
    text = explanation_text(found["shap"])
    assert text.startswith("SHAP, picture test_set/dogs/dog.1.jpg (truth: cats): probability of dogs 0.9")
    assert "base value" in text
    assert "contribution" in text
    saliency = explanation_text(found["saliency"])
    assert "base value" not in saliency
    assert "relative strength" in saliency
    assert found["saliency"].words.feature == "part of the picture"


def test_the_same_seed_gives_the_same_explanation(model, found):
    again = explain_picture(
        model, pixels=scene(), subject="", truth="", background=others(), methods=("saliency", "lime"), seed=1
    )
    assert tuple(again) == ("lime", "saliency")
    for name, explanation in again.items():
        assert explanation.picture.heat == found[name].picture.heat


def test_a_network_without_convolutions_has_no_grad_cam_and_says_so(mlp, capsys):
    set_quiet(False)
    explanations = explain_picture(
        mlp,
        pixels=scene(),
        subject="x",
        truth="",
        background=others()[:1],
        methods=("grad_cam", "shap_gradient", "saliency"),
    )
    assert tuple(explanations) == ("saliency",)
    said = capsys.readouterr().err
    assert "this network has no convolutions" in said
    assert "need at least two" in said


def test_an_unknown_method_is_one_line(model):
    with pytest.raises(PracticalError, match="Did you mean 'grad_cam'"):
        explain_picture(model, pixels=scene(), subject="", truth="", background=others(), methods=["gradcam"])


def test_gradients_are_those_of_the_log_odds_also_where_the_probability_is_one():
    network = patch_network()
    sure = assembled(network)
    network.layers[-1].set_weights([10 * network.layers[-1].get_weights()[0], np.array([-4.0])])
    opened = OpenedModel(sure)
    assert opened.probabilities(scene()[None])[0, 1] == 1
    gradient = opened.gradients(scene()[None], 1)[0]
    # 10 * 36 / 64 a pixel of the grey picture from 0 to 1, a third of it per colour; batch normalisation adds 0.001.
    assert gradient[5, 20, 0] == pytest.approx(10 * 36 / 64 / 3 / 255, rel=1e-2)
    assert gradient[20, 5, 0] == 0
    np.testing.assert_allclose(opened.gradients(scene()[None], 0)[0], -gradient)


def test_gradients_of_several_classes_are_those_of_the_class_against_all_others(mlp):
    opened, step = OpenedModel.of(mlp), np.zeros((SIZE, SIZE, 3), np.float32)
    pixels = scene()[None].astype(np.float32)
    step[3, 4, 1] = 1.0
    ends = opened.probabilities(np.concatenate([pixels + 8 * step, pixels - 8 * step]))[:, 2]
    slope = np.diff(np.log(ends) - np.log1p(-ends))[0] / -16
    assert opened.gradients(pixels, 2)[0, 3, 4, 1] == pytest.approx(slope, rel=0.02, abs=1e-6)


def test_an_explanation_that_ignores_the_weights_fails(model):
    edges = np.abs(np.gradient(scene().mean(axis=2))).sum(axis=0)
    check = shuffled_check(edges, edges * 2)
    assert not check.passed
    assert check.value == pytest.approx(1)
    assert "not what the network has learned" in check.sentence
    assert shuffled_check(edges, np.random.default_rng(0).random(edges.shape)).passed


def test_a_map_that_points_elsewhere_fails_deletion_and_insertion(model):
    opened, picture = OpenedModel.of(model), scene()
    blocks = grid(SIZE, 12)
    answer = masked(opened, picture, blurred(picture, SIZE / 12), blocks, 1)
    heat = np.zeros((SIZE, SIZE))
    heat[PATCH] = 1
    right, wrong = (explained_pictures.curves_of(one, answer, blocks) for one in (heat, -heat))
    random = explained_pictures.random_curves(answer, blocks, 0)
    assert all(check.passed for check in curve_checks(right, random, "dogs"))
    for check in curve_checks(wrong, random, "dogs"):
        assert not check.passed
        assert "speaks against dogs" in check.sentence


def test_curves_change_the_blocks_in_the_order_given():
    asked = []

    def answer(shown):
        asked.append(shown)
        return shown.sum(axis=1) / 4

    curves = Curves.along(np.array([2, 0, 3, 1]), answer)
    assert curves.deletion[0] == 1
    assert curves.insertion[0] == 0
    middle = len(shares()) // 2
    assert asked[0][middle].tolist() == [0, 1, 0, 1]
    assert asked[0][len(shares()) + middle].tolist() == [1, 0, 1, 0]
    np.testing.assert_allclose(curves.deletion, 1 - curves.insertion)


def test_a_constant_network_has_nothing_to_explain(mlp):
    before = mlp.get_weights()
    mlp.set_weights([np.zeros_like(weight) for weight in before])
    explanations = explain_picture(
        mlp,
        pixels=scene(),
        subject="",
        truth="",
        background=others(),
        methods=("lime", "shap", "occlusion", "saliency"),
    )
    mlp.set_weights(before)
    for name, explanation in explanations.items():
        json.dumps(explanation.to_json(), allow_nan=False)
        assert not any(check.passed for check in explanation.checks), (name, explanation.checks)
        assert all("nothing to explain" in check.sentence for check in explanation.checks), name
    assert not blur_check(np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))).passed


def test_segments_are_counted_and_a_plain_picture_gets_a_grid():
    segments, how = segmented(scene())
    assert 12 <= segments.max() + 1 <= 80
    assert how.startswith("segments of like colour")
    assert np.array_equal(np.unique(segments), np.arange(segments.max() + 1))
    tiny, how = segmented(np.full((3, 3, 3), 90, np.uint8))
    assert how.startswith("a plain grid, since SLIC found too few segments")
    assert np.array_equal(np.unique(tiny), np.arange(tiny.max() + 1))


def test_halving_reaches_every_cell_once():
    tree = halves(3)
    assert tree.shape == (8, 4)
    assert sorted(tree[:, :2].ravel()) == list(range(16))
    assert tree[-1, 3] == 9


def test_places_are_named_from_the_upper_left():
    assert place_names(grid(9, 3))[:4] == ["upper left", "upper centre", "upper right", "middle left"]


def test_the_first_filters_are_pictures_of_their_weights(model):
    filters = first_filters(model)
    assert filters.shape == (2, 3, 3, 3)
    assert filters.dtype == np.uint8
    assert (filters[0, 1, 1] == 255).all()  # the one with weights first, grey where its weight is zero
    assert (filters[0, 0, 0] == 128).all()
    assert (filters[1] == 128).all()


def test_the_templates_of_a_network_without_convolutions_are_as_large_as_the_picture(mlp):
    assert first_filters(mlp).shape == (16, SIZE, SIZE, 3)
    assert feature_maps(mlp, scene()) == []


def test_feature_maps_name_their_layer_and_shape(model):
    before = variables(model)
    ((name, shape, maps),) = feature_maps(model, scene())
    assert (name, shape) == ("bright", f"{SIZE} x {SIZE} x 2")
    grey = np.maximum(scene().mean(axis=2), 0.65 * 255)
    np.testing.assert_allclose(maps[0], 255 * (grey - grey.min()) / np.ptp(grey), atol=1)
    assert (maps[1] == 0).all()
    assert all(np.array_equal(*pair) for pair in zip(before, variables(model), strict=True))


def test_the_last_maps_are_found_in_front_of_the_network_too():
    pixels = keras.Input((SIZE, SIZE, 3))
    resized = keras.layers.Rescaling(1.0, name="resize")(pixels)
    maps = keras.layers.ReLU(name="last")(keras.layers.Conv2D(4, 3, strides=2, padding="same", name="conv")(resized))
    features = keras.layers.GlobalAveragePooling2D(keepdims=True)(keras.layers.MaxPooling2D()(maps))
    head = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2, activation="softmax")], name="network"
    )
    probability = Labels({"classes": ["cats", "dogs"]}, name="classes")(head(keras.layers.Flatten()(features)))
    model = keras.Model(pixels, {"probability": probability})
    assert OpenedModel.of(model).last_maps().name == "last"
    found = explain_picture(model, pixels=scene(), subject="", truth="", background=others(), methods=["grad_cam"])
    assert found["grad_cam"].settings["cells"] == "16 x 16"
    assert [name for name, *_ in feature_maps(model, scene())] == ["conv"]
