"""Explain a model that reads messages: which words make this one spam? A lesson calls `explain_message`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from practicals.common.console import say
from practicals.common.explain.agreement import METHODS, check_methods
from practicals.common.explain.checks import fit_check, orders_check, stability_check
from practicals.common.explain.coding import Vector, require_numbers
from practicals.common.explain.explanation import MESSAGE, Attribution, Check, Explanation, MessageTrace
from practicals.common.explain.message_checks import half_check, removal_check, stand_in_check, without_faint
from practicals.common.explain.message_methods import Probability, lime_models, shap_values
from practicals.common.explain.message_words import WORD, Parts, general
from practicals.common.explain.numbered_parts import Found, with_agreement

__all__ = ["METHODS", "explain_message", "explain_words", "reading_curve", "traced_probability"]

LARGEST_BATCH = 1024
CHARACTERS_AT_ONCE = 200_000
"""Longer messages come in smaller batches, so that the memory needed does not grow with their length."""
ROUNDS = 10
ROUNDS_GLOBAL = 1
STAND_INS = 3
ROUNDS_STAND_IN = 4
SAMPLES = 1500
"""LIME's neighbours. With 600, the order of the words of every second message changed with the seed."""
LIME_SEEDS = 5
FULL_EFFORT = 1000
"""Characters. A longer message costs more per question, so that fewer are asked of it, in proportion; the settings
say how many."""
FEWEST_ROUNDS = 2
FEWEST_SAMPLES = 300
GLOBAL_MESSAGES = 1000
LEAST_MESSAGES = 3
"""A word in fewer messages says more about them than about the word."""
SHOWN_WORDS = 20
"""Of those that raise the probability, and of those that lower it."""


def traced_probability(model: keras.Model) -> Probability:
    """Return the probability that an assembled model gives, as a fast function of raw messages.

    An explainer asks for thousands of variants of one message. Equal ones are asked once, and messages of similar
    length share a batch, so that none is padded far. One call of `model.predict` costs 0.1 s, of this 5 ms.

    Args:
        model: text (n, 1) to `{"probability": (n, 1), ...}`.

    Returns:
        A function of n messages to float64 (n,). It raises RunError where the model gives no number.
    """

    def answer(texts: tf.Tensor) -> tf.Tensor:
        return model(texts, training=False)["probability"][:, 0]

    traced = tf.function(answer, input_signature=[tf.TensorSpec((None, 1), tf.string)])

    def predict(texts: Sequence[str]) -> Vector:
        different = sorted(set(texts), key=lambda text: (len(text), text))
        answers: list[Vector] = []
        start = 0
        while start < len(different):
            stop = min(start + LARGEST_BATCH, len(different))
            while stop - start > 1 and (stop - start) * len(different[stop - 1]) > CHARACTERS_AT_ONCE:
                stop = start + (stop - start) // 2
            answers.append(traced(tf.constant([[text] for text in different[start:stop]])).numpy())
            start = stop
        if not different:
            return np.empty(0)
        found = np.concatenate(answers)
        require_numbers(found, "messages")
        by_text = dict(zip(different, found.tolist(), strict=True))
        return np.array([by_text[text] for text in texts], dtype=np.float64)

    return predict


