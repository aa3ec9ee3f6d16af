"""From which probability on a message is kept from its reader: how that is chosen, and what it blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from practicals.common.ladder import Baseline
from practicals.common.metrics import Numbers

EVEN = 0.5
"""From this probability on a message is called spam."""
MOST_HAM_BLOCKED = 0.002
"""The share of good messages that a filter may lose: two in a thousand."""
SMALLEST = np.float32(1e-6)
"""Some processors take what is far smaller for 0."""


@dataclass(frozen=True)
class Blocking:
    """From which probability on a message is kept from its reader, and how that was chosen."""

    threshold: float
    ham: int
    """Good messages among those it was chosen on."""
    allowed: int
    """How many of them it blocks; fewer than it may where several have one score."""
    promised: bool
    """Whether these were enough messages to promise `MOST_HAM_BLOCKED`."""


def choose_blocking(truth: npt.ArrayLike, score: npt.ArrayLike, most: float = MOST_HAM_BLOCKED) -> Blocking:
    """Return the lowest threshold of which it can be said that it blocks at most this share of good messages.

    Of n good messages with scores in order, a further one is as likely to fall into any of the n + 1 gaps. A threshold
    that lets through all but k of them therefore blocks a further one with a chance of (k + 1) / (n + 1), and k is the
    largest number for which this is not above `most` (split conformal prediction: Vovk et al., 2005; 1 in 500 needs at
    least 499 good messages). Where there are fewer, it blocks none of them and promises nothing.

    Args:
        truth: (n,), 0 for a good message, 1 for spam; validation messages.
        score: (n,), more means more likely spam.
        most: share of good messages.
    """
    truth, score = np.asarray(truth), np.asarray(score, "float32")
    ham = np.sort(score[truth == 0])[::-1]
    # A share such as 1 / 500 must not fail by a rounding of the last bit.
    allowed = int(np.floor(most * (len(ham) + 1) + 1e-9)) - 1
    if not len(ham):
        return Blocking(EVEN, 0, 0, False)
    highest_passed = ham[max(allowed, 0)]
    above = score[score > highest_passed]
    # Halfway to the next message above, whichever it is, so that nothing stands on the edge.
    halfway = (highest_passed + above.min()) / 2 if len(above) else np.float32(highest_passed)
    threshold = max(halfway, np.nextafter(highest_passed, np.float32(2)), SMALLEST)
    return Blocking(float(threshold), len(ham), int((ham >= threshold).sum()), allowed >= 0)


def describe_blocking(blocking: Blocking, classes: Sequence[str]) -> dict[str, Any]:
    """Return the choice of the blocking threshold for the report, in sentences."""
    good, looked_for = classes
    reached = "1 reaches" if blocking.allowed == 1 else f"{blocking.allowed or 'none'} reach"
    chosen = (
        "No message is blocked, since a good one is as sure to be taken for the worst as any."
        if blocking.threshold > 1
        else f"From {blocking.threshold:.3f} on a message is blocked. Of the {blocking.ham:,} validation messages that "
        f"are “{good}”, {reached} that."
    )
    chance = (blocking.allowed + 1) / (blocking.ham + 1)
    promise = (
        f"A further one is then blocked with a chance of at most {100 * chance:.2f} %, whatever the network."
        if blocking.promised
        else f"They are too few to promise that at most {100 * MOST_HAM_BLOCKED:g} % of such messages are lost: with "
        f"{blocking.ham:,} of them the chance is up to {100 * chance:.1f} %."
    )
    between = (
        f"Messages between {EVEN} and this are called “{looked_for}” but delivered."
        if EVEN < blocking.threshold <= 1
        else ""
    )
    return {
        "value": blocking.threshold,
        "ham": blocking.ham,
        "allowed": blocking.allowed,
        "sentence": f"{chosen} {promise} {between}".strip(),
    }


def blocking_rows(scores: Mapping[str, float], baselines: Sequence[Baseline], truth: Numbers) -> list[dict[str, Any]]:
    """Return `blocking_row` of the network and of all that look at the message: to block all or nothing is no choice.

    Args:
        scores: the network's, of the test part.
        baselines: the opponents.
        truth: (n,) of the test part, 0 or 1.
    """
    choosing = {one.name: one.test for one in baselines if one.kind != "naive"}
    return [blocking_row(name, one, truth) for name, one in {"network": scores, **choosing}.items()]


def blocking_row(name: str, scores: Mapping[str, float], truth: Numbers) -> dict[str, Any]:
    """Return how many test messages of each class are blocked, with the 95 % interval of Clopper and Pearson (1934)."""
    spam = int(truth.sum())
    ham = len(truth) - spam
    lost = round(scores["ham_blocked"] * ham)
    return {
        "name": name,
        "ham": ham,
        "ham_blocked": lost,
        "ham_interval": list(share_interval(lost, ham)),
        "spam": spam,
        "spam_blocked": round(scores["spam_blocked"] * spam),
    }


def share_interval(found: int, of: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share, as Clopper and Pearson (1934) have it."""
    interval = binomtest(found, of).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)
