"""The simple opponents of a network that reads: counted words, and a straight line through words and pieces of them."""

from __future__ import annotations

from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.svm import LinearSVC

STRENGTH = 10.0
"""The price of a wrong message against that of large weights: of 1 and 10, the better one on validation messages."""


def majority() -> Pipeline:
    """Say for every message how often class 1 occurs among the training messages. Naive."""
    return make_pipeline(DummyClassifier(strategy="prior"))


def naive_bayes() -> Pipeline:
    """Multiply what each word, taken alone, says of the class: the spam filter of the first hour (Graham, 2002)."""
    return make_pipeline(CountVectorizer(), MultinomialNB())


def words_svm(*, seed: int) -> Pipeline:
    """Weigh words and pairs of words by a linear support vector machine (Joachims, 1998), rare ones more (TF-IDF).

    Args:
        seed: of the order in which the machine is fitted.
    """
    return make_pipeline(_words(), LinearSVC(C=STRENGTH, random_state=seed))


def characters_and_words_svm(*, seed: int) -> Pipeline:
    """Weigh words and pieces of one to five characters: it knows that `txt` and `txting` are related. Hard to beat.

    Args:
        seed: of the order in which the machine is fitted.
    """
    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True)
    return make_pipeline(
        FeatureUnion([("words", _words()), ("pieces", pieces)]), LinearSVC(C=STRENGTH, random_state=seed)
    )


def _words() -> TfidfVectorizer:
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
