"""Scores, blocking thresholds, opponents and the hand-over of a lesson that reads messages; by hand, no training."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import matthews_corrcoef

from practicals.common import text_baselines as opponents
from practicals.common.config import PracticalConfig
from practicals.common.data.facts import Facts
from practicals.common.data.messages import Messages
from practicals.common.data.split import Split
from practicals.common.errors import DataError
from practicals.common.ladder import Baseline
from practicals.common.message_blocking import (
    Blocking,
    blocking_row,
    choose_blocking,
    describe_blocking,
    share_interval,
)
from practicals.common.message_scores import (
    About,
    finish,
    lengths,
    matthews_correlation,
    message_scores,
    most_confidently_wrong,
    prediction_rows,
    score_on_texts,
)
from practicals.common.run import Run
from practicals.common.seeds import summarise
from practicals.common.text import seeds_table

HAM_SPAM = ("ham", "spam")


def messages(texts, labels, first: int = 1) -> Messages:
    return Messages(list(texts), labels=labels, classes=HAM_SPAM, index=pd.RangeIndex(first, first + len(labels)))


# Matthews' correlation


def test_matthews_correlation_by_hand():
    truth = [1, 1, 1, 0, 0, 0, 0, 0]
    decision = [1, 1, 0, 1, 0, 0, 0, 0]
    found, missed, false, passed = 2, 1, 1, 4
    expected = (found * passed - false * missed) / np.sqrt(
        (found + false) * (found + missed) * (passed + false) * (passed + missed)
    )
    assert matthews_correlation(truth, decision) == pytest.approx(expected) == pytest.approx(7 / 15)


def test_matthews_correlation_at_its_limits():
    truth = np.array([1, 0, 0, 1, 0])
    assert matthews_correlation(truth, truth) == pytest.approx(1)
    assert matthews_correlation(truth, 1 - truth) == pytest.approx(-1)
    assert matthews_correlation(truth, np.zeros(5)) == matthews_correlation(truth, np.ones(5)) == 0
    assert matthews_correlation(np.ones(5), truth) == 0


def test_matthews_correlation_agrees_with_scikit_learn():
    random = np.random.default_rng(0)
    for share in (0.02, 0.13, 0.5):
        truth, decision = (random.random(300) < share).astype(int), (random.random(300) < share).astype(int)
        decision = np.where(random.random(300) < 0.6, truth, decision)
        assert matthews_correlation(truth, decision) == pytest.approx(matthews_corrcoef(truth, decision), abs=1e-12)


# The blocking threshold


def chosen(ham: np.ndarray | list[float], spam: np.ndarray | list[float] = (), **options: float) -> Blocking:
    truth = np.r_[np.zeros(len(ham), int), np.ones(len(spam), int)]
    return choose_blocking(truth, np.r_[ham, spam], **options)


def blocks(one: Blocking, scores: np.ndarray | list[float]) -> int:
    return int((np.asarray(scores, "float32") >= one.threshold).sum())


@pytest.mark.parametrize(("ham", "allowed", "promised"), [
    (498, 0, False), (499, 0, True), (998, 0, True), (999, 1, True), (1498, 1, True), (1499, 2, True),
])  # fmt: skip
def test_so_many_good_messages_may_be_lost_that_the_chance_stays_at_two_in_a_thousand(ham, allowed, promised):
    scores = np.linspace(0, 0.9, ham)
    one = chosen(scores, [0.95])
    assert (one.ham, one.allowed, one.promised) == (ham, allowed, promised)
    assert blocks(one, scores) == allowed
    if promised:
        assert (allowed + 1) / (ham + 1) <= 0.002 < (allowed + 2) / (ham + 1)


def test_the_threshold_by_hand_lies_halfway_to_the_next_message_above():
    # 1 of 4 may be lost where a further one may be with a chance of 2 in 5.
    ham, spam = [0.1, 0.2, 0.4, 0.8], [0.6, 0.9]
    one = chosen(ham, spam, most=0.4)
    assert (one.allowed, one.promised) == (1, True)
    assert one.threshold == pytest.approx(0.5), "between 0.4, which passes, and the spam at 0.6"
    assert (blocks(one, ham), blocks(one, spam)) == (1, 2)
    strict = chosen(ham, spam)
    assert (strict.allowed, strict.promised) == (0, False)
    assert strict.threshold == pytest.approx(0.85)
    assert (blocks(strict, ham), blocks(strict, spam)) == (0, 1)


def test_the_order_of_the_messages_does_not_matter():
    random = np.random.default_rng(1)
    truth, score = (random.random(800) < 0.13).astype(int), random.random(800)
    order = random.permutation(800)
    assert choose_blocking(truth, score) == choose_blocking(truth[order], score[order])


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("ham", [3, 600, 999])
def test_where_all_scores_are_equal_nothing_is_blocked_and_nothing_else_is_said(value, ham):
    scores = np.full(ham, value)
    one = chosen(scores, [value])
    assert blocks(one, scores) == 0 and one.threshold > value
    assert one.allowed == 0, "this many of them it blocks"


def test_of_messages_with_one_score_all_or_none_are_blocked():
    ham = np.r_[np.linspace(0, 0.5, 997), 0.8, 0.8]
    one = chosen(ham, [0.9])
    assert blocks(one, ham) == 0 and 0.8 < one.threshold < 0.9
    assert one.allowed == 0, "this many of them it blocks"


def test_a_good_message_of_which_the_network_is_sure_that_it_is_spam_passes_too():
    one = chosen([0.1, 1.0], [0.9, 1.0])
    assert blocks(one, [0.1, 1.0, 0.9, 1.0]) == 0
    assert 1 < one.threshold < 1.000001


def test_the_threshold_is_a_number_that_survives_in_32_bit():
    # Neighbours in 32 bit: there is nothing between them.
    below = np.float32(0.7)
    above = np.nextafter(below, np.float32(1))
    one = chosen([0.1, below], [above])
    assert np.float32(one.threshold) == one.threshold
    assert (blocks(one, [below]), blocks(one, [above])) == (0, 1)


def test_scores_in_64_bit_are_decided_like_those_it_was_chosen_on():
    score = 1 / (1 + np.exp(-np.linspace(-40, 40, 601)))
    one = chosen(score, score)
    assert (score >= one.threshold).sum() == 0


def test_without_good_messages_one_half_is_the_threshold_and_nothing_is_promised():
    assert chosen([], [0.2, 0.9]) == Blocking(0.5, 0, 0, False)


def test_no_more_of_further_good_messages_are_blocked_than_is_promised():
    random = np.random.default_rng(2)
    lost = [blocks(chosen(random.random(999)), random.random(2000)) / 2000 for _ in range(300)]
    # Halfway between the first and the second of 999, so between 1 and 2 in a thousand.
    assert np.mean(lost) == pytest.approx(0.0015, abs=0.0003)


def test_the_choice_is_told_with_its_chance_or_with_the_reason_why_there_is_none():
    def told(one: Blocking) -> str:
        return describe_blocking(one, ("good", "bad"))["sentence"]

    assert "Of the 999 validation messages that are “good”, 1 reaches that." in told(Blocking(0.9, 999, 1, True))
    assert "none reach that" in told(Blocking(0.9, 499, 0, True)) and "2 reach that" in told(
        Blocking(0.9, 1499, 2, True)
    )
    assert "a chance of at most 0.20 %" in told(Blocking(0.9, 499, 0, True))
    few = told(Blocking(0.9, 99, 0, False))
    assert "too few to promise" in few and "with 99 of them the chance is up to 1.0 %" in few and "at most 1" not in few
    assert "Messages between 0.5 and this are called “bad” but delivered." in few


def test_a_threshold_that_nothing_reaches_is_not_told_as_one():
    said = describe_blocking(chosen([0.1, 1.0], [1.0]), HAM_SPAM)["sentence"]
    assert "From 1.000 on a message is blocked" not in said


def test_the_sentence_of_a_threshold_below_one_half_names_no_messages_in_between():
    said = describe_blocking(Blocking(0.4, 600, 0, True), HAM_SPAM)["sentence"]
    assert "Messages between 0.5 and this" not in said


# All scores


def test_scores_of_six_messages_by_hand():
    truth, chance = [0, 0, 0, 0, 1, 1], [0.1, 0.2, 0.7, 0.5, 0.9, 0.6]
    scores = message_scores(truth, chance, 0.65)
    assert scores["accuracy"] == pytest.approx(4 / 6), "one half is already a yes"
    assert (scores["precision"], scores["recall"], scores["f1"]) == pytest.approx((2 / 4, 1, 2 / 3))
    assert scores["mcc"] == pytest.approx(matthews_corrcoef(truth, [0, 0, 1, 1, 1, 1])) == pytest.approx(0.5)
    assert scores["roc_auc"] == pytest.approx(7 / 8)
    assert scores["brier"] == pytest.approx((0.01 + 0.04 + 0.49 + 0.25 + 0.01 + 0.16) / 6)
    assert (scores["ham_blocked"], scores["spam_blocked"]) == (1 / 4, 1 / 2)


def test_the_blocking_threshold_moves_no_other_score():
    truth, chance = [0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9]
    one, other = (message_scores(truth, chance, threshold) for threshold in (0.05, 0.95))
    assert (one.pop("ham_blocked"), other.pop("ham_blocked")) == (1, 0)
    assert (one.pop("spam_blocked"), other.pop("spam_blocked")) == (1, 0)
    assert one == other


def test_what_is_no_probability_has_no_calibration():
    truth, chance = [0, 1, 0, 1], [0.1, 0.8, 0.6, 0.9]
    whole, bare = (message_scores(truth, chance, 0.5, calibrated=calibrated) for calibrated in (True, False))
    assert set(whole) - set(bare) == {"brier", "ece"}
    assert {name: whole[name] for name in bare} == bare


# Opponents


def written(number: int, first: int = 1) -> Messages:
    """Every fourth is spam, which has another word each time for the same thing."""
    texts = [
        f"claim your pri{'z' * (i % 3 + 1)}e number{i}" if i % 4 == 0 else f"see you at {i} then, love"
        for i in range(number)
    ]
    return messages(texts, [int(i % 4 == 0) for i in range(number)], first)


ENTRIES = (
    ("majority", "naive", "", opponents.majority),
    ("naive Bayes", "classical", "", opponents.naive_bayes),
    ("words", "classical", "", lambda: opponents.words_svm(seed=0)),
    ("both", "classical", "", lambda: opponents.characters_and_words_svm(seed=0)),
)


@pytest.fixture(scope="module")
def scored() -> tuple[list[Baseline], Split[Messages]]:
    split = Split(written(120), written(60, 201), written(40, 301))
    return score_on_texts([(*entry[:3], entry[3]()) for entry in ENTRIES], split), split


def test_opponents_learn_words_and_the_majority_learns_the_share(scored):
    majority, bayes, words, both = scored[0]
    assert [one.name for one in scored[0]] == ["majority", "naive Bayes", "words", "both"]
    np.testing.assert_allclose(majority.test_prediction, 0.25)
    assert majority.test["mcc"] == 0 and majority.test["accuracy"] == 0.75 and majority.test["ham_blocked"] == 0
    for one in (bayes, words, both):
        assert one.test["mcc"] == one.validation["mcc"] == pytest.approx(1)
        assert (one.test["ham_blocked"], one.test["spam_blocked"]) == (0, 1)
        assert one.test_prediction.shape == (40,)


def test_a_distance_from_the_border_is_not_taken_for_a_probability(scored):
    bayes, words = scored[0][1], scored[0][2]
    assert {"brier", "ece"} <= set(bayes.test) and not {"brier", "ece"} & set(words.test)
    assert words.test_prediction.min() > 0 and words.test_prediction.max() < 1


def test_opponents_see_training_texts_alone(scored):
    baselines, split = scored
    changed = Split(split.train, messages(["claim love"] * 60, split.validation.labels), split.test)
    again = score_on_texts([(*entry[:3], entry[3]()) for entry in ENTRIES], changed)
    for one, other in zip(baselines, again, strict=True):
        np.testing.assert_array_equal(one.test_prediction, other.test_prediction)
        assert one.validation != other.validation or one.kind == "naive"


def test_each_opponent_has_the_threshold_that_its_own_validation_scores_set():
    class Sure:
        """Says what stands in the text."""

        def fit(self, texts, labels):
            return self

        def predict_proba(self, texts):
            chance = np.array([float(text) for text in texts])
            return np.column_stack([1 - chance, chance])

    validation = messages(["0.1", "0.6", "0.7"], [0, 0, 1])
    test = messages(["0.62", "0.66", "0.9", "0.1"], [0, 0, 1, 1])
    [one] = score_on_texts([("sure", "classical", "", Sure())], Split(validation, validation, test))
    assert one.test["ham_blocked"] == 1 / 2 and one.test["spam_blocked"] == 1 / 2, "from 0.65 on"
    assert (one.validation["ham_blocked"], one.validation["spam_blocked"]) == (0, 1)


def test_messages_without_a_word_are_refused_in_one_line():
    split = Split(*(messages(["! ?", "a b", "😀 :)"], [0, 1, 0]) for _ in range(3)))
    for opponent in (opponents.naive_bayes(), opponents.characters_and_words_svm(seed=0)):
        with pytest.raises(DataError, match=r"No training message, such as .* right column"):
            score_on_texts([("one", "classical", "", opponent)], split)


def test_pieces_of_words_know_a_word_that_was_never_seen_and_whole_words_do_not():
    train = written(120)
    for make, knows in ((opponents.words_svm, False), (opponents.characters_and_words_svm, True)):
        machine = make(seed=0).fit(train.texts, train.labels)
        margin = machine.decision_function(["priiize claiming", "zzqq wwkk"])
        assert (margin[0] > margin[1] + 0.1) == knows


def test_a_score_that_an_opponent_lacks_is_left_out_over_seeds_too():
    def seed(mcc: float, brier: float) -> dict[str, object]:
        without = {"mcc": mcc - 0.1}
        return {
            "primary": {"metric": "mcc", "direction": "max", "unit": ""},
            "test": {"mcc": mcc, "brier": brier},
            "baselines": {"majority": {"mcc": 0.0, "brier": 0.2}, "SVM": without},
        }

    summary = summarise([seed(0.9, 0.1), seed(0.8, 0.3)])
    assert summary["network"]["brier"]["mean"] == pytest.approx(0.2)
    assert list(summary["baselines"]["SVM"]) == ["mcc"] and "brier" in summary["baselines"]["majority"]
    assert summary["network_minus_baseline"]["SVM"]["mcc"]["mean"] == pytest.approx(0.1)
    lines = seeds_table({**summary, "seeds": 2}).splitlines()
    assert [line.rstrip().endswith("–") for line in lines if "SVM" in line] == [True, True]


# What is told


def test_a_message_on_the_edge_of_a_decision_counts_as_spam():
    rows = prediction_rows("test", messages(["a", "b", "c"], [0, 1, 1], 7), np.array([0.5, 0.7, 0.2], "float32"), 0.7)
    assert rows.to_dict("list") == {
        "id": [7, 8, 9], "part": ["test"] * 3, "truth": ["ham", "spam", "spam"], "prediction": ["spam", "spam", "ham"],
        "probability": [0.5, pytest.approx(0.7), pytest.approx(0.2)], "blocked": [0, 1, 0],
    }  # fmt: skip


def test_the_surest_mistakes_come_first_and_what_is_right_does_not_come():
    chance = np.array([0.6, 0.1, 0.99, 0.02, 0.5])
    found = most_confidently_wrong(messages("abcde", [0, 0, 1, 1, 0]), chance)
    assert [(one["id"], one["text"], one["truth"], one["prediction"]) for one in found] == [
        ("4", "d", "spam", "ham"), ("1", "a", "ham", "spam"), ("5", "e", "ham", "spam"),
    ]  # fmt: skip
    assert [one["probability"] for one in found] == pytest.approx([0.98, 0.6, 0.5])
    many = most_confidently_wrong(messages(list(map(str, range(50))), [0] * 50), np.full(50, 0.9))
    assert len(many) == 12 and many[0]["id"] == "1"
    repeated = most_confidently_wrong(messages("aab", [0, 0, 0]), np.array([0.8, 0.9, 0.7]))
    assert [one["id"] for one in repeated] == ["2", "3"], "a message that is repeated stands there once"


def test_the_interval_of_a_share_is_the_exact_one():
    low, high = share_interval(0, 500)
    assert low == 0 and high == pytest.approx(1 - 0.025 ** (1 / 500)), "by hand where nothing was found"
    interval = binomtest(3, 967).proportion_ci(0.95, method="exact")
    assert share_interval(3, 967) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert share_interval(5, 5)[1] == 1


def test_a_row_of_the_blocking_table_counts_messages():
    truth = np.array([0.0] * 7 + [1.0] * 3)
    row = blocking_row("network", {"ham_blocked": 2 / 7, "spam_blocked": 1 / 3}, truth)
    assert (row["name"], row["ham"], row["ham_blocked"], row["spam"], row["spam_blocked"]) == ("network", 7, 2, 3, 1)
    assert row["ham_interval"] == list(share_interval(2, 7))


def test_lengths_are_counted_in_characters_and_the_longest_share_the_last_bin():
    texts = ["", "x" * 10, "שלום", "y" * 10_000, *["z" * 20] * 300]
    found = lengths(messages(texts, [0, 0, 1, 1, *[0] * 300]))
    assert found["median"] == {"ham": 20, "spam": (4 + 10_000) / 2}
    counts = {name: np.array(one) for name, one in found["counts"].items()}
    assert (counts["ham"].sum(), counts["spam"].sum()) == (302, 2)
    assert counts["spam"][-1] == 1 and found["edges"][-1] < 100
    assert counts["ham"][0] == 1 and counts["spam"][4] == 1


class Settings(PracticalConfig):
    """Settings of a lesson about messages."""


def test_the_hand_over_writes_what_the_report_needs(tmp_path):
    run = Run.at(tmp_path / "run")
    run.write_table(run.history_path, pd.DataFrame({"epoch": [0, 1], "loss": [0.7, 0.6], "val_loss": [0.7, 0.6]}))
    truth = np.tile([0, 0, 0, 1], 30)
    texts = [f"message {i}" for i in range(120)]
    facts = Facts("own", "mine.txt", "ab" * 32, 360, ("2 messages left out.",), "", "")
    split = Split(*(messages(texts, truth, 1 + 200 * part) for part in range(3)), facts)
    ours = np.where(truth == 1, 0.9, 0.1).astype("float32")
    ours[:4] = [0.95, 0.1, 0.1, 0.2]  # a good message is lost, one spam is not found
    theirs = np.where(np.arange(120) % 8 == 7, 0.9, 0.2)  # half of the spam
    never = np.full(120, 0.25)
    scores = {
        name: message_scores(truth, one, 0.8) for name, one in {"ours": ours, "theirs": theirs, "never": never}.items()
    }
    about = About(
        title="Spam?", primary="mcc", direction="max", monitor="val_loss", mode="min", tuned="val_loss", text=""
    )
    blocking = Blocking(0.8, 90, 0, False)
    outcome = finish(
        run,
        Settings(),
        about,
        split=split,
        network=SimpleNamespace(layers=[]),
        probabilities=split.map(lambda _: ours),
        scores=split.map(lambda _: scores["ours"]),
        blocking=blocking,
        baselines=[
            Baseline("majority", "naive", "", scores["never"], scores["never"], never),
            Baseline("words", "classical", "", scores["theirs"], scores["theirs"], theirs),
        ],
        rungs=[],
        fit_seconds=1.0,
        best_epoch_kept=True,
        steps={"message": "x", "steps": []},
    )
    assert (outcome.verdict["against"], outcome.verdict["result"]) == ("words", "better")
    difference = matthews_corrcoef(truth, ours >= 0.5) - matthews_corrcoef(truth, theirs >= 0.5)
    assert outcome.verdict["difference"] == pytest.approx(difference)
    summary = run.summary()
    assert (summary["task"], summary["classes"]) == ("messages", ["ham", "spam"])
    assert summary["data"]["things"] == "messages" and summary["data"]["notes"] == ["2 messages left out."]
    assert summary["data"]["class_counts"]["test"] == {"ham": 90, "spam": 30}
    rows = {row["name"]: row for row in summary["blocking"]["rows"]}
    assert list(rows) == ["network", "words"], "to block nothing at all is no choice"
    assert (rows["network"]["ham_blocked"], rows["network"]["spam_blocked"]) == (1, 29)
    assert (rows["words"]["ham_blocked"], rows["words"]["spam_blocked"]) == (0, 15)
    assert summary["threshold"]["value"] == 0.8 and "too few to promise" in summary["threshold"]["sentence"]
    assert [one["id"] for one in summary["wrong"]] == ["401", "404"]
    assert list(summary["baseline_curves"]) == ["words"] and set(summary["baseline_curves"]["words"]) >= {"pr", "roc"}
    assert summary["steps"]["message"] == "x"
    predictions = run.predictions()
    assert predictions["part"].value_counts().to_dict() == {"validation": 120, "test": 120}
    assert predictions["blocked"].sum() == 2 * 30
