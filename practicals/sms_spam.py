"""Practical 4. Is this message spam?

Data:    SMS Spam Collection (Almeida et al., 2011), 5,574 messages; licence in datasets/README.md.
Idea:    word order matters, so read the message in order, word by word, with an LSTM.
Expect:  see the header of configs/sms_spam.yaml.
Run:     practicals run sms_spam
Try:     --set model=course, the network of the slide; why does it learn nothing at all from padded messages?
"""

# %% [markdown]
# # Is this message spam?
# "Free entry in 2 a wkly comp to win FA Cup final tkts": you know after three words. One message in eight is spam, so a
# filter that lets everything through is right in 87 % of all cases and useless, and one that blocks a message from your
# mother is worse than none. Both have to be in the score.

# %%
from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers, ops
from pydantic import Field, model_validator
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from practicals.common import text_baselines as opponents
from practicals.common.callbacks import standard_callbacks
from practicals.common.config import LayerSizes, Optimizer, PracticalConfig, SplitSettings
from practicals.common.console import say
from practicals.common.data.cards import load_card
from practicals.common.data.examples import Examples
from practicals.common.data.fetch import locate
from practicals.common.data.messages import Messages, message_split, messages_of, messages_to_predict, read_messages
from practicals.common.data.split import Split
from practicals.common.errors import DataError
from practicals.common.explain import Explanation
from practicals.common.explain.messages import (
    METHODS,
    explain_message,
    explain_words,
    reading_curve,
    traced_probability,
)
from practicals.common.ladder import Baseline, Step, climb
from practicals.common.layers import CleanText, DecisionThreshold, DropWords, Labels, PadInFront, Pieces
from practicals.common.message_scores import Blocking, choose_blocking, finish, message_scores, score_on_texts
from practicals.common.outcome import About
from practicals.common.ridge import ridge
from practicals.common.run import Run, Scores
from practicals.common.training import (
    batches_in_order,
    make_optimizer,
    predict_batches,
    prepare,
    save_model,
    shuffled_batches,
)
from practicals.common.training.word_vectors import read_word_vectors

# %% [markdown]
# ## The network of the slide
# Each word gets a vector of 50 numbers (*embedding*). The LSTM reads the vectors one after the other and keeps a memory
# of 128 numbers, which at every word it may clear, write to and read from. What it holds at the end goes through two
# dense layers.


# %%
def course_network(words, vocabulary: int, mask: bool):
    """Return the answer of the slide's network: word numbers (batch, words) -> probability (batch, 1)."""
    x = layers.Embedding(vocabulary, 50, mask_zero=mask)(words)  # -> (batch, words, 50)
    x = layers.LSTM(128)(x)  # -> (batch, 128), what it remembers after the last place
    x = layers.Dense(128, activation="relu")(x)
    return layers.Dense(1, activation="sigmoid", dtype="float32")(x)


# What else belongs to the slide. Messages have about 20 words, and zeros fill the other 80 places, behind them.
COURSE = {
    "model": "course",
    "cleaning": "words",
    "least_seen": 3,
    "longest": 100,
    "padding": "post",
    "vectors": None,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "clip_norm": 0.0,
    "batch_size": 32,
    "epochs": 10,
    "patience": 10,
}


# %% [markdown]
# ## What is read, and what is asked
# A message and its label. Your own messages are read too, from a table with a column of texts and a column of two
# labels: `--data FILE --set text=COLUMN --set target=COLUMN`.

# %%
ABOUT = About(
    title="Is this message spam?",
    primary="mcc",
    direction="max",
    monitor="val_loss",
    mode="min",
    tuned="val_pr_auc",
    text=__doc__ or "",
)


class MessageSplit(SplitSettings):
    """How messages are divided before anything is fitted."""

    validation: Annotated[float, Field(gt=0, lt=1)] = 0.18
    """Share of all messages that early stopping, tuning and the threshold may look at; to promise that at most two
    good messages in a thousand are blocked, it must hold 499 of them."""
    folds: Annotated[int, Field(ge=0, le=100)] = 0
    """Divide the messages into so many test parts, of which `fold` is taken; 0 takes one of the size `test`."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Which of the `folds` is the test part, counted from 0."""


