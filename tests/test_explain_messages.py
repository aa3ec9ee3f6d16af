"""Explanations of messages are checked against models whose words are known."""

from __future__ import annotations

import json
import re
import time
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from practicals.common.console import set_quiet
from practicals.common.errors import PracticalError, RunError
from practicals.common.explain import Explanation
from practicals.common.explain.explanation import MESSAGE, Attribution
from practicals.common.explain.message_checks import half_check, removal_check, stand_in_check
from practicals.common.explain.message_methods import lime_models, shap_values
from practicals.common.explain.message_words import MOST_PARTS, WORD, Parts, general
from practicals.common.explain.messages import explain_message, explain_words, reading_curve, traced_probability
from practicals.common.run import Run

SCRIPT = "<script>alert(1)</script>"
ODD = [
    "win",
    "👍🏽👨‍👩‍👧",
    "مرحبا بالعالم, free",
    "fr\u200bee \u202eeerf",
    SCRIPT,
    "  win\t prize\n\nnow  ",
    "?!",
    "a_b",
]
WEIGHTS = {"win": 3.0, "free": 2.0, "mum": -2.0}
"""What each occurrence adds to the log-odds."""


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def planted(texts) -> np.ndarray:
    """Two words raise the probability and one lowers it; all else does nothing."""
    words = [[word.lower() for word in re.findall(r"\w+", text)] for text in texts]
    return sigmoid(np.array([sum(WEIGHTS.get(word, 0.0) for word in one) for one in words]) - 2.5)


def straight(texts) -> np.ndarray:
    """A sum, in which SHAP must find each word's own share."""
    return np.array([0.1 + 0.3 * text.split().count("win") - 0.05 * text.split().count("mum") for text in texts])


@pytest.fixture(autouse=True)
def quiet():
    set_quiet(True)


def by_place(explanation: Explanation) -> dict[str, float]:
    return {item.value_text: item.contribution for item in explanation.attributions}


def check(explanation: Explanation, name: str):
    return next(one for one in explanation.checks if name in one.name)


@pytest.mark.parametrize(
    "text", [*ODD, "", "Txt:WIN £1,000.50!!! at www.a-b.co.uk/x?y=1 or me@x.org &lt;#&gt; don't :-)"]
)
def test_every_character_that_is_not_white_space_stands_in_exactly_one_word(text):
    assert "".join(match.group() for match in WORD.finditer(text)) == re.sub(r"\s", "", text)


def test_words_are_what_a_reader_calls_words():
    text = "Don't txt:WIN £1,000.50!!! www.a-b.co.uk/x?y=1, me@x.org &lt;#&gt; हिन्दी :-) 👍🏽😀 fr\u200bee"
    expected = "Don't|txt|:|WIN|£1,000.50|!!!|www.a-b.co.uk/x?y=1|,|me@x.org|&lt;|#|&gt;|हिन्दी|:-)|👍🏽|😀|fr\u200bee"
    assert Parts.of(text).names == tuple(expected.split("|"))


def test_a_message_with_all_its_parts_is_the_message_and_without_any_is_empty():
    for text in ODD:
        parts = Parts.of(text)
        kept = np.repeat([[True], [False]], len(parts), axis=1)
        assert parts.shown(kept) == [text, ""]


def test_taking_a_word_out_neither_glues_its_neighbours_together_nor_leaves_a_gap():
    parts = Parts.of("Hello,big  world !")
    out = ~np.eye(len(parts), dtype=bool)
    assert parts.shown(out) == [
        ",big  world !",
        "Hello big  world !",
        "Hello, world !",
        "Hello,big  !",
        "Hello,big  world ",
    ]
    assert parts.shown(out[2:3], ["a", "b", "c", "d", "e"]) == ["Hello, c world !"]


def test_a_part_says_which_word_it_is_and_signs_do_not_count():
    assert Parts.of("*** win, win now").places == (
        "sign at the start",
        "1st word",
        "sign after the 1st word",
        "2nd word",
        "3rd word",
    )


def test_a_long_message_becomes_a_few_parts_that_leave_no_word_out():
    text = "win a prize, " * 900
    parts = Parts.of(text)
    assert len(parts) == MOST_PARTS
    assert parts.words == 3600
    assert re.sub(r"\s", "", "".join(parts.names)) == re.sub(r"\s", "", text)
    assert parts.places[0] == "words 1 to 45"


