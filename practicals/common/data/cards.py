"""Cards: what is known about a data set before it is opened. One YAML file each, `datasets/<name>.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from practicals.common.config import Settings, read_yaml
from practicals.common.errors import DataError, did_you_mean
from practicals.common.resources import resource_folder

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Sharing = Literal["anyone", "class", "nobody"]


class Column(Settings):
    """One column of a table."""

    description: str
    """What the column says, in a few words."""
    unit: str = ""
    """The unit of its numbers; empty for categories, counts without a unit and identifiers."""


class CardFile(Settings):
    """One form in which the data circulates, a table or an archive: complete by itself."""

    path: str
    """Where it lies below a class folder or the cache, with forward slashes."""
    bytes: Annotated[int, Field(gt=0)]
    """Its usual size; a download that is much larger is broken off."""
    sha256: tuple[Sha256, ...]
    """Every accepted variant of the file, the usual one first."""
    urls: tuple[str, ...]
    """Addresses that need no login, tried in this order."""
    members: dict[str, Sha256] = Field(default_factory=dict)
    """For an archive: member -> sha256. A re-zip of the same members passes, a changed member does not."""
    members_sha256: Sha256 | None = None
    """For an archive of thousands: one sha256 over all its members, see `archives.members_digest`."""
    folders: dict[str, Annotated[int, Field(gt=0)]] = Field(default_factory=dict)
    """For an archive whose sha256 nobody has published: folder -> how many files lie in it. A copy passes when it has
    exactly `bytes`, every member is whole by its own checksum, and these counts hold; that it is the publisher's then
    rests on the encrypted connection alone."""
    expanded_bytes: Annotated[int, Field(ge=0)] = 0
    """For an archive: the most that all its members together may unpack to."""

    @pydantic.model_validator(mode="after")
    def _can_be_verified(self) -> Self:
        if not self.sha256 and not self.is_archive:
            raise ValueError("a file needs a sha256, an archive the sha256 of its members")
        if self.is_archive and not self.expanded_bytes:
            raise ValueError("an archive needs expanded_bytes, the limit for unpacking")
        return self

    @property
    def is_archive(self) -> bool:
        """Whether a copy with an unknown sha256 may still pass by what is inside."""
        return bool(self.members or self.members_sha256 or self.folders)


class Card(Settings):
    """A data set: where it comes from, what its terms allow, what it holds."""

    name: str
    """Name of the card, as in `practicals data NAME`."""
    title: str
    """Name of the data set for people."""
    about: str
    """What its rows are."""
    licence: str
    """The licence, or that none is stated."""
    terms: str
    """What a user of this package may do with it, in a sentence."""
    sharing: Sharing = "class"
    """How far the terms let copies go: to `anyone`, to `nobody`, or, as where no licence is stated, within a `class`
    that studies its own copy."""
    citation: str
    """How to cite it."""
    by_hand: str
    """One sentence that tells how to get the file without this program."""
    files: Annotated[tuple[CardFile, ...], Field(min_length=1)]
    """The forms in which it circulates, best first; any one is enough."""
    columns: dict[str, Column]
    """Every column in the order of the file; for pictures, what is known of each: `picture` and `class`."""
    rows: Annotated[int, Field(gt=0)]
    """How many rows, or pictures, a good copy has."""
    things: str = "rows"
    """What these are called, in the plural: `rows`, `pictures`."""
    target_counts: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Target column -> value -> in how many rows of a good copy. For pictures: `class` -> folder -> how many."""


def card_names() -> tuple[str, ...]:
    """Return the names of all cards, sorted."""
    return tuple(sorted(path.stem for path in resource_folder("datasets").glob("*.yaml")))


def load_card(name: str) -> Card:
    """Read the card of a data set.

    Raises:
        DataError: there is no card of this name; the nearest one is suggested.
    """
    names = card_names()
    if name not in names:
        raise DataError(f"{name}: there is no such data set.{did_you_mean(name, names)}")
    return Card.model_validate(read_yaml(resource_folder("datasets") / f"{name}.yaml"))
