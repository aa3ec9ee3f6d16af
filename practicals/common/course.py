"""Which practical shows what a lecture is about: topic by topic, where to read, what to ask, and what comes out.

`practicals course` prints the map, and the README holds what `practicals course --markdown` prints.
"""

from __future__ import annotations

import argparse
import json
import shlex
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from practicals.common.errors import PracticalError, did_you_mean


@dataclass(frozen=True)
class Topic:
    """A topic of the lecture and the one experiment that shows it."""

    name: str
    practical: str
    section: str
    """Heading in the practical's module, where the topic is told."""
    minutes: int
    """What the command takes at most on two idle cores."""
    question: str
    command: str
    answer: str
    """What comes out, on test rows unless it says otherwise: mean ± standard deviation over the seeds or folds that it
    names."""


def _run(practical: str, *settings: str) -> str:
    # Quoted, since some shells take square brackets for a pattern of file names.
    return " ".join(
        [f"practicals run {practical}", *(f"--set {shlex.quote(one)}" for one in (*settings, "ladder=false"))]
    )


SIX = "hidden_units=[16,16,16,16,16,16]"
# A quarter of the course's pixels: far less time, and hardly less accurate.
SMALL = ("model=course", "image_size=32")

TOPICS = (
    Topic(
        "neuron",
        "churn",
        "The network of the slide",
        1,
        "One neuron alone: which opponent does it equal, and why?",
        _run("churn", "hidden_units=[]", "splines=0"),
        "ROC AUC 0.767 ± 0.010, as logistic regression; the lesson's network 0.866 ± 0.005 (3 seeds)",
    ),
    Topic(
        "activation",
        "churn",
        "The better network",
        1,
        "What does a sigmoid in place of relu change in a shallow network?",
        _run("churn", "activation=sigmoid"),
        "ROC AUC 0.855 ± 0.012; relu 0.866 ± 0.005 (3 seeds)",
    ),
    Topic(
        "loss",
        "regression",
        "The better network",
        2,
        "Squared in place of absolute errors: which of MAE and RMSE gets worse?",
        _run("regression", "loss=mse", "compare_losses=false"),
        "MAE: 58,779 ± 1,116 USD, with absolute errors 57,542 ± 801, and worse with every seed; RMSE not clearly: "
        "103,860 ± 6,171 and 103,559 ± 5,221 (3 seeds)",
    ),
    Topic(
        "optimizer",
        "churn",
        "The better network",
        1,
        "What does plain gradient descent reach in the same epochs as Adam?",
        _run("churn", "optimizer=sgd"),
        "ROC AUC 0.801 ± 0.003; Adam 0.866 ± 0.005 (3 seeds)",
    ),
    Topic(
        "backpropagation",
        "churn",
        "The better network",
        1,
        "Six layers of sigmoids: what is left of the gradient when it arrives at the first?",
        _run("churn", SIX, "activation=sigmoid"),
        "ROC AUC 0.852 ± 0.004; one layer of relu 0.866 ± 0.005 (3 seeds)",
    ),
    Topic(
        "initialisation",
        "churn",
        "The better network",
        1,
        "First weights from a narrow normal distribution: can six layers still begin to learn?",
        _run("churn", SIX, "initializer=random_normal"),
        "ROC AUC 0.862 ± 0.010, so yes, unevenly; the lesson's network 0.866 ± 0.005 (3 seeds)",
    ),
    Topic(
        "dropout",
        "churn",
        "The better network",
        1,
        "A large network without dropout: how far do its learning curves part, and what does early stopping save?",
        _run("churn", "hidden_units=[256,256]", "dropout=0"),
        "ROC AUC 0.862 ± 0.002; 32 neurons with dropout 0.866 ± 0.005 (3 seeds)",
    ),
    Topic(
        "batch normalisation",
        "churn",
        "The better network",
        1,
        "Does it bring the six layers of sigmoids back to life?",
        _run("churn", SIX, "activation=sigmoid", "batch_normalization=true"),
        "ROC AUC 0.860 ± 0.007; without it 0.852 ± 0.004 (3 seeds)",
    ),
    Topic(
        "convolution",
        "cats_dogs",
        "The networks of the course",
        3,
        "What do two convolutions find that a straight line through the pixels does not?",
        _run("cats_dogs", "model=course"),
        "accuracy 0.736 ± 0.017; logistic regression on pixels 0.564 ± 0.005 (3 seeds)",
    ),
    Topic(
        "pooling",
        "cats_dogs",
        "The networks of the course",
        2,
        "Keep the mean of each 2 x 2 patch in place of its maximum: does it matter?",
        _run("cats_dogs", *SMALL, "pooling=average"),
        "accuracy 0.718 ± 0.005; the maximum 0.724 ± 0.014, no clear difference (3 seeds)",
    ),
    Topic(
        "augmentation",
        "cats_dogs",
        "Augmentation: more pictures out of the same",
        2,
        "The course's network without mirrored and zoomed pictures: how much does it learn by heart?",
        _run("cats_dogs", *SMALL, "augmentation.flip=false", "augmentation.zoom=0"),
        "accuracy 0.993 ± 0.006 on training pictures and 0.715 ± 0.003 on test pictures, log loss there 1.05 ± 0.12; "
        "with them 0.826 ± 0.021, 0.724 ± 0.014 and 0.58 ± 0.02 (3 seeds)",
    ),
    Topic(
        "transfer",
        "cats_dogs",
        "Or stand on the shoulders of others",
        13,
        "What is it worth to have seen a million other pictures?",
        _run("cats_dogs", "model=transfer"),
        "accuracy 0.962 ± 0.005; from scratch 0.887 ± 0.009 (3 seeds)",
    ),
    Topic(
        "RNN",
        "web_traffic",
        "The better network",
        2,
        "A plain recurrent layer reads a week of hours: does an LSTM in its place remember more of use?",
        _run("web_traffic", "model=rnn"),
        "MASE 0.523 ± 0.005; `model=lstm` 0.523 ± 0.002, no clear difference (3 seeds)",
    ),
    Topic(
        "LSTM",
        "sms_spam",
        "The better reader",
        2,
        "One LSTM that reads words: how near does it come to a straight line through pieces of words?",
        _run("sms_spam", "model=lstm"),
        "Matthews correlation 0.944 ± 0.010; linear SVM 0.967 ± 0.008; the course's network 0 (5 folds)",
    ),
    Topic(
        "autoencoder",
        "recommender",
        "Ask for what is hidden",
        3,
        "The same network over rows of users: why do rows of films do better?",
        _run("recommender", "rows=user", "depths=false"),
        "RMSE 0.929 ± 0.007 stars, over rows of films 0.892 ± 0.005 (5 folds)",
    ),
    Topic(
        "tuning",
        "churn",
        "One step at a time",
        2,
        "The best of five trials is the best on validation rows: what is left of its lead on test rows?",
        "practicals tune churn --trials 5 --set ladder=false",
        "of its lead in ROC AUC over the lesson's settings, 0.006 ± 0.003 on validation rows, 0.001 ± 0.002 (3 seeds)",
    ),
    Topic(
        "explaining",
        "churn",
        "Why does it say so?",
        1,
        "Which columns count most, and is it the same with another seed?",
        f"{_run('churn')} --seeds 3",
        "with every seed `Age` and `NumOfProducts` come first and `IsActiveMember` third; SHAP passes its check: two "
        "explainers order the columns alike, rank correlation 0.978 ± 0.022 (10 seeds)",
    ),
)


