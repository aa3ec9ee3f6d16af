"""What may be wrong with this machine, and what to do about it. Loads no TensorFlow: a child process asks it.

It also runs where the libraries are missing, so all but the standard library is imported by the check that needs it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from practicals.common.doctor_machine import (
    NETWORK_SECONDS,
    Finding,
    check_cache,
    check_class_data,
    check_disk,
    check_memory,
    check_network,
    offline,
)

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "keras-practicals"
OLDEST, NEWEST = (3, 11), (3, 13)
DEVICE_SECONDS = 120.0
"""How long the first import of TensorFlow may take on a slow disk."""

# The last line of stdout is the answer; TensorFlow may say what it likes before.
_ASK_TENSORFLOW = """
import json, tensorflow, keras
devices = [device.device_type for device in tensorflow.config.list_physical_devices()]
print(json.dumps({"devices": devices, "backend": keras.backend.backend(), "keras": keras.__version__}))
"""


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
    return [*findings, *(network or [offline("no answer")])]


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
