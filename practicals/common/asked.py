"""What `predict` and `explain` are asked about: the inputs on the command line, read as the lesson reads them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from practicals.common.config import PracticalConfig
from practicals.common.data.ratings import Ratings
from practicals.common.data.split import Split
from practicals.common.errors import DataError
from practicals.common.run import Run
from practicals.common.workflow import saved_config

TOP = 10
"""Recommendations for each user."""
OWN = "of your own"


def load_data(run: Run, lesson: ModuleType, config: PracticalConfig) -> Any:
    """Return the data that a run was made with, divided as it was then: a `Split`.

    Raises:
        RunError: the data found now are others.
    """
    split = lesson.load(config)
    run.check_data(split.facts)
    return split


def recommends(lesson: ModuleType) -> bool:
    """Tell whether a lesson recommends items to users."""
    return hasattr(lesson, "read_likes")


def reader(lesson: ModuleType, run: Run, options: argparse.Namespace) -> Callable[[Any], Any]:
    """Return what reads the inputs of `predict`, given the model: files, or what was typed on the command line.

    Raises:
        DataError: there is nothing to read, or the lesson cannot read it.
    """
    name, paths = run.practical, options.inputs
    reads_messages = hasattr(lesson, "read_texts")
    if options.text and paths:
        raise DataError(f"--text: predict either for messages or for files ({paths[0]}), not for both.")
    for option, value in (("--user", options.user), ("--like", options.like)):
        if value is not None and paths:
            raise DataError(f"{option}: predict either for one user or for files ({paths[0]}), not for both.")
    if options.text and not reads_messages:
        raise DataError(f"--text: {name} reads no messages. Give files: `practicals predict {name} INPUT`.")
    if not recommends(lesson):
        _refuse_wishes(options, f"Give files: `practicals predict {name} INPUT`.", name)
    if options.text:
        return lambda model: lesson.read_texts(model, options.text)
    top = options.top or TOP
    if options.user is not None:
        return lambda model: lesson.read_user(
            model, load_data(run, lesson, saved_config(run, lesson)), options.user, top
        )
    if options.like is not None:
        return lambda model: lesson.read_likes(model, options.like, lesson.read_catalogue(model, run.items_path), top)
    if not paths:
        also = ', - for standard input, or --text "MESSAGE"' if reads_messages else ""
        if recommends(lesson):
            also = ', --user ID, or --like "TITLE=RATING"'
        raise DataError(f"predict {name}: nothing to predict for. Give a file{also}.")
    if Path("-") in paths and not reads_messages:
        raise DataError(f"-: {name} does not read standard input. Give files: `practicals predict {name} INPUT`.")
    if recommends(lesson):
        return lambda model: lesson.read_inputs(model, paths, lesson.read_catalogue(model, run.items_path), top)
    return lambda model: lesson.read_inputs(model, paths)


def _refuse_wishes(options: argparse.Namespace, instead: str, name: str) -> None:
    """Refuse the options that only a lesson that recommends has.

    Raises:
        DataError: one of them was given.
    """
    for option in ("user", "like", "item", "top"):
        if getattr(options, option, None) is not None:
            raise DataError(f"--{option}: {name} recommends nothing. {instead}")


def refuse_unread(table: pd.DataFrame) -> None:
    """Tell of the inputs that could not be read; the answers for all others have been given by then.

    Raises:
        DataError: there are such inputs. Their lines hold the reasons.
    """
    if "problem" not in table or not (table["problem"] != "").any():
        return
    unread = table[table["problem"] != ""]
    first = unread.iloc[0]
    raise DataError(
        f"{first.iloc[0]}: {first['problem']}. {len(unread)} of {len(table)} could not be read; the others "
        "have their predictions."
    )


def check_asked(lesson: ModuleType, run: Run, options: argparse.Namespace) -> None:
    """Refuse options of `explain` that the lesson or the other options give no meaning, before anything is loaded.

    Raises:
        DataError: there is such an option.
    """
    name = run.practical
    if options.text is not None and not hasattr(lesson, "read_texts"):
        raise DataError(f"--text: {name} reads no messages. Give --row ID or --input FILE.")
    if not recommends(lesson):
        _refuse_wishes(options, "Give --row ID or --input FILE.", name)
    if options.item is not None and (options.user, options.like, options.input) == (None, None, None):
        raise DataError('--item: for whom? Add --user ID, --like "TITLE=RATING" or --input FILE.')


def row_to_explain(lesson: ModuleType, run: Run, model: Any, split: Split[Any], options: argparse.Namespace) -> Any:
    """Return what `explain` is to explain, as a part of one row; None leaves the choice to the lesson.

    Raises:
        DataError: it is not there, or cannot be read.
    """
    if options.row is not None:
        return row_by_id(split, options.row)
    if options.text is not None:
        row = lesson.read_texts(model, [options.text])
        row.index = pd.Index([OWN])
        return row
    if recommends(lesson):
        return _pair_to_explain(lesson, run, model, split, options)
    if options.input:
        row = lesson.read_inputs(model, [options.input])[:1]
        refuse_unread(lesson.identify(row).assign(problem=getattr(row, "problems", "")))
        row.index = pd.Index([f"1 of {options.input.name}"])  # not to be taken for a row of the run's data
        return row
    return None


def _pair_to_explain(
    lesson: ModuleType, run: Run, model: Any, split: Split[Ratings], options: argparse.Namespace
) -> Ratings | None:
    """Return the pair of a user and an item: the first of the user's list, unless `--item` names another."""
    # Here, since it brings scikit-learn along, for which `practicals data` need not wait.
    from practicals.common.data.rating_requests import one_pair

    if options.user is not None:
        pairs = lesson.read_user(model, split, options.user, 1)
    elif options.like is not None:
        pairs = lesson.read_likes(model, options.like, lesson.read_catalogue(model, run.items_path), 1)
    elif options.input is not None:
        pairs = lesson.read_inputs(model, [options.input], lesson.read_catalogue(model, run.items_path), 1)
    else:
        return None
    given: Ratings = pairs.given
    user = int(given.users[0])
    pairs = pairs[pairs.users == user]
    if options.item is not None:
        try:
            item = given.catalogue.item_number(options.item)
        except DataError as error:
            raise DataError(f"--item {error}") from None
    elif len(pairs):
        item = int(pairs.items[0])
    else:
        raise DataError("explain: nothing is left to recommend to this user. Name one with --item TITLE.")
    pair = one_pair(given, user, item)
    whose = f"user {given.catalogue.users[user]}: {given.catalogue.titles[item]}"
    pair.index = pd.Index([OWN if options.user is None else whose])
    return pair


def row_by_id(split: Split[Any], wanted: str) -> Any:
    """Return what has this id in `predictions.csv`, as a part of one row.

    Raises:
        DataError: no part has it.
    """
    for _, rows in split.items():
        found = rows[rows.index.astype(str) == wanted]
        if len(found):
            return found
    examples = ", ".join(map(str, sorted(split.test.index)[:3]))
    raise DataError(f"--row {wanted}: there is no such row. Ids of the test part are {examples}, ...")