class SmsSpamConfig(PracticalConfig):
    """Settings of the SMS-spam practical."""

    split: MessageSplit = MessageSplit()
    """How messages are divided into training, validation and test part."""
    dataset: Literal["sms_spam", "sms_spam_kaggle"] = "sms_spam"
    """`sms_spam`: the collection as it was published; `sms_spam_kaggle`: the same in Kaggle's form."""
    text: str = ""
    """Your own table: its column of messages; empty finds it where the name is plain."""
    target: str = ""
    """Your own table: its column of labels, of which there must be two; empty finds it where the name is plain."""
    positive: str = ""
    """Your own table: the label that is looked for; empty takes `spam`, or else the rarer one."""
    model: Literal["course", "lstm", "gru", "rnn", "conv1d", "char_word"] = "char_word"
    """`course`: the slide's; `lstm`, `gru`, `rnn`, `conv1d`: one such reader of words; `char_word`: LSTM readers of
    words beside a straight line through pieces of words, down to single characters."""
    cleaning: Literal["words", "signs"] = "signs"
    """`words`: letters and digits in lower case, the rest is dropped, as in the course; `signs`: punctuation, numbers,
    addresses and capitals become tokens of their own."""
    vocabulary: Annotated[int, Field(ge=1, le=1_000_000)] = 6000
    """Most words that are known; all others are one and the same unknown word."""
    least_seen: Annotated[int, Field(ge=1)] = 2
    """So often a word, or a piece of one, must occur in the training messages to be known."""
    longest: Annotated[int, Field(ge=4, le=2000)] = 80
    """Tokens of a message that are read; the rest of a longer one is cut off."""
    padding: Literal["front", "mask", "post"] = "mask"
    """Zeros fill a short message up: in `front`; behind and passed over (`mask`); or behind and read (`post`), so that
    an LSTM has to carry its memory through dozens of empty places."""
    embedding: Annotated[int, Field(ge=1, le=1000)] = 32
    """Numbers that stand for a word."""
    vectors: str | None = None
    """File of word vectors in the form of GloVe to start from; their length then stands in for `embedding`."""
    units: Annotated[LayerSizes, Field(min_length=1)] = (48,)
    """Numbers that a reader keeps in memory (`conv1d`: filters), for each of its layers."""
    bidirectional: bool = True
    """Also read the message from its end, with a second memory."""
    pooling: Literal["last", "max"] = "max"
    """What is kept of the memory: what it holds after the `last` word, or the largest value each number ever had."""
    readers: Annotated[int, Field(ge=1, le=20)] = 2
    """`char_word`: how many LSTMs read each message, each from other first weights; their answers are averaged."""
    pieces: Annotated[int, Field(ge=0, le=1_000_000)] = 40_000
    """`char_word`: most pieces of words and pairs of words that are known; 0 leaves that path out."""
    ridge_penalty: Annotated[float, Field(gt=0)] = 0.1
    """`char_word`: price of large weights in the straight line through the pieces."""
    word_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the words that are read as unknown in each training step, so that none is relied on alone."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of numbers silenced at random before the last layer."""
    optimizer: Optimizer = "adam"
    """The rule that turns gradients into steps."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.002
    """Length of a step: too long jumps about, too short never arrives."""
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    """Longest gradient that is let through, since a recurrent layer multiplies it word by word; 0 lets all through."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Messages per step."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    """Most passes over the training messages; early stopping usually ends sooner."""
    patience: Annotated[int, Field(ge=0)] = 3
    """Epochs without progress on validation messages before training stops; 0 trains to the last epoch and keeps it."""
    ladder: bool = True
    """Also train the course's network and each step from it to the final one, and show what each step gains."""

    @model_validator(mode="after")
    def _what_goes_together(self) -> Self:
        if self.vectors and self.model == "course":
            raise ValueError("vectors needs another model than course, whose embedding starts from chance")
        return self

    presets: ClassVar = {"model": {"course": COURSE}}


# %% [markdown]
# ## Split first, then fit
# People forward messages, and spam comes in waves: 403 of the 5,574 messages are exact repeats, and some more differ in
# a number only. A repeat that stands both in training and in test is no test. Messages that are equal without regard to
# capitals, digits and blanks stay together. Then the parts are drawn, each with the same share of spam.


# %%
def load(config: SmsSpamConfig) -> Split[Messages]:
    """Read the messages and divide them; repeats stay in one part."""
    source = locate(load_card(config.dataset), config.data)
    messages, facts = read_messages(source, text=config.text, target=config.target, positive=config.positive)
    return message_split(
        messages,
        facts,
        validation=config.split.validation,
        test=config.split.test,
        seed=config.split_seed,
        folds=config.split.folds,
        fold=config.split.fold,
    )


