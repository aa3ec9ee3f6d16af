"""Where configs and cards are: beside the package in a checkout, in the package data of an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def resource_folder(kind: str) -> Path:
    """Return the folder of `configs` or `datasets`.

    In a checkout (where `pyproject.toml` stands beside the package) the top-level folder is the one copy;
    a wheel carries the same folder inside the package.
    """
    checkout = PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / kind).is_dir():
        return checkout / kind
    return PACKAGE / "_resources" / kind
