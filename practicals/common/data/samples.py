"""Built-in samples: rows in the form of the real data, drawn from a process whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

CHURN_DRIVERS = ("Age", "NumOfProducts", "IsActiveMember", "Geography", "Gender", "Balance")
"""The columns that make customers of the sample leave, the strongest first."""
CHURN_IRRELEVANT = ("CreditScore", "Tenure", "HasCrCard", "EstimatedSalary")
"""The columns that have nothing to do with leaving."""

_SURNAMES = (
    "Abelmann", "Brisco", "Cardena", "Dorval", "Esteve", "Falkner", "Garrido", "Hollenz", "Iberti", "Jansou",
    "Kestler", "Lormand", "Marquina", "Nordheim", "Ortavi", "Pellenc", "Quiroga", "Rautner", "Salvino", "Tresson",
)  # fmt: skip


def churn(rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Draw customers of an invented bank, in the columns and types in which the real file is read.

    Every column but Exited is drawn independently of the others, so what drives a customer away is known. Exited is 1
    with probability 1 / (1 + exp(-z)), where

        z = -4.4
            + 3.8 exp(-((Age - 57) / 13)^2)                             rises to 57 years, then falls
            + {1: 0.7, 2: -0.7, 3: 2.2, 4: 3.0}[NumOfProducts]          U-shaped: two products hold customers best
            + 1.1 where not IsActiveMember, and 0.6 more above 45 years an interaction of the two
            + 1.0 where Geography is Germany
            + 0.5 where Gender is Female
            + 0.4 where Balance > 0

    About 20 % leave. CHURN_DRIVERS orders the columns by how far they move z on average.

    Args:
        rows: how many customers.
        seed: the same seed gives the same customers.

    Returns:
        Columns in the order of the real file; numbers float64, categories and identifiers text, Exited int64.
        Balance and EstimatedSalary are in EUR, Age and Tenure in years.
    """
    rng = np.random.default_rng(seed)
    age = np.clip(np.round(18 + rng.gamma(4.5, 4.7, rows)), 18, 92)
    geography = rng.choice(["France", "Germany", "Spain"], rows, p=[0.5, 0.25, 0.25])
    gender = rng.choice(["Female", "Male"], rows, p=[0.46, 0.54])
    balance = np.where(rng.random(rows) < 0.36, 0.0, np.clip(rng.normal(120_000, 30_000, rows), 4_000, None))
    products = rng.choice(4, rows, p=[0.5, 0.45, 0.04, 0.01]) + 1
    active = rng.random(rows) < 0.515
    z = (
        -4.4
        + 3.8 * np.exp(-(((age - 57) / 13) ** 2))
        + np.array([0.7, -0.7, 2.2, 3.0])[products - 1]
        + np.where(active, 0.0, np.where(age > 45, 1.7, 1.1))
        + np.where(geography == "Germany", 1.0, 0.0)
        + np.where(gender == "Female", 0.5, 0.0)
        + np.where(balance > 0, 0.4, 0.0)
    )
    frame = pd.DataFrame(
        {
            "RowNumber": np.arange(1, rows + 1).astype(str),
            "CustomerId": (15_560_000 + rng.permutation(rows)).astype(str),
            "Surname": rng.choice(_SURNAMES, rows),
            "CreditScore": np.clip(np.round(rng.normal(650, 97, rows)), 350, 850),
            "Geography": geography,
            "Gender": gender,
            "Age": age,
            "Tenure": rng.integers(0, 11, rows).astype(float),
            "Balance": np.round(balance, 2),
            "NumOfProducts": products.astype(float),
            "HasCrCard": (rng.random(rows) < 0.705).astype(float),
            "IsActiveMember": active.astype(float),
            "EstimatedSalary": np.round(rng.uniform(10, 200_000, rows), 2),
        }
    )
    return frame.assign(Exited=(rng.random(rows) < 1 / (1 + np.exp(-z))).astype("int64"))


SAMPLES = {"churn": churn}
"""Card -> its sample; called without arguments it gives the rows of a run."""
