"""What may be wrong with this machine, and what to do about it. Loads no TensorFlow: a child process asks it.

It also runs where the libraries are missing, so all but the standard library is imported by the check that needs it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "keras-practicals"
OLDEST, NEWEST = (3, 11), (3, 13)
LEAST_MEMORY_GB = 4.0
LEAST_DISK_GB = 2.0
DEVICE_SECONDS = 120.0
"""How long the first import of TensorFlow may take on a slow disk."""
NETWORK_SECONDS = 1.0

# The last line of stdout is the answer; TensorFlow may say what it likes before.
_ASK_TENSORFLOW = """
import json, tensorflow, keras
devices = [device.device_type for device in tensorflow.config.list_physical_devices()]
print(json.dumps({"devices": devices, "backend": keras.backend.backend(), "keras": keras.__version__}))
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    """What to do, where something is wrong; a hint at most otherwise."""


def run_checks(runs: Path = Path("runs")) -> list[Finding]:
    """Look at everything that a practical needs.

    Args:
        runs: where the user's run folders will be; only its free space is looked at.
    """
    child = _start_device_check()
    network: list[Finding] = []
    # Looking up a name can hang much longer than any timeout that sockets know, so nobody waits for this thread.
    look = threading.Thread(target=lambda: network.extend(_guarded("network", check_network)), daemon=True)
    look.start()
    findings = [
        check_python(sys.version_info[:2]),
        *_guarded("packages", check_packages),
        check_keras(os.environ),
        check_memory(),
        check_disk(runs),
        *_guarded("cache", check_cache),
        *_guarded("class data", lambda: check_class_data(os.environ)),
    ]
    findings.append(_finish_device_check(child))
    look.join(NETWORK_SECONDS)
    return [*findings, *(network or [_offline("no answer")])]


