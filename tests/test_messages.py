"""Messages: read as people have them, refused in one line where that would be guessing, divided without leaks."""

from __future__ import annotations

import codecs
import io
import re
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from practicals.common.data.archives import sha256_of
from practicals.common.data.cards import load_card
from practicals.common.data.facts import Facts
from practicals.common.data.fetch import locate
from practicals.common.data.message_samples import CHAT_WORDS, SPAM_WORDS, written_messages
from practicals.common.data.messages import (
    LONGEST_MESSAGE,
    Messages,
    folded,
    message_split,
    messages_of,
    messages_to_predict,
    read_messages,
)
from practicals.common.errors import ConfigError, DataError

HAM, SPAM = "ham\tsee you later\n", "spam\tclaim your prize\n"


def read(path: Path, **settings: str) -> tuple[Messages, Facts]:
    return read_messages(locate(load_card("sms_spam"), str(path)), **settings)


def written(folder: Path, content: str | bytes, name: str = "mine.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path, **settings: str) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **settings)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def facts(file: str = "mine.txt") -> Facts:
    return Facts("own", file, "0" * 64, 0, (), "", "")


def many(ham: int = 160, spam: int = 40) -> Messages:
    """Messages of which every third has a copy that differs in case, digits and blanks."""
    words = ["alpha", "beta", "gamma", "delta", "kappa"]
    texts = [
        f"{words[n % 5]} {words[n // 5 % 5]} {words[n // 25 % 5]} {words[n // 125]} 77777" for n in range(ham + spam)
    ]
    labels = np.array([0] * ham + [1] * spam)
    again = np.arange(0, ham + spam, 3)
    texts += [texts[n].upper().replace(" 77777", "   12345") for n in again]
    labels = np.concatenate([labels, labels[again]])
    return Messages(texts, labels=labels, classes=("ham", "spam"), index=pd.RangeIndex(1, len(texts) + 1))


# What is read


def test_labelled_lines_are_read_with_quotes_and_further_tabs_as_ordinary_characters(tmp_path: Path) -> None:
    path = written(tmp_path, 'ham\t"Wen u miss someone\n' + HAM + '\nspam\tWIN\t"now" \x85 2\r\n')
    messages, told = read(path)
    assert messages.texts.tolist() == ['"Wen u miss someone', "see you later", 'WIN\t"now" \x85 2']
    assert messages.labels.tolist() == [0, 0, 1] and messages.classes == ("ham", "spam")
    assert messages.index.tolist() == [1, 2, 4], "the lines as an editor counts them"
    assert told.rows == 3 and told.notes == ("1 blank row left out.",) and told.sha256 == sha256_of(path)


@pytest.mark.parametrize(
    ("encode", "told"),
    [
        (lambda text: text.encode("utf-8"), None),
        (lambda text: codecs.BOM_UTF8 + text.encode("utf-8"), "Read as UTF-8 with a byte-order mark."),
        (lambda text: text.encode("utf-16"), "Read as UTF-16."),
        (lambda text: text.encode("utf-16-le"), "Read as UTF-16."),
        (lambda text: text.encode("utf-16-be"), "Read as UTF-16."),
        (lambda text: text.encode("latin-1"), "Read as latin-1."),
    ],
    ids=["utf-8", "mark", "utf-16", "little", "big", "latin-1"],
)
def test_every_usual_encoding_gives_the_same_messages(
    tmp_path: Path, encode: Callable[[str], bytes], told: str | None
) -> None:
    messages, noted = read(written(tmp_path, encode("spam\tWin £900 in Zürich\n" + HAM)))
    assert messages.texts.tolist() == ["Win £900 in Zürich", "see you later"]
    assert noted.notes == ((told,) if told else ())


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_columns_of_a_table_are_found_by_their_usual_names_or_named(tmp_path: Path, delimiter: str) -> None:
    rows = [["no", " Message", "CLASS"], ["1", '"win; now, 2"', "spam"], ["2", "hi", "ham"], ["3", "ok", "ham"]]
    path = written(tmp_path, "\n".join(delimiter.join(row) for row in rows), "mine.csv")
    found, told = read(path)
    assert found.texts.tolist() == ["win; now, 2", "hi", "ok"] and found.labels.tolist() == [1, 0, 0]
    assert found.index.tolist() == [2, 3, 4], "the header is row 1"
    assert "Messages from column 'Message', labels from column 'CLASS'." in told.notes
    assert "1 column not used: 'no'." in told.notes
    named, _ = read(path, text="message ", target=" class")
    assert named.texts.tolist() == found.texts.tolist()


def test_two_labels_may_have_any_names_and_the_rarer_one_is_looked_for_unless_one_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "text,label\nbuy,Junk \nhi,fine\nyo,fine\nwin,junk\nok,fine\n")
    messages, told = read(path)
    assert messages.classes == ("fine", "Junk") and messages.labels.tolist() == [1, 0, 0, 1, 0]
    assert any("Looked for is 'Junk' (2), the rarer label" in note for note in told.notes)
    assert "'junk' taken as the label 'Junk'." in told.notes
    assert read(path, positive="FINE")[0].labels.tolist() == [0, 1, 1, 0, 1]
    assert "no message has the label 'bad', which the setting positive names" in refusal(path, positive="bad")


