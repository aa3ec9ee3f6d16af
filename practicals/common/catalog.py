"""The table of contents. A new practical is a module, a config, a card and one entry here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from practicals.common.errors import PracticalError, did_you_mean


@dataclass(frozen=True)
class Practical:
    """What is known about a lesson before its module, and with it TensorFlow, is loaded."""

    name: str
    question: str
    """What the network answers, as a student would ask it."""
    network: str
    """The kind of network that the lesson teaches."""
    cards: tuple[str, ...]
    """The cards of its data sets, `datasets/<card>.yaml`; the default's first."""

    def module(self) -> ModuleType:
        """Import the lesson. This loads TensorFlow."""
        return importlib.import_module(f"practicals.{self.name}")


CATALOG = {
    practical.name: practical
    for practical in (
        Practical("churn", "Which bank customers will leave?", "ANN classifier", ("churn",)),
        Practical("regression", "What is a house worth?", "ANN regression", ("kc_house", "fake_reg")),
        Practical("cats_dogs", "Is it a cat or a dog?", "CNN, transfer learning", ("cats_dogs", "cats_dogs_8000")),
        Practical("sms_spam", "Is this message spam?", "LSTM, character pieces", ("sms_spam", "sms_spam_kaggle")),
        Practical(
            "recommender",
            "Which film will this user like?",
            "stacked autoencoder",
            ("movielens_100k", "movielens_small"),
        ),
        Practical(
            "web_traffic",
            "How many visits will the site get in the next hours?",
            "Conv1D, LSTM, straight line",
            ("webtraffic", "wikipedia"),
        ),
    )
}


def find_practical(name: str) -> Practical:
    """Return the entry of a lesson.

    Raises:
        PracticalError: no lesson has this name; the nearest one is suggested.
    """
    if name not in CATALOG:
        raise PracticalError(f"{name}: there is no such practical.{did_you_mean(name, CATALOG)}")
    return CATALOG[name]
