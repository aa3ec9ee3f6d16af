"""The lesson about spam on a few invented messages: what is fitted on what, what a network reads, and what it says."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from interrupted_fit import interrupted_and_continued
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge

from practicals import load_model, sms_spam
from practicals.common.config import load_config
from practicals.common.data.message_samples import written_messages
from practicals.common.data.messages import Messages, folded, messages_of
from practicals.common.data.split import Split
from practicals.common.errors import ConfigError, DataError
from practicals.common.ridge import ridge
from practicals.common.training import save_model
from practicals.sms_spam import SmsSpamConfig

# `deterministic` keeps networks from being compiled, which takes longer than all that is done here; `prepare` is not
# told, for what it switches on cannot be switched off in a process.
SMALL = {
    "deterministic": True,
    "longest": 12,
    "units": [4],
    "embedding": 4,
    "pieces": 400,
    "readers": 1,
    "bidirectional": False,
    "epochs": 1,
    "batch_size": 48,
    "learning_rate": 0.02,
    "ladder": False,
}
ODD = (
    "",
    " ",
    "👍🎉😂",
    "www.win.example",
    "שלום מה שלומך היום",
    "free " * 2000,
    "qqqq zzzz wwww",
    "a\u200bb",
    "\u202eyxes\u202c",
)


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """As in conftest, for the whole module. Nor is determinism ever switched on here."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("PRACTICALS_CACHE", str(cache))
        patch.delenv("PRACTICALS_DATA", raising=False)
        patch.setattr(tf.config.experimental, "enable_op_determinism", lambda: pytest.fail("determinism"))
        gc.collect()
        gc.freeze()
        yield cache
        gc.unfreeze()
        PREPARED.clear()


def settings(**changes: object) -> SmsSpamConfig:
    """These settings as typed, with the presets of `model`; a dot is written as two underscores."""
    typed = {name.replace("__", "."): value for name, value in changes.items()}
    options = {name: (f"--set {name}={value}", value) for name, value in typed.items()}
    return load_config(SmsSpamConfig, "sms_spam", options=options)


def small(**changes: object) -> SmsSpamConfig:
    return settings(**{**SMALL, **changes})


PREPARED: dict[object, tuple[Messages, keras.Model]] = {}


def prepared(split: Split[Messages], config: SmsSpamConfig) -> keras.Model:
    """The preprocess model, made once for all settings to which it is the same."""
    pieces = config.pieces if config.model == "char_word" else 0
    key = (id(split.train), config.cleaning, config.longest, config.padding == "front", config.least_seen, pieces)
    if key not in PREPARED:
        PREPARED[key] = split.train, sms_spam.build_preprocess(split.train, config)  # the part, so that its id is kept
    return PREPARED[key][1]


def begun(split: Split[Messages], config: SmsSpamConfig, seed: int = 0) -> tuple[keras.Model, keras.Model]:
    preprocess = prepared(split, config)
    keras.utils.set_random_seed(seed)  # `prepare` would also give names out again that the preprocess model has
    network = sms_spam.build_model(config, preprocess)
    network.run_eagerly = True  # to trace an LSTM takes ten times as long as to train one on a hundred messages
    return preprocess, network


def fitted(split: Split[Messages], config: SmsSpamConfig, callbacks=(), first: int = 0, seed: int = 0):
    """Everything that is fitted: preprocess model and network."""
    preprocess, network = begun(split, config, seed)
    sms_spam.fit(network, sms_spam.encode(preprocess, split, config), config, callbacks, first)
    return preprocess, network


def said(model: keras.Model, texts: list[str] | tuple[str, ...]) -> np.ndarray:
    return model(tf.constant([[text] for text in texts]), training=False)["probability"].numpy()[:, 0]


def spoiled(part: Messages, offset: int = 0) -> Messages:
    """As many messages with the same labels and wholly other words, more frequent than any others."""
    texts = [f"zebra quagga okapi {'xylophone ' * 20}{i + offset}" for i in range(len(part))]
    return Messages(texts, labels=part.labels, classes=part.classes, index=part.index)


