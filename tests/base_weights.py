"""The weights of MobileNetV2 that somebody else has trained, where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BASE_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
# Read before a test changes the variable.
FOLDERS = tuple(Path(text) for text in os.environ.get("PRACTICALS_WEIGHTS", "").split(os.pathsep) if text)


def base_weights() -> Path:
    """Return where the file is; skips the test where it is not."""
    for folder in FOLDERS:
        if (folder / BASE_FILE).is_file():
            return folder / BASE_FILE
    pytest.skip(f"PRACTICALS_WEIGHTS names no folder with {BASE_FILE}")
