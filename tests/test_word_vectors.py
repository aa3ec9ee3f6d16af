"""Word vectors that somebody else has trained: which files are read, and what is said of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from practicals.common.errors import DataError
from practicals.common.training.word_vectors import read_word_vectors


def put(folder: Path, content: str | bytes) -> str:
    path = folder / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_vectors_of_the_words_wanted_are_read_and_others_are_zero(tmp_path, end):
    path = put(tmp_path, end.join(["the 1 2", "free -0.5 1e-1", "£ 3 4", ""]))
    vectors, known = read_word_vectors(path, ["", "[UNK]", "£", "prize", "free"])
    np.testing.assert_allclose(vectors, [[0, 0], [0, 0], [3, 4], [0, 0], [-0.5, 0.1]])
    assert vectors.dtype == np.float32 and known.tolist() == [False, False, True, False, True]


def test_the_header_of_word2vec_is_passed_over(tmp_path):
    vectors, known = read_word_vectors(put(tmp_path, "2 3\nthe 1 2 3\nfree 4 5 6\n"), ["free"])
    assert vectors.tolist() == [[4, 5, 6]] and known.all()


def test_a_blank_at_the_end_of_each_row_as_word2vec_and_fasttext_write_it_is_no_number(tmp_path):
    vectors, _ = read_word_vectors(put(tmp_path, "2 3\nthe 1 2 3 \nfree 4 5 6 \n"), ["free"])
    assert vectors.tolist() == [[4, 5, 6]]


def test_a_word_with_a_blank_in_it_as_in_gloves_largest_file_stops_nothing(tmp_path):
    vectors, _ = read_word_vectors(put(tmp_path, "the 1 2\nat me@home.example 3 4\nfree 5 6\n"), ["free"])
    assert vectors.tolist() == [[5, 6]]


def test_a_relative_path_is_looked_for_in_the_weights_folders(tmp_path, monkeypatch):
    put(tmp_path, "free 1 2\n")
    monkeypatch.setenv("PRACTICALS_WEIGHTS", str(tmp_path))
    assert read_word_vectors("vectors.txt", ["free"])[0].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "knows none of the 1 words"),
        ("the 1 2\n", "knows none of the 1 words"),
        ("free one two\n", "row 1 is not a word and its numbers"),
        ("free 1 2\nthe 1 2 3\n", "row 2 is not a word and 2 numbers, as in the first row"),
        ("free 1 2\nthe 1 nan\n", "row 2 is not a word and 2 numbers"),
        ("free 1 inf\n", "row 1 is not a word and its numbers"),
        ("free 1 2\nthe\n", "row 2 is not a word and 2 numbers"),
        ("word;1;2\nfree;1;2\n", "row 1 is not"),
        (bytes(range(256)) * 9, "row 1 is not"),
        ("{'free': [1, 2]}\n", "row 1 is not"),
        ("free 0 0\n", "the numbers of all 1 known words are equal"),
    ],
    ids=["empty", "strange words", "no numbers", "other length", "not a number", "infinite", "no number", "semicolons",
         "not text", "python", "all zero"],
)  # fmt: skip
def test_a_file_that_holds_no_word_vectors_is_refused_in_one_line(tmp_path, content, expected):
    path = put(tmp_path, content)
    with pytest.raises(DataError) as error:
        read_word_vectors(path, ["free"])
    assert str(error.value).startswith(f"{path}: ") and expected in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_missing_file_and_a_folder_name_where_vectors_come_from(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(DataError, match=r"there is no such file\. Give vectors=FILE") as error:
            read_word_vectors(str(path), ["free"])
        assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
