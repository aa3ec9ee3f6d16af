"""Pictures on disk, all of one size, so that memory stays flat; and the cache that keeps them from run to run."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import sys
import tempfile
import weakref
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any, BinaryIO

import numpy as np

from practicals.common.data.fetch import cache_folder
from practicals.common.data.picture_decode import Pixels
from practicals.common.errors import DataError

if sys.platform != "win32":
    import fcntl

Integers = np.ndarray[Any, np.dtype[np.int64]]

ENTRIES_KEPT = 10
"""How many data sets, or sizes of one, the cache holds; of more, those that were not used for longest go."""
SECONDS_FOR_WRITING = 86_400.0
"""A temporary folder that was not written to for so long belongs to a process that was killed."""

_held: dict[Path, int] = {}  # entry that this process uses -> descriptor of its open index, see `_hold`


@dataclass(frozen=True)
class PictureStore:
    """Pictures of one size in a file. A read opens it, copies the wanted rows and closes it; threads may share it."""

    path: Path
    """A NumPy file (`.npy`) of levels, uint8."""
    shape: tuple[int, int, int, int]
    """(pictures, height, width, 3)"""

    def read(self, places: Integers) -> Pixels:
        """Return (k, height, width, 3), the pictures in these places.

        Raises:
            IndexError: a place is not in 0..pictures-1.
            DataError: the file is gone or was cut short.
        """
        places = np.asarray(places, dtype=np.int64)
        if len(places) and (places.min() < 0 or places.max() >= self.shape[0]):
            raise IndexError(f"places must lie in 0..{self.shape[0] - 1}")
        pixels = np.empty((len(places), *self.shape[1:]), np.uint8)
        try:
            # Reading row by row, and not through a map of the file, keeps what was read from counting as ours.
            with self.path.open("rb", buffering=0) as file:
                start, row = _skip_header(file), int(np.prod(self.shape[1:]))
                for place, picture in zip(places.tolist(), pixels, strict=True):
                    file.seek(start + place * row)
                    if file.readinto(picture.reshape(-1).data) != row:
                        raise DataError(f"{self.path}: was cut short. Start again: the pictures will be read anew.")
        except OSError as error:
            raise DataError(
                f"{self.path}: cannot be read ({error.strerror}). Start again: the pictures will be read anew."
            ) from None
        return pixels


def keep_until_exit(pictures: Iterable[Pixels], size: int) -> PictureStore:
    """Write pictures into a folder of this process; it goes with the store, at the latest when the process ends.

    Raises:
        DataError: there is no room for them.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="practicals-pictures-"))
        try:
            store, _ = _write(folder / "pixels.npy", pictures, size)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise DataError(
            f"{tempfile.gettempdir()}: pictures cannot be kept there ({error.strerror}). Free some space, or name "
            "another folder in TMPDIR."
        ) from None
    weakref.finalize(store, shutil.rmtree, folder, ignore_errors=True)
    return store


def find_in_cache(key: str) -> tuple[PictureStore, dict[str, Any]] | None:
    """Return the pictures kept under a key, and what was noted with them; None where there are none or damaged ones."""
    folder = cache_folder() / "pictures" / key
    try:
        _hold(folder)
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        rows, height, width, colours = index["shape"]
        store = PictureStore(folder / "pixels.npy", (rows, height, width, colours))
        if _checksum(store.path) != index["checksum"]:
            raise ValueError("the pixels are not those that were written")
        notes: dict[str, Any] = index["notes"]
    except (OSError, ValueError, LookupError, TypeError):
        _release(folder)
        return None
    with suppress(OSError):  # a cache that may only be read serves as well
        os.utime(folder / "index.json")
    return store, notes


def keep_in_cache(
    key: str, pictures: Iterable[Pixels], size: int, notes: dict[str, Any]
) -> tuple[PictureStore, dict[str, Any]]:
    """Write pictures into the cache, all or nothing, and return them as `find_in_cache` does from then on.

    Args:
        key: a name that stands for the content of the pictures.
        pictures: (size, size, 3) each, in order.
        size: their height and width.
        notes: what to keep with them, in plain JSON values; read when all pictures are written.

    Raises:
        DataError: the cache cannot be written.
    """
    folder = cache_folder() / "pictures"
    try:
        temporary = folder / f".{secrets.token_hex(4)}.{key}"
        try:
            temporary.mkdir(parents=True)
            store, checksum = _write(temporary / "pixels.npy", pictures, size)
            index = {"shape": store.shape, "checksum": checksum, "notes": notes}
            (temporary / "index.json").write_text(json.dumps(index), encoding="utf-8")
            found = _publish(temporary, folder / key)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _forget_old(folder)
    except OSError as error:
        raise DataError(
            f"{folder}: pictures cannot be kept there ({error.strerror}). Free some space, or name another folder in "
            "PRACTICALS_CACHE."
        ) from None
    return found


