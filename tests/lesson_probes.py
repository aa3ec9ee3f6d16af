"""How the data of each lesson are made small and changed, to see what moves with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lesson_story import Probe

from practicals.common.data import ratings as rating_reader
from practicals.common.data.messages import folded
from practicals.common.data.rating_samples import rated_films
from practicals.common.data.seriestable import SeriesTable
from practicals.common.data.split import Split

# Tables


def relabelled_rows(target: str, other: Callable[[pd.Series], pd.Series], rows: pd.DataFrame, before: Split) -> Any:
    in_test = rows.index.isin(before.test.index)
    return rows.assign(**{target: rows[target].mask(in_test, other(rows[target]))})


def redrawn_rows(kept: Sequence[str], rows: pd.DataFrame, before: Split) -> pd.DataFrame:
    """Equal rows stay equal, so that they stay together."""
    in_test = rows.index.isin(before.test.index)
    changed = rows.copy()
    for column in set(rows) - {*kept}:
        number = pd.api.types.is_numeric_dtype(rows[column])
        changed[column] = rows[column].mask(in_test, rows[column] * 7 + 1000 if number else rows[column] + " elsewhere")
    return changed


def repeated_rows(subject: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with copies of some under other names, and others of the same name."""
    copies, others = rows.iloc[:60].copy(), rows.iloc[60:120].copy()
    copies[subject] = copies[subject].astype(str) + "-copy"
    number = others.select_dtypes("float").columns[0]
    others[number] += 1
    return pd.concat([rows, copies, others], ignore_index=True)


def keys_of_rows(subject: str, target: str, rows: pd.DataFrame) -> set:
    """Return whom rows are about, and what stands in them."""
    content = rows.drop(columns=[subject, target, *({"RowNumber", "Surname"} & {*rows})])
    return {*rows[subject], *content.itertuples(index=False, name=None)}


# Pictures


@dataclass(frozen=True)
class Negatives:
    """A store of pictures in which some are their own negatives."""

    store: Any
    places: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.store.shape

    def read(self, places: np.ndarray) -> np.ndarray:
        pixels = self.store.read(places)
        return np.where(np.isin(places, self.places)[:, None, None, None], 255 - pixels, pixels)


def few_pictures(found: Any) -> Any:
    keep = [place for place, file in enumerate(found.files) if int(file.split(".")[1]) <= 12]
    lists = {name: tuple(getattr(found, name)[place] for place in keep) for name in ("files", "labels", "digests")}
    parts = tuple(found.parts[place] for place in keep)
    return replace(found, store=Chosen(found.store, np.array(keep)), parts=parts, **lists)


@dataclass(frozen=True)
class Chosen:
    """Some pictures of a store."""

    store: Any
    places: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.places), *self.store.shape[1:])

    def read(self, places: np.ndarray) -> np.ndarray:
        return self.store.read(self.places[places])


def relabelled_pictures(found: Any, before: Split) -> Any:
    in_test = np.isin(found.files, before.test.index)
    return replace(found, labels=tuple(np.where(in_test, 1 - np.array(found.labels), found.labels).tolist()))


def redrawn_pictures(found: Any, before: Split) -> Any:
    return replace(found, store=Negatives(found.store, np.flatnonzero(np.isin(found.files, before.test.index))))


def repeated_pictures(found: Any) -> Any:
    """Return the pictures with one in three of the test part also among those to learn from."""
    again = [place for place, part in enumerate(found.parts) if part == "test"][::3]
    return replace(
        found,
        store=Chosen(found.store, np.array([*range(len(found.files)), *again])),
        files=(*found.files, *(found.files[place].replace("test_set", "training_set/copy") for place in again)),
        labels=(*found.labels, *(found.labels[place] for place in again)),
        digests=(*found.digests, *(found.digests[place] for place in again)),
        parts=(*found.parts, *["train"] * len(again)),
    )


# Messages


def changed_messages(how: str, messages: Any, before: Split) -> Any:
    changed, in_test = messages[:], np.isin(messages.index, before.test.index)
    if how == "labels":
        changed.labels[:] = np.where(in_test, 1 - messages.labels, messages.labels)
    else:
        changed.texts[in_test] = [f"{text} zebra quagga £££" for text in messages.texts[in_test]]
    return changed


# Ratings