def _guarded(name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check finds; where a library is missing that the check itself needs, that is what it finds."""
    try:
        return list(check())
    except ImportError as error:
        missing = error.name or str(error)
        detail = f"cannot be checked: {missing} is missing in {sys.executable}"
        return [Finding(name, False, detail, f"{sys.executable} -m pip install {_source()}")]


def _source() -> str:
    """Return what pip installs the practicals from: the checkout that this runs in, or the name of the package."""
    checkout = Path(__file__).resolve().parents[2]
    return f'-e "{checkout}"' if (checkout / "pyproject.toml").is_file() else DISTRIBUTION


def check_python(version: tuple[int, int]) -> Finding:
    """Check the version (major, minor) of the interpreter."""
    shown = f"Python {version[0]}.{version[1]} at {sys.executable}"
    if OLDEST <= version <= NEWEST:
        return Finding("python", True, shown)
    return Finding(
        "python",
        False,
        f"{shown}; 3.{OLDEST[1]} to 3.{NEWEST[1]} is needed",
        f"Install Python 3.{NEWEST[1]} and set up again with it: make clean setup PYTHON=python3.{NEWEST[1]}",
    )


def check_packages() -> list[Finding]:
    """Compare the installed versions with the ranges of this package.

    TensorBoard has a finding of its own: keras-tuner fails without it, and TensorFlow no longer brings it.
    """
    from packaging.requirements import Requirement

    try:
        texts = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        detail = f"{DISTRIBUTION} is used from a folder, so its ranges of versions are not known"
        return [Finding("packages", False, detail, f"{sys.executable} -m pip install {_source()}")]
    needed = [Requirement(text) for text in texts]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [
        _check_versions("tensorboard", [one for one in needed if one.name == "tensorboard"]),
        _check_versions("packages", [one for one in needed if one.name != "tensorboard"]),
    ]


def _check_versions(name: str, needed: list[Requirement]) -> Finding:
    problems = {one: problem for one in needed if (problem := _version_problem(one))}
    if not problems:
        return Finding(name, True, ", ".join(f"{one.name} {metadata.version(one.name)}" for one in needed))
    wanted = " ".join(f'"{one.name}{one.specifier}"' for one in problems)
    return Finding(name, False, "; ".join(problems.values()), f"{sys.executable} -m pip install {wanted}")


def _version_problem(requirement: Requirement) -> str:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement.name} {version} is installed, {requirement.specifier} was tested"


def check_keras(environment: Mapping[str, str]) -> Finding:
    """Look for a mixture of Keras 2 and 3, and for another backend than TensorFlow."""
    legacy = environment.get("TF_USE_LEGACY_KERAS", "").strip().lower()
    if legacy not in ("", "0", "false"):
        detail = f"TF_USE_LEGACY_KERAS={legacy} makes TensorFlow use Keras 2; the practicals are written for Keras 3"
        return Finding("keras", False, detail, "Unset it: unset TF_USE_LEGACY_KERAS")
    backend = environment.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        detail = f"KERAS_BACKEND={backend}; the practicals need tensorflow"
        return Finding("keras", False, detail, "Unset it: unset KERAS_BACKEND")
    try:
        version = metadata.version("keras")
    except metadata.PackageNotFoundError:
        return Finding("keras", False, "keras is missing", f"{sys.executable} -m pip install keras")
    if version.startswith(("0.", "1.", "2.")):
        detail = f"Keras {version} is installed; the practicals are written for Keras 3"
        return Finding("keras", False, detail, f"{sys.executable} -m pip install --upgrade keras")
    try:
        second = metadata.version("tf-keras")
    except metadata.PackageNotFoundError:
        return Finding("keras", True, f"Keras {version}")
    detail = f"Keras {version}, and Keras 2 beside it as tf-keras {second}: what one saves the other cannot load"
    return Finding("keras", False, detail, f"{sys.executable} -m pip uninstall tf-keras")


def check_memory() -> Finding:
    """Check how much memory there is, or how much of it a container may use."""
    total = _memory_bytes()
    if total is None:
        return Finding("memory", True, "this system does not say how much there is")
    shown = f"{total / 1e9:.1f} GB"
    if total / 1e9 >= LEAST_MEMORY_GB:
        return Finding("memory", True, shown)
    remedy = "Close other programs or give the container more; --smoke and smaller batches need less."
    return Finding("memory", False, f"{shown}; {LEAST_MEMORY_GB:.0f} GB is the least that trains well", remedy)


def _memory_bytes() -> int | None:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    limit = Path("/sys/fs/cgroup/memory.max")  # what a container may use, which can be far less than there is
    try:
        text = limit.read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(text)) if text.isdigit() else total


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
        yield _offline(f"{host}: {error}")


def _offline(reason: str) -> Finding:
    detail = f"data sets cannot be fetched ({reason}); cached data and the built-in sample still work"
    return Finding(
        "network",
        True,
        detail,
        "Behind a proxy set HTTPS_PROXY; offline set PRACTICALS_DATA to a folder with the data.",
    )


def _start_device_check() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _ASK_TENSORFLOW],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def _finish_device_check(child: subprocess.Popen[str]) -> Finding:
    try:
        out, err = child.communicate(timeout=DEVICE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        detail = f"importing TensorFlow took more than {DEVICE_SECONDS:.0f} s"
        return Finding("device", False, detail, "Try again; if it stays so, the disk is slow or memory is short.")
    return check_device(child.returncode, out, err, _nvidia_gpu())


def check_device(code: int, out: str, err: str, driver: str) -> Finding:
    """Judge what the child process said about TensorFlow's devices.

    Args:
        code: its exit status.
        out: its stdout, JSON in the last line.
        err: its stderr.
        driver: the GPU that the NVIDIA driver shows; empty without one.
    """
    if code != 0:
        if code == -getattr(signal, "SIGILL", 4):
            detail = "TensorFlow needs processor instructions (AVX) that this machine or emulator does not have"
            return Finding("device", False, detail, "Use another machine, or a Python built for this processor.")
        last = (err.strip().splitlines() or [f"exit status {code}"])[-1]
        remedy = f"{sys.executable} -m pip install --force-reinstall tensorflow keras"
        return Finding("device", False, f"TensorFlow cannot be imported: {last}", remedy)
    answer: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    if answer["backend"] != "tensorflow":
        detail = f"Keras uses the backend {answer['backend']}; the practicals need tensorflow"
        return Finding("device", False, detail, 'Set "backend": "tensorflow" in ~/.keras/keras.json.')
    if "GPU" in answer["devices"]:
        return Finding("device", True, f"GPU{f' ({driver})' if driver else ''}")
    if not driver:
        return Finding("device", True, f"CPU ({os.cpu_count()} cores)")
    detail = f"the driver shows {driver}, but TensorFlow does not see it"
    if sys.platform == "win32":
        return Finding("device", False, detail, "TensorFlow has no GPU support on native Windows: use WSL2.")
    remedy = f"{sys.executable} -m pip install 'tensorflow[and-cuda]=={metadata.version('tensorflow')}'"
    return Finding("device", False, detail, remedy)


def _nvidia_gpu() -> str:
    """Return the first GPU that the NVIDIA driver shows; empty without a driver or a GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        listed = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return listed.stdout.strip().splitlines()[0] if listed.returncode == 0 and listed.stdout.strip() else ""


def doctor_command(options: argparse.Namespace) -> int:
    """`practicals doctor`: what may be wrong with this machine, and what to do about it."""
    findings = run_checks(options.runs)
    if options.json:
        print(json.dumps({"findings": [vars(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'MEND'}  {finding.name}: {finding.detail}")
            if finding.remedy:
                print(f"      {finding.remedy}")
    return 0 if all(finding.ok for finding in findings) else 2