def explain_message(
    predict: Probability,
    *,
    text: str,
    subject: str,
    label: str,
    truth: str = "",
    background: Sequence[str] = (),
    methods: Sequence[str] = METHODS,
    seed: int = 0,
) -> dict[str, Explanation]:
    """Explain the probability of one message, each explanation with the checks that say how far to trust it.

    Both methods ask what the model makes of the message without some of its words, as raw text. So the base value of
    SHAP is the probability of an empty message.

    Args:
        predict: raw messages to the probability of the label; see `traced_probability`.
        text: the message, whatever it holds. Without any words, there is nothing to explain, and a check says so.
        subject: its id.
        label: the class whose probability is explained.
        truth: the class it really has; "" when unknown.
        background: other messages. With some, SHAP is also checked against words of theirs in place of none.
        methods: any of `METHODS`.
        seed: of everything drawn; the same seed gives the same explanation.

    Returns:
        Those that apply of `shap_row` and `lime_row`.

    Raises:
        PracticalError: a method is unknown.
        RunError: the model does not answer with numbers.
    """
    check_methods(methods)
    parts = Parts.of(text)
    prediction = float(predict([text])[0])
    found: dict[str, Found] = {}
    for method in (name for name in METHODS if name in methods):
        say(f"Explaining message {subject} with {method.upper()} ...")
        start = time.perf_counter()
        if len(parts) == 0:
            one = Found(prediction, np.empty(0), (), {})
        elif method == "shap":
            one = _shap(predict, parts, background, seed)
        else:
            one = _lime(predict, parts, seed)
        removal = removal_check(predict, parts, one.contributions, label=label, seed=seed)
        found[method] = replace(one, checks=(*one.checks, removal), seconds=time.perf_counter() - start)
    if len(found) == 2 and len(parts) > 1:
        both = without_faint(np.array([found[method].contributions for method in METHODS]))
        found = with_agreement(found, *both, words=MESSAGE)
    trace = MessageTrace(text=text, spans=parts.spans, label=label, truth=truth)
    return {
        f"{method}_row": _explanation(method, subject, prediction, one, parts, trace, seed)
        for method, one in found.items()
    }


def explain_words(predict: Probability, texts: Sequence[str], *, label: str, seed: int = 0) -> Explanation:
    """Explain by SHAP which words most raise and most lower the probability over many messages.

    A word's contribution is the mean of what it added, in the messages in which it stands, with its sign: so a rare
    word can outweigh a frequent one. Its occurrences in one message are summed. Words are lower-cased, their digits
    written as #, and addresses are one word; those in fewer than `LEAST_MESSAGES` messages are left out, and so are
    messages without any word or with more than `MOST_PARTS`.

    Args:
        predict: raw messages to the probability of the label; see `traced_probability`.
        texts: the messages, such as those of the test part; at most `GLOBAL_MESSAGES` of them are drawn.
        label: the class whose probability is explained.
        seed: of everything drawn.

    Returns:
        The explanation, with up to `SHOWN_WORDS` words that raise the probability and as many that lower it.

    Raises:
        RunError: the model does not answer with numbers.
    """
    start = time.perf_counter()
    drawn = np.random.default_rng(seed).permutation(len(texts))[:GLOBAL_MESSAGES]
    # Where several words make one part, no word has a contribution of its own.
    messages = [parts for parts in (Parts.of(texts[i]) for i in drawn) if 0 < parts.words == len(parts)]
    say(f"Explaining the words of {len(messages)} messages with SHAP ...")
    values = shap_values(predict, messages, rounds=ROUNDS_GLOBAL, seeds=(seed,))
    halves: tuple[dict[str, list[float]], ...] = (defaultdict(list), defaultdict(list))
    for i, (parts, one) in enumerate(zip(messages, values, strict=True)):
        sums: dict[str, float] = defaultdict(float)
        for name, contribution in zip(parts.names, one.contributions.tolist(), strict=True):
            sums[general(name)] += contribution
        for word, contribution in sums.items():
            halves[i % 2][word].append(contribution)
    every = {word: halves[0].get(word, []) + halves[1].get(word, []) for word in sorted({*halves[0], *halves[1]})}
    means = {word: float(np.mean(seen)) for word, seen in every.items() if len(seen) >= LEAST_MESSAGES}
    rising = sorted(means, key=lambda word: means[word])
    chosen = [word for word in rising[:SHOWN_WORDS] if means[word] < 0]
    chosen += [word for word in rising[-SHOWN_WORDS:] if means[word] > 0]
    chosen.sort(key=lambda word: -abs(means[word]))
    both = [word for word in means if all(len(half.get(word, [])) >= LEAST_MESSAGES for half in halves)]
    first, second = ([float(np.mean(half[word])) for word in both] for half in halves)
    return Explanation(
        method="shap",
        scope="global",
        subject="",
        unit="probability",
        prediction=float(np.mean(predict([texts[i] for i in drawn]))) if len(drawn) else 0.0,
        base_value=float(predict([""])[0]),
        attributions=tuple(Attribution(word, "", means[word]) for word in chosen),
        checks=(half_check(first, second, LEAST_MESSAGES),),
        settings={
            "seed": seed,
            "rounds": ROUNDS_GLOBAL,
            "messages": len(messages),
            "least_messages": LEAST_MESSAGES,
            "words_compared": len(means),
        },
        seconds=time.perf_counter() - start,
        message=MessageTrace("", (), label, "", counts=tuple(len(every[word]) for word in chosen)),
    )