# %% [markdown]
# ## From a message to numbers
# The saved model must take a message as it came, so every step is a layer of the model:
#
# 1. *Clean.* The course keeps letters and digits. But "£1000!!!" says more than "1000": the better form makes each sign
#    a token, says of a number how many digits it has, and of a word that it was shouted.
# 2. *Cut into tokens* at the blanks.
# 3. *Number* them. The vocabulary comes from the training messages alone; 0 is no word, 1 is an unknown word.
# 4. *Fill up* to one length with zeros. Where they stand matters more than anything else here: see `padding`.

# %%
DIGITS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
VISIBLE = ((r"\p{Cf}", ""), (r"\pZ", " "))  # a character without a shape could hide a word
CLEANING = {  # what is found (a regular expression) -> what stands in its place; lower case comes last
    "words": ((r"[^\pL\pM\pN\s]", " "),),
    "signs": (
        (r"&pound;", "£"),
        (r"\S+@\S+\.\S+", " _email_ "),
        (r"(?i)(https?://|www\.)\S*|\b[\w-]+\.(com|co\.uk|net|org|tv|biz)\b(/\S*)?", " _address_ "),
        (r"\d{9,}", " _phone_ "),
        *((rf"\d{{{DIGITS.index(number) + 1}}}", f" _{number}_digit_ ") for number in reversed(DIGITS)),
        (r"([^\pL\pM\pN'_\s])", r" \1 "),
        (r"\s+", "  "),  # each word gets two blanks of its own, which the next rule takes
        (r"(^|\s)(\p{Lu}[\p{Lu}\pM']+)(\s|$)", r" \2 _capitals_ "),
    ),
}
LONGEST_PIECES = 500  # of a message with more, one in thirty, the rarest are left out
MOST_SOLVED = 8000  # messages on which the straight line is set: its time grows with their cube


def build_preprocess(train: Messages, config: SmsSpamConfig) -> keras.Model:
    """Return a model from messages (batch, 1) to `words` (batch, longest) and, on request, `pieces`; both by number."""
    message = keras.Input((1,), dtype="string", name="message")
    visible = CleanText(VISIBLE, lower=False, name="visible")(message)
    cleaned = CleanText(CLEANING[config.cleaning], name="clean")(visible)
    labels = Labels({"classes": train.classes, "column": [config.text or "text"]}, name="labels")
    texts = predict_batches(keras.Model(message, {"visible": visible, "clean": cleaned}), raw_inputs(train))
    known = most_frequent([text.decode().split() for text in texts["clean"][:, 0]], config)
    if not known:
        raise DataError(
            f"{config.data}: in {len(train)} training messages no word is left after cleaning that occurs "
            f"{config.least_seen} times. Give more messages, or ask for less with --set least_seen=1."
        )
    words = layers.TextVectorization(
        standardize=None, vocabulary=known, output_sequence_length=config.longest, name="words"
    )(cleaned)  # (batch, longest), zeros behind
    if config.padding == "front":
        words = PadInFront()(words)
    found = {"words": labels(words)}
    if config.model == "char_word" and config.pieces:
        found |= pieces_of(visible, cleaned, texts, config)
    return keras.Model(message, found, name="preprocess")


def most_frequent(texts, config: SmsSpamConfig) -> list[str]:
    """Return the words of the tokenised texts that occur often enough, the most frequent first."""
    counts = Counter(word for words in texts for word in words)
    return [word for word, seen in counts.most_common(config.vocabulary) if seen >= config.least_seen]


# %% [markdown]
# ## Below the word
# "Txting" was in no training message, "txt" was. So a second path looks at *pieces*: words, pairs of words, and one to
# five characters in a row. A piece that stands in few messages says more about them than one that stands in all: its
# *rarity* (inverse document frequency, Spärck Jones, 1972) is its weight.


# %%
def pieces_of(visible, cleaned, texts: dict[str, np.ndarray], config: SmsSpamConfig) -> dict[str, object]:
    """Return the numbers of each message's pieces and their rarity in the training texts, both (batch, pieces)."""
    apart = Pieces.taken_apart(tf.constant(texts["visible"]), tf.constant(texts["clean"])).to_list()
    counts = Counter(piece for pieces in apart for piece in sorted(set(pieces)))
    known = [(piece, seen) for piece, seen in counts.most_common(config.pieces) if seen >= config.least_seen]
    rarity = [0.0, *(math.log((1 + len(apart)) / (1 + seen)) + 1 for _, seen in known)]
    pieces = Pieces([piece.decode() for piece, _ in known], LONGEST_PIECES, name="pieces")(visible, cleaned)
    weigh = layers.Embedding(len(rarity), 1, trainable=False, name="rarity")
    weight = weigh(pieces)  # -> (batch, pieces, 1)
    weigh.set_weights([np.array(rarity)[:, None]])
    return {"pieces": pieces, "rarity": layers.Flatten()(weight)}


