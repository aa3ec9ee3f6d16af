"""The documentation is true: every command in it exists, every help text has an example, every practical is named."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

from practicals.common.catalog import CATALOG
from practicals.common.cli import build_parser

README = (ROOT / "README.md").read_text(encoding="utf-8")


def code_in(text: str) -> list[str]:
    """Return the lines of all fenced blocks and all inline code of a Markdown text."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [line.strip() for block in blocks for line in block.splitlines()] + inline


def commands(text: str, program: str) -> list[str]:
    return sorted({line for line in code_in(text) if line.split("#")[0].split()[:1] == [program]})


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "datasets" / "README.md"]


def subparsers() -> dict[str, argparse.ArgumentParser]:
    actions = build_parser()._actions
    (found,) = (action for action in actions if isinstance(action, argparse._SubParsersAction))
    return dict(found.choices)


def parse(command: str) -> argparse.Namespace | None:
    """Parse a command as the program would; None when it asks for help."""
    words = shlex.split(command, comments=True)[1:]
    if "--help" in words:
        assert words == ["--help"] or words[0] in subparsers()
        return None
    return build_parser().parse_args(words)


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_in_the_documents_exists(path):
    found = commands(path.read_text(encoding="utf-8"), "practicals")
    assert found
    for command in found:
        options = parse(command)
        if options is not None and "name" in options:
            assert options.name in CATALOG, command


@pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make")
def test_every_make_target_in_the_readme_exists():
    targets = commands(README, "make")
    assert {"make churn", "make test"} <= set(targets)
    for command in targets:
        # -n only prints what would be done.
        done = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make")
def test_make_alone_lists_every_practical_and_creates_nothing(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    done = subprocess.run(["make"], cwd=tmp_path, capture_output=True, text=True, check=True)
    for name in CATALOG:
        assert f"make {name} " in done.stdout
    for target in ("setup", "data", "all", "compare", "test", "test-slow", "check", "bench", "clean"):
        assert f"make {target} " in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "configs"]


@pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make")
def test_make_passes_seed_settings_and_trials_on():
    command = ["make", "-n", "tune-churn", "TRIALS=3", "SEED=1", "SET=epochs=2 dropout=0.3", "ARGS=--data sample"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = (line for line in done.stdout.splitlines() if " -m practicals " in line)
    options = parse(line.partition(" -m ")[2])
    assert options is not None
    assert (options.command, options.name, options.trials, options.seed) == ("tune", "churn", 3, 1)
    assert (options.sets, options.data) == (["epochs=2", "dropout=0.3"], "sample")


def test_the_readme_names_every_practical_with_its_question():
    for name, practical in CATALOG.items():
        assert f"[{name}](practicals/{name}.py) | {practical.question} | {practical.network} |" in README


def test_the_readme_names_every_command():
    for name in subparsers():
        assert f"| `practicals {name}" in README


@pytest.mark.parametrize("name", subparsers())
def test_every_help_text_has_an_example_that_can_be_parsed(name):
    example = subparsers()[name].epilog
    assert example
    assert example.startswith(f"example: practicals {name}")
    parse(example.removeprefix("example: "))


@pytest.mark.parametrize("name", subparsers())
def test_every_option_says_what_it_is_for(name):
    for action in subparsers()[name]._actions:
        assert action.help, f"practicals {name}: {action.option_strings or action.dest}"


def test_every_link_to_a_file_leads_somewhere():
    for path in documents():
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path}: {target}"


def test_the_output_in_the_readme_is_that_of_a_run():
    shown = README.partition("<!-- output:churn -->")[2].partition("<!-- /output:churn -->")[0]
    verdict = r"(The network is better than|There is no clear difference|The network is worse)"
    assert re.search(rf"^```text\n.*^test scores .*^network .*^{verdict}.*^report: .*^```", shown, re.M | re.S)
