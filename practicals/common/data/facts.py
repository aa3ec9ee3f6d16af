"""What a run notes down about its data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


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