def raw_inputs(messages: Messages) -> np.ndarray:
    """Return the texts as the model takes them: (messages, 1)."""
    return messages.texts[:, None]


def answers(config: SmsSpamConfig) -> int:
    """Return how many answers the network gives: one of each reader, and one of the straight line."""
    return 1 if config.model != "char_word" else config.readers + bool(config.pieces)


def encode(preprocess: keras.Model, split: Split[Messages], config: SmsSpamConfig) -> Split[Examples]:
    """Run the preprocess model once over all messages; every reader is asked for the same label."""

    def numbers(messages: Messages) -> Examples:
        labels = np.repeat(messages.labels[:, None], answers(config), axis=1).astype("float32")
        return Examples(predict_batches(preprocess, raw_inputs(messages)), labels)

    return split.map(numbers)


# %% [markdown]
# ## The better reader
# Three things change. Empty places are *masked*: the LSTM passes over them, and its memory is that after the last real
# word. It also reads from the end, since a sentence is often understood backwards. And of each number in its memory the
# *largest value it ever had* is kept, not the last one: what was noticed once stays noticed.


# %%
def read_words(words, vocabulary: int, embedding: int, config: SmsSpamConfig):
    """Return the answer of one reader: word numbers (batch, longest) -> probability (batch, 1)."""
    x = DropWords(config.word_dropout)(words)
    masked = config.padding == "mask" and config.model != "conv1d"  # a convolution reads the zeros, as any other place
    x = layers.Embedding(vocabulary, embedding, mask_zero=masked)(x)  # -> (batch, longest, embedding)
    x = layers.SpatialDropout1D(0.2)(x)
    layer = {"gru": layers.GRU, "rnn": layers.SimpleRNN}.get(config.model, layers.LSTM)
    for depth, units in enumerate(config.units, 1):
        if config.model == "conv1d":
            x = layers.Conv1D(units, 5, padding="same", activation="relu")(x)
            continue
        sequences = depth < len(config.units) or config.pooling == "max"
        reader = layer(units, return_sequences=sequences)
        x = layers.Bidirectional(reader)(x) if config.bidirectional else reader(x)
    if len(x.shape) == 3:  # (batch, longest, units)
        empty = ops.expand_dims(ops.equal(words, 0), -1)
        x = ops.max(ops.where(empty, -1.0, x) if config.padding == "mask" else x, axis=1)  # -> (batch, units)
    x = layers.Dropout(config.dropout)(x)
    return layers.Dense(1, activation="sigmoid", dtype="float32")(x)


# %% [markdown]
# ## A straight line through the pieces
# With 40,000 pieces and 3,500 messages, the best that gradient descent finds depends on when it is stopped. But a
# straight line need not be trained: the weights with the smallest squared error are computed at once (*ridge
# regression*), and kept. What it says of its own training messages is too good to be true, so it is turned into a
# probability by what it says of each message *when set without it*.


# %%
def straight_line(pieces, rarity, known: int):
    """Return the answer of the other path: numbers and rarity of pieces, both (batch, pieces) -> probability."""
    weight = layers.UnitNormalization()(rarity)  # a long message counts no more than a short one
    values = layers.Embedding(known, 1, trainable=False, name="line")(pieces)  # -> (batch, pieces, 1)
    x = layers.Dot(axes=1)([weight, values])  # -> (batch, 1)
    return layers.Dense(1, activation="sigmoid", trainable=False, dtype="float32", name="line_probability")(x)


def set_straight_line(network: keras.Model, train: Examples, config: SmsSpamConfig) -> None:
    """Set the weights of the straight line, and the curve that turns its answer into a probability (Platt, 1999)."""
    pieces, labels = train.inputs["pieces"], train.targets[:, 0]
    _, rows = np.unique(pieces, axis=0, return_index=True)  # the copy of a message left out would answer for it
    if len(rows) > MOST_SOLVED:
        say(
            f"the straight line is set on {MOST_SOLVED:,} of {len(rows):,} different training messages, drawn at random"
        )
    rows = np.random.default_rng(config.seed).permutation(rows)[:MOST_SOLVED]
    weight, values = normalize(train.inputs["rarity"][rows]), network.get_layer("line").get_weights()[0]
    message, place = np.nonzero(pieces[rows])
    numbers = pieces[rows][message, place]
    features = csr_array((weight[message, place], (message, numbers)), shape=(len(rows), len(values)))
    line = ridge(features, 2 * labels[rows] - 1, config.ridge_penalty)
    network.get_layer("line").set_weights([line.weights[:, None]])
    honest = LogisticRegression(C=1000.0).fit(line.left_out[:, None], labels[rows])
    slope = honest.coef_[0]
    network.get_layer("line_probability").set_weights([slope[:, None], honest.intercept_ + slope * line.offset])


