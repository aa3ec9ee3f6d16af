"""The doctor names what is wrong and what to do about it."""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from conftest import ROOT

from practicals.common import doctor, doctor_machine
from practicals.common.cli import build_parser
from practicals.common.data.cards import Card, CardFile

ANSWER = {"devices": ["CPU"], "backend": "tensorflow", "keras": "3.15.1"}


def installed(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], requires: list[str] | None = None) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", lambda name: requires)


def test_a_python_that_is_too_old_or_too_new_is_found():
    assert doctor.check_python((3, 11)).ok
    assert doctor.check_python((3, 13)).ok
    for version in ((3, 10), (3, 14)):
        finding = doctor.check_python(version)
        assert not finding.ok
        assert "3.11 to 3.13" in finding.detail
        assert "PYTHON=" in finding.remedy


def test_versions_within_the_ranges_are_fine(monkeypatch):
    installed(monkeypatch, {"numpy": "2.4.6", "tensorboard": "2.21.0"}, ["numpy<3,>=2.4", "tensorboard<2.22,>=2.21"])
    assert [finding.ok for finding in doctor.check_packages()] == [True, True]


def test_a_version_outside_its_range_is_named_with_the_command_that_mends_it(monkeypatch):
    installed(monkeypatch, {"numpy": "1.26.4", "tensorboard": "2.21.0"}, ["numpy<3,>=2.4", "tensorboard<2.22,>=2.21"])
    finding = next(one for one in doctor.check_packages() if one.name == "packages")
    assert not finding.ok
    assert "numpy 1.26.4" in finding.detail
    assert finding.remedy == f'{sys.executable} -m pip install "numpy<3,>=2.4"'


def test_missing_tensorboard_has_a_finding_of_its_own(monkeypatch):
    installed(monkeypatch, {"numpy": "2.4.6"}, ["numpy<3,>=2.4", "tensorboard<2.22,>=2.21"])
    tensorboard, packages = doctor.check_packages()
    assert (tensorboard.name, tensorboard.ok, packages.ok) == ("tensorboard", False, True)
    assert "tensorboard is missing" in tensorboard.detail
    assert 'pip install "tensorboard' in tensorboard.remedy


def test_requirements_of_extras_are_not_asked_for(monkeypatch):
    installed(monkeypatch, {"tensorboard": "2.21.0"}, ["tensorboard>=2.21", 'pytest>=9; extra == "dev"'])
    assert all(finding.ok for finding in doctor.check_packages())


def test_a_package_that_was_never_installed_is_found(monkeypatch):
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    (finding,) = doctor.check_packages()
    assert not finding.ok
    assert f'pip install -e "{ROOT}"' in finding.remedy


@pytest.mark.parametrize(
    ("environment", "versions", "word"),
    [
        ({"TF_USE_LEGACY_KERAS": "1"}, {"keras": "3.15.1"}, "unset TF_USE_LEGACY_KERAS"),
        ({"KERAS_BACKEND": "torch"}, {"keras": "3.15.1"}, "unset KERAS_BACKEND"),
        ({}, {"keras": "2.15.0"}, "install --upgrade keras"),
        ({}, {"keras": "3.15.1", "tf-keras": "2.20.1"}, "uninstall tf-keras"),
        ({}, {}, "install keras"),
    ],
)
def test_a_mixture_of_keras_2_and_3_or_another_backend_is_found(monkeypatch, environment, versions, word):
    installed(monkeypatch, versions)
    finding = doctor.check_keras(environment)
    assert not finding.ok
    assert word in finding.remedy


@pytest.mark.parametrize("environment", [{}, {"TF_USE_LEGACY_KERAS": "0"}, {"KERAS_BACKEND": "tensorflow"}])
def test_keras_3_alone_is_fine(monkeypatch, environment):
    installed(monkeypatch, {"keras": "3.15.1"})
    assert doctor.check_keras(environment).ok


