"""A lesson as a notebook: `main` unrolled into cells, between the paragraphs of the lesson.

What the cells need is imported from the lesson; nothing of it is copied, so the notebook and `practicals run` cannot
drift apart. Writing a notebook loads no TensorFlow.
"""

from __future__ import annotations

import ast
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from practicals.common.catalog import Practical, find_practical
from practicals.common.config import PracticalConfig
from practicals.common.console import quiet_native_stderr
from practicals.common.environment import describe_environment
from practicals.common.errors import ConfigError, PracticalError
from practicals.common.files import write_json
from practicals.common.lesson_source import (
    Lesson,
    Section,
    names_in,
    read_lesson,
    sections_reached,
    settings_of,
    steps_of,
)
from practicals.common.resources import PACKAGE
from practicals.common.run import Run, Scores
from practicals.common.workflow import conclude

SET_UP = """\
import importlib.util
import re
import subprocess
import sys
from importlib import metadata


def pip_install(*arguments):
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *arguments], check=True)


def is_missing(package):
    try:
        return metadata.version(package) is None
    except metadata.PackageNotFoundError:
        return True


if importlib.util.find_spec("practicals") is None:
    # A hosted notebook such as Colab: TensorFlow and whatever else is there stays as it is.
    pip_install("--no-deps", "keras-practicals")
    needed = [text for text in metadata.requires("keras-practicals") if "extra ==" not in text]
    missing = [text for text in needed if is_missing(re.match(r"[\\w.-]+", text).group())]
    present = [f"{name}=={metadata.version(name)}" for name in ("tensorflow", "keras", "numpy") if not is_missing(name)]
    if missing:
        pip_install(*missing, *present)

from practicals.common.notebook import start_tensorflow

start_tensorflow()"""

SETTINGS_PROSE = """\
## Settings
They come from `configs/{name}.yaml`. Change what you like here, for example `settings = ["epochs=20", "seed=1"]`,
and run the cells below again. To read the code of a step, write its name with two question marks in a cell of its
own: `build_model??`."""
PARAMETERS = """\
settings = []
smoke = False  # True: seconds instead of minutes"""
START = """\
config = load_config({config_class}, "{name}", sets=settings, smoke=smoke)
run = start_run("{name}", config)
print(config.to_yaml())"""

REPORT_PROSE = """\
## The report
One page with all of this, and the scores by which `practicals compare {name}` sets this run beside others."""
REPORT = """\
finish_run(config, run, result)
print(run.report_path)"""

# What is shown after a statement that calls one of these functions: (code, the import it needs).
# `{name}` is what the statement's result was called; without a result there is nothing to show.
DISPLAYS = {
    "load": ("{name}.train[:5]", None),
    "build_model": ("{name}.summary()", None),
    "evaluate": ("pd.DataFrame(dict({name}.items()))", "import pandas as pd"),
    "baselines": ("pd.DataFrame({{one.name: one.test for one in {name}}})", "import pandas as pd"),
    "fit": (
        """\
history = run.history()
history.plot(x="epoch", y=["loss", "val_loss"], xlabel="epoch", ylabel="loss", grid=True);""",
        None,
    ),
    "explain": (
        """\
for name, explanation in read_explanations(run).items():
    print(name, f"({explanation.unit})")
    for one in explanation.attributions[:5]:
        print(f"{one.contribution:+10.3f}  {one.feature} {one.value_text}")""",
        "from practicals.common.explain.explanation import read_explanations",
    ),
}


def write_notebook(practical: Practical, output: Path | None = None) -> Path:
    """Write the notebook of a lesson and return where it is.

    Args:
        practical: the lesson's entry in the catalog.
        output: the file to make; `NAME.ipynb` in the current folder by default.

    Raises:
        PracticalError: the file is there already, or it cannot be written.
    """
    path = output or Path(f"{practical.name}.ipynb")
    if path.exists():
        raise PracticalError(f"{path}: is there already and may hold your work. Choose another with --output FILE.")
    source = (PACKAGE / f"{practical.name}.py").read_text(encoding="utf-8")
    try:
        write_json(path, build_notebook(source, practical.name))
    except OSError as error:
        raise PracticalError(
            f"{path}: the notebook cannot be written ({error.strerror}). Choose another with --output FILE."
        ) from None
    return path


def start_tensorflow() -> None:
    """Load TensorFlow without the notices that its C++ part writes on start. Called by a notebook's first cell."""
    # SHAP brings a progress bar that misses its widgets; ours needs none.
    warnings.filterwarnings("ignore", message="IProgress not found")
    with quiet_native_stderr():
        from practicals.common.training import prepare  # writing a notebook does not need it

        prepare(0)


def start_run(name: str, config: PracticalConfig, runs: Path = Path("runs")) -> Run:
    """Seed everything and make a run folder, as `practicals run` does before `main`. Called by a notebook's cells.

    Raises:
        ConfigError: several devices are asked for, which would have to be entered and left in every cell.
    """
    from practicals.common.training import prepare

    if config.strategy != "one":
        raise ConfigError(
            f"strategy: a notebook trains on one device. Use: practicals run {name} --strategy {config.strategy}"
        )
    device = prepare(config.seed, deterministic=config.deterministic, mixed_precision=config.mixed_precision)
    run = Run.create(runs, name)
    run.write_config(config.to_yaml())
    run.write_environment(describe_environment(find_practical(name), config, device, f"notebook {name}"))
    return run