def changed_ratings(how: str, ratings: Any, before: Split) -> Any:
    changed, in_test = ratings[:], np.isin(ratings.index, before.test.index)
    if how == "labels":
        changed.values[:] = np.where(in_test, 6 - ratings.values, ratings.values)
        changed.values[in_test & (ratings.values == 3)] = 1
    else:
        changed.items[:] = np.where(in_test, (ratings.items + 7) % len(ratings.catalogue.items), ratings.items)
    return changed


# Series


def first_hours(table: SeriesTable) -> SeriesTable:
    return replace(table, values=table.values[:, :1000], times=table.times[:1000], rows=1000)


def asked_steps(part: Any) -> np.ndarray:
    """Return every step that one part asks for."""
    return np.unique(part.origins[:, None] + np.arange(part.horizon))


def changed_series(how: str, table: SeriesTable, before: Split) -> SeriesTable:
    values, steps = table.values.copy(), asked_steps(before.test)
    if how == "missing":
        values[:, steps[::2]] = np.nan
    else:
        values[:, steps] *= 2 + np.sin(np.arange(len(steps)))
    return replace(table, values=values)


def is_in_order(split: Split) -> bool:
    """Tell whether every part asks for later steps than the one before it."""
    steps = [asked_steps(part) for _, part in split.items()]
    return all(one.max() < other.min() for one, other in pairwise(steps))


PROBES = {
    probe.name: probe
    for probe in (
        Probe(
            "churn",
            # Skilled enough that its threshold lies where the labels want it.
            {"hidden_units": [4], "batch_size": 64, "dropout": 0.0, "learning_rate": 0.03, "epochs": 8},
            "read_rows",
            lambda rows: rows.head(300),
            partial(relabelled_rows, "Exited", lambda label: 1 - label),
            partial(redrawn_rows, ["Exited"]),
            splitter="stratified_split",
            repeat=partial(repeated_rows, "CustomerId"),
            keys=partial(keys_of_rows, "CustomerId", "Exited"),
        ),
        Probe(
            "regression",
            {"hidden_units": [4], "batch_size": 64, "members": 1, "compare_losses": False, "waves": 4},
            "read_rows",
            lambda rows: rows.head(300),
            partial(relabelled_rows, "price", lambda price: price * 3 + 1e6),
            partial(redrawn_rows, ["price"]),
            repeat=partial(repeated_rows, "id"),
            keys=partial(keys_of_rows, "id", "price"),
        ),
        Probe(
            "cats_dogs",
            {
                **{"model": "course", "image_size": 16, "deterministic": False, "augmentation.flip": False},
                **{f"augmentation.{name}": 0.0 for name in ("rotation", "zoom", "translation", "contrast")},
                **{"epochs": 1, "batch_size": 12, "mirror": False, "split.validation": 0.25},
            },
            "read_pictures",
            few_pictures,
            relabelled_pictures,
            redrawn_pictures,
            repeat=repeated_pictures,
            keys=lambda pictures: {one.tobytes() for one in pictures.pixels},
        ),
        Probe(
            "sms_spam",
            {
                **{"longest": 12, "units": [4], "embedding": 4, "pieces": 400, "readers": 1, "bidirectional": False},
                **{"epochs": 1, "batch_size": 48},
            },
            "read_messages",
            lambda messages: messages[:300],
            partial(changed_messages, "labels"),
            partial(changed_messages, "texts"),
            splitter="message_split",
            keys=lambda messages: {*map(folded, messages.texts)},
        ),
        Probe(
            "recommender",
            {
                **{"encoder": [7, 5], "decoder": [6, 5], "guess": [4], "ranking_units": 4, "depths": False},
                **{"epochs": 1, "batch_size": 32},
            },
            "read_ratings",
            lambda ratings: ratings,
            partial(changed_ratings, "labels"),
            partial(changed_ratings, "items"),
            keys=lambda ratings: {*zip(ratings.users.tolist(), ratings.items.tolist(), strict=True)},
        ),
        Probe(
            "web_traffic",
            {
                **{"window": 48, "horizon": 6, "season": [24], "members": 1, "hidden_units": [8], "embedding": 2},
                "epochs": 1,
            },
            "read_source",
            first_hours,
            partial(changed_series, "values"),
            partial(changed_series, "missing"),
            # What comes after the first origin is unknown to its forecast; later windows may look back on it.
            asked=lambda windows: np.array([windows.origins.argmin()]),
            keys=lambda windows: {*asked_steps(windows).tolist()},
        ),
    )
}


@contextmanager
def few_ratings() -> Iterator[None]:
    """Make the sample of ratings small while it lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rating_reader, "rated_films", partial(rated_films, 60, 40, 1_000))
        yield