# %% [markdown]
# ## Several readers, one vote
# Two LSTMs that start from different weights make different mistakes, and the straight line makes others again. Each is
# right or wrong by itself in training; the answer is the mean of their log odds, in which the line counts for half.


# %%
def reading_network(inputs, vocabulary: int, pieces: int, embedding: int, config: SmsSpamConfig):
    """Return all answers (batch, answers) to `words` and perhaps `pieces` with their `rarity`; the line's last."""
    readers = config.readers if config.model == "char_word" else 1
    votes = [read_words(inputs["words"], vocabulary, embedding, config) for _ in range(readers)]
    if pieces:
        votes.append(straight_line(inputs["pieces"], inputs["rarity"], pieces))
    return layers.Concatenate(dtype="float32")(votes) if len(votes) > 1 else votes[0]


def vote(votes, with_line: bool):
    """Return one probability (batch, 1) from the answers of all (batch, answers): the mean of their log odds."""
    if votes.shape[-1] == 1:
        return votes
    votes = ops.clip(votes, 1e-6, 1 - 1e-6)
    odds = ops.log(votes) - ops.log(1 - votes)
    if with_line:
        odds = (ops.mean(odds[:, :-1], axis=1, keepdims=True) + odds[:, -1:]) / 2
    return ops.sigmoid(ops.mean(odds, axis=1, keepdims=True))


@keras.saving.register_keras_serializable("practicals")
class VoteAUC(keras.metrics.AUC):
    """The area under the precision-recall curve of the vote of several answers."""

    def __init__(self, with_line: bool, **kwargs: object) -> None:
        super().__init__(curve="PR", name="pr_auc", **kwargs)
        self.with_line = with_line

    def update_state(self, truth, probability, sample_weight=None):
        """Add one batch; both (batch, answers)."""
        super().update_state(truth[:, :1], vote(probability, self.with_line), sample_weight)


def build_model(config: SmsSpamConfig, preprocess: keras.Model) -> keras.Model:
    """Return the compiled network on encoded messages; sizes of its vocabularies are those of the preprocess model."""
    inputs = {name: keras.Input(x.shape[1:], dtype=x.dtype, name=name) for name, x in preprocess.output.items()}
    words = preprocess.get_layer("words").get_vocabulary()
    if config.model == "course":
        output = course_network(inputs["words"], len(words), mask=config.padding == "mask")
    else:
        pieces = len(preprocess.get_layer("pieces").vocabulary) + 1 if "pieces" in inputs else 0
        vectors, known = read_word_vectors(config.vectors, words) if config.vectors else (None, None)
        embedding = config.embedding if vectors is None else vectors.shape[1]
        output = reading_network(inputs, len(words), pieces, embedding, config)
    network = keras.Model(inputs, output)
    if config.vectors:
        start_from_vectors(network, vectors, known)
    network.compile(
        optimizer=make_optimizer(config.optimizer, config.learning_rate, config.clip_norm),
        loss="binary_crossentropy",  # of each reader by itself
        metrics=["accuracy", VoteAUC("pieces" in inputs)],
        jit_compile=False,  # compiling takes as long as five epochs, and a masked LSTM is hardly faster for it
    )
    return network


def start_from_vectors(network: keras.Model, vectors: np.ndarray, known: np.ndarray) -> None:
    """Put vectors (vocabulary, embedding) in the place of random ones where a word is known, at the same size."""
    for layer in network.layers:
        if isinstance(layer, layers.Embedding) and (layer.input_dim, layer.output_dim) == vectors.shape:
            start = layer.get_weights()[0]
            start[known] = vectors[known] * (start.std() / vectors[known].std())
            layer.set_weights([start])


def fit(
    network: keras.Model, data: Split[Examples], config: SmsSpamConfig, callbacks=(), initial_epoch: int = 0
) -> None:
    """Train the network. Batches come in an order that follows from (seed, epoch), so a resumed run sees the same."""
    if "pieces" in data.train.inputs and initial_epoch == 0:
        set_straight_line(network, data.train, config)
    batches, reshuffle = shuffled_batches(*data.train, batch_size=config.batch_size, seed=config.seed)
    network.fit(
        batches,
        validation_data=batches_in_order(data.validation, batch_size=256),
        epochs=config.epochs,
        initial_epoch=initial_epoch,
        callbacks=[reshuffle, *callbacks],
        shuffle=False,  # `batches` does it, by seed and epoch
        verbose=0,
    )


