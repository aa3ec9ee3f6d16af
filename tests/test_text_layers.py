"""Text inside the model: cleaning, padding, pieces and dropped words."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from practicals import load_model
from practicals.common.layers import CleanText, DropWords, PadInFront, Pieces
from practicals.sms_spam import CLEANING, VISIBLE


def cleaned(text: str, rules: str = "signs") -> str:
    visible = CleanText(VISIBLE, lower=False)(tf.constant([[text]]))
    return CleanText(CLEANING[rules])(visible).numpy()[0, 0].decode()


def tokens(text: str, rules: str = "signs") -> list[str]:
    return cleaned(text, rules).split()


# Cleaning


def test_rules_are_applied_in_their_order_and_lower_case_comes_last():
    rules = [("B", "C"), ("C", "d"), (r"(x+)", r"<\1>")]
    assert CleanText(rules)(tf.constant(["ABC XX xx"])).numpy().tolist() == [b"add xx <xx>"]
    assert CleanText(rules, lower=False)(tf.constant(["ABC"])).numpy().tolist() == [b"Add"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Win £1000!!!", "win £ _four_digit_ ! ! !"),
        ("&pound;5", "£ _one_digit_"),
        ("Call 09061701461 NOW", "call _phone_ now _capitals_"),
        ("12345678 or 123456789", "_eight_digit_ or _phone_"),
        ("mail me@home.example.", "mail _email_"),
        ("see www.win.example/a?b=1 or HTTPS://x", "see _address_ or _address_"),
        ("shop-one.co.uk now", "_address_ now"),
        ("I DON'T know, OK", "i don't _capitals_ know , ok _capitals_"),
        ("don't", "don't"),
        ("u\u00a0r\u3000here\u2003now", "u r here now"),
        ("<b>hi</b>", "< b > hi < / b >"),
        ("👍🎉", "👍 🎉"),
        ("שלום מה", "שלום מה"),
        ("", ""),
        (" \t ", ""),
    ],
)
def test_signs_numbers_addresses_and_capitals_become_tokens(text, expected):
    assert tokens(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Win £1000!!!", "win 1000"), ("don't, OK", "don t ok"), ("👍", ""), ("Käse שלום", "käse שלום")],
)
def test_cleaning_of_the_course_keeps_letters_and_digits_alone(text, expected):
    assert tokens(text, "words") == expected.split()


@pytest.mark.parametrize("hidden", ["\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2060", "\ufeff", "\u200b" * 9])
def test_characters_without_a_shape_cannot_hide_a_word(hidden):
    assert tokens(hidden.join("free")) == ["free"]
    assert tokens(hidden.join("www.win.example")) == ["_address_"]


@pytest.mark.parametrize("hidden", ["\u00ad", "\u202d", "\u2066"], ids=["soft hyphen", "override", "isolate"])
def test_nor_can_other_format_characters(hidden):
    assert tokens(hidden.join("free")) == ["free"]


@pytest.mark.parametrize("text", ["home.computer", "great.communication", "that.network", "see you.Nettie"])
def test_a_full_stop_without_a_blank_makes_no_address(text):
    assert "_address_" not in tokens(text)


@pytest.mark.parametrize("text", ["\u0928\u092e\u0938\u094d\u0924\u0947", "שָׁלוֹם", "cafe\u0301"])
def test_marks_over_and_under_letters_do_not_take_a_word_apart(text):
    assert len(tokens(text)) == 1


def test_a_shouted_word_is_one_word_in_every_alphabet():
    assert tokens("ÄRGER FÜR CAFÉ") == ["ärger", "_capitals_", "für", "_capitals_", "café", "_capitals_"]


def test_the_longest_messages_are_cleaned_too():
    batch = tf.constant([["a@" * 5000], ["www." * 2500], ["1" * 10_000], ["A" * 10_000], ["!" * 10_000]])
    found = CleanText(CLEANING["signs"])(batch).numpy()[:, 0]
    assert [len(text.split()) for text in found] == [10_000, 1, 1, 2, 10_000]


# Padding


@pytest.mark.parametrize("places", [3, 4, 7])
def test_zeros_move_to_the_front_and_the_order_stays(places):
    rows = [[5, 6, 7], [5, 1, 0], [5, 0, 0], [0, 0, 0]]
    given = np.array([row + [0] * (places - 3) for row in rows], "int64")
    expected = [[0] * given.tolist()[i].count(0) + [n for n in rows[i] if n] for i in range(4)]
    found = PadInFront()(given).numpy()
    assert found.tolist() == expected and found.shape == given.shape


# Pieces


def pieces_of(raw: str, clean: str) -> list[str]:
    (found,) = Pieces.taken_apart(tf.constant([[raw]]), tf.constant([[clean]])).to_list()
    return [piece.decode() for piece in found]


def test_pieces_of_a_message_by_hand():
    found = pieces_of("Ab c", "ab c")
    assert [piece for piece in found if piece.startswith("\t")] == ["\tab", "\tc", "\tab c"]
    # " ab " and " c ", each with one to five characters in a row.
    ab = [" ", "a", "b", " ", " a", "ab", "b ", " ab", "ab ", " ab "]
    c = [" ", "c", " ", " c", "c ", " c "]
    assert sorted(piece for piece in found if not piece.startswith("\t")) == sorted(ab + c)


def test_no_piece_of_characters_is_longer_than_five_and_only_the_beginning_is_taken_apart():
    text = "x" * 50 + " " + "y " * 200
    found = [piece for piece in pieces_of(text, text) if not piece.startswith("\t")]
    assert max(map(len, found)) == 5
    assert sum(piece == "x" for piece in found) == Pieces.WORD_CHARACTERS
    assert sum(piece == "y" for piece in found) == (Pieces.CHARACTERS - 51 + 1) // 2


def test_characters_of_other_alphabets_count_as_one():
    assert {" ש", "של", "ם "} <= set(pieces_of("שלום", ""))
    assert "👍" in pieces_of("👍", "")
    assert pieces_of("ÄÖ", "").count("ä") == 1, "in lower case"


def test_each_known_piece_is_numbered_once_in_rising_order_and_others_not_at_all():
    layer = Pieces(["b", "\tab", " ab ", "zz", "a"], longest=6)
    raw = tf.constant([["ab ab AB"], ["q"], [""]])
    assert layer(raw, tf.constant([["ab ab ab"], ["q"], [""]])).numpy().tolist() == [
        [1, 2, 3, 5, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_of_too_many_pieces_the_rarest_are_left_out():
    raw = tf.constant([["ab"]])
    assert Pieces(["b", "\tab", " ab ", "a"], longest=2)(raw, raw).numpy().tolist() == [[1, 2]]


@pytest.mark.parametrize("text", ["", " ", "\u200b", "👍" * 200, "x" * 10_000, "שלום " * 2000])
def test_any_message_has_a_row_of_pieces_also_alone(text):
    layer = Pieces(["x", "\tx"], longest=3)
    raw = tf.constant([[text]])
    assert layer(raw, raw).shape == (1, 3)


def test_where_no_piece_is_frequent_enough_none_is_known():
    raw = tf.constant([["win"]])
    assert Pieces([], longest=3)(raw, raw).numpy().tolist() == [[0, 0, 0]]


def test_text_layers_come_back_in_safe_mode_and_say_the_same(tmp_path: Path):
    message = keras.Input((1,), dtype="string")
    clean = CleanText(CLEANING["signs"], name="clean")(message)
    words = keras.layers.TextVectorization(
        standardize=None, vocabulary=["win", "£", "שלום"], output_sequence_length=5, name="words"
    )(clean)
    outputs = {
        "words": DropWords(0.5, seed=1)(PadInFront()(words)),
        "pieces": Pieces(["w", "\twin", "של", "\twin £"], longest=4, name="pieces")(message, clean),
    }
    model = keras.Model(message, outputs)
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    texts = tf.constant([["Win £5"], ["שלום"], [""]])
    expected = {name: found.numpy().tolist() for name, found in model(texts).items()}
    assert expected == {
        "words": [[0, 0, 2, 3, 1], [0, 0, 0, 0, 4], [0] * 5],
        "pieces": [[1, 2, 4, 0], [3, 0, 0, 0], [0] * 4],
    }
    assert {name: found.numpy().tolist() for name, found in again(texts).items()} == expected
    assert again.get_layer("pieces").vocabulary == ["w", "\twin", "של", "\twin £"]


# Dropped words


def test_words_are_dropped_in_training_alone_and_empty_places_never():
    layer, rows = DropWords(0.4, seed=3), np.tile([5, 6, 7, 0], (500, 1))
    np.testing.assert_array_equal(layer(rows), rows)
    dropped = layer(rows, training=True).numpy()
    assert (dropped[:, 3] == 0).all()
    changed = dropped[:, :3] != rows[:, :3]
    assert (dropped[:, :3][changed] == 1).all(), "read as the unknown word"
    assert changed.mean() == pytest.approx(0.4, abs=0.05)
    assert (layer(rows, training=True).numpy() != dropped).any(), "drawn anew in each step"


def test_no_word_is_dropped_at_a_rate_of_zero():
    rows = np.tile([5, 6, 0], (50, 1))
    np.testing.assert_array_equal(DropWords(0.0)(rows, training=True), rows)