@pytest.mark.parametrize("text", ["a." * 5000, "a" * 10_000, "a@" * 5000, "www." * 2500, "8-" * 5000, "a-" * 5000])
def test_no_message_makes_the_search_for_words_slow(text):
    start = time.process_time()
    Parts.of(text)
    assert time.process_time() - start < 1


def test_shap_finds_the_share_of_each_occurrence_in_a_sum():
    found = explain_message(straight, text="win or mum win", subject="7", label="spam", methods=("shap",))["shap_row"]
    assert by_place(found) == pytest.approx({"1st word": 0.3, "2nd word": 0, "3rd word": -0.05, "4th word": 0.3})
    assert found.base_value == pytest.approx(0.1)


@pytest.mark.parametrize("text", ["You win a free prize, mum", *ODD])
def test_base_value_and_contributions_of_shap_add_up_to_the_prediction_of_the_raw_message(text):
    # White space counts here, which shap's own masker of texts folds.
    def predict(texts):
        return planted(texts) + np.array([len(text) for text in texts]) / 1000

    found = explain_message(predict, text=text, subject="7", label="spam", methods=("shap",))["shap_row"]
    total = found.base_value + sum(item.contribution for item in found.attributions)
    assert total == pytest.approx(found.prediction, abs=1e-9)
    assert found.prediction == pytest.approx(predict([text])[0])


@pytest.fixture(scope="module")
def explained() -> dict[str, Explanation]:
    set_quiet(True)
    text = "Hello mum, you can WIN a free phone today or tomorrow, win it now"
    return explain_message(planted, text=text, subject="12", label="spam", truth="ham", seed=3)


def test_both_methods_find_the_planted_words_and_their_signs(explained):
    for explanation in explained.values():
        top = [(item.feature, np.sign(item.contribution)) for item in explanation.attributions[:4]]
        assert sorted(top) == [("WIN", 1), ("free", 1), ("mum", -1), ("win", 1)]
        assert all(abs(item.contribution) < 0.05 for item in explanation.attributions[4:])


def test_the_spans_point_at_the_words_of_the_attributions(explained):
    for explanation in explained.values():
        trace = explanation.message
        assert [trace.text[start:stop] for start, stop in trace.spans] == [
            item.feature for item in explanation.attributions
        ]
        assert (trace.label, trace.truth, trace.counts) == ("spam", "ham", ())
        assert explanation.words == MESSAGE


def test_the_local_prediction_of_lime_is_the_sum_of_its_weights(explained):
    lime = explained["lime_row"]
    total = lime.base_value + sum(item.contribution for item in lime.attributions)
    assert lime.settings["local_prediction"] == pytest.approx(total)
    assert lime.settings["local_prediction"] == pytest.approx(lime.prediction, abs=0.15)


def test_a_model_that_hangs_on_a_few_words_passes_every_check(explained):
    for explanation in explained.values():
        assert [one.name for one in explanation.checks if not one.passed] == []
    assert explained["shap_row"].checks[-1] == explained["lime_row"].checks[-1]


def test_a_model_that_answers_at_random_has_no_order_that_its_explanations_agree_on():
    def chance(texts):
        return np.array([zlib.crc32(text.encode()) / 2**32 for text in texts])

    text = "Hello mum, you can WIN a free phone today or tomorrow, win it now"
    found = explain_message(chance, text=text, subject="1", label="spam")
    assert not check(found["shap_row"], "other draws").passed
    assert not check(found["lime_row"], "fit").passed
    assert not check(found["lime_row"], "stability").passed
    assert not check(found["lime_row"], "agreement").passed


def test_the_same_seed_gives_the_same_explanation_and_leaves_numpy_alone(explained):
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    again = explain_message(
        planted, text=explained["shap_row"].message.text, subject="12", label="spam", truth="ham", seed=3
    )
    assert np.array_equal(before, np.random.get_state()[1])
    for name, explanation in again.items():
        assert explanation.attributions == explained[name].attributions
        assert explanation.checks == explained[name].checks


def test_an_explained_message_is_read_back_as_it_was_written(explained, tmp_path):
    run = Run(tmp_path)
    for name, explanation in explained.items():
        explanation.write(run, name)
        assert Explanation.read(run, name) == explanation


def test_an_explanation_from_before_messages_were_explained_can_still_be_read():
    old = Explanation("shap", "row", "1", "probability", 0.5, 0.1, (Attribution("Age", "42", 0.4),), ()).to_json()
    del old["message"]
    assert Explanation.from_json(json.loads(json.dumps(old))).message is None