# %% [markdown]
# ## The whole model
# Message in, probability out, and a second answer: is it so sure that the message may be *blocked*? A message that is
# called spam can still be delivered, with a mark. One that is blocked is lost. So the threshold of blocking is chosen
# on the validation messages such that of 1,000 good ones at most two are lost, and not for the best score.


# %%
def assemble(preprocess: keras.Model, network: keras.Model, blocked_from: float) -> keras.Model:
    """Return the whole model: messages (batch, 1) to `probability` and `blocked`, each (batch, 1)."""
    probability = vote(network(preprocess.output), with_line="pieces" in preprocess.output)
    blocked = DecisionThreshold(blocked_from, name="blocked")(probability)
    return keras.Model(preprocess.input, {"probability": probability, "blocked": blocked}, name="sms_spam")


def probabilities(model: keras.Model, messages: Messages) -> np.ndarray:
    """Return (messages,) the probability of the class that is looked for."""
    if not len(messages):
        return np.empty(0, "float32")
    return predict_batches(model, raw_inputs(messages))["probability"][:, 0]


def choose_threshold(preprocess: keras.Model, network: keras.Model, validation: Messages) -> Blocking:
    """Return from which probability on a message is blocked, as the validation messages set it."""
    return choose_blocking(validation.labels, probabilities(assemble(preprocess, network, 1.0), validation))


def predict(model: keras.Model, messages: Messages) -> pd.DataFrame:
    """Return `label`, the `probability` of the class that is looked for, and `blocked`, 1 where it is sure enough."""
    classes = np.array(model.get_layer("labels").values["classes"], dtype=object)
    chance = probabilities(model, messages)
    blocked = chance >= np.float32(model.get_layer("blocked").threshold)
    return pd.DataFrame(
        {"label": classes[(chance >= 0.5).astype(int)], "probability": chance, "blocked": blocked.astype(int)},
        index=messages.index,
    )


def evaluate(model: keras.Model, messages: Messages) -> dict[str, float]:
    """Return all scores on the messages of one part."""
    return message_scores(messages.labels, probabilities(model, messages), model.get_layer("blocked").threshold)


# %% [markdown]
# ## Is it any good?
# Opponents see the same training messages and choose their blocking threshold by the same rule. Counting words is an
# old and good idea, and a straight line through pieces of words is very hard to beat on a few thousand messages.


# %%
def baselines(split: Split[Messages], config: SmsSpamConfig) -> list[Baseline]:
    """Fit the opponents on the training messages and score them on the same messages as the network."""
    entries = (
        ("majority", "naive", "Says of every message how frequent spam is.", opponents.majority()),
        ("naive Bayes", "classical", "What each word, taken alone, says of the class.", opponents.naive_bayes()),
        (
            "linear SVM on words",
            "classical",
            "One weight for each word and each pair of words.",
            opponents.words_svm(seed=config.seed),
        ),
        (
            "linear SVM on characters and words",
            "classical",
            "Also one weight for each piece of up to five characters.",
            opponents.characters_and_words_svm(seed=config.seed),
        ),
    )
    return score_on_texts(entries, split)


# %% [markdown]
# ## One step at a time
# What makes the network better than the slide's? Each step is added alone to what stands above it and trained afresh;
# its gain is read on validation messages.

# %%
STEPS = (
    Step(
        "empty places masked", {"padding": "mask"}, "The memory is that after the last word, not that after 80 zeros."
    ),
    Step(
        "signs, numbers and capitals as tokens",
        {"cleaning": "signs", "longest": 80, "least_seen": 2},
        "£, ! and a number of five digits say more than most words.",
    ),
    Step(
        "read both ways, stop in time",
        {
            "model": "lstm",
            "learning_rate": 0.002,
            "clip_norm": 1.0,
            "batch_size": 64,
            "epochs": 10,
            "patience": 3,
        },
        "A smaller memory in each direction, of which the largest values count; words and numbers dropped at random.",
    ),
    Step(
        "two readers and a straight line",
        {"model": "char_word"},
        "What makes different mistakes is averaged; the line knows unknown words by their pieces.",
    ),
)


def try_out(config: SmsSpamConfig, split: Split[Messages]) -> keras.Model:
    """Train afresh with these settings and return the assembled model, with its blocking threshold."""
    prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    preprocess = build_preprocess(split.train, config)
    network = build_model(config, preprocess)
    stop = keras.callbacks.EarlyStopping(
        ABOUT.monitor, mode=ABOUT.mode, patience=config.patience, restore_best_weights=True
    )
    fit(network, encode(preprocess, split, config), config, [stop] if config.patience else [])
    return assemble(preprocess, network, choose_threshold(preprocess, network, split.validation).threshold)


