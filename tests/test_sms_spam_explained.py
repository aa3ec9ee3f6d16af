"""The spam lesson at length: skill on the real messages, why, and the same numbers after a kill and elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from killed_run import assert_same_numbers_after_a_kill

from practicals import sms_spam
from practicals.common.config import load_config
from practicals.common.data.messages import Messages, messages_of
from practicals.common.data.split import Split
from practicals.common.training import prepare
from practicals.sms_spam import SmsSpamConfig

COLLECTION = "sms_spam/SMSSpamCollection"
GLOVE = "glove.twitter.27B.25d.subset12k.txt"

pytestmark = pytest.mark.slow


def settings(*typed: str) -> SmsSpamConfig:
    return load_config(SmsSpamConfig, "sms_spam", sets=["ladder=false", *typed])


# The real messages


@pytest.fixture(scope="module")
def trained() -> dict[str, tuple[keras.Model, Split[Messages], SmsSpamConfig]]:
    """Filled by the first test that has the real data: networks by the name of their model."""
    return {}


def on_real(trained, real_data: Callable[[str], Path], name: str) -> tuple[keras.Model, Split[Messages], SmsSpamConfig]:
    real_data(COLLECTION)
    if name not in trained:
        config = settings("data=real", f"model={name}")
        split = sms_spam.load(config)
        trained[name] = sms_spam.try_out(config, split), split, config
    return trained[name]


def test_the_default_network_finds_real_spam_and_loses_next_to_no_ham(trained, real_data) -> None:
    model, split, _ = on_real(trained, real_data, "char_word")
    assert sum(len(part) for _, part in split.items()) == 5574
    assert (split.validation.labels == 0).sum() >= 499, "enough for the promise"
    scores = sms_spam.evaluate(model, split.test)
    assert scores["mcc"] > 0.92 and scores["accuracy"] > 0.98 and scores["roc_auc"] > 0.98
    assert scores["ham_blocked"] < 0.006 and scores["spam_blocked"] > 0.6


def test_the_network_of_the_slide_learns_nothing_from_messages_that_end_in_zeros(trained, real_data) -> None:
    model, split, _ = on_real(trained, real_data, "course")
    scores = sms_spam.evaluate(model, split.test)
    assert abs(scores["mcc"]) < 0.3
    chance = sms_spam.probabilities(model, split.test)
    assert np.quantile(chance, 0.9) - np.quantile(chance, 0.1) < 0.1, "it says the same of every message"


def test_words_matter_and_not_the_length_of_a_message(trained, real_data) -> None:
    model, split, _ = on_real(trained, real_data, "char_word")
    ham = split.test[split.test.labels == 0]
    longest = ham[np.argsort([-len(text) for text in ham.texts])[:50]]
    assert (sms_spam.probabilities(model, longest) < 0.5).mean() > 0.9, "long, and ham all the same"
    short = ["WIN £1000 call 09061701461 now", "Txt WIN to 80082 to claim ur FREE prize!"]
    assert (sms_spam.probabilities(model, messages_of(short)) > 0.5).all()


def test_the_explanation_of_real_spam_passes_its_checks_and_names_what_makes_it_spam(trained, real_data) -> None:
    model, split, config = on_real(trained, real_data, "char_word")
    chance = sms_spam.probabilities(model, split.test)
    row = sms_spam.telling_message(split.test, chance)
    found = sms_spam.explain(model, split, config, row=row)
    assert set(found) == {"shap_row", "lime_row", "shap_global"}
    failed = {name: [check.sentence for check in one.checks if not check.passed] for name, one in found.items()}
    assert not any(failed.values()), failed
    for name in ("shap_row", "lime_row"):
        one = found[name]
        assert one.prediction == pytest.approx(float(chance[list(split.test.index).index(row.index[0])]), abs=1e-4)
        assert one.checks and one.message.truth == "spam"
    shap = found["shap_row"]
    total = shap.base_value + sum(one.contribution for one in shap.attributions)
    assert total == pytest.approx(shap.prediction, abs=1e-4)
    raised = [one.feature for one in found["shap_global"].attributions if one.contribution > 0]
    assert {"claim", "txt", "prize", "mobile", "free", "stop"} & set(raised), raised


def test_word_vectors_of_others_can_be_started_from(real_data) -> None:
    real_data(COLLECTION)
    try:
        config = settings("data=real", "model=lstm", f"vectors={GLOVE}", "epochs=2")
        split = sms_spam.load(config)
        model = sms_spam.try_out(config, split)
    except sms_spam.DataError as error:
        pytest.skip(str(error))
    assert sms_spam.evaluate(model, split.test)["mcc"] > 0.5


# Leakage


def test_with_compiled_networks_too_nothing_moves_when_every_other_message_changes() -> None:
    config = settings("data=sample", "units=[8]", "longest=20", "readers=1", "epochs=2")
    split = sms_spam.load(config)
    labels = [part.labels for part in (split.validation, split.test)]
    changed = [
        Messages([f"zebra quagga {i} okapi" for i in range(len(one))], labels=one, classes=split.train.classes)
        for one in labels
    ]
    fitted = []
    for one in (split, Split(split.train, *changed, split.facts)):
        prepare(config.seed)
        preprocess = sms_spam.build_preprocess(one.train, config)
        network = sms_spam.build_model(config, preprocess)
        sms_spam.fit(network, sms_spam.encode(preprocess, one, config), config)
        fitted.append((preprocess.get_layer("words").get_vocabulary(), network.get_weights()))
    assert fitted[0][0] == fitted[1][0]
    for before, after in zip(fitted[0][1], fitted[1][1], strict=True):
        np.testing.assert_array_equal(before, after)


# The same numbers

SMOKE = ["sms_spam", "--smoke", "--data", "sample", "--set", "epochs=4", "--quiet"]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be killed so there")
def test_a_killed_run_continues_to_the_very_numbers_of_another_process_with_the_default_settings(
    tmp_path: Path,
) -> None:
    assert_same_numbers_after_a_kill(tmp_path, SMOKE, ["shap_row", "lime_row", "shap_global"])
