"""What a run was made with: versions, device, seeds, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from typing import Any

from practicals.common.catalog import Practical
from practicals.common.config import PracticalConfig
from practicals.common.resources import PACKAGE

LIBRARIES = (
    "tensorflow", "keras", "keras-tuner", "scikit-learn", "pandas", "numpy", "imbalanced-learn", "lime", "shap",
)  # fmt: skip


def library_versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries that a result depends on."""
    from practicals import __version__

    return {
        "python": platform.python_version(),
        "keras-practicals": __version__,
        **{library: metadata.version(library) for library in LIBRARIES},
    }


def describe_environment(practical: Practical, config: PracticalConfig, device: str, command: str) -> dict[str, Any]:
    """Return what `environment.json` holds; the data follow when they have been read."""
    return {
        "practical": practical.name,
        "title": practical.question,
        "command": f"practicals {command}",
        "seed": config.seed,
        "split": {**config.split.model_dump(), "seed": config.split_seed},
        "device": device,
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "versions": library_versions(),
        "commit": _commit(),
    }


def _commit() -> str:
    """Return the commit of the checkout that the package runs from; "" when it is installed, or there is no git."""
    if not (PACKAGE.parent / ".git").exists():
        return ""
    try:
        asked = subprocess.run(
            ["git", "-C", str(PACKAGE.parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        )
    except OSError:  # a checkout that was copied to a machine without git
        return ""
    return asked.stdout.strip()
