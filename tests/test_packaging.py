"""The wheel carries configs, cards and templates, no data, and works from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from practicals import __version__


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with sdist and wheel; the wheel is built from the sdist, as a user's pip would."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        text=True,
    )
    return folder


@pytest.fixture(scope="module")
def in_wheel(built: Path) -> set[str]:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def in_sdist(built: Path) -> set[str]:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def below(folder: str, *patterns: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for pattern in patterns for path in (ROOT / folder).rglob(pattern)}


def test_the_wheel_has_every_module_template_config_and_card(in_wheel):
    expected = below("practicals", "*.py", "*.j2", "*.css", "*.js")
    expected |= {f"practicals/_resources/{name}" for name in below("configs", "*.yaml")}
    expected |= {f"practicals/_resources/{name}" for name in below("datasets", "*.yaml", "README.md")}
    assert expected <= in_wheel
    assert any(name.endswith(".j2") for name in in_wheel)
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in in_wheel)


def test_neither_archive_has_data_or_runs(in_wheel, in_sdist):
    data = (".csv", ".zip", ".xlsx", ".keras", ".h5", ".npz", ".jpg", ".ipynb")
    names = {name for name in in_wheel | in_sdist if not name.startswith("tests/")}
    assert not [name for name in names if name.lower().endswith(data)]
    assert not [name for name in in_wheel | in_sdist if name.startswith(("runs/", ".venv/"))]


def test_the_sdist_has_all_that_is_needed_to_build_and_test(in_sdist):
    assert {"pyproject.toml", "constraints.txt", "Makefile", "LICENSE", "README.md", ".ci/run"} <= in_sdist
    assert below("practicals", "*.py", "*.j2", "*.css", "*.js") | below("configs", "*.yaml") <= in_sdist
    assert below("datasets", "*.yaml") | below("tests", "*.py") <= in_sdist


def test_an_installed_wheel_finds_its_configs_and_cards_from_any_folder(built, tmp_path):
    target = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run(
        [*install, str(next(built.glob("*.whl")))],
        check=True,
        capture_output=True,
    )
    program = (
        "import practicals\n"
        "from practicals.common.config import PracticalConfig, load_config, read_yaml\n"
        "from practicals.common.data.cards import card_names, load_card\n"
        "from practicals.common.resources import resource_folder\n"
        "from practicals.common.cli import main\n"
        "print(practicals.__file__)\n"
        "print(resource_folder('configs'))\n"
        "assert read_yaml(resource_folder('configs') / 'smoke' / 'churn.yaml')\n"
        "assert [load_card(name).name for name in card_names()]\n"
        "assert main(['list']) == 0\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    module, configs, *_ = done.stdout.splitlines()
    assert Path(module).is_relative_to(target)
    assert Path(configs).is_relative_to(target)
    assert list(elsewhere.iterdir()) == []


def test_an_editable_install_has_the_command_and_reads_the_checkout_itself(tmp_path):
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run(
        [*install, "--ignore-installed", "--prefix", str(tmp_path), "--editable", str(ROOT)],
        check=True,
        capture_output=True,
    )
    (link,) = tmp_path.rglob("*keras_practicals*.pth")
    assert next(tmp_path.glob("*/practicals*")).is_file()  # the command, in bin or Scripts
    assert not list(tmp_path.rglob("_resources"))  # copies would go stale
    program = (
        "import site, sys\n"
        "site.addsitedir(sys.argv[1])\n"
        "from practicals.common.resources import resource_folder\n"
        "print(resource_folder('configs'))\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, "-c", program, str(link.parent)]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == ROOT / "configs"


def test_the_wheel_says_the_version_and_starts_the_command_line(built):
    wheel = next(built.glob("*.whl"))
    assert f"-{__version__}-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "practicals = practicals.common.cli:main" in archive.read(entry_points).decode()


def test_every_exact_version_lies_within_its_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    pins = {canonicalize_name(name): version for name, version in pairs}
    assert all(Version(version) for version in pins.values())
    for text in project["dependencies"] + [
        text for extra in project["optional-dependencies"].values() for text in extra
    ]:
        needed = Requirement(text)
        pinned = pins.get(canonicalize_name(needed.name))
        assert pinned, f"{needed.name} has no exact version in constraints.txt"
        assert needed.specifier.contains(pinned, prereleases=True), text


def test_the_ten_libraries_of_the_course_are_direct_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {Requirement(text).name.lower() for text in project["dependencies"]}
    assert {"tensorflow", "keras", "keras-tuner", "scikit-learn", "pandas", "numpy"} <= direct
    assert {"matplotlib", "imbalanced-learn", "lime", "shap", "tensorboard"} <= direct


def test_set_up_files_name_no_address():
    for name in ("constraints.txt", "pyproject.toml", "Makefile", ".ci/run", ".pre-commit-config.yaml"):
        assert "://" not in (ROOT / name).read_text(encoding="utf-8"), name