def test_spam_is_looked_for_even_where_it_is_not_the_rarer_label(tmp_path: Path) -> None:
    assert read(written(tmp_path, SPAM * 3 + HAM))[0].classes == ("ham", "spam")


def test_of_equally_many_zeros_and_ones_the_ones_are_looked_for(tmp_path: Path) -> None:
    assert read(written(tmp_path, "1\tbuy\n0\thi\n"))[0].classes == ("0", "1")


def test_text_that_ran_over_into_columns_without_a_name_is_put_together_again(tmp_path: Path) -> None:
    path = written(tmp_path, "v1,v2,,Unnamed: 3\nham,a, b,\nspam,c,,d\nham,e,,\n", "spam.csv")
    messages, told = read(path)
    assert messages.texts.tolist() == ["a, b", "c,,d", "e"]
    assert any(note.startswith("2 messages had run over") for note in told.notes)


def test_a_table_with_tabs_in_which_quotes_enclose_nothing_loses_no_line(tmp_path: Path) -> None:
    path = written(tmp_path, 'label\ttext\nham\t"hi" she said\nham\t"open\nspam\tend"\n', "mine.tsv")
    messages, told = read(path)
    assert messages.texts.tolist() == ['"hi" she said', '"open', 'end"']
    assert any("ordinary characters" in note for note in told.notes)
    path = written(tmp_path, 'label\ttext\nham\t"hi ""there"""\nspam\t"a\nb"\n', "mine.tsv")
    assert read(path)[0].texts.tolist() == ['hi "there"', "a\nb"]


def test_an_archive_is_read_in_place_and_is_the_same_data_as_the_file_inside(tmp_path: Path) -> None:
    plain = written(tmp_path, HAM + SPAM)
    packed = tmp_path / "sms.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme", "about")
        archive.writestr("folder/SMSSpamCollection", plain.read_bytes())
        archive.writestr("__MACOSX/SMSSpamCollection", b"\x00")
    messages, told = read(packed)
    assert messages.texts.tolist() == read(plain)[0].texts.tolist()
    assert told.sha256 == read(plain)[1].sha256 and told.file == "sms.zip"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "sms.zip"], "nothing is unpacked"


@pytest.mark.parametrize("names", [["a.csv", "b.csv"], ["xl/workbook.xml"]], ids=["two", "workbook"])
def test_an_archive_without_one_file_of_messages_is_refused(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, HAM)
    assert "one was expected. Unpack it" in refusal(path)
    damaged = written(tmp_path, path.read_bytes()[:-30], "cut.zip")
    assert "is not a readable zip archive" in refusal(damaged)


