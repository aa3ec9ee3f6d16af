"""A kit from which a machine without a network is set up: packages, data and pretrained weights in one folder.

A kit is software with data in it, so it holds only data that anyone may pass on, unless it is made for one class.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from practicals.common.console import quiet_native_stderr, say, warn
from practicals.common.data.archives import sha256_of
from practicals.common.data.cards import card_names, load_card
from practicals.common.data.fetch import cache_folder
from practicals.common.errors import DataError, PracticalError
from practicals.common.files import atomic_write, write_json
from practicals.common.resources import PACKAGE
from practicals.common.sharing import copy_verified, make_folder, share_data

KIT_FILE = "kit.json"
WEIGHTS = ("mobilenet_v2", 0.35, 224)
"""Network, width and picture size of the pretrained weights that `model: transfer` starts from by default."""
BUILD_TOOLS = ("hatchling", "editables")
"""What an editable install of the checkout needs beside the packages themselves."""


def make_kit(folder: Path, *, for_class: bool = False) -> dict[str, Any]:
    """Write everything that a machine without a network needs into one folder.

    Args:
        folder: a new or empty folder, or a kit of before, which is renewed.
        for_class: also take the data that only people who study together may share.

    Returns:
        what `kit.json` holds: `python`, `platform`, the names of `wheels`, `weights`, `data`, `left_out`, `missing`.

    Raises:
        PracticalError: this is no checkout, the folder holds other things, or pip cannot get every package.
    """
    checkout = PACKAGE.parent
    if not (checkout / "constraints.txt").is_file():
        raise PracticalError(f"{checkout}: is not a checkout of the practicals, from which alone a kit can be made.")
    folder = folder.resolve()
    make_folder(folder.parent)
    if folder.exists() and not (folder / KIT_FILE).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder}: is not empty and no kit. Name a new folder.")
    # Made beside its place and then renamed: a kit is whole or not there.
    fresh = folder.with_name(f".{secrets.token_hex(4)}.{folder.name}")
    before = fresh.with_name(f"{fresh.name}.before")
    try:
        say("Collecting the packages (about 1 GB) ...")
        collect_wheels(checkout, fresh / "wheels")
        shared = share_data(card_names(), fresh / "data", reach="class" if for_class else "anyone")
        for one in shared["data"]:
            one["path"] = Path(one["path"]).relative_to(fresh).as_posix()
        kit = {
            "python": ".".join(platform.python_version_tuple()[:2]),
            "platform": sysconfig.get_platform(),
            "wheels": sorted(path.name for path in (fresh / "wheels").glob("*.whl")),
            "weights": _collect_weights(fresh / "weights"),
            **shared,
        }
        write_json(fresh / KIT_FILE, kit)
        if folder.exists():
            folder.replace(before)
        fresh.replace(folder)
    finally:
        if before.exists() and not folder.exists():
            before.replace(folder)
        shutil.rmtree(before, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)
    return kit


def collect_wheels(checkout: Path, folder: Path) -> None:
    """Fill a folder with the wheels of the practicals and of all that they need.

    Raises:
        PracticalError: pip cannot get or build one of them.
    """
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--wheel-dir", str(folder), "--constraint", str(checkout / "constraints.txt")]
    command += [f"{checkout}[dev]", *BUILD_TOOLS]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = errors[-1] if errors else f"pip ended with {done.returncode}"
        raise PracticalError(f"kit: the packages cannot be collected ({reason}). A kit is made with a network.")


def _collect_weights(folder: Path) -> dict[str, str]:
    """Copy the pretrained weights; return name -> sha256, empty with a warning where there are none."""
    try:
        source = _pretrained()
    except DataError as error:
        warn(f"{error} The kit has none, so `model: transfer` needs a network.")
        return {}
    make_folder(folder)
    with atomic_write(folder / source.name) as temporary:
        shutil.copyfile(source, temporary)
    return {source.name: sha256_of(folder / source.name)}


def _pretrained() -> Path:
    with quiet_native_stderr():
        from practicals.common.training.pretrained import find_weights  # loads Keras
    return find_weights(*WEIGHTS, given=None)


def use_kit(folder: Path) -> dict[str, list[str]]:
    """Put a kit's data and weights where the practicals look for them: the cache, and Keras' own.

    Returns:
        `data` and `weights`: the paths of what is there now.

    Raises:
        DataError: the kit is unfinished or damaged.
    """
    kit = read_kit(folder)
    put: dict[str, list[str]] = {"data": [], "weights": []}
    for name in card_names():
        for file in load_card(name).files:
            source, target = folder / "data" / file.path, cache_folder() / file.path
            if source.is_file():
                copy_verified(source, target, file)
                put["data"].append(str(target))
    models = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models"
    for name, sha256 in kit["weights"].items():
        source, target = folder / "weights" / Path(name).name, models / Path(name).name
        if not source.is_file() or sha256_of(source) != sha256:
            raise DataError(f"{source}: is missing or damaged. Copy the kit again.")
        if not target.exists():
            make_folder(models)
            with atomic_write(target) as temporary:
                shutil.copyfile(source, temporary)
        put["weights"].append(str(target))
    return put


def read_kit(folder: Path) -> dict[str, Any]:
    """Return what a kit's `kit.json` says.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = folder / KIT_FILE
    try:
        kit = json.loads(path.read_text(encoding="utf-8"))
        weights = kit["weights"].items()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise DataError(
            f"{path}: is missing or damaged, so this is no finished kit. Make one: make offline-kit"
        ) from None
    return {**kit, "weights": {str(name): str(sha256) for name, sha256 in weights}}


def kit_command(options: argparse.Namespace) -> int:
    """`practicals kit FOLDER`: make a kit for machines without a network, or use one with `--use`."""
    if options.use:
        put = use_kit(options.folder)
        print(json.dumps(put, indent=2) if options.json else "\n".join([*put["data"], *put["weights"]]))
        return 0
    kit = make_kit(options.folder, for_class=options.for_class)
    if options.json:
        print(json.dumps(kit, indent=2))
        return 0
    print(f"{options.folder}: {len(kit['wheels'])} wheels for Python {kit['python']} on {kit['platform']}")
    print(f"  data      {', '.join(one['name'] for one in kit['data']) or 'none'}")
    print(f"  weights   {', '.join(kit['weights']) or 'none'}")
    for one in kit["left_out"]:
        print(f"  left out  {one['name']}: {one['terms']}")
    for one in kit["missing"]:
        print(f"  missing   {one['name']}")
    print(f"Without a network: make setup KIT={options.folder}")
    return 0
