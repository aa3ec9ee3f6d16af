"""A disk that is full or may not be written ends a command in one line that names the place, and leaves no half file.

The disks are small ones in memory, which the kernel mounts for one child process alone.
"""

from __future__ import annotations

import functools
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRACTICALS = f"{shlex.quote(sys.executable)} -m practicals"
TINY = "--data sample --smoke --set epochs=2 --quiet"


@functools.cache
def can_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    asked = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def on_a_disk(disk: Path, size: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script with an empty disk mounted at `disk`, also in $DISK; nobody else sees that disk."""
    if not can_mount():
        pytest.skip("no disk can be mounted here: that needs Linux and its user namespaces")
    disk.mkdir()
    mounted = f'set -u; mount -t tmpfs -o size={size} none "$DISK" || exit 99; {script}'
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "env", f"DISK={disk}", "sh", "-c", mounted],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], disk: Path, reason: str) -> None:
    """Fail unless the command ended with 2 and one line on the place and the reason, and left no half-written file.

    The script's last lines of stdout are what is left on the disk.
    """
    assert done.returncode == 2, f"{done.returncode}: {done.stderr[-2000:]}"
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr, done.stderr[-2000:]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and done.stderr.splitlines()[-1] == errors[0], done.stderr[-2000:]
    assert str(disk) in errors[0] and reason in errors[0], errors[0]
    left = [Path(line) for line in done.stdout.splitlines() if line.startswith(f"{disk}/")]
    assert not [path for path in left if re.match(r"\.[0-9a-f]{8}\.", path.name)], left


LEFT = 'code=$?; find "$DISK" -type f; exit $code'
FULL, READ_ONLY = "No space left on device", "Read-only file system"
PICTURES = """
import sys
import numpy as np
from practicals.common.data.cards import load_card
from practicals.common.data.fetch import locate
from practicals.common.data.pictures import read_pictures
from practicals.common.errors import PracticalError
try:
    source = locate(load_card("cats_dogs"), "sample")
    read_pictures(source, size=64, resize=lambda pixels: np.resize(pixels, (64, 64, 3)))
except PracticalError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
"""


@pytest.mark.parametrize(
    ("before", "reason"), [(":", FULL), ('mount -o remount,ro "$DISK"', READ_ONLY)], ids=["full", "read-only"]
)
def test_a_cache_without_room_for_pictures_is_named(tmp_path: Path, before: str, reason: str) -> None:
    disk = tmp_path / "disk"
    child = f"{shlex.quote(sys.executable)} -c {shlex.quote(PICTURES)}"
    done = on_a_disk(disk, "1m", f'{before}; PRACTICALS_CACHE="$DISK/cache" {child}; {LEFT}')
    assert_one_line(done, disk, reason)


@pytest.mark.parametrize(
    ("before", "reason"), [(":", FULL), ('mount -o remount,ro "$DISK"', READ_ONLY)], ids=["full", "read-only"]
)
def test_a_class_folder_without_room_is_named(
    tmp_path: Path, before: str, reason: str, real_data: Callable[[str], Path]
) -> None:
    real_data("churn/Churn_Modelling.csv")
    disk = tmp_path / "disk"
    done = on_a_disk(disk, "64k", f'{before}; {PRACTICALS} data churn --to "$DISK/class"; {LEFT}')
    assert_one_line(done, disk, reason)


def test_a_notebook_without_room_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    script = f'head -c 60000 /dev/zero > "$DISK/filler"; {PRACTICALS} notebook churn --output "$DISK/a.ipynb"; {LEFT}'
    assert_one_line(on_a_disk(disk, "64k", script), disk, FULL)


@pytest.mark.slow(reason="trains")
@pytest.mark.parametrize("size", ["16k", "200k"])
@pytest.mark.parametrize("command", ["run churn", "tune churn --trials 2"])
def test_a_full_disk_ends_training_in_one_line(tmp_path: Path, command: str, size: str) -> None:
    disk = tmp_path / "disk"
    done = on_a_disk(disk, size, f'{PRACTICALS} {command} {TINY} --runs "$DISK/runs"; {LEFT}')
    assert_one_line(done, disk, FULL)


@pytest.mark.slow(reason="trains")
@pytest.mark.parametrize("command", ["run churn", "tune churn --trials 2"])
def test_a_read_only_folder_ends_training_in_one_line(tmp_path: Path, command: str) -> None:
    disk = tmp_path / "disk"
    script = f'mount -o remount,ro "$DISK"; {PRACTICALS} {command} {TINY} --runs "$DISK/runs"; {LEFT}'
    assert_one_line(on_a_disk(disk, "1m", script), disk, READ_ONLY)


@pytest.mark.slow(reason="trains")
def test_a_run_that_met_a_full_disk_is_continued_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    script = (
        f'{PRACTICALS} run churn {TINY} --runs "$DISK/runs"; [ $? = 2 ] || exit 98; '
        'mount -o remount,size=20m "$DISK"; '
        f'{PRACTICALS} run churn --quiet --resume "$DISK"/runs/churn/*; code=$?; ls "$DISK"/runs/churn/*; exit $code'
    )
    done = on_a_disk(disk, "200k", script)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "metrics.json" in done.stdout.split()


@pytest.mark.slow(reason="trains")
def test_a_search_that_met_a_full_disk_is_continued_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    script = (
        f'{PRACTICALS} tune churn --trials 2 {TINY} --runs "$DISK/runs"; [ $? = 2 ] || exit 98; '
        'mount -o remount,size=20m "$DISK"; '
        f'{PRACTICALS} tune churn --resume --json --quiet --runs "$DISK/runs"'
    )
    done = on_a_disk(disk, "200k", script)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    assert '"leaderboard"' in done.stdout
    (told,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert told.endswith(f"continue with: practicals tune churn --resume --runs {disk}/runs")