@pytest.mark.parametrize(
    "text",
    [
        "🎉🎉🎁",
        "https://example.com/a?b=1",
        "\u200bfr\u200bee\u200d",
        "\u202eשלום",
        "مرحبا",
        "<script>alert(1)</script>",
        "1",
    ],
)
def test_whatever_is_text_is_kept_as_it_is(tmp_path: Path, text: str) -> None:
    assert read(written(tmp_path, f"spam\t{text}\n{HAM}"))[0].texts[0] == text


def test_an_empty_message_with_a_label_is_kept_and_counted(tmp_path: Path) -> None:
    messages, told = read(written(tmp_path, "ham\t\nspam\t  \n" + HAM))
    assert messages.texts.tolist() == ["", "  ", "see you later"]
    assert any(note.startswith("Empty messages: 2") for note in told.notes)


def test_messages_without_a_label_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "label,text\nham,hi\n,lost\nspam,win\nNaN,lost too\n")
    messages, told = read(path)
    assert messages.texts.tolist() == ["hi", "win"] and messages.index.tolist() == [2, 4] and told.rows == 2
    assert told.notes[0] == "2 messages left out, since column 'label' is missing there (first in row 3)."
    assert told.notes[0] in capsys.readouterr().err


@pytest.mark.parametrize("form", ["spam\t{}\n" + HAM, 'label,text\nspam,"{}"\nham,hi\n'], ids=["lines", "table"])
def test_a_message_of_a_megabyte_is_cut_and_that_is_said(tmp_path: Path, form: str) -> None:
    messages, told = read(written(tmp_path, form.format("ab, " * 250_000)))
    assert len(messages.texts[0]) == LONGEST_MESSAGE and len(messages) == 2
    assert "1 message is cut after 10,000 characters" in told.notes[0]
    assert "has 1,000,000." in told.notes[0]


def test_repeats_are_counted_and_those_with_both_labels_named(tmp_path: Path) -> None:
    _, told = read(written(tmp_path, HAM + HAM + "spam\tSEE you  later\nham\tcode 12\nham\tCode 70\n"))
    assert "repeat an earlier one exactly: 1; apart from letter case, numbers and white space: 3." in told.notes[0]
    assert "both labels: 1, such as rows 1 and 3" in told.notes[1]


def test_folding_looks_past_case_numbers_and_blanks_and_at_nothing_else() -> None:
    assert folded(" Call 0909  NOW\n") == folded("call 1234 now") != folded("call 12 now")
    assert folded("win!") != folded("win")


# What is refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ham\ta\nham\tb\nspam\tc\nham\td\neggs\te\n", r"3 different labels .*'ham' \(3\), 'spam' \(1\), 'eggs' \(1\)"),
        ("ham\ta\nham\tb\nspam\tc\nham\td\neggs\te\n", r"Row 5 is the first of 'eggs'"),
        (HAM * 3, r"the label is 'ham' in every row; messages of two labels"),
        (HAM + SPAM + "spam win now\n" + HAM, r"row 3 has no tab: .* found 'spam win now'"),
        (HAM + "spam\twi\0n\n", r"row 2 holds a NUL byte"),
        (
            "ham\t12\nspam\t0909 8790\nham\t-3,5\n",
            r"nothing but numbers, such as '12'.* the setting text name the right",
        ),
        ("ham\t\nspam\t \n", r"the text behind the tab is empty in every row"),
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("hello there\nhow are you\n", r"no column of messages was recognised among 'hello there'"),
    ],
)
def test_lines_that_would_have_to_be_guessed_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=rf"^{path}: .*{message}"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label,text\n", r"has a header but no rows"),
        ('label,text\nham,hi\nspam,"win\nham,ok\n', r"row 3 cannot be read .* quote in it not closed"),
        ("label,text\nham,hi, you\nspam,win\n", r"row 2 has 3 fields"),
        ("label,text,Text \nham,hi,yo\n", r"column 'Text ' stands twice"),
        (
            "label,text,body\nham,hi,yo\n",
            r"several columns may hold the messages: 'text', 'body'. Name it with --set text=",
        ),
        ("kind,words\nham,hi\n", r"no column of messages was recognised among 'kind', 'words'. Name it"),
        ("label,text\nham,1\nspam,22\n", r"column 'text' holds nothing but numbers"),
        (
            "text,label\n" + "".join(f"hi,name {n}\n" for n in range(30)),
            r"30 different .* and 20 more.* setting target",
        ),
    ],
)
def test_tables_that_would_have_to_be_guessed_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = written(tmp_path, content, "mine.csv")
    with pytest.raises(DataError, match=rf"^{path}: .*{message}"):
        read(path)