def find_topics(names: Iterable[str]) -> tuple[Topic, ...]:
    """Return the topics of these names, all without a name; letter case does not count.

    Raises:
        PracticalError: there is no such topic; the nearest one is suggested.
    """
    known = {topic.name.lower(): topic for topic in TOPICS}
    for name in names:
        if name.lower() not in known:
            raise PracticalError(f"{name}: there is no such topic.{did_you_mean(name, [one.name for one in TOPICS])}")
    return tuple(known[name.lower()] for name in names) or TOPICS


def course_text(topics: Iterable[Topic]) -> str:
    """Return the map as the terminal shows it: a paragraph for each topic."""
    return "\n\n".join(
        "\n".join(
            [
                f"{topic.name}: practicals/{topic.practical}.py, section '{topic.section}', {topic.minutes} min",
                *_indented(topic.question),
                f"  {topic.command}",
                *_indented(topic.answer),
            ]
        )
        for topic in topics
    )


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, width=100, initial_indent="  ", subsequent_indent="  ")


def course_markdown(topics: Iterable[Topic]) -> str:
    """Return the map as the table of the README."""
    lines = ["| topic | practical, section | minutes | question, and what to run | answer |", "|---|---|---|---|---|"]
    for topic in topics:
        place = f"[{topic.practical}](practicals/{topic.practical}.py), {topic.section}"
        asked = f"{topic.question} `{topic.command}`"
        lines.append(f"| {topic.name} | {place} | {topic.minutes} | {asked} | {topic.answer} |")
    return "\n".join(lines)


def course_command(options: argparse.Namespace) -> int:
    """`practicals course [TOPIC...]`: the map from the topics of a lecture to the practicals."""
    topics = find_topics(options.topics)
    if options.json:
        print(json.dumps({"topics": [asdict(topic) for topic in topics]}, indent=2, ensure_ascii=False))
    else:
        print(course_markdown(topics) if options.markdown else course_text(topics))
    return 0