def test_one_method_alone_is_not_compared_with_the_other():
    found = explain_message(planted, text="you win", subject="1", label="spam", methods=("lime",))
    assert list(found) == ["lime_row"]
    assert not [one for one in found["lime_row"].checks if "agreement" in one.name]


def test_an_unknown_method_is_refused():
    with pytest.raises(PracticalError, match="shapp: there is no such method of explanation"):
        explain_message(planted, text="win", subject="1", label="spam", methods=("shapp",))


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_message_without_words_has_nothing_to_explain_and_says_so(text):
    found = explain_message(planted, text=text, subject="1", label="spam")
    for explanation in found.values():
        assert explanation.attributions == ()
        assert explanation.base_value == explanation.prediction == pytest.approx(float(sigmoid(np.array(-2.5))))
        assert [one.sentence for one in explanation.checks] == [
            "The message has no words: this check cannot be judged."
        ]


def test_one_word_has_no_order_to_check():
    found = explain_message(planted, text="free", subject="1", label="spam", background=["hello you"])
    assert [one.name for one in found["shap_row"].checks] == ["removal of the top words"]
    assert not found["shap_row"].checks[0].passed
    assert found["shap_row"].attributions[0].contribution == pytest.approx(float(np.diff(planted(["", "free"]))[0]))


@pytest.mark.parametrize("text", ODD)
def test_odd_messages_are_explained_in_finite_numbers_that_can_be_written(text):
    for explanation in explain_message(planted, text=text, subject="1", label="spam", background=ODD).values():
        json.dumps(explanation.to_json(), allow_nan=False)
        assert explanation.message.text == text


def test_a_long_message_is_explained_in_parts_and_the_settings_say_so():
    text = "hello you " * 1000
    found = explain_message(planted, text=text, subject="1", label="spam", methods=("shap",))["shap_row"]
    assert len(found.attributions) <= MOST_PARTS
    assert found.settings["words_together"] == f"2000 words in {len(found.attributions)} parts"


def test_words_at_random_fail_the_removal_check_and_the_right_ones_pass_it():
    parts = Parts.of("win a free phone and call us now if you like")
    own = shap_values(planted, [parts], rounds=5, seeds=(0,))[0].contributions
    assert removal_check(planted, parts, own, label="spam", seed=0).passed
    wrong = removal_check(planted, parts, -own, label="spam", seed=0)
    assert not wrong.passed
    assert "does not hang on the words" in wrong.sentence


def test_for_a_harmless_message_removal_takes_the_words_that_keep_it_harmless():
    parts = Parts.of("mum said mum has a free evening and a free day")
    own = shap_values(planted, [parts], rounds=5, seeds=(0,))[0].contributions
    found = removal_check(planted, parts, own, label="spam", seed=0)
    assert found.passed
    assert "rises" in found.sentence
    assert not removal_check(planted, parts, -own, label="spam", seed=0).passed


def test_removal_cannot_be_judged_where_no_word_counts():
    parts = Parts.of("see you at home")
    found = removal_check(planted, parts, np.arange(4.0), label="spam", seed=0)
    assert not found.passed
    assert "cannot be judged" in found.sentence


def test_a_check_against_other_words_is_made_where_there_are_other_messages():
    text = "you can win a free phone, mum"
    found = explain_message(
        planted, text=text, subject="1", label="spam", methods=("shap",), background=["see you at home", "ok then"]
    )["shap_row"]
    assert check(found, "others in their place").passed
    assert not stand_in_check(np.arange(5.0), -np.arange(5.0)).passed


def test_lime_models_of_other_seeds_have_other_neighbours():
    first, second = lime_models(planted, Parts.of("you can win a free phone"), samples=50, seeds=(0, 1))
    assert not np.array_equal(first.neighbours, second.neighbours)
    assert first.neighbours[0] == second.neighbours[0] == pytest.approx(planted(["win free"])[0])


TEXTS = [
    "win now",
    "Win it",
    "win 5000",
    "WIN win",
    "free 1234",
    "free 9876",
    "hello 4321 mum",
    "mum",
    "mum and",
    "once",
]


def test_global_words_carry_their_signed_mean_and_the_number_of_messages():
    found = explain_words(straight, [text.lower() for text in TEXTS], label="spam")
    contributions = {item.feature: item.contribution for item in found.attributions}
    counts = dict(zip(contributions, found.message.counts, strict=True))
    # Four messages with "win", one of which has it twice: (3 x 0.3 + 0.6) / 4.
    assert contributions == pytest.approx({"win": 0.375, "mum": -0.05})
    assert counts == {"win": 4, "mum": 3}
    assert (found.message.text, found.message.spans, found.message.label) == ("", (), "spam")