def search_space(hp, config: SmsSpamConfig) -> SmsSpamConfig:
    """Return the settings with those of one trial put in; `hp` is a keras_tuner.HyperParameters."""
    depth = hp.Int("layers", 1, 2)
    return config.with_changes(
        {
            "units": [hp.Choice("units", [16, 32, 48, 64])] * depth,
            "dropout": hp.Float("dropout", 0.0, 0.6, step=0.1),
            "word_dropout": hp.Choice("word_dropout", [0.0, 0.1, 0.2]),
            "embedding": hp.Choice("embedding", [16, 32, 64]),
            "learning_rate": hp.Float("learning_rate", 5e-4, 1e-2, sampling="log"),
        },
        source="search space",
    )


# %% [markdown]
# ## Why does it say so?
# SHAP shares a probability out among the words of a message, by asking what the network says of the message without
# them; LIME fits a straight line to such shortened messages. An explanation is checked before it is shown: without its
# top words the probability must fall more than without as many words taken at random.


# %%
def readable(messages: Messages) -> np.ndarray:
    """Return (messages,) whether a message is neither a word or two nor too long to be followed word by word."""
    return np.array([6 <= len(text.split()) <= 24 for text in messages.texts])


def telling_message(messages: Messages, chance: np.ndarray) -> Messages:
    """Return a message of the class looked for that is rightly found, but not so surely that nothing could shake it."""
    found = messages.labels == 1
    sureness = np.where(found & readable(messages) if (found & readable(messages)).any() else found, chance, -1.0)
    return messages[[int(np.abs(sureness - 0.97).argmin())]]


def explain(
    model: keras.Model,
    split: Split[Messages],
    config: SmsSpamConfig,
    row: Messages | None = None,
    methods=METHODS,
) -> dict[str, Explanation]:
    """Explain one message in detail, by default a telling one of the test part, and what words do in general."""
    predict_texts = traced_probability(model)
    label = split.train.classes[1]
    if row is None:
        row = telling_message(split.test, probabilities(model, split.test))
    found = explain_message(
        predict_texts,
        text=row.texts[0],
        subject=str(row.index[0]),
        label=label,
        truth=split.train.classes[row.labels[0]] if row.labels[0] >= 0 else "",
        background=list(split.train.texts),
        methods=methods,
        seed=config.seed,
    )
    if "shap" in methods:
        found["shap_global"] = explain_words(predict_texts, list(split.test.texts), label=label, seed=config.seed)
    return found


def identify(rows: Messages) -> pd.DataFrame:
    """Return what stands before a prediction: the message."""
    return pd.DataFrame({"message": rows.texts}, index=rows.index)


def read_inputs(model: keras.Model, paths: list[Path]) -> Messages:
    """Read messages of the user's: one a line, or a table; `-` is standard input."""
    (column,) = model.get_layer("labels").values["column"]
    return messages_to_predict(paths, column)


def read_texts(model: keras.Model, texts: list[str]) -> Messages:
    """Take messages as they were typed on the command line."""
    return messages_of(texts)


# %% [markdown]
# ## What an LSTM does while it reads
# The report follows some messages word by word: after each, what would the network say if the message ended here? And
# it shows one message on its way through the steps above.


# %%
def follow_steps(
    preprocess: keras.Model, messages: Messages, train: Messages, config: SmsSpamConfig
) -> dict[str, object]:
    """Return the first of the messages as it looks after each step of the text handling."""
    known = set(preprocess.get_layer("words").get_vocabulary())
    numbers = predict_batches(preprocess, raw_inputs(messages[:1]))["words"][0]
    clean = keras.Model(preprocess.input, preprocess.get_layer("clean").output)
    tokens = predict_batches(clean, raw_inputs(messages[:1]))[0, 0].decode().split()
    cut = sum(len(text.split()) > config.longest for text in predict_batches(clean, raw_inputs(train))[:, 0])
    steps = [
        {"name": "as it came", "text": messages.texts[0], "sentence": "A message is a row of characters."},
        {"name": "cleaned", "text": " ".join(tokens), "sentence": "In lower case; what carries a meaning is kept."},
        {
            "name": "cut into tokens",
            "tokens": [{"text": token, "kind": "" if token in known else "unknown"} for token in tokens],
            "sentence": "A marked one is not in the vocabulary, which comes from the training messages alone.",
        },
        {
            "name": "numbered and filled up",
            "ids": [{"text": str(number), "kind": "" if number else "padding"} for number in numbers],
            "sentence": f"The place of each token in the vocabulary, {config.longest} numbers for every message; "
            f"{cut:,} of {len(train):,} training messages are longer, and their rest is cut off.",
        },
    ]
    if "pieces" in preprocess.output:
        steps.append(show_pieces(preprocess, messages, train))
    return {"message": messages.texts[0], "steps": steps}


