"""Word vectors that somebody else has trained, from a file in the form of GloVe (Pennington et al., 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from practicals.common.errors import DataError
from practicals.common.training.pretrained import weights_folders

Floats = npt.NDArray[np.float32]


def read_word_vectors(given: str, words: Sequence[str]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the vectors of these words and which of them the file knows.

    Args:
        given: path of a text file with one word and its numbers per line, separated by blanks; a relative one is also
            looked for in the folders of the environment variable PRACTICALS_WEIGHTS.
        words: the words wanted.

    Returns:
        (words, numbers) float32, zeros where a word is not in the file; (words,) bool.

    Raises:
        DataError: the file is missing, is not of this form, knows none of the words, or says nothing of them.
    """
    path = _find(given)
    place = {word: number for number, word in enumerate(words)}
    known = np.zeros(len(words), dtype=bool)
    vectors: Floats | None = None
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for row, line in enumerate(lines, start=1):
                cells = line.rstrip().split(" ")
                if row == 1 and len(cells) == 2:
                    continue  # word2vec's text form says first how many words and numbers follow
                start = _first_number(cells, None if vectors is None else vectors.shape[1])
                word = " ".join(cells[:start])
                vector = _numbers(path, row, cells[start:], None if vectors is None else vectors.shape[1])
                if vectors is None:
                    vectors = np.zeros((len(words), len(vector)), dtype=np.float32)
                if word in place:
                    vectors[place[word]], known[place[word]] = vector, True
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Give another file of word vectors.") from None
    if vectors is None or not known.any():
        raise DataError(
            f"{path}: knows none of the {len(words):,} words. Is it a file of word vectors, such as GloVe's?"
        )
    if not vectors[known].std():
        raise DataError(
            f"{path}: the numbers of all {known.sum():,} known words are equal, so they say nothing. Give another file."
        )
    return vectors, known


def _find(given: str) -> Path:
    path = Path(given).expanduser()
    for candidate in (path, *(folder / path for folder in weights_folders())):
        if candidate.is_file():
            return candidate
    raise DataError(
        f"{path}: there is no such file. Give vectors=FILE, a text file of word vectors in the form of GloVe, such as "
        "those of https://nlp.stanford.edu/projects/glove/ ."
    )


def _first_number(cells: Sequence[str], width: int | None) -> int:
    """Return the place of the first number. In some files a few words hold blanks: of them it is found from the end."""
    if width is None or len(cells) <= width + 1 or cells[1].lstrip("-").replace(".", "").isdigit():
        return 1
    return len(cells) - width


def _numbers(path: Path, row: int, cells: Sequence[str], expected: int | None) -> Floats:
    try:
        vector = np.array(cells, dtype=np.float32)
    except ValueError:
        vector = np.empty(0, dtype=np.float32)
    if not len(vector) or not np.isfinite(vector).all() or expected not in (None, len(vector)):
        wanted = "a word and its numbers" if expected is None else f"a word and {expected} numbers, as in the first row"
        raise DataError(f"{path}: row {row} is not {wanted}. Give a file of word vectors in the form of GloVe.")
    return vector