def test_a_misspelt_column_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    path = written(tmp_path, "kind;words\nham;hi\nspam;win\n", "mine.csv")
    assert "column 'word' is missing, which the setting text names. Did you mean 'words'?" in refusal(
        path, text="word", target="kind"
    )
    assert "the setting target names" in refusal(path, text="words", target="kindness")
    assert "named as the text and as the target" in refusal(path, text="words", target="words")


def test_columns_named_for_a_file_without_a_header_are_refused_with_the_way_out(tmp_path: Path) -> None:
    assert "leave out the settings text and target" in refusal(written(tmp_path, HAM + SPAM), text="text")


@pytest.mark.parametrize(
    ("raw", "message"),
    [(b"\x89PNG\r\n\x1a\n\0\0", "is a picture, not a file of messages"), (b"<!DOCTYPE html><p>", "is a web page")],
)
def test_what_is_no_text_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    assert message in refusal(written(tmp_path, raw))


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder; a file was expected"):
        read(tmp_path)
    with pytest.raises(DataError, match="is a folder or a device; a file of messages was expected"):
        messages_to_predict([tmp_path], "")
    with pytest.raises(DataError, match="no such file"):
        messages_to_predict([tmp_path / "gone.txt"], "")


# Dividing


def test_messages_are_chosen_by_mask_slice_and_number_and_keep_their_ids() -> None:
    messages = many()
    for chosen in (messages.index == 3, slice(2, 3), [2], 2):
        assert messages[chosen].texts.tolist() == [messages.texts[2]] and messages[chosen].index.tolist() == [3]
    assert len(messages[[]]) == 0 and repr(messages[:2]) == "<2 messages of ham, spam>"
    messages.index = pd.Index(["a"] * len(messages))
    with pytest.raises(ValueError, match="1 names for"):
        messages.index = ["a"]
    with pytest.raises(ValueError, match="equally many"):
        Messages(["a"], labels=np.array([0, 1]), classes=())


@pytest.mark.parametrize("folds", [{}, {"folds": 4, "fold": 1}], ids=["drawn", "fold"])
def test_repeats_are_never_parted_and_every_part_has_the_same_share_of_spam(folds: dict[str, int]) -> None:
    messages = many()
    split = message_split(messages, facts(), validation=0.15, test=0.25, seed=1, **folds)
    assert sorted(row for _, part in split.items() for row in part.index) == messages.index.tolist()
    seen = [{folded(text) for text in part.texts} for _, part in split.items()]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    for name, part in split.items():
        assert part.labels.mean() == pytest.approx(0.2, abs=0.05), name
        assert part.texts.tolist() == [messages.texts[row - 1] for row in part.index]
    assert [len(part) / len(messages) for _, part in split.items()] == pytest.approx([0.6, 0.15, 0.25], abs=0.04)
    again = message_split(messages, facts(), validation=0.15, test=0.25, seed=1, **folds)
    assert again.test.index.equals(split.test.index) and split.facts == facts()
    other = message_split(messages, facts(), validation=0.15, test=0.25, seed=2, **folds)
    assert not other.test.index.equals(split.test.index)


