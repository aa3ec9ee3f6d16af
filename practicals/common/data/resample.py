"""Make the rare class count for more, on training rows only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from imblearn.over_sampling import SMOTENC, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler

from practicals.common.errors import DataError

SMOTE_NEIGHBOURS = 5


def balanced_class_weights(targets: npt.NDArray[Any]) -> dict[int, float]:
    """Return class -> rows / (classes x rows of the class), so that each class weighs the same in the loss.

    Args:
        targets: (rows,), class numbers.
    """
    classes, counts = np.unique(targets, return_counts=True)
    return {
        int(label): len(targets) / (len(classes) * int(count)) for label, count in zip(classes, counts, strict=True)
    }


def resample(
    frame: pd.DataFrame, method: str, *, target: str, numbers: Sequence[str], categories: Sequence[str], seed: int
) -> pd.DataFrame:
    """Return training rows in which both classes are equally frequent. The input is not altered.

    Args:
        frame: training rows only.
        method: `oversample` repeats rows of the rare class, `undersample` leaves out rows of the frequent one,
            `smotenc` invents rows between neighbours of the rare class (Chawla et al., 2002).
        target: column of the class.
        numbers: columns of numbers. SMOTE measures distance on standardised ones (on raw ones a balance would drown
            everything), and the invented rows come back in units, whole numbers as whole numbers, missing ones filled
            with the training median.
        categories: columns of text.
        seed: seed of the choice.

    Raises:
        DataError: too few rows of the rare class for `smotenc`.
    """
    rows, labels = frame[[*numbers, *categories]], frame[target]
    if method == "oversample":
        rows, labels = RandomOverSampler(random_state=seed).fit_resample(rows, labels)
    elif method == "undersample":
        rows, labels = RandomUnderSampler(random_state=seed).fit_resample(rows, labels)
    else:
        rows, labels = _smotenc(rows, labels, list(numbers), list(categories), seed)
    return rows.assign(**{target: labels}).reset_index(drop=True)


def _smotenc(
    rows: pd.DataFrame, labels: pd.Series[Any], numbers: list[str], categories: list[str], seed: int
) -> tuple[pd.DataFrame, pd.Series[Any]]:
    rarest = int(labels.value_counts().min())
    if rarest <= SMOTE_NEIGHBOURS:
        raise DataError(
            f"imbalance=smotenc: needs more than {SMOTE_NEIGHBOURS} training rows of the rare class, found {rarest}. "
            "Choose --set imbalance=oversample."
        )
    filled = rows[numbers].fillna(rows[numbers].median())
    mean, spread = filled.mean(), filled.std(ddof=0).replace(0.0, 1.0)
    whole = [column for column in numbers if (filled[column] % 1 == 0).all()]
    standardised = pd.concat([(filled - mean) / spread, rows[categories]], axis=1)
    sampler = SMOTENC(categorical_features=categories, k_neighbors=SMOTE_NEIGHBOURS, random_state=seed)
    invented, labels = sampler.fit_resample(standardised, labels)
    invented[numbers] = invented[numbers] * spread + mean
    invented[whole] = invented[whole].round()
    # Going to standard units and back costs the last digit: rows that were there keep their own numbers.
    invented.loc[: len(rows) - 1, numbers] = filled.to_numpy()
    return invented, labels