def _write(path: Path, pictures: Iterable[Pixels], size: int) -> tuple[PictureStore, int]:
    """Return the store and the checksum of its pixels."""
    rows = checksum = 0
    with path.open("wb") as file:
        _write_header(file, 0, size)
        for picture in pictures:
            if picture.shape != (size, size, 3) or picture.dtype != np.uint8:
                raise ValueError(f"a picture of {picture.shape}, {picture.dtype} where {size} x {size} was promised")
            content = picture.tobytes()
            checksum = zlib.crc32(content, checksum)
            file.write(content)
            rows += 1
        file.seek(0)
        _write_header(file, rows, size)
    return PictureStore(path, (rows, size, size, 3)), checksum


def _write_header(file: BinaryIO, rows: int, size: int) -> None:
    # NumPy leaves room for any number of rows in the header, so the last one fits where the first stood.
    header = {"descr": "|u1", "fortran_order": False, "shape": (rows, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _skip_header(file: BinaryIO) -> int:
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    return file.tell()


def _checksum(path: Path) -> int:
    with path.open("rb") as file:
        _skip_header(file)
        checksum = 0
        while block := file.read(2**20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _publish(temporary: Path, entry: Path) -> tuple[PictureStore, dict[str, Any]]:
    """Rename a written folder to its entry, unless another process has just put a good one there."""
    if found := find_in_cache(entry.name):
        return found
    if entry.exists():
        _remove(entry)
    try:
        temporary.rename(entry)
    except OSError:
        if not entry.exists():
            raise
    if found := find_in_cache(entry.name):
        return found
    raise OSError(errno.EIO, "what was written there cannot be read back")


def _hold(entry: Path) -> None:
    """Mark an entry as in use until this process ends, however it ends.

    On Windows a file that is open keeps its folder from being renamed; elsewhere a shared lock tells others.

    Raises:
        OSError: there is no such entry.
    """
    path = entry / "index.json"
    descriptor = _held.get(entry)
    if descriptor is None or not os.path.samestat(os.fstat(descriptor), path.stat()):
        _release(entry)
        descriptor = os.open(path, os.O_RDONLY)
        _held[entry] = descriptor
        if sys.platform != "win32":
            with suppress(OSError):  # some network drives know no locks
                fcntl.flock(descriptor, fcntl.LOCK_SH)
        # While this waited for the lock, the entry may have been removed.
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise FileNotFoundError(errno.ENOENT, "was removed", str(entry))


def _release(entry: Path) -> None:
    if entry in _held:
        os.close(_held.pop(entry))


def _forget_old(folder: Path) -> None:
    """Remove the entries beyond `ENTRIES_KEPT` that were not used for longest, and what killed processes left."""
    last_use: dict[Path, float] = {}
    for path in folder.iterdir():
        with suppress(OSError):
            last_use[path] = max(one.stat().st_mtime for one in (path, *path.iterdir()))
    entries = sorted((path for path in last_use if not path.name.startswith(".")), key=last_use.__getitem__)
    old = [path for path in entries[:-ENTRIES_KEPT] if path not in _held]
    left = [path for path in last_use if path.name.startswith(".") and last_use[path] < time() - SECONDS_FOR_WRITING]
    for path in (*old, *left):
        with suppress(OSError):
            _remove_unused(path)


def _remove_unused(entry: Path) -> None:
    """Remove an entry, or raise OSError where a process uses it."""
    index = entry / "index.json"
    if sys.platform == "win32" or not index.exists():
        _remove(entry)
    else:
        with index.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(entry)


def _remove(entry: Path) -> None:
    # Renamed first: half an entry is never found under its key, and on Windows this fails while a file in it is open.
    aside = entry.with_name(f".{secrets.token_hex(4)}.removed")
    entry.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
