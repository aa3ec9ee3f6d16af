"""Find out which columns of a table hold users, items, ratings and times."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from practicals.common.config import set_option
from practicals.common.data.csvtext import fold, listed, quote
from practicals.common.data.tables import header_places
from practicals.common.errors import DataError, did_you_mean

NAMES = {
    "user": ("user", "userid", "username", "reviewer", "reviewerid", "customer", "customerid", "member", "memberid"),
    "item": (
        "item", "itemid", "movie", "movieid", "film", "filmid", "product", "productid", "book", "bookid", "isbn",
        "asin", "song", "songid", "track", "trackid", "artist", "artistid", "game", "gameid",
    ),
    "rating": ("rating", "ratings", "score", "stars", "star", "overall", "vote", "grade"),
    "time": ("time", "timestamp", "date", "datetime", "unixreviewtime", "ratedat", "when"),
    "title": ("title", "itemtitle", "movietitle", "filmtitle", "booktitle"),
    "genres": ("genres", "genre"),
}  # fmt: skip
"""Headers by their meaning, without blanks, underscores and hyphens."""
NEEDED = ("user", "item", "rating")
SETTINGS = ("user", "item", "rating", "time")


def plain(name: str) -> str:
    """Return a header without regard to letter case, blanks, underscores and hyphens."""
    return re.sub(r"[\s_-]", "", fold(name))


def find_places(where: Path, header: list[str], names: dict[str, str], need_user: bool) -> dict[str, int]:
    """Return role -> place of its column: those that settings name, then those with a usual name."""
    if all(re.fullmatch(r"[\d.,+-]+", name.strip()) for name in header):
        raise DataError(
            f"{where}: row 1 holds numbers, {listed(header)}, where the names of the columns were expected. Put a "
            "first line such as `user,item,rating,time` there; of MovieLens 100K give the whole archive."
        )
    header_places(where, header)
    at: dict[str, int] = {}
    folded = [fold(name) for name in header]
    for role in SETTINGS:
        if wanted := names.get(role, ""):
            if fold(wanted) not in folded and not need_user:
                continue  # what was learnt from had such names; what is to be predicted for may have the usual ones
            if fold(wanted) not in folded:
                raise DataError(
                    f"{where}: column {quote(wanted)} is missing, which the setting {role} names."
                    f"{did_you_mean(wanted, [name.strip() for name in header if name.strip()])}"
                )
            place = folded.index(fold(wanted))
            if place in at.values():
                raise DataError(f"{where}: two settings name the column {quote(wanted)}. Name a column for each.")
            at[role] = place
    for role, usual in NAMES.items():
        found = [place for place, name in enumerate(header) if plain(name) in usual and place not in at.values()]
        if role in at or not found:
            continue
        if len(found) > 1 and role in SETTINGS:
            raise DataError(
                f"{where}: several columns may hold the {role}s: {listed([header[place] for place in found])}. "
                f"{_naming(role, need_user)}"
            )
        at[role] = found[0]
    # Where nothing else names the item, its title does.
    if "item" not in at and "title" in at:
        at["item"] = at.pop("title")
    for role in NEEDED:
        if role not in at and (role != "user" or need_user):
            raise DataError(_not_found(where, header, role, at, need_user))
    return at


def _naming(role: str, need_user: bool, column: str = "COLUMN") -> str:
    """Return how the column of a role can be told: by a setting where ratings are learnt from, else in the file."""
    return f"Name it with {set_option(role, column)}." if need_user else f"Call it {role} in the first row."


def _not_found(where: Path, header: list[str], role: str, at: dict[str, int], need_user: bool) -> str:
    rest = [name.strip() for place, name in enumerate(header) if name.strip() and place not in at.values()]

    def likeness(name: str) -> float:
        return max(difflib.SequenceMatcher(None, plain(name), usual).ratio() for usual in NAMES[role])

    nearest = max(rest, key=likeness, default="")
    known = [name.strip() for name in header if name.strip()]
    if nearest and likeness(nearest) >= 0.6:
        naming = _naming(role, need_user, nearest)
        hint = f"Did you mean {quote(nearest)}? Then {naming[0].lower()}{naming[1:]}"
    else:
        hint = _naming(role, need_user)
    return f"{where}: no column of {role}s was found among {listed(known)}. {hint}"