def test_too_little_memory_is_found(monkeypatch):
    monkeypatch.setattr(doctor_machine, "memory_bytes", lambda: int(2.1e9))
    finding = doctor_machine.check_memory()
    assert not finding.ok
    assert finding.detail.startswith("2.1 GB")
    monkeypatch.setattr(doctor_machine, "memory_bytes", lambda: int(16e9))
    assert doctor_machine.check_memory().ok
    monkeypatch.setattr(doctor_machine, "memory_bytes", lambda: None)
    assert doctor_machine.check_memory().ok


def test_a_full_disk_is_found_and_no_folder_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda place: type("Usage", (), {"free": 0.3e9}))
    disk = doctor_machine.check_disk(tmp_path / "a" / "runs")
    assert not disk.ok
    assert "0.3 GB free" in disk.detail
    assert "--runs" in disk.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_runs_that_cannot_be_written_is_found(monkeypatch, tmp_path):
    assert doctor_machine.check_disk(tmp_path).ok
    # Permission bits do not bind the administrator, so the answer of the system is put in.
    monkeypatch.setattr(doctor_machine.os, "access", lambda place, mode: False)
    finding = doctor_machine.check_disk(tmp_path)
    assert not finding.ok
    assert "--runs" in finding.remedy


def test_a_cache_that_cannot_be_written_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("PRACTICALS_CACHE", str(tmp_path / "cache"))
    fine, _ = doctor_machine.check_cache()
    assert fine.ok
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    monkeypatch.setenv("PRACTICALS_CACHE", str(tmp_path / "file" / "cache"))
    below_a_file, _ = doctor_machine.check_cache()
    monkeypatch.setenv("PRACTICALS_CACHE", str(tmp_path))
    monkeypatch.setattr(doctor_machine.os, "access", lambda place, mode: False)
    forbidden, _ = doctor_machine.check_cache()
    for finding in (below_a_file, forbidden):
        assert not finding.ok
        assert "PRACTICALS_CACHE" in finding.remedy