def assert_same_weights(one: keras.Model, another: keras.Model) -> None:
    assert len(one.get_weights()) == len(another.get_weights())
    for before, after in zip(one.get_weights(), another.get_weights(), strict=True):
        np.testing.assert_allclose(before, after, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts, labels = written_messages(130, seed=5)
    path = tmp_path_factory.mktemp("messages") / "mine.txt"
    path.write_text("".join(f"{label}\t{text}\n" for label, text in zip(labels, texts, strict=True)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def split(file: Path) -> Split[Messages]:
    return sms_spam.load(small(data=str(file)))


@pytest.fixture(scope="module")
def parts(split: Split[Messages]) -> tuple[keras.Model, keras.Model]:
    return fitted(split, small(epochs=3))


@pytest.fixture(scope="module")
def model(file: Path, parts: tuple[keras.Model, keras.Model]) -> keras.Model:
    texts = sms_spam.load(small(data=str(file))).test.texts
    middle = float(np.median(said(sms_spam.assemble(*parts, blocked_from=1.0), texts.tolist())))
    return sms_spam.assemble(*parts, blocked_from=middle)


# Parts


def test_the_parts_of_the_sample_have_their_shares_and_repeats_never_straddle():
    config = small(data="sample")
    split, held_out = sms_spam.load(config), config.split.validation + config.split.test
    total = sum(len(part) for _, part in split.items())
    assert total == 1500
    assert [len(part) / total for _, part in split.items()] == pytest.approx(
        [1 - held_out, config.split.validation, config.split.test], abs=0.04
    )
    keys = [{folded(text) for text in part.texts} for _, part in split.items()]
    assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]
    shares = [part.labels.mean() for _, part in split.items()]
    assert max(shares) - min(shares) < 0.03
    assert sorted(np.concatenate([part.index for _, part in split.items()])) == list(range(1, 1501))


def test_folds_are_disjoint_and_cover_all_and_no_repeat_stands_in_two(file):
    folds = [sms_spam.load(small(data=str(file), split__folds=4, split__fold=fold)) for fold in range(4)]
    tested = np.concatenate([split.test.index for split in folds])
    assert sorted(tested) == list(range(1, 131)), "each message once"
    keys = [{folded(text) for text in split.test.texts} for split in folds]
    assert sum(map(len, keys)) == len(set.union(*keys))
    for split in folds:
        assert sorted(np.concatenate([part.index for _, part in split.items()])) == list(range(1, 131))
        learnt = {folded(text) for text in split.train.texts}
        assert not learnt & {folded(text) for text in (*split.test.texts, *split.validation.texts)}


def test_a_fold_without_folds_is_refused_rather_than_overlooked(file):
    with pytest.raises(ConfigError, match=r"split\.fold"):
        sms_spam.load(small(data=str(file), split__fold=3))


# What is fitted on what


def fitted_on(preprocess: keras.Model) -> tuple[list[str], list[str], np.ndarray]:
    """Vocabulary, pieces and their rarity."""
    return (
        preprocess.get_layer("words").get_vocabulary(),
        preprocess.get_layer("pieces").vocabulary,
        preprocess.get_layer("rarity").get_weights()[0],
    )


def test_nothing_that_is_fitted_moves_when_every_other_message_changes(split, parts):
    changed = Split(split.train[:], spoiled(split.validation), spoiled(split.test, 500), split.facts)
    preprocess, network = fitted(changed, small(epochs=3))
    assert preprocess is not parts[0], "made afresh"
    words, pieces, rarity = fitted_on(preprocess)
    expected = fitted_on(parts[0])
    assert (words, pieces) == expected[:2]
    np.testing.assert_array_equal(rarity, expected[2])
    assert_same_weights(parts[1], network)


def test_a_vocabulary_of_all_messages_would_be_caught(split, parts):
    # The planted bug of the test above.
    changed = [spoiled(split.validation), spoiled(split.test, 500)]
    everything = Messages(
        [*split.train.texts, *changed[0].texts, *changed[1].texts],
        labels=np.concatenate([split.train.labels, changed[0].labels, changed[1].labels]),
        classes=split.train.classes,
    )
    leaking = fitted_on(sms_spam.build_preprocess(everything, small()))
    honest = fitted_on(parts[0])
    assert "zebra" in leaking[0] and "zebra" not in honest[0]
    assert "\tzebra quagga" in leaking[1] and "\tzebra quagga" not in honest[1]
    assert not np.array_equal(leaking[2], honest[2])


def test_known_words_and_pieces_are_the_frequent_ones_and_rarity_is_by_hand():
    train = Messages(["win cash", "win a win", "see you", "see him"], labels=[1, 1, 0, 0], classes=("ham", "spam"))
    words, pieces, rarity = fitted_on(sms_spam.build_preprocess(train, small(least_seen=2)))
    assert words == ["", "[UNK]", "win", "see"]
    assert {piece for piece in pieces if piece.startswith("\t")} == {"\twin", "\tsee"}
    # One of four messages has a piece twice; that counts once. Blanks stand in all four.
    of = dict(zip(pieces, rarity[1:, 0], strict=True))
    assert rarity[0] == 0
    assert of["\twin"] == pytest.approx(np.log(5 / 3) + 1)
    assert of[" "] == pytest.approx(1)
    few = fitted_on(sms_spam.build_preprocess(train, small(least_seen=1, vocabulary=3, pieces=5)))
    assert few[0][2:4] == ["win", "see"] and len(few[0]) == 5 and len(few[1]) == 5
    assert few[1][0] == " ", "the most frequent"


def test_reading_and_encoding_alter_no_message(split):
    before = [part.texts.tolist() for _, part in split.items()]
    sms_spam.encode(prepared(split, small()), split, small())
    assert [part.texts.tolist() for _, part in split.items()] == before


def test_every_reader_is_asked_for_the_same_label(split, parts):
    for changes, answers in (({}, 2), ({"readers": 3}, 4), ({"pieces": 0, "readers": 2}, 2), ({"model": "lstm"}, 1)):
        assert sms_spam.answers(small(**changes)) == answers
    targets = sms_spam.encode(parts[0], split, small()).validation.targets
    assert targets.shape == (len(split.validation), 2)
    np.testing.assert_array_equal(targets, np.repeat(split.validation.labels[:, None], 2, axis=1))


@pytest.mark.parametrize(
    ("texts", "changes"),
    [(["👍", "🎉🎉"], {"cleaning": "words"}), (["one two", "three four"], {}), (["", " "], {"least_seen": 1})],
    ids=["only emoji", "no word twice", "only empty ones"],
)
def test_a_vocabulary_that_is_empty_after_cleaning_is_refused_with_the_way_out(texts, changes):
    train = Messages(texts, labels=[0, 1], classes=("ham", "spam"))
    with pytest.raises(DataError, match="no word is left") as error:
        sms_spam.build_preprocess(train, small(**changes))
    assert "\n" not in str(error.value)


# Padding


def scores_at(longest: int, padding: str, split: Split[Messages], weights=None, **changes: object):
    """What one LSTM says of short messages that are filled up to this length, always from the same weights."""
    config = small(model="lstm", padding=padding, longest=longest, **changes)
    preprocess, network = begun(split, config)
    if weights is not None:
        network.set_weights(weights)
    texts = ["win cash now", "ok see you", "call me"]
    inputs = preprocess(tf.constant([[text] for text in texts]))
    return network(inputs, training=False).numpy()[:, 0], network.get_weights(), np.array(inputs["words"])


@pytest.mark.parametrize("pooling", ["last", "max"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
def test_where_places_are_masked_extra_zeros_do_not_change_the_score(split, pooling, bidirectional):
    changes = {"pooling": pooling, "bidirectional": bidirectional}
    few, weights, words = scores_at(12, "mask", split, **changes)
    many, _, more_words = scores_at(30, "mask", split, weights, **changes)
    assert (words > 0).sum() == (more_words > 0).sum() and more_words.shape == (3, 30)
    assert len(set(few)) == 3
    np.testing.assert_allclose(many, few, rtol=0, atol=1e-6)


def test_zeros_that_are_read_behind_the_words_change_the_score_until_all_messages_are_alike(split):
    few, weights, words = scores_at(12, "post", split, pooling="last")
    many, _, _ = scores_at(30, "post", split, weights, pooling="last")
    assert (words[:, -1] == 0).all() and (words[:, 0] > 0).all()
    assert np.abs(many - few).max() > 1e-4
    assert np.ptp(many) < np.ptp(few) / 10, "what was read is forgotten"


def test_zeros_in_front_change_what_the_memory_starts_from_and_little_else(split):
    few, weights, words = scores_at(12, "front", split, pooling="last")
    many, _, _ = scores_at(30, "front", split, weights, pooling="last")
    assert (words[:, 0] == 0).all() and (words[:, -1] > 0).all()
    np.testing.assert_allclose(many, few, atol=1e-3)
    assert np.ptp(many) > np.ptp(few) / 2, "what was read is kept"


def test_only_the_tokens_within_the_length_are_read(model, parts):
    start = "win a free prize call now to claim it today or never"
    assert len(start.split()) == 12
    one, other = said(model, [f"{start} see you", f"{start} see him"])
    assert one != other, "the pieces are of the whole message"
    found = parts[0](tf.constant([[f"{start} see you"], [f"{start} see him"]]))
    np.testing.assert_array_equal(*found["words"].numpy())


# The whole model


def test_a_message_scores_the_same_alone_in_a_batch_and_after_reload(model, split, tmp_path):
    together = sms_spam.predict(model, split.test)
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    pd.testing.assert_frame_equal(sms_spam.predict(again, split.test), together, check_exact=True)
    for place in (0, 3, 11):
        pd.testing.assert_frame_equal(
            sms_spam.predict(again, split.test[place]), together.iloc[[place]], check_exact=True
        )
    chance = said(model, split.test.texts.tolist())
    np.testing.assert_allclose(chance, together["probability"], rtol=0, atol=1e-6)
    for place in (0, 7, 20):
        assert said(model, [split.test.texts[place]])[0] == pytest.approx(chance[place], abs=1e-6)
    assert again.get_layer("labels").values["classes"] == ["ham", "spam"]
    assert again.get_layer("blocked").threshold == model.get_layer("blocked").threshold


def test_the_answers_are_averaged_in_log_odds_and_the_line_counts_for_half():
    votes = np.array([[0.9, 0.2, 0.6], [0.5, 0.5, 0.5], [0.0, 1.0, 0.3]], "float32")
    odds = np.log([0.9 / 0.1, 0.2 / 0.8, 0.6 / 0.4])
    expected = 1 / (1 + np.exp(-(odds[:2].mean() + odds[2]) / 2))
    found = sms_spam.vote(votes, with_line=True).numpy()[:, 0]
    assert found[:2] == pytest.approx([expected, 0.5], abs=1e-6)
    assert found[2] == pytest.approx(1 / (1 + np.sqrt(0.7 / 0.3)), abs=1e-3), (
        "two that are sure and disagree cancel out"
    )
    without = sms_spam.vote(votes[:1], with_line=False).numpy()
    assert without == pytest.approx(1 / (1 + np.exp(-odds.mean())), abs=1e-6)
    np.testing.assert_array_equal(sms_spam.vote(votes[:, :1], with_line=False), votes[:, :1])


def test_the_decision_to_block_is_the_threshold_on_the_probability(model, parts, split):
    preprocess, network = parts
    votes = network(preprocess(tf.constant(split.test.texts[:, None])), training=False).numpy()
    assert votes.shape == (len(split.test), 2)
    table = sms_spam.predict(model, split.test)
    np.testing.assert_allclose(table["probability"], sms_spam.vote(votes, with_line=True)[:, 0], atol=1e-6)
    assert set(table["blocked"]) == {0, 1}
    np.testing.assert_array_equal(table["blocked"], table["probability"] >= model.get_layer("blocked").threshold)
    np.testing.assert_array_equal(table["label"], np.where(table["probability"] >= 0.5, "spam", "ham"))
    raw = model(tf.constant(split.test.texts[:, None]))
    np.testing.assert_array_equal(raw["blocked"][:, 0], table["blocked"])


def test_the_blocking_threshold_is_set_by_validation_messages(parts, split):
    model = sms_spam.assemble(*parts, sms_spam.choose_threshold(*parts, split.validation).threshold)
    threshold = model.get_layer("blocked").threshold
    good = split.validation[split.validation.labels == 0]
    chance = sms_spam.probabilities(model, good)
    assert chance.max() < threshold, "too few to lose one"
    assert not sms_spam.predict(model, good)["blocked"].any()
    assert sms_spam.evaluate(model, split.validation)["ham_blocked"] == 0


def test_a_network_that_says_zero_of_everything_blocks_nothing(parts, split):
    preprocess, network = begun(split, small(model="lstm"))
    network.set_weights(
        [np.zeros_like(weight) - (200 if weight.shape == (1,) else 0) for weight in network.get_weights()]
    )
    threshold = sms_spam.choose_threshold(preprocess, network, split.validation).threshold
    model = sms_spam.assemble(preprocess, network, threshold)
    texts = tf.constant(split.validation.texts[:, None])
    assert said(model, split.validation.texts.tolist()).max() == 0
    assert not model(texts)["blocked"].numpy().any() and not sms_spam.predict(model, split.validation)["blocked"].any()


def test_odd_messages_get_a_probability_and_are_the_same_alone(model):
    table = sms_spam.predict(model, messages_of(ODD))
    assert table["probability"].between(0, 1).all() and len(table) == len(ODD)
    for place, text in enumerate(ODD):
        assert said(model, [text])[0] == pytest.approx(table["probability"].iloc[place], abs=1e-6), text[:20]
    assert table["probability"].iloc[0] == table["probability"].iloc[1], "blanks are as good as nothing"
    assert len(sms_spam.predict(model, messages_of([]))) == 0


def test_markup_is_text_like_any_other(model, parts, split):
    texts = ["<script>alert('win')</script> <b>FREE</b> &lt;#&gt; {{ x }} %s"]
    rows = sms_spam.identify(messages_of(texts))
    assert rows["message"].tolist() == texts
    assert 0 < said(model, texts)[0] < 1
    steps = sms_spam.follow_steps(parts[0], messages_of(texts), split.train, small())
    assert steps["message"] == steps["steps"][0]["text"] == texts[0]
    assert [token["text"] for token in steps["steps"][2]["tokens"]][:3] == ["<", "script", ">"]


def test_a_word_cannot_be_hidden_by_characters_without_a_shape(model):
    hidden, plain = "\u200b", "You have won a prize, call 09098791234 to claim"
    dressed = plain.replace("prize", hidden.join("prize")).replace("claim", hidden.join("claim"))
    assert said(model, [dressed])[0] == pytest.approx(said(model, [plain])[0], abs=1e-6)


def test_the_area_is_that_of_the_vote_of_all_in_which_the_line_counts_for_half():
    metric = sms_spam.VoteAUC(with_line=True)
    alone = keras.metrics.AUC(curve="PR")
    truth = np.array([1, 0, 1, 0, 1], "float32")
    votes = np.array([[0.9, 0.9, 0.5], [0.8, 0.6, 0.1], [0.2, 0.2, 0.9], [0.1, 0.3, 0.3], [0.4, 0.4, 0.1]], "float32")
    odds = np.log(votes / (1 - votes))
    by_hand = 1 / (1 + np.exp(-(odds[:, 0] + odds[:, 1]) / 4 - odds[:, 2] / 2))
    np.testing.assert_allclose(sms_spam.vote(votes, with_line=True)[:, 0], by_hand, atol=1e-6)
    for rows in ([0, 1, 2], [3, 4]):
        metric.update_state(np.repeat(truth[rows, None], 3, axis=1), votes[rows])
        alone.update_state(truth[rows], by_hand[rows])
    assert float(metric.result()) == pytest.approx(float(alone.result())) and float(metric.result()) < 1


# Every setting


VARIANTS: dict[str, dict[str, object]] = {
    "course": {"model": "course"},
    "lstm": {"model": "lstm"},
    "gru": {"model": "gru"},
    "rnn": {"model": "rnn"},
    "conv1d": {"model": "conv1d"},
    "char_word, two readers, both ways": {"readers": 2, "bidirectional": True},
    "zeros in front": {"model": "lstm", "padding": "front"},
    "zeros read": {"model": "lstm", "padding": "post", "pooling": "last"},
    "last": {"model": "lstm", "pooling": "last", "bidirectional": True},
    "two layers": {"model": "gru", "units": [4, 3]},
    "two layers, last": {"model": "lstm", "units": [4, 3], "pooling": "last"},
    "no pieces": {"pieces": 0},
    "no pieces, three readers": {"pieces": 0, "readers": 3},
    "words of the course": {"model": "lstm", "cleaning": "words"},
    "nothing dropped": {"word_dropout": 0.0, "dropout": 0.0, "clip_norm": 0.0},
    "two convolutions": {"model": "conv1d", "units": [4, 3], "padding": "post"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_kind_of_network_learns_from_a_hundred_messages(split, name):
    config = small(batch_size=200, **VARIANTS[name])
    preprocess, network = begun(split, config)
    before = network.get_weights()
    data = sms_spam.encode(preprocess, split, config)
    sms_spam.fit(network, data, config)
    moved = [not np.array_equal(one, other) for one, other in zip(before, network.get_weights(), strict=True)]
    assert all(moved), [weight.path for weight, has in zip(network.weights, moved, strict=True) if not has]
    texts = tf.constant([[text] for text in (*split.test.texts[:5], *ODD)])
    chance = sms_spam.assemble(preprocess, network, 0.5)(texts)["probability"].numpy()
    assert chance.shape == (5 + len(ODD), 1) and (chance > 0).all() and (chance < 1).all()


def test_the_network_of_the_slide_has_the_sizes_of_the_slide(split):
    preprocess, network = begun(split, settings(model="course"))
    vocabulary = len(preprocess.get_layer("words").get_vocabulary())
    assert network.count_params() == vocabulary * 50 + 4 * 128 * (50 + 128 + 1) + (128 * 128 + 128) + (128 + 1)
    words = preprocess(tf.constant([["Win cash!"]]))["words"].numpy()[0]
    assert words.shape == (100,)
    assert (words[:2] > 0).all() and not words[2:].any(), "post-padded, without signs"


def test_the_default_network_has_the_sizes_that_its_settings_say(split):
    preprocess, network = begun(split, settings())
    words, pieces, _ = fitted_on(preprocess)
    reader = len(words) * 32 + 2 * 4 * 48 * (32 + 48 + 1) + (96 + 1)
    path = (len(pieces) + 1) + (1 + 1)
    assert network.count_params() == 2 * reader + path
    assert network.output_shape == (None, 3)
    assert sum(isinstance(layer, keras.layers.LSTM | keras.layers.Bidirectional) for layer in network.layers) == 2


# The straight line


def test_the_line_is_that_of_ridge_regression_and_leaves_each_row_out_exactly():
    random = np.random.default_rng(0)
    features = random.normal(size=(30, 50)) * (random.random((30, 50)) < 0.3)
    targets = np.sign(features[:, 0] + 0.1 * random.normal(size=30))
    offset = targets.mean()
    line = ridge(csr_array(features), targets, penalty=0.5)
    expected = Ridge(alpha=0.5, fit_intercept=False).fit(features, targets - offset)
    np.testing.assert_allclose(line.weights, expected.coef_, atol=1e-8)
    assert line.offset == pytest.approx(offset)
    for row in (0, 7, 29):
        rest = np.delete(np.arange(30), row)
        without = Ridge(alpha=0.5, fit_intercept=False).fit(features[rest], targets[rest] - offset)
        assert line.left_out[row] == pytest.approx(without.predict(features[[row]])[0] + offset, abs=1e-8)


def test_the_network_says_of_a_message_what_the_line_says_and_training_does_not_move_it(split, parts):
    network = parts[1]
    weights = network.get_layer("line").get_weights()[0][:, 0]
    slope, bias = (one.ravel()[0] for one in network.get_layer("line_probability").get_weights())
    assert slope > 0 and np.abs(weights).max() > 0
    assert not network.get_layer("line").trainable and not network.get_layer("line_probability").trainable
    inputs = parts[0](tf.constant(split.test.texts[:5, None]))
    rarity, pieces = inputs["rarity"].numpy(), inputs["pieces"].numpy()
    unit = rarity / np.linalg.norm(rarity, axis=1, keepdims=True)
    expected = 1 / (1 + np.exp(-(slope * (unit * weights[pieces]).sum(axis=1) + bias)))
    np.testing.assert_allclose(network(inputs, training=False)[:, -1], expected, atol=1e-5)
    again = sms_spam.build_model(small(), parts[0])
    sms_spam.set_straight_line(again, sms_spam.encode(parts[0], split, small()).train, small())
    np.testing.assert_allclose(again.get_layer("line").get_weights()[0][:, 0], weights, atol=1e-6)


def test_the_line_is_no_surer_of_messages_that_are_repeated_in_the_training_part():
    # A copy that stays when a message is left out would tell its label.
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(list("abcdefgh"), 6)) for _ in range(40)]
    labels = [i % 2 for i in range(40)]  # there is nothing to learn

    def slope(copies: int) -> float:
        train = Messages(texts * copies, labels=labels * copies, classes=("ham", "spam"))
        config = small()
        preprocess = sms_spam.build_preprocess(train, config)
        network = sms_spam.build_model(config, preprocess)
        sms_spam.set_straight_line(
            network, sms_spam.encode(preprocess, Split(train, train, train), config).train, config
        )
        return float(network.get_layer("line_probability").get_weights()[0][0, 0])

    assert slope(3) < slope(1) + 1


def test_the_rarity_of_pieces_is_not_trained(parts):
    assert not parts[0].trainable_weights
    assert "rarity" not in {layer.name for layer in parts[1].layers if layer.weights}


# Word vectors


@pytest.mark.parametrize("changes", [{"model": "lstm"}, {"readers": 2, "pieces": 0}], ids=["lstm", "char_word"])
def test_word_vectors_are_where_a_reader_starts_from_and_others_stay_random(split, tmp_path, changes):
    (tmp_path / "vectors.txt").write_text("you 1 2 3 4 5\nme -1 -2 -3 -4 -5\nnowhere 9 9 9 9 9\n")
    config = small(**changes, vectors=str(tmp_path / "vectors.txt"))
    preprocess, network = begun(split, config)
    vocabulary = preprocess.get_layer("words").get_vocabulary()
    tables = [
        layer.get_weights()[0]
        for layer in network.layers
        if isinstance(layer, keras.layers.Embedding) and layer.input_dim == len(vocabulary)
    ]
    assert len(tables) == config.readers
    for table in tables:
        assert table.shape[1] == 5, "their length, not that of `embedding`"
        you, me = (table[vocabulary.index(word)] for word in ("you", "me"))
        np.testing.assert_allclose(you / you[0], [1, 2, 3, 4, 5], rtol=1e-5)
        np.testing.assert_allclose(you, -me, rtol=1e-5)
        assert np.abs(table).max() < 0.2, "at the size of the random ones"
        assert not np.allclose(table[2] / table[2][0], [1, 2, 3, 4, 5]) or vocabulary[2] == "you"
    assert 0 < said(sms_spam.assemble(preprocess, network, 0.5), ["see you"])[0] < 1


def test_word_vectors_and_the_ladder_go_together(tmp_path):
    # The course's network, from which the ladder starts, takes no vectors.
    (tmp_path / "vectors.txt").write_text("you 1 2 3\n")
    config = settings(vectors=str(tmp_path / "vectors.txt"))
    assert config.ladder and config.with_changes(sms_spam.COURSE, "course").model == "course"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"model": "transformer"}, "--set model=transformer: input should be 'course', 'lstm', 'gru'"),
        ({"padding": "behind"}, "--set padding=behind: input should be 'front', 'mask' or 'post'"),
        ({"units": []}, "--set units=[]: value should have at least 1 item"),
        ({"longest": 3}, "--set longest=3: input should be greater than or equal to 4"),
        ({"word_dropout": 1.0}, "--set word_dropout=1.0: input should be less than 1"),
        ({"split__folds": -1}, "--set split.folds=-1: input should be greater than or equal to 0"),
        ({"split__validation": 0.8}, "must leave at least 5 % for training"),
        ({"vectors": "x.txt", "model": "course"}, "vectors needs another model than course"),
        ({"readers": 0}, "--set readers=0"),
        ({"vocabulary": 0}, "--set vocabulary=0"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_are_one_line_that_names_an_option(typed, expected):
    with pytest.raises(ConfigError) as error:
        settings(**typed)
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_the_search_asks_for_settings_that_are_valid_and_different(split):
    config = small()
    hp = keras_tuner.HyperParameters()
    sms_spam.search_space(hp, config)
    assert {"layers", "units", "dropout", "learning_rate", "word_dropout", "embedding"} <= set(hp.values)
    seen = set()
    for layers in (1, 2):
        for units in (16, 64):
            hp.values.update(layers=layers, units=units, dropout=0.6, learning_rate=1e-2)
            found = sms_spam.search_space(hp, config)
            assert found.units == (units,) * layers and found.dropout == 0.6
            seen.add(found.units)
    assert len(seen) == 4


def test_each_step_of_the_ladder_can_be_climbed_from_the_course(split):
    config = small().with_changes(sms_spam.COURSE, "course")
    for step in sms_spam.STEPS:
        config = config.with_changes(step.changes, step.name)
    defaults = settings()
    for name in ("model", "cleaning", "padding", "longest", "least_seen", "learning_rate", "clip_norm", "batch_size",
                 "epochs", "patience", "optimizer"):  # fmt: skip
        assert getattr(config, name) == getattr(defaults, name), f"{name}: the last step is the default"


# What the report is given


def test_one_message_is_followed_through_every_step(model, parts, split):
    message = Messages(["Zzyzx WIN £1000!!!"], labels=[1], classes=("ham", "spam"))
    steps = {step["name"]: step for step in sms_spam.follow_steps(parts[0], message, split.train, small())["steps"]}
    assert steps["cleaned"]["text"] == "zzyzx win _capitals_ £ _four_digit_ ! ! !"
    tokens = steps["cut into tokens"]["tokens"]
    assert tokens[0] == {"text": "zzyzx", "kind": "unknown"} and tokens[4] == {"text": "_four_digit_", "kind": ""}
    numbers = [one["text"] for one in steps["numbered and filled up"]["ids"]]
    vocabulary = parts[0].get_layer("words").get_vocabulary()
    assert numbers[0] == "1" and vocabulary[int(numbers[4])] == "_four_digit_"
    assert [one["kind"] for one in steps["numbered and filled up"]["ids"]] == [""] * 8 + ["padding"] * 4
    cleaned = parts[0].get_layer("clean")(tf.constant(split.train.texts[:, None])).numpy()[:, 0]
    cut = sum(len(text.decode().split()) > 12 for text in cleaned)
    assert f"{cut} of {len(split.train)} training messages are longer" in steps["numbered and filled up"]["sentence"]


def test_messages_are_read_along_once_each_and_their_curves_end_in_the_prediction(model, split):
    chance = sms_spam.probabilities(model, split.test)
    found = sms_spam.read_along(model, split.test, chance)
    assert 2 <= len(found) <= 4
    for one in found:
        place = list(split.test.index).index(int(one["id"]))
        assert one["text"] == split.test.texts[place] and one["truth"] == ("ham", "spam")[split.test.labels[place]]
        assert len(one["probability"]) == len(one["spans"]) + 1
        assert one["probability"][-1] == pytest.approx(chance[place], abs=1e-5)
    one_each = split.test[[int(np.flatnonzero(split.test.labels == label)[0]) for label in (0, 1)]]
    one_each.texts[:] = "one two three four five six seven"
    ids = [one["id"] for one in sms_spam.read_along(model, one_each, np.array([0.2, 0.7]))]
    assert len(ids) == len(set(ids)), "no message is shown twice"


def test_nothing_is_read_along_where_no_message_has_the_length_for_it(model):
    short = Messages(["hi", "win"], labels=[0, 1], classes=("ham", "spam"))
    assert sms_spam.read_along(model, short, np.array([0.1, 0.9])) == []


def test_the_telling_message_is_spam_that_was_rightly_found():
    messages = Messages(list("abcd"), labels=[0, 1, 1, 1], classes=("ham", "spam"))
    assert sms_spam.telling_message(messages, np.array([0.97, 0.9999, 0.95, 0.3])).texts[0] == "c"


def test_a_message_of_ones_own_is_explained_with_every_method_or_one(model, split):
    row = messages_of(["claim your prize now, see you"])
    config = small()
    found = sms_spam.explain(model, split, config, row=row, methods=("lime",))
    assert list(found) == ["lime_row"]
    one = found["lime_row"]
    assert one.prediction == pytest.approx(said(model, row.texts.tolist())[0], abs=1e-5)
    assert (one.message.truth, one.message.label) == ("", "spam")
    assert [one.message.text[start:stop] for start, stop in one.message.spans] == [a.feature for a in one.attributions]


# Interruption


# Keras leaves history.csv open when a fit fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_fit_continues_as_if_it_had_not_been(split, parts, tmp_path):
    config = small(epochs=3)
    assert config.word_dropout and config.dropout, "everything that draws is on"
    network = interrupted_and_continued(sms_spam, split, config, begun, tmp_path / "run")
    assert_same_weights(parts[1], network)
