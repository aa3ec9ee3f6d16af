"""A folder of data for a class: what the terms of each card let people share, and what they leave out.

Data without a licence may be studied by a class from one copy of its own; some may be passed on by anyone, some by
nobody.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from practicals.common.data.cards import Card, CardFile, load_card
from practicals.common.data.fetch import fetch_report, inspect
from practicals.common.errors import DataError
from practicals.common.files import atomic_write, write_text

Shared = dict[str, list[dict[str, Any]]]
"""`data`, `left_out` and `missing`, a report for each data set."""


def share_data(names: Iterable[str], folder: Path, *, reach: Literal["anyone", "class"] = "class") -> Shared:
    """Copy data sets into a folder that then works as PRACTICALS_DATA, with their terms beside them in TERMS.md.

    Args:
        names: the cards wanted.
        folder: where they go, each under the path of its card; made where there is none.
        reach: who will get the folder. Data that may not go so far is left out.

    Returns:
        `data`: reports as of `fetch_report`, with the path of the copy; `left_out`: name, terms and how everyone gets
        it; `missing`: name and reason of what could not be had.

    Raises:
        DataError: the folder cannot be made, or holds a damaged file where a copy has to go.
    """
    make_folder(folder)
    result: Shared = {"data": [], "left_out": [], "missing": []}
    for name in names:
        card = load_card(name)
        if card.sharing not in ("anyone", reach):
            result["left_out"].append({"name": name, "terms": card.terms, "by_hand": card.by_hand})
            continue
        try:
            report = fetch_report(card)
        except DataError as error:
            result["missing"].append({"name": name, "reason": str(error)})
            continue
        file = _form(card, Path(report["path"]))
        copy_verified(Path(report["path"]), folder / file.path, file)
        result["data"].append({**report, "path": str(folder / file.path)})
    write_text(folder / "TERMS.md", terms_text(result))
    return result


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        DataError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror}). Name a folder that you may write.") from None


def copy_verified(source: Path, target: Path, file: CardFile) -> None:
    """Copy a file of a data set, unless a good copy is there.

    Raises:
        DataError: another file has its place, or what arrived is damaged.
    """
    if target.exists():
        if problem := inspect(target, file)[1]:
            raise DataError(f"{target}: {problem}. Remove it, then a good copy takes its place.")
        return
    make_folder(target.parent)
    with atomic_write(target) as temporary:
        shutil.copyfile(source, temporary)
        if problem := inspect(temporary, file)[1]:
            raise DataError(f"{source}: {problem}. Nothing was copied.")


def terms_text(result: Shared) -> str:
    """Return Markdown that tells what a folder holds, on which terms, and what it leaves out."""
    lines = ["# Terms of the data in this folder", "", "Set `PRACTICALS_DATA` to this folder to use it."]
    for one in result["data"]:
        lines += ["", f"## {one['title']} ({one['name']})", ""]
        lines += [f"- {field.capitalize()}: {one[field]}" for field in ("licence", "terms", "citation")]
    if result["left_out"]:
        lines += ["", "## Left out, since the terms do not let a copy go this far", ""]
        lines += [f"- {one['name']}: {one['terms']} {one['by_hand']}" for one in result["left_out"]]
    if result["missing"]:
        lines += ["", "## Could not be had", "", *(f"- {one['name']}: {one['reason']}" for one in result["missing"])]
    return "\n".join(lines) + "\n"


def shared_text(result: Shared, folder: Path) -> str:
    """Return what the terminal shows of a class folder."""
    lines = []
    for one in result["data"]:
        lines += [f"{one['name']}: {one['path']}", f"  terms     {one['terms']}"]
    for one in result["left_out"]:
        lines += [f"{one['name']}: left out", f"  terms     {one['terms']}", f"  by hand   {one['by_hand']}"]
    return "\n".join([*lines, "", f"{folder}: a class uses it by PRACTICALS_DATA={shlex.quote(str(folder.resolve()))}"])


def _form(card: Card, path: Path) -> CardFile:
    """Return the form of the data set that a path is a copy of."""
    return next(file for file in card.files if path.as_posix().endswith(f"/{file.path}"))
