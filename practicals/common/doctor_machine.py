"""What may be wrong with memory, disk, data and network of this machine. A part of `doctor`, and as sparing in imports.

It also runs where the libraries are missing, so all but the standard library is imported by the check that needs it.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from practicals.common.data.memory import memory_bytes

LEAST_MEMORY_GB = 4.0
LEAST_DISK_GB = 2.0
NETWORK_SECONDS = 1.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    """What to do, where something is wrong; a hint at most otherwise."""


def check_memory() -> Finding:
    """Check how much memory there is, or how much of it a container may use."""
    total = memory_bytes()
    if total is None:
        return Finding("memory", True, "this system does not say how much there is")
    shown = f"{total / 1e9:.1f} GB"
    if total / 1e9 >= LEAST_MEMORY_GB:
        return Finding("memory", True, shown)
    remedy = "Close other programs or give the container more; --smoke and smaller batches need less."
    return Finding("memory", False, f"{shown}; {LEAST_MEMORY_GB:.0f} GB is the least that trains well", remedy)


def check_disk(runs: Path) -> Finding:
    """Check the free space for runs. Makes no folder."""
    place = _nearest_folder(runs)
    free = shutil.disk_usage(place).free / 1e9
    if free < LEAST_DISK_GB:
        detail = f"{free:.1f} GB free in {place}; {LEAST_DISK_GB:.0f} GB is the least"
        return Finding("disk", False, detail, "Remove old runs, or choose another folder with --runs DIR.")
    if not _can_be_written(place):
        return Finding("disk", False, f"{place}: cannot be written", "Choose another folder with --runs DIR.")
    return Finding("disk", True, f"{free:.1f} GB free in {place}")


def check_cache() -> Iterator[Finding]:
    """Check that the cache can be written, and what is in it. Makes no folder."""
    from practicals.common.data.fetch import cache_folder

    cache = cache_folder()
    if _can_be_written(_nearest_folder(cache)):
        yield Finding("cache", True, f"{cache} can be written")
    else:
        remedy = "Set PRACTICALS_CACHE to a folder of your own."
        yield Finding("cache", False, f"{cache}: cannot be written", remedy)
    yield check_cached_data(cache)


def _can_be_written(place: Path) -> bool:
    # Only a folder where something can be both made and entered serves; a file in its place serves nobody.
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def _nearest_folder(path: Path) -> Path:
    """Return the path itself, or the nearest one above it that exists."""
    path = path.absolute()
    return next(one for one in (path, *path.parents) if one.exists())


def check_cached_data(cache: Path) -> Finding:
    """Check the sha256 of every data set in the cache. Fetches and moves nothing."""
    good, damaged = _inspect_all(cache)
    if damaged:
        remedy = "practicals data sets the bad copy aside and fetches a good one."
        return Finding("data", False, f"damaged in {cache}: {' '.join(damaged)}", remedy)
    return Finding("data", True, f"intact in the cache: {', '.join(good)}" if good else "nothing is cached yet")


def check_class_data(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check every folder that PRACTICALS_DATA names; nothing is found where it names none."""
    for text in environment.get("PRACTICALS_DATA", "").split(os.pathsep):
        if not text.strip():
            continue
        folder = Path(text.strip()).expanduser()
        if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
            detail = f"PRACTICALS_DATA: {folder}: is not a folder that can be read"
            yield Finding("class data", False, detail, "Correct it, or unset it: unset PRACTICALS_DATA")
            continue
        good, damaged = _inspect_all(folder)
        if damaged:
            remedy = "Replace them by good copies, or remove them; a run refuses them and never changes them."
            yield Finding("class data", False, f"damaged in {folder}: {' '.join(damaged)}", remedy)
        else:
            shown = f"intact in {folder}: {', '.join(good)}" if good else f"{folder} has none of the data sets"
            yield Finding("class data", True, shown)


def _inspect_all(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the data sets whose files in a folder are good, and of those with a damaged one."""
    from practicals.common.data.cards import card_names, load_card
    from practicals.common.data.fetch import inspect

    good: dict[str, None] = {}
    damaged: dict[str, None] = {}
    for name in card_names():
        for file in load_card(name).files:
            path = folder / file.path
            if path.is_file():
                (damaged if inspect(path, file)[1] else good)[name] = None
    return [name for name in good if name not in damaged], list(damaged)


def check_network() -> Iterator[Finding]:
    """See whether a data set's host answers. Offline is fine, so this is never a problem, only a note."""
    from practicals.common.data.cards import card_names, load_card

    url = next(url for name in card_names() for file in load_card(name).files for url in file.urls)
    proxy = getproxies().get("https", "")
    address = urlsplit(proxy if "://" in proxy else url)
    host = address.hostname or ""
    try:
        with socket.create_connection((host, address.port or 443), timeout=NETWORK_SECONDS):
            yield Finding("network", True, f"{host} answers")
    except OSError as error:
        yield offline(f"{host}: {error}")


def offline(reason: str) -> Finding:
    """Return the note that there is no network."""
    detail = f"data sets cannot be fetched ({reason}); cached data and the built-in sample still work"
    return Finding(
        "network",
        True,
        detail,
        "Behind a proxy set HTTPS_PROXY; offline set PRACTICALS_DATA to a folder with the data.",
    )