def test_numbers_and_addresses_count_as_one_word_each():
    assert [general(word) for word in ("WIN", "150p", "£1,000", "www.A.com", "me@x.org", "!!")] == [
        "win",
        "###p",
        "£#,###",
        "(address)",
        "(address)",
        "!!",
    ]


def test_a_word_in_two_messages_is_left_out_however_strong_it_is():
    found = explain_words(straight, ["win", "win", "mum", "mum", "mum"], label="spam")
    assert [item.feature for item in found.attributions] == ["mum"]


def test_no_messages_and_empty_messages_leave_no_words_and_a_check_that_says_so():
    for texts in ([], ["", " "]):
        found = explain_words(straight, texts, label="spam")
        assert found.attributions == ()
        assert not found.checks[0].passed
        json.dumps(found.to_json(), allow_nan=False)


def test_words_that_mean_the_same_in_both_halves_pass():
    assert half_check([0.3, 0.0, -0.2], [0.4, 0.1, -0.1], 3).passed
    assert not half_check([0.3, 0.0, -0.2], [-0.4, 0.1, 0.1], 3).passed
    assert "Too few words" in half_check([0.3], [0.3], 3).sentence


def test_the_reading_curve_has_one_number_more_than_words_and_ends_with_the_prediction():
    text = "  mum, win a free phone \n"
    curve = reading_curve(planted, text)
    assert [text[start:stop] for start, stop in curve["spans"]] == ["mum", ",", "win", "a", "free", "phone"]
    steps = ["", "mum", "mum", "mum win", "mum win", "mum win free", text]
    assert curve["probability"] == pytest.approx(planted(steps).tolist())
    assert reading_curve(planted, "") == {"spans": [], "probability": pytest.approx(planted([""]).tolist())}
    json.dumps(curve)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Counts "win" and "mum": raw text in, as a lesson saves it."""
    message = keras.Input((1,), dtype="string", name="message")
    words = keras.layers.TextVectorization(vocabulary=["win", "mum"], output_mode="count")(message)
    end = keras.layers.Dense(1, activation="sigmoid")
    probability = end(words)
    end.set_weights([np.array([[0.0], [2.0], [-2.0]]), np.zeros(1)])
    return keras.Model(message, {"probability": probability, "blocked": probability})


def test_the_traced_model_answers_in_the_order_in_which_it_is_asked(model):
    texts = ["win " * 4000, "", "mum", "win", "mum", SCRIPT, "👍"]
    found = traced_probability(model)(texts)
    expected = model(tf.constant([[text] for text in texts]))["probability"].numpy()[:, 0]
    assert found.dtype == np.float64
    assert found == pytest.approx(expected, abs=1e-6)
    assert traced_probability(model)([]).shape == (0,)


def test_equal_messages_are_asked_once_and_long_ones_come_in_small_batches(model):
    batches = []

    class Watched:
        def __call__(self, texts, training):
            tf.py_function(lambda one: batches.append(one.numpy()), [texts], [])
            return model(texts, training=training)

    traced_probability(Watched())(["win"] * 500 + [f"{i:09000d}" for i in range(60)])
    assert sum(len(batch) for batch in batches) == 61
    assert max(sum(map(len, batch.ravel())) for batch in batches) <= 200_000


def test_a_model_that_gives_no_number_is_refused(model):
    def broken(texts, training):
        return {"probability": model(texts, training=training)["probability"] * np.nan}

    with pytest.raises(RunError, match="gives no number for 1 of 1 messages"):
        traced_probability(broken)([""])


@pytest.mark.slow
def test_the_words_of_real_spam_are_found_by_a_linear_model(real_data):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    lines = real_data("sms_spam/SMSSpamCollection").read_text(encoding="utf-8").splitlines()
    labels, texts = zip(*(line.split("\t", 1) for line in lines), strict=True)
    fitted = make_pipeline(TfidfVectorizer(analyzer=str.split), LogisticRegression(C=30))
    fitted.fit(texts[:4000], [label == "spam" for label in labels[:4000]])

    def predict(asked):
        return fitted.predict_proba(asked)[:, 1] if len(asked) else np.empty(0)

    found = explain_words(predict, texts[4000:], label="spam")
    raised = {item.feature for item in found.attributions if item.contribution > 0}
    assert len({"claim", "call", "free", "txt", "prize", "win", "uk", "stop", "reply", "text"} & raised) >= 3
    assert found.checks[0].passed
