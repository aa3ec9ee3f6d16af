"""Deep-learning course practicals: one module per practical, one shared layer in `practicals.common`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

__version__ = "0.1.0"
__all__ = ["__version__", "load_model"]


def load_model(path: str | Path) -> keras.Model:
    """Load a practical's `model.keras`: raw input in, prediction in the user's unit out.

    Registers the layers of this package first and loads in Keras' safe mode, so nothing in the file is executed.

    Raises:
        RunError: the file is missing, is not a Keras model, or needs layers that this package does not know.
    """
    from practicals.common.training import load_model as load

    return load(path)