@pytest.fixture
def toy_card(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Let there be one data set, toy/toy.csv; return what a good copy of it holds."""
    good = b"a,b\n1,2\n"
    file = CardFile(path="toy/toy.csv", bytes=len(good), sha256=(hashlib.sha256(good).hexdigest(),), urls=())
    card = Card.model_construct(name="toy", files=(file,))
    monkeypatch.setattr("practicals.common.data.cards.card_names", lambda: ("toy",))
    monkeypatch.setattr("practicals.common.data.cards.load_card", lambda name: card)
    return good


def test_damaged_cached_data_is_found_and_left_where_it_is(toy_card, tmp_path):
    assert doctor_machine.check_cached_data(tmp_path).detail == "nothing is cached yet"
    path = tmp_path / "toy" / "toy.csv"
    path.parent.mkdir()
    path.write_bytes(toy_card)
    assert doctor_machine.check_cached_data(tmp_path).ok
    path.write_bytes(toy_card[:-1])
    finding = doctor_machine.check_cached_data(tmp_path)
    assert not finding.ok
    assert "toy" in finding.detail
    assert parse(finding.remedy.partition(" sets ")[0]).command == "data"
    assert path.read_bytes() == toy_card[:-1]


def parse(command: str) -> argparse.Namespace:
    """Parse a command that a remedy names, as the program would."""
    program, *words = command.split()
    assert program == "practicals"
    return build_parser().parse_args(words)


def test_a_class_folder_is_looked_through_too(toy_card, tmp_path):
    path = tmp_path / "toy" / "toy.csv"
    path.parent.mkdir()
    path.write_bytes(toy_card)
    named = {"PRACTICALS_DATA": str(tmp_path)}
    (good,) = doctor_machine.check_class_data(named)
    assert good.ok
    assert "toy" in good.detail
    path.write_bytes(toy_card[1:])
    (damaged,) = doctor_machine.check_class_data(named)
    assert not damaged.ok
    assert damaged.remedy.startswith("Replace them")
    assert path.read_bytes() == toy_card[1:]


def test_a_class_folder_that_is_not_there_is_found_beside_a_good_one(toy_card, tmp_path):
    named = {"PRACTICALS_DATA": os.pathsep.join([str(tmp_path / "no"), str(tmp_path)])}
    missing, empty = doctor_machine.check_class_data(named)
    assert not missing.ok
    assert "unset PRACTICALS_DATA" in missing.remedy
    assert empty.ok
    assert list(doctor_machine.check_class_data({})) == []


def test_no_network_is_a_note_and_not_a_problem():
    (finding,) = doctor_machine.check_network()  # the tests have none
    assert finding.ok
    assert "still work" in finding.detail
    assert "PRACTICALS_DATA" in finding.remedy


def test_a_gpu_that_the_driver_shows_and_tensorflow_does_not_is_found():
    finding = doctor.check_device(0, json.dumps(ANSWER), "", "NVIDIA T4")
    assert not finding.ok
    assert "NVIDIA T4" in finding.detail
    assert "tensorflow[and-cuda]" in finding.remedy or "WSL2" in finding.remedy


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for nvidia-smi is a shell script")
def test_the_gpu_is_the_one_that_the_driver_names_and_a_driver_without_one_has_none(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for script, expected in (("echo NVIDIA H100; echo NVIDIA T4", "NVIDIA H100"), ("exit 9", ""), ("exit 0", "")):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        assert doctor._nvidia_gpu() == expected


def test_a_machine_without_a_gpu_is_fine():
    finding = doctor.check_device(0, "some notice\n" + json.dumps(ANSWER), "", "")
    assert finding.ok
    assert finding.detail == f"CPU ({os.cpu_count()} cores)"


def test_a_gpu_that_tensorflow_sees_is_fine():
    finding = doctor.check_device(0, json.dumps({**ANSWER, "devices": ["CPU", "GPU"]}), "", "NVIDIA T4")
    assert finding.ok
    assert finding.detail == "GPU (NVIDIA T4)"


def test_a_backend_chosen_in_the_keras_file_is_found():
    finding = doctor.check_device(0, json.dumps({**ANSWER, "backend": "jax"}), "", "")
    assert not finding.ok
    assert "keras.json" in finding.remedy


def test_a_tensorflow_that_cannot_be_imported_is_named_by_its_last_line():
    finding = doctor.check_device(1, "", "Traceback\nImportError: libfoo.so is missing\n", "")
    assert not finding.ok
    assert finding.detail.endswith("ImportError: libfoo.so is missing")
    too_old = doctor.check_device(-signal.SIGILL, "", "", "")
    assert "AVX" in too_old.detail


def test_all_checks_run_and_tensorflow_answers_from_its_own_process(tmp_path: Path):
    findings = {finding.name: finding for finding in doctor.run_checks(tmp_path / "runs")}
    assert {"python", "packages", "keras", "memory", "disk", "cache", "data", "device", "network"} <= set(findings)
    assert findings["device"].detail.startswith(("CPU", "GPU", "the driver shows"))


def test_the_doctor_works_where_the_libraries_do_not():
    program = "import sys, practicals.common.doctor as doctor; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(done.stdout))
    assert not loaded & {"tensorflow", "keras", "pandas", "numpy", "sklearn", "matplotlib"}


def test_the_doctor_names_what_is_missing_on_a_bare_python(tmp_path):
    # -S: no site-packages, so no library is found, as on a machine where nothing was installed yet.
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from practicals.common import cli, doctor\n"
        "doctor._ASK_TENSORFLOW = 'import a_tensorflow_that_is_not_there'\n"  # its process would find the libraries
        "sys.exit(cli.main(['doctor', '--json', '--runs', sys.argv[2]]))"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(ROOT), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    findings = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert not findings["packages"]["ok"]
    assert f'pip install -e "{ROOT}"' in findings["packages"]["remedy"]
    assert "TensorFlow cannot be imported" in findings["device"]["detail"]
    assert findings["python"]["ok"]
