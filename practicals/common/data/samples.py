"""Built-in samples: rows in the form of the real data, drawn from a process whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

CHURN_DRIVERS = ("Age", "NumOfProducts", "IsActiveMember", "Geography", "Gender", "Balance")
"""The columns that make customers of the sample leave, the strongest first."""
CHURN_IRRELEVANT = ("CreditScore", "Tenure", "HasCrCard", "EstimatedSalary")
"""The columns that have nothing to do with leaving."""

FIRST_SALE, LAST_SALE = 16_192, 16_582
"""2 May 2014 and 27 May 2015 in days since 1970-01-01: the span of the real sales."""

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


KC_HOUSE_DRIVERS = ("sqft_living", "lat", "grade", "long", "yr_built", "waterfront", "view")
"""The columns that make the price of a house of the sample, the strongest first."""
KC_HOUSE_ECHOES = ("bedrooms", "bathrooms", "sqft_above", "sqft_basement", "sqft_living15", "yr_renovated", "zipcode")
"""The columns that are made from drivers: they go with the price, but move nothing once the drivers are known."""
KC_HOUSE_IRRELEVANT = ("date", "sqft_lot", "floors", "condition", "sqft_lot15")
"""The columns that have nothing to do with the price."""


def kc_house(rows: int = 2500, seed: int = 0) -> pd.DataFrame:
    """Draw house sales of an invented county, in the columns and types in which the real file is read.

    The drivers are drawn independently of each other. The price in USD is exp(z), where

        z = 12.6
            + 0.75 log(sqft_living / 1900)                              twice the size is worth 1.7 times as much
            + 0.75 exp(-((lat - 47.62) / 0.09)^2
                       -((long + 122.20) / 0.20)^2)                     a hill of prices around one town,
            + 0.35 exp(-((lat - 47.38) / 0.05)^2
                       -((long + 122.33) / 0.10)^2)                     and a lower one: no straight line fits
            + 0.12 (grade - 7)
            + 0.18 ((yr_built - 1960) / 50)^2                           old and new houses are dearer
            + 0.45 where waterfront
            + 0.06 view
            + 0.10 of noise that belongs to the house
            + 0.07 of noise that belongs to the sale                    both normal, standard deviation given

    About one sale in thirty is of a house that was sold before: all but the date and the price are the same. It shares
    that house's noise, so parting the two sales would give an answer away.

    Args:
        rows: how many sales.
        seed: the same seed gives the same sales.

    Returns:
        Columns in the order of the real file; numbers float64, `date` float64 days since 1970-01-01 (2 May 2014 to 27
        May 2015), `id` and `zipcode` text. Sizes are in square feet, places in degrees, `price` in whole USD.
    """
    rng = np.random.default_rng(seed)
    resales = rows // 30
    frame = _houses(rng, rows - resales)
    again = frame.iloc[:resales]
    later = again.assign(date=[rng.integers(int(day) + 30, LAST_SALE + 1) for day in again["date"]])
    frame = pd.concat([frame, later.astype({"date": float})], ignore_index=True)
    frame = frame.iloc[rng.permutation(rows)].reset_index(drop=True)
    return frame.assign(price=np.round(np.exp(frame["price"] + rng.normal(0, 0.07, rows))))


def _houses(rng: np.random.Generator, houses: int) -> pd.DataFrame:
    """Draw houses, each sold once; `price` is the z of `kc_house` without the noise of the sale."""
    size = np.clip(np.round(1900 * np.exp(rng.normal(0, 0.42, houses)), -1), 370, 13_540)
    lat = np.round(np.clip(rng.normal(47.56, 0.14, houses), 47.16, 47.78), 4)
    long = np.round(np.clip(rng.normal(-122.21, 0.14, houses), -122.52, -121.31), 3)
    grade = np.clip(np.round(rng.normal(7.6, 1.15, houses)), 3, 13)
    built = rng.integers(1900, 2014, houses).astype(float)
    waterfront = (rng.random(houses) < 0.02).astype(float)
    view = rng.choice(5, houses, p=[0.9, 0.02, 0.04, 0.02, 0.02]).astype(float)
    z = (
        12.6
        + 0.75 * np.log(size / 1900)
        + 0.75 * np.exp(-(((lat - 47.62) / 0.09) ** 2) - ((long + 122.20) / 0.20) ** 2)
        + 0.35 * np.exp(-(((lat - 47.38) / 0.05) ** 2) - ((long + 122.33) / 0.10) ** 2)
        + 0.12 * (grade - 7)
        + 0.18 * ((built - 1960) / 50) ** 2
        + 0.45 * waterfront
        + 0.06 * view
        + rng.normal(0, 0.10, houses)
    )
    basement = np.where(rng.random(houses) < 0.4, np.round(size * rng.uniform(0.15, 0.5, houses), -1), 0.0)
    lot = np.clip(np.round(7600 * np.exp(rng.normal(0, 0.8, houses))), 520, None)
    renovated = (rng.random(houses) < 0.05) & (built < 1990)
    # Seven strips from south to north times five from west to east.
    strip = 5 * np.digitize(lat, np.linspace(47.3, 47.7, 6)) + np.digitize(long, np.linspace(-122.35, -122.05, 4))
    return pd.DataFrame(
        {
            "id": (1_000_000_000 + 37 * rng.permutation(houses)).astype(str),
            "date": rng.integers(FIRST_SALE, LAST_SALE - 60, houses).astype(float),
            "price": z,
            "bedrooms": np.clip(np.round(size / 650 + rng.normal(0, 0.7, houses)), 1, 9),
            "bathrooms": np.clip(np.round(4 * (size / 1000 + rng.normal(0, 0.4, houses))) / 4, 0.5, 8),
            "sqft_living": size,
            "sqft_lot": lot,
            "floors": rng.choice([1.0, 1.5, 2.0, 2.5, 3.0], houses, p=[0.5, 0.1, 0.36, 0.01, 0.03]),
            "waterfront": waterfront,
            "view": view,
            "condition": rng.choice(5, houses, p=[0.01, 0.02, 0.62, 0.27, 0.08]) + 1.0,
            "grade": grade,
            "sqft_above": size - basement,
            "sqft_basement": basement,
            "yr_built": built,
            "yr_renovated": np.where(renovated, rng.integers(1990, 2015, houses), 0).astype(float),
            "zipcode": (98_001 + strip).astype(str),
            "lat": lat,
            "long": long,
            "sqft_living15": np.round(np.sqrt(size * 1900) * np.exp(rng.normal(0, 0.15, houses)), -1),
            "sqft_lot15": np.round(lot * np.exp(rng.normal(0, 0.3, houses))),
        }
    )


def fake_reg(rows: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Draw gem stones of an invented shop, in the columns and types in which the course's file is read.

    The price is 500 + 40 (feature1 - 1000) + 90 (feature2 - 1000) plus normal noise of standard deviation 5, so the
    best possible root mean squared error is 5 and a straight line reaches it. Both features are normal around 1000
    with standard deviation 1, independently of each other.

    Args:
        rows: how many stones.
        seed: the same seed gives the same stones.

    Returns:
        price, feature1, feature2, all float64.
    """
    rng = np.random.default_rng(seed)
    first, second = rng.normal(1000, 1, rows), rng.normal(1000, 1, rows)
    price = 500 + 40 * (first - 1000) + 90 * (second - 1000) + rng.normal(0, 5, rows)
    return pd.DataFrame({"price": price, "feature1": first, "feature2": second})


SAMPLES = {"churn": churn, "kc_house": kc_house, "fake_reg": fake_reg}
"""Card -> its sample; called without arguments it gives the rows of a run."""