def test_every_message_is_in_the_test_part_of_exactly_one_fold_whatever_the_validation_part() -> None:
    messages = many()

    def fold(number: int, validation: float) -> list[int]:
        split = message_split(messages, facts(), validation=validation, test=0.2, seed=0, folds=5, fold=number)
        return split.test.index.tolist()

    tested = [fold(number, 0.1) for number in range(5)]
    assert sorted(row for rows in tested for row in rows) == messages.index.tolist()
    assert [fold(number, 0.3) for number in range(5)] == tested


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 5, "fold": 5}, r"split.fold=5: with split.folds=5 the folds are numbered 0 to 4"),
        ({"folds": 5, "fold": -1}, r"split.fold=-1"),
        ({"folds": 1}, "split.folds=1"),
        ({"folds": 2, "validation": 0.5}, "split.validation=0.5: beside a test part of 50% nothing is left"),
        ({"test": 0.9}, "split.validation=0.1"),
    ],
)
def test_folds_that_cannot_be_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        message_split(many(), facts(), **({"validation": 0.1, "test": 0.2, "seed": 0} | settings))


def test_too_few_messages_to_divide_are_refused_and_repeats_do_not_make_up_for_them() -> None:
    few = Messages(["win", "WIN"] * 20 + list("abcdefghij"), labels=[1] * 40 + [0] * 10, classes=("ham", "spam"))
    with pytest.raises(DataError, match=r"^mine.txt: the label 'spam' has 1 different message; at least 10 are needed"):
        message_split(few, facts(), validation=0.1, test=0.2, seed=0)
    with pytest.raises(DataError, match=r"the label 'spam' has 4 different messages; at least 5 are needed"):
        message_split(many(ham=40, spam=4), facts(), validation=0.2, test=0.2, seed=0, folds=4, fold=0)


# Predicting


def predict_texts(*paths: Path, column: str = "") -> list[str]:
    return messages_to_predict(paths, column).texts.tolist()


def test_a_text_file_is_a_message_a_line_and_a_blank_line_is_an_empty_message(tmp_path: Path) -> None:
    path = written(tmp_path, "\nhello\tyou, 2\r\n\r\nlast\r\n")
    messages = messages_to_predict([path], "")
    assert messages.texts.tolist() == ["", "hello\tyou, 2", "", "last"] and messages.index.tolist() == [1, 2, 3, 4]
    assert messages.labels.tolist() == [-1] * 4 and messages.classes == ()
    assert predict_texts(written(tmp_path, "\n")) == [""]
    with pytest.raises(DataError, match="is empty; a message a line was expected"):
        predict_texts(written(tmp_path, ""))


def test_labels_of_a_labelled_file_are_left_aside_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict_texts(written(tmp_path, HAM + SPAM)) == ["see you later", "claim your prize"]
    assert "Labels in front of the messages are left aside." in capsys.readouterr().err
    # Tabs alone make no labels: every line begins with another word.
    assert predict_texts(written(tmp_path, "a\tb\nc\td\ne\tf\n")) == ["a\tb", "c\td", "e\tf"]


@pytest.mark.parametrize(
    ("content", "column", "texts"),
    [
        ("id,Words\n1,hi\n2,\n", "words", ["hi", ""]),
        ("id,message\n1,hi\n", "words", ["hi"]),
        ('anything\nhi\n""\nyou\n', "", ["hi", "", "you"]),
        ("v1;v2\nham;hi\n", "", ["hi"]),
        (HAM + SPAM, "", ["see you later", "claim your prize"]),
    ],
    ids=["named", "usual", "only", "labelled table", "labelled lines"],
)
def test_a_table_to_predict_for_gives_its_column_of_messages(
    tmp_path: Path, content: str, column: str, texts: list[str]
) -> None:
    assert predict_texts(written(tmp_path, content, "mine.csv"), column=column) == texts


def test_a_table_without_a_column_of_messages_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    path = written(tmp_path, "id,mood\n1,hi\n", "mine.csv")
    with pytest.raises(DataError, match="among 'id', 'mood'; expected one of 'words', 'text', 'message'"):
        predict_texts(path, column="words")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_standard_input_is_bytes_in_any_usual_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    stdin = io.TextIOWrapper(io.BytesIO("Prämie £5\nok".encode(encoding)))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert predict_texts(Path("-")) == ["Prämie £5", "ok"]


