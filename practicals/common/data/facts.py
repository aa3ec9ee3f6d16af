"""What a run notes down about its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from practicals.common.console import say, warn

if TYPE_CHECKING:
    from practicals.common.data.fetch import Source


@dataclass(frozen=True)
class Facts:
    """Where rows came from and what was said about them on reading."""

    kind: str
    """`real`, `sample` or `own`."""
    file: str
    """Name of the file; of the card for a sample."""
    sha256: str
    """Of the file; of the rows for a sample."""
    rows: int
    notes: tuple[str, ...]
    """One sentence each: what was recognised, left out, counted."""
    licence: str
    citation: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "notes": list(self.notes)}


def facts_of(
    source: Source, *, sha256: str, rows: int, notes: Sequence[str], name: str | None = None, things: str = "file"
) -> Facts:
    """Return what a run notes down about a source.

    Args:
        source: where the rows came from.
        sha256: of the file; of the rows for a sample.
        rows: how many there are.
        notes: one sentence each.
        name: of the file, where it is not the last part of its path.
        things: what the user's own are called, such as `pictures`.
    """
    card = source.card
    licence, citation = {
        "real": (card.licence, card.citation),
        "own": (f"your own {things}", ""),
        "sample": ("generated, free to use", ""),
    }[source.kind]
    name = name or (source.path.name if source.path else f"{card.name} sample")
    return Facts(source.kind, name, sha256, rows, tuple(notes), licence, citation)


def tell_and_note(
    source: Source, *, sha256: str, rows: int, things: str, holds: str, notes: Sequence[str], losses: Sequence[str]
) -> Facts:
    """Tell the user what was read and what was noted on the way, and return it for the run folder.

    Args:
        source: where it came from.
        sha256: of the file; of the rows for a sample.
        rows: how many there are.
        things: what these are called, in the plural, such as `messages`.
        holds: what was read, in a few words.
        notes: one sentence each, what was recognised.
        losses: one sentence each, what was left out or cut; `--quiet` does not hide them.
    """
    facts = facts_of(source, sha256=sha256, rows=rows, notes=(*losses, *notes))
    told = {
        "real": f"{source.card.name}: real data",
        "own": f"{facts.file}: your own file",
        "sample": f"{source.card.name}: built-in sample of invented {things}, not the real data",
    }[source.kind]
    say(f"{told}, {holds}")
    for tell, sentences in ((say, notes), (warn, losses)):
        for sentence in sentences:
            tell(f"{source.path or facts.file}: {sentence}")
    return facts
