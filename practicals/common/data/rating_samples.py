"""Built-in sample of ratings: invented people and films, and a known process by which the people like the films."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from practicals.common.data.rating_files import STARS
from practicals.common.data.rating_tables import Film, RatedPairs

GENRES = ("Comedy", "Mystery", "Romance")
"""What tastes are about."""
NOISE = 0.6
"""Standard deviation, in stars, of what nobody can foresee; rounding to whole stars adds a little."""

_FIRST = (
    "Glass", "Silent", "Crooked", "Paper", "Northern", "Hollow", "Copper", "Midnight", "Borrowed", "Velvet", "Salt",
    "Painted", "Second", "Winter", "Drifting", "Amber",
)  # fmt: skip
_LAST = (
    "Harbour", "Orchard", "Ladder", "Violin", "Lantern", "Station", "Garden", "Compass", "Letter", "Carnival",
    "Bridge", "Parade", "Teacup", "Lighthouse", "Wedding", "Map",
)  # fmt: skip
_AGES = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
_OCCUPATIONS = ("artist", "engineer", "student", "teacher")


@dataclass(frozen=True)
class RatingSample:
    """Ratings and the truth behind them."""

    pairs: RatedPairs
    expected: np.ndarray[Any, np.dtype[np.float64]]
    """(users, items) the rating before noise and rounding, in stars, by the numbers of user and item less 1."""
    tastes: np.ndarray[Any, np.dtype[np.float64]]
    """(users, 3) how many stars each of GENRES adds for a user."""


def rated_films(users: int = 300, items: int = 200, ratings: int = 12_000, seed: int = 0) -> RatingSample:
    """Let invented people rate invented films.

    A rating is 3.6 stars, plus what the user adds to every film (standard deviation 0.35), plus what the film is
    better than others (0.45), plus the user's tastes for its one or two of three genres (0.7 each, mean over the
    film's), plus noise (`NOISE`), rounded to 1 to 5 stars. Younger people like comedies more, older ones mysteries,
    by half a star at most. Which films a user has rated is no accident: well-known films, and films to the user's
    taste, are rated more often. Every user has rated at least 10 films.

    Args:
        users: how many people.
        items: how many films, 256 at most.
        ratings: how many ratings; at least 10 and at most half of `items` for each user on average.
        seed: the same seed gives the same ratings.

    Returns:
        The ratings in a random order, with titles, years, genres, traits and times, and the truth behind them.

    Raises:
        ValueError: a number is out of these ranges.
    """
    if not 0 < items <= len(_FIRST) * len(_LAST) or not 10 * users <= ratings <= users * items / 2:
        raise ValueError(f"expected 10 * users <= ratings <= users * items / 2. Received: {users}, {items}, {ratings}")
    rng = np.random.default_rng(seed)
    ages = rng.integers(0, len(_AGES), users)
    youth = 1 - 2 * ages / (len(_AGES) - 1)  # 1 for the youngest, -1 for the oldest
    tastes = rng.normal(0, 0.7, (users, 3)) + 0.5 * youth[:, None] * np.array([1, -1, 0])
    has_genre = np.eye(3)[rng.integers(0, 3, items)]
    second = rng.random(items) < 0.4
    has_genre[second, rng.integers(0, 3, int(second.sum()))] = 1
    liking = tastes @ (has_genre / has_genre.sum(axis=1, keepdims=True)).T  # -> (users, items)
    expected = 3.6 + rng.normal(0, 0.35, users)[:, None] + rng.normal(0, 0.45, items) + liking
    user, item = _chosen(rng, liking, ratings)
    values = np.clip(np.rint(expected[user, item] + rng.normal(0, NOISE, ratings)), STARS[0], STARS[-1])
    start = rng.uniform(0, 300, users)  # days after which each begins
    times = 883_612_800 + np.round(86_400 * (start[user] + rng.exponential(20, ratings)))
    names = rng.permutation(len(_FIRST) * len(_LAST))[:items]
    years = rng.integers(1950, 2000, items)
    films = {}
    for place, (name, year) in enumerate(zip(names.tolist(), years.tolist(), strict=True)):
        title = f"The {_FIRST[name // len(_LAST)]} {_LAST[name % len(_LAST)]} ({year})"
        genres = tuple(genre for genre, has in zip(GENRES, has_genre[place], strict=True) if has)
        films[str(place + 1)] = Film(title, float(year), genres)
    genders, jobs = rng.integers(0, 2, users).tolist(), rng.integers(0, len(_OCCUPATIONS), users).tolist()
    traits = {
        str(place + 1): (f"gender {'FM'[gender]}", f"age {_AGES[age]}", f"occupation {_OCCUPATIONS[job]}")
        for place, (gender, age, job) in enumerate(zip(genders, ages.tolist(), jobs, strict=True))
    }
    pairs = RatedPairs(
        Path("sample"),
        "",
        [str(one + 1) for one in user.tolist()],
        [str(one + 1) for one in item.tolist()],
        values,
        times,
        np.arange(1, ratings + 1),
        STARS,
        films,
        traits,
    )
    return RatingSample(pairs, expected, tastes)


def _chosen(rng: np.random.Generator, liking: np.ndarray[Any, Any], ratings: int) -> tuple[Any, Any]:
    """Return user and item of every rating, in a random order, no pair twice."""
    users, items = liking.shape
    fame = rng.normal(0, 1, items)
    # The largest of "score + Gumbel noise" are a draw without repeats in proportion to exp(score).
    wish = fame + 0.6 * liking + rng.gumbel(size=(users, items))
    order = np.argsort(-wish, axis=1)
    eagerness = rng.gamma(1.5, size=users)
    rest = ratings - 10 * users
    numbers = 10 + np.floor(rest * eagerness / eagerness.sum()).astype(np.int64)
    numbers = np.minimum(numbers, items)
    # What rounding and the number of films leave over goes to users who can take one more, in turn.
    while (missing := ratings - int(numbers.sum())) > 0:
        numbers[np.flatnonzero(numbers < items)[:missing]] += 1
    user = np.repeat(np.arange(users), numbers)
    item = np.concatenate([order[one, :number] for one, number in enumerate(numbers.tolist())])
    mixed = rng.permutation(ratings)
    return user[mixed], item[mixed]
