"""Weights that somebody else has trained: found, fetched, and put into a network of the same form."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import tempfile
from pathlib import Path

import keras

from practicals.common.console import say
from practicals.common.errors import ConfigError, DataError

ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/"
OFFICIAL_SIZES = (96, 128, 160, 192, 224)
"""Sides of the pictures, in pixels, that MobileNetV2 was trained on; other sizes start from the last."""
VGG16_MD5 = "6d6bbae143d832006294945121d1f1fc"
"""As Keras states it. It states none for MobileNetV2."""
SILENT_SECONDS = 15.0


def find_weights(architecture: str, width: float, size: int, given: str | None) -> Path:
    """Return the file with the ImageNet weights of a network without its top.

    Looked for, in this order: what was given; the folders of the environment variable PRACTICALS_WEIGHTS; Keras' own
    cache; Keras' address, from where it is fetched into that cache.

    Args:
        architecture: `mobilenet_v2` or `vgg16`.
        width: how many filters MobileNetV2 has, as a share of the usual number (its alpha).
        size: side of the pictures in pixels.
        given: path of a file or of a folder with files named as Keras names them; None to look around.

    Raises:
        DataError: what was given does not exist or holds no such file, or none is at hand and none can be fetched.
    """
    names = _names(architecture, width, size)
    if given:
        path = Path(given).expanduser()
        if path.is_file():
            return path
        found = _first(path, names) if path.is_dir() else None
        if found is None:
            what = f"holds none of {', '.join(names)}" if path.is_dir() else "there is no such file or folder"
            raise DataError(f"{path}: {what}. Give weights=FILE, a file of {architecture} without its top.")
        return found
    for folder in (*weights_folders(), *(cache / "models" for cache in _keras_caches())):
        found = _first(folder, names)
        if found is not None:
            return found
    return _fetch(architecture, names[0])


def load_base_weights(base: keras.Model, path: Path) -> None:
    """Put weights from a file into a network.

    Raises:
        ConfigError: the file is damaged, or holds the weights of another network.
    """
    try:
        base.load_weights(path)
    # Keras reads what the file says, so a foreign or damaged file can raise anything.
    except Exception as error:
        reason = (str(error).strip().split("\n")[0] or type(error).__name__).rstrip(".")[:160]
        raise ConfigError(
            f"{path}: does not hold the weights of {base.name} ({reason}). Choose the base and width that they belong "
            "to, or give another file with --set weights=FILE."
        ) from None


def weights_folders() -> list[Path]:
    """Return the folders of the environment variable PRACTICALS_WEIGHTS."""
    given = os.environ.get("PRACTICALS_WEIGHTS", "").split(os.pathsep)
    return [Path(text).expanduser() for text in given if text]


def _keras_caches() -> list[Path]:
    """Return Keras' own cache, and the one that it takes instead where that cannot be written."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    return [home] if os.access(home, os.W_OK) else [home, Path(tempfile.gettempdir(), ".keras")]


def _names(architecture: str, width: float, size: int) -> list[str]:
    if architecture == "vgg16":
        return ["vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"]
    sizes = dict.fromkeys((size if size in OFFICIAL_SIZES else OFFICIAL_SIZES[-1], OFFICIAL_SIZES[-1]))
    return [f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(width)}_{side}_no_top.h5" for side in sizes]


def _first(folder: Path, names: list[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _fetch(architecture: str, name: str) -> Path:
    address = f"{ADDRESS}{architecture}/{name}"
    say(f"fetching {name} from {address.split('/')[2]}")
    cache = _keras_caches()[0]
    # Another name until it is whole: a second run looks for the file meanwhile, and this one may be killed.
    unfinished = f".{secrets.token_hex(4)}.{name}"
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENT_SECONDS)  # Keras itself would wait for ever
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where results go, progress must not
            digest = VGG16_MD5 if architecture == "vgg16" else None
            fetched = keras.utils.get_file(
                unfinished, address, cache_subdir="models", cache_dir=str(cache), file_hash=digest
            )
        return Path(fetched).replace(Path(fetched).with_name(name))
    except Exception as error:  # urllib's, socket's, and the plain Exception that Keras makes of some of them
        reason = str(error).split(" -- ")[-1][:120]
        raise DataError(
            f"weights: {name} is not on this machine and cannot be fetched ({reason}). Put it into a folder and set "
            "PRACTICALS_WEIGHTS to that, or give its path with --set weights=FILE."
        ) from None
    finally:
        (cache / "models" / unfinished).unlink(missing_ok=True)  # Keras leaves a file whose sum is wrong
        socket.setdefaulttimeout(before)
