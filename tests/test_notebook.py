"""A lesson unrolled into a notebook: the right cells in the right order, and every one of them runs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

from practicals.common.catalog import CATALOG
from practicals.common.errors import PracticalError
from practicals.common.notebook import PARAMETERS, build_notebook, write_notebook
from practicals.common.report.compare import compare_runs, comparison_text
from practicals.common.run import finished_runs

LESSON = '''\
"""Practical 9. Is it a toy?

Data:    Toys, which go on
         in a second line.
Run:     practicals run toy
"""

# %% [markdown]
# # Is it a toy?
# Opening paragraph.

# %%
from __future__ import annotations

import numpy as np
from practicals.common import baselines as opponents
from practicals.common.classification import finish
from practicals.common.run import Run, Scores


# %% [markdown]
# ## What can be set

# %%
class ToyConfig:
    """Settings."""


# %% [markdown]
# ## Look

# %%
def load(config): ...


def never_called(): ...


# %% [markdown]
# ## Never told, since main does not come here

# %%
def search_space(hp, config): ...


# %% [markdown]
# ## The network
# One paragraph.

# %% [markdown]
# Another paragraph.

# %%
def layers_of(config): ...


def build_model(config, width):
    return layers_of(config)


def fit(network, split): ...


# %% [markdown]
# ## The story

# %%
def main(config: ToyConfig, run: Run, *, resume: bool = False) -> Scores:
    """Tell it."""
    # Everything else comes
    # after the split.
    split = load(config)  # raw rows
    width = np.size(split)
    network = build_model(config, width)

    with open("x") as file:
        # stays inside
        file.read()
    fit(network, split)
    scores = opponents.majority(
        split,
    )
    return finish(
        scores,
    )


# %% [markdown]
# ## Questions
# 1. Why?
'''


def cells(lesson: str = LESSON) -> list[tuple[str, str]]:
    notebook = build_notebook(lesson, "toy")
    return [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]


def code(lesson: str = LESSON) -> list[str]:
    return [text for kind, text in cells(lesson) if kind == "code"]


def test_the_notebook_is_valid_and_the_same_every_time():
    notebook = build_notebook(LESSON, "toy")
    nbformat.validate(nbformat.from_dict(notebook))
    assert json.dumps(notebook) == json.dumps(build_notebook(LESSON, "toy"))


def test_the_head_of_the_lesson_becomes_title_and_list():
    assert cells()[0] == (
        "markdown",
        "# Practical 9. Is it a toy?\n\n- **Data:** Toys, which go on in a second line.\n- **Run:** practicals run toy",
    )


def test_paragraphs_stand_before_the_step_that_they_are_about_and_questions_last():
    headings = [text.splitlines()[0] for kind, text in cells() if kind == "markdown"]
    assert headings == [
        "# Practical 9. Is it a toy?",
        "# Is it a toy?",
        "## What can be set",
        "## Settings",
        "## Look",
        "Everything else comes",
        "## The network",
        "Another paragraph.",
        "## The report",
        "## Questions",
    ]


def test_main_is_unrolled_statement_by_statement():
    steps = code()[4:]
    assert steps == [
        "split = load(config)  # raw rows",
        "split.train[:5]",
        "width = np.size(split)",
        "network = build_model(config, width)",
        "network.summary()",
        'with open("x") as file:\n    # stays inside\n    file.read()\nfit(network, split)',
        steps[6],
        "scores = opponents.majority(\n    split,\n)\nresult = finish(\n    scores,\n)",
        "result.verdict",
        "finish_run(config, run, result)\nprint(run.report_path)",
    ]
    assert "history.plot" in steps[6]


def test_cells_import_what_they_name_and_nothing_else():
    imports = code()[1]
    assert imports.splitlines() == [
        "import numpy as np",
        "from practicals.common import baselines as opponents",
        "from practicals.common.classification import finish",
        "from practicals.common.config import load_config",
        "from practicals.common.notebook import finish_run, start_run",
        "from practicals.toy import ToyConfig, build_model, fit, load",
    ]


def test_further_arguments_of_main_are_set_beside_the_settings():
    assert code()[2] == f"{PARAMETERS}\nresume = False"
    tagged = [cell for cell in build_notebook(LESSON, "toy")["cells"] if cell["metadata"].get("tags") == ["parameters"]]
    assert ["".join(cell["source"]) for cell in tagged] == [code()[2]]


def test_a_lesson_that_cannot_be_unrolled_is_refused():
    with pytest.raises(ValueError, match="main returns inside a block"):
        build_notebook(LESSON.replace("        file.read()", "        return None"), "toy")
    with pytest.raises(ValueError, match="a lesson needs main"):
        build_notebook(LESSON.replace("def main(", "def other("), "toy")


def test_a_notebook_that_is_there_is_not_overwritten(tmp_path):
    path = tmp_path / "mine.ipynb"
    path.write_text("my work")
    with pytest.raises(PracticalError, match=r"mine\.ipynb: is there already"):
        write_notebook(CATALOG["churn"], path)
    assert path.read_text() == "my work"


def test_a_folder_that_is_not_there_is_refused_in_one_line(tmp_path):
    with pytest.raises(PracticalError, match="cannot be written"):
        write_notebook(CATALOG["churn"], tmp_path / "no" / "churn.ipynb")


def test_writing_a_notebook_loads_no_tensorflow(tmp_path):
    program = (
        "import sys\n"
        "from practicals.common.cli import main\n"
        "assert main(['notebook', 'churn', '--output', sys.argv[1]]) == 0\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
    )
    path = tmp_path / "churn.ipynb"
    subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, check=True)
    assert path.is_file()


@pytest.mark.parametrize("name", list(CATALOG))
def test_every_lesson_unrolls_into_cells_that_call_public_functions_only(name):
    source = (ROOT / "practicals" / f"{name}.py").read_text(encoding="utf-8")
    notebook = build_notebook(source, name)
    nbformat.validate(nbformat.from_dict(notebook))
    public: set[str] = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert not {name for name in names if name.startswith("_")}
            public |= names
    assert {"load", "build_preprocess", "build_model", "fit", "assemble", "baselines", "explain"} <= public
    last = notebook["cells"][-1]
    assert last["cell_type"] == "markdown"
    assert "".join(last["source"]).count("?") >= 5  # the questions at the end of the lesson


def run_notebook(name: str, folder: Path, settings: list[str]) -> nbformat.NotebookNode:
    """Execute a lesson's notebook from start to end, with its parameters changed as a reader would change them."""
    source = (ROOT / "practicals" / f"{name}.py").read_text(encoding="utf-8")
    notebook: Any = nbformat.reads(json.dumps(build_notebook(source, name)), as_version=4)
    (parameters,) = (cell for cell in notebook.cells if cell.metadata.get("tags") == ["parameters"])
    parameters.source = parameters.source.replace(PARAMETERS, f"settings = {settings!r}\nsmoke = True")
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def test_the_churn_notebook_runs_from_start_to_end(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MPLBACKEND")  # the kernel draws into the cells
    notebook = run_notebook("churn", tmp_path, ["data=sample"])
    kinds = {kind for cell in notebook.cells for output in cell.get("outputs", []) for kind in output.get("data", {})}
    assert "image/png" in kinds  # the curves
    assert "text/html" in kinds  # the first rows
    (run,) = finished_runs(tmp_path / "runs", "churn")
    assert comparison_text(compare_runs([run])).count(run.folder.name)
    assert run.report_path.is_file()
    assert run.metrics()["seconds"]["total"] > run.metrics()["seconds"]["fit"] > 0
    shown = [output for output in notebook.cells[-2].outputs if output.output_type != "stream"]
    assert not shown  # the plots of the report are in the report


@pytest.mark.slow  # six kernels, each of which trains
@pytest.mark.parametrize("name", list(CATALOG))
def test_every_notebook_runs_from_start_to_end_and_can_be_shown_by_github(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MPLBACKEND")
    notebook = run_notebook(name, tmp_path, ["data=sample"])
    nbformat.validate(notebook)
    (run,) = finished_runs(tmp_path / "runs", name)
    for path in (run.model_path, run.predictions_path, run.report_path):
        assert path.is_file()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    # GitHub refuses a notebook with widgets that lack their state, and shows none above some megabytes.
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert "image/png" in kinds  # the curves
    assert not [kind for kind in kinds if "widget" in kind]
    assert len(nbformat.writes(notebook)) < 5_000_000


@pytest.mark.parametrize("name", list(CATALOG))
def test_a_notebook_is_written_without_outputs_and_with_nothing_about_this_machine(name):
    notebook = build_notebook((ROOT / "practicals" / f"{name}.py").read_text(encoding="utf-8"), name)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags"}
        assert not cell.get("outputs") and cell.get("execution_count") is None