def reading_curve(predict: Probability, text: str) -> dict[str, Any]:
    """Return the probability after each word of a message: what the model knows by then.

    Args:
        predict: raw messages to the probability; see `traced_probability`.
        text: the message.

    Returns:
        "spans": first character and the one after the last of each word (of each run of words in a long message).
        "probability": before the first word, after it, and so on: one number more, the last one of the whole message.
    """
    spans = Parts.of(text).spans
    read = ["", *(text[:stop] for _, stop in spans[:-1]), *([text] if spans else [])]
    return {"spans": [list(span) for span in spans], "probability": predict(read).tolist()}


def _shap(predict: Probability, parts: Parts, background: Sequence[str], seed: int) -> Found:
    rounds = max(FEWEST_ROUNDS, round(ROUNDS * _effort(parts)))
    found = shap_values(predict, [parts], rounds=rounds, seeds=(seed, seed + 1))[0]
    checks: tuple[Check, ...] = ()
    if len(parts) > 1:
        checks = (orders_check(*without_faint(found.runs), words=MESSAGE),)
        words = [match.group() for text in background for match in WORD.finditer(text)]
        if words:
            random = np.random.default_rng(seed)
            # By place: an array of words would have room for the longest of them in each cell.
            drawn = [random.choice(len(words), len(parts)) for _ in range(STAND_INS)]
            others = [[words[place] for place in places] for places in drawn]
            replaced = shap_values(
                predict, [parts] * STAND_INS, rounds=min(rounds, ROUNDS_STAND_IN), seeds=(seed,), others=others
            )
            mean = np.mean([one.contributions for one in replaced], axis=0)
            checks = (*checks, stand_in_check(found.contributions, mean))
    return Found(found.base_value, found.contributions, checks, {"rounds": 2 * rounds})


def _effort(parts: Parts) -> float:
    return min(1.0, FULL_EFFORT / len(parts.text))


def _lime(predict: Probability, parts: Parts, seed: int) -> Found:
    samples = max(FEWEST_SAMPLES, round(SAMPLES * _effort(parts)))
    models = lime_models(predict, parts, samples=samples, seeds=range(seed, seed + LIME_SEEDS))
    first = models[0]
    checks: tuple[Check, ...] = (fit_check(first.score, first.neighbours, words=MESSAGE),)
    if len(parts) > 1:
        checks = (*checks, stability_check(without_faint(np.array([model.weights for model in models])), words=MESSAGE))
    return Found(first.intercept, first.weights, checks, {"samples": samples, "seeds_compared": LIME_SEEDS})


def _explanation(
    method: str, subject: str, prediction: float, found: Found, parts: Parts, trace: MessageTrace, seed: int
) -> Explanation:
    """Return the explanation of one message, its words and their places in the order of their size."""
    order = np.argsort(-np.abs(found.contributions), kind="stable").tolist()
    settings: dict[str, int | float | str] = {"seed": seed, **found.settings, "hidden_as": "taken out"}
    if parts.words > len(parts):
        settings["words_together"] = f"{parts.words} words in {len(parts)} parts"
    if method == "lime":
        settings["local_prediction"] = found.base_value + float(found.contributions.sum())
    return Explanation(
        method=method,
        scope="row",
        subject=subject,
        unit="probability",
        prediction=prediction,
        base_value=found.base_value,
        attributions=tuple(Attribution(parts.names[i], parts.places[i], float(found.contributions[i])) for i in order),
        checks=found.checks,
        settings=settings,
        seconds=found.seconds,
        message=replace(trace, spans=tuple(parts.spans[i] for i in order)),
    )