def finish_run(config: PracticalConfig, run: Run, scores: Scores) -> None:
    """Write report and metrics, as `practicals run` does after `main`. Called by a notebook's last cell."""
    # The time in all begins with the settings, and a reader's pauses count.
    conclude(config, run, scores, time.time() - run.config_path.stat().st_mtime)


def build_notebook(source: str, name: str) -> dict[str, Any]:
    """Return the notebook (format 4.5) of a lesson.

    Args:
        source: the text of the lesson's module.
        name: its name, from which configs and imports follow.

    Raises:
        ValueError: the lesson cannot be unrolled: no `main(config: SomeConfig, run)`, or a `return` inside a block.
    """
    cells = list(_cells(read_lesson(source, name)))
    return {
        "cells": [_cell(number, kind, text) for number, (kind, text) in enumerate(cells, start=1)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


_Cell = tuple[str, str]
"""Kind (`markdown` or `code`) and text."""


def _cells(lesson: Lesson) -> Iterator[_Cell]:
    """Yield every cell from title to questions."""
    end = lesson.main.end_lineno or 0
    questions = [section for section in lesson.sections if section.first_line > end]
    opening = [section for section in lesson.sections[:1] if section not in questions]
    steps = list(_unroll(lesson, shown=[*opening, *questions]))
    yield "markdown", _title(ast.get_docstring(lesson.tree) or lesson.name)
    yield from _prose(opening)
    yield "code", SET_UP
    yield "code", _imports(lesson, steps)
    yield from steps
    yield "markdown", REPORT_PROSE.format(name=lesson.name)
    yield "code", REPORT
    yield from _prose(questions)


def _prose(sections: list[Section]) -> Iterator[_Cell]:
    for section in sections:
        for text in section.prose:
            yield "markdown", text


def _title(docstring: str) -> str:
    """Turn the six lines at the head of a lesson into a heading and a list."""
    first, _, rest = docstring.partition("\n")
    joined = re.sub(r"\n[ \t]+", " ", rest.strip())  # a long entry goes on in indented lines
    entries = [re.sub(r"^(\w+):\s+", r"- **\1:** ", line) for line in joined.splitlines() if line.strip()]
    return "\n".join([f"# {first.strip()}", "", *entries]).strip()


def _imports(lesson: Lesson, steps: list[_Cell]) -> str:
    """Import what the cells name, from where the lesson has it."""
    code = "\n".join(text for kind, text in steps if kind == "code")
    named = names_in(ast.parse(code))
    lines = {line for _, line in DISPLAYS.values() if line and line.split()[-1] in named}
    found: dict[str, set[str]] = {
        "practicals.common.config": {"load_config"},
        "practicals.common.notebook": {"finish_run", "start_run"},
    }
    for used in sorted(named):
        statement = lesson.definitions.get(used)
        if isinstance(statement, ast.Import):
            alias = next(alias for alias in statement.names if used == (alias.asname or alias.name).split(".")[0])
            lines.add(f"import {ast.unparse(alias)}")
        elif isinstance(statement, ast.ImportFrom):
            alias = next(alias for alias in statement.names if used == (alias.asname or alias.name))
            found.setdefault(statement.module or "", set()).add(ast.unparse(alias))
        elif statement is not None:
            found.setdefault(f"practicals.{lesson.name}", set()).add(used)
    for module, words in found.items():
        line = f"from {module} import {', '.join(sorted(words))}"
        if len(line) > 100:
            line = f"from {module} import (\n" + "".join(f"    {word},\n" for word in sorted(words)) + ")"
        lines.add(line)
    return "\n".join(sorted(lines, key=lambda line: (line.startswith("from"), line)))


def _unroll(lesson: Lesson, shown: list[Section]) -> Iterator[_Cell]:
    """Yield the settings and then the body of `main`, each step after the paragraphs that tell of it.

    A cell ends at a blank line, at a comment (which becomes prose), where a new paragraph belongs, and where there is
    something to look at.
    """
    config_class, further = settings_of(lesson.main)
    told = [section for section in lesson.sections if config_class in section.names and section not in shown]
    shown += told
    yield from _prose(told)
    yield "markdown", SETTINGS_PROSE.format(name=lesson.name)
    yield "code", "\n".join([PARAMETERS, *further])
    yield "code", START.format(config_class=config_class, name=lesson.name)
    code: list[str] = []
    for step in steps_of(lesson):
        told = sections_reached(lesson, step.statement, shown)
        shown += told
        if code and (step.stands_apart or told):
            yield "code", "\n".join(code)
            code = []
        yield from _prose(told)
        if step.comment:
            yield "markdown", step.comment
        code.append(step.text)
        displays = _displays(step.statement)
        if displays:
            yield "code", "\n".join(code)
            code = []
        for display in displays:
            yield "code", display
    if code:
        yield "code", "\n".join(code)


def _displays(statement: ast.stmt) -> list[str]:
    """Return the cells that show the result of a step, where there is something to see."""
    if isinstance(statement, ast.Return):
        return ["result.verdict"]
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    name = target.id if isinstance(target, ast.Name) else None
    calls = [
        node.func.id for node in ast.walk(statement) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    codes = [code for function, (code, _) in DISPLAYS.items() if function in calls]
    return [code.format(name=name) if "{name}" in code else code for code in codes if name or "{name}" not in code]


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell = {
        "cell_type": kind,
        "id": f"cell-{number:02d}",
        "metadata": {"tags": ["parameters"]} if text.startswith(PARAMETERS) else {},
        "source": text.splitlines(keepends=True),
    }
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}
