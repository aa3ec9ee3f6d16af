"""Who may import whom, and what must not be loaded: cli -> catalog -> lessons -> common."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from conftest import ROOT

from practicals.common.catalog import CATALOG

PACKAGE = ROOT / "practicals"
COMMON = PACKAGE / "common"
# In `common`, only these may name Keras or TensorFlow, and only these may be imported without loading them.
KERAS = ("keras", "tensorflow", "keras_tuner")
MAY_IMPORT_KERAS = (
    "layers/", "places.py", "callbacks.py", "training/", "trials.py", "tuner.py", "explain/",
    "rating_layers.py", "rating_answers.py", "rating_gallery.py", "export.py", "export_onnx.py",
)  # fmt: skip
KERAS_MODULES = (
    "layers", "places", "callbacks", "training", "trials", "tuner", "rating_layers", "rating_answers", "rating_gallery",
    "export", "export_onnx",
)  # fmt: skip
KERAS_IN_COMMON = tuple(f"practicals.common.{name}" for name in KERAS_MODULES)
# What is only started by a command that trains or predicts, and imports Keras inside a function.
LAZY_KERAS = ("workflow.py", "commands.py")


@functools.cache
def imports(path: Path, *, at_module_level: bool = False) -> frozenset[str]:
    """Return the full names of all modules that a file imports: "practicals.common.run", "keras"."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes: list[ast.AST] = list(ast.walk(tree))
    if at_module_level:
        inner = {id(node) for one in nodes if isinstance(one, ast.FunctionDef) for node in ast.walk(one)}
        # What stands below `if TYPE_CHECKING:` is for readers and mypy, and is never run.
        inner |= {
            id(node)
            for one in nodes
            if isinstance(one, ast.If) and isinstance(one.test, ast.Name) and one.test.id == "TYPE_CHECKING"
            for node in ast.walk(one)
        }
        nodes = [node for node in nodes if id(node) not in inner]
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write it in full"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def top(names: Iterable[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def common_files() -> list[Path]:
    return sorted(COMMON.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(COMMON).as_posix()


def test_common_never_imports_a_lesson():
    lessons = {f"practicals.{name}" for name in CATALOG}
    for path in common_files():
        assert not {name for name in imports(path) if any(name == one or name.startswith(f"{one}.") for one in lessons)}


def test_a_lesson_imports_neither_another_lesson_nor_the_command_line():
    upper = {"practicals.common.cli", "practicals.common.catalog", "practicals.common.workflow"}
    for name in CATALOG:
        others = {f"practicals.{other}" for other in CATALOG if other != name}
        assert not imports(PACKAGE / f"{name}.py") & (others | upper)


def test_only_the_command_line_and_what_starts_lessons_imports_the_catalog():
    allowed = {"cli.py", "commands.py", "tuning.py", "workflow.py", "environment.py", "notebook.py"}
    users = {relative(path) for path in common_files() if "practicals.common.catalog" in imports(path)}
    assert users <= allowed


def test_only_the_named_modules_of_common_import_keras():
    for path in common_files():
        name = relative(path)
        if not name.startswith(MAY_IMPORT_KERAS):
            loaded = top(imports(path, at_module_level=name in LAZY_KERAS))
            assert not loaded & set(KERAS), f"{name} imports {loaded & set(KERAS)}"


def test_no_module_of_common_loads_keras_through_another():
    # The package's own module-level imports, followed from file to file.
    def path_of(module: str) -> Path | None:
        base = ROOT / Path(*module.split("."))
        return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)

    def reached(path: Path) -> set[Path]:
        seen, waiting = set(), {path}
        while waiting:
            seen |= waiting
            names = {name for one in waiting for name in imports(one, at_module_level=True)}
            waiting = {found for name in names if name.startswith("practicals") and (found := path_of(name))} - seen
        return seen

    for path in common_files():
        if not relative(path).startswith(MAY_IMPORT_KERAS):
            for one in reached(path):
                assert not top(imports(one, at_module_level=True)) & set(KERAS), (
                    f"{relative(path)} loads Keras by {one}"
                )


def test_reports_never_name_keras_at_all():
    for path in (COMMON / "report").rglob("*.py"):
        names = imports(path)
        assert not top(names) & set(KERAS)
        assert not [name for name in names if name.startswith(KERAS_IN_COMMON)]


CHECK = """
import sys
from practicals.common.cli import main
sys.executable = "false"  # in the place of the process in which `doctor` asks TensorFlow, which takes seconds
try:
    code = main(sys.argv[1:])
except SystemExit as stop:  # argparse ends so after --help
    code = stop.code
heavy = sorted({"tensorflow", "keras", "keras_tuner", "shap", "lime", "sklearn", "matplotlib"} & set(sys.modules))
print("loaded", heavy, "code", code or 0, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["list"], 0),
        (["list", "--json"], 0),
        (["--help"], 0),
        (["run", "--help"], 0),
        (["data", "--help"], 0),
        (["data", "churn"], 2),  # the tests have no network
        (["doctor"], None),
        (["compare"], None),
        (["run", "chrun"], 2),
        (["rum", "churn"], 2),
        (["explain", "chrun"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_needs_no_model_loads_no_tensorflow(arguments, code, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("loaded [] code "), done.stderr
    assert code is None or last == f"loaded [] code {code}", done.stderr


def test_nothing_happens_at_import_time(tmp_path):
    program = (
        "import importlib, pkgutil, practicals.common as common\n"
        "for module in pkgutil.walk_packages(common.__path__, 'practicals.common.'):\n"
        "    importlib.import_module(module.name)\n"
        "import logging\n"
        "assert not logging.getLogger().handlers\n"
    )
    home = tmp_path / "home"
    here = tmp_path / "here"
    home.mkdir()
    here.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PRACTICALS_CACHE"] = str(tmp_path / "cache")
    # Libraries make folders of their own; these are sent elsewhere, so that ours would show.
    environment |= {"MPLCONFIGDIR": str(tmp_path / "mpl"), "KERAS_HOME": str(tmp_path / "keras")}
    done = subprocess.run([sys.executable, "-c", program], cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert list(home.iterdir()) == []
    assert list(here.iterdir()) == []
    assert not (tmp_path / "cache").exists()