def test_messages_of_several_files_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    first, second = written(tmp_path, "a\nb\n", "one.txt"), written(tmp_path, "c\n", "two.txt")
    assert messages_to_predict([first, second], "").index.tolist() == [f"{first}:1", f"{first}:2", f"{second}:1"]
    with pytest.raises(DataError, match="was given twice"):
        predict_texts(first, first)


def test_messages_given_as_texts_are_kept_numbered_and_cut(capsys: pytest.CaptureFixture[str]) -> None:
    messages = messages_of(["", "a\udcffb", "x" * (LONGEST_MESSAGE + 1)])
    assert messages.texts.tolist() == ["", "a\ufffdb", "x" * LONGEST_MESSAGE] and messages.index.tolist() == [0, 1, 2]
    assert "1 message is cut after 10,000 characters" in capsys.readouterr().err


# The sample


def test_the_sample_is_the_same_for_a_seed_and_an_eighth_is_spam() -> None:
    texts, labels = written_messages()
    assert (texts, labels) == written_messages() != written_messages(seed=1)
    assert len(texts) == 1500 and labels.count("spam") / 1500 == pytest.approx(0.13, abs=0.01)
    assert len(texts) - len(set(texts)) > 50 and not any("{" in text for text in texts)


def test_words_of_the_samples_spam_are_commoner_in_spam_and_words_of_its_chat_only_in_chat() -> None:
    texts, labels = written_messages()
    words = [set(re.findall(r"\w+", text.lower())) for text in texts]
    counts = {kind: labels.count(kind) for kind in ("ham", "spam")}

    def share(word: str, kind: str) -> float:
        return sum(word in one for one, label in zip(words, labels, strict=True) if label == kind) / counts[kind]

    assert all(share(word, "spam") > 3 * share(word, "ham") for word in SPAM_WORDS)
    assert all(share(word, "spam") == 0 < share(word, "ham") for word in CHAT_WORDS)


def test_the_sample_can_be_learned_but_not_without_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import matthews_corrcoef
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    messages, told = read_messages(locate(load_card("sms_spam"), "sample"))
    assert told.kind == "sample" and "not the real data" in capsys.readouterr().err
    scores = []
    for fold in range(5):
        split = message_split(messages, told, validation=0.1, test=0.2, seed=0, folds=5, fold=fold)
        linear = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(split.train.texts, split.train.labels)
        scores.append(matthews_corrcoef(split.test.labels, linear.predict(split.test.texts)))
    assert 0.85 < np.mean(scores) < 0.97


# The real data


def test_the_collection_is_read_in_half_a_second_with_its_repeats_counted(
    real_data: Callable[[str], Path],
) -> None:
    real_data("sms_spam/SMSSpamCollection")
    source = locate(load_card("sms_spam"), "real")
    start = time.process_time()
    messages, told = read_messages(source)
    assert time.process_time() - start < 0.5
    assert len(messages) == 5574 and messages.labels.sum() == 747
    assert "exactly: 403; apart from letter case, numbers and white space: 434." in told.notes[0]


def test_kaggles_form_holds_the_same_messages_but_for_two_that_were_swallowed(
    real_data: Callable[[str], Path],
) -> None:
    real_data("sms_spam/spam.csv")
    real_data("sms_spam/SMSSpamCollection")
    kaggle, _ = read_messages(locate(load_card("sms_spam_kaggle"), "real"))
    original, _ = read_messages(locate(load_card("sms_spam"), "real"))

    def plain(messages: Messages) -> set[str]:
        return {"".join(sign for sign in text.lower() if sign.isascii() and sign.isalnum()) for text in messages.texts}

    assert len(kaggle) == 5572 and kaggle.labels.sum() == 747
    assert len(plain(kaggle) - plain(original)) == 2, "each holds two messages"
    assert len(plain(original) - plain(kaggle)) == 4