def show_pieces(preprocess: keras.Model, messages: Messages, train: Messages) -> dict[str, object]:
    """Return the step that takes the first of the messages apart, with its rarest known pieces."""
    names = ["", *preprocess.get_layer("pieces").vocabulary]
    found = predict_batches(preprocess, raw_inputs(messages[:1]))["pieces"][0]
    pieces = [names[number].lstrip("\t").replace(" ", "␣") for number in found[found > 0][::-1]]
    full = np.count_nonzero(predict_batches(preprocess, raw_inputs(train))["pieces"][:, -1])
    cut = f"Of {full:,} of {len(train):,} training messages only the {LONGEST_PIECES} most frequent are looked at."
    return {
        "name": "taken apart, for the straight line",
        "tokens": pieces[:40],
        "sentence": f"Words, pairs of words, and one to five characters of a word (␣ is where it begins or ends): "
        f"{len(pieces)} known pieces, of which the rarest are shown. {cut if full else ''}".strip(),
    }


def read_along(model: keras.Model, messages: Messages, chance: np.ndarray) -> list[dict[str, object]]:
    """Return some messages with the probability after each word: rightly found, rightly passed, and most wrong."""
    wrongness = np.abs(messages.labels - chance)
    right, wrong = [], []
    for label in (1, 0):
        places = np.flatnonzero(readable(messages) & (messages.labels == label))
        if len(places):
            right.append(places[np.abs(wrongness[places] - 0.02).argmin()])
            wrong.append(places[wrongness[places].argmax()])
    predict_texts = traced_probability(model)
    return [
        {
            "id": str(messages.index[place]),
            "text": messages.texts[place],
            "truth": messages.classes[messages.labels[place]],
            **reading_curve(predict_texts, messages.texts[place]),
        }
        for place in dict.fromkeys(right + wrong)
    ]


# %% [markdown]
# ## The whole story


# %%
def main(config: SmsSpamConfig, run: Run) -> Scores:
    """Train, score, compare and explain; everything that was found goes into the run's folder."""
    split = load(config)
    run.remember_data(split.facts)
    preprocess = build_preprocess(split.train, config)
    data = encode(preprocess, split, config)
    network = build_model(config, preprocess)

    callbacks = standard_callbacks(
        run,
        network,
        data.validation,
        monitor=ABOUT.monitor,
        mode=ABOUT.mode,
        patience=config.patience,
        min_delta=0.0,  # any progress counts
        epochs=config.epochs,
        tensorboard=config.tensorboard,
    )
    fit(network, data, config, callbacks.callbacks, callbacks.state.initial_epoch)
    blocking = choose_threshold(preprocess, network, split.validation)
    model = assemble(preprocess, network, blocking.threshold)
    save_model(model, run.model_path)

    made = baselines(split, config)
    rungs = climb(config.with_changes(COURSE, "course"), STEPS, split, try_out, evaluate) if config.ladder else []
    chances = split.map(lambda messages: probabilities(model, messages))  # the test messages are read here, once
    telling = telling_message(split.test, chances.test)
    for name, explanation in explain(model, split, config, telling).items():
        explanation.write(run, name)
    return finish(
        run,
        config,
        ABOUT,
        split=split,
        network=network,
        probabilities=chances,
        scores=split.map(lambda messages: evaluate(model, messages)),
        blocking=blocking,
        baselines=made,
        rungs=rungs,
        fit_seconds=callbacks.state.seconds,
        best_epoch_kept=config.patience > 0,
        steps=follow_steps(preprocess, telling, split.train, config),
        reading=read_along(model, split.test, chances.test),
    )


# %% [markdown]
# ## Questions
# Each is answered by changing one setting and reading the report again.
#
# 1. `--set model=course`: what does it say of every message, and why? Where do its 80 zeros stand in the report?
# 2. `--set model=conv1d`: it looks at five words at a time; what does reading from end to end add to that?
# 3. `--set cleaning=words`: which messages become wrong when signs and capitals are dropped?
# 4. `--set word_dropout=0.0`: how do the learning curves part? What did the dropped words do?
# 5. `--set split.validation=0.05`: what can the blocking threshold no longer promise, and why?
